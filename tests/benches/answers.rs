//! Whether the time that an answer takes tells what was found (attack case H9): at the door, from the frame that decides to what
//! the panel shows; for programs beside it, from the question to the terminal's answer, and when that is told.
//!
//! Known and unknown faces, far from the threshold and close to it on either side, in turn, against one real store. What two
//! kinds of answers differ by is told beside their noise in the same run: the share of pairs in which the one took longer, a half
//! where nothing is told apart. `cargo bench -p doorward-tests --bench answers [-- TRIALS]`

mod rig;

use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use doorward_core::attempt::{self, Evidence};
use doorward_core::calibration::Calibration;
use doorward_core::decision::{Cue, Reject};
use doorward_core::door;
use doorward_core::frame::{Plane, Rgb};
use doorward_core::freshness::Freshness;
use doorward_core::geometry::Landmarks;
use doorward_core::inquiry;
use doorward_core::liveness;
use doorward_core::quality;
use doorward_core::session::Caller;
use doorward_core::template::{TemplateVersion, UnitVector};
use doorward_core::time::{ClockTrust, Mono, Now, Wall};
use doorward_core::vision::{Detection, Vision, VisionFault};
use doorward_daemon::assembly::begin;
use doorward_daemon::journal::load_people;
use doorward_daemon::terminal::asking::{Ask, Probe, Told};
use doorward_daemon::terminal::{Devices, Examiner, Input, Observation, Terminal};
use doorward_hal::clock::{Clock, SystemClock};
use doorward_hal::scene::{self, Portrait, Renderer, Scene};
use doorward_hal::{fake, photo};
use doorward_models::engine::EngineKind;
use doorward_models::pack::{self, Pack};
use doorward_models::vision::Models;
use doorward_protocol::ids::PersonId;
use doorward_store::{MasterKey, Store};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

/// References that are searched.
const TEMPLATES: usize = 10_000;
/// Answers of each kind.
const TRIALS: usize = 60;
/// How far from the threshold a close face is.
const CLOSE: f32 = 0.02;
/// Between two questions the allowance grows by one, and between two people at the door all pauses are over.
const PAUSE: Duration = Duration::from_secs(61);
/// The two-sided 99 % point of the normal distribution: several pairs are compared.
const Z: f64 = 2.576;

const KINDS: [&str; 4] = ["known, far above", "known, just above", "known, just below", "stranger"];

fn main() {
    let mut told = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let trials = told.next().map_or(TRIALS, |word| word.parse().expect("a number"));
    let pack =
        pack::find(None).and_then(|found| Pack::open(&found)).expect("the house pack is in the repository");
    let portrait = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/people/nobody-a.jpg");
    let picture = photo::open(&portrait).expect("a portrait");
    println!("{}, {TEMPLATES} templates, {trials} answers of each kind", pack.title());
    let mut stand = Stand::new(&pack, &picture);
    let (mut door, mut search, mut claim) = (Times::default(), Times::default(), Times::default());
    for trial in 0..trials {
        for turn in 0..KINDS.len() {
            let kind = (trial + turn) % KINDS.len();
            door[kind].push(stand.stands_there(kind));
            search[kind].push(stand.asks(kind, |probe| Ask::Search(Caller::Token, probe)));
            let person = || "p0".parse::<PersonId>().expect("an identifier");
            claim[kind].push(stand.asks(kind, |probe| Ask::Verify(Caller::Token, person(), probe)));
        }
    }
    report("at the door, from the frame that decides to the panel", &door);
    report("search, from the question to the answer, before it is held back", &search);
    report("verify, the same", &claim);
    println!("\ntold to the program, whole steps after the question");
    for (name, times) in [("search", &search), ("verify", &claim)] {
        for (kind, of) in KINDS.iter().zip(times) {
            let steps = of.iter().map(|took| (inquiry::until_told(Mono(0), mono(*took)) + *took).as_millis());
            let (least, most) = (steps.clone().min().unwrap_or(0), steps.max().unwrap_or(0));
            println!("  {name}  {kind:18} {least} to {most} ms");
        }
    }
}

type Times = [Vec<Duration>; KINDS.len()];

fn mono(after: Duration) -> Mono {
    Mono(0) + after
}

/// Real models but for the last one, whose answer is said beforehand.
struct Said {
    models: Models,
    embedding: Arc<Mutex<Vec<f32>>>,
}

