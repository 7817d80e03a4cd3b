//! How far a counted rate can be trusted, and the normal deviate that DET axes are drawn in.
//!
//! Intervals are Clopper and Pearson's (Biometrika 26, 1934): they invert the binomial distribution itself, so that at
//! least 95 % of them hold the true rate whatever it is. Wilson's are shorter, but near zero, where a door's error
//! rates live, they fall below 95 %; a report on security may say too much doubt, never too little. With no error at
//! all the lower limit is zero for certain, and the whole 5 % goes to the upper one: 1 − 0.05^(1/n), close to 3/n,
//! the rule of three (Hanley and Lippman-Hand, JAMA 249, 1983; ISO/IEC 19795-1 uses the same rule).

use serde::{Serialize, Serializer};

/// The error that an interval allows itself.
const ALPHA: f64 = 0.05;

/// Errors expected at the rate that an errorless test of its size just cannot exclude: the 3 of the rule of three.
pub const RULE_OF_THREE: f64 = 3.0;

/// A 95 % interval of a rate; written `[low, high]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Lower limit, 0 to 1.
    pub low: f64,
    /// Upper limit, 0 to 1.
    pub high: f64,
}

impl Interval {
    /// The interval of `errors` among `trials` independent trials. No trials tell nothing: 0 to 1.
    ///
    /// # Panics
    /// If there are more errors than trials.
    #[must_use]
    pub fn exact(errors: u64, trials: u64) -> Self {
        assert!(errors <= trials, "{errors} errors of {trials} trials");
        let (k, n) = (errors as f64, trials as f64);
        if trials == 0 {
            return Self { low: 0.0, high: 1.0 };
        }
        if errors == 0 {
            return Self { low: 0.0, high: 1.0 - ALPHA.powf(1.0 / n) };
        }
        if errors == trials {
            return Self { low: ALPHA.powf(1.0 / n), high: 1.0 };
        }
        Self {
            low: beta_quantile(k, n - k + 1.0, ALPHA / 2.0),
            high: beta_quantile(k + 1.0, n - k, 1.0 - ALPHA / 2.0),
        }
    }

    /// The smallest interval that holds both.
    #[must_use]
    pub fn hull(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }

    /// The middle 95 % of resampled values, interpolated between neighbours.
    ///
    /// # Panics
    /// If there are no values.
    #[must_use]
    pub fn percentile(mut values: Vec<f64>) -> Self {
        assert!(!values.is_empty(), "an interval of no values");
        values.sort_unstable_by(f64::total_cmp);
        let at = |per_mille: usize| {
            let place = (values.len() - 1) * per_mille;
            let (below, rest) = (values[place / 1000], (place % 1000) as f64 / 1000.0);
            let above = values[(place / 1000 + 1).min(values.len() - 1)];
            below + rest * (above - below)
        };
        Self { low: at(25), high: at(975) }
    }
}

impl Serialize for Interval {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        [self.low, self.high].serialize(serializer)
    }
}

/// The normal deviate of a probability: the point that a standard normal variable stays below so often. Rational
/// approximation of P. J. Acklam, relative error below 1.2e-9; infinite at 0 and 1.
#[must_use]
pub fn deviate(p: f64) -> f64 {
    const TAIL: f64 = 0.024_25;
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 6] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
        1.0,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 5] = [
        7.784_695_709_041_462e-3,
        3.224_671_290_700_398e-1,
        2.445_134_137_142_996,
        3.754_408_661_907_416,
        1.0,
    ];
    let polynomial = |coefficients: &[f64], x: f64| coefficients.iter().fold(0.0, |sum, c| sum * x + c);

    if p <= 0.0 {
        f64::NEG_INFINITY
    } else if p > 0.5 {
        -deviate(1.0 - p)
    } else if p < TAIL {
        let q = (-2.0 * p.ln()).sqrt();
        polynomial(&C, q) / polynomial(&D, q)
    } else {
        let q = p - 0.5;
        q * polynomial(&A, q * q) / polynomial(&B, q * q)
    }
}

/// The x at which the regularised incomplete beta function reaches `p`, by bisection: it rises from 0 to 1.
fn beta_quantile(a: f64, b: f64, p: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while high - low > 1e-10 * high {
        let middle = 0.5 * (low + high);
        if beta(a, b, middle) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// The regularised incomplete beta function: the probability of at least `a` errors among `a + b - 1` trials at the
/// error rate `x`. Abramowitz and Stegun 26.5.8, on the side of the mean where the fraction converges fast.
fn beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    let scale = ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p();
    if x < (a + 1.0) / (a + b + 2.0) {
        scale.exp() / a / beta_fraction(a, b, x)
    } else {
        1.0 - scale.exp() / b / beta_fraction(b, a, 1.0 - x)
    }
}

/// The denominator of the continued fraction, by Lentz's method.
fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    /// It takes about as many steps as the root of the larger argument: enough for ten thousand million trials.
    const STEPS_MAX: u32 = 100_000;
    const TINY: f64 = 1e-300;
    let (mut value, mut c, mut d) = (1.0, 1.0, 0.0);
    for step in 1..=STEPS_MAX {
        let m = f64::from(step / 2);
        let term = if step % 2 == 1 {
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0))
        } else {
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m))
        };
        d = 1.0 + term * d;
        d = 1.0 / if d.abs() < TINY { TINY } else { d };
        c = 1.0 + term / c;
        c = if c.abs() < TINY { TINY } else { c };
        value *= c * d;
        if (c * d - 1.0).abs() < 1e-14 {
            return value;
        }
    }
    value
}

