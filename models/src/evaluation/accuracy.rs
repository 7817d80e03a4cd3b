//! Accuracy at the best threshold, by ten folds, as results on Labeled Faces in the Wild are reported (Huang, Ramesh,
//! Berg and Learned-Miller, UMass Technical Report 07-49, 2007, view 2).
//!
//! The folds are consecutive tenths of both sides in the order given: with the pairs of LFW in their order these are
//! its own folds. Accuracy is the mean of both sides' shares of right answers, which is the plain share on LFW's equal
//! sides and still means something where impostors are a thousand times as many.

use std::ops::Range;

use serde::Serialize;

use super::comparison::Scored;
use super::curve::Curve;

/// Folds of LFW.
const FOLDS: usize = 10;

/// Accuracy over the folds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Accuracy {
    /// Mean over the folds, 0 to 1.
    pub mean: f64,
    /// Standard error of that mean.
    pub standard_error: f64,
    /// Mean of the thresholds that were best on the other nine folds.
    pub threshold: f64,
}

impl Accuracy {
    /// Accuracy of these pairs; `None` with fewer than ten on a side.
    #[must_use]
    pub fn of(genuine: &[Scored], impostor: &[Scored]) -> Option<Self> {
        if genuine.len() < FOLDS || impostor.len() < FOLDS {
            return None;
        }
        let folds: Vec<(f64, f64)> = (0..FOLDS)
            .map(|fold| {
                let (genuine_test, genuine_train) = split(genuine, fold);
                let (impostor_test, impostor_train) = split(impostor, fold);
                let threshold = best_threshold(&Curve::new(genuine_train, impostor_train));
                (correct(&Curve::new(genuine_test, impostor_test), threshold), f64::from(threshold))
            })
            .collect();
        let count = FOLDS as f64;
        let mean = folds.iter().map(|(accuracy, _)| accuracy).sum::<f64>() / count;
        let variance =
            folds.iter().map(|(accuracy, _)| (accuracy - mean).powi(2)).sum::<f64>() / (count - 1.0);
        Some(Self {
            mean,
            standard_error: (variance / count).sqrt(),
            threshold: folds.iter().map(|(_, threshold)| threshold).sum::<f64>() / count,
        })
    }
}

/// Scores of one fold, and of all others.
fn split(pairs: &[Scored], fold: usize) -> (Vec<f32>, Vec<f32>) {
    let held: Range<usize> = pairs.len() * fold / FOLDS..pairs.len() * (fold + 1) / FOLDS;
    let scores = |part: &[Scored]| part.iter().map(|pair| pair.score).collect::<Vec<f32>>();
    let mut rest = scores(&pairs[..held.start]);
    rest.extend(scores(&pairs[held.end..]));
    (scores(&pairs[held]), rest)
}

/// The lowest threshold with the most right answers.
fn best_threshold(curve: &Curve) -> f32 {
    let mut best = (f32::INFINITY, -1.0);
    for point in curve.points() {
        let right = 2.0 - point.false_matches.rate() - point.false_non_matches.rate();
        if right > best.1 {
            best = (point.threshold, right);
        }
    }
    best.0
}

fn correct(curve: &Curve, threshold: f32) -> f64 {
    let point = curve.at(threshold);
    1.0 - (point.false_matches.rate() + point.false_non_matches.rate()) / 2.0
}

#[cfg(test)]
mod tests {
    use super::super::synthetic::{drawn, phi};
    use super::*;

    fn pairs(scores: impl IntoIterator<Item = f32>) -> Vec<Scored> {
        scores.into_iter().map(|score| Scored { score, a: 0, b: 1 }).collect()
    }

    #[test]
    fn a_set_counted_by_hand() {
        // Everywhere 0.8 against 0.2, but in the last fold the sides are exchanged: nine folds are right, one is wrong.
        let exchanged = |usual: f32, last: f32| pairs((0..20).map(|i| if i < 18 { usual } else { last }));
        let found = Accuracy::of(&exchanged(0.8, 0.2), &exchanged(0.2, 0.8)).unwrap();
        assert!((found.mean - 0.9).abs() < 1e-12);
        assert!((found.standard_error - 0.1).abs() < 1e-12);
        assert!((found.threshold - 0.8).abs() < 1e-6);
    }

    #[test]
    fn the_held_fold_has_no_say_in_its_threshold() {
        // Scores that rise from fold to fold: a threshold learnt below them all still separates them.
        let genuine = pairs((0..10u8).map(|i| f32::from(i) + 0.6));
        let impostor = pairs((0..10u8).map(|i| f32::from(i) + 0.4));
        let found = Accuracy::of(&genuine, &impostor).unwrap();
        assert!(found.mean < 0.75, "a threshold that knew its fold would reach 1, found {}", found.mean);
    }

    #[test]
    fn gaussians_reach_what_the_formula_says() {
        let test = drawn(3000, 6000, 3.0, 5);
        let found = Accuracy::of(&test.genuine, &test.impostor).unwrap();
        assert!((found.mean - phi(1.5)).abs() < 4.0 * found.standard_error, "{}", found.mean);
        assert!((found.threshold - 0.225).abs() < 0.03);
    }

    #[test]
    fn nine_pairs_are_too_few() {
        assert_eq!(Accuracy::of(&pairs([0.5; 9]), &pairs([0.5; 10])), None);
        assert_eq!(Accuracy::of(&pairs([0.5; 10]), &[]), None);
    }
}
