//! The state of persons, templates, credentials, consents and rules as a whole: how often it changed, how many rows
//! there are, and a digest that shows a removed, added or rolled-back row, which no single row could show.
//!
//! The digest is the exclusive or of the codes of all rows, so that one row changes it without reading the others.
//! Codes are HMACs under a key that only this store has, and rows have distinct keys, so without the codes nobody can
//! find another set of rows with the same digest. The digest itself is sealed: somebody who saw many digests could
//! combine them. The sealed digest lies in a setting with its own code, and the generation beside it is in the anchor.

use rusqlite::Connection;

use crate::chain::unsigned;
use crate::consents::ConsentRow;
use crate::credentials::CredentialRow;
use crate::fault::{Doing, Finding, StoreFault};
use crate::keys::StoreKeys;
use crate::ring::Ring;
use crate::rows::{PersonRow, TemplateRow};
use crate::rules;
use crate::sealed::{FIELD_VERSION, Place};
use crate::settings::Setting;

/// The code of a row, or of many.
pub(crate) type Code = [u8; 32];

/// The state that was last written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State {
    /// Changes so far.
    pub(crate) generation: u64,
    /// Rows of `persons`.
    pub(crate) persons: u64,
    /// Rows of `templates`.
    pub(crate) templates: u64,
    digest: Code,
}

impl State {
    /// The state of a new store.
    pub(crate) const EMPTY: State = State { generation: 0, persons: 0, templates: 0, digest: [0; 32] };

    /// Reads it.
    ///
    /// # Errors
    /// [`Finding::Setting`] where it was edited.
    pub(crate) fn read(conn: &Connection, keys: &StoreKeys) -> Result<Self, StoreFault> {
        let value = Setting::State.get(conn, keys)?;
        let (numbers, sealed) = value.split_first_chunk::<24>().ok_or_else(|| Setting::State.edited())?;
        let number =
            |i: usize| u64::from_le_bytes(numbers[8 * i..8 * i + 8].try_into().expect("eight bytes"));
        let digest = keys.state.open(&place(keys, numbers), sealed)?;
        let digest = digest.as_slice().try_into().map_err(|_| Setting::State.edited())?;
        Ok(Self { generation: number(0), persons: number(1), templates: number(2), digest })
    }

    /// Writes it.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub(crate) fn write(&self, conn: &Connection, keys: &StoreKeys) -> Result<(), StoreFault> {
        let numbers = [self.generation, self.persons, self.templates].map(u64::to_le_bytes).concat();
        let sealed = keys.state.seal(&place(keys, &numbers), &self.digest);
        Setting::State.put(conn, keys, &[numbers, sealed].concat())
    }

    /// Adds a row with this code, or takes it away.
    pub(crate) fn toggle(&mut self, code: &Code) {
        self.digest.iter_mut().zip(code).for_each(|(digest, code)| *digest ^= code);
    }

    /// Takes the rows as they are now for those that were last written.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub(crate) fn recount(&mut self, conn: &Connection, keys: &StoreKeys) -> Result<(), StoreFault> {
        *self = Self { generation: self.generation, ..Self::found(conn, keys)? };
        Ok(())
    }

    /// Reads the state and compares it with all rows.
    ///
    /// # Errors
    /// [`Finding::Field`] or [`Finding::Setting`] name the first row that was edited; [`Finding::State`] says that
    /// every row is authentic but they are not the ones that were last written.
    pub(crate) fn check(
        conn: &Connection,
        keys: &StoreKeys,
        ring: &mut Ring<'_>,
    ) -> Result<Self, StoreFault> {
        let written = Self::read(conn, keys)?;
        let found = Self::found(conn, keys)?;
        if found == (Self { generation: 0, ..written }) {
            return Ok(written);
        }
        open_every_row(conn, keys, ring, &mut |_| ())?;
        Err(Finding::State {
            persons_written: written.persons,
            persons_found: found.persons,
            templates_written: written.templates,
            templates_found: found.templates,
        }
        .into())
    }

    /// The state that the rows amount to; they do not tell the generation.
    fn found(conn: &Connection, keys: &StoreKeys) -> Result<Self, StoreFault> {
        let mut state = Self::EMPTY;
        each(conn, PersonRow::ALL, PersonRow::from_row, |row| {
            state.persons += 1;
            state.toggle(&row.code(keys));
            Ok(())
        })?;
        each(conn, TemplateRow::ALL, TemplateRow::from_row, |row| {
            state.templates += 1;
            state.toggle(&row.code(keys));
            Ok(())
        })?;
        each(conn, CredentialRow::ALL, CredentialRow::from_row, |row| {
            state.toggle(&row.code(keys));
            Ok(())
        })?;
        each(conn, ConsentRow::ALL, ConsentRow::from_row, |row| {
            state.toggle(&row.code(keys));
            Ok(())
        })?;
        rules::each(conn, keys, |code| state.toggle(code))?;
        for setting in Setting::NOTED {
            if let Some(code) = setting.code(conn, keys)? {
                state.toggle(&code);
            }
        }
        Ok(state)
    }
}

/// Opens every sealed value and calls `progress` after each row.
///
/// # Errors
/// [`Finding::Field`] names the first that does not open.
pub(crate) fn open_every_row(
    conn: &Connection,
    keys: &StoreKeys,
    ring: &mut Ring<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<(), StoreFault> {
    each(conn, PersonRow::ALL, PersonRow::from_row, |row| {
        row.open(keys, &ring.person_key(&row.id)?)?;
        progress(1);
        Ok(())
    })?;
    each(conn, TemplateRow::ALL, TemplateRow::from_row, |row| {
        row.open(keys, &ring.person_key(&row.person)?)?;
        progress(1);
        Ok(())
    })?;
    each(conn, CredentialRow::ALL, CredentialRow::from_row, |row| {
        row.open(keys, &ring.person_key(&row.person)?)?;
        progress(1);
        Ok(())
    })?;
    each(conn, ConsentRow::ALL, ConsentRow::from_row, |row| {
        row.open(keys, &ring.person_key(&row.person)?)?;
        progress(1);
        Ok(())
    })
}

/// Rows of `persons`, `templates`, `credentials` and `consents`, as the tables have them.
///
/// # Errors
/// [`StoreFault`].
pub(crate) fn count_rows(conn: &Connection) -> Result<u64, StoreFault> {
    let sql = "SELECT (SELECT count(*) FROM persons) + (SELECT count(*) FROM templates)
               + (SELECT count(*) FROM credentials) + (SELECT count(*) FROM consents)";
    conn.query_row(sql, [], |row| row.get(0)).map(unsigned).doing("count the rows")
}

/// Shows each row of a query to `visit`.
///
/// # Errors
/// [`StoreFault`], and what `visit` returns.
pub(crate) fn each<T>(
    conn: &Connection,
    sql: &str,
    parse: impl Fn(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    mut visit: impl FnMut(T) -> Result<(), StoreFault>,
) -> Result<(), StoreFault> {
    let mut statement = conn.prepare_cached(sql).doing("read every row")?;
    let mut rows = statement.query([]).doing("read every row")?;
    while let Some(row) = rows.next().doing("read every row")? {
        visit(parse(row).doing("read a row")?)?;
    }
    Ok(())
}

fn place<'a>(keys: &StoreKeys, numbers: &'a [u8]) -> Place<'a> {
    Place {
        store: keys.store,
        table: "meta",
        row: "state",
        column: "value",
        version: FIELD_VERSION,
        readable: numbers,
    }
}
