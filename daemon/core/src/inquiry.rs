//! Questions about pictures that decide nothing: do these two show one person, is this the claimed one, who is it?
//!
//! They are answered at the error rates of the door's rules, in words and not in scores, and so seldom that a picture
//! cannot be improved answer by answer (attack case H9). A picture that somebody sends is no proof of life; no answer here
//! is ever part of a decision.

use std::time::Duration;

use doorward_protocol::ids::PersonId;

use crate::calibration::Calibration;
use crate::gallery::Gallery;
use crate::time::Mono;
use crate::transform::Protected;

/// How much rarer than asked a false match has to be for the likeness to be called strong.
const STRONG: f64 = 0.01;
/// Questions that may be asked at once: a badge office with a queue before it.
const QUESTIONS_MAX: u32 = 20;
/// And after them one in this time. Finding a face by answers of yes and no takes tens of thousands of them; at this rate
/// that is weeks, in the log, from somebody who is known.
const QUESTION_EVERY: Duration = Duration::from_secs(3);

/// Steps of time at which answers about likeness are given. A picture without a face, a stranger and an enrolled person
/// take different ways through models and gallery; all of these end within one step on an idle terminal.
const TOLD_EVERY: Duration = Duration::from_millis(500);

/// How alike two faces are. What does not match is not told any finer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Likeness {
    /// Not the same person at the error rate asked for.
    None,
    /// The same person.
    Match,
    /// The same person, and so at a hundredth of that rate.
    Strong,
}

impl Likeness {
    /// Its name in answers.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Likeness::None => "none",
            Likeness::Match => "match",
            Likeness::Strong => "strong",
        }
    }

    fn of(score: f32, threshold: impl Fn(f64) -> f32, rate: f64) -> Self {
        if score >= threshold(rate * STRONG).max(threshold(rate)) {
            Likeness::Strong
        } else if score >= threshold(rate) {
            Likeness::Match
        } else {
            Likeness::None
        }
    }
}

/// Whether two faces are one person's.
#[must_use]
pub fn compare(a: &Protected, b: &Protected, calibration: &Calibration, max_fmr: f64) -> Likeness {
    Likeness::of(a.cosine(b), |fmr| calibration.for_verification(fmr).score, max_fmr)
}

/// Whether a face is that of a person. Whether there is such a person is not told.
#[must_use]
pub fn verify(
    person: &PersonId,
    probe: &Protected,
    gallery: &Gallery,
    calibration: &Calibration,
    max_fmr: f64,
) -> Likeness {
    let score = gallery.verify(person, probe).unwrap_or(-1.0);
    Likeness::of(score, |fmr| calibration.for_verification(fmr).score, max_fmr)
}

/// Whose face it is, if it is anybody's and nobody else's nearly as much.
#[must_use]
pub fn search(
    probe: &Protected,
    gallery: &Gallery,
    calibration: &Calibration,
    max_fpir: f64,
    margin_min: f32,
) -> Option<(PersonId, Likeness)> {
    let best = gallery.identify(probe)?;
    let lead = best.runner_up.as_ref().map_or(f32::INFINITY, |(_, score)| best.score - score);
    let threshold = |fpir| calibration.for_identification(fpir, gallery.len()).score;
    let likeness = Likeness::of(best.score, threshold, max_fpir);
    (likeness != Likeness::None && lead >= margin_min).then_some((best.person, likeness))
}

/// How long an answer waits until it may be told: until the next whole step since the question came.
#[must_use]
pub fn until_told(began: Mono, now: Mono) -> Duration {
    let step = TOLD_EVERY.as_micros();
    let passed = now.since(began).as_micros();
    let told = (passed / step + 1) * step;
    Duration::from_micros(u64::try_from(told - passed).unwrap_or(u64::MAX))
}

/// How many questions may be asked now: a bucket that fills by itself.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    left: u32,
    /// Since when it fills.
    since: Mono,
}

impl Default for Allowance {
    fn default() -> Self {
        Self { left: QUESTIONS_MAX, since: Mono(0) }
    }
}

