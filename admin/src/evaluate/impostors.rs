//! Everybody with everybody else: all pairs of pictures of different persons. Thousands of pictures give millions of
//! impostor comparisons, which is what false match rates below 1e-4 need.
//!
//! The vectors lie in one matrix, and the product of the matrix with itself is taken block by block, so that two blocks
//! stay in the processor's cache. Kept are the scores alone, four bytes each.

use std::fmt;

use anyhow::ensure;
use doorward_core::template::{UnitVector, dot};
use doorward_models::evaluation::comparison::COMPARISONS_MAX;
use doorward_models::evaluation::curve::{OperatingPoint, Summary};
use doorward_models::evaluation::{CalibrationTable, Curve, Figure};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

/// Rows of a block: two of them, of 512 values, take 512 KB.
const BLOCK: usize = 128;

/// False match rates that FNMR is told at.
const FMRS: [f64; 4] = [1e-3, 1e-4, 1e-5, 1e-6];

/// What millions of impostors say.
#[derive(Debug, Clone, PartialEq)]
pub struct AllImpostors {
    comparisons: u64,
    points: Vec<(f64, OperatingPoint)>,
    /// Thresholds for a pack.
    pub calibration: CalibrationTable,
}

impl AllImpostors {
    /// Compares all pictures of different persons, and holds `genuine` scores against the result. `templates` are the
    /// pictures that have one, with their person.
    ///
    /// # Errors
    /// For more than [`COMPARISONS_MAX`] comparisons, and for none.
    pub fn of(templates: &[(&str, &UnitVector)], genuine: Vec<f32>, data: &str) -> anyhow::Result<Self> {
        let scores = scores(templates)?;
        ensure!(!scores.is_empty(), "--all-impostors found no pictures of two persons");
        let curve = Curve::new(genuine, scores);
        let summary: Option<Summary> = curve.summary(&FMRS);
        let at = summary.map_or_else(Vec::new, |summary| summary.at_fmr);
        Ok(Self {
            comparisons: curve.impostor().len() as u64,
            points: FMRS.into_iter().zip(at).filter(|(fmr, point)| supported(*fmr, point)).collect(),
            calibration: CalibrationTable::of(&curve, data),
        })
    }
}

impl AllImpostors {
    /// The error rates as every report tells them.
    #[must_use]
    pub fn figures(&self) -> Vec<Figure> {
        let figure = |(fmr, point): &(f64, OperatingPoint)| {
            Figure::counted(format!("FNMR at FMR {fmr:e}, every two persons"), point.false_non_matches)
        };
        self.points.iter().map(figure).collect()
    }
}

/// Whether so many comparisons can speak of this rate: three errors are expected at least.
fn supported(fmr: f64, point: &OperatingPoint) -> bool {
    fmr * point.false_matches.trials as f64 >= doorward_models::evaluation::interval::RULE_OF_THREE
}

/// The scores of all pairs of different persons.
fn scores(templates: &[(&str, &UnitVector)]) -> anyhow::Result<Vec<f32>> {
    let count = templates.len() as u64;
    let pairs = count * count.saturating_sub(1) / 2;
    ensure!(
        pairs <= COMPARISONS_MAX,
        "--all-impostors would make {pairs} comparisons of {count} pictures, and {COMPARISONS_MAX} is the most; use --limit"
    );
    let mut scores = Vec::with_capacity(usize::try_from(pairs).expect("bounded above"));
    let blocks: Vec<&[(&str, &UnitVector)]> = templates.chunks(BLOCK).collect();
    for (i, one) in blocks.iter().enumerate() {
        for (j, other) in blocks.iter().enumerate().skip(i) {
            for (row, (person, vector)) in one.iter().enumerate() {
                // Within a block, each pair once.
                let from = if i == j { row + 1 } else { 0 };
                let strangers = other[from..].iter().filter(|(somebody, _)| somebody != person);
                scores.extend(strangers.map(|(_, theirs)| dot(vector.values(), theirs.values())));
            }
        }
    }
    Ok(scores)
}

/// `impostor_comparisons`, and for each supported rate `fnmr_at_fmr_…` with its interval, threshold and counts, named as
/// in the evaluation of listed pairs.
impl Serialize for AllImpostors {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("impostor_comparisons", &self.comparisons)?;
        for (fmr, point) in &self.points {
            let name = format!("fnmr_at_fmr_{fmr:e}");
            map.serialize_entry(&name, &point.false_non_matches.rate())?;
            map.serialize_entry(&format!("{name}_interval_exact"), &point.false_non_matches.interval())?;
            map.serialize_entry(&format!("{name}_threshold"), &point.threshold)?;
            map.serialize_entry(&format!("{name}_count"), &point.false_non_matches)?;
            map.serialize_entry(&format!("{name}_false_matches"), &point.false_matches)?;
        }
        map.end()
    }
}

impl fmt::Display for AllImpostors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "all impostors: {} comparisons", self.comparisons)?;
        for (fmr, point) in &self.points {
            let interval = point.false_non_matches.interval();
            writeln!(
                f,
                "FNMR at FMR {fmr:<6e}        {:>8.3} %  {:.3} % to {:.3} %  {} of {}, threshold {:.4}",
                100.0 * point.false_non_matches.rate(),
                100.0 * interval.low,
                100.0 * interval.high,
                point.false_non_matches.errors,
                point.false_non_matches.trials,
                point.threshold
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Persons on a circle, some with several pictures: enough for several blocks.
    fn crowd(count: u16) -> (Vec<String>, Vec<UnitVector>) {
        let person = |i: u16| format!("p{}", i / 3);
        let vector = |i: u16| {
            let angle = f32::from(i) * 0.37;
            UnitVector::normalise(vec![angle.cos(), angle.sin(), 0.5]).unwrap()
        };
        ((0..count).map(person).collect(), (0..count).map(vector).collect())
    }

    #[test]
    fn every_pair_of_two_persons_is_scored_once() {
        let (persons, vectors) = crowd(401);
        let templates: Vec<_> = persons.iter().map(String::as_str).zip(&vectors).collect();
        let mut found = scores(&templates).unwrap();
        let mut expected = Vec::new();
        for i in 0..vectors.len() {
            for j in i + 1..vectors.len() {
                if persons[i] != persons[j] {
                    expected.push(vectors[i].cosine(&vectors[j]));
                }
            }
        }
        found.sort_by(f32::total_cmp);
        expected.sort_by(f32::total_cmp);
        assert_eq!(found, expected);
    }

    #[test]
    fn too_many_pictures_are_refused_before_they_are_compared() {
        let (_, vectors) = crowd(1);
        let many: Vec<_> = (0..10_001).map(|_| ("p", &vectors[0])).collect();
        assert!(scores(&many).unwrap_err().to_string().contains("--limit"));
    }

    #[test]
    fn rates_are_told_as_far_as_the_sample_reaches() {
        let (persons, vectors) = crowd(401);
        let templates: Vec<_> = persons.iter().map(String::as_str).zip(&vectors).collect();
        let all = AllImpostors::of(&templates, vec![0.5, 2.0], "made up").unwrap();
        let json: serde_json::Value = serde_json::to_value(&all).unwrap();
        assert_eq!(json["impostor_comparisons"], 79_800);
        assert_eq!(json["fnmr_at_fmr_1e-3"], 0.5);
        assert_eq!(json["fnmr_at_fmr_1e-4_count"]["trials"], 2);
        assert!(json.get("fnmr_at_fmr_1e-5").is_none(), "79,800 comparisons do not reach that far");
        assert_eq!(all.calibration.comparisons, 79_800);
    }
}
