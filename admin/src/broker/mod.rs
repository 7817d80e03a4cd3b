//! `doorctl broker`: the certificates of a site's broker, hubs and terminals, and whether a broker is set up as it must be.

mod certificates;
mod check;
mod trust;
mod wire;

use std::io::Write;

use clap::Subcommand;

pub(crate) use self::certificates::Drawing;
pub(crate) use self::trust::Told;
use crate::answer::Answer;

/// The broker between terminals and hub.
#[derive(Debug, Subcommand)]
pub enum Broker {
    /// Draw the certificates of a site, with the access list that fits them.
    #[command(
        long_about = "Draw the certificates of a site, with the access list that fits them.\n\n\
        The first call makes the site's authority, the broker's certificate, the configuration of mosquitto, and a \
        certificate for every hub and terminal that is named. Later calls add those that are new; nothing that is there \
        is overwritten. Keep authority.key off the network: whoever has it can pose as anybody at the broker, though \
        nobody would believe their messages.",
        after_help = "Example:\n  doorctl broker certificates --site hq --host broker.example.org --hub hub-1 \
        --terminal lobby-1 --terminal lobby-2 broker/\n\n\
        Exit code: 0 made, 2 a certificate is there already or a name cannot be, 1 fault."
    )]
    Certificates(certificates::Certificates),
    /// Say in words whether a broker is set up as it must be.
    #[command(
        long_about = "Say in words whether a broker is set up as it must be.\n\n\
        Connects with a terminal's certificate, and without; with the TLS that Doorward speaks, with older ones, and with \
        none; and tries what no terminal may do. A terminal of that name that is connected meanwhile is disconnected for \
        a moment. Nothing that it says counts: it signs nothing.",
        after_help = "Example:\n  doorctl broker check --host broker.example.org --site hq --authority broker/authority.pem \
        --certificate broker/lobby-1.pem --key broker/lobby-1.key --name lobby-1\n\n\
        Exit code: 0 all is well, 2 something is wrong, 1 fault."
    )]
    Check(check::Check),
}

/// Runs one of the commands.
///
/// # Errors
/// [`crate::answer::Stop::Refused`] where something is wrong with the broker, or a certificate is there already.
pub fn run(command: &Broker, out: &mut dyn Write) -> Answer {
    match command {
        Broker::Certificates(options) => certificates::run(options, out),
        Broker::Check(options) => check::run(options, out),
    }
}
