//! The figures of one test, and how they are told: JSON for programs, a few lines for a terminal.

use std::collections::BTreeSet;
use std::fmt;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::accuracy::Accuracy;
use super::bootstrap::{self, Unit};
use super::calibration::CalibrationTable;
use super::comparison::{Comparisons, EvaluationError, Scored};
use super::curve::{Count, Curve, OperatingPoint, Summary};
use super::figure::Figure;
use super::interval::{Interval, RULE_OF_THREE};
use super::page::{number, percent, percents, printable};

/// The false match rates that FNMR is told at.
pub const FMRS: [f64; 3] = [1e-2, 1e-3, 1e-4];

/// Pairs, and failed samples, that a report shows: a page of each.
pub const SHOWN_MAX: usize = 20;

/// The equal error rate.
#[derive(Debug, Clone, PartialEq)]
pub struct Eer {
    /// The rate, interpolated.
    pub value: f64,
    /// 95 %, from resampling; at its upper end never less than an errorless test of this size leaves open.
    pub interval: Interval,
    /// The threshold there, interpolated.
    pub threshold: f64,
    /// Genuine pairs that do not match at the first observed threshold from there on.
    pub false_non_matches: Count,
    /// Impostor pairs that match there.
    pub false_matches: Count,
    /// The rate with every uncompared genuine pair counted as an error.
    pub with_failures: f64,
}

/// FNMR at one false match rate.
#[derive(Debug, Clone, PartialEq)]
pub struct AtFmr {
    /// The wanted rate, not exceeded at the threshold.
    pub fmr: f64,
    /// FNMR there.
    pub value: f64,
    /// 95 %: the hull of the two that follow.
    pub interval: Interval,
    /// By the counts alone, as if the threshold were given and all pairs independent.
    pub exact: Interval,
    /// By resampling, where there were enough persons or pairs.
    pub resampled: Option<Interval>,
    /// Scores from here on match.
    pub threshold: f32,
    /// Genuine pairs that do not match there.
    pub false_non_matches: Count,
    /// Impostor pairs that match there.
    pub false_matches: Count,
    /// Whether the number of impostors can speak of this rate at all (rule of three).
    pub supported: bool,
    /// FNMR at the same threshold with every uncompared genuine pair counted as an error.
    pub with_failures: f64,
}

/// What was presented, and what of it gave a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acquisition {
    /// Samples without a template, among all.
    pub failures: Count,
    /// Persons none of whose samples gave a template, among all; `None` where persons are not known.
    pub persons: Option<Count>,
    /// Genuine pairs that could not be compared.
    pub uncompared_genuine: u64,
    /// Impostor pairs that could not be compared.
    pub uncompared_impostor: u64,
    /// The first [`SHOWN_MAX`] failures: label and reason.
    pub shown: Vec<(String, String)>,
}

/// One pair by name.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedPair {
    /// Its score.
    pub score: f32,
    /// Label of one sample.
    pub a: String,
    /// Label of the other one.
    pub b: String,
}

/// The interval of FNMR at one FMR, for the DET plot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BandPoint {
    /// Where.
    pub fmr: f64,
    /// FNMR.
    pub fnmr: Interval,
}

/// The result of a test.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// What was tested.
    pub model: String,
    /// On what.
    pub data: String,
    /// The seed of the resampling.
    pub seed: u64,
    /// All scores in order.
    pub curve: Curve,
    /// Samples, persons and failures.
    pub acquisition: Acquisition,
    /// Equal error rate.
    pub eer: Eer,
    /// FNMR at each of [`FMRS`].
    pub at_fmr: Vec<AtFmr>,
    /// Accuracy by ten folds; `None` with fewer than ten pairs on a side.
    pub accuracy: Option<Accuracy>,
    /// What was drawn for the intervals, and how often; `None` where there was too little to draw from.
    pub resampling: Option<(Unit, usize)>,
    /// Interval of the DET curve.
    pub band: Vec<BandPoint>,
    /// Thresholds for a pack.
    pub calibration: CalibrationTable,
    /// Error rates of the same test that were measured beside these, for [`Evaluation::rates`].
    pub beside: Vec<Figure>,
    /// The genuine pairs that look least alike.
    pub worst_genuine: Vec<NamedPair>,
    /// The impostor pairs that look most alike.
    pub best_impostors: Vec<NamedPair>,
}

