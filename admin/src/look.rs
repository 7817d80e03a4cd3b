//! One photograph, its face, and what is measured of it.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use doorward_core::decision::Reject;
use doorward_core::frame::{Frameset, Plane, Rgb, Shot};
use doorward_core::quality::{self, Limits};
use doorward_core::stages::Face;
use doorward_core::template::UnitVector;
use doorward_core::time::Mono;
use doorward_core::vision::{Detection, Vision};
use doorward_hal::photo::{self, PhotoError};
use serde::Serialize;

use crate::answer::{Answer, Stop};

/// A face and what was measured of it, as JSON tells it. Lengths are in pixels of the photograph (shrunk to a longest
/// side of 2048), angles in degrees.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measured {
    /// Detector confidence, 0 to 1.
    pub detection_score: f32,
    /// `[x, y, width, height]`.
    pub region: [f32; 4],
    /// Left eye, right eye, nose, left and right mouth corner, as the picture shows them.
    pub landmarks: [[f32; 2]; 5],
    /// Pixels between the eyes.
    pub eye_distance: f32,
    /// To the side.
    pub yaw: f32,
    /// Up and down.
    pub pitch: f32,
    /// In the plane of the picture.
    pub roll: f32,
    /// Mean luminance of the face, 0 to 255.
    pub brightness: f32,
    /// Its standard deviation.
    pub contrast: f32,
    /// 0 to 100.
    pub sharpness: f32,
    /// Share of the face inside the picture, 0 to 1.
    pub visible: f32,
    /// Passive liveness from colour, 0 to 1.
    pub liveness: f32,
    /// The same measures as scores 0 to 100; below 25 a terminal does not judge the face.
    pub scores: Scored,
    /// Why a terminal would not judge this face; none where it would.
    pub reject: Option<&'static str>,
}

/// Quality as scores, 0 to 100: see [`quality::Scores`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Scored {
    /// The least of the others.
    pub least: f32,
    /// Crispness.
    pub sharpness: f32,
    /// Neither dark nor glaring.
    pub brightness: f32,
    /// Difference of light and shade.
    pub contrast: f32,
    /// Turned towards the camera.
    pub pose: f32,
    /// Pixels between the eyes.
    pub size: f32,
    /// Inside the picture.
    pub visible: f32,
}

impl From<quality::Scores> for Scored {
    fn from(scores: quality::Scores) -> Self {
        let quality::Scores { sharpness, brightness, contrast, pose, size, visible } = scores;
        Self { least: scores.least(), sharpness, brightness, contrast, pose, size, visible }
    }
}

/// The face of a photograph that a command works with.
pub struct Seen {
    /// The face.
    pub detection: Detection,
    /// What was measured.
    pub measured: Measured,
    /// Its feature vector.
    pub vector: UnitVector,
}

/// Reads a photograph.
///
/// # Errors
/// [`Stop::Refused`] for a file that is no photograph within the bounds, [`Stop::Fault`] for one that cannot be read.
pub fn photograph(path: &Path) -> Answer<Frameset> {
    let plane = open(path)?.map_err(|refusal| Stop::Refused(format!("{}: {refusal}", path.display())))?;
    // As the stages know pictures: colour alone, of one moment.
    Ok(Frameset { rgb: Arc::new(Shot { sequence: 0, at: Mono(0), plane }), ir: None, depth: None })
}

/// The picture in a file, or why there is none.
///
/// # Errors
/// When the file cannot be read; what it holds is an answer.
pub fn open(path: &Path) -> anyhow::Result<Result<Plane<Rgb>, String>> {
    match photo::open(path) {
        Ok(picture) => Ok(Ok(picture)),
        Err(fault @ PhotoError::File { .. }) => Err(fault.into()),
        Err(refusal) => Ok(Err(format!("{:#}", anyhow::Error::new(refusal)))),
    }
}

/// The one dominant face of a photograph with its measures and feature vector, good enough or not.
///
/// # Errors
/// [`Stop::Refused`] for none or several faces, [`Stop::Fault`] when the models break.
pub fn face_of(path: &Path, vision: &mut dyn Vision) -> Answer<Seen> {
    let frames = photograph(path)?;
    let found = vision.detect(&frames.rgb.plane).context("look for faces")?;
    let limits = Limits::default();
    let face = Face::dominant(frames, &found, &limits).map_err(|reject| refused(path, reject))?;
    let picture = Arc::clone(&face.frames().rgb);
    let detection = *face.detection();
    let measured = measure(face, vision)?;
    let vector = embed(&picture.plane, &detection, vision)?;
    Ok(Seen { detection, measured, vector })
}

