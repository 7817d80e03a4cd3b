//! One reader at the door, with or without a keypad: pulses in, cards and PINs out.

use std::time::Duration;

use super::format::Format;
use super::keypad::{Keypad, Typing};
use super::receiver::{Heard, Noise, Receiver, Spacing};
use super::{Frame, Pulse};
use crate::credential::Credential;
use crate::time::Mono;

/// How a reader is fitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The formats its cards have, one for each length.
    pub formats: Vec<Format>,
    /// Its keypad, if it has one.
    pub keypad: Option<Keypad>,
    /// How pulses follow each other.
    pub spacing: Spacing,
    /// The same card again within this time of the last is the same presentation.
    pub same_within: Duration,
    /// Keys further apart than this do not belong together.
    pub typed_within: Duration,
}

/// A reader that was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the formats {0} and {1} both have {2} bits, and nothing else tells them apart; keep one")]
pub struct Ambiguous(String, String, u8);

/// What a reader says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// A card or a PIN.
    Credential(Credential),
    /// Something that is none.
    Unreadable(Unreadable),
}

/// Why a burst means nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// The wires carried what no reader sends.
    Noise(Noise),
    /// No card format and no key has so many bits.
    Length,
    /// A parity bit does not fit.
    Parity,
    /// A code that no key has, or a complement that does not fit.
    Key,
    /// `#` after too few or too many digits.
    Pin,
}

impl Unreadable {
    /// The stable code in audit entries and metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Unreadable::Noise(Noise::TooNear) => "noise",
            Unreadable::Noise(Noise::TooMany) => "too_long",
            Unreadable::Noise(Noise::Lost) => "overrun",
            Unreadable::Length => "length",
            Unreadable::Parity => "parity",
            Unreadable::Key => "key",
            Unreadable::Pin => "pin_length",
        }
    }

    /// Whether the wires are to blame, and not who typed.
    #[must_use]
    pub const fn is_fault(self) -> bool {
        !matches!(self, Unreadable::Pin)
    }
}

/// One reader.
#[derive(Clone)]
pub struct Reader {
    formats: Vec<Format>,
    keypad: Option<Keypad>,
    receiver: Receiver,
    typing: Typing,
    same_within: Duration,
    /// The last card, and when it was seen last.
    last: Option<(Frame, Mono)>,
}

impl Reader {
    /// A reader that nobody used yet.
    ///
    /// # Errors
    /// [`Ambiguous`] for two formats of one length.
    pub fn new(settings: Settings) -> Result<Self, Ambiguous> {
        let Settings { formats, keypad, spacing, same_within, typed_within } = settings;
        for (i, format) in formats.iter().enumerate() {
            if let Some(other) = formats[..i].iter().find(|other| other.bits() == format.bits()) {
                return Err(Ambiguous(other.name().to_owned(), format.name().to_owned(), format.bits()));
            }
        }
        let (receiver, typing) = (Receiver::new(spacing), Typing::new(typed_within));
        Ok(Self { formats, keypad, receiver, typing, same_within, last: None })
    }

    /// Takes a pulse.
    pub fn pulse(&mut self, pulse: Pulse) -> Option<Reading> {
        let heard = self.receiver.pulse(pulse);
        self.understand(heard, pulse.at)
    }

    /// The kernel dropped pulses.
    pub fn lost(&mut self, now: Mono) -> Option<Reading> {
        let heard = self.receiver.lost(now);
        self.understand(heard, now)
    }

    /// Lets time pass.
    pub fn tick(&mut self, now: Mono) -> Option<Reading> {
        self.typing.forget(now);
        let heard = self.receiver.silence(now);
        self.understand(heard, now)
    }

