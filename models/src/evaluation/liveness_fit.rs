//! What the fused answers of a pack's liveness networks are worth, out of frames of live persons and of attacks.
//!
//! The map from log-odds to confidence is fitted by maximum a posteriori: both kinds weigh alike however many frames
//! each has, and slope and offset start from what the networks say themselves with a deviation of one ([`PRIOR`]),
//! because networks that tell a small sample apart without an error would otherwise be believed without limit. The
//! figures that a map is told with come from persons it was not fitted on: the sample is dealt out by person, and each
//! part is judged with the map of the others.

use std::collections::BTreeSet;

use super::curve::Count;
use super::interval::Interval;
use super::page::percent;
use super::window::Window;
use crate::fusion::Confidence;
use crate::pack::LivenessCalibration;

/// Deviation of slope and offset around 1 and 0, before anything was seen.
const PRIOR: f64 = 1.0;

/// Parts of a cross-validation, where there are as many persons.
const FOLDS_MAX: usize = 10;

/// Frames of one presentation, or of one recording of it, in the order of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Filmed {
    /// Whom it shows: frames of one subject are judged by one map.
    pub subject: String,
    /// The species of the attack; `None` for a live person.
    pub species: Option<String>,
    /// Fused log-odds of life, frame by frame; `None` where no face was found.
    pub odds: Vec<Option<f32>>,
}

/// Frames that no map can be made of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FitError {
    /// Only one kind.
    #[error("calibrate liveness without frames of {0}: both live persons and attacks are needed")]
    Empty(&'static str),
}

/// How the windows of persons came out that the map was not fitted on.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldOut {
    /// Parts that the persons were dealt into.
    pub folds: usize,
    /// Persons.
    pub subjects: usize,
    /// Windows of each species that passed.
    pub species: Vec<(String, Count)>,
    /// Windows of live persons that were refused.
    pub bona_fide: Count,
}

/// A map, and how far it carries.
#[derive(Debug, Clone, PartialEq)]
pub struct LivenessFit {
    /// What a pack keeps.
    pub calibration: LivenessCalibration,
    /// What it was on other persons; `None` with fewer than two that have both kinds among the others.
    pub held_out: Option<HeldOut>,
}

impl LivenessFit {
    /// Fits a map to all frames, and cross-validates it with the windows that a terminal judges.
    ///
    /// # Errors
    /// [`FitError`].
    pub fn of(films: &[Filmed], window: &Window, data: &str) -> Result<Self, FitError> {
        let confidence = fit(films.iter())?;
        let frames = |live: bool| {
            let kind = films.iter().filter(|film| film.species.is_none() == live);
            kind.flat_map(|film| &film.odds).filter(|odds| odds.is_some()).count() as u64
        };
        let calibration = LivenessCalibration {
            data: data.to_owned(),
            bona_fide: frames(true),
            attacks: frames(false),
            confidence,
        };
        Ok(Self { calibration, held_out: held_out(films, window) })
    }

    /// TOML to be put into the manifest of a pack.
    #[must_use]
    pub fn toml(&self) -> String {
        let mut text = String::from(
            "# Of as many live faces as attacks with fused log-odds x, the share 1 / (1 + exp(-(slope x + offset))) is alive.\n",
        );
        if let Some(found) = &self.held_out {
            text += &format!(
                "# Of {} persons, each judged with the map of the others ({} parts):\n",
                found.subjects, found.folds
            );
            for (name, count) in &found.species {
                let name: String = name.chars().filter(|c| !c.is_control()).collect();
                text += &format!("#   APCER {name}: {}\n", told(*count));
            }
            text += &format!("#   BPCER: {}\n", told(found.bona_fide));
        }
        text + &self.calibration.toml()
    }
}

fn told(count: Count) -> String {
    let Interval { low, high } = count.interval();
    format!(
        "{} of {} windows ({} to {} at 95 %)",
        count.errors,
        count.trials,
        percent(low).trim_end_matches(" %"),
        percent(high)
    )
}

