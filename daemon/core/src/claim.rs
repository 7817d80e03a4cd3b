//! Credentials as claims: who somebody says they are, before a face shows it. A known credential makes a [`Claim`], and
//! the next case is compared with the claimed person alone. A credential opens nothing by itself, except where both
//! the door and that one credential say so.

use std::collections::BTreeMap;
use std::time::Duration;

use doorward_protocol::audit::{CredentialKind, Entry, Presented, What};
use doorward_protocol::ids::PersonId;

use crate::decision::{Answer, Grant, Reject};
use crate::lockout::HISTORY_MS;
use crate::policy::{self, Circumstances, Rules};
use crate::time::Mono;

/// After a refused credential the next is looked at when this has passed: guessing is slow, and so is filling the audit
/// trail.
const PAUSE: Duration = Duration::from_secs(2);

/// A code for one time is valid for at most this long, so that the part of the audit trail that is read at a start
/// tells of every use that still matters.
pub const ONCE_LIFE_MAX_MS: i64 = HISTORY_MS / 2;

/// What a door asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// A face.
    #[default]
    Face,
    /// A card or QR code, and the face of its holder.
    CardAndFace,
    /// A PIN, and the face of its holder.
    PinAndFace,
    /// A face; or a card or QR code, and the face of its holder, which is surer than a face among many.
    FaceOrCardAndFace,
}

impl Mode {
    /// Whether a face counts only after a credential.
    #[must_use]
    pub fn needs_claim(self) -> bool {
        match self {
            Mode::Face | Mode::FaceOrCardAndFace => false,
            Mode::CardAndFace | Mode::PinAndFace => true,
        }
    }

    /// Whether a credential of this kind is a claim here.
    #[must_use]
    pub fn takes(self, kind: CredentialKind) -> bool {
        match (self, kind) {
            (Mode::CardAndFace | Mode::FaceOrCardAndFace, CredentialKind::Card | CredentialKind::Qr)
            | (Mode::PinAndFace, CredentialKind::Pin) => true,
            (Mode::Face, _)
            | (Mode::CardAndFace | Mode::FaceOrCardAndFace, CredentialKind::Pin)
            | (Mode::PinAndFace, CredentialKind::Card | CredentialKind::Qr) => false,
        }
    }
}

/// On what terms a door takes credentials.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    /// What it asks for.
    pub mode: Mode,
    /// Accepted probability that somebody else is taken for the claimed person (FMR, ISO/IEC 19795-1).
    pub max_fmr: f64,
    /// How long a claim waits for its face.
    pub life: Duration,
    /// Whether credentials that may open without a face do so here.
    pub without_face: bool,
}

impl Default for Terms {
    fn default() -> Self {
        Self { mode: Mode::Face, max_fmr: 1e-4, life: Duration::from_secs(20), without_face: false }
    }
}

/// Whom a credential belongs to, and on what terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The person.
    pub person: PersonId,
    /// Which of the person's credentials.
    pub slot: u32,
    /// Whether it opens without a face, where the door allows that: for people who gave no template.
    pub without_face: bool,
    /// Whether it is good for one grant only.
    pub once: bool,
    /// When it was given, milliseconds since 1970.
    pub created_ms: i64,
    /// First moment at which it is worth nothing, milliseconds since 1970; none: for ever.
    pub valid_until_ms: Option<i64>,
}

/// Somebody who is said to stand there. Made by [`admit`] only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    person: PersonId,
    presented: Presented,
    until: Mono,
}

impl Claim {
    /// Who.
    #[must_use]
    pub fn person(&self) -> &PersonId {
        &self.person
    }

    /// By which credential.
    #[must_use]
    pub fn presented(&self) -> Presented {
        self.presented
    }

    /// What became of a claim whose face never came.
    #[must_use]
    pub fn expired(self) -> Ruling {
        Ruling {
            answer: Answer::Deny(Reject::NoFace),
            person: Some(self.person),
            rule: "claim",
            presented: self.presented,
        }
    }
}

/// A credential that was decided on by itself: all refusals, and grants without a face. Made here only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    pub(crate) answer: Answer,
    pub(crate) person: Option<PersonId>,
    pub(crate) rule: &'static str,
    pub(crate) presented: Presented,
}

/// What becomes of a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Its holder's face is waited for.
    Claim(Claim),
    /// It is decided on at once.
    Ruled(Ruling),
}

