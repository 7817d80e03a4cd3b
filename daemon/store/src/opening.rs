//! How a store comes to be, is opened and is closed.

use std::fs;
use std::path::{Path, PathBuf};

use doorward_protocol::audit::Head;
use doorward_protocol::ids::{SiteId, TerminalId};
use rusqlite::Connection;

use crate::anchor::{Anchor, Mark};
use crate::chain::{self, AUDIT_ROWS_MAX};
use crate::durable;
use crate::epoch::{self, EpochKey};
use crate::fault::{Doing, Finding, StoreFault};
use crate::keys::{MasterKey, StoreKeys, random};
use crate::ring::Ring;
use crate::schema;
use crate::settings::{self, Identity, Setting, StoreId};
use crate::state::State;
use crate::store::{Store, data_version, empty_log, snapshot};

impl Store {
    /// Creates a store for a terminal and opens it. Beside `path` appear `path.epoch` and `path.anchor`.
    ///
    /// # Errors
    /// [`StoreFault::Exists`] where anything of an old store is left; leftovers of a creation that was cut off are
    /// cleared away.
    pub fn create(
        path: &Path,
        master: &MasterKey,
        site: &SiteId,
        terminal: &TerminalId,
    ) -> Result<Self, StoreFault> {
        let draft = durable::beside(path, ".new");
        clear_the_way(path, &draft)?;
        let keys = master.store_keys(StoreId(random()));
        let (epoch, genesis) = (EpochKey::first(), Head::genesis(random()));

        let mut conn = schema::create(&draft)?;
        let tx = conn.transaction().doing("begin a transaction")?;
        Identity { site: site.clone(), terminal: terminal.clone() }.put(&tx, &keys)?;
        settings::put_base(&tx, &keys, &genesis, &genesis.hash)?;
        State::EMPTY.write(&tx, &keys)?;
        Setting::Epoch.put_number(&tx, &keys, epoch.id)?;
        Setting::Acknowledged.put_number(&tx, &keys, 0)?;
        Setting::Attempts.put_number(&tx, &keys, 0)?;
        tx.commit().doing("commit")?;
        conn.close().map_err(|(_, e)| e).doing("close the database")?;

        // The database takes its name last: while it lacks it, everything there is an unfinished creation.
        epoch::write(&epoch::path(path), &keys, &[&epoch])?;
        Anchor::create(&Anchor::path(path), &keys, Mark { head: genesis, generation: 0 })?;
        fs::rename(&draft, path).map_err(StoreFault::file("create the database", path))?;
        durable::sync_folder(path).map_err(StoreFault::file("create the database", path))?;
        Self::open(path, master)
    }

    /// Opens a store after checking that it is this terminal's, undamaged, unedited and not older than was seen. Audit
    /// records before the newest checkpoint are not followed; [`verify`](crate::verify()) does that.
    ///
    /// # Errors
    /// [`StoreFault::Refused`] names what is wrong.
    pub fn open(path: &Path, master: &MasterKey) -> Result<Self, StoreFault> {
        let mut conn = schema::open(path)?;
        let (identity, keys) = Identity::read(&conn, master)?;
        let foreign = || settings::foreign(&conn, "the files beside it belong to another store");
        let (anchor, mark) = Anchor::open(&Anchor::path(path), &keys, true, foreign)?;
        schema::migrate(&mut conn)?;
        schema::check_schema(&conn)?;
        check_tables(&conn)?;

        let epoch_file = epoch::path(path);
        let mut cached = None;
        if epoch::has_leftover(&epoch_file, &keys)? {
            cached = Some(epoch::trim(&epoch_file, &keys, anchor.begin(&mut conn)?)?);
        }
        let examine = |conn: &Connection, epoch: &EpochKey| examine(conn, &keys, epoch, &mark);
        let (mark, checked) = snapshot(&mut conn, &epoch_file, &keys, &mut cached, examine)?;
        let mut store = Self {
            conn,
            path: path.to_owned(),
            transform: master.transform_key(&identity.site),
            identity,
            keys,
            epoch: cached,
            erasure_pending: false,
            anchor,
            generation: mark.generation,
            unanchored: 0,
            checked: Some(checked),
            audit_rows_max: AUDIT_ROWS_MAX,
        };
        sync_log(path)?;
        let settled = store.anchor.settle(&store.keys, mark);
        settled.map_err(StoreFault::file("write the anchor", &Anchor::path(path)))?;
        Ok(store)
    }

