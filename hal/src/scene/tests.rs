//! The frames are what `docs/scenes.md` says of the world, measured without any rule of the terminal's own.

use doorward_core::geometry::{Landmarks, Point, Rect};
use doorward_core::liveness::movement::Move;

use super::material::{BLACK, CARBON, PAPER, SKIN, WHITE_AT_HALF_METRE};
use super::species::{self, Roles};
use super::*;

const MOMENTS: [u64; 4] = [0, 700, 4_300, 3_599_900];

fn detection(region: Rect, points: [(f32, f32); 5]) -> Detection {
    let landmarks = Landmarks::from_points(points.map(|(x, y)| Point::new(x, y)));
    Detection { score: 0.93, region, landmarks }
}

/// A drawn head before a wall: enough structure for every rule, and nobody's face.
fn drawn() -> Portrait {
    let (width, height) = (600u32, 760u32);
    let oval = |x: f32, y: f32, cx: f32, cy: f32, a: f32, b: f32| ((x - cx) / a).hypot((y - cy) / b) < 1.0;
    let paint = |i: u32| -> Rgb {
        let (x, y) = ((i % width) as f32, (i / width) as f32);
        let grain = (x * 0.9).sin() * (y * 1.1).cos() * 7.0;
        let base = if [240.0, 360.0].iter().any(|eye| oval(x, y, *eye, 300.0, 26.0, 13.0)) {
            [60.0, 45.0, 40.0]
        } else if [240.0, 360.0].iter().any(|eye| oval(x, y, *eye, 268.0, 36.0, 7.0)) {
            [70.0, 50.0, 40.0]
        } else if oval(x, y, 300.0, 434.0, 46.0, 13.0) {
            [150.0, 60.0, 60.0]
        } else if oval(x, y, 300.0, 366.0, 20.0, 14.0) {
            [170.0, 120.0, 100.0]
        } else if oval(x, y, 300.0, 330.0, 118.0, 170.0) {
            [208.0 - 0.15 * (x - 300.0).abs(), 160.0, 135.0]
        } else if oval(x, y, 300.0, 270.0, 140.0, 160.0) {
            [50.0, 40.0, 35.0]
        } else if oval(x, y, 300.0, 760.0, 270.0, 230.0) {
            [60.0, 80.0, 120.0]
        } else {
            [150.0 + 0.04 * x, 160.0, 150.0]
        };
        base.map(|c: f32| byte(c + grain))
    };
    let picture = Plane::new(width, height, (0..width * height).map(paint).collect()).unwrap();
    let region = Rect { x: 190.0, y: 175.0, width: 220.0, height: 320.0 };
    let points = [(240.0, 300.0), (360.0, 300.0), (300.0, 366.0), (258.0, 434.0), (342.0, 434.0)];
    Portrait::new(&picture, &detection(region, points)).unwrap()
}

fn held(carrier: Carrier) -> Scene {
    Scene::nobody().with_carrier(carrier)
}

fn at(ms: u64) -> Mono {
    Mono::from_millis(ms)
}

/// Mean over a square of five pixels a side.
fn patch<P: Copy>(plane: &Plane<P>, p: Point, value: fn(P) -> f32) -> f32 {
    let around = (0..25).map(|k| ((p.x as i32 + k % 5 - 2) as u32, (p.y as i32 + k / 5 - 2) as u32));
    around.map(|(x, y)| value(plane.at(x, y))).sum::<f32>() / 25.0
}

/// Middle of the patch between the eyes, the place of a cheek, and an eye.
fn places(face: &Detection) -> (Point, Point, Point) {
    let [left, right, nose, mouth, _] = face.landmarks.points();
    (left.middle(right), Point::new(mix(left.x, mouth.x, 0.3), mix(nose.y, mouth.y, 0.2)), left)
}

