//! The database file: how a connection is opened, how old schemas become the present one, and whether the tables are
//! the ones this program makes.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use rusqlite_migration::{M, Migrations};

use crate::durable;
use crate::fault::{Doing, Finding, StoreFault};
use crate::waiting;

/// Marks the file as ours: "DWST".
const APPLICATION_ID: i32 = 0x4457_5354;

/// Largest text or blob. The rules are the largest value and stay below a quarter of it.
const VALUE_LEN_MAX: i32 = 1 << 20;

/// Largest statement; the schema is the longest.
const SQL_LEN_MAX: i32 = 1 << 14;

/// Pages in the write-ahead log before they move into the database: 4 MiB. Every thousandth append then pays three
/// flushes instead of one, which stays outside its 99th percentile, and the log stays small on flash.
const LOG_PAGES: i32 = 1000;

/// What the log is cut back to after a bulk import made it larger: twice its usual size.
const LOG_LEN_MAX: i64 = 8 << 20;

/// Steps from the first version to the present one, each plain SQL that uses no type of this program, so that an old
/// step never changes its meaning. `schema.sql` is the truth that the sum of the steps is compared with.
fn migrations() -> Migrations<'static> {
    let steps = [include_str!("schema_v1.sql"), include_str!("schema_v2.sql"), include_str!("schema_v3.sql")];
    Migrations::new(steps.map(M::up).into())
}

/// The version that [`migrations`] lead to.
const VERSION: i64 = 3;

/// Creates a database with empty tables at a path where nothing is.
///
/// # Errors
/// [`StoreFault`].
pub(crate) fn create(path: &Path) -> Result<Connection, StoreFault> {
    // The log and the shared memory file take their permissions from the database file.
    drop(durable::create_private(path).map_err(StoreFault::file("create the database", path))?);
    let mut conn = connect(path, |_| Ok(()))?;
    conn.pragma_update(None, "application_id", APPLICATION_ID).doing("mark the file")?;
    migrate(&mut conn)?;
    Ok(conn)
}

/// Opens an existing database for reading and writing, at whatever version it has.
///
/// # Errors
/// [`StoreFault`]; [`Finding::Missing`], [`Finding::NotAStore`] and [`Finding::Newer`] name what is there instead.
pub(crate) fn open(path: &Path) -> Result<Connection, StoreFault> {
    check_file(path)?;
    connect(path, |conn| check_mark(conn, path))
}

/// Opens an existing database that is not to be changed, also on a read-only medium.
///
/// # Errors
/// As [`open`].
pub(crate) fn open_read_only(path: &Path) -> Result<Connection, StoreFault> {
    check_file(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(path, flags).doing("open the database")?;
    configure(&conn)?;
    let first_read = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()));
    let code = first_read.err().and_then(|e| e.sqlite_error_code());
    // Without a place for its shared memory file SQLite cannot share a log; where there is no log either, nothing
    // will change below us and the file can be read as it lies.
    if matches!(code, Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly)) && !has_log(path) {
        let flags = flags | OpenFlags::SQLITE_OPEN_URI;
        conn = Connection::open_with_flags(immutable_uri(path), flags).doing("open the database")?;
        configure(&conn)?;
    }
    check_mark(&conn, path)?;
    at_present_version(conn)
}

/// What a database of an older version would be after its migration, in memory: the file stays as it is.
fn at_present_version(conn: Connection) -> Result<Connection, StoreFault> {
    let doing = "copy an older database into memory";
    let version: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0)).doing(doing)?;
    if version == VERSION {
        return Ok(conn);
    }
    let mut copy = Connection::open_in_memory().doing(doing)?;
    let done = Backup::new(&conn, &mut copy).and_then(|backup| backup.step(-1)).doing(doing)?;
    if done != StepResult::Done {
        return Err(StoreFault::Busy);
    }
    configure(&copy)?;
    migrate(&mut copy)?;
    Ok(copy)
}

/// Brings the tables to the present version.
///
/// # Errors
/// [`StoreFault`]; the file is then as before.
pub(crate) fn migrate(conn: &mut Connection) -> Result<(), StoreFault> {
    let doing = "migrate the tables";
    let Err(error) = migrations().to_latest(conn) else { return Ok(()) };
    if let rusqlite_migration::Error::RusqliteError { err, .. } = error {
        return Err(err).doing(doing);
    }
    Err(StoreFault::Database { doing, source: Box::new(error) })
}

/// Compares tables, indices and triggers with those this program makes.
///
/// # Errors
/// [`Finding::Schema`] names the first that differs.
pub(crate) fn check_schema(conn: &Connection) -> Result<(), StoreFault> {
    let mut own = Connection::open_in_memory().doing("open a scratch database")?;
    migrate(&mut own)?;
    let (found, wanted) = (objects(conn)?, objects(&own)?);
    let differs = found.iter().find(|o| !wanted.contains(o)).or(wanted.iter().find(|o| !found.contains(o)));
    match differs {
        None => Ok(()),
        Some((name, _)) => Err(Finding::Schema(name.clone()).into()),
    }
}

/// SQLite's own check of one table and its indices, or of the whole file.
///
/// # Errors
/// [`Finding::Damaged`] with SQLite's first complaint.
pub(crate) fn quick_check(conn: &Connection, table: Option<&str>) -> Result<(), StoreFault> {
    let sql = table.map_or("PRAGMA quick_check(1)".to_owned(), |t| format!("PRAGMA quick_check({t})"));
    let answer: String = conn.query_row(&sql, [], |row| row.get(0)).doing("check the database")?;
    if answer == "ok" { Ok(()) } else { Err(Finding::Damaged(answer).into()) }
}

