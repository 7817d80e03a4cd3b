//! `doorctl evaluate`: error rates of the models on pictures and recordings that somebody labelled.
//!
//! * [`pairs`]: comparison; with [`listing`] (the labels) and [`impostors`] (everybody with everybody else).
//! * [`identify`]: searches among many; [`quality`]: whose faces are found and judged, by groups of people.
//! * [`pad`]: liveness; with [`sequences`] (frames in folders) and [`films`] (what each frame says).
//! * [`looked`]: what a picture shows of its person; [`crew`]: workers with models of their own; [`journal`]: what they
//!   found out, kept for a run that goes on.
//! * [`compare`]: two reports side by side; [`card`]: reports put into the card of a pack.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use doorward_models::engine::EngineKind;
use doorward_models::pack::Pack;
use serde::Serialize;

use crate::answer::Answer;
use crate::mind::Minding;
use crate::{place, text};

pub mod card;
pub mod compare;
pub mod crew;
pub mod films;
pub mod identify;
pub mod impostors;
pub mod journal;
pub mod listing;
pub mod looked;
pub mod pad;
pub mod pairs;
pub mod quality;
pub mod sequences;

/// Measure error rates.
#[derive(Debug, Subcommand)]
#[command(after_help = "What a pack is worth, and whether the next one is better:\n  \
    doorctl evaluate pad --bona-fide set/live --attack print=set/print --html pad.html\n  \
    doorctl evaluate pairs pairs.csv --images lfw --all-impostors --html pairs.html\n  \
    doorctl evaluate identify lfw --strangers others --html identify.html\n  \
    doorctl evaluate quality faces --html quality.html\n  \
    doorctl evaluate compare old/pad.json new/pad.json")]
pub enum Evaluate {
    /// Judge recorded presentations: APCER of each attack species, BPCER.
    Pad(pad::Pad),
    /// Search persons and strangers among many: FNIR, FPIR, whether policies keep their promise.
    Identify(identify::Identify),
    /// Compare labelled pairs of pictures: FMR, FNMR, EER, calibration.
    Pairs(pairs::Pairs),
    /// Find and judge the faces of groups of people: not found, turned down, taken for each other.
    Quality(quality::Quality),
    /// Hold two reports against each other: what got worse beyond doubt.
    Compare(compare::Compare),
    /// Put the figures of reports into the card of a pack.
    Card(card::Card),
}

/// Runs one of the commands.
///
/// # Errors
/// When pictures, labels or models cannot be read, or nothing can be concluded from them.
pub fn run(command: &Evaluate, minding: &Minding, out: &mut dyn Write) -> Answer {
    match command {
        Evaluate::Pad(options) => pad::run(options, minding, out),
        Evaluate::Identify(options) => identify::run(options, minding, out),
        Evaluate::Pairs(options) => pairs::run(options, minding, out),
        Evaluate::Quality(options) => quality::run(options, minding, out),
        Evaluate::Compare(options) => compare::run(options, out),
        Evaluate::Card(options) => card::run(options, out),
    }
}

/// How a result is told.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Reports")]
pub struct Telling {
    /// JSON instead of text.
    #[arg(long)]
    json: bool,
    /// Write a report with plots to this file, and the same figures as JSON beside it.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Telling {
    /// Writes what was asked for; whether text is left to be written.
    fn tell(
        &self,
        told: &impl Serialize,
        html: impl FnOnce() -> String,
        out: &mut dyn Write,
    ) -> Answer<bool> {
        if let Some(path) = &self.html {
            let json =
                serde_json::to_string_pretty(told).context("strings, numbers and lists become JSON")?;
            keep(path, &html())?;
            keep(&path.with_extension("json"), &format!("{json}\n"))?;
        }
        if self.json {
            text::json(out, told)?;
        }
        Ok(!self.json)
    }
}

/// What is being tested, for reports.
fn tested(pack: &Pack, file: &str, engine: &EngineKind) -> String {
    format!("{} ({file}, {engine})", pack.title())
}

/// What the pictures are, in words: those given, or the name of the list or folder.
///
/// # Errors
/// When there is neither.
pub fn data_of(given: Option<&str>, place: &Path) -> anyhow::Result<String> {
    match (given, place.file_name()) {
        (Some(data), _) => Ok(data.to_owned()),
        (None, Some(name)) => Ok(name.to_string_lossy().into_owned()),
        (None, None) => bail!("{} has no name; say what it is with --data TEXT", place.display()),
    }
}

/// The day of a report.
fn today() -> String {
    text::moment(place::now().ms).chars().take("2026-01-01".len()).collect()
}

fn keep(path: &Path, report: &str) -> anyhow::Result<()> {
    std::fs::write(path, report).with_context(|| format!("write {}", path.display()))
}
