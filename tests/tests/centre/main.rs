//! The terminal's end of the centre over a real broker: Debian's mosquitto with certificates on both sides.
//!
//! The store, its thread, the line and the uplink are the real ones; the hub is some lines that verify and acknowledge
//! ([`hub`]) or, where it was built, the real one ([`doorhub`]), and the door is one that says "done". Needs mosquitto, and
//! says so and skips where it is absent.
#![expect(clippy::unwrap_used, reason = "a test says what it expects by panicking")]

mod broker;
mod database;
mod desk;
mod doorhub;
mod hub;
mod outages;
mod pictures;
mod proxy;
mod revocation;
mod site;
mod upheaval;

use std::time::Duration;

use broker::{Broker, Flaw};
use desk::Desk;
use doorhub::Doorhub;
use doorward_core::template::UnitVector;
use doorward_core::transform::Transform;
use doorward_daemon::centre::line::{Heard, Line, Message};
use doorward_hal::clock::{Clock as _, SystemClock};
use doorward_protocol::command::{Command, Outcome};
use doorward_protocol::hex::hex;
use doorward_protocol::keys::PublicKey;
use doorward_protocol::roster::{Change, PersonErase};
use doorward_store::PersonRecord;
use hub::{Honesty, Hub};
use site::{Door, ENROLLER_KEY, OPERATOR_KEY, ROOT_KEY, TERMINAL};

/// How long anything may take before the test says that it did not come.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until something holds.
fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let clock = SystemClock::default();
    let until = clock.now().mono + PATIENCE;
    while !holds() {
        assert!(clock.now().mono < until, "{what}: not within {PATIENCE:?}");
        clock.sleep(Duration::from_millis(20));
    }
}

#[test]
fn m12_a_trail_arrives_once_though_the_broker_is_killed_in_the_middle() {
    let Some(mut broker) = Broker::start(Flaw::None) else { return };
    let mut hub = Hub::start(&broker, Honesty::Honest);
    let mut door = Door::start(&broker);
    let mut recorded = 0;
    for _ in 0..3 {
        recorded = door.record(200);
        wait_for("some of it is kept", || hub.kept() > recorded - 150);
        broker.kill();
        door.record(50);
        broker.start_again();
    }
    recorded = door.record(100).max(recorded);
    wait_for("all of it is kept", || hub.kept() == recorded);
    wait_for("the terminal knows", || door.acknowledged() == recorded);
    assert_eq!(hub.trail(), door.trail(), "every record once, in order, unchanged");
    door.stop();
    hub.stop();
}

#[test]
fn m1_a_broker_without_the_right_certificate_gets_no_line() {
    for (flaw, words) in [
        (Flaw::OtherAuthority, "UnknownIssuer"),
        (Flaw::OtherName, "not valid for name"),
        (Flaw::OldTls, "ProtocolVersion"),
    ] {
        let Some(broker) = Broker::start(flaw) else { return };
        // On a busy machine an attempt may end before it gets as far as the certificate.
        let mut faults = (0..10).map(|_| no_line(&broker)).inspect(|fault| eprintln!("{flaw:?}: {fault}"));
        assert!(faults.any(|fault| fault.contains(words)), "{flaw:?}: never because of {words}");
    }
}

/// Why an attempt at a line ended.
fn no_line(broker: &Broker) -> String {
    let mut line = Line::begin(&broker.way(TERMINAL), TERMINAL, None).unwrap();
    loop {
        match line.hear(Duration::from_secs(1)) {
            Ok(heard) => assert_ne!(heard, Heard::Connected),
            Err(fault) => return fault.to_string(),
        }
    }
}

