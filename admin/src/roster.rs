//! `doorctl roster`: what admins sign at the centre, and the way of their signed entries to the hub and back.
//!
//! Nothing here reaches a terminal by itself: an entry is signed into the local copy of the roster, and [`crate::hub`] takes
//! it to the hub, which passes it on unchanged.

use std::fs::File;
use std::io::{Read as _, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand, ValueEnum};
use doorward_protocol::ids::PersonId;
use doorward_protocol::message::Opaque;
use doorward_protocol::roster::{
    BODY_LEN_MAX, Change, PersonErase, PersonSlot, Setting, SettingName, SettingPut, Slot,
};
use doorward_protocol::sealing::CONTENT_LEN_MAX;
use zeroize::Zeroizing;

use crate::answer::{Answer, Stop};
use crate::hub::{self, Hub};
use crate::keyfile;
use crate::keys::{self, Looking, Signing};
use crate::ledger::Ledger;
use crate::{rotation, site};

/// The roster of a site: persons and settings, signed entry by entry.
#[derive(Debug, Subcommand)]
#[command(after_help = "A change, from an admin's machine to every terminal:\n  \
    doorctl roster sync --roster hq.roster --hub http://127.0.0.1:8470 --token-file token\n  \
    doorctl enroll --roster hq.roster --by ada.key --seal-to opening.key.pub --person E-1042 --name \"Ada Lovelace\" \
    --photo badge.jpg --supervised\n  \
    doorctl person erase --roster hq.roster --by ada.key E-1041\n  \
    doorctl roster sync --roster hq.roster --hub http://127.0.0.1:8470 --token-file token")]
pub enum Roster {
    /// Seal something of a person to the site's terminals, and put it.
    #[command(
        after_help = "The content is read from a file, as it is, and sealed before it is signed: hub and broker hold bytes. \
        `enroll`, `person put` and `credential add` with --roster write contents that terminals know.\n\n\
        Example:\n  doorctl roster put --roster hq.roster --by ada.key --seal-to 64DIGITS --slot template --number 0 \
        --form 1 E-1042 template.bin\n\n\
        Exit code: 0 done, 2 the key that signs may not, or it cannot be, 1 fault."
    )]
    Put(Put),
    /// Take one thing of a person away.
    #[command(
        after_help = "Example:\n  doorctl roster take --roster hq.roster --by ada.key --slot credential --number 2 E-1042\n\n\
        Exit code: 0 done, 2 the key that signs may not, 1 fault."
    )]
    Take(Take),
    /// Erase a person with everything that belongs to it, on every terminal.
    #[command(
        after_help = "Each terminal proves by the root that it reports that it holds nothing more of the person.\n\n\
        Example:\n  doorctl roster erase --roster hq.roster --by ada.key E-1042\n\n\
        Exit code: 0 done, 2 the key that signs may not, 1 fault."
    )]
    Erase(Erase),
    /// Put a setting: a rule, a schedule, holidays, a door, a model rollout.
    #[command(
        after_help = "Terminals read the rule `access`; what they have no use for yet they leave out, on record.\n\n\
        Example:\n  doorctl roster set --roster hq.roster --by policy.key --setting rule access access.toml\n\n\
        Exit code: 0 done, 2 the key that signs may not, or it cannot be, 1 fault."
    )]
    Set(Set),
    /// Take a setting away.
    #[command(
        after_help = "Example:\n  doorctl roster unset --roster hq.roster --by policy.key --setting rule staff\n\n\
        Exit code: 0 done, 2 the key that signs may not, 1 fault."
    )]
    Unset(Unset),
    /// After `keys rotate`: seal again what is in force and was sealed to an earlier key.
    #[command(
        after_help = "So that a terminal that joins with the newest key alone can open everything. It opens names, templates and \
        credentials here for a moment: run it where the opening key is kept, off the network.\n\n\
        Example:\n  doorctl roster reseal --roster hq.roster --by ada.key --opening-key opening-2.key\n\n\
        Exit code: 0 done, 2 nothing was rotated, something does not open, or the key that signs may not, 1 fault."
    )]
    Reseal(rotation::Reseal),
    /// Bring the local copy and the hub's to the same entry.
    #[command(
        long_about = "Bring the local copy and the hub's to the same entry.\n\n\
        Entries that the hub has and this copy lacks are verified and appended here; those that were signed here are handed \
        to the hub. Where both went on by themselves, nothing is changed: what was signed here has to be signed again after \
        the hub's.",
        after_help = "Example:\n  doorctl roster sync --roster hq.roster --hub http://127.0.0.1:8470 --token-file token\n\n\
        Exit code: 0 the same, 2 they have parted, or an entry is refused, 1 fault."
    )]
    Sync(Sync),
}

