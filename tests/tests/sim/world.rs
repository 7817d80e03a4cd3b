//! The world: one terminal with its store, its door, its centre, and everything that can go wrong with them.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use doorward_core::attempt::Evidence;
use doorward_core::calibration::{Calibration, Point};
use doorward_core::claim::{Mode, Terms};
use doorward_core::decision::Cue;
use doorward_core::door::{self, OnTamper, Signal, Trouble};
use doorward_core::frame::Frameset;
use doorward_core::freshness::Freshness;
use doorward_core::liveness::emitter::Pattern;
use doorward_core::outbox::{Effect, Input as OutboxInput, Outbox};
use doorward_core::policy::{Rules, UntrustedTime};
use doorward_core::schedule::Weekly;
use doorward_core::time::{ClockTrust, Mono, Now, Wall};
use doorward_core::wiegand::reader::Reader;
use doorward_core::{attempt, liveness, quality};
use doorward_daemon::assembly::begin;
use doorward_daemon::emitter::LightMeter;
use doorward_daemon::journal::load_people;
use doorward_daemon::terminal::{Devices, Examiner, Input, Observation, Standing, Terminal};
use doorward_hal::clock::Clock;
use doorward_hal::fake::{self, FakeClock};
use doorward_protocol::audit::{Head, Record, Verifier};
use doorward_protocol::ids::PersonId;
use doorward_store::{MasterKey, Store};
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

use crate::asking::Program;
use crate::checks::{self, Totals};
use crate::clockwork::{Clockwork, Passed};
use crate::event::Event;
use crate::eyes::{self, DIMENSION, Script, Sensor, Tape, VERSION, View};
use crate::hands;
use crate::hardware::Hardware;
use crate::model::Model;
use crate::office::Office;
use crate::pairs::Pairs;
use crate::power::{Cut, Dark, Disk, Lock, SharedWires, Wires};
use crate::proof::{self, Proof};

/// Monday 2026-01-05, 10:00 UTC.
pub(crate) const MONDAY_MS: i64 = 1_767_607_200_000;
/// Time between framesets.
pub(crate) const FRAME: Duration = Duration::from_millis(100);

/// The centre, which has every entry once and in order.
pub(crate) struct Centre {
    /// Follows the chain.
    pub(crate) chain: Verifier,
    /// How often each entry came.
    pub(crate) received: BTreeMap<u64, Record>,
}

/// Everything.
pub(crate) struct World {
    /// Time.
    pub(crate) clock: FakeClock,
    /// Effects.
    pub(crate) wires: SharedWires,
    /// What stands before the cameras, and whether they work.
    pub(crate) view: Arc<Mutex<View>>,
    /// The store in use.
    pub(crate) store: Arc<Mutex<Store>>,
    /// The reference.
    pub(crate) model: Model,
    /// The door.
    pub(crate) hardware: Hardware,
    /// Alarms and faults that are set.
    pub(crate) pairs: Pairs,
    /// The centre.
    pub(crate) centre: Centre,
    /// Where orders come from.
    pub(crate) office: Office,
    /// What happened in this run.
    pub(crate) totals: Totals,
    /// What stood there lately.
    pub(crate) proof: Proof,
    /// What the emitter is told.
    pub(crate) pattern: Pattern,
    /// What is known of that.
    pub(crate) meter: LightMeter,
    /// What the panel shows.
    pub(crate) shown: Arc<Mutex<Option<Cue>>>,
    terminal: Option<Terminal>,
    examiner: Examiner,
    /// The card reader beside the door.
    pub(crate) reader: Reader,
    observed: Arc<Mutex<Vec<Observation>>>,
    outbox: Outbox,
    /// Whether there is a way to the centre.
    pub(crate) link: bool,
    /// Whether the next acknowledgement gets lost.
    pub(crate) lose_acknowledgement: bool,
    /// The camera that repeats its last picture, if one does.
    pub(crate) frozen: Option<Sensor>,
    last_look: Option<Frameset>,
    /// What the cameras say of when their frames were taken.
    pub(crate) clockwork: Clockwork,
    /// A recording, and whether it is played.
    pub(crate) tape: Tape,
    /// The program beside the door.
    pub(crate) program: Program,
    /// Framesets so far.
    pub(crate) frames: u32,
    folder: TempDir,
    store_path: PathBuf,
    /// How often the power was cut.
    pub(crate) lives: u32,
    key: MasterKey,
    true_wall_ms: i64,
    /// The latest that the terminal's clock ever said.
    pub(crate) latest_ms: i64,
}

