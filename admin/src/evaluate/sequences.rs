//! Frames in folders: every folder that holds pictures is one sequence of one presentation, its frames in the order of
//! their names, and consecutive frames of it are judged together, as a terminal does.

use std::cmp::Ordering;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

/// Folders within folders: set / kind / person / session, and room.
const DEPTH_MAX: usize = 8;

/// Pictures of one test: an hour of frames at thirty a second, and about an hour's work.
const FRAMES_MAX: usize = 100_000;

/// Every sequence below a folder, in the order of their paths.
///
/// # Errors
/// A folder that cannot be read, holds no pictures, or too many.
pub fn below(root: &Path) -> anyhow::Result<Vec<Vec<PathBuf>>> {
    let mut found = Vec::new();
    descend(root, 0, &mut found)?;
    ensure!(!found.is_empty(), "{} holds no pictures (.jpg, .jpeg, .png)", root.display());
    Ok(found)
}

fn descend(folder: &Path, depth: usize, found: &mut Vec<Vec<PathBuf>>) -> anyhow::Result<()> {
    ensure!(depth <= DEPTH_MAX, "{} lies more than {DEPTH_MAX} folders deep", folder.display());
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
        found.push(frames);
    }
    let total: usize = found.iter().map(Vec::len).sum();
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

/// One score per window of consecutive frames: the mean of the frames that gave one; none where no frame did. Windows do
/// not overlap; a rest that is shorter is left out, unless it is all there is.
#[must_use]
pub fn windows(scores: &[Option<f32>], length: usize) -> Vec<Option<f32>> {
    let whole = scores.chunks_exact(length);
    let parts: Vec<&[Option<f32>]> = if scores.len() < length { vec![scores] } else { whole.collect() };
    let mean = |part: &&[Option<f32>]| {
        let given: Vec<f32> = part.iter().copied().flatten().collect();
        (!given.is_empty()).then(|| given.iter().sum::<f32>() / given.len() as f32)
    };
    parts.iter().map(mean).collect()
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

    #[test]
    fn windows_are_means_of_what_was_seen() {
        let close = |found: Vec<Option<f32>>, expected: &[Option<f32>]| {
            assert_eq!(found.len(), expected.len());
            for pair in found.iter().zip(expected) {
                match pair {
                    (Some(x), Some(y)) => assert!((x - y).abs() < 1e-6),
                    (x, y) => assert_eq!(x, y),
                }
            }
        };
        let some = |values: &[f32]| values.iter().map(|v| Some(*v)).collect::<Vec<_>>();
        close(windows(&some(&[0.0, 0.3, 0.6, 0.9, 0.9, 0.9, 0.1]), 3), &[Some(0.3), Some(0.9)]);
        close(windows(&[None, Some(0.4), None, None, None, None], 3), &[Some(0.4), None]);
        close(windows(&some(&[0.2, 0.4]), 3), &[Some(0.3)]);
        close(windows(&some(&[0.2, 0.4]), 1), &[Some(0.2), Some(0.4)]);
    }
}
