//! doorctl
fn main() {}
