//! Another opening key for a site: drawn, handed to every terminal through the roster, and what was sealed before sealed
//! again.
//!
//! A terminal follows entries in their order, however late: what was sealed before the rotation opens with the key it had,
//! the entries that hand it the new key come next, and nothing is sealed to that one before them. So no moment has to be
//! agreed upon, and a terminal that was away for a month misses nothing. Whoever stole the old key and has a copy of the
//! roster goes on reading what was sealed to it, and nothing that is sealed from then on.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use doorward_protocol::hex::hex;
use doorward_protocol::ids::SiteId;
use doorward_protocol::keys::{KeyId, PublicKey, Role};
use doorward_protocol::roster::{CHANGES_MAX, Change, PersonPut, SealTo};
use doorward_protocol::sealing::{OpeningKey, SealingKey};
use doorward_protocol::trust::Trust;
use doorward_store::{KeySource, OPENING_KEYS_MAX, opening_keys};
use indicatif::ProgressBar;
use rand_chacha::ChaCha20Rng;

use crate::answer::{Answer, Stop};
use crate::held::Held;
use crate::keyfile::{self, AUTHORITY};
use crate::keys::{Signing, now_s};
use crate::ledger::Ledger;

/// Sealed bytes in one entry: half a message, so that places and names beside them fit as well.
const ENTRY_BYTES_MAX: usize = 128 * 1024;

/// Options of `keys rotate`.
#[derive(Debug, Args)]
pub struct Rotate {
    #[command(flatten)]
    signing: Signing,
    /// The file of the key that opens now.
    #[arg(long, value_name = "FILE")]
    opening_key: PathBuf,
    /// Go on although some terminals cannot be handed the key: they leave out what is sealed to it.
    #[arg(long)]
    leave_out: bool,
    /// Where the new key goes, and those before it; the file must not exist.
    file: PathBuf,
}

/// Options of `roster reseal`.
#[derive(Debug, Args)]
pub struct Reseal {
    #[command(flatten)]
    signing: Signing,
    /// The file of the opening keys, as `keys rotate` wrote it.
    #[arg(long, value_name = "FILE")]
    opening_key: PathBuf,
}

/// Draws another opening key, hands it to the terminals, and has contents sealed to it from then on.
///
/// # Errors
/// [`Stop::Refused`] where a terminal would be left out, or the key that signs may not.
pub fn rotate(options: &Rotate, out: &mut dyn Write) -> Answer {
    let key = keyfile::private(&options.signing.by, &AUTHORITY)?;
    let mut earlier = present(&options.opening_key)?;
    let mut ledger = Ledger::open(&options.signing.roster, None)?;
    in_force(&earlier, ledger.follower().seal_to(), &options.opening_key)?;
    let trust = ledger.follower().trust().clone();
    // Asked before anything is drawn; who signs is checked again with each entry.
    if PublicKey::of(&key) != trust.root() {
        return Err(Stop::refused("the root key alone hands keys to terminals"));
    }
    let (told, untold) = terminals(&trust);
    for name in &untold {
        writeln!(out, "{name} was admitted without a key to hand it anything by")?;
    }
    if !untold.is_empty() && !options.leave_out {
        return Err(Stop::refused(
            "some terminals cannot be handed a key: admit them again (`doorctl terminal request` and `provision`), retire \
             them, or say --leave-out",
        ));
    }
    let mut rng = keyfile::generator();
    let new = OpeningKey::draw(&mut rng);
    let mut changes: Vec<Change> =
        told.iter().map(|(to, with)| Change::Hand(with.hand(trust.site(), *to, &new, &mut rng))).collect();
    let sealing = new.sealing_key();
    changes.push(Change::SealTo(SealTo { sealing: sealing.to_bytes().into() }));
    earlier.truncate(OPENING_KEYS_MAX - 1);
    earlier.insert(0, new);
    // On the disk before anybody is handed it: what is sealed to a lost key opens for nobody.
    if !options.signing.dry_run {
        keyfile::write_opening(&options.file, &earlier, out)?;
    }
    let entries = changes.len().div_ceil(CHANGES_MAX);
    for part in changes.chunks(CHANGES_MAX) {
        ledger.append(part.to_vec(), &key, now_s(), options.signing.dry_run)?;
    }
    let said = if options.signing.dry_run { "would be signed, and nothing was written" } else { "signed" };
    let (count, head) = (told.len(), ledger.follower().head().seq);
    writeln!(out, "{entries} entries {said}, up to entry {head}: the key is handed to {count} terminals")?;
    writeln!(out, "from there on contents are sealed to {}", hex(&sealing.to_bytes()))?;
    Ok(())
}

