//! What only living eyes do: lids close, and corneas mirror the emitter.

use doorward_core::frame::Rgb;
use doorward_core::geometry::Point;

use super::{HEIGHT, Layers, WIDTH, byte, material, mix, smooth};

/// Half the width and height of an eye's opening, in distances between the eyes.
const HALF: (f32, f32) = (0.23, 0.105);
/// Blur of the lens, pixels (standard deviation).
const LENS: f32 = 0.8;
/// Something this much nearer hides a glint, millimetres.
const HIDES_MM: f32 = 15.0;

/// An eye in the moved picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Eye {
    pub(super) at: Point,
    /// Towards the chin, one pixel long.
    pub(super) down: Point,
    /// Pixels between both eyes.
    pub(super) between: f32,
    /// Distance from the camera, millimetres.
    pub(super) distance: f32,
    /// How far it is open, 0 to 1.
    pub(super) open: f32,
}

impl Eye {
    /// Lowers the lid over what the picture shows.
    pub(super) fn close(&self, layers: &mut Layers) {
        if self.open >= 0.99 {
            return;
        }
        let (wide, high) = (HALF.0 * self.between, HALF.1 * self.between);
        let skin = self.cheek(layers);
        // The upper lid does nearly all of the way.
        let edge = mix(0.85 * high, -high, self.open);
        let reach = wide.max(high) + 2.0;
        let span = |centre: f32, side: u32| {
            let from = (centre - reach).clamp(0.0, side as f32);
            let to = (centre + reach).clamp(0.0, side as f32);
            from as usize..to as usize
        };
        for y in span(self.at.y, HEIGHT) {
            for x in span(self.at.x, WIDTH) {
                let (dx, dy) = (x as f32 - self.at.x, y as f32 - self.at.y);
                let across = dx * self.down.y - dy * self.down.x;
                let along = dx * self.down.x + dy * self.down.y;
                let inside = 1.0 - smooth(0.8, 1.15, (across / wide).hypot(along / high));
                let lid = inside * (1.0 - smooth(edge - 0.7, edge + 0.7, along));
                if lid <= 0.0 {
                    continue;
                }
                let lashes = 1.0 - 0.55 * smooth(1.6, 0.0, (along - edge).abs());
                let at = y * WIDTH as usize + x;
                let colour = &mut layers.colour.pixels_mut()[at];
                *colour =
                    std::array::from_fn(|c| byte(mix(f32::from(colour[c]), 0.94 * lashes * skin.0[c], lid)));
                let nir = &mut layers.nir.pixels_mut()[at];
                *nir = byte(mix(f32::from(*nir), lashes * skin.1, lid));
            }
        }
    }

    /// Colour and reflectance of the skin below the eye.
    fn cheek(&self, layers: &Layers) -> ([f32; 3], f32) {
        let mut sum = ([0.0; 3], 0.0);
        for k in 0..9u8 {
            let (i, j) = (f32::from(k % 3) - 1.0, f32::from(k / 3) - 1.0);
            let reach = 0.34 * self.between + 2.0 * j;
            let x = (self.at.x + self.down.x * reach + 2.0 * i).clamp(0.0, (WIDTH - 1) as f32) as u32;
            let y = (self.at.y + self.down.y * reach).clamp(0.0, (HEIGHT - 1) as f32) as u32;
            let colour: Rgb = layers.colour.at(x, y);
            sum.0 = std::array::from_fn(|c| sum.0[c] + f32::from(colour[c]) / 9.0);
            sum.1 += f32::from(layers.nir.at(x, y)) / 9.0;
        }
        sum
    }

    /// Adds the emitter's image in the cornea to an infrared picture; `white` is the level of a white surface at this
    /// distance under the emitter. Nothing where something nearer hides the eye.
    pub(super) fn glint(&self, layers: &Layers, infrared: &mut [f32], white: f32) {
        let inside =
            (3.0..(WIDTH - 3) as f32).contains(&self.at.x) && (3.0..(HEIGHT - 3) as f32).contains(&self.at.y);
        if self.open < 0.6 || !inside {
            return;
        }
        let seen = f32::from(layers.range.at(self.at.x as u32, self.at.y as u32));
        if seen < self.distance - HIDES_MM {
            return;
        }
        let sum = white * material::glint(self.distance / super::focal());
        let peak = sum / (std::f32::consts::TAU * LENS * LENS);
        let (column, row) = (self.at.x as usize, self.at.y as usize);
        for y in row - 3..=row + 3 {
            for x in column - 3..=column + 3 {
                let square = (x as f32 - self.at.x).powi(2) + (y as f32 - self.at.y).powi(2);
                infrared[y * WIDTH as usize + x] += peak * (-square / (2.0 * LENS * LENS)).exp();
            }
        }
    }
}
