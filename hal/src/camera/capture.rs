//! A camera of the kernel: found by its identity, agreed with on a format, read newest frame first.

use std::fs;
use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use doorward_core::frame::{SIDE_MAX, Shot};
use serde::Serialize;

use super::identity::{self, Identity};
use super::order::Order;
use super::pixels::{Layout, Pixel, PixelFormat};
use super::v4l2::{Agreed, Capability, Device, Filled, Queue};
use super::{Camera, CameraFault};

/// Device nodes looked at: a terminal has three cameras with up to six nodes each.
const NODES_MAX: usize = 64;

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
}

/// A camera of this machine.
#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    /// Its node; the number changes from boot to boot.
    pub node: PathBuf,
    /// What to pin it by.
    pub identity: Identity,
    /// Whether its pictures come from a program.
    pub from_program: bool,
    /// What it delivers.
    pub formats: Vec<Offer>,
}

/// A format with its sizes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Offer {
    /// Four-character code.
    pub code: String,
    /// Width and height in pixels; smallest and largest where the device scales.
    pub sizes: Vec<(u32, u32)>,
}

/// All cameras of this machine that can be opened, by node.
#[must_use]
pub fn list() -> Vec<Listed> {
    let mut listed = Vec::new();
    for found in look_around().0 {
        let offer = |code: [u8; 4]| Offer {
            code: String::from_utf8_lossy(&code).into_owned(),
            sizes: found.device.sizes(code),
        };
        listed.push(Listed {
            formats: found.codes.iter().map(|code| offer(*code)).collect(),
            node: found.node,
            identity: found.identity,
            from_program: found.from_program,
        });
    }
    listed
}

/// A camera behind V4L2.
///
/// Timestamps are the driver's, monotonic clock: start of exposure or end of frame, as the driver does it; `uvcvideo`
/// gives the start. Frames with another clock are refused, because nothing could be paired by them.
#[derive(Debug)]
pub struct V4l2Camera<P> {
    name: String,
    layout: Layout,
    /// None once the device is lost.
    queue: Option<Queue>,
    order: Order,
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
        let described: Vec<Described<'_>> = found.iter().map(Found::describe).collect();
        let chosen = choose::<P>(&described, config).map_err(|why| refused(why + &closed))?;
        let device = found.swap_remove(chosen).device;
        let layout = agree::<P>(&device, config)?;
        let queue =
            Queue::start(device).map_err(|source| system(&config.name, "start the stream", source))?;
        Ok(Self {
            name: config.name.clone(),
            layout,
            queue: Some(queue),
            order: Order::default(),
            pixel: PhantomData,
        })
    }

    /// What was agreed with the driver.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Frames that the device took and that never came.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.order.lost()
    }

    /// Waits for a buffer, reads it, and hands it back. An error of the system leaves the queue unusable.
    fn read(&mut self, wait: Duration) -> io::Result<Result<Arc<Shot<P>>, Miss>> {
        let Some(queue) = &mut self.queue else { return Ok(Err(Miss::Gone)) };
        let skipped = queue.skipped();
        let Some(filled) = queue.newest(wait)? else { return Ok(Err(Miss::Nothing)) };
        tracing::trace!(camera = %self.name, skipped = queue.skipped() - skipped, sequence = filled.sequence, "frame");
        let shot = Self::shot(queue, &filled, &mut self.order, &self.layout);
        queue.hand_back(filled)?;
        Ok(shot.map(Arc::new))
    }

    fn shot(queue: &Queue, filled: &Filled, order: &mut Order, layout: &Layout) -> Result<Shot<P>, Miss> {
        if !filled.monotonic {
            return Err(Miss::Clock);
        }
        order.admit(filled.sequence, filled.at).map_err(|disorder| Miss::Broken(disorder.to_string()))?;
        if filled.damaged {
            return Err(Miss::Broken("the driver says that it is damaged".to_owned()));
        }
        let plane = P::decode(queue.bytes(filled), layout).map_err(|e| Miss::Broken(e.to_string()))?;
        Ok(Shot { sequence: filled.sequence, at: filled.at, plane })
    }
}

/// Why there is no shot although the kernel answered.
enum Miss {
    Nothing,
    Broken(String),
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
}

