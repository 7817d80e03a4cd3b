//! From an entry of the site's roster to what the store does for it: sealed contents are opened, read and judged, and
//! templates are taken into this terminal's own space.
//!
//! What cannot be opened, read or used is left out and named; it never holds up what stands beside or behind it. Who may
//! put what was decided before, when the entry was believed.

use doorward_protocol::audit::Skipped;
use doorward_protocol::contents::{
    self, ACCESS, ACCESS_FORM, Consent, Content, Purpose, Record, Shown, Template,
};
use doorward_protocol::ids::{PersonId, SiteId};
use doorward_protocol::keys::KeyId;
use doorward_protocol::roster::{
    Change, Hand, Head, PersonPut, PersonSlot, Setting, SettingName, SettingPut, Slot,
};
use doorward_protocol::sealing::OpeningKey;
use zeroize::Zeroizing;

use crate::consent::Term;
use crate::credential::{Card, Credential, Pin, Token};
use crate::template::{TemplateVersion, UnitVector};
use crate::transform::{Protected, Transform};

/// Keys that a terminal opens with: one for each rotation in the life of a site, and some. The oldest goes first.
const KEYS_MAX: usize = 32;

/// What one entry does to a store.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// How far the roster is followed with it.
    pub head: Head,
    /// What is done, in this order.
    pub deeds: Vec<Deed>,
}

/// One thing that is done.
#[derive(Debug, Clone, PartialEq)]
pub enum Deed {
    /// Something is put in its place, instead of what lies there.
    Put(PersonSlot, Thing),
    /// What lies in a place is taken away.
    Take(PersonSlot),
    /// A person ends, with everything that belongs to it.
    Erase(PersonId),
    /// The rules are put, or taken away.
    Rules(Option<String>),
    /// A change has no effect.
    Skip(Place, Reason),
}

impl Deed {
    /// Who is another person afterwards.
    #[must_use]
    pub fn about(&self) -> Option<&PersonId> {
        match self {
            Deed::Put(at, _) | Deed::Take(at) => Some(&at.person),
            Deed::Erase(person) => Some(person),
            Deed::Rules(_) | Deed::Skip(..) => None,
        }
    }
}

/// Something of a person, as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub enum Thing {
    /// The record.
    Record(Record),
    /// A template.
    Template {
        /// What it can be compared with.
        version: TemplateVersion,
        /// Its vector in this terminal's space.
        vector: Protected,
        /// Where it came from.
        source: String,
        /// When it was made, milliseconds since 1970.
        created_ms: i64,
    },
    /// A credential.
    Credential {
        /// What is shown.
        shown: Credential,
        /// Whether it opens without a face, where the door allows that.
        without_face: bool,
        /// Whether it is good for one grant only.
        once: bool,
        /// First moment at which it is worth nothing, milliseconds since 1970; none: for ever.
        valid_until_ms: Option<i64>,
    },
    /// A consent.
    Consent(Purpose, Term),
}

/// Where something should have gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// To a person.
    Person(PersonSlot),
    /// Among the settings.
    Setting(SettingName),
    /// Among the keys that open contents.
    Keys,
}

/// Why a change has no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Sealed to another key or for another place, or changed.
    DoesNotOpen,
    /// Of a form that this version does not know.
    UnknownForm,
    /// Not what its form says, or out of its bounds.
    Unreadable,
    /// A template with more or fewer values than the model in use makes.
    OtherLength,
    /// The person has no record, so that nobody could end it.
    NoRecord,
    /// Somebody has the same credential.
    Taken,
    /// As many are kept as can be.
    Full,
    /// This version has no use for it.
    NotUsed,
}

impl Reason {
    /// Its name in the audit trail.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Reason::DoesNotOpen => "does_not_open",
            Reason::UnknownForm => "unknown_form",
            Reason::Unreadable => "unreadable",
            Reason::OtherLength => "other_length",
            Reason::NoRecord => "no_record",
            Reason::Taken => "taken",
            Reason::Full => "full",
            Reason::NotUsed => "not_used",
        }
    }
}

