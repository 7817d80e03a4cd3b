//! A program beside the door that asks whether a live person stands there. What it asks must change nothing of what the
//! door does, and what it is told must be true.

use std::collections::BTreeMap;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use doorward_core::decision::Reject;
use doorward_core::inquiry::Likeness;
use doorward_core::liveness::{Asks, Level};
use doorward_core::session::{Caller, Finding, SessionFault, SessionId};
use doorward_core::template::UnitVector;
use doorward_core::time::Mono;
use doorward_daemon::terminal::Input;
use doorward_daemon::terminal::asking::{Ask, Probe, Refused, Told};
use doorward_hal::clock::Clock as _;
use doorward_protocol::audit::{Asked, Entry, Record, What};
use doorward_protocol::ids::{AttemptId, PersonId};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::eyes::{self, Figure};
use crate::world::{World, name};

const US: Caller = Caller::User(1000);
/// How long the same answer is only counted after its record.
const COUNTED_FOR: Duration = Duration::from_secs(60);

/// What it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Deed {
    /// Makes a session, lets it look on while somebody stands there, and takes its result.
    Visit,
    /// Makes a session and lets it look on.
    Begin,
    /// Takes its result.
    Take,
    /// Ends it.
    End,
    /// Asks whose face this is.
    Search(u8),
    /// Asks whether the face of the one is that of the other.
    Verify(u8, u8),
    /// Asks whether two faces are one person's.
    Compare(u8, u8),
}

impl Deed {
    /// What is done with sessions; most go their whole way.
    pub(crate) const SESSIONS: [Deed; 7] =
        [Deed::Visit, Deed::Visit, Deed::Visit, Deed::Visit, Deed::Begin, Deed::Take, Deed::End];

    /// What is asked about the faces of two people.
    pub(crate) fn about(one: u8, other: u8) -> [Deed; 4] {
        [Deed::Search(one), Deed::Verify(one, one), Deed::Verify(one, other), Deed::Compare(one, other)]
    }
}

/// The program.
#[derive(Debug, Default)]
pub(crate) struct Program {
    session: Option<SessionId>,
    made: u128,
    /// What stood before the cameras since its session looks on.
    figures: Vec<Figure>,
    /// Whether the disk was full meanwhile.
    full: bool,
    /// What it was told in this life of the terminal, and when that was on record last.
    told: BTreeMap<Answer, (u64, Mono)>,
}

/// Question, answer, person and attempt, as the trail names them.
type Answer = (String, String, Option<PersonId>, Option<AttemptId>);

impl Program {
    /// Looks on at a frameset.
    pub(crate) fn see(&mut self, figure: Figure, disk_full: bool) {
        self.figures.push(figure);
        self.full |= disk_full;
    }

    /// The terminal starts anew, and its sessions are gone.
    pub(crate) fn forget(&mut self) {
        self.session = None;
        self.told.clear();
    }
}

impl World {
    /// Does it.
    pub(crate) fn use_session(&mut self, deed: Deed) {
        match (deed, self.program.session) {
            (Deed::Visit, None) => {
                // Somebody comes for it, after the pause that whoever was refused before left behind.
                self.view().figure = Figure::Nobody;
                self.pass(Duration::from_secs(20));
                self.begin_session();
                self.view().figure = Figure::Live(u8::try_from(self.program.made % 4).expect("below four"));
                (0..12).for_each(|_| self.look());
                self.use_session(Deed::Take);
            }
            (Deed::Begin, None) => self.begin_session(),
            (Deed::Take, Some(id)) => self.take_result(id),
            (Deed::End, Some(id)) => {
                // It may be over.
                self.ask(Ask::End(id, US));
                self.program.session = None;
            }
            (Deed::Visit | Deed::Begin, Some(_)) | (Deed::Take | Deed::End, None) => {}
            (Deed::Search(who), _) => self.ask_about(Ask::Search(US, face(who)), "search", None),
            (Deed::Verify(who, claimed), _) => {
                self.ask_about(Ask::Verify(US, name(claimed), face(who)), "verify", Some(name(claimed)));
            }
            (Deed::Compare(one, other), _) => {
                self.ask_about(Ask::Compare(US, face(one), face(other)), "compare", None);
            }
        }
    }

