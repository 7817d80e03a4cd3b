//! Heads, sheets and masks before a challenge.

use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::geometry::Point;

/// Eyes, nose and mouth corners in millimetres, the nose 26 mm before the plane of the others.
const HEAD: [[f32; 3]; 5] =
    [[-31.5, -35.0, 0.0], [31.5, -35.0, 0.0], [0.0, 2.0, -26.0], [-25.0, 35.0, 0.0], [25.0, 35.0, 0.0]];
/// What a head turns and nods about, in the same measure: the uppermost joint of the neck.
const NECK: [f32; 3] = [0.0, 10.0, 90.0];
/// Pixels per unit of tangent.
const FOCAL: f32 = 460.0;
/// Standard deviation of a landmark, in pixels at 63 mm = 48 pixels: that of the detector on neighbouring frames.
const JITTER: f32 = 0.7;

/// Standard deviation of a reading of the mouth: more than that of neighbouring frames of one person (`nuaa-dev`: 0.13).
const MOUTH_JITTER: f32 = 0.2;
/// How far a rigid mouth seems to change with its pitch, in 17 degrees: the most of eight rendered masks that nodded.
const MOUTH_DRIFT: f32 = 0.6;

/// How a face is held: angles in degrees, millimetres; and how much it smiles.
#[derive(Debug, Clone, Copy, Default)]
struct Stance {
    yaw: f32,
    pitch: f32,
    roll: f32,
    right: f32,
    distance: f32,
    smile: f32,
}

