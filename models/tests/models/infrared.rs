//! What infrared's cues are worth on pictures at hand: the figures of docs/liveness.md come from here.
//!
//! `cargo test -p doorward-models --all-features --test models infrared -- --nocapture`

use std::path::{Path, PathBuf};

use doorward_core::frame::{Plane, Rgb};
use doorward_core::liveness::{SUPPORT_MIN, agreement, glint, infrared};
use doorward_core::vision::{Detection, Vision as _};
use doorward_models::engine::EngineKind;
use doorward_models::pack::{Pack, find};
use doorward_models::vision::Models;

use crate::golden::beside;
use crate::rates::rate;

/// Faces below it are not judged at a door either.
const DETECTION_MIN: f32 = 0.7;
const EYES_MIN: f32 = 32.0;

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

fn models() -> Models {
    let pack = Pack::open(&find(None).unwrap()).unwrap();
    Models::load(&pack, &EngineKind::Tract).unwrap()
}

fn face(models: &mut Models, picture: &Plane<Rgb>) -> Option<Detection> {
    let found = models.detect(picture).unwrap().into_iter().max_by(|a, b| a.score.total_cmp(&b.score))?;
    (found.score >= DETECTION_MIN && found.landmarks.eye_distance() >= EYES_MIN).then_some(found)
}

/// The crops are tight; a detector wants a little around a face.
fn with_border(crop: &image::GrayImage) -> Plane<u8> {
    let (width, height) = crop.dimensions();
    let (left, top) = (width / 4, height / 4);
    let mut plane = Plane::filled(width + 2 * left, height + 2 * top, 0u8).unwrap();
    let wide = plane.width();
    for (x, y, pixel) in crop.enumerate_pixels() {
        plane.pixels_mut()[((y + top) * wide + x + left) as usize] = pixel.0[0];
    }
    plane
}

#[test]
fn p6_contrast_tells_some_infrared_attacks_and_hardly_refuses_the_living() {
    let Some(folder) = beside("media/ir-dev") else { return };
    let mut models = models();
    let (mut counts, mut glints) = ([[0u64; 3]; 2], [[0u64; 2]; 2]);
    for ((kind, count), glints) in ["live", "spoof"].iter().zip(&mut counts).zip(&mut glints) {
        for file in files(&folder.join(kind)) {
            let ir = with_border(&image::open(&file).unwrap().into_luma8());
            let grey: Vec<Rgb> = ir.pixels().iter().map(|v| [*v; 3]).collect();
            let picture = Plane::new(ir.width(), ir.height(), grey).unwrap();
            count[0] += 1;
            let Some(found) = face(&mut models, &picture) else { continue };
            count[1] += 1;
            let contrast = infrared::contrast(&ir, (ir.width(), ir.height()), &found).unwrap();
            count[2] += u64::from(contrast < infrared::CONTRAST_MIN);
            if let Some(mirrored) = glint::score(&ir, (ir.width(), ir.height()), &found) {
                glints[0] += 1;
                glints[1] += u64::from(mirrored < SUPPORT_MIN);
            }
        }
    }
    let [live, spoof] = counts;
    println!(
        "infrared crops: {} live and {} attacks, a face found in {} and {}",
        live[0], spoof[0], live[1], spoof[1]
    );
    let refused = rate("live refused, by contrast", live[2], live[1]);
    let caught = rate("attacks refused, by contrast", spoof[2], spoof[1]);
    // Why the glint of eyes is asked for only where an installer has seen it.
    let without = rate("live, without a glint", glints[0][1], glints[0][0]);
    rate("attacks, without a glint", glints[1][1], glints[1][0]);
    assert!(without.low > 0.1, "then it could be asked for everywhere");
    assert!(refused.low < 0.05 && caught.high > refused.low && caught.low > 0.03);
}

#[test]
fn p8_structure_tells_other_faces_from_the_same_one() {
    let Some(folder) = beside("media/lfw-dev") else { return };
    let mut models = models();
    let mut faces = Vec::new();
    for person in files(&folder).into_iter().step_by(8).take(200) {
        let Some(file) = files(&person).into_iter().next() else { continue };
        let decoded = image::open(&file).unwrap().into_rgb8();
        let (pixels, _) = decoded.as_chunks::<3>();
        let picture = Plane::new(decoded.width(), decoded.height(), pixels.to_vec()).unwrap();
        if let Some(found) = face(&mut models, &picture) {
            faces.push((picture, found));
        }
    }
    let (mut same, mut other) = (0, 0);
    for i in 0..faces.len() {
        let ((picture, found), (theirs, their_face)) = (&faces[i], &faces[(i + 7) % faces.len()]);
        let refused = |ir: &Plane<u8>| u64::from(agreement::score(ir, picture, found) < SUPPORT_MIN);
        same += refused(&imitation(picture));
        // Another person's face in exactly the same box: the hardest swap there is.
        other += refused(&moved(&imitation(theirs), their_face, found));
    }
    let count = faces.len() as u64;
    let refused = rate("the same face refused, in an imitation of infrared", same, count);
    let caught = rate("another face refused, in the same box", other, count);
    assert!(refused.low < 0.02 && caught.low > 0.8);
}

/// Red without its share of blue, with another gamma: skin is bright, lips fade, and no pixel is what it was.
#[expect(clippy::cast_possible_truncation, reason = "clamped to a byte before the cast")]
fn imitation(picture: &Plane<Rgb>) -> Plane<u8> {
    let tone = |[r, _, b]: Rgb| {
        let red = (1.6 * f32::from(r) - 0.5 * f32::from(b)).clamp(0.0, 255.0);
        (red.powf(0.8) * 2.6) as u8
    };
    let pixels = picture.pixels().iter().map(|pixel| tone(*pixel)).collect();
    Plane::new(picture.width(), picture.height(), pixels).unwrap()
}

/// A picture stretched so that the box of one face lies where that of another is.
#[expect(clippy::cast_possible_truncation, reason = "clamped to the picture before the cast")]
fn moved(ir: &Plane<u8>, from: &Detection, to: &Detection) -> Plane<u8> {
    let (from, to) = (from.region, to.region);
    let at = |p: u32, to: f32, to_size: f32, from: f32, from_size: f32, side: u32| {
        let source = from + (p as f32 - to) / to_size * from_size;
        (source.max(0.0) as u32).min(side - 1)
    };
    let mut plane = ir.clone();
    for y in 0..ir.height() {
        for x in 0..ir.width() {
            let source = ir.at(
                at(x, to.x, to.width, from.x, from.width, ir.width()),
                at(y, to.y, to.height, from.y, from.height, ir.height()),
            );
            plane.pixels_mut()[(y * ir.width() + x) as usize] = source;
        }
    }
    plane
}
