//! Audit trails in the hub: each record once, whatever the way to it did, and nothing that a terminal did not sign.

use doorward_hub::centre::{Centre, Incoming};
use doorward_hub::database::{Database, DatabaseFault};
use doorward_hub::kept::{self, Page};
use doorward_hub::site::{Beginning, SiteFault};
use doorward_hub::tally::{Tally, Why};
use doorward_protocol::audit::{Head, Verifier};
use doorward_protocol::roster::{Change, Revoke};

use crate::cluster::{Cluster, on_each};
use crate::site::{Author, HUB, Hub, NOW_MS, ROOT, STRANGER, Terminal, beginning, key, signed, stopped};

/// Records of the first trail that is kept, with their chain verified from its genesis.
fn kept_records(hub: &mut Hub) -> Vec<u64> {
    hub.database
        .read(|transaction| {
            let site = "hq".parse().unwrap();
            let trail = kept::trails(transaction, &site, 0, 10)?.remove(0);
            let mut verifier = Verifier::new(Head::genesis(trail.genesis));
            let mut seqs = Vec::new();
            loop {
                let after = seqs.last().copied().unwrap_or(0);
                let page = kept::records(transaction, &site, trail.trail, after, 100)?;
                if page.is_empty() {
                    assert_eq!(verifier.head().seq, trail.seq);
                    return Ok::<_, DatabaseFault>(seqs);
                }
                for record in page {
                    verifier.check(&record).unwrap();
                    seqs.push(record.seq);
                }
            }
        })
        .unwrap()
}

fn refused(hub: &Hub, why: Why) -> u64 {
    hub.tally.counts().refused.iter().find(|(one, _)| *one == why).unwrap().1
}

#[test]
fn m12_batches_that_come_twice_overlap_and_swap_are_kept_once_and_acknowledged() {
    on_each(|address| {
        let mut author = Author::new(2);
        let mut hub = Hub::following(address, &author);
        let (mut door, mut other) = (Terminal::new(0), Terminal::new(1));
        door.decide(700);
        other.decide(3);
        assert_eq!(hub.take(&mut author, &[door.sent(1, 256)]), [("t0".into(), 256)]);
        let gap = hub.take(&mut author, &[door.sent(400, 500)]);
        assert_eq!(gap, [("t0".into(), 256)], "what is kept says what is missing");
        assert_eq!(refused(&hub, Why::Gap), 1);
        let group = [door.sent(200, 300), other.sent(1, 3), door.sent(100, 120), door.sent(301, 556)];
        assert_eq!(hub.take(&mut author, &group), [("t0".into(), 556), ("t1".into(), 3)]);
        assert_eq!(hub.take(&mut author, &group), [("t0".into(), 556), ("t1".into(), 3)], "all of it again");
        hub.take(&mut author, &[door.sent(557, 700)]);
        assert!(kept_records(&mut hub).into_iter().eq(1..=700));
        assert_eq!(hub.tally.counts().records, 703);
    });
}

#[test]
fn m2_m4_forged_foreign_and_misdirected_batches_are_refused_unacknowledged() {
    on_each(|address| {
        let mut author = Author::new(2);
        let mut hub = Hub::following(address, &author);
        let mut door = Terminal::new(0);
        door.decide(4);
        let mut changed = door.sent(1, 4);
        let at = changed.payload.len() / 2;
        changed.payload[at] ^= 1;
        let elsewhere = Incoming { topic: "doorward/hq/t1/audit".into(), ..door.sent(1, 4) };
        let other_site = Incoming { topic: "doorward/lab/t0/audit".into(), ..door.sent(1, 4) };
        let no_topic = Incoming { topic: "doorward/hq/../audit".into(), ..door.sent(1, 4) };
        let wrong_way = Incoming { topic: "doorward/hq/t0/cmd".into(), ..door.sent(1, 4) };
        let group = [
            door.sent_by(STRANGER, 1, 4),
            door.sent_by(HUB, 1, 4),
            door.sent_by(11, 1, 4),
            changed,
            elsewhere,
            other_site,
            no_topic,
            wrong_way,
            Incoming { topic: "doorward/hq/t0/audit".into(), payload: vec![0; 100] },
        ];
        assert_eq!(hub.take(&mut author, &group), []);
        assert_eq!(refused(&hub, Why::Signature), 6);
        assert_eq!(refused(&hub, Why::Topic), 3);
        assert_eq!(hub.take(&mut author, &[door.sent(1, 4)]), [("t0".into(), 4)], "the true one is taken");
    });
}

