//! The local API: programs on this machine ask whether a live person stands there, and about faces. Off unless the
//! configuration has `[api]`; docs/api.md says what it answers.
//!
//! The door comes first. A session only looks on at what the door does anyway ([`doorward_core::session`]); pictures are
//! looked at by the vision thread, one model at a time, while nobody stands before the cameras ([`errand`]); comparisons are
//! answered by the terminal thread between two steps, and are few. What does not fit is refused with the time to come
//! again. A socket that cannot be served is a fault on record, and no reason to close the door.
//!
//! * [`server`]: sockets, HTTP and its bounds. [`caller`]: who may ask. [`routes`]: what is asked, and the answers.
//! * [`pictures`]: questions about faces. [`sessions`]: sessions and their stream.

pub mod caller;
pub mod errand;
pub mod pictures;
pub mod routes;
pub mod server;
pub mod sessions;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use anyhow::Context as _;
use doorward_core::decision::Cue;
use doorward_core::session::SessionId;
use doorward_core::template::TemplateVersion;
use doorward_hal::clock::Clock;
use doorward_protocol::audit::FaultReport;
use tokio::sync::{Semaphore, broadcast, watch};
use zeroize::Zeroizing;

use self::errand::{Errand, Errands};
use crate::supervise::{Beat, Supervisor};
use crate::terminal::{Input, Observation, chain};

/// Pause before a socket that could not be served is tried again.
const AGAIN: Duration = Duration::from_secs(5);
/// Results that wait for a stream; each session has one.
const ENDED_MAX: usize = 16;

/// What the configuration says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiConfig {
    /// The socket; whoever may write to it may ask.
    pub socket: Option<PathBuf>,
    /// An address on the loopback interface, for whoever shows the token.
    pub listen: Option<SocketAddr>,
    /// Where the token lies; `credential` where systemd opens it.
    pub token: Option<PathBuf>,
    /// What may be asked.
    pub allowed: Allowed,
}

/// What may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Allowed {
    /// Liveness sessions.
    pub sessions: bool,
    /// Where the faces of a picture are.
    pub detect: bool,
    /// Whether two faces are one person's.
    pub compare: bool,
    /// Whose face it is.
    pub search: bool,
    /// Whether templates are given out, and taken back as a face to compare with.
    pub reference: bool,
}

impl Allowed {
    /// What may be asked, in the words of the configuration.
    #[must_use]
    pub fn words(&self) -> Vec<&'static str> {
        let all = [
            ("sessions", self.sessions),
            ("detect", self.detect),
            ("compare", self.compare),
            ("search", self.search),
            ("reference", self.reference),
        ];
        all.into_iter().filter(|(_, may)| *may).map(|(word, _)| word).collect()
    }
}

/// The API before the terminal runs.
pub struct Api {
    config: ApiConfig,
    token: Option<Zeroizing<[u8; 32]>>,
    cues: watch::Sender<Cue>,
    ended: broadcast::Sender<SessionId>,
}

/// What answering takes.
pub struct Desk {
    /// What may be asked.
    pub allowed: Allowed,
    /// What a live person is worth at this terminal.
    pub level: &'static str,
    /// The models whose templates are compared here.
    pub version: TemplateVersion,
    clock: Arc<dyn Clock>,
    token: Option<Zeroizing<[u8; 32]>>,
    terminal: SyncSender<Input>,
    errands: SyncSender<Errand>,
    cues: watch::Receiver<Cue>,
    ended: broadcast::Sender<SessionId>,
    /// One question at a time waits in the terminal's queue, which is the door's.
    asking: Semaphore,
    /// One picture at a time is decoded and looked at.
    looking: Semaphore,
}

impl Api {
    /// Prepares it. Without its token nothing starts: a door whose lock is the network's is no door.
    ///
    /// # Errors
    /// When the token cannot be read.
    pub fn prepare(config: ApiConfig) -> anyhow::Result<Self> {
        let token = config.token.as_ref().map(|path| {
            let source = doorward_store::KeySource::named(path)?;
            doorward_store::api_token(&source)
        });
        let token = token.transpose().context("load the token of the local API (api.token_file)")?;
        let (cues, ended) = (watch::Sender::new(Cue::Idle), broadcast::Sender::new(ENDED_MAX));
        Ok(Self { config, token, cues, ended })
    }

    /// Looks on beside whoever observes already.
    #[must_use]
    pub fn beside(
        &self,
        mut observer: Box<dyn FnMut(Observation) + Send>,
    ) -> Box<dyn FnMut(Observation) + Send> {
        let (cues, ended) = (self.cues.clone(), self.ended.clone());
        Box::new(move |observation| {
            match &observation {
                Observation::Shown(cue) => {
                    let _ = cues.send_replace(*cue);
                }
                // Nobody may be listening any more.
                Observation::SessionEnded(session) => {
                    let _ = ended.send(*session);
                }
                Observation::Decided(..)
                | Observation::Unrecorded(..)
                | Observation::Relay(_)
                | Observation::Recorded
                | Observation::Stands(_) => {}
            }
            observer(observation);
        })
    }

    /// Starts its thread. Returns what the vision thread does for it.
    #[must_use]
    pub fn start(
        self,
        threads: &mut Supervisor,
        clock: &Arc<dyn Clock>,
        terminal: &SyncSender<Input>,
        (version, level): (TemplateVersion, &'static str),
    ) -> Errands {
        let (errands, taken) = errand::link();
        let desk = Desk {
            allowed: self.config.allowed,
            level,
            version,
            clock: Arc::clone(clock),
            token: self.token,
            terminal: terminal.clone(),
            errands,
            cues: self.cues.subscribe(),
            ended: self.ended,
            asking: Semaphore::new(1),
            looking: Semaphore::new(1),
        };
        let config = self.config;
        // The sender has to live as long as the desk looks at its cues; the observer holds one, too.
        let cues = self.cues;
        threads.spawn("api", false, move |beat| {
            let _cues = cues;
            serve(&beat, &config, Arc::new(desk))
        });
        taken
    }
}

/// The body of the thread.
fn serve(beat: &Beat, config: &ApiConfig, desk: Arc<Desk>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // Pictures are decoded there, one at a time.
        .max_blocking_threads(1)
        .build()
        .context("start the local API")?;
    let mut faulty = false;
    while !beat.stopping() {
        let opened = runtime.block_on(async { server::open(config) });
        let report = match &opened {
            Ok(_) => std::mem::take(&mut faulty),
            Err(fault) => {
                tracing::error!("the local API is not served: {}", chain(fault));
                !std::mem::replace(&mut faulty, true)
            }
        };
        if report {
            let report = FaultReport { part: "api".into(), code: "not_served".into(), set: faulty };
            desk.terminal.send(Input::Fault(report)).context("the terminal thread is gone")?;
        }
        match opened {
            Ok(sockets) => runtime.block_on(server::serve(sockets, &desk, || beat.stopping())),
            Err(_) => runtime.block_on(pause(beat)),
        }
    }
    // Streams never end by themselves.
    runtime.shutdown_background();
    Ok(())
}

async fn pause(beat: &Beat) {
    let steps = AGAIN.as_millis() / server::LOOK_EVERY.as_millis();
    for _ in 0..steps {
        if beat.stopping() {
            return;
        }
        tokio::time::sleep(server::LOOK_EVERY).await;
    }
}

#[cfg(test)]
mod tests;
