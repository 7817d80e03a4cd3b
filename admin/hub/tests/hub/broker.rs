//! The hub as it runs, with the real mosquitto between it and its terminals, under the configuration that is shipped.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use doorward_hub::database::{Address, Database, DatabaseFault};
use doorward_hub::kept::{self, Page};
use doorward_hub::tls::{self, Files};
use doorward_protocol::audit::{Head, LivenessLevel, Verifier};
use doorward_protocol::hex::hex;
use doorward_protocol::presence::{RosterWanted, State};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tempfile::TempDir;

use crate::cluster::{Cluster, wait};
use crate::door::Door;
use crate::site::{Author, HUB, ROSTER, STRANGER, Terminal, beginning, key, signed};

const TOKEN: &str = "a-token-that-is-long-enough-for-anybody";
const TRIES: u32 = 300;
const STEP: Duration = Duration::from_millis(100);

/// An authority that signs certificates into a folder.
pub(crate) struct Authority {
    params: CertificateParams,
    key: KeyPair,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self { params, key: KeyPair::generate().unwrap() }
    }

    fn write(&self, file: &Path) {
        fs::write(file, self.params.clone().self_signed(&self.key).unwrap().pem()).unwrap();
    }

    /// A certificate for `name`, good for the host `host`, until the year `until`.
    pub(crate) fn sign(&self, folder: &Path, name: &str, host: &str, until: i32) {
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &Issuer::from_params(&self.params, &self.key)).unwrap();
        fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
        fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

/// A mosquitto with certificates for `broker`, `hub-1` and the terminals.
pub(crate) struct Broker {
    pub(crate) folder: TempDir,
    pub(crate) port: u16,
    program: PathBuf,
    running: Option<Child>,
}

