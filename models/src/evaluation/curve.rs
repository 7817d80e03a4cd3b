//! False matches and false non-matches at every threshold, exactly: nothing is binned.
//!
//! A pair matches where its score reaches the threshold. FMR is the share of impostor pairs that match, FNMR the share
//! of genuine pairs that do not (ISO/IEC 19795-1). Both can change only at a score that occurs, so the operating
//! points are the distinct scores and one point above them all, where nothing matches.

use serde::Serialize;

use super::interval::Interval;

/// Errors among trials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Count {
    /// How many went wrong.
    pub errors: u64,
    /// Of how many.
    pub trials: u64,
}

impl Count {
    /// The rate: 0 of 0 is 0.
    #[must_use]
    pub fn rate(self) -> f64 {
        if self.trials == 0 { 0.0 } else { self.errors as f64 / self.trials as f64 }
    }

    /// Its exact 95 % interval.
    #[must_use]
    pub fn interval(self) -> Interval {
        Interval::exact(self.errors, self.trials)
    }
}

/// What happens at one threshold. The counts are sums of weights where pairs are weighted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OperatingPoint {
    /// Scores from here on match.
    pub threshold: f32,
    /// Impostor pairs that match.
    pub false_matches: Count,
    /// Genuine pairs that do not.
    pub false_non_matches: Count,
}

/// The scores of a test in ascending order.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    genuine: Vec<f32>,
    impostor: Vec<f32>,
}

impl Curve {
    /// The curve of these scores, in any order. A pair that could not be compared may stand in as negative infinity:
    /// it never matches.
    #[must_use]
    pub fn new(mut genuine: Vec<f32>, mut impostor: Vec<f32>) -> Self {
        debug_assert!(
            !genuine.iter().chain(&impostor).any(|score| score.is_nan()),
            "scores are checked before"
        );
        genuine.sort_unstable_by(f32::total_cmp);
        impostor.sort_unstable_by(f32::total_cmp);
        Self { genuine, impostor }
    }

    /// Genuine scores, ascending.
    #[must_use]
    pub fn genuine(&self) -> &[f32] {
        &self.genuine
    }

    /// Impostor scores, ascending.
    #[must_use]
    pub fn impostor(&self) -> &[f32] {
        &self.impostor
    }

    /// What happens at `threshold`, observed or not.
    #[must_use]
    pub fn at(&self, threshold: f32) -> OperatingPoint {
        let below = |scores: &[f32]| scores.partition_point(|score| *score < threshold) as u64;
        let (genuine, impostor) = (self.genuine.len() as u64, self.impostor.len() as u64);
        OperatingPoint {
            threshold,
            false_matches: Count { errors: impostor - below(&self.impostor), trials: impostor },
            false_non_matches: Count { errors: below(&self.genuine), trials: genuine },
        }
    }

    /// Every operating point, by ascending threshold: from "all match" to "none matches".
    pub fn points(&self) -> impl Iterator<Item = OperatingPoint> {
        Walk::new(
            Weighted { scores: &self.genuine, weights: None },
            Weighted { scores: &self.impostor, weights: None },
        )
    }

    /// EER, and FNMR at the wanted FMRs; `None` where one side has no scores.
    #[must_use]
    pub fn summary(&self, fmrs: &[f64]) -> Option<Summary> {
        Summary::of(self.points(), fmrs)
    }
}

/// The figures that a curve is usually known by.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Equal error rate: where FMR and FNMR cross, on the straight line between the operating points beside it.
    pub eer: f64,
    /// The threshold there, by the same line.
    pub eer_threshold: f64,
    /// The first operating point at or beyond the crossing.
    pub eer_point: OperatingPoint,
    /// For each wanted FMR the first operating point that does not exceed it.
    pub at_fmr: Vec<OperatingPoint>,
}

impl Summary {
    /// Reads `points` (ascending thresholds) once; `fmrs` may be in any order.
    pub(super) fn of(points: impl Iterator<Item = OperatingPoint>, fmrs: &[f64]) -> Option<Self> {
        let mut falling: Vec<usize> = (0..fmrs.len()).collect();
        falling.sort_by(|one, other| fmrs[*other].total_cmp(&fmrs[*one]));
        let mut wanted = falling.into_iter().peekable();
        let mut at_fmr = vec![None; fmrs.len()];
        let mut eer = None;
        let mut before: Option<OperatingPoint> = None;
        for point in points {
            let fmr = point.false_matches.rate();
            while let Some(found) = wanted.next_if(|place| fmr <= fmrs[*place]) {
                at_fmr[found] = Some(point);
            }
            if eer.is_none() && point.false_non_matches.rate() >= fmr {
                eer = Some((crossing(before.unwrap_or(point), point), point));
            }
            if eer.is_some() && wanted.peek().is_none() {
                break;
            }
            before = Some(point);
        }
        let ((eer, eer_threshold), eer_point) = eer?;
        Some(Self { eer, eer_threshold, eer_point, at_fmr: at_fmr.into_iter().collect::<Option<_>>()? })
    }
}

