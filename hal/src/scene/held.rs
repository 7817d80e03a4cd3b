//! Presentation attacks: a flat thing with a portrait on it, held before the camera by a hand.

use doorward_core::geometry::{Landmarks, Point, Rect};
use doorward_core::vision::Detection;

use super::gloss::{Gloss, Surface};
use super::head::distance;
use super::portrait::Portrait;
use super::texture::Texture;
use super::{HEIGHT, Layers, WIDTH, byte, focal, mix, word};

/// Where the middle of the thing rests in the picture.
const REST: Point = Point::new(320.0, 211.0);
/// How far the edges of a sheet stand back that bends over a thumb.
const PAPER_BEND_MM: f32 = 9.0;

/// One moment of a hand's motion: pixels and radians.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tilt {
    pub(super) right: f32,
    pub(super) down: f32,
    pub(super) roll: f32,
    pub(super) yaw: f32,
    pub(super) pitch: f32,
}

/// A sheet of paper or a tablet with a portrait.
#[derive(Debug)]
pub(super) struct Held {
    surface: Surface,
    texture: Texture,
    /// Distance of its middle from the camera, millimetres: where the pictured face has the size of a head.
    distance: f32,
    /// How far the edges stand back, millimetres.
    bend: f32,
}

impl Held {
    /// A glossy print on white paper.
    pub(super) fn print(portrait: &Portrait) -> Self {
        Self::new(Surface::Paper, Texture::print(portrait, false), PAPER_BEND_MM)
    }

    /// The same in carbon ink.
    pub(super) fn carbon_print(portrait: &Portrait) -> Self {
        Self::new(Surface::Paper, Texture::print(portrait, true), PAPER_BEND_MM)
    }

    /// A tablet that shows the photograph.
    pub(super) fn screen(portrait: &Portrait) -> Self {
        Self::new(Surface::Glass, Texture::screen(portrait), 0.0)
    }

    fn new(surface: Surface, texture: Texture, bend: f32) -> Self {
        let distance = distance(&texture.face);
        Self { surface, texture, distance, bend }
    }

    /// Draws the thing over the layers.
    pub(super) fn draw(&self, layers: &mut Layers, tilt: &Tilt) {
        let gloss = Gloss::of(self.surface, tilt);
        let texture = &self.texture;
        let middle = texture.body.centre();
        let view = Projection::of(self, tilt);
        let (columns, rows) = self.extent(tilt);
        for y in rows {
            let start = (y * WIDTH) as usize;
            let row = start + columns.start..start + columns.end;
            let colours = &mut layers.colour.pixels_mut()[row.clone()];
            let infrared = &mut layers.infrared.pixels_mut()[row.clone()];
            let ranges = &mut layers.range.pixels_mut()[row];
            let pixels = colours.iter_mut().zip(infrared).zip(ranges);
            for (x, ((colour, grey), range)) in columns.clone().zip(pixels) {
                let (place, farther) = view.texture(Point::new(x as f32, y as f32));
                let inside = place.x >= 0.0
                    && place.y >= 0.0
                    && place.x < (texture.width - 1) as f32
                    && place.y < (texture.height - 1) as f32;
                if !inside {
                    continue;
                }
                let (from_x, from_y) = ((place.x * 256.0) as u32, (place.y * 256.0) as u32);
                let at = (from_y >> 8) as usize * texture.width + (from_x >> 8) as usize;
                let cover = texture.cover_at(at, from_x & 255, from_y & 255);
                if cover == 0 {
                    continue;
                }
                let light = word::bilinear(&texture.light, texture.width, at, from_x & 255, from_y & 255);
                let (seen, reflected) = word::unpack(light);
                let (u, v) = (place.x - middle.x, place.y - middle.y);
                let (lit, glare) = if texture.behind[at] == 0 {
                    gloss.apply(seen, u, v)
                } else {
                    (seen.map(f32::from), 0.0)
                };
                let share = cover as f32 / 255.0;
                *colour = std::array::from_fn(|c| byte(mix(f32::from(colour[c]), lit[c], share)));
                *grey = byte(mix(f32::from(*grey), f32::from(reflected) + glare, share));
                if cover > 127 {
                    let bend = self.bend * (u / (texture.body.width / 2.0)).powi(2);
                    *range = (self.distance * farther + bend + f32::from(texture.behind[at])).max(1.0) as u16;
                }
            }
        }
    }

