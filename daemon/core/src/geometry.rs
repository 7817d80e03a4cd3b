//! Points, boxes, the five landmarks, and the similarity that maps them onto a template.

/// A point in pixels, origin at the centre of the top left pixel.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Point {
    /// To the right.
    pub x: f32,
    /// Down.
    pub y: f32,
}

impl Point {
    /// A point.
    #[must_use]
    pub const fn new(x: f32, y: f32) -> Self {
        Self { x, y }
    }

    /// Euclidean distance.
    #[must_use]
    pub fn distance(self, other: Point) -> f32 {
        (self.x - other.x).hypot(self.y - other.y)
    }

    /// The point half-way.
    #[must_use]
    pub fn middle(self, other: Point) -> Point {
        Point::new((self.x + other.x) / 2.0, (self.y + other.y) / 2.0)
    }
}

/// An upright rectangle in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rect {
    /// Left edge.
    pub x: f32,
    /// Top edge.
    pub y: f32,
    /// Width.
    pub width: f32,
    /// Height.
    pub height: f32,
}

impl Rect {
    /// Area in square pixels.
    #[must_use]
    pub fn area(&self) -> f32 {
        self.width.max(0.0) * self.height.max(0.0)
    }

    /// Centre.
    #[must_use]
    pub fn centre(&self) -> Point {
        Point::new(self.x + self.width / 2.0, self.y + self.height / 2.0)
    }

    /// Intersection over union with `other`, 0 to 1.
    #[must_use]
    pub fn overlap(&self, other: &Rect) -> f32 {
        let width = (self.x + self.width).min(other.x + other.width) - self.x.max(other.x);
        let height = (self.y + self.height).min(other.y + other.height) - self.y.max(other.y);
        let shared = width.max(0.0) * height.max(0.0);
        let union = self.area() + other.area() - shared;
        if union > 0.0 { shared / union } else { 0.0 }
    }

    /// The same place in a picture whose sides are `x` and `y` times as long.
    #[must_use]
    pub fn scaled(&self, x: f32, y: f32) -> Rect {
        Rect { x: self.x * x, y: self.y * y, width: self.width * x, height: self.height * y }
    }
}

/// Five landmarks, named as the picture shows them (not as the person would).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Landmarks {
    /// Eye at the left of the picture.
    pub left_eye: Point,
    /// Eye at the right of the picture.
    pub right_eye: Point,
    /// Tip of the nose.
    pub nose: Point,
    /// Mouth corner at the left of the picture.
    pub left_mouth: Point,
    /// Mouth corner at the right of the picture.
    pub right_mouth: Point,
}

impl Landmarks {
    /// As an array, in the order of the fields.
    #[must_use]
    pub fn points(&self) -> [Point; 5] {
        [self.left_eye, self.right_eye, self.nose, self.left_mouth, self.right_mouth]
    }

    /// From an array in the order of the fields.
    #[must_use]
    pub fn from_points([left_eye, right_eye, nose, left_mouth, right_mouth]: [Point; 5]) -> Self {
        Self { left_eye, right_eye, nose, left_mouth, right_mouth }
    }

    /// Distance between the eyes in pixels.
    #[must_use]
    pub fn eye_distance(&self) -> f32 {
        self.left_eye.distance(self.right_eye)
    }

    /// Head rotation estimated from the proportions of the five points.
    ///
    /// An estimate for refusing profiles, not a measurement: the nose tip of a frontal adult face projects onto the
    /// middle of the eye line and lies about 0.55 of the way down to the mouth; a head sphere with a nose 0.5 eye
    /// distances in front of the eye plane turns these proportions into angles.
    #[must_use]
    pub fn pose(&self) -> Pose {
        const NOSE_DEPTH: f32 = 0.5;
        const NOSE_LEVEL: f32 = 0.55;
        let eyes = self.left_eye.middle(self.right_eye);
        let mouth = self.left_mouth.middle(self.right_mouth);
        let roll = (self.right_eye.y - self.left_eye.y).atan2(self.right_eye.x - self.left_eye.x);
        let (sin, cos) = roll.sin_cos();
        // Coordinates with the eye line level.
        let level = |p: Point| {
            let (dx, dy) = (p.x - eyes.x, p.y - eyes.y);
            Point::new(dx * cos + dy * sin, dy * cos - dx * sin)
        };
        let (nose, mouth) = (level(self.nose), level(mouth));
        let height = mouth.y.max(1e-3);
        // The mouth's centre turns with the head like the eye line; both together give the face's middle.
        let axis = mouth.x * (nose.y / height).clamp(0.0, 1.0);
        let scale = (height / 1.1).max(self.eye_distance() / 1.0).max(1e-3);
        let yaw = ((nose.x - axis) / (NOSE_DEPTH * scale)).clamp(-1.0, 1.0).asin();
        let pitch = ((nose.y / height - NOSE_LEVEL) / NOSE_DEPTH).clamp(-1.0, 1.0).asin();
        Pose { yaw: yaw.to_degrees(), pitch: pitch.to_degrees(), roll: roll.to_degrees() }
    }
}

