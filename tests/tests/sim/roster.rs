//! The site's roster in the simulated world: an enroller signs, the terminal follows, and the real store takes every entry
//! whole or not at all, whatever is full or cut meanwhile.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use doorward_core::centre::{Effect, Input as CentreInput, Taking};
use doorward_core::credential::Credential;
use doorward_core::intake::Intake;
use doorward_core::template::{TemplateVersion, UnitVector};
use doorward_daemon::terminal::Input;
use doorward_hal::clock::Clock as _;
use doorward_protocol::contents::{self, Consent, Content, Purpose, Record, Shown, Template};
use doorward_protocol::envelope::{Heading, Kind};
use doorward_protocol::keys::PublicKey;
use doorward_protocol::message::{self, Opaque, Text};
use doorward_protocol::presence::State;
use doorward_protocol::roster::{
    Change, Entry, Follower, PersonErase, PersonPut, PersonSlot, SealTo, Setting, SettingName, SettingPut,
    Slot,
};
use doorward_protocol::sealing::OpeningKey;
use doorward_protocol::topic::Matter;
use doorward_protocol::trust::{Reader, Trust};
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::event::PEOPLE;
use crate::eyes::{self, DIMENSION, VERSION};
use crate::hands;
use crate::office::{ENROLLER, POLICY, ROOT, TERMINAL, key, site, terminal};
use crate::power::Cut;
use crate::world::{World, name};

/// What an admin signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Edit {
    /// A person with face and credentials, suspended or not.
    Put(u8, bool),
    /// The end of a person.
    Erase(u8),
    /// A person agrees to pictures, for so many seconds.
    Agree(u8, u32),
    /// A person agrees to pictures no longer.
    Withdraw(u8),
    /// Things that no terminal can open, read or keep, around a person who is put.
    Broken(u8),
    /// The text of the rules.
    Rules,
    /// Another key that opens what is sealed: persons who are put later are sealed to it.
    Rotate,
}

/// Who signs, and everything that was signed.
pub(crate) struct Author {
    follower: Follower,
    /// Entries with what they say and when, in order.
    signed: Vec<(Edit, i64, Vec<u8>)>,
    /// Entries that the model has followed.
    told: usize,
    /// An order may have had the terminal begin the roster anew.
    pub(crate) anew: bool,
    /// What opens what is sealed now.
    opening: OpeningKey,
    /// What the terminal was given when it joined.
    first: Zeroizing<[u8; 32]>,
    rng: ChaCha20Rng,
}