/// The logarithm of the gamma function of a positive number: Stirling's series (Abramowitz and Stegun 6.1.41), from a
/// point where five terms reach the last digit.
pub(super) fn ln_gamma(x: f64) -> f64 {
    const FAR: f64 = 15.0;
    let (mut x, mut shift) = (x, 0.0);
    while x < FAR {
        shift -= x.ln();
        x += 1.0;
    }
    let inverse = 1.0 / (x * x);
    let series = [1.0 / 1188.0, -1.0 / 1680.0, 1.0 / 1260.0, -1.0 / 360.0, 1.0 / 12.0];
    let tail = series.iter().fold(0.0, |sum, term| sum * inverse + term) / x;
    shift + (x - 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln() + tail
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64, slack: f64) {
        assert!((found - expected).abs() <= slack, "{found} is not {expected}");
    }

    #[test]
    fn intervals_are_those_published() {
        // Newcombe, Statistics in Medicine 17 (1998), table I, method 5.
        for (errors, trials, low, high) in
            [(81, 263, 0.2527, 0.3676), (15, 148, 0.0578, 0.1617), (1, 29, 0.0009, 0.1776)]
        {
            let interval = Interval::exact(errors, trials);
            close(interval.low, low, 0.5e-4);
            close(interval.high, high, 0.5e-4);
        }
        // Clopper and Pearson themselves: 3 of 10.
        close(Interval::exact(3, 10).low, 0.0667, 0.5e-4);
        close(Interval::exact(3, 10).high, 0.6525, 0.5e-4);
    }

    #[test]
    fn no_error_gives_the_rule_of_three() {
        // Hanley and Lippman-Hand: none of 14 leaves up to 19.3 %; beyond thirty trials 3/n is close.
        close(Interval::exact(0, 14).high, 0.193, 0.5e-3);
        for trials in [100, 3000, 9_160_000] {
            let high = Interval::exact(0, trials).high;
            close(high * trials as f64, RULE_OF_THREE, 0.05);
            assert_eq!(Interval::exact(0, trials).low, 0.0);
            close(Interval::exact(trials, trials).low, 1.0 - high, 1e-12);
        }
        assert_eq!(Interval::exact(0, 0), Interval { low: 0.0, high: 1.0 });
    }

    #[test]
    fn limits_invert_the_binomial_distribution() {
        // At the lower limit so many errors or more, at the upper one so many or fewer, come once in forty times.
        let tail = |from: u64, to: u64, n: u64, p: f64| -> f64 {
            let mut term = (1.0 - p).powi(i32::try_from(n).unwrap());
            let mut sum = 0.0;
            for k in 0..=to {
                sum += if k >= from { term } else { 0.0 };
                term *= (n - k) as f64 / (k + 1) as f64 * p / (1.0 - p);
            }
            sum
        };
        for (errors, trials) in [(1, 2), (2, 7), (50, 100), (7, 300), (150, 300)] {
            let interval = Interval::exact(errors, trials);
            close(tail(errors, trials, trials, interval.low), 0.025, 1e-7);
            close(tail(0, errors, trials, interval.high), 0.025, 1e-7);
            let mirrored = Interval::exact(trials - errors, trials);
            close(mirrored.low, 1.0 - interval.high, 1e-9);
            close(mirrored.high, 1.0 - interval.low, 1e-9);
        }
    }

    #[test]
    fn large_samples_follow_the_normal_approximation_with_its_continuity_correction() {
        for (errors, trials) in [(4_580_000u64, 9_160_000u64), (5_000, 9_160_000), (50_000_000, 100_000_000)]
        {
            let rate = errors as f64 / trials as f64;
            let spread = 1.959_964 * (rate * (1.0 - rate) / trials as f64).sqrt() + 0.5 / trials as f64;
            let interval = Interval::exact(errors, trials);
            close((interval.high - interval.low) / (2.0 * spread), 1.0, 1e-3);
        }
    }

    #[test]
    fn deviates_are_those_of_the_tables() {
        for (p, z) in [
            (0.5, 0.0),
            (0.975, 1.959_963_985),
            (0.01, -2.326_347_874),
            (1e-4, -3.719_016_485),
            (1e-7, -5.199_337_582),
        ] {
            close(deviate(p), z, 1e-7);
        }
        assert_eq!(deviate(0.0), f64::NEG_INFINITY);
        assert_eq!(deviate(1.0), f64::INFINITY);
    }

    #[test]
    fn percentiles_interpolate() {
        let interval = Interval::percentile((0..=1000).rev().map(f64::from).collect());
        assert_eq!(interval, Interval { low: 25.0, high: 975.0 });
        assert_eq!(Interval::percentile(vec![0.25]), Interval { low: 0.25, high: 0.25 });
    }
}
