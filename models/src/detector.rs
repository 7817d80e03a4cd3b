//! Faces in a picture: YuNet (Wu, Peng and Yu 2023), an anchor-free network with three grids of cells.
//!
//! Each cell of a grid with stride `s` at column `c`, row `r` gives one candidate: class and object scores, a box
//! (`cx = (c + b0) s`, `cy = (r + b1) s`, `w = exp(b2) s`, `h = exp(b3) s`) and five points (`((k0 + c) s, (k1 + r) s)`
//! and so on). Candidates that cover the same face are reduced to the surest.

use doorward_core::frame::{Plane, Rgb};
use doorward_core::geometry::{Landmarks, Point, Rect};
use doorward_core::vision::Detection;

use crate::engine::{Engine, EngineFault, Port, Tensor};
use crate::pixels::{Normalisation, Scaler};

/// Faces that one picture may hold, as promised by [`doorward_core::vision::Vision::detect`].
pub const FACES_MAX: usize = 16;

/// Candidates that are compared with each other, surest first. A crowd of sixteen has about 200; the bound keeps a
/// picture made of faces from costing more than a millisecond.
const CANDIDATES_MAX: usize = 512;

/// Cell sizes of the three grids in pixels of the network's input.
const STRIDES: [usize; 3] = [8, 16, 32];

