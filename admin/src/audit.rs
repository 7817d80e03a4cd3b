//! `doorctl audit`: what was recorded, and whether it is whole.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use doorward_models::pack::hex;
use doorward_protocol::audit::{Broken, Entry};
use doorward_store::{Finding, RECORDS_MAX, Report, Store, verify};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::answer::{Answer, Stop};
use crate::export::{self, Export};
use crate::hub::Hub;
use crate::place::Place;
use crate::text;
use crate::witness;

/// Most entries that `tail` shows; `export` writes all.
const TAIL_MAX: u64 = 100_000;

/// Read, verify or export the audit trail.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Show the newest entries.
    #[command(
        after_help = "Each line: number, time, trust in the clock where it is not synchronised, kind, and what \
        belongs to it.\n\nExample:\n  doorctl audit tail -n 50"
    )]
    Tail(Tail),
    /// Examine the whole store: chain, signatures, every sealed field, rollback. Names the first bad record.
    #[command(
        after_help = "Reads only, and works beside a running doord and on a store that doord refuses.\n\n\
        JSON: sound, and where it is sound store, site, terminal, first_record, last_record, head_hash, checkpoints, \
        checkpoint_key, persons, templates; else finding (text) and record (number of the first bad audit record, or \
        null).\n\n\
        With --hub it is a hub's copy that is examined: every trail must follow from its genesis and end where its terminal \
        signed. A hub that withholds the newest records is not found out by this.\n\n\
        Examples:\n  doorctl audit verify --json\n  \
        doorctl audit verify --hub http://127.0.0.1:8470 --token-file token --roster hq.roster --root root.key.pub\n\n\
        Exit code: 0 sound, 2 something was found, 1 it could not be examined."
    )]
    Verify(Verify),
    /// Write all entries as CSV or JSON.
    #[command(after_help = export::HELP)]
    Export(Export),
}

/// Options of `tail`.
#[derive(Debug, Args)]
pub struct Tail {
    /// How many.
    #[arg(short, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=TAIL_MAX))]
    n: u64,
    /// JSON, one object per line.
    #[arg(long)]
    json: bool,
}

/// Options of `verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// JSON instead of text.
    #[arg(long, conflicts_with = "hub")]
    json: bool,
    /// The address of a hub on this machine: its copy instead of this terminal's store.
    #[arg(long, value_name = "URL", requires_all = ["token_file", "roster"])]
    hub: Option<String>,
    /// The file of the hub's token.
    #[arg(long, value_name = "FILE", requires = "hub")]
    token_file: Option<PathBuf>,
    /// The roster of the hub's site, which says whose keys are the terminals'.
    #[arg(long, value_name = "FILE", requires = "hub")]
    roster: Option<PathBuf>,
    /// The root that the roster must have begun with: its file, or the 64 digits.
    #[arg(long, value_name = "KEY", requires = "hub")]
    root: Option<String>,
}

/// An entry as JSON tells it.
#[derive(Serialize)]
pub(crate) struct Told<'a> {
    seq: u64,
    at: String,
    #[serde(flatten)]
    entry: &'a Entry,
}

/// Runs one of the commands.
///
/// # Errors
/// [`Stop::Refused`] for a store that is not whole.
pub fn run(command: &Audit, place: &Place, out: &mut dyn Write) -> Answer {
    match command {
        Audit::Tail(options) => tail(options, &place.open()?, out),
        Audit::Verify(options) => match (&options.hub, &options.token_file, &options.roster) {
            (Some(hub), Some(token), Some(roster)) => {
                let hub = Hub { hub: hub.clone(), token_file: token.clone() };
                witness::run(&hub, roster, options.root.as_deref(), out)
            }
            _ => check(options, place, out),
        },
        Audit::Export(options) => export::run(options, place, out),
    }
}

fn tail(options: &Tail, store: &Store, out: &mut dyn Write) -> Answer {
    let head = store.head().context("read the head of the audit trail")?.seq;
    each(store, head.saturating_sub(options.n) + 1, |seq, entry| {
        if options.json {
            let line = serde_json::to_string(&told(seq, entry)).expect("entries become JSON");
            writeln!(out, "{line}")?;
        } else {
            writeln!(out, "{}", line(seq, entry))?;
        }
        Ok(())
    })
}

/// Shows every entry from a number on, in order.
///
/// # Errors
/// When the trail cannot be read; and whatever `show` returns.
pub(crate) fn each(store: &Store, from: u64, mut show: impl FnMut(u64, &Entry) -> Answer) -> Answer {
    let mut next = from;
    loop {
        let entries = store.audit(next, RECORDS_MAX).context("read the audit trail")?;
        let Some((last, _)) = entries.last() else { return Ok(()) };
        next = last + 1;
        entries.iter().try_for_each(|(seq, entry)| show(*seq, entry))?;
    }
}

/// An entry as JSON.
pub(crate) fn told(seq: u64, entry: &Entry) -> Told<'_> {
    Told { seq, at: text::moment(entry.at_ms), entry }
}

/// What an entry says apart from its time, by name; numbers are those of [`number`].
pub(crate) fn fields(entry: &Entry) -> (String, Map<String, Value>) {
    let value = serde_json::to_value(&entry.what).expect("entries become JSON");
    let Value::Object(mut fields) = value else { unreachable!("a tagged enum becomes an object") };
    if let Some(Value::Object(scores)) = fields.remove("scores") {
        fields.extend(scores);
    }
    let kind = fields.remove("kind").and_then(|kind| kind.as_str().map(str::to_owned));
    (kind.expect("the tag is a text"), fields)
}

