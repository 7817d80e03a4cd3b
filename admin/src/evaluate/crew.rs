//! Work on many files by as many workers as the machine has processors, each with models of its own.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use anyhow::Context as _;
use clap::Args;
use doorward_models::engine::EngineKind;
use doorward_models::pack::{Pack, hex};
use doorward_models::vision::Models;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::journal::{Journal, Made};

/// Workers at most: each loads the models for itself, about 60 MB.
const WORKERS_MAX: u8 = 64;

/// Options of long work.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Work")]
pub struct Effort {
    /// Workers, each on one thread; without it one for each processor.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=i64::from(WORKERS_MAX)))]
    threads: Option<u8>,
    /// Keep what is found out about each file in this file, and go on from it where a run broke off. It holds templates
    /// where faces are compared: delete it like the pictures.
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
}

/// A pack, an engine, and how much of the machine may be used.
pub struct Crew<'a> {
    pack: &'a Pack,
    engine: &'a EngineKind,
    workers: usize,
    journal: Option<PathBuf>,
}

impl<'a> Crew<'a> {
    /// A crew with these options.
    #[must_use]
    pub fn new(pack: &'a Pack, engine: &'a EngineKind, effort: &Effort) -> Self {
        let processors = || thread::available_parallelism().map_or(1, NonZero::get);
        let workers = effort.threads.map_or_else(processors, usize::from).min(usize::from(WORKERS_MAX));
        Self { pack, engine, workers, journal: effort.journal.clone() }
    }

    /// The pack.
    #[must_use]
    pub fn pack(&self) -> &'a Pack {
        self.pack
    }

    /// Does `job` on every file and returns the results in the order of the files. `of` names the job in the journal.
    /// Progress is shown on the standard error where that is a terminal.
    ///
    /// # Errors
    /// The first fault ends the work; so does a pack that does not load.
    pub fn work<F: AsRef<Path> + Sync, R: Serialize + DeserializeOwned + Send>(
        &self,
        of: &str,
        files: &[F],
        job: impl Fn(&mut Models, &Path) -> anyhow::Result<R> + Sync,
    ) -> anyhow::Result<Vec<R>> {
        let made =
            Made { of: of.to_owned(), pack: hex(&self.pack.digest()), engine: self.engine.to_string() };
        let journal = self.journal.as_ref().map(|path| Journal::open(path, &made)).transpose()?;
        let mut results: Vec<Option<R>> = Vec::with_capacity(files.len());
        results.extend(files.iter().map(|file| journal.as_ref()?.known(file.as_ref())));
        let open: Vec<usize> = (0..files.len()).filter(|place| results[*place].is_none()).collect();
        let style = ProgressStyle::with_template("{bar:40} {pos}/{len} files, {eta} left");
        let bar = ProgressBar::new(files.len() as u64).with_style(style.expect("the template is sound"));
        bar.set_position((files.len() - open.len()) as u64);
        bar.reset_eta();
        let (next, stopped) = (AtomicUsize::new(0), AtomicBool::new(false));
        let worker = || -> anyhow::Result<Vec<(usize, R)>> {
            let mut models = Models::load(self.pack, self.engine).context("load the models")?;
            let mut done = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let Some(place) = open.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                let file = files[*place].as_ref();
                let result = job(&mut models, file).and_then(|result| {
                    journal.as_ref().map_or(Ok(()), |journal| journal.keep(file, &result))?;
                    Ok(result)
                });
                done.push((*place, result.inspect_err(|_| stopped.store(true, Ordering::Relaxed))?));
                bar.inc(1);
            }
            Ok(done)
        };
        let shares = thread::scope(|scope| {
            let crew: Vec<_> = (0..self.workers.min(open.len())).map(|_| scope.spawn(worker)).collect();
            let ended = crew
                .into_iter()
                .map(|one| one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            ended.collect::<anyhow::Result<Vec<_>>>()
        });
        bar.finish_and_clear();
        for (place, result) in shares?.into_iter().flatten() {
            results[place] = Some(result);
        }
        Ok(results
            .into_iter()
            .map(|result| result.expect("every file was known or taken by a worker"))
            .collect())
    }
}
