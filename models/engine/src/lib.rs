//! One network behind one trait, so that nobody else knows which engine runs it.
//!
//! tract is pure Rust and always there. ONNX Runtime (feature `ort`) is about twice as fast on most processors; its
//! shared library is named in the configuration and pinned by digest. Both give the same numbers to 1e-4, which the
//! golden vectors of a pack check at every load, so templates made by one are comparable with those of the other.

use std::fmt;
use std::path::PathBuf;

#[cfg(feature = "ort")]
mod onnxruntime;
mod tract;

#[cfg(feature = "ort")]
pub use onnxruntime::PINNED;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Largest number of values in one tensor: a 4K colour picture, far above any face model's input.
pub const VALUES_MAX: usize = 3 * 4096 * 2160;

/// Numbers in row-major order with their shape, for pictures `[1, channels, height, width]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// The numbers; as many as the product of the shape.
    pub values: Vec<f32>,
}

impl Tensor {
    /// A tensor of zeros.
    ///
    /// # Panics
    /// If the shape asks for more than [`VALUES_MAX`] values.
    #[must_use]
    pub fn zeros(shape: &[usize]) -> Self {
        let count = volume(shape).expect("shapes are checked when the manifest is read");
        Self { shape: shape.to_vec(), values: vec![0.0; count] }
    }
}

/// A tensor that a network takes or gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Its name in the ONNX file.
    pub name: String,
    /// Its fixed shape.
    pub shape: Vec<usize>,
}

/// What a network must look like: the manifest's word, held against the file when it is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The model as faults name it, for example `embedding mobilefacenet.onnx`.
    pub model: String,
    /// Its one input, f32.
    pub input: Port,
    /// Its outputs in the order of the file, f32.
    pub outputs: Vec<Port>,
}

/// Which engine runs the networks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineKind {
    /// tract, pure Rust.
    Tract,
    /// ONNX Runtime; needs a build with the feature `ort`.
    OnnxRuntime {
        /// Its shared library; never searched for, and loaded only if its digest is pinned.
        library: PathBuf,
    },
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EngineKind::Tract => "tract",
            EngineKind::OnnxRuntime { .. } => "onnxruntime",
        })
    }
}

/// A network could not be loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum EngineFault {
    /// The bytes are no network that the engine understands.
    #[error("load the {model} model into {engine}: the file is damaged, or uses operators this engine lacks")]
    Load {
        /// The model.
        model: String,
        /// The engine.
        engine: &'static str,
        /// What the engine said.
        #[source]
        source: Cause,
    },
    /// The file's tensors are not those of the manifest.
    #[error("the {model} model has {found}, its manifest says {expected}")]
    Signature {
        /// The model.
        model: String,
        /// The manifest's word.
        expected: String,
        /// The file's word.
        found: String,
    },
    /// A tensor of another shape than the signature's was handed in or came out.
    #[error(
        "the {model} model's {port} has shape {expected:?}, this tensor has shape {found:?} and {count} values"
    )]
    Shape {
        /// The model.
        model: String,
        /// Name of the input or output.
        port: String,
        /// As in the manifest.
        expected: Vec<usize>,
        /// As found.
        found: Vec<usize>,
        /// Values found.
        count: usize,
    },
    /// The engine failed in the middle.
    #[error("run the {model} model in {engine}")]
    Run {
        /// The model.
        model: String,
        /// The engine.
        engine: &'static str,
        /// What the engine said.
        #[source]
        source: Cause,
    },
    /// NaN or infinity: a damaged model or input, never an answer.
    #[error("the {model} model gave {value} in its output {port}")]
    NotFinite {
        /// The model.
        model: String,
        /// Name of the output.
        port: String,
        /// The first such value.
        value: f32,
    },
    /// This build has no ONNX Runtime.
    #[error("this build has no ONNX Runtime: build with the feature `ort`, or set the engine to tract")]
    NotBuilt,
    /// The shared library could not be read or loaded.
    #[error("load ONNX Runtime from {}", path.display())]
    Library {
        /// Its path.
        path: PathBuf,
        /// Why not.
        #[source]
        source: Cause,
    },
    /// The shared library is not one of those that were tested.
    #[error("{} has SHA-256 {found}, which is not pinned: use the library of {pinned}", path.display())]
    Unpinned {
        /// Its path.
        path: PathBuf,
        /// Its digest, hexadecimal.
        found: String,
        /// What is pinned.
        pinned: String,
    },
}

