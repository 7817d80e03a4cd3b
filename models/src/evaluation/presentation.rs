//! How well attacks are told from people, the way of ISO/IEC 30107-3: APCER for each attack species by itself, BPCER
//! beside it, and the worst species by name. Rates of several species are never averaged, and no single figure is made
//! of APCER and BPCER: an attacker brings the species that works.
//!
//! The scores say how live a presentation looks; it passes where its score reaches the threshold.

use std::fmt;

use serde::Serialize;

use super::curve::{Count, lowest_threshold};
use super::figure::Figure;
use super::interval::Interval;
use super::page::{number, percent, percents, printable, round_percent};

/// APCERs of the worst species that BPCER is told at; known as BPCER10, BPCER20 and BPCER100.
pub const APCERS: [f64; 3] = [0.1, 0.05, 0.01];

/// BPCERs that the APCER of the worst species is told at.
pub const BPCERS: [f64; 3] = [0.05, 0.02, 0.01];

/// Width of the column of names: that of the longest name that is always there.
const NAME_LEN_MIN: usize = 26;

/// Species in one test: the catalogues of testing laboratories list a few dozen.
pub const SPECIES_MAX: usize = 256;

/// Presentations of one kind.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Presented {
    /// Liveness scores; larger is more alive.
    pub scores: Vec<f32>,
    /// Presentations that gave no score, as where no face was found.
    pub non_responses: u64,
}

/// All presentations of a test.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Presentations {
    /// What was tested.
    pub model: String,
    /// On what.
    pub data: String,
    /// Live persons.
    pub bona_fide: Presented,
    /// Attacks, by the name of their species: `print`, `screen`, `mask`.
    pub attacks: Vec<(String, Presented)>,
}

/// Presentations that nothing can be concluded from.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PresentationError {
    /// No scores of bona fide presentations, or of any attack; nor any presentation of a species.
    #[error("evaluate liveness without scores of {0:?}: a rate needs presentations")]
    Empty(String),
    /// NaN or infinite.
    #[error("score {index} of {kind:?} is no finite number")]
    NotFinite {
        /// `bona fide`, or the species.
        kind: String,
        /// Its place there, from 0.
        index: usize,
    },
    /// One species twice, or more than [`SPECIES_MAX`].
    #[error(
        "evaluate liveness with species {0:?}: it is there twice, or the {SPECIES_MAX} allowed are before it"
    )]
    Species(String),
    /// A threshold that is not a number.
    #[error("evaluate liveness at the threshold {0}: it must be a finite number")]
    Threshold(f32),
}

/// One attack species at the threshold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SpeciesRate {
    /// Its name.
    pub name: String,
    /// Share of its presentations that pass.
    pub apcer: f64,
    /// Exact 95 % interval; 0 to 1 where none gave a score.
    pub apcer_interval: Interval,
    /// Those that pass, and all that gave a score.
    pub apcer_count: Count,
    /// Presentations that gave no score: none of them passed, and none was told from a person.
    pub non_responses: u64,
}

/// BPCER where the worst species is held to an APCER.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BpcerAt {
    /// The APCER that no species exceeds.
    pub apcer: f64,
    /// The lowest threshold that holds it.
    pub threshold: f32,
    /// Share of bona fide presentations refused there.
    pub bpcer: f64,
    /// Exact 95 % interval.
    pub bpcer_interval: Interval,
    /// Those refused, and all that gave a score.
    pub bpcer_count: Count,
}

/// APCER where bona fide presentations are held to a BPCER.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ApcerAt {
    /// The BPCER that is not exceeded.
    pub bpcer: f64,
    /// The highest threshold that holds it.
    pub threshold: f32,
    /// The species that passes most often there.
    pub worst_species: String,
    /// Share of its presentations that pass there.
    pub apcer: f64,
    /// Exact 95 % interval.
    pub apcer_interval: Interval,
    /// Those that pass, and all that gave a score.
    pub apcer_count: Count,
}

