//! One simulated terminal: its key, its audit trail, and what of it waits for the hub's word.
//!
//! When a batch goes up and when it goes again decides doord's own outbox; batches are signed by doord's own code, and an
//! acknowledgement counts by the same rules. What differs: records that wait lie in memory, a bounded number of them. Those
//! beyond it are counted and written when there is room, so that a backlog of millions costs no more than a short one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use doorward_core::centre::{self, Own, Saying};
use doorward_core::outbox::{BATCH_MAX, Effect, Input, Outbox, State as Outboxed};
use doorward_core::time::{Mono, Now};
use doorward_protocol::audit::{Decided, DoorReport, Entry, Hash, Head, LivenessLevel, Record, Scores, What};
use doorward_protocol::delivery::{Acknowledgement, Stretch};
use doorward_protocol::envelope::{Heading, Kind};
use doorward_protocol::ids::AttemptId;
use doorward_protocol::keys::SigningKey;
use doorward_protocol::message::{self, Text};
use doorward_protocol::presence::{Held, State, Trail};
use doorward_protocol::topic::Matter;
use doorward_protocol::trust::{Reader, Trust};

/// Records that lie in memory: two batches, one under way and one to follow.
const WAITING_MAX: usize = 2 * BATCH_MAX;
/// How often doord says how it is where nothing changes.
pub(super) const STATE_EVERY: Duration = Duration::from_secs(60);
/// Persons that pass.
const PERSONS: u64 = 5000;

/// What all terminals of a fleet know alike: each would follow the roster by itself, and come to the same.
pub(super) struct Kin {
    /// Whose word counts.
    pub(super) trust: Trust,
    /// How far the roster was followed, and what is held.
    pub(super) held: Held,
}

/// A terminal.
pub(super) struct Terminal {
    own: Own,
    key: SigningKey,
    kin: Arc<Kin>,
    outbox: Outbox,
    /// The newest record that was written.
    newest: Head,
    at_ms: i64,
    /// The record before the first that waits.
    kept: Head,
    waiting: VecDeque<Waiting>,
    /// What happened and is not written yet.
    unwritten: u64,
    happened: u64,
    said: u64,
    link: u64,
    linked: bool,
}

struct Waiting {
    record: Record,
    /// When it happened; none for what belongs to a backlog.
    since: Option<Mono>,
}

/// What a step leads to.
#[derive(Default)]
pub(super) struct Step {
    /// What is to be said.
    pub(super) say: Vec<Saying>,
    /// How long each record waited that is now kept, of those whose moment is known.
    pub(super) waited: Vec<Duration>,
    /// Records that are now kept.
    pub(super) kept: u64,
    /// Records in what is to be said.
    pub(super) sent: u64,
}

/// How a terminal stands at the end.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    /// The terminal and its trail.
    pub(super) own: Own,
    /// Records that happened.
    pub(super) happened: u64,
    /// How far the hub said that it keeps them.
    pub(super) kept: Head,
}

impl Terminal {
    pub(super) fn new(own: Own, key: SigningKey, kin: Arc<Kin>) -> Self {
        let genesis = Head::genesis(own.genesis);
        Self {
            own,
            key,
            kin,
            outbox: Outbox::new(0, 0),
            newest: genesis,
            at_ms: 0,
            kept: genesis,
            waiting: VecDeque::new(),
            unwritten: 0,
            happened: 0,
            said: 0,
            link: 0,
            linked: false,
        }
    }

    /// Who it is.
    pub(super) fn own(&self) -> &Own {
        &self.own
    }

    /// Where it stands.
    pub(super) fn standing(&self) -> Standing {
        Standing { own: self.own.clone(), happened: self.happened, kept: self.kept }
    }

    /// What the broker is to say when the connection that now begins ends.
    pub(super) fn last_will(&mut self, now: Now) -> Saying {
        self.link += 1;
        self.state(now, false)
    }

    /// The connection stands.
    pub(super) fn linked(&mut self, now: Now) -> Step {
        self.linked = true;
        let mut step = self.tick(now);
        step.say.insert(0, self.state(now, true));
        step
    }

