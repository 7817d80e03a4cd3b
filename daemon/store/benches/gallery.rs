//! What a full gallery costs: importing 50,000 persons with two templates each, opening the store, loading every
//! template, and erasing one person. The folder to measure in is the first argument; without one it is the build's own.

use std::path::PathBuf;
use std::time::Instant;

use doorward_core::template::{TemplateVersion, UnitVector};
use doorward_core::time::{ClockTrust, Wall};
use doorward_protocol::ids::PersonId;
use doorward_store::{MasterKey, PersonRecord, Store};
use zeroize::Zeroizing;

const PERSONS: u32 = 50_000;
const TEMPLATES_EACH: u32 = 2;
const BATCH: u32 = 1000;
const DIMENSION: u32 = 128;
const VERSION: TemplateVersion = TemplateVersion { model: [1; 32], preprocessing: 1 };
const AT: Wall = Wall { ms: 1_700_000_000_000, trust: ClockTrust::Synchronised };

fn main() {
    let argument = std::env::args().nth(1).filter(|argument| !argument.starts_with("--"));
    let parent = argument.map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let folder = tempfile::tempdir_in(parent).expect("the folder to measure in exists");
    let (path, master) = (folder.path().join("db"), MasterKey::from_bytes(Zeroizing::new([1; 32])));
    let (site, terminal) = ("site".parse().expect("an id"), "terminal".parse().expect("an id"));
    let mut store = Store::create(&path, &master, &site, &terminal).expect("create a store");

    timed("import 50,000 persons, 100,000 templates, 1,000 persons a batch", || {
        (0..PERSONS).step_by(BATCH as usize).for_each(|first| import(&mut store, first));
    });
    store.close().expect("close");
    println!("database: {} MiB", path.metadata().expect("it is there").len() >> 20);

    let mut store = timed("open", || Store::open(&path, &master).expect("open"));
    let mut loaded = 0;
    timed("load every template", || store.templates(&VERSION, |_, _| loaded += 1).expect("load"));
    assert_eq!(loaded, PERSONS * TEMPLATES_EACH);
    timed("read every person", || assert_eq!(store.persons().expect("read").len(), PERSONS as usize));
    timed("erase one person", || store.erase_person(&id(7), AT).expect("erase"));
    timed("erase one hundred persons together", || {
        store
            .together(|batch| (100..200).try_for_each(|i| batch.erase_person(&id(i), AT).map(drop)))
            .expect("erase");
    });
    timed("examine everything", || doorward_store::verify(&path, &master, |_, _| ()).expect("a sound store"));
}

fn import(store: &mut Store, first: u32) {
    let imported = store.together(|batch| {
        for i in first..first + BATCH {
            let name = format!("Person number {i}");
            let record =
                PersonRecord { id: id(i), name, valid_from_ms: None, valid_until_ms: None, suspended: false };
            batch.put_person(&record, AT)?;
            for sample in 0..TEMPLATES_EACH {
                batch.put_template(&id(i), VERSION, &vector(i * TEMPLATES_EACH + sample), "photo", AT)?;
            }
        }
        Ok(())
    });
    imported.expect("import");
}

fn id(i: u32) -> PersonId {
    format!("E-{i:06}").parse().expect("an id")
}

/// Some direction that differs with `seed`.
fn vector(seed: u32) -> UnitVector {
    let mixed =
        |i: u32| seed.wrapping_add(1).wrapping_mul(2_654_435_761).rotate_left(i % 31).wrapping_add(i * i);
    let values = (0..DIMENSION).map(|i| f32::from(mixed(i).to_le_bytes()[2]) - 127.5).collect();
    UnitVector::normalise(values).expect("it has a direction")
}

#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    println!("{:>10.1?}  {what}", start.elapsed());
    result
}