/// The fault behind an error of the system.
fn system(camera: &str, doing: &str, source: io::Error) -> CameraFault {
    let camera = camera.to_owned();
    if matches!(source.raw_os_error(), Some(libc::ENODEV | libc::ENXIO)) {
        return CameraFault::Unplugged { camera };
    }
    CameraFault::System { camera, doing: doing.to_owned(), source }
}

/// The video nodes of this machine, in order.
fn nodes() -> Vec<PathBuf> {
    let number = |path: &PathBuf| {
        let name = path.file_name()?.to_str()?;
        name.strip_prefix("video")?.parse::<u32>().ok()
    };
    let Ok(entries) = fs::read_dir("/dev") else { return Vec::new() };
    let mut nodes: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| number(path).is_some())
        .take(NODES_MAX)
        .collect();
    nodes.sort_by_key(number);
    nodes
}

/// An opened capture node.
struct Found {
    node: PathBuf,
    device: Device,
    identity: Identity,
    links: Vec<String>,
    from_program: bool,
    codes: Vec<[u8; 4]>,
}

/// The capture nodes of this machine, and which nodes could not be looked at, as the end of a sentence.
fn look_around() -> (Vec<Found>, String) {
    let (mut found, mut closed) = (Vec::new(), String::new());
    for node in nodes() {
        match Found::open(&node) {
            Ok(Some(one)) => found.push(one),
            Ok(None) => {}
            Err(e) => closed.push_str(&format!("; {} cannot be opened: {e}", node.display())),
        }
    }
    (found, closed)
}

impl Found {
    /// Opens a node; `None` where it does not capture pictures.
    fn open(path: &Path) -> io::Result<Option<Self>> {
        let device = Device::open(path)?;
        let Capability { driver, card, bus, captures } = device.capability()?;
        if !captures {
            return Ok(None);
        }
        let (major, minor) = device.number()?;
        let node = identity::Node::look_up(Path::new("/sys"), Path::new("/dev"), major, minor);
        Ok(Some(Self {
            node: path.to_owned(),
            codes: device.formats(),
            device,
            from_program: identity::is_virtual(&driver, &bus, &node),
            identity: Identity { driver, card, bus, usb: node.usb, by_path: node.links.first().cloned() },
            links: node.links,
        }))
    }

    fn describe(&self) -> Described<'_> {
        Described {
            node: &self.node,
            identity: &self.identity,
            links: &self.links,
            from_program: self.from_program,
            codes: &self.codes,
        }
    }
}

/// What decides whether a found device is the one.
struct Described<'a> {
    node: &'a Path,
    identity: &'a Identity,
    links: &'a [String],
    from_program: bool,
    codes: &'a [[u8; 4]],
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

/// Agrees on the best format that has the wanted size and rate; on the fastest where none reaches the rate.
fn agree<P: Pixel>(device: &Device, config: &CameraConfig) -> Result<Layout, CameraFault> {
    let offered = device.formats();
    let mut slower: Option<(f64, PixelFormat, [u8; 4])> = None;
    for format in P::FORMATS {
        for code in format.codes().iter().filter(|code| offered.contains(**code)) {
            let agreed = match device.set_format(**code, config.width, config.height) {
                Ok(agreed) => agreed,
                Err(e) if e.raw_os_error() == Some(libc::EBUSY) => {
                    return Err(system(&config.name, "set the format; another program uses the camera", e));
                }
                Err(_) => continue,
            };
            let Ok(layout) = layout(&agreed, *format, **code, config) else { continue };
            let rate = device.set_rate(config.rate).unwrap_or_else(|| f64::from(config.rate));
            if rate >= RATE_SHARE * f64::from(config.rate) {
                return Ok(layout);
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
    device.set_rate(config.rate);
    layout(&agreed, format, code, config)
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
    fn a_machine_without_the_camera_says_so() {
        let fault = V4l2Camera::<Rgb>::open(&config()).unwrap_err();
        assert!(matches!(&fault, CameraFault::Refused { why, .. } if why.contains("not there")), "{fault}");
        assert!(list().iter().all(|camera| camera.identity != config().identity));
        let zero = CameraConfig { rate: 0, ..config() };
        assert!(matches!(V4l2Camera::<Rgb>::open(&zero), Err(CameraFault::Refused { .. })));
    }
}
