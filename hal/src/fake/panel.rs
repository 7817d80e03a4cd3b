//! A panel that remembers what it showed.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};

use doorward_core::decision::Cue;

use super::open;
use crate::panel::{Panel, PanelFault};

/// Cues remembered; the oldest are forgotten.
const HISTORY_MAX: usize = 100_000;

/// The panel.
#[derive(Debug)]
pub struct FakePanel(Arc<Mutex<State>>);

/// The eye on the panel.
#[derive(Debug, Clone)]
pub struct PanelHand(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    shown: VecDeque<Cue>,
    broken: bool,
}

/// A panel that shows nothing yet.
#[must_use]
pub fn panel() -> (FakePanel, PanelHand) {
    let state = Arc::new(Mutex::new(State { shown: VecDeque::new(), broken: false }));
    (FakePanel(Arc::clone(&state)), PanelHand(state))
}

impl Panel for FakePanel {
    fn show(&mut self, cue: Cue) -> Result<(), PanelFault> {
        let mut state = open(&self.0);
        if state.broken {
            return Err(PanelFault { cue, source: io::Error::other("the fake panel is broken") });
        }
        if state.shown.len() == HISTORY_MAX {
            state.shown.pop_front();
        }
        state.shown.push_back(cue);
        Ok(())
    }
}

impl PanelHand {
    /// What is shown, `None` before the first cue.
    #[must_use]
    pub fn shown(&self) -> Option<Cue> {
        open(&self.0).shown.back().copied()
    }

    /// Everything that was shown, oldest first.
    #[must_use]
    pub fn history(&self) -> Vec<Cue> {
        open(&self.0).shown.iter().copied().collect()
    }

    /// Breaks the panel: every call fails.
    pub fn break_it(&self) {
        open(&self.0).broken = true;
    }

    /// Mends it.
    pub fn mend(&self) {
        open(&self.0).broken = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_cue_is_what_is_shown_and_a_broken_panel_says_so() {
        let (mut panel, hand) = panel();
        assert_eq!(hand.shown(), None);
        panel.show(Cue::Watching).unwrap();
        panel.show(Cue::Granted).unwrap();
        assert_eq!(hand.shown(), Some(Cue::Granted));
        hand.break_it();
        assert!(panel.show(Cue::Idle).is_err());
        hand.mend();
        panel.show(Cue::Idle).unwrap();
        assert_eq!(hand.history(), [Cue::Watching, Cue::Granted, Cue::Idle]);
    }
}
