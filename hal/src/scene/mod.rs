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

mod gloss;
mod head;
mod held;
mod portrait;
mod room;
mod sensor;
mod stage;
mod standing;
mod texture;
mod view;
mod word;

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
    /// A photograph on paper, held by a hand, in the usual dye ink, which infrared does not see.
    Print(Portrait),
    /// The same in carbon ink, which is black in infrared too.
    CarbonPrint(Portrait),
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
/// What does not change between frames is prepared once, at a portrait's first frame in a scene (some 100 ms); after
/// that a frameset takes about 7 ms.
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
            Scene::CarbonPrint(portrait) => (self.show(portrait.carbon_print(), seconds), 1.0),
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
            Scene::CarbonPrint(portrait) => vec![portrait.carbon_print().face(&tilt(seconds))],
            Scene::Screen(portrait) => vec![portrait.screen().face(&tilt(seconds))],
        }
    }

    fn seconds(&self, at: Mono) -> f32 {
        // Every frequency below is a multiple of 0.01 Hz, so that the motions go on smoothly where the hour wraps; within
        // an hour single precision still tells quarters of a millisecond apart.
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use doorward_core::decision::Reject;
    use doorward_core::geometry::{Landmarks, Point, Rect};
    use doorward_core::liveness::{self, Evidence, Policy, depth, infrared};
    use doorward_core::quality::{self, Limits};
    use doorward_core::stages::Face;

    use super::*;
    use crate::photo;

    const MOMENTS: [u64; 4] = [0, 700, 4_300, 3_599_900];

    fn detection(region: Rect, points: [(f32, f32); 5]) -> Detection {
        let landmarks = Landmarks::from_points(points.map(|(x, y)| Point::new(x, y)));
        Detection { score: 0.93, region, landmarks }
    }

    /// A drawn head before a wall: enough structure for every rule, and nobody's face.
    fn drawn() -> Portrait {
        let (width, height) = (600u32, 760u32);
        let oval =
            |x: f32, y: f32, cx: f32, cy: f32, a: f32, b: f32| ((x - cx) / a).hypot((y - cy) / b) < 1.0;
        let paint = |i: u32| -> Rgb {
            let (x, y) = ((i % width) as f32, (i / width) as f32);
            let grain = (x * 0.9).sin() * (y * 1.1).cos() * 7.0;
            let base = if [240.0, 360.0].iter().any(|eye| oval(x, y, *eye, 300.0, 26.0, 13.0)) {
                [60.0, 45.0, 40.0]
            } else if [240.0, 360.0].iter().any(|eye| oval(x, y, *eye, 268.0, 36.0, 7.0)) {
                [70.0, 50.0, 40.0]
            } else if oval(x, y, 300.0, 434.0, 46.0, 13.0) {
                [150.0, 60.0, 60.0]
            } else if oval(x, y, 300.0, 366.0, 20.0, 14.0) {
                [170.0, 120.0, 100.0]
            } else if oval(x, y, 300.0, 330.0, 118.0, 170.0) {
                [208.0 - 0.15 * (x - 300.0).abs(), 160.0, 135.0]
            } else if oval(x, y, 300.0, 270.0, 140.0, 160.0) {
                [50.0, 40.0, 35.0]
            } else if oval(x, y, 300.0, 760.0, 270.0, 230.0) {
                [60.0, 80.0, 120.0]
            } else {
                [150.0 + 0.04 * x, 160.0, 150.0]
            };
            base.map(|c: f32| byte(c + grain))
        };
        let picture = Plane::new(width, height, (0..width * height).map(paint).collect()).unwrap();
        let region = Rect { x: 190.0, y: 175.0, width: 220.0, height: 320.0 };
        let points = [(240.0, 300.0), (360.0, 300.0), (300.0, 366.0), (258.0, 434.0), (342.0, 434.0)];
        Portrait::new(&picture, &detection(region, points)).unwrap()
    }

    /// What the terminal says if the colour model takes everything for live.
    fn verdict(renderer: &Renderer, scene: &Scene, ms: u64) -> Result<Evidence, Reject> {
        let at = Mono::from_millis(ms);
        let frames = renderer.frameset(scene, at, 7);
        let face = Face::dominant(frames, &renderer.faces(scene, at), &Limits::default())?;
        let good = quality::check(face, &Limits::default())?;
        let policy = Policy { depth_fov: FOV, ..Policy::default() };
        let evidence = liveness::gather(&good, 1.0, &policy);
        liveness::prove(good, evidence, &policy).map(|live| *live.evidence())
    }

    /// Infrared and depth scores of each face of the scene.
    fn scores(renderer: &Renderer, scene: &Scene, ms: u64) -> Vec<(f32, f32)> {
        let at = Mono::from_millis(ms);
        let frames = renderer.frameset(scene, at, 3);
        let (ir, range) = (&frames.ir.unwrap().plane, &frames.depth.unwrap().plane);
        let score = |face: &Detection| {
            (infrared::score(ir, (WIDTH, HEIGHT), face), depth::score(range, (WIDTH, HEIGHT), face, FOV))
        };
        renderer.faces(scene, at).iter().map(score).collect()
    }

    #[test]
    fn p1_p4_a_live_person_is_proven_and_a_print_and_a_screen_are_not() {
        let (renderer, portrait) = (Renderer::new(5), drawn());
        for ms in MOMENTS {
            let live = verdict(&renderer, &Scene::Live(portrait.clone()), ms);
            assert!(live.is_ok_and(|evidence| evidence.confidence() > 80.0), "{ms} ms: {live:?}");
            for scene in [Scene::Print(portrait.clone()), Scene::Screen(portrait.clone())] {
                assert_eq!(verdict(&renderer, &scene, ms), Err(Reject::NotLive), "{ms} ms");
                // Each family alone sees it.
                let (infrared, depth) = scores(&renderer, &scene, ms)[0];
                assert!(infrared < 0.2 && depth < 0.2, "{ms} ms: {infrared} {depth}");
            }
        }
    }

    #[test]
    fn p2_infrared_sees_carbon_ink_but_not_dye_and_depth_sees_neither_as_a_head() {
        let (renderer, portrait) = (Renderer::new(5), drawn());
        let contrast = |scene: &Scene, ms: u64| {
            let at = Mono::from_millis(ms);
            let marks = renderer.faces(scene, at)[0].landmarks;
            let plane = &renderer.frameset(scene, at, 4).ir.unwrap().plane;
            let grey = |p: Point| f32::from(plane.at(p.x as u32, p.y as u32));
            grey(marks.left_eye.middle(marks.right_eye)) - grey(marks.left_eye)
        };
        let (dye, carbon) = (Scene::Print(portrait.clone()), Scene::CarbonPrint(portrait));
        for ms in MOMENTS {
            assert!(contrast(&dye, ms) < 16.0 && contrast(&carbon, ms) > 30.0, "{ms} ms");
            assert_eq!(verdict(&renderer, &carbon, ms), Err(Reject::NotLive), "{ms} ms");
            assert!(scores(&renderer, &carbon, ms)[0].1 < 0.2, "{ms} ms");
        }
    }

    #[test]
    fn p7_two_live_persons_are_two_whole_faces_of_like_size() {
        let (renderer, portrait) = (Renderer::new(5), drawn());
        let scene = Scene::Two(portrait.clone(), portrait);
        assert_eq!(verdict(&renderer, &scene, 700), Err(Reject::ManyFaces));
        for (infrared, depth) in scores(&renderer, &scene, 700) {
            assert!(infrared > 0.8 && depth > 0.8, "{infrared} {depth}");
        }
    }

    #[test]
    fn the_dark_takes_colour_only_and_an_empty_room_has_nobody() {
        let (renderer, dark) = (Renderer::new(5), Scene::Dark(drawn()));
        let frames = renderer.frameset(&dark, Mono(0), 1);
        assert!(quality::brightness(&frames.rgb.plane) < 20.0);
        let (infrared, depth) = scores(&renderer, &dark, 0)[0];
        assert!(infrared > 0.8 && depth > 0.8);
        let empty = renderer.frameset(&Scene::Nobody, Mono(0), 1);
        assert!(renderer.faces(&Scene::Nobody, Mono(0)).is_empty());
        assert!((80.0..180.0).contains(&quality::brightness(&empty.rgb.plane)));
        let range = empty.depth.unwrap();
        assert!((2300..2700).contains(&range.plane.at(400, 200)));
    }

    #[test]
    fn frames_depend_on_seed_time_and_number_and_on_nothing_else() {
        let scene = Scene::Live(drawn());
        let take = |seed, ms, sequence| Renderer::new(seed).frameset(&scene, Mono::from_millis(ms), sequence);
        let (one, same) = (take(1, 500, 9), take(1, 500, 9));
        assert_eq!(one.rgb, same.rgb);
        assert_eq!((&one.ir, &one.depth), (&same.ir, &same.depth));
        for other in [take(2, 500, 9), take(1, 600, 9), take(1, 500, 10)] {
            assert_ne!(one.rgb.plane, other.rgb.plane);
            assert_ne!(one.ir.as_ref().unwrap().plane, other.ir.unwrap().plane);
            assert_ne!(one.depth.as_ref().unwrap().plane, other.depth.unwrap().plane);
        }
    }

    #[test]
    fn faces_are_where_the_frames_show_them() {
        let (renderer, portrait) = (Renderer::new(5), drawn());
        for scene in [Scene::Live(portrait.clone()), Scene::Print(portrait.clone()), Scene::Screen(portrait)]
        {
            for ms in MOMENTS {
                let at = Mono::from_millis(ms);
                let frames = renderer.frameset(&scene, at, 2);
                let marks = renderer.faces(&scene, at)[0].landmarks;
                let shade = |p: Point| {
                    let around = [(0.0, 0.0), (2.0, 0.0), (-2.0, 0.0), (0.0, 2.0), (0.0, -2.0)];
                    let dots = around.map(|(x, y)| frames.rgb.plane.at((p.x + x) as u32, (p.y + y) as u32));
                    dots.map(luminance).iter().sum::<f32>() / 5.0
                };
                let between = shade(marks.left_eye.middle(marks.right_eye));
                for eye in [marks.left_eye, marks.right_eye] {
                    assert!(shade(eye) < 0.75 * between, "{scene:?} {ms} ms: {} {between}", shade(eye));
                }
            }
        }
    }

    #[test]
    fn c2_odd_photographs_render_and_faces_that_are_none_are_refused() {
        let renderer = Renderer::new(5);
        let face = |x: f32, y: f32, side: f32| {
            let points = [(0.3, 0.35), (0.7, 0.35), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)];
            let region = Rect { x, y, width: side, height: 1.3 * side };
            detection(region, points.map(|(u, v)| (x + u * region.width, y + v * region.height)))
        };
        let odd = [
            (30, 40, face(2.0, 1.0, 26.0)),
            (2000, 40, face(1960.0, 0.0, 30.0)),
            (25, 1500, face(-2.0, 1470.0, 30.0)),
        ];
        for (width, height, face) in odd {
            let portrait =
                Portrait::new(&Plane::filled(width, height, [90, 80, 70]).unwrap(), &face).unwrap();
            for scene in [
                Scene::Two(portrait.clone(), portrait.clone()),
                Scene::Print(portrait.clone()),
                Scene::Live(portrait),
            ] {
                assert_eq!(renderer.frameset(&scene, Mono(0), 0).rgb.plane.width(), WIDTH);
            }
        }
        let picture = Plane::filled(300, 300, [90u8; 3]).unwrap();
        assert_eq!(Portrait::new(&picture, &face(9.0, 9.0, 12.0)).unwrap_err(), PortraitError::Small(12.0));
        for none in [
            face(400.0, 9.0, 50.0),
            face(f32::NAN, 9.0, 50.0),
            face(9.0, 9.0, f32::INFINITY),
            face(0.0, 0.0, f32::NAN),
        ] {
            assert_eq!(Portrait::new(&picture, &none).unwrap_err(), PortraitError::Astray);
        }
        let mut collapsed = face(50.0, 50.0, 100.0);
        collapsed.landmarks = Landmarks::from_points([Point::new(90.0, 90.0); 5]);
        assert_eq!(Portrait::new(&picture, &collapsed).unwrap_err(), PortraitError::Astray);
    }

    #[test]
    fn p1_p4_real_photographs_are_judged_like_the_drawn_one() {
        let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
        let Ok(text) = std::fs::read_to_string(beside.join("models/reference/photos.json")) else {
            eprintln!("skipped: no photographs in ../shared/media and ../shared/models/reference");
            return;
        };
        let known: serde_json::Value = serde_json::from_str(&text).unwrap();
        let renderer = Renderer::new(5);
        for name in [
            "ageitgey_obama.jpg",
            "ageitgey_biden.jpg",
            "vietmoney_true_001.jpg",
            "vietmoney_true_003.png",
            "deepface_img3.jpg",
            "deepface_img8.jpg",
            "aizoo_demo2.jpg",
        ] {
            let picture = photo::open(&beside.join("media/photos").join(name)).unwrap();
            let entry = &known[name];
            let number = |value: &serde_json::Value| value.as_f64().unwrap() as f32;
            let scale = picture.width() as f32 / number(&entry["width"]);
            let face = &entry["faces"][0];
            let [x, y, width, height] = std::array::from_fn(|k| scale * number(&face["box_xywh"][k]));
            let points = std::array::from_fn(|k| {
                (scale * number(&face["points"][k][0]), scale * number(&face["points"][k][1]))
            });
            let portrait = Portrait::new(&picture, &detection(Rect { x, y, width, height }, points)).unwrap();
            let live = verdict(&renderer, &Scene::Live(portrait.clone()), 700);
            assert!(live.is_ok_and(|evidence| evidence.confidence() > 80.0), "{name}: {live:?}");
            for scene in [
                Scene::Print(portrait.clone()),
                Scene::CarbonPrint(portrait.clone()),
                Scene::Screen(portrait),
            ] {
                assert_eq!(verdict(&renderer, &scene, 700), Err(Reject::NotLive), "{name} {scene:?}");
            }
        }
    }
}
