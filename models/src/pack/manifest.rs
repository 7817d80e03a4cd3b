//! The manifest of a pack: TOML with nothing unknown and nothing missing, then each value held against its bounds.

use std::path::Path;

use doorward_core::calibration::Calibration;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::check::Check;
use super::{DetectorModel, ModelEntry, PackFault, Role};
use crate::pixels::{Alignment, Colour};

/// The form this build reads.
const FORMAT: u32 = 1;

/// Liveness models of one pack: each costs milliseconds in every frame.
const LIVENESS_MAX: usize = 4;

/// An embedding model of a pack.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddingModel {
    /// The file.
    pub entry: ModelEntry,
    /// How a face is put into its input.
    pub alignment: Alignment,
    /// Version of everything that is done to a face before it: raised with any change of `colour`, `mean`,
    /// `deviation`, `template`, `samples_max` or the detector, so that templates made either way are never compared.
    pub preprocessing: u16,
}

/// A liveness model of a pack.
#[derive(Debug, Clone, PartialEq)]
pub struct LivenessModel {
    /// The file.
    pub entry: ModelEntry,
    /// Reach of its crop in face boxes.
    pub crop_scale: f32,
    /// Which of its outputs, from zero, is the probability of life.
    pub live_output: usize,
}

/// A checked manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Name of the pack.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the manifest's bytes.
    pub digest: [u8; 32],
    /// Finds faces.
    pub detector: DetectorModel,
    /// Finds faces farther away, if the pack has such a model.
    pub detector_distant: Option<DetectorModel>,
    /// Makes templates.
    pub embedding: EmbeddingModel,
    /// Liveness models; their answers are averaged.
    pub liveness: Vec<LivenessModel>,
    /// What the calibration was measured on.
    pub calibration_data: String,
    /// From comparison scores to error rates.
    pub calibration: Calibration,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawManifest {
    format: u32,
    name: String,
    version: String,
    detector: RawModel,
    detector_distant: Option<RawModel>,
    embedding: RawModel,
    liveness: Vec<RawModel>,
    calibration: RawCalibration,
}

/// One model. The keys at the end belong to some roles only.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawModel {
    pub(super) file: String,
    pub(super) sha256: String,
    pub(super) licence: String,
    pub(super) source: String,
    pub(super) conversion: String,
    pub(super) data_terms: String,
    pub(super) input: RawPort,
    pub(super) outputs: Vec<RawPort>,
    pub(super) colour: Colour,
    pub(super) mean: [f32; 3],
    pub(super) deviation: [f32; 3],
    #[serde(default)]
    pub(super) golden: Vec<f32>,
    pub(super) score_min: Option<f32>,
    pub(super) overlap_max: Option<f32>,
    pub(super) blend_min: Option<f32>,
    pub(super) template: Option<[[f32; 2]; 5]>,
    pub(super) samples_max: Option<u8>,
    pub(super) preprocessing: Option<u16>,
    pub(super) crop_scale: Option<f32>,
    pub(super) live_output: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPort {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCalibration {
    data: String,
    comparisons: u64,
    /// Genuine comparisons of the same test; for the reader of the manifest.
    #[serde(default, rename = "genuine")]
    _genuine: u64,
    point: Vec<RawPoint>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPoint {
    pub(super) comparison_score: f32,
    pub(super) fmr: f64,
}

impl Manifest {
    /// Reads and checks a manifest; `path` is for the messages alone.
    ///
    /// # Errors
    /// [`PackFault::Syntax`] or [`PackFault::Value`].
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, PackFault> {
        let syntax = |e: toml::de::Error| PackFault::Syntax { path: path.to_owned(), source: Box::new(e) };
        let raw: RawManifest = toml::from_slice(bytes).map_err(syntax)?;
        let check = Check::new(path);
        check.that("format", raw.format == FORMAT, raw.format, "1")?;
        let (name, version) = (check.text("name", raw.name)?, check.text("version", raw.version)?);
        let count = raw.liveness.len();
        check.that(
            "liveness",
            (1..=LIVENESS_MAX).contains(&count),
            format!("{count} models"),
            "1 to 4 models",
        )?;
        let under = |role: Role| check.under(role.key());
        let distant = Role::DetectorDistant;
        let liveness = raw.liveness.into_iter().enumerate();
        let liveness = liveness.map(|(i, model)| check.under(&format!("liveness[{i}]")).liveness(model));
        Ok(Self {
            name,
            version,
            digest: Sha256::digest(bytes).into(),
            detector: under(Role::Detector).detector(Role::Detector, raw.detector)?,
            detector_distant: raw
                .detector_distant
                .map(|model| under(distant).detector(distant, model))
                .transpose()?,
            embedding: under(Role::Embedding).embedding(raw.embedding)?,
            liveness: liveness.collect::<Result<_, _>>()?,
            calibration_data: check.under("calibration").text("data", raw.calibration.data)?,
            calibration: check.calibration(&raw.calibration.point, raw.calibration.comparisons)?,
        })
    }

    /// All models: detector, distant detector, embedding, liveness.
    pub fn entries(&self) -> impl Iterator<Item = &ModelEntry> {
        let detectors = [Some(&self.detector), self.detector_distant.as_ref()];
        let detectors = detectors.into_iter().flatten().map(|model| &model.entry);
        let liveness = self.liveness.iter().map(|model| &model.entry);
        detectors.chain([&self.embedding.entry]).chain(liveness)
    }
}
