//! One edge at a time from the kernel, and none passed over.

use std::io;

use gpiocdev::Request;
use gpiocdev::line::EdgeEvent;

/// Words of one event; the kernel's is 48 bytes.
const WORDS: usize = 6;

/// The next edge; waits for one where there is none.
///
/// `Request::read_edge_event` of gpiocdev 0.8 must not be used: built for the second uAPI alone, its buffer has room for
/// eight events, and of those that are there it gives back the first and drops the others.
pub(super) fn next(request: &Request) -> io::Result<EdgeEvent> {
    let mut words = [0; WORDS];
    let event = request
        .read_edge_events_into_slice(&mut words[..request.edge_event_u64_size()])
        .and_then(|read| request.edge_event_from_slice(&words[..read]));
    event.map_err(io::Error::other)
}
