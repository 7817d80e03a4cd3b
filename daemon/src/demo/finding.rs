//! What the demo needs and where it looks: models and portraits; and what the page says when they are missing.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use doorward_models::engine::EngineKind;
use doorward_models::pack::{self, Pack};
use doorward_models::vision::Models;
use serde_json::{Value, json};

use super::cast::{self, Cast};

/// Where portraits are looked for.
const PHOTO_FOLDERS: [&str; 2] = ["../shared/media/photos", "photos"];

/// Opens the pack and loads its models.
///
/// # Errors
/// When no pack is found, or it is refused.
pub fn load_models(folder: Option<&Path>) -> anyhow::Result<(Pack, Models)> {
    let pack = Pack::open(&pack::find(folder)?)?;
    let models = Models::load(&pack, &EngineKind::Tract)?;
    Ok((pack, models))
}

/// Finds the folder of portraits and the people in it.
///
/// # Errors
/// When there is no such folder, or too few people in it.
pub fn find_cast(folder: Option<&Path>, models: &mut Models) -> anyhow::Result<Cast> {
    let tried: Vec<PathBuf> = match folder {
        Some(folder) => vec![folder.to_owned()],
        None => PHOTO_FOLDERS.iter().map(PathBuf::from).collect(),
    };
    let folder = tried
        .iter()
        .find(|folder| folder.is_dir())
        .with_context(|| format!("no folder of portraits was found; looked for {tried:?}"))?;
    cast::gather(folder, models, |done, of| eprint!("\rlooking at portraits {done}/{of} "))
        .inspect(|_| eprintln!())
}

/// The card for missing models.
pub fn no_models(fault: &anyhow::Error) -> Value {
    json!({
        "title": "No model pack is ready",
        "text": format!("{fault:#}"),
        "do": [
            "Put a folder with a model pack beside this one, at ../shared/models, or start the demo with --models DIR.",
            "What a pack holds, and where public weights come from, stands in models/packs/recommended/pack.toml.",
            "Start the demo again.",
        ],
    })
}

/// The card for missing people.
pub fn no_people(why: &anyhow::Error) -> Value {
    json!({
        "title": "Nobody is here yet",
        "text": format!("The scenes need portraits, and none were found ({why:#})."),
        "do": [
            "Drop a photograph of yourself on this page, or use your camera, and enrol yourself.",
            "Or start the demo with --photos DIR, a folder with portraits of at least two people.",
        ],
    })
}
