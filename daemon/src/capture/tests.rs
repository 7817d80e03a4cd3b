//! A camera's thread against cameras that do everything a real one can do wrong.

use std::collections::VecDeque;
use std::sync::Mutex;

use doorward_core::frame::{Frameset, Plane};
use doorward_core::liveness::Fitted;
use doorward_core::time::{ClockTrust, Now, Wall};
use doorward_hal::fake::{self, CameraHand, FakeClock};

use super::*;

type Answer = Result<Box<dyn Camera<[u8; 3]>>, CameraFault>;

/// What the next openings find, in order; nothing more is there afterwards.
#[derive(Clone, Default)]
struct Socket(Arc<Mutex<VecDeque<Answer>>>);

impl Socket {
    fn plug_in(&self) -> CameraHand<[u8; 3]> {
        let (camera, hand) = fake::camera();
        self.0.lock().unwrap().push_back(Ok(Box::new(camera)));
        hand
    }

    /// Something that opening refuses, as it does a device with another identity or format.
    fn plug_in_another(&self, why: &str) {
        let refused = CameraFault::Refused { camera: "rgb".into(), why: why.into() };
        self.0.lock().unwrap().push_back(Err(refused));
    }

    fn opener(&self) -> OpenCamera<[u8; 3]> {
        let socket = self.clone();
        let empty = || CameraFault::Refused { camera: "rgb".into(), why: "not there".into() };
        Box::new(move || socket.0.lock().unwrap().pop_front().unwrap_or_else(|| Err(empty())))
    }

