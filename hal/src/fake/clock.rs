//! A clock that stands still until somebody moves it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use doorward_core::time::{Now, Wall};

use super::open;
use crate::clock::Clock;

/// Virtual time. Clones show the same time.
///
/// Sleeping does not wait: it advances the time for everybody and returns. That is what a simulation on one thread needs;
/// where several threads sleep on one fake clock, their sleeps add up.
#[derive(Debug, Clone)]
pub struct FakeClock(Arc<Mutex<Now>>);

/// A clock that shows `start`.
#[must_use]
pub fn clock(start: Now) -> FakeClock {
    FakeClock(Arc::new(Mutex::new(start)))
}

impl FakeClock {
    /// Lets time pass, on both clocks.
    pub fn advance(&self, by: Duration) {
        let mut now = open(&self.0);
        now.mono = now.mono + by;
        now.wall.ms = now.wall.ms.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX));
    }

    /// Sets wall time, as an administrator or a time server does; monotonic time goes on.
    pub fn set_wall(&self, wall: Wall) {
        open(&self.0).wall = wall;
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Now {
        *open(&self.0)
    }

    fn sleep(&self, duration: Duration) {
        self.advance(duration);
    }
}

#[cfg(test)]
mod tests {
    use doorward_core::time::{ClockTrust, Mono};

    use super::*;

    #[test]
    fn m7_wall_time_can_be_set_and_monotonic_time_only_passes() {
        let start = Now { mono: Mono(5), wall: Wall { ms: 1000, trust: ClockTrust::Synchronised } };
        let clock = clock(start);
        let other = clock.clone();
        other.sleep(Duration::from_millis(20));
        let later = Now { mono: Mono(20_005), wall: Wall { ms: 1020, trust: ClockTrust::Synchronised } };
        assert_eq!(clock.now(), later);
        let wrong = Wall { ms: -7, trust: ClockTrust::Unknown };
        clock.set_wall(wrong);
        assert_eq!(other.now(), Now { mono: Mono(20_005), wall: wrong });
    }
}
