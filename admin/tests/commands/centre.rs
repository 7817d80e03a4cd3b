//! From nothing to a running hub, by the commands of docs/centre.md; then rosters to and from it, and its copy verified.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::{Said, doorctl};

const TRIES: u32 = 200;

/// A hub that runs, and the files of its site.
struct Centre {
    folder: TempDir,
    address: String,
    running: Child,
}

impl Centre {
    /// Sets one up and starts it; none where doorhub was not built beside doorctl.
    fn start() -> Option<Self> {
        let program = Path::new(env!("CARGO_BIN_EXE_doorctl")).with_file_name("doorhub");
        if !program.is_file() {
            eprintln!("skipped: no doorhub beside doorctl; build the whole workspace");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name).display().to_string();
        let roster = file("hq.roster");
        doorctl(&["keys", "init", "--site", "hq", "--roster", &roster, &file("root.key")]).with(0);
        for (key, role) in [("hub.key", "hub"), ("ada.key", "enroller")] {
            doorctl(&["keys", "make", &file(key)]).with(0);
            let public = format!("{}.pub", file(key));
            let by = file("root.key");
            let words = [
                "keys", "delegate", "--roster", &roster, "--by", &by, "--holder", key, "--role", role,
                &public,
            ];
            doorctl(&words).with(0);
        }
        let listed = doorctl(&["keys", "list", "--roster", &roster, "--json"]).with(0).json();
        let told = |name: &str| listed[name].as_str().unwrap().to_owned();
        let papers = folder.path().display().to_string();
        doorctl(&[
            "broker",
            "certificates",
            "--site",
            "hq",
            "--host",
            "localhost",
            "--hub",
            "hub-1",
            &papers,
        ])
        .with(0);
        fs::write(file("http.token"), "a-token-that-is-long-enough-for-anybody\n").unwrap();
        fs::set_permissions(file("http.token"), fs::Permissions::from_mode(0o600)).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let conf = include_str!("../../hub/doorhub.toml")
            .replace("/etc/doorhub/", &format!("{papers}/"))
            .replace("/var/lib/doorhub/", &format!("{papers}/"))
            .replace("broker.example.org", "localhost")
            .replace("127.0.0.1:8470", &format!("127.0.0.1:{port}"))
            .replace("ROOT", &told("root"))
            .replace("GENESIS", &told("genesis"));
        fs::write(file("doorhub.toml"), conf).unwrap();
        let mut command = Command::new(program);
        command.args(["--config", &file("doorhub.toml"), "run"]).stderr(Stdio::null());
        let running = command.spawn().unwrap();
        let centre = Self { running, address: format!("http://127.0.0.1:{port}"), folder };
        for _ in 0..TRIES {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(centre);
            }
            wait();
        }
        panic!("doorhub did not start");
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn sync(&self, roster: &str) -> Said {
        let (roster, token) = (self.file(roster), self.file("http.token"));
        doorctl(&["roster", "sync", "--roster", &roster, "--hub", &self.address, "--token-file", &token])
    }

    fn erase(&self, roster: &str, person: &str) {
        let (roster, by) = (self.file(roster), self.file("ada.key"));
        doorctl(&["roster", "erase", "--roster", &roster, "--by", &by, person]).with(0);
    }

    fn copy(&self, from: &str, to: &str) {
        fs::copy(self.file(from), self.file(to)).unwrap();
    }
}

#[expect(clippy::disallowed_methods, reason = "the test waits for another process")]
fn wait() {
    std::thread::sleep(Duration::from_millis(50));
}

impl Drop for Centre {
    fn drop(&mut self) {
        let _ = self.running.kill();
        let _ = self.running.wait();
    }
}

#[test]
fn m3_copies_of_a_roster_meet_at_the_hub_and_those_that_parted_are_told() {
    let Some(centre) = Centre::start() else { return };
    centre.copy("hq.roster", "second.roster");
    centre.erase("hq.roster", "E-1");
    let said = centre.sync("hq.roster").with(0);
    assert!(said.out.contains("0 entries came from the hub, 3 went there; both have 3"), "{}", said.out);
    let said = centre.sync("hq.roster").with(0);
    assert!(said.out.contains("0 went there"), "{}", said.out);
    centre.copy("second.roster", "third.roster");
    let said = centre.sync("second.roster").with(0);
    assert!(said.out.contains("1 entries came from the hub, 0 went there"), "{}", said.out);
    assert_eq!(fs::read(centre.file("second.roster")).unwrap(), fs::read(centre.file("hq.roster")).unwrap());
    centre.erase("third.roster", "E-2");
    centre.sync("third.roster").refused(&["entry 3", "sign again"]);
    let (root, token) = (format!("{}.pub", centre.file("root.key")), centre.file("http.token"));
    let roster = centre.file("hq.roster");
    let words = [
        "audit",
        "verify",
        "--hub",
        &centre.address,
        "--token-file",
        &token,
        "--roster",
        &roster,
        "--root",
        &root,
    ];
    let said = doorctl(&words).with(0);
    assert!(said.out.contains("0 trails of site hq are what their terminals signed"), "{}", said.out);
    let words = ["audit", "export", "--format", "csv", "--hub", &centre.address, "--token-file", &token];
    let said = doorctl(&[&words[..], &["--site", "hq", "--terminal", "lobby-1"]].concat()).with(0);
    assert!(said.out.starts_with("seq,at,clock,kind") && said.out.lines().count() == 1, "{}", said.out);
    let said = doorctl(&[&words[..], &["--site", "lab", "--terminal", "lobby-1"]].concat());
    said.refused(&["site lab is not kept here"]);
    doorctl(&["audit", "export", "--format", "csv", "--hub", &centre.address]).with(1);
}
