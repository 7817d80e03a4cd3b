//! How terminals said they are, and since when they have said nothing.
//!
//! Only what is newer counts, and only what is newer proves life: a broker that repeats an old "online" for ever changes
//! nothing, and after three minutes of silence the hub says so.

use doorward_protocol::audit::{ClockTrust, Hash, LivenessLevel};
use doorward_protocol::ids::{SiteId, TerminalId};
use doorward_protocol::presence::{Health, State};

use super::pages::PAGE_MAX;
use crate::database::{Columns, DatabaseFault, Kept, Row, Transaction, Value};
use crate::tally::Standing;

/// After this much silence, nobody knows how a terminal is: three times what a terminal takes between two reports of its
/// health.
const STALE_MS: i64 = 180_000;

/// Whether a terminal is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It said so, not long ago.
    Online,
    /// It said so, and nothing new since.
    Silent,
    /// Its connection ended.
    Away,
}

impl Presence {
    /// A word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Presence::Online => "online",
            Presence::Silent => "silent",
            Presence::Away => "away",
        }
    }
}

/// A terminal as it last said it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Terminal {
    /// Its name.
    pub terminal: TerminalId,
    /// When it last said something new, by the hub's clock.
    pub heard_ms: i64,
    /// Its present life, which orders must name.
    pub session: [u8; 16],
    /// Whether it was connected then.
    pub online: bool,
    /// The version that runs.
    pub version: String,
    /// How far it trusts its clock.
    pub clock: ClockTrust,
    /// How far its trail has come.
    pub trail_seq: u64,
    /// How far that trail is kept here.
    pub kept_seq: u64,
    /// The newest roster entry that it follows.
    pub roster_seq: u64,
    /// What it holds, as one hash.
    pub roster_state: Hash,
    /// Why it does not follow the roster any further.
    pub halted: Option<String>,
    /// Audit records that wait on it.
    pub waiting: Option<i64>,
    /// Memory it takes, KiB.
    pub memory_kib: Option<i64>,
    /// Room left for its store, KiB.
    pub room_kib: Option<i64>,
    /// Temperature of its board, thousandths of a degree Celsius.
    pub temperature_mc: Option<i64>,
    /// Parts at fault, as it names them.
    pub faults: Option<String>,
    /// The message in which it said what it holds.
    pub signed: Option<Vec<u8>>,
    /// How much evidence of life it asks for; none from versions that did not say it.
    pub level: Option<LivenessLevel>,
}

impl Terminal {
    /// Whether it holds what was signed; nobody here can tell where it is behind.
    #[must_use]
    pub fn holds(&self, standing: &Standing) -> Option<bool> {
        (self.roster_seq == standing.seq).then_some(self.roster_state == standing.state)
    }

    /// Whether it is there, asked at `now_ms`.
    #[must_use]
    pub fn presence(&self, now_ms: i64) -> Presence {
        match self.online {
            false => Presence::Away,
            // Heard in time to come: the hub's clock was set back since then, and nothing is known.
            true if now_ms.saturating_sub(self.heard_ms).saturating_abs() > STALE_MS => Presence::Silent,
            true => Presence::Online,
        }
    }
}

