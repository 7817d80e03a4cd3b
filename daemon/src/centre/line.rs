//! The connection to the broker: MQTT 5 over TLS 1.3, proved by certificates on both sides.
//!
//! A line is one connection and ends with its first fault. Nothing of it is taken over into the next: what was not
//! acknowledged by a hub is still in the store, so that whatever the client or the broker forgot, repeated or kept
//! between two connections has no say.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use doorward_protocol::envelope::MESSAGE_LEN_MAX;
use rumqttc::tokio_rustls::rustls;
use rumqttc::{
    Client, Connection, Event, IncomingPacketSizeLimit, LastWill, MqttOptions, NetworkOptions, Packet,
    PublishOptions, QoS, RecvTimeoutError, TlsConfiguration, Transport,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use zeroize::Zeroizing;

/// How long a connection may take to come about, and with it the end of the thread that waits for it: below the five
/// seconds that a stopping program gives its threads.
const CONNECT_WITHIN: Duration = Duration::from_secs(4);
/// A broker that is silent for half as long again is gone.
const KEEP_ALIVE_S: u16 = 30;
/// The longest packet: a message with its topic.
const PACKET_LEN_MAX: u32 = 260 * 1024;
const _: () = assert!(PACKET_LEN_MAX as usize >= MESSAGE_LEN_MAX + 4096);
/// Messages under way in either direction; together with their length, what a line holds in memory.
const UNDER_WAY_MAX: u16 = 16;
/// A certificate with its chain, or a key.
const FILE_LEN_MAX: u64 = 64 * 1024;

/// Where the broker is, and by what both sides are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// Its name or address, which its certificate must carry.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Certificates of those whose word counts for it.
    pub authority: PathBuf,
    /// Our certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// Why there is no line, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum LineFault {
    /// A file cannot be read.
    #[error("read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{} {why}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong and what to do.
        why: String,
    },
    /// The broker cannot be reached, refused us, or went away.
    #[error("the broker {host}:{port}: {why}")]
    Broker {
        /// Its name.
        host: String,
        /// Its port.
        port: u16,
        /// Why.
        why: String,
    },
    /// More is waiting to be said than a line takes.
    #[error("the broker takes nothing at the moment")]
    Full,
}

/// Something to be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// By which topic.
    pub topic: String,
    /// What.
    pub bytes: Vec<u8>,
    /// Whether the broker keeps it for those who come later; in one that arrives, whether it had kept it.
    pub retained: bool,
}

/// What comes along a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// The broker took the connection.
    Connected,
    /// A message.
    Message(Message),
    /// Nothing that concerns anybody.
    Nothing,
}

/// One connection.
pub struct Line {
    broker: Broker,
    voice: Voice,
    connection: Connection,
    connected: bool,
}

/// Says something along a line, from any thread.
#[derive(Clone)]
pub struct Voice(Client);

impl Line {
    /// Begins a connection under a name; [`Line::hear`] says when it stands. The broker says `will` when it ends.
    ///
    /// # Errors
    /// [`LineFault::Read`], [`LineFault::File`].
    pub fn begin(broker: &Broker, name: &str, will: Option<Message>) -> Result<Self, LineFault> {
        let tls = TlsConfiguration::Rustls(Arc::new(tls(broker)?));
        let mut options = MqttOptions::new(name, (broker.host.as_str(), broker.port));
        let mut network = NetworkOptions::new();
        // A record and its acknowledgement are small, and wait for each other.
        network.set_tcp_nodelay(true);
        options
            .set_network_options(network)
            .set_transport(Transport::tls_with_config(tls))
            .set_connect_timeout(CONNECT_WITHIN)
            .set_keep_alive(KEEP_ALIVE_S)
            .set_clean_start(true)
            .set_receive_maximum(Some(UNDER_WAY_MAX))
            .set_outgoing_inflight_upper_limit(UNDER_WAY_MAX)
            .set_max_packet_size(Some(PACKET_LEN_MAX))
            .set_incoming_packet_size_limit(IncomingPacketSizeLimit::Bytes(PACKET_LEN_MAX));
        if let Some(Message { topic, bytes, retained }) = will {
            options.set_last_will(LastWill::new(topic, bytes, QoS::AtLeastOnce, retained, None));
        }
        let built = Client::builder(options).capacity(usize::from(UNDER_WAY_MAX)).try_build();
        let (client, connection) = built.map_err(|e| fault(broker, &e))?;
        Ok(Self { broker: broker.clone(), voice: Voice(client), connection, connected: false })
    }

