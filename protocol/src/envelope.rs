//! The envelope of every signed message: COSE_Sign1 (RFC 9052) with Ed25519 and deterministic CBOR.
//!
//! The bytes that were shipped are verified, and only then is their payload read; nothing is encoded again to be
//! verified. What says whose message it is, for whom, when and as which one of its sender, stands in the protected header as CWT
//! claims (RFC 9597). The external data of the signature names the kind of message, so that a signature over one kind
//! never holds for another.

use coset::TaggedCborSerializable as _;
use coset::cbor::Value;
use coset::iana::{self, EnumI64 as _};
use coset::{CborSerializable as _, ContentType, CoseSign1, CoseSign1Builder, Header, HeaderBuilder, Label};
use ed25519_dalek::{Signature, Signer as _, SigningKey};

use crate::ids::{SiteId, TerminalId};
use crate::keys::{KeyId, PublicKey};

/// The longest message, envelope included. A broker takes it whole; what is longer is sent in parts.
pub const MESSAGE_LEN_MAX: usize = 256 * 1024;

/// The header parameter that carries CWT claims (RFC 9597).
const CWT_CLAIMS: i64 = 15;
/// Private claim: the sender's own count of its messages of this kind.
const SEQUENCE: i64 = -65_537;

/// What a message is about. Says what the external data of its signature is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// One entry of a site's roster.
    Roster,
    /// Who is refused at once, before the roster says so.
    Denial,
    /// An order to one terminal.
    Command,
    /// A terminal's answer to an order.
    Receipt,
    /// Audit records of a terminal.
    Batch,
    /// How far a hub has a terminal's audit trail.
    Acknowledgement,
    /// How a terminal is and what it holds.
    State,
    /// Figures about a terminal's health.
    Health,
    /// A terminal's question for entries of the roster.
    RosterWanted,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 9] = [
        Kind::Roster,
        Kind::Denial,
        Kind::Command,
        Kind::Receipt,
        Kind::Batch,
        Kind::Acknowledgement,
        Kind::State,
        Kind::Health,
        Kind::RosterWanted,
    ];

    /// Its name in content types, contexts and texts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Roster => "roster",
            Kind::Denial => "denial",
            Kind::Command => "command",
            Kind::Receipt => "receipt",
            Kind::Batch => "batch",
            Kind::Acknowledgement => "acknowledgement",
            Kind::State => "state",
            Kind::Health => "health",
            Kind::RosterWanted => "roster-wanted",
        }
    }

    fn content_type(self) -> String {
        format!("application/vnd.doorward.{}+cbor", self.name())
    }

    /// What is signed besides the message; a signature over one kind never holds for another.
    fn external_aad(self) -> Vec<u8> {
        format!("doorward/{}/v1", self.name()).into_bytes()
    }
}

/// What a sender says about a message; all of it is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading {
    /// What the message is.
    pub kind: Kind,
    /// The site it belongs to.
    pub site: SiteId,
    /// The terminal that it is for or, where a terminal speaks, from; none: the whole site.
    pub terminal: Option<TerminalId>,
    /// The sender's own count of its messages of this kind; grows by at least one.
    pub seq: u64,
    /// When it was signed, seconds since 1970-01-01 UTC, by the sender's clock.
    pub issued_s: i64,
    /// When it stops to count, likewise; none: it is history, and stays true.
    pub expires_s: Option<i64>,
}

/// Why bytes are not a message, or not an authentic one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeFault {
    /// Longer than [`MESSAGE_LEN_MAX`].
    #[error("a message has at most {MESSAGE_LEN_MAX} bytes, this one has {0}")]
    TooLong(usize),
    /// Not a COSE_Sign1 in deterministic encoding, or something follows it.
    #[error("not a signed message: {0}")]
    Malformed(String),
    /// A header that is not one of the agreed ones, or not as agreed.
    #[error("header of the message: {0}")]
    Header(&'static str),
    /// Signed by another key than the one asked for.
    #[error("the message names the key {named}, not {asked}")]
    OtherKey {
        /// Whom the message names.
        named: KeyId,
        /// Who was asked for.
        asked: KeyId,
    },
    /// The signature does not hold.
    #[error("the signature of key {0} does not hold")]
    Signature(KeyId),
}

