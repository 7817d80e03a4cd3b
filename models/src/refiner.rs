//! The second look at each face that a detector proposes: is it one, and where exactly are its landmarks?
//!
//! A detector sees a whole frame at once and can spend little on each place. A proposal is turned upright, brought to one
//! size and looked at again by a network of its own, so that the detector may propose freely: a cascade (Viola and Jones
//! 2001; Zhang and others 2016 do the same with landmarks).

use doorward_core::frame::{Plane, Rgb};
use doorward_core::geometry::{Landmarks, Point};
use doorward_core::vision::Detection;

use crate::engine::{Engine, EngineFault, Tensor};
use crate::pixels::{Alignment, Normalisation, align};

/// Values of the network's second output: five points, x and y.
pub const POINTS_LEN: usize = 10;

/// A refining network behind an engine.
pub struct Refiner {
    engine: Box<dyn Engine>,
    normalisation: Normalisation,
    alignment: Alignment,
    score_min: f32,
    input: Tensor,
}

impl Refiner {
    /// A refiner over a network with input `[1, 3, height, width]`, the probability `[1, 1]` of a face, and its landmarks
    /// `[1, 10]` in pixels of the input. A proposal whose probability is below `score_min`, 0 to 1, is no face.
    #[must_use]
    pub fn new(
        engine: Box<dyn Engine>,
        input: &[usize],
        normalisation: Normalisation,
        alignment: Alignment,
        score_min: f32,
    ) -> Self {
        Self { engine, normalisation, alignment, score_min, input: Tensor::zeros(input) }
    }

    /// Those of the proposals that are faces, in their order, with the network's score and landmarks. Of several that come
    /// to lie on one face the surest stays. Every number is finite.
    ///
    /// # Errors
    /// [`EngineFault`].
    pub fn refine(
        &mut self,
        picture: &Plane<Rgb>,
        proposals: &[Detection],
    ) -> Result<Vec<Detection>, EngineFault> {
        let mut found = Vec::with_capacity(proposals.len());
        for proposal in proposals {
            found.extend(self.look(picture, proposal)?);
        }
        let surer = |(i, other): (usize, &Detection), (j, face): (usize, &Detection)| {
            let more = other.score > face.score || (other.score.to_bits() == face.score.to_bits() && i < j);
            more && are_one(&other.landmarks, &face.landmarks)
        };
        let all = || found.iter().enumerate();
        let kept = all().filter(|face| !all().any(|other| surer(other, *face)));
        Ok(kept.map(|(_, face)| *face).collect())
    }

    /// The proposal as the network sees it; `None` if it is no face, or has landmarks without extent.
    fn look(&mut self, picture: &Plane<Rgb>, proposal: &Detection) -> Result<Option<Detection>, EngineFault> {
        let aligned =
            align(picture, &proposal.landmarks, &self.alignment, &self.normalisation, &mut self.input);
        let Ok(there) = aligned else { return Ok(None) };
        let outputs = self.engine.run(&self.input)?;
        let score = outputs[0].values[0].clamp(0.0, 1.0);
        let (pairs, _) = outputs[1].values.as_chunks::<2>();
        let seen = [0, 1, 2, 3, 4].map(|i| Point::new(pairs[i][0], pairs[i][1]));
        let side = self.input.shape[2].max(self.input.shape[3]) as f32;
        // A network may say anything about a picture it was not trained for.
        let near = |p: &Point| (-side..=2.0 * side).contains(&p.x) && (-side..=2.0 * side).contains(&p.y);
        let is_face = score >= self.score_min && seen.iter().all(near);
        let back = there.inverse();
        let landmarks = Landmarks::from_points(seen.map(|p| back.apply(p)));
        Ok(is_face.then_some(Detection { score, landmarks, ..*proposal }))
    }
}

/// Whether both sets of landmarks lie on the same face: half a distance of the eyes apart or less.
fn are_one(a: &Landmarks, b: &Landmarks) -> bool {
    let apart: f32 = a.points().iter().zip(b.points()).map(|(p, q)| p.distance(q)).sum();
    apart / 5.0 <= a.eye_distance() / 2.0
}

