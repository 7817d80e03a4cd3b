//! What operators order from the centre: it takes the same way to the door, the relay and the record as anything else.

use std::time::Duration;

use doorward_core::audit::record;
use doorward_core::decision::Grant;
use doorward_core::door::{self, State};
use doorward_core::time::Now;
use doorward_protocol::audit::{DoorReport, Entry, FaultReport, What};
use doorward_protocol::command::{Admitted, Command, Outcome};
use doorward_protocol::ids::DoorId;

use super::{Observation, Terminal, chain};

/// How long a terminal that starts anew lives on: its receipt goes out first.
const RECEIPT_FIRST: Duration = Duration::from_secs(2);

/// What came of an order, and the number of the record that says so.
pub type Obeyed = (Outcome, Option<u64>);

/// The shortest and the longest release that is ordered: long enough to reach the handle, and never a door left open.
const UNLOCK_MS: std::ops::RangeInclusive<u32> = 500..=60_000;

impl Terminal {
    /// Obeys an order, or says why not. What opens is on record before it moves anything; what secures is done even where
    /// no record can be written.
    pub(super) fn obey(&mut self, order: &Admitted, now: Now) -> Obeyed {
        match order.command() {
            Command::Unlock(door, ms) => match self.may_unlock(door, *ms) {
                Ok(()) => self.unlock_as_ordered(order, now),
                Err(why) => refused(why),
            },
            Command::Lock(door) if *door != self.rules.door => refused(self.no_such_door(door)),
            Command::Lock(_) => {
                let seq = self.noted("lock_ordered", now);
                self.move_door(door::Input::Lockdown(true), now);
                self.move_door(door::Input::Lockdown(self.locked_down()), now);
                (self.locked(), seq)
            }
            Command::Lockdown => {
                let seq = self.noted(DoorReport::LOCKDOWN_ORDERED, now);
                self.lockdown = true;
                self.move_door(door::Input::Lockdown(true), now);
                (self.locked(), seq)
            }
            Command::Release => match self.noted(DoorReport::RELEASE_ORDERED, now) {
                None => refused("it could not be recorded"),
                Some(seq) => {
                    self.lockdown = false;
                    self.move_door(door::Input::Lockdown(self.locked_down()), now);
                    (Outcome::Done, Some(seq))
                }
            },
            Command::Reboot => self.start_anew("reboot_ordered", now),
            Command::Refill if !self.lockdown => refused(
                "lock the terminal down first: while entries come back one after the other, whoever a later one erased could \
                 pass",
            ),
            // From here on the store follows the roster from its beginning.
            Command::Refill => self.start_anew(DoorReport::REFILL_ORDERED, now),
            Command::ResetLockout => match self.noted(DoorReport::LOCKOUT_RESET, now) {
                None => refused("it could not be recorded"),
                // The record itself ended it, here as at the next start.
                seq => (Outcome::Done, seq),
            },
            Command::Diagnose => (Outcome::Report(self.diagnosis(now)), None),
            Command::Capture(person, to) => self.hand_picture(order, (person, to), now),
        }
    }

    /// Puts on record that the program is to end, and ends it once the receipt is out: systemd starts it anew.
    fn start_anew(&mut self, event: &str, now: Now) -> Obeyed {
        match self.noted(event, now) {
            None => refused("it could not be recorded"),
            seq => {
                self.over_at = Some(now.mono + RECEIPT_FIRST);
                (Outcome::Done, seq)
            }
        }
    }

    /// Puts on record when failed checks begin to lock something out, and when that is over: whoever watches the centre
    /// sees it among the faults.
    pub(super) fn tell_lockouts(&mut self, now: Now) {
        for (at, (code, locked)) in self.lockout.locks(now.wall.ms).into_iter().enumerate() {
            if std::mem::replace(&mut self.locks_told[at], locked) != locked {
                let report = FaultReport { part: "lockout".into(), code: code.into(), set: locked };
                self.note(&What::Fault(report), now);
            }
        }
    }