impl Broker {
    /// Starts one; none where mosquitto is not installed. `change` is made to its configuration.
    pub(crate) fn start(change: impl Fn(String) -> String) -> Option<Self> {
        let program = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"];
        let Some(program) = program.iter().map(PathBuf::from).find(|program| program.is_file()) else {
            eprintln!("skipped: no mosquitto here; it is in the Debian package of that name");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let own = Authority::new("hq");
        own.write(&folder.path().join("authority.pem"));
        own.sign(folder.path(), "broker", "localhost", 2100);
        for name in ["hub-1", "t0", "t1", "t2"] {
            own.sign(folder.path(), name, name, 2100);
        }
        let acl = include_str!("../../broker/doorward.acl").replace("SITE", "hq").replace("HUB", "hub-1");
        fs::write(folder.path().join("doorward.acl"), acl).unwrap();
        let port = free_port();
        let place = |path: &str| format!("{}/{path}", folder.path().display());
        let conf = include_str!("../../broker/doorward.conf")
            .replace("/etc/mosquitto/doorward/", &place(""))
            .replace("/var/lib/mosquitto/", &place(""))
            .replace("listener 8883", &format!("listener {port} 127.0.0.1"));
        // Mosquitto gives up being root, and then could not read the folder.
        let conf = format!("user root\n{}", change(conf));
        fs::write(folder.path().join("mosquitto.conf"), conf).unwrap();
        let mut broker = Self { folder, port, program, running: None };
        broker.begin();
        Some(broker)
    }

    pub(crate) fn begin(&mut self) {
        let log = fs::File::create(self.folder.path().join("mosquitto.log")).unwrap();
        let mut command = Command::new(&self.program);
        command.arg("-c").arg(self.folder.path().join("mosquitto.conf"));
        self.running = Some(command.stdout(Stdio::null()).stderr(log).spawn().unwrap());
        for _ in 0..TRIES {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return;
            }
            wait(STEP);
        }
        panic!("mosquitto did not start:\n{}", self.log());
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("mosquitto.log")).unwrap_or_default()
    }

    /// Ends it as pulled power does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            let _ = running.kill();
            let _ = running.wait();
        }
    }

    /// Forgets everything it kept.
    pub(crate) fn forget(&self) {
        let _ = fs::remove_file(self.folder.path().join("mosquitto.db"));
    }

    pub(crate) fn files(&self, name: &str) -> Files {
        let file = |name: String| self.folder.path().join(name);
        Files {
            authority: file("authority.pem".into()),
            certificate: file(format!("{name}.pem")),
            key: file(format!("{name}.key")),
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The program `doorhub` as it is installed, told by a configuration file.
pub(crate) struct Doorhub {
    _folder: TempDir,
    address: Address,
    base: String,
    running: Child,
}

impl Doorhub {
    pub(crate) fn start(broker: &Broker) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = Address::File(folder.path().join("hub.db"));
        Self::start_on(broker, folder, file)
    }

    /// With its files in `folder` and its database at `address`.
    fn start_on(broker: &Broker, folder: TempDir, address: Address) -> Self {
        let secret = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            path.display().to_string()
        };
        let key_file =
            secret("hub.key", &format!("doorward-authority-private-1 {}\n", hex(&key(HUB).to_bytes())));
        let token = secret("http.token", &format!("{TOKEN}\n"));
        let files = broker.files("hub-1");
        let port = free_port();
        let conf = include_str!("../../doorhub.toml")
            .replace("/var/lib/doorhub/hub.db", &address.to_string())
            .replace("\"/etc/doorhub/hub.key\"", &format!("{key_file:?}"))
            .replace("\"/etc/doorhub/http.token\"", &format!("{token:?}"))
            .replace("/etc/doorhub/authority.pem", &files.authority.display().to_string())
            .replace("/etc/doorhub/hub-1.pem", &files.certificate.display().to_string())
            .replace("/etc/doorhub/hub-1.key", &files.key.display().to_string())
            .replace("broker.example.org", "localhost")
            .replace("port = 8883", &format!("port = {}", broker.port))
            .replace("127.0.0.1:8470", &format!("127.0.0.1:{port}"))
            .replace("ROOT", &beginning().root.hex())
            .replace("GENESIS", &hex(&ROSTER));
        let config = folder.path().join("doorhub.toml");
        fs::write(&config, conf).unwrap();
        let running = Command::new(env!("CARGO_BIN_EXE_doorhub"))
            .arg("--config")
            .arg(config)
            .arg("run")
            .spawn()
            .unwrap();
        let hub = Self { _folder: folder, address, base: format!("http://127.0.0.1:{port}"), running };
        hub.wait_for("it answers", || hub.get("/api/v1/sites").is_some());
        hub
    }

    pub(crate) fn get(&self, path: &str) -> Option<String> {
        let asked =
            ureq::get(format!("{}{path}", self.base)).header("authorization", format!("Bearer {TOKEN}"));
        asked.call().ok()?.into_body().read_to_string().ok()
    }

    pub(crate) fn post(&self, path: &str, body: &[u8]) -> u16 {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let asked =
            agent.post(format!("{}{path}", self.base)).header("authorization", format!("Bearer {TOKEN}"));
        asked.send(body).unwrap().status().as_u16()
    }

    pub(crate) fn wait_for(&self, what: &str, mut there: impl FnMut() -> bool) {
        for _ in 0..TRIES {
            if there() {
                return;
            }
            wait(STEP);
        }
        panic!("waited in vain until {what}; figures:\n{}", self.get("/metrics").unwrap_or_default());
    }

    pub(crate) fn follow(&self, author: &Author) {
        for entry in &author.entries {
            assert_eq!(self.post("/api/v1/sites/hq/roster", entry), 200);
        }
    }

    pub(crate) fn linked(&self) -> bool {
        self.get("/metrics").is_some_and(|text| text.contains("\ndoorhub_broker_connected 1\n"))
    }

    /// The trails that it kept, each verified from its genesis: how long they are, in the order of the terminals.
    pub(crate) fn trails(&self) -> Vec<(String, u64)> {
        let site = "hq".parse().unwrap();
        let verified = Database::open(&self.address).unwrap().read(|transaction| {
            let mut found = Vec::new();
            for trail in kept::trails(transaction, &site, 0, 100)? {
                let mut verifier = Verifier::new(Head::genesis(trail.genesis));
                loop {
                    let after = verifier.head().seq;
                    let page = kept::records(transaction, &site, trail.trail, after, 500)?;
                    page.iter().for_each(|record| drop(verifier.check(record).unwrap()));
                    if page.is_empty() {
                        break;
                    }
                }
                assert_eq!(verifier.head().seq, trail.seq);
                found.push((trail.terminal.to_string(), trail.seq));
            }
            Ok::<_, DatabaseFault>(found)
        });
        let mut found = verified.unwrap();
        found.sort();
        found
    }
}

