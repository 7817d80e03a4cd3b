//! From a denial, and from the end of a key by an entry of the roster, to a terminal that refuses: through the hub, which
//! keeps it first, the broker and the line, until the terminal's thread has it.
//!
//! A bench that stands beside the tests whose site it uses: hub, broker, line and store are the real ones. After
//! `cargo build --release`, `cargo bench -p doorward-tests --bench denial`. The yardstick, measured in turn, is a bare write with
//! `fdatasync`: a denial that a power cut undoes would be none.

#![expect(clippy::unwrap_used, reason = "a bench says what it expects by panicking")]

#[expect(dead_code, reason = "the tests ask more of it")]
mod broker;
#[expect(dead_code, reason = "the tests ask more of it")]
mod doorhub;
#[expect(dead_code, reason = "the tests ask more of it")]
mod site;

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

use broker::Broker;
use doorhub::Doorhub;
use doorward_hal::clock::{Clock as _, SystemClock};
use doorward_protocol::keys::{PublicKey, Role, SigningKey};
use doorward_protocol::roster::{Change, Revoke};
use doorward_protocol::trust::Delegation;
use site::{Door, ROOT_KEY};

/// Measured denials.
const ROUNDS: u8 = 200;
/// How often is looked whether it is in force.
const LOOK: Duration = Duration::from_micros(100);
/// What the bare write writes.
const PAGE: [u8; 4096] = [7; 4096];

fn main() {
    // Under `cargo test --benches` every step is taken, on less.
    let rounds =
        if cfg!(debug_assertions) && std::env::args().all(|word| word != "--bench") { 5 } else { ROUNDS };
    let Some(broker) = Broker::shipped() else { return };
    let mut door = Door::start(&broker);
    let (mut author, entry) = site::roster(site::told(&broker.terminal_key()));
    site::follow(&mut author, &entry);
    let Some(hub) = Doorhub::start(&broker) else { return };
    assert!(hub.ask("POST", "/api/v1/sites/hq/roster", &entry).contains("200 OK"));
    wait_for("the terminal follows the roster", || hub.terminal().contains("\"roster\":1"));
    let folder = tempfile::tempdir().unwrap();
    let file = File::create(folder.path().join("bare")).unwrap();
    let hand_in = |path: &str, bytes: &[u8]| {
        assert!(hub.ask("POST", &format!("/api/v1/sites/hq/{path}"), bytes).contains("200 OK"));
    };
    let stolen: Vec<SigningKey> =
        (0..rounds).map(|round| SigningKey::from_bytes(&[round + 50; 32])).collect();
    let given = stolen.iter().map(|key| operator(PublicKey::of(key))).collect();
    hand_in("roster", &site::sign(&mut author, given, ROOT_KEY));
    wait_for("the terminal trusts them", || hub.terminal().contains("\"roster\":2"));
    let (mut denials, mut ends, mut writes) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        let bytes = site::denial(round);
        let before = door.denials();
        denials.push(timed(|| {
            hand_in("denials", &bytes);
            while door.denials() == before {
                SystemClock::default().sleep(LOOK);
            }
        }));
        let end = Change::Revoke(Revoke { key: PublicKey::of(&stolen[usize::from(round)]).id() });
        let (bytes, before) = (site::sign(&mut author, vec![end], ROOT_KEY), door.entries());
        ends.push(timed(|| {
            hand_in("roster", &bytes);
            while door.entries() == before {
                SystemClock::default().sleep(LOOK);
            }
        }));
        writes.push(timed(|| file.write_all_at(&PAGE, 0).and_then(|()| file.sync_data()).unwrap()));
    }
    door.stop();
    writes.sort_unstable();
    println!("in force at the terminal / bare fdatasync'd write, {rounds} rounds in turn");
    for (what, took) in [("denial", &mut denials), ("end of a key", &mut ends)] {
        took.sort_unstable();
        for (name, percent) in [("p50", 50), ("p95", 95), ("p99", 99)] {
            let at = |sorted: &[Duration]| sorted[(sorted.len() - 1) * percent / 100];
            let (took, write) = (at(took), at(&writes));
            let ratio = took.as_secs_f64() / write.as_secs_f64();
            println!("{what:12}  {name}: ratio {ratio:.1}   took {took:>8.1?}   bare {write:>8.1?}");
        }
    }
}

fn operator(key: PublicKey) -> Change {
    Change::Delegate(Delegation {
        key,
        holder: "somebody whose key will be stolen".to_owned(),
        roles: vec![Role::Operator],
        terminal: None,
        from_s: 0,
        until_s: i64::MAX,
        joined_with: None,
    })
}

/// Waits until something holds.
fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let clock = SystemClock::default();
    let until = clock.now().mono + Duration::from_secs(60);
    while !holds() {
        assert!(clock.now().mono < until, "{what}: not within a minute");
        clock.sleep(Duration::from_millis(20));
    }
}

#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}
