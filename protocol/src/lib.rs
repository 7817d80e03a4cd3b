//! Messages both ends of Doorward share: identifiers and the audit chain.
//!
//! * [`ids`]: names of persons, doors, terminals and attempts, validated where they enter.
//! * [`audit`]: what is recorded, its deterministic CBOR, and the hash chain that proves nothing was changed.

pub mod audit;
pub mod ids;
