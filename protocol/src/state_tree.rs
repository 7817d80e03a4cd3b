//! What a site's roster amounts to, as one hash: a Merkle tree over everything that is in force.
//!
//! A leaf is a subject (a person, a door, a key), a slot of it (its record, its third template) and the hash of what is
//! there. All leaves of a subject lie in one of 4096 buckets, so that a proof shows the whole subject: what is there,
//! and that nothing else is. That is how an erasure is proved. Leaves and nodes are hashed under contexts of their own
//! (the second-preimage rule of RFC 6962, section 2.1).

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::audit::Hash;

/// Levels below the root. 4096 buckets hold some 40 leaves each at 50,000 persons with three items.
const LEVELS: u32 = 12;
const BUCKETS: usize = 1 << LEVELS;

const SUBJECT: &[u8] = b"doorward/state/subject/v1";
const SLOT: &[u8] = b"doorward/state/slot/v1";
const BUCKET: &[u8] = b"doorward/state/bucket/v1";
const NODE: &[u8] = b"doorward/state/node/v1";

/// Where something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    subject: Hash,
    slot: Hash,
}

impl Place {
    /// The place of `slot` at `subject`, both as bytes that name them without doubt.
    #[must_use]
    pub fn new(subject: &[u8], slot: &[u8]) -> Self {
        Self { subject: hash_of(SUBJECT, &[subject]), slot: hash_of(SLOT, &[slot]) }
    }

    fn bucket(&self) -> usize {
        bucket_of(&self.subject)
    }
}

/// The leaves of one bucket.
type Bucket = BTreeMap<Place, Hash>;

/// Everything in force.
#[derive(Debug, Clone)]
pub struct StateTree {
    buckets: Vec<Bucket>,
    /// Node `i` has the children `2 i` and `2 i + 1`; the root is node 1, buckets begin at [`BUCKETS`].
    nodes: Vec<Hash>,
    /// Buckets that changed since their nodes were computed.
    stale: Vec<usize>,
    leaves: usize,
}

impl Default for StateTree {
    fn default() -> Self {
        let mut tree = Self {
            buckets: vec![Bucket::new(); BUCKETS],
            nodes: vec![Hash::default(); 2 * BUCKETS],
            stale: (0..BUCKETS).collect(),
            leaves: 0,
        };
        tree.root();
        tree
    }
}

impl StateTree {
    /// Puts something in its place, and returns what was there.
    pub fn put(&mut self, place: Place, value: Hash) -> Option<Hash> {
        let before = self.bucket(&place).insert(place, value);
        self.leaves += usize::from(before.is_none());
        before
    }

    /// Takes something away, and returns what was there.
    pub fn take(&mut self, place: &Place) -> Option<Hash> {
        let before = self.bucket(place).remove(place);
        self.leaves -= usize::from(before.is_some());
        before
    }

    /// Everything of a subject.
    #[must_use]
    pub fn of(&self, subject: &[u8]) -> Vec<(Place, Hash)> {
        let subject = hash_of(SUBJECT, &[subject]);
        within(&self.buckets[bucket_of(&subject)], &subject).collect()
    }

    /// Number of things in force.
    #[must_use]
    pub fn len(&self) -> usize {
        self.leaves
    }

    /// Whether nothing is in force.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.leaves == 0
    }

    /// The hash of everything. Costs what changed since it was asked last.
    pub fn root(&mut self) -> Hash {
        let mut level: Vec<usize> =
            std::mem::take(&mut self.stale).into_iter().map(|b| BUCKETS + b).collect();
        level.sort_unstable();
        level.dedup();
        for node in &level {
            self.nodes[*node] = hash_bucket(&self.buckets[node - BUCKETS]);
        }
        while level.first().is_some_and(|node| *node > 1) {
            level.iter_mut().for_each(|node| *node /= 2);
            level.dedup();
            for node in &level {
                self.nodes[*node] = hash_of(NODE, &[&self.nodes[2 * node], &self.nodes[2 * node + 1]]);
            }
        }
        self.nodes[1]
    }

    /// What is and is not there of a subject, provable to whoever knows the root.
    pub fn prove(&mut self, subject: &[u8]) -> Proof {
        self.root();
        let bucket = bucket_of(&hash_of(SUBJECT, &[subject]));
        let mut node = BUCKETS + bucket;
        let mut siblings = Vec::new();
        while node > 1 {
            siblings.push(self.nodes[node ^ 1]);
            node /= 2;
        }
        Proof { bucket: self.buckets[bucket].clone(), siblings }
    }

    fn bucket(&mut self, place: &Place) -> &mut Bucket {
        let at = place.bucket();
        self.stale.push(at);
        &mut self.buckets[at]
    }
}

/// A bucket and the way from it to the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    bucket: Bucket,
    siblings: Vec<Hash>,
}

