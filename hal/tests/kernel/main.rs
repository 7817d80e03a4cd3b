//! The drivers against the kernel's own devices: cameras of `vivid` and `v4l2loopback`, lines of `gpio-sim`.
//!
//! A machine is prepared for them, as root, by
//! ```sh
//! modprobe vivid n_devs=1 node_types=0x1 num_inputs=1 input_types=0
//! modprobe v4l2loopback devices=1 exclusive_caps=1
//! modprobe gpio-sim
//! # in configfs: one bank `door-io` of 10 lines: lock-relay, door-contact, rex-button, tamper, door-closed, ac-fail,
//! # led-green, led-red, buzzer, ir-light
//! ```
//! and the tests are run one at a time (`--test-threads=1`), because they share the devices. The faults of [`injected`]
//! are asked for with `v4l2-ctl`, the pictures of [`loopback`] are fed by `perl`. Where a device or a program is
//! missing, its tests say so and pass.

#![expect(clippy::unwrap_used, reason = "a test says what it expects by panicking")]

mod injected;
mod loopback;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use doorward_core::audit::{Journal, JournalFault, Recorded, record};
use doorward_core::decision::{Cue, Grant};
use doorward_core::door::{Point, Signal, Trouble};
use doorward_core::frame::Rgb;
use doorward_core::time::{ClockTrust, Wall};
use doorward_hal::camera::capture::{CameraConfig, V4l2Camera};
use doorward_hal::camera::controls::Setting;
use doorward_hal::camera::pixels::{Pixel, PixelFormat};
use doorward_hal::camera::survey::{Listed, survey};
use doorward_hal::camera::{Camera as _, CameraFault};
use doorward_hal::clock::{Clock as _, SystemClock};
use doorward_hal::emitter::Emitter as _;
use doorward_hal::gpio::emitter::GpioEmitter;
use doorward_hal::gpio::inputs::{Bias, GpioInputs, InputLine, InputsConfig};
use doorward_hal::gpio::line::{Active, CdevPin, Line, OutputLine};
use doorward_hal::gpio::panel::{PanelConfig, PinPanel};
use doorward_hal::gpio::relay::{self, Driver, RelayConfig, Wiring};
use doorward_hal::gpio::supervision::{Reading, Supervision};
use doorward_hal::inputs::Inputs as _;
use doorward_hal::panel::Panel as _;
use doorward_protocol::audit::What;
use embedded_hal::digital::PinState;

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
        eprintln!("skipped: no gpio-sim chip with a line {line} on this machine");
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

/// What the product drives a line to.
fn level(line: &Path) -> bool {
    fs::read_to_string(line.join("value")).unwrap().trim() == "1"
}

/// The resistor at a line, or the switch that plays it.
fn pull(line: &Path, up: bool) {
    fs::write(line.join("pull"), if up { "pull-up" } else { "pull-down" }).unwrap();
}

#[test]
fn d5_the_relay_line_has_the_level_that_was_asked_for_by_every_driver() {
    let Some(line) = simulated(0) else { return };
    // The third driver maps the registers of a Raspberry Pi, which no simulated chip has.
    for driver in [Driver::Gpiocdev, Driver::LinuxEmbeddedHal].into_iter().filter(|driver| driver.built()) {
        for (wiring, locked) in [(Wiring::FailSecure, false), (Wiring::FailSafe, true)] {
            for place in [named("lock-relay"), Line::Placed { chip: "door-io".into(), offset: 0 }] {
                let config = RelayConfig { line: place, active: Active::High, wiring, driver };
                let mut relay = relay::open(&config).unwrap();
                assert_eq!(level(&line), locked);
                relay.unlock(&grant()).unwrap();
                assert_eq!(level(&line), !locked);
                assert!(relay::open(&config).is_err(), "the line is held");
                relay.lock().unwrap();
                assert_eq!(level(&line), locked);
            }
        }
    }
}

