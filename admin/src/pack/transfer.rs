//! One file from one address: whole and right under its name, or not there at all.
//!
//! What arrives is written to a `.part` file beside the final name, which a later try, or a later run, goes on with; only
//! a file with the pinned digest gets its name. Nothing is believed that the server says: lengths are held against the
//! manifest's, silence ends after a while, and a file that was joined from several answers and turns out wrong is fetched
//! once more in one piece before it is called wrong. The only file that names the HTTP client and the TLS library.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use doorward_hal::clock::{Clock as _, SystemClock};
use doorward_models::pack::{WEIGHTS_LEN_MAX, address, hex};
use sha2::{Digest as _, Sha256};
use ureq::http::{HeaderMap, header};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, http::Response};

use crate::answer::{Answer, Stop};
use crate::folder;

/// Whom to believe about names of servers: Debian's list, to which an organisation adds its own authority.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Debian's has a quarter of that.
const AUTHORITIES_LEN_MAX: u64 = 4 << 20;

/// Hops from an address to where the file lies; storage services need two.
const REDIRECTS_MAX: u32 = 5;

/// A server that gives less than this, on the whole, is given up.
const BYTES_PER_SECOND_MIN: u64 = 4096;

/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(16);

/// Bytes read at once.
const CHUNK: usize = 64 << 10;

/// A file that is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Its name.
    pub file: &'a str,
    /// Where it is served.
    pub url: &'a str,
    /// SHA-256 of it.
    pub sha256: [u8; 32],
    /// Its size, where it is known.
    pub bytes: Option<u64>,
}

impl Wanted<'_> {
    fn limit(&self) -> u64 {
        self.bytes.unwrap_or(WEIGHTS_LEN_MAX)
    }
}

/// How long a server is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Silence after which a connection is given up.
    pub stall: Duration,
    /// Tries for one file.
    pub tries: u32,
    /// Pause before the second try; doubled each time.
    pub pause: Duration,
}

/// Why a try ended without the file.
enum Trouble {
    /// Another try may do better.
    Again(anyhow::Error),
    /// It will not.
    Never(Stop),
}

/// Brings a file into a folder. `tick` is told how many bytes are there.
///
/// # Errors
/// [`Stop::Refused`] for a server that has another file than the one wanted, [`Stop::Fault`] where none could be had.
pub fn bring(wanted: &Wanted, into: &Path, patience: &Patience, tick: &dyn Fn(u64)) -> Answer {
    let mut part = Part::open(into.join(format!("{}.part", wanted.file)))?;
    let brought = insist(wanted, &mut part, patience, tick);
    match brought {
        Ok(()) => Ok(part.settle(&into.join(wanted.file))?),
        Err(stop) => {
            part.leave();
            Err(stop)
        }
    }
}

/// Tries until the part is the file that is wanted.
fn insist(wanted: &Wanted, part: &mut Part, patience: &Patience, tick: &dyn Fn(u64)) -> Answer {
    let agent = agent(wanted, patience)?;
    let mut pause = patience.pause;
    let mut tried = 1;
    loop {
        let received = receive(&agent, wanted, part, tick);
        let trouble = match received.and_then(|()| verify(wanted, part)) {
            Ok(()) => return Ok(()),
            Err(Trouble::Never(stop)) => return Err(stop),
            Err(Trouble::Again(trouble)) => trouble,
        };
        if tried >= patience.tries {
            let kept = part.length().unwrap_or(0);
            let context = format!(
                "fetch {} from {}: given up after {tried} tries; {kept} bytes are kept, run it again to go on",
                wanted.file, wanted.url
            );
            return Err(Stop::Fault(trouble.context(context)));
        }
        SystemClock::default().sleep(pause);
        pause = (2 * pause).min(PAUSE_MAX);
        tried += 1;
    }
}

/// A file in the making. Locked, so that two runs do not write it at once.
struct Part {
    path: PathBuf,
    file: File,
    /// Its bytes came with more than one answer, or in an earlier run.
    joined: bool,
}