impl World {
    /// A terminal with four persons, on a Monday morning.
    pub(crate) fn new(seed: u64, rng: &mut ChaCha8Rng) -> Self {
        let folder =
            tempfile::Builder::new().prefix("doorward-sim-").tempdir_in(fast_folder()).expect("a folder");
        let key = MasterKey::create(&folder.path().join("master.key")).expect("a key");
        let store_path = folder.path().join("life-0.db");
        let site = "site".parse().expect("an identifier");
        let terminal = "front".parse().expect("an identifier");
        let store = Store::create(&store_path, &key, &site, &terminal).expect("a store");
        let genesis = store.head().expect("a head");
        let start = Now {
            mono: Mono::from_millis(1000 + seed),
            wall: Wall { ms: MONDAY_MS, trust: ClockTrust::Synchronised },
        };
        let clock = fake::clock(start);
        let view = Arc::new(Mutex::new(View::empty()));
        let examiner = Examiner {
            vision: Box::new(Script::new(Arc::clone(&view))),
            quality: quality::Limits { eye_distance_min: 10.0, ..quality::Limits::default() },
            liveness: liveness::Policy::default(),
            freshness: Freshness::default(),
            light: None,
            clock: Arc::new(clock.clone()),
        };
        let modes = [Mode::Face, Mode::CardAndFace, Mode::PinAndFace, Mode::FaceOrCardAndFace];
        let mode = modes[rng.random_range(0..modes.len())];
        let consequences = [OnTamper::Report, OnTamper::Report, OnTamper::Lockdown, OnTamper::Erase];
        let on_tamper = consequences[rng.random_range(0..consequences.len())];
        let policy = proof::policy(rng);
        let mut world = Self {
            clock,
            proof: Proof::default(),
            pattern: Pattern::new(rng.random()),
            meter: LightMeter::new(Duration::ZERO),
            shown: Arc::default(),
            wires: Arc::new(Mutex::new(Wires::default())),
            view,
            store: Arc::new(Mutex::new(store)),
            model: Model::new(policy, (rng.random(), rng.random()), mode, on_tamper),
            hardware: Hardware::default(),
            pairs: Pairs::default(),
            centre: Centre { chain: Verifier::new(genesis), received: BTreeMap::new() },
            office: Office::new(policy.level),
            totals: Totals::default(),
            terminal: None,
            examiner,
            reader: hands::reader(),
            observed: Arc::default(),
            outbox: Outbox::new(0, 0),
            link: true,
            lose_acknowledgement: false,
            frozen: None,
            last_look: None,
            clockwork: Clockwork::begin(start.mono),
            tape: Tape::default(),
            program: Program::default(),
            frames: 0,
            folder,
            store_path,
            lives: 0,
            key,
            true_wall_ms: MONDAY_MS,
            latest_ms: MONDAY_MS,
        };
        (0..4).for_each(|who| world.enrol(who));
        world.boot();
        world
    }

