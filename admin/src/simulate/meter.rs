//! What a run counts, by all terminals at once.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Marks between two powers of two: a delay is known to 3 %.
const MARKS: usize = 32;
/// Powers of two of microseconds above the marks: up to an hour and more.
const POWERS: usize = 28;

/// Things that are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    /// Records that happened.
    Happened,
    /// Records that the hub said it keeps.
    Kept,
    /// Records that were sent, those that were sent again included.
    Sent,
    /// Batches in which they were.
    Batches,
    /// Bytes of those, topics included.
    Up,
    /// Bytes of acknowledgements, topics included.
    Down,
    /// Acknowledgements that did not count.
    Refused,
    /// Connections that came about.
    Begun,
    /// Connections that ended by a fault.
    Lost,
}

const COUNTS: usize = Count::Lost as usize + 1;

/// The counts.
pub(super) struct Meter {
    counts: [AtomicU64; COUNTS],
    delays: Vec<AtomicU64>,
}

impl Default for Meter {
    fn default() -> Self {
        let delays = (0..(POWERS + 1) * MARKS).map(|_| AtomicU64::new(0)).collect();
        Self { counts: [const { AtomicU64::new(0) }; COUNTS], delays }
    }
}

impl Meter {
    /// Counts.
    pub(super) fn add(&self, count: Count, number: u64) {
        self.counts[count as usize].fetch_add(number, Relaxed);
    }

    /// Counts a delay.
    pub(super) fn waited(&self, delay: Duration) {
        self.delays[mark(delay)].fetch_add(1, Relaxed);
    }

    /// What was counted so far.
    pub(super) fn read(&self) -> Reading {
        Reading {
            counts: std::array::from_fn(|at| self.counts[at].load(Relaxed)),
            delays: self.delays.iter().map(|delay| delay.load(Relaxed)).collect(),
        }
    }
}

/// What was counted up to a moment, or between two.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    counts: [u64; COUNTS],
    delays: Vec<u64>,
}

impl Reading {
    /// One count.
    pub(super) fn of(&self, count: Count) -> u64 {
        self.counts[count as usize]
    }

    /// What came since an earlier reading.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        let less = |(now, before): (&u64, &u64)| now - before;
        Self {
            counts: std::array::from_fn(|at| self.counts[at] - earlier.counts[at]),
            delays: self.delays.iter().zip(&earlier.delays).map(less).collect(),
        }
    }

    /// The delay that so many percent of all do not exceed; none where there is none.
    pub(super) fn percentile(&self, percent: u64) -> Option<Duration> {
        let all: u64 = self.delays.iter().sum();
        let wanted = (all * percent).div_ceil(100).max(1);
        let mut seen = 0;
        let reached = |delays: &u64| {
            seen += delays;
            seen >= wanted
        };
        self.delays.iter().position(reached).map(end)
    }
}

/// Where a delay is counted.
fn mark(delay: Duration) -> usize {
    let us = usize::try_from(delay.as_micros()).unwrap_or(usize::MAX);
    if us < MARKS {
        return us;
    }
    let power = us.ilog2() - MARKS.ilog2();
    let at = (power as usize) * MARKS + (us >> power);
    at.min((POWERS + 1) * MARKS - 1)
}

/// The longest delay that is counted there.
fn end(mark: usize) -> Duration {
    let us = match mark / MARKS {
        0 => mark as u64,
        power => (((mark % MARKS + MARKS + 1) as u64) << (power - 1)) - 1,
    };
    Duration::from_micros(us)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_known_to_three_percent() {
        for us in (0..40).chain([63, 64, 65, 100, 999, 1_000, 123_456, 10_000_000, 3_000_000_000]) {
            let told = end(mark(Duration::from_micros(us))).as_micros();
            assert!(told >= u128::from(us) && told <= u128::from(us + us / 31), "{us}: {told}");
        }
        assert!(mark(Duration::MAX) < (POWERS + 1) * MARKS);
    }

    #[test]
    fn percentiles_are_of_what_came_since() {
        let meter = Meter::default();
        (0..50).for_each(|_| meter.waited(Duration::from_secs(9)));
        let before = meter.read();
        assert_eq!(before.since(&before).percentile(50), None);
        for us in 1..=20 {
            meter.waited(Duration::from_micros(us));
        }
        meter.add(Count::Kept, 20);
        let since = meter.read().since(&before);
        let us = |percent| since.percentile(percent).unwrap().as_micros();
        assert_eq!((us(50), us(95), us(99), since.of(Count::Kept)), (10, 19, 20, 20));
    }
}
