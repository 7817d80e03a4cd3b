//! `doorctl identify`: whom of the enrolled a photograph resembles. An answer about resemblance, not about access:
//! nothing here proves life, and no door moves.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use doorward_core::calibration::Threshold;
use doorward_core::decision::Reject;
use doorward_core::gallery::Best;
use doorward_core::vision::Vision as _;
use doorward_protocol::ids::PersonId;
use doorward_store::{PersonRecord, Store};
use serde::Serialize;

use crate::answer::Answer;
use crate::look::{self, Measured};
use crate::mind::Minding;
use crate::place::{self, Place};
use crate::references::References;
use crate::text;

/// Options of `identify`.
#[derive(Debug, Args)]
#[command(
    after_help = "JSON: decision (recognised, unknown, ambiguous), person (who was recognised, or null), standing \
    (of that person: valid, suspended, not_yet_valid, expired; or null), candidates (the best person and the runner-up, \
    each with person and comparison_score), threshold (for this size of gallery), threshold_extrapolated, max_fpir, \
    margin_min, gallery_templates, gallery_persons, uncompared_templates (made by other models), quality (fields as in \
    `doorctl detect`).\n\n\
    Example:\n  doorctl identify gate.jpg --json\n\n\
    Exit code: 0 the store was searched, whatever the answer; 2 the photograph does not show one face; 1 fault."
)]
pub struct Identify {
    /// The photograph.
    photo: PathBuf,
    /// Accepted rate at which somebody who is not enrolled is taken for anybody who is.
    #[arg(long, default_value_t = 1e-4, value_parser = crate::compare::rate)]
    max_fpir: f64,
    /// Lead of the best person over the runner-up, as a difference of comparison scores.
    #[arg(long, default_value_t = 0.05)]
    margin: f32,
    /// JSON instead of text.
    #[arg(long)]
    json: bool,
}

/// One person and how much the probe resembles the nearest of their templates.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Resembled {
    person: PersonId,
    comparison_score: f32,
}

/// The answer.
#[derive(Debug, Serialize)]
struct Identified {
    decision: &'static str,
    person: Option<PersonId>,
    standing: Option<&'static str>,
    candidates: Vec<Resembled>,
    threshold: f32,
    threshold_extrapolated: bool,
    max_fpir: f64,
    margin_min: f32,
    gallery_templates: usize,
    gallery_persons: usize,
    uncompared_templates: u64,
    quality: Measured,
}

/// Searches.
///
/// # Errors
/// [`crate::answer::Stop::Refused`] where the photograph does not show one face.
pub fn run(options: &Identify, place: &Place, minding: &Minding, out: &mut dyn Write) -> Answer {
    let mut store = place.open()?;
    let mut mind = minding.load()?;
    let seen = look::face_of(&options.photo, &mut mind.vision)?;
    let references = References::load(&mut store, mind.vision.version(), mind.dimension())?;
    let probe = references.transform.protect(&seen.vector).context("protect the probe")?;
    let best = references.gallery.identify(&probe);
    let threshold = mind.pack.calibration().for_identification(options.max_fpir, references.gallery.len());
    let decision = decided(best.as_ref(), threshold, options.margin);
    let person = best.as_ref().filter(|_| decision == RECOGNISED).map(|best| best.person.clone());
    let identified = Identified {
        decision,
        standing: person.as_ref().map(|person| standing(&mut store, person)).transpose()?,
        person,
        candidates: candidates(best),
        threshold: threshold.score,
        threshold_extrapolated: threshold.extrapolated,
        max_fpir: options.max_fpir,
        margin_min: options.margin,
        gallery_templates: references.gallery.len(),
        gallery_persons: references.gallery.persons(),
        uncompared_templates: references.others,
        quality: seen.measured,
    };
    if options.json { text::json(out, &identified) } else { identified.tell(out) }
}

const RECOGNISED: &str = "recognised";

