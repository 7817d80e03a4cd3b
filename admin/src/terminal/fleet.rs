//! `doorctl terminal list`, `status` and `retire`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use doorward_protocol::audit::LivenessLevel;
use doorward_protocol::ids::TerminalId;
use doorward_protocol::keys::KeyId;
use doorward_protocol::roster::{Change, Revoke};
use doorward_protocol::trust::Trust;

use super::joining::terminal_of;
use crate::answer::{Answer, Stop};
use crate::hub::{self, Hub, Known};
use crate::keys::{self, Signing};
use crate::ledger::Ledger;
use crate::text;

/// What `convenience` means, wherever it is told.
const PHOTOGRAPH: &str = "a good photograph may pass there";

/// Options of `list`.
#[derive(Debug, Args)]
pub struct List {
    /// The roster, which says whose keys count.
    #[arg(long, value_name = "FILE")]
    roster: PathBuf,
    #[command(flatten)]
    hub: Hub,
}

/// Options of `status`.
#[derive(Debug, Args)]
pub struct Status {
    /// The roster.
    #[arg(long, value_name = "FILE")]
    roster: PathBuf,
    #[command(flatten)]
    hub: Hub,
    /// The terminal.
    terminal: TerminalId,
}

/// Options of `retire`.
#[derive(Debug, Args)]
pub struct Retire {
    #[command(flatten)]
    signing: Signing,
    /// The terminal.
    terminal: TerminalId,
}

/// Shows every terminal in one line.
///
/// # Errors
/// [`Stop::Refused`] in the hub's own words.
pub(super) fn list(options: &List, out: &mut dyn Write) -> Answer {
    let trust = Ledger::open(&options.roster, None)?.follower().trust().clone();
    let known = hub::terminals(&options.hub.open()?, trust.site())?;
    let known: BTreeMap<&TerminalId, &Known> = known.iter().map(|known| (&known.terminal, known)).collect();
    let keys = keys_of(&trust);
    let width = keys.keys().map(|terminal| terminal.as_str().len()).max().unwrap_or(0);
    for (terminal, keys) in &keys {
        let presence = match keys.is_empty() {
            true => "retired",
            false => known.get(terminal).map_or("never heard of", |known| known.presence.as_str()),
        };
        let follows = match known.get(terminal).and_then(|known| Some((known.roster?, known))) {
            Some((entry, Known { holds_what_was_signed: Some(true), .. })) => {
                format!("entry {entry}, as signed")
            }
            Some((entry, Known { holds_what_was_signed: Some(false), .. })) => {
                format!("entry {entry}, NOT as signed")
            }
            Some((entry, Known { holds_what_was_signed: None, .. })) => format!("entry {entry} so far"),
            None => String::new(),
        };
        let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
        let presence = text::printable(presence);
        let level = known.get(terminal).map(|known| known.level.map_or("unknown", LivenessLevel::code));
        let (level, keys) = (level.unwrap_or_default(), keys.join(" "));
        writeln!(out, "{terminal:width$}  {presence:14}  {level:11}  {follows:24}  {keys}")?;
    }
    writeln!(out, "{} terminals of site {}", keys.len(), trust.site())?;
    let weakest = |known: &&&Known| known.level == Some(LivenessLevel::Convenience);
    match known.values().filter(weakest).count() {
        0 => {}
        count => writeln!(out, "{count} of them ask for convenience alone: {PHOTOGRAPH}")?,
    }
    Ok(())
}

/// Shows all the hub knows of one.
///
/// # Errors
/// [`Stop::Refused`] in the hub's own words.
pub(super) fn status(options: &Status, out: &mut dyn Write) -> Answer {
    let site = Ledger::open(&options.roster, None)?.follower().trust().site().clone();
    let line = options.hub.open()?;
    let told: BTreeMap<String, serde_json::Value> =
        line.get(&format!("/api/v1/sites/{site}/terminals/{}", options.terminal))?;
    // Signed bytes are for programs.
    for (name, value) in told.iter().filter(|(name, value)| !value.is_null() && *name != "signed") {
        let mut value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if name == "level" && value == LivenessLevel::Convenience.code() {
            value = format!("{value}: {PHOTOGRAPH}");
        }
        let moment = name.strip_suffix("_ms").zip(value.parse().ok());
        match moment {
            Some((name, ms)) => writeln!(out, "{name:22}  {}", text::moment(ms))?,
            None => writeln!(out, "{:22}  {}", name.replace('_', " "), text::printable(&value))?,
        }
    }
    Ok(())
}

/// Ends the keys of one.
///
/// # Errors
/// [`Stop::Refused`] where it has none, or the key that signs may not.
pub(super) fn retire(options: &Retire, out: &mut dyn Write) -> Answer {
    let trust = Ledger::open(&options.signing.roster, None)?.follower().trust().clone();
    let keys = keys_of(&trust).remove(&options.terminal).unwrap_or_default();
    if keys.is_empty() {
        return Err(Stop::refused(format!("terminal {} has no key that counts", options.terminal)));
    }
    for key in keys {
        let said = format!("key {key} of terminal {} is revoked", options.terminal);
        keys::sign(&options.signing, &[], Change::Revoke(Revoke { key }), &said, out)?;
    }
    Ok(())
}

/// The terminals of a roster, each with its keys that count.
fn keys_of(trust: &Trust) -> BTreeMap<TerminalId, Vec<KeyId>> {
    let mut keys: BTreeMap<TerminalId, Vec<KeyId>> = BTreeMap::new();
    for (delegation, revoked) in trust.holders() {
        if let Some(terminal) = terminal_of(delegation) {
            let keys = keys.entry(terminal.clone()).or_default();
            keys.extend((!revoked).then(|| delegation.key.id()));
        }
    }
    keys
}
