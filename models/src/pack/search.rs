//! Where packs lie, and which one is taken.
//!
//! What an operator installed or named is taken or refused, never passed over. Where nobody chose, it is the recommended
//! pack if its weights are at hand, and the house pack otherwise, whose weights lie beside its manifest.

use std::collections::HashSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::{MANIFEST_LEN_MAX, Manifest, PackFault, read_bounded};

/// File name of a manifest.
pub const MANIFEST_NAME: &str = "pack.toml";

/// File name of a recipe.
pub const RECIPE_NAME: &str = "recipe.toml";

/// Where the Debian package puts its packs, and `doorctl pack install` the one that was chosen.
pub const SYSTEM_FOLDER: &str = "/usr/share/doorward/models";

/// The installed pack within a folder of packs: a link, so that another one takes its place in one step.
pub const CURRENT: &str = "current";

/// The pack that is taken where its weights are at hand.
const RECOMMENDED: &str = "recommended";

/// The pack that every checkout has, weights and all.
const HOUSE: &str = "house";

/// A manifest, and the folders in which its weights are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackPath {
    /// The manifest.
    pub manifest: PathBuf,
    /// Folders, first to last. Weights are pinned, so any of them will do.
    pub folders: Vec<PathBuf>,
}

impl PackPath {
    /// The first file of weights that lies in none of the folders; nothing for a complete pack, or a manifest that
    /// cannot be read, which whoever opens it is told. Digests are checked when it is opened: a damaged file is a
    /// fault, not a reason to take another pack in silence.
    fn lacking(&self) -> Option<String> {
        let bytes = read_bounded(&self.manifest, MANIFEST_LEN_MAX).ok()?;
        let manifest = Manifest::parse(&self.manifest, &bytes).ok()?;
        let lies_somewhere = |file: &str| self.folders.iter().any(|folder| folder.join(file).is_file());
        manifest.entries().find(|entry| !lies_somewhere(&entry.file)).map(|entry| entry.file.clone())
    }
}

/// Finds the pack.
///
/// Without `explicit` the usual places are [`SYSTEM_FOLDER`] and, from the working folder, `models/packs` and
/// `../shared/models`; development builds (with debug assertions) also look beside the sources they were compiled from,
/// so that tests and the demo work from any working folder. A pack that lies in one of these itself, or was installed
/// there, comes first; then `recommended` in any of them if its weights lie in any of them; then `house`.
///
/// `explicit` is the folder of a pack, or a folder of packs, or one with the weights of the recommended pack, whose
/// manifest then comes from the usual places; or the name of a pack in the usual places.
///
/// # Errors
/// [`PackFault::NotFound`] with everything tried, [`PackFault::NoFolder`], [`PackFault::NoPack`],
/// [`PackFault::Unbuilt`].
pub fn find(explicit: Option<&Path>) -> Result<PackPath, PackFault> {
    match explicit {
        None => find_in(&usual()),
        Some(path) => named(path, &usual()),
    }
}

/// Finds the pack in `folders`, which are searched as the usual places are.
///
/// # Errors
/// [`PackFault::NotFound`].
pub fn find_in(folders: &[PathBuf]) -> Result<PackPath, PackFault> {
    preferred(candidates(folders, folders)).ok_or_else(|| PackFault::NotFound { tried: tried(folders) })
}

/// Every pack of the usual places whose weights are all there, the preferred one first, none twice.
#[must_use]
pub fn all_present() -> Vec<PackPath> {
    all_in(&usual())
}

fn all_in(folders: &[PathBuf]) -> Vec<PackPath> {
    let mut seen = HashSet::new();
    let mut unseen = |path: &PackPath| {
        let bytes = read_bounded(&path.manifest, MANIFEST_LEN_MAX).unwrap_or_default();
        seen.insert(Sha256::digest(bytes))
    };
    let complete =
        candidates(folders, folders).into_iter().map(|c| c.path).filter(|path| path.lacking().is_none());
    complete.filter(|path| unseen(path)).collect()
}

/// The pack that somebody named.
fn named(path: &Path, usual: &[PathBuf]) -> Result<PackPath, PackFault> {
    if !path.is_dir() {
        return by_name(path, usual).ok_or_else(|| PackFault::NoFolder { path: path.to_owned() });
    }
    let here = [path.to_owned()];
    let everywhere: Vec<PathBuf> = here.iter().chain(usual).cloned().collect();
    if let Some(taken) = preferred(candidates(&here, &everywhere)) {
        return Ok(taken);
    }
    let recipe = path.join(RECIPE_NAME);
    if recipe.is_file() {
        return Err(PackFault::Unbuilt { path: recipe });
    }
    let recommended = manifests(usual, RECOMMENDED).next();
    let Some(recommended) = recommended.map(|manifest| with_weights(manifest, &everywhere)) else {
        return Err(PackFault::NotFound { tried: tried(&here) });
    };
    match recommended.lacking() {
        None => Ok(recommended),
        Some(lacking) => Err(PackFault::NoPack { path: path.to_owned(), lacking }),
    }
}

