//! The messages on a network that nobody can rely on: it loses, repeats, reorders, holds back, changes and invents.
//!
//! One admin, one hub and one terminal talk over it, from a seed. Whatever it does, the terminal holds what the admin
//! signed, the hub has every audit record once, and nothing that was changed or invented has an effect. The parties
//! here keep their state in memory and ask again on a timer; what they decide by is the real code.

#![expect(clippy::unwrap_used, reason = "a test says what it expects by panicking")]

use std::collections::BTreeMap;

use doorward_protocol::audit::{self, ClockTrust, Stopped, What};
use doorward_protocol::delivery::{self, Acknowledgement, BATCH_MAX, Batch, BatchFault};
use doorward_protocol::envelope::Heading;
use doorward_protocol::ids::TerminalId;
use doorward_protocol::keys::{PublicKey, Role};
use doorward_protocol::message::{self, Opaque, Payload};
use doorward_protocol::roster::{
    Change, Entry, Follower, PersonErase, PersonPut, PersonSlot, RosterFault, Slot,
};
use doorward_protocol::trust::{Delegation, Reader, Trust};
use ed25519_dalek::SigningKey;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha20Rng;

const GENESIS: audit::Hash = [9; 32];
const NOW: i64 = 1_800_000_000;
/// Rounds in which the network does its worst, and rounds in which it only delivers.
const STORM: u64 = 400;
const CALM: u64 = 60;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn terminal() -> TerminalId {
    "front-1".parse().unwrap()
}

fn trust() -> Trust {
    let mut trust = Trust::pinned("hq".parse().unwrap(), PublicKey::of(&key(1)));
    for (seed, role) in [(2, Role::Enroller), (3, Role::Terminal), (4, Role::Hub)] {
        let delegation = Delegation {
            key: PublicKey::of(&key(seed)),
            holder: format!("holder {seed}"),
            roles: vec![role],
            terminal: (role == Role::Terminal).then(terminal),
            from_s: 0,
            until_s: i64::MAX,
            joined_with: None,
        };
        trust.delegate(&delegation).unwrap();
    }
    trust
}

fn sign<T: Payload>(to: Option<TerminalId>, seq: u64, payload: &T, seed: u8) -> Vec<u8> {
    let site = "hq".parse().unwrap();
    let heading = Heading { kind: T::KIND, site, terminal: to, seq, issued_s: NOW, expires_s: None };
    message::sign(&heading, payload, &key(seed)).unwrap()
}

/// Who gets a message.
#[derive(Debug, Clone, Copy, PartialEq)]
enum To {
    Hub,
    Terminal,
}

/// What is under way, and all that ever was: an attacker's copy.
struct Network {
    rng: ChaCha20Rng,
    under_way: Vec<(To, Vec<u8>)>,
    seen: Vec<(To, Vec<u8>)>,
}

impl Network {
    fn send(&mut self, to: To, bytes: Vec<u8>) {
        self.seen.push((to, bytes.clone()));
        self.under_way.push((to, bytes));
    }

    /// The next message to arrive, if one does in this step.
    fn deliver(&mut self, storm: bool) -> Option<(To, Vec<u8>)> {
        if !storm {
            return (!self.under_way.is_empty()).then(|| self.under_way.remove(0));
        }
        match self.rng.random_range(0..10) {
            0 if !self.seen.is_empty() => {
                let (to, bytes) = self.seen[self.rng.random_range(0..self.seen.len())].clone();
                let to = if self.rng.random_bool(0.2) { To::Terminal } else { to };
                Some((to, bytes))
            }
            1 if !self.seen.is_empty() => {
                let (to, mut bytes) = self.seen[self.rng.random_range(0..self.seen.len())].clone();
                let at = self.rng.random_range(0..bytes.len());
                bytes[at] ^= 1 << self.rng.random_range(0..8);
                Some((to, bytes))
            }
            2 => Some((To::Hub, (0..60).map(|_| self.rng.random::<u8>()).collect())),
            3 if !self.under_way.is_empty() => {
                // Lost.
                let at = self.rng.random_range(0..self.under_way.len());
                self.under_way.swap_remove(at);
                None
            }
            4..8 if !self.under_way.is_empty() => {
                let at = self.rng.random_range(0..self.under_way.len());
                Some(self.under_way.swap_remove(at))
            }
            _ => None,
        }
    }
}

