//! The site that a fleet belongs to: its broker, its hub, and the roster that says whose keys are the terminals'.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::anyhow;
use clap::{Args, Parser as _};
use doorward_protocol::audit::Hash;
use doorward_protocol::ids::TerminalId;
use doorward_protocol::keys::{PublicKey, Role, SigningKey};
use doorward_protocol::presence::Held;
use doorward_protocol::roster::{CHANGES_MAX, Change};
use doorward_protocol::trust::{Delegation, Trust};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::terminal::Kin;
use crate::answer::{Answer, Stop};
use crate::cli::{self, Cli};
use crate::hub::Hub;
use crate::keyfile::{self, AUTHORITY};
use crate::ledger::Ledger;
use crate::place;

/// How long simulated terminals' keys count: the days of a test.
const KEYS_LAST_S: i64 = 30 * 24 * 3600;

/// Where a fleet is let loose, if not on a site of its own.
#[derive(Debug, Args)]
pub(super) struct Given {
    /// The broker's name, which its certificate must have.
    #[arg(long, required_unless_present = "rig")]
    host: Option<String>,
    /// Its port.
    #[arg(long, default_value_t = 8883)]
    port: u16,
    /// The folder that `doorctl broker certificates` made, with authority.key: terminals' certificates are drawn for the run.
    #[arg(long, value_name = "FOLDER", required_unless_present = "rig")]
    broker: Option<PathBuf>,
    /// The site's roster. It gets an entry for every 256 terminals at the first run, and none at later ones.
    #[arg(long, value_name = "FILE", required_unless_present = "rig")]
    roster: Option<PathBuf>,
    /// The private key that may delegate keys: the root, or one with the role release.
    #[arg(long, value_name = "FILE", required_unless_present = "rig")]
    by: Option<PathBuf>,
    /// The hub's address, on this machine: open a tunnel to another one's.
    #[arg(long, value_name = "URL", required_unless_present = "rig")]
    hub: Option<String>,
    /// The file of the hub's token.
    #[arg(long, value_name = "FILE", required_unless_present = "rig")]
    token_file: Option<PathBuf>,
    /// The hub's process on this machine, so that its processor time and memory are told.
    #[arg(long, value_name = "PID")]
    hub_pid: Option<u32>,
    /// The broker's process, likewise.
    #[arg(long, value_name = "PID")]
    broker_pid: Option<u32>,
}

/// A site on which a fleet is let loose.
pub(super) struct Ground {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) broker: PathBuf,
    pub(super) roster: PathBuf,
    pub(super) by: PathBuf,
    pub(super) hub: Hub,
    pub(super) hub_pid: Option<u32>,
    pub(super) broker_pid: Option<u32>,
}

/// Terminals whose word counts there.
pub(super) struct Settled {
    pub(super) kin: Arc<Kin>,
    pub(super) keys: Vec<SigningKey>,
}

impl Given {
    /// The site that the options name.
    pub(super) fn ground(&self) -> anyhow::Result<Ground> {
        let missing = || anyhow!("say where the fleet is let loose, or --rig FOLDER");
        let hub = Hub {
            hub: self.hub.clone().ok_or_else(missing)?,
            token_file: self.token_file.clone().ok_or_else(missing)?,
        };
        Ok(Ground {
            host: self.host.clone().ok_or_else(missing)?,
            port: self.port,
            broker: self.broker.clone().ok_or_else(missing)?,
            roster: self.roster.clone().ok_or_else(missing)?,
            by: self.by.clone().ok_or_else(missing)?,
            hub,
            hub_pid: self.hub_pid,
            broker_pid: self.broker_pid,
        })
    }
}

impl Ground {
    /// Sees to it that the roster knows the keys of so many terminals, and the hub the roster.
    ///
    /// # Errors
    /// [`Stop::Refused`] where the key may not delegate, or the hub has another roster.
    pub(super) fn settle(&self, terminals: u32) -> Answer<Settled> {
        self.sync()?;
        let by = keyfile::private(&self.by, &AUTHORITY)?;
        // The same for every run, so that a site's roster does not grow with each. Whoever has the key from which they are
        // drawn could delegate others.
        let secret = Zeroizing::new(by.to_bytes());
        let keys: Vec<SigningKey> = (0..terminals)
            .map(|number| SigningKey::from_bytes(&Zeroizing::new(drawn(b"key", &secret, number))))
            .collect();
        let mut ledger = Ledger::open(&self.roster, None)?;
        let now_s = place::now().ms.div_euclid(1000);
        let known = |trust: &Trust, key: PublicKey| {
            trust.holders().any(|(held, _)| held.key.id() == key.id() && held.until_s > now_s)
        };
        let known: Vec<bool> = {
            let trust = ledger.follower().trust();
            keys.iter().map(|key| known(trust, PublicKey::of(key))).collect()
        };
        let missing = (0..terminals).zip(&keys).zip(known).filter(|(_, known)| !known);
        let changes: Vec<Change> = missing.map(|((number, key), _)| delegate(number, key, now_s)).collect();
        for changes in changes.chunks(CHANGES_MAX) {
            ledger.append(changes.to_vec(), &by, now_s, false)?;
        }
        let head = ledger.follower().head();
        let state = ledger.follower().tree().root();
        let held = Held { seq: head.seq, hash: head.hash.into(), state: state.into() };
        let trust = ledger.follower().trust().clone();
        drop(ledger);
        self.sync()?;
        Ok(Settled { kin: Arc::new(Kin { trust, held }), keys })
    }

    fn sync(&self) -> Answer {
        let (roster, token) = (self.roster.display().to_string(), self.hub.token_file.display().to_string());
        doorctl(&["roster", "sync", "--roster", &roster, "--hub", &self.hub.hub, "--token-file", &token])
    }
}

/// Does what somebody would who typed this, and says nothing.
pub(super) fn doorctl(words: &[&str]) -> Answer {
    let all = ["doorctl"].iter().chain(words);
    let command = Cli::try_parse_from(all).map_err(|e| anyhow!("{words:?}: {e}"))?;
    cli::run(&command, &mut std::io::sink()).map_err(|stop| match stop {
        Stop::Refused(why) => Stop::Refused(format!("doorctl {}: {why}", words.join(" "))),
        stop @ (Stop::Fault(_) | Stop::Unheard) => stop,
    })
}

/// The name of a simulated terminal.
pub(super) fn name(number: u32) -> TerminalId {
    format!("simulated-{number:05}").parse().expect("it is a name")
}

/// Something of a terminal that nobody can guess who does not know the `lot`.
pub(super) fn drawn(what: &[u8], lot: &Hash, number: u32) -> Hash {
    let context = Sha256::new_with_prefix(b"doorward/simulate/v1/").chain_update(what);
    context.chain_update(lot).chain_update(number.to_be_bytes()).finalize().into()
}

fn delegate(number: u32, key: &SigningKey, now_s: i64) -> Change {
    Change::Delegate(Delegation {
        key: PublicKey::of(key),
        holder: "a simulated terminal".to_owned(),
        roles: vec![Role::Terminal],
        terminal: Some(name(number)),
        from_s: now_s,
        until_s: now_s + KEYS_LAST_S,
        joined_with: None,
    })
}
