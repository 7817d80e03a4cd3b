//! The audit trail on its way to the centre: batches up, acknowledgements down, nothing lost and nothing doubled.

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

use crate::audit::{self, Broken, Entry, Record, Verifier};
use crate::envelope::{Kind, MESSAGE_LEN_MAX};
use crate::keys::Role;
use crate::message::{Opaque, Payload};
use crate::trust::{Authority, Instruction};

/// Records in one batch.
pub const BATCH_MAX: usize = 256;
/// Bytes of the records in one batch: half a message, so that nothing around them makes it too long for one.
const BATCH_LEN_MAX: usize = MESSAGE_LEN_MAX / 2;

/// Consecutive records of a trail, as a store hands them out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// The head before the first of them.
    pub before: audit::Head,
    /// The records, in order.
    pub records: Vec<Record>,
}

/// Consecutive audit records of one terminal, under its signature.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Batch {
    /// The genesis of the trail they belong to: a terminal whose store is new begins a new trail.
    #[n(0)]
    pub genesis: ByteArray<32>,
    /// Number of the first record.
    #[n(1)]
    pub first: u64,
    /// Hash of the record before the first.
    #[n(2)]
    pub before: ByteArray<32>,
    /// Their bytes, in order.
    #[n(3)]
    pub records: Vec<Opaque>,
}

impl Batch {
    /// As many of a stretch's first records as one message takes.
    #[must_use]
    pub fn cut(genesis: audit::Hash, stretch: &Stretch) -> Self {
        let mut length = 0;
        let fits = |record: &&Record| {
            length += record.bytes.len();
            length <= BATCH_LEN_MAX
        };
        let records = stretch.records.iter().take(BATCH_MAX).take_while(fits);
        Self {
            genesis: genesis.into(),
            first: stretch.before.seq + 1,
            before: stretch.before.hash.into(),
            records: records.map(|record| Opaque(record.bytes.clone())).collect(),
        }
    }
}

impl Payload for Batch {
    const KIND: Kind = Kind::Batch;
}

impl Instruction for Batch {
    fn authorities(&self) -> Vec<Authority> {
        vec![Authority::Holder(Role::Terminal)]
    }
}

/// How far a hub has a terminal's trail: everything up to here is kept, and a terminal may let go of it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Acknowledgement {
    /// The trail.
    #[n(0)]
    pub genesis: ByteArray<32>,
    /// The newest record of it that is kept.
    #[n(1)]
    pub seq: u64,
    /// Its hash: the hub has this trail, not another one of the same length.
    #[n(2)]
    pub hash: ByteArray<32>,
}

impl Payload for Acknowledgement {
    const KIND: Kind = Kind::Acknowledgement;
}

impl Instruction for Acknowledgement {
    fn authorities(&self) -> Vec<Authority> {
        vec![Authority::Holder(Role::Hub)]
    }
}

/// A batch that a hub cannot keep.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchFault {
    /// Empty or too long.
    #[error("a batch has 1 to {BATCH_MAX} records, this one has {0}")]
    Length(usize),
    /// Records before it are missing: acknowledging what is kept makes the terminal send them.
    #[error("record {missing} is missing; the batch begins with {first}")]
    Gap {
        /// The first record that is missing.
        missing: u64,
        /// The first record that came.
        first: u64,
    },
    /// The records do not follow from each other or from what is kept.
    #[error("the trail is broken: {0}")]
    Broken(#[from] Broken),
    /// A trail that differs from the one that is kept.
    #[error("record {0} differs from the one that is kept under its number: the terminal told two stories")]
    Fork(u64),
}

