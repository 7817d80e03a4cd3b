//! The same rates for each group of people by itself (ISO/IEC 19795-10): whose faces are not found, whose are turned
//! down for quality, and who is taken for somebody else of the same group.
//!
//! A pack that errs little on average may err much on those who are few in its data. Labels are whatever a set brings;
//! what they say of people is the word of those who made the set.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use doorward_core::template::{UnitVector, dot};
use serde::Serialize;

use super::comparison::COMPARISONS_MAX;
use super::curve::Count;
use super::figure::Figure;
use super::page::{number, percent, percents, printable};

/// Labels of one axis that are told apart.
pub const LABELS_MAX: usize = 100;

/// Scores that are told of each group: this many false matches that look most alike.
const ALIKE_MAX: usize = 20;

/// Rows of a block of the comparison: two of them, of 512 values, stay in a processor's cache.
const BLOCK: usize = 128;

/// What became of one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Portrayed {
    /// What it is called.
    pub name: String,
    /// Its label on each axis, in the order of [`Cohorts::axes`].
    pub labels: Vec<String>,
    /// Why a terminal would not judge it: `no_face` and the like, or `broken` for a file that is no picture; `None` where
    /// it would.
    pub reject: Option<String>,
    /// Its template, if it has one.
    pub template: Option<UnitVector>,
}

/// A test.
#[derive(Debug, Clone, PartialEq)]
pub struct Cohorts {
    /// What was tested.
    pub model: String,
    /// On what.
    pub data: String,
    /// `age`, `gender` and the like.
    pub axes: Vec<String>,
    /// The pictures; no two are of one person as far as anybody knows.
    pub pictures: Vec<Portrayed>,
    /// False match rates with the thresholds that stand for them.
    pub thresholds: Vec<(f64, f32)>,
}

/// One group.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cohort {
    /// The axis: `age`; empty for everybody.
    pub axis: String,
    /// The label on it.
    pub label: String,
    /// Pictures in which no face was found, and all.
    pub undetected: Count,
    /// Pictures with a face that was turned down, and all with a face.
    pub rejected: Count,
    /// Those by reason.
    pub reasons: BTreeMap<String, u64>,
    /// False matches among pictures of this group, at each threshold.
    pub false_matches: Vec<FalseMatches>,
}

/// False matches at one threshold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FalseMatches {
    /// The rate that the threshold stands for.
    pub fmr: f64,
    /// The threshold.
    pub threshold: f32,
    /// Pairs that match, and all.
    pub count: Count,
}

/// Two pictures that look alike.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Alike {
    /// Their score.
    pub score: f32,
    /// One.
    pub a: String,
    /// The other.
    pub b: String,
}

/// The result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CohortEvaluation {
    /// `quality`.
    pub report: &'static str,
    /// What was tested.
    pub model: String,
    /// On what.
    pub data: String,
    /// Everybody first, then each group of each axis.
    pub cohorts: Vec<Cohort>,
    /// The pairs that look most alike: one person twice in the set, or a true false match.
    pub most_alike: Vec<Alike>,
    /// The error rates.
    pub figures: Vec<Figure>,
}

/// A test that nothing can be concluded from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CohortError {
    /// Nothing to look at.
    #[error("evaluate quality without pictures")]
    Empty,
    /// Too many pairs.
    #[error("{0} pictures make more comparisons than are taken; test on a part with --limit")]
    TooMany(usize),
    /// A label column that is no grouping.
    #[error("the labels of {0:?} are more than {LABELS_MAX}: that is no grouping of people")]
    Labels(String),
}

impl CohortEvaluation {
    /// Evaluates a test.
    ///
    /// # Errors
    /// [`CohortError`].
    pub fn of(test: &Cohorts) -> Result<Self, CohortError> {
        let count = test.pictures.len() as u64;
        if count == 0 {
            return Err(CohortError::Empty);
        }
        // Only the pairs that match are kept, so twice as many are taken as where every score is.
        if count * (count - 1) / 2 > 4 * COMPARISONS_MAX {
            return Err(CohortError::TooMany(test.pictures.len()));
        }
        let alike = alike(test);
        let everybody = |_: &Portrayed| true;
        let mut cohorts = vec![cohort(test, "", "everybody", &everybody, &alike)];
        for (place, axis) in test.axes.iter().enumerate() {
            let labels: BTreeSet<&str> = test.pictures.iter().map(|p| p.labels[place].as_str()).collect();
            if labels.len() > LABELS_MAX {
                return Err(CohortError::Labels(axis.clone()));
            }
            let of = |label: &&str| {
                cohort(test, axis, label, &|picture: &Portrayed| picture.labels[place] == **label, &alike)
            };
            cohorts.extend(labels.iter().map(of));
        }
        let named = |(a, b, score): &(u32, u32, f32)| Alike {
            score: *score,
            a: test.pictures[*a as usize].name.clone(),
            b: test.pictures[*b as usize].name.clone(),
        };
        let figures = cohorts.iter().flat_map(Cohort::figures).collect();
        let most_alike = alike.iter().take(ALIKE_MAX).map(named).collect();
        let (model, data) = (test.model.clone(), test.data.clone());
        Ok(Self { report: "quality", model, data, cohorts, most_alike, figures })
    }

