//! How terminals are, as the hub sees it: only what is newer counts, and silence is shown as such.

use doorward_hub::kept::{self, Page, Presence};
use doorward_protocol::audit::LivenessLevel;
use doorward_protocol::ids::SiteId;
use doorward_protocol::message::{List, Text};
use doorward_protocol::presence::{Health, State};

use crate::cluster::on_each;
use crate::site::{Author, Hub, NOW_MS, STRANGER, Terminal, door, fault, signed, started};

fn site() -> SiteId {
    "hq".parse().unwrap()
}

fn seen(hub: &mut Hub) -> kept::Terminal {
    hub.database.read(|t| kept::terminal(t, &site(), &"t0".parse().unwrap())).unwrap().unwrap()
}

#[test]
fn m15_a_terminal_that_says_nothing_new_is_silent_however_often_the_broker_repeats_it() {
    on_each(|address| {
        let mut author = Author::new(1);
        let mut hub = Hub::following(address, &author);
        let terminal = Terminal::new(0);
        let online = terminal.says_state(1, &terminal.state(1, 1, true));
        hub.take(&mut author, std::slice::from_ref(&online));
        assert_eq!(seen(&mut hub).presence(NOW_MS + 1000), Presence::Online);
        let later = NOW_MS + 10 * 60_000;
        hub.centre.take(&mut hub.database, &[online], later).unwrap();
        let seen = seen(&mut hub);
        assert_eq!((seen.heard_ms, seen.presence(later)), (NOW_MS, Presence::Silent));
    });
}

#[test]
fn m15_the_newest_state_stands_in_whatever_order_they_arrive() {
    on_each(|address| {
        let mut author = Author::new(1);
        let mut hub = Hub::following(address, &author);
        let mut terminal = Terminal::new(0);
        terminal.decide(300);
        let states = [
            (terminal.says_state(2, &terminal.state(1, 1, true)), Presence::Online),
            (terminal.says_state(1, &terminal.state(1, 1, false)), Presence::Away),
            (terminal.says_state(3, &terminal.state(1, 2, true)), Presence::Online),
            (terminal.says_state(1, &terminal.state(200, 1, true)), Presence::Online),
        ];
        for (state, presence) in &states {
            hub.take(&mut author, std::slice::from_ref(state));
            assert_eq!(seen(&mut hub).presence(NOW_MS), *presence);
            let newest = seen(&mut hub);
            for (older, _) in &states {
                if older == state {
                    break;
                }
                hub.take(&mut author, std::slice::from_ref(older));
            }
            assert_eq!(seen(&mut hub), newest, "what is older changes nothing");
        }
        let mut renewed = Terminal::with_store(0, 77);
        renewed.decide(1);
        hub.take(&mut author, &[renewed.says_state(1, &renewed.state(1, 1, false))]);
        hub.take(&mut author, &[states[3].0.clone()]);
        assert_eq!(
            seen(&mut hub).presence(NOW_MS),
            Presence::Away,
            "a store that is new outlives the old one"
        );
    });
}

#[test]
fn m15_a_last_will_ends_a_connection_and_takes_back_nothing_that_was_said_on_it() {
    on_each(|address| {
        let mut author = Author::new(1);
        let mut hub = Hub::following(address, &author);
        let mut terminal = Terminal::new(0);
        let will = terminal.says_state(1, &terminal.state(1, 1, false));
        terminal.decide(7);
        let said = terminal.says_state(2, &terminal.state(1, 1, true));
        hub.take(&mut author, std::slice::from_ref(&said));
        let before = seen(&mut hub);
        hub.take(&mut author, &[will]);
        let after = seen(&mut hub);
        assert_eq!(after.presence(NOW_MS), Presence::Away);
        assert_eq!(after.signed, Some(said.payload), "what it signed last, as it signed it");
        let told = |seen: &kept::Terminal| (seen.trail_seq, seen.roster_seq, seen.roster_state);
        assert_eq!(told(&after), told(&before));
    });
}

