//! What is known of the person who stands before the door, until something is decided.

use super::{Limits, Seen};
use crate::decision::Reject;
use crate::liveness::emitter::{self, Glimpse};
use crate::liveness::fusion::Says;
use crate::liveness::movement::{AtRest, Challenge, Move};
use crate::liveness::{SUPPORT_MIN, glint};
use crate::stages::Embedding;
use crate::time::Mono;

/// What is known of the person standing there.
#[derive(Debug, Clone)]
pub struct Watch {
    pub(super) since: Mono,
    /// When it ends without a decision.
    pub(super) until: Mono,
    pub(super) face_at: Mono,
    pub(super) run: Vec<Embedding>,
    /// The newest live frame, however old.
    pub(super) newest: Option<Embedding>,
    /// Since when the same place looks like another face, once a movement was asked for.
    pub(super) blinks_since: Option<Mono>,
    /// Frames that were live, of this face.
    pub(super) live: u32,
    /// Frames that were not.
    pub(super) not_live: u32,
    /// Those of an attempt before that came to no decision.
    pub(super) carried: u32,
    pub(super) last: Option<Reject>,
    pub(super) lights: Vec<Glimpse>,
    /// What a movement is measured against.
    pub(super) at_rest: AtRest,
    pub(super) movement: Option<Challenge>,
}

impl Watch {
    pub(super) fn begin(now: Mono, limits: &Limits, carried: u32) -> Self {
        Self {
            since: now,
            until: now + limits.watch_max,
            face_at: now,
            run: Vec::new(),
            newest: None,
            blinks_since: None,
            live: 0,
            not_live: 0,
            carried,
            last: None,
            lights: Vec::new(),
            at_rest: AtRest::default(),
            movement: None,
        }
    }

    /// The newest reject, if the newest frames brought one.
    #[must_use]
    pub fn last(&self) -> Option<Reject> {
        self.last
    }

    /// The movement that is asked for.
    #[must_use]
    pub fn asks(&self) -> Option<Move> {
        self.movement.as_ref().and_then(Challenge::asks)
    }

    pub(super) fn doubts(&self) -> u32 {
        self.not_live + self.carried
    }

    /// Enough live frames agree, and outweigh those that were not.
    pub(super) fn agrees(&self, limits: &Limits) -> bool {
        self.run.len() >= limits.window && self.live >= limits.live_per_doubt * self.doubts()
    }

    /// Whether the eyes mirrored the light, where that is asked for: in some frames, because they close and look away.
    pub(super) fn glint(&self) -> Says {
        let seen = |embedding: &Embedding| embedding.evidence().glint.says(SUPPORT_MIN);
        let count = |says| self.run.iter().filter(|embedding| seen(embedding) == says).count();
        if count(Says::NotFitted) == self.run.len() {
            Says::NotFitted
        } else if count(Says::Supports) >= glint::FRAMES_MIN {
            Says::Supports
        } else {
            Says::Missing
        }
    }

    /// Mean confidence of the run.
    pub(super) fn confidence(&self) -> f32 {
        self.run.iter().map(Embedding::confidence).sum::<f32>() / self.run.len() as f32
    }

    /// Takes what was seen, whatever was made of it.
    pub(super) fn see(&mut self, seen: Seen, limits: &Limits, now: Mono) {
        self.face_at = now;
        if let Some(glimpse) = seen.glimpse {
            emitter::remember(&mut self.lights, glimpse);
        }
        self.at_rest.see(&seen.landmarks, seen.smile);
        let Some(movement) = self.movement.as_mut().filter(|movement| movement.says() == Says::Missing)
        else {
            return;
        };
        movement.see(&seen.landmarks, seen.smile, now);
        // Afterwards there is time to look into the camera again.
        self.until =
            if movement.says() == Says::Missing { movement.deadline() } else { now + limits.watch_max };
    }

    /// Whether a live frame is one of a short moment, once a movement was asked for, in which this face looks like another.
    /// Whoever really takes its place gains nothing by that: none of these frames counts, and what was seen before goes when
    /// the moment is over.
    pub(super) fn blinks(&mut self, embedding: &Embedding, limits: &Limits) -> bool {
        let another = |newest: &Embedding| limits.near(newest, embedding) && !limits.alike(newest, embedding);
        if self.movement.is_none() || !self.newest.as_ref().is_some_and(another) {
            self.blinks_since = None;
            return false;
        }
        let since = *self.blinks_since.get_or_insert(embedding.at());
        embedding.at().since(since) < limits.blink_max
    }

    /// Asks for a movement.
    pub(super) fn ask(&mut self, movement: Challenge) {
        self.until = movement.deadline();
        self.movement = Some(movement);
    }

    /// Another face: nothing of what was seen is its own, except what speaks against it.
    pub(super) fn begin_anew(&mut self) {
        self.run.clear();
        self.lights.clear();
        self.live = 0;
        self.at_rest = AtRest::default();
        self.movement = None;
    }
}
