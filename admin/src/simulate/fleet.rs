//! `doorctl simulate fleet`: the course of a run.
//!
//! Everybody connects; then the rate is held or climbs, step by step; then what is left goes up; then the hub is asked what
//! it kept. A step is carried if what happens is acknowledged soon, and what waits at its end is no more than that.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use clap::Args;
use doorward_core::time::Mono;
use doorward_hal::clock::{Clock as _, SystemClock};
use doorward_protocol::keys::SigningKey;
use doorward_protocol::trust::KEYS_MAX;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinSet;

use super::ground::{self, Given, Ground, Settled};
use super::line::{self, Common, Orders};
use super::meter::{Count, Reading};
use super::reckoning::{self, Reckoning};
use super::rig::Rig;
use super::terminal::{self, Standing, Terminal};
use super::usage::{self, Usage};
use crate::answer::{Answer, Stop};
use crate::broker::{Drawing, Told};
use crate::keyfile;

pub(super) const ABOUT: &str = "Drive a broker and a hub with the signed traffic of many terminals.\n\n\
    Every simulated terminal has a key of its own that the site's roster delegates, an audit trail of its own, and a \
    connection of its own with a certificate drawn for it. It says how it is, records that people pass, signs batches and \
    lets go of a record only when the hub's signature says that it is kept, by the same code as doord. At the end every \
    trail is followed at the hub from its beginning to the terminal's signature: what was lost or doubled is told.\n\n\
    With --rig a broker and a hub are set up in a new folder, as docs/centre.md says, and end with the run; mosquitto must \
    be installed and doorhub lie beside doorctl or in the path. Without, say where the fleet is let loose: a site made for \
    it, for its roster keeps the simulated terminals' keys.\n\n\
    Delays are from the moment that something happens to the moment that its terminal has the hub's word for it. `cores` is \
    processor time over time, and memory the most so far. One machine that carries broker, hub and fleet shows what the three carry together.";

pub(super) const EXAMPLES: &str = "Examples:\n  \
    doorctl simulate fleet --rig fleet.tmp --terminals 1000 --rate 100 --seconds 60\n  \
    doorctl simulate fleet --rig fleet.tmp --terminals 1000 --rate 200 --climb\n  \
    doorctl simulate fleet --rig fleet.tmp --terminals 1000 --backlog 1000000\n  \
    doorctl simulate fleet --terminals 10000 --host broker.example.org --broker broker/ --roster lab.roster --by root.key \
    --hub http://127.0.0.1:8470 --token-file token\n\n\
    Exit code: 0 everything is kept once, 2 something was lost, doubled or cannot be proved, 1 fault.";

/// Files beside the connections: logs, the terminal, the hub's answers.
const FILES_BESIDE: u64 = 64;
/// A rate is carried if 95 of 100 records are acknowledged within this, and no more wait at the end than happen in it.
const SOON: Duration = Duration::from_secs(2);
/// What a climbing rate is multiplied by.
const CLIMB: f64 = 1.5;
/// Steps of a climb: from one event a second to millions.
const STEPS_MAX: u32 = 40;
/// How long nothing may be acknowledged before a run gives up waiting; a terminal tries again after a minute at most.
const PATIENCE: Duration = Duration::from_secs(150);
/// How long all may take to connect, beside what each takes.
const CONNECT_MAX: Duration = Duration::from_secs(120);
/// Messages of the yardstick, the connections they go by, and the bytes of one: about a record in a batch of its own.
const BARE: (usize, usize, usize) = (20_000, 8, 300);
/// How often progress is shown.
const LOOK: Duration = Duration::from_millis(500);

/// Options of `fleet`.
#[derive(Debug, Args)]
pub struct Fleet {
    /// How many terminals.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=KEYS_MAX as i64 - 100))]
    terminals: u32,
    /// Events a second, of all together; half of those a minute that a busy door has.
    #[arg(long, default_value_t = 100.0, value_parser = rate)]
    rate: f64,
    /// For how long, or how long a step takes.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// Raise the rate by half after every step, until it is not carried any more.
    #[arg(long)]
    climb: bool,
    /// So many events happened before, of all together, while nobody listened: first they are drained.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=100_000_000))]
    backlog: u64,
    /// Set up a broker and a hub in this new folder.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["host", "broker", "roster", "by", "hub", "token_file"])]
    rig: Option<PathBuf>,
    /// The database of that hub, as in doorhub.toml; SQLite in the folder if it is not said.
    #[arg(long, value_name = "ADDRESS", requires = "rig")]
    database: Option<String>,
    #[command(flatten)]
    given: Given,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|e| format!("{e}"))?;
    if (0.0..=1e6).contains(&rate) { Ok(rate) } else { Err("0 to 1000000 events a second".to_owned()) }
}

