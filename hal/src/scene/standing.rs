//! Live persons: a view of each portrait, the shape of head and shoulders behind it, and the motion of a body that
//! stands.

use doorward_core::frame::{Plane, Rgb};
use doorward_core::geometry::{Landmarks, Point, Rect};
use doorward_core::vision::Detection;

use super::head::{self, Head};
use super::portrait::Portrait;
use super::view::{Wish, view};
use super::{HEIGHT, Layers, WIDTH, byte, mix, smooth};

/// Width of the face of a person alone: half a metre from a camera of this field of view.
const FACE_ALONE: (f32, f32) = (138.0, 162.0);
/// Width of each of two faces.
const FACE_PAIR: (f32, f32) = (114.0, 130.0);
/// Width of one person's half, which overlaps the other's.
const HALF: u32 = 350;
/// Nothing moves at the border of the view, so that motion never needs what lies outside.
const STILL_BORDER: f32 = 26.0;

/// One moment of a body's motion. Pixels, radians, and growth of size by coming nearer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sway {
    pub(super) right: f32,
    pub(super) down: f32,
    pub(super) roll: f32,
    pub(super) growth: f32,
}

impl Sway {
    /// Where a point near `centre` moves.
    fn apply(&self, centre: Point, p: Point) -> Point {
        let (x, y) = (p.x - centre.x, p.y - centre.y);
        Point::new(
            p.x + self.growth * x - self.roll * y + self.right,
            p.y + self.growth * y + self.roll * x + self.down,
        )
    }
}

/// One or two live persons at rest, ready to be moved.
#[derive(Debug)]
pub(super) struct Standing {
    layers: Layers,
    /// How far each pixel follows the person it belongs to, 0 to 1.
    weight: Vec<f32>,
    faces: Vec<Detection>,
    /// First column that belongs to the second person.
    split: u32,
}

impl Standing {
    pub(super) fn alone(portrait: &Portrait) -> Self {
        let wish = Wish {
            width: WIDTH,
            height: HEIGHT,
            face: FACE_ALONE,
            aim: Point::new(320.0, 236.0),
            slack: Point::new(70.0, 44.0),
        };
        let (colour, face) = view(portrait, &wish);
        Self::shaped(colour, vec![face], WIDTH)
    }

    pub(super) fn pair(left: &Portrait, right: &Portrait) -> Self {
        let wish = |aim: f32| Wish {
            width: HALF,
            height: HEIGHT,
            face: FACE_PAIR,
            aim: Point::new(aim, 238.0),
            slack: Point::new(18.0, 36.0),
        };
        let (left_view, left_face) = view(left, &wish(163.0));
        let (right_view, right_face) = view(right, &wish(HALF as f32 - 163.0));
        let start = WIDTH - HALF;
        let right_face = super::portrait::placed(&right_face, 1.0, 1.0, Point::new(start as f32, 0.0));
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
        Self::shaped(colour, vec![left_face, right_face], WIDTH / 2)
    }

    fn shaped(colour: Plane<Rgb>, faces: Vec<Detection>, split: u32) -> Self {
        let heads: Vec<Head> = faces.iter().map(Head::of).collect();
        let range = head::range(&heads);
        let infrared = head::infrared(&colour, &range, &heads);
        let mut weight = Vec::with_capacity((WIDTH * HEIGHT) as usize);
        for y in 0..HEIGHT {
            for x in 0..WIDTH {
                let p = Point::new(x as f32, y as f32);
                let head = &heads[usize::from(x >= split && heads.len() > 1)];
                let sides = p.x.min(p.y).min((WIDTH - 1) as f32 - p.x).min((HEIGHT - 1) as f32 - p.y);
                let seam = if heads.len() > 1 { (p.x - split as f32).abs() } else { f32::INFINITY };
                weight.push(head.following(p) * smooth(0.0, STILL_BORDER, sides.min(seam)));
            }
        }
        Self { layers: Layers { colour, infrared, range }, weight, faces, split }
    }

    /// The faces after the motion.
    pub(super) fn faces(&self, sways: &[Sway; 2]) -> Vec<Detection> {
        let moved = |(face, sway): (&Detection, &Sway)| {
            let centre = face.region.centre();
            let to = sway.apply(centre, centre);
            let (width, height) =
                (face.region.width * (1.0 + sway.growth), face.region.height * (1.0 + sway.growth));
            Detection {
                score: face.score,
                region: Rect { x: to.x - width / 2.0, y: to.y - height / 2.0, width, height },
                landmarks: Landmarks::from_points(face.landmarks.points().map(|p| sway.apply(centre, p))),
            }
        };
        self.faces.iter().zip(sways).map(moved).collect()
    }

    /// All layers after the motion. Colour and infrared are interpolated, so that motion below a pixel shows; a range
    /// between head and wall is nobody's, so depth takes the nearest.
    pub(super) fn moved(&self, sways: &[Sway; 2]) -> Layers {
        let mut layers = self.layers.clone();
        let centre = |k: usize| self.faces[k.min(self.faces.len() - 1)].region.centre();
        let people = [(centre(0), sways[0]), (centre(1), sways[1])];
        let (colour, infrared, range) =
            (self.layers.colour.pixels(), self.layers.infrared.pixels(), self.layers.range.pixels());
        let (colour_out, infrared_out, range_out) =
            (layers.colour.pixels_mut(), layers.infrared.pixels_mut(), layers.range.pixels_mut());
        let width = WIDTH as usize;
        for y in 1..HEIGHT as usize - 2 {
            for x in 1..width - 2 {
                let here = y * width + x;
                let weight = self.weight[here];
                if weight <= 0.0 {
                    continue;
                }
                let (centre, sway) = people[usize::from(x as u32 >= self.split)];
                let p = Point::new(x as f32, y as f32);
                let to = sway.apply(centre, p);
                let from_x = (p.x - weight * (to.x - p.x)).clamp(0.0, (WIDTH - 2) as f32);
                let from_y = (p.y - weight * (to.y - p.y)).clamp(0.0, (HEIGHT - 2) as f32);
                let (column, row) = (from_x as usize, from_y as usize);
                let at = row * width + column;
                let spots = [at, at + 1, at + width, at + width + 1];
                let shares = shares(from_x - column as f32, from_y - row as f32);
                colour_out[here] = std::array::from_fn(|c| blend(spots.map(|s| colour[s][c]), shares));
                infrared_out[here] = blend(spots.map(|s| infrared[s]), shares);
                range_out[here] = range[(from_y + 0.5) as usize * width + (from_x + 0.5) as usize];
            }
        }
        layers
    }
}

/// Bilinear weights in 1/65536 of the four pixels around a place `x`, `y` behind the first.
pub(super) fn shares(x: f32, y: f32) -> [u32; 4] {
    let (x, y) = ((x * 256.0) as u32, (y * 256.0) as u32);
    [(256 - x) * (256 - y), x * (256 - y), (256 - x) * y, x * y]
}

pub(super) fn blend(values: [u8; 4], shares: [u32; 4]) -> u8 {
    let sum: u32 = values.iter().zip(shares).map(|(v, s)| u32::from(*v) * s).sum();
    ((sum + 32_768) >> 16) as u8
}
