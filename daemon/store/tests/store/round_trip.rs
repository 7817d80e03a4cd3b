//! What is put comes back, in every order of openings, from several handles at once.

use crate::support::{Terminal, VERSION, decide, decided, loaded, person, text, vector, wall};
use doorward_core::audit::Journal;
use doorward_core::template::TemplateVersion;
use doorward_protocol::audit::{ClockTrust, What};
use doorward_protocol::delivery::Stretch;
use doorward_store::{
    Counts, Finding, NAME_LEN_MAX, PersonRecord, RECORDS_MAX, Store, StoreFault, TEMPLATES_OF_PERSON_MAX,
    verify,
};

#[test]
fn everything_put_comes_back_after_reopening() {
    let terminal = Terminal::lived_in("t1", 1);
    let mut store = terminal.open().unwrap();
    assert_eq!((store.site().as_str(), store.terminal().as_str()), ("north", "t1"));
    assert_eq!(store.counts().unwrap(), Counts { persons: 2, templates: 4 });
    assert_eq!(store.persons().unwrap(), [person("ada"), person("bob")]);
    assert_eq!(store.person(&"bob".parse().unwrap()).unwrap(), Some(person("bob")));
    assert_eq!(store.person(&"eve".parse().unwrap()).unwrap(), None);
    assert_eq!(store.rules().unwrap().as_deref(), Some("weekly = []"));

    let templates = loaded(&mut store);
    let owners: Vec<_> = templates.iter().map(|(person, _)| person.as_str()).collect();
    assert_eq!(owners, ["ada", "ada", "bob", "bob"]);
    for ((_, found), seed) in templates.iter().zip(1..) {
        assert!(found.cosine(&vector(seed)) > 0.999_999, "template {seed}");
    }
    let of_bob = store.templates_of(&"bob".parse().unwrap()).unwrap();
    assert_eq!((of_bob[1].slot, of_bob[1].source.as_str(), of_bob[1].created_ms), (1, "terminal", 1002));
    assert_eq!(of_bob[1].version, VERSION);

    let other = TemplateVersion { preprocessing: 2, ..VERSION };
    assert_eq!(store.templates(&other, |_, _| unreachable!()).unwrap(), 0);

    let report = terminal.verify().unwrap();
    assert_eq!((report.head, report.persons, report.templates), (26, 2, 4));
    assert_eq!(report.head_hash, store.head().unwrap().hash);
}

#[test]
fn a_record_put_again_keeps_its_templates() {
    let terminal = Terminal::lived_in("t1", 1);
    let mut store = terminal.open().unwrap();
    let changed = PersonRecord { suspended: true, name: "Ada L.".into(), ..person("ada") };
    store.put_person(&changed, wall(3000)).unwrap();
    assert_eq!(store.persons().unwrap(), [changed, person("bob")]);
    assert_eq!(loaded(&mut store).len(), 4);
    let (_, newest) = store.audit(27, 1).unwrap().remove(0);
    assert!(matches!(newest.what, What::Enrolled(e) if e.templates == 2 && e.source == "record"));
    terminal.verify().unwrap();
}

#[test]
fn erasing_removes_the_person_and_nobody_else() {
    let terminal = Terminal::lived_in("t1", 1);
    let mut store = terminal.open().unwrap();
    let seq = store.erase_person(&"ada".parse().unwrap(), wall(3000)).unwrap();
    assert!(matches!(&store.audit(seq, 1).unwrap()[0].1.what, What::Erased(e) if e.person.as_str() == "ada"));
    for _ in 0..2 {
        assert_eq!(store.persons().unwrap(), [person("bob")]);
        let left = loaded(&mut store);
        assert_eq!(left.len(), 2);
        assert!(left[0].1.cosine(&vector(3)) > 0.999_999);
        assert_eq!(store.counts().unwrap(), Counts { persons: 1, templates: 2 });
        let gone = store.erase_person(&"ada".parse().unwrap(), wall(3001));
        assert!(matches!(gone, Err(StoreFault::NoSuchPerson(id)) if id.as_str() == "ada"));
        terminal.verify().unwrap();
        store.close().unwrap();
        store = terminal.open().unwrap();
    }
}

#[test]
fn a_batch_is_all_or_nothing() {
    let terminal = Terminal::lived_in("t1", 1);
    let mut store = terminal.open().unwrap();
    let head = store.head().unwrap();
    let failed = store.together(|batch| {
        batch.put_person(&person("carol"), wall(3000))?;
        batch.erase_person(&"bob".parse().unwrap(), wall(3000))?;
        batch.put_template(&"nobody".parse().unwrap(), VERSION, &vector(9), "photo", wall(3000))
    });
    assert!(matches!(failed, Err(StoreFault::NoSuchPerson(_))));
    assert_eq!(store.head().unwrap(), head);
    assert_eq!(store.persons().unwrap(), [person("ada"), person("bob")]);

    store
        .together(|batch| {
            (0..300).try_for_each(|i| batch.put_person(&person(&format!("p{i}")), wall(3000)).map(drop))
        })
        .unwrap();
    assert_eq!(store.counts().unwrap().persons, 302);
    assert_eq!(terminal.verify().unwrap().persons, 302);
}

