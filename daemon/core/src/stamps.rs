//! Whether the numbers and times of one camera's frames can be those of a sensor (attack cases C2, C3). A stream that repeats
//! itself, whose time runs backwards, away from ours, or slower than its frames are counted, is replayed, looped or broken, and
//! no frame of it may be judged.
//!
//! Each rule follows from how frames come about: a sensor takes one after the other, none before it is exposed, and no more of
//! them than its driver agreed to. None is fitted to any camera's jitter. docs/injection.md says what cannot be told.

use std::time::Duration;

use crate::time::Mono;

/// A frame is read at most this long after it was taken: a transfer takes a tenth of it, and what lies further back was kept.
/// A clock of its own leaves this window however close it began: one that is wrong by a hundredth within two minutes.
pub const AGE_MAX: Duration = Duration::from_secs(1);
/// What a counted frame takes at least, in fifths of the agreed interval: drivers round 28 frames a second to 30.
const FIFTHS: u32 = 4;
/// How far frames may be ahead of that. A transfer that was held up delivers half a second of them at once.
const HASTE_MAX: Duration = Duration::from_millis(500);
/// What is remembered of more haste than that: a stream that keeps time again is believed within five times the difference.
const HASTE_KEPT: Duration = Duration::from_secs(1);

/// What is wrong with a frame's place in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Disorder {
    /// The same frame again.
    #[error("frame {0} came twice")]
    Repeated(u32),
    /// The counter went back.
    #[error("frame {sequence} came after frame {before}")]
    SequenceWentBack {
        /// Counter of this frame.
        sequence: u32,
        /// Counter of the frame before.
        before: u32,
    },
    /// The clock of the frames went back.
    #[error("taken {0} microseconds before the frame that came earlier")]
    TimeWentBack(u64),
    /// Taken too long ago.
    #[error("its time is {} ms old, at most {} ms are taken", .0.as_millis(), AGE_MAX.as_millis())]
    Old(Duration),
    /// Read before it was taken.
    #[error("its time is {} ms ahead, at most {} ms are taken", by.as_millis(), allowed.as_millis())]
    Ahead {
        /// By how much.
        by: Duration,
        /// How much a driver may foretell.
        allowed: Duration,
    },
    /// More frames were counted than the camera can have taken.
    #[error("its frames are counted {} ms faster than the agreed rate gives them", .0.as_millis())]
    TooFast(Duration),
}

/// Admits frames that follow the ones admitted before.
#[derive(Debug, Default)]
pub struct Stamps {
    /// Time between two frames that was agreed with the driver; none where it has no say in it.
    interval: Option<Duration>,
    last: Option<(u32, Mono)>,
    /// By how much the counter is ahead of the clock.
    haste: Duration,
    /// Frames that came since the last admitted one and were not shown to this.
    passed_over: u64,
    lost: u64,
}

impl Stamps {
    /// Of a camera with this time between two frames.
    #[must_use]
    pub fn every(interval: Duration) -> Self {
        Self { interval: Some(interval), ..Self::default() }
    }

    /// Admits the frame as [`Self::admit`] does, if it was read when it can have been: not before it was taken, and not long
    /// after. Drivers foretell a frame's time by an interval at most.
    ///
    /// # Errors
    /// [`Disorder`].
    pub fn admit_read(&mut self, sequence: u32, at: Mono, read_at: Mono) -> Result<(), Disorder> {
        let (age, by) = (read_at.since(at), at.since(read_at));
        let allowed = self.interval.unwrap_or(AGE_MAX);
        if age > AGE_MAX || by > allowed {
            // It came, so whoever follows does not miss it.
            self.pass_over(1);
            return Err(if by > allowed { Disorder::Ahead { by, allowed } } else { Disorder::Old(age) });
        }
        self.admit(sequence, at)
    }

