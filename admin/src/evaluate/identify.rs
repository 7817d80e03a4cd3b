//! `doorctl evaluate identify`: searches among many, by persons who are enrolled and by strangers.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use clap::Args;
use doorward_core::gallery::Gallery;
use doorward_core::template::UnitVector;
use doorward_core::transform::Protected;
use doorward_models::evaluation::IdentificationEvaluation;
use doorward_models::evaluation::identification::{Enrolled, Mated, Stranger, Trial};
use doorward_models::pack::Pack;
use doorward_protocol::ids::PersonId;

use super::crew::{Crew, Effort};
use super::{Telling, data_of, looked, sequences, tested, today};
use crate::answer::Answer;
use crate::mind::Minding;

/// The lead over the second person that a terminal is delivered with: `margin_min` of its configuration.
const MARGIN_MIN: f32 = 0.05;

/// Options of `evaluate identify`.
#[derive(Debug, Args)]
#[command(
    after_help = "The folder of each picture below DIR is the person it shows. For each N of --enrol, a gallery is made of \
    all who have pictures enough: the first N of a person are enrolled, once as N templates of which the best counts, once \
    as their mean; the pictures behind the largest N are searched for, so that all galleries are asked the same. Persons \
    with fewer pictures are strangers; with --strangers they are enrolled instead with what they have, and the strangers are \
    everybody on the pictures there, who must not be among the persons of DIR.\n\n\
    The search is the terminal's: exact, threshold from max_fpir, the pack's calibration and the number of templates, and \
    a lead over the second person. A promise is broken where the interval of the measured FPIR lies above it. Whoever had a \
    part in the pack's calibration is no good stranger: use others.\n\n\
    JSON: figures (each rate with name, rate, interval, errors, trials), margin, trials (one for each gallery, with images, \
    enrolled, persons, references, mated_searches, stranger_searches, stranger_comparisons, failures, rank_one_errors, \
    claim_errors, at_policy with max_fpir, threshold, fpir, fnir, their intervals and counts, promise_kept), model, data.\n\n\
    Examples:\n  \
    doorctl evaluate identify lfw --html identify.html\n  \
    doorctl evaluate identify lfw --strangers others --enrol 1,3 --journal faces.journal --json"
)]
pub struct Identify {
    /// Folder with a folder of pictures for each person.
    persons: PathBuf,
    /// Folder with pictures of people who are none of these.
    #[arg(long, value_name = "DIR")]
    strangers: Option<PathBuf>,
    /// Pictures that persons are enrolled with; several numbers make several galleries.
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [1, 3],
          value_parser = clap::value_parser!(u8).range(1..=20))]
    enrol: Vec<u8>,
    /// Lead over the second person, a difference of scores; a terminal's default is the default.
    #[arg(long, value_name = "SCORE", default_value_t = MARGIN_MIN)]
    margin: f32,
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

/// The templates of a person in the order of the pictures; `None` where one gave none.
type Album = Vec<Option<UnitVector>>;

/// Searches and tells the error rates.
///
/// # Errors
/// When pictures or models cannot be read, or nothing can be concluded from the searches.
pub fn run(options: &Identify, minding: &Minding, out: &mut dyn Write) -> Answer {
    let (pack, engine) = (minding.pack(None)?, minding.engine()?);
    let crew = Crew::new(&pack, &engine, &options.effort);
    let albums = albums(&crew, &options.persons)?;
    let strangers = options.strangers.as_deref().map(|folder| pictures(&crew, folder)).transpose()?;
    let most = usize::from(options.enrol.iter().copied().max().context("--enrol names a number")?);
    let mut trials = Vec::new();
    for images in &options.enrol {
        let rules = if *images == 1 { &[Enrolled::Best][..] } else { &[Enrolled::Best, Enrolled::Mean] };
        for rule in rules {
            trials.push(trial(&pack, &albums, strangers.as_deref(), (*images, *rule), most)?);
        }
    }
    let mut data = data_of(options.data.as_deref(), &options.persons)?;
    if let (None, Some(strangers)) = (&options.data, &options.strangers) {
        data = format!("{data}, strangers of {}", data_of(None, strangers)?);
    }
    let model = tested(&pack, &pack.manifest().embedding.entry.file, &engine);
    let evaluation = IdentificationEvaluation::of(model, data, &trials, pack.calibration(), options.margin)
        .context("evaluate the searches")?;
    if options.telling.tell(&evaluation, || evaluation.html(&today()), out)? {
        write!(out, "{evaluation}")?;
    }
    Ok(())
}

