//! Rates in words, as every report writes them.

use super::interval::Interval;
pub use super::page::{number, percent, printable};

/// An interval in per cent.
#[must_use]
pub fn percents(low: f64, high: f64) -> String {
    super::page::percents(Interval { low, high })
}
