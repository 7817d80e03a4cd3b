//! The real hub: the program `doorhub`, from a configuration, on SQLite.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use doorward_protocol::hex::{hex, unhex_all};
use doorward_protocol::keys::PublicKey;
use tempfile::TempDir;

use crate::broker::Broker;
use crate::site::{GENESIS, HUB, HUB_KEY, ROOT_KEY, TERMINAL, key};
use crate::wait_for;

/// What it takes for a proof that somebody may ask.
pub(crate) const TOKEN: &str = "a-token-that-is-long-enough-for-anybody";

/// A hub; killed when dropped.
pub(crate) struct Doorhub {
    folder: TempDir,
    program: PathBuf,
    port: u16,
    running: Child,
}

impl Doorhub {
    /// Starts one; `None` where it was not built.
    pub(crate) fn start(broker: &Broker) -> Option<Self> {
        Self::start_on(broker, None)
    }

    /// Starts one with this database: a file, or an address.
    pub(crate) fn start_on(broker: &Broker, database: Option<&str>) -> Option<Self> {
        Self::start_at(broker, database, &Wrong::default())
    }

    /// Starts one by a clock that is wrong.
    pub(crate) fn start_at(broker: &Broker, database: Option<&str>, clock: &Wrong) -> Option<Self> {
        // Tests lie in `deps`, beside which the programs of the whole workspace are built.
        let test = std::env::current_exe().unwrap();
        let program = test.parent()?.with_file_name("doorhub");
        if !program.is_file() {
            eprintln!("skipped: no doorhub was built; build the whole workspace");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name).display().to_string();
        let seed = hex(&key(HUB_KEY).to_bytes());
        for (name, text) in
            [("hub.key", format!("doorward-authority-private-1 {seed}")), ("http.token", TOKEN.into())]
        {
            fs::write(file(name), text).unwrap();
            fs::set_permissions(file(name), fs::Permissions::from_mode(0o600)).unwrap();
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let way = broker.way(HUB);
        let configuration = include_str!("../../../admin/hub/doorhub.toml")
            .replace("/etc/doorhub/authority.pem", &way.authority.display().to_string())
            .replace("/etc/doorhub/hub-1.pem", &way.certificate.display().to_string())
            .replace("/etc/doorhub/hub-1.key", &way.key.display().to_string())
            .replace("\"hub-1\"", &format!("\"{HUB}\""))
            .replace("/etc/doorhub/", &file(""))
            .replace("/var/lib/doorhub/hub.db", &database.map_or(file("hub.db"), str::to_owned))
            .replace("broker.example.org", &way.host)
            .replace("port = 8883", &format!("port = {}", way.port))
            .replace("127.0.0.1:8470", &format!("127.0.0.1:{port}"))
            .replace("ROOT", &PublicKey::of(&key(ROOT_KEY)).hex())
            .replace("GENESIS", &hex(&GENESIS));
        fs::write(file("doorhub.toml"), configuration).unwrap();
        let running = run(&program, folder.path(), clock);
        let hub = Self { folder, program, port, running };
        hub.wait_until_it_answers();
        Some(hub)
    }

    /// Kills it, as a fault would.
    pub(crate) fn kill(&mut self) {
        self.running.kill().unwrap();
        self.running.wait().unwrap();
    }

    /// Starts it after it was killed.
    pub(crate) fn start_again(&mut self) {
        self.running = run(&self.program, self.folder.path(), &Wrong::default());
        self.wait_until_it_answers();
    }

    /// One of the figures that it tells.
    pub(crate) fn figure(&self, name: &str) -> Option<u64> {
        let told = self.ask("GET", "/metrics", b"");
        told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    fn wait_until_it_answers(&self) {
        wait_for("the hub answers", || self.ask("GET", "/api/v1/sites", b"").contains("200 OK"));
    }

    /// What it answers, head and all; nothing where it is not there yet.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &[u8]) -> String {
        let Ok(mut socket) = TcpStream::connect(("127.0.0.1", self.port)) else { return String::new() };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n",
            body.len()
        );
        let mut answer = String::new();
        let asked = socket.write_all(head.as_bytes()).and_then(|()| socket.write_all(body));
        let _ = asked.and_then(|()| socket.read_to_string(&mut answer));
        answer
    }

    /// Where it is asked.
    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How it sees the terminal.
    pub(crate) fn terminal(&self) -> String {
        self.ask("GET", &format!("/api/v1/sites/hq/terminals/{TERMINAL}"), b"")
    }

    /// The records of the terminal's first trail.
    pub(crate) fn trail(&self) -> Vec<Vec<u8>> {
        let json = |path: &str| -> serde_json::Value {
            let answer = self.ask("GET", path, b"");
            serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
        };
        let trail = json("/api/v1/sites/hq/trails")["trails"][0]["trail"].to_string();
        let mut records = Vec::new();
        loop {
            let page = json(&format!("/api/v1/sites/hq/trails/{trail}?count=500&after={}", records.len()));
            let page: Vec<String> = serde_json::from_value(page["records"].clone()).unwrap();
            if page.is_empty() {
                return records;
            }
            records.extend(page.iter().map(|digits| unhex_all(digits).unwrap()));
        }
    }
}

/// How a clock is wrong, as libfaketime is told: nothing where it is right.
#[derive(Default)]
pub(crate) struct Wrong(Vec<(&'static str, String)>);

impl Wrong {
    /// By so many years; `None` where libfaketime is not installed.
    pub(crate) fn by(years: i64) -> Option<Self> {
        let found = fs::read_dir("/usr/lib")
            .ok()?
            .flatten()
            .map(|folder| folder.path().join("faketime/libfaketime.so.1"));
        let Some(library) = found.into_iter().find(|file| file.is_file()) else {
            eprintln!("skipped: no libfaketime here (Debian package faketime)");
            return None;
        };
        let wrong = [
            ("LD_PRELOAD", library.display().to_string()),
            ("FAKETIME", format!("{years:+}y")),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ];
        Some(Self(wrong.to_vec()))
    }
}

fn run(program: &Path, folder: &Path, clock: &Wrong) -> Child {
    let configuration = folder.join("doorhub.toml");
    let mut command = Command::new(program);
    command.envs(clock.0.iter().cloned());
    command.arg("--config").arg(configuration).arg("run").spawn().unwrap()
}

impl Drop for Doorhub {
    fn drop(&mut self) {
        let _ = self.running.kill();
        let _ = self.running.wait();
    }
}