/// The result of a test of liveness.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PresentationEvaluation {
    /// `pad`.
    pub report: &'static str,
    /// What was tested.
    pub model: String,
    /// On what.
    pub data: String,
    /// Scores from here on pass.
    pub threshold: f32,
    /// Share of bona fide presentations refused.
    pub bpcer: f64,
    /// Exact 95 % interval.
    pub bpcer_interval: Interval,
    /// Those refused, and all that gave a score.
    pub bpcer_count: Count,
    /// Bona fide presentations that gave no score.
    pub bona_fide_non_responses: u64,
    /// The species that passes most often; among equals the one that was tested least.
    pub worst_species: String,
    /// Every species, worst first; those that never gave a score last.
    pub species: Vec<SpeciesRate>,
    /// BPCER at each of [`APCERS`].
    pub bpcer_at_apcer: Vec<BpcerAt>,
    /// APCER of the worst species at each of [`BPCERS`].
    pub apcer_at_bpcer: Vec<ApcerAt>,
    /// The error rates at the threshold, of what gave scores.
    pub figures: Vec<Figure>,
    /// Scores in ascending order, for the sweep.
    #[serde(skip)]
    pub(super) sorted: Sorted,
}

/// Ascending scores.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Sorted {
    pub(super) bona_fide: Vec<f32>,
    /// In the order of [`PresentationEvaluation::species`].
    pub(super) species: Vec<Vec<f32>>,
}

impl PresentationEvaluation {
    /// Evaluates a test at the threshold in use.
    ///
    /// # Errors
    /// [`PresentationError`].
    pub fn of(test: &Presentations, threshold: f32) -> Result<Self, PresentationError> {
        check(test, threshold)?;
        let bona_fide = ascending(&test.bona_fide.scores);
        let mut species: Vec<(SpeciesRate, Vec<f32>)> =
            test.attacks.iter().map(|(name, presented)| species_rate(name, presented, threshold)).collect();
        species.sort_by(|(one, _), (other, _)| {
            let silent = |rate: &SpeciesRate| rate.apcer_count.trials == 0;
            let by_rate = silent(one).cmp(&silent(other)).then(other.apcer.total_cmp(&one.apcer));
            by_rate.then(other.apcer_interval.high.total_cmp(&one.apcer_interval.high))
        });
        let (species, sorted): (Vec<SpeciesRate>, Vec<Vec<f32>>) = species.into_iter().unzip();
        let bpcer_count = refused(&bona_fide, threshold);
        let scored = species.iter().filter(|s| s.apcer_count.trials > 0);
        let each = scored.map(|s| Figure::counted(format!("APCER {}", s.name), s.apcer_count));
        let figures = each.chain([Figure::counted("BPCER", bpcer_count)]).collect();
        Ok(Self {
            report: "pad",
            model: test.model.clone(),
            data: test.data.clone(),
            threshold,
            bpcer: bpcer_count.rate(),
            bpcer_interval: bpcer_count.interval(),
            bpcer_count,
            bona_fide_non_responses: test.bona_fide.non_responses,
            worst_species: species[0].name.clone(),
            bpcer_at_apcer: APCERS.iter().map(|apcer| bpcer_at(*apcer, &bona_fide, &sorted)).collect(),
            apcer_at_bpcer: BPCERS
                .iter()
                .map(|bpcer| apcer_at(*bpcer, &bona_fide, &species, &sorted))
                .collect(),
            figures,
            species,
            sorted: Sorted { bona_fide, species: sorted },
        })
    }

    /// The figures as one JSON object with the names of the fields.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("strings, numbers and lists become JSON")
    }
}

