//! Waiting for other processes that use the same store: the administrator's tool beside the daemon.
//!
//! SQLite alone is not fair: who loses the race for its write lock sleeps ever longer, and a process that writes without
//! pause starves the other. So writers queue: the next one holds the lock on the anchor file while it polls for the
//! database, and whoever comes back for more has to line up behind it. Waits are polls of a millisecond, bounded by
//! their number, because a stopped process must not stop the door.

use std::fs::{File, TryLockError};
use std::io;
use std::time::Duration;

use rusqlite::Connection;

use crate::fault::{Doing, StoreFault};

/// How long an operation waits for another process to finish its transaction. Transactions take milliseconds; an
/// erasure among 100,000 persons stays below a tenth of this.
pub const BUSY_MS_MAX: u64 = 2000;

/// How long emptying the log waits for readers in other processes.
const READER_MS_MAX: i32 = 100;

/// A locked file, unlocked when dropped.
pub(crate) struct Lock<'f>(&'f File);

/// Locks a file against every other handle.
///
/// # Errors
/// [`io::ErrorKind::WouldBlock`] where another process kept it for [`BUSY_MS_MAX`].
pub(crate) fn lock(file: &File) -> io::Result<Lock<'_>> {
    let mut tries = 0;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Lock(file)),
            Err(TryLockError::WouldBlock) if poll_again(tries) => tries += 1,
            Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(e)) => return Err(e),
        }
    }
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        // Closing the file would unlock it too; nothing is lost if this fails.
        let _ = self.0.unlock();
    }
}

/// Lets a connection poll for SQLite's locks.
///
/// # Errors
/// [`StoreFault`].
pub(crate) fn patiently(conn: &Connection) -> Result<(), StoreFault> {
    conn.busy_handler(Some(poll_again)).doing("configure the database")
}

/// Lets a connection give up early, where waiting is not worth much.
///
/// # Errors
/// [`StoreFault`].
pub(crate) fn briefly(conn: &Connection) -> Result<(), StoreFault> {
    conn.busy_handler(Some(|tries| tries < READER_MS_MAX && poll_again(tries)))
        .doing("configure the database")
}

#[expect(clippy::disallowed_methods, reason = "another process's lock is waited for in real time")]
fn poll_again(tries: i32) -> bool {
    let again = u64::try_from(tries).is_ok_and(|tries| tries < BUSY_MS_MAX);
    if again {
        std::thread::sleep(Duration::from_millis(1));
    }
    again
}
