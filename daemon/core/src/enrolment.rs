//! Which templates may become references. A bad reference is worse than a bad probe: it is wrong at every door, for
//! years. What is measured in the picture (quality, liveness) is checked before; here the templates themselves are,
//! against each other and against everybody who is enrolled already.
//!
//! The defaults were set with a MobileFaceNet of 128 values and 1,632 persons of LFW, each compared with all others:
//! persons resemble 0.7 % of the others at most at a false match rate of 1e-3, and their mean score lies at most 0.036
//! above the usual 0.010. The mean of all templates, the plainest wolf, resembles 1.2 % and lies 0.09 above.
//! Pictures without a face (grey, black, noise, heavy blur) give templates that no check on templates tells from a
//! person's; only the quality checks keep those out.

use doorward_protocol::ids::PersonId;

use crate::calibration::{Calibration, FMR_MAX};
use crate::gallery::{Gallery, PERSON_TEMPLATES_MAX};
use crate::template::{TemplateError, UnitVector};
use crate::transform::{Protected, Transform};

/// Largest share of a template's energy that may lie in its mean: persons stay below 0.11, a vector of nearly equal
/// values has 1.
const MEAN_SHARE_MAX: f32 = 0.5;

/// Smallest share of values that a template must spread over (1 / (d * sum of fourth powers)): persons stay above 0.19,
/// a vector that one value dominates has 1 / d.
const SPREAD_MIN: f32 = 0.05;

/// What templates must fulfil.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gates {
    /// Fewest templates of one enrolment.
    pub samples_min: usize,
    /// Templates of one person must resemble each other as strangers do at most at this rate.
    pub agreement_fmr: f64,
    /// Somebody else is the same person where a stranger would be taken for anybody enrolled at most at this rate.
    pub duplicate_fpir: f64,
    /// A template may resemble this share of all persons, at a false match rate of [`FMR_MAX`] …
    pub wolf_share_max: f32,
    /// … or this many persons, which chance reaches in a small gallery.
    pub wolf_persons_max: usize,
    /// How far a template's mean score with everybody may lie above the gallery's usual one.
    pub wolf_excess_max: f32,
    /// Fewer persons than this have no usual score to speak of.
    pub wolf_excess_persons_min: usize,
}

impl Default for Gates {
    fn default() -> Self {
        Self {
            samples_min: 2,
            agreement_fmr: 1e-4,
            duplicate_fpir: 1e-3,
            wolf_share_max: 0.01,
            wolf_persons_max: 5,
            wolf_excess_max: 0.05,
            wolf_excess_persons_min: 30,
        }
    }
}

impl Gates {
    /// For a photo that somebody answers for, where one picture is all there is.
    #[must_use]
    pub fn supervised_photo() -> Self {
        Self { samples_min: 1, ..Self::default() }
    }
}

/// Why an enrolment was turned down. Samples are counted from 1, as the operator sees them.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// Below [`Gates::samples_min`].
    #[error(
        "{found} usable pictures, and {needed} are needed; take more, with a small turn of the head between them"
    )]
    TooFew {
        /// Templates that came.
        found: usize,
        /// Templates needed.
        needed: usize,
    },
    /// More than [`PERSON_TEMPLATES_MAX`] together with what the person has.
    #[error(
        "this would make {0} templates for one person, and {PERSON_TEMPLATES_MAX} is the most; revoke old ones first"
    )]
    TooMany(usize),
    /// Not comparable with the gallery.
    #[error("picture {sample} gave no usable template; enrol with the model that this site's terminals use")]
    Unusable {
        /// Which one.
        sample: usize,
        /// What is wrong with it.
        source: TemplateError,
    },
    /// Low information: nearly constant, or one value holds everything.
    #[error(
        "the template of picture {0} holds next to no information; check that it shows a face, and the model pack"
    )]
    Featureless(usize),
    /// Two samples of one person are not alike.
    #[error(
        "pictures {first} and {second} do not look like the same person; take all of them again, of one person, in even light"
    )]
    Disagree {
        /// One.
        first: usize,
        /// The other.
        second: usize,
        /// Their comparison score.
        score: f32,
    },
    /// The person is enrolled already and looks different.
    #[error(
        "picture {sample} does not look like the person enrolled under this id; check the id, or revoke the old templates if their looks have changed"
    )]
    Stranger {
        /// Which one.
        sample: usize,
        /// Its best score with the person's templates.
        score: f32,
    },
    /// Resembles many persons.
    #[error(
        "the template of picture {sample} resembles {persons} enrolled persons and would match too many; take a sharper, frontal picture without filters or retouching"
    )]
    Wolf {
        /// Which one.
        sample: usize,
        /// How many it resembles at a false match rate of [`FMR_MAX`].
        persons: usize,
        /// Its mean comparison score with everybody else.
        mean: f32,
    },
    /// Enrolled under another id.
    #[error(
        "this person seems to be enrolled as {person} already; use that id, or erase it first; twins can use card and face"
    )]
    Duplicate {
        /// Under which.
        person: PersonId,
        /// The comparison score.
        score: f32,
    },
}

