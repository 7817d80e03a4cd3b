//! The epoch key, which makes erasure provable.
//!
//! Keys form a chain: the epoch key wraps 256 group keys, a group key wraps the keys of the persons in its group, a
//! person's key seals that person's name and templates. All wrapped keys lie in the database. The epoch key does not:
//! it lies in this side file, wrapped by a key derived from the master key.
//!
//! Erasing a person replaces the epoch key, re-wraps the group keys, gives the person's group a new key and re-wraps
//! the keys of those who remain in it, then destroys the old epoch key. Every older copy of the database, be it a
//! backup, a flash block or a log, holds keys that lead up to an epoch key which exists nowhere any more. Groups keep
//! this cheap: about √N keys are wrapped anew instead of all N, so that a door with 100,000 persons does not stall.
//!
//! A power cut may come between any two steps, so the file holds two keys while they change:
//!
//! 1. file := {old, new}, durable
//! 2. the database's transaction: rows deleted, keys re-wrapped, setting `epoch` := new; commit, durable
//! 3. file := {new}, durable; the old file's bytes overwritten
//! 4. the database's log emptied, since its pages still hold the erased person's sealed rows
//!
//! The setting `epoch` says which key counts. Cut before 2: the database uses the old key, the new one was never used.
//! Cut between 2 and 3: it uses the new one. Either way the file holds it, and opening the store drops the other
//! ([`trim`]), so an erasure that was committed is also completed. All writes of this file happen under the
//! database's write lock.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Transaction;

use crate::durable;
use crate::fault::{Finding, StoreFault};
use crate::keys::StoreKeys;
use crate::sealed::{Key, Place, WRAPPED_LEN};
use crate::settings::Setting;

const MAGIC: &[u8; 8] = b"DWEPOCH1";
const ENTRY_LEN: usize = 8 + WRAPPED_LEN;
/// The old key and the new one.
const KEYS_MAX: usize = 2;

/// A key that counts from one erasure to the next.
pub(crate) struct EpochKey {
    /// Counts up from 1.
    pub(crate) id: u64,
    /// The key.
    pub(crate) key: Key,
}

impl EpochKey {
    /// The key of a new store.
    pub(crate) fn first() -> Self {
        Self { id: 1, key: Key::random() }
    }

    /// A new key for the epoch after this one.
    pub(crate) fn next(&self) -> Self {
        Self { id: self.id + 1, key: Key::random() }
    }
}

/// Where the epoch file of a database lies.
pub(crate) fn path(database: &Path) -> PathBuf {
    durable::beside(database, ".epoch")
}

/// Makes `epochs` the durable content of the file.
///
/// # Errors
/// [`StoreFault::File`], [`StoreFault::Full`]; the file is then as before, or as wanted.
pub(crate) fn write(path: &Path, keys: &StoreKeys, epochs: &[&EpochKey]) -> Result<(), StoreFault> {
    let mut bytes = [&MAGIC[..], &keys.store.0].concat();
    for epoch in epochs {
        bytes.extend_from_slice(&epoch.id.to_le_bytes());
        bytes.extend_from_slice(&keys.epoch_wrap.wrap(&place(keys, epoch.id), &epoch.key));
    }
    durable::replace(path, &bytes).map_err(StoreFault::file("write the epoch file", path))
}

/// The key with this number.
///
/// # Errors
/// [`Finding::Missing`] for the file, [`Finding::SideFile`] where it does not hold or does not open the key.
pub(crate) fn read(path: &Path, keys: &StoreKeys, id: u64) -> Result<EpochKey, StoreFault> {
    let unfit = || Finding::SideFile { what: "the epoch file", path: path.to_owned() };
    let entries = entries(path, keys)?;
    let (_, wrapped) = entries.into_iter().find(|(found, _)| *found == id).ok_or_else(unfit)?;
    let key = keys.epoch_wrap.unwrap_key(&place(keys, id), &wrapped).map_err(|_| unfit())?;
    Ok(EpochKey { id, key })
}

/// Whether the file holds a key beside the one that counts: an erasure was interrupted, or is going on.
///
/// # Errors
/// As [`read`].
pub(crate) fn has_leftover(path: &Path, keys: &StoreKeys) -> Result<bool, StoreFault> {
    Ok(entries(path, keys)?.len() > 1)
}

/// Destroys every key but the one that counts, and returns that. The transaction is there for its lock only.
///
/// # Errors
/// [`StoreFault`]; run it again.
pub(crate) fn trim(path: &Path, keys: &StoreKeys, lock: Transaction<'_>) -> Result<EpochKey, StoreFault> {
    let epoch = read(path, keys, Setting::Epoch.get_number(&lock, keys)?)?;
    if has_leftover(path, keys)? {
        write(path, keys, &[&epoch])?;
    }
    drop(lock);
    Ok(epoch)
}

fn entries(path: &Path, keys: &StoreKeys) -> Result<Vec<(u64, Vec<u8>)>, StoreFault> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return Err(Finding::Missing { what: "the epoch file", path: path.to_owned() }.into());
        }
        Err(e) => return Err(StoreFault::file("read the epoch file", path)(e)),
    };
    let header = [&MAGIC[..], &keys.store.0].concat();
    let body = bytes.strip_prefix(header.as_slice()).unwrap_or_default();
    let count = body.len() / ENTRY_LEN;
    if body.len() % ENTRY_LEN != 0 || !(1..=KEYS_MAX).contains(&count) {
        return Err(Finding::SideFile { what: "the epoch file", path: path.to_owned() }.into());
    }
    let entry = |entry: &[u8]| {
        let (id, wrapped) = entry.split_first_chunk::<8>().expect("an entry is longer than its number");
        (u64::from_le_bytes(*id), wrapped.to_vec())
    };
    Ok(body.chunks_exact(ENTRY_LEN).map(entry).collect())
}

fn place(keys: &StoreKeys, id: u64) -> Place<'static> {
    Place { store: keys.store, table: "epoch file", row: "", column: "wrapped", version: id, readable: &[] }
}
