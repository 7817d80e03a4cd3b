//! Whether a face is good enough to be judged. Every reject is something the person at the door can act on.

#![expect(clippy::cast_possible_truncation, reason = "coordinates are clamped to the picture")]

use crate::decision::Reject;
use crate::frame::{Plane, Rgb};
use crate::geometry::{Pose, Rect};
use crate::stages::{Face, GoodFace};
use crate::vision::Detection;

/// Floors and ceilings. Defaults follow published practice: head rotation within 30 degrees and 50 pixels between the
/// eyes for a dependable comparison are the usual advice for 112-pixel embeddings; the others were set on the
/// evaluation photographs so that sharp ones pass and their strongly blurred copies do not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Detector confidence, 0 to 1.
    pub detection_min: f32,
    /// Largest yaw, degrees either way.
    pub yaw_max: f32,
    /// Largest pitch, degrees either way.
    pub pitch_max: f32,
    /// Smallest distance between the eyes, pixels.
    pub eye_distance_min: f32,
    /// Mean luminance of the face region, 0 to 255.
    pub brightness_min: f32,
    /// Mean luminance of the face region, 0 to 255.
    pub brightness_max: f32,
    /// Standard deviation of luminance over the face region.
    pub contrast_min: f32,
    /// [`Quality::sharpness`], 0 to 100.
    pub sharpness_min: f32,
    /// A second face larger than this share of the first one's area makes two persons.
    pub second_face_max: f32,
    /// Smallest share of the face region that must lie inside the picture.
    pub visible_min: f32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            detection_min: 0.7,
            yaw_max: 30.0,
            pitch_max: 30.0,
            eye_distance_min: 32.0,
            brightness_min: 35.0,
            brightness_max: 235.0,
            contrast_min: 12.0,
            sharpness_min: 12.0,
            second_face_max: 0.3,
            visible_min: 0.9,
        }
    }
}

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// Head rotation.
    pub pose: Pose,
    /// Pixels between the eyes.
    pub eye_distance: f32,
    /// Mean luminance of the face region, 0 to 255.
    pub brightness: f32,
    /// Standard deviation of luminance over the face region.
    pub contrast: f32,
    /// 0 (featureless) to 100 (crisp): edge energy relative to contrast, see [`measure`].
    pub sharpness: f32,
    /// Share of the face region inside the picture.
    pub visible: f32,
}

/// The score at which a limit lies, for each of [`Scores`].
pub const SCORE_AT_LIMIT: f32 = 25.0;

/// What was measured, as scores 0 to 100 that can be held against each other: larger is better, [`SCORE_AT_LIMIT`] is where
/// the limit lies, 100 where more would not help a comparison. What covers a face within the picture is not measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scores {
    /// Crispness.
    pub sharpness: f32,
    /// Neither dark nor glaring.
    pub brightness: f32,
    /// Difference of light and shade.
    pub contrast: f32,
    /// Turned towards the camera.
    pub pose: f32,
    /// Pixels between the eyes.
    pub size: f32,
    /// Inside the picture.
    pub visible: f32,
}

impl Scores {
    /// Scores of a face against limits. The good ends are where published studies and the evaluation photographs see no more
    /// gain: half the range of luminance, a deviation of 45, 100 pixels between the eyes, a sharpness of 60.
    #[must_use]
    pub fn of(quality: &Quality, limits: &Limits) -> Self {
        let turned =
            (quality.pose.yaw.abs() / limits.yaw_max).max(quality.pose.pitch.abs() / limits.pitch_max);
        let dark = score(quality.brightness, 0.0, limits.brightness_min, 110.0);
        let bright = score(255.0 - quality.brightness, 0.0, 255.0 - limits.brightness_max, 95.0);
        Self {
            sharpness: score(quality.sharpness, 0.0, limits.sharpness_min, 60.0),
            brightness: dark.min(bright),
            contrast: score(quality.contrast, 0.0, limits.contrast_min, 45.0),
            pose: score(-turned, -2.0, -1.0, 0.0),
            size: score(quality.eye_distance, 0.0, limits.eye_distance_min, 100.0),
            visible: score(quality.visible, 0.5, limits.visible_min, 1.0),
        }
    }

    /// The least of them: what most stands in the way.
    #[must_use]
    pub fn least(&self) -> f32 {
        let Self { sharpness, brightness, contrast, pose, size, visible } = *self;
        [sharpness, brightness, contrast, pose, size, visible].into_iter().fold(100.0, f32::min)
    }
}

/// 0 at `worst`, [`SCORE_AT_LIMIT`] at `limit`, 100 at `best` and beyond; straight between. A value that is no number
/// scores 0, and a limit beyond `best` leaves nothing above it.
fn score(value: f32, worst: f32, limit: f32, best: f32) -> f32 {
    let share = |from: f32, to: f32| ((value - from) / (to - from).max(f32::EPSILON)).clamp(0.0, 1.0);
    if value >= limit {
        SCORE_AT_LIMIT + (100.0 - SCORE_AT_LIMIT) * share(limit, best)
    } else {
        let below = SCORE_AT_LIMIT.next_down() * share(worst, limit);
        if below.is_nan() { 0.0 } else { below }
    }
}

/// Measures a face. Luminance is sampled on a grid of at most 64 x 64 points, so the cost does not grow with the face.
///
/// Sharpness compares differences between neighbouring samples at a fixed step relative to face size: the mean square
/// Laplacian over the variance of the region, mapped to 0..100 by `100 x / (x + 0.15)`. Dividing by the variance makes
/// it independent of exposure; blur removes the Laplacian first.
#[must_use]
pub fn measure(picture: &Plane<Rgb>, detection: &Detection) -> Quality {
    let region = detection.region;
    let grid = Grid::sample(picture, region);
    Quality {
        pose: detection.landmarks.pose(),
        eye_distance: detection.landmarks.eye_distance(),
        brightness: grid.mean(),
        contrast: grid.variance().sqrt(),
        sharpness: grid.sharpness(),
        visible: visible(picture, region),
    }
}

