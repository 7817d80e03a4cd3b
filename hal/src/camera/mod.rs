//! Cameras. One trait per pixel type, so that a depth frame is never taken for a picture.
//!
//! * [`capture`]: a camera of the kernel. [`identity`]: which one is meant. [`controls`]: exposure, gain and light.
//! * [`survey`]: the cameras that are there. [`fitted`]: those that the configuration names.
//! * [`pixels`], [`mjpeg`]: from a driver's bytes to planes.
//! * [`meeting`]: where the frames of all cameras become framesets.
//! * [`replay`], [`record`]: recordings, played and made.

use std::sync::Arc;
use std::time::Duration;

use doorward_core::frame::Shot;
use doorward_core::stamps::Disorder;

pub mod capture;
pub mod controls;
pub mod fitted;
pub mod identity;
mod manifest;
pub mod meeting;
pub mod mjpeg;
pub mod pixels;
pub mod record;
mod recording;
pub mod replay;
pub mod survey;
mod v4l2;

/// What is wrong with a camera.
#[derive(Debug, thiserror::Error)]
pub enum CameraFault {
    /// Nothing came within the wait. The next call may succeed.
    #[error("camera {camera}: no frame within {waited_ms} ms")]
    Stalled {
        /// Which camera.
        camera: String,
        /// How long was waited, milliseconds.
        waited_ms: u64,
    },
    /// The device is gone. The camera must be opened again.
    #[error("camera {camera}: unplugged")]
    Unplugged {
        /// Which camera.
        camera: String,
    },
    /// A frame came that cannot be used. The next call may succeed.
    #[error("camera {camera}: broken frame: {why}")]
    BrokenFrame {
        /// Which camera.
        camera: String,
        /// What is wrong with it.
        why: String,
    },
    /// A frame came with a number or a time that no sensor gives. The next call may succeed.
    #[error("camera {camera}: broken frame: {disorder}")]
    Untimely {
        /// Which camera.
        camera: String,
        /// What is wrong with it.
        disorder: Disorder,
    },
    /// The device is not the one that was installed, or does not do what is needed.
    #[error("camera {camera}: refused: {why}")]
    Refused {
        /// Which camera.
        camera: String,
        /// Why, and what to do.
        why: String,
    },
    /// The recording has ended.
    #[error("camera {camera}: the recording has ended")]
    Ended {
        /// Which camera.
        camera: String,
    },
    /// The system refused.
    #[error("camera {camera}: {doing}")]
    System {
        /// Which camera.
        camera: String,
        /// What was being tried.
        doing: String,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
}

impl CameraFault {
    /// Whether the camera is of no more use and has to be opened again.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            CameraFault::Stalled { .. } | CameraFault::BrokenFrame { .. } | CameraFault::Untimely { .. } => {
                false
            }
            CameraFault::Unplugged { .. }
            | CameraFault::Refused { .. }
            | CameraFault::Ended { .. }
            | CameraFault::System { .. } => true,
        }
    }

    /// Nothing came within `wait`.
    pub(crate) fn stalled(camera: String, wait: Duration) -> Self {
        let waited_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        CameraFault::Stalled { camera, waited_ms }
    }
}

/// Frames that a camera had and that no answer of [`Camera::next`] told of, since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Missed {
    /// Whole, and passed over for a newer one.
    pub skipped: u64,
    /// Taken by the device, as its counter shows, and never delivered.
    pub lost: u64,
    /// Damaged, and passed over for another one.
    pub damaged: u64,
}

/// One camera that delivers pixels of type `P` (`Rgb`, `u8` for infrared, `u16` millimetres for depth).
///
/// Promise: `next` returns the newest frame not returned before, within `wait` plus 50 ms; older ones are dropped.
/// Timestamps never decrease. After [`CameraFault::Unplugged`], `Refused` or `System` the value is dead and only a new
/// one helps; after the others it goes on.
pub trait Camera<P>: Send {
    /// The next frame.
    ///
    /// # Errors
    /// [`CameraFault`].
    fn next(&mut self, wait: Duration) -> Result<Arc<Shot<P>>, CameraFault>;

    /// What came and was not given out, and what did not come; a dead camera still says it.
    fn missed(&self) -> Missed;
}

impl<P, C: Camera<P> + ?Sized> Camera<P> for Box<C> {
    fn next(&mut self, wait: Duration) -> Result<Arc<Shot<P>>, CameraFault> {
        (**self).next(wait)
    }

    fn missed(&self) -> Missed {
        (**self).missed()
    }
}
