//! Counted shares in words, with their intervals of 95 %.

use doorward_models::evaluation::interval::Interval;

/// So many of so many.
pub(crate) fn told(errors: u64, of: u64) -> String {
    let bound = Interval::exact(errors, of);
    let percent = |share: f64| 100.0 * share;
    let rate = percent(errors as f64 / of as f64);
    format!("{errors} of {of}, {rate:.1} % ({:.1}-{:.1})", percent(bound.low), percent(bound.high))
}

/// Prints the share under its name; its interval.
pub(crate) fn rate(name: &str, errors: u64, of: u64) -> Interval {
    println!("{name}: {}", told(errors, of));
    Interval::exact(errors, of)
}
