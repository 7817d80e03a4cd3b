//! The lock's relay.

use doorward_core::audit::Recorded;
use doorward_core::decision::Grant;

/// The relay did not do as told; its state is unknown and must be taken for unlocked until `lock` succeeds.
#[derive(Debug, thiserror::Error)]
#[error("relay {line}: {doing}")]
pub struct RelayFault {
    /// Which line.
    pub line: String,
    /// What was being tried.
    pub doing: &'static str,
    /// The system's answer.
    #[source]
    pub source: std::io::Error,
}

/// One relay. Both calls return within 10 ms; after either returned `Ok` the line has the level asked for.
///
/// A new value is locked: the driver drives the safe level before its constructor returns. Dropping it locks.
pub trait Relay: Send {
    /// Releases the lock. Takes only a grant that is on record.
    ///
    /// # Errors
    /// [`RelayFault`].
    fn unlock(&mut self, grant: &Recorded<Grant>) -> Result<(), RelayFault>;

    /// Locks. Idempotent.
    ///
    /// # Errors
    /// [`RelayFault`].
    fn lock(&mut self) -> Result<(), RelayFault>;
}