impl Proof {
    /// Everything there is of `subject` under `root`; none where the proof does not hold.
    #[must_use]
    pub fn shows(&self, subject: &[u8], root: &Hash) -> Option<Vec<(Place, Hash)>> {
        let subject = hash_of(SUBJECT, &[subject]);
        let at = bucket_of(&subject);
        let ours = self.bucket.keys().all(|place| place.bucket() == at);
        if self.siblings.len() != LEVELS as usize || !ours {
            return None;
        }
        let start = (BUCKETS + at, hash_bucket(&self.bucket));
        let (_, reached) = self.siblings.iter().fold(start, |(node, hash), sibling| {
            let pair: [&[u8]; 2] = if node % 2 == 0 { [&hash, sibling] } else { [sibling, &hash] };
            (node / 2, hash_of(NODE, &pair))
        });
        (reached == *root).then(|| within(&self.bucket, &subject).collect())
    }
}

fn within<'a>(bucket: &'a Bucket, subject: &Hash) -> impl Iterator<Item = (Place, Hash)> + use<'a> {
    let first = Place { subject: *subject, slot: Hash::default() };
    let last = Place { subject: *subject, slot: [0xff; 32] };
    bucket.range(first..=last).map(|(place, value)| (*place, *value))
}

fn bucket_of(subject: &Hash) -> usize {
    usize::from(u16::from_be_bytes([subject[0], subject[1]]) >> (u16::BITS - LEVELS))
}

fn hash_bucket(bucket: &Bucket) -> Hash {
    let mut hash = Sha256::new_with_prefix(BUCKET);
    for (place, value) in bucket {
        hash.update(place.subject);
        hash.update(place.slot);
        hash.update(value);
    }
    hash.finalize().into()
}

fn hash_of(context: &[u8], parts: &[&[u8]]) -> Hash {
    let mut hash = Sha256::new_with_prefix(context);
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place(subject: u16, slot: u8) -> Place {
        Place::new(&subject.to_be_bytes(), &[slot])
    }

    #[test]
    fn r1_what_is_gone_is_provably_gone_and_what_is_left_is_named() {
        let mut tree = StateTree::default();
        for subject in 0..500 {
            tree.put(place(subject, 0), [1; 32]);
            tree.put(place(subject, 1), [2; 32]);
        }
        let full = tree.root();
        let held = tree.prove(&7u16.to_be_bytes());
        assert_eq!(held.shows(&7u16.to_be_bytes(), &full).unwrap().len(), 2);
        for (place, _) in tree.of(&7u16.to_be_bytes()) {
            assert!(tree.take(&place).is_some());
        }
        let erased = tree.root();
        assert_ne!(full, erased);
        assert_eq!(tree.prove(&7u16.to_be_bytes()).shows(&7u16.to_be_bytes(), &erased), Some(Vec::new()));
        assert_eq!(held.shows(&7u16.to_be_bytes(), &erased), None, "an old proof under the new root");
        assert_eq!(tree.len(), 998);
    }

    #[test]
    fn r1_a_proof_that_leaves_something_out_does_not_hold() {
        let mut tree = StateTree::default();
        tree.put(place(7, 0), [1; 32]);
        let root = tree.root();
        let mut proof = tree.prove(&7u16.to_be_bytes());
        proof.bucket.clear();
        assert_eq!(proof.shows(&7u16.to_be_bytes(), &root), None);
        let mut short = tree.prove(&7u16.to_be_bytes());
        short.siblings.pop();
        assert_eq!(short.shows(&7u16.to_be_bytes(), &root), None);
        let other = tree.prove(&8u16.to_be_bytes());
        assert_eq!(other.shows(&7u16.to_be_bytes(), &root), None, "the proof of another bucket");
    }

    proptest! {
        #[test]
        fn the_root_depends_on_what_is_there_and_not_on_how_it_came(
            steps in proptest::collection::vec((0u16..40, 0u8..3, any::<Option<u8>>()), 0..120)
        ) {
            let (mut walked, mut model) = (StateTree::default(), BTreeMap::new());
            for (subject, slot, value) in steps {
                match value {
                    Some(value) => {
                        let before = walked.put(place(subject, slot), [value; 32]);
                        prop_assert_eq!(before, model.insert((subject, slot), [value; 32]));
                    }
                    None => prop_assert_eq!(walked.take(&place(subject, slot)), model.remove(&(subject, slot))),
                }
                if subject % 5 == 0 {
                    walked.root();
                }
            }
            let mut straight = StateTree::default();
            for ((subject, slot), value) in &model {
                straight.put(place(*subject, *slot), *value);
            }
            prop_assert_eq!(walked.root(), straight.root());
            prop_assert_eq!(walked.len(), model.len());
        }
    }
}
