//! A stage: three cameras that show one scene, the emitter beside them, and the hand that changes what they see.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use doorward_core::frame::{Frameset, Rgb, Shot};
use doorward_core::time::Mono;

use super::lamp::Lamp;
use super::{Act, Renderer, Scene};
use crate::camera::{Camera, CameraFault, Missed};
use crate::clock::Clock;
use crate::emitter::{Emitter, EmitterFault};

/// The most moments per second: what common cameras deliver at their best.
pub const RATE_MAX: u32 = 60;
/// How long a waiting camera looks away, so that an unplugged cable or a fed frame is noticed soon.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long the infrared camera's shutter is open, from a frame's time on: all rows at once, as cameras with an emitter
/// beside them have it. Short, because the emitter outshines a lit room.
pub const INFRARED_EXPOSURE: Duration = Duration::from_millis(8);
/// From a frame's time until a camera has it: exposure and transfer. Less than the period of the highest rate.
const TRANSFER: Duration = Duration::from_millis(12);

/// The cameras of a stage.
#[derive(Debug)]
pub struct StageCameras {
    /// Colour.
    pub rgb: StageCamera<Rgb>,
    /// Infrared.
    pub ir: StageCamera<u8>,
    /// Depth.
    pub depth: StageCamera<u16>,
}

/// One camera of a stage. While the stage is unplugged, [`CameraFault::Unplugged`] comes at once; plugged in again the
/// same value goes on, and so does one that was opened anew ([`StageHand::cameras`]).
#[derive(Debug)]
pub struct StageCamera<P> {
    name: &'static str,
    pick: fn(&Frameset) -> Option<Arc<Shot<P>>>,
    shared: Shared,
    /// The last moment delivered.
    seen: u32,
    /// Moments that passed while nobody asked.
    skipped: u64,
}

/// The emitter of a stage, switched by the terminal. As with any emitter, a new value is off, and so is a dropped one; of
/// several values the last word counts, as on one wire.
#[derive(Debug)]
pub struct StageEmitter {
    shared: Shared,
}

/// Changes what the cameras of a stage see. Clones are hands of the same stage.
#[derive(Debug, Clone)]
pub struct StageHand {
    shared: Shared,
}

#[derive(Clone)]
struct Shared {
    clock: Arc<dyn Clock>,
    stage: Arc<Mutex<Stage>>,
}

#[derive(Debug)]
struct Stage {
    renderer: Renderer,
    /// `None` while frames are fed from outside.
    scene: Option<Scene>,
    lamp: Lamp,
    unplugged: bool,
    origin: Mono,
    period: Duration,
    /// What all cameras show.
    newest: Option<Frameset>,
}

/// An empty stage whose cameras take `rate` moments per second (1 to [`RATE_MAX`], else the nearer of them).
///
/// Each moment is rendered once, by the first camera that asks for it after its exposure; its members carry one time and
/// one number. The infrared emitter shines until a terminal takes it over ([`StageHand::emitter`]).
#[must_use]
pub fn stage(renderer: Renderer, clock: Arc<dyn Clock>, rate: u32) -> (StageCameras, StageHand) {
    let origin = clock.now().mono;
    let period = Duration::from_secs(1) / rate.clamp(1, RATE_MAX);
    let stage = Stage {
        renderer,
        scene: Some(Scene::nobody()),
        lamp: Lamp::shining(),
        unplugged: false,
        origin,
        period,
        newest: None,
    };
    let hand = StageHand { shared: Shared { clock, stage: Arc::new(Mutex::new(stage)) } };
    (hand.cameras(), hand)
}

impl StageHand {
    /// A new set of cameras of this stage, as a terminal opens that lost the others.
    #[must_use]
    pub fn cameras(&self) -> StageCameras {
        StageCameras {
            rgb: self.camera("stage colour", |frames| Some(Arc::clone(&frames.rgb))),
            ir: self.camera("stage infrared", |frames| frames.ir.clone()),
            depth: self.camera("stage depth", |frames| frames.depth.clone()),
        }
    }

    /// The emitter's line. From here on the infrared pictures follow it: an exposure sees as much of the emitter as it
    /// was on.
    #[must_use]
    pub fn emitter(&self) -> StageEmitter {
        self.shared.switch(false);
        StageEmitter { shared: self.shared.clone() }
    }

    /// Shows a scene from the next moment on.
    pub fn present(&self, scene: Scene) {
        self.shared.lock().scene = Some(scene);
    }

    /// Everybody and everything on the scene does something from a time on, to answer what a terminal asks for.
    pub fn act(&self, act: Act) {
        let mut stage = self.shared.lock();
        stage.scene = stage.scene.take().map(|scene| scene.acting(act));
    }

    /// Pulls the cable of all cameras, or puts it back.
    pub fn unplug(&self, unplugged: bool) {
        self.shared.lock().unplugged = unplugged;
    }

