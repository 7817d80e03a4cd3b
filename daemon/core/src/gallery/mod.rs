//! The references a probe is searched among, and the search: exact, in one pass over one byte per value.
//!
//! The bytes give every score within a bound that holds for certain; the few templates whose bound reaches the second
//! best person are compared again with their exact values. So the answer is that of comparing the probe with every
//! template, bit for bit, and there is no index that could be stale. Its cost is reading the bytes once; a gallery of
//! which many templates resemble the probe alike costs up to a full comparison with each of them.

mod kernel;
mod rows;
mod tally;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use doorward_protocol::ids::PersonId;

use self::rows::{Probe, Rows};
use self::tally::Tally;
use crate::template::{TemplateError, TemplateVersion};
use crate::transform::Protected;

/// Most templates of a terminal: the 100,000 it is made for, and a tenth for re-enrolments that overlap with what
/// they replace.
pub const TEMPLATES_MAX: usize = 110_000;

/// Most templates of one person: enough for looks over years, and few enough that nobody's templates crowd a gallery.
pub const PERSON_TEMPLATES_MAX: usize = 100;

/// A template that was not taken in.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InsertError {
    /// Not comparable with what the gallery holds.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// [`TEMPLATES_MAX`] reached.
    #[error(
        "the gallery holds {TEMPLATES_MAX} templates and takes no more; remove persons who no longer need them"
    )]
    Full,
    /// [`PERSON_TEMPLATES_MAX`] reached.
    #[error("{0} has {PERSON_TEMPLATES_MAX} templates already; revoke some before adding others")]
    PersonFull(PersonId),
}

/// Whom a probe resembles most.
#[derive(Debug, Clone, PartialEq)]
pub struct Best {
    /// The person of the most similar template.
    pub person: PersonId,
    /// Its comparison score.
    pub score: f32,
    /// The person of the most similar template of anybody else, and its score.
    pub runner_up: Option<(PersonId, f32)>,
}

/// The templates of one version, in memory.
///
/// Takes 5 bytes per value (65 MB for 100,000 templates of 128 values, 257 MB of 512) and about 200 per person. Wiped
/// when dropped, and each template when removed.
pub struct Gallery {
    version: TemplateVersion,
    rows: Rows,
    /// Whose template each row is.
    owners: Vec<Arc<PersonId>>,
    people: BTreeMap<Arc<PersonId>, Vec<usize>>,
    tally: Tally,
}

impl Gallery {
    /// An empty gallery for templates of one version, of `dimension` values.
    #[must_use]
    pub fn new(version: TemplateVersion, dimension: usize) -> Self {
        let tally = Tally::new(dimension);
        Self { version, rows: Rows::new(dimension), owners: Vec::new(), people: BTreeMap::new(), tally }
    }

    /// Adds a template to those of a person.
    ///
    /// # Errors
    /// [`InsertError`]; the gallery is unchanged.
    pub fn insert(
        &mut self,
        person: &PersonId,
        version: TemplateVersion,
        template: &Protected,
    ) -> Result<(), InsertError> {
        if version != self.version {
            return Err(TemplateError::Version { expected: self.version, found: version }.into());
        }
        let (expected, found) = (self.dimension(), template.vector().dimension());
        if found != expected {
            return Err(TemplateError::Dimension { expected, found }.into());
        }
        if self.len() >= TEMPLATES_MAX {
            return Err(InsertError::Full);
        }
        if self.templates(person) >= PERSON_TEMPLATES_MAX {
            return Err(InsertError::PersonFull(person.clone()));
        }
        let owner = match self.people.get_key_value(person) {
            Some((owner, _)) => Arc::clone(owner),
            None => Arc::new(person.clone()),
        };
        self.people.entry(Arc::clone(&owner)).or_default().push(self.rows.len());
        self.owners.push(owner);
        self.rows.push(template.vector().values());
        self.tally.add(template.vector().values());
        Ok(())
    }

    /// Forgets a person; answers how many templates that were.
    pub fn remove(&mut self, person: &PersonId) -> usize {
        let Some(mut own) = self.people.remove(person) else { return 0 };
        let count = own.len();
        own.sort_unstable();
        // From the last row down, so that the row which moves into a gap is never one that is still to go.
        for row in own.into_iter().rev() {
            self.tally.take(self.rows.values(row));
            self.rows.swap_remove(row);
            self.owners.swap_remove(row);
            let moved_from = self.rows.len();
            if row != moved_from {
                let theirs = self.people.get_mut(&self.owners[row]).expect("every row's owner has an entry");
                *theirs.iter_mut().find(|r| **r == moved_from).expect("the entry lists the row") = row;
            }
        }
        count
    }

    /// The version its templates have.
    #[must_use]
    pub fn version(&self) -> TemplateVersion {
        self.version
    }