impl Drop for Doorhub {
    fn drop(&mut self) {
        let _ = self.running.kill();
        let _ = self.running.wait();
    }
}

/// A terminal with some records.
fn busy(number: u8, records: usize) -> Terminal {
    let mut terminal = Terminal::new(number);
    terminal.decide(records);
    terminal
}

#[test]
fn m12_every_record_is_kept_once_while_the_broker_is_killed_and_loses_what_it_kept() {
    let Some(mut broker) = Broker::start(|conf| conf) else { return };
    let author = Author::new(3);
    let hub = Doorhub::start(&broker);
    hub.follow(&author);
    let doors: Vec<_> = (0..3)
        .map(|number| {
            let way = Door::way(&broker, &format!("t{number}"));
            std::thread::spawn(move || Door::connect(way).deliver(&busy(number, 600), 20))
        })
        .collect();
    for round in 0..4 {
        wait(Duration::from_millis(700));
        broker.kill();
        if round % 2 == 1 {
            broker.forget();
        }
        wait(Duration::from_millis(200));
        broker.begin();
    }
    let resent: usize = doors.into_iter().map(|door| door.join().unwrap()).sum();
    println!("{resent} batches were sent more than once");
    assert_eq!(hub.trails(), [("t0".into(), 600), ("t1".into(), 600), ("t2".into(), 600)]);
}

#[test]
fn m12_every_record_is_kept_once_while_the_database_is_killed_again_and_again() {
    let Some(broker) = Broker::start(|conf| conf) else { return };
    let Some(cluster) = Cluster::own() else {
        return eprintln!("skipped: no PostgreSQL here; it is in the Debian package postgresql");
    };
    let author = Author::new(2);
    let hub = Doorhub::start_on(&broker, tempfile::tempdir().unwrap(), cluster.database());
    hub.follow(&author);
    let doors: Vec<_> = (0..2)
        .map(|number| {
            let way = Door::way(&broker, &format!("t{number}"));
            std::thread::spawn(move || Door::connect(way).deliver(&busy(number, 400), 20))
        })
        .collect();
    for _ in 0..2 {
        wait(Duration::from_millis(500));
        cluster.kill();
        hub.wait_for("the hub says that it keeps nothing", || {
            let figures = hub.get("/metrics").unwrap_or_default();
            figures.contains("\ndoorhub_keeping 0\n") && figures.contains("\ndoorhub_broker_connected 1\n")
        });
        cluster.start();
    }
    for door in doors {
        door.join().unwrap();
    }
    assert_eq!(hub.trails(), [("t0".into(), 400), ("t1".into(), 400)]);
}

