//! Card formats: which bits of a frame are parity, facility code and number. A format is taken by its length, so that no
//! two of one length are fitted to one reader; every bit of it has a meaning, so that no two cards look alike (attack
//! case Q5).

use std::ops::RangeInclusive;

use super::{BITS_MAX, Frame};
use crate::credential::Card;

/// The shortest format: below it are the bursts of keypads.
const BITS_MIN: u8 = 9;
/// The longest name of a format.
const NAME_LEN_MAX: usize = 16;

/// Bits from the first to the last, counted from 0 in the order they are sent.
pub type Span = RangeInclusive<u8>;

/// A parity bit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parity {
    /// Where it is.
    pub at: u8,
    /// Whether the ones among it and what it covers are odd in number, or even.
    pub odd: bool,
    /// What it covers beside itself.
    pub over: Vec<Span>,
}

/// A card format, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    name: String,
    bits: u8,
    parities: Vec<Parity>,
    facility: Option<Span>,
    number: Span,
}

/// A format that was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The name is not one.
    #[error("a format's name has 1 to {NAME_LEN_MAX} of a-z, 0-9 and '-', this one is {0:?}")]
    Name(String),
    /// Too short or too long.
    #[error("a card format has {BITS_MIN} to {BITS_MAX} bits, this one has {0}")]
    Bits(u8),
    /// A span that runs backwards or leaves the frame.
    #[error("bits {first} to {last} do not lie within a frame of {bits}, counted from 0")]
    Span {
        /// First bit.
        first: u8,
        /// Last bit.
        last: u8,
        /// Bits of the format.
        bits: u8,
    },
    /// A bit without a meaning, or with two.
    #[error(
        "bit {0} has to be exactly one of parity, facility code and number; bits that are not compared let two cards look alike"
    )]
    Meaning(u8),
}

/// A frame that is no card of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misread {
    /// Another number of bits.
    Length,
    /// A parity bit does not fit.
    Parity,
}

/// A card that a format cannot express.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoSuchCard {
    /// The card has a facility code and the format does not, or the other way round.
    #[error("this format and this card do not agree on whether there is a facility code")]
    Facility,
    /// A number with more bits than its field.
    #[error("the {field} goes to {max} in this format")]
    TooLarge {
        /// `facility code` or `number`.
        field: &'static str,
        /// The largest.
        max: u64,
    },
}

impl Format {
    /// H10301, the open 26-bit format: 8 bits of facility code, 16 of number.
    #[must_use]
    pub fn w26() -> Self {
        Self::halves("h10301", 26, 0..=12, 13..=25, Some(1..=8), 9..=24)
    }

    /// H10306, 34 bits: 16 bits of facility code, 16 of number.
    #[must_use]
    pub fn w34() -> Self {
        Self::halves("h10306", 34, 0..=16, 17..=33, Some(1..=16), 17..=32)
    }

    /// H10302, 37 bits without a facility code: 35 of number.
    #[must_use]
    pub fn w37() -> Self {
        Self::halves("h10302", 37, 0..=18, 18..=36, None, 1..=35)
    }

    /// H10304, 37 bits: 16 bits of facility code, 19 of number.
    #[must_use]
    pub fn w37_facility() -> Self {
        Self::halves("h10304", 37, 0..=18, 18..=36, Some(1..=16), 17..=35)
    }

    /// The usual build: even parity first, odd parity last, each over its half.
    fn halves(name: &str, bits: u8, even: Span, odd: Span, facility: Option<Span>, number: Span) -> Self {
        let parities = vec![
            Parity { at: 0, odd: false, over: vec![even] },
            Parity { at: bits - 1, odd: true, over: vec![odd] },
        ];
        Self::new(name, bits, parities, facility, number).expect("the known formats are sound")
    }