/// Rate and threshold where the line between two operating points meets FMR = FNMR.
fn crossing(before: OperatingPoint, after: OperatingPoint) -> (f64, f64) {
    let lead = before.false_matches.rate() - before.false_non_matches.rate();
    let lag = after.false_non_matches.rate() - after.false_matches.rate();
    let share = if lead + lag > 0.0 { lead / (lead + lag) } else { 1.0 };
    let between = |from: f64, to: f64| from + share * (to - from);
    let (low, high) = (f64::from(before.threshold), f64::from(after.threshold));
    let threshold = if low.is_finite() { between(low, high) } else { high };
    (between(before.false_matches.rate(), after.false_matches.rate()), threshold)
}

/// The lowest observed score that at most the share `allowed` of all scores reaches; just above them all where too many
/// are equal.
///
/// # Panics
/// If there are no scores.
pub(super) fn lowest_threshold(ascending: &[f32], allowed: f64) -> f32 {
    let last = *ascending.last().expect("callers refuse empty sides");
    let most = allowed * ascending.len() as f64;
    // The share that reaches a score falls along the order, so the first score with an allowed share is wanted.
    let first = ascending.partition_point(|score| {
        let reaching = ascending.len() - ascending.partition_point(|other| other < score);
        reaching as f64 > most
    });
    ascending.get(first).copied().unwrap_or_else(|| last.next_up())
}

/// Sorted scores, each of which may count several times or not at all.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weighted<'a> {
    pub(super) scores: &'a [f32],
    /// One per score; without them each counts once.
    pub(super) weights: Option<&'a [u32]>,
}

impl Weighted<'_> {
    fn total(&self) -> u64 {
        self.weights.map_or(self.scores.len() as u64, |weights| weights.iter().map(|w| u64::from(*w)).sum())
    }

    /// Moves `next` beyond all scores up to `threshold` and returns their weight.
    fn pass(&self, next: &mut usize, threshold: f32) -> u64 {
        let mut weight = 0;
        while self.scores.get(*next).is_some_and(|score| *score <= threshold) {
            weight += self.weights.map_or(1, |weights| u64::from(weights[*next]));
            *next += 1;
        }
        weight
    }
}

/// Goes through the operating points by ascending threshold.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    genuine: Weighted<'a>,
    impostor: Weighted<'a>,
    next_genuine: usize,
    next_impostor: usize,
    false_non_matches: Count,
    false_matches: Count,
    over: bool,
}

impl<'a> Walk<'a> {
    /// A walk over both sides; it is empty where one of them weighs nothing, since one rate is then undefined.
    pub(super) fn new(genuine: Weighted<'a>, impostor: Weighted<'a>) -> Self {
        let (genuine_total, impostor_total) = (genuine.total(), impostor.total());
        Self {
            genuine,
            impostor,
            next_genuine: 0,
            next_impostor: 0,
            false_non_matches: Count { errors: 0, trials: genuine_total },
            false_matches: Count { errors: impostor_total, trials: impostor_total },
            over: genuine_total == 0 || impostor_total == 0,
        }
    }

    /// The next score that occurs; above all of them, one more.
    fn threshold(&mut self) -> f32 {
        let genuine = self.genuine.scores.get(self.next_genuine);
        let impostor = self.impostor.scores.get(self.next_impostor);
        match (genuine, impostor) {
            (Some(one), Some(other)) => one.min(*other),
            (Some(only), None) | (None, Some(only)) => *only,
            (None, None) => {
                self.over = true;
                let last = |scores: &[f32]| scores.last().copied().unwrap_or(f32::NEG_INFINITY);
                last(self.genuine.scores).max(last(self.impostor.scores)).next_up()
            }
        }
    }
}

impl Iterator for Walk<'_> {
    type Item = OperatingPoint;

    fn next(&mut self) -> Option<OperatingPoint> {
        if self.over {
            return None;
        }
        let threshold = self.threshold();
        let point = OperatingPoint {
            threshold,
            false_matches: self.false_matches,
            false_non_matches: self.false_non_matches,
        };
        self.false_non_matches.errors += self.genuine.pass(&mut self.next_genuine, threshold);
        self.false_matches.errors -= self.impostor.pass(&mut self.next_impostor, threshold);
        Some(point)
    }
}

#[cfg(test)]
mod tests {
    use super::super::interval::deviate;
    use super::super::synthetic::{normal, phi};
    use super::*;

    fn rates(point: &OperatingPoint) -> (f64, f64) {
        (point.false_matches.rate(), point.false_non_matches.rate())
    }

