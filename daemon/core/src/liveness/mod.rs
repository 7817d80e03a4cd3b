//! Proof of life from independent families of evidence, fused by an explicit table ([`fusion`]).
//!
//! * passive colour ([`crate::vision::Vision::liveness`]), one score per frame;
//! * [`infrared`]: the face is lit by the emitter, with the contrast of skin; [`agreement`]: it is the same face;
//! * [`glint`]: its eyes mirror the emitter, where a policy asks for that;
//! * [`depth`]: the face has the relief and the size of a head;
//! * [`emitter`]: the light changes at random, and the face has to follow;
//! * [`movement`]: the person is asked to turn and to [`smile`], and must do it as no photograph and no mask does.
//!
//! One sensor is never proof of life: every *fitted* family must support, and one that contradicts or is missing ends
//! it. A missing or lying sensor lowers trust and never raises it. How much has to be fitted is a [`Level`].

pub mod agreement;
pub mod depth;
pub mod emitter;
pub mod fusion;
pub mod glint;
pub mod infrared;
pub mod movement;
pub mod smile;

use std::time::Duration;

pub use self::fusion::{Level, Says, Verdict, Voices};
use crate::decision::Reject;
use crate::frame::{SKEW_MAX, Shot};
use crate::stages::{GoodFace, LiveFace};
use crate::time::Mono;

/// Confidence from which infrared or depth supports a live person: the operating point of their curves.
pub const SUPPORT_MIN: f32 = 0.5;
/// How long the light has to be answered before a person is asked instead: twice what a dozen slots take with every
/// second picture lost.
const LIGHT_MAX: Duration = Duration::from_secs(3);
/// How long eyes have to show their glint before a person is asked instead: two windows, so that a blink costs nothing.
const GLINT_MAX: Duration = Duration::from_secs(2);

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

impl Finding {
    /// What it says, where a score from `floor` on supports.
    #[must_use]
    pub fn says(self, floor: f32) -> Says {
        match self {
            Finding::NotFitted => Says::NotFitted,
            Finding::Missing => Says::Missing,
            Finding::Score(score) if score >= floor => Says::Supports,
            // Also a score that is no number.
            Finding::Score(_) => Says::Contradicts,
        }
    }
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
    /// The mirror of the infrared light in the eyes; missing where they are too small to show it. It is no family of its
    /// own and has no part in the confidence, because a living eye may close.
    pub glint: Finding,
}

impl Evidence {
    /// What is left of the evidence of two frames: of each family the weaker finding.
    #[must_use]
    pub fn weaker(self, other: Self) -> Self {
        let weaker = |one, two| match (one, two) {
            (Finding::Score(one), Finding::Score(two)) => Finding::Score(one.min(two)),
            (Finding::Missing, _) | (_, Finding::Missing) => Finding::Missing,
            (Finding::NotFitted, _) | (_, Finding::NotFitted) => Finding::NotFitted,
        };
        Self {
            rgb: weaker(self.rgb, other.rgb),
            infrared: weaker(self.infrared, other.infrared),
            depth: weaker(self.depth, other.depth),
            glint: weaker(self.glint, other.glint),
        }
    }

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

/// When a person is asked to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Asks {
    /// Never.
    #[default]
    Never,
    /// Where the evidence is weak, the emitter got no answer, somebody was refused a moment ago; at `high`, each time.
    WhenUnsure,
    /// Each time.
    Always,
}

/// When eyes must have mirrored the infrared light.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mirrors {
    /// It is not looked for.
    #[default]
    Off,
    /// Each time.
    Required,
    /// Each time, and whose eyes do not is asked for a movement instead.
    OrMovement,
}

/// What is asked of the evidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// How much evidence a face needs.
    pub level: Level,
    /// Sensors of this terminal.
    pub fitted: Fitted,
    /// Smallest colour score of each single frame, 0 to 1.
    pub rgb_min: f32,
    /// Smallest mean confidence over the window of an attempt, 0 to 100.
    pub window_min: f32,
    /// Horizontal field of view of the depth camera, degrees; turns pixels into millimetres.
    pub depth_fov: f32,
    /// Whether the infrared light follows a random pattern, and the face has to follow it.
    pub emitter: bool,
    /// When a person is asked to move.
    pub asks: Asks,
    /// When eyes must have mirrored the infrared light.
    pub glint: Mirrors,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            level: Level::Standard,
            fitted: Fitted { infrared: true, depth: true },
            rgb_min: 0.5,
            window_min: 60.0,
            depth_fov: 70.0,
            emitter: false,
            asks: Asks::Never,
            glint: Mirrors::Off,
        }
    }
}

impl Policy {
    /// The policy of a terminal with nothing but a colour camera.
    #[must_use]
    pub fn colour_alone() -> Self {
        let fitted = Fitted { infrared: false, depth: false };
        Self { level: Level::Convenience, fitted, ..Self::default() }
    }

    /// What the families say of one frame; `asked` is what is said of the whole attempt so far.
    #[must_use]
    pub fn voices(&self, evidence: &Evidence, asked: Asked) -> Voices {
        Voices {
            rgb: evidence.rgb.says(self.rgb_min),
            infrared: evidence.infrared.says(SUPPORT_MIN),
            depth: evidence.depth.says(SUPPORT_MIN),
            glint: match (self.glint, asked.glint, asked.movement) {
                (Mirrors::OrMovement, Says::Missing, Says::Supports) => Says::NotFitted,
                (Mirrors::Off | Mirrors::Required | Mirrors::OrMovement, says, _) => says,
            },
            light: asked.light,
            movement: asked.movement,
        }
    }

