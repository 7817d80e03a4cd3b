//! What is sealed in a roster's entries: a person's record, a face template, a card, PIN or code, a consent.
//!
//! Each has its form, which stands beside the sealed bytes and is sealed with them: whoever does not know a form leaves
//! the content out and says so. As with messages, one content has one encoding. All of it is wiped when dropped, and
//! `Debug` shows none of it.

use std::fmt;

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::message::Text;
use crate::roster::Slot;
use crate::sealing::CONTENT_LEN_MAX;

/// Bytes of a display name: long double names in any script.
pub const NAME_LEN_MAX: usize = 256;
/// Bytes of a template's source, a short code.
pub const SOURCE_LEN_MAX: usize = 32;
/// Values of a template: what published face models use at most, doubled.
pub const VALUES_MAX: usize = 1024;
/// Bytes of the name of a card's format.
pub const FORMAT_LEN_MAX: usize = 64;
/// Digits of a PIN (ISO 9564-1).
const PIN_LEN_MAX: usize = 12;
/// Bytes of a code's random number.
const TOKEN_LEN: usize = 16;
/// The longest term of a consent, seconds: a leap year. Whoever goes on agreeing is asked again within it.
pub const CONSENT_TERM_MAX_S: i64 = 366 * 24 * 3600;

/// The rule that holds who may pass when: a setting, because it is no secret.
pub const ACCESS: &str = "access";
/// Its form: the text of the rules.
pub const ACCESS_FORM: u16 = 1;

/// One kind of content.
pub trait Content: Encode<()> + for<'b> Decode<'b, ()> + ZeroizeOnDrop {
    /// Where it goes.
    const SLOT: Slot;
    /// The form that is written.
    const FORM: u16;

    /// Whether it is within its bounds, as far as its encoding does not say.
    fn sound(&self) -> bool;
}

/// A content that is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContentFault {
    /// Of a later version, or of none.
    #[error("the form {0} is not known here")]
    Form(u16),
    /// Not what its form says.
    #[error("the content is not what its form says")]
    Malformed,
}

/// A person's record, form 1.
#[derive(Clone, PartialEq, Eq, Encode, Decode, Zeroize, ZeroizeOnDrop)]
#[cbor(map)]
pub struct Record {
    /// The name that people are shown.
    #[n(0)]
    pub name: Text<NAME_LEN_MAX>,
    /// First moment of the right to pass, milliseconds since 1970; none: always.
    #[n(1)]
    pub valid_from_ms: Option<i64>,
    /// First moment after it, milliseconds since 1970; none: without end.
    #[n(2)]
    pub valid_until_ms: Option<i64>,
    /// Whether the right is suspended.
    #[n(3)]
    pub suspended: bool,
}

/// A face template, form 1: as the model made it, because each terminal transforms by a key of its own.
#[derive(Clone, PartialEq, Eq, Encode, Decode, Zeroize, ZeroizeOnDrop)]
#[cbor(map)]
pub struct Template {
    /// SHA-256 of the embedding model.
    #[n(0)]
    #[zeroize(skip)]
    pub model: ByteArray<32>,
    /// Version of alignment and normalisation.
    #[n(1)]
    pub preprocessing: u16,
    /// 32-bit floats, little endian.
    #[cbor(n(2), with = "minicbor::bytes")]
    values: Vec<u8>,
    /// Where it came from: `photo_supervised`, `photo`, `recording`, `terminal`.
    #[n(3)]
    pub source: Text<SOURCE_LEN_MAX>,
    /// When it was made, milliseconds since 1970.
    #[n(4)]
    pub created_ms: i64,
}

/// A card, PIN or code with its terms, form 1.
#[derive(Clone, PartialEq, Eq, Encode, Decode, Zeroize, ZeroizeOnDrop)]
#[cbor(map)]
pub struct Credential {
    /// What is shown.
    #[n(0)]
    pub shown: Shown,
    /// Whether it opens without a face, where the door allows that.
    #[n(1)]
    pub without_face: bool,
    /// Whether it is good for one grant only.
    #[n(2)]
    pub once: bool,
    /// First moment at which it is worth nothing, milliseconds since 1970; none: for ever.
    #[n(3)]
    pub valid_until_ms: Option<i64>,
}

