//! The store thread: answers one request after the other, and says when persons or entries changed, whoever changed them.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender};
use std::time::Duration;

use anyhow::Context as _;
use doorward_core::audit::{Disk as _, Journal as _};
use doorward_core::centre::Vitals;
use doorward_core::intake::{Deed, Step};
use doorward_core::template::TemplateVersion;
use doorward_core::time::{Mono, Wall};
use doorward_hal::clock::Clock;
use doorward_protocol::audit::What;
use doorward_protocol::ids::PersonId;
use doorward_store::{Known, Store};

use super::Request;
use super::reading::Reading;
use crate::people::People;
use crate::supervise::Beat;
use crate::terminal::Input;

/// How often the store is asked whether another process changed it.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often it is asked whether persons were read, while they are.
const READ_EVERY: Duration = Duration::from_millis(20);
/// How often an entry of the roster gives way to other requests before it is taken at last.
const GIVE_WAY_MAX: u32 = 16;
/// While somebody is about, an entry begins so long after the one before: a commit cannot be given way, and so it takes no
/// more than some hundredths of the time. A roster of 50,000 persons comes in some 400 entries.
const APART: Duration = Duration::from_millis(30);
/// After that it waits for the moment after a record, because the next one is nowhere further away: whoever was decided on
/// walks through, and the next attempt takes some frames. It waits no longer than this.
const LULL_MAX: Duration = Duration::from_millis(60);
/// How long somebody counts as being about after a record was written.
const ABOUT: Duration = Duration::from_secs(5);

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
    store: Store,
    references: (TemplateVersion, usize),
    requests: &Receiver<Request>,
    listeners: &Listeners,
) -> anyhow::Result<()> {
    let mut watch = Watch::begin(&store, clock.now().mono)?;
    let reading = Reading::new(references);
    let mut keeper = Keeper { store, clock, reading, faults: BTreeSet::new(), recorded: None, took: None };
    let (mut newest, mut queue) = (0, Queue { requests, first: None });
    loop {
        let wait = if keeper.reading.is_under_way() { READ_EVERY } else { LOOK_EVERY };
        match queue.next(wait) {
            Ok(Request::Take { step, at, reply }) => {
                let taken = keeper.take((&step, at), references.0, &mut queue)?;
                watch.told(&keeper.store, taken.is_ok())?;
                let taken = match taken {
                    Ok((skipped, known)) => {
                        keeper.reading.touch(&known);
                        let sent = listeners.terminal.send(Input::Known(known));
                        sent.context("the terminal thread is gone")?;
                        Ok(skipped)
                    }
                    Err(why) => Err(why),
                };
                // Only now: whoever was erased is out of the terminal's mind before anybody tells that the roster was
                // followed. Whoever gave up asks again.
                let _ = reply.send(taken);
            }
            Ok(request) => keeper.answer(request),
            Err(RecvTimeoutError::Timeout) => {}
            // The terminal has ended, and with it everybody who asks.
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if watch.sees_news(&keeper.store, clock.now().mono)? {
            keeper.reading.begin(&keeper.store)?;
        }
        if let Some(people) = keeper.reading.finished(&mut keeper.store)? {
            tell(people, listeners)?;
        }
        let head = keeper.store.head().context("ask the store for its newest entry")?.seq;
        if head != newest {
            newest = head;
            // A terminal without a centre has nobody who listens.
            let _ = listeners.uplink.send(head);
        }
        if beat.stopping() {
            // Whatever still waits, until nobody asks any more.
            while let Ok(request) = queue.next(LOOK_EVERY) {
                keeper.answer(request);
            }
            break;
        }
    }
    keeper.store.close().context("close the store")
}

/// Parts at fault, as they were put on record since the start: a start has cleared them all.
type Faults = BTreeSet<String>;

/// The store, and what its thread remembers of it.
struct Keeper<'a> {
    store: Store,
    clock: &'a dyn Clock,
    reading: Reading,
    faults: Faults,
    /// When a record was last written: somebody is about.
    recorded: Option<Mono>,
    /// When an entry of the roster was last taken.
    took: Option<Mono>,
}

