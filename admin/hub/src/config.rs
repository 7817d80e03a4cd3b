//! The configuration, from one file. Names that it does not know are mistakes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use doorward_protocol::hex::unhex;
use doorward_protocol::ids::{SiteId, TerminalId};
use doorward_protocol::keys::PublicKey;
use serde::Deserialize;

use crate::database::Address;
use crate::site::Beginning;
use crate::tls::Files;

/// Sites of one hub.
const SITES_MAX: usize = 64;

/// What the hub is told.
#[derive(Debug)]
pub struct Config {
    /// Where it keeps.
    pub database: Address,
    /// The file of the key that acknowledges.
    pub key: PathBuf,
    /// The broker.
    pub broker: Broker,
    /// Where it is asked and looked at.
    pub http: Http,
    /// Its sites.
    pub sites: Vec<Beginning>,
}

/// See [`Config::broker`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Broker {
    /// Its name, which its certificate must have.
    pub host: String,
    /// Its port for TLS.
    #[serde(default = "port")]
    pub port: u16,
    /// Our name there, which is our certificate's.
    pub name: TerminalId,
    authority: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl Broker {
    /// The files that TLS is spoken with.
    #[must_use]
    pub fn files(&self) -> Files {
        Files {
            authority: self.authority.clone(),
            certificate: self.certificate.clone(),
            key: self.key.clone(),
        }
    }
}

/// See [`Config::http`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// The address; of this machine itself, because what is spoken there is not encrypted.
    pub listen: SocketAddr,
    /// The file of the token that whoever asks must show.
    pub token_file: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    database: String,
    password_file: Option<PathBuf>,
    key: PathBuf,
    broker: Broker,
    http: Http,
    #[serde(rename = "site")]
    sites: Vec<RawSite>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSite {
    name: SiteId,
    root: String,
    genesis: String,
}

fn port() -> u16 {
    8883
}

/// Reads a configuration.
///
/// # Errors
/// What is wrong with it, and where.
pub fn read(path: &Path) -> anyhow::Result<Config> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    parse(&text).with_context(|| format!("in {}", path.display()))
}

fn parse(text: &str) -> anyhow::Result<Config> {
    let raw: Raw = toml::from_str(text)?;
    let database: Address = raw.database.parse().context("database")?;
    let listen = raw.http.listen;
    ensure!(
        listen.ip().is_loopback(),
        "http.listen is {listen}: what is spoken there is not encrypted; listen on 127.0.0.1 and put a proxy with TLS \
         before it"
    );
    ensure!((1..=SITES_MAX).contains(&raw.sites.len()), "a hub has 1 to {SITES_MAX} sites");
    let mut sites: Vec<Beginning> = Vec::new();
    for site in raw.sites {
        let name = site.name;
        if sites.iter().any(|other| other.site == name) {
            bail!("site {name} is named twice");
        }
        let root = PublicKey::parse(&site.root)
            .with_context(|| format!("site {name}: root has the 64 digits that `doorctl keys list` says"))?;
        let genesis = unhex(&site.genesis).with_context(|| {
            format!("site {name}: genesis has the 64 digits that `doorctl keys list` says")
        })?;
        sites.push(Beginning { site: name, root, genesis });
    }
    Ok(Config {
        database: database.with_password(raw.password_file.as_deref()),
        key: raw.key,
        broker: raw.broker,
        http: raw.http,
        sites,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The configuration that is shipped, with a site filled in.
    fn shipped() -> String {
        let root = PublicKey::of(&ed25519_dalek::SigningKey::from_bytes(&[1; 32])).hex();
        let text = include_str!("../doorhub.toml");
        text.replace("ROOT", &root).replace("GENESIS", &"09".repeat(32))
    }

    #[test]
    fn the_configuration_that_is_shipped_is_understood() {
        let config = parse(&shipped()).unwrap();
        assert_eq!(config.broker.port, 8883);
        assert_eq!(config.sites.len(), 1);
        assert!(config.http.listen.ip().is_loopback());
    }

    #[test]
    fn h7_nothing_works_before_the_site_is_filled_in() {
        let told = format!("{:#}", parse(include_str!("../doorhub.toml")).unwrap_err());
        assert!(told.contains("doorctl keys list"), "{told}");
    }

    #[test]
    fn mistakes_are_named() {
        for (from, to, told) in [
            ("127.0.0.1:8470", "0.0.0.0:8470", "not encrypted"),
            ("[http]", "[http]\ntoken = \"x\"", "token"),
            ("[[site]]", "[[site]]\nname = \"hq\"\nroot = \"\"\ngenesis = \"\"\n[[site]]", "64 digits"),
            ("port = 8883", "port = 99999", "port"),
        ] {
            let text = shipped().replace(from, to);
            let fault = format!("{:#}", parse(&text).unwrap_err());
            assert!(fault.contains(told), "{to}: {fault}");
        }
    }
}
