//! The infrared emitter on one output line.

use embedded_hal::digital::OutputPin;

use super::line::{Active, CdevPin, OutputLine, pin_error};
use crate::emitter::{Emitter, EmitterFault};

/// An emitter on any output pin of `embedded-hal`.
#[derive(Debug)]
pub struct PinEmitter<P: OutputPin> {
    pin: P,
    name: String,
    active: Active,
}

/// An emitter on a line of the kernel.
pub type GpioEmitter = PinEmitter<CdevPin>;

impl GpioEmitter {
    /// Takes the line; the emitter is off.
    ///
    /// # Errors
    /// [`EmitterFault`].
    pub fn open(config: &OutputLine) -> Result<Self, EmitterFault> {
        let pin = CdevPin::open(&config.line, config.active.level(false));
        let name = || config.line.to_string();
        let pin = pin.map_err(|source| EmitterFault { line: name(), doing: "take the line", source })?;
        Self::new(pin, config)
    }
}

impl<P: OutputPin> PinEmitter<P> {
    /// Switches off a pin that the caller has set up; `config.line` only names it.
    ///
    /// # Errors
    /// [`EmitterFault`]; the pin is dropped.
    pub fn new(pin: P, config: &OutputLine) -> Result<Self, EmitterFault> {
        let mut emitter = Self { pin, name: config.line.to_string(), active: config.active };
        emitter.drive(false)?;
        Ok(emitter)
    }

    fn drive(&mut self, on: bool) -> Result<(), EmitterFault> {
        let set = self.pin.set_state(self.active.level(on));
        let doing = if on { "switch on" } else { "switch off" };
        set.map_err(|e| EmitterFault { line: self.name.clone(), doing, source: pin_error(&e) })
    }
}

impl<P: OutputPin + Send> Emitter for PinEmitter<P> {
    fn set(&mut self, on: bool) -> Result<(), EmitterFault> {
        self.drive(on)
    }
}

impl<P: OutputPin> Drop for PinEmitter<P> {
    fn drop(&mut self) {
        if let Err(fault) = self.drive(false) {
            tracing::warn!(line = %fault.line, "switch the infrared emitter off: {}", fault.source);
        }
    }
}

#[cfg(test)]
mod tests {
    use embedded_hal::digital::PinState::{High, Low};

    use super::super::line::Line;
    use super::*;
    use crate::fake;

    #[test]
    fn it_is_off_before_the_first_word_and_after_the_last() {
        let line = Line::Named { name: "ir".into() };
        for (active, off, on) in [(Active::High, Low, High), (Active::Low, High, Low)] {
            let (pin, probe) = fake::pin();
            let mut emitter = PinEmitter::new(pin, &OutputLine { line: line.clone(), active }).unwrap();
            emitter.set(true).unwrap();
            drop(emitter);
            assert_eq!(probe.history(), [off, on, off]);
        }
        let (pin, probe) = fake::pin();
        probe.break_it();
        let fault = PinEmitter::new(pin, &OutputLine { line, active: Active::High }).unwrap_err();
        assert_eq!(fault.to_string(), "infrared emitter ir: switch off");
    }
}