/// A pack of the usual places by its plain name.
fn by_name(path: &Path, usual: &[PathBuf]) -> Option<PackPath> {
    let mut components = path.components();
    let (Some(Component::Normal(name)), None) = (components.next(), components.next()) else { return None };
    let manifest = manifests(usual, name.to_str()?).next()?;
    Some(with_weights(manifest, usual))
}

/// A pack that might be taken.
struct Candidate {
    path: PackPath,
    /// Somebody put it where packs are looked for; it is not merely one of several that lie there.
    chosen: bool,
}

/// The first one that was chosen or is complete. A manifest whose weights are missing is better than none: whoever opens
/// it is told what to fetch.
fn preferred(mut candidates: Vec<Candidate>) -> Option<PackPath> {
    let place = candidates.iter().position(|c| c.chosen || c.path.lacking().is_none()).unwrap_or(0);
    (!candidates.is_empty()).then(|| candidates.swap_remove(place).path)
}

/// The packs in `folders` in the order in which they are preferred, their weights anywhere in `everywhere`.
fn candidates(folders: &[PathBuf], everywhere: &[PathBuf]) -> Vec<Candidate> {
    // Resolved, so that an installation while the pack is being read does not mix two packs.
    let resolved = |folder: &PathBuf| fs::canonicalize(folder.join(CURRENT)).ok();
    let chosen = folders.iter().flat_map(|folder| [resolved(folder), Some(folder.clone())]).flatten();
    let chosen = chosen.map(|folder| (folder.join(MANIFEST_NAME), true)).filter(|(path, _)| path.is_file());
    let others = [RECOMMENDED, HOUSE].into_iter().flat_map(|name| manifests(folders, name));
    let all = chosen.chain(others.map(|manifest| (manifest, false)));
    all.map(|(manifest, chosen)| Candidate { path: with_weights(manifest, everywhere), chosen }).collect()
}

/// The manifests of the packs of one name.
fn manifests(folders: &[PathBuf], name: &str) -> impl Iterator<Item = PathBuf> {
    folders.iter().map(move |folder| folder.join(name).join(MANIFEST_NAME)).filter(|path| path.is_file())
}

/// Weights beside the manifest come first: that is where a complete pack has them.
fn with_weights(manifest: PathBuf, folders: &[PathBuf]) -> PackPath {
    let home = manifest.parent().unwrap_or(Path::new("")).to_owned();
    let mut places = vec![home.clone()];
    places.extend(tried(folders).into_iter().filter(|folder| *folder != home));
    PackPath { manifest, folders: places }
}

fn tried(folders: &[PathBuf]) -> Vec<PathBuf> {
    let within = |folder: &PathBuf| [folder.clone(), folder.join(RECOMMENDED), folder.join(HOUSE)];
    folders.iter().flat_map(within).collect()
}

