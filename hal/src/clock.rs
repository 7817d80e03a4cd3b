//! The only place that reads time and the only one that waits.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use doorward_core::time::{ClockTrust, Mono, Now, Wall};
use rustix::time::{ClockId, clock_gettime};

/// Both clocks. Monotonic time is the kernel's `CLOCK_MONOTONIC`, that of V4L2 and GPIO timestamps.
pub trait Clock: Send + Sync {
    /// A reading.
    fn now(&self) -> Now;

    /// Waits.
    fn sleep(&self, duration: Duration);
}

/// systemd-timesyncd touches this file whenever it has set or confirmed the clock, and it is gone after a boot.
/// Terminals with another time service let it do the same.
const SYNC_MARK: &str = "/run/systemd/timesync/synchronized";

/// How long a clock counts as synchronised after it was: a board's crystal drifts at most 100 ppm, 9 seconds in a day,
/// which no schedule notices.
const SYNC_AGE_MAX: Duration = Duration::from_secs(24 * 3600);

/// 2026-11-01 UTC, before this version could be built: a clock that shows less was never set.
const EARLIEST_MS: i64 = 1_793_491_200_000;

/// The system's clocks.
///
/// How far wall time is trusted:
/// * `Synchronised`: the time service has confirmed the clock within the last 24 hours.
/// * `HeldOver`: it has not, or not since the boot, but the clock shows a time after this version was written, so a
///   battery-backed clock or an earlier synchronisation must have set it.
/// * `Unknown`: everything else.
#[derive(Debug, Clone)]
pub struct SystemClock {
    mark: PathBuf,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { mark: PathBuf::from(SYNC_MARK) }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the place where time is read")]
    fn now(&self) -> Now {
        let wall = SystemTime::now();
        let confirmed = fs::metadata(&self.mark).and_then(|mark| mark.modified()).ok();
        Now { mono: monotonic(), wall: Wall { ms: unix_ms(wall), trust: trust(wall, confirmed) } }
    }

    fn sleep(&self, duration: Duration) {
        wait(duration);
    }
}

/// Waits in real time; for drivers whose device gives them nothing to wait on.
#[expect(clippy::disallowed_methods, reason = "the place where waiting happens")]
pub(crate) fn wait(duration: Duration) {
    std::thread::sleep(duration);
}

/// `CLOCK_MONOTONIC`.
pub(crate) fn monotonic() -> Mono {
    let time = clock_gettime(ClockId::Monotonic);
    let part = |value: i64| u64::try_from(value).expect("monotonic time starts at zero and grows");
    Mono(part(time.tv_sec) * 1_000_000 + part(time.tv_nsec) / 1000)
}

fn trust(wall: SystemTime, confirmed: Option<SystemTime>) -> ClockTrust {
    // A mark of the future means that the clock went back since.
    let fresh = confirmed.and_then(|at| wall.duration_since(at).ok()).is_some_and(|age| age <= SYNC_AGE_MAX);
    match (fresh, unix_ms(wall) >= EARLIEST_MS) {
        (_, false) => ClockTrust::Unknown,
        (true, true) => ClockTrust::Synchronised,
        (false, true) => ClockTrust::HeldOver,
    }
}

fn unix_ms(time: SystemTime) -> i64 {
    let ms = |span: Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    time.duration_since(UNIX_EPOCH).map_or_else(|before| -ms(before.duration()), ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monotonic_time_is_the_kernels_and_never_goes_back() {
        let clock = SystemClock::default();
        let before = clock.now().mono;
        clock.sleep(Duration::from_millis(3));
        let after = clock.now().mono;
        assert!(after.since(before) >= Duration::from_millis(3));
    }

    #[test]
    fn m7_a_clock_is_trusted_only_as_far_as_somebody_vouches_for_it() {
        let at = |s: u64| UNIX_EPOCH + Duration::from_secs(s);
        let day = 24 * 3600;
        let today = 1_800_000_000;
        assert_eq!(trust(at(today), Some(at(today - 60))), ClockTrust::Synchronised);
        assert_eq!(
            trust(at(today), Some(at(today - 2 * day))),
            ClockTrust::HeldOver,
            "confirmed two days ago"
        );
        assert_eq!(
            trust(at(today), Some(at(today + 600))),
            ClockTrust::HeldOver,
            "set back after it was confirmed"
        );
        assert_eq!(trust(at(today), None), ClockTrust::HeldOver);
        assert_eq!(trust(at(1000), None), ClockTrust::Unknown, "1970");
        assert_eq!(trust(at(1000), Some(at(900))), ClockTrust::Unknown, "1970, whoever says otherwise");
        assert_eq!(trust(UNIX_EPOCH - Duration::from_secs(5), None), ClockTrust::Unknown);
    }

    #[test]
    fn the_mark_of_the_time_service_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let clock = SystemClock { mark: folder.path().join("synchronized") };
        assert_ne!(clock.now().wall.trust, ClockTrust::Synchronised);
        fs::write(&clock.mark, "").unwrap();
        let wall = clock.now().wall;
        assert!(wall.ms < EARLIEST_MS || wall.trust == ClockTrust::Synchronised);
    }
}
