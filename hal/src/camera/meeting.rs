//! The meeting point of the cameras' threads, where frames become framesets.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use doorward_core::frame::Frameset;
use doorward_core::liveness::Fitted;
use doorward_core::pairing::{Arrival, Pairing};

use crate::clock::Clock;

/// How long a colour frame waits for its infrared and depth companions.
const PATIENCE: Duration = Duration::from_millis(60);

/// Where threads put frames and one takes framesets.
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
        self.pairing().arrive(arrival);
        self.arrived.notify_one();
    }

    /// The next frameset, or `None` after `wait`.
    pub fn next(&self, wait: Duration) -> Option<Frameset> {
        let deadline = self.clock.now().mono + wait;
        let mut pairing = self.pairing();
        loop {
            let now = self.clock.now().mono;
            if let Some(frames) = pairing.take(self.fitted, PATIENCE, now) {
                return Some(frames);
            }
            if now >= deadline {
                return None;
            }
            let pause = deadline.since(now).min(PATIENCE);
            let woken = self.arrived.wait_timeout(pairing, pause);
            pairing = woken.expect("no thread panics while it holds the pairing").0;
        }
    }

    fn pairing(&self) -> MutexGuard<'_, Pairing> {
        self.pairing.lock().expect("no thread panics while it holds the pairing")
    }
}

#[cfg(test)]
mod tests {
    use doorward_core::frame::{Plane, Shot};
    use doorward_core::time::Mono;

    use super::*;
    use crate::clock::SystemClock;

    fn shot<P: Copy>(at: Mono, value: P) -> Arc<Shot<P>> {
        Arc::new(Shot { sequence: 1, at, plane: Plane::filled(2, 2, value).unwrap() })
    }

    #[test]
    fn a_frame_wakes_who_waits_and_an_empty_meeting_ends_the_wait() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let fitted = Fitted { infrared: true, depth: false };
        let meeting = Meeting::new(Arc::clone(&clock), fitted);
        assert!(meeting.next(Duration::from_millis(5)).is_none());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| meeting.next(Duration::from_secs(20)));
            let at = clock.now().mono;
            meeting.arrive(Arrival::Infrared(shot(at, 1)));
            meeting.arrive(Arrival::Rgb(shot(at, [1; 3])));
            assert!(waiting.join().unwrap().unwrap().ir.is_some());
        });
    }

    #[test]
    fn c4_a_camera_that_is_gone_is_missing_from_the_frameset_and_not_made_up() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let meeting = Meeting::new(Arc::clone(&clock), Fitted { infrared: true, depth: false });
        meeting.arrive(Arrival::Infrared(shot(Mono(1), 1)));
        meeting.arrive(Arrival::Rgb(shot(clock.now().mono, [1; 3])));
        assert!(
            meeting.next(Duration::from_secs(20)).unwrap().ir.is_none(),
            "the frame of before is not taken"
        );
    }
}
