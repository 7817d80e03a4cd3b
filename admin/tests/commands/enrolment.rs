//! Who is known: from the first key to the last erasure, and every gate on the way in.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use doorward_core::frame::{Frameset, Plane, Rgb, Shot};
use doorward_core::time::Mono;
use doorward_hal::camera::record::Recorder;
use doorward_hal::photo as picture;

use crate::{Terminal, equipped, photo};

fn store_png(path: &Path, plane: &Plane<Rgb>) -> String {
    fs::write(path, picture::encode_png(plane).expect("a small picture")).expect("write a picture");
    path.display().to_string()
}

fn open(name: &str) -> Plane<Rgb> {
    picture::open(Path::new(&photo(name))).expect("a photograph of the test set")
}

#[test]
fn a_person_is_enrolled_found_again_suspended_and_erased() {
    if !equipped("the life of an enrolment") {
        return;
    }
    let terminal = Terminal::new();
    let said = terminal.enroll("E-1", &["ageitgey_obama.jpg"]).with(0);
    assert!(said.out.contains("E-1") && said.out.contains("templates: 1 new, 1 in all"), "{}", said.out);
    terminal.enroll("E-2", &["ageitgey_biden.jpg"]).with(0);

    let found = terminal.run(&["identify", &photo("ageitgey_obama2.jpg"), "--json"]).with(0).json();
    assert_eq!(
        (found["decision"].as_str(), found["person"].as_str()),
        (Some("recognised"), Some("E-1")),
        "{found}"
    );
    assert_eq!(found["standing"], "valid");
    assert_eq!(found["candidates"][1]["person"], "E-2", "the runner-up is told too");
    assert!(found["candidates"][0]["comparison_score"].as_f64() >= found["threshold"].as_f64());
    let stranger = terminal.run(&["identify", &photo("deepface_img3.jpg"), "--json"]).with(0).json();
    assert_eq!(
        (stranger["decision"].as_str(), &stranger["person"]),
        (Some("unknown"), &serde_json::Value::Null)
    );

    let list = terminal.run(&["person", "list", "--json"]).with(0).json();
    assert_eq!(
        (&list[0]["id"], &list[0]["templates"], &list[0]["suspended"]),
        (&"E-1".into(), &1.into(), &false.into())
    );
    terminal.run(&["person", "suspend", "E-1"]).with(0);
    let found = terminal.run(&["identify", &photo("ageitgey_obama2.jpg"), "--json"]).with(0).json();
    assert_eq!(found["standing"], "suspended");
    terminal.run(&["person", "resume", "E-1"]).with(0);
    let shown = terminal.run(&["person", "show", "E-1", "--json"]).with(0).json();
    assert_eq!(
        (&shown["suspended"], &shown["templates"][0]["source"]),
        (&false.into(), &"photo_supervised".into())
    );

    let asked = terminal.run(&["person", "erase", "E-1"]).with(1);
    assert!(asked.err.contains("--yes"), "nobody at the keyboard: {}", asked.err);
    assert_eq!(terminal.persons(), ["E-1", "E-2"]);
    terminal.run(&["person", "erase", "E-1", "--yes"]).with(0);
    assert_eq!(terminal.persons(), ["E-2"]);
    let gone = terminal.run(&["identify", &photo("ageitgey_obama2.jpg"), "--json"]).with(0).json();
    assert_eq!(gone["decision"], "unknown");
    terminal.run(&["person", "erase", "E-1", "--yes"]).refused(&["no person E-1"]);
    terminal.run(&["audit", "verify"]).with(0);
}

#[test]
fn photographs_that_look_alive_need_nobody_to_answer_for_them() {
    if !equipped("an enrolment by passive liveness") {
        return;
    }
    let terminal = Terminal::new();
    let (one, other) = (photo("ageitgey_obama.jpg"), photo("ageitgey_obama2.jpg"));
    let enroll = |photos: &[&str]| {
        let usual = [
            "enroll",
            "--person",
            "E-1",
            "--name",
            "A Person",
            "--valid-until",
            "2030-01-01T00:00:00+01:00",
            "--photo",
        ];
        terminal.run(&[&usual[..], photos].concat())
    };
    enroll(&[&one]).refused(&["1 usable pictures, and 2 are needed"]);
    enroll(&[&one, &other]).with(0);
    let shown = terminal.run(&["person", "show", "E-1", "--json"]).with(0).json();
    assert_eq!(
        (&shown["templates"][1]["source"], &shown["valid_until"]),
        (&"photo".into(), &"2029-12-31T23:00:00Z".into())
    );

    // A print of somebody is refused; with somebody who answers for it, it is one picture like another.
    let print = photo("image_F2.jpg");
    let enroll = |more: &[&str]| {
        let usual = ["enroll", "--person", "E-2", "--name", "A Print", "--photo", &print];
        terminal.run(&[&usual[..], more].concat())
    };
    enroll(&[]).refused(&["image_F2.jpg", "picture of a picture", "not_live", "--supervised"]);
    assert_eq!(terminal.persons(), ["E-1"]);
    enroll(&["--supervised"]).with(0);
}

