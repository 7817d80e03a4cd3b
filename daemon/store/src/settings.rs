//! Values with a name and a message authentication code: what the store keeps about itself, and the rules.

use std::fmt;

use doorward_protocol::audit::{Hash, Head};
use doorward_protocol::ids::{SiteId, TerminalId};
use rusqlite::{Connection, OptionalExtension, params};

use crate::fault::{Doing, Finding, StoreFault};
use crate::keys::{MasterKey, StoreKeys};

/// The random identity of a store: salt of its keys and part of everything sealed in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoreId(pub(crate) [u8; 16]);

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A value and its authentication code, as they lie in a row.
pub(crate) type Coded = (Vec<u8>, Vec<u8>);

/// A setting in `meta`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting {
    /// [`StoreId`].
    Store,
    /// The site, text.
    Site,
    /// The terminal, text.
    Terminal,
    /// The head before the oldest audit row: sequence number and hash; and the genesis.
    Base,
    /// Generation, counts and sealed digest of persons, templates and rules.
    State,
    /// The number of the epoch key that wraps the group keys.
    Epoch,
    /// The newest audit record the hub has acknowledged.
    Acknowledged,
    /// The largest attempt number up to the newest checkpoint.
    Attempts,
    /// How far the site's roster was followed: number and hash of its newest entry. Only where there is a centre.
    Roster,
    /// How far the roster had been followed before it was taken anew, likewise. Only where it was.
    RosterKnown,
    /// Whether an operator ordered a lockdown that nobody has ended. Only where one was ever ordered.
    Lockdown,
}

impl Setting {
    /// Every setting that every store has.
    pub(crate) const ALL: [Setting; 8] = [
        Setting::Store,
        Setting::Site,
        Setting::Terminal,
        Setting::Base,
        Setting::State,
        Setting::Epoch,
        Setting::Acknowledged,
        Setting::Attempts,
    ];

    /// Its name in the table.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Setting::Store => "store",
            Setting::Site => "site",
            Setting::Terminal => "terminal",
            Setting::Base => "base",
            Setting::State => "state",
            Setting::Epoch => "epoch",
            Setting::Acknowledged => "acknowledged",
            Setting::Attempts => "attempts",
            Setting::Roster => "roster",
            Setting::RosterKnown => "roster_known",
            Setting::Lockdown => "lockdown",
        }
    }

    /// Settings that only some stores have. Their codes are part of the state's digest, so that taking one away or putting
    /// an earlier one back shows like a row that was taken away or put back.
    pub(crate) const NOTED: [Setting; 3] = [Setting::Roster, Setting::RosterKnown, Setting::Lockdown];

    /// Writes it.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub(crate) fn put(self, conn: &Connection, keys: &StoreKeys, value: &[u8]) -> Result<(), StoreFault> {
        let sql = "INSERT INTO meta (name, value, mac) VALUES (?1, ?2, ?3)
                   ON CONFLICT (name) DO UPDATE SET value = excluded.value, mac = excluded.mac";
        let mac = code(keys, "meta", self.name(), value);
        let mut statement = conn.prepare_cached(sql).doing("write a setting")?;
        statement.execute(params![self.name(), value, mac]).doing("write a setting")?;
        Ok(())
    }

    /// Writes a number.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub(crate) fn put_number(
        self,
        conn: &Connection,
        keys: &StoreKeys,
        value: u64,
    ) -> Result<(), StoreFault> {
        self.put(conn, keys, &value.to_le_bytes())
    }

    /// Reads it.
    ///
    /// # Errors
    /// [`Finding::Setting`] where it is missing or was edited.
    pub(crate) fn get(self, conn: &Connection, keys: &StoreKeys) -> Result<Vec<u8>, StoreFault> {
        let (value, mac) = self.raw(conn)?.ok_or_else(|| self.edited())?;
        if code_fits(keys, "meta", self.name(), &value, &mac) { Ok(value) } else { Err(self.edited().into()) }
    }

    /// Reads a number.
    ///
    /// # Errors
    /// As [`Setting::get`].
    pub(crate) fn get_number(self, conn: &Connection, keys: &StoreKeys) -> Result<u64, StoreFault> {
        let value = self.get(conn, keys)?;
        Ok(u64::from_le_bytes(value.as_slice().try_into().map_err(|_| self.edited())?))
    }

    /// Reads one of [`Setting::NOTED`]; `None` where the store has none.
    ///
    /// # Errors
    /// [`Finding::Setting`] where it was edited.
    pub(crate) fn noted(self, conn: &Connection, keys: &StoreKeys) -> Result<Option<Vec<u8>>, StoreFault> {
        self.raw(conn)?.map(|_| self.get(conn, keys)).transpose()
    }

    /// The code of one of [`Setting::NOTED`]; `None` where the store has none.
    ///
    /// # Errors
    /// As [`Setting::noted`].
    pub(crate) fn code(self, conn: &Connection, keys: &StoreKeys) -> Result<Option<[u8; 32]>, StoreFault> {
        Ok(self.noted(conn, keys)?.map(|value| code(keys, "meta", self.name(), &value)))
    }

    /// What is reported when it was edited.
    pub(crate) fn edited(self) -> Finding {
        Finding::Setting { table: "meta", name: self.name().to_owned() }
    }

    fn raw(self, conn: &Connection) -> Result<Option<Coded>, StoreFault> {
        conn.prepare_cached("SELECT value, mac FROM meta WHERE name = ?1")
            .and_then(|mut s| s.query_row([self.name()], |row| Ok((row.get(0)?, row.get(1)?))).optional())
            .doing("read a setting")
    }
}

