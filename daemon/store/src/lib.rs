//! The terminal's encrypted SQLite store: persons, templates, credentials, consents, rules, audit chain, outbox.
//!
//! What it promises: an audit entry is durable when `append` returns; nothing in the files can be edited, moved,
//! removed or rolled back unnoticed; an erased person cannot be brought back from any older copy; a power cut at any
//! moment leaves a store that opens. What it does not hide: ids, validity dates, the source and age of templates, the
//! kind and terms of credentials, and the audit entries are readable by whoever has the file.
//!
//! * [`keys`]: the master key, what is derived from it, randomness.
//! * [`store`]: create, open, change, read, append, close.
//! * [`batch`]: changes that become durable together.
//! * [`taking`]: entries of the site's roster.
//! * [`credentials`]: cards, PINs and QR codes, and whom one belongs to.
//! * [`rows`]: what is stored of persons and templates, and how it is sealed.
//! * [`mod@verify`]: the examination of a whole store.
//! * [`fault`]: what can go wrong, and what a store that is refused is refused for.
//!
//! Inside: `schema` (the file, the tables), `settings` (named values with codes), `sealed` (values bound to their
//! place), `epoch` and `ring` (the keys that make erasure provable), `state` (rows as a whole), `chain` (audit),
//! `anchor` (how far the store was seen to have come), `opening` (create, open, close), `history` (what a starting
//! terminal asks of its past), `rules`, `consents` (what persons agreed to),
//! `followed` (how far a roster was followed), `durable` (files that are as before or as after), `waiting` (for other
//! processes).

pub mod batch;
pub mod credentials;
pub mod fault;
pub mod keys;
pub mod rows;
pub mod store;
pub mod taking;
pub mod verify;

mod anchor;
mod chain;
mod consents;
mod disk;
mod durable;
mod epoch;
mod followed;
mod history;
mod opening;
mod ring;
mod rules;
mod schema;
mod sealed;
mod settings;
mod state;
mod waiting;

#[cfg(test)]
mod power_cuts;

pub use batch::{
    Batch, NAME_LEN_MAX, PERSONS_MAX, RULES_LEN_MAX, SOURCE_LEN_MAX, TEMPLATES_MAX, TEMPLATES_OF_PERSON_MAX,
};
pub use chain::AUDIT_ROWS_MAX;
pub use credentials::{CREDENTIALS_OF_PERSON_MAX, StoredCredential, Wallet};
pub use fault::{Finding, StoreFault};
pub use keys::{
    CREDENTIAL, KeyFault, KeySource, MasterKey, OPENING_KEYS_MAX, api_token, new_seed, new_session,
    new_token, opening_keys,
};
pub use rows::{PersonRecord, StoredTemplate};
pub use store::{Counts, RECORDS_MAX, Store};
pub use taking::Known;
pub use verify::{Report, verify};
pub use waiting::BUSY_MS_MAX;
