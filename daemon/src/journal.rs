//! The store thread: owns the only connection, so that a slow disk never holds up the door's timers for longer than a
//! bounded wait. The terminal's [`JournalLink`] stands for it as a journal.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, sync_channel};
use std::time::Duration;

use anyhow::Context as _;
use doorward_core::audit::{Journal, JournalFault};
use doorward_core::gallery::Gallery;
use doorward_core::policy::Permit;
use doorward_core::template::TemplateVersion;
use doorward_core::time::Wall;
use doorward_core::transform::{Protected, Transform};
use doorward_protocol::audit::{Hash, Head, What};
use doorward_protocol::delivery::Stretch;
use doorward_protocol::roster;
use doorward_store::Store;

use crate::people::People;
use crate::supervise::Beat;
use crate::terminal::Input;

/// Requests that may wait for the disk: one decision and what the door reports around it.
const REQUESTS_MAX: usize = 16;
/// How long a decision waits for its record before it becomes a refusal.
const APPEND_WAIT: Duration = Duration::from_millis(2000);
/// How often the store is asked whether another process changed it.
const LOOK_EVERY: Duration = Duration::from_millis(500);

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
    /// Entries after a number, for the centre.
    Outbox {
        /// The number.
        after: u64,
        /// At most this many.
        limit: usize,
        /// Where they go.
        reply: SyncSender<Stretch>,
    },
    /// The newest entry's number and hash.
    Head(SyncSender<Head>),
    /// The hash of the entry with this number.
    HashAt(u64, SyncSender<Option<Hash>>),
    /// The centre has everything through this number.
    Acknowledge(u64),
    /// The site's roster was followed to here.
    Followed(roster::Head),
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

    /// Notes how far the site's roster was followed; a store too busy to hear it learns it with the next one.
    pub fn followed(&self, head: roster::Head) {
        let _ = self.requests.try_send(Request::Followed(head));
    }

    fn ask<T>(&self, request: impl FnOnce(SyncSender<T>) -> Request) -> Option<T> {
        let (reply, answer) = sync_channel(1);
        let sent = self.requests.try_send(request(reply));
        sent.ok().and_then(|()| answer.recv_timeout(APPEND_WAIT).ok())
    }
}

impl Journal for JournalLink {
    fn append(&mut self, what: &What, at: Wall) -> Result<u64, JournalFault> {
        let timed_out = || JournalFault::TimedOut(u64::try_from(APPEND_WAIT.as_millis()).unwrap_or(u64::MAX));
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

/// Who is told what the store thread notices.
pub struct Listeners {
    /// Gets the persons whenever they change.
    pub terminal: SyncSender<Input>,
    /// Gets the number of the newest entry.
    pub uplink: Sender<u64>,
}

/// The body of the store thread: serves requests, and says when persons or entries changed, whoever changed them.
///
/// # Errors
/// When the store can no longer be read.
pub fn serve(
    beat: &Beat,
    mut store: Store,
    (version, dimension): (TemplateVersion, usize),
    requests: &Receiver<Request>,
    listeners: &Listeners,
) -> anyhow::Result<()> {
    let mut people_seen = store.people_version().context("ask the store for changes")?;
    let mut newest = 0;
    loop {
        match requests.recv_timeout(LOOK_EVERY) {
            Ok(request) => answer(&mut store, request),
            Err(RecvTimeoutError::Timeout) => {
                let people_now = store.people_version().context("ask the store for changes")?;
                if people_now != people_seen {
                    people_seen = people_now;
                    let people = load_people(&mut store, version, dimension)?;
                    tracing::info!(
                        persons = people.permits.len(),
                        templates = people.gallery.len(),
                        credentials = people.wallet.len(),
                        "people reloaded"
                    );
                    listeners
                        .terminal
                        .send(Input::People(Box::new(people)))
                        .context("the terminal thread is gone")?;
                }
            }
            // The terminal has ended, and with it everybody who asks.
            Err(RecvTimeoutError::Disconnected) => break,
        }
        let head = store.head().context("ask the store for its newest entry")?.seq;
        if head != newest {
            newest = head;
            // A terminal without a centre has nobody who listens.
            let _ = listeners.uplink.send(head);
        }
        if beat.stopping() && requests_done(requests, &mut store) {
            break;
        }
    }
    store.close().context("close the store")
}

/// Serves what still waits when the program stops; `true` once nobody can ask any more.
fn requests_done(requests: &Receiver<Request>, store: &mut Store) -> bool {
    loop {
        match requests.recv_timeout(LOOK_EVERY) {
            Ok(request) => answer(store, request),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return true,
        }
    }
}

fn answer(store: &mut Store, request: Request) {
    match request {
        Request::Append { what, at, given_up, reply } => {
            if !given_up.load(Ordering::Relaxed) {
                let _ = reply.send(store.append(&what, at));
            }
        }
        Request::Outbox { after, limit, reply } => match store.outbox(after, limit) {
            Ok(stretch) => drop(reply.send(stretch)),
            Err(fault) => {
                tracing::error!("the outbox cannot be read: {}", crate::terminal::chain(&fault))
            }
        },
        // Whoever asked goes on without an answer, and asks again.
        Request::Head(reply) => drop(store.head().map(|head| reply.send(head))),
        Request::HashAt(seq, reply) => drop(store.hash_at(seq).map(|hash| reply.send(hash))),
        Request::Followed(head) => {
            if let Err(fault) = store.follow(&head) {
                let seq = head.seq;
                tracing::error!(
                    seq,
                    "not noted how far the roster was followed: {}",
                    crate::terminal::chain(&fault)
                );
            }
        }
        Request::Acknowledge(through) => {
            if let Err(fault) = store.acknowledge(through) {
                tracing::error!(
                    through,
                    "an acknowledgement was not stored: {}",
                    crate::terminal::chain(&fault)
                );
            }
        }
    }
}

/// Reads all persons, their credentials and their references of the model in use.
///
/// # Errors
/// When the store cannot be read or a reference is none. References of another model are left out: they are never
/// compared.
pub fn load_people(store: &mut Store, version: TemplateVersion, dimension: usize) -> anyhow::Result<People> {
    let transform = Transform::new(&store.transform_key(), dimension);
    let mut gallery = Gallery::new(version, dimension);
    let mut refused = Ok(());
    let shown = store.templates(&version, |person, vector| {
        if refused.is_ok() {
            refused = gallery.insert(&person, version, &Protected::restore(vector));
        }
    });
    shown.context("read the references")?;
    refused.context("take the references into memory")?;
    let permits: BTreeMap<_, _> = store
        .persons()
        .context("read the persons")?
        .into_iter()
        .map(|person| {
            let permit = Permit {
                valid_from_ms: person.valid_from_ms,
                valid_until_ms: person.valid_until_ms,
                suspended: person.suspended,
                open_for: None,
            };
            (person.id, permit)
        })
        .collect();
    let wallet = store.wallet().context("read the credentials")?;
    Ok(People { permits, gallery, transform, wallet })
}