#[test]
fn m10_the_same_face_under_another_id_is_refused_by_name() {
    if !equipped("the duplicate search") {
        return;
    }
    let terminal = Terminal::new();
    terminal.enroll("E-1", &["ageitgey_obama.jpg"]).with(0);
    terminal.enroll("E-9", &["ageitgey_obama2.jpg"]).refused(&["E-1", "already"]);
    terminal
        .enroll("E-9", &["ageitgey_biden.jpg", "ageitgey_obama2.jpg"])
        .refused(&["do not look like the same person"]);
    terminal.enroll("E-1", &["ageitgey_biden.jpg"]).refused(&["does not look like the person enrolled"]);
    assert_eq!(terminal.persons(), ["E-1"]);
    terminal.enroll("E-1", &["ageitgey_obama2.jpg"]).with(0);
}

#[test]
fn pictures_without_one_good_face_are_refused_and_nothing_is_stored() {
    if !equipped("the gates of an enrolment") {
        return;
    }
    let terminal = Terminal::new();
    let refused = |path: &str, words: &[&str]| {
        // A good photograph first: all or nothing.
        let good = photo("ageitgey_obama.jpg");
        let usual =
            ["enroll", "--person", "E-1", "--name", "A Person", "--supervised", "--photo", &good, path];
        terminal.run(&usual).refused(words);
    };
    let grey = Plane::filled(640, 480, [128; 3]).unwrap();
    refused(&store_png(&terminal.path("grey.png"), &grey), &["grey.png", "no_face"]);
    let black = Plane::filled(640, 480, [0; 3]).unwrap();
    refused(&store_png(&terminal.path("black.png"), &black), &["too_dark"]);
    let pair = beside(&open("ageitgey_obama.jpg"), &open("ageitgey_biden.jpg"));
    refused(&store_png(&terminal.path("pair.png"), &pair), &["pair.png", "more than one face", "many_faces"]);
    let soft = blurred(&open("deepface_img6.jpg"));
    refused(&store_png(&terminal.path("soft.png"), &soft), &["soft.png", "blurred"]);
    let far = picture::resize(&open("ageitgey_obama.jpg"), 120, 150).unwrap();
    refused(&store_png(&terminal.path("far.png"), &far), &["far.png", "too_far"]);
    assert_eq!(terminal.persons(), [""; 0]);
}

/// Two pictures of one height, side by side.
fn beside(left: &Plane<Rgb>, right: &Plane<Rgb>) -> Plane<Rgb> {
    let [left, right] = [left, right].map(|p| picture::resize(p, 400, 500).unwrap());
    let rows = (0..500).flat_map(|y| [left.row(y), right.row(y)].concat()).collect();
    Plane::new(800, 500, rows).unwrap()
}

/// What a lens far out of focus leaves of a face: about ten pixels, spread over the place of all.
#[expect(clippy::cast_possible_truncation, reason = "places and colours within their bounds")]
fn blurred(sharp: &Plane<Rgb>) -> Plane<Rgb> {
    const BLUR: u32 = 32;
    let (width, height) = (sharp.width(), sharp.height());
    let small = picture::resize(sharp, width / BLUR, height / BLUR).unwrap();
    let at = |x: f32, y: f32| {
        let (x, y) =
            (x.clamp(0.0, small.width() as f32 - 1.001), y.clamp(0.0, small.height() as f32 - 1.001));
        let (x0, y0, fx, fy) = (x as u32, y as u32, x.fract(), y.fract());
        let mix = |c: usize| {
            let p = |dx, dy| f32::from(small.at(x0 + dx, y0 + dy)[c]);
            let (top, bottom) = (p(0, 0) * (1.0 - fx) + p(1, 0) * fx, p(0, 1) * (1.0 - fx) + p(1, 1) * fx);
            (top * (1.0 - fy) + bottom * fy) as u8
        };
        [mix(0), mix(1), mix(2)]
    };
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let pixels =
        pixels.map(|(x, y)| at(x as f32 / BLUR as f32 - 0.5, y as f32 / BLUR as f32 - 0.5)).collect();
    Plane::new(width, height, pixels).unwrap()
}

