//! The rules the terminal decides by, as text. Each row has its own code, and takes part in the state digest, so that
//! an old set of rules cannot come back unnoticed.

use rusqlite::{Connection, OptionalExtension, params};

use crate::fault::{Doing, Finding, StoreFault};
use crate::keys::StoreKeys;
use crate::settings::{Coded, code, code_fits};
use crate::state::Code;

/// The one row there is: the weekly schedule.
const WEEKLY: &str = "weekly";

/// Reads the rules.
///
/// # Errors
/// [`Finding::Setting`] where they were edited.
pub(crate) fn read(conn: &Connection, keys: &StoreKeys) -> Result<Option<String>, StoreFault> {
    match row(conn)? {
        None => Ok(None),
        Some((value, mac)) if code_fits(keys, "rules", WEEKLY, &value, &mac) => {
            Ok(Some(String::from_utf8(value).map_err(|_| edited(WEEKLY))?))
        }
        Some(_) => Err(edited(WEEKLY).into()),
    }
}

/// Writes the rules and returns the codes of the old row, if there was one, and of the new.
///
/// # Errors
/// [`StoreFault`].
pub(crate) fn write(
    conn: &Connection,
    keys: &StoreKeys,
    text: &str,
) -> Result<(Option<Code>, Code), StoreFault> {
    let old = row(conn)?.map(|(value, _)| code(keys, "rules", WEEKLY, &value));
    let new = code(keys, "rules", WEEKLY, text.as_bytes());
    let sql = "INSERT INTO rules (name, value, mac) VALUES (?1, ?2, ?3)
               ON CONFLICT (name) DO UPDATE SET value = excluded.value, mac = excluded.mac";
    conn.execute(sql, params![WEEKLY, text.as_bytes(), new]).doing("write the rules")?;
    Ok((old, new))
}

/// Removes the rules and returns the code of their row, if there was one.
///
/// # Errors
/// [`StoreFault`].
pub(crate) fn remove(conn: &Connection, keys: &StoreKeys) -> Result<Option<Code>, StoreFault> {
    let old = row(conn)?.map(|(value, _)| code(keys, "rules", WEEKLY, &value));
    conn.execute("DELETE FROM rules WHERE name = ?1", params![WEEKLY]).doing("take the rules away")?;
    Ok(old)
}

/// Checks every row and hands its code to `visit`.
///
/// # Errors
/// [`Finding::Setting`] names the first that was edited.
pub(crate) fn each(
    conn: &Connection,
    keys: &StoreKeys,
    mut visit: impl FnMut(&Code),
) -> Result<(), StoreFault> {
    let mut statement = conn.prepare_cached("SELECT name, value, mac FROM rules").doing("read the rules")?;
    let mut rows = statement.query([]).doing("read the rules")?;
    while let Some(row) = rows.next().doing("read the rules")? {
        let name: String = row.get(0).doing("read the rules")?;
        let value: Vec<u8> = row.get(1).doing("read the rules")?;
        let mac: Vec<u8> = row.get(2).doing("read the rules")?;
        if !code_fits(keys, "rules", &name, &value, &mac) {
            return Err(edited(&name).into());
        }
        visit(&code(keys, "rules", &name, &value));
    }
    Ok(())
}

fn row(conn: &Connection) -> Result<Option<Coded>, StoreFault> {
    conn.prepare_cached("SELECT value, mac FROM rules WHERE name = ?1")
        .and_then(|mut s| s.query_row([WEEKLY], |row| Ok((row.get(0)?, row.get(1)?))).optional())
        .doing("read the rules")
}

fn edited(name: &str) -> Finding {
    Finding::Setting { table: "rules", name: name.to_owned() }
}
