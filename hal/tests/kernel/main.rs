//! The drivers against the kernel's own devices: cameras of `vivid` and `v4l2loopback`, lines of `gpio-sim`.
//!
//! A machine is prepared for them, as root, by
//! ```sh
//! modprobe vivid n_devs=1 node_types=0x1 num_inputs=1 input_types=0
//! modprobe v4l2loopback devices=1 exclusive_caps=1
//! modprobe gpio-sim
//! # in configfs: one bank `door-io` of 4 lines: lock-relay, door-contact, rex-button, tamper
//! ```
//! and the tests are run one at a time (`--test-threads=1`), because they share the devices. The faults of [`injected`]
//! are asked for with `v4l2-ctl`, the pictures of [`loopback`] are fed by `perl`. Where a device or a program is
//! missing, its tests say so and pass.

#![expect(clippy::unwrap_used, reason = "a test says what it expects by panicking")]

mod injected;
mod loopback;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use doorward_core::audit::{Journal, JournalFault, Recorded, record};
use doorward_core::decision::Grant;
use doorward_core::door::Signal;
use doorward_core::frame::Rgb;
use doorward_core::time::{ClockTrust, Wall};
use doorward_hal::camera::capture::{CameraConfig, V4l2Camera};
use doorward_hal::camera::controls::Setting;
use doorward_hal::camera::pixels::{Pixel, PixelFormat};
use doorward_hal::camera::survey::{Listed, survey};
use doorward_hal::camera::{Camera as _, CameraFault};
use doorward_hal::clock::{Clock as _, SystemClock};
use doorward_hal::gpio::inputs::{Bias, GpioInputs, InputLine, InputsConfig};
use doorward_hal::gpio::line::{Active, Line};
use doorward_hal::gpio::relay::{GpioRelay, RelayConfig, Wiring};
use doorward_hal::inputs::Inputs as _;
use doorward_hal::relay::Relay as _;
use doorward_protocol::audit::What;

const WAIT: Duration = Duration::from_millis(500);

/// The generated camera of this machine, if it has one.
fn vivid() -> Option<Listed> {
    let found = survey().cameras.into_iter().find(|camera| camera.identity.driver == "vivid");
    if found.is_none() {
        eprintln!("skipped: no camera of the vivid driver on this machine");
    }
    found
}

fn config(camera: &Listed) -> CameraConfig {
    CameraConfig {
        name: "test".into(),
        identity: camera.identity.clone(),
        width: 640,
        height: 360,
        rate: 15,
        allow_virtual: true,
        y16_bits: 16,
        depth_unit_um: 1000,
        // What a test before this one may have left on.
        controls: [("percentage_of_dropped_buffers".to_owned(), Setting::Number(0))].into(),
    }
}

/// Reads frames and holds them to the promises.
fn stream<P: Pixel + PartialEq>(config: &CameraConfig, format: PixelFormat) {
    let clock = SystemClock::default();
    let mut camera = V4l2Camera::<P>::open(config).unwrap();
    assert_eq!(camera.layout().format, format);
    let mut before = None;
    for _ in 0..15 {
        let shot = camera.next(WAIT).unwrap();
        // The generator stamps a frame with the time it was due at, up to an interval ahead of the clock.
        let age = clock.now().mono.apart(shot.at);
        assert!(age < Duration::from_millis(200), "{age:?} old");
        if let Some((sequence, at)) = before.replace((shot.sequence, shot.at)) {
            assert!(shot.sequence > sequence && shot.at > at);
        }
        assert_eq!((shot.plane.width(), shot.plane.height()), (640, 360));
        let first = shot.plane.pixels()[0];
        assert!(shot.plane.pixels().iter().any(|pixel| *pixel != first), "the test picture has bars");
    }
    // Frames that waited while nobody asked are not the newest ones.
    clock.sleep(Duration::from_secs(1));
    let shot = camera.next(WAIT).unwrap();
    assert!(clock.now().mono.apart(shot.at) < Duration::from_millis(200), "an old frame was given");
}

#[test]
fn cameras_deliver_the_newest_frame_in_every_format() {
    let Some(camera) = vivid() else { return };
    let config = config(&camera);
    stream::<Rgb>(&config, PixelFormat::Nv12);
    stream::<u8>(&config, PixelFormat::Grey);
    stream::<u16>(&config, PixelFormat::Y16);
}

#[test]
fn c1_generated_and_other_cameras_are_refused() {
    let Some(camera) = vivid() else { return };
    assert!(camera.from_program);
    let told = |config: &CameraConfig| match V4l2Camera::<Rgb>::open(config) {
        Err(CameraFault::Refused { why, .. }) => why,
        other => panic!("{other:?}"),
    };
    assert!(told(&CameraConfig { allow_virtual: false, ..config(&camera) }).contains("program"));
    let mut other = config(&camera);
    other.identity.card = "another".into();
    assert!(told(&other).contains("another"));
    assert!(told(&CameraConfig { width: 641, ..config(&camera) }).contains("641"));
}

#[test]
fn a_camera_in_use_is_told_and_free_again_when_dropped() {
    let Some(camera) = vivid() else { return };
    let first = V4l2Camera::<Rgb>::open(&config(&camera)).unwrap();
    let second = V4l2Camera::<Rgb>::open(&config(&camera));
    let told = second.unwrap_err().to_string();
    assert!(told.contains("another program"), "{told}");
    drop(first);
    V4l2Camera::<Rgb>::open(&config(&camera)).unwrap().next(WAIT).unwrap();
}

