//! What somebody with access to the files can try: edit, swap, copy between terminals, roll back, truncate, rewrite.

use std::fs;

use doorward_protocol::audit::{ClockTrust, Entry, Head};
use doorward_store::Store;
use rusqlite::{Connection, params};

use crate::support::{Terminal, VERSION, copy_files, decide, loaded, person, text, vector, wall};

/// Refused when opened and found when examined, both with these words.
fn assert_refused(terminal: &Terminal, words: &str) {
    for said in [terminal.refusal(), terminal.finding()] {
        assert!(said.contains(words), "{words:?} is not in {said:?}");
    }
}

#[test]
fn h2_a_field_swapped_between_two_persons_is_named() {
    let terminal = Terminal::lived_in("t1", 1);
    terminal.tamper(
        "CREATE TEMP TABLE names AS SELECT id, name FROM persons;
         UPDATE persons SET name = (SELECT name FROM names WHERE names.id <> persons.id)",
    );
    assert_refused(
        &terminal,
        "name of persons ada does not open: it was edited, or it comes from another row",
    );

    let terminal = Terminal::lived_in("t1", 1);
    terminal.tamper(
        "UPDATE templates SET vector = (SELECT vector FROM templates WHERE person = 'bob' AND slot = 1)
         WHERE person = 'ada' AND slot = 1",
    );
    assert_refused(&terminal, "vector of templates ada/1 does not open");
}

#[test]
fn h2_a_template_moved_to_another_person_is_named() {
    let terminal = Terminal::lived_in("t1", 1);
    terminal.tamper("UPDATE templates SET person = 'ada', slot = 7 WHERE person = 'bob' AND slot = 0");
    assert_refused(&terminal, "vector of templates ada/7 does not open");

    // Neither does it help to bring the key along.
    let terminal = Terminal::lived_in("t1", 1);
    terminal.tamper(
        "UPDATE templates SET person = 'x' WHERE person = 'ada';
         UPDATE templates SET person = 'ada' WHERE person = 'bob';
         UPDATE person_keys SET person = 'y' WHERE person = 'ada';
         UPDATE person_keys SET person = 'ada' WHERE person = 'bob'",
    );
    assert_refused(&terminal, "person_keys ada does not open");
}

#[test]
fn h2_every_edited_column_is_named() {
    for (sql, words) in [
        ("UPDATE persons SET suspended = 1 WHERE id = 'ada'", "name of persons ada does not open"),
        ("UPDATE persons SET valid_from_ms = NULL WHERE id = 'bob'", "name of persons bob does not open"),
        (
            "UPDATE persons SET valid_until_ms = 9999999999999 WHERE id = 'bob'",
            "name of persons bob does not open",
        ),
        ("UPDATE persons SET id = 'eve' WHERE id = 'bob'", "person_keys eve does not open"),
        (
            "UPDATE templates SET preprocessing = 2 WHERE person = 'bob' AND slot = 0",
            "vector of templates bob/0",
        ),
        (
            "UPDATE templates SET model = zeroblob(32) WHERE person = 'bob' AND slot = 0",
            "vector of templates bob/0",
        ),
        (
            "UPDATE templates SET source = 'terminal' WHERE person = 'ada' AND slot = 0",
            "vector of templates ada/0",
        ),
        (
            "UPDATE templates SET created_ms = 5 WHERE person = 'ada' AND slot = 0",
            "vector of templates ada/0",
        ),
        (
            "UPDATE templates SET vector = zeroblob(552) WHERE person = 'ada' AND slot = 0",
            "vector of templates ada/0",
        ),
        ("UPDATE rules SET value = CAST('weekly = [1]' AS BLOB)", "rules \"weekly\" was edited"),
        ("UPDATE meta SET value = x'ff' WHERE name = 'acknowledged'", "meta \"acknowledged\" was edited"),
        ("UPDATE meta SET value = x'00' WHERE name = 'state'", "meta \"state\" was edited"),
        ("DELETE FROM meta WHERE name = 'base'", "meta \"base\" was edited"),
        (
            "UPDATE meta SET value = CAST('t2' AS BLOB) WHERE name = 'terminal'",
            "meta \"terminal\" was edited",
        ),
    ] {
        let terminal = Terminal::lived_in("t1", 1);
        terminal.tamper(sql);
        assert_refused(&terminal, words);
    }
}

