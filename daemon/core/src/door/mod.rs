//! The door: what its wiring reports and what the lock must do.
//!
//! ```text
//! unknown ──► secured ──grant──► unlocking ──relay moved──► unlocked ──opened──► open ──closed──► secured
//!                │                                             └──time up──► secured │
//!                └──opened without a grant──► forced            open too long ──► held open
//! ```
//! Fire beats everything, lockdown beats every grant. Leaving never depends on this machine: request-to-exit and fire
//! are wired to the lock, and what they report here only explains what the contact then says. An alarm lasts until the
//! leaf closes, or fire makes an open door right.

pub mod event;
pub mod points;

use std::time::Duration;

use crate::audit::Recorded;
use crate::decision::Grant;
use crate::time::Mono;

pub use event::Event;
use points::Patience;
pub use points::{Point, Signal, Trouble};

/// A leaf that slams may spring open once more before it rests: for this long after it closed, opening continues the
/// passage before. Shorter than anybody needs to walk up and pull (attack case D3).
const BOUNCE: Duration = Duration::from_millis(500);

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
    /// How patient the wiring's points are.
    pub patience: Patience,
    /// What tampering does besides being reported.
    pub on_tamper: OnTamper,
}

/// What follows when the terminal's case is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnTamper {
    /// The report alone.
    #[default]
    Report,
    /// Nobody is let in until it is closed.
    Lockdown,
    /// The same, and everybody who is enrolled is erased: whoever opens the case may want what is in it.
    Erase,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            contact: true,
            open_max: Duration::from_secs(30),
            held_after: Duration::from_secs(30),
            relay_wait: Duration::from_millis(500),
            patience: Patience::default(),
            on_tamper: OnTamper::Report,
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
        /// Where the leaf is.
        leaf: Leaf,
        /// When the lock returns after somebody left.
        relock_at: Option<Mono>,
    },
    /// Fire: released until the alarm ends.
    Fire {
        /// Where the leaf is; open is right now.
        leaf: Leaf,
    },
}

impl State {
    /// Its name, for people and pages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            State::Unknown => "unknown",
            State::Secured => "secured",
            State::Unlocking { .. } => "unlocking",
            State::Unlocked { .. } => "unlocked",
            State::Open { .. } => "open",
            State::HeldOpen => "held_open",
            State::Forced => "forced",
            State::Lockdown { .. } => "lockdown",
            State::Fire { .. } => "fire",
        }
    }
}

/// The leaf while the lock's state says nothing about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaf {
    /// The contact has not spoken yet.
    Unknown,
    /// Closed.
    Closed,
    /// Open.
    Open {
        /// Since when.
        since: Mono,
    },
    /// Open, and that is an alarm.
    Alarmed(Alarm),
}

impl Leaf {
    /// As the contact tells it first.
    fn seen(open: bool, now: Mono) -> Self {
        if open { Leaf::Open { since: now } } else { Leaf::Closed }
    }

    /// The same leaf, but if it is open, that is right and begins now.
    fn excused(self, now: Mono) -> Self {
        match self {
            Leaf::Open { .. } | Leaf::Alarmed(_) => Leaf::Open { since: now },
            leaf @ (Leaf::Unknown | Leaf::Closed) => leaf,
        }
    }
}

/// Why an open door is an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alarm {
    /// Opened without a grant.
    Forced,
    /// Open for too long.
    HeldOpen,
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
    /// The exit button is down, and its hardware holds the lock open.
    EgressHeld,
    /// The exit button was let go; its hardware may hold the lock for a while yet.
    EgressOver {
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
    /// The exit button is down.
    egress_held: bool,
    /// Until when opening is no alarm in any state, because the hardware let go of the lock or the leaf may bounce.
    free_until: Option<Mono>,
}