/// The map of some of the films.
fn fit<'a>(films: impl Iterator<Item = &'a Filmed>) -> Result<Confidence, FitError> {
    let (mut live, mut attacks) = (Vec::new(), Vec::new());
    for film in films {
        let side = if film.species.is_none() { &mut live } else { &mut attacks };
        side.extend(film.odds.iter().flatten().copied().map(f64::from));
    }
    for (kind, side) in [("live persons", &live), ("attacks", &attacks)] {
        if side.is_empty() {
            return Err(FitError::Empty(kind));
        }
    }
    let (slope, offset) = posterior_mode(&live, &attacks);
    #[expect(clippy::cast_possible_truncation, reason = "a map is kept in 32 bits")]
    Ok(Confidence::within(slope as f32, offset as f32))
}

/// Newton's method on the penalised log-likelihood, which has one maximum; a step is at most one unit long, because far
/// from it the curvature vanishes.
fn posterior_mode(live: &[f64], attacks: &[f64]) -> (f64, f64) {
    const STEPS_MAX: u32 = 200;
    let total = (live.len() + attacks.len()) as f64;
    let weights = [live, attacks].map(|side| 0.5 * total / side.len() as f64);
    let (mut slope, mut offset) = (1.0, 0.0);
    let precision = PRIOR.powi(-2);
    for _ in 0..STEPS_MAX {
        let (mut ds, mut db) = ((slope - 1.0) * precision, offset * precision);
        let (mut ss, mut sb, mut bb) = (precision, 0.0, precision);
        for (side, weight, wanted) in [(live, weights[0], 1.0), (attacks, weights[1], 0.0)] {
            for x in side {
                let p = 1.0 / (1.0 + (-(slope * x + offset)).exp());
                let (slack, curvature) = (weight * (p - wanted), weight * p * (1.0 - p));
                ds += slack * x;
                db += slack;
                ss += curvature * x * x;
                sb += curvature * x;
                bb += curvature;
            }
        }
        let determinant = ss * bb - sb * sb;
        let step = [(ds * bb - db * sb) / determinant, (db * ss - ds * sb) / determinant];
        let length = step[0].abs().max(step[1].abs());
        let shrunk = if length > 1.0 { 1.0 / length } else { 1.0 };
        slope -= shrunk * step[0];
        offset -= shrunk * step[1];
        if length < 1e-9 {
            break;
        }
    }
    (slope, offset)
}

/// The windows of each part of the persons, judged with the map of the others.
fn held_out(films: &[Filmed], window: &Window) -> Option<HeldOut> {
    let subjects: Vec<&str> =
        films.iter().map(|film| film.subject.as_str()).collect::<BTreeSet<_>>().into_iter().collect();
    let folds = subjects.len().min(FOLDS_MAX);
    if folds < 2 {
        return None;
    }
    let part = |film: &Filmed| {
        let place = subjects.binary_search(&film.subject.as_str()).expect("every subject is listed");
        place % folds
    };
    let mut species: Vec<(String, Count)> = Vec::new();
    let mut bona_fide = Count { errors: 0, trials: 0 };
    for fold in 0..folds {
        let map = fit(films.iter().filter(|film| part(film) != fold)).ok()?;
        for film in films.iter().filter(|film| part(film) == fold) {
            let confidences: Vec<Option<f32>> =
                film.odds.iter().map(|odds| odds.map(|odds| 100.0 * map.of(odds))).collect();
            let windows = window.scores(&confidences).into_iter().flatten();
            let (passed, refused): (Vec<f32>, Vec<f32>) =
                windows.partition(|score| *score >= window.mean_min);
            let trials = (passed.len() + refused.len()) as u64;
            let (count, errors) = match &film.species {
                None => (&mut bona_fide, refused.len()),
                Some(name) => {
                    let place = species.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
                        species.push((name.clone(), Count { errors: 0, trials: 0 }));
                        species.len() - 1
                    });
                    (&mut species[place].1, passed.len())
                }
            };
            count.errors += errors as u64;
            count.trials += trials;
        }
    }
    Some(HeldOut { folds, subjects: subjects.len(), species, bona_fide })
}

#[cfg(test)]
mod tests {
    use super::super::synthetic::normal;
    use super::*;