#[test]
fn h2_keys_edited_in_the_database_are_named_when_they_are_used() {
    for sql in ["UPDATE person_keys SET wrapped = zeroblob(72)", "DELETE FROM person_keys"] {
        let terminal = Terminal::lived_in("t1", 1);
        terminal.tamper(sql);
        assert!(terminal.finding().contains("wrapped of person_keys ada does not open"));
        let mut store = terminal.open().unwrap();
        assert!(text(&store.persons().unwrap_err()).contains("wrapped of person_keys ada does not open"));
        assert!(store.templates(&VERSION, |_, _| unreachable!()).is_err());
    }
    let terminal = Terminal::lived_in("t1", 1);
    terminal.tamper("DELETE FROM key_groups");
    assert!(text(&terminal.open().unwrap().persons().unwrap_err()).contains("wrapped of key_groups"));
}

#[test]
fn h2_rows_removed_by_hand_are_noticed() {
    for (sql, found) in [
        ("DELETE FROM templates WHERE person = 'ada' AND slot = 1", "found 2 and 3"),
        ("DELETE FROM persons WHERE id = 'ada'; DELETE FROM templates WHERE person = 'ada'", "found 1 and 2"),
        ("DELETE FROM rules", "found 2 and 4"),
    ] {
        let terminal = Terminal::lived_in("t1", 1);
        terminal.tamper(sql);
        assert_refused(&terminal, "rows were removed, added or taken from an older copy");
        assert_refused(&terminal, found);
    }
}

#[test]
fn h2_rows_of_an_older_copy_are_noticed_with_and_without_their_state() {
    let terminal = Terminal::lived_in("t1", 1);
    let old = terminal.copy();
    let mut store = terminal.open().unwrap();
    store.put_person(&doorward_store::PersonRecord { suspended: true, ..person("ada") }, wall(3000)).unwrap();
    store.close().unwrap();

    // Ada's right was suspended; her old row is put back.
    let attach = format!("ATTACH '{}' AS old;", old.path().join("door.db").display());
    let rows = "DELETE FROM persons; INSERT INTO persons SELECT * FROM old.persons;";
    terminal.tamper(&format!("{attach}{rows}"));
    assert_refused(&terminal, "rows were removed, added or taken from an older copy");

    terminal.tamper(&format!("{attach} REPLACE INTO meta SELECT * FROM old.meta WHERE name = 'state'"));
    assert_refused(&terminal, "are those of change 7, but change 8 was seen: restored from an old copy");
}

#[test]
fn h2_a_database_swapped_between_two_terminals_is_foreign_not_corrupt() {
    let (one, two) = (Terminal::lived_in("t1", 1), Terminal::lived_in("t2", 2));
    one.put_back(two.copy().path(), &["door.db"]);
    assert_refused(&one, "the database is foreign: it says it belongs to terminal t2 of site north");
    assert_refused(&one, "the master key does not fit it");
    one.put_back(two.copy().path(), &["door.db", "door.db.epoch", "door.db.anchor"]);
    assert_refused(&one, "the master key does not fit it");

    // Two stores under one master key are two stores.
    let (one, two) = (Terminal::lived_in("t1", 1), Terminal::lived_in("t2", 1));
    one.put_back(two.copy().path(), &["door.db"]);
    assert_refused(
        &one,
        "belongs to terminal t2 of site north, and the files beside it belong to another store",
    );
    one.put_back(two.copy().path(), &["door.db", "door.db.anchor"]);
    assert_refused(&one, "the epoch file");
}

#[test]
fn h2_rows_of_another_terminals_database_do_not_open() {
    let (one, two) = (Terminal::lived_in("t1", 1), Terminal::lived_in("t2", 1));
    let folder = two.copy();
    terminal_sql(&one, folder.path(), "DELETE FROM persons; INSERT INTO persons SELECT * FROM other.persons");
    assert_refused(
        &one,
        "name of persons ada does not open: it was edited, or it comes from another row or store",
    );
}

fn terminal_sql(terminal: &Terminal, other: &std::path::Path, sql: &str) {
    terminal.tamper(&format!("ATTACH '{}' AS other; {sql}", other.join("door.db").display()));
}