impl Vision for Said {
    fn version(&self) -> TemplateVersion {
        self.models.version()
    }

    fn detect(&mut self, picture: &Plane<Rgb>) -> Result<Vec<Detection>, VisionFault> {
        self.models.detect(picture)
    }

    fn liveness(&mut self, picture: &Plane<Rgb>, face: &Detection) -> Result<f32, VisionFault> {
        self.models.liveness(picture, face)
    }

    fn embed(&mut self, _: &Plane<Rgb>, _: &Landmarks) -> Result<Vec<f32>, VisionFault> {
        Ok(self.embedding.lock().expect("one thread").clone())
    }
}

/// A terminal before which somebody stands, and what is known of the faces.
struct Stand {
    terminal: Terminal,
    examiner: Examiner,
    scene: Scene,
    renderer: Renderer,
    embedding: Arc<Mutex<Vec<f32>>>,
    /// A face of each kind.
    faces: Vec<UnitVector>,
    answered: Arc<Mutex<Option<Instant>>>,
    now: Now,
    frames: u32,
}

impl Stand {
    fn new(pack: &Pack, picture: &Plane<Rgb>) -> Self {
        let folder = tempfile::tempdir().expect("a folder").keep();
        let key = MasterKey::create(&folder.join("key")).expect("a key");
        let path = folder.join("doord.db");
        let wall = Wall { ms: 1_800_000_000_000, trust: ClockTrust::Synchronised };
        let mut models = Models::load(pack, &EngineKind::Tract).expect("the models load");
        let face = models.detect(picture).expect("the detector runs")[0];
        let own = models.embed(picture, &face.landmarks).expect("embedded");
        let own = UnitVector::normalise(own).expect("a template");
        rig::fill(&path, &key, models.version(), &own, TEMPLATES, wall);
        let mut store = Store::open(&path, &key).expect("the store opens");
        let people = load_people(&mut store, models.version(), pack.dimension()).expect("the people load");
        let policy =
            liveness::Policy { window_min: 50.0, depth_fov: scene::FOV, ..liveness::Policy::default() };
        let beginning = begin(&store, attempt::Limits::default(), policy).expect("the history can be read");
        let clock = Arc::new(SystemClock::default());
        let (relay, _) = fake::relay_on(Arc::clone(&clock) as Arc<dyn Clock>);
        let (panel, _) = fake::panel();
        let answered = Arc::<Mutex<Option<Instant>>>::default();
        let seen = Arc::clone(&answered);
        let devices = Devices { relay: Box::new(relay), panel: Box::new(panel) };
        let terminal = Terminal::new(
            people,
            (rig::rules(), pack.calibration().clone(), door::Settings::default()),
            beginning,
            devices,
            Box::new(store),
            Box::new(move |observation| {
                if let Observation::Shown(Cue::Granted | Cue::Denied(_)) = observation {
                    seen.lock().expect("one thread").get_or_insert_with(rig::now);
                }
            }),
        );
        let embedding = Arc::new(Mutex::new(own.values().to_vec()));
        let vision = Said { models, embedding: Arc::clone(&embedding) };
        let examiner = Examiner {
            vision: Box::new(vision),
            quality: quality::Limits::default(),
            liveness: policy,
            freshness: Freshness::default(),
            light: None,
            clock,
        };
        let scene = Scene::live(Portrait::new(picture, &face).expect("a portrait"));
        let faces = faces(&own, pack.calibration());
        let now = Now { mono: Mono::from_millis(1_000_000), wall };
        let renderer = Renderer::new(1);
        Self { terminal, examiner, scene, renderer, embedding, faces, answered, now, frames: 0 }
    }

    /// Lets time pass, of which nothing is waited for.
    fn pass(&mut self, by: Duration) {
        let mono = self.now.mono + by;
        let ms = self.now.wall.ms + i64::try_from(by.as_millis()).expect("a short time");
        self.now = Now { mono, wall: Wall { ms, ..self.now.wall } };
    }

    /// Somebody of this kind comes; how long the step took that answered.
    fn stands_there(&mut self, kind: usize) -> Duration {
        for _ in 0..40 {
            self.pass(PAUSE / 40);
            self.terminal.step(Input::Evidence(Evidence::Rejected(Reject::NoFace).into()), self.now);
        }
        *self.embedding.lock().expect("one thread") = self.faces[kind].values().to_vec();
        *self.answered.lock().expect("one thread") = None;
        for _ in 0..200 {
            self.pass(Duration::from_millis(100));
            self.frames += 1;
            let frames = self.renderer.frameset(&self.scene, self.now.mono, self.frames);
            let (look, _) = self.examiner.examine(frames);
            let began = rig::now();
            self.terminal.step(Input::Evidence(look), self.now);
            if let Some(at) = self.answered.lock().expect("one thread").take() {
                return at - began;
            }
        }
        panic!("{} is not decided on", KINDS[kind]);
    }

