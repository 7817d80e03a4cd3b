//! What is shown to people: foreign text made harmless, moments in RFC 3339, JSON.

use std::io::Write;

use jiff::Timestamp;
use serde::Serialize;

use crate::answer::Answer;

/// Foreign text for a terminal: control characters, which can drive it, and those that turn the direction of writing
/// are shown as `\u{fffd}`.
#[must_use]
pub fn printable(foreign: &str) -> String {
    foreign.chars().map(|c| if hidden(c) { '\u{fffd}' } else { c }).collect()
}

/// Whether a character is no text but an instruction to whoever shows it.
#[must_use]
pub fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A moment, given in milliseconds since 1970, in RFC 3339 and UTC; years that calendars do not reach stay a number.
#[must_use]
pub fn moment(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |at| at.to_string())
}

/// Writes a value as JSON with line ends.
///
/// # Errors
/// When the output cannot be written.
pub fn json(out: &mut dyn Write, value: &impl Serialize) -> Answer {
    let text = serde_json::to_string_pretty(value).expect("strings, numbers and lists become JSON");
    writeln!(out, "{text}")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h8_names_cannot_drive_a_terminal() {
        assert_eq!(
            printable("Ada\u{1b}[2J\r\nL\u{202e}ovelace"),
            "Ada\u{fffd}[2J\u{fffd}\u{fffd}L\u{fffd}ovelace"
        );
        assert_eq!(printable("Zoë Müller-O'Hara 李"), "Zoë Müller-O'Hara 李");
    }

    #[test]
    fn moments_are_rfc_3339_and_never_panic() {
        assert_eq!(moment(0), "1970-01-01T00:00:00Z");
        assert_eq!(moment(1_767_225_600_250), "2026-01-01T00:00:00.25Z");
        assert_eq!(moment(i64::MAX), i64::MAX.to_string());
    }
}
