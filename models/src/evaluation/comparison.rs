//! What an evaluation starts from: samples, the comparison scores of their pairs, and what could not be compared.

use std::collections::BTreeMap;

/// Pairs in one evaluation: all pairs of ten thousand samples. The evaluation keeps about 60 bytes of each.
pub const COMPARISONS_MAX: u64 = 50_000_000;

/// One picture or recording that was presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// What people know it by: a file name. Any text; reports escape it.
    pub label: String,
    /// Whose it is, where that is known.
    pub person: Option<String>,
    /// Why no template could be made of it: a failure to acquire in the sense of ISO/IEC 19795-1.
    pub failure: Option<String>,
}

/// One comparison.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// The comparison score: larger is more alike.
    pub score: f32,
    /// One sample: its place in [`Comparisons::samples`].
    pub a: u32,
    /// The other one.
    pub b: u32,
}

/// All comparisons of a test.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Comparisons {
    /// What was tested: the pack or model, with its version.
    pub model: String,
    /// What it was tested on.
    pub data: String,
    /// Every sample that was presented, those without a template included.
    pub samples: Vec<Sample>,
    /// Scores of pairs of one person.
    pub genuine: Vec<Scored>,
    /// Scores of pairs of two persons.
    pub impostor: Vec<Scored>,
    /// Genuine pairs of which a sample failed.
    pub uncompared_genuine: u64,
    /// Impostor pairs of which a sample failed.
    pub uncompared_impostor: u64,
}

/// Which of the two sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Pairs of one person.
    Genuine,
    /// Pairs of two persons.
    Impostor,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Side::Genuine => "genuine",
            Side::Impostor => "impostor",
        })
    }
}

/// Scores that nothing can be concluded from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// No scores of one kind.
    #[error(
        "evaluate without {0} comparisons: error rates need pairs of one person and pairs of two persons"
    )]
    Empty(Side),
    /// More than [`COMPARISONS_MAX`].
    #[error("evaluate {0} comparisons: at most {COMPARISONS_MAX} are taken, test on a part")]
    TooMany(u64),
    /// NaN or infinite.
    #[error("{side} comparison {index} has a score that is no finite number")]
    NotFinite {
        /// Which set.
        side: Side,
        /// Its place there, from 0.
        index: usize,
    },
    /// A pair names a sample that is not there, that has no template, or the same sample twice.
    #[error("{side} comparison {index} is of samples {a} and {b}: {why}")]
    Pair {
        /// Which set.
        side: Side,
        /// Its place there, from 0.
        index: usize,
        /// One sample.
        a: u32,
        /// The other one.
        b: u32,
        /// What is wrong.
        why: &'static str,
    },
}

impl Comparisons {
    /// An empty test of `model` on `data`.
    #[must_use]
    pub fn new(model: impl Into<String>, data: impl Into<String>) -> Self {
        Self { model: model.into(), data: data.into(), ..Self::default() }
    }

    /// Adds a sample and returns its place.
    ///
    /// # Panics
    /// Beyond 2^32 samples.
    pub fn add_sample(
        &mut self,
        label: impl Into<String>,
        person: Option<String>,
        failure: Option<String>,
    ) -> u32 {
        let place = u32::try_from(self.samples.len()).expect("fewer than 2^32 samples");
        self.samples.push(Sample { label: label.into(), person, failure });
        place
    }

    /// Adds a pair; without a score it counts as one that could not be compared.
    pub fn add_pair(&mut self, side: Side, a: u32, b: u32, score: Option<f32>) {
        let (scored, uncompared) = match side {
            Side::Genuine => (&mut self.genuine, &mut self.uncompared_genuine),
            Side::Impostor => (&mut self.impostor, &mut self.uncompared_impostor),
        };
        match score {
            Some(score) => scored.push(Scored { score, a, b }),
            None => *uncompared += 1,
        }
    }

    /// The person of every sample as a number, and how many persons there are; `None` unless all are known.
    pub(super) fn persons(&self) -> Option<(Vec<u32>, usize)> {
        let mut numbers = BTreeMap::new();
        let persons = self.samples.iter().map(|sample| {
            let next = u32::try_from(numbers.len()).expect("no more persons than samples");
            Some(*numbers.entry(sample.person.as_deref()?).or_insert(next))
        });
        let persons: Option<Vec<u32>> = persons.collect();
        persons.filter(|known| !known.is_empty()).map(|known| (known, numbers.len()))
    }

