//! From frames to one case: liveness and identity must agree over a short window before anybody is looked for.
//!
//! `idle → watching → decided → idle`; on the way out of `watching` a refusal, after which the terminal cools down;
//! `blind` while a camera or a model is broken. A person who only walks past leaves no trace: nothing is decided.
//!
//! No lucky frame passes. Every frame of the window reaches each family's floor and the window its mean; a frame that is
//! not live ends the run and must be outweighed by [`Limits::live_per_doubt`] live ones; three of them end the attempt.
//! Who steps aside after two is refused all the same, and one is held against whoever comes within
//! [`Limits::doubt_for`], so that nobody tries again and again without it being counted.

mod watch;

use std::time::Duration;

use doorward_protocol::ids::AttemptId;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha20Rng;

pub use self::watch::Watch;
use crate::decision::Reject;
use crate::geometry::{Landmarks, Rect};
use crate::liveness::emitter::{self, Glimpse};
use crate::liveness::fusion::{self, Level, Says};
use crate::liveness::movement::Challenge;
use crate::liveness::{self, Asked, Policy};
use crate::stages::{Embedding, Sighting};
use crate::template::UnitVector;
use crate::time::Mono;

/// Mean confidence below which evidence that is enough is weak, 0 to 100.
const UNSURE: f32 = 75.0;
/// Frames that were not live, after which stepping aside is a failed check.
const WITHDRAWN_MIN: u32 = 2;

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
    /// Live frames that outweigh one that is not.
    pub live_per_doubt: u32,
    /// For how long a frame that was not live is held against the next attempt, if its own came to no decision.
    pub doubt_for: Duration,
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
    /// Once a movement was asked for, a face in the same place may look like another for so long: eyes close, for a third of a
    /// second (`docs/scenes.md`), and some probes take that for somebody else. Nothing is made of these frames.
    pub blink_max: Duration,
}

impl Limits {
    /// Whether both faces are in the same place.
    fn near(&self, one: &Embedding, other: &Embedding) -> bool {
        one.region().overlap(&other.region()) >= self.overlap_min
    }

    /// Whether both probes may be of one face.
    fn alike(&self, one: &Embedding, other: &Embedding) -> bool {
        one.vector().cosine(other.vector()) >= self.agreement_min
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            window: 3,
            window_max: Duration::from_millis(1500),
            watch_max: Duration::from_secs(5),
            leave_after: Duration::from_millis(700),
            spoof_frames: 3,
            live_per_doubt: 5,
            doubt_for: Duration::from_secs(30),
            grant_hold: Duration::from_secs(3),
            cool_down: Duration::from_secs(2),
            cool_down_max: Duration::from_secs(16),
            forgive_after: Duration::from_secs(60),
            overlap_min: 0.3,
            agreement_min: 0.4,
            blink_max: Duration::from_millis(400),
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
    /// A face, in a picture that the emitter did not light: it says something of the light alone.
    Unlit,
    /// A camera or a model is broken.
    Fault,
}

/// Where the face was, whatever was made of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    /// Its box.
    pub region: Rect,
    /// Its five points.
    pub landmarks: Landmarks,
    /// How bright it was in infrared, where the emitter follows a pattern and the picture tells.
    pub glimpse: Option<Glimpse>,
    /// How much its mouth smiles, where that may be asked for and the picture tells.
    pub smile: Option<f32>,
}

/// One look at the person: what was seen, and what came of it.
#[derive(Debug, Clone)]
pub struct Look {
    /// What came of it.
    pub evidence: Evidence,
    /// The one face, if there was one.
    pub seen: Option<Seen>,
    /// The picture that it was found alive in, as long as somebody may need it.
    pub sighting: Option<Sighting>,
}

impl From<Evidence> for Look {
    fn from(evidence: Evidence) -> Self {
        Self { evidence, seen: None, sighting: None }
    }
}

/// Several frames that agree on one live person: what may be compared with the gallery. Made here only.
#[derive(Debug, Clone)]
pub struct Case {
    attempt: AttemptId,
    probe: UnitVector,
    frames: u32,
    confidence: f32,
    level: Level,
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

    /// How much evidence of life was asked for.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
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
    level: Level,
}

impl Refusal {
    /// How much evidence of life was asked for.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

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
    Watching(Box<Watch>),
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

/// The attempts of one terminal, one after the other.
#[derive(Debug, Clone)]
pub struct Attempts {
    limits: Limits,
    policy: Policy,
    state: State,
    next: AttemptId,
    refusals: u32,
    refused_at: Mono,
    /// Frames that were not live, of attempts that came to no decision, and when.
    doubts: u32,
    doubted_at: Mono,
    seeds: ChaCha20Rng,
}

impl Attempts {
    /// `next` numbers the next attempt; `seed` decides which movements are asked for.
    #[must_use]
    pub fn new(limits: Limits, policy: Policy, next: AttemptId, seed: [u8; 32]) -> Self {
        Self {
            limits,
            policy,
            state: State::Idle,
            next,
            refusals: 0,
            refused_at: Mono(0),
            doubts: 0,
            doubted_at: Mono(0),
            seeds: ChaCha20Rng::from_seed(seed),
        }
    }

