//! `doorctl evaluate pairs`: how well the embedding model tells people apart.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use doorward_core::template::UnitVector;
use doorward_models::engine::EngineKind;
use doorward_models::evaluation::{CalibrationTable, Comparisons, Evaluation, Side};
use doorward_models::pack::Pack;
use serde::Serialize;

use super::crew::{Crew, Effort};
use super::impostors::AllImpostors;
use super::listing::Listing;
use super::{Telling, data_of, keep, looked, tested, today};
use crate::answer::Answer;
use crate::mind::Minding;

/// Options of `evaluate pairs`.
#[derive(Debug, Args)]
#[command(
    after_help = "FILE has a first line with the columns image_a, image_b, same_person (1 or 0); paths are relative \
    to --images. Where the folder of each picture is the person it shows, as in Labeled Faces in the Wild, intervals are \
    resampled over persons. Which face of a picture counts: the one with the largest area x (1 - d)^2, d being its \
    distance from the middle as a share of half the diagonal. A picture without a template is a failure to acquire; its \
    pairs are counted and not scored.\n\n\
    JSON: eer, fnmr_at_fmr_1e-2, fnmr_at_fmr_1e-3, fnmr_at_fmr_1e-4; for each of them …_interval ([low, high] at 95 %), \
    …_threshold, …_count and …_false_matches ({errors, trials}) and …_with_failures, and for the latter three \
    …_supported (whether the sample reaches that far); genuine_comparisons, impostor_comparisons, samples, \
    failures_to_acquire, persons, accuracy (ten folds), model, data, seed; with --all-impostors an object \
    all_impostors with impostor_comparisons and the fnmr_at_fmr_… that this many support.\n\n\
    Examples:\n  \
    doorctl evaluate pairs pairs.csv --images lfw --json\n  \
    doorctl evaluate pairs pairs.csv --images lfw --all-impostors --calibration table.toml --html report.html"
)]
pub struct Pairs {
    /// The list of pairs, CSV.
    file: PathBuf,
    /// The folder that its paths start from.
    #[arg(long, value_name = "DIR")]
    images: PathBuf,
    /// Write the calibration table, TOML for the manifest of a pack, to this file.
    #[arg(long, value_name = "FILE")]
    calibration: Option<PathBuf>,
    /// Also compare every two pictures of different persons below --images, for the calibration; the folder of a picture
    /// is its person. With --limit, only pictures of the pairs that are taken.
    #[arg(long)]
    all_impostors: bool,
    /// Take at most N pairs of one person and N of two, evenly spread over the list.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// What the pictures are, for reports; without it the name of the list.
    #[arg(long, value_name = "TEXT")]
    data: Option<String>,
    /// Seed of the resampling behind the intervals: the same seed gives the same figures.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How it is told.
    #[command(flatten)]
    telling: Telling,
    /// How it is done.
    #[command(flatten)]
    effort: Effort,
}

/// The figures as JSON tells them.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    evaluation: &'a Evaluation,
    #[serde(skip_serializing_if = "Option::is_none")]
    all_impostors: Option<&'a AllImpostors>,
}

/// The pictures of a test.
struct Pictures {
    listing: Listing,
    /// The person of every picture, or why that is not known.
    persons: Result<Vec<String>, String>,
    paths: Vec<PathBuf>,
}

impl Pictures {
    /// Reads the list; with `everybody`, also what lies below `images` that no pair names.
    fn of(file: &Path, images: &Path, limit: Option<usize>, everybody: bool) -> anyhow::Result<Self> {
        let mut listing = Listing::read(file, limit)?;
        if everybody && limit.is_none() {
            listing.add_all(images)?;
        }
        let persons = listing.persons();
        if let (Err(why), true) = (&persons, everybody) {
            bail!("--all-impostors needs the folder of each picture to be its person: {why}");
        }
        let paths = listing.images.iter().map(|image| images.join(image)).collect();
        Ok(Self { listing, persons, paths })
    }

    /// Embeds every picture once.
    fn acquire(self, crew: &Crew<'_>) -> anyhow::Result<Acquired> {
        let templates = looked::templates(crew, &self.paths)?;
        Ok(Acquired { listing: self.listing, persons: self.persons, templates })
    }
}

/// The pictures of a test and their templates.
struct Acquired {
    listing: Listing,
    persons: Result<Vec<String>, String>,
    templates: Vec<Result<UnitVector, String>>,
}

impl Acquired {
    /// Everybody with everybody else, where persons are known.
    fn all_impostors(&self, genuine: Vec<f32>, data: &str) -> anyhow::Result<Option<AllImpostors>> {
        let Ok(persons) = &self.persons else { return Ok(None) };
        let known = persons.iter().zip(&self.templates);
        let known: Vec<_> =
            known.filter_map(|(person, template)| Some((person.as_str(), template.as_ref().ok()?))).collect();
        AllImpostors::of(&known, genuine, data).map(Some)
    }

