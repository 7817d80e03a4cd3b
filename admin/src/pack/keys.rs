//! The keys that packs are signed with: made, read, trusted.
//!
//! A key file is one line with a word before the digits, so that a private key is never taken for a public one. Whom to
//! trust is a list of public keys; a later source of it, such as an organisation's root key, adds to [`trusted`].

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read as _, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use doorward_models::pack::signature::PublicKey;
use doorward_models::pack::unhex;
use ed25519_dalek::SigningKey;
use zeroize::Zeroizing;

use super::folder;
use crate::answer::{Answer, Stop};

const PRIVATE_WORD: &str = "doorward-pack-private-1";
const PUBLIC_WORD: &str = "doorward-pack-public-1";

/// Longest key file: a word, 64 digits, and what an editor may add.
const FILE_LEN_MAX: usize = 200;

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
/// [`Stop::Refused`] where either file is there already.
pub fn run(options: &Keygen, out: &mut dyn Write) -> Answer {
    let public_file = public_file(&options.file);
    for path in [&options.file, &public_file] {
        if path.symlink_metadata().is_ok() {
            return Err(Stop::refused(format!("{} exists, and nothing is overwritten", path.display())));
        }
    }
    let key = draw();
    let public = PublicKey::of(&key).hex();
    // Reserved to its full length at once: a string that grows leaves copies behind.
    let mut line = Zeroizing::new(String::with_capacity(128));
    line.push_str(PRIVATE_WORD);
    line.push(' ');
    for byte in Zeroizing::new(key.to_bytes()).iter() {
        for nibble in [byte >> 4, byte & 15] {
            line.push(char::from_digit(u32::from(nibble), 16).expect("a nibble is a hexadecimal digit"));
        }
    }
    line.push('\n');
    let create = |path: &Path, mode, bytes: &[u8]| {
        folder::create(path, mode, bytes).with_context(|| format!("create {}", path.display()))
    };
    create(&options.file, 0o600, line.as_bytes())?;
    create(&public_file, 0o644, format!("{PUBLIC_WORD} {public}\n").as_bytes())?;
    writeln!(
        out,
        "private key {} (keep it off the terminals, and a copy in a safe)",
        options.file.display()
    )?;
    writeln!(out, "public key  {}", public_file.display())?;
    writeln!(out, "  {public}")?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the one place where doorctl draws a key")]
fn draw() -> SigningKey {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut_slice()).expect("the kernel's random source does not fail once it is seeded");
    SigningKey::from_bytes(&seed)
}

/// The private key in a file.
///
/// # Errors
/// A file that others can read, or that is no private key.
pub fn private(path: &Path) -> anyhow::Result<SigningKey> {
    let file = File::open(path).with_context(|| format!("read the private key {}", path.display()))?;
    let metadata = file.metadata().with_context(|| format!("read the private key {}", path.display()))?;
    ensure!(metadata.is_file(), "the private key {} is no regular file", path.display());
    let mode = metadata.mode() & 0o7777;
    ensure!(
        mode & 0o077 == 0,
        "the private key {} has mode {mode:04o}, so others may get at it: run `chmod 600 {0}`",
        path.display()
    );
    let line = read(file, path)?;
    if line.starts_with(PUBLIC_WORD) {
        bail!("{} is a public key; signing needs the private one, without .pub", path.display());
    }
    let seed = digits(&line, PRIVATE_WORD).map(Zeroizing::new);
    let seed =
        seed.with_context(|| format!("{} is no key that `doorctl pack keygen` wrote", path.display()))?;
    Ok(SigningKey::from_bytes(&seed))
}

/// The public keys of `--trust`: files, or the 64 digits themselves.
///
/// # Errors
/// Something that is no public key.
pub fn trusted(options: &[String]) -> anyhow::Result<Vec<PublicKey>> {
    options.iter().map(|option| public(option)).collect()
}

