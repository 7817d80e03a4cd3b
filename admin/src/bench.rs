//! `doorctl bench`: engines, or packs, side by side on this machine.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use doorward_models::bench::{self, ROUNDS_MAX, Table};
use doorward_models::pack::{self, Pack};
use indicatif::{ProgressBar, ProgressStyle};

use crate::answer::Answer;
use crate::mind::Minding;

/// Measure this machine.
#[derive(Debug, Subcommand)]
pub enum Bench {
    /// Time every model of the pack, and whole frames, in each engine.
    #[command(
        after_help = "Rounds alternate between the engines within one process, so that the ratio of the medians \
        can be trusted also where the times wander.\n\n\
        Example:\n  doorctl bench engines --rounds 100 --ort-library /opt/onnxruntime/libonnxruntime.so"
    )]
    Engines(Engines),
    /// Time each step of a frame, and whole frames, with several packs.
    #[command(
        after_help = "Rounds alternate between the packs within one process, in tract. The last column says how many \
        times as long a pack takes as the first one.\n\n\
        Example:\n  doorctl bench packs recommended house"
    )]
    Packs(Packs),
}

/// Options of `packs`.
#[derive(Debug, Args)]
pub struct Packs {
    /// Names or folders of packs, the yardstick first.
    #[arg(required = true, value_name = "PACK")]
    packs: Vec<PathBuf>,

    /// Rounds per step; medians settle at about fifty.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = rounds)]
    rounds: usize,
}

/// Options of `engines`.
#[derive(Debug, Args)]
pub struct Engines {
    /// Rounds per model; medians settle at about fifty.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = rounds)]
    rounds: usize,
}

/// Measures and prints the table.
///
/// # Errors
/// When a model does not load or run.
pub fn run(command: &Bench, minding: &Minding, out: &mut dyn Write) -> Answer {
    match command {
        Bench::Engines(options) => engines(options, minding, out),
        Bench::Packs(options) => packs(options, out),
    }
}

fn packs(options: &Packs, out: &mut dyn Write) -> Answer {
    let open = |path: &PathBuf| pack::find(Some(path)).and_then(|found| Pack::open(&found));
    let packs = options.packs.iter().map(open).collect::<Result<Vec<_>, _>>().context("open the packs")?;
    let rows = bench::packs(&packs, options.rounds).context("measure the packs")?;
    write!(out, "{}", Table(&rows))?;
    Ok(())
}

fn engines(options: &Engines, minding: &Minding, out: &mut dyn Write) -> Answer {
    // A build without the engine says so below and measures what it has.
    let library = minding.ort_library.as_deref().filter(|_| cfg!(feature = "ort"));
    let pack = minding.pack(None)?;
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}").expect("the template is sound"),
    );
    let rows = bench::engines(&pack, options.rounds, library, &mut |what, done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
        bar.set_message(what.to_owned());
    });
    bar.finish_and_clear();
    let rows = rows.context("measure the engines")?;
    writeln!(out, "{}, {} rounds", pack.title(), options.rounds)?;
    write!(out, "{}", Table(&rows))?;
    if library.is_none() {
        writeln!(out, "{}", without_library())?;
    }
    Ok(())
}

/// How to get the other engine.
fn without_library() -> &'static str {
    if cfg!(feature = "ort") {
        "tract alone: name the shared library of ONNX Runtime with --ort-library PATH to measure it beside"
    } else {
        "tract alone: this build has no ONNX Runtime; build with `--features ort` and name its shared library with \
         --ort-library PATH"
    }
}

fn rounds(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(rounds) if (1..=ROUNDS_MAX).contains(&rounds) => Ok(rounds),
        Ok(_) | Err(_) => Err(format!("1 to {ROUNDS_MAX} rounds")),
    }
}
