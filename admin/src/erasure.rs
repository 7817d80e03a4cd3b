//! `doorctl erasure`: the proof that no terminal of a site holds anything of a person any more.
//!
//! The roster's entry that erased the person names the state after it, and so does every later one. A terminal signs the
//! state that it holds; where that is the one of an entry from the erasure on, and nobody put the person again up to
//! there, nothing of the person is in it. A certificate holds these signatures. Whoever has the roster and the root
//! key can check it at any time, without hub or terminal.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read as _, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand};
use doorward_protocol::audit::Hash;
use doorward_protocol::hex::{hex, unhex_all};
use doorward_protocol::ids::{PersonId, SiteId, TerminalId};
use doorward_protocol::keys::{PublicKey, Role};
use doorward_protocol::presence::State;
use doorward_protocol::roster::Change;
use doorward_protocol::trust::{Delegation, Trust};
use serde::{Deserialize, Serialize};

use crate::answer::{Answer, Stop};
use crate::hub::{self, Hub};
use crate::keyfile::{self, AUTHORITY};
use crate::ledger::Ledger;
use crate::{folder, text, witness};

/// The longest certificate: 10,000 terminals of half a kilobyte each, in digits.
const CERTIFICATE_LEN_MAX: u64 = 32 << 20;

/// Proof that a person was erased from every terminal.
#[derive(Debug, Subcommand)]
#[command(after_help = "From the erasure to its proof:\n  \
    doorctl person erase --roster hq.roster --by ada.key E-1042\n  \
    doorctl roster sync --roster hq.roster --hub http://127.0.0.1:8470 --token-file token\n  \
    doorctl erasure certify --roster hq.roster --hub http://127.0.0.1:8470 --token-file token E-1042 e-1042.erasure\n  \
    doorctl erasure verify --roster hq.roster --root root.key.pub e-1042.erasure")]
pub enum Erasure {
    /// Ask what every terminal holds, and write the certificate once nobody holds anything.
    #[command(
        after_help = "Says of each terminal whether it has shown it. The file is written once all have; until then the exit \
        code is 2. Terminals whose keys were revoked are not waited for: what they held is on them.\n\n\
        Example:\n  doorctl erasure certify --roster hq.roster --hub http://127.0.0.1:8470 --token-file token E-1042 \
        e-1042.erasure\n\n\
        Exit code: 0 written, 2 a terminal has not shown it yet, or the person was not erased, 1 fault."
    )]
    Certify(Certify),
    /// Check a certificate against the roster, without asking anybody.
    #[command(
        after_help = "Example:\n  doorctl erasure verify --roster hq.roster --root root.key.pub e-1042.erasure\n\n\
        Exit code: 0 it holds, 2 it does not, 1 fault."
    )]
    Verify(Verify),
}

/// Options of `certify`.
#[derive(Debug, Args)]
pub struct Certify {
    /// The roster, in step with the hub's.
    #[arg(long, value_name = "FILE")]
    roster: PathBuf,
    #[command(flatten)]
    hub: Hub,
    /// Who was erased.
    person: PersonId,
    /// Where the certificate goes; the file must not exist.
    certificate: PathBuf,
}

/// Options of `verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// The roster.
    #[arg(long, value_name = "FILE")]
    roster: PathBuf,
    /// The root that it must have begun with: its file, or the 64 digits.
    #[arg(long, value_name = "KEY")]
    root: String,
    /// The certificate.
    certificate: PathBuf,
}

/// What a certificate holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Certificate {
    site: SiteId,
    person: PersonId,
    /// Number of the roster's entry that erased the person.
    entry: u64,
    terminals: Vec<Shown>,
}

/// What a terminal holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shown {
    terminal: TerminalId,
    /// Its state as it signed it, in digits.
    signed: String,
}

/// Runs one of the commands.
///
/// # Errors
/// [`Stop::Refused`] where something of the person may still be held.
pub fn run(command: &Erasure, out: &mut dyn Write) -> Answer {
    match command {
        Erasure::Certify(options) => certify(options, out),
        Erasure::Verify(options) => verify(options, out),
    }
}

