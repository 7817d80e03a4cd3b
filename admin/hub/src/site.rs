//! A site as the hub follows it: whose word counts there, and where its roster has come to.

use doorward_protocol::audit::Hash;
use doorward_protocol::ids::SiteId;
use doorward_protocol::keys::PublicKey;
use doorward_protocol::roster::{Entry, Follower, Head, RosterFault};
use doorward_protocol::trust::{Reader, Refusal, Trust};

use crate::database::{Database, DatabaseFault, Kept, Transaction};
use crate::kept::{self, Pin};

/// Entries that are read from the database at a time.
const READ_AT_ONCE: usize = 64;

/// What a site begins with, from the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beginning {
    /// Its name.
    pub site: SiteId,
    /// Its root key.
    pub root: PublicKey,
    /// What its roster begins with.
    pub genesis: Hash,
}

/// A site.
pub struct Site {
    beginning: Beginning,
    follower: Follower,
    state: Hash,
}

/// Why a site cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum SiteFault {
    /// The database's.
    #[error(transparent)]
    Database(#[from] DatabaseFault),
    /// The database knows the site under another root.
    #[error("the database keeps site {0} under another root or genesis than the configuration names")]
    Pin(SiteId),
    /// What is kept is no roster of this site: somebody wrote to the database.
    #[error("the roster of site {site} that is kept breaks at entry {seq}: {why}")]
    Kept {
        /// The site.
        site: SiteId,
        /// The first entry that does not hold.
        seq: u64,
        /// Why.
        why: String,
    },
}

/// Why an entry is not appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendFault {
    /// Its signer may not.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It is not the next one.
    #[error(transparent)]
    Roster(#[from] RosterFault),
    /// Another hub was faster.
    #[error("another entry {0} was appended meanwhile; look at it and sign again")]
    Taken(u64),
    /// The database's.
    #[error(transparent)]
    Database(#[from] DatabaseFault),
    /// What is kept does not hold any more.
    #[error(transparent)]
    Site(#[from] SiteFault),
}

impl Site {
    /// Follows what is kept of a site.
    ///
    /// # Errors
    /// [`SiteFault`].
    pub fn open(beginning: Beginning, database: &mut Database) -> Result<Self, SiteFault> {
        let known = database.transaction(|transaction| {
            kept::pin(transaction, &beginning.site, &beginning.root, &beginning.genesis)
        })?;
        if known == Pin::Other {
            return Err(SiteFault::Pin(beginning.site));
        }
        let mut follower = start(&beginning);
        let mut site = Self { state: follower.tree().root(), follower, beginning };
        site.catch_up(database)?;
        Ok(site)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &SiteId {
        &self.beginning.site
    }

    /// Whose word counts now.
    #[must_use]
    pub fn trust(&self) -> &Trust {
        self.follower.trust()
    }

    /// Where its roster has come to.
    #[must_use]
    pub fn head(&self) -> Head {
        self.follower.head()
    }

    /// What is in force, as one hash: what a terminal holds that followed to the head.
    #[must_use]
    pub fn state(&self) -> Hash {
        self.state
    }

    /// Follows what other hubs appended; whether there was any.
    ///
    /// # Errors
    /// [`SiteFault`].
    pub fn catch_up(&mut self, database: &mut Database) -> Result<bool, SiteFault> {
        let before = self.head();
        loop {
            let after = self.head().seq;
            let site = self.beginning.site.clone();
            let read = |transaction: &mut Transaction<'_>| -> Kept<_> {
                kept::entries_after(transaction, &site, after, None, READ_AT_ONCE)
            };
            let entries = database.transaction(read)?.unwrap_or_default();
            if entries.is_empty() {
                return Ok(self.head() != before);
            }
            for bytes in &entries {
                let seq = self.head().seq + 1;
                self.follow(bytes).map_err(|fault| SiteFault::Kept {
                    site: site.clone(),
                    seq,
                    why: fault.to_string(),
                })?;
            }
        }
    }

    /// Appends an entry that somebody signed.
    ///
    /// # Errors
    /// [`AppendFault`]; nothing was appended then.
    pub fn append(&mut self, bytes: &[u8], database: &mut Database) -> Result<(), AppendFault> {
        self.catch_up(database)?;
        self.follow(bytes)?;
        let (site, head) = (&self.beginning.site, self.head());
        let kept = database.transaction(|transaction| kept::append(transaction, site, head, bytes));
        if !matches!(kept, Ok(true)) {
            // It was followed and is not kept: begin anew from what is.
            self.follower = start(&self.beginning);
            self.catch_up(database)?;
        }
        if kept? { Ok(()) } else { Err(AppendFault::Taken(head.seq)) }
    }

    fn follow(&mut self, bytes: &[u8]) -> Result<(), AppendFault> {
        let reader = Reader { terminal: None, now_s: None };
        let entry = self.follower.trust().authorise::<Entry>(bytes, &reader)?;
        self.follower.follow(&entry, bytes)?;
        self.state = self.follower.tree().root();
        Ok(())
    }
}

fn start(beginning: &Beginning) -> Follower {
    Follower::new(beginning.genesis, Trust::pinned(beginning.site.clone(), beginning.root))
}
