//! `doorctl keys`: whose word counts at a site.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use doorward_protocol::hex::hex;
use doorward_protocol::ids::{SiteId, TerminalId};
use doorward_protocol::keys::{KeyId, PublicKey, Role};
use doorward_protocol::roster::{Change, Revoke, Succeed};
use doorward_protocol::sealing::OpeningKey;
use doorward_protocol::trust::Delegation;
use doorward_store::{KeySource, opening_keys};
use serde::Serialize;

use crate::answer::{Answer, Stop};
use crate::held::{Held, View};
use crate::keyfile::{self, AUTHORITY};
use crate::ledger::Ledger;
use crate::{place, rotation, text};

const DAY_S: i64 = 24 * 60 * 60;

/// Whose word counts at a site: the root key, the keys it gives roles to, and their end.
#[derive(Debug, Subcommand)]
#[command(after_help = "A new site, on a machine that is kept off the network:\n  \
    doorctl keys init --site hq --roster hq.roster root.key\n  \
    doorctl keys make ada.key\n  \
    doorctl keys delegate --roster hq.roster --by root.key --holder \"Ada Lovelace\" --role enroller ada.key.pub\n  \
    doorctl keys list --roster hq.roster\n\n\
    The roster is a log of signed entries; it holds no secret. Everything that follows from it is checked against the \
    root key, which terminals pin when they are provisioned.")]
pub enum Keys {
    /// Begin a site: draw its root key and write the first line of its roster.
    #[command(
        after_help = "Keep the root key on a machine off the network, and a copy in a safe: it alone gives and \
        takes roles.\n\nExample:\n  doorctl keys init --site hq --roster hq.roster root.key\n\n\
        Exit code: 0 made, 2 something is there already, 1 fault."
    )]
    Init(Init),
    /// Draw a key for a person or a machine.
    #[command(
        after_help = "Each person draws a key of their own and hands over FILE.pub. With --passphrase whoever copies FILE \
        has to guess: it is asked for here and at every signature, unseen, or read as a line of the standard input.\n\n\
        Example:\n  doorctl keys make --passphrase ada.key\n\nExit code: 0 made, 2 something is there already, 1 fault."
    )]
    Make(Make),
    /// Draw the key that opens what is sealed to a site's terminals.
    #[command(
        after_help = "FILE goes to each terminal of the site (centre.opening_key in doord.toml) and nowhere else; FILE.pub to \
        whoever enrols. Broker and hub have neither: names, templates and credentials are bytes to them.\n\n\
        Example:\n  doorctl keys sealing opening.key\n\nExit code: 0 made, 2 something is there already, 1 fault."
    )]
    Sealing(Draw),
    /// Draw another opening key, and hand it to every terminal of the site.
    #[command(
        after_help = "After an opening key was stolen, or a terminal that held it: retire the terminal first, and it is handed \
        nothing. Terminals learn the new key from the roster, sealed to each of them, whenever they follow it; nobody has to go \
        there, and what was sealed before goes on opening. FILE holds the new key and those before it, and takes the old \
        file's place when terminals are provisioned. Then seal again what is in force: `doorctl roster reseal`.\n\n\
        What was sealed to the stolen key stays readable for the thief who has a copy of the roster: give people new cards and \
        PINs.\n\n\
        Example:\n  doorctl keys rotate --roster hq.roster --by root.key --opening-key opening.key opening-2.key\n\n\
        Exit code: 0 done, 2 a terminal would be left out, or the key that signs may not, 1 fault."
    )]
    Rotate(rotation::Rotate),
    /// Give a key its roles, in place of those it had.
    #[command(
        after_help = "Example:\n  doorctl keys delegate --roster hq.roster --by root.key --holder \"Ada Lovelace\" \
        --role enroller --role operator ada.key.pub\n\n\
        Exit code: 0 done, 2 the key that signs may not, or the delegation cannot be, 1 fault."
    )]
    Delegate(Delegate),
    /// End a key for ever: nothing it signs from here on counts.
    #[command(
        after_help = "What it signed before stays in force; erase or replace it where it must not.\n\n\
        Example:\n  doorctl keys revoke --roster hq.roster --by root.key ada.key.pub\n\n\
        Exit code: 0 done, 2 unknown, or the key that signs may not, 1 fault."
    )]
    Revoke(RevokeKey),
    /// Put another root key in the place of the present one.
    #[command(after_help = "Terminals follow by themselves: the old root vouches for the new one.\n\n\
        Example:\n  doorctl keys succeed --roster hq.roster --by root.key new-root.key.pub\n\n\
        Exit code: 0 done, 2 refused, 1 fault.")]
    Succeed(SucceedRoot),
    /// Check a roster from its beginning, and show whose word counts.
    #[command(
        after_help = "JSON: an object with site, root, genesis, entries, state, and keys: a list of objects with key, holder, \
        roles, terminal, from, until (RFC 3339), revoked; and seal_to, where a key was rotated.\n\n\
        Example:\n  doorctl keys list --roster hq.roster --root root.key.pub\n\n\
        Exit code: 0 the roster holds, 2 it does not, or has another root, 1 fault."
    )]
    List(List),
}

