//! The anchor: the newest audit record and the newest change that were ever seen, in a file beside the database.
//!
//! A database restored from an old copy is consistent in itself. The anchor is what makes it recognisable: the store
//! refuses a database that ends before the anchor, or holds another record at its place.
//!
//! * It is written after the commit, never before, so that it is never ahead of the durable database.
//! * An append costs one flush, that of the database's log. The anchor is written with each append but flushed only
//!   every [`FLUSH_EVERY`] entries, with every change that may take a right away, and at open and close; persons who are
//!   only added wait like entries, because thousands of them come one roster entry after the other. After a power cut it
//!   may lag by what the kernel had not written back yet, about half a minute; who pulls the plug can win that much, and
//!   no more.
//! * It has two slots, written in turn in blocks of their own, each with a code under a key derived from the master
//!   key: a torn write leaves the other slot. Open and close write both, so that breaking one gains nothing offline.
//! * Several processes append. The slots are read and written under a lock on the file, and only forwards. The same lock
//!   is where writers line up; see [`crate::waiting`].
//!
//! Whoever copies *all* files of a stopped terminal and puts them back later goes unnoticed here; the hub, which has
//! seen newer signed records, notices.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use doorward_protocol::audit::{Hash, Head};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::durable;
use crate::fault::{Doing, Finding, StoreFault};
use crate::keys::StoreKeys;
use crate::settings::StoreId;
use crate::waiting;

/// Entries between two flushes. More often than every hundredth append would show in its 99th percentile; signed
/// checkpoints come at the same distance.
pub(crate) const FLUSH_EVERY: u64 = 256;

/// Slots lie a block apart, so that one torn block leaves the other slot.
const BLOCK_LEN: usize = 4096;
const SLOTS: [u64; 2] = [0, BLOCK_LEN as u64];
const MAGIC: &[u8; 8] = b"DWANCHR1";
/// Magic, store, sequence number, hash, generation; then the code.
const BODY_LEN: usize = 8 + 16 + 8 + 32 + 8;
const SLOT_LEN: usize = BODY_LEN + 32;

/// How far a store has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The newest audit record.
    pub(crate) head: Head,
    /// The newest change of persons, templates and rules.
    pub(crate) generation: u64,
}

impl Mark {
    /// The later of both, part by part: both parts only grow.
    fn merge(self, other: Mark) -> Mark {
        let head = if other.head.seq > self.head.seq { other.head } else { self.head };
        Mark { head, generation: self.generation.max(other.generation) }
    }
}

/// The open anchor file.
pub(crate) struct Anchor {
    file: File,
    path: PathBuf,
    flushed: u64,
}

impl Anchor {
    /// Where the anchor of a database lies.
    pub(crate) fn path(database: &Path) -> PathBuf {
        durable::beside(database, ".anchor")
    }

    /// Writes the first anchor of a new store.
    ///
    /// # Errors
    /// [`StoreFault::File`], [`StoreFault::Full`].
    pub(crate) fn create(path: &Path, keys: &StoreKeys, mark: Mark) -> Result<(), StoreFault> {
        // Both blocks exist from the start: later writes need no space.
        let mut bytes = vec![0; SLOTS.len() * BLOCK_LEN];
        for block in bytes.chunks_exact_mut(BLOCK_LEN) {
            block[..SLOT_LEN].copy_from_slice(&encode(keys, mark));
        }
        durable::create(path, &bytes).map_err(StoreFault::file("create the anchor", path))
    }

