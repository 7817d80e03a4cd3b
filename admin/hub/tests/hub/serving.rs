//! What the hub passes on: rosters to terminals that ask, orders and denials to those they are for, receipts back.

use doorward_hub::kept::{self, Page};
use doorward_protocol::command::{Command, Order, Outcome, Receipt};
use doorward_protocol::denial::Denial;
use doorward_protocol::envelope::{Heading, Kind};
use doorward_protocol::ids::SiteId;
use doorward_protocol::message::{self, List};
use doorward_protocol::presence::RosterWanted;

use crate::cluster::on_each;
use crate::site::{Author, ENROLLER, Hub, NOW_MS, NOW_S, OPERATOR, ROSTER, STRANGER, Terminal, key, signed};

fn site() -> SiteId {
    "hq".parse().unwrap()
}

#[test]
fn a_terminal_is_given_the_entries_it_misses_in_order_and_in_bounded_parts() {
    on_each(|address| {
        let mut author = Author::new(1);
        for number in 0..50 {
            author.put(&format!("p{number}"));
        }
        let mut hub = Hub::following(address, &author);
        let terminal = Terminal::new(0);
        let mut ask = |wanted: &RosterWanted| {
            let asked = terminal.says("roster/want", signed(Some(&terminal.name), 1, wanted, terminal.seed));
            let said = hub.centre.take(&mut hub.database, &[asked], NOW_MS).unwrap();
            assert!(said.iter().all(|one| one.topic.to_string() == "doorward/hq/t0/roster/feed"));
            said.into_iter().map(|one| one.payload).collect::<Vec<_>>()
        };
        assert_eq!(ask(&RosterWanted::after([1; 16], 0, ROSTER)), author.entries[..32]);
        let mut follower = Author::new(1);
        for number in 0..50 {
            follower.put(&format!("p{number}"));
        }
        let head = follower.follower().head();
        assert_eq!(ask(&RosterWanted::after([1; 16], head.seq, head.hash)), Vec::<Vec<u8>>::new());
        let few = RosterWanted { limit: 3, ..RosterWanted::after([1; 16], 0, ROSTER) };
        assert_eq!(ask(&few), author.entries[..3]);
        assert_eq!(ask(&RosterWanted::after([1; 16], 0, [8; 32])), Vec::<Vec<u8>>::new(), "another roster");
        let alarms = hub.database.read(|t| kept::open_alarms(t, &site(), Page::newest(10))).unwrap();
        assert_eq!(alarms.len(), 1, "{alarms:?}");
        assert_eq!(alarms[0].what, "seen here: another roster");
    });
}

fn order(seed: u8, expires_s: i64) -> Vec<u8> {
    let heading = Heading {
        kind: Kind::Command,
        site: site(),
        terminal: Some("t0".parse().unwrap()),
        seq: 1,
        issued_s: NOW_S,
        expires_s: Some(expires_s),
    };
    let order = Order { session: [1; 16].into(), command: Command::Lockdown };
    message::sign(&heading, &order, &key(seed)).unwrap()
}

#[test]
fn m6_an_order_goes_out_unchanged_for_as_long_as_it_counts_if_its_sender_may_give_it() {
    on_each(|address| {
        let mut author = Author::new(1);
        let mut hub = Hub::following(address, &author);
        for refused in [order(STRANGER, NOW_S + 30), order(ENROLLER, NOW_S + 30), order(OPERATOR, NOW_S)] {
            assert!(hub.centre.order(&site(), &refused, NOW_MS).is_err());
        }
        let order = order(OPERATOR, NOW_S + 30);
        let (hash, said) = hub.centre.order(&site(), &order, NOW_MS).unwrap();
        assert_eq!(said[0].topic.to_string(), "doorward/hq/t0/cmd");
        assert_eq!((&said[0].payload, said[0].retain, said[0].expires_s), (&order, false, Some(30)));
        let find = |hub: &mut Hub| hub.database.read(|t| kept::answer(t, &site(), &hash)).unwrap();
        assert_eq!(find(&mut hub), None, "no receipt is no receipt");
        let terminal = Terminal::new(0);
        let receipt = Receipt { order: hash.into(), outcome: Outcome::Done, audit_seq: Some(4) };
        let forged = terminal.says("cmd/reply", signed(Some(&terminal.name), 1, &receipt, STRANGER));
        let true_one = terminal.says("cmd/reply", signed(Some(&terminal.name), 1, &receipt, terminal.seed));
        hub.take(&mut author, &[forged]);
        assert_eq!(find(&mut hub), None);
        hub.take(&mut author, &[true_one.clone(), true_one]);
        assert!(find(&mut hub).unwrap().done);
    });
}

#[test]
fn m13_a_denial_is_retained_for_terminals_that_come_later() {
    on_each(|address| {
        let author = Author::new(1);
        let mut hub = Hub::following(address, &author);
        let denial =
            Denial { until: 9, persons: List::first(["ada".parse().unwrap()]), keys: List::default() };
        let forged = signed(None, 1, &denial, OPERATOR);
        assert!(hub.centre.deny(&mut hub.database, &site(), &forged).is_err());
        let denial = signed(None, 1, &denial, ENROLLER);
        let said = hub.centre.deny(&mut hub.database, &site(), &denial).unwrap();
        assert_eq!((said[0].topic.to_string().as_str(), said[0].retain), ("doorward/hq/deny", true));
        let retained = Hub::open(address).centre.retained(&mut hub.database).unwrap();
        let payloads: Vec<_> = retained.into_iter().map(|one| one.payload).collect();
        assert_eq!(payloads, [author.entries.last().unwrap().clone(), denial]);
    });
}
