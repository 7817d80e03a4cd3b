//! What a terminal wants to know of its own past when it starts, and what changed since it looked.

use doorward_protocol::audit::{Broken, Entry, Hash, Record};
use doorward_protocol::roster;
use doorward_protocol::sealing::OpeningKey;

use crate::RECORDS_MAX;
use crate::chain;
use crate::fault::{Finding, StoreFault};
use crate::followed;
use crate::settings::{self, Setting};
use crate::state::State;
use crate::store::Store;

impl Store {
    /// Records above `after`, acknowledged or not, at most `limit` and at most [`RECORDS_MAX`].
    ///
    /// # Errors
    /// [`StoreFault`].
    pub fn records(&self, after: u64, limit: usize) -> Result<Vec<Record>, StoreFault> {
        chain::records(&self.conn, after, limit.min(RECORDS_MAX))
    }

    /// The hash that the trail begins with: the trail's name, also after its oldest records were dropped.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub fn genesis(&self) -> Result<Hash, StoreFault> {
        Ok(settings::base_and_genesis(&self.conn, &self.keys)?.1)
    }

    /// The hash of a record, or of the place before the oldest; `None` where there is no such record any more.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub fn hash_at(&self, seq: u64) -> Result<Option<Hash>, StoreFault> {
        let base = settings::base(&self.conn, &self.keys)?;
        if seq == base.seq { Ok(Some(base.hash)) } else { chain::hash_of(&self.conn, seq) }
    }

    /// The key that opens what this terminal is given when it joins a site.
    #[must_use]
    pub fn joining_key(&self) -> OpeningKey {
        OpeningKey::from_bytes(self.keys.joining.bytes()).expect("any 32 bytes are a key of X25519")
    }

    /// How far the site's roster was followed; `None` before its first entry.
    ///
    /// # Errors
    /// [`Finding::Setting`] where it was edited.
    pub fn followed(&self) -> Result<Option<roster::Head>, StoreFault> {
        followed::read(&self.conn, &self.keys)
    }

    /// How far the site's roster was ever followed, also before it was taken anew: nobody shows this terminal less.
    ///
    /// # Errors
    /// As [`Store::followed`].
    pub fn roster_known(&self) -> Result<Option<roster::Head>, StoreFault> {
        followed::known(&self.conn, &self.keys)
    }

    /// Room left for the store on its disk, KiB; none where the disk does not say.
    #[must_use]
    pub fn room_kib(&self) -> Option<u64> {
        let disk = rustix::fs::statvfs(&self.path).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize) / 1024)
    }

    /// Whether a lockdown was ordered that nobody has ended.
    ///
    /// # Errors
    /// [`Finding::Setting`] where it was edited.
    pub fn locked_down(&self) -> Result<bool, StoreFault> {
        followed::locked_down(&self.conn, &self.keys)
    }

    /// The number through which the hub holds every record.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub fn acknowledged(&self) -> Result<u64, StoreFault> {
        Setting::Acknowledged.get_number(&self.conn, &self.keys)
    }

    /// The time of the newest record, milliseconds since 1970; `None` before the first.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub fn newest_ms(&self) -> Result<Option<i64>, StoreFault> {
        let head = self.head()?.seq;
        Ok(self.audit(head, 1)?.last().map(|(_, entry)| entry.at_ms))
    }

    /// Shows every entry from `at_ms` on to `visit`, in order. Times in the chain never decrease, so the first of them
    /// is found by halving.
    ///
    /// # Errors
    /// [`Finding::Record`] for an entry that cannot be read.
    pub fn each_entry_since(&self, at_ms: i64, mut visit: impl FnMut(&Entry)) -> Result<(), StoreFault> {
        let (mut low, head) = (settings::base(&self.conn, &self.keys)?.seq, self.head()?.seq);
        let mut high = head;
        while low < high {
            let middle = low + (high - low) / 2;
            let early = self.audit(middle + 1, 1)?.first().is_some_and(|(_, entry)| entry.at_ms < at_ms);
            if early {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        while low < head {
            let entries = self.audit(low + 1, RECORDS_MAX)?;
            if entries.is_empty() {
                return Err(Finding::Record(Broken::Gap { expected: low + 1, found: head }).into());
            }
            for (seq, entry) in entries {
                visit(&entry);
                low = seq;
            }
        }
        Ok(())
    }

    /// A number that grows with every change of persons, templates or rules, whoever made it.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub fn people_version(&self) -> Result<u64, StoreFault> {
        Ok(State::read(&self.conn, &self.keys)?.generation)
    }
}
