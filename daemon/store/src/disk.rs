//! The store as the disk under a terminal.

use doorward_core::audit::{Disk, Journal, JournalFault};
use doorward_core::time::Wall;
use doorward_protocol::audit::What;

use crate::store::Store;

impl Journal for Store {
    fn append(&mut self, what: &What, at: Wall) -> Result<u64, JournalFault> {
        Ok(self.append_entry(what, at)?)
    }
}

impl Disk for Store {
    fn erase_everybody(&mut self, at: Wall) -> Result<(), JournalFault> {
        self.together(|batch| batch.erase_everybody(at))?;
        Ok(())
    }
}