/// Runs the command.
///
/// # Errors
/// [`Stop::Refused`] where a record was lost, doubled, or is not its terminal's.
pub(super) fn run(options: &Fleet, out: &mut dyn Write) -> Answer {
    let needed = u64::from(options.terminals) + FILES_BESIDE;
    let files = usage::files_max().unwrap_or(u64::MAX);
    ensure_files(needed, files)?;
    let rig =
        options.rig.as_deref().map(|place| Rig::set_up(place, options.database.as_deref())).transpose()?;
    let given = options.given.ground();
    let ground = match &rig {
        Some(rig) => &rig.ground,
        None => &given?,
    };
    let settled = ground.settle(options.terminals)?;
    let drawing = Drawing::open(&ground.broker, settled.kin.trust.site())?;
    let tls: Vec<Told> = (0..options.terminals)
        .map(|number| drawing.client(ground::name(number).as_str()))
        .collect::<Result<_, _>>()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.context("begin the threads of the fleet")?;
    let common = Arc::new(Common::new(&ground.host, ground.port));
    let mut course =
        Course { options, ground, common, clock: SystemClock::default(), bar: bar(), bare: None, out };
    let standing = runtime.block_on(async {
        if rig.is_some() {
            course.yardstick(&tls).await?;
        }
        course.go(&settled, tls).await
    })?;
    course.bar.finish_and_clear();
    course.reckon(&settled, &standing)
}

fn ensure_files(needed: u64, files: u64) -> anyhow::Result<()> {
    ensure!(
        needed <= files,
        "each terminal has a connection, and this process may have {files} files open: run `ulimit -n {needed}` first, as \
         root where that is refused, or take fewer terminals"
    );
    Ok(())
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg}").expect("the template is sound");
    ProgressBar::new_spinner().with_style(style)
}

/// A run.
struct Course<'a> {
    options: &'a Fleet,
    ground: &'a Ground,
    common: Arc<Common>,
    clock: SystemClock,
    bar: ProgressBar,
    /// Messages a second that the same broker takes bare.
    bare: Option<f64>,
    out: &'a mut dyn Write,
}

/// A moment of it.
struct Moment {
    at: Mono,
    reading: Reading,
    hub: Usage,
    broker: Usage,
    own: Usage,
}

