//! The running demo: a terminal on a stage, and everything a visitor can do with it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, SyncSender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use doorward_core::claim::Terms;
use doorward_core::decision::Cue;
use doorward_core::door::{self, Signal};
use doorward_core::enrolment::Gates;
use doorward_core::frame::Frameset;
use doorward_core::liveness::{self, Asks, Evidence, Fitted, Level};
use doorward_core::policy::{Rules, UntrustedTime};
use doorward_core::schedule::Weekly;
use doorward_core::vision::Vision as _;
use doorward_core::{attempt, quality};
use doorward_hal::clock::Clock;
use doorward_hal::fake::{self, InputHand};
use doorward_hal::scene::{self, Act, INFRARED_EXPOSURE, Renderer, StageHand};
use doorward_models::engine::EngineKind;
use doorward_models::pack::{self, Pack};
use doorward_models::vision::Models;
use doorward_store::{MasterKey, PersonRecord, Store};
use serde_json::{Value, json};

use super::Options;
use super::cast::Cast;
use super::centre::Centre;
use super::finding::{find_cast, load_models, no_models, no_people};
use super::page::{self, Pages};
use super::visitor::{VISITOR, Visitor};
use super::words;
use crate::api::{Allowed, ApiConfig};
use crate::assembly::{self, Eyes, Mind, Onlookers, Parts, Settings, Way};
use crate::emitter::Modulated;
use crate::journal::load_people;
use crate::people::People;
use crate::readers::Readers;
use crate::supervise::Supervisor;
use crate::terminal::{Devices, Input, Observation, Standing};
use crate::trace::Trace;

/// Moments per second: enough for a window of three frames in a third of a second, few enough for two cores.
const RATE: u32 = 10;
/// What the people of the demo need to read what the panel asks for.
const READING: Duration = Duration::from_millis(500);

/// What the door's states depend on, apart from the terminal.
pub(super) struct State {
    pub(super) scene: &'static str,
    pub(super) network_up: bool,
    pub(super) visitor: Option<Visitor>,
    pub(super) camera: bool,
    pub(super) standing: Option<Standing>,
    pub(super) cue: Cue,
    pub(super) released: bool,
    pub(super) persons: usize,
    pub(super) backlog: u64,
    pub(super) last_evidence: Option<Evidence>,
}

pub(super) struct Running {
    pub(super) threads: Supervisor,
    pub(super) store: PathBuf,
    /// Keeps the terminal's inputs alive; dropped, the terminal ends.
    pub(super) _terminal: SyncSender<Input>,
}

/// The demo.
pub struct Show {
    pub(super) clock: Arc<dyn Clock>,
    /// All open pages.
    pub(super) pages: Pages,
    pub(super) folder: PathBuf,
    pub(super) key: MasterKey,
    pub(super) pack: Option<Pack>,
    pub(super) models: Mutex<Option<Models>>,
    pub(super) cast: Option<Cast>,
    pub(super) problem: Option<Value>,
    /// Whether the people who play do not exist.
    pub(super) composites: bool,
    pub(super) stage: StageHand,
    pub(super) cut: Arc<AtomicBool>,
    pub(super) state: Mutex<State>,
    /// Held from looking at the state until it is told: an older look never reaches a page after a newer one.
    telling: Mutex<()>,
    pub(super) running: Mutex<Option<Running>>,
    pub(super) runs: Mutex<u32>,
    api: Option<ApiConfig>,
    /// With all sensors; a visitor's own camera is `convenience` by itself.
    level: Level,
}

/// The local API with all it has, for whoever tries it out.
fn everything(socket: PathBuf) -> ApiConfig {
    let allowed = Allowed { sessions: true, detect: true, compare: true, search: true, reference: true };
    ApiConfig { socket: Some(socket), listen: None, token: None, allowed }
}

