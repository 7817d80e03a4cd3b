//! Depth: a head has relief, a sheet has none. Three tests, of which the weakest counts; every one of them is made to
//! stand the noise of real sensors, see the tests.
//!
//! * **plane**: what is left of the face beside its best plane;
//! * **cylinder**: a sheet can be bent in one direction only (it is developable, Gauss 1828), a face curves in both, so
//!   the weaker of the two principal curvatures of the best quadric counts;
//! * **relief**: the tip of the nose stands out from the line eyes–mouth and from the line cheek–cheek.
//!
//! Beside them the face must have the size of a face at its distance.
//!
//! The face is read as 12 x 12 cells, each the median of sixteen readings: noise falls to a third, and what flies between
//! foreground and background at an outline is outvoted. Cells that have too few readings are holes.

#![expect(
    clippy::cast_possible_truncation,
    reason = "coordinates are checked to lie inside the picture; statistics are summed wider than they are kept"
)]

use super::logistic;
use crate::frame::Plane;
use crate::geometry::Point;
use crate::vision::Detection;

/// Root mean square distance of the face from its best plane, millimetres. Heads give 5 and more, flat sheets the
/// sensor's noise (below 3 in cells).
const RESIDUAL_MIN: f32 = 3.5;
/// The weaker principal curvature, per metre. Faces give 5 to 15 (radii of 70 to 200 mm), sheets nothing, cells of noise
/// below 1.
const CURVATURE_MIN: f32 = 2.5;
/// How far the nose tip stands out, millimetres, along the weaker of the two directions. Adult noses stand out 15 to
/// 25 mm; half of it leaves room for coarse sensors.
const RELIEF_MIN: f32 = 7.0;
/// Plausible distance between the pupils, millimetres (ISO 24553 gives 52 to 76 for adults; children and error added).
const PUPILS_MM: std::ops::RangeInclusive<f32> = 40.0..=85.0;
/// What is this far from the middle of the face, millimetres, does not belong to it.
const HEAD_DEPTH_MM: f32 = 120.0;
/// Cells to a side, and readings to a side of each.
const CELLS: usize = 12;
const READINGS: usize = 4;
/// A cell with fewer readings is a hole; a face with fewer cells is none.
const READINGS_MIN: usize = 6;
const CELLS_MIN: usize = CELLS * CELLS / 2;

/// Confidence 0 to 1 that the face in the colour picture of size `picture` is a solid head.
///
/// `fov` is the horizontal field of view in degrees. The cameras are taken to show the same field of view.
#[must_use]
pub fn score(depth: &Plane<u16>, picture: (u32, u32), face: &Detection, fov: f32) -> f32 {
    let scale = (depth.width() as f32 / picture.0 as f32, depth.height() as f32 / picture.1 as f32);
    let marks = face.landmarks.points().map(|p| Point::new(p.x * scale.0, p.y * scale.1));
    let focal = depth.width() as f32 / 2.0 / (fov.to_radians() / 2.0).tan();
    let eyes = marks[0].distance(marks[1]);
    let Some((cells, distance)) = cells(depth, face, scale, focal) else { return 0.0 };
    if !PUPILS_MM.contains(&(eyes * distance / focal)) {
        return 0.0;
    }
    let (Some(residual), Some(curvature)) = (plane_residual(&cells), weaker_curvature(&cells)) else {
        return 0.0;
    };
    let Some(relief) = relief(depth, &marks, eyes) else { return 0.0 };
    logistic(residual, RESIDUAL_MIN, 1.5)
        .min(logistic(curvature, CURVATURE_MIN, 1.5))
        .min(logistic(relief, RELIEF_MIN, 4.0))
}

