//! The office from which operators order, and whoever would like to: orders on their way to the terminal, as a broker
//! that nobody trusts delivers them.

use std::sync::mpsc::sync_channel;

use doorward_core::centre::{Centre, Effect, Input as CentreInput, Own};
use doorward_core::liveness::Level;
use doorward_core::time::Now;
use doorward_daemon::terminal::Input;
use doorward_hal::clock::Clock as _;
use doorward_protocol::audit::{Entry, Head, Record, What};
use doorward_protocol::command::{Admitted, Command, Order, Outcome, Session};
use doorward_protocol::envelope::{Heading, Kind};
use doorward_protocol::ids::{SiteId, TerminalId};
use doorward_protocol::keys::{PublicKey, Role, SigningKey};
use doorward_protocol::message;
use doorward_protocol::roster::{self, Follower, Hand};
use doorward_protocol::sealing::OpeningKey;
use doorward_protocol::trust::{Delegation, Trust};
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;
use serde::{Deserialize, Serialize};

use crate::checks::after_each_event;
use crate::roster::Author;
use crate::world::{World, name};

pub(crate) const ROOT: u8 = 1;
pub(crate) const OPERATOR: u8 = 2;
pub(crate) const ENROLLER: u8 = 3;
pub(crate) const TERMINAL: u8 = 4;
pub(crate) const POLICY: u8 = 5;

/// What is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Wish {
    /// Release the door for some seconds.
    Unlock,
    /// Lock it now.
    Lock,
    /// Let nobody in.
    Lockdown,
    /// The end of that.
    Release,
    /// Start anew.
    Reboot,
    /// Say how you are.
    Diagnose,
    /// Take everybody from the roster anew.
    Refill,
    /// Let attempts begin again that are locked out.
    ResetLockout,
    /// Hand over a person's picture.
    Capture(u8),
}

/// What is wrong with an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Blemish {
    /// Nothing.
    None,
    /// It is the last good one, sent again.
    Replayed,
    /// It names the life of the terminal before this one.
    OtherLife,
    /// A bit of it was changed.
    Changed,
    /// Its signer may put persons, not order.
    NoOperator,
    /// The broker had kept it.
    Retained,
    /// It counts no more.
    Expired,
}

/// The office.
pub(crate) struct Office {
    /// The centre as the terminal sees it.
    pub(crate) centre: Centre,
    /// Who signs the roster.
    pub(crate) author: Author,
    /// Keys that the terminal was handed in this life, as it keeps them nowhere.
    pub(crate) handed: Vec<Hand>,
    session: Session,
    /// How much evidence of life the terminal asks for.
    pub(crate) level: Level,
    before: Session,
    count: u64,
    last: Option<Vec<u8>>,
    /// What opens the picture that was ordered last; drawn for that order.
    pub(crate) picture_key: OpeningKey,
    keys: ChaCha20Rng,
    /// Releases that were ordered and obeyed.
    pub(crate) unlocks: usize,
}

impl Office {
    /// Before the terminal's first life.
    pub(crate) fn new(level: Level) -> Self {
        let session = [0; 16];
        let (centre, author) = (centre((session, level), None, None), Author::new(trust()));
        Self {
            centre,
            author,
            handed: Vec::new(),
            session,
            level,
            before: session,
            count: 0,
            last: None,
            picture_key: OpeningKey::draw(&mut ChaCha20Rng::seed_from_u64(29)),
            keys: ChaCha20Rng::seed_from_u64(30),
            unlocks: 0,
        }
    }

    /// A life of the terminal begins, whose store has the roster up to here.
    pub(crate) fn begin(
        &mut self,
        (followed, known): (Option<roster::Head>, Option<roster::Head>),
        now: Now,
        trail: Head,
    ) {
        self.before = self.session;
        let life = u128::from_be_bytes(self.session) + 1;
        self.session = life.to_be_bytes();
        self.centre = centre((self.session, self.level), followed, known);
        self.handed.clear();
        self.centre.last_will(now, trail);
        self.centre.handle(CentreInput::Connected, now, trail);
    }

