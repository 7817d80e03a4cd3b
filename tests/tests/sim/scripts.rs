//! Single attacks on the door, told event by event, with everything the terminal put on record.

use std::time::Duration;

use doorward_core::claim::Mode;
use doorward_core::decision::{Cue, Reject};
use doorward_core::door::{OnTamper, Point};
use doorward_core::liveness::{Asks, Fitted, Level, Mirrors, Policy};
use doorward_daemon::terminal::Input;
use doorward_protocol::audit::{Entry, What};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use crate::event::{Event, Purse};
use crate::eyes::{Figure, Reproduction};
use crate::office::{Blemish, Wish};
use crate::proof::Lamp;
use crate::roster::Edit;
use crate::world::{World, name};

/// A world where a face is all a door asks for, and what follows when its case is opened.
pub(crate) fn world(on_tamper: OnTamper) -> World {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut world = World::new(1, &mut rng);
    world.model.on_tamper = on_tamper;
    world.model.workdays_only = false;
    world.model.mode = Mode::Face;
    world.model.policy = Policy::default();
    world.happen(&Event::Restart);
    world
}

/// Plays events, and returns what they put on record, in words; people who pass are `granted`.
pub(crate) fn play(world: &mut World, events: &[Event]) -> Vec<String> {
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
        What::Pictured(pictured) => format!("picture of {}", pictured.person),
        What::Asked(asked) => format!("{}: {}, {} times", asked.question, asked.answer, asked.count),
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
fn m14_whoever_is_put_after_the_key_was_rotated_passes_also_where_the_terminal_lost_what_it_was_handed() {
    let mut world = world(OnTamper::Report);
    play(&mut world, &[Event::Roster(Edit::Rotate), Event::Restart]);
    for who in [5, 6] {
        let put = Event::Roster(Edit::Put(who, false));
        let told = play(&mut world, &[put, Event::Appear(Figure::Live(who)), Event::Look(8)]);
        assert_eq!(told, ["granted"], "nothing is left out");
        play(&mut world, &[Event::Appear(Figure::Nobody), Event::Wait(40_000), Event::Roster(Edit::Rotate)]);
    }
    play(&mut world, &[Event::Link(false), Event::Roster(Edit::Rotate), Event::Roster(Edit::Put(7, false))]);
    play(&mut world, &[Event::Restart, Event::Link(true)]);
    let told = play(&mut world, &[Event::Wait(1_000), Event::Appear(Figure::Live(7)), Event::Look(8)]);
    assert_eq!(told, ["granted"], "after it was away");
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
fn d9_whoever_was_erased_because_the_case_was_opened_comes_back_by_an_order_behind_a_locked_door() {
    let mut world = world(OnTamper::Erase);
    let arrives = [Event::Appear(Figure::Live(5)), Event::Look(8)];
    let leaves = [Event::Appear(Figure::Nobody), Event::Wait(40_000), Event::Look(3)];
    play(&mut world, &[Event::Roster(Edit::Put(5, false)), Event::Roster(Edit::Put(6, false))]);
    play(
        &mut world,
        &[Event::Roster(Edit::Erase(6)), Event::Tamper(true), Event::Wait(1_000), Event::Tamper(false)],
    );
    assert!(!play(&mut world, &arrives).contains(&"granted".to_owned()), "nobody is known");
    play(&mut world, &leaves);
    let refill = Event::Order(Wish::Refill, Blemish::None);
    assert_eq!(
        play(&mut world, std::slice::from_ref(&refill)),
        [""; 0],
        "refused while the door is not locked down"
    );
    play(&mut world, &[Event::Order(Wish::Lockdown, Blemish::None), refill, Event::Wait(3_000)]);
    assert!(world.has_all_that_was_signed(), "all of it was taken anew");
    play(&mut world, &[Event::Order(Wish::Release, Blemish::None)]);
    assert!(play(&mut world, &arrives).contains(&"granted".to_owned()));
    play(&mut world, &leaves);
    let other = play(&mut world, &[Event::Appear(Figure::Live(6)), Event::Look(8)]);
    assert!(!other.contains(&"granted".to_owned()), "whoever the roster erased stays erased: {other:?}");
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

/// A world whose door asks for this as proof of life, with a permitted person who does as told.
fn asking(policy: Policy) -> World {
    let mut world = world(OnTamper::Report);
    world.model.policy = policy;
    world.happen(&Event::Restart);
    world
}

/// Everything is fitted, and the light follows a pattern.
const WITH_LIGHT: Policy = Policy {
    level: Level::Standard,
    fitted: Fitted { infrared: true, depth: true },
    rgb_min: 0.5,
    window_min: 60.0,
    depth_fov: 70.0,
    emitter: true,
    asks: Asks::Never,
    glint: Mirrors::Off,
};

#[test]
fn p9_a_covered_emitter_and_a_foreign_lamp_never_open_and_a_light_that_is_followed_does() {
    let ada = [Event::Appear(Figure::Live(0)), Event::Look(60)];
    assert_eq!(play(&mut asking(WITH_LIGHT), &ada)[0], "granted");
    for (lamp, expected) in [(Lamp::Covered, "not_live"), (Lamp::Foreign, "not_live")] {
        let mut world = asking(WITH_LIGHT);
        let told = play(&mut world, &[&[Event::Lamp(lamp)][..], &ada].concat());
        assert!(!told.contains(&"granted".to_owned()), "{lamp:?}: {told:?}");
        assert!(told.contains(&expected.to_owned()), "{lamp:?}: {told:?}");
        assert!(world.wires().releases.is_empty());
    }
}

#[test]
fn p6_eyes_that_mirror_no_light_prove_nothing_where_they_are_asked_to_and_open_ones_do() {
    let fitted = Fitted { infrared: true, depth: false };
    let asked = Policy { fitted, glint: Mirrors::Required, ..Policy::default() };
    let ada = [Event::Appear(Figure::Live(0)), Event::Look(20)];
    assert_eq!(play(&mut asking(asked), &ada)[0], "granted");
    let mut world = asking(asked);
    let told = play(&mut world, &[&[Event::Closed(true)][..], &ada].concat());
    assert_eq!(told, [""; 0], "somebody may open the eyes yet");
    assert_eq!(play(&mut world, &[Event::Closed(false), Event::Look(6)])[0], "granted");
    let print = [Event::Appear(Figure::Reproduced(0, Reproduction::PerfectPrint)), Event::Look(70)];
    let told = play(&mut asking(asked), &print);
    assert!(!told.is_empty() && told.iter().all(|reason| reason == "unproven"), "{told:?}");
}

#[test]
fn p6_eyes_that_mirror_no_light_are_asked_for_a_movement_where_one_will_do() {
    let fitted = Fitted { infrared: true, depth: false };
    let asked = Policy { fitted, glint: Mirrors::OrMovement, ..Policy::default() };
    let stands = |figure| [Event::Closed(true), Event::Appear(figure), Event::Look(160)];
    assert_eq!(play(&mut asking(asked), &stands(Figure::Live(0)))[0], "granted");
    for kind in [Reproduction::PerfectPrint, Reproduction::RigidMask] {
        let told = play(&mut asking(asked), &stands(Figure::Reproduced(0, kind)));
        assert!(!told.is_empty() && told.iter().all(|reason| reason == "unanswered"), "{kind:?}: {told:?}");
    }
}

#[test]
fn p6_at_high_a_rigid_mask_turns_as_told_and_is_refused_for_it_does_not_smile() {
    let high = Policy { level: Level::High, asks: Asks::Always, ..WITH_LIGHT };
    let shows = |figure| [Event::Appear(figure), Event::Look(160)];
    assert_eq!(play(&mut asking(high), &shows(Figure::Live(0)))[0], "granted");
    let mask = Figure::Reproduced(0, Reproduction::RigidMask);
    let told = play(&mut asking(high), &shows(mask));
    assert!(!told.is_empty() && told.iter().all(|reason| reason == "unanswered"), "{told:?}");
    let told = play(&mut asking(Policy { asks: Asks::Never, ..WITH_LIGHT }), &shows(mask));
    assert_eq!(told[0], "granted", "a known weakness where nobody is asked to move");
}

#[test]
fn p1_a_photo_that_is_moved_as_told_is_refused_where_colour_stands_alone() {
    let alone = Policy { asks: Asks::Always, ..Policy::colour_alone() };
    let shows = |figure| [Event::Appear(figure), Event::Look(70)];
    assert_eq!(play(&mut asking(alone), &shows(Figure::Live(0)))[0], "granted");
    let photo = Figure::Reproduced(0, Reproduction::PerfectPrint);
    let told = play(&mut asking(alone), &shows(photo));
    assert!(!told.is_empty() && told.iter().all(|reason| reason == "unanswered"), "{told:?}");
    let told = play(&mut asking(Policy::colour_alone()), &shows(photo));
    assert_eq!(
        told[0], "granted",
        "without a challenge a good photograph passes, and the record says convenience"
    );
}

#[test]
fn whoever_cannot_move_as_asked_shows_a_card_instead() {
    let mut world = asking(Policy { asks: Asks::Always, ..Policy::default() });
    world.model.mode = Mode::FaceOrCardAndFace;
    world.happen(&Event::Restart);
    let stands = [Event::Obedient(false), Event::Appear(Figure::Live(0)), Event::Look(10)];
    assert_eq!(play(&mut world, &stands), [""; 0], "asked, and nothing happens");
    assert_eq!(play(&mut world, &[Event::Card(Purse::Own(0)), Event::Look(6)]), ["granted"]);
}

#[test]
fn p1_a_photo_that_is_withdrawn_again_and_again_is_counted() {
    let mut world = world(OnTamper::Report);
    let print = Figure::Reproduced(0, Reproduction::Print);
    let flash = [Event::Appear(print), Event::Look(1), Event::Appear(Figure::Nobody), Event::Look(9)];
    let told = play(&mut world, &[&flash[..], &flash].concat());
    assert_eq!(told, ["not_live"], "a second glimpse of it within half a minute");
}

#[test]
fn p12_five_failed_checks_lock_faces_out_visibly_and_over_a_restart() {
    let mut world = world(OnTamper::Report);
    let print = Figure::Reproduced(0, Reproduction::Print);
    let attack = [Event::Appear(print), Event::Look(4), Event::Appear(Figure::Nobody), Event::Wait(17_000)];
    (0..5).for_each(|_| drop(play(&mut world, &attack)));
    for _ in 0..2 {
        play(&mut world, &[Event::Wait(40_000)]);
        let stands = world.standing().expect("a terminal");
        assert!(stands.locked_out_until_ms.is_some());
        assert_eq!(*world.shown.lock().unwrap(), Some(Cue::Denied(Reject::LockedOut)));
        let told = play(&mut world, &[Event::Appear(Figure::Live(0)), Event::Look(6)]);
        assert_eq!(told, ["locked_out"]);
        play(&mut world, &[Event::Appear(Figure::Nobody), Event::Restart]);
    }
    let told = play(&mut world, &[Event::Wait(1_800_000), Event::Appear(Figure::Live(0)), Event::Look(6)]);
    assert_eq!(told, ["lockout faces cleared", "granted"]);
}

#[test]
fn d5_mains_that_fails_is_told_and_nothing_else_changes() {
    let mut world = world(OnTamper::Report);
    let told = play(&mut world, &[Event::PowerFail(true), Event::Wait(500), Event::PowerFail(false)]);
    assert_eq!(told, ["power_failed", "power_restored"]);
    world.pass(Duration::from_secs(1));
    assert!(world.wires().releases.is_empty());
}
