//! What is asked by which request, and how answers look. Paths are compared with these and lead to nothing else: no
//! file is ever named by a request.

use std::time::Duration;

use doorward_core::session::{Caller, SessionFault, SessionId};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::{Desk, pictures, sessions};
use crate::terminal::Input;
use crate::terminal::asking::{Ask, Refused, Told};

/// The largest picture: a photograph of a telephone at usual quality.
const PICTURE_MAX: usize = 4 * 1024 * 1024;
/// Two of them in base64, and what stands around them.
const PAIR_MAX: usize = 12 * 1024 * 1024;
/// A wish is a word or two.
const WISH_MAX: usize = 1024;
/// The longest path with what follows it: a session's name, or a person's.
const PATH_MAX: usize = 256;
/// How long the terminal may take to answer: it is at most in the middle of a decision.
const ANSWER_WAIT: Duration = Duration::from_secs(3);

/// A request, taken apart.
pub struct Asked<'a> {
    /// `GET`, `POST`, `DELETE`.
    pub method: &'a str,
    /// The path.
    pub path: &'a str,
    /// What stands behind its question mark.
    pub query: &'a str,
    /// `application/json`, `image/jpeg`, `image/png`.
    pub kind: &'a str,
}

/// An answer.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// After how many seconds it is worth coming again.
    pub again_s: Option<u64>,
    /// What is said.
    pub body: Body,
}

/// What an answer says.
pub enum Body {
    /// A value.
    Json(Value),
    /// Server-sent events, one by one.
    Stream(mpsc::Receiver<String>),
}

/// The requests there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// What this terminal answers.
    About,
    /// A new session.
    Make,
    /// A session's stream.
    Stream(SessionId),
    /// A session's result.
    Result(SessionId),
    /// The end of a session.
    End(SessionId),
    /// The faces of a picture.
    Detect,
    /// Whether two faces are one person's.
    Compare,
    /// Whose face it is.
    Search,
}

impl Answer {
    /// A value.
    #[must_use]
    pub fn json(status: u16, value: Value) -> Self {
        Self { status, again_s: None, body: Body::Json(value) }
    }

    /// A refusal, in words that say what to do.
    #[must_use]
    pub fn refused(status: u16, why: impl std::fmt::Display) -> Self {
        Self::json(status, json!({ "error": why.to_string() }))
    }

    /// A refusal that may be none later.
    #[must_use]
    pub fn later(status: u16, again: Duration, why: impl std::fmt::Display) -> Self {
        let again_s = Some(again.as_secs().max(1));
        Self { again_s, ..Self::refused(status, why) }
    }
}

impl Route {
    /// The route of a request.
    ///
    /// # Errors
    /// The answer where there is none.
    pub fn of(asked: &Asked<'_>, allowed: &super::Allowed) -> Result<Self, Answer> {
        if asked.path.len() + asked.query.len() > PATH_MAX {
            return Err(Answer::refused(414, format!("a request's path has at most {PATH_MAX} bytes")));
        }
        let nothing = || Answer::refused(404, "there is nothing of this name; GET /v1 says what there is");
        let below = asked.path.strip_prefix("/v1").filter(|rest| rest.is_empty() || rest.starts_with('/'));
        let mut parts = below.ok_or_else(nothing)?.split('/').skip(1);
        let parts = [parts.next(), parts.next(), parts.next(), parts.next()];
        let session = |text: &str| text.parse::<SessionId>().map_err(|_| nothing());
        let (route, may) = match (asked.method, parts) {
            ("GET", [None, ..]) => (Route::About, true),
            ("POST", [Some("sessions"), None, ..]) => (Route::Make, allowed.sessions),
            ("GET", [Some("sessions"), Some(id), Some("stream"), None]) => {
                (Route::Stream(session(id)?), allowed.sessions)
            }
            ("POST", [Some("sessions"), Some(id), Some("result"), None]) => {
                (Route::Result(session(id)?), allowed.sessions)
            }
            ("DELETE", [Some("sessions"), Some(id), None, ..]) => {
                (Route::End(session(id)?), allowed.sessions)
            }
            ("POST", [Some("detect"), None, ..]) => (Route::Detect, allowed.detect),
            ("POST", [Some("compare"), None, ..]) => (Route::Compare, allowed.compare),
            ("POST", [Some("search"), None, ..]) => (Route::Search, allowed.search),
            _ => return Err(nothing()),
        };
        if may {
            Ok(route)
        } else {
            Err(Answer::refused(
                403,
                "this terminal does not answer that; its configuration lists under api.allow what it does",
            ))
        }
    }

    /// Bytes that its body has at most.
    #[must_use]
    pub fn body_max(self) -> usize {
        match self {
            Route::About | Route::Stream(_) | Route::Result(_) | Route::End(_) => 0,
            Route::Make => WISH_MAX,
            Route::Detect | Route::Search => PICTURE_MAX,
            Route::Compare => PAIR_MAX,
        }
    }
}

