//! Scores with known answers, for the tests of this module.

#![expect(
    clippy::cast_possible_truncation,
    reason = "a score is an f32, and its last digits do not matter here"
)]

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::comparison::{Comparisons, Side};
use super::interval::deviate;

/// The quantiles of a normal distribution around `mean` with deviation 1: no chance in them.
pub(super) fn normal(count: u32, mean: f64) -> Vec<f32> {
    let quantile = |i: u32| (mean + deviate((f64::from(i) + 0.5) / f64::from(count))) as f32;
    (0..count).map(quantile).collect()
}

/// The standard normal distribution function, by Simpson's rule on its density.
pub(super) fn phi(x: f64) -> f64 {
    const STEPS: u32 = 4000;
    let density = |t: f64| (-0.5 * t * t).exp() / std::f64::consts::TAU.sqrt();
    let width = x / f64::from(STEPS);
    let sum: f64 = (0..=STEPS)
        .map(|i| {
            let weight = if i == 0 || i == STEPS { 1.0 } else { f64::from(2 + 2 * (i % 2)) };
            weight * density(f64::from(i) * width)
        })
        .sum();
    0.5 + sum * width / 3.0
}

/// Scores drawn from two normal distributions, shrunk to look like cosines: `genuine` pairs around
/// 0.15 × `distance`, impostors around 0, deviation 0.15. Each person has two samples and no pair shares a sample
/// with a person's other pairs, so that all scores are independent.
pub(super) fn drawn(genuine: u32, impostor: u32, distance: f64, seed: u64) -> Comparisons {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut score = |mean: f64| (0.15 * (mean + deviate(rng.random_range(1e-9..1.0)))) as f32;
    let mut test = Comparisons::new("synthetic", format!("normal distributions {distance} apart"));
    for person in 0..genuine {
        let sample = |test: &mut Comparisons, take: u32| {
            test.add_sample(format!("{person:04}/{take}.png"), Some(person.to_string()), None)
        };
        let (one, other) = (sample(&mut test, 1), sample(&mut test, 2));
        test.add_pair(Side::Genuine, one, other, Some(score(distance)));
    }
    for pair in 0..impostor {
        let (one, step) = (pair % genuine, 1 + pair / genuine % (genuine - 1));
        test.add_pair(Side::Impostor, 2 * one, 2 * ((one + step) % genuine) + 1, Some(score(0.0)));
    }
    test
}
