//! What is believed of a centre behind a hostile broker, told message by message.

use doorward_protocol::command::Command;
use doorward_protocol::envelope::Kind;
use doorward_protocol::keys::{PublicKey, Role};
use doorward_protocol::message::List;
use doorward_protocol::presence::Age;
use doorward_protocol::roster::Change;
use doorward_protocol::sealing::OpeningKey;
use doorward_protocol::trust::{Authorised, Delegation, Instruction, Trust};
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;

use super::*;
use crate::time::Wall;

const NOW_S: i64 = 1_800_000_000;
const SESSION: Session = [5; 16];
const GENESIS: Hash = [9; 32];
const TRAIL: Hash = [8; 32];
const ROOT: u8 = 1;
const HUB: u8 = 2;
const OPERATOR: u8 = 3;
const ENROLLER: u8 = 4;
const TERMINAL: u8 = 5;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn at(seconds: u64, trust: ClockTrust) -> Now {
    let wall = Wall { ms: (NOW_S + i64::try_from(seconds).unwrap()) * 1000, trust };
    Now { mono: Mono::from_millis(seconds * 1000), wall }
}

fn s(seconds: u64) -> Now {
    at(seconds, ClockTrust::Synchronised)
}

fn trail() -> Head {
    Head { seq: 70, hash: [6; 32] }
}

fn own() -> Own {
    Own {
        site: "hq".parse().unwrap(),
        terminal: "front-1".parse().unwrap(),
        session: SESSION,
        start: 60,
        genesis: TRAIL,
        version: "0.1.0".to_owned(),
        level: Level::High,
    }
}

fn delegate(seed: u8, role: Role) -> Change {
    Change::Delegate(Delegation {
        key: PublicKey::of(&key(seed)),
        holder: format!("holder {seed}"),
        roles: vec![role],
        terminal: (role == Role::Terminal).then(|| own().terminal),
        from_s: 0,
        until_s: i64::MAX,
        joined_with: None,
    })
}

/// A centre's roster, and its entries: first the staff, then one key after the other.
struct Author {
    follower: Follower,
    entries: Vec<Vec<u8>>,
}

impl Author {
    fn new() -> Self {
        let follower = Follower::new(GENESIS, Trust::pinned(own().site, PublicKey::of(&key(ROOT))));
        let mut author = Self { follower, entries: Vec::new() };
        let roles = [(HUB, Role::Hub), (OPERATOR, Role::Operator), (TERMINAL, Role::Terminal)];
        author.write(roles.map(|(seed, role)| delegate(seed, role)).to_vec());
        author
    }

    fn write(&mut self, changes: Vec<Change>) {
        let state = self.follower.foresee(&changes).unwrap();
        let (head, changes) = (self.follower.head(), changes);
        let entry = Entry { before: head.hash.into(), state: state.into(), changes };
        let bytes = signed_as(ROOT, head.seq + 1, None, None, &entry);
        let reader = Reader { terminal: None, now_s: None };
        let authorised = self.follower.trust().authorise(&bytes, &reader).unwrap();
        self.follower.follow(&authorised, &bytes).unwrap();
        self.entries.push(bytes);
    }

    fn read<T: Instruction>(&self, bytes: &[u8]) -> Authorised<T> {
        let terminal = own().terminal;
        self.follower.trust().authorise(bytes, &Reader { terminal: Some(&terminal), now_s: None }).unwrap()
    }
}

fn signed_as<T: Payload>(
    seed: u8,
    seq: u64,
    to: Option<TerminalId>,
    life_s: Option<i64>,
    message: &T,
) -> Vec<u8> {
    let heading = Heading {
        kind: T::KIND,
        site: own().site,
        terminal: to,
        seq,
        issued_s: NOW_S,
        expires_s: life_s.map(|life| NOW_S + life),
    };
    message::sign(&heading, message, &key(seed)).unwrap()
}

fn arrived(matter: Matter, bytes: &[u8]) -> Input {
    Input::Arrived { topic: topic_of(&own(), matter), bytes: bytes.to_owned(), retained: false }
}