impl Evaluation {
    /// Evaluates a test. The same comparisons and seed give the same result.
    ///
    /// # Errors
    /// [`EvaluationError`] for sets that nothing can be concluded from.
    pub fn of(test: &Comparisons, seed: u64) -> Result<Self, EvaluationError> {
        test.check()?;
        let scores = |pairs: &[Scored]| pairs.iter().map(|pair| pair.score).collect::<Vec<f32>>();
        let curve = Curve::new(scores(&test.genuine), scores(&test.impostor));
        let band_fmrs = band_fmrs(curve.impostor().len());
        let fmrs: Vec<f64> = FMRS.iter().chain(&band_fmrs).copied().collect();

        let summary = curve.summary(&fmrs).expect("both sides were checked to have scores");
        let resampled = bootstrap::resample(test, &fmrs, seed);
        let with_failures = with_failures(&curve, test.uncompared_genuine, &fmrs);
        let points: Vec<AtFmr> = (0..fmrs.len())
            .map(|place| {
                let resampled = resampled.as_ref().map(|found| found.fnmr[place]);
                let failing = with_failures.at_fmr[place].false_non_matches.rate();
                at_fmr(fmrs[place], &summary, place, resampled, failing)
            })
            .collect();
        let (at_fmr, band) = points.split_at(FMRS.len());

        Ok(Self {
            model: test.model.clone(),
            data: test.data.clone(),
            seed,
            acquisition: acquisition(test),
            eer: eer(&summary, resampled.as_ref().map(|found| found.eer), with_failures.eer),
            at_fmr: at_fmr.to_vec(),
            accuracy: Accuracy::of(&test.genuine, &test.impostor),
            resampling: resampled.map(|found| (found.unit, found.draws)),
            band: band.iter().map(|point| BandPoint { fmr: point.fmr, fnmr: point.interval }).collect(),
            calibration: CalibrationTable::of(&curve, test.data.clone()),
            beside: Vec::new(),
            worst_genuine: named(test, &test.genuine, |one, other| one.total_cmp(&other)),
            best_impostors: named(test, &test.impostor, |one, other| other.total_cmp(&one)),
            curve,
        })
    }

    /// The figures as one JSON object; its fields are listed in [`super`].
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("strings, numbers and lists become JSON")
    }

    /// The calibration table as TOML for the manifest of a pack.
    #[must_use]
    pub fn calibration_toml(&self) -> String {
        self.calibration.toml()
    }
}

/// Rates at which the DET band is drawn: steps of a quarter decade from one half down to what the sample supports.
fn band_fmrs(impostors: usize) -> Vec<f64> {
    let least = RULE_OF_THREE / impostors as f64;
    let steps = (0..32).map(|step| 0.5 * 10f64.powf(-f64::from(step) / 4.0));
    steps.take_while(|fmr| *fmr > least).chain([least.min(1.0)]).collect()
}

/// The same test, with genuine pairs that could not be compared as errors. Uncompared impostors are left out: that a
/// camera failed is no merit of the comparison.
fn with_failures(curve: &Curve, uncompared: u64, fmrs: &[f64]) -> Summary {
    let points = curve.points().map(|point| {
        let Count { errors, trials } = point.false_non_matches;
        let false_non_matches = Count { errors: errors + uncompared, trials: trials + uncompared };
        OperatingPoint { false_non_matches, ..point }
    });
    Summary::of(points, fmrs).expect("both sides were checked to have scores")
}

