//! Whose word counts for what: one root key, pinned when a terminal was provisioned, and the keys it gave roles to.
//!
//! Trust changes only by entries of the roster, so that everybody who followed the roster to the same place trusts the
//! same keys. [`Trust::authorise`] is the only way from bytes to a message that may have an effect.

use std::collections::BTreeMap;

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

use crate::envelope::{Envelope, EnvelopeFault, Heading, Kind};
use crate::ids::{SiteId, TerminalId};
use crate::keys::{KeyId, PublicKey, Role};
use crate::message::{self, Payload, PayloadFault};

/// Keys of one site: ten thousand terminals, some dozen people, and half as many again that were replaced.
pub const KEYS_MAX: usize = 16_384;
/// Letters of a holder's name.
pub const HOLDER_LEN_MAX: usize = 128;

/// Who may give a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authority {
    /// The root key alone.
    Root,
    /// The root key or a key with this role.
    RootOr(Role),
    /// A key with this role; the root may only give roles.
    Holder(Role),
}

/// A message that somebody must be allowed to give.
pub trait Instruction: Payload {
    /// Who may; all of these must hold.
    fn authorities(&self) -> Vec<Authority>;
}

/// A key and what it may do.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Delegation {
    /// The key.
    #[n(0)]
    pub key: PublicKey,
    /// Who holds it, for people to read.
    #[n(1)]
    pub holder: String,
    /// What it may do; ascending, each once.
    #[n(2)]
    pub roles: Vec<Role>,
    /// The terminal it belongs to, where its role is that of a terminal.
    #[n(3)]
    pub terminal: Option<TerminalId>,
    /// From when, seconds since 1970.
    #[n(4)]
    pub from_s: i64,
    /// Until when, likewise.
    #[n(5)]
    pub until_s: i64,
    /// What a terminal joined with: keys are handed to it sealed to this.
    #[n(6)]
    pub joined_with: Option<ByteArray<32>>,
}

/// Why a message may have no effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not a message, or its signature does not hold.
    #[error(transparent)]
    Envelope(#[from] EnvelopeFault),
    /// The signature holds, but not over such a message.
    #[error(transparent)]
    Payload(#[from] PayloadFault),
    /// Another kind of message than was waited for.
    #[error("a {} came where a {} was waited for", .came.name(), .wanted.name())]
    Kind {
        /// What came.
        came: Kind,
        /// What was waited for.
        wanted: Kind,
    },
    /// For another site.
    #[error("the message is for site {0}")]
    Site(SiteId),
    /// For another terminal, or from another one.
    #[error("the message is for {}", .0.as_ref().map_or("the whole site", TerminalId::as_str))]
    Terminal(Option<TerminalId>),
    /// Nobody gave this key a role here.
    #[error("key {0} is not known at this site")]
    Unknown(KeyId),
    /// The key was revoked.
    #[error("key {0} was revoked")]
    Revoked(KeyId),
    /// The key was not valid when the message was signed.
    #[error("key {key} was not valid at {at_s} s")]
    Outside {
        /// The key.
        key: KeyId,
        /// When the message was signed.
        at_s: i64,
    },
    /// The key may not give such a message.
    #[error("key {key} of {holder} may not: it takes {needed:?}")]
    Role {
        /// The key.
        key: KeyId,
        /// Whose it is.
        holder: String,
        /// What it takes.
        needed: Authority,
    },
    /// No longer counts.
    #[error("the message counted until {0} s")]
    Expired(i64),
    /// Signed in the future.
    #[error("the message was signed at {0} s, which is still to come")]
    Early(i64),
}

/// Signed ahead of our clock by at most this much, seconds: what two synchronised clocks differ by, and some.
pub const CLOCK_SKEW_S: i64 = 5;

/// A message whose sender may give it. Only [`Trust::authorise`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorised<T> {
    heading: Heading,
    key: KeyId,
    message: T,
}