/// Takes a state; whether it was newer than the one before. `trail` is the number of its trail, `seq` its message's, and
/// `signed` are the message's bytes. A last will ends a connection; what was said on it of trail and roster stands.
///
/// # Errors
/// The database's.
pub fn say_state(
    transaction: &mut Transaction<'_>,
    site: &SiteId,
    terminal: &TerminalId,
    (trail, seq): (i64, u64),
    state: &State,
    signed: &[u8],
    now_ms: i64,
) -> Kept<bool> {
    let values = [
        site.as_str().into(),
        terminal.as_str().into(),
        now_ms.into(),
        trail.into(),
        Value::bytes(*state.session),
        Value::count(state.start),
        Value::count(state.link),
        state.online.into(),
        Value::count(seq),
        state.version.as_str().into(),
        Value::Int(trust_number(state.clock)),
        Value::count(state.trail.seq),
        Value::count(state.roster.seq),
        Value::bytes(*state.roster.state),
        state.halted.as_ref().map(|why| why.as_str()).into(),
        Value::bytes(signed),
        state.level.map(LivenessLevel::code).into(),
    ];
    // Signed when the connection began, so that it knows less than what was said on it.
    let told = |column: &str| {
        format!(
            "{column} = CASE WHEN excluded.online = 1 OR excluded.session <> terminal.session \
             THEN excluded.{column} ELSE terminal.{column} END"
        )
    };
    let told = ["trail_seq", "roster_seq", "roster_state", "halted", "signed"].map(told).join(", ");
    // Newer is what the protocol's age says, within one trail; a trail that was begun later is newer as a whole. What
    // health said belongs to the life that said it.
    let sql = format!(
        "INSERT INTO terminal (site, terminal, heard_ms, trail, session, start, link, online, seq, version, clock, \
        trail_seq, roster_seq, roster_state, halted, signed, level, health_seq) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, 0) \
        ON CONFLICT (site, terminal) DO UPDATE SET heard_ms = excluded.heard_ms, trail = excluded.trail, \
        health_seq = CASE WHEN terminal.session = excluded.session THEN terminal.health_seq ELSE 0 END, \
        session = excluded.session, start = excluded.start, link = excluded.link, online = excluded.online, \
        seq = excluded.seq, version = excluded.version, clock = excluded.clock, \
        level = excluded.level, {told} \
        WHERE (excluded.trail, excluded.start, excluded.link, 1 - excluded.online, excluded.seq) \
        > (terminal.trail, terminal.start, terminal.link, 1 - terminal.online, terminal.seq)"
    );
    Ok(transaction.execute("note how a terminal is", &sql, &values)? == 1)
}

/// Takes a report of health; whether it was newer than the one before.
///
/// # Errors
/// The database's.
pub fn say_health(
    transaction: &mut Transaction<'_>,
    site: &SiteId,
    terminal: &TerminalId,
    seq: u64,
    health: &Health,
    now_ms: i64,
) -> Kept<bool> {
    let number = |figure: Option<u64>| figure.map(Value::count);
    let faults: Vec<&str> = health.faults.iter().map(|part| part.as_str()).collect();
    let values = [
        site.as_str().into(),
        terminal.as_str().into(),
        Value::bytes(*health.session),
        Value::count(seq),
        now_ms.into(),
        Value::count(health.waiting),
        number(health.memory_kib).into(),
        number(health.room_kib).into(),
        health.temperature_mc.into(),
        faults.join(", ").as_str().into(),
    ];
    let sql = "UPDATE terminal SET health_seq = ?4, heard_ms = ?5, waiting = ?6, memory_kib = ?7, room_kib = ?8, \
        temperature_mc = ?9, faults = ?10 \
        WHERE site = ?1 AND terminal = ?2 AND session = ?3 AND health_seq < ?4";
    Ok(transaction.execute("note a terminal's health", sql, &values)? == 1)
}

const COLUMNS: &str = "SELECT terminal.terminal, heard_ms, session, online, version, clock, trail_seq, trail.seq, \
    roster_seq, roster_state, halted, waiting, memory_kib, room_kib, temperature_mc, faults, terminal.signed, level \
    FROM terminal JOIN trail ON trail.trail = terminal.trail";

/// Terminals of a site in the order of their names, after `after`.
///
/// # Errors
/// The database's.
pub fn terminals(
    transaction: &mut Transaction<'_>,
    site: &SiteId,
    after: &str,
    count: usize,
) -> Kept<Vec<Terminal>> {
    let sql = format!(
        "{COLUMNS} WHERE terminal.site = ?1 AND terminal.terminal > ?2 ORDER BY terminal.terminal LIMIT ?3"
    );
    let values = [site.as_str().into(), after.into(), Value::count(count.min(PAGE_MAX) as u64)];
    transaction.query("read terminals", &sql, &values)?.into_iter().map(read).collect()
}

