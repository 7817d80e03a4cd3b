//! The audit chain in the database: appending, checkpoints, the bound on rows, and reading. Every function runs inside
//! the caller's transaction, so that the head it reads is the head it appends to, whoever else appends.

use doorward_core::time::Wall;
use doorward_protocol::audit::{Broken, Entry, Hash, Head, Record, Verifier, What};
use ed25519_dalek::{Signature, Signer, VerifyingKey};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::anchor::{FLUSH_EVERY, Mark};
use crate::fault::{Doing, Finding, StoreFault};
use crate::keys::StoreKeys;
use crate::settings::{self, Setting};

/// Audit rows a store holds: years of a busy door, about 1.5 GB.
pub const AUDIT_ROWS_MAX: u64 = 5_000_000;

/// Rows dropped at once when the bound is reached, so that the base moves rarely and an append at the bound costs no more on average.
const DROP_BATCH: u64 = 1024;

/// Entries between two signed checkpoints: what can be proved without the rest is never further away than this, and
/// one signature in so many appends costs nothing that shows.
const CHECKPOINT_EVERY: u64 = FLUSH_EVERY;

/// Domain separation of checkpoint signatures.
const CHECKPOINT_CONTEXT: &[u8] = b"doorward/audit-checkpoint/v1";

/// Appends an entry and returns the new head. Time never runs backwards: an entry under a clock that was set back
/// carries the time of the entry before.
///
/// # Errors
/// [`StoreFault::Full`] where `rows_max` is reached and no row is acknowledged.
pub(crate) fn append(
    conn: &Connection,
    keys: &StoreKeys,
    rows_max: u64,
    what: &What,
    at: Wall,
) -> Result<Head, StoreFault> {
    let (head, at_ms) = newest(conn, keys)?;
    make_room(conn, keys, rows_max, head)?;
    let entry = Entry { at_ms: at_ms.max(at.ms), clock: at.trust, what: what.clone() };
    let bytes = entry.to_bytes()?;
    let next = head.next(&bytes);
    conn.prepare_cached("INSERT INTO audit (seq, bytes, hash) VALUES (?1, ?2, ?3)")
        .and_then(|mut s| s.execute(params![signed(next.seq), bytes, next.hash]))
        .doing("append an audit entry")?;
    if next.seq.is_multiple_of(CHECKPOINT_EVERY) {
        sign(conn, keys, &next)?;
    }
    Ok(next)
}

/// Signs the head, unless it is signed or the chain is empty, and notes the attempts so far.
///
/// # Errors
/// [`StoreFault`].
pub(crate) fn sign(conn: &Connection, keys: &StoreKeys, head: &Head) -> Result<(), StoreFault> {
    if head.seq == 0 || newest_checkpoint(conn)?.is_some_and(|checkpoint| checkpoint.head.seq == head.seq) {
        return Ok(());
    }
    Setting::Attempts.put_number(conn, keys, attempts(conn, keys)?)?;
    let signature = keys.signing.sign(&statement(keys, head)).to_bytes();
    conn.prepare_cached("INSERT INTO checkpoints (seq, hash, signature) VALUES (?1, ?2, ?3)")
        .and_then(|mut s| s.execute(params![signed(head.seq), head.hash, signature]))
        .doing("write a checkpoint")?;
    Ok(())
}

/// The largest attempt number on record: what was noted at the newest checkpoint, and the few rows after it.
///
/// # Errors
/// [`StoreFault`].
pub(crate) fn attempts(conn: &Connection, keys: &StoreKeys) -> Result<u64, StoreFault> {
    let mut largest = Setting::Attempts.get_number(conn, keys)?;
    let since = newest_checkpoint(conn)?.map_or(0, |checkpoint| checkpoint.head.seq);
    for_each_after(conn, since, |record| {
        let entry = Entry::from_bytes(&record.bytes)
            .map_err(|error| Finding::Record(Broken::Unreadable { seq: record.seq, error }))?;
        if let What::Decided(decided) = entry.what {
            largest = largest.max(decided.attempt.0);
        }
        Ok(())
    })?;
    Ok(largest)
}

/// The head and the time of the newest entry.
///
/// # Errors
/// [`StoreFault`].
pub(crate) fn newest(conn: &Connection, keys: &StoreKeys) -> Result<(Head, i64), StoreFault> {
    let row = conn
        .prepare_cached("SELECT seq, bytes, hash FROM audit ORDER BY seq DESC LIMIT 1")
        .and_then(|mut s| s.query_row([], record).optional())
        .doing("read the newest audit entry")?;
    let Some(record) = row else { return Ok((settings::base(conn, keys)?, i64::MIN)) };
    let entry = Entry::from_bytes(&record.bytes)
        .map_err(|error| Finding::Record(Broken::Unreadable { seq: record.seq, error }))?;
    Ok((Head { seq: record.seq, hash: record.hash }, entry.at_ms))
}

