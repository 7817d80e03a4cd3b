//! A PostgreSQL server of the test's own, which can be ended and started again under a hub.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::wait_for;

/// Who the server runs as where the test runs as root, whom PostgreSQL refuses.
const NOBODY: &str = "nobody";

/// The server and its files; both end when it is dropped.
pub(crate) struct Postgres {
    bin: PathBuf,
    folder: TempDir,
    running: Option<Child>,
}

impl Postgres {
    /// Starts one with one empty database; `None` where PostgreSQL is not installed.
    pub(crate) fn start() -> Option<Self> {
        let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let newest = versions.map(|version| version.path().join("bin")).max();
        let Some(bin) = newest else {
            eprintln!("skipped: no PostgreSQL here (Debian package postgresql)");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        if is_root() {
            assert!(Command::new("chown").arg(NOBODY).arg(folder.path()).status().unwrap().success());
        }
        let mut server = Self { bin, folder, running: None };
        let store = server.store();
        let mut made = server.program("initdb");
        made.args(["--auth=trust", "--username=hub", "--no-sync", "-D", &store]).stdout(Stdio::null());
        assert!(made.status().unwrap().success(), "initdb failed");
        server.start_again();
        let made = server
            .program("createdb")
            .args(["--username=hub", "--host"])
            .arg(server.path())
            .arg("hub")
            .status();
        assert!(made.unwrap().success(), "createdb failed");
        Some(server)
    }

    /// Where the hub finds its database.
    pub(crate) fn address(&self) -> String {
        format!("postgresql:///hub?host={}&user=hub", self.path().display())
    }

    /// Ends the server at once, with whatever it was about to write.
    pub(crate) fn end(&mut self) {
        if let Some(mut running) = self.running.take() {
            let _ = Command::new("kill").args(["-QUIT", &running.id().to_string()]).status();
            let _ = running.wait();
        }
    }

    /// Starts it, and waits until it answers.
    pub(crate) fn start_again(&mut self) {
        let (store, socket) = (self.store(), format!("unix_socket_directories={}", self.path().display()));
        let words = ["-D", &store, "-c", "listen_addresses=", "-c", "fsync=off", "-c", &socket];
        let quiet = self.program("postgres").args(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.running = Some(quiet.unwrap());
        wait_for("PostgreSQL answers", || {
            let ready = self.program("pg_isready").args(["--quiet", "--host"]).arg(self.path()).status();
            ready.is_ok_and(|ready| ready.success())
        });
    }

    fn program(&self, name: &str) -> Command {
        let program = self.bin.join(name);
        let mut command = if is_root() { Command::new("setpriv") } else { Command::new(&program) };
        if is_root() {
            command.args(["--reuid", NOBODY, "--regid", "nogroup", "--clear-groups", "--"]).arg(program);
        }
        command.current_dir("/");
        command
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn store(&self) -> String {
        self.path().join("store").display().to_string()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.end();
    }
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|told| told.stdout == b"0\n")
}
