//! A site of one terminal: who holds which key, the roster that says so, and the terminal itself, which has a real store
//! and a real line, and a door that says "done" to every order.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use doorward_core::audit::Journal as _;
use doorward_core::intake::Intake;
use doorward_core::liveness::Level;
use doorward_core::outbox::Outbox;
use doorward_core::template::{TemplateVersion, UnitVector};
use doorward_core::time::Wall;
use doorward_daemon::assembly::identify;
use doorward_daemon::centre::{self, CentreConfig, line};
use doorward_daemon::journal::{self, JournalLink, Listeners};
use doorward_daemon::people::People;
use doorward_daemon::supervise::{Beat, Supervisor};
use doorward_daemon::terminal::Input;
use doorward_daemon::uplink;
use doorward_hal::clock::{Clock, SystemClock};
use doorward_protocol::audit::{DoorReport, Hash, What};
use doorward_protocol::command::{Command, Outcome};
use doorward_protocol::contents::{self, Record, Template};
use doorward_protocol::denial::Denial;
use doorward_protocol::envelope::{Heading, Kind};
use doorward_protocol::ids::{SiteId, TerminalId};
use doorward_protocol::keys::{PublicKey, Role, SigningKey};
use doorward_protocol::message::{self, List, Text};
use doorward_protocol::roster::{Change, Entry, Follower, PersonSlot, Slot};
use doorward_protocol::sealing::OpeningKey;
use doorward_protocol::trust::{Delegation, Reader, Trust};
use doorward_store::{MasterKey, Store};
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;
use tempfile::TempDir;
use zeroize::Zeroizing;

use crate::broker::Broker;
use crate::wait_for;

/// The terminal's name, and that of its certificate.
pub(crate) const TERMINAL: &str = "front-1";
/// The hub's.
pub(crate) const HUB: &str = "hub-test";
/// Where the site's roster begins.
pub(crate) const GENESIS: Hash = [7; 32];

pub(crate) const ROOT_KEY: u8 = 1;
pub(crate) const HUB_KEY: u8 = 2;
pub(crate) const OPERATOR_KEY: u8 = 3;
pub(crate) const ENROLLER_KEY: u8 = 4;

/// The model in use, and how many values its templates have.
pub(crate) const REFERENCES: (TemplateVersion, usize) =
    (TemplateVersion { model: [3; 32], preprocessing: 1 }, 8);

/// What opens for this site.
pub(crate) fn opening() -> OpeningKey {
    OpeningKey::from_bytes(&[6; 32]).unwrap()
}

/// A key by its number.
pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub(crate) fn site() -> SiteId {
    "hq".parse().unwrap()
}

pub(crate) fn terminal() -> TerminalId {
    TERMINAL.parse().unwrap()
}

pub(crate) fn master() -> MasterKey {
    MasterKey::from_bytes(Zeroizing::new([5; 32]))
}

/// The roster's first entry: the root gives everybody their role. The terminal's key is drawn with its store.
pub(crate) fn roster(terminal_key: PublicKey) -> (Follower, Vec<u8>) {
    let follower = Follower::new(GENESIS, Trust::pinned(site(), PublicKey::of(&key(ROOT_KEY))));
    let delegate = |key, role, terminal: Option<TerminalId>| {
        Change::Delegate(Delegation {
            key,
            holder: format!("{role:?}"),
            roles: vec![role],
            terminal,
            from_s: 0,
            until_s: i64::MAX,
            joined_with: None,
        })
    };
    let changes = vec![
        delegate(PublicKey::of(&key(HUB_KEY)), Role::Hub, None),
        delegate(PublicKey::of(&key(OPERATOR_KEY)), Role::Operator, None),
        delegate(PublicKey::of(&key(ENROLLER_KEY)), Role::Enroller, None),
        delegate(terminal_key, Role::Terminal, Some(terminal())),
    ];
    let mut author = follower.clone();
    let entry = sign(&mut author, changes, ROOT_KEY);
    (follower, entry)
}

/// Signs the next entry of a roster, and follows it.
pub(crate) fn sign(author: &mut Follower, changes: Vec<Change>, signer: u8) -> Vec<u8> {
    let state = author.foresee(&changes).unwrap();
    let head = author.head();
    let entry = Entry { before: head.hash.into(), state: state.into(), changes };
    let heading = Heading {
        kind: Kind::Roster,
        site: site(),
        terminal: None,
        seq: head.seq + 1,
        issued_s: 1_800_000_000,
        expires_s: None,
    };
    let bytes = message::sign(&heading, &entry, &key(signer)).unwrap();
    follow(author, &bytes);
    bytes
}

