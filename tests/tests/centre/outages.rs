//! Outages from end to end: terminal, broker and hub are real, and each in turn is cut off, killed, full or wrong about the
//! time. After each, the hub has every record once, and nothing was opened.

use std::fs;
use std::process::Command as Program;
use std::sync::Arc;
use std::time::Duration;

use doorward_core::time::{ClockTrust, Now};
use doorward_daemon::centre::line;
use doorward_hal::clock::{Clock, SystemClock};
use doorward_protocol::command::{Command, Order, order_hash};
use doorward_protocol::envelope::{Heading, Kind};
use doorward_protocol::hex::{hex, unhex};
use doorward_protocol::message;
use tempfile::TempDir;

use crate::broker::Broker;
use crate::doorhub::Doorhub;
use crate::proxy::{Mood, Proxy};
use crate::site::{self, Door, OPERATOR_KEY, TERMINAL, key};
use crate::wait_for;

/// A site whose hub knows its terminal.
pub(crate) fn hub(broker: &Broker, database: Option<&str>) -> Option<Doorhub> {
    let (_, entry) = site::roster(site::told(&broker.terminal_key()));
    let hub = Doorhub::start_on(broker, database)?;
    assert!(hub.ask("POST", "/api/v1/sites/hq/roster", &entry).contains("200 OK"));
    Some(hub)
}

/// Waits until the terminal knows that all is kept, and compares it.
pub(crate) fn nothing_lost_doubled_or_opened(door: &mut Door, hub: &Doorhub) {
    let recorded = door.record(1);
    wait_for("the terminal knows that all of it is kept", || door.acknowledged() == recorded);
    let (there, here) = (hub.trail(), door.trail());
    assert_eq!(there.len(), here.len(), "every record once");
    assert_eq!((0..here.len()).find(|at| there[*at] != here[*at]), None, "in order, unchanged");
    assert_eq!(door.obeyed(), [], "nothing opened");
}

/// Makes the line bad in each of these ways, one after the other.
fn a_bad_line(moods: &[Mood]) {
    let Some(broker) = Broker::shipped() else { return };
    let way = broker.way(TERMINAL);
    let proxy = Proxy::before(way.port);
    let way = line::Broker { port: proxy.port(), ..way };
    let mut door = Door::start_by(&broker, way, Arc::new(SystemClock::default()));
    let Some(hub) = hub(&broker, None) else { return };
    let first = door.record(20);
    wait_for("the line stands", || door.acknowledged() == first);
    for mood in moods {
        proxy.set(*mood);
        door.record(150);
        wait_for(&format!("{mood:?} does harm"), || {
            door.record(1);
            proxy.harmed() >= 1
        });
        door.record(30);
        proxy.set(Mood::Passes);
        nothing_lost_doubled_or_opened(&mut door, &hub);
    }
    door.stop();
}

#[test]
fn m12_a_line_that_delays_and_half_closes_loses_and_doubles_nothing() {
    a_bad_line(&[Mood::Delays(Duration::from_millis(30)), Mood::HalfCloses]);
}

#[test]
fn m12_a_line_that_swallows_loses_and_doubles_nothing() {
    a_bad_line(&[Mood::Swallows]);
}

#[test]
fn m12_a_line_that_is_cut_in_the_middle_of_a_batch_and_of_a_handshake_loses_and_doubles_nothing() {
    a_bad_line(&[Mood::CutsAfter(9_000), Mood::CutsAfter(700)]);
}

#[test]
fn m12_a_broker_that_is_killed_with_and_without_what_it_kept_loses_and_doubles_nothing() {
    let Some(mut broker) = Broker::shipped() else { return };
    let mut door = Door::start(&broker);
    let Some(hub) = hub(&broker, None) else { return };
    for forgets in [false, true, false, true] {
        let recorded = door.record(250);
        wait_for("some of it is kept", || door.acknowledged() + 200 > recorded);
        broker.kill();
        if forgets {
            broker.forget();
        }
        door.record(50);
        broker.start_again();
        door.record(50);
    }
    nothing_lost_doubled_or_opened(&mut door, &hub);
    wait_for("the hub sees it online, with the roster", || {
        let said = hub.terminal();
        said.contains("\"presence\":\"online\"") && said.contains("\"roster\":1")
    });
    door.stop();
}

#[test]
fn m13_a_denial_reaches_a_terminal_that_comes_after_the_broker_forgot_it() {
    let Some(mut broker) = Broker::shipped() else { return };
    let mut door = Door::start(&broker);
    let Some(hub) = hub(&broker, None) else { return };
    assert!(hub.ask("POST", "/api/v1/sites/hq/denials", &site::denial(1)).contains("200 OK"));
    wait_for("it reaches the terminal", || door.denials() == 1);
    door.stop();
    broker.kill();
    broker.forget();
    broker.start_again();
    let mut door = Door::start(&broker);
    wait_for("it reaches who comes later", || door.denials() == 1);
    door.stop();
}

