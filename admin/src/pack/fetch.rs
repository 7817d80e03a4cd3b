//! `doorctl pack fetch`: the files that a manifest or a recipe pins, from the addresses it names.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use doorward_models::pack::recipe::Recipe;
use doorward_models::pack::{
    MANIFEST_LEN_MAX, MANIFEST_NAME, Manifest, ModelEntry, RECIPE_NAME, WEIGHTS_LEN_MAX, hex, read_bounded,
};
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest as _, Sha256};

use super::transfer::{self, Patience, Wanted};
use super::{judged, written};
use crate::answer::{Answer, Stop};
use crate::folder;

/// Before the second try.
const PAUSE: Duration = Duration::from_secs(1);

/// Options of `fetch`.
#[derive(Debug, Args)]
#[command(
    after_help = "Files whose digest is right already are left alone. What arrives is kept as FILE.part, which the next run goes on \
    with, and gets its name once its SHA-256 is the manifest's. Addresses are https://; plain http:// is for this machine \
    alone. A proxy is taken from HTTPS_PROXY.\n\n\
    Examples:\n  doorctl pack fetch models/packs/opencv\n  \
    doorctl pack fetch models/packs/opencv/recipe.toml --into weights\n\n\
    Exit code: 0 all files with an address are there, 2 an address has another file, 1 fault."
)]
pub struct Fetch {
    /// A manifest, a recipe, or the folder of one.
    from: PathBuf,
    /// Put the files here; without it beside the manifest.
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    /// Give a silent server up after so many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
    stall: u64,
    /// Tries for each file.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=100))]
    tries: u32,
}

/// Brings the files.
///
/// # Errors
/// [`Stop::Refused`] where an address has another file, [`Stop::Fault`] where one cannot be had.
pub fn run(options: &Fetch, out: &mut dyn Write) -> Answer {
    let (from, entries) = read(&options.from)?;
    let into = options.into.as_deref().unwrap_or(folder::parent(&from));
    written(std::fs::create_dir_all(into), into)?;
    let patience = Patience { stall: Duration::from_secs(options.stall), tries: options.tries, pause: PAUSE };
    for entry in &entries {
        let told = bring(entry, into, &patience)?;
        writeln!(out, "{:<18} {}: {told}", entry.role.key(), entry.file)?;
        out.flush()?;
    }
    Ok(())
}

/// The path of the manifest or recipe, and its models.
fn read(from: &Path) -> Answer<(PathBuf, Vec<ModelEntry>)> {
    let within =
        [MANIFEST_NAME, RECIPE_NAME].map(|name| from.join(name)).into_iter().find(|path| path.is_file());
    let path = match (from.is_dir(), within) {
        (false, _) => from.to_owned(),
        (true, Some(path)) => path,
        (true, None) => {
            let why = format!("{} has neither {MANIFEST_NAME} nor {RECIPE_NAME}", from.display());
            return Err(Stop::Fault(anyhow::anyhow!(why)));
        }
    };
    let bytes = read_bounded(&path, MANIFEST_LEN_MAX).map_err(judged)?;
    let is_recipe = path.file_name().is_some_and(|name| name == RECIPE_NAME);
    let entries = if is_recipe {
        Recipe::parse(&path, &bytes).map_err(judged)?.entries().cloned().collect()
    } else {
        Manifest::parse(&path, &bytes).map_err(judged)?.entries().cloned().collect()
    };
    Ok((path, entries))
}

/// Brings one file, unless it is there, and says what became of it.
fn bring(entry: &ModelEntry, into: &Path, patience: &Patience) -> Answer<String> {
    let pinned = Recipe::is_pinned(entry);
    let path = into.join(&entry.file);
    if pinned && path.is_file() {
        let bytes = read_bounded(&path, WEIGHTS_LEN_MAX).map_err(judged)?;
        if <[u8; 32]>::from(Sha256::digest(bytes)) == entry.sha256 {
            return Ok("is there".to_owned());
        }
    }
    let Some(url) = &entry.url else {
        return Ok(format!("has no address, get it as its maker says ({})", entry.source));
    };
    if !pinned {
        return Err(Stop::refused(format!(
            "{} has an address and no sha256: what is not pinned is not fetched; add the digest to the recipe",
            entry.file
        )));
    }
    let wanted = Wanted { file: &entry.file, url, sha256: entry.sha256, bytes: entry.bytes };
    let style = ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    let bar = match entry.bytes {
        Some(bytes) => ProgressBar::new(bytes).with_style(style.expect("the template is sound")),
        None => ProgressBar::new_spinner(),
    };
    let bar = bar.with_message(entry.file.clone());
    let brought = transfer::bring(&wanted, into, patience, &|have| bar.set_position(have));
    bar.finish_and_clear();
    brought?;
    Ok(format!("fetched, SHA-256 {}", hex(&entry.sha256)))
}
