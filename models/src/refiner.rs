//! The second look at each face that a detector proposes: is it one?
//!
//! A detector sees a whole frame at once and can spend little on each place. A proposal is turned upright, brought to one
//! size and looked at again by a network of its own, so that the detector may propose freely: a cascade (Viola and Jones
//! 2001; Zhang and others 2016).

use doorward_core::frame::{Plane, Rgb};
use doorward_core::vision::Detection;

use crate::engine::{Engine, EngineFault, Tensor};
use crate::pixels::{Alignment, Normalisation, align};

/// A refining network behind an engine.
pub struct Refiner {
    engine: Box<dyn Engine>,
    normalisation: Normalisation,
    alignment: Alignment,
    score_min: f32,
    input: Tensor,
}

impl Refiner {
    /// A refiner over a network with input `[1, 3, height, width]` that answers with the probability `[1, 1]` of a face. A
    /// proposal whose probability is below `score_min`, 0 to 1, is no face.
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

    /// Those of the proposals that are faces, in their order, with the network's score in place of the detector's.
    ///
    /// # Errors
    /// [`EngineFault`].
    pub fn refine(
        &mut self,
        picture: &Plane<Rgb>,
        proposals: Vec<Detection>,
    ) -> Result<Vec<Detection>, EngineFault> {
        let mut found = Vec::with_capacity(proposals.len());
        for proposal in proposals {
            let score = self.score(picture, &proposal)?;
            if score >= self.score_min {
                found.push(Detection { score, ..proposal });
            }
        }
        Ok(found)
    }

    /// The probability, 0 to 1, that the proposal is a face; none where its landmarks have no extent.
    fn score(&mut self, picture: &Plane<Rgb>, proposal: &Detection) -> Result<f32, EngineFault> {
        let landmarks = &proposal.landmarks;
        if align(picture, landmarks, &self.alignment, &self.normalisation, &mut self.input).is_err() {
            return Ok(0.0);
        }
        Ok(self.engine.run(&self.input)?[0].values[0].clamp(0.0, 1.0))
    }
}

impl Drop for Refiner {
    /// The last face is a picture of a person; it does not outlive its use.
    fn drop(&mut self) {
        self.input.values.fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    use doorward_core::geometry::{Landmarks, Point, Rect};

    use super::*;
    use crate::pixels::Colour;

    const TEMPLATE: [Point; 5] = [
        Point::new(20.0, 20.0),
        Point::new(44.0, 20.0),
        Point::new(32.0, 34.0),
        Point::new(22.0, 48.0),
        Point::new(42.0, 48.0),
    ];

    /// A network whose probability of a face is the first pixel's red.
    struct Reddish;

    impl Engine for Reddish {
        fn run(&mut self, input: &Tensor) -> Result<Vec<Tensor>, EngineFault> {
            Ok(vec![Tensor { shape: vec![1, 1], values: vec![input.values[0] / 255.0] }])
        }

        fn name(&self) -> &'static str {
            "reddish"
        }
    }

    fn refiner() -> Refiner {
        let raw = Normalisation { colour: Colour::Rgb, mean: [0.0; 3], deviation: [1.0; 3] };
        let alignment = Alignment { template: TEMPLATE, samples_max: 1 };
        Refiner::new(Box::new(Reddish), &[1, 3, 64, 64], raw, alignment, 0.5)
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
    fn a_face_keeps_its_place_and_gets_the_networks_score() {
        let proposed = proposal(20.0, 0.3);
        let [face] = refiner().refine(&picture(), vec![proposed]).unwrap()[..] else { panic!("one face") };
        assert!((face.score - 230.0 / 255.0).abs() < 1e-6, "{}", face.score);
        assert_eq!(Detection { score: proposed.score, ..face }, proposed);
    }

    #[test]
    fn what_is_no_face_is_dropped_however_sure_the_detector_was() {
        let proposals = vec![proposal(140.0, 0.99), proposal(20.0, 0.2), proposal(40.0, 0.9)];
        let found = refiner().refine(&picture(), proposals).unwrap();
        assert_eq!(
            found.iter().map(|face| face.region.x).collect::<Vec<_>>(),
            [20.0, 40.0],
            "in their order"
        );
    }

    #[test]
    fn c2_landmarks_without_extent_are_no_face() {
        let mut flat = proposal(20.0, 0.9);
        flat.landmarks = Landmarks::from_points([Point::new(30.0, 30.0); 5]);
        assert_eq!(refiner().refine(&picture(), vec![flat]).unwrap(), []);
    }
}
