//! The door's ways, told as times and inputs.

use doorward_protocol::audit::{ClockTrust, What};

use super::*;
use crate::audit::{Journal, JournalFault, record};
use crate::time::Wall;

struct Paper(u64);

impl Journal for Paper {
    fn append(&mut self, _: &What, _: Wall) -> Result<u64, JournalFault> {
        self.0 += 1;
        Ok(self.0)
    }
}

fn grant(seconds: u64) -> Input {
    let grant = Grant::self_test("front".parse().unwrap(), Duration::from_secs(seconds));
    Input::Granted(record(&mut Paper(0), grant, Wall { ms: 0, trust: ClockTrust::Unknown }).unwrap())
}

fn s(seconds: u64) -> Mono {
    Mono::from_millis(seconds * 1000)
}

/// Runs inputs at whole seconds and returns the last state and all reports and lock movements.
fn run(inputs: Vec<(u64, Input)>) -> (State, Vec<String>) {
    let mut door = Door::new(Settings::default());
    let mut log = Vec::new();
    for (at, input) in inputs {
        let (next, effects) = door.handle(input, s(at));
        door = next;
        for effect in effects {
            log.push(match effect {
                Effect::Unlock(_) => format!("{at} unlock"),
                Effect::Lock => format!("{at} lock"),
                Effect::Report(event) => format!("{at} {}", event.code()),
            });
        }
    }
    (door.state(), log)
}

#[test]
fn a_passage_unlocks_opens_closes_and_locks() {
    let (state, log) = run(vec![
        (0, Input::Contact(false)),
        (1, grant(5)),
        (1, Input::RelayReleased),
        (2, Input::Contact(true)),
        (4, Input::Contact(false)),
    ]);
    assert_eq!(state, State::Secured);
    assert_eq!(log, ["1 unlock", "2 opened", "4 lock", "4 closed"]);
}

#[test]
fn an_unused_grant_locks_by_itself() {
    let (state, log) =
        run(vec![(0, Input::Contact(false)), (1, grant(5)), (1, Input::RelayReleased), (6, Input::Tick)]);
    assert_eq!((state, log), (State::Secured, vec!["1 unlock".into(), "6 lock".into(), "6 not_used".into()]));
}

#[test]
fn d3_forced_and_held_open_are_reported_once_and_cleared_once() {
    let (_, forced) = run(vec![
        (0, Input::Contact(false)),
        (1, Input::Contact(true)),
        (1, Input::Contact(true)),
        (9, Input::Contact(false)),
    ]);
    assert_eq!(forced, ["1 forced", "9 forced_cleared", "9 closed"]);
    let (_, held) = run(vec![
        (0, Input::Contact(false)),
        (1, grant(5)),
        (1, Input::RelayReleased),
        (2, Input::Contact(true)),
        (6, Input::Tick),
        (32, Input::Tick),
        (40, Input::Tick),
        (50, Input::Contact(false)),
    ]);
    assert_eq!(held, ["1 unlock", "2 opened", "6 lock", "32 held_open", "50 held_open_cleared", "50 closed"]);
}

#[test]
fn d4_a_relay_that_never_confirms_is_locked_and_reported() {
    let (state, log) = run(vec![(0, Input::Contact(false)), (1, grant(5)), (2, Input::Tick)]);
    assert_eq!(
        (state, log.as_slice()),
        (State::Secured, &["1 unlock".to_owned(), "2 lock".into(), "2 relay_failed".into()][..])
    );
}

#[test]
fn d6_fire_beats_lockdown_and_a_grant_in_lockdown_moves_nothing() {
    let (state, log) = run(vec![
        (0, Input::Contact(false)),
        (1, Input::Lockdown(true)),
        (2, grant(5)),
        (3, Input::Fire { release: None }),
        (4, Input::Lockdown(true)),
        (5, Input::FireOver),
    ]);
    assert_eq!(state, State::Secured);
    assert_eq!(log, ["1 lock", "1 lockdown", "3 lockdown_over", "3 fire", "5 lock", "5 fire_over"]);
}

