//! The infrared light beside the camera.

/// The emitter did not do as told.
#[derive(Debug, thiserror::Error)]
#[error("infrared emitter {line}: {doing}")]
pub struct EmitterFault {
    /// Which line.
    pub line: String,
    /// What was being tried.
    pub doing: &'static str,
    /// The system's answer.
    #[source]
    pub source: std::io::Error,
}

/// One emitter. A new value is off, and dropping it switches it off: light that nobody answers for heats the lamp and
/// lies to the next frame. After `set` returned `Ok` the light is as asked for.
pub trait Emitter: Send {
    /// Switches it on or off. Idempotent; returns within 10 ms, so that whoever modulates it may wait for it.
    ///
    /// # Errors
    /// [`EmitterFault`].
    fn set(&mut self, on: bool) -> Result<(), EmitterFault>;
}
