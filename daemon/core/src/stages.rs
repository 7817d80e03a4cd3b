//! The stages of a frame. A value of a stage can be made only from the stage before, inside this crate, so that an
//! embedding of a face nobody checked does not compile.

use std::sync::Arc;

use crate::decision::Reject;
use crate::frame::{Frameset, Part, Plane, Rgb, Shot};
use crate::geometry::Rect;
use crate::liveness::Evidence;
use crate::quality::{self, Limits, Quality};
use crate::template::{TemplateError, UnitVector};
use crate::time::Mono;
use crate::vision::{Detection, Vision, VisionFault};

/// The one dominant face of a frameset.
#[derive(Debug, Clone)]
pub struct Face {
    frames: Frameset,
    detection: Detection,
}

impl Face {
    /// Picks the dominant face among the detections, largest first.
    ///
    /// # Errors
    /// [`Reject::TooDark`] or [`Reject::NoFace`] for none, [`Reject::ManyFaces`] where a second one is nearly as
    /// large: a grant must belong to exactly one person.
    pub fn dominant(frames: Frameset, detections: &[Detection], limits: &Limits) -> Result<Self, Reject> {
        let mut sure: Vec<&Detection> =
            detections.iter().filter(|d| d.score >= limits.detection_min).collect();
        sure.sort_by(|a, b| b.region.area().total_cmp(&a.region.area()));
        let Some(first) = sure.first() else {
            let dark = quality::brightness(&frames.rgb.plane) < limits.brightness_min;
            return Err(if dark { Reject::TooDark } else { Reject::NoFace });
        };
        if sure
            .get(1)
            .is_some_and(|second| second.region.area() > limits.second_face_max * first.region.area())
        {
            return Err(Reject::ManyFaces);
        }
        Ok(Self { detection: **first, frames })
    }

    /// The frames it was found in.
    #[must_use]
    pub fn frames(&self) -> &Frameset {
        &self.frames
    }

    /// Where it is.
    #[must_use]
    pub fn detection(&self) -> &Detection {
        &self.detection
    }
}

/// A face good enough to be judged; made by [`quality::check`].
#[derive(Debug, Clone)]
pub struct GoodFace {
    face: Face,
    quality: Quality,
}

impl GoodFace {
    pub(crate) fn new(face: Face, quality: Quality) -> Self {
        Self { face, quality }
    }

    /// The frames.
    #[must_use]
    pub fn frames(&self) -> &Frameset {
        &self.face.frames
    }

    /// The colour picture.
    #[must_use]
    pub fn picture(&self) -> &Plane<Rgb> {
        &self.face.frames.rgb.plane
    }

    /// Where the face is.
    #[must_use]
    pub fn detection(&self) -> &Detection {
        &self.face.detection
    }

    /// What was measured.
    #[must_use]
    pub fn quality(&self) -> &Quality {
        &self.quality
    }
}

/// A face that every fitted sensor takes for a live person in this frameset; made by [`crate::liveness::prove`].
#[derive(Debug, Clone)]
pub struct LiveFace {
    good: GoodFace,
    evidence: Evidence,
}

impl LiveFace {
    pub(crate) fn new(good: GoodFace, evidence: Evidence) -> Self {
        Self { good, evidence }
    }

    /// What the sensors said.
    #[must_use]
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }
}

/// A live face in its picture, to be cut out where its person agreed to that.
#[derive(Debug, Clone)]
pub struct Sighting {
    shot: Arc<Shot<Rgb>>,
    region: Rect,
}

/// Pixels around a face, as a share of each side of its box: hair and chin, and little of what is behind.
const AROUND: f32 = 0.3;

impl Sighting {
    /// Of a live face.
    #[must_use]
    pub fn of(live: &LiveFace) -> Self {
        Self { shot: Arc::clone(&live.good.frames().rgb), region: live.good.detection().region }
    }

    /// When it was taken.
    #[must_use]
    pub fn at(&self) -> Mono {
        self.shot.at
    }

    /// The picture, and the part of it with the face.
    #[must_use]
    pub fn portrait(&self) -> (&Plane<Rgb>, Part) {
        let plane = &self.shot.plane;
        let Rect { x, y, width, height } = self.region;
        let (left, right) = span(x, width, plane.width());
        let (top, bottom) = span(y, height, plane.height());
        (plane, Part { x: left, y: top, width: right - left, height: bottom - top })
    }
}

/// From where to where a part reaches along a side of `side` pixels, one pixel at least.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the pixels of a side, and what is no number becomes 0"
)]
fn span(from: f32, length: f32, side: u32) -> (u32, u32) {
    let ends = [from - AROUND * length, from + (1.0 + AROUND) * length];
    let [first, last] = ends.map(|at| at.clamp(0.0, side as f32).round() as u32);
    let first = first.min(side - 1);
    (first, last.clamp(first + 1, side))
}

/// The probe of one live face in one frame.
#[derive(Debug, Clone)]
pub struct Embedding {
    vector: UnitVector,
    at: Mono,
    region: Rect,
    evidence: Evidence,
}

/// The models broke, or gave a vector that is none.
#[derive(Debug, thiserror::Error)]
pub enum EmbedFault {
    /// The engine failed.
    #[error(transparent)]
    Vision(#[from] VisionFault),
    /// NaN, zero or another shape.
    #[error("the embedding model gave no usable vector")]
    Vector(#[from] TemplateError),
}

impl Embedding {
    /// Embeds a live face.
    ///
    /// # Errors
    /// [`EmbedFault`].
    pub fn of(live: &LiveFace, vision: &mut dyn Vision) -> Result<Self, EmbedFault> {
        let detection = live.good.detection();
        let raw = vision.embed(live.good.picture(), &detection.landmarks)?;
        Ok(Self {
            vector: UnitVector::normalise(raw)?,
            at: live.good.frames().at(),
            region: detection.region,
            evidence: live.evidence,
        })
    }

    /// One that no model made, for the tests of what follows.
    #[cfg(test)]
    pub(crate) fn drawn(vector: UnitVector, at: Mono, region: Rect, evidence: Evidence) -> Self {
        Self { vector, at, region, evidence }
    }

    /// The probe.
    #[must_use]
    pub fn vector(&self) -> &UnitVector {
        &self.vector
    }

    /// When the frame was taken.
    #[must_use]
    pub fn at(&self) -> Mono {
        self.at
    }

    /// Where the face is.
    #[must_use]
    pub fn region(&self) -> Rect {
        self.region
    }

    /// Liveness confidence of the frame, 0 to 100.
    #[must_use]
    pub fn confidence(&self) -> f32 {
        self.evidence.confidence()
    }

    /// What the sensors said of the frame.
    #[must_use]
    pub fn evidence(&self) -> Evidence {
        self.evidence
    }
}
