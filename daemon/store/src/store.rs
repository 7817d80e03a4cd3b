//! The store as the daemon and the admin tool see it.

use std::fs;
use std::path::{Path, PathBuf};

use doorward_core::claim::Holder;
use doorward_core::credential::Credential;
use doorward_core::template::{TemplateVersion, UnitVector};
use doorward_core::time::Wall;
use doorward_protocol::audit::{Broken, Entry, Head, What};
use doorward_protocol::delivery::Stretch;
use doorward_protocol::ids::{PersonId, SiteId, TerminalId};
use doorward_protocol::keys::SigningKey;
use doorward_protocol::roster;
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use zeroize::Zeroizing;

use crate::anchor::{Anchor, Mark};
use crate::batch::{self, Batch};
use crate::chain;
use crate::credentials::{self, StoredCredential, Wallet};
use crate::durable;
use crate::epoch::{self, EpochKey};
use crate::fault::{Doing, Finding, StoreFault};
use crate::keys::StoreKeys;
use crate::ring::Ring;
use crate::rows::{PersonRecord, PersonRow, StoredTemplate, TemplateRow};
use crate::rules;
use crate::sealed::Key;
use crate::settings::{Identity, Setting};
use crate::state::State;
use crate::waiting;

/// Records handed out at once: a batch of this size stays below 256 KiB with usual entries.
pub const RECORDS_MAX: usize = 1000;

/// Entries that may be durable without the anchor having followed. A disk that takes the log but not the anchor is
/// broken, and a store whose rollback would go unnoticed is worth no trust.
const UNANCHORED_MAX: u64 = 256;

/// How often a read starts over because another process erased somebody meanwhile.
const EPOCH_TRIES: u32 = 3;

/// An open store. One thread owns it; other processes may have the same store open.
pub struct Store {
    pub(crate) conn: Connection,
    pub(crate) path: PathBuf,
    pub(crate) identity: Identity,
    pub(crate) keys: StoreKeys,
    pub(crate) transform: Key,
    /// The epoch key last used; another process may have moved on.
    pub(crate) epoch: Option<EpochKey>,
    /// An erasure is durable, but its old epoch key could not be destroyed yet.
    pub(crate) erasure_pending: bool,
    pub(crate) anchor: Anchor,
    pub(crate) generation: u64,
    /// Entries since the anchor could last be written.
    pub(crate) unanchored: u64,
    /// SQLite's data version at which the state was last compared with the rows.
    pub(crate) checked: Option<i64>,
    pub(crate) audit_rows_max: u64,
}

/// How many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Persons.
    pub persons: u64,
    /// Templates, of all versions.
    pub templates: u64,
}

/// Points within an operation at which power may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The epoch file holds the old and the new key.
    BothEpochsKept,
    /// The transaction is durable.
    Committed,
    /// The anchor is durable.
    Anchored,
    /// The old epoch key is gone.
    OldEpochGone,
    /// The log is empty.
    LogEmptied,
}

impl Store {
    /// The site.
    #[must_use]
    pub fn site(&self) -> &SiteId {
        &self.identity.site
    }

    /// The terminal.
    #[must_use]
    pub fn terminal(&self) -> &TerminalId {
        &self.identity.terminal
    }

    /// The key of the site's template transform: the same for every store under this master key and site.
    #[must_use]
    pub fn transform_key(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(*self.transform.bytes())
    }

    /// The key by which the centre knows this terminal. The same one signs the checkpoints.
    #[must_use]
    pub fn device_key(&self) -> SigningKey {
        self.keys.signing.clone()
    }

    /// The Ed25519 public key that this store's audit checkpoints verify under.
    #[must_use]
    pub fn checkpoint_key(&self) -> [u8; 32] {
        self.keys.signing.verifying_key().to_bytes()
    }

