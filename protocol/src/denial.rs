//! Who is refused at once: the short way of a revocation, beside the long way of the roster.
//!
//! A denial names those from whom the roster's newest entries took something, and the entry that says so for good. It
//! holds until that entry was followed; so it needs no count and no end, an old one says nothing new, and nothing that
//! was denied comes back because a message was lost, repeated or replaced by a shorter one.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use crate::envelope::Kind;
use crate::ids::PersonId;
use crate::keys::{KeyId, Role};
use crate::message::{List, Payload};
use crate::trust::{Authorised, Authority, Instruction, Trust};

/// Persons, and keys, that one denial names; whoever takes away more at once waits for the roster.
pub const DENIED_MAX: usize = 256;
/// Persons, and keys, that a terminal keeps denied at a time.
const KEPT_MAX: usize = 4 * DENIED_MAX;

/// Who is refused at once.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Denial {
    /// The roster's entry that says the same for good. Who followed it needs the denial no more.
    #[n(0)]
    pub until: u64,
    /// Persons who do not pass.
    #[n(1)]
    pub persons: List<PersonId, DENIED_MAX>,
    /// Keys whose orders are not obeyed.
    #[n(2)]
    pub keys: List<KeyId, DENIED_MAX>,
}

impl Payload for Denial {
    const KIND: Kind = Kind::Denial;
}

impl Instruction for Denial {
    fn authorities(&self) -> Vec<Authority> {
        let persons = (!self.persons.is_empty()).then_some(Authority::Holder(Role::Enroller));
        let keys = (!self.keys.is_empty()).then_some(Authority::RootOr(Role::Release));
        let both: Vec<Authority> = persons.into_iter().chain(keys).collect();
        // Whoever names nobody needs to be somebody all the same.
        if both.is_empty() { vec![Authority::Root] } else { both }
    }
}

/// Why a denial is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DenialFault {
    /// The root cannot be denied: a new one takes its place by the roster.
    #[error("a denial names the root key {0}; the root is replaced, not denied")]
    Root(KeyId),
    /// More than are kept.
    #[error("more than {KEPT_MAX} are denied already; the roster must be followed first")]
    Full,
}

/// Who denied it, and until which entry of the roster.
type Term = (KeyId, u64);

/// Everybody who is refused now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Denied {
    persons: BTreeMap<PersonId, Term>,
    keys: BTreeMap<KeyId, Term>,
}

impl Denied {
    /// Takes a denial where the roster was followed to `head`; whether anything came of it.
    ///
    /// # Errors
    /// [`DenialFault`]; nothing is changed then.
    pub fn take(
        &mut self,
        denial: &Authorised<Denial>,
        head: u64,
        trust: &Trust,
    ) -> Result<bool, DenialFault> {
        let message = denial.message();
        let root = trust.root().id();
        if message.keys.contains(&root) {
            return Err(DenialFault::Root(root));
        }
        if message.until <= head {
            return Ok(false);
        }
        let mut next = self.clone();
        let term = (denial.key(), message.until);
        message.persons.iter().for_each(|person| extend(&mut next.persons, person, term));
        message.keys.iter().for_each(|key| extend(&mut next.keys, key, term));
        if next.persons.len().max(next.keys.len()) > KEPT_MAX {
            return Err(DenialFault::Full);
        }
        let changed = next != *self;
        *self = next;
        Ok(changed)
    }

    /// The roster was followed to `head`: what it says for good by now is no longer denied here, and neither is what a
    /// key denied that has been revoked since.
    pub fn followed(&mut self, head: u64, trust: &Trust) {
        let holds = |(by, until): &Term| *until > head && !trust.revoked(*by);
        self.persons.retain(|_, term| holds(term));
        self.keys.retain(|_, term| holds(term));
    }

    /// Whether a person does not pass.
    #[must_use]
    pub fn person(&self, person: &PersonId) -> bool {
        self.persons.contains_key(person)
    }

    /// Whether a key's orders are not obeyed.
    #[must_use]
    pub fn key(&self, key: KeyId) -> bool {
        self.keys.contains_key(&key)
    }

    /// The persons who do not pass.
    pub fn persons(&self) -> impl Iterator<Item = &PersonId> {
        self.persons.keys()
    }
}

