//! The centre as this terminal sees it: whom it believes, what it says, what it still wants to know.
//!
//! Everything arrives through a broker that nobody trusts. What is signed by whoever may, addressed to this terminal and
//! new has an effect; all else is refused and named. Nothing here waits, and nothing here stands on the way of a
//! decision.

use std::time::Duration;

use doorward_protocol::audit::{Hash, Head};
use doorward_protocol::command::{self, Admitted, Desk, Order, Outcome, Receipt, Session};
use doorward_protocol::delivery::{Acknowledgement, Batch, Stretch};
use doorward_protocol::denial::{Denial, Denied};
use doorward_protocol::envelope::{Envelope, Heading, Kind};
use doorward_protocol::ids::{PersonId, SiteId, TerminalId};
use doorward_protocol::keys::{PublicKey, SigningKey};
use doorward_protocol::message::{self, List, Payload, Text};
use doorward_protocol::presence::{FEED_MAX, Health, Held, RosterWanted, State, Trail};
use doorward_protocol::roster::{self, Change, Entry, Follower, Hand, RosterFault};
use doorward_protocol::topic::{Channel, Matter, Topic};
use doorward_protocol::trust::{Reader, Refusal};

use crate::liveness::Level;
use crate::time::{ClockTrust, Mono, Now};

/// How long the feed may take before the same is asked for again.
const FEED_WAIT: Duration = Duration::from_secs(15);
/// A state that did not change is said again this often, so that the centre can tell a living link from a dead one.
const STATE_EVERY: Duration = Duration::from_secs(60);
/// A state that changes is said at most this often: a roster of many entries changes it with each.
const STATE_APART: Duration = Duration::from_secs(1);
/// First pause before an entry that the store did not take is offered again; it doubles…
const RETRY: Duration = Duration::from_secs(1);
/// …up to this, so that a disk with room again is used within a minute.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// Who this terminal is, in this life of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// Its site.
    pub site: SiteId,
    /// Its name there.
    pub terminal: TerminalId,
    /// Drawn at this start.
    pub session: Session,
    /// Number of the audit record of this start.
    pub start: u64,
    /// The genesis of its audit trail.
    pub genesis: Hash,
    /// The version that runs.
    pub version: String,
    /// How much evidence of life it asks for.
    pub level: Level,
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The broker took the connection.
    Connected,
    /// The connection ended.
    Lost,
    /// A message came by this topic. `retained`: the broker had kept it.
    Arrived {
        /// The topic.
        topic: String,
        /// The message.
        bytes: Vec<u8>,
        /// Whether it lay at the broker.
        retained: bool,
    },
    /// What an entry of the roster says is durable in the store, with the entry's number and hash.
    Taken(roster::Head),
    /// Nothing of it is, and why.
    NotTaken(String),
    /// Time passed.
    Tick,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Say this.
    Say(Saying),
    /// A hub keeps the trail up to here, if this is this terminal's trail.
    Acknowledged(Head),
    /// Obey this order, then say its receipt.
    Obey(Admitted),
    /// Learn this key, which opens contents of entries that follow.
    Learn(Hand),
    /// Do durably what an entry of the roster says, all of it or nothing, and answer with [`Input::Taken`] or
    /// [`Input::NotTaken`].
    Take(Taking),
    /// These persons do not pass, and nobody else is denied any more.
    Deny(Vec<PersonId>),
    /// Something had no effect, and why.
    Refused(String),
}

/// An entry of the roster on its way into the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taking {
    /// How far the roster is followed with it.
    pub head: roster::Head,
    /// What it changes.
    pub changes: Vec<Change>,
}

/// A signed message on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saying {
    /// What it is about.
    pub matter: Matter,
    /// The message.
    pub bytes: Vec<u8>,
}

/// How a terminal is, besides what it says in its state. What is not known is left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Vitals {
    /// Audit records that no hub has acknowledged.
    pub waiting: u64,
    /// Memory it takes, KiB.
    pub memory_kib: Option<u64>,
    /// Room left for its store, KiB.
    pub room_kib: Option<u64>,
    /// Temperature of the board, thousandths of a degree Celsius.
    pub temperature_mc: Option<i64>,
    /// Parts at fault now.
    pub faults: Vec<String>,
}

