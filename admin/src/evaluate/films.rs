//! What each frame of a presentation says of life: pictures by colour alone, recordings by every sensor they have and in
//! the way of a terminal, from the dominant face to the table that fuses the families.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::ValueEnum;
use doorward_core::decision::Reject;
use doorward_core::frame::Frameset;
use doorward_core::freshness::Freshness;
use doorward_core::liveness::{self, Fitted, Policy};
use doorward_core::quality::{self, Limits};
use doorward_core::stages::Face;
use doorward_core::vision::Vision as _;
use doorward_hal::camera::CameraFault;
use doorward_hal::camera::replay::Recording;
use doorward_models::vision::Models;
use serde::{Deserialize, Serialize};

use super::crew::Crew;
use super::sequences::Sequence;
use crate::look;

/// What a frame says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// Fused log-odds of life of the pack's networks, from colour alone; none without a face.
    pub odds: Option<f32>,
    /// Confidence of the terminal's whole chain, 0 to 100; none where no face was good enough to be judged.
    pub confidence: Option<f32>,
    /// The code of the reject that ended the chain, if one did.
    pub reject: Option<String>,
}

/// How much evidence of life a recording is held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// Every sensor that was recorded, colour alone where there is no other.
    Convenience,
    /// Every sensor that was recorded, infrared or depth among them.
    Standard,
    /// Colour, infrared and depth.
    High,
}

impl Level {
    /// What a terminal with the sensors of a recording asks for. A recording answers no challenge: what one asks beyond
    /// single frames is taken for answered.
    fn policy(self, recording: &Recording, limits: &Policy) -> Policy {
        let fitted = Fitted { infrared: recording.has_ir(), depth: recording.has_depth() };
        let level = match self {
            Self::Convenience => liveness::Level::Convenience,
            Self::Standard => liveness::Level::Standard,
            Self::High => liveness::Level::High,
        };
        Policy { level, fitted, depth_fov: recording.depth_fov(), ..*limits }
    }
}

/// Judges every frame of every sequence once; `limits` are those of a single frame and of a window.
///
/// # Errors
/// When files or models cannot be read.
pub fn judge(
    crew: &Crew<'_>,
    sequences: &[&Sequence],
    level: Level,
    limits: &Policy,
) -> anyhow::Result<Vec<Vec<Told>>> {
    let files: Vec<&PathBuf> = sequences
        .iter()
        .flat_map(|sequence| match sequence {
            Sequence::Pictures(frames) => frames.iter().collect::<Vec<_>>(),
            Sequence::Recording(manifest) => vec![manifest],
        })
        .collect();
    let is_picture = |path: &Path| path.file_name().is_none_or(|name| name != super::sequences::RECORDING);
    let job = |models: &mut Models, path: &Path| match is_picture(path) {
        true => Ok(vec![picture(models, path)?]),
        false => recording(models, path, level, limits),
    };
    // A journal of other limits holds other confidences.
    let of = format!("liveness, {level:?}, {}, {}", limits.rgb_min, limits.window_min);
    let mut told = crew.work(&of, &files, job)?.into_iter();
    let of = |sequence: &&Sequence| match sequence {
        Sequence::Pictures(frames) => told.by_ref().take(frames.len()).flatten().collect(),
        Sequence::Recording(_) => told.next().expect("one answer for each file"),
    };
    Ok(sequences.iter().map(of).collect())
}

/// The largest face of a picture, from colour alone.
fn picture(models: &mut Models, path: &Path) -> anyhow::Result<Told> {
    let Ok(picture) = look::open(path)? else { return Ok(Told::default()) };
    let doing = || format!("judge {}", path.display());
    let faces = models.detect(&picture).with_context(doing)?;
    let Some(face) = faces.first() else { return Ok(Told::default()) };
    let odds = models.liveness_odds(&picture, face).with_context(doing)?;
    Ok(Told { odds: Some(odds), confidence: Some(100.0 * models.confidence().of(odds)), reject: None })
}

/// Every frameset of a recording, by the terminal's chain.
fn recording(
    models: &mut Models,
    manifest: &Path,
    level: Level,
    limits: &Policy,
) -> anyhow::Result<Vec<Told>> {
    let folder = manifest.parent().context("a recording lies in a folder")?;
    let recording = Recording::open(folder).context("open the recording")?;
    let policy = level.policy(&recording, limits);
    let mut freshness = Freshness::default();
    let mut told = Vec::with_capacity(recording.len());
    for index in 0..recording.len() {
        let said = match recording.frameset(index) {
            Ok(frames) => frameset(models, frames, &mut freshness, &policy)
                .with_context(|| format!("judge frame {index} of {}", folder.display()))?,
            // A camera goes on after a broken frame, and so does its recording.
            Err(CameraFault::BrokenFrame { .. } | CameraFault::Untimely { .. }) => rejected(Reject::Unproven),
            Err(fault) => return Err(anyhow::Error::new(fault).context("read the recording")),
        };
        told.push(said);
    }
    Ok(told)
}

fn frameset(
    models: &mut Models,
    frames: Frameset,
    freshness: &mut Freshness,
    policy: &Policy,
) -> anyhow::Result<Told> {
    match freshness.check(&frames) {
        Ok(Ok(())) => {}
        Ok(Err(reject)) => return Ok(unproven(reject)),
        Err(_) => return Ok(unproven(Reject::Unproven)),
    }
    let picture = Arc::clone(&frames.rgb);
    let faces = models.detect(&picture.plane)?;
    let limits = Limits::default();
    let good = Face::dominant(frames, &faces, &limits).and_then(|face| quality::check(face, &limits));
    let good = match good {
        Ok(good) => good,
        Err(reject) => return Ok(rejected(reject)),
    };
    let odds = models.liveness_odds(&picture.plane, good.detection())?;
    let evidence = liveness::gather(&good, models.confidence().of(odds), policy);
    let confidence = evidence.confidence();
    let (confidence, reject) = match liveness::prove(good, evidence, policy) {
        Ok(_) => (confidence, None),
        // Refused in this frame, whatever the weakest family's number: below the floor of a single frame.
        Err(reject) => (confidence.min(100.0 * policy.rgb_min.next_down()), Some(reject.code().to_owned())),
    };
    Ok(Told { odds: Some(odds), confidence: Some(confidence), reject })
}

/// A frame without a face that could be judged.
fn rejected(reject: Reject) -> Told {
    Told { reject: Some(reject.code().to_owned()), ..Told::default() }
}

/// A frame that proves nothing: a terminal lets nobody in by it.
fn unproven(reject: Reject) -> Told {
    Told { confidence: Some(0.0), ..rejected(reject) }
}
