//! Cards, PINs and QR codes: found by what they are, told by nothing that lies in the files.

use std::fs;

use doorward_core::claim::Holder;
use doorward_core::credential::{Card, Credential, Pin};
use doorward_protocol::audit::{CredentialKind, What};
use doorward_store::{CREDENTIALS_OF_PERSON_MAX, Store, StoreFault, new_token};

use crate::support::{Terminal, text, wall};

fn terms(person: &str) -> Holder {
    Holder {
        person: person.parse().unwrap(),
        slot: 0,
        without_face: false,
        once: false,
        created_ms: 3000,
        valid_until_ms: None,
    }
}

fn card(facility: u64, number: u64) -> Credential {
    Credential::Card(Card { format: "h10301".into(), facility: Some(facility), number })
}

fn pin(digits: &str) -> Credential {
    Credential::Pin(Pin::from_digits(digits.as_bytes()).unwrap())
}

/// Ada with a card, a PIN and a code for one time.
fn equipped() -> (Terminal, Credential) {
    let terminal = Terminal::lived_in("t1", 1);
    let mut store = terminal.open().unwrap();
    let code = Credential::Qr(new_token());
    store.put_credential(&card(17, 4711), &terms("ada"), wall(3000)).unwrap();
    store.put_credential(&pin("0815"), &Holder { without_face: true, ..terms("ada") }, wall(3000)).unwrap();
    let once = Holder { once: true, valid_until_ms: Some(9000), ..terms("ada") };
    assert_eq!(store.put_credential(&code, &once, wall(3000)).unwrap(), 2);
    store.close().unwrap();
    (terminal, code)
}

fn slot(store: &mut Store, credential: &Credential) -> Option<u32> {
    store.wallet().unwrap().holder(credential).map(|holder| holder.slot)
}

#[test]
fn a_credential_leads_to_its_holder_and_its_terms_after_reopening() {
    let (terminal, code) = equipped();
    let mut store = terminal.open().unwrap();
    let wallet = store.wallet().unwrap();
    assert_eq!(wallet.len(), 3);
    assert_eq!(wallet.holder(&card(17, 4711)), Some(&terms("ada")));
    assert_eq!(wallet.holder(&pin("0815")), Some(&Holder { slot: 1, without_face: true, ..terms("ada") }));
    let once = Holder { slot: 2, once: true, valid_until_ms: Some(9000), ..terms("ada") };
    assert_eq!(wallet.holder(&code), Some(&once));
    assert_eq!(wallet.holder(&Credential::Qr(new_token())), None);
    let kinds: Vec<_> =
        store.credentials_of(&"ada".parse().unwrap()).unwrap().iter().map(|c| c.kind).collect();
    assert_eq!(kinds, [CredentialKind::Card, CredentialKind::Pin, CredentialKind::Qr]);
    let (_, newest) = store.audit(store.head().unwrap().seq, 1).unwrap().remove(0);
    assert!(matches!(newest.what, What::Credential(c) if c.given && c.presented.slot == Some(2)));
    terminal.verify().unwrap();
}

#[test]
fn q5_the_facility_code_and_the_kind_are_part_of_a_credential() {
    let (terminal, _) = equipped();
    let mut store = terminal.open().unwrap();
    assert_eq!(slot(&mut store, &card(18, 4711)), None, "the same number of another site");
    let bare = Credential::Card(Card { format: "h10301".into(), facility: None, number: 4711 });
    let other = Credential::Card(Card { format: "h10306".into(), facility: Some(17), number: 4711 });
    assert_eq!((slot(&mut store, &bare), slot(&mut store, &other)), (None, None));
    assert_eq!(slot(&mut store, &pin("4711")), None, "a card's number is no PIN");
}

#[test]
fn h4_no_number_and_no_pin_lies_in_the_files() {
    let (terminal, code) = equipped();
    let Credential::Qr(token) = &code else { unreachable!() };
    let payload = token.payload();
    for file in ["door.db", "door.db-wal", "door.db.epoch", "door.db.anchor"] {
        let Ok(bytes) = fs::read(terminal.path().with_file_name(file)) else { continue };
        let needles: [&[u8]; 4] = [b"0815", payload.as_bytes(), &4711u64.to_le_bytes(), &code.written()];
        for needle in needles {
            assert!(!bytes.windows(needle.len()).any(|w| w == needle), "{file} holds {needle:?}");
        }
    }
}

