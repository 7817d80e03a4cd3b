//! A recipe: all that people say about a pack, before anything is measured.
//!
//! It has the form of a manifest without golden values and without a calibration, and its digests may be missing where a
//! file was not made yet, and so may its liveness models, which are then those of another pack. Whoever builds it adds
//! what only the files themselves tell: their digests and sizes, the golden values, and calibrations that were measured
//! with exactly these files.

use std::path::Path;

use super::manifest::RawManifest;
use super::{Manifest, ModelEntry, PackFault, RECIPE_NAME, hex, text};

/// Stands for the digest of a file that is not pinned yet; no file has it.
const UNPINNED: [u8; 32] = [0; 32];

/// Golden values of a model: enough to see a wrong kernel or channel order, few enough to be read.
pub const GOLDEN_VALUES: usize = 32;

/// A checked recipe.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    draft: Manifest,
}

/// What a file of weights adds to its entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
    /// Its size.
    pub bytes: u64,
    /// Values of [`crate::golden::vector`] as the reference engine gave them.
    pub golden: Vec<f32>,
}

impl Recipe {
    /// Reads and checks a recipe; `path` is for the messages alone.
    ///
    /// # Errors
    /// [`PackFault::Syntax`] or [`PackFault::Value`].
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, PackFault> {
        let mut raw = RawManifest::read(path, bytes)?;
        let fault = |key: &str, allowed: &str| PackFault::Value {
            path: path.to_owned(),
            key: key.to_owned(),
            found: "present".to_owned(),
            allowed: allowed.to_owned(),
        };
        let measured = "nothing in a recipe: `doorctl pack build` measures it";
        if let Some(table) = raw.measured() {
            return Err(fault(table, measured));
        }
        for model in raw.models() {
            if !model.golden.is_empty() {
                return Err(fault("golden", measured));
            }
            match &model.sha256 {
                None => model.sha256 = Some(hex(&UNPINNED)),
                Some(zeros) if *zeros == hex(&UNPINNED) => {
                    return Err(fault("sha256", "a digest, or no such key where there is no file yet"));
                }
                Some(_) => {}
            }
        }
        raw.calibrate_provisionally();
        Ok(Self { draft: raw.check(path, UNPINNED, 0)? })
    }

    /// Name and version, for people.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{} {}", self.draft.name, self.draft.version)
    }

    /// Whether it leaves liveness to another pack.
    #[must_use]
    pub fn lacks_liveness(&self) -> bool {
        self.draft.liveness.is_empty()
    }

    /// The same recipe with the liveness models of another pack, digests, calibration and all.
    #[must_use]
    pub fn with_liveness(mut self, other: &Manifest) -> Self {
        self.draft.liveness.clone_from(&other.liveness);
        self.draft.liveness_calibration.clone_from(&other.liveness_calibration);
        self
    }

    /// All models, in the order of [`Manifest::entries`].
    pub fn entries(&self) -> impl Iterator<Item = &ModelEntry> {
        self.draft.entries()
    }

    /// Whether the recipe says which file an entry means.
    #[must_use]
    pub fn is_pinned(entry: &ModelEntry) -> bool {
        entry.sha256 != UNPINNED
    }

    /// The manifest of the pack; `measured` in the order of the entries, the calibrations as
    /// [`crate::evaluation::CalibrationTable::toml`] and [`crate::evaluation::LivenessFit::toml`] write them. Without the
    /// first, the manifest has a provisional one that lets nobody in: good for measuring the real one, and for nothing
    /// else. Without the second, that of the pack whose liveness models were taken holds, if it has one.
    ///
    /// # Panics
    /// Unless there is one of `measured` for each entry.
    #[must_use]
    pub fn manifest(
        &self,
        measured: &[Measured],
        calibration: Option<&str>,
        liveness: Option<&str>,
    ) -> String {
        let mut manifest = self.draft.clone();
        assert_eq!(manifest.entries().count(), measured.len(), "every file was measured");
        for (entry, measured) in manifest.entries_mut().zip(measured) {
            entry.sha256 = measured.sha256;
            entry.bytes = Some(measured.bytes);
            entry.golden = measured.golden.iter().map(|value| rounded(*value)).collect();
        }
        let taken = manifest.liveness_calibration.as_ref().map(text::liveness_calibration);
        let liveness = liveness.map(str::to_owned).or(taken);
        format!(
            "# Made by `doorctl pack build` from {RECIPE_NAME}: change that one and build again.\n{}\n{}{}",
            text::models(&manifest),
            liveness.map_or_else(String::new, |table| format!("{table}\n")),
            calibration.unwrap_or(PROVISIONAL)
        )
    }
}

