//! The hub against real databases and a real broker: SQLite and PostgreSQL, and mosquitto with TLS. What is absent is named
//! and skipped.
#![expect(clippy::unwrap_used, reason = "a test says what it expects by panicking")]

mod broker;
mod cluster;
mod door;
mod keeping;
mod orders;
mod presence;
mod serving;
mod site;
