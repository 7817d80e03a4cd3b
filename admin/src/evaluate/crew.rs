//! Work on many pictures by two workers, each with models of its own.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use anyhow::Context as _;
use doorward_models::engine::EngineKind;
use doorward_models::pack::Pack;
use doorward_models::vision::Models;
use indicatif::{ProgressBar, ProgressStyle};

/// Workers: each engine runs on one thread, and the machines that evaluations run on have two processors at least.
const WORKERS: usize = 2;

/// Does `job` on every item and returns the results in the order of the items. Progress is shown on the standard error
/// where that is a terminal.
///
/// # Errors
/// The first fault ends the work; so does a pack that does not load.
pub fn work<T: Sync, R: Send>(
    items: &[T],
    pack: &Pack,
    engine: &EngineKind,
    job: impl Fn(&mut Models, &T) -> anyhow::Result<R> + Sync,
) -> anyhow::Result<Vec<R>> {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} pictures, {eta} left");
    let bar = ProgressBar::new(items.len() as u64).with_style(style.expect("the template is sound"));
    let (next, stopped) = (AtomicUsize::new(0), AtomicBool::new(false));
    let worker = || -> anyhow::Result<Vec<(usize, R)>> {
        let mut models = Models::load(pack, engine).context("load the models")?;
        let mut done = Vec::new();
        while !stopped.load(Ordering::Relaxed) {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(place) else { break };
            let result = job(&mut models, item);
            done.push((place, result.inspect_err(|_| stopped.store(true, Ordering::Relaxed))?));
            bar.inc(1);
        }
        Ok(done)
    };
    let shares = thread::scope(|scope| {
        let crew: Vec<_> = (0..WORKERS.min(items.len())).map(|_| scope.spawn(worker)).collect();
        let ended =
            crew.into_iter().map(|one| one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        ended.collect::<anyhow::Result<Vec<_>>>()
    });
    bar.finish_and_clear();
    let mut results: Vec<_> = shares?.into_iter().flatten().collect();
    results.sort_unstable_by_key(|(place, _)| *place);
    assert_eq!(results.len(), items.len(), "every item was taken by one worker, and none failed");
    Ok(results.into_iter().map(|(_, result)| result).collect())
}