impl Allowance {
    /// Takes one question.
    ///
    /// # Errors
    /// How long until there is one.
    pub fn take(&mut self, now: Mono) -> Result<(), Duration> {
        let passed = now.since(self.since).as_micros() / QUESTION_EVERY.as_micros();
        let more = u32::try_from(passed).unwrap_or(QUESTIONS_MAX).min(QUESTIONS_MAX);
        if self.left + more >= QUESTIONS_MAX {
            *self = Self { left: QUESTIONS_MAX, since: now };
        } else {
            *self = Self { left: self.left + more, since: self.since + QUESTION_EVERY * more };
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(QUESTION_EVERY.saturating_sub(now.since(self.since))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibration::Point;
    use crate::template::{TemplateVersion, UnitVector};

    const VERSION: TemplateVersion = TemplateVersion { model: [1; 32], preprocessing: 1 };

    fn calibration() -> Calibration {
        let points = [(0.3, 1e-3), (0.4, 1e-4), (0.5, 1e-5), (0.6, 1e-6)];
        Calibration::new(points.map(|(score, fmr)| Point { score, fmr }).to_vec(), 10_000_000).unwrap()
    }

    /// A face whose score against the first axis is `score`.
    fn face(score: f32) -> Protected {
        let values = vec![score, (1.0 - score * score).sqrt(), 0.0];
        Protected::restore(UnitVector::normalise(values).unwrap())
    }

    fn ada() -> PersonId {
        "ada".parse().unwrap()
    }

    fn gallery() -> Gallery {
        let mut gallery = Gallery::new(VERSION, 3);
        gallery.insert(&ada(), VERSION, &face(1.0)).unwrap();
        gallery
    }

    #[test]
    fn likeness_follows_the_error_rates_of_the_rules() {
        let likeness = |score| compare(&face(1.0), &face(score), &calibration(), 1e-4);
        assert_eq!([0.1, 0.39, 0.41, 0.59, 0.61, 1.0].map(likeness), {
            use Likeness::{Match, None, Strong};
            [None, None, Match, Match, Strong, Strong]
        });
        let claimed =
            |who: &str, score| verify(&who.parse().unwrap(), &face(score), &gallery(), &calibration(), 1e-4);
        assert_eq!(claimed("ada", 0.41), Likeness::Match);
        assert_eq!(claimed("ada", 0.39), claimed("nobody", 1.0), "h9: who is enrolled is not told");
    }

    #[test]
    fn a_search_names_one_person_or_nobody() {
        let found = |gallery: &Gallery, score| search(&face(score), gallery, &calibration(), 1e-4, 0.05);
        let mut gallery = gallery();
        assert_eq!(found(&gallery, 0.45), Some((ada(), Likeness::Match)));
        assert_eq!(found(&gallery, 0.2), None);
        gallery.insert(&"bob".parse().unwrap(), VERSION, &face(0.99)).unwrap();
        assert_eq!(found(&gallery, 0.995), None, "two persons resemble it about equally");
        assert_eq!(found(&Gallery::new(VERSION, 3), 1.0), None);
    }

    #[test]
    fn h9_answers_come_at_steps_of_time_whatever_they_took() {
        let began = Mono(7_000_123);
        for took in [0, 1, 4_000, 33_000, 499_999] {
            let now = began + Duration::from_micros(took);
            assert_eq!(now + until_told(began, now), began + TOLD_EVERY, "{took}");
        }
        let slow = began + Duration::from_micros(500_000);
        assert_eq!(slow + until_told(began, slow), began + 2 * TOLD_EVERY);
    }

    #[test]
    fn h9_questions_are_few() {
        let mut allowance = Allowance::default();
        let at = |ms: u64| Mono::from_millis(1_000_000 + ms);
        let asked = (0..100).filter(|_| allowance.take(at(0)).is_ok()).count();
        assert_eq!(asked, 20);
        assert_eq!(allowance.take(at(1000)), Err(Duration::from_secs(2)));
        assert!(allowance.take(at(3000)).is_ok());
        assert!(allowance.take(at(3001)).is_err());
        let asked = (0..3_600).filter(|s| allowance.take(at(4000 + 1000 * s)).is_ok()).count();
        assert_eq!(asked, 1200, "in an hour");
        assert_eq!(
            (0..100).filter(|_| allowance.take(at(90_000_000)).is_ok()).count(),
            20,
            "never more at once"
        );
    }
}
