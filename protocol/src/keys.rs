//! Keys by which people and machines are known, and what each may do.

use std::fmt;
use std::str::FromStr;

pub use ed25519_dalek::SigningKey;
use ed25519_dalek::{Signature, VerifyingKey};
use minicbor::bytes::{ByteArray, ByteSlice};
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use sha2::{Digest as _, Sha256};

use crate::hex::{hex, unhex};

/// Bytes of a key's name.
const KEY_ID_LEN: usize = 16;

/// The name of a key: the first half of the SHA-256 of its public half.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; KEY_ID_LEN]);

impl KeyId {
    /// The name's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The name with these bytes, if it can be one.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl FromStr for KeyId {
    type Err = NoKeyId;

    fn from_str(digits: &str) -> Result<Self, NoKeyId> {
        unhex(digits).map(Self).ok_or(NoKeyId)
    }
}

/// A text that is no name of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the name of a key has 32 hexadecimal digits")]
pub struct NoKeyId;

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl<C> Encode<C> for KeyId {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for KeyId {
    fn decode(d: &mut Decoder<'b>, context: &mut C) -> Result<Self, decode::Error> {
        ByteArray::decode(d, context).map(|bytes| Self(bytes.into()))
    }
}

/// The public half of a key. Weak keys, for which a signature holds over several messages, cannot be made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// The public half of `key`.
    #[must_use]
    pub fn of(key: &SigningKey) -> Self {
        Self(key.verifying_key())
    }

    /// The key with these bytes; none where they are no key or a weak one.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        VerifyingKey::from_bytes(bytes).ok().filter(|key| !key.is_weak()).map(Self)
    }

    /// The key that these 64 hexadecimal digits write.
    #[must_use]
    pub fn parse(digits: &str) -> Option<Self> {
        Self::from_bytes(&unhex(digits)?)
    }

    /// Its bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Its bytes as people read and type them: 64 hexadecimal digits.
    #[must_use]
    pub fn hex(&self) -> String {
        hex(self.0.as_bytes())
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> KeyId {
        let digest = Sha256::digest(self.0.as_bytes());
        KeyId::from_slice(&digest[..KEY_ID_LEN]).expect("half a digest is as long as a name")
    }

    /// Whether `signature` is this key's over `message`, by the strict rule (no second key or signature fits).
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &Signature) -> bool {
        self.0.verify_strict(message, signature).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id())
    }
}

impl<C> Encode<C> for PublicKey {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.bytes(self.0.as_bytes())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for PublicKey {
    fn decode(d: &mut Decoder<'b>, context: &mut C) -> Result<Self, decode::Error> {
        let bytes: &ByteSlice = Decode::decode(d, context)?;
        let key = bytes.as_ref().try_into().ok().and_then(Self::from_bytes);
        key.ok_or_else(|| decode::Error::message("not an Ed25519 key, or a weak one"))
    }
}

/// What a key may do. One key may have several roles; the root has none but to give them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Role {
    /// Puts and erases persons, templates and credentials.
    #[n(0)]
    Enroller,
    /// Orders: unlock, lock, lockdown, release, diagnose, reboot.
    #[n(1)]
    Operator,
    /// Rules, schedules, holidays, doors.
    #[n(2)]
    Policy,
    /// Models and software, and whose key counts.
    #[n(3)]
    Release,
    /// Reads; signs nothing that changes a terminal.
    #[n(4)]
    Auditor,
    /// A terminal: its audit trail, receipts and state.
    #[n(5)]
    Terminal,
    /// A hub: acknowledges, and nothing else.
    #[n(6)]
    Hub,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m2_weak_keys_cannot_be_made() {
        let identity = {
            let mut bytes = [0; 32];
            bytes[0] = 1;
            bytes
        };
        for weak in [[0; 32], identity] {
            assert_eq!(PublicKey::from_bytes(&weak), None);
            let encoded = minicbor::to_vec(ByteArray::from(weak)).unwrap();
            assert!(minicbor::decode::<PublicKey>(&encoded).is_err());
        }
    }

    #[test]
    fn keys_and_their_names_survive_their_encoding() {
        let key = PublicKey::of(&SigningKey::from_bytes(&[3; 32]));
        let bytes = minicbor::to_vec((key, key.id())).unwrap();
        assert_eq!(minicbor::decode::<(PublicKey, KeyId)>(&bytes).unwrap(), (key, key.id()));
        assert_eq!(key.id().to_string().len(), 32);
        assert_eq!(PublicKey::parse(&key.hex()), Some(key));
        assert_eq!(key.id().to_string().parse(), Ok(key.id()));
        assert_eq!("00".parse::<KeyId>(), Err(NoKeyId));
        for digits in ["", "00", &key.hex()[1..], &format!("{}x", &key.hex()[1..]), &"0".repeat(64)] {
            assert_eq!(PublicKey::parse(digits), None, "{digits}");
        }
    }
}
