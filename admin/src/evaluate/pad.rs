//! `doorctl evaluate pad`: how well presentation attacks are told from people.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use doorward_core::liveness::Policy;
use doorward_models::engine::EngineKind;
use doorward_models::evaluation::{
    Count, Filmed, LivenessFit, PresentationEvaluation, Presentations, Presented, Window,
};
use doorward_models::pack::Pack;
use serde::Serialize;

use super::crew::{Crew, Effort};
use super::films::{self, Level, Told};
use super::sequences::{self, Sequence};
use super::{Telling, keep, tested, today};
use crate::answer::Answer;
use crate::mind::Minding;

/// Options of `evaluate pad`.
#[derive(Debug, Args)]
#[command(
    after_help = "Every folder below a DIR that holds pictures is one sequence, its frames in the order of their names \
    (numbers by value), judged by the pack's liveness networks from colour alone. Every folder that holds a recording (as \
    `doorctl camera record` writes it) is one as well, judged by each sensor it has in the way of a terminal: dominant face, \
    quality, evidence, fusion, and held to the evidence that --level asks for. Each --window consecutive frames are one presentation; it passes where the confidence of \
    each frame reaches --frame-min and their mean --threshold. Its score is the mean, or the least frame times the ratio of \
    the two limits where that is less, so that a swept threshold moves both. Windows without any face that could be judged \
    are counted as non-responses. Windows of one sequence are not independent, so the intervals of few sequences are too \
    narrow.\n\n\
    --calibration fits what the networks' answers are worth (log-odds to confidence) and says how that came out on persons \
    it was not fitted on; the name of the innermost folder is the person. Put it into a pack with `doorctl pack build \
    --liveness-calibration FILE`.\n\n\
    JSON: figures (each rate with name, rate, interval, errors, trials), threshold, window, frame_min, bpcer, \
    worst_species, species (each with name, apcer, apcer_interval, apcer_count, non_responses), bpcer_interval ([low, high] \
    at 95 %), bpcer_count ({errors, trials}), bona_fide_non_responses, bpcer_at_apcer and apcer_at_bpcer (with the \
    threshold that holds the wanted rate), rejects (frames by reason), bona_fide_sequences, held_out, model, data.\n\n\
    Examples:\n  \
    doorctl evaluate pad --bona-fide set/live --attack print=set/print --attack screen=set/replay --html pad.html\n  \
    doorctl evaluate pad --bona-fide set/live --attack print=set/print --calibration liveness.toml"
)]
pub struct Pad {
    /// What was presented.
    #[command(flatten)]
    presented: Shown,
    /// Consecutive frames that are judged together.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=100))]
    window: u8,
    /// Mean confidence from which on a window passes, 0 to 100; a terminal's default is the default.
    #[arg(long, value_name = "SCORE", default_value_t = Window::default().mean_min)]
    threshold: f32,
    /// Confidence that each frame of a window needs, 0 to 100; a terminal's default is the default.
    #[arg(long, value_name = "SCORE", default_value_t = Window::default().frame_min)]
    frame_min: f32,
    /// How much evidence of life recordings are held to; pictures are judged by colour alone.
    #[arg(long, value_enum, default_value_t = Level::Standard)]
    level: Level,
    /// Also tell the mean of the worst species' APCER and of BPCER, which older papers call ACER. It hides which of the
    /// two is bad, and ISO/IEC 30107-3 has given it up.
    #[arg(long)]
    acer: bool,
    /// Write the calibration of the pack's liveness, TOML for its manifest, to this file.
    #[arg(long, value_name = "FILE")]
    calibration: Option<PathBuf>,
    /// What the pictures are, for reports; without it the names of the folders.
    #[arg(long, value_name = "TEXT")]
    data: Option<String>,
    /// How it is told.
    #[command(flatten)]
    telling: Telling,
    /// How it is done.
    #[command(flatten)]
    effort: Effort,
}

/// Presentations by kind.
#[derive(Debug, Args)]
pub struct Shown {
    /// Folders of live persons.
    #[arg(long, value_name = "DIR", required = true, num_args = 1..)]
    pub bona_fide: Vec<PathBuf>,
    /// Folders of attacks with the name of their species; a species may have several.
    #[arg(long, value_name = "SPECIES=DIR", required = true, num_args = 1.., value_parser = species)]
    pub attack: Vec<Attack>,
}

/// A folder of attacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attack {
    /// The name of the species.
    pub species: String,
    /// The folder.
    pub folder: PathBuf,
}

/// The figures as JSON tells them.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    evaluation: &'a PresentationEvaluation,
    window: u8,
    frame_min: f32,
    level: String,
    bona_fide_sequences: usize,
    rejects: &'a BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acer: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held_out: Option<HeldOut>,
}

/// How a fitted calibration came out on persons it was not fitted on.
#[derive(Serialize)]
struct HeldOut {
    subjects: usize,
    folds: usize,
    species: BTreeMap<String, Count>,
    bona_fide: Count,
}

/// One sequence with what its frames said.
struct Judged {
    species: Option<String>,
    subject: String,
    frames: Vec<Told>,
}

