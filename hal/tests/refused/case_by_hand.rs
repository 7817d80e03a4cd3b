//! A case comes out of several frames that agree, and out of nothing else.

use doorward_core::attempt::{Case, Refusal};
use doorward_core::liveness::Level;
use doorward_core::template::UnitVector;
use doorward_core::time::Mono;

fn forge(refused: &Refusal, probe: UnitVector, at: Mono) -> Case {
    Case { attempt: refused.attempt(), probe, frames: 3, confidence: 100.0, level: Level::High, at }
}

fn main() {}
