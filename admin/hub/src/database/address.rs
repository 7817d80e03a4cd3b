//! Where the database is: a file for SQLite, a URL for PostgreSQL. No password stands in it.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::postgres::Postgres;
use super::sqlite::Sqlite;
use super::{DatabaseFault, Driver};

/// Where the database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A file of SQLite.
    File(PathBuf),
    /// A PostgreSQL server, with the file that its password stands in, if it takes one.
    Server(String, Option<PathBuf>),
}

/// An address that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressFault {
    /// Not in the form of one.
    #[error("{0:?} is no address of a database; give a file, or postgresql://USER@HOST/NAME")]
    Form(String),
    /// A password in it.
    #[error(
        "the database's address holds a password; put it into a file of mode 0600 and name that as password_file"
    )]
    Password,
    /// A way that others can listen on.
    #[error(
        "the way to PostgreSQL on {0} is not encrypted; use its socket (host=/run/postgresql) or a tunnel that ends here"
    )]
    Open(String),
}

impl Address {
    /// A server's address with the file of its password.
    #[must_use]
    pub fn with_password(self, file: Option<&Path>) -> Self {
        match self {
            Address::Server(url, _) => Address::Server(url, file.map(Path::to_owned)),
            Address::File(path) => Address::File(path),
        }
    }

    pub(super) fn connect(&self) -> Result<Box<dyn Driver>, DatabaseFault> {
        let away = |why: String| DatabaseFault::Away { address: self.to_string(), why };
        match self {
            Address::File(path) => Ok(Box::new(Sqlite::open(path).map_err(away)?)),
            Address::Server(url, password) => {
                Ok(Box::new(Postgres::connect(url, password.as_deref()).map_err(away)?))
            }
        }
    }
}

impl FromStr for Address {
    type Err = AddressFault;

    fn from_str(text: &str) -> Result<Self, AddressFault> {
        let form = || AddressFault::Form(text.to_owned());
        if !text.contains("://") {
            return if text.is_empty() { Err(form()) } else { Ok(Address::File(PathBuf::from(text))) };
        }
        let target: postgres::Config = match text.split_once("://") {
            Some(("postgresql" | "postgres", _)) => text.parse().map_err(|_| form())?,
            Some(_) | None => return Err(form()),
        };
        if target.get_password().is_some() {
            return Err(AddressFault::Password);
        }
        for host in target.get_hosts() {
            match host {
                postgres::config::Host::Unix(_) => {}
                postgres::config::Host::Tcp(host) => {
                    let here = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
                    if !here {
                        return Err(AddressFault::Open(host.clone()));
                    }
                }
            }
        }
        Ok(Address::Server(text.to_owned(), None))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::File(path) => write!(f, "{}", path.display()),
            Address::Server(url, _) => f.write_str(url),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h2_no_password_in_the_address_and_no_open_way() {
        let refused = |text: &str| text.parse::<Address>().unwrap_err();
        assert_eq!(refused("postgresql://hub:secret@localhost/doorhub"), AddressFault::Password);
        assert!(matches!(refused("postgresql://hub@db.example.org/doorhub"), AddressFault::Open(_)));
        assert!(matches!(refused("mysql://hub@localhost/doorhub"), AddressFault::Form(_)));
        assert!(matches!(refused(""), AddressFault::Form(_)));
        for text in [
            "postgresql://hub@localhost/doorhub",
            "postgresql://hub@127.0.0.1:5433/doorhub",
            "postgresql:///doorhub?host=/run/postgresql&user=hub",
        ] {
            assert!(matches!(text.parse(), Ok(Address::Server(..))), "{text}");
        }
        assert_eq!("/var/lib/doorhub/hub.db".parse(), Ok(Address::File("/var/lib/doorhub/hub.db".into())));
    }
}
