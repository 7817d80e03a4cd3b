//! Two reports of one test side by side: what got worse beyond doubt, before a new pack goes out to terminals.
//!
//! A rate got worse where the new one lies above the old interval, and chance alone would deal the errors of both out so
//! unevenly in fewer than one of forty cases (Fisher's exact test, one-sided). The first alone would raise an alarm whenever
//! a small new sample jumps about, the second alone where an interval that knows of more than counts holds both.

use serde::Deserialize;

use super::figure::Figure;
use super::interval::ln_gamma;
use super::page::{percent, printable};

/// Chance that is not taken for a change: what lies beyond one end of a 95 % interval.
const CHANCE_MAX: f64 = 0.025;

/// Figures of one report: hundreds of species, cohorts and rates.
const FIGURES_MAX: usize = 10_000;

/// What a comparison needs of a report; the rest is for people.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Report {
    /// Which command made it: `pad`, `identify`, `pairs`, `quality`.
    pub report: String,
    /// What was tested.
    pub model: String,
    /// On what.
    pub data: String,
    /// Its error rates.
    pub figures: Vec<Figure>,
}

/// A report that cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// No JSON, or without what a report has.
    #[error("this is no JSON report of doorctl evaluate")]
    Syntax(#[source] serde_json::Error),
    /// More than [`FIGURES_MAX`], or a rate or interval that is none.
    #[error(
        "a report has at most {FIGURES_MAX} figures, each a rate within an interval within 0 to 1: {0:?} is not"
    )]
    Figure(String),
    /// Of two commands.
    #[error("a report of `evaluate {0}` cannot be held against one of `evaluate {1}`")]
    Kinds(String, String),
    /// On two sets of data.
    #[error(
        "the reports are of different data, {0:?} and {1:?}: measure both on the same, or say that they may differ"
    )]
    Data(String, String),
}

/// What became of one figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Worse beyond doubt.
    Worse,
    /// Better beyond doubt.
    Better,
    /// Within what either measurement leaves open.
    Same,
    /// The new report does not tell it.
    Gone,
    /// The old report did not tell it.
    New,
}

/// One figure of both reports.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// Its name.
    pub name: String,
    /// What became of it.
    pub change: Change,
    /// As it was.
    pub old: Option<Figure>,
    /// As it is.
    pub new: Option<Figure>,
}

impl Report {
    /// Reads a report.
    ///
    /// # Errors
    /// [`ReportError::Syntax`], [`ReportError::Figure`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ReportError> {
        let report: Self = serde_json::from_slice(bytes).map_err(ReportError::Syntax)?;
        let sound = |figure: &&Figure| {
            let [low, high] = figure.interval;
            let within =
                (0.0..=1.0).contains(&low) && low <= figure.rate && figure.rate <= high && high <= 1.0;
            within && figure.errors <= figure.trials
        };
        match report.figures.iter().find(|figure| !sound(figure)) {
            Some(bad) => Err(ReportError::Figure(bad.name.clone())),
            None if report.figures.len() > FIGURES_MAX => Err(ReportError::Figure("their number".to_owned())),
            None => Ok(report),
        }
    }
}

/// Every figure of either report, in the order of the old one, those of the new one alone behind them.
///
/// # Errors
/// [`ReportError::Kinds`]; [`ReportError::Data`] unless `other_data` says that they may differ.
pub fn compare(old: &Report, new: &Report, other_data: bool) -> Result<Vec<Compared>, ReportError> {
    if old.report != new.report {
        return Err(ReportError::Kinds(old.report.clone(), new.report.clone()));
    }
    if old.data != new.data && !other_data {
        return Err(ReportError::Data(old.data.clone(), new.data.clone()));
    }
    let of = |report: &Report, name: &str| report.figures.iter().find(|figure| figure.name == name).cloned();
    let mut compared: Vec<Compared> = Vec::new();
    for figure in old.figures.iter().chain(&new.figures) {
        if compared.iter().all(|before| before.name != figure.name) {
            let (old, new) = (of(old, &figure.name), of(new, &figure.name));
            let change = change(old.as_ref(), new.as_ref());
            compared.push(Compared { name: figure.name.clone(), change, old, new });
        }
    }
    Ok(compared)
}

fn change(old: Option<&Figure>, new: Option<&Figure>) -> Change {
    let (old, new) = match (old, new) {
        (Some(old), Some(new)) => (old, new),
        (Some(_), None) => return Change::Gone,
        (None, _) => return Change::New,
    };
    let beyond = |from: &Figure, to: &Figure| to.rate > from.interval[1] && by_chance(from, to) <= CHANCE_MAX;
    if beyond(old, new) {
        Change::Worse
    } else if beyond(new, old) {
        Change::Better
    } else {
        Change::Same
    }
}

/// The probability that at least so many of all errors fall upon `to`, were both rates the same.
fn by_chance(from: &Figure, to: &Figure) -> f64 {
    let (mine, all) = (to.trials as f64, (from.trials + to.trials) as f64);
    let errors = (from.errors + to.errors) as f64;
    let choose = |n: f64, k: f64| ln_gamma(n + 1.0) - ln_gamma(k + 1.0) - ln_gamma(n - k + 1.0);
    let mut sum = 0.0;
    for count in to.errors..=to.trials.min(from.errors + to.errors) {
        let count = count as f64;
        if errors - count > all - mine {
            continue;
        }
        let term = (choose(mine, count) + choose(all - mine, errors - count) - choose(all, errors)).exp();
        sum += term;
        // Above the expected number, terms only fall.
        if count > errors * mine / all && term < 1e-12 * sum {
            break;
        }
    }
    sum.min(1.0)
}

