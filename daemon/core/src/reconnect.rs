//! How long to wait before a link is tried again.

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// First pause; doubles…
const PAUSE: Duration = Duration::from_secs(1);
/// …up to this, so that a link that comes back is used within a minute.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// A link that lasted this long was one; what ends sooner is tried again as if it had failed.
const LASTING: Duration = Duration::from_secs(60);

/// The pauses of one terminal. A site's terminals lose their broker in the same instant; the seed, drawn by each of
/// them, keeps them from all coming back in the same one.
#[derive(Debug, Clone)]
pub struct Reconnect {
    failures: u32,
    rng: ChaCha8Rng,
}

impl Reconnect {
    /// Before the first try.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { failures: 0, rng: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// How long to wait after a link that lasted for `lasted`, zero where there was none: between half of the pause and
    /// all of it.
    pub fn pause(&mut self, lasted: Duration) -> Duration {
        self.failures = if lasted >= LASTING { 0 } else { self.failures };
        let pause = (PAUSE * 2u32.pow(self.failures.min(6))).min(PAUSE_MAX);
        self.failures = self.failures.saturating_add(1);
        pause.mul_f64(self.rng.random_range(0.5..1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute_and_begin_anew_after_a_link_that_lasted() {
        let mut reconnect = Reconnect::new(7);
        let pauses: Vec<Duration> = (0..20).map(|_| reconnect.pause(Duration::from_secs(1))).collect();
        assert!(pauses[0] < PAUSE && pauses.iter().all(|pause| *pause >= PAUSE / 2 && *pause <= PAUSE_MAX));
        assert!(pauses[10..].iter().all(|pause| *pause >= PAUSE_MAX / 2), "{pauses:?}");
        assert!(reconnect.pause(LASTING) < PAUSE);
    }

    #[test]
    fn terminals_that_fail_together_come_back_apart() {
        let pause = |seed| Reconnect::new(seed).pause(Duration::ZERO);
        let pauses: std::collections::BTreeSet<_> = (0..100).map(pause).collect();
        assert!(pauses.len() > 90, "{}", pauses.len());
        assert_eq!(pause(3), pause(3), "the same seed, the same pause");
    }
}