fn at_site(channel: Channel, bytes: &[u8]) -> Input {
    let topic = Topic { site: own().site, channel }.to_string();
    Input::Arrived { topic, bytes: bytes.to_owned(), retained: true }
}

/// One input, and what follows from it where the store takes everything.
fn play(centre: &mut Centre, input: Input, now: Now) -> Vec<Effect> {
    let mut all = centre.handle(input, now, trail());
    while let Some(at) = all.iter().position(|effect| matches!(effect, Effect::Take(_))) {
        let Effect::Take(taking) = all.remove(at) else { unreachable!() };
        all.extend(centre.handle(Input::Taken(taking.head), now, trail()));
    }
    all
}

/// A terminal that is connected and followed the first entry.
fn connected(author: &Author) -> Centre {
    let roster = Follower::new(GENESIS, Trust::pinned(own().site, PublicKey::of(&key(ROOT))));
    let mut centre = Centre::new(own(), key(TERMINAL), roster, None);
    centre.last_will(s(0), trail());
    centre.handle(Input::Connected, s(0), trail());
    play(&mut centre, at_site(Channel::RosterHead, &author.entries[0]), s(1));
    assert_eq!(centre.roster().head().seq, 1);
    centre
}

fn order(seed: u8, seq: u64, session: Session, command: Command, life_s: Option<i64>) -> Vec<u8> {
    signed_as(seed, seq, Some(own().terminal), life_s, &Order { session: session.into(), command })
}

/// What came of an input: orders to obey, receipts, refusals.
fn outcome(effects: &[Effect], author: &Author) -> (usize, Vec<Outcome>, usize) {
    let obeyed = effects.iter().filter(|effect| matches!(effect, Effect::Obey(_))).count();
    let refused = effects.iter().filter(|effect| matches!(effect, Effect::Refused(_))).count();
    let said = said(effects, Matter::Reply);
    (
        obeyed,
        said.map(|said| author.read::<Receipt>(&said.bytes).message().outcome.clone()).collect(),
        refused,
    )
}

fn said(effects: &[Effect], about: Matter) -> impl Iterator<Item = &Saying> {
    effects.iter().filter_map(move |effect| {
        if let Effect::Say(saying) = effect {
            Some(saying).filter(|saying| saying.matter == about)
        } else {
            None
        }
    })
}

fn wanted(effects: &[Effect], author: &Author) -> Option<u64> {
    let said = said(effects, Matter::RosterWanted).next()?;
    Some(author.read::<RosterWanted>(&said.bytes).message().after)
}

fn state(effects: &[Effect], author: &Author) -> Option<(Age, State)> {
    Some(told(said(effects, Matter::State).next()?, author))
}

fn told(saying: &Saying, author: &Author) -> (Age, State) {
    let said = author.read::<State>(&saying.bytes);
    (said.message().age(said.heading().seq), said.message().clone())
}

#[test]
fn an_order_is_obeyed_once_and_its_repetition_is_answered_with_a_refusal() {
    let author = Author::new();
    let mut centre = connected(&author);
    let bytes = order(OPERATOR, 7, SESSION, Command::Lockdown, Some(30));
    let effects = centre.handle(arrived(Matter::Command, &bytes), s(2), trail());
    let [Effect::Obey(admitted)] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(*admitted.hash(), command::order_hash(&bytes));
    let receipt = centre.receipt(admitted, Outcome::Done, Some(71), s(2));
    let receipt = author.read::<Receipt>(&receipt.bytes);
    assert_eq!(receipt.message().order, command::order_hash(&bytes).into());
    assert_eq!(receipt.message().audit_seq, Some(71));
    let again = centre.handle(arrived(Matter::Command, &bytes), s(3), trail());
    assert!(matches!(outcome(&again, &author), (0, said, 0) if matches!(said[..], [Outcome::Refused(_)])));
}