    /// The figures as one JSON object with the names of the fields.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("strings, numbers and lists become JSON")
    }
}

impl Cohort {
    /// In words: `age 20-39`.
    #[must_use]
    pub fn title(&self) -> String {
        if self.axis.is_empty() { self.label.clone() } else { format!("{} {}", self.axis, self.label) }
    }

    fn figures(&self) -> Vec<Figure> {
        let title = self.title();
        let mut figures = vec![
            Figure::counted(format!("no face found, {title}"), self.undetected),
            Figure::counted(format!("turned down for quality, {title}"), self.rejected),
        ];
        for at in &self.false_matches {
            figures
                .push(Figure::counted(format!("FMR at the threshold for {:e}, {title}", at.fmr), at.count));
        }
        figures
    }
}

/// All pairs that match at the lowest threshold, most alike first.
fn alike(test: &Cohorts) -> Vec<(u32, u32, f32)> {
    let lowest = test.thresholds.iter().map(|(_, score)| *score).fold(f32::INFINITY, f32::min);
    let place = |i: usize| u32::try_from(i).expect("a bounded number of pictures");
    let known: Vec<(u32, &UnitVector)> = (test.pictures.iter().enumerate())
        .filter_map(|(i, picture)| Some((place(i), picture.template.as_ref()?)))
        .collect();
    let blocks: Vec<&[(u32, &UnitVector)]> = known.chunks(BLOCK).collect();
    let mut found = Vec::new();
    for (i, one) in blocks.iter().enumerate() {
        for (j, other) in blocks.iter().enumerate().skip(i) {
            for (row, (a, vector)) in one.iter().enumerate() {
                // Within a block, each pair once.
                let from = if i == j { row + 1 } else { 0 };
                for (b, theirs) in &other[from..] {
                    let score = dot(vector.values(), theirs.values());
                    if score >= lowest {
                        found.push((*a, *b, score));
                    }
                }
            }
        }
    }
    found.sort_by(|a, b| b.2.total_cmp(&a.2).then(a.0.cmp(&b.0)).then(a.1.cmp(&b.1)));
    found
}

fn cohort(
    test: &Cohorts,
    axis: &str,
    label: &str,
    member: &dyn Fn(&Portrayed) -> bool,
    alike: &[(u32, u32, f32)],
) -> Cohort {
    let members: Vec<&Portrayed> = test.pictures.iter().filter(|picture| member(picture)).collect();
    let unseen = |picture: &&&Portrayed| matches!(picture.reject.as_deref(), Some("no_face" | "broken"));
    let undetected = members.iter().filter(unseen).count() as u64;
    let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
    for reason in members.iter().filter(|picture| !unseen(picture)).filter_map(|p| p.reject.as_ref()) {
        *reasons.entry(reason.clone()).or_default() += 1;
    }
    let all = members.len() as u64;
    let templates = members.iter().filter(|picture| picture.template.is_some()).count() as u64;
    let within = |(a, b, _): &&(u32, u32, f32)| [a, b].iter().all(|i| member(&test.pictures[**i as usize]));
    let inside: Vec<f32> = alike.iter().filter(within).map(|(_, _, score)| *score).collect();
    let false_matches = test.thresholds.iter().map(|(fmr, threshold)| {
        let errors = inside.iter().filter(|score| *score >= threshold).count() as u64;
        let trials = templates * templates.saturating_sub(1) / 2;
        FalseMatches { fmr: *fmr, threshold: *threshold, count: Count { errors, trials } }
    });
    Cohort {
        axis: axis.to_owned(),
        label: label.to_owned(),
        undetected: Count { errors: undetected, trials: all },
        rejected: Count { errors: reasons.values().sum(), trials: all - undetected },
        reasons,
        false_matches: false_matches.collect(),
    }
}

