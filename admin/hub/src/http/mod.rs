//! What the hub is asked and looked at by: the API, the console, the figures. Everything takes the token.

mod api;

mod figures;
mod screens;
mod token;
mod view;

use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use doorward_protocol::envelope::MESSAGE_LEN_MAX;
use doorward_protocol::ids::SiteId;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

pub use self::token::Token;
use crate::centre::RequestFault;
use crate::database::{Database, DatabaseFault, Kept, Transaction};
use crate::keeper::Work;
use crate::tally::{Standing, Tally};

/// How long a request waits for room in the keeper's queue, which empties with each of its transactions.
const ROOM_WAIT: Duration = Duration::from_secs(5);
/// How often it looks.
const ROOM_LOOK: Duration = Duration::from_millis(2);

/// What requests share.
#[derive(Clone)]
pub struct Desk(Arc<Shared>);

struct Shared {
    sites: Vec<SiteId>,
    /// For reading; the keeper has its own. One question at a time: each is bounded to a page.
    reader: Mutex<Database>,
    work: SyncSender<Work>,
    tally: Tally,
    token: Token,
    news: watch::Sender<u64>,
}

impl Desk {
    /// Over these sites.
    #[must_use]
    pub fn new(
        sites: Vec<SiteId>,
        reader: Database,
        work: SyncSender<Work>,
        tally: Tally,
        token: Token,
    ) -> Self {
        let (news, _) = watch::channel(0);
        Self(Arc::new(Shared { sites, reader: Mutex::new(reader), work, tally, token, news }))
    }

    /// The counts.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.0.tally
    }

    /// Told after everything that was kept.
    #[must_use]
    pub fn news(&self) -> &watch::Sender<u64> {
        &self.0.news
    }

    /// The way to the keeper.
    #[must_use]
    pub fn work(&self) -> &SyncSender<Work> {
        &self.0.work
    }

    fn site(&self, name: &str) -> Result<SiteId, Refused> {
        let known = self.0.sites.iter().find(|site| site.as_str() == name);
        known.cloned().ok_or_else(|| Refused(StatusCode::NOT_FOUND, format!("site {name} is not kept here")))
    }

    /// Where a site's roster stands.
    fn standing(&self, site: &SiteId) -> Standing {
        self.0.tally.counts().heads.get(site).copied().unwrap_or_default()
    }

    /// Reads beside the threads that serve requests: databases block.
    async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&mut Transaction<'_>) -> Kept<T> + Send + 'static,
    ) -> Result<T, Refused> {
        let desk = self.clone();
        let read = tokio::task::spawn_blocking(move || {
            let mut reader = desk.0.reader.lock().unwrap_or_else(PoisonError::into_inner);
            reader.read(look)
        });
        match read.await {
            Ok(found) => Ok(found?),
            Err(_) => {
                Err(Refused(StatusCode::INTERNAL_SERVER_ERROR, "the hub failed at this; see its log".into()))
            }
        }
    }

    /// Asks the keeper, and waits for what it says.
    async fn ask<T>(
        &self,
        work: impl FnOnce(oneshot::Sender<Result<T, RequestFault>>) -> Work,
    ) -> Result<T, Refused> {
        let (reply, answer) = oneshot::channel();
        let busy = |why: &str| Refused(StatusCode::SERVICE_UNAVAILABLE, why.to_owned());
        let mut work = work(reply);
        let until = Instant::now() + ROOM_WAIT;
        // Terminals that come back with a backlog keep the queue full for minutes; an order must get in between.
        while let Err(fault) = self.0.work.try_send(work) {
            work = match fault {
                TrySendError::Full(held) if Instant::now() < until => held,
                TrySendError::Full(_) => return Err(busy("the hub is busy keeping; try again")),
                TrySendError::Disconnected(_) => return Err(busy("the hub is ending")),
            };
            tokio::time::sleep(ROOM_LOOK).await;
        }
        Ok(answer.await.map_err(|_| busy("the hub is ending"))??)
    }
}

/// A request that is not answered with what it asked for.
#[derive(Debug)]
struct Refused(StatusCode, String);

impl From<DatabaseFault> for Refused {
    fn from(fault: DatabaseFault) -> Self {
        tracing::warn!("a question is not answered: {fault}");
        Self(StatusCode::SERVICE_UNAVAILABLE, "the database is away; nothing is lost, try again".into())
    }
}

impl From<RequestFault> for Refused {
    fn from(fault: RequestFault) -> Self {
        match fault {
            RequestFault::Database(fault) => fault.into(),
            fault @ RequestFault::Site(_) => Self(StatusCode::NOT_FOUND, fault.to_string()),
            fault @ (RequestFault::Refused(_) | RequestFault::Append(_)) => {
                Self(StatusCode::CONFLICT, fault.to_string())
            }
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, axum::Json(serde_json::json!({"error": self.1}))).into_response()
    }
}

/// Serves until the task is dropped.
///
/// # Errors
/// The listener's.
pub async fn serve(listener: tokio::net::TcpListener, desk: Desk) -> anyhow::Result<()> {
    Ok(axum::serve(listener, routes(desk)).await?)
}

/// All routes.
pub fn routes(desk: Desk) -> Router {
    let guarded = Router::new()
        .merge(api::routes())
        .merge(figures::routes())
        .merge(screens::routes())
        .layer(middleware::from_fn_with_state(desk.clone(), guard));
    // Signing in is the one thing that is asked without a token.
    guarded
        .merge(token::routes())
        .layer(DefaultBodyLimit::max(MESSAGE_LEN_MAX))
        .layer(middleware::from_fn(headers))
        .with_state(desk)
}

/// Lets through whoever shows the token.
async fn guard(State(desk): State<Desk>, request: Request, next: Next) -> Response {
    if desk.0.token.shown_in(request.headers()) {
        return next.run(request).await;
    }
    token::ask(request.uri().path())
}

/// Says what a page may load and who may keep it: nothing from elsewhere, nobody.
async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; \
        base-uri 'none'; frame-ancestors 'none'";
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
