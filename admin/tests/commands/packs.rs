//! From a recipe to a signed pack: built of tiny networks, so that no data is needed.

use std::fs;
use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage};
use tempfile::TempDir;

use crate::{Said, doorctl};

/// The recipe of a pack of tiny networks.
pub(crate) const RECIPE: &str = include_str!("../tiny/recipe.toml");

/// A calibration for it.
const TABLE: &str = include_str!("../tiny/table.toml");

/// Its networks.
const WEIGHTS: [(&str, &[u8]); 3] = [
    ("see.onnx", include_bytes!("../tiny/see.onnx")),
    ("know.onnx", include_bytes!("../tiny/know.onnx")),
    ("live.onnx", include_bytes!("../tiny/live.onnx")),
];

/// A folder with weights, a recipe and a calibration table.
pub(crate) struct Workshop(TempDir);

impl Workshop {
    pub(crate) fn new() -> Self {
        let workshop = Self(tempfile::tempdir().expect("a folder for the test"));
        fs::create_dir(workshop.path("weights")).unwrap();
        for (name, bytes) in WEIGHTS {
            fs::write(workshop.path("weights").join(name), bytes).unwrap();
        }
        fs::write(workshop.path("recipe.toml"), RECIPE).unwrap();
        fs::write(workshop.path("table.toml"), TABLE).unwrap();
        workshop
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Builds with more options.
    fn build(&self, out: &str, more: &[&str]) -> Said {
        let (recipe, weights, out) = (self.text("recipe.toml"), self.text("weights"), self.text(out));
        doorctl(&[&["pack", "build", &recipe, "--weights", &weights, "--out", &out], more].concat())
    }

    /// Builds with the table.
    pub(crate) fn built(&self, out: &str) -> String {
        self.build(out, &["--calibration", &self.text("table.toml")]).with(0);
        self.text(out)
    }

    fn edit(&self, from: &str, to: &str) {
        assert!(RECIPE.contains(from), "the recipe has no {from}");
        fs::write(self.path("recipe.toml"), RECIPE.replacen(from, to, 1)).unwrap();
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|item| item.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_recipe_and_its_weights_become_a_pack_that_is_sound() {
    let workshop = Workshop::new();
    let out = workshop.built("ours");
    assert_eq!(names(Path::new(&out)), ["know.onnx", "live.onnx", "pack.toml", "see.onnx"]);
    let said = doorctl(&["pack", "check", &out]).with(0);
    for part in ["tiny 1", "sound", "32 values", "3 values", "not signed", "1000000 comparisons of made up"] {
        assert!(said.out.contains(part), "{part}: {}", said.out);
    }
    let manifest = fs::read_to_string(workshop.path("ours/pack.toml")).unwrap();

    // Nothing is overwritten unless that is asked for; the same parts make the same pack, and notes stay.
    workshop.build("ours", &["--calibration", &workshop.text("table.toml")]).refused(&["--replace"]);
    fs::create_dir(workshop.path("ours/cards")).unwrap();
    for name in ["ours/recipe.toml", "ours/cards/see.md", "ours/pack.sig", "ours/old.onnx"] {
        fs::write(workshop.path(name), "x").unwrap();
    }
    workshop.build("ours", &["--calibration", &workshop.text("table.toml"), "--replace"]).with(0);
    let kept = ["cards", "know.onnx", "live.onnx", "pack.toml", "recipe.toml", "see.onnx"];
    assert_eq!(names(Path::new(&out)), kept);
    assert!(workshop.path("ours/cards/see.md").is_file());
    assert_eq!(fs::read_to_string(workshop.path("ours/pack.toml")).unwrap(), manifest);
    assert_eq!(names(workshop.0.path()), ["ours", "recipe.toml", "table.toml", "weights"], "no drafts stay");
}

#[test]
fn h5_weights_that_are_not_what_the_recipe_says_make_no_pack() {
    let workshop = Workshop::new();
    let table = workshop.text("table.toml");
    let refused = |words: &[&str]| {
        workshop.build("ours", &["--calibration", &table]).refused(words);
        assert!(!workshop.path("ours").exists());
        assert_eq!(names(workshop.0.path()), ["recipe.toml", "table.toml", "weights"]);
    };
    workshop.edit("name = \"embedding\", shape = [1, 48]", "name = \"embedding\", shape = [1, 64]");
    refused(&["embedding know.onnx", "embedding [1, 48]", "embedding [1, 64]", "correct the recipe"]);
    workshop.edit("name = \"input\"", "name = \"data\"");
    refused(&["detector see.onnx", "data [1, 3, 32, 32]"]);
    workshop.edit("file = \"live.onnx\"", "file = \"absent.onnx\"");
    refused(&["absent.onnx", "--weights DIR"]);
    workshop.edit("file = \"live.onnx\"", &format!("file = \"live.onnx\"\nsha256 = \"{}\"", "1".repeat(64)));
    refused(&["live.onnx", "1111", "pins"]);
    workshop.edit("version = \"1\"", "version = \"1\"\nfloor = 2");
    refused(&["recipe.toml", "unknown field `floor`"]);

    workshop.edit("format", "format");
    fs::write(workshop.path("table.toml"), format!("{TABLE}\n[[liveness]]\nfile = \"x\"\n")).unwrap();
    refused(&["table.toml", "[calibration] alone"]);
    fs::write(workshop.path("table.toml"), TABLE.replace("1000000", "10")).unwrap();
    refused(&["calibration", "measure with more comparisons"]);
    let said = workshop.build("ours", &[]).with(1);
    assert!(said.err.contains("--pairs") && said.err.contains("--calibration"), "{}", said.err);
}

#[test]
fn liveness_may_be_that_of_another_pack() {
    let workshop = Workshop::new();
    let other = workshop.built("other");
    let (without, _) = RECIPE.split_once("[[liveness]]").unwrap();
    fs::write(workshop.path("recipe.toml"), without).unwrap();
    fs::remove_file(workshop.path("weights/live.onnx")).unwrap();
    let table = ["--calibration", &workshop.text("table.toml")];
    workshop.build("ours", &table).refused(&["--liveness-of PACK"]);
    workshop.build("ours", &[&table[..], &["--liveness-of", &other]].concat()).with(0);
    assert!(workshop.path("ours/live.onnx").is_file());
    doorctl(&["pack", "check", &workshop.text("ours")]).with(0);
}

/// Pictures of as many persons, two each, of coloured squares: what the tiny embedding sees.
fn portraits(folder: &Path, persons: u32) -> String {
    let mut list = String::from("image_a,image_b,same_person\n");
    let square = |person: u32, x: u32, y: u32| {
        let drawn = (person * 64 + y / 8 * 8 + x / 8).wrapping_mul(2_654_435_761).to_be_bytes();
        Rgb([drawn[0], drawn[1], drawn[2]])
    };
    for person in 0..persons {
        let name = format!("p{person}");
        fs::create_dir_all(folder.join(&name)).unwrap();
        let picture = RgbImage::from_fn(64, 64, |x, y| square(person, x, y));
        picture.save(folder.join(&name).join("1.png")).unwrap();
        let brighter = RgbImage::from_fn(64, 64, |x, y| Rgb(square(person, x, y).0.map(|c| c / 2 + 100)));
        brighter.save(folder.join(&name).join("2.png")).unwrap();
        list += &format!("{name}/1.png,{name}/2.png,1\n{name}/1.png,p{}/1.png,0\n", (person + 1) % persons);
    }
    fs::write(folder.join("pairs.csv"), list).unwrap();
    folder.join("pairs.csv").display().to_string()
}

#[test]
fn the_calibration_is_measured_as_the_evaluation_does() {
    let workshop = Workshop::new();
    let images = workshop.path("images");
    let list = portraits(&images, 10);
    let (images, table) = (images.display().to_string(), workshop.text("measured.toml"));
    workshop.build("ours", &["--pairs", &list, "--images", &images, "--data", "squares"]).with(0);
    let manifest = fs::read_to_string(workshop.path("ours/pack.toml")).unwrap();
    assert!(manifest.contains("data = \"squares\"\ncomparisons = 180\ngenuine = 10"), "{manifest}");

    let evaluate = ["evaluate", "pairs", &list, "--images", &images, "--all-impostors", "--data", "squares"];
    doorctl(&[&evaluate[..], &["--calibration", &table, "--models", &workshop.text("ours")]].concat())
        .with(0);
    assert!(manifest.ends_with(&fs::read_to_string(&table).unwrap()), "the same table");
}

#[test]
fn h5_a_pack_that_was_changed_or_signed_by_somebody_else_is_refused() {
    let workshop = Workshop::new();
    let out = workshop.built("ours");
    let (key, public) = (workshop.text("pack.key"), workshop.text("pack.key.pub"));
    let (other, stranger) = (workshop.text("other.key"), workshop.text("other.key.pub"));
    let said = doorctl(&["pack", "keygen", &key]).with(0);
    let digits = said.out.lines().last().unwrap().trim().to_owned();
    doorctl(&["pack", "keygen", &other]).with(0);
    doorctl(&["pack", "keygen", &key]).refused(&["pack.key", "nothing is overwritten"]);

    let check = |trust: &[&str]| doorctl(&[&["pack", "check", &out], trust].concat());
    check(&["--trust", &public]).refused(&["no pack.sig", "doorctl pack sign"]);
    let said = doorctl(&["pack", "sign", &out, "--key", &key]).with(0);
    assert!(said.out.contains("signed") && said.out.contains(&digits), "{}", said.out);
    assert!(check(&["--trust", &public]).with(0).out.contains("signed by the trusted key"));
    check(&["--trust", &stranger, "--trust", &digits]).with(0);
    assert!(check(&[]).with(0).out.contains("which was not given with --trust"));
    check(&["--trust", &stranger]).refused(&[&digits, "not among the trusted keys"]);
    let said = check(&["--trust", &key]).with(1);
    assert!(said.err.contains("private key"), "{}", said.err);

    let manifest = workshop.path("ours/pack.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("fmr = 1e-3", "fmr = 1.1e-3")).unwrap();
    for trust in [&["--trust", public.as_str()][..], &[]] {
        check(trust).refused(&["pack.sig", "was changed after"]);
    }
    fs::write(&manifest, text).unwrap();
    check(&["--trust", &public]).with(0);
    // Weights are pinned by what is signed, and nobody signs what is not whole.
    fs::write(workshop.path("ours/know.onnx"), WEIGHTS[2].1).unwrap();
    check(&["--trust", &public]).refused(&["know.onnx", "pins"]);
    doorctl(&["pack", "sign", &out, "--key", &key]).refused(&["know.onnx"]);
    doorctl(&["pack", "sign", &workshop.text("weights"), "--key", &key]).refused(&["pack.toml"]);
}
