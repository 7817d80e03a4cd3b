//! Presentation attacks: a flat thing with a portrait on it, held before the camera by a hand.

use std::f32::consts::TAU;

use doorward_core::frame::Rgb;
use doorward_core::geometry::{Landmarks, Point, Rect};
use doorward_core::vision::Detection;

use super::portrait::{Portrait, placed};
use super::standing::{blend, shares};
use super::view::{Wish, view};
use super::{HEIGHT, Layers, WIDTH, byte, focal, luminance, mix, smooth};

/// Width of the face on the thing, pixels at rest: as wide as a live face a little farther away.
const FACE: (f32, f32) = (116.0, 124.0);
/// Where the middle of the thing rests in the picture.
const REST: Point = Point::new(320.0, 211.0);
/// Room around the thing in its texture, for the hand below and for soft edges.
const MARGIN: f32 = 24.0;
const HAND_ROOM: f32 = 140.0;
/// Distance between the pupils of the pictured face if it is life-size, millimetres.
const PUPILS_MM: f32 = 63.0;

/// One moment of a hand's motion: pixels and radians.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tilt {
    pub(super) right: f32,
    pub(super) down: f32,
    pub(super) roll: f32,
    pub(super) yaw: f32,
    pub(super) pitch: f32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Surface {
    Paper,
    Glass,
}

/// A sheet of paper or a tablet with a portrait, prepared as a texture.
#[derive(Debug)]
pub(super) struct Held {
    surface: Surface,
    width: usize,
    height: usize,
    texels: Vec<Texel>,
    /// The thing without the hand, in the texture.
    body: Rect,
    face: Detection,
    /// Distance of its middle from the camera, millimetres.
    distance: f32,
}

#[derive(Debug, Clone, Copy)]
struct Texel {
    colour: Rgb,
    /// How much of the texel is covered, 0 to 255.
    cover: u8,
    infrared: u8,
    /// How much farther than the thing's plane, millimetres.
    behind: i8,
    /// Whether the thing's surface itself shows here, so that its gloss does too.
    bare: bool,
}

impl Texel {
    /// This texel laid over another.
    fn over(self, below: &Texel) -> Texel {
        let share = f32::from(self.cover) / 255.0;
        if below.cover == 0 || share >= 1.0 {
            return self;
        }
        let blend = |above: u8, below: u8| byte(mix(f32::from(below), f32::from(above), share));
        Texel {
            colour: std::array::from_fn(|c| blend(self.colour[c], below.colour[c])),
            cover: blend(255, below.cover),
            infrared: blend(self.infrared, below.infrared),
            ..self
        }
    }
}

const EMPTY: Texel = Texel { colour: [0; 3], cover: 0, infrared: 0, behind: 0, bare: false };

impl Held {
    /// A glossy print on white paper.
    pub(super) fn print(portrait: &Portrait) -> Self {
        const SHEET: (u32, u32) = (284, 378);
        const BORDER: u32 = 13;
        let ink = |photo: Rgb| {
            // Ink on paper reaches neither the white nor the black nor the saturation of light.
            let grey = luminance(photo);
            let [r, g, b] = photo.map(|c| mix(grey, f32::from(c), 0.72) / 255.0);
            [byte(46.0 + 186.0 * r), byte(43.0 + 184.0 * g), byte(42.0 + 170.0 * b)]
        };
        // Dyes let near infrared through to the paper.
        let infrared = |photo: Rgb| byte(149.0 + 9.0 * luminance(photo) / 255.0);
        let blank = Texel { colour: [238, 235, 226], cover: 255, infrared: 160, behind: 0, bare: true };
        Self::build(portrait, Surface::Paper, SHEET, (BORDER, BORDER), 1.5, blank, &ink, &infrared)
    }

    /// A tablet that shows the photograph.
    pub(super) fn screen(portrait: &Portrait) -> Self {
        const TABLET: (u32, u32) = (284, 388);
        let shine = |photo: Rgb| {
            let [r, g, b] = photo.map(|c| (f32::from(c) / 255.0).powf(1.12));
            [byte(13.0 + 205.0 * r), byte(17.0 + 226.0 * g), byte(27.0 + 228.0 * b)]
        };
        let infrared = |_: Rgb| 7;
        let blank = Texel { colour: [21, 22, 25], cover: 255, infrared: 13, behind: 0, bare: true };
        Self::build(portrait, Surface::Glass, TABLET, (12, 24), 18.0, blank, &shine, &infrared)
    }