/// A loaded network. `run` blocks for as long as inference takes, on the caller's thread alone; after a fault the next
/// call starts afresh.
pub trait Engine: Send {
    /// Runs the network once. Outputs come in the order of the signature, all values finite.
    ///
    /// # Errors
    /// [`EngineFault::Shape`], [`EngineFault::Run`] or [`EngineFault::NotFinite`].
    fn run(&mut self, input: &Tensor) -> Result<Vec<Tensor>, EngineFault>;

    /// `tract` or `onnxruntime`.
    fn name(&self) -> &'static str;
}

/// Loads the ONNX file in `bytes` and holds its inputs and outputs against `signature`.
///
/// # Errors
/// [`EngineFault`], naming the model.
pub fn load(kind: &EngineKind, bytes: &[u8], signature: Signature) -> Result<Box<dyn Engine>, EngineFault> {
    match kind {
        EngineKind::Tract => Ok(Box::new(tract::Tract::load(bytes, signature)?)),
        #[cfg(feature = "ort")]
        EngineKind::OnnxRuntime { library } => {
            Ok(Box::new(onnxruntime::OnnxRuntime::load(library, bytes, signature)?))
        }
        #[cfg(not(feature = "ort"))]
        EngineKind::OnnxRuntime { .. } => Err(EngineFault::NotBuilt),
    }
}

/// Number of values of a shape; `None` where it is zero or beyond [`VALUES_MAX`].
#[must_use]
pub fn volume(shape: &[usize]) -> Option<usize> {
    let count = shape.iter().try_fold(1usize, |product, side| product.checked_mul(*side))?;
    (1..=VALUES_MAX).contains(&count).then_some(count)
}

impl Signature {
    /// Compares the file's ports with the manifest's, all at once, so that one message tells everything.
    fn verify(&self, inputs: &[Port], outputs: &[Port]) -> Result<(), EngineFault> {
        if inputs == [self.input.clone()] && outputs == self.outputs {
            return Ok(());
        }
        let say = |inputs: &[Port], outputs: &[Port]| {
            format!("inputs {} and outputs {}", listed(inputs), listed(outputs))
        };
        Err(EngineFault::Signature {
            model: self.model.clone(),
            expected: say(std::slice::from_ref(&self.input), &self.outputs),
            found: say(inputs, outputs),
        })
    }

    fn check_input(&self, input: &Tensor) -> Result<(), EngineFault> {
        self.check_shape(&self.input, input)
    }

    fn check_outputs(&self, outputs: &[Tensor]) -> Result<(), EngineFault> {
        for (port, output) in self.outputs.iter().zip(outputs) {
            self.check_shape(port, output)?;
            // A sum is NaN or infinite if any of its terms is, and adding is quicker than asking each value; a sum
            // of finite values that overflows finds no culprit below and passes.
            if !output.values.iter().sum::<f32>().is_finite()
                && let Some(value) = output.values.iter().find(|v| !v.is_finite())
            {
                let (model, port) = (self.model.clone(), port.name.clone());
                return Err(EngineFault::NotFinite { model, port, value: *value });
            }
        }
        Ok(())
    }

    fn check_shape(&self, port: &Port, tensor: &Tensor) -> Result<(), EngineFault> {
        if tensor.shape == port.shape && Some(tensor.values.len()) == volume(&port.shape) {
            return Ok(());
        }
        Err(EngineFault::Shape {
            model: self.model.clone(),
            port: port.name.clone(),
            expected: port.shape.clone(),
            found: tensor.shape.clone(),
            count: tensor.values.len(),
        })
    }
}

fn listed(ports: &[Port]) -> String {
    // Sixteen are more than any face model has; a hostile file may have thousands.
    const LISTED_MAX: usize = 16;
    let mut list: Vec<String> =
        ports.iter().take(LISTED_MAX).map(|p| format!("{} {:?}", p.name, p.shape)).collect();
    if ports.len() > LISTED_MAX {
        list.push(format!("and {} more", ports.len() - LISTED_MAX));
    }
    list.join(", ")
}