    /// The order as it arrives, and whether the broker says that it had kept it.
    fn write(&mut self, wish: Wish, blemish: Blemish, now: Now) -> (Vec<u8>, bool) {
        self.count += 1;
        let command = match wish {
            Wish::Unlock => Command::Unlock("front".parse().expect("an identifier"), 4000),
            Wish::Lock => Command::Lock("front".parse().expect("an identifier")),
            Wish::Lockdown => Command::Lockdown,
            Wish::Release => Command::Release,
            Wish::Reboot => Command::Reboot,
            Wish::Diagnose => Command::Diagnose,
            Wish::Refill => Command::Refill,
            Wish::ResetLockout => Command::ResetLockout,
            Wish::Capture(who) => {
                self.picture_key = OpeningKey::draw(&mut self.keys);
                Command::Capture(name(who), self.picture_key.sealing_key().to_bytes().into())
            }
        };
        let session = if blemish == Blemish::OtherLife { self.before } else { self.session };
        let now_s = now.wall.ms.div_euclid(1000);
        let issued_s = if blemish == Blemish::Expired { now_s - 60 } else { now_s };
        let heading = Heading {
            kind: Kind::Command,
            site: site(),
            terminal: Some(terminal()),
            seq: self.count,
            issued_s,
            expires_s: Some(issued_s + 30),
        };
        let signer = if blemish == Blemish::NoOperator { ENROLLER } else { OPERATOR };
        let order = Order { session: session.into(), command };
        let mut bytes = message::sign(&heading, &order, &key(signer)).expect("an order is short");
        match blemish {
            Blemish::Replayed => bytes = self.last.clone().unwrap_or_default(),
            Blemish::Changed => *bytes.last_mut().expect("an order has bytes") ^= 1,
            Blemish::None => self.last = Some(bytes.clone()),
            Blemish::OtherLife | Blemish::NoOperator | Blemish::Retained | Blemish::Expired => {}
        }
        (bytes, blemish == Blemish::Retained)
    }
}

impl World {
    /// An order arrives. A good one is obeyed or refused for a reason of the door's; any other has no effect.
    pub(crate) fn order(&mut self, wish: Wish, blemish: Blemish) {
        // What it knew before it must know again before it obeys; and what was decided before was decided without it.
        self.bring_roster();
        after_each_event(self);
        let (now, trail) = (self.clock.now(), self.head());
        // Without a link it does not come to know it again, where a refill had it begin the roster anew.
        let known = self.store.lock().expect("one thread").roster_known().expect("readable");
        let knows = known.is_none_or(|known| self.office.centre.roster().head().seq >= known.seq);
        assert!(knows || !self.link, "with a link it knows what it knew");
        let (bytes, retained) = self.office.write(wish, blemish, now);
        let topic = "doorward/site/front/cmd".to_owned();
        let input = CentreInput::Arrived { topic, bytes, retained };
        let effects = self.office.centre.handle(input, now, trail);
        let obeyed = effects
            .into_iter()
            .find_map(|effect| if let Effect::Obey(order) = effect { Some(order) } else { None });
        let expected = knows && blemish == Blemish::None;
        assert_eq!(obeyed.is_some(), expected, "{wish:?} {blemish:?}: m2, m3, m5, m6");
        match obeyed {
            Some(order) => self.obey(wish, order),
            None => self.totals.orders_refused += 1,
        }
    }

    /// What was ordered last, as the trail has it: that holds over a start.
    pub(crate) fn lockdown_on_record(&self) -> bool {
        let ordered = |record: &Record| match Entry::from_bytes(&record.bytes).expect("an entry").what {
            What::Door(report) if report.event == "lockdown_ordered" => Some(true),
            What::Door(report) if report.event == "release_ordered" => Some(false),
            What::Door(_)
            | What::Started(_)
            | What::Decided(_)
            | What::Released(_)
            | What::Enrolled(_)
            | What::Erased(_)
            | What::ErasedEverybody(_)
            | What::Skipped(_)
            | What::Fault(_)
            | What::ClockJumped(_)
            | What::Stopped(_)
            | What::Pictured(_)
            | What::Asked(_)
            | What::Credential(_) => None,
        };
        self.entries(0).iter().rev().find_map(ordered).unwrap_or(false)
    }