impl fmt::Display for PresentationEvaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} on {}, threshold {:.4}",
            printable(&self.model),
            printable(&self.data),
            self.threshold
        )?;
        let longest = self.species.iter().map(|species| printable(&species.name).chars().count()).max();
        let width = (longest.unwrap_or(0) + "APCER  (worst)".len()).max(NAME_LEN_MIN);
        for (place, species) in self.species.iter().enumerate() {
            let name =
                format!("APCER {}{}", printable(&species.name), if place == 0 { " (worst)" } else { "" });
            if species.apcer_count.trials == 0 {
                let all = number(species.non_responses);
                writeln!(f, "{name:<width$}{:>9}  no response to any of {all}", "-")?;
            } else {
                line(f, width, &name, species.apcer, species.apcer_interval, species.apcer_count)?;
            }
        }
        line(f, width, "BPCER", self.bpcer, self.bpcer_interval, self.bpcer_count)?;
        for at in &self.bpcer_at_apcer {
            let name = format!("BPCER at APCER {}", round_percent(at.apcer));
            line(f, width, &name, at.bpcer, at.bpcer_interval, at.bpcer_count)?;
        }
        for at in &self.apcer_at_bpcer {
            let name = format!("APCER at BPCER {}", round_percent(at.bpcer));
            line(f, width, &name, at.apcer, at.apcer_interval, at.apcer_count)?;
        }
        Ok(())
    }
}

fn line(
    f: &mut fmt::Formatter<'_>,
    width: usize,
    name: &str,
    rate: f64,
    interval: Interval,
    count: Count,
) -> fmt::Result {
    let (errors, trials) = (number(count.errors), number(count.trials));
    writeln!(f, "{name:<width$}{:>9}  {:<20}  {errors} of {trials}", percent(rate), percents(interval))
}

fn check(test: &Presentations, threshold: f32) -> Result<(), PresentationError> {
    if !threshold.is_finite() {
        return Err(PresentationError::Threshold(threshold));
    }
    if test.attacks.is_empty() {
        return Err(PresentationError::Empty("attacks".into()));
    }
    for (place, (name, _)) in test.attacks.iter().enumerate() {
        if place >= SPECIES_MAX || test.attacks[..place].iter().any(|(before, _)| before == name) {
            return Err(PresentationError::Species(name.clone()));
        }
    }
    for (kind, silent) in [
        ("bona fide", test.bona_fide.scores.is_empty()),
        ("attacks", test.attacks.iter().all(|(_, attack)| attack.scores.is_empty())),
    ] {
        if silent {
            return Err(PresentationError::Empty(kind.to_owned()));
        }
    }
    let bona_fide = ("bona fide", &test.bona_fide);
    for (kind, presented) in
        test.attacks.iter().map(|(name, attack)| (name.as_str(), attack)).chain([bona_fide])
    {
        if presented.scores.is_empty() && presented.non_responses == 0 {
            return Err(PresentationError::Empty(kind.to_owned()));
        }
        if let Some(index) = presented.scores.iter().position(|score| !score.is_finite()) {
            return Err(PresentationError::NotFinite { kind: kind.to_owned(), index });
        }
    }
    Ok(())
}

fn species_rate(name: &str, presented: &Presented, threshold: f32) -> (SpeciesRate, Vec<f32>) {
    let scores = ascending(&presented.scores);
    let apcer_count = passed(&scores, threshold);
    let rate = SpeciesRate {
        name: name.to_owned(),
        apcer: apcer_count.rate(),
        apcer_interval: apcer_count.interval(),
        apcer_count,
        non_responses: presented.non_responses,
    };
    (rate, scores)
}

fn bpcer_at(apcer: f64, bona_fide: &[f32], species: &[Vec<f32>]) -> BpcerAt {
    let scored = species.iter().filter(|scores| !scores.is_empty());
    let threshold = scored.map(|scores| lowest_threshold(scores, apcer)).fold(f32::NEG_INFINITY, f32::max);
    let bpcer_count = refused(bona_fide, threshold);
    BpcerAt {
        apcer,
        threshold,
        bpcer: bpcer_count.rate(),
        bpcer_interval: bpcer_count.interval(),
        bpcer_count,
    }
}