#[test]
fn m2_m5_m6_orders_that_are_forged_kept_late_or_not_for_here_are_not_obeyed() {
    let author = Author::new();
    let lockdown = |seed, session, life| order(seed, 7, session, Command::Lockdown, life);
    let good = lockdown(OPERATOR, SESSION, Some(30));
    let kept =
        Input::Arrived { topic: topic_of(&own(), Matter::Command), bytes: good.clone(), retained: true };
    let mut changed = good.clone();
    *changed.last_mut().unwrap() ^= 1;
    let elsewhere = signed_as(
        OPERATOR,
        7,
        Some("front-2".parse().unwrap()),
        Some(30),
        &Order { session: SESSION.into(), command: Command::Lockdown },
    );
    for (input, what) in [
        (kept, "kept by the broker"),
        (arrived(Matter::Command, &changed), "changed"),
        (arrived(Matter::Command, &lockdown(ENROLLER, SESSION, Some(30))), "of nobody"),
        (arrived(Matter::Command, &lockdown(HUB, SESSION, Some(30))), "of a hub"),
        (arrived(Matter::Command, &lockdown(OPERATOR, SESSION, Some(1))), "too late"),
        (arrived(Matter::Command, &elsewhere), "for another terminal"),
        (arrived(Matter::RosterFeed, &good), "by another topic"),
        (arrived(Matter::Reply, &good), "by a topic nobody listens to"),
    ] {
        let mut centre = connected(&author);
        let effects = centre.handle(input, s(2), trail());
        assert_eq!(outcome(&effects, &author), (0, Vec::new(), 1), "{what}");
    }
    for (session, life, what) in [([6; 16], Some(30), "an earlier life"), (SESSION, None, "for ever")] {
        let mut centre = connected(&author);
        let bytes = lockdown(OPERATOR, session, life);
        let effects = centre.handle(arrived(Matter::Command, &bytes), s(2), trail());
        assert!(
            matches!(outcome(&effects, &author), (0, said, 0) if matches!(said[..], [Outcome::Refused(_)])),
            "{what}"
        );
    }
}

#[test]
fn m7_without_a_known_time_only_what_secures_is_obeyed() {
    let author = Author::new();
    let mut centre = connected(&author);
    let now = at(2, ClockTrust::Unknown);
    let release = order(OPERATOR, 1, SESSION, Command::Release, Some(30));
    let effects = centre.handle(arrived(Matter::Command, &release), now, trail());
    assert_eq!(outcome(&effects, &author).0, 0);
    let lockdown = order(OPERATOR, 2, SESSION, Command::Lockdown, Some(30));
    let effects = centre.handle(arrived(Matter::Command, &lockdown), now, trail());
    assert_eq!(outcome(&effects, &author).0, 1);
}

#[test]
fn m2_only_a_hub_acknowledges_and_only_this_terminals_trail() {
    let author = Author::new();
    let ack = |seed, genesis: Hash, to: Option<TerminalId>| {
        let ack = Acknowledgement { genesis: genesis.into(), seq: 70, hash: [6; 32].into() };
        arrived(Matter::AuditAcknowledged, &signed_as(seed, 70, to, None, &ack))
    };
    let mine = Some(own().terminal);
    let mut centre = connected(&author);
    let effects = centre.handle(ack(HUB, TRAIL, mine.clone()), s(2), trail());
    assert_eq!(effects[0], Effect::Acknowledged(trail()));
    for (seed, genesis, to) in [
        (OPERATOR, TRAIL, mine.clone()),
        (ROOT, TRAIL, mine.clone()),
        (TERMINAL, TRAIL, mine.clone()),
        (77, TRAIL, mine.clone()),
        (HUB, [1; 32], mine),
        (HUB, TRAIL, None),
        (HUB, TRAIL, Some("front-2".parse().unwrap())),
    ] {
        let effects = centre.handle(ack(seed, genesis, to), s(2), trail());
        assert!(matches!(effects[..], [Effect::Refused(_)]), "{seed}: {effects:?}");
    }
}

