//! A site's roster: the log of everything that changes its terminals, signed entry by entry by whoever may.
//!
//! Every entry names the one before it and the hash of the state after it, so that whoever follows it notices a gap, a
//! fork, a return to an earlier state, and a state that differs from the one that was signed. The broker and the hub
//! can hold entries back; they can invent none.

mod change;

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};
use sha2::{Digest as _, Sha256};

pub use self::change::{
    BODY_LEN_MAX, Change, Hand, NAME_LEN_MAX, NUMBER_MAX, PersonErase, PersonPut, PersonSlot, Revoke, SealTo,
    Setting, SettingName, SettingPut, Slot, Succeed, person_subject,
};
use self::change::{hand_place, key_place, person_place, root_place, sealing_place, setting_place};
use crate::audit::Hash;
use crate::envelope::Kind;
use crate::message::Payload;
use crate::state_tree::{Place, StateTree};
use crate::trust::{Authorised, Authority, Instruction, Trust, TrustFault};

/// Changes in one entry; a bulk import is cut into entries of this many.
pub const CHANGES_MAX: usize = 256;

const ENTRY: &[u8] = b"doorward/roster/entry/v1";
const VALUE: &[u8] = b"doorward/roster/value/v1";

/// One entry. Its number is its envelope's.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Entry {
    /// Hash of the entry before; the site's genesis before the first.
    #[n(0)]
    pub before: ByteArray<32>,
    /// Root of the state tree after this entry.
    #[n(1)]
    pub state: ByteArray<32>,
    /// What changes, in this order.
    #[n(2)]
    pub changes: Vec<Change>,
}

impl Payload for Entry {
    const KIND: Kind = Kind::Roster;
}

impl Instruction for Entry {
    fn authorities(&self) -> Vec<Authority> {
        self.changes.iter().map(Change::authority).collect()
    }
}

/// How far a roster was followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Number of the newest entry; 0 before the first.
    pub seq: u64,
    /// Its hash; the genesis before the first.
    pub hash: Hash,
}

impl Head {
    /// The head after an entry with these bytes, envelope included.
    #[must_use]
    pub fn next(&self, bytes: &[u8]) -> Self {
        let hash = Sha256::new_with_prefix(ENTRY).chain_update(self.hash).chain_update(bytes).finalize();
        Self { seq: self.seq + 1, hash: hash.into() }
    }
}

/// Why an entry is not the next one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RosterFault {
    /// Entries are missing: they must be asked for.
    #[error("entry {came} came where {wanted} is next")]
    Gap {
        /// The number that is next.
        wanted: u64,
        /// The number that came.
        came: u64,
    },
    /// Already followed.
    #[error("entry {0} was followed already")]
    Old(u64),
    /// Another history.
    #[error("entry {0} does not follow from the one before it: somebody signed two histories")]
    Fork(u64),
    /// More changes than [`CHANGES_MAX`], none, or one that cannot be.
    #[error("entry {seq}: {why}")]
    Change {
        /// Its number.
        seq: u64,
        /// What is wrong.
        why: String,
    },
    /// What the entry leads to is not what its signer saw.
    #[error("entry {0} leads to another state than its signer says; what is held here has changed")]
    State(u64),
}

/// Whoever follows a roster: a terminal, a hub, an admin.
#[derive(Debug, Clone)]
pub struct Follower {
    head: Head,
    tree: StateTree,
    keys: Keys,
}

/// Keys that an entry leads to.
#[derive(Debug, Clone)]
struct Keys {
    trust: Trust,
    seal_to: Option<Hash>,
}

impl Follower {
    /// At the beginning.
    #[must_use]
    pub fn new(genesis: Hash, trust: Trust) -> Self {
        let mut tree = StateTree::default();
        tree.put(root_place(), value_of(&trust.root()));
        Self { head: Head { seq: 0, hash: genesis }, tree, keys: Keys { trust, seal_to: None } }
    }

    /// How far it came.
    #[must_use]
    pub fn head(&self) -> Head {
        self.head
    }

    /// Whose word counts now.
    #[must_use]
    pub fn trust(&self) -> &Trust {
        &self.keys.trust
    }

