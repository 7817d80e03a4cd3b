//! The door's wires, over the kernel's GPIO character device.
//!
//! * [`mod@line`]: which line is meant, and what its levels mean.
//! * [`relay`]: the lock, over any `embedded-hal` pin; by choice over `linux-embedded-hal` or the registers of a
//!   Raspberry Pi.
//! * [`inputs`]: contact, request to exit, fire, tamper, mains; [`supervision`]: two lines that watch one loop.
//! * [`panel`]: two lamps and a buzzer, and the [`pattern`] of each cue.
//! * [`emitter`]: the infrared light.
//! * [`wiegand`]: a card reader's two wires, and two towards a panel.
//!
//! A process that ends gives its lines back, whatever ended it, and most chips then keep or drop the level as they like:
//! the level of an unowned line is that of its pull resistor. A relay must therefore be wired so that this level locks
//! the door (or, for a fail-safe lock, does what losing power does), and the resistor must be fitted.

#[cfg(feature = "linux_embedded_hal")]
mod cdev_v1;
mod edges;
pub mod emitter;
pub mod inputs;
pub mod line;
pub mod panel;
pub mod pattern;
#[cfg(feature = "rppal")]
mod registers;
pub mod relay;
pub mod supervision;
pub mod wiegand;
