//! Tests: power goes at any step, and the store opens as it was before the step or after it.
//!
//! A cut is simulated by copying the files as they lie at that moment, without the shared memory file, which no power
//! cut leaves. What the kernel had not written back is simulated by older or shorter files.

use std::fs;
use std::path::{Path, PathBuf};

use doorward_core::audit::Journal;
use doorward_core::intake::{self, Deed, Thing};
use doorward_core::template::{TemplateVersion, UnitVector};
use doorward_core::time::{ClockTrust, Wall};
use doorward_core::transform::Protected;
use doorward_protocol::audit::{FaultReport, What};
use doorward_protocol::contents::Record;
use doorward_protocol::message::Text;
use doorward_protocol::roster::{self, PersonSlot, Slot};
use tempfile::TempDir;
use zeroize::Zeroizing;

use crate::store::Step;
use crate::{MasterKey, PersonRecord, Store, StoreFault, epoch, verify};

const AT: Wall = Wall { ms: 1000, trust: ClockTrust::Synchronised };
const VERSION: TemplateVersion = TemplateVersion { model: [1; 32], preprocessing: 1 };

fn master() -> MasterKey {
    MasterKey::from_bytes(Zeroizing::new([6; 32]))
}

fn create(folder: &Path) -> Store {
    Store::create(&folder.join("db"), &master(), &"s".parse().unwrap(), &"t".parse().unwrap()).unwrap()
}

fn person(id: &str) -> PersonRecord {
    PersonRecord {
        id: id.parse().unwrap(),
        name: id.to_owned(),
        valid_from_ms: None,
        valid_until_ms: None,
        suspended: false,
    }
}

fn enrol(store: &mut Store, id: &str) {
    let vector = UnitVector::normalise(vec![1.0, 2.0]).unwrap();
    store.put_person(&person(id), AT).unwrap();
    store.put_template(&id.parse().unwrap(), VERSION, &vector, "photo", AT).unwrap();
}

fn report(code: u64) -> What {
    What::Fault(FaultReport { part: "camera".into(), code: code.to_string(), set: true })
}

/// The files as a power cut leaves them.
fn cut(folder: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        if !file.file_name().to_string_lossy().ends_with("-shm") {
            fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
    }
    copy
}

fn reopen(folder: &TempDir) -> Store {
    let path = folder.path().join("db");
    let store = Store::open(&path, &master()).unwrap();
    verify(&path, &master(), |_, _| ()).unwrap();
    store
}

#[test]
fn a_cut_after_any_commit_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = create(folder.path());
    for i in 1..=600 {
        let seq = store.append(&report(i), AT).unwrap();
        if i % 37 == 0 || i % 256 <= 1 {
            let mut again = reopen(&cut(folder.path()));
            assert_eq!(again.head().unwrap(), store.head().unwrap());
            assert_eq!(again.append(&report(0), AT).unwrap(), seq + 1);
        }
    }
}

#[test]
fn a_cut_within_the_log_of_a_commit_leaves_the_chain_before_it_or_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = create(folder.path());
    (1..=5).for_each(|i| assert_eq!(store.append(&report(i), AT).unwrap(), i));
    let before = cut(folder.path());
    store.append(&report(6), AT).unwrap();
    let after = cut(folder.path());

    let log = fs::read(after.path().join("db-wal")).unwrap();
    let start = fs::read(before.path().join("db-wal")).unwrap().len();
    for length in (start..=log.len()).step_by(97).chain([log.len() - 1, log.len()]) {
        let torn = cut(before.path());
        fs::write(torn.path().join("db-wal"), &log[..length]).unwrap();
        let head = reopen(&torn).head().unwrap().seq;
        assert_eq!(head, if length == log.len() { 6 } else { 5 }, "log cut to {length} bytes");
    }
}

#[test]
fn a_cut_that_loses_unflushed_anchors_leaves_a_store_that_opens() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = create(folder.path());
    let mut old_anchor = None;
    for i in 1..=300 {
        store.append(&report(i), AT).unwrap();
        old_anchor = old_anchor.or_else(|| Some(fs::read(folder.path().join("db.anchor")).unwrap()));
    }
    let lagging = cut(folder.path());
    fs::write(lagging.path().join("db.anchor"), old_anchor.unwrap()).unwrap();
    assert_eq!(reopen(&lagging).head().unwrap().seq, 300);
}

