//! Where a terminal's files lie, and how they are opened.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use doorward_core::time::Wall;
use doorward_hal::clock::{Clock as _, SystemClock};
use doorward_store::{KeySource, MasterKey, Store};

/// Options that name the terminal's files.
#[derive(Debug, Clone, Args)]
pub struct Place {
    /// The terminal's store.
    #[arg(
        long,
        global = true,
        help_heading = "Shared options",
        value_name = "PATH",
        default_value = "/var/lib/doorward/doord.db"
    )]
    pub store: PathBuf,
    /// The terminal's master key: a file of mode 0600 that nobody else can read, or `credential` for a sealed one.
    #[arg(
        long,
        global = true,
        help_heading = "Shared options",
        value_name = "PATH",
        default_value = "/etc/doorward/master.key"
    )]
    pub key: PathBuf,
}

impl Place {
    /// The master key.
    ///
    /// # Errors
    /// When it is missing, malformed, or others could read it.
    pub fn master(&self) -> anyhow::Result<MasterKey> {
        let key = KeySource::named(&self.key).and_then(|source| MasterKey::load(&source));
        key.context("open the terminal's files")
    }

    /// The store, checked.
    ///
    /// # Errors
    /// When the key or the store cannot be opened or trusted.
    pub fn open(&self) -> anyhow::Result<Store> {
        let master = self.master()?;
        Store::open(&self.store, &master).with_context(|| format!("open the store {}", self.store.display()))
    }
}

/// The wall clock, for records.
#[must_use]
pub fn now() -> Wall {
    SystemClock::default().now().wall
}
