//! How much the figures would change with other people.
//!
//! Pairs are not independent: a person who is hard to recognise spoils many of them. So persons are drawn, with
//! replacement, not pairs: a genuine pair counts as often as its person was drawn, an impostor pair as often as the
//! product of both (the subset bootstrap of Bolle, Ratha and Pankanti, Computer Vision and Image Understanding 93,
//! 2004). The threshold is set anew in every draw, so its uncertainty is in the interval too. Without known persons,
//! pairs are drawn, which flatters.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::comparison::{Comparisons, Scored};
use super::curve::{Summary, Walk, Weighted};
use super::interval::Interval;

/// Draws: the limits of a 95 % interval then rest on 25 values each.
const DRAWS: usize = 1000;

/// Fewer draws than this say nothing about a 95 % interval.
const DRAWS_MIN: usize = 200;

/// Comparisons looked at over all draws, about ten seconds; larger tests get fewer draws, down to [`DRAWS_MIN`].
const COMPARISONS_WALKED_MAX: usize = 1_000_000_000;

/// What was drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Persons.
    Persons,
    /// Pairs, since not every sample's person is known.
    Pairs,
}

/// The 95 % intervals over all draws.
#[derive(Debug, Clone, PartialEq)]
pub struct Resampled {
    /// What was drawn.
    pub unit: Unit,
    /// Draws that had pairs on both sides.
    pub draws: usize,
    /// Interval of the EER.
    pub eer: Interval,
    /// Intervals of FNMR at the wanted FMRs.
    pub fnmr: Vec<Interval>,
}

/// Draws persons or pairs again and again; `None` where too few draws had pairs on both sides, as with two persons.
pub(super) fn resample(test: &Comparisons, fmrs: &[f64], seed: u64) -> Option<Resampled> {
    let persons = test.persons();
    let of_sample = persons.as_ref().map(|(of_sample, _)| of_sample.as_slice());
    let mut genuine = Drawn::of(&test.genuine, of_sample);
    let mut impostor = Drawn::of(&test.impostor, of_sample);
    let pairs = genuine.scores.len() + impostor.scores.len();
    let draws = (COMPARISONS_WALKED_MAX / pairs.max(1)).clamp(DRAWS_MIN, DRAWS);

    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut eer, mut fnmr) = (Vec::with_capacity(draws), vec![Vec::with_capacity(draws); fmrs.len()]);
    for _ in 0..draws {
        match &persons {
            Some((_, count)) => {
                let times = draw(&mut rng, *count);
                genuine.weigh(|one, _| times[one as usize]);
                impostor.weigh(|one, other| times[one as usize] * times[other as usize]);
            }
            None => {
                genuine.weights = draw(&mut rng, genuine.scores.len());
                impostor.weights = draw(&mut rng, impostor.scores.len());
            }
        }
        let Some(summary) = Summary::of(Walk::new(genuine.weighted(), impostor.weighted()), fmrs) else {
            continue;
        };
        eer.push(summary.eer);
        for (values, point) in fnmr.iter_mut().zip(&summary.at_fmr) {
            values.push(point.false_non_matches.rate());
        }
    }
    let unit = if persons.is_some() { Unit::Persons } else { Unit::Pairs };
    (eer.len() >= DRAWS_MIN).then(|| Resampled {
        unit,
        draws: eer.len(),
        eer: Interval::percentile(eer),
        fnmr: fnmr.into_iter().map(Interval::percentile).collect(),
    })
}

/// How often each of `count` things comes when so many are drawn.
fn draw(rng: &mut ChaCha8Rng, count: usize) -> Vec<u32> {
    let mut times = vec![0; count];
    for _ in 0..count {
        times[rng.random_range(0..count)] += 1;
    }
    times
}

/// One side by ascending score, and how often each pair was drawn.
struct Drawn {
    scores: Vec<f32>,
    /// The persons of each pair, where they are known.
    persons: Vec<(u32, u32)>,
    weights: Vec<u32>,
}

