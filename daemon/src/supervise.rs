//! Threads under one roof: the first that ends or panics ends the program with a named cause, and systemd starts it
//! anew. The watchdog is fed only while every watched thread makes progress: a live process is not enough.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use doorward_core::time::Mono;
use doorward_hal::clock::Clock;

/// A watched thread that has not moved for this long hangs. Longer than any inference or retry, shorter than the 10 s
/// of `WatchdogSec` in the unit.
const STALE_AFTER: Duration = Duration::from_secs(4);
/// How often the watchdog is fed.
const FEED_EVERY: Duration = Duration::from_secs(1);
/// How long threads may take to end: the decision in hand, the lock, the store.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// A thread's sign of life, and its way to learn that it should end.
#[derive(Clone)]
pub struct Beat {
    at: Arc<AtomicU64>,
    stopping: Arc<AtomicBool>,
    clock: Arc<dyn Clock>,
}

impl Beat {
    /// Says that the thread has made progress.
    pub fn tick(&self) {
        self.at.store(self.clock.now().mono.0, Ordering::Relaxed);
    }

    /// Whether the thread should end.
    #[must_use]
    pub fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

/// How a thread ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// Which thread.
    pub thread: &'static str,
    /// Its fault in words, or `None` when it was done.
    pub fault: Option<String>,
}

/// All threads of the program.
pub struct Supervisor {
    clock: Arc<dyn Clock>,
    stopping: Arc<AtomicBool>,
    watched: Vec<(&'static str, Beat)>,
    threads: Vec<(&'static str, JoinHandle<()>)>,
    ends: (Sender<End>, Receiver<End>),
}

impl Supervisor {
    /// No threads yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let stopping = Arc::new(AtomicBool::new(false));
        Self { clock, stopping, watched: Vec::new(), threads: Vec::new(), ends: channel() }
    }

    /// Starts a thread. A `watched` one must tick at least every [`STALE_AFTER`].
    pub fn spawn(
        &mut self,
        thread: &'static str,
        watched: bool,
        body: impl FnOnce(Beat) -> anyhow::Result<()> + Send + 'static,
    ) {
        let beat = Beat {
            at: Arc::new(AtomicU64::new(self.clock.now().mono.0)),
            stopping: Arc::clone(&self.stopping),
            clock: Arc::clone(&self.clock),
        };
        if watched {
            self.watched.push((thread, beat.clone()));
        }
        let ends = self.ends.0.clone();
        let handle = std::thread::Builder::new()
            .name(thread.to_owned())
            .spawn(move || {
                let fault = match catch_unwind(AssertUnwindSafe(|| body(beat))) {
                    Ok(Ok(())) => None,
                    Ok(Err(fault)) => Some(format!("{fault:#}")),
                    Err(panic) => Some(format!("panicked: {}", panic_text(panic.as_ref()))),
                };
                // The supervisor may be gone already; then nobody needs to know.
                let _ = ends.send(End { thread, fault });
            })
            .expect("the system starts a thread when the program starts");
        self.threads.push((thread, handle));
    }

    /// Waits for the first thread to end or for `stop` to be raised, feeding the watchdog through `feed` meanwhile.
    /// `None`: asked to stop.
    pub fn wait(&self, stop: &AtomicBool, mut feed: impl FnMut()) -> Option<End> {
        loop {
            match self.ends.1.recv_timeout(FEED_EVERY.min(Duration::from_millis(100))) {
                Ok(end) => return Some(end),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => unreachable!("the supervisor holds a sender itself"),
            }
            if stop.load(Ordering::Relaxed) {
                return None;
            }
            let now = self.clock.now().mono;
            let stale = self
                .watched
                .iter()
                .find(|(_, beat)| now.since(Mono(beat.at.load(Ordering::Relaxed))) > STALE_AFTER);
            match stale {
                None => feed(),
                // Not feeding is what brings the restart; saying so is for whoever reads the journal afterwards.
                Some((thread, _)) => tracing::error!(thread, "hangs; the watchdog is not fed"),
            }
        }
    }

    /// Asks every thread to end and waits for them, at most [`STOP_WITHIN`].
    pub fn stop(self) {
        self.stopping.store(true, Ordering::Relaxed);
        let deadline = self.clock.now().mono + STOP_WITHIN;
        for (thread, handle) in self.threads {
            while !handle.is_finished() && self.clock.now().mono < deadline {
                self.clock.sleep(Duration::from_millis(5));
            }
            if handle.is_finished() {
                // The thread's outcome came through the channel already.
                let _ = handle.join();
            } else {
                tracing::error!(thread, "did not end in time");
            }
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}
