//! Wiegand: two wires from a reader to the terminal, one short pulse a bit, on the one wire for a zero and on the other
//! for a one. Pure: pulses with the kernel's time of each come in, cards and PINs come out.
//!
//! * [`receiver`]: pulses → frames, by their spacing.
//! * [`mod@format`]: frames ↔ cards, by length, parity and fields.
//! * [`keypad`]: frames → keys → a PIN.
//! * [`reader`]: all of it, as one reader at the door has it.
//! * [`train`]: frames → pulses, for a terminal that talks to a panel.
//!
//! **What can be told on this bus, and what cannot.** A frame carries no secret, no counter and no sender. Noise, cut
//! off frames and frames of another format are told by spacing, length and parity, and parity misses every second
//! change of an even number of bits in one group. A reader that stutters is told from two presentations by a hold-off
//! only. A frame that somebody recorded on the wires and plays again later is a good frame: nothing in it can say
//! otherwise. So a card is a claim, compared 1:1 with a live face; where that is not wanted, the wires belong into the
//! wall, under the reader's tamper switch, or replaced by OSDP.

pub mod format;
pub mod keypad;
pub mod reader;
pub mod receiver;
pub mod train;

use std::fmt;

use crate::time::Mono;

/// Bits of the longest frame that is taken: the longest card formats in use have 56, and 64 fit a machine word.
pub const BITS_MAX: u8 = 64;

/// One of the two wires, which is one of the two bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// D0, often green.
    Zero,
    /// D1, often white.
    One,
}

/// A pulse began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pulse {
    /// On which wire.
    pub wire: Wire,
    /// When, in the kernel's time.
    pub at: Mono,
}

/// Bits in the order they were sent. Its `Debug` tells how many, not which: they are somebody's card or PIN.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Frame {
    /// The bit that was sent last is the lowest.
    bits: u64,
    len: u8,
}

impl Frame {
    /// A frame of the lowest `len` of `bits`, the highest of them sent first; `None` beyond [`BITS_MAX`].
    #[must_use]
    pub fn new(bits: u64, len: u8) -> Option<Self> {
        let unused = u64::MAX.checked_shl(u32::from(len)).unwrap_or(0);
        (len <= BITS_MAX).then_some(Self { bits: bits & !unused, len })
    }

    /// The frame with one more bit; `None` where there is no room for it.
    #[must_use]
    pub fn with(self, wire: Wire) -> Option<Self> {
        let bit = u64::from(wire == Wire::One);
        (self.len < BITS_MAX).then_some(Self { bits: self.bits << 1 | bit, len: self.len + 1 })
    }

    /// How many bits.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a frame without bits is never handed out")]
    pub fn len(&self) -> u8 {
        self.len
    }

    /// The bits from `first` to `last`, counted from 0 in the order they were sent, as a number.
    ///
    /// # Panics
    /// For bits that the frame does not have.
    #[must_use]
    pub fn number(&self, first: u8, last: u8) -> u64 {
        assert!(first <= last && last < self.len, "bits {first} to {last} of {}", self.len);
        let width = last - first + 1;
        let unused = u64::MAX.checked_shl(u32::from(width)).unwrap_or(0);
        self.bits >> (self.len - 1 - last) & !unused
    }

    /// The wire of each bit, in the order they are sent.
    pub fn wires(&self) -> impl Iterator<Item = Wire> + use<> {
        let (bits, len) = (self.bits, self.len);
        (0..len).rev().map(move |place| if bits >> place & 1 == 1 { Wire::One } else { Wire::Zero })
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} bits)", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_counted_in_the_order_they_were_sent() {
        let frame = Frame::new(0b1_0110_0001, 9).unwrap();
        assert_eq!((frame.number(0, 3), frame.number(4, 8), frame.number(8, 8)), (0b1011, 1, 1));
        let sent = frame.wires().try_fold(Frame::default(), Frame::with);
        assert_eq!(sent, Some(frame));
        assert_eq!(Frame::new(u64::MAX, 64).unwrap().number(0, 63), u64::MAX);
        assert_eq!(Frame::new(u64::MAX, 64).unwrap().with(Wire::One), None);
        assert_eq!(Frame::new(1, 65), None);
    }

    #[test]
    fn h4_debug_output_shows_no_bits() {
        assert_eq!(format!("{:?}", Frame::new(0x2b_cdef, 26).unwrap()), "Frame(26 bits)");
    }
}
