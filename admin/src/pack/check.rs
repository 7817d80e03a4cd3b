//! `doorctl pack check`: what a pack is, and whether it is whole.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use doorward_models::pack::{self, ModelEntry, Pack as Opened, hex};

use super::{judged, keys, liveness_told, origin_of, prove, told};
use crate::answer::Answer;
use crate::mind::Minding;

/// False match rates whose thresholds are told.
const FMRS: [f64; 4] = [1e-3, 1e-4, 1e-5, 1e-6];

/// Options of `check`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  doorctl pack check models/packs/recommended\n  \
    doorctl pack check ours --trust pack.key.pub\n\n\
    Exit code: 0 sound, 2 the pack is not what its manifest says, nobody who is trusted answers for it, or this machine \
    computes something else, 1 fault.")]
pub struct Check {
    /// Folder of the pack, or the name of one in the usual places; without it --models, then the usual places.
    dir: Option<PathBuf>,
    /// Also ask that one of these keys signed it: the file that `keygen` wrote beside the key, or its 64 digits.
    #[arg(long, value_name = "KEY")]
    trust: Vec<String>,
}

/// Checks a pack and says what it is.
///
/// # Errors
/// [`crate::answer::Stop::Refused`] for a pack that is not what it says.
pub fn run(options: &Check, minding: &Minding, out: &mut dyn Write) -> Answer {
    let engine = minding.engine()?;
    let trusted = keys::trusted(&options.trust)?;
    let place = pack::find(options.dir.as_deref().or(minding.models.as_deref())).map_err(judged)?;
    let pack = Opened::open(&place).map_err(judged)?;
    let origin = origin_of(&place, &pack, &trusted)?;
    writeln!(out, "{}, manifest {}", pack.title(), place.manifest.display())?;
    writeln!(out, "  digest       {}", hex(&pack.digest()))?;
    writeln!(out, "  origin       {}", told(&origin))?;
    let comparisons = pack.calibration().comparisons();
    writeln!(out, "  calibration  {comparisons} comparisons of {}", pack.manifest().calibration_data)?;
    writeln!(out, "    speaks of FMR 1 in {} and above", comparisons / 3)?;
    for fmr in FMRS {
        let threshold = pack.calibration().threshold(fmr);
        let estimate = if threshold.extrapolated { "  (beyond the sample)" } else { "" };
        writeln!(out, "    FMR {fmr:e}   threshold {:.4}{estimate}", threshold.score)?;
    }
    writeln!(out, "  liveness     {}", liveness_told(&pack))?;
    for entry in pack.manifest().entries() {
        describe(entry, pack.weights(entry).len(), out)?;
    }
    out.flush()?;
    prove(&pack, &engine)?;
    writeln!(out, "sound: digests, shapes and golden vectors hold in {engine} on this machine")?;
    Ok(())
}

fn describe(entry: &ModelEntry, size: usize, out: &mut dyn Write) -> Answer {
    writeln!(out, "  {:<18} {}, {size} bytes", entry.role.key(), entry.file)?;
    writeln!(out, "    sha256   {}", hex(&entry.sha256))?;
    let outputs: Vec<String> =
        entry.signature.outputs.iter().map(|port| format!("{:?}", port.shape)).collect();
    writeln!(out, "    shape    {:?} to {}", entry.signature.input.shape, outputs.join(" "))?;
    writeln!(out, "    licence  {}; {}", entry.licence, entry.data_terms)?;
    writeln!(out, "    source   {}", entry.source)?;
    if let Some(url) = &entry.url {
        writeln!(out, "    address  {url}")?;
    }
    match entry.golden.len() {
        0 => writeln!(out, "    golden   none: this model is not tested at start")?,
        count => writeln!(out, "    golden   {count} values")?,
    }
    Ok(())
}
