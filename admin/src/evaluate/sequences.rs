//! Frames in folders: every folder that holds pictures is one sequence of one presentation, its frames in the order of
//! their names; every folder that holds a recording is one as well.

use std::cmp::Ordering;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

/// Folders within folders: set / kind / person / session, and room.
const DEPTH_MAX: usize = 8;

/// Pictures of one test: an hour of frames at thirty a second, and about an hour's work.
const FRAMES_MAX: usize = 100_000;

/// The file by which a folder is known for a recording.
pub const RECORDING: &str = "recording.json";

/// Frames of one presentation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sequence {
    /// Pictures in the order of their names: colour alone.
    Pictures(Vec<PathBuf>),
    /// The manifest of a recording, with whatever sensors it has.
    Recording(PathBuf),
}

impl Sequence {
    /// The folder that it lies in.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Sequence::Pictures(frames) => frames.first()?.parent(),
            Sequence::Recording(manifest) => manifest.parent(),
        }
    }
}

/// Every sequence of pictures below a folder, in the order of their paths.
///
/// # Errors
/// A folder that cannot be read, holds no pictures, or too many.
pub fn below(root: &Path) -> anyhow::Result<Vec<Vec<PathBuf>>> {
    let pictures = |sequence| match sequence {
        Sequence::Pictures(frames) => Some(frames),
        Sequence::Recording(_) => None,
    };
    let found: Vec<Vec<PathBuf>> = sequences(root)?.into_iter().filter_map(pictures).collect();
    ensure!(!found.is_empty(), "{} holds no pictures (.jpg, .jpeg, .png)", root.display());
    Ok(found)
}

/// Every sequence below a folder, recordings among them, in the order of their paths.
///
/// # Errors
/// A folder that cannot be read, holds neither, or too much.
pub fn sequences(root: &Path) -> anyhow::Result<Vec<Sequence>> {
    let mut found = Vec::new();
    descend(root, 0, &mut found)?;
    ensure!(!found.is_empty(), "{} holds no pictures (.jpg, .jpeg, .png) and no recordings", root.display());
    Ok(found)
}

fn descend(folder: &Path, depth: usize, found: &mut Vec<Sequence>) -> anyhow::Result<()> {
    ensure!(depth <= DEPTH_MAX, "{} lies more than {DEPTH_MAX} folders deep", folder.display());
    let manifest = folder.join(RECORDING);
    if manifest.is_file() {
        found.push(Sequence::Recording(manifest));
        return Ok(());
    }
    let (mut folders, mut frames) = (Vec::new(), Vec::new());
    let list = || format!("list {}", folder.display());
    for entry in fs::read_dir(folder).with_context(list)? {
        let entry = entry.with_context(list)?;
        let kind = entry.file_type().with_context(list)?;
        // Links to folders are not followed: they may lead in a circle.
        if kind.is_dir() {
            folders.push(entry.path());
        } else if is_picture(&entry.path()) {
            frames.push(entry.path());
        }
    }
    let by_name = |a: &PathBuf, b: &PathBuf| natural(&a.to_string_lossy(), &b.to_string_lossy());
    frames.sort_by(by_name);
    folders.sort_by(by_name);
    if !frames.is_empty() {
        found.push(Sequence::Pictures(frames));
    }
    let frames = |sequence: &Sequence| match sequence {
        Sequence::Pictures(frames) => frames.len(),
        Sequence::Recording(_) => 1,
    };
    let total: usize = found.iter().map(frames).sum();
    ensure!(
        total <= FRAMES_MAX,
        "{} holds more than {FRAMES_MAX} pictures; test on a part",
        folder.display()
    );
    folders.iter().try_for_each(|folder| descend(folder, depth + 1, found))
}

fn is_picture(path: &Path) -> bool {
    let ending = path.extension().map(|ending| ending.to_ascii_lowercase());
    ending.is_some_and(|ending| ["jpg", "jpeg", "png"].iter().any(|known| ending == *known))
}

/// The order of names in which numbers count by their value, so that frame 9 comes before frame 10.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a_rest, mut b_rest) = (a, b);
    while !a_rest.is_empty() && !b_rest.is_empty() {
        let (a_run, b_run) = (run(a_rest), run(b_rest));
        let numbers = a_run.starts_with(|c: char| c.is_ascii_digit())
            && b_run.starts_with(|c: char| c.is_ascii_digit());
        let order = if numbers {
            let (x, y) = (a_run.trim_start_matches('0'), b_run.trim_start_matches('0'));
            x.len().cmp(&y.len()).then(x.cmp(y))
        } else {
            a_run.cmp(b_run)
        };
        if order != Ordering::Equal {
            return order;
        }
        (a_rest, b_rest) = (&a_rest[a_run.len()..], &b_rest[b_run.len()..]);
    }
    a_rest.len().cmp(&b_rest.len()).then(a.cmp(b))
}

/// The digits, or everything but digits, that a text begins with.
fn run(text: &str) -> &str {
    let digits = text.starts_with(|c: char| c.is_ascii_digit());
    let end = text.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(text.len());
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_in_the_order_of_their_numbers_and_folders_are_sequences() {
        let root = tempfile::tempdir().unwrap();
        for file in ["s2/f_10.jpg", "s2/f_9.JPG", "s2/f_9b.png", "s2/notes.txt", "s10/a.jpeg", "top.png"] {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        std::os::unix::fs::symlink(root.path(), root.path().join("s2/circle")).unwrap();
        let found = below(root.path()).unwrap();
        let names: Vec<Vec<String>> = found
            .iter()
            .map(|s| s.iter().map(|f| f.strip_prefix(root.path()).unwrap().display().to_string()).collect())
            .collect();
        assert_eq!(
            names,
            [vec!["top.png"], vec!["s2/f_9.JPG", "s2/f_9b.png", "s2/f_10.jpg"], vec!["s10/a.jpeg"]]
        );
    }

    #[test]
    fn a_recording_is_one_sequence_whatever_else_lies_in_its_folder() {
        let root = tempfile::tempdir().unwrap();
        for file in ["r/recording.json", "r/rgb_0.png", "r/ir_0.png", "p/a.png"] {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let manifest = root.path().join("r").join(RECORDING);
        let pictures = vec![root.path().join("p/a.png")];
        let found = sequences(root.path()).unwrap();
        assert_eq!(found, [Sequence::Pictures(pictures.clone()), Sequence::Recording(manifest)]);
        assert_eq!(found[1].folder(), Some(root.path().join("r").as_path()));
        assert_eq!(below(root.path()).unwrap(), [pictures]);
    }

    #[test]
    fn a_folder_without_pictures_is_named() {
        let root = tempfile::tempdir().unwrap();
        assert!(below(root.path()).unwrap_err().to_string().contains("holds no pictures"));
        assert!(format!("{:#}", below(&root.path().join("none")).unwrap_err()).contains("list "));
    }

    #[test]
    fn natural_order_is_an_order() {
        let names = ["a", "a1", "a02", "a2", "a10", "a10b", "b", ""];
        for x in names {
            assert_eq!(natural(x, x), Ordering::Equal);
            for y in names {
                assert_eq!(natural(x, y), natural(y, x).reverse(), "{x} {y}");
            }
        }
        assert_eq!(natural("f9", "f10"), Ordering::Less);
        assert_eq!(natural("0001_00_123.jpg", "0001_00_25.jpg"), Ordering::Greater);
    }
}
