//! The challenge to a person: smile, turn, nod, come closer, in an order that nobody can foretell, and within bounded time.
//!
//! Eyes and mouth corners lie nearly in a plane, the tip of the nose stands out of it by about half the distance between
//! the eyes. Between two pictures, the four points give the homography of that plane, which explains all motion of a
//! flat photograph, however it is turned, bent a little or moved. What the nose does beside it, its *parallax*, is the
//! motion of a solid head: to the side of the turn, by depth times the sine of the angle. So a turn is not read from the
//! picture's proportions but from the parallax, and a plane that turns aside without any is a sheet.
//!
//! A rigid mask has a nose and turns like a head. What it cannot do is change its mouth against its eyes (attack case P6).
//! So every order has a turn, which no photograph follows, and a smile, which no mask does: a change of the mouth
//! ([`smile`](super::smile)) while the face is held straight. It may be either way, for somebody may smile already when the order
//! comes: whoever then stops has moved as well.
//!
//! The `nod` and coming closer only make the order harder to foretell: a photograph can be lowered and brought nearer, too. The
//! blink is not offered: five points do not show whether an eye is open. A video of the right movements in the right order passes here;
//! screens are for colour, infrared and depth to see (attack case P5). So does a soft mask that moves with the face behind.

mod mouth;
mod nod;
mod parallax;

use std::time::Duration;

use rand::{RngExt, SeedableRng as _};
use rand_chacha::ChaCha20Rng;

pub use self::mouth::{MOUTH_CHANGE_MIN, MOUTH_WINDOW, Mouth};
use self::nod::Nod;
pub use self::parallax::Parallax;
use super::Says;
use crate::geometry::Landmarks;
use crate::time::Mono;

/// How long a person has for one movement: to read it, and to do it without haste.
const STEP_MAX: Duration = Duration::from_secs(6);
/// Time of a whole challenge.
pub const CHALLENGE_MAX: Duration = Duration::from_secs(15);
/// Parallax of a turn, in heights from eyes to mouth: 17 degrees with a nose of average depth (0.4 of that height).
const TURN_MIN: f32 = 0.12;
/// Parallax beyond which a face is not held as it was, the same: ten degrees.
const STRAIGHT_MAX: f32 = 0.07;
/// How much larger the face must become, eyes to mouth: from 60 cm to 45 cm is 1.33.
const CLOSER_MIN: f32 = 1.25;
/// Pictures in which a movement must be seen: one is a slip of the detector.
const HELD_MIN: u32 = 2;
/// Pictures of a plane that turned without parallax, after which it is a sheet.
const FLAT_MAX: u32 = 4;
/// Yaw within which a face counts as frontal, degrees: what a movement is measured against.
const FRONTAL_MAX: f32 = 14.0;

/// A movement. Sides are the person's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Move {
    /// Turn the head to the left.
    TurnLeft,
    /// Turn the head to the right.
    TurnRight,
    /// Nod.
    Nod,
    /// Come closer.
    Closer,
    /// Smile; or stop, whoever smiles already.
    Smile,
}

impl Move {
    /// Every movement.
    pub const ALL: [Move; 5] = [Move::TurnLeft, Move::TurnRight, Move::Nod, Move::Closer, Move::Smile];

    /// The stable name in metrics and JSON.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Move::TurnLeft => "turn_left",
            Move::TurnRight => "turn_right",
            Move::Nod => "nod",
            Move::Closer => "closer",
            Move::Smile => "smile",
        }
    }

    /// What the person is told.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Move::TurnLeft => "Please turn your head to the left.",
            Move::TurnRight => "Please turn your head to the right.",
            Move::Nod => "Please nod.",
            Move::Closer => "Please come closer.",
            Move::Smile => "Please smile.",
        }
    }

    /// Whether the face does it, against how it was at the beginning. A head that turns to its left turns to the right of
    /// the picture.
    fn is_shown(self, seen: &Parallax, nod: &Nod, mouth: &Mouth) -> bool {
        match self {
            Move::TurnLeft => seen.across >= TURN_MIN,
            Move::TurnRight => seen.across <= -TURN_MIN,
            Move::Nod => nod.is_lowered(),
            Move::Closer => seen.growth >= CLOSER_MIN,
            Move::Smile => mouth.has_changed(),
        }
    }

    /// Pictures in which it must be seen. The mouth is a median of several already.
    fn held_min(self) -> u32 {
        match self {
            Move::TurnLeft | Move::TurnRight | Move::Nod | Move::Closer => HELD_MIN,
            Move::Smile => 1,
        }
    }
}

