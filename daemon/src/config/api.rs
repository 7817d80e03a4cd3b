//! `[api]`: what programs on this machine may ask. Without it nobody may ask anything.

use std::net::SocketAddr;
use std::path::PathBuf;

use doorward_protocol::ids::TerminalId;
use serde::Deserialize;

use super::{Check, ConfigError};
use crate::api::{Allowed, ApiConfig};

/// Where the socket lies unless it is said: a folder of doord's, one socket a terminal.
const FOLDER: &str = "/run/doorward";
/// The longest path that a socket's address has room for (`sun_path`, unix(7)), with the zero behind it.
const PATH_LEN_MAX: usize = 107;

/// The section as the file has it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ApiSection {
    socket: Option<PathBuf>,
    listen: Option<String>,
    token_file: Option<PathBuf>,
    allow: Vec<Word>,
}

/// What may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Sessions,
    Detect,
    Compare,
    Search,
    Reference,
}

impl Default for ApiSection {
    fn default() -> Self {
        Self { socket: None, listen: None, token_file: None, allow: vec![Word::Sessions] }
    }
}

impl Check<'_> {
    pub(super) fn api(&self, section: &ApiSection, terminal: &TerminalId) -> Result<ApiConfig, ConfigError> {
        let socket = match (&section.socket, &section.listen) {
            (None, None) => Some(PathBuf::from(format!("{FOLDER}/{terminal}.sock"))),
            (socket, _) => socket.clone(),
        };
        if let Some(path) =
            socket.as_ref().filter(|path| !path.is_absolute() || path.as_os_str().len() > PATH_LEN_MAX)
        {
            let allowed = format!("a path from the root on, of at most {PATH_LEN_MAX} bytes");
            return Err(self.refuse("api.socket", path.display(), allowed));
        }
        let listen = section.listen.as_ref().map(|text| {
            let address = text.parse::<SocketAddr>().ok().filter(|at| at.ip().is_loopback() && at.port() != 0);
            address.ok_or_else(|| {
                let allowed = "an address of the loopback interface with its port, like 127.0.0.1:8471; other machines \
                    ask the centre";
                self.refuse("api.listen", format!("{text:?}"), allowed)
            })
        });
        let listen = listen.transpose()?;
        if listen.is_some() && section.token_file.is_none() {
            let allowed = "anybody on this machine can reach api.listen: name a file with the token, made by \
                `openssl rand -hex 32`";
            return Err(self.refuse("api.token_file", "nothing", allowed));
        }
        let may = |word| section.allow.contains(&word);
        let allowed = Allowed {
            sessions: may(Word::Sessions),
            detect: may(Word::Detect),
            compare: may(Word::Compare),
            search: may(Word::Search),
            reference: may(Word::Reference),
        };
        Ok(ApiConfig {
            socket,
            token: section.token_file.clone().filter(|_| listen.is_some()),
            listen,
            allowed,
        })
    }
}