impl Author {
    /// Of a roster that begins with this trust.
    pub(crate) fn new(trust: Trust) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(17);
        let opening = OpeningKey::draw(&mut rng);
        let first = opening.to_bytes();
        Self {
            follower: Follower::new([0; 32], trust),
            signed: Vec::new(),
            told: 0,
            anew: false,
            opening,
            first,
            rng,
        }
    }

    /// What opens for a terminal that joined at the beginning.
    fn first(&self) -> OpeningKey {
        OpeningKey::from_bytes(self.first.as_slice()).expect("its own bytes")
    }

    fn rotate(&mut self) -> Vec<Change> {
        self.opening = OpeningKey::draw(&mut self.rng);
        let (to, sealing) = (PublicKey::of(&key(TERMINAL)).id(), self.opening.sealing_key().to_bytes());
        let hand = joining().sealing_key().hand(&site(), to, &self.opening, &mut self.rng);
        vec![Change::Hand(hand), Change::SealTo(SealTo { sealing: sealing.into() })]
    }

    fn sign(&mut self, edit: Edit, now_ms: i64) {
        let changes = match edit {
            Edit::Put(who, suspended) => self.person(who, suspended, now_ms),
            Edit::Erase(who) => vec![Change::PersonErase(PersonErase { person: name(who) })],
            Edit::Broken(who) => self.broken(who, now_ms),
            Edit::Agree(who, length_s) => {
                let (from_s, until_s) = term(now_ms, length_s);
                let consent = Consent { purpose: Purpose::Picture, from_s, until_s };
                vec![self.put(who, Purpose::Picture.number(), &consent)]
            }
            Edit::Withdraw(who) => {
                let (slot, number) = (Slot::Consent, Purpose::Picture.number());
                let at = PersonSlot { person: name(who), slot, number };
                // What is not there cannot be taken away; whoever tries is told before anything is signed.
                match self.follower.has(&at) {
                    true => vec![Change::PersonTake(at)],
                    false => return,
                }
            }
            Edit::Rules => {
                let at = SettingName { setting: Setting::Rule, name: contents::ACCESS.to_owned() };
                vec![Change::SettingPut(SettingPut { at, form: 1, body: Opaque(b"weekly = []".to_vec()) })]
            }
            Edit::Rotate => self.rotate(),
        };
        let state = self.follower.foresee(&changes).expect("changes that can be");
        let head = self.follower.head();
        let entry = Entry { before: head.hash.into(), state: state.into(), changes };
        let heading = Heading {
            kind: Kind::Roster,
            site: site(),
            terminal: None,
            seq: head.seq + 1,
            issued_s: now_ms.div_euclid(1000),
            expires_s: None,
        };
        let signer = match edit {
            Edit::Rules => POLICY,
            Edit::Rotate => ROOT,
            Edit::Put(..) | Edit::Erase(_) | Edit::Agree(..) | Edit::Withdraw(_) | Edit::Broken(_) => {
                ENROLLER
            }
        };
        let bytes = message::sign(&heading, &entry, &key(signer)).expect("an entry is short");
        let reader = Reader { terminal: None, now_s: None };
        let authorised = self.follower.trust().authorise(&bytes, &reader).expect("an admin may");
        self.follower.follow(&authorised, &bytes).expect("the next entry");
        self.signed.push((edit, now_ms, bytes));
    }

    fn person(&mut self, who: u8, suspended: bool, now_ms: i64) -> Vec<Change> {
        let name = Text::cut(&format!("Person {who}"));
        let record = Record { name, valid_from_ms: None, valid_until_ms: None, suspended };
        let mut changes = vec![self.put(who, 0, &record)];
        let vector = UnitVector::normalise(eyes::features(who, 0.25, u64::from(who))).expect("a template");
        changes.push(self.put(who, 0, &template(VERSION, vector.values(), now_ms)));
        for (number, (credential, terms)) in (0..).zip(hands::credentials(who, now_ms)) {
            let content = contents::Credential {
                shown: sealable(&credential),
                without_face: terms.without_face,
                once: terms.once,
                valid_until_ms: terms.valid_until_ms,
            };
            changes.push(self.put(who, number, &content));
        }
        changes
    }

    /// Five changes without effect, and a person between them.
    fn broken(&mut self, who: u8, now_ms: i64) -> Vec<Change> {
        let ghost = |slot| PersonSlot { person: "ghost".parse().expect("an identifier"), slot, number: 3 };
        let put = |change| if let Change::PersonPut(put) = change { put } else { unreachable!("it is put") };
        let short = put(self.put(who, 7, &template(VERSION, &[0.6, 0.8], now_ms)));
        let card = contents::Credential {
            shown: sealable(&hands::credentials(who, now_ms)[0].0),
            without_face: true,
            once: false,
            valid_until_ms: None,
        };
        let (sealing, bytes) = (self.opening.sealing_key(), contents::write(&card));
        let of_nobody = sealing.seal(&site(), ghost(Slot::Credential), 1, &bytes, &mut self.rng);
        let mut changes = vec![
            Change::PersonPut(PersonPut { at: ghost(Slot::Template), ..short.clone() }),
            Change::PersonPut(PersonPut { form: 9, ..short.clone() }),
            Change::PersonPut(of_nobody.expect("a card is short")),
        ];
        changes.extend(self.person(who, false, now_ms));
        changes.push(Change::PersonPut(PersonPut { sealed: Opaque(vec![7; 60]), ..short.clone() }));
        changes.push(Change::PersonPut(short));
        changes
    }

    fn put<T: Content>(&mut self, who: u8, number: u32, content: &T) -> Change {
        let at = PersonSlot { person: name(who), slot: T::SLOT, number };
        let bytes = contents::write(content);
        let put = self.opening.sealing_key().seal(&site(), at, T::FORM, &bytes, &mut self.rng);
        Change::PersonPut(put.expect("contents are short"))
    }
}