#[test]
fn what_is_missing_of_the_roster_is_asked_for_in_parts_and_again_when_it_does_not_come() {
    let mut author = Author::new();
    let mut centre = connected(&author);
    for seed in 20..20 + u8::try_from(FEED_MAX).unwrap() + 3 {
        author.write(vec![delegate(seed, Role::Auditor)]);
    }
    let newest = author.entries.last().unwrap().clone();
    let effects = centre.handle(at_site(Channel::RosterHead, &newest), s(2), trail());
    assert_eq!(wanted(&effects, &author), Some(1));
    assert_eq!(wanted(&centre.handle(Input::Tick, s(10), trail()), &author), None, "it is on its way");
    assert_eq!(wanted(&centre.handle(Input::Tick, s(17), trail()), &author), Some(1), "it did not come");
    let mut asked = Vec::new();
    for entry in &author.entries[1..] {
        asked.extend(wanted(&play(&mut centre, arrived(Matter::RosterFeed, entry), s(18)), &author));
    }
    assert_eq!(asked, [1 + u64::from(FEED_MAX)], "one part more");
    assert_eq!(centre.roster().head(), author.follower.head());
    assert_eq!(wanted(&centre.handle(Input::Tick, s(60), trail()), &author), None);
}

#[test]
fn m3_a_second_history_stops_the_terminal_and_is_told_to_the_centre() {
    let author = Author::new();
    let mut centre = connected(&author);
    let foreign =
        Entry { before: [1; 32].into(), state: [2; 32].into(), changes: vec![delegate(30, Role::Operator)] };
    let bytes = signed_as(ROOT, 2, None, None, &foreign);
    let effects = centre.handle(at_site(Channel::RosterHead, &bytes), s(5), trail());
    assert!(
        effects.iter().any(|effect| matches!(effect, Effect::Refused(why) if why.contains("two histories")))
    );
    let (_, state) = state(&effects, &author).unwrap();
    assert!(state.halted.unwrap().as_str().contains("two histories"));
    assert_eq!(centre.roster().head().seq, 1);
}

#[test]
fn m13_whoever_is_denied_is_refused_at_once_also_by_who_becomes_known_later() {
    let mut author = Author::new();
    let mut centre = connected(&author);
    author.write(vec![delegate(ENROLLER, Role::Enroller)]);
    let ada: PersonId = "ada".parse().unwrap();
    let denial = Denial { until: 3, persons: List::first([ada.clone()]), keys: List::default() };
    let bytes = signed_as(ENROLLER, 1, None, None, &denial);
    let effects = centre.handle(at_site(Channel::Denial, &bytes), s(2), trail());
    assert!(matches!(effects[..], [Effect::Refused(_)]), "nobody knows who signed it: {effects:?}");
    let effects = play(&mut centre, arrived(Matter::RosterFeed, &author.entries[1]), s(3));
    assert!(effects.contains(&Effect::Deny(vec![ada])), "{effects:?}");
    author.write(vec![delegate(31, Role::Auditor)]);
    let effects = play(&mut centre, arrived(Matter::RosterFeed, &author.entries[2]), s(5));
    assert!(effects.contains(&Effect::Deny(Vec::new())), "the roster says it for good: {effects:?}");
}

#[test]
fn m13_a_denied_key_orders_nothing() {
    let author = Author::new();
    let mut centre = connected(&author);
    let denial = Denial {
        until: 9,
        persons: List::default(),
        keys: List::first([PublicKey::of(&key(OPERATOR)).id()]),
    };
    let bytes = signed_as(ROOT, 1, None, None, &denial);
    centre.handle(at_site(Channel::Denial, &bytes), s(2), trail());
    let bytes = order(OPERATOR, 7, SESSION, Command::Lockdown, Some(30));
    let effects = centre.handle(arrived(Matter::Command, &bytes), s(2), trail());
    assert_eq!(outcome(&effects, &author), (0, Vec::new(), 1));
}

#[test]
fn m15_a_state_is_said_when_it_changes_and_every_minute_and_its_last_will_ends_its_connection() {
    let mut author = Author::new();
    let mut centre = connected(&author);
    let will = told(&centre.last_will(s(100), trail()), &author);
    assert!(!will.1.online && will.1.link == 2);
    let (first, said) = state(&centre.handle(Input::Connected, s(100), trail()), &author).unwrap();
    assert!(said.online && said.start == 60 && *said.session == SESSION && said.trail.seq == 70);
    assert!(state(&centre.handle(Input::Tick, s(130), trail()), &author).is_none());
    let (second, _) = state(&centre.handle(Input::Tick, s(160), trail()), &author).unwrap();
    author.write(vec![delegate(31, Role::Auditor)]);
    let effects = play(&mut centre, at_site(Channel::RosterHead, &author.entries[1]), s(170));
    let (third, said) = state(&effects, &author).unwrap();
    assert_eq!(*said.roster.state, author.follower.tree().root(), "what is held is proven by its root");
    assert!(first < second && second < third && third < will.0, "the last will is the last word");
    let next = told(&centre.last_will(s(200), trail()), &author);
    assert!(next.0 > will.0);
}

