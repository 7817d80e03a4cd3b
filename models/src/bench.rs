//! Engines or packs side by side on this machine: each network alone, and one whole frame.
//!
//! Absolute times on a shared machine wander by half. Rounds alternate between the subjects inside one process, so that
//! all see the same weather, and the ratio of their medians is what can be trusted.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use doorward_core::frame::{Plane, Rgb};
use doorward_core::geometry::{Landmarks, Point, Rect};
use doorward_core::vision::{Detection, Vision as _, VisionFault};

use crate::engine::{self, EngineKind};
use crate::golden;
use crate::pack::{Pack, PackFault};
use crate::vision::Models;

/// Rounds that are thrown away first: caches, page faults, the processor's clock.
const WARM_UP: usize = 5;

/// Most rounds: 1000 frames of 50 ms are a minute, and a median needs fewer.
pub const ROUNDS_MAX: usize = 1000;

/// What the whole frame is called among the models.
pub const FRAME: &str = "frame: detect, liveness, embed";

/// One task of one subject.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// A model's file, a role of a pack, or [`FRAME`].
    pub task: String,
    /// The engine or the pack that does it.
    pub subject: String,
    /// Median of all rounds, milliseconds.
    pub median_ms: f64,
    /// 95th percentile, milliseconds.
    pub p95_ms: f64,
}

/// Rows as a table that says how many times as long each takes as the first subject with the same task.
pub struct Table<'a>(pub &'a [Row]);

/// Measures every model of the pack, and whole frames, in tract and, where its library is given, in ONNX Runtime.
/// `progress` hears what is being measured, and how far of how many.
///
/// # Errors
/// [`PackFault`] where a model does not load or run.
///
/// # Panics
/// If `rounds` is zero or beyond [`ROUNDS_MAX`].
pub fn engines(
    pack: &Pack,
    rounds: usize,
    ort_library: Option<&Path>,
    progress: &mut dyn FnMut(&str, usize, usize),
) -> Result<Vec<Row>, PackFault> {
    assert!((1..=ROUNDS_MAX).contains(&rounds), "1 to {ROUNDS_MAX} rounds");
    let runtime = ort_library.map(|library| EngineKind::OnnxRuntime { library: library.to_owned() });
    let kinds: Vec<_> = runtime.into_iter().chain([EngineKind::Tract]).collect();
    let mut rows = Vec::new();
    let entries: Vec<_> = pack.manifest().entries().collect();
    for (done, entry) in entries.iter().enumerate() {
        progress(&entry.file, done, entries.len() + 1);
        let load = |kind| engine::load(kind, pack.weights(entry), entry.signature.clone());
        let mut loaded = kinds.iter().map(load).collect::<Result<Vec<_>, _>>()?;
        let input = golden::pattern(&entry.signature.input.shape, &entry.normalisation);
        let times = alternate(&mut loaded, rounds, |engine| engine.run(&input).map(drop))?;
        rows.extend(times.iter().zip(&kinds).map(|(times, kind)| row(&entry.file, kind.to_string(), times)));
    }
    progress(FRAME, entries.len(), entries.len() + 1);
    let mut loaded = kinds.iter().map(|kind| Models::load(pack, kind)).collect::<Result<Vec<_>, _>>()?;
    let times = frames(&mut loaded, rounds);
    rows.extend(times.iter().zip(&kinds).map(|(times, kind)| row(FRAME, kind.to_string(), times)));
    Ok(rows)
}

