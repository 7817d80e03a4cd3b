//! A portrait's picture in a view: scaled so that the face has the wanted size, and continued softly where the
//! photograph ends.

use doorward_core::frame::{Plane, Rgb};
use doorward_core::geometry::Point;
use doorward_core::vision::Detection;

use super::portrait::{Portrait, placed};
use super::{byte, mix, smooth};
use crate::photo;

/// Over this many pixels the photograph fades into its continuation. Long, because a photograph that seems to end
/// looks like a sheet to a liveness model.
const FEATHER: f32 = 80.0;
/// The same where a head reaches the border: it is what must stay sharp.
const FEATHER_HEAD: f32 = 14.0;

/// What a view asks for, pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    pub(super) width: u32,
    pub(super) height: u32,
    /// Smallest and largest width of the face; the photograph covers as much of the view as that allows.
    pub(super) face: (f32, f32),
    /// Where the face's centre should be.
    pub(super) aim: Point,
    /// How far it may move from there if less of the view is then left without photograph.
    pub(super) slack: Point,
}

/// The view, and where the face is in it.
pub(super) fn view(portrait: &Portrait, wish: &Wish) -> (Plane<Rgb>, Detection) {
    let picture = portrait.picture();
    let region = portrait.face().region;
    let covering =
        (wish.width as f32 / picture.width() as f32).max(wish.height as f32 / picture.height() as f32);
    let factor = covering.clamp(wish.face.0 / region.width, wish.face.1 / region.width);
    let centre = region.centre();
    let offset = Point::new(
        offset(
            wish.aim.x,
            wish.slack.x,
            centre.x * factor,
            picture.width() as f32 * factor,
            wish.width as f32,
        ),
        offset(
            wish.aim.y,
            wish.slack.y,
            centre.y * factor,
            picture.height() as f32 * factor,
            wish.height as f32,
        ),
    );
    // Only what the view shows is scaled: a small face in a large picture would otherwise become a giant picture.
    let (left, right) = window(offset.x, factor, wish.width, picture.width());
    let (top, bottom) = window(offset.y, factor, wish.height, picture.height());
    let cut: Vec<Rgb> =
        (top..bottom).flat_map(|y| picture.row(y)[left as usize..right as usize].iter().copied()).collect();
    let cut = Plane::new(right - left, bottom - top, cut).expect("a window of a plane is a plane");
    let side = |length: u32| ((length as f32 * factor).round() as u32).clamp(1, 4096);
    let scaled = photo::resize(&cut, side(cut.width()), side(cut.height())).expect("sides were clamped");
    let x = scaled.width() as f32 / cut.width() as f32;
    let y = scaled.height() as f32 / cut.height() as f32;
    let corner =
        ((offset.x + left as f32 * factor).round() as i32, (offset.y + top as f32 * factor).round() as i32);
    let shift = Point::new(corner.0 as f32 - left as f32 * x, corner.1 as f32 - top as f32 * y);
    let face = placed(portrait.face(), x, y, shift);
    (continued(&scaled, corner, wish, &face), face)
}

/// Where the scaled picture starts in the view, along one axis.
fn offset(aim: f32, slack: f32, face: f32, length: f32, view: f32) -> f32 {
    // From `view - length` to 0 the picture covers the view; a shorter one is best kept inside whole.
    let covering = (aim - face).clamp((view - length).min(0.0), (view - length).max(0.0));
    covering.clamp(aim - face - slack, aim - face + slack)
}

/// The columns (or rows) of the picture that a view shows, with a margin for interpolation.
fn window(offset: f32, factor: f32, view: u32, length: u32) -> (u32, u32) {
    let from = ((-offset / factor).floor() - 2.0).clamp(0.0, length as f32 - 1.0);
    let to = (((view as f32 - offset) / factor).ceil() + 2.0).clamp(from + 1.0, length as f32);
    (from as u32, to as u32)
}