    /// How much evidence of life is asked for.
    #[must_use]
    pub fn level(&self) -> Level {
        self.policy.level
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
            State::Watching(watch) => Some(watch.until),
            State::Decided { until } | State::CoolDown { until } => Some(*until),
        }
    }

    /// Takes one look. `claimed`: a credential says who stands there, which answers in place of a movement. A verdict that time
    /// alone brings comes first, and the look is then none of that attempt.
    #[must_use]
    pub fn observe(self, look: Look, claimed: bool, now: Mono) -> (Self, Option<Verdict>) {
        let (mut attempts, verdict) = self.tick(now);
        if verdict.is_some() {
            return (attempts, verdict);
        }
        match (std::mem::replace(&mut attempts.state, State::Idle), &look.evidence) {
            (state @ (State::Decided { .. } | State::CoolDown { .. }), _) => {
                attempts.state = state;
                (attempts, None)
            }
            (State::Watching(watch), Evidence::Fault) => {
                attempts.doubt(&watch, now);
                attempts.state = State::Blind;
                (attempts, None)
            }
            (State::Idle | State::Blind, Evidence::Fault) => {
                attempts.state = State::Blind;
                (attempts, None)
            }
            (State::Idle | State::Blind, Evidence::Rejected(Reject::NoFace | Reject::TooDark)) => {
                (attempts, None)
            }
            (State::Idle | State::Blind, _) => {
                let held = now.since(attempts.doubted_at) <= attempts.limits.doubt_for;
                let carried = if held { attempts.doubts } else { 0 };
                let watch = Watch::begin(now, &attempts.limits, carried);
                attempts.watch(Box::new(watch), look, claimed, now)
            }
            (State::Watching(watch), _) => attempts.watch(watch, look, claimed, now),
        }
    }