    /// Ends the model's lockouts where the trail has an order for it whose answer was lost with the power.
    pub(crate) fn follow_resets(&mut self) {
        let reset = |record: &&Record| {
            let what = Entry::from_bytes(&record.bytes).expect("an entry").what;
            matches!(what, What::Door(report) if report.event == "lockout_reset")
        };
        let on_record = self.entries(0).iter().filter(reset).count();
        while self.model.resets < on_record {
            self.model.lockout_reset();
        }
    }

    fn obey(&mut self, wish: Wish, order: Admitted) {
        let hash = *order.hash();
        let (reply, answer) = sync_channel(1);
        let (locked_down, ordered) = (self.model.locked_down(), self.model.lockdown);
        // A lockdown counts from the moment it is ordered; over a start, from its record.
        self.model.lockdown |= wish == Wish::Lockdown;
        let full = self.wires().disk_full;
        self.office.unlocks += usize::from(wish == Wish::Unlock);
        self.office.author.anew |= wish == Wish::Refill && ordered;
        self.step(Input::Order(order, reply));
        // No answer: the power was cut.
        let Ok((outcome, seq)) = answer.try_recv() else { return };
        self.totals.ordered += 1;
        let done = outcome == Outcome::Done;
        assert!(!done || seq.is_some() || wish != Wish::Unlock && full, "{wish:?} without a record");
        match wish {
            Wish::Unlock => {
                assert!(!done || !locked_down && !full, "an order opened a door that is locked down")
            }
            Wish::Release => {
                assert_eq!(done, !full, "a lockdown ends with its record, and not without");
                self.model.lockdown &= !done;
            }
            Wish::Reboot => {
                assert_eq!(done, !full, "a terminal starts anew with its record, and not without")
            }
            Wish::Refill => assert_eq!(done, ordered && !full, "people come back behind a locked door alone"),
            Wish::ResetLockout => {
                assert_eq!(done, !full, "p12: a lockout ends with its record, and not without");
                if done {
                    self.model.lockout_reset();
                    assert_eq!(
                        self.standing().expect("a terminal runs").locked_out_until_ms,
                        None,
                        "p12: reset and locked out still"
                    );
                }
            }
            Wish::Capture(who) => self.check_picture(who, &hash, (outcome, seq)),
            Wish::Diagnose => assert!(matches!(outcome, Outcome::Report(_)), "{outcome:?}"),
            Wish::Lock | Wish::Lockdown => {
                assert!(
                    done || self.model.fire || self.wires().relay_broken,
                    "{wish:?} was refused: {outcome:?}"
                );
            }
        }
    }
}

fn trust() -> Trust {
    let mut trust = Trust::pinned(site(), PublicKey::of(&key(ROOT)));
    let roles = [
        (OPERATOR, Role::Operator),
        (ENROLLER, Role::Enroller),
        (POLICY, Role::Policy),
        (TERMINAL, Role::Terminal),
    ];
    for (seed, role) in roles {
        let delegation = Delegation {
            key: PublicKey::of(&key(seed)),
            holder: format!("{role:?}"),
            roles: vec![role],
            terminal: (role == Role::Terminal).then(terminal),
            from_s: i64::MIN,
            until_s: i64::MAX,
            joined_with: None,
        };
        trust.delegate(&delegation).expect("a role can be given");
    }
    trust
}

fn centre(
    (session, level): (Session, Level),
    followed: Option<roster::Head>,
    known: Option<roster::Head>,
) -> Centre {
    let own = Own {
        site: site(),
        terminal: terminal(),
        session,
        start: 1,
        genesis: [0; 32],
        version: String::new(),
        level,
    };
    let centre = Centre::new(own, key(TERMINAL), Follower::new([0; 32], trust()), followed);
    match known {
        Some(known) => centre.joined_at(known),
        None => centre,
    }
}

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub(crate) fn site() -> SiteId {
    "site".parse().expect("an identifier")
}

pub(crate) fn terminal() -> TerminalId {
    "front".parse().expect("an identifier")
}
