//! The API: JSON in pages, and signed messages handed in as they are. docs/centre.md describes every route.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use doorward_protocol::audit::Hash;
use doorward_protocol::hex::{hex, unhex};
use doorward_protocol::ids::{PersonId, TerminalId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Desk, Refused};
use crate::clock;
use crate::keeper::Work;
use crate::kept::{self, Page, Terminal};
use crate::tally::Standing;

/// Rows of a page, unless the request says otherwise.
const PAGE: usize = 100;
/// Roster entries of a page: each may have 256 KiB.
const ENTRIES_MAX: usize = 32;

type Answer = Result<Json<Value>, Refused>;

/// The routes.
pub(super) fn routes() -> Router<Desk> {
    Router::new()
        .route("/api/v1/sites", get(sites))
        .route("/api/v1/sites/{site}/terminals", get(terminals))
        .route("/api/v1/sites/{site}/terminals/{terminal}", get(terminal))
        .route("/api/v1/sites/{site}/events", get(events))
        .route("/api/v1/sites/{site}/alarms", get(alarms))
        .route("/api/v1/sites/{site}/alarms/{alarm}/settled", post(settle))
        .route("/api/v1/sites/{site}/people", get(people))
        .route("/api/v1/sites/{site}/trails", get(trails))
        .route("/api/v1/sites/{site}/trails/{trail}", get(records))
        .route("/api/v1/sites/{site}/roster", get(roster).post(append))
        .route("/api/v1/sites/{site}/orders", post(order))
        .route("/api/v1/sites/{site}/orders/{order}", get(receipt))
        .route("/api/v1/sites/{site}/denials", post(deny))
}

/// Which page, and of what.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    before: Option<i64>,
    after: Option<String>,
    count: Option<usize>,
    terminal: Option<TerminalId>,
    person: Option<PersonId>,
    open: Option<bool>,
}

impl Asked {
    fn page(&self) -> Page {
        Page { before: self.before.unwrap_or(i64::MAX), count: self.count() }
    }

    fn count(&self) -> usize {
        self.count.unwrap_or(PAGE)
    }

    fn name_after(&self) -> String {
        self.after.clone().unwrap_or_default()
    }

    fn number_after<T: std::str::FromStr + Default>(&self) -> Result<T, Refused> {
        let Some(after) = &self.after else { return Ok(T::default()) };
        after.parse().map_err(|_| Refused(StatusCode::BAD_REQUEST, format!("after={after} is no number")))
    }
}

async fn sites(State(desk): State<Desk>) -> Answer {
    let (names, heads) = (desk.0.sites.clone(), desk.tally().counts().heads);
    let now_ms = clock::now_ms();
    let read = desk.read(move |transaction| {
        let mut found = Vec::new();
        for site in names {
            let head = heads.get(&site).copied().unwrap_or_default();
            let totals = kept::totals(transaction, &site, head.seq, now_ms)?;
            found.push(json!({
                "site": site, "roster": head.seq, "state": hex(&head.state), "terminals": totals.terminals, "online": totals.online,
                "silent": totals.silent, "behind": totals.behind, "convenience": totals.convenience,
                "alarms": totals.alarms,
            }));
        }
        Ok(found)
    });
    Ok(Json(json!({"sites": read.await?})))
}

async fn terminals(State(desk): State<Desk>, Path(site): Path<String>, Query(asked): Query<Asked>) -> Answer {
    let site = desk.site(&site)?;
    let standing = desk.standing(&site);
    let (after, count) = (asked.name_after(), asked.count());
    let found = desk.read(move |transaction| kept::terminals(transaction, &site, &after, count)).await?;
    let rows: Vec<Value> = found.iter().map(|terminal| shown(terminal, &standing)).collect();
    Ok(Json(json!({"terminals": rows, "next": found.last().map(|last| &last.terminal)})))
}

