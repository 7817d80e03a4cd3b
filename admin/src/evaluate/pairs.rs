//! `doorctl evaluate pairs`: how well the embedding model tells people apart.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use doorward_core::template::UnitVector;
use doorward_models::evaluation::{Comparisons, Evaluation, Side};
use serde::Serialize;

use super::impostors::AllImpostors;
use super::listing::Listing;
use super::{crew, faces, keep, tested, today};
use crate::answer::Answer;
use crate::mind::Minding;
use crate::text;

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
    /// JSON instead of text.
    #[arg(long)]
    json: bool,
    /// Write a report with plots to this file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
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
}

/// The figures as JSON tells them.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    evaluation: &'a Evaluation,
    #[serde(skip_serializing_if = "Option::is_none")]
    all_impostors: Option<&'a AllImpostors>,
}

/// Embeds every picture once, compares the pairs, and tells the error rates.
///
/// # Errors
/// When list, pictures or models cannot be read, or nothing can be concluded from the pairs.
pub fn run(options: &Pairs, minding: &Minding, out: &mut dyn Write) -> Answer {
    let limit = options.limit.map(|limit| limit as usize);
    let mut listing = Listing::read(&options.file, limit)?;
    if options.all_impostors && limit.is_none() {
        listing.add_all(&options.images)?;
    }
    let persons = listing.persons();
    if let (Err(why), true) = (&persons, options.all_impostors) {
        return Err(anyhow::anyhow!(
            "--all-impostors needs the folder of each picture to be its person: {why}"
        )
        .into());
    }
    let (pack, engine) = (minding.pack(None)?, minding.engine()?);
    let paths: Vec<PathBuf> = listing.images.iter().map(|image| options.images.join(image)).collect();
    let templates = crew::work(&paths, &pack, &engine, |models, path| faces::acquire(models, path))?;

    let model = tested(&pack, &pack.manifest().embedding.entry.file, &engine);
    let data = options.data()?;
    if let Err(why) = &persons {
        eprintln!("persons are not known ({why}): intervals are resampled over pairs, which flatters them");
    }
    let test = comparisons(&listing, persons.as_deref().ok(), &templates, model, data.clone());
    let mut evaluation = Evaluation::of(&test, options.seed).context("evaluate the pairs")?;
    let all_impostors = match &persons {
        Ok(persons) if options.all_impostors => {
            let known = persons.iter().zip(&templates);
            let known: Vec<_> = known
                .filter_map(|(person, template)| Some((person.as_str(), template.as_ref().ok()?)))
                .collect();
            Some(AllImpostors::of(&known, evaluation.curve.genuine().to_vec(), &data)?)
        }
        Ok(_) | Err(_) => None,
    };
    if let Some(all) = &all_impostors {
        evaluation.calibration = all.calibration.clone();
    }
    options.tell(&evaluation, all_impostors.as_ref(), out)
}

impl Pairs {
    /// What the pictures are.
    fn data(&self) -> anyhow::Result<String> {
        match (&self.data, self.file.file_name()) {
            (Some(data), _) => Ok(data.clone()),
            (None, Some(name)) => Ok(name.to_string_lossy().into_owned()),
            (None, None) => bail!("{} is no file", self.file.display()),
        }
    }

    fn tell(&self, evaluation: &Evaluation, all: Option<&AllImpostors>, out: &mut dyn Write) -> Answer {
        if let Some(path) = &self.html {
            keep(path, &evaluation.html(&today()))?;
        }
        if let Some(path) = &self.calibration {
            keep(path, &evaluation.calibration_toml())?;
        }
        if self.json {
            return text::json(out, &Told { evaluation, all_impostors: all });
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
