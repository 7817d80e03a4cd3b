//! What the trail is told of one camera: that it is lost, and that its frames cannot be a sensor's. A door that lets nobody
//! in because its infrared camera died is a fault that somebody far away has to see.

use std::time::Duration;

use crate::time::Mono;

/// Without a usable frame for this long a camera is lost: longer than any door's camera takes between two.
const LOST_AFTER: Duration = Duration::from_secs(2);
/// Frames in a row whose numbers or times no sensor gives, after which that is a fault: one alone is a driver's slip.
const UNTIMELY_MAX: u32 = 10;
/// How long all frames must be timely again until that is over, so that whoever alternates fills no trail.
const TIMELY_AFTER: Duration = Duration::from_secs(10);

/// What came of one wait for a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Came {
    /// A frame that can be used.
    Frame,
    /// A frame whose number or time no sensor gives.
    Untimely,
    /// Nothing, or nothing that can be used.
    Nothing,
}

/// A fault that begins (`true`) or is over, by its code.
pub type Told = (&'static str, bool);

/// One camera, as long as its terminal runs.
#[derive(Debug)]
pub struct Sight {
    /// The last usable frame, or the start.
    used: Mono,
    lost: bool,
    /// Untimely frames since the last usable one.
    in_a_row: u32,
    /// The last untimely frame, while that is a fault.
    untimely: Option<Mono>,
}

impl Sight {
    /// The code of a camera without usable frames.
    pub const LOST: &str = "lost";
    /// The code of a camera whose frames cannot be a sensor's.
    pub const UNTIMELY: &str = "untimely";

    /// Of a camera that begins to be waited for.
    #[must_use]
    pub fn new(now: Mono) -> Self {
        Self { used: now, lost: false, in_a_row: 0, untimely: None }
    }

    /// Takes what came; says what there is to be told.
    pub fn see(&mut self, came: Came, now: Mono) -> impl Iterator<Item = Told> {
        let (was_lost, was_untimely) = (self.lost, self.untimely.is_some());
        match came {
            Came::Frame => {
                (self.used, self.lost, self.in_a_row) = (now, false, 0);
                self.untimely = self.untimely.filter(|last| now.since(*last) < TIMELY_AFTER);
            }
            Came::Untimely => {
                self.in_a_row = self.in_a_row.saturating_add(1);
                if was_untimely || self.in_a_row >= UNTIMELY_MAX {
                    self.untimely = Some(now);
                }
            }
            Came::Nothing => {}
        }
        self.lost |= now.since(self.used) >= LOST_AFTER;
        let untimely = self.untimely.is_some();
        let lost = (was_lost != self.lost).then_some((Self::LOST, self.lost));
        lost.into_iter().chain((was_untimely != untimely).then_some((Self::UNTIMELY, untimely)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of a camera that gives this every 100 ms, with the number of the frame.
    fn told(came: impl IntoIterator<Item = Came>) -> Vec<(usize, &'static str, bool)> {
        let mut sight = Sight::new(Mono(0));
        let at = |frame: usize| Mono::from_millis(frame as u64 * 100);
        let mut all = Vec::new();
        for (frame, came) in came.into_iter().enumerate() {
            all.extend(sight.see(came, at(frame)).map(|(code, begins)| (frame, code, begins)));
        }
        all
    }

    fn times(came: Came, count: usize) -> impl Iterator<Item = Came> {
        std::iter::repeat_n(came, count)
    }

    #[test]
    fn c4_a_camera_that_is_lost_and_comes_back_is_told_once_each() {
        let away = times(Came::Frame, 5).chain(times(Came::Nothing, 100)).chain(times(Came::Frame, 5));
        assert_eq!(told(away), [(24, Sight::LOST, true), (105, Sight::LOST, false)]);
        let slow = (0..200).map(|frame| if frame % 15 == 0 { Came::Frame } else { Came::Nothing });
        assert_eq!(told(slow), [], "a slow one is not lost");
    }

    #[test]
    fn c3_a_stream_that_no_sensor_gives_is_told_and_over_once_it_kept_time_for_ten_seconds() {
        let slip = (0..300).map(|frame| if frame % 10 == 9 { Came::Untimely } else { Came::Frame });
        assert_eq!(told(slip), [], "a driver's slip is none");
        let replayed = times(Came::Untimely, 12).chain(times(Came::Frame, 120));
        assert_eq!(told(replayed), [(9, Sight::UNTIMELY, true), (111, Sight::UNTIMELY, false)]);
    }

    #[test]
    fn c3_whoever_alternates_between_both_fills_no_trail() {
        let both = (0..30).flat_map(|_| times(Came::Untimely, 15).chain(times(Came::Frame, 50)));
        assert_eq!(told(both), [(9, Sight::UNTIMELY, true)]);
    }
}