/// One of the tables of a manifest that are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// From comparison scores to error rates.
    Comparison,
    /// From the answers of liveness models to confidence.
    Liveness,
}

impl Table {
    /// Its key in a manifest, and the command that writes it.
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Table::Comparison => ("calibration", "doorctl evaluate pairs --calibration"),
            Table::Liveness => ("liveness_calibration", "doorctl evaluate pad --calibration"),
        }
    }
}

/// Reads a table as `doorctl evaluate` writes it; `path` is for the messages alone. What its numbers are worth is
/// checked with the manifest that it becomes part of.
///
/// # Errors
/// [`PackFault::Syntax`], or [`PackFault::Value`] for a file with anything else in it.
pub fn table(path: &Path, bytes: &[u8], wanted: Table) -> Result<String, PackFault> {
    let syntax = |e: toml::de::Error| PackFault::Syntax { path: path.to_owned(), source: Box::new(e) };
    let found: toml::Table = toml::from_slice(bytes).map_err(syntax)?;
    let keys: Vec<&str> = found.keys().map(String::as_str).collect();
    let (key, command) = wanted.names();
    if keys != [key] {
        return Err(PackFault::Value {
            path: path.to_owned(),
            key: "its tables".to_owned(),
            found: format!("{keys:?}").chars().take(200).collect(),
            allowed: format!("[{key}] alone, as `{command}` writes it"),
        });
    }
    Ok(String::from_utf8_lossy(bytes).into_owned())
}

/// A calibration that refuses everybody.
const PROVISIONAL: &str = "[calibration]\ndata = \"none yet\"\ncomparisons = 1000000000000\n\n\
    [[calibration.point]]\ncomparison_score = 0.998\nfmr = 1e-1\n\n\
    [[calibration.point]]\ncomparison_score = 0.999\nfmr = 1e-9\n";