impl Place {
    /// What is recorded when a change of this place has no effect.
    #[must_use]
    pub fn skipped(&self, entry: u64, reason: Reason) -> Skipped {
        let (person, place) = match self {
            Place::Person(PersonSlot { person, slot, number }) => {
                let place = match slot {
                    Slot::Record => "record".to_owned(),
                    Slot::Template => format!("template {number}"),
                    Slot::Credential => format!("credential {number}"),
                    Slot::Consent => format!("consent {number}"),
                };
                (Some(person.clone()), place)
            }
            Place::Setting(SettingName { setting, name }) => {
                let kind = match setting {
                    Setting::Rule => "rule",
                    Setting::Schedule => "schedule",
                    Setting::Holidays => "holidays",
                    Setting::Door => "door",
                    Setting::Models => "models",
                };
                (None, format!("{kind} {name}"))
            }
            Place::Keys => (None, "opening key".to_owned()),
        };
        Skipped { entry, person, place, reason: reason.code().to_owned() }
    }
}

/// Opens and reads for one terminal.
pub struct Intake {
    site: SiteId,
    /// The newest first.
    keys: Vec<OpeningKey>,
    /// Whom keys are handed to, and what opens them.
    joined: Option<(KeyId, OpeningKey)>,
    /// The version in use, and how many values its templates have.
    references: (TemplateVersion, usize),
    transform_key: Zeroizing<[u8; 32]>,
    /// The newest; templates of one entry are of one model.
    transform: Option<Transform>,
}

impl Intake {
    /// For a site's terminal with these opening keys, the newest first, and this key of its template transform.
    #[must_use]
    pub fn new(
        site: SiteId,
        keys: Vec<OpeningKey>,
        transform_key: Zeroizing<[u8; 32]>,
        references: (TemplateVersion, usize),
    ) -> Self {
        Self { site, keys, joined: None, references, transform_key, transform: None }
    }

    /// The same for a terminal that signs with the one key and joined its site with the other.
    #[must_use]
    pub fn joined(self, signs: KeyId, with: OpeningKey) -> Self {
        Self { joined: Some((signs, with)), ..self }
    }

    /// Learns a key that was handed to this terminal; whether it has it now.
    pub fn learn(&mut self, hand: &Hand) -> bool {
        if self.keys.iter().any(|key| key.sealing_key().to_bytes() == *hand.sealing) {
            return true;
        }
        let own = self.joined.as_ref().filter(|(signs, _)| *signs == hand.to);
        let Some(key) = own.and_then(|(_, with)| with.take(&self.site, hand).ok()) else { return false };
        self.keys.insert(0, key);
        self.keys.truncate(KEYS_MAX);
        true
    }

    /// What the entry with these changes, to which the roster is followed at `head`, does to the store.
    pub fn take(&mut self, head: Head, changes: &[Change]) -> Step {
        Step { head, deeds: changes.iter().filter_map(|change| self.deed(change)).collect() }
    }

    fn deed(&mut self, change: &Change) -> Option<Deed> {
        Some(match change {
            Change::PersonPut(put) => match self.thing(put) {
                Ok(thing) => Deed::Put(put.at.clone(), thing),
                Err(reason) => Deed::Skip(Place::Person(put.at.clone()), reason),
            },
            Change::PersonTake(at) => Deed::Take(at.clone()),
            Change::PersonErase(erase) => Deed::Erase(erase.person.clone()),
            Change::SettingPut(put) => match rules(put) {
                Ok(text) => Deed::Rules(Some(text)),
                Err(reason) => Deed::Skip(Place::Setting(put.at.clone()), reason),
            },
            Change::SettingTake(name) if is_access(name) => Deed::Rules(None),
            Change::Hand(hand) if self.joined.as_ref().is_some_and(|(signs, _)| *signs == hand.to) => {
                return (!self.learn(hand)).then_some(Deed::Skip(Place::Keys, Reason::DoesNotOpen));
            }
            Change::SettingTake(_)
            | Change::Delegate(_)
            | Change::Revoke(_)
            | Change::Succeed(_)
            | Change::Hand(_)
            | Change::SealTo(_) => return None,
        })
    }

    fn thing(&mut self, put: &PersonPut) -> Result<Thing, Reason> {
        match put.at.slot {
            Slot::Record => Ok(Thing::Record(self.open(put)?)),
            Slot::Template => self.template(&self.open(put)?),
            Slot::Credential => credential(&self.open(put)?),
            Slot::Consent => consent(&self.open(put)?, put.at.number),
        }
    }