/// A number of an entry in as many digits as it has: fractions are 32-bit.
#[expect(
    clippy::cast_possible_truncation,
    reason = "fractions of entries are 32-bit floats before they become JSON"
)]
pub(crate) fn number(value: &serde_json::Number) -> String {
    match value.as_f64().filter(|_| value.is_f64()) {
        Some(fraction) => (fraction as f32).to_string(),
        None => value.to_string(),
    }
}

fn line(seq: u64, entry: &Entry) -> String {
    let (kind, fields) = fields(entry);
    let clock = serde_json::to_value(entry.clock).expect("a trust has a name");
    let clock = match clock.as_str() {
        Some("synchronised") | None => String::new(),
        Some(other) => format!(" ({other})"),
    };
    let mut line = format!("{seq:>8}  {}{clock}  {kind}", text::moment(entry.at_ms));
    for (name, value) in fields {
        let shown = match value {
            Value::Null => continue,
            Value::String(text) => text::printable(&text),
            Value::Number(value) => number(&value),
            other @ (Value::Bool(_) | Value::Array(_) | Value::Object(_)) => other.to_string(),
        };
        line = format!("{line} {name}={shown}");
    }
    line
}

/// A sound store as JSON tells it.
#[derive(Serialize)]
struct Sound {
    sound: bool,
    store: String,
    site: String,
    terminal: String,
    first_record: u64,
    last_record: u64,
    head_hash: String,
    checkpoints: u64,
    checkpoint_key: String,
    persons: u64,
    templates: u64,
}

/// A finding as JSON tells it.
#[derive(Serialize)]
struct Found {
    sound: bool,
    finding: String,
    record: Option<u64>,
}

fn check(options: &Verify, place: &Place, out: &mut dyn Write) -> Answer {
    let master = place.master()?;
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("{bar:40} {pos}/{len} rows {eta}").expect("the template is sound"),
    );
    let result = verify(&place.store, &master, |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let finding = match result {
        Ok(report) => return tell(&report, options.json, out),
        Err(Finding::Unreadable(fault)) => {
            return Err(Stop::Fault(anyhow::Error::new(*fault).context("examine the store")));
        }
        Err(finding) => finding,
    };
    let record = bad_record(&finding);
    let finding = format!("{:#}", anyhow::Error::new(finding));
    if options.json {
        text::json(out, &Found { sound: false, finding: finding.clone(), record })?;
    }
    Err(Stop::Refused(match record {
        Some(record) => format!("the store is not whole, first at audit record {record}: {finding}"),
        None => format!("the store is not whole: {finding}"),
    }))
}

fn tell(report: &Report, json: bool, out: &mut dyn Write) -> Answer {
    let sound = Sound {
        sound: true,
        store: report.store.clone(),
        site: report.site.to_string(),
        terminal: report.terminal.to_string(),
        first_record: report.base + 1,
        last_record: report.head,
        head_hash: hex(&report.head_hash),
        checkpoints: report.checkpoints,
        checkpoint_key: hex(&report.checkpoint_key),
        persons: report.persons,
        templates: report.templates,
    };
    if json {
        return text::json(out, &sound);
    }
    writeln!(out, "sound: store {} of terminal {}, site {}", sound.store, sound.terminal, sound.site)?;
    writeln!(out, "  records      {} to {}", sound.first_record, sound.last_record)?;
    writeln!(out, "  head         {}", sound.head_hash)?;
    writeln!(out, "  checkpoints  {}, signed by {}", sound.checkpoints, sound.checkpoint_key)?;
    writeln!(out, "  persons      {}, with {} templates", sound.persons, sound.templates)?;
    Ok(())
}

/// The number of the first bad audit record, where a finding is about one.
fn bad_record(finding: &Finding) -> Option<u64> {
    match finding {
        Finding::Record(broken) => Some(match broken {
            Broken::Gap { expected, .. } => *expected,
            Broken::Hash(seq) | Broken::Time(seq) | Broken::Unreadable { seq, .. } => *seq,
        }),
        Finding::Truncated { found, .. } => Some(found + 1),
        Finding::Rewritten(seq) | Finding::Checkpoint(seq) => Some(*seq),
        Finding::Stray { found, .. } => u64::try_from(*found).ok(),
        Finding::Missing { .. }
        | Finding::NotAStore { .. }
        | Finding::Newer { .. }
        | Finding::Foreign { .. }
        | Finding::Damaged(_)
        | Finding::Schema(_)
        | Finding::Setting { .. }
        | Finding::Field { .. }
        | Finding::State { .. }
        | Finding::StateOlder { .. }
        | Finding::SideFile { .. }
        | Finding::Unreadable(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use doorward_protocol::audit::{ClockTrust, DoorReport, What};

    use super::*;

    #[test]
    fn h8_an_entry_is_one_line_whatever_it_holds() {
        let event = "forced\n9  1970-01-01T00:00:00Z  erased\u{1b}[2J".to_owned();
        let what = What::Door(DoorReport { door: "front".parse().unwrap(), event });
        let line = line(7, &Entry { at_ms: 0, clock: ClockTrust::Unknown, what });
        assert!(
            line.starts_with(
                "       7  1970-01-01T00:00:00Z (unknown)  door door=front event=forced\u{fffd}9"
            ),
            "{line}"
        );
        assert!(!line.contains(char::is_control));
    }

    #[test]
    fn the_first_bad_record_of_a_finding_is_named() {
        assert_eq!(bad_record(&Finding::Record(Broken::Gap { expected: 4, found: 6 })), Some(4));
        assert_eq!(bad_record(&Finding::Truncated { found: 9, seen: 20 }), Some(10));
        assert_eq!(bad_record(&Finding::Damaged(String::new())), None);
    }
}
