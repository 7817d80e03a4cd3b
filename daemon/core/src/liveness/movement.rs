//! The challenge to a person: turn, nod, come closer, in an order that nobody can foretell, and within bounded time.
//!
//! Eyes and mouth corners lie nearly in a plane, the tip of the nose stands out of it by about half the distance between
//! the eyes. Between two pictures, the four points give the homography of that plane, which explains all motion of a
//! flat photograph, however it is turned, bent a little or moved. What the nose does beside it, its *parallax*, is the
//! motion of a solid head: to the side of the turn, by depth times the sine of the angle. So a turn is not read from the
//! picture's proportions but from the parallax, and a plane that foreshortens without any is a sheet.
//!
//! Coming closer has no parallax to speak of; it only makes the order harder to foretell, and never stands alone. The
//! blink is not offered: five points do not show whether an eye is open. A video of the right movements in the right
//! order passes here; screens are for colour, infrared and depth to see (attack case P5).

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha20Rng;

use super::Says;
use crate::geometry::{Landmarks, Point};
use crate::time::Mono;

/// How long a person has for one movement: to read it, and to do it without haste.
const STEP_MAX: Duration = Duration::from_secs(6);
/// Every order of two different movements of which one is a turn at least.
const ORDERS: [[Move; 2]; 10] = {
    use Move::{Closer, Nod, TurnLeft, TurnRight};
    [
        [TurnLeft, TurnRight],
        [TurnRight, TurnLeft],
        [TurnLeft, Nod],
        [Nod, TurnLeft],
        [TurnRight, Nod],
        [Nod, TurnRight],
        [TurnLeft, Closer],
        [Closer, TurnLeft],
        [TurnRight, Closer],
        [Closer, TurnRight],
    ]
};
/// Time of a whole challenge.
pub const CHALLENGE_MAX: Duration = Duration::from_secs(12);
/// Parallax of a turn, in heights from eyes to mouth: 17 degrees with a nose of average depth (0.4 of that height).
const TURN_MIN: f32 = 0.12;
/// Parallax of a nod, the same: 10 degrees. Heads nod less far than they turn.
const NOD_MIN: f32 = 0.07;
/// How much larger the face must become, eyes to mouth: from 60 cm to 45 cm is 1.33.
const CLOSER_MIN: f32 = 1.25;
/// Pictures in which a movement must be seen: one is a slip of the detector.
const HELD_MIN: u32 = 2;
/// The eyes' distance over the height to the mouth, against the beginning: below this the plane has turned by 30 degrees.
const FORESHORTENED_MAX: f32 = 0.84;
/// A plane that has turned so far shows at least this parallax if a nose stands out of it (it would be 0.2).
const SOLID_MIN: f32 = 0.05;
/// Pictures of a plane that turned without parallax, after which it is a sheet.
const FLAT_MAX: u32 = 4;
/// Yaw within which a face counts as frontal, degrees: what a movement is measured against.
const FRONTAL_MAX: f32 = 14.0;

/// A movement. Sides are the person's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Move {
    /// Turn the head to the left.
    TurnLeft,
    /// Turn the head to the right.
    TurnRight,
    /// Nod.
    Nod,
    /// Come closer.
    Closer,
}

impl Move {
    /// Every movement.
    pub const ALL: [Move; 4] = [Move::TurnLeft, Move::TurnRight, Move::Nod, Move::Closer];

    /// The stable name in metrics and JSON.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Move::TurnLeft => "turn_left",
            Move::TurnRight => "turn_right",
            Move::Nod => "nod",
            Move::Closer => "closer",
        }
    }

    /// What the person is told.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Move::TurnLeft => "Please turn your head to the left.",
            Move::TurnRight => "Please turn your head to the right.",
            Move::Nod => "Please nod.",
            Move::Closer => "Please come closer.",
        }
    }

    /// Whether the face does it, against how it was at the beginning. A head that turns to its left turns to the right of
    /// the picture.
    fn is_shown(self, seen: &Parallax) -> bool {
        match self {
            Move::TurnLeft => seen.across >= TURN_MIN,
            Move::TurnRight => seen.across <= -TURN_MIN,
            Move::Nod => seen.down >= NOD_MIN,
            Move::Closer => seen.growth >= CLOSER_MIN,
        }
    }
}