    /// Values per template.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.rows.dimension()
    }

    /// Number of templates.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it holds nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of persons.
    #[must_use]
    pub fn persons(&self) -> usize {
        self.people.len()
    }

    /// Number of templates of one person.
    #[must_use]
    pub fn templates(&self, person: &PersonId) -> usize {
        self.people.get(person).map_or(0, Vec::len)
    }

    /// 1:N: whom the probe resembles most, whatever the score. `None` for an empty gallery and for a probe of another
    /// dimension. Equal scores go to the identifier that sorts first.
    #[must_use]
    pub fn identify(&self, probe: &Protected) -> Option<Best> {
        let values = self.comparable(probe)?;
        let mut leaders = Vec::new();
        let mut certain = Podium::default();
        self.rows.scan(&Probe::new(values), certain.bar(), |row, bounds| {
            leaders.push((bounds.upper, row));
            certain.offer(&self.owners[row], bounds.lower);
            certain.bar()
        });
        leaders.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let mut podium = Podium::default();
        for (upper, row) in leaders {
            if upper < podium.bar() {
                break;
            }
            podium.offer(&self.owners[row], self.rows.score(row, values));
        }
        let (person, score) = podium.first?;
        let runner_up = podium.second.map(|(other, score)| (PersonId::clone(other), score));
        Some(Best { person: PersonId::clone(person), score, runner_up })
    }

    /// 1:1: the score of the person's most similar template; `None` for somebody without templates and for a probe of
    /// another dimension.
    #[must_use]
    pub fn verify(&self, person: &PersonId, probe: &Protected) -> Option<f32> {
        let values = self.comparable(probe)?;
        self.people.get(person)?.iter().map(|row| self.rows.score(*row, values)).max_by(f32::total_cmp)
    }

    /// How many persons other than `except` have a template that resembles the probe by at least `score`.
    #[must_use]
    pub fn resembling(&self, probe: &Protected, score: f32, except: &PersonId) -> usize {
        let Some(values) = self.comparable(probe) else { return 0 };
        let mut found: Vec<&PersonId> = Vec::new();
        self.rows.scan(&Probe::new(values), score, |row, _| {
            let owner = &*self.owners[row];
            if owner != except && self.rows.score(row, values) >= score {
                found.push(owner);
            }
            score
        });
        found.sort_unstable();
        found.dedup();
        found.len()
    }

    /// The mean comparison score of the probe with the templates of everybody but `except`; `None` where there are
    /// none.
    #[must_use]
    pub fn mean_score(&self, probe: &Protected, except: &PersonId) -> Option<f32> {
        let values = self.comparable(probe)?;
        let own = self.people.get(except).map_or(&[][..], Vec::as_slice);
        let own_scores = own.iter().map(|row| f64::from(self.rows.score(*row, values))).sum::<f64>();
        self.tally.mean_score(values, own.len(), own_scores)
    }

    /// The mean comparison score between two templates of the gallery; `None` for fewer than two.
    #[must_use]
    pub fn usual_score(&self) -> Option<f32> {
        self.tally.usual_score()
    }

    fn comparable<'a>(&self, probe: &'a Protected) -> Option<&'a [f32]> {
        let values = probe.vector().values();
        (values.len() == self.dimension()).then_some(values)
    }
}

