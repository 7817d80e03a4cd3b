//! The rows of persons and templates: how plain values become sealed rows and come back.
//!
//! The readable columns of a row (validity, model version, …) are bound to its sealed column: a row with an edited date
//! does not open any more than one with an edited name. A row's code, under a key of its own, covers every column; the
//! state digest is made of these codes.

use std::fmt;

use doorward_core::template::{TemplateVersion, UnitVector};
use doorward_protocol::ids::PersonId;
use rusqlite::Row;
use zeroize::Zeroizing;

use crate::fault::Finding;
use crate::keys::StoreKeys;
use crate::sealed::{FIELD_VERSION, Key, Place};

/// What the store keeps of a person beside templates.
#[derive(Clone, PartialEq, Eq)]
pub struct PersonRecord {
    /// The organisation's number for the person.
    pub id: PersonId,
    /// Display name, at most [`NAME_LEN_MAX`](crate::NAME_LEN_MAX) bytes; stored sealed.
    pub name: String,
    /// First moment of the right to pass, milliseconds since 1970; none: always.
    pub valid_from_ms: Option<i64>,
    /// First moment after it, milliseconds since 1970; none: without end.
    pub valid_until_ms: Option<i64>,
    /// Whether the right is suspended.
    pub suspended: bool,
}

impl fmt::Debug for PersonRecord {
    /// Everything but the name: names stay out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PersonRecord")
            .field("id", &self.id)
            .field("valid_from_ms", &self.valid_from_ms)
            .field("valid_until_ms", &self.valid_until_ms)
            .field("suspended", &self.suspended)
            .finish_non_exhaustive()
    }
}

/// A reference as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredTemplate {
    /// Its number among the person's templates, from 0.
    pub slot: u32,
    /// What it can be compared with.
    pub version: TemplateVersion,
    /// The protected vector.
    pub vector: UnitVector,
    /// Where it came from: `photo_supervised`, `photo`, `recording`, `terminal`.
    pub source: String,
    /// When it was stored, milliseconds since 1970.
    pub created_ms: i64,
}

/// A row of `persons`.
pub(crate) struct PersonRow {
    pub(crate) id: String,
    pub(crate) name: Vec<u8>,
    pub(crate) valid_from_ms: Option<i64>,
    pub(crate) valid_until_ms: Option<i64>,
    pub(crate) suspended: bool,
}

impl PersonRow {
    /// Every row, in the order of ids.
    pub(crate) const ALL: &'static str =
        "SELECT id, name, valid_from_ms, valid_until_ms, suspended FROM persons ORDER BY id";
    /// One row.
    pub(crate) const ONE: &'static str =
        "SELECT id, name, valid_from_ms, valid_until_ms, suspended FROM persons WHERE id = ?1";

    /// A row of either query.
    pub(crate) fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            name: row.get(1)?,
            valid_from_ms: row.get(2)?,
            valid_until_ms: row.get(3)?,
            suspended: row.get(4)?,
        })
    }

    /// Seals a record.
    pub(crate) fn seal(keys: &StoreKeys, key: &Key, record: &PersonRecord) -> Self {
        let mut row = Self {
            id: record.id.to_string(),
            name: Vec::new(),
            valid_from_ms: record.valid_from_ms,
            valid_until_ms: record.valid_until_ms,
            suspended: record.suspended,
        };
        row.name = key.seal(&row.place(keys, &row.readable()), record.name.as_bytes());
        row
    }

    /// Opens it.
    ///
    /// # Errors
    /// [`Finding::Field`].
    pub(crate) fn open(&self, keys: &StoreKeys, key: &Key) -> Result<PersonRecord, Finding> {
        let readable = self.readable();
        let place = self.place(keys, &readable);
        let name = key.open(&place, &self.name)?;
        Ok(PersonRecord {
            id: self.id.parse().map_err(|_| place.finding())?,
            name: String::from_utf8(name.to_vec()).map_err(|_| place.finding())?,
            valid_from_ms: self.valid_from_ms,
            valid_until_ms: self.valid_until_ms,
            suspended: self.suspended,
        })
    }

    /// The code of the whole row.
    pub(crate) fn code(&self, keys: &StoreKeys) -> [u8; 32] {
        keys.row.mac(&[b"persons", self.id.as_bytes(), &self.readable(), &self.name])
    }

    fn readable(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(19);
        for moment in [self.valid_from_ms, self.valid_until_ms] {
            bytes.push(u8::from(moment.is_some()));
            bytes.extend_from_slice(&moment.unwrap_or(0).to_le_bytes());
        }
        bytes.push(u8::from(self.suspended));
        bytes
    }

    fn place<'a>(&'a self, keys: &StoreKeys, readable: &'a [u8]) -> Place<'a> {
        Place {
            store: keys.store,
            table: "persons",
            row: &self.id,
            column: "name",
            version: FIELD_VERSION,
            readable,
        }
    }
}