/// The terminal: follows the roster, records, and delivers what it recorded.
struct Terminal {
    roster: Follower,
    records: Vec<Vec<u8>>,
    heads: Vec<audit::Head>,
    acknowledged: u64,
}

impl Terminal {
    fn record(&mut self) {
        let at_ms = i64::try_from(self.records.len()).unwrap();
        let what = What::Stopped(Stopped { cause: format!("record {at_ms}") });
        let bytes = audit::Entry { at_ms, clock: ClockTrust::Synchronised, what }.to_bytes().unwrap();
        self.heads.push(self.heads.last().unwrap().next(&bytes));
        self.records.push(bytes);
    }

    fn batch(&self) -> Option<Vec<u8>> {
        let from = usize::try_from(self.acknowledged).unwrap();
        let records: Vec<Opaque> = self.records[from..].iter().take(BATCH_MAX).cloned().map(Opaque).collect();
        let (first, before) = (self.acknowledged + 1, self.heads[from].hash.into());
        let batch = Batch { genesis: GENESIS.into(), first, before, records };
        (!batch.records.is_empty()).then(|| sign(Some(terminal()), first, &batch, 3))
    }

    fn receive(&mut self, bytes: &[u8]) {
        let trust = self.roster.trust().clone();
        let reader = Reader { terminal: None, now_s: Some(NOW) };
        if let Ok(entry) = trust.authorise::<Entry>(bytes, &reader) {
            let followed = self.roster.follow(&entry, bytes);
            assert!(
                matches!(followed, Ok(()) | Err(RosterFault::Gap { .. } | RosterFault::Old(_))),
                "an honest author's roster: {followed:?}"
            );
        }
        let own = terminal();
        let reader = Reader { terminal: Some(&own), now_s: Some(NOW) };
        if let Ok(ack) = trust.authorise::<Acknowledgement>(bytes, &reader) {
            let ack = ack.message();
            let place = usize::try_from(ack.seq).unwrap();
            if self.heads.get(place).is_some_and(|head| head.hash == *ack.hash) {
                self.acknowledged = self.acknowledged.max(ack.seq);
            }
        }
    }
}

/// The hub: keeps the roster's bytes and the terminal's trail.
#[derive(Default)]
struct Hub {
    roster: Vec<Vec<u8>>,
    trail: BTreeMap<u64, (audit::Hash, Vec<u8>)>,
}

impl Hub {
    fn kept(&self) -> audit::Head {
        let newest = self.trail.last_key_value();
        newest
            .map_or(audit::Head::genesis(GENESIS), |(seq, (hash, _))| audit::Head { seq: *seq, hash: *hash })
    }

    fn receive(&mut self, bytes: &[u8], trust: &Trust) -> Option<Vec<u8>> {
        let own = terminal();
        let reader = Reader { terminal: Some(&own), now_s: Some(NOW) };
        let batch = trust.authorise::<Batch>(bytes, &reader).ok()?;
        let hash_of = |seq| match seq {
            0 => Some(GENESIS),
            _ => self.trail.get(&seq).map(|(hash, _)| *hash),
        };
        match delivery::take(batch.message(), self.kept(), hash_of) {
            Ok(new) => {
                for (record, _) in new {
                    let doubled = self.trail.insert(record.seq, (record.hash, record.bytes));
                    assert!(doubled.is_none(), "record {} was kept twice", record.seq);
                }
            }
            Err(BatchFault::Gap { .. }) => {}
            Err(fault) => panic!("an honest terminal's batch: {fault}"),
        }
        let kept = self.kept();
        let ack = Acknowledgement { genesis: GENESIS.into(), seq: kept.seq, hash: kept.hash.into() };
        Some(sign(Some(own), kept.seq, &ack, 4))
    }
}