    /// Carries out several changes at once: all become durable with one flush when this returns, or none does. Use it
    /// for imports; erasures together replace the epoch key once.
    ///
    /// # Errors
    /// What `work` returned, or why the changes could not be made. After an erasure an error may also mean that the
    /// change is durable but the old epoch key could not be destroyed yet; the next opening or erasure destroys it.
    pub fn together<T>(
        &mut self,
        work: impl FnOnce(&mut Batch<'_>) -> Result<T, StoreFault>,
    ) -> Result<T, StoreFault> {
        self.together_watched(work, &mut |_| ())
    }

    /// [`Batch::put_person`] by itself.
    ///
    /// # Errors
    /// As [`Store::together`].
    pub fn put_person(&mut self, record: &PersonRecord, at: Wall) -> Result<u64, StoreFault> {
        self.together(|batch| batch.put_person(record, at))
    }

    /// [`Batch::put_template`] by itself.
    ///
    /// # Errors
    /// As [`Store::together`].
    pub fn put_template(
        &mut self,
        person: &PersonId,
        version: TemplateVersion,
        vector: &UnitVector,
        source: &str,
        at: Wall,
    ) -> Result<u64, StoreFault> {
        self.together(|batch| batch.put_template(person, version, vector, source, at))
    }

    /// [`Batch::erase_person`] by itself: when this returns `Ok`, no copy of the database made before, with all files
    /// of now, leads to the person's name or templates.
    ///
    /// # Errors
    /// As [`Store::together`].
    pub fn erase_person(&mut self, person: &PersonId, at: Wall) -> Result<u64, StoreFault> {
        self.together(|batch| batch.erase_person(person, at))
    }

    /// [`Batch::put_credential`] by itself.
    ///
    /// # Errors
    /// As [`Store::together`].
    pub fn put_credential(
        &mut self,
        credential: &Credential,
        terms: &Holder,
        at: Wall,
    ) -> Result<u32, StoreFault> {
        self.together(|batch| batch.put_credential(credential, terms, at))
    }

    /// [`Batch::remove_credential`] by itself.
    ///
    /// # Errors
    /// As [`Store::together`].
    pub fn remove_credential(&mut self, person: &PersonId, slot: u32, at: Wall) -> Result<u64, StoreFault> {
        self.together(|batch| batch.remove_credential(person, slot, at))
    }

    /// [`Batch::put_rules`] by itself.
    ///
    /// # Errors
    /// As [`Store::together`].
    pub fn put_rules(&mut self, text: &str) -> Result<(), StoreFault> {
        self.together(|batch| batch.put_rules(text))
    }

    /// [`Batch::follow`] by itself.
    ///
    /// # Errors
    /// As [`Store::together`].
    pub fn follow(&mut self, head: &roster::Head) -> Result<(), StoreFault> {
        self.together(|batch| batch.follow(head))
    }

    /// The rules, if any were put.
    ///
    /// # Errors
    /// [`Finding::Setting`] where they were edited.
    pub fn rules(&self) -> Result<Option<String>, StoreFault> {
        rules::read(&self.conn, &self.keys)
    }

    /// All persons, by id.
    ///
    /// # Errors
    /// [`Finding::Field`] names a record that does not open.
    pub fn persons(&mut self) -> Result<Vec<PersonRecord>, StoreFault> {
        self.reading(|conn, keys, ring| {
            let mut statement = conn.prepare_cached(PersonRow::ALL).doing("read the persons")?;
            let rows = statement.query_map([], PersonRow::from_row).doing("read the persons")?;
            rows.map(|row| {
                let row = row.doing("read a person")?;
                Ok(row.open(keys, &ring.person_key(&row.id)?)?)
            })
            .collect()
        })
    }

    /// One person.
    ///
    /// # Errors
    /// As [`Store::persons`].
    pub fn person(&mut self, id: &PersonId) -> Result<Option<PersonRecord>, StoreFault> {
        self.reading(|conn, keys, ring| match batch::person_row(conn, id.as_str())? {
            None => Ok(None),
            Some(row) => Ok(Some(row.open(keys, &ring.person_key(&row.id)?)?)),
        })
    }

    /// Shows every template of a version to `visit`, a person's templates in the order of their slots, and returns how
    /// many there were. Never from rows that are not the ones last written: they are compared as a whole first, unless
    /// that was done and no other process has written since. A fault may come after some templates were shown.
    ///
    /// # Errors
    /// [`Finding::State`], [`Finding::Field`].
    pub fn templates(
        &mut self,
        version: &TemplateVersion,
        mut visit: impl FnMut(PersonId, UnitVector),
    ) -> Result<u64, StoreFault> {
        let mut checked = self.checked;
        let shown = self.reading(|conn, keys, ring| {
            check_state(conn, keys, ring, &mut checked)?;
            show_templates(conn, keys, ring, version, &mut visit)
        })?;
        self.checked = checked;
        Ok(shown)
    }

    /// All templates of a person, of every version.
    ///
    /// # Errors
    /// [`Finding::Field`].
    pub fn templates_of(&mut self, person: &PersonId) -> Result<Vec<StoredTemplate>, StoreFault> {
        self.reading(|conn, keys, ring| {
            let rows = batch::templates_of(conn, person)?;
            if rows.is_empty() {
                return Ok(Vec::new());
            }
            let key = ring.person_key(person.as_str())?;
            rows.iter().map(|row| Ok(row.open(keys, &key)?)).collect()
        })
    }

    /// A person's credentials, by slot.
    ///
    /// # Errors
    /// [`Finding::Field`].
    pub fn credentials_of(&mut self, person: &PersonId) -> Result<Vec<StoredCredential>, StoreFault> {
        self.reading(|conn, keys, ring| {
            let rows = credentials::of(conn, person)?;
            rows.iter().map(|row| Ok(row.open(keys, &ring.person_key(&row.person)?)?.0)).collect()
        })
    }

    /// Everybody's credentials, to look up what is shown at the door. As with [`Store::templates`], never from rows
    /// that are not the ones last written.
    ///
    /// # Errors
    /// [`Finding::State`], [`Finding::Field`].
    pub fn wallet(&mut self) -> Result<Wallet, StoreFault> {
        let mut checked = self.checked;
        let wallet = self.reading(|conn, keys, ring| {
            check_state(conn, keys, ring, &mut checked)?;
            Wallet::read(conn, keys, ring)
        })?;
        self.checked = checked;
        Ok(wallet)
    }

    /// How many persons and templates there are.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub fn counts(&self) -> Result<Counts, StoreFault> {
        let State { persons, templates, .. } = State::read(&self.conn, &self.keys)?;
        Ok(Counts { persons, templates })
    }

