//! The shape of a person as far as depth and infrared cameras see it: a head of the size its eyes say, with nose,
//! brows and eye sockets, on a neck and shoulders, before a wall.

use doorward_core::frame::{Plane, Rgb};
use doorward_core::geometry::Point;
use doorward_core::vision::Detection;

use super::composition::Skin;
use super::material::{CLOTH_AND_HAIR, MASK, SKIN, WALL};
use super::{HEIGHT, WIDTH, byte, focal, luminance, mix, smooth};

/// Distance between the pupils of an adult (ISO 24553 has 63 in the middle), millimetres.
pub(super) const PUPILS_MM: f32 = 63.0;
/// From the front of a face to its outline, millimetres.
const HEAD_DEPTH_MM: f32 = 88.0;
/// How far a nose stands out, millimetres.
const NOSE_MM: f32 = 21.0;
/// How far a corner of the mouth moves in a smile, millimetres, and at which angle above the line of the eyes, radians: a
/// mouth of 50 mm gets 27 % wider, its corners go up at 47 degrees (Tarantili, Halazonetis, Spyropoulos 2005).
const SMILE_MM: f32 = 9.9;
const SMILE_ANGLE: f32 = 0.82;
/// How far around a corner the skin moves with it, in distances between the eyes.
const SMILE_SKIN: f32 = 0.34;
/// Over so many pixels above the lower border bodies come to rest.
const STILL: f32 = 170.0;
/// The wall behind, millimetres.
pub(super) const WALL_MM: f32 = 2500.0;

/// A head at rest in the picture.
pub(super) struct Head {
    centre: Point,
    /// Half the width and height, pixels.
    half: Point,
    /// Sine and cosine of its tilt.
    tilt: (f32, f32),
    /// Distance of the eyes from the camera, millimetres.
    distance: f32,
    /// Pixels between the eyes.
    eyes: f32,
    marks: [Point; 5],
    chin: Point,
}

impl Head {
    pub(super) fn of(face: &Detection) -> Self {
        let marks = face.landmarks.points();
        let [left_eye, right_eye, _, left_mouth, right_mouth] = marks;
        let eyes = eye_distance(face);
        let (between, mouth) = (left_eye.middle(right_eye), left_mouth.middle(right_mouth));
        let roll = (right_eye.y - left_eye.y).atan2(right_eye.x - left_eye.x).clamp(-0.5, 0.5);
        let centre = face.region.centre();
        let chin = Point::new(mouth.x + 0.75 * (mouth.x - between.x), mouth.y + 0.62 * (mouth.y - between.y));
        Self {
            centre: Point::new(centre.x, centre.y - 0.05 * face.region.height),
            half: Point::new(0.55 * face.region.width, 0.57 * face.region.height),
            tilt: roll.sin_cos(),
            distance: distance(face),
            eyes,
            marks,
            chin,
        }
    }

    /// Squared distance from the centre in units of the outline: 1 on it.
    fn radius(&self, p: Point, scale: f32) -> f32 {
        let (x, y) = (p.x - self.centre.x, p.y - self.centre.y);
        let (sin, cos) = self.tilt;
        let (u, v) = (x * cos + y * sin, y * cos - x * sin);
        (u / (scale * self.half.x)).powi(2) + (v / (scale * self.half.y)).powi(2)
    }

    /// How far a place follows the head when it turns: the head wholly, the wall not at all.
    pub(super) fn turning(&self, p: Point) -> f32 {
        1.0 - smooth(1.0, 2.6, self.radius(p, 1.12).sqrt())
    }

    /// How far a place follows the person: head and body nearly alike, the wall not at all, and less towards the lower
    /// border, below which the portrait shows nothing that could come up.
    pub(super) fn following(&self, p: Point) -> f32 {
        let below = smooth(0.0, 2.0 * self.eyes, p.y - self.chin.y) * smooth(0.0, STILL, HEIGHT as f32 - p.y);
        let beside = 1.0 - smooth(2.2 * self.eyes, 4.2 * self.eyes, (p.x - self.chin.x).abs());
        self.turning(p).max(0.9 * below * beside)
    }

    /// How far the face stands out before the head's outline, in pixels of its distance.
    pub(super) fn relief(&self, p: Point) -> f32 {
        let outline = self.distance + HEAD_DEPTH_MM * self.eye_level();
        self.skull(p).map_or(0.0, |(z, _)| (outline - z).max(0.0) * focal() / self.distance)
    }