fn certify(options: &Certify, out: &mut dyn Write) -> Answer {
    let erased = Erased::find(&options.roster, None, &options.person)?;
    let line = options.hub.open()?;
    let known = hub::terminals(&line, &erased.site)?;
    let mut certificate = Certificate {
        site: erased.site.clone(),
        person: options.person.clone(),
        entry: erased.entry,
        terminals: Vec::new(),
    };
    let mut behind = 0;
    for terminal in &erased.terminals {
        let signed =
            known.iter().find(|known| known.terminal == *terminal).and_then(|known| known.signed.clone());
        let shown = match signed {
            None => Err("it never said what it holds".to_owned()),
            Some(signed) => erased.shown(&signed, terminal).map(|seq| (seq, signed)),
        };
        match shown {
            Ok((seq, signed)) => {
                writeln!(out, "{terminal}  holds nothing, as it signed at entry {seq}")?;
                certificate.terminals.push(Shown { terminal: terminal.clone(), signed });
            }
            Err(why) => {
                behind += 1;
                writeln!(out, "{terminal}  not yet: {}", text::printable(&why))?;
            }
        }
    }
    if behind > 0 {
        return Err(Stop::refused(format!(
            "{behind} terminals have not shown it yet; no certificate was written"
        )));
    }
    let mut bytes = Vec::new();
    text::json(&mut bytes, &certificate)?;
    let path = &options.certificate;
    folder::create_or_refuse(path, 0o644, &bytes)?;
    writeln!(out, "certificate {}: {} is erased at entry {}", path.display(), options.person, erased.entry)?;
    Ok(())
}

fn verify(options: &Verify, out: &mut dyn Write) -> Answer {
    let root = keyfile::public(&options.root, "--root", &AUTHORITY)?;
    let certificate = read(&options.certificate)?;
    let erased = Erased::find(&options.roster, Some(root), &certificate.person)?;
    erased.certified(&certificate).map_err(|why| {
        Stop::refused(format!("{}: {}", options.certificate.display(), text::printable(&why)))
    })?;
    let (person, entry) = (&certificate.person, certificate.entry);
    let count = certificate.terminals.len();
    writeln!(
        out,
        "{person} was erased by entry {entry}, and {count} terminals signed that they hold nothing"
    )?;
    Ok(())
}

fn read(path: &Path) -> Answer<Certificate> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(CERTIFICATE_LEN_MAX).read_to_string(&mut text))
        .with_context(|| format!("read {}", path.display()))?;
    Ok(serde_json::from_str(&text)
        .map_err(|e| anyhow!(e))
        .with_context(|| format!("{} is no certificate of an erasure", path.display()))?)
}

/// An erasure in a roster, and the states that hold nothing of the person.
struct Erased {
    site: SiteId,
    trust: Trust,
    /// The newest entry that erased the person.
    entry: u64,
    /// The state after that entry, and after each one since.
    states: Vec<Hash>,
    /// Terminals whose keys count.
    terminals: BTreeSet<TerminalId>,
}

impl Erased {
    /// Reads the roster for the newest erasure of a person who was not put again.
    fn find(roster: &Path, root: Option<PublicKey>, person: &PersonId) -> Answer<Self> {
        let (mut found, mut states) = (None, Vec::new());
        let mut ledger = Ledger::open_telling(roster, root, &mut |seq, entry| {
            for change in &entry.changes {
                match change {
                    Change::PersonErase(erase) if erase.person == *person => {
                        found = Some(seq);
                        states.clear();
                    }
                    Change::PersonPut(put) if put.at.person == *person => found = None,
                    Change::PersonPut(_)
                    | Change::PersonTake(_)
                    | Change::PersonErase(_)
                    | Change::SettingPut(_)
                    | Change::SettingTake(_)
                    | Change::Delegate(_)
                    | Change::Revoke(_)
                    | Change::Succeed(_)
                    | Change::Hand(_)
                    | Change::SealTo(_) => {}
                }
            }
            states.push(*entry.state);
        })?;
        let entry = found.ok_or_else(|| {
            Stop::refused(format!(
                "{person} is not erased by this roster; `doorctl person erase --roster` does it"
            ))
        })?;
        let trust = ledger.follower().trust().clone();
        let counts = |(delegation, revoked): (&Delegation, bool)| {
            delegation.terminal.clone().filter(|_| !revoked && delegation.roles == [Role::Terminal])
        };
        let terminals: BTreeSet<TerminalId> = trust.holders().filter_map(counts).collect();
        Ok(Self { site: trust.site().clone(), trust, entry, states, terminals })
    }

