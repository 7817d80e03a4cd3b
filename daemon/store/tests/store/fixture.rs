//! A store written by any version of the schema opens for ever.

use std::fs;
use std::path::Path;

use doorward_core::claim::Holder;
use doorward_core::consent::Term;
use doorward_core::credential::{Credential, Pin};
use doorward_core::intake::{Deed, Thing};
use doorward_protocol::contents::Purpose;
use doorward_protocol::roster::{PersonSlot, Slot};
use doorward_store::{Counts, MasterKey, Store, verify};
use rusqlite::Connection;
use zeroize::Zeroizing;

use crate::support::{Terminal, copy_files, decide, loaded, person, vector, wall};
use crate::taking::step;

const V1: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/v1");
const V2: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/v2");
/// The present version.
const V3: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/v3");
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
fn stores_of_versions_2_and_3_open_with_their_credentials_and_consents() {
    for (version, agreed) in [(V2, None), (V3, Some(term()))] {
        let folder = tempfile::tempdir().unwrap();
        copy_files(Path::new(version), folder.path(), &FILES);
        let path = folder.path().join("door.db");
        let mut store = Store::open(&path, &master()).unwrap();
        assert_eq!(store.counts().unwrap(), Counts { persons: 2, templates: 4 });
        assert_eq!(store.wallet().unwrap().holder(&pin()), Some(&terms()));
        let ada = "ada".parse().unwrap();
        assert_eq!(store.consents().unwrap().in_force(&ada, Purpose::Picture, wall(3000)), agreed);
        store.close().unwrap();
        verify(&path, &master(), |_, _| ()).unwrap();
        assert_eq!(schema(&path), schema(&Terminal::new("t1", 1).path()), "{version}");
    }
}

fn master() -> MasterKey {
    MasterKey::from_bytes(Zeroizing::new([77; 32]))
}

fn pin() -> Credential {
    Credential::Pin(Pin::from_digits(b"0815").unwrap())
}

fn term() -> Term {
    Term { from_s: 2, until_s: 1 << 50 }
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
    let at = PersonSlot { person: "ada".parse().unwrap(), slot: Slot::Consent, number: 0 };
    let agrees = Deed::Put(at, Thing::Consent(Purpose::Picture, term()));
    store.take(&step(1, vec![agrees]), wall(3000)).unwrap();
    store.close().unwrap();
    fs::create_dir_all(V3).unwrap();
    copy_files(terminal.copy().path(), Path::new(V3), &FILES);
}
