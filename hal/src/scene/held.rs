//! Presentation attacks: a thing with a portrait on it, held before the camera.

use std::sync::Arc;

use doorward_core::geometry::{Landmarks, Point, Rect};
use doorward_core::vision::Detection;

use super::composition::{Cut, Shape};
use super::gloss::Gloss;
use super::medium::Surface;
use super::motion::Pose;
use super::texture::Texture;
use super::{HEIGHT, Layers, WIDTH, byte, focal, mix, word};

/// The bend moves the middle of an edge beyond the line between its corners, pixels.
const BULGE: f32 = 12.0;

/// A thing with a portrait, at one moment.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) texture: Arc<Texture>,
    pub(super) surface: Surface,
    pub(super) pose: Pose,
    /// Where its middle is in the picture, before the pose's shift.
    pub(super) rest: Point,
    /// Distance of its middle from the camera, millimetres.
    distance: f32,
    /// How far the edges stand back, millimetres.
    bend: f32,
}

/// The emitter's reflection on a thing, as the infrared camera sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Glare {
    pub(super) at: Point,
    /// Standard deviation, pixels, and peak in units of a white surface.
    pub(super) spread: f32,
    pub(super) peak: f32,
    /// Distance of what reflects, millimetres.
    pub(super) distance: f32,
}

impl Held {
    pub(super) fn new(
        texture: Arc<Texture>,
        (surface, cut, shape): (Surface, Cut, Shape),
        pose: Pose,
        rest: Point,
    ) -> Self {
        let distance = texture.texel_mm * focal() / pose.scale;
        let bend = shape.sag(cut, texture.body.width / 2.0 * texture.texel_mm);
        Self { texture, surface, pose, rest, distance, bend }
    }

    /// The emitter's image, where the surface makes one: where its normal points at the camera.
    pub(super) fn glare(&self) -> Option<Glare> {
        let (spread, peak) = self.surface.glare()?;
        let at = Point::new(
            WIDTH as f32 / 2.0 - focal() * self.pose.yaw.tan(),
            HEIGHT as f32 / 2.0 - focal() * self.pose.pitch.tan(),
        );
        Some(Glare { at, spread, peak, distance: self.distance })
    }

    /// Draws the thing over the layers; `light` replaces the texture's where its picture moves.
    pub(super) fn draw(&self, layers: &mut Layers, light: Option<&[u32]>) {
        let gloss = Gloss::of(self.surface, &self.pose);
        let texture = self.texture.as_ref();
        let light = light.unwrap_or(&texture.light);
        let middle = texture.body.centre();
        let view = Projection::of(self);
        let facing = self.pose.yaw.cos() * self.pose.pitch.cos();
        let (columns, rows) = self.extent();
        for y in rows {
            let start = (y * WIDTH) as usize;
            let row = start + columns.start..start + columns.end;
            let colours = &mut layers.colour.pixels_mut()[row.clone()];
            let reflectances = &mut layers.nir.pixels_mut()[row.clone()];
            let ranges = &mut layers.range.pixels_mut()[row];
            let pixels = colours.iter_mut().zip(reflectances).zip(ranges);
            for (x, ((colour, nir), range)) in columns.clone().zip(pixels) {
                let spot = view.texture(Point::new(x as f32, y as f32));
                let place = spot.place;
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
                let word = word::bilinear(light, texture.width, at, from_x & 255, from_y & 255);
                let (seen, reflected) = word::unpack(word);
                let (u, v) = (place.x - middle.x, place.y - middle.y);
                let slant = facing * (1.0 - 0.5 * spot.slope * spot.slope);
                let (lit, slant) = if texture.behind[at] == 0 {
                    // A bent sheet is darker at the side that turns away from the window.
                    let shade = 1.0 - 0.14 * spot.slope - 0.18 * spot.slope * spot.slope;
                    (gloss.apply(seen, u, v).map(|c| c * shade), slant)
                } else {
                    (seen.map(f32::from), 1.0)
                };
                let share = cover as f32 / 255.0;
                *colour = std::array::from_fn(|c| byte(mix(f32::from(colour[c]), lit[c], share)));
                *nir = byte(mix(f32::from(*nir), f32::from(reflected) * slant, share));
                if cover > 127 {
                    let mm = self.distance * spot.farther + f32::from(texture.behind[at]);
                    *range = mm.max(1.0) as u16;
                }
            }
        }
    }

