//! `doorctl evaluate quality`: whose faces are found, judged, and taken for each other, by groups of people.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use doorward_models::evaluation::CohortEvaluation;
use doorward_models::evaluation::cohorts::{Cohorts, Portrayed};

use super::crew::{Crew, Effort};
use super::{Telling, data_of, looked, sequences, tested, today};
use crate::answer::Answer;
use crate::mind::Minding;
use crate::sheet;

/// False match rates whose thresholds are held against each group.
const FMRS: [f64; 2] = [1e-3, 1e-4];

/// What names of pictures say, as UTKFace has them: age_gender_origin_time.
const NAMED: [&str; 3] = ["age", "gender", "origin"];

/// Options of `evaluate quality`.
#[derive(Debug, Args)]
#[command(
    after_help = "Each picture is taken to show another person. Groups come from --labels, a table with the columns image \
    (a path below DIR), axis and label, one line for each axis of each picture; or from names of the form \
    age_gender_origin_anything.jpg, with the numbers of UTKFace: gender 0 male, 1 female; origin 0 White, 1 Black, 2 Asian, 3 \
    Indian, 4 other, which are the words of that set's makers.\n\n\
    Told for everybody and for each group: pictures in which no face was found, faces that a terminal would turn down and \
    why, and how often two pictures of the group match at the thresholds that stand for false match rates of 1e-3 and 1e-4. \
    One person twice in the set counts as a false match, so look at the pairs most alike.\n\n\
    JSON: figures (each rate with name, rate, interval, errors, trials), cohorts (axis, label, undetected, rejected, reasons, \
    false_matches), most_alike, model, data.\n\n\
    Examples:\n  \
    doorctl evaluate quality faces --html quality.html --journal faces.journal\n  \
    doorctl evaluate quality staff --labels groups.csv --json"
)]
pub struct Quality {
    /// Folder of pictures.
    pictures: PathBuf,
    /// Table of labels; without it the names of the pictures are read.
    #[arg(long, value_name = "CSV")]
    labels: Option<PathBuf>,
    /// Take at most N pictures, evenly spread over their names.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// What the pictures are, for reports; without it the name of the folder.
    #[arg(long, value_name = "TEXT")]
    data: Option<String>,
    /// How it is told.
    #[command(flatten)]
    telling: Telling,
    /// How it is done.
    #[command(flatten)]
    effort: Effort,
}

/// Looks at every picture and tells the rates of each group.
///
/// # Errors
/// When pictures, labels or models cannot be read, or nothing can be concluded from them.
pub fn run(options: &Quality, minding: &Minding, out: &mut dyn Write) -> Answer {
    let mut files: Vec<PathBuf> = sequences::below(&options.pictures)?.into_iter().flatten().collect();
    if let Some(limit) = options.limit {
        files = thinned(files, limit as usize);
    }
    let (axes, labels) = match &options.labels {
        Some(table) => listed(table, &options.pictures, &files)?,
        None => named(&files)?,
    };
    let (pack, engine) = (minding.pack(None)?, minding.engine()?);
    let looked = looked::at(&Crew::new(&pack, &engine, &options.effort), &files)?;
    let pictures = files.iter().zip(labels).zip(looked).map(|((file, labels), looked)| Portrayed {
        name: file.strip_prefix(&options.pictures).unwrap_or(file).display().to_string(),
        labels,
        reject: looked.reject,
        template: looked.template.ok(),
    });
    let test = Cohorts {
        model: tested(&pack, &pack.manifest().embedding.entry.file, &engine),
        data: data_of(options.data.as_deref(), &options.pictures)?,
        axes,
        pictures: pictures.collect(),
        thresholds: FMRS.map(|fmr| (fmr, pack.calibration().for_verification(fmr).score)).to_vec(),
    };
    let evaluation = CohortEvaluation::of(&test).context("evaluate the groups")?;
    if options.telling.tell(&evaluation, || evaluation.html(&today()), out)? {
        write!(out, "{evaluation}")?;
    }
    Ok(())
}

/// The axes, and the labels of each picture on them.
type Labels = (Vec<String>, Vec<Vec<String>>);

/// Labels by the names of the pictures.
fn named(files: &[PathBuf]) -> anyhow::Result<Labels> {
    let labels = files.iter().map(|file| {
        let name = file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        of_name(&name).with_context(|| {
            format!("{name:?} is no name of the form age_gender_origin_anything; give the labels with --labels CSV")
        })
    });
    Ok((NAMED.map(str::to_owned).to_vec(), labels.collect::<anyhow::Result<_>>()?))
}