#[test]
fn h3_a_second_story_is_an_alarm_and_is_not_kept() {
    on_each(|address| {
        let mut author = Author::new(1);
        let mut hub = Hub::following(address, &author);
        let (mut door, mut liar) = (Terminal::new(0), Terminal::new(0));
        door.decide(10);
        liar.decide(5);
        liar.record(stopped("nothing to see"));
        hub.take(&mut author, &[door.sent(1, 10)]);
        assert_eq!(hub.take(&mut author, &[liar.sent(4, 6)]), []);
        hub.take(&mut author, &[liar.sent(4, 6)]);
        let site = "hq".parse().unwrap();
        let alarms = hub.database.read(|t| kept::open_alarms(t, &site, Page::newest(10))).unwrap();
        assert_eq!(alarms.len(), 1, "one alarm for one fork: {alarms:?}");
        assert_eq!(alarms[0].what, "seen here: a trail told twice");
        assert!(kept_records(&mut hub).into_iter().eq(1..=10));
    });
}

#[test]
fn m13_nothing_that_a_revoked_terminal_signs_is_taken() {
    on_each(|address| {
        let mut author = Author::new(1);
        let mut hub = Hub::following(address, &author);
        let mut door = Terminal::new(0);
        door.decide(4);
        hub.take(&mut author, &[door.sent(1, 2)]);
        let stolen = doorward_protocol::keys::PublicKey::of(&key(door.seed)).id();
        let entry = author.append(ROOT, vec![Change::Revoke(Revoke { key: stolen })]);
        hub.centre.append(&mut hub.database, &"hq".parse().unwrap(), &entry).unwrap();
        assert_eq!(hub.take(&mut author, &[door.sent(3, 4)]), []);
        assert_eq!(refused(&hub, Why::Signature), 1);
    });
}

#[test]
fn a_terminal_with_a_new_store_begins_a_new_trail_beside_the_old_one() {
    on_each(|address| {
        let mut author = Author::new(1);
        let mut hub = Hub::following(address, &author);
        let (mut old, mut new) = (Terminal::with_store(0, 1), Terminal::with_store(0, 2));
        old.decide(4);
        new.decide(2);
        hub.take(&mut author, &[old.sent(1, 4), new.sent(1, 2)]);
        let site = "hq".parse().unwrap();
        let trails = hub.database.read(|t| kept::trails(t, &site, 0, 10)).unwrap();
        assert_eq!(trails.iter().map(|trail| trail.seq).collect::<Vec<_>>(), [4, 2]);
    });
}

#[test]
fn m8_trails_without_end_are_refused() {
    on_each(|address| {
        let mut author = Author::new(1);
        let mut hub = Hub::following(address, &author);
        for store in 0..70 {
            let mut door = Terminal::with_store(0, store);
            door.decide(1);
            hub.take(&mut author, &[door.sent(1, 1)]);
        }
        assert_eq!(refused(&hub, Why::Broken), 6);
    });
}

#[test]
fn m8_text_that_a_database_cannot_hold_holds_nothing_up() {
    on_each(|address| {
        let mut author = Author::new(1);
        let mut hub = Hub::following(address, &author);
        let mut door = Terminal::new(0);
        door.record(crate::site::fault("cam\0era'); DROP TABLE record; --", true));
        assert_eq!(hub.take(&mut author, &[door.sent(1, 1)]), [("t0".into(), 1)]);
        let site = "hq".parse().unwrap();
        let alarms = hub.database.read(|t| kept::open_alarms(t, &site, Page::newest(10))).unwrap();
        assert!(alarms[0].what.starts_with("fault cam\u{fffd}era"), "{alarms:?}");
    });
}

#[test]
fn a_hub_that_starts_anew_goes_on_where_the_database_is() {
    on_each(|address| {
        let mut author = Author::new(1);
        let mut door = Terminal::new(0);
        door.decide(9);
        Hub::following(address, &author).take(&mut author, &[door.sent(1, 5)]);
        let mut hub = Hub::open(address);
        assert_eq!(hub.take(&mut author, &[door.sent(5, 9)]), [("t0".into(), 9)]);
        assert!(kept_records(&mut hub).into_iter().eq(1..=9));
    });
}

#[test]
fn m13_a_configuration_with_another_root_is_refused() {
    on_each(|address| {
        let author = Author::new(1);
        drop(Hub::following(address, &author));
        let mut database = Database::open(address).unwrap();
        let wrong = [
            Beginning { root: doorward_protocol::keys::PublicKey::of(&key(STRANGER)), ..beginning() },
            Beginning { genesis: [0; 32], ..beginning() },
        ];
        for beginning in wrong {
            let opened = Centre::open(vec![beginning], key(HUB), &mut database, Tally::default());
            assert!(matches!(opened, Err(SiteFault::Pin(_))));
        }
    });
}