#[test]
fn a_batch_carries_what_it_was_made_of() {
    let records = (1..=3u64).map(|seq| doorward_protocol::audit::Record {
        seq: 70 + seq,
        bytes: vec![u8::try_from(seq).unwrap()],
        hash: [0; 32],
    });
    let stretch = Stretch { before: trail(), records: records.collect() };
    let bytes = batch(&own(), &key(TERMINAL), &stretch, s(1));
    let author = Author::new();
    let said = author.read::<Batch>(&bytes);
    assert_eq!((said.heading().kind, said.heading().seq), (Kind::Batch, 71));
    assert_eq!(*said.message(), Batch::cut(TRAIL, &stretch));
}

#[test]
fn m3_m13_a_terminal_that_knew_more_neither_obeys_nor_lets_go_before_it_knows_as_much_again() {
    let mut author = Author::new();
    let mut before = connected(&author);
    author.write(vec![Change::Revoke(roster::Revoke { key: PublicKey::of(&key(OPERATOR)).id() })]);
    let effects = before.handle(arrived(Matter::RosterFeed, &author.entries[1]), s(9), trail());
    let remembered = author.follower.head();
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Take(taking) if taking.head == remembered)));

    // It starts anew, and the broker withholds the revocation.
    let fresh = || Follower::new(GENESIS, Trust::pinned(own().site, PublicKey::of(&key(ROOT))));
    let mut centre = Centre::new(own(), key(TERMINAL), fresh(), Some(remembered));
    centre.last_will(s(20), trail());
    let effects = centre.handle(Input::Connected, s(20), trail());
    assert_eq!(wanted(&effects, &author), Some(0), "it asks by itself");
    centre.handle(arrived(Matter::RosterFeed, &author.entries[0]), s(21), trail());
    let bytes = order(OPERATOR, 7, SESSION, Command::Lockdown, Some(30));
    let effects = centre.handle(arrived(Matter::Command, &bytes), s(22), trail());
    assert_eq!(outcome(&effects, &author), (0, Vec::new(), 1));
    let ack = Acknowledgement { genesis: TRAIL.into(), seq: 70, hash: [6; 32].into() };
    let ack = signed_as(HUB, 70, Some(own().terminal), None, &ack);
    let effects = centre.handle(arrived(Matter::AuditAcknowledged, &ack), s(22), trail());
    assert!(matches!(effects[..], [Effect::Refused(_)]), "{effects:?}");
    centre.handle(arrived(Matter::RosterFeed, &author.entries[1]), s(23), trail());
    let effects = centre.handle(arrived(Matter::AuditAcknowledged, &ack), s(24), trail());
    assert_eq!(effects[0], Effect::Acknowledged(trail()), "it knows as much again");
    let effects = centre.handle(arrived(Matter::Command, &bytes), s(24), trail());
    assert_eq!(outcome(&effects, &author), (0, Vec::new(), 1), "and its operator is revoked");

    // Or it is shown another history of the same length.
    let mut other = Author::new();
    other.write(vec![delegate(31, Role::Auditor)]);
    other.write(vec![delegate(32, Role::Auditor)]);
    let mut centre = Centre::new(own(), key(TERMINAL), fresh(), Some(remembered));
    centre.last_will(s(20), trail());
    centre.handle(Input::Connected, s(20), trail());
    let mut effects = Vec::new();
    for entry in &other.entries {
        effects.extend(centre.handle(arrived(Matter::RosterFeed, entry), s(25), trail()));
    }
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Take(_))), "{effects:?}");
    let effects = centre.handle(arrived(Matter::Command, &bytes), s(26), trail());
    assert_eq!(outcome(&effects, &author), (0, Vec::new(), 1));
}

