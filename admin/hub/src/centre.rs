//! What the centre does with what it is told: verifies, keeps, and only then answers.
//!
//! The broker is believed nothing. A message counts for its signature and place; the topic it came by only says where to
//! look. A group of messages is verified abreast, then kept in one transaction, and what is to be said about it leaves this
//! module after the commit.

use std::collections::BTreeMap;

use doorward_protocol::audit::{Hash, Head};
use doorward_protocol::command::{Order, Receipt, order_hash};
use doorward_protocol::delivery::{Acknowledgement, Batch, BatchFault};
use doorward_protocol::denial::Denial;
use doorward_protocol::envelope::{Envelope, Heading, Kind};
use doorward_protocol::ids::{SiteId, TerminalId};
use doorward_protocol::message;
use doorward_protocol::presence::{Health, RosterWanted, State};
use doorward_protocol::topic::{Channel, Matter, NoTopic, Topic};
use doorward_protocol::trust::{Authorised, Instruction, Reader, Refusal};
use ed25519_dalek::SigningKey;

use crate::abreast::abreast;
use crate::database::{Database, DatabaseFault, Kept, Transaction};
use crate::kept::{self, Alarm, TrailFault};
use crate::site::{AppendFault, Beginning, Site, SiteFault};
use crate::tally::{Tally, Why};

/// How long the broker keeps an order for a terminal that is away: as long as any order counts.
const ORDER_KEPT_S: u32 = 30;

/// A message as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// Where.
    pub topic: String,
    /// What.
    pub payload: Vec<u8>,
}

/// A message to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Where.
    pub topic: Topic,
    /// What.
    pub payload: Vec<u8>,
    /// Whether the broker keeps it for whoever comes later.
    pub retain: bool,
    /// How long the broker keeps it for whom it is for.
    pub expires_s: Option<u32>,
}