    fn open<T: Content>(&self, put: &PersonPut) -> Result<T, Reason> {
        // A form is told before anything is opened: a later version may seal in another way.
        if put.form != T::FORM {
            return Err(Reason::UnknownForm);
        }
        // Contents name no key: whoever sealed before a rotation is read beside whoever did after it.
        let bytes = self.keys.iter().find_map(|key| key.open(&self.site, put).ok());
        let bytes = bytes.ok_or(Reason::DoesNotOpen)?;
        contents::read(put.form, &bytes).map_err(|_| Reason::Unreadable)
    }

    fn template(&mut self, template: &Template) -> Result<Thing, Reason> {
        let (in_use, dimension) = self.references;
        let version = TemplateVersion { model: *template.model, preprocessing: template.preprocessing };
        let mut values = template.values();
        // Taken over, not copied: the vector is wiped by whom it ends up with.
        let vector = UnitVector::claimed(std::mem::take(&mut *values)).map_err(|_| Reason::Unreadable)?;
        if version == in_use && vector.dimension() != dimension {
            return Err(Reason::OtherLength);
        }
        let vector = self.transform(vector.dimension()).protect(&vector).map_err(|_| Reason::OtherLength)?;
        let (source, created_ms) = (template.source.as_str().to_owned(), template.created_ms);
        Ok(Thing::Template { version, vector, source, created_ms })
    }

    fn transform(&mut self, dimension: usize) -> &Transform {
        let fits = self.transform.take().filter(|transform| transform.dimension() == dimension);
        let key = &self.transform_key;
        self.transform.insert(fits.unwrap_or_else(|| Transform::new(key, dimension)))
    }
}

fn credential(content: &contents::Credential) -> Result<Thing, Reason> {
    let shown = match &content.shown {
        Shown::Card { format, facility, number } => Some(Credential::Card(Card {
            format: format.as_str().to_owned(),
            facility: *facility,
            number: *number,
        })),
        Shown::Pin(digits) => Pin::from_digits(digits).map(Credential::Pin),
        Shown::Qr(token) => {
            token.as_slice().try_into().ok().map(Zeroizing::new).map(Token::new).map(Credential::Qr)
        }
    };
    Ok(Thing::Credential {
        shown: shown.ok_or(Reason::Unreadable)?,
        without_face: content.without_face,
        once: content.once,
        valid_until_ms: content.valid_until_ms,
    })
}

/// Under another number than its purpose's a consent could not be withdrawn.
fn consent(content: &Consent, number: u32) -> Result<Thing, Reason> {
    let Consent { purpose, from_s, until_s } = *content;
    let term = Term { from_s, until_s };
    if purpose.number() == number { Ok(Thing::Consent(purpose, term)) } else { Err(Reason::Unreadable) }
}

fn rules(put: &SettingPut) -> Result<String, Reason> {
    if !is_access(&put.at) {
        return Err(Reason::NotUsed);
    }
    if put.form != ACCESS_FORM {
        return Err(Reason::UnknownForm);
    }
    String::from_utf8(put.body.0.clone()).map_err(|_| Reason::Unreadable)
}

fn is_access(name: &SettingName) -> bool {
    name.setting == Setting::Rule && name.name == ACCESS
}

#[cfg(test)]
mod tests {
    use doorward_protocol::keys::{PublicKey, SigningKey};
    use doorward_protocol::message::{Opaque, Text};
    use doorward_protocol::roster::PersonErase;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha20Rng;

    use super::*;

    const VERSION: TemplateVersion = TemplateVersion { model: [3; 32], preprocessing: 1 };
    const HEAD: Head = Head { seq: 7, hash: [1; 32] };

    struct Site {
        rng: ChaCha20Rng,
        key: OpeningKey,
        intake: Intake,
    }

    impl Site {
        fn new() -> Self {
            let mut rng = ChaCha20Rng::seed_from_u64(1);
            let key = OpeningKey::draw(&mut rng);
            let own = OpeningKey::from_bytes(key.to_bytes().as_slice()).unwrap();
            let intake = Intake::new("hq".parse().unwrap(), vec![own], Zeroizing::new([4; 32]), (VERSION, 4));
            Self { rng, key, intake }
        }

        fn put<T: Content>(&mut self, number: u32, form: u16, content: &T) -> Change {
            self.put_bytes(T::SLOT, number, form, &contents::write(content))
        }

