//! A site's roster onto an empty terminal while it decides: how long it takes, and what it costs the decisions.
//!
//! `cargo bench -p doorward-tests --bench roster [-- PERSONS AT_ONCE]`; so many persons stand in one entry. Everything from a signed entry to its rows is real: the
//! signature, the state tree, the opening of what is sealed, the transaction, the store's own thread. Only the network is
//! not here. A decision is a search among whom the terminal knows by then, and its record.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel, sync_channel};
use std::time::{Duration, Instant};

use doorward_core::audit::Journal as _;
use doorward_core::centre::{Centre, Effect, Input as CentreInput, Own};
use doorward_core::intake::Intake;
use doorward_core::liveness::Level;
use doorward_core::template::{TemplateVersion, UnitVector};
use doorward_core::time::Now;
use doorward_daemon::journal::{self, JournalLink, Listeners, load_people};
use doorward_daemon::people::People;
use doorward_daemon::supervise::Supervisor;
use doorward_daemon::terminal::Input;
use doorward_hal::clock::{Clock, SystemClock};
use doorward_protocol::audit::{DoorReport, Head, What};
use doorward_protocol::contents::{self, Content, Record, Template};
use doorward_protocol::envelope::{Heading, Kind};
use doorward_protocol::ids::SiteId;
use doorward_protocol::keys::{PublicKey, Role, SigningKey};
use doorward_protocol::message::{self, Text};
use doorward_protocol::roster::{CHANGES_MAX, Change, Entry, Follower, PersonSlot};
use doorward_protocol::sealing::OpeningKey;
use doorward_protocol::trust::{Delegation, Reader, Trust};
use doorward_store::{MasterKey, Store};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha20Rng;

const PERSONS: usize = 50_000;
const DIMENSION: usize = 128;
const VERSION: TemplateVersion = TemplateVersion { model: [3; 32], preprocessing: 1 };
/// Parts in which the roster comes. Before each of them decisions are measured without it: a disk's mood changes within
/// seconds, and so both see the same of it.
const PARTS: usize = 20;
/// Decisions measured before each part.
const IDLE: usize = 50;
/// Milliseconds between two decisions, drawn anew each time: more decisions than any door has.
const APART_MS: std::ops::Range<u64> = 30..70;

fn main() {
    // Cargo adds an option of its own.
    let mut told = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let mut number = |usual| told.next().map_or(usual, |word| word.parse().expect("a number"));
    let (persons, at_once) = (number(PERSONS), number(CHANGES_MAX / 2).min(CHANGES_MAX / 2));
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let opening = OpeningKey::draw(&mut rng);
    let entries = signed((persons, at_once), &opening, &mut rng);
    println!("{persons} persons, one template of {DIMENSION} values each, in {} entries", entries.len());

    let folder = tempfile::tempdir().expect("a folder");
    let mut terminal = Terminal::start(folder.path());
    let intake = Intake::new(site(), vec![opening], terminal.transform_key.clone(), (VERSION, DIMENSION));
    let mut following = Following::begin(intake, terminal.journal.clone());
    let (mut between, mut meanwhile, mut took) = (Vec::new(), Vec::new(), Duration::ZERO);
    for part in entries.chunks(entries.len().div_ceil(PARTS)) {
        between.extend(terminal.decide(&AtomicBool::new(false), IDLE));
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let began = now();
                following.follow(part);
                took += now() - began;
                done.store(true, Ordering::Relaxed);
            });
            meanwhile.extend(terminal.decide(&done, usize::MAX));
        });
    }
    assert_eq!(following.centre.roster().head().seq, entries.len() as u64);
    let began = now();
    while terminal.people.gallery.len() < persons {
        terminal.hear();
        terminal.clock.sleep(Duration::from_millis(5));
    }
    println!(
        "in the store after {:.1} s, in memory {:.1} s later",
        took.as_secs_f64(),
        (now() - began).as_secs_f64()
    );
    for (word, took) in [("between", &between), ("meanwhile", &meanwhile)] {
        let part = |part: fn(&Took) -> Duration, percent| at(took.iter().map(part).collect(), percent);
        println!(
            "{word:>9}: {} decisions, p50 {:.1} ms, p95 {:.1} ms; p95 of the search {:.1}, of the record {:.1}",
            took.len(),
            part(Took::whole, 50),
            part(Took::whole, 95),
            part(|took| took.search, 95),
            part(|took| took.record, 95),
        );
    }
    let p95 = |took: &[Took]| at(took.iter().map(Took::whole).collect(), 95);
    println!("p95 meanwhile / between: {:.2}", p95(&meanwhile) / p95(&between));
}

