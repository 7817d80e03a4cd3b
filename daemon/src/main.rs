//! doord
fn main() {}
