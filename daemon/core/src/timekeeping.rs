//! Wall time that is never believed blindly: jumps are noticed and recorded, and a clock that lies behind the newest
//! record is not trusted, whoever set it.

use doorward_protocol::audit::ClockJumped;

use crate::time::{ClockTrust, Now};

/// A difference between both clocks below this is drift and slewing, not a jump, milliseconds.
const JUMP_MS: i64 = 2_000;

/// Watches the wall clock of one terminal.
#[derive(Debug, Clone)]
pub struct Timekeeper {
    newest_ms: i64,
    last: Option<Now>,
}

impl Timekeeper {
    /// `newest_ms` is the time of the newest audit entry, `i64::MIN` if there is none.
    #[must_use]
    pub fn new(newest_ms: i64) -> Self {
        Self { newest_ms, last: None }
    }

    /// Takes a reading of both clocks; gives it back with the trust it deserves, and the jump if there was one.
    pub fn read(&mut self, now: Now) -> (Now, Option<ClockJumped>) {
        let expected = match self.last {
            Some(last) => {
                let passed = i64::try_from(now.mono.since(last.mono).as_millis()).unwrap_or(i64::MAX);
                last.wall.ms.saturating_add(passed)
            }
            // After a start nothing is known but that time has not gone back.
            None => now.wall.ms.max(self.newest_ms),
        };
        self.last = Some(now);
        let jump_ms = now.wall.ms.saturating_sub(expected);
        let behind = now.wall.ms < self.newest_ms.saturating_sub(JUMP_MS);
        self.newest_ms = self.newest_ms.max(now.wall.ms);
        let jumped = jump_ms.abs() >= JUMP_MS;
        if jumped && jump_ms < 0 && now.wall.trust == ClockTrust::Synchronised {
            // A synchronised clock that steps back corrects an earlier error: the future it came from never was.
            self.newest_ms = now.wall.ms;
            return (now, Some(ClockJumped { clock_ms: now.wall.ms, jump_ms }));
        }
        let mut adjusted = now;
        if behind {
            adjusted.wall.trust = ClockTrust::Unknown;
        }
        (adjusted, jumped.then_some(ClockJumped { clock_ms: now.wall.ms, jump_ms }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{Mono, Wall};

    const YEAR: i64 = 365 * 24 * 3_600_000;

    fn now(mono_s: u64, wall_ms: i64, trust: ClockTrust) -> Now {
        Now { mono: Mono::from_millis(mono_s * 1000), wall: Wall { ms: wall_ms, trust } }
    }

    #[test]
    fn m7_a_clock_set_back_by_years_is_recorded_and_not_trusted() {
        let mut keeper = Timekeeper::new(50 * YEAR);
        let (read, jump) = keeper.read(now(1, 10 * YEAR, ClockTrust::HeldOver));
        assert_eq!(read.wall.trust, ClockTrust::Unknown);
        assert_eq!(jump.unwrap().jump_ms, -40 * YEAR);
        let (read, jump) = keeper.read(now(2, 10 * YEAR + 1000, ClockTrust::HeldOver));
        assert_eq!(
            (read.wall.trust, jump),
            (ClockTrust::Unknown, None),
            "it stays untrusted and is said once"
        );
        let (read, jump) = keeper.read(now(3, 51 * YEAR, ClockTrust::Synchronised));
        assert_eq!(read.wall.trust, ClockTrust::Synchronised);
        assert!(jump.unwrap().jump_ms > 0);
    }

    #[test]
    fn drift_is_no_jump() {
        let mut keeper = Timekeeper::new(i64::MIN);
        assert_eq!(keeper.read(now(1, 1_000_000, ClockTrust::Synchronised)).1, None);
        assert_eq!(keeper.read(now(11, 1_010_900, ClockTrust::Synchronised)).1, None);
    }
}
