//! People whose faces are partly covered (attack case P13): how often a terminal does not find them, turns them down or does not
//! know them again, and whether what covers them makes strangers alike. The figures of docs/liveness.md.
//!
//! `cargo test -p doorward-models --all-features --test models p13 -- --nocapture`
//!
//! No pictures at hand are labelled by what people wear. So coverings are drawn onto photographs of `lfw-dev`, along the five points:
//! flat shapes of the right size, without shadow or texture. Real ones vary more.

use std::path::Path;

use doorward_core::frame::{Plane, Rgb};
use doorward_core::geometry::{Landmarks, Point};
use doorward_core::quality::{self, Limits, SCORE_AT_LIMIT, Scores};
use doorward_core::template::UnitVector;
use doorward_core::vision::{Detection, Vision as _};
use doorward_models::evaluation::interval::Interval;
use doorward_models::pack::{Pack, find};
use doorward_models::vision::Models;

use crate::golden::beside;
use crate::rates::told;
use crate::smile::{PACKS, models, name, picture};

/// One of so many pairs of the list is looked at.
const EVERY: usize = 20;
/// The rate at which a claim is believed, if nothing else is configured; a search asks for more.
const MAX_FMR: f64 = 1e-4;

/// What is worn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Covering {
    Nothing,
    Sunglasses,
    Mask,
    MaskAndSunglasses,
    Beard,
    Scarf,
    Helmet,
}

impl Covering {
    const ALL: [Self; 7] = [
        Self::Nothing,
        Self::Sunglasses,
        Self::Mask,
        Self::MaskAndSunglasses,
        Self::Beard,
        Self::Scarf,
        Self::Helmet,
    ];

    /// Its colour at a place of the face: to the right of the middle of the eyes and below it, in distances between them.
    fn at(self, x: f32, y: f32) -> Option<Rgb> {
        let oval = (x / 0.95).hypot((y - 0.5) / 1.35);
        let mouth = (x / 0.45).hypot((y - 1.12) / 0.2) < 1.0;
        match self {
            Self::Nothing => None,
            Self::Sunglasses => {
                let lens = ((x.abs() - 0.5) / 0.38).hypot((y - 0.06) / 0.28) < 1.0;
                let bridge = x.abs() < 0.2 && (y + 0.05).abs() < 0.05;
                (lens || bridge).then_some([18, 18, 20])
            }
            // From the bridge of the nose to under the chin, with folds.
            Self::Mask => {
                let within = oval < 1.0 && y > 0.42 + 0.25 * x.abs();
                let fold = if (y * 5.0).fract() < 0.15 { 150 } else { 185 };
                within.then_some([fold - 30, fold, fold + 20])
            }
            Self::MaskAndSunglasses => Self::Sunglasses.at(x, y).or_else(|| Self::Mask.at(x, y)),
            Self::Beard => {
                let within = oval < 1.0 && y > 0.75 + 0.1 * (1.0 - x.abs()) && !mouth;
                let hair = if (37.0 * x).sin() * (29.0 * y + 11.0 * x).sin() > 0.0 { 34 } else { 52 };
                within.then_some([hair + 14, hair + 6, hair])
            }
            // All but the face from brows to chin.
            Self::Scarf => {
                let around = (1.0..2.4).contains(&oval) || (oval < 1.0 && y < -0.55);
                around.then_some([44, 52, 84])
            }
            // Brow and cheekbones, as an open one does.
            Self::Helmet => {
                let shell = y < -0.38 || (x.abs() > 0.85 && y < 1.2);
                (shell && oval < 1.9).then_some([225, 190, 40])
            }
        }
    }

    /// The picture of somebody who wears it.
    fn worn(self, bare: &Plane<Rgb>, marks: &Landmarks) -> Plane<Rgb> {
        let (middle, eyes) = (marks.left_eye.middle(marks.right_eye), marks.eye_distance());
        let across = Point::new(
            (marks.right_eye.x - marks.left_eye.x) / (eyes * eyes),
            (marks.right_eye.y - marks.left_eye.y) / (eyes * eyes),
        );
        let width = bare.width();
        let pixels = bare.pixels().iter().zip(0u32..).map(|(bare, k)| {
            let (dx, dy) = ((k % width) as f32 - middle.x, (k / width) as f32 - middle.y);
            let place = (dx * across.x + dy * across.y, dy * across.x - dx * across.y);
            self.at(place.0, place.1).unwrap_or(*bare)
        });
        Plane::new(width, bare.height(), pixels.collect()).unwrap()
    }
}

/// The surest face, if a terminal would go on with it.
fn good(models: &mut Models, picture: &Plane<Rgb>) -> Option<Detection> {
    let limits = Limits::default();
    let found = models.detect(picture).unwrap().into_iter().max_by(|a, b| a.score.total_cmp(&b.score))?;
    let least = Scores::of(&quality::measure(picture, &found), &limits).least();
    (found.score >= limits.detection_min && least >= SCORE_AT_LIMIT).then_some(found)
}

fn vector(models: &mut Models, picture: &Plane<Rgb>, face: &Detection) -> UnitVector {
    UnitVector::normalise(models.embed(picture, &face.landmarks).unwrap()).unwrap()
}

#[test]
fn p13_what_covers_a_face_does_not_make_its_owner_somebody_else() {
    let Some(media) = beside("media") else { return };
    let list = std::fs::read_to_string(media.join("lfw-dev-pairs.csv")).unwrap();
    let pairs: Vec<[&str; 3]> = list
        .lines()
        .skip(1)
        .step_by(EVERY)
        .map(|line| line.split(',').collect::<Vec<_>>().try_into().unwrap())
        .collect();
    let open = |file: &str| picture(&std::fs::read(media.join("lfw-dev").join(file)).unwrap());
    for pack in PACKS {
        let threshold =
            Pack::open(&find(pack.map(Path::new)).unwrap()).unwrap().calibration().for_verification(MAX_FMR);
        let mut models = models(pack);
        println!("{}, {} pairs, threshold {:.2}", name(pack), pairs.len(), threshold.score);
        // Whether both are one person; the reference's vector; the other picture, and where its face is.
        let mut prepared = Vec::new();
        for [reference, probe, label] in &pairs {
            let (reference, bare) = (open(reference), open(probe));
            let Some(known) = good(&mut models, &reference) else { continue };
            let Some(face) = good(&mut models, &bare) else { continue };
            let known = vector(&mut models, &reference, &known);
            prepared.push((*label == "1", known, bare, face.landmarks));
        }
        for covering in Covering::ALL {
            // Of one person: turned down, not matched. Of two: matched.
            let (mut same, mut turned_down, mut missed) = (0, 0, 0);
            let (mut other, mut matched) = (0, 0);
            for (one, known, bare, marks) in &prepared {
                let probe = covering.worn(bare, marks);
                let found = good(&mut models, &probe);
                let score = found.map(|found| known.cosine(&vector(&mut models, &probe, &found)));
                let matches = score.is_some_and(|score| score >= threshold.score);
                if *one {
                    same += 1;
                    turned_down += u64::from(found.is_none());
                    missed += u64::from(!matches);
                } else {
                    other += 1;
                    matched += u64::from(matches);
                }
            }
            println!(
                "  {covering:?}: not found or turned down {}; not let in {}; taken for another {}",
                told(turned_down, same),
                told(missed, same),
                told(matched, other)
            );
            // Of pairs of strangers one in ten thousand is expected to match; a covering may not make that one in a hundred.
            assert!(Interval::exact(matched, other).low < 0.01, "{covering:?}");
        }
    }
}
