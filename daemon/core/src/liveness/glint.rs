//! Whether the eyes mirror the infrared light. A cornea is a convex mirror; its image of the emitter is a point brighter
//! than anything beside it in the eye, whoever looks. Painted and printed eyes have none (attack case P6).
//!
//! How bright it is follows from geometry: a mirror of radius R and reflectance r under the irradiance E sends r E R²/4
//! into each solid angle, skin of the area A and reflectance ρ sends ρ E A/π. So the sum over the spot is
//! π r R² / 4 ρ p² of a pixel of skin that is p wide, wherever the face is, and the distance between the eyes tells p.
//!
//! It needs an emitter beside the lens and a picture sharp enough, which a terminal knows only from its installer: of the
//! living faces of `ir-dev` half show none; docs/liveness.md has the figures.
//! So it is asked for where a policy says so, and never speaks against anybody: eyes close, look away and hide behind the
//! glare of glasses. Glass eyes, a white dot of paint, spectacles and the wearer's own eyes behind holes have it too.

#![expect(clippy::cast_possible_truncation, reason = "coordinates are checked against the picture")]

use super::logistic;
use crate::frame::Plane;
use crate::geometry::Point;
use crate::vision::Detection;

/// Fewest pixels between the eyes in the infrared picture. An iris is ten of them wide then, so that the spot and what is
/// compared with it lie within; in a smaller eye iris and white alone look like half a glint. With 70 degrees over 640
/// pixels that is half a metre.
pub const EYES_MIN: f32 = 57.0;
/// Frames of a window that have to show it: one alone may be noise, and a blink leaves more of 1.5 seconds.
pub const FRAMES_MIN: usize = 2;
/// Share of the expected light that supports. Three by three pixels take 0.8 of a point that a lens spreads by 0.8 pixel, and
/// the pixels around, which it is measured against, get some.
const SHARE_MIN: f32 = 0.55;
/// Further share for 0.9.
const SHARE_WIDTH: f32 = 0.2;

/// Reflectance of a cornea (Fresnel's law for an index of 1.376), its radius, and how far apart eyes are, millimetres (ISO
/// 24553 has 63 as the middle of adults).
const CORNEA: (f32, f32) = (0.025, 7.8);
const PUPILS_MM: f32 = 63.0;
/// Reflectance of skin at 850 nm (Cooksey, Allen, Tsai 2017).
const SKIN: f32 = 0.55;
/// How far from the landmark it is looked for, in distances between the eyes: landmarks err by 0.08, and a gaze of 20
/// degrees moves it by 0.06.
const REACH: f32 = 0.15;
/// From an eye down to the skin it is compared with, in distances between the eyes.
const CHEEK: f32 = 0.4;
/// Darkest skin that is compared with: below, noise is all there is.
const SKIN_MIN: f32 = 16.0;

/// Confidence 0 to 1 that one of the eyes mirrors the light; `None` where they are too small to tell or lie outside.
///
/// Both cameras are taken to show the same field of view; their resolutions may differ.
#[must_use]
pub fn score(ir: &Plane<u8>, picture: (u32, u32), face: &Detection) -> Option<f32> {
    let [one, other] = shares(ir, picture, face)?;
    Some(logistic(one.max(other), SHARE_MIN, SHARE_WIDTH))
}

/// For each eye, the light of its brightest spot as a share of what a cornea sends; `None` as for [`score`].
#[must_use]
pub fn shares(ir: &Plane<u8>, picture: (u32, u32), face: &Detection) -> Option<[f32; 2]> {
    let scale = (ir.width() as f32 / picture.0 as f32, ir.height() as f32 / picture.1 as f32);
    let [left, right] = [face.landmarks.left_eye, face.landmarks.right_eye]
        .map(|eye| Point::new(eye.x * scale.0, eye.y * scale.1));
    let (x, y) = (right.x - left.x, right.y - left.y);
    let between = x.hypot(y);
    // Also what is no number.
    if !(EYES_MIN..=ir.width() as f32).contains(&between) {
        return None;
    }
    let expected =
        std::f32::consts::FRAC_PI_4 * CORNEA.0 * (CORNEA.1 / PUPILS_MM).powi(2) / SKIN * between.powi(2);
    let share = |eye: Point| {
        let below = Point::new(eye.x - CHEEK * y, eye.y + CHEEK * x);
        let skin = window(ir, below, (between / 16.0) as i32).map(mean)?;
        Some(spot(ir, eye, between)? / skin.max(SKIN_MIN) / expected)
    };
    Some([share(left)?, share(right)?])
}