/// Names of all tables.
///
/// # Errors
/// [`StoreFault`].
pub(crate) fn tables(conn: &Connection) -> Result<Vec<String>, StoreFault> {
    let mut statement =
        conn.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").doing("list the tables")?;
    let names = statement.query_map([], |row| row.get(0)).doing("list the tables")?;
    names.collect::<rusqlite::Result<_>>().doing("list the tables")
}

/// Opens for writing; `check` comes before anything is changed.
fn connect(
    path: &Path,
    check: impl FnOnce(&Connection) -> Result<(), StoreFault>,
) -> Result<Connection, StoreFault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).doing("open the database")?;
    configure(&conn)?;
    check(&conn)?;
    let doing = "configure the database";
    let mode: String = conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).doing(doing)?;
    if mode != "wal" {
        let why = "its file system cannot share memory; a store needs a local disk";
        return Err(not_ours(path, why));
    }
    conn.pragma_update(None, "synchronous", "FULL").doing(doing)?;
    conn.pragma_update(None, "secure_delete", "ON").doing(doing)?;
    conn.pragma_update(None, "wal_autocheckpoint", LOG_PAGES).doing(doing)?;
    conn.pragma_update(None, "journal_size_limit", LOG_LEN_MAX).doing(doing)?;
    Ok(conn)
}

fn configure(conn: &Connection) -> Result<(), StoreFault> {
    let doing = "configure the database";
    waiting::patiently(conn)?;
    for (limit, value) in [
        (Limit::SQLITE_LIMIT_LENGTH, VALUE_LEN_MAX),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, SQL_LEN_MAX),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        conn.set_limit(limit, value).doing(doing)?;
    }
    // A schema is data of whoever wrote the file: it runs nothing.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true).doing(doing)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).doing(doing)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false).doing(doing)?;
    conn.pragma_update(None, "trusted_schema", "OFF").doing(doing)?;
    conn.pragma_update(None, "cell_size_check", "ON").doing(doing)?;
    conn.pragma_update(None, "foreign_keys", "ON").doing(doing)
}

/// Looks at the file's name and size before SQLite does, which takes an empty file for a new database. The file is not
/// opened for that: closing it would release the locks of every other connection of this process.
fn check_file(path: &Path) -> Result<(), StoreFault> {
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => Err(not_ours(path, "it is no file")),
        Ok(metadata) if metadata.len() == 0 => Err(not_ours(path, "the file is empty")),
        Ok(_) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            Err(Finding::Missing { what: "the database", path: path.to_owned() }.into())
        }
        Err(e) => Err(StoreFault::file("open the database", path)(e)),
    }
}

fn check_mark(conn: &Connection, path: &Path) -> Result<(), StoreFault> {
    let mark = conn.pragma_query_value(None, "application_id", |row| row.get::<_, i32>(0));
    if mark.as_ref().err().and_then(rusqlite::Error::sqlite_error_code) == Some(ErrorCode::NotADatabase) {
        return Err(not_ours(path, "the file is not made by SQLite"));
    }
    if mark.doing("read the mark of the database")? != APPLICATION_ID {
        return Err(not_ours(path, "another program made this SQLite database"));
    }
    let found: i64 =
        conn.pragma_query_value(None, "user_version", |row| row.get(0)).doing("read the version")?;
    match found {
        1..=VERSION => Ok(()),
        i64::MIN..1 => Err(not_ours(path, "it has no tables")),
        _ => Err(Finding::Newer { found, known: VERSION }.into()),
    }
}

fn not_ours(path: &Path, why: &'static str) -> StoreFault {
    Finding::NotAStore { path: path.to_owned(), why }.into()
}

fn objects(conn: &Connection) -> Result<Vec<(String, Option<String>)>, StoreFault> {
    let mut statement = conn.prepare("SELECT name, sql FROM sqlite_schema").doing("read the schema")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).doing("read the schema")?;
    rows.collect::<rusqlite::Result<_>>().doing("read the schema")
}

fn has_log(path: &Path) -> bool {
    durable::beside(path, "-wal").metadata().is_ok_and(|metadata| metadata.len() > 0)
}

fn immutable_uri(path: &Path) -> String {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_bytes() {
        write!(uri, "%{byte:02x}").expect("writing to a string cannot fail");
    }
    uri + "?immutable=1"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_has_the_version_the_steps_lead_to() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn).unwrap();
        let version: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        assert_eq!(version, VERSION);

        let truth = Connection::open_in_memory().unwrap();
        truth.execute_batch(include_str!("schema.sql")).unwrap();
        assert_eq!(objects(&conn).unwrap(), objects(&truth).unwrap(), "schema.sql is the sum of the steps");
    }

    #[test]
    fn h2_a_planted_trigger_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let conn = create(&path).unwrap();
        check_schema(&conn).unwrap();
        conn.execute_batch("CREATE TRIGGER quiet AFTER INSERT ON audit BEGIN DELETE FROM audit; END")
            .unwrap();
        let text = check_schema(&conn).unwrap_err().to_string();
        assert_eq!(text, "the database's schema was altered at \"quiet\"");
    }

    #[test]
    fn a_connection_is_configured_for_durability() {
        let folder = tempfile::tempdir().unwrap();
        let conn = create(&folder.path().join("db")).unwrap();
        let read = |name: &str| conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(read("synchronous"), 2, "FULL");
        for (name, value) in
            [("secure_delete", 1), ("foreign_keys", 1), ("trusted_schema", 0), ("cell_size_check", 1)]
        {
            assert_eq!(read(name), value, "{name}");
        }
    }
}
