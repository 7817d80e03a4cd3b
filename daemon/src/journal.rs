//! The store thread: owns the only connection, so that a slow disk never holds up the door's timers for longer than a
//! bounded wait. The terminal's [`JournalLink`] stands for it as a journal.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, sync_channel};
use std::time::Duration;

use anyhow::Context as _;
use doorward_core::audit::{Disk, Journal, JournalFault};
use doorward_core::centre::Vitals;
use doorward_core::gallery::{Gallery, InsertError};
use doorward_core::intake::{Deed, Step};
use doorward_core::template::TemplateVersion;
use doorward_core::time::{Mono, Wall};
use doorward_core::transform::{Protected, Transform};
use doorward_hal::clock::Clock;
use doorward_protocol::audit::{Hash, Head, What};
use doorward_protocol::delivery::Stretch;
use doorward_protocol::ids::PersonId;
use doorward_store::Store;

use crate::people::{People, permit};
use crate::supervise::Beat;
use crate::terminal::Input;

/// Requests that may wait for the disk: one decision and what the door reports around it.
const REQUESTS_MAX: usize = 16;
/// How long a decision waits for its record before it becomes a refusal.
const APPEND_WAIT: Duration = Duration::from_millis(2000);
/// How long the store may take for an entry of the roster. What comes later is asked for again.
const TAKE_WAIT: Duration = Duration::from_secs(4);
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
    clock: &dyn Clock,
    mut store: Store,
    references: (TemplateVersion, usize),
    requests: &Receiver<Request>,
    listeners: &Listeners,
) -> anyhow::Result<()> {
    let mut watch = Watch::begin(&store, clock.now().mono)?;
    let (mut newest, mut faults) = (0, BTreeSet::new());
    loop {
        match requests.recv_timeout(LOOK_EVERY) {
            Ok(Request::Take { step, at, reply }) => {
                let taken = take(&mut store, &step, at, references.0, listeners)?;
                watch.told(&store, taken.is_ok())?;
                // Only now: whoever was erased is out of the terminal's mind before anybody tells that the roster was
                // followed. Whoever gave up asks again.
                let _ = reply.send(taken);
            }
            Ok(request) => answer(&mut store, &mut faults, request),
            Err(RecvTimeoutError::Timeout) => {}
            // The terminal has ended, and with it everybody who asks.
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if watch.sees_news(&store, clock.now().mono)? {
            reload(&mut store, references, listeners)?;
        }
        let head = store.head().context("ask the store for its newest entry")?.seq;
        if head != newest {
            newest = head;
            // A terminal without a centre has nobody who listens.
            let _ = listeners.uplink.send(head);
        }
        if beat.stopping() && requests_done(requests, &mut store, &mut faults) {
            break;
        }
    }
    store.close().context("close the store")
}

/// Takes an entry of the roster into the store, and lets the terminal know of whom it is about.
fn take(
    store: &mut Store,
    step: &Step,
    at: Wall,
    version: TemplateVersion,
    listeners: &Listeners,
) -> anyhow::Result<Result<u32, String>> {
    let skipped = match store.take(step, at) {
        Ok(skipped) => skipped,
        Err(fault) => return Ok(Err(crate::terminal::chain(&fault))),
    };
    let about = step.deeds.iter().filter_map(|deed| match deed {
        Deed::Put(at, _) | Deed::Take(at) => Some(&at.person),
        Deed::Erase(person) => Some(person),
        Deed::Rules(_) | Deed::Skip(..) => None,
    });
    let about: BTreeSet<&PersonId> = about.collect();
    let known: Result<Vec<_>, _> = about.into_iter().map(|person| store.known(person, &version)).collect();
    let known = known.context("read the persons of an entry")?;
    listeners.terminal.send(Input::Known(known)).context("the terminal thread is gone")?;
    Ok(Ok(skipped))
}

/// Whether the persons have to be read again.
struct Watch {
    /// The change up to which the terminal knows them.
    seen: u64,
    /// What tells that another process has written.
    others: i64,
    looked: Mono,
    /// The store may have changed, and the terminal was told nothing.
    unsure: bool,
}

impl Watch {
    fn begin(store: &Store, looked: Mono) -> anyhow::Result<Self> {
        let (seen, others) = Self::versions(store)?;
        Ok(Self { seen, others, looked, unsure: false })
    }

    /// The terminal was told of a change of our own, or could not be. What another process changed in between is still
    /// news.
    fn told(&mut self, store: &Store, told: bool) -> anyhow::Result<()> {
        let (version, others) = Self::versions(store)?;
        if told && others == self.others {
            self.seen = version;
        }
        self.unsure |= !told;
        Ok(())
    }

    /// Whether anything changed that the terminal was not told. The store is asked once in a while, however busy it is.
    fn sees_news(&mut self, store: &Store, now: Mono) -> anyhow::Result<bool> {
        if !self.unsure && now.since(self.looked) < LOOK_EVERY {
            return Ok(false);
        }
        let (version, others) = Self::versions(store)?;
        let news = version != self.seen;
        *self = Self { seen: version, others, looked: now, unsure: false };
        Ok(news)
    }

    fn versions(store: &Store) -> anyhow::Result<(u64, i64)> {
        let version = store.people_version().context("ask the store for changes")?;
        Ok((version, store.data_version().context("ask the store for other processes")?))
    }
}

fn reload(
    store: &mut Store,
    (version, dimension): (TemplateVersion, usize),
    listeners: &Listeners,
) -> anyhow::Result<()> {
    let people = load_people(store, version, dimension)?;
    tracing::info!(
        persons = people.permits.len(),
        templates = people.gallery.len(),
        credentials = people.wallet.len(),
        "people reloaded"
    );
    listeners.terminal.send(Input::People(Box::new(people))).context("the terminal thread is gone")
}

/// Serves what still waits when the program stops; `true` once nobody can ask any more.
fn requests_done(requests: &Receiver<Request>, store: &mut Store, faults: &mut Faults) -> bool {
    loop {
        match requests.recv_timeout(LOOK_EVERY) {
            Ok(request) => answer(store, faults, request),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return true,
        }
    }
}

/// Parts at fault, as they were put on record since the start: a start has cleared them all.
type Faults = BTreeSet<String>;

fn answer(store: &mut Store, faults: &mut Faults, request: Request) {
    match request {
        Request::Append { what, at, given_up, reply } => {
            if !given_up.load(Ordering::Relaxed) {
                let _ = reply.send(store.append(&what, at));
                if let What::Fault(report) = what {
                    match report.set {
                        true => faults.extend([report.part]),
                        false => faults.retain(|part| *part != report.part),
                    }
                }
            }
        }
        Request::Vitals(reply) => {
            let waiting = store.outbox_len().unwrap_or_default();
            let faults = faults.iter().cloned().collect();
            drop(reply.send(Vitals { waiting, room_kib: store.room_kib(), faults, ..Vitals::default() }));
        }
        Request::EraseEverybody { at, reply } => drop(reply.send(store.erase_everybody(at))),
        Request::Outbox { after, limit, reply } => match store.outbox(after, limit) {
            Ok(stretch) => drop(reply.send(stretch)),
            Err(fault) => {
                tracing::error!("the outbox cannot be read: {}", crate::terminal::chain(&fault))
            }
        },
        // Whoever asked goes on without an answer, and asks again.
        Request::Head(reply) => drop(store.head().map(|head| reply.send(head))),
        Request::HashAt(seq, reply) => drop(store.hash_at(seq).map(|hash| reply.send(hash))),
        Request::Take { reply, .. } => drop(reply.send(Err("the terminal stops".to_owned()))),
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
/// When the store cannot be read. References of another model are left out: they are never compared. So are those of
/// another length, which the model in use cannot have made: one of them must not keep a door shut for everybody.
pub fn load_people(store: &mut Store, version: TemplateVersion, dimension: usize) -> anyhow::Result<People> {
    let transform = Transform::new(&store.transform_key(), dimension);
    let mut gallery = Gallery::new(version, dimension);
    let mut refused = Ok(());
    let shown = store.templates(&version, |person, vector| {
        match gallery.insert(&person, version, &Protected::restore(vector)) {
            Err(InsertError::Template(fault)) => {
                tracing::error!(%person, "a reference is left out: {fault}");
            }
            Err(full) if refused.is_ok() => refused = Err(full),
            Ok(()) | Err(_) => {}
        }
    });
    shown.context("read the references")?;
    refused.context("take the references into memory")?;
    let permits: BTreeMap<_, _> = store
        .persons()
        .context("read the persons")?
        .into_iter()
        .map(|record| (record.id.clone(), permit(&record)))
        .collect();
    let wallet = store.wallet().context("read the credentials")?;
    Ok(People { permits, gallery, transform, wallet })
}