/// Options of `init`.
#[derive(Debug, Args)]
pub struct Init {
    /// The site: the terminals that share a roster.
    #[arg(long)]
    site: SiteId,
    /// The roster's file, which must not exist.
    #[arg(long, value_name = "FILE")]
    roster: PathBuf,
    /// Ask for a passphrase, without which the root key signs nothing.
    #[arg(long)]
    passphrase: bool,
    /// The root key's file, which must not exist.
    file: PathBuf,
}

/// Options of `sealing`.
#[derive(Debug, Args)]
pub struct Draw {
    /// The opening key's file, which must not exist.
    file: PathBuf,
}

/// Options of `make`.
#[derive(Debug, Args)]
pub struct Make {
    /// Ask for a passphrase, without which the key signs nothing. Not for a hub's key: a hub starts by itself.
    #[arg(long)]
    passphrase: bool,
    /// The private key's file, which must not exist.
    file: PathBuf,
}

/// What signing an entry takes.
#[derive(Debug, Args)]
pub struct Signing {
    /// The roster.
    #[arg(long, value_name = "FILE")]
    pub(crate) roster: PathBuf,
    /// The private key that signs.
    #[arg(long, value_name = "FILE")]
    pub(crate) by: PathBuf,
    /// Check, show what would be signed and what is in force now, and write nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// What a dry run reads sealed contents with.
#[derive(Debug, Args)]
pub struct Looking {
    /// With --dry-run: the file of the site's opening keys, to show what is sealed now and what would be.
    #[arg(long, value_name = "FILE", requires = "dry_run")]
    open_with: Option<PathBuf>,
}

impl Looking {
    /// The keys, newest first; none where no file is given.
    ///
    /// # Errors
    /// The file's.
    pub(crate) fn keys(&self) -> anyhow::Result<Vec<OpeningKey>> {
        let source = self.open_with.as_ref().map(|file| KeySource::File(file.clone()));
        let keys = source.map(|source| opening_keys(&source)).transpose();
        Ok(keys.context("--open-with")?.unwrap_or_default())
    }
}

/// Options of `delegate`.
#[derive(Debug, Args)]
pub struct Delegate {
    #[command(flatten)]
    signing: Signing,
    /// Who holds the key, for people to read.
    #[arg(long)]
    holder: String,
    /// What it may do; several times for several roles.
    #[arg(long, required = true)]
    role: Vec<RoleName>,
    /// The terminal that the key belongs to; with the role `terminal`, and only then.
    #[arg(long)]
    terminal: Option<TerminalId>,
    /// For how many days.
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..=3650))]
    days: u16,
    /// The public key: its file, or the 64 digits.
    #[arg(value_name = "KEY")]
    public: String,
}

/// Options of `revoke`.
#[derive(Debug, Args)]
pub struct RevokeKey {
    #[command(flatten)]
    signing: Signing,
    /// The public key: its file, the 64 digits, or the 32 digits of its name.
    #[arg(value_name = "KEY")]
    public: String,
}

