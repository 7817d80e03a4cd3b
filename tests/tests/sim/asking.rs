//! A program beside the door that asks whether a live person stands there. What it asks must change nothing of what the
//! door does, and what it is told must be true.

use std::sync::mpsc::sync_channel;
use std::time::Duration;

use doorward_core::liveness::{Asks, Level};
use doorward_core::session::{Caller, Finding, SessionFault, SessionId};
use doorward_daemon::terminal::Input;
use doorward_daemon::terminal::asking::{Ask, Refused, Told};
use doorward_protocol::audit::{Entry, What};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::eyes::Figure;
use crate::world::World;

const US: Caller = Caller::User(1000);

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
}

impl Deed {
    /// Each; most sessions go their whole way.
    pub(crate) const ALL: [Deed; 7] =
        [Deed::Visit, Deed::Visit, Deed::Visit, Deed::Visit, Deed::Begin, Deed::Take, Deed::End];
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
}

impl Program {
    /// Looks on at a frameset.
    pub(crate) fn see(&mut self, figure: Figure, disk_full: bool) {
        self.figures.push(figure);
        self.full |= disk_full;
    }

    /// The terminal starts anew, and its sessions are gone.
    pub(crate) fn forget(&mut self) {
        self.session = None;
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
        }
    }

    fn begin_session(&mut self) {
        self.program.made += 1;
        let id = SessionId(self.program.made.to_be_bytes());
        let locked_out = self.standing().expect("a terminal runs").locked_out_until_ms.is_some();
        match self.ask(Ask::Make(id, US, true)) {
            Told::Done => {
                assert!(!locked_out, "p12: a session while attempts are locked out");
                assert!(matches!(self.ask(Ask::Stream(id, US)), Told::Done));
                self.program.session = Some(id);
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
        match self.ask(Ask::Take(id, US)) {
            Told::Finding(finding) => {
                self.check_finding(&finding);
                let again = self.ask(Ask::Take(id, US));
                assert!(
                    matches!(again, Told::Refused(Refused::Session(SessionFault::Unknown))),
                    "taken twice"
                );
                self.program.session = None;
            }
            Told::Refused(Refused::Session(SessionFault::Pending)) => {}
            Told::Refused(Refused::Session(SessionFault::Unknown)) => self.program.session = None,
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

    fn ask(&mut self, ask: Ask) -> Told {
        let (reply, told) = sync_channel(1);
        self.step(Input::Ask(ask, Box::new(move |answer| reply.send(answer).expect("somebody waits"))));
        told.try_recv().expect("the terminal answers at once, and nothing of it can be cut")
    }
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
    world.entries(0).iter().map(what).collect()
}

#[test]
fn sessions_change_nothing_of_what_the_door_does() {
    crate::power::silence_cuts();
    for seed in 0..12 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let draw = |_| [Event::draw(&mut rng), Event::Session(Deed::Take), Event::Session(Deed::Begin)];
        // Whoever visits takes his time, and that is a change.
        let timeless = |event: &Event| *event != Event::Session(Deed::Visit);
        let with: Vec<Event> = (0..60).flat_map(draw).filter(timeless).collect();
        let without: Vec<Event> =
            with.iter().filter(|event| !matches!(event, Event::Session(_))).cloned().collect();
        assert_eq!(record(seed, &with), record(seed, &without), "SEED={seed}");
    }
}
