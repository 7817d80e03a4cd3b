//! What sensors add to a scene: exposure, noise, and readings that are missing.

use doorward_core::frame::{Plane, Rgb};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::{WIDTH, byte};

/// Values in the table of noise: enough that no two rows of a frame start at the same place.
const TABLE: usize = 1 << 16;
/// One standard deviation in the table.
const UNIT: f32 = 64.0;
/// A step in depth that hides its edge from a depth camera, millimetres.
const EDGE_MM: u16 = 70;
/// Pixels beside an edge that lie in the shadow of the nearer surface.
const SHADOW: usize = 5;

/// The noise of all three sensors, drawn once from a seed and read from another place in every row of every frame.
#[derive(Debug)]
pub(super) struct Sensor {
    seed: u64,
    noise: Vec<i16>,
}

impl Sensor {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut noise = Vec::with_capacity(TABLE);
        while noise.len() < TABLE {
            // The sum of twelve uniform values has a standard deviation of one (Irwin-Hall), and ends at six.
            let words = [rng.next_u64(), rng.next_u64(), rng.next_u64()];
            let sum: f32 = words
                .iter()
                .flat_map(|w| (0..4).map(move |k| ((w >> (16 * k)) & 0xffff) as f32 / 65_536.0))
                .sum();
            noise.push(((sum - 6.0) * UNIT) as i16);
        }
        Self { seed, noise }
    }

    /// A number from 0 to 1 that belongs to the seed and `place`.
    pub(super) fn fraction(&self, place: u64) -> f32 {
        (mixed(self.seed ^ mixed(place)) >> 40) as f32 / (1u64 << 24) as f32
    }

    /// The colour frame: `exposure` times the light, photon and read noise.
    pub(super) fn colour(&self, mut plane: Plane<Rgb>, exposure: f32, sequence: u32) -> Plane<Rgb> {
        let flicker = exposure * (0.996 + 0.008 * self.fraction(u64::from(sequence)));
        let light: [u8; 256] = std::array::from_fn(|v| byte(v as f32 * flicker));
        // Noise in 1/256 of a level for one table unit: grows with the root of the light.
        let strength: [i32; 256] =
            std::array::from_fn(|v| ((0.6 + 0.05 * (v as f32).sqrt()) / UNIT * 256.0) as i32);
        for (y, row) in plane.pixels_mut().chunks_mut(WIDTH as usize).enumerate() {
            let grey = self.row(sequence, y, 0, row.len());
            let tint = self.row(sequence, y, 1, row.len() + 2);
            for (x, pixel) in row.iter_mut().enumerate() {
                for (c, value) in pixel.iter_mut().enumerate() {
                    let level = light[usize::from(*value)];
                    let noise = i32::from(grey[x]) + i32::from(tint[x + c]) / 4;
                    *value = clamped(i32::from(level) + ((noise * strength[usize::from(level)] + 128) >> 8));
                }
            }
        }
        plane
    }

    /// The infrared frame.
    pub(super) fn infrared(&self, mut plane: Plane<u8>, sequence: u32) -> Plane<u8> {
        const NOISE: i32 = (2.2 / UNIT * 256.0) as i32;
        for (y, row) in plane.pixels_mut().chunks_mut(WIDTH as usize).enumerate() {
            let noise = self.row(sequence, y, 2, row.len());
            for (value, n) in row.iter_mut().zip(noise) {
                *value = clamped(i32::from(*value) + ((i32::from(*n) * NOISE + 128) >> 8));
            }
        }
        plane
    }

    /// The depth frame: noise grows with the square of distance, and beside edges there are no readings.
    pub(super) fn depth(&self, mut plane: Plane<u16>, sequence: u32) -> Plane<u16> {
        let mut hidden = vec![false; WIDTH as usize];
        for (y, row) in plane.pixels_mut().chunks_mut(WIDTH as usize).enumerate() {
            let noise = self.row(sequence, y, 3, row.len());
            hidden.fill(false);
            for x in 1..row.len() {
                if row[x].abs_diff(row[x - 1]) > EDGE_MM {
                    // The projector sits to the right of the camera: it throws shadows to the left of what is near,
                    // and their ends flicker.
                    let shadow = SHADOW + usize::from(noise[x].unsigned_abs() / 32);
                    let (from, to) =
                        if row[x] < row[x - 1] { (x.saturating_sub(shadow), x) } else { (x, x + 1) };
                    hidden[from..to].fill(true);
                }
            }
            for ((value, n), hidden) in row.iter_mut().zip(noise).zip(&hidden) {
                let metres = f32::from(*value) / 1000.0;
                let deviation = 0.6 + 3.2 * metres * metres;
                let reading = f32::from(*value) + f32::from(*n) / UNIT * deviation;
                // One reading in some ten thousand is lost anywhere.
                let lost = *hidden || n.unsigned_abs() > 240;
                *value = if lost { 0 } else { (reading + 0.5).clamp(0.0, 65_535.0) as u16 };
            }
        }
        plane
    }

    fn row(&self, sequence: u32, y: usize, kind: u64, length: usize) -> &[i16] {
        let place = (u64::from(sequence) << 24) ^ ((y as u64) << 4) ^ kind;
        let start = mixed(self.seed ^ mixed(place)) as usize % (TABLE - length);
        &self.noise[start..start + length]
    }
}

fn clamped(value: i32) -> u8 {
    value.clamp(0, 255) as u8
}

/// A bijection that spreads every bit over all others (the finaliser of splitmix64).
fn mixed(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