impl Change {
    /// Whether a roll-out should stop: what is worse, and what is told no more.
    #[must_use]
    pub fn alarms(self) -> bool {
        match self {
            Change::Worse | Change::Gone => true,
            Change::Better | Change::Same | Change::New => false,
        }
    }
}

impl std::fmt::Display for Compared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = match self.change {
            Change::Worse => "worse",
            Change::Better => "better",
            Change::Same => "as before",
            Change::Gone => "told no more",
            Change::New => "new",
        };
        let told = |figure: &Option<Figure>| {
            figure.as_ref().map_or("–".to_owned(), |figure| {
                let [low, high] = figure.interval.map(percent);
                let rate = percent(figure.rate);
                let counted = format!("{} of {}", figure.errors, figure.trials);
                format!("{rate} ({} to {high}; {counted})", low.trim_end_matches(" %"))
            })
        };
        write!(f, "{word:<12} {}: {} → {}", printable(&self.name), told(&self.old), told(&self.new))
    }
}

#[cfg(test)]
mod tests {
    use super::super::curve::Count;
    use super::*;

    fn report(figures: &[(&str, u64, u64)]) -> Report {
        let figure = |(name, errors, trials): &(&str, u64, u64)| {
            Figure::counted(*name, Count { errors: *errors, trials: *trials })
        };
        Report {
            report: "pad".into(),
            model: "m".into(),
            data: "d".into(),
            figures: figures.iter().map(figure).collect(),
        }
    }

    fn changes(old: &[(&str, u64, u64)], new: &[(&str, u64, u64)]) -> Vec<Change> {
        let compared = compare(&report(old), &report(new), false).unwrap();
        compared.into_iter().map(|one| one.change).collect()
    }

    #[test]
    fn a_rate_is_worse_where_it_left_its_interval_and_chance_does_not_explain_it() {
        assert_eq!(changes(&[("a", 1, 1000)], &[("a", 20, 1000)]), [Change::Worse]);
        assert_eq!(changes(&[("a", 20, 1000)], &[("a", 1, 1000)]), [Change::Better]);
        assert_eq!(changes(&[("a", 10, 1000)], &[("a", 14, 1000)]), [Change::Same]);
        let one_of = |trials| changes(&[("a", 0, 1000)], &[("a", 1, trials)]);
        assert_eq!(one_of(100), [Change::Same], "a small new sample jumps about");
        assert_eq!(one_of(20), [Change::Worse], "one of 51 would be chance");
        assert_eq!(changes(&[("a", 0, 20)], &[("a", 100, 1000)]), [Change::Same], "20 allow 10 % as well");
        assert_eq!(changes(&[("a", 0, 100)], &[("a", 100, 1000)]), [Change::Worse]);
    }

    #[test]
    fn chance_is_that_of_the_hypergeometric_distribution() {
        let of = |from: (u64, u64), to: (u64, u64)| {
            let figure = |(errors, trials)| Figure::counted("a", Count { errors, trials });
            by_chance(&figure(from), &figure(to))
        };
        // The lady who tasted tea: all four cups right of eight, one way of seventy.
        assert!((of((0, 4), (4, 4)) - 1.0 / 70.0).abs() < 1e-9);
        assert!((of((1, 4), (3, 4)) - 17.0 / 70.0).abs() < 1e-9);
        assert!((of((0, 1000), (1, 20)) - 20.0 / 1020.0).abs() < 1e-9);
        assert_eq!(of((3, 10), (0, 10)), 1.0);
        let large = of((700, 7_000_000), (700, 7_000_000));
        assert!((large - 0.51).abs() < 0.01, "{large}");
    }

    #[test]
    fn what_is_told_no_more_alarms_and_what_is_new_does_not() {
        let found = changes(&[("a", 1, 10), ("b", 1, 10)], &[("c", 1, 10), ("a", 1, 10)]);
        assert_eq!(found, [Change::Same, Change::Gone, Change::New]);
        assert!(Change::Gone.alarms() && Change::Worse.alarms());
        assert!(!Change::New.alarms() && !Change::Same.alarms() && !Change::Better.alarms());
    }

    #[test]
    fn reports_of_two_kinds_or_two_sets_of_data_are_not_compared() {
        let one = report(&[]);
        let kinds = Report { report: "pairs".into(), ..one.clone() };
        assert!(matches!(compare(&one, &kinds, true), Err(ReportError::Kinds(..))));
        let data = Report { data: "e".into(), ..one.clone() };
        assert!(matches!(compare(&one, &data, false), Err(ReportError::Data(..))));
        assert_eq!(compare(&one, &data, true).unwrap(), []);
    }

    #[test]
    fn h5_what_is_no_report_is_refused_by_name() {
        let parse = |figure: &str| {
            let text = format!(r#"{{"report":"pad","model":"m","data":"d","figures":[{figure}]}}"#);
            Report::parse(text.as_bytes()).map_err(|fault| fault.to_string())
        };
        let good = r#"{"name":"a","rate":0.1,"interval":[0.0,0.2],"errors":1,"trials":10}"#;
        assert_eq!(parse(good).unwrap().figures[0].trials, 10);
        for bad in ["[0.2,0.3]", "[0.0,7.0]", "[0.0,0.05]"] {
            assert!(parse(&good.replace("[0.0,0.2]", bad)).unwrap_err().contains("\"a\""), "{bad}");
        }
        assert!(matches!(Report::parse(b"{"), Err(ReportError::Syntax(_))));
        assert!(matches!(Report::parse(br#"{"report":"pad"}"#), Err(ReportError::Syntax(_))));
    }
}
