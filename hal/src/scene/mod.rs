//! Rendered scenes: a portrait becomes what the three cameras of a terminal would see of a live person, of a print, or
//! of a screen. For tests and demonstrations without cameras.
//!
//! * [`Portrait`]: a photograph and where its face is.
//! * [`Scene`], [`Renderer`]: what stands before the door, and its frames.
//! * [`stage`]: the three cameras that show a scene, and the hand that changes it.
//!
//! All pictures share one grid: [`WIDTH`] x [`HEIGHT`], horizontal field of view [`FOV`].

#![expect(
    clippy::cast_possible_truncation,
    reason = "values are clamped to the range of a pixel before the cast"
)]

mod head;
mod held;
mod portrait;
mod room;
mod sensor;
mod stage;
mod standing;
mod view;

use std::f32::consts::TAU;
use std::sync::Arc;

use doorward_core::frame::{Frameset, Plane, Rgb, Shot};
use doorward_core::time::Mono;
use doorward_core::vision::Detection;

pub use portrait::{Portrait, PortraitError};
pub use stage::{RATE_MAX, StageCamera, StageCameras, StageHand, stage};

use held::{Held, Tilt};
use sensor::Sensor;
use standing::Sway;

/// Width of all pictures.
pub const WIDTH: u32 = 640;
/// Height of all pictures.
pub const HEIGHT: u32 = 480;
/// Horizontal field of view of all cameras, degrees.
pub const FOV: f32 = 70.0;

/// What stands before the cameras.
#[derive(Debug, Clone)]
pub enum Scene {
    /// An empty room.
    Nobody,
    /// A live person.
    Live(Portrait),
    /// A photograph on paper, held by a hand.
    Print(Portrait),
    /// A photograph on the screen of a tablet, held by a hand.
    Screen(Portrait),
    /// Two live persons side by side, left and right.
    Two(Portrait, Portrait),
    /// A live person in a room without light.
    Dark(Portrait),
}

/// What the cameras would see if they had no noise.
#[derive(Debug, Clone)]
struct Layers {
    colour: Plane<Rgb>,
    infrared: Plane<u8>,
    range: Plane<u16>,
}

/// Turns scenes into frames. The frames depend on nothing but the seed, the scene, the time and the sequence number.
///
/// What does not change between frames is prepared once, at a portrait's first frame in a scene (some 50 ms); after
/// that a frameset takes about 10 ms.
#[derive(Debug)]
pub struct Renderer {
    room: Layers,
    sensor: Sensor,
    /// Where in their cycles the motions start, so that two terminals do not sway alike.
    phase: f32,
}

impl Renderer {
    /// A renderer; equal seeds give equal frames.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let sensor = Sensor::new(seed);
        let phase = sensor.fraction(0) * 60.0;
        Self { room: room::paint(), sensor, phase }
    }

    /// The frames of one moment; all three carry the time `at` and the number `sequence`.
    #[must_use]
    pub fn frameset(&self, scene: &Scene, at: Mono, sequence: u32) -> Frameset {
        let seconds = self.seconds(at);
        let (layers, light) = match scene {
            Scene::Nobody => (self.room.clone(), 1.0),
            Scene::Live(portrait) => (portrait.alone().moved(&sways(seconds)), 1.0),
            Scene::Dark(portrait) => (portrait.alone().moved(&sways(seconds)), 0.03),
            Scene::Two(left, right) => (left.beside(right).moved(&sways(seconds)), 1.0),
            Scene::Print(portrait) => (self.show(portrait.print(), seconds), 1.0),
            Scene::Screen(portrait) => (self.show(portrait.screen(), seconds), 1.0),
        };
        let exposure = light * (1.0 + 0.012 * (TAU * 0.37 * seconds).sin());
        let Layers { colour, infrared, range } = layers;
        Frameset {
            rgb: shot(self.sensor.colour(colour, exposure, sequence), at, sequence),
            ir: Some(shot(self.sensor.infrared(infrared, sequence), at, sequence)),
            depth: Some(shot(self.sensor.depth(range, sequence), at, sequence)),
        }
    }

    /// Where the faces of the scene truly are in the frames of that moment; also those that no camera sees in the dark.
    #[must_use]
    pub fn faces(&self, scene: &Scene, at: Mono) -> Vec<Detection> {
        let seconds = self.seconds(at);
        match scene {
            Scene::Nobody => Vec::new(),
            Scene::Live(portrait) | Scene::Dark(portrait) => portrait.alone().faces(&sways(seconds)),
            Scene::Two(left, right) => left.beside(right).faces(&sways(seconds)),
            Scene::Print(portrait) => vec![portrait.print().face(&tilt(seconds))],
            Scene::Screen(portrait) => vec![portrait.screen().face(&tilt(seconds))],
        }
    }

    fn seconds(&self, at: Mono) -> f32 {
        // All motions repeat within an hour; single precision keeps a tenth of a millisecond there.
        (at.0 % 3_600_000_000) as f32 / 1e6 + self.phase
    }

    fn show(&self, held: &Held, seconds: f32) -> Layers {
        let mut layers = self.room.clone();
        held.draw(&mut layers, &tilt(seconds));
        layers
    }
}

fn shot<P>(plane: Plane<P>, at: Mono, sequence: u32) -> Arc<Shot<P>> {
    Arc::new(Shot { sequence, at, plane })
}

/// How the left (or only) and the right person move: the slow sway of somebody who stands and breathes.
fn sways(seconds: f32) -> [Sway; 2] {
    let wave = |hertz: f32, shift: f32| (TAU * (hertz * seconds + shift)).sin();
    [0.0, 0.43].map(|who| Sway {
        right: 3.2 * wave(0.21, who) + 1.1 * wave(0.53, 0.2 + who),
        down: 1.4 * wave(0.27, 0.6 + who) + 0.5 * wave(0.71, who),
        roll: 0.010 * wave(0.17, 0.3 + who),
        growth: 0.006 * wave(0.24, 0.1 + who),
    })
}

/// How a hand holds a sheet: it drifts, turns, and trembles a little.
fn tilt(seconds: f32) -> Tilt {
    let wave = |hertz: f32, shift: f32| (TAU * (hertz * seconds + shift)).sin();
    Tilt {
        right: 6.0 * wave(0.19, 0.0) + 1.2 * wave(1.3, 0.4),
        down: 4.0 * wave(0.23, 0.3) + 1.0 * wave(1.1, 0.1),
        roll: 0.035 + 0.03 * wave(0.16, 0.2) + 0.004 * wave(1.2, 0.6),
        yaw: 0.25 * wave(0.13, 0.5),
        pitch: 0.12 + 0.10 * wave(0.11, 0.8),
    }
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
