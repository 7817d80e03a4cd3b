//! Two lines that watch one loop, so that a cut or bridged wire is told from a switch (attack case D2).
//!
//! A change-over contact has one line on its normally closed and one on its normally open side: at rest and active each
//! pull another one, and a loop that pulls both or neither is broken. Two comparators at a loop with end-of-line
//! resistors say as much in other combinations; the table says which. What the lines say for the moment in which a
//! switch changes over is judged by the core, which knows for how long it lasts.

use doorward_core::door::{Point, Signal, Trouble};
use serde::{Deserialize, Serialize};

use super::inputs::Bias;
use super::line::{Active, Line};

/// What two levels together mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// The switch is at rest: closed, not pressed, no alarm.
    Rest,
    /// The switch is active: open, pressed, alarm.
    Active,
    /// The wire is cut.
    Cut,
    /// The wires touch.
    Short,
}

impl Reading {
    /// What the point reports.
    pub(crate) fn signal(self, point: Point) -> Signal {
        match self {
            Reading::Rest => point.signal(false),
            Reading::Active => point.signal(true),
            Reading::Cut => Signal::Trouble(point, Trouble::Cut),
            Reading::Short => Signal::Trouble(point, Trouble::Short),
        }
    }
}

/// The second line of an input, and what both together mean. Without a table it is that of a change-over contact whose
/// common side switches to ground: the input's own line is active when the switch is, the second one when it is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Supervision {
    /// The second line.
    pub line: Line,
    /// Its active level.
    pub active: Active,
    /// The resistor in the chip.
    pub bias: Bias,
    /// Neither line is active.
    #[serde(default = "short")]
    pub neither: Reading,
    /// The input's own line alone is.
    #[serde(default = "active")]
    pub first: Reading,
    /// The second line alone is.
    #[serde(default = "rest")]
    pub second: Reading,
    /// Both lines are.
    #[serde(default = "cut")]
    pub both: Reading,
}

const fn short() -> Reading {
    Reading::Short
}

const fn active() -> Reading {
    Reading::Active
}

const fn rest() -> Reading {
    Reading::Rest
}

const fn cut() -> Reading {
    Reading::Cut
}

impl Supervision {
    /// What the two lines say together.
    #[must_use]
    pub fn reading(&self, first: bool, second: bool) -> Reading {
        match (first, second) {
            (false, false) => self.neither,
            (true, false) => self.first,
            (false, true) => self.second,
            (true, true) => self.both,
        }
    }

    /// Whether the table can tell a switch from a broken loop.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn check(&self) -> Result<(), &'static str> {
        let table = [self.neither, self.first, self.second, self.both];
        let has = |reading| table.contains(&reading);
        if !has(Reading::Rest) || !has(Reading::Active) {
            return Err("one combination of the two lines must mean rest and another one active");
        }
        if !has(Reading::Cut) && !has(Reading::Short) {
            return Err("two lines of which no combination means cut or short supervise nothing");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(table: &str) -> Result<Supervision, serde_json::Error> {
        let rest = r#""line": {"name": "b"}, "active": "high", "bias": "up""#;
        serde_json::from_str(&format!("{{{rest}{table}}}"))
    }

    #[test]
    fn d2_a_change_over_contact_tells_a_cut_from_a_short_without_a_table() {
        let pair = read("").unwrap();
        assert_eq!(pair.check(), Ok(()));
        assert_eq!(pair.reading(true, false).signal(Point::Contact), Signal::Contact(true));
        assert_eq!(pair.reading(false, true).signal(Point::Contact), Signal::Contact(false));
        assert_eq!(pair.reading(true, true).signal(Point::Fire), Signal::Trouble(Point::Fire, Trouble::Cut));
        let short = Signal::Trouble(Point::Egress, Trouble::Short);
        assert_eq!(pair.reading(false, false).signal(Point::Egress), short);
    }

    #[test]
    fn d2_comparators_have_their_own_table_and_one_that_supervises_nothing_is_refused() {
        let window = r#", "neither": "short", "first": "rest", "both": "active", "second": "cut""#;
        let window = read(window).unwrap();
        assert_eq!(window.check(), Ok(()));
        assert_eq!(window.reading(true, true), Reading::Active);
        let blind = read(r#", "neither": "rest", "both": "active""#).unwrap();
        assert!(blind.check().unwrap_err().contains("supervise nothing"));
        let mute = read(r#", "first": "cut""#).unwrap();
        assert!(mute.check().unwrap_err().contains("active"));
        assert!(read(r#", "third": "rest""#).is_err());
    }
}