fn eer(summary: &Summary, resampled: Option<Interval>, with_failures: f64) -> Eer {
    let point = summary.eer_point;
    let (genuine, impostor) = (point.false_non_matches, point.false_matches);
    // Without resampling, the counts of both sides at the crossing; with it, errorless draws must not promise zero.
    let interval = resampled.unwrap_or_else(|| genuine.interval().hull(impostor.interval()));
    let errorless = [genuine, impostor].map(|side| Interval::exact(0, side.trials).high);
    let open = Interval { low: summary.eer, high: summary.eer.max(errorless[0]).max(errorless[1]) };
    Eer {
        value: summary.eer,
        interval: interval.hull(open),
        threshold: summary.eer_threshold,
        false_non_matches: genuine,
        false_matches: impostor,
        with_failures,
    }
}

fn at_fmr(
    fmr: f64,
    summary: &Summary,
    place: usize,
    resampled: Option<Interval>,
    with_failures: f64,
) -> AtFmr {
    let point = summary.at_fmr[place];
    let exact = point.false_non_matches.interval();
    AtFmr {
        fmr,
        value: point.false_non_matches.rate(),
        interval: resampled.map_or(exact, |found| found.hull(exact)),
        exact,
        resampled,
        threshold: point.threshold,
        false_non_matches: point.false_non_matches,
        false_matches: point.false_matches,
        supported: fmr * point.false_matches.trials as f64 >= RULE_OF_THREE,
        with_failures,
    }
}

fn acquisition(test: &Comparisons) -> Acquisition {
    let failed = || test.samples.iter().filter_map(|sample| Some((sample, sample.failure.as_deref()?)));
    let persons = test.persons().map(|(of_sample, count)| {
        let enrolled: BTreeSet<u32> = of_sample
            .iter()
            .zip(&test.samples)
            .filter(|(_, s)| s.failure.is_none())
            .map(|(p, _)| *p)
            .collect();
        Count { errors: (count - enrolled.len()) as u64, trials: count as u64 }
    });
    Acquisition {
        failures: Count { errors: failed().count() as u64, trials: test.samples.len() as u64 },
        persons,
        uncompared_genuine: test.uncompared_genuine,
        uncompared_impostor: test.uncompared_impostor,
        shown: failed().take(SHOWN_MAX).map(|(s, reason)| (s.label.clone(), reason.to_owned())).collect(),
    }
}

/// The first [`SHOWN_MAX`] pairs in the order of `compare`, by name.
fn named(
    test: &Comparisons,
    pairs: &[Scored],
    compare: fn(f32, f32) -> std::cmp::Ordering,
) -> Vec<NamedPair> {
    let mut order: Vec<&Scored> = pairs.iter().collect();
    order.sort_by(|one, other| compare(one.score, other.score));
    let label = |place: u32| test.samples[place as usize].label.clone();
    order.iter().take(SHOWN_MAX).map(|p| NamedPair { score: p.score, a: label(p.a), b: label(p.b) }).collect()
}

impl Evaluation {
    /// The error rates as every report tells them; rates that the sample cannot speak of are left out.
    #[must_use]
    pub fn rates(&self) -> Vec<Figure> {
        let eer = Figure {
            name: "EER".into(),
            rate: self.eer.value,
            interval: [self.eer.interval.low, self.eer.interval.high],
            errors: self.eer.false_non_matches.errors,
            trials: self.eer.false_non_matches.trials,
        };
        let at =
            self.at_fmr.iter().filter(|at| at.supported).map(|at| {
                Figure::with(format!("FNMR at FMR {:e}", at.fmr), at.false_non_matches, at.interval)
            });
        let failures = Figure::counted("failure to acquire", self.acquisition.failures);
        [eer].into_iter().chain(at).chain([failures]).chain(self.beside.clone()).collect()
    }
}