impl World {
    /// An admin signs; the terminal hears of it when there is a link.
    pub(crate) fn sign(&mut self, edit: Edit) {
        let now_ms = self.clock.now().wall.ms;
        self.office.author.sign(edit, now_ms);
    }

    /// Brings what was signed to the terminal: all that its store has already, and with a link everything.
    pub(crate) fn bring_roster(&mut self) {
        self.tell_centre(CentreInput::Tick);
        loop {
            let next = self.office.centre.roster().head().seq;
            let stored = self.followed();
            let Some((.., bytes)) = self.office.author.signed.get(usize::try_from(next).expect("few")) else {
                break;
            };
            if next >= stored && !self.link {
                break;
            }
            let (topic, bytes) = ("doorward/site/front/roster/feed".to_owned(), bytes.clone());
            self.tell_centre(CentreInput::Arrived { topic, bytes, retained: false });
            let head = self.office.centre.roster().head().seq;
            // It waits for the disk; a terminal whose power was cut meanwhile begins anew.
            if head == next || head == next + 1 && self.followed() <= next {
                break;
            }
        }
    }

    /// Waits until what the disk did not take was offered again, which takes a minute at most.
    pub(crate) fn settle_roster(&mut self) {
        self.pass(Duration::from_secs(61));
        self.bring_roster();
    }

    /// Whether the store has everything that was signed.
    pub(crate) fn has_all_that_was_signed(&self) -> bool {
        self.followed() == self.office.author.signed.len() as u64
    }

    /// How far the store has the roster.
    pub(crate) fn followed(&self) -> u64 {
        let store = self.store.lock().expect("one thread");
        store.followed().expect("readable").map_or(0, |head| head.seq)
    }

    /// What the model knows of the roster is what the store has of it.
    pub(crate) fn tell_model(&mut self) {
        let (followed, wall_ms) = (usize::try_from(self.followed()).expect("few"), self.clock.now().wall.ms);
        if followed < self.office.author.told && std::mem::take(&mut self.office.author.anew) {
            self.office.author.told = 0;
        }
        while self.office.author.told < followed {
            let (edit, signed_ms, _) = self.office.author.signed[self.office.author.told];
            self.office.author.told += 1;
            self.totals.followed += 1;
            match edit {
                Edit::Put(who, suspended) => self.model.put(who, suspended, wall_ms),
                Edit::Broken(who) => self.model.put(who, false, wall_ms),
                Edit::Erase(who) => drop(self.model.erased(who)),
                Edit::Agree(who, length_s) => self.model.agree(who, Some(term(signed_ms, length_s))),
                Edit::Withdraw(who) => self.model.agree(who, None),
                Edit::Rules | Edit::Rotate => {}
            }
        }
        assert_eq!(self.office.author.told, followed, "the store went back in the roster");
    }

    fn tell_centre(&mut self, input: CentreInput) {
        let mut input = Some(input);
        while let Some(next) = input.take() {
            let (now, trail) = (self.clock.now(), self.head());
            for effect in self.office.centre.handle(next, now, trail) {
                match effect {
                    Effect::Take(taking) => match self.take(&taking) {
                        Some(answer) => input = Some(answer),
                        None => return,
                    },
                    Effect::Learn(hand) => self.office.handed.push(hand),
                    Effect::Say(saying) if saying.matter == Matter::State => self.hear_state(&saying.bytes),
                    Effect::Refused(why) => {
                        assert!(why.contains("full") || why.contains("anew"), "the roster: {why}");
                    }
                    Effect::Say(_) | Effect::Acknowledged(_) | Effect::Obey(_) | Effect::Deny(_) => {}
                }
            }
        }
    }