/// One terminal.
///
/// # Errors
/// The database's.
pub fn terminal(
    transaction: &mut Transaction<'_>,
    site: &SiteId,
    terminal: &TerminalId,
) -> Kept<Option<Terminal>> {
    let sql = format!("{COLUMNS} WHERE terminal.site = ?1 AND terminal.terminal = ?2");
    let values = [site.as_str().into(), terminal.as_str().into()];
    transaction.query("read a terminal", &sql, &values)?.into_iter().next().map(read).transpose()
}

/// Figures over a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Terminals that ever said how they are.
    pub terminals: i64,
    /// Of them, those that are online.
    pub online: i64,
    /// Of them, those of which nothing was heard for too long.
    pub silent: i64,
    /// Those that do not hold the newest roster.
    pub behind: i64,
    /// Those that ask for colour alone: a good photograph may pass there.
    pub convenience: i64,
    /// Open alarms.
    pub alarms: i64,
}

/// Figures over a site whose roster has come to `head`.
///
/// # Errors
/// The database's.
pub fn totals(transaction: &mut Transaction<'_>, site: &SiteId, head: u64, now_ms: i64) -> Kept<Totals> {
    let sql = "SELECT COUNT(*), COUNT(CASE WHEN online = 1 AND heard_ms >= ?2 AND heard_ms <= ?4 THEN 1 END), \
        COUNT(CASE WHEN online = 1 AND (heard_ms < ?2 OR heard_ms > ?4) THEN 1 END), \
        COUNT(CASE WHEN roster_seq < ?3 THEN 1 END), COUNT(CASE WHEN level = ?5 THEN 1 END) FROM terminal WHERE site = ?1";
    let (from, to) = (now_ms.saturating_sub(STALE_MS), now_ms.saturating_add(STALE_MS));
    let weakest = LivenessLevel::Convenience.code();
    let values = [site.as_str().into(), from.into(), Value::count(head), to.into(), weakest.into()];
    let rows = transaction.query("count terminals", sql, &values)?;
    let mut row = Columns::from(rows.into_iter().next().ok_or(DatabaseFault::Nonsense("no count"))?);
    let (terminals, online, silent, behind) = (row.int()?, row.int()?, row.int()?, row.int()?);
    let convenience = row.int()?;
    let sql = "SELECT COUNT(*) FROM alarm WHERE site = ?1 AND cleared_ms IS NULL";
    let rows = transaction.query("count alarms", sql, &[site.as_str().into()])?;
    let row = rows.into_iter().next().ok_or(DatabaseFault::Nonsense("no count"))?;
    Ok(Totals { terminals, online, silent, behind, convenience, alarms: Columns::from(row).int()? })
}

fn read(row: Row) -> Kept<Terminal> {
    let mut row = Columns::from(row);
    Ok(Terminal {
        terminal: row.name()?,
        heard_ms: row.int()?,
        session: row.array()?,
        online: row.int()? == 1,
        version: row.text()?,
        clock: trust(row.int()?),
        trail_seq: row.count()?,
        kept_seq: row.count()?,
        roster_seq: row.count()?,
        roster_state: row.array()?,
        halted: row.text_or_none()?,
        waiting: row.int_or_none()?,
        memory_kib: row.int_or_none()?,
        room_kib: row.int_or_none()?,
        temperature_mc: row.int_or_none()?,
        faults: row.text_or_none()?,
        signed: row.bytes_or_none()?,
        level: row.text_or_none()?.as_deref().map(level).transpose()?,
    })
}

fn level(code: &str) -> Kept<LivenessLevel> {
    let known = LivenessLevel::ALL.into_iter().find(|level| level.code() == code);
    known.ok_or(DatabaseFault::Nonsense("a level that is none"))
}

fn trust_number(clock: ClockTrust) -> i64 {
    match clock {
        ClockTrust::Unknown => 0,
        ClockTrust::HeldOver => 1,
        ClockTrust::Synchronised => 2,
    }
}

fn trust(number: i64) -> ClockTrust {
    match number {
        2 => ClockTrust::Synchronised,
        1 => ClockTrust::HeldOver,
        _ => ClockTrust::Unknown,
    }
}
