//! The schema and its versions. They go forward only.

use super::{Columns, DatabaseFault, Kept, Transaction};

/// Every version, oldest first.
const VERSIONS: [&str; 3] =
    [include_str!("schema.sql"), include_str!("schema_2.sql"), include_str!("schema_3.sql")];

/// Brings a database to the newest version.
pub(super) fn migrate(transaction: &mut Transaction<'_>) -> Kept {
    let alone = transaction.driver.migrate_alone();
    transaction.told("migrate alone", alone)?;
    transaction.script(
        "look for its version",
        "CREATE TABLE IF NOT EXISTS doorhub_version (version INTEGER NOT NULL)",
    )?;
    let rows = transaction.query(
        "read its version",
        "SELECT CAST(COALESCE(MAX(version), 0) AS BIGINT) FROM doorhub_version",
        &[],
    )?;
    let found = rows.into_iter().next().ok_or(DatabaseFault::Nonsense("no version"))?;
    let found = usize::try_from(Columns::from(found).count()?).unwrap_or(usize::MAX);
    let Some(missing) = VERSIONS.get(found..) else {
        let why = format!(
            "has version {found}, this doorhub knows {}; run the newer doorhub that wrote it",
            VERSIONS.len()
        );
        return Err(DatabaseFault::Foreign { address: transaction.address.to_owned(), why });
    };
    for (number, schema) in (found + 1..).zip(missing) {
        let schema = transaction.driver.translated(schema);
        transaction.script("take the next version of the schema", &schema)?;
        let note = format!("INSERT INTO doorhub_version (version) VALUES ({number})");
        transaction.script("note its version", &note)?;
    }
    Ok(())
}
