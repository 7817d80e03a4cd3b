//! Single attacks on the door, told event by event, with everything the terminal put on record.

use std::time::Duration;

use doorward_core::claim::Mode;
use doorward_core::door::{OnTamper, Point};
use doorward_daemon::terminal::Input;
use doorward_protocol::audit::{Entry, What};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use crate::event::Event;
use crate::eyes::{Figure, Reproduction};
use crate::office::{Blemish, Wish};
use crate::roster::Edit;
use crate::world::{World, name};

/// A world where a face is all a door asks for, and what follows when its case is opened.
fn world(on_tamper: OnTamper) -> World {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut world = World::new(1, &mut rng);
    world.model.on_tamper = on_tamper;
    world.model.workdays_only = false;
    world.model.mode = Mode::Face;
    world.happen(&Event::Restart);
    world
}

/// Plays events, and returns what they put on record, in words; people who pass are `granted`.
fn play(world: &mut World, events: &[Event]) -> Vec<String> {
    let before = world.head().seq;
    for event in events {
        world.happen(event);
        crate::checks::after_each_event(world);
    }
    let entries = world.entries(before);
    let words = |what| match what {
        What::Door(report) => report.event,
        What::Fault(fault) => {
            format!("{} {} {}", fault.part, fault.code, if fault.set { "set" } else { "cleared" })
        }
        What::Released(released) => format!("released for {}", released.cause),
        What::Decided(decided) => decided.reason,
        What::Started(_)
        | What::Enrolled(_)
        | What::Erased(_)
        | What::ErasedEverybody(_)
        | What::ClockJumped(_)
        | What::Stopped(_)
        | What::Credential(_) => "other".to_owned(),
        What::Skipped(_) => "left out".to_owned(),
    };
    entries.iter().map(|record| words(Entry::from_bytes(&record.bytes).expect("an entry").what)).collect()
}

#[test]
fn d9_an_opened_case_is_on_record_and_locks_where_it_should() {
    for on_tamper in [OnTamper::Report, OnTamper::Lockdown] {
        let (mut world, locks) = (world(on_tamper), on_tamper == OnTamper::Lockdown);
        let told = play(&mut world, &[Event::Tamper(true), Event::Appear(Figure::Live(0)), Event::Look(8)]);
        let expected: &[&str] =
            if locks { &["tampered", "lockdown", "lockdown"] } else { &["tampered", "granted"] };
        assert_eq!(told, expected);
        let told = play(&mut world, &[Event::Appear(Figure::Nobody), Event::Tamper(false)]);
        let cleared = told.iter().position(|event| event == "tamper_cleared");
        assert!(cleared.is_some() && locks == told.contains(&"lockdown_over".to_owned()), "{told:?}");
        assert_eq!(play(&mut world, &[Event::Restart]), ["other"], "a closed case at the start is no event");
        assert_eq!(play(&mut world, &[Event::Tamper(true), Event::Restart]).last().unwrap(), {
            if locks { "lockdown" } else { "tampered" }
        });
    }
}

#[test]
fn d9_an_opened_case_erases_everybody_as_soon_as_the_disk_lets_it() {
    let mut world = world(OnTamper::Erase);
    let ada = [Event::Appear(Figure::Live(0)), Event::Look(8)];
    assert_eq!(play(&mut world, &[Event::Tamper(true)]), ["tampered", "other", "lockdown"]);
    assert_eq!(world.persons_kept(), 0);
    assert_eq!(play(&mut world, &[Event::Tamper(false)]), ["tamper_cleared", "lockdown_over"]);
    assert_eq!(play(&mut world, &ada), ["unknown"]);
    assert_eq!(world.head().seq, world.entries(0).len() as u64, "the trail is kept");

    // A full disk keeps the rows; nobody passes by them, and they go as soon as there is room.
    world.happen(&Event::Appear(Figure::Nobody));
    world.happen(&Event::Wait(30_000));
    world.happen(&Event::Enrol(0));
    world.happen(&Event::DiskFull(true));
    assert_eq!(play(&mut world, &[Event::Tamper(true), Event::Tamper(false)]), [""; 0]);
    assert_eq!(world.persons_kept(), 1);
    let told = play(&mut world, &[Event::Enrol(1), Event::DiskFull(false), ada[0].clone(), ada[1].clone()]);
    assert!(!told.contains(&"granted".to_owned()), "{told:?}");
    world.happen(&Event::Wait(1_000));
    assert_eq!(world.persons_kept(), 0);
}