/// Follows an entry that somebody signed.
pub(crate) fn follow(author: &mut Follower, bytes: &[u8]) {
    let reader = Reader { terminal: None, now_s: None };
    let authorised = author.trust().authorise(bytes, &reader).unwrap();
    author.follow(&authorised, bytes).unwrap();
}

/// A person's record and face, sealed to the site.
pub(crate) fn person(id: &str, face: &[f32]) -> Vec<Change> {
    person_of(id, face, REFERENCES.0)
}

/// The same with a face as this model made it.
pub(crate) fn person_of(id: &str, face: &[f32], version: TemplateVersion) -> Vec<Change> {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut seal = |slot, content: &[u8]| {
        let at = PersonSlot { person: id.parse().unwrap(), slot, number: 0 };
        Change::PersonPut(opening().sealing_key().seal(&site(), at, 1, content, &mut rng).unwrap())
    };
    let record = Record { name: Text::cut(id), valid_from_ms: None, valid_until_ms: None, suspended: false };
    let TemplateVersion { model, preprocessing } = version;
    let template = Template::new(model, preprocessing, face, Text::cut("photo"), 0);
    vec![seal(Slot::Record, &contents::write(&record)), seal(Slot::Template, &contents::write(&template))]
}

/// The root's word that a key's orders are not obeyed any more, one key for each number.
pub(crate) fn denial(number: u8) -> Vec<u8> {
    let denied = PublicKey::of(&key(number.wrapping_add(20))).id();
    let denial = Denial { until: 2, persons: List::default(), keys: List::first([denied]) };
    let heading = Heading {
        kind: Kind::Denial,
        site: site(),
        terminal: None,
        seq: u64::from(number) + 1,
        issued_s: SystemClock::default().now().wall.ms / 1000,
        expires_s: None,
    };
    message::sign(&heading, &denial, &key(ROOT_KEY)).unwrap()
}

/// The key of the terminal, which is the same for every store under the same master key and identity.
pub(crate) type TerminalKey = Arc<Mutex<Option<PublicKey>>>;

/// The terminal.
pub(crate) struct Door {
    folder: TempDir,
    path: PathBuf,
    threads: Option<Supervisor>,
    journal: JournalLink,
    clock: Arc<dyn Clock>,
    appended: Arc<AtomicU64>,
    seen: Arc<Seen>,
}

/// What reached the terminal's thread.
struct Seen {
    obeyed: Mutex<Vec<Command>>,
    denials: AtomicU64,
    entries: AtomicU64,
    people: Mutex<People>,
}

impl Door {
    pub(crate) fn start(broker: &Broker) -> Self {
        Self::start_by(broker, broker.way(TERMINAL), Arc::new(SystemClock::default()))
    }

    /// Starts one that goes another way to the broker, by a clock of its own.
    pub(crate) fn start_by(broker: &Broker, way: line::Broker, clock: Arc<dyn Clock>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("door.db");
        let store = Store::create(&path, &master(), &site(), &terminal()).unwrap();
        broker.tell_terminal_key(PublicKey::of(&store.device_key()));
        Self::run(folder, store, way, clock)
    }

    /// Starts it again over the store that it left.
    pub(crate) fn start_again(mut self, broker: &Broker) -> Self {
        self.stop();
        let store = Store::open(&self.path, &master()).unwrap();
        Self::run(self.folder, store, broker.way(TERMINAL), self.clock)
    }

    fn run(folder: TempDir, mut store: Store, way: line::Broker, clock: Arc<dyn Clock>) -> Self {
        let path = folder.path().join("door.db");
        let people = journal::load_people(&mut store, REFERENCES.0, REFERENCES.1).unwrap();
        let mut threads = Supervisor::new(Arc::clone(&clock));
        let identity = identify(&store, 1, Level::Convenience).unwrap();
        let (journal, requests) = journal::link();
        let (to_terminal, inputs) = sync_channel(16);
        let (appended, newest) = channel();
        let config = CentreConfig {
            broker: way,
            root: PublicKey::of(&key(ROOT_KEY)),
            genesis: GENESIS,
            joined: None,
            opening_key: PathBuf::new(),
        };
        let intake = Intake::new(site(), vec![opening()], store.transform_key(), REFERENCES)
            .joined(PublicKey::of(&store.device_key()).id(), store.joining_key());
        let uplink = centre::start(&mut threads, &clock, config, identity, intake, &journal, &to_terminal);
        let listeners = Listeners { terminal: to_terminal, uplink: appended };
        let time = Arc::clone(&clock);
        threads.spawn("store", false, move |beat| {
            journal::serve(&beat, time.as_ref(), store, REFERENCES, &requests, &listeners)
        });
        let (time, link) = (Arc::clone(&clock), journal.clone());
        threads.spawn("uplink", false, move |beat| {
            uplink::run(&beat, time.as_ref(), Outbox::new(0, 0), uplink, &link, &newest)
        });
        let seen = Arc::new(Seen {
            obeyed: Mutex::default(),
            denials: AtomicU64::default(),
            entries: AtomicU64::default(),
            people: Mutex::new(people),
        });
        let sees = Arc::clone(&seen);
        threads.spawn("terminal", false, move |beat| obey(&beat, &inputs, &sees));
        let threads = Some(threads);
        Self { folder, path, threads, journal, clock, appended: Arc::default(), seen }
    }

