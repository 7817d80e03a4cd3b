//! Two lamps and a buzzer: the least a person at the door needs. A thread plays the pattern of the newest cue, so that
//! lamps blink and the buzzer ends whatever the terminal is busy with.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use doorward_core::decision::Cue;
use embedded_hal::digital::OutputPin;
use serde::{Deserialize, Serialize};

use super::line::{Active, CdevPin, OutputLine, pin_error};
use super::pattern::{Lamps, lamps};
use crate::clock;
use crate::panel::{Panel, PanelFault};

/// Which outputs are fitted, and how loud they may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PanelConfig {
    /// Green lamp.
    pub green: Option<OutputLine>,
    /// Red lamp.
    pub red: Option<OutputLine>,
    /// Buzzer.
    pub buzzer: Option<OutputLine>,
    /// The buzzer stays silent.
    pub silent: bool,
    /// How many seconds the buzzer may sound for one cue.
    pub sound_max_s: u64,
}

impl Default for PanelConfig {
    fn default() -> Self {
        Self { green: None, red: None, buzzer: None, silent: false, sound_max_s: 120 }
    }
}

impl PanelConfig {
    /// How long the buzzer may sound for one cue.
    #[must_use]
    pub fn sound_max(&self) -> Duration {
        if self.silent { Duration::ZERO } else { Duration::from_secs(self.sound_max_s) }
    }
}

/// An output pin and the level that switches it on.
#[derive(Debug)]
pub struct Lamp<P> {
    pin: P,
    active: Active,
}

impl<P> Lamp<P> {
    /// A lamp on a pin that the caller has set up.
    #[must_use]
    pub fn new(pin: P, active: Active) -> Self {
        Self { pin, active }
    }
}

/// The fitted outputs: green lamp, red lamp, buzzer.
pub type Fitted<P> = [Option<Lamp<P>>; 3];

/// A panel on output pins. Everything is off from the start and after it is dropped. A pin that fails while a pattern
/// plays is told by the next cue.
#[derive(Debug)]
pub struct PinPanel {
    stage: Arc<Stage>,
    player: Option<JoinHandle<()>>,
}

/// Where the player learns what to play.
#[derive(Debug)]
struct Stage {
    script: Mutex<Script>,
    changed: Condvar,
}

#[derive(Debug)]
struct Script {
    cue: Cue,
    /// Counts cues, so that the same one shown twice plays twice.
    turn: u64,
    ending: bool,
    /// What failed since the last cue.
    failed: Option<io::Error>,
}

impl PinPanel {
    /// Takes the fitted lines of the kernel.
    ///
    /// # Errors
    /// [`PanelFault`].
    pub fn open(config: &PanelConfig) -> Result<Self, PanelFault> {
        let lamp = |config: &OutputLine| -> Result<Lamp<CdevPin>, PanelFault> {
            let pin = CdevPin::open(&config.line, config.active.level(false));
            let told = |e| io::Error::other(format!("take line {}: {e}", config.line));
            let pin = pin.map_err(|e| PanelFault { cue: Cue::Idle, source: told(e) })?;
            Ok(Lamp::new(pin, config.active))
        };
        let open = |config: &Option<OutputLine>| config.as_ref().map(lamp).transpose();
        let fitted = [open(&config.green)?, open(&config.red)?, open(&config.buzzer)?];
        Self::new(fitted, config.sound_max())
    }

    /// A panel of pins whose buzzer sounds for at most `sound_max` for one cue.
    ///
    /// # Errors
    /// [`PanelFault`].
    pub fn new<P>(mut fitted: Fitted<P>, sound_max: Duration) -> Result<Self, PanelFault>
    where
        P: OutputPin + Send + 'static,
    {
        switch(&mut fitted, Lamps::OFF).map_err(|source| PanelFault { cue: Cue::Idle, source })?;
        let script = Script { cue: Cue::Idle, turn: 0, ending: false, failed: None };
        let stage = Arc::new(Stage { script: Mutex::new(script), changed: Condvar::new() });
        let player = std::thread::Builder::new().name("panel".to_owned());
        let theirs = Arc::clone(&stage);
        let player = player.spawn(move || play(&theirs, &mut fitted, sound_max));
        let player = player.map_err(|source| PanelFault { cue: Cue::Idle, source })?;
        Ok(Self { stage, player: Some(player) })
    }
}

impl Panel for PinPanel {
    fn show(&mut self, cue: Cue) -> Result<(), PanelFault> {
        let mut script = self.stage.read();
        script.cue = cue;
        script.turn += 1;
        let failed = script.failed.take();
        drop(script);
        self.stage.changed.notify_all();
        failed.map_or(Ok(()), |source| Err(PanelFault { cue, source }))
    }
}

