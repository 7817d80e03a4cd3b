//! Depth: a head has relief, a sheet has none. A sheet bent over a cylinder is still straight along one direction, so
//! the nose must stand out both from the line eyes–mouth and from the line cheek–cheek; and the face must have the
//! size of a face at its distance.

#![expect(
    clippy::cast_possible_truncation,
    reason = "coordinates are checked to lie inside the picture; statistics are summed wider than they are kept"
)]

use super::logistic;
use crate::frame::Plane;
use crate::geometry::Point;
use crate::vision::Detection;

/// Root mean square distance of the face from its best plane, millimetres. Heads give 7 and more, flat sheets the
/// sensor's noise (1 to 4).
const RESIDUAL_MIN: f32 = 5.0;
/// How far the nose tip stands out, millimetres, along the weaker of the two directions. Adult noses stand out 15 to
/// 25 mm; half of it leaves room for coarse sensors.
const RELIEF_MIN: f32 = 7.0;
/// Plausible distance between the pupils, millimetres (ISO 24553 gives 52 to 76 for adults; children and error added).
const PUPILS_MM: std::ops::RangeInclusive<f32> = 40.0..=85.0;
/// Share of the face region that must have a reading.
const COVERAGE_MIN: f32 = 0.5;

/// Confidence 0 to 1 that the face in the colour picture of size `picture` is a solid head.
///
/// `fov` is the horizontal field of view in degrees. The cameras are taken to show the same field of view.
#[must_use]
pub fn score(depth: &Plane<u16>, picture: (u32, u32), face: &Detection, fov: f32) -> f32 {
    let scale = (depth.width() as f32 / picture.0 as f32, depth.height() as f32 / picture.1 as f32);
    let marks = face.landmarks.points().map(|p| Point::new(p.x * scale.0, p.y * scale.1));
    let focal = depth.width() as f32 / 2.0 / (fov.to_radians() / 2.0).tan();
    let eyes = marks[0].distance(marks[1]);
    let samples = sample(depth, face, scale);
    if samples.len() < 64 {
        return 0.0;
    }
    let mut distances: Vec<f32> = samples.iter().map(|s| s[2]).collect();
    let middle = distances.len() / 2;
    let distance = *distances.select_nth_unstable_by(middle, f32::total_cmp).1;
    if !PUPILS_MM.contains(&(eyes * distance / focal)) {
        return 0.0;
    }
    let Some(residual) = plane_residual(&samples, distance) else { return 0.0 };
    let Some(relief) = relief(depth, &marks, eyes) else { return 0.0 };
    logistic(residual, RESIDUAL_MIN, 2.5).min(logistic(relief, RELIEF_MIN, 4.0))
}

/// Up to 48 x 48 readings over the inner face, as (x, y, millimetres); empty where coverage is too small.
fn sample(depth: &Plane<u16>, face: &Detection, scale: (f32, f32)) -> Vec<[f32; 3]> {
    const SIDE: usize = 48;
    let region = face.region.scaled(scale.0, scale.1);
    let mut samples = Vec::with_capacity(SIDE * SIDE);
    for j in 0..SIDE {
        for i in 0..SIDE {
            let u = 0.1 + 0.8 * (i as f32 + 0.5) / SIDE as f32;
            let v = 0.1 + 0.8 * (j as f32 + 0.5) / SIDE as f32;
            let p = Point::new(region.x + region.width * u, region.y + region.height * v);
            if let Some(mm) = reading(depth, p) {
                samples.push([p.x, p.y, mm]);
            }
        }
    }
    if (samples.len() as f32) < COVERAGE_MIN * (SIDE * SIDE) as f32 {
        samples.clear();
    }
    samples
}

fn reading(depth: &Plane<u16>, p: Point) -> Option<f32> {
    let inside = p.x >= 0.0 && p.y >= 0.0 && p.x < depth.width() as f32 && p.y < depth.height() as f32;
    let mm = if inside { depth.at(p.x as u32, p.y as u32) } else { 0 };
    (mm > 0).then_some(f32::from(mm))
}

/// Root mean square residual of the least-squares plane through the samples within a head's depth of `distance`.
fn plane_residual(samples: &[[f32; 3]], distance: f32) -> Option<f32> {
    const HEAD_DEPTH_MM: f32 = 150.0;
    let near: Vec<[f64; 3]> = samples
        .iter()
        .filter(|s| (s[2] - distance).abs() < HEAD_DEPTH_MM)
        .map(|s| s.map(f64::from))
        .collect();
    if near.len() < 64 {
        return None;
    }
    let count = near.len() as f64;
    let mean: [f64; 3] = std::array::from_fn(|k| near.iter().map(|s| s[k]).sum::<f64>() / count);
    let moment =
        |a: usize, b: usize| near.iter().map(|s| (s[a] - mean[a]) * (s[b] - mean[b])).sum::<f64>() / count;
    let (xx, yy, xy, xz, yz) = (moment(0, 0), moment(1, 1), moment(0, 1), moment(0, 2), moment(1, 2));
    let determinant = xx * yy - xy * xy;
    if determinant < 1e-6 {
        return None;
    }
    let (p, q) = ((xz * yy - yz * xy) / determinant, (yz * xx - xz * xy) / determinant);
    let residual = near
        .iter()
        .map(|s| (s[2] - mean[2] - p * (s[0] - mean[0]) - q * (s[1] - mean[1])).powi(2))
        .sum::<f64>()
        / count;
    Some(residual.sqrt() as f32)
}

