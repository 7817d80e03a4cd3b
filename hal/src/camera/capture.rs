//! A camera of the kernel: found by its identity, agreed with on a format, set up, read newest frame first.

use std::io;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use doorward_core::frame::{SIDE_MAX, Shot};
use doorward_core::stamps::{Disorder, Stamps};
use doorward_core::time::Mono;

use super::controls::{self, Settings, Unset};
use super::identity::Identity;
use super::pixels::{Layout, Pixel, PixelFormat};
use super::survey::{Found, look_around};
use super::v4l2::{Agreed, Device, Queue, Stamp, Stamped};
use super::{Camera, CameraFault, Missed};
use crate::clock;

/// A format is fast enough with this share of the wanted rate; drivers round 30 to 29.97 or 28.
const RATE_SHARE: f64 = 0.9;

/// Which camera, and what it must deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CameraConfig {
    /// What it is called in faults: `rgb`, `ir`, `depth`.
    pub name: String,
    /// The device that was installed.
    pub identity: Identity,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Frames per second.
    pub rate: u32,
    /// Accept loopback and generated cameras. For the demo and for tests; never on a door.
    pub allow_virtual: bool,
    /// Significant bits of 16-bit infrared, 8 to 16.
    pub y16_bits: u8,
    /// Micrometres per unit of depth.
    pub depth_unit_um: u32,
    /// Exposure, gain, light and the like, by the names that the driver has for them.
    pub controls: Settings,
}

/// A camera behind V4L2.
///
/// Timestamps are the driver's, monotonic clock: start of exposure or end of frame, as the driver does it; `uvcvideo`
/// gives the start. Frames with another clock are refused, because nothing could be paired by them.
#[derive(Debug)]
pub struct V4l2Camera<P> {
    name: String,
    layout: Layout,
    from_program: bool,
    /// None once the device is lost.
    queue: Option<Queue>,
    stamps: Stamps,
    missed: Missed,
    pixel: PhantomData<fn() -> P>,
}

impl<P: Pixel> V4l2Camera<P> {
    /// Opens the pinned camera and starts it.
    ///
    /// # Errors
    /// [`CameraFault::Refused`] where no device, another device, a virtual one, two alike, or one that cannot deliver
    /// the wanted size is there; [`CameraFault::System`] where the kernel refuses.
    pub fn open(config: &CameraConfig) -> Result<Self, CameraFault> {
        let refused = |why| CameraFault::Refused { camera: config.name.clone(), why };
        if config.rate == 0 || !(8..=16).contains(&config.y16_bits) || config.depth_unit_um == 0 {
            return Err(refused("rate, bits and depth unit must be set".to_owned()));
        }
        let (mut found, closed) = look_around();
        let described: Vec<Described<'_>> = found.iter().map(Described::of).collect();
        let closed: String = closed.iter().map(|one| format!("; {one}")).collect();
        let chosen = choose::<P>(&described, config).map_err(|why| refused(why + &closed))?;
        let Found { device, from_program, .. } = found.swap_remove(chosen);
        let (layout, rate) = agree::<P>(&device, config)?;
        let stamps = match (from_program, rate) {
            (false, Some(rate)) => Stamps::every(Duration::from_secs_f64(1.0 / rate)),
            // Generators stamp a frame with the moment it was due at, and loopbacks agree to any rate.
            (true, _) | (_, None) => Stamps::default(),
        };
        controls::set(&device, &config.controls).map_err(|unset| match unset {
            Unset::Refused(why) => refused(why),
            Unset::System(doing, source) => system(&config.name, &doing, source),
        })?;
        let queue =
            Queue::start(device).map_err(|source| system(&config.name, "start the stream", source))?;
        Ok(Self {
            name: config.name.clone(),
            layout,
            from_program,
            queue: Some(queue),
            stamps,
            missed: Missed::default(),
            pixel: PhantomData,
        })
    }

