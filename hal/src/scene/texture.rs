//! What a presentation attack looks like flat on a table: the sheet or tablet with the portrait, and the hand that
//! holds its corner.

use std::f32::consts::TAU;

use doorward_core::frame::Rgb;
use doorward_core::geometry::{Point, Rect};
use doorward_core::vision::Detection;

use super::portrait::{Portrait, placed};
use super::view::{Wish, view};
use super::{byte, luminance, mix, smooth, word};

/// Width of the pictured face, pixels at rest: a live face a little farther away than usual.
const FACE: (f32, f32) = (110.0, 118.0);
/// Room around the thing, for soft edges, and below it for the hand; pixels.
const MARGIN: f32 = 24.0;
const HAND_ROOM: f32 = 140.0;

/// A flat thing with a portrait, and the hand.
#[derive(Debug)]
pub(super) struct Texture {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Colour and infrared, see [`word`].
    pub(super) light: Vec<u32>,
    /// How much of a texel is covered, 0 to 255.
    pub(super) cover: Vec<u8>,
    /// How much farther than the thing's plane, millimetres; 0 is the thing itself, all else the hand.
    pub(super) behind: Vec<i8>,
    /// The thing without the hand.
    pub(super) body: Rect,
    pub(super) face: Detection,
}

/// The make of a thing.
struct Make<'a> {
    size: (u32, u32),
    /// Width of the border left and right, above and below.
    border: (u32, u32),
    /// Radius of the corners.
    corner: f32,
    blank: Texel,
    /// How a colour of the photograph comes out.
    colour: &'a dyn Fn(Rgb) -> Rgb,
    infrared: &'a dyn Fn(Rgb) -> u8,
}

#[derive(Debug, Clone, Copy)]
struct Texel {
    colour: Rgb,
    cover: u8,
    infrared: u8,
    behind: i8,
}

impl Texture {
    /// A glossy print on white paper. Infrared sees carbon ink; dyes let it through to the paper.
    pub(super) fn print(portrait: &Portrait, carbon: bool) -> Self {
        let depth_of_ink = if carbon { 112.0 } else { 9.0 };
        let ink = |photo: Rgb| {
            // Ink on paper reaches neither the white nor the black nor the saturation of light.
            let grey = luminance(photo);
            let [r, g, b] = photo.map(|c| mix(grey, f32::from(c), 0.72) / 255.0);
            [byte(33.0 + 203.0 * r), byte(30.0 + 192.0 * g), byte(33.0 + 198.0 * b)]
        };
        Self::build(
            portrait,
            &Make {
                size: (284, 378),
                border: (13, 13),
                corner: 1.5,
                blank: Texel { colour: [238, 235, 226], cover: 255, infrared: 160, behind: 0 },
                colour: &ink,
                infrared: &|photo| byte(158.0 - depth_of_ink * (1.0 - luminance(photo) / 255.0)),
            },
        )
    }

    /// A tablet that shows the photograph.
    pub(super) fn screen(portrait: &Portrait) -> Self {
        let shine = |photo: Rgb| {
            let [r, g, b] = photo.map(|c| (f32::from(c) / 255.0).powf(1.12));
            [byte(13.0 + 205.0 * r), byte(17.0 + 226.0 * g), byte(27.0 + 228.0 * b)]
        };
        Self::build(
            portrait,
            &Make {
                size: (284, 388),
                border: (12, 24),
                corner: 18.0,
                blank: Texel { colour: [21, 22, 25], cover: 255, infrared: 13, behind: 0 },
                colour: &shine,
                // Its light has no infrared, and its layers swallow that of the emitter.
                infrared: &|_| 7,
            },
        )
    }

