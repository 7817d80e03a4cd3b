//! `doorctl pack build`: what people say about a pack, and what its files say about themselves, in one folder.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use doorward_models::engine::{self, EngineKind, volume};
use doorward_models::golden;
use doorward_models::pack::recipe::{GOLDEN_VALUES, Measured, Recipe, Table, table};
use doorward_models::pack::signature::SIGNATURE_NAME;
use doorward_models::pack::{
    self, MANIFEST_LEN_MAX, MANIFEST_NAME, Manifest, ModelEntry, Pack as Opened, PackFault, PackPath,
    RECIPE_NAME, WEIGHTS_LEN_MAX, hex, read_bounded, read_weights,
};
use sha2::{Digest as _, Sha256};

use super::{judged, liveness_told, prove, written};
use crate::answer::{Answer, Stop};
use crate::evaluate::{self, pad, pairs};
use crate::folder;
use crate::mind::Minding;

/// Options of `build`.
#[derive(Debug, Args)]
#[command(
    after_help = "A recipe is a manifest without golden values and calibration; digests may be missing where a file was not \
    made yet. models/packs/README.md has its form. Each file must have the inputs and outputs that the recipe says.\n\n\
    The calibration of comparison is measured as `doorctl evaluate pairs --all-impostors` does, or taken from the table \
    that its --calibration wrote; that of liveness as `doorctl evaluate pad --calibration` does, or taken from the table that \
    it wrote. Without one of liveness, the answers of the networks are believed as they are. A pack is calibrated with \
    exactly the files it is made of.\n\n\
    Examples:\n  \
    doorctl pack build models/packs/house --weights runs --pairs pairs.csv --images lfw --bona-fide set/live \
    --attack print=set/print --out models/packs/house --replace\n  \
    doorctl pack build models/packs/opencv --weights fetched --liveness-of house --calibration table.toml --out ours\n\n\
    Exit code: 0 built, 2 the weights are not what the recipe says, or the pack is there already, 1 fault."
)]
pub struct Build {
    /// The recipe, or the folder that holds recipe.toml.
    recipe: PathBuf,
    /// Folder with files of weights; several are searched in this order.
    #[arg(long, value_name = "DIR", required = true)]
    weights: Vec<PathBuf>,
    /// Take the liveness models of this pack, where the recipe has none: its folder, or its name.
    #[arg(long, value_name = "PACK")]
    liveness_of: Option<PathBuf>,
    /// Measure the calibration on this list of pairs, CSV as for `evaluate pairs`.
    #[arg(long, value_name = "CSV", requires = "images")]
    pairs: Option<PathBuf>,
    /// The folder that the paths of the list start from; the folder of a picture is its person.
    #[arg(long, value_name = "DIR", requires = "pairs")]
    images: Option<PathBuf>,
    /// What the pictures are, for the manifest; without it the name of the list.
    #[arg(long, value_name = "TEXT", requires = "pairs")]
    data: Option<String>,
    /// Take the calibration from this table, which must have been measured with these very files.
    #[arg(long, value_name = "FILE", conflicts_with = "pairs")]
    calibration: Option<PathBuf>,
    /// Measure the calibration of liveness on these folders of live persons, as for `evaluate pad`.
    #[arg(long, value_name = "DIR", num_args = 1.., requires = "attack")]
    bona_fide: Vec<PathBuf>,
    /// And on these folders of attacks, each with the name of its species.
    #[arg(long, value_name = "SPECIES=DIR", num_args = 1.., value_parser = pad::species, requires = "bona_fide")]
    attack: Vec<pad::Attack>,
    /// What these presentations are, for the manifest; without it the names of their folders.
    #[arg(long, value_name = "TEXT", requires = "bona_fide")]
    liveness_data: Option<String>,
    /// Take the calibration of liveness from this table, which must have been measured with these very files.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["bona_fide", "liveness_of"])]
    liveness_calibration: Option<PathBuf>,
    /// The folder to make.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace the pack that is there; files that belong to no pack, such as the recipe, stay.
    #[arg(long)]
    replace: bool,
}

