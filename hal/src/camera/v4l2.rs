//! The kernel's side of a camera: the device node and its ioctls. [`controls`] sets what a driver lets set, [`queue`]
//! holds the mapped buffers.
//!
//! The structures and numbers come from the `v4l` crate; the calls are made here. Its own stream hands a buffer back
//! that the kernel still owns once a wait timed out, its descriptions panic on texts that are not UTF-8 and on values
//! newer than itself, and its `Drop` panics when a cable is pulled: a door has to survive all three.
#![expect(
    unsafe_code,
    reason = "ioctl and mmap have no safe form; only this module and those below it call them"
)]

mod controls;
mod queue;

use std::fs::{File, OpenOptions};
use std::io;
use std::marker::PhantomData;
use std::mem;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::ptr;

use v4l::v4l_sys::{
    V4L2_CAP_DEVICE_CAPS, V4L2_CAP_STREAMING, V4L2_CAP_TIMEPERFRAME, V4L2_CAP_VIDEO_CAPTURE,
    v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE, v4l2_capability, v4l2_field_V4L2_FIELD_NONE, v4l2_fmtdesc,
    v4l2_format, v4l2_fract, v4l2_frmivalenum, v4l2_frmivaltypes_V4L2_FRMIVAL_TYPE_DISCRETE,
    v4l2_frmsizeenum, v4l2_frmsizetypes_V4L2_FRMSIZE_TYPE_DISCRETE, v4l2_streamparm,
};
use v4l::v4l2::{self, vidioc};

pub(crate) use self::queue::{Queue, Stamp, Stamped};

/// Formats, sizes and rates read from one device: twice what the richest cameras list, and a bound for drivers that
/// never end.
const LIST_MAX: u32 = 128;

const CAPTURE: u32 = v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE;

const QUERYCAP: Call<v4l2_capability> = Call::new(vidioc::VIDIOC_QUERYCAP);
const ENUM_FMT: Call<v4l2_fmtdesc> = Call::new(vidioc::VIDIOC_ENUM_FMT);
const ENUM_FRAMESIZES: Call<v4l2_frmsizeenum> = Call::new(vidioc::VIDIOC_ENUM_FRAMESIZES);
const ENUM_FRAMEINTERVALS: Call<v4l2_frmivalenum> = Call::new(vidioc::VIDIOC_ENUM_FRAMEINTERVALS);
const S_FMT: Call<v4l2_format> = Call::new(vidioc::VIDIOC_S_FMT);
const S_PARM: Call<v4l2_streamparm> = Call::new(vidioc::VIDIOC_S_PARM);

/// What a driver says of a device.
#[derive(Debug)]
pub(crate) struct Capability {
    pub(crate) driver: String,
    pub(crate) card: String,
    pub(crate) bus: String,
    /// Whether it captures pictures into one plane of mapped memory.
    pub(crate) captures: bool,
}

/// What a driver agreed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Agreed {
    pub(crate) code: [u8; 4],
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) stride: u32,
    pub(crate) interlaced: bool,
}

/// An open device node.
#[derive(Debug)]
pub(crate) struct Device {
    file: File,
}

