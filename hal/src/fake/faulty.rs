//! Faults from a seed: the same seed breaks the same frames.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use doorward_core::frame::{Rgb, Shot};
use doorward_core::time::Mono;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::camera::{Camera, CameraFault, Missed};

/// How long a stall lasts at most, in calls.
const STALL_CALLS_MAX: u32 = 30;

/// What can be done to a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// It is swallowed; the counter shows a gap.
    Drop,
    /// It is held up, and so are those of the next calls, up to 30.
    Stall,
    /// A band of its pixels is noise.
    Corrupt,
    /// The picture of the frame before comes again, with the counter and time of this one.
    Freeze,
    /// The frame before comes again, whole.
    Repeat,
    /// Its timestamp lies up to a second before that of the frame before.
    TimeBack,
    /// The device goes away for good.
    Unplug,
}

impl Fault {
    const ALL: [Fault; 7] = [
        Fault::Drop,
        Fault::Stall,
        Fault::Corrupt,
        Fault::Freeze,
        Fault::Repeat,
        Fault::TimeBack,
        Fault::Unplug,
    ];
}

/// How often each fault strikes a frame, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Odds {
    /// [`Fault::Drop`].
    pub drop: f64,
    /// [`Fault::Stall`].
    pub stall: f64,
    /// [`Fault::Corrupt`].
    pub corrupt: f64,
    /// [`Fault::Freeze`].
    pub freeze: f64,
    /// [`Fault::Repeat`].
    pub repeat: f64,
    /// [`Fault::TimeBack`].
    pub time_back: f64,
    /// [`Fault::Unplug`].
    pub unplug: f64,
}

impl Odds {
    fn of(&self, fault: Fault) -> f64 {
        match fault {
            Fault::Drop => self.drop,
            Fault::Stall => self.stall,
            Fault::Corrupt => self.corrupt,
            Fault::Freeze => self.freeze,
            Fault::Repeat => self.repeat,
            Fault::TimeBack => self.time_back,
            Fault::Unplug => self.unplug,
        }
    }
}

/// A pixel type that noise can be made of.
pub trait Noise: Copy + Send + Sync {
    /// A pixel from random bits.
    fn from_bits(bits: u32) -> Self;
}

impl Noise for Rgb {
    fn from_bits(bits: u32) -> Self {
        let [r, g, b, _] = bits.to_le_bytes();
        [r, g, b]
    }
}

impl Noise for u8 {
    fn from_bits(bits: u32) -> Self {
        bits.to_le_bytes()[0]
    }
}

impl Noise for u16 {
    fn from_bits(bits: u32) -> Self {
        let [low, high, ..] = bits.to_le_bytes();
        u16::from_le_bytes([low, high])
    }
}

/// Any camera, with faults. It breaks the promises of [`Camera`] the way a lying driver or an injected stream does, for
/// whoever must not believe them.
#[derive(Debug)]
pub struct Faulty<D, P> {
    device: D,
    odds: Odds,
    rng: ChaCha8Rng,
    before: Option<Arc<Shot<P>>>,
    stalled: u32,
    unplugged: bool,
    done: BTreeMap<Fault, u64>,
}

impl<P: Noise, D: Camera<P>> Faulty<D, P> {
    /// Wraps a camera.
    ///
    /// # Panics
    /// If any of the odds lies outside 0 to 1.
    #[must_use]
    pub fn new(device: D, odds: Odds, seed: u64) -> Self {
        for fault in Fault::ALL {
            assert!((0.0..=1.0).contains(&odds.of(fault)), "the odds of {fault:?} lie between 0 and 1");
        }
        let rng = ChaCha8Rng::seed_from_u64(seed);
        Self { device, odds, rng, before: None, stalled: 0, unplugged: false, done: BTreeMap::new() }
    }

    /// How often each fault was done.
    #[must_use]
    pub fn done(&self) -> &BTreeMap<Fault, u64> {
        &self.done
    }

    /// The first fault that strikes, in the order of [`Fault::ALL`]. Every fault draws, so that changed odds of one
    /// leave the draws of the others as they are.
    fn draw(&mut self) -> Option<Fault> {
        let mut struck = None;
        for fault in Fault::ALL {
            let strikes = self.rng.random_bool(self.odds.of(fault));
            struck = struck.or(strikes.then_some(fault));
        }
        struck
    }

    fn strike(
        &mut self,
        fault: Fault,
        shot: Arc<Shot<P>>,
        wait: Duration,
    ) -> Result<Arc<Shot<P>>, CameraFault> {
        let camera = "faulty".to_owned();
        // The first frame has none before it that could come again.
        let before = self.before.clone().unwrap_or_else(|| Arc::clone(&shot));
        let bits = self.rng.next_u32();
        match fault {
            Fault::Drop => Err(CameraFault::stalled(camera, wait)),
            Fault::Stall => {
                self.stalled = bits % STALL_CALLS_MAX;
                Err(CameraFault::stalled(camera, wait))
            }
            Fault::Corrupt => Ok(Arc::new(self.corrupted(&shot))),
            Fault::Freeze => Ok(Arc::new(Shot { plane: before.plane.clone(), ..Shot::clone(&shot) })),
            Fault::Repeat => Ok(before),
            Fault::TimeBack => {
                let at = Mono(before.at.0.saturating_sub(1 + u64::from(bits) % 1_000_000));
                Ok(Arc::new(Shot { at, ..Shot::clone(&shot) }))
            }
            Fault::Unplug => {
                self.unplugged = true;
                Err(CameraFault::Unplugged { camera })
            }
        }
    }

