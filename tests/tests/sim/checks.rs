//! What must never break, and what must hold in the end.

use std::fmt;
use std::time::Duration;

use doorward_core::decision::{Answer, Cause, Reject};
use doorward_core::time::ClockTrust;
use doorward_daemon::terminal::Observation;
use doorward_hal::clock::Clock as _;
use doorward_protocol::audit::{Entry, What};

use crate::eyes;
use crate::model::Model;
use crate::world::{World, name};

/// The bound of the door's settings on a release, and a tick's delay.
const RELEASE_MAX: Duration = Duration::from_millis(30_100);

/// What happened in one run or in all.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Totals {
    /// Events.
    pub(crate) events: u64,
    /// Framesets examined.
    pub(crate) frames: u64,
    /// Those of them in which a camera repeated its picture.
    pub(crate) frozen: u64,
    /// Grants recorded.
    pub(crate) grants: u64,
    /// Refusals recorded.
    pub(crate) denials: u64,
    /// Presentation attacks recorded.
    pub(crate) spoofs: u64,
    /// Decisions that could not be recorded.
    pub(crate) unrecorded: u64,
    /// Power cuts in the middle of an effect.
    pub(crate) cuts: u64,
    /// Entries at the centre.
    pub(crate) delivered: u64,
}

impl Totals {
    /// Adds another run.
    pub(crate) fn add(&mut self, other: &Totals) {
        self.events += other.events;
        self.frames += other.frames;
        self.frozen += other.frozen;
        self.grants += other.grants;
        self.denials += other.denials;
        self.spoofs += other.spoofs;
        self.unrecorded += other.unrecorded;
        self.cuts += other.cuts;
        self.delivered += other.delivered;
    }

    /// A simulation in which something never happens proves nothing about it.
    pub(crate) fn assert_that_everything_was_exercised(&self) {
        for (what, count) in [
            ("grants", self.grants),
            ("denials", self.denials),
            ("spoofs", self.spoofs),
            ("unrecorded decisions", self.unrecorded),
            ("power cuts", self.cuts),
            ("frozen framesets", self.frozen),
        ] {
            assert!(count >= 20, "only {count} {what} in all runs: the world has become too tame");
        }
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} events, {} framesets ({} frozen), {} grants, {} denials ({} spoofs), {} unrecorded, {} power cuts, {} entries delivered",
            self.events,
            self.frames,
            self.frozen,
            self.grants,
            self.denials,
            self.spoofs,
            self.unrecorded,
            self.cuts,
            self.delivered
        )
    }
}

/// Invariants that hold at any time.
pub(crate) fn after_each_event(world: &mut World) {
    decisions_are_allowed(world);
    a_released_lock_stands_on_a_durable_entry(world);
    a_release_is_bounded(world);
    world.figure_seen.clear();
}

/// After healing: the centre holds every entry once, the files verify, nothing biometric is in the trail.
pub(crate) fn at_the_end(world: &mut World) {
    world.audit();
    let entries = world.entries(0);
    assert_eq!(
        entries.len(),
        world.centre.received.len(),
        "the centre and the terminal hold different entries"
    );
    for (at, record) in entries.iter().enumerate() {
        assert_eq!(record.seq, at as u64 + 1, "a gap in the audit trail");
        assert_eq!(world.centre.received.get(&record.seq), Some(record));
    }
    world.totals.delivered = entries.len() as u64;
    for who in 0..4 {
        let probe = doorward_core::template::UnitVector::normalise(eyes::features(who, 0.25, u64::from(who)));
        let canary = probe.expect("a template").values()[0].to_le_bytes();
        let leaks = entries.iter().any(|record| record.bytes.windows(4).any(|bytes| bytes == canary));
        assert!(!leaks, "h4: a value of a template stands in the audit trail");
    }
}

/// Every decision is one the model allows, and belongs to the figure that stood there.
fn decisions_are_allowed(world: &mut World) {
    for observation in world.observations() {
        match observation {
            Observation::Decided(recorded, _) => {
                let decision = recorded.subject();
                let now = world.clock.now();
                match decision.answer() {
                    Answer::Grant(_) => {
                        world.totals.grants += 1;
                        assert_eq!(world.frozen, None, "c2: granted while a camera repeated its picture");
                        let who = world
                            .figure_seen
                            .iter()
                            .rev()
                            .find_map(|(_, figure)| Model::live_person(*figure));
                        let who = who
                            .unwrap_or_else(|| panic!("granted while {:?} stood there", world.figure_seen));
                        assert_eq!(decision.person(), Some(&name(who)), "granted to somebody else");
                        assert!(
                            world.model.may_pass(who, now.wall.ms),
                            "granted to somebody who may not pass"
                        );
                        let timed = world.model.workdays_only;
                        assert!(
                            !timed || now.wall.trust != ClockTrust::Unknown,
                            "a timed rule on an unknown clock"
                        );
                        world.model.granted();
                    }
                    Answer::Deny(reject) => {
                        world.totals.denials += 1;
                        if *reject == Reject::NotLive {
                            world.totals.spoofs += 1;
                            world.model.liveness_failed(now.wall.ms);
                        }
                    }
                }
            }
            Observation::Unrecorded(..) => world.totals.unrecorded += 1,
            Observation::Shown(_)
            | Observation::Relay(_)
            | Observation::Recorded
            | Observation::Stands(_) => {}
        }
    }
}

fn a_released_lock_stands_on_a_durable_entry(world: &mut World) {
    let releases = std::mem::take(&mut world.wires().releases);
    for release in releases {
        let entry = world.entries(release.seq - 1).into_iter().next();
        let entry = entry
            .unwrap_or_else(|| panic!("the lock was released on entry {} which does not exist", release.seq));
        let entry = Entry::from_bytes(&entry.bytes).expect("an entry");
        let stands = match (&release.cause, &entry.what) {
            (Cause::Face(person), What::Decided(decided)) => {
                decided.granted && decided.person.as_ref() == Some(person)
            }
            (Cause::Egress | Cause::Fire | Cause::SelfTest, What::Released(_)) => true,
            _ => false,
        };
        assert!(stands, "a release because of {:?} stands on {:?}", release.cause, entry.what);
    }
}

fn a_release_is_bounded(world: &mut World) {
    let wires = world.wires();
    let Some(release) = wires.released.clone() else { return };
    let broken = wires.relay_broken;
    drop(wires);
    let age = world.clock.now().mono.since(release.at);
    let excused = broken || world.model.fire || release.cause == Cause::Fire;
    assert!(
        excused || age <= RELEASE_MAX,
        "the lock has been released for {age:?} because of {:?}",
        release.cause
    );
}
