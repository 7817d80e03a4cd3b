//! `doorctl camera record`: the cameras of the configuration, together, into a recording.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use doorward_core::frame::Rgb;
use doorward_hal::camera::Camera;
use doorward_hal::camera::capture::{CameraConfig, V4l2Camera};
use doorward_hal::camera::fitted::Cameras;
use doorward_hal::camera::pixels::Pixel;
use doorward_hal::camera::record::{FRAMES_MAX, Recorder};
use doorward_hal::clock::{Clock, SystemClock};
use indicatif::{ProgressBar, ProgressStyle};

use super::film::{Footage, Opened, film};
use super::{consented, fitted, stopped};
use crate::answer::{Answer, Stop};

/// The longest recording, seconds: three cameras of 640 x 480 fill about two gigabytes in it.
const SECONDS_MAX: u64 = 60;

pub(crate) const ABOUT: &str = "Record the cameras of the configuration together.\n\n\
        Opens the cameras as doord would, pinned and with their controls, pairs their frames by time, and writes every \
        moment that all of them saw, without loss. The folder is what `doorctl enroll --recording` and the evaluation \
        read, and what replays before a terminal. It gets its name when all of it is on the disk; interrupted, or where \
        a camera is lost, nothing is kept. Stop doord meanwhile: it holds the cameras.";

/// Options of `camera record`.
#[derive(Debug, Args)]
#[command(
    after_help = "A recording shows people: it is readable by its owner alone, and is to be deleted when it has \
    served its purpose. Three cameras of 640 x 480 at 30 a second fill 30 to 40 MB in a second.\n\n\
    Example:\n  doorctl camera record walk-up --seconds 15 --consent\n\n\
    Exit code: 0 recorded, 2 refused, 1 fault."
)]
pub struct Record {
    /// The recording: a new folder.
    folder: PathBuf,
    /// How long.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=SECONDS_MAX))]
    seconds: u64,
    /// The terminal's configuration.
    #[arg(long, value_name = "PATH", default_value = fitted::CONFIG)]
    config: PathBuf,
    /// Everybody whom the cameras may see agreed that pictures are written.
    #[arg(long)]
    consent: bool,
}

/// Records.
///
/// # Errors
/// [`Stop::Refused`] without consent, and for cameras that do not deliver; nothing is left then.
pub fn run(options: &Record, out: &mut dyn Write) -> Answer {
    consented(options.consent, &format!("a recording ({})", options.folder.display()))?;
    let cameras = fitted::cameras(&options.config)?;
    fits(options.seconds, cameras.rgb.rate)?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("listen to signals")?;
    }
    let mut recorder = Recorder::create(&options.folder, cameras.depth_fov).map_err(|fault| {
        let fault = anyhow::Error::new(fault);
        if options.folder.exists() { Stop::refused(format!("{fault:#}")) } else { Stop::Fault(fault) }
    })?;
    let opened = open(&cameras)?;
    let bar = ProgressBar::new(options.seconds * 1000).with_style(
        ProgressStyle::with_template("{bar:40} {msg} of {prefix} s").expect("the template is sound"),
    );
    bar.set_prefix(options.seconds.to_string());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let length = Duration::from_secs(options.seconds);
    let filmed = film(opened, &mut recorder, length, &clock, &stop, &mut |passed| {
        bar.set_position(u64::try_from(passed.as_millis()).unwrap_or(u64::MAX));
        bar.set_message(passed.as_secs().to_string());
    });
    bar.finish_and_clear();
    let footage = filmed?;
    recorder.finish().map_err(stopped)?;
    writeln!(out, "{}", told(options, footage))?;
    Ok(())
}

/// Whether a recording has room for that many frames.
fn fits(seconds: u64, rate: u32) -> anyhow::Result<()> {
    let most = FRAMES_MAX as u64 / u64::from(rate.max(1));
    if seconds > most {
        bail!(
            "--seconds {seconds}: a recording has at most {FRAMES_MAX} frames, at {rate} a second {most} seconds"
        );
    }
    Ok(())
}

fn open(cameras: &Cameras) -> Answer<Opened> {
    Ok(Opened {
        rgb: opened::<Rgb>(&cameras.rgb)?,
        infrared: cameras.infrared.as_ref().map(opened::<u8>).transpose()?,
        depth: cameras.depth.as_ref().map(opened::<u16>).transpose()?,
    })
}

fn opened<P: Pixel>(config: &CameraConfig) -> Answer<Box<dyn Camera<P>>> {
    Ok(Box::new(V4l2Camera::<P>::open(config).map_err(stopped)?))
}

fn told(options: &Record, footage: Footage) -> String {
    let Footage { written, incomplete } = footage;
    let rate = written as f64 / options.seconds as f64;
    let left_out = match incomplete {
        0 => String::new(),
        some => format!("; {some} moments that not all cameras saw were left out"),
    };
    format!("{}: {written} framesets, {rate:.1} a second{left_out}", options.folder.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_that_would_not_fit_is_refused_before_it_begins() {
        assert!(fits(60, 120).is_ok() && fits(83, 120).is_ok());
        let told = fits(84, 120).unwrap_err().to_string();
        assert!(told.contains("at 120 a second 83 seconds"), "{told}");
    }

    #[test]
    fn what_was_recorded_is_told_with_what_was_left_out() {
        let options = Record { folder: "walk".into(), seconds: 10, config: "c".into(), consent: true };
        assert_eq!(
            told(&options, Footage { written: 285, incomplete: 0 }),
            "walk: 285 framesets, 28.5 a second"
        );
        assert!(
            told(&options, Footage { written: 9, incomplete: 7 })
                .ends_with("7 moments that not all cameras saw were left out")
        );
    }
}