/// Options of `put`.
#[derive(Debug, Args)]
pub struct Put {
    #[command(flatten)]
    signing: Signing,
    #[command(flatten)]
    looking: Looking,
    /// The sealing key of the site's terminals: its file, or the 64 digits; not needed once the roster says it.
    #[arg(long, value_name = "KEY")]
    seal_to: Option<String>,
    #[command(flatten)]
    at: At,
    /// Form of the content, so that terminals know how to read it.
    #[arg(long)]
    form: u16,
    /// Whose.
    person: PersonId,
    /// The file with the content.
    content: PathBuf,
}

/// Options of `take`.
#[derive(Debug, Args)]
pub struct Take {
    #[command(flatten)]
    signing: Signing,
    #[command(flatten)]
    looking: Looking,
    #[command(flatten)]
    at: At,
    /// Whose.
    person: PersonId,
}

/// Which thing of a person.
#[derive(Debug, Args)]
struct At {
    /// What it is.
    #[arg(long)]
    slot: SlotName,
    /// Which of several.
    #[arg(long, default_value_t = 0)]
    number: u32,
}

/// Options of `erase`.
#[derive(Debug, Args)]
pub struct Erase {
    #[command(flatten)]
    signing: Signing,
    #[command(flatten)]
    looking: Looking,
    /// Whom.
    person: PersonId,
}

/// Options of `set`.
#[derive(Debug, Args)]
pub struct Set {
    #[command(flatten)]
    signing: Signing,
    /// What it is.
    #[arg(long)]
    setting: SettingKind,
    /// Form of the content.
    #[arg(long, default_value_t = 1)]
    form: u16,
    /// Its name among those.
    name: String,
    /// The file with the content.
    content: PathBuf,
}

/// Options of `unset`.
#[derive(Debug, Args)]
pub struct Unset {
    #[command(flatten)]
    signing: Signing,
    /// What it is.
    #[arg(long)]
    setting: SettingKind,
    /// Its name among those.
    name: String,
}

/// Options of `sync`.
#[derive(Debug, Args)]
pub struct Sync {
    /// The local copy.
    #[arg(long, value_name = "FILE")]
    roster: PathBuf,
    #[command(flatten)]
    hub: Hub,
}

/// Things a person can have, as they are typed.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum SlotName {
    Record,
    Template,
    Credential,
    Consent,
}

/// Kinds of settings, as they are typed.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum SettingKind {
    Rule,
    Schedule,
    Holidays,
    Door,
    Models,
}

/// Runs one of the commands.
///
/// # Errors
/// [`Stop::Refused`] where a key may not do what was asked, or the copies have parted.
pub fn run(command: &Roster, out: &mut dyn Write) -> Answer {
    match command {
        Roster::Put(options) => put(options, out),
        Roster::Take(options) => {
            let at = options.at.of(&options.person);
            let said = format!("{} {} of {} is taken away", name(options.at.slot), at.number, at.person);
            keys::sign(&options.signing, &options.looking.keys()?, Change::PersonTake(at), &said, out)
        }
        Roster::Erase(options) => {
            let person = options.person.clone();
            let said = format!("{person} is erased");
            let change = Change::PersonErase(PersonErase { person });
            keys::sign(&options.signing, &options.looking.keys()?, change, &said, out)
        }
        Roster::Set(options) => {
            let at = setting(options.setting, &options.name);
            let said = format!("{} {:?} is put", name(options.setting), options.name);
            let body = Opaque(content(&options.content, BODY_LEN_MAX)?.to_vec());
            let change = Change::SettingPut(SettingPut { at, form: options.form, body });
            keys::sign(&options.signing, &[], change, &said, out)
        }
        Roster::Unset(options) => {
            let at = setting(options.setting, &options.name);
            let said = format!("{} {:?} is taken away", name(options.setting), options.name);
            keys::sign(&options.signing, &[], Change::SettingTake(at), &said, out)
        }
        Roster::Reseal(options) => rotation::reseal(options, out),
        Roster::Sync(options) => sync(options, out),
    }
}