/// What somebody shows.
#[derive(Clone, PartialEq, Eq, Encode, Decode, Zeroize, ZeroizeOnDrop)]
pub enum Shown {
    /// A card.
    #[n(0)]
    Card {
        /// Name of its format.
        #[n(0)]
        format: Text<FORMAT_LEN_MAX>,
        /// Facility code, where the format has one.
        #[n(1)]
        facility: Option<u64>,
        /// Number.
        #[n(2)]
        number: u64,
    },
    /// The digits of a PIN.
    #[n(1)]
    Pin(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    /// The random number of a QR code.
    #[n(2)]
    Qr(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
}

/// What a person agrees to, form 1: for one purpose, from one moment to another. It stands under its purpose's number.
#[derive(Clone, PartialEq, Eq, Encode, Decode, Zeroize, ZeroizeOnDrop)]
#[cbor(map)]
pub struct Consent {
    /// To what.
    #[n(0)]
    #[zeroize(skip)]
    pub purpose: Purpose,
    /// First moment, seconds since 1970.
    #[n(1)]
    pub from_s: i64,
    /// First moment after it, seconds since 1970; at most [`CONSENT_TERM_MAX_S`] later.
    #[n(2)]
    pub until_s: i64,
}

/// What can be agreed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Purpose {
    /// Pictures of this person may be taken on order.
    #[n(0)]
    Picture,
}

impl Purpose {
    /// Every purpose, in the order of their numbers.
    pub const ALL: [Purpose; 1] = [Purpose::Picture];

    /// Its number: under it the consent stands among what a person has.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Purpose::Picture => 0,
        }
    }

    /// The purpose with this number.
    #[must_use]
    pub fn numbered(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.number() == number)
    }
}

impl Content for Record {
    const SLOT: Slot = Slot::Record;
    const FORM: u16 = 1;

    fn sound(&self) -> bool {
        true
    }
}

impl Content for Template {
    const SLOT: Slot = Slot::Template;
    const FORM: u16 = 1;

    fn sound(&self) -> bool {
        let (values, rest) = self.values.as_chunks::<4>();
        rest.is_empty() && (1..=VALUES_MAX).contains(&values.len())
    }
}

impl Content for Credential {
    const SLOT: Slot = Slot::Credential;
    const FORM: u16 = 1;

    fn sound(&self) -> bool {
        match &self.shown {
            Shown::Card { .. } => true,
            Shown::Pin(digits) => digits.len() <= PIN_LEN_MAX,
            Shown::Qr(token) => token.len() == TOKEN_LEN,
        }
    }
}

impl Content for Consent {
    const SLOT: Slot = Slot::Consent;
    const FORM: u16 = 1;

    fn sound(&self) -> bool {
        let term = self.until_s.checked_sub(self.from_s);
        term.is_some_and(|term| (1..=CONSENT_TERM_MAX_S).contains(&term))
    }
}

impl Template {
    /// A template of these values.
    ///
    /// # Panics
    /// For more than [`VALUES_MAX`] values, or none.
    #[must_use]
    pub fn new(
        model: [u8; 32],
        preprocessing: u16,
        values: &[f32],
        source: Text<SOURCE_LEN_MAX>,
        created_ms: i64,
    ) -> Self {
        let mut bytes = Vec::with_capacity(4 * values.len());
        values.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
        let template = Self { model: model.into(), preprocessing, values: bytes, source, created_ms };
        assert!(template.sound(), "a template has 1 to {VALUES_MAX} values");
        template
    }

    /// Its values, which may be anything that 32 bits can say.
    #[must_use]
    pub fn values(&self) -> Zeroizing<Vec<f32>> {
        let (values, _) = self.values.as_chunks::<4>();
        Zeroizing::new(values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }
}

/// Writes a content, to be sealed under its form.
#[must_use]
pub fn write<T: Content>(content: &T) -> Zeroizing<Vec<u8>> {
    // Reserved to its full length at once: a vector that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(CONTENT_LEN_MAX));
    minicbor::encode(content, &mut *bytes).expect("writing to a vector cannot fail");
    bytes
}

/// Reads a content of a form.
///
/// # Errors
/// [`ContentFault`].
pub fn read<T: Content>(form: u16, bytes: &[u8]) -> Result<T, ContentFault> {
    if form != T::FORM {
        return Err(ContentFault::Form(form));
    }
    let content: T = minicbor::decode(bytes).map_err(|_| ContentFault::Malformed)?;
    let same = content.sound() && write(&content).as_slice() == bytes;
    if same { Ok(content) } else { Err(ContentFault::Malformed) }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Record")
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({} values)", self.values.len() / 4)
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({:?})", self.shown)
    }
}