/// A row of `templates`.
pub(crate) struct TemplateRow {
    pub(crate) person: String,
    pub(crate) slot: u32,
    pub(crate) model: Vec<u8>,
    pub(crate) preprocessing: u16,
    pub(crate) vector: Vec<u8>,
    pub(crate) source: String,
    pub(crate) created_ms: i64,
}

impl TemplateRow {
    /// Every row in the order of the file, which is the order of enrolment: the fastest to read.
    pub(crate) const ALL: &'static str =
        "SELECT person, slot, model, preprocessing, vector, source, created_ms
         FROM templates ORDER BY rowid";
    /// The rows of one version, in the same order.
    pub(crate) const OF_VERSION: &'static str =
        "SELECT person, slot, model, preprocessing, vector, source, created_ms
         FROM templates WHERE model = ?1 AND preprocessing = ?2 ORDER BY rowid";
    /// The rows of one person.
    pub(crate) const OF_PERSON: &'static str =
        "SELECT person, slot, model, preprocessing, vector, source, created_ms
         FROM templates WHERE person = ?1 ORDER BY slot";

    /// A row of any of these queries.
    pub(crate) fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            person: row.get(0)?,
            slot: row.get(1)?,
            model: row.get(2)?,
            preprocessing: row.get(3)?,
            vector: row.get(4)?,
            source: row.get(5)?,
            created_ms: row.get(6)?,
        })
    }

    /// Seals a template.
    pub(crate) fn seal(keys: &StoreKeys, key: &Key, person: &PersonId, template: &StoredTemplate) -> Self {
        let values = template.vector.values();
        let mut plain = Zeroizing::new(Vec::with_capacity(4 * values.len()));
        values.iter().for_each(|value| plain.extend_from_slice(&value.to_le_bytes()));
        let mut row = Self {
            person: person.to_string(),
            slot: template.slot,
            model: template.version.model.to_vec(),
            preprocessing: template.version.preprocessing,
            vector: Vec::new(),
            source: template.source.clone(),
            created_ms: template.created_ms,
        };
        row.vector = key.seal(&place(keys, &row.name(), &row.readable()), &plain);
        row
    }

    /// Opens it.
    ///
    /// # Errors
    /// [`Finding::Field`].
    pub(crate) fn open(&self, keys: &StoreKeys, key: &Key) -> Result<StoredTemplate, Finding> {
        let (name, readable) = (self.name(), self.readable());
        let place = place(keys, &name, &readable);
        let plain = key.open(&place, &self.vector)?;
        let (values, rest) = plain.as_chunks::<4>();
        let model = self.model.as_slice().try_into().map_err(|_| place.finding())?;
        if !rest.is_empty() {
            return Err(place.finding());
        }
        let values = values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        Ok(StoredTemplate {
            slot: self.slot,
            version: TemplateVersion { model, preprocessing: self.preprocessing },
            vector: UnitVector::claimed(values).map_err(|_| place.finding())?,
            source: self.source.clone(),
            created_ms: self.created_ms,
        })
    }

    /// The code of the whole row.
    pub(crate) fn code(&self, keys: &StoreKeys) -> [u8; 32] {
        keys.row.mac(&[b"templates", self.name().as_bytes(), &self.readable(), &self.vector])
    }

    /// The row's key as text; ids hold no slash.
    fn name(&self) -> String {
        format!("{}/{}", self.person, self.slot)
    }

    fn readable(&self) -> Vec<u8> {
        let numbers = (self.preprocessing.to_le_bytes(), self.created_ms.to_le_bytes());
        let model_len = (self.model.len() as u64).to_le_bytes();
        [&numbers.0[..], &numbers.1, &model_len, &self.model, self.source.as_bytes()].concat()
    }
}

fn place<'a>(keys: &StoreKeys, row: &'a str, readable: &'a [u8]) -> Place<'a> {
    Place { store: keys.store, table: "templates", row, column: "vector", version: FIELD_VERSION, readable }
}
