//! What the hub keeps, in SQLite or PostgreSQL: one schema, one set of statements.
//!
//! Statements are written once, in what both understand, with `?1`, `?2`, … for their values. What differs between the
//! two (names of types and placeholders, how a row is locked) is translated by the drivers and known nowhere else.

mod address;
mod postgres;
mod schema;
mod sqlite;

pub use self::address::{Address, AddressFault};

/// A value that goes into a statement or comes out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A number.
    Int(i64),
    /// A text; without the character 0, which PostgreSQL cannot hold.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// What a statement yields.
pub type Row = Vec<Value>;

/// Something the database did not do.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseFault {
    /// It cannot be reached, or went away. Nothing of the transaction was kept; the next one connects anew.
    #[error("the database {address} is away: {why}")]
    Away {
        /// Which one.
        address: String,
        /// Why.
        why: String,
    },
    /// It refused a statement.
    #[error("the database {address} refused to {doing}: {why}")]
    Refused {
        /// Which one.
        address: String,
        /// What was to be done.
        doing: &'static str,
        /// Why.
        why: String,
    },
    /// It is of another program, or of a newer version of this one.
    #[error("the database {address} {why}")]
    Foreign {
        /// Which one.
        address: String,
        /// What is wrong.
        why: String,
    },
    /// It holds what was never written there.
    #[error("the database holds {0}, which doorhub never writes; restore it from a backup")]
    Nonsense(&'static str),
}

/// What came of it.
pub type Kept<T = ()> = Result<T, DatabaseFault>;

/// Why a driver did not do something.
#[derive(Debug)]
enum DriverFault {
    Away(String),
    Refused(String),
}

/// What a database must be able to do.
trait Driver: Send {
    /// Statements without values, in the driver's own words.
    fn script(&mut self, sql: &str) -> Result<(), DriverFault>;
    /// One statement; returns the rows it yields.
    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, DriverFault>;
    /// One statement that yields no rows; returns how many it changed.
    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, DriverFault>;
    /// How a transaction begins, one that may write or one that only reads.
    fn begin(&self, writing: bool) -> &'static str;
    /// Makes other writers of the rows that a query reads wait.
    fn locking(&self) -> &'static str;
    /// The schema in this database's words.
    fn translated(&self, schema: &str) -> String;
    /// Makes sure that only one process migrates at a time; runs inside a transaction.
    fn migrate_alone(&mut self) -> Result<(), DriverFault>;
}

/// A connection that comes back by itself.
pub struct Database {
    address: Address,
    driver: Option<Box<dyn Driver>>,
}

impl Database {
    /// Connects, and brings the schema to the present version.
    ///
    /// # Errors
    /// [`DatabaseFault`].
    pub fn open(address: &Address) -> Kept<Self> {
        let mut database = Self { address: address.clone(), driver: None };
        database.transaction(schema::migrate)?;
        Ok(database)
    }

    /// Does all of `work` or, where any of it fails, nothing.
    ///
    /// # Errors
    /// [`DatabaseFault`], or whatever `work` says.
    pub fn transaction<T, F>(
        &mut self,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, F>,
    ) -> Result<T, F>
    where
        F: From<DatabaseFault>,
    {
        self.within(true, work)
    }

    /// Reads everything as it was at one moment, beside whoever writes.
    ///
    /// # Errors
    /// [`DatabaseFault`], or whatever `work` says.
    pub fn read<T, F>(&mut self, work: impl FnOnce(&mut Transaction<'_>) -> Result<T, F>) -> Result<T, F>
    where
        F: From<DatabaseFault>,
    {
        self.within(false, work)
    }

    fn within<T, F>(
        &mut self,
        writing: bool,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, F>,
    ) -> Result<T, F>
    where
        F: From<DatabaseFault>,
    {
        let shown = self.address.to_string();
        let mut transaction = Transaction { driver: self.connected()?, address: &shown, away: false };
        let begin = transaction.driver.begin(writing);
        let begun = transaction.script("begin a transaction", begin).map_err(F::from);
        let outcome = begun.and_then(|()| {
            let value = work(&mut transaction)?;
            transaction.script("commit", "COMMIT")?;
            Ok(value)
        });
        if outcome.is_err() && !transaction.away {
            // What went wrong is told by the outcome; a connection that cannot even take back is given up.
            transaction.away = transaction.driver.script("ROLLBACK").is_err();
        }
        if transaction.away {
            self.driver = None;
        }
        outcome
    }

    fn connected(&mut self) -> Kept<&mut dyn Driver> {
        let driver = match self.driver.take() {
            Some(driver) => driver,
            None => self.address.connect()?,
        };
        Ok(self.driver.insert(driver).as_mut())
    }
}

/// What is done together.
pub struct Transaction<'a> {
    driver: &'a mut dyn Driver,
    address: &'a str,
    away: bool,
}

impl Transaction<'_> {
    /// The rows that a statement yields.
    ///
    /// # Errors
    /// [`DatabaseFault`].
    pub fn query(&mut self, doing: &'static str, sql: &str, values: &[Value]) -> Kept<Vec<Row>> {
        let outcome = self.driver.query(sql, values);
        self.told(doing, outcome)
    }

