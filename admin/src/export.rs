//! `doorctl audit export`: the whole trail for other programs, as CSV that no spreadsheet runs, as JSON or as Parquet.

use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use doorward_protocol::audit::Entry;
use doorward_protocol::ids::{SiteId, TerminalId};
use serde_json::{Map, Value};

use crate::answer::{Answer, Stop};
use crate::audit::{each, fields, number, told};
use crate::columns::Columns;
use crate::hub::Hub;
use crate::place::Place;
use crate::sheet::{Cell, Sheet};
use crate::{text, witness};

pub(crate) const HELP: &str = "CSV: one line per entry with the columns seq, at (RFC 3339, UTC), clock, kind, door, \
    person, attempt, granted, reason, rule, comparison_score, threshold, runner_up, liveness, frames, gallery, level, and \
    detail for everything else. Text that a spreadsheet would take for a formula has an apostrophe in front.\n\
    JSON: a list of objects with seq, at, at_ms, clock and what (kind and its fields), one per line.\n\
    Parquet: the columns of CSV with their types, at as a timestamp in UTC, detail as an object of JSON; to a file only.\n\
    A file is made new and readable by its owner alone; an existing one is left as it is.\n\n\
    With --hub the entries are those that a hub keeps of one terminal; `audit verify --hub` proves them.\n\n\
    Examples:\n  doorctl audit export --format csv --output audit.csv\n  doorctl audit export --format parquet --output audit.parquet\n  doorctl audit export --format json | jq '.[].what'\n\n\
    Exit code: 0 written, 2 the file exists, 1 fault.";

/// Columns of the fields that most entries are looked at for, as entries name them.
const COLUMNS: [&str; 13] = [
    "door",
    "person",
    "attempt",
    "granted",
    "reason",
    "rule",
    "comparison_score",
    "threshold",
    "runner_up",
    "liveness",
    "frames",
    "gallery",
    "level",
];

/// Options of `export`.
#[derive(Debug, Args)]
pub struct Export {
    /// The address of a hub on this machine: what it keeps of a terminal instead of this terminal's store.
    #[arg(long, value_name = "URL", requires_all = ["token_file", "site", "terminal"])]
    hub: Option<String>,
    /// The file of the hub's token.
    #[arg(long, value_name = "FILE", requires = "hub")]
    token_file: Option<PathBuf>,
    /// The site at the hub.
    #[arg(long, requires = "hub")]
    site: Option<SiteId>,
    /// The terminal at the hub.
    #[arg(long, requires = "hub")]
    terminal: Option<TerminalId>,
    /// The form.
    #[arg(long, value_enum)]
    format: Format,
    /// A new file; without it the entries go to the standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Forms of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For spreadsheets.
    Csv,
    /// For programs.
    Json,
    /// For programs that read many entries.
    Parquet,
}

/// Shows every entry in order.
type Trail<'a> = dyn Fn(&mut dyn FnMut(u64, &Entry) -> Answer) -> Answer + 'a;

/// Writes every entry.
///
/// # Errors
/// [`Stop::Refused`] where the file exists, or in the hub's words.
pub fn run(options: &Export, place: &Place, out: &mut dyn Write) -> Answer {
    match (&options.hub, &options.token_file, &options.site, &options.terminal) {
        (Some(hub), Some(token), Some(site), Some(terminal)) => {
            let line = Hub { hub: hub.clone(), token_file: token.clone() }.open()?;
            export(options, &|show| witness::each(&line, site, terminal, show), out)
        }
        _ => {
            let store = place.open()?;
            export(options, &|show| each(&store, 0, show), out)
        }
    }
}

fn export(options: &Export, trail: &Trail<'_>, out: &mut dyn Write) -> Answer {
    match &options.output {
        None => write(options.format, trail, out),
        Some(path) => {
            let mut file = BufWriter::new(create(path)?);
            match options.format {
                Format::Parquet => parquet(trail, &mut file)?,
                format @ (Format::Csv | Format::Json) => write(format, trail, &mut file)?,
            }
            let synced = file.flush().and_then(|()| file.get_ref().sync_all());
            synced.with_context(|| format!("write {}", path.display()))?;
            Ok(())
        }
    }
}

/// A new file for the owner alone; neither a link nor an existing file is written through.
fn create(path: &Path) -> Answer<std::fs::File> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => Ok(file),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(Stop::Refused(format!("{} exists, and nothing is overwritten", path.display())))
        }
        Err(error) => {
            Err(Stop::Fault(anyhow::Error::new(error).context(format!("create {}", path.display()))))
        }
    }
}

fn write(format: Format, trail: &Trail<'_>, out: &mut dyn Write) -> Answer {
    match format {
        Format::Csv => csv(trail, out),
        Format::Json => json(trail, out),
        Format::Parquet => Err(Stop::refused("Parquet is no text: give a file with --output")),
    }
}