/// Options of `succeed`.
#[derive(Debug, Args)]
pub struct SucceedRoot {
    #[command(flatten)]
    signing: Signing,
    /// The new root's public key: its file, or the 64 digits.
    #[arg(value_name = "KEY")]
    public: String,
}

/// Options of `list`.
#[derive(Debug, Args)]
pub struct List {
    /// The roster.
    #[arg(long, value_name = "FILE")]
    roster: PathBuf,
    /// The root that it must have begun with: its file, or the 64 digits.
    #[arg(long, value_name = "KEY")]
    root: Option<String>,
    /// JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// A role as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RoleName {
    /// Puts and erases persons, templates and credentials.
    Enroller,
    /// Unlocks, locks, orders lockdowns.
    Operator,
    /// Rules, schedules, holidays, doors.
    Policy,
    /// Models and software; ends keys.
    Release,
    /// Reads only.
    Auditor,
    /// A terminal.
    Terminal,
    /// A hub.
    Hub,
}

const ROLES: [(RoleName, Role); 7] = [
    (RoleName::Enroller, Role::Enroller),
    (RoleName::Operator, Role::Operator),
    (RoleName::Policy, Role::Policy),
    (RoleName::Release, Role::Release),
    (RoleName::Auditor, Role::Auditor),
    (RoleName::Terminal, Role::Terminal),
    (RoleName::Hub, Role::Hub),
];

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_possible_value().expect("no role is hidden").get_name())
    }
}

/// Runs one of the commands.
///
/// # Errors
/// [`Stop::Refused`] where a key may not do what was asked, or a roster does not hold.
pub fn run(command: &Keys, out: &mut dyn Write) -> Answer {
    match command {
        Keys::Init(options) => init(options, out),
        Keys::Make(options) => keyfile::create(&options.file, &AUTHORITY, options.passphrase, out).map(drop),
        Keys::Sealing(options) => keyfile::create_opening(&options.file, out),
        Keys::Rotate(options) => rotation::rotate(options, out),
        Keys::Delegate(options) => delegate(options, out),
        Keys::Revoke(options) => {
            let key = named(&options.public)?;
            sign(&options.signing, &[], Change::Revoke(Revoke { key }), &format!("key {key} is revoked"), out)
        }
        Keys::Succeed(options) => {
            let root = public(&options.public)?;
            let said = format!("the root is {}", root.hex());
            sign(&options.signing, &[], Change::Succeed(Succeed { root }), &said, out)
        }
        Keys::List(options) => list(options, out),
    }
}

fn init(options: &Init, out: &mut dyn Write) -> Answer {
    // Looked at first, so that a refusal leaves no key behind; creating refuses as well.
    if options.roster.symlink_metadata().is_ok() {
        let file = options.roster.display();
        return Err(Stop::refused(format!("{file} exists, and nothing is overwritten")));
    }
    let root = PublicKey::of(&keyfile::create(&options.file, &AUTHORITY, options.passphrase, out)?);
    Ledger::create(&options.roster, options.site.clone(), root, keyfile::genesis())?;
    writeln!(out, "roster      {}, of site {}", options.roster.display(), options.site)?;
    Ok(())
}

fn delegate(options: &Delegate, out: &mut dyn Write) -> Answer {
    let wanted = |name: &RoleName| options.role.contains(name);
    let roles = ROLES.iter().filter(|(name, _)| wanted(name)).map(|(_, role)| *role).collect();
    let from_s = now_s();
    let delegation = Delegation {
        key: public(&options.public)?,
        holder: options.holder.clone(),
        roles,
        terminal: options.terminal.clone(),
        from_s,
        until_s: from_s + i64::from(options.days) * DAY_S,
        joined_with: None,
    };
    let said = format!(
        "key {} of {} is {} until {}",
        delegation.key.id(),
        text::printable(&delegation.holder),
        names(&delegation.roles).join(" and "),
        text::moment(delegation.until_s * 1000)
    );
    sign(&options.signing, &[], Change::Delegate(delegation), &said, out)
}

