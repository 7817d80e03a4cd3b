//! Tests of the store from outside, over real files.

mod attack;
mod fixture;
mod full_disk;
mod round_trip;
mod support;