    /// Frames of `subjects` persons; attacks lie `distance` below live faces.
    fn films(subjects: u32, live_mean: f64, attack_mean: f64) -> Vec<Filmed> {
        let film = |subject: u32, species: Option<&str>, mean: f64| {
            let scores = normal(subjects * 30, mean);
            Filmed {
                subject: subject.to_string(),
                species: species.map(str::to_owned),
                odds: (0..30).map(|i| Some(scores[(i * subjects + subject) as usize])).collect(),
            }
        };
        (0..subjects).flat_map(|s| [film(s, None, live_mean), film(s, Some("print"), attack_mean)]).collect()
    }

    #[test]
    fn two_normal_distributions_give_the_map_of_their_likelihood_ratio() {
        // Means 3 and -1 with deviation 1: the log-odds are 4 x - 4, and many frames outweigh the prior.
        let found = LivenessFit::of(&films(400, 3.0, -1.0), &Window::default(), "d").unwrap().calibration;
        let (slope, offset) = (found.confidence.slope(), found.confidence.offset());
        assert!((slope - 4.0).abs() < 0.25 && (offset + 4.0).abs() < 0.35, "{slope} {offset}");
        assert_eq!((found.bona_fide, found.attacks), (12_000, 12_000));
    }

    #[test]
    fn a_sample_without_errors_is_not_believed_without_limit() {
        let found = LivenessFit::of(&films(8, 8.0, -8.0), &Window::default(), "d").unwrap().calibration;
        assert!((0.9..1.5).contains(&found.confidence.slope()), "{found:?}");
        assert!(found.confidence.offset().abs() < 0.01, "{found:?}");
    }

    #[test]
    fn a_hundred_times_as_many_attacks_do_not_move_the_map() {
        let mut many = films(50, 2.0, -2.0);
        let one = LivenessFit::of(&many, &Window::default(), "d").unwrap().calibration.confidence;
        for film in many.iter_mut().filter(|film| film.species.is_some()) {
            film.odds = film.odds.repeat(100);
        }
        let other = LivenessFit::of(&many, &Window::default(), "d").unwrap().calibration.confidence;
        assert!((one.offset() - other.offset()).abs() < 0.1, "{one:?} {other:?}");
    }

    #[test]
    fn every_window_is_judged_once_by_a_map_of_other_persons() {
        let mut all = films(8, 4.0, -4.0);
        // One person looks like an attack: a map of all would bend to her, one of the others refuses her.
        all[0].odds = vec![Some(-5.0); 30];
        let found = LivenessFit::of(&all, &Window::default(), "d").unwrap();
        let held_out = found.held_out.as_ref().unwrap();
        assert_eq!((held_out.folds, held_out.subjects), (8, 8));
        assert_eq!(held_out.bona_fide, Count { errors: 10, trials: 80 });
        assert_eq!(held_out.species, [("print".to_owned(), Count { errors: 0, trials: 80 })]);
        let toml: toml::Table = found.toml().parse().unwrap();
        assert_eq!(toml.keys().collect::<Vec<_>>(), ["liveness_calibration"]);
        assert!(found.toml().contains("BPCER: 10 of 80"), "{}", found.toml());
    }

    #[test]
    fn one_kind_alone_gives_no_map_and_one_person_no_figures() {
        let both = films(1, 2.0, -2.0);
        assert_eq!(LivenessFit::of(&both, &Window::default(), "d").unwrap().held_out, None);
        let live: Vec<Filmed> = both.into_iter().filter(|film| film.species.is_none()).collect();
        assert_eq!(LivenessFit::of(&live, &Window::default(), "d"), Err(FitError::Empty("attacks")));
    }

    #[test]
    fn h8_a_species_cannot_break_out_of_its_comment() {
        let mut all = films(3, 4.0, -4.0);
        all.iter_mut().filter(|film| film.species.is_some()).for_each(|film| {
            film.species = Some("x\n[policy]\nmax_fpir = 1".into());
        });
        let text = LivenessFit::of(&all, &Window::default(), "y\"\n[policy]").unwrap().toml();
        let toml: toml::Table = text.parse().unwrap();
        assert_eq!(toml.keys().collect::<Vec<_>>(), ["liveness_calibration"], "{text}");
    }
}
