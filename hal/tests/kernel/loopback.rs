//! Every pixel format, bit by bit, through `v4l2loopback`: what a program writes into one end is what the driver reads
//! from the other.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use doorward_core::frame::{Plane, Rgb};
use doorward_hal::camera::capture::{CameraConfig, V4l2Camera};
use doorward_hal::camera::controls::Settings;
use doorward_hal::camera::pixels::{Pixel, PixelFormat};
use doorward_hal::camera::survey::{Listed, survey};
use doorward_hal::camera::{Camera as _, CameraFault};
use doorward_hal::clock::{Clock as _, SystemClock};
use doorward_hal::photo;
use tempfile::NamedTempFile;

use crate::WAIT;

const WIDTH: u32 = 160;
const HEIGHT: u32 = 120;
const RATE: u32 = 15;

/// Sets the format of the writing end and writes the same frame again and again. The numbers are those of `VIDIOC_S_FMT`
/// where a long has 64 bits, and of `VIDIOC_STREAMON`: without that, the driver never takes another writer after this.
const FEEDER: &str = r#"
use strict; my ($dev, $w, $h, $code, $stride, $file, $rate) = @ARGV;
open(my $f, '<:raw', $file) or die "read: $!"; local $/; my $frame = <$f>;
open(my $v, '+<:raw', $dev) or die "open: $!";
my $fmt = pack('L2 L8', 2, 0, $w, $h, unpack('L', $code), 1, $stride, length $frame, 8, 0);
$fmt .= "\0" x (208 - length $fmt);
defined ioctl($v, 0xc0d05605, $fmt) or die "format: $!";
my $output = pack('L', 2); defined ioctl($v, 0x40045612, $output) or die "start: $!";
while (1) { defined syswrite($v, $frame) or die "write: $!"; select(undef, undef, undef, 1 / $rate); }
"#;

/// A program that feeds a loopback camera until it is dropped.
struct Feeder {
    process: Child,
    _frame: NamedTempFile,
}