/// The cells of the inner face as points in space, millimetres, and the distance of their middle; `None` where too much
/// is missing.
fn cells(
    depth: &Plane<u16>,
    face: &Detection,
    scale: (f32, f32),
    focal: f32,
) -> Option<(Vec<[f64; 3]>, f32)> {
    const SIDE: f32 = (CELLS * READINGS) as f32;
    let region = face.region.scaled(scale.0, scale.1);
    let place = |i: usize| 0.1 + 0.8 * (i as f32 + 0.5) / SIDE;
    let mut found: Vec<(Point, f32)> = Vec::with_capacity(CELLS * CELLS);
    for cell in 0..CELLS * CELLS {
        let (left, top) = (cell % CELLS * READINGS, cell / CELLS * READINGS);
        let at = |i: usize, j: usize| {
            Point::new(region.x + region.width * place(left + i), region.y + region.height * place(top + j))
        };
        let mut readings: Vec<f32> =
            (0..READINGS * READINGS).filter_map(|k| reading(depth, at(k % READINGS, k / READINGS))).collect();
        if readings.len() >= READINGS_MIN {
            let middle = at(0, 0).middle(at(READINGS - 1, READINGS - 1));
            found.push((middle, median(&mut readings)));
        }
    }
    if found.len() < CELLS_MIN {
        return None;
    }
    let distance = median(&mut found.iter().map(|(_, mm)| *mm).collect::<Vec<_>>());
    found.retain(|(_, mm)| (mm - distance).abs() < HEAD_DEPTH_MM);
    let (cx, cy) = (depth.width() as f32 / 2.0, depth.height() as f32 / 2.0);
    let in_space =
        |(p, mm): (Point, f32)| [(p.x - cx) * mm / focal, (p.y - cy) * mm / focal, mm].map(f64::from);
    (found.len() >= CELLS_MIN).then(|| (found.into_iter().map(in_space).collect(), distance))
}

fn reading(depth: &Plane<u16>, p: Point) -> Option<f32> {
    let inside = p.x >= 0.0 && p.y >= 0.0 && p.x < depth.width() as f32 && p.y < depth.height() as f32;
    let mm = if inside { depth.at(p.x as u32, p.y as u32) } else { 0 };
    (mm > 0).then_some(f32::from(mm))
}

fn median(values: &mut [f32]) -> f32 {
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f32::total_cmp).1
}

/// Root mean square residual of the best plane, after the tenth that fits worst was left out: what still flies.
fn plane_residual(cells: &[[f64; 3]]) -> Option<f32> {
    let square =
        |plane: &[f64; 3], c: &[f64; 3]| (c[2] - plane[0] - plane[1] * c[0] - plane[2] * c[1]).powi(2);
    let terms = |c: &[f64; 3]| [1.0, c[0], c[1]];
    let plane = least_squares(cells, terms)?;
    let mut kept = cells.to_vec();
    kept.sort_by(|a, b| square(&plane, a).total_cmp(&square(&plane, b)));
    kept.truncate(cells.len() - cells.len() / 10);
    let plane = least_squares(&kept, terms)?;
    let mean = kept.iter().map(|c| square(&plane, c)).sum::<f64>() / kept.len() as f64;
    Some(mean.sqrt() as f32)
}

/// The smaller principal curvature of the best quadric, per metre; positive where the surface bulges towards the camera.
fn weaker_curvature(cells: &[[f64; 3]]) -> Option<f32> {
    // Around the middle and in units of 50 mm, so that all terms are of like size.
    const UNIT_MM: f64 = 50.0;
    let count = cells.len() as f64;
    let middle = |k: usize| cells.iter().map(|c| c[k]).sum::<f64>() / count;
    let (mx, my) = (middle(0), middle(1));
    let terms = |c: &[f64; 3]| {
        let (x, y) = ((c[0] - mx) / UNIT_MM, (c[1] - my) / UNIT_MM);
        [1.0, x, y, x * x, x * y, y * y]
    };
    let [_, p, q, xx, xy, yy] = least_squares(cells, terms)?;
    // The tilt of the surface shortens what is seen of it: second over first fundamental form.
    let (p, q) = (p / UNIT_MM, q / UNIT_MM);
    let per = UNIT_MM * UNIT_MM * (1.0 + p * p + q * q).sqrt();
    let (l, m, n) = (2.0 * xx / per, xy / per, 2.0 * yy / per);
    let (e, f, g) = (1.0 + p * p, p * q, 1.0 + q * q);
    let area = e * g - f * f;
    let mean = (l * g - 2.0 * m * f + n * e) / (2.0 * area);
    let gauss = (l * n - m * m) / area;
    let weaker = mean - (mean * mean - gauss).max(0.0).sqrt();
    Some((weaker * 1000.0) as f32)
}

