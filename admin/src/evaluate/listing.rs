//! The labels of a comparison test: which pictures to compare, and whether they show one person.

use std::collections::{HashMap, HashSet};
use std::path::{Component, Path};

use anyhow::{Context as _, bail, ensure};

use super::sequences;
use crate::sheet;

/// Columns of a list of pairs.
pub const COLUMNS: [&str; 3] = ["image_a", "image_b", "same_person"];

/// One comparison to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// One picture: its place among the images.
    pub a: u32,
    /// The other one.
    pub b: u32,
    /// Whether they show one person.
    pub same: bool,
    /// Its line in the file.
    pub line: u64,
}

/// A list of pairs and the distinct pictures that it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Pictures, relative to the folder of images: those of pairs in the order of their first mention, then any others.
    pub images: Vec<String>,
    /// Pairs, in the order of the file.
    pub pairs: Vec<Pair>,
}

impl Listing {
    /// Reads a list; with `limit`, at most so many pairs of one person and so many of two, evenly spread over the file.
    ///
    /// # Errors
    /// A file that is no such list, a path that leads out of the folder of images, a picture compared with itself.
    pub fn read(path: &Path, limit: Option<usize>) -> anyhow::Result<Self> {
        let mut rows = Vec::new();
        sheet::read(path, COLUMNS, |line, [a, b, same]| {
            let same = match same.to_ascii_lowercase().as_str() {
                "1" | "true" | "yes" => true,
                "0" | "false" | "no" => false,
                _ => bail!("same_person is {same:?}; allowed are 1, 0, true, false, yes and no"),
            };
            for image in [a, b] {
                ensure!(stays_inside(image), "{image:?} is no plain path inside the folder of images");
            }
            ensure!(a != b, "{a:?} is compared with itself, which says nothing");
            rows.push((a.to_owned(), b.to_owned(), same, line));
            Ok(())
        })?;
        if let Some(limit) = limit {
            rows = thinned(rows, limit);
        }
        Ok(Self::of(&rows))
    }

    fn of(rows: &[(String, String, bool, u64)]) -> Self {
        let mut images = Vec::new();
        let mut places: HashMap<&str, u32> = HashMap::new();
        let mut pairs = Vec::with_capacity(rows.len());
        for (a, b, same, line) in rows {
            let [a, b] = [a, b].map(|image| {
                *places.entry(image).or_insert_with(|| {
                    images.push(image.clone());
                    u32::try_from(images.len() - 1).expect("a bounded file names fewer than 2^32 pictures")
                })
            });
            pairs.push(Pair { a, b, same: *same, line: *line });
        }
        Self { images, pairs }
    }

    /// Adds the pictures below a folder of images that no pair names.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn add_all(&mut self, folder: &Path) -> anyhow::Result<()> {
        let named: HashSet<String> = self.images.iter().cloned().collect();
        for picture in sequences::below(folder)?.into_iter().flatten() {
            let image = picture.strip_prefix(folder).expect("it was found below the folder");
            let image =
                image.to_str().with_context(|| format!("{} has a name that is no text", image.display()))?;
            if !named.contains(image) {
                self.images.push(image.to_owned());
            }
        }
        Ok(())
    }

    /// Whom each picture shows, by the name of its folder.
    ///
    /// # Errors
    /// In words, why folders are not persons here: a picture without a folder, or a pair whose label says otherwise.
    pub fn persons(&self) -> Result<Vec<String>, String> {
        let persons: Vec<String> = self
            .images
            .iter()
            .map(|image| folder(image).ok_or_else(|| format!("{image:?} lies in no folder")))
            .collect::<Result<_, _>>()?;
        let says_otherwise =
            |pair: &&Pair| (persons[pair.a as usize] == persons[pair.b as usize]) != pair.same;
        match self.pairs.iter().find(says_otherwise) {
            None => Ok(persons),
            Some(pair) => {
                let label = if pair.same { "one person" } else { "two persons" };
                let [a, b] = [pair.a, pair.b].map(|image| &self.images[image as usize]);
                Err(format!("line {} calls {a:?} and {b:?} pictures of {label}", pair.line))
            }
        }
    }
}