    /// Lets time pass.
    #[must_use]
    pub fn tick(mut self, now: Mono) -> (Self, Option<Verdict>) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Decided { until } | State::CoolDown { until } if now >= until => (self, None),
            State::Watching(watch) if now >= watch.until => {
                let gone = now.since(watch.face_at) >= self.limits.leave_after;
                match (watch.last, watch.asks().is_some()) {
                    _ if gone => self.leave(&watch, now),
                    (_, true) => self.refuse(Reject::Unanswered, now),
                    (Some(reject), false) => self.refuse(reject, now),
                    (None, false) => self.refuse(Reject::Unproven, now),
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
        self.doubts = 0;
        if granted {
            self.refusals = 0;
            self.state = State::Decided { until: now + self.limits.grant_hold };
        } else {
            self.cool_down(now);
        }
        self
    }

    fn watch(self, mut watch: Box<Watch>, look: Look, claimed: bool, now: Mono) -> (Self, Option<Verdict>) {
        let blinks =
            matches!(&look.evidence, Evidence::Live(embedding) if watch.blinks(embedding, &self.limits));
        let live = matches!(look.evidence, Evidence::Live(_)) && !blinks;
        if let Some(seen) = look.seen.filter(|_| !blinks) {
            // A mouth is believed where nothing speaks against its face, such as a hand before it.
            let believed = live || matches!(look.evidence, Evidence::Unlit);
            watch.see(Seen { smile: seen.smile.filter(|_| believed), ..seen }, &self.limits, now);
        }
        match look.evidence {
            Evidence::Live(_) if blinks => watch.face_at = now,
            Evidence::Live(embedding) => {
                watch.face_at = now;
                watch.last = None;
                watch.live += 1;
                self.extend(&mut watch, embedding);
            }
            Evidence::Unlit => watch.face_at = now,
            Evidence::Rejected(Reject::NoFace | Reject::TooDark) => {
                if now.since(watch.face_at) >= self.limits.leave_after {
                    return self.leave(&watch, now);
                }
            }
            Evidence::Rejected(Reject::NotLive) => {
                watch.face_at = now;
                watch.last = Some(Reject::NotLive);
                watch.run.clear();
                watch.not_live += 1;
                if watch.doubts() >= self.limits.spoof_frames {
                    return self.refuse(Reject::NotLive, now);
                }
            }
            Evidence::Rejected(reject) => {
                watch.face_at = now;
                watch.last = Some(reject);
                if reject == Reject::ManyFaces {
                    watch.begin_anew();
                }
            }
            Evidence::Fault => unreachable!("observe() turns faults into blindness before it watches"),
        }
        self.weigh(watch, live, claimed, now)
    }

    /// Asks the fusion table what follows from everything seen so far, and the person for what is lacking. Only a frame
    /// that is `live` may be the last of a case: in any other, somebody else may have taken the place (attack case P8).
    fn weigh(
        mut self,
        mut watch: Box<Watch>,
        live: bool,
        claimed: bool,
        now: Mono,
    ) -> (Self, Option<Verdict>) {
        let agrees = live && watch.agrees(&self.limits);
        let light = if self.policy.emitter { emitter::follows(&watch.lights) } else { Says::NotFitted };
        let glint = watch.glint();
        let waited = now.since(watch.since);
        let unsure = watch.confidence() < UNSURE || self.refused_lately(now);
        let asked = agrees && self.policy.asks_for_movement(light, glint, waited, unsure);
        if asked && watch.movement.is_none() && !claimed {
            watch.ask(Challenge::draw(self.seeds.random(), watch.at_rest.clone(), now));
        }
        // A credential answers in place of a movement, where one is asked for; never in place of the light.
        let movement = match &watch.movement {
            Some(_) if claimed => Says::Supports,
            Some(movement) => movement.says(),
            None if claimed && asked => Says::Supports,
            None => Says::NotFitted,
        };
        if [light, movement].contains(&Says::Contradicts) {
            return self.refuse(Reject::NotLive, now);
        }
        let asked = Asked { glint, light, movement };
        let weakest = watch.run.iter().map(Embedding::evidence).reduce(liveness::Evidence::weaker);
        let verdict = weakest
            .filter(|_| agrees)
            .map(|weakest| fusion::fuse(self.policy.level, self.policy.voices(&weakest, asked)));
        match verdict {
            Some(fusion::Verdict::Live) => self.conclude(&watch, now),
            Some(fusion::Verdict::NotLive) => self.refuse(Reject::NotLive, now),
            Some(fusion::Verdict::Unproven) | None => {
                self.state = State::Watching(watch);
                (self, None)
            }
        }
    }

    /// Adds a probe to the run; one that shows another face begins the attempt's evidence anew (attack case P8).
    fn extend(&self, watch: &mut Watch, embedding: Embedding) {
        let limits = &self.limits;
        let recent = |e: &Embedding| embedding.at().since(e.at()) <= limits.window_max;
        watch.run.retain(|e| recent(e) && e.at() < embedding.at());
        let same = watch.newest.as_ref().is_none_or(|newest| {
            let near = !recent(newest) || limits.near(newest, &embedding);
            near && limits.alike(newest, &embedding)
        });
        if !same {
            watch.begin_anew();
            watch.live = 1;
        }
        watch.newest = Some(embedding.clone());
        watch.run.push(embedding);
    }

    fn conclude(mut self, watch: &Watch, now: Mono) -> (Self, Option<Verdict>) {
        let frames = watch.run.len();
        let confidence = watch.confidence();
        let Ok(probe) = UnitVector::mean(watch.run.iter().map(Embedding::vector)) else {
            // Probes that cancel out cannot have agreed; agreement_min at or below zero allows it.
            return self.refuse(Reject::Unproven, now);
        };
        if confidence.is_nan() || confidence < self.policy.window_min {
            return self.refuse(Reject::NotLive, now);
        }
        let at = watch.run.last().expect("the window is not empty").at();
        let (attempt, level) = (self.number(), self.policy.level);
        self.state = State::Decided { until: now + self.limits.grant_hold };
        let frames = u32::try_from(frames).unwrap_or(u32::MAX);
        (self, Some(Verdict::Case(Case { attempt, probe, frames, confidence, level, at })))
    }

    /// The face is gone. Whoever showed nothing against it leaves no trace.
    fn leave(mut self, watch: &Watch, now: Mono) -> (Self, Option<Verdict>) {
        if watch.not_live > 0 && watch.doubts() >= WITHDRAWN_MIN && watch.doubts() > watch.live {
            return self.refuse(Reject::NotLive, now);
        }
        self.doubt(watch, now);
        (self, None)
    }

    fn doubt(&mut self, watch: &Watch, now: Mono) {
        if watch.not_live > 0 {
            self.doubts = watch.doubts();
            self.doubted_at = now;
        }
    }

    fn refused_lately(&self, now: Mono) -> bool {
        self.refusals > 0 && now.since(self.refused_at) <= self.limits.forgive_after
    }

    fn refuse(mut self, reject: Reject, now: Mono) -> (Self, Option<Verdict>) {
        let (attempt, level) = (self.number(), self.policy.level);
        self.doubts = 0;
        self.cool_down(now);
        (self, Some(Verdict::Refused(Refusal { attempt, reject, level })))
    }

    /// Slows down whoever tries again and again (attack case P12).
    fn cool_down(&mut self, now: Mono) {
        if !self.refused_lately(now) {
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

#[cfg(test)]
mod tests;
