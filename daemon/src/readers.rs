//! Threads that read credentials: the wires of a card reader, and QR codes before the colour camera. Both hand what they
//! read to the terminal, and neither is in the way of a frame.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use anyhow::Context as _;
use doorward_core::credential::{Credential, Token};
use doorward_core::frame::{Frameset, Rgb, Shot};
use doorward_core::time::Mono;
use doorward_core::wiegand::reader::{Reader, Reading, Settings, Unreadable};
use doorward_hal::clock::Clock;
use doorward_hal::qr;
use doorward_hal::wiegand::{Came, WiegandFault, WiegandReader};
use doorward_protocol::audit::FaultReport;

use crate::supervise::{Beat, Supervisor};
use crate::terminal::{Input, chain};
use crate::trace::Trace;
use crate::vision::Watcher;

/// How long one wait takes at most, so that the threads keep ticking.
const WAIT_MAX: Duration = Duration::from_millis(500);
/// Pause before lost wires are opened again.
const REOPEN_PAUSE: Duration = Duration::from_millis(500);
/// Pause after dropped pulses: whoever floods the wires does not get all of this thread's time for it.
const FLOOD_PAUSE: Duration = Duration::from_millis(50);
/// Wires that carried noise count as sound again after this time without any, so that the audit trail tells of noise
/// once and not with every burst.
const SOUND_AFTER: Duration = Duration::from_secs(60);
/// Time between two pictures that are searched for a QR code: a hand holds one up for a second or longer.
const SCAN_EVERY: Duration = Duration::from_millis(300);
/// The same code again within this time of the last is the same presentation.
const SAME_WITHIN: Duration = Duration::from_secs(5);

/// Opens the wires of a reader, as often as it takes.
pub type OpenReader = Box<dyn FnMut() -> Result<Box<dyn WiegandReader>, WiegandFault> + Send>;

/// What reads credentials at this door.
#[derive(Default)]
pub struct Readers {
    /// A card reader, and how it is understood.
    pub wires: Option<(OpenReader, Settings)>,
    /// Whether QR codes are read from the colour camera.
    pub qr: bool,
}

impl Readers {
    /// Starts their threads. Returns the watcher of examinations, which passes pictures on if codes are read from them.
    ///
    /// # Errors
    /// For settings that the configuration would have refused.
    pub fn start(
        self,
        threads: &mut Supervisor,
        clock: &Arc<dyn Clock>,
        terminal: &SyncSender<Input>,
        mut watcher: Watcher,
    ) -> anyhow::Result<Watcher> {
        if let Some((open, settings)) = self.wires {
            let reader = Reader::new(settings).context("set up the card reader")?;
            let (clock, terminal) = (Arc::clone(clock), terminal.clone());
            threads.spawn("reader", true, move |beat| read(&beat, clock.as_ref(), open, reader, &terminal));
        }
        if !self.qr {
            return Ok(watcher);
        }
        let (pictures, received) = sync_channel(1);
        let terminal = terminal.clone();
        // Not watched: a picture made to be hard to search costs this thread time, and nobody else.
        threads.spawn("qr", false, move |beat| scan(&beat, &received, &terminal));
        let mut next = Mono(0);
        Ok(Box::new(move |frames: &Frameset, trace: &Trace| {
            watcher(frames, trace);
            if frames.at() >= next {
                next = frames.at() + SCAN_EVERY;
                // A search that is not done with the last picture gets a newer one later.
                let _ = pictures.try_send(Arc::clone(&frames.rgb));
            }
        }))
    }
}

