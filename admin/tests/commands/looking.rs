//! What the models see: faces, and whether two are one person's.

use std::fs;

use doorward_core::frame::Plane;
use doorward_hal::photo as picture;

use crate::{doorctl, equipped, photo};

#[test]
fn one_person_is_the_same_and_two_are_not() {
    if !equipped("a comparison") {
        return;
    }
    let compare = |a: &str, b: &str| doorctl(&["compare", &photo(a), &photo(b), "--json"]).with(0).json();
    let same = compare("ageitgey_obama.jpg", "ageitgey_obama3.jpg");
    assert_eq!(same["same_person"], true, "{same}");
    let other = compare("ageitgey_obama.jpg", "ageitgey_biden.jpg");
    assert_eq!(other["same_person"], false, "{other}");
    let threshold = |fmr: &str| same[format!("threshold_at_fmr_{fmr}")].as_f64().expect("a threshold");
    assert!(threshold("1e-3") < threshold("1e-4") && threshold("1e-4") < threshold("1e-5"));
    assert_eq!(same["threshold"], same["threshold_at_fmr_1e-4"], "the default");
    assert!(same["comparison_score"].as_f64() > other["comparison_score"].as_f64());
    assert_eq!(
        (&same["quality_a"]["reject"], same["quality_b"]["sharpness"].is_number()),
        (&serde_json::Value::Null, true)
    );
    let said = doorctl(&["compare", &photo("ageitgey_obama.jpg"), &photo("ageitgey_biden.jpg")]).with(0);
    assert!(said.out.contains("not the same person"), "{}", said.out);
}

#[test]
fn faces_are_found_where_they_are() {
    if !equipped("a detection") {
        return;
    }
    let found = doorctl(&["detect", &photo("ageitgey_obama.jpg"), "--json"]).with(0).json();
    let face = &found["faces"][0];
    assert_eq!(
        (found["faces"].as_array().unwrap().len(), &found["width"], &found["height"]),
        (1, &910.into(), &1137.into())
    );
    let number = |value: &serde_json::Value| value.as_f64().expect("a number");
    let (x, width) = (number(&face["region"][0]), number(&face["region"][2]));
    let (left, right) = (number(&face["landmarks"][0][0]), number(&face["landmarks"][1][0]));
    assert!(x < left && left < right && right < x + width, "{face}");
    assert!((0.0..=1.0).contains(&number(&face["liveness"])));
}

#[test]
fn a_picture_without_a_face_is_a_refusal_with_its_json() {
    if !equipped("an empty picture") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("grey.png");
    fs::write(&path, picture::encode_png(&Plane::filled(320, 240, [128; 3]).unwrap()).unwrap()).unwrap();
    let path = path.display().to_string();
    let said = doorctl(&["detect", &path, "--json"]).with(2);
    assert_eq!(said.json()["faces"].as_array().unwrap().len(), 0);
    doorctl(&["compare", &path, &photo("ageitgey_obama.jpg")]).refused(&["grey.png", "no_face"]);
}
