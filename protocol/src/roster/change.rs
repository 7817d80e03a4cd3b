//! What a roster's entries can change, who may change it, and where it stands in the state tree.

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

use crate::ids::PersonId;
use crate::keys::{KeyId, PublicKey, Role};
use crate::message::Opaque;
use crate::sealing::HANDED_LEN;
use crate::state_tree::Place;
use crate::trust::{Authority, Delegation};

/// Bytes of a setting or a sealed record; a template of 512 values takes a quarter of it.
pub const BODY_LEN_MAX: usize = 8 * 1024;
/// Letters of the name of a setting or slot.
pub const NAME_LEN_MAX: usize = 64;
/// The largest number of a template or credential: far more than a person has at a time.
pub const NUMBER_MAX: u32 = 9_999;

/// What can change. Variants are appended, never renumbered: a roster is followed from its beginning.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Change {
    /// Puts something of a person: its record, a template, a credential, a consent. Sealed to the site.
    #[n(0)]
    PersonPut(#[n(0)] PersonPut),
    /// Takes one thing of a person away; never the record, with which only [`Change::PersonErase`] ends.
    #[n(1)]
    PersonTake(#[n(0)] PersonSlot),
    /// Erases a person with everything that belongs to it.
    #[n(2)]
    PersonErase(#[n(0)] PersonErase),
    /// Puts a setting: a rule, a schedule, holidays, a door, a model rollout.
    #[n(3)]
    SettingPut(#[n(0)] SettingPut),
    /// Takes a setting away.
    #[n(4)]
    SettingTake(#[n(0)] SettingName),
    /// Gives a key its roles.
    #[n(5)]
    Delegate(#[n(0)] Delegation),
    /// Ends a key.
    #[n(6)]
    Revoke(#[n(0)] Revoke),
    /// Puts another root key in the place of the one that signs this.
    #[n(7)]
    Succeed(#[n(0)] Succeed),
    /// Hands a terminal a key that opens contents, before any is sealed to it.
    #[n(8)]
    Hand(#[n(0)] Hand),
    /// From here on contents are sealed to this key.
    #[n(9)]
    SealTo(#[n(0)] SealTo),
}

/// Things a person can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Slot {
    /// Name, groups, validity.
    #[n(0)]
    Record,
    /// A face template.
    #[n(1)]
    Template,
    /// A card, PIN or code.
    #[n(2)]
    Credential,
    /// A consent, with term and purpose.
    #[n(3)]
    Consent,
}

/// See [`Change::PersonTake`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PersonSlot {
    /// Whose.
    #[n(0)]
    pub person: PersonId,
    /// What.
    #[n(1)]
    pub slot: Slot,
    /// Which of several; 0 for what there is one of.
    #[n(2)]
    pub number: u32,
}

/// See [`Change::PersonPut`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PersonPut {
    /// Where it goes.
    #[n(0)]
    pub at: PersonSlot,
    /// Form of the sealed content, so that old entries stay readable.
    #[n(1)]
    pub form: u16,
    /// The content, sealed to the site's terminals.
    #[n(2)]
    pub sealed: Opaque,
}

/// See [`Change::PersonErase`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PersonErase {
    /// Whom.
    #[n(0)]
    pub person: PersonId,
}

/// Kinds of settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Setting {
    /// Who may pass where and when.
    #[n(0)]
    Rule,
    /// Periods of the week.
    #[n(1)]
    Schedule,
    /// Days that are not like others.
    #[n(2)]
    Holidays,
    /// How a door is fitted and behaves.
    #[n(3)]
    Door,
    /// Which model pack, and on which terminals first.
    #[n(4)]
    Models,
}

/// See [`Change::SettingTake`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SettingName {
    /// What it is.
    #[n(0)]
    pub setting: Setting,
    /// Its name among those.
    #[n(1)]
    pub name: String,
}

/// See [`Change::SettingPut`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SettingPut {
    /// Where it goes.
    #[n(0)]
    pub at: SettingName,
    /// Form of the body.
    #[n(1)]
    pub form: u16,
    /// What it says.
    #[n(2)]
    pub body: Opaque,
}

/// See [`Change::Revoke`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Revoke {
    /// The key.
    #[n(0)]
    pub key: KeyId,
}

/// See [`Change::Succeed`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Succeed {
    /// The new root.
    #[n(0)]
    pub root: PublicKey,
}

