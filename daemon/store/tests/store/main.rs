//! Tests of the store from outside, over real files.
#![expect(clippy::unwrap_used, reason = "a test says what it expects by panicking")]

mod attack;
mod consents;
mod credentials;
mod fixture;
mod followed;
mod full_disk;
mod round_trip;
mod support;
mod taking;