#[test]
fn m2_m4_m14_a_terminal_says_nothing_for_another_and_hears_nothing_of_it() {
    let Some(broker) = Broker::start(|conf| conf) else { return };
    let author = Author::new(2);
    let hub = Doorhub::start(&broker);
    hub.follow(&author);
    hub.wait_for("the hub is linked", || hub.linked());
    let mut spy = Door::connect(Door::way(&broker, "t1"));
    for filter in [
        "#",
        "doorward/hq/#",
        "doorward/hq/t0/audit",
        "doorward/hq/t0/audit/ack",
        "$share/doorhub/doorward/hq/+/audit",
    ] {
        spy.subscribe(filter);
    }
    let own = busy(0, 40);
    // Under its own certificate, t1 says true batches of t0, its own word in t0's name, and garbage.
    for message in [own.sent(1, 20), own.sent_by(11, 1, 20), own.says("state", vec![1, 2, 3])] {
        spy.say(&message.topic, message.payload);
    }
    spy.say("doorward/hq/roster/head", author.entries[0].clone());
    spy.say("doorward/hq/t1/audit", signed(Some(&"t1".parse().unwrap()), 1, &own.batch(1, 20), STRANGER));
    hub.wait_for("what came on its own topic is refused", || {
        hub.get("/metrics")
            .is_some_and(|text| text.contains("\ndoorhub_refused_total{why=\"signature\"} 1\n"))
    });
    assert_eq!(hub.trails(), []);
    Door::connect(Door::way(&broker, "t0")).deliver(&own, 20);
    assert_eq!(hub.trails(), [("t0".into(), 40)]);
    let heard = spy.heard_for(Duration::from_millis(500));
    let foreign: Vec<_> = heard.iter().filter(|topic| topic.contains("/t0/")).collect();
    assert_eq!(foreign, [""; 0], "{heard:?}");
}

#[test]
fn a_terminal_is_told_the_newest_entry_and_given_what_it_asks_for_and_an_order_comes_through() {
    let Some(mut broker) = Broker::start(|conf| conf) else { return };
    let mut author = Author::new(1);
    let hub = Doorhub::start(&broker);
    hub.follow(&author);
    author.put("ada");
    assert_eq!(hub.post("/api/v1/sites/hq/roster", author.entries.last().unwrap()), 200);
    assert_eq!(hub.post("/api/v1/sites/hq/roster", b"no entry"), 409);
    // A broker that lost everything is told anew.
    hub.wait_for("the hub is linked", || hub.linked());
    broker.kill();
    broker.forget();
    broker.begin();
    let mut door = Door::connect(Door::way(&broker, "t0"));
    door.subscribe("doorward/hq/roster/head");
    door.subscribe("doorward/hq/t0/roster/feed");
    assert_eq!(&door.wait_for("doorward/hq/roster/head"), author.entries.last().unwrap());
    let terminal = Terminal::new(0);
    let wanted = RosterWanted::after([1; 16], 0, ROSTER);
    let wanted = signed(Some(&terminal.name), 1, &wanted, terminal.seed);
    door.say("doorward/hq/t0/roster/want", wanted);
    for entry in &author.entries {
        assert_eq!(&door.wait_for("doorward/hq/t0/roster/feed"), entry);
    }
    let state = terminal.says_state(1, &terminal.state(1, 1, true));
    door.say(&state.topic, state.payload);
    hub.wait_for("the terminal is online", || {
        hub.get("/api/v1/sites/hq/terminals/t0").is_some_and(|text| text.contains("\"presence\":\"online\""))
    });
}

/// What becomes of a TLS connection to `port` at `host`, as the hub makes it.
fn handshake(files: &Files, host: &'static str, port: u16) -> Result<(), String> {
    let config = tls::client(files).map_err(|e| e.to_string())?;
    let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let client =
        rustls::ClientConnection::new(config, host.try_into().unwrap()).map_err(|e| e.to_string())?;
    let mut stream = rustls::StreamOwned::new(client, socket);
    // A CONNECT of MQTT 5; a broker that is content answers it.
    let connect = [0x10, 15, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 60, 0, 0, 2, b't', b'0'];
    let mut answer = [0; 2];
    stream.write_all(&connect).and_then(|()| stream.read_exact(&mut answer)).map_err(|e| cause(&e))?;
    if answer[0] == 0x20 { Ok(()) } else { Err(format!("{answer:?}")) }
}

