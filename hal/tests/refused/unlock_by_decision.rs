//! The relay refuses a decision, which may be a refusal, even one that is on record.

use doorward_core::audit::Recorded;
use doorward_core::decision::Decision;
use doorward_hal::relay::Relay;

fn unlock(relay: &mut dyn Relay, decision: &Recorded<Decision>) {
    let _ = relay.unlock(decision);
}

fn main() {}