    /// Opens the anchor and reads how far the store had come. Read it before the database: the database only grows.
    ///
    /// # Errors
    /// [`Finding::Missing`], [`Finding::SideFile`]; `foreign` where the anchor belongs to another store.
    pub(crate) fn open(
        path: &Path,
        keys: &StoreKeys,
        writable: bool,
        foreign: impl FnOnce() -> Finding,
    ) -> Result<(Self, Mark), StoreFault> {
        let file = match OpenOptions::new().read(true).write(writable).open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(Finding::Missing { what: "the anchor", path: path.to_owned() }.into());
            }
            Err(e) => return Err(StoreFault::file("open the anchor", path)(e)),
        };
        let read = || {
            let _lock = waiting::lock(&file)?;
            Ok(SLOTS.map(|at| read_slot(&file, at)))
        };
        let slots = read().map_err(StoreFault::file("read the anchor", path))?;
        let marks = slots.iter().filter_map(|slot| decode(keys, slot));
        match marks.reduce(Mark::merge) {
            Some(mark) => Ok((Self { file, path: path.to_owned(), flushed: mark.head.seq }, mark)),
            None if slots.iter().all(|slot| names_another_store(slot, keys.store)) => Err(foreign().into()),
            None => Err(Finding::SideFile { what: "the anchor", path: path.to_owned() }.into()),
        }
    }

    /// Notes that the database has durably come this far.
    ///
    /// # Errors
    /// The file cannot be written; the anchor lags.
    pub(crate) fn advance(&mut self, keys: &StoreKeys, mark: Mark) -> io::Result<()> {
        let lock = waiting::lock(&self.file)?;
        self.write_older_slot(keys, mark)?;
        drop(lock);
        if mark.head.seq / FLUSH_EVERY > self.flushed / FLUSH_EVERY { self.flush(mark) } else { Ok(()) }
    }

    /// Makes durable what [`Anchor::advance`] wrote.
    ///
    /// # Errors
    /// The flush failed.
    pub(crate) fn flush(&mut self, mark: Mark) -> io::Result<()> {
        self.file.sync_data()?;
        self.flushed = mark.head.seq;
        Ok(())
    }

    /// Writes both slots, one durable after the other.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn settle(&mut self, keys: &StoreKeys, mark: Mark) -> io::Result<()> {
        let _lock = waiting::lock(&self.file)?;
        let newest = self.marks(keys).into_iter().flatten().fold(mark, Mark::merge);
        for at in SLOTS {
            self.file.write_all_at(&encode(keys, newest), at)?;
            self.file.sync_data()?;
        }
        self.flushed = newest.head.seq;
        Ok(())
    }

    /// Begins a transaction that writes, after whoever lined up before.
    ///
    /// # Errors
    /// [`StoreFault::Busy`] where others kept the lock too long.
    pub(crate) fn begin<'c>(&self, conn: &'c mut Connection) -> Result<Transaction<'c>, StoreFault> {
        let turn = waiting::lock(&self.file).map_err(StoreFault::file("lock", &self.path))?;
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate).doing("lock the database")?;
        drop(turn);
        Ok(tx)
    }

    fn write_older_slot(&self, keys: &StoreKeys, mark: Mark) -> io::Result<()> {
        let marks = self.marks(keys);
        let newest = marks.into_iter().flatten().fold(mark, Mark::merge);
        if marks.contains(&Some(newest)) {
            return Ok(()); // another process has come further
        }
        let age = |mark: Option<Mark>| mark.map_or((0, 0), |m| (m.head.seq, m.generation));
        let older = usize::from(age(marks[1]) < age(marks[0]));
        self.file.write_all_at(&encode(keys, newest), SLOTS[older])
    }

    fn marks(&self, keys: &StoreKeys) -> [Option<Mark>; 2] {
        SLOTS.map(|at| decode(keys, &read_slot(&self.file, at)))
    }
}

/// A slot's bytes; zeros, which are no slot, where the file is too short.
fn read_slot(file: &File, at: u64) -> [u8; SLOT_LEN] {
    let mut slot = [0; SLOT_LEN];
    if file.read_exact_at(&mut slot, at).is_err() {
        slot = [0; SLOT_LEN];
    }
    slot
}

fn encode(keys: &StoreKeys, mark: Mark) -> [u8; SLOT_LEN] {
    let mut slot = [0; SLOT_LEN];
    let numbers = (mark.head.seq.to_le_bytes(), mark.generation.to_le_bytes());
    let body = [&MAGIC[..], &keys.store.0, &numbers.0, &mark.head.hash, &numbers.1].concat();
    slot[..BODY_LEN].copy_from_slice(&body);
    slot[BODY_LEN..].copy_from_slice(&keys.anchor.mac(&[&body]));
    slot
}

