//! What an examination saw and how long each stage took: for metrics, the demo page and the evaluation. Holds no
//! pixels and no probe.

use std::time::Duration;

use doorward_core::decision::Reject;
use doorward_core::liveness::Evidence;
use doorward_core::quality::Quality;
use doorward_core::time::Mono;
use doorward_core::vision::Detection;

/// A stage that takes time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Finding faces.
    Detect,
    /// Measuring quality.
    Quality,
    /// The passive colour model.
    Liveness,
    /// Infrared and depth.
    Sensors,
    /// The probe.
    Embed,
}

/// How an examination ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// With a probe.
    Probe,
    /// With an answer.
    Rejected(Reject),
    /// In a moment that the emitter did not light: it tells of the light, and nothing of the face.
    Unlit,
    /// Something broke; the chain of causes in words.
    Broke(String),
}

/// One examination.
#[derive(Debug, Clone)]
pub struct Trace {
    /// When the frame was taken.
    pub frame_at: Mono,
    /// When the examination began.
    pub began: Mono,
    /// Faces found.
    pub found: Vec<Detection>,
    /// Quality of the dominant one, if it was good.
    pub quality: Option<Quality>,
    /// What the sensors said, if it came that far.
    pub evidence: Option<Evidence>,
    /// Stages passed, in order, with the time each took.
    pub laps: Vec<(Stage, Duration)>,
    /// How it ended.
    pub ending: Ending,
    lap_began: Mono,
}

impl Trace {
    /// Begins.
    #[must_use]
    pub fn begin(frame_at: Mono, now: Mono) -> Self {
        Self {
            frame_at,
            began: now,
            found: Vec::new(),
            quality: None,
            evidence: None,
            laps: Vec::with_capacity(5),
            ending: Ending::Probe,
            lap_began: now,
        }
    }

    /// Ends a stage.
    pub fn lap(&mut self, stage: Stage, now: Mono) {
        self.laps.push((stage, now.since(self.lap_began)));
        self.lap_began = now;
    }

    /// Time of all stages together.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.lap_began.since(self.began)
    }
}