#[test]
fn d2_no_cut_and_no_short_of_any_loop_releases_the_lock() {
    for (at, point) in Point::ALL.into_iter().enumerate() {
        for (reads, code) in [(1, "cut"), (2, "short")] {
            let mut world = world(OnTamper::Report);
            let mut told =
                play(&mut world, &[Event::Loop(at, reads), Event::Wait(40_000), Event::Loop(at, 0)]);
            // Whoever cuts the wire of the tamper switch tampers; that is told too, and releases no more than the rest.
            told.retain(|event| event != "tampered" && event != "tamper_cleared");
            let name = point.code();
            assert_eq!(told, [format!("{name} {code} set"), format!("{name} {code} cleared")]);
        }
    }
}

#[test]
fn d2_a_bridged_exit_button_is_told_and_nobody_is_kept_in() {
    let mut world = world(OnTamper::Report);
    let told = play(
        &mut world,
        &[
            Event::Button(true),
            Event::Wait(1_800_000),
            Event::Leaf(true),
            Event::Leaf(false),
            Event::Button(false),
        ],
    );
    let expected =
        ["released for egress", "not_used", "egress stuck set", "opened", "closed", "egress stuck cleared"];
    assert_eq!(told, expected);
}

#[test]
fn m3_an_ordered_release_opens_once_and_never_a_door_that_is_locked_down() {
    let mut world = world(OnTamper::Report);
    let unlock = Event::Order(Wish::Unlock, Blemish::None);
    assert_eq!(play(&mut world, std::slice::from_ref(&unlock)), ["released for operator"]);
    assert!(world.wires().released.is_some());
    assert_eq!(play(&mut world, &[Event::Order(Wish::Lock, Blemish::None)])[0], "lock_ordered");
    assert!(world.wires().released.is_none(), "locked before its time was over");
    let again = Event::Order(Wish::Unlock, Blemish::Replayed);
    assert_eq!(play(&mut world, &[again]), [""; 0]);
    assert!(world.wires().released.is_none());
    let told = play(&mut world, &[Event::Order(Wish::Lockdown, Blemish::None), unlock]);
    assert_eq!(told, ["lockdown_ordered", "lockdown"]);
    assert!(world.wires().released.is_none());
    let told = play(&mut world, &[Event::Order(Wish::Release, Blemish::None)]);
    assert_eq!(told, ["release_ordered", "lockdown_over"]);
}

#[test]
fn d4_a_lockdown_holds_over_a_start_and_a_power_cut_until_somebody_ends_it() {
    let mut world = world(OnTamper::Report);
    let ada =
        [Event::Appear(Figure::Live(0)), Event::Look(8), Event::Appear(Figure::Nobody), Event::Wait(30_000)];
    play(&mut world, &[Event::Order(Wish::Lockdown, Blemish::None)]);
    for end in [Event::Restart, Event::PowerCut(0)] {
        play(&mut world, &[end, Event::Egress]);
        let told = play(&mut world, &ada);
        assert!(told.contains(&"lockdown".to_owned()) && !told.contains(&"granted".to_owned()), "{told:?}");
    }
    play(&mut world, &[Event::Order(Wish::Release, Blemish::None), Event::Restart]);
    assert!(play(&mut world, &ada).contains(&"granted".to_owned()));
}

#[test]
fn p12_a_lockout_is_told_holds_over_a_start_and_ends_at_an_operators_word_for_good() {
    let mut world = world(OnTamper::Report);
    let print = [Event::Appear(Figure::Reproduced(0, Reproduction::Print)), Event::Look(8)];
    let leaves = [Event::Appear(Figure::Nobody), Event::Wait(20_000)];
    let told: Vec<String> = (0..5).flat_map(|_| play(&mut world, &[&print[..], &leaves].concat())).collect();
    assert_eq!(told, ["not_live", "not_live", "not_live", "not_live", "not_live", "lockout faces set"]);
    let ada = [Event::Appear(Figure::Live(0)), Event::Look(8)];
    assert_eq!(play(&mut world, &[&ada[..], &leaves].concat()), ["locked_out"]);
    let started = play(&mut world, &[Event::Restart]);
    assert_eq!(started.last().unwrap(), "lockout faces set", "told anew, as a start clears everything");
    play(&mut world, &[Event::Order(Wish::ResetLockout, Blemish::NoOperator)]);
    assert_eq!(play(&mut world, &[&ada[..], &leaves].concat()), ["locked_out"], "m6");
    let told = play(&mut world, &[Event::Order(Wish::ResetLockout, Blemish::None)]);
    assert_eq!(told, ["lockout_reset", "lockout faces cleared"]);
    play(&mut world, &[Event::Restart]);
    assert_eq!(play(&mut world, &ada), ["granted"]);
}

