//! The whole story of this program: how a frame becomes a moved relay, or does not.
//!
//! ```text
//! examine:  Frameset → Face → GoodFace → LiveFace → Embedding        (any stage may answer Reject, or break)
//! receive:  Credential → Claim, or Decision where it decides by itself
//! decide:   Case (and Claim) → Candidate → Decision → Recorded<Decision> → door → relay, panel
//! ```
//!
//! What the door's wiring reports takes its own way, in `terminal/wiring.rs`, to the same door and the same record.
//!
//! [`Examiner::examine`] runs on the vision thread, everything else on the terminal thread; the simulator calls both on
//! one. Time and devices are arguments, so the same inputs give the same run.

pub mod asking;
mod orders;
mod pictures;
mod relay;
mod showing;
mod wiring;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use doorward_core::attempt::{Attempts, Case, Evidence, Look, Seen, State, Verdict};
use doorward_core::audit::{Disk, JournalFault, Recorded, record};
use doorward_core::calibration::Calibration;
use doorward_core::claim::{self, Admission, Claim, Claims, Spent};
use doorward_core::credential::Credential;
use doorward_core::decision::{Answer, Auditable, Cue, Decision, Reject};
use doorward_core::door::points::Points;
use doorward_core::door::{self, Door, OnTamper, Signal};
use doorward_core::frame::Frameset;
use doorward_core::freshness::{Freshness, Frozen};
use doorward_core::inquiry::Allowance;
use doorward_core::liveness::emitter::Light;
use doorward_core::liveness::{self, Level, smile};
use doorward_core::lockout::Lockout;
use doorward_core::policy::{self, Candidate, Circumstances, Permit, Rules};
use doorward_core::quality;
use doorward_core::questions::Questions;
use doorward_core::session::{SessionId, Sessions};
use doorward_core::stages::{EmbedFault, Embedding, Face, Sighting};
use doorward_core::time::{Mono, Now};
use doorward_core::timekeeping::Timekeeper;
use doorward_core::vision::{Detection, Vision, VisionFault};
use doorward_hal::clock::Clock;
use doorward_hal::panel::Panel;
use doorward_hal::relay::Relay;
use doorward_protocol::audit::{Entry, FaultReport, What};
use doorward_protocol::command::Admitted;
use doorward_protocol::ids::{PersonId, SiteId, TerminalId};
use doorward_store::Known;

use self::asking::{Ask, Reply};
pub use self::orders::Obeyed;
use self::pictures::Pictures;
use crate::emitter::LightMeter;
use crate::people::People;
use crate::trace::{Ending, Stage, Trace};

/// Looks at framesets, one after the other.
pub struct Examiner {
    /// Detector, liveness and embedding.
    pub vision: Box<dyn Vision>,
    /// What a face must be like to be judged.
    pub quality: quality::Limits,
    /// What must speak for life.
    pub liveness: liveness::Policy,
    /// Whether the pictures are new.
    pub freshness: Freshness,
    /// What the infrared light was; none where it follows no pattern.
    pub light: Option<LightMeter>,
    /// Times the stages; decides nothing.
    pub clock: Arc<dyn Clock>,
}