    /// The connection is gone.
    pub(super) fn lost(&mut self, now: Now) {
        self.linked = false;
        if matches!(self.outbox.state(), Outboxed::Waiting { .. }) {
            self.outbox = self.outbox.clone().handle(Input::Failed, now.mono).0;
        }
    }

    /// How it is.
    pub(super) fn state(&mut self, now: Now, online: bool) -> Saying {
        self.said += 1;
        let state = State {
            session: self.own.session.into(),
            start: self.own.start,
            link: self.link,
            online,
            version: Text::cut(&self.own.version),
            clock: now.wall.trust,
            trail: Trail {
                genesis: self.own.genesis.into(),
                seq: self.newest.seq,
                hash: self.newest.hash.into(),
            },
            roster: self.kin.held.clone(),
            halted: None,
            level: Some(self.own.level),
        };
        let heading = Heading {
            kind: Kind::State,
            site: self.own.site.clone(),
            terminal: Some(self.own.terminal.clone()),
            seq: self.said,
            issued_s: now.wall.ms.div_euclid(1000),
            expires_s: None,
        };
        let bytes = message::sign(&heading, &state, &self.key).expect("a state is short");
        Saying { matter: Matter::State, bytes }
    }

    /// So much happened while nobody was there to hear it.
    pub(super) fn behind(&mut self, count: u64, now: Now) -> Step {
        self.happened += count;
        self.unwritten += count;
        self.advance(Input::Appended(self.happened), now)
    }

    /// Something happens at the door.
    pub(super) fn record(&mut self, now: Now) -> Step {
        self.happened += 1;
        if self.unwritten > 0 || self.waiting.len() >= WAITING_MAX {
            self.unwritten += 1;
        } else {
            self.write(Some(now.mono), now);
        }
        self.advance(Input::Appended(self.happened), now)
    }

    /// When time alone moves it.
    pub(super) fn deadline(&self) -> Option<Mono> {
        self.outbox.deadline().filter(|_| self.linked)
    }

    /// Time passed.
    pub(super) fn tick(&mut self, now: Now) -> Step {
        self.advance(Input::Tick, now)
    }

    /// The hub said how far it keeps the trail.
    ///
    /// # Errors
    /// Why it does not count.
    pub(super) fn acknowledged(&mut self, bytes: &[u8], now: Now) -> Result<Step, String> {
        let reader = Reader { terminal: Some(&self.own.terminal), now_s: None };
        let told = self.kin.trust.authorise::<Acknowledgement>(bytes, &reader).map_err(|e| e.to_string())?;
        let told = told.message();
        if *told.genesis != self.own.genesis {
            return Err("it acknowledges another trail".to_owned());
        }
        let own = match told.seq.checked_sub(self.kept.seq + 1) {
            None => return Ok(Step::default()),
            Some(at) => usize::try_from(at).ok().and_then(|at| self.waiting.get(at)),
        };
        match own {
            Some(own) if own.record.hash == *told.hash => {
                Ok(self.advance(Input::Acknowledged(told.seq), now))
            }
            Some(_) => Err(format!("record {} is another one at the hub", told.seq)),
            None => Err(format!("record {} was never sent", told.seq)),
        }
    }

    fn advance(&mut self, input: Input, now: Now) -> Step {
        let mut step = Step::default();
        let (outbox, effects) = self.outbox.clone().handle(input, now.mono);
        self.outbox = outbox;
        for effect in effects {
            match effect {
                Effect::Send { .. } if !self.linked => {
                    self.outbox = self.outbox.clone().handle(Input::Failed, now.mono).0;
                }
                Effect::Send { .. } => {
                    let (batch, count) = self.batch(now);
                    step.say.push(batch);
                    step.sent += count;
                }
                Effect::Acknowledge { through } => self.let_go(through, now.mono, &mut step),
            }
        }
        step
    }

    /// Lets go of what the hub keeps.
    fn let_go(&mut self, through: u64, now: Mono, step: &mut Step) {
        while let Some(first) = self.waiting.front()
            && first.record.seq <= through
        {
            self.kept = Head { seq: first.record.seq, hash: first.record.hash };
            step.waited.extend(first.since.map(|since| now.since(since)));
            step.kept += 1;
            self.waiting.pop_front();
        }
    }

