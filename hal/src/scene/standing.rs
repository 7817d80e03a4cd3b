//! Persons: a view of each portrait, the shape of head and shoulders behind it, and how they move.

use doorward_core::frame::{Plane, Rgb};
use doorward_core::geometry::{Landmarks, Point, Rect};
use doorward_core::vision::Detection;

use super::composition::{Place, Skin};
use super::crease::Crease;
use super::eyes::Eye;
use super::head::{self, Head};
use super::motion::Pose;
use super::portrait::{Portrait, placed};
use super::view::{Wish, view};
use super::warp::{Field, Turned};
use super::{HEIGHT, Layers, WIDTH, byte, focal, mix, smooth, word};

/// Width of the face of a person alone: half a metre from a camera of this field of view.
const FACE_ALONE: (f32, f32) = (138.0, 162.0);
/// Width of each of two faces.
const FACE_PAIR: (f32, f32) = (114.0, 130.0);
/// Width of one person's half, which overlaps the other's.
const HALF: u32 = 350;
/// What stands this far behind a face belongs to the wall, millimetres.
const BEHIND_MM: f32 = 420.0;

/// Who stands where, made of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stand {
    pub(super) place: Place,
    pub(super) skin: Skin,
}

/// One or two persons at rest, ready to be moved.
#[derive(Debug)]
pub(super) struct Standing {
    /// Colour and infrared reflectance, see [`word`].
    light: Vec<u32>,
    range: Vec<u16>,
    field: Field,
    faces: Vec<Detection>,
    distances: Vec<f32>,
    skins: Vec<Skin>,
}

impl Standing {
    pub(super) fn alone(portrait: &Portrait, stand: Stand) -> Self {
        let (face, across) = match stand.place {
            Place::Middle => (FACE_ALONE, 320.0),
            Place::Left => (FACE_PAIR, 163.0),
            Place::Right => (FACE_PAIR, WIDTH as f32 - 163.0),
        };
        let slack = if stand.place == Place::Middle { 70.0 } else { 18.0 };
        let wish = Wish {
            width: WIDTH,
            height: HEIGHT,
            face,
            aim: Point::new(across, 236.0),
            slack: Point::new(slack, 44.0),
        };
        let (colour, face) = view(portrait, &wish);
        Self::shaped(&colour, vec![face], vec![stand.skin], WIDTH)
    }

    /// Left and right, whatever their places say: two in one place would be one.
    pub(super) fn pair(left: (&Portrait, Skin), right: (&Portrait, Skin)) -> Self {
        let wish = |aim: f32| Wish {
            width: HALF,
            height: HEIGHT,
            face: FACE_PAIR,
            aim: Point::new(aim, 238.0),
            slack: Point::new(18.0, 36.0),
        };
        let (left_view, left_face) = view(left.0, &wish(163.0));
        let (right_view, right_face) = view(right.0, &wish(HALF as f32 - 163.0));
        let start = WIDTH - HALF;
        let right_face = placed(&right_face, 1.0, 1.0, Point::new(start as f32, 0.0));
        let mut pixels = Vec::with_capacity((WIDTH * HEIGHT) as usize);
        for y in 0..HEIGHT {
            for x in 0..WIDTH {
                let share = smooth(start as f32, HALF as f32, x as f32);
                let l = left_view.at(x.min(HALF - 1), y);
                let r = right_view.at(x.saturating_sub(start), y);
                let blend: Rgb = std::array::from_fn(|c| byte(mix(f32::from(l[c]), f32::from(r[c]), share)));
                pixels.push(blend);
            }
        }
        let colour = Plane::new(WIDTH, HEIGHT, pixels).expect("one pixel for each place");
        Self::shaped(&colour, vec![left_face, right_face], vec![left.1, right.1], WIDTH / 2)
    }

    fn shaped(colour: &Plane<Rgb>, faces: Vec<Detection>, skins: Vec<Skin>, split: u32) -> Self {
        let heads: Vec<Head> = faces.iter().map(Head::of).collect();
        let range = head::range(&heads);
        let nir = head::reflectance(colour, &heads, &skins);
        let light = colour.pixels().iter().zip(nir.pixels()).map(|(rgb, nir)| word::pack(*rgb, *nir));
        Self {
            light: light.collect(),
            range: range.pixels().to_vec(),
            field: Field::of(&heads, split),
            distances: faces.iter().map(head::distance).collect(),
            faces,
            skins,
        }
    }

    /// Distance of the eyes of a person at rest, millimetres.
    pub(super) fn distance(&self, who: usize) -> f32 {
        self.distances[who]
    }

    /// Where the first face is at rest.
    pub(super) fn at_rest(&self) -> Rect {
        self.faces[0].region
    }

