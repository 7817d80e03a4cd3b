//! The way to the centre: a thread that keeps a line to the broker, and the uplink that sends the audit trail along it.
//!
//! What is believed and said is decided in [`doorward_core::centre`]; here are the connection and the waiting. The thread
//! is not watched, and nothing waits for it: a broker that is gone, slow or hostile costs no decision anything.

pub mod line;

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use doorward_core::centre::{self, Centre, Effect, Input, Own, Saying, Taking};
use doorward_core::intake::Intake;
use doorward_core::reconnect::Reconnect;
use doorward_core::time::Mono;
use doorward_hal::clock::Clock;
use doorward_protocol::audit::{Hash, Head};
use doorward_protocol::command::{Admitted, Outcome};
use doorward_protocol::delivery::Stretch;
use doorward_protocol::keys::{PublicKey, SigningKey};
use doorward_protocol::roster::{self, Follower};
use doorward_protocol::topic::Matter;
use doorward_protocol::trust::Trust;

use self::line::{Broker, Heard, Line, LineFault, Message, Voice};
use crate::journal::JournalLink;
use crate::supervise::{Beat, Supervisor};
use crate::terminal::{self, chain};
use crate::uplink::{Uplink, UplinkFault};
use crate::vitals;

/// How long one wait takes at most, so that the thread notices the end and its timers.
const WAIT_MAX: Duration = Duration::from_millis(250);
/// How long an acknowledgement may take.
const ACK_WAIT: Duration = Duration::from_secs(10);
/// Acknowledgements that may wait for the uplink thread; more say nothing new.
const ACKS_MAX: usize = 4;
/// How long the terminal may take to obey: its record waits for the disk for at most two seconds.
const OBEY_WAIT: Duration = Duration::from_secs(3);

/// How often health is reported: the hub calls a terminal silent after three times this.
const HEALTH_EVERY: Duration = Duration::from_secs(60);

/// Refusals are told no closer than this.
const WARN_APART: Duration = Duration::from_secs(1);

/// What a configuration says of the centre.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CentreConfig {
    /// The broker between.
    pub broker: Broker,
    /// The site's root key.
    pub root: PublicKey,
    /// The genesis of the site's roster.
    pub genesis: Hash,
    /// How far the roster had come when this terminal joined, where that is known.
    pub joined: Option<roster::Head>,
    /// Where the key comes from that opens what is sealed to the site's terminals.
    pub opening_key: PathBuf,
}

/// Who this terminal is to the centre.
pub struct Identity {
    /// Its names.
    pub own: Own,
    /// What it signs with.
    pub key: SigningKey,
    /// How far its store has the site's roster.
    pub followed: Option<roster::Head>,
    /// How far it ever had it.
    pub known: Option<roster::Head>,
}

/// The voice of the line that stands, if one does.
type Spoken = Arc<Mutex<Option<Voice>>>;

/// Starts the thread, and returns the uplink that sends along its line.
pub fn start(
    threads: &mut Supervisor,
    clock: &Arc<dyn Clock>,
    config: CentreConfig,
    identity: Identity,
    intake: Intake,
    journal: &JournalLink,
    terminal: &SyncSender<terminal::Input>,
) -> Box<dyn Uplink> {
    let (acknowledged, acknowledgements) = sync_channel(ACKS_MAX);
    let Identity { own, key, followed, known } = identity;
    let known = [config.joined, known].into_iter().flatten().max_by_key(|head| head.seq);
    let roster = Follower::new(config.genesis, Trust::pinned(own.site.clone(), config.root));
    let voice = Spoken::default();
    let uplink = Sender {
        voice: Arc::clone(&voice),
        clock: Arc::clone(clock),
        own: own.clone(),
        key: key.clone(),
        acknowledgements,
    };
    let seed = own.session.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let mut talk = Talk {
        name: own.terminal.to_string(),
        centre: match known {
            Some(head) => Centre::new(own, key, roster, followed).joined_at(head),
            None => Centre::new(own, key, roster, followed),
        },
        intake,
        broker: config.broker,
        clock: Arc::clone(clock),
        journal: journal.clone(),
        terminal: terminal.clone(),
        acknowledged,
        voice,
        trail: None,
        warned: None,
        began: clock.now().mono,
        reported: None,
    };
    threads.spawn("centre", false, move |beat| talk.run(&beat, Reconnect::new(seed)));
    Box::new(uplink)
}

