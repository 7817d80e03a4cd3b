//! From what the door's wiring reports to the door, the relay and the record. Nothing here lets anybody in: a press or
//! a fire releases what its own wiring has released already, and a fault of the wiring is put on record and no more.

use std::time::Duration;

use doorward_core::audit::{Recorded, record};
use doorward_core::consent::Consents;
use doorward_core::decision::Grant;
use doorward_core::door::points::Finding;
use doorward_core::door::{self, Event, OnTamper, Point, Signal};
use doorward_core::time::Now;
use doorward_protocol::audit::{FaultReport, What};

use super::{Observation, Terminal, chain};

/// How soon a disk that did not erase is told again.
const ERASE_EVERY: Duration = Duration::from_secs(1);

impl Terminal {
    pub(super) fn sense(&mut self, signal: Signal, now: Now) {
        let (points, findings) = self.points.handle(signal, now.mono);
        self.points = points;
        self.follow(findings, now);
    }

    /// Lets what the wiring says take effect, then asks for the lockdown that applies: it may have begun with the case,
    /// or have waited for the end of a fire.
    pub(super) fn follow(&mut self, findings: Vec<Finding>, now: Now) {
        for finding in findings {
            self.heed(finding, now);
        }
        self.move_door(door::Input::Lockdown(self.locked_down()), now);
    }

    fn heed(&mut self, finding: Finding, now: Now) {
        let open_for = self.egress_for;
        match finding {
            Finding::Contact(open) => self.move_door(door::Input::Contact(open), now),
            Finding::EgressHeld(true) => self.move_door(door::Input::EgressHeld, now),
            Finding::EgressHeld(false) => self.move_door(door::Input::EgressOver { open_for }, now),
            Finding::EgressRequested => {
                let release = self.release(Grant::egress(self.rules.door.clone(), open_for), now);
                self.move_door(door::Input::Egress { release, open_for }, now);
            }
            Finding::Fire(true) => {
                let release = self.release(Grant::fire(self.rules.door.clone()), now);
                self.move_door(door::Input::Fire { release }, now);
            }
            Finding::Fire(false) => self.move_door(door::Input::FireOver, now),
            Finding::Tamper(set) => {
                self.report(if set { Event::Tampered } else { Event::TamperCleared }, now);
                if set && self.on_tamper == OnTamper::Erase {
                    self.erase_everybody(now);
                }
            }
            Finding::PowerFail(set) => {
                self.report(if set { Event::PowerFailed } else { Event::PowerRestored }, now);
            }
            Finding::Fault { point, code, set } => {
                tracing::warn!(point = point.code(), code, set, "a fault of the door's wiring");
                let report = FaultReport { part: point.code().into(), code: code.into(), set };
                self.note(&What::Fault(report), now);
            }
        }
    }

    /// Whether nobody is let in, on an operator's word or because the case is open.
    pub(super) fn locked_down(&self) -> bool {
        let locks = matches!(self.on_tamper, OnTamper::Lockdown | OnTamper::Erase);
        self.lockdown || locks && self.points.is_active(Point::Tamper)
    }

    /// Nobody passes any more, whoever was put since.
    pub(super) fn forget_everybody(&mut self) {
        self.people.permits.clear();
        self.people.consents = Consents::default();
        self.set_aside.clear();
        self.suspend_denied();
    }

    /// Nobody passes any more, and the disk is told so until it is done.
    pub(super) fn erase_everybody(&mut self, now: Now) {
        self.forget_everybody();
        let erased = self.disk.erase_everybody(now.wall);
        self.erase_at = erased.is_err().then(|| now.mono + ERASE_EVERY);
        match erased {
            Ok(()) => (self.observer)(Observation::Recorded),
            Err(fault) => {
                tracing::error!("nobody was erased yet, though the case is open: {}", chain(&fault))
            }
        }
    }

    /// Puts a release for somebody who leaves on record, so that the relay may follow the egress hardware.
    fn release(&mut self, grant: Grant, now: Now) -> Option<Recorded<Grant>> {
        match record(self.disk.as_mut(), grant, now.wall) {
            Ok(recorded) => {
                (self.observer)(Observation::Recorded);
                Some(recorded)
            }
            Err(fault) => {
                tracing::error!(
                    "a release could not be recorded, the egress hardware stands alone: {}",
                    chain(&fault)
                );
                None
            }
        }
    }
}
