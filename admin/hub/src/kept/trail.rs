//! Audit trails: each record once, in order, with its chain verified.

use std::collections::HashMap;

use doorward_protocol::audit::{Entry, Hash, Head, Record, What};
use doorward_protocol::delivery::{self, Batch, BatchFault};
use doorward_protocol::ids::{PersonId, SiteId, TerminalId};

use super::{alarm, insert_all, numbers};
use crate::database::{Columns, DatabaseFault, Kept, Transaction, Value};

/// Trails of one terminal: one for every time that its store was new. A terminal that begins more has lost its mind or
/// its keeper.
const TRAILS_MAX: i64 = 64;

/// What came of a batch that fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// How far the trail is kept now.
    pub head: Head,
    /// Records that were new.
    pub new: usize,
}

/// Why a batch was not kept.
#[derive(Debug, thiserror::Error)]
pub enum TrailFault {
    /// It does not fit.
    #[error("{fault}")]
    Batch {
        /// Why.
        fault: BatchFault,
        /// What is kept.
        head: Head,
    },
    /// Too many trails.
    #[error("a terminal has at most {TRAILS_MAX} audit trails, and this one begins another")]
    Trails,
    /// The database's.
    #[error(transparent)]
    Database(#[from] DatabaseFault),
}

/// A trail in the database.
struct Known {
    number: i64,
    head: Head,
}

/// The number of a trail, which is begun if it is new, and how far it is kept.
///
/// # Errors
/// [`TrailFault::Trails`] or the database's.
pub fn trail_of(
    transaction: &mut Transaction<'_>,
    site: &SiteId,
    terminal: &TerminalId,
    genesis: &Hash,
) -> Result<(i64, Head), TrailFault> {
    let found = known(transaction, site, terminal, genesis)?;
    let known = match found {
        Some(known) => known,
        None => begin(transaction, site, terminal, genesis)?,
    };
    Ok((known.number, known.head))
}

/// Keeps what is new of a batch. `signed` is the message it came in.
///
/// # Errors
/// [`TrailFault`]; nothing was kept then.
pub fn take(
    transaction: &mut Transaction<'_>,
    site: &SiteId,
    terminal: &TerminalId,
    batch: &Batch,
    signed: &[u8],
) -> Result<Taken, TrailFault> {
    let (number, head) = trail_of(transaction, site, terminal, &batch.genesis)?;
    let hashes = hashes(transaction, number, head, batch)?;
    let hash_of = |seq: u64| match seq {
        0 => Some(*batch.genesis),
        seq if seq == head.seq => Some(head.hash),
        seq => hashes.get(&seq).copied(),
    };
    let new = delivery::take(batch, head, hash_of).map_err(|fault| TrailFault::Batch { fault, head })?;
    let Some((newest, _)) = new.last() else { return Ok(Taken { head, new: 0 }) };
    let head = Head { seq: newest.seq, hash: newest.hash };
    let first = numbers(transaction, new.len())?;
    let rows: Vec<Vec<Value>> =
        (first..).zip(&new).map(|(at, (record, entry))| row(number, at, record, entry)).collect();
    let insert = "INSERT INTO record (trail, seq, number, bytes, hash, at_ms, person)";
    insert_all(transaction, "keep audit records", insert, &rows)?;
    let update = "UPDATE trail SET seq = ?1, hash = ?2, signed = ?3 WHERE trail = ?4";
    let values = [Value::count(head.seq), Value::bytes(head.hash), Value::bytes(signed), number.into()];
    transaction.execute("note how far a trail is kept", update, &values)?;
    for (at, (_, entry)) in (first..).zip(&new) {
        alarm::follow(transaction, site, terminal, at, entry)?;
    }
    Ok(Taken { head, new: new.len() })
}

fn known(
    transaction: &mut Transaction<'_>,
    site: &SiteId,
    terminal: &TerminalId,
    genesis: &Hash,
) -> Kept<Option<Known>> {
    let sql = "SELECT trail, seq, hash FROM trail WHERE site = ?1 AND terminal = ?2 AND genesis = ?3";
    let values = [Value::text(site.as_str()), Value::text(terminal.as_str()), Value::bytes(genesis)];
    let rows = transaction.query("find a trail", sql, &values)?;
    let Some(row) = rows.into_iter().next() else { return Ok(None) };
    let mut row = Columns::from(row);
    Ok(Some(Known { number: row.int()?, head: Head { seq: row.count()?, hash: row.array()? } }))
}

fn begin(
    transaction: &mut Transaction<'_>,
    site: &SiteId,
    terminal: &TerminalId,
    genesis: &Hash,
) -> Result<Known, TrailFault> {
    let of_terminal = [Value::text(site.as_str()), Value::text(terminal.as_str())];
    let sql = "SELECT COUNT(*) FROM trail WHERE site = ?1 AND terminal = ?2";
    let rows = transaction.query("count a terminal's trails", sql, &of_terminal)?;
    let count = rows.into_iter().next().map(|row| Columns::from(row).int()).transpose()?.unwrap_or(0);
    if count >= TRAILS_MAX {
        return Err(TrailFault::Trails);
    }
    let number = numbers(transaction, 1)?;
    let sql = "INSERT INTO trail (trail, site, terminal, genesis, seq, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let [site, terminal] = of_terminal;
    let values = [number.into(), site, terminal, Value::bytes(genesis), Value::Int(0), Value::bytes(genesis)];
    transaction.execute("begin a trail", sql, &values)?;
    Ok(Known { number, head: Head::genesis(*genesis) })
}

/// The hashes of what is kept and comes again, and of what stands before it.
fn hashes(
    transaction: &mut Transaction<'_>,
    trail: i64,
    head: Head,
    batch: &Batch,
) -> Kept<HashMap<u64, Hash>> {
    let from = batch.first.saturating_sub(1);
    if from >= head.seq {
        return Ok(HashMap::new());
    }
    let sql = "SELECT seq, hash FROM record WHERE trail = ?1 AND seq BETWEEN ?2 AND ?3";
    let until = from.saturating_add(delivery::BATCH_MAX as u64);
    let values = [trail.into(), Value::count(from), Value::count(until)];
    let rows = transaction.query("read hashes of a trail", sql, &values)?;
    let hash = |row| {
        let mut row = Columns::from(row);
        Ok((row.count()?, row.array()?))
    };
    rows.into_iter().map(hash).collect()
}

fn row(trail: i64, number: i64, record: &Record, entry: &Entry) -> Vec<Value> {
    vec![
        trail.into(),
        Value::count(record.seq),
        number.into(),
        Value::bytes(&record.bytes),
        Value::bytes(record.hash),
        entry.at_ms.into(),
        person(&entry.what).map(|person| Value::text(person.as_str())).into(),
    ]
}

/// Whom a record is about.
fn person(what: &What) -> Option<&PersonId> {
    match what {
        What::Decided(decided) => decided.person.as_ref(),
        What::Enrolled(enrolled) => Some(&enrolled.person),
        What::Erased(erased) => Some(&erased.person),
        What::Credential(changed) => Some(&changed.person),
        What::Skipped(skipped) => skipped.person.as_ref(),
        What::Pictured(pictured) => Some(&pictured.person),
        What::Asked(asked) => asked.person.as_ref(),
        What::Started(_)
        | What::ErasedEverybody(_)
        | What::Released(_)
        | What::Door(_)
        | What::Fault(_)
        | What::ClockJumped(_)
        | What::Stopped(_) => None,
    }
}
