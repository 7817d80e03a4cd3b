//! Who may ask: whoever shows the token, in a header or, from a browser, by a cookie that was given for it.
//!
//! The cookie lets one look and nothing else: what changes something takes the header, which no other site's page can send.

use std::path::Path;

use anyhow::ensure;
use axum::Router;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use doorward_protocol::hex::hex;
use maud::{Markup, html};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{Desk, view};
use crate::secret;

/// The shortest token: what nobody guesses.
const LEN_MIN: usize = 32;
const COOKIE: &str = "doorhub=";

/// What must be shown, kept as digests only.
pub struct Token {
    digest: [u8; 32],
    /// What the cookie says: it is not the token, and leads to nobody's.
    cookie: String,
}

impl Token {
    /// The token in a file.
    ///
    /// # Errors
    /// A file that others can read, or a token that could be guessed.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let token = secret::line(path)?;
        ensure!(
            token.len() >= LEN_MIN,
            "the token in {} has less than {LEN_MIN} characters: make one with `head -c 32 /dev/urandom | base64`",
            path.display()
        );
        Ok(Self {
            digest: digest(&token),
            cookie: hex(&Sha256::digest(format!("doorhub cookie {}", *token))),
        })
    }

    /// Whether the header with the token, or the cookie, is there.
    pub(super) fn shown_in(&self, headers: &HeaderMap) -> bool {
        self.header_in(headers) || self.cookie_in(headers)
    }

    /// Whether the header with the token is there.
    pub(super) fn header_in(&self, headers: &HeaderMap) -> bool {
        let said = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        said.and_then(|said| said.strip_prefix("Bearer ")).is_some_and(|token| self.is(token))
    }

    fn cookie_in(&self, headers: &HeaderMap) -> bool {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut values =
            cookies.flat_map(|all| all.split(';')).filter_map(|one| one.trim().strip_prefix(COOKIE));
        values.any(|value| value.as_bytes().ct_eq(self.cookie.as_bytes()).into())
    }

    fn is(&self, token: &str) -> bool {
        // Digests are compared, so that neither length nor beginning of the token is told by the time it takes.
        digest(token).ct_eq(&self.digest).into()
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// The routes that are open to everybody.
pub(super) fn routes() -> Router<Desk> {
    Router::new()
        .route("/sign-in", get(|| async { sign_in_page(false) }))
        .route("/sign-in", post(sign_in))
        .route("/style.css", get(view::style))
        .route("/live.js", get(view::script))
}

/// The answer to somebody who showed nothing: a page for people, a word for programs.
pub(super) fn ask(path: &str) -> Response {
    if path.starts_with("/api/") || path == "/metrics" {
        let told = axum::Json(serde_json::json!({"error": "show the token: Authorization: Bearer TOKEN"}));
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], told).into_response();
    }
    Redirect::to("/sign-in").into_response()
}

#[derive(Deserialize)]
struct Shown {
    token: String,
}

async fn sign_in(State(desk): State<Desk>, Form(shown): Form<Shown>) -> Response {
    let token = &desk.0.token;
    if !token.is(shown.token.trim()) {
        return (StatusCode::FORBIDDEN, sign_in_page(true)).into_response();
    }
    let cookie = format!("{COOKIE}{}; HttpOnly; SameSite=Strict; Path=/", token.cookie);
    ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response()
}

fn sign_in_page(refused: bool) -> Markup {
    let body = html! {
        main.narrow {
            h1 { "doorhub" }
            form.card method="post" action="/sign-in" {
                label for="token" { "Token" }
                input #token type="password" name="token" autocomplete="current-password" required autofocus;
                @if refused { p.bad role="alert" { "This is not the token." } }
                p.quiet { "It stands in the file that the configuration names as token_file." }
                button { "Sign in" }
            }
        }
    };
    view::document("Sign in", &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Token {
        let cookie = hex(&Sha256::digest("doorhub cookie a"));
        Token { digest: digest("a"), cookie }
    }

    fn headers(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn only_the_whole_token_or_its_cookie_opens() {
        let token = token();
        assert!(token.shown_in(&headers(header::AUTHORIZATION, "Bearer a")));
        let cookie = format!("x=1; {COOKIE}{}", token.cookie);
        assert!(token.shown_in(&headers(header::COOKIE, &cookie)));
        for wrong in ["Bearer b", "Bearer ", "Basic a", "a", "bearer a"] {
            assert!(!token.shown_in(&headers(header::AUTHORIZATION, wrong)), "{wrong}");
        }
        for wrong in ["doorhub=", "doorhub=a", "other=1"] {
            assert!(!token.shown_in(&headers(header::COOKIE, wrong)), "{wrong}");
        }
        assert!(!token.header_in(&headers(header::COOKIE, &cookie)), "a cookie changes nothing");
        assert!(!token.shown_in(&HeaderMap::new()));
    }
}
