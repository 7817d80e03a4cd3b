//! Secrets in files: only their owner may read them, and nothing of them is ever told.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use doorward_protocol::hex::unhex;
use ed25519_dalek::SigningKey;
use zeroize::Zeroizing;

/// The longest secret: a line with a key or a password.
const LEN_MAX: usize = 512;
/// What stands before the digits of a private key that `doorctl keys make` wrote.
const KEY_WORD: &str = "doorward-authority-private-1 ";
/// What stands before one that lies under a passphrase.
const LOCKED_WORD: &str = "doorward-authority-locked-1 ";

/// A secret that cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum SecretFault {
    /// It cannot be read.
    #[error("read the secret {0}: {1}")]
    Unread(PathBuf, std::io::Error),
    /// Others may read it.
    #[error("others may get at the secret {0}, which has mode {1:04o}: run `chmod 600 {0}`")]
    Open(PathBuf, u32),
    /// Not in the form of one.
    #[error("the secret {0} {1}")]
    Form(PathBuf, &'static str),
}

/// The one line of a secret's file.
///
/// # Errors
/// [`SecretFault`].
pub fn line(path: &Path) -> Result<Zeroizing<String>, SecretFault> {
    let unread = |e| SecretFault::Unread(path.to_owned(), e);
    let file = File::open(path).map_err(unread)?;
    let mode = file.metadata().map_err(unread)?.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(SecretFault::Open(path.to_owned(), mode));
    }
    // Reserved to its full length at once: a string that grows leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(LEN_MAX + 1));
    file.take(LEN_MAX as u64 + 1).read_to_string(&mut text).map_err(unread)?;
    let form = |why| Err(SecretFault::Form(path.to_owned(), why));
    let line = text.strip_suffix('\n').unwrap_or(&text);
    match () {
        () if text.len() > LEN_MAX => form("is longer than any"),
        () if line.is_empty() => form("is empty"),
        () if line.contains(char::is_control) => form("is not one line"),
        () => Ok(Zeroizing::new(line.to_owned())),
    }
}

/// A private key that `doorctl keys make` wrote.
///
/// # Errors
/// [`SecretFault`].
pub fn key(path: &Path) -> Result<SigningKey, SecretFault> {
    let line = line(path)?;
    if line.starts_with(LOCKED_WORD) {
        let why = "lies under a passphrase, and a hub starts by itself: draw its key without --passphrase";
        return Err(SecretFault::Form(path.to_owned(), why));
    }
    let seed = line.strip_prefix(KEY_WORD).and_then(unhex::<32>).map(Zeroizing::new);
    let seed = seed.ok_or_else(|| {
        SecretFault::Form(path.to_owned(), "is no private key that `doorctl keys make` wrote")
    })?;
    Ok(SigningKey::from_bytes(&seed))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn h2_a_secret_that_others_can_read_is_refused_and_nothing_of_it_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "a-token-of-some-length\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let told = line(&path).unwrap_err().to_string();
        assert!(told.contains("chmod 600") && !told.contains("a-token"), "{told}");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert_eq!(line(&path).unwrap().as_str(), "a-token-of-some-length");
        for content in ["", "\n", "two\nlines\n", &"x".repeat(600)] {
            fs::write(&path, content).unwrap();
            assert!(line(&path).is_err(), "{content:?}");
        }
        fs::write(&path, format!("{KEY_WORD}{}\n", "07".repeat(32))).unwrap();
        assert_eq!(key(&path).unwrap().to_bytes(), [7; 32]);
        fs::write(&path, "doorward-authority-private-1 beef\n").unwrap();
        let told = key(&path).unwrap_err().to_string();
        assert!(!told.contains("beef"), "{told}");
        fs::write(&path, "doorward-authority-locked-1 00 00\n").unwrap();
        let told = key(&path).unwrap_err().to_string();
        assert!(told.contains("without --passphrase"), "{told}");
    }
}