    /// Takes one event to its end.
    pub(crate) fn happen(&mut self, event: &Event) {
        self.totals.events += 1;
        match *event {
            Event::Appear(figure) => self.view().figure = figure,
            Event::Look(frames) => (0..frames).for_each(|_| self.look()),
            Event::Wait(ms) => self.pass(Duration::from_millis(ms)),
            Event::Leaf(open) => self.move_leaf(open),
            Event::Egress => {
                [true, false].into_iter().for_each(|down| self.set_point(door::Point::Egress, down))
            }
            Event::Button(down) => self.set_point(door::Point::Egress, down),
            Event::Fire(on) => self.set_point(door::Point::Fire, on),
            Event::Tamper(open) => self.set_point(door::Point::Tamper, open),
            Event::PowerFail(failed) => self.set_point(door::Point::Power, failed),
            Event::Loop(point, reads) => {
                let trouble = [None, Some(Trouble::Cut), Some(Trouble::Short)][usize::from(reads)];
                self.set_loop(door::Point::ALL[point], trouble);
            }
            Event::InfraredLost(lost) => self.view().infrared_lost = lost,
            Event::DepthLost(lost) => self.view().depth_lost = lost,
            Event::Frozen(frozen) => self.frozen = frozen,
            Event::Lamp(lamp) => self.view().lamp = lamp,
            Event::Obedient(obedient) => self.view().obedient = obedient,
            Event::Closed(closed) => self.view().closed = closed,
            Event::Looped(sensor) => self.tape.play(sensor),
            Event::Restamped(lie) => self.clockwork.lie(lie),
            // Nothing else comes of it, not even another try to reach the centre.
            Event::Session(deed) => return self.use_session(deed),
            Event::ModelsBroken(broken) => self.view().broken = broken,
            Event::DiskFull(full) => self.wires().disk_full = full,
            Event::RelayBroken(broken) => {
                self.wires().relay_broken = broken;
                // A relay that obeys again is told within half a second what it missed.
                self.pass(Duration::from_millis(600));
            }
            Event::ClockJump { ms, set } => self.jump(ms, set),
            Event::Link(up) => self.link = up,
            Event::AcknowledgementLost => self.lose_acknowledgement = true,
            Event::Enrol(who) => self.change_people(|world| world.enrol(who)),
            Event::Erase(who) => self.change_people(|world| world.erase(who)),
            Event::Suspend(who, on) => self.change_people(|world| world.suspend(who, on)),
            Event::Card(purse) => self.hold_card(purse),
            Event::Pin(who) => self.type_pin(who),
            Event::Code(who) => self.hold_up_code(who),
            Event::Approach { who, owner, kind } => self.approach(who, owner, kind),
            Event::Order(wish, blemish) => self.order(wish, blemish),
            Event::Roster(edit) => self.sign(edit),
            Event::Picture(who, agreed) => self.have_pictured(who, agreed),
            Event::PowerCut(effects) => self.wires().cut_in = Some(effects),
            Event::Restart => self.restart(),
        }
        self.bring_roster();
        self.talk_to_centre();
    }

    /// The store's entries after a number.
    pub(crate) fn entries(&self, after: u64) -> Vec<Record> {
        let store = self.store.lock().expect("one thread");
        let mut entries: Vec<Record> = Vec::new();
        loop {
            let from = entries.last().map_or(after, |last| last.seq);
            let more = store.records(from, doorward_store::RECORDS_MAX).expect("the audit trail can be read");
            if more.is_empty() {
                return entries;
            }
            entries.extend(more);
        }
    }

    /// Checks the files of the store as an auditor would.
    pub(crate) fn audit(&self) {
        let report = doorward_store::verify(&self.store_path, &self.key, |_, _| {});
        report.unwrap_or_else(|finding| panic!("the store does not verify: {finding:?}"));
    }

    /// What the store held when the centre began.
    pub(crate) fn head(&self) -> Head {
        self.store.lock().expect("one thread").head().expect("a head")
    }

    /// How many persons the store has.
    pub(crate) fn persons_kept(&self) -> u64 {
        self.store.lock().expect("one thread").counts().expect("readable").persons
    }

