//! The audit chain: what is recorded, how it becomes bytes, and how anybody can check later that nothing was changed.
//!
//! Each entry is deterministic CBOR (integer keys in ascending order, definite lengths). Its hash covers the previous
//! hash, its sequence number and its bytes, so that an edit, a removal or a swap breaks the chain at the first bad
//! record. The genesis hash is drawn at random per store, so two stores never share a chain.

mod what;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub use self::what::*;

/// Domain separation: a hash of this chain is never a hash of anything else.
const CONTEXT: &[u8] = b"doorward/audit/v1";

/// The longest encoded entry. Entries hold codes, identifiers and numbers; 4 KiB is ten times the largest of them.
pub const ENTRY_LEN_MAX: usize = 4096;

/// A SHA-256 value.
pub type Hash = [u8; 32];

/// How far the wall clock can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum ClockTrust {
    /// Never set since boot, or known to be wrong.
    #[n(0)]
    Unknown,
    /// Was synchronised once and runs on its own oscillator since.
    #[n(1)]
    HeldOver,
    /// Synchronised now.
    #[n(2)]
    Synchronised,
}

/// One audit entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Encode, Decode)]
pub struct Entry {
    /// Wall time, milliseconds since 1970-01-01 UTC; never smaller than that of the entry before.
    #[n(0)]
    pub at_ms: i64,
    /// Trust in that time.
    #[n(1)]
    pub clock: ClockTrust,
    /// What happened.
    #[n(2)]
    pub what: What,
}

/// An entry could not become bytes, or bytes were no entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Larger than [`ENTRY_LEN_MAX`].
    #[error("an audit entry has at most {ENTRY_LEN_MAX} bytes, this one has {0}")]
    TooLong(usize),
    /// Not the CBOR of an entry.
    #[error("not an audit entry: {0}")]
    Malformed(String),
    /// Valid CBOR followed by something else.
    #[error("{0} bytes follow the audit entry")]
    Trailing(usize),
}

impl Entry {
    /// Deterministic CBOR of this entry.
    ///
    /// # Errors
    /// [`CodecError::TooLong`] for an entry over [`ENTRY_LEN_MAX`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, CodecError> {
        let bytes = minicbor::to_vec(self).expect("writing to a vector cannot fail");
        if bytes.len() > ENTRY_LEN_MAX { Err(CodecError::TooLong(bytes.len())) } else { Ok(bytes) }
    }

    /// The entry in `bytes`, which must hold exactly one.
    ///
    /// # Errors
    /// Any [`CodecError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        if bytes.len() > ENTRY_LEN_MAX {
            return Err(CodecError::TooLong(bytes.len()));
        }
        let mut decoder = minicbor::Decoder::new(bytes);
        let entry = decoder.decode().map_err(|e| CodecError::Malformed(e.to_string()))?;
        match bytes.len() - decoder.position() {
            0 => Ok(entry),
            rest => Err(CodecError::Trailing(rest)),
        }
    }
}

/// The newest link of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Sequence number of the newest entry; 0 before the first.
    pub seq: u64,
    /// Its hash; the genesis hash before the first.
    pub hash: Hash,
}

impl Head {
    /// An empty chain.
    #[must_use]
    pub fn genesis(hash: Hash) -> Self {
        Self { seq: 0, hash }
    }

    /// The head after an entry with these bytes is appended.
    #[must_use]
    pub fn next(&self, entry: &[u8]) -> Self {
        let seq = self.seq + 1;
        let hash = Sha256::new()
            .chain_update(CONTEXT)
            .chain_update(self.hash)
            .chain_update(seq.to_be_bytes())
            .chain_update(entry)
            .finalize();
        Self { seq, hash: hash.into() }
    }
}

/// One stored record, as the verifier reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its sequence number.
    pub seq: u64,
    /// The CBOR of its [`Entry`].
    pub bytes: Vec<u8>,
    /// The hash stored with it.
    pub hash: Hash,
}

/// The first bad record of a chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A record is missing.
    #[error("record {expected} is missing; the next one found is {found}")]
    Gap {
        /// The number that should have come.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// A record or the one before it was changed.
    #[error("record {0} was changed: its hash does not follow from its content and the record before")]
    Hash(u64),
    /// A record does not parse.
    #[error("record {seq} cannot be read: {error}")]
    Unreadable {
        /// Its number.
        seq: u64,
        /// Why.
        error: CodecError,
    },
    /// Time went backwards.
    #[error("record {0} carries an earlier time than the record before it")]
    Time(u64),
}

/// Follows a chain record by record; the first bad one ends it.
#[derive(Debug, Clone)]
pub struct Verifier {
    head: Head,
    at_ms: i64,
}

impl Verifier {
    /// Starts at a trusted head: the genesis, or a checkpoint.
    #[must_use]
    pub fn new(head: Head) -> Self {
        Self { head, at_ms: i64::MIN }
    }

