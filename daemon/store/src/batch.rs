//! Changes of persons, templates and rules that become durable together, each with its audit entry.

use std::collections::BTreeSet;
use std::path::Path;

use doorward_core::claim::Holder;
use doorward_core::credential::Credential;
use doorward_core::template::{TemplateVersion, UnitVector};
use doorward_core::time::Wall;
use doorward_protocol::audit::{CredentialChanged, Enrolled, Erased, ErasedEverybody, Presented, What};
use doorward_protocol::ids::PersonId;
use doorward_protocol::roster::Head;
use rusqlite::{Connection, OptionalExtension, params};

use crate::anchor::Mark;
use crate::chain;
use crate::consents::{self, Agreed, ConsentRow};
use crate::credentials::{self, CREDENTIALS_OF_PERSON_MAX, CredentialRow, StoredCredential};
use crate::epoch::{self, EpochKey};
use crate::fault::{Doing, StoreFault};
use crate::followed;
use crate::keys::StoreKeys;
use crate::ring::{Group, Ring, group_of};
use crate::rows::{PersonRecord, PersonRow, StoredTemplate, TemplateRow};
use crate::rules;
use crate::settings::Setting;
use crate::state::State;
use crate::store::Step;

/// Persons a store holds.
pub const PERSONS_MAX: u64 = 100_000;
/// Templates a store holds: what a terminal searches within its time budget.
pub const TEMPLATES_MAX: u64 = 100_000;
/// Templates of one person.
pub const TEMPLATES_OF_PERSON_MAX: u64 = 100;
/// Bytes of a display name: long double names in any script.
pub const NAME_LEN_MAX: usize = 256;
/// Bytes of a template's source, a short code.
pub const SOURCE_LEN_MAX: usize = 32;
/// Bytes of the rules: 1,000 schedules of 256 bytes.
pub const RULES_LEN_MAX: usize = 256 << 10;

