//! Verified messages a second on one core: what a hub does with each before it is kept, beside a bare Ed25519 verification.
//!
//! Both are measured in turn over the same bytes. A message is taken from bytes to what may have an effect (form, address, key
//! among ten thousand, signature, content, role), and a batch through its chain as well. What is more than one verification
//! is the price of everything else.

use std::hint::black_box;
use std::time::{Duration, Instant};

use doorward_protocol::audit::{ClockTrust, Decided, Entry, Head, Record, Scores, What};
use doorward_protocol::delivery::{self, Acknowledgement, Batch, Stretch};
use doorward_protocol::envelope::{Heading, Kind};
use doorward_protocol::ids::{AttemptId, TerminalId};
use doorward_protocol::keys::{PublicKey, Role, SigningKey};
use doorward_protocol::message;
use doorward_protocol::trust::{Delegation, Instruction, Reader, Trust};
use ed25519_dalek::{Signature, Signer as _};

/// Keys that the site knows.
const KEYS: u32 = 10_000;
/// Measured rounds of each, after as many that warm up.
const ROUNDS: usize = 400;

fn main() {
    let trust = trust();
    println!(
        "one core, {KEYS} keys known, {ROUNDS} rounds in turn with a bare verification of the same bytes"
    );
    let acknowledgement = Acknowledgement { genesis: [9; 32].into(), seq: 1, hash: [8; 32].into() };
    let bytes = signed(Kind::Acknowledgement, &acknowledgement, &key(0));
    measure("acknowledgement", 0, &bytes, || {
        let told = trust.authorise::<Acknowledgement>(&bytes, &reader());
        black_box(told.expect("the hub may say so"));
    });
    for records in [1, 3, 100] {
        let stretch = stretch(records);
        let bytes = signed(Kind::Batch, &Batch::cut([9; 32], &stretch), &key(1));
        measure(&format!("batch of {records}"), records, &bytes, || {
            let batch = trust.authorise::<Batch>(&bytes, &reader()).expect("the terminal may say so");
            let new = delivery::take(batch.message(), stretch.before, |_| Some([9; 32]));
            black_box(new.expect("it follows"));
        });
    }
}

/// Measures `work` and a bare verification over as many bytes, in turn.
fn measure(name: &str, records: usize, bytes: &[u8], mut work: impl FnMut()) {
    let bare_key = key(2);
    let public = bare_key.verifying_key();
    let signature: Signature = bare_key.sign(bytes);
    let (mut whole, mut bare) = (Vec::new(), Vec::new());
    for round in 0..2 * ROUNDS {
        let took = (
            timed(&mut work),
            timed(|| public.verify_strict(black_box(bytes), &signature).expect("it holds")),
        );
        if round >= ROUNDS {
            whole.push(took.0);
            bare.push(took.1);
        }
    }
    let (whole, bare) = (median(&mut whole), median(&mut bare));
    let second = |count: f64| count / whole.as_secs_f64();
    let each = match records {
        0 => String::new(),
        records => format!(
            "   {:>7.0} records/s   {:>5.0} bytes a record",
            second(records as f64),
            bytes.len() as f64 / records as f64
        ),
    };
    println!(
        "{name:>16}: ratio {:.2}   {whole:>8.1?}   bare {bare:>8.1?}   {:>6.0} messages/s{each}",
        whole.as_secs_f64() / bare.as_secs_f64(),
        second(1.0)
    );
}

#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn key(number: u32) -> SigningKey {
    let mut seed = [7; 32];
    seed[..4].copy_from_slice(&number.to_be_bytes());
    SigningKey::from_bytes(&seed)
}

fn terminal() -> TerminalId {
    "lobby-1".parse().expect("it is a name")
}

fn reader() -> Reader<'static> {
    static TERMINAL: std::sync::OnceLock<TerminalId> = std::sync::OnceLock::new();
    Reader { terminal: Some(TERMINAL.get_or_init(terminal)), now_s: None }
}

/// A hub's key, a terminal's, and those of all the others.
fn trust() -> Trust {
    let mut trust = Trust::pinned("hq".parse().expect("it is a name"), PublicKey::of(&key(KEYS)));
    for number in 0..KEYS {
        let hub = number == 0;
        let delegation = Delegation {
            key: PublicKey::of(&key(number)),
            holder: format!("holder {number}"),
            roles: vec![if hub { Role::Hub } else { Role::Terminal }],
            terminal: (!hub).then(|| format!("lobby-{number}").parse().expect("it is a name")),
            from_s: 0,
            until_s: i64::MAX,
            joined_with: None,
        };
        trust.delegate(&delegation).expect("so many keys are allowed");
    }
    trust
}

fn signed<T: Instruction>(kind: Kind, payload: &T, key: &SigningKey) -> Vec<u8> {
    let site = "hq".parse().expect("it is a name");
    let heading = Heading { kind, site, terminal: Some(terminal()), seq: 1, issued_s: 1, expires_s: None };
    message::sign(&heading, payload, key).expect("it is short")
}

/// The first decisions of a trail.
fn stretch(count: usize) -> Stretch {
    let before = Head::genesis([9; 32]);
    let mut head = before;
    let records = (0..count).map(|number| {
        let bytes = decision(number as u64).to_bytes().expect("it is short");
        head = head.next(&bytes);
        Record { seq: head.seq, bytes, hash: head.hash }
    });
    Stretch { before, records: records.collect() }
}

fn decision(number: u64) -> Entry {
    let what = What::Decided(Decided {
        attempt: AttemptId(number),
        door: "front".parse().expect("it is a name"),
        granted: true,
        person: "E-1042".parse().ok(),
        reason: "granted".into(),
        rule: "weekly".into(),
        scores: Some(Scores {
            comparison_score: 0.71,
            threshold: 0.46,
            runner_up: 0.21,
            liveness: 97.0,
            frames: 3,
            gallery: 1000,
        }),
        presented: None,
        level: None,
    });
    Entry { at_ms: 1_800_000_000_000, clock: ClockTrust::Synchronised, what }
}
