//! Frames: what cameras deliver.

use std::sync::Arc;
use std::time::Duration;

use crate::time::Mono;

/// The longest side of a frame in pixels: twice 4K, so that a hostile header cannot ask for more memory than that.
pub const SIDE_MAX: u32 = 8192;

/// Members of a frameset lie at most this far apart: a head moves less than a millimetre in it at walking speed's
/// end, and two cameras at 30 fps always have frames this close.
pub const SKEW_MAX: Duration = Duration::from_millis(40);

/// One colour pixel: red, green, blue.
pub type Rgb = [u8; 3];

/// A picture that was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A side of zero or beyond [`SIDE_MAX`].
    #[error("a frame has 1 to {SIDE_MAX} pixels a side, this one is {width} x {height}")]
    Size {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// Fewer or more pixels than the sides say.
    #[error("a frame of {width} x {height} has {} pixels, this one carries {found}", u64::from(*width) * u64::from(*height))]
    Count {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Pixels found.
        found: usize,
    },
}

/// A rectangle of pixels, row by row from the top left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plane<P> {
    width: u32,
    height: u32,
    pixels: Vec<P>,
}

impl<P: Copy> Plane<P> {
    /// A plane over `pixels`.
    ///
    /// # Errors
    /// [`FrameError`] where sides and count do not fit.
    pub fn new(width: u32, height: u32, pixels: Vec<P>) -> Result<Self, FrameError> {
        if width == 0 || height == 0 || width > SIDE_MAX || height > SIDE_MAX {
            return Err(FrameError::Size { width, height });
        }
        if pixels.len() != width as usize * height as usize {
            return Err(FrameError::Count { width, height, found: pixels.len() });
        }
        Ok(Self { width, height, pixels })
    }

    /// A plane of one value.
    ///
    /// # Errors
    /// [`FrameError::Size`].
    pub fn filled(width: u32, height: u32, value: P) -> Result<Self, FrameError> {
        if width > SIDE_MAX || height > SIDE_MAX {
            return Err(FrameError::Size { width, height });
        }
        Self::new(width, height, vec![value; width as usize * height as usize])
    }

    /// Width in pixels.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// All pixels, row by row.
    #[must_use]
    pub fn pixels(&self) -> &[P] {
        &self.pixels
    }

    /// All pixels, row by row, to be changed in place.
    pub fn pixels_mut(&mut self) -> &mut [P] {
        &mut self.pixels
    }

    /// One row.
    ///
    /// # Panics
    /// If `y` lies outside.
    #[must_use]
    pub fn row(&self, y: u32) -> &[P] {
        let start = y as usize * self.width as usize;
        &self.pixels[start..start + self.width as usize]
    }

    /// The pixel at column `x`, row `y`.
    ///
    /// # Panics
    /// If it lies outside.
    #[must_use]
    pub fn at(&self, x: u32, y: u32) -> P {
        assert!(x < self.width, "column {x} of a plane {} wide", self.width);
        self.pixels[y as usize * self.width as usize + x as usize]
    }
}

/// An upright part of a picture, in whole pixels; it lies inside and is not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Left edge.
    pub x: u32,
    /// Top edge.
    pub y: u32,
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

/// One picture of one camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shot<P> {
    /// The driver's counter; a gap is a lost frame.
    pub sequence: u32,
    /// Start of exposure, kernel clock.
    pub at: Mono,
    /// The picture.
    pub plane: Plane<P>,
}

/// The colour, infrared and depth pictures of one moment. A camera that is fitted and delivered nothing is `None`.
#[derive(Debug, Clone)]
pub struct Frameset {
    /// Colour.
    pub rgb: Arc<Shot<Rgb>>,
    /// Infrared, 8 bit.
    pub ir: Option<Arc<Shot<u8>>>,
    /// Depth in millimetres; 0 where the sensor saw nothing.
    pub depth: Option<Arc<Shot<u16>>>,
}

impl Frameset {
    /// The moment: that of the colour frame.
    #[must_use]
    pub fn at(&self) -> Mono {
        self.rgb.at
    }

    /// The largest distance in time of any member from the colour frame.
    #[must_use]
    pub fn skew(&self) -> Duration {
        let ir = self.ir.as_ref().map_or(Duration::ZERO, |shot| shot.at.apart(self.rgb.at));
        let depth = self.depth.as_ref().map_or(Duration::ZERO, |shot| shot.at.apart(self.rgb.at));
        ir.max(depth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c2_zero_gigantic_and_miscounted_planes_are_refused() {
        assert!(Plane::new(0, 10, Vec::<u8>::new()).is_err());
        assert!(Plane::filled(u32::MAX, u32::MAX, 0u8).is_err());
        assert!(Plane::new(4, 4, vec![0u8; 15]).is_err());
        assert!(Plane::new(4, 4, vec![0u8; 16]).is_ok());
    }
}
