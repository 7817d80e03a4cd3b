//! A terminal with a store in a temporary folder, and hands that tamper with its files.

use std::fs;
use std::path::{Path, PathBuf};

use doorward_core::template::{TemplateVersion, UnitVector};
use doorward_core::time::{ClockTrust, Wall};
use doorward_protocol::audit::{Decided, What};
use doorward_protocol::ids::{AttemptId, PersonId};
use doorward_store::{Finding, MasterKey, PersonRecord, Report, Store, StoreFault, verify};
use rusqlite::Connection;
use tempfile::TempDir;
use zeroize::Zeroizing;

pub(crate) const VERSION: TemplateVersion = TemplateVersion { model: [0xc0; 32], preprocessing: 1 };

/// The files that make up a store. The shared memory file is not one: it does not survive a power cut.
const FILES: [&str; 4] = ["door.db", "door.db-wal", "door.db.epoch", "door.db.anchor"];

pub(crate) struct Terminal {
    folder: TempDir,
    key: u8,
}

impl Terminal {
    /// A terminal with an empty store, closed.
    pub(crate) fn new(name: &str, key: u8) -> Self {
        let terminal = Self { folder: tempfile::tempdir().unwrap(), key };
        let (site, name) = ("north".parse().unwrap(), name.parse().unwrap());
        Store::create(&terminal.path(), &terminal.master(), &site, &name).unwrap().close().unwrap();
        terminal
    }

    /// A terminal with persons `ada` and `bob`, two templates each, rules, and 20 decisions; closed.
    pub(crate) fn lived_in(name: &str, key: u8) -> Self {
        let terminal = Self::new(name, key);
        let mut store = terminal.open().unwrap();
        for (i, id) in [(1, "ada"), (3, "bob")] {
            store.put_person(&person(id), wall(1000)).unwrap();
            store.put_template(&id.parse().unwrap(), VERSION, &vector(i), "photo", wall(1001)).unwrap();
            store
                .put_template(&id.parse().unwrap(), VERSION, &vector(i + 1), "terminal", wall(1002))
                .unwrap();
        }
        store.put_rules("weekly = []").unwrap();
        decide(&mut store, 20);
        store.close().unwrap();
        terminal
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("door.db")
    }

    pub(crate) fn master(&self) -> MasterKey {
        MasterKey::from_bytes(Zeroizing::new([self.key; 32]))
    }

    pub(crate) fn open(&self) -> Result<Store, StoreFault> {
        Store::open(&self.path(), &self.master())
    }

    pub(crate) fn verify(&self) -> Result<Report, Finding> {
        verify(&self.path(), &self.master(), |_, _| ())
    }

    /// What opening says, in full; it must refuse.
    pub(crate) fn refusal(&self) -> String {
        text(&self.open().err().expect("the store must be refused"))
    }

    /// What the examination says, in full; it must find something.
    pub(crate) fn finding(&self) -> String {
        text(&self.verify().expect_err("the examination must find something"))
    }

    /// A copy of all files as they lie there.
    pub(crate) fn copy(&self) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        copy_files(self.folder.path(), copy.path(), &FILES);
        copy
    }

    /// Puts files from a copy in place of this terminal's; a log that the copy lacks is removed.
    pub(crate) fn put_back(&self, copy: &Path, files: &[&str]) {
        for file in ["door.db-wal", "door.db-shm"] {
            let _ = fs::remove_file(self.folder.path().join(file));
        }
        copy_files(copy, self.folder.path(), files);
    }

    /// Runs SQL as somebody who has the file and knows SQLite.
    pub(crate) fn tamper(&self, sql: &str) {
        let conn = Connection::open(self.path()).unwrap();
        conn.pragma_update(None, "foreign_keys", "OFF").unwrap();
        conn.execute_batch(sql).unwrap();
    }
}

pub(crate) fn copy_files(from: &Path, to: &Path, files: &[&str]) {
    for file in files {
        if from.join(file).exists() {
            fs::copy(from.join(file), to.join(file)).unwrap();
        }
    }
}

/// An error and its sources.
pub(crate) fn text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

pub(crate) fn wall(ms: i64) -> Wall {
    Wall { ms, trust: ClockTrust::Synchronised }
}

pub(crate) fn person(id: &str) -> PersonRecord {
    PersonRecord {
        id: id.parse().unwrap(),
        name: format!("Name of {id}"),
        valid_from_ms: Some(-5),
        valid_until_ms: None,
        suspended: false,
    }
}

/// A unit vector that differs with `seed`.
pub(crate) fn vector(seed: u32) -> UnitVector {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let values = (0..128).map(|_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    });
    UnitVector::normalise(values.collect()).unwrap()
}

pub(crate) fn decided(attempt: u64) -> What {
    What::Decided(Decided {
        attempt: AttemptId(attempt),
        door: "front".parse().unwrap(),
        granted: true,
        person: Some("ada".parse().unwrap()),
        reason: "granted".into(),
        rule: "weekly".into(),
        scores: None,
        presented: None,
        level: None,
    })
}

/// Appends `count` decisions after those that are there.
pub(crate) fn decide(store: &mut Store, count: u64) {
    use doorward_core::audit::Journal;
    let seen = store.attempts_seen().unwrap();
    for attempt in seen + 1..=seen + count {
        store.append(&decided(attempt), wall(2000)).unwrap();
    }
}

pub(crate) fn loaded(store: &mut Store) -> Vec<(PersonId, UnitVector)> {
    let mut all = Vec::new();
    store.templates(&VERSION, |person, vector| all.push((person, vector))).unwrap();
    all
}