    /// The faces after the motion.
    pub(super) fn faces(&self, poses: &[Pose]) -> Vec<Detection> {
        let persons = self.turned(poses);
        let moved = |(face, pose): (&Detection, &Pose)| {
            let centre = face.region.centre();
            // The box of a turned head lies around its front, which stands out before its middle.
            let to = self.field.forward(centre, &persons);
            let (width, height) = (face.region.width * pose.scale, face.region.height * pose.scale);
            Detection {
                score: face.score,
                region: Rect { x: to.x - width / 2.0, y: to.y - height / 2.0, width, height },
                landmarks: Landmarks::from_points(
                    face.landmarks.points().map(|p| self.field.forward(p, &persons)),
                ),
            }
        };
        self.faces.iter().zip(poses).map(moved).collect()
    }

    /// The living eyes after the motion.
    pub(super) fn eyes(&self, poses: &[Pose]) -> Vec<Eye> {
        let faces = self.faces(poses);
        let mut eyes = Vec::with_capacity(4);
        for (who, (face, pose)) in faces.iter().zip(poses).enumerate() {
            if self.skins[who] == Skin::Mask {
                continue;
            }
            let [left, right, ..] = face.landmarks.points();
            // Wider than the turned eyes seem: lids do not shrink upwards where a head turns sideways.
            let between = self.faces[who].landmarks.eye_distance() * pose.scale;
            let (x, y) = (right.x - left.x, right.y - left.y);
            let length = x.hypot(y).max(1e-3);
            let down = Point::new(-y / length, x / length);
            let distance = self.distances[who] / pose.scale;
            eyes.extend([left, right].map(|at| Eye { at, down, between, distance, open: pose.lids }));
        }
        eyes
    }

    /// All layers after the motion. Colour and infrared are interpolated, so that motion below a pixel shows; a range
    /// between head and wall is nobody's, so depth takes the nearest.
    pub(super) fn moved(&self, poses: &[Pose]) -> Layers {
        let persons = self.turned(poses);
        let origins = self.field.origins(&persons);
        let count = (WIDTH * HEIGHT) as usize;
        let (mut colour, mut nir) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let mut range = Vec::with_capacity(count);
        let width = WIDTH as usize;
        // What a place of each person comes nearer by the motion of the whole, and millimetres of a pixel's nearness.
        let nearer: Vec<(f32, f32, f32)> = self
            .distances
            .iter()
            .zip(poses)
            .map(|(mm, pose)| (mm * (1.0 - 1.0 / pose.scale), mm / focal(), mm + BEHIND_MM))
            .collect();
        let (right, bottom) = (((WIDTH - 1) * 256 - 1) as f32, ((HEIGHT - 1) * 256 - 1) as f32);
        for y in 0..HEIGHT as usize {
            origins.row(y, |x, [from_x, from_y, turned]| {
                // In 1/256 of a pixel; what would come from outside comes from the border.
                let from_x = (from_x * 256.0).clamp(0.0, right) as u32;
                let from_y = (from_y * 256.0).clamp(0.0, bottom) as u32;
                let at = (from_y >> 8) as usize * width + (from_x >> 8) as usize;
                let light = word::bilinear(&self.light, width, at, from_x & 255, from_y & 255);
                let (rgb, reflected) = word::unpack(light);
                colour.push(rgb);
                nir.push(reflected);
                let nearest = ((from_y + 128) >> 8) as usize * width + ((from_x + 128) >> 8) as usize;
                let mm = f32::from(self.range[nearest]);
                let (whole, pixel, wall) = nearer[usize::from(x >= width / 2 && nearer.len() > 1)];
                let come = if mm < wall { whole + turned * pixel } else { 0.0 };
                range.push((mm - come).max(1.0) as u16);
            });
        }
        let whole = "one value for each place";
        let mut layers = Layers {
            colour: Plane::new(WIDTH, HEIGHT, colour).expect(whole),
            nir: Plane::new(WIDTH, HEIGHT, nir).expect(whole),
            range: Plane::new(WIDTH, HEIGHT, range).expect(whole),
        };
        self.eyes(poses).iter().for_each(|eye| eye.close(&mut layers));
        for (face, pose) in self.faces(poses).iter().zip(poses).filter(|(_, pose)| pose.smile > 0.0) {
            Crease::of(&face.landmarks, pose.smile).iter().for_each(|crease| crease.draw(&mut layers));
        }
        layers
    }

    fn turned(&self, poses: &[Pose]) -> Vec<Turned> {
        self.faces.iter().zip(poses).map(|(face, pose)| Turned::new(*pose, face.region.centre())).collect()
    }
}
