//! A terminal joins a site: from `doorctl init` to the section of doord.toml, by the files that are carried between.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::{Said, Terminal, doorctl};

/// An admin's folder: roster, keys, certificates.
struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let desk = Self { folder: tempfile::tempdir().unwrap() };
        doorctl(&[
            "keys",
            "init",
            "--site",
            "hq",
            "--roster",
            &desk.file("hq.roster"),
            &desk.file("root.key"),
        ])
        .with(0);
        doorctl(&["keys", "sealing", &desk.file("opening.key")]).with(0);
        let papers =
            ["broker", "certificates", "--site", "hq", "--host", "localhost", "--terminal", "lobby-1"];
        doorctl(&[&papers[..], &[&desk.file("broker")]].concat()).with(0);
        desk
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn provision(&self, number: &str, by: &str, request: &Path, more: &[&str]) -> Said {
        let request = request.display().to_string();
        let words = [
            "terminal",
            "provision",
            "--roster",
            &self.file("hq.roster"),
            "--by",
            &self.file(by),
            "--number",
            number,
            "--papers",
            &self.file("broker"),
            "--broker",
            "localhost:8883",
            "--opening-key",
            &self.file("opening.key"),
        ];
        doorctl(&[&words[..], more, &[&request, &self.file("lobby-1.welcome")]].concat())
    }

    fn root(&self) -> String {
        format!("{}.pub", self.file("root.key"))
    }

    fn entries(&self) -> u64 {
        let listed = doorctl(&["keys", "list", "--roster", &self.file("hq.roster"), "--json"]).with(0).json();
        listed["entries"].as_u64().unwrap()
    }
}

/// The request of a terminal, and the number that it shows.
fn asked(terminal: &Terminal) -> (std::path::PathBuf, String) {
    let request = terminal.path("lobby-1.request");
    let said = terminal.run(&["terminal", "request", &request.display().to_string()]).with(0);
    let number = said.out.lines().find_map(|line| line.trim().strip_prefix("number")).unwrap();
    (request, number.trim().to_owned())
}

fn accept(terminal: &Terminal, desk: &Desk, root: &str) -> Said {
    let folder = terminal.path("centre").display().to_string();
    let welcome = desk.file("lobby-1.welcome");
    terminal.run(&["terminal", "accept", "--root", root, "--folder", &folder, &welcome])
}

#[test]
fn a_terminal_joins_by_a_request_and_a_welcome_and_doord_reads_what_it_was_given() {
    let (desk, terminal) = (Desk::new(), Terminal::new());
    let (request, number) = asked(&terminal);
    desk.provision(&number, "root.key", &request, &["--dry-run"]).with(0);
    assert_eq!(desk.entries(), 0, "nothing was signed yet");
    desk.provision(&number, "root.key", &request, &[]).with(0);
    assert_eq!(desk.entries(), 1);

    let said = accept(&terminal, &desk, &desk.root()).with(0);
    for name in ["terminal.key", "opening.key"] {
        let mode = fs::metadata(terminal.path("centre").join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let kept = |name: &str| fs::read(terminal.path("centre").join(name)).unwrap();
    assert_eq!(kept("opening.key"), fs::read(desk.file("opening.key")).unwrap());
    assert_eq!(kept("terminal.pem"), fs::read(desk.file("broker/lobby-1.pem")).unwrap());
    let section: String =
        said.out.lines().skip_while(|line| *line != "[centre]").collect::<Vec<_>>().join("\n");
    for setting in ["broker", "authority", "certificate", "key", "opening_key", "root", "genesis", "joined"] {
        assert!(section.contains(&format!("\n{setting} = \"")), "{setting} is not in {section}");
    }

    // A lost welcome is written again, and nothing is signed twice.
    fs::remove_file(desk.file("lobby-1.welcome")).unwrap();
    desk.provision(&number, "root.key", &request, &[]).with(0);
    assert_eq!(desk.entries(), 1);
    accept(&terminal, &desk, &desk.root()).refused(&["exists", "nothing is overwritten"]);
    terminal.run(&["terminal", "request", &request.display().to_string()]).refused(&["exists"]);
}

#[test]
fn m13_a_request_that_was_changed_or_an_unfit_key_admits_nobody() {
    let (desk, terminal, mallory) = (Desk::new(), Terminal::new(), Terminal::new());
    let ((request, number), (foreign, _)) = (asked(&terminal), asked(&mallory));
    desk.provision(&number, "root.key", &foreign, &[])
        .refused(&["has not the number", "changed it on the way"]);
    desk.provision("1234", "root.key", &request, &[]).refused(&["has not the number"]);
    doorctl(&["keys", "make", &desk.file("ada.key")]).with(0);
    desk.provision(&number, "ada.key", &request, &[]).with(2);
    assert_eq!(desk.entries(), 0);
    assert!(!Path::new(&desk.file("lobby-1.welcome")).exists());
}

#[test]
fn m14_a_welcome_is_taken_by_its_terminal_alone_and_under_the_root_it_was_told() {
    let (desk, terminal, other) = (Desk::new(), Terminal::new(), Terminal::new());
    let (request, number) = asked(&terminal);
    desk.provision(&number, "root.key", &request, &[]).with(0);
    accept(&other, &desk, &desk.root()).refused(&["for another terminal"]);
    doorctl(&["keys", "make", &desk.file("other.key")]).with(0);
    accept(&terminal, &desk, &format!("{}.pub", desk.file("other.key")))
        .refused(&["root key", "nothing was taken"]);
    assert!(!terminal.path("centre").exists(), "nothing was taken");
    let retire = |more: &[&str]| {
        let words =
            ["terminal", "retire", "--roster", &desk.file("hq.roster"), "--by", &desk.file("root.key")];
        doorctl(&[&words[..], more].concat())
    };
    retire(&["lobby-2"]).refused(&["no key that counts"]);
    retire(&["lobby-1"]).with(0);
    retire(&["lobby-1"]).refused(&["no key that counts"]);
    // A key that was ended comes back for nobody.
    fs::remove_file(desk.file("lobby-1.welcome")).unwrap();
    desk.provision(&number, "root.key", &request, &[]).with(2);
}
