//! What can go wrong. A [`Finding`] says that the store is not what was last written: edited, swapped, rolled back,
//! foreign, damaged. A [`StoreFault`] is a finding, or an operation that did not succeed on a sound store.

use std::io;
use std::path::{Path, PathBuf};

use doorward_core::audit::JournalFault;
use doorward_protocol::audit::{Broken, CodecError};
use doorward_protocol::ids::PersonId;
use rusqlite::ErrorCode;
use rusqlite::ffi::SQLITE_IOERR_SHMSIZE;

use crate::waiting::BUSY_MS_MAX;

/// An error of a library, kept as a source only.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a store is refused.
#[derive(Debug, thiserror::Error)]
pub enum Finding {
    /// A file is not there.
    #[error("{what} {} is missing; put it back, or create a new store and enrol again", path.display())]
    Missing {
        /// Which of the store's files.
        what: &'static str,
        /// Where it should be.
        path: PathBuf,
    },
    /// Not a database of this program.
    #[error("{} is no doorward database: {why}", path.display())]
    NotAStore {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        why: &'static str,
    },
    /// Made by a newer program.
    #[error(
        "the database has version {found}, this program knows versions up to {known}; install the newer program"
    )]
    Newer {
        /// Version in the file.
        found: i64,
        /// Newest known version.
        known: i64,
    },
    /// Belongs to another terminal, another master key, or another store of this terminal.
    #[error(
        "the database is foreign: it says it belongs to terminal {terminal} of site {site}, and {why}; \
         put this terminal's own database and key back"
    )]
    Foreign {
        /// What the database says of itself.
        terminal: String,
        /// What the database says of itself.
        site: String,
        /// What does not fit.
        why: &'static str,
    },
    /// The file is no sound SQLite database.
    #[error("the database is damaged: {0}; restore the store's files, or create a new store and enrol again")]
    Damaged(String),
    /// Tables, indices or triggers differ from those this program makes.
    #[error("the database's schema was altered at {0:?}")]
    Schema(String),
    /// A value with its own message authentication code.
    #[error("{table} {name:?} was edited: its authentication code does not fit")]
    Setting {
        /// `meta` or `rules`.
        table: &'static str,
        /// Which value.
        name: String,
    },
    /// A sealed value does not open where it lies.
    #[error("{column} of {table} {row} does not open: it was edited, or it comes from another row or store")]
    Field {
        /// Table.
        table: &'static str,
        /// Row.
        row: String,
        /// Column.
        column: &'static str,
    },
    /// Every row opens, but they are not the rows that were last written.
    #[error(
        "the persons, templates, credentials, consents and rules are not those that were last written: rows were removed, added or taken \
         from an older copy (written {persons_written} persons and {templates_written} templates, found \
         {persons_found} and {templates_found})"
    )]
    State {
        /// Persons last written.
        persons_written: u64,
        /// Persons present.
        persons_found: u64,
        /// Templates last written.
        templates_written: u64,
        /// Templates present.
        templates_found: u64,
    },
    /// The audit chain is shorter than it was.
    #[error(
        "the database ends at record {found}, but record {seen} was seen: restored from an old copy or truncated"
    )]
    Truncated {
        /// Newest record present.
        found: u64,
        /// Newest record known.
        seen: u64,
    },
    /// The audit chain is another than it was.
    #[error(
        "record {0} is not the one that was seen: the audit trail was rewritten or belongs to another copy"
    )]
    Rewritten(u64),
    /// An audit record below the oldest there can be.
    #[error("record {found} lies outside the chain, which begins at {first}: it was planted")]
    Stray {
        /// Its number.
        found: i64,
        /// The number of the oldest record.
        first: u64,
    },
    /// Persons, templates and rules are older than they were.
    #[error(
        "persons, templates and rules are those of change {found}, but change {seen} was seen: restored from an old copy"
    )]
    StateOlder {
        /// Newest change present.
        found: u64,
        /// Newest change known.
        seen: u64,
    },
    /// The first bad audit record.
    #[error("the audit chain is broken")]
    Record(#[from] Broken),
    /// A signed checkpoint does not hold.
    #[error("the checkpoint at record {0} was edited: its signature or its hash does not fit")]
    Checkpoint(u64),
    /// A side file was edited.
    #[error("{what} {} was edited or is damaged: it does not open with this terminal's key", path.display())]
    SideFile {
        /// Which.
        what: &'static str,
        /// Where.
        path: PathBuf,
    },
    /// The check itself could not be carried out.
    #[error("the store could not be examined")]
    Unreadable(#[source] Box<StoreFault>),
}

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreFault {
    /// The store is not what was last written.
    #[error(transparent)]
    Refused(#[from] Finding),
    /// No space, or the bound on audit rows is reached and none is acknowledged.
    #[error("the store is full; free disk space, or let the hub acknowledge audit records")]
    Full,
    /// Another process holds the lock.
    #[error("another process kept the store locked for {BUSY_MS_MAX} ms; try again when it has finished")]
    Busy,
    /// SQLite failed.
    #[error("{doing} in the database")]
    Database {
        /// What was tried.
        doing: &'static str,
        /// What went wrong.
        #[source]
        source: Cause,
    },
    /// A file operation failed.
    #[error("{doing} {}", path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// A store or a part of one is there already.
    #[error("{} exists; a new store needs a path where nothing of an old one is left", .0.display())]
    Exists(PathBuf),
    /// Unknown person.
    #[error("there is no person {0}; put the person first")]
    NoSuchPerson(PersonId),
    /// The person has no such credential.
    #[error("{person} has no credential {slot}")]
    NoSuchCredential {
        /// The person.
        person: PersonId,
        /// Its number.
        slot: u32,
    },
    /// Somebody has this credential already. Whose it is stays unsaid: a PIN would be told.
    #[error("this credential belongs to somebody already; choose another")]
    CredentialTaken,
    /// A bound is reached.
    #[error("the store holds at most {max} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The bound.
        max: u64,
    },
    /// A text is too long.
    #[error("{what} has at most {max} bytes, this one has {found}")]
    TooLong {
        /// Which text.
        what: &'static str,
        /// The bound.
        max: usize,
        /// Its length.
        found: usize,
    },
    /// An acknowledgement of something that does not exist.
    #[error("records through {through} were acknowledged, but the chain ends at {head}")]
    AcknowledgedAhead {
        /// What came.
        through: u64,
        /// What there is.
        head: u64,
    },
    /// An entry of the roster that is not the next one.
    #[error("entry {came} of the roster came where {wanted} is next; no entry is passed over")]
    EntryMissing {
        /// The number that is next.
        wanted: u64,
        /// The number that came.
        came: u64,
    },
    /// An audit entry cannot be encoded.
    #[error("encode the audit entry")]
    Entry(#[from] CodecError),
}

impl StoreFault {
    /// A closure for `map_err` that says what was tried on which file.
    pub(crate) fn file<'p>(doing: &'static str, path: &'p Path) -> impl FnOnce(io::Error) -> StoreFault + 'p {
        move |source| {
            if source.kind() == io::ErrorKind::StorageFull {
                StoreFault::Full
            } else if source.kind() == io::ErrorKind::WouldBlock {
                StoreFault::Busy
            } else {
                StoreFault::File { doing, path: path.to_owned(), source }
            }
        }
    }
}

impl From<StoreFault> for Finding {
    fn from(fault: StoreFault) -> Self {
        if let StoreFault::Refused(finding) = fault { finding } else { Finding::Unreadable(Box::new(fault)) }
    }
}

impl From<StoreFault> for JournalFault {
    fn from(fault: StoreFault) -> Self {
        if matches!(fault, StoreFault::Full) {
            return JournalFault::Full;
        }
        if matches!(fault, StoreFault::Busy) {
            return JournalFault::TimedOut(BUSY_MS_MAX);
        }
        let mut text = fault.to_string();
        let mut source = std::error::Error::source(&fault);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        JournalFault::Broken(text)
    }
}

/// Says what was being tried when SQLite failed.
pub(crate) trait Doing<T> {
    /// Turns SQLite's error into a fault.
    fn doing(self, what: &'static str) -> Result<T, StoreFault>;
}

impl<T> Doing<T> for rusqlite::Result<T> {
    fn doing(self, what: &'static str) -> Result<T, StoreFault> {
        self.map_err(|error| classify(what, error))
    }
}

fn classify(doing: &'static str, error: rusqlite::Error) -> StoreFault {
    let code = error.sqlite_error_code();
    // Growing the shared memory file is the one write whose lack of space SQLite reports as an I/O error.
    let no_space = error.sqlite_error().is_some_and(|e| e.extended_code == SQLITE_IOERR_SHMSIZE);
    if code == Some(ErrorCode::DiskFull) || no_space {
        StoreFault::Full
    } else if code == Some(ErrorCode::DatabaseBusy) || code == Some(ErrorCode::DatabaseLocked) {
        StoreFault::Busy
    } else if code == Some(ErrorCode::DatabaseCorrupt) || code == Some(ErrorCode::NotADatabase) {
        StoreFault::Refused(Finding::Damaged(format!("{doing}: {error}")))
    } else {
        StoreFault::Database { doing, source: Box::new(error) }
    }
}