/// Head rotation in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pose {
    /// Turned towards the right of the picture: positive.
    pub yaw: f32,
    /// Looking down: positive.
    pub pitch: f32,
    /// Tilted clockwise in the picture: positive.
    pub roll: f32,
}

/// A similarity: rotation, uniform scale and shift. Maps `(x, y)` to `(a x - b y + tx, b x + a y + ty)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Similarity {
    a: f32,
    b: f32,
    tx: f32,
    ty: f32,
}

impl Similarity {
    /// The least-squares similarity that maps `from` onto `to` (Umeyama 1991; in two dimensions and without
    /// reflection it has this closed form). `None` where the points of `from` coincide or are not finite.
    #[must_use]
    pub fn between(from: &[Point; 5], to: &[Point; 5]) -> Option<Self> {
        let mean = |points: &[Point; 5]| {
            let sum = points.iter().fold(Point::default(), |s, p| Point::new(s.x + p.x, s.y + p.y));
            Point::new(sum.x / 5.0, sum.y / 5.0)
        };
        let (from_mean, to_mean) = (mean(from), mean(to));
        let (mut dot, mut cross, mut spread) = (0.0f32, 0.0f32, 0.0f32);
        for (f, t) in from.iter().zip(to) {
            let (fx, fy) = (f.x - from_mean.x, f.y - from_mean.y);
            let (tx, ty) = (t.x - to_mean.x, t.y - to_mean.y);
            dot += fx * tx + fy * ty;
            cross += fx * ty - fy * tx;
            spread += fx * fx + fy * fy;
        }
        if !(spread.is_finite() && spread > 1e-6) {
            return None;
        }
        let (a, b) = (dot / spread, cross / spread);
        let similarity = Self {
            a,
            b,
            tx: to_mean.x - (a * from_mean.x - b * from_mean.y),
            ty: to_mean.y - (b * from_mean.x + a * from_mean.y),
        };
        (a.hypot(b) > 1e-6 && similarity.tx.is_finite() && similarity.ty.is_finite()).then_some(similarity)
    }

    /// The image of a point.
    #[must_use]
    pub fn apply(&self, p: Point) -> Point {
        Point::new(self.a * p.x - self.b * p.y + self.tx, self.b * p.x + self.a * p.y + self.ty)
    }

    /// The similarity that undoes this one.
    #[must_use]
    pub fn inverse(&self) -> Self {
        let square = self.a * self.a + self.b * self.b;
        let (a, b) = (self.a / square, -self.b / square);
        Self { a, b, tx: -(a * self.tx - b * self.ty), ty: -(b * self.tx + a * self.ty) }
    }

    /// Length of the image of a unit length.
    #[must_use]
    pub fn scale(&self) -> f32 {
        self.a.hypot(self.b)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) const FRONTAL: [Point; 5] = [
        Point::new(38.2946, 51.6963),
        Point::new(73.5318, 51.5014),
        Point::new(56.0252, 71.7366),
        Point::new(41.5493, 92.3655),
        Point::new(70.7299, 92.2041),
    ];

    #[test]
    fn a_frontal_face_has_a_frontal_pose() {
        let pose = Landmarks::from_points(FRONTAL).pose();
        assert!(pose.yaw.abs() < 5.0 && pose.pitch.abs() < 10.0 && pose.roll.abs() < 2.0, "{pose:?}");
    }

    #[test]
    fn a_turned_head_has_yaw_of_the_right_sign() {
        let mut points = FRONTAL;
        points[2].x += 14.0;
        assert!(Landmarks::from_points(points).pose().yaw > 30.0);
        points[2].x -= 28.0;
        assert!(Landmarks::from_points(points).pose().yaw < -30.0);
    }

    #[test]
    fn coinciding_or_infinite_points_have_no_similarity() {
        assert!(Similarity::between(&[Point::new(3.0, 3.0); 5], &FRONTAL).is_none());
        assert!(Similarity::between(&[Point::new(f32::NAN, 3.0); 5], &FRONTAL).is_none());
    }

    proptest! {
        #[test]
        fn a_known_similarity_is_found_and_undone(angle in -3.1f32..3.1, scale in 0.1f32..8.0, tx in -500f32..500.0, ty in -500f32..500.0) {
            let (a, b) = (scale * angle.cos(), scale * angle.sin());
            let truth = Similarity { a, b, tx, ty };
            let found = Similarity::between(&FRONTAL, &FRONTAL.map(|p| truth.apply(p))).unwrap();
            for p in FRONTAL {
                prop_assert!(found.apply(p).distance(truth.apply(p)) < 1e-2 * scale.max(1.0));
                prop_assert!(found.inverse().apply(found.apply(p)).distance(p) < 1e-1);
            }
        }
    }
}
