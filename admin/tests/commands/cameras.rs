//! An installer's commands, as far as a machine without cameras shows them.

use std::fs;

use crate::{checkout, doorctl};

#[test]
fn r4_pictures_are_written_only_with_consent_and_never_over_anything() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("aim.png");
    let out = place.display().to_string();
    doorctl(&["camera", "snap", "/dev/video0", "--out", &out]).refused(&["aim.png", "--consent", "agreed"]);
    doorctl(&["camera", "record", &out]).refused(&["aim.png", "--consent", "agreed"]);
    assert!(!place.exists());
    fs::write(&place, "mine").unwrap();
    doorctl(&["camera", "snap", "/dev/video0", "--out", &out, "--consent"]).refused(&["exists"]);
    let config = checkout().join("daemon/doord.toml").display().to_string();
    doorctl(&["camera", "record", &out, "--consent", "--config", &config]).refused(&["make the new folder"]);
    assert_eq!(fs::read(&place).unwrap(), b"mine");
}

#[test]
fn c1_a_recording_takes_the_pinned_cameras_alone_and_leaves_nothing_without_them() {
    let folder = tempfile::tempdir().unwrap();
    let walk = folder.path().join("walk").display().to_string();
    let config = checkout().join("daemon/doord.toml").display().to_string();
    let record = |config: &str| doorctl(&["camera", "record", &walk, "--consent", "--config", config]);
    record(&config).refused(&["rgb", "the installed device is not there"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    let said = record("/nowhere/doord.toml").with(1);
    assert!(said.err.contains("/nowhere/doord.toml"), "{}", said.err);
    let wrong = folder.path().join("wrong.toml");
    fs::write(&wrong, fs::read_to_string(&config).unwrap().replacen("rate = 30", "rate = 0", 1)).unwrap();
    let said = record(&wrong.display().to_string()).with(1);
    assert!(said.err.contains("cameras.rgb.rate = 0"), "{}", said.err);
}

#[test]
fn a_camera_that_is_not_there_is_told_and_a_list_is_json() {
    let missing = "/dev/video4242";
    doorctl(&["camera", "show", missing]).refused(&["no such camera; there are:"]);
    doorctl(&["camera", "snap", missing, "--out", "x.png", "--consent"]).refused(&["no such camera"]);
    let said = doorctl(&["camera", "list", "--json"]);
    let list = said.json();
    let found = list["cameras"].as_array().expect("a list").len();
    assert_eq!(said.code, if found == 0 { 2 } else { 0 }, "{}", said.err);
    for wrong in [
        &["camera", "show"][..],
        &["camera", "show", missing, "--card", "x"],
        &["camera", "snap", missing, "--fitted", "rgb", "--out", "x.png"],
        &["camera", "snap", "--fitted", "sonar", "--out", "x.png"],
        &["camera", "record", "x", "--seconds", "0"],
        &["camera", "record", "x", "--seconds", "61"],
    ] {
        doorctl(wrong).with(1);
    }
}
