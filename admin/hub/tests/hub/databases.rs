//! The databases that the same tests run on: a new file of SQLite, and a new database of PostgreSQL.

use doorward_hub::database::Address;

use crate::cluster::Cluster;

/// Runs a test on a new database of each kind.
pub(crate) fn on_each(test: impl Fn(&Address)) {
    let folder = tempfile::tempdir().unwrap();
    test(&Address::File(folder.path().join("hub.db")));
    match Cluster::shared() {
        Some(cluster) => test(&cluster.database().parse().unwrap()),
        None => eprintln!("skipped on PostgreSQL: no server here; it is in the Debian package postgresql"),
    }
}