#[test]
fn a_cut_at_any_step_of_an_erasure_leaves_all_of_a_person_or_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = create(folder.path());
    ["ada", "bob", "carol"].iter().for_each(|id| enrol(&mut store, id));
    let mut cuts: Vec<(Step, TempDir)> = Vec::new();
    store
        .together_watched(|batch| batch.erase_person(&"ada".parse().unwrap(), AT), &mut |step| {
            cuts.push((step, cut(folder.path())))
        })
        .unwrap();

    let steps: Vec<Step> = cuts.iter().map(|(step, _)| *step).collect();
    let wanted =
        [Step::BothEpochsKept, Step::Committed, Step::Anchored, Step::OldEpochGone, Step::LogEmptied];
    assert_eq!(steps, wanted);
    for (step, copy) in &cuts {
        let mut again = reopen(copy);
        let left: Vec<String> = again.persons().unwrap().into_iter().map(|p| p.name).collect();
        let erased = *step != Step::BothEpochsKept;
        assert_eq!(left, if erased { vec!["bob", "carol"] } else { vec!["ada", "bob", "carol"] }, "{step:?}");
        assert_eq!(again.templates(&VERSION, |_, _| ()).unwrap(), left.len() as u64);

        // Opening completed what was begun: one key is left, and it goes on from there.
        let epoch_file = epoch::path(&copy.path().join("db"));
        assert!(!epoch::has_leftover(&epoch_file, &again.keys).unwrap(), "{step:?}");
        again.erase_person(&"bob".parse().unwrap(), AT).unwrap();
        enrol(&mut again, "dave");
        again.close().unwrap();
        assert_eq!(reopen(copy).persons().unwrap().len(), left.len());
    }
}

#[test]
fn a_cut_at_any_step_of_a_roster_entry_leaves_all_of_it_with_its_number_or_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = create(folder.path());
    ["ada", "bob"].iter().for_each(|id| enrol(&mut store, id));
    let place = |id: &str, slot, number| PersonSlot { person: id.parse().unwrap(), slot, number };
    let record =
        Record { name: Text::cut("carol"), valid_from_ms: None, valid_until_ms: None, suspended: false };
    let vector = Protected::restore(UnitVector::normalise(vec![2.0, 1.0]).unwrap());
    let template = Thing::Template { version: VERSION, vector, source: "photo".to_owned(), created_ms: 1 };
    let deeds = vec![
        Deed::Put(place("carol", Slot::Record, 0), Thing::Record(record)),
        Deed::Put(place("carol", Slot::Template, 0), template.clone()),
        Deed::Put(place("nobody", Slot::Template, 0), template),
        Deed::Take(place("bob", Slot::Template, 0)),
        Deed::Erase("ada".parse().unwrap()),
        Deed::Rules(Some("weekly = []".to_owned())),
    ];
    let step = intake::Step { head: roster::Head { seq: 1, hash: [5; 32] }, deeds };
    let mut cuts: Vec<(Option<Step>, TempDir)> = vec![(None, cut(folder.path()))];
    store
        .together_watched(|batch| batch.take(&step, AT, &mut || false), &mut |step| {
            cuts.push((Some(step), cut(folder.path())));
        })
        .unwrap();
    assert_eq!(cuts.len(), 6, "every step was seen");
    for (at, copy) in &cuts {
        let mut again = reopen(copy);
        let before = matches!(at, None | Some(Step::BothEpochsKept));
        let names: Vec<String> = again.persons().unwrap().into_iter().map(|person| person.name).collect();
        assert_eq!(names, if before { ["ada", "bob"] } else { ["bob", "carol"] }, "{at:?}");
        assert_eq!(again.templates(&VERSION, |_, _| ()).unwrap(), if before { 2 } else { 1 }, "{at:?}");
        assert_eq!(again.rules().unwrap().is_some(), !before, "{at:?}");
        let entries = again.audit(1, 100).unwrap();
        let skipped = entries.iter().filter(|(_, entry)| matches!(entry.what, What::Skipped(_))).count();
        assert_eq!(skipped, usize::from(!before), "{at:?}");
        assert_eq!(again.followed().unwrap(), (!before).then_some(step.head), "{at:?}");
        // It comes again and is whole, once.
        again.take(&step, AT).unwrap();
        assert_eq!(again.followed().unwrap(), Some(step.head));
        assert_eq!(again.persons().unwrap().len(), 2);
        again.close().unwrap();
        reopen(copy);
    }
}