    /// The oldest records that wait, signed.
    fn batch(&mut self, now: Now) -> (Saying, u64) {
        while self.unwritten > 0 && self.waiting.len() < BATCH_MAX {
            self.unwritten -= 1;
            self.write(None, now);
        }
        let records: Vec<Record> =
            self.waiting.iter().take(BATCH_MAX).map(|waiting| waiting.record.clone()).collect();
        let count = records.len() as u64;
        let stretch = Stretch { before: self.kept, records };
        let bytes = centre::batch(&self.own, &self.key, &stretch, now);
        (Saying { matter: Matter::Audit, bytes }, count)
    }

    fn write(&mut self, since: Option<Mono>, now: Now) {
        self.at_ms = self.at_ms.max(now.wall.ms);
        let what = passing(self.newest.seq, &self.own);
        let entry = Entry { at_ms: self.at_ms, clock: now.wall.trust, what };
        let bytes = entry.to_bytes().expect("what happens at a door is short");
        self.newest = self.newest.next(&bytes);
        let record = Record { seq: self.newest.seq, bytes, hash: self.newest.hash };
        self.waiting.push_back(Waiting { record, since });
    }
}

/// What happens at a door: somebody passes, it opens, it closes.
fn passing(number: u64, own: &Own) -> What {
    let door = "front".parse().expect("it is a name");
    let report =
        |event: &str| DoorReport { door: "front".parse().expect("it is a name"), event: event.into() };
    match number % 3 {
        0 => What::Decided(Decided {
            attempt: AttemptId(number),
            door,
            granted: true,
            person: format!("E-{}", (number / 3 + u64::from(own.session[0])) % PERSONS).parse().ok(),
            reason: "granted".into(),
            rule: "weekly".into(),
            scores: Some(Scores {
                comparison_score: 0.71,
                threshold: 0.46,
                runner_up: 0.21,
                liveness: 97.0,
                frames: 3,
                gallery: 5000,
            }),
            presented: None,
            level: Some(own.level),
        }),
        1 => What::Door(report("opened")),
        _ => What::Door(report("closed")),
    }
}

/// What a terminal asks of evidence of life: some have a colour camera alone.
fn level(number: u32) -> LivenessLevel {
    match number % 8 {
        5 => LivenessLevel::Convenience,
        7 => LivenessLevel::High,
        _ => LivenessLevel::Standard,
    }
}

/// Who a simulated terminal is in one run. `lot` is drawn for the run: every run begins trails of its own.
pub(super) fn own(trust: &Trust, number: u32, lot: &Hash) -> Own {
    let genesis = super::ground::drawn(b"trail", lot, number);
    Own {
        site: trust.site().clone(),
        terminal: super::ground::name(number),
        session: *genesis.first_chunk().expect("a hash is longer than a session's name"),
        start: 1,
        genesis,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        level: level(number),
    }
}

#[cfg(test)]
mod tests {
    use doorward_core::time::{ClockTrust, Wall};
    use doorward_protocol::delivery::{self, Batch};
    use doorward_protocol::keys::{PublicKey, Role};
    use doorward_protocol::trust::Delegation;

    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn now(ms: u64) -> Now {
        let wall =
            Wall { ms: 1_800_000_000_000 + i64::try_from(ms).unwrap(), trust: ClockTrust::Synchronised };
        Now { mono: Mono::from_millis(ms), wall }
    }

    fn terminal() -> Terminal {
        let mut trust = Trust::pinned("fleet".parse().unwrap(), PublicKey::of(&key(1)));
        for (seed, role, terminal) in
            [(2, Role::Hub, None), (3, Role::Terminal, Some(super::super::ground::name(0)))]
        {
            let delegation = Delegation {
                key: PublicKey::of(&key(seed)),
                holder: "somebody".to_owned(),
                roles: vec![role],
                terminal,
                from_s: 0,
                until_s: i64::MAX,
                joined_with: None,
            };
            trust.delegate(&delegation).unwrap();
        }
        let held = Held { seq: 0, hash: [0; 32].into(), state: [0; 32].into() };
        let own = own(&trust, 0, &[9; 32]);
        Terminal::new(own, key(3), Arc::new(Kin { trust, held }))
    }

