//! Stands for the hub in the demo: takes batches in order, follows the chain, acknowledges. Its network can be cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use doorward_protocol::audit::{Head, Record, Verifier};

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
    fn deliver(&mut self, batch: &[Record]) -> Result<u64, UplinkFault> {
        let fault = |why: String| UplinkFault { count: batch.len(), why };
        if self.cut.load(Ordering::Relaxed) {
            return Err(fault("the network is cut".into()));
        }
        let known = self.chain.head().seq;
        for record in batch.iter().filter(|record| record.seq > known) {
            self.chain.check(record).map_err(|broken| fault(broken.to_string()))?;
        }
        Ok(self.chain.head().seq)
    }
}
