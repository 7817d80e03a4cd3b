//! The lock's relay on one output line.

use std::fmt;

use doorward_core::audit::Recorded;
use doorward_core::decision::Grant;
use embedded_hal::digital::{OutputPin, PinState};
use serde::{Deserialize, Serialize};

use super::line::{Active, CdevPin, Line, pin_error};
use crate::relay::{Relay, RelayFault};

/// What the lock does without power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wiring {
    /// Stays locked: an electric strike that is energised to open. A dead terminal keeps the door shut; leaving goes by
    /// the handle.
    FailSecure,
    /// Opens: a magnet that is energised to hold. A dead terminal frees the door, as escape routes need it.
    FailSafe,
}

/// One relay and how it is wired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelayConfig {
    /// Its line.
    pub line: Line,
    /// The level that energises the relay.
    pub active: Active,
    /// What the lock does without power.
    pub wiring: Wiring,
}

impl RelayConfig {
    /// The level that locks.
    fn locked(&self) -> PinState {
        let energised = match self.wiring {
            Wiring::FailSecure => false,
            Wiring::FailSafe => true,
        };
        self.active.level(energised)
    }
}

/// A relay on any output pin of `embedded-hal`.
pub struct PinRelay<P: OutputPin> {
    pin: P,
    name: String,
    locked: PinState,
}

/// A relay on a line of the kernel.
pub type GpioRelay = PinRelay<CdevPin>;

impl GpioRelay {
    /// Takes the line and locks; the line never has another level in between.
    ///
    /// # Errors
    /// [`RelayFault`].
    pub fn open(config: &RelayConfig) -> Result<Self, RelayFault> {
        let pin = CdevPin::open(&config.line, config.locked()).map_err(|source| RelayFault {
            line: config.line.to_string(),
            doing: "take the line",
            source,
        })?;
        Self::new(pin, config)
    }
}

impl<P: OutputPin> PinRelay<P> {
    /// Locks with a pin that the caller has set up; `config.line` only names it.
    ///
    /// # Errors
    /// [`RelayFault`]; the pin is dropped.
    pub fn new(pin: P, config: &RelayConfig) -> Result<Self, RelayFault> {
        let mut relay = Self { pin, name: config.line.to_string(), locked: config.locked() };
        relay.drive(relay.locked, "lock")?;
        Ok(relay)
    }

    fn drive(&mut self, level: PinState, doing: &'static str) -> Result<(), RelayFault> {
        let set = self.pin.set_state(level);
        set.map_err(|e| RelayFault { line: self.name.clone(), doing, source: pin_error(&e) })
    }
}

impl<P: OutputPin + Send> Relay for PinRelay<P> {
    fn unlock(&mut self, _grant: &Recorded<Grant>) -> Result<(), RelayFault> {
        self.drive(!self.locked, "unlock")
    }

    fn lock(&mut self) -> Result<(), RelayFault> {
        self.drive(self.locked, "lock")
    }
}

impl<P: OutputPin> Drop for PinRelay<P> {
    fn drop(&mut self) {
        if let Err(fault) = self.drive(self.locked, "lock") {
            tracing::error!(line = %fault.line, error = %fault.source, "lock on the way out");
        }
    }
}

impl<P: OutputPin> fmt::Debug for PinRelay<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PinRelay")
            .field("name", &self.name)
            .field("locked", &self.locked)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::{Arc, Mutex};

    use doorward_core::audit::{Journal, JournalFault, record};
    use doorward_core::time::{ClockTrust, Wall};
    use doorward_protocol::audit::What;
    use embedded_hal::digital::{ErrorKind, ErrorType};

    use super::*;

    struct Paper;

    impl Journal for Paper {
        fn append(&mut self, _: &What, _: Wall) -> Result<u64, JournalFault> {
            Ok(1)
        }
    }

    #[derive(Clone, Default)]
    struct Pin(Arc<Mutex<Vec<PinState>>>);

    impl ErrorType for Pin {
        type Error = Infallible;
    }

    impl OutputPin for Pin {
        fn set_low(&mut self) -> Result<(), Infallible> {
            self.0.lock().unwrap().push(PinState::Low);
            Ok(())
        }

        fn set_high(&mut self) -> Result<(), Infallible> {
            self.0.lock().unwrap().push(PinState::High);
            Ok(())
        }
    }

    struct Stuck;

    impl ErrorType for Stuck {
        type Error = ErrorKind;
    }

    impl OutputPin for Stuck {
        fn set_low(&mut self) -> Result<(), ErrorKind> {
            Err(ErrorKind::Other)
        }

        fn set_high(&mut self) -> Result<(), ErrorKind> {
            Err(ErrorKind::Other)
        }
    }

    fn config(active: Active, wiring: Wiring) -> RelayConfig {
        RelayConfig { line: Line::Named { name: "lock".into() }, active, wiring }
    }

    #[test]
    fn d4_a_relay_is_locked_from_its_first_moment_to_its_last_in_every_wiring() {
        use PinState::{High, Low};
        let table = [
            (Active::High, Wiring::FailSecure, Low, High),
            (Active::Low, Wiring::FailSecure, High, Low),
            (Active::High, Wiring::FailSafe, High, Low),
            (Active::Low, Wiring::FailSafe, Low, High),
        ];
        for (active, wiring, locked, unlocked) in table {
            let pin = Pin::default();
            let mut relay = PinRelay::new(pin.clone(), &config(active, wiring)).unwrap();
            let grant = Grant::self_test("front".parse().unwrap(), std::time::Duration::from_secs(1));
            let grant = record(&mut Paper, grant, Wall { ms: 0, trust: ClockTrust::Unknown }).unwrap();
            relay.unlock(&grant).unwrap();
            relay.lock().unwrap();
            relay.unlock(&grant).unwrap();
            drop(relay);
            let levels = pin.0.lock().unwrap().clone();
            assert_eq!(levels, [locked, unlocked, locked, unlocked, locked], "{active:?} {wiring:?}");
        }
    }

    #[test]
    fn a_line_that_cannot_be_driven_is_a_fault_that_names_it() {
        let fault = PinRelay::new(Stuck, &config(Active::High, Wiring::FailSecure)).unwrap_err();
        assert_eq!(fault.to_string(), "relay lock: lock");
        let missing = Line::Named { name: "no-such-line".into() };
        let missing = RelayConfig { line: missing, ..config(Active::High, Wiring::FailSecure) };
        assert_eq!(GpioRelay::open(&missing).unwrap_err().to_string(), "relay no-such-line: take the line");
    }
}
