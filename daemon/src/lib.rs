//! doord: cameras to relay.
