//! `doorctl evaluate compare`: two reports side by side, before a pack goes out to terminals.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use doorward_models::evaluation::regression::{self, Change, Report};
use doorward_models::pack::read_bounded;

use crate::answer::{Answer, Stop};
use crate::text::printable;

/// The largest report: ten thousand figures of 400 bytes, and what stands around them.
const REPORT_LEN_MAX: u64 = 16 << 20;

/// Options of `evaluate compare`.
#[derive(Debug, Args)]
#[command(
    after_help = "OLD and NEW are reports that `doorctl evaluate pad`, `identify`, `pairs` or `quality` wrote with --json, \
    or beside --html, of the same data. A rate got worse where the new one lies above the old interval and chance alone \
    would deal the errors out so unevenly in fewer than one of forty cases (Fisher's exact test). A rate that the new report \
    tells no more counts as worse.\n\n\
    Example:\n  doorctl evaluate compare old/pad.json new/pad.json\n\n\
    Exit code: 0 nothing got worse, 2 something did, 1 fault."
)]
pub struct Compare {
    /// The report of what is in use.
    old: PathBuf,
    /// The report of what is to replace it.
    new: PathBuf,
    /// Compare although the reports say that they are of different data.
    #[arg(long)]
    other_data: bool,
    /// Show also the rates that stayed as they were.
    #[arg(long)]
    all: bool,
}

/// Compares two reports.
///
/// # Errors
/// [`Stop::Refused`] where something got worse; a fault for what is no report.
pub fn run(options: &Compare, out: &mut dyn Write) -> Answer {
    let (old, new) = (read(&options.old)?, read(&options.new)?);
    let compared = regression::compare(&old, &new, options.other_data).context("compare the reports")?;
    writeln!(out, "{} → {}", printable(&old.model), printable(&new.model))?;
    for one in &compared {
        if options.all || one.change != Change::Same {
            writeln!(out, "{one}")?;
        }
    }
    let count = |change: Change| compared.iter().filter(|one| one.change == change).count();
    writeln!(
        out,
        "{} rates: {} worse, {} told no more, {} better, {} new, {} as before",
        compared.len(),
        count(Change::Worse),
        count(Change::Gone),
        count(Change::Better),
        count(Change::New),
        count(Change::Same)
    )?;
    let worse: Vec<String> =
        compared.iter().filter(|one| one.change.alarms()).map(|one| printable(&one.name)).collect();
    if worse.is_empty() {
        return Ok(());
    }
    Err(Stop::Refused(format!("not as good as before: {}", worse.join("; "))))
}

/// Reads a report.
///
/// # Errors
/// When the file cannot be read or is no report.
pub fn read(path: &Path) -> anyhow::Result<Report> {
    let bytes = read_bounded(path, REPORT_LEN_MAX)?;
    Report::parse(&bytes).with_context(|| format!("read the report {}", path.display()))
}