    fn begin_session(&mut self) {
        self.program.made += 1;
        let id = SessionId(self.program.made.to_be_bytes());
        let locked_out = self.standing().expect("a terminal runs").locked_out_until_ms.is_some();
        let Some(told) = self.ask(Ask::Make(id, US, true)) else { return };
        match told {
            Told::Done => {
                assert!(!locked_out, "p12: a session while attempts are locked out");
                let streams = self.ask(Ask::Stream(id, US));
                assert!(matches!(streams, Some(Told::Done) | None), "{streams:?}");
                self.program.session = streams.map(|_| id);
                (self.program.figures, self.program.full) = (Vec::new(), false);
            }
            Told::Refused(Refused::LockedOut(_)) => {
                assert!(locked_out, "refused for a lockout there is none of")
            }
            told @ (Told::Finding(_) | Told::Likeness(_) | Told::Person(_) | Told::Refused(_)) => {
                panic!("a session was asked for: {told:?}")
            }
        }
    }

    fn take_result(&mut self, id: SessionId) {
        let Some(told) = self.ask(Ask::Take(id, US)) else { return };
        match told {
            Told::Finding(finding) => {
                self.check_finding(&finding);
                let answer = finding.reject.map_or("live", Reject::code);
                self.is_on_record("session", answer, None, Some(finding.attempt));
                let again = self.ask(Ask::Take(id, US));
                assert!(
                    matches!(again, Some(Told::Refused(Refused::Session(SessionFault::Unknown))) | None),
                    "taken twice"
                );
                self.program.session = None;
            }
            Told::Refused(Refused::Session(SessionFault::Pending)) => {}
            Told::Refused(Refused::Session(SessionFault::Unknown)) => self.program.session = None,
            Told::Refused(Refused::Unrecorded) => {
                self.was_not_recorded();
                self.program.session = None;
            }
            told @ (Told::Done | Told::Likeness(_) | Told::Person(_) | Told::Refused(_)) => {
                panic!("a result was asked for: {told:?}")
            }
        }
    }

    /// Nobody is told of a live person where none stood.
    fn check_finding(&mut self, finding: &Finding) {
        self.totals.sessions += 1;
        let live = finding.reject.is_none();
        self.totals.found_live += u64::from(live);
        let policy = self.model.policy;
        let stood = self.program.figures.iter().any(|figure| match figure {
            Figure::Live(_) => true,
            Figure::Reproduced(_, kind) => kind.fools(&policy, true),
            Figure::Nobody | Figure::Two(..) | Figure::Dark(_) => false,
        });
        assert!(!live || stood, "a session found life in {:?}", self.program.figures);
        assert!(live || finding.confidence == 0 && finding.reference.is_none(), "h9: {finding:?}");
        assert!([0, 50, 75, 90].contains(&finding.confidence), "h9: {}", finding.confidence);
        let on_record = self.entries(0).iter().any(|record| {
            let what = Entry::from_bytes(&record.bytes).expect("an entry").what;
            matches!(what, What::Decided(decided) if decided.attempt == finding.attempt)
        });
        assert!(on_record || self.program.full, "the attempt of a session is not on record");
    }

    /// A question about faces: the answer is true, and on record before it is told.
    fn ask_about(&mut self, ask: Ask, question: &str, claimed: Option<PersonId>) {
        let (answer, person) = match self.ask(ask) {
            // The power was cut, and nobody was told.
            None => return,
            Some(Told::Likeness(likeness)) => {
                (likeness.code(), claimed.filter(|_| likeness != Likeness::None))
            }
            Some(Told::Person(found)) => {
                let (person, likeness) = found.unzip();
                (likeness.map_or("none", Likeness::code), person)
            }
            Some(Told::Refused(Refused::TooMany(_))) => ("too_many", None),
            Some(Told::Refused(Refused::Unrecorded)) => return self.was_not_recorded(),
            Some(told @ (Told::Done | Told::Finding(_) | Told::Refused(_))) => {
                panic!("a question about faces was asked: {told:?}")
            }
        };
        let enrolled = |person: &PersonId| self.model.enrolled.keys().any(|who| name(*who) == *person);
        assert!(person.as_ref().is_none_or(enrolled), "{question} named {person:?}, who is not enrolled");
        self.is_on_record(question, answer, person, None);
    }