impl Course<'_> {
    /// What the broker takes of messages that nobody signs, hears or keeps.
    async fn yardstick(&mut self, tls: &[Told]) -> Answer {
        let (count, lines, length) = BARE;
        let began = self.clock.now().mono;
        let mut publishing = JoinSet::new();
        for (number, tls) in (0..).zip(tls.iter().take(lines)) {
            let (common, tls, name) =
                (Arc::clone(&self.common), Arc::clone(tls), ground::name(number).to_string());
            publishing.spawn(line::publish_bare(common, tls, name, length, count / lines));
        }
        let lines = publishing.len();
        while let Some(done) = publishing.join_next().await {
            done.ok().flatten().ok_or_else(|| anyhow!("the broker ended a connection of the yardstick"))?;
        }
        let bare = (count / BARE.1 * lines) as f64 / self.clock.now().mono.since(began).as_secs_f64();
        self.bare = Some(bare);
        writeln!(
            self.out,
            "yardstick    {bare:.0} messages/s of {length} bytes by QoS 1, bare: {lines} connections, nothing signed, nobody \
             listening"
        )?;
        Ok(())
    }

    /// From the first connection to the last word of the hub.
    async fn go(&mut self, settled: &Settled, tls: Vec<Told>) -> Answer<Vec<Standing>> {
        let lot = keyfile::genesis();
        let mut fleet = JoinSet::new();
        let numbered = (0..).zip(settled.keys.iter().map(SigningKey::clone)).zip(tls);
        for ((number, key), tls) in numbered {
            let own = terminal::own(&settled.kin.trust, number, &lot);
            let terminal = Terminal::new(own, key, Arc::clone(&settled.kin));
            fleet.spawn(line::live(terminal, tls, Arc::clone(&self.common), u64::from(number)));
        }
        self.connect().await?;
        if self.options.backlog > 0 {
            self.drain_backlog().await?;
        }
        if self.options.rate > 0.0 {
            self.steps().await?;
        }
        self.order(|orders| orders.ending = true);
        let mut standing = Vec::new();
        while let Some(one) = fleet.join_next().await {
            standing.push(one.context("a simulated terminal ended before its time")?);
        }
        Ok(standing)
    }

    async fn connect(&mut self) -> Answer {
        let began = self.moment();
        let wanted = u64::from(self.options.terminals);
        let until = began.at + CONNECT_MAX + Duration::from_millis(20 * wanted);
        loop {
            let begun = self.common.meter.read().of(Count::Begun);
            if begun >= wanted {
                break;
            }
            let now = self.clock.now().mono;
            if now >= until {
                return Err(anyhow!(
                    "{begun} of {wanted} terminals are connected after {:?}",
                    now.since(began.at)
                )
                .into());
            }
            self.show(&format!("{begun} of {wanted} terminals are connected"));
            tokio::time::sleep(LOOK).await;
        }
        let now = self.moment();
        let took = now.at.since(began.at).as_secs_f64();
        writeln!(
            self.out,
            "connected    {wanted} terminals in {took:.1} s, {:.0} a second; memory: hub {}, broker {}, fleet {}",
            wanted as f64 / took,
            mib(now.hub.memory_kib),
            mib(now.broker.memory_kib),
            mib(now.own.memory_kib)
        )?;
        Ok(self.out.flush()?)
    }

    /// Lets the backlog go up, and nothing beside it.
    async fn drain_backlog(&mut self) -> Answer {
        let each = self.options.backlog.div_ceil(u64::from(self.options.terminals));
        let before = self.moment();
        self.order(|orders| orders.backlog = each);
        self.drained().await?;
        let after = self.moment();
        let since = after.reading.since(&before.reading);
        let rate = since.of(Count::Kept) as f64 / after.at.since(before.at).as_secs_f64();
        let against = match self.bare {
            Some(bare) => format!(", {:.2} x the yardstick", rate / bare),
            None => String::new(),
        };
        writeln!(
            self.out,
            "backlog      {} events drained in {:.1} s: {rate:.0} events/s{against}; {}",
            since.of(Count::Kept),
            after.at.since(before.at).as_secs_f64(),
            costs(&before, &after)
        )?;
        self.wire(&since)
    }

    /// Holds the rate, or climbs; then waits for what is left.
    async fn steps(&mut self) -> Answer {
        let before = self.moment();
        let mut rate = self.options.rate;
        let mut carried = None;
        for _ in 0..STEPS_MAX {
            let holds = self.step(rate).await?;
            if !self.options.climb {
                break;
            }
            if !holds {
                let limit = match carried {
                    Some(carried) => format!("{carried:.0} events/s are carried, {rate:.0} are not"),
                    None => format!("{rate:.0} events/s are not carried"),
                };
                writeln!(self.out, "limit        {limit}")?;
                break;
            }
            carried = Some(rate);
            rate *= CLIMB;
        }
        self.order(|orders| orders.rate = 0.0);
        self.drained().await?;
        let since = self.moment().reading.since(&before.reading);
        self.wire(&since)
    }

    /// One step; whether the rate was carried.
    async fn step(&mut self, rate: f64) -> Answer<bool> {
        let before = self.moment();
        self.order(|orders| orders.rate = rate / f64::from(self.options.terminals));
        let until = before.at + Duration::from_secs(self.options.seconds);
        while self.clock.now().mono < until {
            tokio::time::sleep(LOOK).await;
            self.show_waiting(&format!("{rate:.0} events/s"));
        }
        let after = self.moment();
        let since = after.reading.since(&before.reading);
        let (happened, kept) = (since.of(Count::Happened), since.of(Count::Kept));
        let delay = |percent| since.percentile(percent);
        let ms = |percent| {
            delay(percent).map_or_else(|| "-".to_owned(), |d| format!("{:.0}", d.as_secs_f64() * 1e3))
        };
        writeln!(
            self.out,
            "{:<12} {happened} happened, {kept} kept, {} wait; delay p50 {} p95 {} p99 {} ms; {}",
            format!("{rate:.0}/s"),
            waiting(&after.reading),
            ms(50),
            ms(95),
            ms(99),
            costs(&before, &after)
        )?;
        self.out.flush()?;
        let in_time = delay(95).is_some_and(|delay| delay <= SOON);
        Ok(in_time && waiting(&after.reading) as f64 <= rate * SOON.as_secs_f64())
    }

    /// Waits until everything that happened is acknowledged.
    async fn drained(&mut self) -> Answer {
        let (mut kept, mut moved) = (0, self.clock.now().mono);
        loop {
            tokio::time::sleep(LOOK).await;
            let reading = self.common.meter.read();
            let now = self.clock.now().mono;
            if waiting(&reading) == 0 && self.given_out(&reading) {
                return Ok(());
            }
            if reading.of(Count::Kept) > kept {
                (kept, moved) = (reading.of(Count::Kept), now);
            }
            if now.since(moved) > PATIENCE {
                let left = waiting(&reading);
                return Err(anyhow!("{left} records wait, and none was acknowledged for {PATIENCE:?}").into());
            }
            self.show_waiting("draining");
        }
    }

    /// Whether every terminal has its part of the backlog.
    fn given_out(&self, reading: &Reading) -> bool {
        let backlog = self.common.orders.borrow().backlog;
        reading.of(Count::Happened) >= backlog * u64::from(self.options.terminals)
    }

    fn wire(&mut self, since: &Reading) -> Answer {
        let (sent, kept) = (since.of(Count::Sent), since.of(Count::Kept).max(1));
        let each = |bytes: u64| bytes as f64 / kept as f64;
        writeln!(
            self.out,
            "on the wire  {:.0} bytes an event up, {:.0} down, topics included; {:.1} records a batch; {} sent again; {} \
             connections lost, {} acknowledgements refused",
            each(since.of(Count::Up)),
            each(since.of(Count::Down)),
            sent as f64 / since.of(Count::Batches).max(1) as f64,
            sent.saturating_sub(since.of(Count::Kept)),
            since.of(Count::Lost),
            since.of(Count::Refused)
        )?;
        Ok(self.out.flush()?)
    }

    /// Asks the hub what it kept, and believes it nothing.
    fn reckon(&mut self, settled: &Settled, standing: &[Standing]) -> Answer {
        let hub = self.ground.hub.open()?;
        let happened: u64 = standing.iter().map(|one| one.happened).sum();
        let (bar, seen) = (&self.bar, AtomicU64::new(0));
        let Reckoning { trails, kept, lost, doubled, broken_word } =
            reckoning::reckon(&hub, &settled.kin.trust, standing, |records| {
                let seen = seen.fetch_add(records, Relaxed) + records;
                bar.set_message(format!("{seen} of {happened} records are proved"));
                bar.tick();
            })?;
        self.bar.finish_and_clear();
        writeln!(
            self.out,
            "the hub      {trails} trails with {kept} of {happened} records, each under its terminal's signature; {lost} lost, \
             {doubled} doubled"
        )?;
        if lost + doubled + broken_word == 0 {
            return Ok(());
        }
        Err(Stop::refused(format!(
            "{lost} records were lost and {doubled} doubled; {broken_word} of them are missing though the hub signed for them"
        )))
    }

    fn order(&self, change: impl FnOnce(&mut Orders)) {
        self.common.orders.send_modify(change);
    }

    fn moment(&self) -> Moment {
        let of = |process: Option<u32>| process.and_then(Usage::of).unwrap_or_default();
        Moment {
            at: self.clock.now().mono,
            reading: self.common.meter.read(),
            hub: of(self.ground.hub_pid),
            broker: of(self.ground.broker_pid),
            own: Usage::own().unwrap_or_default(),
        }
    }

    fn show_waiting(&self, doing: &str) {
        let reading = self.common.meter.read();
        let (kept, wait) = (reading.of(Count::Kept), waiting(&reading));
        self.show(&format!("{doing}: {kept} records are kept, {wait} wait"));
    }

    fn show(&self, message: &str) {
        self.bar.set_message(message.to_owned());
        self.bar.tick();
    }
}

fn waiting(reading: &Reading) -> u64 {
    reading.of(Count::Happened).saturating_sub(reading.of(Count::Kept))
}

/// What the three programs took between two moments; nothing is said of one that nobody named.
fn costs(before: &Moment, after: &Moment) -> String {
    let took = after.at.since(before.at).as_secs_f64();
    let kept = after.reading.since(&before.reading).of(Count::Kept).max(1) as f64;
    let part = |name, before: &Usage, after: &Usage| {
        let cpu = after.cpu.saturating_sub(before.cpu).as_secs_f64();
        let (cores, each) = (cpu / took, cpu * 1e6 / kept);
        (after.peak_kib > 0)
            .then(|| format!("{name} {cores:.2} cores, {each:.0} µs an event, {}", mib(after.peak_kib)))
    };
    let parts = [
        part("hub", &before.hub, &after.hub),
        part("broker", &before.broker, &after.broker),
        part("fleet", &before.own, &after.own),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn mib(kib: u64) -> String {
    format!("{} MiB", kib.div_ceil(1024))
}
