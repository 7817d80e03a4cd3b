//! A real mosquitto on the loopback address, with an authority, a certificate of its own and one for each client.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use doorward_daemon::centre::line;
use doorward_protocol::keys::PublicKey;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use crate::site::{HUB, TERMINAL, TerminalKey};
use crate::wait_for;

/// What is wrong with a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Nothing.
    None,
    /// Its certificate comes from somebody else.
    OtherAuthority,
    /// Its certificate carries another name.
    OtherName,
    /// It speaks nothing newer than TLS 1.2.
    OldTls,
}

/// What OpenSSL reads.
const OPENSSL: &str = "openssl_conf = doorward\n[doorward]\nssl_conf = ssl\n[ssl]\nsystem_default = all\n\
    [all]\nMaxProtocol = NEWEST\n";

/// A broker; killed when dropped.
pub(crate) struct Broker {
    folder: TempDir,
    port: u16,
    child: Option<Child>,
    terminal_key: TerminalKey,
}

impl Broker {
    /// Starts one under the configuration that is shipped, access list and all.
    pub(crate) fn shipped() -> Option<Self> {
        let mut broker = Self::start(Flaw::None)?;
        broker.kill();
        let folder = broker.folder.path();
        let place = format!("{}/", folder.display());
        let access = include_str!("../../../admin/hub/broker/doorward.acl");
        fs::write(folder.join("doorward.acl"), access.replace("SITE", "hq").replace("HUB", HUB)).unwrap();
        let shipped = include_str!("../../../admin/hub/broker/doorward.conf")
            .replace("/etc/mosquitto/doorward/", &place)
            .replace("/var/lib/mosquitto/", &place)
            .replace("listener 8883", &format!("listener {} 127.0.0.1", broker.port));
        fs::write(folder.join("mosquitto.conf"), format!("user root\n{shipped}")).unwrap();
        broker.start_again();
        Some(broker)
    }

    /// Starts one; `None` where mosquitto is not installed.
    pub(crate) fn start(flaw: Flaw) -> Option<Self> {
        if program().is_none() {
            eprintln!("skipped: no mosquitto here (Debian package mosquitto)");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        // Let go at once: nobody else here takes a port that was just free.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        write_certificates(folder.path(), flaw);
        fs::write(folder.path().join("mosquitto.conf"), configuration(folder.path(), port, flaw)).unwrap();
        // A broker's own setting names the oldest version only; this is where the newest is bounded.
        let newest = if flaw == Flaw::OldTls { "TLSv1.2" } else { "TLSv1.3" };
        fs::write(folder.path().join("openssl.conf"), OPENSSL.replace("NEWEST", newest)).unwrap();
        let mut broker = Self { folder, port, child: None, terminal_key: TerminalKey::default() };
        broker.start_again();
        Some(broker)
    }

    /// Starts it after it was stopped or killed, on the same port and with what it had kept.
    pub(crate) fn start_again(&mut self) {
        let log = fs::File::create(self.folder.path().join("log")).unwrap();
        let child = Command::new(program().unwrap())
            .arg("-c")
            .arg(self.folder.path().join("mosquitto.conf"))
            .env("OPENSSL_CONF", self.folder.path().join("openssl.conf"))
            .stdout(Stdio::from(log.try_clone().unwrap()))
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        self.child = Some(child);
        let port = self.port;
        wait_for("the broker listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    }

    /// Kills it, as a fault would.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Takes away what it had kept, while it does not run.
    pub(crate) fn forget(&self) {
        // One that was killed early may have kept nothing yet.
        let _ = fs::remove_file(self.folder.path().join("mosquitto.db"));
    }

    /// Stops it in an orderly way.
    pub(crate) fn stop(&mut self) {
        let mut child = self.child.take().unwrap();
        let told = Command::new("kill").arg(child.id().to_string()).status().unwrap();
        assert!(told.success());
        child.wait().unwrap();
    }

    /// A site's hub learns the terminal's key when the terminal is provisioned; here, beside the broker.
    pub(crate) fn tell_terminal_key(&self, key: PublicKey) {
        *self.terminal_key.lock().unwrap() = Some(key);
    }

    /// Where that key will be.
    pub(crate) fn terminal_key(&self) -> TerminalKey {
        TerminalKey::clone(&self.terminal_key)
    }

    /// The way to it for the client of this name.
    pub(crate) fn way(&self, name: &str) -> line::Broker {
        let file = |name: String| self.folder.path().join(name);
        line::Broker {
            host: "localhost".to_owned(),
            port: self.port,
            authority: file("authority.pem".to_owned()),
            certificate: file(format!("{name}.pem")),
            key: file(format!("{name}.key")),
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}

fn program() -> Option<PathBuf> {
    ["/usr/sbin/mosquitto", "/usr/bin/mosquitto"].into_iter().map(PathBuf::from).find(|path| path.exists())
}

fn configuration(folder: &Path, port: u16, flaw: Flaw) -> String {
    let version = if flaw == Flaw::OldTls { "tlsv1.2" } else { "tlsv1.3" };
    let mut text = format!(
        "listener {port} 127.0.0.1\nallow_anonymous false\nrequire_certificate true\n\
         use_identity_as_username true\ntls_version {version}\npersistence true\n\
         persistence_location {}/\nuser root\n",
        folder.display()
    );
    for (key, file) in [("cafile", "authority.pem"), ("certfile", "broker.pem"), ("keyfile", "broker.key")] {
        text += &format!("{key} {}\n", folder.join(file).display());
    }
    text
}

fn write_certificates(folder: &Path, flaw: Flaw) {
    let authority = Authority::new("Doorward test authority");
    fs::write(folder.join("authority.pem"), &authority.certificate).unwrap();
    let other = Authority::new("Somebody else");
    let signer = if flaw == Flaw::OtherAuthority { &other } else { &authority };
    let name = if flaw == Flaw::OtherName { "elsewhere.example" } else { "localhost" };
    signer.issue(folder, "broker", name);
    authority.issue(folder, HUB, HUB);
    authority.issue(folder, TERMINAL, TERMINAL);
}

/// Whoever signs certificates.
struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// Writes `file.pem` and `file.key` for a name.
    fn issue(&self, folder: &Path, file: &str, name: &str) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        fs::write(folder.join(format!("{file}.pem")), certificate.pem()).unwrap();
        let path = folder.join(format!("{file}.key"));
        fs::write(&path, key.serialize_pem()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}
