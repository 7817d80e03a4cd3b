//! What was recorded: shown, exported, and whether it is whole.

use std::fs;

use crate::{Terminal, equipped};

/// A terminal with some history.
fn busy() -> Terminal {
    let terminal = Terminal::new();
    terminal.enroll("E-1", &["ageitgey_obama.jpg"]).with(0);
    terminal.enroll("E-2", &["ageitgey_biden.jpg"]).with(0);
    terminal.run(&["person", "suspend", "E-2"]).with(0);
    terminal.run(&["person", "erase", "E-1", "--yes"]).with(0);
    terminal
}

#[test]
fn h3_a_changed_byte_is_found_and_named() {
    if !equipped("tampering with a store") {
        return;
    }
    let terminal = busy();
    let sound = terminal.run(&["audit", "verify", "--json"]).with(0).json();
    assert_eq!(
        (&sound["sound"], &sound["terminal"], &sound["persons"]),
        (&true.into(), &"lobby-1".into(), &1.into())
    );

    let file = terminal.path("doord.db");
    let whole = fs::read(&file).unwrap();
    let word = b"photo_supervised";
    let places: Vec<usize> =
        whole.windows(word.len()).enumerate().filter(|(_, w)| w == word).map(|(at, _)| at).collect();
    assert!(places.len() >= 3, "two enrolments and a template carry their source: {places:?}");
    let mut records = Vec::new();
    for at in places {
        let mut edited = whole.clone();
        edited[at] ^= 1;
        fs::write(&file, edited).unwrap();
        let said = terminal.run(&["audit", "verify", "--json"]).with(2);
        let found = said.json();
        assert_eq!(found["sound"], false);
        assert!(
            !found["finding"].as_str().unwrap().is_empty() && said.err.contains("not whole"),
            "{}",
            said.err
        );
        records.extend(found["record"].as_u64());
    }
    assert!(records.contains(&2), "the second record is the first enrolment's template: {records:?}");
    fs::write(&file, whole).unwrap();
    terminal.run(&["audit", "verify"]).with(0);
}

#[test]
fn h3_a_store_that_was_cut_off_or_is_gone_is_no_sound_one() {
    let terminal = Terminal::new();
    let file = terminal.path("doord.db");
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    terminal.run(&["audit", "verify"]).refused(&["not whole"]);
    fs::remove_file(&file).unwrap();
    terminal.run(&["audit", "verify"]).refused(&["missing"]);
}

#[test]
fn the_newest_entries_are_shown_in_order() {
    if !equipped("the audit trail") {
        return;
    }
    let terminal = busy();
    let all = terminal.run(&["audit", "tail"]).with(0).out;
    let lines: Vec<&str> = all.lines().collect();
    assert_eq!(lines.len(), 6, "record and template of two persons, a suspension, an erasure: {all}");
    assert!(lines[0].contains("enrolled") && lines[0].contains("person=E-1"), "{all}");
    assert!(lines[5].contains("erased person=E-1"), "{all}");
    let last = terminal.run(&["audit", "tail", "-n", "2"]).with(0).out;
    assert_eq!(last.lines().collect::<Vec<_>>(), lines[4..]);
}

#[test]
fn an_export_holds_every_entry_and_overwrites_nothing() {
    if !equipped("an export") {
        return;
    }
    let terminal = busy();
    let file = terminal.path("audit.csv").display().to_string();
    terminal.run(&["audit", "export", "--format", "csv", "--output", &file]).with(0);
    let csv = fs::read_to_string(&file).unwrap();
    assert!(csv.starts_with("seq,at,clock,kind,door,person,"), "{csv}");
    assert_eq!(csv.lines().count(), 7);
    terminal.run(&["audit", "export", "--format", "csv", "--output", &file]).refused(&["exists"]);
    let json = terminal.run(&["audit", "export", "--format", "json"]).with(0).json();
    let kinds: Vec<&str> =
        json.as_array().unwrap().iter().map(|e| e["what"]["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["enrolled", "enrolled", "enrolled", "enrolled", "enrolled", "erased"]);
    assert_eq!(json[5]["what"]["person"], "E-1");
}

#[test]
fn an_export_in_columns_is_a_whole_file_and_never_text() {
    let terminal = Terminal::new();
    let file = terminal.path("audit.parquet").display().to_string();
    terminal.run(&["audit", "export", "--format", "parquet", "--output", &file]).with(0);
    let bytes = fs::read(&file).unwrap();
    assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"), "its first and last word");
    terminal.run(&["audit", "export", "--format", "parquet"]).refused(&["--output"]);
}