impl<T> Authorised<T> {
    /// What its sender says about it.
    #[must_use]
    pub fn heading(&self) -> &Heading {
        &self.heading
    }

    /// Who signed it.
    #[must_use]
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> &T {
        &self.message
    }
}

/// What of a message must fit whoever reads it.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    /// The terminal that the message must name; none: it must name none.
    pub terminal: Option<&'a TerminalId>,
    /// The time, where it is known well enough to judge by, seconds since 1970.
    pub now_s: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Holder {
    delegation: Delegation,
    revoked: bool,
}

/// Whose word counts for what at one site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    site: SiteId,
    root: PublicKey,
    holders: BTreeMap<KeyId, Holder>,
}

/// A change of trust that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustFault {
    /// More than [`KEYS_MAX`].
    #[error("a site has at most {KEYS_MAX} keys")]
    Full,
    /// A delegation that says nothing or too much.
    #[error("delegation of key {key}: {why}")]
    Delegation {
        /// The key.
        key: KeyId,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A key that was revoked stays revoked; its holder gets another one.
    #[error("key {0} was revoked and stays so; delegate another key")]
    Revoked(KeyId),
    /// A key nobody knows cannot be revoked.
    #[error("key {0} is not known at this site")]
    Unknown(KeyId),
    /// The root and a delegated key must differ.
    #[error("key {0} is the root of this site")]
    Root(KeyId),
}

impl Trust {
    /// Trust in a root alone: a terminal that was just provisioned.
    #[must_use]
    pub fn pinned(site: SiteId, root: PublicKey) -> Self {
        Self { site, root, holders: BTreeMap::new() }
    }

    /// The site.
    #[must_use]
    pub fn site(&self) -> &SiteId {
        &self.site
    }

    /// The root's key.
    #[must_use]
    pub fn root(&self) -> PublicKey {
        self.root
    }

    /// Every key that ever had a role, with its last one, and whether it was revoked.
    pub fn holders(&self) -> impl Iterator<Item = (&Delegation, bool)> {
        self.holders.values().map(|holder| (&holder.delegation, holder.revoked))
    }

    /// Whether a key's word counted here and does no more.
    #[must_use]
    pub fn revoked(&self, key: KeyId) -> bool {
        self.holders.get(&key).is_some_and(|holder| holder.revoked)
    }

    /// Takes bytes to a message that may have an effect: form, kind, address, key, signature, content, role, time.
    /// Whether it is new is for whoever keeps count of what came before.
    ///
    /// # Errors
    /// [`Refusal`], the first that applies.
    pub fn authorise<T: Instruction>(
        &self,
        bytes: &[u8],
        reader: &Reader<'_>,
    ) -> Result<Authorised<T>, Refusal> {
        let envelope = Envelope::parse(bytes)?;
        let (heading, key) = envelope.claimed();
        if heading.kind != T::KIND {
            return Err(Refusal::Kind { came: heading.kind, wanted: T::KIND });
        }
        if heading.site != self.site {
            return Err(Refusal::Site(heading.site.clone()));
        }
        if heading.terminal.as_ref() != reader.terminal {
            return Err(Refusal::Terminal(heading.terminal.clone()));
        }
        let (public, holder) = self.find(key)?;
        let authentic = envelope.verify(&public)?;
        let message: T = message::read(authentic.payload())?;
        let heading = authentic.heading().clone();
        for needed in message.authorities() {
            allow(holder, needed, key, &heading)?;
        }
        in_time(&heading, holder, key, reader.now_s)?;
        Ok(Authorised { heading, key, message })
    }

    fn find(&self, key: KeyId) -> Result<(PublicKey, Option<&Delegation>), Refusal> {
        if key == self.root.id() {
            return Ok((self.root, None));
        }
        let holder = self.holders.get(&key).ok_or(Refusal::Unknown(key))?;
        if holder.revoked {
            return Err(Refusal::Revoked(key));
        }
        Ok((holder.delegation.key, Some(&holder.delegation)))
    }

