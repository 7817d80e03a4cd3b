//! `doorctl pack install`: which pack a terminal takes.
//!
//! Every pack has a folder of its own under `installed`, named by its manifest's digest; the links `current` and
//! `previous` say which one is taken and which one was. A link changes in one step, so that a terminal finds the old pack
//! or the new one whenever the power goes. What a package manager put beside them is left alone.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use doorward_models::engine::EngineKind;
use doorward_models::pack::signature::{Origin, SIGNATURE_NAME};
use doorward_models::pack::{
    self, CURRENT, MANIFEST_LEN_MAX, MANIFEST_NAME, Pack as Opened, PackPath, SYSTEM_FOLDER, hex,
    read_bounded,
};
use sha2::{Digest as _, Sha256};

use super::{home, judged, keys, origin_of, prove, told, written};
use crate::answer::{Answer, Stop};
use crate::folder;
use crate::mind::Minding;

/// The folder of all packs that were installed.
const INSTALLED: &str = "installed";

/// The link to the pack before the current one.
const PREVIOUS: &str = "previous";

/// Digits of the digest in a folder's name: enough to tell packs apart, few enough to be read.
const NAME_DIGITS: usize = 16;

/// Folders for one digest: the second is for a first one that was damaged, the others for bad luck.
const FOLDERS_MAX: u32 = 9;

/// Longest signature: it is copied as it is.
const SIGNATURE_LEN_MAX: u64 = 4096;

/// Options of `install`.
#[derive(Debug, Args)]
#[command(
    after_help = "The pack is checked and each of its models loaded once before anything is changed. doord takes the new pack when \
    it starts the next time. The pack before it is kept for --rollback; older ones are removed. Templates belong to an \
    embedding model: where that one changes, people are enrolled again.\n\n\
    Examples:\n  \
    sudo doorctl pack install ours --trust pack.key.pub\n  \
    sudo doorctl pack install --rollback\n\n\
    Exit code: 0 installed, or already so; 2 the pack is not what its manifest says, or nobody who is trusted answers for \
    it; 1 fault."
)]
pub struct Install {
    /// Folder of the pack, or the name of one in the usual places.
    #[arg(required_unless_present = "rollback")]
    pack: Option<PathBuf>,
    /// The folder of packs.
    #[arg(long, value_name = "DIR", default_value = SYSTEM_FOLDER)]
    to: PathBuf,
    /// Ask that one of these keys signed it: the file that `keygen` wrote beside the key, or its 64 digits.
    #[arg(long, value_name = "KEY")]
    trust: Vec<String>,
    /// Take the previous pack again.
    #[arg(long, conflicts_with = "pack")]
    rollback: bool,
}

/// Installs a pack, or goes back.
///
/// # Errors
/// [`Stop::Refused`] for a pack that is not what it says; nothing is changed then.
pub fn run(options: &Install, minding: &Minding, out: &mut dyn Write) -> Answer {
    let engine = minding.engine()?;
    match &options.pack {
        Some(pack) => install(pack, options, &engine, out),
        None => roll_back(options, &engine, out),
    }
}

fn install(source: &Path, options: &Install, engine: &EngineKind, out: &mut dyn Write) -> Answer {
    let trusted = keys::trusted(&options.trust)?;
    let place = pack::find(Some(source)).map_err(judged)?;
    let pack = Opened::open(&place).map_err(judged)?;
    let origin = origin_of(&place, &pack, &trusted)?;
    prove(&pack, engine)?;
    let installed = options.to.join(INSTALLED);
    make_readable(&[&options.to, &installed])?;
    let name = lay_down(&place, &pack, &installed)?;
    let current = options.to.join(CURRENT);
    let before = target(&current);
    let target = Path::new(INSTALLED).join(&name);
    if before.as_ref() == Some(&target) {
        writeln!(out, "{} is the current pack already: {}", pack.title(), current.display())?;
    } else {
        // Worth going back to is another pack, and a whole one.
        let worthy = |before: &&PathBuf| {
            Opened::open(&alone(&options.to.join(before))).is_ok_and(|old| old.digest() != pack.digest())
        };
        if let Some(before) = before.as_ref().filter(worthy) {
            let previous = options.to.join(PREVIOUS);
            written(folder::point(&previous, before), &previous)?;
        }
        written(folder::point(&current, &target), &current)?;
        writeln!(out, "{} installed: {}", pack.title(), current.display())?;
    }
    prune(&options.to)?;
    writeln!(out, "  digest  {}", hex(&pack.digest()))?;
    writeln!(out, "  origin  {}", told(&origin))?;
    if !matches!(origin, Origin::Trusted(_)) {
        writeln!(out, "  Nothing proves who made this pack: name its maker's key with --trust KEY.")?;
    }
    Ok(())
}

