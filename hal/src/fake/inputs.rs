//! Door inputs that a hand presses.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use doorward_core::door::{Point, Signal};
use doorward_core::time::Mono;

use super::open;
use crate::inputs::{Edge, InputFault, Inputs};

/// Edges kept while nobody reads, as many as the real driver asks the kernel to keep.
const EDGES_MAX: usize = 512;

/// The inputs. Waits in real time, so a simulation in virtual time passes a wait of zero.
#[derive(Debug)]
pub struct FakeInputs(Arc<Shared>);

/// The hand at the inputs.
#[derive(Debug, Clone)]
pub struct InputHand(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    edges: VecDeque<Edge>,
    broken: bool,
    overrun: bool,
}

/// The inputs of a closed door at rest, every one of them fitted.
#[must_use]
pub fn inputs() -> (FakeInputs, InputHand) {
    inputs_at(&Point::ALL.map(|point| point.signal(false)), Mono(0))
}

/// Inputs that first report `levels`, seen at `at`.
#[must_use]
pub fn inputs_at(levels: &[Signal], at: Mono) -> (FakeInputs, InputHand) {
    let edges = levels.iter().map(|signal| Edge { signal: *signal, at }).collect();
    let state = Mutex::new(State { edges, broken: false, overrun: false });
    let shared = Arc::new(Shared { state, changed: Condvar::new() });
    (FakeInputs(Arc::clone(&shared)), InputHand(shared))
}

impl Inputs for FakeInputs {
    fn next(&mut self, wait: Duration) -> Result<Option<Edge>, InputFault> {
        let idle = |state: &mut State| state.edges.is_empty() && !state.broken && !state.overrun;
        let waited = self.0.changed.wait_timeout_while(open(&self.0.state), wait, idle);
        let (mut state, _) = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
        let fault = |why: &str| InputFault {
            doing: "read an edge".to_owned(),
            source: io::Error::other(why.to_owned()),
        };
        if state.broken {
            return Err(fault("the fake inputs are broken"));
        }
        if state.overrun {
            return Err(fault("edges were dropped because nobody read them"));
        }
        Ok(state.edges.pop_front())
    }
}

impl InputHand {
    /// Reports a change. Beyond 512 unread ones the inputs fail, because none may be lost in silence.
    pub fn report(&self, signal: Signal, at: Mono) {
        let mut state = open(&self.0.state);
        if state.edges.len() == EDGES_MAX {
            state.overrun = true;
        } else {
            state.edges.push_back(Edge { signal, at });
        }
        self.0.changed.notify_all();
    }

    /// Breaks the inputs for good, as a chip that was taken away.
    pub fn break_them(&self) {
        open(&self.0.state).broken = true;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn levels_come_first_then_changes_in_order_then_silence() {
        let (mut inputs, hand) = inputs();
        hand.report(Signal::Contact(true), Mono(7));
        hand.report(Signal::Egress(true), Mono(8));
        let mut seen = Vec::new();
        while let Some(edge) = inputs.next(Duration::ZERO).unwrap() {
            seen.push((edge.signal, edge.at.0));
        }
        let levels = Point::ALL.map(|point| (point.signal(false), 0));
        assert_eq!(seen[..5], levels);
        assert_eq!(seen[5..], [(Signal::Contact(true), 7), (Signal::Egress(true), 8)]);
    }

    #[test]
    fn a_thread_that_waits_is_woken() {
        let (mut inputs, hand) = inputs_at(&[], Mono(0));
        let reader = thread::spawn(move || inputs.next(Duration::from_secs(60)).unwrap());
        hand.report(Signal::Fire(true), Mono(3));
        assert_eq!(reader.join().unwrap(), Some(Edge { signal: Signal::Fire(true), at: Mono(3) }));
    }

    #[test]
    fn d3_nothing_is_lost_without_a_fault() {
        let (mut inputs, hand) = inputs_at(&[], Mono(0));
        (0..600).for_each(|i| hand.report(Signal::Contact(i % 2 == 0), Mono(i)));
        assert!(inputs.next(Duration::ZERO).is_err());
        let (mut inputs, hand) = inputs_at(&[], Mono(0));
        hand.break_them();
        assert!(inputs.next(Duration::from_secs(60)).is_err());
        assert!(inputs.next(Duration::ZERO).is_err(), "they must be opened again");
    }
}
