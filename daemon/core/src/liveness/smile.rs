//! How much a mouth smiles, read from the picture: what a rigid mask cannot change, however it is turned (attack case P6).
//!
//! The five points do not show it. Detectors of their kind learn the mean shape of a face and draw the mouth where the mean
//! has it: of a smile that widens a mouth by a fifth, the recommended one shows four per cent and the house pack's one.
//! So the points only say where to look. The lower face is mapped onto a fixed grid, described by the directions of its
//! edges (histograms of oriented gradients: Dalal, Triggs 2005; cells of 8 x 8, eight directions, both halves folded onto
//! each other, since a smile is symmetrical and light is not), and weighed by [`weights`], a logistic regression on
//! pictures that a person labelled. docs/liveness.md has its figures and how it was made.
//!
//! A score alone says nothing of life. What [`super::movement`] asks for is that it *changes*, when told to.

#![expect(clippy::cast_possible_truncation, reason = "coordinates are checked against the picture")]

mod weights;

use crate::frame::{Plane, Rgb};
use crate::geometry::{Landmarks, Point, Similarity};

/// Numbers that describe a mouth.
pub const FEATURES: usize = CELLS_DOWN * CELLS_ACROSS / 2 * DIRECTIONS;

/// Where the five points lie on the grid: eyes 35 apart, mouth corners 18 from the left and right, 22 below the upper end.
const PLACES: [Point; 5] = [
    Point::new(14.3, -18.3),
    Point::new(49.5, -18.5),
    Point::new(32.0, 1.7),
    Point::new(17.5, 22.4),
    Point::new(46.7, 22.2),
];
const CELL: usize = 8;
const CELLS_ACROSS: usize = 8;
const CELLS_DOWN: usize = 5;
const DIRECTIONS: usize = 8;
/// Sides of the grid, with a border for gradients.
const ACROSS: usize = CELL * CELLS_ACROSS + 2;
const DOWN: usize = CELL * CELLS_DOWN + 2;
/// Mean gradient, levels over two places, below which a lower face shows nothing but noise.
const GRADIENT_MIN: f32 = 1.0;
/// Picture pixels that are averaged for a place of the grid, to each side, at most.
const FINE_MAX: u8 = 4;

/// How much the mouth smiles: about -1 for a mouth that does not, +1 for one that does; `None` where the picture does not
/// show it. Whatever is done to brightness and contrast, it stays the same.
#[must_use]
pub fn score(picture: &Plane<Rgb>, marks: &Landmarks) -> Option<f32> {
    let features = features(picture, marks)?;
    let sum: f32 = features.iter().zip(&weights::WEIGHTS).map(|(value, weight)| value * weight).sum();
    Some(sum + weights::OFFSET)
}

/// The edges of a lower face, of length 1 before both halves were folded; `None` as for [`score`].
#[must_use]
pub fn features(picture: &Plane<Rgb>, marks: &Landmarks) -> Option<[f32; FEATURES]> {
    let grid = grid(picture, marks)?;
    let mut cells = [[[0.0f32; DIRECTIONS]; CELLS_ACROSS]; CELLS_DOWN];
    for y in 1..DOWN - 1 {
        for x in 1..ACROSS - 1 {
            let (dx, dy) = (grid[y][x + 1] - grid[y][x - 1], grid[y + 1][x] - grid[y - 1][x]);
            let turned = dy.atan2(dx).rem_euclid(std::f32::consts::PI) / std::f32::consts::PI;
            let direction = turned * DIRECTIONS as f32;
            let (below, share) = (direction.floor(), direction.fract());
            let cell = &mut cells[(y - 1) / CELL][(x - 1) / CELL];
            let at = below as usize % DIRECTIONS;
            cell[at] += dx.hypot(dy) * (1.0 - share);
            cell[(at + 1) % DIRECTIONS] += dx.hypot(dy) * share;
        }
    }
    let total: f32 = cells.iter().flatten().flatten().sum();
    if total.is_nan() || total < GRADIENT_MIN * (CELL * CELL * CELLS_ACROSS * CELLS_DOWN) as f32 {
        return None;
    }
    let mut features = [0.0; FEATURES];
    let mut next = features.iter_mut();
    for row in &cells {
        for (column, left) in row[..CELLS_ACROSS / 2].iter().enumerate() {
            let right = &row[CELLS_ACROSS - 1 - column];
            for (k, value) in left.iter().enumerate() {
                let mirrored = right[(DIRECTIONS - k) % DIRECTIONS];
                // Square roots, so that one strong edge does not drown the rest.
                *next.next()? = (value / total).sqrt() + (mirrored / total).sqrt();
            }
        }
    }
    Some(features)
}

/// Luminance of the lower face; `None` where it does not lie within the picture.
fn grid(picture: &Plane<Rgb>, marks: &Landmarks) -> Option<[[f32; ACROSS]; DOWN]> {
    let onto = Similarity::between(&PLACES, &marks.points())?;
    let step = onto.apply(Point::new(0.0, 0.0)).distance(onto.apply(Point::new(1.0, 0.0)));
    let fine = step.round().clamp(1.0, f32::from(FINE_MAX)) as u8;
    let mut grid = [[0.0; ACROSS]; DOWN];
    for (y, row) in grid.iter_mut().enumerate() {
        for (x, value) in row.iter_mut().enumerate() {
            let mut sum = 0.0;
            for k in 0..fine * fine {
                let within = |k: u8| (f32::from(k) + 0.5) / f32::from(fine) - 0.5;
                let (u, v) = (x as f32 - 1.0 + within(k % fine), y as f32 - 1.0 + within(k / fine));
                sum += luminance(picture, onto.apply(Point::new(u, v)))?;
            }
            *value = sum / f32::from(fine * fine);
        }
    }
    Some(grid)
}

/// Luminance between four pixels.
fn luminance(picture: &Plane<Rgb>, p: Point) -> Option<f32> {
    let inside =
        p.x >= 0.0 && p.y >= 0.0 && p.x < (picture.width() - 1) as f32 && p.y < (picture.height() - 1) as f32;
    if !inside {
        return None;
    }
    let (x, y) = (p.x as u32, p.y as u32);
    let (u, v) = (p.x.fract(), p.y.fract());
    let at = |x, y| {
        let [r, g, b]: Rgb = picture.at(x, y);
        0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b)
    };
    let above = at(x, y) + u * (at(x + 1, y) - at(x, y));
    let below = at(x, y + 1) + u * (at(x + 1, y + 1) - at(x, y + 1));
    Some(above + v * (below - above))
}