#[test]
fn d4_a_line_without_a_process_has_the_level_of_its_resistor_and_a_new_relay_locks() {
    let Some(line) = simulated(0) else { return };
    let config = RelayConfig {
        line: named("lock-relay"),
        active: Active::High,
        wiring: Wiring::FailSecure,
        driver: Driver::Gpiocdev,
    };
    for resistor in [false, true] {
        pull(&line, resistor);
        // Closing the line without a last word is all that the kernel does for a process that was killed.
        let released = CdevPin::open(&config.line, PinState::High).unwrap();
        assert!(level(&line));
        drop(released);
        assert_eq!(level(&line), resistor, "the resistor must lock: a pull-up here leaves the door open");
        let relay = relay::open(&config).unwrap();
        assert!(!level(&line), "locked first thing at the start");
        drop(relay);
    }
    pull(&line, false);
}

fn input(name: &str) -> InputLine {
    InputLine { line: named(name), active: Active::High, bias: Bias::Board, supervision: None }
}

/// No input fitted.
fn bare() -> InputsConfig {
    let debounce = Duration::from_millis(30);
    InputsConfig { contact: None, egress: None, fire: None, tamper: None, power: None, debounce }
}

#[test]
fn d3_edges_come_debounced_in_order_and_with_the_kernels_time() {
    let Some(contact) = simulated(1) else { return };
    let (rex, clock) = (simulated(2).unwrap(), SystemClock::default());
    let config = InputsConfig {
        contact: Some(input("door-contact")),
        egress: Some(input("rex-button")),
        tamper: Some(input("tamper")),
        ..bare()
    };
    pull(&contact, true);
    let mut inputs = GpioInputs::open(&config).unwrap();
    let mut next = |wait: u64| inputs.next(Duration::from_millis(wait)).unwrap();
    assert_eq!(next(0).unwrap().signal, Signal::Contact(true));
    assert_eq!(next(0).unwrap().signal, Signal::Egress(false));
    assert_eq!(next(0).unwrap().signal, Signal::Tamper(false));
    assert_eq!(next(100), None);
    let before = clock.now().mono;
    pull(&contact, false);
    let edge = next(2000).unwrap();
    assert_eq!(edge.signal, Signal::Contact(false));
    assert!(edge.at >= before && edge.at <= clock.now().mono, "kernel time of the edge");
    pull(&rex, true);
    assert_eq!(next(2000).map(|edge| edge.signal), Some(Signal::Egress(true)));
    pull(&rex, false);
    assert_eq!(next(2000).map(|edge| edge.signal), Some(Signal::Egress(false)));
    // A bounce shorter than the debounce is nothing.
    pull(&contact, true);
    pull(&contact, false);
    assert_eq!(next(500), None);
    assert!(GpioInputs::open(&config).is_err(), "the lines are held");
}

#[test]
fn d3_edges_that_come_together_are_all_told() {
    let Some(contact) = simulated(1) else { return };
    let rex = simulated(2).unwrap();
    let config = InputsConfig {
        contact: Some(input("door-contact")),
        egress: Some(input("rex-button")),
        debounce: Duration::ZERO,
        ..bare()
    };
    [&contact, &rex].into_iter().for_each(|line| pull(line, false));
    let mut inputs = GpioInputs::open(&config).unwrap();
    let mut told = || {
        let next = |_| inputs.next(Duration::from_millis(100)).unwrap().map(|edge| edge.signal);
        (0..).map_while(next).collect::<Vec<_>>()
    };
    assert_eq!(told(), [Signal::Contact(false), Signal::Egress(false)]);
    // Nobody reads meanwhile, so that all of them wait in the kernel.
    let mut expected = Vec::new();
    for up in [true, false, true, false] {
        pull(&contact, up);
        pull(&rex, up);
        expected.extend([Signal::Contact(up), Signal::Egress(up)]);
    }
    assert_eq!(told(), expected);
}

