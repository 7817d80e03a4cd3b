//! `doorctl audit verify --hub`: whether what a hub keeps is what the terminals signed.
//!
//! The hub is a witness that is not believed. Each trail is followed from its genesis, and its end must be the end of a batch
//! that the terminal signed; whose keys are the terminals' says the roster, checked against the root. A hub that
//! withholds the newest records, or a whole trail, is not found out by this: terminals say in their state how far they are.

use std::io::Write;
use std::path::Path;

use doorward_protocol::audit::{Entry, Hash, Head, Record, Verifier};
use doorward_protocol::delivery::Batch;
use doorward_protocol::envelope::Envelope;
use doorward_protocol::hex::{unhex, unhex_all};
use doorward_protocol::ids::{SiteId, TerminalId};
use doorward_protocol::keys::{KeyId, Role};
use doorward_protocol::message::{self, Payload};
use doorward_protocol::trust::Trust;
use serde::Deserialize;

use crate::answer::{Answer, Stop};
use crate::hub::{Hub, Line};
use crate::keyfile::{self, AUTHORITY};
use crate::ledger::Ledger;

/// Rows of one page.
const PAGE: usize = 500;

/// A trail as the hub tells it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Trail {
    trail: i64,
    /// Whose it is.
    pub(crate) terminal: TerminalId,
    /// What it begins with, in digits.
    pub(crate) genesis: String,
    /// How far it is kept.
    pub(crate) seq: u64,
    signed: Option<String>,
}

#[derive(Deserialize)]
struct Trails {
    trails: Vec<Trail>,
}

#[derive(Deserialize)]
struct Records {
    records: Vec<String>,
}

/// Verifies everything that a hub keeps of the site of a roster, which must have begun with `root` where one is given.
///
/// # Errors
/// [`Stop::Refused`] for the first trail that is not what its terminal signed.
pub fn run(hub: &Hub, roster: &Path, root: Option<&str>, out: &mut dyn Write) -> Answer {
    let root = root.map(|root| keyfile::public(root, "--root", &AUTHORITY)).transpose()?;
    let mut ledger = Ledger::open(roster, root)?;
    let trust = ledger.follower().trust().clone();
    let line = hub.open()?;
    let mut count = 0;
    each_trail(&line, trust.site(), &mut |trail| {
        let key = prove(&line, &trust, trail)?;
        count += 1;
        match key {
            Some(key) => writeln!(out, "{}  {} records, signed by key {key}", trail.terminal, trail.seq)?,
            None => writeln!(out, "{}  no record yet", trail.terminal)?,
        }
        Ok(())
    })?;
    writeln!(out, "{count} trails of site {} are what their terminals signed", trust.site())?;
    Ok(())
}

/// Shows every entry that a hub keeps of a terminal, trail by trail in order. Whether its terminal signed them is what
/// [`run`] finds out.
///
/// # Errors
/// [`Stop::Refused`] for what is no entry, or in the hub's words; and whatever `show` returns.
pub fn each(
    line: &Line,
    site: &SiteId,
    terminal: &TerminalId,
    show: &mut dyn FnMut(u64, &Entry) -> Answer,
) -> Answer {
    each_trail(line, site, &mut |trail| {
        if trail.terminal != *terminal {
            return Ok(());
        }
        let mut seq = 0;
        loop {
            let page = records(line, site, trail.trail, seq)?;
            if page.is_empty() {
                break;
            }
            for bytes in page {
                seq += 1;
                let entry = Entry::from_bytes(&bytes);
                let entry = entry.map_err(|e| Stop::refused(format!("record {seq} of {terminal}: {e}")))?;
                show(seq, &entry)?;
            }
        }
        Ok(())
    })
}

/// Hands every trail of a site to `take`.
///
/// # Errors
/// [`Stop::Refused`] in the hub's words, and whatever `take` returns.
pub(crate) fn each_trail(line: &Line, site: &SiteId, take: &mut dyn FnMut(&Trail) -> Answer) -> Answer {
    let mut after = 0;
    loop {
        let page: Trails = line.get(&format!("/api/v1/sites/{site}/trails?count={PAGE}&after={after}"))?;
        let Some(last) = page.trails.last() else { return Ok(()) };
        after = last.trail;
        page.trails.iter().try_for_each(&mut *take)?;
    }
}

/// The key that signed the end of a trail that the hub keeps, whose records follow from its genesis; none for an empty one.
///
/// # Errors
/// [`Stop::Refused`] for a trail that is not what its terminal signed.
pub(crate) fn prove(line: &Line, trust: &Trust, trail: &Trail) -> Answer<Option<KeyId>> {
    proven(trail, trust, |after| records(line, trust.site(), trail.trail, after))
}

