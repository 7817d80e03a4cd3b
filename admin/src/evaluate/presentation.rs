//! `doorctl evaluate presentation`: how well passive liveness tells people from pictures of people.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use doorward_core::liveness::Policy;
use doorward_core::vision::Vision as _;
use doorward_models::engine::EngineKind;
use doorward_models::evaluation::{PresentationEvaluation, Presentations, Presented};
use doorward_models::pack::Pack;
use doorward_models::vision::Models;
use serde::Serialize;

use super::{crew, keep, sequences, tested, today};
use crate::answer::Answer;
use crate::mind::Minding;
use crate::{look, text};

/// Options of `evaluate presentation`.
#[derive(Debug, Args)]
#[command(
    after_help = "Every folder with pictures below a DIR is one sequence, its frames in the order of their names \
    (numbers by value). Each --window consecutive frames are one presentation; its score is the mean liveness of the \
    largest face over the frames that show one, from colour alone. Windows without any face are counted as \
    non-responses. Windows of one sequence are not independent, so the intervals of few sequences are too narrow.\n\n\
    JSON: threshold, window, bpcer, worst_species, species (each with name, apcer, apcer_interval, apcer_count, \
    non_responses), bpcer_interval ([low, high] at 95 %), bpcer_count ({errors, trials}), bona_fide_non_responses, \
    bpcer_at_apcer (BPCER where no species passes more often than that), bona_fide_sequences, model, data.\n\n\
    Example:\n  doorctl evaluate presentation --bona-fide set/live --attack print=set/print --attack screen=set/replay"
)]
pub struct Presentation {
    /// Folders of live persons.
    #[arg(long, value_name = "DIR", required = true, num_args = 1..)]
    bona_fide: Vec<PathBuf>,
    /// Folders of attacks with the name of their species; a species may have several.
    #[arg(long, value_name = "SPECIES=DIR", required = true, num_args = 1.., value_parser = species)]
    attack: Vec<Attack>,
    /// Consecutive frames that are judged together.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=100))]
    window: u8,
    /// Mean liveness from which on a presentation passes, 0 to 1; a terminal's default is the default.
    #[arg(long, value_name = "SCORE", default_value_t = Policy::default().window_min / 100.0)]
    threshold: f32,
    /// What the pictures are, for reports; without it the names of the folders.
    #[arg(long, value_name = "TEXT")]
    data: Option<String>,
    /// JSON instead of text.
    #[arg(long)]
    json: bool,
    /// Write a report with plots to this file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// A folder of attacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attack {
    species: String,
    folder: PathBuf,
}

/// The figures as JSON tells them.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    evaluation: &'a PresentationEvaluation,
    window: u8,
    bona_fide_sequences: usize,
}

/// Judges every frame once and tells the error rates.
///
/// # Errors
/// When pictures or models cannot be read, or nothing can be concluded from the presentations.
pub fn run(options: &Presentation, minding: &Minding, out: &mut dyn Write) -> Answer {
    let mut kinds: Vec<(Option<&str>, Vec<Vec<PathBuf>>)> = vec![(None, all(options.bona_fide.iter())?)];
    for attack in &options.attack {
        let more = all([&attack.folder].into_iter())?;
        match kinds.iter_mut().find(|(species, _)| *species == Some(&attack.species)) {
            Some((_, sequences)) => sequences.extend(more),
            None => kinds.push((Some(&attack.species), more)),
        }
    }
    let (pack, engine) = (minding.pack(None)?, minding.engine()?);
    let judged = judge(&kinds, options.window, &pack, &engine)?;
    let files: Vec<&str> = pack.manifest().liveness.iter().map(|model| model.entry.file.as_str()).collect();
    let mut test = Presentations {
        model: tested(&pack, &files.join(" and "), &engine),
        data: options.data(),
        ..Presentations::default()
    };
    for ((species, _), presented) in kinds.iter().zip(judged) {
        match species {
            None => test.bona_fide = presented,
            Some(species) => test.attacks.push(((*species).to_owned(), presented)),
        }
    }
    let evaluation =
        PresentationEvaluation::of(&test, options.threshold).context("evaluate the presentations")?;
    if let Some(path) = &options.html {
        keep(path, &evaluation.html(&today()))?;
    }
    if options.json {
        let told =
            Told { evaluation: &evaluation, window: options.window, bona_fide_sequences: kinds[0].1.len() };
        return text::json(out, &told);
    }
    write!(out, "{evaluation}")?;
    Ok(())
}

impl Presentation {
    fn data(&self) -> String {
        let name = |folder: &PathBuf| folder.display().to_string();
        let attacks =
            self.attack.iter().map(|attack| format!("{} {}", attack.species, attack.folder.display()));
        let all: Vec<String> = self.bona_fide.iter().map(name).chain(attacks).collect();
        self.data.clone().unwrap_or_else(|| format!("{}, windows of {} frames", all.join(", "), self.window))
    }
}

fn all<'a>(folders: impl Iterator<Item = &'a PathBuf>) -> anyhow::Result<Vec<Vec<PathBuf>>> {
    let found: Vec<_> = folders.map(|folder| sequences::below(folder)).collect::<anyhow::Result<_>>()?;
    Ok(found.into_iter().flatten().collect())
}

/// The scores of each kind, window by window.
fn judge(
    kinds: &[(Option<&str>, Vec<Vec<PathBuf>>)],
    window: u8,
    pack: &Pack,
    engine: &EngineKind,
) -> anyhow::Result<Vec<Presented>> {
    let frames: Vec<&PathBuf> = kinds.iter().flat_map(|(_, sequences)| sequences.iter().flatten()).collect();
    let scores = crew::work(&frames, pack, engine, |models, path| liveness(models, path))?;
    let mut rest = scores.as_slice();
    let mut judged = Vec::new();
    for (_, sequences) in kinds {
        let mut presented = Presented::default();
        for sequence in sequences {
            let (own, others) = rest.split_at(sequence.len());
            rest = others;
            for score in sequences::windows(own, usize::from(window)) {
                match score {
                    Some(score) => presented.scores.push(score),
                    None => presented.non_responses += 1,
                }
            }
        }
        judged.push(presented);
    }
    Ok(judged)
}

/// Passive liveness of the largest face; none without a face.
fn liveness(models: &mut Models, path: &Path) -> anyhow::Result<Option<f32>> {
    let Ok(picture) = look::open(path)? else { return Ok(None) };
    let doing = || format!("judge {}", path.display());
    let faces = models.detect(&picture).with_context(doing)?;
    faces.first().map(|face| models.liveness(&picture, face).with_context(doing)).transpose()
}

fn species(text: &str) -> Result<Attack, String> {
    match text.split_once('=') {
        Some((species, folder)) if !species.is_empty() && !folder.is_empty() => {
            Ok(Attack { species: species.to_owned(), folder: folder.into() })
        }
        Some(_) | None => Err("an attack is given as SPECIES=DIR, for example print=set/print".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attack_has_a_species_and_a_folder() {
        let attack = species("print=set/a=b").unwrap();
        assert_eq!((attack.species.as_str(), attack.folder), ("print", PathBuf::from("set/a=b")));
        for bad in ["print", "=x", "print=", ""] {
            assert!(species(bad).is_err(), "{bad}");
        }
    }
}
