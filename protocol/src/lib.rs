//! Messages both ends of Doorward share.
//!
//! * [`ids`]: names of persons, doors, terminals and attempts, validated where they enter.
//! * [`hex`]: bytes as people read them.
//! * [`audit`]: what is recorded, its deterministic CBOR, and the hash chain that proves nothing was changed.
//! * [`keys`], [`envelope`], [`message`]: who signs, how, and what.
//! * [`trust`]: from bytes to a message that may have an effect.
//! * [`roster`], [`state_tree`]: the log of everything that changes a site's terminals, and the one hash of where it led.
//! * [`sealing`], [`contents`]: what only a site's terminals can read, and how it is written.
//! * [`denial`]: who is refused at once, before the roster says so.
//! * [`command`]: orders that count once, and their receipts. [`picture`]: one that only whoever ordered it can open.
//! * [`delivery`]: the audit trail on its way to the centre.
//! * [`presence`]: how a terminal is, what it holds, and what it wants of the roster.
//! * [`topic`]: where messages travel.

pub mod audit;
pub mod command;
pub mod contents;
pub mod delivery;
pub mod denial;
pub mod envelope;
pub mod hex;
pub mod ids;
pub mod joining;
pub mod keys;
pub mod message;
pub mod picture;
pub mod presence;
pub mod roster;
pub mod sealing;
pub mod state_tree;
pub mod topic;
pub mod trust;