/// Seals again what is in force and was sealed to an earlier key.
///
/// # Errors
/// [`Stop::Refused`] where nothing was rotated, something opens with none of the keys, or the key that signs may not.
pub fn reseal(options: &Reseal, out: &mut dyn Write) -> Answer {
    let key = keyfile::private(&options.signing.by, &AUTHORITY)?;
    let keys = present(&options.opening_key)?;
    let mut held = Held::default();
    let roster = &options.signing.roster;
    let mut ledger = Ledger::open_telling(roster, None, &mut |seq, entry| held.follow(seq, entry))?;
    if ledger.follower().seal_to().is_none() {
        return Err(Stop::refused("no key was rotated at this site; `doorctl keys rotate` does it"));
    }
    let newest = in_force(&keys, ledger.follower().seal_to(), &options.opening_key)?;
    let site = ledger.follower().trust().site().clone();
    let bar = ProgressBar::new(held.persons.len() as u64);
    let (mut rng, mut part, mut bytes, mut done) = (keyfile::generator(), Vec::new(), 0, 0);
    for (_, put) in bar.wrap_iter(held.persons.into_values()) {
        let Some(again) = sealed_again(&put, &keys, &newest, &site, &mut rng)? else { continue };
        bytes += again.sealed.0.len();
        part.push(Change::PersonPut(again));
        done += 1;
        if part.len() == CHANGES_MAX || bytes > ENTRY_BYTES_MAX {
            ledger.append(std::mem::take(&mut part), &key, now_s(), options.signing.dry_run)?;
            bytes = 0;
        }
    }
    bar.finish_and_clear();
    if !part.is_empty() {
        ledger.append(part, &key, now_s(), options.signing.dry_run)?;
    }
    let said =
        if options.signing.dry_run { "would be sealed again; nothing was written" } else { "sealed again" };
    writeln!(out, "{done} contents {said}, up to entry {}", ledger.follower().head().seq)?;
    Ok(())
}

/// The content sealed to the newest key; none where it is already.
fn sealed_again(
    put: &PersonPut,
    keys: &[OpeningKey],
    newest: &SealingKey,
    site: &SiteId,
    rng: &mut ChaCha20Rng,
) -> Answer<Option<PersonPut>> {
    let opened = keys.iter().enumerate().find_map(|(age, key)| Some((age, key.open(site, put).ok()?)));
    let at = &put.at;
    let (age, content) = opened.ok_or_else(|| {
        Stop::refused(format!(
            "{:?} {} of {} opens with none of these keys: put it again or take it away first",
            at.slot, at.number, at.person
        ))
    })?;
    if age == 0 {
        return Ok(None);
    }
    let again = newest.seal(site, at.clone(), put.form, &content, rng);
    Ok(Some(again.map_err(Stop::refused)?))
}

/// The keys in a file, the newest first.
fn present(file: &Path) -> anyhow::Result<Vec<OpeningKey>> {
    opening_keys(&KeySource::File(file.to_owned())).context("--opening-key")
}

/// The sealing key of the newest, which must be the one that the roster says.
pub(crate) fn in_force(keys: &[OpeningKey], seal_to: Option<[u8; 32]>, file: &Path) -> Answer<SealingKey> {
    let newest = keys.first().expect("a file of keys holds one").sealing_key();
    match seal_to {
        Some(to) if to != newest.to_bytes() => Err(Stop::refused(format!(
            "the roster seals to {}, and the newest key in {} is another one: give the file that `doorctl keys rotate` wrote \
             last",
            hex(&to),
            file.display()
        ))),
        Some(_) | None => Ok(newest),
    }
}

/// Terminals' keys that count, each with what it joined with; and the names of those without.
fn terminals(trust: &Trust) -> (Vec<(KeyId, SealingKey)>, Vec<String>) {
    let (mut told, mut untold) = (Vec::new(), Vec::new());
    for (delegation, revoked) in trust.holders() {
        if revoked || delegation.roles != [Role::Terminal] {
            continue;
        }
        match delegation.joined_with.and_then(|bytes| SealingKey::from_bytes(&bytes)) {
            Some(key) => told.push((delegation.key.id(), key)),
            None => untold.extend(delegation.terminal.as_ref().map(ToString::to_string)),
        }
    }
    (told, untold)
}
