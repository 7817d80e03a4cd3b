//! What the page is told. Field names are the page's contract.

use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use doorward_core::decision::{Answer, Cue, Reject};
use doorward_core::frame::{Frameset, Plane};
use doorward_core::liveness::{Evidence, Finding, SUPPORT_MIN};
use doorward_hal::photo;
use serde_json::{Value, json};
use tokio::sync::broadcast;

use super::words;
use crate::trace::{Ending, Stage, Trace};

/// Events that wait for a slow browser before it loses the oldest: four seconds of pictures.
const EVENTS_MAX: usize = 64;

/// One server-sent event.
#[derive(Debug, Clone)]
pub struct Event {
    /// Its name.
    pub name: &'static str,
    /// Its JSON.
    pub body: String,
}

/// The way to all open pages.
#[derive(Debug)]
pub struct Pages {
    sender: broadcast::Sender<Event>,
    terminal: Mutex<Option<Value>>,
}

impl Pages {
    /// Nobody looks yet.
    #[must_use]
    pub fn new() -> Self {
        Self { sender: broadcast::Sender::new(EVENTS_MAX), terminal: Mutex::new(None) }
    }

    /// A page opens.
    #[must_use]
    pub fn open(&self) -> broadcast::Receiver<Event> {
        self.sender.subscribe()
    }

    /// Whether anybody looks; pictures for nobody are not made.
    #[must_use]
    pub fn watched(&self) -> bool {
        self.sender.receiver_count() > 0
    }

    /// Tells all pages.
    pub fn tell(&self, name: &'static str, body: &Value) {
        // Nobody looking is no error.
        let _ = self.sender.send(Event { name, body: body.to_string() });
    }

    /// Tells all pages where the terminal stands, if that is news.
    pub fn tell_terminal(&self, body: Value) {
        let mut last = self.terminal.lock().expect("no thread panics while it holds the state");
        if last.as_ref() != Some(&body) {
            self.tell("terminal", &body);
            *last = Some(body);
        }
    }
}

impl Default for Pages {
    fn default() -> Self {
        Self::new()
    }
}

/// The `frame` event: pictures, and how the examination went.
#[must_use]
pub fn frame(
    frames: &Frameset,
    trace: &Trace,
    quality: &doorward_core::quality::Limits,
    rgb_min: f32,
) -> Value {
    let face = trace.found.first();
    let round = |v: f32| (v * 10.0).round() / 10.0;
    // A moment that the emitter left dark tells nothing of the face: what was said before it stays on the page.
    let lit = trace.ending != Ending::Unlit;
    json!({
        "sequence": frames.rgb.sequence,
        "width": frames.rgb.plane.width(),
        "height": frames.rgb.plane.height(),
        "jpeg": jpeg(&frames.rgb.plane),
        "infrared": frames.ir.as_ref().and_then(|shot| jpeg(&small(&shot.plane, |v| [v; 3]))),
        "depth": frames.depth.as_ref().and_then(|shot| jpeg(&small(&shot.plane, depth_colour))),
        "box": face.map(|f| [f.region.x, f.region.y, f.region.width, f.region.height].map(round)),
        "landmarks": face.map(|f| f.landmarks.points().map(|p| [round(p.x), round(p.y)])),
        "stages": lit.then(|| stages(trace, quality, rgb_min)),
        "total_ms": lit.then(|| words::milliseconds(trace.total())),
    })
}

fn jpeg(picture: &Plane<[u8; 3]>) -> Option<String> {
    let bytes = photo::encode_jpeg(picture, 80).ok()?;
    Some(format!("data:image/jpeg;base64,{}", BASE64.encode(bytes)))
}

/// Every second pixel of every second row, in colour.
fn small<P: Copy>(plane: &Plane<P>, colour: impl Fn(P) -> [u8; 3]) -> Plane<[u8; 3]> {
    let (width, height) = ((plane.width() / 2).max(1), (plane.height() / 2).max(1));
    let at = |i: u32, side: u32| (i * 2).min(side - 1);
    let pixels = (0..height)
        .flat_map(|y| (0..width).map(move |x| (x, y)))
        .map(|(x, y)| colour(plane.at(at(x, plane.width()), at(y, plane.height()))))
        .collect();
    Plane::new(width, height, pixels).expect("half of a plane is a plane")
}

/// Near is warm, far is cold, no reading is black; half a metre to three metres.
#[expect(clippy::cast_possible_truncation, reason = "clamped to a byte before the cast")]
fn depth_colour(mm: u16) -> [u8; 3] {
    if mm == 0 {
        return [0; 3];
    }
    let far = ((f32::from(mm) - 400.0) / 2600.0).clamp(0.0, 1.0).sqrt();
    let mix = |near: f32, away: f32| {
        let value = near + (away - near) * far;
        value.clamp(0.0, 255.0).round() as u8
    };
    [mix(255.0, 30.0), mix(196.0, 50.0), mix(77.0, 110.0)]
}