impl Device {
    /// Opens a node; its calls never block.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        Ok(Self { file })
    }

    /// Major and minor number.
    pub(crate) fn number(&self) -> io::Result<(u32, u32)> {
        let number = self.file.metadata()?.rdev();
        Ok((rustix::fs::major(number), rustix::fs::minor(number)))
    }

    pub(crate) fn capability(&self) -> io::Result<Capability> {
        let mut found: v4l2_capability = zeroed();
        QUERYCAP.call(&self.file, &mut found)?;
        let flags = if found.capabilities & V4L2_CAP_DEVICE_CAPS == 0 {
            found.capabilities
        } else {
            found.device_caps
        };
        let needed = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
        Ok(Capability {
            driver: text(&found.driver),
            card: text(&found.card),
            bus: text(&found.bus_info),
            captures: flags & needed == needed,
        })
    }

    /// The codes of the formats it captures, in the driver's order.
    pub(crate) fn formats(&self) -> Vec<[u8; 4]> {
        let mut codes = Vec::new();
        for index in 0..LIST_MAX {
            let mut found = v4l2_fmtdesc { index, type_: CAPTURE, ..zeroed() };
            if ENUM_FMT.call(&self.file, &mut found).is_err() {
                break;
            }
            codes.push(found.pixelformat.to_le_bytes());
        }
        codes
    }

    /// The sizes it offers in a format; smallest and largest where it scales.
    pub(crate) fn sizes(&self, code: [u8; 4]) -> Vec<(u32, u32)> {
        let mut sizes = Vec::new();
        for index in 0..LIST_MAX {
            let mut found = v4l2_frmsizeenum { index, pixel_format: u32::from_le_bytes(code), ..zeroed() };
            if ENUM_FRAMESIZES.call(&self.file, &mut found).is_err() {
                break;
            }
            if found.type_ == v4l2_frmsizetypes_V4L2_FRMSIZE_TYPE_DISCRETE {
                // SAFETY: the driver says by `type_` that it wrote this member; any bits are a valid value of it.
                let size = unsafe { found.__bindgen_anon_1.discrete };
                sizes.push((size.width, size.height));
            } else {
                // SAFETY: as above; every other type is described by this member.
                let range = unsafe { found.__bindgen_anon_1.stepwise };
                sizes.extend([(range.min_width, range.min_height), (range.max_width, range.max_height)]);
                break;
            }
        }
        sizes
    }

    /// The rates it offers in a format and size, frames per second; fastest and slowest where any between will do.
    pub(crate) fn rates(&self, code: [u8; 4], width: u32, height: u32) -> Vec<f64> {
        let pixel_format = u32::from_le_bytes(code);
        let mut rates = Vec::new();
        for index in 0..LIST_MAX {
            let mut found = v4l2_frmivalenum { index, pixel_format, width, height, ..zeroed() };
            if ENUM_FRAMEINTERVALS.call(&self.file, &mut found).is_err() {
                break;
            }
            if found.type_ == v4l2_frmivaltypes_V4L2_FRMIVAL_TYPE_DISCRETE {
                // SAFETY: the driver says by `type_` that it wrote this member; any bits are a valid value of it.
                rates.extend(per_second(unsafe { found.__bindgen_anon_1.discrete }));
            } else {
                // SAFETY: as above; every other type is described by this member.
                let range = unsafe { found.__bindgen_anon_1.stepwise };
                rates.extend([range.min, range.max].into_iter().filter_map(per_second));
                break;
            }
        }
        rates
    }

    /// Asks for a format; the driver may agree to another one.
    pub(crate) fn set_format(&self, code: [u8; 4], width: u32, height: u32) -> io::Result<Agreed> {
        let mut asked = v4l2_format { type_: CAPTURE, fmt: zeroed::<v4l2_format>().fmt };
        asked.fmt.pix.width = width;
        asked.fmt.pix.height = height;
        asked.fmt.pix.pixelformat = u32::from_le_bytes(code);
        asked.fmt.pix.field = v4l2_field_V4L2_FIELD_NONE;
        S_FMT.call(&self.file, &mut asked)?;
        // SAFETY: `type_` is single-planar capture, for which the driver fills this member; any bits are a valid value.
        let agreed = unsafe { asked.fmt.pix };
        Ok(Agreed {
            code: agreed.pixelformat.to_le_bytes(),
            width: agreed.width,
            height: agreed.height,
            stride: agreed.bytesperline,
            interlaced: agreed.field != v4l2_field_V4L2_FIELD_NONE,
        })
    }

    /// Asks for a rate and returns the one agreed to, in frames per second; `None` where the driver has no say in it.
    pub(crate) fn set_rate(&self, rate: u32) -> Option<f64> {
        let mut asked = v4l2_streamparm { type_: CAPTURE, parm: zeroed::<v4l2_streamparm>().parm };
        asked.parm.capture.timeperframe.numerator = 1;
        asked.parm.capture.timeperframe.denominator = rate;
        S_PARM.call(&self.file, &mut asked).ok()?;
        // SAFETY: `type_` is capture, for which the driver fills this member; any bits are a valid value.
        let agreed = unsafe { asked.parm.capture };
        let known = agreed.capability & V4L2_CAP_TIMEPERFRAME != 0;
        per_second(agreed.timeperframe).filter(|_| known)
    }
}