/// Why, in words of our own: those of rustls depend on the features it was built with.
fn cause(fault: &std::io::Error) -> String {
    use rustls::CertificateError as Why;
    let inner = fault.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let text = match inner {
        Some(rustls::Error::InvalidCertificate(
            Why::NotValidForName | Why::NotValidForNameContext { .. },
        )) => "another name",
        Some(rustls::Error::InvalidCertificate(Why::Expired | Why::ExpiredContext { .. })) => "ended",
        Some(rustls::Error::InvalidCertificate(Why::UnknownIssuer)) => "another authority",
        Some(rustls::Error::AlertReceived(_)) => "the broker refuses",
        Some(_) | None => return fault.to_string(),
    };
    text.to_owned()
}

#[test]
fn m1_without_tls_the_right_authority_name_and_date_there_is_no_connection() {
    let Some(broker) = Broker::start(|conf| conf) else { return };
    let files = broker.files("t0");
    handshake(&files, "localhost", broker.port).unwrap();
    let refused = |files: &Files, host, why: &str| {
        let told = handshake(files, host, broker.port).unwrap_err();
        assert!(told.contains(why), "{told}");
    };
    refused(&files, "other.example.org", "another name");
    let other = tempfile::tempdir().unwrap();
    let foreign = Authority::new("somebody");
    foreign.write(&other.path().join("authority.pem"));
    foreign.sign(other.path(), "t0", "t0", 2100);
    let file = |name: &str| other.path().join(name);
    refused(&Files { authority: file("authority.pem"), ..files.clone() }, "localhost", "another authority");
    let stranger = Files { certificate: file("t0.pem"), key: file("t0.key"), ..files.clone() };
    refused(&stranger, "localhost", "the broker refuses");
    let no_authority = tls::client(&Files { authority: file("t0.key"), ..files.clone() });
    assert!(no_authority.unwrap_err().to_string().contains("there is none in it"));
}

#[test]
fn m1_an_ended_certificate_and_a_broker_without_tls_are_refused() {
    let Some(mut broker) = Broker::start(|conf| conf) else { return };
    broker.kill();
    let own = Authority::new("hq");
    own.write(&broker.folder.path().join("authority.pem"));
    own.sign(broker.folder.path(), "broker", "localhost", 2021);
    own.sign(broker.folder.path(), "t0", "t0", 2100);
    broker.begin();
    let told = handshake(&broker.files("t0"), "localhost", broker.port).unwrap_err();
    assert_eq!(told, "ended");
    let plain = |conf: String| {
        let tls =
            ["tls_version", "cafile", "certfile", "keyfile", "require_", "use_identity", "use_username"];
        conf.lines()
            .filter(|line| !tls.iter().any(|word| line.starts_with(word)))
            .fold(String::new(), |all, line| all + line + "\n")
    };
    let Some(open) = Broker::start(plain) else { return };
    let told = handshake(&open.files("t0"), "localhost", open.port).unwrap_err();
    assert!(!told.is_empty());
}

#[test]
fn m1_a_broker_that_speaks_only_an_older_tls_is_refused() {
    let Some(broker) = Broker::start(|conf| conf) else { return };
    use rustls::pki_types::pem::PemObject as _;
    let files = broker.files("broker");
    let chain = rustls::pki_types::CertificateDer::pem_file_iter(&files.certificate).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::from_pem_file(&files.key).unwrap();
    let server = rustls::ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.map(Result::unwrap).collect(), key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = std::thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        let mut stream =
            rustls::StreamOwned::new(rustls::ServerConnection::new(server.into()).unwrap(), socket);
        stream.read(&mut [0; 1]).map_err(|e| e.to_string())
    });
    assert!(handshake(&broker.files("t0"), "localhost", port).is_err());
    let told = served.join().unwrap().unwrap_err();
    assert!(told.contains("peer") || told.contains("version"), "{told}");
}

/// On every page, and beside each event of a face.
fn p9_it_is_said_everywhere_that_a_photograph_may_pass(hub: &Doorhub) {
    let said = |page: &str| hub.get(page).unwrap().matches("a good photograph may pass").count();
    for page in ["doors", "events", "alarms", "people", "terminals"] {
        assert!(said(&format!("/hq/{page}")) > 0, "{page}");
    }
    assert!(said("/hq/events?terminal=t0") > 30, "each event says it");
}