    /// A copy with a band of noise, as a lost part of a frame leaves it.
    fn corrupted(&mut self, shot: &Shot<P>) -> Shot<P> {
        let mut corrupted = shot.clone();
        let pixels = corrupted.plane.pixels_mut();
        let start = self.rng.random_range(0..pixels.len());
        let length = self.rng.random_range(1..=pixels.len() - start);
        pixels[start..start + length].iter_mut().for_each(|pixel| *pixel = P::from_bits(self.rng.next_u32()));
        corrupted
    }
}

impl<P: Noise, D: Camera<P>> Camera<P> for Faulty<D, P> {
    fn next(&mut self, wait: Duration) -> Result<Arc<Shot<P>>, CameraFault> {
        if self.unplugged {
            return Err(CameraFault::Unplugged { camera: "faulty".to_owned() });
        }
        let shot = self.device.next(wait)?;
        if self.stalled > 0 {
            self.stalled -= 1;
            return Err(CameraFault::stalled("faulty".to_owned(), wait));
        }
        let given = match self.draw() {
            Some(fault) => {
                *self.done.entry(fault).or_default() += 1;
                self.strike(fault, Arc::clone(&shot), wait)
            }
            None => Ok(Arc::clone(&shot)),
        };
        self.before = Some(shot);
        given
    }

    fn missed(&self) -> Missed {
        self.device.missed()
    }
}

#[cfg(test)]
mod tests {
    use doorward_core::frame::Plane;

    use super::*;
    use crate::fake::{CameraHand, camera};

    fn shot(i: u32) -> Shot<u16> {
        let value = u16::try_from(i).unwrap();
        Shot {
            sequence: i,
            at: Mono::from_millis(1000 + 33 * u64::from(i)),
            plane: Plane::filled(8, 8, value).unwrap(),
        }
    }

    type Seen = Vec<Result<Arc<Shot<u16>>, String>>;

    /// What comes of `count` frames.
    fn run(odds: Odds, seed: u64, count: u32) -> (Seen, BTreeMap<Fault, u64>) {
        let (device, hand): (_, CameraHand<u16>) = camera();
        let mut faulty = Faulty::new(device, odds, seed);
        let seen = (0..count)
            .map(|i| {
                hand.present(shot(i));
                faulty.next(Duration::ZERO).map_err(|fault| fault.to_string())
            })
            .collect();
        (seen, faulty.done().clone())
    }

    #[test]
    fn without_odds_it_is_the_camera_and_with_a_seed_it_is_always_the_same() {
        let (seen, done) = run(Odds::default(), 1, 50);
        assert!(done.is_empty() && (0..50).zip(seen).all(|(i, seen)| *seen.unwrap() == shot(i)));
        let odds = Odds {
            drop: 0.1,
            stall: 0.05,
            corrupt: 0.1,
            freeze: 0.1,
            repeat: 0.1,
            time_back: 0.1,
            unplug: 0.0,
        };
        assert_eq!(run(odds, 7, 300), run(odds, 7, 300));
        assert_ne!(run(odds, 7, 300), run(odds, 8, 300));
        assert_eq!(run(odds, 7, 300).1.len(), 6, "every fault with odds struck in 300 frames");
    }

    #[test]
    fn c2_c3_each_fault_does_what_it_says() {
        let sure = |odds: Odds| run(odds, 3, 4).0;
        for seen in
            [sure(Odds { drop: 1.0, ..Odds::default() }), sure(Odds { stall: 1.0, ..Odds::default() })]
        {
            assert!(seen.iter().all(|s| s.as_ref().is_err_and(|told| told.contains("no frame"))));
        }
        for (i, seen) in (0..4).zip(sure(Odds { corrupt: 1.0, ..Odds::default() })) {
            let seen = seen.unwrap();
            assert_eq!((seen.sequence, seen.at), (shot(i).sequence, shot(i).at));
            assert_ne!(seen.plane, shot(i).plane);
        }
        let frozen = sure(Odds { freeze: 1.0, ..Odds::default() })[2].clone().unwrap();
        assert_eq!((frozen.sequence, frozen.at, &frozen.plane), (2, shot(2).at, &shot(1).plane));
        assert_eq!(*sure(Odds { repeat: 1.0, ..Odds::default() })[2].clone().unwrap(), shot(1));
        let back = sure(Odds { time_back: 1.0, ..Odds::default() })[2].clone().unwrap();
        assert!(back.at < shot(1).at && shot(1).at.since(back.at) <= Duration::from_secs(1));
        let gone = sure(Odds { unplug: 1.0, ..Odds::default() });
        assert!(gone.iter().all(|s| s.as_ref().is_err_and(|told| told.contains("unplugged"))));
    }

    #[test]
    #[should_panic(expected = "between 0 and 1")]
    fn odds_beyond_certainty_are_a_mistake() {
        let _ = Faulty::new(camera::<u8>().0, Odds { drop: 1.5, ..Odds::default() }, 0);
    }
}
