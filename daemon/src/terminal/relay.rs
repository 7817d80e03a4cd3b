//! The door and its relay: what moves them, and what is done where the relay does not obey.

use std::time::Duration;

use doorward_core::audit::Recorded;
use doorward_core::decision::Grant;
use doorward_core::door::{self, Event};
use doorward_core::time::Now;
use doorward_hal::relay::RelayFault;
use doorward_protocol::audit::{DoorReport, FaultReport, What};

use super::{Observation, Terminal, chain};

/// How soon a relay that did not lock is told again.
const RELOCK_EVERY: Duration = Duration::from_millis(500);

impl Terminal {
    pub(super) fn move_door(&mut self, input: door::Input, now: Now) {
        let (door, effects) = self.door.handle(input, now.mono);
        self.door = door;
        for effect in effects {
            match effect {
                door::Effect::Unlock(grant) => {
                    let moved = self.unlock(&grant, now);
                    let answer = if moved { door::Input::RelayReleased } else { door::Input::RelayFailed };
                    self.move_door(answer, now);
                }
                door::Effect::Lock => self.lock(now),
                door::Effect::Report(event) => self.report(event, now),
            }
        }
    }

    pub(super) fn report(&mut self, event: Event, now: Now) {
        let report = DoorReport { door: self.rules.door.clone(), event: event.code().to_owned() };
        self.note(&What::Door(report), now);
    }

    fn unlock(&mut self, grant: &Recorded<Grant>, now: Now) -> bool {
        let moved = self.devices.relay.unlock(grant);
        if moved.is_ok() {
            self.relock_at = None;
            (self.observer)(Observation::Relay(true));
        }
        self.judge_relay(moved, now)
    }

    /// Locks; a relay that does not obey is told again until it does.
    pub(super) fn lock(&mut self, now: Now) {
        let moved = self.devices.relay.lock();
        self.relock_at = moved.is_err().then(|| now.mono + RELOCK_EVERY);
        if moved.is_ok() {
            (self.observer)(Observation::Relay(false));
        }
        self.judge_relay(moved, now);
    }

    /// Puts on record when the relay begins to disobey and when it obeys again.
    fn judge_relay(&mut self, moved: Result<(), RelayFault>, now: Now) -> bool {
        let obeys = moved.is_ok();
        if obeys != self.relay_obeys {
            self.relay_obeys = obeys;
            if let Err(fault) = moved {
                tracing::error!("the relay did not do as told: {}", chain(&fault));
            }
            let report = FaultReport { part: "relay".into(), code: "does_not_obey".into(), set: !obeys };
            self.note(&What::Fault(report), now);
        }
        obeys
    }
}
