//! What is kept, and the rules by which: audit trails, rosters, terminals, alarms, receipts; and the pages in which all
//! of it is read.

mod alarm;
mod pages;
mod receipt;
mod roster;
mod terminal;
mod trail;

use crate::database::{Columns, DatabaseFault, Kept, Transaction, Value};

pub use self::alarm::{Alarm, settle};
pub use self::pages::{
    AlarmRow, Event, PAGE_MAX, Page, Person, Trail, alarms, events, open_alarms, people, records, trails,
};
pub use self::receipt::{Answer, answer, keep_receipt};
pub use self::roster::{Pin, Retained, append, entries_after, pin, retained, set_denial};
pub use self::terminal::{Presence, Terminal, Totals, say_health, say_state, terminal, terminals, totals};
pub use self::trail::{Taken, TrailFault, take, trail_of};

/// Waits until no other hub writes, and keeps the others waiting until the end of the transaction. Numbers make them take
/// turns anyway; whoever takes the turn first never waits for somebody who waits for it.
///
/// # Errors
/// The database's.
pub fn take_turn(transaction: &mut Transaction<'_>) -> Kept {
    transaction.query_alone("take a turn", "SELECT newest FROM arrival WHERE one = 1", &[]).map(drop)
}

/// Hands out `count` numbers in the order of arrival; returns the first.
fn numbers(transaction: &mut Transaction<'_>, count: usize) -> Kept<i64> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let sql = "UPDATE arrival SET newest = newest + ?1 WHERE one = 1 RETURNING newest";
    let rows = transaction.query("hand out numbers", sql, &[count.into()])?;
    let row = rows.into_iter().next().ok_or(DatabaseFault::Nonsense("no counter"))?;
    Ok(Columns::from(row).int()? - count + 1)
}

/// Inserts rows of `columns`, several a statement. `head` is the statement up to its values.
fn insert_all(
    transaction: &mut Transaction<'_>,
    doing: &'static str,
    head: &str,
    rows: &[Vec<Value>],
) -> Kept {
    // A few fixed sizes, so that each is prepared once.
    const SIZES: [usize; 3] = [64, 8, 1];
    let mut left = rows;
    for size in SIZES {
        while left.len() >= size {
            let (now, later) = left.split_at(size);
            let columns = now[0].len();
            let row = |row: usize| {
                let marks: Vec<String> = (1..=columns).map(|at| format!("?{}", row * columns + at)).collect();
                format!("({})", marks.join(", "))
            };
            let marks: Vec<String> = (0..size).map(row).collect();
            let values: Vec<Value> = now.iter().flatten().cloned().collect();
            transaction.execute(doing, &format!("{head} VALUES {}", marks.join(", ")), &values)?;
            left = later;
        }
    }
    Ok(())
}