/// See [`Change::Hand`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Hand {
    /// The terminal's own key, the one that it signs with.
    #[n(0)]
    pub to: KeyId,
    /// The sealing key that the handed one belongs to.
    #[n(1)]
    pub sealing: ByteArray<32>,
    /// The opening key, sealed to the terminal.
    #[n(2)]
    pub sealed: Opaque,
}

/// See [`Change::SealTo`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SealTo {
    /// The site's sealing key.
    #[n(0)]
    pub sealing: ByteArray<32>,
}

impl Change {
    pub(super) fn authority(&self) -> Authority {
        match self {
            Change::PersonPut(_) | Change::PersonTake(_) | Change::PersonErase(_) => {
                Authority::Holder(Role::Enroller)
            }
            Change::SettingPut(put) => put.at.setting.authority(),
            Change::SettingTake(name) => name.setting.authority(),
            Change::Delegate(_) | Change::Succeed(_) | Change::Hand(_) | Change::SealTo(_) => Authority::Root,
            Change::Revoke(_) => Authority::RootOr(Role::Release),
        }
    }

    /// What is wrong with it by itself.
    pub(super) fn fault(&self) -> Option<&'static str> {
        let name = |name: &SettingName| name.name.is_empty() || name.name.len() > NAME_LEN_MAX;
        let single = |at: &PersonSlot| at.slot == Slot::Record && at.number != 0;
        match self {
            Change::PersonPut(put) if put.sealed.0.len() > BODY_LEN_MAX => {
                Some("a sealed content is too long")
            }
            Change::PersonPut(put) if single(&put.at) => Some("a person has one record"),
            Change::PersonPut(put) if put.at.number > NUMBER_MAX => Some("a number is at most 9999"),
            Change::PersonTake(at) if at.slot == Slot::Record => {
                Some("a person's record is not taken away; erase the person")
            }
            Change::SettingPut(put) if put.body.0.len() > BODY_LEN_MAX => Some("a setting is too long"),
            Change::SettingPut(put) if name(&put.at) => Some("a setting has a name of at most 64 bytes"),
            Change::Hand(hand) if hand.sealed.0.len() != HANDED_LEN => {
                Some("what is handed is no sealed key")
            }
            Change::PersonPut(_)
            | Change::PersonTake(_)
            | Change::PersonErase(_)
            | Change::SettingPut(_)
            | Change::SettingTake(_)
            | Change::Delegate(_)
            | Change::Revoke(_)
            | Change::Succeed(_)
            | Change::Hand(_)
            | Change::SealTo(_) => None,
        }
    }
}

impl Setting {
    fn authority(self) -> Authority {
        match self {
            Setting::Rule | Setting::Schedule | Setting::Holidays | Setting::Door => {
                Authority::Holder(Role::Policy)
            }
            Setting::Models => Authority::Holder(Role::Release),
        }
    }
}

/// The subject of a person in the state tree: what [`StateTree::prove`] is asked for.
#[must_use]
pub fn person_subject(person: &PersonId) -> Vec<u8> {
    minicbor::to_vec(("person", person)).expect("writing to a vector cannot fail")
}

pub(super) fn person_place(at: &PersonSlot) -> Place {
    let slot = minicbor::to_vec((at.slot, at.number)).expect("writing to a vector cannot fail");
    Place::new(&person_subject(&at.person), &slot)
}

pub(super) fn setting_place(name: &SettingName) -> Place {
    let subject = minicbor::to_vec(("setting", name)).expect("writing to a vector cannot fail");
    Place::new(&subject, &[])
}

pub(super) fn key_place(key: KeyId) -> Place {
    let subject = minicbor::to_vec(("key", key)).expect("writing to a vector cannot fail");
    Place::new(&subject, &[])
}

/// What a terminal was handed last.
pub(super) fn hand_place(to: KeyId) -> Place {
    let subject = minicbor::to_vec(("hand", to)).expect("writing to a vector cannot fail");
    Place::new(&subject, &[])
}

pub(super) fn sealing_place() -> Place {
    Place::new(b"sealing", &[])
}

pub(super) fn root_place() -> Place {
    Place::new(b"root", &[])
}