/// The centre as this terminal sees it.
#[derive(Debug)]
pub struct Centre {
    own: Own,
    key: SigningKey,
    roster: Follower,
    /// How far the store has it. Before the roster is followed as far again, nothing that takes trust is done: what is
    /// missing may be the revocation of whoever signs.
    stored: roster::Head,
    /// The entry that is followed and not in the store yet; none is followed beyond it.
    taking: Option<(Taking, Tries)>,
    /// How far it is followed with all that comes of it, and what the state tree says there: what may be told.
    held: Held,
    /// How far the roster had come when this terminal joined its site, or took it anew: nobody shows it less.
    joined: roster::Head,
    /// The roster differs from the one that was followed in an earlier life, or that this terminal joined.
    other_history: bool,
    denied: Denied,
    /// The newest denial that could not be believed yet: whoever signed it may become known by the roster.
    puzzling: Option<Vec<u8>>,
    desk: Desk,
    /// Messages said in this life.
    said: u64,
    link: u64,
    online: bool,
    halted: Option<String>,
    /// The largest number of a roster entry that was heard of; unproven, so that it makes this terminal ask and no more.
    rumoured: u64,
    asked: Option<Asked>,
    state_said: Option<(State, Mono)>,
}

/// How often the store was asked in vain, and when it is asked again.
#[derive(Debug, Clone, Copy, Default)]
struct Tries {
    failed: u32,
    again_at: Option<Mono>,
}

#[derive(Debug, Clone, Copy)]
struct Asked {
    after: u64,
    at: Mono,
}

impl Centre {
    /// At the start of a life; `stored` is how far the store has the roster from an earlier one.
    #[must_use]
    pub fn new(own: Own, key: SigningKey, mut roster: Follower, stored: Option<roster::Head>) -> Self {
        let desk = Desk::new(own.session);
        Self {
            own,
            key,
            stored: stored.unwrap_or(roster.head()),
            joined: roster.head(),
            taking: None,
            held: held(&mut roster),
            other_history: false,
            roster,
            denied: Denied::default(),
            puzzling: None,
            desk,
            said: 0,
            link: 0,
            online: false,
            halted: None,
            rumoured: 0,
            asked: None,
            state_said: None,
        }
    }

    /// The same for a terminal that joined its site when the roster had come so far, or takes it anew after that.
    #[must_use]
    pub fn joined_at(self, joined: roster::Head) -> Self {
        Self { joined, ..self }
    }

    /// What the broker is to say for this terminal when the connection that now begins ends.
    pub fn last_will(&mut self, now: Now, trail: Head) -> Saying {
        self.link += 1;
        let state = State { online: false, ..self.state(now, trail) };
        self.say(Matter::State, &state, now)
    }

    /// The topics this terminal listens to.
    #[must_use]
    pub fn topics(&self) -> Vec<String> {
        let own = |matter| Channel::Terminal(self.own.terminal.clone(), matter);
        let channels = [
            own(Matter::AuditAcknowledged),
            own(Matter::Command),
            own(Matter::RosterFeed),
            Channel::RosterHead,
            Channel::Denial,
        ];
        channels
            .into_iter()
            .map(|channel| Topic { site: self.own.site.clone(), channel }.to_string())
            .collect()
    }

    /// The topic of something this terminal says.
    #[must_use]
    pub fn topic(&self, matter: Matter) -> String {
        topic_of(&self.own, matter)
    }

    /// Takes one input. `trail` is the head of the audit trail now.
    pub fn handle(&mut self, input: Input, now: Now, trail: Head) -> Vec<Effect> {
        let mut effects = Vec::new();
        match input {
            Input::Connected => {
                (self.online, self.asked, self.state_said) = (true, None, None);
                self.rumoured = self.stored.seq.max(self.joined.seq);
            }
            Input::Lost => (self.online, self.asked) = (false, None),
            Input::Arrived { topic, bytes, retained } => {
                if let Err(why) = self.hear(&topic, &bytes, retained, now, &mut effects) {
                    effects.push(Effect::Refused(format!("a message on {topic}: {why}")));
                }
            }
            Input::Taken(head) => self.taken(head, &mut effects),
            Input::NotTaken(why) => self.not_taken(&why, now, &mut effects),
            Input::Tick => {}
        }
        self.take_again(now, &mut effects);
        if self.online {
            self.ask_for_more(now, &mut effects);
            self.say_state(now, trail, &mut effects);
        }
        effects
    }

