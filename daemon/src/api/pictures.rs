//! Questions about faces: where they are, whether two are one person's, whose one is. No picture outlives its answer, and
//! none of them is proof of life.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use doorward_core::decision::Reject;
use doorward_core::inquiry;
use doorward_core::session::Caller;
use doorward_core::template::{TemplateVersion, UnitVector};
use doorward_core::time::Mono;
use doorward_core::transform::Protected;
use doorward_hal::photo;
use doorward_protocol::hex::{hex, unhex, unhex_all};
use doorward_protocol::ids::PersonId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::Desk;
use super::errand::{Brought, Errand, Seen, Want};
use super::routes::{Answer, Asked};
use crate::terminal::asking::{Ask, Probe, Told};

/// How long a picture waits for a moment in which nobody stands before the cameras.
const PATIENCE: Duration = Duration::from_secs(5);

/// A template in the site's space, as it is given out and taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reference {
    /// The embedding model, hexadecimal.
    model: String,
    /// What was done to the picture before it.
    preprocessing: u16,
    /// 32-bit floats, the lowest byte first, hexadecimal.
    values: String,
}

/// A face to be compared.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
enum Face {
    /// A picture in base64.
    Picture(String),
    Reference(Reference),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    a: Face,
    b: Face,
}

/// Says where the faces of a picture are.
pub(super) async fn detect(desk: &Desk, asked: &Asked<'_>, body: Vec<u8>) -> Answer {
    if !is_picture(asked) {
        return no_picture();
    }
    match desk.look(body, Want::Faces).await {
        Ok(Brought::Faces(faces)) => {
            Answer::json(200, json!({ "faces": faces.iter().map(described).collect::<Vec<_>>() }))
        }
        Ok(Brought::Probe(_) | Brought::Rejected(_) | Brought::Broke) => broken(),
        Err(refused) => refused,
    }
}

/// Says whether two faces are one person's; the second may be that of an enrolled person, named in the query.
pub(super) async fn compare(desk: &Desk, caller: Caller, asked: &Asked<'_>, body: Vec<u8>) -> Answer {
    let began = desk.clock.now().mono;
    let question = match question(desk, caller, asked, body).await {
        Ok(question) => question,
        Err(refused) => return desk.at_its_time(began, refused).await,
    };
    let answer = match desk.ask(question).await {
        Ok(Told::Likeness(likeness)) => {
            let code = likeness.code();
            let matches = likeness != inquiry::Likeness::None;
            Answer::json(200, json!({ "match": matches, "likeness": code, "reason": Value::Null }))
        }
        Ok(Told::Done | Told::Finding(_) | Told::Person(_) | Told::Refused(_)) => broken(),
        Err(refused) => refused,
    };
    desk.at_its_time(began, answer).await
}

/// Says whose face it is.
pub(super) async fn search(desk: &Desk, caller: Caller, asked: &Asked<'_>, body: Vec<u8>) -> Answer {
    let began = desk.clock.now().mono;
    let probe = if is_picture(asked) {
        desk.probe(body).await
    } else {
        match serde_json::from_slice(&body) {
            Ok(face) => desk.face(face).await,
            Err(_) => Err(no_picture()),
        }
    };
    let answer = match probe {
        Ok(probe) => match desk.ask(Ask::Search(caller, probe)).await {
            Ok(Told::Person(found)) => {
                let (person, likeness) = found.unzip();
                let code = likeness.unwrap_or(inquiry::Likeness::None).code();
                Answer::json(
                    200,
                    json!({ "person": person.map(|p| p.as_str().to_owned()), "likeness": code, "reason": Value::Null }),
                )
            }
            Ok(Told::Done | Told::Finding(_) | Told::Likeness(_) | Told::Refused(_)) => broken(),
            Err(refused) => refused,
        },
        Err(refused) => refused,
    };
    desk.at_its_time(began, answer).await
}

/// What `compare` asks the terminal.
async fn question(desk: &Desk, caller: Caller, asked: &Asked<'_>, body: Vec<u8>) -> Result<Ask, Answer> {
    if is_picture(asked) {
        let person = asked.query.strip_prefix("person=").and_then(|id| id.parse::<PersonId>().ok());
        let person = person.ok_or_else(|| {
            Answer::refused(
                400,
                "say whose face it should be: /v1/compare?person=ID; or send two faces as JSON",
            )
        })?;
        return Ok(Ask::Verify(caller, person, desk.probe(body).await?));
    }
    let pair: Pair = serde_json::from_slice(&body).map_err(|why| {
        let form = "{\"a\": {\"picture\": BASE64}, \"b\": {\"picture\": BASE64}}";
        Answer::refused(400, format!("two faces are sent as {form}: {why}"))
    })?;
    Ok(Ask::Compare(caller, desk.face(pair.a).await?, desk.face(pair.b).await?))
}

impl Desk {
    async fn face(&self, face: Face) -> Result<Probe, Answer> {
        match face {
            Face::Picture(text) => match BASE64.decode(text) {
                Ok(bytes) => self.probe(bytes).await,
                Err(why) => Err(Answer::refused(400, format!("the picture is no base64: {why}"))),
            },
            Face::Reference(_) if !self.allowed.reference => {
                Err(Answer::refused(403, "this terminal takes no templates (api.reference)"))
            }
            Face::Reference(reference) => {
                let template = reference.template(self.version);
                template.map(Probe::Reference).ok_or_else(|| {
                    Answer::refused(422, "this is no reference of the models that this terminal runs now")
                })
            }
        }
    }