    /// What was agreed with the driver.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Waits for a buffer, reads it, and hands it back. An error of the system leaves the queue unusable.
    fn read(&mut self, wait: Duration) -> io::Result<Result<Arc<Shot<P>>, Miss>> {
        let Some(queue) = &mut self.queue else { return Ok(Err(Miss::Gone)) };
        let newest = queue.newest(wait);
        let passed_over = queue.passed_over();
        let (skipped, damaged) = (passed_over.skipped, passed_over.damaged);
        self.stamps.pass_over(skipped + damaged - self.missed.skipped - self.missed.damaged);
        self.missed = Missed { skipped, damaged, ..self.missed };
        let Some(filled) = newest? else { return Ok(Err(Miss::Nothing)) };
        tracing::trace!(camera = %self.name, sequence = filled.stamp.sequence, "frame");
        let now = clock::monotonic();
        let shot = check_clock(filled.stamp.clock, self.from_program)
            .and_then(|()| shot(filled.stamp, queue.bytes(&filled), &self.layout, &mut self.stamps, now));
        self.missed.lost = self.stamps.lost();
        queue.hand_back(filled)?;
        Ok(shot.map(Arc::new))
    }
}

/// Whether a driver stamps its frames with the monotonic clock. Loopbacks do and do not say so; they are for test rigs,
/// and a frame of another clock is not of about now either.
fn check_clock(clock: Stamped, from_program: bool) -> Result<(), Miss> {
    match clock {
        Stamped::Monotonic => Ok(()),
        Stamped::Unsaid if from_program => Ok(()),
        Stamped::Unsaid | Stamped::Elsewhere => Err(Miss::Clock),
    }
}

/// What a buffer holds, if it is a frame that can be used.
fn shot<P: Pixel>(
    stamp: Stamp,
    bytes: &[u8],
    layout: &Layout,
    stamps: &mut Stamps,
    now: Mono,
) -> Result<Shot<P>, Miss> {
    let Stamp { damaged, at, sequence, .. } = stamp;
    stamps.admit_read(sequence, at, now).map_err(Miss::Untimely)?;
    if damaged {
        return Err(Miss::Broken("the driver says that it is damaged".to_owned()));
    }
    let plane = P::decode(bytes, layout).map_err(|e| Miss::Broken(e.to_string()))?;
    Ok(Shot { sequence, at, plane })
}

/// Why there is no shot although the kernel answered.
#[derive(Debug, PartialEq, Eq)]
enum Miss {
    Nothing,
    Broken(String),
    Untimely(Disorder),
    Clock,
    Gone,
}

impl<P: Pixel> Camera<P> for V4l2Camera<P> {
    fn next(&mut self, wait: Duration) -> Result<Arc<Shot<P>>, CameraFault> {
        let camera = self.name.clone();
        match self.read(wait) {
            Ok(Ok(shot)) => Ok(shot),
            Ok(Err(Miss::Nothing)) => Err(CameraFault::stalled(camera, wait)),
            Ok(Err(Miss::Broken(why))) => Err(CameraFault::BrokenFrame { camera, why }),
            Ok(Err(Miss::Untimely(disorder))) => Err(CameraFault::Untimely { camera, disorder }),
            Ok(Err(Miss::Gone)) => Err(CameraFault::Unplugged { camera }),
            Ok(Err(Miss::Clock)) => {
                self.queue = None;
                let why = "its timestamps are not of the monotonic clock; use another driver".to_owned();
                Err(CameraFault::Refused { camera, why })
            }
            Err(source) => {
                self.queue = None;
                Err(system(&camera, "read a frame", source))
            }
        }
    }

    fn missed(&self) -> Missed {
        self.missed
    }
}

/// The fault behind an error of the system.
pub(super) fn system(camera: &str, doing: &str, source: io::Error) -> CameraFault {
    let camera = camera.to_owned();
    if matches!(source.raw_os_error(), Some(libc::ENODEV | libc::ENXIO)) {
        return CameraFault::Unplugged { camera };
    }
    CameraFault::System { camera, doing: doing.to_owned(), source }
}