/// Every face of a photograph, largest first.
///
/// # Errors
/// As [`face_of`]; a photograph without any face has an empty list.
pub fn faces_of(path: &Path, vision: &mut dyn Vision) -> Answer<((u32, u32), Vec<Measured>)> {
    let frames = photograph(path)?;
    let size = (frames.rgb.plane.width(), frames.rgb.plane.height());
    let found = vision.detect(&frames.rgb.plane).context("look for faces")?;
    // Each by itself: what a neighbour costs is said by the number of faces.
    let limits = Limits { detection_min: 0.0, ..Limits::default() };
    let mut faces = Vec::new();
    for detection in found {
        let face = Face::dominant(frames.clone(), &[detection], &limits);
        faces.push(measure(face.expect("one detection above the floor is the dominant one"), vision)?);
    }
    Ok((size, faces))
}

/// The feature vector of a face.
///
/// # Errors
/// When the models break.
pub fn embed(
    picture: &Plane<Rgb>,
    detection: &Detection,
    vision: &mut dyn Vision,
) -> anyhow::Result<UnitVector> {
    let raw = vision.embed(picture, &detection.landmarks).context("make a template")?;
    UnitVector::normalise(raw).context("the embedding model gave no usable vector")
}

/// The refusal of a photograph, in words for whoever took it.
#[must_use]
pub fn refused(path: &Path, reject: Reject) -> Stop {
    Stop::Refused(format!("{}: {} ({})", path.display(), remedy(reject), reject.code()))
}

/// What an operator can do about a reject.
#[must_use]
pub fn remedy(reject: Reject) -> &'static str {
    match reject {
        Reject::NoFace => "no face was found; use a picture that shows one from the front",
        Reject::ManyFaces => "more than one face was found; use a picture of this person alone",
        Reject::TooFar => {
            "the face is too small; use a picture in which the eyes lie at least 32 pixels apart"
        }
        Reject::TooClose => "the face reaches out of the picture; use one that shows all of it",
        Reject::Turned => "the head is turned away; use a picture from the front",
        Reject::Blurred => "the face is blurred; use a sharp picture",
        Reject::TooDark => "the face is too dark; use more light",
        Reject::TooBright => "the face is too bright; use less light",
        Reject::Flat => "the face has next to no contrast; use even light from the front and a clean lens",
        Reject::NotLive => {
            "this looks like a picture of a picture, not like a live person; take it of the person, or import it with \
             --supervised if somebody answers for it"
        }
        Reject::Unproven => "a camera gave no picture of that moment, so life is unproven; record again",
        Reject::Unknown
        | Reject::Ambiguous
        | Reject::Suspended
        | Reject::NotYetValid
        | Reject::Expired
        | Reject::NotNow
        | Reject::ClockUntrusted
        | Reject::LockedOut
        | Reject::Lockdown
        | Reject::CredentialFirst
        | Reject::UnknownCredential
        | Reject::NotAccepted
        | Reject::Used
        | Reject::NotTheClaimed
        | Reject::Unanswered
        | Reject::Unrecorded => reject.advice(),
    }
}

fn measure(face: Face, vision: &mut dyn Vision) -> anyhow::Result<Measured> {
    let picture = Arc::clone(&face.frames().rgb);
    let detection = *face.detection();
    let liveness = vision.liveness(&picture.plane, &detection).context("judge liveness")?;
    let quality = quality::measure(&picture.plane, &detection);
    let reject = quality::check(face, &Limits::default()).err();
    let region = detection.region;
    Ok(Measured {
        detection_score: detection.score,
        region: [region.x, region.y, region.width, region.height],
        landmarks: detection.landmarks.points().map(|p| [p.x, p.y]),
        eye_distance: quality.eye_distance,
        yaw: quality.pose.yaw,
        pitch: quality.pose.pitch,
        roll: quality.pose.roll,
        brightness: quality.brightness,
        contrast: quality.contrast,
        sharpness: quality.sharpness,
        visible: quality.visible,
        liveness,
        scores: quality::Scores::of(&quality, &Limits::default()).into(),
        reject: reject.map(Reject::code),
    })
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Adding zero takes the sign from a rounded zero.
        let whole = |degrees: f32| degrees.round() + 0.0;
        write!(
            f,
            "{:.0} px between the eyes, yaw {:.0}, pitch {:.0}, brightness {:.0}, contrast {:.0}, sharpness {:.0}, \
             liveness {:.2}, quality {:.0}: {}",
            self.eye_distance,
            whole(self.yaw),
            whole(self.pitch),
            self.brightness,
            self.contrast,
            self.sharpness,
            self.liveness,
            self.scores.least,
            self.reject.unwrap_or("good")
        )
    }
}
