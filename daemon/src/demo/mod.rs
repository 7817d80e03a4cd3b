//! `doord demo`: a whole terminal with a drawn door. Cameras show rendered scenes or the visitor; everything behind
//! them is the real thing: models, rules, encrypted store, audit chain, outbox.
//!
//! * [`finding`], [`cast`]: models and people; who plays, and the visitor.
//! * [`show`]: the running terminal; [`scenes`], [`visitor`]: what can be done with it; [`clerk`] reads its audit trail.
//! * [`server`]: the page and its requests; [`page`]: what the page is told.
//! * [`centre`]: stands for the hub; [`words`]: decisions for people.

pub mod cast;
pub mod centre;
pub mod clerk;
pub mod finding;
pub mod page;
pub mod scenes;
pub mod server;
pub mod show;
pub mod visitor;
pub mod words;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use doorward_hal::clock::SystemClock;

/// What `doord demo` was asked for.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the page is served. Loopback only: the demo has no login.
    pub address: SocketAddr,
    /// A folder with a model pack; none: the usual places.
    pub models: Option<PathBuf>,
    /// A folder of portraits; none: the people of the demo, who do not exist.
    pub photos: Option<PathBuf>,
    /// Where the local API is served; none: nowhere.
    pub api: Option<PathBuf>,
    /// Whether the level is `high` instead of `standard`.
    pub high: bool,
}

/// Runs the demo until it is interrupted. Its store lies in a temporary folder that is removed at the end.
///
/// # Errors
/// When the address is not loopback or taken, or the temporary folder cannot be made.
pub fn run(options: &Options) -> anyhow::Result<()> {
    anyhow::ensure!(
        options.address.ip().is_loopback(),
        "the demo has no login and serves the loopback address only; {} is another",
        options.address.ip()
    );
    let folder =
        tempfile::Builder::new().prefix("doorward-demo-").tempdir().context("make a temporary folder")?;
    let show = show::Show::prepare(options, folder.path(), Arc::new(SystemClock::default()))?;
    let outcome = server::serve(options.address, Arc::clone(&show));
    show.end();
    outcome
}
