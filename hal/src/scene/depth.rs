//! What depth cameras make of a scene: noise, steps, readings that are missing, and readings of nothing.

use doorward_core::frame::Plane;

use super::WIDTH;
use super::sensor::{Sensor, UNIT};

/// How a depth camera measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DepthCamera {
    /// A projected pattern seen from beside its projector.
    #[default]
    StructuredLight,
    /// The phase of modulated light that comes back.
    TimeOfFlight,
}

/// A step in depth that is an edge, millimetres.
const EDGE_MM: u16 = 70;
/// Pixels beside an edge that lie in the shadow of the nearer surface.
const SHADOW: usize = 5;
/// One step of disparity in millimetres at a metre; grows with the square of distance (Khoshelham and Elberink 2012).
const STEP_MM: f32 = 2.8;
/// Below this reflectance a surface begins to lose readings.
const DARK: f32 = 0.10;
/// Less light than this, relative to a white surface half a metre away, gives no phase.
const FAINTEST: f32 = 0.010;

impl DepthCamera {
    /// The frame. `nir` is the reflectance of each place, `ambient` the light that is not the camera's, both as in
    /// [`super::material`].
    pub(super) fn frame(
        self,
        sensor: &Sensor,
        range: Plane<u16>,
        nir: &Plane<u8>,
        ambient: f32,
        sequence: u32,
    ) -> Plane<u16> {
        match self {
            DepthCamera::StructuredLight => structured_light(sensor, range, nir, ambient, sequence),
            DepthCamera::TimeOfFlight => time_of_flight(sensor, range, nir, ambient, sequence),
        }
    }
}

/// Light that comes back, relative to a white surface half a metre away.
fn returned(nir: u8, mm: u16) -> f32 {
    f32::from(nir) / 255.0 * (500.0 / f32::from(mm.max(100))).powi(2)
}

/// A number from 0 to 1 out of a value of the table of noise.
fn chance(noise: i16) -> f32 {
    let mixed = u32::from(noise.cast_unsigned()).wrapping_mul(0x9e37_79b1);
    (mixed >> 8) as f32 / (1u32 << 24) as f32
}

fn structured_light(
    sensor: &Sensor,
    mut range: Plane<u16>,
    nir: &Plane<u8>,
    ambient: f32,
    sequence: u32,
) -> Plane<u16> {
    let width = WIDTH as usize;
    let mut hidden = vec![false; width];
    for (y, (row, nir)) in range.pixels_mut().chunks_mut(width).zip(nir.pixels().chunks(width)).enumerate() {
        let (noise, luck) = (sensor.row(sequence, y, 3, width), sensor.row(sequence, y, 4, width));
        hidden.fill(false);
        for x in 1..width {
            if row[x].abs_diff(row[x - 1]) > EDGE_MM {
                // The projector sits to the right of the camera: it throws shadows to the left of what is near, and
                // their ends flicker.
                let shadow = SHADOW + usize::from(noise[x].unsigned_abs() / 32);
                let (from, to) = if row[x] < row[x - 1] { (x.saturating_sub(shadow), x) } else { (x, x + 1) };
                hidden[from..to].fill(true);
            }
        }
        for (x, value) in row.iter_mut().enumerate() {
            let metres = f32::from(*value) / 1000.0;
            // Nguyen, Izadi and Lovell 2012, for surfaces that face the camera.
            let deviation = 1.2 + 1.9 * (metres - 0.4).max(0.0).powi(2);
            let step = STEP_MM * metres * metres;
            let reading = f32::from(*value) + f32::from(noise[x]) / UNIT * deviation;
            let stepped = (reading / step).round() * step;
            // The pattern drowns in other light, and is not seen on what is dark.
            let drowned = ambient / (8.0 * returned(nir[x], *value).max(1e-3)) - 0.3;
            let dark = 0.5 * (1.0 - f32::from(nir[x]) / 255.0 / DARK);
            let lost =
                hidden[x] || chance(luck[x]) < drowned.max(dark).min(0.97) || luck[x].unsigned_abs() > 240;
            *value = if lost { 0 } else { (stepped + 0.5).clamp(0.0, 65_535.0) as u16 };
        }
    }
    range
}

fn time_of_flight(
    sensor: &Sensor,
    mut range: Plane<u16>,
    nir: &Plane<u8>,
    ambient: f32,
    sequence: u32,
) -> Plane<u16> {
    let width = WIDTH as usize;
    for (y, (row, nir)) in range.pixels_mut().chunks_mut(width).zip(nir.pixels().chunks(width)).enumerate() {
        let (noise, luck) = (sensor.row(sequence, y, 3, width), sensor.row(sequence, y, 4, width));
        let mut before = row[0];
        for x in 0..width {
            let true_mm = row[x];
            let light = returned(nir[x], true_mm);
            // Photon noise: with the root of the light that comes back; other light adds its own.
            let deviation = 0.9 * ((1.0 + ambient) / light.max(1e-3)).sqrt();
            let mut reading = f32::from(true_mm) + f32::from(noise[x]) / UNIT * deviation;
            if true_mm.abs_diff(before) > EDGE_MM {
                // A pixel that sees both sides of an edge reads something in between: a flying pixel.
                reading += chance(luck[x]) * (f32::from(before) - f32::from(true_mm));
            }
            let lost = light < FAINTEST * (1.0 + 0.5 * ambient);
            before = true_mm;
            row[x] = if lost { 0 } else { (reading + 0.5).clamp(0.0, 65_535.0) as u16 };
        }
    }
    range
}
