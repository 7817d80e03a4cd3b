//! Folders and files that are there whole or not at all, whenever the power goes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::answer::{Answer, Stop};

/// `path` with a dot before its name and `.part` after it: what is being made, and never searched for.
#[must_use]
pub fn draft_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.part"))
}

/// Makes an empty folder in place of whatever an interrupted run left of it.
///
/// # Errors
/// The file system's.
pub fn fresh(path: &Path) -> io::Result<()> {
    clear(path)?;
    fs::create_dir_all(path)
}

/// Removes a folder with all that is in it, if it is there.
///
/// # Errors
/// The file system's.
pub fn clear(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Writes a file and waits until it is on the disk.
///
/// # Errors
/// The file system's.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Writes a file with these permissions that must not exist yet.
///
/// # Errors
/// The file system's; [`io::ErrorKind::AlreadyExists`] leaves what is there alone.
pub fn create(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    sync(parent(path))
}

/// The same for a command whose answer is no where the file is there already.
///
/// # Errors
/// [`Stop::Refused`] where it is.
pub fn create_or_refuse(path: &Path, mode: u32, bytes: &[u8]) -> Answer {
    match create(path, mode, bytes) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            Err(Stop::refused(format!("{} exists, and nothing is overwritten", path.display())))
        }
        created => Ok(created.with_context(|| format!("create {}", path.display()))?),
    }
}

/// Replaces a file in one step.
///
/// # Errors
/// The file system's.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = draft_of(path);
    write(&draft, bytes)?;
    fs::rename(&draft, path)?;
    sync(parent(path))
}

/// Lets a link point elsewhere, in one step.
///
/// # Errors
/// The file system's.
pub fn point(link: &Path, target: &Path) -> io::Result<()> {
    let draft = draft_of(link);
    match fs::remove_file(&draft) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        Ok(()) | Err(_) => {}
    }
    symlink(target, &draft)?;
    fs::rename(&draft, link)?;
    sync(parent(link))
}

/// Gives a finished folder its name. Every file in it must be on the disk already.
///
/// # Errors
/// The file system's.
pub fn settle(draft: &Path, path: &Path) -> io::Result<()> {
    sync(draft)?;
    fs::rename(draft, path)?;
    sync(parent(path))
}

/// Makes the names in a folder durable.
///
/// # Errors
/// The file system's.
pub fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// The folder in which a path lies.
#[must_use]
pub fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
