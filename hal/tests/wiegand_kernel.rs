//! The card reader's wires against the kernel's own simulated chip.
//!
//! A machine is prepared for it, as root, by `modprobe gpio-sim` and a bank in configfs with two lines that are named
//! `wiegand-d0` and `wiegand-d1`. The tests share the lines: `--test-threads=1`. Without them, each says so and passes.

#![expect(clippy::unwrap_used, reason = "a test says what it expects by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use doorward_core::wiegand::format::Format;
use doorward_core::wiegand::receiver::{Heard, Receiver, Spacing};
use doorward_core::wiegand::train::Pace;
use doorward_core::wiegand::{Frame, Wire};
use doorward_hal::clock::{Clock as _, SystemClock};
use doorward_hal::gpio::inputs::{Bias, InputLine};
use doorward_hal::gpio::line::{Active, Line};
use doorward_hal::gpio::wiegand::{GpioWiegand, PinWiegand, WiegandConfig, WiegandOutConfig};
use doorward_hal::wiegand::{Came, WiegandReader as _, WiegandWriter as _};

/// Silence that ends a frame here: a shell of the simulated chip's files is slower than a reader.
const SPACING: Spacing = Spacing { min: Duration::from_micros(20), max: Duration::from_millis(400) };

fn named(name: &str) -> Line {
    Line::Named { name: name.into() }
}

fn config() -> WiegandConfig {
    let input = |name: &str| InputLine {
        line: named(name),
        active: Active::Low,
        bias: Bias::Board,
        supervision: None,
    };
    WiegandConfig { zero: input("wiegand-d0"), one: input("wiegand-d1") }
}

/// The folder in which a simulated line of this name is pulled.
fn simulated(name: &str) -> Option<PathBuf> {
    let entries = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let text = |path: PathBuf| fs::read_to_string(path).map(|text| text.trim().to_owned()).ok();
    let mut found = entries(Path::new("/sys/kernel/config/gpio-sim")).flat_map(|device| {
        let banks: Vec<_> = entries(&device).filter(|bank| bank.join("chip_name").exists()).collect();
        banks.into_iter().filter_map(move |bank| {
            let line = entries(&bank).find(|line| text(line.join("name")).as_deref() == Some(name))?;
            let offset = line.file_name()?.to_str()?.strip_prefix("line")?.to_owned();
            let chip = Path::new("/sys/devices/platform")
                .join(text(device.join("dev_name"))?)
                .join(text(bank.join("chip_name"))?);
            Some(chip.join(format!("sim_gpio{offset}")))
        })
    });
    let found = found.next();
    if found.is_none() {
        eprintln!("skipped: no gpio-sim line {name} on this machine");
    }
    found
}

/// Both wires of the simulated reader, at rest.
fn wires() -> Option<[PathBuf; 2]> {
    let wires = [simulated("wiegand-d0")?, simulated("wiegand-d1")?];
    wires.iter().for_each(|wire| pull(wire, "pull-up"));
    Some(wires)
}

fn pull(wire: &Path, to: &str) {
    fs::write(wire.join("pull"), to).unwrap();
}

fn pulse(wires: &[PathBuf; 2], wire: Wire) {
    let wire = &wires[usize::from(wire == Wire::One)];
    pull(wire, "pull-down");
    pull(wire, "pull-up");
}

/// Everything that comes until nothing does, and the frames in it.
fn receive(reader: &mut GpioWiegand) -> (Vec<Came>, Vec<Heard>) {
    let (mut receiver, clock) = (Receiver::new(SPACING), SystemClock::default());
    let (mut came, mut heard) = (Vec::new(), Vec::new());
    while let Some(next) = reader.next(Duration::from_millis(200)).unwrap() {
        came.push(next);
        heard.extend(match next {
            Came::Pulse(pulse) => receiver.pulse(pulse),
            Came::Lost => receiver.lost(clock.now().mono),
        });
    }
    clock.sleep(SPACING.max);
    heard.extend(receiver.silence(clock.now().mono));
    (came, heard)
}

#[test]
fn a_card_comes_over_the_lines_with_the_kernels_times() {
    let Some(wires) = wires() else { return };
    let clock = SystemClock::default();
    let frame = Format::w26().encode(Some(17), 4711).unwrap();
    let mut reader = GpioWiegand::open(&config()).unwrap();
    assert!(GpioWiegand::open(&config()).is_err(), "the lines are held");
    assert_eq!(reader.next(Duration::from_millis(20)).unwrap(), None);

    let before = clock.now().mono;
    for wire in frame.wires() {
        pulse(&wires, wire);
        clock.sleep(Duration::from_millis(1));
    }
    let after = clock.now().mono;
    let (came, heard) = receive(&mut reader);
    assert_eq!(heard, [Heard::Frame(frame)]);
    let times = came.iter().map(|came| match came {
        Came::Pulse(pulse) => pulse.at,
        Came::Lost => panic!("nothing was dropped"),
    });
    let times: Vec<_> = times.collect();
    assert!(times.is_sorted() && times[0] >= before && times[25] <= after, "one edge a pulse, kernel time");
}

#[test]
fn q4_pulses_the_kernel_dropped_are_told_and_spoil_what_surrounds_them() {
    let Some(wires) = wires() else { return };
    let mut reader = GpioWiegand::open(&config()).unwrap();
    (0..1500).for_each(|i| pulse(&wires, if i % 3 == 0 { Wire::One } else { Wire::Zero }));
    let (came, heard) = receive(&mut reader);
    assert!(came.contains(&Came::Lost), "{} came", came.len());
    assert!(heard.iter().all(|heard| matches!(heard, Heard::Noise(_))), "{heard:?}");
}

#[test]
fn q4_a_reader_that_is_taken_away_is_a_fault() {
    if wires().is_none() {
        return;
    }
    let devices = fs::read_dir("/sys/kernel/config/gpio-sim").into_iter().flatten().flatten();
    let has_reader = |device: &PathBuf| {
        let banks = fs::read_dir(device).into_iter().flatten().flatten();
        banks
            .map(|bank| bank.path().join("line0/name"))
            .any(|name| fs::read_to_string(name).is_ok_and(|name| name.trim() == "wiegand-d0"))
    };
    let Some(device) = devices.map(|device| device.path()).find(has_reader) else {
        eprintln!("skipped: wiegand-d0 is not the first line of its bank");
        return;
    };
    let mut reader = GpioWiegand::open(&config()).unwrap();
    fs::write(device.join("live"), "0").unwrap();
    let told = reader.next(Duration::from_millis(100));
    fs::write(device.join("live"), "1").unwrap();
    assert!(told.is_err(), "{told:?}");
}

#[test]
fn a_frame_that_is_sent_leaves_the_lines_at_rest() {
    let Some(wires) = wires() else { return };
    let config = WiegandOutConfig {
        zero: named("wiegand-d0"),
        one: named("wiegand-d1"),
        active: Active::Low,
        pace: Pace::default(),
    };
    let mut writer = PinWiegand::open(&config).unwrap();
    let level = |wire: &PathBuf| fs::read_to_string(wire.join("value")).unwrap().trim().to_owned();
    assert_eq!(wires.each_ref().map(level), ["1", "1"]);
    let sent = writer.send(&Frame::new(0x2ab_cdef, 26).unwrap()).unwrap();
    eprintln!("longest pulse {:?}, longest gap {:?}", sent.widest, sent.slowest);
    assert_eq!(wires.each_ref().map(level), ["1", "1"]);
}