async fn terminal(State(desk): State<Desk>, Path((site, terminal)): Path<(String, TerminalId)>) -> Answer {
    let site = desk.site(&site)?;
    let standing = desk.standing(&site);
    let name = terminal.clone();
    let found = desk.read(move |transaction| kept::terminal(transaction, &site, &name)).await?;
    found
        .map(|found| Json(shown(&found, &standing)))
        .ok_or_else(|| Refused(StatusCode::NOT_FOUND, format!("terminal {terminal} never said how it is")))
}

fn shown(terminal: &Terminal, standing: &Standing) -> Value {
    json!({
        "terminal": terminal.terminal, "presence": terminal.presence(clock::now_ms()).word(), "level": terminal.level,
        "heard_ms": terminal.heard_ms, "version": terminal.version, "clock": terminal.clock,
        "session": hex(&terminal.session), "trail": terminal.trail_seq, "kept": terminal.kept_seq,
        "roster": terminal.roster_seq, "state": hex(&terminal.roster_state),
        "holds_what_was_signed": terminal.holds(standing), "halted": terminal.halted,
        "waiting": terminal.waiting, "memory_kib": terminal.memory_kib, "room_kib": terminal.room_kib,
        "temperature_mc": terminal.temperature_mc, "faults": terminal.faults,
        "signed": terminal.signed.as_ref().map(|signed| hex(signed)),
    })
}

async fn events(State(desk): State<Desk>, Path(site): Path<String>, Query(asked): Query<Asked>) -> Answer {
    let site = desk.site(&site)?;
    let page = asked.page();
    let read = desk.read(move |transaction| {
        kept::events(transaction, &site, asked.terminal.as_ref(), asked.person.as_ref(), page)
    });
    let found = read.await?;
    let next = found.last().map(|last| last.number);
    let row = |event: kept::Event| json!({"number": event.number, "terminal": event.terminal, "seq": event.seq, "entry": event.entry});
    Ok(Json(json!({"events": found.into_iter().map(row).collect::<Vec<_>>(), "next": next})))
}

async fn alarms(State(desk): State<Desk>, Path(site): Path<String>, Query(asked): Query<Asked>) -> Answer {
    let site = desk.site(&site)?;
    let page = asked.page();
    let read = desk.read(move |transaction| match asked.open {
        Some(true) => kept::open_alarms(transaction, &site, page),
        Some(false) | None => kept::alarms(transaction, &site, page),
    });
    let found = read.await?;
    let next = found.last().map(|last| last.number);
    let row = |alarm: kept::AlarmRow| {
        json!({"number": alarm.number, "terminal": alarm.terminal, "what": alarm.what, "raised_ms": alarm.raised_ms,
            "cleared_ms": alarm.cleared_ms})
    };
    Ok(Json(json!({"alarms": found.into_iter().map(row).collect::<Vec<_>>(), "next": next})))
}

async fn settle(
    State(desk): State<Desk>,
    headers: HeaderMap,
    Path((site, alarm)): Path<(String, i64)>,
) -> Answer {
    changing(&desk, &headers)?;
    let site = desk.site(&site)?;
    match desk.ask(|reply| Work::Settle(site, alarm, reply)).await? {
        true => Ok(Json(json!({}))),
        false => Err(Refused(StatusCode::NOT_FOUND, format!("there is no open alarm {alarm}"))),
    }
}

async fn people(State(desk): State<Desk>, Path(site): Path<String>, Query(asked): Query<Asked>) -> Answer {
    let site = desk.site(&site)?;
    let (after, count) = (asked.name_after(), asked.count());
    let found = desk.read(move |transaction| kept::people(transaction, &site, &after, count)).await?;
    let next = found.last().map(|last| last.person.clone());
    let row = |one: kept::Person| json!({"person": one.person, "records": one.records, "at_ms": one.at_ms});
    Ok(Json(json!({"people": found.into_iter().map(row).collect::<Vec<_>>(), "next": next})))
}

