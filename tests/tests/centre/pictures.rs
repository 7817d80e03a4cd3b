//! A picture on order from end to end: rendered people stand before the real terminal, which sees them with the real
//! models, and doorctl asks the real hub over mosquitto.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use doorward_admin::text;
use doorward_core::claim::Terms;
use doorward_core::decision::Answer;
use doorward_core::policy::{Rules, UntrustedTime};
use doorward_core::schedule::Weekly;
use doorward_core::vision::Vision as _;
use doorward_core::{attempt, door, liveness, quality};
use doorward_daemon::assembly::{self, Eyes, Mind, Onlookers, Parts, Settings, Way};
use doorward_daemon::centre::CentreConfig;
use doorward_daemon::demo::cast::{self, Player};
use doorward_daemon::readers::Readers;
use doorward_daemon::supervise::Supervisor;
use doorward_daemon::terminal::{Devices, Input, Observation};
use doorward_hal::clock::{Clock, SystemClock};
use doorward_hal::scene::{self, Renderer, Scene, StageHand};
use doorward_hal::{fake, photo};
use doorward_models::engine::EngineKind;
use doorward_models::pack::{self, Pack};
use doorward_models::vision::Models;
use doorward_protocol::audit::{Entry, Pictured, What};
use doorward_protocol::hex::hex;
use doorward_protocol::keys::PublicKey;
use doorward_protocol::picture::PICTURE_SIDE_MAX;
use doorward_protocol::roster::Change;
use doorward_store::Store;
use tempfile::TempDir;

use crate::broker::Broker;
use crate::desk::Desk;
use crate::doorhub::Doorhub;
use crate::site::{self, ENROLLER_KEY, GENESIS, OPERATOR_KEY, ROOT_KEY, TERMINAL};
use crate::wait_for;

/// Moments per second: what two busy cores can look at.
const RATE: u32 = 5;

/// The terminal, with people before it.
struct Door {
    threads: Option<Supervisor>,
    terminal: Option<std::sync::mpsc::SyncSender<Input>>,
    stage: StageHand,
    granted: Arc<Mutex<Vec<String>>>,
    _folder: TempDir,
}

impl Door {
    fn start(broker: &Broker, pack: &Pack) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("door.db");
        let store = Store::create(&path, &site::master(), &site::site(), &site::terminal()).unwrap();
        broker.tell_terminal_key(PublicKey::of(&store.device_key()));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let (_, stage) = scene::stage(Renderer::new(7), Arc::clone(&clock), RATE);
        let (relay, panel) = (fake::relay().0, fake::panel().0);
        let granted: Arc<Mutex<Vec<String>>> = Arc::default();
        let told = Arc::clone(&granted);
        let observer = move |observation| {
            if let Observation::Decided(recorded, ..) = observation
                && let Answer::Grant(_) = recorded.subject().answer()
            {
                let person = recorded.subject().person().unwrap().to_string();
                told.lock().unwrap().push(person);
            }
        };
        let parts = Parts {
            clock,
            devices: Devices { relay: Box::new(relay), panel: Box::new(panel) },
            inputs: Box::new(fake::inputs().0),
            store,
            eyes: eyes(&stage),
            emitter: None,
            readers: Readers::default(),
            mind: Mind {
                dimension: pack.dimension(),
                vision: Box::new(Models::load(pack, &EngineKind::Tract).unwrap()),
                calibration: pack.calibration().clone(),
                digest: pack::hex(&pack.digest()),
            },
            way: Some(way(broker)),
            settings: settings(),
            onlookers: Onlookers { watcher: Box::new(|_, _| {}), observer: Box::new(observer) },
        };
        let (threads, terminal) = assembly::start(parts).unwrap();
        Self { threads: Some(threads), terminal: Some(terminal), stage, granted, _folder: folder }
    }

    /// Lets somebody in who stands there from now on; before, nobody does for a while.
    fn lets_in(&self, player: &Player) {
        self.stage.present(Scene::nobody());
        SystemClock::default().sleep(Duration::from_secs(4));
        self.granted.lock().unwrap().clear();
        self.stage.present(Scene::live(player.portrait.clone()));
        let id = player.id.to_string();
        wait_for("they are let in", || self.granted.lock().unwrap().contains(&id));
    }

    fn stop(&mut self) {
        drop(self.terminal.take());
        self.threads.take().unwrap().stop();
    }
}

