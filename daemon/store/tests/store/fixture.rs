//! A store written by any version of the schema opens for ever.

use std::fs;
use std::path::Path;

use doorward_core::claim::Holder;
use doorward_core::credential::{Credential, Pin};
use doorward_store::{Counts, MasterKey, Store, verify};
use rusqlite::Connection;
use zeroize::Zeroizing;

use crate::support::{Terminal, copy_files, decide, loaded, person, vector, wall};

const V1: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/v1");
/// The present version.
const V2: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/v2");
const FILES: [&str; 3] = ["door.db", "door.db.epoch", "door.db.anchor"];

fn schema(path: &Path) -> Vec<(String, Option<String>)> {
    let conn = Connection::open(path).unwrap();
    let mut statement = conn.prepare("SELECT name, sql FROM sqlite_schema ORDER BY name").unwrap();
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_store_of_version_1_migrates_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    copy_files(Path::new(V1), folder.path(), &FILES);
    let path = folder.path().join("door.db");

    let untouched = fs::read(&path).unwrap();
    assert_eq!(verify(&path, &master(), |_, _| ()).unwrap().head, 26, "an auditor needs no migration");
    assert_eq!(fs::read(&path).unwrap(), untouched, "and makes none");

    let mut store = Store::open(&path, &master()).unwrap();
    assert_eq!(store.counts().unwrap(), Counts { persons: 2, templates: 4 });
    assert_eq!(store.persons().unwrap(), [person("ada"), person("bob")]);
    assert!(loaded(&mut store)[3].1.cosine(&vector(4)) > 0.999_999);
    assert_eq!(store.rules().unwrap().as_deref(), Some("weekly = []"));
    assert_eq!((store.head().unwrap().seq, store.attempts_seen().unwrap()), (26, 20));
    decide(&mut store, 1);
    store.close().unwrap();
    assert_eq!(verify(&path, &master(), |_, _| ()).unwrap().head, 27);

    assert_eq!(
        schema(&path),
        schema(&Terminal::new("t1", 1).path()),
        "old and new stores have the same tables"
    );
}

#[test]
fn a_store_of_version_2_opens_with_its_credentials() {
    let folder = tempfile::tempdir().unwrap();
    copy_files(Path::new(V2), folder.path(), &FILES);
    let path = folder.path().join("door.db");
    let mut store = Store::open(&path, &master()).unwrap();
    assert_eq!(store.counts().unwrap(), Counts { persons: 2, templates: 4 });
    assert_eq!(store.wallet().unwrap().holder(&pin()), Some(&terms()));
    store.close().unwrap();
    verify(&path, &master(), |_, _| ()).unwrap();
}

fn master() -> MasterKey {
    MasterKey::from_bytes(Zeroizing::new([77; 32]))
}

fn pin() -> Credential {
    Credential::Pin(Pin::from_digits(b"0815").unwrap())
}

fn terms() -> Holder {
    Holder {
        person: "ada".parse().unwrap(),
        slot: 0,
        without_face: true,
        once: false,
        created_ms: 3000,
        valid_until_ms: Some(1 << 50),
    }
}

/// Writes the fixture. To be run once per schema version, when it is new, into that version's folder.
#[test]
#[ignore = "writes the fixture of the present schema version"]
fn write_the_fixture() {
    let terminal = Terminal::lived_in("fixture", 77);
    let mut store = terminal.open().unwrap();
    store.put_credential(&pin(), &terms(), wall(3000)).unwrap();
    store.close().unwrap();
    fs::create_dir_all(V2).unwrap();
    copy_files(terminal.copy().path(), Path::new(V2), &FILES);
}
