//! The broker's set-up: what `doorctl broker` makes is a broker that it finds nothing wrong with, and every fault of a
//! set-up is told in words.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::{Said, doorctl};

const TRIES: u32 = 200;

/// A folder with the certificates of site `hq`.
struct Papers(TempDir);

impl Papers {
    fn drawn() -> Self {
        let papers = Self(tempfile::tempdir().unwrap());
        papers.draw(&["--host", "localhost", "--hub", "hub-1", "--terminal", "lobby-1"]).with(0);
        papers
    }

    fn draw(&self, more: &[&str]) -> Said {
        let folder = self.0.path().display().to_string();
        doorctl(&[&["broker", "certificates", "--site", "hq"], more, &[&folder]].concat())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// What is wrong with the broker at `port`.
    fn check(&self, port: u16, host: &str, authority: &Path) -> Said {
        let file = |name: &str| self.file(name).display().to_string();
        let (port, authority) = (port.to_string(), authority.display().to_string());
        let (certificate, key) = (file("lobby-1.pem"), file("lobby-1.key"));
        let place = ["broker", "check", "--host", host, "--port", &port, "--site", "hq", "--name", "lobby-1"];
        let papers = ["--authority", &authority, "--certificate", &certificate, "--key", &key];
        doorctl(&[&place[..], &papers].concat())
    }
}

/// A mosquitto under the configuration that was drawn, with changes to it.
struct Mosquitto {
    running: Child,
    port: u16,
}

impl Mosquitto {
    fn start(papers: &Papers, changes: &[(&str, &str)]) -> Option<Self> {
        let program = Path::new("/usr/sbin/mosquitto");
        if !program.is_file() {
            eprintln!("skipped: no mosquitto here; it is in the Debian package of that name");
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = format!("{}/", papers.0.path().display());
        let mut conf = fs::read_to_string(papers.file("doorward.conf")).unwrap();
        conf = conf.replace("/etc/mosquitto/doorward/", &folder).replace("/var/lib/mosquitto/", &folder);
        conf = conf.replace("listener 8883", &format!("listener {port} 127.0.0.1"));
        for (from, to) in changes {
            assert!(conf.contains(from), "{from} is not in the configuration");
            conf = conf.replace(from, to);
        }
        // Mosquitto gives up being root, and then could not read the folder.
        fs::write(papers.file("test.conf"), format!("user root\n{conf}")).unwrap();
        let mut command = Command::new(program);
        command.arg("-c").arg(papers.file("test.conf")).stdout(Stdio::null()).stderr(Stdio::null());
        let broker = Self { running: command.spawn().unwrap(), port };
        for _ in 0..TRIES {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(broker);
            }
            wait();
        }
        panic!("mosquitto did not start");
    }
}

#[expect(clippy::disallowed_methods, reason = "the test waits for another process")]
fn wait() {
    std::thread::sleep(Duration::from_millis(50));
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.running.kill();
        let _ = self.running.wait();
    }
}

#[test]
fn a_broker_set_up_with_what_was_drawn_has_nothing_wrong() {
    let papers = Papers::drawn();
    let Some(broker) = Mosquitto::start(&papers, &[]) else { return };
    let said = papers.check(broker.port, "localhost", &papers.file("authority.pem")).with(0);
    assert!(!said.out.contains("WRONG") && said.out.lines().count() >= 7, "{}", said.out);
}

