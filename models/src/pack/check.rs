//! Holds the values of a manifest against their bounds, and says which manifest, which key, what was found and what is
//! allowed.

use std::fmt::Debug;
use std::path::{Path, PathBuf};

use doorward_core::calibration::{self, Calibration};
use doorward_core::geometry::Point;
use doorward_core::template::DIMENSION_MAX;

use super::manifest::{RawLivenessCalibration, RawModel, RawPoint, RawPort};
use super::{
    DetectorModel, EmbeddingModel, LivenessCalibration, LivenessModel, Manifest, ModelEntry, PackFault,
    RefinerModel, Role, WEIGHTS_LEN_MAX, address, unhex,
};
use crate::detector::{self, DetectionLimits};
use crate::engine::{Port, Signature};
use crate::fusion::Confidence;
use crate::liveness::Crop;
use crate::pixels::{Alignment, Normalisation};

/// Shortest and longest side of a network's input: a few cells of the coarsest grid, and a tensor of 12 MB.
const SIDES: std::ops::RangeInclusive<usize> = 32..=1024;

/// Longest text value.
const TEXT_LEN_MAX: usize = 1000;

/// Most golden values of one model: a whole embedding's worth tells no more than a few dozen.
const GOLDEN_MAX: usize = 128;

/// Classes that a liveness model may tell apart: live and the species of attacks.
const CLASSES_MAX: usize = 16;

/// Samples a side of one pixel of the aligned face: a face of 900 pixels is then seen whole.
const SAMPLES_MAX: u8 = 8;

/// Smallest scores of a face that a manifest may ask for.
const SCORES: std::ops::RangeInclusive<f32> = 0.1..=0.99;
const SCORES_ALLOWED: &str = "0.1 to 0.99";

/// A manifest and the key under which values are being checked.
pub(super) struct Check {
    path: PathBuf,
    prefix: String,
}

