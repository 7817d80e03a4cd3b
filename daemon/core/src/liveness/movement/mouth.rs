//! What a mouth does over time: a reading of one picture may err, the middle one of several hardly.

use std::collections::VecDeque;

/// Readings of the mouth of which the middle one counts: more than half of them must show a smile.
pub const MOUTH_WINDOW: usize = 9;
/// How far the mouth must change; from a mean face to a mean smile it is 2, from one at rest before a camera 2.5. The most that
/// photographs and masks reached that were turned, tilted, moved and bent is 0.42, and 0.59 where they were lowered, which is not
/// read; docs/liveness.md has both error rates.
pub const MOUTH_CHANGE_MIN: f32 = 0.8;

/// What the mouth did since a moment.
#[derive(Debug, Clone, Default)]
pub struct Mouth {
    /// The newest readings, of which the middle one counts.
    recent: VecDeque<f32>,
    /// The least and the most of what counted.
    span: Option<(f32, f32)>,
}

impl Mouth {
    /// Takes the next reading of [`smile::score`](crate::liveness::smile::score).
    pub fn read(&mut self, score: f32) {
        if !score.is_finite() {
            return;
        }
        if self.recent.len() == MOUTH_WINDOW {
            self.recent.pop_front();
        }
        self.recent.push_back(score);
        if let Some(middle) = self.middle().filter(|_| self.recent.len() == MOUTH_WINDOW) {
            let (least, most) = self.span.unwrap_or((middle, middle));
            self.span = Some((least.min(middle), most.max(middle)));
        }
    }

    /// From here on it counts anew, from what the mouth does now, of however few readings: a slow camera has three when the first
    /// order comes, and a smile that follows would else be taken for the rest.
    pub(super) fn begin(&mut self) {
        self.span = self.middle().map(|middle| (middle, middle));
    }

    fn middle(&self) -> Option<f32> {
        let mut sorted: Vec<f32> = self.recent.iter().copied().collect();
        sorted.sort_by(f32::total_cmp);
        sorted.get(sorted.len() / 2).copied()
    }

    /// How far it changed; about 2 from a mean face to a mean smile.
    #[must_use]
    pub fn change(&self) -> f32 {
        self.span.map_or(0.0, |(least, most)| most - least)
    }

    /// Whether that is as far as a smile.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        self.change() >= MOUTH_CHANGE_MIN
    }
}