#[test]
fn q3_a_credential_belongs_to_one_person() {
    let (terminal, _) = equipped();
    let mut store = terminal.open().unwrap();
    let head = store.head().unwrap();
    let taken = store.put_credential(&pin("0815"), &terms("bob"), wall(4000)).unwrap_err();
    assert!(matches!(taken, StoreFault::CredentialTaken));
    assert!(!text(&taken).contains("ada"), "whose it is stays unsaid");
    let unknown = store.put_credential(&pin("0816"), &terms("eve"), wall(4000)).unwrap_err();
    assert!(matches!(unknown, StoreFault::NoSuchPerson(_)));
    assert_eq!(store.head().unwrap(), head, "nothing was recorded");
    for i in 0..CREDENTIALS_OF_PERSON_MAX {
        store.put_credential(&card(1, i), &terms("bob"), wall(4000)).unwrap();
    }
    let full = store.put_credential(&card(1, 99), &terms("bob"), wall(4000)).unwrap_err();
    assert_eq!(text(&full), "the store holds at most 16 credentials of one person");
    terminal.verify().unwrap();
}

#[test]
fn what_is_taken_away_or_erased_leads_nowhere() {
    let (terminal, code) = equipped();
    let mut store = terminal.open().unwrap();
    let ada = "ada".parse().unwrap();
    store.remove_credential(&ada, 1, wall(4000)).unwrap();
    assert_eq!(slot(&mut store, &pin("0815")), None);
    let gone = store.remove_credential(&ada, 1, wall(4000)).unwrap_err();
    assert_eq!(text(&gone), "ada has no credential 1");
    assert_eq!(store.put_credential(&pin("0815"), &terms("bob"), wall(4000)).unwrap(), 0, "free again");
    store.erase_person(&ada, wall(5000)).unwrap();
    assert_eq!((slot(&mut store, &card(17, 4711)), slot(&mut store, &code)), (None, None));
    store.close().unwrap();
    terminal.verify().unwrap();
}

#[test]
fn e1_an_erased_persons_credentials_do_not_come_back_with_an_older_copy() {
    let (terminal, _) = equipped();
    let old = terminal.copy();
    let mut store = terminal.open().unwrap();
    store.erase_person(&"ada".parse().unwrap(), wall(5000)).unwrap();
    store.close().unwrap();
    let attach = format!("ATTACH '{}' AS old;", old.path().join("door.db").display());
    terminal.tamper(&format!(
        "{attach} INSERT INTO persons SELECT * FROM old.persons WHERE id = 'ada';
         INSERT INTO person_keys SELECT * FROM old.person_keys WHERE person = 'ada';
         INSERT INTO credentials SELECT * FROM old.credentials"
    ));
    assert!(terminal.finding().contains("person_keys ada does not open"));
}

#[test]
fn h2_edited_moved_and_removed_credentials_are_noticed() {
    for (sql, words) in [
        ("UPDATE credentials SET person = 'bob' WHERE slot = 0", "code of credentials bob/0 does not open"),
        ("UPDATE credentials SET without_face = 1 WHERE slot = 0", "code of credentials ada/0 does not open"),
        ("UPDATE credentials SET once = 0 WHERE slot = 2", "code of credentials ada/2 does not open"),
        ("UPDATE credentials SET valid_until_ms = NULL WHERE slot = 2", "code of credentials ada/2"),
        ("UPDATE credentials SET kind = 0 WHERE slot = 1", "code of credentials ada/1 does not open"),
        ("DELETE FROM credentials WHERE slot = 1", "rows were removed, added or taken from an older copy"),
    ] {
        let (terminal, _) = equipped();
        terminal.tamper(sql);
        for said in [terminal.refusal(), terminal.finding()] {
            assert!(said.contains(words), "{sql}: {words:?} is not in {said:?}");
        }
    }
}
