//! The server over the loopback interface, before a terminal that says what the test lets it say.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};

use doorward_core::session::SessionFault;
use doorward_hal::clock::SystemClock;

use super::*;
use crate::terminal::asking::{Refused, Told};

const TOKEN: [u8; 32] = [0xab; 32];

/// A server that ends with its test.
struct Server {
    port: u16,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
    /// What the server asks the terminal.
    inputs: Receiver<Input>,
    _errands: Errands,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // It has panicked only if the test has said so already.
        drop(self.thread.take().map(std::thread::JoinHandle::join));
    }
}

/// `room`: inputs that the terminal's queue takes.
fn serve(room: usize) -> Server {
    let allowed = Allowed { sessions: true, detect: true, compare: true, search: true, reference: false };
    let listen = Some("127.0.0.1:0".parse().unwrap());
    let config = ApiConfig { socket: None, listen, token: None, allowed };
    let (terminal, inputs) = sync_channel(room);
    let (errands, taken) = errand::link();
    let (cues, ended) = (watch::Sender::new(Cue::Idle), broadcast::Sender::new(1));
    let desk = Arc::new(Desk {
        allowed,
        level: "standard",
        version: TemplateVersion { model: [1; 32], preprocessing: 1 },
        clock: Arc::new(SystemClock::default()),
        token: Some(Zeroizing::new(TOKEN)),
        terminal,
        errands,
        cues: cues.subscribe(),
        ended,
        asking: Semaphore::new(1),
        looking: Semaphore::new(1),
    });
    let stop = Arc::new(AtomicBool::new(false));
    let (stopped, (told, port)) = (Arc::clone(&stop), sync_channel(1));
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let sockets = runtime.block_on(async { server::open(&config) }).unwrap();
        told.send(sockets.port().unwrap()).unwrap();
        runtime.block_on(server::serve(sockets, &desk, || stopped.load(Ordering::Relaxed)));
    });
    Server { port: port.recv().unwrap(), stop, thread: Some(thread), inputs, _errands: taken }
}

/// What is answered to a request with these further headers.
fn ask(port: u16, request: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let text = format!("{request} HTTP/1.1\r\nhost: doord\r\ncontent-length: 0\r\n{headers}\r\n");
    stream.write_all(text.as_bytes()).unwrap();
    let mut told = String::new();
    stream.read_to_string(&mut told).unwrap();
    told.to_lowercase()
}

fn token() -> String {
    format!("authorization: Bearer {}\r\n", "ab".repeat(32))
}

#[test]
fn h8_nothing_is_answered_and_nobody_is_asked_without_the_token() {
    let server = serve(1);
    for headers in
        ["", "authorization: Bearer ab\r\n", "authorization: Basic YTph\r\n", "cookie: token=ab\r\n"]
    {
        for request in ["GET /v1", "POST /v1/sessions", "GET /nowhere", "POST /v1/search"] {
            let told = ask(server.port, request, headers);
            assert!(told.starts_with("http/1.1 401") && told.contains("www-authenticate"), "{told}");
        }
    }
    assert!(server.inputs.try_recv().is_err());
    let told = ask(server.port, "GET /v1", &token());
    assert!(told.starts_with("http/1.1 200") && told.contains("no-store"), "{told}");
}

#[test]
fn a_refusal_that_may_be_none_later_says_when_to_come_again() {
    let server = serve(1);
    let port = server.port;
    let asking = std::thread::spawn(move || {
        for (status, again) in [(429, 30), (409, 5), (423, 1800), (429, 1)] {
            let told = ask(port, "POST /v1/sessions", &token());
            assert!(told.starts_with(&format!("http/1.1 {status}")), "{told}");
            assert!(told.contains(&format!("retry-after: {again}\r\n")), "{told}");
        }
    });
    let refusals = [
        Refused::Session(SessionFault::Full),
        Refused::Session(SessionFault::Busy),
        Refused::LockedOut(Duration::from_secs(1800)),
        Refused::TooMany(Duration::from_millis(300)),
    ];
    for refusal in refusals {
        let Input::Ask(_, reply) = server.inputs.recv().unwrap() else { panic!("not asked") };
        reply(Told::Refused(refusal));
    }
    asking.join().unwrap();
}

#[test]
fn h10_a_terminal_that_is_busy_with_the_door_is_not_waited_for() {
    let server = serve(0);
    let told = ask(server.port, "POST /v1/sessions", &token());
    assert!(told.starts_with("http/1.1 503") && told.contains("retry-after: 1\r\n"), "{told}");
}