fn records(line: &Line, site: &SiteId, trail: i64, after: u64) -> Answer<Vec<Vec<u8>>> {
    let page: Records =
        line.get(&format!("/api/v1/sites/{site}/trails/{trail}?count={PAGE}&after={after}"))?;
    let read: Option<_> = page.records.iter().map(|digits| unhex_all(digits)).collect();
    read.ok_or_else(|| Stop::refused(format!("trail {trail}: a record is no digits")))
}

/// The key that signed the end of a trail whose records follow from its genesis; none for an empty one.
fn proven(
    trail: &Trail,
    trust: &Trust,
    mut records: impl FnMut(u64) -> Answer<Vec<Vec<u8>>>,
) -> Answer<Option<KeyId>> {
    let refused = |why: String| Stop::refused(format!("trail {} of {}: {why}", trail.trail, trail.terminal));
    let genesis: Hash = unhex(&trail.genesis).ok_or_else(|| refused("its genesis is none".to_owned()))?;
    let mut verifier = Verifier::new(Head::genesis(genesis));
    loop {
        let page = records(verifier.head().seq)?;
        if page.is_empty() {
            break;
        }
        for bytes in page {
            let next = verifier.head().next(&bytes);
            let record = Record { seq: next.seq, bytes, hash: next.hash };
            verifier.check(&record).map_err(|broken| refused(broken.to_string()))?;
        }
    }
    let reached = verifier.head();
    if reached.seq != trail.seq {
        return Err(refused(format!("{} records are there, {} are said to be", reached.seq, trail.seq)));
    }
    if reached.seq == 0 {
        return Ok(None);
    }
    let signed = trail.signed.as_deref().and_then(unhex_all);
    let signed = signed.ok_or_else(|| refused("nobody signed it".to_owned()))?;
    let (end, key) = signed_end(&signed, &trail.terminal, &genesis, trust).map_err(&refused)?;
    match end == reached {
        true => Ok(Some(key)),
        false => Err(refused(format!(
            "the terminal signed an end at record {}, which is not the end that is kept",
            end.seq
        ))),
    }
}

/// Where a batch ends that a terminal signed, and by which key.
fn signed_end(
    bytes: &[u8],
    terminal: &TerminalId,
    genesis: &Hash,
    trust: &Trust,
) -> Result<(Head, KeyId), String> {
    let (batch, key): (Batch, KeyId) = said(bytes, terminal, trust)?;
    if *batch.genesis != *genesis {
        return Err("the signature is over another trail".to_owned());
    }
    let before = batch.first.checked_sub(1).ok_or_else(|| "the batch begins before the trail".to_owned())?;
    let begin = Head { seq: before, hash: *batch.before };
    Ok((batch.records.iter().fold(begin, |head, record| head.next(&record.0)), key))
}

/// What a terminal said, and by which key. A key that was revoked since did sign it.
///
/// # Errors
/// Why it was not this terminal.
pub fn said<T: Payload>(bytes: &[u8], terminal: &TerminalId, trust: &Trust) -> Result<(T, KeyId), String> {
    let envelope = Envelope::parse(bytes).map_err(|e| e.to_string())?;
    let (heading, key) = envelope.claimed();
    if heading.kind != T::KIND {
        return Err(format!("it is a {}, not a {}", heading.kind.name(), T::KIND.name()));
    }
    if heading.site != *trust.site() || heading.terminal.as_ref() != Some(terminal) {
        return Err("the signature is another terminal's".to_owned());
    }
    let held = trust.holders().find(|(delegation, _)| {
        delegation.key.id() == key
            && delegation.roles == [Role::Terminal]
            && delegation.terminal.as_ref() == Some(terminal)
    });
    let (delegation, _) = held.ok_or_else(|| format!("key {key} was never this terminal's"))?;
    let authentic = envelope.verify(&delegation.key).map_err(|e| e.to_string())?;
    Ok((message::read(authentic.payload()).map_err(|e| e.to_string())?, key))
}

#[cfg(test)]
mod tests {
    use doorward_protocol::audit::{ClockTrust, Stopped, What};
    use doorward_protocol::envelope::{Heading, Kind};
    use doorward_protocol::hex::hex;
    use doorward_protocol::keys::PublicKey;
    use doorward_protocol::message::Opaque;
    use doorward_protocol::trust::Delegation;
    use ed25519_dalek::SigningKey;

    use super::*;

