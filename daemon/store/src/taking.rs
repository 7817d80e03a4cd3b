//! Entries of the site's roster become rows: everything of an entry together with how far it was followed, in one
//! transaction, so that a store is always that of some entry and its successor is never passed over.
//!
//! What cannot be kept (a template of nobody, a credential that somebody has) is left out, on record, and holds nothing
//! up. What the disk does not take is another matter: then nothing of the entry is there, and it comes again.

use doorward_core::claim::{Holder, ONCE_LIFE_MAX_MS};
use doorward_core::consent::Term;
use doorward_core::intake::{Deed, Place, Reason, Step, Thing};
use doorward_core::template::{TemplateVersion, UnitVector};
use doorward_core::time::Wall;
use doorward_protocol::audit::What;
use doorward_protocol::contents::Purpose;
use doorward_protocol::ids::PersonId;
use doorward_protocol::roster::{PersonSlot, Slot};

use crate::batch::{self, Batch};
use crate::consents;
use crate::credentials::{self, Code};
use crate::fault::StoreFault;
use crate::rows::{PersonRecord, StoredTemplate};
use crate::store::Store;

/// A person as a terminal knows them: all of it, so that what it knew before is replaced.
pub struct Known {
    /// Who.
    pub person: PersonId,
    /// The record; none for somebody who is not there any more.
    pub record: Option<PersonRecord>,
    /// The protected templates of one version.
    pub templates: Vec<UnitVector>,
    /// What they agreed to.
    pub consents: Vec<(Purpose, Term)>,
    pub(crate) credentials: Vec<(Code, Holder)>,
}

/// A deed's outcome: done, or why it was left out.
type Done = Result<Result<(), Reason>, StoreFault>;

impl Store {
    /// Does what an entry of the roster says, and notes that it was followed. One that was followed before changes
    /// nothing. Returns how many changes were left out.
    ///
    /// # Errors
    /// [`StoreFault::EntryMissing`] where it is not the next one; else as [`Store::together`].
    pub fn take(&mut self, step: &Step, at: Wall) -> Result<u32, StoreFault> {
        let taken = self.take_unless(step, at, &mut || false)?;
        Ok(taken.expect("nobody was given way"))
    }

    /// [`Store::take`], unless somebody `presses`, which is asked before each change: then none of it is done.
    ///
    /// # Errors
    /// As [`Store::take`].
    pub fn take_unless(
        &mut self,
        step: &Step,
        at: Wall,
        presses: &mut dyn FnMut() -> bool,
    ) -> Result<Option<u32>, StoreFault> {
        self.together(|batch| batch.take(step, at, presses))
    }

    /// One person, with the templates of a version.
    ///
    /// # Errors
    /// [`Finding::Field`](crate::Finding::Field).
    pub fn known(&mut self, person: &PersonId, version: &TemplateVersion) -> Result<Known, StoreFault> {
        self.reading(|conn, keys, ring| {
            let person = person.clone();
            let Some(row) = batch::person_row(conn, person.as_str())? else {
                let (templates, consents, credentials) = (Vec::new(), Vec::new(), Vec::new());
                return Ok(Known { person, record: None, templates, consents, credentials });
            };
            let key = ring.person_key(&row.id)?;
            let mut templates = Vec::new();
            for row in batch::templates_of(conn, &person)? {
                let template = row.open(keys, &key)?;
                templates.extend((template.version == *version).then_some(template.vector));
            }
            let mut credentials = Vec::new();
            for row in credentials::of(conn, &person)? {
                let (stored, code) = row.open(keys, &key)?;
                credentials.push((code, stored.holder));
            }
            let consents = consents::of(conn, &person)?;
            let consents = consents.iter().map(|row| row.open(keys, &key)).collect::<Result<_, _>>()?;
            Ok(Known { record: Some(row.open(keys, &key)?), person, templates, consents, credentials })
        })
    }
}

