//! What the cameras see and what the models say of it. Pixels are drawn so that the real quality, infrared and depth
//! rules judge them; only the networks are scripted.

#![expect(clippy::cast_possible_truncation, reason = "distances of a few metres fit into 16 bits")]

use std::sync::{Arc, Mutex};

use doorward_core::frame::{Frameset, Plane, Rgb, Shot};
use doorward_core::geometry::{Landmarks, Point, Rect};
use doorward_core::liveness::movement::Move;
use doorward_core::liveness::{Asks, Level, Mirrors, Policy};
use doorward_core::template::TemplateVersion;
use doorward_core::time::Mono;
use doorward_core::vision::{Detection, Vision, VisionFault};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::proof::Lamp;

/// Values of a simulated template.
pub(crate) const DIMENSION: usize = 64;
/// The simulated model.
pub(crate) const VERSION: TemplateVersion = TemplateVersion { model: [3; 32], preprocessing: 1 };

const WIDTH: u16 = 160;
const HEIGHT: u16 = 120;
/// Middle of the face, pixels.
const CENTRE: (f32, f32) = (80.0, 58.0);
/// Distance of the face, millimetres; with 70 degrees over 160 pixels, 63 mm between the eyes are 14 pixels.
const DISTANCE: f32 = 500.0;
const MM_PER_PIXEL: f32 = 4.4;

/// What is held up instead of a face.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reproduction {
    /// Flat paper whose ink infrared does not see.
    Print,
    /// A screen, dark in infrared.
    Screen,
    /// A print that fools the colour model and infrared; only depth sees it.
    PerfectPrint,
    /// A rigid mask with painted eyes, worn: all sensors take it for a face, and it turns like one.
    RigidMask,
}

impl Reproduction {
    /// Whether it can pass for the person where that is asked for, as far as what is fitted can tell; `claimed`: with a
    /// credential that answers in place of a movement.
    pub(crate) fn fools(self, policy: &Policy, claimed: bool) -> bool {
        let moves = policy.level == Level::High || policy.asks == Asks::Always;
        let painted = match policy.glint {
            Mirrors::Off => claimed || !moves,
            Mirrors::Required => false,
            Mirrors::OrMovement => claimed,
        };
        match self {
            Reproduction::Print | Reproduction::Screen => false,
            Reproduction::PerfectPrint => painted && !policy.fitted.depth,
            Reproduction::RigidMask => painted,
        }
    }
}

/// What stands before the cameras.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Figure {
    /// Nobody.
    Nobody,
    /// A live person.
    Live(u8),
    /// A picture of a person.
    Reproduced(u8, Reproduction),
    /// Two persons.
    Two(u8, u8),
    /// A person without light.
    Dark(u8),
}

/// What the world lets the eyes see.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    /// What stands there.
    pub(crate) figure: Figure,
    /// The infrared camera is lost.
    pub(crate) infrared_lost: bool,
    /// The depth camera is lost.
    pub(crate) depth_lost: bool,
    /// The models are broken.
    pub(crate) broken: bool,
    /// What the infrared light does.
    pub(crate) lamp: Lamp,
    /// Whether it lights this moment.
    pub(crate) lit: bool,
    /// Whether the infrared camera is fine enough to show what eyes mirror.
    pub(crate) fine: bool,
    /// Whether whoever stands there has the eyes closed.
    pub(crate) closed: bool,
    /// Whether whoever stands there does what the panel asks for.
    pub(crate) obedient: bool,
    /// What the person does now.
    pub(crate) moving: Option<Move>,
}

impl View {
    /// Nobody, and everything in order.
    pub(crate) fn empty() -> Self {
        Self {
            figure: Figure::Nobody,
            infrared_lost: false,
            depth_lost: false,
            broken: false,
            lamp: Lamp::Follows,
            lit: true,
            fine: false,
            closed: false,
            obedient: true,
            moving: None,
        }
    }

    /// Whether a camera delivers nothing.
    pub(crate) fn has_lost(&self, sensor: Sensor) -> bool {
        match sensor {
            Sensor::Colour => false,
            Sensor::Infrared => self.infrared_lost,
            Sensor::Depth => self.depth_lost,
        }
    }

    /// Whether eyes mirror the light: living ones that are open.
    pub(crate) fn glints(&self) -> bool {
        matches!(self.figure, Figure::Live(_)) && !self.closed
    }