impl Drawn {
    fn of(pairs: &[Scored], of_sample: Option<&[u32]>) -> Self {
        let mut pairs = pairs.to_vec();
        pairs.sort_by(|one, other| one.score.total_cmp(&other.score));
        let persons = |of_sample: &[u32]| {
            pairs.iter().map(|pair| (of_sample[pair.a as usize], of_sample[pair.b as usize])).collect()
        };
        Self {
            scores: pairs.iter().map(|pair| pair.score).collect(),
            persons: of_sample.map_or_else(Vec::new, persons),
            weights: vec![1; pairs.len()],
        }
    }

    fn weigh(&mut self, times: impl Fn(u32, u32) -> u32) {
        for (weight, (one, other)) in self.weights.iter_mut().zip(&self.persons) {
            *weight = times(*one, *other);
        }
    }

    fn weighted(&self) -> Weighted<'_> {
        Weighted { scores: &self.scores, weights: Some(&self.weights) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::comparison::Side;
    use super::super::synthetic::{drawn, phi};
    use super::*;

    fn width(interval: Interval) -> f64 {
        interval.high - interval.low
    }

    #[test]
    fn the_same_seed_gives_the_same_interval_and_another_one_nearly_so() {
        let test = drawn(100, 400, 2.0, 1);
        let [one, again, other] = [7, 7, 8].map(|seed| resample(&test, &[0.1], seed).unwrap());
        assert_eq!(one, again);
        assert_ne!(one, other);
        assert!((width(one.eer) / width(other.eer) - 1.0).abs() < 0.25);
        assert_eq!((one.unit, one.draws), (Unit::Persons, DRAWS));
    }

    #[test]
    fn the_true_rate_lies_inside_about_as_often_as_promised() {
        let inside =
            |interval: Interval, truth: f64| u32::from(interval.low <= truth && truth <= interval.high);
        let (mut eer, mut fnmr) = (0, 0);
        for seed in 0..40 {
            let found = resample(&drawn(120, 600, 2.0, seed), &[0.1], seed).unwrap();
            eer += inside(found.eer, phi(-1.0));
            fnmr += inside(found.fnmr[0], phi(1.281_551_566 - 2.0));
        }
        // 40 trials at 95 %: fewer than 34 inside comes once in a hundred runs of another 40 seeds.
        assert!(eer >= 34 && fnmr >= 34, "EER inside {eer} of 40 times, FNMR {fnmr}");
    }

    #[test]
    fn repeating_a_persons_pairs_adds_no_certainty() {
        let test = drawn(100, 100, 2.0, 3);
        let mut repeated = test.clone();
        for _ in 1..9 {
            repeated.genuine.extend(&test.genuine);
            repeated.impostor.extend(&test.impostor);
        }
        let by_person = resample(&repeated, &[0.1], 5).unwrap();
        assert_eq!(by_person.eer, resample(&test, &[0.1], 5).unwrap().eer);
        repeated.samples[0].person = None;
        let by_pair = resample(&repeated, &[0.1], 5).unwrap();
        assert_eq!(by_pair.unit, Unit::Pairs);
        assert!(width(by_person.eer) > 2.0 * width(by_pair.eer), "pairs would flatter threefold");
    }

    #[test]
    fn two_persons_are_too_few() {
        let mut test = Comparisons::new("m", "d");
        for person in ["ann", "ann", "bob"] {
            test.add_sample("x.png", Some(person.into()), None);
        }
        test.add_pair(Side::Genuine, 0, 1, Some(0.9));
        test.add_pair(Side::Impostor, 0, 2, Some(0.1));
        // Both are drawn in every second draw: enough for an interval, and it has no width.
        assert_eq!(resample(&test, &[0.1], 1).unwrap().eer, Interval { low: 0.0, high: 0.0 });
        for other in 0..6 {
            test.add_sample("y.png", Some(format!("other {other}")), None);
        }
        assert!(resample(&test, &[0.1], 1).is_none_or(|found| found.draws < 600));
    }
}
