//! Everybody the terminal knows, as the decision needs it: rights, references, credentials and consents in memory.

use std::collections::BTreeMap;

use doorward_core::consent::Consents;
use doorward_core::gallery::Gallery;
use doorward_core::policy::Permit;
use doorward_core::transform::{Protected, Transform};
use doorward_protocol::ids::PersonId;
use doorward_store::{Known, PersonRecord, Wallet};

/// One consistent picture of the store's persons.
pub struct People {
    /// Rights.
    pub permits: BTreeMap<PersonId, Permit>,
    /// References, in the site's transformed space.
    pub gallery: Gallery,
    /// Takes probes into that space.
    pub transform: Transform,
    /// Whose each credential is.
    pub wallet: Wallet,
    /// What each agreed to.
    pub consents: Consents,
}

impl People {
    /// Puts these persons, as they are now, in place of what was known of them.
    pub fn learn(&mut self, known: Vec<Known>) {
        self.wallet.replace(&known);
        let version = self.gallery.version();
        for Known { person, record, templates, consents, .. } in known {
            self.consents.replace(person.clone(), consents);
            self.gallery.remove(&person);
            for vector in templates {
                if let Err(fault) = self.gallery.insert(&person, version, &Protected::restore(vector)) {
                    tracing::error!(%person, "a reference is left out: {fault}");
                }
            }
            match record {
                Some(record) => drop(self.permits.insert(person, permit(&record))),
                None => drop(self.permits.remove(&person)),
            }
        }
    }
}

/// The right to pass that a record gives.
pub(crate) fn permit(record: &PersonRecord) -> Permit {
    Permit {
        valid_from_ms: record.valid_from_ms,
        valid_until_ms: record.valid_until_ms,
        suspended: record.suspended,
        open_for: None,
    }
}