/// Age band, gender and origin of a name of UTKFace; a few names lack the origin.
fn of_name(name: &str) -> Option<Vec<String>> {
    let mut parts = name.split('_');
    let age: u8 = parts.next()?.parse().ok()?;
    let band = match age {
        0..=5 => "00-05",
        6..=12 => "06-12",
        13..=19 => "13-19",
        20..=39 => "20-39",
        40..=59 => "40-59",
        60..=79 => "60-79",
        80..=u8::MAX => "80 and more",
    };
    let gender = match parts.next()? {
        "0" => "male",
        "1" => "female",
        _ => return None,
    };
    let origin = match parts.next()? {
        "0" => "White",
        "1" => "Black",
        "2" => "Asian",
        "3" => "Indian",
        "4" => "other",
        _ => "not told",
    };
    Some([band, gender, origin].map(str::to_owned).to_vec())
}

/// Labels by a table; a picture that it does not name on an axis is `not told`.
fn listed(table: &Path, folder: &Path, files: &[PathBuf]) -> anyhow::Result<Labels> {
    let places: HashMap<&Path, usize> = files
        .iter()
        .enumerate()
        .filter_map(|(place, file)| Some((file.strip_prefix(folder).ok()?, place)))
        .collect();
    let mut axes: Vec<String> = Vec::new();
    let mut labels: Vec<Vec<String>> = vec![Vec::new(); files.len()];
    sheet::read(table, ["image", "axis", "label"], |_, [image, axis, label]| {
        ensure!(!axis.is_empty() && !label.is_empty(), "an axis or a label is empty");
        let column = axes.iter().position(|known| known == axis).unwrap_or_else(|| {
            axes.push(axis.to_owned());
            axes.len() - 1
        });
        // A table may speak of more pictures than are taken.
        let Some(place) = places.get(Path::new(image)) else { return Ok(()) };
        let row = &mut labels[*place];
        row.resize(row.len().max(column + 1), String::new());
        if !row[column].is_empty() && row[column] != label {
            bail!("{image:?} has two labels for {axis:?}");
        }
        label.clone_into(&mut row[column]);
        Ok(())
    })?;
    for row in &mut labels {
        row.resize(axes.len(), String::new());
        for label in row.iter_mut().filter(|label| label.is_empty()) {
            "not told".clone_into(label);
        }
    }
    Ok((axes, labels))
}

fn thinned(files: Vec<PathBuf>, limit: usize) -> Vec<PathBuf> {
    let (all, kept) = (files.len(), files.len().min(limit));
    let take = |place: &usize| (place + 1) * kept / all > place * kept / all;
    files.into_iter().enumerate().filter(|(place, _)| take(place)).map(|(_, file)| file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_utkface_are_read_and_others_refused() {
        let of = |name: &str| of_name(name).map(|labels| labels.join(" "));
        assert_eq!(of("7_0_2_20170112213500903.jpg.chip.jpg").as_deref(), Some("06-12 male Asian"));
        assert_eq!(of("116_1_0_x.jpg").as_deref(), Some("80 and more female White"));
        assert_eq!(of("39_1_20170116174525125.jpg").as_deref(), Some("20-39 female not told"));
        for other in ["ada.jpg", "7_x_2_y.jpg", "7.jpg", "999_0_0_x.jpg"] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn a_table_labels_what_it_names_and_contradicts_itself_by_line() {
        let folder = tempfile::tempdir().unwrap();
        let (table, root) = (folder.path().join("t.csv"), Path::new("set"));
        let files = [root.join("a.jpg"), root.join("b/c.jpg")];
        let write = |rows: &str| std::fs::write(&table, format!("image,axis,label\n{rows}")).unwrap();
        write("a.jpg,beard,yes\nb/c.jpg,glasses,no\nz.jpg,beard,no\n");
        let (axes, labels) = listed(&table, root, &files).unwrap();
        assert_eq!(axes, ["beard", "glasses"]);
        assert_eq!(labels, [["yes", "not told"], ["not told", "no"]]);
        write("a.jpg,beard,yes\na.jpg,beard,no\n");
        let fault = format!("{:#}", listed(&table, root, &files).unwrap_err());
        assert!(fault.contains("line 3") && fault.contains("two labels"), "{fault}");
    }

    #[test]
    fn a_limit_takes_pictures_from_all_over_the_folder() {
        let files: Vec<PathBuf> = (0..10).map(|i| PathBuf::from(i.to_string())).collect();
        let kept: Vec<String> = thinned(files.clone(), 3).iter().map(|f| f.display().to_string()).collect();
        assert_eq!(kept, ["3", "6", "9"]);
        assert_eq!(thinned(files, 100).len(), 10);
    }
}
