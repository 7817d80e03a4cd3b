//! A disk that is full, and a medium that is read-only.

use std::fs;
use std::path::Path;
use std::process::Command;

use doorward_core::audit::{Journal, JournalFault};
use doorward_core::intake::Deed;
use doorward_store::{MasterKey, Store, StoreFault, verify};
use zeroize::Zeroizing;

use crate::support::{VERSION, decided, person, vector, wall};
use crate::taking::{record, step, template};

/// A small file system of its own, gone when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// None where mounting is not allowed.
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let options = ["-t", "tmpfs", "-o", "size=768k", "doorward-test"];
        match Command::new("mount").args(options).arg(folder.path()).status() {
            Ok(status) if status.success() => Some(Self(folder)),
            Ok(_) | Err(_) => {
                eprintln!("skipped: a small disk needs the right to mount (run as root)");
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn remount(&self, how: &str) {
        let option = format!("remount,{how}");
        assert!(Command::new("mount").args(["-o", &option]).arg(self.path()).status().unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path()).status();
    }
}

fn master() -> MasterKey {
    MasterKey::from_bytes(Zeroizing::new([4; 32]))
}

#[test]
fn a_full_disk_is_said_leaves_the_chain_whole_and_passes() {
    let Some(disk) = SmallDisk::mount() else { return };
    let path = disk.path().join("door.db");
    let mut store = Store::create(&path, &master(), &"s".parse().unwrap(), &"t".parse().unwrap()).unwrap();
    store.put_person(&person("ada"), wall(1)).unwrap();
    store.put_template(&"ada".parse().unwrap(), VERSION, &vector(1), "photo", wall(1)).unwrap();
    let ballast = disk.path().join("ballast");
    fs::write(&ballast, vec![1; 128 << 10]).unwrap();

    let full = (0..5000).find_map(|i| store.append(&decided(i), wall(2)).err());
    assert_eq!(full, Some(JournalFault::Full));
    let head = store.head().unwrap();
    for i in 0..20 {
        assert_eq!(
            store.append(&decided(i), wall(3)),
            Err(JournalFault::Full),
            "still full, still the same fault"
        );
    }
    assert!(matches!(store.put_person(&person("bob"), wall(3)), Err(StoreFault::Full)));
    assert!(matches!(store.erase_person(&"ada".parse().unwrap(), wall(3)), Err(StoreFault::Full)));
    assert_eq!(store.head().unwrap(), head, "nothing was appended");
    assert_eq!(store.persons().unwrap(), [person("ada")]);
    assert_eq!(verify(&path, &master(), |_, _| ()).unwrap().head, head.seq);

    fs::remove_file(&ballast).unwrap();
    assert_eq!(store.append(&decided(1), wall(4)), Ok(head.seq + 1));
    store.erase_person(&"ada".parse().unwrap(), wall(5)).unwrap();
    store.close().unwrap();
    assert_eq!(verify(&path, &master(), |_, _| ()).unwrap().head, head.seq + 2);
    assert_eq!(Store::open(&path, &master()).unwrap().persons().unwrap(), []);
}

#[test]
fn a_full_disk_takes_nothing_of_an_entry_of_the_roster_and_all_of_it_later() {
    let Some(disk) = SmallDisk::mount() else { return };
    let path = disk.path().join("door.db");
    let mut store = Store::create(&path, &master(), &"s".parse().unwrap(), &"t".parse().unwrap()).unwrap();
    store.take(&step(1, vec![record("ada"), template("ada", 0, 1)]), wall(1)).unwrap();
    let ballast = disk.path().join("ballast");
    fs::write(&ballast, vec![1; 128 << 10]).unwrap();
    let full = (0..5000).find_map(|i| store.append(&decided(i), wall(2)).err());
    assert_eq!(full, Some(JournalFault::Full));
    let erase = Deed::Erase("ada".parse().unwrap());
    let next = step(2, vec![record("bob"), template("bob", 0, 2), erase]);
    for _ in 0..3 {
        assert!(matches!(store.take(&next, wall(3)), Err(StoreFault::Full)));
        assert_eq!(store.followed().unwrap().map(|head| head.seq), Some(1), "the head stays");
        assert_eq!(store.persons().unwrap().len(), 1);
    }
    fs::remove_file(&ballast).unwrap();
    store.take(&next, wall(4)).unwrap();
    assert_eq!(store.followed().unwrap().map(|head| head.seq), Some(2));
    let names: Vec<_> = store.persons().unwrap().into_iter().map(|person| person.id.to_string()).collect();
    assert_eq!(names, ["bob"]);
    store.close().unwrap();
    verify(&path, &master(), |_, _| ()).unwrap();
}

#[test]
fn a_power_cut_while_the_disk_is_full_leaves_a_store_that_opens_once_there_is_space() {
    let Some(disk) = SmallDisk::mount() else { return };
    let path = disk.path().join("door.db");
    let mut store = Store::create(&path, &master(), &"s".parse().unwrap(), &"t".parse().unwrap()).unwrap();
    let full = (0..5000).find_map(|i| store.append(&decided(i), wall(2)).err());
    assert_eq!(full, Some(JournalFault::Full));
    let head = store.head().unwrap();

    let folder = tempfile::tempdir().unwrap();
    for file in ["door.db", "door.db-wal", "door.db.epoch", "door.db.anchor"] {
        fs::copy(disk.path().join(file), folder.path().join(file)).unwrap();
    }
    let mut again = Store::open(&folder.path().join("door.db"), &master()).unwrap();
    assert_eq!(again.head().unwrap(), head);
    assert_eq!(again.append(&decided(1), wall(4)), Ok(head.seq + 1));
}

#[test]
fn a_store_on_a_read_only_medium_can_be_examined_but_not_opened() {
    let Some(disk) = SmallDisk::mount() else { return };
    let path = disk.path().join("door.db");
    let mut store = Store::create(&path, &master(), &"s".parse().unwrap(), &"t".parse().unwrap()).unwrap();
    store.append(&decided(1), wall(1)).unwrap();
    store.close().unwrap();
    disk.remount("ro");
    assert_eq!(verify(&path, &master(), |_, _| ()).unwrap().head, 1);
    assert!(Store::open(&path, &master()).is_err());
    disk.remount("rw");
    assert_eq!(Store::open(&path, &master()).unwrap().head().unwrap().seq, 1);
}