#[test]
fn m12_a_hub_that_is_killed_in_the_middle_loses_and_doubles_nothing() {
    let Some(broker) = Broker::shipped() else { return };
    let mut door = Door::start(&broker);
    let Some(mut hub) = hub(&broker, None) else { return };
    for _ in 0..4 {
        let recorded = door.record(300);
        wait_for("some of it is kept", || door.acknowledged() + 250 > recorded);
        hub.kill();
        door.record(100);
        hub.start_again();
    }
    nothing_lost_doubled_or_opened(&mut door, &hub);
    door.stop();
}

/// A small file system of its own, gone when dropped.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// None where mounting is not allowed.
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let options = ["-t", "tmpfs", "-o", "size=3m", "doorward-test"];
        match Program::new("mount").args(options).arg(folder.path()).status() {
            Ok(status) if status.success() => Some(Self(folder)),
            Ok(_) | Err(_) => {
                eprintln!("skipped: a small disk needs the right to mount (run as root)");
                None
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Program::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn m12_a_hub_whose_disk_is_full_acknowledges_nothing_and_goes_on_when_there_is_room() {
    let Some(disk) = SmallDisk::mount() else { return };
    let Some(broker) = Broker::shipped() else { return };
    let mut door = Door::start(&broker);
    let database = disk.0.path().join("hub.db").display().to_string();
    let Some(hub) = hub(&broker, Some(&database)) else { return };
    let recorded = door.record(20);
    wait_for("some of it is kept", || door.acknowledged() == recorded);
    let ballast = disk.0.path().join("ballast");
    // As much as there is room for: the write that fails leaves what was written before it.
    assert!(fs::write(&ballast, vec![1; 4 << 20]).is_err(), "the disk is small");
    wait_for("the hub says that it keeps nothing", || {
        door.record(50);
        hub.figure("doorhub_keeping") == Some(0)
    });
    let kept = door.acknowledged();
    let recorded = door.record(100);
    assert!(kept < recorded, "what is not kept is not acknowledged");
    fs::remove_file(&ballast).unwrap();
    nothing_lost_doubled_or_opened(&mut door, &hub);
    assert_eq!(hub.figure("doorhub_keeping"), Some(1));
    door.stop();
}

/// A clock that is wrong, and does not know it is right.
struct Wrong {
    years: i64,
    true_one: SystemClock,
}

impl Clock for Wrong {
    fn now(&self) -> Now {
        let mut now = self.true_one.now();
        now.wall.ms += self.years * 365 * 24 * 3_600_000;
        now.wall.trust = ClockTrust::Unknown;
        now
    }

    fn sleep(&self, duration: Duration) {
        self.true_one.sleep(duration);
    }
}

#[test]
fn m7_a_terminal_whose_clock_is_wrong_by_years_is_heard_and_opens_to_nobodys_order() {
    for years in [-20, 30] {
        let Some(broker) = Broker::shipped() else { return };
        let clock = Arc::new(Wrong { years, true_one: SystemClock::default() });
        let mut door = Door::start_by(&broker, broker.way(TERMINAL), clock);
        let Some(hub) = hub(&broker, None) else { return };
        door.record(120);
        wait_for("the hub sees it online, with the roster", || hub.terminal().contains("\"roster\":1"));
        let order = unlock(&hub);
        assert!(hub.ask("POST", "/api/v1/sites/hq/orders", &order).contains("200 OK"));
        let receipt = format!("/api/v1/sites/hq/orders/{}", hex(&order_hash(&order)));
        wait_for("the terminal says why it does not open", || {
            hub.ask("GET", &receipt, b"").contains("clock is not set")
        });
        nothing_lost_doubled_or_opened(&mut door, &hub);
        door.stop();
    }
}

/// An operator's order, for the session that the hub tells.
pub(crate) fn unlock(hub: &Doorhub) -> Vec<u8> {
    let told = hub.terminal();
    let told: serde_json::Value = serde_json::from_str(told.split_once("\r\n\r\n").unwrap().1).unwrap();
    let session: [u8; 16] = unhex(told["session"].as_str().unwrap()).unwrap();
    let issued_s = SystemClock::default().now().wall.ms / 1000;
    let heading = Heading {
        kind: Kind::Command,
        site: site::site(),
        terminal: Some(site::terminal()),
        seq: 1,
        issued_s,
        expires_s: Some(issued_s + 30),
    };
    let order = Order { session: session.into(), command: Command::Unlock("front".parse().unwrap(), 5000) };
    message::sign(&heading, &order, &key(OPERATOR_KEY)).unwrap()
}
