//! The key ring: from the epoch key through group keys to the key of a person, and how it changes at an erasure.
//! The module [`crate::epoch`] says why it is built so.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use crate::epoch::EpochKey;
use crate::fault::{Doing, StoreFault};
use crate::keys::StoreKeys;
use crate::sealed::{FIELD_VERSION, Key, Place};

/// The number of a group.
pub(crate) type Group = u8;

/// The keys of one snapshot of the database.
pub(crate) struct Ring<'a> {
    conn: &'a Connection,
    keys: &'a StoreKeys,
    epoch: &'a EpochKey,
    opened: BTreeMap<Group, Key>,
}

/// The group of a person. A digest spreads any numbering evenly; it keeps nothing secret.
pub(crate) fn group_of(person: &str) -> Group {
    Sha256::digest(person.as_bytes())[0]
}

impl<'a> Ring<'a> {
    /// The ring that `epoch` opens.
    pub(crate) fn new(conn: &'a Connection, keys: &'a StoreKeys, epoch: &'a EpochKey) -> Self {
        Self { conn, keys, epoch, opened: BTreeMap::new() }
    }

    /// The key of a person.
    ///
    /// # Errors
    /// [`Finding::Field`](crate::Finding::Field) where the keys on the way are missing or do not open.
    pub(crate) fn person_key(&mut self, person: &str) -> Result<Key, StoreFault> {
        let (keys, group) = (self.keys, group_of(person));
        let wrapped: Option<Vec<u8>> = self
            .conn
            .prepare_cached("SELECT wrapped FROM person_keys WHERE grp = ?1 AND person = ?2")
            .and_then(|mut s| s.query_row(params![group, person], |row| row.get(0)).optional())
            .doing("read a person's key")?;
        let place = person_place(keys, person, &group);
        let wrapped = wrapped.ok_or_else(|| place.finding())?;
        let group_key = self.group_key(group)?.ok_or_else(|| group_finding(keys, group))?;
        Ok(group_key.unwrap_key(&place, &wrapped)?)
    }

    /// Draws and stores the key of a new person.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub(crate) fn create_person_key(&mut self, person: &str) -> Result<Key, StoreFault> {
        let (conn, keys, group, key) = (self.conn, self.keys, group_of(person), Key::random());
        if self.group_key(group)?.is_none() {
            let fresh = Key::random();
            store_group(conn, keys, group, self.epoch, &fresh)?;
            self.opened.insert(group, fresh);
        }
        let group_key = self.group_key(group)?.expect("the group was just made");
        let wrapped = group_key.wrap(&person_place(keys, person, &group), &key);
        store_person(conn, group, person, &wrapped)?;
        Ok(key)
    }

    /// Removes the key of an erased person.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub(crate) fn remove_person_key(&self, person: &str) -> Result<(), StoreFault> {
        self.conn
            .prepare_cached("DELETE FROM person_keys WHERE grp = ?1 AND person = ?2")
            .and_then(|mut s| s.execute(params![group_of(person), person]))
            .doing("remove a person's key")?;
        Ok(())
    }

    /// Removes everybody's keys.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub(crate) fn remove_everybody(&mut self) -> Result<(), StoreFault> {
        self.opened.clear();
        let delete = "DELETE FROM person_keys; DELETE FROM key_groups";
        self.conn.execute_batch(delete).doing("remove everybody's keys")
    }

    /// Moves every key below `next`, and gives the groups that lost somebody new keys.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub(crate) fn renew(mut self, next: &EpochKey, bereaved: &BTreeSet<Group>) -> Result<(), StoreFault> {
        let (conn, keys) = (self.conn, self.keys);
        for group in groups(conn)? {
            let old = self.group_key(group)?.ok_or_else(|| group_finding(keys, group))?;
            if !bereaved.contains(&group) {
                store_group(conn, keys, group, next, old)?;
                continue;
            }
            let fresh = Key::random();
            for (person, wrapped) in members(conn, group)? {
                let place = person_place(keys, &person, &group);
                let key = old.unwrap_key(&place, &wrapped)?;
                store_person(conn, group, &person, &fresh.wrap(&place, &key))?;
            }
            store_group(conn, keys, group, next, &fresh)?;
        }
        Ok(())
    }

    fn group_key(&mut self, group: Group) -> Result<Option<&Key>, StoreFault> {
        if !self.opened.contains_key(&group) {
            let wrapped: Option<Vec<u8>> = self
                .conn
                .prepare_cached("SELECT wrapped FROM key_groups WHERE grp = ?1")
                .and_then(|mut s| s.query_row([group], |row| row.get(0)).optional())
                .doing("read a group key")?;
            let Some(wrapped) = wrapped else { return Ok(None) };
            let name = group.to_string();
            let key = self.epoch.key.unwrap_key(&group_place(self.keys, &name, self.epoch.id), &wrapped)?;
            self.opened.insert(group, key);
        }
        Ok(self.opened.get(&group))
    }
}

fn groups(conn: &Connection) -> Result<Vec<Group>, StoreFault> {
    let mut statement = conn.prepare("SELECT grp FROM key_groups").doing("list the group keys")?;
    let groups = statement.query_map([], |row| row.get(0)).doing("list the group keys")?;
    groups.collect::<rusqlite::Result<_>>().doing("list the group keys")
}

fn store_group(
    conn: &Connection,
    keys: &StoreKeys,
    group: Group,
    epoch: &EpochKey,
    key: &Key,
) -> Result<(), StoreFault> {
    let wrapped = epoch.key.wrap(&group_place(keys, &group.to_string(), epoch.id), key);
    let sql = "INSERT INTO key_groups (grp, wrapped) VALUES (?1, ?2)
               ON CONFLICT (grp) DO UPDATE SET wrapped = excluded.wrapped";
    let mut statement = conn.prepare_cached(sql).doing("write a group key")?;
    statement.execute(params![group, wrapped]).doing("write a group key")?;
    Ok(())
}

fn store_person(conn: &Connection, group: Group, person: &str, wrapped: &[u8]) -> Result<(), StoreFault> {
    let sql = "INSERT INTO person_keys (grp, person, wrapped) VALUES (?1, ?2, ?3)
               ON CONFLICT (grp, person) DO UPDATE SET wrapped = excluded.wrapped";
    let mut statement = conn.prepare_cached(sql).doing("write a person's key")?;
    statement.execute(params![group, person, wrapped]).doing("write a person's key")?;
    Ok(())
}

fn members(conn: &Connection, group: Group) -> Result<Vec<(String, Vec<u8>)>, StoreFault> {
    let sql = "SELECT person, wrapped FROM person_keys WHERE grp = ?1";
    let mut statement = conn.prepare_cached(sql).doing("list a group")?;
    let rows = statement.query_map([group], |row| Ok((row.get(0)?, row.get(1)?))).doing("list a group")?;
    rows.collect::<rusqlite::Result<_>>().doing("list a group")
}

fn group_place<'a>(keys: &StoreKeys, group: &'a str, epoch: u64) -> Place<'a> {
    Place {
        store: keys.store,
        table: "key_groups",
        row: group,
        column: "wrapped",
        version: epoch,
        readable: &[],
    }
}

fn group_finding(keys: &StoreKeys, group: Group) -> crate::Finding {
    group_place(keys, &group.to_string(), 0).finding()
}

fn person_place<'a>(keys: &StoreKeys, person: &'a str, group: &'a Group) -> Place<'a> {
    Place {
        store: keys.store,
        table: "person_keys",
        row: person,
        column: "wrapped",
        version: FIELD_VERSION,
        readable: std::slice::from_ref(group),
    }
}
