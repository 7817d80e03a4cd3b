//! Everybody is read anew because another process changed the store: on a thread and a connection of their own, so that a
//! decision's record waits for none of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};

use anyhow::Context as _;
use doorward_core::gallery::{Gallery, InsertError};
use doorward_core::template::TemplateVersion;
use doorward_core::transform::{Protected, Transform};
use doorward_protocol::ids::PersonId;
use doorward_store::{Known, Store};

use crate::people::{People, permit};

/// A reading under way, or none.
pub(super) struct Reading {
    references: (TemplateVersion, usize),
    current: Option<Current>,
    /// Another process wrote again meanwhile.
    again: bool,
}

struct Current {
    people: Receiver<anyhow::Result<People>>,
    /// Of whom an entry of the roster was taken meanwhile: they may be older in what is read.
    touched: BTreeSet<PersonId>,
}

impl Reading {
    /// None yet, of these references.
    pub(super) fn new(references: (TemplateVersion, usize)) -> Self {
        Self { references, current: None, again: false }
    }

    /// Reads everybody as they are from now on; after the reading under way, if there is one.
    ///
    /// # Errors
    /// When the store cannot be opened a second time.
    pub(super) fn begin(&mut self, store: &Store) -> anyhow::Result<()> {
        if self.current.is_some() {
            self.again = true;
            return Ok(());
        }
        let mut reader = store.beside().context("open the store a second time")?;
        let ((version, dimension), (done, people)) = (self.references, sync_channel(1));
        std::thread::Builder::new()
            .name("people".to_owned())
            // Whoever stops meanwhile does not wait for it.
            .spawn(move || drop(done.send(load_people(&mut reader, version, dimension))))
            .context("start the thread that reads the persons")?;
        self.current = Some(Current { people, touched: BTreeSet::new() });
        Ok(())
    }

    /// What is being read is of no use any more.
    pub(super) fn forget(&mut self) {
        (self.current, self.again) = (None, false);
    }

    /// These persons became known in another way.
    pub(super) fn touch(&mut self, known: &[Known]) {
        if let Some(current) = &mut self.current {
            current.touched.extend(known.iter().map(|known| known.person.clone()));
        }
    }

    /// Whether something is being read.
    pub(super) fn is_under_way(&self) -> bool {
        self.current.is_some()
    }

    /// Everybody, once they were read.
    ///
    /// # Errors
    /// When they could not be read.
    pub(super) fn finished(&mut self, store: &mut Store) -> anyhow::Result<Option<People>> {
        let Some(current) = &self.current else { return Ok(None) };
        let mut people = match current.people.try_recv() {
            Ok(people) => people?,
            Err(TryRecvError::Empty) => return Ok(None),
            Err(TryRecvError::Disconnected) => anyhow::bail!("the thread that reads the persons broke"),
        };
        let touched = self.current.take().map(|current| current.touched).unwrap_or_default();
        let known: Result<Vec<_>, _> =
            touched.iter().map(|person| store.known(person, &self.references.0)).collect();
        people.learn(known.context("read the persons of an entry")?);
        if std::mem::take(&mut self.again) {
            self.begin(store)?;
        }
        Ok(Some(people))
    }
}

/// Reads all persons, their credentials, their consents and their references of the model in use.
///
/// # Errors
/// When the store cannot be read. References of another model are left out: they are never compared. So are those of
/// another length, which the model in use cannot have made: one of them must not keep a door shut for everybody.
pub fn load_people(store: &mut Store, version: TemplateVersion, dimension: usize) -> anyhow::Result<People> {
    let transform = Transform::new(&store.transform_key(), dimension);
    let mut gallery = Gallery::new(version, dimension);
    let mut refused = Ok(());
    let shown = store.templates(&version, |person, vector| {
        match gallery.insert(&person, version, &Protected::restore(vector)) {
            Err(InsertError::Template(fault)) => {
                tracing::error!(%person, "a reference is left out: {fault}");
            }
            Err(full) if refused.is_ok() => refused = Err(full),
            Ok(()) | Err(_) => {}
        }
    });
    shown.context("read the references")?;
    refused.context("take the references into memory")?;
    let permits: BTreeMap<_, _> = store
        .persons()
        .context("read the persons")?
        .into_iter()
        .map(|record| (record.id.clone(), permit(&record)))
        .collect();
    let wallet = store.wallet().context("read the credentials")?;
    let consents = store.consents().context("read the consents")?;
    Ok(People { permits, gallery, transform, wallet, consents })
}
