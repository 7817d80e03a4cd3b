//! The template of the person that each picture of a test is about.
//!
//! Pictures of test sets often show bystanders, and which face is meant is not written anywhere. Sets that were cropped
//! around a detected face, as Labeled Faces in the Wild was, centre it. The rule: the face with the largest
//! `area x (1 - d)^2`, where `d` is the distance of its centre from the picture's centre as a share of half the
//! picture's diagonal; so a bystander must be much larger to win.

use std::path::Path;

use anyhow::Context as _;
use doorward_core::geometry::Point;
use doorward_core::template::UnitVector;
use doorward_core::vision::{Detection, Vision as _};
use doorward_models::vision::Models;

use crate::look;

/// The template of a picture, or why there is none: a failure to acquire.
///
/// # Errors
/// When the file cannot be read; what it holds is an answer.
pub fn acquire(models: &mut Models, path: &Path) -> anyhow::Result<Result<UnitVector, String>> {
    let picture = match look::open(path)? {
        Ok(picture) => picture,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let faces = models.detect(&picture).with_context(|| format!("look for faces in {}", path.display()))?;
    match subject(&faces, picture.width(), picture.height()) {
        None => Ok(Err("no face was found".to_owned())),
        Some(face) => Ok(look::embed(&picture, face, models).map_err(|fault| format!("{fault:#}"))),
    }
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