        fn put_bytes(&mut self, slot: Slot, number: u32, form: u16, bytes: &[u8]) -> Change {
            let at = PersonSlot { person: ada(), slot, number };
            let sealing = self.key.sealing_key();
            let put = sealing.seal(&"hq".parse().unwrap(), at, form, bytes, &mut self.rng);
            Change::PersonPut(put.unwrap())
        }

        fn deed(&mut self, change: Change) -> Deed {
            let step = self.intake.take(HEAD, &[change]);
            assert_eq!((step.head, step.deeds.len()), (HEAD, 1));
            step.deeds.into_iter().next().unwrap()
        }

        fn reason(&mut self, change: Change) -> Reason {
            let deed = self.deed(change);
            if let Deed::Skip(_, reason) = deed { reason } else { panic!("{deed:?}") }
        }
    }

    fn ada() -> PersonId {
        "ada".parse().unwrap()
    }

    fn record() -> Record {
        Record { name: Text::cut("Ada"), valid_from_ms: None, valid_until_ms: None, suspended: false }
    }

    fn template(values: &[f32]) -> Template {
        Template::new(VERSION.model, VERSION.preprocessing, values, Text::cut("photo"), 1000)
    }

    fn pin(digits: &[u8]) -> contents::Credential {
        let shown = Shown::Pin(digits.to_vec());
        contents::Credential { shown, without_face: false, once: false, valid_until_ms: None }
    }

    fn agreed() -> Consent {
        Consent { purpose: Purpose::Picture, from_s: 100, until_s: 200 }
    }

    fn setting(name: &str, form: u16, body: &[u8]) -> Change {
        let at = SettingName { setting: Setting::Rule, name: name.to_owned() };
        Change::SettingPut(SettingPut { at, form, body: Opaque(body.to_vec()) })
    }

    #[test]
    fn contents_become_what_the_store_keeps_and_templates_enter_the_terminals_space() {
        let mut site = Site::new();
        let change = site.put(0, 1, &record());
        assert!(matches!(site.deed(change), Deed::Put(_, Thing::Record(kept)) if kept == record()));
        let change = site.put(2, 1, &template(&[0.5; 4]));
        let Deed::Put(at, Thing::Template { version, vector, .. }) = site.deed(change) else { panic!() };
        assert_eq!((at.number, version), (2, VERSION));
        let plain = UnitVector::normalise(vec![0.5; 4]).unwrap();
        assert_eq!(vector, Transform::new(&[4; 32], 4).protect(&plain).unwrap());
        assert_ne!(*vector.vector(), plain);
        let change = site.put(0, 1, &pin(b"4711"));
        let own = Credential::Pin(Pin::from_digits(b"4711").unwrap());
        assert!(matches!(site.deed(change), Deed::Put(_, Thing::Credential { shown, .. }) if shown == own));
        let change = site.put(0, 1, &agreed());
        let term = Term { from_s: 100, until_s: 200 };
        assert!(
            matches!(site.deed(change), Deed::Put(_, Thing::Consent(Purpose::Picture, kept)) if kept == term)
        );
        assert_eq!(site.deed(setting(ACCESS, 1, b"weekly")), Deed::Rules(Some("weekly".to_owned())));
        let taken = SettingName { setting: Setting::Rule, name: ACCESS.to_owned() };
        assert_eq!(site.deed(Change::SettingTake(taken)), Deed::Rules(None));
        let erase = Change::PersonErase(PersonErase { person: ada() });
        assert_eq!(site.deed(erase), Deed::Erase(ada()));
    }

    #[test]
    fn m14_what_was_sealed_to_others_or_moved_is_left_out() {
        let mut site = Site::new();
        let mut elsewhere = Site::new();
        elsewhere.key = OpeningKey::draw(&mut site.rng);
        let foreign = elsewhere.put(0, 1, &record());
        assert_eq!(site.reason(foreign), Reason::DoesNotOpen);
        let Change::PersonPut(mut moved) = site.put(0, 1, &record()) else { unreachable!() };
        moved.at.person = "eve".parse().unwrap();
        assert_eq!(site.reason(Change::PersonPut(moved)), Reason::DoesNotOpen);
    }