fn parquet(trail: &Trail<'_>, file: &mut BufWriter<std::fs::File>) -> Answer {
    let doing = "write the columns";
    let mut columns = Columns::new(file).context(doing)?;
    trail(&mut |seq, entry| Ok(columns.row(seq, entry).context(doing)?))?;
    Ok(columns.finish().context(doing)?)
}

fn csv(trail: &Trail<'_>, out: &mut dyn Write) -> Answer {
    let columns = [&["seq", "at", "clock", "kind"][..], &COLUMNS, &["detail"]].concat();
    let mut sheet = Sheet::new(out, &columns)?;
    trail(&mut |seq, entry| Ok(sheet.line(&cells(seq, entry))?))?;
    Ok(sheet.finish()?)
}

fn cells(seq: u64, entry: &Entry) -> Vec<Cell> {
    let (kind, mut fields) = fields(entry);
    let clock = serde_json::to_value(entry.clock).expect("a trust has a name");
    let mut cells = vec![Cell::Number(seq.to_string()), Cell::Text(text::moment(entry.at_ms)), cell(clock)];
    cells.push(Cell::Text(kind));
    cells.extend(COLUMNS.map(|column| fields.remove(column).map_or(Cell::Empty, cell)));
    cells.push(Cell::Text(detail(fields)));
    cells
}

fn cell(value: Value) -> Cell {
    match value {
        Value::Null => Cell::Empty,
        Value::Number(value) => Cell::Number(number(&value)),
        Value::String(text) => Cell::Text(text),
        other @ (Value::Bool(_) | Value::Array(_) | Value::Object(_)) => Cell::Text(other.to_string()),
    }
}

fn detail(fields: Map<String, Value>) -> String {
    let told = fields.into_iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| match value {
        Value::String(text) => format!("{name}={text}"),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            format!("{name}={other}")
        }
    });
    told.collect::<Vec<_>>().join("; ")
}

fn json(trail: &Trail<'_>, out: &mut dyn Write) -> Answer {
    write!(out, "[")?;
    let mut separator = "\n";
    trail(&mut |seq, entry| {
        let line = serde_json::to_string(&told(seq, entry)).expect("entries become JSON");
        write!(out, "{separator}{line}")?;
        separator = ",\n";
        Ok(())
    })?;
    writeln!(out, "\n]")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use doorward_protocol::audit::{ClockTrust, Decided, DoorReport, LivenessLevel, Scores, What};
    use doorward_protocol::ids::AttemptId;

    use super::*;

    fn decided() -> Entry {
        let scores = Scores {
            comparison_score: 0.71,
            threshold: 0.46,
            runner_up: -1.0,
            liveness: 97.0,
            frames: 3,
            gallery: 1000,
        };
        let decided = Decided {
            attempt: AttemptId(7),
            door: "front".parse().unwrap(),
            granted: true,
            person: Some("-1042".parse().unwrap()),
            reason: "granted".into(),
            rule: "weekly".into(),
            scores: Some(scores),
            presented: None,
            level: Some(LivenessLevel::Convenience),
        };
        Entry { at_ms: 1000, clock: ClockTrust::Synchronised, what: What::Decided(decided) }
    }

    fn line(entry: &Entry) -> String {
        let mut out = Vec::new();
        let mut sheet = Sheet::new(&mut out, &["x"; 18]).unwrap();
        sheet.line(&cells(3, entry)).unwrap();
        sheet.finish().unwrap();
        String::from_utf8(out).unwrap().lines().nth(1).unwrap().to_owned()
    }

    #[test]
    fn h8_identifiers_that_look_like_formulas_are_text_and_scores_stay_numbers() {
        assert_eq!(
            line(&decided()),
            "3,1970-01-01T00:00:01Z,synchronised,decided,front,'-1042,7,true,granted,weekly,0.71,0.46,-1,97,3,1000,convenience,"
        );
    }

    #[test]
    fn h8_a_formula_in_a_report_stays_text() {
        let what =
            What::Door(DoorReport { door: "@SUM".parse().unwrap(), event: "=cmd|' /C calc'!A0".into() });
        let line = line(&Entry { at_ms: 0, clock: ClockTrust::HeldOver, what });
        assert_eq!(line, "3,1970-01-01T00:00:00Z,held_over,door,'@SUM,,,,,,,,,,,,,event==cmd|' /C calc'!A0");
    }

    #[test]
    fn json_keeps_every_field_and_its_digits() {
        let text = serde_json::to_string(&told(3, &decided())).unwrap();
        assert!(
            text.starts_with(r#"{"seq":3,"at":"1970-01-01T00:00:01Z","at_ms":1000,"clock":"synchronised""#),
            "{text}"
        );
        assert!(text.contains(r#""comparison_score":0.71,"threshold":0.46"#), "{text}");
    }

    #[test]
    fn h8_an_export_writes_through_no_link_and_over_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        std::fs::write(&target, "keep").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        for path in [&target, &link] {
            assert!(matches!(create(path), Err(Stop::Refused(_))));
        }
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "keep");
        create(&folder.path().join("new")).unwrap();
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(folder.path().join("new")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
