//! The database file: how a connection is opened, how old schemas become the present one, and whether the tables are
//! the ones this program makes.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use rusqlite_migration::{M, Migrations};

use crate::durable;
use crate::fault::{BUSY_MS_MAX, Doing, Finding, StoreFault};

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
/// step never changes its meaning. The first step is the whole schema of version 1: once there is a version 2, that
/// text moves to a file of its own and `schema.sql` stays the truth that the sum of the steps is compared with.
fn migrations() -> Migrations<'static> {
    Migrations::new(vec![M::up(include_str!("schema.sql"))])
}

/// The version that [`migrations`] lead to.
const VERSION: i64 = 1;

/// Creates a database with empty tables at a path where nothing is.
///
/// # Errors
/// [`StoreFault`].
pub(crate) fn create(path: &Path) -> Result<Connection, StoreFault> {
    // The log and the shared memory file take their permissions from the database file.
    drop(durable::create_private(path).map_err(StoreFault::file("create the database", path))?);
    let mut conn = connect(path)?;
    conn.pragma_update(None, "application_id", APPLICATION_ID).doing("mark the file")?;
    migrate(&mut conn)?;
    Ok(conn)
}

/// Opens an existing database for reading and writing, at whatever version it has.
///
/// # Errors
/// [`StoreFault`]; [`Finding::Missing`], [`Finding::NotAStore`] and [`Finding::Newer`] name what is there instead.
pub(crate) fn open(path: &Path) -> Result<Connection, StoreFault> {
    check_header(path)?;
    let conn = connect(path)?;
    check_version(&conn, path)?;
    Ok(conn)
}

/// Opens an existing database that is not to be changed, also on a read-only medium.
///
/// # Errors
/// As [`open`].
pub(crate) fn open_read_only(path: &Path) -> Result<Connection, StoreFault> {
    check_header(path)?;
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
    check_version(&conn, path)?;
    Ok(conn)
}

/// Brings the tables to the present version.
///
/// # Errors
/// [`StoreFault`]; the file is then as before.
pub(crate) fn migrate(conn: &mut Connection) -> Result<(), StoreFault> {
    let doing = "migrate the tables";
    migrations().to_latest(conn).map_err(|error| match error {
        rusqlite_migration::Error::RusqliteError { err, .. } => {
            Err::<(), _>(err).doing(doing).expect_err("the error just put in")
        }
        other => StoreFault::Database { doing, source: Box::new(other) },
    })
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

fn connect(path: &Path) -> Result<Connection, StoreFault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).doing("open the database")?;
    configure(&conn)?;
    let doing = "configure the database";
    let mode: String = conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).doing(doing)?;
    if mode != "wal" {
        let why = "its file system cannot share memory; a store needs a local disk";
        return Err(Finding::NotAStore { path: path.to_owned(), why }.into());
    }
    conn.pragma_update(None, "synchronous", "FULL").doing(doing)?;
    conn.pragma_update(None, "secure_delete", "ON").doing(doing)?;
    conn.pragma_update(None, "wal_autocheckpoint", LOG_PAGES).doing(doing)?;
    conn.pragma_update(None, "journal_size_limit", LOG_LEN_MAX).doing(doing)?;
    Ok(conn)
}

fn configure(conn: &Connection) -> Result<(), StoreFault> {
    let doing = "configure the database";
    conn.busy_timeout(Duration::from_millis(BUSY_MS_MAX)).doing(doing)?;
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

/// Looks at the file before SQLite does: SQLite takes an empty file for a new database.
fn check_header(path: &Path) -> Result<(), StoreFault> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(Finding::Missing { what: "the database", path: path.to_owned() }.into());
        }
        Err(e) => return Err(StoreFault::file("open the database", path)(e)),
    };
    let not_ours = |why| Err(Finding::NotAStore { path: path.to_owned(), why }.into());
    let mut header = Vec::new();
    file.by_ref().take(100).read_to_end(&mut header).map_err(StoreFault::file("read the database", path))?;
    match (header.len(), header.starts_with(b"SQLite format 3\0"), header.get(68..72)) {
        (0, _, _) => not_ours("the file is empty"),
        (100, true, Some(id)) if id == APPLICATION_ID.to_be_bytes() => Ok(()),
        (100, true, _) => not_ours("another program made this SQLite database"),
        _ => not_ours("the file does not begin as SQLite databases do"),
    }
}

fn check_version(conn: &Connection, path: &Path) -> Result<(), StoreFault> {
    let found: i64 =
        conn.pragma_query_value(None, "user_version", |row| row.get(0)).doing("read the version")?;
    match found {
        1..=VERSION => Ok(()),
        i64::MIN..1 => Err(Finding::NotAStore { path: path.to_owned(), why: "it has no tables" }.into()),
        _ => Err(Finding::Newer { found, known: VERSION }.into()),
    }
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
