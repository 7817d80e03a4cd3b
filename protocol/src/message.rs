//! What envelopes carry: each kind of message is one type with one deterministic encoding.

use minicbor::bytes::ByteSlice;
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

use crate::envelope::{self, EnvelopeFault, Heading, Kind};

/// A kind of message.
pub trait Payload: Encode<()> + for<'b> Decode<'b, ()> {
    /// Which one.
    const KIND: Kind;
}

/// Bytes are not the message that their envelope says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadFault {
    /// Not the CBOR of such a message.
    #[error("not a {kind}: {why}", kind = .kind.name())]
    Malformed {
        /// What it should be.
        kind: Kind,
        /// Why it is not.
        why: String,
    },
    /// Readable, but not in the one encoding: unknown or duplicate keys, longer integers, bytes behind it.
    #[error("the encoding of this {} is not the deterministic one", .0.name())]
    Encoding(Kind),
}

/// Reads a message.
///
/// # Errors
/// [`PayloadFault`].
pub fn read<T: Payload>(bytes: &[u8]) -> Result<T, PayloadFault> {
    let malformed = |e: decode::Error| PayloadFault::Malformed { kind: T::KIND, why: e.to_string() };
    let message: T = minicbor::decode(bytes).map_err(malformed)?;
    if write(&message) == bytes { Ok(message) } else { Err(PayloadFault::Encoding(T::KIND)) }
}

/// Deterministic CBOR of a message.
pub fn write<T: Payload>(message: &T) -> Vec<u8> {
    minicbor::to_vec(message).expect("writing to a vector cannot fail")
}

/// Writes and signs a message. The heading's kind must be the message's.
///
/// # Errors
/// [`EnvelopeFault::TooLong`].
///
/// # Panics
/// If the heading is that of another kind of message.
pub fn sign<T: Payload>(
    heading: &Heading,
    message: &T,
    key: &ed25519_dalek::SigningKey,
) -> Result<Vec<u8>, EnvelopeFault> {
    assert_eq!(heading.kind, T::KIND, "the heading says what the message is");
    envelope::sign(heading, write(message), key)
}

/// Bytes that only their receiver can read, or that another layer reads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Opaque(pub Vec<u8>);

impl<C> Encode<C> for Opaque {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Opaque {
    fn decode(d: &mut Decoder<'b>, context: &mut C) -> Result<Self, decode::Error> {
        let bytes: &ByteSlice = Decode::decode(d, context)?;
        Ok(Self(bytes.to_vec()))
    }
}