fn put(options: &Put, out: &mut dyn Write) -> Answer {
    let content = content(&options.content, CONTENT_LEN_MAX)?;
    let mut ledger = Ledger::open(&options.signing.roster, None)?;
    let key = site::sealing(options.seal_to.as_deref(), ledger.follower().seal_to())?;
    let site = ledger.follower().trust().site().clone();
    // The roster's file is locked while it is open, and signing opens it anew.
    drop(ledger);
    let at = options.at.of(&options.person);
    let said = format!("{} {} of {} is put, sealed", name(options.at.slot), at.number, at.person);
    let sealed =
        key.seal(&site, at, options.form, &content, &mut keyfile::generator()).map_err(Stop::refused)?;
    keys::sign(&options.signing, &options.looking.keys()?, Change::PersonPut(sealed), &said, out)
}

fn sync(options: &Sync, out: &mut dyn Write) -> Answer {
    let mut ledger = Ledger::open(&options.roster, None)?;
    let site = ledger.follower().trust().site().clone();
    let hub = options.hub.open()?;
    let own = ledger.follower().head().seq;
    let (mut seen, mut taken) = (0, 0);
    loop {
        let entries = hub::entries(&hub, &site, seen)?;
        if entries.is_empty() {
            break;
        }
        for entry in entries {
            seen += 1;
            if seen <= own {
                let same = ledger.entry(seen)? == entry;
                if !same {
                    return Err(Stop::refused(format!(
                        "entry {seen} of the hub differs from this copy's: both went on by themselves; take the copy as it \
                         was before, sync, and sign again"
                    )));
                }
            } else {
                ledger.take(&entry)?;
                taken += 1;
            }
        }
    }
    let mut given = 0;
    for seq in seen + 1..=own {
        hub::hand_in(&hub, &site, &ledger.entry(seq)?)?;
        given += 1;
    }
    writeln!(out, "{taken} entries came from the hub, {given} went there; both have {}", own.max(seen))?;
    Ok(())
}

impl At {
    fn of(&self, person: &PersonId) -> PersonSlot {
        let slot = match self.slot {
            SlotName::Record => Slot::Record,
            SlotName::Template => Slot::Template,
            SlotName::Credential => Slot::Credential,
            SlotName::Consent => Slot::Consent,
        };
        PersonSlot { person: person.clone(), slot, number: self.number }
    }
}

fn setting(kind: SettingKind, name: &str) -> SettingName {
    let setting = match kind {
        SettingKind::Rule => Setting::Rule,
        SettingKind::Schedule => Setting::Schedule,
        SettingKind::Holidays => Setting::Holidays,
        SettingKind::Door => Setting::Door,
        SettingKind::Models => Setting::Models,
    };
    SettingName { setting, name: name.to_owned() }
}

fn name(value: impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

/// A file's content, which may be a secret.
fn content(path: &Path, longest: usize) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let doing = || format!("read {}", path.display());
    let mut bytes = Zeroizing::new(Vec::with_capacity(longest + 1));
    File::open(path)
        .with_context(doing)?
        .take(longest as u64 + 1)
        .read_to_end(&mut bytes)
        .with_context(doing)?;
    ensure!(bytes.len() <= longest, "{} is longer than {longest} bytes", path.display());
    Ok(bytes)
}
