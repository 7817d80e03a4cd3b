//! A site for one run: broker and hub set up as docs/centre.md says, by the same commands, in a folder of their own.
//!
//! The folder stays, with the hub's database and both logs, for whoever wants to look; the programs end with the run.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use doorward_core::time::Mono;
use doorward_hal::clock::{Clock as _, SystemClock};
use doorward_protocol::hex::hex;

use super::ground::{Ground, doorctl};
use crate::answer::Answer;
use crate::folder;
use crate::hub::Hub;
use crate::keyfile;
use crate::ledger::Ledger;

/// The configurations as they are shipped.
const BROKER: &str = include_str!("../../hub/broker/doorward.conf");
const HUB: &str = include_str!("../../hub/doorhub.toml");
/// What only a rig's broker lets clients say: nobody hears it.
const YARDSTICK: &str = "\npattern write yardstick/%u\n";
/// Where the broker's program may be; the search path of an administrator may lack it.
const MOSQUITTO: [&str; 2] = ["/usr/sbin/mosquitto", "/usr/bin/mosquitto"];
/// How long a program may take to listen.
const START_MAX: Duration = Duration::from_secs(60);

/// A site for one run; its programs end with it.
pub(super) struct Rig {
    /// The site.
    pub(super) ground: Ground,
    _running: [Running; 2],
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Rig {
    /// Sets one up in a new folder. `database`: the hub's, if not a file of SQLite.
    ///
    /// # Errors
    /// A folder that is there already, or a program that is missing or does not start.
    pub(super) fn set_up(place: &Path, database: Option<&str>) -> Answer<Self> {
        let made = fs::create_dir(place).with_context(|| format!("make the folder {}", place.display()));
        made.map_err(|fault| fault.context("--rig wants a folder that is not there yet"))?;
        let place = place.canonicalize().with_context(|| format!("find {}", place.display()))?;
        let path = |name: &str| place.join(name).display().to_string();
        papers(&path)?;
        let (port, asked) = (free_port()?, free_port()?);
        let broker = start_broker(&place, port)?;
        let hub = start_hub(&place, port, asked, database)?;
        let ground = Ground {
            host: "localhost".to_owned(),
            port,
            broker: place.join("broker"),
            roster: place.join("fleet.roster"),
            by: place.join("root.key"),
            hub: Hub { hub: format!("http://127.0.0.1:{asked}"), token_file: place.join("http.token") },
            hub_pid: Some(hub.0.id()),
            broker_pid: Some(broker.0.id()),
        };
        Ok(Self { ground, _running: [hub, broker] })
    }
}

/// Keys, roster, certificates and token, made as an administrator makes them.
fn papers(path: &impl Fn(&str) -> String) -> Answer {
    let (roster, root, hub) = (path("fleet.roster"), path("root.key"), path("hub.key"));
    doorctl(&["keys", "init", "--site", "fleet", "--roster", &roster, &root])?;
    doorctl(&["keys", "make", &hub])?;
    let delegate = ["keys", "delegate", "--roster", &roster, "--by", &root, "--holder", "hub 1"];
    doorctl(&[&delegate[..], &["--role", "hub", &format!("{hub}.pub")]].concat())?;
    let certificates = ["broker", "certificates", "--site", "fleet", "--host", "localhost", "--days", "2"];
    doorctl(&[&certificates[..], &["--hub", "hub-1", &path("broker")]].concat())?;
    let token = path("http.token");
    let word = hex(&keyfile::genesis());
    folder::create(Path::new(&token), 0o600, word.as_bytes()).with_context(|| format!("write {token}"))?;
    Ok(())
}

fn start_broker(place: &Path, port: u16) -> anyhow::Result<Running> {
    let program = MOSQUITTO.iter().map(PathBuf::from).find(|program| program.exists());
    let program = program.context("there is no mosquitto here: apt install mosquitto")?;
    let broker = place.join("broker");
    let access = broker.join("doorward.acl");
    let list = fs::read_to_string(&access).with_context(|| format!("read {}", access.display()))?;
    write(&access, &format!("{YARDSTICK}{list}"))?;
    let shown = broker.display();
    let mut text = BROKER
        .replace("/etc/mosquitto/doorward/", &format!("{shown}/"))
        .replace("/var/lib/mosquitto/", &format!("{shown}/"))
        .replace("listener 8883", &format!("listener {port} 127.0.0.1"));
    // Started by root, mosquitto would become a user who cannot read this folder.
    if fs::metadata(place).with_context(|| format!("look at {}", place.display()))?.uid() == 0 {
        text.insert_str(0, "user root\n");
    }
    let configuration = place.join("mosquitto.conf");
    write(&configuration, &text)?;
    let mut command = Command::new(&program);
    command.arg("-c").arg(&configuration);
    start(command, &place.join("mosquitto.log"), port)
}

fn start_hub(place: &Path, port: u16, asked: u16, database: Option<&str>) -> anyhow::Result<Running> {
    let own = std::env::current_exe().context("find this program")?;
    let beside = own.with_file_name("doorhub");
    let program = if beside.is_file() { beside } else { PathBuf::from("doorhub") };
    let mut ledger = match Ledger::open(&place.join("fleet.roster"), None) {
        Ok(ledger) => ledger,
        Err(_) => bail!("the roster that was just made cannot be read"),
    };
    let (shown, genesis) = (place.display(), hex(&ledger.genesis()));
    let root = ledger.follower().trust().root().hex();
    let mut text = HUB
        .replace("/etc/doorhub/authority", &format!("{shown}/broker/authority"))
        .replace("/etc/doorhub/hub-1", &format!("{shown}/broker/hub-1"))
        .replace("/etc/doorhub/", &format!("{shown}/"))
        .replace("broker.example.org", "localhost")
        .replace("port = 8883", &format!("port = {port}"))
        .replace("127.0.0.1:8470", &format!("127.0.0.1:{asked}"))
        .replace("name = \"hq\"", "name = \"fleet\"")
        .replace("ROOT", &root)
        .replace("GENESIS", &genesis);
    text = match database {
        Some(address) => text.replace("/var/lib/doorhub/hub.db", address),
        None => text.replace("/var/lib/doorhub/", &format!("{shown}/")),
    };
    let configuration = place.join("doorhub.toml");
    write(&configuration, &text)?;
    let mut command = Command::new(program);
    command.arg("--config").arg(&configuration).arg("run");
    start(command, &place.join("doorhub.log"), asked)
}

/// Starts a program and waits until it listens.
fn start(mut command: Command, log: &Path, port: u16) -> anyhow::Result<Running> {
    let name = command.get_program().to_string_lossy().into_owned();
    let said = File::create(log).with_context(|| format!("create {}", log.display()))?;
    let both = said.try_clone().with_context(|| format!("open {} again", log.display()))?;
    command.stdin(Stdio::null()).stdout(Stdio::from(said)).stderr(Stdio::from(both));
    let mut running = Running(command.spawn().with_context(|| format!("start {name}"))?);
    let clock = SystemClock::default();
    let until: Mono = clock.now().mono + START_MAX;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let ended = running.0.try_wait().with_context(|| format!("look after {name}"))?;
        ensure!(ended.is_none(), "{name} ended; {} says why", log.display());
        ensure!(clock.now().mono < until, "{name} does not listen; {} may say why", log.display());
        clock.sleep(Duration::from_millis(50));
    }
    Ok(running)
}

/// A port that nobody listens on. Let go at once: nobody takes one that was just free.
fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("find a free port")?;
    Ok(listener.local_addr().context("find a free port")?.port())
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("write {}", path.display()))
}
