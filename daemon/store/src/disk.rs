//! The store as the disk under a terminal.

use doorward_core::audit::{Disk, Journal, JournalFault};
use doorward_core::time::Wall;
use doorward_protocol::audit::What;

use crate::store::Store;

impl Journal for Store {
    fn append(&mut self, what: &What, at: Wall) -> Result<u64, JournalFault> {
        let ordered = if let What::Door(report) = what { report.locks_down() } else { None };
        let Some(on) = ordered else { return Ok(self.append_entry(what, at)?) };
        // What holds over a start is noted together with the record of it.
        Ok(self.together(|batch| {
            batch.lock_down(on)?;
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
