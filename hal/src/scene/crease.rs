//! What a smile does to the skin beside the mouth: the cheek is pushed up, and between it and the lip a fold deepens, from the
//! wing of the nose to the corner of the mouth.

use doorward_core::geometry::{Landmarks, Point};

use super::{HEIGHT, Layers, WIDTH, byte};

/// Where a fold begins beside the tip of the nose and ends beside the corner of the mouth, outwards and down, in distances
/// between the eyes.
const WING: (f32, f32) = (0.28, 0.02);
const CORNER: (f32, f32) = (0.16, -0.02);
/// Half its width, the same: two millimetres.
const WIDE: f32 = 0.03;
/// Share of the light that its bottom lacks where the smile is whole. No set of data, a rounded choice.
const SHADOW: f32 = 0.3;

/// A fold in the moved picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Crease {
    from: Point,
    to: Point,
    wide: f32,
    shadow: f32,
}

impl Crease {
    /// Both folds of a face that smiles so far, 0 to 1.
    pub(super) fn of(face: &Landmarks, smile: f32) -> [Self; 2] {
        let eyes = face.eye_distance();
        let (x, y) = (face.right_eye.x - face.left_eye.x, face.right_eye.y - face.left_eye.y);
        let beside = |p: Point, side: f32, (out, down): (f32, f32)| {
            Point::new(p.x + side * out * x - down * y, p.y + side * out * y + down * x)
        };
        [(-1.0, face.left_mouth), (1.0, face.right_mouth)].map(|(side, corner)| Self {
            from: beside(face.nose, side, WING),
            to: beside(corner, side, CORNER),
            wide: WIDE * eyes,
            shadow: SHADOW * smile,
        })
    }

    /// Darkens what lies in the fold, in colour and in infrared.
    pub(super) fn draw(&self, layers: &mut Layers) {
        let reach = 3.0 * self.wide;
        let span = |a: f32, b: f32, side: u32| {
            let from = (a.min(b) - reach).clamp(0.0, side as f32);
            let to = (a.max(b) + reach).clamp(0.0, side as f32);
            from as usize..to as usize
        };
        for y in span(self.from.y, self.to.y, HEIGHT) {
            for x in span(self.from.x, self.to.x, WIDTH) {
                let away = self.away(Point::new(x as f32, y as f32)) / self.wide;
                let light = 1.0 - self.shadow * (-away * away).exp();
                let at = y * WIDTH as usize + x;
                let colour = &mut layers.colour.pixels_mut()[at];
                *colour = colour.map(|c| byte(light * f32::from(c)));
                let nir = &mut layers.nir.pixels_mut()[at];
                *nir = byte(light * f32::from(*nir));
            }
        }
    }

    /// Distance of a place from the line of the fold, pixels.
    fn away(&self, p: Point) -> f32 {
        let (dx, dy) = (self.to.x - self.from.x, self.to.y - self.from.y);
        let along = ((p.x - self.from.x) * dx + (p.y - self.from.y) * dy) / (dx * dx + dy * dy).max(1e-3);
        let along = along.clamp(0.0, 1.0);
        p.distance(Point::new(self.from.x + along * dx, self.from.y + along * dy))
    }
}
