//! Controls of a camera, and the faults that `vivid` lets its controls inject.

use std::process::Command;
use std::time::Duration;

use doorward_core::frame::Rgb;
use doorward_hal::camera::capture::{CameraConfig, V4l2Camera};
use doorward_hal::camera::controls::{Control, Kind, Setting};
use doorward_hal::camera::survey::{Listed, controls};
use doorward_hal::camera::{Camera as _, CameraFault};
use doorward_hal::clock::{Clock as _, SystemClock};

use crate::{WAIT, config, vivid};

fn with(camera: &Listed, wanted: &[(&str, Setting)]) -> CameraConfig {
    let mut config = config(camera);
    config.controls.extend(wanted.iter().map(|(name, setting)| ((*name).to_owned(), setting.clone())));
    config
}

fn named(camera: &Listed, name: &str) -> Control {
    let all = controls(&camera.node).unwrap();
    let names: Vec<_> = all.iter().map(|control| control.name.clone()).collect();
    all.into_iter()
        .find(|control| control.name == name)
        .unwrap_or_else(|| panic!("{name} is not in {names:?}"))
}

fn refused(config: &CameraConfig) -> String {
    match V4l2Camera::<Rgb>::open(config) {
        Err(CameraFault::Refused { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

/// Presses a button of the camera; whether there is a program to do it with.
fn press(camera: &Listed, button: &str) -> bool {
    let run =
        Command::new("v4l2-ctl").arg("-d").arg(&camera.node).args(["-c", &format!("{button}=1")]).status();
    match run {
        Ok(status) => assert!(status.success(), "v4l2-ctl presses {button}"),
        Err(error) => {
            eprintln!("skipped: v4l2-ctl cannot be run: {error}");
            return false;
        }
    }
    true
}

#[test]
fn controls_are_listed_set_and_read_back() {
    let Some(camera) = vivid() else { return };
    let brightness = named(&camera, "brightness");
    assert_eq!((brightness.kind, brightness.minimum, brightness.maximum), (Kind::Number, 0, 255));
    let pattern = named(&camera, "test_pattern");
    assert_eq!(pattern.kind, Kind::Menu);
    assert!(pattern.choices.len() > 5, "{:?}", pattern.choices);
    assert_eq!(named(&camera, "disconnect").kind, Kind::Button);

    let flip = pattern.choices.last().unwrap();
    let wanted = [
        ("brightness", Setting::Number(77)),
        ("test_pattern", Setting::Choice(flip.label.clone())),
        ("horizontal_flip", Setting::Switch(true)),
    ];
    V4l2Camera::<Rgb>::open(&with(&camera, &wanted)).unwrap().next(WAIT).unwrap();
    assert_eq!(named(&camera, "brightness").value, Some(77));
    assert_eq!(named(&camera, "test_pattern").value, Some(flip.index));
    assert_eq!(named(&camera, "horizontal_flip").value, Some(1));
    let defaults = [
        ("brightness", Setting::Number(brightness.default)),
        ("test_pattern", Setting::Number(pattern.default)),
        ("horizontal_flip", Setting::Number(0)),
    ];
    V4l2Camera::<Rgb>::open(&with(&camera, &defaults)).unwrap();
    assert_eq!(named(&camera, "brightness").value, Some(brightness.default));
}

#[test]
fn controls_that_a_camera_does_not_take_are_refused() {
    let Some(camera) = vivid() else { return };
    let told = |name: &str, setting| refused(&with(&camera, &[(name, setting)]));
    assert!(told("brightness", Setting::Number(256)).contains("brightness takes 0 to 255, not 256"));
    assert!(told("brilliance", Setting::Number(1)).contains("no control brilliance; it has "));
    assert!(told("test_pattern", Setting::Choice("none of them".into())).contains("test_pattern takes \""));
    assert!(told("disconnect", Setting::Switch(true)).contains("it is a button"));
    let ruled = [("gain_automatic", Setting::Switch(true)), ("gain", Setting::Number(5))];
    let told = refused(&with(&camera, &ruled));
    assert!(told.contains("gain is without effect"), "{told}");
    let free = [("gain_automatic", Setting::Switch(false)), ("gain", Setting::Number(5))];
    V4l2Camera::<Rgb>::open(&with(&camera, &free)).unwrap();
    assert_eq!(named(&camera, "gain").value, Some(5));
}

#[test]
fn c2_frames_that_never_came_are_counted_as_lost_and_those_passed_over_are_not() {
    let Some(camera) = vivid() else { return };
    let dropping = with(&camera, &[("percentage_of_dropped_buffers", Setting::Number(50))]);
    let mut lossy = V4l2Camera::<Rgb>::open(&dropping).unwrap();
    let mut delivered = 0;
    for _ in 0..60 {
        match lossy.next(WAIT) {
            Ok(_) => delivered += 1,
            Err(fault) => assert!(matches!(fault, CameraFault::Stalled { .. }), "{fault}"),
        }
    }
    let missed = lossy.missed();
    drop(lossy);
    V4l2Camera::<Rgb>::open(&config(&camera)).unwrap();
    assert!(delivered > 0 && missed.lost > 5, "{missed:?} beside {delivered}");

    let mut slow = V4l2Camera::<Rgb>::open(&config(&camera)).unwrap();
    let (first, before) = (slow.next(WAIT).unwrap().sequence, slow.missed());
    SystemClock::default().sleep(Duration::from_millis(150));
    let (last, after) = (slow.next(WAIT).unwrap().sequence, slow.missed());
    // A busy machine may lose frames as well; every missing number is one or the other.
    let (skipped, lost) = (after.skipped - before.skipped, after.lost - before.lost);
    assert!(skipped > 0, "{after:?}");
    assert_eq!(u64::from(last - first), 1 + skipped + lost);
}

#[test]
fn c2_a_buffer_that_the_driver_marks_is_damaged_and_the_next_one_is_fine() {
    let Some(found) = vivid() else { return };
    let mut camera = V4l2Camera::<Rgb>::open(&config(&found)).unwrap();
    camera.next(WAIT).unwrap();
    if !press(&found, "inject_v4l2_buf_flag_error") {
        return;
    }
    let mut broken = 0;
    for _ in 0..5 {
        match camera.next(WAIT) {
            Ok(_) => {}
            Err(CameraFault::BrokenFrame { why, .. }) if why.contains("damaged") => broken += 1,
            Err(fault) => panic!("{fault}"),
        }
    }
    assert_eq!(broken + camera.missed().damaged, 1);
    camera.next(WAIT).unwrap();
}

#[test]
fn c4_a_camera_that_disconnects_is_unplugged_and_comes_back() {
    let Some(found) = vivid() else { return };
    let mut camera = V4l2Camera::<Rgb>::open(&config(&found)).unwrap();
    camera.next(WAIT).unwrap();
    if !press(&found, "disconnect") {
        return;
    }
    let fault =
        (0..5).find_map(|_| camera.next(WAIT).err()).expect("a camera without a device has no frames");
    assert!(matches!(fault, CameraFault::Unplugged { .. }), "{fault}");
    assert!(matches!(camera.next(WAIT), Err(CameraFault::Unplugged { .. })), "it stays dead");
    // The driver comes back when nobody holds it any more.
    drop(camera);
    V4l2Camera::<Rgb>::open(&config(&found)).unwrap().next(WAIT).unwrap();
}
