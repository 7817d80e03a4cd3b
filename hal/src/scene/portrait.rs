//! A portrait: a photograph, where its face is, and what has been prepared from it.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use doorward_core::frame::{Plane, Rgb};
use doorward_core::geometry::{Landmarks, Point, Rect};
use doorward_core::vision::Detection;

use super::composition::{Place, Skin};
use super::medium::Make;
use super::standing::{Stand, Standing};
use super::texture::Texture;
use crate::photo;

/// Faces are kept at most this wide, pixels: a third more than any scene shows.
const FACE_WIDTH_KEPT: f32 = 210.0;
/// Narrower faces have too little detail to be shown at all.
const FACE_WIDTH_MIN: f32 = 24.0;
/// Prepared persons and prepared things that are kept of each portrait; a demonstration shows one or two at a time, a
/// sweep over all species comes back to each.
const KEPT: usize = 8;

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
    alone: Kept<Stand, Standing>,
    /// Pairs with this portrait at the left. Weak, so that two portraits shown both ways round do not keep each other.
    beside: Kept<Neighbour, Standing>,
    textures: Kept<Make, Texture>,
    in_infrared: OnceLock<Portrait>,
}

/// Who stands at the right, and what either is made of.
#[derive(Clone)]
struct Neighbour(Weak<Prepared>, Skin, Skin);

impl PartialEq for Neighbour {
    fn eq(&self, other: &Self) -> bool {
        self.0.ptr_eq(&other.0) && (self.1, self.2) == (other.1, other.2)
    }
}

/// The newest few things that were prepared.
struct Kept<K, V>(Mutex<Vec<(K, Arc<V>)>>);

impl<K: PartialEq, V> Kept<K, V> {
    fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    fn get(&self, key: K, prepare: impl FnOnce() -> V) -> Arc<V> {
        // Preparing cannot leave the list half-changed, so a panic elsewhere does not spoil it.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = kept.iter().find(|(known, _)| *known == key) {
            return Arc::clone(known);
        }
        let made = Arc::new(prepare());
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push((key, Arc::clone(&made)));
        made
    }
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
            alone: Kept::new(),
            beside: Kept::new(),
            textures: Kept::new(),
            in_infrared: OnceLock::new(),
        };
        Ok(Self(Arc::new(prepared)))
    }

    pub(super) fn picture(&self) -> &Plane<Rgb> {
        &self.0.picture
    }

    pub(super) fn face(&self) -> &Detection {
        &self.0.face
    }

    pub(super) fn alone(&self, place: Place, skin: Skin) -> Arc<Standing> {
        let stand = Stand { place, skin };
        self.0.alone.get(stand, || Standing::alone(self, stand))
    }

    pub(super) fn beside(&self, skin: Skin, right: (&Portrait, Skin)) -> Arc<Standing> {
        let key = Neighbour(Arc::downgrade(&right.0.0), skin, right.1);
        self.0.beside.get(key, || Standing::pair((self, skin), right))
    }

    pub(super) fn texture(&self, make: Make) -> Arc<Texture> {
        self.0.textures.get(make, || Texture::of(self, &make))
    }

    /// The portrait as an infrared camera took it: grey, and no larger than such cameras' pictures are.
    pub(super) fn in_infrared(&self) -> &Portrait {
        self.0.in_infrared.get_or_init(|| super::capture::in_infrared(self))
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
