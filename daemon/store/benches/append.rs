//! What a durable append costs beside a bare write with `fdatasync` of the same bytes on the same file system.
//!
//! Both are measured in turn, so that a slow moment of the disk meets both. The bare file is written the way the
//! database's log is in the long run: in a cycle over blocks that exist already. The folder to measure in is the first
//! argument; without one it is the build's own folder.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use doorward_core::audit::Journal;
use doorward_core::time::{ClockTrust, Wall};
use doorward_protocol::audit::{Decided, Scores, What};
use doorward_protocol::ids::AttemptId;
use doorward_store::{MasterKey, Store};
use zeroize::Zeroizing;

/// Measured rounds; the checkpoints of the log, one in about a thousand, are among them.
const ROUNDS: usize = 4000;
/// Rounds before, in which log and bare file reach their full length.
const WARM_UP: usize = 2200;
/// What one append writes to the log: the header of a frame and a page.
const FRAME_LEN: usize = 24 + 4096;
/// Frames in a cycle of the bare file, as in the log.
const CYCLE: usize = 1000;

fn main() {
    let argument = std::env::args().nth(1).filter(|argument| !argument.starts_with("--"));
    let parent = argument.map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let folder = tempfile::tempdir_in(parent).expect("the folder to measure in exists");
    let mut store = new_store(folder.path());
    let bare = File::create(folder.path().join("bare")).expect("create the bare file");

    let (mut appends, mut writes) = (Vec::with_capacity(ROUNDS), Vec::with_capacity(ROUNDS));
    let written_before = bytes_written();
    for round in 0..WARM_UP + ROUNDS {
        let append = timed(|| {
            store.append(&decision(round as u64), wall(round)).expect("append");
        });
        let write = timed(|| bare_write(&bare, round));
        if round >= WARM_UP {
            appends.push(append);
            writes.push(write);
        }
    }
    report(&mut appends, &mut writes);
    if let (Some(before), Some(after)) = (written_before, bytes_written()) {
        let rounds = (WARM_UP + ROUNDS) as u64;
        let per_append = (after - before) / rounds - FRAME_LEN as u64;
        println!("bytes handed to the file system per append: {per_append}");
    }
    store.close().expect("close");
}

fn new_store(folder: &Path) -> Store {
    let master = MasterKey::from_bytes(Zeroizing::new([1; 32]));
    let (site, terminal) = ("site".parse().expect("an id"), "terminal".parse().expect("an id"));
    Store::create(&folder.join("db"), &master, &site, &terminal).expect("create a store")
}

fn decision(attempt: u64) -> What {
    What::Decided(Decided {
        attempt: AttemptId(attempt),
        door: "front".parse().expect("an id"),
        granted: true,
        person: Some("E-1042".parse().expect("an id")),
        reason: "granted".into(),
        rule: "weekly".into(),
        scores: Some(Scores {
            comparison_score: 0.71,
            threshold: 0.46,
            runner_up: 0.21,
            liveness: 97.0,
            frames: 3,
            gallery: 1000,
        }),
        presented: None,
        level: None,
    })
}

fn wall(round: usize) -> Wall {
    Wall { ms: 1_700_000_000_000 + round as i64, trust: ClockTrust::Synchronised }
}

fn bare_write(file: &File, round: usize) {
    let frame = [round.to_le_bytes()[0]; FRAME_LEN];
    let at = (round % CYCLE * FRAME_LEN) as u64;
    file.write_all_at(&frame, at).and_then(|()| file.sync_data()).expect("write the bare file");
}

#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// What this process has handed to the file system so far.
fn bytes_written() -> Option<u64> {
    let io = std::fs::read_to_string("/proc/self/io").ok()?;
    io.lines().find_map(|line| line.strip_prefix("wchar: "))?.parse().ok()
}

fn report(appends: &mut [Duration], writes: &mut [Duration]) {
    appends.sort_unstable();
    writes.sort_unstable();
    let at = |sorted: &[Duration], percent: usize| sorted[(sorted.len() - 1) * percent / 100];
    println!("durable append / bare fdatasync'd write, {ROUNDS} rounds in turn");
    for (name, percent) in [("median", 50), ("p95", 95), ("p99", 99), ("max", 100)] {
        let (append, write) = (at(appends, percent), at(writes, percent));
        let ratio = append.as_secs_f64() / write.as_secs_f64();
        println!("{name:>7}: ratio {ratio:.2}   append {append:>9.1?}   bare {write:>9.1?}");
    }
}
