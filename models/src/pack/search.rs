//! Where packs lie.

use std::path::{Path, PathBuf};

use super::PackFault;

/// File name of a manifest.
pub const MANIFEST_NAME: &str = "pack.toml";

/// Where the Debian package puts the recommended pack.
pub const SYSTEM_FOLDER: &str = "/usr/share/doorward/models";

/// The pack that is taken where nobody asks for another.
const RECOMMENDED: &str = "recommended";

/// A manifest, and the folders in which its weights are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackPath {
    /// The manifest.
    pub manifest: PathBuf,
    /// Folders, first to last. Weights are pinned, so any of them will do.
    pub folders: Vec<PathBuf>,
}

/// Finds the pack: in the `explicit` folder, then [`SYSTEM_FOLDER`], then, from the working folder, `models/packs` and
/// `../shared/models`. In each folder the manifest is `pack.toml` or `recommended/pack.toml`; manifest and weights may
/// lie in different ones. Development builds (with debug assertions) also look beside the sources they were compiled
/// from, so that tests and the demo work from any working folder.
///
/// # Errors
/// [`PackFault::NotFound`] with everything tried, [`PackFault::NoFolder`].
pub fn find(explicit: Option<&Path>) -> Result<PackPath, PackFault> {
    if let Some(path) = explicit
        && !path.is_dir()
    {
        return Err(PackFault::NoFolder { path: path.to_owned() });
    }
    let mut folders: Vec<PathBuf> = explicit.map(Path::to_owned).into_iter().collect();
    folders.extend([SYSTEM_FOLDER, "models/packs", "../shared/models"].map(PathBuf::from));
    if cfg!(debug_assertions) {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
        folders.extend([sources.join("packs"), sources.join("../../shared/models")]);
    }
    find_in(&folders)
}

/// Finds the first manifest in `folders`, and takes all of them as places for its weights.
///
/// # Errors
/// [`PackFault::NotFound`].
pub fn find_in(folders: &[PathBuf]) -> Result<PackPath, PackFault> {
    let tried: Vec<PathBuf> =
        folders.iter().flat_map(|folder| [folder.clone(), folder.join(RECOMMENDED)]).collect();
    let Some(home) = tried.iter().find(|folder| folder.join(MANIFEST_NAME).is_file()) else {
        return Err(PackFault::NotFound { tried });
    };
    // Weights beside the manifest come first: that is where a complete pack has them.
    let mut places = vec![home.clone()];
    places.extend(tried.iter().filter(|folder| *folder != home).cloned());
    Ok(PackPath { manifest: home.join(MANIFEST_NAME), folders: places })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_first_manifest_wins_and_every_folder_may_hold_weights() {
        let root = tempfile::tempdir().unwrap();
        let [a, b, c] = ["a", "b", "c"].map(|name| root.path().join(name));
        for folder in [&a, &b.join(RECOMMENDED), &c] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::write(b.join(RECOMMENDED).join(MANIFEST_NAME), "").unwrap();
        fs::write(c.join(MANIFEST_NAME), "").unwrap();
        let found = find_in(&[a.clone(), b.clone(), c.clone()]).unwrap();
        assert_eq!(found.manifest, b.join(RECOMMENDED).join(MANIFEST_NAME));
        assert_eq!(found.folders[0], b.join(RECOMMENDED));
        assert!(found.folders.contains(&a) && found.folders.contains(&c));
    }

    #[test]
    fn a_search_without_result_names_every_folder_and_what_to_do() {
        let root = tempfile::tempdir().unwrap();
        let text = find_in(&[root.path().join("x"), root.path().join("y")]).unwrap_err().to_string();
        for part in ["/x,", "/y", "pack.toml", "--models DIR"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn a_named_folder_that_does_not_exist_is_refused_before_any_other_is_tried() {
        let text = find(Some(Path::new("/nowhere/at/all"))).unwrap_err().to_string();
        assert!(text.contains("/nowhere/at/all") && text.contains("--models"), "{text}");
    }

    #[test]
    fn a_named_folder_comes_first() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join(MANIFEST_NAME), "").unwrap();
        assert_eq!(find(Some(root.path())).unwrap().manifest, root.path().join(MANIFEST_NAME));
    }
}