    /// When [`Reader::tick`] is due if no pulse comes.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        self.receiver.deadline().into_iter().chain(self.typing.deadline()).min()
    }

    fn understand(&mut self, heard: Option<Heard>, now: Mono) -> Option<Reading> {
        match heard? {
            Heard::Frame(frame) if self.keypad.is_some_and(|keypad| keypad.bits() == frame.len()) => {
                self.key(frame, now)
            }
            Heard::Frame(frame) => self.card(frame, now),
            Heard::Noise(noise) => Some(self.unreadable(Unreadable::Noise(noise))),
        }
    }

    fn key(&mut self, frame: Frame, now: Mono) -> Option<Reading> {
        let Some(key) = self.keypad.and_then(|keypad| keypad.key(&frame)) else {
            return Some(self.unreadable(Unreadable::Key));
        };
        match self.typing.press(key, now) {
            Ok(pin) => pin.map(|pin| Reading::Credential(Credential::Pin(pin))),
            Err(_) => Some(Reading::Unreadable(Unreadable::Pin)),
        }
    }

    fn card(&mut self, frame: Frame, now: Mono) -> Option<Reading> {
        let Some(format) = self.formats.iter().find(|format| format.bits() == frame.len()) else {
            return Some(self.unreadable(Unreadable::Length));
        };
        let Ok(card) = format.decode(&frame) else {
            return Some(self.unreadable(Unreadable::Parity));
        };
        self.typing.clear();
        let seen = self.last.replace((frame, now));
        let again = seen.is_some_and(|(last, at)| last == frame && now.since(at) < self.same_within);
        (!again).then_some(Reading::Credential(Credential::Card(card)))
    }

    /// A burst that was missed may have been a key: what was typed is no PIN any more.
    fn unreadable(&mut self, why: Unreadable) -> Reading {
        self.typing.clear();
        Reading::Unreadable(why)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Wire;
    use super::super::keypad::Key;
    use super::super::train::Pace;
    use super::*;
    use crate::credential::{Card, Pin};

    fn settings(formats: Vec<Format>) -> Settings {
        Settings {
            formats,
            keypad: Some(Keypad::Four),
            spacing: Spacing::default(),
            same_within: Duration::from_secs(2),
            typed_within: Duration::from_secs(10),
        }
    }

    fn reader(formats: Vec<Format>) -> Reader {
        Reader::new(settings(formats)).unwrap()
    }

    /// Sends frames at their times, in milliseconds, and lets a second pass.
    fn read(reader: &mut Reader, frames: &[(u64, Frame)]) -> Vec<Reading> {
        let mut readings = Vec::new();
        for (ms, frame) in frames {
            let from = Mono::from_millis(*ms);
            readings.extend(reader.tick(from));
            readings.extend(Pace::default().pulses(frame, from).filter_map(|pulse| reader.pulse(pulse)));
        }
        let end = frames.last().map_or(0, |(ms, _)| ms + 1000);
        readings.extend(reader.tick(Mono::from_millis(end)));
        readings
    }

    fn card(facility: u64, number: u64) -> Frame {
        Format::w26().encode(Some(facility), number).unwrap()
    }

    fn is_card(reading: &Reading, number: u64) -> bool {
        matches!(reading, Reading::Credential(Credential::Card(Card { number: n, .. })) if *n == number)
    }

    #[test]
    fn cards_and_keys_come_over_the_same_wires() {
        let mut reader = reader(vec![Format::w26(), Format::w34()]);
        let key = |key| Keypad::Four.burst(key);
        let frames: Vec<_> = (0..)
            .map(|i| 1000 + 300 * i)
            .zip(
                [4, 7, 1, 1]
                    .map(|digit| key(Key::Digit(digit)))
                    .into_iter()
                    .chain([key(Key::Enter), card(7, 99)]),
            )
            .collect();
        let readings = read(&mut reader, &frames);
        let pin = Credential::Pin(Pin::from_digits(b"4711").unwrap());
        assert_eq!(readings[0], Reading::Credential(pin));
        assert!(is_card(&readings[1], 99) && readings.len() == 2, "{readings:?}");
    }

    #[test]
    fn q4_wrong_parity_and_foreign_lengths_are_refused() {
        let damaged = Frame::new(card(7, 99).number(0, 25) ^ 4, 26).unwrap();
        let long = Format::w34().encode(Some(7), 99).unwrap();
        let mut only_26 = reader(vec![Format::w26()]);
        let readings = read(&mut only_26, &[(1000, damaged), (2000, long), (3000, card(7, 99))]);
        assert_eq!(readings[0], Reading::Unreadable(Unreadable::Parity));
        assert_eq!(readings[1], Reading::Unreadable(Unreadable::Length));
        assert!(is_card(&readings[2], 99) && readings.len() == 3);
    }

    #[test]
    fn q4_a_stuttering_reader_presents_one_card_once_and_a_later_replay_looks_like_a_card() {
        let mut reader = reader(vec![Format::w26()]);
        let stutter: Vec<_> = (0..20).map(|i| (1000 + 500 * i, card(7, 99))).collect();
        let readings = read(&mut reader, &stutter);
        assert!(is_card(&readings[0], 99) && readings.len() == 1, "held for ten seconds: {readings:?}");
        let readings =
            read(&mut reader, &[(20_000, card(7, 99)), (20_400, card(7, 98)), (20_800, card(7, 99))]);
        assert_eq!(
            readings.len(),
            3,
            "an unauthenticated bus cannot tell a replay from a second presentation"
        );
    }

    #[test]
    fn q4_a_key_that_was_damaged_ends_the_pin() {
        let mut reader = reader(vec![]);
        let key = |digit| Keypad::Four.burst(Key::Digit(digit));
        let noise = Frame::new(0xf, 4).unwrap();
        let enter = Keypad::Four.burst(Key::Enter);
        let frames: Vec<_> =
            (1..).map(|i| 500 * i).zip([key(4), key(7), noise, key(1), key(1), enter]).collect();
        let readings = read(&mut reader, &frames);
        let expected = [Unreadable::Key, Unreadable::Pin].map(Reading::Unreadable);
        assert_eq!(readings, expected, "not the PIN 4711");
    }

    #[test]
    fn two_formats_of_one_length_are_refused() {
        let told = Reader::new(settings(vec![Format::w37(), Format::w26(), Format::w37_facility()])).err();
        assert!(told.unwrap().to_string().contains("h10302 and h10304 both have 37 bits"));
    }

    proptest! {
        #[test]
        fn any_card_survives_its_pulses_at_any_pace_a_reader_may_have(
            facility in 0u64..256, number in 0u64..65536, interval in 200u64..20_000
        ) {
            let mut reader = reader(vec![Format::w26()]);
            let pace = Pace { interval: Duration::from_micros(interval), ..Pace::default() };
            let frame = card(facility, number);
            let from = Mono::from_millis(5000);
            prop_assert!(pace.pulses(&frame, from).all(|pulse| reader.pulse(pulse).is_none()));
            let reading = reader.tick(pace.end(&frame, from));
            let expected = Card { format: "h10301".into(), facility: Some(facility), number };
            prop_assert_eq!(reading, Some(Reading::Credential(Credential::Card(expected))));
        }

        #[test]
        fn q4_no_noise_panics_or_yields_a_card_that_was_not_on_the_wires(
            steps in proptest::collection::vec((any::<bool>(), 0u64..4000, any::<bool>()), 0..400)
        ) {
            let formats = vec![Format::w26(), Format::w34(), Format::w37()];
            let mut reader = reader(formats.clone());
            let (mut at, mut burst, mut spoiled) = (1_000_000, Frame::default(), false);
            for (one, gap, pause) in steps {
                let gap = if pause { gap * 20 } else { gap };
                at += gap;
                let ended = (gap >= 25_000).then_some((burst, spoiled));
                if ended.is_some() {
                    (burst, spoiled) = (Frame::default(), false);
                } else if gap < 100 && burst.len() > 0 {
                    spoiled = true;
                }
                let wire = if one { Wire::One } else { Wire::Zero };
                let longer = burst.with(wire);
                spoiled |= longer.is_none();
                burst = longer.unwrap_or(burst);
                let reading = reader.pulse(Pulse { wire, at: Mono(at) });
                if let Some(Reading::Credential(Credential::Card(card))) = reading {
                    let (sent, spoiled) = ended.expect("a card comes after a silence");
                    prop_assert!(!spoiled);
                    let format = formats.iter().find(|format| format.name() == card.format).unwrap();
                    prop_assert_eq!(format.encode(card.facility, card.number).unwrap(), sent);
                }
            }
        }
    }
}
