//! The vision thread: takes framesets, examines them, hands the evidence to the terminal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use anyhow::bail;
use doorward_core::attempt::{Evidence, Look};
use doorward_core::decision::Reject;
use doorward_core::frame::Frameset;

use crate::api::errand::Errands;
use crate::capture::Meeting;
use crate::supervise::Beat;
use crate::terminal::{Examiner, Input};
use crate::trace::{Ending, Trace};

/// How long one wait for a frameset takes at most, so that the thread keeps ticking.
const FRAMES_WAIT: Duration = Duration::from_millis(500);
/// Without any frameset for this many waits the terminal is blind and says so.
const WAITS_UNTIL_BLIND: u32 = 3;

/// Sees each examination, for the demo page and for metrics; never an influence on it.
pub type Watcher = Box<dyn FnMut(&Frameset, &Trace) + Send>;

/// Where evidence goes.
pub struct Out {
    /// The terminal.
    pub terminal: SyncSender<Input>,
    /// Whether it wants the pictures of live faces. Without, none leaves this thread.
    pub pictures_wanted: Arc<AtomicBool>,
}

/// The body of the vision thread.
///
/// # Errors
/// When the terminal thread is gone.
pub fn watch(
    beat: &Beat,
    mut examiner: Examiner,
    meeting: &Arc<Meeting>,
    out: &Out,
    mut watcher: Watcher,
    mut errands: Errands,
) -> anyhow::Result<()> {
    let mut empty_waits = 0;
    while !beat.stopping() {
        beat.tick();
        let mut look: Look = match meeting.next(FRAMES_WAIT) {
            Some(frames) => {
                empty_waits = 0;
                let (look, trace) = examiner.examine(frames.clone());
                if let Ending::Broke(fault) = &trace.ending {
                    tracing::error!("an examination broke: {fault}");
                }
                watcher(&frames, &trace);
                look
            }
            None => {
                empty_waits += 1;
                if empty_waits < WAITS_UNTIL_BLIND {
                    continue;
                }
                Evidence::Fault.into()
            }
        };
        let empty = is_empty(&look.evidence);
        if !out.pictures_wanted.load(Ordering::Relaxed) {
            look.sighting = None;
        }
        match out.terminal.try_send(Input::Evidence(look)) {
            // A terminal that is busy with a decision does not need this frame's evidence any more.
            Ok(()) | Err(TrySendError::Full(_)) => {}
            Err(TrySendError::Disconnected(_)) => bail!("the terminal thread is gone"),
        }
        errands.step(empty, examiner.vision.as_mut(), &examiner.quality);
    }
    Ok(())
}

/// Whether nobody stands before the cameras, as far as they see.
fn is_empty(evidence: &Evidence) -> bool {
    matches!(evidence, Evidence::Rejected(Reject::NoFace | Reject::TooDark) | Evidence::Fault)
}
