//! Probability of life from colour alone: networks that look at a face together with its surroundings.
//!
//! A print or a screen has edges, a hand that holds it and a flat light; a network sees them only with enough of the
//! surroundings in its crop. Several crops of different reach are asked; [`crate::fusion`] makes one answer of theirs.

use doorward_core::frame::{Plane, Rgb};
use doorward_core::geometry::Rect;

use crate::engine::{Engine, EngineFault, Tensor};
use crate::pixels::{Normalisation, Scaler};

/// What of the picture a network sees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Crop {
    /// Its reach in face boxes.
    pub scale: f32,
    /// Height over width, the area being kept; without it that of the face box. A network's input has one shape: what
    /// it learnt of faces holds only as long as they are stretched into it as they were in its training, and detectors
    /// differ in how tall they draw a box.
    pub aspect: Option<f32>,
}

/// One liveness network behind an engine.
pub struct Liveness {
    engine: Box<dyn Engine>,
    normalisation: Normalisation,
    crop: Crop,
    live_output: usize,
    scaler: Scaler,
    input: Tensor,
}

impl Liveness {
    /// A network with input `[1, 3, height, width]` and one output `[1, classes]` of probabilities, of which
    /// `live_output` counts from zero which one is life.
    #[must_use]
    pub fn new(
        engine: Box<dyn Engine>,
        input: &[usize],
        normalisation: Normalisation,
        crop: Crop,
        live_output: usize,
    ) -> Self {
        let input = Tensor::zeros(input);
        Self { engine, normalisation, crop, live_output, scaler: Scaler::new(), input }
    }

    /// Probability, 0 to 1, that the face is alive.
    ///
    /// # Errors
    /// [`EngineFault`].
    pub fn probability(&mut self, picture: &Plane<Rgb>, face: Rect) -> Result<f32, EngineFault> {
        let crop = surroundings(picture, face, self.crop);
        self.scaler.stretch(picture, crop, &self.normalisation, &mut self.input);
        let output = self.engine.run(&self.input)?.swap_remove(0);
        Ok(output.values[self.live_output].clamp(0.0, 1.0))
    }
}

/// The face with its surroundings: the box in the crop's proportions times its scale about its centre, less where the
/// picture is too small for that, moved inside the picture, on whole pixels.
fn surroundings(picture: &Plane<Rgb>, face: Rect, crop: Crop) -> Rect {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let (face_width, face_height) = shaped(face.width.max(1.0), face.height.max(1.0), crop.aspect);
    let scale = crop.scale.min((width - 1.0) / face_width).min((height - 1.0) / face_height);
    let (across, x) = within(face.centre().x, face_width * scale, width);
    let (down, y) = within(face.centre().y, face_height * scale, height);
    Rect { x, y, width: across, height: down }
}

/// Sides of the same area whose height over width is `aspect`, if one is wanted.
fn shaped(width: f32, height: f32, aspect: Option<f32>) -> (f32, f32) {
    aspect.map_or((width, height), |aspect| {
        let across = (width * height / aspect).sqrt();
        (across, across * aspect)
    })
}

/// A span of `length` around `centre`, moved into `0..side`: its length in whole pixels, at least one, and its start.
fn within(centre: f32, length: f32, side: f32) -> (f32, f32) {
    let start = (centre - length / 2.0).clamp(0.0, (side - 1.0 - length).max(0.0));
    // Both ends belong to the crop: a span from pixel 3 to pixel 5 holds three.
    let (first, last) = (start.floor(), (start + length).floor().min(side - 1.0));
    (last - first + 1.0, first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crop(face: Rect, scale: f32) -> Rect {
        shaped_crop(face, Crop { scale, aspect: None })
    }

    fn shaped_crop(face: Rect, crop: Crop) -> Rect {
        surroundings(&Plane::filled(640, 480, [0, 0, 0]).unwrap(), face, crop)
    }

    #[test]
    fn the_crop_grows_about_the_centre() {
        let grown = crop(Rect { x: 300.0, y: 220.0, width: 40.0, height: 40.0 }, 2.7);
        assert_eq!(grown, Rect { x: 266.0, y: 186.0, width: 109.0, height: 109.0 });
    }

    #[test]
    fn the_crop_stays_inside_and_keeps_the_boxs_proportions_where_it_is_capped() {
        let corner = crop(Rect { x: -10.0, y: -10.0, width: 60.0, height: 60.0 }, 4.0);
        assert_eq!((corner.x, corner.y, corner.width), (0.0, 0.0, 241.0));
        let capped = crop(Rect { x: 200.0, y: 100.0, width: 200.0, height: 300.0 }, 4.0);
        assert!(capped.y == 0.0 && capped.height == 480.0);
        assert!((capped.width / capped.height - 200.0 / 300.0).abs() < 0.01, "{capped:?}");
    }

    #[test]
    fn a_wanted_shape_keeps_area_and_centre_and_holds_where_the_picture_is_too_small() {
        let face = Rect { x: 280.0, y: 190.0, width: 80.0, height: 100.0 };
        let square = shaped_crop(face, Crop { scale: 2.0, aspect: Some(1.0) });
        assert!((square.width - square.height).abs() <= 1.0, "{square:?}");
        assert!((square.area() / (4.0 * face.area()) - 1.0).abs() < 0.02, "{square:?}");
        assert!(square.centre().distance(face.centre()) < 1.5, "{square:?}");
        let capped = shaped_crop(face, Crop { scale: 8.0, aspect: Some(1.0) });
        assert!((capped.height - 480.0).abs() <= 1.0 && (capped.width - capped.height).abs() <= 1.0);
    }

    #[test]
    fn c2_any_box_gives_a_crop_inside_the_picture() {
        let far = [-1e6f32, -1.0, 0.0, 0.4, 639.9, 640.0, 1e6];
        let long = [0.0f32, 1e-3, 1.0, 639.0, 1e6];
        for (x, y) in far.iter().flat_map(|x| far.iter().map(move |y| (*x, *y))) {
            for (width, height) in long.iter().flat_map(|w| long.iter().map(move |h| (*w, *h))) {
                for aspect in [None, Some(0.5), Some(1.0), Some(2.0)] {
                    let crop = shaped_crop(Rect { x, y, width, height }, Crop { scale: 2.7, aspect });
                    assert!(
                        crop.x >= 0.0 && crop.y >= 0.0 && crop.width >= 1.0 && crop.height >= 1.0,
                        "{crop:?}"
                    );
                    assert!(crop.x + crop.width <= 640.0 && crop.y + crop.height <= 480.0, "{crop:?}");
                }
            }
        }
    }
}
