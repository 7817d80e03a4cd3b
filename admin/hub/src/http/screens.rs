//! The console: pages that the server draws. They need no script; with one they follow what happens.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use doorward_protocol::audit::LivenessLevel;
use doorward_protocol::hex::hex;
use doorward_protocol::ids::{PersonId, SiteId, TerminalId};
use maud::{Markup, html};
use serde::Deserialize;
use tokio_stream::wrappers::WatchStream;
use tokio_stream::{Stream, StreamExt as _};

use super::view::{ago, asked_for, asks, document, moment, older, page, plain, sign, told};
use super::{Desk, Refused};
use crate::clock;
use crate::kept::{self, AlarmRow, Page, Presence, Terminal, Totals};
use crate::tally::Standing;

/// Rows of a page.
const ROWS: usize = 100;
/// Terminals on the page of doors.
const DOORS: usize = 200;
/// The shortest time between two pieces of news: pages are drawn for people.
const NEWS: Duration = Duration::from_millis(500);

type Shown = Result<Markup, Refused>;

/// The routes.
pub(super) fn routes() -> Router<Desk> {
    Router::new()
        .route("/", get(front))
        .route("/{site}/doors", get(doors))
        .route("/{site}/events", get(events))
        .route("/{site}/alarms", get(alarms))
        .route("/{site}/people", get(people))
        .route("/{site}/terminals", get(terminals))
        .route("/{site}/live", get(live))
}

/// Where a page begins, and whom it is about.
#[derive(Debug, Default, Deserialize)]
struct Asked {
    before: Option<i64>,
    after: Option<String>,
    terminal: Option<TerminalId>,
    person: Option<PersonId>,
}

impl Asked {
    fn page(&self) -> Page {
        Page { before: self.before.unwrap_or(i64::MAX), count: ROWS }
    }
}

async fn front(State(desk): State<Desk>) -> Response {
    match &desk.0.sites[..] {
        [only] => Redirect::to(&format!("/{only}/doors")).into_response(),
        many => {
            let body = html! {
                main.narrow {
                    h1 { "doorhub" }
                    ul.card { @for site in many { li { a href={ "/" (site) "/doors" } { (site) } } } }
                }
            };
            document("Sites", &body).into_response()
        }
    }
}

async fn doors(State(desk): State<Desk>, Path(site): Path<String>) -> Shown {
    let site = desk.site(&site)?;
    let (name, head, now_ms) = (site.clone(), desk.standing(&site).seq, clock::now_ms());
    let read = desk.read(move |transaction| {
        let totals = kept::totals(transaction, &name, head, now_ms)?;
        let terminals = kept::terminals(transaction, &name, "", DOORS)?;
        let alarms = kept::open_alarms(transaction, &name, Page::newest(ROWS))?;
        let events = kept::events(transaction, &name, None, None, Page::newest(20))?;
        Ok((totals, terminals, alarms, events))
    });
    let (totals, terminals, alarms, events) = read.await?;
    let content = html! {
        (figures(&totals, head))
        @if terminals.is_empty() {
            p.empty { "No terminal has said how it is. One does as soon as it is provisioned and reaches the broker." }
        }
        div.doors {
            @for terminal in &terminals {
                (door(terminal, &alarms, head, now_ms))
            }
        }
        h2 { "Last events" }
        (event_table(&site, &events))
    };
    Ok(page(&site, "doors", &notes(&desk, &site).await?, &content))
}

fn figures(totals: &Totals, head: u64) -> Markup {
    html! {
        dl.figures {
            div { dt { "Terminals" } dd { (totals.terminals) } }
            div { dt { "Online" } dd { (totals.online) } }
            div class=[(totals.silent > 0).then_some("warn")] { dt { "Silent" } dd { (totals.silent) } }
            div class=[(totals.alarms > 0).then_some("bad")] { dt { "Alarms" } dd { (totals.alarms) } }
            div class=[(totals.behind > 0).then_some("warn")] { dt { "Behind the roster" } dd { (totals.behind) } }
            div { dt { "Roster entry" } dd { (head) } }
        }
    }
}

fn door(terminal: &Terminal, alarms: &[AlarmRow], head: u64, now_ms: i64) -> Markup {
    let own: Vec<&AlarmRow> = alarms.iter().filter(|alarm| alarm.terminal == terminal.terminal).collect();
    let presence = terminal.presence(now_ms);
    html! {
        article.door data-presence=(presence.word()) data-alarm=(!own.is_empty()) {
            h3 { (terminal.terminal) }
            p { (present(presence)) " " span.quiet { "heard " (ago(terminal.heard_ms, now_ms)) } }
            @if let Some(level) = terminal.level { p { span.quiet { "proof of life: " } (asks(level)) } }
            @for alarm in own { p { (sign("bad", "alarm")) " " (plain(&alarm.what)) } }
            @if let Some(why) = &terminal.halted { p { (sign("warn", "halted")) " " (why) } }
            @if terminal.roster_seq < head {
                p { (sign("warn", "behind")) " by " (head - terminal.roster_seq) " roster entries" }
            }
        }
    }
}