#[test]
fn bounds_are_named() {
    let terminal = Terminal::lived_in("t1", 1);
    let mut store = terminal.open().unwrap();
    let long = PersonRecord { name: "x".repeat(NAME_LEN_MAX + 1), ..person("ada") };
    assert_eq!(
        text(&store.put_person(&long, wall(1)).unwrap_err()),
        "a name has at most 256 bytes, this one has 257"
    );
    let ada = "ada".parse().unwrap();
    store
        .together(|batch| {
            let rest = 2..TEMPLATES_OF_PERSON_MAX;
            rest.into_iter()
                .try_for_each(|_| batch.put_template(&ada, VERSION, &vector(1), "photo", wall(1)).map(drop))
        })
        .unwrap();
    let full = store.put_template(&ada, VERSION, &vector(1), "photo", wall(1)).unwrap_err();
    assert_eq!(text(&full), "the store holds at most 100 templates of one person");
    assert_eq!(loaded(&mut store).len(), 102);
}

#[test]
fn the_outbox_is_what_was_not_acknowledged() {
    let terminal = Terminal::lived_in("t1", 1);
    let mut store = terminal.open().unwrap();
    assert_eq!(store.outbox_len().unwrap(), 26);
    store.acknowledge(20).unwrap();
    store.acknowledge(7).unwrap();
    store.close().unwrap();

    let mut store = terminal.open().unwrap();
    let seqs = |stretch: Stretch| stretch.records.iter().map(|r| r.seq).collect::<Vec<_>>();
    let first = store.outbox(0, 3).unwrap();
    assert_eq!(first.before.seq, 20);
    assert_eq!(first.before.next(&first.records[0].bytes).hash, first.records[0].hash);
    assert_eq!(seqs(first), [21, 22, 23]);
    assert_eq!(seqs(store.outbox(24, 100).unwrap()), [25, 26]);
    assert_eq!(store.outbox_len().unwrap(), 6);
    assert!(matches!(store.acknowledge(27), Err(StoreFault::AcknowledgedAhead { through: 27, head: 26 })));
    decide(&mut store, 1500);
    assert_eq!(store.outbox(0, usize::MAX).unwrap().records.len(), RECORDS_MAX);
    assert_eq!(store.audit(0, 2).unwrap()[0].0, 1);
}

#[test]
fn attempts_continue_after_a_restart_with_and_without_an_orderly_close() {
    let terminal = Terminal::new("t1", 1);
    for (orderly, count) in [(true, 3), (false, 300), (false, 256), (true, 1), (false, 2)] {
        let mut store = terminal.open().unwrap();
        let before = store.attempts_seen().unwrap();
        decide(&mut store, count);
        assert_eq!(store.attempts_seen().unwrap(), before + count);
        if orderly {
            store.close().unwrap()
        } else {
            drop(store)
        }
        assert_eq!(terminal.open().unwrap().attempts_seen().unwrap(), before + count);
    }
}

#[test]
fn h3_a_clock_set_back_by_years_does_not_turn_the_chain_back() {
    let terminal = Terminal::new("t1", 1);
    let mut store = terminal.open().unwrap();
    let year = 31_556_952_000;
    let mut unsure = wall(5 * year);
    unsure.trust = ClockTrust::Unknown;
    for at in [wall(50 * year), unsure, wall(i64::MIN), wall(50 * year + 1)] {
        store.append(&decided(1), at).unwrap();
    }
    let entries = store.audit(1, 10).unwrap();
    let times: Vec<_> = entries.iter().map(|(_, entry)| entry.at_ms).collect();
    assert_eq!(times, [50 * year, 50 * year, 50 * year, 50 * year + 1]);
    assert_eq!(entries[1].1.clock, ClockTrust::Unknown);
    store.close().unwrap();
    terminal.verify().unwrap();
}

