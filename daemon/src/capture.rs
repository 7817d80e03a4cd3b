//! Capture: one thread per camera, newest frame wins. Whatever a camera does, its thread goes on: a camera that is
//! missing, lies, hangs or was swapped costs frames, and a frame that did not come proves nothing.

mod tally;

use std::sync::Arc;
use std::time::Duration;

use doorward_core::frame::Shot;
use doorward_core::pairing::Arrival;
use doorward_core::sight::{Came, Sight};
use doorward_core::time::Mono;
pub use doorward_hal::camera::meeting::Meeting;
use doorward_hal::camera::{Camera, CameraFault};
use doorward_hal::clock::Clock;
use doorward_protocol::audit::FaultReport;

use self::tally::{Report, Tally};
use crate::supervise::Beat;

/// How long one wait for a frame takes at most, so that the thread keeps ticking.
const FRAME_WAIT: Duration = Duration::from_millis(500);
/// Pause before a lost camera is opened again.
const REOPEN_PAUSE: Duration = Duration::from_millis(500);
/// A camera without a usable frame for this long is opened again, four waits: a driver that lost its stream comes back
/// only so. Twice the interval of the slowest camera that can be configured.
const FRUITLESS_MAX: Duration = Duration::from_secs(2);

/// Opens a camera, as often as it takes.
pub type OpenCamera<P> = Box<dyn FnMut() -> Result<Box<dyn Camera<P>>, CameraFault> + Send>;

/// Hears that something is wrong with a camera, or no longer.
pub type Tell = Box<dyn FnMut(FaultReport) + Send>;

/// The work of one camera's thread.
pub struct Capture<P> {
    name: &'static str,
    open: OpenCamera<P>,
    arrival: fn(Arc<Shot<P>>) -> Arrival,
    /// How long one wait takes; in virtual time none.
    wait: Duration,
    camera: Option<Box<dyn Camera<P>>>,
    /// When it delivered last, or was opened.
    fruitful: Mono,
    /// The fault that was told last, so that a camera that stays away is told once, not twice a second.
    said: Option<String>,
    /// Of all cameras before this one.
    tally: Tally,
    /// What the trail is told; none before the thread runs.
    sight: Option<Sight>,
    tell: Tell,
}

impl<P> Capture<P> {
    /// A camera that is not opened yet; `arrival` says what its frames are, `tell` hears what is wrong with it.
    #[must_use]
    pub fn new(
        name: &'static str,
        open: OpenCamera<P>,
        arrival: fn(Arc<Shot<P>>) -> Arrival,
        tell: Tell,
    ) -> Self {
        Self {
            name,
            open,
            arrival,
            wait: FRAME_WAIT,
            camera: None,
            fruitful: Mono(0),
            said: None,
            tally: Tally::default(),
            sight: None,
            tell,
        }
    }

    /// The body of the thread: opens the camera, passes frames on, and opens it again whenever it is lost.
    ///
    /// # Errors
    /// Never by itself: the door stays locked while a camera is lost.
    pub fn run(mut self, beat: &Beat, clock: &dyn Clock, meeting: &Meeting) -> anyhow::Result<()> {
        let mut report = Report::new(self.name, clock.now().mono);
        while !beat.stopping() {
            beat.tick();
            self.step(clock, meeting);
            report.at(clock.now().mono, self.tally());
        }
        report.end(self.tally());
        Ok(())
    }

    /// One wait for a frame, or one try to open the camera.
    fn step(&mut self, clock: &dyn Clock, meeting: &Meeting) {
        let Some(camera) = self.camera.as_mut() else {
            self.open(clock);
            return self.see(Came::Nothing, clock.now().mono);
        };
        let outcome = camera.next(self.wait);
        let now = clock.now().mono;
        match outcome {
            Ok(shot) => {
                self.tally.delivered += 1;
                self.fruitful = now;
                if self.said.take().is_some() {
                    tracing::info!(camera = self.name, "the camera delivers again");
                }
                meeting.arrive((self.arrival)(shot));
                self.see(Came::Frame, now);
            }
            Err(fault) => {
                self.tally.count(&fault);
                self.say(&fault);
                let untimely = matches!(fault, CameraFault::Untimely { .. });
                self.see(if untimely { Came::Untimely } else { Came::Nothing }, now);
                if fault.is_final() || now.since(self.fruitful) >= FRUITLESS_MAX {
                    self.close();
                    clock.sleep(REOPEN_PAUSE);
                }
            }
        }
    }

    fn open(&mut self, clock: &dyn Clock) {
        match (self.open)() {
            Ok(camera) => {
                self.camera = Some(camera);
                self.fruitful = clock.now().mono;
                self.tally.opened += 1;
            }
            Err(fault) => {
                self.say(&fault);
                clock.sleep(REOPEN_PAUSE);
            }
        }
    }

    /// Lets the camera go, which stops it, and keeps what it counted.
    fn close(&mut self) {
        self.tally = self.tally();
        self.camera = None;
    }

    /// Of all cameras so far.
    fn tally(&self) -> Tally {
        self.camera.as_ref().map_or(self.tally, |camera| self.tally.with(camera.missed()))
    }

    /// Tells the trail what is to be told of what came.
    fn see(&mut self, came: Came, now: Mono) {
        let sight = self.sight.get_or_insert_with(|| Sight::new(now));
        for (code, set) in sight.see(came, now) {
            let part = format!("camera_{}", self.name);
            (self.tell)(FaultReport { part, code: code.to_owned(), set });
        }
    }

    fn say(&mut self, fault: &CameraFault) {
        let text = crate::terminal::chain(fault);
        if self.said.as_ref() != Some(&text) {
            tracing::warn!(camera = self.name, "no frame: {text}");
            self.said = Some(text);
        }
    }
}

#[cfg(test)]
mod tests;
