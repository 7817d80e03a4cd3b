//! Searches among many, the way of ISO/IEC 19795-1: FNIR over searches of enrolled persons, FPIR over searches of
//! strangers, at the thresholds that policies set by themselves from a pack's calibration and the gallery's size.
//!
//! A policy promises a false positive identification rate. Whether a pack keeps the promise on people who had no part in
//! its calibration is what strangers are searched for: it does as long as the measured interval reaches down to it.

use std::fmt;

use doorward_core::calibration::Calibration;
use serde::Serialize;

use super::curve::{Count, Curve};
use super::figure::Figure;
use super::interval::Interval;
use super::page::{number, percent, percents, printable, round_percent};

/// False positive identification rates that a site might allow, the usual one in the middle.
pub const MAX_FPIRS: [f64; 3] = [1e-3, 1e-4, 1e-5];

/// False match rate of the claim of an identity that FNMR is told at.
pub const CLAIM_FMR: f64 = 1e-4;

/// How several pictures of a person become what a probe is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Enrolled {
    /// A template of each; the best one counts.
    Best,
    /// One template, their mean direction.
    Mean,
}

/// One search by a person in the gallery.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mated {
    /// The best score among the person's own templates.
    pub own: f32,
    /// The best score among everybody else's; negative infinity in a gallery of nobody else.
    pub other: f32,
}

/// One search by somebody who is not in the gallery.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stranger {
    /// The score of the most similar person.
    pub best: f32,
    /// The score of the second; negative infinity in a gallery of one.
    pub second: f32,
}

/// All searches of one gallery.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// Pictures that each person who is searched for was enrolled with.
    pub images: u8,
    /// What was made of them.
    pub enrolled: Enrolled,
    /// Persons in the gallery.
    pub persons: u64,
    /// Templates in the gallery.
    pub references: u64,
    /// Searches by persons in the gallery.
    pub mated: Vec<Mated>,
    /// Searches by strangers.
    pub strangers: Vec<Stranger>,
    /// Probes that gave no template, of persons in the gallery and of strangers.
    pub failures: [u64; 2],
}

/// What a policy comes to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AtPolicy {
    /// The rate that it allows.
    pub max_fpir: f64,
    /// The score that follows for this gallery.
    pub threshold: f32,
    /// Whether the calibration's sample does not reach that far, so that the threshold is an estimate.
    pub extrapolated: bool,
    /// Strangers with anybody at or above the threshold.
    pub fpir_count: Count,
    /// Their share.
    pub fpir: f64,
    /// Exact 95 % interval.
    pub fpir_interval: Interval,
    /// Whether the interval reaches down to what is promised.
    pub promise_kept: bool,
    /// Strangers who would be taken for somebody: at or above the threshold, and the lead is large enough.
    pub fpir_with_margin_count: Count,
    /// Enrolled persons who are not let in: below the threshold, not ahead by the margin, or behind somebody else.
    pub fnir_count: Count,
    /// Their share.
    pub fnir: f64,
    /// Exact 95 % interval.
    pub fnir_interval: Interval,
}

/// What one gallery came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found {
    /// See [`Trial::images`].
    pub images: u8,
    /// See [`Trial::enrolled`].
    pub enrolled: Enrolled,
    /// See [`Trial::persons`].
    pub persons: u64,
    /// See [`Trial::references`].
    pub references: u64,
    /// Searches by persons in the gallery.
    pub mated_searches: u64,
    /// Searches by strangers.
    pub stranger_searches: u64,
    /// Comparisons of strangers with templates.
    pub stranger_comparisons: u64,
    /// Probes without a template: of enrolled persons, of strangers.
    pub failures: [u64; 2],
    /// Enrolled persons for whom somebody else scored better.
    pub rank_one_errors: Count,
    /// Claims of the own identity that fail at [`CLAIM_FMR`].
    pub claim_errors: Count,
    /// At each of [`MAX_FPIRS`].
    pub at_policy: Vec<AtPolicy>,
    /// FNIR over FPIR at every threshold.
    #[serde(skip)]
    pub(super) curve: Curve,
}

/// The result of a test.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IdentificationEvaluation {
    /// `identify`.
    pub report: &'static str,
    /// What was tested.
    pub model: String,
    /// On what.
    pub data: String,
    /// The lead over the second person that is asked for, a difference of scores.
    pub margin: f32,
    /// One for each gallery.
    pub trials: Vec<Found>,
    /// The error rates.
    pub figures: Vec<Figure>,
}

/// Searches that nothing can be concluded from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentificationError {
    /// None of a kind.
    #[error("evaluate identification without searches of {0}")]
    Empty(&'static str),
}

