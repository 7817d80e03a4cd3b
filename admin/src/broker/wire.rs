//! As much of MQTT 5 as it takes to try a broker: spoken by hand, because a client made for use hides what is wrong.

use std::io::{self, ErrorKind, Read, Write};

/// The longest packet that is read.
const PACKET_MAX: usize = 1 << 20;
/// Messages that are noted: an open broker may have many to tell.
const HEARD_MAX: usize = 10_000;
/// How long the broker need not hear from us, seconds.
const KEEP_ALIVE_S: u16 = 30;

const CONNECT: u8 = 0x10;
const CONNECTED: u8 = 0x20;
const PUBLISH: u8 = 0x32;
const PUBLISHED: u8 = 0x40;
const SUBSCRIBE: u8 = 0x82;
const SUBSCRIBED: u8 = 0x90;

/// Property of a CONNACK: the longest packet that the broker takes.
const LONGEST: u8 = 0x27;

/// What a broker says to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Welcome {
    /// 0: come in.
    pub(super) reason: u8,
    /// The longest packet it takes, if it says.
    pub(super) longest: Option<u32>,
}

/// A conversation.
pub(super) struct Wire<S> {
    /// What it is spoken over.
    pub(super) stream: S,
    /// Topics of messages that came.
    heard: Vec<String>,
}

impl<S: Read + Write> Wire<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, heard: Vec::new() }
    }

    /// Introduces us.
    pub(super) fn connect(&mut self, name: &str) -> io::Result<Welcome> {
        let mut body = text("MQTT");
        body.extend([5, 2]);
        body.extend(KEEP_ALIVE_S.to_be_bytes());
        body.push(0);
        body.extend(text(name));
        self.send(CONNECT, &body)?;
        let body = self.wait(CONNECTED)?;
        let reason = *body.get(1).ok_or(ErrorKind::InvalidData)?;
        Ok(Welcome { reason, longest: longest(body.get(3..).unwrap_or_default()) })
    }

    /// Asks for a topic; the broker's reason, below 0x80 where it agrees.
    pub(super) fn subscribe(&mut self, filter: &str) -> io::Result<u8> {
        let mut body = vec![0, 1, 0];
        body.extend(text(filter));
        body.push(1);
        self.send(SUBSCRIBE, &body)?;
        self.wait(SUBSCRIBED)?.last().copied().ok_or_else(|| ErrorKind::InvalidData.into())
    }

    /// Says something; the broker's reason, below 0x80 where it takes it.
    pub(super) fn publish(&mut self, topic: &str, payload: &[u8]) -> io::Result<u8> {
        let mut body = text(topic);
        body.extend([0, 2, 0]);
        body.extend(payload);
        self.send(PUBLISH, &body)?;
        Ok(self.wait(PUBLISHED)?.get(2).copied().unwrap_or(0))
    }

    /// The topics of all messages that came, and of those that come before the stream's patience ends.
    pub(super) fn listen(&mut self) -> io::Result<Vec<String>> {
        loop {
            match self.read() {
                Ok((kind, body)) => self.note(kind, &body)?,
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Ok(std::mem::take(&mut self.heard));
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// The next packet of this kind.
    fn wait(&mut self, wanted: u8) -> io::Result<Vec<u8>> {
        loop {
            let (kind, body) = self.read()?;
            if kind == wanted {
                return Ok(body);
            }
            self.note(kind, &body)?;
        }
    }

    /// Notes a message; nothing else comes unasked.
    fn note(&mut self, kind: u8, body: &[u8]) -> io::Result<()> {
        if kind & 0xf0 != PUBLISH & 0xf0 || self.heard.len() >= HEARD_MAX {
            return Err(ErrorKind::InvalidData.into());
        }
        let length = body.first_chunk().map_or(0, |bytes| usize::from(u16::from_be_bytes(*bytes)));
        let topic = body.get(2..2 + length).ok_or(ErrorKind::InvalidData)?;
        self.heard.push(String::from_utf8_lossy(topic).into_owned());
        Ok(())
    }

    fn send(&mut self, kind: u8, body: &[u8]) -> io::Result<()> {
        let mut packet = vec![kind];
        let mut left = body.len();
        loop {
            let low = u8::try_from(left % 128).unwrap_or(0);
            left /= 128;
            packet.push(if left > 0 { low | 0x80 } else { low });
            if left == 0 {
                break;
            }
        }
        packet.extend(body);
        self.stream.write_all(&packet)?;
        self.stream.flush()
    }

    fn read(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut byte = [0];
        self.stream.read_exact(&mut byte)?;
        let kind = byte[0];
        let mut length = 0usize;
        for shift in [0, 7, 14, 21] {
            self.stream.read_exact(&mut byte)?;
            length |= usize::from(byte[0] & 0x7f) << shift;
            if byte[0] & 0x80 == 0 {
                break;
            }
        }
        if length > PACKET_MAX {
            return Err(ErrorKind::InvalidData.into());
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok((kind, body))
    }
}

fn text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend(&text.as_bytes()[..usize::from(length)]);
    bytes
}

/// The longest packet among a CONNACK's properties.
fn longest(mut properties: &[u8]) -> Option<u32> {
    while let Some((name, rest)) = properties.split_first() {
        let length = match *name {
            LONGEST => return rest.first_chunk().map(|bytes| u32::from_be_bytes(*bytes)),
            0x11 => 4,
            0x13 | 0x21 | 0x22 => 2,
            0x24 | 0x25 | 0x28 | 0x29 | 0x2a => 1,
            0x12 | 0x15 | 0x16 | 0x1a | 0x1c | 0x1f => {
                2 + rest.first_chunk().map(|bytes| usize::from(u16::from_be_bytes(*bytes)))?
            }
            _ => return None,
        };
        properties = rest.get(length..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_packet_is_found_among_other_properties() {
        assert_eq!(longest(&[0x22, 0, 10, 0x12, 0, 2, b'a', b'b', LONGEST, 0, 4, 0x10, 0]), Some(0x41000));
        assert_eq!(longest(&[0x22, 0, 10]), None);
        assert_eq!(longest(&[0x7f, 1, 2, 3]), None);
        assert_eq!(longest(&[0x12, 0xff, 0xff, 1]), None);
        assert_eq!(longest(&[LONGEST, 1]), None);
    }
}
