//! `doord lock`: drives the relay to the level that locks, and nothing else. For whoever tidies up after a terminal that
//! was killed or hung, when its line has the level that the chip left it with; systemd runs it after every end.

use std::path::Path;

use anyhow::Context as _;
use doorward_hal::gpio::relay;

use crate::config::wiring;

/// Locks the door of a configuration, of which only `[relay]` is read. The line is given back at once: what it does then
/// depends on the chip, see `docs/wiring.md`.
///
/// # Errors
/// When the relay cannot be found, is held by a running terminal, or does not obey.
pub fn lock(file: &Path) -> anyhow::Result<()> {
    let config = wiring::read_relay(file)?;
    let relay = relay::open(&config).context("lock the door")?;
    drop(relay);
    println!("locked: line {}", config.line);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d4_a_lock_that_cannot_be_driven_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("doord.toml");
        let relay =
            "[relay]\nline = { name = \"no-such-line\" }\nactive = \"high\"\nwiring = \"fail_secure\"\n";
        std::fs::write(&file, relay).unwrap();
        let told = format!("{:#}", lock(&file).unwrap_err());
        assert!(told.contains("lock the door: relay no-such-line: take the line"), "{told}");
    }
}