    /// The entry to which a terminal signed that it holds nothing of the person.
    fn shown(&self, digits: &str, terminal: &TerminalId) -> Result<u64, String> {
        let bytes = unhex_all(digits).ok_or_else(|| "its state is no digits".to_owned())?;
        let (state, _): (State, _) = witness::said(&bytes, terminal, &self.trust)?;
        let (seq, holds) = (state.roster.seq, *state.roster.state);
        let after = seq.checked_sub(self.entry).and_then(|after| usize::try_from(after).ok());
        let after = after.ok_or_else(|| format!("it follows entry {seq}, the erasure is {}", self.entry))?;
        match self.states.get(after) {
            None => {
                Err(format!("it follows entry {seq}, which this copy of the roster lacks; sync it first"))
            }
            Some(signed) if *signed == holds => Ok(seq),
            Some(signed) => Err(format!(
                "it holds the state {}, and {} was signed at entry {seq}",
                hex(&holds),
                hex(signed)
            )),
        }
    }

    fn certified(&self, certificate: &Certificate) -> Result<(), String> {
        if certificate.site != self.site {
            return Err(format!("it is of site {}, the roster of {}", certificate.site, self.site));
        }
        if certificate.entry != self.entry {
            return Err(format!("it names entry {}, the roster erases at {}", certificate.entry, self.entry));
        }
        for shown in &certificate.terminals {
            self.shown(&shown.signed, &shown.terminal).map_err(|why| format!("{}: {why}", shown.terminal))?;
        }
        let missing = self
            .terminals
            .iter()
            .find(|terminal| !certificate.terminals.iter().any(|shown| shown.terminal == **terminal));
        missing.map_or(Ok(()), |missing| Err(format!("terminal {missing} is not in it")))
    }
}

#[cfg(test)]
mod tests {
    use doorward_protocol::audit::ClockTrust;
    use doorward_protocol::envelope::{Heading, Kind};
    use doorward_protocol::message::{self, Opaque, Text};
    use doorward_protocol::presence::{Held, Trail};
    use doorward_protocol::roster::{PersonErase, PersonPut, PersonSlot, Slot};
    use ed25519_dalek::SigningKey;
    use tempfile::TempDir;

    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn person(name: &str) -> PersonId {
        name.parse().unwrap()
    }

    fn put(name: &str) -> Change {
        let at = PersonSlot { person: person(name), slot: Slot::Record, number: 0 };
        Change::PersonPut(PersonPut { at, form: 1, sealed: Opaque(vec![1, 2, 3]) })
    }

    fn erase(name: &str) -> Change {
        Change::PersonErase(PersonErase { person: person(name) })
    }

