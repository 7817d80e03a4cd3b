//! The relay's line over the first version of the kernel's GPIO interface, as `linux-embedded-hal` uses it: for boards
//! whose other software is written for that crate. It knows neither debounce nor numbered edges, so inputs never go
//! this way, and a kernel may be built without it.

use std::io;

use embedded_hal::digital::PinState;
use linux_embedded_hal::CdevPin;
use linux_embedded_hal::gpio_cdev::{Chip, LineRequestFlags};

use super::line::{CONSUMER, Line};

/// Takes a line as output; it has `level` from the first moment on. Names and labels are looked up as for every line.
///
/// # Errors
/// No or several such lines, a line held by somebody else, no right to open the chip, or a kernel without the interface.
pub(super) fn open(line: &Line, level: PinState) -> io::Result<CdevPin> {
    let place = line.find()?;
    let refused = |doing: &str, e: &dyn std::fmt::Display| {
        let hint = "a kernel without CONFIG_GPIO_CDEV_V1 needs relay.driver = \"gpiocdev\"";
        io::Error::other(format!("{doing} {} line {}: {e} ({hint})", place.chip.display(), place.offset))
    };
    let mut chip = Chip::new(&place.chip).map_err(|e| refused("open", &e))?;
    let line = chip.get_line(place.offset).map_err(|e| refused("look at", &e))?;
    let handle = line.request(LineRequestFlags::OUTPUT, u8::from(level == PinState::High), CONSUMER);
    CdevPin::new(handle.map_err(|e| refused("take", &e))?).map_err(|e| refused("look at", &e))
}