/// Signs a change into a roster, and says so; a dry run shows what is in force beside it, opened with these keys.
pub(crate) fn sign(
    signing: &Signing,
    keys: &[OpeningKey],
    change: Change,
    said: &str,
    out: &mut dyn Write,
) -> Answer {
    let key = keyfile::private(&signing.by, &AUTHORITY)?;
    let mut held = Held::default();
    let mut ledger = Ledger::open_telling(&signing.roster, None, &mut |seq, entry| {
        if signing.dry_run {
            held.follow(seq, entry);
        }
    })?;
    let trust = ledger.follower().trust().clone();
    let seq = ledger.append(vec![change.clone()], &key, now_s(), signing.dry_run)?;
    if !signing.dry_run {
        writeln!(out, "entry {seq}: {said}")?;
        return Ok(());
    }
    writeln!(out, "entry {seq} would say: {said}; nothing was written")?;
    for line in (View { held: &held, trust: &trust, keys }).compare(&[change]) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

#[derive(Serialize)]
struct Listing {
    site: SiteId,
    root: String,
    genesis: String,
    entries: u64,
    state: String,
    seal_to: Option<String>,
    keys: Vec<Listed>,
}

#[derive(Serialize)]
struct Listed {
    key: String,
    holder: String,
    roles: Vec<String>,
    terminal: Option<TerminalId>,
    from: String,
    until: String,
    revoked: bool,
}

fn list(options: &List, out: &mut dyn Write) -> Answer {
    let root = options.root.as_deref().map(public).transpose()?;
    let mut ledger = Ledger::open(&options.roster, root)?;
    let genesis = hex(&ledger.genesis());
    let follower = ledger.follower();
    let state = hex(&follower.tree().root());
    let seal_to = follower.seal_to().map(|key| hex(&key));
    let trust = follower.trust();
    let keys = trust.holders().map(|(delegation, revoked)| Listed {
        key: delegation.key.id().to_string(),
        holder: text::printable(&delegation.holder),
        roles: names(&delegation.roles),
        terminal: delegation.terminal.clone(),
        from: text::moment(delegation.from_s.saturating_mul(1000)),
        until: text::moment(delegation.until_s.saturating_mul(1000)),
        revoked,
    });
    let listing = Listing {
        site: trust.site().clone(),
        root: trust.root().hex(),
        genesis,
        entries: follower.head().seq,
        state,
        seal_to,
        keys: keys.collect(),
    };
    if options.json {
        return text::json(out, &listing);
    }
    writeln!(out, "site     {}, {} entries, every one of them holds", listing.site, listing.entries)?;
    writeln!(out, "root     {}", listing.root)?;
    writeln!(out, "genesis  {}", listing.genesis)?;
    writeln!(out, "state    {}", listing.state)?;
    if let Some(key) = &listing.seal_to {
        writeln!(out, "seals to {key}")?;
    }
    for key in &listing.keys {
        let terminal = key.terminal.as_ref().map(|terminal| format!(" {terminal}")).unwrap_or_default();
        let end = if key.revoked { "revoked".to_owned() } else { format!("until {}", key.until) };
        writeln!(out, "  {}  {}  {}{terminal}  {end}", key.key, key.holder, key.roles.join(","))?;
    }
    Ok(())
}

fn names(roles: &[Role]) -> Vec<String> {
    let known = ROLES.iter().filter(|(_, role)| roles.contains(role));
    known.map(|(name, _)| name.to_string()).collect()
}

fn public(given: &str) -> anyhow::Result<PublicKey> {
    keyfile::public(given, "KEY", &AUTHORITY)
}

/// The name of a key that is given by its file, its digits or its name.
fn named(given: &str) -> anyhow::Result<KeyId> {
    match given.parse() {
        Ok(name) => Ok(name),
        Err(_) => Ok(public(given)?.id()),
    }
}

pub(crate) fn now_s() -> i64 {
    place::now().ms.div_euclid(1000)
}
