//! What the colour and infrared cameras add to a scene: exposure and noise.

use doorward_core::frame::{Plane, Rgb};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::{HEIGHT, WIDTH, byte};

/// Values in the table of noise: enough that no two rows of a frame start at the same place.
const TABLE: usize = 1 << 16;
/// One standard deviation in the table.
pub(super) const UNIT: f32 = 64.0;

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

    /// The infrared frame: levels, photon and read noise.
    pub(super) fn infrared(&self, levels: &[f32], sequence: u32) -> Plane<u8> {
        // Noise in 1/256 of a level for one table unit.
        let strength: [i32; 256] =
            std::array::from_fn(|v| ((1.2 + 0.11 * (v as f32).sqrt()) / UNIT * 256.0) as i32);
        let mut pixels = Vec::with_capacity(levels.len());
        for (y, row) in levels.chunks(WIDTH as usize).enumerate() {
            let noise = self.row(sequence, y, 2, row.len());
            pixels.extend(row.iter().zip(noise).map(|(level, n)| {
                let level = byte(*level);
                clamped(i32::from(level) + ((i32::from(*n) * strength[usize::from(level)] + 128) >> 8))
            }));
        }
        Plane::new(WIDTH, HEIGHT, pixels).expect("one value for each place")
    }

    pub(super) fn row(&self, sequence: u32, y: usize, kind: u64, length: usize) -> &[i16] {
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