    /// Whether there is a face that is solid.
    fn is_solid(&self) -> bool {
        match self.figure {
            Figure::Live(_) | Figure::Two(..) | Figure::Dark(_) => true,
            Figure::Reproduced(_, kind) => kind == Reproduction::RigidMask,
            Figure::Nobody => false,
        }
    }

    /// Whether the face smiles: a living one, when asked to.
    fn smiles(&self) -> bool {
        self.moving == Some(Move::Smile) && matches!(self.figure, Figure::Live(_))
    }

    /// How much larger the face is than usual.
    fn zoom(&self) -> f32 {
        if self.moving == Some(Move::Closer) { 1.35 } else { 1.0 }
    }
}

/// One of the cameras.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Sensor {
    /// Colour.
    Colour,
    /// Infrared.
    Infrared,
    /// Depth.
    Depth,
}

/// The frames of one moment, of which one sensor repeats its picture of the moment before, with a new time.
pub(crate) fn frozen(frames: Frameset, sensor: Sensor, before: &Frameset) -> Frameset {
    fn again<P: Clone>(now: &Arc<Shot<P>>, before: &Arc<Shot<P>>) -> Arc<Shot<P>> {
        Arc::new(Shot { plane: before.plane.clone(), ..Shot::clone(now) })
    }
    match sensor {
        Sensor::Colour => Frameset { rgb: again(&frames.rgb, &before.rgb), ..frames },
        Sensor::Infrared => {
            let ir = frames.ir.as_ref().zip(before.ir.as_ref()).map(|(now, before)| again(now, before));
            Frameset { ir, ..frames }
        }
        Sensor::Depth => {
            let depth =
                frames.depth.as_ref().zip(before.depth.as_ref()).map(|(now, before)| again(now, before));
            Frameset { depth, ..frames }
        }
    }
}

/// Framesets of a recording.
const TAPE: usize = 8;

/// What somebody records before a terminal's cameras, to play it in a loop in place of one of them.
#[derive(Debug, Default)]
pub(crate) struct Tape {
    recorded: Vec<Frameset>,
    /// The camera it is played in place of, and how much of it was.
    playing: Option<(Sensor, usize)>,
}

impl Tape {
    /// Plays what was recorded last, in place of a camera, or stops.
    pub(crate) fn play(&mut self, sensor: Option<Sensor>) {
        self.playing = sensor.filter(|_| self.recorded.len() >= 2).map(|sensor| (sensor, 0));
    }

    /// In place of which camera it is played.
    pub(crate) fn plays(&self) -> Option<Sensor> {
        self.playing.map(|(sensor, _)| sensor)
    }

    /// A terminal starts: it has seen nothing of what was recorded.
    pub(crate) fn cut(&mut self) {
        *self = Self::default();
    }

    /// The frames of a moment as they arrive.
    pub(crate) fn through(&mut self, frames: Frameset) -> Frameset {
        let Some((sensor, at)) = &mut self.playing else {
            if self.recorded.len() == TAPE {
                self.recorded.remove(0);
            }
            self.recorded.push(frames.clone());
            return frames;
        };
        let recorded = &self.recorded[*at % self.recorded.len()];
        *at += 1;
        frozen(frames, *sensor, recorded)
    }
}