fn apcer_at(bpcer: f64, bona_fide: &[f32], species: &[SpeciesRate], sorted: &[Vec<f32>]) -> ApcerAt {
    // The threshold may rise to the score below which the allowed share lies; equal scores fall together.
    #[expect(clippy::cast_possible_truncation, reason = "a share of a vector's length is a place in it")]
    let allowed = (bpcer * bona_fide.len() as f64).floor() as usize;
    let threshold = bona_fide[allowed.min(bona_fide.len() - 1)];
    let scored = species.iter().zip(sorted).filter(|(_, scores)| !scores.is_empty());
    let each = scored.map(|(species, scores)| (species, passed(scores, threshold)));
    let worse = |(_, a): &(&SpeciesRate, Count), (_, b): &(&SpeciesRate, Count)| {
        a.rate().total_cmp(&b.rate()).then(a.interval().high.total_cmp(&b.interval().high))
    };
    let (worst, apcer_count) = each.max_by(worse).expect("a test without species is refused");
    ApcerAt {
        bpcer,
        threshold,
        worst_species: worst.name.clone(),
        apcer: apcer_count.rate(),
        apcer_interval: apcer_count.interval(),
        apcer_count,
    }
}

fn ascending(scores: &[f32]) -> Vec<f32> {
    let mut sorted = scores.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    sorted
}

/// Presentations below the threshold.
pub(super) fn refused(ascending: &[f32], threshold: f32) -> Count {
    let errors = ascending.partition_point(|score| *score < threshold) as u64;
    Count { errors, trials: ascending.len() as u64 }
}