    #[test]
    fn a_set_counted_by_hand() {
        // Sorted: 0.1 i, 0.2 i, 0.3 g, 0.4 i, 0.5 g, 0.6 g. Four impostors, three genuine; 0.4 twice.
        let curve = Curve::new(vec![0.6, 0.3, 0.5], vec![0.4, 0.2, 0.1, 0.4]);
        let found: Vec<(f32, u64, u64)> = curve
            .points()
            .map(|p| (p.threshold, p.false_matches.errors, p.false_non_matches.errors))
            .collect();
        let above = 0.6f32.next_up();
        assert_eq!(
            found,
            [(0.1, 4, 0), (0.2, 3, 0), (0.3, 2, 0), (0.4, 2, 1), (0.5, 0, 1), (0.6, 0, 2), (above, 0, 3)]
        );
        for point in curve.points() {
            assert_eq!(curve.at(point.threshold), point);
        }
        // From (1/2, 1/3) to (0, 1/3): they cross at FNMR = 1/3, two thirds... of the way down from 1/2 to 0.
        let summary = curve.summary(&[0.5, 0.25, 0.0]).unwrap();
        assert!((summary.eer - 1.0 / 3.0).abs() < 1e-12);
        assert!((summary.eer_threshold - (0.4 + 0.1 / 3.0)).abs() < 1e-6);
        let at: Vec<f32> = summary.at_fmr.iter().map(|p| p.threshold).collect();
        assert_eq!(at, [0.3, 0.5, 0.5]);
    }

    #[test]
    fn ties_between_and_within_the_sides_move_together() {
        let all_equal = Curve::new(vec![0.5; 4], vec![0.5; 6]);
        assert_eq!(all_equal.points().map(|p| rates(&p)).collect::<Vec<_>>(), [(1.0, 0.0), (0.0, 1.0)]);
        let summary = all_equal.summary(&[0.1]).unwrap();
        assert_eq!(summary.eer, 0.5);
        assert_eq!(summary.at_fmr[0].threshold, 0.5f32.next_up());
        let zeros = Curve::new(vec![0.0, -0.0], vec![-0.0, 0.0]);
        assert_eq!(zeros.points().count(), 2, "both zeros are one score");
    }

    #[test]
    fn separated_sides_have_no_error_and_reversed_ones_have_only_errors() {
        let apart = Curve::new(vec![0.8, 0.9], vec![0.1, 0.2]).summary(&[0.0]).unwrap();
        assert_eq!((apart.eer, apart.at_fmr[0].threshold), (0.0, 0.8));
        assert_eq!(apart.at_fmr[0].false_non_matches, Count { errors: 0, trials: 2 });
        let reversed = Curve::new(vec![0.1, 0.2], vec![0.8, 0.9]).summary(&[0.0]).unwrap();
        assert_eq!(reversed.eer, 1.0);
        assert_eq!(reversed.at_fmr[0].threshold, 0.9f32.next_up());
    }

    #[test]
    fn one_empty_side_has_no_summary() {
        assert_eq!(Curve::new(vec![], vec![]).summary(&[0.1]), None);
        assert_eq!(Curve::new(vec![0.5], vec![]).summary(&[]), None);
        assert_eq!(Curve::new(vec![], vec![0.5]).points().count(), 0);
    }

    #[test]
    fn gaussians_have_the_error_rates_of_the_formula() {
        // Means `d` apart, unit deviation: EER = phi(-d/2) at d/2, FNMR at FMR f = phi(-deviate(f) - d).
        for distance in [0.5, 2.0, 3.0, 4.0] {
            let curve = Curve::new(normal(40_000, distance), normal(60_000, 0.0));
            let summary = curve.summary(&[1e-2, 1e-3]).unwrap();
            assert!((summary.eer - phi(-distance / 2.0)).abs() < 1e-4, "{distance}: {}", summary.eer);
            assert!((summary.eer_threshold - distance / 2.0).abs() < 2e-3, "{distance}");
            for (point, fmr) in summary.at_fmr.iter().zip([1e-2, 1e-3]) {
                let expected = phi(-deviate(fmr) - distance);
                assert!((point.false_non_matches.rate() - expected).abs() < 2e-3, "{distance} at {fmr}");
                assert!(point.false_matches.rate() <= fmr);
            }
        }
    }

    #[test]
    fn a_weight_is_as_good_as_a_repetition() {
        let (genuine, impostor) = ([0.3f32, 0.5, 0.7], [0.1f32, 0.4, 0.6]);
        let weighted = Walk::new(
            Weighted { scores: &genuine, weights: Some(&[2, 0, 1]) },
            Weighted { scores: &impostor, weights: Some(&[1, 3, 1]) },
        );
        let weighted = Summary::of(weighted, &[0.5, 0.2]).unwrap();
        let repeated =
            Curve::new(vec![0.3, 0.3, 0.7], vec![0.1, 0.4, 0.4, 0.4, 0.6]).summary(&[0.5, 0.2]).unwrap();
        assert_eq!(weighted.eer, repeated.eer);
        assert_eq!(
            weighted.at_fmr.iter().map(rates).collect::<Vec<_>>(),
            repeated.at_fmr.iter().map(rates).collect::<Vec<_>>()
        );
    }
}