/// At most `limit` records above `after`.
///
/// # Errors
/// [`StoreFault`].
pub(crate) fn records(conn: &Connection, after: u64, limit: usize) -> Result<Vec<Record>, StoreFault> {
    let sql = "SELECT seq, bytes, hash FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = conn.prepare_cached(sql).doing("read audit records")?;
    let rows = statement.query_map(params![signed(after), limit], record).doing("read audit records")?;
    rows.collect::<rusqlite::Result<_>>().doing("read audit records")
}

/// Compares the chain with how far it was seen to have come.
///
/// # Errors
/// [`Finding::Truncated`], [`Finding::Rewritten`].
pub(crate) fn check_anchor(conn: &Connection, keys: &StoreKeys, mark: &Mark) -> Result<(), StoreFault> {
    let (head, seen) = (newest(conn, keys)?.0, mark.head);
    let base = settings::base(conn, keys)?;
    if seen.seq > head.seq {
        return Err(Finding::Truncated { found: head.seq, seen: seen.seq }.into());
    }
    let found = if seen.seq == base.seq { Some(base.hash) } else { hash_of(conn, seen.seq)? };
    if found == Some(seen.hash) { Ok(()) } else { Err(Finding::Rewritten(seen.seq).into()) }
}

/// Looks for records below the base, where following the chain does not come by.
///
/// # Errors
/// [`Finding::Stray`].
pub(crate) fn check_oldest(conn: &Connection, base: &Head) -> Result<(), StoreFault> {
    let oldest: Option<i64> = conn
        .query_row("SELECT min(seq) FROM audit", [], |row| row.get(0))
        .doing("read the oldest audit record")?;
    match oldest {
        Some(found) if found <= signed(base.seq) => Err(Finding::Stray { found, first: base.seq + 1 }.into()),
        Some(_) | None => Ok(()),
    }
}

/// Follows the records since the newest checkpoint.
///
/// # Errors
/// [`Finding::Record`] names the first bad one; [`Finding::Checkpoint`], [`Finding::Truncated`].
pub(crate) fn check_tail(conn: &Connection, keys: &StoreKeys) -> Result<(), StoreFault> {
    let start = match newest_checkpoint(conn)? {
        None => settings::base(conn, keys)?,
        Some(checkpoint) => {
            check_checkpoint(conn, keys, &checkpoint)?;
            checkpoint.head
        }
    };
    follow(conn, start, &mut |_| ()).map(|_| ())
}

/// Follows the records after a trusted head to the end, and returns the head reached.
///
/// # Errors
/// [`Finding::Record`] names the first bad one.
pub(crate) fn follow(
    conn: &Connection,
    start: Head,
    progress: &mut dyn FnMut(u64),
) -> Result<Head, StoreFault> {
    let mut verifier = Verifier::new(start);
    for_each_after(conn, start.seq, |record| {
        verifier.check(&record).map_err(Finding::Record)?;
        progress(1);
        Ok(())
    })?;
    Ok(verifier.head())
}

/// Checks every checkpoint and returns their number.
///
/// # Errors
/// [`Finding::Checkpoint`], [`Finding::Truncated`].
pub(crate) fn check_checkpoints(conn: &Connection, keys: &StoreKeys) -> Result<u64, StoreFault> {
    let sql = "SELECT seq, hash, signature FROM checkpoints ORDER BY seq";
    let mut statement = conn.prepare(sql).doing("read the checkpoints")?;
    let rows = statement.query_map([], Checkpoint::from_row).doing("read the checkpoints")?;
    let mut count = 0;
    for checkpoint in rows {
        check_checkpoint(conn, keys, &checkpoint.doing("read a checkpoint")?)?;
        count += 1;
    }
    Ok(count)
}

/// Rows of `audit`, as the table has them.
///
/// # Errors
/// [`StoreFault`].
pub(crate) fn count_rows(conn: &Connection) -> Result<u64, StoreFault> {
    conn.query_row("SELECT count(*) FROM audit", [], |row| row.get(0))
        .map(unsigned)
        .doing("count the records")
}

/// A sequence number as SQLite stores it. The cast is a bijection, so that a planted negative number comes back as a
/// number no chain reaches.
pub(crate) const fn signed(n: u64) -> i64 {
    n.cast_signed()
}