/// An ioctl with the type of its argument.
struct Call<T> {
    request: vidioc::_IOC_TYPE,
    argument: PhantomData<fn(&mut T)>,
}

impl<T> Call<T> {
    /// Ties a request to its argument; does not compile where the size in the request's number is another.
    const fn new(request: vidioc::_IOC_TYPE) -> Self {
        assert!((request >> 16) as usize & 0x3fff == size_of::<T>(), "the argument has another size");
        Self { request, argument: PhantomData }
    }

    /// Makes the call, again where a signal came between.
    fn call(&self, file: &File, argument: &mut T) -> io::Result<()> {
        loop {
            // SAFETY: the request reads and writes at most the size in its number, which is that of `T` (checked in
            // `new`), and `argument` is exclusively borrowed. None of the arguments used here carries a pointer.
            let result =
                unsafe { v4l2::ioctl(file.as_raw_fd(), self.request, ptr::from_mut(argument).cast()) };
            match result {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }
}

/// A C structure of V4L2 for which all bits zero is a value: integers, arrays and unions of them, null pointers.
///
/// # Safety
/// Only for types of which that is true.
unsafe trait Plain {}
// SAFETY: structures of integers, arrays and unions of them, see videodev2.h.
unsafe impl Plain for v4l2_capability {}
// SAFETY: as above.
unsafe impl Plain for v4l2_fmtdesc {}
// SAFETY: as above.
unsafe impl Plain for v4l2_frmsizeenum {}
// SAFETY: as above.
unsafe impl Plain for v4l2_frmivalenum {}
// SAFETY: as above.
unsafe impl Plain for v4l2_format {}
// SAFETY: as above.
unsafe impl Plain for v4l2_streamparm {}

fn zeroed<T: Plain>() -> T {
    // SAFETY: `Plain` says that all bits zero is a value of `T`.
    unsafe { mem::zeroed() }
}

/// The rate of an interval, if it is one.
fn per_second(interval: v4l2_fract) -> Option<f64> {
    let is_one = interval.numerator != 0 && interval.denominator != 0;
    is_one.then(|| f64::from(interval.denominator) / f64::from(interval.numerator))
}

/// A text of a driver, which may be cut in the middle of a character.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_drivers_may_be_cut_anywhere() {
        assert_eq!(text(b"uvcvideo\0\0\0\0"), "uvcvideo");
        assert_eq!(text(b"no end"), "no end");
        assert_eq!(text("T\u{fc}r".as_bytes().split_at(2).0), "T\u{fffd}");
    }

    #[test]
    fn c1_what_is_no_camera_is_told_and_nothing_is_left_open() {
        let null = Device::open(Path::new("/dev/null")).unwrap();
        assert_eq!(null.number().unwrap(), (1, 3));
        assert!(null.capability().is_err());
        assert!(null.formats().is_empty());
        assert!(null.sizes(*b"GREY").is_empty());
        assert!(null.set_format(*b"GREY", 640, 480).is_err());
        assert_eq!(null.set_rate(30), None);
        assert!(null.rates(*b"GREY", 640, 480).is_empty());
        assert!(Device::open(Path::new("/dev/no-such-camera")).is_err());
    }
}