#[test]
fn the_pages_are_seen_by_whoever_shows_the_token_and_nobody_else() {
    let Some(broker) = Broker::start(|conf| conf) else { return };
    let mut author = Author::new(2);
    let hub = Doorhub::start(&broker);
    hub.follow(&author);
    author.put("ada");
    hub.wait_for("the hub is linked", || hub.linked());
    let mut terminal = busy(0, 30);
    terminal.record(crate::site::door("forced"));
    let mut door = Door::connect(Door::way(&broker, "t0"));
    let level = Some(LivenessLevel::Convenience);
    let state = terminal.says_state(1, &State { level, ..terminal.state(1, 1, true) });
    door.say(&state.topic, state.payload);
    door.deliver(&terminal, 31);
    hub.wait_for("the state came", || hub.get("/hq/doors").is_some_and(|page| page.contains("<h3>t0</h3>")));
    for (page, words) in [
        ("/hq/doors", ["online", "alarm", "forced"]),
        ("/hq/events", ["passed", "refused", "front"]),
        ("/hq/alarms", ["forced", "not yet", "t0"]),
        ("/hq/people", ["ada", "bob", "Records"]),
        ("/hq/terminals", ["t0", "31", "behind"]),
        ("/api/v1/sites/hq/events?count=2", ["\"next\"", "\"events\"", "forced"]),
        ("/api/v1/sites/hq/trails", ["\"signed\"", "\"genesis\"", "\"seq\":31"]),
    ] {
        let text = hub.get(page).unwrap_or_default();
        for word in words {
            let found = text.contains(word) || (word == "behind" && text.contains("roster"));
            assert!(found, "{page} does not say {word}:\n{text}");
        }
    }
    p9_it_is_said_everywhere_that_a_photograph_may_pass(&hub);
    let alarms: serde_json::Value =
        serde_json::from_str(&hub.get("/api/v1/sites/hq/alarms").unwrap()).unwrap();
    let settled = format!("/api/v1/sites/hq/alarms/{}/settled", alarms["alarms"][0]["number"]);
    assert_eq!((hub.post(&settled, b""), hub.post(&settled, b"")), (200, 404));
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).build().into();
    for (path, status) in [
        ("/hq/doors", 303),
        ("/api/v1/sites", 401),
        ("/metrics", 401),
        ("/hq/live", 303),
        ("/sign-in", 200),
        ("/style.css", 200),
    ] {
        let answer = agent.get(format!("{}{path}", hub.base)).call().unwrap();
        assert_eq!(answer.status().as_u16(), status, "{path}");
    }
    let wrong = agent.post(format!("{}/sign-in", hub.base)).send_form([("token", "guessed")]).unwrap();
    assert_eq!(wrong.status().as_u16(), 403);
    let signed_in = agent.post(format!("{}/sign-in", hub.base)).send_form([("token", TOKEN)]).unwrap();
    let cookie = signed_in.headers().get("set-cookie").unwrap().to_str().unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && !cookie.contains(TOKEN));
    let shown = cookie.split(';').next().unwrap();
    let page = agent.get(format!("{}/hq/doors", hub.base)).header("cookie", shown).call().unwrap();
    assert_eq!(page.status().as_u16(), 200);
    let entry = author.entries.last().unwrap();
    let posted =
        agent.post(format!("{}/api/v1/sites/hq/roster", hub.base)).header("cookie", shown).send(&entry[..]);
    assert_eq!(posted.unwrap().status().as_u16(), 403, "a cookie changes nothing");
    let site = "hq".parse().unwrap();
    let mut database = Database::open(&hub.address).unwrap();
    let events = database.read(|t| kept::events(t, &site, None, None, Page::newest(1))).unwrap();
    assert_eq!(events[0].seq, 31);
}
