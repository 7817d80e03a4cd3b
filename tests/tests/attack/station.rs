//! A terminal without threads and devices: stage, cameras, emitter and clock are those of the fakes, all else is what
//! ships.

#![expect(clippy::cast_possible_truncation, reason = "places are clamped to the picture, seeds are small")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use doorward_core::attempt::{Attempts, Limits, State, Verdict};
use doorward_core::calibration::Calibration;
use doorward_core::claim::{Spent, Terms};
use doorward_core::decision::{Answer, Reject};
use doorward_core::frame::{Frameset, Plane, Shot};
use doorward_core::freshness::Freshness;
use doorward_core::gallery::Gallery;
use doorward_core::geometry::{Landmarks, Point};
use doorward_core::liveness::emitter::Pattern;
use doorward_core::liveness::{Asks, Level, Mirrors, Policy};
use doorward_core::lockout::Lockout;
use doorward_core::policy::{Candidate, Circumstances, Permit, Rules, UntrustedTime, decide};
use doorward_core::quality;
use doorward_core::schedule::Weekly;
use doorward_core::template::TemplateVersion;
use doorward_core::time::{ClockTrust, Mono, Now, Wall};
use doorward_core::transform::Transform;
use doorward_core::vision::{Detection, Vision, VisionFault};
use doorward_daemon::demo::cast::{self, Cast};
use doorward_daemon::emitter::LightMeter;
use doorward_daemon::terminal::Examiner;
use doorward_hal::clock::Clock as _;
use doorward_hal::fake;
use doorward_hal::scene::species::{Roles, Species};
use doorward_hal::scene::{
    self, ACT_MS, Act, DepthCamera, INFRARED_EXPOSURE, Person, Portrait, Renderer, Scene,
};
use doorward_models::engine::EngineKind;
use doorward_models::pack::{self, Pack};
use doorward_models::vision::Models;
use doorward_protocol::ids::{AttemptId, PersonId};

/// Time between two moments.
const STEP: Duration = Duration::from_millis(100);
/// What people need to read what the panel asks for.
const READING: Duration = Duration::from_millis(500);
/// Length of a slot of the emitter's pattern.
const SLOT: Duration = doorward_core::liveness::emitter::SLOT;

/// Whose word is false.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lie {
    /// Nobody's.
    None,
    /// The colour model takes everything for alive.
    Colour,
    /// The infrared stream is a recording of the person, live, at the face's place.
    Infrared,
    /// The depth stream is.
    Depth,
}

/// How one attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Taken for a live person: who was let in, if anybody.
    Live(Option<PersonId>),
    /// Refused.
    Refused(Reject),
    /// Not decided when the time was over.
    Open,
}

/// One presentation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Showing<'a> {
    pub(crate) species: &'a Species,
    /// Numbers of the cast: whom it is about, and who else plays.
    pub(crate) target: usize,
    pub(crate) other: usize,
    pub(crate) policy: Policy,
    pub(crate) lie: Lie,
    pub(crate) depth: DepthCamera,
    pub(crate) seed: u64,
    pub(crate) moments: u32,
}

/// The terminal.
pub(crate) struct Station {
    examiner: Examiner,
    people: People,
    credulous: Arc<Mutex<bool>>,
    clock: fake::FakeClock,
}

struct People {
    cast: Arc<Cast>,
    gallery: Gallery,
    transform: Transform,
    calibration: Calibration,
    permits: BTreeMap<PersonId, Permit>,
}

/// The policy of a terminal with all sensors; above `standard` its emitter follows a pattern and people are asked to move.
pub(crate) fn policy(level: Level) -> Policy {
    let high = level == Level::High;
    let asks = if high { Asks::Always } else { Asks::Never };
    Policy { level, depth_fov: scene::FOV, emitter: high, asks, ..Policy::default() }
}

/// The same where the emitter sits beside the lens and eyes are asked for its glint.
pub(crate) fn glinting(level: Level) -> Policy {
    Policy { glint: Mirrors::Required, ..policy(level) }
}

/// The same where people are asked to move in place of a glint that is not seen.
pub(crate) fn glinting_or_moving(level: Level) -> Policy {
    Policy { glint: Mirrors::OrMovement, ..policy(level) }
}

/// Where everybody is asked to move.
pub(crate) fn asking(level: Level) -> Policy {
    Policy { asks: Asks::Always, ..policy(level) }
}

/// Moments of a presentation: three seconds, longer than the emitter's pattern needs, or as long as movements may take.
pub(crate) fn moments(policy: &Policy) -> u32 {
    if policy.may_ask() { 220 } else { 30 }
}

fn house() -> Pack {
    Pack::open(&pack::find(Some(std::path::Path::new("house"))).expect("in the repository")).expect("whole")
}

fn cast_of_nobody(models: &mut Models) -> Arc<Cast> {
    static CAST: OnceLock<Arc<Cast>> = OnceLock::new();
    Arc::clone(CAST.get_or_init(|| Arc::new(cast::of_nobody(models).expect("the people are found"))))
}

