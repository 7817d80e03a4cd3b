//! A site in miniature: its keys, its roster, and terminals that record and sign as real ones do.

use doorward_hub::centre::{Centre, Incoming};
use doorward_hub::database::{Address, Database};
use doorward_hub::site::Beginning;
use doorward_hub::tally::Tally;
use doorward_protocol::audit::{
    self, ClockTrust, Decided, DoorReport, FaultReport, LivenessLevel, Started, Stopped, What,
};
use doorward_protocol::delivery::{Acknowledgement, Batch};
use doorward_protocol::envelope::Heading;
use doorward_protocol::ids::{AttemptId, TerminalId};
use doorward_protocol::keys::{PublicKey, Role};
use doorward_protocol::message::{self, Opaque, Payload, Text};
use doorward_protocol::presence::{Held, State, Trail};
use doorward_protocol::roster::{Change, Entry, Follower, PersonPut, PersonSlot, Slot};
use doorward_protocol::trust::{Delegation, Reader, Trust};
use ed25519_dalek::SigningKey;

pub(crate) const NOW_S: i64 = 1_800_000_000;
pub(crate) const NOW_MS: i64 = NOW_S * 1000;
pub(crate) const ROSTER: audit::Hash = [7; 32];

pub(crate) const ROOT: u8 = 1;
pub(crate) const ENROLLER: u8 = 2;
pub(crate) const OPERATOR: u8 = 3;
pub(crate) const HUB: u8 = 4;
/// A key that nobody gave a role.
pub(crate) const STRANGER: u8 = 99;
/// The keys of terminals `t0`, `t1`, … begin here.
const TERMINALS: u8 = 10;

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub(crate) fn beginning() -> Beginning {
    Beginning { site: "hq".parse().unwrap(), root: PublicKey::of(&key(ROOT)), genesis: ROSTER }
}

/// Signs a message as a real sender does.
pub(crate) fn signed<T: Payload>(to: Option<&TerminalId>, seq: u64, message: &T, seed: u8) -> Vec<u8> {
    let heading = Heading {
        kind: T::KIND,
        site: "hq".parse().unwrap(),
        terminal: to.cloned(),
        seq,
        issued_s: NOW_S,
        expires_s: None,
    };
    message::sign(&heading, message, &key(seed)).unwrap()
}

/// Whoever signs the roster.
pub(crate) struct Author {
    follower: Follower,
    pub(crate) entries: Vec<Vec<u8>>,
}

impl Author {
    /// A site with its people, a hub, and terminals `t0` up to `terminals`.
    pub(crate) fn new(terminals: u8) -> Self {
        let trust = Trust::pinned("hq".parse().unwrap(), PublicKey::of(&key(ROOT)));
        let mut author = Self { follower: Follower::new(ROSTER, trust), entries: Vec::new() };
        let people = [(ENROLLER, Role::Enroller), (OPERATOR, Role::Operator), (HUB, Role::Hub)];
        let mut changes: Vec<Change> =
            people.into_iter().map(|(seed, role)| delegate(seed, role, None)).collect();
        changes.extend((0..terminals).map(|number| {
            let name = format!("t{number}").parse().unwrap();
            delegate(TERMINALS + number, Role::Terminal, Some(name))
        }));
        author.append(ROOT, changes);
        author
    }

    /// Signs the next entry.
    pub(crate) fn append(&mut self, seed: u8, changes: Vec<Change>) -> Vec<u8> {
        let state = self.follower.foresee(&changes).unwrap();
        let head = self.follower.head();
        let entry = Entry { before: head.hash.into(), state: state.into(), changes };
        let bytes = signed(None, head.seq + 1, &entry, seed);
        let reader = Reader { terminal: None, now_s: None };
        let entry = self.follower.trust().authorise::<Entry>(&bytes, &reader).unwrap();
        self.follower.follow(&entry, &bytes).unwrap();
        self.entries.push(bytes.clone());
        bytes
    }

    /// Signs an entry that puts a template of somebody.
    pub(crate) fn put(&mut self, person: &str) -> Vec<u8> {
        let at = PersonSlot { person: person.parse().unwrap(), slot: Slot::Template, number: 0 };
        self.append(
            ENROLLER,
            vec![Change::PersonPut(PersonPut { at, form: 1, sealed: Opaque(vec![1, 2, 3]) })],
        )
    }

    pub(crate) fn follower(&mut self) -> &mut Follower {
        &mut self.follower
    }
}

fn delegate(seed: u8, role: Role, terminal: Option<TerminalId>) -> Change {
    Change::Delegate(Delegation {
        key: PublicKey::of(&key(seed)),
        holder: format!("holder {seed}"),
        roles: vec![role],
        terminal,
        from_s: 0,
        until_s: i64::MAX,
        joined_with: None,
    })
}

/// A terminal that records.
pub(crate) struct Terminal {
    pub(crate) name: TerminalId,
    pub(crate) seed: u8,
    genesis: audit::Hash,
    records: Vec<Vec<u8>>,
    heads: Vec<audit::Head>,
}

impl Terminal {
    pub(crate) fn new(number: u8) -> Self {
        Self::with_store(number, 100 + number)
    }

