//! What envelopes carry: each kind of message is one type with one deterministic encoding.

use std::ops::Deref;

use minicbor::bytes::ByteSlice;
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use zeroize::Zeroize;

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

/// A text of at most `MAX` bytes; a longer one is not read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Text<const MAX: usize>(String);

impl<const MAX: usize> Text<MAX> {
    /// As much of `text` as fits.
    #[must_use]
    pub fn cut(text: &str) -> Self {
        Self(text[..text.floor_char_boundary(MAX)].to_owned())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> Zeroize for Text<MAX> {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

impl<C, const MAX: usize> Encode<C> for Text<MAX> {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.str(&self.0)?.ok()
    }
}

impl<'b, C, const MAX: usize> Decode<'b, C> for Text<MAX> {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        let text = d.str()?;
        if text.len() > MAX {
            return Err(decode::Error::message(format!("a text of {} bytes, {MAX} are allowed", text.len())));
        }
        Ok(Self(text.to_owned()))
    }
}

/// At most `MAX` of something; a longer list is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List<T, const MAX: usize>(Vec<T>);

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MAX: usize> List<T, MAX> {
    /// The first `MAX` of `all`.
    pub fn first(all: impl IntoIterator<Item = T>) -> Self {
        Self(all.into_iter().take(MAX).collect())
    }
}

impl<T, const MAX: usize> Deref for List<T, MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<C, T: Encode<C>, const MAX: usize> Encode<C> for List<T, MAX> {
    fn encode<W: encode::Write>(
        &self,
        e: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        self.0.encode(e, context)
    }
}

impl<'b, C, T: Decode<'b, C>, const MAX: usize> Decode<'b, C> for List<T, MAX> {
    fn decode(d: &mut Decoder<'b>, context: &mut C) -> Result<Self, decode::Error> {
        let mut list = Vec::new();
        for one in d.array_iter_with(context)? {
            if list.len() == MAX {
                return Err(decode::Error::message(format!("a list of more than {MAX}")));
            }
            list.push(one?);
        }
        Ok(Self(list))
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m8_texts_and_lists_beyond_their_bounds_are_not_read() {
        let five = minicbor::to_vec("ääx").unwrap();
        assert_eq!(minicbor::decode::<Text<5>>(&five).unwrap().as_str(), "ääx");
        assert!(minicbor::decode::<Text<4>>(&five).is_err());
        assert_eq!(Text::<3>::cut("ääx").as_str(), "ä", "no letter is cut in two");
        let three = minicbor::to_vec([1u8, 2, 3]).unwrap();
        assert_eq!(minicbor::decode::<List<u8, 3>>(&three).unwrap(), List::first([1, 2, 3]));
        assert!(minicbor::decode::<List<u8, 2>>(&three).is_err());
        assert_eq!(*List::<u8, 2>::first([1, 2, 3]), [1, 2]);
    }
}
