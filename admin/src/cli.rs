//! The commands and the options they share.

use std::io::Write;

use clap::{Parser, Subcommand};

use crate::answer::Answer;
use crate::mind::Minding;
use crate::place::Place;
use crate::{
    audit, bench, broker, camera, compare, consent, credential, detect, enrol, erasure, evaluate, identify,
    init, keys, order, pack, person, roster, simulate, terminal,
};

/// The administrator's tool of a door terminal.
#[derive(Debug, Parser)]
#[command(
    name = "doorctl",
    version,
    about = "The administrator's tool of a door terminal: enrolment, audit, evaluation.",
    long_about = "The administrator's tool of a door terminal: enrolment, audit, evaluation.\n\n\
        doorctl works on the terminal's files directly, also while doord runs; doord notices changes by itself. Run it \
        as the user that doord runs as. With --roster, `enroll`, `person` and `credential` sign the same for all \
        terminals of a site instead. Pictures are read, and never stored, unless `camera snap` or `camera record` is \
        told that everybody on them agreed, or `order capture` fetches that of somebody whose consent is on the roster.",
    after_help = "A first terminal:\n  \
        doorctl init --site hq --terminal lobby-1\n  \
        doorctl enroll --person E-1042 --name \"Ada Lovelace\" --photo badge.jpg --supervised\n  \
        doorctl identify gate.jpg\n  \
        doorctl audit verify\n\n\
        Exit codes: 0 done, 1 a fault or wrong usage, 2 refused: doorctl looked, and the answer is no."
)]
pub struct Cli {
    /// The terminal's files.
    #[command(flatten)]
    pub place: Place,
    /// Models and engine.
    #[command(flatten)]
    pub minding: Minding,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What doorctl can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make the key and the empty store of a new terminal.
    #[command(long_about = init::ABOUT)]
    Init(init::Init),
    /// Enrol a person from photographs or a recording.
    #[command(long_about = enrol::ABOUT)]
    Enroll(enrol::Enrol),
    /// Put, show, suspend, resume or erase persons.
    #[command(subcommand)]
    Person(person::Person),
    /// Give, show or take away cards, PINs and QR codes.
    #[command(subcommand)]
    Credential(credential::Credential),
    /// Sign what persons agreed to, and until when.
    #[command(subcommand)]
    Consent(consent::Consent),
    /// Find the faces of a photograph and measure them.
    Detect(detect::Detect),
    /// Compare the faces of two photographs.
    Compare(compare::Compare),
    /// Search the store for the person of a photograph.
    Identify(identify::Identify),
    /// Whose word counts at a site.
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Sign changes for a site's terminals at the centre.
    #[command(subcommand)]
    Roster(roster::Roster),
    /// Bring terminals into a site, look at them, take them out.
    #[command(subcommand)]
    Terminal(terminal::Terminal),
    /// Tell terminals what to do now, through the hub.
    #[command(subcommand)]
    Order(order::Order),
    /// Prove that a person was erased everywhere.
    #[command(subcommand)]
    Erasure(erasure::Erasure),
    /// Set up the broker between terminals and hub, and look whether it is.
    #[command(subcommand)]
    Broker(broker::Broker),
    /// Read, verify or export the audit trail.
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Measure error rates.
    #[command(subcommand)]
    Evaluate(evaluate::Evaluate),
    /// Measure this machine.
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Let terminals loose that do not exist.
    #[command(subcommand)]
    Simulate(simulate::Simulate),
    /// Work with model packs.
    #[command(subcommand)]
    Pack(pack::Pack),
    /// List, show, aim and record cameras.
    #[command(subcommand)]
    Camera(camera::Camera),
}

/// Runs the command; what it says goes to `out`, progress to the standard error.
///
/// # Errors
/// See [`crate::answer::Stop`].
pub fn run(cli: &Cli, out: &mut dyn Write) -> Answer {
    let (place, minding) = (&cli.place, &cli.minding);
    match &cli.command {
        Command::Init(options) => init::run(options, place, out),
        Command::Enroll(options) => enrol::run(options, place, minding, out),
        Command::Person(command) => person::run(command, place, out),
        Command::Credential(command) => credential::run(command, place, out),
        Command::Consent(command) => consent::run(command, out),
        Command::Detect(options) => detect::run(options, minding, out),
        Command::Compare(options) => compare::run(options, minding, out),
        Command::Identify(options) => identify::run(options, place, minding, out),
        Command::Keys(command) => keys::run(command, out),
        Command::Roster(command) => roster::run(command, out),
        Command::Terminal(command) => terminal::run(command, place, out),
        Command::Order(command) => order::run(command, out),
        Command::Erasure(command) => erasure::run(command, out),
        Command::Broker(command) => broker::run(command, out),
        Command::Audit(command) => audit::run(command, place, out),
        Command::Evaluate(command) => evaluate::run(command, minding, out),
        Command::Bench(command) => bench::run(command, minding, out),
        Command::Simulate(command) => simulate::run(command, out),
        Command::Pack(command) => pack::run(command, minding, out),
        Command::Camera(command) => camera::run(command, out),
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::*;

    #[test]
    fn the_definition_of_the_commands_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_teaches_by_an_example() {
        fn leaves(command: &clap::Command, path: &str, found: &mut Vec<String>) {
            if !command.has_subcommands() {
                let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                let name = path.trim_start_matches("doorctl ");
                assert!(
                    help.contains("Example") && help.contains(&format!("doorctl {name}")),
                    "{path}: {help}"
                );
                found.push(path.to_owned());
            }
            for sub in command.get_subcommands() {
                leaves(sub, &format!("{path} {}", sub.get_name()), found);
            }
        }
        let mut found = Vec::new();
        leaves(&Cli::command(), "doorctl", &mut found);
        assert_eq!(found.len(), 72, "{found:?}");
    }

    #[test]
    fn photos_and_a_recording_exclude_each_other_and_one_is_needed() {
        let enroll = |more: &[&str]| {
            let usual = ["doorctl", "enroll", "--person", "p1", "--name", "n"];
            Cli::try_parse_from(usual.iter().chain(more)).is_ok()
        };
        assert!(enroll(&["--photo", "a.jpg", "b.jpg"]) && enroll(&["--recording", "r"]));
        assert!(enroll(&["--photo", "a.jpg", "--photo", "b.jpg", "--supervised"]));
        assert!(!enroll(&[]) && !enroll(&["--supervised"]));
        assert!(!enroll(&["--photo", "a.jpg", "--recording", "r"]));
        assert!(!enroll(&["--recording", "r", "--supervised"]), "a recording proves life by itself");
    }

    #[test]
    fn h8_identifiers_that_could_escape_are_refused_as_usage() {
        for hostile in ["../etc", "a;rm", "$(x)", "a'--", ""] {
            assert!(Cli::try_parse_from(["doorctl", "person", "show", hostile]).is_err(), "{hostile}");
        }
    }
}