    const GENESIS: Hash = [9; 32];

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn trust() -> Trust {
        let mut trust = Trust::pinned("hq".parse().unwrap(), PublicKey::of(&key(1)));
        for (seed, terminal) in [(2, "t0"), (3, "t1")] {
            let delegation = Delegation {
                key: PublicKey::of(&key(seed)),
                holder: terminal.to_owned(),
                roles: vec![Role::Terminal],
                terminal: Some(terminal.parse().unwrap()),
                from_s: 0,
                until_s: i64::MAX,
                joined_with: None,
            };
            trust.delegate(&delegation).unwrap();
        }
        trust
    }

    fn record(at_ms: i64) -> Vec<u8> {
        let what = What::Stopped(Stopped { cause: "signal".to_owned() });
        Entry { at_ms, clock: ClockTrust::Synchronised, what }.to_bytes().unwrap()
    }

    /// A trail of five records of `t0` whose last two came in a batch that `seed` signed for `terminal`.
    fn kept(seed: u8, terminal: &str) -> (Trail, Vec<Vec<u8>>) {
        let records: Vec<Vec<u8>> = (1..=5).map(record).collect();
        let before = records[..3].iter().fold(Head::genesis(GENESIS), |head, bytes| head.next(bytes));
        let batch = Batch {
            genesis: GENESIS.into(),
            first: 4,
            before: before.hash.into(),
            records: records[3..].iter().cloned().map(Opaque).collect(),
        };
        let heading = Heading {
            kind: Kind::Batch,
            site: "hq".parse().unwrap(),
            terminal: Some(terminal.parse().unwrap()),
            seq: 4,
            issued_s: 10,
            expires_s: None,
        };
        let signed = message::sign(&heading, &batch, &key(seed)).unwrap();
        let trail = Trail {
            trail: 1,
            terminal: "t0".parse().unwrap(),
            genesis: hex(&GENESIS),
            seq: 5,
            signed: Some(hex(&signed)),
        };
        (trail, records)
    }

    fn examine(trail: &Trail, records: &[Vec<u8>]) -> Result<Option<KeyId>, String> {
        let page =
            |after: u64| Ok(records[usize::try_from(after).unwrap()..].iter().take(2).cloned().collect());
        proven(trail, &trust(), page).map_err(|stop| match stop {
            Stop::Refused(why) => why,
            Stop::Fault(fault) => panic!("{fault:#}"),
            Stop::Unheard => panic!("nothing is written"),
        })
    }

    #[test]
    fn a_trail_that_ends_where_its_terminal_signed_is_proven() {
        let (trail, records) = kept(2, "t0");
        assert_eq!(examine(&trail, &records), Ok(Some(PublicKey::of(&key(2)).id())));
        assert_eq!(examine(&Trail { seq: 0, signed: None, ..trail }, &[]), Ok(None));
    }

    #[test]
    fn h3_whatever_a_hub_changes_leaves_out_or_adds_is_found() {
        let (trail, records) = kept(2, "t0");
        for at in 0..records.len() {
            let mut changed = records.clone();
            changed[at] = record(at as i64 + 1000);
            changed[at + 1..].iter_mut().for_each(|later| *later = record(2000));
            assert!(examine(&trail, &changed).is_err(), "record {at} was changed");
            let mut shorter = records.clone();
            shorter.remove(at);
            assert!(
                examine(&Trail { seq: 4, ..trail.clone() }, &shorter).is_err(),
                "record {at} was left out"
            );
        }
        let longer = [records.clone(), vec![record(6)]].concat();
        assert!(examine(&Trail { seq: 6, ..trail.clone() }, &longer).unwrap_err().contains("record 5"));
        assert!(examine(&Trail { seq: 4, ..trail.clone() }, &records).unwrap_err().contains("5 records"));
        assert!(examine(&Trail { signed: None, ..trail }, &records).unwrap_err().contains("nobody"));
    }

    #[test]
    fn m4_the_signature_of_another_key_terminal_or_trail_proves_nothing() {
        for (seed, terminal, why) in [
            (3, "t0", "never this terminal's"),
            (9, "t0", "never this terminal's"),
            (3, "t1", "another terminal's"),
        ] {
            let (trail, records) = kept(seed, terminal);
            assert!(examine(&trail, &records).unwrap_err().contains(why), "{seed} for {terminal}");
        }
        let (trail, records) = kept(2, "t0");
        let other = Trail { genesis: hex(&[8; 32]), ..trail };
        assert!(examine(&other, &records).unwrap_err().contains("another trail"));
    }
}
