//! The wires of a card reader that a hand holds.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use doorward_core::time::Mono;
use doorward_core::wiegand::train::Pace;
use doorward_core::wiegand::{Frame, Pulse};

use super::open;
use crate::wiegand::{Came, WiegandFault, WiegandReader};

/// Pulses kept while nobody reads, as many as the real driver asks the kernel to keep.
const PULSES_MAX: usize = 1024;

/// The wires. Waits in real time, so a simulation in virtual time passes a wait of zero.
#[derive(Debug)]
pub struct FakeWiegand(Arc<Shared>);

/// The hand at the reader.
#[derive(Debug, Clone)]
pub struct WiegandHand(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    pulses: VecDeque<Pulse>,
    lost: bool,
    broken: bool,
}

/// Wires at rest.
#[must_use]
pub fn wiegand() -> (FakeWiegand, WiegandHand) {
    let shared = Arc::<Shared>::default();
    (FakeWiegand(Arc::clone(&shared)), WiegandHand(shared))
}

impl WiegandReader for FakeWiegand {
    fn next(&mut self, wait: Duration) -> Result<Option<Came>, WiegandFault> {
        let idle = |state: &mut State| state.pulses.is_empty() && !state.broken && !state.lost;
        let waited = self.0.changed.wait_timeout_while(open(&self.0.state), wait, idle);
        let (mut state, _) = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
        if state.broken {
            let source = io::Error::other("the fake reader is broken");
            return Err(WiegandFault { doing: "wait for a pulse".to_owned(), source });
        }
        if std::mem::take(&mut state.lost) {
            return Ok(Some(Came::Lost));
        }
        Ok(state.pulses.pop_front().map(Came::Pulse))
    }
}

impl WiegandHand {
    /// Sends a frame whose first pulse comes at `from`, at the usual pace.
    pub fn send(&self, frame: &Frame, from: Mono) {
        Pace::default().pulses(frame, from).for_each(|pulse| self.pulse(pulse));
    }

    /// One pulse. Beyond 1024 unread ones the oldest go, as in the kernel.
    pub fn pulse(&self, pulse: Pulse) {
        let mut state = open(&self.0.state);
        if state.pulses.len() == PULSES_MAX {
            state.pulses.pop_front();
            state.lost = true;
        }
        state.pulses.push_back(pulse);
        self.0.changed.notify_all();
    }

    /// Breaks the reader, or mends it: it may be opened again then.
    pub fn break_it(&self, broken: bool) {
        open(&self.0.state).broken = broken;
        self.0.changed.notify_all();
    }

    /// The wires once more, for whoever opens them again.
    #[must_use]
    pub fn reopen(&self) -> FakeWiegand {
        FakeWiegand(Arc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use doorward_core::wiegand::Wire;

    use super::*;

    #[test]
    fn pulses_come_in_order_and_then_silence() {
        let (mut wires, hand) = wiegand();
        hand.send(&Frame::new(0b10, 2).unwrap(), Mono(1000));
        let next = |wires: &mut FakeWiegand| wires.next(Duration::ZERO).unwrap();
        assert_eq!(next(&mut wires), Some(Came::Pulse(Pulse { wire: Wire::One, at: Mono(1000) })));
        assert_eq!(next(&mut wires), Some(Came::Pulse(Pulse { wire: Wire::Zero, at: Mono(3000) })));
        assert_eq!(next(&mut wires), None);
    }

    #[test]
    fn q4_nothing_is_lost_without_a_word() {
        let (mut wires, hand) = wiegand();
        (0..1030).for_each(|at| hand.pulse(Pulse { wire: Wire::One, at: Mono(at) }));
        assert_eq!(wires.next(Duration::ZERO).unwrap(), Some(Came::Lost));
        let first = Some(Came::Pulse(Pulse { wire: Wire::One, at: Mono(6) }));
        assert_eq!(wires.next(Duration::ZERO).unwrap(), first);
        hand.break_it(true);
        assert!(wires.next(Duration::from_secs(60)).is_err());
        hand.break_it(false);
        assert!(hand.reopen().next(Duration::ZERO).is_ok());
    }
}
