//! `doorctl init`: a terminal's key and its empty store.

use std::fs;
use std::io::Write;

use clap::Args;
use doorward_protocol::ids::{SiteId, TerminalId};
use doorward_store::{KeyFault, KeySource, MasterKey, Store, StoreFault};

use crate::answer::{Answer, Stop};
use crate::place::Place;

pub(crate) const ABOUT: &str = "Make the key and the empty store of a new terminal.\n\n\
        Draws a master key into --key (mode 0600) and creates the store at --store. Nothing that exists is overwritten. \
        Run it as the user that doord runs as, and keep a copy of the key in a safe: without it the store is noise.";

/// Options of `init`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sudo -u doorward doorctl init --site hq --terminal lobby-1\n\n\
        Exit code: 0 made, 2 something is there already, 1 fault.")]
pub struct Init {
    /// The site: the terminals that share enrolments.
    #[arg(long)]
    site: SiteId,
    /// This terminal's name, unique within its site.
    #[arg(long)]
    terminal: TerminalId,
}

/// Makes key and store.
///
/// # Errors
/// [`Stop::Refused`] where either is there already.
pub fn run(options: &Init, place: &Place, out: &mut dyn Write) -> Answer {
    if KeySource::is_credential(&place.key) {
        return Err(Stop::Refused(
            "a new key is drawn into a file; doorward-init seals it afterwards".to_owned(),
        ));
    }
    // Looked at first, so that a refusal leaves no new key behind; what counts is that both creations refuse as well.
    for path in [&place.key, &place.store] {
        if fs::symlink_metadata(path).is_ok() {
            return Err(Stop::Refused(format!("{} exists, and nothing is overwritten", path.display())));
        }
    }
    let master = match MasterKey::create(&place.key) {
        Ok(master) => master,
        Err(KeyFault::Create { path, source }) if source.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(Stop::Refused(format!("{} exists, and nothing is overwritten", path.display())));
        }
        Err(fault) => return Err(Stop::Fault(fault.into())),
    };
    let made = Store::create(&place.store, &master, &options.site, &options.terminal).and_then(|store| {
        let key = store.checkpoint_key();
        store.close().map(|()| key)
    });
    let key = made.map_err(|fault| {
        // The key has protected nothing yet; the next try draws another.
        let left = fs::remove_file(&place.key).err();
        let refusal = matches!(fault, StoreFault::Exists(_));
        let mut fault = anyhow::Error::new(fault).context("create the store");
        if let Some(left) = left {
            fault = fault.context(format!("take the unused key {} away again: {left}", place.key.display()));
        }
        if refusal { Stop::refused(format!("{fault:#}")) } else { Stop::Fault(fault) }
    })?;
    writeln!(out, "terminal {} of site {}", options.terminal, options.site)?;
    writeln!(out, "  key    {} (keep a copy in a safe)", place.key.display())?;
    writeln!(out, "  store  {}", place.store.display())?;
    writeln!(out, "  audit  signed by {}", doorward_models::pack::hex(&key))?;
    Ok(())
}
