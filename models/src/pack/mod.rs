//! A pack: one manifest that names, pins and describes a detector, perhaps a refiner of what it finds, an embedding model
//! and liveness models that belong together, and their weights.
//!
//! Weights are found by name and digest, so it does not matter which folder they come from: no byte reaches an engine
//! that the manifest does not pin. A [`recipe`] is a pack before it is measured, a [`signature`] says whose pack it is.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use doorward_core::calibration::Calibration;
pub use doorward_protocol::hex::{hex, unhex};
use sha2::{Digest as _, Sha256};

use crate::detector::DetectionLimits;
use crate::engine::{EngineFault, Signature};
use crate::pixels::Normalisation;

pub mod address;
mod check;
mod manifest;
pub mod recipe;
mod search;
pub mod signature;
mod text;

pub use manifest::{EmbeddingModel, LivenessCalibration, LivenessModel, Manifest, RefinerModel};
pub use search::{CURRENT, MANIFEST_NAME, PackPath, RECIPE_NAME, SYSTEM_FOLDER, all_present, find, find_in};

/// Largest manifest: fifty times the recommended one.
pub const MANIFEST_LEN_MAX: u64 = 512 << 10;

/// Largest file of weights: face models for terminals have at most 45 MB, and eight of them must fit into the memory
/// of a small board while they are loaded.
pub const WEIGHTS_LEN_MAX: u64 = 64 << 20;

/// What a model of a pack does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Finds faces near the door, quickly.
    Detector,
    /// Finds faces farther away, at a larger input.
    DetectorDistant,
    /// Looks again at what a detector proposes.
    Refiner,
    /// Makes templates.
    Embedding,
    /// Tells live faces from prints and screens.
    Liveness,
}

impl Role {
    /// The key in the manifest.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Role::Detector => "detector",
            Role::DetectorDistant => "detector_distant",
            Role::Refiner => "refiner",
            Role::Embedding => "embedding",
            Role::Liveness => "liveness",
        }
    }
}

/// How far away faces are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// People stand before the terminal.
    #[default]
    Near,
    /// People walk up to it; costs about four times as much per frame. Needs a pack with a `detector_distant`.
    Distant,
}

/// What a manifest says about one file of weights.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelEntry {
    /// What it does.
    pub role: Role,
    /// Plain file name.
    pub file: String,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
    /// Its size, where the manifest says it.
    pub bytes: Option<u64>,
    /// Where exactly this file can be fetched, if anywhere.
    pub url: Option<String>,
    /// Licence of the weights.
    pub licence: String,
    /// Where they come from: repository, path, commit.
    pub source: String,
    /// How the file was made from the source.
    pub conversion: String,
    /// What is known about the rights in the training data.
    pub data_terms: String,
    /// Inputs and outputs.
    pub signature: Signature,
    /// From bytes to numbers.
    pub normalisation: Normalisation,
    /// Values of [`crate::golden::vector`] that every engine must give; empty for no self-test.
    pub golden: Vec<f32>,
}

/// A detecting model of a pack.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectorModel {
    /// The file.
    pub entry: ModelEntry,
    /// Thresholds of its candidates.
    pub limits: DetectionLimits,
}

/// A pack could not be found, read or trusted.
#[derive(Debug, thiserror::Error)]
pub enum PackFault {
    /// No manifest anywhere.
    #[error(
        "find a model pack: no {MANIFEST_NAME} in {}; install the package doorward-models, or name the folder of a pack with --models DIR",
        listed(tried)
    )]
    NotFound {
        /// Folders that were looked into.
        tried: Vec<PathBuf>,
    },
    /// The folder that was named is none.
    #[error(
        "find a model pack: {} is no folder and no name of a pack; --models takes the folder that holds {MANIFEST_NAME}, or the weights",
        path.display()
    )]
    NoFolder {
        /// As given.
        path: PathBuf,
    },
    /// The folder that was named holds neither a pack nor the weights of the recommended one.
    #[error(
        "find a model pack in {}: it has no {MANIFEST_NAME}, and not all weights of the recommended pack (it lacks {lacking}); no other pack is taken in its place",
        path.display()
    )]
    NoPack {
        /// As given.
        path: PathBuf,
        /// The first file of the recommended pack that is nowhere.
        lacking: String,
    },
    /// A recipe, not yet a pack.
    #[error(
        "{} is a recipe, not yet a pack: fetch its weights with `doorctl pack fetch`, make the pack with `doorctl pack build`",
        path.display()
    )]
    Unbuilt {
        /// The recipe.
        path: PathBuf,
    },
    /// A file could not be read.
    #[error("read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A file is larger than any honest one.
    #[error("{} is longer than the {most} bytes allowed for it", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The bound.
        most: u64,
    },
    /// The manifest is no TOML of the right form; the source names line, key and what is allowed.
    #[error("read the manifest {}", path.display())]
    Syntax {
        /// The manifest.
        path: PathBuf,
        /// Line, key, and what is allowed.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A value of the manifest is not allowed.
    #[error("{}: {key} is {found}; allowed is {allowed}", path.display())]
    Value {
        /// The manifest.
        path: PathBuf,
        /// The key, dotted.
        key: String,
        /// As found.
        found: String,
        /// What is allowed.
        allowed: String,
    },
    /// A file of weights is nowhere.
    #[error(
        "find the {role} model {file} with SHA-256 {sha256}: not in {}; fetch and convert it as the pack's README says (`doorctl pack fetch` where it has an address), or name its folder with --models DIR",
        listed(tried),
        role = role.key()
    )]
    NoWeights {
        /// Its role.
        role: Role,
        /// Its name.
        file: String,
        /// Its digest, hexadecimal.
        sha256: String,
        /// Folders that were looked into.
        tried: Vec<PathBuf>,
    },
    /// Files of that name exist, and none has the digest.
    #[error(
        "the {role} model {} has SHA-256 {found}, the manifest pins {expected}: the file is damaged, exchanged or of another version",
        path.display(),
        role = role.key()
    )]
    Digest {
        /// Its role.
        role: Role,
        /// The file.
        path: PathBuf,
        /// The manifest's digest, hexadecimal.
        expected: String,
        /// The file's digest, hexadecimal.
        found: String,
    },
    /// The pack has no model for this reach.
    #[error("the pack {name} has no detector_distant: set the reach to near, or use a pack that has one")]
    NoDistant {
        /// Name of the pack.
        name: String,
    },
    /// The engine refused a model.
    #[error(transparent)]
    Engine(#[from] EngineFault),
    /// The engine gives other numbers than it should on this machine.
    #[error(
        "self-test of the {model} model in {engine}: value {position} is {found}, the pack says {expected}; this engine is unfit on this processor, try the other one"
    )]
    Golden {
        /// The model.
        model: String,
        /// The engine.
        engine: &'static str,
        /// Which of the golden values.
        position: usize,
        /// As in the manifest.
        expected: f32,
        /// As measured.
        found: f32,
    },
}

