//! Sockets and HTTP. Everything that comes in is bounded in number, in bytes and in time, and nothing is read of anybody
//! who may not ask.

use std::convert::Infallible;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, Limited, StreamBody};
use hyper::body::{Body as _, Bytes, Frame, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use super::caller::{self, Peer};
use super::routes::{self, Answer, Asked, Body, Route};
use super::{ApiConfig, Desk};

/// How often somebody looks whether the program ends.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Connections at a time: each of the sessions may have its stream, and as many others ask meanwhile.
const CONNECTIONS_MAX: usize = 16;
/// How long the head of a request may take to come: whoever dribbles it holds one connection for that long.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// How long its body may take, over a socket on the same machine.
const BODY_WITHIN: Duration = Duration::from_secs(10);
/// The longest connection: a stream lasts as long as its session.
const CONNECTION_MAX: Duration = Duration::from_secs(200);
/// Headers of a request, and the bytes of its head: browsers send a dozen.
const HEADERS_MAX: usize = 32;
const HEAD_LEN_MAX: usize = 16 * 1024;
/// Who may write to the socket: its owner and its group.
const MODE: u32 = 0o660;

/// Why the API is not served.
#[derive(Debug, thiserror::Error)]
pub enum SocketFault {
    /// The socket cannot be made.
    #[error("serve the socket {0}; its folder has to be there and be doord's to write to")]
    Socket(PathBuf, #[source] io::Error),
    /// The address cannot be taken.
    #[error("serve the address {0}")]
    Address(std::net::SocketAddr, #[source] io::Error),
}

/// What is listened to. The socket's file goes with it.
pub struct Sockets {
    socket: Option<(UnixListener, PathBuf)>,
    loopback: Option<TcpListener>,
}

impl Sockets {
    /// The port at the loopback interface.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.loopback.as_ref().and_then(|listener| listener.local_addr().ok()).map(|at| at.port())
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        if let Some((_, path)) = &self.socket {
            // The next start removes it otherwise.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Opens the sockets. Called where a runtime of tokio is at work.
///
/// # Errors
/// [`SocketFault`].
pub fn open(config: &ApiConfig) -> Result<Sockets, SocketFault> {
    let socket = config.socket.as_ref().map(|path| {
        let listener = bind(path).map_err(|why| SocketFault::Socket(path.clone(), why))?;
        Ok((listener, path.clone()))
    });
    let loopback = config.listen.map(|address| {
        let open = || {
            let listener = std::net::TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener)
        };
        open().map_err(|why| SocketFault::Address(address, why))
    });
    Ok(Sockets { socket: socket.transpose()?, loopback: loopback.transpose()? })
}

/// Makes the socket, with its mode from the first moment that it has its name. What a killed process left of one is removed;
/// one that somebody serves, and anything that is no socket, is not.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let left = std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    if left {
        match std::os::unix::net::UnixStream::connect(path) {
            Err(refused) if refused.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path)?,
            Ok(_) | Err(_) => return Err(io::Error::from(io::ErrorKind::AddrInUse)),
        }
    }
    let mut unnamed = path.as_os_str().to_owned();
    unnamed.push(".new");
    let unnamed = PathBuf::from(unnamed);
    if std::fs::symlink_metadata(&unnamed).is_ok_and(|found| found.file_type().is_socket()) {
        std::fs::remove_file(&unnamed)?;
    }
    let listener = UnixListener::bind(&unnamed)?;
    let named = std::fs::set_permissions(&unnamed, Permissions::from_mode(MODE))
        // Unlike renaming, this puts nothing in the place of what is there.
        .and_then(|()| std::fs::hard_link(&unnamed, path));
    std::fs::remove_file(&unnamed)?;
    named.map(|()| listener)
}

/// Answers until the program ends.
pub async fn serve(sockets: Sockets, desk: &Arc<Desk>, stopping: impl Fn() -> bool) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    while !stopping() {
        // Whoever finds no room waits in the kernel's queue, which is bounded, too.
        let Ok(Ok(place)) = tokio::time::timeout(LOOK_EVERY, Arc::clone(&room).acquire_owned()).await else {
            continue;
        };
        tokio::select! {
            came = at_socket(&sockets) => match came {
                Ok((stream, user)) => admit(stream, Peer::User(user), desk, place),
                Err(fault) => refuse(&fault).await,
            },
            came = at_loopback(&sockets) => match came {
                Ok(stream) => admit(stream, Peer::Loopback, desk, place),
                Err(fault) => refuse(&fault).await,
            },
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

async fn at_socket(sockets: &Sockets) -> io::Result<(tokio::net::UnixStream, u32)> {
    let Some((listener, _)) = &sockets.socket else { return std::future::pending().await };
    let (stream, _) = listener.accept().await?;
    let user = stream.peer_cred()?.uid();
    Ok((stream, user))
}

async fn at_loopback(sockets: &Sockets) -> io::Result<tokio::net::TcpStream> {
    let Some(listener) = &sockets.loopback else { return std::future::pending().await };
    Ok(listener.accept().await?.0)
}

/// Out of descriptors, or somebody hung up already: not the moment to try again at once.
async fn refuse(fault: &io::Error) {
    tracing::warn!("a connection to the local API failed: {fault}");
    tokio::time::sleep(LOOK_EVERY).await;
}

fn admit<S>(stream: S, peer: Peer, desk: &Arc<Desk>, place: OwnedSemaphorePermit)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let desk = Arc::clone(desk);
    tokio::spawn(async move {
        let _place = place;
        let service = service_fn(move |request| {
            let desk = Arc::clone(&desk);
            async move { Ok::<_, Infallible>(respond(&desk, peer, request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WITHIN)
            .max_headers(HEADERS_MAX)
            .max_buf_size(HEAD_LEN_MAX)
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), service);
        // However it ends, the next one begins anew.
        let _ = tokio::time::timeout(CONNECTION_MAX, connection).await;
    });
}

async fn respond(desk: &Arc<Desk>, peer: Peer, request: Request<Incoming>) -> Response<Sent> {
    let (head, body) = request.into_parts();
    let text = |name: HeaderName| head.headers.get(name).and_then(|value| value.to_str().ok());
    let Some(caller) = caller::admit(peer, text(AUTHORIZATION), desk.token.as_ref()) else {
        let mut response = sent(Answer::refused(401, "show the token: Authorization: Bearer DIGITS"));
        response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        return response;
    };
    let asked = Asked {
        method: head.method.as_str(),
        path: head.uri.path(),
        query: head.uri.query().unwrap_or_default(),
        kind: text(CONTENT_TYPE).unwrap_or_default(),
    };
    let answer = match Route::of(&asked, &desk.allowed) {
        Ok(route) => match read(body, route.body_max()).await {
            Ok(body) => routes::answer(desk, caller, route, &asked, body).await,
            Err(refused) => refused,
        },
        Err(refused) => refused,
    };
    tracing::debug!(?caller, method = asked.method, status = answer.status, "the local API answered");
    sent(answer)
}

/// The whole body, if it is no longer than `max`.
async fn read(body: Incoming, max: usize) -> Result<Vec<u8>, Answer> {
    let too_long = || Answer::refused(413, format!("the body of this request has at most {max} bytes"));
    if body.size_hint().lower() > max as u64 {
        return Err(too_long());
    }
    match tokio::time::timeout(BODY_WITHIN, Limited::new(body, max).collect()).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes().into()),
        Ok(Err(fault)) if fault.is::<http_body_util::LengthLimitError>() => Err(too_long()),
        Ok(Err(_)) => Err(Answer::refused(400, "the body did not come to its end")),
        Err(_) => {
            Err(Answer::refused(408, format!("the body has to come within {} s", BODY_WITHIN.as_secs())))
        }
    }
}

type Sent = UnsyncBoxBody<Bytes, Infallible>;

fn sent(answer: Answer) -> Response<Sent> {
    let Answer { status, again_s, body } = answer;
    let (kind, body) = match body {
        Body::Json(value) => ("application/json", Full::from(format!("{value}\n")).boxed_unsync()),
        Body::Stream(events) => {
            let frames = ReceiverStream::new(events).map(|event| Ok(Frame::data(Bytes::from(event))));
            ("text/event-stream", StreamBody::new(frames).boxed_unsync())
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    let fixed = [
        (CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    for (name, value) in fixed {
        headers.insert(name, header::HeaderValue::from_static(value));
    }
    if let Some(again_s) = again_s {
        headers.insert(header::RETRY_AFTER, header::HeaderValue::from(again_s));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn h8_the_socket_has_its_mode_with_its_name_and_takes_nobodys_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("doord.sock");
        let listener = bind(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "under one name");
        assert!(std::os::unix::net::UnixStream::connect(&path).is_ok(), "and is answered there");
        assert_eq!(bind(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse, "somebody serves it");
        drop(listener);
        drop(bind(&path).expect("what a killed process left is no obstacle"));
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "a note").unwrap();
        assert_eq!(bind(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a note");
    }
}
