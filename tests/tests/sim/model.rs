//! Who may pass, told a second time in the plainest way, without the real rules.

use std::collections::BTreeMap;

use doorward_core::claim::Mode;
use doorward_core::door::OnTamper;
use doorward_core::liveness::Policy;
use doorward_core::time::{ClockTrust, Mono, Now};
use doorward_protocol::audit::CredentialKind;

const MINUTE_MS: i64 = 60_000;
const MINUTE_US: u64 = 60_000_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
/// Microseconds for which a claim waits for its face, and a tick's delay.
const CLAIM_US: u64 = 20_200_000;

/// From this number on, persons have a card that may open without a face.
pub(crate) const FACELESS_FROM: u8 = 2;

/// A person's rights.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rights {
    /// Suspended until further notice.
    pub(crate) suspended: bool,
    /// When the one-time code was given.
    pub(crate) code_given_ms: i64,
    /// Whether it was used.
    pub(crate) code_used: bool,
}

/// A credential that was shown, by it who is said to stand there, and the clock's word for when.
pub(crate) type Shown = (Mono, u8, CredentialKind, i64);

/// What the world knows of itself.
#[derive(Debug, Default)]
pub(crate) struct Model {
    /// Enrolled persons.
    pub(crate) enrolled: BTreeMap<u8, Rights>,
    /// Whether the door opens on workdays from 7 to 19 only.
    pub(crate) workdays_only: bool,
    /// Whether the door is locked down.
    pub(crate) lockdown: bool,
    /// Whether the terminal knows of a fire.
    pub(crate) fire: bool,
    /// What the door asks for.
    pub(crate) mode: Mode,
    /// Whether credentials may open without a face.
    pub(crate) without_face: bool,
    /// The newest credential of a person that was shown and not decided on.
    pub(crate) shown: Option<Shown>,
    /// What must speak for life.
    pub(crate) policy: Policy,
    /// Whether it knows that its case is open.
    pub(crate) tampered: bool,
    /// What follows then.
    pub(crate) on_tamper: OnTamper,
    /// Everybody was to be erased because of it, and the disk has not done it.
    pub(crate) disarmed: bool,
    /// Who agrees to pictures, from when to when, seconds since 1970.
    agreed: BTreeMap<u8, (i64, i64)>,
    /// Who was recognised in this life, and when last.
    pub(crate) seen: BTreeMap<u8, Mono>,
    failed_at_ms: Vec<i64>,
    locked_until_ms: i64,
    /// Orders that ended lockouts, as far as it knows.
    pub(crate) resets: usize,
    wrong_pins_ms: Vec<i64>,
    pins_locked_until_ms: i64,
}

impl Model {
    /// Nobody is enrolled.
    pub(crate) fn new(
        policy: Policy,
        (workdays_only, without_face): (bool, bool),
        mode: Mode,
        on_tamper: OnTamper,
    ) -> Self {
        Self { policy, workdays_only, mode, without_face, on_tamper, ..Self::default() }
    }

    /// The roster puts a person with everything that belongs to it: the one-time code is a new one.
    pub(crate) fn put(&mut self, who: u8, suspended: bool, at_ms: i64) {
        self.enrolled.insert(who, Rights { suspended, code_given_ms: at_ms, code_used: false });
    }

    /// The roster says what a person agrees to, if they are there; or that they do no longer.
    pub(crate) fn agree(&mut self, who: u8, term: Option<(i64, i64)>) {
        match term.filter(|_| self.enrolled.contains_key(&who)) {
            Some(term) => drop(self.agreed.insert(who, term)),
            None => drop(self.agreed.remove(&who)),
        }
    }

    /// A person is gone, with everything that belongs to it.
    pub(crate) fn erased(&mut self, who: u8) -> bool {
        self.agreed.remove(&who);
        self.enrolled.remove(&who).is_some()
    }

    /// Whether a picture of this person may be kept and handed out now.
    pub(crate) fn may_be_pictured(&self, who: u8, now: Now) -> bool {
        let fresh = self.seen.get(&who).is_some_and(|at| now.mono.0 - at.0 <= MINUTE_US);
        let agrees = |(from_s, until_s): &(i64, i64)| (*from_s..*until_s).contains(&(now.wall.ms / 1000));
        let known = now.wall.trust != ClockTrust::Unknown;
        fresh && known && !self.disarmed && self.agreed.get(&who).is_some_and(agrees)
    }