    /// With a store that began as `store` says.
    pub(crate) fn with_store(number: u8, store: u8) -> Self {
        let genesis = [store; 32];
        Self {
            name: format!("t{number}").parse().unwrap(),
            seed: TERMINALS + number,
            genesis,
            records: Vec::new(),
            heads: vec![audit::Head::genesis(genesis)],
        }
    }

    pub(crate) fn record(&mut self, what: What) {
        let at_ms = NOW_MS + i64::try_from(self.records.len()).unwrap();
        let bytes = audit::Entry { at_ms, clock: ClockTrust::Synchronised, what }.to_bytes().unwrap();
        self.heads.push(self.heads.last().unwrap().next(&bytes));
        self.records.push(bytes);
    }

    /// Records `count` decisions.
    pub(crate) fn decide(&mut self, count: usize) {
        for number in 0..count {
            let person = if number % 2 == 0 { "ada" } else { "bob" };
            self.record(What::Decided(Decided {
                attempt: AttemptId(number as u64),
                door: "front".parse().unwrap(),
                granted: number % 3 != 0,
                person: Some(person.parse().unwrap()),
                reason: "granted".into(),
                rule: "weekly".into(),
                scores: None,
                presented: None,
                level: Some(LivenessLevel::Convenience),
            }));
        }
    }

    pub(crate) fn head(&self) -> audit::Head {
        *self.heads.last().unwrap()
    }

    /// Records `first` to `last` as they are sent.
    pub(crate) fn batch(&self, first: u64, last: u64) -> Batch {
        let place = |seq: u64| usize::try_from(seq).unwrap();
        let before = self.heads[place(first) - 1].hash.into();
        let records = self.records[place(first) - 1..place(last)].iter().cloned().map(Opaque).collect();
        Batch { genesis: self.genesis.into(), first, before, records }
    }

    pub(crate) fn sent(&self, first: u64, last: u64) -> Incoming {
        self.sent_by(self.seed, first, last)
    }

    /// The same under another key.
    pub(crate) fn sent_by(&self, seed: u8, first: u64, last: u64) -> Incoming {
        self.says("audit", signed(Some(&self.name), first, &self.batch(first, last), seed))
    }

    pub(crate) fn says(&self, matter: &str, payload: Vec<u8>) -> Incoming {
        Incoming { topic: format!("doorward/hq/{}/{matter}", self.name), payload }
    }

    /// How it says it is: in life `start`, on its connection `link`.
    pub(crate) fn state(&self, start: u64, link: u64, online: bool) -> State {
        let head = self.head();
        State {
            session: [u8::try_from(start % 256).unwrap(); 16].into(),
            start,
            link,
            online,
            version: Text::cut("0.1.0"),
            clock: ClockTrust::Synchronised,
            trail: Trail { genesis: self.genesis.into(), seq: head.seq, hash: head.hash.into() },
            roster: Held { seq: 1, hash: [3; 32].into(), state: [4; 32].into() },
            halted: None,
            level: Some(LivenessLevel::Standard),
        }
    }

    pub(crate) fn says_state(&self, seq: u64, state: &State) -> Incoming {
        self.says("state", signed(Some(&self.name), seq, state, self.seed))
    }
}

pub(crate) fn door(event: &str) -> What {
    What::Door(DoorReport { door: "front".parse().unwrap(), event: event.to_owned() })
}

pub(crate) fn fault(part: &str, set: bool) -> What {
    What::Fault(FaultReport { part: part.to_owned(), code: "lost".to_owned(), set })
}

pub(crate) fn started() -> What {
    What::Started(Started { version: "0.1.0".into(), models: String::new(), config: String::new() })
}

pub(crate) fn stopped(cause: &str) -> What {
    What::Stopped(Stopped { cause: cause.to_owned() })
}

/// A hub over a database, without a broker.
pub(crate) struct Hub {
    pub(crate) centre: Centre,
    pub(crate) database: Database,
    pub(crate) tally: Tally,
}

impl Hub {
    pub(crate) fn open(address: &Address) -> Self {
        let mut database = Database::open(address).unwrap();
        let tally = Tally::default();
        let centre = Centre::open(vec![beginning()], key(HUB), &mut database, tally.clone()).unwrap();
        Self { centre, database, tally }
    }

    /// With a roster.
    pub(crate) fn following(address: &Address, author: &Author) -> Self {
        let mut hub = Self::open(address);
        for entry in &author.entries {
            hub.centre.append(&mut hub.database, &"hq".parse().unwrap(), entry).unwrap();
        }
        hub
    }

    /// Takes messages; returns the acknowledgements, verified as a terminal does.
    pub(crate) fn take(&mut self, author: &mut Author, group: &[Incoming]) -> Vec<(String, u64)> {
        let said = self.centre.take(&mut self.database, group, NOW_MS).unwrap();
        let acknowledged = said.iter().filter(|message| message.topic.to_string().ends_with("/audit/ack"));
        let read = |message: &doorward_hub::centre::Outgoing| {
            let topic = message.topic.to_string();
            let name = topic.split('/').nth(2).unwrap().to_owned();
            let terminal: TerminalId = name.parse().unwrap();
            let reader = Reader { terminal: Some(&terminal), now_s: None };
            let trust = author.follower().trust();
            let read = trust.authorise::<Acknowledgement>(&message.payload, &reader).unwrap();
            (name, read.message().seq)
        };
        acknowledged.map(read).collect()
    }
}
