//! A grant for a face comes out of the policy alone: its constructor is the core's own.

use std::time::Duration;

use doorward_core::decision::{Decision, Grant};

fn call(other: &Grant, decision: &Decision) -> Grant {
    Grant::face(other.door().clone(), decision.person().cloned().unwrap(), Duration::from_secs(5))
}

fn main() {}