    /// Where the pictured face is in the picture.
    pub(super) fn face(&self, tilt: &Tilt) -> Detection {
        let view = Projection::of(self, tilt);
        let place = |p: Point| view.picture(p);
        let face = &self.texture.face;
        let centre = place(face.region.centre());
        let [left_top, right_top, left_bottom, right_bottom] = corners(face.region).map(place);
        // The mean of opposite sides: an upright box of the tilted one's size, not the larger box around it.
        let width = (right_top.x + right_bottom.x - left_top.x - left_bottom.x) / 2.0;
        let height = (left_bottom.y + right_bottom.y - left_top.y - right_top.y) / 2.0;
        Detection {
            score: face.score,
            region: Rect { x: centre.x - width / 2.0, y: centre.y - height / 2.0, width, height },
            landmarks: Landmarks::from_points(face.landmarks.points().map(place)),
        }
    }

    /// Columns and rows of the picture that the texture can reach.
    fn extent(&self, tilt: &Tilt) -> (std::ops::Range<usize>, std::ops::Range<u32>) {
        /// The bend moves the middle of an edge beyond the line between its corners.
        const BULGE: f32 = 12.0;
        let view = Projection::of(self, tilt);
        let (width, height) = (self.texture.width as f32, self.texture.height as f32);
        let ends = corners(Rect { x: 0.0, y: 0.0, width, height }).map(|p| view.picture(p));
        let from = |values: [f32; 4]| (values.iter().fold(f32::INFINITY, |a, b| a.min(*b)) - BULGE).max(0.0);
        let to = |values: [f32; 4]| values.iter().fold(0.0f32, |a, b| a.max(*b)) + BULGE;
        let (xs, ys) = (ends.map(|p| p.x), ends.map(|p| p.y));
        let column = |value: f32| (value as usize).min(WIDTH as usize);
        let row = |value: f32| (value as u32).min(HEIGHT);
        (column(from(xs))..column(to(xs)), row(from(ys))..row(to(ys)))
    }
}

impl Texture {
    fn cover_at(&self, at: usize, x: u32, y: u32) -> u32 {
        let (top, bottom) = (&self.cover[at..at + 2], &self.cover[at + self.width..at + self.width + 2]);
        let [a, b, c, d] = [top[0], top[1], bottom[0], bottom[1]].map(u32::from);
        if a & b & c & d == 255 {
            return 255;
        }
        ((a * (256 - x) + b * x) * (256 - y) + (c * (256 - x) + d * x) * y + 32_768) >> 16
    }
}

/// How a tilted thing is seen.
struct Projection {
    sin: f32,
    cos: f32,
    /// Change of distance per pixel, relative to that of the middle.
    slope: (f32, f32),
    /// Tilting shortens what is seen.
    stretch: (f32, f32),
    rest: Point,
    middle: Point,
    half: f32,
    bow: f32,
}

impl Projection {
    fn of(held: &Held, tilt: &Tilt) -> Self {
        let (sin, cos) = tilt.roll.sin_cos();
        Self {
            sin,
            cos,
            slope: (tilt.yaw.tan() / focal(), tilt.pitch.tan() / focal()),
            stretch: (1.0 / tilt.yaw.cos(), 1.0 / tilt.pitch.cos()),
            rest: Point::new(REST.x + tilt.right, REST.y + tilt.down),
            middle: held.texture.body.centre(),
            half: held.texture.body.width / 2.0,
            bow: 0.6 * held.bend,
        }
    }

    /// The place in the texture that the picture shows at `p`, and the distance there relative to the middle's.
    fn texture(&self, p: Point) -> (Point, f32) {
        let (dx, dy) = (p.x - self.rest.x, p.y - self.rest.y);
        let farther = 1.0 / (1.0 - self.slope.0 * dx - self.slope.1 * dy);
        let u = farther * self.stretch.0 * (dx * self.cos + dy * self.sin);
        let v = farther * self.stretch.1 * (dy * self.cos - dx * self.sin);
        let bow = self.bow * (u / self.half) * (u / self.half);
        (Point::new(self.middle.x + u, self.middle.y + v - bow), farther)
    }

    /// The inverse of [`Projection::texture`], found by stepping towards it.
    fn picture(&self, wanted: Point) -> Point {
        let mut p =
            Point::new(self.rest.x + wanted.x - self.middle.x, self.rest.y + wanted.y - self.middle.y);
        for _ in 0..12 {
            let (found, _) = self.texture(p);
            p = Point::new(p.x + wanted.x - found.x, p.y + wanted.y - found.y);
        }
        p
    }
}

/// Left and right above, left and right below.
fn corners(region: Rect) -> [Point; 4] {
    [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)]
        .map(|(u, v)| Point::new(region.x + u * region.width, region.y + v * region.height))
}