/// Takes a credential of a kind, and whom the store says it belongs to.
#[must_use]
pub fn admit(
    kind: CredentialKind,
    holder: Option<&Holder>,
    rules: &Rules,
    given: &Circumstances<'_>,
    now: Mono,
) -> Admission {
    // While locked out, a known credential gets the same answer as a guess.
    let holder = holder.filter(|_| !given.lockout.refuses(kind, given.wall.ms));
    let presented = Presented { kind, slot: holder.map(|holder| holder.slot) };
    let ruled = |answer, rule| {
        Admission::Ruled(Ruling { answer, person: holder.map(|h| h.person.clone()), rule, presented })
    };
    if given.lockout.refuses(kind, given.wall.ms) {
        return ruled(Answer::Deny(Reject::LockedOut), "lockout");
    }
    let Some(holder) = holder else { return ruled(Answer::Deny(Reject::UnknownCredential), "credential") };
    let alone = holder.without_face && rules.terms.without_face;
    if let Some(reject) = unfit(holder, given) {
        ruled(Answer::Deny(reject), "credential")
    } else if alone {
        match policy::refusal_of(&holder.person, rules, given) {
            Some((rule, reject)) => ruled(Answer::Deny(reject), rule),
            None => {
                let open_for = policy::open_for(&holder.person, rules, given);
                let grant = Grant::credential(rules.door.clone(), holder.person.clone(), open_for);
                ruled(Answer::Grant(grant), "without_face")
            }
        }
    } else if rules.terms.mode.takes(kind) {
        Admission::Claim(Claim { person: holder.person.clone(), presented, until: now + rules.terms.life })
    } else {
        ruled(Answer::Deny(Reject::NotAccepted), "mode")
    }
}

/// Why a credential is worth nothing any more.
fn unfit(holder: &Holder, given: &Circumstances<'_>) -> Option<Reject> {
    if holder.once && given.spent.holds(holder) {
        return Some(Reject::Used);
    }
    holder.valid_until_ms.is_some_and(|until| given.wall.ms >= until).then_some(Reject::Expired)
}

/// Codes for one time that were used (attack case Q2). Derived from the audit trail, so that a use survives a restart,
/// and is on record before the door opens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spent(BTreeMap<(PersonId, u32), i64>);

impl Spent {
    /// Takes one audit entry; call it with each in order.
    pub fn follow(&mut self, entry: &Entry) {
        let What::Decided(decided) = &entry.what else { return };
        let slot = decided.presented.and_then(|presented| presented.slot);
        if let (true, Some(person), Some(slot)) = (decided.granted, &decided.person, slot) {
            // Older uses belong to codes that are no longer valid.
            self.0.retain(|_, at_ms| entry.at_ms.saturating_sub(*at_ms) <= HISTORY_MS);
            self.0.insert((person.clone(), slot), entry.at_ms);
        }
    }

    /// Whether this credential was used since it was given. A slot may be given again.
    fn holds(&self, holder: &Holder) -> bool {
        let used = self.0.get(&(holder.person.clone(), holder.slot));
        used.is_some_and(|at_ms| *at_ms >= holder.created_ms)
    }
}

/// The one claim of a door, and its pauses. The newest claim counts; one claim is good for one decision.
#[derive(Debug, Clone, Default)]
pub struct Claims {
    held: Option<Claim>,
    paused_until: Option<Mono>,
}

impl Claims {
    /// Whether a credential would be looked at now.
    #[must_use]
    pub fn listen(&self, now: Mono) -> bool {
        self.paused_until.is_none_or(|until| now >= until)
    }

    /// Waits for the face of a claim.
    pub fn hold(&mut self, claim: Claim) {
        self.held = Some(claim);
    }

    /// Looks at nothing for a while; what was claimed before is forgotten.
    pub fn pause(&mut self, now: Mono) {
        *self = Self { held: None, paused_until: Some(now + PAUSE) };
    }

    /// The claim that waits.
    #[must_use]
    pub fn held(&self, now: Mono) -> Option<&Claim> {
        self.held.as_ref().filter(|claim| now < claim.until)
    }

    /// Takes the claim for a decision.
    pub fn take(&mut self, now: Mono) -> Option<Claim> {
        self.held(now)?;
        self.held.take()
    }

    /// Lets time pass: the claim whose face never came.
    pub fn expire(&mut self, now: Mono) -> Option<Claim> {
        self.paused_until = self.paused_until.filter(|until| now < *until);
        self.held.take_if(|claim| now >= claim.until)
    }

    /// When [`Claims::expire`] has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        self.held.as_ref().map(|claim| claim.until).into_iter().chain(self.paused_until).min()
    }
}

#[cfg(test)]
mod tests {
    use doorward_protocol::audit::{ClockTrust, Decided};
    use doorward_protocol::ids::AttemptId;

    use super::*;
    use crate::lockout::Lockout;
    use crate::policy::{Permit, UntrustedTime};
    use crate::schedule::Weekly;
    use crate::time::Wall;