    /// Shows frames from outside, such as those of a visitor's own camera, and nothing else until the next scene is
    /// presented. All members get the time of arrival and the stage's next number; a member that is `None` stays
    /// missing and its camera stalls.
    pub fn feed(&self, frames: Frameset) {
        let now = self.shared.clock.now().mono;
        let mut stage = self.shared.lock();
        let sequence = stage.next_sequence();
        let frames = Frameset {
            rgb: restamped(frames.rgb, now, sequence),
            ir: frames.ir.map(|shot| restamped(shot, now, sequence)),
            depth: frames.depth.map(|shot| restamped(shot, now, sequence)),
        };
        stage.scene = None;
        stage.newest = Some(frames);
    }

    /// The newest moment that a camera has taken, for a display beside the terminal. Renders nothing.
    #[must_use]
    pub fn newest(&self) -> Option<Frameset> {
        self.shared.lock().newest.clone()
    }

    fn camera<P>(&self, name: &'static str, pick: fn(&Frameset) -> Option<Arc<Shot<P>>>) -> StageCamera<P> {
        StageCamera { name, pick, shared: self.shared.clone(), seen: 0, skipped: 0 }
    }
}

impl<P: Send + Sync> Camera<P> for StageCamera<P> {
    fn next(&mut self, wait: Duration) -> Result<Arc<Shot<P>>, CameraFault> {
        let began = self.shared.clock.now().mono;
        loop {
            let now = self.shared.clock.now().mono;
            let pause = {
                let mut stage = self.shared.lock();
                if stage.unplugged {
                    return Err(CameraFault::Unplugged { camera: self.name.to_owned() });
                }
                let fresh = stage.moment(now).and_then(|frames| (self.pick)(frames));
                if let Some(shot) = fresh.filter(|shot| shot.sequence > self.seen) {
                    if self.seen > 0 {
                        self.skipped += u64::from(shot.sequence - self.seen - 1);
                    }
                    self.seen = shot.sequence;
                    return Ok(shot);
                }
                stage.until_next(now).min(LOOK_EVERY)
            };
            let waited = now.since(began);
            if waited >= wait {
                return Err(CameraFault::stalled(self.name.to_owned(), waited));
            }
            self.shared.clock.sleep(pause.min(wait - waited));
        }
    }

    fn missed(&self) -> Missed {
        Missed { skipped: self.skipped, ..Missed::default() }
    }
}

impl Emitter for StageEmitter {
    fn set(&mut self, on: bool) -> Result<(), EmitterFault> {
        self.shared.switch(on);
        Ok(())
    }
}

impl Drop for StageEmitter {
    fn drop(&mut self) {
        self.shared.switch(false);
    }
}

impl Shared {
    fn switch(&self, on: bool) {
        let now = self.clock.now().mono;
        self.lock().lamp.switch(on, now);
    }

