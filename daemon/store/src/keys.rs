//! The master key, what is derived from it, and the one place where randomness is drawn.
//!
//! One master key per terminal, 32 random bytes, kept outside the database: a systemd credential (sealed to the
//! machine by TPM or host key) or a file that only its owner can read. HKDF-SHA256 derives one key per purpose; the
//! salt is the store's random id, so that two stores under one master key share no key. The template transform alone
//! is salted by the site instead: it has to outlive a store.

use std::ffi::OsString;
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use doorward_core::credential::Token;
use doorward_protocol::command::Session;
use doorward_protocol::ids::SiteId;
use doorward_protocol::sealing::{OPENING_WORD, OpeningKey};
use ed25519_dalek::SigningKey;
use hkdf::Hkdf;
use rustix::fs::OFlags;
use rustix::io::Errno;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::durable;
use crate::sealed::Key;
use crate::settings::StoreId;

/// Name of the systemd credential: `LoadCredentialEncrypted=doorward.master:…`.
pub const CREDENTIAL: &str = "doorward.master";

/// Name of the other one: `LoadCredentialEncrypted=doorward.opening:…`.
const OPENING_CREDENTIAL: &str = "doorward.opening";

/// Name of the third one: `LoadCredentialEncrypted=doorward.api:…`.
const API_CREDENTIAL: &str = "doorward.api";

/// What a configuration or an option says instead of a file's name to mean the systemd credential.
const CREDENTIAL_WORD: &str = "credential";

/// Bytes of a key.
const KEY_LEN: usize = 32;

/// The longest line of a key file: a word, 64 digits and a line end.
const LINE_LEN_MAX: usize = 128;

/// Opening keys that a file holds: one for each rotation in the life of a site, and some.
pub const OPENING_KEYS_MAX: usize = 16;

/// Where a key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// The folder in `$CREDENTIALS_DIRECTORY`; the master key is the file [`CREDENTIAL`] in it. systemd sets its mode.
    Credential(PathBuf),
    /// A key file of mode 0600 or 0400 that belongs to the current user or to root.
    File(PathBuf),
}

impl KeySource {
    /// What `name` means: the word `credential` is what systemd has opened for this process, all else is a file.
    ///
    /// # Errors
    /// [`KeyFault::NoCredential`] where the word is said outside such a process.
    pub fn named(name: &Path) -> Result<Self, KeyFault> {
        Self::named_in(name, std::env::var_os("CREDENTIALS_DIRECTORY"))
    }

    fn named_in(name: &Path, folder: Option<OsString>) -> Result<Self, KeyFault> {
        if !Self::is_credential(name) {
            return Ok(KeySource::File(name.to_owned()));
        }
        folder.map(|folder| KeySource::Credential(folder.into())).ok_or(KeyFault::NoCredential)
    }

    /// Whether `name` means the systemd credential.
    #[must_use]
    pub fn is_credential(name: &Path) -> bool {
        name == Path::new(CREDENTIAL_WORD)
    }
}

/// The terminal's master key. Wiped when dropped; its `Debug` shows nothing.
pub struct MasterKey(Box<Zeroizing<[u8; KEY_LEN]>>);

