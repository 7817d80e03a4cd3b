//! What must never break, and what must hold in the end.

use std::fmt;
use std::time::Duration;

use doorward_core::decision::{Answer, Cause, Decision, Reject};
use doorward_core::liveness::{Asks, Level, Mirrors};
use doorward_core::time::{ClockTrust, Now};
use doorward_daemon::terminal::Observation;
use doorward_hal::clock::Clock as _;
use doorward_protocol::audit::{CredentialKind, Entry, Presented, What};

use crate::eyes::{self, Sensor};
use crate::picturing::a_picture_is_kept_of_whom_it_may;
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
    /// Those of them in which one was played from a recording.
    pub(crate) looped: u64,
    /// Those of them in which one said of its frame what cannot be, and faults of cameras told to the trail.
    pub(crate) untimely: u64,
    pub(crate) cameras_reported: u64,
    /// Sessions that came to a result, and those of them that found a live person.
    pub(crate) sessions: u64,
    pub(crate) found_live: u64,
    /// Answers about faces that were told, and those of them that were counted beside a record.
    pub(crate) asked: u64,
    pub(crate) counted: u64,
    /// Grants recorded.
    pub(crate) grants: u64,
    /// Refusals recorded.
    pub(crate) denials: u64,
    /// Presentation attacks recorded.
    pub(crate) spoofs: u64,
    /// Grants to faces that followed the infrared light.
    pub(crate) followed_light: u64,
    /// Grants to persons whose eyes mirrored the light.
    pub(crate) mirrored: u64,
    /// Grants to persons who moved as asked.
    pub(crate) moved: u64,
    /// Grants at the highest level.
    pub(crate) high: u64,
    /// Movements that did not come.
    pub(crate) unanswered: u64,
    /// Decisions that could not be recorded.
    pub(crate) unrecorded: u64,
    /// Grants to a claimed person.
    pub(crate) claimed: u64,
    /// Grants by a credential alone.
    pub(crate) alone: u64,
    /// Credentials that belong to nobody.
    pub(crate) foreign: u64,
    /// Faces that were not those of the claimed person.
    pub(crate) borrowed: u64,
    /// Claims whose face never came.
    pub(crate) faceless: u64,
    /// One-time codes that were used before.
    pub(crate) replayed: u64,
    /// Power cuts in the middle of an effect.
    pub(crate) cuts: u64,
    /// Forced and held-open doors, and opened cases.
    pub(crate) alarms: u64,
    /// Cut, bridged and stuck inputs, set and cleared.
    pub(crate) wiring_faults: u64,
    /// Orders that were answered.
    pub(crate) ordered: u64,
    /// What looked like an order and had no effect.
    pub(crate) orders_refused: u64,
    /// Entries of the roster in the store.
    pub(crate) followed: u64,
    /// Entries that the store did not take at first.
    pub(crate) not_taken: u64,
    /// Changes of the roster that were left out.
    pub(crate) skipped: u64,
    /// Pictures that were handed out, and orders for one that were refused.
    pub(crate) pictures: u64,
    pub(crate) no_pictures: u64,
    /// States in which the centre was told the level.
    pub(crate) levels_told: u64,
    /// Entries at the centre.
    pub(crate) delivered: u64,
}

impl Totals {
    /// Adds another run.
    pub(crate) fn add(&mut self, other: &Totals) {
        self.events += other.events;
        self.frames += other.frames;
        self.frozen += other.frozen;
        self.looped += other.looped;
        self.untimely += other.untimely;
        self.cameras_reported += other.cameras_reported;
        self.sessions += other.sessions;
        self.found_live += other.found_live;
        self.asked += other.asked;
        self.counted += other.counted;
        self.grants += other.grants;
        self.denials += other.denials;
        self.spoofs += other.spoofs;
        self.followed_light += other.followed_light;
        self.mirrored += other.mirrored;
        self.moved += other.moved;
        self.high += other.high;
        self.unanswered += other.unanswered;
        self.unrecorded += other.unrecorded;
        self.claimed += other.claimed;
        self.alone += other.alone;
        self.foreign += other.foreign;
        self.borrowed += other.borrowed;
        self.faceless += other.faceless;
        self.replayed += other.replayed;
        self.cuts += other.cuts;
        self.alarms += other.alarms;
        self.wiring_faults += other.wiring_faults;
        self.ordered += other.ordered;
        self.orders_refused += other.orders_refused;
        self.followed += other.followed;
        self.not_taken += other.not_taken;
        self.skipped += other.skipped;
        self.pictures += other.pictures;
        self.no_pictures += other.no_pictures;
        self.levels_told += other.levels_told;
        self.delivered += other.delivered;
    }