/// Signs `payload`.
///
/// # Errors
/// [`EnvelopeFault::TooLong`].
pub fn sign(heading: &Heading, payload: Vec<u8>, key: &SigningKey) -> Result<Vec<u8>, EnvelopeFault> {
    let length = payload.len();
    let message = CoseSign1Builder::new()
        .protected(protected(heading, &PublicKey::of(key).id()))
        .payload(payload)
        .create_signature(&heading.kind.external_aad(), |bytes| key.sign(bytes).to_bytes().to_vec())
        .build();
    let bytes = message.to_tagged_vec().map_err(|_| EnvelopeFault::TooLong(length))?;
    if bytes.len() > MESSAGE_LEN_MAX { Err(EnvelopeFault::TooLong(bytes.len())) } else { Ok(bytes) }
}

/// A message whose form is right. What it says is not to be had before its signature is checked.
#[derive(Debug, Clone)]
pub struct Envelope {
    heading: Heading,
    key: KeyId,
    message: CoseSign1,
}

/// A message that the holder of a key signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authentic {
    heading: Heading,
    key: KeyId,
    payload: Vec<u8>,
}

impl Envelope {
    /// Reads the form of a message.
    ///
    /// # Errors
    /// [`EnvelopeFault`]; everything that is not exactly as [`sign`] writes it is refused.
    pub fn parse(bytes: &[u8]) -> Result<Self, EnvelopeFault> {
        if bytes.len() > MESSAGE_LEN_MAX {
            return Err(EnvelopeFault::TooLong(bytes.len()));
        }
        let malformed = |e: coset::CoseError| EnvelopeFault::Malformed(e.to_string());
        let message = CoseSign1::from_tagged_slice(bytes).map_err(malformed)?;
        let (heading, key) = heading(&message.protected.header)?;
        // One message has one encoding: duplicate keys, unknown headers, longer integers and unprotected additions all
        // end here.
        let shipped = message.protected.original_data.as_deref();
        let agreed = protected(&heading, &key).to_vec().map_err(malformed)?;
        if shipped != Some(&agreed) || !message.unprotected.is_empty() {
            return Err(EnvelopeFault::Header("it is not exactly the agreed one"));
        }
        if message.clone().to_tagged_vec().map_err(malformed)? != bytes {
            return Err(EnvelopeFault::Malformed("the encoding is not the deterministic one".to_owned()));
        }
        Ok(Self { heading, key, message })
    }

    /// What the sender claims to be; proven by [`Self::verify`] only.
    #[must_use]
    pub fn claimed(&self) -> (&Heading, KeyId) {
        (&self.heading, self.key)
    }

    /// Checks the signature.
    ///
    /// # Errors
    /// [`EnvelopeFault::OtherKey`] or [`EnvelopeFault::Signature`].
    pub fn verify(self, key: &PublicKey) -> Result<Authentic, EnvelopeFault> {
        if key.id() != self.key {
            return Err(EnvelopeFault::OtherKey { named: self.key, asked: key.id() });
        }
        let refused = EnvelopeFault::Signature(self.key);
        let aad = self.heading.kind.external_aad();
        self.message
            .verify_signature(&aad, |signature, signed| {
                Signature::from_slice(signature)
                    .is_ok_and(|s| key.verifies(signed, &s))
                    .then_some(())
                    .ok_or(())
            })
            .map_err(|()| refused)?;
        let payload = self.message.payload.unwrap_or_default();
        Ok(Authentic { heading: self.heading, key: self.key, payload })
    }
}

impl Authentic {
    /// What the sender says about the message.
    #[must_use]
    pub fn heading(&self) -> &Heading {
        &self.heading
    }

    /// Who signed it.
    #[must_use]
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// The message itself.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }
}

