//! How the parts become a running terminal. Reads top to bottom: lock, store, eyes, mind, door.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, channel, sync_channel};
use std::time::Duration;

use anyhow::Context as _;
use doorward_core::attempt::{self, Attempts};
use doorward_core::calibration::Calibration;
use doorward_core::centre::Own;
use doorward_core::claim::Spent;
use doorward_core::door;
use doorward_core::frame::Rgb;
use doorward_core::freshness::Freshness;
use doorward_core::intake::Intake;
use doorward_core::liveness::emitter::Pattern;
use doorward_core::liveness::{self, Level};
use doorward_core::lockout::{HISTORY_MS, Lockout};
use doorward_core::outbox::Outbox;
use doorward_core::pairing::Arrival;
use doorward_core::policy::Rules;
use doorward_core::quality;
use doorward_core::template::TemplateVersion;
use doorward_core::timekeeping::Timekeeper;
use doorward_core::vision::Vision;
use doorward_hal::clock::Clock;
use doorward_hal::inputs::Inputs;
use doorward_protocol::audit::{Entry, Started, What};
use doorward_protocol::ids::AttemptId;
use doorward_protocol::keys::PublicKey;
use doorward_protocol::sealing::OpeningKey;
use doorward_store::Store;
use zeroize::Zeroizing;

use crate::api::{self, Api, ApiConfig};
use crate::capture::{Capture, Meeting, OpenCamera};
use crate::centre::{self, CentreConfig, Identity};
use crate::emitter::{LightMeter, Modulated, modulate};
use crate::journal::{self, JournalLink, Listeners};
use crate::readers::Readers;
use crate::supervise::{Beat, Supervisor};
use crate::terminal::{Beginning, Devices, Examiner, Input, Observation, Terminal};
use crate::uplink::{self, Uplink};
use crate::vision::{Out, Watcher, watch};

/// Inputs that may wait for the terminal thread: a handful of frames and door signals while a decision is recorded.
const INPUTS_MAX: usize = 16;
/// How long the terminal and input threads wait at most, so that they keep ticking.
const WAIT_MAX: Duration = Duration::from_millis(500);

/// How to open each camera. A camera that is fitted has a way to be opened, whether it is plugged in or not.
pub struct Eyes {
    /// Colour.
    pub rgb: OpenCamera<Rgb>,
    /// Infrared.
    pub infrared: Option<OpenCamera<u8>>,
    /// Depth.
    pub depth: Option<OpenCamera<u16>>,
}

/// A model pack, loaded.
pub struct Mind {
    /// The models.
    pub vision: Box<dyn Vision>,
    /// Values of a template.
    pub dimension: usize,
    /// What its comparison scores mean.
    pub calibration: Calibration,
    /// Digest of the pack, hexadecimal.
    pub digest: String,
}

/// What the configuration decides.
pub struct Settings {
    /// Who may pass.
    pub rules: Rules,
    /// How the door is fitted.
    pub door: door::Settings,
    /// What a face must be like.
    pub quality: quality::Limits,
    /// What must speak for life.
    pub liveness: liveness::Policy,
    /// Times of an attempt.
    pub attempt: attempt::Limits,
    /// What programs on this machine may ask; none: nothing.
    pub api: Option<ApiConfig>,
    /// Digest of the configuration, hexadecimal.
    pub digest: String,
}

/// Whoever looks on without any influence.
pub struct Onlookers {
    /// Sees each examination.
    pub watcher: Watcher,
    /// Sees what the terminal does.
    pub observer: Box<dyn FnMut(Observation) + Send>,
}

/// The way to the centre.
pub enum Way {
    /// Through a broker; and the keys that open what is sealed to the site, the newest first.
    Broker(Box<CentreConfig>, Vec<OpeningKey>),
    /// Something that stands for both.
    Uplink(Box<dyn Uplink>),
}

/// Everything a terminal is made of.
pub struct Parts {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Relay and panel; locked already.
    pub devices: Devices,
    /// Contact, egress, fire, tamper.
    pub inputs: Box<dyn Inputs>,
    /// The store.
    pub store: Store,
    /// The cameras.
    pub eyes: Eyes,
    /// The infrared light, where it follows a pattern.
    pub emitter: Option<Modulated>,
    /// What reads credentials.
    pub readers: Readers,
    /// The models.
    pub mind: Mind,
    /// The way to the centre, if there is one.
    pub way: Option<Way>,
    /// The configuration.
    pub settings: Settings,
    /// Log, metrics, demo page.
    pub onlookers: Onlookers,
}