/// How long a decision took.
struct Took {
    search: Duration,
    record: Duration,
}

impl Took {
    fn whole(&self) -> Duration {
        self.search + self.record
    }
}

/// The terminal's memory and the way to its store.
struct Terminal {
    clock: Arc<dyn Clock>,
    journal: JournalLink,
    people: People,
    news: Receiver<Input>,
    transform_key: zeroize::Zeroizing<[u8; 32]>,
    _threads: Supervisor,
}

impl Terminal {
    fn start(folder: &Path) -> Self {
        let key = MasterKey::create(&folder.join("key")).expect("a key");
        let path = folder.join("door.db");
        let terminal = "front".parse().expect("an identifier");
        let mut store = Store::create(&path, &key, &site(), &terminal).expect("a store");
        let people = load_people(&mut store, VERSION, DIMENSION).expect("nobody");
        let transform_key = store.transform_key();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let mut threads = Supervisor::new(Arc::clone(&clock));
        let (journal, requests) = journal::link();
        let (to_terminal, news) = sync_channel(16);
        let listeners = Listeners { terminal: to_terminal, uplink: channel().0 };
        let time = Arc::clone(&clock);
        threads.spawn("store", false, move |beat| {
            journal::serve(&beat, time.as_ref(), store, (VERSION, DIMENSION), &requests, &listeners)
        });
        Self { clock, journal, people, news, transform_key, _threads: threads }
    }

    /// Takes over whom the store thread read.
    fn hear(&mut self) {
        while let Ok(input) = self.news.try_recv() {
            if let Input::Known(known) = input {
                self.people.learn(known);
            }
        }
    }

    /// Decides until `done`, at most so many times; how long each took.
    fn decide(&mut self, done: &AtomicBool, most: usize) -> Vec<Took> {
        let mut rng = ChaCha20Rng::seed_from_u64(9);
        let mut all = Vec::new();
        while !done.load(Ordering::Relaxed) && all.len() < most {
            self.clock.sleep(Duration::from_millis(rng.random_range(APART_MS)));
            self.hear();
            let probe = UnitVector::normalise(face(&mut rng)).expect("a direction");
            let began = now();
            let probe = self.people.transform.protect(&probe).expect("of this length");
            let best = self.people.gallery.identify(&probe).map_or(-1.0, |best| best.score);
            let search = now() - began;
            let event = format!("decided at {best:.2}");
            let what = What::Door(DoorReport { door: "front".parse().expect("an identifier"), event });
            self.journal.append(&what, self.clock.now().wall).expect("recorded");
            all.push(Took { search, record: now() - began - search });
        }
        all
    }
}

/// Follows the entries as the centre's thread does.
struct Following {
    centre: Centre,
    intake: Intake,
    journal: JournalLink,
}

impl Following {
    fn begin(intake: Intake, journal: JournalLink) -> Self {
        let own = Own {
            site: site(),
            terminal: "front".parse().expect("an identifier"),
            session: [1; 16],
            start: 1,
            genesis: [0; 32],
            version: String::new(),
            level: Level::Standard,
        };
        Self { centre: Centre::new(own, key(4), Follower::new([0; 32], trust()), None), intake, journal }
    }