#[test]
fn several_hubs_on_one_database_keep_each_record_once() {
    on_each(|address| {
        let author = Author::new(4);
        drop(Hub::following(address, &author));
        let doors: Vec<Terminal> = (0..4)
            .map(|number| {
                let mut door = Terminal::new(number);
                door.decide(200);
                door
            })
            .collect();
        std::thread::scope(|scope| {
            for shift in 0..3 {
                let doors = &doors;
                scope.spawn(move || {
                    let mut hub = Hub::open(address);
                    for step in 0..20 {
                        // Each hub meets the terminals in another order; all send everything.
                        let first = step * 10 + 1;
                        let group: Vec<Incoming> =
                            (0..4).map(|at| doors[(at + shift) % 4].sent(first, first + 9)).collect();
                        hub.centre.take(&mut hub.database, &group, NOW_MS).unwrap();
                    }
                });
            }
        });
        let mut hub = Hub::open(address);
        let site = "hq".parse().unwrap();
        let trails = hub.database.read(|t| kept::trails(t, &site, 0, 10)).unwrap();
        assert_eq!(trails.iter().map(|trail| trail.seq).collect::<Vec<_>>(), [200; 4]);
        let events = hub.database.read(|t| kept::events(t, &site, None, None, Page::newest(500))).unwrap();
        assert_eq!(events.len(), 500);
        assert!(events.windows(2).all(|pair| pair[0].number > pair[1].number));
    });
}

#[test]
fn m12_while_the_database_is_down_nothing_is_acknowledged_and_then_everything_is_kept() {
    let Some(cluster) = Cluster::own() else {
        return eprintln!("skipped: no PostgreSQL here; it is in the Debian package postgresql");
    };
    let address = cluster.database();
    let mut author = Author::new(1);
    let mut hub = Hub::following(&address, &author);
    let mut door = Terminal::new(0);
    door.decide(20);
    assert_eq!(hub.take(&mut author, &[door.sent(1, 10)]), [("t0".into(), 10)]);
    cluster.kill();
    for _ in 0..3 {
        let taken = hub.centre.take(&mut hub.database, &[door.sent(11, 20)], NOW_MS);
        assert!(matches!(taken, Err(DatabaseFault::Away { .. })), "{taken:?}");
    }
    cluster.start();
    assert_eq!(hub.take(&mut author, &[door.sent(11, 20)]), [("t0".into(), 20)]);
    assert!(kept_records(&mut hub).into_iter().eq(1..=20));
}

#[test]
fn a_database_of_a_newer_version_is_left_alone() {
    on_each(|address| {
        let mut database = Database::open(address).unwrap();
        let note = "INSERT INTO doorhub_version (version) VALUES (99)";
        database.transaction(|t| t.execute("pretend to be newer", note, &[])).unwrap();
        let opened = Database::open(address).map(drop);
        let told = opened.unwrap_err().to_string();
        assert!(told.contains("99") && told.contains("newer"), "{told}");
    });
}

#[test]
fn m3_a_roster_is_appended_to_in_order_by_those_who_may() {
    on_each(|address| {
        let mut author = Author::new(1);
        let mut hub = Hub::following(address, &author);
        let site = "hq".parse().unwrap();
        let (ada, bob) = (author.put("ada"), author.put("bob"));
        assert!(hub.centre.append(&mut hub.database, &site, &bob).is_err(), "a gap");
        assert_eq!(hub.centre.append(&mut hub.database, &site, &ada).unwrap().0, 2);
        assert!(hub.centre.append(&mut hub.database, &site, &ada).is_err(), "twice");
        let (seq, said) = hub.centre.append(&mut hub.database, &site, &bob).unwrap();
        assert_eq!((seq, said.len(), said[0].retain), (3, 1, true));
        assert_eq!(said[0].payload, bob, "what was signed goes out unchanged");
        let forged = signed(
            None,
            4,
            &doorward_protocol::roster::Entry {
                before: author.follower().head().hash.into(),
                state: [0; 32].into(),
                changes: vec![],
            },
            STRANGER,
        );
        assert!(hub.centre.append(&mut hub.database, &site, &forged).is_err());
        // Another hub on the same database, and this one, follow each other.
        let mut other = Hub::open(address);
        let eve = author.put("eve");
        other.centre.append(&mut other.database, &site, &eve).unwrap();
        let said = hub.centre.catch_up(&mut hub.database).unwrap();
        assert_eq!(said.iter().map(|one| &one.payload).collect::<Vec<_>>(), [&eve]);
    });
}
