//! Proof of life as the world knows it: what is fitted and asked for, what the light and the person really do, and
//! whether a grant can stand on that. Told from what stood there, never from what the terminal made of it.

use std::collections::VecDeque;
use std::time::Duration;

use doorward_core::decision::Cue;
use doorward_core::liveness::movement::Move;
use doorward_core::liveness::{Asks, Fitted, Level, Mirrors, Policy};
use doorward_core::time::Mono;
use doorward_hal::clock::Clock as _;
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::eyes::{Figure, Sensor, View};
use crate::world::World;

/// How far back a grant may reach: the longest attempt there is.
const REMEMBERED: Duration = Duration::from_secs(30);
/// Frames of a window, and the time they lie in.
const WINDOW: usize = 3;
const WINDOW_MAX: Duration = Duration::from_millis(1500);
/// Frames of it in which eyes must have mirrored the light, where that is asked for.
const MIRRORED: usize = 2;
/// Slots in which the light must have followed.
const SLOTS: usize = 10;

/// What the infrared light really does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum Lamp {
    /// What it is told.
    #[default]
    Follows,
    /// Something covers it.
    Covered,
    /// It is another's lamp, or a recording: lit by its own pattern.
    Foreign,
}

/// One moment before the cameras.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sight {
    at: Mono,
    view: View,
    frozen: Option<Sensor>,
}

/// The evidence there has been lately.
#[derive(Debug, Default)]
pub(crate) struct Proof {
    sights: VecDeque<Sight>,
    /// Movements that a person really made, and when.
    moves: Vec<(Mono, Move)>,
}

impl Proof {
    /// Another moment.
    pub(crate) fn see(&mut self, at: Mono, view: View, frozen: Option<Sensor>) {
        self.sights.push_back(Sight { at, view, frozen });
        self.sights.retain(|sight| at.since(sight.at) <= REMEMBERED);
        self.moves.retain(|(when, _)| at.since(*when) <= REMEMBERED);
        if let (Some(movement), Figure::Live(_)) = (view.moving, view.figure) {
            self.moves.push((at, movement));
        }
    }

    /// Who stood there last, alive or as something that what is fitted and asked for cannot tell from a person.
    pub(crate) fn passes_for(&self, policy: &Policy, claimed: bool) -> Option<u8> {
        let newest = self.sights.back()?.at;
        let recent = self.sights.iter().rev().take_while(|sight| newest.since(sight.at) <= WINDOW_MAX);
        recent.into_iter().find_map(|sight| match sight.view.figure {
            Figure::Live(who) => Some(who),
            Figure::Reproduced(who, kind) if kind.fools(policy, claimed) => Some(who),
            Figure::Reproduced(..) | Figure::Nobody | Figure::Two(..) | Figure::Dark(_) => None,
        })
    }

    /// A grant at `now` stands on the evidence that its level asks for.
    pub(crate) fn stands(&self, policy: &Policy, claimed: bool, now: Mono) {
        let Policy { level, fitted, emitter, asks, glint, .. } = *policy;
        let within = |sight: &&Sight, time: Duration| now.since(sight.at) <= time;
        let window: Vec<&Sight> =
            self.sights.iter().rev().filter(|sight| within(sight, WINDOW_MAX)).collect();
        let agreeing = |seen: fn(&Sight) -> bool| window.iter().filter(|sight| seen(sight)).count() >= WINDOW;
        let infrared = agreeing(|sight| !sight.view.infrared_lost && sight.frozen.is_none());
        let depth = agreeing(|sight| !sight.view.depth_lost && sight.frozen.is_none());
        assert!(!fitted.infrared || infrared, "p9: granted without infrared, which is fitted");
        assert!(!fitted.depth || depth, "p9: granted without depth, which is fitted");
        let mirrored = window.iter().filter(|sight| sight.view.glints() && !sight.view.infrared_lost).count();
        let mirrored = mirrored >= MIRRORED;
        match level {
            Level::Convenience => {}
            Level::Standard => assert!(fitted.infrared || fitted.depth, "p9: colour alone at {level:?}"),
            Level::High => assert!(fitted.infrared && fitted.depth, "granted at {level:?} with {fitted:?}"),
        }
        let follows =
            self.sights.iter().rev().take(2 * SLOTS).filter(|s| s.view.lamp == Lamp::Follows).count();
        let followed = emitter && follows >= SLOTS;
        let made = |movement: Move| self.moves.iter().any(|(_, made)| *made == movement);
        let moved = made(Move::Smile) && (made(Move::TurnLeft) || made(Move::TurnRight));
        let answered = moved || claimed;
        match glint {
            Mirrors::Off => {}
            Mirrors::Required => assert!(mirrored, "p6: granted though the eyes mirrored no light"),
            Mirrors::OrMovement => assert!(mirrored || answered, "p6: granted without a glint or a movement"),
        }
        assert!(
            !emitter || followed || policy.may_ask() && answered,
            "p9: granted while the light was not followed"
        );
        assert!(level != Level::High || answered, "p6: granted at {level:?} to somebody who did not move");
        assert!(asks != Asks::Always || answered, "granted though nobody moved as asked");
    }
}

/// What one door is fitted with and asks for.
pub(crate) fn policy(rng: &mut ChaCha8Rng) -> Policy {
    let fitted = match rng.random_range(0..10) {
        0..7 => Fitted { infrared: true, depth: true },
        7 => Fitted { infrared: true, depth: false },
        8 => Fitted { infrared: false, depth: true },
        _ => Fitted { infrared: false, depth: false },
    };
    let asks =
        [Asks::Never, Asks::Never, Asks::Never, Asks::WhenUnsure, Asks::Always][rng.random_range(0..5)];
    let emitter = fitted.infrared && rng.random_bool(0.3);
    // Where nothing but infrared stands beside colour, eyes have to mirror its light.
    let infrared_alone = fitted == Fitted { infrared: true, depth: false };
    let glint = match (infrared_alone, rng.random()) {
        (false, _) => Mirrors::Off,
        (true, false) => Mirrors::Required,
        (true, true) => Mirrors::OrMovement,
    };
    let levels = Level::ALL.map(|level| Policy { level, fitted, emitter, asks, glint, ..Policy::default() });
    let possible: Vec<Policy> = levels.into_iter().filter(|policy| policy.lacks().is_none()).collect();
    possible[rng.random_range(0..possible.len())]
}

impl World {
    /// What the emitter is told for the next moment, and what the light then is.
    pub(crate) fn shine(&mut self) {
        let (lit, now) = (self.pattern.draw(), self.clock.now().mono);
        self.meter.timeline().switched(lit, now);
        let own = self.frames.wrapping_mul(2_654_435_761) >> 31 == 1;
        let fine = self.model.policy.glint != Mirrors::Off;
        let mut view = self.view();
        view.fine = fine;
        view.lit = match view.lamp {
            _ if !self.model.policy.emitter => true,
            Lamp::Follows => lit,
            Lamp::Covered => false,
            Lamp::Foreign => own,
        };
    }

    /// The person reads the panel, and does as told or does not; a movement takes a few moments, and between two the face is held
    /// straight.
    pub(crate) fn move_as_told(&mut self) {
        let shown = *self.shown.lock().expect("one thread");
        let mut view = self.view();
        view.moving = match shown {
            Some(Cue::Move(movement)) if view.obedient && view.moving.is_none_or(|done| done == movement) => {
                Some(movement)
            }
            _ => None,
        };
    }
}