    /// Gives a key its roles, in place of those it had.
    ///
    /// # Errors
    /// [`TrustFault`]; nothing is changed then.
    pub fn delegate(&mut self, delegation: &Delegation) -> Result<(), TrustFault> {
        let key = delegation.key.id();
        let ascending = delegation.roles.windows(2).all(|pair| pair[0] < pair[1]);
        let why = match () {
            () if delegation.roles.is_empty() || !ascending => {
                Some("roles are named once, in ascending order")
            }
            () if delegation.roles.contains(&Role::Terminal) != delegation.terminal.is_some() => {
                Some("a terminal's key names its terminal, and no other key does")
            }
            () if delegation.terminal.is_some() && delegation.roles.len() > 1 => {
                Some("a terminal's key has no other role")
            }
            () if delegation.terminal.is_none() && delegation.joined_with.is_some() => {
                Some("nobody but a terminal is handed keys")
            }
            () if delegation.holder.is_empty() || delegation.holder.len() > HOLDER_LEN_MAX => {
                Some("its holder has a name of at most 128 bytes")
            }
            () if delegation.from_s >= delegation.until_s => Some("it ends before it begins"),
            () => None,
        };
        if let Some(why) = why {
            return Err(TrustFault::Delegation { key, why });
        }
        if key == self.root.id() {
            return Err(TrustFault::Root(key));
        }
        match self.holders.get(&key) {
            Some(holder) if holder.revoked => return Err(TrustFault::Revoked(key)),
            None if self.holders.len() >= KEYS_MAX => return Err(TrustFault::Full),
            Some(_) | None => {}
        }
        self.holders.insert(key, Holder { delegation: delegation.clone(), revoked: false });
        Ok(())
    }

    /// Ends a key for ever. What it signed before stays in the roster; from here on its word counts nowhere.
    ///
    /// # Errors
    /// [`TrustFault::Unknown`].
    pub fn revoke(&mut self, key: KeyId) -> Result<(), TrustFault> {
        self.holders.get_mut(&key).ok_or(TrustFault::Unknown(key))?.revoked = true;
        Ok(())
    }

    /// Puts another root in the place of this one.
    ///
    /// # Errors
    /// [`TrustFault::Root`] where the key has a role already.
    pub fn succeed(&mut self, root: PublicKey) -> Result<(), TrustFault> {
        if root == self.root || self.holders.contains_key(&root.id()) {
            return Err(TrustFault::Root(root.id()));
        }
        self.root = root;
        Ok(())
    }
}

fn allow(
    holder: Option<&Delegation>,
    needed: Authority,
    key: KeyId,
    heading: &Heading,
) -> Result<(), Refusal> {
    let has = |role| holder.is_some_and(|delegation| delegation.roles.contains(&role));
    let may = match needed {
        Authority::Root => holder.is_none(),
        Authority::RootOr(role) => holder.is_none() || has(role),
        Authority::Holder(role) => has(role),
    };
    // A terminal speaks for itself only.
    let own = holder.and_then(|delegation| delegation.terminal.as_ref());
    if own.is_some() && own != heading.terminal.as_ref() {
        return Err(Refusal::Terminal(heading.terminal.clone()));
    }
    let name = holder.map_or("the root", |delegation| &delegation.holder);
    if may { Ok(()) } else { Err(Refusal::Role { key, holder: name.to_owned(), needed }) }
}

