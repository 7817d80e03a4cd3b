//! The answers: rejects, grants, decisions, and the cues a person at the door understands.

use std::time::Duration;

use doorward_protocol::audit::{Decided, Presented, Released, Scores, What};
use doorward_protocol::command::{Admitted, Command};
use doorward_protocol::ids::{AttemptId, DoorId, PersonId};

use crate::attempt::Refusal;
use crate::claim::{Claim, Ruling};
use crate::disclosure;
use crate::liveness::fusion::Level;
use crate::liveness::movement::Move;

/// A normal negative answer; never an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reject {
    /// Nobody stands there.
    NoFace,
    /// Two or more faces of similar size.
    ManyFaces,
    /// Face too small.
    TooFar,
    /// Face reaches out of the picture.
    TooClose,
    /// Head turned away.
    Turned,
    /// Not sharp enough.
    Blurred,
    /// Too little light.
    TooDark,
    /// Too much light.
    TooBright,
    /// Too little contrast: fog, back light, a covered lens.
    Flat,
    /// A fitted sensor gave no picture of this moment.
    Unproven,
    /// A sensor says that this is no live person.
    NotLive,
    /// The movement that was asked for did not come.
    Unanswered,
    /// No reference resembles this face enough.
    Unknown,
    /// Two persons resemble this face about equally.
    Ambiguous,
    /// Known, but the right to pass is suspended.
    Suspended,
    /// Known, but the right to pass has not begun.
    NotYetValid,
    /// Known, but the right to pass has ended.
    Expired,
    /// Known, but not at this time of the week.
    NotNow,
    /// The clock cannot be trusted and the rule needs it.
    ClockUntrusted,
    /// Too many failed attempts.
    LockedOut,
    /// The door is in lockdown.
    Lockdown,
    /// A face alone does not open this door.
    CredentialFirst,
    /// A credential that belongs to nobody.
    UnknownCredential,
    /// A credential of a kind that this door does not take.
    NotAccepted,
    /// A code for one time that was used.
    Used,
    /// The face is not that of the person the credential belongs to.
    NotTheClaimed,
    /// The decision could not be recorded.
    Unrecorded,
}

impl Reject {
    /// Every reject, for tables and documentation.
    pub const ALL: [Reject; 27] = [
        Reject::NoFace,
        Reject::ManyFaces,
        Reject::TooFar,
        Reject::TooClose,
        Reject::Turned,
        Reject::Blurred,
        Reject::TooDark,
        Reject::TooBright,
        Reject::Flat,
        Reject::Unproven,
        Reject::NotLive,
        Reject::Unanswered,
        Reject::Unknown,
        Reject::Ambiguous,
        Reject::Suspended,
        Reject::NotYetValid,
        Reject::Expired,
        Reject::NotNow,
        Reject::ClockUntrusted,
        Reject::LockedOut,
        Reject::Lockdown,
        Reject::CredentialFirst,
        Reject::UnknownCredential,
        Reject::NotAccepted,
        Reject::Used,
        Reject::NotTheClaimed,
        Reject::Unrecorded,
    ];

