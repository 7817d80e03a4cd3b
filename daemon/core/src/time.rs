//! Time as an argument. Monotonic time drives timers; wall time is for schedules and the audit trail.

use std::ops::Add;
use std::time::Duration;

pub use doorward_protocol::audit::ClockTrust;

/// Monotonic time in microseconds since an arbitrary start; the clock of the kernel's frame timestamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mono(pub u64);

impl Mono {
    /// A time `ms` milliseconds after the start.
    #[must_use]
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms * 1000)
    }

    /// Time passed since `earlier`; zero if that lies ahead.
    #[must_use]
    pub const fn since(self, earlier: Mono) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// Distance to `other` in either direction.
    #[must_use]
    pub const fn apart(self, other: Mono) -> Duration {
        Duration::from_micros(self.0.abs_diff(other.0))
    }
}

impl Add<Duration> for Mono {
    type Output = Mono;
    fn add(self, duration: Duration) -> Mono {
        Mono(self.0.saturating_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)))
    }
}

/// Wall time and how far to trust it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wall {
    /// Milliseconds since 1970-01-01 UTC.
    pub ms: i64,
    /// Trust.
    pub trust: ClockTrust,
}

/// One reading of both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// For timers.
    pub mono: Mono,
    /// For schedules and records.
    pub wall: Wall,
}