/// A challenge that goes on.
#[derive(Debug, Clone)]
pub struct Challenge {
    steps: [Move; 2],
    done: usize,
    began: Mono,
    step_began: Mono,
    first: Option<Landmarks>,
    held: u32,
    flat: u32,
    says: Says,
}

impl Challenge {
    /// Draws two movements; `seed` decides which. They are measured against `first`, a frontal view of before; without
    /// one, against the next.
    #[must_use]
    pub fn draw(seed: [u8; 32], first: Option<Landmarks>, now: Mono) -> Self {
        let steps = ORDERS[ChaCha20Rng::from_seed(seed).random_range(0..ORDERS.len())];
        Self { steps, done: 0, began: now, step_began: now, first, held: 0, flat: 0, says: Says::Missing }
    }

    /// What is asked for now.
    #[must_use]
    pub fn asks(&self) -> Option<Move> {
        self.steps.get(self.done).copied().filter(|_| self.says == Says::Missing)
    }

    /// [`Says::Supports`] once everything was done; [`Says::Contradicts`] for a face without relief.
    #[must_use]
    pub fn says(&self) -> Says {
        self.says
    }

    /// When it is over, whatever was done.
    #[must_use]
    pub fn deadline(&self) -> Mono {
        (self.step_began + STEP_MAX).min(self.began + CHALLENGE_MAX)
    }

    /// Takes the landmarks of the next picture.
    pub fn see(&mut self, marks: &Landmarks, now: Mono) {
        let Some(step) = self.asks().filter(|_| now < self.deadline()) else { return };
        let first = match self.first {
            Some(first) => first,
            None if is_frontal(marks) => *self.first.insert(*marks),
            None => return,
        };
        let Some(seen) = Parallax::between(&first, marks) else { return };
        if seen.is_flat() {
            self.flat += 1;
            if self.flat >= FLAT_MAX {
                self.says = Says::Contradicts;
            }
            return;
        }
        self.held = if step.is_shown(&seen) { self.held + 1 } else { 0 };
        if self.held >= HELD_MIN {
            self.done += 1;
            (self.held, self.step_began) = (0, now);
            if self.done == self.steps.len() {
                self.says = Says::Supports;
            }
        }
    }
}