impl Gates {
    /// Checks the templates of one enrolment of `person`, who may be enrolled already, and gives them protected, in
    /// the same order, ready for the gallery and the store.
    ///
    /// # Errors
    /// The first [`Refusal`] that applies.
    pub fn check(
        &self,
        person: &PersonId,
        samples: &[UnitVector],
        transform: &Transform,
        gallery: &Gallery,
        calibration: &Calibration,
    ) -> Result<Vec<Protected>, Refusal> {
        if samples.len() < self.samples_min.max(1) {
            return Err(Refusal::TooFew { found: samples.len(), needed: self.samples_min.max(1) });
        }
        let together = gallery.templates(person) + samples.len();
        if together > PERSON_TEMPLATES_MAX {
            return Err(Refusal::TooMany(together));
        }
        if let Some(sample) = samples.iter().position(featureless) {
            return Err(Refusal::Featureless(sample + 1));
        }
        let protected = protect(samples, transform, gallery.dimension())?;
        self.agree(person, &protected, gallery, calibration)?;
        for (i, template) in protected.iter().enumerate() {
            self.no_wolf(person, i + 1, template, gallery, calibration)?;
        }
        protected
            .iter()
            .try_for_each(|template| self.no_duplicate(person, template, gallery, calibration))?;
        Ok(protected)
    }

    /// Every sample must look like every other, and like what the person has.
    fn agree(
        &self,
        person: &PersonId,
        samples: &[Protected],
        gallery: &Gallery,
        calibration: &Calibration,
    ) -> Result<(), Refusal> {
        let threshold = calibration.for_verification(self.agreement_fmr).score;
        for (i, a) in samples.iter().enumerate() {
            for (j, b) in samples.iter().enumerate().skip(i + 1) {
                let score = a.cosine(b);
                if score < threshold {
                    return Err(Refusal::Disagree { first: i + 1, second: j + 1, score });
                }
            }
            if let Some(score) = gallery.verify(person, a).filter(|score| *score < threshold) {
                return Err(Refusal::Stranger { sample: i + 1, score });
            }
        }
        Ok(())
    }

    /// A template must not resemble many persons a little, nor everybody a bit more than usual.
    fn no_wolf(
        &self,
        person: &PersonId,
        sample: usize,
        template: &Protected,
        gallery: &Gallery,
        calibration: &Calibration,
    ) -> Result<(), Refusal> {
        let Some(mean) = gallery.mean_score(template, person) else { return Ok(()) };
        let persons = gallery.resembling(template, calibration.threshold(FMR_MAX).score, person);
        let many = persons > self.wolf_persons_max
            && persons as f32 > self.wolf_share_max * gallery.persons() as f32;
        let usual = gallery.usual_score().filter(|_| gallery.persons() >= self.wolf_excess_persons_min);
        let average = usual.is_some_and(|usual| mean - usual > self.wolf_excess_max);
        if many || average { Err(Refusal::Wolf { sample, persons, mean }) } else { Ok(()) }
    }

    fn no_duplicate(
        &self,
        person: &PersonId,
        template: &Protected,
        gallery: &Gallery,
        calibration: &Calibration,
    ) -> Result<(), Refusal> {
        let threshold = calibration.for_identification(self.duplicate_fpir, gallery.len()).score;
        let other = gallery.identify(template).and_then(|best| {
            if best.person == *person { best.runner_up } else { Some((best.person, best.score)) }
        });
        match other {
            Some((person, score)) if score >= threshold => Err(Refusal::Duplicate { person, score }),
            Some(_) | None => Ok(()),
        }
    }
}