impl Part {
    fn open(path: PathBuf) -> anyhow::Result<Self> {
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = super::written(opened, &path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(anyhow!("{} is being written by another run; wait for it", path.display()));
            }
            Err(TryLockError::Error(e)) => return Err(anyhow!(e).context(format!("lock {}", path.display()))),
        }
        let mut part = Self { path, file, joined: false };
        part.joined = part.length()? > 0;
        Ok(part)
    }

    fn length(&self) -> anyhow::Result<u64> {
        Ok(self.file.metadata().with_context(|| format!("examine {}", self.path.display()))?.len())
    }

    fn restart(&mut self) -> Result<(), Trouble> {
        self.joined = false;
        let done = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        super::written(done, &self.path).map_err(|fault| Trouble::Never(Stop::Fault(fault)))?;
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        let done = self.file.seek(SeekFrom::End(0)).and_then(|_| self.file.write_all(bytes));
        super::written(done, &self.path).map_err(|fault| Trouble::Never(Stop::Fault(fault)))
    }

    /// Takes the part away, because it is of another file.
    fn refuse(&self, why: String) -> Trouble {
        let left = match fs::remove_file(&self.path) {
            Ok(()) => "nothing of it was kept".to_owned(),
            Err(e) => format!("remove {} yourself, which failed: {e}", self.path.display()),
        };
        Trouble::Never(Stop::Refused(format!("{why}; {left}")))
    }

    /// Takes an empty part away: there is nothing to go on with.
    fn leave(self) {
        if self.length().is_ok_and(|length| length == 0) {
            // Gone already, or left to the next run: an empty file says nothing wrong.
            let _ = fs::remove_file(&self.path);
        }
    }

    fn digest(&mut self) -> std::io::Result<[u8; 32]> {
        self.file.seek(SeekFrom::Start(0))?;
        let (mut hash, mut chunk) = (Sha256::new(), vec![0; CHUNK]);
        loop {
            match self.file.read(&mut chunk)? {
                0 => return Ok(hash.finalize().into()),
                n => hash.update(&chunk[..n]),
            }
        }
    }

    fn settle(self, path: &Path) -> anyhow::Result<()> {
        let done = self.file.sync_all().and_then(|()| fs::rename(&self.path, path));
        super::written(done.and_then(|()| folder::sync(folder::parent(path))), path)
    }
}

/// One try: asks for what is missing, and writes what comes.
fn receive(agent: &Agent, wanted: &Wanted, part: &mut Part, tick: &dyn Fn(u64)) -> Result<(), Trouble> {
    let length = |part: &Part| part.length().map_err(|fault| Trouble::Never(Stop::Fault(fault)));
    if length(part)? > wanted.limit() {
        part.restart()?;
    }
    let have = length(part)?;
    if wanted.bytes == Some(have) {
        return Ok(());
    }
    let mut request = agent.get(wanted.url).header(header::ACCEPT_ENCODING, "identity");
    if have > 0 {
        request = request.header(header::RANGE, format!("bytes={have}-"));
    }
    let mut response = request.call().map_err(|fault| unanswered(fault, wanted))?;
    match response.status().as_u16() {
        // The whole file, also where a range was asked for.
        200 => part.restart()?,
        206 if have > 0 && starts_at(response.headers(), have) => part.joined = true,
        // There is nothing after what is here; its digest tells whether that is the file.
        416 if have > 0 => return Ok(()),
        206 | 416 => {
            part.restart()?;
            return Err(Trouble::Again(anyhow!("the server sent another part than was asked for")));
        }
        408 | 429 | 500..=599 => {
            return Err(Trouble::Again(anyhow!("the server answered {}", response.status())));
        }
        _ => {
            return Err(Trouble::Never(Stop::Fault(anyhow!(
                "fetch {}: the server answered {} for {}; check the address in the manifest",
                wanted.file,
                response.status(),
                wanted.url
            ))));
        }
    }
    store(&mut response, wanted, part, tick)
}

