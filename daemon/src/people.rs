//! Everybody the terminal knows, as the decision needs it: rights, and references in memory.

use std::collections::BTreeMap;

use doorward_core::gallery::Gallery;
use doorward_core::policy::Permit;
use doorward_core::transform::Transform;
use doorward_protocol::ids::PersonId;

/// One consistent picture of the store's persons.
pub struct People {
    /// Rights.
    pub permits: BTreeMap<PersonId, Permit>,
    /// References, in the site's transformed space.
    pub gallery: Gallery,
    /// Takes probes into that space.
    pub transform: Transform,
}
