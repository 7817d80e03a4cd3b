//! A grant for a face comes out of the policy alone: its fields are the core's own.

use std::time::Duration;

use doorward_core::decision::{Cause, Decision, Grant};

fn build(other: &Grant, decision: &Decision) -> Grant {
    let person = decision.person().cloned().unwrap();
    Grant { door: other.door().clone(), cause: Cause::Face(person), open_for: Duration::from_secs(5) }
}

fn main() {}