    /// A program asks about a face of this kind; how long the answer took.
    fn asks(&mut self, kind: usize, question: impl FnOnce(Probe) -> Ask) -> Duration {
        self.pass(PAUSE);
        self.terminal.step(Input::Tick, self.now);
        let (reply, told) = sync_channel(1);
        let probe = Probe::Fresh(self.faces[kind].clone());
        let reply = Box::new(move |answer| reply.send((answer, rig::now())).expect("somebody waits"));
        let began = rig::now();
        self.terminal.step(Input::Ask(question(probe), reply), self.now);
        let (answer, at) = told.recv().expect("an answer");
        assert!(matches!(answer, Told::Likeness(_) | Told::Person(_)), "{answer:?}");
        at - began
    }
}

/// A face of each kind: at these scores against the enrolled one.
fn faces(own: &UnitVector, calibration: &Calibration) -> Vec<UnitVector> {
    let threshold = calibration.for_identification(rig::rules().max_fpir, TEMPLATES).score;
    let other = rig::random(&mut ChaCha8Rng::seed_from_u64(7), own.dimension());
    let along: f32 = own.values().iter().zip(other.values()).map(|(a, b)| a * b).sum();
    let beside: Vec<f32> = own.values().iter().zip(other.values()).map(|(a, b)| b - along * a).collect();
    let beside = UnitVector::normalise(beside).expect("a direction");
    [0.95, threshold + CLOSE, threshold - CLOSE, 0.0]
        .map(|score: f32| {
            let rest = (1.0 - score * score).sqrt();
            let values = own.values().iter().zip(beside.values()).map(|(a, b)| score * a + rest * b);
            UnitVector::normalise(values.collect()).expect("a direction")
        })
        .to_vec()
}

fn report(what: &str, times: &Times) {
    println!("\n{what}");
    for (kind, of) in KINDS.iter().zip(times) {
        let [low, middle, high] = [25, 50, 75].map(|percent| quantile(of, percent));
        println!("  {kind:18} p50 {middle:7.3} ms, half of them within {low:.3} to {high:.3} ms");
    }
    for (one, other) in [(1, 0), (2, 3), (1, 2), (0, 3)] {
        let (share, low, high) = longer(&times[one], &times[other]);
        let told = if (low..=high).contains(&0.5) { "not told apart" } else { "TOLD APART" };
        let apart = quantile(&times[one], 50) - quantile(&times[other], 50);
        let (one, other) = (KINDS[one], KINDS[other]);
        println!(
            "  {one} longer than {other}: {share:.2} of pairs (99 %: {low:.2} to {high:.2}), by {apart:+.3} ms: {told}"
        );
    }
}

fn quantile(of: &[Duration], percent: usize) -> f64 {
    let mut sorted: Vec<f64> = of.iter().map(|took| took.as_secs_f64() * 1e3).collect();
    sorted.sort_by(f64::total_cmp);
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

/// The share of pairs in which `one` took longer than `other`, with its interval (Hanley and McNeil, "The meaning and use of the
/// area under a receiver operating characteristic curve", Radiology 143, 1982).
fn longer(one: &[Duration], other: &[Duration]) -> (f64, f64, f64) {
    let (n, m) = (one.len() as f64, other.len() as f64);
    let pairs = one.iter().flat_map(|a| other.iter().map(move |b| (a, b)));
    let wins: f64 = pairs
        .map(|(a, b)| {
            if a > b {
                1.0
            } else if a == b {
                0.5
            } else {
                0.0
            }
        })
        .sum();
    let share = wins / (n * m);
    let (q1, q2) = (share / (2.0 - share), 2.0 * share * share / (1.0 + share));
    let spread = share * (1.0 - share) + (n - 1.0) * (q1 - share * share) + (m - 1.0) * (q2 - share * share);
    let error = Z * (spread / (n * m)).max(0.0).sqrt();
    (share, (share - error).max(0.0), (share + error).min(1.0))
}
