//! The page and its requests. Loopback only, no login, no external request; everything a visitor sends is bounded.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::{Stream, StreamExt as _};

use super::page::Event;
use super::show::Show;

/// A photograph from a phone, generously.
const UPLOAD_MAX: usize = 32 * 1024 * 1024;
/// Entries a page is given when it opens.
const ENTRIES_AT_OPEN: u64 = 50;

type Shown = State<Arc<Show>>;

/// Serves the page until the program is interrupted.
///
/// # Errors
/// When the address is taken.
pub fn serve(address: SocketAddr, show: Arc<Show>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(address)
            .await
            .with_context(|| format!("serve the page at {address}; choose another port with --port"))?;
        println!(
            "\n    The door is at  http://{}  (Ctrl-C ends it, nothing is kept)\n",
            listener.local_addr()?
        );
        tokio::select! {
            served = async { axum::serve(listener, routes(show)).await } => served.context("serve the page"),
            interrupted = interrupted() => interrupted,
        }
    })?;
    // Open event streams never end by themselves.
    runtime.shutdown_background();
    Ok(())
}

async fn interrupted() -> anyhow::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt.context("wait for Ctrl-C"),
        _ = terminate.recv() => Ok(()),
    }
}

/// All routes of the demo.
pub fn routes(show: Arc<Show>) -> Router {
    Router::new()
        .route("/", get(|| async { asset("text/html; charset=utf-8", include_str!("page/index.html")) }))
        .route("/page.css", get(|| async { asset("text/css; charset=utf-8", include_str!("page/page.css")) }))
        .route(
            "/page.js",
            get(|| async { asset("text/javascript; charset=utf-8", include_str!("page/page.js")) }),
        )
        .route(
            "/visitor.js",
            get(|| async { asset("text/javascript; charset=utf-8", include_str!("page/visitor.js")) }),
        )
        .route("/events", get(events))
        .route("/scenes", get(|State(show): Shown| async move { Json(show.scenes()) }))
        .route("/scene", post(scene))
        .route("/network", post(network))
        .route("/lockout/clear", post(clear_lockout))
        .route("/visitor", post(bring_photo).delete(forget_visitor))
        .route("/visitor/enrol", post(enrol_visitor))
        .route("/camera", post(camera))
        .route("/camera/frame", post(camera_frame))
        .layer(DefaultBodyLimit::max(UPLOAD_MAX))
        .layer(middleware::from_fn(guard))
        .with_state(show)
}

fn asset(kind: &'static str, body: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind)], body).into_response()
}

/// Refuses requests that another site's page sends through the visitor's browser, and says what this page may load.
async fn guard(request: Request, next: Next) -> Response {
    if !comes_from_own_page(request.headers()) {
        return (StatusCode::FORBIDDEN, "the demo answers its own page only\n").into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'self'; img-src 'self' data: blob:; frame-ancestors 'none'"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn comes_from_own_page(headers: &HeaderMap) -> bool {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST).unwrap_or_default();
    let local = ["127.0.0.1", "localhost", "[::1]"]
        .iter()
        .any(|name| host.strip_prefix(name).is_some_and(|port| port.is_empty() || port.starts_with(':')));
    local && text(header::ORIGIN).is_none_or(|origin| origin.strip_prefix("http://") == Some(host))
}

type SseEvent = axum::response::sse::Event;

async fn events(State(show): Shown) -> Sse<impl Stream<Item = Result<SseEvent, Infallible>>> {
    let news = BroadcastStream::new(show.pages.open()).filter_map(Result::ok);
    let mut first = vec![
        Event { name: "problem", body: show.problem().to_string() },
        Event { name: "terminal", body: show.terminal().to_string() },
    ];
    let reader = Arc::clone(&show);
    let entries =
        tokio::task::spawn_blocking(move || reader.last_entries(ENTRIES_AT_OPEN)).await.unwrap_or_default();
    first.extend(entries.iter().map(|entry| Event { name: "entry", body: entry.to_string() }));
    let all = tokio_stream::iter(first).chain(news);
    Sse::new(all.map(|event| Ok(SseEvent::default().event(event.name).data(event.body))))
        .keep_alive(KeepAlive::default())
}

#[derive(Deserialize)]
struct SceneWish {
    id: String,
}

async fn scene(State(show): Shown, Json(wish): Json<SceneWish>) -> Response {
    done(blocking(move || show.play(&wish.id)).await, StatusCode::CONFLICT)
}

#[derive(Deserialize)]
struct NetworkWish {
    up: bool,
}

async fn network(State(show): Shown, Json(wish): Json<NetworkWish>) -> StatusCode {
    show.set_network(wish.up);
    StatusCode::NO_CONTENT
}

async fn clear_lockout(State(show): Shown) -> Response {
    done(blocking(move || show.begin_anew().map_err(|e| format!("{e:#}"))).await, StatusCode::CONFLICT)
}

async fn bring_photo(State(show): Shown, photo: Bytes) -> Response {
    told(blocking(move || show.bring_photo(&photo)).await)
}

async fn forget_visitor(State(show): Shown) -> Response {
    done(blocking(move || show.forget_visitor()).await, StatusCode::CONFLICT)
}

async fn enrol_visitor(State(show): Shown) -> Response {
    told(blocking(move || show.enrol_visitor()).await)
}

#[derive(Deserialize)]
struct CameraWish {
    on: bool,
}

async fn camera(State(show): Shown, Json(wish): Json<CameraWish>) -> Response {
    done(blocking(move || show.use_camera(wish.on)).await, StatusCode::CONFLICT)
}

async fn camera_frame(State(show): Shown, picture: Bytes) -> Response {
    done(blocking(move || show.camera_frame(&picture)).await, StatusCode::UNPROCESSABLE_ENTITY)
}

/// Models and disks block; they do so beside the threads that serve requests.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err("The demo failed at this. See its terminal.".into()))
}

fn done(outcome: Result<(), String>, refusal: StatusCode) -> Response {
    match outcome {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => (refusal, Json(json!({"error": error}))).into_response(),
    }
}

fn told(outcome: Result<String, String>) -> Response {
    let (status, body): (_, Value) = match outcome {
        Ok(message) => (StatusCode::OK, json!({"ok": true, "message": message})),
        Err(message) => (StatusCode::UNPROCESSABLE_ENTITY, json!({"ok": false, "message": message})),
    };
    (status, Json(body)).into_response()
}
