//! An admin's desk beside the real hub: the roster in a file, an operator's key, and the program `doorctl`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use doorward_admin::ledger::Ledger;
use doorward_protocol::hex::hex;
use doorward_protocol::keys::PublicKey;
use tempfile::TempDir;

use crate::doorhub::{Doorhub, TOKEN};
use crate::site::{GENESIS, ROOT_KEY, key, site};

/// The desk.
pub(crate) struct Desk {
    folder: TempDir,
    program: PathBuf,
}

impl Desk {
    /// With these entries in its roster, and the key with this number to sign with; `None` where doorctl was not built.
    pub(crate) fn new(entries: &[Vec<u8>], seed: u8) -> Option<Self> {
        let test = std::env::current_exe().unwrap();
        let program = test.parent()?.with_file_name("doorctl");
        if !program.is_file() {
            eprintln!("skipped: no doorctl was built; build the whole workspace");
            return None;
        }
        let desk = Self { folder: tempfile::tempdir().unwrap(), program };
        let roster = desk.folder.path().join("roster");
        Ledger::create(&roster, site(), PublicKey::of(&key(ROOT_KEY)), GENESIS).unwrap();
        let mut ledger = Ledger::open(&roster, None).unwrap();
        entries.iter().for_each(|entry| ledger.take(entry).unwrap());
        let signs = format!("doorward-authority-private-1 {}", hex(&key(seed).to_bytes()));
        for (name, text) in [("key", signs.as_str()), ("token", TOKEN)] {
            fs::write(desk.file(name), text).unwrap();
            fs::set_permissions(desk.file(name), fs::Permissions::from_mode(0o600)).unwrap();
        }
        Some(desk)
    }

    /// A file on it.
    pub(crate) fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Runs a command with this roster and hub: its exit code, and what it said.
    pub(crate) fn doorctl(&self, hub: &Doorhub, words: &[&str]) -> (Option<i32>, String) {
        let (roster, token, hub) = (self.file("roster"), self.file("token"), hub.address());
        self.run(&[words, &["--roster", &roster, "--hub", &hub, "--token-file", &token]].concat())
    }

    /// Runs a command.
    pub(crate) fn run(&self, words: &[&str]) -> (Option<i32>, String) {
        let ran = Command::new(&self.program).args(words).output().unwrap();
        let said = [ran.stdout, ran.stderr].concat();
        (ran.status.code(), String::from_utf8(said).unwrap())
    }
}
