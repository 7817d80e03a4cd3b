//! Lockout after failed checks: five in three minutes lock out for thirty minutes, repeated patterns for longer.
//!
//! Failed liveness checks, and movements that were asked for and did not come, lock the whole door; wrong PINs lock PINs out, and foreign cards and codes those, so that
//! somebody who plays with a keypad does not keep faces out. The state is derived from the audit trail, so that it
//! survives a restart by itself; and so does an operator's word that ends it, which is a record among the others.

use std::collections::VecDeque;

use doorward_protocol::audit::{CredentialKind, DoorReport, Entry, What};

use crate::decision::Reject;

/// Failed liveness checks, or wrong PINs, that lock out.
const FAILURES_MAX: usize = 5;
/// Foreign cards and codes that lock out. People try the wrong card of their purse, and numbers are longer than PINs.
const FOREIGN_MAX: usize = 20;
/// They count together within this time, milliseconds.
const FAILURES_WITHIN_MS: i64 = 3 * 60_000;
/// First lockout, milliseconds; doubles each time…
const LOCKOUT_MS: i64 = 30 * 60_000;
/// …up to this many doublings (8 hours)…
const DOUBLINGS_MAX: u32 = 4;
/// …and starts small again after a day without one.
const FORGIVE_MS: i64 = 24 * 3_600_000;

/// What is locked out. Times are those of the audit trail, which never run backwards.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lockout {
    liveness: Failures,
    pins: Failures,
    /// Cards and QR codes.
    numbers: Failures,
}

/// Failures seen lately and what follows from them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Failures {
    lately: VecDeque<i64>,
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
                let reason = decided.reason.as_str();
                if reason == Reject::NotLive.code() || reason == Reject::Unanswered.code() {
                    self.liveness.add(entry.at_ms, FAILURES_MAX);
                } else if decided.granted {
                    // Not so the PINs: who knows one of them could guess the others in between.
                    self.liveness.lately.clear();
                }
                if reason == Reject::UnknownCredential.code() || reason == Reject::NotTheClaimed.code() {
                    match decided.presented.map(|presented| presented.kind) {
                        Some(CredentialKind::Pin) => self.pins.add(entry.at_ms, FAILURES_MAX),
                        Some(CredentialKind::Card | CredentialKind::Qr) => {
                            self.numbers.add(entry.at_ms, FOREIGN_MAX);
                        }
                        None => {}
                    }
                }
            }
            // Somebody who may order has looked at it: everything begins small again.
            What::Door(report) if report.event == DoorReport::LOCKOUT_RESET => *self = Self::default(),
            What::Started(_)
            | What::Released(_)
            | What::Door(_)
            | What::Enrolled(_)
            | What::Erased(_)
            | What::ErasedEverybody(_)
            | What::Fault(_)
            | What::ClockJumped(_)
            | What::Credential(_)
            | What::Skipped(_)
            | What::Pictured(_)
            | What::Asked(_)
            | What::Stopped(_) => {}
        }
    }

    /// Whether attempts are locked out at `at_ms`.
    #[must_use]
    pub fn locked(&self, at_ms: i64) -> bool {
        self.liveness.lock_out(at_ms)
    }

    /// Whether credentials of a kind are locked out at `at_ms`.
    #[must_use]
    pub fn refuses(&self, kind: CredentialKind, at_ms: i64) -> bool {
        match kind {
            CredentialKind::Pin => self.pins.lock_out(at_ms),
            CredentialKind::Card | CredentialKind::Qr => self.numbers.lock_out(at_ms),
        }
    }

    /// What can be locked out, by the code that is put on record, and whether it is at `at_ms`.
    #[must_use]
    pub fn locks(&self, at_ms: i64) -> [(&'static str, bool); 3] {
        [
            ("faces", self.locked(at_ms)),
            ("pins", self.refuses(CredentialKind::Pin, at_ms)),
            ("cards_and_codes", self.refuses(CredentialKind::Card, at_ms)),
        ]
    }

    /// Until when attempts are locked out, milliseconds since 1970; `None` if they never were.
    #[must_use]
    pub fn until_ms(&self) -> Option<i64> {
        self.liveness.until_ms
    }
}

impl Failures {
    fn lock_out(&self, at_ms: i64) -> bool {
        self.until_ms.is_some_and(|until| at_ms < until)
    }