impl Show {
    /// Finds models and people, and starts the terminal. Missing ones become a card on the page that says what to do.
    ///
    /// # Errors
    /// When the store cannot be made.
    pub fn prepare(options: &Options, folder: &Path, clock: Arc<dyn Clock>) -> anyhow::Result<Arc<Self>> {
        let key = MasterKey::create(&folder.join("master.key")).context("make the demo's key")?;
        let (pack, mut models, mut problem) = match load_models(options.models.as_deref()) {
            Ok((pack, models)) => (Some(pack), Some(models), None),
            Err(fault) => (None, None, Some(no_models(&fault))),
        };
        let mut cast = None;
        if let Some(models) = models.as_mut() {
            match find_cast(options.photos.as_deref(), models) {
                Ok(found) => cast = Some(found),
                Err(why) => problem = Some(no_people(&why)),
            }
        }
        let (_, stage) = scene::stage(Renderer::new(7), Arc::clone(&clock), RATE);
        let show = Arc::new(Self {
            pages: Pages::new(),
            folder: folder.to_owned(),
            key,
            pack,
            models: Mutex::new(models),
            cast,
            problem,
            composites: options.photos.is_none(),
            stage,
            cut: Arc::new(AtomicBool::new(false)),
            telling: Mutex::default(),
            state: Mutex::new(State {
                scene: "nobody",
                network_up: true,
                visitor: None,
                camera: false,
                standing: None,
                cue: Cue::Idle,
                released: false,
                persons: 0,
                backlog: 0,
                last_evidence: None,
            }),
            running: Mutex::new(None),
            runs: Mutex::new(0),
            api: options.api.clone().map(everything),
            level: if options.high { Level::High } else { Level::Standard },
            clock,
        });
        if show.pack.is_some() {
            show.begin_anew()?;
        }
        Ok(show)
    }

    /// Ends the terminal. The folder's owner removes the store.
    pub fn end(&self) {
        if let Some(running) = self.running.lock().expect("no thread panics while it holds the run").take() {
            drop(running._terminal);
            running.threads.stop();
        }
    }

    /// Ends the terminal and starts one with a fresh store and the cast enrolled: lockouts and the visitor are gone.
    ///
    /// # Errors
    /// When the store cannot be made or the terminal does not start.
    pub fn begin_anew(self: &Arc<Self>) -> anyhow::Result<()> {
        self.end();
        let run = {
            let mut runs = self.runs.lock().expect("no thread panics while it holds the count");
            *runs += 1;
            *runs
        };
        let path = self.folder.join(format!("run-{run}.db"));
        let site = "demo".parse().expect("a valid identifier");
        let terminal = "front".parse().expect("a valid identifier");
        let mut store = Store::create(&path, &self.key, &site, &terminal).context("make the demo's store")?;
        if let Some(cast) = &self.cast {
            for player in &cast.enrolled {
                self.enrol(&mut store, player.id.as_str(), player.name, &player.references)?;
            }
        }
        store.close().context("close the demo's store")?;
        self.state().visitor = None;
        self.start(path)
    }

    /// Starts the terminal over a store, with the eyes the state asks for.
    pub(super) fn start(self: &Arc<Self>, path: PathBuf) -> anyhow::Result<()> {
        let pack = self.pack.as_ref().ok_or_else(|| anyhow!("no model pack was found"))?;
        let store = Store::open(&path, &self.key).context("open the demo's store")?;
        let head = store.head().context("read the store's head")?;
        let models = Models::load(pack, &EngineKind::Tract).context("load the models")?;
        let (relay, _) = fake::relay();
        let (panel, _) = fake::panel();
        let (inputs, hand) = fake::inputs();
        let parts = Parts {
            clock: Arc::clone(&self.clock),
            devices: Devices { relay: Box::new(relay), panel: Box::new(panel) },
            inputs: Box::new(inputs),
            store,
            eyes: self.eyes(),
            emitter: self.emitter(),
            readers: Readers::default(),
            mind: Mind {
                dimension: pack.dimension(),
                vision: Box::new(models),
                calibration: pack.calibration().clone(),
                digest: pack::hex(&pack.digest()),
            },
            way: Some(Way::Uplink(Box::new(Centre::new(head, Arc::clone(&self.cut))))),
            settings: self.settings(),
            onlookers: self.onlookers(hand),
        };
        let (mut threads, terminal) = assembly::start(parts)?;
        self.start_clerk(&mut threads, path.clone());
        *self.running.lock().expect("no thread panics while it holds the run") =
            Some(Running { threads, store: path, _terminal: terminal });
        Ok(())
    }

