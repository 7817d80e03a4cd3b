//! Entries of the site's roster in the store: each whole or not at all, in order, and nothing that cannot be kept holds up
//! the rest.

use doorward_core::audit::Journal as _;
use doorward_core::claim::ONCE_LIFE_MAX_MS;
use doorward_core::credential::{Card, Credential, Pin};
use doorward_core::intake::{Deed, Place, Reason, Step, Thing};
use doorward_core::transform::Protected;
use doorward_protocol::audit::{Skipped, What};
use doorward_protocol::contents::Record;
use doorward_protocol::message::Text;
use doorward_protocol::roster::{Head, PersonSlot, Slot};
use doorward_store::{CREDENTIALS_OF_PERSON_MAX, Store, StoreFault};

use crate::support::{Terminal, VERSION, copy_files, decided, loaded, vector, wall};

pub(crate) fn step(seq: u64, deeds: Vec<Deed>) -> Step {
    Step { head: Head { seq, hash: [u8::try_from(seq).unwrap(); 32] }, deeds }
}

fn at(person: &str, slot: Slot, number: u32) -> PersonSlot {
    PersonSlot { person: person.parse().unwrap(), slot, number }
}

pub(crate) fn record(person: &str) -> Deed {
    let name = Text::cut(&format!("Name of {person}"));
    let record = Record { name, valid_from_ms: None, valid_until_ms: None, suspended: false };
    Deed::Put(at(person, Slot::Record, 0), Thing::Record(record))
}

pub(crate) fn template(person: &str, number: u32, seed: u32) -> Deed {
    let (vector, source) = (Protected::restore(vector(seed)), "photo".to_owned());
    let thing = Thing::Template { version: VERSION, vector, source, created_ms: 700 };
    Deed::Put(at(person, Slot::Template, number), thing)
}

fn card(number: u64) -> Credential {
    Credential::Card(Card { format: "h10301".into(), facility: Some(17), number })
}

fn credential(person: &str, number: u32, shown: Credential, once: bool) -> Deed {
    let thing = Thing::Credential { shown, without_face: false, once, valid_until_ms: None };
    Deed::Put(at(person, Slot::Credential, number), thing)
}

fn holder(store: &mut Store, shown: &Credential) -> Option<(String, u32)> {
    store.wallet().unwrap().holder(shown).map(|holder| (holder.person.to_string(), holder.slot))
}

fn skipped(store: &Store) -> Vec<Skipped> {
    let entries = store.audit(1, 1000).unwrap().into_iter();
    entries
        .filter_map(|(_, entry)| if let What::Skipped(skipped) = entry.what { Some(skipped) } else { None })
        .collect()
}

fn whole(terminal: &Terminal, store: Store) {
    store.close().unwrap();
    terminal.verify().unwrap();
}

#[test]
fn what_is_put_again_replaces_and_what_is_taken_is_gone_by_the_rosters_own_numbers() {
    let terminal = Terminal::new("t1", 1);
    let mut store = terminal.open().unwrap();
    let put = vec![
        record("ada"),
        template("ada", 4, 1),
        template("ada", 2, 2),
        credential("ada", 7, card(1), false),
        credential("ada", 3, card(2), false),
        Deed::Rules(Some("weekly".to_owned())),
    ];
    assert_eq!(store.take(&step(1, put), wall(1000)).unwrap(), 0);
    let ada = "ada".parse().unwrap();
    let slots = |store: &mut Store| -> Vec<(u32, i64)> {
        store.templates_of(&ada).unwrap().into_iter().map(|t| (t.slot, t.created_ms)).collect()
    };
    assert_eq!(slots(&mut store), [(2, 700), (4, 700)]);
    assert_eq!(holder(&mut store, &card(1)), Some(("ada".to_owned(), 7)));

    let change = vec![
        template("ada", 4, 9),
        Deed::Take(at("ada", Slot::Template, 2)),
        credential("ada", 7, card(5), false),
        Deed::Take(at("ada", Slot::Credential, 3)),
        Deed::Take(at("ada", Slot::Credential, 99)),
        Deed::Take(at("eve", Slot::Template, 0)),
        Deed::Rules(None),
    ];
    assert_eq!(store.take(&step(2, change), wall(2000)).unwrap(), 0);
    assert_eq!(slots(&mut store), [(4, 700)]);
    assert!(loaded(&mut store)[0].1.cosine(&vector(9)) > 0.999_999);
    assert_eq!(holder(&mut store, &card(1)), None, "a replaced card is nobody's");
    assert_eq!(holder(&mut store, &card(2)), None);
    assert_eq!(holder(&mut store, &card(5)), Some(("ada".to_owned(), 7)));
    assert_eq!(store.rules().unwrap(), None);
    assert_eq!(store.take(&step(3, vec![record("bob")]), wall(3000)).unwrap(), 0);
    whole(&terminal, store);
}

