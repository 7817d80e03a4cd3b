//! A portrait: a photograph, where its face is, and what has been prepared from it.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use doorward_core::frame::{Plane, Rgb};
use doorward_core::geometry::{Landmarks, Point, Rect};
use doorward_core::vision::Detection;

use super::held::Held;
use super::standing::Standing;
use crate::photo;

/// Faces are kept at most this wide, pixels: a third more than any scene shows.
const FACE_WIDTH_KEPT: f32 = 210.0;
/// Narrower faces have too little detail to be shown at all.
const FACE_WIDTH_MIN: f32 = 24.0;
/// Pairs that are kept prepared; a demonstration shows one pair at a time.
const PAIRS_KEPT: usize = 2;

/// A portrait that was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PortraitError {
    /// The face is too small.
    #[error("a face of a portrait is at least {FACE_WIDTH_MIN} pixels wide, this one is {0}")]
    Small(f32),
    /// The face is not where a face can be: not finite, outside the picture, or landmarks outside their box.
    #[error("the face does not lie within the picture")]
    Astray,
}

/// A photograph with one face. Cheap to clone; what scenes need of it is prepared once and shared.
#[derive(Clone)]
pub struct Portrait(Arc<Prepared>);

struct Prepared {
    picture: Plane<Rgb>,
    face: Detection,
    alone: OnceLock<Standing>,
    print: OnceLock<Held>,
    carbon_print: OnceLock<Held>,
    screen: OnceLock<Held>,
    /// Pairs with this portrait at the left. Weak, so that two portraits shown both ways round do not keep each other.
    beside: Mutex<Vec<(Weak<Prepared>, Arc<Standing>)>>,
}

impl Portrait {
    /// A portrait of the face at `detection` (pixels of `picture`).
    ///
    /// # Errors
    /// [`PortraitError`] where there is no usable face there.
    pub fn new(picture: &Plane<Rgb>, detection: &Detection) -> Result<Self, PortraitError> {
        let region = detection.region;
        let frame = Rect { x: 0.0, y: 0.0, width: picture.width() as f32, height: picture.height() as f32 };
        let near = |p: &Point| {
            let (x, y) = ((p.x - region.x) / region.width, (p.y - region.y) / region.height);
            (-0.5..=1.5).contains(&x) && (-0.5..=1.5).contains(&y)
        };
        if region.width.is_finite() && region.width < FACE_WIDTH_MIN {
            return Err(PortraitError::Small(region.width));
        }
        let centre = region.centre();
        let inside = (0.0..frame.width).contains(&centre.x) && (0.0..frame.height).contains(&centre.y);
        let plausible = region.width <= 2.0 * frame.width
            && (0.5..=3.0).contains(&(region.height / region.width))
            && detection.landmarks.eye_distance() > 0.15 * region.width;
        if !inside || !plausible || !detection.landmarks.points().iter().all(near) {
            return Err(PortraitError::Astray);
        }
        let factor = (FACE_WIDTH_KEPT / region.width).min(1.0);
        let side = |length: u32| ((length as f32 * factor).round() as u32).max(1);
        let kept = photo::resize(picture, side(picture.width()), side(picture.height()))
            .expect("sides between 1 and those of a plane are sides of a plane");
        let (x, y) = (kept.width() as f32 / frame.width, kept.height() as f32 / frame.height);
        let prepared = Prepared {
            picture: kept,
            face: placed(detection, x, y, Point::default()),
            alone: OnceLock::new(),
            print: OnceLock::new(),
            carbon_print: OnceLock::new(),
            screen: OnceLock::new(),
            beside: Mutex::new(Vec::new()),
        };
        Ok(Self(Arc::new(prepared)))
    }

    pub(super) fn picture(&self) -> &Plane<Rgb> {
        &self.0.picture
    }

    pub(super) fn face(&self) -> &Detection {
        &self.0.face
    }

    pub(super) fn alone(&self) -> &Standing {
        self.0.alone.get_or_init(|| Standing::alone(self))
    }

    pub(super) fn print(&self) -> &Held {
        self.0.print.get_or_init(|| Held::print(self))
    }

    pub(super) fn carbon_print(&self) -> &Held {
        self.0.carbon_print.get_or_init(|| Held::carbon_print(self))
    }

    pub(super) fn screen(&self) -> &Held {
        self.0.screen.get_or_init(|| Held::screen(self))
    }

    pub(super) fn beside(&self, right: &Portrait) -> Arc<Standing> {
        // Preparing cannot leave the list half-changed, so a panic elsewhere does not spoil it.
        let mut pairs = self.0.beside.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = Arc::downgrade(&right.0);
        if let Some((_, known)) = pairs.iter().find(|(other, _)| other.ptr_eq(&wanted)) {
            return Arc::clone(known);
        }
        let pair = Arc::new(Standing::pair(self, right));
        if pairs.len() == PAIRS_KEPT {
            pairs.remove(0);
        }
        pairs.push((wanted, Arc::clone(&pair)));
        pair
    }
}

impl fmt::Debug for Portrait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Portrait({} x {})", self.0.picture.width(), self.0.picture.height())
    }
}

/// The detection in a picture scaled by `x` and `y` and then shifted.
pub(super) fn placed(detection: &Detection, x: f32, y: f32, shift: Point) -> Detection {
    let region = detection.region.scaled(x, y);
    let point = |p: Point| Point::new(p.x * x + shift.x, p.y * y + shift.y);
    Detection {
        score: detection.score,
        region: Rect { x: region.x + shift.x, y: region.y + shift.y, ..region },
        landmarks: Landmarks::from_points(detection.landmarks.points().map(point)),
    }
}