impl fmt::Debug for Consent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Consent({:?})", self.purpose)
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Shown::Card { .. } => "Card",
            Shown::Pin(_) => "Pin",
            Shown::Qr(_) => "Qr",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record() -> Record {
        Record { name: Text::cut("Ada"), valid_from_ms: Some(-5), valid_until_ms: None, suspended: true }
    }

    fn template(values: &[f32]) -> Template {
        Template::new([7; 32], 3, values, Text::cut("photo"), 1000)
    }

    fn credential(shown: Shown) -> Credential {
        Credential { shown, without_face: true, once: false, valid_until_ms: Some(9) }
    }

    fn consent(from_s: i64, until_s: i64) -> Consent {
        Consent { purpose: Purpose::Picture, from_s, until_s }
    }

    fn card() -> Shown {
        Shown::Card { format: Text::cut("h10301"), facility: Some(17), number: 4711 }
    }

    fn comes_back<T: Content + PartialEq + fmt::Debug>(content: &T) {
        let bytes = write(content);
        assert_eq!(read::<T>(T::FORM, &bytes).as_ref(), Ok(content));
        assert_eq!(read::<T>(T::FORM + 1, &bytes), Err(ContentFault::Form(T::FORM + 1)));
        let behind = [bytes.as_slice(), &[0]].concat();
        assert_eq!(read::<T>(T::FORM, &behind), Err(ContentFault::Malformed));
        assert_eq!(read::<T>(T::FORM, &bytes[..bytes.len() - 1]), Err(ContentFault::Malformed));
    }

    #[test]
    fn what_was_written_is_read_under_its_form_and_no_other() {
        comes_back(&record());
        comes_back(&template(&[0.5, -0.25, f32::NAN.copysign(1.0)]));
        for shown in [card(), Shown::Pin(b"4711".to_vec()), Shown::Qr(vec![9; TOKEN_LEN])] {
            comes_back(&credential(shown));
        }
        comes_back(&consent(100, 101));
        assert_eq!(*template(&[0.5, -0.25]).values(), [0.5, -0.25]);
    }

    #[test]
    fn m8_contents_beyond_their_bounds_are_not_read() {
        let malformed = Err(ContentFault::Malformed);
        for values in [Vec::new(), vec![0; 7], vec![0; 4 * VALUES_MAX + 4]] {
            let mut odd = template(&[1.0]);
            odd.values = values;
            assert_eq!(read::<Template>(1, &write(&odd)).map(drop), malformed);
        }
        for shown in [Shown::Pin(vec![b'1'; 13]), Shown::Qr(vec![1; 15])] {
            assert_eq!(read::<Credential>(1, &write(&credential(shown))).map(drop), malformed);
        }
        let long = minicbor::to_vec([(0, "n".repeat(NAME_LEN_MAX + 1))]).unwrap();
        assert_eq!(read::<Record>(1, &long).map(drop), malformed);
        assert!(write(&template(&[0.5; VALUES_MAX])).len() < CONTENT_LEN_MAX);
    }

    #[test]
    fn r2_a_consent_has_an_end_within_a_year_or_it_is_none() {
        let read = |from_s, until_s| read::<Consent>(1, &write(&consent(from_s, until_s)));
        assert!(read(100, 100 + CONSENT_TERM_MAX_S).is_ok());
        let endless = [(100, i64::MAX), (i64::MIN, i64::MAX), (100, 101 + CONSENT_TERM_MAX_S)];
        for (from_s, until_s) in endless.into_iter().chain([(100, 100), (100, 99)]) {
            assert_eq!(read(from_s, until_s), Err(ContentFault::Malformed), "{from_s} to {until_s}");
        }
        let unknown =
            minicbor::to_vec(std::collections::BTreeMap::from([(0, 7), (1, 100), (2, 101)])).unwrap();
        assert_eq!(
            super::read::<Consent>(1, &unknown),
            Err(ContentFault::Malformed),
            "for a purpose of later"
        );
        assert!(Purpose::ALL.into_iter().all(|purpose| Purpose::numbered(purpose.number()) == Some(purpose)));
    }

    #[test]
    fn h4_debug_output_shows_no_content() {
        let all = (record(), template(&[0.5]), credential(card()), consent(1, 2));
        assert_eq!(format!("{all:?}"), "(Record, Template(1 values), Credential(Card), Consent(Picture))");
    }

    proptest! {
        #[test]
        fn m8_any_bytes_are_read_or_refused_and_what_is_read_has_one_encoding(
            bytes in proptest::collection::vec(any::<u8>(), 0..300), form in 0u16..3
        ) {
            if let Ok(record) = read::<Record>(form, &bytes) {
                prop_assert_eq!(write(&record), Zeroizing::new(bytes.clone()));
            }
            if let Ok(template) = read::<Template>(form, &bytes) {
                prop_assert_eq!(write(&template), Zeroizing::new(bytes.clone()));
            }
            if let Ok(credential) = read::<Credential>(form, &bytes) {
                prop_assert_eq!(write(&credential), Zeroizing::new(bytes.clone()));
            }
        }

        #[test]
        fn m8_a_content_with_any_byte_changed_is_read_or_refused(at in 0usize..200, bit in 0u8..8) {
            let mut bytes = write(&template(&[0.5; 30]));
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            if let Ok(template) = read::<Template>(1, &bytes) {
                prop_assert_eq!(write(&template), bytes);
            }
        }
    }
}
