//! What the panel shows: the states of door and attempt, and what was decided.

use doorward_core::attempt::State;
use doorward_core::decision::{Cue, Reject};
use doorward_core::door;
use doorward_core::time::Now;

use super::{Observation, Terminal, chain};

impl Terminal {
    /// Shows what the states say; a decision stays on the panel for as long as its state lasts.
    pub(super) fn show(&mut self, now: Now) {
        let cue = match (self.door.state(), self.attempts.state()) {
            (door::State::Fire { .. }, _) => Cue::Fire,
            _ if self.door.alarm().is_some() => Cue::Alarm,
            (_, State::Blind) => Cue::OutOfOrder,
            (_, State::Decided { .. } | State::CoolDown { .. }) => return,
            (_, State::Idle) if !self.claims.listen(now.mono) => return,
            (_, State::Idle) if self.claims.held(now.mono).is_some() => Cue::Advice(Reject::NoFace),
            (_, State::Watching(watch)) => match (watch.asks(), watch.last()) {
                (Some(movement), _) => Cue::Move(movement),
                (None, last) => last.map_or(Cue::Watching, Cue::Advice),
            },
            (_, State::Idle) if self.lockout.locked(now.wall.ms) => Cue::Denied(Reject::LockedOut),
            (_, State::Idle) => Cue::Idle,
        };
        self.cue(cue);
    }

    pub(super) fn cue(&mut self, cue: Cue) {
        if self.shown == Some(cue) {
            return;
        }
        self.shown = Some(cue);
        if let Err(fault) = self.devices.panel.show(cue) {
            tracing::warn!("the panel did not show a cue: {}", chain(&fault));
        }
        (self.observer)(Observation::Shown(cue));
    }
}
