//! Keys that a roster hands to terminals: by the root alone, to whom it did not end, and in force for everybody who follows.
#![expect(clippy::unwrap_used, reason = "a test says what it expects by panicking")]

use doorward_protocol::envelope::{Heading, Kind};
use doorward_protocol::keys::{PublicKey, Role, SigningKey};
use doorward_protocol::message::{self, Opaque};
use doorward_protocol::roster::{Change, Entry, Follower, Hand, Revoke, SealTo};
use doorward_protocol::trust::{Delegation, Reader, Trust};

const ROOT: u8 = 1;
const ENROLLER: u8 = 2;
const RELEASE: u8 = 3;
const TERMINAL: u8 = 4;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn delegate(seed: u8, role: Role) -> Change {
    let terminal = role == Role::Terminal;
    Change::Delegate(Delegation {
        key: PublicKey::of(&key(seed)),
        holder: format!("holder {seed}"),
        roles: vec![role],
        terminal: terminal.then(|| "front-1".parse().unwrap()),
        from_s: 0,
        until_s: i64::MAX,
        joined_with: terminal.then(|| [8; 32].into()),
    })
}

fn hand(length: usize) -> Change {
    let to = PublicKey::of(&key(TERMINAL)).id();
    Change::Hand(Hand { to, sealing: [5; 32].into(), sealed: Opaque(vec![7; length]) })
}

fn seal_to() -> Change {
    Change::SealTo(SealTo { sealing: [5; 32].into() })
}

/// Signs changes as the next entry, and follows it; none where somebody refuses.
fn sign(follower: &mut Follower, seed: u8, changes: Vec<Change>) -> Option<Vec<u8>> {
    let state = follower.foresee(&changes).ok()?;
    let head = follower.head();
    let entry = Entry { before: head.hash.into(), state: state.into(), changes };
    let (site, seq) = ("hq".parse().unwrap(), head.seq + 1);
    let heading = Heading { kind: Kind::Roster, site, terminal: None, seq, issued_s: 10, expires_s: None };
    let bytes = message::sign(&heading, &entry, &key(seed)).unwrap();
    follow(follower, &bytes).then_some(bytes)
}

fn follow(follower: &mut Follower, bytes: &[u8]) -> bool {
    let reader = Reader { terminal: None, now_s: None };
    let Ok(entry) = follower.trust().authorise::<Entry>(bytes, &reader) else { return false };
    follower.follow(&entry, bytes).is_ok()
}

fn site() -> (Follower, Vec<Vec<u8>>) {
    let pinned = Trust::pinned("hq".parse().unwrap(), PublicKey::of(&key(ROOT)));
    let mut follower = Follower::new([9; 32], pinned);
    let roles = [(ENROLLER, Role::Enroller), (RELEASE, Role::Release), (TERMINAL, Role::Terminal)];
    let given = roles.map(|(seed, role)| delegate(seed, role)).to_vec();
    let entry = sign(&mut follower, ROOT, given).unwrap();
    (follower, vec![entry])
}

#[test]
fn m6_the_root_alone_hands_keys_and_says_what_is_sealed_to() {
    let (mut follower, mut log) = site();
    assert_eq!(follower.seal_to(), None);
    for seed in [ENROLLER, RELEASE, TERMINAL] {
        assert_eq!(sign(&mut follower, seed, vec![hand(80)]), None, "{seed}");
        assert_eq!(sign(&mut follower, seed, vec![seal_to()]), None, "{seed}");
    }
    log.push(sign(&mut follower, ROOT, vec![hand(80), seal_to()]).unwrap());
    let pinned = Trust::pinned("hq".parse().unwrap(), PublicKey::of(&key(ROOT)));
    let mut other = Follower::new([9; 32], pinned);
    assert!(log.iter().all(|bytes| follow(&mut other, bytes)));
    assert_eq!((other.seal_to(), other.tree().root()), (Some([5; 32]), follower.tree().root()));
}

#[test]
fn m8_what_is_no_sealed_key_and_whoever_was_ended_is_handed_nothing() {
    let (mut follower, _) = site();
    for length in [0, 79, 81, 8000] {
        assert_eq!(sign(&mut follower, ROOT, vec![hand(length)]), None, "{length}");
    }
    let end = Change::Revoke(Revoke { key: PublicKey::of(&key(TERMINAL)).id() });
    sign(&mut follower, RELEASE, vec![end]).unwrap();
    let before = follower.tree().root();
    assert_eq!(sign(&mut follower, ROOT, vec![seal_to(), hand(80)]), None);
    assert_eq!((follower.seal_to(), follower.tree().root()), (None, before), "nothing of it");
}

#[test]
fn a_delegation_from_before_keys_were_handed_reads_as_it_was_written() {
    let Change::Delegate(terminal) = delegate(TERMINAL, Role::Terminal) else { unreachable!() };
    let old = Delegation { joined_with: None, ..terminal.clone() };
    let (bytes, longer) = (minicbor::to_vec(&old).unwrap(), minicbor::to_vec(&terminal).unwrap());
    assert_eq!(bytes[0], 0x86, "six fields, as ever");
    assert_eq!(longer[0], 0x87);
    assert_eq!(minicbor::decode::<Delegation>(&bytes).unwrap(), old);
}
