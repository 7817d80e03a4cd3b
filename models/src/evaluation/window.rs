//! Several frames, one verdict: the rules by which a terminal's attempt is judged, as one score that can be swept.

/// How frames make a verdict.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// Consecutive frames that are judged together.
    pub frames: usize,
    /// Smallest confidence of each single frame, 0 to 100: no lucky frame makes good another one.
    pub frame_min: f32,
    /// Smallest mean confidence of the frames, 0 to 100.
    pub mean_min: f32,
}

impl Default for Window {
    /// Those of a terminal as it is delivered.
    fn default() -> Self {
        let (policy, attempt) =
            (doorward_core::liveness::Policy::default(), doorward_core::attempt::Limits::default());
        Self { frames: attempt.window, frame_min: 100.0 * policy.rgb_min, mean_min: policy.window_min }
    }
}

impl Window {
    /// One score, 0 to 100, for each window of frames: it reaches [`Window::mean_min`] exactly where both rules hold.
    /// Above and below it is the mean, or the least frame raised by the ratio of the two limits, whichever is less; so a
    /// threshold that is swept moves both rules in step. Frames without a face are passed over; a window without any is
    /// `None`. Windows do not overlap; a rest that is shorter is left out, unless it is all there is.
    #[must_use]
    pub fn scores(&self, frames: &[Option<f32>]) -> Vec<Option<f32>> {
        let length = self.frames.max(1);
        let whole = frames.chunks_exact(length);
        let parts: Vec<&[Option<f32>]> = if frames.len() < length { vec![frames] } else { whole.collect() };
        parts.into_iter().map(|part| self.score(part)).collect()
    }

    fn score(&self, part: &[Option<f32>]) -> Option<f32> {
        let seen: Vec<f32> = part.iter().copied().flatten().collect();
        let least = seen.iter().copied().min_by(f32::total_cmp)?;
        let mean = seen.iter().sum::<f32>() / seen.len() as f32;
        let raised = if least >= self.frame_min {
            // A frame at its floor shall not fail by a digit of this very multiplication.
            (least * self.mean_min / self.frame_min).max(self.mean_min)
        } else {
            (least * self.mean_min / self.frame_min).min(self.mean_min.next_down())
        };
        Some(mean.min(raised))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Window = Window { frames: 3, frame_min: 50.0, mean_min: 60.0 };

    fn passes(frames: &[f32]) -> bool {
        let frames: Vec<Option<f32>> = frames.iter().map(|c| Some(*c)).collect();
        RULES.scores(&frames)[0].unwrap() >= RULES.mean_min
    }

    #[test]
    fn a_window_passes_exactly_where_each_frame_and_their_mean_reach_their_limits() {
        for a in 0..=20u8 {
            for b in 0..=20u8 {
                for c in 0..=20u8 {
                    let frames = [a, b, c].map(|x| 5.0 * f32::from(x));
                    let mean = (frames[0] + frames[1] + frames[2]) / 3.0;
                    let expected = frames.iter().all(|x| *x >= 50.0) && mean >= 60.0;
                    assert_eq!(passes(&frames), expected, "{frames:?}");
                }
            }
        }
    }

    #[test]
    fn p1_two_lucky_frames_do_not_make_good_a_third() {
        assert!(!passes(&[100.0, 100.0, 49.0]));
        assert!(passes(&[100.0, 100.0, 51.0]));
    }

    #[test]
    fn windows_do_not_overlap_and_frames_without_a_face_are_passed_over() {
        let frames = [Some(70.0), None, Some(90.0), None, None, None, Some(80.0)];
        assert_eq!(RULES.scores(&frames), [Some(80.0), None]);
        assert_eq!(RULES.scores(&frames[6..]), [Some(80.0)]);
        assert_eq!(RULES.scores(&[]), [None]);
    }

    #[test]
    fn the_rules_are_those_of_the_terminal() {
        assert_eq!(Window::default(), RULES);
    }
}
