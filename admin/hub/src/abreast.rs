//! The same work on many things, on several processors where that pays.

use std::num::NonZero;
use std::thread;

/// Threads at most: verifying keeps pace with what one thread writes long before there are more.
const THREADS_MAX: usize = 8;
/// Things for which a thread is worth beginning: as many signatures take a millisecond, a thread a fiftieth of that.
const EACH_MIN: usize = 16;

/// What `work` makes of each thing, in their order.
pub fn abreast<'a, T: Sync, R: Send>(things: &'a [T], work: impl Fn(&'a T) -> R + Sync) -> Vec<R> {
    let processors = thread::available_parallelism().map_or(1, NonZero::get).min(THREADS_MAX);
    let threads = processors.min(things.len() / EACH_MIN).max(1);
    let mut parts = things.chunks(things.len().div_ceil(threads).max(1));
    let own = parts.next().unwrap_or_default();
    let work = &work;
    thread::scope(|scope| {
        let others: Vec<_> =
            parts.map(|part| scope.spawn(move || part.iter().map(work).collect::<Vec<R>>())).collect();
        let mut done: Vec<R> = own.iter().map(work).collect();
        for other in others {
            // A thread that panicked is this one's panic too.
            done.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        done
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thing_is_worked_on_once_and_the_order_stays() {
        for count in [0, 1, EACH_MIN, 2 * EACH_MIN - 1, 2 * EACH_MIN, 1000] {
            let things: Vec<usize> = (0..count).collect();
            assert_eq!(abreast(&things, |thing| thing * 2), (0..count).map(|n| n * 2).collect::<Vec<_>>());
        }
    }
}