/// Why something that somebody asked for through the hub is not done.
#[derive(Debug, thiserror::Error)]
pub enum RequestFault {
    /// No such site here.
    #[error("site {0} is not kept here")]
    Site(SiteId),
    /// The message may have no effect.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The entry may not be appended.
    #[error(transparent)]
    Append(#[from] AppendFault),
    /// The database's.
    #[error(transparent)]
    Database(#[from] DatabaseFault),
}

impl From<SiteFault> for RequestFault {
    fn from(fault: SiteFault) -> Self {
        Self::Append(fault.into())
    }
}

/// The sites that are kept here, and the key that answers for them.
pub struct Centre {
    sites: BTreeMap<SiteId, Site>,
    key: SigningKey,
    tally: Tally,
}

/// What a group of messages leads to, gathered while it is kept and said when it is.
#[derive(Default)]
struct Outcome {
    /// Newest head of each trail that is to be acknowledged.
    heads: BTreeMap<(SiteId, TerminalId, Hash), Head>,
    feeds: Vec<Outgoing>,
    refused: Vec<(Why, String)>,
    taken: u64,
    records: u64,
}

impl Centre {
    /// Follows the sites as far as they are kept.
    ///
    /// # Errors
    /// [`SiteFault`].
    pub fn open(
        beginnings: Vec<Beginning>,
        key: SigningKey,
        database: &mut Database,
        tally: Tally,
    ) -> Result<Self, SiteFault> {
        let mut sites = BTreeMap::new();
        for beginning in beginnings {
            let site = Site::open(beginning, database)?;
            tally.head(site.name(), site.head().seq, site.state());
            sites.insert(site.name().clone(), site);
        }
        Ok(Self { sites, key, tally })
    }

    /// Takes a group of messages; returns what is to be answered. Nothing of it is kept where it fails, and all of it may
    /// come again.
    ///
    /// # Errors
    /// The database's.
    pub fn take(&mut self, database: &mut Database, group: &[Incoming], now_ms: i64) -> Kept<Vec<Outgoing>> {
        let heard = abreast(group, |incoming| self.hear(incoming, now_ms));
        let outcome = database.transaction(|transaction| {
            kept::take_turn(transaction)?;
            let mut outcome = Outcome::default();
            for (incoming, heard) in group.iter().zip(&heard) {
                let taken = match heard {
                    Ok(said) => said.take(transaction, &mut outcome),
                    Err((why, text)) => Err(Untaken::Refused(*why, text.clone())),
                };
                match taken {
                    Ok(()) => outcome.taken += 1,
                    Err(Untaken::Refused(why, text)) => {
                        outcome.refused.push((why, format!("{}: {text}", incoming.topic)));
                    }
                    Err(Untaken::Database(fault)) => return Err(fault),
                }
            }
            Ok::<_, DatabaseFault>(outcome)
        })?;
        for (why, text) in &outcome.refused {
            tracing::debug!(why = why.word(), "refused: {text}");
            self.tally.refused(*why);
        }
        self.tally.taken(outcome.taken, outcome.records);
        let mut answers = self.acknowledgements(&outcome.heads, now_ms);
        answers.extend(outcome.feeds);
        Ok(answers)
    }

    /// What is retained for terminals of every site: to be said at each connection.
    ///
    /// # Errors
    /// The database's.
    pub fn retained(&mut self, database: &mut Database) -> Kept<Vec<Outgoing>> {
        let mut said = Vec::new();
        for site in self.sites.values() {
            said.extend(retained(site, database)?);
        }
        Ok(said)
    }

    /// Follows what other hubs appended; returns the heads that changed.
    ///
    /// # Errors
    /// [`SiteFault`].
    pub fn catch_up(&mut self, database: &mut Database) -> Result<Vec<Outgoing>, SiteFault> {
        let mut said = Vec::new();
        for site in self.sites.values_mut() {
            if site.catch_up(database)? {
                self.tally.head(site.name(), site.head().seq, site.state());
                said.extend(retained(site, database)?);
            }
        }
        Ok(said)
    }

    /// Appends a roster entry that somebody signed; returns its number and what is to be said.
    ///
    /// # Errors
    /// [`RequestFault`].
    pub fn append(
        &mut self,
        database: &mut Database,
        site: &SiteId,
        bytes: &[u8],
    ) -> Result<(u64, Vec<Outgoing>), RequestFault> {
        let site = self.sites.get_mut(site).ok_or_else(|| RequestFault::Site(site.clone()))?;
        site.append(bytes, database)?;
        self.tally.head(site.name(), site.head().seq, site.state());
        let topic = Topic { site: site.name().clone(), channel: Channel::RosterHead };
        let head = Outgoing { topic, payload: bytes.to_vec(), retain: true, expires_s: None };
        Ok((site.head().seq, vec![head]))
    }

    /// Passes on an order that somebody signed; returns its hash, by which its receipt is found.
    ///
    /// # Errors
    /// [`RequestFault`].
    pub fn order(
        &mut self,
        site: &SiteId,
        bytes: &[u8],
        now_ms: i64,
    ) -> Result<(Hash, Vec<Outgoing>), RequestFault> {
        let site = self.sites.get(site).ok_or_else(|| RequestFault::Site(site.clone()))?;
        let envelope = Envelope::parse(bytes).map_err(Refusal::from)?;
        let terminal = envelope.claimed().0.terminal.clone().ok_or(Refusal::Terminal(None))?;
        let reader = Reader { terminal: Some(&terminal), now_s: Some(now_ms.div_euclid(1000)) };
        site.trust().authorise::<Order>(bytes, &reader)?;
        let topic = topic(site.name(), &terminal, Matter::Command);
        let order = Outgoing { topic, payload: bytes.to_vec(), retain: false, expires_s: Some(ORDER_KEPT_S) };
        Ok((order_hash(bytes), vec![order]))
    }

    /// Passes on a denial that somebody signed, and keeps it for terminals that come later.
    ///
    /// # Errors
    /// [`RequestFault`].
    pub fn deny(
        &mut self,
        database: &mut Database,
        site: &SiteId,
        bytes: &[u8],
    ) -> Result<Vec<Outgoing>, RequestFault> {
        let site = self.sites.get(site).ok_or_else(|| RequestFault::Site(site.clone()))?;
        site.trust().authorise::<Denial>(bytes, &Reader { terminal: None, now_s: None })?;
        database.transaction(|transaction| kept::set_denial(transaction, site.name(), bytes))?;
        let topic = Topic { site: site.name().clone(), channel: Channel::Denial };
        Ok(vec![Outgoing { topic, payload: bytes.to_vec(), retain: true, expires_s: None }])
    }

    /// Ends an alarm that somebody has seen to; whether it was open.
    ///
    /// # Errors
    /// [`RequestFault`].
    pub fn settle(
        &mut self,
        database: &mut Database,
        site: &SiteId,
        alarm: i64,
        now_ms: i64,
    ) -> Result<bool, RequestFault> {
        let site = self.sites.get(site).ok_or_else(|| RequestFault::Site(site.clone()))?;
        Ok(database.transaction(|transaction| kept::settle(transaction, site.name(), alarm, now_ms))?)
    }

    /// Takes a message to what it may have an effect by.
    fn hear<'a>(&'a self, incoming: &'a Incoming, now_ms: i64) -> Result<Said<'a>, (Why, String)> {
        let refused = |text: &str| (Why::Topic, text.to_owned());
        let topic: Topic = incoming.topic.parse().map_err(|fault: NoTopic| refused(&fault.to_string()))?;
        let Channel::Terminal(terminal, matter) = topic.channel else {
            return Err(refused("nothing is taken from here"));
        };
        let site = self.sites.get(&topic.site).ok_or_else(|| refused("the site is not kept here"))?;
        let bytes = &incoming.payload;
        let word = match matter {
            Matter::Audit => Word::Audit(authorised(site, &terminal, bytes)?),
            Matter::State => Word::State(authorised(site, &terminal, bytes)?),
            Matter::Health => Word::Health(authorised(site, &terminal, bytes)?),
            Matter::Reply => Word::Reply(authorised(site, &terminal, bytes)?),
            Matter::RosterWanted => Word::Wanted(authorised(site, &terminal, bytes)?),
            Matter::AuditAcknowledged | Matter::Command | Matter::RosterFeed => {
                return Err(refused("only the centre says such a thing"));
            }
        };
        Ok(Said { site, terminal, now_ms, bytes, word })
    }

    fn acknowledgements(
        &self,
        heads: &BTreeMap<(SiteId, TerminalId, Hash), Head>,
        now_ms: i64,
    ) -> Vec<Outgoing> {
        let sign = |((site, terminal, genesis), head): (&(SiteId, TerminalId, Hash), &Head)| {
            let heading = Heading {
                kind: Kind::Acknowledgement,
                site: site.clone(),
                terminal: Some(terminal.clone()),
                seq: head.seq,
                issued_s: now_ms.div_euclid(1000),
                expires_s: None,
            };
            let kept = Acknowledgement { genesis: (*genesis).into(), seq: head.seq, hash: head.hash.into() };
            let payload = message::sign(&heading, &kept, &self.key).expect("an acknowledgement is short");
            let topic = topic(site, terminal, Matter::AuditAcknowledged);
            Outgoing { topic, payload, retain: false, expires_s: None }
        };
        abreast(&heads.iter().collect::<Vec<_>>(), |head| sign(*head))
    }
}

/// Why a message was not taken.
enum Untaken {
    Refused(Why, String),
    Database(DatabaseFault),
}

impl From<DatabaseFault> for Untaken {
    fn from(fault: DatabaseFault) -> Self {
        Self::Database(fault)
    }
}

/// One message of one terminal, which may say it.
struct Said<'a> {
    site: &'a Site,
    terminal: TerminalId,
    now_ms: i64,
    bytes: &'a [u8],
    word: Word,
}

/// What a terminal says.
enum Word {
    Audit(Authorised<Batch>),
    State(Authorised<State>),
    Health(Authorised<Health>),
    Reply(Authorised<Receipt>),
    Wanted(Authorised<RosterWanted>),
}

impl Said<'_> {
    fn take(&self, transaction: &mut Transaction<'_>, outcome: &mut Outcome) -> Result<(), Untaken> {
        match &self.word {
            Word::Audit(batch) => self.audit(batch.message(), transaction, outcome),
            Word::State(state) => self.state(state, transaction),
            Word::Health(health) => self.health(health, transaction),
            Word::Reply(receipt) => self.reply(receipt.message(), transaction),
            Word::Wanted(wanted) => self.wanted(wanted.message(), transaction, outcome),
        }
    }

