//! Capture: one thread per camera, newest frame wins; and the meeting point where frames become framesets.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use doorward_core::frame::{Frameset, Shot};
use doorward_core::liveness::Fitted;
use doorward_core::pairing::{Arrival, Pairing};
use doorward_hal::camera::{Camera, CameraFault};
use doorward_hal::clock::Clock;

use crate::supervise::Beat;

/// How long one wait for a frame takes at most, so that the thread keeps ticking.
const FRAME_WAIT: Duration = Duration::from_millis(500);
/// Pause before a lost camera is opened again.
const REOPEN_PAUSE: Duration = Duration::from_millis(500);
/// How long a colour frame waits for its infrared and depth companions.
const PATIENCE: Duration = Duration::from_millis(60);

/// Opens a camera, as often as it takes.
pub type OpenCamera<P> = Box<dyn FnMut() -> Result<Box<dyn Camera<P>>, CameraFault> + Send>;

/// Where the capture threads put frames and the vision thread takes framesets.
pub struct Meeting {
    clock: Arc<dyn Clock>,
    fitted: Fitted,
    pairing: Mutex<Pairing>,
    arrived: Condvar,
}

impl Meeting {
    /// An empty one.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, fitted: Fitted) -> Self {
        Self { clock, fitted, pairing: Mutex::default(), arrived: Condvar::new() }
    }

    /// Puts a frame.
    pub fn arrive(&self, arrival: Arrival) {
        self.pairing.lock().expect("no thread panics while it holds the pairing").arrive(arrival);
        self.arrived.notify_one();
    }

    /// The next frameset, or `None` after `wait`.
    pub fn next(&self, wait: Duration) -> Option<Frameset> {
        let deadline = self.clock.now().mono + wait;
        let mut pairing = self.pairing.lock().expect("no thread panics while it holds the pairing");
        loop {
            let now = self.clock.now().mono;
            if let Some(frames) = pairing.take(self.fitted, PATIENCE, now) {
                return Some(frames);
            }
            if now >= deadline {
                return None;
            }
            let pause = deadline.since(now).min(PATIENCE);
            pairing = self
                .arrived
                .wait_timeout(pairing, pause)
                .expect("no thread panics while it holds the pairing")
                .0;
        }
    }
}

/// The body of a capture thread: opens the camera, passes frames on, and opens it again whenever it is lost.
///
/// # Errors
/// Never by itself: a camera that is missing or lies is reported and retried, the door stays locked meanwhile.
pub fn capture<P>(
    beat: &Beat,
    clock: &dyn Clock,
    mut open: OpenCamera<P>,
    meeting: &Meeting,
    arrival: fn(Arc<Shot<P>>) -> Arrival,
) -> anyhow::Result<()> {
    let mut camera: Option<Box<dyn Camera<P>>> = None;
    let mut said: Option<String> = None;
    while !beat.stopping() {
        beat.tick();
        let outcome = match camera.as_mut() {
            Some(camera) => camera.next(FRAME_WAIT).map(Some),
            None => open().map(|opened| {
                camera = Some(opened);
                None
            }),
        };
        match outcome {
            Ok(Some(shot)) => {
                if said.take().is_some() {
                    tracing::info!("the camera delivers again");
                }
                meeting.arrive(arrival(shot));
            }
            Ok(None) => {}
            Err(fault) => {
                let dead = match fault {
                    CameraFault::Stalled { .. } | CameraFault::BrokenFrame { .. } => false,
                    CameraFault::Unplugged { .. }
                    | CameraFault::Refused { .. }
                    | CameraFault::Ended { .. }
                    | CameraFault::System { .. } => true,
                };
                let text = crate::terminal::chain(&fault);
                // A camera that stays away is said once, not twice a second.
                if said.as_ref() != Some(&text) {
                    tracing::warn!(fault = text, "no frame");
                    said = Some(text);
                }
                if dead {
                    camera = None;
                    clock.sleep(REOPEN_PAUSE);
                }
            }
        }
    }
    Ok(())
}
