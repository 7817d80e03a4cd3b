//! Alarms: what of the audit trails somebody should look at, until it is over.
//!
//! A terminal reports each set once and cleared once, and its start has cleared them all. What the hub finds itself, a
//! trail that is broken or told twice, stays until somebody says that it is settled.

use doorward_protocol::audit::{Entry, What};
use doorward_protocol::ids::{SiteId, TerminalId};

use super::numbers;
use crate::database::{Kept, Transaction, Value};

/// Reports of a door that set an alarm, with those that clear it.
const PAIRS: [(&str, &str); 6] = [
    ("forced", "forced_cleared"),
    ("held_open", "held_open_cleared"),
    ("tampered", "tamper_cleared"),
    ("power_failed", "power_restored"),
    ("fire", "fire_over"),
    ("lockdown", "lockdown_over"),
];
/// What a fault's alarm begins with.
const FAULT: &str = "fault ";
/// What the hub's own findings begin with.
const OWN: &str = "seen here: ";
/// Letters of what an alarm is about: a part's name is foreign text.
const WHAT_LEN_MAX: usize = 80;

/// What the hub itself finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alarm {
    /// A terminal told two stories under one number.
    Fork,
    /// A terminal's records do not follow from each other.
    Broken,
    /// A terminal follows another roster than the one that is kept here.
    Roster,
    /// A terminal holds something else than what was signed.
    State,
}

impl Alarm {
    /// Raises it, if it is not raised already.
    ///
    /// # Errors
    /// The database's.
    pub fn raise(
        self,
        transaction: &mut Transaction<'_>,
        site: &SiteId,
        terminal: &TerminalId,
        at_ms: i64,
    ) -> Kept {
        let number = numbers(transaction, 1)?;
        set(transaction, site, terminal, &self.what(), number, at_ms)
    }

    /// Says that it is over by itself.
    ///
    /// # Errors
    /// The database's.
    pub fn over(
        self,
        transaction: &mut Transaction<'_>,
        site: &SiteId,
        terminal: &TerminalId,
        at_ms: i64,
    ) -> Kept {
        clear(transaction, site, terminal, &self.what(), at_ms)
    }

    fn what(self) -> String {
        let what = match self {
            Alarm::Fork => "a trail told twice",
            Alarm::Broken => "a broken trail",
            Alarm::Roster => "another roster",
            Alarm::State => "another state than was signed",
        };
        format!("{OWN}{what}")
    }
}

/// Ends an alarm that somebody has seen to; whether it was open.
///
/// # Errors
/// The database's.
pub fn settle(transaction: &mut Transaction<'_>, site: &SiteId, number: i64, at_ms: i64) -> Kept<bool> {
    let sql = "UPDATE alarm SET cleared_ms = ?1 WHERE site = ?2 AND number = ?3 AND cleared_ms IS NULL";
    let values = [at_ms.into(), site.as_str().into(), number.into()];
    Ok(transaction.execute("settle an alarm", sql, &values)? == 1)
}

/// What a record means for the alarms. `number` is the record's.
pub(super) fn follow(
    transaction: &mut Transaction<'_>,
    site: &SiteId,
    terminal: &TerminalId,
    number: i64,
    entry: &Entry,
) -> Kept {
    match &entry.what {
        What::Started(_) => clear_all(transaction, site, terminal, entry.at_ms),
        What::Door(report) => {
            let begins = PAIRS.iter().any(|(begin, _)| *begin == report.event);
            match PAIRS.iter().find(|(_, end)| *end == report.event) {
                Some((begin, _)) => clear(transaction, site, terminal, begin, entry.at_ms),
                None if begins => set(transaction, site, terminal, &report.event, number, entry.at_ms),
                None => Ok(()),
            }
        }
        What::Fault(fault) => {
            let what: String = format!("{FAULT}{}", fault.part).chars().take(WHAT_LEN_MAX).collect();
            match fault.set {
                true => set(transaction, site, terminal, &what, number, entry.at_ms),
                false => clear(transaction, site, terminal, &what, entry.at_ms),
            }
        }
        What::Decided(_)
        | What::Released(_)
        | What::Enrolled(_)
        | What::Erased(_)
        | What::ErasedEverybody(_)
        | What::ClockJumped(_)
        | What::Stopped(_)
        | What::Credential(_)
        | What::Pictured(_)
        | What::Asked(_)
        | What::Skipped(_) => Ok(()),
    }
}

fn set(
    transaction: &mut Transaction<'_>,
    site: &SiteId,
    terminal: &TerminalId,
    what: &str,
    number: i64,
    at_ms: i64,
) -> Kept {
    let sql = "INSERT INTO alarm (number, site, terminal, what, raised_ms) VALUES (?1, ?2, ?3, ?4, ?5) \
        ON CONFLICT DO NOTHING";
    let values = [number.into(), site.as_str().into(), terminal.as_str().into(), what.into(), at_ms.into()];
    transaction.execute("raise an alarm", sql, &values).map(drop)
}

fn clear(
    transaction: &mut Transaction<'_>,
    site: &SiteId,
    terminal: &TerminalId,
    what: &str,
    at_ms: i64,
) -> Kept {
    let sql = "UPDATE alarm SET cleared_ms = ?1 WHERE site = ?2 AND terminal = ?3 AND what = ?4 \
        AND cleared_ms IS NULL";
    let values = [at_ms.into(), site.as_str().into(), terminal.as_str().into(), what.into()];
    transaction.execute("clear an alarm", sql, &values).map(drop)
}

/// A start clears what the terminal itself reported.
fn clear_all(transaction: &mut Transaction<'_>, site: &SiteId, terminal: &TerminalId, at_ms: i64) -> Kept {
    let sql = "UPDATE alarm SET cleared_ms = ?1 WHERE site = ?2 AND terminal = ?3 AND cleared_ms IS NULL \
        AND what NOT LIKE ?4";
    let own = Value::text(format!("{OWN}%"));
    let values = [at_ms.into(), site.as_str().into(), terminal.as_str().into(), own];
    transaction.execute("clear a terminal's alarms", sql, &values).map(drop)
}