/// The header that `heading` is written as.
fn protected(heading: &Heading, key: &KeyId) -> Header {
    let claim = |name: iana::CwtClaimName| Value::from(name.to_i64());
    let text = |text: &str| Value::from(text);
    let mut claims = vec![(claim(iana::CwtClaimName::Iss), text(heading.site.as_str()))];
    if let Some(terminal) = &heading.terminal {
        claims.push((claim(iana::CwtClaimName::Aud), text(terminal.as_str())));
    }
    if let Some(expires_s) = heading.expires_s {
        claims.push((claim(iana::CwtClaimName::Exp), Value::from(expires_s)));
    }
    claims.push((claim(iana::CwtClaimName::Iat), Value::from(heading.issued_s)));
    claims.push((Value::from(SEQUENCE), Value::from(heading.seq)));
    HeaderBuilder::new()
        .algorithm(iana::Algorithm::EdDSA)
        .content_type(heading.kind.content_type())
        .key_id(key.as_bytes().to_vec())
        .value(CWT_CLAIMS, Value::Map(claims))
        .build()
}

/// What a header says.
fn heading(header: &Header) -> Result<(Heading, KeyId), EnvelopeFault> {
    let refused = EnvelopeFault::Header;
    let kind = Kind::ALL
        .into_iter()
        .find(|kind| header.content_type == Some(ContentType::Text(kind.content_type())))
        .ok_or(refused("its content type is none of ours"))?;
    let key = KeyId::from_slice(&header.key_id).ok_or(refused("it names no key"))?;
    let claims = header.rest.iter().find(|(label, _)| *label == Label::Int(CWT_CLAIMS));
    let claims = claims.and_then(|(_, value)| value.as_map()).ok_or(refused("it has no claims"))?;
    let claim = |wanted: i64| {
        let place = claims.iter().find(|(name, _)| *name == Value::from(wanted));
        place.map(|(_, value)| value)
    };
    let site = claim(iana::CwtClaimName::Iss.to_i64()).and_then(Value::as_text);
    let site = site.and_then(|text| text.parse().ok()).ok_or(refused("it names no site"))?;
    let terminal = match claim(iana::CwtClaimName::Aud.to_i64()) {
        None => None,
        Some(value) => {
            let terminal = value.as_text().and_then(|text| text.parse().ok());
            Some(terminal.ok_or(refused("it names something that is no terminal"))?)
        }
    };
    let seq = claim(SEQUENCE).and_then(Value::as_integer).and_then(|seq| u64::try_from(seq).ok());
    let seconds = |name: iana::CwtClaimName| {
        let no_time = refused("it says a time that is none");
        let time =
            |value: &Value| value.as_integer().and_then(|s| i64::try_from(s).ok()).ok_or(no_time.clone());
        claim(name.to_i64()).map(time).transpose()
    };
    Ok((
        Heading {
            kind,
            site,
            terminal,
            seq: seq.ok_or(refused("it has no sequence number"))?,
            issued_s: seconds(iana::CwtClaimName::Iat)?.ok_or(refused("it says no time of issue"))?,
            expires_s: seconds(iana::CwtClaimName::Exp)?,
        },
        key,
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn heading() -> Heading {
        Heading {
            kind: Kind::Command,
            site: "hq".parse().unwrap(),
            terminal: Some("front-1".parse().unwrap()),
            seq: 7,
            issued_s: 1_800_000_000,
            expires_s: Some(1_800_000_030),
        }
    }

    fn opened(bytes: &[u8], key: &SigningKey) -> Result<Authentic, EnvelopeFault> {
        Envelope::parse(bytes)?.verify(&PublicKey::of(key))
    }

    /// A message with a header of the test's own, signed as if it were right.
    fn with_header(change: impl FnOnce(&mut Header)) -> Vec<u8> {
        let mut header = protected(&heading(), &PublicKey::of(&key(1)).id());
        change(&mut header);
        let message = CoseSign1Builder::new().protected(header).payload(b"open".to_vec());
        let signed =
            message.create_signature(&Kind::Command.external_aad(), |b| key(1).sign(b).to_bytes().to_vec());
        signed.build().to_tagged_vec().unwrap()
    }

    #[test]
    fn a_message_comes_back_as_it_was_signed() {
        for (terminal, expires_s) in [(None, None), (heading().terminal, heading().expires_s)] {
            let heading = Heading { terminal, expires_s, ..heading() };
            let bytes = sign(&heading, b"open".to_vec(), &key(1)).unwrap();
            let message = opened(&bytes, &key(1)).unwrap();
            assert_eq!((message.heading(), message.payload()), (&heading, &b"open"[..]));
            assert_eq!(message.key(), PublicKey::of(&key(1)).id());
        }
    }

    #[test]
    fn m2_any_changed_bit_is_refused() {
        let bytes = sign(&heading(), b"open".to_vec(), &key(1)).unwrap();
        for at in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[at / 8] ^= 1 << (at % 8);
            assert!(opened(&changed, &key(1)).is_err(), "bit {at}");
        }
        for length in 0..bytes.len() {
            assert!(opened(&bytes[..length], &key(1)).is_err(), "cut to {length} bytes");
        }
    }

    #[test]
    fn m2_another_key_or_no_signature_is_refused() {
        let bytes = sign(&heading(), b"open".to_vec(), &key(1)).unwrap();
        assert!(matches!(opened(&bytes, &key(2)), Err(EnvelopeFault::OtherKey { .. })));
        let mut unsigned = CoseSign1::from_tagged_slice(&bytes).unwrap();
        unsigned.signature = Vec::new();
        let unsigned = unsigned.to_tagged_vec().unwrap();
        assert!(matches!(opened(&unsigned, &key(1)), Err(EnvelopeFault::Signature(_))));
    }

    #[test]
    fn m2_another_algorithm_is_refused() {
        for algorithm in [None, Some(iana::Algorithm::HMAC_256_256), Some(iana::Algorithm::ES256)] {
            let bytes = with_header(|header| header.alg = algorithm.map(coset::Algorithm::Assigned));
            assert!(matches!(opened(&bytes, &key(1)), Err(EnvelopeFault::Header(_))), "{algorithm:?}");
        }
    }

    #[test]
    fn m2_headers_that_nobody_agreed_on_are_refused() {
        let unknown = with_header(|header| header.rest.push((Label::Int(99), Value::from(1))));
        let critical = with_header(|header| {
            header.crit.push(coset::RegisteredLabelWithPrivate::Assigned(iana::HeaderParameter::Kid));
        });
        let claims = with_header(|header| {
            if let Value::Map(claims) = &mut header.rest[0].1 {
                claims.push((Value::from(SEQUENCE), Value::from(9)));
            }
        });
        for bytes in [unknown, critical, claims] {
            assert!(matches!(opened(&bytes, &key(1)), Err(EnvelopeFault::Header(_))));
        }
        let mut beside = CoseSign1::from_tagged_slice(&with_header(|_| {})).unwrap();
        beside.unprotected.key_id = b"x".to_vec();
        assert!(opened(&beside.to_tagged_vec().unwrap(), &key(1)).is_err(), "an unprotected header");
    }

    #[test]
    fn m4_a_signature_over_one_kind_does_not_hold_for_another() {
        let mut header = protected(&heading(), &PublicKey::of(&key(1)).id());
        header.content_type = Some(ContentType::Text(Kind::Roster.content_type()));
        let message = CoseSign1Builder::new().protected(header).payload(b"open".to_vec());
        let signed =
            message.create_signature(&Kind::Command.external_aad(), |b| key(1).sign(b).to_bytes().to_vec());
        let bytes = signed.build().to_tagged_vec().unwrap();
        assert!(matches!(opened(&bytes, &key(1)), Err(EnvelopeFault::Signature(_))));
    }

    #[test]
    fn what_is_too_long_is_neither_written_nor_read() {
        assert!(matches!(
            sign(&heading(), vec![0; MESSAGE_LEN_MAX], &key(1)),
            Err(EnvelopeFault::TooLong(_))
        ));
        assert!(matches!(Envelope::parse(&vec![0; MESSAGE_LEN_MAX + 1]), Err(EnvelopeFault::TooLong(_))));
    }

    proptest! {
        #[test]
        fn m2_hostile_bytes_never_panic_and_never_pass(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(opened(&bytes, &key(1)).is_err());
            let mut tailed = sign(&heading(), b"open".to_vec(), &key(1)).unwrap();
            tailed.extend_from_slice(&bytes);
            prop_assert_eq!(opened(&tailed, &key(1)).is_ok(), bytes.is_empty());
        }
    }
}
