//! What the room's light does on paper and on glass.

use std::f32::consts::TAU;

use doorward_core::frame::Rgb;
use doorward_core::geometry::Point;

use super::medium::Surface;
use super::motion::Pose;
use super::smooth;

/// Light on a surface at one moment.
pub(super) struct Gloss {
    surface: Surface,
    /// Where the reflection of the lamp lies, pixels of the texture from its middle.
    lamp: Point,
    /// One turn of a cosine: patterns need several for every pixel.
    turn: [f32; 256],
}

impl Gloss {
    pub(super) fn of(surface: Surface, pose: &Pose) -> Self {
        // A mirror turns light by twice its own angle.
        let lamp = Point::new(-70.0 + 500.0 * pose.yaw, -190.0 + 520.0 * pose.pitch);
        let turn = std::array::from_fn(|i| (i as f32 / 256.0 * TAU).cos());
        Self { surface, lamp, turn }
    }

    /// The colour with shading and reflections; `u`, `v` are pixels from the middle.
    pub(super) fn apply(&self, colour: Rgb, u: f32, v: f32) -> [f32; 3] {
        match self.surface {
            Surface::Paper => self.paper(colour, u, v, 0.4),
            Surface::Gloss => self.paper(colour, u, v, 1.6),
            Surface::Glass => self.glass(colour, u, v),
            Surface::Film => self.film(colour, u, v),
        }
    }

    fn paper(&self, colour: Rgb, u: f32, v: f32, shine: f32) -> [f32; 3] {
        let band = shine * bell((0.8 * (u - self.lamp.x) + 0.6 * (v - self.lamp.y)) / 46.0);
        // The raster of ink, at the angle printers use so that it shows least; white paper has none.
        let raster = 0.10 * self.wave(0.47 * u + 0.41 * v) * self.wave(0.41 * u - 0.47 * v);
        let shade = 0.97 - 0.0006 * u + raster;
        let lit = |c: u8| {
            let c = f32::from(c);
            c * (shade - raster * c / 262.0) + 24.0 * band * (1.0 - c / 300.0)
        };
        colour.map(lit)
    }

    /// Electronic paper: a matt film, and grains too fine to be seen.
    fn film(&self, colour: Rgb, u: f32, v: f32) -> [f32; 3] {
        let veil = 7.0 * bell((0.7 * (u - self.lamp.x) + 0.7 * (v - self.lamp.y)) / 140.0);
        colour.map(|c| f32::from(c) * (0.98 - 0.0004 * u) + veil)
    }

    fn glass(&self, colour: Rgb, u: f32, v: f32) -> [f32; 3] {
        const TINT: [f32; 3] = [0.86, 0.97, 1.08];
        let (x, y) = (u - self.lamp.x, v - self.lamp.y);
        let mut veil = 10.0 * smooth(-60.0, 220.0, 0.8 * x + 0.6 * y);
        if x.abs() < 62.0 && y.abs() < 84.0 {
            // A window with a cross bar.
            let bars = 0.7 * smooth(5.0, 2.0, x.abs()) + 0.5 * smooth(5.0, 2.0, y.abs());
            veil += 22.0 * smooth(62.0, 52.0, x.abs()) * smooth(84.0, 74.0, y.abs()) * (1.0 - bars).max(0.0);
        }
        let grid = self.pixel_grid(u, v);
        std::array::from_fn(|c| f32::from(colour[c]) * grid[c] + veil * TINT[c])
    }

    /// The screen's grid of pixels and sub-pixels, sampled by the camera's: nearly equal grids beat against each
    /// other, and the bands they make are moire.
    fn pixel_grid(&self, u: f32, v: f32) -> [f32; 3] {
        const ACROSS: f32 = 0.937;
        const DOWN: f32 = 1.058;
        let rows = 1.0 + 0.045 * self.wave(v * DOWN);
        [0.0, 1.0 / 3.0, 2.0 / 3.0].map(|shift| rows * (1.0 + 0.07 * self.wave(u * ACROSS + shift)))
    }

    /// A cosine by turns.
    fn wave(&self, turns: f32) -> f32 {
        self.turn[((turns * 256.0) as i32 & 255) as usize]
    }
}

fn bell(x: f32) -> f32 {
    // Rational instead of exponential: it is evaluated for every pixel.
    let square = 1.0 + x * x / 2.0;
    1.0 / (square * square)
}