fn marks(points: &[[f32; 3]; 5], stance: Stance, mut jitter: impl FnMut() -> f32) -> Landmarks {
    let Stance { yaw, pitch, roll, right, distance, .. } = stance;
    let [(sy, cy), (sp, cp), (sr, cr)] = [yaw, pitch, roll].map(|a| a.to_radians().sin_cos());
    let [_, up, back] = NECK;
    let project = |[x, y, z]: [f32; 3]| {
        let (y, z) = (y - up, z - back);
        // To the right of the picture for positive yaw: the nose, at negative z, goes to positive x.
        let (x, z) = (x * cy - z * sy, x * sy + z * cy);
        let (y, z) = (y * cp - z * sp, y * sp + z * cp);
        let (y, z) = (y + up, z + back);
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
    let at_ease = Stance { distance: 600.0, smile: -1.5, ..Stance::default() };
    match step {
        Move::TurnLeft => Stance { yaw: 32.0 * swing, ..at_ease },
        Move::TurnRight => Stance { yaw: -32.0 * swing, ..at_ease },
        Move::Nod => Stance { pitch: 20.0 * swing, ..at_ease },
        Move::Closer => Stance { distance: 600.0 - 180.0 * swing, ..at_ease },
        Move::Smile => Stance { smile: -1.5 + 2.5 * swing, ..at_ease },
    }
}

/// The same behind a rigid mask of somebody who smiles as much.
fn masked(smile: f32) -> impl Fn(Move, f32) -> Stance {
    move |step, phase| {
        // Where a smile is asked for, it nods: that changes a rigid mouth most.
        let stance = stance(if step == Move::Smile { Move::Nod } else { step }, phase);
        Stance { smile: smile + MOUTH_DRIFT * stance.pitch / 17.0, ..stance }
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
    let mut challenge = Challenge::draw(seed(number), AtRest::default(), Mono(0));
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
        let stance = pose(step, phase);
        let read = stance.smile + MOUTH_JITTER * rng.random_range(-1.7..1.7f32);
        let jitter = || JITTER * rng.random_range(-1.7..1.7f32);
        challenge.see(&marks(points, stance, jitter), Some(read), now);
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
fn p1_a_photo_turned_in_the_hand_never_passes_flat_or_bent_not_even_one_that_smiles() {
    let sheets =
        [photo(None), photo(Some((true, 120.0))), photo(Some((false, 120.0))), photo(Some((true, -120.0)))];
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
            Move::Closer => Move::Smile,
            Move::Smile => Move::Nod,
        };
        stance(wrong, phase)
    };
    let passed = (0..200).filter(|n| play(&HEAD, *n, mirrored).0 == Says::Supports).count();
    assert_eq!(passed, 0);
}

#[test]
fn p6_a_rigid_mask_that_turns_and_nods_like_a_head_never_passes() {
    for smile in [-1.5, 0.0, 1.5] {
        let passed = (0..700).filter(|n| play(&HEAD, *n, masked(smile)).0 == Says::Supports).count();
        println!("masks that smile {smile}: {passed} of 700 passed");
        assert_eq!(passed, 0);
    }
}

#[test]
fn somebody_who_smiles_already_passes_by_ceasing_and_a_faint_smile_is_half_the_way() {
    let ceasing = |step, phase| {
        let stance = stance(step, phase);
        Stance { smile: -0.5 - stance.smile, ..stance }
    };
    let passed = (0..200).filter(|n| play(&HEAD, *n, ceasing).0 == Says::Supports).count();
    assert!(passed >= 195, "{passed} of 200");
    // How far a mouth has to go, for whoever reads the figures of docs/liveness.md.
    for reach in [0.4f32, 0.6, 0.8, 1.0, 1.2, 1.5, 2.0] {
        let faint = |step, phase| {
            let stance = stance(step, phase);
            Stance { smile: -1.5 + reach / 2.5 * (stance.smile + 1.5), ..stance }
        };
        let passed = (0..500).filter(|n| play(&HEAD, *n, faint).0 == Says::Supports).count();
        println!("a change of {reach}: {passed} of 500 passed");
        assert!(if reach < 0.5 { passed <= 25 } else { reach < 1.4 || passed >= 490 });
    }
}

#[test]
fn a_smile_that_a_slow_camera_is_first_asked_for_is_held_against_the_few_readings_before_it() {
    let mut mouth = Mouth::default();
    (0..3).for_each(|_| mouth.read(-1.5));
    mouth.begin();
    (0..MOUTH_WINDOW).for_each(|_| mouth.read(-1.5 + MOUTH_CHANGE_MIN + 0.01));
    assert!(mouth.has_changed(), "{}", mouth.change());
}

#[test]
fn a_smile_that_widens_the_mouth_is_no_turned_sheet() {
    // Mouth corners a fifth farther apart and 5 mm higher, in every step.
    let mut smiling = HEAD;
    for (corner, away) in smiling[3..].iter_mut().zip([-5.0, 5.0]) {
        corner[0] += away;
        corner[1] -= 5.0;
    }
    for yaw in [-24.0f32, -12.0, 0.0, 12.0, 24.0] {
        let frontal = marks(&HEAD, Stance { distance: 600.0, ..Stance::default() }, || 0.0);
        let turned = marks(&smiling, Stance { yaw, distance: 600.0, ..Stance::default() }, || 0.0);
        assert!(!Parallax::between(&frontal, &turned).unwrap().is_flat(), "{yaw}");
    }
}

#[test]
fn a_deep_nod_is_no_turned_sheet_though_detectors_hide_its_nose() {
    let frontal = marks(&photo(None), Stance { distance: 600.0, ..Stance::default() }, || 0.0);
    for pitch in [20.0f32, 35.0, 45.0] {
        let lowered = marks(&photo(None), Stance { pitch, distance: 600.0, ..Stance::default() }, || 0.0);
        assert!(!Parallax::between(&frontal, &lowered).unwrap().is_flat(), "{pitch}");
    }
}

#[test]
fn one_reading_that_errs_is_no_smile_nor_is_one_that_is_no_number() {
    let mut mouth = Mouth::default();
    for k in 0..60 {
        mouth.read(if k % 3 == 0 { 2.0 } else { -1.5 });
        mouth.read(f32::NAN);
        assert!(!mouth.has_changed());
    }
}

#[test]
fn p5_p6_orders_are_drawn_and_each_has_a_smile_and_a_turn() {
    let mut orders = std::collections::BTreeMap::new();
    for number in 0..6000 {
        let steps = Challenge::draw(seed(number), AtRest::default(), Mono(0)).steps;
        let count = |of: fn(&Move) -> bool| steps.iter().filter(|step| of(step)).count();
        assert_eq!(count(|step| *step == Move::Smile), 1);
        assert_eq!(count(|step| matches!(step, Move::TurnLeft | Move::TurnRight)), 1);
        assert!((2..=3).contains(&steps.len()));
        *orders.entry(steps).or_insert(0) += 1;
    }
    // Four of two movements, and six places of each of two more in each of those with a smile and one turn.
    assert_eq!(orders.len(), 4 + 4 * 2 * 3);
    assert!(orders.values().all(|count| (100..600).contains(count)), "{orders:?}");
}

proptest! {
    #[test]
    fn p1_no_motion_of_a_plane_has_parallax(
        yaw in -45f32..45.0, pitch in -35f32..35.0, roll in -40f32..40.0, right in -150f32..150.0,
        distance in 250f32..1200.0,
    ) {
        let exact = |stance| marks(&photo(None), stance, || 0.0);
        let first = exact(Stance { distance: 500.0, ..Stance::default() });
        let later = exact(Stance { yaw, pitch, roll, right, distance, smile: 0.0 });
        let found = Parallax::between(&first, &later).unwrap();
        prop_assert!(found.across.abs() < 0.01 && found.down.abs() < 0.01, "{:?}", found);
    }

    #[test]
    fn hostile_landmarks_never_panic(points in proptest::collection::vec((any::<f32>(), any::<f32>()), 10)) {
        let marks = |at: usize| {
            Landmarks::from_points(std::array::from_fn(|k| Point::new(points[at + k].0, points[at + k].1)))
        };
        let mut challenge = Challenge::draw([1; 32], AtRest::default(), Mono(0));
        challenge.see(&marks(0), Some(points[0].0), Mono(1));
        challenge.see(&marks(5), Some(points[1].0), Mono(2));
        prop_assert_ne!(challenge.says(), Says::Supports);
    }
}
