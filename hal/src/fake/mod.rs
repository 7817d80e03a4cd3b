//! Fakes come as a pair: the device goes to the terminal, the hand that plays it stays with the test or the demo.
//!
//! ```
//! use doorward_hal::fake;
//! use doorward_hal::relay::Relay as _;
//!
//! let (mut relay, hand) = fake::relay();
//! assert!(!hand.released());
//! relay.lock().expect("the hand did not break it");
//! ```
//! They keep the promises of the traits: what a driver would refuse, they refuse. [`Faulty`] breaks promises on purpose.

mod camera;
mod clock;
mod emitter;
mod faulty;
mod inputs;
mod panel;
mod pin;
mod relay;
mod wiegand;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use camera::{CameraHand, FakeCamera, camera};
pub use clock::{FakeClock, clock};
pub use emitter::{EmitterHand, FakeEmitter, emitter};
pub use faulty::{Fault, Faulty, Noise, Odds};
pub use inputs::{FakeInputs, InputHand, inputs, inputs_at};
pub use panel::{FakePanel, PanelHand, panel};
pub use pin::{FakePin, PinHand, pin};
pub use relay::{Bolt, FakeRelay, Moved, RelayHand, relay, relay_on};
pub use wiegand::{FakeWiegand, WiegandHand, wiegand};

/// The state behind a lock; a test that panicked elsewhere must not hide what this one has to say.
fn open<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
