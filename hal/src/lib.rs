//! Device traits, their Linux drivers, and the fakes that stand beside them.
//!
//! * [`camera`]: one camera of one pixel type; V4L2 and replay.
//! * [`relay`], [`inputs`], [`panel`], [`emitter`]: the door's side; GPIO.
//! * [`wiegand`]: the wires of a card reader, in and out; GPIO.
//! * [`clock`]: the only place that reads time.
//! * [`photo`]: photographs from files and uploads, decoded within bounds.
//! * [`qr`]: QR codes in pictures, and drawn.
//! * `fake`, `scene` (feature `fake`): devices that come as a pair with the hand that plays them, and rendered scenes.

pub mod camera;
pub mod clock;
pub mod emitter;
#[cfg(any(test, feature = "fake"))]
pub mod fake;
pub mod gpio;
pub mod inputs;
pub mod panel;
pub mod photo;
pub mod qr;
pub mod relay;
#[cfg(feature = "fake")]
pub mod scene;
mod wait;
pub mod wiegand;
