//! From frames to one case: liveness and identity must agree over a short window before anybody is looked for.
//!
//! `idle → watching → decided → idle`; on the way out of `watching` a refusal, after which the terminal cools down;
//! `blind` while a camera or a model is broken. A person who only walks past leaves no trace: nothing is decided.

use std::time::Duration;

use doorward_protocol::ids::AttemptId;

use crate::decision::Reject;
use crate::stages::Embedding;
use crate::template::UnitVector;
use crate::time::Mono;

/// Times and counts of an attempt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Live frames that must agree. More are surer and slower; three take 100 to 200 ms at the usual rates.
    pub window: usize,
    /// They must lie within this time, or the oldest is dropped.
    pub window_max: Duration,
    /// An attempt without a decision ends after this time with the last reject.
    pub watch_max: Duration,
    /// A face gone for this long ends the attempt without a decision.
    pub leave_after: Duration,
    /// Frames that are not live, in one attempt, after which it is a presentation attack.
    pub spoof_frames: u32,
    /// How long a grant stays on the panel before the next attempt.
    pub grant_hold: Duration,
    /// Pause after a refusal; doubles with each further one…
    pub cool_down: Duration,
    /// …up to this.
    pub cool_down_max: Duration,
    /// A quiet time after which the pause starts small again.
    pub forgive_after: Duration,
    /// Boxes of successive frames must overlap this much (intersection over union), or it is another face.
    pub overlap_min: f32,
    /// Probes of successive frames must resemble each other this much (cosine), or it is another face.
    pub agreement_min: f32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            window: 3,
            window_max: Duration::from_millis(1500),
            watch_max: Duration::from_secs(5),
            leave_after: Duration::from_millis(700),
            spoof_frames: 3,
            grant_hold: Duration::from_secs(3),
            cool_down: Duration::from_secs(2),
            cool_down_max: Duration::from_secs(16),
            forgive_after: Duration::from_secs(60),
            overlap_min: 0.3,
            agreement_min: 0.4,
        }
    }
}

/// What the examination of one frameset brought.
#[derive(Debug, Clone)]
pub enum Evidence {
    /// A live face and its probe.
    Live(Embedding),
    /// An answer that ends the examination.
    Rejected(Reject),
    /// A camera or a model is broken.
    Fault,
}

/// Several frames that agree on one live person: what may be compared with the gallery. Made here only.
#[derive(Debug, Clone)]
pub struct Case {
    attempt: AttemptId,
    probe: UnitVector,
    frames: u32,
    confidence: f32,
    at: Mono,
}

impl Case {
    /// The attempt.
    #[must_use]
    pub fn attempt(&self) -> AttemptId {
        self.attempt
    }

    /// Mean direction of the frames' probes.
    #[must_use]
    pub fn probe(&self) -> &UnitVector {
        &self.probe
    }

    /// Frames behind it.
    #[must_use]
    pub fn frames(&self) -> u32 {
        self.frames
    }

    /// Mean liveness confidence, 0 to 100.
    #[must_use]
    pub fn confidence(&self) -> f32 {
        self.confidence
    }

    /// Time of the newest frame.
    #[must_use]
    pub fn at(&self) -> Mono {
        self.at
    }
}

/// An attempt that ended without a case. Made here only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    attempt: AttemptId,
    reject: Reject,
}

impl Refusal {
    /// The attempt.
    #[must_use]
    pub fn attempt(&self) -> AttemptId {
        self.attempt
    }

    /// Why.
    #[must_use]
    pub fn reject(&self) -> Reject {
        self.reject
    }
}

/// How an attempt ended.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// Look for this person.
    Case(Case),
    /// Refuse.
    Refused(Refusal),
}

/// Where the machine stands.
#[derive(Debug, Clone)]
pub enum State {
    /// Nobody there.
    Idle,
    /// Somebody there.
    Watching(Watch),
    /// Granted; the panel shows it until then.
    Decided {
        /// Until when.
        until: Mono,
    },
    /// Refused; nothing is looked at until then.
    CoolDown {
        /// Until when.
        until: Mono,
    },
    /// A camera or a model is broken.
    Blind,
}

/// What is known of the person standing there.
#[derive(Debug, Clone)]
pub struct Watch {
    since: Mono,
    face_at: Mono,
    run: Vec<Embedding>,
    not_live: u32,
    last: Option<Reject>,
}

impl Watch {
    /// The newest reject, if the newest frames brought one.
    #[must_use]
    pub fn last(&self) -> Option<Reject> {
        self.last
    }
}

/// The attempts of one terminal, one after the other.
#[derive(Debug, Clone)]
pub struct Attempts {
    limits: Limits,
    window_min: f32,
    state: State,
    next: AttemptId,
    refusals: u32,
    refused_at: Mono,
}

impl Attempts {
    /// `next` numbers the next attempt; `window_min` is the smallest mean liveness confidence of a case, 0 to 100.
    #[must_use]
    pub fn new(limits: Limits, window_min: f32, next: AttemptId) -> Self {
        Self { limits, window_min, state: State::Idle, next, refusals: 0, refused_at: Mono(0) }
    }

    /// Where the machine stands.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Whether a frame would be looked at now; examining it otherwise is wasted.
    #[must_use]
    pub fn wants_frames(&self, now: Mono) -> bool {
        match self.state {
            State::Idle | State::Watching(_) | State::Blind => true,
            State::Decided { until } | State::CoolDown { until } => now >= until,
        }
    }

