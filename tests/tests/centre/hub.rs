//! Some lines of a hub: it publishes the roster, verifies batches, keeps them, and acknowledges; also one that lies.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use doorward_daemon::centre::line::{self, Heard, Line, Message, Voice};
use doorward_hal::clock::{Clock as _, SystemClock};
use doorward_protocol::audit::{Hash, Head};
use doorward_protocol::command::{Command, Order, Outcome, Receipt, Session};
use doorward_protocol::delivery::{self, Acknowledgement, Batch, BatchFault};
use doorward_protocol::envelope::Heading;
use doorward_protocol::message::{self, Payload};
use doorward_protocol::presence::{Age, RosterWanted, State};
use doorward_protocol::roster::Entry;
use doorward_protocol::topic::{Channel, Matter, Topic};
use doorward_protocol::trust::{Reader, Trust};

use crate::broker::Broker;
use crate::site::{self, HUB, HUB_KEY, OPERATOR_KEY, TerminalKey};
use crate::wait_for;

/// Batches that a liar answers with a lie before it turns honest.
const LIES: u64 = 1;

/// What a hub acknowledges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Honesty {
    /// What it keeps.
    Honest,
    /// Everything, under the signature of somebody who is no hub.
    ForgesSignatures,
    /// Everything, of a trail with another genesis.
    HasAnotherTrail,
    /// Everything, under hashes that are not the trail's.
    NamesOtherHashes,
}

#[derive(Default)]
struct Kept {
    genesis: Option<Hash>,
    records: Vec<(Hash, Vec<u8>)>,
    state: Option<(Age, State)>,
    links: u64,
    receipts: Vec<Outcome>,
    lies: u64,
}