    /// The head of the audit chain.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub fn head(&self) -> Result<Head, StoreFault> {
        Ok(chain::newest(&self.conn, &self.keys)?.0)
    }

    /// Audit entries from sequence number `from_seq` on, at most `limit` and at most [`RECORDS_MAX`].
    ///
    /// # Errors
    /// [`Finding::Record`] for an entry that cannot be read.
    pub fn audit(&self, from_seq: u64, limit: usize) -> Result<Vec<(u64, Entry)>, StoreFault> {
        let records = chain::records(&self.conn, from_seq.saturating_sub(1), limit.min(RECORDS_MAX))?;
        let entries = records.into_iter().map(|record| match Entry::from_bytes(&record.bytes) {
            Ok(entry) => Ok((record.seq, entry)),
            Err(error) => Err(Finding::Record(Broken::Unreadable { seq: record.seq, error }).into()),
        });
        entries.collect()
    }

    /// Records above `after` that the hub has not acknowledged, at most `limit` and at most [`RECORDS_MAX`].
    ///
    /// # Errors
    /// [`Finding::Record`] where the record before them is missing.
    pub fn outbox(&self, after: u64, limit: usize) -> Result<Stretch, StoreFault> {
        let after = after.max(Setting::Acknowledged.get_number(&self.conn, &self.keys)?);
        let missing = Finding::Record(Broken::Gap { expected: after, found: after + 1 });
        let hash = self.hash_at(after)?.ok_or(missing)?;
        let records = chain::records(&self.conn, after, limit.min(RECORDS_MAX))?;
        Ok(Stretch { before: Head { seq: after, hash }, records })
    }

    /// How many records the hub has not acknowledged.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub fn outbox_len(&self) -> Result<u64, StoreFault> {
        Ok(self.head()?.seq - Setting::Acknowledged.get_number(&self.conn, &self.keys)?)
    }

    /// Notes that the hub holds every record through this number. A smaller number than before changes nothing.
    ///
    /// # Errors
    /// [`StoreFault::AcknowledgedAhead`] for records that do not exist.
    pub fn acknowledge(&mut self, through: u64) -> Result<(), StoreFault> {
        let tx = self.anchor.begin(&mut self.conn)?;
        let head = chain::newest(&tx, &self.keys)?.0.seq;
        if through > head {
            return Err(StoreFault::AcknowledgedAhead { through, head });
        }
        if through > Setting::Acknowledged.get_number(&tx, &self.keys)? {
            Setting::Acknowledged.put_number(&tx, &self.keys, through)?;
        }
        tx.commit().doing("commit")
    }

    /// The largest attempt number on record; the next attempt takes the one after it.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub fn attempts_seen(&self) -> Result<u64, StoreFault> {
        chain::attempts(&self.conn, &self.keys)
    }

    /// A number that changes when another process has written: time to read persons, templates and rules again.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub fn data_version(&self) -> Result<i64, StoreFault> {
        data_version(&self.conn)
    }

    /// Copies the database, as of one moment, to a path where nothing is, while other processes go on. The copy opens
    /// with the files beside the original, until the next erasure: it is evidence, and no way around erasure.
    ///
    /// # Errors
    /// [`StoreFault`]; nothing is left at `to` then.
    pub fn backup(&self, to: &Path) -> Result<(), StoreFault> {
        match durable::create_private(to) {
            Ok(_) => {}
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                return Err(StoreFault::Exists(to.to_owned()));
            }
            Err(e) => return Err(StoreFault::file("create the backup", to)(e)),
        }
        self.copy_into(to).inspect_err(|_| drop(fs::remove_file(to)))
    }

    /// [`Store::together`], telling `reached` which steps are done.
    pub(crate) fn together_watched<T>(
        &mut self,
        work: impl FnOnce(&mut Batch<'_>) -> Result<T, StoreFault>,
        reached: &mut dyn FnMut(Step),
    ) -> Result<T, StoreFault> {
        self.require_anchor()?;
        let epoch_file = epoch::path(&self.path);
        if self.erasure_pending {
            epoch::trim(&epoch_file, &self.keys, self.anchor.begin(&mut self.conn)?)?;
            self.erasure_pending = false;
        }
        let tx = self.anchor.begin(&mut self.conn)?;
        let counts = Setting::Epoch.get_number(&tx, &self.keys)?;
        let epoch = epoch_key(&epoch_file, &self.keys, counts, &mut self.epoch)?;
        let mut batch = Batch::new(&tx, &self.keys, epoch, self.audit_rows_max)?;
        let result = work(&mut batch)?;
        if batch.given_up() {
            return Ok(result);
        }
        let only_added = batch.only_added();
        let (mark, next) = batch.finish(&epoch_file, reached)?;
        tx.commit().doing("commit")?;
        reached(Step::Committed);

        let changed = mark.generation != self.generation;
        self.generation = mark.generation;
        self.note(mark.head);
        if changed && !only_added && self.anchor.flush(mark).is_err() {
            self.unanchored += 1;
        }
        reached(Step::Anchored);
        if next.is_some() {
            self.epoch = next;
            self.erasure_pending = true;
            epoch::trim(&epoch_file, &self.keys, self.anchor.begin(&mut self.conn)?)?;
            self.erasure_pending = false;
            reached(Step::OldEpochGone);
            empty_log(&self.conn)?;
            reached(Step::LogEmptied);
        }
        Ok(result)
    }

    pub(crate) fn append_entry(&mut self, what: &What, at: Wall) -> Result<u64, StoreFault> {
        self.require_anchor()?;
        let tx = self.anchor.begin(&mut self.conn)?;
        let head = chain::append(&tx, &self.keys, self.audit_rows_max, what, at)?;
        tx.commit().doing("commit")?;
        self.note(head);
        Ok(head.seq)
    }

    /// Moves the anchor after a commit. The entry is durable whatever becomes of the anchor, so a failure here is no
    /// failure of the append; it is held against the store in [`Store::require_anchor`].
    fn note(&mut self, head: Head) {
        match self.anchor.advance(&self.keys, Mark { head, generation: self.generation }) {
            Ok(()) => self.unanchored = 0,
            Err(_) => self.unanchored += 1,
        }
    }

    fn require_anchor(&mut self) -> Result<(), StoreFault> {
        if self.unanchored < UNANCHORED_MAX {
            return Ok(());
        }
        let mark = Mark { head: self.head()?, generation: self.generation };
        let path = Anchor::path(&self.path);
        self.anchor.advance(&self.keys, mark).map_err(StoreFault::file("write the anchor", &path))?;
        self.unanchored = 0;
        Ok(())
    }

    pub(crate) fn reading<T>(
        &mut self,
        mut work: impl FnMut(&Connection, &StoreKeys, &mut Ring<'_>) -> Result<T, StoreFault>,
    ) -> Result<T, StoreFault> {
        let (path, keys) = (epoch::path(&self.path), &self.keys);
        snapshot(&mut self.conn, &path, keys, &mut self.epoch, |conn, epoch| {
            work(conn, keys, &mut Ring::new(conn, keys, epoch))
        })
    }

    fn copy_into(&self, to: &Path) -> Result<(), StoreFault> {
        let doing = "copy the database";
        let mut copy = Connection::open(to).doing(doing)?;
        // One step over all pages reads one snapshot; several would start over whenever another process writes.
        let done = Backup::new(&self.conn, &mut copy).and_then(|backup| backup.step(-1)).doing(doing)?;
        copy.close().map_err(|(_, e)| e).doing(doing)?;
        if done != StepResult::Done {
            return Err(StoreFault::Busy);
        }
        let synced =
            fs::File::open(to).and_then(|file| file.sync_all()).and_then(|()| durable::sync_folder(to));
        synced.map_err(StoreFault::file("write the backup", to))
    }
}

/// Runs `work` on one snapshot of the database with the epoch key that counts in it.
pub(crate) fn snapshot<T>(
    conn: &mut Connection,
    epoch_file: &Path,
    keys: &StoreKeys,
    cached: &mut Option<EpochKey>,
    mut work: impl FnMut(&Connection, &EpochKey) -> Result<T, StoreFault>,
) -> Result<T, StoreFault> {
    let mut tries = 0;
    loop {
        tries += 1;
        let tx = conn.transaction().doing("begin a transaction")?;
        let counts = Setting::Epoch.get_number(&tx, keys)?;
        match epoch_key(epoch_file, keys, counts, cached) {
            Ok(epoch) => return work(&tx, epoch),
            // Another process finished an erasure after the snapshot was taken: the next one shows it.
            Err(_) if tries < EPOCH_TRIES => {}
            Err(fault) => return Err(fault),
        }
    }
}

/// The epoch key with this number, from `cached` where it is that one.
fn epoch_key<'c>(
    file: &Path,
    keys: &StoreKeys,
    id: u64,
    cached: &'c mut Option<EpochKey>,
) -> Result<&'c EpochKey, StoreFault> {
    let epoch = match cached.take() {
        Some(epoch) if epoch.id == id => epoch,
        Some(_) | None => epoch::read(file, keys, id)?,
    };
    Ok(cached.insert(epoch))
}