/// The pictures of each person, by the name of their folder.
fn albums(crew: &Crew<'_>, folder: &Path) -> anyhow::Result<Vec<Album>> {
    let files: Vec<PathBuf> = sequences::below(folder)?.into_iter().flatten().collect();
    let templates = looked::templates(crew, &files)?;
    let mut albums: BTreeMap<&Path, Album> = BTreeMap::new();
    for (file, template) in files.iter().zip(templates) {
        let person = file.parent().filter(|person| *person != folder);
        let person = person.with_context(|| {
            format!("{} lies in no folder of a person below {}", file.display(), folder.display())
        })?;
        albums.entry(person).or_default().push(template.ok());
    }
    Ok(albums.into_values().collect())
}

fn pictures(crew: &Crew<'_>, folder: &Path) -> anyhow::Result<Album> {
    let files: Vec<PathBuf> = sequences::below(folder)?.into_iter().flatten().collect();
    Ok(looked::templates(crew, &files)?.into_iter().map(Result::ok).collect())
}

/// A gallery, and all searches in it.
fn trial(
    pack: &Pack,
    albums: &[Album],
    strangers: Option<&[Option<UnitVector>]>,
    (images, enrolled): (u8, Enrolled),
    most: usize,
) -> anyhow::Result<Trial> {
    let entry = &pack.manifest().embedding;
    let version = doorward_core::template::TemplateVersion {
        model: entry.entry.sha256,
        preprocessing: entry.preprocessing,
    };
    let mut gallery = Gallery::new(version, pack.dimension());
    let person = |place: usize| -> PersonId { format!("p{place}").parse().expect("a letter and digits") };
    let mut probes: Vec<(usize, &Option<UnitVector>)> = Vec::new();
    let mut guests: Vec<&Option<UnitVector>> = Vec::new();
    for (place, album) in albums.iter().enumerate() {
        let searched = album.len() > most;
        if !searched && strangers.is_none() {
            guests.extend(album);
            continue;
        }
        let samples: Vec<&UnitVector> = album.iter().take(images.into()).flatten().collect();
        let templates = match enrolled {
            Enrolled::Mean if !samples.is_empty() => {
                vec![UnitVector::mean(samples).context("average templates")?]
            }
            Enrolled::Mean | Enrolled::Best => samples.into_iter().cloned().collect(),
        };
        for template in templates {
            gallery
                .insert(&person(place), version, &Protected::restore(template))
                .context("enrol a picture")?;
        }
        if searched {
            probes.extend(album[most..].iter().map(|probe| (place, probe)));
        }
    }
    guests.extend(strangers.unwrap_or_default());
    ensure!(
        !gallery.is_empty(),
        "nobody has more than {most} pictures, so that nobody can be enrolled and searched for"
    );
    let (mut mated, mut unknown, mut failures) = (Vec::new(), Vec::new(), [0, 0]);
    for (place, probe) in probes {
        let Some(probe) = probe else {
            failures[0] += 1;
            continue;
        };
        mated.push(search(&gallery, &person(place), probe));
    }
    for guest in guests {
        let Some(guest) = guest else {
            failures[1] += 1;
            continue;
        };
        if let Some(best) = gallery.identify(&Protected::restore(guest.clone())) {
            let second = best.runner_up.map_or(f32::NEG_INFINITY, |(_, score)| score);
            unknown.push(Stranger { best: best.score, second });
        }
    }
    let (persons, references) = (gallery.persons() as u64, gallery.len() as u64);
    Ok(Trial { images, enrolled, persons, references, mated, strangers: unknown, failures })
}

/// Searches for somebody who ought to be found; one whose enrolment failed is not.
fn search(gallery: &Gallery, person: &PersonId, probe: &UnitVector) -> Mated {
    let probe = Protected::restore(probe.clone());
    let own = gallery.verify(person, &probe).unwrap_or(f32::NEG_INFINITY);
    let other = gallery.identify(&probe).and_then(|best| match best.person == *person {
        true => best.runner_up.map(|(_, score)| score),
        false => Some(best.score),
    });
    Mated { own, other: other.unwrap_or(f32::NEG_INFINITY) }
}