/// The body of the thread at the wires: opens them, and opens them again whenever they are lost. A reader that is gone
/// is no reason to close the door to faces.
fn read(
    beat: &Beat,
    clock: &dyn Clock,
    mut open: OpenReader,
    mut reader: Reader,
    terminal: &SyncSender<Input>,
) -> anyhow::Result<()> {
    let mut wires: Option<Box<dyn WiegandReader>> = None;
    let mut condition = Condition::default();
    while !beat.stopping() {
        beat.tick();
        let now = clock.now().mono;
        let wait = reader.deadline().map_or(WAIT_MAX, |at| at.since(now).min(WAIT_MAX));
        let opened = match wires.take() {
            Some(wires) => Ok(wires),
            None => open(),
        };
        let came = opened.and_then(|mut opened| {
            let came = opened.next(wait)?;
            wires = Some(opened);
            Ok(came)
        });
        let now = clock.now().mono;
        let reading = match came {
            Ok(None) => reader.tick(now),
            Ok(Some(Came::Pulse(pulse))) => reader.pulse(pulse),
            Ok(Some(Came::Lost)) => {
                clock.sleep(FLOOD_PAUSE);
                reader.lost(now)
            }
            Err(fault) => {
                send(condition.gone(&fault), terminal)?;
                clock.sleep(REOPEN_PAUSE);
                continue;
            }
        };
        send(condition.there(now), terminal)?;
        match reading {
            Some(Reading::Credential(credential)) => send(Some(Input::Credential(credential)), terminal)?,
            Some(Reading::Unreadable(why)) => send(condition.unreadable(why, now), terminal)?,
            None => {}
        }
    }
    Ok(())
}

/// How the wires are, told when it changes.
#[derive(Default)]
struct Condition {
    gone: bool,
    noisy_since: Option<Mono>,
}

impl Condition {
    fn gone(&mut self, fault: &WiegandFault) -> Option<Input> {
        if std::mem::replace(&mut self.gone, true) {
            return None;
        }
        tracing::warn!("the card reader is lost: {}", chain(fault));
        Some(report("gone", true))
    }

    fn there(&mut self, now: Mono) -> Option<Input> {
        if std::mem::take(&mut self.gone) {
            tracing::info!("the card reader is back");
            return Some(report("gone", false));
        }
        self.noisy_since.take_if(|at| now.since(*at) >= SOUND_AFTER).map(|_| report("noise", false))
    }

    fn unreadable(&mut self, why: Unreadable, now: Mono) -> Option<Input> {
        tracing::debug!(why = why.code(), "the card reader sent what is no credential");
        let told = !why.is_fault() || self.noisy_since.replace(now).is_some();
        (!told).then(|| report("noise", true))
    }
}

fn report(code: &str, set: bool) -> Input {
    Input::Fault(FaultReport { part: "reader".into(), code: code.into(), set })
}

/// The body of the thread that searches pictures for QR codes.
fn scan(
    beat: &Beat,
    pictures: &Receiver<Arc<Shot<Rgb>>>,
    terminal: &SyncSender<Input>,
) -> anyhow::Result<()> {
    let mut last: Option<(Token, Mono)> = None;
    while !beat.stopping() {
        let shot = match pictures.recv_timeout(WAIT_MAX) {
            Ok(shot) => shot,
            Err(RecvTimeoutError::Timeout) => continue,
            // The vision thread has ended, and the program with it.
            Err(RecvTimeoutError::Disconnected) => break,
        };
        let payloads = qr::read(&shot.plane);
        // What other codes hold is no business of this door and is kept out of the log.
        let Some(token) = payloads.iter().find_map(|payload| Token::from_payload(payload)) else { continue };
        let seen = last.replace((token.clone(), shot.at));
        if !seen.is_some_and(|(before, at)| before == token && shot.at.since(at) < SAME_WITHIN) {
            send(Some(Input::Credential(Credential::Qr(token))), terminal)?;
        }
    }
    Ok(())
}

fn send(input: Option<Input>, terminal: &SyncSender<Input>) -> anyhow::Result<()> {
    input.map_or(Ok(()), |input| terminal.send(input).context("the terminal thread is gone"))
}

#[cfg(test)]
mod tests {
    use doorward_core::frame::Plane;
    use doorward_core::wiegand::Frame;
    use doorward_core::wiegand::format::Format;
    use doorward_core::wiegand::receiver::Spacing;
    use doorward_hal::clock::SystemClock;
    use doorward_hal::fake;
    use doorward_protocol::audit::CredentialKind;
    use zeroize::Zeroizing;

    use super::*;

    /// Far longer than anything here takes, so that a busy machine fails no test.
    const LONG: Duration = Duration::from_secs(30);