#[test]
fn h9_whoever_stands_there_is_answered_after_as_many_pictures_and_with_one_record() {
    let cases = [
        (Figure::Live(0), "granted"),
        (Figure::Live(1), "suspended"),
        (Figure::Live(6), "unknown"),
        (Figure::Reproduced(0, Reproduction::Print), "not_live"),
    ];
    let pictures = cases.map(|(figure, answer)| {
        let mut world = world(OnTamper::Report);
        world.happen(&Event::Suspend(1, true));
        world.happen(&Event::Appear(figure));
        let (before, mut told) = (world.frames, Vec::new());
        while told.is_empty() {
            told = play(&mut world, &[Event::Look(1)]);
        }
        assert_eq!(told, [answer]);
        world.frames - before
    });
    assert_eq!(pictures, [pictures[0]; 4]);
}

#[test]
fn r1_whoever_the_roster_erases_is_refused_also_where_power_fails_in_the_middle_of_it() {
    let arrives = [Event::Appear(Figure::Live(5)), Event::Look(8)];
    let leaves = [Event::Appear(Figure::Nobody), Event::Wait(40_000), Event::Look(3)];
    for effects in 0..3 {
        let mut world = world(OnTamper::Report);
        assert_eq!(
            play(&mut world, &[&[Event::Roster(Edit::Put(5, false))][..], &arrives].concat()),
            ["granted"]
        );
        play(&mut world, &leaves);
        let lives = world.lives;
        let cut = [Event::PowerCut(effects), Event::Roster(Edit::Erase(5)), Event::Wait(50), Event::Wait(50)];
        play(&mut world, &cut);
        assert_eq!(world.lives, lives + u32::from(effects < 2), "{effects}");
        assert_eq!(world.followed(), 2);
        let told = play(&mut world, &arrives);
        assert!(!told.contains(&"granted".to_owned()), "{told:?}");
    }
}

#[test]
fn m13_whoever_is_denied_does_not_pass_until_that_ends_whatever_the_roster_puts_meanwhile() {
    let mut world = world(OnTamper::Report);
    let arrives = [Event::Appear(Figure::Live(0)), Event::Look(8)];
    let deny = |whom: &[u8]| Input::Deny(whom.iter().map(|who| name(*who)).collect());
    world.step(deny(&[0]));
    assert_eq!(play(&mut world, &[Event::Roster(Edit::Put(0, false))]), [""; 0]);
    assert_eq!(play(&mut world, &arrives), ["suspended"]);
    play(&mut world, &[Event::Appear(Figure::Nobody), Event::Wait(40_000)]);
    world.step(deny(&[]));
    assert_eq!(play(&mut world, &arrives), ["granted"]);
}

#[test]
fn m8_a_change_that_nobody_can_use_is_on_record_and_holds_nothing_up() {
    let mut world = world(OnTamper::Report);
    let told =
        play(&mut world, &[Event::Roster(Edit::Broken(5)), Event::Appear(Figure::Live(5)), Event::Look(8)]);
    assert_eq!(told, ["left out", "left out", "left out", "left out", "left out", "granted"]);
}

#[test]
fn an_ordered_start_locks_first_comes_after_its_receipt_and_is_on_record() {
    let mut world = world(OnTamper::Report);
    play(&mut world, &[Event::Order(Wish::Unlock, Blemish::None)]);
    let told = play(&mut world, &[Event::Order(Wish::Reboot, Blemish::None), Event::Wait(1_000)]);
    assert_eq!(told, ["reboot_ordered"]);
    assert!(world.wires().released.is_some(), "the pulse goes on meanwhile");
    assert_eq!(play(&mut world, &[Event::Wait(1_100)]), ["other"], "it stopped");
    assert!(world.wires().released.is_none());
}

#[test]
fn d6_fire_during_lockdown_and_over_a_restart_ends_where_it_began() {
    let mut world = world(OnTamper::Report);
    let told = play(&mut world, &[Event::Order(Wish::Lockdown, Blemish::None), Event::Fire(true)]);
    assert_eq!(told, ["lockdown_ordered", "lockdown", "released for fire", "lockdown_over", "fire"]);
    assert!(world.wires().released.is_some());
    let told = play(&mut world, &[Event::Restart]);
    let expected = ["other", "lockdown", "released for fire", "lockdown_over", "fire"];
    assert_eq!(told, expected, "fire at the start");
    assert!(world.wires().released.is_some());
    let told = play(&mut world, &[Event::Fire(false), Event::Appear(Figure::Live(0)), Event::Look(8)]);
    assert_eq!(told, ["fire_over", "lockdown", "lockdown"], "the lockdown is back and refuses");
    assert!(world.wires().released.is_none());
}

#[test]
fn d5_mains_that_fails_is_told_and_nothing_else_changes() {
    let mut world = world(OnTamper::Report);
    let told = play(&mut world, &[Event::PowerFail(true), Event::Wait(500), Event::PowerFail(false)]);
    assert_eq!(told, ["power_failed", "power_restored"]);
    world.pass(Duration::from_secs(1));
    assert!(world.wires().releases.is_empty());
}
