//! From pulses to frames. Nothing on the wires says where a frame ends; silence does. Whatever breaks the spacing spoils
//! everything up to the next silence, because a bit that was missed or doubled would shift all that follow.

use std::time::Duration;

use super::{Frame, Pulse};
use crate::time::Mono;

/// How pulses follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spacing {
    /// Two pulses nearer than this, on either wire, are noise or both wires at once. Readers send a bit every 200 µs to
    /// 20 ms, and the kernel's time of an edge is some tens of microseconds late on a busy board.
    pub min: Duration,
    /// After a silence of this length the frame is over.
    pub max: Duration,
}

impl Default for Spacing {
    fn default() -> Self {
        Self { min: Duration::from_micros(100), max: Duration::from_millis(25) }
    }
}

/// What the wires said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Bits between two silences. They may still mean nothing.
    Frame(Frame),
    /// Something that no reader sends; told once, however long it goes on.
    Noise(Noise),
}

/// Why pulses are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noise {
    /// Two pulses too near each other, or in the wrong order.
    TooNear,
    /// More bits than any frame has.
    TooMany,
    /// The kernel dropped pulses before they were read.
    Lost,
}

/// What is on the wires.
#[derive(Debug, Clone, Copy)]
enum Burst {
    Silence,
    Bits { frame: Frame, last: Mono },
    Spoiled { last: Mono },
}

/// The receiving end of two wires.
#[derive(Debug, Clone)]
pub struct Receiver {
    spacing: Spacing,
    burst: Burst,
}

impl Receiver {
    /// Hears nothing yet.
    #[must_use]
    pub fn new(spacing: Spacing) -> Self {
        Self { spacing, burst: Burst::Silence }
    }

    /// Takes a pulse. What is heard is the burst before it, or noise.
    pub fn pulse(&mut self, pulse: Pulse) -> Option<Heard> {
        let before = self.silence(pulse.at);
        let Pulse { wire, at } = pulse;
        let (burst, heard) = match self.burst {
            Burst::Silence => {
                (Frame::default().with(wire).map(|frame| Burst::Bits { frame, last: at }), None)
            }
            Burst::Bits { last, .. } if at < last + self.spacing.min => (None, Some(Noise::TooNear)),
            Burst::Bits { frame, .. } => {
                let longer = frame.with(wire);
                let noise = longer.is_none().then_some(Noise::TooMany);
                (longer.map(|frame| Burst::Bits { frame, last: at }), noise)
            }
            Burst::Spoiled { .. } => (None, None),
        };
        self.burst = burst.unwrap_or(Burst::Spoiled { last: at.max(self.last()) });
        heard.map(Heard::Noise).or(before)
    }

    /// The kernel dropped pulses: what is on the wires cannot be known until the next silence.
    pub fn lost(&mut self, now: Mono) -> Option<Heard> {
        let told = matches!(self.burst, Burst::Spoiled { .. });
        self.burst = Burst::Spoiled { last: now };
        (!told).then_some(Heard::Noise(Noise::Lost))
    }

    /// Lets time pass: a long enough silence ends a frame.
    pub fn silence(&mut self, now: Mono) -> Option<Heard> {
        if self.deadline().is_none_or(|end| now < end) {
            return None;
        }
        match std::mem::replace(&mut self.burst, Burst::Silence) {
            Burst::Bits { frame, .. } => Some(Heard::Frame(frame)),
            Burst::Silence | Burst::Spoiled { .. } => None,
        }
    }