#[test]
fn d7_a_second_grant_within_the_pulse_extends_it_up_to_the_bound() {
    let (state, _) = run(vec![
        (0, Input::Contact(false)),
        (1, grant(5)),
        (1, Input::RelayReleased),
        (3, grant(3600)),
        (3, Input::RelayReleased),
    ]);
    assert_eq!(state, State::Unlocked { until: s(33) });
}

#[test]
fn d6_people_may_leave_in_lockdown_and_the_lock_returns() {
    let (state, log) = run(vec![
        (0, Input::Contact(false)),
        (1, Input::Lockdown(true)),
        (2, Input::Egress { release: None, open_for: Duration::from_secs(5) }),
        (3, Input::Contact(true)),
        (4, Input::Contact(false)),
        (7, Input::Tick),
    ]);
    assert_eq!(state, State::Lockdown { leaf: Leaf::Closed, relock_at: None });
    assert_eq!(log, ["1 lock", "1 lockdown", "3 opened", "4 closed", "7 lock"]);
}

#[test]
fn leaving_by_egress_hardware_is_no_forced_door() {
    let (state, log) = run(vec![
        (0, Input::Contact(false)),
        (1, Input::Egress { release: None, open_for: Duration::from_secs(5) }),
        (2, Input::Contact(true)),
        (3, Input::Contact(false)),
    ]);
    assert_eq!((state, log), (State::Secured, vec!["2 opened".into(), "3 lock".into(), "3 closed".into()]));
}

#[test]
fn d6_lockdown_that_ends_while_somebody_leaves_locks() {
    let (state, log) = run(vec![
        (0, Input::Contact(false)),
        (1, Input::Lockdown(true)),
        (2, Input::Egress { release: None, open_for: Duration::from_secs(5) }),
        (3, Input::Lockdown(false)),
    ]);
    assert_eq!(
        (state, log.as_slice()[2..].to_vec()),
        (State::Secured, vec!["3 lock".to_owned(), "3 lockdown_over".into()])
    );
}

#[test]
fn d7_a_grant_while_the_door_is_held_open_or_forced_moves_nothing_and_hides_no_alarm() {
    let (state, log) = run(vec![
        (0, Input::Contact(true)),
        (30, Input::Tick),
        (31, grant(5)),
        (32, Input::Contact(false)),
        (40, Input::Contact(true)),
        (41, grant(5)),
    ]);
    assert_eq!(state, State::Forced);
    assert_eq!(log, ["30 held_open", "32 held_open_cleared", "32 closed", "40 forced"]);
}

#[test]
fn d3_a_leaf_that_bounces_is_no_forced_door() {
    let mut door = Door::new(Settings::default());
    let mut log = Vec::new();
    for (ms, open) in [(0, false), (1000, true), (2000, false), (2080, true), (2200, false), (9000, true)] {
        let (next, effects) = door.handle(Input::Contact(open), Mono::from_millis(ms));
        door = next;
        log.extend(effects.into_iter().map(|effect| match effect {
            Effect::Report(event) => event.code(),
            Effect::Unlock(_) | Effect::Lock => "the lock moved",
        }));
    }
    assert_eq!(log, ["forced", "forced_cleared", "closed", "opened", "closed", "forced"]);
}

#[test]
fn d3_a_door_that_opens_before_the_relay_answers_was_opened_by_the_grant() {
    let (_, log) = run(vec![(0, Input::Contact(false)), (1, grant(5)), (1, Input::Contact(true))]);
    assert_eq!(log, ["1 unlock", "1 opened"]);
}

