//! The table that turns a wanted false match rate into a threshold, out of impostor scores.
//!
//! One point for each decade and half decade from 10 % down to the smallest rate the sample supports: by the rule of
//! three a sample of n comparisons can speak of 3/n, not of less. The score of a point is an observed one, and no more
//! impostors reach it than its rate allows, so that a table never promises less than was seen.

use std::fmt::Write as _;

use super::curve::{Count, Curve, lowest_threshold};
use super::interval::RULE_OF_THREE;

/// Half decades from 10^-1 down to 10^-8; [`super::comparison::COMPARISONS_MAX`] comparisons support no less.
const HALF_DECADES: std::ops::RangeInclusive<i32> = 2..=16;

/// A threshold and its error rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CalibrationPoint {
    /// Scores from here on match.
    pub comparison_score: f32,
    /// The false match rate that holds there.
    pub fmr: f64,
    /// What was seen at that score.
    pub false_matches: Count,
}

/// A calibration table of one model on one set of data.
#[derive(Debug, Clone, PartialEq)]
pub struct CalibrationTable {
    /// What was compared.
    pub data: String,
    /// Impostor comparisons behind it.
    pub comparisons: u64,
    /// Genuine comparisons of the same test; 0 where the table was made of impostors alone.
    pub genuine: u64,
    /// Ascending scores, falling rates; empty below thirty comparisons.
    pub points: Vec<CalibrationPoint>,
}

impl CalibrationTable {
    /// The table of a curve; only its impostor side counts.
    #[must_use]
    pub fn of(curve: &Curve, data: impl Into<String>) -> Self {
        let impostor = curve.impostor();
        let mut points: Vec<CalibrationPoint> = Vec::new();
        for fmr in HALF_DECADES.map(|half| rounded(10f64.powf(-f64::from(half) / 2.0))) {
            if fmr * (impostor.len() as f64) < RULE_OF_THREE {
                break;
            }
            let comparison_score = lowest_threshold(impostor, fmr);
            let point = CalibrationPoint {
                comparison_score,
                fmr,
                false_matches: curve.at(comparison_score).false_matches,
            };
            match points.last_mut() {
                // Many equal scores: the smaller rate holds there as well.
                Some(last) if last.comparison_score >= comparison_score => *last = point,
                Some(_) | None => points.push(point),
            }
        }
        Self {
            data: data.into(),
            comparisons: impostor.len() as u64,
            genuine: curve.genuine().len() as u64,
            points,
        }
    }

    /// TOML to be put into the manifest of a pack.
    #[must_use]
    pub fn toml(&self) -> String {
        let mut text = format!(
            "[calibration]\ndata = {}\ncomparisons = {}\ngenuine = {}\n",
            toml::Value::String(self.data.clone()),
            self.comparisons,
            self.genuine
        );
        for point in &self.points {
            let interval = point.false_matches.interval();
            write!(
                text,
                "\n[[calibration.point]]  # {} of {} matched; 95 % interval {:.2e} to {:.2e}\n\
                 comparison_score = {:?}\nfmr = {:e}\n",
                point.false_matches.errors,
                point.false_matches.trials,
                interval.low,
                interval.high,
                point.comparison_score,
                point.fmr
            )
            .expect("writing to a string cannot fail");
        }
        text
    }
}

/// Three digits: what a half decade is written with.
fn rounded(fmr: f64) -> f64 {
    format!("{fmr:.2e}").parse().expect("a number as it was just written")
}

#[cfg(test)]
mod tests {
    use super::super::interval::deviate;
    use super::super::synthetic::normal;
    use super::*;

    fn table(impostor: Vec<f32>) -> CalibrationTable {
        CalibrationTable::of(&Curve::new(vec![], impostor), "made up")
    }

    #[test]
    fn points_go_as_far_as_the_rule_of_three() {
        let rates = |count: u16| {
            table((0..count).map(|i| f32::from(i) / 65_536.0).collect())
                .points
                .iter()
                .map(|p| p.fmr)
                .collect::<Vec<_>>()
        };
        assert_eq!(rates(29), [0f64; 0]);
        assert_eq!(rates(30), [1e-1]);
        assert_eq!(rates(3000), [1e-1, 3.16e-2, 1e-2, 3.16e-3, 1e-3]);
        assert_eq!(rates(2999).last(), Some(&3.16e-3));
    }

    #[test]
    fn no_more_impostors_reach_a_score_than_its_rate_allows() {
        let table = table((0..1000u16).map(|i| f32::from(i) / 1000.0).collect());
        let found: Vec<(f32, u64)> =
            table.points.iter().map(|p| (p.comparison_score, p.false_matches.errors)).collect();
        assert_eq!(found, [(0.9, 100), (0.969, 31), (0.99, 10), (0.997, 3)]);
    }

    #[test]
    fn scores_of_a_gaussian_are_its_quantiles() {
        for point in table(normal(200_000, 0.0)).points {
            assert!((f64::from(point.comparison_score) + deviate(point.fmr)).abs() < 0.05, "{point:?}");
        }
    }

    #[test]
    fn the_core_takes_the_table_and_reads_the_same_thresholds_from_it() {
        use doorward_core::calibration::{Calibration, Point};

        let cosines = normal(100_000, 0.0).into_iter().map(|score| 0.1 * score).collect();
        let table = table(cosines);
        let points = table.points.iter().map(|p| Point { score: p.comparison_score, fmr: p.fmr }).collect();
        let calibration = Calibration::new(points, table.comparisons).unwrap();
        for point in table.points.iter().filter(|point| point.fmr <= 1e-3) {
            let threshold = calibration.threshold(point.fmr);
            assert!((threshold.score - point.comparison_score).abs() < 1e-6, "{point:?}");
            assert!(!threshold.extrapolated);
        }
        assert_eq!(table.points.last().unwrap().fmr, 3.16e-5, "the lowest rate above 3 of 100,000");
    }

    #[test]
    fn equal_scores_make_one_point_with_the_smaller_rate() {
        let mut scores = vec![0.1f32; 960];
        scores.extend([0.5; 40]);
        let found: Vec<(f32, f64, u64)> = table(scores)
            .points
            .iter()
            .map(|p| (p.comparison_score, p.fmr, p.false_matches.errors))
            .collect();
        assert_eq!(found, [(0.5, 1e-1, 40), (0.5f32.next_up(), 3.16e-3, 0)]);
    }

    #[test]
    fn h8_the_toml_reads_back_and_a_name_cannot_break_out() {
        let mut table = table((0..1000u16).map(|i| f32::from(i) / 1000.0).collect());
        table.data = "x\"\n[policy]\nmax_fpir = 1".into();
        let read: toml::Table = table.toml().parse().unwrap();
        assert_eq!(read.keys().collect::<Vec<_>>(), ["calibration"]);
        let calibration = read["calibration"].as_table().unwrap();
        assert_eq!(calibration["data"].as_str(), Some(table.data.as_str()));
        assert_eq!(calibration["comparisons"].as_integer(), Some(1000));
        let points = calibration["point"].as_array().unwrap();
        assert_eq!(points.len(), table.points.len());
        for (read, point) in points.iter().zip(&table.points) {
            let score = read["comparison_score"].as_float().unwrap();
            assert!((score - f64::from(point.comparison_score)).abs() < 1e-7);
            assert_eq!(read["fmr"].as_float(), Some(point.fmr));
        }
    }
}