#[test]
fn h2_a_database_restored_from_an_older_copy_is_refused() {
    for with_log in [false, true] {
        let terminal = Terminal::lived_in("t1", 1);
        let mut store = terminal.open().unwrap();
        decide(&mut store, 15);
        let old = terminal.copy();
        assert!(
            old.path().join("door.db-wal").metadata().unwrap().len() > 0,
            "the log holds the newest records"
        );
        decide(&mut store, 16);
        drop(store);

        let (files, ends) =
            if with_log { (&["door.db", "door.db-wal"][..], 41) } else { (&["door.db"][..], 26) };
        terminal.put_back(old.path(), files);
        let words = format!(
            "the database ends at record {ends}, but record 57 was seen: restored from an old copy or truncated"
        );
        assert_refused(&terminal, &words);
    }
}

#[test]
fn h2_an_older_copy_that_went_on_by_itself_is_refused() {
    let terminal = Terminal::lived_in("t1", 1);
    let old = terminal.copy();
    decide(&mut terminal.open().unwrap(), 3);

    // The copy runs elsewhere, with the same key, until it is longer than the original.
    let elsewhere = Terminal::new("t1", 1);
    let files = ["door.db", "door.db.epoch", "door.db.anchor"];
    elsewhere.put_back(old.path(), &files);
    let mut store = elsewhere.open().unwrap();
    decide(&mut store, 1);
    for attempt in 0..9 {
        doorward_core::audit::Journal::append(&mut store, &crate::support::decided(attempt), wall(9000))
            .unwrap();
    }
    store.close().unwrap();
    terminal.put_back(elsewhere.copy().path(), &["door.db"]);
    assert_refused(&terminal, "record 29 is not the one that was seen");
}

#[test]
fn h2_a_lost_or_edited_anchor_is_refused() {
    let terminal = Terminal::lived_in("t1", 1);
    let path = terminal.path().with_extension("db.anchor");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, vec![0; whole.len()]).unwrap();
    assert_refused(&terminal, "was edited or is damaged");
    fs::write(&path, b"").unwrap();
    assert_refused(&terminal, "was edited or is damaged");
    fs::remove_file(&path).unwrap();
    assert_refused(&terminal, "is missing");
    fs::write(&path, whole).unwrap();
    terminal.open().unwrap();
}

#[test]
fn h2_a_planted_trigger_is_refused() {
    let terminal = Terminal::lived_in("t1", 1);
    terminal.tamper("CREATE TRIGGER quiet AFTER INSERT ON audit BEGIN DELETE FROM audit; END");
    assert_refused(&terminal, "schema was altered at \"quiet\"");
}

/// The first bad record must be named by the examination; opening follows only the newest records.
fn assert_found(sql: &str, words: &str) {
    let terminal = Terminal::lived_in("t1", 1);
    terminal.tamper(sql);
    let said = terminal.finding();
    assert!(said.contains(words), "{words:?} is not in {said:?}");
}

#[test]
fn h3_an_edited_record_is_named() {
    assert_found(
        "UPDATE audit SET bytes = CAST(substr(bytes, 1, 5) || x'00' || substr(bytes, 7) AS BLOB) WHERE seq = 9",
        "record 9 was changed",
    );
    assert_found("UPDATE audit SET hash = zeroblob(32) WHERE seq = 9", "record 9 was changed");
    assert_found("UPDATE audit SET hash = x'00' WHERE seq = 26", "record 26 was changed");
    assert_found(
        "UPDATE audit SET bytes = (SELECT bytes FROM audit WHERE seq = 3) WHERE seq = 9",
        "record 9 was",
    );
}

#[test]
fn h3_a_deleted_record_is_named() {
    assert_found("DELETE FROM audit WHERE seq = 9", "record 9 is missing; the next one found is 10");
    assert_found("DELETE FROM audit WHERE seq <= 4", "record 1 is missing; the next one found is 5");
}

#[test]
fn h3_a_record_planted_below_the_chain_is_named() {
    assert_found(
        "INSERT INTO audit VALUES (0, x'00', x'00')",
        "record 0 lies outside the chain, which begins at 1",
    );
    assert_found("INSERT INTO audit VALUES (-3, x'00', x'00')", "record -3 lies outside the chain");
}

#[test]
fn h3_a_truncated_trail_is_named() {
    assert_found("DELETE FROM audit WHERE seq > 20", "ends at record 20, but record 26 was seen");
    assert_found("DELETE FROM audit; DELETE FROM checkpoints", "ends at record 0, but record 26 was seen");
    let terminal = Terminal::lived_in("t1", 1);
    terminal.tamper("DELETE FROM audit WHERE seq > 25; DELETE FROM checkpoints");
    assert_refused(&terminal, "ends at record 25, but record 26 was seen");
}