fn present(presence: Presence) -> Markup {
    let kind = match presence {
        Presence::Online => "good",
        Presence::Silent => "warn",
        Presence::Away => "bad",
    };
    sign(kind, presence.word())
}

async fn events(State(desk): State<Desk>, Path(site): Path<String>, Query(asked): Query<Asked>) -> Shown {
    let site = desk.site(&site)?;
    let (name, page_asked) = (site.clone(), asked.page());
    let (terminal, person) = (asked.terminal.clone(), asked.person.clone());
    let read = desk.read(move |transaction| {
        kept::events(transaction, &name, terminal.as_ref(), person.as_ref(), page_asked)
    });
    let found = read.await?;
    let next = found.last().filter(|_| found.len() == ROWS).map(|last| {
        let who = asked.person.as_ref().map(|person| format!("&person={person}")).unwrap_or_default();
        let where_ = asked.terminal.as_ref().map(|name| format!("&terminal={name}")).unwrap_or_default();
        format!("/{site}/events?before={}{who}{where_}", last.number)
    });
    let content = html! {
        @if let Some(person) = &asked.person { p { "About " b { (person) } ". " a href={ "/" (site) "/events" } { "All events" } } }
        @if let Some(name) = &asked.terminal { p { "At " b { (name) } ". " a href={ "/" (site) "/events" } { "All events" } } }
        (event_table(&site, &found))
        (older(next))
    };
    Ok(page(&site, "events", &notes(&desk, &site).await?, &content))
}

fn event_table(site: &SiteId, events: &[kept::Event]) -> Markup {
    if events.is_empty() {
        return html! { p.empty { "Nothing has been recorded yet." } };
    }
    html! {
        table.events {
            thead { tr { th { "Time (UTC)" } th { "Terminal" } th { "What" } th {} th { "Record" } } }
            tbody {
                @for event in events {
                    @let (kind, word, rest) = told(&event.entry);
                    tr {
                        td.at { (moment(event.entry.at_ms)) }
                        td { a href={ "/" (site) "/events?terminal=" (event.terminal) } { (event.terminal) } }
                        td { (sign(kind, word)) }
                        td.rest { (rest) @if let Some(level) = asked_for(&event.entry) { " " (level) } }
                        td.seq data-name="record" { (event.seq) }
                    }
                }
            }
        }
    }
}

async fn alarms(State(desk): State<Desk>, Path(site): Path<String>, Query(asked): Query<Asked>) -> Shown {
    let site = desk.site(&site)?;
    let (name, page_asked) = (site.clone(), asked.page());
    let found = desk.read(move |transaction| kept::alarms(transaction, &name, page_asked)).await?;
    let next = found.last().filter(|_| found.len() == ROWS);
    let next = next.map(|last| format!("/{site}/alarms?before={}", last.number));
    let content = html! {
        @if found.is_empty() { p.empty { "There has been no alarm." } } @else {
            table {
                thead { tr { th { "Since (UTC)" } th { "Terminal" } th { "What" } th { "Over" } } }
                tbody {
                    @for alarm in &found {
                        tr {
                            td.at { (moment(alarm.raised_ms)) }
                            td { (alarm.terminal) }
                            td { @if alarm.cleared_ms.is_none() { (sign("bad", "alarm")) " " } (plain(&alarm.what)) }
                            td.at { @match alarm.cleared_ms { Some(at) => (moment(at)), None => "not yet" } }
                        }
                    }
                }
            }
        }
        (older(next))
    };
    Ok(page(&site, "alarms", &notes(&desk, &site).await?, &content))
}

async fn people(State(desk): State<Desk>, Path(site): Path<String>, Query(asked): Query<Asked>) -> Shown {
    let site = desk.site(&site)?;
    let (name, after) = (site.clone(), asked.after.unwrap_or_default());
    let found = desk.read(move |transaction| kept::people(transaction, &name, &after, ROWS)).await?;
    let next = found.last().filter(|_| found.len() == ROWS);
    let next = next.map(|last| format!("/{site}/people?after={}", last.person));
    let content = html! {
        p.quiet { "Whoever occurs in the audit trails. Names and templates are sealed to the terminals; the hub cannot read them." }
        @if found.is_empty() { p.empty { "Nobody yet." } } @else {
            table {
                thead { tr { th { "Person" } th { "Records" } th { "Last (UTC)" } } }
                tbody {
                    @for one in &found {
                        tr {
                            td { a href={ "/" (site) "/events?person=" (one.person) } { (one.person) } }
                            td.seq data-name="records" { (one.records) }
                            td.at { (moment(one.at_ms)) }
                        }
                    }
                }
            }
        }
        (older(next))
    };
    Ok(page(&site, "people", &notes(&desk, &site).await?, &content))
}

