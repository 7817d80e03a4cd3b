//! The store as the disk under a terminal.

use doorward_core::audit::{Disk, Journal, JournalFault};
use doorward_core::time::Wall;
use doorward_protocol::audit::{DoorReport, What};

use crate::store::Store;

impl Journal for Store {
    fn append(&mut self, what: &What, at: Wall) -> Result<u64, JournalFault> {
        let What::Door(report) = what else { return Ok(self.append_entry(what, at)?) };
        let anew = report.event == DoorReport::REFILL_ORDERED;
        let Some(on) = report.locks_down().map(Some).or(anew.then_some(None)) else {
            return Ok(self.append_entry(what, at)?);
        };
        // What holds over a start is noted together with the record of it.
        Ok(self.together(|batch| {
            match on {
                Some(on) => batch.lock_down(on)?,
                None => batch.follow_anew()?,
            }
            batch.append(what, at)
        })?)
    }
}

impl Disk for Store {
    fn erase_everybody(&mut self, at: Wall) -> Result<(), JournalFault> {
        self.together(|batch| batch.erase_everybody(at))?;
        Ok(())
    }
}
