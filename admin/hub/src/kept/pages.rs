//! What is kept, in pages: newest first, each page bounded, and the same question always the same answer.

use doorward_protocol::audit::{Entry, Hash, Record};
use doorward_protocol::ids::{PersonId, SiteId, TerminalId};

use crate::database::{Columns, DatabaseFault, Kept, Row, Transaction, Value};

/// Rows of one page.
pub const PAGE_MAX: usize = 500;

/// Which page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Rows before this number: the last one of the page before.
    pub before: i64,
    /// At most this many, and never more than [`PAGE_MAX`].
    pub count: usize,
}

impl Page {
    /// The newest rows.
    #[must_use]
    pub fn newest(count: usize) -> Self {
        Self { before: i64::MAX, count }
    }

    fn limit(self) -> Value {
        Value::count(self.count.min(PAGE_MAX) as u64)
    }
}

/// One audit record with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its place in the order of arrival.
    pub number: i64,
    /// Whose.
    pub terminal: TerminalId,
    /// Its number in the trail.
    pub seq: u64,
    /// What it says.
    pub entry: Entry,
}

/// The newest records of a site, or of one of its terminals, or about one person.
///
/// # Errors
/// The database's.
pub fn events(
    transaction: &mut Transaction<'_>,
    site: &SiteId,
    terminal: Option<&TerminalId>,
    person: Option<&PersonId>,
    page: Page,
) -> Kept<Vec<Event>> {
    let mut sql = "SELECT number, trail.terminal, record.seq, bytes FROM record \
        JOIN trail ON trail.trail = record.trail WHERE site = ?1 AND number < ?2"
        .to_owned();
    let mut values = vec![site.as_str().into(), page.before.into(), page.limit()];
    for (column, wanted) in
        [("trail.terminal", terminal.map(TerminalId::as_str)), ("person", person.map(PersonId::as_str))]
    {
        if let Some(wanted) = wanted {
            values.push(wanted.into());
            sql.push_str(&format!(" AND {column} = ?{}", values.len()));
        }
    }
    sql.push_str(" ORDER BY number DESC LIMIT ?3");
    let rows = transaction.query("read events", &sql, &values)?;
    rows.into_iter().map(event).collect()
}

fn event(row: Row) -> Kept<Event> {
    let mut row = Columns::from(row);
    let (number, terminal, seq) = (row.int()?, row.name()?, row.count()?);
    let entry = Entry::from_bytes(&row.bytes()?).map_err(|_| DatabaseFault::Nonsense("no audit entry"))?;
    Ok(Event { number, terminal, seq, entry })
}

/// An alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlarmRow {
    /// Its place in the order of arrival.
    pub number: i64,
    /// Where.
    pub terminal: TerminalId,
    /// What about.
    pub what: String,
    /// Since when, by the terminal's clock.
    pub raised_ms: i64,
    /// Until when.
    pub cleared_ms: Option<i64>,
}

/// Alarms of a site.
///
/// # Errors
/// The database's.
pub fn alarms(transaction: &mut Transaction<'_>, site: &SiteId, page: Page) -> Kept<Vec<AlarmRow>> {
    alarms_where(transaction, site, page, "")
}

/// Alarms of a site that are not over.
///
/// # Errors
/// The database's.
pub fn open_alarms(transaction: &mut Transaction<'_>, site: &SiteId, page: Page) -> Kept<Vec<AlarmRow>> {
    alarms_where(transaction, site, page, " AND cleared_ms IS NULL")
}

fn alarms_where(
    transaction: &mut Transaction<'_>,
    site: &SiteId,
    page: Page,
    which: &str,
) -> Kept<Vec<AlarmRow>> {
    let sql = format!(
        "SELECT number, terminal, what, raised_ms, cleared_ms FROM alarm WHERE site = ?1 AND number < ?2{which} \
         ORDER BY number DESC LIMIT ?3"
    );
    let values = [site.as_str().into(), page.before.into(), page.limit()];
    let read = |row| {
        let mut row = Columns::from(row);
        Ok(AlarmRow {
            number: row.int()?,
            terminal: row.name()?,
            what: row.text()?,
            raised_ms: row.int()?,
            cleared_ms: row.int_or_none()?,
        })
    };
    transaction.query("read alarms", &sql, &values)?.into_iter().map(read).collect()
}

/// Somebody who occurs in the audit trails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Who.
    pub person: PersonId,
    /// Records about them.
    pub records: i64,
    /// The newest.
    pub newest: i64,
    /// When it was, by its terminal's clock.
    pub at_ms: i64,
}

/// Persons of a site in the order of their names, after `after`.
///
/// # Errors
/// The database's.
pub fn people(
    transaction: &mut Transaction<'_>,
    site: &SiteId,
    after: &str,
    count: usize,
) -> Kept<Vec<Person>> {
    let sql = "SELECT person, COUNT(*), MAX(number), MAX(at_ms) FROM record JOIN trail ON trail.trail = record.trail \
        WHERE site = ?1 AND person IS NOT NULL AND person > ?2 GROUP BY person ORDER BY person LIMIT ?3";
    let values = [site.as_str().into(), after.into(), Value::count(count.min(PAGE_MAX) as u64)];
    let read = |row| {
        let mut row = Columns::from(row);
        Ok(Person { person: row.name()?, records: row.int()?, newest: row.int()?, at_ms: row.int()? })
    };
    transaction.query("read people", sql, &values)?.into_iter().map(read).collect()
}

/// A trail, with what proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trail {
    /// Its number here.
    pub trail: i64,
    /// Whose.
    pub terminal: TerminalId,
    /// What it begins with.
    pub genesis: Hash,
    /// How far it is kept.
    pub seq: u64,
    /// The newest batch as its terminal signed it.
    pub signed: Option<Vec<u8>>,
}

/// Trails of a site after number `after`.
///
/// # Errors
/// The database's.
pub fn trails(
    transaction: &mut Transaction<'_>,
    site: &SiteId,
    after: i64,
    count: usize,
) -> Kept<Vec<Trail>> {
    let sql = "SELECT trail, terminal, genesis, seq, signed FROM trail WHERE site = ?1 AND trail > ?2 \
        ORDER BY trail LIMIT ?3";
    let values = [site.as_str().into(), after.into(), Value::count(count.min(PAGE_MAX) as u64)];
    let read = |row| {
        let mut row = Columns::from(row);
        Ok(Trail {
            trail: row.int()?,
            terminal: row.name()?,
            genesis: row.array()?,
            seq: row.count()?,
            signed: row.bytes_or_none()?,
        })
    };
    transaction.query("read trails", sql, &values)?.into_iter().map(read).collect()
}

/// Records of a trail of a site after number `after`, oldest first.
///
/// # Errors
/// The database's.
pub fn records(
    transaction: &mut Transaction<'_>,
    site: &SiteId,
    trail: i64,
    after: u64,
    count: usize,
) -> Kept<Vec<Record>> {
    let sql = "SELECT record.seq, bytes, record.hash FROM record JOIN trail ON trail.trail = record.trail \
        WHERE record.trail = ?1 AND site = ?2 AND record.seq > ?3 ORDER BY record.seq LIMIT ?4";
    let count = Value::count(count.min(PAGE_MAX) as u64);
    let values = [trail.into(), site.as_str().into(), Value::count(after), count];
    let read = |row| {
        let mut row = Columns::from(row);
        Ok(Record { seq: row.count()?, bytes: row.bytes()?, hash: row.array()? })
    };
    transaction.query("read a trail", sql, &values)?.into_iter().map(read).collect()
}
