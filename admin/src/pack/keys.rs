//! The keys that packs are signed with. Whom to trust is a list of public keys.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use doorward_protocol::keys::PublicKey;
use ed25519_dalek::SigningKey;

use crate::answer::Answer;
use crate::keyfile::{self, PACK};

/// Options of `keygen`.
#[derive(Debug, Args)]
#[command(
    after_help = "Writes the private key to FILE, readable by you alone, and the public one to FILE.pub, which is what others \
    trust. Nothing that exists is overwritten. Keep FILE off the terminals, and a copy of it in a safe.\n\n\
    Example:\n  doorctl pack keygen pack.key\n\n\
    Exit code: 0 made, 2 something is there already, 1 fault."
)]
pub struct Keygen {
    /// The private key's file, which must not exist.
    file: PathBuf,
}

/// Draws a key and writes both halves.
///
/// # Errors
/// [`crate::answer::Stop::Refused`] where either file is there already.
pub fn run(options: &Keygen, out: &mut dyn Write) -> Answer {
    keyfile::create(&options.file, &PACK, false, out).map(drop)
}

/// The private key in a file.
///
/// # Errors
/// A file that others can read, or that is no private key.
pub fn private(path: &Path) -> anyhow::Result<SigningKey> {
    keyfile::private(path, &PACK)
}

/// The public keys of `--trust`: files, or the 64 digits themselves.
///
/// # Errors
/// Something that is no public key.
pub fn trusted(options: &[String]) -> anyhow::Result<Vec<PublicKey>> {
    options.iter().map(|option| keyfile::public(option, "--trust", &PACK)).collect()
}