/// The hub.
pub(crate) struct Hub {
    kept: Arc<Mutex<Kept>>,
    voice: Arc<Mutex<Option<Voice>>>,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Hub {
    pub(crate) fn start(broker: &Broker, honesty: Honesty) -> Self {
        let (kept, voice, stopping) =
            (Arc::<Mutex<Kept>>::default(), Arc::<Mutex<_>>::default(), Arc::<AtomicBool>::default());
        let work = Work {
            way: broker.way(HUB),
            terminal_key: broker.terminal_key(),
            honesty,
            kept: Arc::clone(&kept),
            voice: Arc::clone(&voice),
            stopping: Arc::clone(&stopping),
        };
        let thread = Some(std::thread::spawn(move || work.run()));
        Self { kept, voice, stopping, thread }
    }

    /// Records kept.
    pub(crate) fn kept(&self) -> u64 {
        self.kept.lock().unwrap().records.len() as u64
    }

    /// The bytes of every record kept.
    pub(crate) fn trail(&self) -> Vec<Vec<u8>> {
        self.kept.lock().unwrap().records.iter().map(|(_, bytes)| bytes.clone()).collect()
    }

    /// Lies told.
    pub(crate) fn lies(&self) -> u64 {
        self.kept.lock().unwrap().lies
    }

    /// The present life of the terminal.
    pub(crate) fn session(&self) -> Option<Session> {
        self.kept.lock().unwrap().state.as_ref().map(|(_, state)| *state.session)
    }

    /// Connections of the terminal so far.
    pub(crate) fn links(&self) -> u64 {
        self.kept.lock().unwrap().links
    }

    /// Whether the terminal's newest state says that it is there.
    pub(crate) fn online(&self) -> Option<bool> {
        self.kept.lock().unwrap().state.as_ref().map(|(_, state)| state.online)
    }

    /// What came of orders.
    pub(crate) fn receipts(&self) -> Vec<Outcome> {
        self.kept.lock().unwrap().receipts.clone()
    }

    /// An operator's order.
    pub(crate) fn order(&self, seq: u64, command: Command) -> Message {
        let order = Order { session: self.session().unwrap().into(), command };
        signed(Matter::Command, seq, &order, OPERATOR_KEY, Some(30))
    }

    /// Forwards something.
    pub(crate) fn say(&self, message: Message) {
        wait_for("the hub has a line", || self.voice.lock().unwrap().is_some());
        self.voice.lock().unwrap().as_ref().unwrap().say(message).unwrap();
    }

    pub(crate) fn stop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

/// What its thread works with.
struct Work {
    way: line::Broker,
    terminal_key: TerminalKey,
    honesty: Honesty,
    kept: Arc<Mutex<Kept>>,
    voice: Arc<Mutex<Option<Voice>>>,
    stopping: Arc<AtomicBool>,
}

impl Work {
    fn run(&self) {
        let (mut author, entry) = site::roster(site::told(&self.terminal_key));
        let reader = Reader { terminal: None, now_s: None };
        let authorised = author.trust().authorise::<Entry>(&entry, &reader).unwrap();
        author.follow(&authorised, &entry).unwrap();
        while !self.stopping.load(Ordering::Relaxed) {
            let _ = self.converse(author.trust(), &entry);
            *self.voice.lock().unwrap() = None;
            SystemClock::default().sleep(Duration::from_millis(100));
        }
    }

    fn converse(&self, trust: &Trust, entry: &[u8]) -> Result<(), line::LineFault> {
        let mut line = Line::begin(&self.way, HUB, None)?;
        let voice = line.voice();
        while !self.stopping.load(Ordering::Relaxed) {
            match line.hear(Duration::from_millis(100))? {
                Heard::Connected => {
                    for matter in ["audit", "state", "cmd/reply", "roster/want"] {
                        voice.listen(&format!("doorward/{}/+/{matter}", site::site()))?;
                    }
                    let head = Topic { site: site::site(), channel: Channel::RosterHead }.to_string();
                    voice.say(Message { topic: head, bytes: entry.to_vec(), retained: true })?;
                    *self.voice.lock().unwrap() = Some(voice.clone());
                }
                Heard::Message(message) => {
                    let topic: Topic = message.topic.parse().unwrap();
                    let Channel::Terminal(_, matter) = topic.channel else { continue };
                    for answer in self.answer(matter, &message.bytes, trust, entry) {
                        voice.say(answer)?;
                    }
                }
                Heard::Nothing => {}
            }
        }
        voice.end();
        let _ = line.hear(Duration::from_millis(100));
        Ok(())
    }

    fn answer(&self, matter: Matter, bytes: &[u8], trust: &Trust, entry: &[u8]) -> Vec<Message> {
        let own = site::terminal();
        let reader = Reader { terminal: Some(&own), now_s: None };
        match matter {
            Matter::Audit => {
                let batch = trust.authorise::<Batch>(bytes, &reader).unwrap();
                self.keep(batch.message()).into_iter().collect()
            }
            Matter::State => {
                let said = trust.authorise::<State>(bytes, &reader).unwrap();
                let (age, state) = (said.message().age(said.heading().seq), said.message().clone());
                let mut kept = self.kept.lock().unwrap();
                kept.links = kept.links.max(state.link);
                if kept.state.as_ref().is_none_or(|(before, _)| *before < age) {
                    kept.state = Some((age, state));
                }
                Vec::new()
            }
            Matter::Reply => {
                let receipt = trust.authorise::<Receipt>(bytes, &reader).unwrap();
                self.kept.lock().unwrap().receipts.push(receipt.message().outcome.clone());
                Vec::new()
            }
            Matter::RosterWanted => {
                // The roster has one entry, and with it comes the key that signed the question.
                let wanted = trust.authorise::<RosterWanted>(bytes, &reader).unwrap();
                let missing = wanted.message().after == 0;
                let feed =
                    Message { topic: topic(Matter::RosterFeed), bytes: entry.to_vec(), retained: false };
                missing.then_some(feed).into_iter().collect()
            }
            Matter::AuditAcknowledged | Matter::Health | Matter::Command | Matter::RosterFeed => Vec::new(),
        }
    }

    fn keep(&self, batch: &Batch) -> Option<Message> {
        let mut kept = self.kept.lock().unwrap();
        kept.genesis = Some(*batch.genesis);
        if self.honesty != Honesty::Honest && kept.lies < LIES {
            kept.lies += 1;
            return Some(self.lie(batch));
        }
        let head = head_of(&kept);
        let hash_of = |seq: u64| match seq.checked_sub(1) {
            None => Some(*batch.genesis),
            Some(at) => kept.records.get(usize::try_from(at).unwrap()).map(|(hash, _)| *hash),
        };
        match delivery::take(batch, head, hash_of) {
            Ok(new) => kept.records.extend(new.into_iter().map(|(record, _)| (record.hash, record.bytes))),
            Err(BatchFault::Gap { .. }) => {}
            Err(fault) => panic!("an honest terminal's batch: {fault}"),
        }
        let head = head_of(&kept);
        let ack = Acknowledgement { genesis: batch.genesis, seq: head.seq, hash: head.hash.into() };
        Some(signed(Matter::AuditAcknowledged, head.seq, &ack, HUB_KEY, None))
    }

    fn lie(&self, batch: &Batch) -> Message {
        let head = batch
            .records
            .iter()
            .fold(Head { seq: batch.first - 1, hash: *batch.before }, |head, record| head.next(&record.0));
        let (mut ack, mut key) =
            (Acknowledgement { genesis: batch.genesis, seq: head.seq, hash: head.hash.into() }, HUB_KEY);
        match self.honesty {
            Honesty::ForgesSignatures => key = OPERATOR_KEY,
            Honesty::HasAnotherTrail => ack.genesis = [9; 32].into(),
            Honesty::NamesOtherHashes => ack.hash = [9; 32].into(),
            Honesty::Honest => {}
        }
        signed(Matter::AuditAcknowledged, head.seq, &ack, key, None)
    }
}

fn head_of(kept: &Kept) -> Head {
    let genesis = kept.genesis.unwrap_or_default();
    let hash = kept.records.last().map_or(genesis, |(hash, _)| *hash);
    Head { seq: kept.records.len() as u64, hash }
}

fn topic(matter: Matter) -> String {
    Topic { site: site::site(), channel: Channel::Terminal(site::terminal(), matter) }.to_string()
}

fn signed<T: Payload>(matter: Matter, seq: u64, payload: &T, key: u8, life_s: Option<i64>) -> Message {
    let issued_s = SystemClock::default().now().wall.ms / 1000;
    let heading = Heading {
        kind: T::KIND,
        site: site::site(),
        terminal: Some(site::terminal()),
        seq,
        issued_s,
        expires_s: life_s.map(|life| issued_s + life),
    };
    let bytes = message::sign(&heading, payload, &site::key(key)).unwrap();
    Message { topic: topic(matter), bytes, retained: false }
}
