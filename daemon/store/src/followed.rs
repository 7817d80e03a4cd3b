//! How far the site's roster was followed, and whether a lockdown was ordered: what outlives a start beside the rows.

use doorward_protocol::roster::Head;
use rusqlite::Connection;

use crate::fault::StoreFault;
use crate::keys::StoreKeys;
use crate::settings::Setting;

/// How far the roster was followed; `None` before the first entry.
///
/// # Errors
/// [`Finding::Setting`](crate::Finding::Setting) where it was edited.
pub(crate) fn read(conn: &Connection, keys: &StoreKeys) -> Result<Option<Head>, StoreFault> {
    // Nothing is followed any more where it is taken anew.
    Ok(head(Setting::Roster, conn, keys)?.filter(|head| head.seq > 0))
}

/// How far the roster was ever followed; `None` before the first entry.
///
/// # Errors
/// As [`read`].
pub(crate) fn known(conn: &Connection, keys: &StoreKeys) -> Result<Option<Head>, StoreFault> {
    let known = [read(conn, keys)?, head(Setting::RosterKnown, conn, keys)?];
    Ok(known.into_iter().flatten().max_by_key(|head| head.seq))
}

/// What is noted for a head.
pub(crate) fn written(head: &Head) -> Vec<u8> {
    [&head.seq.to_le_bytes()[..], &head.hash].concat()
}

fn head(setting: Setting, conn: &Connection, keys: &StoreKeys) -> Result<Option<Head>, StoreFault> {
    let Some(value) = setting.noted(conn, keys)? else { return Ok(None) };
    let edited = || setting.edited();
    let (seq, hash) = value.split_first_chunk::<8>().ok_or_else(edited)?;
    let hash = hash.try_into().map_err(|_| edited())?;
    Ok(Some(Head { seq: u64::from_le_bytes(*seq), hash }))
}

/// Whether a lockdown was ordered that nobody has ended.
///
/// # Errors
/// [`Finding::Setting`](crate::Finding::Setting) where it was edited.
pub(crate) fn locked_down(conn: &Connection, keys: &StoreKeys) -> Result<bool, StoreFault> {
    Ok(Setting::Lockdown.noted(conn, keys)?.is_some_and(|value| value == [1]))
}
