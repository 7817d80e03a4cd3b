//! The models that doorctl looks with.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use doorward_models::engine::EngineKind;
use doorward_models::pack::{self, Pack};
use doorward_models::vision::Models;

/// Options that choose models and engine.
#[derive(Debug, Clone, Args)]
pub struct Minding {
    /// Folder of a model pack, or the name of one in the usual places; without it the usual places are searched.
    #[arg(long, global = true, help_heading = "Shared options", value_name = "DIR")]
    pub models: Option<PathBuf>,
    /// Engine that runs the models.
    #[arg(long, global = true, help_heading = "Shared options", value_enum, default_value_t = EngineName::Tract)]
    pub engine: EngineName,
    /// Shared library of ONNX Runtime; needs a build with the feature `ort`, and is loaded only if its digest is pinned.
    #[arg(long, global = true, help_heading = "Shared options", value_name = "PATH")]
    pub ort_library: Option<PathBuf>,
}

/// The engines by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EngineName {
    /// Pure Rust, always there.
    Tract,
    /// Faster; needs --ort-library.
    Onnxruntime,
}

impl Minding {
    /// The engine.
    ///
    /// # Errors
    /// When ONNX Runtime is wanted without its library.
    pub fn engine(&self) -> anyhow::Result<EngineKind> {
        match (self.engine, &self.ort_library) {
            (EngineName::Tract, _) => Ok(EngineKind::Tract),
            (EngineName::Onnxruntime, Some(library)) => {
                Ok(EngineKind::OnnxRuntime { library: library.clone() })
            }
            (EngineName::Onnxruntime, None) => {
                bail!("--engine onnxruntime needs --ort-library PATH, the shared library to load")
            }
        }
    }

    /// The pack: the one in `folder`, else the one of --models, else that of the usual places.
    ///
    /// # Errors
    /// When none is found or one of its files is not what it pins.
    pub fn pack(&self, folder: Option<&Path>) -> anyhow::Result<Pack> {
        let path = pack::find(folder.or(self.models.as_deref()))?;
        Pack::open(&path).context("open the model pack")
    }

    /// A pack with its models loaded.
    ///
    /// # Errors
    /// When pack or engine cannot be opened.
    pub fn load(&self) -> anyhow::Result<Mind> {
        let (pack, engine) = (self.pack(None)?, self.engine()?);
        let vision = Models::load(&pack, &engine).context("load the models")?;
        Ok(Mind { vision, pack })
    }
}

/// A pack, loaded.
pub struct Mind {
    /// The models.
    pub vision: Models,
    /// What they were loaded from.
    pub pack: Pack,
}

impl Mind {
    /// Values of a template.
    ///
    /// # Panics
    /// Never: manifests without one output of the form `[1, values]` are refused.
    #[must_use]
    pub fn dimension(&self) -> usize {
        let output = self.pack.manifest().embedding.entry.signature.outputs.first();
        *output.and_then(|port| port.shape.last()).expect("the manifest was checked to have one output")
    }
}
