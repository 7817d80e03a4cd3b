//! A face that nobody proved live has no embedding.

use doorward_core::stages::{Embedding, GoodFace};
use doorward_core::vision::Vision;

fn embed(good: &GoodFace, vision: &mut dyn Vision) {
    let _ = Embedding::of(good, vision);
}

fn main() {}
