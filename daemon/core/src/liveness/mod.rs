//! Proof of life from independent families of evidence, fused by an explicit table.
//!
//! * passive colour ([`crate::vision::Vision::liveness`]), one score per frame;
//! * [`infrared`]: the face is there, lit by the emitter, with the contrast of skin;
//! * [`depth`]: the face has the relief and the size of a head.
//!
//! One sensor is never proof of life: every *fitted* family must support, and one that contradicts or is missing ends
//! it. A missing or lying sensor lowers trust and never raises it.

pub mod depth;
pub mod infrared;

use crate::decision::Reject;
use crate::stages::{GoodFace, LiveFace};

/// Confidence from which infrared or depth supports a live person: the operating point of their curves.
pub const SUPPORT_MIN: f32 = 0.5;

/// What one family says about one frameset.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Finding {
    /// No such sensor on this terminal.
    NotFitted,
    /// Fitted, but it gave no picture of this moment.
    Missing,
    /// Confidence that this is a live person, 0 to 1.
    Score(f32),
}

/// What all families say about one frameset.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    /// Passive colour.
    pub rgb: Finding,
    /// Infrared.
    pub infrared: Finding,
    /// Depth.
    pub depth: Finding,
}

impl Evidence {
    /// The families in a fixed order.
    #[must_use]
    pub fn findings(&self) -> [(&'static str, Finding); 3] {
        [("rgb", self.rgb), ("infrared", self.infrared), ("depth", self.depth)]
    }

    /// Confidence 0 to 100: that of the weakest family, because an attack only has to be seen by one.
    #[must_use]
    pub fn confidence(&self) -> f32 {
        let weakest =
            self.findings().into_iter().fold(None, |weakest: Option<f32>, (_, finding)| match finding {
                Finding::NotFitted => weakest,
                Finding::Missing => Some(0.0),
                Finding::Score(score) => Some(weakest.map_or(score, |w| w.min(score))),
            });
        100.0 * weakest.unwrap_or(0.0).clamp(0.0, 1.0)
    }
}

/// Which sensors this terminal has. Fixed at installation: a camera that is unplugged stays fitted and is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fitted {
    /// An infrared camera.
    pub infrared: bool,
    /// A depth camera.
    pub depth: bool,
}

/// What is asked of the evidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// Sensors of this terminal.
    pub fitted: Fitted,
    /// Smallest colour score of each single frame, 0 to 1.
    pub rgb_min: f32,
    /// Smallest mean confidence over the window of an attempt, 0 to 100.
    pub window_min: f32,
    /// Whether a terminal with nothing but a colour camera may open at all.
    pub rgb_alone: bool,
    /// Horizontal field of view of the depth camera, degrees; turns pixels into millimetres.
    pub depth_fov: f32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            fitted: Fitted { infrared: true, depth: true },
            rgb_min: 0.5,
            window_min: 60.0,
            rgb_alone: false,
            depth_fov: 70.0,
        }
    }
}

/// Collects what the sensors say about a good face. `rgb` is the score of the passive colour model.
#[must_use]
pub fn gather(good: &GoodFace, rgb: f32, policy: &Policy) -> Evidence {
    let frames = good.frames();
    let picture = (frames.rgb.plane.width(), frames.rgb.plane.height());
    let infrared = match (policy.fitted.infrared, &frames.ir) {
        (false, _) => Finding::NotFitted,
        (true, None) => Finding::Missing,
        (true, Some(shot)) => Finding::Score(infrared::score(&shot.plane, picture, good.detection())),
    };
    let depth = match (policy.fitted.depth, &frames.depth) {
        (false, _) => Finding::NotFitted,
        (true, None) => Finding::Missing,
        (true, Some(shot)) => {
            Finding::Score(depth::score(&shot.plane, picture, good.detection(), policy.depth_fov))
        }
    };
    // A model that answers NaN has proven nothing.
    let rgb = if rgb.is_finite() { rgb.clamp(0.0, 1.0) } else { 0.0 };
    Evidence { rgb: Finding::Score(rgb), infrared, depth }
}

/// The fusion table: who may go on as a live face.
///
/// # Errors
/// [`Reject::NotLive`] where a family contradicts, [`Reject::Unproven`] where a fitted one is missing or colour would
/// stand alone.
pub fn prove(good: GoodFace, evidence: Evidence, policy: &Policy) -> Result<LiveFace, Reject> {
    let mut missing = !(policy.fitted.infrared || policy.fitted.depth || policy.rgb_alone);
    for (family, finding) in evidence.findings() {
        let floor = if family == "rgb" { policy.rgb_min } else { SUPPORT_MIN };
        match finding {
            Finding::Score(score) if score < floor => return Err(Reject::NotLive),
            Finding::Score(_) | Finding::NotFitted => {}
            Finding::Missing => missing = true,
        }
    }
    if missing { Err(Reject::Unproven) } else { Ok(LiveFace::new(good, evidence)) }
}

/// Maps `value` to 0..1 so that `floor` gives 0.5 and `floor + width` gives 0.9 (a logistic curve).
fn logistic(value: f32, floor: f32, width: f32) -> f32 {
    const LOG_ODDS_OF_0_9: f32 = 2.197_224_6;
    let odds = (value - floor) / width * LOG_ODDS_OF_0_9;
    1.0 / (1.0 + (-odds).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confidence_is_that_of_the_weakest_family() {
        let evidence =
            Evidence { rgb: Finding::Score(0.99), infrared: Finding::Score(0.7), depth: Finding::NotFitted };
        assert!((evidence.confidence() - 70.0).abs() < 1e-3);
        assert_eq!(Evidence { infrared: Finding::Missing, ..evidence }.confidence(), 0.0);
    }

    #[test]
    fn the_logistic_curve_goes_through_its_two_points() {
        assert!((logistic(8.0, 8.0, 3.0) - 0.5).abs() < 1e-6);
        assert!((logistic(11.0, 8.0, 3.0) - 0.9).abs() < 1e-6);
        assert!(logistic(f32::NEG_INFINITY, 8.0, 3.0) < 1e-6);
    }
}
