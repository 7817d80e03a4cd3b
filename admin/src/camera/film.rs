//! Films several cameras at once: one thread per camera, frames paired by their time, every complete frameset written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use doorward_core::frame::{Frameset, Rgb, Shot};
use doorward_core::liveness::Fitted;
use doorward_core::pairing::Arrival;
use doorward_core::time::Mono;
use doorward_hal::camera::meeting::Meeting;
use doorward_hal::camera::record::Recorder;
use doorward_hal::camera::{Camera, CameraFault};
use doorward_hal::clock::Clock;

use super::stopped;
use crate::answer::{Answer, Stop};

/// One wait for a frame or a frameset, so that an end is noticed.
const WAIT: Duration = Duration::from_millis(200);

/// Without a complete frameset for this long there is something to mend first.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// Opened cameras.
pub struct Opened {
    /// Colour.
    pub rgb: Box<dyn Camera<Rgb>>,
    /// Infrared.
    pub infrared: Option<Box<dyn Camera<u8>>>,
    /// Depth.
    pub depth: Option<Box<dyn Camera<u16>>>,
}

/// What became of the moments that were seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Footage {
    /// Framesets that were written.
    pub written: usize,
    /// Moments of which a camera had no frame; left out.
    pub incomplete: usize,
}

/// Films for `length`, telling `progress` how long already.
///
/// # Errors
/// [`Stop::Refused`] when `stop` is raised, when a camera is lost, or when nothing complete comes; the recorder is to be
/// dropped then.
pub fn film(
    cameras: Opened,
    recorder: &mut Recorder,
    length: Duration,
    clock: &Arc<dyn Clock>,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(Duration),
) -> Answer<Footage> {
    let fitted = Fitted { infrared: cameras.infrared.is_some(), depth: cameras.depth.is_some() };
    let meeting = Meeting::new(Arc::clone(clock), fitted);
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (faults, lost) = channel();
        let Opened { rgb, infrared, depth } = cameras;
        let (meeting, ended) = (&meeting, &ended);
        let to = faults.clone();
        scope.spawn(move || feed(rgb, Arrival::Rgb, meeting, ended, &to));
        if let Some(camera) = infrared {
            let to = faults.clone();
            scope.spawn(move || feed(camera, Arrival::Infrared, meeting, ended, &to));
        }
        if let Some(camera) = depth {
            scope.spawn(move || feed(camera, Arrival::Depth, meeting, ended, &faults));
        }
        let footage = write(meeting, fitted, recorder, length, clock.as_ref(), (stop, &lost), progress);
        // The scope waits for the threads, whatever came of it.
        ended.store(true, Ordering::Relaxed);
        footage
    })
}

/// The body of a camera's thread: passes frames on until the end, or until the camera is lost.
fn feed<P>(
    mut camera: Box<dyn Camera<P>>,
    arrival: fn(Arc<Shot<P>>) -> Arrival,
    meeting: &Meeting,
    ended: &AtomicBool,
    lost: &Sender<CameraFault>,
) {
    while !ended.load(Ordering::Relaxed) {
        match camera.next(WAIT) {
            Ok(shot) => meeting.arrive(arrival(shot)),
            Err(fault) if fault.is_final() => {
                // The writer may have ended already; then nobody needs to know.
                let _ = lost.send(fault);
                return;
            }
            // A frame that is missing shows as an incomplete moment.
            Err(_) => {}
        }
    }
}

fn write(
    meeting: &Meeting,
    fitted: Fitted,
    recorder: &mut Recorder,
    length: Duration,
    clock: &dyn Clock,
    (stop, lost): (&AtomicBool, &Receiver<CameraFault>),
    progress: &mut dyn FnMut(Duration),
) -> Answer<Footage> {
    let mut footage = Footage::default();
    let began = clock.now().mono;
    let mut fruitful: Mono = began;
    loop {
        let now = clock.now().mono;
        progress(now.since(began).min(length));
        if now.since(began) >= length {
            return Ok(footage);
        }
        if stop.load(Ordering::Relaxed) {
            return Err(Stop::refused("interrupted; nothing is kept"));
        }
        if let Ok(fault) = lost.try_recv() {
            return Err(stopped(fault));
        }
        match meeting.next(WAIT) {
            Some(frames) if is_complete(&frames, fitted) => {
                recorder.add(&frames).map_err(stopped)?;
                footage.written += 1;
                fruitful = now;
            }
            Some(_) => footage.incomplete += 1,
            None => {}
        }
        if now.since(fruitful) >= SILENCE_MAX {
            return Err(Stop::Refused(format!(
                "no moment within {} s that all cameras saw ({} that some did); look at each with `doorctl camera snap \
                 --fitted`",
                SILENCE_MAX.as_secs(),
                footage.incomplete
            )));
        }
    }
}