    /// Whether the person is to be asked to move, after what light and eyes said in so much time; `unsure` says that the
    /// evidence is weak or somebody was refused a moment ago.
    #[must_use]
    pub fn asks_for_movement(&self, light: Says, glint: Says, waited: Duration, unsure: bool) -> bool {
        let without_glint =
            self.glint == Mirrors::OrMovement && glint == Says::Missing && waited >= GLINT_MAX;
        match self.asks {
            _ if without_glint => true,
            Asks::Never => false,
            Asks::Always => true,
            Asks::WhenUnsure if self.level == Level::High => true,
            Asks::WhenUnsure => match light {
                Says::NotFitted | Says::Supports => unsure,
                Says::Missing => waited >= LIGHT_MAX,
                Says::Contradicts => false,
            },
        }
    }

    /// Whether anybody may ever be asked to move here.
    #[must_use]
    pub fn may_ask(&self) -> bool {
        self.asks != Asks::Never || self.glint == Mirrors::OrMovement
    }

    /// What this terminal lacks for anybody ever to pass at its level; `None` where nothing does.
    #[must_use]
    pub fn lacks(&self) -> Option<&'static str> {
        let Fitted { infrared, depth } = self.fitted;
        match self.level {
            Level::Standard if !(infrared || depth) => Some(
                "an infrared or a depth camera: colour alone cannot tell a good photograph from a person",
            ),
            Level::High if !infrared => Some("an infrared camera"),
            Level::High if !depth => Some("a depth camera"),
            Level::High if self.asks == Asks::Never => Some(
                "a movement that is asked for (liveness.challenge = \"always\"): no sensor tells a rigid mask from a face",
            ),
            Level::Convenience | Level::Standard | Level::High => None,
        }
    }
}

/// What is said of a whole attempt, and of no single frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Whether the eyes have mirrored the light in enough frames.
    pub glint: Says,
    /// Whether the face followed the light.
    pub light: Says,
    /// Whether the movement was made that was asked for, or a credential answered in its place.
    pub movement: Says,
}

/// Collects what the sensors say about a good face. `rgb` is the score of the passive colour model.
#[must_use]
pub fn gather(good: &GoodFace, rgb: f32, policy: &Policy) -> Evidence {
    let frames = good.frames();
    let picture = (frames.rgb.plane.width(), frames.rgb.plane.height());
    // A member of another moment shows another moment: C3, P8.
    let face = good.detection();
    let lit = frames.ir.as_ref().filter(|shot| together(shot, frames.at()));
    let infrared = match (policy.fitted.infrared, lit) {
        (false, _) => Finding::NotFitted,
        (true, None) => Finding::Missing,
        (true, Some(shot)) => {
            let ir = &shot.plane;
            let skin = infrared::score(ir, picture, face);
            Finding::Score(skin.min(agreement::score(ir, good.picture(), face)))
        }
    };
    let glint = match policy.glint {
        Mirrors::Off => Finding::NotFitted,
        Mirrors::Required | Mirrors::OrMovement => lit
            .and_then(|shot| glint::score(&shot.plane, picture, face))
            .map_or(Finding::Missing, Finding::Score),
    };
    let depth = match (policy.fitted.depth, frames.depth.as_ref().filter(|shot| together(shot, frames.at())))
    {
        (false, _) => Finding::NotFitted,
        (true, None) => Finding::Missing,
        (true, Some(shot)) => Finding::Score(depth::score(&shot.plane, picture, face, policy.depth_fov)),
    };
    // A model that answers NaN has proven nothing.
    let rgb = if rgb.is_finite() { rgb.clamp(0.0, 1.0) } else { 0.0 };
    Evidence { rgb: Finding::Score(rgb), infrared, depth, glint }
}

/// Who may go on as a live face: whoever the fusion table takes for live, if what is asked of the whole attempt were
/// answered. One frame cannot answer that; [`crate::attempt`] asks the table again with what was.
///
/// # Errors
/// [`Reject::NotLive`] where a family contradicts, [`Reject::Unproven`] where something is missing that is fitted or
/// that the level asks for, [`Reject::TooFar`] where only the eyes are too small to show their glint and nothing else will do.
pub fn prove(good: GoodFace, evidence: Evidence, policy: &Policy) -> Result<LiveFace, Reject> {
    let answered = Asked { glint: Says::Supports, light: Says::Supports, movement: Says::Supports };
    match fusion::fuse(policy.level, policy.voices(&evidence, answered)) {
        Verdict::Live if policy.glint == Mirrors::Required && evidence.glint == Finding::Missing => {
            Err(Reject::TooFar)
        }
        Verdict::Live => Ok(LiveFace::new(good, evidence)),
        Verdict::Unproven => Err(Reject::Unproven),
        Verdict::NotLive => Err(Reject::NotLive),
    }
}

/// Whether a member of a frameset is of its moment.
fn together<P>(shot: &Shot<P>, at: Mono) -> bool {
    shot.at.apart(at) <= SKEW_MAX
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
        let evidence = Evidence {
            rgb: Finding::Score(0.99),
            infrared: Finding::Score(0.7),
            depth: Finding::NotFitted,
            glint: Finding::Score(0.1),
        };
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