    /// What is locked out, for people.
    fn locked_out(&self, now: Now) -> String {
        let locks = self.lockout.locks(now.wall.ms);
        let locked: Vec<_> = locks.into_iter().filter(|(_, locked)| *locked).map(|(code, _)| code).collect();
        if locked.is_empty() { "no".to_owned() } else { locked.join(", ") }
    }

    /// How this terminal is, for people.
    fn diagnosis(&self, now: Now) -> String {
        let stands = self.standing(now);
        let yes = |holds| if holds { "yes" } else { "no" };
        format!(
            "door {}, leaf {}; attempt {}; liveness: {}; {} persons, {} templates, {} credentials, {} denied; locked down: {}; locked out: {}; \
             keeps a picture: {}; sees: {}; relay obeys: {}; clock: {:?}",
            stands.door.name(),
            if stands.open { "open" } else { "not open" },
            stands.attempt,
            stands.level.code(),
            self.people.permits.len(),
            self.people.gallery.len(),
            self.people.wallet.len(),
            self.denied.len(),
            yes(self.locked_down()),
            self.locked_out(now),
            yes(self.keeps_picture_of().is_some()),
            yes(!self.blind),
            yes(self.relay_obeys),
            now.wall.trust,
        )
    }

    /// Takes the right to pass from whoever is denied.
    pub(super) fn suspend_denied(&mut self) {
        for person in &self.denied {
            self.set_aside.insert(person.clone(), self.people.permits.get(person).cloned());
            self.people.permits.entry(person.clone()).or_default().suspended = true;
        }
    }

    /// Gives everybody back what the store says of them.
    pub(super) fn give_back(&mut self) {
        for (person, permit) in std::mem::take(&mut self.set_aside) {
            match permit {
                Some(permit) => drop(self.people.permits.insert(person, permit)),
                None => drop(self.people.permits.remove(&person)),
            }
        }
    }

    fn may_unlock(&self, door: &DoorId, ms: u32) -> Result<(), String> {
        if *door != self.rules.door {
            return Err(self.no_such_door(door));
        }
        if !UNLOCK_MS.contains(&ms) {
            return Err(format!("a release lasts {} to {} ms", UNLOCK_MS.start(), UNLOCK_MS.end()));
        }
        if self.locked_down() {
            return Err("the door is locked down; release it first".to_owned());
        }
        Ok(())
    }

    fn unlock_as_ordered(&mut self, order: &Admitted, now: Now) -> Obeyed {
        let Some(grant) = Grant::ordered(order) else { return refused("it releases nothing") };
        match record(self.disk.as_mut(), grant, now.wall) {
            Ok(recorded) => {
                let seq = recorded.seq();
                (self.observer)(Observation::Recorded);
                self.move_door(door::Input::Granted(recorded), now);
                let done =
                    if self.relay_obeys { Outcome::Done } else { refused("the relay does not obey").0 };
                (done, Some(seq))
            }
            Err(fault) => refused(format!("it could not be recorded: {fault}")),
        }
    }

    /// Whether it locked. People leave first: in a fire nothing does, and a lockdown waits for its end.
    fn locked(&self) -> Outcome {
        if matches!(self.door.state(), State::Fire { .. }) {
            return Outcome::Refused("the fire input is on; the door stays released".to_owned());
        }
        if self.relay_obeys { Outcome::Done } else { refused("the relay does not obey").0 }
    }

    /// Puts on record that something was ordered.
    fn noted(&mut self, event: &str, now: Now) -> Option<u64> {
        let report = DoorReport { door: self.rules.door.clone(), event: event.to_owned() };
        let what = What::Door(report);
        match self.disk.append(&what, now.wall) {
            Ok(seq) => {
                self.lockout.follow(&Entry { at_ms: now.wall.ms, clock: now.wall.trust, what });
                (self.observer)(Observation::Recorded);
                Some(seq)
            }
            Err(fault) => {
                tracing::error!(event, "an order could not be recorded: {}", chain(&fault));
                None
            }
        }
    }

    fn no_such_door(&self, door: &DoorId) -> String {
        format!("this terminal has the door {} and no door {door}", self.rules.door)
    }
}

pub(super) fn refused(why: impl Into<String>) -> Obeyed {
    (Outcome::Refused(why.into()), None)
}