#[test]
fn m1_a_key_that_others_can_read_is_not_used() {
    use std::os::unix::fs::PermissionsExt as _;
    let Some(broker) = Broker::start(Flaw::None) else { return };
    let way = broker.way(TERMINAL);
    std::fs::set_permissions(&way.key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let fault = Line::begin(&way, TERMINAL, None).err().unwrap().to_string();
    assert!(fault.contains("0644") && fault.contains("chmod 600"), "{fault}");
}

#[test]
fn m2_a_forged_acknowledgement_lets_no_record_go() {
    for honesty in [Honesty::ForgesSignatures, Honesty::HasAnotherTrail, Honesty::NamesOtherHashes] {
        let Some(broker) = Broker::start(Flaw::None) else { return };
        // It says that it has everything, keeps nothing at first, and turns honest: what was let go would be missing.
        let mut hub = Hub::start(&broker, honesty);
        let mut door = Door::start(&broker);
        let recorded = door.record(30);
        wait_for("lies were told", || hub.lies() >= 1);
        wait_for("all of it is kept", || hub.kept() == recorded);
        assert_eq!(hub.trail(), door.trail(), "{honesty:?}");
        door.stop();
        hub.stop();
    }
}

#[test]
fn m5_an_order_that_the_broker_kept_is_refused_and_a_fresh_one_obeyed_once() {
    let Some(mut broker) = Broker::start(Flaw::None) else { return };
    let mut hub = Hub::start(&broker, Honesty::Honest);
    let mut door = Door::start(&broker);
    wait_for("the terminal is known", || hub.session().is_some());
    let kept = hub.order(1, Command::Lockdown);
    hub.say(Message { retained: true, ..kept.clone() });
    wait_for("it is obeyed while it is fresh", || hub.receipts().len() == 1);
    hub.say(Message { retained: false, ..kept });
    wait_for("its repetition is answered", || hub.receipts().len() == 2);
    let links = hub.links();
    // In an orderly way, so that the broker keeps what it was told to keep.
    broker.stop();
    broker.start_again();
    wait_for("the terminal is back and was given what was kept", || hub.links() > links);
    let fresh = hub.order(2, Command::Release);
    hub.say(fresh);
    wait_for("the fresh one is obeyed", || {
        hub.receipts().iter().filter(|o| **o == Outcome::Done).count() == 2
    });
    assert_eq!(door.obeyed(), [Command::Lockdown, Command::Release]);
    let refused = |outcome: &&Outcome| matches!(outcome, Outcome::Refused(why) if why.contains("not newer"));
    assert_eq!(hub.receipts().iter().filter(refused).count(), 1, "what was sent again is refused");
    door.stop();
    hub.stop();
}

#[test]
fn m15_when_the_terminal_goes_its_last_will_says_so() {
    let Some(broker) = Broker::start(Flaw::None) else { return };
    let mut hub = Hub::start(&broker, Honesty::Honest);
    let mut door = Door::start(&broker);
    wait_for("it is online", || hub.online() == Some(true));
    door.stop();
    wait_for("it is away", || hub.online() == Some(false));
    hub.stop();
}

#[test]
fn m12_m15_the_real_hub_has_every_record_once_and_shows_how_the_terminal_is() {
    let Some(mut broker) = Broker::shipped() else { return };
    let mut door = Door::start(&broker);
    let (_, entry) = site::roster(site::told(&broker.terminal_key()));
    let Some(hub) = Doorhub::start(&broker) else { return };
    assert!(hub.ask("POST", "/api/v1/sites/hq/roster", &entry).contains("200 OK"));
    let mut recorded = 0;
    for _ in 0..3 {
        recorded = door.record(200);
        wait_for("some of it is kept", || door.acknowledged() > recorded - 150);
        broker.kill();
        door.record(50);
        broker.start_again();
    }
    recorded = door.record(100).max(recorded);
    wait_for("the terminal knows that all of it is kept", || door.acknowledged() == recorded);
    assert_eq!(hub.trail(), door.trail(), "every record once, in order, unchanged");
    wait_for("the hub sees it online, with the roster", || {
        let said = hub.terminal();
        said.contains("\"presence\":\"online\"") && said.contains("\"roster\":1")
    });
    let figures = ["memory_kib", "room_kib", "waiting"];
    assert!(
        hub.terminal().contains("\"level\":\"convenience\""),
        "p9: a photograph may pass, and nobody is told"
    );
    wait_for("the hub knows its health", || {
        let said = hub.terminal();
        figures
            .iter()
            .all(|name| said.contains(&format!("\"{name}\":")) && !said.contains(&format!("\"{name}\":null")))
    });
    door.stop();
    wait_for("the hub sees that it left", || hub.terminal().contains("\"presence\":\"away\""));
}

#[test]
fn r1_whoever_is_signed_at_the_centre_is_let_in_and_whoever_is_erased_there_is_not_and_is_gone() {
    let Some(mut broker) = Broker::shipped() else { return };
    let mut door = Door::start(&broker);
    let (mut author, first) = site::roster(site::told(&broker.terminal_key()));
    site::follow(&mut author, &first);
    let Some(hub) = Doorhub::start(&broker) else { return };
    let hand_in = |entry: &[u8]| {
        let answer = hub.ask("POST", "/api/v1/sites/hq/roster", entry);
        assert!(answer.contains("200 OK"), "{answer}");
    };
    hand_in(&first);
    let (ada, bob) = ([0.5, 0.5, 0.5, 0.5, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 0.5, 0.5, 0.5, 0.5]);
    assert_eq!(door.lets_in(&ada), None);
    let changes = [site::person("ada", &ada), site::person("bob", &bob)].concat();
    let second = site::sign(&mut author, changes, ENROLLER_KEY);
    hand_in(&second);
    wait_for("both are let in", || {
        door.lets_in(&ada).as_deref() == Some("ada") && door.lets_in(&bob).as_deref() == Some("bob")
    });
    // It knows them without the centre, also after a start.
    broker.kill();
    door = door.start_again(&broker);
    assert_eq!(door.lets_in(&ada).as_deref(), Some("ada"));
    broker.start_again();
    let erase = Change::PersonErase(PersonErase { person: "ada".parse().unwrap() });
    let third = site::sign(&mut author, vec![erase], ENROLLER_KEY);
    hand_in(&third);
    let entries = [first, second, third];
    let root = hex(&author.tree().root());
    wait_for("the hub sees that the terminal holds what was signed", || {
        let said = hub.terminal();
        said.contains(&root)
            && said.contains("\"roster\":3")
            && said.contains("\"holds_what_was_signed\":true")
    });
    // That is worth a certificate, which needs nobody's word later.
    if let Some(desk) = Desk::new(&entries, OPERATOR_KEY) {
        let (code, said) = desk.doorctl(&hub, &["erasure", "certify", "ada", &desk.file("ada.erasure")]);
        assert_eq!(code, Some(0), "{said}");
        let root = PublicKey::of(&site::key(ROOT_KEY)).hex();
        let verify = ["erasure", "verify", "--roster", &desk.file("roster"), "--root", &root];
        let (code, said) = desk.run(&[&verify[..], &[&desk.file("ada.erasure")]].concat());
        assert_eq!(code, Some(0), "{said}");
        let (code, said) = desk.doorctl(&hub, &["erasure", "certify", "bob", &desk.file("bob.erasure")]);
        assert_eq!(code, Some(2), "{said}");
    }
    // Whoever tells that she is gone does not let her in any more.
    assert_eq!(door.lets_in(&ada), None);
    assert_eq!(door.lets_in(&bob).as_deref(), Some("bob"));
    door.stop();
}

#[test]
fn r1_whom_another_process_enrols_or_erases_the_running_terminal_knows_without_a_start() {
    let Some(broker) = Broker::shipped() else { return };
    let mut door = Door::start(&broker);
    let (ada, id) = ([0.5, 0.5, 0.5, 0.5, 0.0, 0.0, 0.0, 0.0], "ada".parse().unwrap());
    let record = PersonRecord {
        id,
        name: "Ada".to_owned(),
        valid_from_ms: None,
        valid_until_ms: None,
        suspended: false,
    };
    let (version, dimension) = site::REFERENCES;
    door.beside(|store, at| {
        let plain = UnitVector::normalise(ada.to_vec()).unwrap();
        let template = Transform::new(&store.transform_key(), dimension).protect(&plain).unwrap();
        store.put_person(&record, at).unwrap();
        store.put_template(&record.id, version, template.vector(), "photo", at).unwrap();
    });
    wait_for("she is let in", || door.lets_in(&ada).as_deref() == Some("ada"));
    assert_eq!(door.entries(), 0, "by no entry of the roster");
    door.beside(|store, at| {
        store.put_person(&PersonRecord { suspended: true, ..record.clone() }, at).unwrap();
    });
    wait_for("she is not let in while she is suspended", || door.lets_in(&ada).is_none());
    door.beside(|store, at| {
        store.put_person(&record, at).unwrap();
    });
    wait_for("she is let in again", || door.lets_in(&ada).as_deref() == Some("ada"));
    door.beside(|store, at| {
        store.erase_person(&record.id, at).unwrap();
    });
    wait_for("she is gone", || door.lets_in(&ada).is_none());
    door.stop();
}

#[test]
fn m6_an_operator_orders_through_the_hub_and_hears_what_each_terminal_signed() {
    let Some(broker) = Broker::shipped() else { return };
    let mut door = Door::start(&broker);
    let (_, entry) = site::roster(site::told(&broker.terminal_key()));
    let Some(hub) = Doorhub::start(&broker) else { return };
    assert!(hub.ask("POST", "/api/v1/sites/hq/roster", &entry).contains("200 OK"));
    wait_for("the terminal trusts the operator", || hub.terminal().contains("\"roster\":1"));
    let Some(operator) = Desk::new(std::slice::from_ref(&entry), OPERATOR_KEY) else { return };
    let (code, said) = operator.doorctl(&hub, &["order", "lockdown", "--by", &operator.file("key")]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(&format!("{TERMINAL}  done")), "{said}");
    let unlock = ["order", "unlock", "--terminal", TERMINAL, "--door", "front", "--for-s", "2"];
    let (code, said) = operator.doorctl(&hub, &[&unlock[..], &["--by", &operator.file("key")]].concat());
    assert_eq!(code, Some(0), "{said}");
    let door_id = "front".parse().unwrap();
    assert_eq!(door.obeyed(), [Command::Lockdown, Command::Unlock(door_id, 2000)]);
    let enroller = Desk::new(&[entry], ENROLLER_KEY).unwrap();
    let (code, said) = enroller.doorctl(&hub, &["order", "release", "--by", &enroller.file("key")]);
    assert_eq!(code, Some(2), "{said}");
    assert_eq!(door.obeyed().len(), 2, "nothing was given");
    door.stop();
}