    fn audit(
        &self,
        batch: &Batch,
        transaction: &mut Transaction<'_>,
        outcome: &mut Outcome,
    ) -> Result<(), Untaken> {
        let place = (self.site.name().clone(), self.terminal.clone(), *batch.genesis);
        let fault = match kept::take(transaction, self.site.name(), &self.terminal, batch, self.bytes) {
            Ok(taken) => {
                outcome.heads.insert(place, taken.head);
                outcome.records += taken.new as u64;
                return Ok(());
            }
            Err(fault) => fault,
        };
        let text = fault.to_string();
        let why = match fault {
            TrailFault::Database(fault) => return Err(fault.into()),
            TrailFault::Trails => Why::Broken,
            TrailFault::Batch { fault: BatchFault::Gap { .. }, head } => {
                // What is kept says from where the terminal has to send.
                outcome.heads.entry(place).or_insert(head);
                Why::Gap
            }
            TrailFault::Batch { fault: BatchFault::Fork(_), .. } => {
                self.raise(transaction, Alarm::Fork)?;
                Why::Broken
            }
            TrailFault::Batch { fault: BatchFault::Broken(_) | BatchFault::Length(_), .. } => {
                self.raise(transaction, Alarm::Broken)?;
                Why::Broken
            }
        };
        Err(Untaken::Refused(why, text))
    }

