//! Everything that is ever recorded.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::ids::{AttemptId, DoorId, PersonId};

/// What happened. Variants are appended, never renumbered: old chains must verify for ever.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum What {
    /// The terminal started.
    #[n(0)]
    Started(#[n(0)] Started),
    /// An attempt was decided.
    #[n(1)]
    Decided(#[n(0)] Decided),
    /// The relay was released for another reason than a face: egress, fire, an operator.
    #[n(2)]
    Released(#[n(0)] Released),
    /// The door or its wiring reported something.
    #[n(3)]
    Door(#[n(0)] DoorReport),
    /// A person's record was put or a template added.
    #[n(4)]
    Enrolled(#[n(0)] Enrolled),
    /// A person was erased.
    #[n(5)]
    Erased(#[n(0)] Erased),
    /// A part failed or recovered.
    #[n(6)]
    Fault(#[n(0)] FaultReport),
    /// The wall clock jumped.
    #[n(7)]
    ClockJumped(#[n(0)] ClockJumped),
    /// The terminal stopped in an orderly way.
    #[n(8)]
    Stopped(#[n(0)] Stopped),
    /// A credential was given to a person or taken away.
    #[n(9)]
    Credential(#[n(0)] CredentialChanged),
    /// A change of the site's roster was left out: it could not be read, or not be kept.
    #[n(10)]
    Skipped(#[n(0)] Skipped),
    /// Everybody was erased, because the case was opened.
    #[n(11)]
    ErasedEverybody(#[n(0)] ErasedEverybody),
    /// A picture of somebody who agreed to it is handed to whoever ordered it.
    #[n(12)]
    Pictured(#[n(0)] Pictured),
    /// A program beside the door was told something about a face.
    #[n(13)]
    Asked(#[n(0)] Asked),
}

/// See [`What::Started`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Encode, Decode)]
pub struct Started {
    /// Version of doord.
    #[n(0)]
    pub version: String,
    /// Digest of the model pack, hexadecimal.
    #[n(1)]
    pub models: String,
    /// Digest of the configuration, hexadecimal.
    #[n(2)]
    pub config: String,
}

/// See [`What::Decided`]. Holds what is needed to explain the decision, and nothing biometric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Encode, Decode)]
pub struct Decided {
    /// The attempt.
    #[n(0)]
    pub attempt: AttemptId,
    /// The door.
    #[n(1)]
    pub door: DoorId,
    /// Whether the door was released.
    #[n(2)]
    pub granted: bool,
    /// The person who passed, or who was recognised or claimed and refused; none for strangers (they leave no trace).
    #[n(3)]
    pub person: Option<PersonId>,
    /// `granted`, or the code of the reject.
    #[n(4)]
    pub reason: String,
    /// The rule that decided.
    #[n(5)]
    pub rule: String,
    /// Scores behind the decision, where it came that far.
    #[n(6)]
    pub scores: Option<Scores>,
    /// The credential that was shown, if one was.
    #[n(7)]
    #[serde(default)]
    pub presented: Option<Presented>,
    /// What was asked for as proof of life; none where no face was looked at.
    #[n(8)]
    #[serde(default)]
    pub level: Option<LivenessLevel>,
}

/// How much evidence of life a terminal asks for. Ordered: a later one asks for more.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, Encode, Decode,
)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum LivenessLevel {
    /// Colour alone is enough: a good photograph may pass.
    #[n(0)]
    Convenience,
    /// Colour, and infrared or depth.
    #[n(1)]
    #[default]
    Standard,
    /// Colour, infrared, depth, and movements that were asked for.
    #[n(2)]
    High,
}

impl LivenessLevel {
    /// Every level, the weakest first.
    pub const ALL: [LivenessLevel; 3] =
        [LivenessLevel::Convenience, LivenessLevel::Standard, LivenessLevel::High];

    /// Its name in configuration, tables and messages.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            LivenessLevel::Convenience => "convenience",
            LivenessLevel::Standard => "standard",
            LivenessLevel::High => "high",
        }
    }
}

/// By what somebody claims to be a person. Never the number, the PIN or the token itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
pub struct Presented {
    /// What it was.
    #[n(0)]
    pub kind: CredentialKind,
    /// Which of the person's credentials; none for one that belongs to nobody.
    #[n(1)]
    pub slot: Option<u32>,
}

/// Kinds of credentials.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Encode, Decode,
)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum CredentialKind {
    /// A card at a reader.
    #[n(0)]
    Card,
    /// A PIN at a keypad.
    #[n(1)]
    Pin,
    /// A QR code before the camera.
    #[n(2)]
    Qr,
}

impl CredentialKind {
    /// Its name in tables and messages.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            CredentialKind::Card => "card",
            CredentialKind::Pin => "pin",
            CredentialKind::Qr => "qr",
        }
    }
}

/// Scores of a decided attempt, in steps: what did not reach its threshold says no more than that (attack case H9).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Encode, Decode)]
pub struct Scores {
    /// Comparison score (cosine) of the best reference; -1 below the threshold.
    #[n(0)]
    pub comparison_score: f32,
    /// The threshold that applied.
    #[n(1)]
    pub threshold: f32,
    /// Comparison score of the best reference of any other person; -1 where there is none above the threshold.
    #[n(2)]
    pub runner_up: f32,
    /// Liveness confidence over the window, 0, 50, 75 or 90.
    #[n(3)]
    pub liveness: f32,
    /// Frames that agreed.
    #[n(4)]
    pub frames: u32,
    /// References searched.
    #[n(5)]
    pub gallery: u32,
}

/// See [`What::Released`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Encode, Decode)]
pub struct Released {
    /// The door.
    #[n(0)]
    pub door: DoorId,
    /// `egress`, `fire`, `operator`, `self_test`.
    #[n(1)]
    pub cause: String,
}

/// See [`What::Door`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Encode, Decode)]
pub struct DoorReport {
    /// The door.
    #[n(0)]
    pub door: DoorId,
    /// `opened`, `closed`, `forced`, `forced_cleared`, `held_open`, `held_open_cleared`, `tampered`, `power_failed`, ….
    #[n(1)]
    pub event: String,
}

impl DoorReport {
    /// The event of an order that nobody is let in.
    pub const LOCKDOWN_ORDERED: &str = "lockdown_ordered";
    /// The event of an order that ends it.
    pub const RELEASE_ORDERED: &str = "release_ordered";
    /// The event of an order to take everybody from the roster anew.
    pub const REFILL_ORDERED: &str = "refill_ordered";
    /// The event of an order that lets locked out attempts begin again.
    pub const LOCKOUT_RESET: &str = "lockout_reset";

    /// Whether nobody is to be let in from here on; none where it says nothing of that.
    #[must_use]
    pub fn locks_down(&self) -> Option<bool> {
        match self.event.as_str() {
            Self::LOCKDOWN_ORDERED => Some(true),
            Self::RELEASE_ORDERED => Some(false),
            _ => None,
        }
    }
}

/// See [`What::Enrolled`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Encode, Decode)]
pub struct Enrolled {
    /// The person.
    #[n(0)]
    pub person: PersonId,
    /// Templates the person has after it.
    #[n(1)]
    pub templates: u32,
    /// `photo_supervised`, `photo`, `recording`, `terminal`.
    #[n(2)]
    pub source: String,
}

/// See [`What::Erased`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Encode, Decode)]
pub struct Erased {
    /// The person.
    #[n(0)]
    pub person: PersonId,
}

/// See [`What::ErasedEverybody`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Encode, Decode)]
pub struct ErasedEverybody {
    /// How many persons there were.
    #[n(0)]
    pub persons: u64,
}

/// See [`What::Fault`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Encode, Decode)]
pub struct FaultReport {
    /// The part: `camera`, `vision`, `relay`, `contact`, `egress`, ….
    #[n(0)]
    pub part: String,
    /// Code of the fault.
    #[n(1)]
    pub code: String,
    /// Set or cleared.
    #[n(2)]
    pub set: bool,
}

/// See [`What::ClockJumped`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Encode, Decode)]
pub struct ClockJumped {
    /// What the clock said after the jump, milliseconds since 1970.
    #[n(0)]
    pub clock_ms: i64,
    /// How far it lies from what was expected, milliseconds; negative: it went back.
    #[n(1)]
    pub jump_ms: i64,
}

/// See [`What::Credential`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Encode, Decode)]
pub struct CredentialChanged {
    /// The person.
    #[n(0)]
    pub person: PersonId,
    /// Which credential.
    #[n(1)]
    pub presented: Presented,
    /// Given, or taken away.
    #[n(2)]
    pub given: bool,
}

/// See [`What::Skipped`]. Says where something should have gone, and never what it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
pub struct Skipped {
    /// Number of the roster's entry.
    #[n(0)]
    pub entry: u64,
    /// Whom it is about.
    #[n(1)]
    pub person: Option<PersonId>,
    /// `record`, `template 2`, `credential 0`, `rule access`, ….
    #[n(2)]
    pub place: String,
    /// `does_not_open`, `unknown_form`, `no_record`, `taken`, ….
    #[n(3)]
    pub reason: String,
}

/// See [`What::Pictured`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
pub struct Pictured {
    /// The person.
    #[n(0)]
    pub person: PersonId,
    /// Name of the key that ordered it.
    #[n(1)]
    pub by: String,
    /// Hash of the order, hexadecimal.
    #[n(2)]
    pub order: String,
    /// When the picture was taken, milliseconds since 1970.
    #[n(3)]
    pub taken_ms: i64,
    /// Until when the person agrees to pictures, seconds since 1970.
    #[n(4)]
    pub agreed_until_s: i64,
}

/// See [`What::Asked`]. No picture, no template and no score; of a person no more than a decision has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
pub struct Asked {
    /// Who asked: `user 1000` at the socket, `token` over the loopback interface.
    #[n(0)]
    pub by: String,
    /// What was asked: `compare`, `verify`, `search`, `session`.
    #[n(1)]
    pub question: String,
    /// The answer: `none`, `match` or `strong`, `live` or the code of the reject, `too_many`.
    #[n(2)]
    pub answer: String,
    /// Whom it named or bore out; none for strangers, who leave no trace.
    #[n(3)]
    pub person: Option<PersonId>,
    /// How often: 1, and later, in a record of its own, how often the same came within a minute after that.
    #[n(4)]
    pub count: u32,
    /// The model whose templates were compared, hexadecimal.
    #[n(5)]
    pub model: String,
    /// The attempt that a session looked on at.
    #[n(6)]
    pub attempt: Option<AttemptId>,
    /// What a session's life was worth.
    #[n(7)]
    pub level: Option<LivenessLevel>,
}

/// See [`What::Stopped`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Encode, Decode)]
pub struct Stopped {
    /// Why: `signal`, or the thread that ended.
    #[n(0)]
    pub cause: String,
}
