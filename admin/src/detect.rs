//! `doorctl detect`: the faces of a photograph.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::answer::{Answer, Stop};
use crate::look::{self, Measured};
use crate::mind::Minding;
use crate::text;

/// Options of `detect`.
#[derive(Debug, Args)]
#[command(after_help = "JSON: width, height, and faces (largest first), each with detection_score, region \
    [x, y, width, height], landmarks (left eye, right eye, nose, left and right mouth corner as the picture shows them), \
    eye_distance, yaw, pitch, roll, brightness, contrast, sharpness, visible, liveness, reject (why a terminal would not \
    judge this face, or null).\n\n\
    Example:\n  doorctl detect group.jpg --json\n\nExit code: 0 faces were found, 2 none, 1 fault.")]
pub struct Detect {
    /// The photograph.
    photo: PathBuf,
    /// JSON instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Told {
    width: u32,
    height: u32,
    faces: Vec<Measured>,
}

/// Finds faces.
///
/// # Errors
/// [`Stop::Refused`] where there is none.
pub fn run(options: &Detect, minding: &Minding, out: &mut dyn Write) -> Answer {
    let mut mind = minding.load()?;
    let ((width, height), faces) = look::faces_of(&options.photo, &mut mind.vision)?;
    let told = Told { width, height, faces };
    if options.json {
        text::json(out, &told)?;
    } else {
        writeln!(out, "{width} x {height}, {} faces", told.faces.len())?;
        for face in &told.faces {
            let [x, y, w, h] = face.region;
            writeln!(out, "{:.2} at {x:.0},{y:.0} size {w:.0} x {h:.0}: {face}", face.detection_score)?;
        }
    }
    if told.faces.is_empty() {
        return Err(Stop::refused(format!("{}: no face was found", options.photo.display())));
    }
    Ok(())
}