    /// Checks the next record and returns its entry.
    ///
    /// # Errors
    /// [`Broken`], naming the record.
    pub fn check(&mut self, record: &Record) -> Result<Entry, Broken> {
        let expected = self.head.seq + 1;
        if record.seq != expected {
            return Err(Broken::Gap { expected, found: record.seq });
        }
        let next = self.head.next(&record.bytes);
        if next.hash != record.hash {
            return Err(Broken::Hash(record.seq));
        }
        let entry = Entry::from_bytes(&record.bytes)
            .map_err(|error| Broken::Unreadable { seq: record.seq, error })?;
        if entry.at_ms < self.at_ms {
            return Err(Broken::Time(record.seq));
        }
        self.head = next;
        self.at_ms = entry.at_ms;
        Ok(entry)
    }

    /// The head reached so far.
    #[must_use]
    pub fn head(&self) -> Head {
        self.head
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::AttemptId;

    fn entry(at_ms: i64) -> Entry {
        Entry {
            at_ms,
            clock: ClockTrust::Synchronised,
            what: What::Decided(Decided {
                attempt: AttemptId(7),
                door: "front".parse().unwrap(),
                granted: true,
                person: Some("e1042".parse().unwrap()),
                reason: "granted".into(),
                rule: "weekly".into(),
                scores: Some(Scores {
                    comparison_score: 0.71,
                    threshold: 0.46,
                    runner_up: 0.21,
                    liveness: 97.0,
                    frames: 3,
                    gallery: 1000,
                }),
                presented: None,
                level: None,
            }),
        }
    }

    fn chain(length: i64) -> (Head, Vec<Record>) {
        let genesis = Head::genesis([9; 32]);
        let mut head = genesis;
        let records = (0..length).map(|i| {
            let bytes = entry(1000 + i).to_bytes().unwrap();
            head = head.next(&bytes);
            Record { seq: head.seq, bytes, hash: head.hash }
        });
        (genesis, records.collect())
    }

    fn first_bad(genesis: Head, records: &[Record]) -> Option<Broken> {
        let mut verifier = Verifier::new(genesis);
        records.iter().find_map(|record| verifier.check(record).err())
    }

    #[test]
    fn an_entry_without_a_credential_has_the_bytes_it_had_before_there_were_any() {
        let mut told = entry(1000);
        let plain = told.to_bytes().unwrap();
        let What::Decided(decided) = &mut told.what else { unreachable!() };
        decided.presented = Some(Presented { kind: CredentialKind::Pin, slot: Some(2) });
        let with = told.to_bytes().unwrap();
        assert!(plain.len() < with.len(), "nothing stands where nothing was shown");
        assert_eq!(Entry::from_bytes(&with).unwrap(), told);
        assert_eq!(Entry::from_bytes(&plain).unwrap(), entry(1000));
    }

    #[test]
    fn an_untouched_chain_verifies() {
        let (genesis, records) = chain(20);
        assert_eq!(first_bad(genesis, &records), None);
    }

    #[test]
    fn h3_edit_removal_and_reorder_name_the_first_bad_record() {
        let (genesis, records) = chain(20);

        let mut edited = records.clone();
        edited[4].bytes[3] ^= 1;
        assert_eq!(first_bad(genesis, &edited), Some(Broken::Hash(5)));

        let mut removed = records.clone();
        removed.remove(9);
        assert_eq!(first_bad(genesis, &removed), Some(Broken::Gap { expected: 10, found: 11 }));

        let mut swapped = records.clone();
        swapped.swap(2, 3);
        assert_eq!(first_bad(genesis, &swapped), Some(Broken::Gap { expected: 3, found: 4 }));

        assert_eq!(first_bad(Head::genesis([8; 32]), &records), Some(Broken::Hash(1)), "a foreign chain");
    }

    #[test]
    fn h3_a_clock_set_back_inside_the_chain_is_named() {
        let genesis = Head::genesis([1; 32]);
        let mut head = genesis;
        let records: Vec<Record> = [5000, 4000]
            .iter()
            .map(|at| {
                let bytes = entry(*at).to_bytes().unwrap();
                head = head.next(&bytes);
                Record { seq: head.seq, bytes, hash: head.hash }
            })
            .collect();
        assert_eq!(first_bad(genesis, &records), Some(Broken::Time(2)));
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic_and_never_pass_with_a_tail(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Entry::from_bytes(&bytes);
            let mut tailed = entry(1).to_bytes().unwrap();
            tailed.extend_from_slice(&bytes);
            prop_assert_eq!(Entry::from_bytes(&tailed).is_ok(), bytes.is_empty());
        }

        #[test]
        fn entries_survive_their_encoding(at in any::<i64>(), score in -1.0f32..1.0) {
            let mut original = entry(at);
            if let What::Decided(decided) = &mut original.what {
                decided.scores = decided.scores.map(|s| Scores { comparison_score: score, ..s });
            }
            let bytes = original.to_bytes().unwrap();
            prop_assert_eq!(Entry::from_bytes(&bytes).unwrap(), original);
        }
    }
}
