//! How far the site's roster was followed. It only grows, and its code is part of the state's digest, so that taking it
//! away or putting an earlier one back shows like a row that was taken away or put back.

use doorward_protocol::roster::Head;
use rusqlite::Connection;

use crate::fault::StoreFault;
use crate::keys::StoreKeys;
use crate::settings::{self, Setting};
use crate::state::Code;

/// Reads it; `None` before the first entry.
///
/// # Errors
/// [`Finding::Setting`](crate::Finding::Setting) where it was edited.
pub(crate) fn read(conn: &Connection, keys: &StoreKeys) -> Result<Option<Head>, StoreFault> {
    if !Setting::Roster.is_there(conn)? {
        return Ok(None);
    }
    let value = Setting::Roster.get(conn, keys)?;
    let edited = || Setting::Roster.edited();
    let (seq, hash) = value.split_first_chunk::<8>().ok_or_else(edited)?;
    let hash = hash.try_into().map_err(|_| edited())?;
    Ok(Some(Head { seq: u64::from_le_bytes(*seq), hash }))
}

/// Its code; `None` before the first entry.
///
/// # Errors
/// As [`read`].
pub(crate) fn code(conn: &Connection, keys: &StoreKeys) -> Result<Option<Code>, StoreFault> {
    Ok(read(conn, keys)?.map(|head| code_of(keys, &head)))
}

/// Writes it, and returns the old code, if there was one, and the new.
///
/// # Errors
/// [`StoreFault`].
pub(crate) fn write(
    conn: &Connection,
    keys: &StoreKeys,
    head: &Head,
) -> Result<(Option<Code>, Code), StoreFault> {
    let old = code(conn, keys)?;
    Setting::Roster.put(conn, keys, &bytes(head))?;
    Ok((old, code_of(keys, head)))
}

fn code_of(keys: &StoreKeys, head: &Head) -> Code {
    settings::code(keys, "meta", Setting::Roster.name(), &bytes(head))
}

fn bytes(head: &Head) -> Vec<u8> {
    [&head.seq.to_le_bytes()[..], &head.hash].concat()
}
