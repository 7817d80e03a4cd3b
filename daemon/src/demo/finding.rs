//! What the demo needs and where it looks: models and portraits; and what the page says when they are missing.

use std::path::Path;

use doorward_models::engine::EngineKind;
use doorward_models::pack::{self, Pack};
use doorward_models::vision::Models;
use serde_json::{Value, json};

use super::cast::{self, Cast};

/// Opens the pack and loads its models.
///
/// # Errors
/// When no pack is found, or it is refused.
pub fn load_models(folder: Option<&Path>) -> anyhow::Result<(Pack, Models)> {
    let pack = Pack::open(&pack::find(folder)?)?;
    let models = Models::load(&pack, &EngineKind::Tract)?;
    Ok((pack, models))
}

/// Finds the people who play: those in a folder, or the demo's own.
///
/// # Errors
/// When there is no such folder, or too few people in it.
pub fn find_cast(folder: Option<&Path>, models: &mut Models) -> anyhow::Result<Cast> {
    let Some(folder) = folder else { return cast::of_nobody(models) };
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