/// Writes the body of an answer behind what is there.
fn store(
    response: &mut Response<Body>,
    wanted: &Wanted,
    part: &mut Part,
    tick: &dyn Fn(u64),
) -> Result<(), Trouble> {
    let mut have = part.length().map_err(|fault| Trouble::Never(Stop::Fault(fault)))?;
    let too_long = |found: String| {
        let (file, url, limit) = (wanted.file, wanted.url, wanted.limit());
        let expected = if wanted.bytes.is_some() { "the manifest says" } else { "at most allowed are" };
        format!("{url} has {found} bytes, {expected} {limit} for {file}: it is another file")
    };
    if let Some(announced) = response.body().content_length() {
        let whole = have.saturating_add(announced);
        if whole > wanted.limit() || wanted.bytes.is_some_and(|bytes| whole != bytes) {
            return Err(part.refuse(too_long(whole.to_string())));
        }
    }
    let mut reader = response.body_mut().as_reader();
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = reader.read(&mut chunk).map_err(|e| {
            Trouble::Again(anyhow!(e).context(format!("the connection broke after {have} bytes")))
        })?;
        if read == 0 {
            break;
        }
        have += read as u64;
        if have > wanted.limit() {
            return Err(part.refuse(too_long(format!("more than {}", wanted.limit()))));
        }
        part.append(&chunk[..read])?;
        tick(have);
    }
    match wanted.bytes {
        Some(bytes) if have < bytes => {
            Err(Trouble::Again(anyhow!("the server ended after {have} of {bytes} bytes")))
        }
        Some(_) | None => Ok(()),
    }
}

/// Holds the file against its digest.
fn verify(wanted: &Wanted, part: &mut Part) -> Result<(), Trouble> {
    let digest = part.digest().with_context(|| format!("read {} back", part.path.display()));
    let found = digest.map_err(|fault| Trouble::Never(Stop::Fault(fault)))?;
    if found == wanted.sha256 {
        return Ok(());
    }
    let wrong = format!(
        "{} from {} has SHA-256 {}, the manifest pins {}: it is another version, or was exchanged",
        wanted.file,
        wanted.url,
        hex(&found),
        hex(&wanted.sha256)
    );
    if part.joined {
        part.restart()?;
        return Err(Trouble::Again(anyhow!(
            "{wrong}; it was joined from several answers, so it is begun anew"
        )));
    }
    Err(part.refuse(wrong))
}

/// Whether `Content-Range` begins where the part ends.
fn starts_at(headers: &HeaderMap, have: u64) -> bool {
    let range = headers.get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let first = range.and_then(|range| range.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok());
    first == Some(have)
}

/// No answer at all.
fn unanswered(fault: ureq::Error, wanted: &Wanted) -> Trouble {
    let way = if matches!(fault, ureq::Error::RequireHttpsOnly(_)) {
        Some("it leads on to plain HTTP, which is not followed")
    } else if matches!(fault, ureq::Error::TooManyRedirects) {
        Some("it leads on too often")
    } else if matches!(fault, ureq::Error::BadUri(_) | ureq::Error::Http(_)) {
        Some("it is no address")
    } else {
        None
    };
    let whole = anyhow!(fault).context(format!("ask for {}", wanted.url));
    match way {
        Some(why) => Trouble::Never(Stop::Fault(whole.context(format!("fetch {}: {why}", wanted.file)))),
        None => Trouble::Again(whole),
    }
}

fn agent(wanted: &Wanted, patience: &Patience) -> anyhow::Result<Agent> {
    let body = Duration::from_secs(wanted.limit() / BYTES_PER_SECOND_MIN) + patience.stall;
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(REDIRECTS_MAX)
        .user_agent(concat!("doorctl/", env!("CARGO_PKG_VERSION")))
        .timeout_resolve(Some(patience.stall))
        .timeout_connect(Some(patience.stall))
        .timeout_send_request(Some(patience.stall))
        .timeout_recv_response(Some(patience.stall))
        .timeout_recv_body(Some(body))
        .timeout_per_read(Some(patience.stall))
        .timeout_per_write(Some(patience.stall));
    // The manifest's check lets plain HTTP pass for this machine alone, where no proxy stands between.
    let config = if address::here(wanted.url) {
        config.proxy(None).build()
    } else {
        config.https_only(true).tls_config(tls()?).build()
    };
    Ok(config.new_agent())
}

fn tls() -> anyhow::Result<TlsConfig> {
    let context =
        || format!("read the certificate authorities {AUTHORITIES}: install Debian's ca-certificates");
    let mut pem = Vec::new();
    File::open(AUTHORITIES)
        .and_then(|file| file.take(AUTHORITIES_LEN_MAX).read_to_end(&mut pem))
        .with_context(context)?;
    let mut roots = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|e| anyhow!(e)).with_context(context)? {
            roots.push(certificate);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = TlsConfig::builder().root_certs(RootCerts::from(roots));
    Ok(config.unversioned_rustls_crypto_provider(provider).build())
}