fn change(rng: &mut ChaCha20Rng) -> Change {
    let person = format!("p{}", rng.random_range(0..5)).parse().unwrap();
    if rng.random_bool(0.3) {
        return Change::PersonErase(PersonErase { person });
    }
    let at = PersonSlot { person, slot: Slot::Template, number: rng.random_range(0..3) };
    Change::PersonPut(PersonPut { at, form: 1, sealed: Opaque(vec![rng.random()]) })
}

fn play(seed: u64) {
    let rng = ChaCha20Rng::seed_from_u64(seed);
    let mut network = Network { rng, under_way: Vec::new(), seen: Vec::new() };
    let mut author = Follower::new(GENESIS, trust());
    let mut hub = Hub::default();
    let mut door = Terminal {
        roster: author.clone(),
        records: Vec::new(),
        heads: vec![audit::Head::genesis(GENESIS)],
        acknowledged: 0,
    };
    for round in 0..STORM + CALM {
        let storm = round < STORM;
        if storm && network.rng.random_bool(0.3) {
            let changes: Vec<Change> =
                (0..network.rng.random_range(1..4)).map(|_| change(&mut network.rng)).collect();
            let state = author.foresee(&changes).unwrap();
            let entry = Entry { before: author.head().hash.into(), state: state.into(), changes };
            let bytes = sign(None, author.head().seq + 1, &entry, 2);
            let reader = Reader { terminal: None, now_s: Some(NOW) };
            let authorised = author.trust().authorise(&bytes, &reader).unwrap();
            author.follow(&authorised, &bytes).unwrap();
            hub.roster.push(bytes.clone());
            network.send(To::Terminal, bytes);
        }
        if storm && network.rng.random_bool(0.4) {
            door.record();
        }
        // On a timer the terminal sends what is not acknowledged, and the hub what the terminal says it misses.
        if round % 5 == 0 {
            if let Some(batch) = door.batch() {
                network.send(To::Hub, batch);
            }
            let missing = usize::try_from(door.roster.head().seq).unwrap();
            hub.roster[missing..].iter().take(8).for_each(|bytes| network.send(To::Terminal, bytes.clone()));
        }
        for _ in 0..if storm { 3 } else { 200 } {
            match network.deliver(storm) {
                Some((To::Terminal, bytes)) => door.receive(&bytes),
                Some((To::Hub, bytes)) => {
                    if let Some(ack) = hub.receive(&bytes, author.trust()) {
                        network.send(To::Terminal, ack);
                    }
                }
                None => {}
            }
        }
        let kept = hub.kept().seq;
        assert!(door.acknowledged <= kept, "seed {seed}: acknowledged before it was kept");
        assert!(hub.trail.keys().copied().eq(1..=kept), "seed {seed}: a gap in what is kept");
    }
    let said = format!("seed {seed}: {} entries, {} records", author.head().seq, door.records.len());
    assert!(author.head().seq > 50 && door.records.len() > 50, "{said}: too little happened");
    assert_eq!(door.roster.head(), author.head(), "{said}");
    assert_eq!(door.roster.tree().root(), author.tree().root(), "{said}");
    assert_eq!(door.acknowledged, door.records.len() as u64, "{said}");
    assert!(hub.trail.values().map(|(_, bytes)| bytes).eq(door.records.iter()), "{said}");
}

#[test]
fn m3_m4_m12_on_any_network_everything_arrives_once_and_nothing_else_does() {
    for seed in 0..16 {
        play(seed);
    }
}

#[test]
fn m2_the_storm_does_change_and_invent() {
    // The storm must be one: without it the test above would prove little.
    let mut network = Network { rng: ChaCha20Rng::seed_from_u64(0), under_way: Vec::new(), seen: Vec::new() };
    for number in 0..50u8 {
        network.send(To::Hub, vec![number; 8]);
    }
    let sent = network.seen.clone();
    let arrived: Vec<_> = (0..400).filter_map(|_| network.deliver(true)).collect();
    assert!(arrived.iter().any(|message| !sent.contains(message)), "nothing was changed or invented");
    assert!(
        sent.iter().any(|message| arrived.iter().filter(|one| *one == message).count() > 1),
        "nothing twice"
    );
    assert!(sent.iter().any(|message| !arrived.contains(message)), "nothing was lost");
}
