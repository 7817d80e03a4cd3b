//! The manifest of a pack: TOML with nothing unknown and nothing missing, then each value held against its bounds.

use std::path::Path;

use doorward_core::calibration::Calibration;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::check::Check;
use super::{DetectorModel, ModelEntry, PackFault, Role};
use crate::fusion::Confidence;
use crate::liveness::Crop;
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

/// A refining model of a pack.
#[derive(Debug, Clone, PartialEq)]
pub struct RefinerModel {
    /// The file.
    pub entry: ModelEntry,
    /// How a proposed face is put into its input.
    pub alignment: Alignment,
    /// Smallest probability of a face that is one, 0 to 1.
    pub score_min: f32,
}

/// A liveness model of a pack.
#[derive(Debug, Clone, PartialEq)]
pub struct LivenessModel {
    /// The file.
    pub entry: ModelEntry,
    /// What of the picture it sees.
    pub crop: Crop,
    /// Which of its outputs, from zero, is the probability of life.
    pub live_output: usize,
}

/// What the answers of a pack's liveness models are worth.
#[derive(Debug, Clone, PartialEq)]
pub struct LivenessCalibration {
    /// What it was measured on.
    pub data: String,
    /// Frames of live persons behind it.
    pub bona_fide: u64,
    /// Frames of attacks behind it.
    pub attacks: u64,
    /// From fused log-odds to confidence.
    pub confidence: Confidence,
}

impl LivenessCalibration {
    /// TOML to be put into the manifest of a pack.
    #[must_use]
    pub fn toml(&self) -> String {
        super::text::liveness_calibration(self)
    }
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
    /// Looks again at what either of them proposes, if the pack has such a model.
    pub refiner: Option<RefinerModel>,
    /// Makes templates.
    pub embedding: EmbeddingModel,
    /// Liveness models; their answers are fused ([`crate::fusion`]).
    pub liveness: Vec<LivenessModel>,
    /// What their answers are worth, if that was measured.
    pub liveness_calibration: Option<LivenessCalibration>,
    /// What the calibration was measured on.
    pub calibration_data: String,
    /// From comparison scores to error rates.
    pub calibration: Calibration,
}

/// A manifest, or a recipe, as TOML has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawManifest {
    format: u32,
    name: String,
    version: String,
    detector: RawModel,
    detector_distant: Option<RawModel>,
    refiner: Option<RawModel>,
    embedding: RawModel,
    #[serde(default)]
    liveness: Vec<RawModel>,
    calibration: Option<RawCalibration>,
    liveness_calibration: Option<RawLivenessCalibration>,
}

/// One model. The keys at the end belong to some roles only.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawModel {
    pub(super) file: String,
    pub(super) sha256: Option<String>,
    pub(super) bytes: Option<u64>,
    pub(super) url: Option<String>,
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
    pub(super) crop_aspect: Option<f32>,
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLivenessCalibration {
    pub(super) data: String,
    pub(super) bona_fide: u64,
    pub(super) attacks: u64,
    pub(super) slope: f32,
    pub(super) offset: f32,
}

impl RawManifest {
    /// Reads TOML; `path` is for the messages alone.
    pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<Self, PackFault> {
        let syntax = |e: toml::de::Error| PackFault::Syntax { path: path.to_owned(), source: Box::new(e) };
        toml::from_slice(bytes).map_err(syntax)
    }

    /// All models, in the order of [`Manifest::entries`].
    pub(super) fn models(&mut self) -> impl Iterator<Item = &mut RawModel> {
        let finders = [Some(&mut self.detector), self.detector_distant.as_mut(), self.refiner.as_mut()];
        finders.into_iter().flatten().chain([&mut self.embedding]).chain(&mut self.liveness)
    }

