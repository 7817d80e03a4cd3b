//! Near infrared: a face close to the emitter is bright against what lies behind it and keeps the contrast of skin,
//! eyes and shadows. Screens do not shine in NIR and stay dark; many printing inks vanish and leave bright paper.

#![expect(
    clippy::cast_possible_truncation,
    reason = "coordinates are clamped to the picture; statistics are summed wider than they are kept"
)]

use super::logistic;
use crate::frame::Plane;
use crate::geometry::Rect;
use crate::vision::Detection;

/// Mean luminance below which nothing reflects the emitter, 0 to 255: twice the dark level of the usual sensors.
const BRIGHT_MIN: f32 = 32.0;
/// Face over surroundings. A face at 0.6 m returns several times what a wall at 2 m does (inverse square).
const FALL_OFF_MIN: f32 = 1.25;
/// Standard deviation over mean within the face. Skin, eyes and shadow give 0.15 to 0.4, bare paper below 0.06. Of 75 near
/// infrared faces of `ir-dev` it refuses none (at most 3.9 %), of 129 attacks 12 % (7 to 19); docs/liveness.md has what
/// else was tried there and left out.
pub const CONTRAST_MIN: f32 = 0.09;

/// Confidence 0 to 1 that a live face stands where the colour picture of size `picture` has one.
///
/// Both cameras are taken to show the same field of view; their resolutions may differ.
#[must_use]
pub fn score(ir: &Plane<u8>, picture: (u32, u32), face: &Detection) -> f32 {
    let Some((mean, deviation, surround)) = measure(ir, picture, face) else { return 0.0 };
    let bright = logistic(mean, BRIGHT_MIN, 12.0);
    let fall_off = logistic(mean / surround.max(4.0), FALL_OFF_MIN, 0.25);
    let contrast = logistic(deviation / mean.max(1.0), CONTRAST_MIN, 0.035);
    bright.min(fall_off).min(contrast)
}

/// Mean brightness of the face and of what is around it, 0 to 255; `None` where the face lies outside.
#[must_use]
pub fn levels(ir: &Plane<u8>, picture: (u32, u32), face: &Detection) -> Option<(f32, f32)> {
    measure(ir, picture, face).map(|(mean, _, surround)| (mean, surround))
}

/// Contrast of the face, standard deviation over mean; `None` where the face lies outside.
#[must_use]
pub fn contrast(ir: &Plane<u8>, picture: (u32, u32), face: &Detection) -> Option<f32> {
    measure(ir, picture, face).map(|(mean, deviation, _)| deviation / mean.max(1.0))
}

/// Mean and standard deviation of the inner face, and the mean around it.
fn measure(ir: &Plane<u8>, picture: (u32, u32), face: &Detection) -> Option<(f32, f32, f32)> {
    let scale = (ir.width() as f32 / picture.0 as f32, ir.height() as f32 / picture.1 as f32);
    let region = face.region.scaled(scale.0, scale.1);
    let (mean, deviation) = statistics(ir, shrunk(region, 0.7), None)?;
    let around = statistics(ir, shrunk(region, 2.2), Some(shrunk(region, 1.3)));
    Some((mean, deviation, around.map_or(mean, |(mean, _)| mean)))
}

fn shrunk(region: Rect, factor: f32) -> Rect {
    let centre = region.centre();
    let (width, height) = (region.width * factor, region.height * factor);
    Rect { x: centre.x - width / 2.0, y: centre.y - height / 2.0, width, height }
}

/// Mean and standard deviation of the pixels in `inside` and not in `outside`; `None` below 16 pixels.
fn statistics(ir: &Plane<u8>, inside: Rect, outside: Option<Rect>) -> Option<(f32, f32)> {
    let clip = |from: f32, length: f32, side: u32| {
        let start = (from.max(0.0) as u32).min(side);
        let end = ((from + length).max(0.0) as u32).min(side);
        start..end
    };
    let (mut count, mut sum, mut square) = (0.0f64, 0.0f64, 0.0f64);
    for y in clip(inside.y, inside.height, ir.height()) {
        let row = ir.row(y);
        for x in clip(inside.x, inside.width, ir.width()) {
            let hidden = outside.is_some_and(|o| {
                (o.x..o.x + o.width).contains(&(x as f32)) && (o.y..o.y + o.height).contains(&(y as f32))
            });
            if !hidden {
                let value = f64::from(row[x as usize]);
                count += 1.0;
                sum += value;
                square += value * value;
            }
        }
    }
    (count >= 16.0).then(|| {
        let mean = sum / count;
        (mean as f32, (square / count - mean * mean).max(0.0).sqrt() as f32)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Landmarks, Point};

    fn face() -> Detection {
        let region = Rect { x: 60.0, y: 40.0, width: 80.0, height: 100.0 };
        Detection { score: 0.9, region, landmarks: Landmarks::from_points([Point::new(100.0, 90.0); 5]) }
    }

    /// A square of `inner` (with a checker of `amplitude`) over a background.
    fn plane(inner: u8, amplitude: u8, background: u8) -> Plane<u8> {
        let mut plane = Plane::filled(200, 200, background).unwrap();
        for y in 30..150u32 {
            for x in 50..150u32 {
                let wave = if (x / 6 + y / 6) % 2 == 0 { amplitude } else { 0 };
                plane.pixels_mut()[(y * 200 + x) as usize] = inner.saturating_add(wave);
            }
        }
        plane
    }

    #[test]
    fn skin_passes_and_p1_p4_screen_paper_and_flat_light_do_not() {
        assert!(score(&plane(110, 50, 30), (200, 200), &face()) > 0.8);
        assert!(score(&plane(6, 4, 20), (200, 200), &face()) < 0.2, "a screen is dark");
        assert!(score(&plane(180, 6, 30), (200, 200), &face()) < 0.3, "paper without ink");
        assert!(score(&plane(110, 50, 130), (200, 200), &face()) < 0.3, "lit from elsewhere: no fall-off");
    }

    #[test]
    fn a_face_outside_the_picture_proves_nothing() {
        let mut out = face();
        out.region.x = 5000.0;
        assert_eq!(score(&plane(110, 50, 30), (200, 200), &out), 0.0);
    }
}
