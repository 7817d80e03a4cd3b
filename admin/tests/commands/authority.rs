//! Whose word counts at a site, on the command line.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::{Said, doorctl, doorctl_typing};

/// A new site: its roster, its root key, and keys of two people.
struct Site(TempDir);

impl Site {
    fn new() -> Self {
        let site = Self(tempfile::tempdir().expect("a folder for the test"));
        doorctl(&["keys", "init", "--site", "hq", "--roster", &site.file("roster"), &site.file("root.key")])
            .with(0);
        for person in ["ada.key", "bob.key"] {
            doorctl(&["keys", "make", &site.file(person)]).with(0);
        }
        site
    }

    fn file(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn delegate(&self, by: &str, to: &str, more: &[&str]) -> Said {
        let (roster, by, to) = (self.file("roster"), self.file(by), self.file(to));
        let usual = ["keys", "delegate", "--roster", &roster, "--by", &by, "--holder", "Ada", &to];
        doorctl(&[&usual, more].concat())
    }

    fn revoke(&self, by: &str, key: &str) -> Said {
        doorctl(&["keys", "revoke", "--roster", &self.file("roster"), "--by", &self.file(by), key])
    }

    fn list(&self) -> Said {
        doorctl(&["keys", "list", "--roster", &self.file("roster"), "--json"])
    }
}

#[test]
fn a_site_begins_with_a_root_that_gives_roles_and_takes_them() {
    let site = Site::new();
    site.delegate("root.key", "ada.key.pub", &["--role", "enroller", "--role", "operator", "--days", "30"])
        .with(0);
    let listed = site.list().with(0).json();
    assert_eq!(listed["entries"], 1);
    assert_eq!(listed["keys"][0]["roles"], serde_json::json!(["enroller", "operator"]));
    let name = listed["keys"][0]["key"].as_str().unwrap().to_owned();
    site.revoke("root.key", &name).with(0);
    let listed = site.list().with(0).json();
    assert_eq!((&listed["entries"], &listed["keys"][0]["revoked"]), (&2.into(), &true.into()));
    site.delegate("root.key", "ada.key.pub", &["--role", "operator"]).refused(&["revoked", "another key"]);
}

#[test]
fn m6_only_the_root_gives_roles() {
    let site = Site::new();
    site.delegate("root.key", "ada.key.pub", &["--role", "release"]).with(0);
    site.delegate("ada.key", "bob.key.pub", &["--role", "operator"]).refused(&["Ada", "Root"]);
    site.delegate("bob.key", "bob.key.pub", &["--role", "operator"]).refused(&["not known at this site"]);
    assert_eq!(site.list().with(0).json()["entries"], 1);
}

#[test]
fn m13_a_new_root_takes_over() {
    let site = Site::new();
    let (roster, root, next) = (site.file("roster"), site.file("root.key"), site.file("bob.key.pub"));
    doorctl(&["keys", "succeed", "--roster", &roster, "--by", &root, &next]).with(0);
    site.delegate("root.key", "ada.key.pub", &["--role", "operator"]).refused(&["not known at this site"]);
    site.delegate("bob.key", "ada.key.pub", &["--role", "operator"]).with(0);
    // A terminal that pinned the first root still follows.
    doorctl(&["keys", "list", "--roster", &roster, "--root", &site.file("root.key.pub")]).with(0);
    doorctl(&["keys", "list", "--roster", &roster, "--root", &next]).refused(&["not the one you gave"]);
}

#[test]
fn a_dry_run_says_what_would_be_and_writes_nothing() {
    let site = Site::new();
    let before = fs::read(site.file("roster")).unwrap();
    let said = site.delegate("root.key", "ada.key.pub", &["--role", "operator", "--dry-run"]).with(0);
    assert!(said.out.contains("would say") && said.out.contains("operator"), "{}", said.out);
    site.delegate("ada.key", "bob.key.pub", &["--role", "operator", "--dry-run"]).refused(&["not known"]);
    assert_eq!(fs::read(site.file("roster")).unwrap(), before);
}

#[test]
fn m2_a_changed_roster_is_refused_naming_the_entry_and_a_cut_one_goes_on() {
    let site = Site::new();
    for key in ["ada.key.pub", "bob.key.pub"] {
        site.delegate("root.key", key, &["--role", "operator"]).with(0);
    }
    let whole = fs::read(site.file("roster")).unwrap();
    let mut changed = whole.clone();
    let last = changed.len() - 1;
    changed[last] ^= 1;
    fs::write(site.file("roster"), &changed).unwrap();
    site.list().refused(&["entry 2", "signature"]);
    // The power went while the second entry was written.
    fs::write(site.file("roster"), &whole[..last - 7]).unwrap();
    assert_eq!(site.list().with(0).json()["entries"], 1);
    site.delegate("root.key", "bob.key.pub", &["--role", "operator"]).with(0);
    assert_eq!(site.list().with(0).json()["entries"], 2);
    fs::write(site.file("roster"), "no roster").unwrap();
    assert!(site.list().with(1).err.contains("keys init"));
}

#[test]
fn h2_a_key_under_a_passphrase_signs_with_it_alone() {
    const WORDS: &str = "lantern gravel ocean clerk\n";
    let site = Site::new();
    let (roster, root) = (site.file("own"), site.file("own.key"));
    let init = ["keys", "init", "--site", "hq", "--roster", &roster, "--passphrase", &root];
    doorctl_typing(&init, "too short\n").refused(&["at least 16 letters"]);
    assert!(!Path::new(&root).exists() && !Path::new(&roster).exists(), "nothing is left behind");
    doorctl_typing(&init, WORDS).with(0);
    assert!(fs::read_to_string(&root).unwrap().starts_with("doorward-authority-locked-1 "));
    let key = site.file("ada.key.pub");
    let delegate =
        ["keys", "delegate", "--roster", &roster, "--by", &root, "--holder", "Ada", "--role", "operator"];
    let said = doorctl_typing(&[&delegate[..], &[&key]].concat(), "lantern gravel ocean clerks\n").with(1);
    assert!(said.err.contains("does not open"), "{}", said.err);
    doorctl_typing(&[&delegate[..], &[&key]].concat(), WORDS).with(0);
    let listed = doorctl(&["keys", "list", "--roster", &roster, "--json"]).with(0).json();
    assert_eq!(listed["entries"], 1);
}

#[test]
fn h7_nothing_that_exists_is_overwritten() {
    let site = Site::new();
    let again = ["keys", "init", "--site", "hq", "--roster", &site.file("roster"), &site.file("new.key")];
    doorctl(&again).refused(&["nothing is overwritten"]);
    assert!(fs::metadata(site.file("new.key")).is_err(), "no key of a site that was not made");
    doorctl(&["keys", "make", &site.file("ada.key")]).refused(&["nothing is overwritten"]);
}

#[test]
fn m6_what_is_signed_at_the_centre_takes_its_role_and_a_dry_run_writes_nothing() {
    let site = Site::new();
    site.delegate("root.key", "ada.key.pub", &["--role", "enroller"]).with(0);
    site.delegate("root.key", "bob.key.pub", &["--role", "policy"]).with(0);
    let content = site.file("content");
    fs::write(&content, "a template").unwrap();
    let rule = site.file("rule");
    fs::write(&rule, "a rule").unwrap();
    let sealing = "09".repeat(32);
    let roster = |words: &[&str], by: &str, more: &[&str]| {
        let (file, by) = (site.file("roster"), site.file(by));
        doorctl(&[&["roster"], words, &["--roster", &file, "--by", &by], more].concat())
    };
    let template = ["--seal-to", &sealing, "--slot", "template", "--form", "1", "E-1", &content];
    roster(&["put", "--dry-run"], "ada.key", &template).with(0);
    assert_eq!(site.list().with(0).json()["entries"], 2, "a dry run writes nothing");
    roster(&["put"], "ada.key", &template).with(0);
    roster(&["put"], "bob.key", &template).refused(&["may not"]);
    roster(&["set"], "ada.key", &["--setting", "rule", "staff", &rule]).refused(&["may not"]);
    roster(&["set"], "bob.key", &["--setting", "rule", "staff", &rule]).with(0);
    roster(&["unset"], "bob.key", &["--setting", "rule", "staff"]).with(0);
    roster(&["take"], "ada.key", &["--slot", "template", "E-1"]).with(0);
    roster(&["erase"], "ada.key", &["E-1"]).with(0);
    assert_eq!(site.list().with(0).json()["entries"], 7);
    let bytes = fs::read(site.file("roster")).unwrap();
    assert!(
        !bytes.windows(10).any(|part| part == b"a template"),
        "a template lies in the roster in the clear"
    );
    fs::write(&content, vec![0; 9000]).unwrap();
    let said = roster(&["put"], "ada.key", &template).with(1);
    assert!(said.err.contains("longer than"), "{}", said.err);
}

#[test]
fn h2_the_hubs_token_goes_to_this_machine_only_and_stays_a_secret() {
    let site = Site::new();
    let token = site.file("token");
    fs::write(&token, "a-token-of-a-hub\n").unwrap();
    let sync = |hub: &str| {
        doorctl(&["roster", "sync", "--roster", &site.file("roster"), "--hub", hub, "--token-file", &token])
    };
    let said = sync("http://127.0.0.1:1").with(1);
    assert!(said.err.contains("chmod 600"), "{}", said.err);
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
    for far in ["http://hub.example.org:8470", "https://hub.example.org", "http://127.0.0.1.example.org:1"] {
        let said = sync(far).with(1);
        assert!(said.err.contains("ssh -L") && !said.err.contains("a-token"), "{}", said.err);
    }
    let said = sync("http://127.0.0.1:1").with(1);
    assert!(said.err.contains("ask the hub") && !said.err.contains("a-token"), "{}", said.err);
}