impl IdentificationEvaluation {
    /// Evaluates searches at the thresholds that `calibration` gives for each gallery.
    ///
    /// # Errors
    /// [`IdentificationError`].
    pub fn of(
        model: String,
        data: String,
        trials: &[Trial],
        calibration: &Calibration,
        margin: f32,
    ) -> Result<Self, IdentificationError> {
        let mut found = Vec::new();
        for trial in trials {
            let empty =
                [("enrolled persons", trial.mated.is_empty()), ("strangers", trial.strangers.is_empty())];
            if let Some((kind, _)) = empty.iter().find(|(_, empty)| *empty) {
                return Err(IdentificationError::Empty(kind));
            }
            found.push(evaluated(trial, calibration, margin));
        }
        let figures = found.iter().flat_map(Found::figures).collect();
        Ok(Self { report: "identify", model, data, margin, trials: found, figures })
    }

    /// The figures as one JSON object with the names of the fields.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("strings, numbers and lists become JSON")
    }
}

impl Found {
    /// In words: `3 images (mean)`.
    #[must_use]
    pub fn title(&self) -> String {
        let images = if self.images == 1 { "image" } else { "images" };
        let rule = match (self.images, self.enrolled) {
            (1, _) => "",
            (_, Enrolled::Best) => " (best)",
            (_, Enrolled::Mean) => " (mean)",
        };
        format!("{} {images}{rule}", self.images)
    }

    fn figures(&self) -> Vec<Figure> {
        let title = self.title();
        let mut figures = vec![
            Figure::counted(format!("rank-one error, {title}"), self.rank_one_errors),
            Figure::counted(format!("FNMR of a claim at FMR {CLAIM_FMR:e}, {title}"), self.claim_errors),
        ];
        for at in &self.at_policy {
            let policy = format!("max_fpir {:e}, {title}", at.max_fpir);
            figures.push(Figure::counted(format!("FPIR at {policy}"), at.fpir_count));
            figures.push(Figure::counted(format!("FNIR at {policy}"), at.fnir_count));
        }
        figures
    }
}

fn count<T>(searches: &[T], wrong: impl Fn(&T) -> bool) -> Count {
    let errors = searches.iter().filter(|search| wrong(search)).count() as u64;
    Count { errors, trials: searches.len() as u64 }
}

fn evaluated(trial: &Trial, calibration: &Calibration, margin: f32) -> Found {
    let references = usize::try_from(trial.references).unwrap_or(usize::MAX);
    let at_policy = |max_fpir: f64| {
        let threshold = calibration.for_identification(max_fpir, references);
        let score = threshold.score;
        let fpir_count = count(&trial.strangers, |s| s.best >= score);
        let fnir_count = count(&trial.mated, |s| s.own < score || s.own - s.other < margin);
        let fpir_interval = fpir_count.interval();
        AtPolicy {
            max_fpir,
            threshold: score,
            extrapolated: threshold.extrapolated,
            fpir: fpir_count.rate(),
            fpir_interval,
            promise_kept: fpir_interval.low <= max_fpir,
            fpir_with_margin_count: count(&trial.strangers, |s| {
                s.best >= score && s.best - s.second >= margin
            }),
            fpir_count,
            fnir: fnir_count.rate(),
            fnir_interval: fnir_count.interval(),
            fnir_count,
        }
    };
    let claim = calibration.for_verification(CLAIM_FMR).score;
    let right = |s: &Mated| if s.own > s.other { s.own } else { f32::NEG_INFINITY };
    let curve = Curve::new(
        trial.mated.iter().map(right).collect(),
        trial.strangers.iter().map(|search| search.best).collect(),
    );
    Found {
        images: trial.images,
        enrolled: trial.enrolled,
        persons: trial.persons,
        references: trial.references,
        mated_searches: trial.mated.len() as u64,
        stranger_searches: trial.strangers.len() as u64,
        stranger_comparisons: trial.strangers.len() as u64 * trial.references,
        failures: trial.failures,
        rank_one_errors: count(&trial.mated, |s| s.own <= s.other),
        claim_errors: count(&trial.mated, |s| s.own < claim),
        at_policy: MAX_FPIRS.into_iter().map(at_policy).collect(),
        curve,
    }
}