    fn settings() -> Settings {
        Settings {
            formats: vec![Format::w26()],
            keypad: None,
            spacing: Spacing::default(),
            same_within: Duration::from_secs(2),
            typed_within: Duration::from_secs(10),
        }
    }

    fn told(input: Input) -> String {
        match input {
            Input::Credential(credential) => credential.kind().code().to_owned(),
            Input::Fault(report) => format!("{} {} {}", report.part, report.code, report.set),
            Input::Evidence(_)
            | Input::Signal(_)
            | Input::People(_)
            | Input::Known(_)
            | Input::Order(..)
            | Input::Deny(_)
            | Input::Ask(..)
            | Input::Tick => "something else".to_owned(),
        }
    }

    #[test]
    fn q4_a_reader_that_is_lost_is_said_and_opened_again_and_cards_come_through() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let (_, hand) = fake::wiegand();
        let opened = hand.clone();
        let open: OpenReader = Box::new(move || Ok(Box::new(opened.reopen())));
        let mut threads = Supervisor::new(Arc::clone(&clock));
        let (terminal, inputs) = sync_channel(16);
        let readers = Readers { wires: Some((open, settings())), qr: false };
        drop(readers.start(&mut threads, &clock, &terminal, Box::new(|_, _| {})).unwrap());
        let next = || told(inputs.recv_timeout(LONG).unwrap());

        let card = Format::w26().encode(Some(17), 4711).unwrap();
        hand.send(&card, clock.now().mono);
        assert_eq!(next(), "card");
        hand.break_it(true);
        assert_eq!(next(), "reader gone true");
        hand.break_it(false);
        assert_eq!(next(), "reader gone false");
        // Damaged twice: said once.
        let damaged = Frame::new(card.number(0, 25) ^ 2, 26).unwrap();
        let other = Format::w26().encode(Some(17), 4712).unwrap();
        for (frame, ms) in [(damaged, 0), (damaged, 200), (other, 400)] {
            hand.send(&frame, clock.now().mono + Duration::from_millis(ms));
        }
        assert_eq!((next().as_str(), next().as_str()), ("reader noise true", "card"));
        threads.stop();
    }

    #[test]
    fn q1_a_code_of_the_house_is_presented_once_and_no_other_code_at_all() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let mut threads = Supervisor::new(Arc::clone(&clock));
        let (terminal, inputs) = sync_channel(16);
        let (pictures, received) = sync_channel(16);
        threads.spawn("qr", false, move |beat| scan(&beat, &received, &terminal));
        let token = |byte| Token::new(Zeroizing::new([byte; 16])).payload();
        let show = |payload: &[u8], ms: u64| {
            let plane = drawn(payload);
            pictures.send(Arc::new(Shot { sequence: 0, at: Mono::from_millis(ms), plane })).unwrap();
        };
        show(b"' OR 1=1 --", 1000);
        show(b"\x1b[2J\0\xff\xfe", 2000);
        show(&[b'A'; 1000], 3000);
        show(token(1).as_bytes(), 4000);
        show(token(1).as_bytes(), 5000);
        show(token(2).as_bytes(), 6000);
        let next = || {
            let Input::Credential(credential) = inputs.recv_timeout(LONG).unwrap() else {
                panic!("the scanner reads codes and nothing else");
            };
            credential
        };
        let (first, second) = (next(), next());
        assert_eq!((first.kind(), second.kind()), (CredentialKind::Qr, CredentialKind::Qr));
        assert!(first != second, "held up for a second, it is one presentation");
        drop(pictures);
        threads.stop();
    }

    fn drawn(payload: &[u8]) -> Plane<Rgb> {
        let code = qr::Drawing::of(payload).unwrap();
        let (module, quiet) = (4, 16);
        let size = code.size() * module + 2 * quiet;
        let mut plane = Plane::filled(size, size, [255; 3]).unwrap();
        let pixels = (0..size * size).zip(plane.pixels_mut());
        for (place, pixel) in pixels {
            let at = |place: u32| place.checked_sub(quiet).map(|place| place / module);
            if let (Some(x), Some(y)) = (at(place % size), at(place / size))
                && code.is_dark(x, y)
            {
                *pixel = [0; 3];
            }
        }
        plane
    }
}
