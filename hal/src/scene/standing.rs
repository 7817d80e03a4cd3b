//! Live persons: a view of each portrait, the shape of head and shoulders behind it, and the motion of a body that
//! stands.

use doorward_core::frame::{Plane, Rgb};
use doorward_core::geometry::{Landmarks, Point, Rect};
use doorward_core::vision::Detection;

use super::head::{self, Head};
use super::portrait::{Portrait, placed};
use super::view::{Wish, view};
use super::{HEIGHT, Layers, WIDTH, byte, mix, smooth, word};

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
    /// Where a point of a body around `centre` moves.
    fn apply(&self, centre: Point, p: Point) -> Point {
        let (right, down) = self.drift(centre, p.y).at(p.x);
        Point::new(p.x + right, p.y + down)
    }

    fn drift(&self, centre: Point, y: f32) -> Drift {
        let y = y - centre.y;
        Drift {
            right: self.right - self.roll * y - self.growth * centre.x,
            down: self.down + self.growth * y - self.roll * centre.x,
            growth: self.growth,
            roll: self.roll,
        }
    }
}

/// How far the points of one row move: linear along the row.
struct Drift {
    right: f32,
    down: f32,
    growth: f32,
    roll: f32,
}

impl Drift {
    fn at(&self, x: f32) -> (f32, f32) {
        (self.right + self.growth * x, self.down + self.roll * x)
    }
}

/// One or two live persons at rest, ready to be moved.
#[derive(Debug)]
pub(super) struct Standing {
    /// Colour and infrared, see [`word`].
    light: Vec<u32>,
    range: Vec<u16>,
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
        let light = colour.pixels().iter().zip(infrared.pixels()).map(|(rgb, grey)| word::pack(*rgb, *grey));
        Self { light: light.collect(), range: range.pixels().to_vec(), weight, faces, split }
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
        let count = (WIDTH * HEIGHT) as usize;
        let (mut colour, mut infrared) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let mut range = Vec::with_capacity(count);
        let width = WIDTH as usize;
        let last = (self.faces.len() - 1).min(1);
        for (y, weights) in self.weight.chunks_exact(width).enumerate() {
            let drifts = [0, last].map(|k| sways[k].drift(self.faces[k].region.centre(), y as f32));
            for (x, weight) in weights.iter().enumerate() {
                let here = y * width + x;
                if *weight <= 0.0 {
                    let (rgb, grey) = word::unpack(self.light[here]);
                    colour.push(rgb);
                    infrared.push(grey);
                    range.push(self.range[here]);
                    continue;
                }
                let drift = &drifts[usize::from(x as u32 >= self.split)];
                let (right, down) = drift.at(x as f32);
                // In 1/256 of a pixel. The still border is wider than any drift, so neither is negative.
                let from_x = ((x as f32 - weight * right) * 256.0) as u32;
                let from_y = ((y as f32 - weight * down) * 256.0) as u32;
                let at = (from_y >> 8) as usize * width + (from_x >> 8) as usize;
                let light = word::bilinear(&self.light, width, at, from_x & 255, from_y & 255);
                let (rgb, grey) = word::unpack(light);
                colour.push(rgb);
                infrared.push(grey);
                range.push(
                    self.range[((from_y + 128) >> 8) as usize * width + ((from_x + 128) >> 8) as usize],
                );
            }
        }
        let whole = "one value for each place";
        Layers {
            colour: Plane::new(WIDTH, HEIGHT, colour).expect(whole),
            infrared: Plane::new(WIDTH, HEIGHT, infrared).expect(whole),
            range: Plane::new(WIDTH, HEIGHT, range).expect(whole),
        }
    }
}
