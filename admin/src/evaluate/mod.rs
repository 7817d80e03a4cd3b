//! `doorctl evaluate`: error rates of the models on pictures that somebody labelled.
//!
//! * [`pairs`]: comparison; with [`listing`] (the labels), [`faces`] (templates of many pictures) and [`impostors`]
//!   (everybody with everybody else).
//! * [`presentation`]: liveness; with [`sequences`] (frames in folders).
//! * [`crew`]: workers with models of their own.

use std::io::Write;
use std::path::Path;

use anyhow::Context as _;
use clap::Subcommand;
use doorward_models::engine::EngineKind;
use doorward_models::pack::Pack;

use crate::answer::Answer;
use crate::mind::Minding;
use crate::{place, text};

pub mod crew;
pub mod faces;
pub mod impostors;
pub mod listing;
pub mod pairs;
pub mod presentation;
pub mod sequences;

/// Measure error rates.
#[derive(Debug, Subcommand)]
pub enum Evaluate {
    /// Compare labelled pairs of pictures: FMR, FNMR, EER, calibration.
    Pairs(pairs::Pairs),
    /// Judge the liveness of recorded presentations: APCER of each attack species, BPCER.
    Presentation(presentation::Presentation),
}

/// Runs one of the commands.
///
/// # Errors
/// When pictures, labels or models cannot be read, or nothing can be concluded from them.
pub fn run(command: &Evaluate, minding: &Minding, out: &mut dyn Write) -> Answer {
    match command {
        Evaluate::Pairs(options) => pairs::run(options, minding, out),
        Evaluate::Presentation(options) => presentation::run(options, minding, out),
    }
}

/// What is being tested, for reports.
fn tested(pack: &Pack, file: &str, engine: &EngineKind) -> String {
    format!("{} ({file}, {engine})", pack.title())
}

/// The day of a report.
fn today() -> String {
    text::moment(place::now().ms).chars().take("2026-01-01".len()).collect()
}

fn keep(path: &Path, report: &str) -> anyhow::Result<()> {
    std::fs::write(path, report).with_context(|| format!("write {}", path.display()))
}
