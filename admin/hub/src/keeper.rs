//! The keeper: one thread that writes to the database, many messages a transaction.
//!
//! While the database is away, the group in hand is tried again and again, the queue behind it fills, and what does not
//! fit is not taken. None of it was acknowledged, so all of it comes again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use doorward_protocol::audit::Hash;
use doorward_protocol::ids::SiteId;
use tokio::sync::{mpsc::Sender, oneshot};

use crate::centre::{Centre, Incoming, Outgoing, RequestFault};
use crate::clock;
use crate::database::{Database, DatabaseFault};
use crate::tally::{Tally, Why};

/// Messages that wait to be kept. The longest of them have 256 KiB, the usual ones 20.
pub const QUEUE_MAX: usize = 512;
/// Messages of one transaction: whatever came while the one before waited for the disk waits for it once.
const GROUP_MAX: usize = QUEUE_MAX;
/// How often other hubs' entries are looked for.
const LOOK: Duration = Duration::from_secs(1);
/// The shortest and the longest wait for a database that is away.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// What the keeper is asked to do.
pub enum Work {
    /// Keep a message.
    Message(Incoming),
    /// The broker is there: say what is retained.
    Connected,
    /// Append to a roster, and say its new number.
    Append(SiteId, Vec<u8>, oneshot::Sender<Result<u64, RequestFault>>),
    /// Pass on an order, and say its hash.
    Order(SiteId, Vec<u8>, oneshot::Sender<Result<Hash, RequestFault>>),
    /// End an alarm, and say whether it was open.
    Settle(SiteId, i64, oneshot::Sender<Result<bool, RequestFault>>),
    /// Pass on a denial.
    Deny(SiteId, Vec<u8>, oneshot::Sender<Result<(), RequestFault>>),
}

/// The keeper.
pub struct Keeper {
    /// What it keeps.
    pub centre: Centre,
    /// Where.
    pub database: Database,
    /// Where its answers go.
    pub outgoing: Sender<Outgoing>,
    /// What it counts.
    pub tally: Tally,
    /// Told after everything that was kept.
    pub news: tokio::sync::watch::Sender<u64>,
}

impl Keeper {
    /// Works until `stop`, or until nobody is left who could ask.
    pub fn run(mut self, work: &Receiver<Work>, stop: &AtomicBool) {
        let mut carried = None;
        while !stop.load(Ordering::Relaxed) {
            let next = match carried.take() {
                Some(next) => Ok(next),
                None => work.recv_timeout(LOOK),
            };
            match next {
                Ok(Work::Message(first)) => {
                    let mut group = vec![first];
                    while group.len() < GROUP_MAX {
                        match work.try_recv() {
                            Ok(Work::Message(next)) => group.push(next),
                            Ok(other) => {
                                carried = Some(other);
                                break;
                            }
                            Err(_) => break,
                        }
                    }
                    self.keep(&group, stop);
                }
                Ok(request) => self.serve(request),
                Err(RecvTimeoutError::Timeout) => self.look(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Keeps a group, however long the database is away.
    fn keep(&mut self, group: &[Incoming], stop: &AtomicBool) {
        let mut wait = RETRY.0;
        while !stop.load(Ordering::Relaxed) {
            match self.centre.take(&mut self.database, group, clock::now_ms()) {
                Ok(said) => return self.kept(said),
                Err(fault @ DatabaseFault::Away { .. }) => {
                    self.tally.set_keeping(false);
                    tracing::warn!("nothing is kept, trying again in {} ms: {fault}", wait.as_millis());
                    std::thread::park_timeout(wait);
                    wait = (wait * 2).min(RETRY.1);
                }
                Err(fault) => match group {
                    [one] => {
                        tracing::error!("a message on {} cannot be kept: {fault}", one.topic);
                        return self.tally.refused(Why::Database);
                    }
                    // One message that the database refuses must not hold back the others.
                    many => return many.iter().for_each(|one| self.keep(std::slice::from_ref(one), stop)),
                },
            }
        }
    }

    fn kept(&mut self, said: Vec<Outgoing>) {
        self.tally.set_keeping(true);
        self.say(said);
        self.news.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn serve(&mut self, request: Work) {
        // Whoever asked may be gone; then nobody needs the answer.
        match request {
            Work::Message(_) => unreachable!("messages are kept in groups"),
            Work::Connected => match self.centre.retained(&mut self.database) {
                Ok(said) => self.say(said),
                Err(fault) => tracing::warn!("what is retained is not told: {fault}"),
            },
            Work::Append(site, bytes, reply) => {
                let outcome = self.centre.append(&mut self.database, &site, &bytes);
                let _ = reply.send(outcome.map(|(seq, said)| {
                    self.kept(said);
                    seq
                }));
            }
            Work::Order(site, bytes, reply) => {
                let outcome = self.centre.order(&site, &bytes, clock::now_ms());
                let _ = reply.send(outcome.map(|(hash, said)| {
                    self.say(said);
                    hash
                }));
            }
            Work::Settle(site, alarm, reply) => {
                let outcome = self.centre.settle(&mut self.database, &site, alarm, clock::now_ms());
                let _ = reply.send(outcome.inspect(|_| self.kept(Vec::new())));
            }
            Work::Deny(site, bytes, reply) => {
                let outcome = self.centre.deny(&mut self.database, &site, &bytes);
                let _ = reply.send(outcome.map(|said| self.kept(said)));
            }
        }
    }

    fn look(&mut self) {
        match self.centre.catch_up(&mut self.database) {
            Ok(said) => {
                self.tally.set_keeping(true);
                self.say(said);
            }
            Err(fault) => {
                self.tally.set_keeping(false);
                tracing::warn!("look for other hubs' entries: {fault}");
            }
        }
    }

    /// Hands answers to the link. Where it is behind, they are left out: whoever waits for one asks again.
    fn say(&self, said: Vec<Outgoing>) {
        for message in said {
            if self.outgoing.try_send(message).is_err() {
                self.tally.unsaid();
            }
        }
    }
}
