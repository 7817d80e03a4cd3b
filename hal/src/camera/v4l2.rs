//! The kernel's side of a camera: the device node, its ioctls, and a queue of mapped buffers.
//!
//! The structures and numbers come from the `v4l` crate; the calls are made here. Its own stream hands a buffer back
//! that the kernel still owns once a wait timed out, its descriptions panic on texts that are not UTF-8 and on values
//! newer than itself, and its `Drop` panics when a cable is pulled: a door has to survive all three.
//!
//! A buffer belongs to the kernel, except between a dequeue that succeeded and the call that hands it back; [`Filled`]
//! is the proof of having one, cannot be copied, and is consumed by [`Queue::hand_back`].
#![expect(
    unsafe_code,
    reason = "ioctl and mmap have no safe form; this is the only file of the house that calls them"
)]

use std::fs::{File, OpenOptions};
use std::io;
use std::marker::PhantomData;
use std::mem;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::ptr::{self, NonNull};
use std::slice;
use std::time::Duration;

use doorward_core::time::Mono;
use v4l::v4l_sys::{
    V4L2_BUF_FLAG_ERROR, V4L2_BUF_FLAG_TIMESTAMP_MASK, V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC,
    V4L2_CAP_DEVICE_CAPS, V4L2_CAP_STREAMING, V4L2_CAP_TIMEPERFRAME, V4L2_CAP_VIDEO_CAPTURE,
    v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE, v4l2_buffer, v4l2_capability, v4l2_field_V4L2_FIELD_NONE,
    v4l2_fmtdesc, v4l2_format, v4l2_frmsizeenum, v4l2_frmsizetypes_V4L2_FRMSIZE_TYPE_DISCRETE,
    v4l2_memory_V4L2_MEMORY_MMAP, v4l2_requestbuffers, v4l2_streamparm,
};
use v4l::v4l2::{self, vidioc};

use crate::wait;

/// Buffers asked for: one being filled, one waiting, one being read, and one in reserve against a late wake-up.
const BUFFERS: u32 = 4;

/// Buffers a driver may give: what V4L2 itself allows.
const BUFFERS_MAX: u32 = 32;

/// The largest buffer that is mapped: an uncompressed frame of twice 4K.
const BUFFER_LEN_MAX: u32 = 64 * 1024 * 1024;

/// Formats and sizes read from one device: twice what the richest cameras list, and a bound for drivers that never end.
const LIST_MAX: u32 = 128;

const CAPTURE: u32 = v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE;

const QUERYCAP: Call<v4l2_capability> = Call::new(vidioc::VIDIOC_QUERYCAP);
const ENUM_FMT: Call<v4l2_fmtdesc> = Call::new(vidioc::VIDIOC_ENUM_FMT);
const ENUM_FRAMESIZES: Call<v4l2_frmsizeenum> = Call::new(vidioc::VIDIOC_ENUM_FRAMESIZES);
const S_FMT: Call<v4l2_format> = Call::new(vidioc::VIDIOC_S_FMT);
const S_PARM: Call<v4l2_streamparm> = Call::new(vidioc::VIDIOC_S_PARM);
const REQBUFS: Call<v4l2_requestbuffers> = Call::new(vidioc::VIDIOC_REQBUFS);
const QUERYBUF: Call<v4l2_buffer> = Call::new(vidioc::VIDIOC_QUERYBUF);
const QBUF: Call<v4l2_buffer> = Call::new(vidioc::VIDIOC_QBUF);
const DQBUF: Call<v4l2_buffer> = Call::new(vidioc::VIDIOC_DQBUF);
const STREAMON: Call<u32> = Call::new(vidioc::VIDIOC_STREAMON);
const STREAMOFF: Call<u32> = Call::new(vidioc::VIDIOC_STREAMOFF);

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
        let interval = agreed.timeperframe;
        let known = agreed.capability & V4L2_CAP_TIMEPERFRAME != 0 && interval.numerator != 0;
        known.then(|| f64::from(interval.denominator) / f64::from(interval.numerator))
    }
}

/// A dequeued buffer.
#[derive(Debug)]
#[must_use = "a buffer that is not handed back is lost to the driver"]
pub(crate) struct Filled {
    index: u32,
    used: u32,
    /// The driver says that its content is damaged.
    pub(crate) damaged: bool,
    /// Whether `at` is of the monotonic clock.
    pub(crate) monotonic: bool,
    pub(crate) at: Mono,
    pub(crate) sequence: u32,
}