    /// When something happens without any evidence.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        match &self.state {
            State::Idle | State::Blind => None,
            State::Watching(watch) => Some(watch.since + self.limits.watch_max),
            State::Decided { until } | State::CoolDown { until } => Some(*until),
        }
    }

    /// Takes the evidence of one frameset.
    #[must_use]
    pub fn observe(self, evidence: Evidence, now: Mono) -> (Self, Option<Verdict>) {
        let (mut attempts, _) = self.tick(now);
        match (std::mem::replace(&mut attempts.state, State::Idle), evidence) {
            (state @ (State::Decided { .. } | State::CoolDown { .. }), _) => {
                attempts.state = state;
                (attempts, None)
            }
            (State::Idle | State::Watching(_) | State::Blind, Evidence::Fault) => {
                attempts.state = State::Blind;
                (attempts, None)
            }
            (State::Idle | State::Blind, Evidence::Rejected(Reject::NoFace | Reject::TooDark)) => {
                (attempts, None)
            }
            (State::Idle | State::Blind, evidence) => {
                let watch = Watch { since: now, face_at: now, run: Vec::new(), not_live: 0, last: None };
                attempts.watch(watch, evidence, now)
            }
            (State::Watching(watch), evidence) => attempts.watch(watch, evidence, now),
        }
    }

    /// Lets time pass.
    #[must_use]
    pub fn tick(mut self, now: Mono) -> (Self, Option<Verdict>) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Decided { until } | State::CoolDown { until } if now >= until => (self, None),
            State::Watching(watch) if now.since(watch.since) >= self.limits.watch_max => {
                match (watch.last, now.since(watch.face_at) < self.limits.leave_after) {
                    (Some(reject), true) => self.refuse(reject, now),
                    (None, true) => self.refuse(Reject::Unproven, now),
                    (_, false) => (self, None),
                }
            }
            state @ (State::Idle
            | State::Watching(_)
            | State::Decided { .. }
            | State::CoolDown { .. }
            | State::Blind) => {
                self.state = state;
                (self, None)
            }
        }
    }

    /// Tells the machine what became of the case it gave out.
    #[must_use]
    pub fn settle(mut self, granted: bool, now: Mono) -> Self {
        if granted {
            self.refusals = 0;
            self.state = State::Decided { until: now + self.limits.grant_hold };
        } else {
            self.cool_down(now);
        }
        self
    }

    fn watch(mut self, mut watch: Watch, evidence: Evidence, now: Mono) -> (Self, Option<Verdict>) {
        match evidence {
            Evidence::Live(embedding) => {
                watch.face_at = now;
                watch.last = None;
                self.extend(&mut watch, embedding);
                if watch.run.len() >= self.limits.window {
                    return self.conclude(&watch, now);
                }
            }
            Evidence::Rejected(Reject::NoFace | Reject::TooDark) => {
                if now.since(watch.face_at) >= self.limits.leave_after {
                    return (self, None);
                }
            }
            Evidence::Rejected(Reject::NotLive) => {
                watch.face_at = now;
                watch.last = Some(Reject::NotLive);
                watch.run.clear();
                watch.not_live += 1;
                if watch.not_live >= self.limits.spoof_frames {
                    return self.refuse(Reject::NotLive, now);
                }
            }
            Evidence::Rejected(reject) => {
                watch.face_at = now;
                watch.last = Some(reject);
                if reject == Reject::ManyFaces {
                    watch.run.clear();
                }
            }
            Evidence::Fault => unreachable!("observe() turns faults into blindness before it watches"),
        }
        self.state = State::Watching(watch);
        (self, None)
    }

    /// Adds a probe to the run; one that shows another face starts the run anew (attack case P8).
    fn extend(&self, watch: &mut Watch, embedding: Embedding) {
        let limits = &self.limits;
        watch.run.retain(|e| embedding.at().since(e.at()) <= limits.window_max && e.at() < embedding.at());
        let same = watch.run.last().is_none_or(|last| {
            last.region().overlap(&embedding.region()) >= limits.overlap_min
                && last.vector().cosine(embedding.vector()) >= limits.agreement_min
        });
        if !same {
            watch.run.clear();
        }
        watch.run.push(embedding);
    }

    fn conclude(mut self, watch: &Watch, now: Mono) -> (Self, Option<Verdict>) {
        let frames = watch.run.len();
        let confidence = watch.run.iter().map(Embedding::confidence).sum::<f32>() / frames as f32;
        let Ok(probe) = UnitVector::mean(watch.run.iter().map(Embedding::vector)) else {
            // Probes that cancel out cannot have agreed; agreement_min at or below zero allows it.
            return self.refuse(Reject::Unproven, now);
        };
        if confidence < self.window_min {
            return self.refuse(Reject::NotLive, now);
        }
        let at = watch.run.last().expect("the window is not empty").at();
        let attempt = self.number();
        self.state = State::Decided { until: now + self.limits.grant_hold };
        let frames = u32::try_from(frames).unwrap_or(u32::MAX);
        (self, Some(Verdict::Case(Case { attempt, probe, frames, confidence, at })))
    }

    fn refuse(mut self, reject: Reject, now: Mono) -> (Self, Option<Verdict>) {
        let attempt = self.number();
        self.cool_down(now);
        (self, Some(Verdict::Refused(Refusal { attempt, reject })))
    }

    /// Slows down whoever tries again and again (attack case P12).
    fn cool_down(&mut self, now: Mono) {
        if now.since(self.refused_at) > self.limits.forgive_after {
            self.refusals = 0;
        }
        let pause = self.limits.cool_down * 2u32.pow(self.refusals.min(8));
        self.refusals += 1;
        self.refused_at = now;
        self.state = State::CoolDown { until: now + pause.min(self.limits.cool_down_max) };
    }

    /// Takes the number of an attempt that is decided without a face.
    pub fn number(&mut self) -> AttemptId {
        let attempt = self.next;
        self.next = AttemptId(attempt.0 + 1);
        attempt
    }
}
