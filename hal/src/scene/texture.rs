//! What a presentation attack looks like flat on a table: the sheet or screen with the portrait, and what holds it.

use std::f32::consts::TAU;

use doorward_core::frame::Rgb;
use doorward_core::geometry::{Point, Rect};
use doorward_core::vision::Detection;

use super::composition::{Cut, Mounting};
use super::head::PUPILS_MM;
use super::material::{SKIN, SLEEVE, STAND};
use super::medium::Make;
use super::portrait::{Portrait, placed};
use super::view::{Wish, view};
use super::{byte, mix, smooth, word};

/// Room around the thing, for soft edges, and below it for the hand; pixels.
const MARGIN: f32 = 24.0;
const HAND_ROOM: f32 = 140.0;

/// A flat thing with a portrait, and the hand or stand that holds it.
#[derive(Debug)]
pub(super) struct Texture {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Colour and infrared, see [`word`].
    pub(super) light: Vec<u32>,
    /// How much of a texel is covered, 0 to 255.
    pub(super) cover: Vec<u8>,
    /// How much farther than the thing's plane, millimetres; 0 is the thing itself, all else what holds it.
    pub(super) behind: Vec<i8>,
    /// The thing without what holds it.
    pub(super) body: Rect,
    pub(super) face: Detection,
    /// Side of a texel, millimetres.
    pub(super) texel_mm: f32,
    /// Where the picture is on the thing: its corner, width and height.
    pub(super) shown: (usize, usize, u32, u32),
}

#[derive(Debug, Clone, Copy)]
struct Texel {
    colour: Rgb,
    cover: u8,
    infrared: u8,
    behind: i8,
}

impl Texture {
    /// The thing with the portrait's photograph on it.
    pub(super) fn of(portrait: &Portrait, make: &Make) -> Self {
        let build = make.medium.build();
        let (across, down) = (build.size.0 - 2 * build.border.0, build.size.1 - 2 * build.border.1);
        let wish = Wish {
            width: across,
            height: down,
            face: build.face,
            aim: Point::new(across as f32 / 2.0, 0.46 * down as f32),
            slack: Point::new(26.0, 30.0),
        };
        let (photo, face) = view(portrait, &wish);
        let sheet = Rect { x: MARGIN, y: MARGIN, width: build.size.0 as f32, height: build.size.1 as f32 };
        let corner = (MARGIN as u32 + build.border.0, MARGIN as u32 + build.border.1);
        let face = placed(&face, 1.0, 1.0, Point::new(corner.0 as f32, corner.1 as f32));
        let outline = Outline::of(make.cut, sheet, build.corner, &face);
        let width = (sheet.width + 2.0 * MARGIN) as usize;
        let height = (sheet.height + MARGIN + HAND_ROOM) as usize;
        let count = width * height;
        let (mut light, mut cover) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let mut behind = Vec::with_capacity(count);
        let blank =
            Texel { colour: build.blank.0, cover: 0, infrared: byte(255.0 * build.blank.1), behind: 0 };
        for i in 0..count {
            let p = Point::new((i % width) as f32, (i / width) as f32);
            let mut texel = Texel { cover: byte(255.0 * outline.cover(p)), ..blank };
            let (x, y) = (p.x - corner.0 as f32, p.y - corner.1 as f32);
            if x >= 0.0 && y >= 0.0 && x < across as f32 && y < down as f32 {
                let dot = photo.at(x as u32, y as u32);
                texel.colour = make.medium.colour(dot);
                texel.infrared = byte(255.0 * make.medium.reflectance(dot));
            }
            let holder = match make.mounting {
                Mounting::Hand => hand(p, outline.bounds()),
                Mounting::Stand => stand(p, outline.bounds()),
                Mounting::Worn => None,
            };
            if let Some(holder) = holder {
                texel = holder.over(&texel);
            }
            light.push(word::pack(texel.colour, texel.infrared));
            cover.push(texel.cover);
            behind.push(texel.behind);
        }
        let texel_mm = build.texel_mm.unwrap_or(PUPILS_MM / face.landmarks.eye_distance());
        let shown = (corner.0 as usize, corner.1 as usize, across, down);
        Self { width, height, light, cover, behind, body: sheet, face, texel_mm, shown }
    }
}