    /// The bytes of the key that contents are sealed to now; none where no entry says.
    #[must_use]
    pub fn seal_to(&self) -> Option<Hash> {
        self.keys.seal_to
    }

    /// What is in force now.
    pub fn tree(&mut self) -> &mut StateTree {
        &mut self.tree
    }

    /// Whether anything stands in a place of a person; what it is, only the site's terminals can read.
    #[must_use]
    pub fn has(&self, at: &PersonSlot) -> bool {
        let place = person_place(at);
        self.tree.of(&person_subject(&at.person)).iter().any(|(found, _)| *found == place)
    }

    /// Where `changes` would lead: what a signer puts into [`Entry::state`].
    ///
    /// # Errors
    /// [`RosterFault::Change`].
    pub fn foresee(&mut self, changes: &[Change]) -> Result<Hash, RosterFault> {
        let (undo, _) = self.apply(changes)?;
        let state = self.tree.root();
        self.take_back(undo);
        Ok(state)
    }

    /// Takes the next entry. `bytes` are those it came in, envelope included.
    ///
    /// # Errors
    /// [`RosterFault`]; nothing is changed then.
    pub fn follow(&mut self, entry: &Authorised<Entry>, bytes: &[u8]) -> Result<(), RosterFault> {
        let (came, wanted) = (entry.heading().seq, self.head.seq + 1);
        if came > wanted {
            return Err(RosterFault::Gap { wanted, came });
        }
        if came < wanted {
            return Err(RosterFault::Old(came));
        }
        if *entry.message().before != self.head.hash {
            return Err(RosterFault::Fork(came));
        }
        let (undo, keys) = self.apply(&entry.message().changes)?;
        if self.tree.root() != *entry.message().state {
            self.take_back(undo);
            return Err(RosterFault::State(came));
        }
        self.keys = keys;
        self.head = self.head.next(bytes);
        Ok(())
    }

    /// Applies changes to the tree; returns what was there before, newest last, and the keys after them.
    fn apply(&mut self, changes: &[Change]) -> Result<(Undo, Keys), RosterFault> {
        let seq = self.head.seq + 1;
        let refused = |why: String| RosterFault::Change { seq, why };
        if changes.is_empty() || changes.len() > CHANGES_MAX {
            let why = format!("{} changes, 1 to {CHANGES_MAX} are allowed", changes.len());
            return Err(refused(why));
        }
        if let Some(why) = changes.iter().find_map(Change::fault) {
            return Err(refused(why.to_owned()));
        }
        let (mut keys, mut undo) = (self.keys.clone(), Undo::new());
        for change in changes {
            if let Err(fault) = self.apply_one(change, &mut keys, &mut undo) {
                self.take_back(undo);
                return Err(refused(fault.to_string()));
            }
        }
        Ok((undo, keys))
    }

    fn apply_one(&mut self, change: &Change, keys: &mut Keys, undo: &mut Undo) -> Result<(), TrustFault> {
        let trust = &mut keys.trust;
        match change {
            Change::PersonPut(put) => self.put(person_place(&put.at), value_of(put), undo),
            Change::PersonTake(at) => self.take(person_place(at), undo),
            Change::PersonErase(erase) => {
                for (place, _) in self.tree.of(&person_subject(&erase.person)) {
                    self.take(place, undo);
                }
            }
            Change::SettingPut(put) => self.put(setting_place(&put.at), value_of(put), undo),
            Change::SettingTake(name) => self.take(setting_place(name), undo),
            Change::Delegate(delegation) => {
                trust.delegate(delegation)?;
                self.put(key_place(delegation.key.id()), value_of(delegation), undo);
            }
            Change::Revoke(revoke) => {
                trust.revoke(revoke.key)?;
                self.put(key_place(revoke.key), value_of(&"revoked"), undo);
            }
            Change::Succeed(succeed) => {
                trust.succeed(succeed.root)?;
                self.put(root_place(), value_of(&succeed.root), undo);
            }
            Change::Hand(hand) => {
                if trust.revoked(hand.to) {
                    return Err(TrustFault::Revoked(hand.to));
                }
                self.put(hand_place(hand.to), value_of(hand), undo);
            }
            Change::SealTo(to) => {
                keys.seal_to = Some(*to.sealing);
                self.put(sealing_place(), value_of(to), undo);
            }
        }
        Ok(())
    }