    fn openings_left(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

struct Bench {
    clock: FakeClock,
    meeting: Meeting,
    capture: Capture<[u8; 3]>,
    shown: u32,
    told: Arc<Mutex<Vec<(String, bool)>>>,
}

impl Bench {
    fn new(socket: &Socket) -> Self {
        let start = Now { mono: Mono(0), wall: Wall { ms: 0, trust: ClockTrust::Unknown } };
        let clock = fake::clock(start);
        let fitted = Fitted { infrared: false, depth: false };
        let meeting = Meeting::new(Arc::new(clock.clone()), fitted);
        let told = Arc::<Mutex<Vec<_>>>::default();
        let trail = Arc::clone(&told);
        let tell = move |report: FaultReport| {
            trail.lock().unwrap().push((format!("{} {}", report.part, report.code), report.set));
        };
        let mut capture = Capture::new("rgb", socket.opener(), Arrival::Rgb, Box::new(tell));
        capture.wait = Duration::ZERO;
        Self { clock, meeting, capture, shown: 0, told }
    }

    /// Some steps of the thread, of 500 ms each.
    fn steps(&mut self, count: u32) {
        for _ in 0..count {
            self.clock.advance(Duration::from_millis(500));
            self.capture.step(&self.clock, &self.meeting);
        }
    }

    /// Shows a picture that was not seen before, of this moment.
    fn show(&mut self, hand: &CameraHand<[u8; 3]>) {
        self.shown += 1;
        let at = self.clock.now().mono;
        hand.present(Shot { sequence: self.shown, at, plane: Plane::filled(2, 2, [1; 3]).unwrap() });
    }

    /// What the trail was told of it.
    fn told(&self) -> Vec<(String, bool)> {
        self.told.lock().unwrap().clone()
    }

    /// The frameset that reached the meeting, if one did.
    fn seen(&self) -> Option<Frameset> {
        self.meeting.next(Duration::ZERO)
    }
}

/// A capture whose camera is plugged in and opened.
fn running() -> (Socket, CameraHand<[u8; 3]>, Bench) {
    let socket = Socket::default();
    let hand = socket.plug_in();
    let mut bench = Bench::new(&socket);
    bench.steps(1);
    (socket, hand, bench)
}

#[test]
fn frames_are_passed_on_and_counted() {
    let (_, hand, mut bench) = running();
    bench.show(&hand);
    bench.show(&hand);
    bench.steps(1);
    assert_eq!(bench.seen().unwrap().rgb.sequence, 2);
    bench.shown += 3;
    bench.show(&hand);
    bench.steps(1);
    let expected = Tally { delivered: 2, skipped: 1, lost: 3, opened: 1, ..Tally::default() };
    assert_eq!(bench.capture.tally(), expected);
}

#[test]
fn c2_broken_frames_never_arrive_and_the_next_good_one_does() {
    let (_, hand, mut bench) = running();
    for why in ["the driver says that it is damaged", "the buffer holds 3 bytes", "jpeg: truncated"] {
        hand.present_broken(why);
        bench.steps(1);
        assert!(bench.seen().is_none());
    }
    bench.show(&hand);
    bench.steps(1);
    assert!(bench.seen().is_some());
    assert_eq!(bench.capture.tally(), Tally { delivered: 1, damaged: 3, opened: 1, ..Tally::default() });
}

#[test]
fn c3_a_frame_of_the_past_never_arrives() {
    let (_, hand, mut bench) = running();
    bench.show(&hand);
    bench.steps(1);
    assert!(bench.seen().is_some());
    hand.present(Shot { sequence: 9, at: Mono(1), plane: Plane::filled(2, 2, [1; 3]).unwrap() });
    bench.steps(1);
    assert!(bench.seen().is_none());
    assert_eq!(bench.capture.tally().damaged, 1);
}

#[test]
fn c2_a_stalled_camera_is_opened_again_after_two_seconds() {
    let (socket, hand, mut bench) = running();
    let replacement = socket.plug_in();
    hand.stall(true);
    bench.steps(3);
    assert_eq!((socket.openings_left(), bench.capture.tally().stalls), (1, 3), "a short stall is waited out");
    bench.steps(2);
    assert_eq!(socket.openings_left(), 0, "it is opened again");
    bench.show(&replacement);
    bench.steps(1);
    assert!(bench.seen().is_some());
    assert_eq!(bench.capture.tally(), Tally { delivered: 1, stalls: 4, opened: 2, ..Tally::default() });
}

#[test]
fn c2_a_camera_with_nothing_but_broken_frames_is_opened_again() {
    let (socket, hand, mut bench) = running();
    socket.plug_in();
    for _ in 0..4 {
        hand.present_broken("truncated");
        bench.steps(1);
    }
    bench.steps(1);
    assert_eq!((socket.openings_left(), bench.capture.tally().damaged), (0, 4));
}

#[test]
fn a_slow_camera_that_delivers_is_left_alone() {
    let (socket, hand, mut bench) = running();
    socket.plug_in();
    for _ in 0..10 {
        bench.steps(2);
        bench.show(&hand);
        bench.steps(1);
        assert!(bench.seen().is_some());
    }
    assert_eq!((socket.openings_left(), bench.capture.tally().stalls), (1, 20));
}

#[test]
fn c4_an_unplugged_camera_is_taken_again_when_it_is_back_and_its_counters_are_kept() {
    let (socket, hand, mut bench) = running();
    bench.show(&hand);
    bench.show(&hand);
    bench.steps(1);
    assert!(bench.seen().is_some());
    hand.unplug();
    bench.steps(20);
    assert!(bench.seen().is_none());
    let back = socket.plug_in();
    bench.steps(1);
    bench.show(&back);
    bench.steps(1);
    assert!(bench.seen().is_some());
    let expected = Tally { delivered: 2, skipped: 1, opened: 2, ..Tally::default() };
    assert_eq!(bench.capture.tally(), expected);
    assert_eq!(bench.told(), [("camera_rgb lost".to_owned(), true), ("camera_rgb lost".to_owned(), false)]);
}

#[test]
fn c3_a_stream_whose_time_stands_still_is_told_to_the_trail_and_never_arrives() {
    let (_, hand, mut bench) = running();
    bench.show(&hand);
    bench.steps(1);
    assert!(bench.seen().is_some());
    for _ in 0..10 {
        // The same number again, whatever the picture.
        hand.present(Shot {
            sequence: 1,
            at: bench.clock.now().mono,
            plane: Plane::filled(2, 2, [9; 3]).unwrap(),
        });
        bench.clock.advance(Duration::from_millis(100));
        bench.capture.step(&bench.clock, &bench.meeting);
        assert!(bench.seen().is_none());
    }
    assert_eq!(bench.told(), [("camera_rgb untimely".to_owned(), true)]);
}

#[test]
fn c1_a_camera_that_comes_back_as_another_device_never_delivers() {
    let (socket, hand, mut bench) = running();
    hand.unplug();
    for _ in 0..5 {
        socket.plug_in_another("usb device is another one");
    }
    bench.steps(5);
    assert_eq!((bench.seen().is_none(), bench.capture.tally().reopened()), (true, 0));
    let right = socket.plug_in();
    bench.steps(2);
    bench.show(&right);
    bench.steps(1);
    assert!(bench.seen().is_some(), "the right one is taken afterwards");
}