    /// The receipt of an order.
    pub fn receipt(&mut self, order: &Admitted, outcome: Outcome, seq: Option<u64>, now: Now) -> Saying {
        self.receipt_for(order.hash(), outcome, seq, now)
    }

    /// A report of health, `up` after the start.
    pub fn health(&mut self, vitals: Vitals, up: Duration, now: Now) -> Saying {
        let Vitals { waiting, memory_kib, room_kib, temperature_mc, faults } = vitals;
        let faults = List::first(faults.iter().map(|part| Text::cut(part)));
        let session = self.own.session.into();
        let health =
            Health { session, up_s: up.as_secs(), waiting, memory_kib, room_kib, temperature_mc, faults };
        self.say(Matter::Health, &health, now)
    }

    /// How far the roster was followed.
    #[must_use]
    pub fn roster(&self) -> &Follower {
        &self.roster
    }

    fn hear(
        &mut self,
        topic: &str,
        bytes: &[u8],
        retained: bool,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        let topic: Topic = topic.parse().map_err(|e| format!("{e}"))?;
        // The topic only says what to look for; what counts stands in the envelope.
        match topic.channel {
            Channel::RosterHead | Channel::Terminal(_, Matter::RosterFeed) => self.follow(bytes, effects),
            Channel::Denial => self.deny(bytes, effects),
            Channel::Terminal(_, Matter::AuditAcknowledged) => {
                let head = self.acknowledged(bytes)?;
                effects.push(Effect::Acknowledged(head));
                Ok(())
            }
            Channel::Terminal(_, Matter::Command) if retained => {
                Err("an order that the broker had kept is none".to_owned())
            }
            Channel::Terminal(_, Matter::Command) => self.order(bytes, now, effects),
            Channel::Terminal(
                _,
                Matter::Audit | Matter::State | Matter::Health | Matter::Reply | Matter::RosterWanted,
            ) => Err("nothing is waited for there".to_owned()),
        }
    }

    /// Follows an entry of the roster, if it is the next one. One that the store does not have is taken there first.
    fn follow(&mut self, bytes: &[u8], effects: &mut Vec<Effect>) -> Result<(), String> {
        let envelope = Envelope::parse(bytes).map_err(|e| e.to_string())?;
        let (heading, _) = envelope.claimed();
        if (heading.kind, &heading.site) != (Kind::Roster, &self.own.site) {
            return Err("it is no entry of this site's roster".to_owned());
        }
        let came = heading.seq;
        self.rumoured = self.rumoured.max(came);
        // Whoever signs entries far ahead may become known on the way there.
        if came != self.roster.head().seq + 1 || self.taking.is_some() || self.other_history {
            return Ok(());
        }
        let reader = Reader { terminal: None, now_s: None };
        let entry = self.roster.trust().authorise::<Entry>(bytes, &reader).map_err(|e| e.to_string())?;
        match self.roster.follow(&entry, bytes) {
            Ok(()) => {
                self.halted = None;
                let head = self.roster.head();
                // Keys are not kept: they are learnt anew in each life, from entries that the store had before as well.
                effects.extend(self.handed(&entry.message().changes).cloned().map(Effect::Learn));
                self.other_history =
                    [self.stored, self.joined].iter().any(|known| head.seq == known.seq && head != *known);
                if head.seq > self.stored.seq {
                    if self.other_history {
                        let why = format!("entry {} is another one than this terminal joined by", head.seq);
                        self.halted = Some(why.clone());
                        return Err(why);
                    }
                    let taking = Taking { head, changes: entry.message().changes.clone() };
                    effects.push(Effect::Take(taking.clone()));
                    self.taking = Some((taking, Tries::default()));
                } else {
                    self.settle(effects);
                }
                Ok(())
            }
            Err(RosterFault::Gap { .. } | RosterFault::Old(_)) => Ok(()),
            // Signed by who may, and yet not to be followed: people must look, and are told.
            Err(fault @ (RosterFault::Fork(_) | RosterFault::Change { .. } | RosterFault::State(_))) => {
                self.halted = Some(fault.to_string());
                Err(fault.to_string())
            }
        }
    }

