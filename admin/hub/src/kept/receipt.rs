//! Terminals' answers to orders, by the hash of the order.

use doorward_protocol::audit::Hash;
use doorward_protocol::command::{Outcome, Receipt};
use doorward_protocol::ids::{SiteId, TerminalId};

use super::numbers;
use crate::database::{Columns, Kept, Transaction, Value};

/// A receipt as its terminal signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whose.
    pub terminal: TerminalId,
    /// The message.
    pub bytes: Vec<u8>,
    /// Whether the order was obeyed.
    pub done: bool,
    /// Why it was not, or the answer to what was asked.
    pub words: Option<String>,
    /// When the hub kept it.
    pub kept_ms: i64,
}

/// Keeps the first receipt for an order; whether it is the first.
///
/// # Errors
/// The database's.
pub fn keep_receipt(
    transaction: &mut Transaction<'_>,
    site: &SiteId,
    terminal: &TerminalId,
    receipt: &Receipt,
    bytes: &[u8],
    now_ms: i64,
) -> Kept<bool> {
    let (done, words) = match &receipt.outcome {
        Outcome::Done => (true, None),
        Outcome::Refused(why) => (false, Some(why.as_str())),
        Outcome::Report(text) => (true, Some(text.as_str())),
        // It opens for whoever ordered it, and never here.
        Outcome::Picture(_) => (true, None),
    };
    let number = numbers(transaction, 1)?;
    let sql = "INSERT INTO receipt (hash, number, site, terminal, bytes, done, words, kept_ms) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING";
    let values = [
        Value::bytes(*receipt.order),
        number.into(),
        site.as_str().into(),
        terminal.as_str().into(),
        Value::bytes(bytes),
        done.into(),
        words.into(),
        now_ms.into(),
    ];
    Ok(transaction.execute("keep a receipt", sql, &values)? == 1)
}

/// The answer to an order.
///
/// # Errors
/// The database's.
pub fn answer(transaction: &mut Transaction<'_>, site: &SiteId, order: &Hash) -> Kept<Option<Answer>> {
    let sql = "SELECT terminal, bytes, done, words, kept_ms FROM receipt WHERE hash = ?1 AND site = ?2";
    let rows = transaction.query("find a receipt", sql, &[Value::bytes(order), site.as_str().into()])?;
    let answer = |row| {
        let mut row = Columns::from(row);
        Ok(Answer {
            terminal: row.name()?,
            bytes: row.bytes()?,
            done: row.int()? == 1,
            words: row.text_or_none()?,
            kept_ms: row.int()?,
        })
    };
    rows.into_iter().next().map(answer).transpose()
}