#[test]
fn m1_m14_every_fault_of_a_set_up_is_told_in_words() {
    let papers = Papers::drawn();
    let wide = papers.file("wide.acl");
    fs::write(&wide, "pattern readwrite #\n").unwrap();
    let wide = format!("acl_file {}", wide.display());
    let own = format!("acl_file {}/doorward.acl", papers.0.path().display());
    let plain = [
        ("tls_version", "#tls_version"),
        ("cafile", "#cafile"),
        ("certfile", "#certfile"),
        ("keyfile", "#keyfile"),
        ("require_certificate true", ""),
        ("use_identity_as_username true", ""),
        ("use_username_as_clientid true", ""),
        ("allow_anonymous false", "allow_anonymous true"),
    ];
    let anonymous = [
        ("require_certificate true", "require_certificate false"),
        ("use_identity_as_username true", ""),
        ("use_username_as_clientid true", ""),
        ("allow_anonymous false", "allow_anonymous true"),
    ];
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);
    let cases: [Case<'_>; 6] = [
        (&[("tls_version tlsv1.3", "")], &["TLS 1.2"]),
        (&anonymous, &["without a certificate", "may not speak on its own topics"]),
        (
            &[(&own, &wide)],
            &["may speak on doorward/hq/not-lobby-1/audit", "hears doorward/hq/lobby-1/health"],
        ),
        (&[("max_packet_size 266240", "max_packet_size 20000")], &["20000 bytes"]),
        (&[("max_packet_size 266240", "")], &["no limit"]),
        (&plain, &["answers without TLS", "does not get in"]),
    ];
    for (changes, words) in cases {
        let Some(broker) = Mosquitto::start(&papers, changes) else { return };
        let said = papers.check(broker.port, "localhost", &papers.file("authority.pem")).with(2);
        let wrong: String = said.out.lines().filter(|line| line.starts_with("WRONG")).collect();
        for word in words {
            assert!(wrong.contains(word), "{changes:?}: {word:?} is not in:\n{}", said.out);
        }
    }
}

#[test]
fn m1_the_wrong_authority_name_and_port_are_told_in_words() {
    let (papers, others) = (Papers::drawn(), Papers::drawn());
    let Some(broker) = Mosquitto::start(&papers, &[]) else { return };
    let said = papers.check(broker.port, "localhost", &others.file("authority.pem")).with(2);
    assert!(said.out.contains("not signed by this authority"), "{}", said.out);
    let said = papers.check(broker.port, "127.0.0.1", &papers.file("authority.pem")).with(2);
    assert!(said.out.contains("another name"), "{}", said.out);
    let said = others.check(broker.port, "localhost", &papers.file("authority.pem")).with(2);
    assert!(said.out.contains("does not accept our certificate"), "{}", said.out);
    drop(broker);
    let said = papers.check(1, "localhost", &papers.file("authority.pem")).with(2);
    assert!(said.out.contains("nothing listens there"), "{}", said.out);
}

#[test]
fn certificates_are_added_and_never_overwritten() {
    let papers = Papers::drawn();
    papers.draw(&["--terminal", "lobby-1"]).refused(&["lobby-1.key exists"]);
    papers.draw(&["--terminal", "lobby-2", "--hub", "hub-2"]).with(0);
    let list = fs::read_to_string(papers.file("doorward.acl")).unwrap();
    assert!(list.contains("user hub-1\n") && list.contains("user hub-2\n"), "{list}");
    assert!(list.contains("pattern write doorward/hq/%u/audit") && !list.contains("SITE"), "{list}");
    papers.draw(&["--hub", "centre"]).refused(&["hub-centre"]);
    papers.draw(&["--terminal", "hub-3"]).refused(&["taken"]);
    papers.draw(&["--terminal", "roster"]).refused(&["taken"]);
    let folder = papers.0.path().display().to_string();
    doorctl(&["broker", "certificates", "--site", "lab", "--terminal", "x", &folder]).refused(&["site lab"]);
    let empty = tempfile::tempdir().unwrap();
    let nowhere = empty.path().display().to_string();
    doorctl(&["broker", "certificates", "--site", "hq", &nowhere]).refused(&["--host"]);
    use std::os::unix::fs::PermissionsExt as _;
    for key in ["authority.key", "broker.key", "lobby-1.key", "hub-1.key"] {
        let mode = fs::metadata(papers.file(key)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600, "{key}");
    }
}