    const NOW: Mono = Mono::from_millis(50_000);
    const TODAY: i64 = 1_767_607_200_000;

    fn rules(mode: Mode, without_face: bool) -> Rules {
        Rules {
            door: "front".parse().unwrap(),
            open_for: Duration::from_secs(5),
            weekly: Weekly::parse("UTC", &["always"]).unwrap(),
            max_fpir: 1e-4,
            margin_min: 0.05,
            untrusted_time: UntrustedTime::Deny,
            terms: Terms { mode, without_face, ..Terms::default() },
        }
    }

    fn holder() -> Holder {
        Holder {
            person: "ada".parse().unwrap(),
            slot: 3,
            without_face: false,
            once: false,
            created_ms: TODAY - 1000,
            valid_until_ms: None,
        }
    }

    struct World {
        permits: BTreeMap<PersonId, Permit>,
        lockout: Lockout,
        spent: Spent,
        lockdown: bool,
    }

    impl World {
        fn new() -> Self {
            let permits = BTreeMap::from([("ada".parse().unwrap(), Permit::default())]);
            Self { permits, lockout: Lockout::default(), spent: Spent::default(), lockdown: false }
        }

        fn admit(&self, kind: CredentialKind, holder: Option<&Holder>, rules: &Rules) -> Admission {
            let wall = Wall { ms: TODAY, trust: ClockTrust::Synchronised };
            let World { permits, lockout, spent, lockdown } = self;
            let given = Circumstances { permits, lockout, spent, lockdown: *lockdown, wall };
            admit(kind, holder, rules, &given, NOW)
        }

        #[track_caller]
        fn refused(
            &self,
            kind: CredentialKind,
            holder: Option<&Holder>,
            rules: &Rules,
        ) -> (Reject, &'static str) {
            match self.admit(kind, holder, rules) {
                Admission::Ruled(Ruling { answer: Answer::Deny(reject), rule, .. }) => (reject, rule),
                other @ (Admission::Claim(_) | Admission::Ruled(_)) => panic!("{other:?}"),
            }
        }

        fn follow(&mut self, at_ms: i64, reason: Reject, kind: CredentialKind) {
            let entry = entry(at_ms, None, reason.code(), Presented { kind, slot: None });
            self.lockout.follow(&entry);
        }
    }

    fn entry(at_ms: i64, person: Option<&str>, reason: &str, presented: Presented) -> Entry {
        let decided = Decided {
            attempt: AttemptId(1),
            door: "front".parse().unwrap(),
            granted: reason == "granted",
            person: person.map(|person| person.parse().unwrap()),
            reason: reason.into(),
            rule: "credential".into(),
            scores: None,
            presented: Some(presented),
            level: None,
        };
        Entry { at_ms, clock: ClockTrust::Synchronised, what: What::Decided(decided) }
    }

    #[test]
    fn a_credential_is_a_claim_only_where_the_mode_takes_its_kind() {
        use CredentialKind::{Card, Pin, Qr};
        for (mode, takes) in [
            (Mode::Face, &[][..]),
            (Mode::CardAndFace, &[Card, Qr]),
            (Mode::PinAndFace, &[Pin]),
            (Mode::FaceOrCardAndFace, &[Card, Qr]),
        ] {
            for kind in [Card, Pin, Qr] {
                let admission = World::new().admit(kind, Some(&holder()), &rules(mode, true));
                let claimed = matches!(&admission, Admission::Claim(claim) if claim.person.as_str() == "ada");
                assert_eq!(claimed, takes.contains(&kind), "{mode:?} {kind:?}: {admission:?}");
            }
        }
    }

    #[test]
    fn a_credential_alone_opens_only_where_door_and_credential_both_say_so() {
        let alone = Holder { without_face: true, ..holder() };
        for (holder, door, opens) in [
            (&alone, true, true),
            (&alone, false, false),
            (&holder(), true, false),
            (&holder(), false, false),
        ] {
            for mode in [Mode::Face, Mode::CardAndFace, Mode::PinAndFace, Mode::FaceOrCardAndFace] {
                let admission = World::new().admit(CredentialKind::Card, Some(holder), &rules(mode, door));
                let granted = matches!(&admission, Admission::Ruled(Ruling { answer: Answer::Grant(_), .. }));
                assert_eq!(granted, opens, "{mode:?}: {admission:?}");
            }
        }
    }