/// Makes a pack.
///
/// # Errors
/// [`Stop::Refused`] for weights that are not what the recipe says; nothing is changed then.
pub fn run(options: &Build, minding: &Minding, out: &mut dyn Write) -> Answer {
    if options.out.join(MANIFEST_NAME).exists() && !options.replace {
        return Err(Stop::refused(format!(
            "{} holds a pack, and nothing is overwritten without --replace",
            options.out.display()
        )));
    }
    let calibration = options.calibration()?;
    let engine = minding.engine()?;
    let mut folders = options.weights.clone();
    let recipe = completed(recipe(&options.recipe)?, options.liveness_of.as_deref(), &mut folders)?;
    let mut files = Vec::new();
    for entry in recipe.entries() {
        let bytes = weights(entry, &folders)?;
        let measured = measure(entry, &bytes, &engine)?;
        writeln!(out, "{:<18} {}, {} bytes", entry.role.key(), entry.file, bytes.len())?;
        writeln!(out, "  sha256 {}", hex(&measured.sha256))?;
        files.push((entry.file.clone(), bytes, measured));
    }
    out.flush()?;
    let draft = folder::draft_of(&options.out);
    let made = assemble((options, &calibration), &recipe, &files, &draft, &engine)
        .and_then(|pack| settle(&draft, options).map(|()| pack).map_err(Stop::from));
    if made.is_err() {
        // The next run clears it again where this cannot.
        let _ = folder::clear(&draft);
    }
    let pack = made?;
    writeln!(out, "{} built: {}", pack.title(), options.out.display())?;
    writeln!(out, "  digest       {}", hex(&pack.digest()))?;
    let comparisons = pack.calibration().comparisons();
    writeln!(out, "  calibration  {comparisons} comparisons of {}", pack.manifest().calibration_data)?;
    writeln!(out, "  liveness     {}", liveness_told(&pack))?;
    Ok(())
}

/// Where the calibration comes from.
enum Calibration<'a> {
    /// A table that was measured with the same files.
    Table(&'a Path),
    /// Pairs of pictures, and their folder.
    Pairs(&'a Path, &'a Path),
}

impl Build {
    fn presented(&self) -> Option<pad::Shown> {
        let some = !self.bona_fide.is_empty();
        some.then(|| pad::Shown { bona_fide: self.bona_fide.clone(), attack: self.attack.clone() })
    }

    fn calibration(&self) -> anyhow::Result<Calibration<'_>> {
        match (&self.calibration, &self.pairs, &self.images) {
            (Some(table), _, _) => Ok(Calibration::Table(table)),
            (None, Some(pairs), Some(images)) => Ok(Calibration::Pairs(pairs, images)),
            (None, _, _) => bail!(
                "a pack needs a calibration: name --pairs CSV with --images DIR to measure it, or --calibration FILE"
            ),
        }
    }
}

/// Reads the recipe in a file or a folder.
fn recipe(path: &Path) -> Answer<Recipe> {
    let path = if path.is_dir() { path.join(RECIPE_NAME) } else { path.to_owned() };
    let bytes = read_bounded(&path, MANIFEST_LEN_MAX).map_err(judged)?;
    Recipe::parse(&path, &bytes).map_err(judged)
}

/// The recipe with liveness models; where they are another pack's, its folders are added to those of the weights.
fn completed(recipe: Recipe, liveness_of: Option<&Path>, folders: &mut Vec<PathBuf>) -> Answer<Recipe> {
    match (recipe.lacks_liveness(), liveness_of) {
        (false, None) => Ok(recipe),
        (true, Some(other)) => {
            let place = pack::find(Some(other)).map_err(judged)?;
            let bytes = read_bounded(&place.manifest, MANIFEST_LEN_MAX).map_err(judged)?;
            let manifest = Manifest::parse(&place.manifest, &bytes).map_err(judged)?;
            folders.extend(place.folders);
            Ok(recipe.with_liveness(&manifest))
        }
        (true, None) => Err(Stop::refused(
            "the recipe has no liveness model: name a pack that has one with --liveness-of PACK, such as `house`",
        )),
        (false, Some(_)) => {
            Err(Stop::refused("the recipe has liveness models of its own: leave --liveness-of out"))
        }
    }
}

/// The file of an entry: by digest where the recipe pins it, else by name.
fn weights(entry: &ModelEntry, folders: &[PathBuf]) -> Answer<Vec<u8>> {
    if Recipe::is_pinned(entry) {
        return read_weights(entry, folders).map_err(judged);
    }
    let path = folders.iter().map(|folder| folder.join(&entry.file)).find(|path| path.is_file());
    let Some(path) = path else {
        let tried: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
        return Err(Stop::refused(format!(
            "find the {} model {}: not in {}; name its folder with --weights DIR",
            entry.role.key(),
            entry.file,
            tried.join(", ")
        )));
    };
    read_bounded(&path, WEIGHTS_LEN_MAX).map_err(judged)
}

