//! The relay's line through the registers of a Raspberry Pi, as `rppal` drives them. The kernel does not know who holds
//! the line, another program may take it unnoticed, and the pin keeps its last level when this process is killed: with
//! this driver more than with any other, `doord lock` must follow every end of the daemon.

use std::io;

use embedded_hal::digital::PinState;
use rppal::gpio::{Gpio, OutputPin};

use super::line::Line;

/// Takes a line as output; it has `level` from the first moment on. The line is found by name or label like every other
/// one, and must be on the Pi's own chip, where the kernel's offsets are the numbers of the registers.
///
/// # Errors
/// No or several such lines, a chip that is not the Pi's, a board that is none, or no right to map its registers.
pub(super) fn open(line: &Line, level: PinState) -> io::Result<OutputPin> {
    let place = line.find()?;
    let pin = pi_pin(&place.label, place.offset).ok_or_else(|| {
        let (label, offset) = (&place.label, place.offset);
        io::Error::other(format!(
            "{label}/{offset} is no pin of a Raspberry Pi's own chip; use relay.driver = \"gpiocdev\""
        ))
    })?;
    let pin = Gpio::new().and_then(|gpio| gpio.get(pin)).map_err(io::Error::other)?;
    let mut pin = match level {
        PinState::Low => pin.into_output_low(),
        PinState::High => pin.into_output_high(),
    };
    // By default the crate makes a dropped pin an input, and the relay's level then is that of whatever resistor is
    // there. The level that locks, which the relay drives last, must stay.
    pin.set_reset_on_drop(false);
    Ok(pin)
}

/// The register number of a line of the Pi's own chip: `pinctrl-bcm2835`, `pinctrl-bcm2711` or `pinctrl-rp1`.
fn pi_pin(label: &str, offset: u32) -> Option<u8> {
    let own = label.starts_with("pinctrl-bcm2") || label == "pinctrl-rp1";
    own.then(|| u8::try_from(offset).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pins_of_the_pis_own_chip_have_register_numbers() {
        assert_eq!(pi_pin("pinctrl-bcm2711", 17), Some(17));
        assert_eq!(pi_pin("pinctrl-rp1", 27), Some(27));
        assert_eq!(pi_pin("raspberrypi-exp-gpio", 2), None);
        assert_eq!(pi_pin("door-io", 0), None);
        assert_eq!(pi_pin("pinctrl-rp1", 300), None);
    }
}
