//! Waiting for a device to have something to read.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// The longest single wait; callers ask again.
const WAIT_MAX: Timespec = Timespec { tv_sec: 3600, tv_nsec: 0 };

/// What became of the device within `wait`. Empty when nothing did, or sooner when a signal came.
pub(crate) fn for_input(device: &impl AsFd, wait: Duration) -> io::Result<PollFlags> {
    let wait = Timespec::try_from(wait).unwrap_or(WAIT_MAX);
    let mut device = [PollFd::new(device, PollFlags::IN)];
    match poll(&mut device, Some(&wait)) {
        Ok(_) => Ok(device[0].revents()),
        Err(rustix::io::Errno::INTR) => Ok(PollFlags::empty()),
        Err(e) => Err(e.into()),
    }
}

/// Whether the device broke or went away.
pub(crate) fn is_lost(events: PollFlags) -> bool {
    events.intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn input_silence_and_a_lost_end_are_told_apart() {
        let (reader, mut writer) = io::pipe().unwrap();
        assert_eq!(for_input(&reader, Duration::ZERO).unwrap(), PollFlags::empty());
        writer.write_all(b"x").unwrap();
        assert_eq!(for_input(&reader, Duration::MAX).unwrap(), PollFlags::IN);
        drop(writer);
        assert!(is_lost(for_input(&reader, Duration::ZERO).unwrap()));
    }
}
