//! An output pin that remembers its levels.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use embedded_hal::digital::{ErrorKind, ErrorType, OutputPin, PinState};

use super::open;

/// Levels remembered; the oldest are forgotten.
const HISTORY_MAX: usize = 100_000;

/// The pin.
#[derive(Debug)]
pub struct FakePin(Arc<Mutex<State>>);

/// The probe at the pin.
#[derive(Debug, Clone)]
pub struct PinHand(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    levels: VecDeque<PinState>,
    broken: bool,
}

/// A pin that nobody has driven yet.
#[must_use]
pub fn pin() -> (FakePin, PinHand) {
    let state = Arc::new(Mutex::new(State::default()));
    (FakePin(Arc::clone(&state)), PinHand(state))
}

impl ErrorType for FakePin {
    type Error = ErrorKind;
}

impl OutputPin for FakePin {
    fn set_low(&mut self) -> Result<(), ErrorKind> {
        self.set_state(PinState::Low)
    }

    fn set_high(&mut self) -> Result<(), ErrorKind> {
        self.set_state(PinState::High)
    }

    fn set_state(&mut self, level: PinState) -> Result<(), ErrorKind> {
        let mut state = open(&self.0);
        if state.broken {
            return Err(ErrorKind::Other);
        }
        if state.levels.len() == HISTORY_MAX {
            state.levels.pop_front();
        }
        state.levels.push_back(level);
        Ok(())
    }
}

impl PinHand {
    /// The level, `None` before the pin was driven.
    #[must_use]
    pub fn level(&self) -> Option<PinState> {
        open(&self.0).levels.back().copied()
    }

    /// Every level that was driven, oldest first.
    #[must_use]
    pub fn history(&self) -> Vec<PinState> {
        open(&self.0).levels.iter().copied().collect()
    }

    /// Breaks the pin: it keeps its level and every call fails.
    pub fn break_it(&self) {
        open(&self.0).broken = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_remembers_its_levels_and_a_broken_one_keeps_the_last() {
        let (mut pin, hand) = pin();
        assert_eq!(hand.level(), None);
        pin.set_high().unwrap();
        pin.set_low().unwrap();
        hand.break_it();
        assert!(pin.set_high().is_err());
        assert_eq!(hand.level(), Some(PinState::Low));
        assert_eq!(hand.history(), [PinState::High, PinState::Low]);
    }
}