async fn trails(State(desk): State<Desk>, Path(site): Path<String>, Query(asked): Query<Asked>) -> Answer {
    let site = desk.site(&site)?;
    let (after, count) = (asked.number_after()?, asked.count());
    let found = desk.read(move |transaction| kept::trails(transaction, &site, after, count)).await?;
    let next = found.last().map(|last| last.trail);
    let row = |trail: kept::Trail| {
        json!({"trail": trail.trail, "terminal": trail.terminal, "genesis": hex(&trail.genesis), "seq": trail.seq,
            "signed": trail.signed.map(|signed| hex(&signed))})
    };
    Ok(Json(json!({"trails": found.into_iter().map(row).collect::<Vec<_>>(), "next": next})))
}

async fn records(
    State(desk): State<Desk>,
    Path((site, trail)): Path<(String, i64)>,
    Query(asked): Query<Asked>,
) -> Answer {
    let site = desk.site(&site)?;
    let (after, count) = (asked.number_after()?, asked.count());
    let found = desk.read(move |transaction| kept::records(transaction, &site, trail, after, count)).await?;
    let next = found.last().map(|last| last.seq);
    let rows: Vec<String> = found.iter().map(|record| hex(&record.bytes)).collect();
    Ok(Json(json!({"records": rows, "first": found.first().map(|first| first.seq), "next": next})))
}

async fn roster(State(desk): State<Desk>, Path(site): Path<String>, Query(asked): Query<Asked>) -> Answer {
    let site = desk.site(&site)?;
    let (after, count) = (asked.number_after()?, asked.count().min(ENTRIES_MAX));
    let read = desk.read(move |transaction| kept::entries_after(transaction, &site, after, None, count));
    let rows: Vec<String> = read.await?.unwrap_or_default().iter().map(|entry| hex(entry)).collect();
    Ok(Json(json!({"entries": rows})))
}

async fn append(
    State(desk): State<Desk>,
    headers: HeaderMap,
    Path(site): Path<String>,
    entry: Bytes,
) -> Answer {
    changing(&desk, &headers)?;
    let site = desk.site(&site)?;
    let seq = desk.ask(|reply| Work::Append(site, entry.to_vec(), reply)).await?;
    Ok(Json(json!({"seq": seq})))
}

async fn order(
    State(desk): State<Desk>,
    headers: HeaderMap,
    Path(site): Path<String>,
    order: Bytes,
) -> Answer {
    changing(&desk, &headers)?;
    let site = desk.site(&site)?;
    let hash = desk.ask(|reply| Work::Order(site, order.to_vec(), reply)).await?;
    Ok(Json(json!({"order": hex(&hash)})))
}

async fn deny(
    State(desk): State<Desk>,
    headers: HeaderMap,
    Path(site): Path<String>,
    denial: Bytes,
) -> Answer {
    changing(&desk, &headers)?;
    let site = desk.site(&site)?;
    desk.ask(|reply| Work::Deny(site, denial.to_vec(), reply)).await?;
    Ok(Json(json!({})))
}

async fn receipt(State(desk): State<Desk>, Path((site, order)): Path<(String, String)>) -> Answer {
    let site = desk.site(&site)?;
    let hash: Hash = unhex(&order)
        .ok_or_else(|| Refused(StatusCode::BAD_REQUEST, "an order's hash has 64 digits".to_owned()))?;
    let found = desk.read(move |transaction| kept::answer(transaction, &site, &hash)).await?;
    let Some(answer) = found else {
        return Err(Refused(StatusCode::NOT_FOUND, "no receipt has come for this order".to_owned()));
    };
    Ok(Json(
        json!({"terminal": answer.terminal, "kept_ms": answer.kept_ms, "done": answer.done, "words": answer.words,
        "signed": hex(&answer.bytes)}),
    ))
}

/// What changes something takes the token itself, not a browser's cookie.
fn changing(desk: &Desk, headers: &HeaderMap) -> Result<(), Refused> {
    match desk.0.token.header_in(headers) {
        true => Ok(()),
        false => Err(Refused(StatusCode::FORBIDDEN, "this takes the token in the header".to_owned())),
    }
}
