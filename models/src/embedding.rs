//! The feature vector of a face: align on five landmarks, run the network.

use doorward_core::frame::{Plane, Rgb};
use doorward_core::geometry::Landmarks;

use crate::engine::{Engine, EngineFault, Tensor};
use crate::pixels::{Alignment, Normalisation, Unalignable, align};

/// A face could not be embedded.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddingFault {
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineFault),
    /// The landmarks have no extent.
    #[error(transparent)]
    Unalignable(#[from] Unalignable),
}

/// An embedding network behind an engine.
pub struct Embedder {
    engine: Box<dyn Engine>,
    normalisation: Normalisation,
    alignment: Alignment,
    input: Tensor,
}

impl Embedder {
    /// An embedder over a network with input `[1, 3, height, width]` and one output `[1, dimension]`.
    #[must_use]
    pub fn new(
        engine: Box<dyn Engine>,
        input: &[usize],
        normalisation: Normalisation,
        alignment: Alignment,
    ) -> Self {
        Self { engine, normalisation, alignment, input: Tensor::zeros(input) }
    }

    /// The raw feature vector, finite, of any length.
    ///
    /// # Errors
    /// [`EmbeddingFault`].
    pub fn embed(&mut self, picture: &Plane<Rgb>, landmarks: &Landmarks) -> Result<Vec<f32>, EmbeddingFault> {
        align(picture, landmarks, &self.alignment, &self.normalisation, &mut self.input)?;
        let output = self.engine.run(&self.input)?.swap_remove(0);
        Ok(output.values)
    }
}

impl Drop for Embedder {
    /// The last face is a picture of a person; it does not outlive its use.
    fn drop(&mut self) {
        self.input.values.fill(0.0);
    }
}