    #[expect(clippy::too_many_arguments, reason = "the two constructors above name each of them")]
    fn build(
        portrait: &Portrait,
        surface: Surface,
        size: (u32, u32),
        border: (u32, u32),
        corner: f32,
        blank: Texel,
        colour: &dyn Fn(Rgb) -> Rgb,
        infrared: &dyn Fn(Rgb) -> u8,
    ) -> Self {
        let shown = (size.0 - 2 * border.0, size.1 - 2 * border.1);
        let wish = Wish {
            width: shown.0,
            height: shown.1,
            face: FACE,
            aim: Point::new(shown.0 as f32 / 2.0, 0.46 * shown.1 as f32),
            slack: Point::new(26.0, 30.0),
        };
        let (photo, face) = view(portrait, &wish);
        let body = Rect { x: MARGIN, y: MARGIN, width: size.0 as f32, height: size.1 as f32 };
        let (width, height) =
            ((body.width + 2.0 * MARGIN) as usize, (body.height + MARGIN + HAND_ROOM) as usize);
        let inset = Point::new(MARGIN + border.0 as f32, MARGIN + border.1 as f32);
        let mut texels = vec![EMPTY; width * height];
        for (i, texel) in texels.iter_mut().enumerate() {
            let p = Point::new((i % width) as f32, (i / width) as f32);
            let cover = smooth(0.8, -0.8, rounded(p, body, corner));
            *texel = Texel { cover: byte(255.0 * cover), ..blank };
            let (x, y) = (p.x - inset.x, p.y - inset.y);
            if x >= 0.0 && y >= 0.0 && x < shown.0 as f32 && y < shown.1 as f32 {
                let dot = photo.at(x as u32, y as u32);
                (texel.colour, texel.infrared) = (colour(dot), infrared(dot));
            }
            if let Some(hand) = hand(p, body) {
                *texel = hand.over(texel);
            }
        }
        let face = placed(&face, 1.0, 1.0, inset);
        let eyes = face.landmarks.eye_distance().max(0.36 * face.region.width);
        Self { surface, width, height, texels, body, face, distance: PUPILS_MM * focal() / eyes }
    }

    /// Draws the thing over the layers.
    pub(super) fn draw(&self, layers: &mut Layers, tilt: &Tilt) {
        let gloss = Gloss::of(self.surface, tilt);
        let middle = self.body.centre();
        let colours = layers.colour.pixels_mut();
        let infrared = layers.infrared.pixels_mut();
        let range = layers.range.pixels_mut();
        for y in 0..HEIGHT {
            for x in 0..WIDTH {
                let (place, farther) = self.texture(Point::new(x as f32, y as f32), tilt);
                let inside = place.x >= 0.0
                    && place.y >= 0.0
                    && place.x < (self.width - 1) as f32
                    && place.y < (self.height - 1) as f32;
                if !inside {
                    continue;
                }
                let at = place.y as usize * self.width + place.x as usize;
                let spots = [at, at + 1, at + self.width, at + self.width + 1].map(|s| self.texels[s]);
                if spots.iter().all(|t| t.cover == 0) {
                    continue;
                }
                let shares = shares(place.x.fract(), place.y.fract());
                let cover = f32::from(blend(spots.map(|t| t.cover), shares)) / 255.0;
                let here = (y * WIDTH + x) as usize;
                let seen: [f32; 3] =
                    std::array::from_fn(|c| f32::from(blend(spots.map(|t| t.colour[c]), shares)));
                let (u, v) = (place.x - middle.x, place.y - middle.y);
                let (lit, infrared_glare) = if spots[0].bare { gloss.apply(seen, u, v) } else { (seen, 0.0) };
                colours[here] =
                    std::array::from_fn(|c| byte(mix(f32::from(colours[here][c]), lit[c], cover)));
                let reflected = f32::from(blend(spots.map(|t| t.infrared), shares)) + infrared_glare;
                infrared[here] = byte(mix(f32::from(infrared[here]), reflected, cover));
                if cover > 0.5 {
                    let bend = self.bend_mm() * (u / (self.body.width / 2.0)).powi(2);
                    range[here] =
                        (self.distance * farther + bend + f32::from(spots[0].behind)).max(1.0) as u16;
                }
            }
        }
    }