    /// Admits the frame, and counts the ones that are missing before it.
    ///
    /// A counter that went back is refused once and then followed, because drivers start it anew; time never is.
    ///
    /// # Errors
    /// [`Disorder`].
    pub fn admit(&mut self, sequence: u32, at: Mono) -> Result<(), Disorder> {
        let Some((before, earlier)) = self.last else {
            self.follow(sequence, at);
            return Ok(());
        };
        if at < earlier {
            self.pass_over(1);
            return Err(Disorder::TimeWentBack(earlier.0 - at.0));
        }
        let step = sequence.wrapping_sub(before);
        if step == 0 {
            return Err(Disorder::Repeated(sequence));
        }
        let passed_over = self.follow(sequence, at);
        if step > u32::MAX / 2 {
            return Err(Disorder::SequenceWentBack { sequence, before });
        }
        self.hurry(step, at.since(earlier))?;
        self.lost += u64::from(step - 1).saturating_sub(passed_over);
        Ok(())
    }

    /// Frames came that will not be shown here: they are missing in the counter, and yet not lost.
    pub fn pass_over(&mut self, frames: u64) {
        self.passed_over += frames;
    }

    /// Frames that never came.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Goes on from this frame; returns how many were passed over before it.
    fn follow(&mut self, sequence: u32, at: Mono) -> u64 {
        self.last = Some((sequence, at));
        std::mem::take(&mut self.passed_over)
    }

