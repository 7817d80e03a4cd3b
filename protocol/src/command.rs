//! Orders to a terminal and its receipts.
//!
//! An order counts once, for seconds, and only for the terminal's present life: every start draws a new session, and
//! an order must name it. So an order that was kept back, retained by the broker, or sent again after the terminal's
//! store was put back from a copy, has nothing left to fit.

use std::collections::BTreeMap;

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};
use sha2::{Digest as _, Sha256};

use crate::audit::Hash;
use crate::envelope::Kind;
use crate::ids::{DoorId, PersonId};
use crate::keys::{KeyId, Role};
use crate::message::{Opaque, Payload};
use crate::trust::{Authorised, Authority, Instruction};

/// The longest life of an order, seconds.
pub const ORDER_LIFE_MAX_S: i64 = 30;
/// Issuers whose count is kept: more people than ever order about one terminal between two of its starts.
const ISSUERS_MAX: usize = 256;

/// A terminal's present life: drawn at random at every start.
pub type Session = [u8; 16];

/// An order.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Order {
    /// The life of the terminal that it is for.
    #[n(0)]
    pub session: ByteArray<16>,
    /// What to do.
    #[n(1)]
    pub command: Command,
}

/// What a terminal can be told to do.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Command {
    /// Release a door once, for some milliseconds.
    #[n(0)]
    Unlock(#[n(0)] DoorId, #[n(1)] u32),
    /// Lock a door now.
    #[n(1)]
    Lock(#[n(0)] DoorId),
    /// Nobody passes until it is released; leaving stays free.
    #[n(2)]
    Lockdown,
    /// The end of a lockdown.
    #[n(3)]
    Release,
    /// Start anew.
    #[n(4)]
    Reboot,
    /// The picture of this person, where they agreed to pictures and were recognised within the last minute: sealed to
    /// this key, which whoever orders drew for this one order.
    #[n(5)]
    Capture(#[n(0)] PersonId, #[n(1)] ByteArray<32>),
    /// Say how you are.
    #[n(6)]
    Diagnose,
    /// Let attempts begin again that failed checks have locked out.
    #[n(7)]
    ResetLockout,
    /// Start anew and take everybody from the roster again: after an erasure because the case was opened.
    #[n(8)]
    Refill,
}

impl Command {
    /// Whether it can only make the door safer: obeyed also by a terminal that does not know the time.
    #[must_use]
    pub fn secures(&self) -> bool {
        match self {
            Command::Lock(_) | Command::Lockdown | Command::Diagnose => true,
            Command::Unlock(..)
            | Command::Release
            | Command::Reboot
            | Command::Capture(..)
            | Command::ResetLockout
            | Command::Refill => false,
        }
    }
}

impl Payload for Order {
    const KIND: Kind = Kind::Command;
}

impl Instruction for Order {
    fn authorities(&self) -> Vec<Authority> {
        vec![Authority::Holder(Role::Operator)]
    }
}

/// A terminal's answer to an order.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Receipt {
    /// Hash of the order it answers, envelope included.
    #[n(0)]
    pub order: ByteArray<32>,
    /// What came of it.
    #[n(1)]
    pub outcome: Outcome,
    /// The audit entry that says the same, where there is one.
    #[n(2)]
    pub audit_seq: Option<u64>,
}

/// What came of an order.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Outcome {
    /// Done.
    #[n(0)]
    Done,
    /// Not done, and why.
    #[n(1)]
    Refused(#[n(0)] String),
    /// The answer to a question.
    #[n(2)]
    Report(#[n(0)] String),
    /// Somebody's picture, sealed to the order's key; see [`crate::picture`].
    #[n(3)]
    Picture(#[n(0)] Opaque),
}

impl Payload for Receipt {
    const KIND: Kind = Kind::Receipt;
}

impl Instruction for Receipt {
    fn authorities(&self) -> Vec<Authority> {
        vec![Authority::Holder(Role::Terminal)]
    }
}

/// The name by which a receipt answers an order.
#[must_use]
pub fn order_hash(bytes: &[u8]) -> Hash {
    Sha256::new_with_prefix(b"doorward/order/v1").chain_update(bytes).finalize().into()
}

/// Why an authorised order is not obeyed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderFault {
    /// For an earlier life of the terminal, or another terminal's.
    #[error("the order is for another session; read the terminal's state and order again")]
    Session,
    /// Not newer than the last one of this issuer.
    #[error("order {came} of key {key} is not newer than {last}")]
    Old {
        /// The issuer.
        key: KeyId,
        /// Its number.
        came: u64,
        /// The newest that came.
        last: u64,
    },
    /// Without an end, or with one that is too far away.
    #[error("an order counts for at most {ORDER_LIFE_MAX_S} s")]
    Life,
    /// The terminal does not know the time, so it cannot tell a new order from an old one.
    #[error("the terminal's clock is not set; until then it only locks")]
    Clock,
    /// More issuers than are kept count of.
    #[error("more than {ISSUERS_MAX} keys gave orders since the terminal started")]
    Issuers,
}

/// An order that is to be obeyed. Only [`Desk::admit`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    command: Command,
    key: KeyId,
    hash: Hash,
}

impl Admitted {
    /// What to do.
    #[must_use]
    pub fn command(&self) -> &Command {
        &self.command
    }

    /// Who ordered it.
    #[must_use]
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// The name by which its receipt answers it.
    #[must_use]
    pub fn hash(&self) -> &Hash {
        &self.hash
    }
}

/// Takes each order once.
#[derive(Debug, Clone)]
pub struct Desk {
    session: Session,
    last: BTreeMap<KeyId, u64>,
}

impl Desk {
    /// For a life that begins now.
    #[must_use]
    pub fn new(session: Session) -> Self {
        Self { session, last: BTreeMap::new() }
    }

    /// Whether an order is to be obeyed. `bytes` are those it came in, envelope included; `clock_known`: whether the time
    /// it was authorised by is to be trusted.
    ///
    /// # Errors
    /// [`OrderFault`]. An order that was refused for its life or the clock is used up all the same.
    pub fn admit(
        &mut self,
        order: &Authorised<Order>,
        bytes: &[u8],
        clock_known: bool,
    ) -> Result<Admitted, OrderFault> {
        let (heading, key) = (order.heading(), order.key());
        if *order.message().session != self.session {
            return Err(OrderFault::Session);
        }
        if let Some(&last) = self.last.get(&key)
            && heading.seq <= last
        {
            return Err(OrderFault::Old { key, came: heading.seq, last });
        }
        if self.last.len() >= ISSUERS_MAX && !self.last.contains_key(&key) {
            return Err(OrderFault::Issuers);
        }
        self.last.insert(key, heading.seq);
        let life = heading.expires_s.map(|end| end.saturating_sub(heading.issued_s));
        if !life.is_some_and(|life| (1..=ORDER_LIFE_MAX_S).contains(&life)) {
            return Err(OrderFault::Life);
        }
        let command = order.message().command.clone();
        if !clock_known && !command.secures() {
            return Err(OrderFault::Clock);
        }
        Ok(Admitted { command, key, hash: order_hash(bytes) })
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::envelope::Heading;
    use crate::ids::TerminalId;
    use crate::keys::PublicKey;
    use crate::message;
    use crate::trust::{Delegation, Reader, Trust};

    const NOW: i64 = 1_800_000_000;
    const SESSION: Session = [5; 16];

    fn order(seq: u64, session: Session, command: Command, life_s: Option<i64>) -> Authorised<Order> {
        let terminal: TerminalId = "front-1".parse().unwrap();
        let key = SigningKey::from_bytes(&[2; 32]);
        let mut trust =
            Trust::pinned("hq".parse().unwrap(), PublicKey::of(&SigningKey::from_bytes(&[1; 32])));
        let delegation = Delegation {
            key: PublicKey::of(&key),
            holder: "guard".into(),
            roles: vec![Role::Operator],
            terminal: None,
            from_s: 0,
            until_s: i64::MAX,
            joined_with: None,
        };
        trust.delegate(&delegation).unwrap();
        let heading = Heading {
            kind: Kind::Command,
            site: "hq".parse().unwrap(),
            terminal: Some(terminal.clone()),
            seq,
            issued_s: NOW,
            expires_s: life_s.map(|life| NOW + life),
        };
        let bytes = message::sign(&heading, &Order { session: session.into(), command }, &key).unwrap();
        trust.authorise(&bytes, &Reader { terminal: Some(&terminal), now_s: None }).unwrap()
    }

    fn unlock(seq: u64) -> Authorised<Order> {
        order(seq, SESSION, Command::Unlock("front".parse().unwrap(), 5000), Some(30))
    }

    fn admit(desk: &mut Desk, order: &Authorised<Order>, clock_known: bool) -> Result<(), OrderFault> {
        let admitted = desk.admit(order, b"the order", clock_known)?;
        assert_eq!(admitted.command(), &order.message().command);
        assert_eq!((*admitted.hash(), admitted.key()), (order_hash(b"the order"), order.key()));
        Ok(())
    }

    #[test]
    fn m3_an_order_counts_once_and_older_ones_never() {
        let mut desk = Desk::new(SESSION);
        assert_eq!(admit(&mut desk, &unlock(7), true), Ok(()));
        assert!(matches!(admit(&mut desk, &unlock(7), true), Err(OrderFault::Old { came: 7, last: 7, .. })));
        assert!(matches!(admit(&mut desk, &unlock(6), true), Err(OrderFault::Old { .. })));
        assert_eq!(admit(&mut desk, &unlock(9), true), Ok(()), "numbers may be left out");
    }

    #[test]
    fn m3_after_a_restart_with_any_old_store_earlier_orders_fit_nowhere() {
        let mut desk = Desk::new([6; 16]);
        assert_eq!(admit(&mut desk, &unlock(7), true), Err(OrderFault::Session));
    }

    #[test]
    fn m5_an_order_that_could_be_kept_for_later_is_refused() {
        let mut desk = Desk::new(SESSION);
        for (seq, life) in [(1, None), (2, Some(31)), (3, Some(0)), (4, Some(-5))] {
            let order = order(seq, SESSION, Command::Lockdown, life);
            assert_eq!(admit(&mut desk, &order, true), Err(OrderFault::Life), "{life:?}");
        }
    }

    #[test]
    fn m7_a_terminal_that_does_not_know_the_time_only_locks() {
        let mut desk = Desk::new(SESSION);
        assert_eq!(admit(&mut desk, &unlock(1), false), Err(OrderFault::Clock));
        assert_eq!(admit(&mut desk, &order(2, SESSION, Command::Lockdown, Some(30)), false), Ok(()));
        let capture = Command::Capture("ada".parse().unwrap(), [9; 32].into());
        for (seq, command) in [(3, Command::Release), (4, Command::ResetLockout), (5, capture)] {
            assert_eq!(
                admit(&mut desk, &order(seq, SESSION, command, Some(30)), false),
                Err(OrderFault::Clock)
            );
        }
    }
}
