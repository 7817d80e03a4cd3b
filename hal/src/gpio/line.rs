//! Which line of which chip, and what its levels mean. Chip numbers change from kernel to kernel, so nothing goes by
//! them.

use std::fmt;
use std::io;
use std::path::PathBuf;

use embedded_hal::digital::{self, ErrorKind, ErrorType, OutputPin, PinState};
use gpiocdev::line::Value;
use gpiocdev::{Chip, Request};
use serde::{Deserialize, Serialize};

/// The name under which the kernel lists who holds a line.
pub(crate) const CONSUMER: &str = "doorward";

/// A line, by the name the board gives it or by place on a chip of a certain label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Line {
    /// By name; only one line of all chips may have it.
    Named {
        /// Name in the device tree, such as `lock-relay`.
        name: String,
    },
    /// By place; only one chip may have the label.
    Placed {
        /// Label of the chip, such as `pinctrl-rp1`.
        chip: String,
        /// Number of the line on it.
        offset: u32,
    },
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Line::Named { name } => f.write_str(name),
            Line::Placed { chip, offset } => write!(f, "{chip}/{offset}"),
        }
    }
}

/// The electrical level that means "active": pressed, open, energised, lit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Active {
    /// High is active.
    High,
    /// Low is active.
    Low,
}

impl Active {
    /// The level of something that is active, or not.
    #[must_use]
    pub fn level(self, active: bool) -> PinState {
        PinState::from(active == (self == Active::High))
    }
}

/// One output line: a lamp, a buzzer, an emitter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputLine {
    /// Its line.
    pub line: Line,
    /// The level that switches it on.
    pub active: Active,
}

/// Where a line is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) chip: PathBuf,
    pub(crate) label: String,
    pub(crate) offset: u32,
}

impl Line {
    /// Finds it among the chips of this machine that can be opened.
    pub(crate) fn find(&self) -> io::Result<Place> {
        let mut seen = Vec::new();
        for path in gpiocdev::chip::chips().map_err(io::Error::other)? {
            let Ok(chip) = Chip::from_path(&path) else { continue };
            let Ok(info) = chip.info() else { continue };
            let Ok(lines) = chip.line_info_iter() else { continue };
            let lines = lines.flatten().map(|line| (line.offset, line.name)).collect();
            seen.push(Seen { path, label: info.label, lines });
        }
        self.pick(&seen).map_err(io::Error::other)
    }

    fn pick(&self, chips: &[Seen]) -> Result<Place, String> {
        let is_it = |chip: &Seen, offset: u32, name: &str| match self {
            Line::Named { name: wanted } => name == wanted,
            Line::Placed { chip: label, offset: wanted } => chip.label == *label && offset == *wanted,
        };
        let mut places = chips.iter().flat_map(|chip| {
            let lines = chip.lines.iter().filter(|(offset, name)| is_it(chip, *offset, name));
            lines.map(|(offset, _)| Place {
                chip: chip.path.clone(),
                label: chip.label.clone(),
                offset: *offset,
            })
        });
        match (places.next(), places.next()) {
            (Some(place), None) => Ok(place),
            (Some(_), Some(_)) => {
                Err(format!("several lines are called {self}; name it by chip label and offset"))
            }
            (None, _) => {
                let labels = chips.iter().map(|chip| chip.label.as_str()).collect::<Vec<_>>().join(", ");
                Err(format!("no chip that can be opened has it; labels of those: [{labels}]"))
            }
        }
    }
}

/// A chip as found.
struct Seen {
    path: PathBuf,
    label: String,
    lines: Vec<(u32, String)>,
}

/// An output line of the kernel.
#[derive(Debug)]
pub struct CdevPin {
    request: Request,
}

impl CdevPin {
    /// Takes a line as output; it has `level` from the first moment on.
    ///
    /// # Errors
    /// No or several such lines, a line held by somebody else, or no right to open the chip.
    pub fn open(line: &Line, level: PinState) -> io::Result<Self> {
        let place = line.find()?;
        let mut builder = Request::builder();
        builder.on_chip(place.chip).with_consumer(CONSUMER).with_line(place.offset).as_output(value(level));
        Ok(Self { request: builder.request().map_err(io::Error::other)? })
    }
}

fn value(level: PinState) -> Value {
    match level {
        PinState::High => Value::Active,
        PinState::Low => Value::Inactive,
    }
}

/// The kernel did not set a line.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct CdevError(#[from] gpiocdev::Error);

impl digital::Error for CdevError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

impl ErrorType for CdevPin {
    type Error = CdevError;
}

impl OutputPin for CdevPin {
    fn set_low(&mut self) -> Result<(), CdevError> {
        self.set_state(PinState::Low)
    }

    fn set_high(&mut self) -> Result<(), CdevError> {
        self.set_state(PinState::High)
    }

    fn set_state(&mut self, state: PinState) -> Result<(), CdevError> {
        Ok(self.request.set_lone_value(value(state))?)
    }
}

/// The error of any pin as one of the system.
pub(crate) fn pin_error(error: &impl digital::Error) -> io::Error {
    io::Error::other(format!("{error:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chips() -> Vec<Seen> {
        let lines = |names: [&str; 3]| (0..).zip(names.map(str::to_owned)).collect();
        vec![
            Seen {
                path: "/dev/gpiochip0".into(),
                label: "soc".into(),
                lines: lines(["led", "lock-relay", ""]),
            },
            Seen {
                path: "/dev/gpiochip4".into(),
                label: "door-io".into(),
                lines: lines(["led", "contact", ""]),
            },
            Seen { path: "/dev/gpiochip5".into(), label: "twin".into(), lines: lines(["a", "b", ""]) },
            Seen { path: "/dev/gpiochip6".into(), label: "twin".into(), lines: lines(["c", "d", ""]) },
        ]
    }

    #[test]
    fn a_line_is_found_by_name_or_by_label_and_never_guessed() {
        let named = |name: &str| Line::Named { name: name.into() }.pick(&chips());
        let placed = |chip: &str, offset| Line::Placed { chip: chip.into(), offset }.pick(&chips());
        let place =
            |chip: &str, label: &str, offset| Place { chip: chip.into(), label: label.into(), offset };
        assert_eq!(named("lock-relay"), Ok(place("/dev/gpiochip0", "soc", 1)));
        assert_eq!(placed("door-io", 2), Ok(place("/dev/gpiochip4", "door-io", 2)));
        assert!(named("led").unwrap_err().contains("several"));
        assert!(placed("twin", 0).unwrap_err().contains("several"));
        assert!(named("siren").unwrap_err().contains("door-io"), "says what is there");
        assert!(placed("door-io", 3).is_err());
        assert!(placed("gpiochip4", 0).is_err(), "chips do not go by number");
    }

    #[test]
    fn configuration_says_lines_in_either_way_and_nothing_else() {
        let read = |text: &str| serde_json::from_str::<Line>(text);
        assert_eq!(read(r#"{"name":"lock-relay"}"#).unwrap(), Line::Named { name: "lock-relay".into() });
        assert_eq!(
            read(r#"{"chip":"soc","offset":4}"#).unwrap(),
            Line::Placed { chip: "soc".into(), offset: 4 }
        );
        assert!(read(r#"{"chip":"soc"}"#).is_err());
        assert!(read(r#"{"name":"a","offset":4}"#).is_err());
    }

    #[test]
    fn levels_follow_the_wiring() {
        assert_eq!(Active::High.level(true), PinState::High);
        assert_eq!(Active::High.level(false), PinState::Low);
        assert_eq!(Active::Low.level(true), PinState::Low);
        assert_eq!(Active::Low.level(false), PinState::High);
    }
}
