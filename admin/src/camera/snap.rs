//! `doorctl camera snap`: one picture, to aim a camera by.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::{ArgGroup, Args, ValueEnum};
use doorward_core::frame::{Plane, Rgb, Shot};
use doorward_hal::camera::capture::{CameraConfig, V4l2Camera};
use doorward_hal::camera::controls::Settings;
use doorward_hal::camera::pixels::Pixel;
use doorward_hal::camera::survey::{Listed, Offer, survey};
use doorward_hal::camera::{Camera, CameraFault};
use doorward_hal::clock::{Clock, SystemClock};
use doorward_hal::photo;

use super::{Which, consented, fitted, stopped};
use crate::answer::{Answer, Stop};
use crate::folder;

/// A camera's automatics need about this long to find exposure and white balance.
const WARM_UP: Duration = Duration::from_secs(1);

/// A camera that has shown nothing usable for this long shows nothing.
const PATIENCE: Duration = Duration::from_secs(6);

/// One wait for a frame.
const FRAME_WAIT: Duration = Duration::from_millis(500);

/// Frames per second that are asked for: aiming needs few, and at few every camera has uncompressed pictures.
const RATE: u32 = 5;

/// The largest picture that is asked for where the installer did not say; enough to aim by.
const SIDES_MAX: (u32, u32) = (1920, 1080);

/// The size that is asked for where a camera scales to any.
const SIDES_USUAL: (u32, u32) = (640, 480);

/// Depths that are told apart, millimetres: from a face at the glass to the wall behind.
const DEPTHS: (u16, u16) = (300, 3000);

/// Options of `camera snap`.
#[derive(Debug, Args)]
#[command(
    after_help = "Writes a PNG that its owner alone can read: colour and infrared as they are, depth as grey, near \
    bright and unknown black. Nothing that exists is overwritten. With --fitted the camera is opened as doord would open \
    it, pinned and with its controls; stop doord meanwhile.\n\n\
    Pictures show people: delete it once the camera is aimed.\n\n\
    Examples:\n  doorctl camera snap /dev/video0 --out aim.png --consent\n  \
    doorctl camera snap --fitted depth --out aim.png --consent\n\n\
    Exit code: 0 written, 2 refused, 1 fault."
)]
#[command(group(ArgGroup::new("which").args(["node", "card", "fitted"]).required(true)))]
pub struct Snap {
    /// Which camera.
    #[command(flatten)]
    which: Which,
    /// The camera of that section of the configuration.
    #[arg(long, value_name = "SECTION")]
    fitted: Option<Kind>,
    /// The terminal's configuration, for --fitted.
    #[arg(long, value_name = "PATH", default_value = fitted::CONFIG)]
    config: PathBuf,
    /// Where the picture goes; a new file.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Everybody whom the camera may see agreed that a picture is written.
    #[arg(long)]
    consent: bool,
}

/// What a camera sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Colour.
    Rgb,
    /// Infrared.
    Infrared,
    /// Depth.
    Depth,
}

/// Takes a picture.
///
/// # Errors
/// [`Stop::Refused`] without consent, for a file that exists, and for a camera that does not deliver.
pub fn run(options: &Snap, out: &mut dyn Write) -> Answer {
    let place = &options.out;
    consented(options.consent, &format!("a picture ({})", place.display()))?;
    if std::fs::symlink_metadata(place).is_ok() {
        return Err(exists(place));
    }
    let (kind, config) = match options.fitted {
        Some(kind) => (kind, fitted::camera(&options.config, kind)?),
        None => generic(&options.which.find(survey())?)?,
    };
    let (png, (width, height)) = match kind {
        Kind::Rgb => take::<Rgb>(&config, photo::encode_png)?,
        Kind::Infrared => take::<u8>(&config, photo::encode_png_grey)?,
        Kind::Depth => take::<u16>(&config, |plane| photo::encode_png_grey(&visible(plane)))?,
    };
    match folder::create(place, 0o600, &png) {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => return Err(exists(place)),
        written => written.with_context(|| format!("write {}", place.display()))?,
    }
    writeln!(out, "{}: {width} x {height}; delete it once the camera is aimed", place.display())?;
    Ok(())
}

fn exists(place: &Path) -> Stop {
    Stop::Refused(format!("{} exists, and nothing is overwritten", place.display()))
}

/// How to open a camera of which no configuration says anything yet. A generated one will do: its picture opens no door.
fn generic(listed: &Listed) -> Answer<(Kind, CameraConfig)> {
    let best = |fits: fn(&str) -> bool| {
        listed.formats.iter().filter(|offer| fits(&offer.code)).filter_map(sides).max_by_key(area)
    };
    let best = best(carries::<Rgb>)
        .map(|sides| (Kind::Rgb, sides))
        .or_else(|| best(carries::<u8>).map(|sides| (Kind::Infrared, sides)))
        .or_else(|| best(carries::<u16>).map(|sides| (Kind::Depth, sides)));
    let Some((kind, (width, height))) = best else {
        let codes: Vec<&str> = listed.formats.iter().map(|offer| offer.code.trim_end()).collect();
        return Err(Stop::Refused(format!(
            "{} delivers {}, of which none is understood",
            listed.node.display(),
            codes.join(", ")
        )));
    };
    let config = CameraConfig {
        name: listed.node.display().to_string(),
        identity: listed.identity.clone(),
        width,
        height,
        rate: RATE,
        allow_virtual: true,
        y16_bits: 16,
        depth_unit_um: 1000,
        controls: Settings::new(),
    };
    Ok((kind, config))
}

fn carries<P: Pixel>(code: &str) -> bool {
    P::FORMATS.iter().flat_map(|format| format.codes()).any(|known| known.as_slice() == code.as_bytes())
}

