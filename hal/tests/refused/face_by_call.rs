//! A good face is made by the quality checks alone, a live one by the liveness checks alone: their constructors are
//! the core's own.

use doorward_core::liveness::Evidence;
use doorward_core::quality::Quality;
use doorward_core::stages::{Face, GoodFace, LiveFace};

fn call(face: Face, quality: Quality, evidence: Evidence) -> LiveFace {
    LiveFace::new(GoodFace::new(face, quality), evidence)
}

fn main() {}