/// The best score of the best person, and of the best other person.
#[derive(Default)]
struct Podium<'a> {
    first: Option<(&'a PersonId, f32)>,
    second: Option<(&'a PersonId, f32)>,
}

impl<'a> Podium<'a> {
    /// The score from which on a row can change the podium.
    fn bar(&self) -> f32 {
        self.second.map_or(f32::MIN, |(_, score)| score)
    }

    /// Takes a row into account. A person who falls behind the second can be forgotten: scores on the podium only rise.
    fn offer(&mut self, person: &'a PersonId, score: f32) {
        let offered = Some((person, score));
        match self.first {
            Some((first, best)) if first == person => self.first = Some((first, best.max(score))),
            first if ahead(offered, first) => {
                self.second = first;
                self.first = offered;
            }
            _ if ahead(offered, self.second) => self.second = offered,
            _ => {}
        }
    }
}

/// Whether `a` comes before `b`: by score, then by identifier, so that the order of insertion does not matter.
fn ahead(a: Option<(&PersonId, f32)>, b: Option<(&PersonId, f32)>) -> bool {
    match (a, b) {
        (Some((person_a, score_a)), Some((person_b, score_b))) => {
            score_a.total_cmp(&score_b).then_with(|| person_b.cmp(person_a)) == Ordering::Greater
        }
        (Some(_), None) => true,
        (None, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::template::{UnitVector, dot};

    const VERSION: TemplateVersion = TemplateVersion { model: [7; 32], preprocessing: 1 };

    fn id(n: usize) -> PersonId {
        format!("p{n}").parse().unwrap()
    }

    fn protected(values: Vec<f32>) -> Protected {
        Protected::restore(UnitVector::normalise(values).unwrap())
    }

    fn noise(rng: &mut ChaCha8Rng) -> f32 {
        (0..4).map(|_| rng.next_u32() as f32 / u32::MAX as f32 - 0.5).sum()
    }

    fn random(rng: &mut ChaCha8Rng, dimension: usize) -> Protected {
        protected((0..dimension).map(|_| noise(rng)).collect())
    }

    /// The vector, and a little of something else.
    fn near(rng: &mut ChaCha8Rng, to: &Protected, amount: f32) -> Protected {
        protected(to.vector().values().iter().map(|v| v + amount * noise(rng)).collect())
    }

    fn filled(templates: &[(PersonId, Protected)]) -> Gallery {
        let mut gallery = Gallery::new(VERSION, templates[0].1.vector().dimension());
        templates.iter().for_each(|(person, t)| gallery.insert(person, VERSION, t).unwrap());
        gallery
    }

    /// The answer by its definition: every person's best score with the exact values, sorted.
    fn brute_force(templates: &[(PersonId, Protected)], probe: &Protected) -> Option<Best> {
        let mut best: BTreeMap<&PersonId, f32> = BTreeMap::new();
        for (person, template) in templates {
            let score = dot(template.vector().values(), probe.vector().values());
            best.entry(person).and_modify(|b| *b = b.max(score)).or_insert(score);
        }
        let mut ranked: Vec<_> = best.into_iter().collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        let mut ranked = ranked.into_iter().map(|(person, score)| (person.clone(), score));
        let (person, score) = ranked.next()?;
        Some(Best { person, score, runner_up: ranked.next() })
    }

    fn assert_exact(templates: &[(PersonId, Protected)], gallery: &Gallery, probe: &Protected) {
        assert_eq!(gallery.len(), templates.len());
        let expected = brute_force(templates, probe);
        assert_eq!(gallery.identify(probe), expected);
        let score = |p: &PersonId| {
            let own = templates.iter().filter(|(person, _)| person == p);
            own.map(|(_, t)| dot(t.vector().values(), probe.vector().values())).max_by(f32::total_cmp)
        };
        let (some, nobody) = (id(0), id(999_999));
        assert_eq!(gallery.verify(&some, probe), score(&some));
        assert_eq!(gallery.verify(&nobody, probe), None);
        let bar = expected.and_then(|b| b.runner_up).map_or(0.1, |(_, score)| score);
        let mut resembling: Vec<_> = templates
            .iter()
            .filter(|(p, t)| *p != some && dot(t.vector().values(), probe.vector().values()) >= bar)
            .map(|(p, _)| p)
            .collect();
        resembling.sort();
        resembling.dedup();
        assert_eq!(gallery.resembling(probe, bar, &some), resembling.len());
    }

    /// Galleries that a search by codes alone gets wrong.
    fn hostile(kind: u8, rng: &mut ChaCha8Rng, dimension: usize, count: usize) -> Vec<(PersonId, Protected)> {
        let centre = random(rng, dimension);
        let spike = |at: usize| {
            let mut values = vec![1e-4; dimension];
            values[at % dimension] = 1.0;
            protected(values)
        };
        (0..count)
            .map(|i| match kind {
                // Strangers, several templates each.
                0 => (id(i / 3), random(rng, dimension)),
                // Everybody nearly the same, far below what a code can tell apart.
                1 => (id(i), near(rng, &centre, 1e-5)),
                // Everybody exactly the same.
                2 => (id(i % 7), centre.clone()),
                // Clusters.
                3 => (id(i), if i % 5 == 0 { near(rng, &centre, 0.02) } else { random(rng, dimension) }),
                // One value holds nearly everything, so that all others round to code 0.
                4 => (id(i % 40), spike(i)),
                // Rising resemblance: every row beats all before it.
                _ => (id(i), near(rng, &centre, 2.0 / (1.0 + i as f32))),
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(120))]
        #[test]
        fn search_equals_brute_force(seed: u64, kind in 0u8..6, dimension in 1usize..200, count in 1usize..300) {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let templates = hostile(kind, &mut rng, dimension, count);
            let gallery = filled(&templates);
            for _ in 0..4 {
                let target = &templates[rng.next_u32() as usize % count].1;
                let probe = near(&mut rng, target, 0.05);
                assert_exact(&templates, &gallery, &probe);
                assert_exact(&templates, &gallery, target);
                assert_exact(&templates, &gallery, &random(&mut rng, dimension));
            }
        }

        #[test]
        fn h10_search_stays_exact_while_persons_come_and_go(seed: u64, dimension in 1usize..40) {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut templates: Vec<(PersonId, Protected)> = Vec::new();
            let mut gallery = Gallery::new(VERSION, dimension);
            for _ in 0..150 {
                let person = id(rng.next_u32() as usize % 20);
                if rng.next_u32() % 4 == 0 {
                    let before = templates.len();
                    templates.retain(|(p, _)| *p != person);
                    assert_eq!(gallery.remove(&person), before - templates.len());
                } else {
                    let template = random(&mut rng, dimension);
                    gallery.insert(&person, VERSION, &template).unwrap();
                    templates.push((person, template));
                }
                assert_exact(&templates, &gallery, &random(&mut rng, dimension));
            }
        }
    }

    #[test]
    fn blocks_fill_and_empty_again() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let mut templates: Vec<_> = (0..2600).map(|i| (id(i / 2), random(&mut rng, 24))).collect();
        let mut gallery = filled(&templates);
        assert_eq!((gallery.len(), gallery.persons(), gallery.templates(&id(3))), (2600, 1300, 2));
        for gone in [0, 1299, 511, 512, 700] {
            assert_eq!(gallery.remove(&id(gone)), 2);
            templates.retain(|(p, _)| *p != id(gone));
            assert_exact(&templates, &gallery, &random(&mut rng, 24));
        }
        (0..1300).for_each(|n| {
            gallery.remove(&id(n));
        });
        assert!(gallery.is_empty());
        assert_eq!(gallery.identify(&random(&mut rng, 24)), None);
    }

    #[test]
    fn m8_templates_of_another_model_or_size_are_refused() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut gallery = filled(&[(id(1), random(&mut rng, 16))]);
        let foreign = TemplateVersion { preprocessing: 2, ..VERSION };
        let wrong_version = gallery.insert(&id(2), foreign, &random(&mut rng, 16));
        assert!(matches!(wrong_version, Err(InsertError::Template(TemplateError::Version { .. }))));
        let wrong_size = gallery.insert(&id(2), VERSION, &random(&mut rng, 17));
        assert!(matches!(wrong_size, Err(InsertError::Template(TemplateError::Dimension { .. }))));
        assert_eq!((gallery.len(), gallery.persons()), (1, 1), "unchanged");

        let probe = random(&mut rng, 17);
        assert_eq!(gallery.identify(&probe), None);
        assert_eq!(gallery.verify(&id(1), &probe), None);
        assert_eq!(gallery.resembling(&probe, -1.0, &id(2)), 0);
        assert_eq!(gallery.mean_score(&probe, &id(2)), None);
    }

    #[test]
    fn bounds_hold() {
        let mut gallery = Gallery::new(VERSION, 2);
        let template = protected(vec![1.0, 0.0]);
        for _ in 0..PERSON_TEMPLATES_MAX {
            gallery.insert(&id(1), VERSION, &template).unwrap();
        }
        assert_eq!(gallery.insert(&id(1), VERSION, &template), Err(InsertError::PersonFull(id(1))));
        for n in PERSON_TEMPLATES_MAX..TEMPLATES_MAX {
            gallery.insert(&id(n), VERSION, &template).unwrap();
        }
        assert_eq!(gallery.insert(&id(0), VERSION, &template), Err(InsertError::Full));
        assert_eq!(gallery.remove(&id(1)), PERSON_TEMPLATES_MAX);
        assert_eq!(gallery.insert(&id(0), VERSION, &template), Ok(()));
    }

    #[test]
    fn means_are_those_of_all_pairs() {
        let mut rng = ChaCha8Rng::seed_from_u64(6);
        let templates: Vec<_> = (0..60).map(|i| (id(i / 2), random(&mut rng, 32))).collect();
        let mut gallery = filled(&templates);
        let probe = random(&mut rng, 32);
        let mean = |scores: Vec<f32>| scores.iter().sum::<f32>() / scores.len() as f32;

        let pairs = (0..60).flat_map(|i| (0..60).filter(move |j| *j != i).map(move |j| (i, j)));
        let usual = mean(pairs.map(|(i, j)| templates[i].1.cosine(&templates[j].1)).collect());
        assert!((gallery.usual_score().unwrap() - usual).abs() < 1e-5);
        let others = templates.iter().filter(|(p, _)| *p != id(4));
        let expected = mean(others.map(|(_, t)| t.cosine(&probe)).collect());
        assert!((gallery.mean_score(&probe, &id(4)).unwrap() - expected).abs() < 1e-5);

        (1..30).for_each(|n| assert_eq!(gallery.remove(&id(n)), 2));
        assert!((gallery.usual_score().unwrap() - templates[0].1.cosine(&templates[1].1)).abs() < 1e-5);
        assert_eq!(gallery.mean_score(&probe, &id(0)), None);
        gallery.remove(&id(0));
        assert_eq!(gallery.usual_score(), None);
    }
}