/// The inverse of [`signed`].
pub(crate) const fn unsigned(n: i64) -> u64 {
    n.cast_unsigned()
}

struct Checkpoint {
    head: Head,
    signature: Vec<u8>,
}

impl Checkpoint {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { head: Head { seq: unsigned(row.get(0)?), hash: hash(row, 1)? }, signature: row.get(2)? })
    }
}

/// Keeps the chain within its bound: the oldest acknowledged rows go, and the base moves up to the last of them.
fn make_room(conn: &Connection, keys: &StoreKeys, rows_max: u64, head: Head) -> Result<(), StoreFault> {
    if head.seq < rows_max {
        return Ok(()); // the usual case, without reading the base
    }
    let (base, genesis) = settings::base_and_genesis(conn, keys)?;
    if head.seq - base.seq < rows_max {
        return Ok(());
    }
    // The newest row stays: it carries the time that the next entry must not precede.
    let through = Setting::Acknowledged.get_number(conn, keys)?.min(base.seq + DROP_BATCH).min(head.seq - 1);
    if through <= base.seq {
        return Err(StoreFault::Full);
    }
    let hash =
        hash_of(conn, through)?.ok_or(Finding::Record(Broken::Gap { expected: through, found: head.seq }))?;
    settings::put_base(conn, keys, &Head { seq: through, hash }, &genesis)?;
    for sql in ["DELETE FROM audit WHERE seq <= ?1", "DELETE FROM checkpoints WHERE seq <= ?1"] {
        conn.prepare_cached(sql)
            .and_then(|mut s| s.execute([signed(through)]))
            .doing("drop acknowledged records")?;
    }
    Ok(())
}

fn check_checkpoint(conn: &Connection, keys: &StoreKeys, checkpoint: &Checkpoint) -> Result<(), StoreFault> {
    let head = checkpoint.head;
    let key: VerifyingKey = keys.signing.verifying_key();
    let sound = Signature::from_slice(&checkpoint.signature)
        .is_ok_and(|signature| key.verify_strict(&statement(keys, &head), &signature).is_ok());
    if !sound {
        return Err(Finding::Checkpoint(head.seq).into());
    }
    let newest = newest(conn, keys)?.0.seq;
    if head.seq > newest {
        return Err(Finding::Truncated { found: newest, seen: head.seq }.into());
    }
    if hash_of(conn, head.seq)? == Some(head.hash) {
        Ok(())
    } else {
        Err(Finding::Rewritten(head.seq).into())
    }
}

fn newest_checkpoint(conn: &Connection) -> Result<Option<Checkpoint>, StoreFault> {
    conn.prepare_cached("SELECT seq, hash, signature FROM checkpoints ORDER BY seq DESC LIMIT 1")
        .and_then(|mut s| s.query_row([], Checkpoint::from_row).optional())
        .doing("read the newest checkpoint")
}

fn statement(keys: &StoreKeys, head: &Head) -> Vec<u8> {
    [CHECKPOINT_CONTEXT, &keys.store.0, &head.seq.to_be_bytes(), &head.hash].concat()
}

fn for_each_after(
    conn: &Connection,
    after: u64,
    mut visit: impl FnMut(Record) -> Result<(), StoreFault>,
) -> Result<(), StoreFault> {
    let sql = "SELECT seq, bytes, hash FROM audit WHERE seq > ?1 ORDER BY seq";
    let mut statement = conn.prepare_cached(sql).doing("read the audit chain")?;
    let rows = statement.query_map([signed(after)], record).doing("read the audit chain")?;
    for record in rows {
        visit(record.doing("read an audit record")?)?;
    }
    Ok(())
}

/// The hash of a record that is still there.
///
/// # Errors
/// [`StoreFault`].
pub(crate) fn hash_of(conn: &Connection, seq: u64) -> Result<Option<Hash>, StoreFault> {
    conn.prepare_cached("SELECT hash FROM audit WHERE seq = ?1")
        .and_then(|mut s| s.query_row([signed(seq)], |row| hash(row, 0)).optional())
        .doing("read an audit record")
}

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record { seq: unsigned(row.get(0)?), bytes: row.get(1)?, hash: hash(row, 2)? })
}

/// A hash column. One of another length is no hash; zeros, which no record hashes to, let it be named as wrong.
fn hash(row: &Row<'_>, column: usize) -> rusqlite::Result<Hash> {
    Ok(row.get::<_, Vec<u8>>(column)?.try_into().unwrap_or([0; 32]))
}