#[test]
fn two_handles_appending_at_once_keep_one_chain() {
    const EACH: u64 = 400;
    let terminal = Terminal::new("t1", 1);
    let stores = [terminal.open().unwrap(), terminal.open().unwrap()];
    let seqs: Vec<u64> = std::thread::scope(|scope| {
        let threads = stores.map(|mut store| {
            scope.spawn(move || {
                (0..EACH).map(|i| store.append(&decided(i), wall(i as i64)).unwrap()).collect::<Vec<_>>()
            })
        });
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let distinct: std::collections::BTreeSet<_> = seqs.iter().copied().collect();
    assert_eq!(distinct, (1..=2 * EACH).collect());
    assert_eq!(terminal.verify().unwrap().head, 2 * EACH);
    assert_eq!(terminal.open().unwrap().head().unwrap().seq, 2 * EACH);
}

#[test]
fn another_handles_changes_are_noticed_and_an_erasure_by_it_is_followed() {
    let terminal = Terminal::lived_in("t1", 1);
    let (mut daemon, mut admin) = (terminal.open().unwrap(), terminal.open().unwrap());
    let before = daemon.data_version().unwrap();
    decide(&mut daemon, 1);
    assert_eq!(daemon.data_version().unwrap(), before, "own changes are no news");

    admin.erase_person(&"ada".parse().unwrap(), wall(3000)).unwrap();
    assert_ne!(daemon.data_version().unwrap(), before);
    assert_eq!(daemon.persons().unwrap(), [person("bob")]);
    assert_eq!(loaded(&mut daemon).len(), 2);
    daemon.put_person(&person("carol"), wall(3001)).unwrap();
    admin.erase_person(&"bob".parse().unwrap(), wall(3002)).unwrap();
    daemon.erase_person(&"carol".parse().unwrap(), wall(3003)).unwrap();
    assert_eq!(admin.persons().unwrap(), []);
    terminal.verify().unwrap();
}

#[test]
fn a_running_store_can_be_examined() {
    let terminal = Terminal::lived_in("t1", 1);
    let mut store = terminal.open().unwrap();
    decide(&mut store, 2000);
    let mut steps = Vec::new();
    let report =
        verify(&terminal.path(), &terminal.master(), |done, total| steps.push((done, total))).unwrap();
    assert_eq!((report.head, report.checkpoints), (2026, 8), "one at the first close, seven on the way");
    assert_eq!(steps, [(1000, 2032), (2000, 2032), (2032, 2032)]);
    assert_eq!(report.checkpoint_key, store.checkpoint_key());
}

#[test]
fn a_backup_is_a_sound_database_of_one_moment() {
    let terminal = Terminal::lived_in("t1", 1);
    let mut store = terminal.open().unwrap();
    decide(&mut store, 5);
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("door.db");
    store.backup(&to).unwrap();
    assert!(matches!(store.backup(&to), Err(StoreFault::Exists(_))));
    crate::support::copy_files(
        terminal.path().parent().unwrap(),
        folder.path(),
        &["door.db.epoch", "door.db.anchor"],
    );
    assert_eq!(verify(&to, &terminal.master(), |_, _| ()).unwrap(), terminal.verify().unwrap());
    let mut copy = Store::open(&to, &terminal.master()).unwrap();
    assert_eq!(copy.persons().unwrap(), store.persons().unwrap());
}

#[test]
fn a_new_store_needs_an_empty_place_but_an_unfinished_one_does_not_block_it() {
    let terminal = Terminal::lived_in("t1", 1);
    let (site, name) = ("north".parse().unwrap(), "t1".parse().unwrap());
    let create = || Store::create(&terminal.path(), &terminal.master(), &site, &name);
    assert!(matches!(create(), Err(StoreFault::Exists(p)) if p == terminal.path()));

    // The database went missing, its keys are still there: nothing may overwrite them.
    std::fs::rename(terminal.path(), terminal.path().with_extension("away")).unwrap();
    assert!(matches!(create(), Err(StoreFault::Exists(p)) if p.to_string_lossy().ends_with(".epoch")));
    assert!(terminal.refusal().contains("the database"));

    // A creation that was cut off left its draft.
    std::fs::write(terminal.path().with_extension("db.new"), b"half").unwrap();
    assert_eq!(create().unwrap().counts().unwrap().persons, 0);
}

#[test]
fn e1_the_template_transform_belongs_to_the_site_and_outlives_the_store() {
    let (one, again, other) = (Terminal::new("t1", 1), Terminal::new("t2", 1), Terminal::new("t1", 2));
    let key = |terminal: &Terminal| *terminal.open().unwrap().transform_key();
    assert_eq!(key(&one), key(&again));
    assert_ne!(key(&one), key(&other));
}

#[test]
fn a_missing_side_file_is_named() {
    for (suffix, name) in [(".epoch", "the epoch file"), (".anchor", "the anchor")] {
        let terminal = Terminal::lived_in("t1", 1);
        let mut path = terminal.path().into_os_string();
        path.push(suffix);
        std::fs::remove_file(&path).unwrap();
        let refused = terminal.open().err().unwrap();
        assert!(
            matches!(&refused, StoreFault::Refused(Finding::Missing { what, .. }) if *what == name),
            "{refused}"
        );
    }
}