async fn terminals(State(desk): State<Desk>, Path(site): Path<String>, Query(asked): Query<Asked>) -> Shown {
    let site = desk.site(&site)?;
    let (name, after) = (site.clone(), asked.after.unwrap_or_default());
    let found = desk.read(move |transaction| kept::terminals(transaction, &name, &after, ROWS)).await?;
    let (standing, now_ms) = (desk.standing(&site), clock::now_ms());
    let next = found.last().filter(|_| found.len() == ROWS);
    let next = next.map(|last| format!("/{site}/terminals?after={}", last.terminal));
    let content = html! {
        p.quiet { "The roster has come to entry " (standing.seq) "." }
        @if found.is_empty() { p.empty { "No terminal has said how it is." } } @else {
            table {
                thead { tr {
                    th { "Terminal" } th { "Is" } th { "Heard" } th { "Version" } th { "Proof of life" } th { "Roster" } th { "Holds" }
                    th { "Trail kept" } th { "Waiting" } th { "Faults" }
                } }
                tbody { @for terminal in &found { (row(terminal, &standing, now_ms)) } }
            }
        }
        (older(next))
    };
    Ok(page(&site, "terminals", &notes(&desk, &site).await?, &content))
}

fn row(terminal: &Terminal, standing: &Standing, now_ms: i64) -> Markup {
    let behind = standing.seq.saturating_sub(terminal.roster_seq);
    let missing = terminal.trail_seq.saturating_sub(terminal.kept_seq);
    let state = hex(&terminal.roster_state);
    html! {
        tr {
            td.name { (terminal.terminal) }
            td { (present(terminal.presence(now_ms))) }
            td.at { (ago(terminal.heard_ms, now_ms)) }
            td data-name="version" { (terminal.version) }
            td data-name="proof of life" {
                @match terminal.level { Some(level) => (asks(level)), None => span.quiet { "unknown" } }
            }
            td.seq data-name="roster" { (terminal.roster_seq) @if behind > 0 { " " (sign("warn", &format!("{behind} behind"))) } }
            td {
                @match terminal.holds(standing) {
                    Some(true) => (sign("good", "as signed")),
                    Some(false) => (sign("bad", "something else")),
                    None => {}
                }
                " " code.quiet title=(state) { (state[..8]) "…" }
            }
            td.seq data-name="kept" { (terminal.kept_seq) @if missing > 0 { " of " (terminal.trail_seq) } }
            td.seq { @if let Some(waiting) = terminal.waiting { (waiting) " waiting" } }
            td { @if let Some(faults) = &terminal.faults { (plain(faults)) } }
        }
    }
}

/// Tells an open page that something was kept.
async fn live(
    State(desk): State<Desk>,
    Path(site): Path<String>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refused> {
    desk.site(&site)?;
    let news = WatchStream::from_changes(desk.news().subscribe()).throttle(NEWS);
    let events = news.map(|count| Ok(Event::default().event("news").data(count.to_string())));
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// What stands above every page of a site: what is wrong with the hub itself, and where a photograph may pass.
async fn notes(desk: &Desk, site: &SiteId) -> Result<Vec<Markup>, Refused> {
    let (name, head, now_ms) = (site.clone(), desk.standing(site).seq, clock::now_ms());
    let totals = desk.read(move |transaction| kept::totals(transaction, &name, head, now_ms)).await?;
    let counted = desk.tally().counts();
    let broker = (!counted.connected).then_some(
        "The broker is away: what stands here was true when it was last there. Doors go on deciding.",
    );
    let keeping = (!counted.keeping)
        .then_some("The database keeps nothing at the moment. Terminals keep their records until it does.");
    let faults = broker.into_iter().chain(keeping).map(|fault| html! { p.banner role="alert" { (fault) } });
    Ok(faults.chain(weakest(&totals)).collect())
}

/// Which part of the terminals asks for colour alone.
fn weakest(totals: &Totals) -> Option<Markup> {
    let level = LivenessLevel::Convenience;
    (totals.convenience > 0).then(|| {
        html! { p { (asks(level)) span.quiet { " at " (totals.convenience) " of " (totals.terminals) " terminals" } } }
    })
}