/// Changes within one transaction; see [`Store::together`](crate::Store::together). Nothing is durable before that
/// returns.
pub struct Batch<'a> {
    conn: &'a Connection,
    keys: &'a StoreKeys,
    epoch: &'a EpochKey,
    rows_max: u64,
    ring: Ring<'a>,
    state: State,
    /// The codes of all credentials, once one is given.
    codes: Option<BTreeSet<credentials::Code>>,
    changed: bool,
    /// Nothing but additions is meant to happen.
    adds: bool,
    /// Something took the place of something else, or ended.
    replaces: bool,
    given_up: bool,
    /// Groups that lose a person: they get new keys.
    bereaved: BTreeSet<Group>,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(
        conn: &'a Connection,
        keys: &'a StoreKeys,
        epoch: &'a EpochKey,
        rows_max: u64,
    ) -> Result<Self, StoreFault> {
        let state = State::read(conn, keys)?;
        let ring = Ring::new(conn, keys, epoch);
        let bereaved = BTreeSet::new();
        Ok(Self {
            conn,
            keys,
            epoch,
            rows_max,
            ring,
            state,
            codes: None,
            changed: false,
            adds: false,
            replaces: false,
            given_up: false,
            bereaved,
        })
    }

    /// Puts a person's record, new or in place of the old one; templates stay. Returns the number of its audit entry.
    ///
    /// # Errors
    /// [`StoreFault`]; the whole batch is then given up.
    pub fn put_person(&mut self, record: &PersonRecord, at: Wall) -> Result<u64, StoreFault> {
        self.write_record(record)?;
        self.enrolled(&record.id, "record", at)
    }

    /// Adds a template to a person. Returns the number of its audit entry.
    ///
    /// # Errors
    /// [`StoreFault`]; the whole batch is then given up.
    pub fn put_template(
        &mut self,
        person: &PersonId,
        version: TemplateVersion,
        vector: &UnitVector,
        source: &str,
        at: Wall,
    ) -> Result<u64, StoreFault> {
        let (_, slot) = self.slots(person)?;
        let (vector, source) = (vector.clone(), source.to_owned());
        let template = StoredTemplate { slot, version, vector, source, created_ms: at.ms };
        self.write_template(person, &template)?;
        self.enrolled(person, &template.source, at)
    }

    /// Gives a person a credential. `terms.slot` is not looked at: the next free one is taken. Returns it.
    ///
    /// # Errors
    /// [`StoreFault::CredentialTaken`] where anybody has the same; the whole batch is then given up.
    pub fn put_credential(
        &mut self,
        credential: &Credential,
        terms: &Holder,
        at: Wall,
    ) -> Result<u32, StoreFault> {
        let present = credentials::of(self.conn, &terms.person)?;
        let slot = present.last().map_or(0, |row| row.slot + 1);
        let terms = Holder { slot, created_ms: at.ms, ..terms.clone() };
        let stored = self.write_credential(credential, terms)?;
        self.credential_changed(&stored, true, at)?;
        Ok(slot)
    }

    /// Takes a credential away. Returns the number of its audit entry.
    ///
    /// # Errors
    /// [`StoreFault::NoSuchCredential`]; the whole batch is then given up.
    pub fn remove_credential(&mut self, person: &PersonId, slot: u32, at: Wall) -> Result<u64, StoreFault> {
        let Some(stored) = self.drop_credential(person, slot)? else {
            return Err(StoreFault::NoSuchCredential { person: person.clone(), slot });
        };
        self.credential_changed(&stored, false, at)
    }

    /// Writes a record, new or in place of the old one.
    pub(crate) fn write_record(&mut self, record: &PersonRecord) -> Result<(), StoreFault> {
        within("a name", NAME_LEN_MAX, record.name.len())?;
        let id = record.id.as_str();
        let old = self.person_row(id)?;
        self.replaces |= old.is_some();
        let key = if old.is_some() {
            self.ring.person_key(id)?
        } else {
            bound("persons", PERSONS_MAX, self.state.persons)?;
            self.state.persons += 1;
            self.ring.create_person_key(id)?
        };
        let new = PersonRow::seal(self.keys, &key, record);
        self.write_person(&new)?;
        if let Some(old) = old {
            self.state.toggle(&old.code(self.keys));
        }
        self.state.toggle(&new.code(self.keys));
        self.changed = true;
        Ok(())
    }

    /// Writes a template into its slot, in place of what lies there.
    pub(crate) fn write_template(
        &mut self,
        person: &PersonId,
        template: &StoredTemplate,
    ) -> Result<(), StoreFault> {
        within("a template's source", SOURCE_LEN_MAX, template.source.len())?;
        if self.person_row(person.as_str())?.is_none() {
            return Err(StoreFault::NoSuchPerson(person.clone()));
        }
        self.drop_template(person, template.slot)?;
        bound("templates", TEMPLATES_MAX, self.state.templates)?;
        bound("templates of one person", TEMPLATES_OF_PERSON_MAX, self.slots(person)?.0)?;
        let key = self.ring.person_key(person.as_str())?;
        let row = TemplateRow::seal(self.keys, &key, person, template);
        let sql = "INSERT INTO templates (person, slot, model, preprocessing, vector, source, created_ms)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let columns = params![
            row.person,
            row.slot,
            row.model,
            row.preprocessing,
            row.vector,
            row.source,
            row.created_ms
        ];
        self.conn.prepare_cached(sql).and_then(|mut s| s.execute(columns)).doing("write a template")?;
        self.state.toggle(&row.code(self.keys));
        self.state.templates += 1;
        self.changed = true;
        Ok(())
    }

    /// Removes the template in a slot, if there is one.
    pub(crate) fn drop_template(&mut self, person: &PersonId, slot: u32) -> Result<(), StoreFault> {
        let present = templates_of(self.conn, person)?;
        let Some(row) = present.iter().find(|row| row.slot == slot) else { return Ok(()) };
        self.conn
            .prepare_cached("DELETE FROM templates WHERE person = ?1 AND slot = ?2")
            .and_then(|mut s| s.execute(params![person.as_str(), slot]))
            .doing("take a template away")?;
        self.state.toggle(&row.code(self.keys));
        self.state.templates -= 1;
        (self.changed, self.replaces) = (true, true);
        Ok(())
    }

    /// Writes a credential into its slot, in place of what lies there; as it is stored.
    pub(crate) fn write_credential(
        &mut self,
        credential: &Credential,
        terms: Holder,
    ) -> Result<StoredCredential, StoreFault> {
        let person = terms.person.clone();
        if self.person_row(person.as_str())?.is_none() {
            return Err(StoreFault::NoSuchPerson(person));
        }
        let present = credentials::of(self.conn, &person)?;
        let key = self.ring.person_key(person.as_str())?;
        let old = present.iter().find(|row| row.slot == terms.slot);
        let others = present.len() as u64 - u64::from(old.is_some());
        bound("credentials of one person", CREDENTIALS_OF_PERSON_MAX, others)?;
        let old_code = old.map(|row| row.open(self.keys, &key)).transpose()?.map(|(_, code)| code);
        let code = credentials::code_of(self.keys, credential);
        // The same again in its own slot is nobody else's.
        if old_code != Some(code) && self.codes()?.contains(&code) {
            return Err(StoreFault::CredentialTaken);
        }
        self.drop_credential(&person, terms.slot)?;
        self.codes()?.insert(code);
        let stored = StoredCredential { kind: credential.kind(), holder: terms };
        let row = CredentialRow::seal(self.keys, &key, &stored, &code);
        row.insert(self.conn)?;
        self.state.toggle(&row.code(self.keys));
        self.changed = true;
        Ok(stored)
    }

    /// Removes the credential in a slot; what it was, if there was one.
    pub(crate) fn drop_credential(
        &mut self,
        person: &PersonId,
        slot: u32,
    ) -> Result<Option<StoredCredential>, StoreFault> {
        let present = credentials::of(self.conn, person)?;
        let Some(row) = present.iter().find(|row| row.slot == slot) else { return Ok(None) };
        let (stored, code) = row.open(self.keys, &self.ring.person_key(person.as_str())?)?;
        self.conn
            .prepare_cached("DELETE FROM credentials WHERE person = ?1 AND slot = ?2")
            .and_then(|mut s| s.execute(params![person.as_str(), slot]))
            .doing("take a credential away")?;
        self.state.toggle(&row.code(self.keys));
        if let Some(codes) = &mut self.codes {
            codes.remove(&code);
        }
        (self.changed, self.replaces) = (true, true);
        Ok(Some(stored))
    }

    /// Writes a consent in place of the one for the same purpose.
    pub(crate) fn write_consent(&mut self, person: &PersonId, agreed: &Agreed) -> Result<(), StoreFault> {
        if self.person_row(person.as_str())?.is_none() {
            return Err(StoreFault::NoSuchPerson(person.clone()));
        }
        self.drop_consent(person, agreed.0.number())?;
        let key = self.ring.person_key(person.as_str())?;
        let row = ConsentRow::seal(self.keys, &key, person, agreed);
        row.insert(self.conn)?;
        self.state.toggle(&row.code(self.keys));
        self.changed = true;
        Ok(())
    }

    /// Removes the consent for a purpose, if there is one.
    pub(crate) fn drop_consent(&mut self, person: &PersonId, purpose: u32) -> Result<(), StoreFault> {
        let present = consents::of(self.conn, person)?;
        let Some(row) = present.iter().find(|row| row.purpose == purpose) else { return Ok(()) };
        row.delete(self.conn)?;
        self.state.toggle(&row.code(self.keys));
        (self.changed, self.replaces) = (true, true);
        Ok(())
    }

    /// Erases a person: record, templates, credentials, consents and key. Returns the number of its audit entry.
    ///
    /// # Errors
    /// [`StoreFault`]; the whole batch is then given up.
    pub fn erase_person(&mut self, person: &PersonId, at: Wall) -> Result<u64, StoreFault> {
        let Some(row) = self.person_row(person.as_str())? else {
            return Err(StoreFault::NoSuchPerson(person.clone()));
        };
        self.state.toggle(&row.code(self.keys));
        for template in templates_of(self.conn, person)? {
            self.state.toggle(&template.code(self.keys));
            self.state.templates -= 1;
        }
        for credential in credentials::of(self.conn, person)? {
            self.state.toggle(&credential.code(self.keys));
        }
        for consent in consents::of(self.conn, person)? {
            self.state.toggle(&consent.code(self.keys));
        }
        self.state.persons -= 1;
        self.codes = None;
        // Everything else goes with the row that it refers to.
        self.conn
            .prepare_cached("DELETE FROM persons WHERE id = ?1")
            .and_then(|mut s| s.execute([person.as_str()]))
            .doing("erase a person")?;
        self.ring.remove_person_key(person.as_str())?;
        self.bereaved.insert(group_of(person.as_str()));
        self.changed = true;
        self.append(&What::Erased(Erased { person: person.clone() }), at)
    }

    /// Erases everybody, also where rows were damaged. Returns the number of the one audit entry, none where there was
    /// nobody.
    ///
    /// # Errors
    /// [`StoreFault`]; the whole batch is then given up.
    pub fn erase_everybody(&mut self, at: Wall) -> Result<Option<u64>, StoreFault> {
        let persons = self.state.persons;
        if persons == 0 {
            return Ok(None);
        }
        let delete =
            "DELETE FROM templates; DELETE FROM credentials; DELETE FROM consents; DELETE FROM persons";
        self.conn.execute_batch(delete).doing("erase everybody")?;
        self.ring.remove_everybody()?;
        self.state.recount(self.conn, self.keys)?;
        self.codes = None;
        self.bereaved.extend(0..=Group::MAX);
        self.changed = true;
        self.append(&What::ErasedEverybody(ErasedEverybody { persons }), at).map(Some)
    }

    /// Replaces the rules.
    ///
    /// # Errors
    /// [`StoreFault`]; the whole batch is then given up.
    pub fn put_rules(&mut self, text: &str) -> Result<(), StoreFault> {
        within("the text of the rules", RULES_LEN_MAX, text.len())?;
        let (old, new) = rules::write(self.conn, self.keys, text)?;
        if let Some(old) = old {
            self.state.toggle(&old);
        }
        self.state.toggle(&new);
        self.changed = true;
        Ok(())
    }

    /// Takes the rules away, if there are any.
    pub(crate) fn drop_rules(&mut self) -> Result<(), StoreFault> {
        if let Some(old) = rules::remove(self.conn, self.keys)? {
            self.state.toggle(&old);
            self.changed = true;
        }
        Ok(())
    }

    /// How far the site's roster was followed.
    pub(crate) fn followed(&self) -> Result<Option<Head>, StoreFault> {
        followed::read(self.conn, self.keys)
    }

    /// Notes how far the site's roster was followed. A smaller number than before changes nothing.
    ///
    /// # Errors
    /// [`StoreFault`]; the whole batch is then given up.
    pub fn follow(&mut self, head: &Head) -> Result<(), StoreFault> {
        if self.followed()?.is_some_and(|before| before.seq >= head.seq) {
            return Ok(());
        }
        self.note(Setting::Roster, &followed::written(head))
    }

    /// Follows the roster from its beginning again, and remembers how far it had come: nobody shows it less.
    pub(crate) fn follow_anew(&mut self) -> Result<(), StoreFault> {
        let Some(known) = followed::known(self.conn, self.keys)? else { return Ok(()) };
        self.note(Setting::RosterKnown, &followed::written(&known))?;
        self.note(Setting::Roster, &followed::written(&Head { seq: 0, hash: [0; 32] }))
    }

    /// Notes that a lockdown was ordered, or ended.
    ///
    /// # Errors
    /// [`StoreFault`]; the whole batch is then given up.
    pub(crate) fn lock_down(&mut self, on: bool) -> Result<(), StoreFault> {
        self.note(Setting::Lockdown, &[u8::from(on)])
    }

    fn note(&mut self, setting: Setting, value: &[u8]) -> Result<(), StoreFault> {
        let old = setting.code(self.conn, self.keys)?;
        setting.put(self.conn, self.keys, value)?;
        let new = setting.code(self.conn, self.keys)?;
        old.iter().chain(&new).for_each(|code| self.state.toggle(code));
        self.changed = true;
        Ok(())
    }

    /// Nothing of the batch is to be kept, and that is no fault.
    pub(crate) fn give_up(&mut self) {
        self.given_up = true;
    }

    pub(crate) fn given_up(&self) -> bool {
        self.given_up
    }

    /// Only additions follow.
    pub(crate) fn only_adds(&mut self) {
        self.adds = true;
    }

    /// Whether nobody's right can have been taken away.
    pub(crate) fn only_added(&self) -> bool {
        self.adds && !self.replaces
    }

    /// Writes what concerns the whole batch: new keys after erasures, and the state. Returns how far the store comes
    /// with it, and the epoch key that counts from the commit on, if it is a new one.
    pub(crate) fn finish(
        mut self,
        epoch_file: &Path,
        reached: &mut dyn FnMut(Step),
    ) -> Result<(Mark, Option<EpochKey>), StoreFault> {
        let next = (!self.bereaved.is_empty()).then(|| self.epoch.next());
        if let Some(next) = &next {
            epoch::write(epoch_file, self.keys, &[self.epoch, next])?;
            reached(Step::BothEpochsKept);
            self.ring.renew(next, &self.bereaved)?;
            Setting::Epoch.put_number(self.conn, self.keys, next.id)?;
        }
        if self.changed {
            self.state.generation += 1;
            self.state.write(self.conn, self.keys)?;
        }
        let head = chain::newest(self.conn, self.keys)?.0;
        Ok((Mark { head, generation: self.state.generation }, next))
    }

    fn enrolled(&mut self, person: &PersonId, source: &str, at: Wall) -> Result<u64, StoreFault> {
        let (count, _) = self.slots(person)?;
        let templates = u32::try_from(count).expect("a person has few templates");
        let enrolled = Enrolled { person: person.clone(), templates, source: source.to_owned() };
        self.append(&What::Enrolled(enrolled), at)
    }

    fn credential_changed(
        &mut self,
        stored: &StoredCredential,
        given: bool,
        at: Wall,
    ) -> Result<u64, StoreFault> {
        let presented = Presented { kind: stored.kind, slot: Some(stored.holder.slot) };
        let person = stored.holder.person.clone();
        self.append(&What::Credential(CredentialChanged { person, presented, given }), at)
    }

    pub(crate) fn append(&mut self, what: &What, at: Wall) -> Result<u64, StoreFault> {
        Ok(chain::append(self.conn, self.keys, self.rows_max, what, at)?.seq)
    }

    /// The codes of all credentials.
    fn codes(&mut self) -> Result<&mut BTreeSet<credentials::Code>, StoreFault> {
        let codes = match self.codes.take() {
            Some(codes) => codes,
            None => credentials::codes(self.conn, self.keys, &mut self.ring)?,
        };
        Ok(self.codes.insert(codes))
    }

    fn person_row(&self, id: &str) -> Result<Option<PersonRow>, StoreFault> {
        person_row(self.conn, id)
    }

    fn write_person(&self, row: &PersonRow) -> Result<(), StoreFault> {
        let sql = "INSERT INTO persons (id, name, valid_from_ms, valid_until_ms, suspended)
                   VALUES (?1, ?2, ?3, ?4, ?5)
                   ON CONFLICT (id) DO UPDATE SET name = excluded.name, valid_from_ms = excluded.valid_from_ms,
                   valid_until_ms = excluded.valid_until_ms, suspended = excluded.suspended";
        let columns = params![row.id, row.name, row.valid_from_ms, row.valid_until_ms, row.suspended];
        self.conn.prepare_cached(sql).and_then(|mut s| s.execute(columns)).doing("write a person")?;
        Ok(())
    }

    /// How many templates a person has, and the number of the next.
    fn slots(&self, person: &PersonId) -> Result<(u64, u32), StoreFault> {
        let sql = "SELECT count(*), coalesce(max(slot) + 1, 0) FROM templates WHERE person = ?1";
        self.conn
            .prepare_cached(sql)
            .and_then(|mut s| {
                s.query_row([person.as_str()], |row| Ok((chain::unsigned(row.get(0)?), row.get(1)?)))
            })
            .doing("count a person's templates")
    }
}

/// The row of a person.
pub(crate) fn person_row(conn: &Connection, id: &str) -> Result<Option<PersonRow>, StoreFault> {
    conn.prepare_cached(PersonRow::ONE)
        .and_then(|mut s| s.query_row([id], PersonRow::from_row).optional())
        .doing("read a person")
}

/// The templates of a person, by slot.
pub(crate) fn templates_of(conn: &Connection, person: &PersonId) -> Result<Vec<TemplateRow>, StoreFault> {
    let doing = "read a person's templates";
    let mut statement = conn.prepare_cached(TemplateRow::OF_PERSON).doing(doing)?;
    let rows = statement.query_map([person.as_str()], TemplateRow::from_row).doing(doing)?;
    rows.collect::<rusqlite::Result<_>>().doing(doing)
}

fn within(what: &'static str, max: usize, found: usize) -> Result<(), StoreFault> {
    if found > max { Err(StoreFault::TooLong { what, max, found }) } else { Ok(()) }
}

fn bound(what: &'static str, max: u64, present: u64) -> Result<(), StoreFault> {
    if present >= max { Err(StoreFault::TooMany { what, max }) } else { Ok(()) }
}
