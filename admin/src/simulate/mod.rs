//! `doorctl simulate`: terminals that do not exist, before a broker and a hub that do.
//!
//! * [`fleet`]: the command, and the course of a run.
//! * [`terminal`]: one terminal: its key, its audit trail, what of it waits. [`line`]: its connection.
//! * [`ground`]: the site it belongs to, whose roster delegates its key. [`rig`]: a site for one run, set up by itself.
//! * [`meter`], [`usage`]: what is counted, and what it costs. [`reckoning`]: whether the hub kept it, each record once.

mod fleet;
mod ground;
mod line;
mod meter;
mod reckoning;
mod rig;
mod terminal;
mod usage;

use std::io::Write;

use clap::Subcommand;

use crate::answer::Answer;

/// Terminals that do not exist.
#[derive(Debug, Subcommand)]
pub enum Simulate {
    /// Drive a broker and a hub with the signed traffic of many terminals.
    #[command(long_about = fleet::ABOUT, after_help = fleet::EXAMPLES)]
    Fleet(fleet::Fleet),
}

/// Runs one of the commands.
///
/// # Errors
/// [`crate::answer::Stop::Refused`] where the hub lost or doubled a record.
pub fn run(command: &Simulate, out: &mut dyn Write) -> Answer {
    match command {
        Simulate::Fleet(options) => fleet::run(options, out),
    }
}