#[test]
fn p9_a_terminal_says_at_the_centre_that_a_photograph_may_pass_and_an_older_one_is_unknown() {
    on_each(|address| {
        let mut author = Author::new(2);
        let mut hub = Hub::following(address, &author);
        let (alone, older) = (Terminal::new(0), Terminal::new(1));
        let mut says = |hub: &mut Hub, terminal: &Terminal, seq, level, online| {
            let state = State { level, ..terminal.state(1, 1, online) };
            hub.take(&mut author, &[terminal.says_state(seq, &state)]);
        };
        let levels = |hub: &mut Hub| {
            let found = hub.database.read(|t| kept::terminals(t, &site(), "", 10)).unwrap();
            let totals = hub.database.read(|t| kept::totals(t, &site(), 1, NOW_MS)).unwrap();
            (found.iter().map(|terminal| terminal.level).collect::<Vec<_>>(), totals.convenience)
        };
        let convenience = Some(LivenessLevel::Convenience);
        says(&mut hub, &alone, 1, convenience, true);
        says(&mut hub, &older, 1, None, true);
        assert_eq!(levels(&mut hub), (vec![convenience, None], 1));
        says(&mut hub, &alone, 2, convenience, false);
        assert_eq!(levels(&mut hub), (vec![convenience, None], 1), "also when it is away");
        says(&mut hub, &older, 2, Some(LivenessLevel::High), true);
        assert_eq!(levels(&mut hub), (vec![convenience, Some(LivenessLevel::High)], 1));
    });
}

#[test]
fn m15_a_state_that_somebody_else_signed_is_refused() {
    on_each(|address| {
        let mut author = Author::new(2);
        let mut hub = Hub::following(address, &author);
        let (terminal, other) = (Terminal::new(0), Terminal::new(1));
        let state = terminal.state(1, 1, true);
        for seed in [STRANGER, other.seed] {
            let forged = terminal.says("state", signed(Some(&terminal.name), 1, &state, seed));
            hub.take(&mut author, &[forged]);
        }
        let found = hub.database.read(|t| kept::terminals(t, &site(), "", 10)).unwrap();
        assert_eq!(found, []);
    });
}

#[test]
fn r1_a_terminal_that_does_not_hold_what_was_signed_is_an_alarm() {
    on_each(|address| {
        let mut author = Author::new(1);
        let mut hub = Hub::following(address, &author);
        let terminal = Terminal::new(0);
        let mut state = terminal.state(1, 1, true);
        state.roster.state = author.follower().tree().root().into();
        let alarms = |hub: &mut Hub| {
            let found = hub.database.read(|t| kept::open_alarms(t, &site(), Page::newest(10))).unwrap();
            found.into_iter().map(|alarm| alarm.what).collect::<Vec<_>>()
        };
        hub.take(&mut author, &[terminal.says_state(1, &state)]);
        let standing = hub.tally.counts().heads[&site()];
        assert_eq!((seen(&mut hub).holds(&standing), alarms(&mut hub)), (Some(true), vec![]));
        state.roster.state = [5; 32].into();
        hub.take(&mut author, &[terminal.says_state(2, &state)]);
        assert_eq!(seen(&mut hub).holds(&standing), Some(false));
        assert_eq!(alarms(&mut hub), ["seen here: another state than was signed"]);
        state.roster.state = standing.state.into();
        hub.take(&mut author, &[terminal.says_state(3, &state)]);
        assert_eq!(alarms(&mut hub), [""; 0], "it is over when the terminal holds what was signed");
        let entry = author.put("ada");
        hub.centre.append(&mut hub.database, &site(), &entry).unwrap();
        let standing = hub.tally.counts().heads[&site()];
        assert_eq!(seen(&mut hub).holds(&standing), None, "it is behind");
    });
}

#[test]
fn health_belongs_to_the_life_that_reports_it() {
    on_each(|address| {
        let mut author = Author::new(1);
        let mut hub = Hub::following(address, &author);
        let terminal = Terminal::new(0);
        let health = |session: u8, seq: u64, waiting: u64| {
            let health = Health {
                session: [session; 16].into(),
                up_s: 60,
                waiting,
                memory_kib: Some(200_000),
                room_kib: None,
                temperature_mc: Some(-4_000),
                faults: List::first([Text::cut("camera")]),
            };
            terminal.says("health", signed(Some(&terminal.name), seq, &health, terminal.seed))
        };
        hub.take(&mut author, &[terminal.says_state(1, &terminal.state(1, 1, true))]);
        hub.take(&mut author, &[health(1, 5, 40)]);
        hub.take(&mut author, &[health(1, 4, 30), health(2, 9, 20)]);
        let seen = seen(&mut hub);
        assert_eq!((seen.waiting, seen.temperature_mc), (Some(40), Some(-4_000)));
        assert_eq!(seen.faults.as_deref(), Some("camera"));
        let later = NOW_MS + 5 * 60_000;
        hub.centre.take(&mut hub.database, &[health(1, 6, 0)], later).unwrap();
        assert_eq!(self::seen(&mut hub).presence(later + 1000), Presence::Online, "health is a sign of life");
    });
}