#[test]
fn d2_a_door_whose_exit_button_is_down_is_never_forced_and_egress_outlives_a_broken_relay() {
    let open_for = Duration::from_secs(5);
    let (_, held) = run(vec![
        (0, Input::Contact(false)),
        (1, Input::EgressHeld),
        (1, Input::Egress { release: None, open_for }),
        (6, Input::Tick),
        (60, Input::Contact(true)),
        (61, Input::Contact(false)),
        (70, Input::EgressOver { open_for }),
        (74, Input::Contact(true)),
        (75, Input::Contact(false)),
        (80, Input::Contact(true)),
    ]);
    let expected = ["6 lock", "6 not_used", "60 opened", "61 closed", "74 opened", "75 closed", "80 forced"];
    assert_eq!(held, expected);
    let (_, broken) = run(vec![
        (0, Input::Contact(false)),
        (1, Input::Egress { release: None, open_for }),
        (1, Input::RelayFailed),
        (3, Input::Contact(true)),
    ]);
    assert_eq!(broken, ["1 lock", "1 relay_failed", "3 opened"]);
}

#[test]
fn d7_leaving_within_a_granted_pulse_does_not_shorten_it() {
    let (state, _) = run(vec![
        (0, Input::Contact(false)),
        (1, grant(20)),
        (1, Input::RelayReleased),
        (2, Input::Egress { release: None, open_for: Duration::from_secs(5) }),
    ]);
    assert_eq!(state, State::Unlocked { until: s(21) });
}

#[test]
fn d3_alarms_survive_a_lockdown_and_are_cleared_once() {
    let (_, forced) = run(vec![
        (0, Input::Contact(false)),
        (1, Input::Contact(true)),
        (2, Input::Lockdown(true)),
        (3, Input::Contact(false)),
        (5, Input::Contact(true)),
        (6, Input::Lockdown(false)),
        (7, Input::Contact(false)),
    ]);
    let expected = [
        "1 forced",
        "2 lock",
        "2 lockdown",
        "3 forced_cleared",
        "3 closed",
        "5 forced",
        "6 lockdown_over",
        "7 forced_cleared",
        "7 closed",
    ];
    assert_eq!(forced, expected);
    let (_, held) = run(vec![
        (0, Input::Contact(false)),
        (1, Input::Lockdown(true)),
        (2, Input::Egress { release: None, open_for: Duration::from_secs(5) }),
        (3, Input::Contact(true)),
        (40, Input::Tick),
        (41, Input::Contact(false)),
    ]);
    let expected =
        ["1 lock", "1 lockdown", "3 opened", "40 lock", "40 held_open", "41 held_open_cleared", "41 closed"];
    assert_eq!(held, expected);
}

#[test]
fn d6_fire_ends_an_alarm_and_a_lockdown_and_makes_an_open_door_right() {
    let (state, log) = run(vec![
        (0, Input::Contact(false)),
        (1, Input::Contact(true)),
        (2, Input::Lockdown(true)),
        (3, Input::Fire { release: None }),
        (4, Input::Contact(false)),
        (5, Input::Contact(true)),
        (60, Input::Tick),
        (61, Input::FireOver),
    ]);
    assert_eq!(state, State::Open { since: s(61), relock_at: None });
    let expected = [
        "1 forced",
        "2 lock",
        "2 lockdown",
        "3 forced_cleared",
        "3 lockdown_over",
        "3 fire",
        "61 lock",
        "61 fire_over",
    ];
    assert_eq!(log, expected);
}

#[test]
fn d6_a_start_into_lockdown_or_fire_finds_an_open_door_without_an_alarm() {
    let (state, log) = run(vec![(0, Input::Lockdown(true)), (0, Input::Contact(true))]);
    assert_eq!(state, State::Lockdown { leaf: Leaf::Open { since: s(0) }, relock_at: None });
    assert_eq!(log, ["0 lock", "0 lockdown"]);
    let (state, log) = run(vec![(0, Input::Fire { release: None }), (1, Input::FireOver)]);
    assert_eq!((state, log), (State::Unknown, vec!["0 fire".into(), "1 lock".into(), "1 fire_over".into()]));
}
