//! One error rate as every report tells it, so that programs can hold two reports against each other.

use serde::{Deserialize, Serialize};

use super::curve::Count;
use super::interval::Interval;

/// An error rate. Less is better, for all of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What it is: `APCER print`, `FNMR at FMR 1e-4`.
    pub name: String,
    /// The rate, 0 to 1.
    pub rate: f64,
    /// `[low, high]` at 95 %.
    pub interval: [f64; 2],
    /// What went wrong.
    pub errors: u64,
    /// Of how many.
    pub trials: u64,
}

impl Figure {
    /// A counted rate with its exact interval.
    #[must_use]
    pub fn counted(name: impl Into<String>, count: Count) -> Self {
        Self::with(name, count, count.interval())
    }

    /// A counted rate with an interval of its own.
    #[must_use]
    pub fn with(name: impl Into<String>, count: Count, interval: Interval) -> Self {
        let Count { errors, trials } = count;
        Self {
            name: name.into(),
            rate: count.rate(),
            interval: [interval.low, interval.high],
            errors,
            trials,
        }
    }
}
