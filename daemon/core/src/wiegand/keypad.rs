//! Keypads on the same two wires: each key is a burst of its own, of 4 bits, or of 8 whose upper half is the complement
//! of the lower. Keys become a PIN by `#`; `*` starts over.

use std::time::Duration;

use zeroize::Zeroizing;

use super::Frame;
use crate::credential::{PIN_LEN_MAX, Pin};
use crate::time::Mono;

/// How a keypad sends a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keypad {
    /// 4 bits.
    Four,
    /// 8 bits: the complement of the key, then the key.
    Eight,
}

/// A key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// 0 to 9.
    Digit(u8),
    /// `*` or ESC: start over.
    Clear,
    /// `#` or ENT: that was it.
    Enter,
}

impl Keypad {
    /// Bits of a burst.
    #[must_use]
    pub fn bits(self) -> u8 {
        match self {
            Keypad::Four => 4,
            Keypad::Eight => 8,
        }
    }

    /// The key of a burst; `None` for a code no key has, or a complement that does not fit.
    #[must_use]
    pub fn key(self, frame: &Frame) -> Option<Key> {
        let value = match self {
            Keypad::Four if frame.len() == 4 => frame.number(0, 3),
            Keypad::Eight if frame.len() == 8 && frame.number(0, 3) == !frame.number(4, 7) & 0xf => {
                frame.number(4, 7)
            }
            Keypad::Four | Keypad::Eight => return None,
        };
        match value {
            digit @ 0..=9 => Some(Key::Digit(u8::try_from(digit).expect("a digit"))),
            10 => Some(Key::Clear),
            11 => Some(Key::Enter),
            _ => None,
        }
    }

    /// The burst of a key.
    #[must_use]
    pub fn burst(self, key: Key) -> Frame {
        let value = match key {
            Key::Digit(digit) => u64::from(digit & 0xf),
            Key::Clear => 10,
            Key::Enter => 11,
        };
        let bits = match self {
            Keypad::Four => value,
            Keypad::Eight => (!value & 0xf) << 4 | value,
        };
        Frame::new(bits, self.bits()).expect("at most 8 bits")
    }
}

/// What was typed so far. Wiped when it is over; digits beyond the longest PIN are counted, not kept.
#[derive(Clone)]
pub struct Typing {
    digits: Zeroizing<Vec<u8>>,
    count: usize,
    last: Mono,
    within: Duration,
}

/// `#` was pressed after something that is no PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoPin;

impl Typing {
    /// Nothing typed; keys further apart than `within` do not belong together.
    #[must_use]
    pub fn new(within: Duration) -> Self {
        // The room never grows, so that no copy of the digits is left where it was.
        Self { digits: Zeroizing::new(Vec::with_capacity(PIN_LEN_MAX)), count: 0, last: Mono(0), within }
    }

    /// Takes a key; `#` ends it. An empty `#` means nothing.
    ///
    /// # Errors
    /// [`NoPin`].
    pub fn press(&mut self, key: Key, at: Mono) -> Result<Option<Pin>, NoPin> {
        self.forget(at);
        self.last = at;
        match key {
            Key::Clear => self.clear(),
            Key::Digit(digit) => {
                self.count += 1;
                if self.digits.len() < PIN_LEN_MAX {
                    self.digits.push(b'0' + digit % 10);
                }
            }
            Key::Enter if self.count == 0 => {}
            Key::Enter => {
                let pin = (self.count == self.digits.len()).then(|| Pin::from_digits(&self.digits)).flatten();
                self.clear();
                return pin.map(Some).ok_or(NoPin);
            }
        }
        Ok(None)
    }

    /// Forgets keys that nobody continued.
    pub fn forget(&mut self, now: Mono) {
        if now.since(self.last) >= self.within {
            self.clear();
        }
    }

    /// When [`Typing::forget`] has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        (self.count > 0).then(|| self.last + self.within)
    }

    /// Starts over.
    pub fn clear(&mut self) {
        self.digits.iter_mut().for_each(|digit| *digit = 0);
        self.digits.clear();
        self.count = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    /// Types keys a second apart; `*` and `#` as they are.
    fn typed(keys: &str) -> Vec<Result<Pin, NoPin>> {
        let mut typing = Typing::new(Duration::from_secs(10));
        let key = |c: char| match c {
            '*' => Key::Clear,
            '#' => Key::Enter,
            digit => Key::Digit(u8::try_from(digit.to_digit(10).unwrap()).unwrap()),
        };
        (1..)
            .zip(keys.chars())
            .filter_map(|(second, c)| typing.press(key(c), Mono(second * SECOND)).transpose())
            .collect()
    }

    fn pin(digits: &str) -> Result<Pin, NoPin> {
        Ok(Pin::from_digits(digits.as_bytes()).unwrap())
    }

    #[test]
    fn every_key_has_its_burst_in_both_codes() {
        let keys = (0..10).map(Key::Digit).chain([Key::Clear, Key::Enter]);
        for key in keys {
            for keypad in [Keypad::Four, Keypad::Eight] {
                assert!(keypad.key(&keypad.burst(key)) == Some(key));
            }
        }
        assert_eq!(Keypad::Eight.burst(Key::Digit(1)), Frame::new(0xe1, 8).unwrap());
    }

    #[test]
    fn q4_codes_no_key_has_and_wrong_complements_are_no_keys() {
        assert!((12..16).all(|code| Keypad::Four.key(&Frame::new(code, 4).unwrap()).is_none()));
        let keys = (0..256).filter(|code| Keypad::Eight.key(&Frame::new(*code, 8).unwrap()).is_some());
        assert_eq!(keys.count(), 12);
        assert!(Keypad::Four.key(&Keypad::Eight.burst(Key::Digit(1))).is_none());
        assert!(Keypad::Eight.key(&Keypad::Four.burst(Key::Digit(1))).is_none());
    }

    #[test]
    fn hash_ends_a_pin_and_star_starts_over() {
        assert_eq!(typed("4711#"), [pin("4711")]);
        assert_eq!(typed("99*4711#"), [pin("4711")]);
        assert_eq!(typed("#4711##0815#"), [pin("4711"), pin("0815")]);
    }

    #[test]
    fn what_is_too_short_or_too_long_is_no_pin() {
        assert_eq!(typed("123#"), [Err(NoPin)]);
        assert_eq!(typed("123456789012#"), [pin("123456789012")]);
        assert_eq!(typed("1234567890123#"), [Err(NoPin)], "not its first twelve digits");
        assert_eq!(typed(&format!("{}#4711#", "5".repeat(1000))), [Err(NoPin), pin("4711")]);
    }

    #[test]
    fn keys_that_nobody_continues_are_forgotten() {
        let mut typing = Typing::new(Duration::from_secs(10));
        (1..=3).for_each(|s| assert_eq!(typing.press(Key::Digit(1), Mono(s * SECOND)), Ok(None)));
        assert_eq!(typing.deadline(), Some(Mono(13 * SECOND)));
        for s in [13, 14, 15, 16] {
            assert_eq!(typing.press(Key::Digit(2), Mono(s * SECOND)), Ok(None));
        }
        assert_eq!(typing.press(Key::Enter, Mono(17 * SECOND)), Ok(Some(pin("2222").unwrap())));
        assert_eq!(typing.deadline(), None);
    }
}
