//! An operator's key is stolen, and ended by an entry of the roster: from doorctl to a terminal that obeys it no more.

use std::time::Duration;

use doorward_daemon::centre::line::{Heard, Line, Message};
use doorward_hal::clock::{Clock as _, SystemClock};
use doorward_protocol::command::Command;
use doorward_protocol::keys::PublicKey;

use crate::broker::Broker;
use crate::desk::Desk;
use crate::doorhub::Doorhub;
use crate::outages::unlock;
use crate::site::{self, Door, HUB, OPERATOR_KEY, ROOT_KEY, TERMINAL, key};
use crate::wait_for;

#[test]
fn m13_a_key_that_doorctl_ended_opens_nothing_also_for_who_speaks_past_the_hub() {
    let Some(broker) = Broker::shipped() else { return };
    let mut door = Door::start(&broker);
    let (_, entry) = site::roster(site::told(&broker.terminal_key()));
    let Some(mut hub) = Doorhub::start(&broker) else { return };
    assert!(hub.ask("POST", "/api/v1/sites/hq/roster", &entry).contains("200 OK"));
    wait_for("the terminal trusts the operator", || hub.terminal().contains("\"roster\":1"));
    let Some(root) = Desk::new(std::slice::from_ref(&entry), ROOT_KEY) else { return };
    let thief = Desk::new(std::slice::from_ref(&entry), OPERATOR_KEY).unwrap();
    let give = ["order", "unlock", "--terminal", TERMINAL, "--door", "front"];
    let (code, said) = thief.doorctl(&hub, &[&give[..], &["--by", &thief.file("key")]].concat());
    assert_eq!(code, Some(0), "before it is known: {said}");

    let clock = SystemClock::default();
    let began = clock.now().mono;
    let stolen = PublicKey::of(&key(OPERATOR_KEY)).hex();
    let revoke = ["keys", "revoke", "--roster", &root.file("roster"), "--by", &root.file("key"), &stolen];
    let (code, said) = root.run(&revoke);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = root.doorctl(&hub, &["roster", "sync"]);
    assert_eq!(code, Some(0), "{said}");
    wait_for("the terminal follows", || door.entries() == 2);
    eprintln!("from doorctl to the terminal that obeys it no more: {:?}", clock.now().mono.since(began));

    let (code, said) = thief.doorctl(&hub, &[&give[..], &["--by", &thief.file("key")]].concat());
    assert_eq!(code, Some(2), "by the hub, with a copy of the roster from before: {said}");
    // The thief has the hub's certificate as well, and speaks to the terminal in its place.
    let order = unlock(&hub);
    hub.kill();
    let mut line = Line::begin(&broker.way(HUB), HUB, None).unwrap();
    let voice = line.voice();
    let topic = format!("doorward/hq/{TERMINAL}/cmd");
    let mut said = false;
    for _ in 0..50 {
        if line.hear(Duration::from_millis(100)).unwrap() == Heard::Connected {
            let message = Message { topic: topic.clone(), bytes: order.clone(), retained: false };
            voice.say(message).unwrap();
            said = true;
        }
    }
    assert!(said, "the line stood");
    let door_id = "front".parse().unwrap();
    assert_eq!(door.obeyed(), [Command::Unlock(door_id, 5000)], "the one from before, and none since");
    door.stop();
}