fn protect(
    samples: &[UnitVector],
    transform: &Transform,
    dimension: usize,
) -> Result<Vec<Protected>, Refusal> {
    assert_eq!(transform.dimension(), dimension, "transform and gallery are made for one model");
    let one =
        |(i, sample)| transform.protect(sample).map_err(|source| Refusal::Unusable { sample: i + 1, source });
    samples.iter().enumerate().map(one).collect()
}

/// Looked at before the transform, which would spread any vector evenly.
fn featureless(sample: &UnitVector) -> bool {
    let dimension = sample.dimension() as f32;
    let mean = sample.values().iter().sum::<f32>() / dimension;
    let fourth_powers = sample.values().iter().map(|v| v.powi(4)).sum::<f32>();
    dimension * mean * mean > MEAN_SHARE_MAX || (dimension * fourth_powers).recip() < SPREAD_MIN
}

#[cfg(test)]
mod tests {
    use std::slice;

    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::calibration::Point;
    use crate::template::TemplateVersion;

    const DIMENSION: usize = 128;
    const VERSION: TemplateVersion = TemplateVersion { model: [1; 32], preprocessing: 1 };

    fn id(n: usize) -> PersonId {
        format!("p{n}").parse().unwrap()
    }

    fn unit(values: Vec<f32>) -> UnitVector {
        UnitVector::normalise(values).unwrap()
    }

    fn noise(rng: &mut ChaCha8Rng) -> f32 {
        (0..4).map(|_| rng.next_u32() as f32 / u32::MAX as f32 - 0.5).sum()
    }

    fn face(rng: &mut ChaCha8Rng) -> UnitVector {
        unit((0..DIMENSION).map(|_| noise(rng)).collect())
    }

    /// Another picture of the same face: cosine about 0.9.
    fn again(rng: &mut ChaCha8Rng, of: &UnitVector) -> UnitVector {
        let other = face(rng);
        unit(of.values().iter().zip(other.values()).map(|(a, b)| a + 0.5 * b).collect())
    }

    /// A site with some persons, each enrolled with two pictures.
    struct Site {
        rng: ChaCha8Rng,
        transform: Transform,
        gallery: Gallery,
        calibration: Calibration,
        faces: Vec<UnitVector>,
    }

    impl Site {
        fn new(persons: usize) -> Self {
            let points = [(0.33, 1e-3), (0.40, 1e-4), (0.46, 1e-5), (0.55, 1e-6)];
            let points = points.map(|(score, fmr)| Point { score, fmr }).to_vec();
            let mut site = Self {
                rng: ChaCha8Rng::seed_from_u64(9),
                transform: Transform::new(&[4; 32], DIMENSION),
                gallery: Gallery::new(VERSION, DIMENSION),
                calibration: Calibration::new(points, 9_160_000).unwrap(),
                faces: Vec::new(),
            };
            for n in 0..persons {
                let person = face(&mut site.rng);
                let samples = [again(&mut site.rng, &person), again(&mut site.rng, &person)];
                let accepted =
                    site.check(n, &samples).unwrap_or_else(|refusal| panic!("person {n}: {refusal}"));
                accepted.iter().for_each(|t| site.gallery.insert(&id(n), VERSION, t).unwrap());
                site.faces.push(person);
            }
            site
        }

        fn check(&self, person: usize, samples: &[UnitVector]) -> Result<Vec<Protected>, Refusal> {
            Gates::default().check(&id(person), samples, &self.transform, &self.gallery, &self.calibration)
        }

        fn pictures(&mut self, of: &UnitVector) -> [UnitVector; 2] {
            [again(&mut self.rng, of), again(&mut self.rng, of)]
        }

        fn newcomer(&mut self) -> [UnitVector; 2] {
            let face = face(&mut self.rng);
            self.pictures(&face)
        }
    }

    #[test]
    fn newcomers_and_better_pictures_of_the_enrolled_are_welcome() {
        let mut site = Site::new(300);
        for n in 300..400 {
            let samples = site.newcomer();
            let accepted = site.check(n, &samples).unwrap_or_else(|refusal| panic!("{refusal}"));
            assert_eq!(
                accepted[1],
                site.transform.protect(&samples[1]).unwrap(),
                "what was checked is what comes out"
            );
        }
        let known = site.faces[7].clone();
        let samples = site.pictures(&known);
        assert!(site.check(7, &samples).is_ok());
        assert!(Site::new(0).check(0, &samples).is_ok(), "the first person of a site");
    }