/// Answers a request whose body has come.
pub async fn answer(
    desk: &std::sync::Arc<Desk>,
    caller: Caller,
    route: Route,
    asked: &Asked<'_>,
    body: Vec<u8>,
) -> Answer {
    match route {
        Route::About => about(desk),
        Route::Make => sessions::make(desk, caller, &body).await,
        Route::Stream(id) => sessions::stream(desk, caller, id).await,
        Route::Result(id) => sessions::result(desk, caller, id).await,
        Route::End(id) => sessions::end(desk, caller, id).await,
        Route::Detect => pictures::detect(desk, asked, body).await,
        Route::Compare => pictures::compare(desk, caller, asked, body).await,
        Route::Search => pictures::search(desk, caller, asked, body).await,
    }
}

fn about(desk: &Desk) -> Answer {
    let allow = desk.allowed.words();
    Answer::json(200, json!({ "version": env!("CARGO_PKG_VERSION"), "level": desk.level, "allow": allow }))
}

impl Desk {
    /// Asks the terminal. One question at a time is on its way, so that the door's own inputs find room.
    pub(super) async fn ask(&self, ask: Ask) -> Result<Told, Answer> {
        let busy = || Answer::later(503, Duration::from_secs(1), "the terminal is busy; ask again");
        let _turn = tokio::time::timeout(ANSWER_WAIT, self.asking.acquire()).await.map_err(|_| busy())?;
        let (reply, told) = oneshot::channel();
        // Whoever asked may have gone.
        let reply = Box::new(move |answer| drop(reply.send(answer)));
        self.terminal.try_send(Input::Ask(ask, reply)).map_err(|_| busy())?;
        match tokio::time::timeout(ANSWER_WAIT, told).await {
            Ok(Ok(Told::Refused(why))) => Err(refusal(why)),
            Ok(Ok(told)) => Ok(told),
            Ok(Err(_)) | Err(_) => Err(busy()),
        }
    }
}

fn refusal(why: Refused) -> Answer {
    match why {
        Refused::Session(SessionFault::Full) => Answer::later(429, Duration::from_secs(30), why),
        Refused::Session(SessionFault::Unknown) => Answer::refused(404, why),
        Refused::Session(SessionFault::Busy) => Answer::later(409, Duration::from_secs(5), why),
        Refused::Session(SessionFault::Used | SessionFault::Pending) => Answer::refused(409, why),
        Refused::LockedOut(wait) => Answer::later(423, wait, why),
        Refused::TooMany(wait) => Answer::later(429, wait, why),
        Refused::Unrecorded => Answer::later(503, Duration::from_secs(30), why),
        Refused::Reference => Answer::refused(422, why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Allowed;

    const ALL: Allowed =
        Allowed { sessions: true, detect: true, compare: true, search: true, reference: true };

    fn route(method: &str, path: &str, allowed: &Allowed) -> Result<Route, u16> {
        let asked = Asked { method, path, query: "", kind: "" };
        Route::of(&asked, allowed).map_err(|answer| answer.status)
    }

    #[test]
    fn h8_only_these_paths_lead_anywhere() {
        let id = "ab".repeat(16);
        let session: SessionId = id.parse().unwrap();
        let known = [
            ("GET", "/v1".to_owned(), Route::About),
            ("POST", "/v1/sessions".to_owned(), Route::Make),
            ("GET", format!("/v1/sessions/{id}/stream"), Route::Stream(session)),
            ("POST", format!("/v1/sessions/{id}/result"), Route::Result(session)),
            ("DELETE", format!("/v1/sessions/{id}"), Route::End(session)),
            ("POST", "/v1/search".to_owned(), Route::Search),
        ];
        for (method, path, expected) in known {
            assert_eq!(route(method, &path, &ALL), Ok(expected), "{method} {path}");
        }
        let long = format!("/v1/sessions/{}", "a".repeat(5000));
        let foreign = [
            "",
            "/",
            "/v2",
            "/v12",
            "/v1x/sessions",
            "/v1/",
            "/v1/../etc/passwd",
            "/v1/sessions/../../etc/passwd/stream",
            "/v1//sessions",
            "/v1/sessions/%2e%2e/stream",
            "/v1/sessions/;reboot/stream",
            "/v1/sessions/$(id)/stream",
            "/v1/searches",
            "/v1/detect/x",
            "//etc/passwd",
        ];
        for path in foreign {
            for method in ["GET", "POST", "DELETE", "PUT"] {
                assert_eq!(route(method, path, &ALL), Err(404), "{method} {path}");
            }
        }
        assert_eq!(route("GET", &long, &ALL), Err(414));
    }

    #[test]
    fn h8_what_the_configuration_does_not_list_is_refused() {
        let nothing = Allowed::default();
        assert_eq!(route("GET", "/v1", &nothing), Ok(Route::About));
        for path in ["/v1/sessions", "/v1/detect", "/v1/compare", "/v1/search"] {
            assert_eq!(route("POST", path, &nothing), Err(403));
        }
        let only = Allowed { sessions: true, ..nothing };
        assert_eq!(route("POST", "/v1/sessions", &only), Ok(Route::Make));
        assert_eq!(route("POST", "/v1/search", &only), Err(403));
    }
}