fn public(option: &str) -> anyhow::Result<PublicKey> {
    if let Some(key) = PublicKey::parse(option) {
        return Ok(key);
    }
    let path = Path::new(option);
    let file = File::open(path).with_context(|| {
        format!("--trust {option}: no 64 hexadecimal digits of a key, and no file of one can be read")
    })?;
    let line = read(file, path)?;
    ensure!(
        !line.starts_with(PRIVATE_WORD),
        "--trust {option}: this is the private key; trust {option}.pub, and keep the private one to yourself"
    );
    digits(&line, PUBLIC_WORD)
        .and_then(|_| PublicKey::parse(line.trim_end().strip_prefix(PUBLIC_WORD)?.trim_start()))
        .with_context(|| format!("--trust {option}: no public key that `doorctl pack keygen` wrote"))
}

fn read(file: File, path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::with_capacity(FILE_LEN_MAX + 1));
    file.take(FILE_LEN_MAX as u64)
        .read_to_string(&mut line)
        .with_context(|| format!("read the key {}", path.display()))?;
    Ok(line)
}

/// The digits after `word`, with one line end at most.
fn digits(line: &str, word: &str) -> Option<[u8; 32]> {
    unhex(line.strip_suffix('\n').unwrap_or(line).strip_prefix(word)?.strip_prefix(' ')?)
}

fn public_file(private: &Path) -> PathBuf {
    let mut name = OsString::from(private);
    name.push(".pub");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn made(folder: &Path) -> (PathBuf, String) {
        let file = folder.join("pack.key");
        let mut out = Vec::new();
        run(&Keygen { file: file.clone() }, &mut out).unwrap();
        let said = String::from_utf8(out).unwrap();
        (file, said.lines().last().unwrap().trim().to_owned())
    }

    #[test]
    fn the_halves_belong_together_and_only_the_owner_reads_the_private_one() {
        let folder = tempfile::tempdir().unwrap();
        let (file, said) = made(folder.path());
        let key = private(&file).unwrap();
        let expected = [PublicKey::of(&key)];
        assert_eq!(expected[0].hex(), said);
        let public_file = format!("{}.pub", file.display());
        assert_eq!(trusted(std::slice::from_ref(&public_file)).unwrap(), expected);
        assert_eq!(trusted(&[said]).unwrap(), expected);
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o600);
        let again = run(&Keygen { file: file.clone() }, &mut Vec::new());
        assert!(matches!(again, Err(Stop::Refused(_))), "{again:?}");
        fs::remove_file(&file).unwrap();
        let again = run(&Keygen { file }, &mut Vec::new());
        assert!(matches!(again, Err(Stop::Refused(_))), "the public half is there: {again:?}");
        assert_eq!(trusted(&[public_file]).unwrap(), expected);
    }

    #[test]
    fn h2_a_key_that_others_can_read_or_of_the_wrong_half_is_refused_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let (file, _) = made(folder.path());
        let shown = file.display().to_string();
        let text = format!("{:#}", private(Path::new(&format!("{shown}.pub"))).unwrap_err());
        assert!(text.contains("chmod 600"), "{text}");
        fs::set_permissions(format!("{shown}.pub"), Permissions::from_mode(0o600)).unwrap();
        let text = format!("{:#}", private(Path::new(&format!("{shown}.pub"))).unwrap_err());
        assert!(text.contains("public key"), "{text}");
        let text = format!("{:#}", trusted(std::slice::from_ref(&shown)).unwrap_err());
        assert!(text.contains("private key") && text.contains(".pub"), "{text}");
        for content in ["", "doorward-pack-private-1 deadbeef", "\u{0}", &"a".repeat(5000)] {
            fs::write(&file, content).unwrap();
            let text = format!("{:#}", private(&file).unwrap_err());
            assert!(text.contains("keygen"), "{text}");
            assert!(!text.contains("deadbeef"), "no digit of a key is told: {text}");
        }
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        assert!(format!("{:#}", private(&file).unwrap_err()).contains("0640"));
        assert!(trusted(&["nowhere".to_owned()]).is_err());
    }
}