    /// Who would be let in with this face: somebody it resembles, who has a right to pass.
    pub(crate) fn lets_in(&self, face: &[f32]) -> Option<String> {
        let people = self.seen.people.lock().unwrap();
        let probe = UnitVector::normalise(face.to_vec()).unwrap();
        let best = people.gallery.identify(&people.transform.protect(&probe).unwrap())?;
        let permitted = people.permits.get(&best.person).is_some_and(|permit| !permit.suspended);
        (best.score > 0.9 && permitted).then(|| best.person.to_string())
    }

    /// Puts so many reports on record, and returns the number of the newest.
    pub(crate) fn record(&mut self, count: u64) -> u64 {
        for _ in 0..count {
            let event = format!("event {}", self.appended.load(Ordering::Relaxed));
            let what = What::Door(DoorReport { door: "front".parse().unwrap(), event });
            let seq = self.journal.append(&what, self.clock.now().wall).unwrap();
            self.appended.store(seq, Ordering::Relaxed);
        }
        self.appended.load(Ordering::Relaxed)
    }

    /// The number through which the store knows that the centre has everything.
    pub(crate) fn acknowledged(&self) -> u64 {
        Store::open(&self.path, &master()).unwrap().acknowledged().unwrap()
    }

    /// The bytes of every record.
    pub(crate) fn trail(&self) -> Vec<Vec<u8>> {
        let store = Store::open(&self.path, &master()).unwrap();
        let (mut trail, mut after) = (Vec::new(), 0);
        loop {
            let page = store.records(after, usize::MAX).unwrap();
            let Some(last) = page.last() else { return trail };
            after = last.seq;
            trail.extend(page.into_iter().map(|record| record.bytes));
        }
    }

    /// Does something to its store as another process does, on a connection of its own.
    pub(crate) fn beside(&self, change: impl FnOnce(&mut Store, Wall)) {
        let mut store = Store::open(&self.path, &master()).unwrap();
        change(&mut store, self.clock.now().wall);
        store.close().unwrap();
    }

    /// What was ordered and came through.
    pub(crate) fn obeyed(&self) -> Vec<Command> {
        self.seen.obeyed.lock().unwrap().clone()
    }

    /// How often somebody was denied.
    pub(crate) fn denials(&self) -> u64 {
        self.seen.denials.load(Ordering::Relaxed)
    }

    /// How many entries of the roster took effect in this life.
    pub(crate) fn entries(&self) -> u64 {
        self.seen.entries.load(Ordering::Relaxed)
    }

    /// Ends it as a stopping program does.
    pub(crate) fn stop(&mut self) {
        self.threads.take().unwrap().stop();
    }
}

fn obey(beat: &Beat, inputs: &Receiver<Input>, seen: &Seen) -> anyhow::Result<()> {
    while !beat.stopping() {
        match inputs.recv_timeout(Duration::from_millis(50)) {
            Ok(Input::Order(order, reply)) => {
                seen.obeyed.lock().unwrap().push(order.command().clone());
                let reply: SyncSender<_> = reply;
                reply.send((Outcome::Done, None)).unwrap();
            }
            Ok(Input::People(people)) => *seen.people.lock().unwrap() = *people,
            Ok(Input::Deny(_)) => drop(seen.denials.fetch_add(1, Ordering::Relaxed)),
            Ok(Input::Known(persons)) => {
                seen.people.lock().unwrap().learn(persons);
                seen.entries.fetch_add(1, Ordering::Relaxed);
            }
            Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    Ok(())
}

/// The key that a terminal told.
pub(crate) fn told(terminal_key: &TerminalKey) -> PublicKey {
    wait_for("the terminal has its key", || terminal_key.lock().unwrap().is_some());
    terminal_key.lock().unwrap().unwrap()
}
