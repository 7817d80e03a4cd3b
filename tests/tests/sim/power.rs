//! Effects, and power cuts between any two of them.

use std::panic::panic_any;
use std::sync::{Arc, Mutex};

use doorward_core::audit::{self, Journal, JournalFault, Recorded};
use doorward_core::decision::{Cause, Cue, Grant};
use doorward_core::intake::Step;
use doorward_core::time::{Mono, Wall};
use doorward_hal::clock::Clock;
use doorward_hal::panel::{Panel, PanelFault};
use doorward_hal::relay::{Relay, RelayFault};
use doorward_protocol::audit::What;
use doorward_store::{Store, StoreFault};

/// What a power cut throws; it unwinds to the world, which drops everything that lives in memory.
pub(crate) struct Cut;

/// Keeps the panic hook quiet about cuts.
pub(crate) fn silence_cuts() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !info.payload().is::<Cut>() {
            usual(info);
        }
    }));
}

/// The lock, as it hangs on the wall.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Release {
    /// The audit entry it stands on.
    pub(crate) seq: u64,
    /// Why.
    pub(crate) cause: Cause,
    /// Since when.
    pub(crate) at: Mono,
}

/// What the terminal's effects run into.
#[derive(Debug, Default)]
pub(crate) struct Wires {
    /// Effects left until the power is cut.
    pub(crate) cut_in: Option<u32>,
    /// The disk is full.
    pub(crate) disk_full: bool,
    /// The relay does not answer.
    pub(crate) relay_broken: bool,
    /// The lock, when it is released.
    pub(crate) released: Option<Release>,
    /// Every release so far.
    pub(crate) releases: Vec<Release>,
    /// Whether everybody was erased, where that was asked for since the last look.
    pub(crate) erased: Option<bool>,
    /// What was to be recorded since the last look, whether the disk took it or not.
    pub(crate) entries: Vec<What>,
}

/// Shared by world and devices.
pub(crate) type SharedWires = Arc<Mutex<Wires>>;

fn effect(wires: &SharedWires) {
    let mut wires = wires.lock().expect("one thread");
    match wires.cut_in {
        Some(0) => {
            wires.cut_in = None;
            drop(wires);
            panic_any(Cut);
        }
        Some(left) => wires.cut_in = Some(left - 1),
        None => {}
    }
}

/// The real store behind a disk that can be full and a plug that can be pulled.
pub(crate) struct Disk {
    /// The store.
    pub(crate) store: Arc<Mutex<Store>>,
    /// The wires.
    pub(crate) wires: SharedWires,
}

impl Journal for Disk {
    fn append(&mut self, what: &What, at: Wall) -> Result<u64, JournalFault> {
        effect(&self.wires);
        self.wires.lock().expect("one thread").entries.push(what.clone());
        if self.wires.lock().expect("one thread").disk_full {
            return Err(JournalFault::Full);
        }
        let seq = self.store.lock().expect("one thread").append(what, at)?;
        effect(&self.wires);
        Ok(seq)
    }
}

impl Disk {
    /// An entry of the roster on its way to the disk.
    pub(crate) fn take(&self, step: &Step, at: Wall) -> Result<u32, String> {
        effect(&self.wires);
        if self.wires.lock().expect("one thread").disk_full {
            return Err("the disk is full".to_owned());
        }
        let mut store = self.store.lock().expect("one thread");
        let before = (store.followed(), store.counts());
        // Somebody at the door comes first, as often as it gets: nothing of the entry is there then.
        let mut deeds = 0..step.head.seq % 4;
        let taken = store.take_unless(step, at, &mut || deeds.next().is_none());
        let taken = match taken {
            Ok(Some(skipped)) => skipped,
            // A refill was ordered, and the program has not started anew yet.
            Err(StoreFault::EntryMissing { wanted: 1, .. }) => return Err("it is followed anew".to_owned()),
            Err(fault) => panic!("an entry of the roster: {fault}"),
            Ok(None) => {
                assert_eq!(format!("{before:?}"), format!("{:?}", (store.followed(), store.counts())));
                store.take(step, at).unwrap_or_else(|fault| panic!("an entry of the roster: {fault}"))
            }
        };
        drop(store);
        effect(&self.wires);
        Ok(taken)
    }
}

impl audit::Disk for Disk {
    fn erase_everybody(&mut self, at: Wall) -> Result<(), JournalFault> {
        self.wires.lock().expect("one thread").erased = Some(false);
        effect(&self.wires);
        if self.wires.lock().expect("one thread").disk_full {
            return Err(JournalFault::Full);
        }
        audit::Disk::erase_everybody(&mut *self.store.lock().expect("one thread"), at)?;
        self.wires.lock().expect("one thread").erased = Some(true);
        effect(&self.wires);
        Ok(())
    }
}

/// A relay on the wires.
pub(crate) struct Lock {
    /// The wires.
    pub(crate) wires: SharedWires,
    /// Stamps releases.
    pub(crate) clock: Arc<dyn Clock>,
}

impl Lock {
    fn answer(&self, doing: &'static str) -> Result<(), RelayFault> {
        effect(&self.wires);
        if self.wires.lock().expect("one thread").relay_broken {
            let source = std::io::Error::other("broken by script");
            return Err(RelayFault { line: "relay".into(), doing, source });
        }
        Ok(())
    }
}

impl Relay for Lock {
    fn unlock(&mut self, grant: &Recorded<Grant>) -> Result<(), RelayFault> {
        self.answer("release the lock")?;
        let release =
            Release { seq: grant.seq(), cause: grant.subject().cause().clone(), at: self.clock.now().mono };
        {
            let mut wires = self.wires.lock().expect("one thread");
            wires.released = Some(release.clone());
            wires.releases.push(release);
        }
        effect(&self.wires);
        Ok(())
    }

    fn lock(&mut self) -> Result<(), RelayFault> {
        self.answer("lock")?;
        self.wires.lock().expect("one thread").released = None;
        Ok(())
    }
}

/// A panel nobody looks at.
pub(crate) struct Dark;

impl Panel for Dark {
    fn show(&mut self, _: Cue) -> Result<(), PanelFault> {
        Ok(())
    }
}