/// A streaming device with its mapped buffers. After any error it must be dropped, which stops and unmaps everything.
#[derive(Debug)]
pub(crate) struct Queue {
    device: Device,
    buffers: Vec<Mapping>,
    skipped: u64,
}

impl Queue {
    /// Maps buffers, gives all of them to the kernel and starts the stream.
    pub(crate) fn start(device: Device) -> io::Result<Self> {
        let mut asked = v4l2_requestbuffers { count: BUFFERS, ..buffers_request() };
        REQBUFS.call(&device.file, &mut asked)?;
        let mut queue = Self { device, buffers: Vec::new(), skipped: 0 };
        if asked.count == 0 {
            return Err(io::Error::other("the driver has no buffers"));
        }
        for index in 0..asked.count.min(BUFFERS_MAX) {
            let mut buffer = buffer_request(index);
            QUERYBUF.call(&queue.device.file, &mut buffer)?;
            // SAFETY: `memory` is mmap, for which the driver fills this member; any bits are a valid value of it.
            let offset = unsafe { buffer.m.offset };
            queue.buffers.push(Mapping::new(&queue.device.file, buffer.length, offset)?);
            queue.give(index)?;
        }
        STREAMON.call(&queue.device.file, &mut { CAPTURE })?;
        Ok(queue)
    }

    /// The newest filled buffer, after at most `wait` (or sooner with nothing, when a signal came). Older ones go back
    /// to the kernel unread, and damaged ones if there is any other.
    ///
    /// Where every buffer was full, the driver had nowhere to write and even the newest one is old: then all go back,
    /// and the next frame is waited for. No time was spent waiting before, so `wait` still holds.
    pub(crate) fn newest(&mut self, wait: Duration) -> io::Result<Option<Filled>> {
        let (newest, taken) = self.drain(wait)?;
        let Some(old) = newest else { return Ok(None) };
        if taken < self.buffers.len() {
            return Ok(Some(old));
        }
        self.pass_over(old)?;
        Ok(self.drain(wait)?.0)
    }

    /// Takes what is filled, one round at most: a camera faster than this loop must not keep it here.
    fn drain(&mut self, wait: Duration) -> io::Result<(Option<Filled>, usize)> {
        let events = wait::for_input(&self.device.file, wait)?;
        let mut newest: Option<Filled> = None;
        let mut taken = 0;
        while taken < self.buffers.len() {
            let Some(next) = self.take()? else { break };
            taken += 1;
            newest = Some(match newest {
                None => next,
                Some(good) if next.damaged && !good.damaged => {
                    self.pass_over(next)?;
                    good
                }
                Some(older) => {
                    self.pass_over(older)?;
                    next
                }
            });
        }
        if newest.is_none() && wait::is_lost(events) {
            return Err(io::Error::from_raw_os_error(libc::ENODEV));
        }
        Ok((newest, taken))
    }

    fn pass_over(&mut self, filled: Filled) -> io::Result<()> {
        self.skipped += 1;
        self.hand_back(filled)
    }

    /// The bytes of a buffer, as many as the driver says it wrote.
    pub(crate) fn bytes(&self, filled: &Filled) -> &[u8] {
        let mapping = &self.buffers[filled.index as usize];
        let length = mapping.length.min(filled.used as usize);
        // SAFETY: the mapping is `mapping.length` bytes long and lives as long as `self`. Between dequeue and
        // `hand_back`, which takes `filled` away and needs `&mut self`, neither kernel nor device write to it.
        unsafe { slice::from_raw_parts(mapping.start.as_ptr(), length) }
    }

    /// Gives a buffer back to the kernel.
    pub(crate) fn hand_back(&mut self, filled: Filled) -> io::Result<()> {
        self.give(filled.index)
    }

    /// Frames that came and were passed over for a newer one.
    pub(crate) fn skipped(&self) -> u64 {
        self.skipped
    }