    /// Where a smile moves a place, pixels to the right and down: the corners of the mouth go outwards and up, and take the
    /// skin around them along.
    pub(super) fn smile(&self, p: Point) -> (f32, f32) {
        let reach = SMILE_MM / PUPILS_MM * self.eyes;
        let (up, out) = SMILE_ANGLE.sin_cos();
        let (sin, cos) = self.tilt;
        let (mut right, mut down) = (0.0, 0.0);
        for (corner, side) in self.marks[3..].iter().zip([-1.0, 1.0]) {
            let (x, y) = (p.x - corner.x, p.y - corner.y);
            let share = reach * (-(x * x + y * y) / (SMILE_SKIN * self.eyes).powi(2)).exp();
            let (u, v) = (side * out * share, -up * share);
            right += u * cos - v * sin;
            down += v * cos + u * sin;
        }
        (right, down)
    }

    fn eye_level(&self) -> f32 {
        let between = self.marks[0].middle(self.marks[1]);
        (1.0 - self.radius(between, 1.0)).max(0.1).powf(0.45)
    }

    /// Distance of the person's surface, millimetres, and how squarely it faces the camera (0 to 1).
    fn surface(&self, p: Point) -> Option<(f32, f32)> {
        let head = self.skull(p);
        let body = self.body(p);
        match (head, body) {
            (Some(h), Some(b)) => Some(if h.0 <= b.0 { h } else { b }),
            (head, body) => head.or(body),
        }
    }

    fn skull(&self, p: Point) -> Option<(f32, f32)> {
        let inside = 1.0 - self.radius(p, 1.0);
        if inside <= 0.0 {
            return None;
        }
        let [left_eye, right_eye, nose, left_mouth, right_mouth] = self.marks;
        let bump = |at: Point, width: f32, height: f32| {
            let (x, y) = ((p.x - at.x) / (width * self.eyes), (p.y - at.y) / (height * self.eyes));
            (-(x * x + y * y)).exp()
        };
        let between = left_eye.middle(right_eye);
        let bridge = Point::new(mix(between.x, nose.x, 0.55), mix(between.y, nose.y, 0.55));
        let up = |at: Point| {
            Point::new(at.x + 0.25 * self.eyes * self.tilt.0, at.y - 0.25 * self.eyes * self.tilt.1)
        };
        let relief = NOSE_MM * bump(nose, 0.17, 0.20) + 7.0 * bump(bridge, 0.11, 0.22)
            - 6.0 * (bump(left_eye, 0.24, 0.15) + bump(right_eye, 0.24, 0.15))
            + 3.0 * (bump(up(left_eye), 0.30, 0.10) + bump(up(right_eye), 0.30, 0.10))
            + 4.0 * bump(left_mouth.middle(right_mouth), 0.36, 0.16)
            + 4.0 * bump(self.chin, 0.26, 0.18);
        // A little flatter than an ellipsoid, as faces are.
        let round = inside.powf(0.45);
        let z = self.distance + HEAD_DEPTH_MM * (self.eye_level() - round) - relief;
        Some((z, mix(0.42, 1.0, inside.sqrt())))
    }

    /// Whether a place lies in the opening of an eye.
    fn in_eye(&self, p: Point) -> bool {
        self.marks[..2]
            .iter()
            .any(|eye| ((p.x - eye.x) / (0.24 * self.eyes)).hypot((p.y - eye.y) / (0.12 * self.eyes)) < 1.0)
    }

    fn body(&self, p: Point) -> Option<(f32, f32)> {
        // A head turns on its neck: the neck stays nearer to the middle of the head than the chin does.
        let middle = mix(self.centre.x, self.chin.x, 0.3);
        let (x, y) = ((p.x - middle) / self.eyes, (p.y - self.chin.y) / self.eyes);
        let neck = (y > 0.55 * x.abs() - 0.7 && x.abs() < 0.92).then(|| {
            let round = (1.0 - (x / 0.92).powi(2)).sqrt();
            (self.distance + 92.0 - 45.0 * round, mix(0.4, 0.85, round))
        });
        // The line of the shoulders: steep at the neck, flat over the collar bones, round at the arms.
        let aside = x.abs();
        let slope = 0.1 + 1.05 * (1.0 - (-(aside - 0.8).max(0.0) / 0.75).exp()) + 1.1 * (aside / 3.3).powi(9);
        let shoulders = (y > slope && x.abs() < 3.3).then(|| {
            let round = (1.0 - (x / 3.3).powi(2)).sqrt();
            let edge = smooth(0.0, 0.5, y - slope);
            (self.distance + 135.0 - 55.0 * round - 25.0 * edge, mix(0.35, 0.9, round * edge))
        });
        match (neck, shoulders) {
            (Some(n), Some(s)) => Some(if n.0 <= s.0 { n } else { s }),
            (neck, shoulders) => neck.or(shoulders),
        }
    }
}

