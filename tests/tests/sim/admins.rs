//! What the terminal's own admins do on its store: enrol, erase, suspend.

use doorward_core::template::UnitVector;
use doorward_core::transform::Transform;
use doorward_daemon::journal::load_people;
use doorward_daemon::terminal::Input;
use doorward_hal::clock::Clock as _;
use doorward_store::PersonRecord;

use crate::eyes::{self, DIMENSION, VERSION};
use crate::hands;
use crate::model::Rights;
use crate::world::{World, name};

impl World {
    /// Lets the terminal know what changes.
    pub(crate) fn change_people(&mut self, change: impl FnOnce(&mut Self)) {
        change(self);
        let people = {
            let mut store = self.store.lock().expect("one thread");
            load_people(&mut store, VERSION, DIMENSION).expect("the store's persons can be read")
        };
        self.step(Input::People(Box::new(people)));
    }

    /// Enrols a person with everything that belongs to it.
    pub(crate) fn enrol(&mut self, who: u8) {
        let wall = self.clock.now().wall;
        let mut store = self.store.lock().expect("one thread");
        let transform = Transform::new(&store.transform_key(), DIMENSION);
        store.put_person(&record(who, false), wall).expect("a person can be put");
        if !self.model.enrolled.contains_key(&who) {
            let vector =
                UnitVector::normalise(eyes::features(who, 0.25, u64::from(who))).expect("a template");
            let template = transform.protect(&vector).expect("of the right dimension");
            store
                .put_template(&name(who), VERSION, template.vector(), "photo", wall)
                .expect("a template can be put");
            for (credential, terms) in hands::credentials(who, wall.ms) {
                store.put_credential(&credential, &terms, wall).expect("a credential can be put");
            }
        }
        drop(store);
        let fresh = Rights { code_given_ms: wall.ms, ..Rights::default() };
        self.model.enrolled.entry(who).or_insert(fresh).suspended = false;
    }

    /// Erases a person.
    pub(crate) fn erase(&mut self, who: u8) {
        if self.model.erased(who) {
            let wall = self.clock.now().wall;
            self.store
                .lock()
                .expect("one thread")
                .erase_person(&name(who), wall)
                .expect("a person can be erased");
        }
    }

    /// Suspends a person, or ends that.
    pub(crate) fn suspend(&mut self, who: u8, suspended: bool) {
        let Some(rights) = self.model.enrolled.get_mut(&who) else { return };
        rights.suspended = suspended;
        let wall = self.clock.now().wall;
        self.store
            .lock()
            .expect("one thread")
            .put_person(&record(who, suspended), wall)
            .expect("a person can be put");
    }
}

fn record(who: u8, suspended: bool) -> PersonRecord {
    PersonRecord {
        id: name(who),
        name: format!("Person {who}"),
        valid_from_ms: None,
        valid_until_ms: None,
        suspended,
    }
}
