//! Writes a manifest as people read it: the keys in the order of their meaning, one output a line, golden values in rows.

use std::fmt::{self, Write as _};

use super::{EmbeddingModel, LivenessCalibration, LivenessModel, Manifest, ModelEntry, RefinerModel, Role};
use crate::detector::DetectionLimits;
use crate::engine::Port;
use crate::pixels::{Alignment, Colour};

/// Golden values a line.
const GOLDEN_ROW: usize = 8;

/// The models of a manifest as TOML; the calibrations are not among them.
pub(super) fn models(manifest: &Manifest) -> String {
    let mut text = String::new();
    write_models(manifest, &mut text).expect("writing to a string cannot fail");
    text
}

/// What liveness is worth, as TOML.
pub(super) fn liveness_calibration(measured: &LivenessCalibration) -> String {
    let LivenessCalibration { data, bona_fide, attacks, confidence } = measured;
    let (slope, offset) = (confidence.slope(), confidence.offset());
    format!(
        "[liveness_calibration]\ndata = {}\nbona_fide = {bona_fide}\nattacks = {attacks}\nslope = {slope:?}\noffset = {offset:?}\n",
        quoted(data)
    )
}

fn write_models(manifest: &Manifest, text: &mut String) -> fmt::Result {
    writeln!(text, "format = 1\nname = {}\nversion = {}", quoted(&manifest.name), quoted(&manifest.version))?;
    let distant = manifest.detector_distant.as_ref();
    for (role, model) in [(Role::Detector, Some(&manifest.detector)), (Role::DetectorDistant, distant)] {
        let Some(model) = model else { continue };
        writeln!(text, "\n[{}]", role.key())?;
        entry(&model.entry, text)?;
        limits(model.limits, text)?;
        golden(&model.entry, text)?;
    }
    if let Some(model) = &manifest.refiner {
        writeln!(text, "\n[refiner]")?;
        refiner(model, text)?;
    }
    writeln!(text, "\n[embedding]")?;
    embedding(&manifest.embedding, text)?;
    for model in &manifest.liveness {
        writeln!(text, "\n[[liveness]]")?;
        liveness(model, text)?;
    }
    Ok(())
}

fn entry(entry: &ModelEntry, text: &mut String) -> fmt::Result {
    writeln!(text, "file = {}\nsha256 = \"{}\"", quoted(&entry.file), super::hex(&entry.sha256))?;
    if let Some(bytes) = entry.bytes {
        writeln!(text, "bytes = {bytes}")?;
    }
    if let Some(url) = &entry.url {
        writeln!(text, "url = {}", quoted(url))?;
    }
    for (key, value) in [
        ("licence", &entry.licence),
        ("source", &entry.source),
        ("conversion", &entry.conversion),
        ("data_terms", &entry.data_terms),
    ] {
        writeln!(text, "{key} = {}", quoted(value))?;
    }
    writeln!(text, "input = {}", port(&entry.signature.input))?;
    match entry.signature.outputs.as_slice() {
        [only] => writeln!(text, "outputs = [{}]", port(only))?,
        several => {
            writeln!(text, "outputs = [")?;
            for output in several {
                writeln!(text, "  {},", port(output))?;
            }
            writeln!(text, "]")?;
        }
    }
    let colour = match entry.normalisation.colour {
        Colour::Rgb => "rgb",
        Colour::Bgr => "bgr",
    };
    let (mean, deviation) = (entry.normalisation.mean, entry.normalisation.deviation);
    writeln!(text, "colour = \"{colour}\"\nmean = {mean:?}\ndeviation = {deviation:?}")
}

fn limits(limits: DetectionLimits, text: &mut String) -> fmt::Result {
    let DetectionLimits { score_min, overlap_max, blend_min } = limits;
    writeln!(text, "score_min = {score_min:?}\noverlap_max = {overlap_max:?}\nblend_min = {blend_min:?}")
}

fn embedding(model: &EmbeddingModel, text: &mut String) -> fmt::Result {
    entry(&model.entry, text)?;
    alignment(&model.alignment, text)?;
    writeln!(text, "preprocessing = {}", model.preprocessing)?;
    golden(&model.entry, text)
}

fn refiner(model: &RefinerModel, text: &mut String) -> fmt::Result {
    entry(&model.entry, text)?;
    alignment(&model.alignment, text)?;
    writeln!(text, "score_min = {:?}", model.score_min)?;
    golden(&model.entry, text)
}

fn alignment(alignment: &Alignment, text: &mut String) -> fmt::Result {
    let points = alignment.template.map(|point| format!("[{:?}, {:?}]", point.x, point.y));
    writeln!(text, "template = [{}]\nsamples_max = {}", points.join(", "), alignment.samples_max)
}

fn liveness(model: &LivenessModel, text: &mut String) -> fmt::Result {
    entry(&model.entry, text)?;
    writeln!(text, "crop_scale = {:?}", model.crop.scale)?;
    if let Some(aspect) = model.crop.aspect {
        writeln!(text, "crop_aspect = {aspect:?}")?;
    }
    writeln!(text, "live_output = {}", model.live_output)?;
    golden(&model.entry, text)
}

fn golden(entry: &ModelEntry, text: &mut String) -> fmt::Result {
    if entry.golden.is_empty() {
        return Ok(());
    }
    writeln!(text, "golden = [")?;
    for row in entry.golden.chunks(GOLDEN_ROW) {
        let row: Vec<String> = row.iter().map(|value| format!("{value:?},")).collect();
        writeln!(text, "  {}", row.join(" "))?;
    }
    writeln!(text, "]")
}

fn port(port: &Port) -> String {
    format!("{{ name = {}, shape = {:?} }}", quoted(&port.name), port.shape)
}

/// A TOML string that nothing can break out of.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