fn usual() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        [SYSTEM_FOLDER, "models/packs", "../shared/models"].map(PathBuf::from).into();
    if cfg!(debug_assertions) {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
        folders.extend([sources.join("packs"), sources.join("../../shared/models")]);
    }
    folders
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    /// The manifest of the recommended pack, its files under names that begin with another one.
    fn manifest(name: &str) -> String {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packs/recommended").join(MANIFEST_NAME);
        fs::read_to_string(path).unwrap().replace("file = \"", &format!("file = \"{name}-"))
    }

    /// Two places in which packs are looked for.
    struct Places {
        root: TempDir,
        folders: Vec<PathBuf>,
    }

    impl Places {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            let folders = ["system", "packs"].map(|name| root.path().join(name)).to_vec();
            folders.iter().for_each(|folder| fs::create_dir(folder).unwrap());
            Self { root, folders }
        }

        /// Puts a manifest into a folder of its own.
        fn pack(&self, folder: &str) -> PathBuf {
            let home = self.root.path().join(folder);
            fs::create_dir_all(&home).unwrap();
            let name = home.file_name().unwrap().to_str().unwrap();
            fs::write(home.join(MANIFEST_NAME), manifest(name)).unwrap();
            home
        }

        /// Puts files of the names that a pack asks for into a folder.
        fn weights(&self, folder: &str, name: &str) -> PathBuf {
            let home = self.root.path().join(folder);
            fs::create_dir_all(&home).unwrap();
            let parsed = Manifest::parse(Path::new("x"), manifest(name).as_bytes()).unwrap();
            parsed.entries().for_each(|entry| fs::write(home.join(&entry.file), "").unwrap());
            home
        }

        #[track_caller]
        fn finds(&self, home: &Path) {
            assert_eq!(find_in(&self.folders).unwrap().manifest, home.join(MANIFEST_NAME));
        }
    }

    #[test]
    fn the_recommended_pack_is_taken_where_its_weights_are_and_the_house_pack_otherwise() {
        let places = Places::new();
        let recommended = places.pack("packs/recommended");
        places.finds(&recommended);
        let house = places.pack("packs/house");
        places.finds(&recommended);
        places.weights("packs/house", "house");
        places.finds(&house);
        let present = || all_in(&places.folders).into_iter().map(|path| path.manifest).collect::<Vec<_>>();
        assert_eq!(present(), [house.join(MANIFEST_NAME)]);
        places.weights("system", "recommended");
        places.finds(&recommended);
        let found = find_in(&places.folders).unwrap();
        assert_eq!(found.folders[0], recommended);
        assert!(found.folders.contains(&places.folders[0]) && found.folders.contains(&house));
        assert_eq!(present(), [recommended.join(MANIFEST_NAME), house.join(MANIFEST_NAME)]);
    }

    #[test]
    fn h5_what_was_installed_is_never_passed_over() {
        let places = Places::new();
        places.pack("packs/recommended");
        places.weights("packs/recommended", "recommended");
        let own = places.pack("system");
        places.finds(&own);
        let installed = places.pack("system/installed/1");
        symlink("installed/1", places.folders[0].join(CURRENT)).unwrap();
        places.finds(&fs::canonicalize(&installed).unwrap());
        fs::write(installed.join(MANIFEST_NAME), "damaged").unwrap();
        places.finds(&fs::canonicalize(&installed).unwrap());
    }

    #[test]
    fn the_same_pack_in_two_places_counts_once() {
        let places = Places::new();
        let one = places.pack("packs/house");
        fs::create_dir(places.folders[0].join(HOUSE)).unwrap();
        fs::copy(one.join(MANIFEST_NAME), places.folders[0].join(HOUSE).join(MANIFEST_NAME)).unwrap();
        places.weights("packs", "house");
        assert_eq!(all_in(&places.folders).len(), 1);
    }

    #[test]
    fn a_search_without_result_names_every_folder_and_what_to_do() {
        let root = tempfile::tempdir().unwrap();
        let text = find_in(&[root.path().join("x"), root.path().join("y")]).unwrap_err().to_string();
        for part in ["/x,", "/y", "/house", "pack.toml", "--models DIR"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn a_named_folder_is_taken_or_refused() {
        let places = Places::new();
        let house = places.pack("packs/house");
        places.weights("packs/house", "house");
        places.pack("packs/recommended");
        let named = |folder: &Path| named(folder, &places.folders);
        let other = places.pack("other");
        assert_eq!(named(&other).unwrap().manifest, other.join(MANIFEST_NAME));
        assert!(named(&other).unwrap().folders.contains(&house), "its weights may lie in the usual places");
        assert_eq!(
            named(&places.folders[1]).unwrap().manifest,
            house.join(MANIFEST_NAME),
            "a folder of packs"
        );

        let empty = places.root.path().join("empty");
        fs::create_dir(&empty).unwrap();
        let text = named(&empty).unwrap_err().to_string();
        assert!(text.contains("/empty") && text.contains("yunet_n_320w_256h.onnx"), "{text}");
        assert!(text.contains("no other pack"), "{text}");
        let weights = places.weights("weights", "recommended");
        assert!(named(&weights).unwrap().manifest.ends_with("packs/recommended/pack.toml"));

        fs::write(empty.join(RECIPE_NAME), "").unwrap();
        let text = named(&empty).unwrap_err().to_string();
        assert!(text.contains("doorctl pack build"), "{text}");
        let text = named(Path::new("/nowhere/at/all")).unwrap_err().to_string();
        assert!(text.contains("/nowhere/at/all") && text.contains("--models"), "{text}");
    }

    #[test]
    fn a_plain_name_is_that_of_a_pack_in_the_usual_places() {
        let places = Places::new();
        let other = places.pack("packs/other");
        let found = named(Path::new("other"), &places.folders).unwrap();
        assert_eq!(found.manifest, other.join(MANIFEST_NAME));
        for hostile in ["../other", "..", "/other", "packs/other", "."] {
            let taken = named(Path::new(hostile), &places.folders).ok();
            assert!(taken.is_none_or(|path| path.manifest != other.join(MANIFEST_NAME)), "{hostile}");
        }
    }
}
