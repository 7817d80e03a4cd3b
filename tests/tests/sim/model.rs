//! Who may pass, told a second time in the plainest way, without the real rules.

use std::collections::BTreeMap;

use crate::eyes::Figure;

const MINUTE_MS: i64 = 60_000;

/// A person's rights.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rights {
    /// Suspended until further notice.
    pub(crate) suspended: bool,
}

/// What the world knows of itself.
#[derive(Debug, Default)]
pub(crate) struct Model {
    /// Enrolled persons.
    pub(crate) enrolled: BTreeMap<u8, Rights>,
    /// Whether the door opens on workdays from 7 to 19 only.
    pub(crate) workdays_only: bool,
    /// Whether the door is locked down.
    pub(crate) lockdown: bool,
    /// Whether the fire alarm is on.
    pub(crate) fire: bool,
    failed_at_ms: Vec<i64>,
    locked_until_ms: i64,
}

impl Model {
    /// Nobody is enrolled.
    pub(crate) fn new(workdays_only: bool) -> Self {
        Self { workdays_only, ..Self::default() }
    }

    /// A recorded refusal because of a presentation attack.
    pub(crate) fn liveness_failed(&mut self, at_ms: i64) {
        self.failed_at_ms.retain(|earlier| at_ms - earlier <= 3 * MINUTE_MS);
        self.failed_at_ms.push(at_ms);
        if self.failed_at_ms.len() == 5 {
            // The shortest lockout there is; longer ones follow from history the model does not keep.
            self.locked_until_ms = at_ms + 30 * MINUTE_MS;
            self.failed_at_ms.clear();
        }
    }

    /// A grant ends the count of failures.
    pub(crate) fn granted(&mut self) {
        self.failed_at_ms.clear();
    }

    /// Whether this person may pass at this time, as far as persons and rules go.
    pub(crate) fn may_pass(&self, who: u8, at_ms: i64) -> bool {
        let known = self.enrolled.get(&who).is_some_and(|rights| !rights.suspended);
        known && !self.lockdown && at_ms >= self.locked_until_ms && self.open_at(at_ms)
    }

    /// Whether the schedule allows it.
    pub(crate) fn open_at(&self, at_ms: i64) -> bool {
        let minutes = at_ms.div_euclid(MINUTE_MS);
        let minute = minutes.rem_euclid(24 * 60);
        // 1970-01-01 was a Thursday.
        let weekday = (minutes.div_euclid(24 * 60) + 3).rem_euclid(7);
        !self.workdays_only || weekday < 5 && (7 * 60..19 * 60).contains(&minute)
    }

    /// The one live person before the cameras, if there is exactly one.
    pub(crate) fn live_person(figure: Figure) -> Option<u8> {
        match figure {
            Figure::Live(who) => Some(who),
            Figure::Nobody | Figure::Reproduced(..) | Figure::Two(..) | Figure::Dark(_) => None,
        }
    }
}