impl fmt::Display for IdentificationEvaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} on {}", printable(&self.model), printable(&self.data))?;
        for found in &self.trials {
            writeln!(
                f,
                "\nenrolled with {}: {} templates of {} persons, {} searches by them, {} by strangers ({} comparisons)",
                found.title(),
                number(found.references),
                number(found.persons),
                number(found.mated_searches),
                number(found.stranger_searches),
                number(found.stranger_comparisons)
            )?;
            let mut line = |name: String, count: Count, note: &str| {
                let (errors, trials) = (number(count.errors), number(count.trials));
                let (rate, interval) = (percent(count.rate()), percents(count.interval()));
                writeln!(f, "{name:<28}{rate:>9}  {interval:<20}  {errors} of {trials}{note}")
            };
            line("rank-one error".into(), found.rank_one_errors, "")?;
            line(format!("FNMR of a claim, FMR {CLAIM_FMR:e}"), found.claim_errors, "")?;
            for at in &found.at_policy {
                let promised = round_percent(at.max_fpir);
                let kept = if at.promise_kept { "" } else { "  (more than promised)" };
                let estimate = if at.extrapolated { ", threshold estimated" } else { "" };
                line(format!("FPIR, {promised} promised"), at.fpir_count, kept)?;
                let note = format!("  (threshold {:.4}{estimate})", at.threshold);
                line("  FNIR there".into(), at.fnir_count, &note)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use doorward_core::calibration::Point;

    use super::*;

    /// Thresholds 0.4 at 1e-3, 0.5 at 1e-4 and so on.
    fn calibration() -> Calibration {
        let points =
            (2..=7).map(|decade| Point { score: 0.1 + 0.1 * decade as f32, fmr: 10f64.powi(-decade) });
        Calibration::new(points.collect(), 1_000_000_000).unwrap()
    }

    fn trial(mated: &[(f32, f32)], strangers: &[(f32, f32)]) -> Trial {
        Trial {
            images: 1,
            enrolled: Enrolled::Best,
            persons: 10,
            references: 10,
            mated: mated.iter().map(|(own, other)| Mated { own: *own, other: *other }).collect(),
            strangers: strangers
                .iter()
                .map(|(best, second)| Stranger { best: *best, second: *second })
                .collect(),
            failures: [0, 0],
        }
    }

    fn evaluated(trial: Trial) -> IdentificationEvaluation {
        IdentificationEvaluation::of("m".into(), "d".into(), &[trial], &calibration(), 0.05).unwrap()
    }

    #[test]
    fn each_way_to_miss_a_person_is_counted_once() {
        // Found; below the threshold; somebody else is ahead; the lead is too small.
        let found = evaluated(trial(
            &[(0.9, 0.1), (0.45, 0.1), (0.7, 0.8), (0.72, 0.7)],
            &[(0.1, 0.0), (0.55, 0.54), (0.95, 0.2)],
        ));
        let trial = &found.trials[0];
        let at = &trial.at_policy[0];
        // 1e-3 among ten is 1e-4 each.
        assert!((at.threshold - 0.5).abs() < 1e-6);
        assert_eq!(at.fnir_count, Count { errors: 3, trials: 4 });
        assert_eq!(at.fpir_count, Count { errors: 2, trials: 3 });
        assert_eq!(at.fpir_with_margin_count, Count { errors: 1, trials: 3 }, "one has no lead");
        assert_eq!(trial.rank_one_errors, Count { errors: 1, trials: 4 });
        assert_eq!(trial.claim_errors, Count { errors: 1, trials: 4 }, "a claim asks for no lead");
        assert_eq!(trial.stranger_comparisons, 30);
    }

    #[test]
    fn p12_a_promise_is_broken_only_where_the_interval_excludes_it() {
        let mut strangers = vec![(0.1, 0.0); 9_999];
        strangers.push((0.99, 0.0));
        let kept = evaluated(trial(&[(0.9, 0.1)], &strangers));
        assert!(kept.trials[0].at_policy.iter().all(|at| at.promise_kept), "1 of 10,000 is within all three");
        strangers.extend([(0.99, 0.0); 60]);
        let broken = evaluated(trial(&[(0.9, 0.1)], &strangers));
        let kept: Vec<bool> = broken.trials[0].at_policy.iter().map(|at| at.promise_kept).collect();
        assert_eq!(kept, [false, false, false]);
    }

    #[test]
    fn figures_are_named_by_policy_and_enrolment() {
        let mut three = trial(&[(0.9, 0.1)], &[(0.1, 0.0)]);
        (three.images, three.enrolled) = (3, Enrolled::Mean);
        let names: Vec<String> = evaluated(three).figures.into_iter().map(|figure| figure.name).collect();
        assert!(names.contains(&"FNIR at max_fpir 1e-4, 3 images (mean)".to_owned()), "{names:?}");
        assert_eq!(names.len(), 8);
    }

    #[test]
    fn searches_of_one_kind_alone_say_nothing() {
        let of = |trial| IdentificationEvaluation::of("m".into(), "d".into(), &[trial], &calibration(), 0.05);
        assert_eq!(of(trial(&[], &[(0.1, 0.0)])), Err(IdentificationError::Empty("enrolled persons")));
        assert_eq!(of(trial(&[(0.1, 0.0)], &[])), Err(IdentificationError::Empty("strangers")));
    }
}
