//! The door: what its wiring reports and what the lock must do.
//!
//! ```text
//! unknown ──► secured ──grant──► unlocking ──relay moved──► unlocked ──opened──► open ──closed──► secured
//!                │                                             └──time up──► secured │
//!                └──opened without a grant──► forced            open too long ──► held open
//! ```
//! Fire beats everything, lockdown beats every grant. Leaving never depends on this machine: request-to-exit and fire
//! are wired to the lock, and what they report here only explains what the contact then says.

use std::time::Duration;

use crate::audit::Recorded;
use crate::decision::Grant;
use crate::time::Mono;

/// What a door's wiring reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signal {
    /// Door contact: `true` is open.
    Contact(bool),
    /// Request to exit was pressed.
    Egress,
    /// Fire input: `true` is alarm.
    Fire(bool),
    /// Tamper switch: `true` is open.
    Tamper(bool),
}

/// How one door is fitted and how long it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Whether a door contact is wired.
    pub contact: bool,
    /// How long a grant releases the lock at most, whatever the grant says.
    pub open_max: Duration,
    /// How long the door may stand open before that is an alarm.
    pub held_after: Duration,
    /// How long the relay may take to confirm.
    pub relay_wait: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            contact: true,
            open_max: Duration::from_secs(30),
            held_after: Duration::from_secs(30),
            relay_wait: Duration::from_millis(500),
        }
    }
}

/// Where the door stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Just started; the contact has not spoken yet.
    Unknown,
    /// Locked and closed.
    Secured,
    /// A grant is on record and the relay was told.
    Unlocking {
        /// When the lock returns.
        until: Mono,
        /// When the relay must have confirmed.
        confirm_by: Mono,
    },
    /// Released, still closed.
    Unlocked {
        /// When the lock returns.
        until: Mono,
    },
    /// Open after a grant.
    Open {
        /// Since when.
        since: Mono,
        /// When the lock returns; it falls into an open door's strike harmlessly.
        relock_at: Option<Mono>,
    },
    /// Open for too long.
    HeldOpen,
    /// Opened without a grant.
    Forced,
    /// Locked down: nobody is let in, everybody may leave.
    Lockdown {
        /// Whether the door stands open.
        open: bool,
        /// When the lock returns after somebody left.
        relock_at: Option<Mono>,
    },
    /// Fire: released until the alarm ends.
    Fire {
        /// Whether the door stands open.
        open: bool,
    },
}

/// What happens to the door.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A grant is on record.
    Granted(Recorded<Grant>),
    /// The relay confirmed the release.
    RelayReleased,
    /// The relay refused.
    RelayFailed,
    /// The contact opened or closed.
    Contact(bool),
    /// Somebody leaves. The egress hardware has released the lock already; the relay follows if that is on record.
    Egress {
        /// The recorded release; none if it could not be recorded.
        release: Option<Recorded<Grant>>,
        /// For how long opening is no alarm.
        open_for: Duration,
    },
    /// The fire alarm began. As with egress, the hardware has released the lock.
    Fire {
        /// The recorded release; none if it could not be recorded.
        release: Option<Recorded<Grant>>,
    },
    /// The fire alarm ended.
    FireOver,
    /// Lockdown on or off.
    Lockdown(bool),
    /// Time passed.
    Tick,
}

/// What the door reports for the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Opened after a grant.
    Opened,
    /// Closed.
    Closed,
    /// A grant was not used.
    NotUsed,
    /// Opened without a grant: alarm.
    Forced,
    /// That alarm ended.
    ForcedCleared,
    /// Open too long: alarm.
    HeldOpen,
    /// That alarm ended.
    HeldOpenCleared,
    /// The relay did not do as told.
    RelayFailed,
    /// Fire release began.
    Fire,
    /// Fire release ended.
    FireOver,
    /// Lockdown began.
    Lockdown,
    /// Lockdown ended.
    LockdownOver,
}

impl Event {
    /// The stable code in audit entries.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Event::Opened => "opened",
            Event::Closed => "closed",
            Event::NotUsed => "not_used",
            Event::Forced => "forced",
            Event::ForcedCleared => "forced_cleared",
            Event::HeldOpen => "held_open",
            Event::HeldOpenCleared => "held_open_cleared",
            Event::RelayFailed => "relay_failed",
            Event::Fire => "fire",
            Event::FireOver => "fire_over",
            Event::Lockdown => "lockdown",
            Event::LockdownOver => "lockdown_over",
        }
    }
}

/// What must be done, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Release the lock.
    Unlock(Recorded<Grant>),
    /// Lock.
    Lock,
    /// Put on record.
    Report(Event),
}

/// One door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Door {
    settings: Settings,
    state: State,
}