    /// A roster of an enroller (2), the terminals t4 and t5, and these changes, one an entry.
    fn roster(changes: &[Change]) -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hq.roster");
        Ledger::create(&path, "hq".parse().unwrap(), PublicKey::of(&key(1)), [9; 32]).unwrap();
        let delegate = |seed: u8, role| {
            Change::Delegate(Delegation {
                key: PublicKey::of(&key(seed)),
                holder: format!("holder {seed}"),
                roles: vec![role],
                terminal: (role == Role::Terminal).then(|| format!("t{seed}").parse().unwrap()),
                from_s: 0,
                until_s: i64::MAX,
                joined_with: None,
            })
        };
        let mut ledger = Ledger::open(&path, None).unwrap();
        let holders =
            vec![delegate(2, Role::Enroller), delegate(4, Role::Terminal), delegate(5, Role::Terminal)];
        ledger.append(holders, &key(1), 10, false).unwrap();
        for change in changes {
            ledger.append(vec![change.clone()], &key(2), 10, false).unwrap();
        }
        (folder, path)
    }

    /// What a terminal says that it holds after an entry of the roster, as `seed` signs it.
    fn state(path: &Path, seq: u64, terminal: &str, seed: u8) -> String {
        let mut states = Vec::new();
        Ledger::open_telling(path, None, &mut |_, entry| states.push(*entry.state)).unwrap();
        let root = states[usize::try_from(seq).unwrap() - 1];
        let state = State {
            session: [1; 16].into(),
            start: 1,
            link: 1,
            online: true,
            version: Text::cut("0.1.0"),
            clock: ClockTrust::Synchronised,
            trail: Trail { genesis: [1; 32].into(), seq: 1, hash: [2; 32].into() },
            roster: Held { seq, hash: [3; 32].into(), state: root.into() },
            halted: None,
            level: None,
        };
        let heading = Heading {
            kind: Kind::State,
            site: "hq".parse().unwrap(),
            terminal: Some(terminal.parse().unwrap()),
            seq: 1,
            issued_s: 10,
            expires_s: None,
        };
        hex(&message::sign(&heading, &state, &key(seed)).unwrap())
    }

    fn find(path: &Path) -> Answer<Erased> {
        Erased::find(path, None, &person("ada"))
    }

    fn shows(path: &Path, digits: &str, terminal: &str) -> Result<u64, String> {
        find(path).unwrap().shown(digits, &terminal.parse().unwrap())
    }

    #[test]
    fn r1_a_terminal_that_follows_the_erasure_or_more_has_shown_it() {
        let (_folder, path) = roster(&[put("ada"), erase("ada"), put("bob")]);
        for seq in [3, 4] {
            assert_eq!(shows(&path, &state(&path, seq, "t4", 4), "t4"), Ok(seq));
        }
        let behind = shows(&path, &state(&path, 2, "t4", 4), "t4");
        assert!(behind.unwrap_err().contains("the erasure is 3"));
    }

    #[test]
    fn r1_a_state_that_was_not_signed_or_by_another_terminal_shows_nothing() {
        let (_folder, path) = roster(&[put("ada"), erase("ada")]);
        let (_other_folder, other) = roster(&[put("ada"), put("ada"), erase("ada")]);
        assert!(
            shows(&path, &state(&other, 3, "t4", 4), "t4").unwrap_err().contains("was signed at entry 3")
        );
        assert!(shows(&path, &state(&other, 4, "t4", 4), "t4").unwrap_err().contains("sync it"));
        assert!(shows(&path, &state(&path, 3, "t4", 5), "t4").unwrap_err().contains("never this terminal's"));
        assert!(shows(&path, &state(&path, 3, "t5", 5), "t4").unwrap_err().contains("another terminal's"));
        assert!(shows(&path, "", "t4").is_err() && shows(&path, "zz", "t4").is_err());
    }

    #[test]
    fn r1_whoever_was_put_again_or_never_erased_gets_no_certificate() {
        for changes in [vec![put("ada")], vec![], vec![put("ada"), erase("ada"), put("ada")]] {
            let (_folder, path) = roster(&changes);
            assert!(matches!(find(&path).map(drop), Err(Stop::Refused(why)) if why.contains("not erased")));
        }
        let (_folder, path) = roster(&[erase("ada"), put("ada"), erase("ada")]);
        assert_eq!(find(&path).unwrap().entry, 4);
    }

    #[test]
    fn r1_a_certificate_holds_only_with_every_terminal_that_counts() {
        let (_folder, path) = roster(&[put("ada"), erase("ada")]);
        let shown = |terminal: &str, seed| Shown {
            terminal: terminal.parse().unwrap(),
            signed: state(&path, 3, terminal, seed),
        };
        let whole = Certificate {
            site: "hq".parse().unwrap(),
            person: person("ada"),
            entry: 3,
            terminals: vec![shown("t4", 4), shown("t5", 5)],
        };
        let erased = find(&path).unwrap();
        assert_eq!(erased.certified(&whole), Ok(()));
        let without = Certificate { terminals: vec![shown("t4", 4)], ..whole.clone() };
        assert!(erased.certified(&without).unwrap_err().contains("t5 is not in it"));
        let forged = Certificate { terminals: vec![shown("t4", 4), shown("t5", 4)], ..whole.clone() };
        assert!(erased.certified(&forged).is_err());
        let elsewhere = Certificate { site: "lab".parse().unwrap(), ..whole.clone() };
        assert!(erased.certified(&elsewhere).unwrap_err().contains("site lab"));
        assert!(erased.certified(&Certificate { entry: 2, ..whole }).unwrap_err().contains("erases at 3"));
    }
}
