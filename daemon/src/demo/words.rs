//! Decisions, events and stages in words a visitor understands.

use std::time::Duration;

use doorward_core::decision::{Answer, Decision, Reject};
use doorward_core::liveness::{Evidence, Finding, Level, SUPPORT_MIN};
use doorward_protocol::audit::{Entry, What};

/// Why a decision was taken, in one or two sentences. Says more than the panel at a real door may: this is a demo.
#[must_use]
pub fn reason(decision: &Decision, name: Option<&str>, last: Option<&Evidence>) -> String {
    let who = name.unwrap_or("This person");
    let scores = decision.scores().map(|s| (s.comparison_score, s.threshold));
    match (decision.answer(), scores) {
        (Answer::Grant(_), Some((score, threshold))) => format!(
            "{who} is alive, is known (resemblance {score:.2}, {threshold:.2} is needed) and may pass now. The decision \
             was written down before the lock moved."
        ),
        (Answer::Grant(_), None) => "The lock was released.".to_owned(),
        (Answer::Deny(Reject::NotLive), _) => format!("This is not a live person. {}", suspicion(last)),
        (Answer::Deny(Reject::Unknown), Some((score, threshold))) => format!(
            "A live person, but nobody the terminal knows: the closest resemblance is {score:.2}, and {threshold:.2} is \
             needed."
        ),
        (Answer::Deny(reject), _) => denial(*reject, who),
    }
}

fn denial(reject: Reject, who: &str) -> String {
    match reject {
        Reject::ManyFaces => "Two people stand before the door. A grant belongs to exactly one person.".into(),
        Reject::Unanswered => {
            "The movement that was asked for did not come in time, so nothing proves that a living face is there."
                .into()
        }
        Reject::Unproven => {
            "A sensor that is fitted gave no picture, so nothing proves that a live person stands there. A missing \
             sensor never raises trust."
                .into()
        }
        Reject::Ambiguous => "Two known persons resemble this face about equally. The terminal does not guess.".into(),
        Reject::LockedOut => {
            "Too many failed checks in a short time. The terminal stays closed for a while, also for those it knows."
                .into()
        }
        Reject::Suspended => format!("{who} is known, but the right to pass is suspended."),
        Reject::NotYetValid => format!("{who} is known, but the right to pass has not begun."),
        Reject::Expired => format!("{who} is known, but the right to pass has ended."),
        Reject::NotNow => format!("{who} is known, but not at this time of the week."),
        Reject::UnknownCredential => "This credential belongs to nobody.".into(),
        Reject::NotTheClaimed => format!("This is not {who}, to whom the credential belongs."),
        Reject::Used => "This code was for one time, and that was.".into(),
        Reject::Unrecorded => "The decision could not be written down, so nothing comes of it.".into(),
        Reject::NoFace
        | Reject::TooFar
        | Reject::TooClose
        | Reject::Turned
        | Reject::Blurred
        | Reject::TooDark
        | Reject::TooBright
        | Reject::Flat
        | Reject::NotLive
        | Reject::Unknown
        | Reject::ClockUntrusted
        | Reject::CredentialFirst
        | Reject::NotAccepted
        | Reject::Lockdown => reject.advice().to_owned(),
    }
}

/// Which sensor saw through it.
fn suspicion(last: Option<&Evidence>) -> String {
    let Some(evidence) = last else { return String::new() };
    let doubts: Vec<&str> = evidence
        .findings()
        .into_iter()
        .filter(|(_, finding)| matches!(finding, Finding::Score(score) if *score < SUPPORT_MIN))
        .map(|(family, _)| match family {
            "rgb" => "the colour picture looks like a reproduction",
            "infrared" => "in infrared it does not reflect like skin",
            _ => "it has no relief like a head",
        })
        .collect();
    match doubts.split_last() {
        None => String::new(),
        Some((only, [])) => format!("What gave it away: {only}."),
        Some((last, rest)) => format!("What gave it away: {}, and {last}.", rest.join(", ")),
    }
}

/// One line of the audit trail in words.
#[must_use]
pub fn entry(entry: &Entry) -> (&'static str, String) {
    match &entry.what {
        What::Started(started) => ("started", format!("doord {} started", started.version)),
        What::Decided(d) if d.granted => {
            let person = d.person.as_ref().map_or("somebody", |p| p.as_str());
            let scores = d
                .scores
                .map_or(String::new(), |s| format!(" ({:.2} over {:.2})", s.comparison_score, s.threshold));
            ("granted", format!("{}: granted to {person}{scores}", d.door))
        }
        What::Decided(d) => {
            let person = d.person.as_ref().map_or(String::new(), |p| format!(" to {p}"));
            (
                "denied",
                format!("{}: refused{person}: {} (rule: {})", d.door, d.reason.replace('_', " "), d.rule),
            )
        }
        What::Released(r) => ("released", format!("{}: released for {}", r.door, r.cause.replace('_', " "))),
        What::Door(d) => ("door", format!("{}: {}", d.door, d.event.replace('_', " "))),
        What::Enrolled(e) => (
            "enrolled",
            format!(
                "{} enrolled, {} template(s), from {}",
                e.person,
                e.templates,
                e.source.replace('_', " ")
            ),
        ),
        What::Erased(e) => ("erased", format!("{} erased", e.person)),
        What::ErasedEverybody(e) => ("erased", format!("all {} persons erased", e.persons)),
        What::Fault(f) => (
            "fault",
            format!("{} {}: {}", f.part, if f.set { "fault" } else { "recovered" }, f.code.replace('_', " ")),
        ),
        What::ClockJumped(j) => ("clock", format!("the clock jumped by {:.1} s", j.jump_ms as f64 / 1000.0)),
        What::Credential(c) => {
            let (kind, done) = (c.presented.kind.code(), if c.given { "given to" } else { "taken from" });
            ("credential", format!("{kind} {done} {}", c.person))
        }
        What::Skipped(s) => {
            let reason = s.reason.replace('_', " ");
            ("roster", format!("entry {} of the roster, {}: left out, {reason}", s.entry, s.place))
        }
        What::Pictured(p) => ("picture", format!("a picture of {} was ordered by key {}", p.person, p.by)),
        What::Asked(a) => {
            ("asked", format!("{} asked {}: {}, {} times", a.by, a.question, a.answer, a.count))
        }
        What::Stopped(s) => ("stopped", format!("doord stopped: {}", s.cause)),
    }
}

/// What a level asks for, in words.
#[must_use]
pub fn level(level: Level) -> &'static str {
    match level {
        Level::Convenience => "convenience: colour alone decides, a good photograph may pass",
        Level::Standard => "standard: colour, and infrared or depth; all that are fitted must agree",
        Level::High => {
            "high: colour, infrared and depth, and a smile and a turn of the head, or a card or PIN in their place"
        }
    }
}

/// Milliseconds for people.
#[must_use]
pub fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}