/// Starts all threads. The returned sender reaches the terminal, for commands.
///
/// # Errors
/// When the store cannot be read or the start cannot be recorded.
pub fn start(parts: Parts) -> anyhow::Result<(Supervisor, SyncSender<Input>)> {
    let Parts { clock, devices, inputs, mut store, eyes, emitter, readers, mind, way, settings, onlookers } =
        parts;
    let version = mind.vision.version();
    let references = (version, mind.dimension);
    let api = settings.api.map(Api::prepare).transpose()?;
    let observer = api::beside(api.as_ref(), onlookers.observer);

    let beginning = begin(&store, settings.attempt, settings.liveness)?;
    let started = Started {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        models: mind.digest,
        config: settings.digest.clone(),
    };
    let start = doorward_core::audit::Journal::append(&mut store, &What::Started(started), clock.now().wall)
        .context("record the start")?;
    let identity = identify(&store, start, settings.liveness.level)?;
    let (transform_key, joining_key) = (store.transform_key(), store.joining_key());
    let people = journal::load_people(&mut store, version, mind.dimension)?;
    let outbox = Outbox::new(store.acknowledged().context("read the outbox")?, store.head()?.seq);

    let (journal_link, requests) = journal::link();
    let (to_terminal, from_all) = sync_channel(INPUTS_MAX);
    let (appended, newest) = channel();
    let terminal = Terminal::new(
        people,
        (settings.rules, mind.calibration, settings.door),
        beginning,
        devices,
        Box::new(journal_link.clone()),
        observer,
    );

    let wanted = terminal.wants_pictures();
    let mut threads = Supervisor::new(Arc::clone(&clock));
    let listeners = Listeners { terminal: to_terminal.clone(), uplink: appended };
    let time = Arc::clone(&clock);
    threads.spawn("store", false, move |beat| {
        journal::serve(&beat, time.as_ref(), store, references, &requests, &listeners)
    });
    let ticker = Arc::clone(&clock);
    threads.spawn("terminal", true, move |beat| decide(&beat, terminal, &from_all, ticker.as_ref()));
    let signals = to_terminal.clone();
    threads.spawn("inputs", true, move |beat| listen(&beat, inputs, &signals));

    let meeting = Arc::new(Meeting::new(Arc::clone(&clock), settings.liveness.fitted));
    watch_cameras(&mut threads, &clock, eyes, &meeting, &to_terminal);
    let light = emitter.map(|emitter| shine(&mut threads, &clock, emitter, &to_terminal));
    let examiner = Examiner {
        vision: mind.vision,
        quality: settings.quality,
        liveness: settings.liveness,
        freshness: Freshness::default(),
        light,
        clock: Arc::clone(&clock),
    };
    let out = Out { terminal: to_terminal.clone(), pictures_wanted: wanted };
    let watcher = readers.start(&mut threads, &clock, &to_terminal, onlookers.watcher)?;
    let level = settings.liveness.level.code();
    let errands = api::start(api, &mut threads, &clock, &to_terminal, (version, level));
    threads.spawn("vision", true, move |beat| watch(&beat, examiner, &meeting, &out, watcher, errands));
    if let Some(way) = way {
        let known = (identity, (transform_key, joining_key), references);
        let uplink = reach(way, known, &mut threads, &clock, &journal_link, &to_terminal);
        threads.spawn("uplink", false, move |beat| {
            uplink::run(&beat, clock.as_ref(), outbox, uplink, &journal_link, &newest)
        });
    }
    Ok((threads, to_terminal))
}

/// What the store knows of the time before this start. `policy` is what the attempts ask of the evidence.
///
/// # Errors
/// When the audit trail cannot be read.
pub fn begin(store: &Store, limits: attempt::Limits, policy: liveness::Policy) -> anyhow::Result<Beginning> {
    let newest_ms = store.newest_ms().context("read the newest audit entry")?;
    let (mut lockout, mut spent) = (Lockout::default(), Spent::default());
    if let Some(newest_ms) = newest_ms {
        let since = newest_ms.saturating_sub(HISTORY_MS);
        let follow = |entry: &Entry| {
            lockout.follow(entry);
            spent.follow(entry);
        };
        store.each_entry_since(since, follow).context("read the last attempts")?;
    }
    let next = AttemptId(store.attempts_seen().context("read the number of the last attempt")? + 1);
    Ok(Beginning {
        attempts: Attempts::new(limits, policy, next, doorward_store::new_seed()),
        lockout,
        spent,
        timekeeper: Timekeeper::new(newest_ms.unwrap_or(i64::MIN)),
        lockdown: store.locked_down().context("read whether a lockdown holds")?,
        own: (store.site().clone(), store.terminal().clone()),
    })
}

