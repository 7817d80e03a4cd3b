//! What the smile of a mouth is worth on real faces, and where its weights come from: the figures of docs/liveness.md.
//!
//! `cargo test -p doorward-models --all-features --test models smile -- --nocapture`
//!
//! `smile_faces.csv` and `smile_lfw.csv` have the judgement of a person who looked at pictures of `faces-train`, as many of
//! either gender and each origin, and of `lfw-dev`: 1 smiles, 0 does not (at rest, earnest, speaking); those that were neither
//! clearly are not in them. A picture is named by the first 16 hexadecimal digits of its SHA-256. The weights are fitted to the
//! former and measured on the latter.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use doorward_core::frame::{Plane, Rgb};
use doorward_core::geometry::{Landmarks, Point};
use doorward_core::liveness::movement::{self, MOUTH_CHANGE_MIN, MOUTH_WINDOW};
use doorward_core::liveness::smile::{self, FEATURES};
use doorward_core::vision::{Detection, Vision as _};
use doorward_models::engine::EngineKind;
use doorward_models::pack::{Pack, find};
use doorward_models::vision::Models;
use sha2::{Digest as _, Sha256};

use crate::golden::beside;
use crate::rates::rate;

const LEARNT: &str = include_str!("smile_faces.csv");
const MEASURED: &str = include_str!("smile_lfw.csv");
/// As at a door.
const DETECTION_MIN: f32 = 0.7;
const EYES_MIN: f32 = 32.0;
/// Strength of the penalty on large weights, between a third and three times of which little changes.
const PENALTY: f64 = 0.3;
/// Pixels by which the edges of a tight crop are continued: in a frame that ends at the chin, detectors put a mouth too high.
const SURROUNDINGS: u32 = 60;
/// A face at rest before a camera: the median of the living of `nuaa-dev`.
const REST: f32 = -1.46;

/// The recommended pack and the house's.
pub(crate) const PACKS: [Option<&str>; 2] = [None, Some("house")];

pub(crate) fn name(pack: Option<&str>) -> &str {
    pack.unwrap_or("recommended")
}