/// The authentication code of a value.
pub(crate) fn code(keys: &StoreKeys, table: &str, name: &str, value: &[u8]) -> [u8; 32] {
    keys.setting.mac(&[&keys.store.0, table.as_bytes(), name.as_bytes(), value])
}

/// Whether a code belongs to a value.
pub(crate) fn code_fits(keys: &StoreKeys, table: &str, name: &str, value: &[u8], mac: &[u8]) -> bool {
    keys.setting.mac_fits(&[&keys.store.0, table.as_bytes(), name.as_bytes(), value], mac)
}

/// Whose store this is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The site.
    pub(crate) site: SiteId,
    /// The terminal.
    pub(crate) terminal: TerminalId,
}

impl Identity {
    /// Writes the identity of a new store.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub(crate) fn put(&self, conn: &Connection, keys: &StoreKeys) -> Result<(), StoreFault> {
        Setting::Store.put(conn, keys, &keys.store.0)?;
        Setting::Site.put(conn, keys, self.site.as_str().as_bytes())?;
        Setting::Terminal.put(conn, keys, self.terminal.as_str().as_bytes())
    }

    /// Derives the store's keys and checks with them that the database belongs to this master key.
    ///
    /// # Errors
    /// [`Finding::Foreign`] where it does not.
    pub(crate) fn read(conn: &Connection, master: &MasterKey) -> Result<(Self, StoreKeys), StoreFault> {
        let foreign = || foreign(conn, "the master key does not fit it");
        let Some((id, mac)) = Setting::Store.raw(conn)? else { return Err(foreign().into()) };
        let Ok(id) = <[u8; 16]>::try_from(id.as_slice()) else { return Err(foreign().into()) };
        let keys = master.store_keys(StoreId(id));
        if !code_fits(&keys, "meta", Setting::Store.name(), &id, &mac) {
            return Err(foreign().into());
        }
        let site = text(Setting::Site.get(conn, &keys)?).and_then(|t| t.parse().ok());
        let terminal = text(Setting::Terminal.get(conn, &keys)?).and_then(|t| t.parse().ok());
        let site = site.ok_or_else(|| Setting::Site.edited())?;
        let terminal = terminal.ok_or_else(|| Setting::Terminal.edited())?;
        Ok((Self { site, terminal }, keys))
    }
}

/// The finding for a database that belongs elsewhere. The names are what the database claims, unproven; a claim that is
/// no identifier is not repeated.
pub(crate) fn foreign(conn: &Connection, why: &'static str) -> Finding {
    let claim = |setting: Setting| setting.raw(conn).ok().flatten().and_then(|(value, _)| text(value));
    let terminal: Option<TerminalId> = claim(Setting::Terminal).and_then(|t| t.parse().ok());
    let site: Option<SiteId> = claim(Setting::Site).and_then(|t| t.parse().ok());
    Finding::Foreign {
        terminal: terminal.map_or("(unnamed)".to_owned(), |id| id.to_string()),
        site: site.map_or("(unnamed)".to_owned(), |id| id.to_string()),
        why,
    }
}

/// Writes [`Setting::Base`].
///
/// # Errors
/// [`StoreFault`].
pub(crate) fn put_base(
    conn: &Connection,
    keys: &StoreKeys,
    base: &Head,
    genesis: &Hash,
) -> Result<(), StoreFault> {
    Setting::Base.put(conn, keys, &[&base.seq.to_le_bytes()[..], &base.hash, genesis].concat())
}

/// Reads [`Setting::Base`].
///
/// # Errors
/// As [`Setting::get`].
pub(crate) fn base(conn: &Connection, keys: &StoreKeys) -> Result<Head, StoreFault> {
    Ok(base_and_genesis(conn, keys)?.0)
}

/// Reads [`Setting::Base`] with the hash that the whole trail begins with.
///
/// # Errors
/// As [`Setting::get`].
pub(crate) fn base_and_genesis(conn: &Connection, keys: &StoreKeys) -> Result<(Head, Hash), StoreFault> {
    let value = Setting::Base.get(conn, keys)?;
    let edited = || Setting::Base.edited();
    let (seq, rest) = value.split_first_chunk::<8>().ok_or_else(edited)?;
    let (hash, rest) = rest.split_first_chunk::<32>().ok_or_else(edited)?;
    let base = Head { seq: u64::from_le_bytes(*seq), hash: *hash };
    // Stores made before there was a centre note no genesis of its own: they dropped nothing, so that it is their base.
    let genesis = if rest.is_empty() { *hash } else { Hash::try_from(rest).map_err(|_| edited())? };
    Ok((base, genesis))
}

fn text(bytes: Vec<u8>) -> Option<String> {
    String::from_utf8(bytes).ok()
}
