//! A record exists only after the journal said so: its fields are the core's own.

use doorward_core::audit::Recorded;
use doorward_core::decision::Grant;

fn forge(grant: Grant) -> Recorded<Grant> {
    Recorded { subject: grant, seq: 1 }
}

fn main() {}