impl Station {
    pub(crate) fn new() -> Self {
        let pack = house();
        let mut models = Models::load(&pack, &EngineKind::Tract).expect("the models load");
        let cast = cast_of_nobody(&mut models);
        let transform = Transform::new(&[7; 32], pack.dimension());
        let version = models.version();
        let mut gallery = Gallery::new(version, pack.dimension());
        let mut permits = BTreeMap::new();
        for player in &cast.enrolled {
            for reference in &player.references {
                let template = transform.protect(reference).expect("of the pack's dimension");
                gallery.insert(&player.id, version, &template).expect("of the pack's dimension");
            }
            permits.insert(player.id.clone(), Permit::default());
        }
        let people = People { cast, gallery, transform, calibration: pack.calibration().clone(), permits };
        let credulous = Arc::new(Mutex::new(false));
        let vision = Credulous { models, credulous: Arc::clone(&credulous) };
        let clock = fake::clock(Now { mono: Mono(0), wall: Wall { ms: 0, trust: ClockTrust::Unknown } });
        let examiner = Examiner {
            vision: Box::new(vision),
            quality: quality::Limits::default(),
            liveness: asking(Level::Standard),
            freshness: Freshness::default(),
            light: None,
            clock: Arc::new(clock.clone()),
        };
        Self { examiner, people, credulous, clock }
    }

    /// Portraits of the cast: the enrolled, then the stranger.
    pub(crate) fn portrait(&self, number: usize) -> Portrait {
        let cast = &self.people.cast;
        cast.enrolled.get(number).map_or_else(|| cast.stranger.clone(), |player| player.portrait.clone())
    }

    pub(crate) fn players(&self) -> usize {
        self.people.cast.enrolled.len()
    }

    pub(crate) fn id(&self, number: usize) -> &PersonId {
        &self.people.cast.enrolled[number].id
    }

    /// How much the first face of a scene smiles, as the examiner reads it.
    pub(crate) fn reads_smile(&mut self, renderer: &Renderer, scene: &Scene, at: Mono) -> Option<f32> {
        self.examiner.freshness = Freshness::default();
        let (look, _) = self.examiner.examine(renderer.frameset(scene, at, 1));
        look.seen.and_then(|seen| seen.smile)
    }

    /// Shows something until it is decided.
    pub(crate) fn show(&mut self, showing: Showing) -> Outcome {
        let (target, other) = (self.portrait(showing.target), self.portrait(showing.other));
        let mut scene = showing.species.scene(Roles { target: &target, other: &other });
        let renderer = Renderer::with_depth(showing.seed, showing.depth);
        let liar = Renderer::with_depth(showing.seed ^ 0x9e37, showing.depth);
        let meter = LightMeter::new(INFRARED_EXPOSURE);
        self.examiner.light = showing.policy.emitter.then(|| meter.clone());
        self.examiner.liveness = showing.policy;
        self.examiner.freshness = Freshness::default();
        *self.credulous.lock().expect("one thread") = showing.lie == Lie::Colour;
        let seed: [u8; 32] = std::array::from_fn(|k| (showing.seed as u8).wrapping_add(k as u8));
        let mut emitter = Emitter::new(seed, meter);
        let mut attempts = Attempts::new(Limits::default(), showing.policy, AttemptId(1), seed);
        let mut act: Option<Act> = None;
        let begun = self.clock.now().mono;
        for number in 1..=showing.moments {
            let at = begun + STEP * number;
            let share = if showing.policy.emitter { emitter.expose(begun, at) } else { 1.0 };
            let mut frames = renderer.frameset_lit(&scene, share, at, number);
            if matches!(showing.lie, Lie::Infrared | Lie::Depth) {
                let face = renderer.faces(&scene, at).first().copied();
                if let Some(face) = face {
                    lie(&mut frames, &liar, (showing.lie, &target, &face), number);
                }
            }
            self.clock.advance(STEP);
            let now = self.clock.now();
            let (look, _) = self.examiner.examine(frames);
            let (next, verdict) = attempts.observe(look, false, now.mono);
            attempts = next;
            match verdict {
                Some(Verdict::Case(case)) => return Outcome::Live(self.people.decide(&case, now)),
                Some(Verdict::Refused(refusal)) => return Outcome::Refused(refusal.reject()),
                None => {}
            }
            let asks = match attempts.state() {
                State::Watching(watch) => watch.asks(),
                State::Idle | State::Decided { .. } | State::CoolDown { .. } | State::Blind => None,
            };
            // People take a moment to read, and do it again where nothing follows.
            act = asks.map(|asks| match act {
                Some(done) if done.action == asks && at < done.from + Duration::from_millis(ACT_MS) => done,
                _ => Act { action: asks, from: at + READING },
            });
            if let Some(act) = act {
                scene = scene.acting(act);
            }
        }
        Outcome::Open
    }
}

