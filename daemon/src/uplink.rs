//! The uplink thread: sends audit entries to the centre and removes them from the outbox once it has them. It stands
//! beside the way of a decision and never on it.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use doorward_core::outbox::{BATCH_MAX, Effect, Input, Outbox};
use doorward_hal::clock::Clock;
use doorward_protocol::audit::Head;
use doorward_protocol::delivery::Stretch;

use crate::journal::JournalLink;
use crate::supervise::Beat;

/// How long one wait takes at most, so that the thread notices the end.
const WAIT_MAX: Duration = Duration::from_millis(250);

/// The centre did not take a batch.
#[derive(Debug, thiserror::Error)]
#[error("send {count} audit entries to the centre: {why}")]
pub struct UplinkFault {
    /// Entries of the batch.
    pub count: usize,
    /// Why.
    pub why: String,
}

/// The way to the centre.
pub trait Uplink: Send {
    /// Delivers the first records of a stretch and returns the head through which the centre has everything. Blocks for
    /// at most 10 s, and less once the program is `stopping`. A record may be delivered twice; the centre takes each once.
    ///
    /// # Errors
    /// [`UplinkFault`]; nothing is known about the records then.
    fn deliver(&mut self, stretch: &Stretch, stopping: &dyn Fn() -> bool) -> Result<Head, UplinkFault>;
}

/// The body of the uplink thread. `appended` carries the newest sequence number.
///
/// # Errors
/// Never by itself: a centre that is away is the usual case.
pub fn run(
    beat: &Beat,
    clock: &dyn Clock,
    mut outbox: Outbox,
    mut uplink: Box<dyn Uplink>,
    journal: &JournalLink,
    appended: &Receiver<u64>,
) -> anyhow::Result<()> {
    while !beat.stopping() {
        let now = clock.now().mono;
        let wait = outbox.deadline().map_or(WAIT_MAX, |at| at.since(now).min(WAIT_MAX));
        let mut input = match appended.recv_timeout(wait) {
            Ok(seq) => Input::Appended(seq),
            Err(RecvTimeoutError::Timeout) => Input::Tick,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        loop {
            let (next, effects) = outbox.handle(input, clock.now().mono);
            outbox = next;
            let mut outcome = None;
            for effect in effects {
                match effect {
                    Effect::Send { after } => {
                        let stopping = || beat.stopping();
                        outcome = Some(deliver(uplink.as_mut(), journal, after, &stopping));
                    }
                    Effect::Acknowledge { through } => journal.acknowledge(through),
                }
            }
            match outcome {
                Some(Some(through)) => {
                    // The newest records may have gone up before word of them came here.
                    outbox = outbox.handle(Input::Appended(through), clock.now().mono).0;
                    input = Input::Acknowledged(through);
                }
                Some(None) => input = Input::Failed,
                None => break,
            }
        }
    }
    Ok(())
}

/// The number through which the centre has everything, if it has this terminal's trail and not another one of that
/// length.
fn deliver(
    uplink: &mut dyn Uplink,
    journal: &JournalLink,
    after: u64,
    stopping: &dyn Fn() -> bool,
) -> Option<u64> {
    let stretch = journal.outbox(after, BATCH_MAX).filter(|stretch| !stretch.records.is_empty())?;
    match uplink.deliver(&stretch, stopping) {
        Ok(head) if journal.hash_at(head.seq) == Some(head.hash) => Some(head.seq),
        Ok(head) => {
            let seq = head.seq;
            tracing::error!(seq, "the centre acknowledges a record that is not the one kept here");
            None
        }
        Err(fault) => {
            tracing::debug!("the centre is away: {}", crate::terminal::chain(&fault));
            None
        }
    }
}