/// Compares the state with the rows, unless that was done and no other process has written since.
pub(crate) fn check_state(
    conn: &Connection,
    keys: &StoreKeys,
    ring: &mut Ring<'_>,
    checked: &mut Option<i64>,
) -> Result<(), StoreFault> {
    let now = data_version(conn)?;
    if *checked != Some(now) {
        State::check(conn, keys, ring)?;
        *checked = Some(now);
    }
    Ok(())
}

fn show_templates(
    conn: &Connection,
    keys: &StoreKeys,
    ring: &mut Ring<'_>,
    version: &TemplateVersion,
    visit: &mut impl FnMut(PersonId, UnitVector),
) -> Result<u64, StoreFault> {
    let doing = "read the templates";
    let mut statement = conn.prepare_cached(TemplateRow::OF_VERSION).doing(doing)?;
    let of_version = rusqlite::params![version.model, version.preprocessing];
    let rows = statement.query_map(of_version, TemplateRow::from_row).doing(doing)?;
    // Templates of one person usually follow each other: the key is opened once.
    let mut last: Option<(PersonId, Key)> = None;
    let mut shown = 0;
    for row in rows {
        let row = row.doing("read a template")?;
        let (person, key) = match last.take().filter(|(person, _)| person.as_str() == row.person) {
            Some(same) => same,
            None => {
                let unnamed =
                    Finding::Field { table: "templates", row: row.person.clone(), column: "person" };
                (row.person.parse().map_err(|_| unnamed)?, ring.person_key(&row.person)?)
            }
        };
        visit(person.clone(), row.open(keys, &key)?.vector);
        last = Some((person, key));
        shown += 1;
    }
    Ok(shown)
}

/// Moves the log into the database and truncates it. A reader in another process may hinder that, and no door waits for
/// it long: what stays in the log is sealed under keys that are gone, and goes with the next time.
pub(crate) fn empty_log(conn: &Connection) -> Result<(), StoreFault> {
    waiting::briefly(conn)?;
    let emptied = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).doing("empty the log");
    waiting::patiently(conn)?;
    emptied
}

pub(crate) fn data_version(conn: &Connection) -> Result<i64, StoreFault> {
    conn.pragma_query_value(None, "data_version", |row| row.get(0)).doing("read the data version")
}
