//! Something typed that nobody shall see: at the keyboard without an echo, or one line of the standard input.

use std::io::{self, BufRead, IsTerminal as _, Read as _, Write as _};

use anyhow::Context as _;
use console::Term;
use zeroize::Zeroizing;

/// The longest line that is read: a passphrase of many words.
pub const LINE_LEN_MAX: usize = 256;

/// Asks for a line. `what` it is, for the prompt and for errors.
///
/// # Errors
/// When it cannot be read.
pub fn line(what: &str) -> anyhow::Result<Zeroizing<String>> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return piped(&mut stdin.lock(), what);
    }
    asked(what, what)
}

/// The same, for something new: at the keyboard it is typed twice. None where the two differ.
///
/// # Errors
/// When it cannot be read.
pub fn new_line(what: &str) -> anyhow::Result<Option<Zeroizing<String>>> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return piped(&mut stdin.lock(), what).map(Some);
    }
    let first = asked(what, what)?;
    Ok((asked("The same again", what)? == first).then_some(first))
}

fn asked(prompt: &str, what: &str) -> anyhow::Result<Zeroizing<String>> {
    let mut term = Term::stderr();
    write!(term, "{prompt}: ").with_context(|| format!("ask for the {what}"))?;
    Ok(Zeroizing::new(term.read_secure_line().with_context(|| format!("read the {what}"))?))
}

fn piped(input: &mut dyn BufRead, what: &str) -> anyhow::Result<Zeroizing<String>> {
    // Reserved to its full length at once: a string that grows leaves copies behind.
    let mut typed = Zeroizing::new(Vec::with_capacity(LINE_LEN_MAX + 1));
    let doing = || format!("read the {what}");
    input.take(LINE_LEN_MAX as u64).read_until(b'\n', &mut typed).with_context(doing)?;
    let line = std::str::from_utf8(typed.strip_suffix(b"\n").unwrap_or(&typed)).with_context(doing)?;
    Ok(Zeroizing::new(line.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_one_after_the_other_and_end_somewhere() {
        let mut input = "first\nsecond".as_bytes();
        assert_eq!(*piped(&mut input, "word").unwrap(), "first");
        assert_eq!(*piped(&mut input, "word").unwrap(), "second");
        let endless = "1".repeat(100_000);
        assert_eq!(piped(&mut endless.as_bytes(), "word").unwrap().len(), LINE_LEN_MAX);
        assert!(piped(&mut &[0xff, b'\n'][..], "word").is_err());
    }
}
