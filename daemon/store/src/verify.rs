//! The examination of a whole store, read-only: also of one that [`Store::open`](crate::Store::open) refuses, of a
//! running terminal's, and on a read-only medium.

use std::path::Path;

use doorward_protocol::audit::Hash;
use doorward_protocol::ids::{SiteId, TerminalId};
use rusqlite::Connection;

use crate::anchor::{Anchor, Mark};
use crate::chain;
use crate::epoch::{self, EpochKey};
use crate::fault::{Finding, StoreFault};
use crate::keys::{MasterKey, StoreKeys};
use crate::ring::Ring;
use crate::schema;
use crate::settings::{self, Identity, Setting};
use crate::state::{self, State};
use crate::store::snapshot;

/// Rows between two calls of `progress`.
const PROGRESS_EVERY: u64 = 1000;

/// What a sound store holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The random id of the store, hexadecimal.
    pub store: String,
    /// Its site.
    pub site: SiteId,
    /// Its terminal.
    pub terminal: TerminalId,
    /// The number before the oldest audit record; 0 unless acknowledged records were dropped.
    pub base: u64,
    /// The number of the newest audit record.
    pub head: u64,
    /// Its hash.
    pub head_hash: Hash,
    /// Signed checkpoints, each of which holds.
    pub checkpoints: u64,
    /// The Ed25519 public key they verify under.
    pub checkpoint_key: [u8; 32],
    /// Persons.
    pub persons: u64,
    /// Templates.
    pub templates: u64,
}

/// Examines everything: SQLite's own check, the schema, every setting, the audit chain from its base, every checkpoint,
/// the anchor, every sealed field, and the state as a whole. `progress` learns how many of how many rows are done.
///
/// # Errors
/// The first [`Finding`]; for the audit chain it names the first bad record.
pub fn verify(
    path: &Path,
    master: &MasterKey,
    mut progress: impl FnMut(u64, u64),
) -> Result<Report, Finding> {
    let mut conn = schema::open_read_only(path)?;
    let (identity, keys) = Identity::read(&conn, master)?;
    let foreign = || settings::foreign(&conn, "the files beside it belong to another store");
    let (_, seen) = Anchor::open(&Anchor::path(path), &keys, false, foreign)?;
    schema::quick_check(&conn, None)?;
    schema::check_schema(&conn)?;
    let examine =
        |conn: &Connection, epoch: &EpochKey| examine(conn, &keys, epoch, &seen, &identity, &mut progress);
    Ok(snapshot(&mut conn, &epoch::path(path), &keys, &mut None, examine)?)
}

fn examine(
    conn: &Connection,
    keys: &StoreKeys,
    epoch: &EpochKey,
    seen: &Mark,
    identity: &Identity,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Report, StoreFault> {
    Setting::ALL.iter().try_for_each(|setting| setting.get(conn, keys).map(drop))?;
    let base = settings::base(conn, keys)?;
    let total = chain::count_rows(conn)? + state::count_rows(conn)?;
    let mut done = 0;
    let mut step = |rows: u64| {
        done += rows;
        if done.is_multiple_of(PROGRESS_EVERY) || done == total {
            progress(done, total);
        }
    };

    chain::check_oldest(conn, &base)?;
    let head = chain::follow(conn, base, &mut step)?;
    let checkpoints = chain::check_checkpoints(conn, keys)?;
    chain::check_anchor(conn, keys, seen)?;
    let mut ring = Ring::new(conn, keys, epoch);
    state::open_every_row(conn, keys, &mut ring, &mut step)?;
    let state = State::check(conn, keys, &mut ring)?;
    if state.generation < seen.generation {
        return Err(Finding::StateOlder { found: state.generation, seen: seen.generation }.into());
    }
    Ok(Report {
        store: keys.store.to_string(),
        site: identity.site.clone(),
        terminal: identity.terminal.clone(),
        base: base.seq,
        head: head.seq,
        head_hash: head.hash,
        checkpoints,
        checkpoint_key: keys.signing.verifying_key().to_bytes(),
        persons: state.persons,
        templates: state.templates,
    })
}
