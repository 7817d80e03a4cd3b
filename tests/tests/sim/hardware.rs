//! The door as it hangs in the wall: leaf, exit button, fire line, case and mains, each with the loop that reports it.
//! The button and the fire line release the lock by themselves, whatever the terminal does.

use std::time::Duration;

use doorward_core::door::{OnTamper, Point, Signal, Trouble};
use doorward_core::time::Mono;
use doorward_hal::clock::Clock as _;

use crate::world::World;

/// How long the button's own relay holds the lock after it was let go; the terminal believes in five seconds.
const EXIT_HARDWARE: Duration = Duration::from_secs(3);
/// For how long after a press the terminal takes an opening for somebody who leaves.
const EXIT_BELIEVED: Duration = Duration::from_secs(5);
/// For how long after closing the leaf may bounce.
const BOUNCE: Duration = Duration::from_millis(500);
/// Longer than two lines may contradict each other.
const SETTLED: Duration = Duration::from_millis(400);

/// One point and its loop.
#[derive(Debug, Clone, Copy, Default)]
struct Circuit {
    active: bool,
    trouble: Option<Trouble>,
    /// What this life of the terminal was told last.
    told: Option<bool>,
    /// When it was told so; none if that is how it found the point.
    changed: Option<Mono>,
}

/// The door.
#[derive(Debug, Default)]
pub(crate) struct Hardware {
    circuits: [Circuit; Point::ALL.len()],
    /// The tamper switch's loop has been broken for so long that this life of the terminal knows it.
    case_cut_off: bool,
}

impl Hardware {
    /// Whether the leaf is open.
    pub(crate) fn is_open(&self) -> bool {
        self.circuits[Point::Contact as usize].active
    }

    /// What the terminal was told of a point.
    pub(crate) fn told(&self, point: Point) -> Option<bool> {
        self.circuits[point as usize].told
    }

    /// Whether the terminal knows of tampering.
    fn tampering_is_known(&self) -> bool {
        self.told(Point::Tamper) == Some(true) || self.case_cut_off
    }

    /// Whether the button was let go, or the leaf fell shut, within `span`; of what the terminal was told.
    fn at_rest_since(&self, point: Point, span: Duration, now: Mono) -> bool {
        let circuit = &self.circuits[point as usize];
        circuit.told == Some(false) && circuit.changed.is_some_and(|at| now.since(at) <= span)
    }

    /// Whether the terminal knows that the lock is open without it.
    fn free(&self, exit: Duration, now: Mono) -> bool {
        self.told(Point::Egress) == Some(true)
            || self.told(Point::Fire) == Some(true)
            || self.at_rest_since(Point::Egress, exit, now)
    }
}

impl World {
    /// Tells a terminal that has just started how every point is found.
    pub(crate) fn tell_levels(&mut self) {
        self.hardware.case_cut_off = false;
        for point in Point::ALL {
            self.hardware.circuits[point as usize].told = None;
            self.tell(point);
        }
    }

    /// Moves a switch.
    pub(crate) fn set_point(&mut self, point: Point, active: bool) {
        self.hardware.circuits[point as usize].active = active;
        self.tell(point);
    }

    /// Cuts or bridges a loop, or mends it.
    pub(crate) fn set_loop(&mut self, point: Point, trouble: Option<Trouble>) {
        self.hardware.circuits[point as usize].trouble = trouble;
        if point == Point::Tamper && trouble.is_none() {
            self.hardware.case_cut_off = false;
        }
        let (lives, releases) = (self.lives, self.wires().releases.len());
        self.tell(point);
        if trouble.is_none() {
            return;
        }
        self.pass(SETTLED);
        if self.lives == lives {
            assert_eq!(
                self.wires().releases.len(),
                releases,
                "d2: a {trouble:?} of {point:?} released the lock"
            );
            self.hardware.case_cut_off |= point == Point::Tamper;
            self.model.tampered = self.hardware.tampering_is_known();
        }
    }

    /// Moves the leaf, if the lock lets it: half of the tries are strong enough to force it.
    pub(crate) fn move_leaf(&mut self, open: bool) {
        let now = self.clock.now().mono;
        let hardware = &self.hardware;
        let leaving = hardware.free(EXIT_HARDWARE, now);
        let released = self.wires().released.is_some();
        let moves = !open || leaving || released || hardware.is_open() || self.frames.is_multiple_of(2);
        if !moves {
            return;
        }
        let contact = &hardware.circuits[Point::Contact as usize];
        let watched = contact.trouble.is_none() && hardware.told(Point::Contact) == Some(false);
        let bounces = hardware.at_rest_since(Point::Contact, BOUNCE, now);
        let excused = released || hardware.free(EXIT_BELIEVED, now) || bounces;
        let (lives, alarms) = (self.lives, self.pairs.count("forced"));
        self.set_point(Point::Contact, open);
        if !(open && watched) || self.lives != lives {
            return;
        }
        let forced = self.pairs.count("forced") - alarms;
        assert!(forced == 0 || !leaving, "d2: somebody who leaves is taken for a burglar");
        assert!(forced == 1 || excused, "d3: a forced door was told {forced} times");
    }

    fn tell(&mut self, point: Point) {
        let now = self.clock.now().mono;
        let circuit = &mut self.hardware.circuits[point as usize];
        let signal = match circuit.trouble {
            Some(trouble) => Signal::Trouble(point, trouble),
            None => {
                let before = circuit.told.replace(circuit.active);
                if before != Some(circuit.active) {
                    circuit.changed = before.map(|_| now);
                }
                point.signal(circuit.active)
            }
        };
        self.model.fire = self.hardware.told(Point::Fire) == Some(true);
        self.model.tampered = self.hardware.tampering_is_known();
        self.signal(signal);
    }

    /// Once it is told that the case is open, nobody is left to steal, or passes until the disk lets them go.
    pub(crate) fn check_erased(&self, tampered_before: usize) {
        let told = self.pairs.count("tampered") > tampered_before;
        if told && self.model.on_tamper == OnTamper::Erase {
            let gone = self.model.enrolled.is_empty() && self.persons_kept() == 0;
            assert!(gone || self.model.disarmed, "d9: the case is open and somebody is still enrolled");
        }
    }
}