impl Serialize for Evaluation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("report", "pairs")?;
        map.serialize_entry("model", &self.model)?;
        map.serialize_entry("data", &self.data)?;
        map.serialize_entry("figures", &self.rates())?;
        map.serialize_entry("genuine_comparisons", &self.curve.genuine().len())?;
        map.serialize_entry("impostor_comparisons", &self.curve.impostor().len())?;
        map.serialize_entry("samples", &self.acquisition.failures.trials)?;
        map.serialize_entry("failures_to_acquire", &self.acquisition.failures.errors)?;
        map.serialize_entry("failure_to_acquire_rate", &self.acquisition.failures.rate())?;
        map.serialize_entry("failure_to_acquire_rate_interval", &self.acquisition.failures.interval())?;
        map.serialize_entry("persons", &self.acquisition.persons.map(|count| count.trials))?;
        map.serialize_entry("failures_to_enrol", &self.acquisition.persons.map(|count| count.errors))?;
        map.serialize_entry("uncompared_genuine", &self.acquisition.uncompared_genuine)?;
        map.serialize_entry("uncompared_impostor", &self.acquisition.uncompared_impostor)?;
        map.serialize_entry("eer", &self.eer.value)?;
        map.serialize_entry("eer_interval", &self.eer.interval)?;
        map.serialize_entry("eer_threshold", &self.eer.threshold)?;
        map.serialize_entry("eer_count", &self.eer.false_non_matches)?;
        map.serialize_entry("eer_false_matches", &self.eer.false_matches)?;
        map.serialize_entry("eer_with_failures", &self.eer.with_failures)?;
        for point in &self.at_fmr {
            let name = format!("fnmr_at_fmr_{:e}", point.fmr);
            map.serialize_entry(&name, &point.value)?;
            map.serialize_entry(&format!("{name}_interval"), &point.interval)?;
            map.serialize_entry(&format!("{name}_interval_exact"), &point.exact)?;
            map.serialize_entry(&format!("{name}_interval_resampled"), &point.resampled)?;
            map.serialize_entry(&format!("{name}_threshold"), &point.threshold)?;
            map.serialize_entry(&format!("{name}_count"), &point.false_non_matches)?;
            map.serialize_entry(&format!("{name}_false_matches"), &point.false_matches)?;
            map.serialize_entry(&format!("{name}_supported"), &point.supported)?;
            map.serialize_entry(&format!("{name}_with_failures"), &point.with_failures)?;
        }
        map.serialize_entry("accuracy", &self.accuracy.map(|found| found.mean))?;
        map.serialize_entry("accuracy_standard_error", &self.accuracy.map(|found| found.standard_error))?;
        map.serialize_entry("accuracy_threshold", &self.accuracy.map(|found| found.threshold))?;
        map.serialize_entry("resampled", &self.resampling.map(|(unit, _)| unit))?;
        map.serialize_entry("draws", &self.resampling.map(|(_, draws)| draws))?;
        map.serialize_entry("seed", &self.seed)?;
        map.end()
    }
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} on {}", printable(&self.model), printable(&self.data))?;
        let (genuine, impostor) = (self.curve.genuine().len(), self.curve.impostor().len());
        writeln!(
            f,
            "{} genuine and {} impostor comparisons",
            number(genuine as u64),
            number(impostor as u64)
        )?;
        let failures = self.acquisition.failures;
        writeln!(
            f,
            "{} of {} samples gave no template ({})",
            number(failures.errors),
            number(failures.trials),
            percent(failures.rate())
        )?;
        writeln!(f, "\n{:<18}{:>9}  {:<20}  threshold  errors", "", "rate", "95 % interval")?;
        let mut line =
            |name: String, rate: f64, interval: Interval, threshold: f64, count: Count, note: &str| {
                let (errors, trials) = (number(count.errors), number(count.trials));
                let (rate, interval) = (percent(rate), percents(interval));
                writeln!(
                    f,
                    "{name:<18}{rate:>9}  {interval:<20}  {threshold:>9.4}  {errors} of {trials}{note}"
                )
            };
        let eer = &self.eer;
        line("EER".into(), eer.value, eer.interval, eer.threshold, eer.false_non_matches, "")?;
        for point in &self.at_fmr {
            let note = if point.supported { "" } else { "  (too few impostors for this FMR)" };
            let name = format!("FNMR at FMR {:e}", point.fmr);
            line(
                name,
                point.value,
                point.interval,
                f64::from(point.threshold),
                point.false_non_matches,
                note,
            )?;
        }
        match self.accuracy {
            Some(found) => writeln!(
                f,
                "{:<18}{:>9}  ± {} (ten folds)",
                "accuracy",
                percent(found.mean),
                percent(found.standard_error)
            ),
            None => writeln!(f, "accuracy: fewer than ten pairs on a side"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::comparison::Side;
    use super::super::synthetic::{drawn, normal, phi};
    use super::*;

    fn inside(value: f64, interval: Interval) -> bool {
        interval.low <= value && value <= interval.high
    }

    #[test]
    fn gaussians_are_evaluated_as_the_formula_says() {
        let mut test = drawn(2000, 50_000, 4.0, 11);
        for (pairs, exact) in
            [(&mut test.genuine, normal(2000, 4.0)), (&mut test.impostor, normal(50_000, 0.0))]
        {
            // Dealt out in steps, so that each fold of the accuracy gets scores from everywhere.
            let count = exact.len();
            pairs.iter_mut().enumerate().for_each(|(place, pair)| pair.score = exact[place * 1009 % count]);
        }
        let found = Evaluation::of(&test, 1).unwrap();
        assert!(inside(phi(-2.0), found.eer.interval) && inside(found.eer.value, found.eer.interval));
        for (at, deviate) in found.at_fmr.iter().zip([2.326_348, 3.090_232, 3.719_016]) {
            assert!(inside(phi(deviate - 4.0), at.interval), "{at:?}");
            assert!(at.interval.low <= at.exact.low && at.exact.high <= at.interval.high);
            assert!(at.false_matches.rate() <= at.fmr && at.supported);
            assert_eq!(at.with_failures, at.value, "nothing failed");
        }
        assert!((found.accuracy.unwrap().mean - phi(2.0)).abs() < 0.01);
        assert_eq!(found.resampling, Some((Unit::Persons, 1000)));
    }

    #[test]
    fn the_json_has_the_promised_fields_as_plain_numbers() {
        let found = Evaluation::of(&drawn(200, 2000, 3.0, 2), 9).unwrap();
        assert_eq!(
            found.json(),
            Evaluation::of(&drawn(200, 2000, 3.0, 2), 9).unwrap().json(),
            "same in, same out"
        );
        let json: serde_json::Value = serde_json::from_str(&found.json()).unwrap();
        for rate in ["eer", "fnmr_at_fmr_1e-2", "fnmr_at_fmr_1e-3", "fnmr_at_fmr_1e-4"] {
            let value = json[rate].as_f64().unwrap();
            let limit = |end: usize| json[format!("{rate}_interval")][end].as_f64().unwrap();
            assert!(limit(0) <= value && value <= limit(1), "{rate}");
            assert!(json[format!("{rate}_threshold")].is_number());
            assert_eq!(json[format!("{rate}_count")]["trials"], 200);
            assert!(json[format!("{rate}_with_failures")].is_number());
        }
        let at = &found.at_fmr[1];
        assert_eq!(json["fnmr_at_fmr_1e-3_count"]["errors"], at.false_non_matches.errors);
        assert_eq!(json["fnmr_at_fmr_1e-3"].as_f64().unwrap(), at.false_non_matches.rate());
        assert_eq!(
            (&json["genuine_comparisons"], &json["impostor_comparisons"]),
            (&200.into(), &2000.into())
        );
        assert_eq!(json["failures_to_acquire"], 0);
        assert_eq!(
            (&json["fnmr_at_fmr_1e-2_supported"], &json["fnmr_at_fmr_1e-3_supported"]),
            (&true.into(), &false.into())
        );
        assert_eq!(json["resampled"], "persons");
        assert!((0.5..1.0).contains(&json["accuracy"].as_f64().unwrap()));
        assert_eq!(json["model"], "synthetic");
    }

    #[test]
    fn failures_to_acquire_are_told_apart_and_counted_against_the_rates() {
        let mut test = drawn(100, 1000, 8.0, 3);
        let clean = Evaluation::of(&test, 1).unwrap();
        let failed = test.add_sample("dark.png", Some("0".into()), Some("no face".into()));
        let stranger = test.add_sample("hat.png", Some("new".into()), Some("no face".into()));
        for other in 0..25 {
            test.add_pair(Side::Genuine, failed, other, None);
        }
        test.add_pair(Side::Impostor, stranger, 0, None);
        let found = Evaluation::of(&test, 1).unwrap();
        assert_eq!(found.at_fmr[1].value, clean.at_fmr[1].value);
        assert_eq!(found.at_fmr[1].value, 0.0);
        assert_eq!(found.at_fmr[1].with_failures, 0.2, "25 of 125");
        assert!(found.eer.with_failures > clean.eer.with_failures);
        assert_eq!(found.acquisition.failures, Count { errors: 2, trials: 202 });
        assert_eq!(
            found.acquisition.persons,
            Some(Count { errors: 1, trials: 101 }),
            "one has no template at all"
        );
        assert_eq!((found.acquisition.uncompared_genuine, found.acquisition.uncompared_impostor), (25, 1));
        assert_eq!(found.acquisition.shown[0], ("dark.png".into(), "no face".into()));
    }

    #[test]
    fn no_error_is_told_with_its_bound() {
        let found = Evaluation::of(&drawn(100, 1000, 12.0, 4), 1).unwrap();
        let bound = Interval::exact(0, 100).high;
        assert_eq!((found.eer.value, found.eer.interval), (0.0, Interval { low: 0.0, high: bound }));
        assert_eq!(found.at_fmr[0].interval, Interval { low: 0.0, high: bound });
        assert!((bound * 100.0 - RULE_OF_THREE).abs() < 0.05);
    }

    #[test]
    fn one_pair_of_each_is_evaluated_with_all_the_doubt_it_leaves() {
        let mut test = Comparisons::new("m", "d");
        for label in ["a", "b", "c"] {
            test.add_sample(label, None, None);
        }
        test.add_pair(Side::Genuine, 0, 1, Some(0.9));
        test.add_pair(Side::Impostor, 0, 2, Some(0.1));
        let found = Evaluation::of(&test, 1).unwrap();
        assert_eq!(found.eer.value, 0.0);
        assert!((found.eer.interval.high - 0.95).abs() < 1e-12);
        assert!(found.at_fmr.iter().all(|at| !at.supported));
        assert_eq!((found.accuracy, found.calibration.points.len()), (None, 0));
    }

    #[test]
    fn the_pairs_to_look_at_are_the_extremes() {
        let found = Evaluation::of(&drawn(100, 1000, 2.0, 5), 1).unwrap();
        assert_eq!((found.worst_genuine.len(), found.best_impostors.len()), (SHOWN_MAX, SHOWN_MAX));
        assert_eq!(Some(&found.worst_genuine[0].score), found.curve.genuine().first());
        assert_eq!(Some(&found.best_impostors[0].score), found.curve.impostor().last());
        assert!(found.worst_genuine.is_sorted_by(|one, other| one.score <= other.score));
    }

    #[test]
    fn the_terminal_gets_a_short_readable_summary() {
        let mut test = drawn(200, 2000, 3.0, 2);
        test.model = "net\u{1b}[2J".into();
        let shown = Evaluation::of(&test, 9).unwrap().to_string();
        assert!(
            shown.lines().count() <= 12 && shown.lines().all(|line| line.chars().count() <= 110),
            "{shown}"
        );
        assert!(shown.contains("FNMR at FMR 1e-3") && shown.contains("of 200"), "{shown}");
        assert!(!shown.contains('\u{1b}'), "a name must not drive the terminal");
    }
}