/// Why an examination ended early: an answer, or something broken.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error("{}", .0.code())]
    Reject(Reject),
    #[error("the emitter was off or changed")]
    Unlit,
    #[error(transparent)]
    Vision(#[from] VisionFault),
    #[error(transparent)]
    Embed(#[from] EmbedFault),
    #[error(transparent)]
    Frozen(#[from] Frozen),
}

impl From<Reject> for Stop {
    fn from(reject: Reject) -> Self {
        Stop::Reject(reject)
    }
}

impl Examiner {
    /// Examines one frameset to its end, and says what was seen on the way.
    pub fn examine(&mut self, frames: Frameset) -> (Look, Trace) {
        let (mut trace, mut seen, mut sighting) = (Trace::begin(frames.at(), self.now()), None, None);
        let evidence = match self.walk(frames, &mut trace, &mut seen) {
            Ok((embedding, of)) => {
                sighting = Some(of);
                Evidence::Live(embedding)
            }
            Err(Stop::Reject(reject)) => {
                trace.ending = Ending::Rejected(reject);
                Evidence::Rejected(reject)
            }
            Err(Stop::Unlit) => {
                trace.ending = Ending::Unlit;
                Evidence::Unlit
            }
            Err(stop @ (Stop::Vision(_) | Stop::Embed(_) | Stop::Frozen(_))) => {
                trace.ending = Ending::Broke(chain(&stop));
                Evidence::Fault
            }
        };
        (Look { evidence, seen, sighting }, trace)
    }

    fn walk(
        &mut self,
        frames: Frameset,
        trace: &mut Trace,
        seen: &mut Option<Seen>,
    ) -> Result<(Embedding, Sighting), Stop> {
        self.freshness.check(&frames)??;

        trace.found = self.vision.detect(&frames.rgb.plane)?;
        trace.lap(Stage::Detect, self.now());
        let face = Face::dominant(frames, &trace.found, &self.quality)?;
        let &Detection { region, landmarks, .. } = face.detection();
        let smile =
            self.liveness.may_ask().then(|| smile::score(&face.frames().rgb.plane, &landmarks)).flatten();
        let seen = seen.insert(Seen { region, landmarks, glimpse: None, smile });

        let good = quality::check(face, &self.quality)?;
        trace.quality = Some(*good.quality());
        trace.lap(Stage::Quality, self.now());

        // Without its own light, infrared proves nothing; what is missing altogether is told further down.
        if let Some(light) = self.light.as_ref().filter(|_| good.frames().ir.is_some()) {
            let (light, glimpse) = light.read(good.frames(), good.detection());
            seen.glimpse = glimpse;
            if matches!(light, Light::Dark(_) | Light::Changing) {
                return Err(Stop::Unlit);
            }
        }

        let rgb = self.vision.liveness(good.picture(), good.detection())?;
        trace.lap(Stage::Liveness, self.now());
        let evidence = liveness::gather(&good, rgb, &self.liveness);
        trace.evidence = Some(evidence);
        trace.lap(Stage::Sensors, self.now());
        let live = liveness::prove(good, evidence, &self.liveness)?;

        let embedding = Embedding::of(&live, self.vision.as_mut())?;
        trace.lap(Stage::Embed, self.now());
        Ok((embedding, Sighting::of(&live)))
    }

    fn now(&self) -> Mono {
        self.clock.now().mono
    }
}

/// What reaches the terminal.
pub enum Input {
    /// A frameset was examined.
    Evidence(Look),
    /// The door's wiring reports.
    Signal(Signal),
    /// Somebody shows a credential.
    Credential(Credential),
    /// A part of the terminal that is not the door's failed or recovered.
    Fault(FaultReport),
    /// The store's persons changed.
    People(Box<People>),
    /// Some of them did.
    Known(Vec<Known>),
    /// An operator's order; what comes of it is answered.
    Order(Admitted, SyncSender<Obeyed>),
    /// Who does not pass, whatever the store says.
    Deny(BTreeSet<PersonId>),
    /// A question of a program beside the door, and where the answer goes.
    Ask(Ask, Reply),
    /// Time passed.
    Tick,
}

/// What the terminal did, for whoever watches it: the log, the metrics, the demo page. Never an influence on it.
#[derive(Debug, Clone)]
pub enum Observation {
    /// An attempt was decided, when its newest frame was taken, and what the decision took since.
    Decided(Recorded<Decision>, Mono, Duration),
    /// A decision could not be recorded, so nothing came of it.
    Unrecorded(Decision, JournalFault),
    /// The panel shows this.
    Shown(Cue),
    /// The relay moved: released or locked.
    Relay(bool),
    /// Something other than a decision entered the audit trail.
    Recorded,
    /// The terminal's states changed.
    Stands(Standing),
    /// A session has its result.
    SessionEnded(SessionId),
}

/// Where a terminal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The door.
    pub door: door::State,
    /// Whether the door stands open.
    pub open: bool,
    /// The attempt: `idle`, `watching`, `decided`, `cool_down` or `blind`.
    pub attempt: &'static str,
    /// How much evidence of life it asks for.
    pub level: Level,
    /// Until when attempts are locked out, milliseconds since 1970.
    pub locked_out_until_ms: Option<i64>,
}

/// The devices of one door.
pub struct Devices {
    /// The lock.
    pub relay: Box<dyn Relay>,
    /// What the person sees.
    pub panel: Box<dyn Panel>,
}

/// What one terminal decides with.
pub struct Terminal {
    /// Persons, replaced as a whole when they change.
    pub people: People,
    /// The rules of this door.
    pub rules: Rules,
    /// What comparison scores mean, for the model in use.
    pub calibration: Calibration,
    /// How long egress releases the lock.
    pub egress_for: Duration,
    attempts: Attempts,
    door: Door,
    claims: Claims,
    points: Points,
    on_tamper: OnTamper,
    lockout: Lockout,
    spent: Spent,
    sessions: Sessions,
    allowance: Allowance,
    questions: Questions,
    timekeeper: Timekeeper,
    /// An operator's; tampering may add to it.
    lockdown: bool,
    pictures: Pictures,
    /// Who does not pass, whatever the store says.
    denied: BTreeSet<PersonId>,
    /// The rights that were taken from them meanwhile; none where they had none.
    set_aside: BTreeMap<PersonId, Option<Permit>>,
    blind: bool,
    relay_obeys: bool,
    /// Which lockouts are on record, in the order of [`Lockout::locks`].
    locks_told: [bool; 3],
    /// The relay did not lock when told: when it is told again.
    relock_at: Option<Mono>,
    /// Everybody was to be erased and the disk did not do it: when it is told again.
    erase_at: Option<Mono>,
    /// When this life ends, because somebody ordered it.
    over_at: Option<Mono>,
    shown: Option<Cue>,
    stood: Option<Standing>,
    devices: Devices,
    disk: Box<dyn Disk + Send>,
    observer: Box<dyn FnMut(Observation) + Send>,
}

/// What a terminal finds in its store when it starts.
pub struct Beginning {
    /// Attempts, numbered on from the store's last.
    pub attempts: Attempts,
    /// Failed checks of the last days.
    pub lockout: Lockout,
    /// Codes for one time that were used.
    pub spent: Spent,
    /// Time of the newest audit entry.
    pub timekeeper: Timekeeper,
    /// Whether a lockdown was ordered that nobody has ended.
    pub lockdown: bool,
    /// The site, and this terminal's name there.
    pub own: (SiteId, TerminalId),
}

impl Terminal {
    /// Puts a terminal together. The devices are locked already: their constructors see to that.
    #[must_use]
    pub fn new(
        people: People,
        (rules, calibration, door): (Rules, Calibration, door::Settings),
        beginning: Beginning,
        devices: Devices,
        disk: Box<dyn Disk + Send>,
        observer: Box<dyn FnMut(Observation) + Send>,
    ) -> Self {
        Self {
            questions: Questions::new(people.gallery.version(), beginning.attempts.level()),
            people,
            egress_for: rules.open_for,
            rules,
            calibration,
            attempts: beginning.attempts,
            door: Door::new(door),
            claims: Claims::default(),
            points: Points::new(door.patience),
            on_tamper: door.on_tamper,
            lockout: beginning.lockout,
            spent: beginning.spent,
            sessions: Sessions::default(),
            allowance: Allowance::default(),
            timekeeper: beginning.timekeeper,
            lockdown: beginning.lockdown,
            pictures: Pictures::new(beginning.own),
            denied: BTreeSet::new(),
            set_aside: BTreeMap::new(),
            blind: false,
            relay_obeys: true,
            locks_told: [false; 3],
            relock_at: None,
            erase_at: None,
            over_at: None,
            shown: None,
            stood: None,
            devices,
            disk,
            observer,
        }
    }

    /// Takes one input to its end: the only entry to the door's state.
    pub fn step(&mut self, input: Input, now: Now) {
        let now = self.read_clock(now);
        match input {
            Input::Evidence(look) => self.look(look, now),
            Input::Signal(signal) => self.sense(signal, now),
            Input::Credential(credential) => self.receive(&credential, now),
            Input::Fault(report) => self.note(&What::Fault(report), now),
            Input::People(people) => {
                self.people = *people;
                self.set_aside.clear();
                self.suspend_denied();
            }
            Input::Known(known) => {
                self.give_back();
                self.people.learn(known);
                self.suspend_denied();
            }
            Input::Order(order, reply) => {
                let obeyed = self.obey(&order, now);
                // Whoever asked may have given up; the record says what came of it.
                let _ = reply.try_send(obeyed);
            }
            Input::Deny(denied) => {
                self.give_back();
                self.denied = denied;
                self.suspend_denied();
            }
            Input::Ask(ask, reply) => {
                let told = self.answer(ask, now);
                reply(told);
            }
            Input::Tick => {}
        }
        if self.erase_at.is_some() {
            self.forget_everybody();
        }
        self.tidy_pictures(now);
        let (points, findings) = self.points.tick(now.mono);
        self.points = points;
        self.follow(findings, now);
        let (attempts, verdict) = self.attempts.clone().tick(now.mono);
        self.attempts = attempts;
        self.conclude(verdict, None, now);
        if let Some(claim) = self.claims.expire(now.mono) {
            let (attempt, door) = (self.attempts.number(), self.rules.door.clone());
            self.settle(Decision::ruled(claim.expired(), attempt, door), now.mono, now);
        }
        self.sessions.tick(now.mono);
        let asked = self.questions.due(now.mono);
        self.count_questions(asked, now);
        self.move_door(door::Input::Tick, now);
        if self.relock_at.is_some_and(|at| now.mono >= at) {
            self.lock(now);
        }
        if self.erase_at.is_some_and(|at| now.mono >= at) {
            self.erase_everybody(now);
        }
        self.tell_lockouts(now);
        self.show(now);
        let stands = self.standing(now);
        if self.stood.replace(stands) != Some(stands) {
            (self.observer)(Observation::Stands(stands));
        }
    }

    /// When [`Input::Tick`] is due if nothing else comes.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        let deadlines = [
            self.attempts.deadline(),
            self.door.deadline(),
            self.points.deadline(),
            self.claims.deadline(),
            self.sessions.deadline(),
            self.questions.deadline(),
            self.pictures.deadline(),
            self.relock_at,
            self.erase_at,
            self.over_at,
        ];
        deadlines.into_iter().flatten().min()
    }

    /// Whether it is to start anew.
    #[must_use]
    pub fn over(&self, now: Now) -> bool {
        self.over_at.is_some_and(|at| now.mono >= at)
    }

    /// Where the terminal stands.
    #[must_use]
    pub fn standing(&self, now: Now) -> Standing {
        let attempt = match self.attempts.state() {
            State::Idle => "idle",
            State::Watching(_) => "watching",
            State::Decided { .. } => "decided",
            State::CoolDown { .. } => "cool_down",
            State::Blind => "blind",
        };
        let locked_out = self.lockout.locked(now.wall.ms);
        Standing {
            door: self.door.state(),
            open: self.door.is_open(),
            attempt,
            level: self.attempts.level(),
            locked_out_until_ms: self.lockout.until_ms().filter(|_| locked_out),
        }
    }

    /// The end of the terminal: lock, and say why.
    pub fn stop(&mut self, cause: &str, now: Now) {
        self.lock(now);
        let asked = self.questions.rest();
        self.count_questions(asked, now);
        self.note(&What::Stopped(doorward_protocol::audit::Stopped { cause: cause.to_owned() }), now);
    }

    fn look(&mut self, look: Look, now: Now) {
        let blind = matches!(look.evidence, Evidence::Fault);
        if blind != self.blind {
            self.blind = blind;
            let report = FaultReport { part: "vision".into(), code: "blind".into(), set: blind };
            self.note(&What::Fault(report), now);
        }
        // Where a face counts only after a credential, nobody stands there before it.
        let claimed = self.claims.held(now.mono).is_some();
        let looked_for = !self.rules.terms.mode.needs_claim() || claimed;
        let mut look = if looked_for || blind { look } else { Evidence::Rejected(Reject::NoFace).into() };
        let sighting = look.sighting.take();
        let (attempts, verdict) = self.attempts.clone().observe(look, claimed, now.mono);
        self.attempts = attempts;
        self.conclude(verdict, sighting, now);
    }

    fn conclude(&mut self, verdict: Option<Verdict>, sighting: Option<Sighting>, now: Now) {
        self.tell_sessions(verdict.as_ref());
        match verdict {
            Some(Verdict::Case(case)) => self.decide(&case, sighting, now),
            Some(Verdict::Refused(refusal)) => {
                let claim = self.claims.take(now.mono);
                let decision = Decision::refused(&refusal, claim.as_ref(), self.rules.door.clone());
                self.settle(decision, now.mono, now);
            }
            None => {}
        }
    }

    /// Whose it is → a claim that waits for a face, or a decision.
    fn receive(&mut self, credential: &Credential, now: Now) {
        if !self.claims.listen(now.mono) {
            return;
        }
        let holder = self.people.wallet.holder(credential);
        match claim::admit(credential.kind(), holder, &self.rules, &self.circumstances(now), now.mono) {
            Admission::Claim(claim) => self.claims.hold(claim),
            Admission::Ruled(ruling) => {
                let decision = Decision::ruled(ruling, self.attempts.number(), self.rules.door.clone());
                let granted = matches!(decision.answer(), Answer::Grant(_));
                self.claims.pause(now.mono);
                if self.settle(decision, now.mono, now) && granted {
                    self.attempts = self.attempts.clone().settle(true, now.mono);
                }
            }
        }
    }

    /// match → policy → audit → door.
    fn decide(&mut self, case: &Case, sighting: Option<Sighting>, now: Now) {
        let claim = self.claims.take(now.mono);
        let candidate = self.compare(case, claim);
        let decision = policy::decide(&candidate, &self.rules, &self.circumstances(now));
        let granted = matches!(decision.answer(), Answer::Grant(_));
        let recorded = self.settle(decision, case.at(), now);
        self.attempts = self.attempts.clone().settle(granted && recorded, now.mono);
        // After everything that opens a door: nobody waits for it.
        if let (true, Some(person)) = (recorded, candidate.proven(&self.rules)) {
            self.picture(person, sighting.filter(|sighting| sighting.at() == case.at()), now);
        }
    }

    /// With the claimed person alone, or with everybody.
    fn compare(&self, case: &Case, claim: Option<Claim>) -> Candidate {
        let (People { gallery, transform, .. }, calibration) = (&self.people, &self.calibration);
        match claim {
            Some(claim) => {
                let max_fmr = self.rules.terms.max_fmr;
                Candidate::verify(case, claim, gallery, transform, calibration, max_fmr)
            }
            None => Candidate::search(case, gallery, transform, calibration, self.rules.max_fpir),
        }
    }

    fn circumstances(&self, now: Now) -> Circumstances<'_> {
        Circumstances {
            permits: &self.people.permits,
            lockout: &self.lockout,
            spent: &self.spent,
            lockdown: self.locked_down(),
            wall: now.wall,
        }
    }

    /// Puts a decision on record and, only then, lets it take effect.
    fn settle(&mut self, decision: Decision, frame_at: Mono, now: Now) -> bool {
        match record(self.disk.as_mut(), decision.clone(), now.wall) {
            Ok(recorded) => {
                let what = decision.what();
                let entry = Entry { at_ms: now.wall.ms, clock: now.wall.trust, what };
                self.lockout.follow(&entry);
                self.spent.follow(&entry);
                if let Some(grant) = recorded.grant() {
                    self.move_door(door::Input::Granted(grant), now);
                }
                self.cue(match decision.answer() {
                    Answer::Grant(_) => Cue::Granted,
                    Answer::Deny(reject) => Cue::Denied(*reject),
                });
                (self.observer)(Observation::Decided(recorded, frame_at, now.mono.since(frame_at)));
                true
            }
            Err(fault) => {
                self.cue(Cue::Denied(Reject::Unrecorded));
                (self.observer)(Observation::Unrecorded(decision, fault));
                false
            }
        }
    }

    /// Records what has happened anyway. A full store must not keep the door from working; it is said and logged.
    fn note(&mut self, what: &What, now: Now) {
        match self.disk.append(what, now.wall) {
            Ok(_) => (self.observer)(Observation::Recorded),
            Err(fault) => tracing::error!(?what, "an event could not be recorded: {}", chain(&fault)),
        }
    }

    fn read_clock(&mut self, now: Now) -> Now {
        let (now, jump) = self.timekeeper.read(now);
        if let Some(jump) = jump {
            self.note(&What::ClockJumped(jump), now);
        }
        now
    }
}

/// A fault with all its causes in one line.
#[must_use]
pub fn chain(fault: &dyn std::error::Error) -> String {
    let mut text = fault.to_string();
    let mut cause = fault.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