    /// Where the pictured face is in the picture.
    pub(super) fn face(&self, tilt: &Tilt) -> Detection {
        let place = |p: Point| self.picture(p, tilt);
        let region = self.face.region;
        let corners = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)]
            .map(|(u, v)| place(Point::new(region.x + u * region.width, region.y + v * region.height)));
        let centre = place(region.centre());
        // The mean of opposite corners: an upright box of the tilted one's size, not the larger box around it.
        let width = (corners[1].x + corners[3].x - corners[0].x - corners[2].x) / 2.0;
        let height = (corners[2].y + corners[3].y - corners[0].y - corners[1].y) / 2.0;
        Detection {
            score: self.face.score,
            region: Rect { x: centre.x - width / 2.0, y: centre.y - height / 2.0, width, height },
            landmarks: Landmarks::from_points(self.face.landmarks.points().map(place)),
        }
    }

    /// How far the edges of the sheet stand back, millimetres: paper bends over a thumb.
    fn bend_mm(&self) -> f32 {
        match self.surface {
            Surface::Paper => 9.0,
            Surface::Glass => 0.0,
        }
    }

    /// The place in the texture that the picture shows at `p`, and the distance there relative to the middle's.
    fn texture(&self, p: Point, tilt: &Tilt) -> (Point, f32) {
        let (dx, dy) = (p.x - REST.x - tilt.right, p.y - REST.y - tilt.down);
        let farther = 1.0 / (1.0 - (tilt.yaw.tan() * dx + tilt.pitch.tan() * dy) / focal());
        let (sin, cos) = tilt.roll.sin_cos();
        let u = farther * (dx * cos + dy * sin) / tilt.yaw.cos();
        let v = farther * (dy * cos - dx * sin) / tilt.pitch.cos();
        let bow = self.bend_mm() * 0.6 * (u / (self.body.width / 2.0)).powi(2);
        let middle = self.body.centre();
        (Point::new(middle.x + u, middle.y + v - bow), farther)
    }

    /// The inverse of [`Held::texture`], found by stepping towards it.
    fn picture(&self, wanted: Point, tilt: &Tilt) -> Point {
        let middle = self.body.centre();
        let mut p = Point::new(REST.x + wanted.x - middle.x, REST.y + wanted.y - middle.y);
        for _ in 0..12 {
            let (found, _) = self.texture(p, tilt);
            p = Point::new(p.x + wanted.x - found.x, p.y + wanted.y - found.y);
        }
        p
    }
}

/// What light does on a surface at one moment.
struct Gloss {
    surface: Surface,
    /// Where the reflection of the lamp lies, in texture pixels from the middle.
    lamp: Point,
}

impl Gloss {
    fn of(surface: Surface, tilt: &Tilt) -> Self {
        // A mirror turns light by twice its own angle.
        let lamp = Point::new(-70.0 + 500.0 * tilt.yaw, -190.0 + 520.0 * tilt.pitch);
        Self { surface, lamp }
    }

    /// The colour with shading and reflections, and the infrared glare.
    fn apply(&self, colour: [f32; 3], u: f32, v: f32) -> ([f32; 3], f32) {
        let along = 0.8 * (u - self.lamp.x) + 0.6 * (v - self.lamp.y);
        match self.surface {
            Surface::Paper => {
                let band = bell(along / 46.0);
                let shade = 0.97 - 0.0006 * u;
                (colour.map(|c| c * shade + 24.0 * band * (1.0 - c / 300.0)), 6.0 * band)
            }
            Surface::Glass => {
                let grid = pixel_grid(u, v);
                let (x, y) = (u - self.lamp.x, v - self.lamp.y);
                // A window with a cross bar, and a veil of light from one side.
                let pane = smooth(62.0, 52.0, x.abs())
                    * smooth(84.0, 74.0, y.abs())
                    * (1.0 - 0.7 * smooth(5.0, 2.0, x.abs()) - 0.5 * smooth(5.0, 2.0, y.abs())).max(0.0);
                let veil = 10.0 * smooth(-60.0, 220.0, along) + 22.0 * pane;
                let tint = [0.86, 0.97, 1.08];
                let lit = std::array::from_fn(|c| colour[c] * grid[c] + veil * tint[c]);
                let spot = 190.0 * bell((x + 40.0).hypot(y - 20.0) / 7.0);
                (lit, spot)
            }
        }
    }
}

