//! Two lamps and a buzzer: the least a person at the door needs.

use doorward_core::decision::Cue;
use embedded_hal::digital::OutputPin;
use serde::{Deserialize, Serialize};

use super::line::{Active, CdevPin, Line, pin_error};
use crate::panel::{Panel, PanelFault};

/// One output of the panel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LampLine {
    /// Its line.
    pub line: Line,
    /// The level that switches it on.
    pub active: Active,
}

/// Which outputs are fitted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PanelConfig {
    /// Green lamp.
    pub green: Option<LampLine>,
    /// Red lamp.
    pub red: Option<LampLine>,
    /// Buzzer.
    pub buzzer: Option<LampLine>,
}

/// What is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lamps {
    green: bool,
    red: bool,
    buzzer: bool,
}

impl Lamps {
    /// Both lamps together mean "look here": yellow to the eye, and told from the others by those who see no colours.
    fn of(cue: Cue) -> Self {
        let (green, red, buzzer) = match cue {
            Cue::Idle => (false, false, false),
            Cue::Watching | Cue::Advice(_) => (true, true, false),
            Cue::Granted => (true, false, false),
            Cue::Denied(_) | Cue::OutOfOrder => (false, true, false),
            Cue::Alarm => (false, true, true),
            Cue::Fire => (true, false, true),
        };
        Self { green, red, buzzer }
    }
}

/// An output pin with its active level.
struct Lamp<P> {
    pin: P,
    active: Active,
}

/// A panel on output pins of `embedded-hal`. Everything is off from the start and after it is dropped.
pub struct PinPanel<P: OutputPin> {
    green: Option<Lamp<P>>,
    red: Option<Lamp<P>>,
    buzzer: Option<Lamp<P>>,
}

/// A panel on lines of the kernel.
pub type GpioPanel = PinPanel<CdevPin>;

impl GpioPanel {
    /// Takes the fitted lines.
    ///
    /// # Errors
    /// [`PanelFault`].
    pub fn open(config: &PanelConfig) -> Result<Self, PanelFault> {
        let lamp = |config: &LampLine| -> Result<(CdevPin, Active), PanelFault> {
            let pin = CdevPin::open(&config.line, config.active.level(false));
            let told = |e| std::io::Error::other(format!("take line {}: {e}", config.line));
            Ok((pin.map_err(|e| PanelFault { cue: Cue::Idle, source: told(e) })?, config.active))
        };
        let open = |config: &Option<LampLine>| config.as_ref().map(lamp).transpose();
        Self::new(open(&config.green)?, open(&config.red)?, open(&config.buzzer)?)
    }
}

impl<P: OutputPin> PinPanel<P> {
    /// A panel of pins that the caller has set up, each with the level that switches it on.
    ///
    /// # Errors
    /// [`PanelFault`].
    pub fn new(
        green: Option<(P, Active)>,
        red: Option<(P, Active)>,
        buzzer: Option<(P, Active)>,
    ) -> Result<Self, PanelFault> {
        let lamp = |fitted: Option<(P, Active)>| fitted.map(|(pin, active)| Lamp { pin, active });
        let mut panel = Self { green: lamp(green), red: lamp(red), buzzer: lamp(buzzer) };
        panel.switch(Cue::Idle)?;
        Ok(panel)
    }

    fn switch(&mut self, cue: Cue) -> Result<(), PanelFault> {
        let Lamps { green, red, buzzer } = Lamps::of(cue);
        let mut failed = None;
        // One broken lamp keeps no other dark.
        for (lamp, on) in [(&mut self.green, green), (&mut self.red, red), (&mut self.buzzer, buzzer)] {
            let Some(lamp) = lamp else { continue };
            if let Err(e) = lamp.pin.set_state(lamp.active.level(on)) {
                failed = Some(pin_error(&e));
            }
        }
        failed.map_or(Ok(()), |source| Err(PanelFault { cue, source }))
    }
}

impl<P: OutputPin + Send> Panel for PinPanel<P> {
    fn show(&mut self, cue: Cue) -> Result<(), PanelFault> {
        self.switch(cue)
    }
}

impl<P: OutputPin> Drop for PinPanel<P> {
    fn drop(&mut self) {
        if let Err(fault) = self.switch(Cue::Idle) {
            tracing::warn!(error = %fault.source, "switch the panel off");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use doorward_core::decision::Reject;
    use embedded_hal::digital::{ErrorKind, ErrorType};

    use super::*;

    #[derive(Clone)]
    struct Pin(Arc<Mutex<Result<bool, ErrorKind>>>);

    impl ErrorType for Pin {
        type Error = ErrorKind;
    }

    impl OutputPin for Pin {
        fn set_low(&mut self) -> Result<(), ErrorKind> {
            self.0.lock().unwrap().as_mut().map(|level| *level = false).map_err(|e| *e)
        }

        fn set_high(&mut self) -> Result<(), ErrorKind> {
            self.0.lock().unwrap().as_mut().map(|level| *level = true).map_err(|e| *e)
        }
    }

    fn pin(start: Result<bool, ErrorKind>) -> Pin {
        Pin(Arc::new(Mutex::new(start)))
    }

    #[test]
    fn every_cue_has_its_lamps_and_all_go_off_at_the_end() {
        let (green, red, buzzer) = (pin(Ok(true)), pin(Ok(false)), pin(Ok(true)));
        let fitted = |pin: &Pin, active| Some((pin.clone(), active));
        let mut panel = PinPanel::new(
            fitted(&green, Active::High),
            fitted(&red, Active::Low),
            fitted(&buzzer, Active::High),
        )
        .unwrap();
        let on = || [&green, &red, &buzzer].map(|pin| pin.0.lock().unwrap().unwrap());
        assert_eq!(on(), [false, true, false], "off; the red lamp is lit by a low level");
        let table = [
            (Cue::Granted, [true, true, false]),
            (Cue::Denied(Reject::Unknown), [false, false, false]),
            (Cue::Watching, [true, false, false]),
            (Cue::Alarm, [false, false, true]),
            (Cue::Fire, [true, true, true]),
        ];
        for (cue, levels) in table {
            panel.show(cue).unwrap();
            assert_eq!(on(), levels, "{cue:?}");
        }
        drop(panel);
        assert_eq!(on(), [false, true, false]);
    }

    #[test]
    fn a_broken_lamp_is_a_fault_and_keeps_no_other_dark() {
        let (green, red) = (pin(Ok(false)), pin(Ok(false)));
        let mut panel =
            PinPanel::new(Some((green.clone(), Active::High)), Some((red.clone(), Active::High)), None)
                .unwrap();
        *green.0.lock().unwrap() = Err(ErrorKind::Other);
        assert!(panel.show(Cue::Alarm).is_err());
        assert_eq!(*red.0.lock().unwrap(), Ok(true));
    }

    #[test]
    fn a_panel_without_lamps_shows_everything() {
        let mut panel = GpioPanel::open(&PanelConfig::default()).unwrap();
        panel.show(Cue::Granted).unwrap();
    }
}
