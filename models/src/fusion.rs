//! From the answers of several liveness networks about one face to one confidence that means the same for every pack.
//!
//! Each network's probability becomes log-odds, and their mean is the fused answer: a network that is sure of an attack
//! outweighs one that is nearly sure of life, where a mean of probabilities would let them cancel. What fused log-odds
//! are worth differs from pack to pack, and with camera and detector from what the networks' makers saw. So each pack
//! carries a map that was measured with it: a logistic curve (J. Platt, "Probabilistic outputs for support vector
//! machines", 1999), rising, of two numbers. Its value reads: of as many live faces as attacks that look so, this
//! share is alive.

/// Probabilities are taken to lie this far from 0 and 1: networks answer with exactly 0 or 1 when a float runs out of
/// digits, and nobody measured odds beyond ten thousand to one.
const DOUBT_MIN: f32 = 1e-4;

/// Bounds of a slope: flatter says nothing, steeper is a fit to too few frames.
const SLOPES: std::ops::RangeInclusive<f32> = 0.05..=10.0;

/// Bounds of an offset, log-odds: beyond, every face is alive or none is.
const OFFSETS: std::ops::RangeInclusive<f32> = -10.0..=10.0;

/// The mean log-odds of probabilities of life; a probability that is no number counts as 0. `None` without any.
#[must_use]
pub fn fused(probabilities: impl IntoIterator<Item = f32>) -> Option<f32> {
    let (mut sum, mut count) = (0.0, 0u8);
    for probability in probabilities {
        sum += log_odds(probability);
        count += 1;
    }
    (count > 0).then(|| sum / f32::from(count))
}

fn log_odds(probability: f32) -> f32 {
    let sound = if probability.is_nan() { 0.0 } else { probability };
    let p = sound.clamp(DOUBT_MIN, 1.0 - DOUBT_MIN);
    (p / (1.0 - p)).ln()
}

/// A pack's map from fused log-odds to confidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Confidence {
    slope: f32,
    offset: f32,
}

/// A map that cannot be one.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error(
    "a liveness calibration has a slope of {} to {} and an offset of {} to {}, this one {slope} and {offset}",
    SLOPES.start(), SLOPES.end(), OFFSETS.start(), OFFSETS.end()
)]
pub struct ConfidenceError {
    slope: f32,
    offset: f32,
}

impl Confidence {
    /// What the networks themselves say, for packs that nobody calibrated.
    pub const AS_ANSWERED: Self = Self { slope: 1.0, offset: 0.0 };

    /// The map `1 / (1 + exp(-(slope x + offset)))`.
    ///
    /// # Errors
    /// [`ConfidenceError`] where it would not rise, say next to nothing, or say one thing to everybody.
    pub fn new(slope: f32, offset: f32) -> Result<Self, ConfidenceError> {
        let sound = SLOPES.contains(&slope) && OFFSETS.contains(&offset);
        if sound { Ok(Self { slope, offset }) } else { Err(ConfidenceError { slope, offset }) }
    }

    /// The nearest map that is one.
    #[must_use]
    pub fn within(slope: f32, offset: f32) -> Self {
        Self {
            slope: slope.clamp(*SLOPES.start(), *SLOPES.end()),
            offset: offset.clamp(*OFFSETS.start(), *OFFSETS.end()),
        }
    }

    /// How steeply it rises, per unit of log-odds.
    #[must_use]
    pub fn slope(&self) -> f32 {
        self.slope
    }

    /// Its log-odds where the networks are undecided.
    #[must_use]
    pub fn offset(&self) -> f32 {
        self.offset
    }

    /// Confidence, 0 to 1, that a face with these fused log-odds is alive.
    #[must_use]
    pub fn of(&self, odds: f32) -> f32 {
        1.0 / (1.0 + (-(self.slope * odds + self.offset)).exp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_network_that_is_sure_of_an_attack_outweighs_one_that_is_nearly_sure_of_life() {
        let fused = fused([0.001, 0.95]).unwrap();
        assert!(fused < -1.5, "{fused}");
        assert!(Confidence::AS_ANSWERED.of(fused) < 0.2, "the mean of the probabilities would be 0.48");
    }

    #[test]
    fn equal_answers_stay_what_they_are() {
        for p in [0.01f32, 0.5, 0.9] {
            assert!((Confidence::AS_ANSWERED.of(fused([p, p]).unwrap()) - p).abs() < 1e-5);
        }
        assert_eq!(fused([]), None);
    }

    #[test]
    fn c2_any_answer_of_a_network_gives_a_finite_confidence_and_no_number_is_no_life() {
        let odd = [0.0, 1.0, -3.0, 7.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
        for map in [Confidence::AS_ANSWERED, Confidence::within(1e9, -1e9), Confidence::within(-1.0, 1e9)] {
            for p in odd {
                let found = map.of(fused([p]).unwrap());
                assert!((0.0..=1.0).contains(&found), "{p}: {found}");
            }
        }
        assert!(Confidence::AS_ANSWERED.of(fused([f32::NAN]).unwrap()) < 1e-3);
    }

    #[test]
    fn h5_a_map_that_falls_or_lets_everybody_in_is_refused() {
        for (slope, offset) in
            [(-1.0, 0.0), (0.0, 0.0), (f32::NAN, 0.0), (1.0, 99.0), (1.0, f32::NAN), (99.0, 0.0)]
        {
            assert!(Confidence::new(slope, offset).is_err(), "{slope} {offset}");
        }
        let map = Confidence::new(2.0, 1.0).unwrap();
        assert!((map.of(-0.5) - 0.5).abs() < 1e-6 && map.of(0.0) > map.of(-0.1));
    }
}
