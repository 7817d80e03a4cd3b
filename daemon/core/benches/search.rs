//! The search among 100,000 templates, against reading their bytes once and against comparing with every template.
//!
//! Times of one machine say little about another, so the ratios come first: three ways through the same amount of
//! work, in turns, on one thread. `cargo bench -p doorward-core --bench search`

use std::hint::black_box;
use std::time::{Duration, Instant};

use doorward_core::gallery::{Best, Gallery};
use doorward_core::template::{TemplateVersion, UnitVector, dot};
use doorward_core::transform::Protected;
use doorward_protocol::ids::PersonId;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const TEMPLATES: usize = 100_000;
const ROUNDS: usize = 41;
const RECALL_PROBES: usize = 1000;
const VERSION: TemplateVersion = TemplateVersion { model: [0; 32], preprocessing: 1 };

fn main() {
    // Under `cargo test --benches` every step is taken, on less.
    let (templates, rounds, probes) =
        if cfg!(debug_assertions) { (2000, 3, 20) } else { (TEMPLATES, ROUNDS, RECALL_PROBES) };
    for dimension in [512, 128] {
        measure(templates, dimension, rounds, probes);
    }
}

/// The three ways, in turns.
fn measure(templates: usize, dimension: usize, rounds: usize, probes: usize) {
    let mut rng = ChaCha8Rng::seed_from_u64(dimension as u64);
    let (gallery, flat) = filled(&mut rng, templates, dimension);
    let bytes = vec![1u64; templates * dimension / 8];
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..rounds {
        let probe = probe_of(&mut rng, &flat, dimension);
        times[0].push(timed(|| gallery.identify(black_box(&probe))));
        times[1].push(timed(|| read(black_box(&bytes))));
        times[2].push(timed(|| compare_all(black_box(&flat), probe.vector().values())));
    }
    let [ours, bare, all] = &times;
    let (right, asked) = recall(&mut rng, &gallery, &flat, dimension, probes);
    println!("{templates} x {dimension}, one thread, medians of {rounds} rounds");
    println!("  search / reading the bytes once   {:.2}", ratio(ours, bare));
    println!("  search / comparing with everybody {:.2}", ratio(ours, all));
    println!("  recall against brute force        {right} of {asked}");
    let [ours, bare, all] = times.map(|times| Duration::from_secs_f64(median(times)));
    println!("  search {ours:.2?}, bytes {bare:.2?}, everybody {all:.2?}");
    assert_eq!(right, asked, "the search is exact");
}

/// A gallery of random directions, one a person, and the same values in one piece.
fn filled(rng: &mut ChaCha8Rng, count: usize, dimension: usize) -> (Gallery, Vec<f32>) {
    let mut gallery = Gallery::new(VERSION, dimension);
    let mut flat = Vec::with_capacity(count * dimension);
    for row in 0..count {
        let template = unit((0..dimension).map(|_| noise(rng)).collect());
        flat.extend_from_slice(template.values());
        let template = Protected::restore(template);
        gallery
            .insert(&person(row), VERSION, &template)
            .expect("a template of this version, below the bound");
    }
    (gallery, flat)
}

/// Somebody enrolled as a camera sees them (cosine about 0.7), and a stranger, in turns of chance.
fn probe_of(rng: &mut ChaCha8Rng, flat: &[f32], dimension: usize) -> Protected {
    let stranger = unit((0..dimension).map(|_| noise(rng)).collect());
    if rng.next_u32() & 1 == 0 {
        return Protected::restore(stranger);
    }
    let row = rng.next_u32() as usize % (flat.len() / dimension);
    let reference = &flat[row * dimension..][..dimension];
    Protected::restore(unit(reference.iter().zip(stranger.values()).map(|(a, b)| a + b).collect()))
}

fn person(row: usize) -> PersonId {
    format!("p{row}").parse().expect("letters and digits")
}

fn unit(values: Vec<f32>) -> UnitVector {
    UnitVector::normalise(values).expect("random values have a direction")
}

/// Nearly normal: the sum of four uniform numbers.
fn noise(rng: &mut ChaCha8Rng) -> f32 {
    (0..4).map(|_| rng.next_u32() as f32 / u32::MAX as f32 - 0.5).sum()
}

/// Reads every byte once and does as little as possible with it. The compiler turns this into vector loads.
fn read(bytes: &[u64]) -> u64 {
    bytes.iter().fold(0, |sum, value| sum.wrapping_add(*value))
}

/// The plain loop: best and second-best row. With one template a person, these are the best and second-best persons.
fn compare_all(flat: &[f32], probe: &[f32]) -> [(f32, usize); 2] {
    let mut best = [(f32::MIN, usize::MAX); 2];
    for (row, template) in flat.chunks_exact(probe.len()).enumerate() {
        let score = dot(template, probe);
        if score > best[0].0 {
            best = [(score, row), best[0]];
        } else if score > best[1].0 {
            best[1] = (score, row);
        }
    }
    best
}

/// How many searches give the answer of the plain loop: same persons, same scores.
fn recall(
    rng: &mut ChaCha8Rng,
    gallery: &Gallery,
    flat: &[f32],
    dimension: usize,
    probes: usize,
) -> (usize, usize) {
    let same = |_: &usize| {
        let probe = probe_of(rng, flat, dimension);
        let [first, second] = compare_all(flat, probe.vector().values());
        let expected =
            Best { person: person(first.1), score: first.0, runner_up: Some((person(second.1), second.0)) };
        gallery.identify(&probe) == Some(expected)
    };
    ((0..probes).filter(same).count(), probes)
}

/// The median over the rounds of how long one way takes in times of the other. Both of a round ran next to each other,
/// so that what else the machine does slows down both.
fn ratio(ours: &[f64], theirs: &[f64]) -> f64 {
    median(ours.iter().zip(theirs).map(|(a, b)| a / b).collect())
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// Seconds.
#[expect(clippy::disallowed_methods, reason = "a bench reads time")]
fn timed<T>(work: impl FnOnce() -> T) -> f64 {
    let start = Instant::now();
    black_box(work());
    start.elapsed().as_secs_f64()
}
