//! How a terminal is and what it holds, in its own words and under its own signature.
//!
//! [`State`] is retained by the broker, and a signed one that says "away" is the terminal's last will. Neither the broker
//! nor time tells which of two is newer, so a state says it itself: [`State::age`].

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

use crate::audit::{ClockTrust, Hash, LivenessLevel};
use crate::command::Session;
use crate::envelope::Kind;
use crate::keys::Role;
use crate::message::{List, Payload, Text};
use crate::trust::{Authority, Instruction};

/// Letters of a version.
pub const VERSION_LEN_MAX: usize = 64;
/// Letters of a reason.
pub const WHY_LEN_MAX: usize = 256;
/// Parts that are told to be at fault; a terminal has fewer.
pub const FAULTS_MAX: usize = 32;
/// Letters of the name of a part.
pub const PART_LEN_MAX: usize = 32;

/// How a terminal is and what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct State {
    /// Its present life, which an order must name.
    #[n(0)]
    pub session: ByteArray<16>,
    /// Which of its lives: the number of the audit record of its start.
    #[n(1)]
    pub start: u64,
    /// Which of its connections in this life, from 1.
    #[n(2)]
    pub link: u64,
    /// Connected; a last will says that it is not.
    #[n(3)]
    pub online: bool,
    /// The version that runs.
    #[n(4)]
    pub version: Text<VERSION_LEN_MAX>,
    /// How far it trusts its clock: it obeys only what makes the door safer while it does not.
    #[n(5)]
    pub clock: ClockTrust,
    /// How far its audit trail has come.
    #[n(6)]
    pub trail: Trail,
    /// How far it followed the roster, and what it holds.
    #[n(7)]
    pub roster: Held,
    /// Why it does not follow the roster any further, where it cannot.
    #[n(8)]
    pub halted: Option<Text<WHY_LEN_MAX>>,
    /// How much evidence of life it asks for; none from versions that did not say it.
    #[n(9)]
    pub level: Option<LivenessLevel>,
}

/// The end of an audit trail.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Trail {
    /// Its genesis: a terminal whose store is new begins a new trail.
    #[n(0)]
    pub genesis: ByteArray<32>,
    /// Number of the newest record.
    #[n(1)]
    pub seq: u64,
    /// Its hash.
    #[n(2)]
    pub hash: ByteArray<32>,
}

/// What a terminal holds of the roster.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Held {
    /// Number of the newest entry that it follows.
    #[n(0)]
    pub seq: u64,
    /// That entry's hash.
    #[n(1)]
    pub hash: ByteArray<32>,
    /// Root of the state tree over what it holds. Equal to the one that was signed with the entry, it shows that what
    /// was erased is gone.
    #[n(2)]
    pub state: ByteArray<32>,
}

/// The order of states: compares greater for the newer of two of one audit trail. See [`State::age`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Age {
    start: u64,
    link: u64,
    ended: bool,
    seq: u64,
}

impl State {
    /// How new it is; `seq` is its heading's number, which counts within a life. A last will is signed when its
    /// connection begins, and is what ends that connection, whatever was said on it.
    #[must_use]
    pub fn age(&self, seq: u64) -> Age {
        Age { start: self.start, link: self.link, ended: !self.online, seq }
    }
}

impl Payload for State {
    const KIND: Kind = Kind::State;
}

impl Instruction for State {
    fn authorities(&self) -> Vec<Authority> {
        vec![Authority::Holder(Role::Terminal)]
    }
}

/// Figures about a terminal's health. What is not known is left out.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Health {
    /// Its present life.
    #[n(0)]
    pub session: ByteArray<16>,
    /// Seconds since it started.
    #[n(1)]
    pub up_s: u64,
    /// Audit records that no hub has acknowledged.
    #[n(2)]
    pub waiting: u64,
    /// Memory it takes, KiB.
    #[n(3)]
    pub memory_kib: Option<u64>,
    /// Room left for its store, KiB.
    #[n(4)]
    pub room_kib: Option<u64>,
    /// Temperature of the board, thousandths of a degree Celsius.
    #[n(5)]
    pub temperature_mc: Option<i64>,
    /// Parts at fault now, as the audit trail names them.
    #[n(6)]
    pub faults: List<Text<PART_LEN_MAX>, FAULTS_MAX>,
}

impl Payload for Health {
    const KIND: Kind = Kind::Health;
}

impl Instruction for Health {
    fn authorities(&self) -> Vec<Authority> {
        vec![Authority::Holder(Role::Terminal)]
    }
}

/// Roster entries, please. They are answered unchanged on the feed, one a message and in order: an entry is proved by
/// its own signature and place, and a signature of the hub around it would be one that a terminal can only check
/// after it followed the entries it asks for.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct RosterWanted {
    /// Its present life: the hub answers nobody's earlier questions.
    #[n(0)]
    pub session: ByteArray<16>,
    /// The newest entry that it follows; what comes after it is wanted.
    #[n(1)]
    pub after: u64,
    /// That entry's hash, the genesis for 0: a hub whose roster has another one there has another roster.
    #[n(2)]
    pub hash: ByteArray<32>,
    /// At most this many, and never more than [`FEED_MAX`].
    #[n(3)]
    pub limit: u16,
}

/// Entries that answer one [`RosterWanted`]: what a terminal takes in before it asks again, at most 8 MiB.
pub const FEED_MAX: u16 = 32;

impl RosterWanted {
    /// The question of a terminal that came this far.
    #[must_use]
    pub fn after(session: Session, seq: u64, hash: Hash) -> Self {
        Self { session: session.into(), after: seq, hash: hash.into(), limit: FEED_MAX }
    }

