//! The two wires of a card reader: pulses in, and pulses out.

use std::time::Duration;

use doorward_core::wiegand::{Frame, Pulse};

/// The wires failed; they must be opened again.
#[derive(Debug, thiserror::Error)]
#[error("card reader: {doing}")]
pub struct WiegandFault {
    /// What was being tried, on which line.
    pub doing: String,
    /// The system's answer.
    #[source]
    pub source: std::io::Error,
}

/// What came over the wires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Came {
    /// A pulse began.
    Pulse(Pulse),
    /// Pulses before the next one were dropped, because nobody read them in time: what surrounds them is no frame.
    Lost,
}

/// The receiving end of one reader's wires.
///
/// Where each pulse begins is all that is known of it: a pulse is over long before its interrupt is served, so neither
/// its length nor the level after it can be told.
pub trait WiegandReader: Send {
    /// What came next, or `None` when nothing came within `wait`.
    ///
    /// # Errors
    /// [`WiegandFault`].
    fn next(&mut self, wait: Duration) -> Result<Option<Came>, WiegandFault>;
}

/// What a frame was like on its way out, as far as this process can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// The longest pulse.
    pub widest: Duration,
    /// The longest time between the beginnings of two pulses.
    pub slowest: Duration,
}

/// The sending end of two wires, towards a panel.
pub trait WiegandWriter: Send {
    /// Sends a frame and the silence after it; takes as long as that takes.
    ///
    /// # Errors
    /// [`WiegandFault`]; the panel may have seen a part of the frame.
    fn send(&mut self, frame: &Frame) -> Result<Sent, WiegandFault>;
}