/// The later end counts.
fn extend<K: Ord + Clone>(map: &mut BTreeMap<K, Term>, whom: &K, term: Term) {
    let kept = map.entry(whom.clone()).or_insert(term);
    if kept.1 < term.1 {
        *kept = term;
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::envelope::Heading;
    use crate::keys::PublicKey;
    use crate::message;
    use crate::trust::{Delegation, Reader, Refusal};

    const ENROLLER: u8 = 2;
    const RELEASE: u8 = 3;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn name(seed: u8) -> KeyId {
        PublicKey::of(&key(seed)).id()
    }

    fn trust() -> Trust {
        let mut trust = Trust::pinned("hq".parse().unwrap(), PublicKey::of(&key(1)));
        for (seed, role) in [(ENROLLER, Role::Enroller), (RELEASE, Role::Release), (4, Role::Operator)] {
            let delegation = Delegation {
                key: PublicKey::of(&key(seed)),
                holder: format!("holder {seed}"),
                roles: vec![role],
                terminal: None,
                from_s: 0,
                until_s: i64::MAX,
                joined_with: None,
            };
            trust.delegate(&delegation).unwrap();
        }
        trust
    }

    fn person(name: &str) -> PersonId {
        name.parse().unwrap()
    }

    fn denial(seed: u8, until: u64, persons: &[&str], keys: &[KeyId]) -> Result<Authorised<Denial>, Refusal> {
        let message = Denial {
            until,
            persons: List::first(persons.iter().map(|name| person(name))),
            keys: List::first(keys.iter().copied()),
        };
        let site = "hq".parse().unwrap();
        let heading =
            Heading { kind: Kind::Denial, site, terminal: None, seq: 1, issued_s: 10, expires_s: None };
        let bytes = message::sign(&heading, &message, &key(seed)).unwrap();
        trust().authorise(&bytes, &Reader { terminal: None, now_s: None })
    }

    #[test]
    fn m13_whoever_is_denied_is_refused_until_the_roster_says_so_for_good() {
        let mut denied = Denied::default();
        let ada = denial(ENROLLER, 9, &["ada"], &[]).unwrap();
        let guard = denial(RELEASE, 12, &[], &[name(4)]).unwrap();
        assert_eq!(denied.take(&ada, 7, &trust()), Ok(true));
        assert_eq!(denied.take(&guard, 7, &trust()), Ok(true));
        assert!(denied.person(&person("ada")) && denied.key(name(4)) && !denied.person(&person("bob")));
        denied.followed(8, &trust());
        assert!(denied.person(&person("ada")));
        denied.followed(9, &trust());
        assert!(!denied.person(&person("ada")) && denied.key(name(4)));
        assert_eq!(denied.take(&ada, 9, &trust()), Ok(false), "what was followed is not denied again");
    }

    #[test]
    fn m3_a_shorter_or_older_denial_takes_nothing_back() {
        let mut denied = Denied::default();
        denied.take(&denial(ENROLLER, 9, &["ada", "bob"], &[]).unwrap(), 7, &trust()).unwrap();
        for later in [denial(ENROLLER, 9, &["bob"], &[]), denial(ENROLLER, 8, &["ada"], &[])] {
            assert_eq!(denied.take(&later.unwrap(), 7, &trust()), Ok(false));
        }
        denied.followed(8, &trust());
        assert_eq!(denied.persons().cloned().collect::<Vec<_>>(), [person("ada"), person("bob")]);
    }

    #[test]
    fn m6_persons_are_denied_by_enrollers_and_keys_by_release_or_the_root() {
        assert!(denial(ENROLLER, 9, &["ada"], &[]).is_ok());
        assert!(denial(1, 9, &[], &[name(4)]).is_ok(), "the root denies keys");
        for refused in [
            denial(4, 9, &["ada"], &[]),
            denial(1, 9, &["ada"], &[]),
            denial(ENROLLER, 9, &[], &[name(4)]),
            denial(ENROLLER, 9, &["ada"], &[name(4)]),
            denial(ENROLLER, 9, &[], &[]),
        ] {
            assert!(matches!(refused, Err(Refusal::Role { .. })), "{refused:?}");
        }
    }

    #[test]
    fn m13_what_a_stolen_key_denied_ends_with_its_revocation() {
        let (mut denied, mut trust) = (Denied::default(), trust());
        denied.take(&denial(ENROLLER, u64::MAX, &["ada"], &[]).unwrap(), 7, &trust).unwrap();
        trust.revoke(name(ENROLLER)).unwrap();
        denied.followed(8, &trust);
        assert_eq!(denied, Denied::default());
    }

    #[test]
    fn the_root_is_never_denied() {
        let mut denied = Denied::default();
        let denial = denial(RELEASE, 9, &[], &[name(1), name(4)]).unwrap();
        assert_eq!(denied.take(&denial, 7, &trust()), Err(DenialFault::Root(name(1))));
        assert_eq!(denied, Denied::default());
    }

    #[test]
    fn m8_more_than_a_terminal_keeps_is_refused_whole() {
        let mut denied = Denied::default();
        let many =
            |from: usize| -> Vec<String> { (from..from + DENIED_MAX).map(|n| format!("p{n}")).collect() };
        for part in 0..4 {
            let names = many(part * DENIED_MAX);
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            assert_eq!(denied.take(&denial(ENROLLER, 9, &names, &[]).unwrap(), 7, &trust()), Ok(true));
        }
        let before = denied.clone();
        let one_more = denial(ENROLLER, 9, &["p0", "eve"], &[]).unwrap();
        assert_eq!(denied.take(&one_more, 7, &trust()), Err(DenialFault::Full));
        assert_eq!(denied, before);
    }
}
