//! An infrared emitter that shines nowhere.

use std::io;
use std::sync::{Arc, Mutex};

use super::open;
use crate::emitter::{Emitter, EmitterFault};

/// The emitter.
#[derive(Debug)]
pub struct FakeEmitter(Arc<Mutex<State>>);

/// The eye on the emitter.
#[derive(Debug, Clone)]
pub struct EmitterHand(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    on: bool,
    broken: bool,
}

/// An emitter that is off.
#[must_use]
pub fn emitter() -> (FakeEmitter, EmitterHand) {
    let state = Arc::new(Mutex::new(State::default()));
    (FakeEmitter(Arc::clone(&state)), EmitterHand(state))
}

impl Emitter for FakeEmitter {
    fn set(&mut self, on: bool) -> Result<(), EmitterFault> {
        let mut state = open(&self.0);
        if state.broken {
            let source = io::Error::other("the fake emitter is broken");
            return Err(EmitterFault { line: "fake".to_owned(), doing: "switch", source });
        }
        state.on = on;
        Ok(())
    }
}

impl Drop for FakeEmitter {
    /// Goes dark, also a broken one: without its process, a line falls back to its resistor's level.
    fn drop(&mut self) {
        open(&self.0).on = false;
    }
}

impl EmitterHand {
    /// Whether it shines.
    #[must_use]
    pub fn on(&self) -> bool {
        open(&self.0).on
    }

    /// Breaks it: it stays as it is and every call fails.
    pub fn break_it(&self) {
        open(&self.0).broken = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shines_when_told_and_never_after_its_process() {
        let (mut emitter, hand) = emitter();
        assert!(!hand.on());
        emitter.set(true).unwrap();
        assert!(hand.on());
        hand.break_it();
        assert!(emitter.set(false).is_err() && hand.on());
        drop(emitter);
        assert!(!hand.on());
    }
}