/// A batch's records that are new to a hub which keeps a trail up to `kept`; none where it has them all. `hash_of` gives
/// the hash of a kept record by its number, [`audit::Head::genesis`]'s for number 0.
///
/// # Errors
/// [`BatchFault`].
pub fn take(
    batch: &Batch,
    kept: audit::Head,
    hash_of: impl Fn(u64) -> Option<audit::Hash>,
) -> Result<Vec<(Record, Entry)>, BatchFault> {
    if batch.records.is_empty() || batch.records.len() > BATCH_MAX {
        return Err(BatchFault::Length(batch.records.len()));
    }
    let Some(before) = batch.first.checked_sub(1) else { return Err(BatchFault::Fork(0)) };
    if before > kept.seq {
        return Err(BatchFault::Gap { missing: kept.seq + 1, first: batch.first });
    }
    if hash_of(before) != Some(*batch.before) {
        return Err(BatchFault::Fork(before));
    }
    let mut verifier = Verifier::new(audit::Head { seq: before, hash: *batch.before });
    let mut new = Vec::new();
    for bytes in &batch.records {
        let next = verifier.head().next(&bytes.0);
        let record = Record { seq: next.seq, bytes: bytes.0.clone(), hash: next.hash };
        let entry = verifier.check(&record)?;
        if record.seq > kept.seq {
            new.push((record, entry));
        } else if hash_of(record.seq) != Some(record.hash) {
            return Err(BatchFault::Fork(record.seq));
        }
    }
    Ok(new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{ClockTrust, Head, Stopped, What};

    const GENESIS: audit::Hash = [9; 32];

    fn bytes(seq: u64, cause: &str) -> Opaque {
        let what = What::Stopped(Stopped { cause: cause.to_owned() });
        let entry = Entry { at_ms: i64::try_from(seq).unwrap(), clock: ClockTrust::Synchronised, what };
        Opaque(entry.to_bytes().unwrap())
    }

    /// Heads of a trail of `length` records, the genesis first.
    fn heads(length: u64) -> Vec<Head> {
        let mut heads = vec![Head::genesis(GENESIS)];
        for seq in 1..=length {
            heads.push(heads.last().unwrap().next(&bytes(seq, "signal").0));
        }
        heads
    }

    fn batch(first: u64, length: u64) -> Batch {
        Batch {
            genesis: GENESIS.into(),
            first,
            before: heads(first)[usize::try_from(first).unwrap() - 1].hash.into(),
            records: (first..first + length).map(|seq| bytes(seq, "signal")).collect(),
        }
    }

    fn taken(batch: &Batch, kept: u64) -> Result<Vec<u64>, BatchFault> {
        let heads = heads(kept);
        let hash_of = |seq: u64| heads.get(usize::try_from(seq).unwrap()).map(|head| head.hash);
        take(batch, *heads.last().unwrap(), hash_of)
            .map(|new| new.iter().map(|(record, _)| record.seq).collect())
    }

    #[test]
    fn m12_what_comes_twice_is_kept_once_and_what_is_missing_is_named() {
        assert_eq!(taken(&batch(1, 4), 0).unwrap(), [1, 2, 3, 4]);
        assert_eq!(taken(&batch(3, 4), 4).unwrap(), [5, 6], "half of it came before");
        assert_eq!(taken(&batch(1, 4), 9).unwrap(), [0; 0], "all of it came before");
        assert_eq!(taken(&batch(6, 2), 4), Err(BatchFault::Gap { missing: 5, first: 6 }));
    }

    #[test]
    fn h3_a_second_story_is_told_from_a_repetition() {
        let mut other = batch(1, 4);
        other.records[1] = bytes(2, "terminal");
        assert_eq!(taken(&other, 4), Err(BatchFault::Fork(2)));
        let foreign = Batch { before: [1; 32].into(), ..batch(1, 4) };
        assert_eq!(taken(&foreign, 0), Err(BatchFault::Fork(0)));
        assert_eq!(taken(&Batch { first: 0, ..batch(1, 1) }, 0), Err(BatchFault::Fork(0)));
        let torn = Batch { records: vec![Opaque(vec![1, 2, 3])], ..batch(1, 1) };
        assert!(matches!(taken(&torn, 0), Err(BatchFault::Broken(Broken::Unreadable { seq: 1, .. }))));
    }

    #[test]
    fn a_long_stretch_is_cut_to_what_one_message_takes() {
        let stretch = |length: usize, bytes: usize| Stretch {
            before: Head::genesis(GENESIS),
            records: (0..length)
                .map(|seq| Record { seq: seq as u64 + 1, bytes: vec![0; bytes], hash: [0; 32] })
                .collect(),
        };
        assert_eq!(Batch::cut(GENESIS, &stretch(300, 100)).records.len(), BATCH_MAX);
        assert_eq!(Batch::cut(GENESIS, &stretch(300, audit::ENTRY_LEN_MAX)).records.len(), 32);
        assert_eq!(Batch::cut(GENESIS, &stretch(3, audit::ENTRY_LEN_MAX)).records.len(), 3);
    }

    #[test]
    fn a_batch_is_neither_empty_nor_endless() {
        let empty = Batch { records: Vec::new(), ..batch(1, 1) };
        assert_eq!(taken(&empty, 0), Err(BatchFault::Length(0)));
        assert_eq!(taken(&batch(1, 257), 0), Err(BatchFault::Length(257)));
    }
}