    fn put(&mut self, place: Place, value: Hash, undo: &mut Undo) {
        undo.push((place, self.tree.put(place, value)));
    }

    fn take(&mut self, place: Place, undo: &mut Undo) {
        undo.push((place, self.tree.take(&place)));
    }

    fn take_back(&mut self, undo: Undo) {
        for (place, before) in undo.into_iter().rev() {
            match before {
                Some(value) => self.tree.put(place, value),
                None => self.tree.take(&place),
            };
        }
    }
}

/// Places with what was there before, newest last.
type Undo = Vec<(Place, Option<Hash>)>;

fn value_of<T: Encode<()>>(value: &T) -> Hash {
    let bytes = minicbor::to_vec(value).expect("writing to a vector cannot fail");
    Sha256::new_with_prefix(VALUE).chain_update(bytes).finalize().into()
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use proptest::prelude::*;

    use super::*;
    use crate::envelope::Heading;
    use crate::keys::{PublicKey, Role};
    use crate::message::{self, Opaque};
    use crate::trust::{Delegation, Reader, Refusal};

    const GENESIS: Hash = [9; 32];
    const NOW: i64 = 1_800_000_000;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn follower() -> Follower {
        Follower::new(GENESIS, Trust::pinned("hq".parse().unwrap(), PublicKey::of(&key(1))))
    }

    fn delegate(seed: u8, role: Role) -> Change {
        Change::Delegate(Delegation {
            key: PublicKey::of(&key(seed)),
            holder: format!("holder {seed}"),
            roles: vec![role],
            terminal: None,
            from_s: NOW - 1000,
            until_s: NOW + 1000,
            joined_with: None,
        })
    }

    fn template(person: &str, number: u32) -> Change {
        let at = PersonSlot { person: person.parse().unwrap(), slot: Slot::Template, number };
        Change::PersonPut(PersonPut { at, form: 1, sealed: Opaque(vec![1, 2, 3]) })
    }

    fn erase(person: &str) -> Change {
        Change::PersonErase(PersonErase { person: person.parse().unwrap() })
    }

    /// The next entry as `author` sees it, signed by a key.
    fn entry(author: &mut Follower, seed: u8, changes: Vec<Change>) -> Vec<u8> {
        let state = author.foresee(&changes).unwrap_or([7; 32]);
        let entry = Entry { before: author.head().hash.into(), state: state.into(), changes };
        signed(author.head().seq + 1, &entry, seed)
    }

    fn signed(seq: u64, entry: &Entry, seed: u8) -> Vec<u8> {
        let site = "hq".parse().unwrap();
        let heading =
            Heading { kind: Kind::Roster, site, terminal: None, seq, issued_s: NOW, expires_s: None };
        message::sign(&heading, entry, &key(seed)).unwrap()
    }

    #[derive(Debug, PartialEq)]
    enum Stop {
        Refused(Refusal),
        Fault(RosterFault),
    }

    fn follow(follower: &mut Follower, bytes: &[u8]) -> Result<(), Stop> {
        let reader = Reader { terminal: None, now_s: Some(NOW) };
        let entry = follower.trust().authorise::<Entry>(bytes, &reader).map_err(Stop::Refused)?;
        follower.follow(&entry, bytes).map_err(Stop::Fault)
    }

    /// A follower with an enroller (2) and a policy maker (3), and the entries that led there.
    fn staffed() -> (Follower, Vec<Vec<u8>>) {
        let mut follower = follower();
        let bytes = entry(&mut follower, 1, vec![delegate(2, Role::Enroller), delegate(3, Role::Policy)]);
        follow(&mut follower, &bytes).unwrap();
        (follower, vec![bytes])
    }

    #[test]
    fn two_who_follow_the_same_roster_hold_the_same() {
        let (mut author, mut log) = staffed();
        for changes in
            [vec![template("ada", 0), template("ada", 1)], vec![template("bob", 0)], vec![erase("ada")]]
        {
            let bytes = entry(&mut author, 2, changes);
            follow(&mut author, &bytes).unwrap();
            log.push(bytes);
        }
        let mut other = follower();
        for bytes in &log {
            follow(&mut other, bytes).unwrap();
        }
        assert_eq!(other.head(), author.head());
        assert_eq!(other.tree().root(), author.tree().root());
        assert_eq!(other.trust(), author.trust());
    }

    #[test]
    fn r1_after_an_erasure_the_signed_state_proves_that_nothing_is_held() {
        let (mut author, _) = staffed();
        let ada = person_subject(&"ada".parse().unwrap());
        let bytes = entry(&mut author, 2, vec![template("ada", 0), template("bob", 0)]);
        follow(&mut author, &bytes).unwrap();
        let bytes = entry(&mut author, 2, vec![erase("ada")]);
        follow(&mut author, &bytes).unwrap();
        let place =
            |person: &str| PersonSlot { person: person.parse().unwrap(), slot: Slot::Template, number: 0 };
        assert!(author.has(&place("bob")) && !author.has(&place("ada")));
        let root = author.tree().root();
        assert_eq!(author.tree().prove(&ada).shows(&ada, &root), Some(Vec::new()));
    }

    #[test]
    fn m3_gaps_repetitions_and_returns_change_nothing() {
        let (mut author, mut log) = staffed();
        for number in 0..3 {
            let bytes = entry(&mut author, 2, vec![template("ada", number)]);
            follow(&mut author, &bytes).unwrap();
            log.push(bytes);
        }
        let mut behind = follower();
        follow(&mut behind, &log[0]).unwrap();
        let before = (behind.head(), behind.tree().root());
        assert_eq!(follow(&mut behind, &log[2]), Err(Stop::Fault(RosterFault::Gap { wanted: 2, came: 3 })));
        assert_eq!(follow(&mut behind, &log[0]), Err(Stop::Fault(RosterFault::Old(1))));
        assert_eq!((behind.head(), behind.tree().root()), before);
        log[1..].iter().for_each(|bytes| follow(&mut behind, bytes).unwrap());
        assert_eq!(behind.head(), author.head());
    }

    #[test]
    fn m3_another_body_under_the_same_number_is_a_fork() {
        let (mut author, _) = staffed();
        let (mut victim, mut elsewhere) = (author.clone(), author.clone());
        let true_entry = entry(&mut author, 2, vec![template("ada", 0)]);
        let false_entry = entry(&mut elsewhere, 2, vec![template("eve", 0)]);
        follow(&mut victim, &true_entry).unwrap();
        assert_eq!(follow(&mut victim, &false_entry), Err(Stop::Fault(RosterFault::Old(2))));
        follow(&mut elsewhere, &false_entry).unwrap();
        let next = entry(&mut elsewhere, 2, vec![template("eve", 1)]);
        assert_eq!(follow(&mut victim, &next), Err(Stop::Fault(RosterFault::Fork(3))));
    }

    #[test]
    fn m6_each_change_takes_its_role_and_one_foreign_change_refuses_the_entry() {
        let (mut author, _) = staffed();
        let setting = Change::SettingPut(SettingPut {
            at: SettingName { setting: Setting::Rule, name: "staff".into() },
            form: 1,
            body: Opaque::default(),
        });
        let wrong = [
            (3, vec![template("ada", 0)]),
            (2, vec![setting.clone()]),
            (2, vec![template("ada", 0), setting.clone()]),
            (2, vec![delegate(5, Role::Operator)]),
            (1, vec![template("ada", 0)]),
            (3, vec![Change::Revoke(Revoke { key: PublicKey::of(&key(2)).id() })]),
        ];
        for (seed, changes) in wrong {
            let bytes = entry(&mut author, seed, changes.clone());
            let refused = follow(&mut author, &bytes);
            assert!(matches!(refused, Err(Stop::Refused(Refusal::Role { .. }))), "{seed} {changes:?}");
        }
        let bytes = entry(&mut author, 3, vec![setting]);
        assert_eq!(follow(&mut author, &bytes), Ok(()));
    }

    #[test]
    fn m13_after_its_revocation_nothing_a_key_signs_is_followed() {
        let (mut author, _) = staffed();
        let stolen = PublicKey::of(&key(2)).id();
        let kept_back = entry(&mut author.clone(), 2, vec![template("eve", 0)]);
        let bytes = entry(&mut author, 1, vec![Change::Revoke(Revoke { key: stolen })]);
        follow(&mut author, &bytes).unwrap();
        assert_eq!(follow(&mut author, &kept_back), Err(Stop::Refused(Refusal::Revoked(stolen))));
        let later = entry(&mut author, 2, vec![template("eve", 0)]);
        assert_eq!(follow(&mut author, &later), Err(Stop::Refused(Refusal::Revoked(stolen))));
    }

    #[test]
    fn m13_a_new_root_takes_over_and_the_old_one_is_nobody() {
        let (mut author, _) = staffed();
        let bytes = entry(&mut author, 1, vec![Change::Succeed(Succeed { root: PublicKey::of(&key(8)) })]);
        follow(&mut author, &bytes).unwrap();
        let old = entry(&mut author, 1, vec![delegate(9, Role::Operator)]);
        assert!(matches!(follow(&mut author, &old), Err(Stop::Refused(Refusal::Unknown(_)))));
        let new = entry(&mut author, 8, vec![delegate(9, Role::Operator)]);
        assert_eq!(follow(&mut author, &new), Ok(()));
    }

    #[test]
    fn a_state_that_differs_from_the_signed_one_is_told_and_nothing_changes() {
        let (mut author, _) = staffed();
        let before = (author.head(), author.tree().root());
        let other = Entry {
            before: author.head().hash.into(),
            state: [1; 32].into(),
            changes: vec![template("ada", 0), erase("bob")],
        };
        let bytes = signed(2, &other, 2);
        assert_eq!(follow(&mut author, &bytes), Err(Stop::Fault(RosterFault::State(2))));
        assert_eq!((author.head(), author.tree().root()), before);
    }

    #[test]
    fn m8_changes_beyond_their_bounds_are_refused_whole() {
        let (mut author, _) = staffed();
        let long = PersonPut {
            at: PersonSlot { person: "ada".parse().unwrap(), slot: Slot::Template, number: 0 },
            form: 1,
            sealed: Opaque(vec![0; BODY_LEN_MAX + 1]),
        };
        let second = PersonSlot { person: "ada".parse().unwrap(), slot: Slot::Record, number: 1 };
        let second = PersonPut { at: second, form: 1, sealed: Opaque::default() };
        let before = author.tree().root();
        for changes in [
            Vec::new(),
            vec![template("ada", 0); CHANGES_MAX + 1],
            vec![template("ada", 0), Change::PersonPut(long)],
            vec![Change::PersonPut(second)],
            vec![template("ada", NUMBER_MAX + 1)],
        ] {
            let bytes = entry(&mut author, 2, changes);
            assert!(matches!(follow(&mut author, &bytes), Err(Stop::Fault(RosterFault::Change { .. }))));
            assert_eq!(author.tree().root(), before);
        }
    }

    #[test]
    fn a_record_is_never_taken_away_because_only_an_erasure_ends_a_person() {
        let (mut author, _) = staffed();
        let record = PersonSlot { person: "ada".parse().unwrap(), slot: Slot::Record, number: 0 };
        let bytes = entry(&mut author, 2, vec![Change::PersonTake(record)]);
        let stopped = follow(&mut author, &bytes);
        assert!(
            matches!(&stopped, Err(Stop::Fault(RosterFault::Change { why, .. })) if why.contains("erase"))
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn what_was_foreseen_is_what_comes_and_looking_ahead_changes_nothing(
            steps in proptest::collection::vec((0u8..4, 0u32..3, any::<bool>()), 1..30)
        ) {
            let (mut author, _) = staffed();
            for chunk in steps.chunks(3) {
                let changes: Vec<Change> = chunk
                    .iter()
                    .map(|(person, number, put)| match put {
                        true => template(&format!("p{person}"), *number),
                        false => erase(&format!("p{person}")),
                    })
                    .collect();
                let before = author.tree().root();
                let foreseen = author.foresee(&changes).unwrap();
                prop_assert_eq!(author.tree().root(), before);
                let bytes = entry(&mut author, 2, changes);
                prop_assert_eq!(follow(&mut author, &bytes), Ok(()));
                prop_assert_eq!(author.tree().root(), foreseen);
            }
        }
    }
}
