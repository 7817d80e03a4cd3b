//! A whole site instead of one terminal: with --roster a command changes nothing here, but signs what all terminals of a
//! site shall do, sealed to them.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use doorward_protocol::contents::{self, Content};
use doorward_protocol::hex::hex;
use doorward_protocol::ids::PersonId;
use doorward_protocol::roster::{Change, NUMBER_MAX, PersonSlot, Slot};
use doorward_protocol::sealing::{OpeningKey, SealingKey};
use ed25519_dalek::SigningKey;

use crate::answer::{Answer, Stop};
use crate::held::{Held, View};
use crate::keyfile::{self, AUTHORITY};
use crate::keys::{Looking, Signing, now_s};
use crate::ledger::Ledger;

/// Options of a command that can take or end something for a whole site.
#[derive(Debug, Args)]
#[command(next_help_heading = "For all terminals of a site")]
pub struct ForSite {
    /// Sign it into this roster, in place of changing this terminal's store.
    #[arg(long, value_name = "FILE", requires = "by")]
    roster: Option<PathBuf>,
    /// The private key that signs.
    #[arg(long, value_name = "FILE", requires = "roster")]
    by: Option<PathBuf>,
    /// Check, show what would be signed and what is in force now, and write nothing.
    #[arg(long, requires = "roster")]
    dry_run: bool,
    #[command(flatten)]
    looking: Looking,
}

/// Options of a command that can put something for a whole site.
#[derive(Debug, Args)]
pub struct SealedForSite {
    #[command(flatten)]
    site: ForSite,
    /// The sealing key of the site's terminals: its file, or the 64 digits; not needed once the roster says it.
    #[arg(long, value_name = "KEY", requires = "roster", help_heading = "For all terminals of a site")]
    seal_to: Option<String>,
}

/// A site's roster, about to be signed into.
pub struct Site {
    ledger: Ledger,
    key: SigningKey,
    dry: bool,
    /// What is in force, where it is to be shown beside what would be.
    held: Held,
    keys: Vec<OpeningKey>,
}

/// The same, with what its terminals open.
pub struct SealedSite {
    site: Site,
    sealing: SealingKey,
}

impl ForSite {
    /// The site; none where this terminal is meant.
    ///
    /// # Errors
    /// When key or roster cannot be read or trusted.
    pub fn open(&self) -> Answer<Option<Site>> {
        let Some((roster, by)) = self.roster.as_ref().zip(self.by.as_ref()) else { return Ok(None) };
        Site::open((roster, by), self.dry_run, &self.looking).map(Some)
    }
}

impl SealedForSite {
    /// As [`ForSite::open`].
    ///
    /// # Errors
    /// As [`ForSite::open`], and without a sealing key.
    pub fn open(&self) -> Answer<Option<SealedSite>> {
        let Some(site) = self.site.open()? else { return Ok(None) };
        site.sealed(self.seal_to.as_deref()).map(Some)
    }
}

/// The key to seal to, of what was given and what the roster says.
///
/// # Errors
/// Where neither says one; [`Stop::Refused`] where they say two.
pub fn sealing(given: Option<&str>, said: Option<[u8; 32]>) -> Answer<SealingKey> {
    let said = said.and_then(|bytes| SealingKey::from_bytes(&bytes));
    let given = given.map(keyfile::sealing).transpose()?;
    match (given, said) {
        (Some(given), Some(said)) if given != said => Err(Stop::refused(format!(
            "--seal-to is an earlier key: since the rotation this roster seals to {}; leave --seal-to away",
            hex(&said.to_bytes())
        ))),
        (given, said) => Ok(said.or(given).context(
            "--roster needs --seal-to, the sealing key of the site's terminals: `doorctl keys sealing` draws it",
        )?),
    }
}

impl Site {
    /// A site for a command that is of no use to one terminal alone.
    ///
    /// # Errors
    /// When key or roster cannot be read or trusted.
    pub fn signed(signing: &Signing, looking: &Looking) -> Answer<Self> {
        Self::open((&signing.roster, &signing.by), signing.dry_run, looking)
    }