#[test]
fn m3_a_new_terminal_is_shown_no_older_and_no_other_roster_than_it_joined_by() {
    let mut author = Author::new();
    author.write(vec![Change::Revoke(roster::Revoke { key: PublicKey::of(&key(OPERATOR)).id() })]);
    let joined = author.follower.head();
    let begin = || {
        let fresh = Follower::new(GENESIS, Trust::pinned(own().site, PublicKey::of(&key(ROOT))));
        let mut centre = Centre::new(own(), key(TERMINAL), fresh, None).joined_at(joined);
        centre.last_will(s(20), trail());
        centre.handle(Input::Connected, s(20), trail());
        centre
    };
    let take = |centre: &mut Centre, entry: &[u8]| {
        let effects = centre.handle(arrived(Matter::RosterFeed, entry), s(21), trail());
        let taken = effects
            .iter()
            .find_map(|effect| if let Effect::Take(taking) = effect { Some(taking.head) } else { None });
        taken.map(|head| centre.handle(Input::Taken(head), s(21), trail())).is_some()
    };
    // The broker withholds the revocation.
    let mut centre = begin();
    assert!(take(&mut centre, &author.entries[0]));
    let bytes = order(OPERATOR, 7, SESSION, Command::Lockdown, Some(30));
    let effects = centre.handle(arrived(Matter::Command, &bytes), s(22), trail());
    assert_eq!(outcome(&effects, &author), (0, Vec::new(), 1), "a stolen key orders nothing");
    assert!(take(&mut centre, &author.entries[1]));
    let effects = centre.handle(arrived(Matter::Command, &bytes), s(23), trail());
    assert_eq!(outcome(&effects, &author), (0, Vec::new(), 1), "revoked");
    // Somebody shows another history.
    let mut other = Author::new();
    other.write(vec![delegate(31, Role::Auditor)]);
    let mut centre = begin();
    assert!(take(&mut centre, &other.entries[0]));
    assert!(!take(&mut centre, &other.entries[1]));
}

#[test]
fn what_is_told_of_the_roster_is_in_the_store_and_what_is_there_is_not_taken_again() {
    let mut author = Author::new();
    let mut centre = connected(&author);
    author.write(vec![delegate(31, Role::Auditor)]);
    let effects = centre.handle(arrived(Matter::RosterFeed, &author.entries[1]), s(9), trail());
    let [Effect::Take(taking), said @ ..] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!((taking.head, taking.changes.len()), (author.follower.head(), 1));
    assert!(state(said, &author).is_none_or(|(_, state)| state.roster.seq == 1), "not yet");
    let will = told(&centre.last_will(s(10), trail()), &author).1;
    assert_eq!((will.roster.seq, *will.roster.hash), (1, *will.roster.hash));
    let effects = centre.handle(Input::Taken(taking.head), s(11), trail());
    let (_, now) = state(&effects, &author).unwrap();
    assert_eq!((now.roster.seq, *now.roster.state), (2, author.follower.tree().root()));

    // In the next life what is stored is only followed.
    let fresh = Follower::new(GENESIS, Trust::pinned(own().site, PublicKey::of(&key(ROOT))));
    let mut centre = Centre::new(own(), key(TERMINAL), fresh, Some(taking.head));
    for entry in &author.entries {
        let effects = centre.handle(arrived(Matter::RosterFeed, entry), s(20), trail());
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::Take(_))), "{effects:?}");
    }
    assert_eq!(centre.roster().head(), taking.head);
}