/// Where a head of usual size is that looks as large as this face, millimetres from the camera.
pub(super) fn distance(face: &Detection) -> f32 {
    PUPILS_MM * focal() / eye_distance(face)
}

/// A turned head shows its eyes closer together; the box limits by how much that can make it seem far.
fn eye_distance(face: &Detection) -> f32 {
    face.landmarks.eye_distance().max(0.36 * face.region.width)
}

/// Distances, millimetres, of the persons before a wall.
pub(super) fn range(heads: &[Head]) -> Plane<u16> {
    let mut pixels = Vec::with_capacity((WIDTH * HEIGHT) as usize);
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            let p = Point::new(x as f32, y as f32);
            let wall = WALL_MM + 0.35 * (p.x - 320.0) - 0.2 * (p.y - 240.0);
            let nearest = heads.iter().filter_map(|head| head.surface(p)).map(|s| s.0).fold(wall, f32::min);
            pixels.push(nearest as u16);
        }
    }
    Plane::new(WIDTH, HEIGHT, pixels).expect("one reading for each place")
}

/// How much of the light that comes from beside the camera each place sends back there, 0 to 255: its reflectance in near
/// infrared times the cosine of its slant. Skin of every tone is bright there, so each face is taken relative to its own
/// mean, and keeps part of its visible structure: brows, lips, and the dark of eyes.
pub(super) fn reflectance(colour: &Plane<Rgb>, heads: &[Head], skins: &[Skin]) -> Plane<u8> {
    let tones: Vec<f32> = heads.iter().map(|head| tone(colour, head)).collect();
    let mut light = Vec::with_capacity((WIDTH * HEIGHT) as usize);
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            let p = Point::new(x as f32, y as f32);
            let shade = luminance(colour.at(x, y));
            let nearest = (0..heads.len())
                .filter_map(|k| heads[k].surface(p).map(|(depth, facing)| (k, depth, facing)))
                .min_by(|a, b| a.1.total_cmp(&b.1));
            let Some((k, _, facing)) = nearest else {
                light.push(255.0 * WALL * (0.4 + shade / 320.0));
                continue;
            };
            let relative = shade / tones[k];
            let on_face = heads[k].radius(p, 1.0) < 1.0;
            let reflectance = match skins[k] {
                Skin::Mask if on_face => MASK * relative.clamp(0.3, 1.5).powf(0.25),
                Skin::MaskWithEyes if on_face && !heads[k].in_eye(p) => {
                    MASK * relative.clamp(0.3, 1.5).powf(0.25)
                }
                Skin::Living | Skin::Mask | Skin::MaskWithEyes if on_face => {
                    SKIN * relative.clamp(0.12, 1.5).powf(0.75)
                }
                Skin::Living | Skin::Mask | Skin::MaskWithEyes => {
                    CLOTH_AND_HAIR * relative.clamp(0.12, 1.5).powf(0.5)
                }
            };
            light.push(255.0 * reflectance * facing);
        }
    }
    softened(&light)
}

/// Mean luminance of the middle of the face.
fn tone(colour: &Plane<Rgb>, head: &Head) -> f32 {
    let (mut sum, mut count) = (0.0, 1.0);
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            if head.radius(Point::new(x as f32, y as f32), 0.75) < 1.0 {
                sum += luminance(colour.at(x, y));
                count += 1.0;
            }
        }
    }
    f32::max(sum / count, 12.0)
}

/// A 5 x 5 tent: infrared lenses are soft, and the outline of the shape is not that of the hair.
fn softened(light: &[f32]) -> Plane<u8> {
    const TENT: [f32; 5] = [1.0 / 9.0, 2.0 / 9.0, 3.0 / 9.0, 2.0 / 9.0, 1.0 / 9.0];
    let (width, height) = (WIDTH as usize, HEIGHT as usize);
    let pass = |from: &[f32], step: usize, place: fn(usize, usize) -> usize, length: usize| {
        let mut to = vec![0.0; from.len()];
        for (i, value) in to.iter_mut().enumerate() {
            let along = place(i, width);
            for (k, share) in TENT.iter().enumerate() {
                let other = (along + k).saturating_sub(2).min(length - 1);
                *value += share * from[i + other * step - along * step];
            }
        }
        to
    };
    let across = pass(light, 1, |i, width| i % width, width);
    let both = pass(&across, width, |i, width| i / width, height);
    Plane::new(WIDTH, HEIGHT, both.into_iter().map(byte).collect()).expect("one value for each place")
}