    /// A format of one's own.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn new(
        name: &str,
        bits: u8,
        parities: Vec<Parity>,
        facility: Option<Span>,
        number: Span,
    ) -> Result<Self, FormatError> {
        let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !(1..=NAME_LEN_MAX).contains(&name.len()) || !name.chars().all(letter) {
            return Err(FormatError::Name(name.to_owned()));
        }
        if !(BITS_MIN..=BITS_MAX).contains(&bits) {
            return Err(FormatError::Bits(bits));
        }
        let fields = || facility.iter().chain([&number]);
        let single = parities.iter().map(|parity| parity.at..=parity.at).collect::<Vec<_>>();
        let spans = single.iter().chain(parities.iter().flat_map(|parity| &parity.over)).chain(fields());
        for span in spans {
            let (first, last) = (*span.start(), *span.end());
            if first > last || last >= bits {
                return Err(FormatError::Span { first, last, bits });
            }
        }
        let meanings = |bit: &u8| single.iter().chain(fields()).filter(|span| span.contains(bit)).count();
        match (0..bits).find(|bit| meanings(bit) != 1) {
            Some(bit) => Err(FormatError::Meaning(bit)),
            None => Ok(Self { name: name.to_owned(), bits, parities, facility, number }),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its length.
    #[must_use]
    pub fn bits(&self) -> u8 {
        self.bits
    }

    /// Whether its cards carry a facility code.
    #[must_use]
    pub fn has_facility(&self) -> bool {
        self.facility.is_some()
    }

    /// The card of a frame.
    ///
    /// # Errors
    /// [`Misread`].
    pub fn decode(&self, frame: &Frame) -> Result<Card, Misread> {
        if frame.len() != self.bits {
            return Err(Misread::Length);
        }
        if self.parities.iter().any(|parity| !self.fits(parity, frame)) {
            return Err(Misread::Parity);
        }
        let field = |span: &Span| frame.number(*span.start(), *span.end());
        Ok(Card {
            format: self.name.clone(),
            facility: self.facility.as_ref().map(field),
            number: field(&self.number),
        })
    }

    /// The frame of a card.
    ///
    /// # Errors
    /// [`NoSuchCard`].
    pub fn encode(&self, facility: Option<u64>, number: u64) -> Result<Frame, NoSuchCard> {
        let mut bits = self.place("number", &self.number, number)?;
        match (&self.facility, facility) {
            (Some(span), Some(facility)) => bits |= self.place("facility code", span, facility)?,
            (None, None) => {}
            (Some(_), None) | (None, Some(_)) => return Err(NoSuchCard::Facility),
        }
        // A parity bit may cover another one, so the later ones of the list see the earlier ones set.
        for parity in &self.parities {
            let frame = Frame::new(bits, self.bits).expect("a checked length");
            if !self.fits(parity, &frame) {
                bits ^= 1 << (self.bits - 1 - parity.at);
            }
        }
        Ok(Frame::new(bits, self.bits).expect("a checked length"))
    }

    /// The bits of a number at its place in the frame.
    fn place(&self, field: &'static str, span: &Span, number: u64) -> Result<u64, NoSuchCard> {
        let width = u32::from(span.end() - span.start()) + 1;
        let max = u64::MAX >> (64 - width);
        if number > max {
            return Err(NoSuchCard::TooLarge { field, max });
        }
        Ok(number << (self.bits - 1 - span.end()))
    }

    fn fits(&self, parity: &Parity, frame: &Frame) -> bool {
        let covered = |bit: &u8| *bit == parity.at || parity.over.iter().any(|span| span.contains(bit));
        let ones = (0..self.bits).filter(covered).filter(|bit| frame.number(*bit, *bit) == 1).count();
        (ones % 2 == 1) == parity.odd
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all() -> [Format; 5] {
        // As corporate formats of 35 bits are built: parity over two bits of three, and the last one over the others.
        let pairs = |from: u8| (from..33).step_by(3).map(|bit| bit..=bit + 1).collect();
        let parities = vec![
            Parity { at: 1, odd: false, over: pairs(2) },
            Parity { at: 34, odd: true, over: pairs(1) },
            Parity { at: 0, odd: true, over: vec![1..=34] },
        ];
        let own = Format::new("own-35", 35, parities, Some(2..=13), 14..=33).unwrap();
        [Format::w26(), Format::w34(), Format::w37(), Format::w37_facility(), own]
    }

    fn any_card(format: &Format, seed: u64) -> (Option<u64>, u64) {
        let cut =
            |span: &Span| seed.rotate_left(u32::from(*span.start())) >> (63 - (span.end() - span.start()));
        (format.facility.as_ref().map(cut), cut(&format.number))
    }

    #[test]
    fn a_known_card_has_the_frame_that_manuals_print() {
        // Facility 1, number 1: even parity of 12 bits with a one, odd parity of 12 bits with a one.
        let frame = Format::w26().encode(Some(1), 1).unwrap();
        assert_eq!(frame, Frame::new(0b10_0000_0010_0000_0000_0000_0010, 26).unwrap());
        let frame = Format::w26().encode(Some(0), 0).unwrap();
        assert_eq!(frame, Frame::new(1, 26).unwrap(), "an odd number of ones, were there none");
    }

    #[test]
    fn q5_every_bit_of_a_format_is_compared() {
        let even = || vec![Parity { at: 0, odd: false, over: vec![1..=24] }];
        let no = |format: Result<Format, FormatError>| format.unwrap_err();
        assert_eq!(no(Format::new("x", 26, even(), None, 1..=24)), FormatError::Meaning(25), "ignored");
        assert_eq!(no(Format::new("x", 25, even(), Some(1..=9), 9..=24)), FormatError::Meaning(9), "twice");
        assert_eq!(no(Format::new("x", 25, even(), None, 0..=24)), FormatError::Meaning(0));
        assert_eq!(
            no(Format::new("x", 25, even(), None, 1..=25)),
            FormatError::Span { first: 1, last: 25, bits: 25 }
        );
        assert_eq!(no(Format::new("x", 8, vec![], None, 0..=7)), FormatError::Bits(8));
        assert_eq!(no(Format::new("x", 65, vec![], None, 0..=64)), FormatError::Bits(65));
        assert!(matches!(no(Format::new("a b", 32, vec![], None, 0..=31)), FormatError::Name(_)));
        assert!(Format::new("uid-32", 32, vec![], None, 0..=31).is_ok());
    }

    #[test]
    fn q5_cards_that_differ_in_the_facility_code_alone_are_two_cards() {
        let format = Format::w26();
        let card = |facility| format.decode(&format.encode(Some(facility), 4711).unwrap()).unwrap();
        assert_ne!(card(17), card(18));
        assert_ne!(card(17).written(), card(18).written());
        let other = Format::w37();
        let same_number = other.decode(&other.encode(None, 4711).unwrap()).unwrap();
        assert_ne!(card(17).written(), same_number.written());
    }

    #[test]
    fn q4_a_frame_of_another_length_is_no_card() {
        let short = Format::w26().encode(Some(5), 99).unwrap();
        assert_eq!(Format::w34().decode(&short), Err(Misread::Length));
        let long = Format::w34().encode(Some(5), 99).unwrap();
        assert_eq!(Format::w26().decode(&long), Err(Misread::Length));
    }

    #[test]
    fn cards_that_do_not_fit_are_refused() {
        assert_eq!(
            Format::w26().encode(Some(256), 1),
            Err(NoSuchCard::TooLarge { field: "facility code", max: 255 })
        );
        assert_eq!(
            Format::w26().encode(Some(1), 65_536),
            Err(NoSuchCard::TooLarge { field: "number", max: 65_535 })
        );
        assert_eq!(Format::w26().encode(None, 1), Err(NoSuchCard::Facility));
        assert_eq!(Format::w37().encode(Some(1), 1), Err(NoSuchCard::Facility));
    }

    proptest! {
        #[test]
        fn cards_survive_their_frame(seed in any::<u64>(), which in 0usize..5) {
            let format = &all()[which];
            let (facility, number) = any_card(format, seed);
            let card = format.decode(&format.encode(facility, number).unwrap()).unwrap();
            prop_assert_eq!((card.facility, card.number), (facility, number));
        }

        #[test]
        fn q4_one_wrong_bit_is_never_a_card(seed in any::<u64>(), which in 0usize..5, bit in any::<u8>()) {
            let format = &all()[which];
            let (facility, number) = any_card(format, seed);
            let frame = format.encode(facility, number).unwrap();
            let flipped = Frame::new(frame.number(0, frame.len() - 1) ^ 1 << (bit % frame.len()), frame.len());
            prop_assert_eq!(format.decode(&flipped.unwrap()), Err(Misread::Parity));
        }

        #[test]
        fn any_bits_give_a_card_with_right_parity_or_none(bits in any::<u64>(), len in 0u8..=64, which in 0usize..5) {
            let format = &all()[which];
            let frame = Frame::new(bits, len).unwrap();
            if let Ok(card) = format.decode(&frame) {
                prop_assert_eq!(format.encode(card.facility, card.number).unwrap(), frame);
            }
        }
    }
}
