//! What somebody shows to say who they are: a card, a PIN, a QR code. Plain values of untrusted origin; whom one belongs
//! to, only a store knows, and it keeps none of them in clear.

use std::fmt;
use std::fmt::Write as _;

use doorward_protocol::audit::CredentialKind;
use zeroize::Zeroizing;

/// Shortest PIN: four digits and the lockout after five wrong ones are what banks hold to be enough.
pub const PIN_LEN_MIN: usize = 4;
/// Longest PIN (ISO 9564-1).
pub const PIN_LEN_MAX: usize = 12;

/// The longest QR payload that is looked at; a token is much shorter.
pub const PAYLOAD_LEN_MAX: usize = 256;

/// How a token's payload begins: program and version, in the characters QR codes pack best.
const TOKEN_MARK: &str = "DW1:";
/// Bytes of a token: 128 random bits are not guessed.
pub const TOKEN_LEN: usize = 16;

/// A card: everything its frame says. Its `Debug` tells the format only.
#[derive(Clone, PartialEq, Eq)]
pub struct Card {
    /// Name of the format.
    pub format: String,
    /// Facility code, where the format has one.
    pub facility: Option<u64>,
    /// Number.
    pub number: u64,
}

/// The digits of a PIN; wiped when dropped, and not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Pin(Zeroizing<Vec<u8>>);

/// The random number of a QR code; wiped when dropped, and not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Zeroizing<[u8; TOKEN_LEN]>);

/// Any of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A card at a reader.
    Card(Card),
    /// A PIN at a keypad.
    Pin(Pin),
    /// A QR code before the camera.
    Qr(Token),
}

impl Credential {
    /// Which kind.
    #[must_use]
    pub fn kind(&self) -> CredentialKind {
        match self {
            Credential::Card(_) => CredentialKind::Card,
            Credential::Pin(_) => CredentialKind::Pin,
            Credential::Qr(_) => CredentialKind::Qr,
        }
    }

    /// All of it in bytes, so that two that differ in anything have different bytes: what a store derives its code from.
    #[must_use]
    pub fn written(&self) -> Zeroizing<Vec<u8>> {
        match self {
            Credential::Card(card) => card.written(),
            Credential::Pin(Pin(digits)) => digits.clone(),
            Credential::Qr(Token(bytes)) => Zeroizing::new(bytes.to_vec()),
        }
    }
}

impl Card {
    /// See [`Credential::written`]. The numbers come first and have a fixed length, so nothing can be shifted.
    #[must_use]
    pub fn written(&self) -> Zeroizing<Vec<u8>> {
        let facility = self.facility.map_or([0; 9], |facility| {
            let mut bytes = [1; 9];
            bytes[1..].copy_from_slice(&facility.to_le_bytes());
            bytes
        });
        Zeroizing::new([&facility[..], &self.number.to_le_bytes(), self.format.as_bytes()].concat())
    }
}

impl Pin {
    /// A PIN of ASCII digits; `None` for anything else.
    #[must_use]
    pub fn from_digits(digits: &[u8]) -> Option<Self> {
        let length = (PIN_LEN_MIN..=PIN_LEN_MAX).contains(&digits.len());
        (length && digits.iter().all(u8::is_ascii_digit)).then(|| Self(Zeroizing::new(digits.to_vec())))
    }

    /// Whether it is among the first that anybody tries: one digit repeated, or digits that count up or down.
    #[must_use]
    pub fn is_obvious(&self) -> bool {
        let steps = |step: i16| self.0.windows(2).all(|pair| i16::from(pair[1]) - i16::from(pair[0]) == step);
        [-1, 0, 1].into_iter().any(steps)
    }
}

impl Token {
    /// A token of random bytes.
    #[must_use]
    pub fn new(random: Zeroizing<[u8; TOKEN_LEN]>) -> Self {
        Self(random)
    }