    fn handed<'a>(&self, changes: &'a [Change]) -> impl Iterator<Item = &'a Hand> {
        let own = PublicKey::of(&self.key).id();
        let hand = |change: &'a Change| if let Change::Hand(hand) = change { Some(hand) } else { None };
        changes.iter().filter_map(hand).filter(move |hand| hand.to == own)
    }

    /// The store has the newest entry, or had it before: only now it counts and is told.
    fn settle(&mut self, effects: &mut Vec<Effect>) {
        self.held = held(&mut self.roster);
        let before = self.denied.clone();
        self.denied.followed(self.held.seq, self.roster.trust());
        if before != self.denied {
            effects.push(Effect::Deny(self.denied.persons().cloned().collect()));
        }
        if let Some(denial) = self.puzzling.take()
            && let Err(why) = self.deny(&denial, effects)
        {
            effects.push(Effect::Refused(format!("a denial that was kept: {why}")));
        }
    }

    fn taken(&mut self, head: roster::Head, effects: &mut Vec<Effect>) {
        // An answer that comes late may be that to an earlier question.
        let Some((_, tries)) = self.taking.take_if(|(taking, _)| taking.head == head) else { return };
        self.stored = head;
        if tries.failed > 0 {
            (self.halted, self.asked) = (None, None);
        }
        self.settle(effects);
    }

    fn not_taken(&mut self, why: &str, now: Now, effects: &mut Vec<Effect>) {
        let Some((taking, tries)) = &mut self.taking else { return };
        let why = format!("entry {} of the roster does not get into the store: {why}", taking.head.seq);
        let pause = (RETRY * 2u32.pow(tries.failed.min(6))).min(RETRY_MAX);
        *tries = Tries { failed: tries.failed.saturating_add(1), again_at: Some(now.mono + pause) };
        effects.push(Effect::Refused(why.clone()));
        self.halted = Some(why);
    }

    /// Offers the store again what it did not take, when its pause is over.
    fn take_again(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if let Some((taking, tries)) = &mut self.taking
            && tries.again_at.take_if(|at| now.mono >= *at).is_some()
        {
            effects.push(Effect::Take(taking.clone()));
        }
    }

    /// Whether the roster is known as far as it ever was.
    fn in_the_know(&self) -> Result<(), String> {
        let (head, before) = (self.roster.head(), self.stored.seq.max(self.joined.seq));
        match () {
            () if self.other_history => {
                Err(format!("entry {} is another one than was known before", head.seq))
            }
            () if head.seq < before => {
                Err(format!("the roster was known to entry {before} and is only to {}", head.seq))
            }
            () => Ok(()),
        }
    }

    fn deny(&mut self, bytes: &[u8], effects: &mut Vec<Effect>) -> Result<(), String> {
        let trust = self.roster.trust();
        let denial = match trust.authorise::<Denial>(bytes, &Reader { terminal: None, now_s: None }) {
            Ok(denial) => denial,
            Err(refusal @ (Refusal::Unknown(_) | Refusal::Role { .. })) => {
                self.puzzling = Some(bytes.to_owned());
                return Err(refusal.to_string());
            }
            Err(refusal) => return Err(refusal.to_string()),
        };
        if self.denied.take(&denial, self.held.seq, trust).map_err(|e| e.to_string())? {
            effects.push(Effect::Deny(self.denied.persons().cloned().collect()));
        }
        Ok(())
    }

    fn acknowledged(&self, bytes: &[u8]) -> Result<Head, String> {
        self.in_the_know()?;
        let reader = Reader { terminal: Some(&self.own.terminal), now_s: None };
        let ack = self.roster.trust().authorise::<Acknowledgement>(bytes, &reader);
        let ack = ack.map_err(|e| e.to_string())?;
        let Acknowledgement { genesis, seq, hash } = ack.message();
        if **genesis != self.own.genesis {
            return Err("it acknowledges another trail than this terminal's".to_owned());
        }
        Ok(Head { seq: *seq, hash: **hash })
    }

    fn order(&mut self, bytes: &[u8], now: Now, effects: &mut Vec<Effect>) -> Result<(), String> {
        self.in_the_know()?;
        let known = now.wall.trust != ClockTrust::Unknown;
        let now_s = known.then_some(now.wall.ms.div_euclid(1000));
        let reader = Reader { terminal: Some(&self.own.terminal), now_s };
        let order = self.roster.trust().authorise::<Order>(bytes, &reader).map_err(|e| e.to_string())?;
        if self.denied.key(order.key()) {
            return Err(format!("key {} is denied", order.key()));
        }
        match self.desk.admit(&order, bytes, known) {
            Ok(admitted) => effects.push(Effect::Obey(admitted)),
            // Its issuer is known and may order; so he hears why nothing came of it.
            Err(fault) => {
                let outcome = Outcome::Refused(fault.to_string());
                let receipt = self.receipt_for(&command::order_hash(bytes), outcome, None, now);
                effects.push(Effect::Say(receipt));
            }
        }
        Ok(())
    }

    fn receipt_for(&mut self, order: &Hash, outcome: Outcome, seq: Option<u64>, now: Now) -> Saying {
        let receipt = Receipt { order: (*order).into(), outcome, audit_seq: seq };
        self.say(Matter::Reply, &receipt, now)
    }

    /// Asks for the roster's next entries where there is word of some: once, then again when they do not come.
    fn ask_for_more(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let head = self.roster.head();
        if self.taking.is_some() || self.other_history {
            return;
        }
        if self.rumoured <= head.seq {
            self.asked = None;
            return;
        }
        let answered = |asked: Asked| head.seq >= asked.after + u64::from(FEED_MAX);
        let waiting = |asked: Asked| now.mono.since(asked.at) < FEED_WAIT;
        if self.asked.is_some_and(|asked| !answered(asked) && waiting(asked)) {
            return;
        }
        self.asked = Some(Asked { after: head.seq, at: now.mono });
        let wanted = RosterWanted::after(self.own.session, head.seq, head.hash);
        effects.push(Effect::Say(self.say(Matter::RosterWanted, &wanted, now)));
    }

    fn say_state(&mut self, now: Now, trail: Head, effects: &mut Vec<Effect>) {
        let state = self.state(now, trail);
        let due = self.state_said.as_ref().is_none_or(|(before, at)| {
            let age = now.mono.since(*at);
            let same = State { trail: state.trail.clone(), ..before.clone() } == state;
            age >= STATE_EVERY || (!same && age >= STATE_APART)
        });
        if due {
            effects.push(Effect::Say(self.say(Matter::State, &state, now)));
            self.state_said = Some((state, now.mono));
        }
    }

    fn state(&mut self, now: Now, trail: Head) -> State {
        State {
            session: self.own.session.into(),
            start: self.own.start,
            link: self.link,
            online: true,
            version: Text::cut(&self.own.version),
            clock: now.wall.trust,
            trail: Trail { genesis: self.own.genesis.into(), seq: trail.seq, hash: trail.hash.into() },
            roster: self.held.clone(),
            halted: self.halted.clone().or(self.in_the_know().err()).as_deref().map(Text::cut),
            level: Some(self.own.level),
        }
    }

    fn say<T: Payload>(&mut self, matter: Matter, message: &T, now: Now) -> Saying {
        self.said += 1;
        Saying { matter, bytes: signed(&self.own, &self.key, self.said, message, now) }
    }
}

fn held(roster: &mut Follower) -> Held {
    let head = roster.head();
    Held { seq: head.seq, hash: head.hash.into(), state: roster.tree().root().into() }
}

/// The topic of something a terminal says.
#[must_use]
pub fn topic_of(own: &Own, matter: Matter) -> String {
    Topic { site: own.site.clone(), channel: Channel::Terminal(own.terminal.clone(), matter) }.to_string()
}

/// A batch of a terminal's trail, signed.
#[must_use]
pub fn batch(own: &Own, key: &SigningKey, stretch: &Stretch, now: Now) -> Vec<u8> {
    let batch = Batch::cut(own.genesis, stretch);
    signed(own, key, batch.first, &batch, now)
}

fn signed<T: Payload>(own: &Own, key: &SigningKey, seq: u64, message: &T, now: Now) -> Vec<u8> {
    let heading = Heading {
        kind: T::KIND,
        site: own.site.clone(),
        terminal: Some(own.terminal.clone()),
        seq,
        issued_s: now.wall.ms.div_euclid(1000),
        expires_s: None,
    };
    message::sign(&heading, message, key).expect("what a terminal says is bounded below a message's length")
}

#[cfg(test)]
mod tests;