    /// The view, to be changed.
    pub(crate) fn view(&self) -> std::sync::MutexGuard<'_, View> {
        self.view.lock().expect("one thread")
    }

    /// The wires, to be changed.
    pub(crate) fn wires(&self) -> std::sync::MutexGuard<'_, Wires> {
        self.wires.lock().expect("one thread")
    }

    /// Where the terminal stands.
    pub(crate) fn standing(&self) -> Option<Standing> {
        self.terminal.as_ref().map(|terminal| terminal.standing(self.clock.now()))
    }

    /// Of whom the terminal keeps a picture.
    pub(crate) fn keeps_picture_of(&self) -> Option<PersonId> {
        self.terminal.as_ref().and_then(Terminal::keeps_picture_of).cloned()
    }

    /// Takes the observations since the last call.
    pub(crate) fn observations(&self) -> Vec<Observation> {
        std::mem::take(&mut self.observed.lock().expect("one thread"))
    }

    pub(crate) fn look(&mut self) {
        self.pass(FRAME);
        self.frames += 1;
        self.shine();
        self.move_as_told();
        let view = *self.view();
        let now = self.clock.now().mono;
        let mut frames = eyes::frameset(&view, now, self.frames);
        if let (Some(sensor), Some(before)) = (self.frozen, &self.last_look) {
            frames = eyes::frozen(frames, sensor, before);
            self.totals.frozen += 1;
        }
        frames = self.tape.through(frames);
        self.totals.looped += u64::from(self.tape.plays().is_some());
        self.last_look = Some(frames.clone());
        self.totals.frames += 1;
        let Passed { frames, untimely, blind } = self.clockwork.pass(frames, self.model.policy.fitted, now);
        self.totals.untimely += u64::from(untimely.is_some());
        // A life that ends meanwhile tells the rest of it no more.
        while let Some(report) = self.clockwork.report() {
            self.totals.cameras_reported += 1;
            self.step(Input::Fault(report));
        }
        let Some(frames) = frames else {
            if blind {
                self.step(Input::Evidence(Evidence::Fault.into()));
            }
            return;
        };
        self.proof.see(now, view, self.frozen.or(untimely));
        let full = self.wires().disk_full;
        self.program.see(view.figure, full);
        let (look, _) = self.examiner.examine(frames);
        self.step(Input::Evidence(look));
    }

    /// Lets the terminal hear from the wiring.
    pub(crate) fn signal(&mut self, signal: Signal) {
        self.step(Input::Signal(signal));
    }

    pub(crate) fn follow_pairs(&mut self) {
        let entries = std::mem::take(&mut self.wires().entries);
        entries.iter().for_each(|what| self.pairs.follow(what));
    }

    /// Lets time pass the way the terminal thread does: a step at each deadline.
    pub(crate) fn pass(&mut self, duration: Duration) {
        let end = self.clock.now().mono + duration;
        loop {
            let now = self.clock.now().mono;
            let due = self.terminal.as_ref().and_then(Terminal::deadline).filter(|at| *at < end);
            let Some(due) = due else {
                self.advance(end.since(now));
                break;
            };
            self.advance(due.since(now).max(Duration::from_millis(1)));
            self.step(Input::Tick);
        }
        self.step(Input::Tick);
    }

    fn advance(&mut self, by: Duration) {
        self.clock.advance(by);
        self.true_wall_ms += i64::try_from(by.as_millis()).expect("a short time");
    }

    pub(crate) fn jump(&mut self, ms: i64, set: bool) {
        let trust = if set { ClockTrust::Synchronised } else { ClockTrust::HeldOver };
        let ms = self.clock.now().wall.ms.saturating_add(ms).max(0);
        self.latest_ms = self.latest_ms.max(ms);
        self.clock.set_wall(Wall { ms, trust });
        self.step(Input::Tick);
    }

    /// One step of the real terminal; a power cut ends it and begins the next life.
    pub(crate) fn step(&mut self, input: Input) {
        // What was decided before is judged by what held before: this step may erase everybody.
        checks::decisions_are_allowed(self);
        let Some(mut terminal) = self.terminal.take() else { return };
        let (now, tampered) = (self.clock.now(), self.pairs.count("tampered"));
        let outcome = catch_unwind(AssertUnwindSafe(move || {
            terminal.step(input, now);
            terminal
        }));
        self.follow_pairs();
        let erased = self.wires().erased.take();
        erased.into_iter().for_each(|done| self.model.erased_everybody(done));
        match outcome {
            Ok(terminal) => {
                let over = terminal.over(self.clock.now());
                self.terminal = Some(terminal);
                self.check_erased(tampered);
                if over {
                    self.restart();
                }
            }
            Err(panic) if panic.is::<Cut>() => self.lose_power(),
            Err(panic) => resume_unwind(panic),
        }
    }

    /// Power is gone in the middle of an effect: memory is lost, the lock falls shut, the disk keeps what it has.
    pub(crate) fn lose_power(&mut self) {
        self.totals.cuts += 1;
        self.wires().released = None;
        self.terminal = None;
        self.lives += 1;
        let next = self.folder.path().join(format!("life-{}.db", self.lives));
        copy_store(&self.store_path, &next);
        self.store_path = next;
        let store = Store::open(&self.store_path, &self.key)
            .unwrap_or_else(|e| panic!("the store does not open after a power cut: {e}"));
        self.store = Arc::new(Mutex::new(store));
        self.audit();
        self.boot();
    }

    fn restart(&mut self) {
        if let Some(mut terminal) = self.terminal.take() {
            let now = self.clock.now();
            let stopped = catch_unwind(AssertUnwindSafe(move || terminal.stop("signal", now)));
            match stopped {
                Ok(()) => self.wires().released = None,
                Err(panic) if panic.is::<Cut>() => return self.lose_power(),
                Err(panic) => resume_unwind(panic),
            }
        }
        self.boot();
    }

    /// Starts a terminal over the store, as doord does.
    fn boot(&mut self) {
        self.wires().cut_in = None;
        let heads = {
            let store = self.store.lock().expect("one thread");
            (store.followed().expect("readable"), store.roster_known().expect("readable"))
        };
        self.office.level = self.model.policy.level;
        self.office.begin(heads, self.clock.now(), self.head());
        self.tell_model();
        self.follow_pairs();
        self.pairs.start();
        let on_tamper = self.model.on_tamper;
        self.model.disarmed = false;
        self.model.seen.clear();
        let periods = if self.model.workdays_only { "Mon-Fri 07:00-19:00" } else { "always" };
        let rules = Rules {
            door: "front".parse().expect("an identifier"),
            open_for: Duration::from_secs(5),
            weekly: Weekly::parse("UTC", &[periods]).expect("a schedule"),
            max_fpir: 1e-4,
            margin_min: 0.05,
            untrusted_time: UntrustedTime::Deny,
            terms: Terms { mode: self.model.mode, without_face: self.model.without_face, ..Terms::default() },
        };
        let points = vec![
            Point { score: 0.3, fmr: 1e-3 },
            Point { score: 0.4, fmr: 1e-4 },
            Point { score: 0.5, fmr: 1e-5 },
            Point { score: 0.6, fmr: 1e-6 },
        ];
        let calibration = Calibration::new(points, 10_000_000).expect("a calibration");
        let policy = self.model.policy;
        let mut store = self.store.lock().expect("one thread");
        let beginning =
            begin(&store, attempt::Limits::default(), policy).expect("the store's history can be read");
        let people = load_people(&mut store, VERSION, DIMENSION).expect("the store's persons can be read");
        let (acknowledged, head) = (store.acknowledged().expect("readable"), store.head().expect("a head"));
        drop(store);
        self.outbox = Outbox::new(acknowledged, head.seq);
        let observed = Arc::clone(&self.observed);
        let relay = Lock { wires: Arc::clone(&self.wires), clock: Arc::new(self.clock.clone()) };
        let journal = self.disk();
        self.examiner.freshness = Freshness::default();
        self.examiner.liveness = policy;
        self.examiner.light = policy.emitter.then(|| self.meter.clone());
        *self.shown.lock().expect("one thread") = None;
        let shown = Arc::clone(&self.shown);
        self.tape.cut();
        self.clockwork = Clockwork::begin(self.clock.now().mono);
        self.program.forget();
        self.terminal = Some(Terminal::new(
            people,
            (rules, calibration, door::Settings { on_tamper, ..door::Settings::default() }),
            beginning,
            Devices { relay: Box::new(relay), panel: Box::new(Dark) },
            Box::new(journal),
            Box::new(move |observation| {
                if let Observation::Shown(cue) = &observation {
                    *shown.lock().expect("one thread") = Some(*cue);
                }
                observed.lock().expect("one thread").push(observation);
            }),
        ));
        self.model.lockdown = self.lockdown_on_record();
        self.follow_resets();
        self.tell_levels();
    }

    /// The disk that the store lies on.
    pub(crate) fn disk(&self) -> Disk {
        Disk { store: Arc::clone(&self.store), wires: Arc::clone(&self.wires) }
    }

    /// Runs the real outbox against the centre until it rests.
    pub(crate) fn talk_to_centre(&mut self) {
        let mut input = OutboxInput::Appended(self.head().seq);
        loop {
            let (outbox, effects) = self.outbox.clone().handle(input, self.clock.now().mono);
            self.outbox = outbox;
            let mut answer = None;
            for effect in effects {
                match effect {
                    Effect::Send { after } => answer = Some(self.deliver(after)),
                    Effect::Acknowledge { through } => {
                        self.store.lock().expect("one thread").acknowledge(through).expect("acknowledged");
                    }
                }
            }
            match answer.flatten() {
                Some(next) => input = next,
                None => break,
            }
        }
    }

    fn deliver(&mut self, after: u64) -> Option<OutboxInput> {
        if !self.link {
            return Some(OutboxInput::Failed);
        }
        for record in self.entries(after) {
            if record.seq > self.centre.chain.head().seq {
                self.centre.chain.check(&record).expect("the centre can follow the chain");
                assert!(
                    self.centre.received.insert(record.seq, record).is_none(),
                    "an entry was taken twice"
                );
            } else {
                assert_eq!(
                    self.centre.received.get(&record.seq),
                    Some(&record),
                    "an entry came back changed"
                );
            }
        }
        let lost = std::mem::take(&mut self.lose_acknowledgement);
        (!lost).then(|| OutboxInput::Acknowledged(self.centre.chain.head().seq))
    }

    pub(crate) fn newest_entry_ms(&self) -> i64 {
        self.store.lock().expect("one thread").newest_ms().expect("readable").unwrap_or(MONDAY_MS)
    }
}

/// The identifier of a simulated person.
pub(crate) fn name(who: u8) -> PersonId {
    format!("person-{who}").parse().expect("an identifier")
}

/// Copies the database with everything beside it, as the disk has it at this moment.
fn copy_store(from: &Path, to: &Path) {
    let (folder, stem) =
        (from.parent().expect("a folder"), from.file_name().expect("a name").to_string_lossy().into_owned());
    let new = to.file_name().expect("a name").to_string_lossy().into_owned();
    for entry in std::fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        let file = path.file_name().expect("a name").to_string_lossy().into_owned();
        // The index of the write-ahead log lives in memory and is gone with the power.
        if let Some(rest) = file.strip_prefix(&stem)
            && rest != "-shm"
        {
            std::fs::copy(&path, folder.join(format!("{new}{rest}"))).expect("copied");
        }
    }
}

/// Memory, where there is such a folder: the store syncs after each entry, and here nothing is lost by not reaching a
/// disk.
fn fast_folder() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}
