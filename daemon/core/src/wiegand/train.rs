//! Frames on their way out, as pulses with their times, for whoever drives two wires: a terminal that stands in for a
//! reader at an old panel, and tests.

use std::time::Duration;

use super::{Frame, Pulse};
use crate::time::Mono;

/// How a sender paces its pulses. The usual values, in the middle of what panels accept: 20 to 100 µs and 200 µs to
/// 20 ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How long a pulse lasts.
    pub width: Duration,
    /// From the beginning of one pulse to that of the next.
    pub interval: Duration,
    /// Silence after a frame.
    pub rest: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            width: Duration::from_micros(50),
            interval: Duration::from_millis(2),
            rest: Duration::from_millis(50),
        }
    }
}

impl Pace {
    /// The pulses of a frame whose first begins at `from`.
    pub fn pulses(self, frame: &Frame, from: Mono) -> impl Iterator<Item = Pulse> + use<> {
        (0u32..).zip(frame.wires()).map(move |(i, wire)| Pulse { wire, at: from + self.interval * i })
    }

    /// When the next frame may begin.
    #[must_use]
    pub fn end(self, frame: &Frame, from: Mono) -> Mono {
        from + self.interval * u32::from(frame.len()) + self.rest
    }
}