/// What each grid gives, and how many numbers a cell has of it. The outputs are grouped by this, not by grid.
const PARTS: [(&str, usize); 4] = [("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)];

/// When two candidates are two faces, and when a candidate is one at all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DetectionLimits {
    /// Smallest score, 0 to 1. Lower than what decides about access, so that advice can be given early.
    pub score_min: f32,
    /// Largest intersection over union of two faces, 0 to 1.
    pub overlap_max: f32,
    /// Smallest intersection over union of candidates that are averaged into one face; 1 takes the surest as it is.
    pub blend_min: f32,
}

/// YuNet behind an engine.
pub struct Detector {
    engine: Box<dyn Engine>,
    normalisation: Normalisation,
    limits: DetectionLimits,
    scaler: Scaler,
    input: Tensor,
}

impl Detector {
    /// A detector over a network whose input has the shape `[1, 3, height, width]` and whose outputs are those of
    /// [`outputs`].
    #[must_use]
    pub fn new(
        engine: Box<dyn Engine>,
        input: &[usize],
        normalisation: Normalisation,
        limits: DetectionLimits,
    ) -> Self {
        Self { engine, normalisation, limits, scaler: Scaler::new(), input: Tensor::zeros(input) }
    }

    /// Faces in the picture, largest first, at most [`FACES_MAX`]. Boxes may reach outside the picture, where faces
    /// do; every number is finite.
    ///
    /// # Errors
    /// [`EngineFault`].
    pub fn detect(&mut self, picture: &Plane<Rgb>) -> Result<Vec<Detection>, EngineFault> {
        let scale = self.scaler.letterbox(picture, &self.normalisation, &mut self.input);
        let outputs = self.engine.run(&self.input)?;
        let mut found = candidates(&outputs, self.input.shape[3], scale, self.limits.score_min);
        found.retain(|face| plausible(face, picture));
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        found.truncate(CANDIDATES_MAX);
        let mut faces = merged(&found, &self.limits);
        faces.sort_by(|a, b| b.region.area().total_cmp(&a.region.area()));
        faces.truncate(FACES_MAX);
        Ok(faces)
    }
}

/// The twelve outputs of a network whose input is `height` x `width`, in order.
#[must_use]
pub fn outputs(height: usize, width: usize) -> Vec<Port> {
    let port = |(part, length): (&str, usize), stride: usize| Port {
        name: format!("{part}_{stride}"),
        shape: vec![1, (height / stride) * (width / stride), length],
    };
    PARTS.into_iter().flat_map(|part| STRIDES.map(|stride| port(part, stride))).collect()
}

/// All candidates above the floor, in pixels of the picture; `width` is that of the network's input.
fn candidates(outputs: &[Tensor], width: usize, scale: f32, score_min: f32) -> Vec<Detection> {
    let mut found = Vec::new();
    for (grid, stride) in STRIDES.into_iter().enumerate() {
        let part = |i: usize| outputs[i * STRIDES.len() + grid].values.as_slice();
        let (boxes, _) = part(2).as_chunks::<4>();
        let (points, _) = part(3).as_chunks::<10>();
        let (columns, step) = (width / stride, stride as f32 / scale);
        for (cell, (class, object)) in part(0).iter().zip(part(1)).enumerate() {
            let score = (class.clamp(0.0, 1.0) * object.clamp(0.0, 1.0)).sqrt();
            if score >= score_min {
                let corner = Point::new((cell % columns) as f32, (cell / columns) as f32);
                found.push(candidate(score, corner, step, &boxes[cell], &points[cell]));
            }
        }
    }
    found
}

/// One cell's candidate. `corner` is the cell's column and row, `step` its side in pixels of the picture.
fn candidate(score: f32, corner: Point, step: f32, place: &[f32; 4], points: &[f32; 10]) -> Detection {
    let (width, height) = (place[2].exp() * step, place[3].exp() * step);
    let (x, y) = ((corner.x + place[0]) * step - width / 2.0, (corner.y + place[1]) * step - height / 2.0);
    let (pairs, _) = points.as_chunks::<2>();
    let point = |i: usize| Point::new((pairs[i][0] + corner.x) * step, (pairs[i][1] + corner.y) * step);
    Detection {
        score,
        region: Rect { x, y, width, height },
        landmarks: Landmarks::from_points([0, 1, 2, 3, 4].map(point)),
    }
}

/// Whether a candidate can be a face of this picture: finite, its middle inside, at most twice as large. A network may
/// say anything about a picture it was not trained for.
fn plausible(face: &Detection, picture: &Plane<Rgb>) -> bool {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let (region, centre) = (face.region, face.region.centre());
    let inside = (0.0..=width).contains(&centre.x) && (0.0..=height).contains(&centre.y);
    let sized = (1.0..=2.0 * width).contains(&region.width) && (1.0..=2.0 * height).contains(&region.height);
    let near = |p: &Point| (-width..=2.0 * width).contains(&p.x) && (-height..=2.0 * height).contains(&p.y);
    inside && sized && face.landmarks.points().iter().all(near)
}

/// Non-maximum suppression over candidates sorted by score: the surest of those that cover one face stays, and is
/// moved to the mean of those that cover it closely. Which of them is surest by a hair changes with the sensor's
/// noise; their mean does not.
fn merged(sorted: &[Detection], limits: &DetectionLimits) -> Vec<Detection> {
    let mut kept: Vec<Detection> = Vec::new();
    for face in sorted {
        if kept.iter().all(|other| other.region.overlap(&face.region) <= limits.overlap_max) {
            kept.push(*face);
        }
    }
    let close = |face: &Detection, other: &&Detection| face.region.overlap(&other.region) >= limits.blend_min;
    kept.iter().map(|face| blend(face, sorted.iter().filter(|other| close(face, other)))).collect()
}

/// `face` at the mean place of `others`, weighted by score.
fn blend<'a>(face: &Detection, others: impl Iterator<Item = &'a Detection>) -> Detection {
    let mut weight = 0.0;
    let mut sum = [0.0; 14];
    for other in others {
        weight += other.score;
        sum.iter_mut().zip(numbers(other)).for_each(|(s, n)| *s += other.score * n);
    }
    if weight <= 0.0 {
        return *face;
    }
    let [x, y, width, height, points @ ..] = sum.map(|s| s / weight);
    let (pairs, _) = points.as_chunks::<2>();
    Detection {
        score: face.score,
        region: Rect { x, y, width, height },
        landmarks: Landmarks::from_points([0, 1, 2, 3, 4].map(|i| Point::new(pairs[i][0], pairs[i][1]))),
    }
}