/// Draws an order: a smile and a turn, whichever first, and in two of three orders something more, at any place. No order
/// is likelier than one in twelve, and whoever answers does not know whether it was the last.
fn order(rng: &mut impl RngExt) -> Vec<Move> {
    let turn = if rng.random() { Move::TurnLeft } else { Move::TurnRight };
    let mut order = if rng.random() { vec![Move::Smile, turn] } else { vec![turn, Move::Smile] };
    if let Some(more) = [None, Some(Move::Nod), Some(Move::Closer)][rng.random_range(0..3)] {
        order.insert(rng.random_range(0..=order.len()), more);
    }
    order
}

/// What a challenge is measured against: the face as it was before anything was asked.
#[derive(Debug, Clone, Default)]
pub struct AtRest {
    /// The newest frontal view.
    frontal: Option<Landmarks>,
    mouth: Mouth,
}

impl AtRest {
    /// Takes a picture of before; `mouth` is how much it smiles, where that can be trusted.
    pub fn see(&mut self, marks: &Landmarks, mouth: Option<f32>) {
        if is_frontal(marks) {
            self.frontal = Some(*marks);
            mouth.into_iter().for_each(|score| self.mouth.read(score));
        }
    }
}

/// A challenge that goes on.
#[derive(Debug, Clone)]
pub struct Challenge {
    steps: Vec<Move>,
    done: usize,
    began: Mono,
    step_began: Mono,
    first: Option<Landmarks>,
    nod: Nod,
    mouth: Mouth,
    held: u32,
    flat: u32,
    says: Says,
}

impl Challenge {
    /// Draws two or three movements; `seed` decides which. They are measured against what was seen before; without a frontal
    /// view, against the next.
    #[must_use]
    pub fn draw(seed: [u8; 32], at_rest: AtRest, now: Mono) -> Self {
        let AtRest { frontal: first, mut mouth } = at_rest;
        mouth.begin();
        let mut nod = Nod::default();
        first.iter().for_each(|first| nod.see(first, now));
        let steps = order(&mut ChaCha20Rng::from_seed(seed));
        Self {
            steps,
            done: 0,
            began: now,
            step_began: now,
            first,
            nod,
            mouth,
            held: 0,
            flat: 0,
            says: Says::Missing,
        }
    }

    /// What is asked for now.
    #[must_use]
    pub fn asks(&self) -> Option<Move> {
        self.steps.get(self.done).copied().filter(|_| self.says == Says::Missing)
    }

    /// [`Says::Supports`] once everything was done; [`Says::Contradicts`] for a face without relief.
    #[must_use]
    pub fn says(&self) -> Says {
        self.says
    }

    /// When it is over, whatever was done.
    #[must_use]
    pub fn deadline(&self) -> Mono {
        (self.step_began + STEP_MAX).min(self.began + CHALLENGE_MAX)
    }

    /// Takes the landmarks of the next picture, and how much its mouth smiles, where that can be trusted.
    pub fn see(&mut self, marks: &Landmarks, mouth: Option<f32>, now: Mono) {
        let Some(step) = self.asks().filter(|_| now < self.deadline()) else { return };
        let first = match self.first {
            Some(first) => first,
            None if is_frontal(marks) => *self.first.insert(*marks),
            None => return,
        };
        let Some(seen) = Parallax::between(&first, marks) else { return };
        if seen.is_flat() {
            self.flat += 1;
            if self.flat >= FLAT_MAX {
                self.says = Says::Contradicts;
            }
            return;
        }
        self.nod.see(marks, now);
        // A head that turns or nods shows its mouth at another angle; so it must be held as before, within ten degrees.
        let turned = !is_frontal(marks) || seen.across.hypot(seen.down) >= STRAIGHT_MAX;
        let straight = !turned && !self.nod.is_lowered();
        mouth.into_iter().filter(|_| straight).for_each(|score| self.mouth.read(score));
        self.held = if step.is_shown(&seen, &self.nod, &self.mouth) { self.held + 1 } else { 0 };
        if self.held >= step.held_min() {
            self.done += 1;
            (self.held, self.step_began) = (0, now);
            self.mouth.begin();
            if self.done == self.steps.len() {
                self.says = Says::Supports;
            }
        }
    }
}

/// Whether a movement can be measured against this view.
#[must_use]
pub fn is_frontal(marks: &Landmarks) -> bool {
    marks.pose().yaw.abs() <= FRONTAL_MAX
}

#[cfg(test)]
mod tests;
