//! Whether a stream plays pictures again that it has shown before: a recording in a loop, fed in instead of a camera
//! (attack case C2).
//!
//! The lowest bit of a real sensor's pixels is noise, also of a scene in which nothing moves: of 256 of them about half
//! differ between any two pictures, of a strongly compressed quiet scene a tenth. Of a picture that was shown before none
//! do, or a few, where somebody has drawn a clock over it. So 256 bits at fixed places are a picture's mark, and the last
//! pictures' marks are kept. Nothing but exact or nearly exact repetition is found: whoever adds noise of his own is not.
//! docs/injection.md has the figures.

use std::collections::VecDeque;

use crate::frame::{Plane, Rgb};

/// Bits of a mark.
const BITS: u32 = 256;
/// Pictures whose marks are kept: four and a half minutes at 30 a second, in 256 KiB, searched in a tenth of a
/// millisecond.
const KEPT: usize = 8192;
/// Pixels of a picture that has a mark: in a smaller one the places are too few to be anybody's.
const PIXELS_MIN: usize = 4096;
/// Marks that differ in this many bits at most are those of one picture.
const NEAR: u32 = 8;

type Mark = [u64; (BITS / 64) as usize];

/// The marks of one sensor's last pictures.
#[derive(Debug, Default)]
pub(crate) struct Recurrence {
    marks: VecDeque<Mark>,
}

/// A pixel whose lowest bit is noise.
pub(crate) trait Noisy: Copy {
    /// That bit.
    fn noise(self) -> bool;
}

impl Noisy for Rgb {
    fn noise(self) -> bool {
        self[1] & 1 == 1
    }
}

impl Noisy for u8 {
    fn noise(self) -> bool {
        self & 1 == 1
    }
}

impl Noisy for u16 {
    fn noise(self) -> bool {
        self & 1 == 1
    }
}

impl Recurrence {
    /// Whether this picture was shown before, and not just now: a stream whose successive pictures are nearly the same
    /// has no noise to go by, as one of an empty hall in depth.
    pub(crate) fn shows_again<P: Noisy>(&mut self, plane: &Plane<P>) -> bool {
        if plane.pixels().len() < PIXELS_MIN {
            return false;
        }
        let mark = mark(plane);
        let quiet = self.marks.back().is_some_and(|last| apart(last, &mark) <= NEAR);
        let again = !quiet && self.marks.iter().any(|kept| apart(kept, &mark) <= NEAR);
        if self.marks.len() == KEPT {
            self.marks.pop_front();
        }
        self.marks.push_back(mark);
        again
    }
}

fn mark<P: Noisy>(plane: &Plane<P>) -> Mark {
    let pixels = plane.pixels();
    let mut mark = Mark::default();
    for bit in 0..BITS as usize {
        // A multiplicative walk (Knuth, TAOCP 3, 6.4) spreads the places over the picture without a pattern of its own.
        let place = (bit as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        let pixel = pixels[usize::try_from(place % pixels.len() as u64).unwrap_or(0)];
        mark[bit / 64] |= u64::from(pixel.noise()) << (bit % 64);
    }
    mark
}

fn apart(a: &Mark, b: &Mark) -> u32 {
    a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum()
}

#[cfg(test)]
mod tests {
    use rand::{RngExt as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// One scene with noise of this many steps; `number` draws it.
    fn picture(number: u64, steps: u8) -> Plane<u8> {
        let mut noise = ChaCha8Rng::seed_from_u64(number);
        let pixels = (0..160 * 120u32).map(|at| {
            let scene = u8::try_from(40 + at % 160).unwrap_or(200);
            scene + noise.random_range(0..steps)
        });
        Plane::new(160, 120, pixels.collect()).unwrap()
    }

    #[test]
    fn c2_a_loop_is_found_as_soon_as_it_comes_round_whatever_frames_are_left_out() {
        let mut recurrence = Recurrence::default();
        for number in 0..50 {
            assert!(!recurrence.shows_again(&picture(number, 2)), "{number}");
        }
        for number in [0, 2, 3, 7, 8, 30, 49, 1] {
            assert!(recurrence.shows_again(&picture(number, 2)), "{number}");
        }
        assert!(!recurrence.shows_again(&picture(1000, 2)), "and it is over with the first new one");
    }

    #[test]
    fn c2_a_clock_drawn_over_a_loop_does_not_hide_it() {
        let mut recurrence = Recurrence::default();
        for number in 0..10 {
            recurrence.shows_again(&picture(number, 4));
        }
        let mut drawn = picture(4, 4);
        drawn.pixels_mut()[..160 * 2].fill(255);
        assert!(recurrence.shows_again(&drawn));
    }

    #[test]
    fn a_scene_in_which_nothing_moves_is_no_loop() {
        let mut recurrence = Recurrence::default();
        let alarms = (0..3000).filter(|number| recurrence.shows_again(&picture(*number, 2))).count();
        assert_eq!(alarms, 0, "of 3,000, so less than 0.1 % with 95 % confidence");
        let mut silent = Recurrence::default();
        assert!((0..100).all(|_| !silent.shows_again(&picture(7, 2))), "a freeze is another thing");
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut recurrence = Recurrence::default();
        let flat = Plane::filled(64, 64, 7u16).unwrap();
        for _ in 0..KEPT + 10 {
            recurrence.shows_again(&flat);
        }
        assert_eq!(recurrence.marks.len(), KEPT);
    }
}