fn is_complete(frames: &Frameset, fitted: Fitted) -> bool {
    (!fitted.infrared || frames.ir.is_some()) && (!fitted.depth || frames.depth.is_some())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use doorward_core::frame::Plane;
    use doorward_hal::camera::replay::{Recording, Repeat, ReplayCamera};
    use doorward_hal::clock::SystemClock;
    use doorward_hal::fake;

    use super::*;

    /// A recording of ten moments, 20 ms apart.
    fn played(folder: &Path) -> Arc<Recording> {
        let mut recorder = Recorder::create(&folder.join("played"), 61.0).unwrap();
        for i in 0..10u8 {
            let at = Mono::from_millis(1000 + u64::from(i) * 20);
            let sequence = u32::from(i);
            let frames = Frameset {
                rgb: Arc::new(Shot { sequence, at, plane: Plane::filled(4, 4, [i; 3]).unwrap() }),
                ir: Some(Arc::new(Shot { sequence, at, plane: Plane::filled(4, 4, i).unwrap() })),
                depth: Some(Arc::new(Shot {
                    sequence,
                    at,
                    plane: Plane::filled(4, 4, u16::from(i)).unwrap(),
                })),
            };
            recorder.add(&frames).unwrap();
        }
        Arc::new(recorder.finish().unwrap())
    }

    fn clock() -> Arc<dyn Clock> {
        Arc::new(SystemClock::default())
    }

    fn cameras(recording: &Arc<Recording>, clock: &Arc<dyn Clock>, repeat: Repeat) -> Opened {
        let start = clock.now().mono;
        let args = || (Arc::clone(recording), Arc::clone(clock));
        let ((a, b), (c, d), (e, f)) = (args(), args(), args());
        Opened {
            rgb: Box::new(ReplayCamera::new(a, b, start, repeat).unwrap()),
            infrared: Some(Box::new(ReplayCamera::new(c, d, start, repeat).unwrap())),
            depth: Some(Box::new(ReplayCamera::new(e, f, start, repeat).unwrap())),
        }
    }

    fn refused(answer: Answer<Footage>) -> String {
        match answer {
            Err(Stop::Refused(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn cameras_are_recorded_together_and_the_recording_reads_as_it_was_seen() {
        let folder = tempfile::tempdir().unwrap();
        let (recording, clock) = (played(folder.path()), clock());
        let mut recorder = Recorder::create(&folder.path().join("filmed"), 61.0).unwrap();
        let cameras = cameras(&recording, &clock, Repeat::Forever);
        let mut told = Duration::ZERO;
        let length = Duration::from_millis(700);
        let footage =
            film(cameras, &mut recorder, length, &clock, &AtomicBool::new(false), &mut |d| told = d).unwrap();
        assert_eq!(told, length);
        let filmed = recorder.finish().unwrap();
        assert!(filmed.has_ir() && filmed.has_depth() && filmed.depth_fov() == 61.0);
        assert_eq!(filmed.len(), footage.written);
        assert!(footage.written >= 5, "{footage:?}");
        for i in 0..filmed.len() {
            let frames = filmed.frameset(i).unwrap();
            assert!(frames.skew() <= doorward_core::frame::SKEW_MAX);
            let apart = |value: u16| value.abs_diff(u16::from(frames.rgb.plane.at(0, 0)[0]));
            let nearest = |value: u16| apart(value).min(10 - apart(value)) <= 2;
            assert!(nearest(u16::from(frames.ir.as_ref().unwrap().plane.at(0, 0))), "of another moment");
            assert!(nearest(frames.depth.as_ref().unwrap().plane.at(0, 0)), "of another moment");
        }
    }

    #[test]
    fn c4_a_camera_that_is_lost_ends_the_recording_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (recording, clock) = (played(folder.path()), clock());
        let mut recorder = Recorder::create(&folder.path().join("filmed"), 61.0).unwrap();
        let cameras = cameras(&recording, &clock, Repeat::Once);
        let length = Duration::from_secs(60);
        let told = film(cameras, &mut recorder, length, &clock, &AtomicBool::new(false), &mut |_| {});
        assert!(refused(told).contains("ended"));
        drop(recorder);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "the played one alone");
    }

    #[test]
    fn an_interrupted_recording_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let (recording, clock) = (played(folder.path()), clock());
        let mut recorder = Recorder::create(&folder.path().join("filmed"), 61.0).unwrap();
        let cameras = cameras(&recording, &clock, Repeat::Forever);
        let length = Duration::from_secs(60);
        let told = film(cameras, &mut recorder, length, &clock, &AtomicBool::new(true), &mut |_| {});
        assert!(refused(told).contains("interrupted"));
    }

    #[test]
    fn c2_moments_that_a_camera_missed_are_left_out_and_silence_ends_it() {
        let folder = tempfile::tempdir().unwrap();
        let (recording, clock) = (played(folder.path()), clock());
        let mut recorder = Recorder::create(&folder.path().join("filmed"), 61.0).unwrap();
        let (stalled, hand) = fake::camera();
        let cameras =
            Opened { infrared: Some(Box::new(stalled)), ..cameras(&recording, &clock, Repeat::Forever) };
        let length = Duration::from_secs(60);
        let told = film(cameras, &mut recorder, length, &clock, &AtomicBool::new(false), &mut |_| {});
        assert!(refused(told).contains("no moment within 5 s that all cameras saw"));
        assert_eq!(recorder.count(), 0);
        drop(hand);
    }
}
