//! Golden vectors: what a network answers to a picture that everybody can make.
//!
//! Scores depend on the engine's arithmetic on this very processor. A few numbers in the manifest, made once with the
//! reference engine, tell at every load whether an engine computes what the thresholds were measured with.

use crate::engine::{Engine, EngineFault, Tensor};
use crate::pack::{ModelEntry, PackFault};
use crate::pixels::Normalisation;

/// How far a golden value may lie off, relative to values above 1: engines add in different orders, which shows in the
/// fifth digit, while a wrong kernel or channel order shows in the first.
const TOLERANCE: f32 = 1e-3;

/// The picture: bytes of a multiplicative hash (Knuth's), normalised like any other, as a tensor of `shape`.
#[must_use]
pub fn pattern(shape: &[usize], normalisation: &Normalisation) -> Tensor {
    let mut tensor = Tensor::zeros(shape);
    let plane = tensor.values.len() / 3;
    for (channel, values) in tensor.values.chunks_exact_mut(plane).enumerate() {
        for (value, i) in values.iter_mut().zip(0u32..) {
            let [byte, ..] = i.wrapping_mul(2_654_435_761).to_be_bytes();
            *value = normalisation.apply(channel, f32::from(byte));
        }
    }
    tensor
}

/// `count` values at even distances over all outputs for [`pattern`]: value `k` is number `k * total / count`.
///
/// # Errors
/// [`EngineFault`].
pub fn vector(engine: &mut dyn Engine, entry: &ModelEntry, count: usize) -> Result<Vec<f32>, EngineFault> {
    let outputs = engine.run(&pattern(&entry.signature.input.shape, &entry.normalisation))?;
    let all: Vec<f32> = outputs.into_iter().flat_map(|output| output.values).collect();
    Ok((0..count).map(|k| all[k * all.len() / count]).collect())
}

/// Holds an engine against the pack's golden values.
///
/// # Errors
/// [`PackFault::Golden`], [`PackFault::Engine`].
pub fn verify(engine: &mut dyn Engine, entry: &ModelEntry) -> Result<(), PackFault> {
    if entry.golden.is_empty() {
        return Ok(());
    }
    let found = vector(engine, entry, entry.golden.len())?;
    let off = |(e, f): (&f32, &f32)| (e - f).abs() > TOLERANCE * e.abs().max(1.0);
    match entry.golden.iter().zip(&found).position(off) {
        None => Ok(()),
        Some(position) => Err(PackFault::Golden {
            model: entry.signature.model.clone(),
            engine: engine.name(),
            position,
            expected: entry.golden[position],
            found: found[position],
        }),
    }
}
