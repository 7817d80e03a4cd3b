//! What every page has in common: its frame, its style, and the words for what happened.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use doorward_protocol::audit::{Asked, Decided, Entry, LivenessLevel, What};
use doorward_protocol::ids::SiteId;
use jiff::Timestamp;
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// The style.
pub(super) async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("style.css")).into_response()
}

/// What brings news to a page that is open. Without it, a page shows what was when it was asked for.
pub(super) async fn script() -> Response {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("live.js")).into_response()
}

/// A whole document.
pub(super) fn document(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · doorhub" }
                link rel="stylesheet" href="/style.css";
            }
            body { (body) }
        }
    }
}

/// Pages of a site, by the last part of their address.
const PAGES: [(&str, &str); 5] = [
    ("doors", "Doors"),
    ("events", "Events"),
    ("alarms", "Alarms"),
    ("people", "People"),
    ("terminals", "Terminals"),
];

/// A page of a site. What stands in `main` is brought up to date by the script.
pub(super) fn page(site: &SiteId, here: &str, notes: &[Markup], content: &Markup) -> Markup {
    let title = PAGES.iter().find(|(page, _)| *page == here).map_or("doorhub", |(_, title)| title);
    let body = html! {
        header.top {
            a.brand href="/" { "doorhub" }
            span.site { (site) }
            nav {
                @for (page, title) in PAGES {
                    a href={ "/" (site) "/" (page) } aria-current=[(page == here).then_some("page")] { (title) }
                }
            }
        }
        main #live data-live={ "/" (site) "/live" } {
            @for note in notes { (note) }
            h1 { (title) }
            (content)
        }
        script src="/live.js" defer {}
    };
    document(title, &body)
}

/// A moment, as people read it; the exact one for programs.
pub(super) fn moment(ms: i64) -> Markup {
    match Timestamp::from_millisecond(ms) {
        Ok(at) => html! {
            time datetime=(at.to_string()) { (at.strftime("%Y-%m-%d %H:%M:%S")) }
        },
        Err(_) => html! { (ms) " ms" },
    }
}

/// How long ago, in the largest unit that fits.
pub(super) fn ago(ms: i64, now_ms: i64) -> String {
    let seconds = now_ms.saturating_sub(ms).max(0) / 1000;
    match seconds {
        0..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..86_400 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

/// A sign with a word: no state is told by its colour alone.
pub(super) fn sign(kind: &str, word: &str) -> Markup {
    html! { span class={ "sign " (kind) } { (word) } }
}

/// How much evidence of life is asked for. What a photograph may pass is said so wherever it stands.
pub(super) fn asks(level: LivenessLevel) -> Markup {
    match level {
        LivenessLevel::Convenience => html! {
            (sign("warn", level.code())) span.quiet { " a good photograph may pass" }
        },
        LivenessLevel::Standard | LivenessLevel::High => html! { span.quiet { (level.code()) } },
    }
}

/// What was asked of the face that a record decides about, where that was little.
pub(super) fn asked_for(entry: &Entry) -> Option<Markup> {
    match &entry.what {
        What::Decided(Decided { level, .. }) | What::Asked(Asked { level, .. }) => {
            level.filter(|level| *level == LivenessLevel::Convenience).map(asks)
        }
        What::Started(_)
        | What::Released(_)
        | What::Door(_)
        | What::Enrolled(_)
        | What::Erased(_)
        | What::Fault(_)
        | What::ClockJumped(_)
        | What::Stopped(_)
        | What::Credential(_)
        | What::Skipped(_)
        | What::ErasedEverybody(_)
        | What::Pictured(_) => None,
    }
}

/// What a record says: kind of sign, a word, and the rest in words.
pub(super) fn told(entry: &Entry) -> (&'static str, &'static str, String) {
    match &entry.what {
        What::Decided(decided) => {
            let who = decided.person.as_ref().map_or_else(|| "somebody".to_owned(), ToString::to_string);
            match decided.granted {
                true => ("good", "passed", format!("{who} at {} by {}", decided.door, plain(&decided.rule))),
                false => ("bad", "refused", format!("{who} at {}: {}", decided.door, plain(&decided.reason))),
            }
        }
        What::Door(report) => ("note", "door", format!("{} {}", report.door, plain(&report.event))),
        What::Released(released) => {
            ("note", "released", format!("{} by {}", released.door, plain(&released.cause)))
        }
        What::Fault(fault) => {
            let (kind, word) = if fault.set { ("warn", "fault") } else { ("good", "mended") };
            (kind, word, format!("{} {}", plain(&fault.part), plain(&fault.code)))
        }
        What::Enrolled(enrolled) => {
            ("note", "enrolled", format!("{}, {} templates", enrolled.person, enrolled.templates))
        }
        What::Erased(erased) => ("note", "erased", erased.person.to_string()),
        What::ErasedEverybody(erased) => ("warn", "erased", format!("all {} persons", erased.persons)),
        What::Credential(changed) => {
            let word = if changed.given { "given" } else { "taken away" };
            ("note", "credential", format!("{} {} {word}", changed.person, changed.presented.kind.code()))
        }
        What::Skipped(skipped) => {
            let whose = skipped.person.as_ref().map_or_else(String::new, |person| format!(" of {person}"));
            let (place, why) = (&skipped.place, plain(&skipped.reason));
            ("warn", "left out", format!("{place}{whose}, entry {} of the roster: {why}", skipped.entry))
        }
        What::Pictured(pictured) => {
            ("note", "picture", format!("of {}, ordered by key {}", pictured.person, plain(&pictured.by)))
        }
        What::Asked(asked) => {
            let who = asked.person.as_ref().map_or_else(String::new, |person| format!(" of {person}"));
            let count = if asked.count > 1 { format!(", {} times", asked.count) } else { String::new() };
            let (question, answer) = (plain(&asked.question), plain(&asked.answer));
            ("note", "asked", format!("{question}{who} by {}: {answer}{count}", asked.by))
        }
        What::Started(started) => ("note", "started", format!("version {}", started.version)),
        What::Stopped(stopped) => ("warn", "stopped", plain(&stopped.cause)),
        What::ClockJumped(jump) => ("warn", "clock", format!("jumped by {} s", jump.jump_ms / 1000)),
    }
}

/// A code as people read it.
pub(super) fn plain(code: &str) -> String {
    code.replace('_', " ")
}

/// The link to the next page, if there is one.
pub(super) fn older(next: Option<String>) -> Markup {
    match next {
        Some(address) => html! { p.more { a href=(address) { "Older →" } } },
        None => PreEscaped(String::new()),
    }
}
