//! What doorctl asks a hub. The hub is believed nothing: what it hands out is verified by whoever asked.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use clap::Args;
use doorward_protocol::audit::LivenessLevel;
use doorward_protocol::envelope::MESSAGE_LEN_MAX;
use doorward_protocol::hex::unhex_all;
use doorward_protocol::ids::{SiteId, TerminalId};
use serde::Deserialize;
use ureq::Agent;
use zeroize::Zeroizing;

use crate::answer::{Answer, Stop};
use crate::keyfile;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest answer: a page of entries, in digits.
const ANSWER_MAX: u64 = 64 * 2 * MESSAGE_LEN_MAX as u64;

/// Where a hub is.
#[derive(Debug, Args)]
pub struct Hub {
    /// The hub's address, on this machine: open a tunnel to another one's.
    #[arg(long, value_name = "URL")]
    pub hub: String,
    /// The file of the hub's token.
    #[arg(long, value_name = "FILE")]
    pub token_file: PathBuf,
}

/// A hub that can be asked.
pub struct Line {
    agent: Agent,
    base: String,
    word: Zeroizing<String>,
}

impl Hub {
    /// Reads the token; nothing is asked yet.
    ///
    /// # Errors
    /// A token that others can read, or an address at which others could listen to it.
    pub fn open(&self) -> anyhow::Result<Line> {
        let base = self.hub.trim_end_matches('/').to_owned();
        let host = base.strip_prefix("http://").unwrap_or_default();
        let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
        ensure!(
            ["127.0.0.1", "[::1]", "localhost"].contains(&host),
            "--hub {base}: the token is sent to http:// addresses of this machine only; open a tunnel to the hub, as in \
             `ssh -L 8470:127.0.0.1:8470 HUB`"
        );
        let token = keyfile::secret(&self.token_file, "token")?;
        let word = Zeroizing::new(format!("Bearer {}", token.trim()));
        let config =
            Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).proxy(None);
        Ok(Line { agent: config.build().into(), base, word })
    }
}

impl Line {
    /// Asks for something.
    ///
    /// # Errors
    /// [`Stop::Refused`] in the hub's own words.
    pub fn get<T: for<'a> Deserialize<'a>>(&self, path: &str) -> Answer<T> {
        let address = format!("{}{path}", self.base);
        let asked = self.agent.get(&address).header("authorization", self.word.as_str()).call();
        self.answer(&address, asked)
    }

    /// Hands something in.
    ///
    /// # Errors
    /// [`Stop::Refused`] in the hub's own words.
    pub fn post<T: for<'a> Deserialize<'a>>(&self, path: &str, body: &[u8]) -> Answer<T> {
        let address = format!("{}{path}", self.base);
        let asked = self.agent.post(&address).header("authorization", self.word.as_str()).send(body);
        self.answer(&address, asked)
    }

    fn answer<T: for<'a> Deserialize<'a>>(
        &self,
        address: &str,
        asked: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Answer<T> {
        let mut answer = asked.with_context(|| format!("ask the hub at {address}"))?;
        let status = answer.status();
        let text = answer.body_mut().with_config().limit(ANSWER_MAX).read_to_string();
        let text = text.with_context(|| format!("read the hub's answer from {address}"))?;
        if !status.is_success() {
            let told = serde_json::from_str(&text).map_or(text, |refusal: Refusal| refusal.error);
            return Err(Stop::refused(format!("the hub: {}", crate::text::printable(&told))));
        }
        Ok(serde_json::from_str(&text).with_context(|| format!("{address} does not answer as a hub does"))?)
    }
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

#[derive(Deserialize)]
struct Entries {
    entries: Vec<String>,
}

/// Entries of a site's roster after number `after`, as they were signed.
///
/// # Errors
/// [`Stop::Refused`] in the hub's own words.
pub fn entries(line: &Line, site: &SiteId, after: u64) -> Answer<Vec<Vec<u8>>> {
    let page: Entries = line.get(&format!("/api/v1/sites/{site}/roster?after={after}"))?;
    let entry = |digits: &String| unhex_all(digits).ok_or_else(|| anyhow!("the hub's entry is no digits"));
    Ok(page.entries.iter().map(entry).collect::<Result<_, _>>()?)
}

/// Hands in an entry.
///
/// # Errors
/// [`Stop::Refused`] in the hub's own words.
pub fn hand_in(line: &Line, site: &SiteId, entry: &[u8]) -> Answer {
    line.post::<serde_json::Value>(&format!("/api/v1/sites/{site}/roster"), entry).map(drop)
}

/// A terminal as a hub knows it.
#[derive(Debug, Clone, Deserialize)]
pub struct Known {
    /// Its name.
    pub terminal: TerminalId,
    /// Its present life, which an order must name.
    pub session: String,
    /// `online`, `silent` or `away`.
    pub presence: String,
    /// How much evidence of life it asks for; none from an older version, or where an older hub kept it.
    #[serde(default)]
    pub level: Option<LivenessLevel>,
    /// The newest roster entry that it follows.
    pub roster: Option<u64>,
    /// Whether it holds what was signed there; none where it is behind.
    pub holds_what_was_signed: Option<bool>,
    /// What it said that it holds, as it signed it; none where an older hub kept it.
    pub signed: Option<String>,
}

#[derive(Deserialize)]
struct Terminals {
    terminals: Vec<Known>,
    next: Option<TerminalId>,
}

/// Every terminal of a site that ever said how it is.
///
/// # Errors
/// [`Stop::Refused`] in the hub's own words.
pub fn terminals(line: &Line, site: &SiteId) -> Answer<Vec<Known>> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let page: Terminals = line.get(&format!("/api/v1/sites/{site}/terminals?count=500&after={after}"))?;
        all.extend(page.terminals);
        match page.next {
            Some(next) => after = next.to_string(),
            None => return Ok(all),
        }
    }
}
