//! `doorctl terminal request`, `provision` and `accept`: the way into a site, by hand and in both directions.

use std::fs::{self, File};
use std::io::{Read as _, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use doorward_protocol::audit::Hash;
use doorward_protocol::hex::hex;
use doorward_protocol::ids::TerminalId;
use doorward_protocol::joining::{HOST_LEN_MAX, PEM_LEN_MAX, Request, Welcome};
use doorward_protocol::keys::{PublicKey, Role};
use doorward_protocol::message::{Opaque, Text};
use doorward_protocol::roster::Change;
use doorward_protocol::trust::{Delegation, Trust};
use doorward_store::{KeySource, Store, opening_keys};
use zeroize::Zeroizing;

use crate::answer::{Answer, Stop};
use crate::folder;
use crate::keyfile::{self, AUTHORITY};
use crate::keys::{self, Signing};
use crate::ledger::Ledger;
use crate::place::Place;
use crate::rotation;

const DAY_S: i64 = 24 * 60 * 60;
/// Bytes of either file: three certificates and keys, sealed, in digits.
const FILE_LEN_MAX: u64 = 8 * PEM_LEN_MAX as u64;

/// Options of `request`.
#[derive(Debug, Args)]
pub struct Ask {
    /// Where the request goes; the file must not exist.
    file: PathBuf,
}

/// Options of `provision`.
#[derive(Debug, Args)]
pub struct Provision {
    #[command(flatten)]
    signing: Signing,
    /// The number that the terminal showed.
    #[arg(long)]
    number: String,
    /// The folder of `doorctl broker certificates`, with one for this terminal.
    #[arg(long, value_name = "FOLDER")]
    papers: PathBuf,
    /// The broker, as terminals call it.
    #[arg(long, value_name = "HOST:PORT")]
    broker: String,
    /// The file of the keys that open what is sealed to the site.
    #[arg(long, value_name = "FILE")]
    opening_key: PathBuf,
    /// For how many days the terminal's key counts.
    #[arg(long, default_value_t = 3650, value_parser = clap::value_parser!(u16).range(1..=3650))]
    days: u16,
    /// The terminal's request.
    request: PathBuf,
    /// Where the welcome goes; the file must not exist.
    welcome: PathBuf,
}

/// Options of `accept`.
#[derive(Debug, Args)]
pub struct Accept {
    /// The site's root key: its file, or the 64 digits.
    #[arg(long, value_name = "KEY")]
    root: String,
    /// Where certificates and keys go.
    #[arg(long, value_name = "FOLDER", default_value = "/etc/doorward/centre")]
    folder: PathBuf,
    /// The welcome.
    welcome: PathBuf,
}

/// Writes what a terminal asks with.
///
/// # Errors
/// [`Stop::Refused`] where the file is there already.
pub(super) fn ask(options: &Ask, place: &Place, out: &mut dyn Write) -> Answer {
    let request = request_of(&place.open()?);
    folder::create_or_refuse(&options.file, 0o644, request.to_line().as_bytes())?;
    writeln!(out, "terminal {} of site {} asks to join", request.terminal, request.site)?;
    writeln!(out, "  request  {}", options.file.display())?;
    writeln!(out, "  number   {}", request.number())?;
    Ok(())
}

/// Admits a terminal and writes what it is given.
///
/// # Errors
/// [`Stop::Refused`] where the number is another request's, the key may not admit, or a file is there already.
pub(super) fn provision(options: &Provision, out: &mut dyn Write) -> Answer {
    let line = read(&options.request)?;
    let request = Request::from_line(&line)
        .map_err(|why| Stop::refused(format!("{}: {why}", options.request.display())))?;
    if options.number.trim() != request.number() {
        return Err(Stop::refused(format!(
            "{} has not the number {}: somebody changed it on the way, or it is another terminal's",
            options.request.display(),
            options.number.trim()
        )));
    }
    if options.welcome.symlink_metadata().is_ok() {
        let file = options.welcome.display();
        return Err(Stop::refused(format!("{file} exists, and nothing is overwritten")));
    }
    let mut ledger = Ledger::open(&options.signing.roster, None)?;
    let beginning = (ledger.genesis(), ledger.follower().seal_to());
    let trust = ledger.follower().trust().clone();
    // The roster's file is locked while it is open, and signing opens it anew.
    drop(ledger);
    if request.site != *trust.site() {
        return Err(Stop::refused(format!(
            "{} asks to join site {}, and the roster is that of {}",
            request.terminal,
            request.site,
            trust.site()
        )));
    }
    let mut welcome = welcome(options, &request, &trust, beginning)?;
    if !admitted(&trust, &request) {
        let from_s = keys::now_s();
        let delegation = Delegation {
            key: request.device,
            holder: format!("terminal {}", request.terminal),
            roles: vec![Role::Terminal],
            terminal: Some(request.terminal.clone()),
            from_s,
            until_s: from_s + i64::from(options.days) * DAY_S,
            joined_with: Some(request.sealing),
        };
        let said = format!("key {} is that of terminal {}", delegation.key.id(), request.terminal);
        keys::sign(&options.signing, &[], Change::Delegate(delegation), &said, out)?;
    }
    if options.signing.dry_run {
        return Ok(());
    }
    let head = Ledger::open(&options.signing.roster, None)?.follower().head();
    (welcome.seq, welcome.hash) = (head.seq, head.hash.into());
    let sealed = welcome.seal(&request, &mut keyfile::generator());
    let sealed =
        sealed.ok_or_else(|| Stop::refused("a certificate is too long, or the request's key is none"))?;
    folder::create_or_refuse(&options.welcome, 0o600, sealed.as_bytes())?;
    writeln!(out, "welcome {}, which opens on {} alone", options.welcome.display(), request.terminal)?;
    writeln!(out, "tell whoever stands there the root key: {}", trust.root().hex())?;
    Ok(())
}

/// Takes what the centre gave.
///
/// # Errors
/// [`Stop::Refused`] where it is not for this terminal, of another root, or something is there already.
pub(super) fn accept(options: &Accept, place: &Place, out: &mut dyn Write) -> Answer {
    let root = keyfile::public(&options.root, "--root", &AUTHORITY)?;
    let store = place.open()?;
    let request = request_of(&store);
    let line = read(&options.welcome)?;
    let refused =
        |why: &dyn std::fmt::Display| Stop::refused(format!("{}: {why}", options.welcome.display()));
    let welcome = Welcome::open(&line, &request, &store.joining_key()).map_err(|why| refused(&why))?;
    if welcome.root != root {
        let found = welcome.root.hex();
        return Err(refused(&format!("its root key is {found}, not the one you gave: nothing was taken")));
    }
    let into = &options.folder;
    let opening = keyfile::opening_lines(welcome.opening.iter().map(|key| &**key));
    let files: [(&str, u32, &[u8]); 4] = [
        ("authority.pem", 0o644, &welcome.authority.0),
        ("terminal.pem", 0o644, &welcome.certificate.0),
        ("terminal.key", 0o600, &welcome.key.0),
        ("opening.key", 0o600, opening.as_bytes()),
    ];
    if let Some((name, ..)) = files.iter().find(|(name, ..)| into.join(name).symlink_metadata().is_ok()) {
        let file = into.join(name);
        return Err(Stop::refused(format!("{} exists, and nothing is overwritten", file.display())));
    }
    fs::create_dir_all(into).with_context(|| format!("make {}", into.display()))?;
    for (name, mode, bytes) in files {
        folder::create_or_refuse(&into.join(name), mode, bytes)?;
    }
    writeln!(
        out,
        "# terminal {} of site {} joins; this belongs into doord.toml:",
        request.terminal, request.site
    )?;
    writeln!(out, "[centre]")?;
    writeln!(out, "broker = \"{}:{}\"", welcome.host.as_str(), welcome.port)?;
    let named = ["authority", "certificate", "key", "opening_key"].into_iter().zip(files);
    for (setting, (name, ..)) in named {
        writeln!(out, "{setting} = \"{}\"", into.join(name).display())?;
    }
    writeln!(out, "root = \"{}\"", welcome.root.hex())?;
    writeln!(out, "genesis = \"{}\"", hex(&welcome.genesis()))?;
    writeln!(out, "joined = \"{}:{}\"", welcome.seq, hex(&*welcome.hash))?;
    Ok(())
}

fn request_of(store: &Store) -> Request {
    Request {
        site: store.site().clone(),
        terminal: store.terminal().clone(),
        device: PublicKey::of(&store.device_key()),
        sealing: store.joining_key().sealing_key().to_bytes().into(),
    }
}

fn welcome(
    options: &Provision,
    request: &Request,
    trust: &Trust,
    (genesis, seal_to): (Hash, Option<Hash>),
) -> Answer<Welcome> {
    let (host, port) = options
        .broker
        .rsplit_once(':')
        .and_then(|(host, port)| Some((host, port.parse().ok().filter(|port| *port != 0)?)))
        .filter(|(host, _)| !host.is_empty() && host.len() <= HOST_LEN_MAX)
        .ok_or_else(|| Stop::refused("--broker takes a host and a port, as in broker.example.org:8883"))?;
    let paper = |name: String| {
        let path = options.papers.join(name);
        fs::read(&path).map(Opaque).with_context(|| {
            format!(
                "read {}; `doorctl broker certificates --terminal {}` makes it",
                path.display(),
                request.terminal
            )
        })
    };
    let opening = opening_keys(&KeySource::File(options.opening_key.clone())).context("--opening-key")?;
    rotation::in_force(&opening, seal_to, &options.opening_key)?;
    Ok(Welcome {
        root: trust.root(),
        genesis: genesis.into(),
        host: Text::cut(host),
        port,
        authority: paper("authority.pem".to_owned())?,
        certificate: paper(format!("{}.pem", request.terminal))?,
        key: paper(format!("{}.key", request.terminal))?,
        opening: opening.iter().map(|key| (*key.to_bytes()).into()).collect(),
        // Known once the terminal's own entry is signed.
        seq: 0,
        hash: [0; 32].into(),
    })
}

/// Whether the roster has given this key to this terminal already: a welcome can be written again.
fn admitted(trust: &Trust, request: &Request) -> bool {
    trust.holders().any(|(delegation, revoked)| {
        let same = delegation.key == request.device && delegation.joined_with == Some(request.sealing);
        !revoked && same && terminal_of(delegation) == Some(&request.terminal)
    })
}

/// Whose key it is, if it is a terminal's.
pub(super) fn terminal_of(delegation: &Delegation) -> Option<&TerminalId> {
    delegation.terminal.as_ref().filter(|_| delegation.roles == [Role::Terminal])
}

fn read(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    File::open(path)
        .and_then(|file| file.take(FILE_LEN_MAX).read_to_string(&mut text))
        .with_context(|| format!("read {}", path.display()))?;
    Ok(text)
}