    fn take(&mut self) -> io::Result<Option<Filled>> {
        let mut buffer = buffer_request(0);
        match DQBUF.call(&self.device.file, &mut buffer) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(e) => return Err(e),
        }
        if buffer.index as usize >= self.buffers.len() {
            return Err(io::Error::other("the driver filled a buffer that does not exist"));
        }
        let part = |value: i64| u64::try_from(value).unwrap_or(0);
        #[expect(clippy::useless_conversion, reason = "the width of a C time differs between boards")]
        let (seconds, micros) = (i64::from(buffer.timestamp.tv_sec), i64::from(buffer.timestamp.tv_usec));
        Ok(Some(Filled {
            index: buffer.index,
            used: buffer.bytesused,
            damaged: buffer.flags & V4L2_BUF_FLAG_ERROR != 0,
            monotonic: buffer.flags & V4L2_BUF_FLAG_TIMESTAMP_MASK == V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC,
            at: Mono(part(seconds).saturating_mul(1_000_000).saturating_add(part(micros))),
            sequence: buffer.sequence,
        }))
    }

    fn give(&self, index: u32) -> io::Result<()> {
        QBUF.call(&self.device.file, &mut buffer_request(index))
    }
}

impl Drop for Queue {
    /// Stops, unmaps and frees. What fails here fails because the device is gone, and then there is nothing to free.
    fn drop(&mut self) {
        let stopped = STREAMOFF.call(&self.device.file, &mut { CAPTURE });
        self.buffers.clear();
        let freed = REQBUFS.call(&self.device.file, &mut buffers_request());
        if let Err(error) = stopped.and(freed) {
            tracing::debug!(%error, "stop a camera's stream");
        }
    }
}

/// One buffer of the driver in this process.
#[derive(Debug)]
struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the mapping is plain memory that belongs to whoever owns this value; nothing about it is bound to a thread.
unsafe impl Send for Mapping {}

impl Mapping {
    fn new(file: &File, length: u32, offset: u32) -> io::Result<Self> {
        if length == 0 || length > BUFFER_LEN_MAX {
            return Err(io::Error::other(format!(
                "a buffer of {length} bytes, at most {BUFFER_LEN_MAX} are mapped"
            )));
        }
        let offset = libc::off_t::from(offset);
        let length = length as usize;
        // SAFETY: a new shared mapping at an address the kernel chooses; it overlaps nothing.
        let start = unsafe {
            v4l2::mmap(ptr::null_mut(), length, libc::PROT_READ, libc::MAP_SHARED, file.as_raw_fd(), offset)
        }?;
        let start =
            NonNull::new(start.cast()).ok_or_else(|| io::Error::other("a mapping at address zero"))?;
        Ok(Self { start, length })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: made by `mmap` with this address and length; borrows of it ended before the owner could be dropped.
        let unmapped = unsafe { v4l2::munmap(self.start.as_ptr().cast(), self.length) };
        debug_assert!(unmapped.is_ok(), "unmap what was mapped: {unmapped:?}");
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
// SAFETY: structures of integers, arrays and unions (`v4l2_buffer` with pointers that may be null), see videodev2.h.
unsafe impl Plain for v4l2_capability {}
// SAFETY: as above.
unsafe impl Plain for v4l2_fmtdesc {}
// SAFETY: as above.
unsafe impl Plain for v4l2_frmsizeenum {}
// SAFETY: as above.
unsafe impl Plain for v4l2_format {}
// SAFETY: as above.
unsafe impl Plain for v4l2_streamparm {}
// SAFETY: as above.
unsafe impl Plain for v4l2_requestbuffers {}
// SAFETY: as above.
unsafe impl Plain for v4l2_buffer {}

fn zeroed<T: Plain>() -> T {
    // SAFETY: `Plain` says that all bits zero is a value of `T`.
    unsafe { mem::zeroed() }
}

fn buffers_request() -> v4l2_requestbuffers {
    v4l2_requestbuffers { type_: CAPTURE, memory: v4l2_memory_V4L2_MEMORY_MMAP, ..zeroed() }
}

fn buffer_request(index: u32) -> v4l2_buffer {
    v4l2_buffer { index, type_: CAPTURE, memory: v4l2_memory_V4L2_MEMORY_MMAP, ..zeroed() }
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
        assert!(Queue::start(null).is_err());
        assert!(Device::open(Path::new("/dev/no-such-camera")).is_err());
    }
}