fn decode(keys: &StoreKeys, slot: &[u8; SLOT_LEN]) -> Option<Mark> {
    let (body, code) = slot.split_at(BODY_LEN);
    if !keys.anchor.mac_fits(&[body], code) {
        return None;
    }
    let number = |at: usize| Some(u64::from_le_bytes(body[at..at + 8].try_into().ok()?));
    let hash = Hash::try_from(&body[32..64]).ok()?;
    Some(Mark { head: Head { seq: number(24)?, hash }, generation: number(64)? })
}

fn names_another_store(slot: &[u8; SLOT_LEN], own: StoreId) -> bool {
    slot.starts_with(MAGIC) && slot[8..24] != own.0
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::keys::MasterKey;

    fn mark(seq: u64, generation: u64) -> Mark {
        Mark { head: Head { seq, hash: [u8::try_from(seq).unwrap(); 32] }, generation }
    }

    fn new(folder: &Path) -> (PathBuf, StoreKeys) {
        let keys = MasterKey::from_bytes(Zeroizing::new([3; 32])).store_keys(StoreId([4; 16]));
        let path = folder.join("anchor");
        Anchor::create(&path, &keys, mark(0, 0)).unwrap();
        (path, keys)
    }

    fn read(path: &Path, keys: &StoreKeys) -> Result<Mark, StoreFault> {
        let foreign = || Finding::Foreign { terminal: "t".into(), site: "s".into(), why: "w" };
        Anchor::open(path, keys, true, foreign).map(|(_, mark)| mark)
    }

    fn open(path: &Path, keys: &StoreKeys) -> Anchor {
        Anchor::open(path, keys, true, || unreachable!()).unwrap().0
    }

    #[test]
    fn h2_the_anchor_only_goes_forwards_also_among_several_writers() {
        let folder = tempfile::tempdir().unwrap();
        let (path, keys) = new(folder.path());
        let (mut one, mut two) = (open(&path, &keys), open(&path, &keys));
        one.advance(&keys, mark(1, 1)).unwrap();
        two.advance(&keys, mark(3, 1)).unwrap();
        one.advance(&keys, mark(2, 2)).unwrap();
        assert_eq!(read(&path, &keys).unwrap(), mark(3, 2));
    }

    #[test]
    fn a_torn_slot_leaves_the_other_one() {
        let folder = tempfile::tempdir().unwrap();
        let (path, keys) = new(folder.path());
        let mut anchor = open(&path, &keys);
        for seq in 1..=6 {
            anchor.advance(&keys, mark(seq, 0)).unwrap();
            let whole = std::fs::read(&path).unwrap();
            for at in [0, 4096] {
                let mut torn = whole.clone();
                torn[at + 20..at + 60].fill(0xee);
                std::fs::write(&path, &torn).unwrap();
                let left = read(&path, &keys).unwrap().head.seq;
                assert!(left == seq || left == seq - 1, "{left} after {seq}");
            }
            std::fs::write(&path, &whole).unwrap();
        }
    }

    #[test]
    fn h2_after_an_orderly_close_both_slots_name_the_head() {
        let folder = tempfile::tempdir().unwrap();
        let (path, keys) = new(folder.path());
        open(&path, &keys).settle(&keys, mark(9, 2)).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[..100].fill(0);
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(read(&path, &keys).unwrap(), mark(9, 2));
    }

    #[test]
    fn h2_edited_foreign_and_missing_anchors_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let (path, keys) = new(folder.path());
        let other = MasterKey::from_bytes(Zeroizing::new([3; 32])).store_keys(StoreId([5; 16]));
        assert!(matches!(read(&path, &other), Err(StoreFault::Refused(Finding::Foreign { .. }))));

        let mut bytes = std::fs::read(&path).unwrap();
        bytes[24] = 7;
        bytes[4096 + 24] = 7;
        std::fs::write(&path, &bytes).unwrap();
        let text = read(&path, &keys).unwrap_err().to_string();
        assert!(text.contains("anchor was edited or is damaged"), "{text}");

        std::fs::remove_file(&path).unwrap();
        assert!(read(&path, &keys).unwrap_err().to_string().contains("is missing"));
    }
}