impl Batch<'_> {
    pub(crate) fn take(
        &mut self,
        step: &Step,
        at: Wall,
        presses: &mut dyn FnMut() -> bool,
    ) -> Result<Option<u32>, StoreFault> {
        let before = self.followed()?.map_or(0, |head| head.seq);
        if step.head.seq <= before {
            return Ok(Some(0));
        }
        if step.head.seq != before + 1 {
            return Err(StoreFault::EntryMissing { wanted: before + 1, came: step.head.seq });
        }
        if !step.deeds.is_empty() && step.deeds.iter().all(|deed| matches!(deed, Deed::Put(..))) {
            self.only_adds();
        }
        let mut skipped = 0;
        for deed in &step.deeds {
            if presses() {
                self.give_up();
                return Ok(None);
            }
            if let Err((place, reason)) = self.carry_out(deed, at)? {
                self.append(&What::Skipped(place.skipped(step.head.seq, reason)), at)?;
                skipped += 1;
            }
        }
        self.follow(&step.head)?;
        Ok(Some(skipped))
    }

    fn carry_out(&mut self, deed: &Deed, at: Wall) -> Result<Result<(), (Place, Reason)>, StoreFault> {
        match deed {
            Deed::Put(slot, thing) => {
                let done = self.put(slot, thing, at)?;
                return Ok(done.map_err(|reason| (Place::Person(slot.clone()), reason)));
            }
            Deed::Take(PersonSlot { person, slot, number }) => match slot {
                Slot::Template => self.drop_template(person, *number)?,
                Slot::Credential => drop(self.drop_credential(person, *number)?),
                Slot::Consent => self.drop_consent(person, *number)?,
                // A record ends with its person only.
                Slot::Record => {}
            },
            Deed::Erase(person) => match self.erase_person(person, at) {
                Ok(_) | Err(StoreFault::NoSuchPerson(_)) => {}
                Err(fault) => return Err(fault),
            },
            Deed::Rules(Some(text)) => self.put_rules(text)?,
            Deed::Rules(None) => self.drop_rules()?,
            Deed::Skip(place, reason) => return Ok(Err((place.clone(), *reason))),
        }
        Ok(Ok(()))
    }

    fn put(&mut self, PersonSlot { person, number, .. }: &PersonSlot, thing: &Thing, at: Wall) -> Done {
        let put = match thing {
            Thing::Record(record) => self.write_record(&PersonRecord {
                id: person.clone(),
                name: record.name.as_str().to_owned(),
                valid_from_ms: record.valid_from_ms,
                valid_until_ms: record.valid_until_ms,
                suspended: record.suspended,
            }),
            Thing::Template { version, vector, source, created_ms } => {
                let (vector, source) = (vector.vector().clone(), source.clone());
                let (slot, version, created_ms) = (*number, *version, *created_ms);
                self.write_template(person, &StoredTemplate { slot, version, vector, source, created_ms })
            }
            Thing::Credential { shown, without_face, once, valid_until_ms } => {
                let terms = Holder {
                    person: person.clone(),
                    slot: *number,
                    without_face: *without_face,
                    once: *once,
                    created_ms: at.ms,
                    valid_until_ms: if *once {
                        Some(end_of_once(*valid_until_ms, at))
                    } else {
                        *valid_until_ms
                    },
                };
                self.write_credential(shown, terms).map(drop)
            }
            Thing::Consent(purpose, term) => self.write_consent(person, &(*purpose, *term)),
        };
        match put {
            Ok(()) => Ok(Ok(())),
            Err(fault) => reason(fault).map(Err),
        }
    }
}

/// When a code for one time ends, however long its signer would have it last: that it was used is known for so long.
fn end_of_once(wanted: Option<i64>, at: Wall) -> i64 {
    let latest = at.ms.saturating_add(ONCE_LIFE_MAX_MS);
    wanted.map_or(latest, |wanted| wanted.min(latest))
}

/// Why something is left out, or the fault that nothing of the entry survives. Whoever wrote the first of these left
/// everything as it was.
fn reason(fault: StoreFault) -> Result<Reason, StoreFault> {
    match fault {
        StoreFault::NoSuchPerson(_) => Ok(Reason::NoRecord),
        StoreFault::CredentialTaken => Ok(Reason::Taken),
        StoreFault::TooMany { .. } => Ok(Reason::Full),
        StoreFault::TooLong { .. } => Ok(Reason::Unreadable),
        StoreFault::Refused(_)
        | StoreFault::Full
        | StoreFault::Busy
        | StoreFault::Database { .. }
        | StoreFault::File { .. }
        | StoreFault::Exists(_)
        | StoreFault::NoSuchCredential { .. }
        | StoreFault::AcknowledgedAhead { .. }
        | StoreFault::EntryMissing { .. }
        | StoreFault::Entry(_) => Err(fault),
    }
}