    /// The token of a QR payload; `None` for everything that is not exactly one (attack case Q1).
    #[must_use]
    pub fn from_payload(payload: &[u8]) -> Option<Self> {
        let digits = payload.strip_prefix(TOKEN_MARK.as_bytes())?;
        if digits.len() != 2 * TOKEN_LEN {
            return None;
        }
        let mut token = Self(Zeroizing::new([0; TOKEN_LEN]));
        for (byte, pair) in token.0.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = 16 * nibble(pair[0])? + nibble(pair[1])?;
        }
        Some(token)
    }

    /// What the QR code holds.
    #[must_use]
    pub fn payload(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(TOKEN_MARK.len() + 2 * TOKEN_LEN));
        text.push_str(TOKEN_MARK);
        for byte in self.0.iter() {
            write!(text, "{byte:02X}").expect("writing to a string cannot fail");
        }
        text
    }
}

/// Capital letters only: one token has one payload.
fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

impl fmt::Debug for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Card({})", self.format)
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin")
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token() -> Token {
        Token::new(Zeroizing::new(std::array::from_fn(|i| u8::try_from(17 * i).unwrap())))
    }

    #[test]
    fn q1_hostile_payloads_are_no_tokens() {
        let good = token().payload();
        assert_eq!(*good, "DW1:00112233445566778899AABBCCDDEEFF");
        let long = "A".repeat(4096);
        let hostile: [&[u8]; 14] = [
            b"",
            b"' OR 1=1 --",
            b"DW1:",
            b"DW1:' OR 1=1 --00000000000000000",
            b"DW1:00112233445566778899AABBCCDDEEF",
            b"DW1:00112233445566778899AABBCCDDEEFF0",
            b"DW1:00112233445566778899aabbccddeeff",
            b"dw1:00112233445566778899AABBCCDDEEFF",
            b"DW2:00112233445566778899AABBCCDDEEFF",
            b"DW1:00112233445566778899AABBCCDDEEF\0",
            b"DW1:00112233445566778899AABBCCDDEEFF\n",
            b"DW1:\x1b[2J112233445566778899AABBCCDDEEF",
            &[0xff; 36],
            long.as_bytes(),
        ];
        for payload in hostile {
            assert!(Token::from_payload(payload).is_none(), "{}", payload.escape_ascii());
        }
        assert!(Token::from_payload(good.as_bytes()) == Some(token()));
    }

    #[test]
    fn pins_are_four_to_twelve_digits() {
        for no in ["", "123", "1234567890123", "12a4", "１２３４", " 1234", "-123"] {
            assert!(Pin::from_digits(no.as_bytes()).is_none(), "{no:?}");
        }
        assert!(Pin::from_digits(b"0000").is_some() && Pin::from_digits(b"123456789012").is_some());
    }

    #[test]
    fn q3_the_pins_everybody_tries_first_are_known() {
        let obvious = |pin: &str| Pin::from_digits(pin.as_bytes()).unwrap().is_obvious();
        assert!(["0000", "9999999", "1234", "56789", "4321"].into_iter().all(obvious));
        assert!(!["4711", "1235", "0890", "1010"].into_iter().any(obvious));
    }

    #[test]
    fn h4_debug_output_shows_no_number() {
        let card = Card { format: "h10301".into(), facility: Some(17), number: 4711 };
        let all = [
            Credential::Card(card),
            Credential::Pin(Pin::from_digits(b"4711").unwrap()),
            Credential::Qr(token()),
        ];
        assert_eq!(format!("{all:?}"), "[Card(Card(h10301)), Pin(Pin), Qr(Token)]");
    }

    proptest! {
        #[test]
        fn q1_only_a_tokens_own_payload_is_that_token(payload in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Some(token) = Token::from_payload(&payload) {
                let own = token.payload();
                prop_assert_eq!(own.as_bytes(), payload.as_slice());
            }
        }

        #[test]
        fn q5_cards_that_differ_are_written_differently(
            a in (proptest::option::of(0u64..4), 0u64..4, 0usize..2), b in (proptest::option::of(0u64..4), 0u64..4, 0usize..2)
        ) {
            let card = |(facility, number, format): (_, _, usize)| {
                Card { format: ["x", "y"][format].into(), facility, number }
            };
            prop_assert_eq!(card(a) == card(b), card(a).written() == card(b).written());
        }
    }
}
