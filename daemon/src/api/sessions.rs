//! Liveness sessions over HTTP: made, streamed, taken.

use std::sync::Arc;
use std::time::Duration;

use doorward_core::decision::{Cue, Reject};
use doorward_core::session::{Caller, Finding, SessionId, TTL};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::Desk;
use super::pictures::Reference;
use super::routes::{Answer, Body};
use crate::terminal::asking::{Ask, Told};

/// Events that wait for a slow reader before the stream waits for him.
const EVENTS_MAX: usize = 4;
/// A reader that takes no event for this long is gone.
const READ_WITHIN: Duration = Duration::from_secs(10);

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Wish {
    reference: bool,
}

/// Makes a session.
pub(super) async fn make(desk: &Desk, caller: Caller, body: &[u8]) -> Answer {
    let wish: Result<Wish, _> =
        if body.is_empty() { Ok(Wish::default()) } else { serde_json::from_slice(body) };
    let wish = match wish {
        Ok(wish) if wish.reference && !desk.allowed.reference => {
            return Answer::refused(403, "this terminal gives no templates out (api.reference)");
        }
        Ok(wish) => wish,
        Err(why) => {
            return Answer::refused(
                400,
                format!("a session is asked for by {{}} or {{\"reference\": true}}: {why}"),
            );
        }
    };
    let id = SessionId(doorward_store::new_session());
    match desk.ask(Ask::Make(id, caller, wish.reference)).await {
        Ok(_) => Answer::json(201, json!({ "session": id.to_string(), "expires_in_s": TTL.as_secs() })),
        Err(refused) => refused,
    }
}

/// Opens the stream: what to do, event by event, and the end of it.
pub(super) async fn stream(desk: &Arc<Desk>, caller: Caller, id: SessionId) -> Answer {
    // Listened to before it begins, so that no end is missed.
    let ended = desk.ended.subscribe();
    if let Err(refused) = desk.ask(Ask::Stream(id, caller)).await {
        return refused;
    }
    let (events, stream) = mpsc::channel(EVENTS_MAX);
    let desk = Arc::clone(desk);
    tokio::spawn(async move {
        let told = tokio::time::timeout(TTL, tell(&desk, id, ended, &events)).await;
        match told {
            Ok(true) => {}
            // Nobody reads it any more: the next session need not wait until this one is over.
            Ok(false) => drop(desk.ask(Ask::End(id, caller)).await),
            Err(_) => {
                send(&events, "expired", &json!({})).await;
            }
        }
    });
    Answer { status: 200, again_s: None, body: Body::Stream(stream) }
}

/// Tells cues until the session has its result; whether it was read to the end.
async fn tell(
    desk: &Desk,
    id: SessionId,
    mut ended: tokio::sync::broadcast::Receiver<SessionId>,
    events: &mpsc::Sender<String>,
) -> bool {
    let mut cues = desk.cues.clone();
    let mut said = None;
    loop {
        let cue = guidance(*cues.borrow_and_update());
        if said.as_ref() != Some(&cue) {
            if !send(events, "guidance", &cue).await {
                return false;
            }
            said = Some(cue);
        }
        tokio::select! {
            // The terminal has ended, and the program with it.
            changed = cues.changed() => if changed.is_err() { return true },
            over = ended.recv() => match over {
                Ok(over) if over == id => return send(events, "ended", &json!({})).await,
                Ok(_) | Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
                Err(tokio::sync::broadcast::error::RecvError::Closed) => return true,
            },
            () = events.closed() => return false,
        }
    }
}

async fn send(events: &mpsc::Sender<String>, name: &str, body: &Value) -> bool {
    let event = format!("event: {name}\ndata: {body}\n\n");
    matches!(tokio::time::timeout(READ_WITHIN, events.send(event)).await, Ok(Ok(())))
}

/// What the person is to do, as the panel says it. What the door thinks of the person is the door's business, and what a
/// single frame looked like is nobody's (attack case H9).
fn guidance(cue: Cue) -> Value {
    let (word, advice) = match cue {
        Cue::Idle => ("wait", Reject::NoFace),
        Cue::OutOfOrder => ("out_of_order", Reject::Unrecorded),
        Cue::Advice(reject) if is_advice(reject) => (reject.code(), reject),
        Cue::Watching | Cue::Advice(_) | Cue::Granted | Cue::Denied(_) | Cue::Alarm | Cue::Fire => {
            ("looking", Reject::Unproven)
        }
    };
    json!({ "cue": word, "say": advice.advice() })
}

/// Whether it is about how somebody stands there, and not about who or what does.
fn is_advice(reject: Reject) -> bool {
    match reject {
        Reject::NoFace
        | Reject::ManyFaces
        | Reject::TooFar
        | Reject::TooClose
        | Reject::Turned
        | Reject::Blurred
        | Reject::TooDark
        | Reject::TooBright
        | Reject::Flat
        | Reject::CredentialFirst => true,
        Reject::Unproven
        | Reject::NotLive
        | Reject::Unknown
        | Reject::Ambiguous
        | Reject::Suspended
        | Reject::NotYetValid
        | Reject::Expired
        | Reject::NotNow
        | Reject::ClockUntrusted
        | Reject::LockedOut
        | Reject::Lockdown
        | Reject::UnknownCredential
        | Reject::NotAccepted
        | Reject::Used
        | Reject::NotTheClaimed
        | Reject::Unrecorded => false,
    }
}

/// Takes the result.
pub(super) async fn result(desk: &Desk, caller: Caller, id: SessionId) -> Answer {
    match desk.ask(Ask::Take(id, caller)).await {
        Ok(Told::Finding(finding)) => Answer::json(200, told(desk, &finding)),
        Ok(Told::Done | Told::Likeness(_) | Told::Person(_) | Told::Refused(_)) => {
            Answer::refused(500, "the terminal answered another question")
        }
        Err(refused) => refused,
    }
}

/// Ends a session.
pub(super) async fn end(desk: &Desk, caller: Caller, id: SessionId) -> Answer {
    match desk.ask(Ask::End(id, caller)).await {
        Ok(_) => Answer::json(200, json!({})),
        Err(refused) => refused,
    }
}

fn told(desk: &Desk, finding: &Finding) -> Value {
    let Finding { attempt, reject, confidence, frames, reference } = finding;
    let reference = reference.as_ref().map(|template| Reference::of(template, desk.version));
    json!({
        "live": reject.is_none(),
        "reason": reject.map_or("live", Reject::code),
        "confidence": confidence,
        "level": desk.level,
        "frames": frames,
        "attempt": attempt.0,
        "reference": reference,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn h9_guidance_does_not_tell_a_spoof_a_stranger_and_a_known_person_apart() {
        let cues = [
            Cue::Watching,
            Cue::Granted,
            Cue::Advice(Reject::NotLive),
            Cue::Denied(Reject::NotLive),
            Cue::Denied(Reject::Unknown),
            Cue::Denied(Reject::Suspended),
            Cue::Denied(Reject::LockedOut),
        ];
        let told: BTreeSet<_> = cues.into_iter().map(|cue| guidance(cue).to_string()).collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(guidance(Cue::Advice(Reject::TooFar))["say"], "Please come closer.");
    }
}
