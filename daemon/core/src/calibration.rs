//! From error rates to comparison scores.
//!
//! Policy speaks of error rates; a model's calibration table says which score stands for which rate. The table was
//! measured, so it is trusted only as far as its sample reaches: no errors in n comparisons still allow a rate of
//! 3 / n (the rule of three: B. D. Jovanovic and P. S. Levy, "A look at the rule of three", The American Statistician
//! 51 (1997)). Below that the line is drawn on, and the threshold says so.

/// The highest false match rate any configuration can ask for: one stranger in a thousand. A laxer wish gets this.
pub const FMR_MAX: f64 = 1e-3;

/// No threshold lies above this: equal templates must match, and their score falls short of 1 by rounding.
pub const SCORE_MAX: f32 = 0.999;

/// A table whose threshold for [`FMR_MAX`] lies lower is no calibration of a face model: unrelated directions of 512
/// values resemble each other that much one time in a hundred.
pub const SCORE_MIN: f32 = 0.1;

/// Most points of a table: a hundred for each power of ten down to 1e-9, and room for what is above.
pub const POINTS_MAX: usize = 1024;

/// One line of a calibration table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Cosine, -1 to 1.
    pub score: f32,
    /// Share of comparisons between different persons that score at least this.
    pub fmr: f64,
}

/// The score from which two templates count as the same person.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    /// Smallest score that matches.
    pub score: f32,
    /// The wish lies below what the calibration's sample supports: the error rate is an estimate.
    pub extrapolated: bool,
}

/// A table that cannot be trusted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CalibrationError {
    /// Too short to interpolate, or too long.
    #[error("a calibration table has 2 to {POINTS_MAX} points, this one has {0}")]
    Points(usize),
    /// A score or rate outside its range, or not a number.
    #[error("point {0} of the calibration is not a score within -1 to 1 and a false match rate above 0 to 1")]
    Range(usize),
    /// Scores must rise and rates must fall.
    #[error(
        "point {0} of the calibration does not have a higher score and a lower false match rate than the one before"
    )]
    Order(usize),
    /// Fewer than two points lie within what the sample can show.
    #[error(
        "{comparisons} comparisons support false match rates from {supported:e} up, and the calibration has fewer than 2 such points; measure with more comparisons"
    )]
    Sample {
        /// Comparisons behind the table.
        comparisons: u64,
        /// Lowest rate they support.
        supported: f64,
    },
    /// The thresholds that follow would let strangers in.
    #[error(
        "this calibration calls a score of {0} safe, which is below {SCORE_MIN}; it belongs to another kind of model"
    )]
    Lax(f32),
}

/// A model's calibration: score against false match rate, and the sample size behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// Supported points, scores rising.
    points: Vec<Point>,
    comparisons: u64,
}

impl Calibration {
    /// Checks a table, scores rising, measured over `comparisons` pairs of different persons. Points that the sample
    /// does not support (below 3 / `comparisons`) are left out of it.
    ///
    /// # Errors
    /// [`CalibrationError`].
    pub fn new(mut points: Vec<Point>, comparisons: u64) -> Result<Self, CalibrationError> {
        if !(2..=POINTS_MAX).contains(&points.len()) {
            return Err(CalibrationError::Points(points.len()));
        }
        let sound = |p: &Point| (-1.0..=1.0).contains(&p.score) && p.fmr > 0.0 && p.fmr <= 1.0;
        if let Some(bad) = points.iter().position(|p| !sound(p)) {
            return Err(CalibrationError::Range(bad));
        }
        if let Some(bad) = points.windows(2).position(|w| w[1].score <= w[0].score || w[1].fmr >= w[0].fmr) {
            return Err(CalibrationError::Order(bad + 1));
        }
        let supported = supported(comparisons);
        points.retain(|p| p.fmr >= supported);
        if points.len() < 2 {
            return Err(CalibrationError::Sample { comparisons, supported });
        }
        let calibration = Self { points, comparisons };
        let laxest = calibration.threshold(FMR_MAX).score;
        if laxest < SCORE_MIN { Err(CalibrationError::Lax(laxest)) } else { Ok(calibration) }
    }

    /// The comparisons behind the table.
    #[must_use]
    pub fn comparisons(&self) -> u64 {
        self.comparisons
    }

    /// The score that strangers reach at most at the rate `fmr`, per comparison: log-linear between the points, and
    /// along the last two beyond them. Wishes above [`FMR_MAX`] get [`FMR_MAX`]; zero and NaN get [`SCORE_MAX`].
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "a score below 1 is rounded to 32 bits")]
    pub fn threshold(&self, fmr: f64) -> Threshold {
        let wish = if fmr > 0.0 { fmr.min(FMR_MAX) } else { 0.0 };
        let last = self.points.len() - 1;
        if wish >= self.points[0].fmr {
            return Threshold { score: self.points[0].score.min(SCORE_MAX), extrapolated: false };
        }
        let upper = self.points.iter().position(|p| p.fmr <= wish).unwrap_or(last);
        let (a, b) = (self.points[upper - 1], self.points[upper]);
        let way = (wish.ln() - a.fmr.ln()) / (b.fmr.ln() - a.fmr.ln());
        let score = f64::from(a.score) + way * f64::from(b.score - a.score);
        let extrapolated = wish < self.points[last].fmr;
        Threshold { score: score.min(f64::from(SCORE_MAX)) as f32, extrapolated }
    }

    /// The threshold for searching a gallery: a stranger is taken for anybody in it at most at the rate `max_fpir`.
    ///
    /// Each of the `references` templates is one comparison. The chance that any of them matches is
    /// 1 - (1 - f)^n <= n f, also where the comparisons depend on each other (Bonferroni), so f = `max_fpir` / n.
    #[must_use]
    pub fn for_identification(&self, max_fpir: f64, references: usize) -> Threshold {
        self.threshold(max_fpir / references.max(1) as f64)
    }

    /// The threshold for comparing with one claimed person: a stranger is taken for that person at most at the rate
    /// `max_fmr`.
    #[must_use]
    pub fn for_verification(&self, max_fmr: f64) -> Threshold {
        self.threshold(max_fmr)
    }
}

