//! Model packs and the engines that run them: detector, embedding, liveness, evaluation.
//!
//! * [`engine`]: one network behind one trait; tract, and ONNX Runtime with the feature `ort`. A crate of its own, because the
//!   engine takes minutes to compile and knows nothing of faces.
//! * [`pack`]: the manifest that pins and describes models, and where it is found.
//! * [`pixels`]: from pictures to tensors.
//! * [`detector`], [`refiner`], [`embedding`], [`liveness`]: what is done around each network; [`fusion`]: one confidence of several.
//! * [`vision`]: all of them as the core sees them.
//! * [`golden`]: whether an engine computes on this processor what was measured elsewhere.
//! * [`bench`]: the engines side by side on this machine.
//! * [`evaluation`]: error rates and calibration.

pub mod bench;
pub mod detector;
pub mod embedding;
pub mod evaluation;
pub mod fusion;
pub mod golden;
pub mod liveness;
pub mod pack;
pub mod pixels;
pub mod refiner;
pub mod vision;

pub use doorward_engine as engine;