/// Loads a file, which holds its inputs and outputs against the recipe, and asks it for its golden values.
fn measure(entry: &ModelEntry, bytes: &[u8], engine: &EngineKind) -> Answer<Measured> {
    let refused = |fault| match judged(PackFault::Engine(fault)) {
        Stop::Refused(why) => {
            Stop::Refused(format!("{why}; correct the recipe, or take the file that it means"))
        }
        other @ (Stop::Fault(_) | Stop::Unheard) => other,
    };
    let mut loaded = engine::load(engine, bytes, entry.signature.clone()).map_err(refused)?;
    let values: usize = entry.signature.outputs.iter().filter_map(|port| volume(&port.shape)).sum();
    let golden = golden::vector(loaded.as_mut(), entry, values.min(GOLDEN_VALUES)).map_err(refused)?;
    Ok(Measured { sha256: Sha256::digest(bytes).into(), bytes: bytes.len() as u64, golden })
}

/// Writes the whole pack into the draft folder, and tries it.
fn assemble(
    (options, calibration): (&Build, &Calibration),
    recipe: &Recipe,
    files: &[(String, Vec<u8>, Measured)],
    draft: &Path,
    engine: &EngineKind,
) -> Answer<Opened> {
    written(folder::fresh(draft), draft)?;
    if options.out.is_dir() {
        written(carry(&options.out, draft), draft)?;
    }
    for (name, bytes, _) in files {
        let path = draft.join(name);
        written(folder::write(&path, bytes), &path)?;
    }
    let measured: Vec<Measured> = files.iter().map(|(_, _, measured)| measured.clone()).collect();
    let place = PackPath { manifest: draft.join(MANIFEST_NAME), folders: vec![draft.to_owned()] };
    let write = |calibration: Option<&str>, liveness: Option<&str>| {
        let text = recipe.manifest(&measured, calibration, liveness);
        written(folder::write(&place.manifest, text.as_bytes()), &place.manifest)
    };
    // What is measured is measured with a pack that is whole but for the calibrations.
    write(None, None)?;
    let draft = || Opened::open(&place).map_err(judged);
    let shown = options.presented();
    let liveness = match (&options.liveness_calibration, &shown) {
        (Some(path), _) => Some(taken(path, Table::Liveness)?),
        (None, Some(shown)) => {
            let data = options.liveness_data.clone().unwrap_or_else(|| shown.names());
            Some(pad::calibrate(shown, &data, &draft()?, engine).context("measure liveness")?.toml())
        }
        (None, None) => None,
    };
    let comparison = match *calibration {
        Calibration::Table(path) => taken(path, Table::Comparison)?,
        Calibration::Pairs(pairs, images) => {
            let data = evaluate::data_of(options.data.as_deref(), pairs)?;
            pairs::calibrate(pairs, images, &data, &draft()?, engine)
                .context("measure the calibration")?
                .toml()
        }
    };
    write(Some(&comparison), liveness.as_deref())?;
    let pack = Opened::open(&place).map_err(judged)?;
    prove(&pack, engine)?;
    Ok(pack)
}

/// A calibration that was measured before.
fn taken(path: &Path, wanted: Table) -> Answer<String> {
    let bytes = read_bounded(path, MANIFEST_LEN_MAX).map_err(judged)?;
    table(path, &bytes, wanted).map_err(judged)
}

/// Copies what belongs to no pack, such as the recipe and its notes, from the folder that will be replaced.
fn carry(from: &Path, to: &Path) -> std::io::Result<()> {
    for item in fs::read_dir(from)? {
        let item = item?;
        let name = item.file_name();
        let text = name.to_string_lossy();
        if text == MANIFEST_NAME || text == SIGNATURE_NAME || text.ends_with(".onnx") {
            continue;
        }
        let (path, kind) = (to.join(&name), item.file_type()?);
        if kind.is_dir() {
            fs::create_dir(&path)?;
            carry(&item.path(), &path)?;
        } else if kind.is_file() {
            fs::copy(item.path(), &path)?;
            fs::File::open(&path)?.sync_all()?;
        }
    }
    folder::sync(to)
}

/// Gives the draft its name; what was there goes aside first, and away at last.
fn settle(draft: &Path, options: &Build) -> anyhow::Result<()> {
    let out = &options.out;
    if !out.exists() {
        return written(folder::settle(draft, out), out);
    }
    let aside = draft.with_extension("old");
    written(folder::clear(&aside), &aside)?;
    written(fs::rename(out, &aside), out)?;
    if let Err(fault) = folder::settle(draft, out) {
        // Best effort: the fault that is told is the first one, and what was there still lies aside.
        let _ = fs::rename(&aside, out);
        return written(Err(fault), out);
    }
    written(folder::clear(&aside), &aside)
}
