//! Identifiers. A value of these types has been checked once and is safe in a path, a topic, a query and a log line.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use serde::{Deserialize, Serialize};

/// The longest identifier: fits a UUID, an e-mail address of usual length, and a 64-byte column.
pub const ID_LEN_MAX: usize = 64;

/// An identifier that was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Nothing, or more than [`ID_LEN_MAX`] characters.
    #[error("an identifier has 1 to {ID_LEN_MAX} characters, this one has {0}")]
    Length(usize),
    /// A character outside the allowed set.
    #[error("an identifier uses letters, digits, '.', '_', '-' and '@'; {0:?} is none of them")]
    Character(char),
    /// `.` or `..`, which in a path mean something else.
    #[error("an identifier is not made of dots alone")]
    Dots,
}

fn check(text: &str) -> Result<(), IdError> {
    let length = text.chars().count();
    if length == 0 || length > ID_LEN_MAX {
        return Err(IdError::Length(length));
    }
    if text.chars().all(|c| c == '.') {
        return Err(IdError::Dots);
    }
    match text.chars().find(|c| !(c.is_ascii_alphanumeric() || "._-@".contains(*c))) {
        Some(c) => Err(IdError::Character(c)),
        None => Ok(()),
    }
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The checked text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                check(text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                check(&text)?;
                Ok(Self(text))
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<C> Encode<C> for $name {
            fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
                e.str(&self.0)?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
                d.str()?.parse().map_err(decode::Error::custom)
            }
        }
    };
}

identifier!(
    /// A person as the organisation knows them: an employee number, never a name.
    PersonId
);
identifier!(
    /// One door.
    DoorId
);
identifier!(
    /// One terminal; unique within its site.
    TerminalId
);
identifier!(
    /// A site: the terminals that share a roster and a template transform.
    SiteId
);

/// One attempt to pass: counts up over the life of a terminal's store.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Encode, Decode,
)]
#[cbor(transparent)]
pub struct AttemptId(#[n(0)] pub u64);

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h8_identifiers_that_could_escape_are_refused() {
        for hostile in ["", ".", "..", "a b", "../etc", "a;rm", "$(x)", "a'--", "nul\0", "\u{1b}[2J", "über"]
        {
            assert!(hostile.parse::<PersonId>().is_err(), "{hostile:?} was accepted");
        }
        assert!("x".repeat(65).parse::<PersonId>().is_err());
        assert!("E-1042.b_7@site".parse::<PersonId>().is_ok());
    }
}
