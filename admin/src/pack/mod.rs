//! `doorctl pack`: model packs.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use doorward_models::pack::{self, ModelEntry, Pack as Opened, PackFault, Reach, hex};
use doorward_models::vision::Models;

use crate::answer::{Answer, Stop};
use crate::mind::Minding;

/// Work with model packs.
#[derive(Debug, Subcommand)]
pub enum Pack {
    /// Check a pack: manifest, digests, shapes, and whether the engine computes here what it should.
    #[command(after_help = "Example:\n  doorctl pack check models/packs/recommended\n\n\
        Exit code: 0 sound, 2 the pack is not what its manifest says or this machine computes something else, 1 fault.")]
    Check(Check),
}

/// Options of `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// Folder of the pack; without it --models, then the usual places.
    dir: Option<PathBuf>,
}

/// Checks a pack and says what it is.
///
/// # Errors
/// [`Stop::Refused`] for a pack that is not what it says.
pub fn run(command: &Pack, minding: &Minding, out: &mut dyn Write) -> Answer {
    let Pack::Check(options) = command;
    let engine = minding.engine()?;
    let place = pack::find(options.dir.as_deref().or(minding.models.as_deref())).map_err(judged)?;
    let pack = Opened::open(&place).map_err(judged)?;
    let manifest = pack.manifest();
    writeln!(out, "{}, manifest {}", pack.title(), place.manifest.display())?;
    writeln!(out, "  digest       {}", hex(&pack.digest()))?;
    let comparisons = pack.calibration().comparisons();
    writeln!(out, "  calibration  {comparisons} comparisons of {}", manifest.calibration_data)?;
    for fmr in [1e-3, 1e-4, 1e-5, 1e-6] {
        let threshold = pack.calibration().threshold(fmr);
        let estimate = if threshold.extrapolated { "  (beyond the sample)" } else { "" };
        writeln!(out, "    FMR {fmr:e}   threshold {:.4}{estimate}", threshold.score)?;
    }
    for entry in manifest.entries() {
        describe(entry, out)?;
    }
    out.flush()?;
    for reach in [Reach::Near, Reach::Distant] {
        match Models::load_for(&pack, &engine, reach) {
            Ok(_) | Err(PackFault::NoDistant { .. }) => {}
            Err(fault) => return Err(judged(fault)),
        }
    }
    writeln!(out, "sound: digests, shapes and golden vectors hold in {engine} on this machine")?;
    Ok(())
}

fn describe(entry: &ModelEntry, out: &mut dyn Write) -> Answer {
    writeln!(out, "  {:<18} {}", entry.role.key(), entry.file)?;
    writeln!(out, "    sha256   {}", hex(&entry.sha256))?;
    let outputs: Vec<String> =
        entry.signature.outputs.iter().map(|port| format!("{:?}", port.shape)).collect();
    writeln!(out, "    shape    {:?} to {}", entry.signature.input.shape, outputs.join(" "))?;
    writeln!(out, "    licence  {}; {}", entry.licence, entry.data_terms)?;
    writeln!(out, "    source   {}", entry.source)?;
    match entry.golden.len() {
        0 => writeln!(out, "    golden   none: this model is not tested at start")?,
        count => writeln!(out, "    golden   {count} values")?,
    }
    Ok(())
}

/// A fault of the place is a fault; one of the pack is the answer that was asked for.
fn judged(fault: PackFault) -> Stop {
    match fault {
        PackFault::NotFound { .. } | PackFault::NoFolder { .. } | PackFault::Read { .. } => {
            Stop::Fault(anyhow::Error::new(fault))
        }
        PackFault::TooLong { .. }
        | PackFault::Syntax { .. }
        | PackFault::Value { .. }
        | PackFault::NoWeights { .. }
        | PackFault::Digest { .. }
        | PackFault::NoDistant { .. }
        | PackFault::Engine(_)
        | PackFault::Golden { .. } => Stop::refused(format!("{:#}", anyhow::Error::new(fault))),
    }
}