impl Check {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), prefix: String::new() }
    }

    /// The same manifest, one key deeper.
    pub(super) fn under(&self, key: &str) -> Self {
        Self { path: self.path.clone(), prefix: format!("{}{key}.", self.prefix) }
    }

    pub(super) fn that(
        &self,
        key: &str,
        holds: bool,
        found: impl Debug,
        allowed: &str,
    ) -> Result<(), PackFault> {
        if holds { Ok(()) } else { Err(self.fault(key, &format!("{found:?}"), allowed)) }
    }

    pub(super) fn text(&self, key: &str, value: String) -> Result<String, PackFault> {
        let sound = (1..=TEXT_LEN_MAX).contains(&value.len()) && !value.chars().any(char::is_control);
        self.that(key, sound, &value, "one line of 1 to 1000 bytes")?;
        Ok(value)
    }

    pub(super) fn detector(&self, role: Role, mut raw: RawModel) -> Result<DetectorModel, PackFault> {
        let score_min = self.needed("score_min", raw.score_min.take())?;
        let overlap_max = self.needed("overlap_max", raw.overlap_max.take())?;
        let blend_min = self.needed("blend_min", raw.blend_min.take())?;
        self.that("score_min", SCORES.contains(&score_min), score_min, SCORES_ALLOWED)?;
        self.that("overlap_max", (0.0..1.0).contains(&overlap_max), overlap_max, "0 to below 1")?;
        self.that(
            "blend_min",
            blend_min > overlap_max && blend_min <= 1.0,
            blend_min,
            "above overlap_max, to 1",
        )?;
        let entry = self.model(role, raw)?;
        let (height, width) = (entry.signature.input.shape[2], entry.signature.input.shape[3]);
        let expected = detector::outputs(height, width);
        let whole_cells = height.is_multiple_of(32) && width.is_multiple_of(32);
        self.that("input.shape", whole_cells, (height, width), "sides that are multiples of 32")?;
        let (found, allowed) = (&entry.signature.outputs, format!("{expected:?}, the outputs of YuNet"));
        self.that("outputs", *found == expected, found, &allowed)?;
        Ok(DetectorModel { entry, limits: DetectionLimits { score_min, overlap_max, blend_min } })
    }

    pub(super) fn embedding(&self, mut raw: RawModel) -> Result<EmbeddingModel, PackFault> {
        let preprocessing = self.needed("preprocessing", raw.preprocessing.take())?;
        self.that("preprocessing", preprocessing > 0, preprocessing, "1 to 65535")?;
        let (entry, alignment) = self.aligned(Role::Embedding, raw)?;
        let dimension = self.one_output(&entry)?;
        self.that(
            "outputs",
            (16..=DIMENSION_MAX).contains(&dimension),
            dimension,
            "a vector of 16 to 1024 values",
        )?;
        Ok(EmbeddingModel { entry, alignment, preprocessing })
    }

    pub(super) fn refiner(&self, mut raw: RawModel) -> Result<RefinerModel, PackFault> {
        let score_min = self.needed("score_min", raw.score_min.take())?;
        self.that("score_min", SCORES.contains(&score_min), score_min, SCORES_ALLOWED)?;
        let (entry, alignment) = self.aligned(Role::Refiner, raw)?;
        let values = self.one_output(&entry)?;
        self.that("outputs", values == 1, values, "one probability")?;
        Ok(RefinerModel { entry, alignment, score_min })
    }

    /// A model that sees faces in a standard place.
    fn aligned(&self, role: Role, mut raw: RawModel) -> Result<(ModelEntry, Alignment), PackFault> {
        let template = self.needed("template", raw.template.take())?;
        let samples_max = self.needed("samples_max", raw.samples_max.take())?;
        self.that("samples_max", (1..=SAMPLES_MAX).contains(&samples_max), samples_max, "1 to 8")?;
        let entry = self.model(role, raw)?;
        let shape = &entry.signature.input.shape;
        let (height, width) = (shape[2] as f32, shape[3] as f32);
        let inside = |[x, y]: &[f32; 2]| (0.0..width).contains(x) && (0.0..height).contains(y);
        self.that("template", template.iter().all(inside), template, "five points [x, y] inside the input")?;
        let template = template.map(|[x, y]| Point::new(x, y));
        Ok((entry, Alignment { template, samples_max }))
    }

    pub(super) fn liveness(&self, mut raw: RawModel) -> Result<LivenessModel, PackFault> {
        let crop_scale = self.needed("crop_scale", raw.crop_scale.take())?;
        let crop_aspect = raw.crop_aspect.take();
        let live_output = self.needed("live_output", raw.live_output.take())?;
        self.that("crop_scale", (1.0..=8.0).contains(&crop_scale), crop_scale, "1 to 8")?;
        let sound = crop_aspect.is_none_or(|aspect| (0.5..=2.0).contains(&aspect));
        self.that("crop_aspect", sound, crop_aspect, "0.5 to 2")?;
        let entry = self.model(Role::Liveness, raw)?;
        let classes = self.one_output(&entry)?;
        self.that("outputs", (2..=CLASSES_MAX).contains(&classes), classes, "2 to 16 classes")?;
        self.that(
            "live_output",
            live_output < classes,
            live_output,
            "the number of an output, counted from 0",
        )?;
        Ok(LivenessModel { entry, crop: Crop { scale: crop_scale, aspect: crop_aspect }, live_output })
    }

    pub(super) fn liveness_calibration(
        &self,
        raw: RawLivenessCalibration,
    ) -> Result<LivenessCalibration, PackFault> {
        let confidence = Confidence::new(raw.slope, raw.offset).map_err(|e| {
            self.fault("slope", &e.to_string(), "what doorctl evaluate pad --calibration wrote")
        })?;
        self.that("bona_fide", raw.bona_fide > 0, raw.bona_fide, "1 frame or more")?;
        self.that("attacks", raw.attacks > 0, raw.attacks, "1 frame or more")?;
        let data = self.text("data", raw.data)?;
        Ok(LivenessCalibration { data, bona_fide: raw.bona_fide, attacks: raw.attacks, confidence })
    }

    pub(super) fn calibration(
        &self,
        points: &[RawPoint],
        comparisons: u64,
    ) -> Result<Calibration, PackFault> {
        let points = points.iter().map(|p| calibration::Point { score: p.comparison_score, fmr: p.fmr });
        let allowed = "a table that doorctl evaluate pairs --calibration wrote";
        Calibration::new(points.collect(), comparisons)
            .map_err(|e| self.fault("calibration", &format!("refused: {e}"), allowed))
    }

    /// Two files of one name cannot lie in one folder.
    pub(super) fn one_file_each(&self, manifest: &Manifest) -> Result<(), PackFault> {
        let same_name = |a: &ModelEntry, b: &ModelEntry| a.file == b.file && a.sha256 != b.sha256;
        let twice = manifest.entries().find(|a| manifest.entries().any(|b| same_name(a, b)));
        match twice {
            None => Ok(()),
            Some(entry) => {
                Err(self.fault("file", &entry.file, "one digest for one name: rename one of the files"))
            }
        }
    }

    /// What all roles have in common.
    fn model(&self, role: Role, raw: RawModel) -> Result<ModelEntry, PackFault> {
        self.no_strangers(role, &raw)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let named = raw.file.len() <= 100 && raw.file.chars().all(plain) && !raw.file.starts_with('.');
        let sound = named && raw.file.len() > 5 && raw.file.ends_with(".onnx");
        self.that(
            "file",
            sound,
            &raw.file,
            "a plain file name that ends in .onnx: letters, digits, dot, dash, underscore",
        )?;
        let sha256 = self.needed("sha256", raw.sha256)?;
        let sha256 = unhex(&sha256)
            .ok_or_else(|| self.fault("sha256", &sha256, "64 lower case hexadecimal digits"))?;
        let honest = raw.bytes.is_none_or(|bytes| (1..=WEIGHTS_LEN_MAX).contains(&bytes));
        self.that("bytes", honest, raw.bytes, "1 to 67108864")?;
        if let Some(url) = &raw.url {
            self.that("url", address::allowed(url), url, address::ALLOWED)?;
        }
        let [one, channels, sides @ ..] = raw.input.shape.as_slice() else {
            return Err(self.fault(
                "input.shape",
                &format!("{:?}", raw.input.shape),
                "[1, 3, height, width]",
            ));
        };
        let picture =
            *one == 1 && *channels == 3 && sides.len() == 2 && sides.iter().all(|s| SIDES.contains(s));
        self.that(
            "input.shape",
            picture,
            &raw.input.shape,
            "[1, 3, height, width] with sides of 32 to 1024",
        )?;
        let in_range = raw.mean.iter().all(|m| (0.0..=255.0).contains(m));
        self.that("mean", in_range, raw.mean, "three numbers of 0 to 255, in the order of colour")?;
        let in_range = raw.deviation.iter().all(|d| (0.1..=1000.0).contains(d));
        self.that(
            "deviation",
            in_range,
            raw.deviation,
            "three numbers of 0.1 to 1000, in the order of colour",
        )?;
        let usable = raw.golden.len() <= GOLDEN_MAX && raw.golden.iter().all(|v| v.is_finite());
        self.that("golden", usable, &raw.golden, "at most 128 finite numbers")?;
        let ports =
            |ports: Vec<RawPort>| ports.into_iter().map(|port| self.port(port)).collect::<Result<_, _>>();
        Ok(ModelEntry {
            role,
            licence: self.text("licence", raw.licence)?,
            source: self.text("source", raw.source)?,
            conversion: self.text("conversion", raw.conversion)?,
            data_terms: self.text("data_terms", raw.data_terms)?,
            signature: Signature {
                model: format!("{} {}", role.key(), raw.file),
                input: self.port(raw.input)?,
                outputs: ports(raw.outputs)?,
            },
            normalisation: Normalisation { colour: raw.colour, mean: raw.mean, deviation: raw.deviation },
            golden: raw.golden,
            file: raw.file,
            sha256,
            bytes: raw.bytes,
            url: raw.url,
        })
    }

    /// Keys of other roles, which would have no effect here, are as wrong as unknown ones. Each role has taken its own
    /// out before.
    fn no_strangers(&self, role: Role, raw: &RawModel) -> Result<(), PackFault> {
        let keys = [
            ("score_min", raw.score_min.is_some()),
            ("overlap_max", raw.overlap_max.is_some()),
            ("blend_min", raw.blend_min.is_some()),
            ("template", raw.template.is_some()),
            ("samples_max", raw.samples_max.is_some()),
            ("preprocessing", raw.preprocessing.is_some()),
            ("crop_scale", raw.crop_scale.is_some()),
            ("crop_aspect", raw.crop_aspect.is_some()),
            ("live_output", raw.live_output.is_some()),
        ];
        match keys.iter().find(|(_, present)| *present) {
            Some((key, _)) => {
                Err(self.fault(key, "present", &format!("no such key for a {} model", role.key())))
            }
            None => Ok(()),
        }
    }

    fn port(&self, raw: RawPort) -> Result<Port, PackFault> {
        let sound =
            (1..=4).contains(&raw.shape.len()) && raw.shape.iter().all(|side| (1..=1 << 16).contains(side));
        self.that(&format!("{} shape", raw.name), sound, &raw.shape, "1 to 4 sides of 1 to 65536")?;
        Ok(Port { name: self.text("name", raw.name)?, shape: raw.shape })
    }

    /// The length of the one output `[1, length]`.
    fn one_output(&self, entry: &ModelEntry) -> Result<usize, PackFault> {
        let shapes: Vec<&[usize]> =
            entry.signature.outputs.iter().map(|port| port.shape.as_slice()).collect();
        match shapes.as_slice() {
            [[1, length]] => Ok(*length),
            _ => Err(self.fault("outputs", &format!("{shapes:?}"), "one output of shape [1, length]")),
        }
    }

    /// A key that must be there.
    pub(super) fn needed<T>(&self, key: &str, value: Option<T>) -> Result<T, PackFault> {
        value.ok_or_else(|| self.fault(key, "missing", "a value: it is needed here"))
    }

    fn fault(&self, key: &str, found: &str, allowed: &str) -> PackFault {
        // A hostile value may be as long as the manifest.
        const FOUND_LEN_MAX: usize = 200;
        PackFault::Value {
            path: self.path.clone(),
            key: format!("{}{key}", self.prefix),
            found: found.chars().take(FOUND_LEN_MAX).collect(),
            allowed: allowed.to_owned(),
        }
    }
}
