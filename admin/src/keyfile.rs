//! Key files: made, read, told apart.
//!
//! A file is one line with a word before the digits, so that a private key is never taken for a public one, nor a key for
//! one purpose for that of another.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read as _, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use doorward_protocol::audit::Hash;
use doorward_protocol::hex::{hex, unhex};
use doorward_protocol::keys::PublicKey;
use doorward_protocol::sealing::{OPENING_WORD, OpeningKey, SEALING_WORD, SealingKey};
use ed25519_dalek::SigningKey;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use zeroize::Zeroizing;

use crate::answer::{Answer, Stop};
use crate::{folder, locked, unseen};

/// What keys are for.
pub struct Purpose {
    private: &'static str,
    /// A private key under a passphrase.
    locked: &'static str,
    public: &'static str,
    maker: &'static str,
}

/// Keys that answer for model packs.
pub const PACK: Purpose = Purpose {
    private: "doorward-pack-private-1",
    locked: "doorward-pack-locked-1",
    public: "doorward-pack-public-1",
    maker: "doorctl pack keygen",
};

/// Keys of people and machines whose word counts at a site.
pub const AUTHORITY: Purpose = Purpose {
    private: "doorward-authority-private-1",
    locked: "doorward-authority-locked-1",
    public: "doorward-authority-public-1",
    maker: "doorctl keys make",
};

/// Longest key file: a word, 128 digits, and what an editor may add.
const FILE_LEN_MAX: usize = 250;

/// What a private key's file holds.
#[must_use]
pub fn private_line(word: &str, secret: &[u8; 32]) -> Zeroizing<String> {
    // Reserved to its full length at once: a string that grows leaves copies behind.
    let mut line = Zeroizing::new(String::with_capacity(128));
    line.push_str(word);
    line.push(' ');
    for byte in secret {
        for nibble in [byte >> 4, byte & 15] {
            line.push(char::from_digit(u32::from(nibble), 16).expect("a nibble is a hexadecimal digit"));
        }
    }
    line.push('\n');
    line
}

/// Draws a key, writes both halves and says where. `locked`: a passphrase is asked for, under which the private one lies.
///
/// # Errors
/// [`Stop::Refused`] where either file is there already, or the passphrase is too short or typed in two ways.
pub fn create(file: &Path, purpose: &Purpose, locked: bool, out: &mut dyn Write) -> Answer<SigningKey> {
    let key = draw();
    let (secret, public) = (Zeroizing::new(key.to_bytes()), PublicKey::of(&key).hex());
    let halves = Halves { public, line: lines(purpose.private, [&*secret]) };
    // Looked at before anybody is asked.
    nothing_there(file)?;
    let halves = match locked {
        true => Halves { line: Zeroizing::new(under_a_passphrase(purpose, &secret)?), ..halves },
        false => halves,
    };
    halves.write(file, purpose.public)?;
    writeln!(out, "private key {} (keep it off the terminals, and a copy in a safe)", file.display())?;
    halves.tell(file, out)?;
    Ok(key)
}

/// Draws a site's opening key, writes it and the sealing key that belongs to it, and says where.
///
/// # Errors
/// [`Stop::Refused`] where either file is there already.
pub fn create_opening(file: &Path, out: &mut dyn Write) -> Answer {
    write_opening(file, &[OpeningKey::draw(&mut generator())], out)
}

/// Writes a site's opening keys, the newest first, and the sealing key that belongs to that one, and says where.
///
/// # Errors
/// [`Stop::Refused`] where either file is there already.
pub fn write_opening(file: &Path, keys: &[OpeningKey], out: &mut dyn Write) -> Answer {
    let newest = keys.first().context("there is no key to write")?;
    let secrets: Vec<_> = keys.iter().map(OpeningKey::to_bytes).collect();
    let line = opening_lines(secrets.iter().map(|secret| &**secret));
    let halves = Halves { line, public: hex(&newest.sealing_key().to_bytes()) };
    halves.write(file, SEALING_WORD)?;
    writeln!(out, "opening key {} (for the site's terminals, and a copy in a safe)", file.display())?;
    halves.tell(file, out)
}

/// What a file of opening keys holds, the newest first.
#[must_use]
pub fn opening_lines<'a>(keys: impl IntoIterator<Item = &'a [u8; 32]>) -> Zeroizing<String> {
    lines(OPENING_WORD, keys)
}

fn lines<'a>(word: &str, secrets: impl IntoIterator<Item = &'a [u8; 32]>) -> Zeroizing<String> {
    let secrets: Vec<_> = secrets.into_iter().collect();
    // Reserved to its full length at once: a string that grows leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(128 * secrets.len()));
    secrets.iter().for_each(|secret| text.push_str(&private_line(word, secret)));
    text
}

/// Both halves of a key on their way into files.
struct Halves {
    /// What the private half's file holds.
    line: Zeroizing<String>,
    /// Digits.
    public: String,
}

