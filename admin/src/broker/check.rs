//! `doorctl broker check`: what is wrong with a broker, in words.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use doorward_protocol::envelope::MESSAGE_LEN_MAX;
use doorward_protocol::ids::{SiteId, TerminalId};

use super::trust::{self, Papers, Version};
use super::wire::{Welcome, Wire};
use crate::answer::{Answer, Stop};
use crate::text;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a message that must not come is waited for.
const SILENCE: Duration = Duration::from_millis(700);
/// Where brokers listen without TLS.
const PLAIN_PORT: u16 = 1883;
/// From here on, a reason is a refusal.
const REFUSED: u8 = 0x80;
/// As whom a client without a certificate comes: under another name than ours, whose conversation it would end.
const NOBODY: &str = "doorctl-check";
/// What a trial message says: nothing that anybody would take.
const TRIAL: &[u8] = b"doorctl broker check";

/// Options of `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The broker's name or address, as terminals call it.
    #[arg(long)]
    host: String,
    /// Its port for TLS.
    #[arg(long, default_value_t = 8883)]
    port: u16,
    /// The site.
    #[arg(long)]
    site: SiteId,
    /// The terminal whose certificate is shown.
    #[arg(long)]
    name: TerminalId,
    /// The authority that signed the broker's certificate.
    #[arg(long, value_name = "FILE")]
    authority: PathBuf,
    /// The terminal's certificate.
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
    /// Its private key.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

/// One thing that was looked at.
struct Finding {
    well: bool,
    text: String,
}

/// Runs the command.
///
/// # Errors
/// [`Stop::Refused`] where something is wrong.
pub(super) fn run(options: &Check, out: &mut dyn Write) -> Answer {
    let findings = look(options)?;
    for finding in &findings {
        let word = if finding.well { "well " } else { "WRONG" };
        writeln!(out, "{word}  {}", text::printable(&finding.text))?;
    }
    match findings.iter().filter(|finding| !finding.well).count() {
        0 => Ok(()),
        count => {
            Err(Stop::refused(format!("{count} of {} things are wrong with this broker", findings.len())))
        }
    }
}

fn look(options: &Check) -> anyhow::Result<Vec<Finding>> {
    let own = Some((options.certificate.as_path(), options.key.as_path()));
    let papers = Papers { authority: &options.authority, own };
    let nobody = Papers { authority: &options.authority, own: None };
    let mut findings = plain(options);
    let config = trust::told(&papers, Version::Present)?;
    let welcomed = socket(options, options.port)
        .and_then(|socket| trust::shake(config, &options.host, socket))
        .map(Wire::new)
        .and_then(|mut wire| wire.connect(options.name.as_str()).map(|welcome| (wire, welcome)));
    let (mut wire, welcome) = match welcomed {
        Ok(welcomed) => welcomed,
        Err(fault) => {
            let text = format!("a terminal does not get in: {}", said(&fault));
            findings.push(Finding { well: false, text });
            return Ok(findings);
        }
    };
    findings.push(let_in(welcome));
    findings.push(older(options, &papers)?);
    findings.push(without_certificate(options, &nobody)?);
    if welcome.reason < REFUSED {
        findings.push(room(welcome));
        let tried = speak(options, &mut wire).and_then(|spoken| {
            findings.extend(spoken);
            wire.stream.sock.set_read_timeout(Some(SILENCE))?;
            wire.listen()
        });
        findings.push(match tried {
            Ok(topics) => hear(&topics),
            Err(fault) => {
                let text = format!("the broker ended the conversation: {}", said(&fault));
                Finding { well: false, text }
            }
        });
    }
    Ok(findings)
}

fn let_in(welcome: Welcome) -> Finding {
    let well = welcome.reason < REFUSED;
    let text = match well {
        true => "a terminal gets in by TLS 1.3 with its certificate, and the broker's certificate is the right one".into(),
        false => format!("a terminal with a certificate is refused by the broker, reason {:#04x}", welcome.reason),
    };
    Finding { well, text }
}

/// Whether the broker talks to anybody without TLS.
fn plain(options: &Check) -> Vec<Finding> {
    let mut ports = vec![options.port];
    if options.port != PLAIN_PORT {
        ports.push(PLAIN_PORT);
    }
    let mut findings: Vec<Finding> = Vec::new();
    for port in ports {
        let answered =
            socket(options, port).and_then(|socket| Wire::new(socket).connect(options.name.as_str()));
        if answered.is_ok() {
            let text =
                format!("port {port} answers without TLS: take that listener out of the configuration");
            findings.push(Finding { well: false, text });
        }
    }
    if findings.is_empty() {
        findings.push(Finding { well: true, text: "nothing answers without TLS".into() });
    }
    findings
}

