//! What a model pack must be able to do. The implementation over ONNX lives in `doorward-models`.

use crate::frame::{Plane, Rgb};
use crate::geometry::{Landmarks, Rect};
use crate::template::TemplateVersion;

/// A face found in a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// Detector confidence, 0 to 1.
    pub score: f32,
    /// Bounding box in pixels.
    pub region: Rect,
    /// Five landmarks in pixels.
    pub landmarks: Landmarks,
}

/// The models broke; not an answer about the picture.
#[derive(Debug, thiserror::Error)]
#[error("run the {model} model")]
pub struct VisionFault {
    /// `detector`, `liveness` or `embedding`.
    pub model: &'static str,
    /// What went wrong.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Three models behind one door. Calls block for as long as inference takes; after a fault the next call may succeed.
pub trait Vision: Send {
    /// Version of the templates that [`Vision::embed`] yields: only equal versions are ever compared.
    fn version(&self) -> TemplateVersion;

    /// Faces in the picture, largest first, at most 16.
    ///
    /// # Errors
    /// [`VisionFault`] when the engine fails.
    fn detect(&mut self, picture: &Plane<Rgb>) -> Result<Vec<Detection>, VisionFault>;

    /// Probability, 0 to 1, that the face is a live person, from colour alone.
    ///
    /// # Errors
    /// [`VisionFault`] when the engine fails.
    fn liveness(&mut self, picture: &Plane<Rgb>, face: &Detection) -> Result<f32, VisionFault>;

    /// The feature vector of the face; callers check it and bring it to unit length.
    ///
    /// # Errors
    /// [`VisionFault`] when the engine fails or the landmarks cannot be aligned.
    fn embed(&mut self, picture: &Plane<Rgb>, landmarks: &Landmarks) -> Result<Vec<f32>, VisionFault>;
}