#[test]
fn h3_reordered_records_are_named() {
    assert_found(
        "UPDATE audit SET seq = 1000 WHERE seq = 8; UPDATE audit SET seq = 8 WHERE seq = 9;
         UPDATE audit SET seq = 9 WHERE seq = 1000",
        "record 8 was changed",
    );
}

#[test]
fn h3_an_edited_checkpoint_is_named() {
    assert_found("UPDATE checkpoints SET signature = zeroblob(64)", "the checkpoint at record 26 was edited");
    assert_found("UPDATE checkpoints SET seq = 25", "the checkpoint at record 25 was edited");
}

#[test]
fn h3_a_trail_rewritten_from_the_middle_with_fitting_hashes_is_named() {
    let terminal = Terminal::lived_in("t1", 1);
    let conn = Connection::open(terminal.path()).unwrap();
    let read = |seq: i64| {
        let sql = "SELECT hash, bytes FROM audit WHERE seq = ?1";
        conn.query_row(sql, [seq], |row| Ok((row.get::<_, [u8; 32]>(0)?, row.get::<_, Vec<u8>>(1)?))).unwrap()
    };
    let mut head = Head { seq: 8, hash: read(8).0 };
    for seq in 9..=26 {
        let mut entry = Entry::from_bytes(&read(seq).1).unwrap();
        if seq == 9 {
            entry.clock = ClockTrust::Unknown;
        }
        let bytes = entry.to_bytes().unwrap();
        head = head.next(&bytes);
        let sql = "UPDATE audit SET bytes = ?2, hash = ?3 WHERE seq = ?1";
        conn.execute(sql, params![seq, bytes, head.hash]).unwrap();
    }
    drop(conn);
    assert_refused(&terminal, "record 26 is not the one that was seen");
    terminal.tamper("DELETE FROM checkpoints");
    assert_refused(&terminal, "record 26 is not the one that was seen");
}

#[test]
fn h3_opening_follows_the_records_since_the_last_checkpoint() {
    let terminal = Terminal::lived_in("t1", 1);
    decide(&mut terminal.open().unwrap(), 10);
    terminal.tamper("UPDATE audit SET hash = zeroblob(32) WHERE seq = 30");
    assert_refused(&terminal, "record 30 was changed");
}

#[test]
fn r1_an_erased_person_does_not_come_back_from_an_older_copy() {
    let terminal = Terminal::lived_in("t1", 1);
    let mut store = terminal.open().unwrap();
    decide(&mut store, 3);
    let before = terminal.copy();
    store.erase_person(&"ada".parse().unwrap(), wall(3000)).unwrap();
    store.close().unwrap();

    // The old database with its own log and anchor, so that nothing but the key stands in the way.
    let elsewhere = Terminal::new("t1", 1);
    elsewhere.put_back(before.path(), &["door.db", "door.db-wal", "door.db.anchor", "door.db.epoch"]);
    assert_eq!(loaded(&mut elsewhere.open().unwrap()).len(), 4, "with the old epoch file all is there");
    elsewhere.put_back(before.path(), &["door.db", "door.db-wal", "door.db.anchor"]);
    let now = terminal.copy();
    copy_files(now.path(), elsewhere.path().parent().unwrap(), &["door.db.epoch"]);
    assert_refused(&elsewhere, "the epoch file");

    // An attacker with the master key edits the one setting that names the epoch: the group keys still do not open.
    let conn = Connection::open(terminal.path()).unwrap();
    let (value, mac): (Vec<u8>, Vec<u8>) = conn
        .query_row("SELECT value, mac FROM meta WHERE name = 'epoch'", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    drop(conn);
    let conn = Connection::open(elsewhere.path()).unwrap();
    conn.execute("UPDATE meta SET value = ?1, mac = ?2 WHERE name = 'epoch'", params![value, mac]).unwrap();
    drop(conn);
    let mut old = elsewhere.open().unwrap();
    for said in [old.persons().unwrap_err(), old.templates_of(&"ada".parse().unwrap()).unwrap_err()] {
        assert!(text(&said).contains("wrapped of key_groups"), "{}", text(&said));
    }
    drop(old);

    // Bob, who was not erased, is not lost either: his key moved on with the current database.
    assert_eq!(loaded(&mut terminal.open().unwrap()).len(), 2);
}

#[test]
fn r1_nothing_of_an_erased_person_is_left_in_the_files() {
    let terminal = Terminal::lived_in("t1", 1);
    let mut store = terminal.open().unwrap();
    let sealed: Vec<u8> = Connection::open(terminal.path())
        .unwrap()
        .query_row("SELECT vector FROM templates WHERE person = 'ada' AND slot = 0", [], |row| row.get(0))
        .unwrap();
    let epoch = fs::read(terminal.path().with_extension("db.epoch")).unwrap();
    let holds = |needle: &[u8]| {
        let files = fs::read_dir(terminal.path().parent().unwrap()).unwrap();
        files
            .filter_map(|file| fs::read(file.unwrap().path()).ok())
            .any(|b| b.windows(32).any(|w| w == needle))
    };
    assert!(holds(&sealed[40..72]) && holds(&epoch[60..92]), "both are there before");
    store.erase_person(&"ada".parse().unwrap(), wall(3000)).unwrap();
    assert!(!holds(&sealed[40..72]), "the sealed vector");
    assert!(!holds(&epoch[60..92]), "the wrapped old epoch key");
}

#[test]
fn h4_names_and_templates_are_not_readable_in_the_files() {
    let terminal = Terminal::lived_in("t1", 1);
    let store = terminal.open().unwrap();
    let plain: Vec<u8> = vector(1).values().iter().flat_map(|v| v.to_le_bytes()).take(16).collect();
    for file in fs::read_dir(terminal.path().parent().unwrap()).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(7).any(|w| w == b"Name of"));
        assert!(!bytes.windows(16).any(|w| w == plain));
    }
    drop(store);
}