/// Why there is no key. `what` says which.
#[derive(Debug, thiserror::Error)]
pub enum KeyFault {
    /// Not there, or not readable.
    #[error("read {what} {}", path.display())]
    Read {
        /// Which key.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A folder, a device, a pipe.
    #[error("{what} {} is no regular file; name the key file itself, not a link or folder", path.display())]
    NotRegular {
        /// Which key.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// Others could read or change it.
    #[error("{what} {} has mode {mode:04o}, so others may get at it: run `chmod 600 {0}`", path.display())]
    Mode {
        /// Which key.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Belongs to somebody else.
    #[error("{what} {} belongs to user {owner}: run `chown {user} {0}`", path.display())]
    Owner {
        /// Which key.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Who runs this program.
        user: u32,
    },
    /// Not a key.
    #[error("{what} {} is malformed: it has to hold {form}", path.display())]
    Malformed {
        /// Which key.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What it has to hold.
        form: &'static str,
    },
    /// systemd gave this process no credentials.
    #[error(
        "the key is sealed, and systemd has not opened it for this process: start doord as a unit with \
         LoadCredentialEncrypted=, and doorctl through doorctl-sealed"
    )]
    NoCredential,
    /// A key that was never drawn.
    #[error("{what} {} is all zeros; create a real one", path.display())]
    Blank {
        /// Which key.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A file could not be created.
    #[error("create the master key {}; an existing key is never overwritten", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A key that comes from outside.
struct Kept {
    what: &'static str,
    /// The name of its systemd credential.
    credential: &'static str,
    /// What its file holds.
    form: &'static str,
    /// The word before its digits; such a file holds nothing else.
    word: Option<&'static str>,
}

const MASTER: Kept = Kept {
    what: "the master key",
    credential: CREDENTIAL,
    form: "exactly 32 bytes, or 64 hexadecimal digits",
    word: None,
};

const OPENING: Kept = Kept {
    what: "the opening key",
    credential: OPENING_CREDENTIAL,
    form: "the lines that `doorctl keys sealing` or `rotate` wrote, at most 16",
    word: Some(OPENING_WORD),
};

const API: Kept = Kept {
    what: "the token of the local API",
    credential: API_CREDENTIAL,
    form: "64 hexadecimal digits, as `openssl rand -hex 32` draws them",
    word: None,
};

/// Reads what opens the local API over the loopback interface.
///
/// # Errors
/// [`KeyFault`], which says what to do.
pub fn api_token(source: &KeySource) -> Result<Zeroizing<[u8; KEY_LEN]>, KeyFault> {
    load_one(source, &API)
}

/// Reads the keys that open what is sealed to the site's terminals, the newest first: at least one.
///
/// # Errors
/// [`KeyFault`], which says what to do.
pub fn opening_keys(source: &KeySource) -> Result<Vec<OpeningKey>, KeyFault> {
    let key =
        |bytes: Secret| OpeningKey::from_bytes(bytes.as_slice()).expect("any 32 bytes are a key of X25519");
    Ok(load(source, &OPENING)?.into_iter().map(key).collect())
}

impl MasterKey {
    /// Reads the key.
    ///
    /// # Errors
    /// [`KeyFault`], which says what to do.
    pub fn load(source: &KeySource) -> Result<Self, KeyFault> {
        load_one(source, &MASTER).map(Self::from_bytes)
    }

    /// Draws a new key and writes it to `path`: 32 raw bytes, mode 0600, durable. An existing file is left alone.
    ///
    /// # Errors
    /// [`KeyFault::Create`].
    pub fn create(path: &Path) -> Result<Self, KeyFault> {
        let key = Self::from_bytes(Zeroizing::new(random()));
        durable::create(path, key.0.as_slice())
            .map_err(|source| KeyFault::Create { path: path.to_owned(), source })?;
        Ok(key)
    }

    /// A key that the caller holds already: from a TPM, or of a simulated terminal.
    #[must_use]
    pub fn from_bytes(bytes: Zeroizing<[u8; KEY_LEN]>) -> Self {
        Self(Box::new(bytes))
    }

    /// The keys of one store.
    pub(crate) fn store_keys(&self, store: StoreId) -> StoreKeys {
        let hkdf = Hkdf::<Sha256>::new(Some(&store.0), self.0.as_slice());
        let derive = |info: &str| Key::filled(|bytes| expand(&hkdf, &[info.as_bytes()], bytes));
        StoreKeys {
            store,
            epoch_wrap: derive("doorward/store/epoch-wrap/v1"),
            setting: derive("doorward/store/setting-mac/v1"),
            row: derive("doorward/store/row-mac/v1"),
            state: derive("doorward/store/state-seal/v1"),
            anchor: derive("doorward/store/anchor-mac/v1"),
            credential: derive("doorward/store/credential-mac/v1"),
            joining: derive("doorward/store/joining/v1"),
            signing: SigningKey::from_bytes(derive("doorward/store/audit-signing/v1").bytes()),
        }
    }

    /// The key of the template transform of a site. Terminals that share a master key share it too.
    pub(crate) fn transform_key(&self, site: &SiteId) -> Key {
        let hkdf = Hkdf::<Sha256>::new(None, self.0.as_slice());
        Key::filled(|bytes| expand(&hkdf, &[b"doorward/site-transform/v1/", site.as_str().as_bytes()], bytes))
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey")
    }
}

/// Everything derived for one store.
#[derive(Clone)]
pub(crate) struct StoreKeys {
    /// Whose keys these are.
    pub(crate) store: StoreId,
    /// Wraps epoch keys in the epoch file.
    pub(crate) epoch_wrap: Key,
    /// Authenticates the rows of `meta` and `rules`.
    pub(crate) setting: Key,
    /// Authenticates rows within the state digest.
    pub(crate) row: Key,
    /// Seals the state digest.
    pub(crate) state: Key,
    /// Authenticates the anchor file.
    pub(crate) anchor: Key,
    /// Turns credentials into the codes they are looked up by.
    pub(crate) credential: Key,
    /// Opens what a terminal is given when it joins a site.
    pub(crate) joining: Key,
    /// Signs audit checkpoints.
    pub(crate) signing: SigningKey,
}

/// Draws the number of a new QR code.
#[must_use]
pub fn new_token() -> Token {
    Token::new(Zeroizing::new(random()))
}

/// Draws the name of a terminal's life: one for each start.
#[must_use]
pub fn new_session() -> Session {
    random()
}

/// What nobody can foretell: seeds of the emitter's pattern and of what a person is asked to do.
#[must_use]
pub fn new_seed() -> [u8; 32] {
    random()
}

/// Random bytes of the kernel, for keys, nonces, ids and tokens.
#[expect(clippy::disallowed_methods, reason = "the one place where the store draws randomness")]
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the kernel's random source does not fail once it is seeded");
    bytes
}

fn expand(hkdf: &Hkdf<Sha256>, info: &[&[u8]], bytes: &mut [u8; KEY_LEN]) {
    hkdf.expand_multi_info(info, bytes).expect("HKDF-SHA256 yields up to 8160 bytes");
}

/// The bytes of a key.
type Secret = Zeroizing<[u8; KEY_LEN]>;

/// The one key of a file whose keys have no word before them.
fn load_one(source: &KeySource, kept: &Kept) -> Result<Secret, KeyFault> {
    Ok(load(source, kept)?.pop().expect("what was read holds a key"))
}

/// The keys of a file, at least one; one alone where no word stands before it.
fn load(source: &KeySource, kept: &Kept) -> Result<Vec<Secret>, KeyFault> {
    match source {
        KeySource::Credential(folder) => read(&folder.join(kept.credential), kept, check_credential),
        KeySource::File(path) => read(path, kept, check_key_file),
    }
}

fn read(
    path: &Path,
    kept: &Kept,
    check: impl Fn(&Path, &Kept, &std::fs::Metadata) -> Result<(), KeyFault>,
) -> Result<Vec<Secret>, KeyFault> {
    let what = kept.what;
    let unreadable = |source| KeyFault::Read { what, path: path.to_owned(), source };
    let not_regular = || KeyFault::NotRegular { what, path: path.to_owned() };
    // A link is refused and a pipe does not block; the checks are made on the opened file, not on its name.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let mut file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(e) if e.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => return Err(not_regular()),
        Err(e) => return Err(unreadable(e)),
    };
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(not_regular());
    }
    check(path, kept, &metadata)?;