/// A checked manifest with its weights in memory, each byte of them pinned. Dropping it frees the weights; loaded
/// models do not need it.
pub struct Pack {
    manifest: Manifest,
    weights: Vec<Vec<u8>>,
}

impl Pack {
    /// Reads the manifest, then every file of weights that it names.
    ///
    /// # Errors
    /// [`PackFault`].
    pub fn open(path: &PackPath) -> Result<Self, PackFault> {
        let text = read_bounded(&path.manifest, MANIFEST_LEN_MAX)?;
        let manifest = Manifest::parse(&path.manifest, &text)?;
        let weights = manifest.entries().map(|entry| read_weights(entry, &path.folders));
        let weights = weights.collect::<Result<Vec<_>, _>>()?;
        Ok(Self { manifest, weights })
    }

    /// What the manifest says.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Name and version, for people.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{} {}", self.manifest.name, self.manifest.version)
    }

    /// SHA-256 of the manifest, which pins everything else.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.manifest.digest
    }

    /// Values of a template.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.manifest.embedding.entry.signature.outputs.iter().flat_map(|port| &port.shape).product()
    }

    /// From comparison scores to error rates.
    #[must_use]
    pub fn calibration(&self) -> &Calibration {
        &self.manifest.calibration
    }

    /// The bytes of a model of this pack, found by digest.
    ///
    /// # Panics
    /// If `entry` is of another pack.
    #[must_use]
    pub fn weights(&self, entry: &ModelEntry) -> &[u8] {
        let place = self.manifest.entries().position(|other| other.sha256 == entry.sha256);
        &self.weights[place.expect("the entry is one of this manifest's")]
    }
}

/// The first file of the right name and digest.
///
/// # Errors
/// [`PackFault::NoWeights`], [`PackFault::Digest`], [`PackFault::Read`], [`PackFault::TooLong`].
pub fn read_weights(entry: &ModelEntry, folders: &[PathBuf]) -> Result<Vec<u8>, PackFault> {
    let mut other = None;
    for path in folders.iter().map(|folder| folder.join(&entry.file)).filter(|path| path.is_file()) {
        let bytes = read_bounded(&path, WEIGHTS_LEN_MAX)?;
        let found: [u8; 32] = Sha256::digest(&bytes).into();
        if found == entry.sha256 {
            return Ok(bytes);
        }
        other.get_or_insert((path, found));
    }
    let expected = hex(&entry.sha256);
    Err(match other {
        Some((path, found)) => PackFault::Digest { role: entry.role, path, expected, found: hex(&found) },
        None => PackFault::NoWeights {
            role: entry.role,
            file: entry.file.clone(),
            sha256: expected,
            tried: folders.to_vec(),
        },
    })
}

/// A whole file of at most `most` bytes.
///
/// # Errors
/// [`PackFault::Read`], [`PackFault::TooLong`].
pub fn read_bounded(path: &Path, most: u64) -> Result<Vec<u8>, PackFault> {
    let fault = |source| PackFault::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).map_err(fault)?.take(most + 1).read_to_end(&mut bytes).map_err(fault)?;
    if bytes.len() as u64 > most {
        return Err(PackFault::TooLong { path: path.to_owned(), most });
    }
    Ok(bytes)
}

fn listed(folders: &[PathBuf]) -> String {
    folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ")
}
