//! How bodies and hands move, as functions of time.

use std::f32::consts::TAU;

use doorward_core::liveness::movement::Move;
use doorward_core::time::Mono;

use super::composition::{ACT_MS, Act};
use super::smooth;

/// How far a head turns when it is asked to, radians: 24 degrees.
const TURN: f32 = 0.42;
/// How far a head is lowered in a nod, radians: 17 degrees.
const NOD: f32 = 0.30;
/// How much larger somebody looks who came nearer.
const NEARER: f32 = 0.35;
/// Milliseconds from rest to an action's end.
const THERE_MS: f32 = 800.0;
/// Seconds between two blinks; people who stand and wait blink 15 to 20 times a minute.
const BLINK_EVERY: f32 = 3.6;
/// Seconds of a blink, from the first movement of the lid to the last.
const BLINK: f32 = 0.30;

/// Where a body or a thing is, and how it is turned, at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pose {
    /// Shift in the picture, pixels.
    pub(super) right: f32,
    pub(super) down: f32,
    /// Radians: clockwise, towards the picture's right, downwards.
    pub(super) roll: f32,
    pub(super) yaw: f32,
    pub(super) pitch: f32,
    /// Apparent size relative to that at rest.
    pub(super) scale: f32,
    /// How far the eyes are open, 0 to 1.
    pub(super) lids: f32,
    /// How far the mouth smiles beyond what the portrait does, 0 to 1.
    pub(super) smile: f32,
}

/// The slow sway of somebody who stands and breathes; `who` keeps two from swaying alike.
pub(super) fn standing(seconds: f32, who: usize, act: Option<Act>, at: Mono) -> Pose {
    let who = if who == 0 { 0.0 } else { 0.43 };
    let wave = |hertz: f32, shift: f32| (TAU * (hertz * seconds + shift)).sin();
    let [yaw, pitch, nearer, smile] = done(act, at);
    Pose {
        right: 3.2 * wave(0.21, who) + 1.1 * wave(0.53, 0.2 + who),
        down: 1.4 * wave(0.27, 0.6 + who) + 0.5 * wave(0.71, who),
        roll: 0.010 * wave(0.17, 0.3 + who),
        yaw: 0.020 * wave(0.19, 0.7 + who) + TURN * yaw,
        pitch: 0.012 * wave(0.23, 0.4 + who) + NOD * pitch,
        scale: (1.0 + 0.006 * wave(0.24, 0.1 + who)) * (1.0 + NEARER * nearer),
        lids: lids(seconds + 7.0 * who),
        smile,
    }
}

/// How a hand holds a sheet: it drifts, turns, and trembles a little.
pub(super) fn held(seconds: f32, act: Option<Act>, at: Mono) -> Pose {
    let wave = |hertz: f32, shift: f32| (TAU * (hertz * seconds + shift)).sin();
    let [yaw, pitch, nearer, _] = done(act, at);
    Pose {
        right: 6.0 * wave(0.19, 0.0) + 1.2 * wave(1.3, 0.4),
        down: 4.0 * wave(0.23, 0.3) + 1.0 * wave(1.1, 0.1),
        roll: 0.035 + 0.03 * wave(0.16, 0.2) + 0.004 * wave(1.2, 0.6),
        yaw: 0.25 * wave(0.13, 0.5) * (1.0 - yaw.abs()) + TURN * yaw,
        pitch: 0.12 + 0.10 * wave(0.11, 0.8) + NOD * pitch,
        scale: (1.0 + 0.02 * wave(0.17, 0.6)) * (1.0 + NEARER * nearer),
        lids: 1.0,
        smile: 0.0,
    }
}

/// On a stand nothing moves by itself.
pub(super) fn stood(act: Option<Act>, at: Mono) -> Pose {
    let [yaw, pitch, nearer, _] = done(act, at);
    Pose {
        right: 0.0,
        down: 0.0,
        roll: 0.012,
        yaw: 0.05 + TURN * yaw,
        pitch: 0.06 + NOD * pitch,
        scale: 1.0 + NEARER * nearer,
        lids: 1.0,
        smile: 0.0,
    }
}

/// How much of an action is done at a time: turned to the right, lowered, nearer, smiling; each -1 to 1.
fn done(act: Option<Act>, at: Mono) -> [f32; 4] {
    let Some(Act { action, from }) = act.filter(|act| at >= act.from) else { return [0.0; 4] };
    let ms = at.since(from).as_secs_f32() * 1e3;
    let share = smooth(0.0, THERE_MS, ms).min(1.0 - smooth(ACT_MS as f32 - THERE_MS, ACT_MS as f32, ms));
    match action {
        Move::TurnLeft => [share, 0.0, 0.0, 0.0],
        Move::TurnRight => [-share, 0.0, 0.0, 0.0],
        Move::Nod => [0.0, share, 0.0, 0.0],
        Move::Closer => [0.0, 0.0, share, 0.0],
        Move::Smile => [0.0, 0.0, 0.0, share],
    }
}

/// A lid falls faster than it rises.
fn lids(seconds: f32) -> f32 {
    let into = seconds.rem_euclid(BLINK_EVERY) / BLINK;
    if into < 0.33 { 1.0 - smooth(0.0, 0.33, into) } else { smooth(0.45, 1.0, into) }
}
