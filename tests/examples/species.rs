//! Records rendered presentations, one folder a species, for `doorctl evaluate pad`: `species --help`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use doorward_core::time::Mono;
use doorward_daemon::demo::cast::{self, Cast};
use doorward_hal::camera::record::Recorder;
use doorward_hal::scene::species::{self, Class, Roles, Species};
use doorward_hal::scene::{self, DepthCamera, Portrait, Renderer};
use doorward_models::engine::EngineKind;
use doorward_models::pack::{self, Pack};
use doorward_models::vision::Models;
use indicatif::{ProgressBar, ProgressStyle};

/// Time between two moments of a recording: three make the window of an attempt, and a blink fits in between.
const STEP: Duration = Duration::from_millis(100);

#[derive(Parser)]
#[command(
    about = "Renders presentations of live people and of every species of attack, and records them",
    after_help = "FOLDER/SPECIES/PORTRAIT-DEPTH-SEED are recordings as `doorctl camera record` makes them. A recording that \
                  is there already is left as it is, so an interrupted run goes on where it stopped. Figures measured on \
                  them are about a model of the world: docs/scenes.md says which. With 8 portraits, 2 seeds and 6 moments \
                  a species takes some 150 MB.\n\nExample:\n  cargo run --release -p doorward-tests --example species -- \
                  /tmp/species --seeds 2 --only live,print,tablet"
)]
struct Options {
    /// Where to write; made if it is not there.
    folder: PathBuf,
    /// Photographs of people instead of those who do not exist: at least two people, from the front.
    #[arg(long, value_name = "DIR")]
    photos: Option<PathBuf>,
    /// Species to render, with commas; all if not given.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    only: Vec<String>,
    /// Recordings of each portrait, each with its own noise and motion.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    /// Moments of each recording, a tenth of a second apart.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=600))]
    moments: u32,
    /// The depth camera.
    #[arg(long, value_enum, default_value_t = Depth::StructuredLight)]
    depth: Depth,
    /// Only list the species.
    #[arg(long)]
    list: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Depth {
    StructuredLight,
    TimeOfFlight,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let chosen = chosen(&options.only)?;
    if options.list {
        for species in chosen {
            println!("{:24} {:8} {}", species.name, species.cases, species.title);
        }
        return Ok(());
    }
    let pack = Pack::open(&pack::find(Some(Path::new("house")))?)?;
    let mut models = Models::load(&pack, &EngineKind::Tract)?;
    let cast = match &options.photos {
        Some(folder) => cast::gather(folder, &mut models, |_, _| {})?,
        None => cast::of_nobody(&mut models)?,
    };
    let people = people(&cast);
    let bar = progress(chosen.len() * people.len() * usize::try_from(options.seeds)?);
    for species in &chosen {
        let folder = options.folder.join(species.name);
        std::fs::create_dir_all(&folder).with_context(|| format!("make the folder {}", folder.display()))?;
        for (k, (name, target)) in people.iter().enumerate() {
            let other = &people[(k + 1) % people.len()].1;
            for seed in 0..options.seeds {
                bar.set_message(species.name);
                record(&options, species, (name, Roles { target, other }), seed)?;
                bar.inc(1);
            }
        }
    }
    bar.finish_and_clear();
    println!("{}", command(&options.folder, &chosen));
    Ok(())
}

fn chosen(names: &[String]) -> anyhow::Result<Vec<&'static Species>> {
    if names.is_empty() {
        return Ok(species::ALL.iter().collect());
    }
    let find = |name: &String| {
        species::named(name).with_context(|| format!("there is no species {name}; --list names them"))
    };
    names.iter().map(find).collect()
}

fn people(cast: &Cast) -> Vec<(String, Portrait)> {
    let enrolled = cast.enrolled.iter().map(|player| (player.id.to_string(), player.portrait.clone()));
    enrolled.chain([("stranger".to_owned(), cast.stranger.clone())]).collect()
}

fn record(
    options: &Options,
    species: &Species,
    (name, roles): (&str, Roles),
    seed: u64,
) -> anyhow::Result<()> {
    let (kind, depth) = match options.depth {
        Depth::StructuredLight => ("structured", DepthCamera::StructuredLight),
        Depth::TimeOfFlight => ("flight", DepthCamera::TimeOfFlight),
    };
    let folder = options.folder.join(species.name).join(format!("{name}-{kind}-{seed}"));
    if folder.exists() {
        return Ok(());
    }
    let (scene, renderer) = (species.scene(roles), Renderer::with_depth(seed, depth));
    let mut recorder = Recorder::create(&folder, scene::FOV)?;
    for moment in 0..options.moments {
        recorder.add(&renderer.frameset(&scene, Mono(0) + STEP * moment, moment))?;
    }
    recorder.finish()?;
    Ok(())
}

fn progress(length: usize) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} {eta} left").expect("a valid template");
    ProgressBar::new(length as u64).with_style(style)
}

/// What evaluates the recordings.
fn command(folder: &Path, chosen: &[&Species]) -> String {
    let of = |class: Class, option: &dyn Fn(&str, String) -> String| -> String {
        let found = chosen.iter().filter(|species| species.class == class);
        found.map(|s| option(s.name, folder.join(s.name).display().to_string())).collect()
    };
    let live = of(Class::BonaFide, &|_, path| format!(" {path}"));
    let attacks = of(Class::Attack, &|name, path| format!(" \\\n  --attack {name}={path}"));
    format!("doorctl evaluate pad --bona-fide{live}{attacks}")
}
