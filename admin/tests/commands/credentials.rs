//! Cards, PINs and QR codes: given, listed, taken away, and never told.

use doorward_core::time::{ClockTrust, Wall};
use doorward_store::{KeySource, MasterKey, PersonRecord, Store};

use crate::{Said, Terminal, doorctl_typing};

/// A terminal with persons without templates: no model is needed for a credential.
fn inhabited() -> Terminal {
    let terminal = Terminal::new();
    let key = MasterKey::load(&KeySource::File(terminal.path("key"))).unwrap();
    let mut store = Store::open(&terminal.path("doord.db"), &key).unwrap();
    for id in ["E-1", "E-2"] {
        let record = PersonRecord {
            id: id.parse().unwrap(),
            name: "A Person".into(),
            valid_from_ms: None,
            valid_until_ms: None,
            suspended: false,
        };
        store.put_person(&record, Wall { ms: 1000, trust: ClockTrust::Synchronised }).unwrap();
    }
    store.close().unwrap();
    terminal
}

/// doorctl with a line on its standard input.
fn typed(terminal: &Terminal, arguments: &[&str], line: &str) -> Said {
    let path = |name: &str| terminal.path(name).display().to_string();
    doorctl_typing(&[arguments, &["--store", &path("doord.db"), "--key", &path("key")]].concat(), line)
}

#[test]
fn credentials_are_given_listed_and_taken_away() {
    let terminal = inhabited();
    let said = terminal.run(&["credential", "add", "E-1", "--card", "17:4711"]).with(0);
    assert!(said.out.contains("E-1 has a card as credential 0"), "{}", said.out);
    typed(&terminal, &["credential", "add", "E-1", "--pin", "--without-face"], "4711\n").with(0);
    let list = terminal.run(&["credential", "list", "E-1", "--json"]).with(0).json();
    assert_eq!((&list[0]["kind"], &list[0]["without_face"]), (&"card".into(), &false.into()));
    assert_eq!((&list[1]["kind"], &list[1]["without_face"]), (&"pin".into(), &true.into()));
    terminal.run(&["credential", "remove", "E-1", "0"]).with(0);
    terminal.run(&["credential", "remove", "E-1", "0"]).refused(&["no credential 0"]);
    let said = terminal.run(&["credential", "list", "E-1"]).with(0);
    assert!(said.out.contains("1 credentials") && !said.out.contains("4711"), "{}", said.out);
    terminal.run(&["audit", "verify"]).with(0);
    let trail = terminal.run(&["audit", "tail", "-n", "10"]).with(0);
    assert!(!trail.out.contains("4711"), "the trail names the kind and not the number: {}", trail.out);
}

#[test]
fn q3_pins_are_never_arguments_nor_obvious_nor_shared() {
    let terminal = inhabited();
    let add = ["credential", "add", "E-1", "--pin"];
    terminal.run(&[&add[..], &["4711"]].concat()).with(1);
    typed(&terminal, &add, "1234\n").refused(&["first anybody tries"]);
    typed(&terminal, &add, "47x1\n").refused(&["4 to 12 digits"]);
    typed(&terminal, &add, "").refused(&["4 to 12 digits"]);
    typed(&terminal, &add, "4711\n").with(0);
    typed(&terminal, &["credential", "add", "E-2", "--pin"], "4711\n").refused(&["belongs to somebody"]);
}

#[test]
fn q5_cards_that_no_reader_can_send_are_refused() {
    let terminal = inhabited();
    let add = |more: &[&str]| terminal.run(&[&["credential", "add", "E-1"][..], more].concat());
    add(&["--card", "4711"]).refused(&["facility code"]);
    add(&["--card", "256:1"]).refused(&["goes to 255"]);
    add(&["--card", "1:1", "--format", "37"]).refused(&["facility code"]);
    add(&["--card", "1:1"]).with(0);
    add(&["--card", "1:1"]).refused(&["belongs to somebody"]);
    add(&["--card", "2:1"]).with(0);
    terminal.run(&["credential", "add", "E-9", "--card", "3:1"]).refused(&["no person E-9"]);
}

#[test]
fn q2_a_code_for_one_time_ends_within_a_day() {
    let terminal = inhabited();
    let add = |more: &[&str]| terminal.run(&[&["credential", "add", "E-1", "--qr"][..], more].concat());
    let said = add(&["--once"]).with(0);
    assert!(said.out.contains("DW1:") && said.out.contains('█'), "drawn once: {}", said.out);
    let list = terminal.run(&["credential", "list", "E-1", "--json"]).with(0).json();
    assert!(list[0]["once"] == true && list[0]["valid_until"].is_string(), "{list}");
    assert!(add(&["--once", "--valid-until", "2999-01-01T00:00:00Z"]).with(1).err.contains("a day at most"));
    assert!(add(&["--valid-until", "1999-01-01T00:00:00Z"]).with(1).err.contains("in the past"));
    add(&["--valid-until", "2999-01-01T00:00:00Z"]).with(0);
}