    /// How many entries answer it.
    #[must_use]
    pub fn count(&self) -> usize {
        usize::from(self.limit.min(FEED_MAX))
    }
}

impl Payload for RosterWanted {
    const KIND: Kind = Kind::RosterWanted;
}

impl Instruction for RosterWanted {
    fn authorities(&self) -> Vec<Authority> {
        vec![Authority::Holder(Role::Terminal)]
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::envelope::Heading;
    use crate::ids::TerminalId;
    use crate::keys::PublicKey;
    use crate::message::{self, PayloadFault};
    use crate::trust::{Authorised, Delegation, Reader, Refusal, Trust};

    fn state(start: u64, link: u64, online: bool) -> State {
        State {
            session: [5; 16].into(),
            start,
            link,
            online,
            version: Text::cut("0.3.0"),
            clock: ClockTrust::Synchronised,
            trail: Trail { genesis: [1; 32].into(), seq: 700, hash: [2; 32].into() },
            roster: Held { seq: 12, hash: [3; 32].into(), state: [4; 32].into() },
            halted: None,
            level: Some(LivenessLevel::Standard),
        }
    }

    fn health() -> Health {
        Health {
            session: [5; 16].into(),
            up_s: 86_400,
            waiting: 3,
            memory_kib: Some(200_000),
            room_kib: None,
            temperature_mc: Some(-4_500),
            faults: List::first([Text::cut("camera"), Text::cut("contact")]),
        }
    }

    /// `message` as a key with `role` says it for `front-1`, read by the centre.
    fn said<T: Instruction>(message: &T, role: Role) -> Result<Authorised<T>, Refusal> {
        let terminal: TerminalId = "front-1".parse().unwrap();
        let key = SigningKey::from_bytes(&[4; 32]);
        let site: crate::ids::SiteId = "hq".parse().unwrap();
        let mut trust = Trust::pinned(site.clone(), PublicKey::of(&SigningKey::from_bytes(&[1; 32])));
        let delegation = Delegation {
            key: PublicKey::of(&key),
            holder: "front-1".into(),
            roles: vec![role],
            terminal: (role == Role::Terminal).then(|| terminal.clone()),
            from_s: 0,
            until_s: i64::MAX,
            joined_with: None,
        };
        trust.delegate(&delegation).unwrap();
        let heading = Heading {
            kind: T::KIND,
            site,
            terminal: Some(terminal.clone()),
            seq: 1,
            issued_s: 1_800_000_000,
            expires_s: None,
        };
        let bytes = message::sign(&heading, message, &key).unwrap();
        trust.authorise(&bytes, &Reader { terminal: Some(&terminal), now_s: None })
    }

    #[test]
    fn m15_only_a_terminal_says_how_it_is_and_what_it_wants() {
        let wanted = RosterWanted::after([5; 16], 12, [3; 32]);
        assert_eq!(said(&state(700, 1, true), Role::Terminal).unwrap().message(), &state(700, 1, true));
        assert_eq!(said(&health(), Role::Terminal).unwrap().message(), &health());
        assert_eq!(said(&wanted, Role::Terminal).unwrap().message(), &wanted);
        for role in [Role::Hub, Role::Operator, Role::Enroller, Role::Release] {
            assert!(matches!(said(&state(700, 1, true), role), Err(Refusal::Role { .. })), "{role:?}");
            assert!(matches!(said(&health(), role), Err(Refusal::Role { .. })), "{role:?}");
            assert!(matches!(said(&wanted, role), Err(Refusal::Role { .. })), "{role:?}");
        }
    }

    #[test]
    fn m15_the_newer_of_two_states_is_known_whatever_order_they_arrive_in() {
        let in_order = [
            state(700, 1, true).age(2),
            state(700, 1, true).age(3),
            state(700, 1, false).age(1),
            state(700, 2, true).age(5),
            state(700, 2, false).age(4),
            state(810, 1, true).age(2),
        ];
        assert!(in_order.windows(2).all(|pair| pair[0] < pair[1]), "{in_order:?}");
    }

    #[test]
    fn a_question_for_the_roster_is_answered_with_a_bounded_part_of_it() {
        let wanted = RosterWanted::after([5; 16], 12, [3; 32]);
        assert_eq!(RosterWanted { limit: u16::MAX, ..wanted.clone() }.count(), usize::from(FEED_MAX));
        assert_eq!(RosterWanted { limit: 3, ..wanted }.count(), 3);
    }

    #[test]
    fn a_state_of_a_version_that_did_not_say_its_level_is_read_and_its_level_unknown() {
        let silent = State { level: None, ..state(700, 1, true) };
        let bytes = message::write(&silent);
        assert_eq!(bytes[0], 0x88, "eight members, as such versions write it");
        assert_eq!(message::read::<State>(&bytes), Ok(silent));
        let alone = State { level: Some(LivenessLevel::Convenience), ..state(700, 1, true) };
        assert_eq!(message::read::<State>(&message::write(&alone)), Ok(alone));
    }

    #[test]
    fn m8_a_state_with_too_long_a_text_is_none() {
        let good = message::write(&state(700, 1, true));
        assert_eq!(message::read::<State>(&good), Ok(state(700, 1, true)));
        let mut long = Vec::new();
        let at = good.windows(6).position(|bytes| bytes == b"\x650.3.0").unwrap();
        long.extend_from_slice(&good[..at]);
        long.extend_from_slice(&[0x78, 65]);
        long.extend_from_slice(&[b'x'; 65]);
        long.extend_from_slice(&good[at + 6..]);
        assert!(matches!(message::read::<State>(&long), Err(PayloadFault::Malformed { .. })));
    }
}