    /// The template of a picture's one face.
    async fn probe(&self, picture: Vec<u8>) -> Result<Probe, Answer> {
        match self.look(picture, Want::Probe).await? {
            Brought::Probe(vector) => Ok(Probe::Fresh(vector)),
            Brought::Rejected(reject) => Err(unusable(reject)),
            Brought::Faces(_) | Brought::Broke => Err(broken()),
        }
    }

    /// Decodes a picture and lets the vision thread look at it.
    async fn look(&self, picture: Vec<u8>, want: Want) -> Result<Brought, Answer> {
        let busy = |why| Answer::later(503, Duration::from_secs(2), why);
        let _turn =
            self.looking.try_acquire().map_err(|_| busy("another picture is looked at; come again"))?;
        let decoded = tokio::task::spawn_blocking(move || photo::decode(&picture)).await;
        let picture = match decoded {
            Ok(Ok(picture)) => picture,
            Ok(Err(why)) => return Err(Answer::refused(422, crate::terminal::chain(&why))),
            // The decoder panicked over it.
            Err(_) => return Err(broken()),
        };
        let (reply, brought) = oneshot::channel();
        let given_up = Arc::new(AtomicBool::new(false));
        let reply = Box::new(move |came| drop(reply.send(came)));
        let errand = Errand { picture, want, given_up: Arc::clone(&given_up), reply };
        self.errands.try_send(errand).map_err(|_| busy("another picture is looked at; come again"))?;
        match tokio::time::timeout(PATIENCE, brought).await {
            Ok(Ok(brought)) => Ok(brought),
            Ok(Err(_)) | Err(_) => {
                given_up.store(true, Ordering::Relaxed);
                Err(busy("somebody stands at the door, and the door comes first; come again"))
            }
        }
    }

    /// Keeps an answer about likeness until its time, so that the time it took tells nothing (attack case H9).
    async fn at_its_time(&self, began: Mono, answer: Answer) -> Answer {
        tokio::time::sleep(inquiry::until_told(began, self.clock.now().mono)).await;
        answer
    }
}

impl Reference {
    pub(super) fn of(template: &Protected, version: TemplateVersion) -> Self {
        let bytes: Vec<u8> = template.vector().values().iter().flat_map(|v| v.to_le_bytes()).collect();
        Self { model: hex(&version.model), preprocessing: version.preprocessing, values: hex(&bytes) }
    }

    fn template(&self, version: TemplateVersion) -> Option<Protected> {
        let same = unhex(&self.model) == Some(version.model) && self.preprocessing == version.preprocessing;
        let bytes = unhex_all(&self.values).filter(|bytes| same && bytes.len() % 4 == 0)?;
        let values = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        UnitVector::claimed(values.collect()).ok().map(Protected::restore)
    }
}

fn is_picture(asked: &Asked<'_>) -> bool {
    asked.kind.starts_with("image/")
}

fn no_picture() -> Answer {
    Answer::refused(415, "send a picture with Content-Type: image/jpeg or image/png")
}

fn broken() -> Answer {
    Answer::refused(422, "the models cannot work with this picture")
}

/// A picture without one good face is an answer to a question about faces.
fn unusable(reject: Reject) -> Answer {
    let value = json!({ "match": false, "person": Value::Null, "likeness": "none", "reason": reject.code(), "say": reject.advice() });
    Answer::json(200, value)
}

/// Whole pixels and degrees: where a face is and how good its picture is. Nothing of who or how alive.
fn described(seen: &Seen) -> Value {
    let whole = |v: f32| f64::from(v.round() + 0.0);
    let Seen { detection, quality, reject } = seen;
    let region = detection.region;
    let corners = [region.x, region.y, region.width, region.height].map(whole);
    json!({
        "box": corners,
        "landmarks": detection.landmarks.points().map(|p| [whole(p.x), whole(p.y)]),
        "pose": { "yaw": whole(quality.pose.yaw), "pitch": whole(quality.pose.pitch), "roll": whole(quality.pose.roll) },
        "quality": {
            "eye_distance": whole(quality.eye_distance),
            "brightness": whole(quality.brightness / 2.55),
            "sharpness": whole(quality.sharpness),
        },
        "usable": reject.is_none(),
        "reason": reject.map(Reject::code),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION: TemplateVersion = TemplateVersion { model: [7; 32], preprocessing: 3 };

    fn reference() -> Reference {
        let vector = UnitVector::normalise(vec![0.1, -0.2, 0.3, 0.9]).unwrap();
        Reference::of(&Protected::restore(vector), VERSION)
    }

    #[test]
    fn a_reference_comes_back_as_it_was_given() {
        let again = reference().template(VERSION).unwrap();
        assert_eq!(Reference::of(&again, VERSION), reference());
    }

    #[test]
    fn m8_a_reference_that_was_never_given_is_refused() {
        let with = |change: &dyn Fn(&mut Reference)| {
            let mut reference = reference();
            change(&mut reference);
            reference.template(VERSION)
        };
        assert!(with(&|_| {}).is_some());
        assert!(with(&|r| r.model = "08".repeat(32)).is_none());
        assert!(with(&|r| r.preprocessing = 4).is_none());
        assert!(with(&|r| r.values = String::new()).is_none());
        assert!(with(&|r| r.values = "00".repeat(16)).is_none(), "no direction");
        assert!(with(&|r| r.values = "ff".repeat(16)).is_none(), "not a number");
        assert!(with(&|r| r.values = "0000803f".repeat(4)).is_none(), "not of unit length");
        assert!(with(&|r| r.values.truncate(7)).is_none());
        assert!(with(&|r| r.values = "0000803f".to_owned() + &"00000000".repeat(5000)).is_none(), "too long");
    }
}