    #[test]
    fn m14_contents_open_on_both_sides_of_a_rotation_for_whom_the_new_key_was_handed_to() {
        let mut site = Site::new();
        let (signs, with, second) =
            (key_id(1), OpeningKey::draw(&mut site.rng), OpeningKey::draw(&mut site.rng));
        let (joined, hq) = (with.sealing_key(), "hq".parse().unwrap());
        site.intake = site.intake.joined(signs, with);
        let late = site.put(0, 1, &record());
        let hand = joined.hand(&hq, signs, &second, &mut site.rng);
        let to_another = joined.hand(&hq, key_id(2), &second, &mut site.rng);
        site.key = second;
        let early = site.put(0, 1, &record());
        assert_eq!(site.reason(early.clone()), Reason::DoesNotOpen, "before it was handed");
        assert_eq!(site.intake.take(HEAD, &[Change::Hand(to_another)]).deeds, []);
        assert_eq!(site.reason(early.clone()), Reason::DoesNotOpen, "handed to another terminal");
        let mut damaged = hand.clone();
        damaged.sealed.0[40] ^= 1;
        let step = site.intake.take(HEAD, &[Change::Hand(damaged)]);
        assert_eq!(step.deeds, [Deed::Skip(Place::Keys, Reason::DoesNotOpen)], "and that is on record");
        for _ in 0..2 {
            assert_eq!(site.intake.take(HEAD, &[Change::Hand(hand.clone())]).deeds, []);
        }
        assert_eq!(site.intake.keys.len(), 2, "what is handed twice is held once");
        for change in [early, late] {
            assert!(matches!(site.deed(change), Deed::Put(..)));
        }
        assert_eq!(Place::Keys.skipped(7, Reason::DoesNotOpen).place, "opening key");
    }

    fn key_id(seed: u8) -> KeyId {
        PublicKey::of(&SigningKey::from_bytes(&[seed; 32])).id()
    }

    #[test]
    fn m8_what_cannot_be_read_or_used_is_named_and_holds_nothing_up() {
        let mut site = Site::new();
        let changes = [
            (site.put(0, 2, &record()), Reason::UnknownForm),
            (site.put_bytes(Slot::Template, 0, 1, b"no template"), Reason::Unreadable),
            (site.put(0, 1, &template(&[f32::NAN; 4])), Reason::Unreadable),
            (site.put(0, 1, &template(&[0.0; 4])), Reason::Unreadable),
            (site.put(0, 1, &template(&[0.6, 0.8])), Reason::OtherLength),
            (site.put(0, 1, &pin(b"four")), Reason::Unreadable),
            (site.put_bytes(Slot::Consent, 0, 1, b""), Reason::Unreadable),
            (site.put(1, 1, &agreed()), Reason::Unreadable),
            (site.put(0, 2, &agreed()), Reason::UnknownForm),
            (setting(ACCESS, 2, b""), Reason::UnknownForm),
            (setting(ACCESS, 1, &[0xff]), Reason::Unreadable),
            (setting("staff", 1, b""), Reason::NotUsed),
        ];
        let (mut changes, reasons): (Vec<_>, Vec<_>) = changes.into_iter().unzip();
        changes.push(site.put(0, 1, &record()));
        let step = site.intake.take(HEAD, &changes);
        let found = step.deeds.iter().filter_map(|deed| match deed {
            Deed::Skip(_, reason) => Some(*reason),
            Deed::Put(..) | Deed::Take(_) | Deed::Erase(_) | Deed::Rules(_) => None,
        });
        assert_eq!(found.collect::<Vec<_>>(), reasons);
        assert!(matches!(step.deeds.last(), Some(Deed::Put(_, Thing::Record(_)))));
    }

    #[test]
    fn h4_what_is_recorded_of_a_skipped_change_names_its_place_and_no_content() {
        let place = Place::Person(PersonSlot { person: ada(), slot: Slot::Template, number: 2 });
        let skipped = place.skipped(7, Reason::DoesNotOpen);
        assert_eq!((skipped.entry, skipped.person), (7, Some(ada())));
        assert_eq!((skipped.place.as_str(), skipped.reason.as_str()), ("template 2", "does_not_open"));
        let setting = Place::Setting(SettingName { setting: Setting::Rule, name: "staff".to_owned() });
        assert_eq!(setting.skipped(7, Reason::NotUsed).place, "rule staff");
    }
}
