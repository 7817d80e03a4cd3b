//! The proof that something is on record. [`Recorded`] is the one clever type of this house: a value of it exists only
//! after the journal said that the entry is durable, and the relay takes nothing else.

use doorward_protocol::audit::What;

use crate::decision::{Answer, Auditable, Decision, Grant};
use crate::time::Wall;

/// Why an entry is not on record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalFault {
    /// No space left, or the bound on rows is reached and nothing could be dropped.
    #[error("the audit store is full")]
    Full,
    /// The disk or the database failed.
    #[error("the audit store failed: {0}")]
    Broken(String),
    /// The disk did not answer in time.
    #[error("the audit store did not answer within {0} ms")]
    TimedOut(u64),
}

/// The append-only record. `append` returns only when the entry survives a power cut, or with the reason why it does
/// not; after a fault the chain is unchanged.
pub trait Journal {
    /// Appends one entry and returns its sequence number.
    ///
    /// # Errors
    /// [`JournalFault`]; nothing was appended.
    fn append(&mut self, what: &What, at: Wall) -> Result<u64, JournalFault>;
}

/// The disk under a terminal: the record, and who is enrolled.
pub trait Disk: Journal {
    /// Erases everybody who is enrolled, with the keys that anything of them was sealed by; durable when it returns.
    /// The record stays.
    ///
    /// # Errors
    /// [`JournalFault`]; it has to be tried again.
    fn erase_everybody(&mut self, at: Wall) -> Result<(), JournalFault>;
}

/// A subject whose audit entry is durable.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded<T> {
    subject: T,
    seq: u64,
}

/// Puts a subject on record.
///
/// # Errors
/// [`JournalFault`]; the subject is then not recorded and nothing may come of it.
pub fn record<T: Auditable>(
    journal: &mut dyn Journal,
    subject: T,
    at: Wall,
) -> Result<Recorded<T>, JournalFault> {
    let seq = journal.append(&subject.what(), at)?;
    Ok(Recorded { subject, seq })
}

impl<T> Recorded<T> {
    /// What was recorded.
    #[must_use]
    pub fn subject(&self) -> &T {
        &self.subject
    }

    /// Where: the sequence number of the entry.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }
}

impl Recorded<Decision> {
    /// The recorded grant, if the decision was one.
    #[must_use]
    pub fn grant(&self) -> Option<Recorded<Grant>> {
        match &self.subject.answer {
            Answer::Grant(grant) => Some(Recorded { subject: grant.clone(), seq: self.seq }),
            Answer::Deny(_) => None,
        }
    }
}