/// Six digits, of which engines agree in four.
fn rounded(value: f32) -> f32 {
    format!("{value:.5e}").parse().expect("a number as it was just written")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recommended() -> (Manifest, String) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packs/recommended/pack.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        (Manifest::parse(&path, text.as_bytes()).unwrap(), text)
    }

    /// The recommended manifest without what is measured.
    fn recipe_text() -> String {
        let (_, text) = recommended();
        let (models, _) = text.split_once("[liveness_calibration]").unwrap();
        let mut kept = String::new();
        let mut golden = false;
        for line in models.lines() {
            golden |= line.starts_with("golden");
            if !golden && !line.starts_with("sha256") {
                kept += &format!("{line}\n");
            }
            golden &= line != "]";
        }
        kept
    }

    #[test]
    fn a_manifest_that_was_taken_apart_is_built_again() {
        let (expected, text) = recommended();
        let recipe = Recipe::parse(Path::new("recipe.toml"), recipe_text().as_bytes()).unwrap();
        assert!(recipe.entries().all(|entry| !Recipe::is_pinned(entry)));
        let measured: Vec<Measured> = expected
            .entries()
            .map(|e| Measured { sha256: e.sha256, bytes: 1000, golden: e.golden.clone() })
            .collect();
        let (_, tables) = text.split_once("[liveness_calibration]").unwrap();
        let (liveness, calibration) = tables.split_once("[calibration]").unwrap();
        let whole = [("[liveness_calibration]", liveness), ("[calibration]", calibration)];
        let [liveness, calibration] = whole.map(|(head, rest)| format!("{head}{rest}"));
        let built = recipe.manifest(&measured, Some(&calibration), Some(&liveness));
        let mut found = Manifest::parse(Path::new("pack.toml"), built.as_bytes()).unwrap();
        for entry in found.entries_mut() {
            assert_eq!(entry.bytes.take(), Some(1000));
        }
        assert_eq!(found, Manifest { digest: found.digest, ..expected });
    }

    #[test]
    fn without_a_calibration_nobody_gets_in() {
        let recipe = Recipe::parse(Path::new("recipe.toml"), recipe_text().as_bytes()).unwrap();
        let measured = Measured { sha256: [7; 32], bytes: 1, golden: vec![0.123_456_78] };
        let (expected, _) = recommended();
        let mut each: Vec<Measured> = vec![measured; expected.entries().count()];
        for (place, one) in each.iter_mut().enumerate() {
            one.sha256[0] = u8::try_from(place).unwrap();
        }
        let draft = recipe.manifest(&each, None, None);
        let draft = Manifest::parse(Path::new("pack.toml"), draft.as_bytes()).unwrap();
        assert!(draft.calibration.threshold(1e-3).score > 0.99);
        assert_eq!(draft.detector.entry.golden, [0.123_457]);
    }

    #[test]
    fn liveness_may_come_from_another_pack() {
        let (expected, _) = recommended();
        let text = recipe_text();
        let (without, _) = text.split_once("[[liveness]]").unwrap();
        let recipe = Recipe::parse(Path::new("recipe.toml"), without.as_bytes()).unwrap();
        assert!(recipe.lacks_liveness());
        let recipe = recipe.with_liveness(&expected);
        let pinned: Vec<&str> =
            recipe.entries().filter(|entry| Recipe::is_pinned(entry)).map(|e| e.file.as_str()).collect();
        assert_eq!(pinned, ["minifasnet_v2_2.7.onnx", "minifasnet_v1se_4.0.onnx"]);
        let measured = Measured { sha256: [7; 32], bytes: 1, golden: vec![] };
        let mut each = vec![measured; recipe.entries().count()];
        each.iter_mut().zip(1..).for_each(|(one, place)| one.sha256[0] = place);
        let built = recipe.manifest(&each, None, None);
        let built = Manifest::parse(Path::new("pack.toml"), built.as_bytes()).unwrap();
        assert_eq!(built.liveness_calibration, expected.liveness_calibration, "its calibration comes along");
    }

    #[test]
    fn h5_a_table_brings_a_calibration_and_nothing_else() {
        let path = Path::new("table.toml");
        let read = |text: &str| table(path, text.as_bytes(), Table::Comparison);
        assert_eq!(read(PROVISIONAL).unwrap(), PROVISIONAL);
        let other = table(path, PROVISIONAL.as_bytes(), Table::Liveness).unwrap_err().to_string();
        assert!(other.contains("[liveness_calibration] alone"), "{other}");
        for text in [format!("{PROVISIONAL}[[liveness]]\nfile = \"x\"\n"), String::new(), "[cali".to_owned()]
        {
            let fault = read(&text).unwrap_err().to_string();
            assert!(fault.contains("table.toml"), "{fault}");
        }
    }

    #[test]
    fn the_recipe_in_the_handbook_is_one() {
        let text = include_str!("../../packs/README.md");
        let (_, rest) = text.split_once("```toml\n").unwrap();
        let (toml, _) = rest.split_once("```").unwrap();
        let recipe = Recipe::parse(Path::new("README.md"), toml.as_bytes()).unwrap();
        assert_eq!((recipe.title().as_str(), recipe.entries().count()), ("house 1.0.0", 4));
    }

    #[test]
    fn what_is_measured_has_no_place_in_a_recipe() {
        for (text, key) in [
            (
                format!("{}[calibration]\ndata = \"x\"\ncomparisons = 1\npoint = []\n", recipe_text()),
                "calibration",
            ),
            (
                format!(
                    "{}[liveness_calibration]\ndata = \"x\"\nbona_fide = 1\nattacks = 1\nslope = 1.0\noffset = 0.0\n",
                    recipe_text()
                ),
                "liveness_calibration",
            ),
            (recipe_text().replace("preprocessing = 1", "preprocessing = 1\ngolden = [0.5]"), "golden"),
        ] {
            let fault = Recipe::parse(Path::new("recipe.toml"), text.as_bytes()).unwrap_err().to_string();
            assert!(fault.contains(key) && fault.contains("doorctl pack build"), "{fault}");
        }
        let zeros =
            recipe_text().replacen("licence", &format!("sha256 = \"{}\"\nlicence", hex(&UNPINNED)), 1);
        let fault = Recipe::parse(Path::new("recipe.toml"), zeros.as_bytes()).unwrap_err().to_string();
        assert!(fault.contains("sha256 is present"), "{fault}");
    }
}
