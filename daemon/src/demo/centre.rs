//! Stands for the hub in the demo: takes batches in order, follows the chain, acknowledges. Its network can be cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use doorward_protocol::audit::{Head, Verifier};
use doorward_protocol::delivery::Stretch;

use crate::uplink::{Uplink, UplinkFault};

/// The centre's end of the line.
pub struct Centre {
    cut: Arc<AtomicBool>,
    chain: Verifier,
}

impl Centre {
    /// A centre that has everything up to `head`. While `cut` is raised nothing gets through.
    #[must_use]
    pub fn new(head: Head, cut: Arc<AtomicBool>) -> Self {
        Self { cut, chain: Verifier::new(head) }
    }
}

impl Uplink for Centre {
    fn deliver(&mut self, stretch: &Stretch, _: &dyn Fn() -> bool) -> Result<Head, UplinkFault> {
        let fault = |why: String| UplinkFault { count: stretch.records.len(), why };
        if self.cut.load(Ordering::Relaxed) {
            return Err(fault("the network is cut".into()));
        }
        let known = self.chain.head().seq;
        for record in stretch.records.iter().filter(|record| record.seq > known) {
            self.chain.check(record).map_err(|broken| fault(broken.to_string()))?;
        }
        Ok(self.chain.head())
    }
}