/// The size to ask for in a format.
fn sides(offer: &Offer) -> Option<(u32, u32)> {
    let all = offer.sizes.iter().map(|size| (size.width, size.height));
    let fits = |(width, height): &(u32, u32)| *width <= SIDES_MAX.0 && *height <= SIDES_MAX.1;
    let (smallest, largest) = (all.clone().min_by_key(area)?, all.clone().max_by_key(area)?);
    // Two sizes far apart are the ends of a range.
    let between = offer.sizes.len() == 2
        && smallest.0 < SIDES_USUAL.0
        && SIDES_USUAL.0 < largest.0
        && smallest.1 < SIDES_USUAL.1
        && SIDES_USUAL.1 < largest.1;
    if between { Some(SIDES_USUAL) } else { all.filter(fits).max_by_key(area).or(Some(smallest)) }
}

fn area((width, height): &(u32, u32)) -> u64 {
    u64::from(*width) * u64::from(*height)
}

/// A picture and its sides.
type Picture = (Vec<u8>, (u32, u32));

fn take<P: Pixel>(
    config: &CameraConfig,
    encode: fn(&Plane<P>) -> Result<Vec<u8>, photo::PhotoError>,
) -> Answer<Picture> {
    let mut camera = V4l2Camera::<P>::open(config).map_err(stopped)?;
    let shot = settled(&mut camera, &SystemClock::default()).map_err(stopped)?;
    let png = encode(&shot.plane).context("make a PNG")?;
    Ok((png, (shot.plane.width(), shot.plane.height())))
}

/// The first picture after the warm-up, or the last one before.
fn settled<P>(camera: &mut dyn Camera<P>, clock: &dyn Clock) -> Result<Arc<Shot<P>>, CameraFault> {
    let began = clock.now().mono;
    loop {
        let outcome = camera.next(FRAME_WAIT);
        let passed = clock.now().mono.since(began);
        match outcome {
            Ok(shot) if passed >= WARM_UP => return Ok(shot),
            Ok(_) => {}
            Err(fault) if fault.is_final() || passed >= PATIENCE => return Err(fault),
            Err(_) => {}
        }
    }
}

/// Depth for the eye: near is bright, unknown is black.
fn visible(depth: &Plane<u16>) -> Plane<u8> {
    let (near, far) = (u32::from(DEPTHS.0), u32::from(DEPTHS.1));
    let shade = |mm: &u16| match u32::from(*mm) {
        0 => 0,
        mm => u8::try_from(255 - (mm.clamp(near, far) - near) * 225 / (far - near)).unwrap_or(u8::MAX),
    };
    let pixels = depth.pixels().iter().map(shade).collect();
    Plane::new(depth.width(), depth.height(), pixels).expect("as many pixels as before")
}

#[cfg(test)]
mod tests {
    use doorward_core::time::{ClockTrust, Mono, Now, Wall};
    use doorward_hal::camera::survey::Size;
    use doorward_hal::fake;

    use super::super::tests::listed;
    use super::*;

    #[test]
    fn what_a_camera_sees_and_its_size_follow_from_what_it_offers() {
        let (kind, config) = generic(&listed("/dev/video0", "Door", "YUYV")).unwrap();
        assert_eq!((kind, config.width, config.height), (Kind::Rgb, 1280, 720));
        assert_eq!(generic(&listed("/dev/video0", "Door", "GREY")).unwrap().0, Kind::Infrared);
        assert_eq!(generic(&listed("/dev/video0", "Door", "Z16 ")).unwrap().0, Kind::Depth);
        assert!(
            matches!(generic(&listed("/dev/video0", "Door", "H264")), Err(Stop::Refused(why)) if why.contains("H264"))
        );

        let size = |width, height| Size { width, height, rates: Vec::new() };
        let offer = |sizes: Vec<Size>| Offer { code: "YUYV".into(), sizes };
        assert_eq!(sides(&offer(vec![size(2, 1), size(8192, 8192)])), Some((640, 480)), "a range");
        assert_eq!(sides(&offer(vec![size(3840, 2160), size(1280, 720)])), Some((1280, 720)));
        assert_eq!(sides(&offer(vec![size(4096, 2304)])), Some((4096, 2304)), "better than none");
        assert_eq!(sides(&offer(Vec::new())), None);
    }

    #[test]
    fn depth_is_made_visible() {
        let depth = Plane::new(5, 1, vec![0, 100, 300, 3000, u16::MAX]).unwrap();
        assert_eq!(visible(&depth).pixels(), [0, 255, 255, 30, 30]);
    }

    #[test]
    fn the_picture_is_one_of_after_the_warm_up() {
        let start = Now { mono: Mono(0), wall: Wall { ms: 0, trust: ClockTrust::Unknown } };
        let clock = fake::clock(start);
        /// A camera of two frames a second.
        struct Slow(fake::FakeClock, u32);
        impl Camera<u8> for Slow {
            fn next(&mut self, wait: Duration) -> Result<Arc<Shot<u8>>, CameraFault> {
                self.0.advance(wait);
                self.1 += 1;
                if self.1 == 2 {
                    return Err(CameraFault::BrokenFrame { camera: "slow".into(), why: "torn".into() });
                }
                let plane = Plane::filled(1, 1, 1).unwrap();
                Ok(Arc::new(Shot { sequence: self.1, at: self.0.now().mono, plane }))
            }

            fn missed(&self) -> doorward_hal::camera::Missed {
                doorward_hal::camera::Missed::default()
            }
        }
        assert_eq!(settled(&mut Slow(clock.clone(), 0), &clock).unwrap().sequence, 3);
    }
}