/// Measures each step of a frame, and whole frames, with every pack, in tract. The steps begin at the camera's pixels:
/// what a pack's inputs cost to prepare belongs to it.
///
/// # Errors
/// [`PackFault`] where a model does not load.
///
/// # Panics
/// If `rounds` is zero or beyond [`ROUNDS_MAX`].
pub fn packs(packs: &[Pack], rounds: usize) -> Result<Vec<Row>, PackFault> {
    assert!((1..=ROUNDS_MAX).contains(&rounds), "1 to {ROUNDS_MAX} rounds");
    let load = |pack: &Pack| Models::load(pack, &EngineKind::Tract);
    let mut loaded = packs.iter().map(load).collect::<Result<Vec<_>, _>>()?;
    let (picture, face) = scene();
    let steps: [(&str, Step); 3] = [
        ("detect", |models, picture, face| detect(models, picture, face)),
        ("liveness", |models, picture, face| models.liveness(picture, face).map(drop)),
        ("embed", |models, picture, face| models.embed(picture, &face.landmarks).map(drop)),
    ];
    let mut rows = Vec::new();
    let mut add = |task: &str, times: Vec<Vec<Duration>>| {
        rows.extend(times.iter().zip(packs).map(|(times, pack)| row(task, pack.title(), times)));
    };
    for (task, step) in steps {
        let times = alternate(&mut loaded, rounds, |models| step(models, &picture, &face));
        add(task, times.expect("a pack that loads runs: it has answered its golden vectors"));
    }
    add(FRAME, frames(&mut loaded, rounds));
    Ok(rows)
}

/// Finds faces, and looks again at one where the pack does so: the picture has none that would be proposed.
fn detect(models: &mut Models, picture: &Plane<Rgb>, face: &Detection) -> Result<(), VisionFault> {
    models.detect(picture)?;
    models.refined(picture, vec![*face]).map(drop)
}

/// One step of a frame.
type Step = fn(&mut Models, &Plane<Rgb>, &Detection) -> Result<(), VisionFault>;

/// Times of whole frames.
fn frames(loaded: &mut [Models], rounds: usize) -> Vec<Vec<Duration>> {
    let (picture, face) = scene();
    let times = alternate(loaded, rounds, |models| {
        detect(models, &picture, &face)?;
        models.liveness(&picture, &face)?;
        models.embed(&picture, &face.landmarks).map(drop)
    });
    times.expect("each of these models has just run alone")
}

/// Runs all subjects in turn, `rounds` times; times of each in ascending order.
fn alternate<S, E>(
    subjects: &mut [S],
    rounds: usize,
    mut run: impl FnMut(&mut S) -> Result<(), E>,
) -> Result<Vec<Vec<Duration>>, E> {
    let mut times = vec![Vec::with_capacity(rounds); subjects.len()];
    for round in 0..WARM_UP + rounds {
        for (subject, times) in subjects.iter_mut().zip(&mut times) {
            let start = now();
            run(subject)?;
            let took = now().duration_since(start);
            if round >= WARM_UP {
                times.push(took);
            }
        }
    }
    times.iter_mut().for_each(|times| times.sort_unstable());
    Ok(times)
}

fn row(task: &str, subject: String, sorted: &[Duration]) -> Row {
    let at = |percent: usize| sorted[(sorted.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    Row { task: task.to_owned(), subject, median_ms: at(50), p95_ms: at(95) }
}

/// A frame of a common camera and a face in its middle. The networks cost the same whatever they look at; one proposal is
/// what a door sees.
fn scene() -> (Plane<Rgb>, Detection) {
    let pixel = |i: u32| {
        let [a, b, c, _] = i.wrapping_mul(2_654_435_761).to_be_bytes();
        [a, b, c]
    };
    let picture = Plane::new(640, 480, (0..640 * 480).map(pixel).collect()).expect("the sides are right");
    let points = [(280.0, 200.0), (360.0, 200.0), (320.0, 245.0), (290.0, 290.0), (350.0, 290.0)];
    let landmarks = Landmarks::from_points(points.map(|(x, y)| Point::new(x, y)));
    let region = Rect { x: 230.0, y: 120.0, width: 180.0, height: 230.0 };
    (picture, Detection { score: 0.9, region, landmarks })
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock; nothing is decided by it")]
fn now() -> Instant {
    Instant::now()
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<34} {:>18} {:>10} {:>10} {:>10}", "", "", "median ms", "p95 ms", "ratio")?;
        for row in self.0 {
            write!(f, "{:<34} {:>18} {:>10.2} {:>10.2}", row.task, row.subject, row.median_ms, row.p95_ms)?;
            let first = self.0.iter().find(|other| other.task == row.task).unwrap_or(row);
            writeln!(f, " {:>10.2}", row.median_ms / first.median_ms)?;
        }
        Ok(())
    }
}