pub(crate) fn models(pack: Option<&str>) -> Models {
    Models::load(&Pack::open(&find(pack.map(Path::new)).unwrap()).unwrap(), &EngineKind::Tract).unwrap()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

pub(crate) fn picture(bytes: &[u8]) -> Plane<Rgb> {
    let decoded = image::load_from_memory(bytes).unwrap().into_rgb8();
    let (pixels, _) = decoded.as_chunks::<3>();
    Plane::new(decoded.width(), decoded.height(), pixels.to_vec()).unwrap()
}

/// The largest face, if a door would judge it and its mouth may be read.
fn face(models: &mut Models, picture: &Plane<Rgb>) -> Option<Detection> {
    let sure = |face: &Detection| {
        let marks = &face.landmarks;
        face.score >= DETECTION_MIN && marks.eye_distance() >= EYES_MIN && movement::is_frontal(marks)
    };
    let found = models.detect(picture).unwrap().into_iter();
    found.max_by(|a, b| a.region.area().total_cmp(&b.region.area())).filter(sure)
}

/// A labelled picture.
struct Sample {
    smiles: bool,
    file: PathBuf,
    picture: Plane<Rgb>,
    marks: Landmarks,
    features: [f32; FEATURES],
}

impl Sample {
    fn person(&self) -> &Path {
        self.file.parent().unwrap()
    }
}

/// Those of the files that are labelled, as they are in their frame, and show a face whose mouth is read.
fn samples(
    models: &mut Models,
    labels: &str,
    files: &[PathBuf],
    frame: fn(Plane<Rgb>) -> Plane<Rgb>,
) -> Vec<Sample> {
    let labels: BTreeMap<&str, bool> = labels
        .lines()
        .skip(1)
        .map(|line| line.split_once(',').unwrap())
        .map(|(name, label)| (name, label == "1"))
        .collect();
    let mut samples = Vec::new();
    for file in files {
        let bytes = std::fs::read(file).unwrap();
        let name: String = Sha256::digest(&bytes)[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let Some(smiles) = labels.get(name.as_str()) else { continue };
        let picture = frame(picture(&bytes));
        let Some(found) = face(models, &picture) else { continue };
        let marks = found.landmarks;
        let Some(features) = smile::features(&picture, &marks) else { continue };
        samples.push(Sample { smiles: *smiles, file: file.clone(), picture, marks, features });
    }
    samples
}

/// What is measured on.
fn measured(models: &mut Models) -> Option<Vec<Sample>> {
    let folder = beside("media/lfw-dev")?;
    let files: Vec<PathBuf> = files(&folder).iter().flat_map(|person| files(person)).collect();
    Some(samples(models, MEASURED, &files, |picture| picture))
}

/// A tight crop as a camera would have it, with something around it.
fn surrounded(crop: Plane<Rgb>) -> Plane<Rgb> {
    let side = |of: u32| of + 2 * SURROUNDINGS;
    let inside = |at: u32, of: u32| at.saturating_sub(SURROUNDINGS).min(of - 1);
    let (width, height) = (side(crop.width()), side(crop.height()));
    let pixel = |k: u32| crop.at(inside(k % width, crop.width()), inside(k / width, crop.height()));
    Plane::new(width, height, (0..width * height).map(pixel).collect()).unwrap()
}

/// Weights and offset.
struct Line {
    weights: Vec<f64>,
    offset: f64,
}

impl Line {
    /// Logistic regression with a squared penalty, by Newton's method (Bishop 2006, section 4.3.3). The score is then
    /// scaled so that its means are -1 and +1.
    fn fit(samples: &[Sample]) -> Self {
        let rows: Vec<Vec<f64>> =
            samples.iter().map(|s| s.features.iter().map(|v| f64::from(*v)).chain([1.0]).collect()).collect();
        let size = FEATURES + 1;
        let mut weights = vec![0.0; size];
        for _ in 0..12 {
            let mut slope: Vec<f64> = weights.iter().map(|w| PENALTY * w).collect();
            let mut curve = vec![vec![0.0; size]; size];
            (0..FEATURES).for_each(|k| curve[k][k] = PENALTY);
            slope[FEATURES] = 0.0;
            for (row, sample) in rows.iter().zip(samples) {
                let p = 1.0 / (1.0 + (-dot(row, &weights)).exp());
                let off = p - f64::from(u8::from(sample.smiles));
                for (i, x) in row.iter().enumerate() {
                    slope[i] += off * x;
                    let scaled = p * (1.0 - p) * x;
                    curve[i].iter_mut().zip(row).for_each(|(sum, other)| *sum += scaled * other);
                }
            }
            let step = solved(curve, slope);
            weights.iter_mut().zip(step).for_each(|(weight, step)| *weight -= step);
        }
        let mean = |smiles| {
            let scores: Vec<f64> = rows
                .iter()
                .zip(samples)
                .filter(|(_, s)| s.smiles == smiles)
                .map(|(row, _)| dot(row, &weights))
                .collect();
            scores.iter().sum::<f64>() / scores.len() as f64
        };
        let (low, high) = (mean(false), mean(true));
        let scale = 2.0 / (high - low);
        let offset = weights.pop().unwrap() - (low + high) / 2.0;
        Self { weights: weights.iter().map(|w| scale * w).collect(), offset: scale * offset }
    }

    fn score(&self, features: &[f32; FEATURES]) -> f64 {
        let values = features.iter().map(|v| f64::from(*v));
        values.zip(&self.weights).map(|(value, weight)| value * weight).sum::<f64>() + self.offset
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Solves a symmetric positive system by elimination.
fn solved(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
    let size = b.len();
    for k in 0..size {
        let pivot = a[k].clone();
        for i in k + 1..size {
            let share = a[i][k] / pivot[k];
            a[i].iter_mut().zip(&pivot).skip(k).for_each(|(value, above)| *value -= share * above);
            b[i] -= share * b[k];
        }
    }
    for k in (0..size).rev() {
        let rest: f64 = (k + 1..size).map(|i| a[k][i] * b[i]).sum();
        b[k] = (b[k] - rest) / a[k][k];
    }
    b
}

#[test]
fn the_weights_are_those_of_the_labels() {
    let Some(folder) = beside("media/faces-train") else { return };
    let mut learnt = Vec::new();
    for pack in PACKS {
        learnt.extend(samples(&mut models(pack), LEARNT, &files(&folder), surrounded));
    }
    let line = Line::fit(&learnt);
    let off = learnt
        .iter()
        .map(|s| (line.score(&s.features) - f64::from(smile::score(&s.picture, &s.marks).unwrap())).abs())
        .fold(0.0, f64::max);
    if off > 0.05 {
        let rows: Vec<String> =
            line.weights.chunks(16).map(|row| row.iter().map(|w| format!("{w:.2}, ")).collect()).collect();
        println!("OFFSET {:.3}\n{}", line.offset, rows.join("\n"));
    }
    println!("fitted to {} readings, {} of smiles", learnt.len(), learnt.iter().filter(|s| s.smiles).count());
    assert!(
        off <= 0.05,
        "the weights are not those of the labels: off by {off}; the new ones are printed above"
    );
}

#[test]
fn a_smile_is_told_from_other_faces_on_pictures_it_was_not_learnt_from() {
    for pack in PACKS {
        let Some(samples) = measured(&mut models(pack)) else { return };
        let scores: Vec<f32> = samples.iter().map(|s| smile::score(&s.picture, &s.marks).unwrap()).collect();
        let of = |smiles: bool| -> Vec<f32> {
            samples.iter().zip(&scores).filter(|(s, _)| s.smiles == smiles).map(|(_, score)| *score).collect()
        };
        let (smiling, other) = (of(true), of(false));
        let wins: f64 =
            smiling.iter().flat_map(|s| other.iter().map(move |o| if s > o { 1.0 } else { 0.0 })).sum();
        let area = wins / (smiling.len() * other.len()) as f64;
        let mut people: Vec<&Path> = samples.iter().map(Sample::person).collect();
        people.dedup();
        println!(
            "{}: {} smile, {} do not, {} people; area under the curve {area:.3}",
            name(pack),
            smiling.len(),
            other.len(),
            people.len()
        );
        let count =
            |scores: &[f32], wrong: fn(&f32) -> bool| scores.iter().filter(|s| wrong(s)).count() as u64;
        let missed = rate("smiles below 0", count(&smiling, |s| *s < 0.0), smiling.len() as u64);
        let taken = rate("others above 0", count(&other, |s| *s >= 0.0), other.len() as u64);
        let short = count(&smiling, |s| *s < REST + MOUTH_CHANGE_MIN);
        let short = rate("smiles too little above a face at rest", short, smiling.len() as u64);
        assert!(short.low < 0.05);
        assert!(area > 0.97 && missed.low < 0.1 && taken.low < 0.1);
        // One picture of a person against another, of another day: harder than a person at a door who is told to smile.
        let (mut pairs, mut short, mut alike, mut apart) = (0, 0, 0, 0);
        for i in 0..samples.len() {
            for j in (0..i).filter(|j| samples[*j].person() == samples[i].person()) {
                let change = (scores[i] - scores[j]).abs() >= MOUTH_CHANGE_MIN;
                if samples[i].smiles == samples[j].smiles {
                    alike += 1;
                    apart += u64::from(change);
                } else {
                    pairs += 1;
                    short += u64::from(!change);
                }
            }
        }
        rate("a smile and none of one person, too little apart", short, pairs);
        rate("the same of one person on two days, as far apart", apart, alike);
    }
}

/// Sequences of `nuaa-dev` in the order of time: live ones by session, prints by person, as they are stored.
fn sequences(kind: &str) -> Option<Vec<Vec<PathBuf>>> {
    let folder = beside(&format!("media/nuaa-dev/{kind}"))?;
    let mut found = Vec::new();
    for person in files(&folder) {
        let mut sessions: BTreeMap<String, Vec<(u32, PathBuf)>> = BTreeMap::new();
        for file in files(&person) {
            let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
            let (session, number) = name.rsplit_once('_').unwrap();
            let session = if kind == "live" { session.to_owned() } else { String::new() };
            sessions.entry(session).or_default().push((number.parse().unwrap(), file));
        }
        for mut session in sessions.into_values() {
            if kind == "live" {
                session.sort();
            }
            found.push(session.into_iter().map(|(_, file)| file).collect());
        }
    }
    Some(found)
}

#[test]
fn p1_p6_mouths_that_rest_and_prints_that_are_moved_and_bent_do_not_change_as_a_smile_does() {
    for pack in PACKS {
        let mut models = models(pack);
        for kind in ["live", "print"] {
            let Some(sequences) = sequences(kind) else { return };
            let (mut frames, mut widest, mut passed, mut counted) = (0, 0.0f32, 0, 0);
            let mut rest = Vec::new();
            for sequence in &sequences {
                let mut mouth = movement::Mouth::default();
                let mut shown = false;
                for file in sequence {
                    let picture = picture(&std::fs::read(file).unwrap());
                    let Some(found) = face(&mut models, &picture) else { continue };
                    let Some(score) = smile::score(&picture, &found.landmarks) else { continue };
                    frames += 1;
                    rest.push(score);
                    mouth.read(score);
                    shown |= mouth.has_changed();
                    widest = widest.max(mouth.change());
                }
                counted += 1;
                passed += u64::from(shown);
            }
            rest.sort_by(f32::total_cmp);
            println!(
                "{}, {kind}: {frames} frames, median {:.2}, 95 % within {:.2} to {:.2}; medians of {MOUTH_WINDOW} apart \
                 {widest:.2} at most",
                name(pack),
                rest[frames / 2],
                rest[frames / 40],
                rest[frames - 1 - frames / 40]
            );
            rate("  sequences taken for a smile", passed, counted);
            // A living mouth may move unasked.
            assert!(passed == 0 || kind == "live", "{kind}");
        }
    }
}

/// A photograph seen at an angle, nearer or farther, in other light.
#[expect(clippy::cast_possible_truncation, reason = "clamped to the picture and to a byte before the cast")]
fn held(picture: &Plane<Rgb>, about: Point, pose: [f32; 4]) -> Plane<Rgb> {
    let [yaw, pitch, scale, light] = pose;
    // The distance of the camera, in pixels of the photograph: half a metre where eyes are 63 mm apart.
    const AWAY: f32 = 340.0;
    let ((sy, cy), (sp, cp)) = (yaw.to_radians().sin_cos(), pitch.to_radians().sin_cos());
    let (width, height) = (picture.width(), picture.height());
    let pixel = |k: u32| -> Rgb {
        let (u, v) = (((k % width) as f32 - about.x) / scale, ((k / width) as f32 - about.y) / scale);
        // The ray through a pixel meets the plane that is turned about its middle.
        let normal = [-sy * cp, sp, cy * cp];
        let t = normal[2] * AWAY / (normal[0] * u / AWAY + normal[1] * v / AWAY + normal[2]) / AWAY;
        let at = [u * t, v * t, AWAY * (t - 1.0)];
        let x = about.x + at[0] * cy + at[2] * sy;
        let y = about.y + (at[0] * sy * sp + at[1] * cp - at[2] * cy * sp);
        let place = |p: f32, side: u32| (p.clamp(0.0, (side - 1) as f32)) as u32;
        let (i, j) = (place(x, width - 1), place(y, height - 1));
        let (fx, fy) = ((x - i as f32).clamp(0.0, 1.0), (y - j as f32).clamp(0.0, 1.0));
        let [a, b, c, d] =
            [picture.at(i, j), picture.at(i + 1, j), picture.at(i, j + 1), picture.at(i + 1, j + 1)];
        std::array::from_fn(|n| {
            let value = |p: Rgb| f32::from(p[n]);
            let above = value(a) + fx * (value(b) - value(a));
            let below = value(c) + fx * (value(d) - value(c));
            (light * (above + fy * (below - above))).clamp(0.0, 255.0) as u8
        })
    };
    Plane::new(width, height, (0..width * height).map(pixel).collect()).unwrap()
}

#[test]
fn p1_a_photograph_that_is_turned_tilted_and_moved_keeps_its_mouth() {
    let mut models = models(None);
    let Some(samples) = measured(&mut models) else { return };
    let (mut changes, mut beyond) = (Vec::new(), 0);
    for sample in samples.iter().step_by(4) {
        let straight = smile::score(&sample.picture, &sample.marks).unwrap();
        for pose in
            [[12.0, 0.0, 1.0, 1.0], [-12.0, 8.0, 0.9, 0.8], [0.0, 18.0, 1.0, 1.2], [0.0, -18.0, 1.1, 0.6]]
        {
            let turned = held(&sample.picture, sample.marks.nose, pose);
            let Some(found) = face(&mut models, &turned) else { continue };
            let Some(score) = smile::score(&turned, &found.landmarks) else { continue };
            changes.push((score - straight).abs());
            beyond += u64::from((score - straight).abs() >= MOUTH_CHANGE_MIN);
        }
    }
    changes.sort_by(f32::total_cmp);
    let count = changes.len();
    println!(
        "{count} views of photographs: median {:.2}, 99 % below {:.2}, at most {:.2}",
        changes[count / 2],
        changes[count * 99 / 100],
        changes[count - 1]
    );
    let bound = rate("single pictures as far apart as a smile", beyond, count as u64);
    assert!(bound.low < 0.01);
}
