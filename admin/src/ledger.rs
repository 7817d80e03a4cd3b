//! A site's roster in a file: the root it begins with and every signed entry, in order. It holds no secret and may be
//! copied anywhere; whoever has it and knows the root can check every word of it.
//!
//! Entries are appended and never changed. One that was cut off when the power went was never said to be written; it is
//! overwritten by the next.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, ErrorKind, Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use doorward_protocol::audit::Hash;
use doorward_protocol::envelope::{Heading, Kind, MESSAGE_LEN_MAX};
use doorward_protocol::ids::SiteId;
use doorward_protocol::keys::PublicKey;
use doorward_protocol::message;
use doorward_protocol::roster::{Change, Entry, Follower};
use doorward_protocol::trust::{Reader, Trust};
use ed25519_dalek::SigningKey;
use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

use crate::answer::{Answer, Stop};
use crate::folder;

/// What every file begins with.
const WORD: &[u8] = b"doorward-roster-1\n";

/// What a roster begins with.
#[derive(Debug, Clone, Encode, Decode)]
struct Beginning {
    #[n(0)]
    site: SiteId,
    #[n(1)]
    root: PublicKey,
    /// Drawn, so that no two rosters share an entry.
    #[n(2)]
    genesis: ByteArray<32>,
}

/// A roster, followed to its end.
pub struct Ledger {
    path: PathBuf,
    file: File,
    /// Where each entry begins, and where they end.
    places: Vec<u64>,
    end: u64,
    beginning: Beginning,
    follower: Follower,
}

impl Ledger {
    /// Makes the roster of a new site.
    ///
    /// # Errors
    /// [`Stop::Refused`] where the file is there already.
    pub fn create(path: &Path, site: SiteId, root: PublicKey, genesis: Hash) -> Answer {
        let beginning = Beginning { site, root, genesis: genesis.into() };
        let mut bytes = WORD.to_vec();
        bytes.extend(framed(&minicbor::to_vec(&beginning).expect("writing to a vector cannot fail")));
        folder::create_or_refuse(path, 0o644, &bytes)
    }

    /// Reads and checks a roster; with a `root`, it must have begun with that one. Nobody else appends meanwhile.
    ///
    /// # Errors
    /// [`Stop::Refused`] for a roster that is not what its signatures say, naming the first bad entry.
    pub fn open(path: &Path, root: Option<PublicKey>) -> Answer<Self> {
        Self::open_telling(path, root, &mut |_, _| ())
    }

    /// The same, and every entry is told with its number.
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub fn open_telling(
        path: &Path,
        root: Option<PublicKey>,
        told: &mut dyn FnMut(u64, &Entry),
    ) -> Answer<Self> {
        let doing = || format!("read the roster {}", path.display());
        let file = OpenOptions::new().read(true).write(true).open(path).with_context(doing)?;
        file.lock().with_context(|| format!("lock the roster {}", path.display()))?;
        let mut reader = BufReader::new(&file);
        let mut word = [0; WORD.len()];
        let begins = reader.read_exact(&mut word).is_ok() && word == *WORD;
        let beginning = if begins { frame(&mut reader).with_context(doing)? } else { None };
        let beginning: Beginning = beginning
            .and_then(|bytes| minicbor::decode(&bytes).ok())
            .with_context(|| format!("{} is no roster that `doorctl keys init` began", path.display()))?;
        if root.is_some_and(|root| root != beginning.root) {
            let (found, site) = (beginning.root.hex(), &beginning.site);
            return Err(Stop::refused(format!(
                "{} is the roster of site {site} under the root {found}, which is not the one you gave",
                path.display()
            )));
        }
        let trust = Trust::pinned(beginning.site.clone(), beginning.root);
        let mut follower = Follower::new(*beginning.genesis, trust);
        let mut end = WORD.len() as u64
            + framed(&minicbor::to_vec(&beginning).expect("writing to a vector cannot fail")).len() as u64;
        let mut places = Vec::new();
        while let Some(bytes) = frame(&mut reader).with_context(doing)? {
            let seq = follower.head().seq + 1;
            let entry = followed(&mut follower, &bytes)
                .map_err(|why| Stop::refused(format!("{}: entry {seq}: {why:#}", path.display())))?;
            told(seq, &entry);
            places.push(end);
            end += framed(&bytes).len() as u64;
        }
        Ok(Self { path: path.to_owned(), file, places, end, beginning, follower })
    }