fn older(options: &Check, papers: &Papers<'_>) -> anyhow::Result<Finding> {
    let config = trust::told(papers, Version::Older)?;
    let spoken = socket(options, options.port).and_then(|socket| trust::shake(config, &options.host, socket));
    Ok(match spoken {
        Ok(_) => Finding { well: false, text: "it speaks TLS 1.2 as well: set tls_version tlsv1.3".into() },
        Err(_) => Finding { well: true, text: "it refuses TLS 1.2".into() },
    })
}

fn without_certificate(options: &Check, nobody: &Papers<'_>) -> anyhow::Result<Finding> {
    let config = trust::told(nobody, Version::Present)?;
    let answered = socket(options, options.port)
        .and_then(|socket| trust::shake(config, &options.host, socket))
        .and_then(|stream| Wire::new(stream).connect(NOBODY));
    Ok(match answered {
        Ok(welcome) if welcome.reason < REFUSED => Finding {
            well: false,
            text: "it lets in clients without a certificate: set require_certificate true and allow_anonymous false".into(),
        },
        Ok(_) => Finding {
            well: false,
            text: "it talks to clients without a certificate before it refuses them: set require_certificate true".into(),
        },
        Err(_) => Finding { well: true, text: "it refuses clients without a certificate".into() },
    })
}

fn room(welcome: Welcome) -> Finding {
    match welcome.longest {
        Some(longest) if (longest as usize) < MESSAGE_LEN_MAX + 1024 => Finding {
            well: false,
            text: format!(
                "it takes packets of {longest} bytes, Doorward's have up to {MESSAGE_LEN_MAX} and a topic: set \
                max_packet_size 266240"
            ),
        },
        Some(longest) => Finding { well: true, text: format!("it takes packets of {longest} bytes") },
        None => Finding {
            well: false,
            text: "it sets no limit to the length of a packet: set max_packet_size 266240".into(),
        },
    }
}

/// Tries what a terminal may and may not say, then asks for what it may not hear.
fn speak<S: Read + Write>(options: &Check, wire: &mut Wire<S>) -> io::Result<Vec<Finding>> {
    let (site, own) = (&options.site, &options.name);
    let mut findings = Vec::new();
    let mine = format!("doorward/{site}/{own}/health");
    let taken = wire.publish(&mine, TRIAL)? < REFUSED;
    let text = match taken {
        true => "a terminal may speak on its own topics",
        false => {
            "a terminal may not speak on its own topics: look at acl_file, and at use_identity_as_username"
        }
    };
    findings.push(Finding { well: taken, text: text.into() });
    let foreign = [
        format!("doorward/{site}/not-{own}/audit"),
        format!("doorward/{site}/{own}/cmd"),
        format!("doorward/{site}/{own}/audit/ack"),
        format!("doorward/not-{site}/{own}/audit"),
    ];
    let mut spoken = Vec::new();
    for topic in foreign {
        if wire.publish(&topic, TRIAL)? < REFUSED {
            spoken.push(topic);
        }
    }
    findings.push(match spoken.is_empty() {
        true => Finding { well: true, text: "a terminal may not speak for others or for the centre".into() },
        false => Finding {
            well: false,
            text: format!("a terminal may speak on {}: the access list is too wide", spoken.join(", ")),
        },
    });
    // Whoever hears its own health by a wildcard hears everybody's. A broker need not refuse to be asked, as long as
    // nothing comes of it.
    wire.subscribe(&format!("doorward/{site}/+/health"))?;
    wire.subscribe("#")?;
    wire.publish(&mine, TRIAL)?;
    Ok(findings)
}

fn hear(topics: &[String]) -> Finding {
    let told = |topic: &&String| ["/health", "/audit", "/state"].iter().any(|end| topic.ends_with(end));
    match topics.iter().find(told) {
        None => Finding { well: true, text: "a terminal does not hear what terminals say".into() },
        Some(topic) => {
            Finding { well: false, text: format!("a terminal hears {topic}: the access list is too wide") }
        }
    }
}

fn socket(options: &Check, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in (options.host.as_str(), port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(socket) => {
                socket.set_read_timeout(Some(PATIENCE))?;
                socket.set_write_timeout(Some(PATIENCE))?;
                return Ok(socket);
            }
            Err(fault) => last = fault,
        }
    }
    Err(last)
}

fn said(fault: &io::Error) -> String {
    let kind = fault.kind();
    let plain = || {
        if kind == io::ErrorKind::ConnectionRefused {
            "nothing listens there".to_owned()
        } else if [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset].contains(&kind) {
            "it hung up".to_owned()
        } else {
            fault.to_string()
        }
    };
    trust::words(fault).unwrap_or_else(plain)
}
