//! The terminal's encrypted SQLite store: persons, templates, audit chain, outbox.