/// Who this terminal is to the centre, in the life that begins with the record `start`. `level`: what it asks of evidence of
/// life.
///
/// # Errors
/// When the store cannot be read.
pub fn identify(store: &Store, start: u64, level: Level) -> anyhow::Result<Identity> {
    let own = Own {
        site: store.site().clone(),
        terminal: store.terminal().clone(),
        session: doorward_store::new_session(),
        start,
        genesis: store.genesis().context("read the trail's genesis")?,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        level,
    };
    let followed = store.followed().context("read how far the roster was followed")?;
    let known = store.roster_known().context("read how far the roster was known")?;
    Ok(Identity { own, key: store.device_key(), followed, known })
}

/// What protects templates, and what opens the keys that are handed to this terminal.
type StoreKeys = (Zeroizing<[u8; 32]>, OpeningKey);

/// Opens the way to the centre. What is `known`: who this terminal is, how it protects templates, and which.
fn reach(
    way: Way,
    (identity, keys, references): (Identity, StoreKeys, (TemplateVersion, usize)),
    threads: &mut Supervisor,
    clock: &Arc<dyn Clock>,
    journal: &JournalLink,
    terminal: &SyncSender<Input>,
) -> Box<dyn Uplink> {
    match way {
        Way::Broker(config, opening) => {
            let (transform_key, joining_key) = keys;
            let intake = Intake::new(identity.own.site.clone(), opening, transform_key, references)
                .joined(PublicKey::of(&identity.key).id(), joining_key);
            centre::start(threads, clock, *config, identity, intake, journal, terminal)
        }
        Way::Uplink(uplink) => uplink,
    }
}

/// Starts the pattern of the infrared light.
fn shine(
    threads: &mut Supervisor,
    clock: &Arc<dyn Clock>,
    Modulated { emitter, exposure }: Modulated,
    terminal: &SyncSender<Input>,
) -> LightMeter {
    let (meter, pattern) = (LightMeter::new(exposure), Pattern::new(doorward_store::new_seed()));
    let (theirs, time, terminal) = (meter.clone(), Arc::clone(clock), terminal.clone());
    threads.spawn("emitter", true, move |beat| {
        modulate(&beat, time.as_ref(), emitter, pattern, &theirs, &terminal)
    });
    meter
}

fn watch_cameras(
    threads: &mut Supervisor,
    clock: &Arc<dyn Clock>,
    eyes: Eyes,
    meeting: &Arc<Meeting>,
    terminal: &SyncSender<Input>,
) {
    let tell = || {
        let terminal = terminal.clone();
        // A terminal that is busy or gone is told by the log.
        Box::new(move |report| drop(terminal.try_send(Input::Fault(report))))
    };
    let rgb = Capture::new("rgb", eyes.rgb, Arrival::Rgb, tell());
    let (place, time) = (Arc::clone(meeting), Arc::clone(clock));
    threads.spawn("camera-rgb", true, move |beat| rgb.run(&beat, time.as_ref(), &place));
    if let Some(open) = eyes.infrared {
        let infrared = Capture::new("infrared", open, Arrival::Infrared, tell());
        let (place, time) = (Arc::clone(meeting), Arc::clone(clock));
        threads.spawn("camera-ir", true, move |beat| infrared.run(&beat, time.as_ref(), &place));
    }
    if let Some(open) = eyes.depth {
        let depth = Capture::new("depth", open, Arrival::Depth, tell());
        let (place, time) = (Arc::clone(meeting), Arc::clone(clock));
        threads.spawn("camera-depth", true, move |beat| depth.run(&beat, time.as_ref(), &place));
    }
}

/// The body of the terminal thread.
fn decide(
    beat: &Beat,
    mut terminal: Terminal,
    inputs: &Receiver<Input>,
    clock: &dyn Clock,
) -> anyhow::Result<()> {
    while !beat.stopping() {
        beat.tick();
        let wait = terminal.deadline().map_or(WAIT_MAX, |at| at.since(clock.now().mono).min(WAIT_MAX));
        let input = match inputs.recv_timeout(wait) {
            Ok(input) => input,
            Err(RecvTimeoutError::Timeout) => Input::Tick,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        terminal.step(input, clock.now());
        // The first thread that ends ends the program, and systemd starts it anew.
        if terminal.over(clock.now()) {
            terminal.stop("order", clock.now());
            return Ok(());
        }
    }
    terminal.stop("signal", clock.now());
    Ok(())
}

/// The body of the thread that listens to the door's wiring.
fn listen(beat: &Beat, mut inputs: Box<dyn Inputs>, terminal: &SyncSender<Input>) -> anyhow::Result<()> {
    while !beat.stopping() {
        beat.tick();
        if let Some(edge) = inputs.next(WAIT_MAX).context("read the door's inputs")? {
            terminal.send(Input::Signal(edge.signal)).context("the terminal thread is gone")?;
        }
    }
    Ok(())
}
