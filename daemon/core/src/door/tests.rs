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
    assert_eq!(log, ["1 lock", "1 lockdown", "3 fire", "5 lock", "5 fire_over"]);
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
    assert_eq!(state, State::Lockdown { open: false, relock_at: None });
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
