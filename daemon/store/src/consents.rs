//! What persons agreed to beside being recognised. The term of a consent is sealed by the person's key, so that it ends
//! with the person, also in older copies; for what it is stands beside it.

use doorward_core::consent::{Consents, Term};
use doorward_protocol::contents::Purpose;
use doorward_protocol::ids::PersonId;
use rusqlite::{Connection, Row, params};

use crate::fault::{Doing, Finding, StoreFault};
use crate::keys::StoreKeys;
use crate::sealed::{FIELD_VERSION, Key, Place};
use crate::state;
use crate::store::{Store, check_state};

/// A consent: to what, and from when to when.
pub(crate) type Agreed = (Purpose, Term);

impl Store {
    /// What a person agreed to, whether it is in force or not.
    ///
    /// # Errors
    /// [`Finding::Field`].
    pub fn consents_of(&mut self, person: &PersonId) -> Result<Vec<Agreed>, StoreFault> {
        self.reading(|conn, keys, ring| {
            let rows = of(conn, person)?;
            rows.iter().map(|row| Ok(row.open(keys, &ring.person_key(&row.person)?)?)).collect()
        })
    }

    /// What everybody agreed to. As with [`Store::templates`], never from rows that are not the ones last written.
    ///
    /// # Errors
    /// [`Finding::State`], [`Finding::Field`].
    pub fn consents(&mut self) -> Result<Consents, StoreFault> {
        let mut checked = self.checked;
        let consents = self.reading(|conn, keys, ring| {
            check_state(conn, keys, ring, &mut checked)?;
            let mut consents = Consents::default();
            let mut whose: Option<(PersonId, Vec<Agreed>)> = None;
            state::each(conn, ConsentRow::ALL, ConsentRow::from_row, |row| {
                let agreed = row.open(keys, &ring.person_key(&row.person)?)?;
                let person = row.person.parse().map_err(|_| row.finding(keys))?;
                match &mut whose {
                    Some((same, all)) if *same == person => all.push(agreed),
                    _ => {
                        let before = whose.replace((person, vec![agreed]));
                        before.into_iter().for_each(|(person, all)| consents.replace(person, all));
                    }
                }
                Ok(())
            })?;
            whose.into_iter().for_each(|(person, all)| consents.replace(person, all));
            Ok(consents)
        })?;
        self.checked = checked;
        Ok(consents)
    }
}

/// The rows of a person, by purpose.
///
/// # Errors
/// [`StoreFault`].
pub(crate) fn of(conn: &Connection, person: &PersonId) -> Result<Vec<ConsentRow>, StoreFault> {
    let doing = "read a person's consents";
    let mut statement = conn.prepare_cached(ConsentRow::OF_PERSON).doing(doing)?;
    let rows = statement.query_map([person.as_str()], ConsentRow::from_row).doing(doing)?;
    rows.collect::<rusqlite::Result<_>>().doing(doing)
}

/// A row of `consents`.
pub(crate) struct ConsentRow {
    pub(crate) person: String,
    pub(crate) purpose: u32,
    term: Vec<u8>,
}

impl ConsentRow {
    /// Every row, person by person.
    pub(crate) const ALL: &'static str =
        "SELECT person, purpose, term FROM consents ORDER BY person, purpose";
    const OF_PERSON: &'static str =
        "SELECT person, purpose, term FROM consents WHERE person = ?1 ORDER BY purpose";

    /// A row of either query.
    pub(crate) fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { person: row.get(0)?, purpose: row.get(1)?, term: row.get(2)? })
    }

    /// Seals a consent.
    pub(crate) fn seal(keys: &StoreKeys, key: &Key, person: &PersonId, (purpose, term): &Agreed) -> Self {
        let mut row = Self { person: person.to_string(), purpose: purpose.number(), term: Vec::new() };
        let bytes = [term.from_s.to_le_bytes(), term.until_s.to_le_bytes()].concat();
        row.term = key.seal(&place(keys, &row.name()), &bytes);
        row
    }

    /// Opens it.
    ///
    /// # Errors
    /// [`Finding::Field`].
    pub(crate) fn open(&self, keys: &StoreKeys, key: &Key) -> Result<Agreed, Finding> {
        let bytes = key.open(&place(keys, &self.name()), &self.term)?;
        let ([from, until], []) = bytes.as_chunks::<8>() else { return Err(self.finding(keys)) };
        let term = Term { from_s: i64::from_le_bytes(*from), until_s: i64::from_le_bytes(*until) };
        Ok((Purpose::numbered(self.purpose).ok_or_else(|| self.finding(keys))?, term))
    }

    /// Writes it, where none of its purpose is.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub(crate) fn insert(&self, conn: &Connection) -> Result<(), StoreFault> {
        let sql = "INSERT INTO consents (person, purpose, term) VALUES (?1, ?2, ?3)";
        let columns = params![self.person, self.purpose, self.term];
        conn.prepare_cached(sql).and_then(|mut s| s.execute(columns)).doing("write a consent")?;
        Ok(())
    }

    /// Removes it.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub(crate) fn delete(&self, conn: &Connection) -> Result<(), StoreFault> {
        let sql = "DELETE FROM consents WHERE person = ?1 AND purpose = ?2";
        let columns = params![self.person, self.purpose];
        conn.prepare_cached(sql).and_then(|mut s| s.execute(columns)).doing("take a consent away")?;
        Ok(())
    }

    /// The code of the whole row, for the state digest.
    pub(crate) fn code(&self, keys: &StoreKeys) -> [u8; 32] {
        keys.row.mac(&[b"consents", self.name().as_bytes(), &self.term])
    }

    fn finding(&self, keys: &StoreKeys) -> Finding {
        place(keys, &self.name()).finding()
    }

    /// The row's key as text; ids hold no slash.
    fn name(&self) -> String {
        format!("{}/{}", self.person, self.purpose)
    }
}

fn place<'a>(keys: &StoreKeys, row: &'a str) -> Place<'a> {
    let (table, column, version) = ("consents", "term", FIELD_VERSION);
    Place { store: keys.store, table, row, column, version, readable: &[] }
}
