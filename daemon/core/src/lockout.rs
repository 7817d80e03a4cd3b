//! Lockout after failed liveness checks: five in three minutes lock the attempts out for thirty minutes, repeated
//! patterns for longer. The state is derived from the audit trail, so that it survives a restart by itself.

use std::collections::VecDeque;

use doorward_protocol::audit::{Entry, What};

use crate::decision::Reject;

/// Failed checks that lock out.
const FAILURES_MAX: usize = 5;
/// They count together within this time, milliseconds.
const FAILURES_WITHIN_MS: i64 = 3 * 60_000;
/// First lockout, milliseconds; doubles each time…
const LOCKOUT_MS: i64 = 30 * 60_000;
/// …up to this many doublings (8 hours)…
const DOUBLINGS_MAX: u32 = 4;
/// …and starts small again after a day without one.
const FORGIVE_MS: i64 = 24 * 3_600_000;

/// Failures seen lately and what follows from them. Times are those of the audit trail, which never run backwards.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lockout {
    failures: VecDeque<i64>,
    until_ms: Option<i64>,
    lockouts: u32,
}

/// How far back the audit trail must be read to know the state: two forgiveness periods.
pub const HISTORY_MS: i64 = 2 * FORGIVE_MS;

impl Lockout {
    /// Takes one audit entry; call it with each in order.
    pub fn follow(&mut self, entry: &Entry) {
        match &entry.what {
            What::Decided(decided) => {
                if decided.reason == Reject::NotLive.code() {
                    self.failed(entry.at_ms);
                } else if decided.granted {
                    self.failures.clear();
                }
            }
            What::Started(_)
            | What::Released(_)
            | What::Door(_)
            | What::Enrolled(_)
            | What::Erased(_)
            | What::Fault(_)
            | What::ClockJumped(_)
            | What::Stopped(_) => {}
        }
    }

    /// Whether attempts are locked out at `at_ms`.
    #[must_use]
    pub fn locked(&self, at_ms: i64) -> bool {
        self.until_ms.is_some_and(|until| at_ms < until)
    }

    /// Until when, milliseconds since 1970; `None` if never locked out.
    #[must_use]
    pub fn until_ms(&self) -> Option<i64> {
        self.until_ms
    }

    fn failed(&mut self, at_ms: i64) {
        if self.until_ms.is_some_and(|until| at_ms.saturating_sub(until) > FORGIVE_MS) {
            self.lockouts = 0;
        }
        self.failures.push_back(at_ms);
        self.failures.retain(|failure| at_ms.saturating_sub(*failure) <= FAILURES_WITHIN_MS);
        if self.failures.len() >= FAILURES_MAX {
            let length = LOCKOUT_MS << self.lockouts.min(DOUBLINGS_MAX);
            self.until_ms = Some(at_ms.saturating_add(length));
            self.lockouts += 1;
            self.failures.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use doorward_protocol::audit::{ClockTrust, Decided};
    use doorward_protocol::ids::AttemptId;

    use super::*;

    fn entry(at_ms: i64, reason: &str) -> Entry {
        let decided = Decided {
            attempt: AttemptId(1),
            door: "front".parse().unwrap(),
            granted: reason == "granted",
            person: None,
            reason: reason.into(),
            rule: "examination".into(),
            scores: None,
        };
        Entry { at_ms, clock: ClockTrust::Synchronised, what: What::Decided(decided) }
    }

    #[test]
    fn p12_five_failed_checks_in_three_minutes_lock_out_for_thirty() {
        let mut lockout = Lockout::default();
        (0..4).for_each(|i| lockout.follow(&entry(i * 10_000, "not_live")));
        assert!(!lockout.locked(40_000));
        lockout.follow(&entry(40_000, "not_live"));
        assert!(lockout.locked(40_001));
        assert!(lockout.locked(40_000 + LOCKOUT_MS - 1));
        assert!(!lockout.locked(40_000 + LOCKOUT_MS));
    }

    #[test]
    fn slow_failures_and_other_rejects_do_not_lock_out() {
        let mut lockout = Lockout::default();
        (0..20).for_each(|i| lockout.follow(&entry(i * 60_000, "not_live")));
        assert!(!lockout.locked(20 * 60_000));
        (0..20).for_each(|i| lockout.follow(&entry(2_000_000 + i, "unknown")));
        assert!(!lockout.locked(2_000_100));
    }

    #[test]
    fn a_second_lockout_is_longer() {
        let mut lockout = Lockout::default();
        (0..5).for_each(|i| lockout.follow(&entry(i, "not_live")));
        let later = LOCKOUT_MS + 10_000;
        (0..5).for_each(|i| lockout.follow(&entry(later + i, "not_live")));
        assert_eq!(lockout.until_ms(), Some(later + 4 + 2 * LOCKOUT_MS));
    }
}
