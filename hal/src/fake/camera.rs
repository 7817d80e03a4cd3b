//! A camera before which a hand holds pictures.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use doorward_core::frame::Shot;
use doorward_core::stamps::Stamps;

use super::open;
use crate::camera::{Camera, CameraFault, Missed};

/// The camera. Waits in real time, so a simulation in virtual time passes a wait of zero.
#[derive(Debug)]
pub struct FakeCamera<P> {
    shared: Arc<Shared<P>>,
    stamps: Stamps,
    missed: Missed,
}

/// The hand before the camera.
#[derive(Debug)]
pub struct CameraHand<P>(Arc<Shared<P>>);

impl<P> Clone for CameraHand<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[derive(Debug)]
struct Shared<P> {
    state: Mutex<State<P>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<P> {
    /// The newest picture that was not taken yet: a slot of one, because the newest frame wins.
    slot: Option<Result<Arc<Shot<P>>, String>>,
    passed_over: u64,
    plugged: bool,
    stalled: bool,
}

/// A camera that sees nothing yet.
#[must_use]
pub fn camera<P>() -> (FakeCamera<P>, CameraHand<P>) {
    let state = State { slot: None, passed_over: 0, plugged: true, stalled: false };
    let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
    let camera =
        FakeCamera { shared: Arc::clone(&shared), stamps: Stamps::default(), missed: Missed::default() };
    (camera, CameraHand(shared))
}

impl<P: Send + Sync> Camera<P> for FakeCamera<P> {
    fn next(&mut self, wait: Duration) -> Result<Arc<Shot<P>>, CameraFault> {
        let idle = |state: &mut State<P>| state.plugged && (state.stalled || state.slot.is_none());
        let waited = self.shared.changed.wait_timeout_while(open(&self.shared.state), wait, idle);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let camera = "fake".to_owned();
        if !state.plugged {
            return Err(CameraFault::Unplugged { camera });
        }
        let shown = if state.stalled { None } else { state.slot.take() };
        let Some(shown) = shown else { return Err(CameraFault::stalled(camera, wait)) };
        self.stamps.pass_over(state.passed_over - self.missed.skipped);
        self.missed.skipped = state.passed_over;
        let shot = shown.map_err(|why| CameraFault::BrokenFrame { camera: camera.clone(), why })?;
        let judged = self.stamps.admit(shot.sequence, shot.at);
        self.missed.lost = self.stamps.lost();
        judged.map(|()| shot).map_err(|disorder| CameraFault::Untimely { camera, disorder })
    }

    fn missed(&self) -> Missed {
        self.missed
    }
}

impl<P> CameraHand<P> {
    /// Shows a picture; one that was not taken yet is passed over.
    pub fn present(&self, shot: impl Into<Arc<Shot<P>>>) {
        self.put(Ok(shot.into()));
    }

    /// Sends a frame that cannot be used.
    pub fn present_broken(&self, why: &str) {
        self.put(Err(why.to_owned()));
    }

    /// Pulls the plug, for good: a new camera is needed, as with a real one.
    pub fn unplug(&self) {
        open(&self.0.state).plugged = false;
        self.0.changed.notify_all();
    }

    /// Holds the stream up (`true`), or lets it go on with the newest picture.
    pub fn stall(&self, stalled: bool) {
        open(&self.0.state).stalled = stalled;
        self.0.changed.notify_all();
    }

    /// Pictures that were shown and never taken.
    #[must_use]
    pub fn passed_over(&self) -> u64 {
        open(&self.0.state).passed_over
    }

    fn put(&self, shown: Result<Arc<Shot<P>>, String>) {
        let mut state = open(&self.0.state);
        state.passed_over += u64::from(state.slot.replace(shown).is_some());
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use doorward_core::frame::Plane;
    use doorward_core::time::Mono;

    use super::*;

    fn shot(sequence: u32, at: u64) -> Shot<u8> {
        Shot { sequence, at: Mono(at), plane: Plane::filled(2, 2, 9).unwrap() }
    }

    #[test]
    fn the_newest_picture_wins_and_none_is_shown_twice() {
        let (mut camera, hand) = camera();
        hand.present(shot(1, 1));
        hand.present(shot(2, 2));
        assert_eq!(camera.next(Duration::ZERO).unwrap().sequence, 2);
        assert_eq!(hand.passed_over(), 1);
        hand.present(shot(4, 4));
        assert!(camera.next(Duration::ZERO).is_ok());
        assert_eq!(camera.missed(), Missed { skipped: 1, lost: 1, damaged: 0 });
        assert!(matches!(camera.next(Duration::ZERO), Err(CameraFault::Stalled { .. })));
    }

    #[test]
    fn c2_broken_and_repeated_frames_are_faults_and_the_next_one_is_fine() {
        let (mut camera, hand) = camera();
        hand.present_broken("truncated");
        assert!(matches!(camera.next(Duration::ZERO), Err(CameraFault::BrokenFrame { .. })));
        hand.present(shot(5, 5));
        assert!(camera.next(Duration::ZERO).is_ok());
        hand.present(shot(5, 6));
        assert!(matches!(camera.next(Duration::ZERO), Err(CameraFault::Untimely { .. })));
        hand.present(shot(6, 7));
        assert!(camera.next(Duration::ZERO).is_ok());
    }

    #[test]
    fn c3_a_frame_of_the_past_is_a_fault() {
        let (mut camera, hand) = camera();
        hand.present(shot(1, 100));
        assert!(camera.next(Duration::ZERO).is_ok());
        hand.present(shot(2, 99));
        assert!(matches!(camera.next(Duration::ZERO), Err(CameraFault::Untimely { .. })));
    }

    #[test]
    fn c4_an_unplugged_camera_wakes_who_waits_and_stays_dead() {
        let (mut camera, hand) = camera::<u8>();
        let reader = thread::spawn(move || {
            let first = camera.next(Duration::from_secs(60));
            (first, camera)
        });
        hand.unplug();
        let (first, mut camera) = reader.join().unwrap();
        assert!(matches!(first, Err(CameraFault::Unplugged { .. })));
        hand.present(shot(1, 1));
        assert!(matches!(camera.next(Duration::ZERO), Err(CameraFault::Unplugged { .. })));
    }

    #[test]
    fn a_stalled_camera_goes_on_with_the_newest_picture() {
        let (mut camera, hand) = camera();
        hand.stall(true);
        hand.present(shot(1, 1));
        hand.present(shot(2, 2));
        assert!(matches!(
            camera.next(Duration::from_millis(5)),
            Err(CameraFault::Stalled { waited_ms: 5, .. })
        ));
        hand.stall(false);
        assert_eq!(camera.next(Duration::ZERO).unwrap().sequence, 2);
    }
}
