//! The way to the store thread, which owns the only connection, so that a slow disk never holds up the door's timers for
//! longer than a bounded wait. The terminal's [`JournalLink`] stands for it as a journal.

mod reading;
mod thread;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use doorward_core::audit::{Disk, Journal, JournalFault};
use doorward_core::centre::Vitals;
use doorward_core::intake::Step;
use doorward_core::time::Wall;
use doorward_protocol::audit::{Hash, Head, What};
use doorward_protocol::delivery::Stretch;

pub use reading::load_people;
pub use thread::{Listeners, serve};

/// Requests that may wait for the disk: one decision and what the door reports around it.
const REQUESTS_MAX: usize = 16;
/// How long a decision waits for its record before it becomes a refusal.
const APPEND_WAIT: Duration = Duration::from_millis(2000);
/// How long the store may take for an entry of the roster. What comes later is asked for again.
const TAKE_WAIT: Duration = Duration::from_secs(4);

/// What the store thread is asked.
pub enum Request {
    /// Append an entry.
    Append {
        /// The entry.
        what: What,
        /// Its time.
        at: Wall,
        /// Raised when nobody waits for it any more.
        given_up: Arc<AtomicBool>,
        /// Where the answer goes.
        reply: SyncSender<Result<u64, JournalFault>>,
    },
    /// Erase everybody.
    EraseEverybody {
        /// When that is.
        at: Wall,
        /// Where the answer goes.
        reply: SyncSender<Result<(), JournalFault>>,
    },
    /// Entries after a number, for the centre.
    Outbox {
        /// The number.
        after: u64,
        /// At most this many.
        limit: usize,
        /// Where they go.
        reply: SyncSender<Stretch>,
    },
    /// How the store is, and what is at fault.
    Vitals(SyncSender<Vitals>),
    /// The newest entry's number and hash.
    Head(SyncSender<Head>),
    /// The hash of the entry with this number.
    HashAt(u64, SyncSender<Option<Hash>>),
    /// The centre has everything through this number.
    Acknowledge(u64),
    /// An entry of the site's roster.
    Take {
        /// What it does.
        step: Step,
        /// Its time.
        at: Wall,
        /// Where the answer goes.
        reply: SyncSender<Result<u32, String>>,
    },
}

impl Request {
    /// Whether it writes a record.
    fn is_record(&self) -> bool {
        matches!(self, Request::Append { .. })
    }
}

/// The journal as the terminal thread sees it.
#[derive(Clone)]
pub struct JournalLink {
    requests: SyncSender<Request>,
}

/// The two ends of the way to the store thread.
#[must_use]
pub fn link() -> (JournalLink, Receiver<Request>) {
    let (requests, received) = sync_channel(REQUESTS_MAX);
    (JournalLink { requests }, received)
}

impl JournalLink {
    /// Entries after `after`; none where the store does not answer in time.
    #[must_use]
    pub fn outbox(&self, after: u64, limit: usize) -> Option<Stretch> {
        self.ask(|reply| Request::Outbox { after, limit, reply })
    }

    /// How the store is, and what is at fault; none where the store does not answer in time.
    #[must_use]
    pub fn vitals(&self) -> Option<Vitals> {
        self.ask(Request::Vitals)
    }

    /// The newest entry; none where the store does not answer in time.
    #[must_use]
    pub fn head(&self) -> Option<Head> {
        self.ask(Request::Head)
    }

    /// The hash of an entry; none where there is none or the store does not answer in time.
    #[must_use]
    pub fn hash_at(&self, seq: u64) -> Option<Hash> {
        self.ask(|reply| Request::HashAt(seq, reply)).flatten()
    }

    /// Marks everything through `through` as acknowledged; a store too busy to hear it learns it with the next one.
    pub fn acknowledge(&self, through: u64) {
        let _ = self.requests.try_send(Request::Acknowledge(through));
    }

    /// Does durably what an entry of the site's roster says, and lets the terminal know; how many changes were left out.
    /// A store that does not answer in time may still do it; it does nothing twice.
    ///
    /// # Errors
    /// Why it is not done, in words.
    pub fn take(&self, step: Step, at: Wall) -> Result<u32, String> {
        let (reply, answer) = sync_channel(1);
        let busy = || "the store did not answer in time".to_owned();
        self.requests.try_send(Request::Take { step, at, reply }).map_err(|_| busy())?;
        answer.recv_timeout(TAKE_WAIT).unwrap_or_else(|_| Err(busy()))
    }

    fn ask<T>(&self, request: impl FnOnce(SyncSender<T>) -> Request) -> Option<T> {
        let (reply, answer) = sync_channel(1);
        let sent = self.requests.try_send(request(reply));
        sent.ok().and_then(|()| answer.recv_timeout(APPEND_WAIT).ok())
    }
}

impl Journal for JournalLink {
    fn append(&mut self, what: &What, at: Wall) -> Result<u64, JournalFault> {
        let (reply, answer) = sync_channel(1);
        let given_up = Arc::new(AtomicBool::new(false));
        let request = Request::Append { what: what.clone(), at, given_up: Arc::clone(&given_up), reply };
        self.requests.try_send(request).map_err(|_| timed_out())?;
        answer.recv_timeout(APPEND_WAIT).unwrap_or_else(|_| {
            given_up.store(true, Ordering::Relaxed);
            Err(timed_out())
        })
    }
}

impl Disk for JournalLink {
    fn erase_everybody(&mut self, at: Wall) -> Result<(), JournalFault> {
        // One that comes too late is no harm: told again, the store has nobody left to erase.
        let answer = self.ask(|reply| Request::EraseEverybody { at, reply });
        answer.unwrap_or_else(|| Err(timed_out()))
    }
}

fn timed_out() -> JournalFault {
    JournalFault::TimedOut(u64::try_from(APPEND_WAIT.as_millis()).unwrap_or(u64::MAX))
}