/// The coefficients of `terms` that explain the third coordinate best.
fn least_squares<const N: usize>(
    cells: &[[f64; 3]],
    terms: impl Fn(&[f64; 3]) -> [f64; N],
) -> Option<[f64; N]> {
    let (mut a, mut b) = ([[0.0; N]; N], [0.0; N]);
    for cell in cells {
        let t = terms(cell);
        for (i, row) in a.iter_mut().enumerate() {
            for (j, sum) in row.iter_mut().enumerate() {
                *sum += t[i] * t[j];
            }
            b[i] += t[i] * cell[2];
        }
    }
    solve(a, b)
}

/// Gaussian elimination with the largest pivot; `None` where the equations do not decide.
fn solve<const N: usize>(mut a: [[f64; N]; N], mut b: [f64; N]) -> Option<[f64; N]> {
    for k in 0..N {
        let pivot = (k..N).max_by(|i, j| a[*i][k].abs().total_cmp(&a[*j][k].abs()))?;
        a.swap(k, pivot);
        b.swap(k, pivot);
        if !(a[k][k].is_finite() && a[k][k].abs() > 1e-9) {
            return None;
        }
        for i in k + 1..N {
            let share = a[i][k] / a[k][k];
            let upper = a[k];
            a[i].iter_mut().zip(upper).for_each(|(value, above)| *value -= share * above);
            b[i] -= share * b[k];
        }
    }
    let mut x = [0.0; N];
    for k in (0..N).rev() {
        let known: f64 = (k + 1..N).map(|j| a[k][j] * x[j]).sum();
        x[k] = (b[k] - known) / a[k][k];
    }
    Some(x)
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
    (readings.len() >= 9).then(|| median(&mut readings))
}

