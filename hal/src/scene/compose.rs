//! Puts a scene together: persons or the empty room, then each thing before them.

use std::sync::Arc;

use doorward_core::frame::Plane;
use doorward_core::geometry::Point;
use doorward_core::time::Mono;
use doorward_core::vision::Detection;

use super::composition::{Carrier, Content, Light, Mounting, Person, Place, Scene, Skin};
use super::eyes::Eye;
use super::held::{Glare, Held};
use super::material::{BLACK, HALF_METRE, WHITE_AT_HALF_METRE};
use super::medium::Make;
use super::motion::{self, Pose};
use super::standing::Standing;
use super::{HEIGHT, Layers, WIDTH, focal, word};

/// Where the middle of a held thing rests in the picture.
const REST: Point = Point::new(320.0, 211.0);
/// How far to the side one rests that is held beside somebody.
const ASIDE: f32 = 157.0;
/// A mask of paper lies this far before the eyes, on nose and brows, millimetres.
const WORN_MM: f32 = 20.0;
/// What the emitter's reflection belongs to lies within this of its surface, millimetres.
const SAME_MM: f32 = 60.0;

/// Persons of a scene and how they stand.
struct Crowd {
    standing: Arc<Standing>,
    poses: Vec<Pose>,
}

/// What the cameras would see if they had no noise, and what lies in it.
pub(super) struct Picture {
    pub(super) layers: Layers,
    eyes: Vec<Eye>,
    glares: Vec<Glare>,
}

/// The scene at a time; `seconds` is where the motions are.
pub(super) fn picture(scene: &Scene, room: &Layers, seconds: f32, at: Mono) -> Picture {
    let crowd = crowd(&scene.persons, seconds, at);
    let held = held(scene, crowd.as_ref(), seconds, at);
    let mut layers = crowd.as_ref().map_or_else(|| room.clone(), |crowd| crowd.standing.moved(&crowd.poses));
    for (held, carrier) in held.iter().zip(&scene.carriers) {
        match &carrier.content {
            Content::Photo(_) => held.draw(&mut layers, None),
            Content::Video(person) => {
                held.draw(&mut layers, Some(&playing(held, carrier, person, seconds, at)));
            }
        }
    }
    let eyes = crowd.map_or_else(Vec::new, |crowd| crowd.standing.eyes(&crowd.poses));
    let glares = held.iter().filter_map(Held::glare).collect();
    Picture { layers, eyes, glares }
}

impl Picture {
    /// The levels of the infrared camera; the emitter was on for the share `emitter` of the exposure.
    pub(super) fn infrared(&self, light: &Light, emitter: f32) -> Vec<f32> {
        let emitter = WHITE_AT_HALF_METRE * emitter.clamp(0.0, 1.0) * light.emitter;
        let white = |mm: f32| emitter * (HALF_METRE / mm.max(100.0)).powi(2);
        let by_distance: Vec<f32> = (0..4096u16).map(|k| white(f32::from(k * 4 + 2))).collect();
        // A lamp at the left: less of it arrives at the right.
        let around: Vec<f32> = (0..WIDTH)
            .map(|x| {
                WHITE_AT_HALF_METRE * (light.ambient + light.lamp * (1.2 - 0.4 * x as f32 / WIDTH as f32))
            })
            .collect();
        let mut levels = Vec::with_capacity(self.layers.nir.pixels().len());
        let width = WIDTH as usize;
        let (nir, range) = (self.layers.nir.pixels(), self.layers.range.pixels());
        for (reflectances, ranges) in nir.chunks_exact(width).zip(range.chunks_exact(width)) {
            let row = reflectances.iter().zip(ranges).zip(&around);
            levels.extend(row.map(|((reflectance, mm), around)| {
                let from_emitter = by_distance[usize::from(mm / 4).min(by_distance.len() - 1)];
                BLACK + f32::from(*reflectance) / 255.0 * (from_emitter + around)
            }));
        }
        for eye in &self.eyes {
            eye.glint(&self.layers, &mut levels, white(eye.distance));
        }
        for glare in &self.glares {
            glare.add(&self.layers.range, &mut levels, white(glare.distance));
        }
        levels
    }
}

impl Glare {
    fn add(&self, range: &Plane<u16>, levels: &mut [f32], white: f32) {
        let reach = 3.5 * self.spread;
        let span = |centre: f32, side: u32| {
            let from = (centre - reach).clamp(0.0, side as f32);
            from as usize..(centre + reach + 1.0).clamp(from, side as f32) as usize
        };
        for y in span(self.at.y, HEIGHT) {
            for x in span(self.at.x, WIDTH) {
                let at = y * WIDTH as usize + x;
                if (f32::from(range.pixels()[at]) - self.distance).abs() < SAME_MM {
                    let square = (x as f32 - self.at.x).powi(2) + (y as f32 - self.at.y).powi(2);
                    levels[at] += white * self.peak * (-square / (2.0 * self.spread.powi(2))).exp();
                }
            }
        }
    }
}

fn crowd(persons: &[Person], seconds: f32, at: Mono) -> Option<Crowd> {
    let (standing, persons): (_, Vec<&Person>) = match persons {
        [] => return None,
        [one] => (one.portrait.alone(one.place, one.skin), vec![one]),
        [one, two, ..] => {
            let (left, right) = if two.place == Place::Left { (two, one) } else { (one, two) };
            let standing = left.portrait.beside(left.skin, (&right.portrait, right.skin));
            (standing, vec![left, right])
        }
    };
    let pose = |(who, person): (usize, &&Person)| {
        let mut pose = motion::standing(seconds, who, person.act, at);
        pose.scale *= person.distance_mm.map_or(1.0, |mm| standing.distance(who) / mm);
        pose.smile = if person.skin == Skin::Living { pose.smile } else { 0.0 };
        pose
    };
    let poses = persons.iter().enumerate().map(pose).collect();
    Some(Crowd { standing, poses })
}

