//! From a configuration to a running hub, and to its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use tokio::sync::watch;

use crate::centre::Centre;
use crate::config::Config;
use crate::database::Database;
use crate::http::{self, Desk, Token};
use crate::keeper::{Keeper, QUEUE_MAX, Work};
use crate::link::{self, OUTGOING_MAX, Way};
use crate::tally::Tally;
use crate::{secret, tls};

/// Threads that serve the broker and whoever asks; the database has its own.
const THREADS: usize = 2;
/// How long ending may take.
const END_MAX: Duration = Duration::from_secs(5);

/// Looks at everything a configuration names, and changes nothing but the database's schema.
///
/// # Errors
/// What is wrong.
pub fn check(config: &Config) -> anyhow::Result<()> {
    prepare(config).map(drop)
}

/// Serves until the process is told to stop.
///
/// # Errors
/// What keeps it from starting, or ended it.
pub fn run(config: Config) -> anyhow::Result<()> {
    let (centre, database, way, desk, work) = prepare(&config)?;
    let (outgoing, to_send) = tokio::sync::mpsc::channel(OUTGOING_MAX);
    let sites = config.sites.iter().map(|site| site.site.clone()).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let tally = desk.tally().clone();
    let keeper = Keeper { centre, database, outgoing, tally: tally.clone(), news: desk.news().clone() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
    let ended = Arc::clone(&stop);
    let asked = desk.work().clone();
    // Dropped at the very end: a connection to PostgreSQL must not end among the threads that serve.
    let _desk = desk.clone();
    let (gone, mut keeper_gone) = watch::channel(());
    let kept = std::thread::Builder::new().name("keeper".into()).spawn(move || {
        // Dropped however the thread ends, so that its end is the program's.
        let _gone = gone;
        keeper.run(&work, &ended);
    })?;
    let outcome = runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(config.http.listen)
            .await
            .with_context(|| format!("listen on {}", config.http.listen))?;
        tracing::info!("serving on http://{}", listener.local_addr()?);
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
        let (end, ending) = watch::channel(false);
        let linked = tokio::spawn(link::run(way, sites, asked, to_send, tally, ending));
        let outcome = tokio::select! {
            served = http::serve(listener, desk) => served,
            told = told_to_end() => told,
            _ = keeper_gone.changed() => Err(anyhow!("the thread that keeps has ended; the log says why")),
        };
        let _ = end.send(true);
        let _ = linked.await;
        outcome
    });
    stop.store(true, Ordering::Relaxed);
    kept.thread().unpark();
    runtime.shutdown_timeout(END_MAX);
    kept.join().map_err(|_| anyhow!("the thread that keeps has panicked"))?;
    outcome
}

/// Everything that is opened and read before anything is served.
type Prepared = (Centre, Database, Way, Desk, mpsc::Receiver<Work>);

fn prepare(config: &Config) -> anyhow::Result<Prepared> {
    let key = secret::key(&config.key)?;
    let token = Token::read(&config.http.token_file)?;
    let way = Way {
        host: config.broker.host.clone(),
        port: config.broker.port,
        name: config.broker.name.to_string(),
        tls: tls::client(&config.broker.files())?,
    };
    let tally = Tally::default();
    let mut database = Database::open(&config.database)?;
    let reader = Database::open(&config.database)?;
    let centre = Centre::open(config.sites.clone(), key, &mut database, tally.clone())?;
    tally.set_keeping(true);
    let (asked, work) = mpsc::sync_channel(QUEUE_MAX);
    let sites = config.sites.iter().map(|site| site.site.clone()).collect();
    Ok((centre, database, way, Desk::new(sites, reader, asked, tally, token), work))
}

async fn told_to_end() -> anyhow::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.context("wait for Ctrl-C"),
        _ = terminate.recv() => Ok(()),
    }
}
