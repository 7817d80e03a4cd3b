//! The relay refuses a grant that is not on record.

use doorward_core::decision::Grant;
use doorward_hal::relay::Relay;

fn unlock(relay: &mut dyn Relay, grant: &Grant) {
    let _ = relay.unlock(grant);
}

fn main() {}