    #[test]
    fn m10_the_same_face_under_two_ids_is_named() {
        let mut site = Site::new(300);
        let known = site.faces[42].clone();
        let samples = site.pictures(&known);
        let refusal = site.check(1000, &samples).unwrap_err();
        assert!(
            matches!(&refusal, Refusal::Duplicate { person, score } if *person == id(42) && *score > 0.6)
        );
        assert!(refusal.to_string().contains("p42"));

        // Hidden behind templates of their own: p7 gets p42's face although p7 is the best match of one picture.
        let both = unit(site.faces[7].values().iter().zip(known.values()).map(|(a, b)| a + b).collect());
        let samples = site.pictures(&both);
        assert!(
            matches!(site.check(7, &samples), Err(Refusal::Duplicate { person, .. }) if person == id(42))
        );
    }

    #[test]
    fn m9_wolves_are_refused() {
        let mut site = Site::new(100);
        let average = UnitVector::mean(site.faces.iter()).unwrap();
        let refusal = site.check(1000, &[average.clone(), average.clone()]).unwrap_err();
        assert!(matches!(refusal, Refusal::Wolf { sample: 1, mean, .. } if mean > 0.05), "{refusal:?}");

        // One that resembles a few persons a little, and the others not at all: no duplicate of any of them.
        let pack = UnitVector::mean(site.faces[..6].iter()).unwrap();
        let refusal = site.check(1000, &[pack.clone(), pack]).unwrap_err();
        assert!(matches!(refusal, Refusal::Wolf { persons: 6, mean, .. } if mean < 0.05), "{refusal:?}");

        let honest = site.newcomer()[0].clone();
        let samples = [again(&mut site.rng, &honest), honest, average];
        assert!(
            matches!(site.check(1000, &samples), Err(Refusal::Disagree { .. })),
            "no way in between good ones"
        );
    }

    #[test]
    fn m9_templates_without_information_are_refused() {
        let site = Site::new(2);
        let constant = unit((0..DIMENSION).map(|i| 1.0 + 0.1 * (i % 3) as f32).collect());
        let single = unit((0..DIMENSION).map(|i| if i == 5 { 1.0 } else { 0.01 }).collect());
        for low in [constant, single] {
            assert_eq!(site.check(9, &[low.clone(), low]), Err(Refusal::Featureless(1)));
        }
    }

    #[test]
    fn pictures_of_different_persons_are_refused() {
        let mut site = Site::new(20);
        let [first, second] = site.newcomer();
        let stranger = site.newcomer()[0].clone();
        let refusal = site.check(1000, &[first.clone(), second.clone(), stranger]).unwrap_err();
        assert!(
            matches!(refusal, Refusal::Disagree { first: 1, second: 3, score } if score < 0.4),
            "{refusal:?}"
        );
        let refusal = site.check(3, &[first, second]).unwrap_err();
        assert!(matches!(refusal, Refusal::Stranger { sample: 1, .. }), "another face under p3: {refusal:?}");
    }

    #[test]
    fn numbers_of_templates_are_bounded() {
        let mut site = Site::new(1);
        let [one, _] = site.newcomer();
        assert_eq!(site.check(5, &[]), Err(Refusal::TooFew { found: 0, needed: 2 }));
        assert_eq!(site.check(5, slice::from_ref(&one)), Err(Refusal::TooFew { found: 1, needed: 2 }));
        let photo = Gates::supervised_photo();
        let alone =
            photo.check(&id(5), slice::from_ref(&one), &site.transform, &site.gallery, &site.calibration);
        assert_eq!(alone.map(|t| t.len()), Ok(1));
        let none = photo.check(&id(5), &[], &site.transform, &site.gallery, &site.calibration);
        assert_eq!(none, Err(Refusal::TooFew { found: 0, needed: 1 }));
        assert_eq!(site.check(0, &vec![one; PERSON_TEMPLATES_MAX - 1]), Err(Refusal::TooMany(101)));
    }

    #[test]
    fn m8_a_template_of_another_size_is_refused() {
        let site = Site::new(1);
        let short = unit((0..64).map(|i| (i as f32).sin()).collect());
        let refusal = site.check(5, &[short.clone(), short]).unwrap_err();
        assert!(matches!(refusal, Refusal::Unusable { sample: 1, source: TemplateError::Dimension { .. } }));
    }
}