/// Makes the folders that are missing so that doord, another user, reads them whatever mask the caller's shell has.
fn make_readable(folders: &[&Path]) -> anyhow::Result<()> {
    for folder in folders.iter().filter(|folder| !folder.is_dir()) {
        let made = fs::create_dir_all(folder);
        written(made.and_then(|()| fs::set_permissions(folder, Permissions::from_mode(0o755))), folder)?;
    }
    Ok(())
}

/// Puts a pack into a folder of its own, whole and checked, and returns the folder's name. Where it lies already, whole,
/// it stays.
fn lay_down(place: &PackPath, pack: &Opened, installed: &Path) -> Answer<String> {
    let digest = hex(&pack.digest());
    let names = (0..FOLDERS_MAX).map(|n| match n {
        0 => digest[..NAME_DIGITS].to_owned(),
        n => format!("{}-{n}", &digest[..NAME_DIGITS]),
    });
    for name in names {
        let path = installed.join(&name);
        if !path.exists() {
            copy(place, pack, &path)?;
        }
        let laid = Opened::open(&alone(&path));
        if laid.is_ok_and(|laid| laid.digest() == pack.digest()) && same_signature(home(place), &path) {
            return Ok(name);
        }
    }
    Err(Stop::Fault(anyhow::anyhow!(
        "{} holds {FOLDERS_MAX} damaged copies of this pack: examine the disk, and remove them",
        installed.display()
    )))
}

/// Copies a pack into a draft beside `path`, then gives it its name.
fn copy(place: &PackPath, pack: &Opened, path: &Path) -> Answer {
    let manifest = read_bounded(&place.manifest, MANIFEST_LEN_MAX).map_err(judged)?;
    if <[u8; 32]>::from(Sha256::digest(&manifest)) != pack.digest() {
        return Err(Stop::refused(format!("{} changed while it was read", place.manifest.display())));
    }
    let draft = folder::draft_of(path);
    written(folder::fresh(&draft), &draft)?;
    let put = |name: &str, bytes: &[u8]| {
        let file = draft.join(name);
        let done = folder::write(&file, bytes)
            .and_then(|()| fs::set_permissions(&file, Permissions::from_mode(0o644)));
        written(done, &file)
    };
    for entry in pack.manifest().entries() {
        put(&entry.file, pack.weights(entry))?;
    }
    put(MANIFEST_NAME, &manifest)?;
    let signature = home(place).join(SIGNATURE_NAME);
    if signature.exists() {
        put(SIGNATURE_NAME, &read_bounded(&signature, SIGNATURE_LEN_MAX).map_err(judged)?)?;
    }
    written(fs::set_permissions(&draft, Permissions::from_mode(0o755)), &draft)?;
    written(folder::settle(&draft, path), path)?;
    Ok(())
}

/// Whether two copies of a pack are signed alike.
fn same_signature(one: &Path, other: &Path) -> bool {
    let read = |folder: &Path| read_bounded(&folder.join(SIGNATURE_NAME), SIGNATURE_LEN_MAX).ok();
    read(one) == read(other)
}

fn roll_back(options: &Install, engine: &EngineKind, out: &mut dyn Write) -> Answer {
    let (current, previous) = (options.to.join(CURRENT), options.to.join(PREVIOUS));
    let Some(wanted) = target(&previous) else {
        return Err(Stop::refused(format!("{} holds no previous pack to go back to", options.to.display())));
    };
    let place = alone(&options.to.join(&wanted));
    let pack = Opened::open(&place).map_err(judged)?;
    let origin = origin_of(&place, &pack, &keys::trusted(&options.trust)?)?;
    prove(&pack, engine)?;
    let before = target(&current);
    // What was asked for comes first: a power cut between the two forgets only the way forward.
    written(folder::point(&current, &wanted), &current)?;
    if let Some(before) = before {
        written(folder::point(&previous, &before), &previous)?;
    }
    writeln!(out, "{} is the current pack again: {}", pack.title(), current.display())?;
    writeln!(out, "  digest  {}", hex(&pack.digest()))?;
    writeln!(out, "  origin  {}", told(&origin))?;
    Ok(())
}

/// A pack all of whose files lie in one folder.
fn alone(folder: &Path) -> PackPath {
    PackPath { manifest: folder.join(MANIFEST_NAME), folders: vec![folder.to_owned()] }
}

/// What a link points at, if it is one of this command's.
fn target(link: &Path) -> Option<PathBuf> {
    fs::read_link(link).ok().filter(|target| target.starts_with(INSTALLED))
}

/// Removes what neither link names.
fn prune(to: &Path) -> Answer {
    let kept = [CURRENT, PREVIOUS].map(|link| target(&to.join(link)));
    let installed = to.join(INSTALLED);
    for item in written(fs::read_dir(&installed), &installed)? {
        let item = written(item, &installed)?;
        let name = Path::new(INSTALLED).join(item.file_name());
        if !kept.iter().flatten().any(|target| *target == name) {
            written(folder::clear(&item.path()), &item.path())?;
        }
    }
    Ok(())
}