    /// What the roster begins with instead of an entry's hash.
    #[must_use]
    pub fn genesis(&self) -> Hash {
        *self.beginning.genesis
    }

    /// Where the roster leads.
    pub fn follower(&mut self) -> &mut Follower {
        &mut self.follower
    }

    /// Signs changes as the next entry and, unless `dry`, appends it. Returns its number.
    ///
    /// # Errors
    /// [`Stop::Refused`] where the key may not, or a change cannot be.
    pub fn append(&mut self, changes: Vec<Change>, key: &SigningKey, now_s: i64, dry: bool) -> Answer<u64> {
        let state = self.follower.foresee(&changes).map_err(Stop::refused)?;
        let head = self.follower.head();
        let entry = Entry { before: head.hash.into(), state: state.into(), changes };
        let heading = Heading {
            kind: Kind::Roster,
            site: self.follower.trust().site().clone(),
            terminal: None,
            seq: head.seq + 1,
            issued_s: now_s,
            expires_s: None,
        };
        let bytes = message::sign(&heading, &entry, key).map_err(Stop::refused)?;
        // Checked as every reader will check it, before anybody sees it.
        followed(&mut self.follower, &bytes).map_err(|why| Stop::refused(format!("{why:#}")))?;
        if !dry {
            self.write(&bytes).with_context(|| format!("append to {}", self.path.display()))?;
        }
        Ok(head.seq + 1)
    }

    /// An entry as it was signed.
    ///
    /// # Errors
    /// The file's.
    pub fn entry(&mut self, seq: u64) -> anyhow::Result<Vec<u8>> {
        let doing = || format!("read entry {seq} of {}", self.path.display());
        let place = usize::try_from(seq.saturating_sub(1)).ok().and_then(|at| self.places.get(at));
        let place = *place.with_context(doing)?;
        self.file.seek(SeekFrom::Start(place)).with_context(doing)?;
        frame(&mut &self.file)?.with_context(doing)
    }

    /// Appends an entry that somebody else signed.
    ///
    /// # Errors
    /// [`Stop::Refused`] where it is not the next one, or its signer may not.
    pub fn take(&mut self, entry: &[u8]) -> Answer {
        let seq = self.follower.head().seq + 1;
        followed(&mut self.follower, entry).map_err(|why| Stop::refused(format!("entry {seq}: {why:#}")))?;
        Ok(self.write(entry).with_context(|| format!("append to {}", self.path.display()))?)
    }

    fn write(&mut self, entry: &[u8]) -> std::io::Result<()> {
        let bytes = framed(entry);
        self.file.set_len(self.end)?;
        self.file.seek(SeekFrom::Start(self.end))?;
        self.file.write_all(&bytes)?;
        self.file.sync_all()?;
        self.places.push(self.end);
        self.end += bytes.len() as u64;
        Ok(())
    }
}

fn followed(follower: &mut Follower, bytes: &[u8]) -> anyhow::Result<Entry> {
    let reader = Reader { terminal: None, now_s: None };
    let entry = follower.trust().authorise::<Entry>(bytes, &reader)?;
    follower.follow(&entry, bytes)?;
    Ok(entry.message().clone())
}

/// Bytes with their length before them.
fn framed(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("a message is shorter than 4 GiB");
    [&length.to_be_bytes(), bytes].concat()
}

/// The next whole frame; none at the end, or where the last one was cut off.
fn frame(reader: &mut impl Read) -> anyhow::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    if !whole(reader.read_exact(&mut length))? {
        return Ok(None);
    }
    let length = u32::from_be_bytes(length) as usize;
    ensure!(length <= MESSAGE_LEN_MAX, "an entry of {length} bytes, at most {MESSAGE_LEN_MAX} are allowed");
    let mut bytes = vec![0; length];
    Ok(whole(reader.read_exact(&mut bytes))?.then_some(bytes))
}

fn whole(read: std::io::Result<()>) -> anyhow::Result<bool> {
    match read {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => bail!(e),
    }
}
