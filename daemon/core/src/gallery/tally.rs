//! How much the templates of a gallery resemble each other on average, kept up to date at the price of one addition
//! per value: the mean of all scores with a probe is the score with the mean template.

use zeroize::{Zeroize, ZeroizeOnDrop};

/// The sum of all templates. In 64 bits, so that adding and taking away leaves no trace that matters: 1e-16 each.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct Tally {
    sum: Vec<f64>,
    count: usize,
}

impl Tally {
    pub(super) fn new(dimension: usize) -> Self {
        Self { sum: vec![0.0; dimension], count: 0 }
    }

    pub(super) fn add(&mut self, values: &[f32]) {
        self.sum.iter_mut().zip(values).for_each(|(sum, v)| *sum += f64::from(*v));
        self.count += 1;
    }

    /// The opposite of [`Tally::add`].
    pub(super) fn take(&mut self, values: &[f32]) {
        self.sum.iter_mut().zip(values).for_each(|(sum, v)| *sum -= f64::from(*v));
        self.count -= 1;
    }

    /// The mean score of a probe with all but `own` templates, whose scores sum up to `own_scores`.
    #[expect(clippy::cast_possible_truncation, reason = "a score below 1 is rounded to 32 bits")]
    pub(super) fn mean_score(&self, probe: &[f32], own: usize, own_scores: f64) -> Option<f32> {
        let others = self.count - own;
        let all = self.sum.iter().zip(probe).map(|(sum, v)| sum * f64::from(*v)).sum::<f64>();
        (others > 0).then(|| ((all - own_scores) / others as f64) as f32)
    }

    /// The mean score of two different templates: the square of the sum holds every pair twice, and every template
    /// with itself, which is 1.
    #[expect(clippy::cast_possible_truncation, reason = "a score below 1 is rounded to 32 bits")]
    pub(super) fn usual_score(&self) -> Option<f32> {
        let count = self.count as f64;
        let square = self.sum.iter().map(|v| v * v).sum::<f64>();
        (self.count > 1).then(|| ((square - count) / (count * (count - 1.0))) as f32)
    }
}