    /// What comes next; [`Heard::Nothing`] after `wait`. A connection that does not stand yet may take longer.
    ///
    /// # Errors
    /// [`LineFault::Broker`]: the line has ended.
    pub fn hear(&mut self, wait: Duration) -> Result<Heard, LineFault> {
        // A handshake that is cut short would begin anew.
        let wait = if self.connected { wait } else { CONNECT_WITHIN };
        // The client reads what a broker sends that nobody trusts. Should that make it panic, the line ends and no door does.
        let heard = catch_unwind(AssertUnwindSafe(|| self.connection.recv_timeout(wait)));
        match heard.map_err(|_| fault(&self.broker, &"the client panicked on what came"))? {
            Ok(Ok(Event::Incoming(packet))) => self.take(packet),
            Ok(Ok(Event::Outgoing(_) | Event::Auth(_))) => Ok(Heard::Nothing),
            Ok(Err(e)) => Err(fault(&self.broker, &e)),
            Err(RecvTimeoutError::Timeout { .. }) if self.connected => Ok(Heard::Nothing),
            Err(e) => Err(fault(&self.broker, &e)),
        }
    }

    /// Says something along this line.
    #[must_use]
    pub fn voice(&self) -> Voice {
        self.voice.clone()
    }

    /// What the client does not answer by itself.
    fn take(&mut self, packet: Packet) -> Result<Heard, LineFault> {
        if let Packet::Disconnect(disconnect) = &packet {
            let why = format!("it ended the connection: {:?}", disconnect.reason_code);
            return Err(fault(&self.broker, &why));
        }
        if let Packet::Publish(publish) = packet {
            return Ok(Heard::Message(Message {
                topic: String::from_utf8_lossy(&publish.topic).into_owned(),
                bytes: publish.payload.to_vec(),
                retained: publish.retain,
            }));
        }
        let taken = matches!(packet, Packet::ConnAck(_));
        self.connected |= taken;
        Ok(if taken { Heard::Connected } else { Heard::Nothing })
    }
}

impl Voice {
    /// Says something, at least once as long as the line lasts.
    ///
    /// # Errors
    /// [`LineFault::Full`]; it was not said.
    pub fn say(&self, message: Message) -> Result<(), LineFault> {
        let options = PublishOptions::new(QoS::AtLeastOnce).retain(message.retained);
        self.0.try_publish(message.topic, message.bytes, options).map_err(|_| LineFault::Full)
    }

    /// Listens to a topic.
    ///
    /// # Errors
    /// [`LineFault::Full`].
    pub fn listen(&self, topic: &str) -> Result<(), LineFault> {
        self.0.try_subscribe(topic, QoS::AtLeastOnce).map_err(|_| LineFault::Full)
    }

    /// Ends the line in an orderly way: the broker does not say its last will.
    pub fn end(&self) {
        // A line that has ended already needs no end.
        let _ = self.0.try_disconnect();
    }
}

fn fault(broker: &Broker, why: &dyn std::fmt::Display) -> LineFault {
    LineFault::Broker { host: broker.host.clone(), port: broker.port, why: why.to_string() }
}

/// TLS 1.3 and nothing older; the broker's certificate must come from the authority and carry its name.
fn tls(broker: &Broker) -> Result<ClientConfig, LineFault> {
    let file = |path: &Path, why: String| LineFault::File { path: path.to_owned(), why };
    let mut authority = RootCertStore::empty();
    for certificate in certificates(&broker.authority)? {
        authority.add(certificate).map_err(|e| file(&broker.authority, format!("is no authority: {e}")))?;
    }
    let pem = read_key(&broker.key)?;
    let key = PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|e| file(&broker.key, format!("holds no private key in PEM: {e}")))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider has the suites of TLS 1.3")
        .with_root_certificates(authority)
        .with_client_auth_cert(certificates(&broker.certificate)?, key)
        .map_err(|e| file(&broker.certificate, format!("does not fit the key {}: {e}", broker.key.display())))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, LineFault> {
    let file = |why: String| LineFault::File { path: path.to_owned(), why };
    let pem = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(file("holds no certificate in PEM".to_owned())),
        Err(e) => Err(file(format!("holds no certificate in PEM: {e}"))),
    }
}

/// A key that others could read is one no more.
fn read_key(path: &Path) -> Result<Zeroizing<Vec<u8>>, LineFault> {
    let unreadable = |source| LineFault::Read { path: path.to_owned(), source };
    let mode = std::fs::metadata(path).map_err(unreadable)?.permissions().mode();
    if mode & 0o077 != 0 {
        let why = format!("has mode {:04o}, so others may get at it: run `chmod 600` on it", mode & 0o7777);
        return Err(LineFault::File { path: path.to_owned(), why });
    }
    read(path)
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, LineFault> {
    let unreadable = |source| LineFault::Read { path: path.to_owned(), source };
    let mut bytes = Zeroizing::new(Vec::new());
    let file = File::open(path).map_err(unreadable)?;
    file.take(FILE_LEN_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > FILE_LEN_MAX {
        let why = format!("is longer than {FILE_LEN_MAX} bytes");
        return Err(LineFault::File { path: path.to_owned(), why });
    }
    Ok(bytes)
}