impl fmt::Display for CohortEvaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} on {}", printable(&self.model), printable(&self.data))?;
        let mut head = format!("{:<22}{:>9}  {:>30}  {:>30}", "", "pictures", "no face found", "turned down");
        if let Some(first) = self.cohorts.first() {
            for at in &first.false_matches {
                head += &format!("  {:>28}", format!("FMR where {:e} is wanted", at.fmr));
            }
        }
        writeln!(f, "{head}")?;
        let told = |count: Count| format!("{} ({})", percent(count.rate()), percents(count.interval()));
        for cohort in &self.cohorts {
            let title: String = printable(&cohort.title()).chars().take(21).collect();
            let mut line = format!(
                "{title:<22}{:>9}  {:>30}  {:>30}",
                number(cohort.undetected.trials),
                told(cohort.undetected),
                told(cohort.rejected)
            );
            for at in &cohort.false_matches {
                let count = at.count;
                let times = count.rate() / at.fmr;
                line += &format!(
                    "  {:>28}",
                    format!("{:.2e} ({times:.1} x, {} matches)", count.rate(), number(count.errors))
                );
            }
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(name: &str, gender: &str, reject: Option<&str>, direction: Option<[f32; 2]>) -> Portrayed {
        Portrayed {
            name: name.into(),
            labels: vec![gender.into()],
            reject: reject.map(str::to_owned),
            template: direction.map(|d| UnitVector::normalise(d.to_vec()).unwrap()),
        }
    }

    fn test() -> Cohorts {
        Cohorts {
            model: "m".into(),
            data: "d".into(),
            axes: vec!["gender".into()],
            pictures: vec![
                picture("f1", "female", None, Some([1.0, 0.0])),
                picture("f2", "female", Some("blurred"), Some([1.0, 0.1])),
                picture("f3", "female", Some("no_face"), None),
                picture("m1", "male", None, Some([1.0, 0.05])),
                picture("m2", "male", None, Some([0.0, 1.0])),
                picture("m3", "male", Some("broken"), None),
            ],
            thresholds: vec![(1e-3, 0.5), (1e-4, 0.9)],
        }
    }

    #[test]
    fn each_group_is_counted_by_itself() {
        let found = CohortEvaluation::of(&test()).unwrap();
        let titles: Vec<String> = found.cohorts.iter().map(Cohort::title).collect();
        assert_eq!(titles, ["everybody", "gender female", "gender male"]);
        let count = |errors, trials| Count { errors, trials };
        let [all, female, male] = found.cohorts.as_slice() else { panic!("three groups") };
        assert_eq!((all.undetected, all.rejected), (count(2, 6), count(1, 4)));
        assert_eq!((female.undetected, female.rejected), (count(1, 3), count(1, 2)));
        assert_eq!(female.reasons, BTreeMap::from([("blurred".to_owned(), 1)]));
        assert_eq!((male.undetected, male.rejected), (count(1, 3), count(0, 2)));
    }

    #[test]
    fn p11_false_matches_are_counted_within_the_group() {
        let found = CohortEvaluation::of(&test()).unwrap();
        let at = |cohort: usize| found.cohorts[cohort].false_matches[1].count;
        assert_eq!(at(0), Count { errors: 3, trials: 6 }, "f1, f2 and m1 look alike");
        assert_eq!(at(1), Count { errors: 1, trials: 1 });
        assert_eq!(at(2), Count { errors: 0, trials: 1 });
        assert_eq!(found.most_alike.len(), 3);
        assert!(found.most_alike.is_sorted_by(|a, b| a.score >= b.score));
    }

    #[test]
    fn blocks_miss_no_pair() {
        let mut many = test();
        let angle = |i: u16| f32::from(i) * 0.37;
        many.pictures =
            (0..300u16).map(|i| picture("p", "x", None, Some([angle(i).cos(), angle(i).sin()]))).collect();
        let mut expected = 0;
        for i in 0..300 {
            for j in i + 1..300 {
                let [a, b] = [i, j].map(|k: usize| many.pictures[k].template.as_ref().unwrap());
                expected += u64::from(a.cosine(b) >= 0.9);
            }
        }
        let found = CohortEvaluation::of(&many).unwrap();
        assert_eq!(found.cohorts[0].false_matches[1].count, Count { errors: expected, trials: 44_850 });
    }

    #[test]
    fn a_column_of_names_is_no_grouping() {
        let mut named = test();
        named.pictures = (0..150).map(|i| picture("p", &format!("name {i}"), None, None)).collect();
        assert_eq!(CohortEvaluation::of(&named), Err(CohortError::Labels("gender".into())));
        named.pictures.clear();
        assert_eq!(CohortEvaluation::of(&named), Err(CohortError::Empty));
    }
}