/// What infrared says a place reflects: its level with the emitter less that without, against a white surface there. A
/// short flash, because what is held near saturates under a long one.
fn reflectance(renderer: &Renderer, scene: &Scene, ms: u64, of: impl Fn(&Detection) -> Point) -> f32 {
    let p = of(&renderer.faces(scene, at(ms))[0]);
    let level = |emitter: f32| {
        let frames = renderer.frameset_lit(scene, emitter, at(ms), 4);
        let range = patch(&frames.depth.unwrap().plane, p, f32::from);
        (patch(&frames.ir.unwrap().plane, p, f32::from), range)
    };
    const FLASH: f32 = 0.2;
    let ((lit, range), (dark, _)) = (level(FLASH), level(0.0));
    (lit - dark) / FLASH / WHITE_AT_HALF_METRE * (range / 500.0).powi(2)
}

#[test]
fn frames_depend_on_seed_time_number_and_light_and_on_nothing_else() {
    let (target, other) = (drawn(), drawn());
    for species in species::ALL {
        let scene = species.scene(Roles { target: &target, other: &other });
        let one = Renderer::new(1).frameset_lit(&scene, 0.7, at(500), 9);
        let same = Renderer::new(1).frameset_lit(&scene, 0.7, at(500), 9);
        assert!(one.rgb == same.rgb && one.ir == same.ir && one.depth == same.depth, "{species:?}");
    }
    let scene = Scene::live(target);
    let take = |seed, ms, sequence| Renderer::new(seed).frameset(&scene, at(ms), sequence);
    let one = take(1, 500, 9);
    for other in [take(2, 500, 9), take(1, 600, 9), take(1, 500, 10)] {
        assert_ne!(one.rgb.plane, other.rgb.plane);
        assert_ne!(one.ir.as_ref().unwrap().plane, other.ir.unwrap().plane);
        assert_ne!(one.depth.as_ref().unwrap().plane, other.depth.unwrap().plane);
    }
    let dark = Renderer::new(1).frameset_lit(&scene, 0.0, at(500), 9);
    assert!(dark.rgb == one.rgb && dark.depth == one.depth && dark.ir != one.ir);
}