impl Halves {
    /// Writes both; `public` is the word before that one.
    fn write(&self, file: &Path, public: &str) -> Answer {
        nothing_there(file)?;
        let public_file = public_file(file);
        let create = |path: &Path, mode, bytes: &[u8]| {
            folder::create(path, mode, bytes).with_context(|| format!("create {}", path.display()))
        };
        create(file, 0o600, self.line.as_bytes())?;
        create(&public_file, 0o644, format!("{public} {}\n", self.public).as_bytes())?;
        Ok(())
    }

    fn tell(&self, file: &Path, out: &mut dyn Write) -> Answer {
        writeln!(out, "public key  {}", public_file(file).display())?;
        writeln!(out, "  {}", self.public)?;
        Ok(())
    }
}

/// Refuses where either half's file is there.
fn nothing_there(file: &Path) -> Answer {
    for path in [file, &public_file(file)] {
        if path.symlink_metadata().is_ok() {
            return Err(Stop::refused(format!("{} exists, and nothing is overwritten", path.display())));
        }
    }
    Ok(())
}

/// What a locked key's file holds.
fn under_a_passphrase(purpose: &Purpose, secret: &[u8; 32]) -> Answer<String> {
    let typed = unseen::new_line("passphrase")?;
    let typed = typed.ok_or_else(|| Stop::refused("the two passphrases differ; nothing was written"))?;
    let mut salt = [0; 32];
    fill(&mut salt);
    locked::lock(purpose.locked, secret, &typed, salt.first_chunk().expect("a salt is shorter than that"))
}

fn draw() -> SigningKey {
    let mut seed = Zeroizing::new([0; 32]);
    fill(&mut seed);
    SigningKey::from_bytes(&seed)
}

/// What a roster begins with instead of an entry's hash.
#[must_use]
pub fn genesis() -> Hash {
    let mut genesis = Hash::default();
    fill(&mut genesis);
    genesis
}

/// A key for what is compared here and kept nowhere.
#[must_use]
pub fn passing() -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    fill(&mut key);
    key
}

/// Draws for whoever needs more than a key; seeded by the kernel.
#[must_use]
pub fn generator() -> ChaCha20Rng {
    let mut seed = Zeroizing::new([0; 32]);
    fill(&mut seed);
    ChaCha20Rng::from_seed(*seed)
}

#[expect(clippy::disallowed_methods, reason = "the one place where doorctl draws at random")]
fn fill(bytes: &mut [u8; 32]) {
    getrandom::fill(bytes).expect("the kernel's random source does not fail once it is seeded");
}

/// A secret in a file. `what` it is, for errors.
///
/// # Errors
/// A file that others can read.
pub fn secret(path: &Path, what: &str) -> anyhow::Result<Zeroizing<String>> {
    let file = File::open(path).with_context(|| format!("read the {what} {}", path.display()))?;
    let metadata = file.metadata().with_context(|| format!("read the {what} {}", path.display()))?;
    ensure!(metadata.is_file(), "the {what} {} is no regular file", path.display());
    let mode = metadata.mode() & 0o7777;
    ensure!(
        mode & 0o077 == 0,
        "the {what} {} has mode {mode:04o}, so others may get at it: run `chmod 600 {0}`",
        path.display()
    );
    read(file, path)
}

/// The private key in a file.
///
/// # Errors
/// A file that others can read, or that is no private key.
pub fn private(path: &Path, purpose: &Purpose) -> anyhow::Result<SigningKey> {
    let line = secret(path, "private key")?;
    if line.starts_with(purpose.public) {
        bail!("{} is a public key; signing needs the private one, without .pub", path.display());
    }
    if line.starts_with(purpose.locked) {
        let typed = unseen::line(&format!("passphrase of {}", path.display()))?;
        let seed = locked::unlock(&line, purpose.locked, &typed);
        let seed = seed.with_context(|| format!("the passphrase does not open {}", path.display()))?;
        return Ok(SigningKey::from_bytes(&seed));
    }
    let seed = digits(&line, purpose.private).map(Zeroizing::new);
    let seed =
        seed.with_context(|| format!("{} is no key that `{}` wrote", path.display(), purpose.maker))?;
    Ok(SigningKey::from_bytes(&seed))
}

/// The public key that an argument gives: a file, or the 64 digits themselves. `asked` says which argument, for errors.
///
/// # Errors
/// Something that is no public key.
pub fn public(given: &str, asked: &str, purpose: &Purpose) -> anyhow::Result<PublicKey> {
    if let Some(key) = PublicKey::parse(given) {
        return Ok(key);
    }
    let path = Path::new(given);
    let file = File::open(path).with_context(|| {
        format!("{asked} {given}: no 64 hexadecimal digits of a key, and no file of one can be read")
    })?;
    let line = read(file, path)?;
    ensure!(
        !line.starts_with(purpose.private),
        "{asked} {given}: this is the private key; give {given}.pub, and keep the private one to yourself"
    );
    digits(&line, purpose.public)
        .and_then(|bytes| PublicKey::from_bytes(&bytes))
        .with_context(|| format!("{asked} {given}: no public key that `{}` wrote", purpose.maker))
}