    fn eyes(&self) -> Eyes {
        let (rgb, ir, depth) = (self.stage.clone(), self.stage.clone(), self.stage.clone());
        let camera = self.state().camera;
        Eyes {
            rgb: Box::new(move || Ok(Box::new(rgb.cameras().rgb))),
            infrared: (!camera).then(|| -> crate::capture::OpenCamera<u8> {
                Box::new(move || Ok(Box::new(ir.cameras().ir)))
            }),
            depth: (!camera).then(|| -> crate::capture::OpenCamera<u16> {
                Box::new(move || Ok(Box::new(depth.cameras().depth)))
            }),
        }
    }

    /// The stage's light, where it has to follow a pattern.
    fn emitter(&self) -> Option<Modulated> {
        let emitter = || Box::new(self.stage.emitter());
        (self.level() == Level::High).then(|| Modulated { emitter: emitter(), exposure: INFRARED_EXPOSURE })
    }

    fn level(&self) -> Level {
        if self.state().camera { Level::Convenience } else { self.level }
    }

    fn settings(&self) -> Settings {
        let (level, camera) = (self.level(), self.state().camera);
        let fitted = Fitted { infrared: !camera, depth: !camera };
        let high = level == Level::High;
        Settings {
            rules: Rules {
                door: "front".parse().expect("a valid identifier"),
                open_for: Duration::from_secs(4),
                weekly: Weekly::parse("UTC", &["always"]).expect("a valid schedule"),
                max_fpir: 1e-3,
                margin_min: 0.05,
                untrusted_time: UntrustedTime::Believe,
                terms: Terms::default(),
            },
            door: door::Settings::default(),
            quality: quality::Limits::default(),
            liveness: liveness::Policy {
                level,
                fitted,
                depth_fov: scene::FOV,
                emitter: high,
                asks: if high { Asks::Always } else { Asks::Never },
                ..liveness::Policy::default()
            },
            attempt: attempt::Limits {
                cool_down: Duration::from_secs(5),
                cool_down_max: Duration::from_secs(5),
                ..attempt::Limits::default()
            },
            api: self.api.clone(),
            digest: "demo".to_owned(),
        }
    }

    /// The page looks on: at each examination, at each step, and at the door, whose leaf it moves like a visitor would.
    fn onlookers(self: &Arc<Self>, hand: InputHand) -> Onlookers {
        let leaf = self.start_leaf(hand);
        let (watching, observing) = (Arc::clone(self), Arc::clone(self));
        Onlookers {
            watcher: Box::new(move |frames: &Frameset, trace: &Trace| watching.examined(frames, trace)),
            observer: Box::new(move |observation| observing.observed(observation, &leaf)),
        }
    }

    fn examined(&self, frames: &Frameset, trace: &Trace) {
        if trace.evidence.is_some() {
            self.state().last_evidence = trace.evidence;
        }
        if self.pages.watched() {
            let rgb_min = liveness::Policy::default().rgb_min;
            self.pages.tell("frame", &page::frame(frames, trace, &quality::Limits::default(), rgb_min));
        }
    }

    fn observed(&self, observation: Observation, leaf: &Sender<()>) {
        match observation {
            Observation::Decided(recorded, _, took) => {
                let (name, evidence) =
                    (self.name_of(recorded.subject().person()), self.state().last_evidence);
                let body = page::decision(&recorded, name.as_deref(), evidence.as_ref(), took);
                self.pages.tell("decision", &body);
                if recorded.grant().is_some() {
                    // The leaf ends with the demo; then nobody walks through any more.
                    let _ = leaf.send(());
                }
            }
            Observation::Unrecorded(decision, fault) => {
                tracing::error!(attempt = %decision.attempt(), "a decision could not be recorded: {fault}");
            }
            Observation::Shown(cue) => {
                self.state().cue = cue;
                if let Cue::Move(asked) = cue {
                    let from = self.clock.now().mono + READING;
                    self.stage.act(Act { action: asked, from });
                }
            }
            Observation::Relay(released) => self.state().released = released,
            Observation::Stands(standing) => self.state().standing = Some(standing),
            Observation::Recorded | Observation::SessionEnded(_) => {}
        }
        self.tell_terminal();
    }

