//! What the person at the door sees and hears.

use doorward_core::decision::Cue;

/// The panel did not show the cue. Never a reason to keep a door locked or open.
#[derive(Debug, thiserror::Error)]
#[error("panel: show {cue:?}")]
pub struct PanelFault {
    /// What should have been shown.
    pub cue: Cue,
    /// The system's answer.
    #[source]
    pub source: std::io::Error,
}

/// A panel. `show` returns within 10 ms and replaces what was shown before; what fails later is told by the next call.
pub trait Panel: Send {
    /// Shows a cue.
    ///
    /// # Errors
    /// [`PanelFault`].
    fn show(&mut self, cue: Cue) -> Result<(), PanelFault>;
}