fn in_time(
    heading: &Heading,
    holder: Option<&Delegation>,
    key: KeyId,
    now_s: Option<i64>,
) -> Result<(), Refusal> {
    let at_s = heading.issued_s;
    if holder.is_some_and(|delegation| !(delegation.from_s..delegation.until_s).contains(&at_s)) {
        return Err(Refusal::Outside { key, at_s });
    }
    let Some(now_s) = now_s else { return Ok(()) };
    match heading.expires_s {
        Some(expires_s) if now_s >= expires_s => Err(Refusal::Expired(expires_s)),
        // History is not younger for a clock that is behind; what expires must not be kept for later.
        Some(_) if at_s > now_s.saturating_add(CLOCK_SKEW_S) => Err(Refusal::Early(at_s)),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::command::{Command, Order, Outcome, Receipt};

    const NOW: i64 = 1_800_000_000;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn delegation(seed: u8, role: Role) -> Delegation {
        let terminal = (role == Role::Terminal).then(|| "front-1".parse().unwrap());
        Delegation {
            key: PublicKey::of(&key(seed)),
            holder: format!("holder {seed}"),
            roles: vec![role],
            terminal,
            from_s: NOW - 1000,
            until_s: NOW + 1000,
            joined_with: None,
        }
    }

    fn trust() -> Trust {
        let mut trust = Trust::pinned("hq".parse().unwrap(), PublicKey::of(&key(1)));
        for (seed, role) in [(2, Role::Operator), (3, Role::Enroller), (4, Role::Terminal)] {
            trust.delegate(&delegation(seed, role)).unwrap();
        }
        trust
    }

    fn heading(kind: Kind) -> Heading {
        Heading {
            kind,
            site: "hq".parse().unwrap(),
            terminal: Some("front-1".parse().unwrap()),
            seq: 1,
            issued_s: NOW,
            expires_s: Some(NOW + 30),
        }
    }

    fn order(seed: u8, change: impl FnOnce(&mut Heading)) -> Vec<u8> {
        let mut heading = heading(Kind::Command);
        change(&mut heading);
        let order = Order { session: [5; 16].into(), command: Command::Lockdown };
        message::sign(&heading, &order, &key(seed)).unwrap()
    }

    fn authorised(trust: &Trust, bytes: &[u8], now_s: Option<i64>) -> Result<Authorised<Order>, Refusal> {
        let terminal: TerminalId = "front-1".parse().unwrap();
        trust.authorise(bytes, &Reader { terminal: Some(&terminal), now_s })
    }

    #[test]
    fn an_order_of_an_operator_comes_through() {
        let order = authorised(&trust(), &order(2, |_| {}), Some(NOW + 3)).unwrap();
        assert_eq!(order.message().command, Command::Lockdown);
        assert_eq!(order.key(), PublicKey::of(&key(2)).id());
    }

    #[test]
    fn m6_a_key_without_the_role_is_refused_and_the_root_gives_no_orders() {
        for seed in [1, 3, 4] {
            let refusal = authorised(&trust(), &order(seed, |_| {}), Some(NOW)).unwrap_err();
            assert!(
                matches!(refusal, Refusal::Role { needed: Authority::Holder(Role::Operator), .. }),
                "{refusal}"
            );
        }
        assert!(matches!(authorised(&trust(), &order(9, |_| {}), Some(NOW)), Err(Refusal::Unknown(_))));
    }

    #[test]
    fn m4_what_is_for_another_site_terminal_or_purpose_is_refused() {
        let site = order(2, |heading| heading.site = "lab".parse().unwrap());
        assert!(matches!(authorised(&trust(), &site, Some(NOW)), Err(Refusal::Site(_))));
        for terminal in [None, Some("front-2".parse().unwrap())] {
            let other = order(2, |heading| heading.terminal = terminal);
            assert!(matches!(authorised(&trust(), &other, Some(NOW)), Err(Refusal::Terminal(_))));
        }
        let receipt = Receipt { order: [0; 32].into(), outcome: Outcome::Done, audit_seq: None };
        let receipt = message::sign(&heading(Kind::Receipt), &receipt, &key(4)).unwrap();
        assert!(matches!(authorised(&trust(), &receipt, Some(NOW)), Err(Refusal::Kind { .. })));
    }

    #[test]
    fn m4_a_terminal_speaks_for_itself_only() {
        let receipt = Receipt { order: [0; 32].into(), outcome: Outcome::Done, audit_seq: None };
        let own = message::sign(&heading(Kind::Receipt), &receipt, &key(4)).unwrap();
        let other: TerminalId = "front-2".parse().unwrap();
        let foreign = Heading { terminal: Some(other.clone()), ..heading(Kind::Receipt) };
        let foreign = message::sign(&foreign, &receipt, &key(4)).unwrap();
        let read = |bytes: &[u8], terminal: &TerminalId| {
            trust().authorise::<Receipt>(bytes, &Reader { terminal: Some(terminal), now_s: Some(NOW) })
        };
        assert!(read(&own, &"front-1".parse().unwrap()).is_ok());
        assert!(matches!(read(&foreign, &other), Err(Refusal::Terminal(_))));
    }

    #[test]
    fn m5_what_is_over_or_still_to_come_is_refused_where_the_time_is_known() {
        let bytes = order(2, |_| {});
        assert!(matches!(authorised(&trust(), &bytes, Some(NOW + 30)), Err(Refusal::Expired(_))));
        assert!(matches!(authorised(&trust(), &bytes, Some(NOW - 60)), Err(Refusal::Early(_))));
        assert!(authorised(&trust(), &bytes, Some(NOW - CLOCK_SKEW_S)).is_ok(), "clocks differ a little");
        assert!(
            authorised(&trust(), &bytes, None).is_ok(),
            "without a time, the session and the count decide"
        );
        let late = order(2, |heading| heading.issued_s = NOW + 1000);
        assert!(
            matches!(authorised(&trust(), &late, None), Err(Refusal::Outside { .. })),
            "the key was over"
        );
    }

    #[test]
    fn m13_a_revoked_key_is_refused_and_stays_so() {
        let mut trust = trust();
        let stolen = PublicKey::of(&key(2)).id();
        trust.revoke(stolen).unwrap();
        assert_eq!(authorised(&trust, &order(2, |_| {}), Some(NOW)).unwrap_err(), Refusal::Revoked(stolen));
        assert_eq!(trust.delegate(&delegation(2, Role::Operator)), Err(TrustFault::Revoked(stolen)));
        assert!(trust.holders().all(|(holder, revoked)| revoked == (holder.key.id() == stolen)));
        let unknown = PublicKey::of(&key(77)).id();
        assert_eq!(trust.revoke(unknown), Err(TrustFault::Unknown(unknown)));
    }

    #[test]
    fn m13_the_old_root_counts_nowhere_after_its_successor() {
        let mut trust = trust();
        trust.succeed(PublicKey::of(&key(8))).unwrap();
        assert!(matches!(authorised(&trust, &order(1, |_| {}), Some(NOW)), Err(Refusal::Unknown(_))));
        assert!(
            matches!(trust.succeed(PublicKey::of(&key(2))), Err(TrustFault::Root(_))),
            "a key with a role"
        );
        assert!(matches!(trust.delegate(&delegation(8, Role::Operator)), Err(TrustFault::Root(_))));
    }

    #[test]
    fn delegations_that_say_nothing_or_too_much_are_refused() {
        type Change = fn(&mut Delegation);
        let changes: [Change; 7] = [
            |d| d.roles = Vec::new(),
            |d| d.roles = vec![Role::Operator, Role::Enroller],
            |d| d.roles = vec![Role::Operator, Role::Operator],
            |d| d.roles = vec![Role::Operator, Role::Terminal],
            |d| d.terminal = Some("front-1".parse().unwrap()),
            |d| d.holder = String::new(),
            |d| d.until_s = d.from_s,
        ];
        for (at, change) in changes.iter().enumerate() {
            let (mut trust, mut delegation) = (trust(), delegation(6, Role::Operator));
            change(&mut delegation);
            assert!(matches!(trust.delegate(&delegation), Err(TrustFault::Delegation { .. })), "change {at}");
        }
    }
}