fn decided(best: Option<&Best>, threshold: Threshold, margin: f32) -> &'static str {
    let Some(best) = best.filter(|best| best.score >= threshold.score) else { return Reject::Unknown.code() };
    let runner_up = best.runner_up.as_ref().map_or(-1.0, |(_, score)| *score);
    if best.score - runner_up < margin { Reject::Ambiguous.code() } else { RECOGNISED }
}

fn candidates(best: Option<Best>) -> Vec<Resembled> {
    let Some(best) = best else { return Vec::new() };
    let first = (best.person, best.score);
    let all = std::iter::once(first).chain(best.runner_up);
    all.map(|(person, comparison_score)| Resembled { person, comparison_score }).collect()
}

/// What a door would make of the person's record at this moment, schedules aside.
fn standing(store: &mut Store, person: &PersonId) -> anyhow::Result<&'static str> {
    let record = store.person(person).context("look the person up")?;
    let now = place::now().ms;
    Ok(record.map_or(Reject::Unknown.code(), |record| standing_of(&record, now)))
}

fn standing_of(record: &PersonRecord, now_ms: i64) -> &'static str {
    if record.suspended {
        Reject::Suspended.code()
    } else if record.valid_from_ms.is_some_and(|from| now_ms < from) {
        Reject::NotYetValid.code()
    } else if record.valid_until_ms.is_some_and(|until| now_ms >= until) {
        Reject::Expired.code()
    } else {
        "valid"
    }
}

impl Identified {
    fn tell(&self, out: &mut dyn Write) -> Answer {
        match (&self.person, self.standing) {
            (Some(person), Some(standing)) => writeln!(out, "{}: {person} ({standing})", self.decision)?,
            (Some(_) | None, _) => writeln!(out, "{}", self.decision)?,
        }
        for (place, candidate) in ["best", "runner-up"].iter().zip(&self.candidates) {
            writeln!(out, "  {place:<9}  {:.4}  {}", candidate.comparison_score, candidate.person)?;
        }
        let estimate = if self.threshold_extrapolated { ", beyond the calibration's sample" } else { "" };
        writeln!(
            out,
            "  threshold  {:.4}  for {} templates of {} persons at an FPIR of {:e}{estimate}",
            self.threshold, self.gallery_templates, self.gallery_persons, self.max_fpir
        )?;
        writeln!(out, "  margin     {:.4}", self.margin_min)?;
        if self.uncompared_templates > 0 {
            writeln!(out, "  {} templates of other models were not searched", self.uncompared_templates)?;
        }
        writeln!(out, "  face       {}", self.quality)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best(score: f32, runner_up: f32) -> Best {
        let id = |text: &str| text.parse().unwrap();
        Best { person: id("a"), score, runner_up: Some((id("b"), runner_up)) }
    }

    #[test]
    fn the_decision_is_that_of_threshold_and_margin() {
        let threshold = Threshold { score: 0.5, extrapolated: false };
        let decision = |found: Option<&Best>| decided(found, threshold, 0.05);
        assert_eq!(decision(None), "unknown");
        assert_eq!(decision(Some(&best(0.49, 0.1))), "unknown");
        assert_eq!(decision(Some(&best(0.60, 0.58))), "ambiguous");
        assert_eq!(decision(Some(&best(0.60, 0.1))), "recognised");
        assert_eq!(
            decision(Some(&Best { runner_up: None, ..best(0.6, 0.0) })),
            "recognised",
            "a gallery of one"
        );
    }

    #[test]
    fn the_standing_is_that_of_the_moment() {
        let record = |from, until, suspended| PersonRecord {
            id: "a".parse().unwrap(),
            name: String::new(),
            valid_from_ms: from,
            valid_until_ms: until,
            suspended,
        };
        assert_eq!(standing_of(&record(None, None, false), 5), "valid");
        assert_eq!(standing_of(&record(Some(6), None, false), 5), "not_yet_valid");
        assert_eq!(standing_of(&record(None, Some(5), false), 5), "expired");
        assert_eq!(standing_of(&record(None, None, true), 5), "suspended");
    }
}
