//! Cards, PINs and QR codes. What is stored is a code: an HMAC of the whole credential under a key that is derived from
//! the master key for this alone, sealed once more by the person's key. Without the master key a code cannot be tried
//! against numbers, which a plain or a slow hash would allow: there are few PINs and few cards. With an erased person's
//! key gone, no older copy tells what that person had. The looking up is done in memory, by code.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use doorward_core::claim::Holder;
use doorward_core::credential::Credential;
use doorward_protocol::audit::CredentialKind;
use doorward_protocol::ids::PersonId;
use rusqlite::{Connection, Row, params};

use crate::fault::{Doing, Finding, StoreFault};
use crate::keys::StoreKeys;
use crate::ring::Ring;
use crate::sealed::{FIELD_VERSION, Key, Place};
use crate::state;
use crate::taking::Known;

/// Credentials of one person: a card, its replacement, a PIN, and codes for visitors they bring.
pub const CREDENTIALS_OF_PERSON_MAX: u64 = 16;

/// What a credential is looked up by.
pub(crate) type Code = [u8; 32];

/// A credential as stored: everything but what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCredential {
    /// Its kind.
    pub kind: CredentialKind,
    /// Whose it is, and on what terms.
    pub holder: Holder,
}

/// Everybody's credentials in memory.
pub struct Wallet {
    key: Key,
    holders: BTreeMap<Code, Holder>,
}

impl Wallet {
    /// Reads all of them.
    ///
    /// # Errors
    /// [`Finding::Field`].
    pub(crate) fn read(conn: &Connection, keys: &StoreKeys, ring: &mut Ring<'_>) -> Result<Self, StoreFault> {
        let mut holders = BTreeMap::new();
        state::each(conn, CredentialRow::ALL, CredentialRow::from_row, |row| {
            let (stored, code) = row.open(keys, &ring.person_key(&row.person)?)?;
            holders.insert(code, stored.holder);
            Ok(())
        })?;
        let key = Key::filled(|bytes| bytes.copy_from_slice(keys.credential.bytes()));
        Ok(Self { key, holders })
    }

    /// Whom a credential belongs to.
    #[must_use]
    pub fn holder(&self, credential: &Credential) -> Option<&Holder> {
        self.holders.get(&code(&self.key, credential))
    }

    /// Puts what these persons have in place of what they had.
    pub fn replace(&mut self, known: &[Known]) {
        let whose: BTreeSet<&PersonId> = known.iter().map(|known| &known.person).collect();
        self.holders.retain(|_, holder| !whose.contains(&holder.person));
        let new = known.iter().flat_map(|known| &known.credentials);
        self.holders.extend(new.map(|(code, holder)| (*code, holder.clone())));
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.holders.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.holders.is_empty()
    }
}

impl fmt::Debug for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wallet({} credentials)", self.len())
    }
}

/// The code of a credential in this store.
pub(crate) fn code_of(keys: &StoreKeys, credential: &Credential) -> Code {
    code(&keys.credential, credential)
}

fn code(key: &Key, credential: &Credential) -> Code {
    key.mac(&[credential.kind().code().as_bytes(), &credential.written()])
}

/// The rows of a person, by slot.
///
/// # Errors
/// [`StoreFault`].
pub(crate) fn of(conn: &Connection, person: &PersonId) -> Result<Vec<CredentialRow>, StoreFault> {
    let doing = "read a person's credentials";
    let mut statement = conn.prepare_cached(CredentialRow::OF_PERSON).doing(doing)?;
    let rows = statement.query_map([person.as_str()], CredentialRow::from_row).doing(doing)?;
    rows.collect::<rusqlite::Result<_>>().doing(doing)
}

/// The codes of all credentials.
///
/// # Errors
/// [`Finding::Field`].
pub(crate) fn codes(
    conn: &Connection,
    keys: &StoreKeys,
    ring: &mut Ring<'_>,
) -> Result<BTreeSet<Code>, StoreFault> {
    Ok(Wallet::read(conn, keys, ring)?.holders.into_keys().collect())
}

/// A row of `credentials`.
pub(crate) struct CredentialRow {
    pub(crate) person: String,
    pub(crate) slot: u32,
    kind: u8,
    sealed: Vec<u8>,
    without_face: bool,
    once: bool,
    valid_until_ms: Option<i64>,
    created_ms: i64,
}

