//! The lock's relay on one output line.

use std::fmt;
use std::io;

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

/// What drives the relay's line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Driver {
    /// The kernel's GPIO interface, version 2: every board, and the kernel knows who holds the line.
    #[default]
    Gpiocdev,
    /// Version 1 of it, through `linux-embedded-hal`.
    LinuxEmbeddedHal,
    /// The registers of a Raspberry Pi, through `rppal`.
    Rppal,
}

impl Driver {
    /// The name in the configuration; that of the feature it is compiled with, too.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Driver::Gpiocdev => "gpiocdev",
            Driver::LinuxEmbeddedHal => "linux_embedded_hal",
            Driver::Rppal => "rppal",
        }
    }

    /// Whether this program was compiled with it.
    #[must_use]
    pub const fn built(self) -> bool {
        match self {
            Driver::Gpiocdev => true,
            Driver::LinuxEmbeddedHal => cfg!(feature = "linux_embedded_hal"),
            Driver::Rppal => cfg!(feature = "rppal"),
        }
    }

    /// What to do where it was not.
    #[must_use]
    pub fn absence(self) -> String {
        let name = self.name();
        format!("this doord was built without it; build with --features {name}, or say driver = \"gpiocdev\"")
    }
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
    /// What drives the line.
    #[serde(default)]
    pub driver: Driver,
}

/// Takes the line with the driver that the configuration names, and locks; the line never has another level in between.
///
/// # Errors
/// [`RelayFault`], also for a driver that this program was built without.
pub fn open(config: &RelayConfig) -> Result<Box<dyn Relay>, RelayFault> {
    match config.driver {
        Driver::Gpiocdev => Ok(Box::new(GpioRelay::open(config)?)),
        #[cfg(feature = "linux_embedded_hal")]
        Driver::LinuxEmbeddedHal => {
            let pin = super::cdev_v1::open(&config.line, config.locked());
            Ok(Box::new(PinRelay::new(pin.map_err(|source| config.not_taken(source))?, config)?))
        }
        #[cfg(feature = "rppal")]
        Driver::Rppal => {
            let pin = super::registers::open(&config.line, config.locked());
            Ok(Box::new(PinRelay::new(pin.map_err(|source| config.not_taken(source))?, config)?))
        }
        #[cfg(not(feature = "linux_embedded_hal"))]
        absent @ Driver::LinuxEmbeddedHal => Err(config.not_taken(io::Error::other(absent.absence()))),
        #[cfg(not(feature = "rppal"))]
        absent @ Driver::Rppal => Err(config.not_taken(io::Error::other(absent.absence()))),
    }
}

impl RelayConfig {
    fn not_taken(&self, source: io::Error) -> RelayFault {
        RelayFault { line: self.line.to_string(), doing: "take the line", source }
    }

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
        let pin = CdevPin::open(&config.line, config.locked());
        Self::new(pin.map_err(|source| config.not_taken(source))?, config)
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
            tracing::error!(line = %fault.line, "lock on the way out: {}", fault.source);
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
    use std::thread;
    use std::time::Duration;

    use doorward_core::audit::{Journal, JournalFault, record};
    use doorward_core::time::{ClockTrust, Wall};
    use doorward_protocol::audit::What;

    use super::*;
    use crate::fake;

    struct Paper;

    impl Journal for Paper {
        fn append(&mut self, _: &What, _: Wall) -> Result<u64, JournalFault> {
            Ok(1)
        }
    }

    fn grant() -> Recorded<Grant> {
        let grant = Grant::self_test("front".parse().unwrap(), Duration::from_secs(1));
        record(&mut Paper, grant, Wall { ms: 0, trust: ClockTrust::Unknown }).unwrap()
    }

    fn config(active: Active, wiring: Wiring) -> RelayConfig {
        RelayConfig { line: Line::Named { name: "lock".into() }, active, wiring, driver: Driver::default() }
    }

    const WIRINGS: [(Active, Wiring, PinState); 4] = [
        (Active::High, Wiring::FailSecure, PinState::Low),
        (Active::Low, Wiring::FailSecure, PinState::High),
        (Active::High, Wiring::FailSafe, PinState::High),
        (Active::Low, Wiring::FailSafe, PinState::Low),
    ];

    #[test]
    fn d5_a_relay_is_locked_from_its_first_moment_to_its_last_in_every_wiring() {
        for (active, wiring, locked) in WIRINGS {
            let (pin, probe) = fake::pin();
            let mut relay = PinRelay::new(pin, &config(active, wiring)).unwrap();
            relay.unlock(&grant()).unwrap();
            relay.lock().unwrap();
            relay.unlock(&grant()).unwrap();
            drop(relay);
            assert_eq!(probe.history(), [locked, !locked, locked, !locked, locked], "{active:?} {wiring:?}");
        }
    }

    #[test]
    fn d4_a_thread_that_panics_while_the_lock_is_released_locks_on_its_way_out() {
        for (active, wiring, locked) in WIRINGS {
            let (pin, probe) = fake::pin();
            let mut relay = PinRelay::new(pin, &config(active, wiring)).unwrap();
            let door = thread::spawn(move || {
                relay.unlock(&grant()).unwrap();
                // Without a message: the hook that prints it would make a passing test look broken.
                std::panic::resume_unwind(Box::new(()));
            });
            assert!(door.join().is_err());
            assert_eq!(probe.history(), [locked, !locked, locked], "{active:?} {wiring:?}");
        }
    }

    #[test]
    fn a_line_that_cannot_be_driven_is_a_fault_that_names_it() {
        let (pin, probe) = fake::pin();
        probe.break_it();
        let fault = PinRelay::new(pin, &config(Active::High, Wiring::FailSecure)).unwrap_err();
        assert_eq!(fault.to_string(), "relay lock: lock");
    }

    #[test]
    fn every_driver_that_was_built_in_names_a_line_it_cannot_find_and_every_other_says_what_to_do() {
        for driver in [Driver::Gpiocdev, Driver::LinuxEmbeddedHal, Driver::Rppal] {
            let line = Line::Named { name: "no-such-line".into() };
            let missing = RelayConfig { line, driver, ..config(Active::High, Wiring::FailSecure) };
            let fault = open(&missing).err().unwrap();
            assert_eq!(fault.to_string(), "relay no-such-line: take the line");
            let expected = if driver.built() { "no chip" } else { "--features" };
            assert!(fault.source.to_string().contains(expected), "{driver:?}: {}", fault.source);
        }
    }
}
