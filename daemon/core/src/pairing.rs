//! Frames of several cameras become framesets: the newest colour frame with the nearest infrared and depth frames.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::frame::{Frameset, Rgb, SKEW_MAX, Shot};
use crate::time::Mono;

/// Frames kept per camera while the others catch up: at 30 fps a third of a second, more than any transfer takes.
const KEPT: usize = 10;

/// A frame of some camera.
#[derive(Debug, Clone)]
pub enum Arrival {
    /// From the colour camera.
    Rgb(Arc<Shot<Rgb>>),
    /// From the infrared camera.
    Infrared(Arc<Shot<u8>>),
    /// From the depth camera.
    Depth(Arc<Shot<u16>>),
}

/// The newest frames of all cameras.
#[derive(Debug, Default)]
pub struct Pairing {
    infrared: VecDeque<Arc<Shot<u8>>>,
    depth: VecDeque<Arc<Shot<u16>>>,
    rgb: Option<Arc<Shot<Rgb>>>,
    taken: Option<Mono>,
}

impl Pairing {
    /// Takes a frame. One that is not newer than its camera's last is dropped: time does not run backwards (C3).
    pub fn arrive(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Rgb(shot) => {
                if self.rgb.as_ref().is_none_or(|last| shot.at > last.at) {
                    self.rgb = Some(shot);
                }
            }
            Arrival::Infrared(shot) => push(&mut self.infrared, shot),
            Arrival::Depth(shot) => push(&mut self.depth, shot),
        }
    }

    /// The newest frameset not taken before. While a fitted camera's frame of that moment may still come
    /// (`patience` has not passed since the colour frame) there is none yet; later it goes out with that member missing.
    pub fn take(
        &mut self,
        fitted: crate::liveness::Fitted,
        patience: std::time::Duration,
        now: Mono,
    ) -> Option<Frameset> {
        let rgb = self.rgb.clone()?;
        if self.taken.is_some_and(|taken| rgb.at <= taken) {
            return None;
        }
        let ir = nearest(&self.infrared, rgb.at);
        let depth = nearest(&self.depth, rgb.at);
        let complete = (!fitted.infrared || ir.is_some()) && (!fitted.depth || depth.is_some());
        if !complete && now.since(rgb.at) < patience {
            return None;
        }
        self.taken = Some(rgb.at);
        Some(Frameset { rgb, ir, depth })
    }
}

fn push<P>(kept: &mut VecDeque<Arc<Shot<P>>>, shot: Arc<Shot<P>>) {
    if kept.back().is_some_and(|last| shot.at <= last.at) {
        return;
    }
    if kept.len() == KEPT {
        kept.pop_front();
    }
    kept.push_back(shot);
}

fn nearest<P>(kept: &VecDeque<Arc<Shot<P>>>, at: Mono) -> Option<Arc<Shot<P>>> {
    kept.iter().filter(|shot| shot.at.apart(at) <= SKEW_MAX).min_by_key(|shot| shot.at.apart(at)).cloned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::frame::Plane;
    use crate::liveness::Fitted;

    const BOTH: Fitted = Fitted { infrared: true, depth: true };
    const PATIENCE: Duration = Duration::from_millis(60);

    fn shot<P: Copy>(ms: u64, value: P) -> Arc<Shot<P>> {
        Arc::new(Shot { sequence: 0, at: Mono::from_millis(ms), plane: Plane::filled(1, 1, value).unwrap() })
    }

    #[test]
    fn members_of_one_moment_are_paired_and_given_once() {
        let mut pairing = Pairing::default();
        pairing.arrive(Arrival::Infrared(shot(70, 1)));
        pairing.arrive(Arrival::Infrared(shot(103, 2)));
        pairing.arrive(Arrival::Rgb(shot(100, [0; 3])));
        assert!(pairing.take(BOTH, PATIENCE, Mono::from_millis(110)).is_none(), "depth may still come");
        pairing.arrive(Arrival::Depth(shot(98, 700)));
        let set = pairing.take(BOTH, PATIENCE, Mono::from_millis(112)).unwrap();
        assert_eq!((set.ir.unwrap().plane.at(0, 0), set.depth.unwrap().plane.at(0, 0)), (2, 700));
        assert!(pairing.take(BOTH, PATIENCE, Mono::from_millis(113)).is_none(), "given already");
    }

    #[test]
    fn c3_drifted_and_backward_frames_are_missing_not_guessed() {
        let mut pairing = Pairing::default();
        pairing.arrive(Arrival::Infrared(shot(10, 1)));
        pairing.arrive(Arrival::Depth(shot(300, 1)));
        pairing.arrive(Arrival::Rgb(shot(100, [0; 3])));
        let set = pairing.take(BOTH, PATIENCE, Mono::from_millis(200)).unwrap();
        assert!(set.ir.is_none() && set.depth.is_none());
        pairing.arrive(Arrival::Rgb(shot(90, [9; 3])));
        assert!(pairing.take(BOTH, PATIENCE, Mono::from_millis(300)).is_none(), "time went back");
    }
}