/// Whether a movement can be measured against this view.
#[must_use]
pub fn is_frontal(marks: &Landmarks) -> bool {
    marks.pose().yaw.abs() <= FRONTAL_MAX
}

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

    /// The plane has turned, and nothing stands out of it.
    fn is_flat(&self) -> bool {
        let foreshortened = self.narrowing <= FORESHORTENED_MAX || self.narrowing >= 1.0 / FORESHORTENED_MAX;
        foreshortened && self.across.hypot(self.down) < SOLID_MIN
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Eyes, nose and mouth corners in millimetres, the nose 26 mm before the plane of the others.
    const HEAD: [[f32; 3]; 5] =
        [[-31.5, -35.0, 0.0], [31.5, -35.0, 0.0], [0.0, 2.0, -26.0], [-25.0, 35.0, 0.0], [25.0, 35.0, 0.0]];
    /// Pixels per unit of tangent.
    const FOCAL: f32 = 460.0;
    /// Standard deviation of a landmark, in pixels at 63 mm = 48 pixels: that of the detector on neighbouring frames.
    const JITTER: f32 = 0.7;

    /// How a face is held: angles in degrees, millimetres.
    #[derive(Debug, Clone, Copy, Default)]
    struct Stance {
        yaw: f32,
        pitch: f32,
        roll: f32,
        right: f32,
        distance: f32,
    }

    fn marks(points: &[[f32; 3]; 5], stance: Stance, mut jitter: impl FnMut() -> f32) -> Landmarks {
        let Stance { yaw, pitch, roll, right, distance } = stance;
        let [(sy, cy), (sp, cp), (sr, cr)] = [yaw, pitch, roll].map(|a| a.to_radians().sin_cos());
        let project = |[x, y, z]: [f32; 3]| {
            // To the right of the picture for positive yaw: the nose, at negative z, goes to positive x.
            let (x, z) = (x * cy - z * sy, x * sy + z * cy);
            let (y, z) = (y * cp - z * sp, y * sp + z * cp);
            let (x, y, z) = (x * cr - y * sr + right, x * sr + y * cr, z + distance);
            Point::new(320.0 + FOCAL * x / z + jitter(), 240.0 + FOCAL * y / z + jitter())
        };
        Landmarks::from_points(points.map(project))
    }

    /// Bent around an upright or a lying cylinder of this radius, millimetres.
    fn photo(bend: Option<(bool, f32)>) -> [[f32; 3]; 5] {
        HEAD.map(|[x, y, _]| match bend {
            None => [x, y, 0.0],
            Some((upright, radius)) => {
                let along = if upright { x } else { y };
                let (sin, cos) = (along / radius).sin_cos();
                let z = radius * (1.0 - cos);
                if upright { [radius * sin, y, z] } else { [x, radius * sin, z] }
            }
        })
    }

    /// What somebody does who follows: a slow movement there, and back.
    fn stance(step: Move, phase: f32) -> Stance {
        let swing = (phase * std::f32::consts::PI).sin();
        let at_ease = Stance { distance: 600.0, ..Stance::default() };
        match step {
            Move::TurnLeft => Stance { yaw: 32.0 * swing, ..at_ease },
            Move::TurnRight => Stance { yaw: -32.0 * swing, ..at_ease },
            Move::Nod => Stance { pitch: 20.0 * swing, ..at_ease },
            Move::Closer => Stance { distance: 600.0 - 180.0 * swing, ..at_ease },
        }
    }

    fn seed(n: u32) -> [u8; 32] {
        let mut seed = [7; 32];
        seed[..4].copy_from_slice(&n.to_le_bytes());
        seed
    }

    /// Plays a challenge to its end; `pose` answers the step asked for, and how far its second has come.
    fn play(points: &[[f32; 3]; 5], number: u32, pose: impl Fn(Move, f32) -> Stance) -> (Says, u64) {
        let mut rng = ChaCha8Rng::seed_from_u64(u64::from(number));
        let mut challenge = Challenge::draw(seed(number), None, Mono(0));
        let (mut frame, mut since) = (0u64, (None, 0));
        while let Some(step) = challenge.asks() {
            let now = Mono::from_millis(frame * 66);
            if now >= challenge.deadline() {
                break;
            }
            if since.0 != Some(step) {
                since = (Some(step), frame);
            }
            let phase = ((frame - since.1) as f32 / 22.0 - 0.3).clamp(0.0, 1.0);
            let jitter = || JITTER * rng.random_range(-1.7..1.7f32);
            challenge.see(&marks(points, pose(step, phase), jitter), now);
            frame += 1;
        }
        (challenge.says(), frame)
    }

    #[test]
    fn a_live_head_that_does_as_told_passes_in_a_few_seconds() {
        let (mut passed, mut longest) = (0, 0);
        for number in 0..500 {
            let (says, frames) = play(&HEAD, number, stance);
            passed += u32::from(says == Says::Supports);
            longest = longest.max(frames);
        }
        println!("{passed} of 500 heads passed, the slowest in {} ms", longest * 66);
        assert!(passed >= 495, "{passed} of 500");
    }

    #[test]
    fn heads_with_flat_and_with_long_noses_pass_too() {
        for depth in [19.0f32, 34.0] {
            let mut points = HEAD;
            points[2][2] = -depth;
            let passed = (0..200).filter(|n| play(&points, *n, stance).0 == Says::Supports).count();
            assert!(passed >= 190, "{depth} mm: {passed} of 200");
        }
    }

    #[test]
    fn p1_a_photo_turned_in_the_hand_never_passes_flat_or_bent() {
        let sheets = [
            photo(None),
            photo(Some((true, 120.0))),
            photo(Some((false, 120.0))),
            photo(Some((true, -120.0))),
        ];
        for (kind, sheet) in sheets.iter().enumerate() {
            for reach in [1.0, 1.6] {
                let turned = |step, phase| {
                    let stance = stance(step, phase);
                    Stance { yaw: reach * stance.yaw, pitch: reach * stance.pitch, ..stance }
                };
                let passed = (0..300).filter(|n| play(sheet, *n, turned).0 == Says::Supports).count();
                assert_eq!(passed, 0, "sheet {kind}, turned {reach} times as far");
            }
        }
    }

    #[test]
    fn p1_a_sheet_that_turns_far_is_told_from_somebody_who_does_nothing() {
        let far = |_, phase: f32| Stance { yaw: 50.0 * phase, distance: 600.0, ..Stance::default() };
        assert_eq!(play(&photo(None), 1, far).0, Says::Contradicts);
        let still = |_, _| Stance { distance: 600.0, ..Stance::default() };
        let (says, frames) = play(&HEAD, 1, still);
        assert_eq!(says, Says::Missing);
        assert!(Duration::from_millis(frames * 66) <= STEP_MAX + Duration::from_millis(66), "bounded");
    }

    #[test]
    fn p5_the_wrong_movement_does_not_pass() {
        let mirrored = |step, phase| {
            let wrong = match step {
                Move::TurnLeft => Move::TurnRight,
                Move::TurnRight => Move::TurnLeft,
                Move::Nod => Move::Closer,
                Move::Closer => Move::Nod,
            };
            stance(wrong, phase)
        };
        let passed = (0..200).filter(|n| play(&HEAD, *n, mirrored).0 == Says::Supports).count();
        assert_eq!(passed, 0);
    }

    #[test]
    fn p5_orders_are_drawn_and_each_has_a_turn() {
        let mut orders = std::collections::BTreeMap::new();
        for number in 0..4000 {
            let steps = Challenge::draw(seed(number), None, Mono(0)).steps;
            let turns = steps.iter().filter(|step| matches!(step, Move::TurnLeft | Move::TurnRight));
            assert!(turns.count() > 0 && steps[0] != steps[1]);
            *orders.entry(steps).or_insert(0) += 1;
        }
        assert_eq!(orders.len(), 10);
        assert!(orders.values().all(|count| (300..500).contains(count)), "{orders:?}");
    }

    proptest! {
        #[test]
        fn p1_no_motion_of_a_plane_has_parallax(
            yaw in -45f32..45.0, pitch in -35f32..35.0, roll in -40f32..40.0, right in -150f32..150.0,
            distance in 250f32..1200.0,
        ) {
            let exact = |stance| marks(&photo(None), stance, || 0.0);
            let first = exact(Stance { distance: 500.0, ..Stance::default() });
            let later = exact(Stance { yaw, pitch, roll, right, distance });
            let found = Parallax::between(&first, &later).unwrap();
            prop_assert!(found.across.abs() < 0.01 && found.down.abs() < 0.01, "{:?}", found);
        }

        #[test]
        fn hostile_landmarks_never_panic(points in proptest::collection::vec((any::<f32>(), any::<f32>()), 10)) {
            let marks = |at: usize| {
                Landmarks::from_points(std::array::from_fn(|k| Point::new(points[at + k].0, points[at + k].1)))
            };
            let mut challenge = Challenge::draw([1; 32], None, Mono(0));
            challenge.see(&marks(0), Mono(1));
            challenge.see(&marks(5), Mono(2));
            prop_assert_ne!(challenge.says(), Says::Supports);
        }
    }
}
