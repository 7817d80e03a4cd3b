//! When audit entries go up. The entries themselves are the outbox: rows above the acknowledged one are still due, so
//! a restart, a lost link or a lost acknowledgement costs a repetition and never an entry.

use std::time::Duration;

use crate::time::Mono;

/// Entries of one batch: a few tens of kilobytes, well below a message's bound.
pub const BATCH_MAX: usize = 100;
/// How long an acknowledgement may take before the batch is sent again.
const ACK_WAIT: Duration = Duration::from_secs(10);
/// First pause after a failure; doubles…
const PAUSE: Duration = Duration::from_secs(1);
/// …up to this, so that a link that comes back is used within a minute.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Where the machine stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Everything is acknowledged.
    Idle,
    /// Entries wait.
    Due,
    /// A batch is on its way.
    Waiting {
        /// When it is given up.
        until: Mono,
    },
    /// The link failed; nothing is tried until then.
    BackOff {
        /// Until when.
        until: Mono,
    },
}

/// What happens to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// The newest entry has this number.
    Appended(u64),
    /// The centre acknowledged everything through this number, by a signed message.
    Acknowledged(u64),
    /// The link failed.
    Failed,
    /// Time passed.
    Tick,
}

/// What it wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Send entries after this number, at most [`BATCH_MAX`].
    Send {
        /// The last acknowledged number.
        after: u64,
    },
    /// Mark everything through this number as acknowledged.
    Acknowledge {
        /// The number.
        through: u64,
    },
}

/// The outbox of one terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbox {
    state: State,
    acknowledged: u64,
    newest: u64,
    failures: u32,
}

impl Outbox {
    /// As found in the store.
    #[must_use]
    pub fn new(acknowledged: u64, newest: u64) -> Self {
        let state = if newest > acknowledged { State::Due } else { State::Idle };
        Self { state, acknowledged, newest, failures: 0 }
    }

    /// Where the machine stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Entries not acknowledged.
    #[must_use]
    pub fn backlog(&self) -> u64 {
        self.newest - self.acknowledged
    }

    /// When something happens without input.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        match self.state {
            State::Idle => None,
            State::Due => Some(Mono(0)),
            State::Waiting { until } | State::BackOff { until } => Some(until),
        }
    }

    /// Takes one input.
    #[must_use]
    pub fn handle(mut self, input: Input, now: Mono) -> (Self, Vec<Effect>) {
        let mut effects = Vec::new();
        match input {
            Input::Appended(seq) => {
                self.newest = self.newest.max(seq);
                if self.state == State::Idle && self.backlog() > 0 {
                    self.state = State::Due;
                }
            }
            Input::Acknowledged(through) => {
                // An acknowledgement of entries that do not exist is none.
                if through > self.acknowledged && through <= self.newest {
                    self.acknowledged = through;
                    self.failures = 0;
                    effects.push(Effect::Acknowledge { through });
                    self.state = if self.backlog() > 0 { State::Due } else { State::Idle };
                }
            }
            Input::Failed => self.back_off(now),
            Input::Tick => {}
        }
        match self.state {
            State::Waiting { until } if now >= until => self.back_off(now),
            State::BackOff { until } if now >= until => {
                self.state = if self.backlog() > 0 { State::Due } else { State::Idle };
            }
            State::Idle | State::Due | State::Waiting { .. } | State::BackOff { .. } => {}
        }
        if self.state == State::Due {
            self.state = State::Waiting { until: now + ACK_WAIT };
            effects.push(Effect::Send { after: self.acknowledged });
        }
        (self, effects)
    }

    fn back_off(&mut self, now: Mono) {
        let pause = (PAUSE * 2u32.pow(self.failures.min(10))).min(PAUSE_MAX);
        self.failures = self.failures.saturating_add(1);
        self.state = State::BackOff { until: now + pause };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Mono {
        Mono::from_millis(seconds * 1000)
    }

    #[test]
    fn entries_go_up_in_order_and_leave_when_acknowledged() {
        let (outbox, effects) = Outbox::new(0, 0).handle(Input::Appended(3), s(0));
        assert_eq!(effects, [Effect::Send { after: 0 }]);
        let (outbox, effects) = outbox.handle(Input::Acknowledged(2), s(1));
        assert_eq!(effects, [Effect::Acknowledge { through: 2 }, Effect::Send { after: 2 }]);
        let (outbox, effects) = outbox.handle(Input::Acknowledged(3), s(2));
        assert_eq!(effects, [Effect::Acknowledge { through: 3 }]);
        assert_eq!(outbox.state(), State::Idle);
    }

    #[test]
    fn a_lost_acknowledgement_repeats_the_batch_after_a_growing_pause() {
        let (outbox, _) = Outbox::new(0, 5).handle(Input::Tick, s(0));
        let (outbox, effects) = outbox.handle(Input::Tick, s(10));
        assert!(effects.is_empty());
        assert_eq!(outbox.state(), State::BackOff { until: s(11) });
        let (outbox, effects) = outbox.handle(Input::Tick, s(11));
        assert_eq!(effects, [Effect::Send { after: 0 }]);
        let (outbox, _) = outbox.handle(Input::Failed, s(12));
        assert_eq!(outbox.state(), State::BackOff { until: s(14) });
    }

    #[test]
    fn m3_acknowledgements_of_the_past_and_of_the_future_change_nothing() {
        let (outbox, _) = Outbox::new(4, 5).handle(Input::Tick, s(0));
        for through in [0, 4, 6, u64::MAX] {
            let (after, effects) = outbox.clone().handle(Input::Acknowledged(through), s(1));
            assert_eq!((after.backlog(), effects.len()), (1, 0), "acknowledged {through}");
        }
    }
}