    /// A hub of one trail.
    struct Hub {
        records: Vec<Record>,
        genesis: Hash,
    }

    impl Hub {
        fn head(&self) -> Head {
            let newest = self.records.last();
            newest.map_or(Head::genesis(self.genesis), |newest| Head { seq: newest.seq, hash: newest.hash })
        }

        fn take(&mut self, terminal: &Terminal, saying: &Saying) -> Vec<u8> {
            let reader = Reader { terminal: Some(&terminal.own.terminal), now_s: None };
            let batch = terminal.kin.trust.authorise::<Batch>(&saying.bytes, &reader).unwrap();
            let hash_of = |seq: u64| match usize::try_from(seq).unwrap() {
                0 => Some(self.genesis),
                seq => self.records.get(seq - 1).map(|record| record.hash),
            };
            let new = delivery::take(batch.message(), self.head(), hash_of).unwrap();
            self.records.extend(new.into_iter().map(|(record, _)| record));
            self.acknowledge(terminal, self.head(), 2)
        }

        fn acknowledge(&self, terminal: &Terminal, head: Head, seed: u8) -> Vec<u8> {
            let heading = Heading {
                kind: Kind::Acknowledgement,
                site: terminal.own.site.clone(),
                terminal: Some(terminal.own.terminal.clone()),
                seq: head.seq,
                issued_s: 0,
                expires_s: None,
            };
            let told =
                Acknowledgement { genesis: self.genesis.into(), seq: head.seq, hash: head.hash.into() };
            message::sign(&heading, &told, &key(seed)).unwrap()
        }
    }

    #[test]
    fn a_backlog_goes_up_in_order_though_only_two_batches_of_it_lie_in_memory() {
        let mut terminal = terminal();
        let mut hub = Hub { records: Vec::new(), genesis: terminal.own.genesis };
        assert!(terminal.behind(1000, now(0)).say.is_empty(), "nothing is said without a connection");
        let mut step = terminal.linked(now(2000));
        assert_eq!(step.say.remove(0).matter, Matter::State);
        assert!(terminal.tick(now(2000)).say.is_empty(), "one batch is under way");
        while terminal.outbox.backlog() > 0 {
            if hub.records.len() < 500 {
                terminal.record(now(2100));
            }
            assert!(terminal.waiting.len() <= WAITING_MAX);
            let told = hub.take(&terminal, &step.say[0]);
            step = terminal.acknowledged(&told, now(2200)).unwrap();
            assert!(step.kept > 0);
        }
        assert_eq!(hub.records.len() as u64, terminal.standing().happened);
        assert_eq!(terminal.standing().kept, hub.head());
    }

    #[test]
    fn m2_only_the_hubs_word_about_this_very_trail_lets_a_record_go() {
        let mut terminal = terminal();
        let hub = Hub { records: Vec::new(), genesis: terminal.own.genesis };
        terminal.linked(now(0));
        assert_eq!(terminal.record(now(0)).sent, 1);
        let own = Head { seq: 1, hash: terminal.waiting[0].record.hash };
        let other = Hub { records: Vec::new(), genesis: [1; 32] };
        for lie in [
            hub.acknowledge(&terminal, own, 3),
            hub.acknowledge(&terminal, Head { hash: [1; 32], ..own }, 2),
            hub.acknowledge(&terminal, Head { seq: 2, ..own }, 2),
            other.acknowledge(&terminal, own, 2),
        ] {
            assert!(terminal.acknowledged(&lie, now(1)).is_err());
        }
        assert_eq!(terminal.outbox.backlog(), 1);
        let step = terminal.acknowledged(&hub.acknowledge(&terminal, own, 2), now(40)).unwrap();
        assert_eq!((step.kept, step.waited), (1, vec![Duration::from_millis(40)]));
        assert_eq!(terminal.outbox.backlog(), 0);
    }
}
