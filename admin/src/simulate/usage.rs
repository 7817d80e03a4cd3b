//! What a process takes of the machine, as Linux tells it.

use std::fs;
use std::time::Duration;

/// Parts of a second in which Linux tells processor time, on every architecture.
const TICK: Duration = Duration::from_millis(10);

/// What a process took so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Usage {
    /// Processor time.
    pub(super) cpu: Duration,
    /// Memory it has now, KiB.
    pub(super) memory_kib: u64,
    /// The most it had, KiB.
    pub(super) peak_kib: u64,
}

impl Usage {
    /// Of a process; nothing of one that is not there.
    pub(super) fn of(process: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let memory = |name| field(&status, name);
        Some(Self { cpu: cpu(&stat)?, memory_kib: memory("VmRSS:")?, peak_kib: memory("VmHWM:")? })
    }

    /// Of this process.
    pub(super) fn own() -> Option<Self> {
        Self::of(std::process::id())
    }
}

/// Files that this process may have open at once.
pub(super) fn files_max() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The 14th and 15th field; the second is a name in brackets that may hold anything.
fn cpu(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields.split_whitespace().skip(11).map(|field| field.parse::<u32>().ok());
    Some(TICK * (ticks.next()?? + ticks.next()??))
}

fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_moves_no_field() {
        let stat = "42 (a) b) (c) S 1 42 42 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 1 0 1 2 3";
        assert_eq!(cpu(stat), Some(Duration::from_secs(3)));
    }

    #[test]
    fn this_process_takes_memory_and_may_open_files() {
        let usage = Usage::own().unwrap();
        assert!(usage.memory_kib > 0 && usage.peak_kib >= usage.memory_kib);
        assert!(files_max().is_some());
        assert!(Usage::of(u32::MAX).is_none());
    }
}
