//! Where the log goes. Started by systemd it goes to the journal with its fields, so that
//! `journalctl DOORWARD_GRANTED=false` finds what it names; everywhere else to standard error, in words. Fields are for
//! searching: `journalctl` shows a message alone, so the cause of a fault stands in the message.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt as _;

use tracing::Level;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// In front of each field's name, because the journal's own fields have names too.
const FIELD_PREFIX: &str = "DOORWARD";

/// Starts the log; `DOORD_LOG` filters it, as in `DOORD_LOG=debug`.
///
/// # Panics
/// When the process has a log already.
pub fn begin() {
    let filter = EnvFilter::builder()
        .with_default_directive(Level::INFO.into())
        .with_env_var("DOORD_LOG")
        .from_env_lossy()
        .add_directive("rusqlite_migration=warn".parse().expect("a valid directive"));
    let log = tracing_subscriber::registry().with(filter);
    match journal_stream()
        .filter(|stream| is_file(stream, io::stderr()))
        .and_then(|_| tracing_journald::layer().ok())
    {
        Some(journal) => log.with(journal.with_field_prefix(Some(FIELD_PREFIX.to_owned()))).init(),
        None => log.with(tracing_subscriber::fmt::layer().with_writer(io::stderr)).init(),
    }
}

/// What systemd says that the standard error is connected to.
#[expect(
    clippy::disallowed_methods,
    reason = "systemd tells it this way, systemd.exec(5); it is neither secret nor ours to set"
)]
fn journal_stream() -> Option<String> {
    std::env::var("JOURNAL_STREAM").ok()
}

/// Whether `stream`, `DEVICE:INODE` as systemd says it, is that file: somebody may have put a pipe in between.
fn is_file(stream: &str, file: impl AsFd) -> bool {
    let metadata = file.as_fd().try_clone_to_owned().and_then(|copy| File::from(copy).metadata());
    metadata.is_ok_and(|found| format!("{}:{}", found.dev(), found.ino()) == stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_is_taken_only_where_it_is_what_the_program_writes_to() {
        let (one, other) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        let metadata = one.metadata().unwrap();
        let stream = format!("{}:{}", metadata.dev(), metadata.ino());
        assert!(is_file(&stream, &one));
        assert!(!is_file(&stream, &other));
        assert!(!is_file("", &one) && !is_file("0:0", &one) && !is_file("journal", &one));
    }
}
