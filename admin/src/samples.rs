//! From photographs or a recording to the feature vectors of an enrolment: one dominant face, good enough, alive or
//! answered for. What the templates themselves must fulfil is checked afterwards, by [`doorward_core::enrolment`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use doorward_core::attempt;
use doorward_core::decision::Reject;
use doorward_core::frame::Frameset;
use doorward_core::freshness::Freshness;
use doorward_core::liveness::{self, Fitted, Policy};
use doorward_core::quality::{self, Limits};
use doorward_core::stages::{Embedding, Face, GoodFace};
use doorward_core::template::UnitVector;
use doorward_core::vision::Vision;
use doorward_hal::camera::CameraFault;
use doorward_hal::camera::replay::Recording;
use indicatif::ProgressBar;

use crate::answer::{Answer, Stop};
use crate::look;

/// Templates made of one recording: its frames resemble each other, and more of them would fill a gallery with copies.
const OF_RECORDING: usize = 5;

/// The vectors of photographs, one each.
///
/// Unless somebody answers for them (`supervised`), each must look alive to the passive model, which a good print can
/// deceive; that is why a recording with infrared or depth is the better way.
///
/// # Errors
/// [`Stop::Refused`] names the first photograph that will not do.
pub fn of_photos(photos: &[PathBuf], supervised: bool, vision: &mut dyn Vision) -> Answer<Vec<UnitVector>> {
    let policy = Policy::colour_alone();
    let mut samples = Vec::new();
    let mut confidence = 0.0;
    for path in photos {
        let frames = look::photograph(path)?;
        let good = good_face(frames, vision)?.map_err(|reject| look::refused(path, reject))?;
        if supervised {
            samples.push(look::embed(good.picture(), good.detection(), vision)?);
            continue;
        }
        let live = live_face(good, &policy, vision)?.map_err(|reject| look::refused(path, reject))?;
        confidence += live.confidence();
        samples.push(live.vector().clone());
    }
    if !supervised && confidence / (samples.len() as f32) < policy.window_min {
        return Err(Stop::refused(look::remedy(Reject::NotLive)));
    }
    Ok(samples)
}

/// The vectors of the live faces of a recording, a few of them, evenly spread. All sensors that were recorded must
/// speak for life, as at the terminal.
///
/// # Errors
/// [`Stop::Refused`] where too few frames are good and live, or some look like an attack.
pub fn of_recording(folder: &Path, vision: &mut dyn Vision) -> Answer<Vec<UnitVector>> {
    let recording = Recording::open(folder).context("open the recording")?;
    let fitted = Fitted { infrared: recording.has_ir(), depth: recording.has_depth() };
    let policy = match (fitted.infrared, fitted.depth) {
        (false, false) => Policy::colour_alone(),
        (true, _) | (_, true) => Policy { fitted, depth_fov: recording.depth_fov(), ..Policy::default() },
    };
    let mut live: Vec<Embedding> = Vec::new();
    let mut rejects: BTreeMap<Reject, u32> = BTreeMap::new();
    let mut freshness = Freshness::default();
    let progress = ProgressBar::new(recording.len() as u64);
    for index in 0..recording.len() {
        let examined = match recording.frameset(index) {
            Ok(frames) => examine(frames, &mut freshness, &policy, vision)?,
            // A camera goes on after a broken frame, and so does its recording.
            Err(CameraFault::BrokenFrame { .. } | CameraFault::Untimely { .. }) => Err(Reject::Unproven),
            Err(fault) => return Err(Stop::Fault(anyhow::Error::new(fault).context("read the recording"))),
        };
        match examined {
            Ok(embedding) => live.push(embedding),
            Err(reject) => *rejects.entry(reject).or_default() += 1,
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    judge(&live, &rejects, &policy, folder)?;
    Ok(spread(&live, OF_RECORDING))
}

fn examine(
    frames: Frameset,
    freshness: &mut Freshness,
    policy: &Policy,
    vision: &mut dyn Vision,
) -> Answer<Result<Embedding, Reject>> {
    match freshness.check(&frames) {
        Ok(Ok(())) => {}
        Ok(Err(reject)) => return Ok(Err(reject)),
        Err(frozen) => return Err(Stop::refused(format!("the recording is frozen: {frozen}"))),
    }
    match good_face(frames, vision)? {
        Ok(good) => live_face(good, policy, vision),
        Err(reject) => Ok(Err(reject)),
    }
}

fn good_face(frames: Frameset, vision: &mut dyn Vision) -> Answer<Result<GoodFace, Reject>> {
    let picture = Arc::clone(&frames.rgb);
    let found = vision.detect(&picture.plane).context("look for faces")?;
    let limits = Limits::default();
    Ok(Face::dominant(frames, &found, &limits).and_then(|face| quality::check(face, &limits)))
}

fn live_face(good: GoodFace, policy: &Policy, vision: &mut dyn Vision) -> Answer<Result<Embedding, Reject>> {
    let rgb = vision.liveness(good.picture(), good.detection()).context("judge liveness")?;
    let evidence = liveness::gather(&good, rgb, policy);
    match liveness::prove(good, evidence, policy) {
        Ok(live) => Ok(Ok(Embedding::of(&live, vision).context("make a template")?)),
        Err(reject) => Ok(Err(reject)),
    }
}

/// As an attempt at the terminal is judged: some frames that are not live make it an attack, and the mean confidence
/// has to be high enough.
fn judge(live: &[Embedding], rejects: &BTreeMap<Reject, u32>, policy: &Policy, folder: &Path) -> Answer {
    let limits = attempt::Limits::default();
    let count = |reject| rejects.get(&reject).copied().unwrap_or(0);
    if count(Reject::NotLive) >= limits.spoof_frames {
        return Err(look::refused(folder, Reject::NotLive));
    }
    if live.len() < limits.window {
        let most = rejects.iter().max_by_key(|(_, count)| **count).map(|(reject, _)| *reject);
        let why = most.map_or("", look::remedy);
        let (found, needed) = (live.len(), limits.window);
        return Err(Stop::Refused(format!(
            "{}: {found} good, live frames, and {needed} are needed; most often: {why}",
            folder.display()
        )));
    }
    let mean = live.iter().map(Embedding::confidence).sum::<f32>() / live.len() as f32;
    if mean < policy.window_min { Err(look::refused(folder, Reject::NotLive)) } else { Ok(()) }
}

/// At most `most` of them, from the first to the last.
fn spread(live: &[Embedding], most: usize) -> Vec<UnitVector> {
    let count = live.len().min(most);
    let place = |i: usize| if count == 1 { 0 } else { i * (live.len() - 1) / (count - 1) };
    (0..count).map(|i| live[place(i)].vector().clone()).collect()
}