    /// The stable code in audit entries, metrics and JSON.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Reject::NoFace => "no_face",
            Reject::ManyFaces => "many_faces",
            Reject::TooFar => "too_far",
            Reject::TooClose => "too_close",
            Reject::Turned => "turned",
            Reject::Blurred => "blurred",
            Reject::TooDark => "too_dark",
            Reject::TooBright => "too_bright",
            Reject::Flat => "flat",
            Reject::Unproven => "unproven",
            Reject::NotLive => "not_live",
            Reject::Unanswered => "unanswered",
            Reject::Unknown => "unknown",
            Reject::Ambiguous => "ambiguous",
            Reject::Suspended => "suspended",
            Reject::NotYetValid => "not_yet_valid",
            Reject::Expired => "expired",
            Reject::NotNow => "not_now",
            Reject::ClockUntrusted => "clock_untrusted",
            Reject::LockedOut => "locked_out",
            Reject::Lockdown => "lockdown",
            Reject::CredentialFirst => "credential_first",
            Reject::UnknownCredential => "unknown_credential",
            Reject::NotAccepted => "not_accepted",
            Reject::Used => "used",
            Reject::NotTheClaimed => "not_the_claimed",
            Reject::Unrecorded => "unrecorded",
        }
    }

    /// What the person at the door is told. Says what to do, and tells an attacker nothing about who is known.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Reject::NoFace => "Please look at the camera.",
            Reject::ManyFaces => "One at a time, please.",
            Reject::TooFar => "Please come closer.",
            Reject::TooClose => "Please step back a little.",
            Reject::Turned => "Please face the camera.",
            Reject::Blurred => "Please hold still.",
            Reject::TooDark => "It is too dark here.",
            Reject::TooBright => "There is too much light here.",
            Reject::Flat => "The camera cannot see you well. Please step closer or clean the lens.",
            Reject::Unproven => "One moment, please.",
            Reject::Unanswered => "Please try again and follow what is asked, or use your card.",
            Reject::NotLive
            | Reject::Unknown
            | Reject::Ambiguous
            | Reject::Suspended
            | Reject::NotYetValid
            | Reject::Expired
            | Reject::UnknownCredential
            | Reject::Used
            | Reject::NotTheClaimed => "No access.",
            Reject::NotNow => "No access at this time.",
            Reject::ClockUntrusted => {
                "The terminal does not know the time. Please use your card or call for help."
            }
            Reject::LockedOut => "Too many attempts. Please use your card or call for help.",
            Reject::Lockdown => "This door is locked down.",
            Reject::CredentialFirst => "Please show your card or type your PIN first.",
            Reject::NotAccepted => "This door does not take that.",
            Reject::Unrecorded => "The terminal has a fault. Please use your card or call for help.",
        }
    }
}

/// Why the lock may be released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// A live, permitted person.
    Face(PersonId),
    /// A credential of a permitted person who may pass without a face.
    Credential(PersonId),
    /// The request-to-exit input.
    Egress,
    /// The fire input.
    Fire,
    /// A test at commissioning.
    SelfTest,
    /// An operator's order.
    Operator,
}

/// The permission to release one lock once. Those for persons come out of [`crate::policy`] and [`crate::claim`] only; those for
/// leaving and for tests are made where their input arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    door: DoorId,
    cause: Cause,
    open_for: Duration,
}

impl Grant {
    pub(crate) fn face(door: DoorId, person: PersonId, open_for: Duration) -> Self {
        Self { door, cause: Cause::Face(person), open_for }
    }

    pub(crate) fn credential(door: DoorId, person: PersonId, open_for: Duration) -> Self {
        Self { door, cause: Cause::Credential(person), open_for }
    }

    /// Somebody inside asked to leave.
    #[must_use]
    pub fn egress(door: DoorId, open_for: Duration) -> Self {
        Self { door, cause: Cause::Egress, open_for }
    }

    /// The building's fire input is on.
    #[must_use]
    pub fn fire(door: DoorId) -> Self {
        Self { door, cause: Cause::Fire, open_for: Duration::MAX }
    }

    /// An installer tests the lock.
    #[must_use]
    pub fn self_test(door: DoorId, open_for: Duration) -> Self {
        Self { door, cause: Cause::SelfTest, open_for }
    }

    /// An operator ordered it: only for an order that came through the terminal's desk, and for the door and time it says.
    #[must_use]
    pub fn ordered(order: &Admitted) -> Option<Self> {
        match order.command() {
            Command::Unlock(door, ms) => Some(Self {
                door: door.clone(),
                cause: Cause::Operator,
                open_for: Duration::from_millis(u64::from(*ms)),
            }),
            Command::Lock(_)
            | Command::Lockdown
            | Command::Release
            | Command::Reboot
            | Command::Capture(..)
            | Command::Diagnose
            | Command::Refill
            | Command::ResetLockout => None,
        }
    }

    /// Which door.
    #[must_use]
    pub fn door(&self) -> &DoorId {
        &self.door
    }

    /// Why.
    #[must_use]
    pub fn cause(&self) -> &Cause {
        &self.cause
    }

    /// For how long.
    #[must_use]
    pub fn open_for(&self) -> Duration {
        self.open_for
    }
}

/// Grant or reject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Open.
    Grant(Grant),
    /// Do not.
    Deny(Reject),
}

