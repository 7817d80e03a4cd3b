//! Orders on their way through a hub that has more to do.

use std::time::Duration;

use doorward_hub::clock;
use doorward_protocol::command::{Command, ORDER_LIFE_MAX_S, Order};
use doorward_protocol::envelope::Heading;
use doorward_protocol::message::{self, Payload as _};

use crate::broker::{Broker, Doorhub};
use crate::door::Door;
use crate::site::{Author, OPERATOR, Terminal, key};

/// Orders that are given meanwhile.
const ORDERS: u64 = 15;

fn order(seq: u64) -> Vec<u8> {
    let issued_s = clock::now_ms().div_euclid(1000);
    let heading = Heading {
        kind: Order::KIND,
        site: "hq".parse().unwrap(),
        terminal: Some("t3".parse().unwrap()),
        seq,
        issued_s,
        expires_s: Some(issued_s + ORDER_LIFE_MAX_S),
    };
    let order = Order { session: [1; 16].into(), command: Command::Lockdown };
    message::sign(&heading, &order, &key(OPERATOR)).unwrap()
}

#[test]
fn m6_orders_come_through_while_other_terminals_drain_what_waited_for_a_month() {
    let Some(broker) = Broker::start(|conf| conf) else { return };
    let author = Author::new(4);
    let hub = Doorhub::start(&broker);
    hub.follow(&author);
    hub.wait_for("the hub is linked", || hub.linked());
    let drains: Vec<_> = (0..3)
        .map(|number| {
            let way = Door::way(&broker, &format!("t{number}"));
            std::thread::spawn(move || {
                let mut terminal = Terminal::new(number);
                terminal.decide(2000);
                // Small batches: more of them than the hub's queue holds.
                Door::connect(way).deliver(&terminal, 3)
            })
        })
        .collect();
    let mut told = Door::connect(Door::way(&broker, "t3"));
    told.subscribe("doorward/hq/t3/cmd");
    let kept = || hub.trails().iter().map(|(_, seq)| seq).sum::<u64>();
    hub.wait_for("it is busy", || kept() > 30);
    for seq in 1..=ORDERS {
        let order = order(seq);
        assert_eq!(hub.post("/api/v1/sites/hq/orders", &order), 200);
        assert_eq!(told.wait_for("doorward/hq/t3/cmd"), order, "in its turn, once");
    }
    assert!(kept() < 6000, "nothing of it waited for the end");
    assert_eq!(told.heard_for(Duration::from_millis(200)), [""; 0]);
    for drain in drains {
        drain.join().unwrap();
    }
    assert_eq!(kept(), 6000);
}