#[test]
fn an_entry_that_the_store_does_not_take_is_told_offered_again_and_never_passed_over() {
    let mut author = Author::new();
    let mut centre = connected(&author);
    author.write(vec![delegate(31, Role::Auditor)]);
    author.write(vec![delegate(32, Role::Auditor)]);
    let takes = |effects: &[Effect]| effects.iter().filter(|e| matches!(e, Effect::Take(_))).count();
    let effects = centre.handle(arrived(Matter::RosterFeed, &author.entries[1]), s(10), trail());
    assert_eq!(takes(&effects), 1);
    let effects = centre.handle(Input::NotTaken("the store is full".to_owned()), s(10), trail());
    assert!(matches!(&effects[0], Effect::Refused(why) if why.contains("entry 2") && why.contains("full")));
    let effects = centre.handle(arrived(Matter::RosterFeed, &author.entries[2]), s(10), trail());
    assert_eq!(takes(&effects), 0, "nothing behind it is taken");
    let (mut offered, mut halted) = (Vec::new(), None);
    for second in 11..200 {
        let effects = centre.handle(Input::Tick, s(second), trail());
        halted = state(&effects, &author).and_then(|(_, state)| state.halted).or(halted);
        if takes(&effects) > 0 {
            offered.push(second);
            centre.handle(Input::NotTaken("the store is full".to_owned()), s(second), trail());
        }
    }
    assert_eq!(offered, [11, 13, 17, 25, 41, 73, 133, 193], "with growing pauses, at most a minute");
    assert!(halted.unwrap().as_str().contains("full"), "and the centre is told");
    centre.handle(Input::Tick, s(260), trail());
    let head = centre.roster().head();
    let effects = centre.handle(Input::Taken(head), s(262), trail());
    assert_eq!(wanted(&effects, &author), Some(2), "it goes on behind it");
    assert!(state(&effects, &author).unwrap().1.halted.is_none());
}

#[test]
fn m13_a_denial_stays_in_force_until_the_store_has_the_entry_that_says_the_same() {
    let mut author = Author::new();
    let mut centre = connected(&author);
    author.write(vec![delegate(ENROLLER, Role::Enroller)]);
    play(&mut centre, arrived(Matter::RosterFeed, &author.entries[1]), s(2));
    let denial = Denial { until: 3, persons: List::first(["ada".parse().unwrap()]), keys: List::default() };
    let bytes = signed_as(ENROLLER, 1, None, None, &denial);
    centre.handle(at_site(Channel::Denial, &bytes), s(3), trail());
    author.write(vec![delegate(31, Role::Auditor)]);
    let mut effects = centre.handle(arrived(Matter::RosterFeed, &author.entries[2]), s(4), trail());
    effects.extend(centre.handle(Input::NotTaken("full".to_owned()), s(4), trail()));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Deny(_))), "{effects:?}");
    let head = centre.roster().head();
    let effects = centre.handle(Input::Taken(head), s(5), trail());
    assert!(effects.contains(&Effect::Deny(Vec::new())), "{effects:?}");
}

#[test]
fn m14_a_handed_key_is_learnt_before_what_follows_and_in_every_life_anew() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let (joined, new) = (OpeningKey::draw(&mut rng).sealing_key(), OpeningKey::draw(&mut rng));
    let mut hand = |seed| joined.hand(&own().site, PublicKey::of(&key(seed)).id(), &new, &mut rng);
    let (ours, others) = (hand(TERMINAL), hand(HUB));
    let mut author = Author::new();
    author.write(vec![Change::Hand(others), Change::Hand(ours.clone())]);
    for stored in [None, Some(author.follower.head())] {
        let roster = Follower::new(GENESIS, Trust::pinned(own().site, PublicKey::of(&key(ROOT))));
        let mut centre = Centre::new(own(), key(TERMINAL), roster, stored);
        play(&mut centre, at_site(Channel::RosterHead, &author.entries[0]), s(1));
        let effects = centre.handle(at_site(Channel::RosterHead, &author.entries[1]), s(2), trail());
        let place = |wanted: fn(&Effect) -> bool| effects.iter().position(wanted);
        let learnt = effects.iter().filter(|effect| matches!(effect, Effect::Learn(_)));
        assert_eq!(learnt.collect::<Vec<_>>(), [&Effect::Learn(ours.clone())], "its own alone");
        let taken = place(|effect| matches!(effect, Effect::Take(_)));
        assert_eq!(taken.is_some(), stored.is_none());
        assert!(
            taken.is_none_or(|taken| place(|effect| matches!(effect, Effect::Learn(_))).unwrap() < taken)
        );
    }
}
