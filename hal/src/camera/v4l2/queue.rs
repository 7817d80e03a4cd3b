//! A queue of mapped buffers. A buffer belongs to the kernel, except between a dequeue that succeeded and the call that
//! hands it back; [`Filled`] is the proof of having one, cannot be copied, and is consumed by [`Queue::hand_back`].

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::ptr::{self, NonNull};
use std::slice;
use std::time::Duration;

use doorward_core::time::Mono;
use v4l::v4l_sys::{
    V4L2_BUF_FLAG_ERROR, V4L2_BUF_FLAG_TIMESTAMP_MASK, V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC,
    V4L2_BUF_FLAG_TIMESTAMP_UNKNOWN, v4l2_buffer, v4l2_memory_V4L2_MEMORY_MMAP, v4l2_requestbuffers,
};
use v4l::v4l2::{self, vidioc};

use super::{CAPTURE, Call, Device, Plain, zeroed};
use crate::wait;

/// Buffers asked for: one being filled, one waiting, one being read, and one in reserve against a late wake-up.
const BUFFERS: u32 = 4;

/// Buffers a driver may give: what V4L2 itself allows.
const BUFFERS_MAX: u32 = 32;

/// The largest buffer that is mapped: an uncompressed frame of twice 4K.
const BUFFER_LEN_MAX: u32 = 64 * 1024 * 1024;

const REQBUFS: Call<v4l2_requestbuffers> = Call::new(vidioc::VIDIOC_REQBUFS);
const QUERYBUF: Call<v4l2_buffer> = Call::new(vidioc::VIDIOC_QUERYBUF);
const QBUF: Call<v4l2_buffer> = Call::new(vidioc::VIDIOC_QBUF);
const DQBUF: Call<v4l2_buffer> = Call::new(vidioc::VIDIOC_DQBUF);
const STREAMON: Call<u32> = Call::new(vidioc::VIDIOC_STREAMON);
const STREAMOFF: Call<u32> = Call::new(vidioc::VIDIOC_STREAMOFF);

/// A dequeued buffer.
#[derive(Debug)]
#[must_use = "a buffer that is not handed back is lost to the driver"]
pub(crate) struct Filled {
    index: u32,
    used: u32,
    pub(crate) stamp: Stamp,
}

/// What the driver says of the frame in a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Its content is damaged.
    pub(crate) damaged: bool,
    /// Which clock `at` is of.
    pub(crate) clock: Stamped,
    pub(crate) at: Mono,
    pub(crate) sequence: u32,
}

/// What a driver says of the clock of its timestamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stamped {
    /// The monotonic clock.
    Monotonic,
    /// Nothing.
    Unsaid,
    /// Copied from somewhere.
    Elsewhere,
}

/// A streaming device with its mapped buffers. After any error it must be dropped, which stops and unmaps everything.
#[derive(Debug)]
pub(crate) struct Queue {
    device: Device,
    buffers: Vec<Mapping>,
    passed_over: PassedOver,
}

/// Buffers that went back to the kernel unread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PassedOver {
    /// Whole ones, for a newer one.
    pub(crate) skipped: u64,
    /// Damaged ones, for a whole one or a newer one.
    pub(crate) damaged: u64,
}

impl Queue {
    /// Maps buffers, gives all of them to the kernel and starts the stream.
    pub(crate) fn start(device: Device) -> io::Result<Self> {
        let mut asked = v4l2_requestbuffers { count: BUFFERS, ..buffers_request() };
        REQBUFS.call(&device.file, &mut asked)?;
        let mut queue = Self { device, buffers: Vec::new(), passed_over: PassedOver::default() };
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
                Some(good) if next.stamp.damaged && !good.stamp.damaged => {
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
        let count =
            if filled.stamp.damaged { &mut self.passed_over.damaged } else { &mut self.passed_over.skipped };
        *count += 1;
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

    /// Frames that came and were not given out, since the start.
    pub(crate) fn passed_over(&self) -> PassedOver {
        self.passed_over
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
            stamp: Stamp {
                damaged: buffer.flags & V4L2_BUF_FLAG_ERROR != 0,
                clock: match buffer.flags & V4L2_BUF_FLAG_TIMESTAMP_MASK {
                    V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC => Stamped::Monotonic,
                    V4L2_BUF_FLAG_TIMESTAMP_UNKNOWN => Stamped::Unsaid,
                    _ => Stamped::Elsewhere,
                },
                at: Mono(part(seconds).saturating_mul(1_000_000).saturating_add(part(micros))),
                sequence: buffer.sequence,
            },
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

// SAFETY: a structure of integers, arrays and unions of them, see videodev2.h.
unsafe impl Plain for v4l2_requestbuffers {}
// SAFETY: as above; its pointers may be null.
unsafe impl Plain for v4l2_buffer {}

fn buffers_request() -> v4l2_requestbuffers {
    v4l2_requestbuffers { type_: CAPTURE, memory: v4l2_memory_V4L2_MEMORY_MMAP, ..zeroed() }
}

fn buffer_request(index: u32) -> v4l2_buffer {
    v4l2_buffer { index, type_: CAPTURE, memory: v4l2_memory_V4L2_MEMORY_MMAP, ..zeroed() }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn c1_what_has_no_buffers_is_not_streamed_from() {
        assert!(Queue::start(Device::open(Path::new("/dev/null")).unwrap()).is_err());
    }
}