    /// The first of the tables that are measured, if there is one.
    pub(super) fn measured(&self) -> Option<&'static str> {
        let liveness = self.liveness_calibration.as_ref().map(|_| "liveness_calibration");
        self.calibration.as_ref().map(|_| "calibration").or(liveness)
    }

    /// Puts a calibration in that refuses everybody, where none was measured yet.
    pub(super) fn calibrate_provisionally(&mut self) {
        let point = |comparison_score, fmr| RawPoint { comparison_score, fmr };
        self.calibration = Some(RawCalibration {
            data: "none yet".to_owned(),
            comparisons: 1_000_000_000_000,
            _genuine: 0,
            point: vec![point(0.998, 1e-1), point(0.999, 1e-9)],
        });
    }

    /// Holds every value against its bounds. `digest` is that of the bytes this was read from, `liveness_min` the fewest
    /// liveness models.
    pub(super) fn check(
        self,
        path: &Path,
        digest: [u8; 32],
        liveness_min: usize,
    ) -> Result<Manifest, PackFault> {
        let check = Check::new(path);
        check.that("format", self.format == FORMAT, self.format, "1")?;
        let (name, version) = (check.text("name", self.name)?, check.text("version", self.version)?);
        let count = self.liveness.len();
        check.that(
            "liveness",
            (liveness_min..=LIVENESS_MAX).contains(&count),
            format!("{count} models"),
            &format!("{liveness_min} to {LIVENESS_MAX} models"),
        )?;
        let under = |role: Role| check.under(role.key());
        let distant = Role::DetectorDistant;
        let liveness = self.liveness.into_iter().enumerate();
        let liveness = liveness.map(|(i, model)| check.under(&format!("liveness[{i}]")).liveness(model));
        let calibration = check.needed("calibration", self.calibration)?;
        let manifest = Manifest {
            name,
            version,
            digest,
            detector: under(Role::Detector).detector(Role::Detector, self.detector)?,
            detector_distant: self
                .detector_distant
                .map(|model| under(distant).detector(distant, model))
                .transpose()?,
            refiner: self.refiner.map(|model| under(Role::Refiner).refiner(model)).transpose()?,
            embedding: under(Role::Embedding).embedding(self.embedding)?,
            liveness: liveness.collect::<Result<_, _>>()?,
            liveness_calibration: self
                .liveness_calibration
                .map(|raw| check.under("liveness_calibration").liveness_calibration(raw))
                .transpose()?,
            calibration_data: check.under("calibration").text("data", calibration.data)?,
            calibration: check.calibration(&calibration.point, calibration.comparisons)?,
        };
        check.one_file_each(&manifest)?;
        Ok(manifest)
    }
}

impl Manifest {
    /// Reads and checks a manifest; `path` is for the messages alone.
    ///
    /// # Errors
    /// [`PackFault::Syntax`] or [`PackFault::Value`].
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, PackFault> {
        RawManifest::read(path, bytes)?.check(path, Sha256::digest(bytes).into(), 1)
    }

    /// From the fused answers of the liveness models to confidence; what they say themselves where nobody measured it.
    #[must_use]
    pub fn confidence(&self) -> Confidence {
        self.liveness_calibration.as_ref().map_or(Confidence::AS_ANSWERED, |measured| measured.confidence)
    }

    /// All models: detector, distant detector, refiner, embedding, liveness.
    pub fn entries(&self) -> impl Iterator<Item = &ModelEntry> {
        let detectors = [Some(&self.detector), self.detector_distant.as_ref()];
        let detectors = detectors.into_iter().flatten().map(|model| &model.entry);
        let refiner = self.refiner.as_ref().map(|model| &model.entry);
        let liveness = self.liveness.iter().map(|model| &model.entry);
        detectors.chain(refiner).chain([&self.embedding.entry]).chain(liveness)
    }