impl Drop for Refiner {
    /// The last face is a picture of a person; it does not outlive its use.
    fn drop(&mut self) {
        self.input.values.fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    use doorward_core::geometry::Rect;

    use super::*;
    use crate::pixels::Colour;

    const TEMPLATE: [Point; 5] = [
        Point::new(20.0, 20.0),
        Point::new(44.0, 20.0),
        Point::new(32.0, 34.0),
        Point::new(22.0, 48.0),
        Point::new(42.0, 48.0),
    ];

    /// A network whose probability of a face is the first pixel's red, and that sees every point `aside` pixels to the
    /// right of its place.
    struct Reddish {
        aside: f32,
    }

    impl Engine for Reddish {
        fn run(&mut self, input: &Tensor) -> Result<Vec<Tensor>, EngineFault> {
            let score = Tensor { shape: vec![1, 1], values: vec![input.values[0] / 255.0] };
            let values = TEMPLATE.iter().flat_map(|p| [p.x + self.aside, p.y]).collect();
            Ok(vec![score, Tensor { shape: vec![1, POINTS_LEN], values }])
        }

        fn name(&self) -> &'static str {
            "reddish"
        }
    }

    fn refiner(aside: f32) -> Refiner {
        let raw = Normalisation { colour: Colour::Rgb, mean: [0.0; 3], deviation: [1.0; 3] };
        let alignment = Alignment { template: TEMPLATE, samples_max: 1 };
        Refiner::new(Box::new(Reddish { aside }), &[1, 3, 64, 64], raw, alignment, 0.5)
    }

    /// A face proposed at half the template's size, its square's corner at `(left, 10)`.
    fn proposal(left: f32, score: f32) -> Detection {
        let points = TEMPLATE.map(|p| Point::new(left + p.x / 2.0, 10.0 + p.y / 2.0));
        let region = Rect { x: left, y: 10.0, width: 32.0, height: 32.0 };
        Detection { score, region, landmarks: Landmarks::from_points(points) }
    }

    /// Red at the left, black at the right.
    fn picture() -> Plane<Rgb> {
        let pixels = (0..200 * 100).map(|i| if i % 200 < 100 { [230, 0, 0] } else { [0; 3] });
        Plane::new(200, 100, pixels.collect()).unwrap()
    }

    #[test]
    fn a_face_gets_the_networks_score_and_points_in_pixels_of_the_picture() {
        let [face] = refiner(3.0).refine(&picture(), &[proposal(20.0, 0.3)]).unwrap()[..] else {
            panic!("one face")
        };
        assert!((face.score - 230.0 / 255.0).abs() < 1e-6);
        assert!((face.landmarks.left_eye.x - (20.0 + 23.0 / 2.0)).abs() < 1e-3, "{:?}", face.landmarks);
        assert!((face.landmarks.nose.y - (10.0 + 17.0)).abs() < 1e-3);
        assert_eq!(face.region, proposal(20.0, 0.3).region, "the box stays");
    }

    #[test]
    fn what_is_no_face_is_dropped_however_sure_the_detector_was() {
        let found = refiner(0.0).refine(&picture(), &[proposal(20.0, 0.2), proposal(140.0, 0.99)]).unwrap();
        assert_eq!(found.len(), 1);
        assert!(found[0].region.x < 100.0);
    }

    #[test]
    fn two_proposals_that_come_to_lie_on_one_face_are_one() {
        let near = [proposal(20.0, 0.9), proposal(22.0, 0.8), proposal(60.0, 0.7)];
        let places = |found: Vec<Detection>| found.iter().map(|face| face.region.x).collect::<Vec<_>>();
        assert_eq!(places(refiner(0.0).refine(&picture(), &near).unwrap()), [20.0, 60.0], "equally sure");
        let mut brighter = picture();
        brighter
            .pixels_mut()
            .iter_mut()
            .enumerate()
            .filter(|(i, _)| i % 200 == 22)
            .for_each(|(_, p)| p[0] = 240);
        assert_eq!(places(refiner(0.0).refine(&brighter, &near).unwrap()), [22.0, 60.0]);
    }

    #[test]
    fn c2_landmarks_without_extent_and_points_far_away_are_no_face() {
        let mut flat = proposal(20.0, 0.9);
        flat.landmarks = Landmarks::from_points([Point::new(30.0, 30.0); 5]);
        assert_eq!(refiner(0.0).refine(&picture(), &[flat]).unwrap(), []);
        assert_eq!(refiner(1e6).refine(&picture(), &[proposal(20.0, 0.9)]).unwrap(), []);
    }
}