#[test]
fn d2_a_supervised_contact_tells_a_cut_and_a_short_from_a_door() {
    let (Some(open), Some(closed)) = (simulated(1), simulated(4)) else { return };
    let supervision = Supervision {
        line: named("door-closed"),
        active: Active::High,
        bias: Bias::Board,
        neither: Reading::Short,
        first: Reading::Active,
        second: Reading::Rest,
        both: Reading::Cut,
    };
    let contact = Some(InputLine { supervision: Some(supervision), ..input("door-contact") });
    pull(&open, false);
    pull(&closed, true);
    let mut inputs = GpioInputs::open(&InputsConfig { contact, ..bare() }).unwrap();
    let mut next = || inputs.next(Duration::from_secs(2)).unwrap().map(|edge| edge.signal);
    assert_eq!(next(), Some(Signal::Contact(false)));
    let trouble = |trouble| Some(Signal::Trouble(Point::Contact, trouble));
    for (line, up, expected) in [
        (&open, true, trouble(Trouble::Cut)),
        (&closed, false, Some(Signal::Contact(true))),
        (&open, false, trouble(Trouble::Short)),
        (&closed, true, Some(Signal::Contact(false))),
    ] {
        pull(line, up);
        assert_eq!(next(), expected);
    }
}

#[test]
fn d5_mains_that_fails_is_reported() {
    let Some(mains) = simulated(5) else { return };
    pull(&mains, false);
    let mut inputs = GpioInputs::open(&InputsConfig { power: Some(input("ac-fail")), ..bare() }).unwrap();
    let mut next = || inputs.next(Duration::from_secs(2)).unwrap().map(|edge| edge.signal);
    assert_eq!(next(), Some(Signal::PowerFail(false)));
    for failed in [true, false] {
        pull(&mains, failed);
        assert_eq!(next(), Some(Signal::PowerFail(failed)));
    }
}

#[test]
fn lamps_and_the_infrared_light_follow_and_go_off_at_the_end() {
    let lines = [simulated(6), simulated(7), simulated(8), simulated(9)];
    let [Some(green), Some(red), Some(buzzer), Some(light)] = lines else { return };
    let output = |name: &str, active| OutputLine { line: named(name), active };
    let config = PanelConfig {
        green: Some(output("led-green", Active::High)),
        red: Some(output("led-red", Active::Low)),
        buzzer: Some(output("buzzer", Active::High)),
        ..PanelConfig::default()
    };
    let levels = || [&green, &red, &buzzer].map(|line| level(line));
    let clock = SystemClock::default();
    let reaches = |expected: [bool; 3]| {
        (0..200).any(|_| {
            clock.sleep(Duration::from_millis(10));
            levels() == expected
        })
    };
    pull(&red, true);
    let mut panel = PinPanel::open(&config).unwrap();
    assert_eq!(levels(), [false, true, false]);
    panel.show(Cue::Granted).unwrap();
    assert!(reaches([true, true, false]), "after its tone");
    panel.show(Cue::Alarm).unwrap();
    assert!(reaches([false, false, true]) && reaches([false, true, false]), "blinks and beeps");
    drop(panel);
    assert_eq!(levels(), [false, true, false]);
    let mut emitter = GpioEmitter::open(&output("ir-light", Active::High)).unwrap();
    assert!(!level(&light));
    emitter.set(true).unwrap();
    assert!(level(&light));
    drop(emitter);
    assert!(!level(&light));
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
    let config = InputsConfig { tamper: Some(input("tamper")), debounce: Duration::ZERO, ..bare() };
    let mut inputs = GpioInputs::open(&config).unwrap();
    assert!(inputs.next(Duration::ZERO).unwrap().is_some());
    fs::write(&live, "0").unwrap();
    let told = inputs.next(Duration::from_millis(100));
    fs::write(&live, "1").unwrap();
    assert!(told.is_err(), "{told:?}");
}
