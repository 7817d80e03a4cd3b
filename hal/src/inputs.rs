//! What the door reports: contact, request-to-exit, fire, tamper, mains.

use std::time::Duration;

use doorward_core::door::Signal;
use doorward_core::time::Mono;

/// The inputs failed; they must be opened again.
#[derive(Debug, thiserror::Error)]
#[error("inputs: {doing}")]
pub struct InputFault {
    /// What was being tried, on which line.
    pub doing: String,
    /// The system's answer.
    #[source]
    pub source: std::io::Error,
}

/// A change at an input and when the kernel saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// What changed.
    pub signal: Signal,
    /// When.
    pub at: Mono,
}

/// All inputs of one door, debounced. A new value first reports the level of each fitted input as an edge, at rest or
/// not, so that the terminal knows the door before the first change. An input that needs several lines reports what
/// they say together.
pub trait Inputs: Send {
    /// The next change, or `None` when nothing changed within `wait`. Edges come in the kernel's order; none is lost
    /// without a fault.
    ///
    /// # Errors
    /// [`InputFault`].
    fn next(&mut self, wait: Duration) -> Result<Option<Edge>, InputFault>;
}