    /// What was told is on record, and for no longer than a minute only counted.
    fn is_on_record(
        &mut self,
        question: &str,
        answer: &str,
        person: Option<PersonId>,
        attempt: Option<AttemptId>,
    ) {
        let told: Answer = (question.to_owned(), answer.to_owned(), person, attempt);
        let of = |record: &Record| {
            let What::Asked(asked) = Entry::from_bytes(&record.bytes).expect("an entry").what else {
                return false;
            };
            let Asked { by, question, answer, person, attempt, .. } = asked;
            by == "user 1000" && (question, answer, person, attempt) == told
        };
        let newest = self.entries(0).iter().filter(|record| of(record)).map(|record| record.seq).max();
        let newest = newest.unwrap_or_else(|| panic!("{told:?} is on no record"));
        let now = self.clock.now().mono;
        let known = self.program.told.get(&told).copied();
        let counts = known.is_some_and(|(seq, at)| seq == newest && now.since(at) < COUNTED_FOR);
        let fresh = known.is_none_or(|(seq, _)| seq < newest);
        assert!(fresh || counts, "{told:?} was told and is on no record of this minute");
        self.totals.counted += u64::from(counts);
        self.totals.asked += 1;
        if fresh {
            self.program.told.insert(told, (newest, now));
        }
    }

    fn was_not_recorded(&mut self) {
        assert!(self.wires().disk_full, "an answer was kept back though there was room for its record");
    }

    /// Nothing where the power was cut meanwhile.
    fn ask(&mut self, ask: Ask) -> Option<Told> {
        let (reply, told) = sync_channel(1);
        self.step(Input::Ask(ask, Box::new(move |answer| reply.send(answer).expect("somebody waits"))));
        told.try_recv().ok()
    }
}

/// A face as the models make it of a picture.
fn face(who: u8) -> Probe {
    Probe::Fresh(UnitVector::normalise(eyes::features(who, 0.25, 900)).expect("a template"))
}

/// What a run puts on record, without the scores, which a store's own keys round.
fn record(seed: u64, events: &[Event]) -> Vec<What> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut world = World::new(seed, &mut rng);
    // What a start draws at random, the light's pattern and the movements, differs from run to run: none is asked for.
    let policy = &mut world.model.policy;
    (policy.asks, policy.emitter) = (Asks::Never, false);
    policy.level = policy.level.min(Level::Standard);
    world.happen(&Event::Restart);
    for event in events {
        world.happen(event);
        crate::checks::after_each_event(&mut world);
    }
    let what = |record: &doorward_protocol::audit::Record| {
        let mut what = Entry::from_bytes(&record.bytes).expect("an entry").what;
        if let What::Decided(decided) = &mut what {
            decided.scores = None;
        }
        what
    };
    let of_the_door = |what: &What| !matches!(what, What::Asked(_));
    world.entries(0).iter().map(what).filter(of_the_door).collect()
}

#[test]
fn sessions_change_nothing_of_what_the_door_does() {
    crate::power::silence_cuts();
    for seed in 0..12 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let draw = |_| [Event::draw(&mut rng), Event::Session(Deed::Take), Event::Session(Deed::Begin)];
        // Whoever visits takes his time, and that is a change; power that fails after so many effects counts records, too.
        let timeless = |event: &Event| !matches!(event, Event::Session(Deed::Visit) | Event::PowerCut(_));
        let with: Vec<Event> = (0..60).flat_map(draw).filter(timeless).collect();
        let without: Vec<Event> =
            with.iter().filter(|event| !matches!(event, Event::Session(_))).cloned().collect();
        assert_eq!(record(seed, &with), record(seed, &without), "SEED={seed}");
    }
}

#[test]
fn h8_a_program_that_asks_without_end_is_on_record_and_fills_no_trail() {
    let mut world = crate::scripts::world(doorward_core::door::OnTamper::Report);
    let before = world.head().seq;
    for _ in 0..300 {
        world.happen(&Event::Session(Deed::Search(0)));
        world.happen(&Event::Wait(1000));
    }
    world.happen(&Event::Wait(60_000));
    let count = |of: &str| {
        let asked = |record: &Record| {
            let What::Asked(asked) = Entry::from_bytes(&record.bytes).expect("an entry").what else {
                return None;
            };
            (asked.answer == of).then_some(asked.count)
        };
        let counts: Vec<u32> = world.entries(before).iter().filter_map(asked).collect();
        (counts.iter().sum::<u32>(), counts.len())
    };
    let ((told, records), (kept_off, more)) = (count("strong"), count("too_many"));
    assert_eq!(told + kept_off, 300, "every question is counted");
    assert!((100..140).contains(&told), "h9: {told} answers in five minutes");
    assert!(records + more <= 24, "{records} and {more} records in five minutes");
}
