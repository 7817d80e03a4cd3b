//! A whole terminal, measured: frame to relay with real models on replayed photographs, per stage; and cold start and
//! resident memory with 1,000 and 100,000 templates.
//!
//! `cargo bench -p doorward-tests --bench terminal [-- PORTRAIT TEMPLATES GRANTS]`; the arguments are for machines without
//! the repository, and for slow ones.

mod rig;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use doorward_core::attempt::{self, Evidence};
use doorward_core::door::{self, Signal};
use doorward_core::frame::{Frameset, Plane, Rgb};
use doorward_core::freshness::Freshness;
use doorward_core::liveness::{self, Fitted};
use doorward_core::quality;
use doorward_core::template::UnitVector;
use doorward_core::time::Mono;
use doorward_core::vision::{Detection, Vision as _};
use doorward_daemon::assembly::begin;
use doorward_daemon::journal::load_people;
use doorward_daemon::terminal::{Devices, Examiner, Input, Observation, Terminal};
use doorward_daemon::trace::Stage;
use doorward_hal::clock::{Clock, SystemClock};
use doorward_hal::scene::{self, Portrait, Renderer, Scene};
use doorward_hal::{fake, photo};
use doorward_models::engine::EngineKind;
use doorward_models::pack::{self, Pack};
use doorward_models::vision::Models;
use doorward_store::{MasterKey, Store};

use self::rig::{fill, now, rules};

/// Grants measured.
const GRANTS: usize = 60;

fn main() {
    // Cargo adds an option of its own.
    let mut told = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let portrait = told.next().map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/people/nobody-a.jpg"),
        PathBuf::from,
    );
    let mut number = || told.next().map(|word| word.parse().expect("a number"));
    let sizes = number().map_or_else(|| vec![1_000, 100_000], |templates| vec![templates]);
    let grants = number().unwrap_or(GRANTS);
    let picture = photo::open(&portrait).expect("a portrait");
    let pack =
        pack::find(None).and_then(|found| Pack::open(&found)).expect("the house pack is in the repository");
    println!("{}", pack.title());
    for templates in sizes {
        measure(&pack, &picture, templates, grants);
    }
}

fn measure(pack: &Pack, picture: &Plane<Rgb>, templates: usize, grants: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let key = MasterKey::create(&folder.path().join("key")).expect("a key");
    let path = folder.path().join("doord.db");
    let clock = Arc::new(SystemClock::default());
    let mut models = Models::load(pack, &EngineKind::Tract).expect("the models load");
    let face = models.detect(picture).expect("the detector runs")[0];
    let own =
        UnitVector::normalise(models.embed(picture, &face.landmarks).expect("embedded")).expect("a template");
    fill(&path, &key, models.version(), &own, templates, clock.now().wall);
    drop(models);

    let started = now();
    let mut store = Store::open(&path, &key).expect("the store opens");
    let models = Models::load(pack, &EngineKind::Tract).expect("the models load");
    let people = load_people(&mut store, models.version(), pack.dimension()).expect("the people load");
    let policy = liveness::Policy { window_min: 50.0, ..liveness::Policy::default() };
    let beginning = begin(&store, limits(), policy).expect("the history can be read");
    let (relay, hand) = fake::relay_on(Arc::clone(&clock) as Arc<dyn Clock>);
    let (panel, _) = fake::panel();
    let took: Arc<Mutex<Vec<Duration>>> = Arc::default();
    let taken = Arc::clone(&took);
    let mut terminal = Terminal::new(
        people,
        (rules(), pack.calibration().clone(), door::Settings::default()),
        beginning,
        Devices { relay: Box::new(relay), panel: Box::new(panel) },
        Box::new(store),
        Box::new(move |observation| {
            if let Observation::Decided(recorded, _, since) = observation
                && recorded.grant().is_some()
            {
                taken.lock().expect("one thread").push(since);
            }
        }),
    );
    let mut examiner = Examiner {
        vision: Box::new(models),
        quality: quality::Limits::default(),
        liveness: liveness::Policy {
            fitted: Fitted { infrared: true, depth: true },
            depth_fov: scene::FOV,
            ..liveness::Policy::default()
        },
        freshness: Freshness::default(),
        light: None,
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
    };
    let cold = now() - started;
    println!(
        "\n{templates} templates: cold start {:.2} s, resident {} MB",
        cold.as_secs_f64(),
        resident_mb()
    );

    assert!(!hand.released(), "the lock is released before anybody came");
    let mut laps: Vec<(Stage, Duration)> = Vec::new();
    let_in(&mut terminal, &mut examiner, clock.as_ref(), (picture, face), |lap| {
        laps.extend(lap);
        took.lock().expect("one thread").len() < grants
    });
    report(&took.lock().expect("one thread"), &laps);
}

/// Lets the person in again and again; `more` gets the time of each stage of each examination and says whether it goes on.
fn let_in(
    terminal: &mut Terminal,
    examiner: &mut Examiner,
    clock: &dyn Clock,
    (picture, face): (&Plane<Rgb>, Detection),
    mut more: impl FnMut(Vec<(Stage, Duration)>) -> bool,
) {
    terminal.step(Input::Signal(Signal::Contact(false)), clock.now());
    let scene = Scene::live(Portrait::new(picture, &face).expect("a portrait"));
    let renderer = Renderer::new(1);
    for sequence in 1.. {
        // Rendered beforehand and stamped as it is handed over: the camera is not what is measured.
        let mut frames = renderer.frameset(&scene, Mono::from_millis(u64::from(sequence) * 100), sequence);
        let at = clock.now().mono;
        restamp(&mut frames, at);
        let (look, trace) = examiner.examine(frames);
        let live = matches!(look.evidence, Evidence::Live(_));
        terminal.step(Input::Evidence(look), clock.now());
        assert!(live || sequence < 500, "the portrait is not taken for a live person: {:?}", trace.ending);
        if !more(trace.laps) {
            break;
        }
    }
}

fn report(took: &[Duration], laps: &[(Stage, Duration)]) {
    let total = quantiles(took);
    println!(
        "  newest frame to released relay  p50 {:6.1}  p95 {:6.1}  p99 {:6.1} ms",
        total[0], total[1], total[2]
    );
    for stage in [Stage::Detect, Stage::Quality, Stage::Liveness, Stage::Sensors, Stage::Embed] {
        let own: Vec<Duration> = laps.iter().filter(|(s, _)| *s == stage).map(|(_, took)| *took).collect();
        let q = quantiles(&own);
        let share = q[0] / total[0];
        println!(
            "    {share:5.2} of it  {:10}  p50 {:6.1}  p95 {:6.1}  p99 {:6.1} ms",
            format!("{stage:?}"),
            q[0],
            q[1],
            q[2]
        );
    }
}

fn quantiles(of: &[Duration]) -> [f64; 3] {
    let mut sorted: Vec<f64> = of.iter().map(|d| d.as_secs_f64() * 1e3).collect();
    sorted.sort_by(f64::total_cmp);
    [50, 95, 99].map(|percent| sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)])
}

fn limits() -> attempt::Limits {
    // Each grant is followed by the next attempt at once, and the same person stands there all the time.
    attempt::Limits { grant_hold: Duration::ZERO, ..attempt::Limits::default() }
}

fn restamp(frames: &mut Frameset, at: Mono) {
    Arc::make_mut(&mut frames.rgb).at = at;
    frames.ir.as_mut().into_iter().for_each(|shot| Arc::make_mut(shot).at = at);
    frames.depth.as_mut().into_iter().for_each(|shot| Arc::make_mut(shot).at = at);
}

fn resident_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) / 1024
}