#[test]
fn d9_a_cut_at_any_step_of_erasing_everybody_leaves_all_or_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = create(folder.path());
    ["ada", "bob", "carol"].iter().for_each(|id| enrol(&mut store, id));
    let before = cut(folder.path());
    let mut cuts: Vec<(Step, TempDir)> = Vec::new();
    let seq = store
        .together_watched(|batch| batch.erase_everybody(AT), &mut |step| {
            cuts.push((step, cut(folder.path())))
        })
        .unwrap();
    assert_eq!(seq, Some(store.head().unwrap().seq));
    assert_eq!(store.together(|batch| batch.erase_everybody(AT)).unwrap(), None, "nobody is left");
    assert_eq!(cuts.len(), 5);
    for (step, copy) in &cuts {
        let mut again = reopen(copy);
        let left = if *step == Step::BothEpochsKept { 3 } else { 0 };
        assert_eq!(again.persons().unwrap().len(), left, "{step:?}");
        assert_eq!(again.templates(&VERSION, |_, _| ()).unwrap(), left as u64, "{step:?}");
        enrol(&mut again, "dave");
        again.close().unwrap();
        assert_eq!(reopen(copy).persons().unwrap().len(), left + 1, "{step:?}");
    }
    // An older copy of the database, beside the keys that are left, opens for nobody.
    store.close().unwrap();
    fs::copy(folder.path().join("db.epoch"), before.path().join("db.epoch")).unwrap();
    let opened = Store::open(&before.path().join("db"), &master()).and_then(|mut store| store.persons());
    assert!(matches!(opened, Err(StoreFault::Refused(_))), "{opened:?}");
}

#[test]
fn r1_an_erasure_cut_off_after_its_commit_is_completed_by_opening() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = create(folder.path());
    enrol(&mut store, "ada");
    let before = cut(folder.path());
    let mut committed = None;
    let mut watch = |step| {
        if step == Step::Committed {
            committed = Some(cut(folder.path()));
        }
    };
    store.together_watched(|batch| batch.erase_person(&"ada".parse().unwrap(), AT), &mut watch).unwrap();
    let committed = committed.unwrap();

    // The old database beside the epoch file of the moment after the commit: the old key is still in it.
    let mixed = |epoch_of: &TempDir| {
        let mixed = cut(before.path());
        fs::copy(epoch_of.path().join("db.epoch"), mixed.path().join("db.epoch")).unwrap();
        Store::open(&mixed.path().join("db"), &master()).map(|mut store| store.persons().unwrap().len())
    };
    assert_eq!(mixed(&committed).unwrap(), 1);
    drop(reopen(&committed));
    assert!(matches!(mixed(&committed), Err(StoreFault::Refused(_))), "opening destroyed it");
}

#[test]
fn a_cut_at_any_step_of_a_creation_leaves_nothing_in_the_way() {
    let whole = tempfile::tempdir().unwrap();
    drop(create(whole.path()));
    let sides: [&[&str]; 3] = [&[], &["db.epoch"], &["db.epoch", "db.anchor"]];
    for present in sides {
        for half in [0, 5000, usize::MAX] {
            let folder = tempfile::tempdir().unwrap();
            let draft = fs::read(whole.path().join("db")).unwrap();
            fs::write(folder.path().join("db.new"), &draft[..half.min(draft.len())]).unwrap();
            for side in present {
                fs::copy(whole.path().join(side), folder.path().join(side)).unwrap();
            }
            enrol(&mut create(folder.path()), "ada");
            assert_eq!(reopen(&folder).persons().unwrap().len(), 1);
            assert!(!folder.path().join("db.new").exists());
        }
    }
}

#[test]
fn a_writer_that_stops_within_a_transaction_leaves_the_chain_to_others() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = create(folder.path());
    let mut other = Store::open(&folder.path().join("db"), &master()).unwrap();
    store.append(&report(1), AT).unwrap();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        store.together(|batch| {
            batch.put_person(&person("ada"), AT)?;
            panic!("a bug");
            #[expect(unreachable_code, reason = "gives the closure its type")]
            Ok(())
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(other.append(&report(2), AT).unwrap(), 2);
    assert_eq!(store.append(&report(3), AT).unwrap(), 3);
    assert_eq!(other.persons().unwrap(), []);
    drop((store, other));
    verify(&folder.path().join("db"), &master(), |_, _| ()).unwrap();
}

#[test]
fn at_the_bound_acknowledged_rows_make_room_and_nothing_else_does() {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("db");
    let mut store = create(folder.path());
    store.audit_rows_max = 3000;
    let mut last = 0;
    let full = (1..=4000).find_map(|i| store.append(&report(i), AT).map(|seq| last = seq).err());
    assert_eq!((full, last), (Some(doorward_core::audit::JournalFault::Full), 3000));

    store.acknowledge(700).unwrap();
    for i in 0..700 {
        last = store.append(&report(i), AT).unwrap();
    }
    assert!(store.append(&report(0), AT).is_err());
    assert_eq!((last, store.outbox_len().unwrap()), (3700, 3000));
    assert_eq!(store.audit(0, 1).unwrap()[0].0, 701);
    let found = verify(&path, &master(), |_, _| ()).unwrap();
    assert_eq!((found.base, found.head), (700, 3700));

    store.acknowledge(3700).unwrap();
    store.append(&report(0), AT).unwrap();
    assert_eq!(store.audit(0, 1).unwrap()[0].0, 1725, "one batch of 1024 at a time");
    store.close().unwrap();
    assert_eq!(Store::open(&path, &master()).unwrap().head().unwrap().seq, 3701);
}