    /// Where a face that is pictured at this place of the texture is in the picture.
    pub(super) fn face(&self, face: &Detection) -> Detection {
        let view = Projection::of(self);
        let place = |p: Point| view.picture(p);
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
    fn extent(&self) -> (std::ops::Range<usize>, std::ops::Range<u32>) {
        let view = Projection::of(self);
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

/// How a tilted and bent thing is seen.
struct Projection {
    sin: f32,
    cos: f32,
    scale: f32,
    /// Change of distance per pixel, relative to that of the middle.
    slope: (f32, f32),
    /// Tilting shortens what is seen.
    stretch: (f32, f32),
    rest: Point,
    middle: Point,
    half: f32,
    /// How far the edges stand back, relative to the distance and in texels.
    bend: (f32, f32),
}

/// A place on a thing.
struct Spot {
    /// Texels.
    place: Point,
    /// Distance relative to the middle's.
    farther: f32,
    /// By how much the bend falls off to the right there: distance per width.
    slope: f32,
}

impl Projection {
    fn of(held: &Held) -> Self {
        let (texture, pose) = (&held.texture, &held.pose);
        let (sin, cos) = pose.roll.sin_cos();
        Self {
            sin,
            cos,
            scale: pose.scale,
            slope: (pose.yaw.tan() / focal(), pose.pitch.tan() / focal()),
            stretch: (1.0 / pose.yaw.cos(), 1.0 / pose.pitch.cos()),
            rest: Point::new(held.rest.x + pose.right, held.rest.y + pose.down),
            middle: texture.body.centre(),
            half: texture.body.width / 2.0,
            bend: (held.bend / held.distance, held.bend / texture.texel_mm),
        }
    }

    /// What the picture shows at `p`.
    fn texture(&self, p: Point) -> Spot {
        let (dx, dy) = (p.x - self.rest.x, p.y - self.rest.y);
        let tilted = 1.0 / (1.0 - self.slope.0 * dx - self.slope.1 * dy);
        let u = tilted * self.stretch.0 / self.scale * (dx * self.cos + dy * self.sin);
        let v = tilted * self.stretch.1 / self.scale * (dy * self.cos - dx * self.sin);
        let aside = u / self.half;
        let bent = 1.0 + self.bend.0 * aside * aside;
        let slope = 2.0 * self.bend.1 * aside / self.half;
        // Along the bent sheet it is farther than straight on: the arc of a parabola.
        let along = bent * (1.0 + slope * slope / 6.0);
        let place = Point::new(self.middle.x + u * along, self.middle.y + v * bent);
        Spot { place, farther: tilted * bent, slope }
    }

    /// The inverse of [`Projection::texture`], found by stepping towards it.
    fn picture(&self, wanted: Point) -> Point {
        let reach = |from: f32, to: f32| self.scale * (to - from);
        let mut p = Point::new(
            self.rest.x + reach(self.middle.x, wanted.x),
            self.rest.y + reach(self.middle.y, wanted.y),
        );
        for _ in 0..16 {
            let found = self.texture(p).place;
            p = Point::new(p.x + reach(found.x, wanted.x), p.y + reach(found.y, wanted.y));
        }
        p
    }
}

/// Left and right above, left and right below.
fn corners(region: Rect) -> [Point; 4] {
    [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)]
        .map(|(u, v)| Point::new(region.x + u * region.width, region.y + v * region.height))
}