    // More bytes than the longest form, so that a longer file is noticed and never read.
    let mut text = Zeroizing::new([0u8; OPENING_KEYS_MAX * LINE_LEN_MAX + 1]);
    let mut length = 0;
    while length < text.len() {
        match file.read(&mut text[length..]).map_err(unreadable)? {
            0 => break,
            n => length += n,
        }
    }
    let keys = parse(&text[..length], kept.word);
    let malformed = || KeyFault::Malformed { what, path: path.to_owned(), form: kept.form };
    let keys = keys.ok_or_else(malformed)?;
    if keys.iter().any(|bytes| bytes.iter().all(|b| *b == 0)) {
        Err(KeyFault::Blank { what, path: path.to_owned() })
    } else {
        Ok(keys)
    }
}

/// systemd makes credentials for one unit in a folder of its own; only others' bits are checked, because it may use
/// an access control list that shows up in the group's bits.
fn check_credential(path: &Path, kept: &Kept, metadata: &std::fs::Metadata) -> Result<(), KeyFault> {
    match metadata.mode() & 0o007 {
        0 => Ok(()),
        _ => Err(KeyFault::Mode { what: kept.what, path: path.to_owned(), mode: metadata.mode() & 0o7777 }),
    }
}

fn check_key_file(path: &Path, kept: &Kept, metadata: &std::fs::Metadata) -> Result<(), KeyFault> {
    let (what, mode, user) = (kept.what, metadata.mode() & 0o7777, rustix::process::geteuid().as_raw());
    if mode != 0o600 && mode != 0o400 {
        return Err(KeyFault::Mode { what, path: path.to_owned(), mode });
    }
    match metadata.uid() {
        owner if owner == user || owner == 0 => Ok(()),
        owner => Err(KeyFault::Owner { what, path: path.to_owned(), owner, user }),
    }
}

