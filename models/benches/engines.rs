//! The engines side by side: `cargo bench -p doorward-models --features ort --bench engines -- [LIBRARY [ROUNDS]]`, where
//! `LIBRARY` is the shared library of ONNX Runtime. Without it tract runs alone.

use std::path::{Path, PathBuf};

use doorward_models::bench::{Table, engines};
use doorward_models::pack::{Pack, PackFault, find_in};

fn main() -> Result<(), PackFault> {
    // Cargo adds a word of its own to the arguments of a benchmark.
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let library = arguments.next().map(PathBuf::from);
    let rounds = arguments.next().map_or(200, |rounds| rounds.parse().expect("ROUNDS is a number"));
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pack = Pack::open(&find_in(&[sources.join("packs"), sources.join("../../shared/models")])?)?;
    let mut progress = |what: &str, done: usize, of: usize| eprintln!("{}/{of} {what}", done + 1);
    let rows = engines(&pack, rounds, library.as_deref(), &mut progress)?;
    println!("{}", Table(&rows));
    Ok(())
}
