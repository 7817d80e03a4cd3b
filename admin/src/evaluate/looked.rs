//! What a picture of a test shows of the person that it is about: a template, and whether a terminal would judge it.
//!
//! Pictures of test sets often show bystanders, and which face is meant is not written anywhere. Sets that were cropped
//! around a detected face, as Labeled Faces in the Wild was, centre it. The rule: the face with the largest
//! `area x (1 - d)^2`, where `d` is the distance of its centre from the picture's centre as a share of half the
//! picture's diagonal; so a bystander must be much larger to win. A terminal knows no such rule: whether it would judge the
//! picture is asked by its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use doorward_core::decision::Reject;
use doorward_core::frame::{Frameset, Plane, Rgb, Shot};
use doorward_core::geometry::Point;
use doorward_core::quality::{self, Limits};
use doorward_core::stages::Face;
use doorward_core::template::UnitVector;
use doorward_core::time::Mono;
use doorward_core::vision::{Detection, Vision as _};
use doorward_models::vision::Models;
use serde::{Deserialize, Serialize};

use super::crew::Crew;
use crate::look;

/// What is known of a picture, as a journal keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    template: Result<Vec<f32>, String>,
    reject: Option<String>,
}

/// What is known of a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Looked {
    /// Its template, or why there is none: a failure to acquire.
    pub template: Result<UnitVector, String>,
    /// Why a terminal would not judge it, by the code of the reject; `broken` for a file that is no picture.
    pub reject: Option<String>,
}

/// Looks at every picture once.
///
/// # Errors
/// When a file cannot be read or the models break; what a file holds is an answer.
pub fn at<P: AsRef<Path> + Sync>(crew: &Crew<'_>, pictures: &[P]) -> anyhow::Result<Vec<Looked>> {
    let kept: Vec<Kept> = crew.work("faces", pictures, look_at)?;
    let looked = |kept: Kept| {
        let template = match kept.template {
            Ok(values) => Ok(UnitVector::claimed(values).context("a journal holds a template that is none")?),
            Err(why) => Err(why),
        };
        Ok(Looked { template, reject: kept.reject })
    };
    kept.into_iter().map(looked).collect()
}

/// The templates alone.
///
/// # Errors
/// As [`at`].
pub fn templates(crew: &Crew<'_>, pictures: &[PathBuf]) -> anyhow::Result<Vec<Result<UnitVector, String>>> {
    Ok(at(crew, pictures)?.into_iter().map(|looked| looked.template).collect())
}

fn look_at(models: &mut Models, path: &Path) -> anyhow::Result<Kept> {
    let picture = match look::open(path)? {
        Ok(picture) => picture,
        Err(refusal) => return Ok(Kept { template: Err(refusal), reject: Some("broken".to_owned()) }),
    };
    let faces = models.detect(&picture).with_context(|| format!("look for faces in {}", path.display()))?;
    let template = match subject(&faces, picture.width(), picture.height()) {
        None => Err("no face was found".to_owned()),
        Some(face) => match look::embed(&picture, face, models) {
            Ok(vector) => Ok(vector.values().to_vec()),
            Err(fault) => Err(format!("{fault:#}")),
        },
    };
    Ok(Kept { template, reject: judge(picture, &faces).map(|reject| reject.code().to_owned()) })
}

/// Why a terminal would not judge a picture.
fn judge(picture: Plane<Rgb>, faces: &[Detection]) -> Option<Reject> {
    let limits = Limits::default();
    let rgb = Arc::new(Shot { sequence: 0, at: Mono(0), plane: picture });
    let face = Face::dominant(Frameset { rgb, ir: None, depth: None }, faces, &limits);
    face.and_then(|face| quality::check(face, &limits)).err()
}

/// The face that a picture of this size is about.
#[must_use]
pub fn subject(faces: &[Detection], width: u32, height: u32) -> Option<&Detection> {
    let centre = Point::new(width as f32 / 2.0, height as f32 / 2.0);
    let reach = centre.x.hypot(centre.y);
    let weight = |face: &Detection| {
        let off = (face.region.centre().distance(centre) / reach).min(1.0);
        face.region.area() * (1.0 - off).powi(2)
    };
    faces.iter().max_by(|a, b| weight(a).total_cmp(&weight(b)))
}

#[cfg(test)]
mod tests {
    use doorward_core::geometry::{Landmarks, Rect};

    use super::*;

    fn face(x: f32, y: f32, side: f32) -> Detection {
        let region = Rect { x: x - side / 2.0, y: y - side / 2.0, width: side, height: side };
        Detection { score: 0.9, region, landmarks: Landmarks::from_points([Point::new(x, y); 5]) }
    }

    #[test]
    fn the_subject_is_in_the_middle_unless_somebody_is_much_larger() {
        let (middle, corner) = (face(125.0, 125.0, 80.0), face(30.0, 40.0, 90.0));
        assert_eq!(subject(&[corner, middle], 250, 250), Some(&middle));
        let large = face(90.0, 110.0, 160.0);
        assert_eq!(subject(&[large, middle], 250, 250), Some(&large));
        assert_eq!(subject(&[], 250, 250), None);
        let outside = face(-500.0, 900.0, 80.0);
        assert_eq!(subject(&[outside], 250, 250), Some(&outside), "the only one");
    }
}