impl People {
    fn decide(&self, case: &doorward_core::attempt::Case, now: Now) -> Option<PersonId> {
        let rules = Rules {
            door: "front".parse().expect("an identifier"),
            open_for: Duration::from_secs(5),
            weekly: Weekly::parse("UTC", &["always"]).expect("a schedule"),
            max_fpir: 1e-3,
            margin_min: 0.05,
            untrusted_time: UntrustedTime::Believe,
            terms: Terms::default(),
        };
        let candidate =
            Candidate::search(case, &self.gallery, &self.transform, &self.calibration, rules.max_fpir);
        let given = Circumstances {
            permits: &self.permits,
            lockout: &Lockout::default(),
            spent: &Spent::default(),
            lockdown: false,
            wall: now.wall,
        };
        let decision = decide(&candidate, &rules, &given);
        match decision.answer() {
            Answer::Grant(_) => decision.person().cloned(),
            Answer::Deny(_) => None,
        }
    }
}

/// The emitter in virtual time: what the daemon's thread does, without the thread.
struct Emitter {
    pattern: Pattern,
    meter: LightMeter,
    /// Slots since the beginning: when each began, and whether it is lit.
    slots: Vec<(Mono, bool)>,
}

impl Emitter {
    fn new(seed: [u8; 32], meter: LightMeter) -> Self {
        Self { pattern: Pattern::new(seed), meter, slots: Vec::new() }
    }

    /// Switches until the exposure that starts at `at` is over; the share of it that was lit.
    fn expose(&mut self, begun: Mono, at: Mono) -> f32 {
        let end = at + INFRARED_EXPOSURE;
        loop {
            let next = begun + SLOT * u32::try_from(self.slots.len()).expect("few slots");
            if next > end {
                break;
            }
            let lit = self.pattern.draw();
            self.slots.push((next, lit));
            self.meter.timeline().switched(lit, next);
        }
        let mut lit = Duration::ZERO;
        for (k, (from, on)) in self.slots.iter().enumerate() {
            let until = self.slots.get(k + 1).map_or(end, |(until, _)| *until);
            if *on {
                lit += until.min(end).since((*from).max(at));
            }
        }
        lit.as_secs_f32() / INFRARED_EXPOSURE.as_secs_f32()
    }
}

/// Replaces a stream by that of the target, live and lit by its own emitter, moved to where the face is.
fn lie(
    frames: &mut Frameset,
    liar: &Renderer,
    (lie, target, face): (Lie, &Portrait, &Detection),
    number: u32,
) {
    let at = frames.at();
    let eyes = |marks: &Landmarks| marks.left_eye.middle(marks.right_eye);
    let pixels = scene::WIDTH as f32 / 2.0 / (scene::FOV.to_radians() / 2.0).tan();
    let away = 63.0 * pixels / face.landmarks.eye_distance();
    let live = Scene::of(Person::live(target.clone()).away(away));
    let (own, wanted) = (eyes(&liar.faces(&live, at)[0].landmarks), eyes(&face.landmarks));
    let shift = Point::new(wanted.x - own.x, wanted.y - own.y);
    let shown = liar.frameset(&live, at, number);
    match lie {
        Lie::Infrared => frames.ir = shown.ir.map(|shot| moved(&shot, shift)),
        Lie::Depth => frames.depth = shown.depth.map(|shot| moved(&shot, shift)),
        Lie::None | Lie::Colour => {}
    }
}

fn moved<P: Copy>(shot: &Shot<P>, shift: Point) -> Arc<Shot<P>> {
    let (width, height) = (shot.plane.width(), shot.plane.height());
    let place = |at: u32, by: f32, side: u32| (at as f32 - by).clamp(0.0, (side - 1) as f32) as u32;
    let pixels = (0..width * height)
        .map(|k| shot.plane.at(place(k % width, shift.x, width), place(k / width, shift.y, height)));
    let plane = Plane::new(width, height, pixels.collect()).expect("of the same size");
    Arc::new(Shot { sequence: shot.sequence, at: shot.at, plane })
}

/// The models, of which the colour one may be told to believe everything.
struct Credulous {
    models: Models,
    credulous: Arc<Mutex<bool>>,
}

impl Vision for Credulous {
    fn version(&self) -> TemplateVersion {
        self.models.version()
    }

    fn detect(&mut self, picture: &Plane<[u8; 3]>) -> Result<Vec<Detection>, VisionFault> {
        self.models.detect(picture)
    }

    fn liveness(&mut self, picture: &Plane<[u8; 3]>, face: &Detection) -> Result<f32, VisionFault> {
        if *self.credulous.lock().expect("one thread") {
            Ok(1.0)
        } else {
            self.models.liveness(picture, face)
        }
    }

    fn embed(&mut self, picture: &Plane<[u8; 3]>, landmarks: &Landmarks) -> Result<Vec<f32>, VisionFault> {
        self.models.embed(picture, landmarks)
    }
}