    /// When silence ends what is on the wires.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        match self.burst {
            Burst::Silence => None,
            Burst::Bits { last, .. } | Burst::Spoiled { last } => Some(last + self.spacing.max),
        }
    }

    fn last(&self) -> Mono {
        match self.burst {
            Burst::Silence => Mono(0),
            Burst::Bits { last, .. } | Burst::Spoiled { last } => last,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Wire;
    use super::*;

    const BIT: u64 = 2000;

    fn receiver() -> Receiver {
        Receiver::new(Spacing::default())
    }

    fn pulse(wire: Wire, us: u64) -> Pulse {
        Pulse { wire, at: Mono(us) }
    }

    /// Sends bits 2 ms apart from `from` on.
    fn send(receiver: &mut Receiver, frame: Frame, from: u64) -> Vec<Heard> {
        let pulses = frame.wires().zip(0u64..).map(|(wire, i)| pulse(wire, from + i * BIT));
        pulses.filter_map(|pulse| receiver.pulse(pulse)).collect()
    }

    #[test]
    fn silence_ends_a_frame_and_so_does_the_next_one() {
        let frame = Frame::new(0b10_1001_1001, 10).unwrap();
        let mut receiver = receiver();
        assert!(send(&mut receiver, frame, 1_000_000).is_empty());
        assert_eq!(receiver.silence(Mono(1_000_000 + 9 * BIT + 24_999)), None);
        assert_eq!(receiver.silence(Mono(1_000_000 + 9 * BIT + 25_000)), Some(Heard::Frame(frame)));
        assert_eq!((receiver.silence(Mono(9_000_000)), receiver.deadline()), (None, None));
        assert!(send(&mut receiver, frame, 2_000_000).is_empty());
        assert_eq!(send(&mut receiver, frame, 3_000_000), [Heard::Frame(frame)], "nobody asked between them");
    }

    #[test]
    fn q4_both_wires_at_once_and_glitches_spoil_the_frame_and_are_told_once() {
        for (wire, apart) in [(Wire::Zero, 0), (Wire::Zero, 40), (Wire::One, 99)] {
            let mut receiver = receiver();
            receiver.pulse(pulse(Wire::One, 1000));
            let heard = receiver.pulse(pulse(wire, 1000 + apart));
            assert_eq!(heard, Some(Heard::Noise(Noise::TooNear)), "{apart} µs");
            let rest = Frame::new(0x155_5555, 25).unwrap();
            assert!(send(&mut receiver, rest, 3000).is_empty(), "what follows is no frame");
            assert_eq!(receiver.silence(Mono(3000 + 60 * BIT)), None);
            assert!(send(&mut receiver, rest, 9_000_000).is_empty());
            assert_eq!(
                receiver.silence(Mono(10_000_000)),
                Some(Heard::Frame(rest)),
                "after silence all is well"
            );
        }
    }

    #[test]
    fn q4_a_long_frame_is_noise_and_a_long_noise_takes_no_room() {
        let mut receiver = receiver();
        let heard: Vec<_> = (0..10_000).filter_map(|i| receiver.pulse(pulse(Wire::One, i * BIT))).collect();
        assert_eq!(heard, [Heard::Noise(Noise::TooMany)]);
        assert_eq!(receiver.silence(Mono(10_000 * BIT + 25_000)), None);
    }

    #[test]
    fn q4_pulses_the_kernel_dropped_spoil_the_frame() {
        let mut receiver = receiver();
        let half = Frame::new(0x1555, 13).unwrap();
        send(&mut receiver, half, 0);
        assert_eq!(receiver.lost(Mono(13 * BIT)), Some(Heard::Noise(Noise::Lost)));
        assert_eq!(receiver.lost(Mono(14 * BIT)), None);
        assert!(send(&mut receiver, half, 15 * BIT).is_empty());
        assert_eq!(receiver.silence(Mono(100 * BIT)), None, "the half that came is no frame");
    }

    #[test]
    fn time_that_runs_backwards_is_noise() {
        let mut receiver = receiver();
        receiver.pulse(pulse(Wire::One, 50_000));
        assert_eq!(receiver.pulse(pulse(Wire::One, 10_000)), Some(Heard::Noise(Noise::TooNear)));
        assert_eq!(receiver.deadline(), Some(Mono(75_000)));
    }
}