    fn state(&self, state: &Authorised<State>, transaction: &mut Transaction<'_>) -> Result<(), Untaken> {
        let seq = state.heading().seq;
        let state = state.message();
        let trail = kept::trail_of(transaction, self.site.name(), &self.terminal, &state.trail.genesis);
        let (trail, _) = trail.map_err(|fault| match fault {
            TrailFault::Database(fault) => Untaken::Database(fault),
            fault @ (TrailFault::Trails | TrailFault::Batch { .. }) => {
                Untaken::Refused(Why::Broken, fault.to_string())
            }
        })?;
        let newer = kept::say_state(
            transaction,
            self.site.name(),
            &self.terminal,
            (trail, seq),
            state,
            self.bytes,
            self.now_ms,
        )?;
        // Whoever followed to the head holds what was signed there, or something was changed on it.
        let (held, head) = (&state.roster, self.site.head());
        if newer && held.seq == head.seq {
            match *held.state == self.site.state() {
                true => Alarm::State.over(transaction, self.site.name(), &self.terminal, self.now_ms)?,
                false => self.raise(transaction, Alarm::State)?,
            }
        }
        Ok(())
    }

    fn health(&self, health: &Authorised<Health>, transaction: &mut Transaction<'_>) -> Result<(), Untaken> {
        let seq = health.heading().seq;
        let (site, terminal) = (self.site.name(), &self.terminal);
        kept::say_health(transaction, site, terminal, seq, health.message(), self.now_ms)?;
        Ok(())
    }

    fn reply(&self, receipt: &Receipt, transaction: &mut Transaction<'_>) -> Result<(), Untaken> {
        let (site, terminal) = (self.site.name(), &self.terminal);
        kept::keep_receipt(transaction, site, terminal, receipt, self.bytes, self.now_ms)?;
        Ok(())
    }

    fn wanted(
        &self,
        wanted: &RosterWanted,
        transaction: &mut Transaction<'_>,
        outcome: &mut Outcome,
    ) -> Result<(), Untaken> {
        let (after, hash) = (wanted.after, &*wanted.hash);
        let found = kept::entries_after(transaction, self.site.name(), after, Some(hash), wanted.count())?;
        let Some(entries) = found else {
            if after <= self.site.head().seq {
                self.raise(transaction, Alarm::Roster)?;
            }
            return Err(Untaken::Refused(Why::Roster, format!("it follows another roster at entry {after}")));
        };
        let topic = topic(self.site.name(), &self.terminal, Matter::RosterFeed);
        let feed = |payload| Outgoing { topic: topic.clone(), payload, retain: false, expires_s: None };
        outcome.feeds.extend(entries.into_iter().map(feed));
        Ok(())
    }

    fn raise(&self, transaction: &mut Transaction<'_>, alarm: Alarm) -> Kept {
        alarm.raise(transaction, self.site.name(), &self.terminal, self.now_ms)
    }
}

/// The message, if its sender may give it. Time decides nothing here: a terminal's clock may be wrong by years, and what it
/// recorded counts all the same.
fn authorised<T: Instruction>(
    site: &Site,
    terminal: &TerminalId,
    bytes: &[u8],
) -> Result<Authorised<T>, (Why, String)> {
    let reader = Reader { terminal: Some(terminal), now_s: None };
    site.trust().authorise(bytes, &reader).map_err(|refusal| (Why::Signature, refusal.to_string()))
}

fn topic(site: &SiteId, terminal: &TerminalId, matter: Matter) -> Topic {
    Topic { site: site.clone(), channel: Channel::Terminal(terminal.clone(), matter) }
}

/// What is retained for a site's terminals.
fn retained(site: &Site, database: &mut Database) -> Kept<Vec<Outgoing>> {
    let kept = database.transaction(|transaction| kept::retained(transaction, site.name()))?;
    let said = [(Channel::RosterHead, kept.head), (Channel::Denial, kept.denial)];
    let outgoing = |(channel, payload): (Channel, Option<Vec<u8>>)| {
        let topic = Topic { site: site.name().clone(), channel };
        payload.map(|payload| Outgoing { topic, payload, retain: true, expires_s: None })
    };
    Ok(said.into_iter().filter_map(outgoing).collect())
}