    fn add(&mut self, at_ms: i64, max: usize) {
        if self.until_ms.is_some_and(|until| at_ms.saturating_sub(until) > FORGIVE_MS) {
            self.lockouts = 0;
        }
        self.lately.push_back(at_ms);
        self.lately.retain(|failure| at_ms.saturating_sub(*failure) <= FAILURES_WITHIN_MS);
        if self.lately.len() >= max {
            let length = LOCKOUT_MS << self.lockouts.min(DOUBLINGS_MAX);
            self.until_ms = Some(at_ms.saturating_add(length));
            self.lockouts += 1;
            self.lately.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use doorward_protocol::audit::{ClockTrust, Decided, Presented};
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
            presented: None,
            level: None,
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

    fn shown(at_ms: i64, reason: &str, kind: CredentialKind) -> Entry {
        let mut entry = entry(at_ms, reason);
        let What::Decided(decided) = &mut entry.what else { unreachable!("a decision") };
        decided.presented = Some(Presented { kind, slot: None });
        entry
    }

    #[test]
    fn q3_a_pin_that_is_known_does_not_pay_for_guessing_others() {
        let mut lockout = Lockout::default();
        let pin = CredentialKind::Pin;
        for i in 0..4 {
            lockout.follow(&shown(10_000 * i, "unknown_credential", pin));
            lockout.follow(&shown(10_000 * i + 1, "granted", pin));
        }
        assert!(!lockout.refuses(pin, 40_000));
        lockout.follow(&shown(40_000, "not_the_claimed", pin));
        assert!(lockout.refuses(pin, 40_001), "a PIN under another face is a failure like a wrong one");
        assert!(!lockout.refuses(CredentialKind::Card, 40_001) && !lockout.locked(40_001));
        assert!(!lockout.refuses(pin, 40_000 + LOCKOUT_MS));
    }

    #[test]
    fn q5_numbers_cannot_be_tried_one_after_the_other() {
        let mut lockout = Lockout::default();
        let card = CredentialKind::Card;
        (0..19).for_each(|i| lockout.follow(&shown(2000 * i, "unknown_credential", card)));
        assert!(!lockout.refuses(card, 40_000));
        lockout.follow(&shown(40_000, "unknown_credential", CredentialKind::Qr));
        assert!(lockout.refuses(card, 40_001));
        assert!(!lockout.refuses(CredentialKind::Pin, 40_001));
    }

    #[test]
    fn slow_failures_and_other_rejects_do_not_lock_out() {
        let mut lockout = Lockout::default();
        (0..20).for_each(|i| lockout.follow(&entry(i * 60_000, "not_live")));
        assert!(!lockout.locked(20 * 60_000));
        (0..20).for_each(|i| lockout.follow(&entry(2_000_000 + i, "unknown")));
        assert!(!lockout.locked(2_000_100));
    }

    fn reset(at_ms: i64) -> Entry {
        let report = DoorReport { door: "front".parse().unwrap(), event: DoorReport::LOCKOUT_RESET.into() };
        Entry { at_ms, clock: ClockTrust::Synchronised, what: What::Door(report) }
    }

    #[test]
    fn p12_an_operator_ends_every_lockout_and_the_next_one_begins_small() {
        let mut lockout = Lockout::default();
        (0..5).for_each(|i| lockout.follow(&entry(i, "not_live")));
        (0..5).for_each(|i| lockout.follow(&shown(10 + i, "unknown_credential", CredentialKind::Pin)));
        (0..20).for_each(|i| lockout.follow(&shown(20 + i, "unknown_credential", CredentialKind::Card)));
        assert_eq!(lockout.locks(50).map(|(_, locked)| locked), [true; 3]);
        (0..4).for_each(|i| lockout.follow(&entry(LOCKOUT_MS + 60 + i, "not_live")));
        lockout.follow(&reset(LOCKOUT_MS + 70));
        assert_eq!(lockout, Lockout::default());
        lockout.follow(&entry(LOCKOUT_MS + 71, "not_live"));
        assert!(!lockout.locked(LOCKOUT_MS + 72), "failures before the reset count no more");
        (0..4).for_each(|i| lockout.follow(&entry(LOCKOUT_MS + 80 + i, "not_live")));
        assert_eq!(lockout.until_ms(), Some(LOCKOUT_MS + 83 + LOCKOUT_MS));
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