/// What decides whether a found device is the one.
struct Described<'a> {
    node: &'a Path,
    identity: &'a Identity,
    links: &'a [String],
    from_program: bool,
    codes: &'a [[u8; 4]],
}

impl<'a> Described<'a> {
    fn of(found: &'a Found) -> Self {
        Self {
            node: &found.node,
            identity: &found.identity,
            links: &found.links,
            from_program: found.from_program,
            codes: &found.codes,
        }
    }
}

/// The place of the one device that is as pinned and delivers pixels of type `P`; otherwise why there is none.
fn choose<P: Pixel>(found: &[Described<'_>], config: &CameraConfig) -> Result<usize, String> {
    let carries =
        |one: &Described<'_>| P::FORMATS.iter().any(|f| f.codes().iter().any(|c| one.codes.contains(*c)));
    let differs = |one: &Described<'_>| config.identity.difference(one.identity, one.links);
    let same: Vec<usize> = (0..found.len()).filter(|i| differs(&found[*i]).is_none()).collect();
    let fit: Vec<usize> = same.iter().copied().filter(|i| carries(&found[*i])).collect();
    match (fit.as_slice(), same.is_empty()) {
        (&[one], _) if found[one].from_program && !config.allow_virtual => {
            Err(format!("{} gets its pictures from a program, not from a sensor", found[one].node.display()))
        }
        (&[one], _) => Ok(one),
        ([], false) => Err(format!("the device is there, but delivers none of {:?}", P::FORMATS)),
        ([], true) => {
            let others =
                found.iter().filter_map(|one| Some(format!("{}: {}", one.node.display(), differs(one)?)));
            let others = others.collect::<Vec<_>>().join("; ");
            Err(format!(
                "the installed device is not there; found: {}",
                if others.is_empty() { "none" } else { &others }
            ))
        }
        (several, _) => {
            let several = several.iter().map(|i| found[*i].node.display().to_string()).collect::<Vec<_>>();
            Err(format!("{} look alike; pin one of them by its path", several.join(" and ")))
        }
    }
}

/// Agrees on the best format that has the wanted size and rate; on the fastest where none reaches the rate. Beside it the
/// rate, frames per second, where the driver has a say in it.
fn agree<P: Pixel>(device: &Device, config: &CameraConfig) -> Result<(Layout, Option<f64>), CameraFault> {
    let offered = device.formats();
    let mut slower: Option<(f64, PixelFormat, [u8; 4])> = None;
    for format in P::FORMATS {
        for code in format.codes().iter().filter(|code| offered.contains(**code)) {
            let agreed = match device.set_format(**code, config.width, config.height) {
                Ok(agreed) => agreed,
                Err(e) if e.raw_os_error() == Some(libc::EBUSY) => {
                    return Err(system(&config.name, "set the format; another program uses the camera", e));
                }
                // This is how drivers say that they do not do it. Anything else is a device that hangs or is gone, and
                // asking on would only wait for it again.
                Err(e) if e.raw_os_error() == Some(libc::EINVAL) => continue,
                Err(e) => return Err(system(&config.name, "set the format", e)),
            };
            let Ok(layout) = layout(&agreed, *format, **code, config) else { continue };
            let agreed = device.set_rate(config.rate);
            let rate = agreed.unwrap_or_else(|| f64::from(config.rate));
            if rate >= RATE_SHARE * f64::from(config.rate) {
                return Ok((layout, agreed));
            }
            if slower.is_none_or(|(best, ..)| rate > best) {
                slower = Some((rate, *format, **code));
            }
        }
    }
    let Some((rate, format, code)) = slower else {
        let sizes: Vec<_> = offered.iter().map(|c| (String::from_utf8_lossy(c), device.sizes(*c))).collect();
        let why =
            format!("it has no {} x {} of {:?}; it has {sizes:?}", config.width, config.height, P::FORMATS);
        return Err(CameraFault::Refused { camera: config.name.clone(), why });
    };
    tracing::warn!(camera = %config.name, rate, wanted = config.rate, "camera is slower than wanted");
    let again = device.set_format(code, config.width, config.height);
    let agreed = again.map_err(|source| system(&config.name, "set the format", source))?;
    let rate = device.set_rate(config.rate);
    layout(&agreed, format, code, config)
        .map(|layout| (layout, rate))
        .map_err(|why| CameraFault::Refused { camera: config.name.clone(), why })
}

/// The layout of what a driver agreed to, if it is what was asked for.
fn layout(
    agreed: &Agreed,
    format: PixelFormat,
    code: [u8; 4],
    config: &CameraConfig,
) -> Result<Layout, String> {
    let side = 1..=SIDE_MAX;
    let (width, height, stride) = (agreed.width, agreed.height, agreed.stride);
    if !side.contains(&width) || !side.contains(&height) {
        return Err(format!("{width} x {height} pixels are no picture"));
    }
    if (agreed.code, width, height) != (code, config.width, config.height) {
        return Err(format!("it offers {width} x {height} instead"));
    }
    if agreed.interlaced {
        return Err("it interlaces its pictures".to_owned());
    }
    Ok(Layout {
        format,
        width,
        height,
        stride,
        y16_bits: config.y16_bits,
        depth_unit_um: config.depth_unit_um,
    })
}

#[cfg(test)]
mod tests {
    use doorward_core::frame::Rgb;

    use super::*;

    fn identity(bus: &str) -> Identity {
        Identity { driver: "uvcvideo".into(), card: "Cam".into(), bus: bus.into(), usb: None, by_path: None }
    }

    fn config() -> CameraConfig {
        CameraConfig {
            name: "rgb".into(),
            identity: identity("usb-1"),
            width: 640,
            height: 480,
            rate: 30,
            allow_virtual: false,
            y16_bits: 16,
            depth_unit_um: 1000,
            controls: Settings::new(),
        }
    }

    const YUYV: &[[u8; 4]] = &[*b"YUYV"];
    const MJPG: &[[u8; 4]] = &[*b"MJPG"];
    const GREY: &[[u8; 4]] = &[*b"GREY"];
    const Z16: &[[u8; 4]] = &[*b"Z16 "];

    fn described<'a>(identity: &'a Identity, codes: &'a [[u8; 4]]) -> Described<'a> {
        Described { node: Path::new("/dev/video0"), identity, links: &[], from_program: false, codes }
    }

    #[test]
    fn c1_only_the_pinned_device_is_taken() {
        let (right, wrong) = (identity("usb-1"), identity("usb-2"));
        let found = [described(&wrong, YUYV), described(&right, YUYV)];
        assert_eq!(choose::<Rgb>(&found, &config()), Ok(1));
        let told = choose::<Rgb>(&found[..1], &config()).unwrap_err();
        assert!(told.contains("usb-2") && told.contains("usb-1"), "{told}");
        assert!(choose::<Rgb>(&[], &config()).unwrap_err().contains("found: none"));
    }

    #[test]
    fn c1_a_virtual_device_is_refused_unless_allowed() {
        let right = identity("usb-1");
        let found = [Described { from_program: true, ..described(&right, YUYV) }];
        assert!(choose::<Rgb>(&found, &config()).unwrap_err().contains("program"));
        assert_eq!(choose::<Rgb>(&found, &CameraConfig { allow_virtual: true, ..config() }), Ok(0));
    }

    #[test]
    fn the_node_of_a_composite_device_is_told_by_its_pixels_and_twins_are_refused() {
        let right = identity("usb-1");
        let found = [described(&right, Z16), described(&right, GREY), described(&right, MJPG)];
        assert_eq!(choose::<Rgb>(&found, &config()), Ok(2));
        assert_eq!(choose::<u8>(&found, &config()), Ok(1));
        assert_eq!(choose::<u16>(&found, &config()), Ok(0));
        assert!(choose::<u16>(&found[1..], &config()).unwrap_err().contains("none of"));
        let twins = [described(&right, YUYV), described(&right, MJPG)];
        assert!(choose::<Rgb>(&twins, &config()).unwrap_err().contains("alike"));
    }

    #[test]
    fn c2_a_format_that_was_not_asked_for_is_refused() {
        let right = Agreed { code: *b"YUYV", width: 640, height: 480, stride: 1280, interlaced: false };
        let read = |agreed: Agreed| layout(&agreed, PixelFormat::Yuyv, *b"YUYV", &config());
        assert_eq!(read(right).unwrap().stride, 1280);
        assert!(read(Agreed { code: *b"MJPG", ..right }).is_err());
        assert!(read(Agreed { width: 0, ..right }).is_err());
        assert!(read(Agreed { width: u32::MAX, height: u32::MAX, ..right }).is_err());
        assert!(read(Agreed { width: 320, ..right }).is_err());
        assert!(read(Agreed { interlaced: true, ..right }).is_err());
    }

    #[test]
    fn c2_c3_a_buffer_that_is_no_sound_frame_of_now_is_broken_and_the_next_one_is_fine() {
        let layout = Layout {
            format: PixelFormat::Grey,
            width: 4,
            height: 2,
            stride: 4,
            y16_bits: 16,
            depth_unit_um: 1000,
        };
        let mut stamps = Stamps::every(Duration::from_millis(1));
        let mut read = |stamp: Stamp, bytes: &[u8]| {
            shot::<u8>(stamp, bytes, &layout, &mut stamps, Mono::from_millis(5000))
        };
        let stamp = |sequence: u32| Stamp {
            damaged: false,
            clock: Stamped::Monotonic,
            at: Mono::from_millis(4900 + u64::from(sequence)),
            sequence,
        };
        let broken = |told: &str, miss| match miss {
            Err(Miss::Broken(why)) => assert!(why.contains(told), "{why}"),
            Err(Miss::Untimely(disorder)) => assert!(disorder.to_string().contains(told), "{disorder}"),
            other => panic!("{told}: {other:?}"),
        };
        assert!(read(stamp(1), &[7; 8]).is_ok());
        broken("damaged", read(Stamp { damaged: true, ..stamp(2) }, &[7; 8]));
        broken("7 bytes, 8 are needed", read(stamp(3), &[7; 7]));
        broken("0 bytes", read(stamp(4), &[]));
        broken("twice", read(stamp(4), &[7; 8]));
        broken("old", read(Stamp { at: Mono(0), ..stamp(5) }, &[7; 8]));
        broken("before the frame", read(Stamp { at: Mono::from_millis(4800), ..stamp(6) }, &[7; 8]));
        assert!(read(stamp(8), &[7; 8]).is_ok());
    }

    #[test]
    fn c3_a_sensor_that_does_not_say_its_clock_is_refused() {
        assert_eq!(check_clock(Stamped::Monotonic, false), Ok(()));
        assert_eq!(check_clock(Stamped::Unsaid, false), Err(Miss::Clock));
        assert_eq!(check_clock(Stamped::Unsaid, true), Ok(()), "loopbacks do not");
        assert_eq!(check_clock(Stamped::Elsewhere, true), Err(Miss::Clock));
    }

    #[test]
    fn c4_a_lost_device_is_unplugged_and_anything_else_is_told_as_it_is() {
        let fault = |code| system("rgb", "read a frame", io::Error::from_raw_os_error(code));
        assert!(matches!(fault(libc::ENODEV), CameraFault::Unplugged { .. }));
        assert!(matches!(fault(libc::ENXIO), CameraFault::Unplugged { .. }));
        assert!(matches!(fault(libc::EIO), CameraFault::System { .. }));
    }

    #[test]
    fn a_machine_without_the_camera_says_so() {
        let fault = V4l2Camera::<Rgb>::open(&config()).unwrap_err();
        assert!(matches!(&fault, CameraFault::Refused { why, .. } if why.contains("not there")), "{fault}");
        let zero = CameraConfig { rate: 0, ..config() };
        assert!(matches!(V4l2Camera::<Rgb>::open(&zero), Err(CameraFault::Refused { .. })));
    }
}