#[test]
fn a_credential_moves_from_one_person_to_another_within_one_entry() {
    let terminal = Terminal::new("t1", 1);
    let mut store = terminal.open().unwrap();
    let put = vec![record("ada"), record("bob"), credential("ada", 0, card(1), false)];
    store.take(&step(1, put), wall(1000)).unwrap();
    let change = vec![Deed::Take(at("ada", Slot::Credential, 0)), credential("bob", 0, card(1), false)];
    store.take(&step(2, change), wall(2000)).unwrap();
    assert_eq!(holder(&mut store, &card(1)), Some(("bob".to_owned(), 0)));
    let change = vec![credential("bob", 0, card(1), false), Deed::Erase("bob".parse().unwrap())];
    store.take(&step(3, [change, vec![credential("ada", 1, card(1), false)]].concat()), wall(3000)).unwrap();
    assert_eq!(holder(&mut store, &card(1)), Some(("ada".to_owned(), 1)));
    assert_eq!(skipped(&store), []);
    whole(&terminal, store);
}

#[test]
fn m8_what_cannot_be_kept_is_on_record_by_its_place_and_everything_beside_it_is_there() {
    let terminal = Terminal::new("t1", 1);
    let mut store = terminal.open().unwrap();
    let unread = Deed::Skip(Place::Person(at("ada", Slot::Template, 5)), Reason::DoesNotOpen);
    let mut deeds = vec![
        template("eve", 0, 1),
        unread,
        record("ada"),
        credential("eve", 0, card(1), false),
        credential("ada", 0, card(1), false),
        record("bob"),
        credential("bob", 1, card(1), false),
        template("ada", 0, 2),
    ];
    let pin = |n: u64| Credential::Pin(Pin::from_digits(format!("77{n:02}").as_bytes()).unwrap());
    deeds.extend(
        (1..=CREDENTIALS_OF_PERSON_MAX).map(|n| credential("ada", u32::try_from(n).unwrap(), pin(n), false)),
    );
    deeds.push(credential("bob", 2, card(9), false));
    let taken = store.take(&step(1, deeds), wall(1000)).unwrap();
    assert_eq!(taken, 5);
    let said: Vec<_> = skipped(&store)
        .into_iter()
        .map(|s| format!("{} {} {} {}", s.entry, s.person.unwrap(), s.place, s.reason))
        .collect();
    assert_eq!(
        said,
        [
            "1 eve template 0 no_record",
            "1 ada template 5 does_not_open",
            "1 eve credential 0 no_record",
            "1 bob credential 1 taken",
            "1 ada credential 16 full"
        ]
    );
    assert_eq!(store.persons().unwrap().len(), 2);
    assert_eq!(holder(&mut store, &card(9)), Some(("bob".to_owned(), 2)), "what stands behind it is taken");
    assert_eq!(store.followed().unwrap().map(|head| head.seq), Some(1));
    whole(&terminal, store);
}

#[test]
fn m3_no_entry_is_passed_over_and_none_counts_twice() {
    let terminal = Terminal::new("t1", 1);
    let mut store = terminal.open().unwrap();
    let early = store.take(&step(2, vec![record("ada")]), wall(1000)).unwrap_err();
    assert!(matches!(early, StoreFault::EntryMissing { wanted: 1, came: 2 }));
    store.take(&step(1, vec![record("ada")]), wall(1000)).unwrap();
    store.take(&step(2, vec![Deed::Erase("ada".parse().unwrap())]), wall(2000)).unwrap();
    store.take(&step(1, vec![record("ada")]), wall(3000)).unwrap();
    assert_eq!(store.persons().unwrap(), [], "an older entry brings nobody back");
    assert_eq!(store.followed().unwrap().map(|head| head.seq), Some(2));
    whole(&terminal, store);
}

#[test]
fn q2_a_code_for_one_time_ends_after_a_day_whatever_its_signer_says() {
    let terminal = Terminal::new("t1", 1);
    let mut store = terminal.open().unwrap();
    store.take(&step(1, vec![record("ada"), credential("ada", 0, card(1), true)]), wall(1000)).unwrap();
    let wallet = store.wallet().unwrap();
    let holder = wallet.holder(&card(1)).unwrap();
    assert_eq!((holder.created_ms, holder.valid_until_ms), (1000, Some(1000 + ONCE_LIFE_MAX_MS)));
}

