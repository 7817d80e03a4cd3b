//! What is under the hub changes: its database goes and comes, its clock is wrong by years. Terminal, broker, hub and
//! database are the real ones.

use doorward_hal::clock::{Clock as _, SystemClock};
use doorward_protocol::command::Command;

use crate::broker::Broker;
use crate::database::Postgres;
use crate::doorhub::{Doorhub, Wrong};
use crate::outages::{hub, nothing_lost_doubled_or_opened, unlock};
use crate::site::{self, Door};
use crate::wait_for;

#[test]
fn m12_a_database_that_goes_and_comes_under_a_running_hub_loses_and_doubles_nothing() {
    let Some(mut server) = Postgres::start() else { return };
    let Some(broker) = Broker::shipped() else { return };
    let mut door = Door::start(&broker);
    let Some(hub) = hub(&broker, Some(&server.address())) else { return };
    for _ in 0..3 {
        let recorded = door.record(150);
        wait_for("some of it is kept", || door.acknowledged() + 100 > recorded);
        server.end();
        let recorded = door.record(100);
        wait_for("the hub says that it keeps nothing", || {
            door.record(5);
            hub.figure("doorhub_keeping") == Some(0)
        });
        assert!(door.acknowledged() < recorded + 5, "what is not kept is not acknowledged");
        server.start_again();
    }
    nothing_lost_doubled_or_opened(&mut door, &hub);
    assert_eq!(hub.figure("doorhub_keeping"), Some(1));
    door.stop();
}

#[test]
fn m7_a_hub_whose_clock_is_wrong_by_years_keeps_everything_and_passes_on_no_order() {
    for years in [-20, 30] {
        let Some(clock) = Wrong::by(years) else { return };
        let Some(broker) = Broker::shipped() else { return };
        let mut door = Door::start(&broker);
        let (_, entry) = site::roster(site::told(&broker.terminal_key()));
        let Some(mut hub) = Doorhub::start_at(&broker, None, &clock) else { return };
        assert!(hub.ask("POST", "/api/v1/sites/hq/roster", &entry).contains("200 OK"));
        nothing_lost_doubled_or_opened(&mut door, &hub);
        wait_for("it sees the terminal", || hub.terminal().contains("\"roster\":1"));
        let refused = hub.ask("POST", "/api/v1/sites/hq/orders", &unlock(&hub));
        assert!(!refused.contains("200 OK"), "{years} years: {refused}");
        // Somebody sets the clock right. What was heard in another time is no sign of life.
        hub.kill();
        hub.start_again();
        wait_for("it sees the terminal now", || {
            hub.terminal().contains("\"presence\":\"online\"") && heard_now(&hub.terminal())
        });
        assert!(hub.ask("POST", "/api/v1/sites/hq/orders", &unlock(&hub)).contains("200 OK"));
        wait_for("an order is obeyed", || door.obeyed().len() == 1);
        assert_eq!(door.obeyed(), [Command::Unlock("front".parse().unwrap(), 5000)]);
        let recorded = door.record(20);
        wait_for("it goes on", || door.acknowledged() == recorded);
        assert_eq!(hub.trail(), door.trail(), "every record once, in order, unchanged");
        door.stop();
    }
}

/// Whether the terminal was heard in these minutes.
fn heard_now(told: &str) -> bool {
    let Some((_, body)) = told.split_once("\r\n\r\n") else { return false };
    let told: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let heard = told["heard_ms"].as_i64().unwrap_or_default();
    (SystemClock::default().now().wall.ms - heard).abs() < 120_000
}
