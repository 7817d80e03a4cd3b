//! How far the site's roster was followed: it only grows, and no earlier one comes back unnoticed.

use doorward_core::audit::Journal as _;
use doorward_protocol::audit::{DoorReport, What};
use doorward_protocol::roster::Head;
use rusqlite::{Connection, params};

use crate::support::{Terminal, wall};

fn head(seq: u64) -> Head {
    Head { seq, hash: [u8::try_from(seq).unwrap(); 32] }
}

#[test]
fn how_far_the_roster_was_followed_only_grows_and_outlives_the_process() {
    let terminal = Terminal::lived_in("t1", 1);
    let mut store = terminal.open().unwrap();
    assert_eq!(store.followed().unwrap(), None, "a terminal without a centre");
    for seq in [3, 9, 5] {
        store.follow(&head(seq)).unwrap();
    }
    store.close().unwrap();
    let store = terminal.open().unwrap();
    assert_eq!(store.followed().unwrap(), Some(head(9)));
    store.close().unwrap();
    terminal.verify().unwrap();
}

#[test]
fn m3_a_roster_that_is_taken_anew_begins_at_its_beginning_and_what_was_known_stays_known() {
    let terminal = Terminal::lived_in("t1", 1);
    let mut store = terminal.open().unwrap();
    let refill = || {
        let event = DoorReport::REFILL_ORDERED.to_owned();
        What::Door(DoorReport { door: "front".parse().unwrap(), event })
    };
    store.append(&refill(), wall(1000)).unwrap();
    assert_eq!((store.followed().unwrap(), store.roster_known().unwrap()), (None, None));
    store.follow(&head(9)).unwrap();
    assert_eq!(store.roster_known().unwrap(), Some(head(9)));
    for _ in 0..2 {
        store.append(&refill(), wall(2000)).unwrap();
        store.close().unwrap();
        store = terminal.open().unwrap();
        assert_eq!((store.followed().unwrap(), store.roster_known().unwrap()), (None, Some(head(9))));
    }
    store.follow(&head(1)).unwrap();
    assert_eq!((store.followed().unwrap(), store.roster_known().unwrap()), (Some(head(1)), Some(head(9))));
    store.close().unwrap();
    terminal.verify().unwrap();
    terminal.tamper("DELETE FROM meta WHERE name = 'roster_known'");
    assert!(terminal.refusal().contains("not those that were last written"), "{}", terminal.refusal());
}

#[test]
fn m3_an_earlier_roster_head_that_was_put_back_or_taken_away_is_noticed() {
    let lived = || {
        let terminal = Terminal::lived_in("t1", 1);
        let mut store = terminal.open().unwrap();
        store.follow(&head(3)).unwrap();
        store.close().unwrap();
        let earlier = row(&terminal);
        let mut store = terminal.open().unwrap();
        store.follow(&head(9)).unwrap();
        store.close().unwrap();
        (terminal, earlier)
    };
    let (terminal, (value, mac)) = lived();
    let conn = Connection::open(terminal.path()).unwrap();
    conn.execute("UPDATE meta SET value = ?1, mac = ?2 WHERE name = 'roster'", params![value, mac]).unwrap();
    drop(conn);
    assert!(terminal.refusal().contains("not those that were last written"), "{}", terminal.refusal());
    assert!(terminal.finding().contains("not those that were last written"), "{}", terminal.finding());

    let (terminal, _) = lived();
    terminal.tamper("DELETE FROM meta WHERE name = 'roster'");
    assert!(terminal.refusal().contains("not those that were last written"), "{}", terminal.refusal());

    let (terminal, _) = lived();
    terminal.tamper("UPDATE meta SET value = zeroblob(40) WHERE name = 'roster'");
    assert!(terminal.refusal().contains("roster"), "{}", terminal.refusal());
}

/// The row as it lies in the database.
fn row(terminal: &Terminal) -> (Vec<u8>, Vec<u8>) {
    let conn = Connection::open(terminal.path()).unwrap();
    let sql = "SELECT value, mac FROM meta WHERE name = 'roster'";
    conn.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}