#[test]
fn c4_a_camera_that_is_pulled_is_dead_and_a_new_one_works() {
    let Some(found) = vivid() else { return };
    let mut camera = V4l2Camera::<Rgb>::open(&config(&found)).unwrap();
    camera.next(WAIT).unwrap();
    fs::write("/sys/bus/platform/drivers/vivid/unbind", "vivid.0").unwrap();
    let mut faults = 0;
    while let Err(fault) = camera.next(WAIT) {
        assert!(matches!(fault, CameraFault::Unplugged { .. }), "{fault}");
        faults += 1;
        if faults == 3 {
            break;
        }
    }
    assert_eq!(faults, 3);
    drop(camera);
    fs::write("/sys/bus/platform/drivers/vivid/bind", "vivid.0").unwrap();
    // The node is back at once, its stable name a moment later.
    let clock = SystemClock::default();
    let reopened = (0..50).find_map(|_| {
        clock.sleep(Duration::from_millis(100));
        V4l2Camera::<Rgb>::open(&config(&found)).ok()
    });
    reopened.expect("the camera is back within five seconds").next(WAIT).unwrap();
}

/// The folder of the simulated chip's line, if this machine has the chip.
fn simulated(line: u32) -> Option<PathBuf> {
    let chips = fs::read_dir("/sys/devices/platform").into_iter().flatten().flatten();
    let banks = chips.filter(|chip| chip.file_name().to_string_lossy().starts_with("gpio-sim"));
    let lines = banks.flat_map(|chip| fs::read_dir(chip.path()).into_iter().flatten().flatten());
    let found = lines.map(|bank| bank.path().join(format!("sim_gpio{line}"))).find(|line| line.exists());
    if found.is_none() {
        eprintln!("skipped: no gpio-sim chip on this machine");
    }
    found
}

fn named(name: &str) -> Line {
    Line::Named { name: name.into() }
}

struct Paper;

impl Journal for Paper {
    fn append(&mut self, _: &What, _: Wall) -> Result<u64, JournalFault> {
        Ok(1)
    }
}

fn grant() -> Recorded<Grant> {
    let grant = Grant::self_test("front".parse().unwrap(), Duration::from_secs(1));
    record(&mut Paper, grant, Wall { ms: 0, trust: ClockTrust::Unknown }).unwrap()
}

#[test]
fn d4_the_relay_line_has_the_level_that_was_asked_for() {
    let Some(line) = simulated(0) else { return };
    let level = || fs::read_to_string(line.join("value")).unwrap().trim() == "1";
    for (wiring, locked) in [(Wiring::FailSecure, false), (Wiring::FailSafe, true)] {
        for line in [named("lock-relay"), Line::Placed { chip: "door-io".into(), offset: 0 }] {
            let config = RelayConfig { line, active: Active::High, wiring };
            let mut relay = GpioRelay::open(&config).unwrap();
            assert_eq!(level(), locked);
            relay.unlock(&grant()).unwrap();
            assert_eq!(level(), !locked);
            assert!(GpioRelay::open(&config).is_err(), "the line is held");
            relay.lock().unwrap();
            assert_eq!(level(), locked);
        }
    }
}

#[test]
fn d3_edges_come_debounced_in_order_and_with_the_kernels_time() {
    let Some(contact) = simulated(1) else { return };
    let (rex, clock) = (simulated(2).unwrap(), SystemClock::default());
    let input = |name: &str| Some(InputLine { line: named(name), active: Active::High, bias: Bias::Board });
    let config = InputsConfig {
        contact: input("door-contact"),
        egress: input("rex-button"),
        fire: None,
        tamper: input("tamper"),
        debounce: Duration::from_millis(30),
    };
    let pull = |line: &PathBuf, up: bool| {
        fs::write(line.join("pull"), if up { "pull-up" } else { "pull-down" }).unwrap();
    };
    pull(&contact, true);
    let mut inputs = GpioInputs::open(&config).unwrap();
    let mut next = |wait: u64| inputs.next(Duration::from_millis(wait)).unwrap();
    assert_eq!(next(0).unwrap().signal, Signal::Contact(true));
    assert_eq!(next(0).unwrap().signal, Signal::Tamper(false));
    assert_eq!(next(100), None);
    let before = clock.now().mono;
    pull(&contact, false);
    let edge = next(2000).unwrap();
    assert_eq!(edge.signal, Signal::Contact(false));
    assert!(edge.at >= before && edge.at <= clock.now().mono, "kernel time of the edge");
    // A bounce shorter than the debounce is nothing; letting go of the button is nothing.
    pull(&rex, true);
    assert_eq!(next(2000).map(|edge| edge.signal), Some(Signal::Egress));
    pull(&rex, false);
    assert_eq!(next(500), None);
    pull(&contact, true);
    pull(&contact, false);
    assert_eq!(next(500), None);
    assert!(GpioInputs::open(&config).is_err(), "the lines are held");
}

#[test]
fn d2_a_chip_that_is_taken_away_is_a_fault() {
    if simulated(1).is_none() {
        return;
    }
    let live = PathBuf::from("/sys/kernel/config/gpio-sim/door/live");
    if !live.exists() {
        eprintln!("skipped: the simulated chip is not `door` of configfs");
        return;
    }
    let input = InputLine { line: named("tamper"), active: Active::High, bias: Bias::Board };
    let config = InputsConfig {
        contact: None,
        egress: None,
        fire: None,
        tamper: Some(input),
        debounce: Duration::ZERO,
    };
    let mut inputs = GpioInputs::open(&config).unwrap();
    assert!(inputs.next(Duration::ZERO).unwrap().is_some());
    fs::write(&live, "0").unwrap();
    let told = inputs.next(Duration::from_millis(100));
    fs::write(&live, "1").unwrap();
    assert!(told.is_err(), "{told:?}");
}