    /// A simulation in which something never happens proves nothing about it.
    pub(crate) fn assert_that_everything_was_exercised(&self) {
        for (what, count) in [
            ("grants", self.grants),
            ("denials", self.denials),
            ("spoofs", self.spoofs),
            ("grants to faces that followed the light", self.followed_light),
            ("grants to eyes that mirrored the light", self.mirrored),
            ("grants to persons who moved", self.moved),
            ("unrecorded decisions", self.unrecorded),
            ("grants to claimed persons", self.claimed),
            ("grants by a credential alone", self.alone),
            ("foreign credentials", self.foreign),
            ("borrowed credentials", self.borrowed),
            ("claims without a face", self.faceless),
            ("one-time codes shown again", self.replayed),
            ("power cuts", self.cuts),
            ("frozen framesets", self.frozen),
            ("looped framesets", self.looped),
            ("untimely framesets", self.untimely),
            ("faults of cameras", self.cameras_reported),
            ("results of sessions", self.sessions),
            ("sessions that found a live person", self.found_live),
            ("answers to programs", self.asked),
            ("alarms", self.alarms),
            ("faults of the wiring", self.wiring_faults),
            ("orders", self.ordered),
            ("orders refused", self.orders_refused),
            ("entries of the roster", self.followed),
            ("entries that the disk did not take", self.not_taken),
            ("changes left out", self.skipped),
            ("pictures handed out", self.pictures),
            ("pictures refused", self.no_pictures),
            ("levels told to the centre", self.levels_told),
        ] {
            assert!(count >= 20, "only {count} {what} in all runs: the world has become too tame");
        }
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} events, {} framesets ({} frozen, {} looped, {} untimely), {} sessions ({} live), {} grants, {} denials ({} spoofs, {} unanswered), {} with the light, {} moved, {} high, {} unrecorded, {} power cuts, \
             {} alarms, {} wiring faults, {} orders ({} refused), {} roster entries ({} changes left out), {} pictures ({} refused), {} entries delivered; credentials: {} claimed, {} alone, {} foreign, \
             {} borrowed, {} faceless, {} replayed",
            self.events,
            self.frames,
            self.frozen,
            self.looped,
            self.untimely,
            self.sessions,
            self.found_live,
            self.grants,
            self.denials,
            self.spoofs,
            self.unanswered,
            self.followed_light,
            self.moved,
            self.high,
            self.unrecorded,
            self.cuts,
            self.alarms,
            self.wiring_faults,
            self.ordered,
            self.orders_refused,
            self.followed,
            self.skipped,
            self.pictures,
            self.no_pictures,
            self.delivered,
            self.claimed,
            self.alone,
            self.foreign,
            self.borrowed,
            self.faceless,
            self.replayed
        )
    }
}

/// Invariants that hold at any time.
pub(crate) fn after_each_event(world: &mut World) {
    decisions_are_allowed(world);
    a_released_lock_stands_on_a_durable_entry(world);
    a_release_is_bounded(world);
    the_store_has_whom_it_should(world);
    a_picture_is_kept_of_whom_it_may(world);
}

/// Whoever the roster and the terminal's own admins put is there, with the rights they gave; whoever they erased is not.
fn the_store_has_whom_it_should(world: &mut World) {
    let mut store = world.store.lock().expect("one thread");
    let found: Vec<_> =
        store.persons().expect("readable").into_iter().map(|person| (person.id, person.suspended)).collect();
    let model = world.model.enrolled.iter().map(|(who, rights)| (name(*who), rights.suspended));
    assert_eq!(found, model.collect::<Vec<_>>(), "the store is not that of the entries it followed");
}

