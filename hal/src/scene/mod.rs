//! Rendered scenes: portraits become what the three cameras of a terminal would see of live persons and of presentation
//! attacks. For tests and demonstrations without cameras.
//!
//! * [`Portrait`]: a photograph and where its face is.
//! * [`Scene`]: what stands before the door, put together from [`Person`]s, [`Carrier`]s and a [`Light`].
//! * [`species`]: the list of everything that is played against a terminal, by name.
//! * [`Renderer`]: its frames.
//! * [`stage`]: three cameras that show a scene, the emitter beside them, and the hand that changes what they see.
//!
//! All pictures share one grid: [`WIDTH`] x [`HEIGHT`], horizontal field of view [`FOV`]. What is modelled, from which
//! sources, and what is not, stands in `docs/scenes.md`; whoever quotes a figure measured here quotes those limits.

#![expect(
    clippy::cast_possible_truncation,
    reason = "values are clamped to the range of a pixel before the cast"
)]

mod capture;
mod compose;
mod composition;
mod crease;
mod depth;
mod eyes;
mod gloss;
mod head;
mod held;
mod lamp;
mod material;
mod medium;
mod motion;
mod portrait;
mod room;
mod sensor;
pub mod species;
mod stage;
mod standing;
mod texture;
mod view;
mod warp;
mod word;

#[cfg(test)]
mod tests;

use std::f32::consts::TAU;
use std::sync::Arc;

use doorward_core::frame::{Frameset, Plane, Rgb, Shot};
use doorward_core::time::Mono;
use doorward_core::vision::Detection;

pub use composition::{
    ACT_MS, Act, Carrier, Cut, Light, Medium, Mounting, Person, Place, Scene, Shape, Skin,
};
pub use depth::DepthCamera;
pub use portrait::{Portrait, PortraitError};
pub use stage::{INFRARED_EXPOSURE, RATE_MAX, StageCamera, StageCameras, StageEmitter, StageHand, stage};

use compose::picture;
use sensor::Sensor;

/// Width of all pictures.
pub const WIDTH: u32 = 640;
/// Height of all pictures.
pub const HEIGHT: u32 = 480;
/// Horizontal field of view of all cameras, degrees.
pub const FOV: f32 = 70.0;

/// What there is to be seen, before any camera.
#[derive(Debug, Clone)]
struct Layers {
    colour: Plane<Rgb>,
    /// Reflectance in near infrared times the cosine of the slant, 0 to 255.
    nir: Plane<u8>,
    /// Distance along the camera's axis, millimetres.
    range: Plane<u16>,
}

/// Turns scenes into frames. The frames depend on nothing but the seed, the scene, the time, the sequence number, and how
/// much of the infrared exposure saw the emitter.
///
/// What does not change between frames is prepared once, at a portrait's first frame in a scene (some 100 ms); after
/// that a frameset takes about 10 ms.
#[derive(Debug)]
pub struct Renderer {
    room: Layers,
    sensor: Sensor,
    depth: DepthCamera,
    /// Where in their cycles the motions start, so that two terminals do not sway alike.
    phase: f32,
}

impl Renderer {
    /// A renderer with a structured-light depth camera; equal seeds give equal frames.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::with_depth(seed, DepthCamera::default())
    }

    /// A renderer with the depth camera of a kind.
    #[must_use]
    pub fn with_depth(seed: u64, depth: DepthCamera) -> Self {
        let sensor = Sensor::new(seed);
        let phase = sensor.fraction(0) * 60.0;
        Self { room: room::paint(), sensor, depth, phase }
    }

    /// The frames of one moment under a steady emitter; all three carry the time `at` and the number `sequence`.
    #[must_use]
    pub fn frameset(&self, scene: &Scene, at: Mono, sequence: u32) -> Frameset {
        self.frameset_lit(scene, 1.0, at, sequence)
    }

    /// The same, where the infrared emitter was on for the share `emitter` (0 to 1) of the exposure that starts at `at`.
    #[must_use]
    pub fn frameset_lit(&self, scene: &Scene, emitter: f32, at: Mono, sequence: u32) -> Frameset {
        let seconds = self.seconds(at);
        let seen = picture(scene, &self.room, seconds, at);
        let beside = scene.elsewhere.as_deref().map(|scene| (scene, picture(scene, &self.room, seconds, at)));
        let exposure = scene.light.visible * (1.0 + 0.012 * (TAU * 0.37 * seconds).sin());
        let (colour, light, infrared, range, nir) = match beside {
            Some((other, picture)) => {
                let infrared = picture.infrared(&other.light, emitter);
                (seen.layers.colour, other.light, infrared, picture.layers.range, picture.layers.nir)
            }
            None => {
                let infrared = seen.infrared(&scene.light, emitter);
                (seen.layers.colour, scene.light, infrared, seen.layers.range, seen.layers.nir)
            }
        };
        let depth = self.depth.frame(&self.sensor, range, &nir, light.ambient + light.lamp, sequence);
        Frameset {
            rgb: shot(self.sensor.colour(colour, exposure, sequence), at, sequence),
            ir: Some(shot(self.sensor.infrared(&infrared, sequence), at, sequence)),
            depth: Some(shot(depth, at, sequence)),
        }
    }

    /// Where the faces of the scene truly are in the colour frame of that moment, also those that no camera sees in the
    /// dark and those half hidden; persons first, then things.
    #[must_use]
    pub fn faces(&self, scene: &Scene, at: Mono) -> Vec<Detection> {
        compose::faces(scene, self.seconds(at), at)
    }

    fn seconds(&self, at: Mono) -> f32 {
        // Every frequency of the motions is a multiple of 0.01 Hz, so that they go on smoothly where the hour wraps;
        // within an hour single precision still tells quarters of a millisecond apart.
        (at.0 % 3_600_000_000) as f32 / 1e6 + self.phase
    }
}

fn shot<P>(plane: Plane<P>, at: Mono, sequence: u32) -> Arc<Shot<P>> {
    Arc::new(Shot { sequence, at, plane })
}

/// A smooth step from 0 at `from` to 1 at `to`.
fn smooth(from: f32, to: f32, value: f32) -> f32 {
    let t = ((value - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

fn mix(a: f32, b: f32, share: f32) -> f32 {
    a + (b - a) * share
}

fn byte(value: f32) -> u8 {
    (value + 0.5).clamp(0.0, 255.0) as u8
}

fn luminance([r, g, b]: Rgb) -> f32 {
    0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b)
}

/// Pixels per unit of tangent; the same in both directions.
fn focal() -> f32 {
    WIDTH as f32 / 2.0 / (FOV.to_radians() / 2.0).tan()
}