    /// `step` frames were counted while `passed` went by.
    fn hurry(&mut self, step: u32, passed: Duration) -> Result<(), Disorder> {
        let Some(interval) = self.interval else { return Ok(()) };
        let needed = interval.saturating_mul(step) / 5 * FIFTHS;
        let haste = self.haste.saturating_add(needed).saturating_sub(passed);
        self.haste = haste.min(HASTE_KEPT);
        if haste > HASTE_MAX { Err(Disorder::TooFast(haste)) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INTERVAL: Duration = Duration::from_micros(33_333);

    fn ms(ms: u64) -> Mono {
        Mono::from_millis(ms)
    }

    #[test]
    fn gaps_are_counted_also_where_the_counter_wraps() {
        let mut stamps = Stamps::default();
        for (sequence, ms) in [(u32::MAX - 1, 0), (u32::MAX, 33), (0, 66), (4, 99)] {
            stamps.admit(sequence, Mono::from_millis(ms)).unwrap();
        }
        assert_eq!(stamps.lost(), 3);
    }

    #[test]
    fn frames_that_were_passed_over_are_not_lost() {
        let mut stamps = Stamps::default();
        stamps.pass_over(3);
        stamps.admit(10, Mono(1)).unwrap();
        stamps.pass_over(1);
        stamps.admit(14, Mono(2)).unwrap();
        assert_eq!(stamps.lost(), 2, "11, 12 and 13 are missing, and one of them came");
        stamps.pass_over(5);
        stamps.admit(15, Mono(3)).unwrap();
        stamps.admit(17, Mono(4)).unwrap();
        assert_eq!(stamps.lost(), 3, "a driver that does not count its drops hides no later loss");
    }

    #[test]
    fn c2_a_repeated_frame_is_refused() {
        let mut stamps = Stamps::default();
        stamps.admit(7, Mono::from_millis(1)).unwrap();
        assert_eq!(stamps.admit(7, Mono::from_millis(34)), Err(Disorder::Repeated(7)));
        assert_eq!(stamps.admit(8, Mono::from_millis(67)), Ok(()));
    }

    #[test]
    fn c3_time_that_goes_back_is_refused_until_it_has_caught_up() {
        let mut stamps = Stamps::default();
        stamps.admit(1, Mono(1000)).unwrap();
        assert_eq!(stamps.admit(2, Mono(400)), Err(Disorder::TimeWentBack(600)));
        assert_eq!(stamps.admit(3, Mono(999)), Err(Disorder::TimeWentBack(1)));
        assert_eq!(stamps.admit(4, Mono(1000)), Ok(()));
    }

    #[test]
    fn c2_a_counter_that_goes_back_is_refused_once() {
        let mut stamps = Stamps::default();
        stamps.admit(500, Mono(1)).unwrap();
        assert_eq!(stamps.admit(0, Mono(2)), Err(Disorder::SequenceWentBack { sequence: 0, before: 500 }));
        assert_eq!(stamps.admit(1, Mono(3)), Ok(()));
    }

    #[test]
    fn c3_a_frame_is_read_neither_before_it_was_taken_nor_long_after() {
        let read = |at: u64, mut stamps: Stamps| stamps.admit_read(1, ms(at), ms(10_000));
        for good in [9_000, 9_990, 10_000, 10_033] {
            assert_eq!(read(good, Stamps::every(INTERVAL)), Ok(()));
        }
        let told = read(8_999, Stamps::every(INTERVAL)).unwrap_err().to_string();
        assert!(told.contains("1001 ms old"), "{told}");
        let told = read(10_034, Stamps::every(INTERVAL)).unwrap_err().to_string();
        assert!(told.contains("34 ms ahead, at most 33"), "{told}");
        assert_eq!(read(11_000, Stamps::default()), Ok(()), "a generator whose rate is not known");
        assert!(read(11_001, Stamps::default()).is_err());
        assert!(read(0, Stamps::default()).is_err(), "a driver that does not stamp its frames");
    }

    #[test]
    fn c3_a_clock_of_its_own_leaves_the_window_in_both_directions() {
        for percent in [99, 101] {
            let mut stamps = Stamps::every(INTERVAL);
            let refused = (1..6000u64).find(|n| {
                let real = n * 33_333;
                let own = 1_000_000 + real * percent / 100;
                let sequence = u32::try_from(*n).unwrap();
                stamps.admit_read(sequence, Mono(own), Mono(1_020_000 + real)).is_err()
            });
            let seconds = refused.expect("it is found") / 30;
            assert!(seconds < 120, "{percent} %: {seconds} s");
        }
    }

    #[test]
    fn c3_more_frames_than_the_agreed_rate_gives_are_refused_until_time_is_kept_again() {
        let mut stamps = Stamps::every(INTERVAL);
        let (mut sequence, mut at) = (0, 0);
        let mut next = |frames: u32, passed: u64| {
            (sequence, at) = (sequence + frames, at + passed);
            stamps.admit(sequence, Mono(at))
        };
        let doubled: Vec<bool> = (0..300).map(|_| next(1, 16_666).is_ok()).collect();
        let first = doubled.iter().position(|admitted| !admitted).expect("a doubled rate is found");
        assert!(first < 60, "after {first} frames");
        assert!(doubled[first..].iter().all(|admitted| !admitted), "and nothing of it is let through");
        let steady = (0..).take_while(|_| next(1, 33_333).is_err()).count();
        assert!(steady < 120, "{steady} frames until it is believed");
        assert_eq!(next(1, 33_333), Ok(()));
        assert!(matches!(next(60, 33_333), Err(Disorder::TooFast(_))), "a counter that runs ahead of time");
    }

    proptest! {
        /// Whatever a camera's frames go through on their way, they are its own.
        #[test]
        fn a_camera_that_keeps_its_rate_is_admitted_whatever_its_stamps_jitter_by(
            delays in prop::collection::vec(0u64..200_000, 400),
            dark in 1u64..4,
            skipped in prop::collection::vec(0u64..3, 400),
            rate in prop::sample::select(vec![28u64, 30, 31]),
        ) {
            let mut stamps = Stamps::every(INTERVAL);
            let (mut last, mut number) = (0, 0);
            for (delay, skipped) in delays.into_iter().zip(skipped) {
                number += 1 + skipped;
                // Stamped when the transfer was done, which may have waited; never before its predecessor.
                let at = (number * dark * 1_000_000 / rate + delay).max(last);
                last = at;
                let sequence = u32::try_from(number).unwrap();
                prop_assert_eq!(stamps.admit_read(sequence, Mono(at), Mono(at + 5_000)), Ok(()));
            }
        }
    }
}