    /// Refuses scores that nothing can be concluded from, and labels that contradict each other.
    pub(super) fn check(&self) -> Result<(), EvaluationError> {
        let scored = (self.genuine.len() as u64).saturating_add(self.impostor.len() as u64);
        let total = scored.saturating_add(self.uncompared_genuine).saturating_add(self.uncompared_impostor);
        if total > COMPARISONS_MAX {
            return Err(EvaluationError::TooMany(total));
        }
        for (side, pairs) in [(Side::Genuine, &self.genuine), (Side::Impostor, &self.impostor)] {
            if pairs.is_empty() {
                return Err(EvaluationError::Empty(side));
            }
            for (index, pair) in pairs.iter().enumerate() {
                self.check_pair(side, index, *pair)?;
            }
        }
        Ok(())
    }

    fn check_pair(&self, side: Side, index: usize, pair: Scored) -> Result<(), EvaluationError> {
        if !pair.score.is_finite() {
            return Err(EvaluationError::NotFinite { side, index });
        }
        let refuse = |why| Err(EvaluationError::Pair { side, index, a: pair.a, b: pair.b, why });
        let (Some(a), Some(b)) = (self.samples.get(pair.a as usize), self.samples.get(pair.b as usize))
        else {
            return refuse("there are fewer samples");
        };
        if pair.a == pair.b {
            return refuse("a sample compared with itself says nothing");
        }
        if a.failure.is_some() || b.failure.is_some() {
            return refuse("a sample that failed has no score");
        }
        match (side, &a.person, &b.person) {
            (Side::Genuine, Some(one), Some(other)) if one != other => refuse("they are of two persons"),
            (Side::Impostor, Some(one), Some(other)) if one == other => refuse("they are of one person"),
            (Side::Genuine | Side::Impostor, _, _) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair_of(persons: [&str; 2]) -> Comparisons {
        let mut test = Comparisons::new("m", "d");
        for person in persons {
            test.add_sample(format!("{person}.png"), Some(person.to_owned()), None);
        }
        test
    }

    #[test]
    fn one_sided_and_empty_sets_are_refused_by_name() {
        let mut test = pair_of(["ann", "bob"]);
        assert_eq!(test.check(), Err(EvaluationError::Empty(Side::Genuine)));
        test.add_sample("ann2.png", Some("ann".into()), None);
        test.add_pair(Side::Genuine, 0, 2, Some(0.9));
        assert_eq!(test.check(), Err(EvaluationError::Empty(Side::Impostor)));
        test.add_pair(Side::Impostor, 0, 1, Some(0.1));
        assert_eq!(test.check(), Ok(()));
    }

    #[test]
    fn scores_that_are_no_numbers_are_refused() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut test = pair_of(["ann", "ann"]);
            test.add_pair(Side::Genuine, 0, 1, Some(0.5));
            test.add_pair(Side::Genuine, 0, 1, Some(bad));
            assert_eq!(test.check(), Err(EvaluationError::NotFinite { side: Side::Genuine, index: 1 }));
        }
    }

    #[test]
    fn pairs_that_contradict_their_samples_are_refused() {
        let refused = |mut test: Comparisons, side, a, b| {
            test.add_pair(side, a, b, Some(0.5));
            matches!(test.check(), Err(EvaluationError::Pair { .. }))
        };
        assert!(refused(pair_of(["ann", "bob"]), Side::Genuine, 0, 1), "two persons");
        assert!(refused(pair_of(["ann", "ann"]), Side::Genuine, 1, 1), "itself");
        assert!(refused(pair_of(["ann", "ann"]), Side::Genuine, 0, 2), "no such sample");
        let mut failed = pair_of(["ann", "ann"]);
        failed.samples[1].failure = Some("no face".into());
        assert!(refused(failed, Side::Genuine, 0, 1), "failed");
        let mut one = pair_of(["ann", "ann"]);
        one.add_sample("ann3.png", Some("ann".into()), None);
        one.add_pair(Side::Genuine, 0, 1, Some(0.5));
        one.add_pair(Side::Impostor, 0, 2, Some(0.5));
        assert!(matches!(one.check(), Err(EvaluationError::Pair { side: Side::Impostor, .. })));
    }

    #[test]
    fn persons_are_numbered_only_if_all_are_known() {
        let mut test = pair_of(["bob", "ann"]);
        test.add_sample("bob2.png", Some("bob".into()), None);
        assert_eq!(test.persons(), Some((vec![0, 1, 0], 2)));
        test.add_sample("somebody.png", None, None);
        assert_eq!(test.persons(), None);
        assert_eq!(Comparisons::default().persons(), None);
    }
}