/// After healing: the centre holds every entry once, the files verify, nothing biometric is in the trail.
pub(crate) fn at_the_end(world: &mut World) {
    world.audit();
    assert!(world.has_all_that_was_signed(), "an entry of the roster was passed over");
    assert_eq!(world.pairs.open(), [""; 0], "d3: set and never cleared");
    let count = |name| world.pairs.count(name) as u64;
    world.totals.alarms = count("forced") + count("held_open") + count("tampered");
    world.totals.wiring_faults = world.pairs.wiring_faults() as u64;
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
pub(crate) fn decisions_are_allowed(world: &mut World) {
    for observation in world.observations() {
        match observation {
            Observation::Decided(recorded, ..) => {
                let (decision, now) = (recorded.subject(), world.clock.now());
                world.follow_faces(decision, now);
                match decision.answer() {
                    Answer::Grant(grant) => {
                        world.totals.grants += 1;
                        match grant.cause() {
                            Cause::Credential(_) => a_credential_alone_is_allowed(world, decision, now),
                            Cause::Face(_) => a_face_is_allowed(world, decision, now),
                            cause @ (Cause::Egress | Cause::Fire | Cause::SelfTest | Cause::Operator) => {
                                panic!("an attempt was granted because of {cause:?}")
                            }
                        }
                        let timed = world.model.workdays_only;
                        assert!(
                            !timed || now.wall.trust != ClockTrust::Unknown,
                            "a timed rule on an unknown clock"
                        );
                        world.model.granted();
                    }
                    Answer::Deny(reject) => count_denial(world, *reject, decision.presented(), now),
                }
                if decision.presented().is_some() {
                    world.model.shown = None;
                }
            }
            Observation::Unrecorded(..) => world.totals.unrecorded += 1,
            Observation::Shown(_)
            | Observation::Relay(_)
            | Observation::Recorded
            | Observation::SessionEnded(_)
            | Observation::Stands(_) => {}
        }
    }
}

/// A face is granted to the live person who stands there, and to nobody else; after a claim, to whom was claimed.
fn a_face_is_allowed(world: &mut World, decision: &Decision, now: Now) {
    // A camera that is lost repeats nothing.
    let view = *world.view();
    let delivers = |sensor: &Sensor| !view.has_lost(*sensor);
    assert_eq!(world.frozen.filter(delivers), None, "c2: granted while a camera repeated its picture");
    assert_eq!(world.tape.plays().filter(delivers), None, "c2: granted while a recording was played again");
    let policy = world.model.policy;
    let who = world.proof.passes_for(&policy, decision.presented().is_some());
    let who = who.unwrap_or_else(|| panic!("granted while {:?} stood there", world.proof));
    assert_eq!(decision.level(), Some(policy.level), "a record that does not say its level");
    world.proof.stands(&policy, decision.presented().is_some(), now.mono);
    let totals = &mut world.totals;
    totals.followed_light += u64::from(policy.emitter);
    totals.mirrored += u64::from(policy.glint != Mirrors::Off);
    totals.moved += u64::from(policy.asks == Asks::Always && decision.presented().is_none());
    totals.high += u64::from(policy.level == Level::High);
    assert_eq!(decision.person(), Some(&name(who)), "granted to somebody else");
    assert!(world.model.may_pass(who, now.wall.ms), "granted to somebody who may not pass");
    let Some(Presented { kind, .. }) = decision.presented() else {
        assert!(!world.model.mode.needs_claim(), "granted for a face alone in {:?}", world.model.mode);
        return;
    };
    world.totals.claimed += 1;
    assert!(
        world.model.claimed(who, kind, now.mono),
        "{who} never claimed by {kind:?}: {:?}",
        world.model.shown
    );
    // It is judged when it is shown: a clock that is set while its holder looks up changes nothing of that.
    let shown_ms = world.model.shown.map_or(now.wall.ms, |(.., shown_ms)| shown_ms);
    assert!(world.model.good(who, kind, shown_ms), "a {kind:?} that is worth nothing was a claim");
    spend(world, who, kind);
}

/// A credential opens by itself only where the door and the credential allow it, and with its holder's rights.
fn a_credential_alone_is_allowed(world: &mut World, decision: &Decision, now: Now) {
    world.totals.alone += 1;
    let (_, who, kind, _) = world.model.shown.expect("granted by a credential that nobody showed");
    assert_eq!(decision.person(), Some(&name(who)), "granted to somebody else");
    assert!(world.model.opens_alone(who, kind), "a {kind:?} of {who} opened by itself");
    assert!(world.model.good(who, kind, now.wall.ms), "a {kind:?} that is worth nothing opened");
    assert!(world.model.may_pass_by_card(who, now.wall.ms), "granted to somebody who may not pass");
    spend(world, who, kind);
}

fn spend(world: &mut World, who: u8, kind: CredentialKind) {
    if let Some(rights) = world.model.enrolled.get_mut(&who).filter(|_| kind == CredentialKind::Qr) {
        rights.code_used = true;
    }
}

fn count_denial(world: &mut World, reject: Reject, presented: Option<Presented>, now: Now) {
    let totals = &mut world.totals;
    totals.denials += 1;
    totals.unanswered += u64::from(reject == Reject::Unanswered);
    if matches!(reject, Reject::NotLive | Reject::Unanswered) {
        totals.spoofs += u64::from(reject == Reject::NotLive);
        world.model.liveness_failed(now.wall.ms);
    }
    totals.foreign += u64::from(reject == Reject::UnknownCredential);
    totals.borrowed += u64::from(reject == Reject::NotTheClaimed);
    totals.faceless += u64::from(reject == Reject::NoFace && presented.is_some());
    totals.replayed += u64::from(reject == Reject::Used);
    let pin = presented.is_some_and(|presented| presented.kind == CredentialKind::Pin);
    if pin && matches!(reject, Reject::UnknownCredential | Reject::NotTheClaimed) {
        world.model.wrong_pin(now.wall.ms);
    }
}

fn a_released_lock_stands_on_a_durable_entry(world: &mut World) {
    let releases = std::mem::take(&mut world.wires().releases);
    let ordered = releases.iter().filter(|release| release.cause == Cause::Operator).count();
    assert!(ordered <= std::mem::take(&mut world.office.unlocks), "a release that nobody ordered");
    for release in releases {
        let entry = world.entries(release.seq - 1).into_iter().next();
        let entry = entry
            .unwrap_or_else(|| panic!("the lock was released on entry {} which does not exist", release.seq));
        let entry = Entry::from_bytes(&entry.bytes).expect("an entry");
        let stands = match (&release.cause, &entry.what) {
            (Cause::Face(person), What::Decided(decided)) => {
                decided.granted && decided.person.as_ref() == Some(person)
            }
            (Cause::Credential(person), What::Decided(decided)) => {
                let alone = decided.scores.is_none() && decided.presented.is_some_and(|p| p.slot.is_some());
                alone && decided.granted && decided.person.as_ref() == Some(person)
            }
            (Cause::Egress | Cause::Fire | Cause::SelfTest | Cause::Operator, What::Released(_)) => true,
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
