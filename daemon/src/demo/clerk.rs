//! Reads the audit trail for the page, as anybody with the key could.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use doorward_protocol::audit::Entry;
use doorward_store::Store;
use serde_json::{Value, json};

use super::show::Show;
use super::words;
use crate::supervise::Supervisor;

impl Show {
    /// The page's copy of the audit trail: everything after `seq`.
    pub(super) fn start_clerk(self: &Arc<Self>, threads: &mut Supervisor, path: PathBuf) {
        let show = Arc::clone(self);
        threads.spawn("clerk", false, move |beat| {
            let store = Store::open(&path, &show.key).context("open the store for the page")?;
            let mut clerk = Clerk { store, told: 0, acknowledged: 0 };
            while !beat.stopping() {
                clerk.tell_news(&show)?;
                show.clock.sleep(Duration::from_millis(150));
            }
            Ok(())
        });
    }

    /// The last entries, for a page that opens.
    #[must_use]
    pub fn last_entries(&self, count: u64) -> Vec<Value> {
        let path = {
            let running = self.running.lock().expect("no thread panics while it holds the run");
            running.as_ref().map(|r| r.store.clone())
        };
        let read = |path: PathBuf| -> anyhow::Result<Vec<Value>> {
            let store = Store::open(&path, &self.key)?;
            let from = store.head()?.seq.saturating_sub(count);
            entries(&store, from)
        };
        path.and_then(|path| read(path).ok()).unwrap_or_default()
    }
}

/// Reads the audit trail for the page.
struct Clerk {
    store: Store,
    told: u64,
    acknowledged: u64,
}

impl Clerk {
    fn tell_news(&mut self, show: &Show) -> anyhow::Result<()> {
        for entry in entries(&self.store, self.told)? {
            self.told = entry["seq"].as_u64().unwrap_or(self.told);
            show.pages.tell("entry", &entry);
        }
        let acknowledged = self.store.acknowledged()?;
        if acknowledged != self.acknowledged {
            self.acknowledged = acknowledged;
            show.pages.tell("acknowledged", &json!({"through": acknowledged}));
        }
        {
            let mut state = show.state();
            state.backlog = self.store.head()?.seq - acknowledged;
            state.persons = self.store.persons()?.len();
        }
        show.tell_terminal();
        Ok(())
    }
}

fn entries(store: &Store, after: u64) -> anyhow::Result<Vec<Value>> {
    const ENTRIES_MAX: usize = 200;
    let acknowledged = store.acknowledged()?;
    let records = store.records(after, ENTRIES_MAX)?;
    records
        .iter()
        .map(|record| {
            let entry = Entry::from_bytes(&record.bytes)?;
            let (kind, text) = words::entry(&entry);
            let hash = doorward_protocol::hex::hex(&record.hash);
            Ok(json!({"seq": record.seq, "at_ms": entry.at_ms, "kind": kind, "text": text, "hash": hash,
                "acknowledged": record.seq <= acknowledged}))
        })
        .collect()
}