    /// The same store over a connection of its own, for a thread that reads while this one goes on.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub fn beside(&self) -> Result<Self, StoreFault> {
        let conn = schema::open(&self.path)?;
        let foreign = || settings::foreign(&conn, "the files beside it belong to another store");
        let (anchor, mark) = Anchor::open(&Anchor::path(&self.path), &self.keys, true, foreign)?;
        Ok(Self {
            conn,
            path: self.path.clone(),
            identity: self.identity.clone(),
            keys: self.keys.clone(),
            transform: self.transform.clone(),
            epoch: None,
            erasure_pending: false,
            anchor,
            generation: mark.generation,
            unanchored: 0,
            // What it reads is compared as a whole first.
            checked: None,
            audit_rows_max: self.audit_rows_max,
        })
    }

    /// Signs the head, empties the log and closes. A store that is dropped instead is as sound, but its newest records
    /// are unsigned until it is opened and closed again.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub fn close(mut self) -> Result<(), StoreFault> {
        let tx = self.anchor.begin(&mut self.conn)?;
        let head = chain::newest(&tx, &self.keys)?.0;
        chain::sign(&tx, &self.keys, &head)?;
        tx.commit().doing("commit")?;
        empty_log(&self.conn)?;
        let settled = self.anchor.settle(&self.keys, Mark { head, generation: self.generation });
        settled.map_err(StoreFault::file("write the anchor", &Anchor::path(&self.path)))?;
        self.conn.close().map_err(|(_, e)| e).doing("close the database")
    }
}

/// Makes sure that nothing of another store is where a new one is to be, and clears an unfinished creation away.
fn clear_the_way(path: &Path, draft: &Path) -> Result<(), StoreFault> {
    let sides = [epoch::path(path), Anchor::path(path)];
    let logs = ["-wal", "-shm"].map(|suffix| durable::beside(path, suffix));
    if let Some(old) = std::iter::once(path).chain(logs.iter().map(PathBuf::as_path)).find(|p| p.exists()) {
        return Err(StoreFault::Exists(old.to_owned()));
    }
    if !draft.exists() {
        return sides.into_iter().find(|p| p.exists()).map_or(Ok(()), |old| Err(StoreFault::Exists(old)));
    }
    let draft_logs = ["-wal", "-shm"].map(|suffix| durable::beside(draft, suffix));
    // The draft goes last: it is what marks the others as leftovers.
    for leftover in sides.iter().chain(&draft_logs).map(PathBuf::as_path).chain([draft]) {
        if leftover.exists() {
            fs::remove_file(leftover).map_err(StoreFault::file("clear away", leftover))?;
        }
    }
    Ok(())
}

/// Makes durable what SQLite recovered from the log: a process that died between writing and flushing left records there
/// that are visible but would not survive a power cut, and the anchor must not be ahead of the disk.
fn sync_log(path: &Path) -> Result<(), StoreFault> {
    let log = durable::beside(path, "-wal");
    if !log.exists() {
        return Ok(());
    }
    fs::File::open(&log).and_then(|file| file.sync_all()).map_err(StoreFault::file("flush the log", &log))
}

/// SQLite's check of every table but the audit rows, which are many and have a check of their own.
fn check_tables(conn: &Connection) -> Result<(), StoreFault> {
    let tables = schema::tables(conn)?;
    tables
        .iter()
        .filter(|table| *table != "audit")
        .try_for_each(|table| schema::quick_check(conn, Some(table)))
}

/// Compares a snapshot with its own seals and with how far the store was seen to have come.
fn examine(
    conn: &Connection,
    keys: &StoreKeys,
    epoch: &EpochKey,
    seen: &Mark,
) -> Result<(Mark, i64), StoreFault> {
    Setting::ALL.iter().try_for_each(|setting| setting.get(conn, keys).map(drop))?;
    chain::check_anchor(conn, keys, seen)?;
    let state = State::read(conn, keys)?;
    if state.generation < seen.generation {
        return Err(Finding::StateOlder { found: state.generation, seen: seen.generation }.into());
    }
    State::check(conn, keys, &mut Ring::new(conn, keys, epoch))?;
    chain::check_tail(conn, keys)?;
    let head = chain::newest(conn, keys)?.0;
    Ok((Mark { head, generation: state.generation }, data_version(conn)?))
}
