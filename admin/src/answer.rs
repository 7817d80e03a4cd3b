//! How a command ends: done, refused (a normal negative answer), or broken. The three have exit codes of their own, so
//! that scripts can tell "this person was not enrolled because two faces are in the photo" from "the disk is gone".

use std::fmt::Display;
use std::io;

/// What a command returns.
pub type Answer<T = ()> = Result<T, Stop>;

/// Why a command ended early.
#[derive(Debug)]
pub enum Stop {
    /// doorctl understood, looked, and the answer is no. The text says what to do.
    Refused(String),
    /// Something is broken, missing, or was called wrongly.
    Fault(anyhow::Error),
    /// Nobody reads the output any more.
    Unheard,
}

impl Stop {
    /// The exit code of a refusal; a fault has 1, and so has wrong usage.
    pub const REFUSED: u8 = 2;

    /// A refusal in these words.
    #[must_use]
    pub fn refused(why: impl Display) -> Self {
        Self::Refused(why.to_string())
    }
}

impl From<anyhow::Error> for Stop {
    fn from(fault: anyhow::Error) -> Self {
        Self::Fault(fault)
    }
}

/// Output that cannot be written. Files say what they are with a context of their own.
impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        match error.kind() == io::ErrorKind::BrokenPipe {
            true => Self::Unheard,
            false => Self::Fault(anyhow::Error::new(error).context("write the output")),
        }
    }
}