/// The screen's grid of pixels and sub-pixels, sampled by the camera's: nearly equal grids beat against each other,
/// and the bands they make are moire.
fn pixel_grid(u: f32, v: f32) -> [f32; 3] {
    const ACROSS: f32 = 0.937;
    const DOWN: f32 = 1.058;
    let rows = 1.0 + 0.045 * wave(v * DOWN);
    [0.0, 1.0 / 3.0, 2.0 / 3.0].map(|shift| rows * (1.0 + 0.085 * wave(u * ACROSS + shift)))
}

/// A cosine by turns; a parabola's worth of precision is enough for a pattern.
fn wave(turns: f32) -> f32 {
    let t = turns - turns.floor() - 0.5;
    let triangle = 1.0 - 4.0 * t.abs();
    -triangle * (2.0 - triangle.abs())
}

fn bell(x: f32) -> f32 {
    // Rational instead of exponential: it is evaluated for every pixel.
    let square = 1.0 + x * x / 2.0;
    1.0 / (square * square)
}

/// Signed distance from the outline of a rectangle with round corners; negative inside.
fn rounded(p: Point, body: Rect, corner: f32) -> f32 {
    let centre = body.centre();
    let x = (p.x + 0.5 - centre.x).abs() - body.width / 2.0 + corner;
    let y = (p.y + 0.5 - centre.y).abs() - body.height / 2.0 + corner;
    x.max(0.0).hypot(y.max(0.0)) + x.max(y).min(0.0) - corner
}

/// The hand that holds the lower right corner: the thumb before the thing, palm and sleeve below it.
fn hand(p: Point, body: Rect) -> Option<Texel> {
    let (right, bottom) = (body.x + body.width, body.y + body.height);
    let at = |x: f32, y: f32| Point::new(right + x, bottom + y);
    let over = p.y < bottom;
    let thumb = limb(p, at(-40.0, 52.0), at(-62.0, -14.0), (25.0, 16.5));
    let palm = limb(p, at(-52.0, 42.0), at(-22.0, 92.0), (40.0, 46.0));
    let sleeve = limb(p, at(-14.0, 112.0), at(6.0, 240.0), (56.0, 70.0));
    let skin = |round: f32, behind: i8| {
        let light = mix(0.50, 1.0, round.sqrt());
        let colour = [byte(214.0 * light), byte(166.0 * light * light.sqrt()), byte(139.0 * light * light)];
        let cover = byte(255.0 * smooth(0.0, 0.10, round));
        Texel { colour, cover, infrared: byte(118.0 * light), behind, bare: false }
    };
    let below = if over {
        None
    } else if sleeve > 0.0 {
        let light = mix(0.45, 1.0, sleeve.sqrt());
        let weave = 1.0 + 0.05 * ((p.x * 0.9 + p.y * 0.5) * TAU / 5.0).sin();
        let colour = [52.0, 64.0, 88.0].map(|c| byte(c * light * weave));
        let cover = byte(255.0 * smooth(0.0, 0.06, sleeve));
        Some(Texel { colour, cover, infrared: byte(74.0 * light), behind: 24, bare: false })
    } else {
        (palm > 0.0).then(|| skin(palm, 12))
    };
    if thumb > 0.0 {
        let mut texel = skin(thumb, -14);
        let nail = limb(p, at(-61.0, -9.0), at(-63.5, -17.0), (8.5, 8.0));
        if nail > 0.0 {
            texel.colour = [byte(236.0 - 12.0 * nail), 199, 182];
        }
        return Some(below.map_or(texel, |below| texel.over(&below)));
    }
    below
}

/// How deep a point lies inside a limb from `a` to `b`: 0 at its outline, 1 on its axis. `thick` is the radius at
/// either end.
fn limb(p: Point, a: Point, b: Point, thick: (f32, f32)) -> f32 {
    let (dx, dy) = (b.x - a.x, b.y - a.y);
    let t = (((p.x - a.x) * dx + (p.y - a.y) * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
    let away = p.distance(Point::new(a.x + t * dx, a.y + t * dy)) / mix(thick.0, thick.1, t);
    1.0 - away * away
}