/// The decided attempt, with everything that explains it.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    pub(crate) attempt: AttemptId,
    pub(crate) door: DoorId,
    pub(crate) answer: Answer,
    pub(crate) person: Option<PersonId>,
    pub(crate) rule: &'static str,
    pub(crate) scores: Option<Scores>,
    pub(crate) presented: Option<Presented>,
    pub(crate) level: Option<Level>,
}

impl Decision {
    /// An attempt that ended before anybody was looked for; `claim` is what was claimed meanwhile.
    #[must_use]
    pub fn refused(refusal: &Refusal, claim: Option<&Claim>, door: DoorId) -> Self {
        Self {
            attempt: refusal.attempt(),
            door,
            answer: Answer::Deny(refusal.reject()),
            person: claim.map(|claim| claim.person().clone()),
            rule: "examination",
            scores: None,
            presented: claim.map(Claim::presented),
            level: Some(refusal.level()),
        }
    }

    /// A credential that was decided on by itself.
    #[must_use]
    pub fn ruled(ruling: Ruling, attempt: AttemptId, door: DoorId) -> Self {
        let Ruling { answer, person, rule, presented } = ruling;
        Self { attempt, door, answer, person, rule, scores: None, presented: Some(presented), level: None }
    }

    /// The attempt.
    #[must_use]
    pub fn attempt(&self) -> AttemptId {
        self.attempt
    }

    /// The answer.
    #[must_use]
    pub fn answer(&self) -> &Answer {
        &self.answer
    }

    /// Who was recognised or claimed, if anybody was.
    #[must_use]
    pub fn person(&self) -> Option<&PersonId> {
        self.person.as_ref()
    }

    /// The rule that decided.
    #[must_use]
    pub fn rule(&self) -> &'static str {
        self.rule
    }

    /// The credential that was shown, if one was.
    #[must_use]
    pub fn presented(&self) -> Option<Presented> {
        self.presented
    }

    /// How much evidence of life was asked for; none where no face was looked at.
    #[must_use]
    pub fn level(&self) -> Option<Level> {
        self.level
    }

    /// The scores, where it came that far: exact, and for eyes inside the process alone.
    #[must_use]
    pub fn scores(&self) -> Option<&Scores> {
        self.scores.as_ref()
    }
}

/// Something that has to be on record before it takes effect.
pub trait Auditable {
    /// Its audit entry.
    fn what(&self) -> What;
}

impl Auditable for Decision {
    fn what(&self) -> What {
        let (granted, reason) = match &self.answer {
            Answer::Grant(_) => (true, "granted"),
            Answer::Deny(reject) => (false, reject.code()),
        };
        What::Decided(Decided {
            attempt: self.attempt,
            door: self.door.clone(),
            granted,
            person: self.person.clone(),
            reason: reason.to_owned(),
            rule: self.rule.to_owned(),
            // What is on record leaves the terminal, and many read it.
            scores: self.scores.as_ref().map(disclosure::scores),
            presented: self.presented,
            level: self.level,
        })
    }
}

impl Auditable for Grant {
    /// A grant outside an attempt: egress, fire, self-test.
    fn what(&self) -> What {
        let cause = match &self.cause {
            Cause::Face(_) => "face",
            Cause::Credential(_) => "credential",
            Cause::Egress => "egress",
            Cause::Fire => "fire",
            Cause::SelfTest => "self_test",
            Cause::Operator => "operator",
        };
        What::Released(Released { door: self.door.clone(), cause: cause.to_owned() })
    }
}

/// What the panel shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cue {
    /// Nobody there.
    Idle,
    /// Looking.
    Watching,
    /// Advice while looking.
    Advice(Reject),
    /// Please do this, as proof of life.
    Move(Move),
    /// Please pass.
    Granted,
    /// Refused.
    Denied(Reject),
    /// Door held open or forced.
    Alarm,
    /// Fire release: go out.
    Fire,
    /// A part is broken; another way in is needed.
    OutOfOrder,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_p1_advice_does_not_tell_a_spoof_from_a_stranger() {
        let codes: BTreeSet<_> = Reject::ALL.iter().map(|r| r.code()).collect();
        assert_eq!(codes.len(), Reject::ALL.len());
        assert_eq!(Reject::NotLive.advice(), Reject::Unknown.advice());
        assert_eq!(Reject::Expired.advice(), Reject::Unknown.advice());
        assert_eq!(Reject::UnknownCredential.advice(), Reject::NotTheClaimed.advice());
    }
}