    fn build(portrait: &Portrait, make: &Make) -> Self {
        let shown = (make.size.0 - 2 * make.border.0, make.size.1 - 2 * make.border.1);
        let wish = Wish {
            width: shown.0,
            height: shown.1,
            face: FACE,
            aim: Point::new(shown.0 as f32 / 2.0, 0.46 * shown.1 as f32),
            slack: Point::new(26.0, 30.0),
        };
        let (photo, face) = view(portrait, &wish);
        let body = Rect { x: MARGIN, y: MARGIN, width: make.size.0 as f32, height: make.size.1 as f32 };
        let inset = Point::new(MARGIN + make.border.0 as f32, MARGIN + make.border.1 as f32);
        let (width, height) =
            ((body.width + 2.0 * MARGIN) as usize, (body.height + MARGIN + HAND_ROOM) as usize);
        let count = width * height;
        let (mut light, mut cover) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let mut behind = Vec::with_capacity(count);
        for i in 0..count {
            let p = Point::new((i % width) as f32, (i / width) as f32);
            let mut texel =
                Texel { cover: byte(255.0 * smooth(0.8, -0.8, rounded(p, body, make.corner))), ..make.blank };
            let (x, y) = (p.x - inset.x, p.y - inset.y);
            if x >= 0.0 && y >= 0.0 && x < shown.0 as f32 && y < shown.1 as f32 {
                let dot = photo.at(x as u32, y as u32);
                (texel.colour, texel.infrared) = ((make.colour)(dot), (make.infrared)(dot));
            }
            if let Some(hand) = hand(p, body) {
                texel = hand.over(&texel);
            }
            light.push(word::pack(texel.colour, texel.infrared));
            cover.push(texel.cover);
            behind.push(texel.behind);
        }
        Self { width, height, light, cover, behind, body, face: placed(&face, 1.0, 1.0, inset) }
    }
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
    let thumb = limb(p, at(-40.0, 52.0), at(-62.0, -14.0), (25.0, 16.5));
    let palm = limb(p, at(-52.0, 42.0), at(-22.0, 92.0), (40.0, 46.0));
    let sleeve = limb(p, at(-14.0, 112.0), at(6.0, 240.0), (56.0, 70.0));
    let skin = |round: f32, behind: i8| {
        let light = mix(0.50, 1.0, round.sqrt());
        let colour = [byte(214.0 * light), byte(166.0 * light * light.sqrt()), byte(139.0 * light * light)];
        let cover = byte(255.0 * smooth(0.0, 0.10, round));
        Texel { colour, cover, infrared: byte(118.0 * light), behind }
    };
    let below = if p.y < bottom {
        None
    } else if sleeve > 0.0 {
        let light =
            mix(0.45, 1.0, sleeve.sqrt()) * (1.0 + 0.05 * ((p.x * 0.9 + p.y * 0.5) * TAU / 5.0).sin());
        let cover = byte(255.0 * smooth(0.0, 0.06, sleeve));
        let colour = [52.0, 64.0, 88.0].map(|c| byte(c * light));
        Some(Texel { colour, cover, infrared: byte(74.0 * light), behind: 24 })
    } else {
        (palm > 0.0).then(|| skin(palm, 12))
    };
    if thumb <= 0.0 {
        return below;
    }
    let mut texel = skin(thumb, -14);
    let nail = limb(p, at(-61.0, -9.0), at(-63.5, -17.0), (8.5, 8.0));
    if nail > 0.0 {
        texel.colour = [byte(236.0 - 12.0 * nail), 199, 182];
    }
    Some(below.map_or(texel, |below| texel.over(&below)))
}

/// How deep a point lies inside a limb from `a` to `b`: 0 at its outline, 1 on its axis. `thick` is the radius at
/// either end.
fn limb(p: Point, a: Point, b: Point, thick: (f32, f32)) -> f32 {
    let (dx, dy) = (b.x - a.x, b.y - a.y);
    let t = (((p.x - a.x) * dx + (p.y - a.y) * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
    let away = p.distance(Point::new(a.x + t * dx, a.y + t * dy)) / mix(thick.0, thick.1, t);
    1.0 - away * away
}