impl Door {
    /// A door at start: nothing is known, and the first effect of anything is a locked relay.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, state: State::Unknown }
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether it stands open, as far as the contact tells.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match self.state {
            State::Open { .. } | State::HeldOpen | State::Forced => true,
            State::Lockdown { open, .. } | State::Fire { open } => open,
            State::Unknown | State::Secured | State::Unlocking { .. } | State::Unlocked { .. } => false,
        }
    }

    /// When something happens without input.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        match self.state {
            State::Unlocking { until, confirm_by } => Some(until.min(confirm_by)),
            State::Unlocked { until } => Some(until),
            State::Open { since, relock_at } => {
                let held = since + self.settings.held_after;
                Some(relock_at.map_or(held, |relock| relock.min(held)))
            }
            State::Lockdown { relock_at, .. } => relock_at,
            State::Unknown | State::Secured | State::HeldOpen | State::Forced | State::Fire { .. } => None,
        }
    }

    /// Takes one input.
    #[must_use]
    pub fn handle(mut self, input: Input, now: Mono) -> (Self, Vec<Effect>) {
        let mut effects = Vec::new();
        self.state = match input {
            Input::Granted(grant) => self.granted(grant, now, &mut effects),
            Input::RelayReleased => {
                if let State::Unlocking { until, .. } = self.state {
                    State::Unlocked { until }
                } else {
                    self.state
                }
            }
            Input::RelayFailed => self.relay_failed(&mut effects),
            Input::Contact(open) => self.contact(open, now, &mut effects),
            Input::Egress { release, open_for } => self.egress(release, open_for, now, &mut effects),
            Input::Fire { release } => self.fire(release, &mut effects),
            Input::FireOver => {
                if let State::Fire { open } = self.state {
                    effects.extend([Effect::Lock, Effect::Report(Event::FireOver)]);
                    settled(open, now)
                } else {
                    self.state
                }
            }
            Input::Lockdown(on) => self.lockdown(on, now, &mut effects),
            Input::Tick => self.state,
        };
        self.pass_time(now, &mut effects);
        (self, effects)
    }

    fn granted(&self, grant: Recorded<Grant>, now: Mono, effects: &mut Vec<Effect>) -> State {
        let until = now + grant.subject().open_for().min(self.settings.open_max);
        match self.state {
            State::Unknown | State::Secured => {
                effects.push(Effect::Unlock(grant));
                State::Unlocking { until, confirm_by: now + self.settings.relay_wait }
            }
            // A second grant within the pulse of the first makes it longer, never shorter (attack case D7).
            State::Unlocking { until: before, .. } | State::Unlocked { until: before } => {
                effects.push(Effect::Unlock(grant));
                State::Unlocking { until: until.max(before), confirm_by: now + self.settings.relay_wait }
            }
            State::Open { since, relock_at } => {
                effects.push(Effect::Unlock(grant));
                State::Open { since, relock_at: Some(relock_at.map_or(until, |before| before.max(until))) }
            }
            // The door stands open already; releasing the lock would only hide the alarm.
            state @ (State::HeldOpen | State::Forced | State::Lockdown { .. } | State::Fire { .. }) => state,
        }
    }

    fn egress(
        &self,
        release: Option<Recorded<Grant>>,
        open_for: Duration,
        now: Mono,
        effects: &mut Vec<Effect>,
    ) -> State {
        let until = now + open_for.min(self.settings.open_max);
        match self.state {
            State::Unknown | State::Secured | State::Unlocking { .. } | State::Unlocked { .. } => {
                effects.extend(release.map(Effect::Unlock));
                State::Unlocked { until }
            }
            State::Lockdown { open, .. } => {
                effects.extend(release.map(Effect::Unlock));
                State::Lockdown { open, relock_at: Some(until) }
            }
            state @ (State::Open { .. } | State::HeldOpen | State::Forced | State::Fire { .. }) => state,
        }
    }

    fn relay_failed(&self, effects: &mut Vec<Effect>) -> State {
        if !matches!(self.state, State::Fire { .. }) {
            effects.push(Effect::Lock);
        }
        effects.push(Effect::Report(Event::RelayFailed));
        match self.state {
            State::Unlocking { .. } | State::Unlocked { .. } => State::Secured,
            State::Open { since, .. } => State::Open { since, relock_at: None },
            state @ (State::Unknown
            | State::Secured
            | State::HeldOpen
            | State::Forced
            | State::Lockdown { .. }
            | State::Fire { .. }) => state,
        }
    }

    fn contact(&self, open: bool, now: Mono, effects: &mut Vec<Effect>) -> State {
        match (self.state, open) {
            (State::Unknown, _) => settled(open, now),
            (State::Secured, true) => {
                effects.push(Effect::Report(Event::Forced));
                State::Forced
            }
            (State::Unlocking { until, .. } | State::Unlocked { until }, true) => {
                effects.push(Effect::Report(Event::Opened));
                State::Open { since: now, relock_at: Some(until) }
            }
            (State::Open { relock_at, .. }, false) => {
                if relock_at.is_some() {
                    effects.push(Effect::Lock);
                }
                effects.push(Effect::Report(Event::Closed));
                State::Secured
            }
            (State::HeldOpen, false) => {
                effects.extend([Effect::Report(Event::HeldOpenCleared), Effect::Report(Event::Closed)]);
                State::Secured
            }
            (State::Forced, false) => {
                effects.extend([Effect::Report(Event::ForcedCleared), Effect::Report(Event::Closed)]);
                State::Secured
            }
            (State::Lockdown { open: before, relock_at }, open) => {
                if open && !before {
                    let event = if relock_at.is_some() { Event::Opened } else { Event::Forced };
                    effects.push(Effect::Report(event));
                }
                if before && !open {
                    effects.push(Effect::Report(Event::Closed));
                }
                State::Lockdown { open, relock_at }
            }
            (State::Fire { .. }, open) => State::Fire { open },
            // A level that is reported again changes nothing.
            (state @ (State::Secured | State::Unlocking { .. } | State::Unlocked { .. }), false)
            | (state @ (State::Open { .. } | State::HeldOpen | State::Forced), true) => state,
        }
    }

    fn fire(&self, release: Option<Recorded<Grant>>, effects: &mut Vec<Effect>) -> State {
        effects.extend(release.map(Effect::Unlock));
        match self.state {
            State::Fire { .. } => self.state,
            State::Unknown
            | State::Secured
            | State::Unlocking { .. }
            | State::Unlocked { .. }
            | State::Open { .. }
            | State::HeldOpen
            | State::Forced
            | State::Lockdown { .. } => {
                effects.push(Effect::Report(Event::Fire));
                State::Fire { open: self.is_open() }
            }
        }
    }

    fn lockdown(&self, on: bool, now: Mono, effects: &mut Vec<Effect>) -> State {
        match (self.state, on) {
            // People leave first; lockdown is asked for again after the alarm.
            (state @ State::Fire { .. }, _) => state,
            (State::Lockdown { open, relock_at }, false) => {
                if relock_at.is_some() {
                    effects.push(Effect::Lock);
                }
                effects.push(Effect::Report(Event::LockdownOver));
                settled(open, now)
            }
            (state @ State::Lockdown { .. }, true) => state,
            (
                state @ (State::Unknown
                | State::Secured
                | State::Unlocking { .. }
                | State::Unlocked { .. }
                | State::Open { .. }
                | State::HeldOpen
                | State::Forced),
                on,
            ) => {
                if !on {
                    return state;
                }
                effects.extend([Effect::Lock, Effect::Report(Event::Lockdown)]);
                State::Lockdown { open: self.is_open(), relock_at: None }
            }
        }
    }

    fn pass_time(&mut self, now: Mono, effects: &mut Vec<Effect>) {
        match self.state {
            // A relay that never confirmed is taken for released until it is locked again.
            State::Unlocking { confirm_by, .. } if now >= confirm_by => {
                self.state = self.relay_failed(effects);
            }
            State::Unlocking { until, .. } | State::Unlocked { until } if now >= until => {
                effects.push(Effect::Lock);
                if self.settings.contact {
                    effects.push(Effect::Report(Event::NotUsed));
                }
                self.state = State::Secured;
            }
            State::Open { since, relock_at } => {
                let relock = relock_at.is_some_and(|at| now >= at);
                if relock {
                    effects.push(Effect::Lock);
                    self.state = State::Open { since, relock_at: None };
                }
                if now >= since + self.settings.held_after {
                    if relock_at.is_some() && !relock {
                        effects.push(Effect::Lock);
                    }
                    effects.push(Effect::Report(Event::HeldOpen));
                    self.state = State::HeldOpen;
                }
            }
            State::Lockdown { open, relock_at: Some(at) } if now >= at => {
                effects.push(Effect::Lock);
                self.state = State::Lockdown { open, relock_at: None };
            }
            State::Unknown if !self.settings.contact => self.state = State::Secured,
            State::Unknown
            | State::Secured
            | State::Unlocking { .. }
            | State::Unlocked { .. }
            | State::HeldOpen
            | State::Forced
            | State::Lockdown { .. }
            | State::Fire { .. } => {}
        }
    }
}

fn settled(open: bool, now: Mono) -> State {
    if open { State::Open { since: now, relock_at: None } } else { State::Secured }
}

#[cfg(test)]
mod tests;