    fn open((roster, by): (&Path, &Path), dry: bool, looking: &Looking) -> Answer<Self> {
        let key = keyfile::private(by, &AUTHORITY)?;
        let (mut held, keys) = (Held::default(), looking.keys()?);
        let ledger = Ledger::open_telling(roster, None, &mut |seq, entry| {
            if dry {
                held.follow(seq, entry);
            }
        })?;
        Ok(Self { ledger, key, dry, held, keys })
    }

    /// The same with the key to seal to, of what was given and what the roster says.
    ///
    /// # Errors
    /// As [`sealing`].
    pub fn sealed(mut self, seal_to: Option<&str>) -> Answer<SealedSite> {
        let sealing = sealing(seal_to, self.ledger.follower().seal_to())?;
        Ok(SealedSite { site: self, sealing })
    }

    /// Signs changes as one entry and says, line by line, what it says.
    ///
    /// # Errors
    /// [`Stop::Refused`] where the key may not, or a change cannot be.
    pub fn sign(mut self, changes: Vec<Change>, said: &[String], out: &mut dyn Write) -> Answer {
        let trust = self.ledger.follower().trust().clone();
        let view = View { held: &self.held, trust: &trust, keys: &self.keys };
        let compared = if self.dry { view.compare(&changes) } else { Vec::new() };
        let seq = self.ledger.append(changes, &self.key, now_s(), self.dry)?;
        match self.dry {
            true => writeln!(out, "entry {seq} would say, and nothing was written:")?,
            false => writeln!(out, "entry {seq}:")?,
        }
        for line in said {
            writeln!(out, "  {line}")?;
        }
        for line in compared {
            writeln!(out, "{line}")?;
        }
        Ok(())
    }

    /// Whether anything stands in a person's place.
    pub fn has(&mut self, person: &PersonId, slot: Slot, number: u32) -> bool {
        self.ledger.follower().has(&PersonSlot { person: person.clone(), slot, number })
    }
}

impl SealedSite {
    /// Seals a content for a person's place.
    ///
    /// # Errors
    /// [`Stop::Refused`] for one that is too long.
    pub fn seal<T: Content>(&mut self, person: &PersonId, number: u32, content: &T) -> Answer<Change> {
        let at = PersonSlot { person: person.clone(), slot: T::SLOT, number };
        let site = self.site.ledger.follower().trust().site().clone();
        let bytes = contents::write(content);
        let sealed = self.sealing.seal(&site, at, T::FORM, &bytes, &mut keyfile::generator());
        Ok(Change::PersonPut(sealed.map_err(Stop::refused)?))
    }

    /// The first `count` numbers of a person that nothing stands under.
    ///
    /// # Errors
    /// [`Stop::Refused`] where there are no more.
    pub fn free(&mut self, person: &PersonId, slot: Slot, count: usize) -> Answer<Vec<u32>> {
        let free: Vec<u32> =
            (0..=NUMBER_MAX).filter(|number| !self.site.has(person, slot, *number)).take(count).collect();
        match free.len() == count {
            true => Ok(free),
            false => Err(Stop::refused(format!("all numbers of {person} are in use; take some away first"))),
        }
    }

    /// Refuses a person whom no entry gives a record: terminals would leave out what is put for them.
    ///
    /// # Errors
    /// [`Stop::Refused`].
    pub fn known(&mut self, person: &PersonId) -> Answer {
        match self.site.has(person, Slot::Record, 0) {
            true => Ok(()),
            false => Err(Stop::refused(format!(
                "the roster has no record of {person}; `doorctl person put` or `enroll` with --roster puts it"
            ))),
        }
    }

    /// As [`Site::sign`].
    ///
    /// # Errors
    /// As [`Site::sign`].
    pub fn sign(self, changes: Vec<Change>, said: &[String], out: &mut dyn Write) -> Answer {
        self.site.sign(changes, said, out)
    }

    /// Whether nothing will be written.
    #[must_use]
    pub fn is_dry(&self) -> bool {
        self.site.dry
    }
}