/// The lowest rate that `comparisons` can show, with 95 % confidence.
fn supported(comparisons: u64) -> f64 {
    3.0 / comparisons.max(1) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A MobileFaceNet of 128 values over 9.16 million impostor pairs of LFW.
    fn table() -> Vec<Point> {
        [(0.20, 2e-2), (0.33, 1e-3), (0.40, 1e-4), (0.46, 1e-5), (0.55, 1e-6)]
            .map(|(score, fmr)| Point { score, fmr })
            .to_vec()
    }

    fn calibration() -> Calibration {
        Calibration::new(table(), 9_160_000).unwrap()
    }

    #[test]
    fn points_and_the_line_between_them() {
        for point in &table()[1..] {
            let threshold = calibration().threshold(point.fmr);
            assert!((threshold.score - point.score).abs() < 1e-6);
            assert!(!threshold.extrapolated);
        }
        let between = calibration().threshold(1e-3 / 10f64.sqrt()).score;
        assert!((between - 0.365).abs() < 1e-5, "half-way on the logarithm: {between}");
    }

    #[test]
    fn beyond_the_sample_the_line_goes_on_and_says_so() {
        let far = calibration().threshold(1e-7);
        assert!((far.score - 0.64).abs() < 1e-5);
        assert!(far.extrapolated);
        assert_eq!(calibration().threshold(1e-300).score, SCORE_MAX);
        assert_eq!(calibration().threshold(0.0), Threshold { score: SCORE_MAX, extrapolated: true });
        assert_eq!(calibration().threshold(f64::NAN).score, SCORE_MAX);
        assert_eq!(calibration().threshold(-1.0).score, SCORE_MAX);
    }

    #[test]
    fn a_smaller_sample_supports_less_of_the_same_table() {
        let small = Calibration::new(table(), 100_000).unwrap();
        let threshold = small.threshold(1e-5);
        assert!(threshold.extrapolated, "3 / 100,000 is the least it can show");
        assert!((threshold.score - 0.47).abs() < 1e-5, "on from 1e-3 and 1e-4");
        assert!(!small.threshold(1e-4).extrapolated);
    }

    #[test]
    fn h5_no_configuration_goes_below_the_floor() {
        let floor = calibration().threshold(FMR_MAX).score;
        for lax in [2e-3, 0.02, 0.5, 1.0, 1e9, f64::INFINITY] {
            assert_eq!(calibration().for_verification(lax).score, floor);
            assert_eq!(calibration().for_identification(lax, 1).score, floor);
        }
        let narrow = Calibration::new(table()[2..].to_vec(), 9_160_000).unwrap();
        assert_eq!(narrow.threshold(1e-3).score, 0.40, "a table without the floor gives its lowest score");
    }

    #[test]
    fn a_bigger_gallery_raises_the_bar() {
        let scores =
            [0, 1, 10, 100, 1000, 10_000, 100_000].map(|n| calibration().for_identification(1e-4, n).score);
        assert_eq!(scores[0], scores[1]);
        assert!(scores[1..].windows(2).all(|w| w[0] < w[1]), "{scores:?}");
        assert!((scores[2] - 0.46).abs() < 1e-5, "1e-4 among ten is 1e-5 each");
    }

    #[test]
    fn h5_hostile_tables_are_refused() {
        let with = |change: &dyn Fn(&mut Vec<Point>)| {
            let mut points = table();
            change(&mut points);
            Calibration::new(points, 9_160_000).unwrap_err()
        };
        assert_eq!(with(&|p| p.truncate(1)), CalibrationError::Points(1));
        assert_eq!(with(&|p| p.clear()), CalibrationError::Points(0));
        assert_eq!(with(&|p| *p = vec![p[0]; 2000]), CalibrationError::Points(2000));
        for bad in [f32::NAN, f32::INFINITY, 1.5, -2.0] {
            assert_eq!(with(&|p| p[3].score = bad), CalibrationError::Range(3));
        }
        for bad in [f64::NAN, f64::INFINITY, 0.0, -1e-6, 2.0] {
            assert_eq!(with(&|p| p[2].fmr = bad), CalibrationError::Range(2));
        }
        assert_eq!(with(&|p| p[2].fmr = 1e-3), CalibrationError::Order(2), "equal rates");
        assert_eq!(with(&|p| p[2].score = 0.33), CalibrationError::Order(2), "equal scores");
        assert_eq!(with(&|p| p.reverse()), CalibrationError::Order(1));
        assert!(matches!(with(&|p| p.iter_mut().for_each(|p| p.score -= 0.3)), CalibrationError::Lax(_)));
        for few in [0, 1, 100] {
            assert!(matches!(Calibration::new(table(), few), Err(CalibrationError::Sample { .. })), "{few}");
        }
    }

    proptest! {
        #[test]
        fn stricter_wishes_never_lower_the_score(a in 1e-12f64..1.0, b in 1e-12f64..1.0, n in 1usize..200_000) {
            let (strict, lax) = (a.min(b), a.max(b));
            prop_assert!(calibration().threshold(strict).score >= calibration().threshold(lax).score);
            let alone = calibration().for_identification(lax, 1);
            let among = calibration().for_identification(lax, n);
            prop_assert!(among.score >= alone.score);
            prop_assert!(among.score >= 0.33 - 1e-6 && among.score <= SCORE_MAX);
        }
    }
}