/// Checks a face against the limits.
///
/// # Errors
/// The reject the person can act on first.
pub fn check(face: Face, limits: &Limits) -> Result<GoodFace, Reject> {
    let quality = measure(&face.frames().rgb.plane, face.detection());
    let pose = quality.pose;
    let verdict = if quality.visible < limits.visible_min {
        Some(Reject::TooClose)
    } else if quality.eye_distance < limits.eye_distance_min {
        Some(Reject::TooFar)
    } else if quality.brightness < limits.brightness_min {
        Some(Reject::TooDark)
    } else if quality.brightness > limits.brightness_max {
        Some(Reject::TooBright)
    } else if quality.contrast < limits.contrast_min {
        Some(Reject::Flat)
    } else if pose.yaw.abs() > limits.yaw_max || pose.pitch.abs() > limits.pitch_max {
        Some(Reject::Turned)
    } else if quality.sharpness < limits.sharpness_min {
        Some(Reject::Blurred)
    } else {
        None
    };
    verdict.map_or_else(|| Ok(GoodFace::new(face, quality)), Err)
}

/// Mean luminance of a whole picture, on a grid.
#[must_use]
pub fn brightness(picture: &Plane<Rgb>) -> f32 {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    Grid::sample(picture, Rect { x: 0.0, y: 0.0, width, height }).mean()
}

fn visible(picture: &Plane<Rgb>, region: Rect) -> f32 {
    let width = (region.x + region.width).min(picture.width() as f32) - region.x.max(0.0);
    let height = (region.y + region.height).min(picture.height() as f32) - region.y.max(0.0);
    if region.area() > 0.0 { width.max(0.0) * height.max(0.0) / region.area() } else { 0.0 }
}

const SIDE: usize = 64;

struct Grid([[f32; SIDE]; SIDE]);

impl Grid {
    fn sample(picture: &Plane<Rgb>, region: Rect) -> Self {
        let place = |origin: f32, length: f32, i: usize, side: u32| {
            let at = origin + length * (i as f32 + 0.5) / SIDE as f32;
            // Saturating: a region reaching outside repeats the border.
            (at.max(0.0) as u32).min(side - 1)
        };
        let mut grid = [[0.0; SIDE]; SIDE];
        for (j, row) in grid.iter_mut().enumerate() {
            let y = place(region.y, region.height, j, picture.height());
            for (i, cell) in row.iter_mut().enumerate() {
                let [r, g, b] = picture.at(place(region.x, region.width, i, picture.width()), y);
                *cell = 0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b);
            }
        }
        Self(grid)
    }

    fn mean(&self) -> f32 {
        self.0.iter().flatten().sum::<f32>() / (SIDE * SIDE) as f32
    }

    fn variance(&self) -> f32 {
        let mean = self.mean();
        self.0.iter().flatten().map(|v| (v - mean).powi(2)).sum::<f32>() / (SIDE * SIDE) as f32
    }

    fn sharpness(&self) -> f32 {
        let mut energy = 0.0;
        for j in 1..SIDE - 1 {
            for i in 1..SIDE - 1 {
                let cross = self.0[j - 1][i] + self.0[j + 1][i] + self.0[j][i - 1] + self.0[j][i + 1];
                energy += (cross - 4.0 * self.0[j][i]).powi(2);
            }
        }
        let x = energy / ((SIDE - 2) * (SIDE - 2)) as f32 / self.variance().max(1.0);
        100.0 * x / (x + 0.15)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Quality {
        let pose = Pose { yaw: 0.0, pitch: 0.0, roll: 0.0 };
        Quality {
            pose,
            eye_distance: 120.0,
            brightness: 130.0,
            contrast: 50.0,
            sharpness: 80.0,
            visible: 1.0,
        }
    }

    #[test]
    fn a_score_falls_below_its_limit_exactly_where_the_face_is_turned_down() {
        let limits = Limits::default();
        let least = |quality: Quality| Scores::of(&quality, &limits).least();
        assert_eq!(least(good()), 100.0);
        let turned = |yaw| Quality { pose: Pose { yaw, ..good().pose }, ..good() };
        for (inside, outside) in [
            (Quality { sharpness: 12.0, ..good() }, Quality { sharpness: 11.99, ..good() }),
            (Quality { brightness: 35.0, ..good() }, Quality { brightness: 34.9, ..good() }),
            (Quality { brightness: 235.0, ..good() }, Quality { brightness: 235.1, ..good() }),
            (Quality { contrast: 12.0, ..good() }, Quality { contrast: 11.9, ..good() }),
            (turned(-30.0), turned(-30.1)),
            (Quality { eye_distance: 32.0, ..good() }, Quality { eye_distance: 31.9, ..good() }),
            (Quality { visible: 0.9, ..good() }, Quality { visible: 0.89, ..good() }),
        ] {
            assert!((least(inside) - SCORE_AT_LIMIT).abs() < 1e-3, "{inside:?}: {}", least(inside));
            assert!(least(outside) < SCORE_AT_LIMIT, "{outside:?}");
        }
        assert_eq!(least(Quality { sharpness: f32::NAN, ..good() }), 0.0);
    }

    #[test]
    fn better_never_scores_less() {
        let of = |sharpness: u8| {
            Scores::of(&Quality { sharpness: sharpness.into(), ..good() }, &Limits::default())
        };
        assert!((0..100).map(|s| of(s).sharpness).is_sorted());
        assert_eq!((of(0).sharpness, of(100).sharpness), (0.0, 100.0));
    }
}