/// Presentations that reach the threshold.
pub(super) fn passed(ascending: &[f32], threshold: f32) -> Count {
    let below = refused(ascending, threshold);
    Count { errors: below.trials - below.errors, trials: below.trials }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presented(scores: &[f32]) -> Presented {
        Presented { scores: scores.to_vec(), non_responses: 0 }
    }

    fn test_of(bona_fide: &[f32], attacks: &[(&str, &[f32])]) -> Presentations {
        Presentations {
            model: "m".into(),
            data: "d".into(),
            bona_fide: presented(bona_fide),
            attacks: attacks.iter().map(|(name, scores)| ((*name).to_owned(), presented(scores))).collect(),
        }
    }

    #[test]
    fn p6_apcer_is_told_per_species_and_the_worst_one_is_named() {
        let found = PresentationEvaluation::of(
            &test_of(
                &[0.9, 0.8, 0.7, 0.4],
                &[("print", &[0.1, 0.2, 0.3, 0.1]), ("mask", &[0.6, 0.1]), ("screen", &[0.5, 0.1, 0.1, 0.1])],
            ),
            0.5,
        )
        .unwrap();
        assert_eq!(found.worst_species, "mask");
        let told: Vec<(&str, Count)> =
            found.species.iter().map(|s| (s.name.as_str(), s.apcer_count)).collect();
        let count = |errors, trials| Count { errors, trials };
        assert_eq!(told, [("mask", count(1, 2)), ("screen", count(1, 4)), ("print", count(0, 4))]);
        assert_eq!(found.species[2].apcer_interval, Interval::exact(0, 4), "zero has its bound");
        assert_eq!((found.bpcer, found.bpcer_count), (0.25, count(1, 4)));
    }

    #[test]
    fn among_equal_species_the_least_tested_one_is_worst() {
        let found =
            PresentationEvaluation::of(&test_of(&[1.0], &[("print", &[0.0; 500]), ("mask", &[0.0; 5])]), 0.5)
                .unwrap();
        assert_eq!(found.worst_species, "mask");
    }

    #[test]
    fn bpcer_is_told_where_every_species_is_held() {
        let prints: Vec<f32> = (0..100u8).map(|i| f32::from(i) / 100.0).collect();
        let screens: Vec<f32> = prints.iter().map(|score| score / 2.0).collect();
        let found =
            PresentationEvaluation::of(&test_of(&prints, &[("screen", &screens), ("print", &prints)]), 0.5)
                .unwrap();
        let at: Vec<(f64, f32, f64)> =
            found.bpcer_at_apcer.iter().map(|at| (at.apcer, at.threshold, at.bpcer)).collect();
        assert_eq!(at, [(0.1, 0.9, 0.9), (0.05, 0.95, 0.95), (0.01, 0.99, 0.99)]);
    }

    #[test]
    fn apcer_is_told_where_bona_fide_presentations_are_held() {
        let live: Vec<f32> = (0..100u8).map(|i| 0.5 + f32::from(i) / 200.0).collect();
        let test = test_of(&live, &[("print", &[0.1, 0.52, 0.9, 0.2]), ("screen", &[0.1, 0.2])]);
        let found = PresentationEvaluation::of(&test, 0.5).unwrap();
        let at: Vec<(f64, f32, &str, f64)> = found
            .apcer_at_bpcer
            .iter()
            .map(|at| (at.bpcer, at.threshold, at.worst_species.as_str(), at.apcer))
            .collect();
        assert_eq!(
            at,
            [(0.05, live[5], "print", 0.25), (0.02, live[2], "print", 0.5), (0.01, live[1], "print", 0.5)]
        );
        let refused_there = |at: f32| live.iter().filter(|score| **score < at).count();
        assert!(found.apcer_at_bpcer.iter().all(|at| refused_there(at.threshold) as f64 <= 100.0 * at.bpcer));
    }

    #[test]
    fn presentations_that_say_nothing_are_refused() {
        let refused = |test, threshold| PresentationEvaluation::of(&test, threshold).unwrap_err();
        assert_eq!(refused(test_of(&[0.5], &[]), 0.5), PresentationError::Empty("attacks".into()));
        assert_eq!(
            refused(test_of(&[], &[("a", &[0.5])]), 0.5),
            PresentationError::Empty("bona fide".into())
        );
        let half = test_of(&[0.5], &[("a", &[]), ("b", &[0.1])]);
        assert_eq!(refused(half, 0.5), PresentationError::Empty("a".into()));
        let nan = refused(test_of(&[0.5], &[("a", &[0.1, f32::NAN])]), 0.5);
        assert_eq!(nan, PresentationError::NotFinite { kind: "a".into(), index: 1 });
        let twice = refused(test_of(&[0.5], &[("a", &[0.1]), ("a", &[0.2])]), 0.5);
        assert_eq!(twice, PresentationError::Species("a".into()));
        assert!(matches!(
            refused(test_of(&[0.5], &[("a", &[0.1])]), f32::NAN),
            PresentationError::Threshold(_)
        ));
    }

    #[test]
    fn a_species_that_never_gave_a_score_is_told_and_is_not_the_worst() {
        let mut test = test_of(&[0.9, 0.2], &[("crowd", &[]), ("print", &[0.1; 30])]);
        test.attacks[0].1.non_responses = 7;
        let found = PresentationEvaluation::of(&test, 0.5).unwrap();
        assert_eq!(found.worst_species, "print");
        let last = &found.species[1];
        assert_eq!((last.name.as_str(), last.non_responses, last.apcer_count.trials), ("crowd", 7, 0));
        assert_eq!(found.figures.len(), 2, "no rate is made of nothing");
        assert!(found.apcer_at_bpcer.iter().all(|at| at.worst_species == "print"));
        test.attacks.pop();
        let nothing = PresentationEvaluation::of(&test, 0.5).unwrap_err();
        assert_eq!(nothing, PresentationError::Empty("attacks".into()));
    }

    #[test]
    fn the_json_has_rates_with_intervals_and_counts() {
        let found = PresentationEvaluation::of(&test_of(&[0.9, 0.2], &[("print", &[0.1; 30])]), 0.5).unwrap();
        let json: serde_json::Value = serde_json::from_str(&found.json()).unwrap();
        assert_eq!(json["bpcer"], 0.5);
        assert_eq!(json["worst_species"], "print");
        assert_eq!(json["species"][0]["apcer"], 0.0);
        assert_eq!(json["species"][0]["apcer_count"]["trials"], 30);
        let high = json["species"][0]["apcer_interval"][1].as_f64().unwrap();
        assert!((high - 0.0950).abs() < 1e-3, "rule of three: {high}");
        assert!(json.get("sorted").is_none());
        assert_eq!((&json["report"], &json["figures"][0]["name"]), (&"pad".into(), &"APCER print".into()));
        assert_eq!(json["figures"][1]["interval"], json["bpcer_interval"]);
    }
}