#[test]
fn m8_hostile_pictures_are_refused_and_nothing_is_stored() {
    if !equipped("hostile pictures") {
        return;
    }
    let terminal = Terminal::new();
    let mut bomb = picture::encode_png(&Plane::filled(4, 4, [1; 3]).unwrap()).unwrap();
    bomb[16..24].copy_from_slice(&[0, 0x0f, 0xff, 0xff, 0, 0x0f, 0xff, 0xff]);
    let whole = fs::read(photo("ageitgey_obama.jpg")).unwrap();
    let hostile: [(&str, &[u8]); 5] = [
        ("empty.jpg", b""),
        ("text.png", b"' OR 1=1 --"),
        ("bomb.png", &bomb),
        ("half.jpg", &whole[..whole.len() / 2]),
        ("vector.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
    ];
    for (name, bytes) in hostile {
        let path = terminal.path(name);
        fs::write(&path, bytes).unwrap();
        let path = path.display().to_string();
        let usual = ["enroll", "--person", "E-1", "--name", "A Person", "--supervised", "--photo", &path];
        terminal.run(&usual).refused(&[name]);
    }
    let missing =
        ["enroll", "--person", "E-1", "--name", "A Person", "--supervised", "--photo", "/nowhere/x.jpg"];
    let said = terminal.run(&missing).with(1);
    assert!(said.err.contains("/nowhere/x.jpg"), "{}", said.err);
    assert_eq!(terminal.persons(), [""; 0]);
}

#[test]
fn h8_names_that_are_more_than_names_are_refused() {
    let terminal = Terminal::new();
    let long = "x".repeat(257);
    for (name, word) in
        [("Ada\u{1b}[2J", "no text"), ("Ada\nroot", "no text"), ("", "1 to 256"), (&long, "1 to 256")]
    {
        let said = terminal.run(&["enroll", "--person", "E-1", "--name", name, "--photo", "x.jpg"]).with(1);
        assert!(said.err.contains(word), "{name:?}: {}", said.err);
    }
    let backwards = ["--valid-from", "2030-01-01T00:00:00Z", "--valid-until", "2029-01-01T00:00:00Z"];
    let usual = ["enroll", "--person", "E-1", "--name", "Ada", "--photo", "x.jpg"];
    let said = terminal.run(&[&usual[..], &backwards].concat()).with(1);
    assert!(said.err.contains("the end must come after"), "{}", said.err);
}

/// A recording of one photograph with the noise of a camera, and infrared of one brightness where it is given.
pub(crate) fn record(terminal: &Terminal, name: &str, of: &str, infrared: Option<u8>) -> String {
    let still = open(of);
    let folder = terminal.path(name);
    let mut recorder = Recorder::create(&folder, 70.0).unwrap();
    for i in 0..5u32 {
        let mut plane = still.clone();
        for (place, pixel) in plane.pixels_mut().iter_mut().enumerate().skip(i as usize).step_by(97) {
            pixel[place % 3] ^= 1;
        }
        let at = Mono::from_millis(40 * u64::from(i));
        let ir = infrared
            .map(|value| Arc::new(Shot { sequence: i, at, plane: Plane::filled(640, 480, value).unwrap() }));
        recorder.add(&Frameset { rgb: Arc::new(Shot { sequence: i, at, plane }), ir, depth: None }).unwrap();
    }
    recorder.finish().unwrap();
    folder.display().to_string()
}

#[test]
fn p9_a_recording_counts_with_every_sensor_it_holds() {
    if !equipped("an enrolment from a recording") {
        return;
    }
    let terminal = Terminal::new();
    let enroll = |folder: &str| {
        terminal.run(&["enroll", "--person", "E-1", "--name", "A Person", "--recording", folder])
    };
    enroll(&record(&terminal, "print", "image_F2.jpg", None)).refused(&["picture of a picture"]);
    enroll(&record(&terminal, "screen", "image_T1.jpg", Some(2))).refused(&["not_live"]);
    assert_eq!(terminal.persons(), [""; 0]);
    enroll(&record(&terminal, "colour", "image_T1.jpg", None)).with(0);
    let shown = terminal.run(&["person", "show", "E-1", "--json"]).with(0).json();
    assert_eq!(shown["templates"].as_array().unwrap().len(), 5);
    assert_eq!(shown["templates"][0]["source"], "recording");
    let said = enroll("/nowhere/walk").with(1);
    assert!(said.err.contains("open the recording"), "{}", said.err);
}

#[test]
fn h2_keys_that_others_could_read_are_refused_with_the_remedy() {
    let terminal = Terminal::new();
    let key = terminal.path("key");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o7777, 0o600);
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    let said = terminal.run(&["person", "list"]).with(1);
    assert!(said.err.contains("0644") && said.err.contains("chmod 600"), "{}", said.err);
    fs::remove_file(&key).unwrap();
    let said = terminal.run(&["person", "list"]).with(1);
    assert!(said.err.contains("read the master key"), "{}", said.err);
}

#[test]
fn nothing_that_exists_is_overwritten() {
    let terminal = Terminal::new();
    let (key, store) =
        (fs::read(terminal.path("key")).unwrap(), fs::read(terminal.path("doord.db")).unwrap());
    let init = ["init", "--site", "hq", "--terminal", "lobby-2"];
    terminal.run(&init).refused(&["key exists"]);
    fs::rename(terminal.path("key"), terminal.path("kept")).unwrap();
    terminal.run(&init).refused(&["doord.db exists"]);
    assert!(!terminal.path("key").exists(), "no new key beside an old store");
    assert_eq!(fs::read(terminal.path("kept")).unwrap(), key);
    assert_eq!(fs::read(terminal.path("doord.db")).unwrap(), store);
}
