//! Whether a frameset is a new look at the world. Real sensors are noisy: a picture that equals the one before to the
//! last bit, or one that is older, was not taken just now (attack cases C2, C3). That holds for each sensor by itself: a
//! frozen infrared picture of a live face must not vouch for a photograph. Nor does a recording that is played again.

use std::sync::Arc;

use crate::decision::Reject;
use crate::frame::{Frameset, Plane, Rgb, Shot};
use crate::recurrence::{Noisy, Recurrence};

/// Stale framesets in a row after which a camera counts as broken, not as slow.
const FROZEN_AFTER: u32 = 10;

/// What is wrong with a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a camera has delivered pictures that it had delivered before, {FROZEN_AFTER} in a row")]
pub struct Frozen;

/// What is remembered of one sensor.
#[derive(Debug)]
struct Follower<P> {
    last: Option<Arc<Shot<P>>>,
    before: Recurrence,
}

// By hand: a pixel has no default.
impl<P> Default for Follower<P> {
    fn default() -> Self {
        Self { last: None, before: Recurrence::default() }
    }
}

/// Remembers the last new picture of each sensor, and what those before it looked like.
#[derive(Debug, Default)]
pub struct Freshness {
    rgb: Follower<Rgb>,
    infrared: Follower<u8>,
    depth: Follower<u16>,
    repeats: u32,
}

impl Freshness {
    /// Checks a frameset against those before.
    ///
    /// # Errors
    /// `Ok(Err(reject))` for a picture seen before; [`Frozen`] once one has come too often.
    pub fn check(&mut self, frames: &Frameset) -> Result<Result<(), Reject>, Frozen> {
        let again = self.rgb.last.as_ref().is_some_and(|last| frames.rgb.at <= last.at);
        let fresh = [
            self.rgb.follow(Some(&frames.rgb)) && !again,
            self.infrared.follow(frames.ir.as_ref()),
            self.depth.follow(frames.depth.as_ref()),
        ];
        if fresh == [true; 3] {
            self.repeats = 0;
            return Ok(Ok(()));
        }
        self.repeats += 1;
        if self.repeats >= FROZEN_AFTER { Err(Frozen) } else { Ok(Err(Reject::Unproven)) }
    }
}

impl<P: Noisy + PartialEq> Follower<P> {
    /// Whether a sensor's picture is new, or missing, which others judge; a new one is remembered.
    ///
    /// The very same shot may come again: a slow camera's belongs to two moments of a fast one. And a picture of one value
    /// is not compared: a depth sensor before an empty hall gives it again and again, and it proves nothing anyway.
    fn follow(&mut self, shot: Option<&Arc<Shot<P>>>) -> bool {
        let Some(shot) = shot else { return true };
        let blank = is_blank(&shot.plane);
        if let Some(last) = &self.last {
            if shot.at == last.at {
                return true;
            }
            if shot.at < last.at || (last.plane == shot.plane && !blank) {
                return false;
            }
        }
        self.last = Some(Arc::clone(shot));
        blank || !self.before.shows_again(&shot.plane)
    }
}

fn is_blank<P: Copy + PartialEq>(plane: &Plane<P>) -> bool {
    let pixels = plane.pixels();
    pixels.iter().all(|pixel| *pixel == pixels[0])
}

#[cfg(test)]
mod tests {
    use rand::{RngExt as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::frame::Plane;
    use crate::time::Mono;

    fn shot<P: Copy>(ms: u64, values: [P; 2]) -> Arc<Shot<P>> {
        let plane = Plane::new(2, 1, values.to_vec()).unwrap();
        Arc::new(Shot { sequence: 0, at: Mono::from_millis(ms), plane })
    }

    fn frames(ms: u64, value: u8) -> Frameset {
        Frameset { rgb: shot(ms, [[value; 3], [0; 3]]), ir: None, depth: None }
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

    #[test]
    fn c2_a_frozen_infrared_or_depth_stream_makes_the_moment_unproven() {
        let all = |i: u64, ir: u8, depth: u16| {
            let ms = i * 33;
            let rgb = u8::try_from(i).unwrap();
            Frameset { ir: Some(shot(ms, [ir, 0])), depth: Some(shot(ms, [depth, 0])), ..frames(ms, rgb) }
        };
        for [ir_moves, depth_moves] in [[0, 1], [1, 0]] {
            let frozen = |i: u8| all(u64::from(i), 50 + i * ir_moves, 700 + u16::from(i * depth_moves));
            let mut freshness = Freshness::default();
            assert_eq!(freshness.check(&frozen(1)), Ok(Ok(())));
            for i in 2..=10 {
                assert_eq!(freshness.check(&frozen(i)), Ok(Err(Reject::Unproven)));
            }
            assert_eq!(freshness.check(&frozen(20)), Err(Frozen));
            assert_eq!(freshness.check(&all(21, 21, 21)), Ok(Ok(())));
        }
    }

    #[test]
    fn c2_a_looped_infrared_stream_makes_the_moment_unproven_and_becomes_a_fault() {
        let mut freshness = Freshness::default();
        let picture = |number: u64| {
            let mut noise = ChaCha8Rng::seed_from_u64(number);
            Plane::new(64, 64, (0..64 * 64).map(|_| 100 + noise.random_range(0..4u8)).collect()).unwrap()
        };
        let moment = |ms: u64, shown: u64| Frameset {
            ir: Some(Arc::new(Shot { sequence: 0, at: Mono::from_millis(ms), plane: picture(shown) })),
            ..frames(ms, u8::try_from(ms % 251).unwrap())
        };
        (0..20).for_each(|i| assert_eq!(freshness.check(&moment(i * 33, i)), Ok(Ok(())), "{i}"));
        for i in 20..29 {
            assert_eq!(freshness.check(&moment(i * 33, i - 20)), Ok(Err(Reject::Unproven)));
        }
        assert_eq!(freshness.check(&moment(29 * 33, 9)), Err(Frozen));
        assert_eq!(freshness.check(&moment(30 * 33, 999)), Ok(Ok(())));
    }

    #[test]
    fn a_slow_infrared_camera_and_an_empty_hall_are_no_freeze() {
        let mut freshness = Freshness::default();
        for i in 0..20u8 {
            let ms = u64::from(i) * 33;
            let ir = shot(ms / 66 * 66, [i / 2, 9]);
            let moment = Frameset { ir: Some(ir), depth: Some(shot(ms, [0, 0])), ..frames(ms, i) };
            assert_eq!(freshness.check(&moment), Ok(Ok(())));
        }
        let back = Frameset { ir: Some(shot(1, [200, 9])), ..frames(1000, 99) };
        assert_eq!(freshness.check(&back), Ok(Err(Reject::Unproven)), "c3: infrared of the past");
    }
}
