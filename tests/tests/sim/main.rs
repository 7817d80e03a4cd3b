//! The simulator: the real core, terminal and store under a scripted world, one thread, one seed.
//!
//! `cargo test --test sim` runs [`RUNS`] seeds. `SEED=7` runs one, `SIM_RUNS=5000` more, `SIM_REPLAY=FILE` replays the
//! event log that a failed run wrote. Two phases: *safety* (everything may break, nothing forbidden may happen), then
//! *liveness* (everything is mended, a permitted person must get in and the centre must hold every entry once).
//!
//! * [`event`]: everything that can happen. [`world`]: what it happens to.
//! * [`hardware`]: the door as it hangs in the wall, which lets people out by itself.
//! * [`proof`]: what must speak for life, and what the light and the person really do.
//! * [`clockwork`]: when the cameras say their frames were taken.
//! * [`eyes`]: what the cameras see and the models say. [`hands`]: cards, PINs and codes.
//! * [`office`]: orders from the centre, and what only looks like one.
//! * [`roster`]: what admins sign, on its way into the store. [`picturing`]: whose picture may be taken.
//! * [`admins`]: who is enrolled at the terminal itself. [`asking`]: a program beside the door, and what it may learn.
//! * [`power`]: effects, and the cuts between them.
//! * [`model`]: who may pass, told without the real code. [`pairs`]: alarms set and cleared. [`checks`]: what must never
//!   break. [`scripts`]: single attacks, told event by event.

mod admins;
mod asking;
mod checks;
mod clockwork;
mod event;
mod eyes;
mod hands;
mod hardware;
mod healing;
mod model;
mod office;
mod pairs;
mod picturing;
mod power;
mod proof;
mod roster;
mod scripts;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use event::Event;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use world::World;

/// Seeds of a usual run.
const RUNS: u64 = 200;
/// Events of the safety phase of one run.
const EVENTS: usize = 80;

#[test]
fn nothing_forbidden_happens_and_everything_heals() {
    power::silence_cuts();
    if let Some(file) = setting("SIM_REPLAY") {
        let text = std::fs::read_to_string(&file).expect("read the event log");
        let mut lines = text.lines();
        let seed =
            lines.next().and_then(|l| l.parse().ok()).expect("the first line of an event log is its seed");
        let events = lines.map(|line| serde_json::from_str(line).expect("one event a line")).collect();
        run(seed, Some(events));
        return;
    }
    let (first, count) = match setting("SEED") {
        Some(seed) => (seed.parse().expect("SEED is a number"), 1),
        None => (0, setting("SIM_RUNS").map_or(RUNS, |runs| runs.parse().expect("SIM_RUNS is a number"))),
    };
    let mut totals = checks::Totals::default();
    for seed in first..first + count {
        totals.add(&run(seed, None));
    }
    println!("{count} seeds: {totals}");
    if count >= RUNS {
        totals.assert_that_everything_was_exercised();
    }
}

fn run(seed: u64, replay: Option<Vec<Event>>) -> checks::Totals {
    let mut log: Vec<Event> = Vec::new();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut world = World::new(seed, &mut rng);
        let events = replay.clone().unwrap_or_else(|| (0..EVENTS).map(|_| Event::draw(&mut rng)).collect());
        for event in events {
            log.push(event.clone());
            world.happen(&event);
            checks::after_each_event(&mut world);
        }
        world.heal();
        checks::at_the_end(&mut world);
        world.totals
    }));
    outcome.unwrap_or_else(|panic| {
        let file = write_log(seed, &log);
        let last = log.len();
        eprintln!("SEED={seed} event {last}: {:?}\nSIM_REPLAY={} replays it", log.last(), file.display());
        std::panic::resume_unwind(panic)
    })
}

fn write_log(seed: u64, log: &[Event]) -> PathBuf {
    let file = std::env::temp_dir().join(format!("doorward-sim-{seed}.log"));
    let mut text = format!("{seed}\n");
    for event in log {
        text += &serde_json::to_string(event).expect("events are plain");
        text.push('\n');
    }
    std::fs::write(&file, text).expect("write the event log");
    file
}

#[expect(
    clippy::disallowed_methods,
    reason = "the seed of a test run is the one thing it takes from outside"
)]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