/// The most light, in levels summed over pixels, that a small square near `eye` has over the pixels next to it: over their
/// median, so that an edge counts for nothing.
fn spot(ir: &Plane<u8>, eye: Point, between: f32) -> Option<f32> {
    // As wide as a point that a lens spreads, and less than a third of an iris.
    let half = ((between / 60.0) as usize).max(1);
    let ring = half + 1;
    let reach = (REACH * between).round() as usize;
    let rows: Vec<&[u8]> = window(ir, eye, i32::try_from(reach + ring).ok()?)?.collect();
    let (mut best, mut around) = (0.0f32, Vec::with_capacity(8 * ring));
    for y in ring..rows.len() - ring {
        for x in ring..rows.len() - ring {
            let square = rows[y - half..=y + half].iter().flat_map(|row| &row[x - half..=x + half]);
            let light: u32 = square.map(|v| u32::from(*v)).sum();
            around.clear();
            around.extend_from_slice(&rows[y - ring][x - ring..=x + ring]);
            around.extend_from_slice(&rows[y + ring][x - ring..=x + ring]);
            for row in &rows[y + 1 - ring..y + ring] {
                around.extend([row[x - ring], row[x + ring]]);
            }
            let middle = around.len() / 2;
            let (_, surround, _) = around.select_nth_unstable(middle);
            let count = (2 * half + 1).pow(2) as f32;
            best = best.max(light as f32 - count * f32::from(*surround));
        }
    }
    Some(best)
}

/// The rows of a square around a place; `None` where it does not lie within the picture.
fn window(ir: &Plane<u8>, middle: Point, half: i32) -> Option<impl Iterator<Item = &[u8]>> {
    let side = u32::try_from(2 * half + 1).ok()?;
    let from = |at: f32, length: u32| {
        let start = u32::try_from(at.round() as i32 - half).ok()?;
        (start + side <= length).then_some(start)
    };
    let (x, y) = (from(middle.x, ir.width())?, from(middle.y, ir.height())?);
    let columns = x as usize..(x + side) as usize;
    Some((y..y + side).map(move |y| &ir.row(y)[columns.clone()]))
}

