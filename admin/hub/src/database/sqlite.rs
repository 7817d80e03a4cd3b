//! SQLite: a file, no set-up.

use std::path::Path;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, ToSql, params_from_iter};

use super::{Driver, DriverFault, Row, Value};

/// How long a statement waits for another process's, in milliseconds. A group of batches takes some hundredths of that.
const BUSY_MS: u64 = 10_000;
/// Prepared statements that are kept: more than the program has.
const STATEMENTS: usize = 64;

pub(super) struct Sqlite(Connection);

impl Sqlite {
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let opened = Connection::open(path).and_then(|connection| {
            connection.busy_timeout(std::time::Duration::from_millis(BUSY_MS))?;
            connection.set_prepared_statement_cache_capacity(STATEMENTS);
            // What is acknowledged must survive pulled power: FULL waits for the disk at every commit.
            connection.execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;",
            )?;
            Ok(connection)
        });
        opened.map(Self).map_err(|e| e.to_string())
    }
}

impl Driver for Sqlite {
    fn script(&mut self, sql: &str) -> Result<(), DriverFault> {
        self.0.execute_batch(sql).map_err(fault)
    }

    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, DriverFault> {
        let mut statement = self.0.prepare_cached(sql).map_err(fault)?;
        let columns = statement.column_count();
        let mut rows = statement.query(params_from_iter(values)).map_err(fault)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(fault)? {
            let values = (0..columns).map(|at| row.get_ref(at).map_err(fault).and_then(value));
            found.push(values.collect::<Result<Row, _>>()?);
        }
        Ok(found)
    }

    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, DriverFault> {
        let mut statement = self.0.prepare_cached(sql).map_err(fault)?;
        statement.execute(params_from_iter(values)).map(|changed| changed as u64).map_err(fault)
    }

    fn begin(&self, writing: bool) -> &'static str {
        // A transaction that turns to writing midway may find that another one was faster.
        if writing { "BEGIN IMMEDIATE" } else { "BEGIN" }
    }

    fn locking(&self) -> &'static str {
        ""
    }

    fn translated(&self, schema: &str) -> String {
        schema.to_owned()
    }

    fn migrate_alone(&mut self) -> Result<(), DriverFault> {
        // The transaction is the only one that writes already.
        Ok(())
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match self {
            Value::Null => ValueRef::Null,
            Value::Int(number) => ValueRef::Integer(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
        };
        Ok(ToSqlOutput::Borrowed(value))
    }
}

fn value(value: ValueRef<'_>) -> Result<Value, DriverFault> {
    match value {
        ValueRef::Null => Ok(Value::Null),
        ValueRef::Integer(number) => Ok(Value::Int(number)),
        ValueRef::Text(text) => Ok(Value::Text(String::from_utf8_lossy(text).into_owned())),
        ValueRef::Blob(bytes) => Ok(Value::Bytes(bytes.to_vec())),
        ValueRef::Real(_) => Err(DriverFault::Refused("a broken number, which no column here holds".into())),
    }
}

fn fault(error: rusqlite::Error) -> DriverFault {
    let away = match error.sqlite_error_code() {
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::ReadOnly
            | ErrorCode::OutOfMemory,
        ) => true,
        Some(_) | None => false,
    };
    if away { DriverFault::Away(error.to_string()) } else { DriverFault::Refused(error.to_string()) }
}