    pub(super) fn entries_mut(&mut self) -> impl Iterator<Item = &mut ModelEntry> {
        let detectors = [Some(&mut self.detector), self.detector_distant.as_mut()];
        let detectors = detectors.into_iter().flatten().map(|model| &mut model.entry);
        let refiner = self.refiner.as_mut().map(|model| &mut model.entry);
        let liveness = self.liveness.iter_mut().map(|model| &mut model.entry);
        detectors.chain(refiner).chain([&mut self.embedding.entry]).chain(liveness)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::recipe::Recipe;
    use super::super::signature::PackSignature;
    use super::*;

    const RECOMMENDED: &[u8] = include_bytes!("../../packs/recommended/pack.toml");

    /// Whatever it is, it is read or refused.
    fn read(bytes: &[u8]) {
        let path = Path::new("pack.toml");
        let _ = Manifest::parse(path, bytes).map_err(|fault| fault.to_string());
        let _ = Recipe::parse(path, bytes).map_err(|fault| fault.to_string());
        let _ = PackSignature::parse(path, bytes).map_err(|fault| fault.to_string());
    }

    proptest! {
        #[test]
        fn h5_arbitrary_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            read(&bytes);
        }

        #[test]
        fn h5_a_manifest_with_other_bytes_in_it_is_read_or_refused(
            changes in prop::collection::vec((0..RECOMMENDED.len(), any::<u8>()), 1..20),
        ) {
            let mut bytes = RECOMMENDED.to_vec();
            for (place, byte) in changes {
                bytes[place] = byte;
            }
            read(&bytes);
        }

        #[test]
        fn h5_a_manifest_with_other_values_in_it_is_read_or_refused(
            line in 0usize..200,
            value in prop_oneof![
                Just("-1".to_owned()), Just("nan".to_owned()), Just("inf".to_owned()), Just("1e400".to_owned()),
                Just("[]".to_owned()), Just("[[]]".to_owned()), Just("{}".to_owned()), Just("true".to_owned()),
                Just("18446744073709551616".to_owned()), Just("[1, 3, 18446744073709551615, 2]".to_owned()),
                any::<i64>().prop_map(|n| n.to_string()), any::<f64>().prop_map(|n| format!("{n:e}")),
                ".*".prop_map(|text| toml::Value::String(text).to_string()),
            ],
        ) {
            let text = std::str::from_utf8(RECOMMENDED).unwrap();
            let replaced = text.lines().enumerate().map(|(number, content)| match content.split_once(" = ") {
                Some((key, _)) if number == line => format!("{key} = {value}\n"),
                Some(_) | None => format!("{content}\n"),
            });
            read(replaced.collect::<String>().as_bytes());
        }
    }

    #[test]
    fn an_address_and_a_size_are_optional_and_checked() {
        let text = std::str::from_utf8(RECOMMENDED).unwrap();
        let with = |lines: &str| {
            let text = text.replacen("licence = ", &format!("{lines}\nlicence = "), 1);
            Manifest::parse(Path::new("pack.toml"), text.as_bytes()).map_err(|fault| fault.to_string())
        };
        let entry = with("url = \"https://example.org/a.onnx\"\nbytes = 320196").unwrap().detector.entry;
        assert_eq!((entry.url.as_deref(), entry.bytes), (Some("https://example.org/a.onnx"), Some(320_196)));
        let fault = with("url = \"http://example.org/a.onnx\"").unwrap_err();
        assert!(fault.contains("detector.url") && fault.contains("https://"), "{fault}");
        for bytes in ["0", "67108865"] {
            let fault = with(&format!("bytes = {bytes}")).unwrap_err();
            assert!(fault.contains("detector.bytes") && fault.contains("67108864"), "{fault}");
        }
    }

    #[test]
    fn h5_two_files_of_one_name_are_refused() {
        let text = std::str::from_utf8(RECOMMENDED).unwrap();
        let text = text.replace("minifasnet_v1se_4.0.onnx", "minifasnet_v2_2.7.onnx");
        let fault = Manifest::parse(Path::new("pack.toml"), text.as_bytes()).unwrap_err().to_string();
        assert!(fault.contains("minifasnet_v2_2.7.onnx") && fault.contains("rename"), "{fault}");
    }
}
