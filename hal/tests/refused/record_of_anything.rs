//! Nobody turns the record of one thing into the record of another.

use doorward_core::audit::Recorded;
use doorward_core::decision::{Decision, Grant};

fn swap(decision: Recorded<Decision>, grant: Grant) -> Recorded<Grant> {
    Recorded { subject: grant, ..decision }
}

fn main() {}