    /// Like [`Self::query`]; other transactions that read the same rows in this way wait for the end of this one.
    ///
    /// # Errors
    /// [`DatabaseFault`].
    pub fn query_alone(&mut self, doing: &'static str, sql: &str, values: &[Value]) -> Kept<Vec<Row>> {
        let sql = format!("{sql}{}", self.driver.locking());
        self.query(doing, &sql, values)
    }

    /// Changes rows; returns how many.
    ///
    /// # Errors
    /// [`DatabaseFault`].
    pub fn execute(&mut self, doing: &'static str, sql: &str, values: &[Value]) -> Kept<u64> {
        let outcome = self.driver.execute(sql, values);
        self.told(doing, outcome)
    }

    fn script(&mut self, doing: &'static str, sql: &str) -> Kept {
        let outcome = self.driver.script(sql);
        self.told(doing, outcome)
    }

    fn told<T>(&mut self, doing: &'static str, outcome: Result<T, DriverFault>) -> Kept<T> {
        let address = || self.address.to_owned();
        outcome.map_err(|fault| match fault {
            DriverFault::Away(why) => {
                self.away = true;
                DatabaseFault::Away { address: address(), why }
            }
            DriverFault::Refused(why) => DatabaseFault::Refused { address: address(), doing, why },
        })
    }
}

/// The columns of one row, taken in order.
pub struct Columns(std::vec::IntoIter<Value>);

impl From<Row> for Columns {
    fn from(row: Row) -> Self {
        Self(row.into_iter())
    }
}

impl Columns {
    /// A number.
    ///
    /// # Errors
    /// [`DatabaseFault::Nonsense`] where something else stands there.
    pub fn int(&mut self) -> Kept<i64> {
        self.int_or_none()?.ok_or(DatabaseFault::Nonsense("nothing where a number belongs"))
    }

    /// A number that never is negative.
    ///
    /// # Errors
    /// [`DatabaseFault::Nonsense`].
    pub fn count(&mut self) -> Kept<u64> {
        u64::try_from(self.int()?).map_err(|_| DatabaseFault::Nonsense("a negative count"))
    }

    /// A number or nothing.
    ///
    /// # Errors
    /// [`DatabaseFault::Nonsense`].
    pub fn int_or_none(&mut self) -> Kept<Option<i64>> {
        match self.0.next() {
            Some(Value::Int(number)) => Ok(Some(number)),
            Some(Value::Null) => Ok(None),
            Some(Value::Text(_) | Value::Bytes(_)) | None => Err(DatabaseFault::Nonsense("no number")),
        }
    }

    /// A text.
    ///
    /// # Errors
    /// [`DatabaseFault::Nonsense`].
    pub fn text(&mut self) -> Kept<String> {
        self.text_or_none()?.ok_or(DatabaseFault::Nonsense("nothing where a text belongs"))
    }

    /// A text or nothing.
    ///
    /// # Errors
    /// [`DatabaseFault::Nonsense`].
    pub fn text_or_none(&mut self) -> Kept<Option<String>> {
        match self.0.next() {
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(Value::Null) => Ok(None),
            Some(Value::Int(_) | Value::Bytes(_)) | None => Err(DatabaseFault::Nonsense("no text")),
        }
    }

    /// A text that was checked before it was written.
    ///
    /// # Errors
    /// [`DatabaseFault::Nonsense`].
    pub fn name<T: std::str::FromStr>(&mut self) -> Kept<T> {
        self.text()?.parse().map_err(|_| DatabaseFault::Nonsense("a name that is none"))
    }

    /// Bytes.
    ///
    /// # Errors
    /// [`DatabaseFault::Nonsense`].
    pub fn bytes(&mut self) -> Kept<Vec<u8>> {
        self.bytes_or_none()?.ok_or(DatabaseFault::Nonsense("nothing where bytes belong"))
    }

    /// Bytes or nothing.
    ///
    /// # Errors
    /// [`DatabaseFault::Nonsense`].
    pub fn bytes_or_none(&mut self) -> Kept<Option<Vec<u8>>> {
        match self.0.next() {
            Some(Value::Bytes(bytes)) => Ok(Some(bytes)),
            Some(Value::Null) => Ok(None),
            Some(Value::Int(_) | Value::Text(_)) | None => Err(DatabaseFault::Nonsense("no bytes")),
        }
    }

    /// Bytes of a known number.
    ///
    /// # Errors
    /// [`DatabaseFault::Nonsense`].
    pub fn array<const N: usize>(&mut self) -> Kept<[u8; N]> {
        self.bytes()?.try_into().map_err(|_| DatabaseFault::Nonsense("bytes of another length"))
    }
}

impl Value {
    /// A text as both databases hold it: the character 0 is replaced.
    #[must_use]
    pub fn text(text: impl AsRef<str>) -> Self {
        Self::Text(text.as_ref().replace('\0', "\u{fffd}"))
    }

    /// A count; what no database could count up to becomes its largest number.
    #[must_use]
    pub fn count(count: u64) -> Self {
        Self::Int(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// Bytes.
    #[must_use]
    pub fn bytes(bytes: impl AsRef<[u8]>) -> Self {
        Self::Bytes(bytes.as_ref().to_vec())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Int(i64::from(truth))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}