impl Door {
    /// A door at start: nothing is known, and the first effect of anything is a locked relay.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, state: State::Unknown, egress_held: false, free_until: None }
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether it stands open, as far as the contact tells.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.leaf(), Leaf::Open { .. } | Leaf::Alarmed(_))
    }

    /// The alarm that is on.
    #[must_use]
    pub fn alarm(&self) -> Option<Alarm> {
        if let Leaf::Alarmed(alarm) = self.leaf() { Some(alarm) } else { None }
    }

    /// When something happens without input.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        let held_at = |since| since + self.settings.held_after;
        match self.state {
            State::Unlocking { until, confirm_by } => Some(until.min(confirm_by)),
            State::Unlocked { until } => Some(until),
            State::Open { since, relock_at } | State::Lockdown { leaf: Leaf::Open { since }, relock_at } => {
                Some(relock_at.map_or(held_at(since), |relock| relock.min(held_at(since))))
            }
            State::Lockdown { relock_at, leaf: Leaf::Unknown | Leaf::Closed | Leaf::Alarmed(_) } => relock_at,
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
            Input::EgressHeld => {
                self.egress_held = true;
                self.state
            }
            Input::EgressOver { open_for } => {
                self.egress_held = false;
                self.free(now + open_for.min(self.settings.open_max));
                self.state
            }
            Input::Fire { release } => self.fire(release, now, &mut effects),
            Input::FireOver => {
                if let State::Fire { leaf } = self.state {
                    effects.extend([Effect::Lock, Effect::Report(Event::FireOver)]);
                    settled(leaf.excused(now))
                } else {
                    self.state
                }
            }
            Input::Lockdown(on) => self.lockdown(on, &mut effects),
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
        &mut self,
        release: Option<Recorded<Grant>>,
        open_for: Duration,
        now: Mono,
        effects: &mut Vec<Effect>,
    ) -> State {
        let until = now + open_for.min(self.settings.open_max);
        self.free(until);
        match self.state {
            State::Unknown | State::Secured => {
                effects.extend(release.map(Effect::Unlock));
                State::Unlocked { until }
            }
            State::Unlocking { until: before, .. } | State::Unlocked { until: before } => {
                effects.extend(release.map(Effect::Unlock));
                State::Unlocked { until: until.max(before) }
            }
            State::Lockdown { leaf, .. } => {
                effects.extend(release.map(Effect::Unlock));
                State::Lockdown { leaf, relock_at: Some(until) }
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

    fn contact(&mut self, open: bool, now: Mono, effects: &mut Vec<Effect>) -> State {
        match (self.state, open) {
            (State::Unknown, _) => settled(Leaf::seen(open, now)),
            (State::Secured, true) => settled(self.opened(now, effects)),
            (State::Unlocking { until, .. } | State::Unlocked { until }, true) => {
                effects.push(Effect::Report(Event::Opened));
                State::Open { since: now, relock_at: Some(until) }
            }
            (State::Open { relock_at, .. }, false) => {
                if relock_at.is_some() {
                    effects.push(Effect::Lock);
                }
                settled(self.closed(None, now, effects))
            }
            (State::HeldOpen, false) => settled(self.closed(Some(Alarm::HeldOpen), now, effects)),
            (State::Forced, false) => settled(self.closed(Some(Alarm::Forced), now, effects)),
            (State::Lockdown { leaf, relock_at }, _) => {
                let leaf = match (leaf, open) {
                    (Leaf::Unknown, _) => Leaf::seen(open, now),
                    (Leaf::Closed, true) => self.opened(now, effects),
                    (Leaf::Open { .. }, false) => self.closed(None, now, effects),
                    (Leaf::Alarmed(alarm), false) => self.closed(Some(alarm), now, effects),
                    (Leaf::Closed, false) | (Leaf::Open { .. } | Leaf::Alarmed(_), true) => leaf,
                };
                State::Lockdown { leaf, relock_at }
            }
            (State::Fire { .. }, _) => State::Fire { leaf: Leaf::seen(open, now) },
            // A level that is reported again changes nothing.
            (state @ (State::Secured | State::Unlocking { .. } | State::Unlocked { .. }), false)
            | (state @ (State::Open { .. } | State::HeldOpen | State::Forced), true) => state,
        }
    }

    /// The leaf of a locked door opens.
    fn opened(&self, now: Mono, effects: &mut Vec<Effect>) -> Leaf {
        if self.egress_held || self.free_until.is_some_and(|until| now <= until) {
            effects.push(Effect::Report(Event::Opened));
            Leaf::Open { since: now }
        } else {
            effects.push(Effect::Report(Event::Forced));
            Leaf::Alarmed(Alarm::Forced)
        }
    }

    /// The leaf closes, and with it the alarm that was on.
    fn closed(&mut self, alarm: Option<Alarm>, now: Mono, effects: &mut Vec<Effect>) -> Leaf {
        self.free(now + BOUNCE);
        effects.extend(alarm.map(|alarm| Effect::Report(Event::cleared(alarm))));
        effects.push(Effect::Report(Event::Closed));
        Leaf::Closed
    }

    /// Opening is no alarm until then.
    fn free(&mut self, until: Mono) {
        self.free_until = self.free_until.max(Some(until));
    }

    fn leaf(&self) -> Leaf {
        match self.state {
            State::Unknown => Leaf::Unknown,
            State::Secured | State::Unlocking { .. } | State::Unlocked { .. } => Leaf::Closed,
            State::Open { since, .. } => Leaf::Open { since },
            State::HeldOpen => Leaf::Alarmed(Alarm::HeldOpen),
            State::Forced => Leaf::Alarmed(Alarm::Forced),
            State::Lockdown { leaf, .. } | State::Fire { leaf } => leaf,
        }
    }

    fn fire(&self, release: Option<Recorded<Grant>>, now: Mono, effects: &mut Vec<Effect>) -> State {
        effects.extend(release.map(Effect::Unlock));
        if matches!(self.state, State::Fire { .. }) {
            return self.state;
        }
        // From now on an open door is right.
        if let Some(alarm) = self.alarm() {
            effects.push(Effect::Report(Event::cleared(alarm)));
        }
        if matches!(self.state, State::Lockdown { .. }) {
            effects.push(Effect::Report(Event::LockdownOver));
        }
        effects.push(Effect::Report(Event::Fire));
        State::Fire { leaf: self.leaf().excused(now) }
    }

    fn lockdown(&self, on: bool, effects: &mut Vec<Effect>) -> State {
        match (self.state, on) {
            // People leave first; lockdown is asked for again after the alarm.
            (state @ State::Fire { .. }, _) | (state @ State::Lockdown { .. }, true) => state,
            (State::Lockdown { leaf, relock_at }, false) => {
                if relock_at.is_some() {
                    effects.push(Effect::Lock);
                }
                effects.push(Effect::Report(Event::LockdownOver));
                settled(leaf)
            }
            (state, false) => state,
            (_, true) => {
                effects.extend([Effect::Lock, Effect::Report(Event::Lockdown)]);
                State::Lockdown { leaf: self.leaf(), relock_at: None }
            }
        }
    }

    fn pass_time(&mut self, now: Mono, effects: &mut Vec<Effect>) {
        let held = |since: Mono| now >= since + self.settings.held_after;
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
                if relock || relock_at.is_some() && held(since) {
                    effects.push(Effect::Lock);
                }
                self.state = if held(since) {
                    effects.push(Effect::Report(Event::HeldOpen));
                    State::HeldOpen
                } else {
                    State::Open { since, relock_at: relock_at.filter(|_| !relock) }
                };
            }
            State::Lockdown { mut leaf, mut relock_at } => {
                if relock_at.is_some_and(|at| now >= at) {
                    effects.push(Effect::Lock);
                    relock_at = None;
                }
                if let Leaf::Open { since } = leaf
                    && held(since)
                {
                    effects.push(Effect::Report(Event::HeldOpen));
                    leaf = Leaf::Alarmed(Alarm::HeldOpen);
                }
                self.state = State::Lockdown { leaf, relock_at };
            }
            State::Unknown if !self.settings.contact => self.state = State::Secured,
            State::Unknown
            | State::Secured
            | State::Unlocking { .. }
            | State::Unlocked { .. }
            | State::HeldOpen
            | State::Forced
            | State::Fire { .. } => {}
        }
    }
}

/// The state of a locked door with nothing going on but its leaf.
fn settled(leaf: Leaf) -> State {
    match leaf {
        Leaf::Unknown => State::Unknown,
        Leaf::Closed => State::Secured,
        Leaf::Open { since } => State::Open { since, relock_at: None },
        Leaf::Alarmed(Alarm::Forced) => State::Forced,
        Leaf::Alarmed(Alarm::HeldOpen) => State::HeldOpen,
    }
}

#[cfg(test)]
mod tests;
