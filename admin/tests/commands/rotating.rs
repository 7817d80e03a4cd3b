//! Another opening key for a site: handed through the roster, and what was sealed before sealed again.

use std::fs;
use std::path::Path;

use doorward_admin::keyfile::{self, AUTHORITY};
use doorward_core::intake::{Deed, Intake, Thing};
use doorward_core::template::TemplateVersion;
use doorward_protocol::envelope::Envelope;
use doorward_protocol::hex::unhex;
use doorward_protocol::keys::PublicKey;
use doorward_protocol::message;
use doorward_protocol::roster::{Change, Entry, Follower};
use doorward_protocol::trust::{Reader, Trust};
use doorward_store::{KeySource, MasterKey, Store, opening_keys};
use tempfile::TempDir;
use zeroize::Zeroizing;

use crate::sealed::entries;
use crate::{Said, Terminal, doorctl};

/// A site with an enroller, a key for its terminals, and one terminal.
struct Site {
    folder: TempDir,
    terminal: Terminal,
}

impl Site {
    fn new() -> Self {
        let site = Self { folder: tempfile::tempdir().unwrap(), terminal: Terminal::new() };
        let (roster, root, ada) = (site.file("roster"), site.file("root.key"), site.file("ada.key"));
        doorctl(&["keys", "init", "--site", "hq", "--roster", &roster, &root]).with(0);
        doorctl(&["keys", "make", &ada]).with(0);
        site.root(&["keys", "delegate", "--holder", "Ada", "--role", "enroller", &format!("{ada}.pub")])
            .with(0);
        doorctl(&["keys", "sealing", &site.file("first.key")]).with(0);
        let papers =
            ["broker", "certificates", "--site", "hq", "--host", "localhost", "--terminal", "lobby-1"];
        doorctl(&[&papers[..], &[&site.file("broker")]].concat()).with(0);
        site
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn root(&self, arguments: &[&str]) -> Said {
        doorctl(&[arguments, &["--roster", &self.file("roster"), "--by", &self.file("root.key")]].concat())
    }

    fn ada(&self, arguments: &[&str]) -> Said {
        doorctl(&[arguments, &["--roster", &self.file("roster"), "--by", &self.file("ada.key")]].concat())
    }

    fn admit(&self, opening: &str, welcome: &str) -> Said {
        let request = self.file("request");
        let _ = fs::remove_file(&request);
        let said = self.terminal.run(&["terminal", "request", &request]).with(0);
        let number =
            said.out.lines().find_map(|line| line.trim().strip_prefix("number")).unwrap().trim().to_owned();
        let (papers, opening, welcome) = (self.file("broker"), self.file(opening), self.file(welcome));
        let usual =
            ["terminal", "provision", "--number", &number, "--papers", &papers, "--broker", "localhost:8883"];
        self.root(&[&usual[..], &["--opening-key", &opening, &request, &welcome]].concat())
    }

    fn rotate(&self, from: &str, to: &str, more: &[&str]) -> Said {
        let (from, to) = (self.file(from), self.file(to));
        self.root(&[&["keys", "rotate", "--opening-key", &from][..], more, &[&to]].concat())
    }

    /// What the roster does at the terminal that joined with these keys: names put, and changes left out.
    fn followed(&self, opening: &str) -> (Vec<String>, usize) {
        let key = MasterKey::load(&KeySource::File(self.terminal.path("key"))).unwrap();
        let store = Store::open(&self.terminal.path("doord.db"), &key).unwrap();
        let keys = opening_keys(&KeySource::File(self.file(opening).into())).unwrap();
        let version = TemplateVersion { model: [0; 32], preprocessing: 0 };
        let hq = || "hq".parse().unwrap();
        let mut intake = Intake::new(hq(), keys, Zeroizing::new([1; 32]), (version, 1))
            .joined(PublicKey::of(&store.device_key()).id(), store.joining_key());
        let listed = doorctl(&["keys", "list", "--roster", &self.file("roster"), "--json"]).with(0).json();
        let told = |name: &str| listed[name].as_str().unwrap().to_owned();
        let root = PublicKey::parse(&told("root")).unwrap();
        let mut follower = Follower::new(unhex(&told("genesis")).unwrap(), Trust::pinned(hq(), root));
        let (mut names, mut left_out) = (Vec::new(), 0);
        for bytes in entries(Path::new(&self.file("roster"))) {
            let reader = Reader { terminal: None, now_s: None };
            let entry = follower.trust().authorise::<Entry>(&bytes, &reader).unwrap();
            follower.follow(&entry, &bytes).unwrap();
            for deed in intake.take(follower.head(), &entry.message().changes).deeds {
                match deed {
                    Deed::Put(_, Thing::Record(record)) => names.push(record.name.as_str().to_owned()),
                    Deed::Skip(..) => left_out += 1,
                    Deed::Put(..) | Deed::Take(_) | Deed::Erase(_) | Deed::Rules(_) => {}
                }
            }
        }
        (names, left_out)
    }
}

#[test]
fn m14_a_terminal_reads_on_over_a_rotation_and_the_old_key_reads_nothing_that_came_after() {
    let site = Site::new();
    site.admit("first.key", "welcome").with(0);
    let put = |person, name, more: &[&str]| {
        site.ada(&[&["person", "put", person, "--name", name][..], more].concat())
    };
    let first = format!("{}.pub", site.file("first.key"));
    put("E-1", "Grace", &["--seal-to", &first]).with(0);
    site.ada(&["roster", "reseal", "--opening-key", &site.file("first.key")])
        .refused(&["no key was rotated"]);
    let before = fs::read(site.file("roster")).unwrap();
    let said = site.rotate("first.key", "second.key", &["--dry-run"]).with(0);
    assert!(said.out.contains("would be signed") && said.out.contains("to 1 terminals"), "{}", said.out);
    assert_eq!(fs::read(site.file("roster")).unwrap(), before);
    assert!(!Path::new(&site.file("second.key")).exists(), "a dry run draws nothing that is kept");
    site.rotate("first.key", "second.key", &[]).with(0);
    let listed = doorctl(&["keys", "list", "--roster", &site.file("roster"), "--json"]).with(0).json();
    let public = fs::read_to_string(format!("{}.pub", site.file("second.key"))).unwrap();
    assert!(public.contains(listed["seal_to"].as_str().unwrap()));

    put("E-2", "Ada", &["--seal-to", &first]).refused(&["an earlier key"]);
    put("E-2", "Ada", &[]).with(0);
    assert_eq!(site.followed("first.key"), (vec!["Grace".into(), "Ada".into()], 0), "it joined long before");
    assert_eq!(opens(&site, "first.key"), [true, false], "the stolen key opens nothing that came after");

    let said = site.ada(&["roster", "reseal", "--opening-key", &site.file("second.key")]).with(0);
    assert!(said.out.starts_with("1 contents sealed again"), "{}", said.out);
    let said = site.ada(&["roster", "reseal", "--opening-key", &site.file("second.key")]).with(0);
    assert!(said.out.starts_with("0 contents"), "once: {}", said.out);
    assert_eq!(site.followed("second.key").1, 0, "who joins later has both keys");
    let newest = fs::read_to_string(site.file("second.key")).unwrap().lines().next().unwrap().to_owned();
    fs::remove_file(site.file("first.key")).unwrap();
    fs::copy(site.file("second.key"), site.file("newest.key")).unwrap();
    fs::write(site.file("newest.key"), newest).unwrap();
    let (names, left_out) = site.followed("newest.key");
    assert_eq!(
        (names, left_out),
        (vec!["Ada".into(), "Grace".into()], 1),
        "with the newest alone it has all"
    );
}

/// Which contents in the roster a file of keys opens, in order.
fn opens(site: &Site, opening: &str) -> Vec<bool> {
    let keys = opening_keys(&KeySource::File(site.file(opening).into())).unwrap();
    let signers = ["root.key.pub", "ada.key.pub"]
        .map(|name| keyfile::public(&site.file(name), "KEY", &AUTHORITY).unwrap());
    let changes = entries(Path::new(&site.file("roster"))).into_iter().flat_map(|bytes| {
        let envelope = Envelope::parse(&bytes).unwrap();
        let signer = signers.iter().find(|key| key.id() == envelope.claimed().1).unwrap();
        message::read::<Entry>(envelope.verify(signer).unwrap().payload()).unwrap().changes
    });
    let hq = "hq".parse().unwrap();
    changes
        .filter_map(|change| if let Change::PersonPut(put) = change { Some(put) } else { None })
        .map(|put| keys.iter().any(|key| key.open(&hq, &put).is_ok()))
        .collect()
}

#[test]
fn m14_whoever_was_retired_is_handed_nothing_and_nobody_is_forgotten_by_mistake() {
    let site = Site::new();
    site.admit("first.key", "welcome").with(0);
    let before = site.rotate("first.key", "second.key", &["--dry-run"]).with(0);
    assert!(before.out.contains("to 1 terminals"));
    site.root(&["terminal", "retire", "lobby-1"]).with(0);
    let said = site.rotate("first.key", "second.key", &[]).with(0);
    assert!(said.out.contains("to 0 terminals"), "{}", said.out);
    site.rotate("first.key", "third.key", &[]).refused(&["another one"]);
    site.rotate("second.key", "second.key", &[]).refused(&["exists"]);
    // A terminal whose key was given its role by hand never said what it joined with.
    doorctl(&["keys", "make", &site.file("hand.key")]).with(0);
    let by_hand = ["keys", "delegate", "--holder", "by hand", "--role", "terminal", "--terminal", "side-1"];
    site.root(&[&by_hand[..], &[&format!("{}.pub", site.file("hand.key"))]].concat()).with(0);
    site.rotate("second.key", "third.key", &[]).refused(&["--leave-out"]);
    let said = site.rotate("second.key", "third.key", &["--leave-out"]).with(0);
    assert!(said.out.contains("side-1"), "{}", said.out);
    let held = fs::read_to_string(site.file("third.key")).unwrap();
    assert_eq!(held.lines().count(), 3, "the newest and both before it");
}

#[test]
fn a_terminal_that_joins_after_a_rotation_is_given_every_key_and_only_with_the_newest_file() {
    let site = Site::new();
    site.rotate("first.key", "second.key", &[]).with(0);
    site.admit("first.key", "old.welcome").refused(&["another one"]);
    site.admit("second.key", "welcome").with(0);
    let (folder, root) = (site.terminal.path("centre"), format!("{}.pub", site.file("root.key")));
    let folder_shown = folder.display().to_string();
    site.terminal
        .run(&["terminal", "accept", "--root", &root, "--folder", &folder_shown, &site.file("welcome")])
        .with(0);
    assert_eq!(
        fs::read(folder.join("opening.key")).unwrap(),
        fs::read(site.file("second.key")).unwrap(),
        "the newest and the one before it"
    );
}