#[test]
fn names_of_species_are_unique_and_fit_for_folders() {
    for (k, species) in species::ALL.iter().enumerate() {
        assert!(species.name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{species:?}");
        assert!(species::ALL[..k].iter().all(|before| before.name != species.name), "{species:?}");
        assert_eq!(species::named(species.name).unwrap().title, species.title);
    }
}

#[test]
fn faces_are_where_the_frames_show_them() {
    let (renderer, portrait) = (Renderer::new(5), drawn());
    let act = |action| Act { action, from: at(0) };
    let person = |action| Scene::of(Person::live(portrait.clone()).acting(act(action)));
    let sheet = |action| held(Carrier::photo(Medium::DyePrint, portrait.clone()).acting(act(action)));
    for scene in [
        Scene::live(portrait.clone()),
        Scene::of(Person::live(portrait.clone()).away(800.0)),
        Scene::print(portrait.clone()),
        Scene::screen(portrait.clone()),
        held(Carrier::photo(Medium::Phone, portrait.clone())),
        held(Carrier::photo(Medium::DyePrint, portrait.clone()).bent(Shape::Bent)),
        held(Carrier::video(Medium::Tablet, Person::live(portrait.clone()))),
        person(Move::TurnLeft),
        person(Move::TurnRight),
        person(Move::Nod),
        person(Move::Closer),
        person(Move::Smile),
        sheet(Move::TurnRight),
    ] {
        for ms in MOMENTS.into_iter().chain([1_300]) {
            let frames = renderer.frameset(&scene, at(ms), 2);
            let face = renderer.faces(&scene, at(ms))[0];
            let (between, _, _) = places(&face);
            let shade = |p: Point| patch(&frames.rgb.plane, p, luminance);
            // A lid may be down; brows are dark in the drawing as well, and move with the eyes.
            for eye in &face.landmarks.points()[..2] {
                let up = 0.27 * face.landmarks.eye_distance();
                let darkest = (0..7u8).map(|k| shade(Point::new(eye.x, eye.y - up * f32::from(k) / 6.0)));
                let darkest = darkest.fold(f32::INFINITY, f32::min);
                assert!(darkest < 0.75 * shade(between), "{scene:?} {ms} ms: {darkest} {}", shade(between));
            }
        }
    }
}

#[test]
fn p1_p2_p4_each_material_reflects_near_infrared_as_the_table_says() {
    let (renderer, portrait) = (Renderer::new(5), drawn());
    let cheek = |face: &Detection| places(face).1;
    let eye = |face: &Detection| places(face).2;
    let of =
        |carrier: Carrier, place: fn(&Detection) -> Point| reflectance(&renderer, &held(carrier), 700, place);
    let photo = |medium| Carrier::photo(medium, portrait.clone());
    for ms in MOMENTS {
        let skin = reflectance(&renderer, &Scene::live(portrait.clone()), ms, cheek);
        assert!((skin - SKIN).abs() < 0.12, "skin {skin}");
    }
    let (light, dark) = (of(photo(Medium::DyePrint), cheek), of(photo(Medium::DyePrint), eye));
    assert!((light - PAPER).abs() < 0.1, "paper under dye {light}");
    assert!(light - dark < 0.08, "dye shows no eyes: {light} {dark}");
    let glossy = of(photo(Medium::GlossyPrint), cheek);
    assert!(glossy > PAPER - 0.1, "gloss mirrors the emitter on top: {glossy}");
    let (light, dark) = (of(photo(Medium::CarbonPrint), cheek), of(photo(Medium::CarbonPrint), eye));
    assert!(light > 0.45 && dark < CARBON + 0.3 && light > 1.8 * dark, "carbon shows eyes: {light} {dark}");
    let (light, dark) = (of(photo(Medium::EPaper), cheek), of(photo(Medium::EPaper), eye));
    // Its film mirrors the emitter on top.
    assert!(light > 0.2 && light > dark, "electronic paper shows eyes: {light} {dark}");
    for medium in [Medium::Phone, Medium::Tablet] {
        let dark = of(photo(medium), cheek);
        assert!(dark < 0.09, "a screen is dark: {dark}");
    }
}

#[test]
fn p9_what_is_lit_by_the_emitter_falls_with_the_square_of_distance_and_other_light_does_not() {
    let (renderer, portrait) = (Renderer::new(5), drawn());
    let level = |mm: f32, light: Light, emitter: f32| {
        let scene = Scene::of(Person::live(portrait.clone()).away(mm)).under(light);
        let p = places(&renderer.faces(&scene, at(0))[0]).1;
        patch(&renderer.frameset_lit(&scene, emitter, at(0), 1).ir.unwrap().plane, p, f32::from)
    };
    let room = Light::default();
    let gain = |mm| level(mm, room, 1.0) - level(mm, room, 0.0);
    let ratio = gain(420.0) / gain(840.0);
    assert!((3.3..4.8).contains(&ratio), "twice as far is a quarter of the light: {ratio}");
    assert!(
        (level(500.0, room, 0.5) - (level(500.0, room, 0.0) + level(500.0, room, 1.0)) / 2.0).abs() < 3.0
    );
    let lamp = Light::foreign_lamp();
    assert!((level(500.0, lamp, 1.0) - level(500.0, lamp, 0.0)).abs() < 2.0, "the emitter is covered");
    assert!(level(500.0, lamp, 0.0) > 80.0, "the foreign lamp shines");
    assert!(level(500.0, Light::sun(), 0.0) > 250.0, "the sun floods the camera");
    assert!((level(500.0, Light::emitter_covered(), 1.0) - BLACK).abs() < 8.0);
}

#[test]
fn p10_depth_sees_sheets_as_planes_bent_ones_as_cylinders_and_heads_with_noses() {
    let portrait = drawn();
    for camera in [DepthCamera::StructuredLight, DepthCamera::TimeOfFlight] {
        let renderer = Renderer::with_depth(5, camera);
        // How far the nose stands out before the line of the eyes and mouth, and before the line of both cheeks.
        let relief = |scene: &Scene| {
            let [left, right, nose, a, b] = renderer.faces(scene, at(0))[0].landmarks.points();
            let depth = renderer.frameset(scene, at(0), 1).depth.unwrap().plane.clone();
            let mm = |p: Point| patch(&depth, p, f32::from);
            let half = (right.x - left.x) / 2.0;
            let (eyes, mouth) = (mm(left.middle(right)), mm(a.middle(b)));
            let share = (nose.y - left.middle(right).y) / (a.middle(b).y - left.middle(right).y);
            let beside =
                (mm(Point::new(nose.x - half, nose.y)) + mm(Point::new(nose.x + half, nose.y))) / 2.0;
            (mix(eyes, mouth, share) - mm(nose), beside - mm(nose))
        };
        let sheet = |shape| held(Carrier::photo(Medium::DyePrint, portrait.clone()).bent(shape));
        let (down, across) = relief(&sheet(Shape::Flat));
        assert!(down.abs() < 2.0 && across.abs() < 2.0, "flat {camera:?}: {down} {across}");
        let (down, across) = relief(&sheet(Shape::Bent));
        assert!(down.abs() < 3.0 && across > 2.5, "bent {camera:?}: {down} {across}");
        for skin in [Skin::Living, Skin::Mask] {
            let (down, across) = relief(&Scene::of(Person::live(portrait.clone()).wearing(skin)));
            assert!((9.0..30.0).contains(&down) && (9.0..45.0).contains(&across), "head {down} {across}");
        }
    }
}

#[test]
fn depth_cameras_err_as_their_kind_does() {
    let scene = Scene::live(drawn());
    let frame = |camera, scene: &Scene| {
        Renderer::with_depth(5, camera).frameset(scene, at(0), 1).depth.unwrap().plane.clone()
    };
    let count = |plane: &Plane<u16>, which: fn(u16) -> bool| {
        plane.pixels().iter().filter(|mm| which(**mm)).count() as f32 / plane.pixels().len() as f32
    };
    let lost = |mm: u16| mm == 0;
    let flying = |mm: u16| (800..2000).contains(&mm);
    let (pattern, phase) =
        (frame(DepthCamera::StructuredLight, &scene), frame(DepthCamera::TimeOfFlight, &scene));
    assert!((0.002..0.05).contains(&count(&pattern, lost)), "shadows beside edges");
    assert!(count(&pattern, flying) < 1e-4);
    assert!(count(&phase, flying) > 1e-3, "pixels that see both sides of an edge");
    let sunny = scene.under(Light::sun());
    assert!(count(&frame(DepthCamera::StructuredLight, &sunny), lost) > 0.8, "the pattern drowns in the sun");
    assert!(count(&frame(DepthCamera::TimeOfFlight, &sunny), lost) > 0.3);
}

#[test]
fn p6_living_eyes_mirror_the_emitter_and_blink_and_painted_ones_do_neither() {
    let (renderer, portrait) = (Renderer::new(5), drawn());
    let eyes = |skin| {
        let scene = Scene::of(Person::live(portrait.clone()).wearing(skin));
        let (mut glint, mut blinks) = (0.0f32, 0);
        let mut open = true;
        for k in 0..120u64 {
            let ms = 40 * k;
            let eye = renderer.faces(&scene, at(ms))[0].landmarks.left_eye;
            let frames = renderer.frameset(&scene, at(ms), 1);
            let ir = frames.ir.unwrap().plane.clone();
            let (x, y) = (eye.x as u32, eye.y as u32);
            let dots = (0..9).map(|k| f32::from(ir.at(x - 1 + k % 3, y - 1 + k / 3)));
            glint =
                glint.max(dots.fold(0.0, f32::max) - patch(&ir, Point::new(eye.x - 7.0, eye.y), f32::from));
            let dark = patch(&frames.rgb.plane, eye, luminance) < 100.0;
            blinks += usize::from(open && !dark);
            open = dark;
        }
        (glint, blinks)
    };
    let (glint, blinks) = eyes(Skin::Living);
    assert!(glint > 40.0 && (1..=2).contains(&blinks), "{glint} {blinks} in 4.8 s");
    let (glint, blinks) = eyes(Skin::Mask);
    assert!(glint < 25.0 && blinks == 0, "{glint} {blinks}");
}

#[test]
fn p6_a_living_mouth_smiles_and_neither_a_masks_nor_a_prints_does() {
    let (renderer, portrait) = (Renderer::new(5), drawn());
    let act = Act { action: Move::Smile, from: at(1_000) };
    // Width of the mouth over the distance of the eyes, and how far its corners are below the nose.
    let mouth = |scene: &Scene, ms: u64| {
        let marks = renderer.faces(scene, at(ms))[0].landmarks;
        let corners = marks.left_mouth.middle(marks.right_mouth);
        let eyes = marks.eye_distance();
        (marks.left_mouth.distance(marks.right_mouth) / eyes, (corners.y - marks.nose.y) / eyes)
    };
    let person = |skin| Scene::of(Person::live(portrait.clone()).wearing(skin).acting(act));
    let ((rest, low), (smile, high)) =
        (mouth(&person(Skin::Living), 900), mouth(&person(Skin::Living), 2_300));
    assert!((0.17..0.27).contains(&(smile - rest)) && (0.07..0.14).contains(&(low - high)), "{rest} {smile}");
    assert!((mouth(&person(Skin::Living), 4_000).0 - rest).abs() < 0.01, "and ends");
    let film = Carrier::video(Medium::Tablet, Person::live(portrait.clone()).acting(act));
    assert!((mouth(&held(film), 2_300).0 - smile).abs() < 0.03, "a film shows what was filmed");
    // The skin has gone with the corner: lips are where none were, in colour and in infrared.
    let marks = renderer.faces(&person(Skin::Living), at(2_300))[0].landmarks;
    let inside = Point::new(mix(marks.left_mouth.x, marks.right_mouth.x, 0.08), marks.left_mouth.y + 1.0);
    let shade = |skin| {
        patch(&renderer.frameset(&person(skin), at(2_300), 1).rgb.plane, inside, |[_, g, _]| f32::from(g))
    };
    assert!(shade(Skin::Living) < shade(Skin::Mask) - 15.0, "{} {}", shade(Skin::Living), shade(Skin::Mask));
    let sheet = held(Carrier::photo(Medium::DyePrint, portrait.clone()).bent(Shape::Flat).acting(act));
    for scene in [person(Skin::Mask), person(Skin::MaskWithEyes), sheet] {
        assert!((mouth(&scene, 2_300).0 - mouth(&scene, 900).0).abs() < 0.01, "{scene:?}");
    }
}

#[test]
fn a_head_that_turns_shows_its_depth_and_a_turned_photograph_does_not() {
    let (renderer, portrait) = (Renderer::new(5), drawn());
    // Where the nose lies along the line of the eyes, in units of their distance.
    let nose = |scene: &Scene, ms: u64| {
        let [left, right, nose, ..] = renderer.faces(scene, at(ms))[0].landmarks.points();
        let (x, y) = (right.x - left.x, right.y - left.y);
        ((nose.x - left.x) * x + (nose.y - left.y) * y) / (x * x + y * y) - 0.5
    };
    for (action, sign) in [(Move::TurnLeft, 1.0), (Move::TurnRight, -1.0)] {
        let act = Act { action, from: at(1_000) };
        let person = Scene::of(Person::live(portrait.clone()).acting(act));
        let moved = sign * (nose(&person, 2_300) - nose(&person, 900));
        assert!((0.12..0.9).contains(&moved), "a head: {moved}");
        assert!((nose(&person, 4_000) - nose(&person, 900)).abs() < 0.05, "and back");
        let photo = held(Carrier::photo(Medium::DyePrint, portrait.clone()).bent(Shape::Flat).acting(act));
        let moved = sign * (nose(&photo, 2_300) - nose(&photo, 900));
        assert!(moved.abs() < 0.05, "a photograph: {moved}");
    }
    let nodding = Scene::of(Person::live(portrait).acting(Act { action: Move::Nod, from: at(1_000) }));
    let height = |ms: u64| {
        let [left, right, nose, a, b] = renderer.faces(&nodding, at(ms))[0].landmarks.points();
        (nose.y - left.middle(right).y) / (a.middle(b).y - left.middle(right).y)
    };
    assert!(height(2_300) > height(900) + 0.05, "{} {}", height(2_300), height(900));
}

#[test]
fn whoever_comes_nearer_looks_larger_and_measures_nearer() {
    let renderer = Renderer::new(5);
    for mm in [400.0, 550.0, 900.0] {
        let scene = Scene::of(Person::live(drawn()).away(mm));
        let face = renderer.faces(&scene, at(0))[0];
        let pupils = face.landmarks.eye_distance() / focal() * mm;
        assert!((55.0..70.0).contains(&pupils), "{pupils} mm at {mm}");
        let depth = renderer.frameset(&scene, at(0), 1).depth.unwrap().plane.clone();
        let read = patch(&depth, places(&face).1, f32::from);
        assert!((read - mm).abs() < 35.0, "{read} at {mm}");
    }
}

#[test]
fn c2_odd_photographs_render_and_faces_that_are_none_are_refused() {
    let renderer = Renderer::new(5);
    let face = |x: f32, y: f32, side: f32| {
        let points = [(0.3, 0.35), (0.7, 0.35), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)];
        let region = Rect { x, y, width: side, height: 1.3 * side };
        detection(region, points.map(|(u, v)| (x + u * region.width, y + v * region.height)))
    };
    let odd = [
        (30, 40, face(2.0, 1.0, 26.0)),
        (2000, 40, face(1960.0, 0.0, 30.0)),
        (25, 1500, face(-2.0, 1470.0, 30.0)),
    ];
    for (width, height, face) in odd {
        let portrait = Portrait::new(&Plane::filled(width, height, [90, 80, 70]).unwrap(), &face).unwrap();
        for scene in [
            Scene::two(portrait.clone(), portrait.clone()),
            Scene::print(portrait.clone()),
            held(Carrier::infrared_photo(&portrait)),
            Scene::live(portrait),
        ] {
            assert_eq!(renderer.frameset(&scene, Mono(0), 0).rgb.plane.width(), WIDTH);
        }
    }
    let picture = Plane::filled(300, 300, [90u8; 3]).unwrap();
    assert_eq!(Portrait::new(&picture, &face(9.0, 9.0, 12.0)).unwrap_err(), PortraitError::Small(12.0));
    for none in [
        face(400.0, 9.0, 50.0),
        face(f32::NAN, 9.0, 50.0),
        face(9.0, 9.0, f32::INFINITY),
        face(0.0, 0.0, f32::NAN),
    ] {
        assert_eq!(Portrait::new(&picture, &none).unwrap_err(), PortraitError::Astray);
    }
    let mut collapsed = face(50.0, 50.0, 100.0);
    collapsed.landmarks = Landmarks::from_points([Point::new(90.0, 90.0); 5]);
    assert_eq!(Portrait::new(&picture, &collapsed).unwrap_err(), PortraitError::Astray);
}
