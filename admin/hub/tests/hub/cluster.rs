//! The databases that the same tests run on: a new file of SQLite, and a new database of a PostgreSQL server that the
//! tests start for themselves, as somebody who is not root.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use doorward_hub::database::Address;
use tempfile::TempDir;

/// How often the server is looked for before the test gives up.
const TRIES: u32 = 300;
const STEP: Duration = Duration::from_millis(100);
/// Who the server runs as where the tests run as root, whom PostgreSQL refuses.
const NOBODY: &str = "nobody";

/// A running server in a folder of its own; both end when the last test drops it.
pub(crate) struct Cluster {
    server: Mutex<Option<Child>>,
    bin: PathBuf,
    folder: TempDir,
}

/// Runs a test on a new database of each kind.
pub(crate) fn on_each(test: impl Fn(&Address)) {
    let folder = tempfile::tempdir().unwrap();
    test(&Address::File(folder.path().join("hub.db")));
    match Cluster::shared() {
        Some(cluster) => test(&cluster.database()),
        None => eprintln!("skipped on PostgreSQL: no server here; it is in the Debian package postgresql"),
    }
}

impl Cluster {
    /// The server that tests share while any of them runs; none where PostgreSQL is not installed.
    pub(crate) fn shared() -> Option<Arc<Self>> {
        static SHARED: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = shared.upgrade() {
            return Some(running);
        }
        let started = Arc::new(Self::own()?);
        *shared = Arc::downgrade(&started);
        Some(started)
    }

    /// A server of one's own, to be killed.
    pub(crate) fn own() -> Option<Self> {
        let bin = programs()?;
        let folder = tempfile::tempdir().unwrap();
        if is_root() {
            let given = Command::new("chown").arg(NOBODY).arg(folder.path()).status().unwrap();
            assert!(given.success(), "the folder cannot be given to {NOBODY}");
        }
        let store = folder.path().join("store");
        let made = as_somebody(&bin.join("initdb"))
            .args(["--auth=trust", "--username=hub", "--no-sync", "--pgdata"])
            .arg(&store)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success(), "initdb failed");
        let cluster = Self { server: Mutex::new(None), bin, folder };
        cluster.start();
        Some(cluster)
    }

    /// Starts the server, and waits until it answers.
    pub(crate) fn start(&self) {
        let log = fs::File::create(self.folder.path().join("log")).unwrap();
        let server = as_somebody(&self.bin.join("postgres"))
            .arg("-D")
            .arg(self.folder.path().join("store"))
            .args(["-c", "listen_addresses=", "-c", "fsync=off", "-c"])
            .arg(format!("unix_socket_directories={}", self.folder.path().display()))
            .stderr(log)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        *self.server.lock().unwrap() = Some(server);
        for _ in 0..TRIES {
            let ready = Command::new(self.bin.join("pg_isready"))
                .arg("--quiet")
                .arg("--host")
                .arg(self.folder.path())
                .status()
                .unwrap();
            if ready.success() {
                return;
            }
            wait(STEP);
        }
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        panic!("PostgreSQL did not start:\n{log}");
    }

    /// Ends the server with everything it was about to write, and those that serve its connections with it, which a mere
    /// kill would leave for a moment.
    pub(crate) fn kill(&self) {
        if let Some(mut server) = self.server.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // The child is the server itself or, for root, what became of setpriv: the same process.
            let _ = Command::new("kill").args(["-QUIT", &server.id().to_string()]).status();
            let _ = server.wait();
        }
    }

    /// A new database.
    pub(crate) fn database(&self) -> Address {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("hub{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let made = Command::new(self.bin.join("createdb"))
            .args(["--username=hub", "--host"])
            .arg(self.folder.path())
            .arg(&name)
            .status()
            .unwrap();
        assert!(made.success(), "createdb failed");
        format!("postgresql:///{name}?host={}&user=hub", self.folder.path().display()).parse().unwrap()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Where Debian puts the server's programs: the newest of its versions.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    versions.map(|version| version.path().join("bin")).filter(|bin| bin.join("postgres").is_file()).max()
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|told| told.stdout == b"0\n")
}

fn as_somebody(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", NOBODY, "--regid", "nogroup", "--clear-groups", "--"]).arg(program);
    command.current_dir("/");
    command
}

/// Waits for another process.
#[expect(clippy::disallowed_methods, reason = "the test waits for another process")]
pub(crate) fn wait(time: Duration) {
    std::thread::sleep(time);
}