    fn follow(&mut self, entries: &[Vec<u8>]) {
        let (clock, trail) = (SystemClock::default(), Head::genesis([0; 32]));
        for bytes in entries {
            let topic = "doorward/site/front/roster/feed".to_owned();
            let input = CentreInput::Arrived { topic, bytes: bytes.clone(), retained: false };
            for effect in self.centre.handle(input, clock.now(), trail) {
                let Effect::Take(taking) = effect else { continue };
                let Now { wall, .. } = clock.now();
                let taken =
                    self.journal.take(self.intake.take(taking.head, &taking.changes), wall).expect("taken");
                assert_eq!(taken, 0, "nothing is left out");
                self.centre.handle(CentreInput::Taken(taking.head), clock.now(), trail);
            }
        }
    }
}

fn signed((persons, at_once): (usize, usize), opening: &OpeningKey, rng: &mut ChaCha20Rng) -> Vec<Vec<u8>> {
    let mut author = Follower::new([0; 32], trust());
    let numbers: Vec<usize> = (0..persons).collect();
    let entry = |part: &[usize]| {
        let changes: Vec<Change> = part.iter().flat_map(|number| person(*number, opening, rng)).collect();
        let state = author.foresee(&changes).expect("changes that can be");
        let head = author.head();
        let entry = Entry { before: head.hash.into(), state: state.into(), changes };
        let heading = Heading {
            kind: Kind::Roster,
            site: site(),
            terminal: None,
            seq: head.seq + 1,
            issued_s: 0,
            expires_s: None,
        };
        let bytes = message::sign(&heading, &entry, &key(2)).expect("an entry fits a message");
        let entry =
            author.trust().authorise(&bytes, &Reader { terminal: None, now_s: None }).expect("an enroller");
        author.follow(&entry, &bytes).expect("the next entry");
        bytes
    };
    numbers.chunks(at_once).map(entry).collect()
}

fn person(number: usize, opening: &OpeningKey, rng: &mut ChaCha20Rng) -> [Change; 2] {
    let record =
        Record { name: Text::cut("A Person"), valid_from_ms: None, valid_until_ms: None, suspended: false };
    let vector = UnitVector::normalise(face(rng)).expect("a direction");
    let template =
        Template::new(VERSION.model, VERSION.preprocessing, vector.values(), Text::cut("photo"), 0);
    [put(number, &record, opening, rng), put(number, &template, opening, rng)]
}

fn put<T: Content>(number: usize, content: &T, opening: &OpeningKey, rng: &mut ChaCha20Rng) -> Change {
    let at =
        PersonSlot { person: format!("p{number}").parse().expect("an identifier"), slot: T::SLOT, number: 0 };
    let sealed = opening.sealing_key().seal(&site(), at, T::FORM, &contents::write(content), rng);
    Change::PersonPut(sealed.expect("contents are short"))
}

fn face(rng: &mut ChaCha20Rng) -> Vec<f32> {
    (0..DIMENSION).map(|_| rng.random_range(-1.0..1.0)).collect()
}

fn trust() -> Trust {
    let mut trust = Trust::pinned(site(), PublicKey::of(&key(1)));
    let delegation = Delegation {
        key: PublicKey::of(&key(2)),
        holder: "enroller".to_owned(),
        roles: vec![Role::Enroller],
        terminal: None,
        from_s: i64::MIN,
        until_s: i64::MAX,
        joined_with: None,
    };
    trust.delegate(&delegation).expect("a role can be given");
    trust
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn site() -> SiteId {
    "site".parse().expect("an identifier")
}

fn at(mut took: Vec<Duration>, percent: usize) -> f64 {
    took.sort_unstable();
    let place = (took.len() * percent / 100).min(took.len().saturating_sub(1));
    took.get(place).map_or(0.0, |took| took.as_secs_f64() * 1000.0)
}

#[expect(clippy::disallowed_methods, reason = "a bench reads the clock")]
fn now() -> Instant {
    Instant::now()
}