#[test]
fn r1_whoever_the_roster_erased_is_in_no_older_copy_that_opens() {
    let terminal = Terminal::new("t1", 1);
    let mut store = terminal.open().unwrap();
    let put = vec![record("ada"), template("ada", 0, 1), credential("ada", 0, card(1), false), record("bob")];
    store.take(&step(1, put), wall(1000)).unwrap();
    let before = terminal.copy();
    // Erased and put again in one entry: what was is gone all the same.
    let again = vec![Deed::Erase("ada".parse().unwrap()), record("ada"), template("bob", 0, 2)];
    store.take(&step(2, again), wall(2000)).unwrap();
    assert_eq!(store.templates_of(&"ada".parse().unwrap()).unwrap(), []);
    assert_eq!(holder(&mut store, &card(1)), None);
    store.close().unwrap();

    let elsewhere = Terminal::new("t1", 1);
    elsewhere.put_back(before.path(), &["door.db", "door.db-wal", "door.db.anchor", "door.db.epoch"]);
    assert_eq!(loaded(&mut elsewhere.open().unwrap()).len(), 1, "with its own epoch file all is there");
    elsewhere.put_back(before.path(), &["door.db", "door.db-wal", "door.db.anchor"]);
    let now = terminal.copy();
    copy_files(now.path(), elsewhere.path().parent().unwrap(), &["door.db.epoch"]);
    assert!(elsewhere.refusal().contains("the epoch file"), "{}", elsewhere.refusal());
    terminal.verify().unwrap();
}

#[test]
fn what_changed_of_a_person_can_be_learnt_without_reading_everybody() {
    let terminal = Terminal::new("t1", 1);
    let mut store = terminal.open().unwrap();
    let put = vec![
        record("ada"),
        template("ada", 0, 1),
        credential("ada", 0, card(1), false),
        record("bob"),
        credential("bob", 0, card(2), false),
    ];
    store.take(&step(1, put), wall(1000)).unwrap();
    let mut wallet = store.wallet().unwrap();
    let change = vec![
        credential("ada", 0, card(3), false),
        template("ada", 1, 2),
        Deed::Erase("bob".parse().unwrap()),
    ];
    store.take(&step(2, change), wall(2000)).unwrap();
    let known = ["ada", "bob"].map(|id| store.known(&id.parse().unwrap(), &VERSION).unwrap());
    assert_eq!((known[0].templates.len(), known[1].templates.len()), (2, 0));
    assert!(known[0].record.is_some() && known[1].record.is_none());
    wallet.replace(&known);
    let own = |shown: &Credential| wallet.holder(shown).map(|holder| holder.person.to_string());
    assert_eq!([own(&card(1)), own(&card(2)), own(&card(3))], [None, None, Some("ada".to_owned())]);
    let elsewhere = doorward_core::template::TemplateVersion { preprocessing: 9, ..VERSION };
    assert!(store.known(&"ada".parse().unwrap(), &elsewhere).unwrap().templates.is_empty());
}

#[test]
fn an_entry_that_gives_way_leaves_nothing_and_is_whole_when_it_comes_again() {
    let terminal = Terminal::new("t1", 1);
    let mut store = terminal.open().unwrap();
    store.take(&step(1, vec![record("ada"), template("ada", 0, 1)]), wall(1000)).unwrap();
    let deeds = vec![
        Deed::Erase("ada".parse().unwrap()),
        record("bob"),
        template("eve", 0, 2),
        credential("bob", 0, card(1), false),
    ];
    let (next, head) = (step(2, deeds), store.head().unwrap());
    for done in 0..4 {
        let mut left = 0..done;
        assert_eq!(store.take_unless(&next, wall(2000), &mut || left.next().is_none()).unwrap(), None);
        assert_eq!((store.head().unwrap(), store.followed().unwrap().map(|head| head.seq)), (head, Some(1)));
        assert_eq!(loaded(&mut store).len(), 1, "after {done} changes");
        assert_eq!(store.persons().unwrap().len(), 1);
    }
    // What waited is on record before the entry is.
    store.append(&decided(1), wall(2500)).unwrap();
    assert_eq!(store.take_unless(&next, wall(3000), &mut || false).unwrap(), Some(1));
    assert_eq!(holder(&mut store, &card(1)), Some(("bob".to_owned(), 0)));
    assert_eq!(store.persons().unwrap().len(), 1);
    whole(&terminal, store);
}