    /// A recorded refusal of a PIN that nobody has, or that another face came with.
    pub(crate) fn wrong_pin(&mut self, at_ms: i64) {
        self.wrong_pins_ms.retain(|earlier| at_ms - earlier <= 3 * MINUTE_MS);
        self.wrong_pins_ms.push(at_ms);
        if self.wrong_pins_ms.len() == 5 {
            self.pins_locked_until_ms = at_ms + 30 * MINUTE_MS;
            self.wrong_pins_ms.clear();
        }
    }

    /// Whether `who` has just claimed to be there, by something the door takes.
    pub(crate) fn claimed(&self, who: u8, kind: CredentialKind, now: Mono) -> bool {
        let taken = match self.mode {
            Mode::Face => false,
            Mode::PinAndFace => kind == CredentialKind::Pin,
            Mode::CardAndFace | Mode::FaceOrCardAndFace => kind != CredentialKind::Pin,
        };
        let fresh = |(at, person, by, _): &Shown| now.0 - at.0 <= CLAIM_US && *person == who && *by == kind;
        taken && self.shown.as_ref().is_some_and(fresh)
    }

    /// Whether this credential is worth anything at a time, whatever the door does with it.
    pub(crate) fn good(&self, who: u8, kind: CredentialKind, at_ms: i64) -> bool {
        let Some(rights) = self.enrolled.get(&who) else { return false };
        match kind {
            CredentialKind::Card => true,
            CredentialKind::Pin => at_ms >= self.pins_locked_until_ms,
            CredentialKind::Qr => !rights.code_used && at_ms < rights.code_given_ms + DAY_MS,
        }
    }

    /// Whether this person's card opens without a face.
    pub(crate) fn opens_alone(&self, who: u8, kind: CredentialKind) -> bool {
        self.without_face && who >= FACELESS_FROM && kind == CredentialKind::Card
    }

    /// A recorded refusal because of a presentation attack.
    pub(crate) fn liveness_failed(&mut self, at_ms: i64) {
        self.failed_at_ms.retain(|earlier| at_ms - earlier <= 3 * MINUTE_MS);
        self.failed_at_ms.push(at_ms);
        if self.failed_at_ms.len() == 5 {
            // The shortest lockout there is; longer ones follow from history the model does not keep.
            self.locked_until_ms = at_ms + 30 * MINUTE_MS;
            self.failed_at_ms.clear();
        }
    }

    /// An operator ended every lockout.
    pub(crate) fn lockout_reset(&mut self) {
        self.resets += 1;
        (self.failed_at_ms, self.locked_until_ms) = (Vec::new(), 0);
        (self.wrong_pins_ms, self.pins_locked_until_ms) = (Vec::new(), 0);
    }

    /// A grant ends the count of failures.
    pub(crate) fn granted(&mut self) {
        self.failed_at_ms.clear();
    }

    /// Whether this person may pass at this time, as far as persons and rules go.
    pub(crate) fn may_pass(&self, who: u8, at_ms: i64) -> bool {
        self.may_pass_by_card(who, at_ms) && at_ms >= self.locked_until_ms
    }

    /// The same, where failed liveness checks do not count because no face is asked for.
    pub(crate) fn may_pass_by_card(&self, who: u8, at_ms: i64) -> bool {
        let known = self.enrolled.get(&who).is_some_and(|rights| !rights.suspended);
        known && !self.disarmed && !self.locked_down() && self.open_at(at_ms)
    }

    /// Whether nobody is let in.
    pub(crate) fn locked_down(&self) -> bool {
        self.lockdown || self.tampered && self.on_tamper != OnTamper::Report
    }

    /// The terminal wanted everybody erased, and the disk did it or not.
    pub(crate) fn erased_everybody(&mut self, done: bool) {
        self.disarmed = !done;
        if done {
            self.enrolled.clear();
            self.agreed.clear();
        }
    }

    /// Whether the schedule allows it.
    pub(crate) fn open_at(&self, at_ms: i64) -> bool {
        let minutes = at_ms.div_euclid(MINUTE_MS);
        let minute = minutes.rem_euclid(24 * 60);
        // 1970-01-01 was a Thursday.
        let weekday = (minutes.div_euclid(24 * 60) + 3).rem_euclid(7);
        !self.workdays_only || weekday < 5 && (7 * 60..19 * 60).contains(&minute)
    }
}