impl Drop for PinPanel {
    fn drop(&mut self) {
        self.stage.read().ending = true;
        self.stage.changed.notify_all();
        if self.player.take().is_some_and(|player| player.join().is_err()) {
            tracing::warn!("the panel's player panicked; its lamps stay as they were");
        }
    }
}

impl Stage {
    fn read(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is something else to play than `turn`, or for `lasts`.
    fn wait(&self, turn: u64, lasts: Option<Duration>) -> MutexGuard<'_, Script> {
        let same = |script: &mut Script| script.turn == turn && !script.ending;
        match lasts {
            None => self.changed.wait_while(self.read(), same).unwrap_or_else(PoisonError::into_inner),
            Some(lasts) => {
                let waited = self.changed.wait_timeout_while(self.read(), lasts, same);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }
}

/// The body of the player's thread.
fn play<P: OutputPin>(stage: &Stage, fitted: &mut Fitted<P>, sound_max: Duration) {
    let (mut cue, mut turn, mut began, mut lit) = (Cue::Idle, 0, clock::monotonic(), Lamps::OFF);
    loop {
        let (next, lasts) = lamps(cue, clock::monotonic().since(began), sound_max);
        if next != lit {
            lit = next;
            if let Err(e) = switch(fitted, lit) {
                stage.read().failed = Some(e);
            }
        }
        let script = stage.wait(turn, lasts);
        if script.ending {
            break;
        }
        if script.turn != turn {
            (cue, turn, began) = (script.cue, script.turn, clock::monotonic());
        }
    }
    if let Err(e) = switch(fitted, Lamps::OFF) {
        tracing::warn!(error = %e, "switch the panel off");
    }
}

/// Switches all; one broken output keeps no other dark.
fn switch<P: OutputPin>(fitted: &mut Fitted<P>, lit: Lamps) -> io::Result<()> {
    let mut failed = Ok(());
    for (lamp, on) in fitted.iter_mut().zip([lit.green, lit.red, lit.buzzer]) {
        let Some(lamp) = lamp else { continue };
        if let Err(e) = lamp.pin.set_state(lamp.active.level(on)) {
            failed = Err(pin_error(&e));
        }
    }
    failed
}

#[cfg(test)]
mod tests {
    use doorward_core::decision::Reject;
    use embedded_hal::digital::PinState::{self, High, Low};

    use super::*;
    use crate::fake::{self, FakePin, PinHand};

    const SOUND: Duration = Duration::from_secs(60);

    fn fitted() -> (Fitted<FakePin>, [PinHand; 3]) {
        let ((green, a), (red, b), (buzzer, c)) = (fake::pin(), fake::pin(), fake::pin());
        let lamp = |pin, active| Some(Lamp::new(pin, active));
        ([lamp(green, Active::High), lamp(red, Active::Low), lamp(buzzer, Active::High)], [a, b, c])
    }

    /// Waits until the outputs have these levels; a player that never gets there fails the test after ten seconds.
    fn reaches(probes: &[PinHand; 3], levels: [PinState; 3]) -> bool {
        let there = || probes.each_ref().map(PinHand::level) == levels.map(Some);
        (0..2000).any(|_| {
            clock::wait(Duration::from_millis(5));
            there()
        })
    }

    #[test]
    fn the_newest_cue_is_played_and_all_go_off_at_the_end() {
        let (lamps, probes) = fitted();
        let mut panel = PinPanel::new(lamps, SOUND).unwrap();
        assert_eq!(probes.each_ref().map(PinHand::level), [Low, High, Low].map(Some), "off from the start");
        panel.show(Cue::Watching).unwrap();
        assert!(reaches(&probes, [High, Low, Low]));
        panel.show(Cue::Denied(Reject::Unknown)).unwrap();
        assert!(reaches(&probes, [Low, Low, Low]), "the sound ends");
        panel.show(Cue::Alarm).unwrap();
        assert!(reaches(&probes, [Low, Low, High]));
        drop(panel);
        assert_eq!(probes.each_ref().map(PinHand::level), [Low, High, Low].map(Some));
    }

    #[test]
    fn a_broken_lamp_is_a_fault_and_keeps_no_other_dark() {
        let (lamps, probes) = fitted();
        let mut panel = PinPanel::new(lamps, SOUND).unwrap();
        probes[0].break_it();
        let told = (0..2000).any(|_| {
            let _ = panel.show(Cue::Watching);
            clock::wait(Duration::from_millis(5));
            panel.show(Cue::Idle).is_err()
        });
        assert!(told);
        panel.show(Cue::Alarm).ok();
        assert!(reaches(&probes, [Low, Low, High]));
        let (lamps, probes) = fitted();
        probes[2].break_it();
        assert!(PinPanel::new(lamps, SOUND).is_err());
    }

    #[test]
    fn a_panel_without_lamps_shows_everything() {
        let mut panel = PinPanel::open(&PanelConfig::default()).unwrap();
        panel.show(Cue::Granted).unwrap();
    }
}