fn mean<'a>(rows: impl Iterator<Item = &'a [u8]>) -> f32 {
    let (sum, count) = rows.flatten().fold((0u32, 0u32), |(sum, count), v| (sum + u32::from(*v), count + 1));
    sum as f32 / count as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Landmarks, Rect};

    const SIDE: u32 = 300;

    /// Eyes so far apart, in a face of `skin`, each with a dark iris in a white, and a point of so much light, in pixels of
    /// skin, that a lens spreads; off the landmark by a share of the eyes' distance.
    fn face(between: f32, skin: f32, light: f32, off: f32) -> (Plane<u8>, Detection) {
        let eyes = [-0.5, 0.5].map(|side| Point::new(150.3 + side * between, 120.6));
        let mut plane = Plane::filled(SIDE, SIDE, 0u8).unwrap();
        for y in 0..SIDE {
            for x in 0..SIDE {
                let mut level = skin;
                for eye in eyes {
                    let (dx, dy) = (x as f32 - eye.x - off * between, y as f32 - eye.y - off * between);
                    let opening = (dx / 0.23 / between).hypot(dy / 0.105 / between);
                    let iris = dx.hypot(dy) / (0.093 * between);
                    // The lens spreads edges over two and a half pixels, as it does the point.
                    let within = |radius: f32, size: f32| {
                        (0.5 - (radius - 1.0) * size * between / 2.5).clamp(0.0, 1.0)
                    };
                    let inner = skin * (0.8 - 0.4 * within(iris, 0.093));
                    level += (inner - level) * within(opening, 0.105);
                    level += light * skin / 4.0 * (-(dx * dx + dy * dy) / 1.28).exp();
                }
                // Noise of a few levels that no run repeats.
                let noise = (x * 7919 + y * 104_729 + x * y * 31) % 3;
                plane.pixels_mut()[(y * SIDE + x) as usize] = (level + noise as f32).min(255.0) as u8;
            }
        }
        let [left, right] = eyes;
        let low = |x: f32, y: f32| Point::new(150.3 + x * between, 120.6 + y * between);
        let landmarks = Landmarks::from_points([left, right, low(0.0, 0.6), low(-0.4, 1.1), low(0.4, 1.1)]);
        let region = Rect { x: 90.0, y: 60.0, width: 120.0, height: 160.0 };
        (plane, Detection { score: 0.9, region, landmarks })
    }

    /// What a cornea sends, in pixels of skin.
    fn cornea(between: f32) -> f32 {
        5.47e-4 * between * between
    }

    fn seen(between: f32, skin: f32, light: f32, off: f32) -> f32 {
        let (plane, face) = face(between, skin, light, off);
        score(&plane, (SIDE, SIDE), &face).unwrap()
    }

    #[test]
    fn p6_corneas_mirror_the_light_at_every_distance_and_brightness_and_painted_eyes_do_not() {
        for between in [58.0, 67.0, 80.0, 110.0] {
            for skin in [70.0, 100.0, 170.0] {
                for off in [-0.08, 0.0, 0.05] {
                    let living = seen(between, skin, cornea(between), off);
                    assert!(living > 0.5, "{between} {skin} {off}: {living}");
                    let painted = seen(between, skin, 0.0, off);
                    assert!(painted < 0.3, "{between} {skin} {off}: {painted}");
                }
            }
        }
    }

    #[test]
    fn one_eye_is_enough_and_half_the_picture_size_asks_for_as_much_nearer() {
        let (mut plane, face) = face(80.0, 100.0, cornea(80.0), 0.0);
        for y in 100..141 {
            plane.pixels_mut()[(y * SIDE) as usize..][..150].fill(40);
        }
        assert!(score(&plane, (SIDE, SIDE), &face).unwrap() > 0.6);
        // The colour picture is twice as fine: its landmarks too.
        let twice = |p: Point| Point::new(2.0 * p.x, 2.0 * p.y);
        let fine =
            Detection { landmarks: Landmarks::from_points(face.landmarks.points().map(twice)), ..face };
        assert_eq!(score(&plane, (2 * SIDE, 2 * SIDE), &fine), score(&plane, (SIDE, SIDE), &face));
    }

    #[test]
    fn what_is_too_small_outside_or_no_number_says_nothing() {
        let (plane, small) = face(EYES_MIN - 1.0, 100.0, 5.0, 0.0);
        assert_eq!(score(&plane, (SIDE, SIDE), &small), None);
        let (plane, near) = face(60.0, 100.0, 5.0, 0.0);
        for shift in [-115.0, 200.0, f32::NAN, f32::INFINITY, 1e30] {
            let moved = |p: Point| Point::new(p.x + shift, p.y + shift);
            let out =
                Detection { landmarks: Landmarks::from_points(near.landmarks.points().map(moved)), ..near };
            assert_eq!(score(&plane, (SIDE, SIDE), &out), None, "{shift}");
        }
    }

    #[test]
    fn p9_a_picture_without_light_or_with_too_much_shows_no_glint() {
        for level in [0, 20, 255] {
            let (_, face) = face(60.0, 100.0, 5.0, 0.0);
            let plane = Plane::filled(SIDE, SIDE, level).unwrap();
            assert!(score(&plane, (SIDE, SIDE), &face).unwrap() < 0.1, "{level}");
        }
    }
}