/// The view with `picture` at `corner`; what it does not cover is filled by diffusion from its border. The head gives
/// nothing to the filling, else hair that touches the border would hang in the air as a cloud.
fn continued(picture: &Plane<Rgb>, corner: (i32, i32), wish: &Wish, face: &Detection) -> Plane<Rgb> {
    let (width, height) = (wish.width as usize, wish.height as usize);
    let empty = || Level { width, height, cells: vec![[0.0; 4]; width * height] };
    let (mut photo, mut ground) = (empty(), empty());
    let (region, centre) = (face.region, face.region.centre());
    let outside_head = |x: i32, y: i32, up: f32| {
        let across = (x as f32 - centre.x) / (0.85 * region.width);
        let down = (y as f32 - centre.y) / (if (y as f32) < centre.y { up } else { 0.55 } * region.height);
        smooth(0.9, 1.1, across.hypot(down))
    };
    // A border that lies outside the view needs no fading.
    let fade = |at: i32, length: i32, view: i32, corner: i32, feather: f32| {
        let from = if corner > 0 { smooth(-0.5, feather, at as f32) } else { 1.0 };
        let to = if corner + length < view { smooth(-0.5, feather, (length - 1 - at) as f32) } else { 1.0 };
        from.min(to)
    };
    let (columns, rows) = (picture.width() as i32, picture.height() as i32);
    for y in corner.1.max(0)..(corner.1 + rows).min(height as i32) {
        let down = |feather| fade(y - corner.1, rows, height as i32, corner.1, feather);
        let row = picture.row((y - corner.1) as u32);
        for x in corner.0.max(0)..(corner.0 + columns).min(width as i32) {
            let across = |feather| fade(x - corner.0, columns, width as i32, corner.0, feather);
            let feather = mix(FEATHER_HEAD, FEATHER, outside_head(x, y, 0.85));
            let weight = down(feather) * across(feather);
            let [r, g, b] = row[(x - corner.0) as usize].map(|c| f32::from(c) * weight);
            let at = y as usize * width + x as usize;
            photo.cells[at] = [r, g, b, weight];
            // Hair that a photograph cuts off is as wide at its edge as lower down.
            let share = outside_head(x, y, 1.6);
            ground.cells[at] = photo.cells[at].map(|v| v * share);
        }
    }
    let over = |(photo, ground): (&[f32; 4], &[f32; 4])| {
        std::array::from_fn(|c| byte(photo[c] + (1.0 - photo[3]) * ground[c]))
    };
    let pixels = photo.cells.iter().zip(&ground.filled().cells).map(over).collect();
    Plane::new(wish.width, wish.height, pixels).expect("one pixel for each cell of the view")
}

/// Colours times weight, and weight.
struct Level {
    width: usize,
    height: usize,
    cells: Vec<[f32; 4]>,
}

impl Level {
    /// All weights brought to 1: what a cell lacks comes from a level of half the size, filled the same way.
    fn filled(mut self) -> Self {
        if self.width == 1 && self.height == 1 {
            let [r, g, b, weight] = self.cells[0];
            let share = if weight > 0.0 { 1.0 / weight } else { 0.0 };
            self.cells[0] = [r * share, g * share, b * share, 1.0];
            return self;
        }
        if self.cells.iter().all(|cell| cell[3] >= 1.0) {
            return self;
        }
        let coarse = self.halved().filled();
        for y in 0..self.height {
            for x in 0..self.width {
                let cell = &mut self.cells[y * self.width + x];
                let lack = 1.0 - cell[3];
                if lack > 0.0 {
                    let below = coarse.between((x as f32 - 0.5) / 2.0, (y as f32 - 0.5) / 2.0);
                    *cell = std::array::from_fn(|c| cell[c] + lack * below[c]);
                }
            }
        }
        self
    }

    fn halved(&self) -> Self {
        let (width, height) = (self.width.div_ceil(2), self.height.div_ceil(2));
        let mut cells = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                let mut sum = [0.0f32; 4];
                // A tent of four by four keeps the continuation free of the grid's corners.
                for (j, down) in [1.0f32, 3.0, 3.0, 1.0].iter().enumerate() {
                    for (i, right) in [1.0f32, 3.0, 3.0, 1.0].iter().enumerate() {
                        let row = (2 * y + j).saturating_sub(1).min(self.height - 1);
                        let column = (2 * x + i).saturating_sub(1).min(self.width - 1);
                        let cell = self.cells[row * self.width + column];
                        sum = std::array::from_fn(|c| sum[c] + down * right / 64.0 * cell[c]);
                    }
                }
                // Any knowledge at all is full knowledge one level up, else colours would fade with distance.
                let share = if sum[3] > 1e-4 { 1.0 / sum[3] } else { 0.0 };
                let sure = (4.0 * sum[3]).min(1.0);
                cells.push([sum[0] * share * sure, sum[1] * share * sure, sum[2] * share * sure, sure]);
            }
        }
        Level { width, height, cells }
    }

    fn between(&self, x: f32, y: f32) -> [f32; 4] {
        let (x, y) = (x.clamp(0.0, self.width as f32 - 1.0), y.clamp(0.0, self.height as f32 - 1.0));
        let (left, top) = (x as usize, y as usize);
        let (right, bottom) = ((left + 1).min(self.width - 1), (top + 1).min(self.height - 1));
        let (u, v) = (x - left as f32, y - top as f32);
        let at = |column: usize, row: usize| self.cells[row * self.width + column];
        let corners = [at(left, top), at(right, top), at(left, bottom), at(right, bottom)];
        let shares = [(1.0 - u) * (1.0 - v), u * (1.0 - v), (1.0 - u) * v, u * v];
        std::array::from_fn(|c| (0..4).map(|k| corners[k][c] * shares[k]).sum())
    }
}
