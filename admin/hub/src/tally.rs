//! Counts of what the hub does, for whoever watches it. Shared by all threads.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use doorward_protocol::audit::Hash;
use doorward_protocol::ids::SiteId;

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It came where nothing is taken from.
    Topic,
    /// Its signature, sender or form.
    Signature,
    /// Records before it are missing.
    Gap,
    /// Its records do not follow from what is kept.
    Broken,
    /// It follows another roster.
    Roster,
    /// The queue was full.
    Queue,
    /// The database refuses it.
    Database,
}

impl Why {
    /// All of them.
    pub const ALL: [Why; 7] =
        [Why::Topic, Why::Signature, Why::Gap, Why::Broken, Why::Roster, Why::Queue, Why::Database];

    /// A word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Why::Topic => "topic",
            Why::Signature => "signature",
            Why::Gap => "gap",
            Why::Broken => "broken",
            Why::Roster => "roster",
            Why::Queue => "queue",
            Why::Database => "database",
        }
    }
}

/// The counts.
#[derive(Debug, Clone, Default)]
pub struct Tally(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    taken: AtomicU64,
    records: AtomicU64,
    refused: [AtomicU64; Why::ALL.len()],
    unsaid: AtomicU64,
    groups: AtomicU64,
    connected: AtomicBool,
    keeping: AtomicBool,
    heads: Mutex<BTreeMap<SiteId, Standing>>,
}

impl Tally {
    /// Messages that were taken, and the audit records that were new in them.
    pub fn taken(&self, messages: u64, records: u64) {
        self.0.taken.fetch_add(messages, Relaxed);
        self.0.records.fetch_add(records, Relaxed);
        self.0.groups.fetch_add(1, Relaxed);
    }

    /// A message that was not taken.
    pub fn refused(&self, why: Why) {
        self.0.refused[why as usize].fetch_add(1, Relaxed);
    }

    /// An answer that could not be said; whoever waits for it asks again.
    pub fn unsaid(&self) {
        self.0.unsaid.fetch_add(1, Relaxed);
    }

    /// Whether the broker is there.
    pub fn set_connected(&self, there: bool) {
        self.0.connected.store(there, Relaxed);
    }

    /// Whether the database keeps what it is told.
    pub fn set_keeping(&self, keeping: bool) {
        self.0.keeping.store(keeping, Relaxed);
    }

    /// How far a site's roster has come, and what is in force there.
    pub fn head(&self, site: &SiteId, seq: u64, state: Hash) {
        let mut heads = self.0.heads.lock().unwrap_or_else(PoisonError::into_inner);
        heads.insert(site.clone(), Standing { seq, state });
    }

    /// What was counted.
    #[must_use]
    pub fn counts(&self) -> Counted {
        let counts = &self.0;
        Counted {
            taken: counts.taken.load(Relaxed),
            records: counts.records.load(Relaxed),
            refused: Why::ALL.map(|why| (why, counts.refused[why as usize].load(Relaxed))),
            unsaid: counts.unsaid.load(Relaxed),
            groups: counts.groups.load(Relaxed),
            connected: counts.connected.load(Relaxed),
            keeping: counts.keeping.load(Relaxed),
            heads: counts.heads.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

/// The counts at one moment.
#[derive(Debug, Clone)]
pub struct Counted {
    /// Messages that were taken.
    pub taken: u64,
    /// Audit records that were new.
    pub records: u64,
    /// Messages that were not taken.
    pub refused: [(Why, u64); Why::ALL.len()],
    /// Answers that could not be said.
    pub unsaid: u64,
    /// Transactions that kept messages.
    pub groups: u64,
    /// Whether the broker is there.
    pub connected: bool,
    /// Whether the database keeps what it is told.
    pub keeping: bool,
    /// How far each site's roster has come.
    pub heads: BTreeMap<SiteId, Standing>,
}

/// Where a roster stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// Its newest entry.
    pub seq: u64,
    /// What is in force, as one hash.
    pub state: Hash,
}
