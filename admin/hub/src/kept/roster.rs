//! Rosters as their signers wrote them. Who may write what was checked before; here only the order counts.

use doorward_protocol::audit::Hash;
use doorward_protocol::ids::SiteId;
use doorward_protocol::keys::PublicKey;
use doorward_protocol::roster::Head;

use crate::database::{Columns, DatabaseFault, Kept, Transaction, Value};

/// What a site is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pin {
    /// Its root and genesis are those that are kept.
    Same,
    /// The database knows it under others.
    Other,
}

/// Notes a site, or compares it with what was noted before.
///
/// # Errors
/// The database's.
pub fn pin(transaction: &mut Transaction<'_>, site: &SiteId, root: &PublicKey, genesis: &Hash) -> Kept<Pin> {
    let values = [site.as_str().into(), Value::bytes(root.to_bytes()), Value::bytes(genesis)];
    let sql = "INSERT INTO site (site, root, genesis) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    transaction.execute("note a site", sql, &values)?;
    let sql = "SELECT COUNT(*) FROM site WHERE site = ?1 AND root = ?2 AND genesis = ?3";
    let rows = transaction.query("compare a site", sql, &values)?;
    let same = rows.into_iter().next().map(|row| Columns::from(row).int()).transpose()?;
    Ok(if same == Some(1) { Pin::Same } else { Pin::Other })
}

/// Appends an entry; whether nobody else had appended one under its number.
///
/// # Errors
/// The database's.
pub fn append(transaction: &mut Transaction<'_>, site: &SiteId, head: Head, bytes: &[u8]) -> Kept<bool> {
    let sql = "INSERT INTO roster (site, seq, bytes, hash) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
    let values = [site.as_str().into(), Value::count(head.seq), Value::bytes(bytes), Value::bytes(head.hash)];
    Ok(transaction.execute("append to a roster", sql, &values)? == 1)
}

/// Entries after number `after`, at most `count`; none where the entry of that number has another hash.
///
/// # Errors
/// The database's.
pub fn entries_after(
    transaction: &mut Transaction<'_>,
    site: &SiteId,
    after: u64,
    hash: Option<&Hash>,
    count: usize,
) -> Kept<Option<Vec<Vec<u8>>>> {
    let place = [site.as_str().into(), Value::count(after)];
    if let Some(hash) = hash {
        let sql = match after {
            0 => "SELECT genesis FROM site WHERE site = ?1 AND CAST(?2 AS BIGINT) = 0",
            _ => "SELECT hash FROM roster WHERE site = ?1 AND seq = ?2",
        };
        let rows = transaction.query("compare a place in a roster", sql, &place)?;
        let kept: Option<Hash> = rows.into_iter().next().map(|row| Columns::from(row).array()).transpose()?;
        if kept.as_ref() != Some(hash) {
            return Ok(None);
        }
    }
    let sql = "SELECT bytes FROM roster WHERE site = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
    let [site, after] = place;
    let count = Value::count(count as u64);
    let rows = transaction.query("read a roster", sql, &[site, after, count])?;
    rows.into_iter().map(|row| Columns::from(row).bytes()).collect::<Kept<_>>().map(Some)
}

/// What the broker retains for a site's terminals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retained {
    /// The newest entry.
    pub head: Option<Vec<u8>>,
    /// The newest denial.
    pub denial: Option<Vec<u8>>,
}

/// What is retained for a site's terminals.
///
/// # Errors
/// The database's.
pub fn retained(transaction: &mut Transaction<'_>, site: &SiteId) -> Kept<Retained> {
    let site = [Value::from(site.as_str())];
    let sql = "SELECT bytes FROM roster WHERE site = ?1 ORDER BY seq DESC LIMIT 1";
    let rows = transaction.query("read a roster's head", sql, &site)?;
    let head = rows.into_iter().next().map(|row| Columns::from(row).bytes()).transpose()?;
    let rows = transaction.query("read a denial", "SELECT denial FROM site WHERE site = ?1", &site)?;
    let row = rows.into_iter().next().ok_or(DatabaseFault::Nonsense("no site"))?;
    Ok(Retained { head, denial: Columns::from(row).bytes_or_none()? })
}

/// Keeps a denial in place of the one before.
///
/// # Errors
/// The database's.
pub fn set_denial(transaction: &mut Transaction<'_>, site: &SiteId, bytes: &[u8]) -> Kept {
    let values = [Value::bytes(bytes), site.as_str().into()];
    transaction.execute("keep a denial", "UPDATE site SET denial = ?1 WHERE site = ?2", &values).map(drop)
}