fn folder(image: &str) -> Option<String> {
    Some(Path::new(image).parent()?.file_name()?.to_str()?.to_owned())
}

fn stays_inside(image: &str) -> bool {
    !image.is_empty() && Path::new(image).components().all(|part| matches!(part, Component::Normal(_)))
}

/// At most `limit` rows of each kind, in their order.
fn thinned(rows: Vec<(String, String, bool, u64)>, limit: usize) -> Vec<(String, String, bool, u64)> {
    let all = [true, false].map(|kind| rows.iter().filter(|(_, _, same, _)| *same == kind).count());
    let mut seen = [0; 2];
    rows.into_iter()
        .filter(|(_, _, same, _)| {
            let (all, seen) = (all[usize::from(!same)], &mut seen[usize::from(!same)]);
            *seen += 1;
            // Kept where the share of kept rows reaches the next whole number.
            *seen * limit.min(all) / all > (*seen - 1) * limit.min(all) / all
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str, limit: Option<usize>) -> anyhow::Result<Listing> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pairs.csv");
        std::fs::write(&path, text).unwrap();
        Listing::read(&path, limit)
    }

    fn refusal(row: &str) -> String {
        format!("{:#}", list(&format!("image_a,image_b,same_person\n{row}\n"), None).unwrap_err())
    }

    #[test]
    fn every_picture_is_listed_once_and_quotes_are_no_part_of_names() {
        let listing =
            list("same_person,image_b,image_a\n1,ann/2.jpg,ann/1.jpg\n0,\"bob/1, jr.jpg\",ann/1.jpg\n", None);
        let listing = listing.unwrap();
        assert_eq!(listing.images, ["ann/1.jpg", "ann/2.jpg", "bob/1, jr.jpg"]);
        assert_eq!(listing.pairs[1], Pair { a: 0, b: 2, same: false, line: 3 });
        assert_eq!(listing.persons().unwrap(), ["ann", "ann", "bob"]);
    }

    #[test]
    fn h8_paths_that_lead_elsewhere_and_labels_that_are_none_are_refused_with_their_line() {
        for row in ["../x.jpg,a.jpg,1", "/etc/passwd,a.jpg,1", "a.jpg,,1", "a/../../b.jpg,a.jpg,0"] {
            let text = refusal(row);
            assert!(text.contains("line 2") && text.contains("no plain path"), "{text}");
        }
        assert!(refusal("a.jpg,b.jpg,maybe").contains("same_person is \"maybe\""));
        assert!(refusal("a.jpg,a.jpg,1").contains("with itself"));
    }

    #[test]
    fn folders_are_persons_only_where_no_label_says_otherwise() {
        let flat = list("image_a,image_b,same_person\n1.jpg,2.jpg,1\n", None).unwrap();
        assert!(flat.persons().unwrap_err().contains("in no folder"));
        let mixed = list("image_a,image_b,same_person\nall/1.jpg,all/2.jpg,1\nall/1.jpg,all/3.jpg,0\n", None)
            .unwrap();
        assert!(mixed.persons().unwrap_err().contains("line 3"));
    }

    #[test]
    fn a_limit_takes_both_kinds_from_all_over_the_file() {
        let rows: String = (0..90).map(|i| format!("p{i}/1.jpg,q{i}/2.jpg,{}\n", u8::from(i < 60))).collect();
        let listing = list(&format!("image_a,image_b,same_person\n{rows}"), Some(10)).unwrap();
        let lines =
            |same| listing.pairs.iter().filter(move |p| p.same == same).map(|p| p.line).collect::<Vec<_>>();
        assert_eq!(lines(true), [7, 13, 19, 25, 31, 37, 43, 49, 55, 61]);
        assert_eq!(lines(false), [64, 67, 70, 73, 76, 79, 82, 85, 88, 91]);
        assert_eq!(listing.images.len(), 40);
        let all = list(&format!("image_a,image_b,same_person\n{rows}"), Some(1000)).unwrap();
        assert_eq!(all.pairs.len(), 90);
    }
}
