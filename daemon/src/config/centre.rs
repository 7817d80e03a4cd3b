//! `[centre]`: the broker between this terminal and the centre, and the site's root key. Without it a terminal works
//! alone.

use std::path::PathBuf;

use doorward_protocol::hex::unhex;
use doorward_protocol::keys::PublicKey;
use doorward_protocol::roster;
use serde::Deserialize;

use super::{Check, ConfigError};
use crate::centre::CentreConfig;
use crate::centre::line::Broker;

/// Letters of a host's name, as DNS has them.
const HOST_LEN_MAX: usize = 253;

/// The section as the file has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CentreSection {
    broker: String,
    authority: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
    root: String,
    genesis: String,
    opening_key: PathBuf,
    joined: Option<String>,
}

impl Check<'_> {
    pub(super) fn centre(&self, section: &CentreSection) -> Result<CentreConfig, ConfigError> {
        let (host, port) = split(&section.broker).ok_or_else(|| {
            self.refuse(
                "centre.broker",
                format!("{:?}", section.broker),
                "a host and a port, like hub.example:8883",
            )
        })?;
        let root = PublicKey::parse(&section.root).ok_or_else(|| {
            let allowed = "the site's root key: 64 hexadecimal digits, as `doorctl keys` shows them";
            self.refuse("centre.root", format!("{:?}", section.root), allowed)
        })?;
        let genesis = unhex(&section.genesis).ok_or_else(|| {
            let allowed = "the genesis of the site's roster: 64 hexadecimal digits";
            self.refuse("centre.genesis", format!("{:?}", section.genesis), allowed)
        })?;
        let broker = Broker {
            host,
            port,
            authority: section.authority.clone(),
            certificate: section.certificate.clone(),
            key: section.key.clone(),
        };
        let joined = section.joined.as_ref().map(|text| {
            head(text).ok_or_else(|| {
                let allowed = "a number and 64 hexadecimal digits, as `doorctl terminal accept` printed them";
                self.refuse("centre.joined", format!("{text:?}"), allowed)
            })
        });
        let (opening_key, joined) = (section.opening_key.clone(), joined.transpose()?);
        Ok(CentreConfig { broker, root, genesis, joined, opening_key })
    }
}

/// Number and hash of a roster's entry.
fn head(text: &str) -> Option<roster::Head> {
    let (seq, hash) = text.split_once(':')?;
    Some(roster::Head { seq: seq.parse().ok()?, hash: unhex(hash)? })
}

/// Host and port; an IPv6 address stands in brackets.
fn split(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = bare.or_else(|| (!host.contains(':')).then_some(host))?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    let fits = !host.is_empty() && host.len() <= HOST_LEN_MAX && host.is_ascii();
    (fits && !host.contains(char::is_whitespace)).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_the_roster_is_a_number_and_its_hash() {
        let digits = "0a".repeat(32);
        assert_eq!(head(&format!("12:{digits}")), Some(roster::Head { seq: 12, hash: [10; 32] }));
        for wrong in ["", "12", "12:", "12:0a", &digits, &format!("-1:{digits}"), &format!("x:{digits}")] {
            assert_eq!(head(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_broker_is_a_host_and_a_port() {
        assert_eq!(split("hub.example:8883"), Some(("hub.example".to_owned(), 8883)));
        assert_eq!(split("[fd00::7]:8883"), Some(("fd00::7".to_owned(), 8883)));
        for wrong in ["", "hub", "hub:", "hub:0", "hub:99999", ":8883", "fd00::7:8883", "a b:8883", "[]:1"] {
            assert_eq!(split(wrong), None, "{wrong}");
        }
    }
}