#[cfg(test)]
mod tests {
    use rand::{RngExt as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

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

    type Shape = fn(f32, f32) -> f32;

    /// Before a wall, cut out along the outline of a head, so that there is an edge to fly from.
    const SHEETS: [(&str, Shape); 6] = [
        ("flat", |x, y| cut_out(x, y, 480.0)),
        ("tilted", |x, y| cut_out(x, y, 480.0 + 0.5 * x - 0.3 * y)),
        ("bent upright", |x, y| cut_out(x, y, 480.0 + x * x / 150.0)),
        ("bent lying", |x, y| cut_out(x, y, 480.0 + y * y / 150.0)),
        ("bent slanting", |x, y| cut_out(x, y, 480.0 + (x + y) * (x + y) / 300.0)),
        ("folded", |x, y| cut_out(x, y, 480.0 + x.abs() * 0.5)),
    ];

    fn cut_out(x: f32, y: f32, mm: f32) -> f32 {
        if (x / 85.0).powi(2) + (y / 100.0).powi(2) < 1.0 { mm } else { 2000.0 }
    }

    /// A sensor's error model: turns true millimetres into readings.
    type Sensor = fn(&Plane<u16>, &mut ChaCha8Rng) -> Plane<u16>;

    fn normal(rng: &mut ChaCha8Rng) -> f32 {
        (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0
    }

    fn each(truth: &Plane<u16>, mut read: impl FnMut(u32, u32, f32) -> f32) -> Plane<u16> {
        let mut seen = truth.clone();
        let width = truth.width();
        for (i, pixel) in seen.pixels_mut().iter_mut().enumerate() {
            let (x, y) = (i as u32 % width, i as u32 / width);
            *pixel = read(x, y, f32::from(truth.at(x, y))).max(0.0) as u16;
        }
        seen
    }

    /// Structured light: error and step grow with the square of distance (Khoshelham and Elberink 2012: 1.43e-6 and
    /// 2.85e-6 per mm), the projector casts shadows beside edges, and one reading in twenty is lost.
    fn structured_light(truth: &Plane<u16>, rng: &mut ChaCha8Rng) -> Plane<u16> {
        each(truth, |x, y, mm| {
            let shadow = (1..8).any(|k| x >= k && f32::from(truth.at(x - k, y)) < mm - 200.0);
            if shadow || rng.random_bool(0.05) {
                return 0.0;
            }
            let step = 2.85e-6 * mm * mm;
            ((mm + 1.43e-6 * mm * mm * normal(rng)) / step).round() * step
        })
    }

    /// Time of flight: 8 mm of noise (of cheap sensors; Foix et al. 2011 give 5 to 15), an error of some millimetres that
    /// waves with distance, and within two pixels of an edge readings that fly between both sides. One in fifty is lost.
    fn time_of_flight(truth: &Plane<u16>, rng: &mut ChaCha8Rng) -> Plane<u16> {
        each(truth, |x, y, mm| {
            let right = f32::from(truth.at((x + 2).min(truth.width() - 1), y));
            let left = f32::from(truth.at(x.saturating_sub(2), y));
            let edge = [left, right].into_iter().find(|other| (other - mm).abs() > 200.0);
            if rng.random_bool(0.02) {
                return 0.0;
            }
            let mixed = edge.map_or(mm, |other| mm + (other - mm) * rng.random::<f32>());
            // Some fly in the middle of a face, where hair and glasses are.
            let mixed = if rng.random_bool(0.03) { mixed + rng.random_range(30.0..400.0) } else { mixed };
            mixed + 4.0 * (mm / 95.0).sin() + 8.0 * normal(rng)
        })
    }

    const SENSORS: [(&str, Sensor); 3] = [
        ("no noise", |truth, _| truth.clone()),
        ("structured light", structured_light),
        ("time of flight", time_of_flight),
    ];

    #[test]
    fn p10_a_head_passes_and_flat_tilted_bent_and_folded_sheets_do_not_under_the_noise_of_each_sensor() {
        for (name, sensor) in SENSORS {
            let (mut live, mut spoof) = (1.0f32, (0.0f32, ""));
            for seed in 0..6 {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                live = live.min(score(&sensor(&plane(head), &mut rng), (640, 480), &face(), FOV));
                for (kind, sheet) in SHEETS {
                    let found = score(&sensor(&plane(sheet), &mut rng), (640, 480), &face(), FOV);
                    spoof = if found > spoof.0 { (found, kind) } else { spoof };
                }
            }
            println!("{name}: the worst head {live:.2}, the best sheet {:.2} ({})", spoof.0, spoof.1);
            assert!(live > 0.7, "{name}: head {live}");
            assert!(spoof.0 < 0.3, "{name}: {spoof:?}");
        }
    }

    #[test]
    fn p10_each_test_sees_what_it_is_for() {
        let seen = |shape: Shape| {
            let depth = plane(shape);
            let focal = 320.0 / (FOV.to_radians() / 2.0).tan();
            let (cells, _) = cells(&depth, &face(), (1.0, 1.0), focal).unwrap();
            let relief = relief(&depth, &face().landmarks.points(), 60.0).unwrap();
            (plane_residual(&cells).unwrap(), weaker_curvature(&cells).unwrap(), relief)
        };
        let (residual, curvature, nose) = seen(head);
        assert!(residual > 5.0 && curvature > 5.0 && nose > 12.0, "{residual} {curvature} {nose}");
        assert!(seen(SHEETS[0].1).0 < 0.5, "flat");
        for bent in &SHEETS[2..5] {
            let (residual, curvature, _) = seen(bent.1);
            assert!(residual > 3.0 && curvature.abs() < 1.0, "{}: {residual} {curvature}", bent.0);
        }
        // A ball has curvature in both directions and no nose.
        let (_, curvature, nose) = seen(|x, y| 560.0 - (8100.0 - x * x - y * y).max(0.0).sqrt());
        assert!(curvature > 8.0 && nose < 12.0, "{curvature} {nose}");
    }

    #[test]
    fn p10_a_print_whose_ink_reads_farther_than_its_paper_has_no_nose() {
        // Time of flight errs with what is reflected: dark eyes, lips and hair read up to 12 mm too far.
        let inked = |x: f32, y: f32| {
            let blot = |cx: f32, cy: f32, s: f32| (-((x - cx).powi(2) + (y - cy).powi(2)) / (s * s)).exp();
            let dark = blot(-30.0, -30.0, 12.0) + blot(30.0, -30.0, 12.0) + blot(0.0, 35.0, 14.0);
            let hair = ((x / 85.0).powi(2) + (y / 100.0).powi(2)).powi(2);
            cut_out(x, y, 480.0 + 12.0 * (dark + hair).min(1.0))
        };
        let found = score(&plane(inked), (640, 480), &face(), FOV);
        assert!(found < 0.4, "{found}");
    }

    #[test]
    fn p10_a_head_of_the_wrong_size_and_a_sensor_without_readings_prove_nothing() {
        assert_eq!(score(&plane(|x, y| head(x, y) + 900.0), (640, 480), &face(), FOV), 0.0, "a giant");
        assert_eq!(score(&plane(|_, _| 0.0), (640, 480), &face(), FOV), 0.0, "no readings");
    }
}