#[test]
fn alarms_follow_the_trail_and_a_start_clears_what_the_terminal_set() {
    on_each(|address| {
        let mut author = Author::new(1);
        let mut hub = Hub::following(address, &author);
        let mut terminal = Terminal::new(0);
        let open = |hub: &mut Hub| -> Vec<String> {
            let found = hub.database.read(|t| kept::open_alarms(t, &site(), Page::newest(10))).unwrap();
            found.into_iter().map(|alarm| alarm.what).collect()
        };
        for what in [door("forced"), fault("camera", true), door("opened"), door("held_open")] {
            terminal.record(what);
        }
        hub.take(&mut author, &[terminal.sent(1, 4)]);
        assert_eq!(open(&mut hub), ["held_open", "fault camera", "forced"]);
        for what in [door("forced_cleared"), fault("camera", false), door("forced")] {
            terminal.record(what);
        }
        hub.take(&mut author, &[terminal.sent(5, 7), terminal.sent(1, 4)]);
        assert_eq!(open(&mut hub), ["forced", "held_open"]);
        terminal.record(started());
        hub.take(&mut author, &[terminal.sent(8, 8)]);
        assert_eq!(open(&mut hub), [""; 0]);
        let all = hub.database.read(|t| kept::alarms(t, &site(), Page::newest(2))).unwrap();
        assert_eq!(all.iter().map(|alarm| &alarm.what[..]).collect::<Vec<_>>(), ["forced", "held_open"]);
        let next = Page { before: all[1].number, count: 10 };
        let rest = hub.database.read(|t| kept::alarms(t, &site(), next)).unwrap();
        assert_eq!(rest.iter().map(|alarm| &alarm.what[..]).collect::<Vec<_>>(), ["fault camera", "forced"]);
    });
}

#[test]
fn pages_are_bounded_complete_and_in_one_order_on_both_databases() {
    let orders = std::cell::RefCell::new(Vec::new());
    on_each(|address| {
        let mut author = Author::new(3);
        let mut hub = Hub::following(address, &author);
        for number in 0..3 {
            let mut terminal = Terminal::new(number);
            terminal.decide(200);
            let state = terminal.says_state(1, &terminal.state(1, 1, true));
            hub.take(&mut author, &[terminal.sent(1, 200), state]);
        }
        let mut page = Page::newest(70);
        let mut events = Vec::new();
        loop {
            let found = hub.database.read(|t| kept::events(t, &site(), None, None, page)).unwrap();
            let Some(last) = found.last() else { break };
            page.before = last.number;
            events.extend(found.into_iter().map(|event| (event.terminal, event.seq)));
        }
        assert_eq!(events.len(), 600);
        let many =
            hub.database.read(|t| kept::events(t, &site(), None, None, Page::newest(100_000))).unwrap();
        assert_eq!(many.len(), kept::PAGE_MAX);
        let ada = "ada".parse().unwrap();
        let one = "t1".parse().unwrap();
        let about = hub
            .database
            .read(|t| kept::events(t, &site(), Some(&one), Some(&ada), Page::newest(500)))
            .unwrap();
        assert_eq!(about.len(), 100);
        let people = hub.database.read(|t| kept::people(t, &site(), "ada", 10)).unwrap();
        assert_eq!(people.iter().map(|one| one.person.as_str()).collect::<Vec<_>>(), ["bob"]);
        let terminals = hub.database.read(|t| kept::terminals(t, &site(), "t0", 1)).unwrap();
        assert_eq!(terminals[0].terminal.as_str(), "t1");
        let totals = hub.database.read(|t| kept::totals(t, &site(), 5, NOW_MS)).unwrap();
        assert_eq!((totals.terminals, totals.online, totals.silent, totals.behind), (3, 3, 0, 3));
        orders.borrow_mut().push(events);
    });
    let orders = orders.into_inner();
    assert!(orders.windows(2).all(|pair| pair[0] == pair[1]));
}