#[test]
fn files_that_are_no_sound_database_are_told_apart() {
    let damage = |change: fn(&mut Vec<u8>)| {
        let terminal = Terminal::lived_in("t1", 1);
        let mut bytes = fs::read(terminal.path()).unwrap();
        change(&mut bytes);
        fs::write(terminal.path(), bytes).unwrap();
        terminal
    };
    assert_refused(&damage(Vec::clear), "is no doorward database: the file is empty");
    assert_refused(&damage(|bytes| bytes.fill(b'x')), "the file is not made by SQLite");
    assert_refused(&damage(|bytes| bytes.truncate(50)), "is no doorward database");
    assert_refused(&damage(|bytes| bytes[68..72].fill(1)), "another program made this SQLite database");
    assert_refused(&damage(|bytes| bytes.truncate(bytes.len() / 8192 * 4096)), "the database is damaged");
    assert_refused(&damage(|bytes| bytes[4096..].fill(0x5a)), "the database is damaged");
    assert_refused(&damage(|bytes| bytes[100..4096].fill(0)), "the database is damaged");

    let terminal = Terminal::lived_in("t1", 1);
    terminal.tamper("PRAGMA user_version = 7");
    assert_refused(&terminal, "the database has version 7, this program knows versions up to 3");
    fs::remove_file(terminal.path()).unwrap();
    assert_refused(&terminal, "is missing");
}

#[test]
fn every_damaged_page_is_refused_or_harmless_and_never_a_panic() {
    let terminal = Terminal::lived_in("t1", 1);
    let whole = terminal.copy();
    let pristine = fs::read(whole.path().join("door.db")).unwrap();
    let all = loaded(&mut terminal.open().unwrap());
    for page in 0..pristine.len() / 4096 {
        for pattern in [0u8, 0xff, 0x0d] {
            let mut bytes = pristine.clone();
            bytes[page * 4096..][..4096].fill(pattern);
            terminal.put_back(whole.path(), &["door.db", "door.db.epoch", "door.db.anchor"]);
            fs::write(terminal.path(), bytes).unwrap();
            if let Ok(mut store) = terminal.open() {
                let mut shown = Vec::new();
                if store.templates(&VERSION, |person, vector| shown.push((person, vector))).is_ok() {
                    assert_eq!(shown, all, "page {page}");
                }
                assert!(terminal.verify().is_err(), "page {page} damaged unnoticed");
            }
        }
    }
}

#[test]
fn another_master_key_is_refused_without_touching_the_store() {
    let terminal = Terminal::lived_in("t1", 1);
    let other = Terminal::new("t9", 9).master();
    let refused = Store::open(&terminal.path(), &other).err().unwrap();
    assert!(
        text(&refused).contains("the database is foreign: it says it belongs to terminal t1 of site north")
    );
    terminal.verify().unwrap();
}
