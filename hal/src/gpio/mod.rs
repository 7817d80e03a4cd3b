//! The door's wires, over the kernel's GPIO character device.
//!
//! * [`mod@line`]: which line is meant, and what its levels mean.
//! * [`relay`]: the lock; also over any `embedded-hal` pin.
//! * [`inputs`]: contact, request to exit, fire, tamper.
//! * [`panel`]: two lamps and a buzzer.
//! * [`wiegand`]: a card reader's two wires, and two towards a panel.
//!
//! A process that ends gives its lines back, whatever ended it, and most chips then keep or drop the level as they like:
//! the level of an unowned line is that of its pull resistor. A relay must therefore be wired so that this level locks
//! the door (or, for a fail-safe lock, does what losing power does), and the resistor must be fitted.

pub mod inputs;
pub mod line;
pub mod panel;
pub mod relay;
pub mod wiegand;
