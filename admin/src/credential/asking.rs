//! A PIN from whoever sits at the keyboard, unseen and typed twice; or one line of the standard input.

use doorward_core::credential::{PIN_LEN_MAX, PIN_LEN_MIN, Pin};

use crate::answer::{Answer, Stop};
use crate::unseen;

/// Asks for a PIN.
///
/// # Errors
/// [`Stop::Refused`] for what is no PIN, and for two that differ.
pub(super) fn pin() -> Answer<Pin> {
    let typed = unseen::new_line("PIN")?;
    parsed(typed.ok_or_else(|| Stop::refused("the two PINs differ; nothing was stored"))?.as_bytes())
}

fn parsed(digits: &[u8]) -> Answer<Pin> {
    let why = || Stop::refused(format!("a PIN has {PIN_LEN_MIN} to {PIN_LEN_MAX} digits and nothing else"));
    Pin::from_digits(digits).ok_or_else(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_pin_or_refused() {
        assert!(parsed(b"4711").is_ok());
        let endless = "1".repeat(1000);
        for no in ["", "12", "4711 ", "four", endless.as_str()] {
            assert!(matches!(parsed(no.as_bytes()), Err(Stop::Refused(_))), "{no:.20}");
        }
    }
}