fn eyes(stage: &StageHand) -> Eyes {
    let (rgb, ir, depth) = (stage.clone(), stage.clone(), stage.clone());
    Eyes {
        rgb: Box::new(move || Ok(Box::new(rgb.cameras().rgb))),
        infrared: Some(Box::new(move || Ok(Box::new(ir.cameras().ir)))),
        depth: Some(Box::new(move || Ok(Box::new(depth.cameras().depth)))),
    }
}

fn way(broker: &Broker) -> Way {
    let config = CentreConfig {
        broker: broker.way(TERMINAL),
        root: PublicKey::of(&site::key(ROOT_KEY)),
        genesis: GENESIS,
        joined: None,
        opening_key: PathBuf::new(),
    };
    Way::Broker(Box::new(config), vec![site::opening()])
}

fn settings() -> Settings {
    Settings {
        rules: Rules {
            door: "front".parse().unwrap(),
            open_for: Duration::from_secs(2),
            weekly: Weekly::parse("UTC", &["always"]).unwrap(),
            max_fpir: 1e-3,
            margin_min: 0.05,
            untrusted_time: UntrustedTime::Believe,
            terms: Terms::default(),
        },
        door: door::Settings::default(),
        quality: quality::Limits::default(),
        liveness: liveness::Policy { depth_fov: scene::FOV, ..liveness::Policy::default() },
        attempt: attempt::Limits {
            window_max: Duration::from_secs(4),
            watch_max: Duration::from_secs(15),
            leave_after: Duration::from_secs(2),
            ..attempt::Limits::default()
        },
        api: None,
        digest: "test".to_owned(),
    }
}

/// What an admin or operator does in this test, at one desk and under one key.
struct Office<'a> {
    hub: &'a Doorhub,
    desk: Desk,
}

impl Office<'_> {
    /// Signs something of a person's consent, and has the hub pass it on.
    fn consent(&self, words: &[&str]) {
        let (roster, key) = (self.desk.file("roster"), self.desk.file("key"));
        let (code, said) = self.desk.run(
            &[&["consent"], words, &["--purpose", "picture", "--roster", &roster, "--by", &key]].concat(),
        );
        assert_eq!(code, Some(0), "{said}");
        let (code, said) = self.desk.doorctl(self.hub, &["roster", "sync"]);
        assert_eq!(code, Some(0), "{said}");
    }

    /// Orders a person's picture.
    fn capture(&self, person: &str, file: &str) -> (Option<i32>, String) {
        let key = self.desk.file("key");
        let words = ["order", "capture", "--by", &key, "--terminal", TERMINAL, "--person", person];
        self.desk.doorctl(self.hub, &[&words[..], &["--out", &self.desk.file(file)]].concat())
    }
}

/// The records of handed pictures that the hub has.
fn pictured(hub: &Doorhub) -> Vec<Pictured> {
    let what = |bytes: &Vec<u8>| Entry::from_bytes(bytes).unwrap().what;
    let pictured = |what| if let What::Pictured(pictured) = what { Some(pictured) } else { None };
    hub.trail().iter().map(what).filter_map(pictured).collect()
}

