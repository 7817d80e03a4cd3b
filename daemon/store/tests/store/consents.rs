//! What persons agreed to: kept under their key, replaced and withdrawn by purpose, and gone with them.

use doorward_core::audit::Disk as _;
use doorward_core::consent::Term;
use doorward_core::intake::{Deed, Thing};
use doorward_protocol::contents::Purpose;
use doorward_protocol::ids::PersonId;
use doorward_protocol::roster::{PersonSlot, Slot};
use doorward_store::Store;

use crate::support::{Terminal, VERSION, wall};
use crate::taking::{record, step};

fn at(person: &str) -> PersonSlot {
    let number = Purpose::Picture.number();
    PersonSlot { person: person.parse().unwrap(), slot: Slot::Consent, number }
}

fn agrees(person: &str, until_s: i64) -> Deed {
    Deed::Put(at(person), Thing::Consent(Purpose::Picture, Term { from_s: 10, until_s }))
}

fn id(person: &str) -> PersonId {
    person.parse().unwrap()
}

/// Until when each of `ada` and `bob` agrees: by the whole store, and person by person.
fn until(store: &mut Store) -> [Option<i64>; 2] {
    let all = store.consents().unwrap();
    ["ada", "bob"].map(|person| {
        let found = all.in_force(&id(person), Purpose::Picture, wall(20_000)).map(|term| term.until_s);
        let of_person = |agreed: Vec<(Purpose, Term)>| agreed.first().map(|(_, term)| term.until_s);
        assert_eq!(of_person(store.consents_of(&id(person)).unwrap()), found);
        assert_eq!(of_person(store.known(&id(person), &VERSION).unwrap().consents), found);
        found
    })
}

fn agreed() -> Terminal {
    let terminal = Terminal::new("t1", 1);
    let mut store = terminal.open().unwrap();
    let put = vec![record("ada"), record("bob"), agrees("ada", 100), agrees("bob", 200)];
    assert_eq!(store.take(&step(1, put), wall(1000)).unwrap(), 0);
    store.close().unwrap();
    terminal
}

#[test]
fn r2_a_consent_is_put_again_withdrawn_and_gone_with_its_person() {
    let terminal = agreed();
    let mut store = terminal.open().unwrap();
    assert_eq!(until(&mut store), [Some(100), Some(200)]);
    let change = vec![agrees("ada", 300), Deed::Take(at("bob")), record("bob"), Deed::Take(at("eve"))];
    assert_eq!(store.take(&step(2, change), wall(2000)).unwrap(), 0);
    assert_eq!(until(&mut store), [Some(300), None], "a record that is put again changes no consent");
    assert_eq!(store.take(&step(3, vec![agrees("eve", 300)]), wall(3000)).unwrap(), 1, "of nobody");
    store.erase_person(&id("ada"), wall(4000)).unwrap();
    assert_eq!(until(&mut store), [None, None]);
    assert_eq!(store.take(&step(4, vec![record("ada")]), wall(5000)).unwrap(), 0);
    assert_eq!(until(&mut store), [None, None], "whoever comes back has agreed to nothing");
    let change = vec![agrees("ada", 400), agrees("bob", 400)];
    store.take(&step(5, change), wall(6000)).unwrap();
    store.erase_everybody(wall(7000)).unwrap();
    assert_eq!(until(&mut store), [None, None]);
    store.close().unwrap();
    terminal.verify().unwrap();
}

#[test]
fn e1_the_consent_of_an_erased_person_does_not_come_back_with_an_older_copy() {
    let terminal = agreed();
    let old = terminal.copy();
    let mut store = terminal.open().unwrap();
    store.erase_person(&id("ada"), wall(5000)).unwrap();
    store.close().unwrap();
    let attach = format!("ATTACH '{}' AS old;", old.path().join("door.db").display());
    terminal.tamper(&format!(
        "{attach} INSERT INTO persons SELECT * FROM old.persons WHERE id = 'ada';
         INSERT INTO person_keys SELECT * FROM old.person_keys WHERE person = 'ada';
         INSERT INTO consents SELECT * FROM old.consents WHERE person = 'ada'"
    ));
    assert!(terminal.finding().contains("person_keys ada does not open"));
}

#[test]
fn h2_edited_moved_and_removed_consents_are_noticed() {
    for (sql, words) in [
        ("UPDATE consents SET person = 'eve' WHERE person = 'ada'", "eve"),
        ("UPDATE consents SET purpose = 1 WHERE person = 'ada'", "term of consents ada/1 does not open"),
        (
            "UPDATE consents SET term = (SELECT term FROM consents WHERE person = 'bob') WHERE person = 'ada'",
            "term of consents ada/0 does not open",
        ),
        ("DELETE FROM consents WHERE person = 'bob'", "rows were removed, added or taken from an older copy"),
    ] {
        let terminal = agreed();
        terminal.tamper(sql);
        for said in [terminal.refusal(), terminal.finding()] {
            assert!(said.contains(words), "{sql}: {words:?} is not in {said:?}");
        }
    }
}
