//! Whether a frameset is a new look at the world. Real sensors are noisy: a picture that equals the one before to the
//! last bit, or one that is older, was not taken just now (attack cases C2, C3).

use std::sync::Arc;

use crate::decision::Reject;
use crate::frame::{Frameset, Rgb, Shot};

/// Identical pictures in a row after which the camera counts as broken, not as slow.
const FROZEN_AFTER: u32 = 10;

/// What is wrong with a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the camera has delivered the same picture {FROZEN_AFTER} times")]
pub struct Frozen;

/// Remembers the last picture.
#[derive(Debug, Default)]
pub struct Freshness {
    last: Option<Arc<Shot<Rgb>>>,
    repeats: u32,
}

impl Freshness {
    /// Checks a frameset against the one before.
    ///
    /// # Errors
    /// `Ok(Err(reject))` for a picture seen before; [`Frozen`] once it has come too often.
    pub fn check(&mut self, frames: &Frameset) -> Result<Result<(), Reject>, Frozen> {
        let stale = self
            .last
            .as_ref()
            .is_some_and(|last| frames.rgb.at <= last.at || last.plane.pixels() == frames.rgb.plane.pixels());
        if !stale {
            self.repeats = 0;
            self.last = Some(Arc::clone(&frames.rgb));
            return Ok(Ok(()));
        }
        self.repeats += 1;
        if self.repeats >= FROZEN_AFTER { Err(Frozen) } else { Ok(Err(Reject::Unproven)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Plane;
    use crate::time::Mono;

    fn frames(ms: u64, value: u8) -> Frameset {
        let plane = Plane::filled(4, 4, [value; 3]).unwrap();
        Frameset {
            rgb: Arc::new(Shot { sequence: 0, at: Mono::from_millis(ms), plane }),
            ir: None,
            depth: None,
        }
    }

    #[test]
    fn c2_a_frozen_stream_never_counts_as_new_and_becomes_a_fault() {
        let mut freshness = Freshness::default();
        assert_eq!(freshness.check(&frames(0, 7)), Ok(Ok(())));
        for i in 1..u64::from(FROZEN_AFTER) {
            assert_eq!(freshness.check(&frames(i * 33, 7)), Ok(Err(Reject::Unproven)));
        }
        assert_eq!(freshness.check(&frames(900, 7)), Err(Frozen));
        assert_eq!(freshness.check(&frames(933, 8)), Ok(Ok(())), "it recovers with the first new picture");
    }

    #[test]
    fn c3_a_picture_from_the_past_is_not_new() {
        let mut freshness = Freshness::default();
        assert_eq!(freshness.check(&frames(100, 1)), Ok(Ok(())));
        assert_eq!(freshness.check(&frames(90, 2)), Ok(Err(Reject::Unproven)));
    }
}
