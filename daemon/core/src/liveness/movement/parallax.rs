//! What moved between two pictures of a face beside its plane.

use crate::geometry::{Landmarks, Point};

/// The eyes' distance over the height to the mouth, against the beginning: below this the plane has turned by 30 degrees.
const FORESHORTENED_MAX: f32 = 0.84;
/// A plane that has turned so far shows at least this parallax if a nose stands out of it (it would be 0.2).
const SOLID_MIN: f32 = 0.05;

/// What moved between two pictures of a face, in heights from the eyes to the mouth of the second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parallax {
    /// How far the nose went beside its plane, towards the right end of the eye line.
    pub across: f32,
    /// The same, down.
    pub down: f32,
    /// Height from eyes to mouth, against the first picture.
    pub growth: f32,
    /// Eyes' distance over that height, against the first picture.
    pub narrowing: f32,
}

impl Parallax {
    /// From the landmarks of a first and a later picture; `None` where their four outer points span no area.
    #[must_use]
    pub fn between(first: &Landmarks, later: &Landmarks) -> Option<Self> {
        let outer = |m: &Landmarks| [m.left_eye, m.right_eye, m.right_mouth, m.left_mouth];
        let plane = Homography::between(outer(first), outer(later))?;
        let expected = plane.apply(first.nose)?;
        let height =
            |m: &Landmarks| m.left_eye.middle(m.right_eye).distance(m.left_mouth.middle(m.right_mouth));
        let (before, after) = (height(first), height(later));
        let (eyes, wide) = (later.eye_distance(), first.eye_distance());
        let (dx, dy) = (later.nose.x - expected.x, later.nose.y - expected.y);
        let (ux, uy) =
            ((later.right_eye.x - later.left_eye.x) / eyes, (later.right_eye.y - later.left_eye.y) / eyes);
        let found = Self {
            across: (dx * ux + dy * uy) / after,
            down: (dy * ux - dx * uy) / after,
            growth: after / before,
            narrowing: (eyes / after) / (wide / before),
        };
        let finite = [found.across, found.down, found.growth, found.narrowing].iter().all(|v| v.is_finite());
        finite.then_some(found)
    }

    /// The plane has turned aside, and nothing stands out of it. Not of a plane that was lowered: detectors hide what a nose does
    /// then, and whoever nods deeply would be taken for a sheet.
    pub(super) fn is_flat(&self) -> bool {
        self.narrowing <= FORESHORTENED_MAX && self.across.hypot(self.down) < SOLID_MIN
    }
}

/// A projective map of the plane, as a 3 x 3 matrix.
#[derive(Debug, Clone, Copy)]
struct Homography([[f64; 3]; 3]);

impl Homography {
    /// The one that maps four points onto four others (Heckbert 1989, section 2.2.3: both through the unit square).
    fn between(from: [Point; 4], to: [Point; 4]) -> Option<Self> {
        let (from, to) = (Self::of_square(from)?, Self::of_square(to)?);
        Some(Self(product(&to.0, &adjugate(&from.0))))
    }

    /// Maps the unit square (0,0) (1,0) (1,1) (0,1) onto a quadrilateral; `None` where three of its points are in line.
    fn of_square(corners: [Point; 4]) -> Option<Self> {
        let [(x0, y0), (x1, y1), (x2, y2), (x3, y3)] = corners.map(|p| (f64::from(p.x), f64::from(p.y)));
        let (dx1, dx2, sx) = (x1 - x2, x3 - x2, x0 - x1 + x2 - x3);
        let (dy1, dy2, sy) = (y1 - y2, y3 - y2, y0 - y1 + y2 - y3);
        let area = dx1 * dy2 - dx2 * dy1;
        let size = (dx1.hypot(dy1) * dx2.hypot(dy2)).max(f64::MIN_POSITIVE);
        if !(area.is_finite() && area.abs() > 1e-3 * size) {
            return None;
        }
        let (g, h) = ((sx * dy2 - dx2 * sy) / area, (dx1 * sy - sx * dy1) / area);
        Some(Self([
            [x1 - x0 + g * x1, x3 - x0 + h * x3, x0],
            [y1 - y0 + g * y1, y3 - y0 + h * y3, y0],
            [g, h, 1.0],
        ]))
    }

    #[expect(clippy::cast_possible_truncation, reason = "pixels, computed wider than they are kept")]
    fn apply(&self, p: Point) -> Option<Point> {
        let [x, y, w] = self.0.map(|row| row[0] * f64::from(p.x) + row[1] * f64::from(p.y) + row[2]);
        (w.abs() > f64::MIN_POSITIVE).then(|| Point::new((x / w) as f32, (y / w) as f32))
    }
}

/// The inverse times the determinant, which a projective map does not need.
fn adjugate(m: &[[f64; 3]; 3]) -> [[f64; 3]; 3] {
    let minor = |r: usize, c: usize| {
        let (a, b, d, e) = ((r + 1) % 3, (r + 2) % 3, (c + 1) % 3, (c + 2) % 3);
        m[a][d] * m[b][e] - m[a][e] * m[b][d]
    };
    std::array::from_fn(|r| std::array::from_fn(|c| minor(c, r)))
}

fn product(a: &[[f64; 3]; 3], b: &[[f64; 3]; 3]) -> [[f64; 3]; 3] {
    std::array::from_fn(|r| std::array::from_fn(|c| (0..3).map(|k| a[r][k] * b[k][c]).sum()))
}