    #[test]
    fn r3_a_card_without_a_face_has_the_same_rights_as_its_holder() {
        let (alone, rules) = (Holder { without_face: true, ..holder() }, rules(Mode::Face, true));
        let refused = |world: &World| world.refused(CredentialKind::Card, Some(&alone), &rules);
        let with = |permit: Permit| World {
            permits: BTreeMap::from([("ada".parse().unwrap(), permit)]),
            ..World::new()
        };
        assert_eq!(
            refused(&with(Permit { suspended: true, ..Permit::default() })),
            (Reject::Suspended, "permit")
        );
        let over = Permit { valid_until_ms: Some(TODAY), ..Permit::default() };
        assert_eq!(refused(&with(over)), (Reject::Expired, "permit"));
        assert_eq!(refused(&World { lockdown: true, ..World::new() }), (Reject::Lockdown, "lockdown"));
        let stranger = World { permits: BTreeMap::new(), ..World::new() };
        assert_eq!(refused(&stranger), (Reject::Unknown, "identity"));
    }

    #[test]
    fn q3_five_wrong_pins_lock_pins_out_and_a_right_one_tells_nothing_then() {
        let mut world = World::new();
        let (pin, rules) = (CredentialKind::Pin, rules(Mode::PinAndFace, false));
        assert_eq!(world.refused(pin, None, &rules), (Reject::UnknownCredential, "credential"));
        (0..5).for_each(|i| world.follow(TODAY - 60_000 + i, Reject::UnknownCredential, pin));
        assert_eq!(world.refused(pin, None, &rules), (Reject::LockedOut, "lockout"));
        assert_eq!(world.admit(pin, Some(&holder()), &rules), world.admit(pin, None, &rules));
        let cards = self::rules(Mode::CardAndFace, false);
        let card = world.admit(CredentialKind::Card, Some(&holder()), &cards);
        assert!(matches!(card, Admission::Claim(_)), "somebody at the keypad does not lock the cards out");
        assert!(!world.lockout.locked(TODAY), "nor the faces");
    }

    #[test]
    fn q2_a_code_for_one_time_is_good_for_one_grant_also_after_a_restart() {
        let mut world = World::new();
        let once = Holder { once: true, ..holder() };
        let (qr, rules) = (CredentialKind::Qr, rules(Mode::CardAndFace, false));
        let presented = Presented { kind: qr, slot: Some(3) };
        world.spent.follow(&entry(TODAY - 1001, Some("ada"), "granted", presented));
        assert!(matches!(world.admit(qr, Some(&once), &rules), Admission::Claim(_)), "that was an older one");
        world.spent.follow(&entry(TODAY - 10, Some("ada"), "not_the_claimed", presented));
        world.spent.follow(&entry(
            TODAY - 9,
            Some("ada"),
            "granted",
            Presented { slot: Some(4), ..presented },
        ));
        world.spent.follow(&entry(TODAY - 8, Some("bob"), "granted", presented));
        assert!(matches!(world.admit(qr, Some(&once), &rules), Admission::Claim(_)), "not used yet");
        world.spent.follow(&entry(TODAY - 7, Some("ada"), "granted", presented));
        assert_eq!(world.refused(qr, Some(&once), &rules), (Reject::Used, "credential"));
        assert!(matches!(world.admit(qr, Some(&holder()), &rules), Admission::Claim(_)), "not one of those");
    }

    #[test]
    fn q2_a_credential_ends_at_its_date() {
        let rules = rules(Mode::CardAndFace, false);
        let until = |ms| Holder { valid_until_ms: Some(ms), ..holder() };
        let kind = CredentialKind::Qr;
        assert!(matches!(World::new().admit(kind, Some(&until(TODAY + 1)), &rules), Admission::Claim(_)));
        assert_eq!(World::new().refused(kind, Some(&until(TODAY)), &rules), (Reject::Expired, "credential"));
    }

    #[test]
    fn a_claim_is_taken_once_and_dies_of_age() {
        let Admission::Claim(claim) =
            World::new().admit(CredentialKind::Card, Some(&holder()), &rules(Mode::CardAndFace, false))
        else {
            panic!("no claim");
        };
        let end = NOW + Duration::from_secs(20);
        let mut claims = Claims::default();
        claims.hold(claim.clone());
        assert_eq!(claims.deadline(), Some(end));
        assert_eq!(claims.take(NOW), Some(claim.clone()));
        assert_eq!(claims.take(NOW), None);

        claims.hold(claim.clone());
        assert_eq!(claims.held(end), None);
        assert_eq!(claims.take(end), None);
        assert_eq!((claims.expire(end), claims.expire(end)), (Some(claim.clone()), None));

        claims.hold(claim);
        claims.pause(NOW);
        assert_eq!(claims.held(NOW), None, "a refusal ends what was claimed before");
        assert!(!claims.listen(NOW) && claims.listen(NOW + PAUSE));
        assert_eq!(claims.deadline(), Some(NOW + PAUSE));
        assert_eq!((claims.expire(NOW + PAUSE), claims.deadline()), (None, None));
    }
}