fn numbers(face: &Detection) -> [f32; 14] {
    let (r, [a, b, c, d, e]) = (face.region, face.landmarks.points());
    [r.x, r.y, r.width, r.height, a.x, a.y, b.x, b.y, c.x, c.y, d.x, d.y, e.x, e.y]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An engine that answers with what the test put in.
    struct Scripted(Vec<Tensor>);

    impl Engine for Scripted {
        fn run(&mut self, _: &Tensor) -> Result<Vec<Tensor>, EngineFault> {
            Ok(self.0.clone())
        }

        fn name(&self) -> &'static str {
            "scripted"
        }
    }

    const LIMITS: DetectionLimits = DetectionLimits { score_min: 0.6, overlap_max: 0.3, blend_min: 0.6 };

    fn blank() -> Vec<Tensor> {
        outputs(64, 64).iter().map(|port| Tensor::zeros(&port.shape)).collect()
    }

    /// Puts a candidate with a box of `length` cells into cell `cell` of the grid with stride 8.
    fn put(outputs: &mut [Tensor], cell: usize, score: f32, length: f32) {
        outputs[0].values[cell] = score;
        outputs[3].values[cell] = score;
        outputs[6].values[4 * cell..][..4].copy_from_slice(&[0.5, 0.5, length.ln(), length.ln()]);
        outputs[9].values[10 * cell..][..10]
            .copy_from_slice(&[0.0, 0.0, 1.0, 0.0, 0.5, 0.5, 0.1, 1.0, 0.9, 1.0]);
    }

    fn detect(outputs: Vec<Tensor>) -> Vec<Detection> {
        let raw = Normalisation { colour: crate::pixels::Colour::Bgr, mean: [0.0; 3], deviation: [1.0; 3] };
        let picture = Plane::filled(128, 128, [0, 0, 0]).unwrap();
        Detector::new(Box::new(Scripted(outputs)), &[1, 3, 64, 64], raw, LIMITS).detect(&picture).unwrap()
    }

    #[test]
    fn a_cell_is_decoded_into_pixels_of_the_picture() {
        let mut outputs = blank();
        put(&mut outputs, 8 + 2, 0.81, 2.0);
        let [face] = detect(outputs)[..] else { panic!("one face") };
        // The picture is twice as large as the input, so a cell of stride 8 is 16 pixels wide.
        assert!((face.score - 0.81).abs() < 1e-6);
        assert_eq!(face.region.centre(), Point::new(2.5 * 16.0, 1.5 * 16.0));
        assert!((face.region.width - 32.0).abs() < 1e-3);
        assert_eq!(face.landmarks.right_eye, Point::new(3.0 * 16.0, 16.0));
    }

    #[test]
    fn of_overlapping_candidates_the_surest_stays_and_faces_come_largest_first() {
        let mut outputs = blank();
        put(&mut outputs, 8 + 1, 0.9, 2.0);
        put(&mut outputs, 8 + 2, 0.95, 2.0);
        put(&mut outputs, 6 * 8 + 5, 0.7, 3.0);
        put(&mut outputs, 63, 0.3, 1.0);
        let faces = detect(outputs);
        assert_eq!(faces.len(), 2);
        assert!((faces[0].score - 0.7).abs() < 1e-6 && (faces[1].score - 0.95).abs() < 1e-6);
    }

    #[test]
    fn candidates_that_cover_a_face_closely_are_averaged_by_score() {
        let mut outputs = blank();
        put(&mut outputs, 8 + 1, 0.9, 4.0);
        put(&mut outputs, 8 + 2, 0.6, 4.0);
        let [face] = detect(outputs)[..] else { panic!("one face") };
        let expected = 16.0 * (0.9 * 1.5 + 0.6 * 2.5) / 1.5;
        assert!((face.region.centre().x - expected).abs() < 1e-3, "{}", face.region.centre().x);
        assert!((face.landmarks.nose.x - expected).abs() < 1e-3 && (face.score - 0.9).abs() < 1e-6);
    }

    #[test]
    fn c2_implausible_candidates_are_dropped() {
        let mut outputs = blank();
        put(&mut outputs, 0, 0.9, f32::INFINITY);
        put(&mut outputs, 1, 0.9, 1e9);
        put(&mut outputs, 2, 0.9, 1e-9);
        put(&mut outputs, 3, 0.9, 1.0);
        outputs[9].values[30] = 1e20;
        put(&mut outputs, 4, 0.9, 1.0);
        outputs[6].values[16] = -100.0;
        assert_eq!(detect(outputs), []);
    }

    #[test]
    fn a_picture_full_of_faces_gives_sixteen() {
        let mut outputs = blank();
        (0..64).for_each(|cell| put(&mut outputs, cell, 0.9, 1.0));
        assert_eq!(detect(outputs).len(), FACES_MAX);
    }
}
