//! A way to the broker that can be made bad: it delays, swallows, closes one half, or cuts in the middle of a message.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use doorward_hal::clock::{Clock as _, SystemClock};

/// How often the pumps look whether they are still wanted.
const LOOK: Duration = Duration::from_millis(10);

/// What the way does to what goes along it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Nothing.
    Passes,
    /// Each part arrives later.
    Delays(Duration),
    /// Nothing arrives in either direction, and nobody is told.
    Swallows,
    /// What the terminal says ends here, in an orderly way; what the broker says goes on.
    HalfCloses,
    /// After so many bytes of the terminal's the connection breaks, in the middle of whatever they are of.
    CutsAfter(u64),
}

struct Shared {
    broker: u16,
    mood: Mutex<Mood>,
    /// Bytes of the terminal's since the mood changed.
    passed: AtomicU64,
    /// Times that the way did harm since the mood changed.
    harmed: AtomicU64,
    ending: AtomicBool,
}

/// The way.
pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

impl Proxy {
    /// A way to a broker on this machine.
    pub(crate) fn before(broker: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            broker,
            mood: Mutex::new(Mood::Passes),
            passed: AtomicU64::new(0),
            harmed: AtomicU64::new(0),
            ending: AtomicBool::new(false),
        });
        let own = Arc::clone(&shared);
        let accepting = Some(std::thread::spawn(move || accept(&listener, &own)));
        Self { port, shared, accepting }
    }

    /// Where it begins.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What it does from now on.
    pub(crate) fn set(&self, mood: Mood) {
        let mut held = self.shared.mood.lock().unwrap();
        self.shared.passed.store(0, Relaxed);
        self.shared.harmed.store(0, Relaxed);
        *held = mood;
    }

    /// Times that it did harm since.
    pub(crate) fn harmed(&self) -> u64 {
        self.shared.harmed.load(Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ending.store(true, Relaxed);
        let _ = self.accepting.take().unwrap().join();
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut pumps = Vec::new();
    while !shared.ending.load(Relaxed) {
        match listener.accept() {
            Ok((terminal, _)) => {
                terminal.set_nonblocking(false).unwrap();
                // A broker that is away is a connection that ends at once.
                let Ok(broker) = TcpStream::connect(("127.0.0.1", shared.broker)) else { continue };
                let both = (terminal.try_clone().unwrap(), broker.try_clone().unwrap());
                let (up, down) = (Arc::clone(shared), Arc::clone(shared));
                pumps.push(std::thread::spawn(move || pump(terminal, broker, &up, true)));
                pumps.push(std::thread::spawn(move || pump(both.1, both.0, &down, false)));
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => SystemClock::default().sleep(LOOK),
            Err(e) => panic!("the way takes nobody: {e}"),
        }
    }
    pumps.into_iter().for_each(|pump| pump.join().unwrap());
}

/// Carries bytes until either end is gone. `up`: what the terminal says.
fn pump(mut from: TcpStream, mut to: TcpStream, shared: &Shared, up: bool) {
    from.set_read_timeout(Some(LOOK)).unwrap();
    let mut bytes = [0; 4096];
    while !shared.ending.load(Relaxed) {
        let count = match from.read(&mut bytes) {
            Ok(0) => break,
            Ok(count) => count,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(_) => break,
        };
        match carry(&bytes[..count], &mut to, shared, up) {
            Went::On => {}
            Went::HalfClosed => {
                let _ = to.shutdown(Shutdown::Write);
                return drain(&mut from, shared);
            }
            Went::Off => break,
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

enum Went {
    On,
    HalfClosed,
    Off,
}

fn carry(bytes: &[u8], to: &mut TcpStream, shared: &Shared, up: bool) -> Went {
    let mood = *shared.mood.lock().unwrap();
    let before = if up { shared.passed.fetch_add(bytes.len() as u64, Relaxed) } else { 0 };
    let mut part = bytes;
    match mood {
        Mood::Passes => {}
        Mood::Delays(time) => {
            shared.harmed.fetch_add(1, Relaxed);
            SystemClock::default().sleep(time);
        }
        Mood::Swallows => {
            shared.harmed.fetch_add(1, Relaxed);
            return Went::On;
        }
        Mood::HalfCloses if up => {
            shared.harmed.fetch_add(1, Relaxed);
            return Went::HalfClosed;
        }
        Mood::CutsAfter(length) if up && before + bytes.len() as u64 > length => {
            shared.harmed.fetch_add(1, Relaxed);
            // The next connection is cut after as much again.
            shared.passed.store(0, Relaxed);
            part = &bytes[..usize::try_from(length.saturating_sub(before)).unwrap().min(bytes.len())];
            let _ = to.write_all(part);
            return Went::Off;
        }
        Mood::HalfCloses | Mood::CutsAfter(_) => {}
    }
    if to.write_all(part).is_ok() { Went::On } else { Went::Off }
}

/// Hears what nobody carries any further, so that its sender is not told.
fn drain(from: &mut TcpStream, shared: &Shared) {
    let mut bytes = [0; 4096];
    while !shared.ending.load(Relaxed) {
        match from.read(&mut bytes) {
            Ok(0) => return,
            Ok(_) => {}
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return,
        }
    }
}