/// The frames of one moment; `number` makes every picture a new one.
pub(crate) fn frameset(view: &View, at: Mono, number: u32) -> Frameset {
    let print = |kind| matches!(view.figure, Figure::Reproduced(_, k) if k == kind);
    let dark = matches!(view.figure, Figure::Dark(_));
    let flat = !view.is_solid();
    let nobody = view.figure == Figure::Nobody;
    let zoom = view.zoom();
    let mut noise = ChaCha8Rng::seed_from_u64(u64::from(number));
    let rgb = plane(|x, y| {
        let light = if dark { 8 } else { 90 };
        let texture = if dark { 3 } else { 90 };
        let checker = if (x / 3 + y / 3) % 2 == 0 { texture } else { 0 };
        let drawn = mouth(x, y, view).filter(|_| !dark).unwrap_or(light + checker);
        [drawn + noise.random_range(0..4u8); 3]
    });
    let ir = plane(|x, y| {
        let inside = oval(x, y, zoom) < 1.0;
        let checker = if (x / 3 + y / 3) % 2 == 0 { 50 } else { 0 };
        let light = match inside && !nobody {
            true if print(Reproduction::Screen) => 8,
            true if print(Reproduction::Print) => 180,
            // Infrared shows the same mouth, paler.
            true => mouth(x, y, view).map_or(100 + checker, |level| 60 + level / 2),
            false => 30,
        };
        let light = if view.lit { light } else { 6 + light / 16 };
        light + noise.random_range(0..3u8)
    });
    let depth = plane(|x, y| {
        let head = 1.0 - oval(x, y, zoom);
        let mm = MM_PER_PIXEL / zoom;
        let (mx, my) = ((f32::from(x) - CENTRE.0) * mm, (f32::from(y) - CENTRE.1 - 3.0) * mm);
        let nose = 22.0 * (-(mx / 9.0).powi(2) - (my / 14.0).powi(2)).exp();
        let mm = match head > 0.0 && !nobody {
            true if flat => DISTANCE / zoom,
            true => DISTANCE / zoom + 80.0 - 80.0 * head.sqrt() - nose,
            false => 2500.0,
        };
        mm as u16 + noise.random_range(0..2u16)
    });
    Frameset {
        rgb: shot(rgb, at, number),
        ir: (!view.infrared_lost).then(|| shot(if view.fine { fine(&ir, view) } else { ir }, at, number)),
        depth: (!view.depth_lost).then(|| shot(depth, at, number)),
    }
}

/// Pixels of a fine infrared camera to each side of one of the others: 70 between the eyes.
const FINE: u32 = 5;

/// The picture of a fine infrared camera: eyes are dark, and what mirrors the light has a bright point in each.
fn fine(ir: &Plane<u8>, view: &View) -> Plane<u8> {
    const DARK: u8 = 60;
    let mut pixels = Vec::with_capacity(ir.pixels().len() * (FINE * FINE) as usize);
    for y in 0..ir.height() {
        let row: Vec<u8> = ir.row(y).iter().flat_map(|v| [*v; FINE as usize]).collect();
        (0..FINE).for_each(|_| pixels.extend_from_slice(&row));
    }
    let mut plane = Plane::new(FINE * ir.width(), FINE * ir.height(), pixels).expect("a plane of its size");
    let wide = plane.width();
    let [left, right, ..] = face(0.0, view).landmarks.points();
    for eye in [left, right].into_iter().filter(|_| view.figure != Figure::Nobody) {
        let (x, y) = ((FINE as f32 * eye.x) as u32, (FINE as f32 * eye.y) as u32);
        for (dx, dy) in (0..=40u32).flat_map(|dy| (0..=40u32).map(move |dx| (dx, dy))) {
            let point = dx.abs_diff(20).max(dy.abs_diff(20)) <= 1;
            let level = if point && view.lit && view.glints() {
                2 * DARK
            } else {
                DARK / if view.lit { 1 } else { 6 }
            };
            plane.pixels_mut()[((y + dy - 20) * wide + x + dx - 20) as usize] = level;
        }
    }
    plane
}

fn plane<P: Copy>(mut pixel: impl FnMut(u16, u16) -> P) -> Plane<P> {
    let mut pixels = Vec::with_capacity(usize::from(WIDTH) * usize::from(HEIGHT));
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            pixels.push(pixel(x, y));
        }
    }
    Plane::new(u32::from(WIDTH), u32::from(HEIGHT), pixels).expect("a plane of its size")
}

/// The level of the lower face: a short straight mouth, or one that is wide, turned up, and shows its teeth.
fn mouth(x: u16, y: u16, view: &View) -> Option<u8> {
    const SKIN: u8 = 150;
    let (u, v) = ((f32::from(x) - CENTRE.0) / view.zoom(), (f32::from(y) - CENTRE.1) / view.zoom());
    if view.figure == Figure::Nobody || u.abs() > 14.0 || !(0.5..19.0).contains(&v) {
        return None;
    }
    let (half, curve) = if view.smiles() { (8.0, 0.06) } else { (3.0, 0.0) };
    let off = (v - 10.5 + curve * u * u).abs();
    Some(match u.abs() < half {
        true if view.smiles() && off < 1.0 => 230,
        true if off < 2.0 => 70,
        _ => SKIN,
    })
}

