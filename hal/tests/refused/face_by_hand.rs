//! A good face is made by the quality checks alone, a live one by the liveness checks alone: their fields are the
//! core's own.

use doorward_core::liveness::Evidence;
use doorward_core::quality::Quality;
use doorward_core::stages::{Face, GoodFace, LiveFace};

fn build(face: Face, quality: Quality, evidence: Evidence) -> LiveFace {
    let good = GoodFace { face, quality };
    LiveFace { good, evidence }
}

fn main() {}