    /// Tells all pages where everything stands.
    pub fn tell_terminal(&self) {
        let _telling = self.telling.lock().expect("no thread panics while it tells");
        self.pages.tell_terminal(self.terminal());
    }

    /// The `terminal` event.
    #[must_use]
    pub fn terminal(&self) -> Value {
        let level = self.level();
        let state = self.state();
        let standing = state.standing;
        let sensors: &[&str] = if state.camera { &["colour"] } else { &["colour", "infrared", "depth"] };
        json!({
            "attempt": standing.map_or("idle", |s| s.attempt),
            "door": standing.map_or("unknown", |s| s.door.name()),
            "relay_released": state.released,
            "leaf_open": standing.is_some_and(|s| s.open),
            "cue": page::cue(state.cue),
            "network_up": state.network_up,
            "backlog": state.backlog,
            "scene": state.scene,
            "locked_out_until_ms": standing.and_then(|s| s.locked_out_until_ms),
            "persons": state.persons,
            "sensors": sensors,
            "level": words::level(level),
            "composites": self.composites,
            "models": self.pack.as_ref().map(|pack| format!("{} (tract)", pack.title())),
            "visitor": state.visitor.as_ref().map(|v| json!({"name": "You", "enrolled": v.enrolled})),
        })
    }

    /// The `problem` event.
    #[must_use]
    pub fn problem(&self) -> Value {
        self.problem.clone().unwrap_or(Value::Null)
    }

    /// Cuts the network or mends it.
    pub fn set_network(&self, up: bool) {
        self.cut.store(!up, Ordering::Relaxed);
        self.state().network_up = up;
        self.tell_terminal();
    }

    /// Puts a person with references into a store, if they pass the gates that `doorctl enroll` has.
    pub(super) fn enrol(
        &self,
        store: &mut Store,
        id: &str,
        name: &str,
        references: &[doorward_core::template::UnitVector],
    ) -> anyhow::Result<()> {
        let wall = self.clock.now().wall;
        let models = self.models.lock().expect("no thread panics while it holds the models");
        let models = models.as_ref().ok_or_else(|| anyhow!("no model pack was found"))?;
        let dimension = self.pack.as_ref().map_or(0, Pack::dimension);
        let People { gallery, transform, .. } = load_people(store, models.version(), dimension)?;
        let person = PersonRecord {
            id: id.parse().context("name the person")?,
            name: name.to_owned(),
            valid_from_ms: None,
            valid_until_ms: None,
            suspended: false,
        };
        let calibration = self.pack.as_ref().context("no model pack was found")?.calibration();
        let templates =
            Gates::supervised_photo().check(&person.id, references, &transform, &gallery, calibration)?;
        store.put_person(&person, wall)?;
        for template in &templates {
            store.put_template(&person.id, models.version(), template.vector(), "photo_supervised", wall)?;
        }
        Ok(())
    }

    /// Walks through after each grant, like a visitor would: opens the leaf, lets it fall shut.
    fn start_leaf(&self, hand: InputHand) -> Sender<()> {
        let (walk, walks) = channel::<()>();
        let clock = Arc::clone(&self.clock);
        std::thread::spawn(move || {
            while walks.recv().is_ok() {
                clock.sleep(Duration::from_millis(700));
                hand.report(Signal::Contact(true), clock.now().mono);
                clock.sleep(Duration::from_millis(2600));
                hand.report(Signal::Contact(false), clock.now().mono);
                while walks.try_recv().is_ok() {}
            }
        });
        walk
    }

    fn name_of(&self, person: Option<&doorward_protocol::ids::PersonId>) -> Option<String> {
        let person = person?;
        if person.as_str() == VISITOR {
            return Some("you".to_owned());
        }
        let cast = self.cast.as_ref()?;
        cast.enrolled.iter().find(|player| player.id == *person).map(|player| player.name.to_owned())
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics while it holds the state")
    }
}