impl Drop for Feeder {
    fn drop(&mut self) {
        // Both fail where it has ended by itself, which is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The first loopback device, if this machine has one and a program to feed it.
fn device() -> Option<PathBuf> {
    if !Path::new("/sys/module/v4l2loopback").exists() {
        eprintln!("skipped: no v4l2loopback on this machine");
        return None;
    }
    if Command::new("perl").args(["-e", "1"]).status().is_err() {
        eprintln!("skipped: no perl to feed a camera with");
        return None;
    }
    let nodes = fs::read_dir("/sys/devices/virtual/video4linux").ok()?.flatten();
    let mut nodes: Vec<_> = nodes.map(|node| Path::new("/dev").join(node.file_name())).collect();
    nodes.sort();
    nodes.into_iter().next()
}

fn feed(device: &Path, code: &str, stride: u32, frame: &[u8]) -> Feeder {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(frame).unwrap();
    let numbers = |value: u32| value.to_string();
    let process = Command::new("perl")
        .args(["-e", FEEDER])
        .arg(device)
        .args([numbers(WIDTH), numbers(HEIGHT), code.to_owned(), numbers(stride)])
        .arg(file.path())
        .arg(numbers(RATE))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    Feeder { process, _frame: file }
}

/// The loopback camera once it has become one: with exclusive capabilities it is an output until somebody feeds it.
fn appeared(device: &Path, code: &str) -> Listed {
    let clock = SystemClock::default();
    let found = (0..50).find_map(|_| {
        clock.sleep(Duration::from_millis(100));
        let is_it = |one: &Listed| one.node == device && one.formats.iter().any(|offer| offer.code == code);
        survey().cameras.into_iter().find(is_it)
    });
    found.unwrap_or_else(|| panic!("{} becomes a camera of {code:?} within five seconds", device.display()))
}

fn config(camera: &Listed) -> CameraConfig {
    CameraConfig {
        name: "test".into(),
        identity: camera.identity.clone(),
        width: WIDTH,
        height: HEIGHT,
        rate: RATE,
        allow_virtual: true,
        y16_bits: 16,
        depth_unit_um: 1000,
        controls: Settings::new(),
    }
}

/// What comes out where `frame` goes in.
fn through<P: Pixel>(device: &Path, code: &str, stride: u32, frame: &[u8], format: PixelFormat) -> Plane<P> {
    let _feeder = feed(device, code, stride, frame);
    let found = appeared(device, code);
    assert!(found.from_program, "{found:?}");
    let mut camera = V4l2Camera::<P>::open(&config(&found)).unwrap();
    assert_eq!(camera.layout().format, format);
    let shots: Vec<_> = (0..5).map(|_| camera.next(WAIT).unwrap()).collect();
    assert!(shots.is_sorted_by(|a, b| a.at < b.at && a.sequence < b.sequence));
    shots[4].plane.clone()
}

/// A different number for every place of the picture.
fn pattern<T>(of: fn(u32) -> T) -> Vec<T> {
    (0..WIDTH * HEIGHT).map(|i| of(i % WIDTH * 7 + i / WIDTH * 3)).collect()
}

fn low(value: u32) -> u8 {
    value.to_le_bytes()[0]
}

fn word(value: u32) -> u16 {
    u16::try_from(value % 5000).unwrap()
}

#[test]
fn infrared_comes_out_as_it_went_in() {
    let Some(device) = device() else { return };
    let grey = pattern(low);
    assert_eq!(through::<u8>(&device, "GREY", WIDTH, &grey, PixelFormat::Grey).pixels(), grey);
    let wide: Vec<u8> = grey.iter().flat_map(|value| [0x5a, *value]).collect();
    assert_eq!(through::<u8>(&device, "Y16 ", WIDTH * 2, &wide, PixelFormat::Y16).pixels(), grey);
}

#[test]
fn depth_comes_out_as_it_went_in() {
    let Some(device) = device() else { return };
    let depth = pattern(word);
    let bytes: Vec<u8> = depth.iter().flat_map(|mm| mm.to_le_bytes()).collect();
    for (code, format) in [("Z16 ", PixelFormat::Z16), ("Y16 ", PixelFormat::Y16)] {
        assert_eq!(through::<u16>(&device, code, WIDTH * 2, &bytes, format).pixels(), depth);
    }
}

#[test]
fn colour_comes_out_as_it_went_in() {
    let Some(device) = device() else { return };
    let near = |plane: &Plane<Rgb>, expected: fn(u32) -> u8, most: u8| {
        for x in 0..WIDTH {
            for value in plane.at(x, 60) {
                assert!(value.abs_diff(expected(x)) <= most, "column {x}: {value}, not {}", expected(x));
            }
        }
    };
    // Grey from left to right. In video range, 16 is black and 235 is white.
    let luma = |x: u32| u8::try_from(16 + x).unwrap();
    let shown: fn(u32) -> u8 = |x| u8::try_from(x * 255 / 219).unwrap();
    let row: Vec<u8> = (0..WIDTH).flat_map(|x| [luma(x), 128]).collect();
    let yuyv = row.repeat(HEIGHT as usize);
    near(&through::<Rgb>(&device, "YUYV", WIDTH * 2, &yuyv, PixelFormat::Yuyv), shown, 2);
    let row: Vec<u8> = (0..WIDTH).map(luma).collect();
    let nv12 = [row.repeat(HEIGHT as usize), vec![128; (WIDTH * HEIGHT / 2) as usize]].concat();
    near(&through::<Rgb>(&device, "NV12", WIDTH, &nv12, PixelFormat::Nv12), shown, 2);

    let ramp: fn(u32) -> u8 = low;
    let pixels = (0..WIDTH * HEIGHT).map(|i| [ramp(i % WIDTH); 3]).collect();
    let jpeg = photo::encode_jpeg(&Plane::new(WIDTH, HEIGHT, pixels).unwrap(), 95).unwrap();
    near(&through::<Rgb>(&device, "MJPG", 0, &jpeg, PixelFormat::Mjpeg), ramp, 6);
}

#[test]
fn c2_a_format_or_size_that_was_not_configured_is_refused() {
    let Some(device) = device() else { return };
    let _feeder = feed(&device, "GREY", WIDTH, &pattern(low));
    let found = appeared(&device, "GREY");
    let colour = V4l2Camera::<Rgb>::open(&config(&found));
    assert!(
        matches!(&colour, Err(CameraFault::Refused { why, .. }) if why.contains("none of")),
        "{colour:?}"
    );
    let larger = CameraConfig { width: WIDTH * 2, ..config(&found) };
    let larger = V4l2Camera::<u8>::open(&larger);
    assert!(matches!(larger, Err(CameraFault::Refused { .. })), "{larger:?}");
}

#[test]
fn c4_a_feeder_that_dies_is_a_fault_in_bounded_time_and_a_new_one_is_taken() {
    let Some(device) = device() else { return };
    let frame = pattern(low);
    let clock = SystemClock::default();
    let feeder = feed(&device, "GREY", WIDTH, &frame);
    let found = appeared(&device, "GREY");
    let mut camera = V4l2Camera::<u8>::open(&config(&found)).unwrap();
    camera.next(WAIT).unwrap();
    drop(feeder);
    // A few frames may still wait in the queue.
    let began = clock.now().mono;
    let fault = (0..10).find_map(|_| camera.next(WAIT).err()).expect("nobody feeds it");
    assert!(matches!(fault, CameraFault::Stalled { .. } | CameraFault::Unplugged { .. }), "{fault}");
    assert!(clock.now().mono.since(began) < Duration::from_secs(3));
    drop(camera);
    let _feeder = feed(&device, "GREY", WIDTH, &frame);
    let found = appeared(&device, "GREY");
    V4l2Camera::<u8>::open(&config(&found)).unwrap().next(WAIT).unwrap();
}
