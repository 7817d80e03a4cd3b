//! A web server that serves what a test tells it to, the truth or not.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// What is answered to one request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// The file, or the part of it that was asked for.
    Honest(Vec<u8>),
    /// The whole file, whatever was asked for.
    Whole(Vec<u8>),
    /// As `Honest`, with the connection closed after so many bytes of it.
    Cut(Vec<u8>, usize),
    /// As `Honest`, with silence after so many bytes of it.
    Silent(Vec<u8>, usize),
    /// The whole file without a word about its length.
    Unannounced(Vec<u8>),
    /// A part that begins elsewhere than was asked for.
    Elsewhere(Vec<u8>),
    /// Nothing but this status.
    Status(u16),
    /// Go there.
    Redirect(String),
}

/// A server on this machine. It answers each connection with the next reply, and those after the last with the last.
pub(crate) struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Seen {
    /// The first byte that each request asked for.
    requests: Vec<u64>,
    over: bool,
}

impl Server {
    pub(crate) fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let seen = Arc::new(Mutex::new(Seen::default()));
        let notes = Arc::clone(&seen);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { continue };
                if notes.lock().unwrap().over {
                    break;
                }
                // The client may go away at any moment; that is its business.
                let _ = answer(stream, &replies, &notes);
            }
        });
        Self { address, seen, thread: Some(thread) }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The first byte that each request asked for.
    pub(crate) fn requests(&self) -> Vec<u64> {
        self.seen.lock().unwrap().requests.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.seen.lock().unwrap().over = true;
        // Wakes the thread.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn answer(mut stream: TcpStream, replies: &[Reply], seen: &Mutex<Seen>) -> std::io::Result<()> {
    let mut first = 0;
    let mut said = false;
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?.to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        said = true;
        if let Some(range) = line.strip_prefix("range: bytes=") {
            first = range.trim_end_matches('-').parse().unwrap_or(0);
        }
    }
    if !said {
        return Ok(());
    }
    let place = {
        let mut seen = seen.lock().unwrap();
        seen.requests.push(first);
        seen.requests.len() - 1
    };
    match &replies[place.min(replies.len() - 1)] {
        Reply::Honest(file) => part(&mut stream, file, first, usize::MAX),
        Reply::Whole(file) => part(&mut stream, file, 0, usize::MAX),
        Reply::Cut(file, length) => part(&mut stream, file, first, *length),
        Reply::Silent(file, length) => {
            part(&mut stream, file, first, *length)?;
            // Until the client has had enough.
            stream.read_to_end(&mut Vec::new()).map(drop)
        }
        Reply::Unannounced(file) => {
            head(&mut stream, "200 OK", "")?;
            stream.write_all(file)
        }
        Reply::Elsewhere(file) => {
            let range = format!("Content-Range: bytes 0-{}/{}\r\n", file.len() - 1, file.len());
            head(&mut stream, "206 Partial Content", &format!("{range}Content-Length: {}\r\n", file.len()))?;
            stream.write_all(file)
        }
        Reply::Status(code) => head(&mut stream, &format!("{code} So"), "Content-Length: 0\r\n"),
        Reply::Redirect(to) => {
            head(&mut stream, "302 Found", &format!("Location: {to}\r\nContent-Length: 0\r\n"))
        }
    }
}

/// The file from its byte `first` on, of which at most `length` bytes are sent.
fn part(stream: &mut TcpStream, file: &[u8], first: u64, length: usize) -> std::io::Result<()> {
    let start = usize::try_from(first).unwrap();
    let announced = |rest: &[u8]| format!("Content-Length: {}\r\n", rest.len());
    let rest = match file.get(start..) {
        Some([]) | None if start > 0 => {
            return head(stream, "416 Range Not Satisfiable", "Content-Length: 0\r\n");
        }
        rest => rest.unwrap_or_default(),
    };
    if start == 0 {
        head(stream, "200 OK", &announced(rest))?;
    } else {
        let range = format!("Content-Range: bytes {start}-{}/{}\r\n", file.len() - 1, file.len());
        head(stream, "206 Partial Content", &(range + &announced(rest)))?;
    }
    stream.write_all(&rest[..length.min(rest.len())])
}

fn head(stream: &mut TcpStream, status: &str, headers: &str) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n")
}
