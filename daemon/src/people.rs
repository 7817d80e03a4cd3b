//! Everybody the terminal knows, as the decision needs it: rights, references and credentials in memory.

use std::collections::BTreeMap;

use doorward_core::gallery::Gallery;
use doorward_core::policy::Permit;
use doorward_core::transform::Transform;
use doorward_protocol::ids::PersonId;
use doorward_store::Wallet;

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
}