/// How far the nose stands out, millimetres, along the weaker of the two directions.
fn relief(depth: &Plane<u16>, marks: &[Point; 5], eyes: f32) -> Option<f32> {
    let patch = (eyes * 0.08).max(1.0);
    let level = |p: Point| median_patch(depth, p, patch);
    let nose = level(marks[2])?;
    let bridge = level(marks[0].middle(marks[1]))?;
    let mouth = level(marks[3].middle(marks[4]))?;
    let (dx, dy) = ((marks[1].x - marks[0].x) * 0.5, (marks[1].y - marks[0].y) * 0.5);
    let left = level(Point::new(marks[2].x - dx, marks[2].y - dy))?;
    let right = level(Point::new(marks[2].x + dx, marks[2].y + dy))?;
    Some(((bridge + mouth) / 2.0 - nose).min((left + right) / 2.0 - nose))
}

fn median_patch(depth: &Plane<u16>, centre: Point, radius: f32) -> Option<f32> {
    let mut readings = Vec::with_capacity(25);
    for j in -2i8..=2 {
        for i in -2i8..=2 {
            let p =
                Point::new(centre.x + radius * f32::from(i) / 2.0, centre.y + radius * f32::from(j) / 2.0);
            readings.extend(reading(depth, p));
        }
    }
    if readings.len() < 9 {
        return None;
    }
    let middle = readings.len() / 2;
    Some(*readings.select_nth_unstable_by(middle, f32::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Landmarks, Rect};

    const FOV: f32 = 70.0;

    /// A face at about half a metre whose eyes are 60 px (63 mm) apart.
    fn face() -> Detection {
        let points = [(130.0, 110.0), (190.0, 110.0), (160.0, 145.0), (138.0, 175.0), (182.0, 175.0)];
        Detection {
            score: 0.9,
            region: Rect { x: 100.0, y: 70.0, width: 120.0, height: 140.0 },
            landmarks: Landmarks::from_points(points.map(|(x, y)| Point::new(x, y))),
        }
    }

    fn plane(shape: impl Fn(f32, f32) -> f32) -> Plane<u16> {
        let mut plane = Plane::filled(640, 480, 0u16).unwrap();
        for y in 0..480u16 {
            for x in 0..640u16 {
                plane.pixels_mut()[usize::from(y) * 640 + usize::from(x)] =
                    shape(f32::from(x) - 160.0, f32::from(y) - 140.0) as u16;
            }
        }
        plane
    }

    fn head(x: f32, y: f32) -> f32 {
        let skull = 1.0 - (x / 85.0).powi(2) - (y / 100.0).powi(2);
        let nose = 20.0 * (-(x / 9.0).powi(2) - ((y - 5.0) / 14.0).powi(2)).exp();
        if skull > 0.0 { 560.0 - 80.0 * skull.sqrt() - nose } else { 2000.0 }
    }

    #[test]
    fn p10_a_head_passes_and_flat_tilted_or_bent_sheets_do_not() {
        let head_score = score(&plane(head), (640, 480), &face(), FOV);
        assert!(head_score > 0.8, "head {head_score}");
        type Shape = fn(f32, f32) -> f32;
        let sheets: [(&str, Shape); 4] = [
            ("flat", |_, _| 480.0),
            ("tilted", |x, y| 480.0 + 0.5 * x - 0.3 * y),
            ("bent upright", |x, _| 480.0 + x * x / 150.0),
            ("bent lying", |_, y| 480.0 + y * y / 150.0),
        ];
        for (name, sheet) in sheets {
            let found = score(&plane(sheet), (640, 480), &face(), FOV);
            assert!(found < 0.3, "{name}: {found}");
        }
    }

    #[test]
    fn p10_a_head_of_the_wrong_size_and_a_sensor_without_readings_prove_nothing() {
        assert_eq!(score(&plane(|x, y| head(x, y) + 900.0), (640, 480), &face(), FOV), 0.0, "a giant");
        assert_eq!(score(&plane(|_, _| 0.0), (640, 480), &face(), FOV), 0.0, "no readings");
    }
}