/// What the thread holds.
struct Talk {
    name: String,
    centre: Centre,
    intake: Intake,
    broker: Broker,
    clock: Arc<dyn Clock>,
    journal: JournalLink,
    terminal: SyncSender<terminal::Input>,
    acknowledged: SyncSender<Head>,
    voice: Spoken,
    /// The newest head that the store told.
    trail: Option<Head>,
    /// When a refusal was last told.
    warned: Option<Mono>,
    /// When this life began.
    began: Mono,
    /// When health was last reported on this line.
    reported: Option<Mono>,
}

impl Talk {
    fn run(&mut self, beat: &Beat, mut reconnect: Reconnect) -> anyhow::Result<()> {
        let mut told = None;
        while !beat.stopping() {
            let began = self.clock.now().mono;
            let mut connected = false;
            let ended = self.converse(beat, &mut connected);
            *self.voice.lock().unwrap_or_else(PoisonError::into_inner) = None;
            let now = self.clock.now();
            let trail = self.trail();
            self.centre.handle(Input::Lost, now, trail);
            let Err(fault) = ended else { break };
            // The same fault again and again is one line in the journal.
            let text = chain(fault.as_ref());
            if connected || told.as_ref() != Some(&text) {
                tracing::warn!("no line to the centre, which the door does not need: {text}");
            }
            told = Some(text);
            let lasted = if connected { now.mono.since(began) } else { Duration::ZERO };
            self.wait(beat, reconnect.pause(lasted));
        }
        Ok(())
    }

    /// One connection, from its beginning to its end. `Ok`: the program stops.
    fn converse(&mut self, beat: &Beat, connected: &mut bool) -> anyhow::Result<()> {
        let trail = self.trail();
        let will = self.centre.last_will(self.clock.now(), trail);
        let will = self.message(will);
        let mut line = Line::begin(&self.broker, &self.name, Some(will))?;
        self.reported = None;
        let voice = line.voice();
        while !beat.stopping() {
            let input = match line.hear(WAIT_MAX)? {
                Heard::Connected => {
                    *connected = true;
                    tracing::info!(host = self.broker.host, "a line to the centre");
                    self.centre.topics().iter().try_for_each(|topic| voice.listen(topic))?;
                    *self.voice.lock().unwrap_or_else(PoisonError::into_inner) = Some(voice.clone());
                    Input::Connected
                }
                Heard::Message(Message { topic, bytes, retained }) => {
                    Input::Arrived { topic, bytes, retained }
                }
                Heard::Nothing => Input::Tick,
            };
            self.handle(input, &voice);
            if *connected {
                self.report_health(&voice);
            }
        }
        Ok(())
    }

    fn report_health(&mut self, voice: &Voice) {
        let now = self.clock.now();
        if self.reported.is_some_and(|at| now.mono.since(at) < HEALTH_EVERY) {
            return;
        }
        self.reported = Some(now.mono);
        // A store too busy to say how it is says it the next time.
        if let Some(told) = self.journal.vitals() {
            let up = now.mono.since(self.began);
            let saying = self.centre.health(vitals::complete(told), up, now);
            self.say(saying, voice);
        }
    }

    /// Takes one input to its end. What is taken into the store is an input again, before anything else is heard.
    fn handle(&mut self, input: Input, voice: &Voice) {
        let mut input = Some(input);
        while let Some(next) = input.take() {
            let (now, trail) = (self.clock.now(), self.trail());
            for effect in self.centre.handle(next, now, trail) {
                if let Effect::Take(taking) = effect {
                    input = Some(self.take(&taking));
                } else {
                    self.carry_out(effect, voice);
                }
            }
        }
    }

    fn take(&mut self, Taking { head, changes }: &Taking) -> Input {
        let step = self.intake.take(*head, changes);
        match self.journal.take(step, self.clock.now().wall) {
            Ok(skipped) => {
                let entry = head.seq;
                match skipped {
                    0 => tracing::info!(entry, "followed the roster"),
                    _ => tracing::warn!(
                        entry,
                        skipped,
                        "followed the roster, and left changes out: see the trail"
                    ),
                }
                Input::Taken(*head)
            }
            Err(why) => Input::NotTaken(why),
        }
    }