/// The sealing key that an argument gives: a file, or the 64 digits themselves.
///
/// # Errors
/// Something that is no sealing key.
pub fn sealing(given: &str) -> anyhow::Result<SealingKey> {
    let typed = unhex(given).and_then(|bytes| SealingKey::from_bytes(&bytes));
    if let Some(key) = typed {
        return Ok(key);
    }
    let path = Path::new(given);
    let file = File::open(path).with_context(|| {
        format!("--seal-to {given}: no 64 hexadecimal digits of a key, and no file of one can be read")
    })?;
    let line = read(file, path)?;
    ensure!(
        !line.starts_with(OPENING_WORD),
        "--seal-to {given}: this is the opening key, which belongs on terminals alone; give {given}.pub"
    );
    digits(&line, SEALING_WORD)
        .and_then(|bytes| SealingKey::from_bytes(&bytes))
        .with_context(|| format!("--seal-to {given}: no sealing key that `doorctl keys sealing` wrote"))
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
        create(&file, &PACK, false, &mut out).unwrap();
        let said = String::from_utf8(out).unwrap();
        (file, said.lines().last().unwrap().trim().to_owned())
    }

    #[test]
    fn the_halves_belong_together_and_only_the_owner_reads_the_private_one() {
        let folder = tempfile::tempdir().unwrap();
        let (file, said) = made(folder.path());
        let key = private(&file, &PACK).unwrap();
        let expected = PublicKey::of(&key);
        assert_eq!(expected.hex(), said);
        let public_file = format!("{}.pub", file.display());
        assert_eq!(public(&public_file, "--trust", &PACK).unwrap(), expected);
        assert_eq!(public(&said, "--trust", &PACK).unwrap(), expected);
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o600);
        let again = create(&file, &PACK, false, &mut Vec::new()).map(drop);
        assert!(matches!(again, Err(Stop::Refused(_))), "{again:?}");
        fs::remove_file(&file).unwrap();
        let again = create(&file, &PACK, false, &mut Vec::new()).map(drop);
        assert!(matches!(again, Err(Stop::Refused(_))), "the public half is there: {again:?}");
        assert_eq!(public(&public_file, "--trust", &PACK).unwrap(), expected);
    }

    #[test]
    fn h2_a_key_that_others_can_read_or_of_the_wrong_half_is_refused_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let (file, _) = made(folder.path());
        let shown = file.display().to_string();
        let text = format!("{:#}", private(Path::new(&format!("{shown}.pub")), &PACK).unwrap_err());
        assert!(text.contains("chmod 600"), "{text}");
        fs::set_permissions(format!("{shown}.pub"), Permissions::from_mode(0o600)).unwrap();
        let text = format!("{:#}", private(Path::new(&format!("{shown}.pub")), &PACK).unwrap_err());
        assert!(text.contains("public key"), "{text}");
        let text = format!("{:#}", public(&shown, "--trust", &PACK).unwrap_err());
        assert!(text.contains("private key") && text.contains(".pub"), "{text}");
        for content in ["", "doorward-pack-private-1 deadbeef", "\u{0}", &"a".repeat(5000)] {
            fs::write(&file, content).unwrap();
            let text = format!("{:#}", private(&file, &PACK).unwrap_err());
            assert!(text.contains("keygen"), "{text}");
            assert!(!text.contains("deadbeef"), "no digit of a key is told: {text}");
        }
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        assert!(format!("{:#}", private(&file, &PACK).unwrap_err()).contains("0640"));
        assert!(public("nowhere", "--trust", &PACK).is_err());
    }

    #[test]
    fn m14_a_site_is_sealed_to_by_the_public_half_and_the_other_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("opening.key");
        let mut out = Vec::new();
        create_opening(&file, &mut out).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o600);
        let (shown, said) = (file.display().to_string(), String::from_utf8(out).unwrap());
        let typed = sealing(said.lines().last().unwrap().trim()).unwrap();
        assert!(sealing(&format!("{shown}.pub")).unwrap() == typed);
        let text = format!("{:#}", sealing(&shown).err().unwrap());
        assert!(text.contains(".pub") && text.contains("opening key"), "{text}");
        let (authority, _) = made(folder.path());
        assert!(sealing(&format!("{}.pub", authority.display())).is_err(), "a key for something else");
        assert!(matches!(create_opening(&file, &mut Vec::new()), Err(Stop::Refused(_))));
    }

    #[test]
    fn m13_a_key_for_one_purpose_is_none_for_another() {
        let folder = tempfile::tempdir().unwrap();
        let (file, _) = made(folder.path());
        assert!(private(&file, &AUTHORITY).is_err());
        assert!(public(&format!("{}.pub", file.display()), "KEY", &AUTHORITY).is_err());
    }
}