#[test]
fn r4_an_operator_gets_the_picture_of_somebody_who_agreed_and_of_nobody_else() {
    let Some(broker) = Broker::shipped() else { return };
    let pack = Pack::open(&pack::find(Some(std::path::Path::new("house"))).unwrap()).unwrap();
    let mut models = Models::load(&pack, &EngineKind::Tract).unwrap();
    let cast = cast::of_nobody(&mut models).unwrap();
    let (alex, kim) = (&cast.enrolled[0], &cast.enrolled[1]);
    let mut door = Door::start(&broker, &pack);
    let (mut author, first) = site::roster(site::told(&broker.terminal_key()));
    site::follow(&mut author, &first);
    let Some(hub) = Doorhub::start(&broker) else { return };
    let enrolled = |player: &Player| -> Vec<Change> {
        site::person_of(player.id.as_str(), player.references[0].values(), models.version())
    };
    let second = site::sign(&mut author, [enrolled(alex), enrolled(kim)].concat(), ENROLLER_KEY);
    for entry in [&first, &second] {
        assert!(hub.ask("POST", "/api/v1/sites/hq/roster", entry).contains("200 OK"));
    }
    let follows = |seq: u64| wait_for("it follows", || hub.terminal().contains(&format!("\"roster\":{seq}")));
    follows(2);
    let entries = [first, second];
    let Some(desk) = Desk::new(&entries, OPERATOR_KEY) else { return };
    let operator = Office { hub: &hub, desk };
    let enroller = Office { hub: &hub, desk: Desk::new(&entries, ENROLLER_KEY).unwrap() };
    let file = |name: &str| operator.desk.file(name);

    door.lets_in(alex);
    let (code, said) = operator.capture("alex", "none.jpg");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("alex has agreed to no pictures"), "{said}");

    let until = text::moment(SystemClock::default().now().wall.ms + 3_600_000);
    let seal_to = hex(&site::opening().sealing_key().to_bytes());
    enroller.consent(&["put", "--until", &until, "--seal-to", &seal_to, "alex"]);
    follows(3);
    let (code, said) = operator.capture("alex", "none.jpg");
    assert_eq!(code, Some(2), "nothing of before was kept: {said}");
    assert!(said.contains("not recognised here within the last minute"), "{said}");

    door.lets_in(alex);
    let (code, said) = operator.capture("alex", "alex.jpg");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("alex agrees to pictures until") && said.contains("on record as"), "{said}");
    let mode = std::fs::metadata(file("alex.jpg")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "for its owner's eyes");
    shows(&mut models, &file("alex.jpg"), alex, kim);
    let (code, said) = operator.capture("alex", "alex.jpg");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("exists"), "{said}");
    wait_for("the hub has its record", || !pictured(&hub).is_empty());
    let by = PublicKey::of(&site::key(OPERATOR_KEY)).id().to_string();
    let records = pictured(&hub);
    assert_eq!((records.len(), records[0].person.as_str(), &records[0].by), (1, "alex", &by));

    door.lets_in(kim);
    let (code, said) = operator.capture("kim", "none.jpg");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("kim has agreed to no pictures"), "{said}");
    door.lets_in(alex);
    enroller.consent(&["withdraw", "alex"]);
    follows(4);
    let (code, said) = operator.capture("alex", "none.jpg");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("alex has agreed to no pictures"), "{said}");
    assert!(!std::path::Path::new(&file("none.jpg")).exists());
    assert_eq!(pictured(&hub).len(), 1);
    door.stop();
}

/// The picture is small and shows this person rather than that one.
fn shows(models: &mut Models, file: &str, who: &Player, other: &Player) {
    let picture = photo::open(std::path::Path::new(file)).unwrap();
    assert!(picture.width().max(picture.height()) <= PICTURE_SIDE_MAX);
    let face = models.detect(&picture).unwrap()[0];
    let raw = models.embed(&picture, &face.landmarks).unwrap();
    let probe = doorward_core::template::UnitVector::normalise(raw).unwrap();
    let [own, others] = [who, other].map(|player| probe.cosine(&player.references[0]));
    assert!(own > others + 0.2, "{own} and {others}");
}