    fn carry_out(&mut self, effect: Effect, voice: &Voice) {
        match effect {
            Effect::Say(saying) => self.say(saying, voice),
            // The uplink asks again for what it misses here.
            Effect::Acknowledged(head) => drop(self.acknowledged.try_send(head)),
            Effect::Take(_) => unreachable!("what is taken is an input again, above"),
            Effect::Learn(hand) => {
                if !self.intake.learn(&hand) {
                    self.warn("a key that was handed to this terminal does not open");
                }
            }
            Effect::Obey(order) => {
                let (outcome, seq) = self.obey(order.clone());
                let receipt = self.centre.receipt(&order, outcome, seq, self.clock.now());
                self.say(receipt, voice);
            }
            Effect::Deny(persons) => {
                if self.terminal.send(terminal::Input::Deny(persons.into_iter().collect())).is_err() {
                    tracing::error!("a denial found no terminal");
                }
            }
            Effect::Refused(why) => self.warn(&why),
        }
    }

    /// Says why something had no effect: once in a while, because a hostile broker has more to send than a log takes.
    fn warn(&mut self, why: &str) {
        let now = self.clock.now().mono;
        if self.warned.is_none_or(|at| now.since(at) >= WARN_APART) {
            self.warned = Some(now);
            tracing::warn!("refused: {why}");
        }
    }

    /// What comes of an order, and the record that says the same.
    fn obey(&self, order: Admitted) -> (Outcome, Option<u64>) {
        let (reply, answer) = sync_channel(1);
        let given = self.terminal.send(terminal::Input::Order(order, reply));
        let answer = given.ok().and_then(|()| answer.recv_timeout(OBEY_WAIT).ok());
        answer.unwrap_or_else(|| (Outcome::Refused("the terminal did not answer in time".to_owned()), None))
    }

    fn say(&self, saying: Saying, voice: &Voice) {
        let message = self.message(saying);
        let topic = message.topic.clone();
        if let Err(fault) = voice.say(message) {
            tracing::warn!(topic, "not said: {fault}");
        }
    }

    fn message(&self, Saying { matter, bytes }: Saying) -> Message {
        Message { topic: self.centre.topic(matter), bytes, retained: matter == Matter::State }
    }

    /// The head of the trail; the one before where the store is busy.
    fn trail(&mut self) -> Head {
        self.trail = self.journal.head().or(self.trail);
        self.trail.unwrap_or(Head::genesis([0; 32]))
    }

    fn wait(&self, beat: &Beat, pause: Duration) {
        let until = self.clock.now().mono + pause;
        while !beat.stopping() && self.clock.now().mono < until {
            self.clock.sleep(WAIT_MAX.min(until.since(self.clock.now().mono)));
        }
    }
}

/// Sends the trail along the line, and hears how far it is kept.
struct Sender {
    voice: Spoken,
    clock: Arc<dyn Clock>,
    own: Own,
    key: SigningKey,
    acknowledgements: Receiver<Head>,
}

impl Uplink for Sender {
    fn deliver(&mut self, stretch: &Stretch, stopping: &dyn Fn() -> bool) -> Result<Head, UplinkFault> {
        let fault = |why: String| UplinkFault { count: stretch.records.len(), why };
        let voice = self.voice.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let voice = voice.ok_or_else(|| fault("there is no line".to_owned()))?;
        // What was acknowledged before the question is no answer to it.
        while self.acknowledgements.try_recv().is_ok() {}
        let bytes = centre::batch(&self.own, &self.key, stretch, self.clock.now());
        let topic = centre::topic_of(&self.own, Matter::Audit);
        let message = Message { topic, bytes, retained: false };
        voice.say(message).map_err(|e: LineFault| fault(e.to_string()))?;
        let until = self.clock.now().mono + ACK_WAIT;
        loop {
            let left = until.since(self.clock.now().mono).min(WAIT_MAX);
            match self.acknowledgements.recv_timeout(left) {
                Ok(head) if head.seq > stretch.before.seq => return Ok(head),
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(fault("the line's thread is gone".to_owned()));
                }
            }
            let broken = self.voice.lock().unwrap_or_else(PoisonError::into_inner).is_none();
            if broken || stopping() || self.clock.now().mono >= until {
                return Err(fault("no acknowledgement came".to_owned()));
            }
        }
    }
}