    fn comparisons(&self, model: String, data: String) -> Comparisons {
        comparisons(&self.listing, self.persons.as_deref().ok(), &self.templates, model, data)
    }
}

/// Measures the calibration table of a pack: what [`run`] does with --all-impostors, without the rest.
///
/// # Errors
/// When list, pictures or models cannot be read, or the pictures of one person do not lie in a folder of their own.
pub fn calibrate(
    file: &Path,
    images: &Path,
    data: &str,
    pack: &Pack,
    engine: &EngineKind,
) -> anyhow::Result<CalibrationTable> {
    let acquired =
        Pictures::of(file, images, None, true)?.acquire(&Crew::new(pack, engine, &Effort::default()))?;
    let test = acquired.comparisons(String::new(), data.to_owned());
    let genuine = test.genuine.iter().map(|pair| pair.score).collect();
    let all = acquired.all_impostors(genuine, data)?;
    Ok(all.context("persons are known, or the pictures would have been refused")?.calibration)
}

/// Embeds every picture once, compares the pairs, and tells the error rates.
///
/// # Errors
/// When list, pictures or models cannot be read, or nothing can be concluded from the pairs.
pub fn run(options: &Pairs, minding: &Minding, out: &mut dyn Write) -> Answer {
    let limit = options.limit.map(|limit| limit as usize);
    let pictures = Pictures::of(&options.file, &options.images, limit, options.all_impostors)?;
    let (pack, engine) = (minding.pack(None)?, minding.engine()?);
    let acquired = pictures.acquire(&Crew::new(&pack, &engine, &options.effort))?;
    let model = tested(&pack, &pack.manifest().embedding.entry.file, &engine);
    let data = data_of(options.data.as_deref(), &options.file)?;
    if let Err(why) = &acquired.persons {
        eprintln!("persons are not known ({why}): intervals are resampled over pairs, which flatters them");
    }
    let test = acquired.comparisons(model, data.clone());
    let mut evaluation = Evaluation::of(&test, options.seed).context("evaluate the pairs")?;
    let all_impostors = match options.all_impostors {
        true => acquired.all_impostors(evaluation.curve.genuine().to_vec(), &data)?,
        false => None,
    };
    if let Some(all) = &all_impostors {
        evaluation.calibration = all.calibration.clone();
        evaluation.beside = all.figures();
    }
    options.tell(&evaluation, all_impostors.as_ref(), out)
}

impl Pairs {
    fn tell(&self, evaluation: &Evaluation, all: Option<&AllImpostors>, out: &mut dyn Write) -> Answer {
        let told = Told { evaluation, all_impostors: all };
        if let Some(path) = &self.calibration {
            keep(path, &evaluation.calibration_toml())?;
        }
        if !self.telling.tell(&told, || evaluation.html(&today()), out)? {
            return Ok(());
        }
        write!(out, "{evaluation}")?;
        if let Some(all) = all {
            write!(out, "{all}")?;
        }
        Ok(())
    }
}

/// The test as the evaluation takes it: all samples, all pairs, the failures among them.
fn comparisons(
    listing: &Listing,
    persons: Option<&[String]>,
    templates: &[Result<UnitVector, String>],
    model: String,
    data: String,
) -> Comparisons {
    let mut test = Comparisons::new(model, data);
    for (place, image) in listing.images.iter().enumerate() {
        let person = persons.map(|persons| persons[place].clone());
        test.add_sample(image.clone(), person, templates[place].as_ref().err().cloned());
    }
    for pair in &listing.pairs {
        let template = |image: u32| templates[image as usize].as_ref().ok();
        let score = template(pair.a).zip(template(pair.b)).map(|(a, b)| a.cosine(b));
        let side = if pair.same { Side::Genuine } else { Side::Impostor };
        test.add_pair(side, pair.a, pair.b, score);
    }
    test
}

#[cfg(test)]
mod tests {
    use super::super::listing::Pair;
    use super::*;

    #[test]
    fn pairs_of_failed_pictures_are_counted_and_not_scored() {
        let images = ["a/1", "a/2", "b/1"].map(String::from).to_vec();
        let pair = |a, b, same| Pair { a, b, same, line: 2 };
        let listing = Listing { images, pairs: vec![pair(0, 1, true), pair(0, 2, false), pair(1, 2, false)] };
        let vector = UnitVector::normalise(vec![3.0, 4.0]).unwrap();
        let templates = [Ok(vector.clone()), Ok(vector), Err("no face was found".to_owned())];
        let persons = ["a", "a", "b"].map(String::from);
        let test = comparisons(&listing, Some(&persons), &templates, "m".into(), "d".into());
        assert_eq!((test.genuine.len(), test.impostor.len(), test.uncompared_impostor), (1, 0, 2));
        assert!((test.genuine[0].score - 1.0).abs() < 1e-6);
        assert_eq!(test.samples[2].failure.as_deref(), Some("no face was found"));
        assert_eq!(test.samples[1].person.as_deref(), Some("a"));
    }
}