    /// The store takes an entry; nothing where the power was cut.
    fn take(&mut self, Taking { head, changes }: &Taking) -> Option<CentreInput> {
        let transform_key = self.store.lock().expect("one thread").transform_key();
        let signs = PublicKey::of(&key(TERMINAL)).id();
        let keys = vec![self.office.author.first()];
        let mut intake =
            Intake::new(site(), keys, transform_key, (VERSION, DIMENSION)).joined(signs, joining());
        assert!(self.office.handed.iter().all(|hand| intake.learn(hand)), "what it was handed, it opens");
        let step = intake.take(*head, changes);
        let (disk, at) = (self.disk(), self.clock.now().wall);
        match catch_unwind(AssertUnwindSafe(|| disk.take(&step, at))) {
            Ok(Ok(skipped)) => {
                self.totals.skipped += u64::from(skipped);
                self.tell_model();
                self.tell_terminal();
                Some(CentreInput::Taken(*head))
            }
            Ok(Err(why)) => {
                self.totals.not_taken += 1;
                Some(CentreInput::NotTaken(why))
            }
            Err(panic) if panic.is::<Cut>() => {
                self.lose_power();
                None
            }
            Err(panic) => resume_unwind(panic),
        }
    }

    /// The terminal learns how everybody is now, person by person, as the store thread tells it.
    fn tell_terminal(&mut self) {
        let known = {
            let mut store = self.store.lock().expect("one thread");
            let people = (0..PEOPLE).map(name);
            people.map(|person| store.known(&person, &VERSION).expect("readable")).collect()
        };
        self.step(Input::Known(known));
    }

    /// What the terminal says of the roster is in its store, unless a refill was ordered: until the start that follows, it says
    /// what it knows. And the level that the centre is told is the one by which the door decides.
    fn hear_state(&mut self, bytes: &[u8]) {
        let own = terminal();
        let reader = Reader { terminal: Some(&own), now_s: None };
        let state = self.office.author.follower.trust().authorise::<State>(bytes, &reader);
        let state = state.expect("the terminal's own word");
        let (seq, level) = (state.message().roster.seq, state.message().level);
        assert_eq!(level, Some(self.model.policy.level), "p9: the centre is told another level");
        if let Some(standing) = self.standing() {
            assert_eq!(level, Some(standing.level), "p9: the door decides by another level than it tells");
            self.totals.levels_told += 1;
        }
        assert!(
            self.office.author.anew || seq <= self.followed(),
            "entry {seq} was told and is not in the store"
        );
    }
}

/// From when to when somebody agrees who agrees now, seconds since 1970.
fn term(now_ms: i64, length_s: u32) -> (i64, i64) {
    let from_s = now_ms.div_euclid(1000);
    (from_s, from_s + i64::from(length_s))
}

/// What the terminal joined with.
fn joining() -> OpeningKey {
    OpeningKey::from_bytes(&[8; 32]).expect("32 bytes")
}

fn template(
    TemplateVersion { model, preprocessing }: TemplateVersion,
    values: &[f32],
    at_ms: i64,
) -> Template {
    Template::new(model, preprocessing, values, Text::cut("photo"), at_ms)
}

fn sealable(credential: &Credential) -> Shown {
    let written: Zeroizing<Vec<u8>> = credential.written();
    match credential {
        Credential::Card(card) => {
            Shown::Card { format: Text::cut(&card.format), facility: card.facility, number: card.number }
        }
        Credential::Pin(_) => Shown::Pin(written.to_vec()),
        Credential::Qr(_) => Shown::Qr(written.to_vec()),
    }
}
