//! A relay that remembers.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

use doorward_core::audit::Recorded;
use doorward_core::decision::{Cause, Grant};
use doorward_core::time::Mono;

use super::open;
use crate::clock::Clock;
use crate::relay::{Relay, RelayFault};

/// Movements remembered; the oldest are forgotten, so that a demo can run for months.
const HISTORY_MAX: usize = 100_000;

/// Where the lock is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bolt {
    /// Locked.
    Locked,
    /// Released.
    Released {
        /// Sequence number of the audit entry behind it.
        seq: u64,
        /// Why.
        cause: Cause,
    },
}

/// One command that the relay carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// When; known with a clock ([`relay_on`]).
    pub at: Option<Mono>,
    /// To where.
    pub to: Bolt,
}

/// The relay.
pub struct FakeRelay(Arc<Mutex<State>>);

/// The hand at the relay.
#[derive(Clone)]
pub struct RelayHand(Arc<Mutex<State>>);

struct State {
    clock: Option<Arc<dyn Clock>>,
    history: VecDeque<Moved>,
    broken: bool,
}

/// A relay without a sense of time.
#[must_use]
pub fn relay() -> (FakeRelay, RelayHand) {
    pair(None)
}

/// A relay that notes when it moved.
#[must_use]
pub fn relay_on(clock: Arc<dyn Clock>) -> (FakeRelay, RelayHand) {
    pair(Some(clock))
}

fn pair(clock: Option<Arc<dyn Clock>>) -> (FakeRelay, RelayHand) {
    let mut state = State { clock, history: VecDeque::new(), broken: false };
    state.note(Bolt::Locked);
    let state = Arc::new(Mutex::new(state));
    (FakeRelay(Arc::clone(&state)), RelayHand(state))
}

impl State {
    fn note(&mut self, to: Bolt) {
        if self.history.len() == HISTORY_MAX {
            self.history.pop_front();
        }
        let at = self.clock.as_ref().map(|clock| clock.now().mono);
        self.history.push_back(Moved { at, to });
    }

    fn drive(&mut self, to: Bolt, doing: &'static str) -> Result<(), RelayFault> {
        if self.broken {
            let source = io::Error::other("the fake relay is broken");
            return Err(RelayFault { line: "fake".to_owned(), doing, source });
        }
        self.note(to);
        Ok(())
    }
}

impl Relay for FakeRelay {
    fn unlock(&mut self, grant: &Recorded<Grant>) -> Result<(), RelayFault> {
        let to = Bolt::Released { seq: grant.seq(), cause: grant.subject().cause().clone() };
        open(&self.0).drive(to, "unlock")
    }

    fn lock(&mut self) -> Result<(), RelayFault> {
        open(&self.0).drive(Bolt::Locked, "lock")
    }
}

impl Drop for FakeRelay {
    /// Locks, also a broken one: without its process, a line falls back to the level that locks.
    fn drop(&mut self) {
        open(&self.0).note(Bolt::Locked);
    }
}

impl RelayHand {
    /// Whether the lock is released.
    #[must_use]
    pub fn released(&self) -> bool {
        open(&self.0).history.back().is_some_and(|moved| moved.to != Bolt::Locked)
    }

    /// Everything the relay did, oldest first; it starts with the lock of a new relay.
    #[must_use]
    pub fn history(&self) -> Vec<Moved> {
        open(&self.0).history.iter().cloned().collect()
    }

    /// Breaks the relay: it stays where it is and every call fails.
    pub fn break_it(&self) {
        open(&self.0).broken = true;
    }

    /// Mends it.
    pub fn mend(&self) {
        open(&self.0).broken = false;
    }
}

impl fmt::Debug for FakeRelay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeRelay").finish_non_exhaustive()
    }
}

impl fmt::Debug for RelayHand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayHand").field("released", &self.released()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use doorward_core::audit::{Journal, JournalFault, record};
    use doorward_core::time::{ClockTrust, Now, Wall};
    use doorward_protocol::audit::What;

    use super::*;
    use crate::fake;

    struct Paper;

    impl Journal for Paper {
        fn append(&mut self, _: &What, _: Wall) -> Result<u64, JournalFault> {
            Ok(42)
        }
    }

    fn grant() -> Recorded<Grant> {
        let grant = Grant::self_test("front".parse().unwrap(), Duration::from_secs(1));
        record(&mut Paper, grant, Wall { ms: 0, trust: ClockTrust::Unknown }).unwrap()
    }

    #[test]
    fn d4_it_is_locked_when_new_and_after_it_is_dropped() {
        let start = Now { mono: Mono(10), wall: Wall { ms: 0, trust: ClockTrust::Unknown } };
        let clock = fake::clock(start);
        let (mut relay, hand) = relay_on(Arc::new(clock.clone()));
        clock.advance(Duration::from_micros(5));
        relay.unlock(&grant()).unwrap();
        assert!(hand.released());
        drop(relay);
        assert!(!hand.released());
        let released = Bolt::Released { seq: 42, cause: Cause::SelfTest };
        let moved = |at, to| Moved { at: Some(Mono(at)), to };
        assert_eq!(hand.history(), [moved(10, Bolt::Locked), moved(15, released), moved(15, Bolt::Locked)]);
    }

    #[test]
    fn a_broken_relay_says_so_and_stays_where_it_is() {
        let (mut relay, hand) = relay();
        relay.unlock(&grant()).unwrap();
        hand.break_it();
        assert_eq!(relay.lock().unwrap_err().to_string(), "relay fake: lock");
        assert!(hand.released());
        hand.mend();
        relay.lock().unwrap();
        assert!(!hand.released());
    }
}