/// 0 in the middle of the head, 1 at its outline.
fn oval(x: u16, y: u16, zoom: f32) -> f32 {
    let square = ((f32::from(x) - CENTRE.0) / 20.0).powi(2) + ((f32::from(y) - CENTRE.1) / 26.0).powi(2);
    square / (zoom * zoom)
}

fn shot<P>(plane: Plane<P>, at: Mono, sequence: u32) -> Arc<Shot<P>> {
    Arc::new(Shot { sequence, at, plane })
}

/// Networks that know the script.
pub(crate) struct Script {
    view: Arc<Mutex<View>>,
    calls: u64,
}

impl Script {
    /// Networks that look at `view`.
    pub(crate) fn new(view: Arc<Mutex<View>>) -> Self {
        Self { view, calls: 0 }
    }

    fn view(&self, model: &'static str) -> Result<View, VisionFault> {
        let view = *self.view.lock().expect("one thread");
        if view.broken { Err(VisionFault { model, source: "broken by script".into() }) } else { Ok(view) }
    }
}

impl Vision for Script {
    fn version(&self) -> TemplateVersion {
        VERSION
    }

    fn detect(&mut self, _: &Plane<Rgb>) -> Result<Vec<Detection>, VisionFault> {
        let view = self.view("detector")?;
        Ok(match view.figure {
            Figure::Nobody | Figure::Dark(_) => vec![],
            Figure::Live(_) | Figure::Reproduced(..) => vec![face(0.0, &view)],
            Figure::Two(..) => vec![face(0.0, &view), face(45.0, &view)],
        })
    }

    fn liveness(&mut self, _: &Plane<Rgb>, _: &Detection) -> Result<f32, VisionFault> {
        Ok(match self.view("liveness")?.figure {
            Figure::Reproduced(_, Reproduction::Print | Reproduction::Screen) => 0.1,
            Figure::Nobody
            | Figure::Live(_)
            | Figure::Two(..)
            | Figure::Dark(_)
            | Figure::Reproduced(_, Reproduction::PerfectPrint | Reproduction::RigidMask) => 0.97,
        })
    }

    fn embed(&mut self, _: &Plane<Rgb>, _: &Landmarks) -> Result<Vec<f32>, VisionFault> {
        self.calls += 1;
        let who = match self.view("embedding")?.figure {
            Figure::Live(who) | Figure::Reproduced(who, _) | Figure::Two(who, _) | Figure::Dark(who) => who,
            Figure::Nobody => {
                return Err(VisionFault { model: "embedding", source: "nobody to embed".into() });
            }
        };
        Ok(features(who, 0.25, self.calls))
    }
}

/// The feature vector of a person in one picture: a fixed direction, and `spread` of another one.
pub(crate) fn features(who: u8, spread: f32, picture: u64) -> Vec<f32> {
    let mut person = ChaCha8Rng::seed_from_u64(1000 + u64::from(who));
    let mut noise = ChaCha8Rng::seed_from_u64(picture);
    (0..DIMENSION)
        .map(|_| person.random_range(-1.0..1.0) + spread * noise.random_range(-1.0f32..1.0))
        .collect()
}

/// A face as it is held. The nose of a head stands out of it and goes ahead where it turns; on a sheet that is moved in
/// the hand it does not. Both sink where they are lowered.
fn face(shift: f32, view: &View) -> Detection {
    let sunk = if view.moving == Some(Move::Nod) { 4.2 } else { 0.0 };
    let (x, y, zoom) = (CENTRE.0 + shift, CENTRE.1 + sunk, view.zoom());
    let solid = view.is_solid();
    let ahead = match view.moving {
        Some(Move::TurnLeft) if solid => (4.5, 0.0),
        Some(Move::TurnRight) if solid => (-4.5, 0.0),
        Some(Move::TurnLeft | Move::TurnRight | Move::Nod | Move::Closer | Move::Smile) | None => (0.0, 0.0),
    };
    let points = [(-7.0, -6.0), (7.0, -6.0), (ahead.0, 3.0 + ahead.1), (-5.0, 10.0), (5.0, 10.0)];
    Detection {
        score: 0.93,
        region: Rect { x: x - 15.0 * zoom, y: y - 19.0 * zoom, width: 30.0 * zoom, height: 38.0 * zoom },
        landmarks: Landmarks::from_points(points.map(|(dx, dy)| Point::new(x + zoom * dx, y + zoom * dy))),
    }
}
