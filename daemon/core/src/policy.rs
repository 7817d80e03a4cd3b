//! Who may pass: an ordered list of rules, of which the first that refuses decides and is named in the audit entry.

use std::collections::BTreeMap;
use std::time::Duration;

use doorward_protocol::audit::{ClockTrust, CredentialKind, Scores};
use doorward_protocol::ids::{AttemptId, DoorId, PersonId};

use crate::attempt::Case;
use crate::calibration::Calibration;
use crate::claim::{Claim, Spent, Terms};
use crate::decision::{Answer, Decision, Grant, Reject};
use crate::gallery::{Best, Gallery};
use crate::liveness::fusion::Level;
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
    /// On what terms credentials are taken.
    pub terms: Terms,
}

/// Everything known when a case is decided, apart from the case.
#[derive(Debug)]
pub struct Circumstances<'a> {
    /// Rights of all persons.
    pub permits: &'a BTreeMap<PersonId, Permit>,
    /// Failed attempts.
    pub lockout: &'a Lockout,
    /// Codes for one time that were used.
    pub spent: &'a Spent,
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
    claim: Option<Claim>,
    level: Level,
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
        Self { attempt: case.attempt(), best, scores, claim: None, level: case.level() }
    }

    /// Compares a case with one claimed person. The threshold follows from the accepted error rate alone, because it is
    /// one comparison with one person.
    #[must_use]
    pub fn verify(
        case: &Case,
        claim: Claim,
        gallery: &Gallery,
        transform: &Transform,
        calibration: &Calibration,
        max_fmr: f64,
    ) -> Self {
        let probe = transform.protect(case.probe()).ok();
        let score = probe.and_then(|probe| gallery.verify(claim.person(), &probe));
        let scores = Scores {
            comparison_score: score.unwrap_or(-1.0),
            threshold: calibration.for_verification(max_fmr).score,
            runner_up: -1.0,
            liveness: case.confidence(),
            frames: case.frames(),
            gallery: u32::try_from(gallery.templates(claim.person())).unwrap_or(u32::MAX),
        };
        let best = score.map(|score| Best { person: claim.person().clone(), score, runner_up: None });
        Self { attempt: case.attempt(), best, scores, claim: Some(claim), level: case.level() }
    }

    /// Whose face it was beyond doubt, whatever the door then says: above the threshold, and ahead of everybody else.
    #[must_use]
    pub fn proven(&self, rules: &Rules) -> Option<&PersonId> {
        recognised(self).filter(|_| self.lead() >= rules.margin_min).map(|best| &best.person)
    }

    fn lead(&self) -> f32 {
        self.scores.comparison_score - self.scores.runner_up
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
    let recognised = recognised(candidate).map(|best| best.person.clone());
    let (answer, rule) = match (refusal, &recognised) {
        (Some((rule, reject)), _) => (Answer::Deny(reject), rule),
        (None, Some(person)) => {
            let open_for = open_for(person, rules, given);
            (Answer::Grant(Grant::face(rules.door.clone(), person.clone(), open_for)), granting(candidate))
        }
        // Unreachable as long as the identity rule stands in the list; deny if it ever does not.
        (None, None) => (Answer::Deny(Reject::Unknown), "identity"),
    };
    let claim = candidate.claim.as_ref();
    Decision {
        attempt: candidate.attempt,
        door: rules.door.clone(),
        answer,
        person: recognised.or_else(|| claim.map(|claim| claim.person().clone())),
        rule,
        scores: Some(candidate.scores),
        presented: claim.map(Claim::presented),
        level: Some(candidate.level),
    }
}

/// The rule that a grant names: the last that could have refused, or what was asked beside a face.
fn granting(candidate: &Candidate) -> &'static str {
    match candidate.claim.as_ref().map(|claim| claim.presented().kind) {
        None => "weekly",
        Some(CredentialKind::Card) => "card_and_face",
        Some(CredentialKind::Pin) => "pin_and_face",
        Some(CredentialKind::Qr) => "qr_and_face",
    }
}

/// How long the door is released for a person.
pub(crate) fn open_for(person: &PersonId, rules: &Rules, given: &Circumstances<'_>) -> Duration {
    given.permits.get(person).and_then(|p| p.open_for).unwrap_or(rules.open_for)
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
    let at_ms = given.wall.ms;
    let claim = candidate.claim.as_ref();
    let known = || recognised(candidate).map(|best| &best.person);
    let locked_out = |claim: &Claim| given.lockout.refuses(claim.presented().kind, at_ms);
    let list: [(&'static str, Reject, &dyn Fn() -> bool); 6] = [
        ("lockout", Reject::LockedOut, &|| given.lockout.locked(at_ms) || claim.is_some_and(locked_out)),
        // Before anything is said of the face: a locked door is no oracle for who is known.
        ("lockdown", Reject::Lockdown, &|| given.lockdown),
        ("mode", Reject::CredentialFirst, &|| claim.is_none() && rules.terms.mode.needs_claim()),
        ("identity", Reject::NotTheClaimed, &|| claim.is_some() && known().is_none()),
        ("identity", Reject::Unknown, &|| known().is_none()),
        ("margin", Reject::Ambiguous, &|| candidate.lead() < rules.margin_min),
    ];
    first_of(&list).or_else(|| refusal_of(known()?, rules, given))
}

/// Why a person who is known may not pass here and now.
pub(crate) fn refusal_of(
    person: &PersonId,
    rules: &Rules,
    given: &Circumstances<'_>,
) -> Option<(&'static str, Reject)> {
    let wall = given.wall;
    let permit = given.permits.get(person);
    let untrusted = wall.trust == ClockTrust::Unknown && rules.untrusted_time == UntrustedTime::Deny;
    let timed = |p: &Permit| p.valid_from_ms.is_some() || p.valid_until_ms.is_some();
    let list: [(&'static str, Reject, &dyn Fn() -> bool); 7] = [
        ("lockdown", Reject::Lockdown, &|| given.lockdown),
        ("identity", Reject::Unknown, &|| permit.is_none()),
        ("permit", Reject::Suspended, &|| permit.is_some_and(|p| p.suspended)),
        ("clock", Reject::ClockUntrusted, &|| {
            untrusted && (!rules.weekly.is_always() || permit.is_some_and(timed))
        }),
        ("permit", Reject::NotYetValid, &|| {
            permit.is_some_and(|p| p.valid_from_ms.is_some_and(|from| wall.ms < from))
        }),
        ("permit", Reject::Expired, &|| {
            permit.is_some_and(|p| p.valid_until_ms.is_some_and(|until| wall.ms >= until))
        }),
        ("weekly", Reject::NotNow, &|| !rules.weekly.contains(wall.ms)),
    ];
    first_of(&list)
}

/// The first rule of an ordered list that refuses.
fn first_of(list: &[(&'static str, Reject, &dyn Fn() -> bool)]) -> Option<(&'static str, Reject)> {
    list.iter().find(|(_, _, refuses)| refuses()).map(|(rule, reject, _)| (*rule, *reject))
}