impl Keeper<'_> {
    /// Takes an entry of the roster into the store, and reads of whom it is about: how many changes were left out, and
    /// them.
    ///
    /// Whoever waits for the store goes first, because that may be somebody at the door: what was done of the entry, or
    /// read after it, is thrown away, the request is answered, and it begins anew.
    fn take(
        &mut self,
        (step, at): (&Step, Wall),
        version: TemplateVersion,
        queue: &mut Queue<'_>,
    ) -> anyhow::Result<Result<(u32, Vec<Known>), String>> {
        let now = self.clock.now().mono;
        let about = self.recorded.is_some_and(|at| now.since(at) < ABOUT);
        if let Some(before) = self.took.filter(|_| about) {
            queue.serve_until(before + APART, |_| false, self);
            queue.serve_until(before + APART + LULL_MAX, Request::is_record, self);
        }
        let taken = self.take_now((step, at), version, queue);
        self.took = Some(self.clock.now().mono);
        taken
    }

    fn take_now(
        &mut self,
        (step, at): (&Step, Wall),
        version: TemplateVersion,
        queue: &mut Queue<'_>,
    ) -> anyhow::Result<Result<(u32, Vec<Known>), String>> {
        let mut tries = GIVE_WAY_MAX;
        let skipped = loop {
            match self.store.take_unless(step, at, &mut || tries > 0 && queue.presses()) {
                Ok(Some(skipped)) => break skipped,
                Ok(None) => tries -= 1,
                Err(fault) => return Ok(Err(crate::terminal::chain(&fault))),
            }
            queue.first.take().into_iter().for_each(|request| self.answer(request));
        };
        let about: BTreeSet<&PersonId> = step.deeds.iter().filter_map(Deed::about).collect();
        loop {
            let store = &mut self.store;
            let read = about
                .iter()
                .map_while(|person| (tries == 0 || !queue.presses()).then(|| store.known(person, &version)));
            let known: Vec<_> = read.collect::<Result<_, _>>().context("read the persons of an entry")?;
            if known.len() == about.len() {
                return Ok(Ok((skipped, known)));
            }
            tries -= 1;
            // What is answered may change whom it was about: they are read anew.
            queue.first.take().into_iter().for_each(|request| self.answer(request));
        }
    }

    fn answer(&mut self, request: Request) {
        match request {
            Request::Append { what, at, given_up, reply } => {
                self.recorded = Some(self.clock.now().mono);
                if !given_up.load(Ordering::Relaxed) {
                    let _ = reply.send(self.store.append(&what, at));
                    if let What::Fault(report) = what {
                        match report.set {
                            true => self.faults.extend([report.part]),
                            false => self.faults.retain(|part| *part != report.part),
                        }
                    }
                }
            }
            Request::Vitals(reply) => {
                let waiting = self.store.outbox_len().unwrap_or_default();
                let faults = self.faults.iter().cloned().collect();
                drop(reply.send(Vitals {
                    waiting,
                    room_kib: self.store.room_kib(),
                    faults,
                    ..Vitals::default()
                }));
            }
            Request::EraseEverybody { at, reply } => {
                // Whoever is read as they were before does not come back by that.
                self.reading.forget();
                drop(reply.send(self.store.erase_everybody(at)));
            }
            Request::Outbox { after, limit, reply } => match self.store.outbox(after, limit) {
                Ok(stretch) => drop(reply.send(stretch)),
                Err(fault) => {
                    tracing::error!("the outbox cannot be read: {}", crate::terminal::chain(&fault))
                }
            },
            // Whoever asked goes on without an answer, and asks again.
            Request::Head(reply) => drop(self.store.head().map(|head| reply.send(head))),
            Request::HashAt(seq, reply) => drop(self.store.hash_at(seq).map(|hash| reply.send(hash))),
            Request::Take { reply, .. } => drop(reply.send(Err("the terminal stops".to_owned()))),
            Request::Acknowledge(through) => {
                if let Err(fault) = self.store.acknowledge(through) {
                    tracing::error!(
                        through,
                        "an acknowledgement was not stored: {}",
                        crate::terminal::chain(&fault)
                    );
                }
            }
        }
    }
}

/// Requests in their order; the first of them may be looked at before its turn.
struct Queue<'a> {
    requests: &'a Receiver<Request>,
    first: Option<Request>,
}

impl Queue<'_> {
    fn next(&mut self, wait: Duration) -> Result<Request, RecvTimeoutError> {
        self.first.take().map_or_else(|| self.requests.recv_timeout(wait), Ok)
    }

    /// Answers whoever comes before a moment, or until the `last` was answered; another entry waits for its turn.
    fn serve_until(&mut self, end: Mono, last: impl Fn(&Request) -> bool, keeper: &mut Keeper<'_>) {
        while self.first.is_none() {
            match self.requests.recv_timeout(end.since(keeper.clock.now().mono)) {
                Ok(entry @ Request::Take { .. }) => self.first = Some(entry),
                Ok(request) => {
                    let over = last(&request);
                    keeper.answer(request);
                    if over {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Whether somebody waits who is not to wait for an entry of the roster.
    fn presses(&mut self) -> bool {
        self.first = self.first.take().or_else(|| self.requests.try_recv().ok());
        self.first.as_ref().is_some_and(|request| !matches!(request, Request::Take { .. }))
    }
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

    /// The terminal is told of one change of our own, or cannot be. What else changed in between, by another process or
    /// by whom was given way, is still news.
    fn told(&mut self, store: &Store, told: bool) -> anyhow::Result<()> {
        let (version, others) = Self::versions(store)?;
        if told && others == self.others && version <= self.seen + 1 {
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

fn tell(people: People, listeners: &Listeners) -> anyhow::Result<()> {
    tracing::info!(
        persons = people.permits.len(),
        templates = people.gallery.len(),
        credentials = people.wallet.len(),
        "people reloaded"
    );
    listeners.terminal.send(Input::People(Box::new(people))).context("the terminal thread is gone")
}