impl CredentialRow {
    /// Every row.
    pub(crate) const ALL: &'static str =
        "SELECT person, slot, kind, code, without_face, once, valid_until_ms, created_ms
         FROM credentials ORDER BY rowid";
    /// The rows of one person.
    const OF_PERSON: &'static str =
        "SELECT person, slot, kind, code, without_face, once, valid_until_ms, created_ms
         FROM credentials WHERE person = ?1 ORDER BY slot";

    /// A row of either query.
    pub(crate) fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            person: row.get(0)?,
            slot: row.get(1)?,
            kind: row.get(2)?,
            sealed: row.get(3)?,
            without_face: row.get(4)?,
            once: row.get(5)?,
            valid_until_ms: row.get(6)?,
            created_ms: row.get(7)?,
        })
    }

    /// Seals a credential.
    pub(crate) fn seal(keys: &StoreKeys, key: &Key, stored: &StoredCredential, code: &Code) -> Self {
        let StoredCredential { kind, holder } = stored;
        let mut row = Self {
            person: holder.person.to_string(),
            slot: holder.slot,
            kind: number_of(*kind),
            sealed: Vec::new(),
            without_face: holder.without_face,
            once: holder.once,
            valid_until_ms: holder.valid_until_ms,
            created_ms: holder.created_ms,
        };
        row.sealed = key.seal(&place(keys, &row.name(), &row.readable()), code);
        row
    }

    /// Opens it.
    ///
    /// # Errors
    /// [`Finding::Field`].
    pub(crate) fn open(&self, keys: &StoreKeys, key: &Key) -> Result<(StoredCredential, Code), Finding> {
        let (name, readable) = (self.name(), self.readable());
        let place = place(keys, &name, &readable);
        let code = key.open(&place, &self.sealed)?.as_slice().try_into().map_err(|_| place.finding())?;
        let kinds = [CredentialKind::Card, CredentialKind::Pin, CredentialKind::Qr];
        let kind = kinds.into_iter().find(|kind| number_of(*kind) == self.kind);
        let holder = Holder {
            person: self.person.parse().map_err(|_| place.finding())?,
            slot: self.slot,
            without_face: self.without_face,
            once: self.once,
            created_ms: self.created_ms,
            valid_until_ms: self.valid_until_ms,
        };
        Ok((StoredCredential { kind: kind.ok_or_else(|| place.finding())?, holder }, code))
    }

    /// Writes it.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub(crate) fn insert(&self, conn: &Connection) -> Result<(), StoreFault> {
        let sql =
            "INSERT INTO credentials (person, slot, kind, code, without_face, once, valid_until_ms, created_ms)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let columns = params![
            self.person,
            self.slot,
            self.kind,
            self.sealed,
            self.without_face,
            self.once,
            self.valid_until_ms,
            self.created_ms
        ];
        conn.prepare_cached(sql).and_then(|mut s| s.execute(columns)).doing("write a credential")?;
        Ok(())
    }

    /// The code of the whole row, for the state digest.
    pub(crate) fn code(&self, keys: &StoreKeys) -> [u8; 32] {
        keys.row.mac(&[b"credentials", self.name().as_bytes(), &self.readable(), &self.sealed])
    }

    /// The row's key as text; ids hold no slash.
    fn name(&self) -> String {
        format!("{}/{}", self.person, self.slot)
    }

    fn readable(&self) -> Vec<u8> {
        let flags = [self.kind, u8::from(self.without_face), u8::from(self.once)];
        let until =
            [&[u8::from(self.valid_until_ms.is_some())][..], &self.valid_until_ms.unwrap_or(0).to_le_bytes()];
        [&flags[..], &until.concat(), &self.created_ms.to_le_bytes()].concat()
    }
}

/// How the table writes a kind.
fn number_of(kind: CredentialKind) -> u8 {
    match kind {
        CredentialKind::Card => 0,
        CredentialKind::Pin => 1,
        CredentialKind::Qr => 2,
    }
}

fn place<'a>(keys: &StoreKeys, row: &'a str, readable: &'a [u8]) -> Place<'a> {
    Place { store: keys.store, table: "credentials", row, column: "code", version: FIELD_VERSION, readable }
}
