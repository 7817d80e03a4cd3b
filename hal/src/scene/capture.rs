//! Pictures of a scene that become the content of another: what an infrared camera took, and the frames of a film.

use doorward_core::frame::{Plane, Rgb};
use doorward_core::geometry::Point;

use super::composition::{Place, Skin};
use super::material::SKIN;
use super::motion::Pose;
use super::portrait::{Portrait, placed};
use super::{HEIGHT, WIDTH, byte};

/// Side of the picture an infrared camera of a laptop takes.
const SIDE: u32 = 340;

/// A portrait as an infrared camera with an emitter takes it, glints in the eyes included.
pub(super) fn in_infrared(portrait: &Portrait) -> Portrait {
    let standing = portrait.alone(Place::Middle, Skin::Living);
    let rest =
        Pose { right: 0.0, down: 0.0, roll: 0.0, yaw: 0.0, pitch: 0.0, scale: 1.0, lids: 1.0, smile: 0.0 };
    let layers = standing.moved(&[rest]);
    let near = standing.distance(0);
    // An automatic exposure makes skin bright, but not white.
    let white = 150.0 / SKIN;
    let mut grey: Vec<f32> = layers
        .nir
        .pixels()
        .iter()
        .zip(layers.range.pixels())
        .map(|(nir, mm)| white * f32::from(*nir) / 255.0 * (near / f32::from(*mm)).powi(2))
        .collect();
    for eye in standing.eyes(&[rest]) {
        eye.glint(&layers, &mut grey, white);
    }
    let face = standing.faces(&[rest])[0];
    let corner =
        |centre: f32, side: u32| (centre - SIDE as f32 / 2.0).clamp(0.0, (side - SIDE) as f32) as u32;
    let centre = face.region.centre();
    let (left, top) = (corner(centre.x, WIDTH), corner(centre.y, HEIGHT));
    let pixel = |k: u32| -> Rgb {
        let (x, y) = (left + k % SIDE, top + k / SIDE);
        [byte(grey[(y * WIDTH + x) as usize]); 3]
    };
    let picture = Plane::new(SIDE, SIDE, (0..SIDE * SIDE).map(pixel).collect()).expect("a square of pixels");
    let face = placed(&face, 1.0, 1.0, Point::new(-(left as f32), -(top as f32)));
    // A portrait whose photograph shows its face at the very edge has none in this crop; then the photograph stays.
    Portrait::new(&picture, &face).unwrap_or_else(|_| portrait.clone())
}