fn stages(trace: &Trace, quality: &doorward_core::quality::Limits, rgb_min: f32) -> Value {
    let ms = |stage: Stage| {
        trace.laps.iter().find(|(s, _)| *s == stage).map(|(_, took)| words::milliseconds(*took))
    };
    let reject = match &trace.ending {
        Ending::Rejected(reject) => Some(*reject),
        Ending::Probe | Ending::Unlit | Ending::Broke(_) => None,
    };
    let face = trace.found.first().map(|f| f.score);
    let found_out =
        matches!(reject, Some(Reject::NoFace | Reject::ManyFaces | Reject::TooDark | Reject::Unproven))
            && trace.quality.is_none();
    let evidence = trace.evidence;
    let family = |name: &str, title: &str, pick: fn(&Evidence) -> Finding, floor: f32, took: Option<f64>| {
        let finding = evidence.as_ref().map(pick);
        let (outcome, score, note) = match finding {
            None => ("not_reached", None, None),
            Some(Finding::NotFitted) => ("not_reached", None, Some("no such sensor on this terminal")),
            Some(Finding::Missing) => ("rejected", None, Some("the sensor gave no picture")),
            Some(Finding::Score(s)) if s < floor => {
                ("rejected", Some(s), Some("speaks against a live person"))
            }
            Some(Finding::Score(s)) => ("passed", Some(s), None),
        };
        json!({"name": name, "title": title, "outcome": outcome, "score": score, "floor": floor, "score_max": 1,
            "ms": took, "note": note})
    };
    let embedded = trace.ending == Ending::Probe;
    let broke = match &trace.ending {
        Ending::Broke(fault) => Some(fault.as_str()),
        Ending::Probe | Ending::Unlit | Ending::Rejected(_) => None,
    };
    json!([
        {"name": "detect", "title": "Find the face",
            "outcome": if broke.is_some() && face.is_none() { "fault" } else if found_out { "rejected" } else { "passed" },
            "score": face, "floor": quality.detection_min, "score_max": 1, "ms": ms(Stage::Detect),
            "note": broke.or(reject.filter(|_| found_out).map(Reject::advice))},
        {"name": "quality", "title": "Is it good enough to judge?",
            "outcome": if trace.quality.is_some() { "passed" } else if found_out || reject.is_none() { "not_reached" } else { "rejected" },
            "score": trace.quality.map(|q| q.sharpness), "floor": quality.sharpness_min, "score_max": 100,
            "ms": ms(Stage::Quality),
            "note": reject.filter(|_| !found_out && trace.quality.is_none()).map(Reject::advice)},
        family("rgb_liveness", "Does the colour look alive?", |e| e.rgb, rgb_min, ms(Stage::Liveness)),
        family("infrared", "Does it reflect like skin?", |e| e.infrared, SUPPORT_MIN, ms(Stage::Sensors)),
        family("depth", "Does it have the relief of a head?", |e| e.depth, SUPPORT_MIN, ms(Stage::Sensors)),
        {"name": "embed", "title": "Describe the face", "outcome": if embedded { "passed" } else { "not_reached" },
            "score": null, "floor": null, "score_max": 1, "ms": ms(Stage::Embed), "note": null},
    ])
}

/// The panel's cue.
#[must_use]
pub fn cue(cue: Cue) -> Value {
    let (kind, text) = match cue {
        Cue::Idle => ("idle", "Please look at the camera."),
        Cue::Watching => ("watching", "One moment, please."),
        Cue::Advice(reject) => ("advice", reject.advice()),
        Cue::Move(movement) => ("advice", movement.advice()),
        Cue::Granted => ("granted", "Welcome. Please come in."),
        Cue::Denied(reject) => ("denied", reject.advice()),
        Cue::Alarm => ("alarm", "Please close the door."),
        Cue::Fire => ("fire", "Fire alarm. Leave the building."),
        Cue::OutOfOrder => ("out_of_order", "Out of order. Please use your card or call for help."),
    };
    json!({"kind": kind, "text": text})
}

/// The `decision` event.
#[must_use]
pub fn decision(
    recorded: &doorward_core::audit::Recorded<doorward_core::decision::Decision>,
    name: Option<&str>,
    last: Option<&Evidence>,
    took: std::time::Duration,
) -> Value {
    let decision = recorded.subject();
    let granted = matches!(decision.answer(), Answer::Grant(_));
    let headline = match (granted, name) {
        (true, Some(name)) => format!("The door opens for {name}"),
        (true, None) => "The door opens".to_owned(),
        (false, _) => "The door stays closed".to_owned(),
    };
    json!({
        "seq": recorded.seq(),
        "granted": granted,
        "headline": headline,
        "reason": words::reason(decision, name, last),
        "rule": decision.rule(),
        "level": decision.level().map(words::level),
        "person": decision.person(),
        "scores": decision.scores(),
        "frame_to_relay_ms": granted.then(|| words::milliseconds(took)),
    })
}