/// Judges every frame once and tells the error rates.
///
/// # Errors
/// When pictures or models cannot be read, or nothing can be concluded from the presentations.
pub fn run(options: &Pad, minding: &Minding, out: &mut dyn Write) -> Answer {
    let (pack, engine) = (minding.pack(None)?, minding.engine()?);
    let window =
        Window { frames: options.window.into(), frame_min: options.frame_min, mean_min: options.threshold };
    let crew = Crew::new(&pack, &engine, &options.effort);
    let judged = judge(&options.presented, &crew, options.level, &window)?;
    let mut test = presentations(&judged, &window);
    let files: Vec<&str> = pack.manifest().liveness.iter().map(|model| model.entry.file.as_str()).collect();
    test.model = tested(&pack, &files.join(" and "), &engine);
    test.data = options.data();
    let evaluation =
        PresentationEvaluation::of(&test, options.threshold).context("evaluate the presentations")?;
    let mut rejects: BTreeMap<String, u64> = BTreeMap::new();
    for reason in judged.iter().flat_map(|one| &one.frames).filter_map(|frame| frame.reject.as_ref()) {
        *rejects.entry(reason.clone()).or_default() += 1;
    }
    let fit = match &options.calibration {
        None => None,
        Some(path) => {
            let fit = LivenessFit::of(&filmed(&judged), &window, &test.data).context("calibrate liveness")?;
            keep(path, &fit.toml())?;
            Some(fit)
        }
    };
    let held_out = fit.as_ref().and_then(|fit| fit.held_out.as_ref());
    let acer = options.acer.then(|| (evaluation.species[0].apcer + evaluation.bpcer) / 2.0);
    let report = Report {
        evaluation: &evaluation,
        window: options.window,
        frame_min: options.frame_min,
        level: format!("{:?}", options.level).to_lowercase(),
        bona_fide_sequences: judged.iter().filter(|one| one.species.is_none()).count(),
        rejects: &rejects,
        acer,
        held_out: held_out.map(|found| HeldOut {
            subjects: found.subjects,
            folds: found.folds,
            species: found.species.iter().cloned().collect(),
            bona_fide: found.bona_fide,
        }),
    };
    if !options.telling.tell(&report, || evaluation.html(&today()), out)? {
        return Ok(());
    }
    write!(out, "{evaluation}")?;
    if let Some(acer) = acer {
        writeln!(out, "ACER, worst species{:>16.3} %", 100.0 * acer)?;
    }
    for (reason, frames) in &rejects {
        writeln!(out, "frames rejected, {reason}: {frames}")?;
    }
    if let Some(fit) = &fit {
        write!(out, "\n{}", fit.toml())?;
    }
    Ok(())
}

/// Measures what a pack's liveness networks are worth: what [`run`] does with --calibration, without the rest.
///
/// # Errors
/// When pictures or models cannot be read, or one kind is missing.
pub fn calibrate(shown: &Shown, data: &str, pack: &Pack, engine: &EngineKind) -> anyhow::Result<LivenessFit> {
    let window = Window::default();
    // A calibration is made of what the networks say of colour, whatever other sensors say.
    let judged = judge(shown, &Crew::new(pack, engine, &Effort::default()), Level::Standard, &window)?;
    LivenessFit::of(&filmed(&judged), &window, data).context("calibrate liveness")
}

impl Pad {
    fn data(&self) -> String {
        let names = self.presented.names();
        self.data.clone().unwrap_or_else(|| format!("{names}, windows of {} frames", self.window))
    }
}

impl Shown {
    /// The folders, for reports.
    #[must_use]
    pub fn names(&self) -> String {
        let name = |folder: &PathBuf| folder.display().to_string();
        let attacks =
            self.attack.iter().map(|attack| format!("{} {}", attack.species, attack.folder.display()));
        self.bona_fide.iter().map(name).chain(attacks).collect::<Vec<_>>().join(", ")
    }
}

/// Every sequence, bona fide first, judged frame by frame.
fn judge(shown: &Shown, crew: &Crew<'_>, level: Level, window: &Window) -> anyhow::Result<Vec<Judged>> {
    let mut found: Vec<(Option<String>, Sequence)> = Vec::new();
    for folder in &shown.bona_fide {
        found.extend(sequences::sequences(folder)?.into_iter().map(|sequence| (None, sequence)));
    }
    for attack in &shown.attack {
        let more = sequences::sequences(&attack.folder)?;
        found.extend(more.into_iter().map(|sequence| (Some(attack.species.clone()), sequence)));
    }
    let all: Vec<&Sequence> = found.iter().map(|(_, sequence)| sequence).collect();
    let limits =
        Policy { rgb_min: window.frame_min / 100.0, window_min: window.mean_min, ..Policy::default() };
    let told = films::judge(crew, &all, level, &limits)?;
    let subject = |sequence: &Sequence| {
        let name = sequence.folder().and_then(Path::file_name);
        name.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    };
    let judged = found.iter().zip(told).map(|((species, sequence), frames)| Judged {
        species: species.clone(),
        subject: subject(sequence),
        frames,
    });
    Ok(judged.collect())
}

/// The windows of each kind; the kinds of attacks in the order they were named in.
fn presentations(judged: &[Judged], window: &Window) -> Presentations {
    let mut test = Presentations::default();
    for one in judged {
        let presented = match &one.species {
            None => &mut test.bona_fide,
            Some(species) => {
                let place =
                    test.attacks.iter().position(|(known, _)| known == species).unwrap_or_else(|| {
                        test.attacks.push((species.clone(), Presented::default()));
                        test.attacks.len() - 1
                    });
                &mut test.attacks[place].1
            }
        };
        let confidences: Vec<Option<f32>> = one.frames.iter().map(|frame| frame.confidence).collect();
        for score in window.scores(&confidences) {
            match score {
                Some(score) => presented.scores.push(score),
                None => presented.non_responses += 1,
            }
        }
    }
    test
}

fn filmed(judged: &[Judged]) -> Vec<Filmed> {
    let film = |one: &Judged| Filmed {
        subject: one.subject.clone(),
        species: one.species.clone(),
        odds: one.frames.iter().map(|frame| frame.odds).collect(),
    };
    judged.iter().map(film).collect()
}

/// A species and its folder out of `SPECIES=DIR`.
///
/// # Errors
/// In words, for anything else.
pub fn species(text: &str) -> Result<Attack, String> {
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