/// Where a thing ends.
enum Outline {
    Sheet {
        body: Rect,
        corner: f32,
    },
    /// An oval, with the holes' places and half sizes.
    Oval {
        centre: Point,
        half: Point,
        holes: Option<([Point; 2], Point)>,
    },
}

impl Outline {
    fn of(cut: Cut, sheet: Rect, corner: f32, face: &Detection) -> Self {
        let region = face.region;
        let centre = region.centre();
        let oval = |wide: f32, high: f32| Point::new(wide * region.width, high * region.height);
        match cut {
            Cut::Whole => Outline::Sheet { body: sheet, corner },
            Cut::Head => {
                let centre = Point::new(centre.x, centre.y - 0.06 * region.height);
                Outline::Oval { centre, half: oval(0.68, 0.70), holes: None }
            }
            Cut::FaceWithEyeHoles => {
                let [left, right, ..] = face.landmarks.points();
                let eyes = face.landmarks.eye_distance();
                let holes = Some(([left, right], Point::new(0.27 * eyes, 0.15 * eyes)));
                Outline::Oval { centre, half: oval(0.56, 0.58), holes }
            }
        }
    }

    /// 0 outside, 1 inside.
    fn cover(&self, p: Point) -> f32 {
        match self {
            Outline::Sheet { body, corner } => smooth(0.8, -0.8, rounded(p, *body, *corner)),
            Outline::Oval { centre, half, holes } => {
                let outside = |c: Point, half: Point| {
                    (((p.x - c.x) / half.x).hypot((p.y - c.y) / half.y) - 1.0) * half.x.min(half.y)
                };
                let whole = smooth(0.8, -0.8, outside(*centre, *half));
                let hole = |(eyes, half): &([Point; 2], Point)| {
                    eyes.iter().map(|eye| smooth(-0.8, 0.8, outside(*eye, *half))).product::<f32>()
                };
                whole * holes.as_ref().map_or(1.0, hole)
            }
        }
    }

    fn bounds(&self) -> Rect {
        match self {
            Outline::Sheet { body, .. } => *body,
            Outline::Oval { centre, half, .. } => {
                Rect { x: centre.x - half.x, y: centre.y - half.y, width: 2.0 * half.x, height: 2.0 * half.y }
            }
        }
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
        Texel { colour, cover, infrared: byte(255.0 * SKIN * light), behind }
    };
    let below = if p.y < bottom {
        None
    } else if sleeve > 0.0 {
        let light =
            mix(0.45, 1.0, sleeve.sqrt()) * (1.0 + 0.05 * ((p.x * 0.9 + p.y * 0.5) * TAU / 5.0).sin());
        let cover = byte(255.0 * smooth(0.0, 0.06, sleeve));
        let colour = [52.0, 64.0, 88.0].map(|c| byte(c * light));
        Some(Texel { colour, cover, infrared: byte(255.0 * SLEEVE * light), behind: 24 })
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

/// A clamp at the lower edge, on a post.
fn stand(p: Point, body: Rect) -> Option<Texel> {
    let (middle, bottom) = (body.x + body.width / 2.0, body.y + body.height);
    let post = (p.x - middle).abs() < 7.0 && p.y > bottom - 2.0;
    let clamp = (p.x - middle).abs() < 34.0 && (bottom - 9.0..bottom + 7.0).contains(&p.y);
    let shade = if clamp { 1.0 } else { 1.0 - ((p.x - middle) / 9.0).powi(2) };
    let colour = [46.0, 47.0, 50.0].map(|c| byte(c * shade));
    let behind = if clamp { -6 } else { 10 };
    (post || clamp).then_some(Texel { colour, cover: 255, infrared: byte(255.0 * STAND), behind })
}

/// How deep a point lies inside a limb from `a` to `b`: 0 at its outline, 1 on its axis. `thick` is the radius at
/// either end.
fn limb(p: Point, a: Point, b: Point, thick: (f32, f32)) -> f32 {
    let (dx, dy) = (b.x - a.x, b.y - a.y);
    let t = (((p.x - a.x) * dx + (p.y - a.y) * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
    let away = p.distance(Point::new(a.x + t * dx, a.y + t * dy)) / mix(thick.0, thick.1, t);
    1.0 - away * away
}
