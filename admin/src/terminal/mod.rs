//! `doorctl terminal`: how a terminal joins a site, how it is, and how it leaves.

mod fleet;
mod joining;

use std::io::Write;

use clap::Subcommand;

use crate::answer::Answer;
use crate::place::Place;

/// The terminals of a site: bringing one in, looking at all, taking one out.
#[derive(Debug, Subcommand)]
#[command(after_help = "A new terminal, with a stick between it and the admin's machine:\n  \
    doorctl terminal request lobby-1.request                       # on the terminal; shows a number\n  \
    doorctl broker certificates --site hq --terminal lobby-1 broker/\n  \
    doorctl terminal provision --roster hq.roster --by root.key --number 1234-… --papers broker/ \\\n    \
    --broker broker.example.org:8883 --opening-key opening.key lobby-1.request lobby-1.welcome\n  \
    doorctl terminal accept --root ROOT lobby-1.welcome            # on the terminal")]
pub enum Terminal {
    /// On a terminal: write what it asks to join its site with.
    #[command(
        after_help = "The file holds no secret. Compare the number that is shown with the one that `provision` asks for: who \
        changes the file on the way changes the number.\n\n\
        Example:\n  doorctl terminal request lobby-1.request\n\nExit code: 0 written, 2 the file is there already, 1 fault."
    )]
    Request(joining::Ask),
    /// At the centre: admit a terminal, and write what it is given.
    #[command(
        after_help = "Signs the terminal's key into the roster and seals root, broker, certificate and opening key to it. The \
        file opens on that terminal alone. Sync the roster afterwards.\n\n\
        Example:\n  doorctl terminal provision --roster hq.roster --by root.key --number 1234-5678-9012-3456-7890 \
        --papers broker/ --broker broker.example.org:8883 --opening-key opening.key lobby-1.request lobby-1.welcome\n\n\
        Exit code: 0 written, 2 the number or the key that signs is the wrong one, or something is there already, 1 fault."
    )]
    Provision(joining::Provision),
    /// On a terminal: take what the centre gave, and show what doord needs to know.
    #[command(
        after_help = "Writes authority.pem, terminal.pem, terminal.key and opening.key into the folder and prints the section \
        [centre] for doord.toml. --root is what you were told by the site's own people, not by whoever brought the file.\n\n\
        Example:\n  doorctl terminal accept --root 64DIGITS lobby-1.welcome\n\n\
        Exit code: 0 taken, 2 it is not for this terminal, of another root, or something is there already, 1 fault."
    )]
    Accept(joining::Accept),
    /// At the centre: every terminal of the roster, with what the hub knows of it.
    #[command(
        after_help = "Example:\n  doorctl terminal list --roster hq.roster --hub http://127.0.0.1:8470 --token-file token\n\n\
        Exit code: 0 shown, 2 the hub refused, 1 fault."
    )]
    List(fleet::List),
    /// At the centre: everything the hub knows of one terminal.
    #[command(
        after_help = "Example:\n  doorctl terminal status --roster hq.roster --hub http://127.0.0.1:8470 --token-file token lobby-1\n\n\
        Exit code: 0 shown, 2 the hub never heard of it, 1 fault."
    )]
    Status(fleet::Status),
    /// At the centre: end a terminal's key for ever.
    #[command(
        after_help = "Nothing it says counts from then on. List its certificate in the broker's revoked.pem as well, and order \
        `doorctl order lockdown` first where it still hangs at a door.\n\n\
        Example:\n  doorctl terminal retire --roster hq.roster --by root.key lobby-1\n\n\
        Exit code: 0 done, 2 unknown, or the key that signs may not, 1 fault."
    )]
    Retire(fleet::Retire),
}

/// Runs one of the commands.
///
/// # Errors
/// [`crate::answer::Stop::Refused`] where a terminal is not admitted, not itself, or unknown.
pub fn run(command: &Terminal, place: &Place, out: &mut dyn Write) -> Answer {
    match command {
        Terminal::Request(options) => joining::ask(options, place, out),
        Terminal::Provision(options) => joining::provision(options, out),
        Terminal::Accept(options) => joining::accept(options, place, out),
        Terminal::List(options) => fleet::list(options, out),
        Terminal::Status(options) => fleet::status(options, out),
        Terminal::Retire(options) => fleet::retire(options, out),
    }
}
