//! Who may pass: an ordered list of rules, of which the first that refuses decides and is named in the audit entry.

use std::collections::BTreeMap;
use std::time::Duration;

use doorward_protocol::audit::{ClockTrust, Scores};
use doorward_protocol::ids::{AttemptId, DoorId, PersonId};

use crate::attempt::Case;
use crate::calibration::Calibration;
use crate::decision::{Answer, Decision, Grant, Reject};
use crate::gallery::{Best, Gallery};
use crate::lockout::Lockout;
use crate::schedule::Weekly;
use crate::time::Wall;
use crate::transform::Transform;

/// A person's right to pass.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Permit {
    /// First moment, milliseconds since 1970; none: since ever.
    pub valid_from_ms: Option<i64>,
    /// First moment after, milliseconds since 1970; none: for ever.
    pub valid_until_ms: Option<i64>,
    /// Suspended until further notice.
    pub suspended: bool,
    /// A longer release for people who need it.
    pub open_for: Option<Duration>,
}

/// What an untrusted clock does to rules that need the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UntrustedTime {
    /// Refuse.
    Deny,
    /// Go by the clock as it is.
    Believe,
}

/// The rules of one door.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The door.
    pub door: DoorId,
    /// How long a grant releases the lock.
    pub open_for: Duration,
    /// When anybody may pass.
    pub weekly: Weekly,
    /// Accepted probability that somebody who is not enrolled is taken for anybody who is (FPIR, ISO/IEC 19795-1).
    pub max_fpir: f64,
    /// The best person must lead the second by this much (cosine).
    pub margin_min: f32,
    /// What an untrusted clock does.
    pub untrusted_time: UntrustedTime,
}

/// Everything known when a case is decided, apart from the case.
#[derive(Debug)]
pub struct Circumstances<'a> {
    /// Rights of all persons.
    pub permits: &'a BTreeMap<PersonId, Permit>,
    /// Failed attempts.
    pub lockout: &'a Lockout,
    /// Whether the door is locked down.
    pub lockdown: bool,
    /// The time.
    pub wall: Wall,
}

/// The answer of the gallery to one case. Made here only.
#[derive(Debug, Clone)]
pub struct Candidate {
    attempt: AttemptId,
    best: Option<Best>,
    scores: Scores,
}

impl Candidate {
    /// Looks a case up. The threshold follows from the accepted error rate and the number of persons.
    #[must_use]
    pub fn search(
        case: &Case,
        gallery: &Gallery,
        transform: &Transform,
        calibration: &Calibration,
        max_fpir: f64,
    ) -> Self {
        // A probe that cannot be transformed is of another model than the gallery, and resembles nobody in it.
        let best = transform.protect(case.probe()).ok().and_then(|probe| gallery.identify(&probe));
        let threshold = calibration.for_identification(max_fpir, gallery.len()).score;
        let scores = Scores {
            comparison_score: best.as_ref().map_or(-1.0, |best| best.score),
            threshold,
            runner_up: best
                .as_ref()
                .and_then(|best| best.runner_up.as_ref())
                .map_or(-1.0, |(_, score)| *score),
            liveness: case.confidence(),
            frames: case.frames(),
            gallery: u32::try_from(gallery.len()).unwrap_or(u32::MAX),
        };
        Self { attempt: case.attempt(), best, scores }
    }

    /// The scores.
    #[must_use]
    pub fn scores(&self) -> &Scores {
        &self.scores
    }
}

/// Decides a candidate.
#[must_use]
pub fn decide(candidate: &Candidate, rules: &Rules, given: &Circumstances<'_>) -> Decision {
    let refusal = first_refusal(candidate, rules, given);
    let person = recognised(candidate).map(|best| best.person.clone());
    let (answer, rule) = match (refusal, &person) {
        (Some((rule, reject)), _) => (Answer::Deny(reject), rule),
        (None, Some(person)) => {
            let open_for = given.permits.get(person).and_then(|p| p.open_for).unwrap_or(rules.open_for);
            (Answer::Grant(Grant::face(rules.door.clone(), person.clone(), open_for)), "weekly")
        }
        // Unreachable as long as the identity rule stands in the list; deny if it ever does not.
        (None, None) => (Answer::Deny(Reject::Unknown), "identity"),
    };
    Decision {
        attempt: candidate.attempt,
        door: rules.door.clone(),
        answer,
        person,
        rule,
        scores: Some(candidate.scores),
    }
}

/// The person above the threshold, if there is one.
fn recognised(candidate: &Candidate) -> Option<&Best> {
    candidate.best.as_ref().filter(|best| best.score >= candidate.scores.threshold)
}

fn first_refusal(
    candidate: &Candidate,
    rules: &Rules,
    given: &Circumstances<'_>,
) -> Option<(&'static str, Reject)> {
    let wall = given.wall;
    let permit = || recognised(candidate).and_then(|best| given.permits.get(&best.person));
    let untrusted = wall.trust == ClockTrust::Unknown && rules.untrusted_time == UntrustedTime::Deny;
    let timed = |p: &Permit| p.valid_from_ms.is_some() || p.valid_until_ms.is_some();
    let lead = candidate.scores.comparison_score - candidate.scores.runner_up;
    let list: [(&'static str, Reject, &dyn Fn() -> bool); 9] = [
        ("lockout", Reject::LockedOut, &|| given.lockout.locked(wall.ms)),
        ("lockdown", Reject::Lockdown, &|| given.lockdown),
        ("identity", Reject::Unknown, &|| permit().is_none()),
        ("margin", Reject::Ambiguous, &|| lead < rules.margin_min),
        ("permit", Reject::Suspended, &|| permit().is_some_and(|p| p.suspended)),
        ("clock", Reject::ClockUntrusted, &|| {
            untrusted && (!rules.weekly.is_always() || permit().is_some_and(timed))
        }),
        ("permit", Reject::NotYetValid, &|| {
            permit().is_some_and(|p| p.valid_from_ms.is_some_and(|from| wall.ms < from))
        }),
        ("permit", Reject::Expired, &|| {
            permit().is_some_and(|p| p.valid_until_ms.is_some_and(|until| wall.ms >= until))
        }),
        ("weekly", Reject::NotNow, &|| !rules.weekly.contains(wall.ms)),
    ];
    list.iter().find(|(_, _, refuses)| refuses()).map(|(rule, reject, _)| (*rule, *reject))
}