fn held(scene: &Scene, crowd: Option<&Crowd>, seconds: f32, at: Mono) -> Vec<Held> {
    let aside = |place: Place| match place {
        Place::Middle => REST,
        Place::Left => Point::new(REST.x - ASIDE, REST.y),
        Place::Right => Point::new(REST.x + ASIDE, REST.y),
    };
    let put = |carrier: &Carrier| {
        let Carrier { medium, cut, shape, mounting, .. } = *carrier;
        let texture = carrier.portrait().texture(Make { medium, cut, mounting });
        let kind = (medium.surface(), cut, shape);
        match (mounting, crowd) {
            (Mounting::Worn, Some(crowd)) => {
                let (pose, rest) = worn(crowd, &texture.face, texture.body.centre(), texture.texel_mm);
                Held::new(texture, kind, pose, rest)
            }
            (Mounting::Hand, _) => {
                Held::new(texture, kind, motion::held(seconds, carrier.act, at), aside(carrier.place))
            }
            (Mounting::Stand | Mounting::Worn, _) => {
                Held::new(texture, kind, motion::stood(carrier.act, at), aside(carrier.place))
            }
        }
    };
    scene.carriers.iter().map(put).collect()
}

/// The pose of a mask before the first person's face, and where its middle rests.
fn worn(crowd: &Crowd, pictured: &Detection, middle: Point, texel_mm: f32) -> (Pose, Point) {
    let own = crowd.poses[0];
    let [left, right, ..] = crowd.standing.faces(&crowd.poses)[0].landmarks.points();
    let distance = (crowd.standing.distance(0) / own.scale - WORN_MM).max(100.0);
    let scale = texel_mm * focal() / distance;
    let roll = (right.y - left.y).atan2(right.x - left.x);
    let [a, b, ..] = pictured.landmarks.points();
    let eyes = a.middle(b);
    // The pictured eyes are turned in the photograph already.
    let roll = roll - (b.y - a.y).atan2(b.x - a.x);
    let (sin, cos) = roll.sin_cos();
    let (x, y) = (scale * (eyes.x - middle.x), scale * (eyes.y - middle.y));
    let to = left.middle(right);
    let rest = Point::new(to.x - (x * cos - y * sin), to.y - (x * sin + y * cos));
    (Pose { right: 0.0, down: 0.0, roll, scale, lids: 1.0, ..own }, rest)
}

/// Where the faces of the scene are.
pub(super) fn faces(scene: &Scene, seconds: f32, at: Mono) -> Vec<Detection> {
    let crowd = crowd(&scene.persons, seconds, at);
    let held = held(scene, crowd.as_ref(), seconds, at);
    let worn = scene.carriers.iter().any(|carrier| carrier.mounting == Mounting::Worn);
    let mut faces = crowd.map_or_else(Vec::new, |crowd| crowd.standing.faces(&crowd.poses));
    if worn && !faces.is_empty() {
        faces.remove(0);
    }
    for (held, carrier) in held.iter().zip(&scene.carriers) {
        faces.push(match &carrier.content {
            Content::Photo(_) => held.face(&held.texture.face),
            Content::Video(person) => {
                let film = Film::of(held, person, seconds, at);
                held.face(&film.to_texture(&film.standing.faces(&[film.pose])[0]))
            }
        });
    }
    faces
}

/// A film on a screen at one moment.
struct Film {
    standing: Arc<Standing>,
    pose: Pose,
    /// Pixels of the film for a texel.
    step: f32,
    /// The middle of the face at rest, in the film and on the screen.
    from: Point,
    to: Point,
}

impl Film {
    fn of(held: &Held, person: &Person, seconds: f32, at: Mono) -> Self {
        let standing = person.portrait.alone(Place::Middle, Skin::Living);
        // Filmed at another time than it is shown.
        let pose = motion::standing(seconds + 11.0, 1, person.act, at);
        let (rest, shown) = (standing.at_rest(), held.texture.face.region);
        let (step, from, to) = (rest.width / shown.width, rest.centre(), shown.centre());
        Self { standing, pose, step, from, to }
    }

    fn to_texture(&self, face: &Detection) -> Detection {
        let scale = 1.0 / self.step;
        let shift = Point::new(self.to.x - self.from.x * scale, self.to.y - self.from.y * scale);
        super::portrait::placed(face, scale, scale, shift)
    }
}

/// The texels of a screen that shows a film.
fn playing(held: &Held, carrier: &Carrier, person: &Person, seconds: f32, at: Mono) -> Vec<u32> {
    let film = Film::of(held, person, seconds, at);
    let layers = film.standing.moved(&[film.pose]);
    let mut light = held.texture.light.clone();
    let (left, top, across, down) = held.texture.shown;
    for y in 0..down as usize {
        for x in 0..across as usize {
            let at = (top + y) * held.texture.width + left + x;
            // What holds the screen stays before it.
            if held.texture.behind[at] != 0 {
                continue;
            }
            let source = |texel: usize, to: f32, from: f32, side: u32| {
                (from + film.step * (texel as f32 - to)).clamp(0.0, (side - 1) as f32) as u32
            };
            let dot = layers.colour.at(
                source(left + x, film.to.x, film.from.x, WIDTH),
                source(top + y, film.to.y, film.from.y, HEIGHT),
            );
            let infrared = super::byte(255.0 * carrier.medium.reflectance(dot));
            light[at] = word::pack(carrier.medium.colour(dot), infrared);
        }
    }
    light
}
