//! A PIN from whoever sits at the keyboard, unseen and typed twice; or one line of the standard input.

use std::io::{self, BufRead, IsTerminal as _, Read as _, Write as _};

use anyhow::Context as _;
use console::Term;
use doorward_core::credential::{PIN_LEN_MAX, PIN_LEN_MIN, Pin};
use zeroize::Zeroizing;

use crate::answer::{Answer, Stop};

/// The longest line that is read.
const LINE_LEN_MAX: usize = 64;

/// Asks for a PIN.
///
/// # Errors
/// [`Stop::Refused`] for what is no PIN, and for two that differ.
pub(super) fn pin() -> Answer<Pin> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return line(&mut stdin.lock());
    }
    let first = asked("PIN: ")?;
    if asked("The same again: ")? == first {
        Ok(first)
    } else {
        Err(Stop::refused("the two PINs differ; nothing was stored"))
    }
}

fn asked(prompt: &str) -> Answer<Pin> {
    let mut term = Term::stderr();
    write!(term, "{prompt}").context("ask for the PIN")?;
    let typed = Zeroizing::new(term.read_secure_line().context("read the PIN")?);
    parsed(typed.as_bytes())
}

fn line(input: &mut dyn BufRead) -> Answer<Pin> {
    let mut typed = Zeroizing::new(Vec::with_capacity(LINE_LEN_MAX));
    input.take(LINE_LEN_MAX as u64).read_until(b'\n', &mut typed).context("read the PIN")?;
    parsed(typed.strip_suffix(b"\n").unwrap_or(&typed))
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
        let read = |text: &str| line(&mut text.as_bytes());
        assert!(read("4711\n").unwrap() == read("4711").unwrap());
        let endless = "1".repeat(100_000);
        for no in ["", "\n", "12\n", "4711 \n", "four\n", endless.as_str()] {
            assert!(matches!(read(no), Err(Stop::Refused(_))), "{no:.20}");
        }
    }
}