    fn lock(&self) -> MutexGuard<'_, Stage> {
        // A moment is put in place whole or not at all, so a panic elsewhere does not spoil the stage.
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl Stage {
    /// The frames of the newest moment that was exposed before `now`, rendered if nobody asked for it before.
    fn moment(&mut self, now: Mono) -> Option<&Frameset> {
        let due = self.due(now).filter(|at| self.newest.as_ref().is_none_or(|newest| newest.at() < *at));
        if let (Some(at), Some(scene)) = (due, &self.scene) {
            let emitter = self.lamp.share(at, INFRARED_EXPOSURE);
            self.newest = Some(self.renderer.frameset_lit(scene, emitter, at, self.next_sequence()));
        }
        self.newest.as_ref()
    }

    fn next_sequence(&self) -> u32 {
        self.newest.as_ref().map_or(1, |frames| frames.rgb.sequence.wrapping_add(1))
    }

    /// The newest time of a frame that cameras have got by `now`.
    fn due(&self, now: Mono) -> Option<Mono> {
        let since = now.since(self.origin).checked_sub(TRANSFER)?;
        let ticks = u32::try_from(since.as_micros() / self.period.as_micros()).unwrap_or(u32::MAX);
        Some(self.origin + self.period * ticks)
    }

    fn until_next(&self, now: Mono) -> Duration {
        let next = self.due(now).map_or(self.origin, |at| at + self.period) + TRANSFER;
        // Periods that are no whole number of microseconds: never nothing, or a camera would wait in a tight loop.
        next.since(now).max(Duration::from_micros(1))
    }
}

fn restamped<P: Clone>(shot: Arc<Shot<P>>, at: Mono, sequence: u32) -> Arc<Shot<P>> {
    let shot = Arc::unwrap_or_clone(shot);
    Arc::new(Shot { sequence, at, plane: shot.plane })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use doorward_core::frame::Plane;
    use doorward_core::time::{ClockTrust, Now, Wall};

    use super::*;

    /// Time that passes only by waiting.
    #[derive(Default)]
    struct Patient(AtomicU64);

    impl Clock for Patient {
        fn now(&self) -> Now {
            let wall = Wall { ms: 0, trust: ClockTrust::Unknown };
            Now { mono: Mono(self.0.load(Ordering::SeqCst)), wall }
        }
        fn sleep(&self, duration: Duration) {
            self.0.fetch_add(u64::try_from(duration.as_micros()).unwrap().max(1), Ordering::SeqCst);
        }
    }

    const WAIT: Duration = Duration::from_millis(300);

    fn empty_stage(rate: u32) -> (StageCameras, StageHand, Arc<Patient>) {
        let clock = Arc::new(Patient::default());
        let (cameras, hand) = stage(Renderer::new(3), Arc::clone(&clock) as Arc<dyn Clock>, rate);
        (cameras, hand, clock)
    }

    #[test]
    fn members_of_a_moment_share_time_and_number_and_moments_keep_the_rate() {
        let (mut cameras, hand, _) = empty_stage(10);
        for k in 0..4u32 {
            let rgb = cameras.rgb.next(WAIT).unwrap();
            let ir = cameras.ir.next(WAIT).unwrap();
            let depth = cameras.depth.next(WAIT).unwrap();
            assert_eq!((rgb.at, rgb.sequence), (Mono::from_millis(100 * u64::from(k)), k + 1));
            assert_eq!(
                (ir.at, ir.sequence, depth.at, depth.sequence),
                (rgb.at, rgb.sequence, rgb.at, rgb.sequence)
            );
            let newest = hand.newest().unwrap();
            assert!(Arc::ptr_eq(&newest.rgb, &rgb) && Arc::ptr_eq(newest.ir.as_ref().unwrap(), &ir));
        }
    }

    #[test]
    fn a_slow_camera_gets_the_newest_moment_and_no_queue() {
        let (mut cameras, _, clock) = empty_stage(10);
        cameras.rgb.next(WAIT).unwrap();
        clock.sleep(Duration::from_millis(950));
        assert_eq!(cameras.rgb.next(WAIT).unwrap().at, Mono::from_millis(900));
        assert_eq!(cameras.rgb.next(WAIT).unwrap().at, Mono::from_millis(1000));
    }

    #[test]
    fn infrared_follows_the_switched_emitter_and_a_switch_within_an_exposure_is_half_a_light() {
        let (mut cameras, hand, clock) = empty_stage(10);
        let bright = |cameras: &mut StageCameras| {
            let shot = cameras.ir.next(WAIT).unwrap();
            let pixels = shot.plane.pixels();
            pixels.iter().map(|v| f32::from(*v)).sum::<f32>() / pixels.len() as f32
        };
        let own = bright(&mut cameras);
        let mut emitter = hand.emitter();
        let off = bright(&mut cameras);
        assert!(own > off + 5.0, "{own} {off}");
        emitter.set(true).unwrap();
        assert!((bright(&mut cameras) - own).abs() < 0.5);
        // The next exposure is from 300 to 308 ms.
        clock.sleep(Duration::from_millis(304).checked_sub(clock.now().mono.since(Mono(0))).unwrap());
        emitter.set(false).unwrap();
        let half = bright(&mut cameras);
        assert!((half - (own + off) / 2.0).abs() < 0.1 * (own - off), "{off} {half} {own}");
        emitter.set(true).unwrap();
        drop(emitter);
        assert!((bright(&mut cameras) - off).abs() < 0.5, "dropped, it is dark");
    }

    #[test]
    fn an_unplugged_stage_says_so_at_once_and_recovers() {
        let (mut cameras, hand, clock) = empty_stage(10);
        cameras.ir.next(WAIT).unwrap();
        hand.unplug(true);
        let before = clock.now().mono;
        assert!(matches!(cameras.ir.next(WAIT), Err(CameraFault::Unplugged { .. })));
        assert!(matches!(hand.cameras().depth.next(WAIT), Err(CameraFault::Unplugged { .. })));
        assert_eq!(clock.now().mono, before);
        hand.unplug(false);
        let recovered = cameras.ir.next(WAIT).unwrap();
        assert_eq!(hand.cameras().ir.next(WAIT).unwrap().sequence, recovered.sequence);
    }

    #[test]
    fn fed_frames_are_stamped_on_arrival_and_missing_members_stall() {
        let (mut cameras, hand, clock) = empty_stage(10);
        let before = cameras.rgb.next(WAIT).unwrap();
        clock.sleep(Duration::from_millis(130));
        let picture = Plane::filled(320, 240, [7u8; 3]).unwrap();
        let rgb = Arc::new(Shot { sequence: 99, at: Mono(1), plane: picture.clone() });
        let now = clock.now().mono;
        hand.feed(Frameset { rgb, ir: None, depth: None });
        let fed = cameras.rgb.next(WAIT).unwrap();
        assert_eq!((fed.at, fed.sequence), (now, before.sequence + 1));
        assert_eq!(fed.plane, picture);
        assert!(matches!(cameras.ir.next(WAIT), Err(CameraFault::Stalled { waited_ms: 300, .. })));
        assert!(matches!(cameras.rgb.next(WAIT), Err(CameraFault::Stalled { .. })), "nothing new was fed");
        hand.present(Scene::nobody());
        let after = cameras.rgb.next(WAIT).unwrap();
        assert!(after.at > fed.at && after.sequence == fed.sequence + 1);
        assert!(cameras.ir.next(WAIT).is_ok());
    }
}
