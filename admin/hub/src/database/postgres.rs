//! PostgreSQL, for where one machine's disk is not enough or somebody keeps servers already.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use postgres::types::private::BytesMut;
use postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use postgres::{Client, NoTls, Statement};

use super::{Driver, DriverFault, Row, Value};
use crate::secret;

/// How long connecting may take.
const CONNECT_S: u64 = 10;
/// The lock that a migration holds: any number that nothing else in the database uses.
const MIGRATION: i64 = 0x646f_6f72_6875;

pub(super) struct Postgres {
    client: Client,
    statements: HashMap<String, Statement>,
}

impl Postgres {
    pub(super) fn connect(url: &str, password: Option<&Path>) -> Result<Self, String> {
        let mut target: postgres::Config = url.parse().map_err(|e: postgres::Error| chain(&e))?;
        target.connect_timeout(Duration::from_secs(CONNECT_S)).application_name("doorhub");
        if let Some(file) = password {
            let word = secret::line(file).map_err(|fault| fault.to_string())?;
            target.password(word.as_bytes());
        }
        let client = target.connect(NoTls).map_err(|e| chain(&e))?;
        Ok(Self { client, statements: HashMap::new() })
    }

    fn prepared(&mut self, sql: &str) -> Result<Statement, DriverFault> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        // Nothing but placeholders uses this character.
        let statement = self.client.prepare(&sql.replace('?', "$")).map_err(fault)?;
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

impl Driver for Postgres {
    fn script(&mut self, sql: &str) -> Result<(), DriverFault> {
        self.client.batch_execute(sql).map_err(fault)
    }

    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, DriverFault> {
        let statement = self.prepared(sql)?;
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
        let rows = self.client.query(&statement, &values).map_err(fault)?;
        rows.iter().map(row).collect()
    }

    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, DriverFault> {
        let statement = self.prepared(sql)?;
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
        self.client.execute(&statement, &values).map_err(fault)
    }

    fn begin(&self, writing: bool) -> &'static str {
        if writing { "BEGIN" } else { "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" }
    }

    fn locking(&self) -> &'static str {
        " FOR UPDATE"
    }

    fn translated(&self, schema: &str) -> String {
        // Texts are sorted by their bytes, as SQLite sorts them: pages have the same order in both.
        schema
            .replace("INTEGER", "BIGINT")
            .replace("BLOB", "BYTEA")
            .replace("TEXT", "TEXT COLLATE \"C\"")
            .replace(") STRICT", ")")
    }

    fn migrate_alone(&mut self) -> Result<(), DriverFault> {
        self.script(&format!("SELECT pg_advisory_xact_lock({MIGRATION})"))
    }
}

impl ToSql for Value {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Value::Null => Ok(IsNull::Yes),
            Value::Int(number) if *kind == Type::INT8 => number.to_sql(kind, out),
            Value::Text(text) if *kind == Type::TEXT => text.to_sql(kind, out),
            Value::Bytes(bytes) if *kind == Type::BYTEA => bytes.to_sql(kind, out),
            Value::Int(_) | Value::Text(_) | Value::Bytes(_) => Err(format!("no value for {kind}").into()),
        }
    }

    fn accepts(kind: &Type) -> bool {
        [Type::INT8, Type::TEXT, Type::BYTEA].contains(kind)
    }

    to_sql_checked!();
}

fn row(row: &postgres::Row) -> Result<Row, DriverFault> {
    let value = |(at, column): (usize, &postgres::Column)| match *column.type_() {
        Type::INT8 => row.try_get(at).map(|number: Option<i64>| number.map_or(Value::Null, Value::Int)),
        Type::TEXT => row.try_get(at).map(|text: Option<String>| text.map_or(Value::Null, Value::Text)),
        _ => row.try_get(at).map(|bytes: Option<Vec<u8>>| bytes.map_or(Value::Null, Value::Bytes)),
    };
    row.columns().iter().enumerate().map(value).collect::<Result<_, _>>().map_err(fault)
}

fn fault(error: postgres::Error) -> DriverFault {
    // Another transaction was in the way, or the server is stopping or full: it is worth another try.
    let passing = error.code().is_none_or(|code| ["40", "53", "55", "57", "58"].contains(&&code.code()[..2]));
    let why = chain(&error);
    if passing { DriverFault::Away(why) } else { DriverFault::Refused(why) }
}

/// An error with its causes: by itself it says "db error".
fn chain(error: &postgres::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}