/// 32 raw bytes, or 64 hexadecimal digits with or without the line end that every shell writes; where there is a word,
/// lines of it and digits alone.
fn parse(text: &[u8], word: Option<&str>) -> Option<Vec<Secret>> {
    let lines = text.strip_suffix(b"\n").unwrap_or(text);
    match word {
        Some(word) => {
            let line = |line: &[u8]| key(line.strip_prefix(word.as_bytes())?.strip_prefix(b" ")?);
            let keys = lines.split(|byte| *byte == b'\n').map(line).collect::<Option<Vec<_>>>()?;
            (keys.len() <= OPENING_KEYS_MAX).then_some(keys)
        }
        None if text.len() == KEY_LEN => Some(vec![Zeroizing::new(text.try_into().ok()?)]),
        None => key(lines).map(|key| vec![key]),
    }
}

fn key(digits: &[u8]) -> Option<Secret> {
    if digits.len() != 2 * KEY_LEN {
        return None;
    }
    let mut bytes = Zeroizing::new([0; KEY_LEN]);
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = 16 * nibble(pair[0])? + nibble(pair[1])?;
    }
    Some(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    fn key_file(folder: &Path, content: &[u8], mode: u32) -> KeySource {
        let path = folder.join("key");
        let _ = fs::remove_file(&path);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        KeySource::File(path)
    }

    fn refusal(source: &KeySource) -> String {
        MasterKey::load(source).unwrap_err().to_string()
    }

    #[test]
    fn raw_and_hexadecimal_keys_are_the_same_key() {
        let folder = tempfile::tempdir().unwrap();
        let raw: Vec<u8> = (100..132).collect();
        let hex: String = raw.iter().map(|b| format!("{b:02x}")).collect();
        let forms = [
            raw.clone(),
            hex.clone().into_bytes(),
            hex.to_uppercase().into_bytes(),
            format!("{hex}\n").into(),
        ];
        for form in forms {
            for mode in [0o600, 0o400] {
                let key = MasterKey::load(&key_file(folder.path(), &form, mode)).unwrap();
                assert_eq!(key.0.as_slice(), raw);
            }
        }
    }

    #[test]
    fn h2_keys_others_can_reach_are_refused_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        for mode in [0o644, 0o640, 0o660, 0o666, 0o601, 0o700, 0o4600] {
            let source = key_file(folder.path(), &[7; 32], mode);
            let text = refusal(&source);
            assert!(text.contains(&format!("{mode:04o}")) && text.contains("run `chmod 600 "), "{text}");
        }
        let source = key_file(folder.path(), &[7; 32], 0o600);
        if rustix::process::geteuid().is_root() {
            chown(folder.path().join("key"), Some(12345), None).unwrap();
            assert!(refusal(&source).contains("belongs to user 12345: run `chown 0 "));
        } else {
            eprintln!("skipped: only root can give a key away");
        }
    }

    #[test]
    fn malformed_keys_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let bad: [&[u8]; 8] =
            [b"", &[1; 31], &[1; 33], &[b'g'; 64], &[b'a'; 63], &[b'a'; 66], &[1; 5000], b"\n"];
        for content in bad {
            let text = refusal(&key_file(folder.path(), content, 0o600));
            assert!(text.contains("exactly 32 bytes, or 64 hexadecimal digits"), "{text}");
        }
        assert!(refusal(&key_file(folder.path(), &[0; 32], 0o600)).contains("all zeros"));
        assert!(refusal(&KeySource::File(folder.path().join("none"))).contains("read the master key"));
        assert!(refusal(&KeySource::File(folder.path().to_owned())).contains("no regular file"));

        let _ = key_file(folder.path(), &[7; 32], 0o600);
        symlink(folder.path().join("key"), folder.path().join("link")).unwrap();
        assert!(refusal(&KeySource::File(folder.path().join("link"))).contains("no regular file"));
    }

    #[test]
    fn a_created_key_is_private_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let key = MasterKey::create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(MasterKey::load(&KeySource::File(path.clone())).unwrap().0.as_slice(), key.0.as_slice());
        assert!(matches!(MasterKey::create(&path), Err(KeyFault::Create { .. })));
        assert_eq!(MasterKey::load(&KeySource::File(path)).unwrap().0.as_slice(), key.0.as_slice());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn a_credential_is_read_from_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(CREDENTIAL);
        fs::write(&path, [9; 32]).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o440)).unwrap();
        assert!(MasterKey::load(&KeySource::Credential(folder.path().to_owned())).is_ok());
        fs::set_permissions(&path, Permissions::from_mode(0o444)).unwrap();
        assert!(MasterKey::load(&KeySource::Credential(folder.path().to_owned())).is_err());
    }

    #[test]
    fn the_opening_key_is_a_line_of_its_own_and_no_other_key_passes_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let key = |text: &str| opening_keys(&key_file(folder.path(), text.as_bytes(), 0o600));
        let digits = "08".repeat(32);
        let line = format!("{OPENING_WORD} {digits}\n");
        let opens = |keys: &[OpeningKey]| keys.iter().map(|key| key.to_bytes()[0]).collect::<Vec<_>>();
        assert_eq!(opens(&key(&line).unwrap()), [8]);
        let after_a_rotation = format!("{OPENING_WORD} {}\n{line}", "10".repeat(32));
        assert_eq!(opens(&key(&after_a_rotation).unwrap()), [16, 8], "the newest first");
        let foreign = format!("doorward-authority-private-1 {digits}");
        let (gap, many) = (format!("{line}\n{line}"), line.repeat(OPENING_KEYS_MAX + 1));
        for other in [digits.clone(), foreign.clone(), line.clone() + &foreign, gap, many, "7".repeat(5000)] {
            let text = key(&other).err().unwrap().to_string();
            assert!(text.contains("the opening key") && text.contains("doorctl keys sealing"), "{text}");
            assert!(!text.contains("0707"), "{text}");
        }
        let open = key_file(folder.path(), format!("{OPENING_WORD} {digits}").as_bytes(), 0o640);
        assert!(opening_keys(&open).err().unwrap().to_string().contains("chmod 600"));
    }

    #[test]
    fn the_word_credential_means_what_systemd_opened_and_is_refused_outside_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let word = Path::new("credential");
        let named = |name: &str| KeySource::named_in(Path::new(name), None).unwrap();
        assert_eq!(
            KeySource::named_in(word, Some(folder.path().into())).unwrap(),
            KeySource::Credential(folder.path().to_owned())
        );
        assert!(KeySource::named_in(word, None).unwrap_err().to_string().contains("doorctl-sealed"));
        assert_eq!(named("/etc/credential"), KeySource::File("/etc/credential".into()));
        assert_eq!(named("./credential.key"), KeySource::File("./credential.key".into()));
    }

    #[test]
    fn h4_debug_output_shows_no_key() {
        assert_eq!(format!("{:?}", MasterKey::from_bytes(Zeroizing::new([0xab; 32]))), "MasterKey");
    }

    #[test]
    fn e1_keys_differ_by_purpose_store_and_site() {
        let master = MasterKey::from_bytes(Zeroizing::new([5; 32]));
        let (one, two) = (master.store_keys(StoreId([1; 16])), master.store_keys(StoreId([2; 16])));
        let all = [
            one.epoch_wrap.bytes(),
            one.setting.bytes(),
            one.row.bytes(),
            one.state.bytes(),
            one.anchor.bytes(),
            one.credential.bytes(),
            one.signing.as_bytes(),
            two.setting.bytes(),
            master.transform_key(&"north".parse().unwrap()).bytes(),
            master.transform_key(&"south".parse().unwrap()).bytes(),
        ]
        .map(|bytes| bytes.to_vec());
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }
}
