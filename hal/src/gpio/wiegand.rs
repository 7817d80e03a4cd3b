//! Wiegand over two lines of the kernel.
//!
//! *In*: only the edge that begins a pulse is asked for. The kernel stamps it in the interrupt itself; asked for both
//! edges, it would read the level afterwards, when a pulse of 50 µs is over, and name the wrong edge. There is no
//! debouncing: it would swallow every pulse.
//!
//! *Out*: pulses are timed by this process, asleep until shortly before and then watching the clock. On an idle board
//! a pulse of 50 µs comes out 50 to 70 µs long; a process that is preempted stretches a pulse or a gap by milliseconds,
//! which most panels take, and [`Sent`] tells. Give the thread a real-time priority where a panel does not.

use std::io;
use std::time::Duration;

use doorward_core::time::Mono;
use doorward_core::wiegand::train::Pace;
use doorward_core::wiegand::{Frame, Pulse, Wire};
use embedded_hal::digital::OutputPin;
use gpiocdev::Request;
use gpiocdev::line;
use gpiocdev::request::Config;

use super::edges;
use super::inputs::{InputLine, listening};
use super::line::{Active, CONSUMER, CdevPin, Line, Place, pin_error};
use crate::clock;
use crate::wait;
use crate::wiegand::{Came, Sent, WiegandFault, WiegandReader, WiegandWriter};

/// Edges the kernel keeps while nobody reads, as many as it allows for two lines: sixteen of the longest frames.
const EDGES_KEPT: u32 = 1024;

/// The last part of a wait is spent looking at the clock: sleeping takes some tens of microseconds longer than asked.
const WATCHED: Duration = Duration::from_micros(300);

/// The lines of one reader, on one chip, because only then does the kernel keep their edges in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WiegandConfig {
    /// D0.
    pub zero: InputLine,
    /// D1.
    pub one: InputLine,
}

/// The receiving end of two lines, over the kernel.
#[derive(Debug)]
pub struct GpioWiegand {
    request: Request,
    zero: u32,
    one: u32,
    /// Number of the last edge.
    last: u32,
    /// The pulse after dropped ones.
    next: Option<Pulse>,
}

impl GpioWiegand {
    /// Takes the lines.
    ///
    /// # Errors
    /// [`WiegandFault`] for lines that are not there, are held by somebody else, are one line, or are on two chips.
    pub fn open(config: &WiegandConfig) -> Result<Self, WiegandFault> {
        let find = |name: &str, input: &InputLine| {
            input.line.find().map_err(|source| fault(format!("find {name} line {}", input.line), source))
        };
        let places = (find("D0", &config.zero)?, find("D1", &config.one)?);
        let asked = request_config((&places.0, &config.zero), (&places.1, &config.one));
        let asked = asked.map_err(|why| fault("set up the lines", io::Error::other(why)))?;
        let mut builder = Request::from_config(asked);
        let request = builder.with_consumer(CONSUMER).with_kernel_event_buffer_size(EDGES_KEPT).request();
        let request = request.map_err(|e| fault("take the lines", io::Error::other(e)))?;
        Ok(Self { request, zero: places.0.offset, one: places.1.offset, last: 0, next: None })
    }

    fn read(&mut self) -> Result<Came, WiegandFault> {
        let event = edges::next(&self.request).map_err(|e| fault("read a pulse", e))?;
        let wire = match event.offset {
            offset if offset == self.zero => Wire::Zero,
            offset if offset == self.one => Wire::One,
            _ => return Err(fault("read a pulse", io::Error::other("of a line that was not asked for"))),
        };
        let pulse = Pulse { wire, at: Mono(event.timestamp_ns / 1000) };
        let complete = event.seqno == self.last.wrapping_add(1);
        self.last = event.seqno;
        if complete {
            return Ok(Came::Pulse(pulse));
        }
        self.next = Some(pulse);
        Ok(Came::Lost)
    }

    /// A chip that is taken away tells nobody who waits; only asking for a level finds out.
    fn still_there(&self) -> Result<(), WiegandFault> {
        let asked = self.request.value(self.zero).map(drop);
        asked.map_err(|e| fault("ask whether the chip is there", io::Error::other(e)))
    }
}

impl WiegandReader for GpioWiegand {
    fn next(&mut self, wait: Duration) -> Result<Option<Came>, WiegandFault> {
        if let Some(pulse) = self.next.take() {
            return Ok(Some(Came::Pulse(pulse)));
        }
        let events =
            wait::for_input(&self.request, wait).map_err(|source| fault("wait for a pulse", source))?;
        if wait::is_lost(events) {
            return Err(fault("wait for a pulse", io::ErrorKind::NotConnected.into()));
        }
        if events.is_empty() {
            return self.still_there().map(|()| None);
        }
        self.read().map(Some)
    }
}

/// The lines towards a panel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WiegandOutConfig {
    /// D0.
    pub zero: Line,
    /// D1.
    pub one: Line,
    /// The level of a pulse: low on bare wires, high where a transistor turns it round.
    pub active: Active,
    /// How pulses are paced.
    pub pace: Pace,
}

/// The sending end of two output pins.
#[derive(Debug)]
pub struct PinWiegand<P: OutputPin> {
    zero: P,
    one: P,
    active: Active,
    pace: Pace,
}

impl PinWiegand<CdevPin> {
    /// Takes the lines; they are at rest from the first moment on.
    ///
    /// # Errors
    /// [`WiegandFault`].
    pub fn open(config: &WiegandOutConfig) -> Result<Self, WiegandFault> {
        let rest = config.active.level(false);
        let take = |line: &Line| {
            CdevPin::open(line, rest).map_err(|source| fault(format!("take line {line}"), source))
        };
        Ok(Self::new(take(&config.zero)?, take(&config.one)?, config.active, config.pace))
    }
}

impl<P: OutputPin> PinWiegand<P> {
    /// Sends over pins that the caller has set up and put to rest.
    #[must_use]
    pub fn new(zero: P, one: P, active: Active, pace: Pace) -> Self {
        Self { zero, one, active, pace }
    }

    /// One pulse; returns when it began, and how long it was.
    fn pulse(&mut self, wire: Wire) -> Result<(Mono, Duration), WiegandFault> {
        let (pin, name) = match wire {
            Wire::Zero => (&mut self.zero, "D0"),
            Wire::One => (&mut self.one, "D1"),
        };
        let failed = |e: P::Error| fault(format!("pulse {name}"), pin_error(&e));
        let began = clock::monotonic();
        let set = pin.set_state(self.active.level(true));
        until(began + self.pace.width);
        // Also after a failure: a wire left active would silence the bus.
        let cleared = pin.set_state(self.active.level(false));
        let width = clock::monotonic().since(began);
        set.and(cleared).map_err(failed)?;
        Ok((began, width))
    }
}

impl<P: OutputPin + Send> WiegandWriter for PinWiegand<P> {
    fn send(&mut self, frame: &Frame) -> Result<Sent, WiegandFault> {
        let mut sent = Sent { widest: Duration::ZERO, slowest: Duration::ZERO };
        let mut before: Option<Mono> = None;
        for wire in frame.wires() {
            // From the last pulse as it was, so that one that came late does not crowd the next.
            if let Some(before) = before {
                until(before + self.pace.interval);
            }
            let (began, width) = self.pulse(wire)?;
            sent.widest = sent.widest.max(width);
            sent.slowest = sent.slowest.max(before.map_or(Duration::ZERO, |before| began.since(before)));
            before = Some(began);
        }
        clock::wait(self.pace.rest);
        Ok(sent)
    }
}

/// Waits until a moment, as exactly as a process can.
fn until(at: Mono) {
    loop {
        let left = at.since(clock::monotonic());
        if left.is_zero() {
            return;
        }
        match left.checked_sub(WATCHED) {
            Some(asleep) if !asleep.is_zero() => clock::wait(asleep),
            _ => std::hint::spin_loop(),
        }
    }
}

fn fault(doing: impl Into<String>, source: io::Error) -> WiegandFault {
    WiegandFault { doing: doing.into(), source }
}

/// What is asked of the kernel.
fn request_config(zero: (&Place, &InputLine), one: (&Place, &InputLine)) -> Result<Config, &'static str> {
    if zero.0.chip != one.0.chip {
        return Err("the wires of a reader must be on one chip");
    }
    if zero.0.offset == one.0.offset {
        return Err("D0 and D1 are two lines");
    }
    let mut config = Config::default();
    config.on_chip(&zero.0.chip);
    for (place, input) in [zero, one] {
        let line = listening(input.active, input.bias, line::EdgeDetection::RisingEdge);
        config.with_line(place.offset).from_line_config(&line);
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::{Arc, Mutex};

    use embedded_hal::digital::{ErrorType, PinState};
    use gpiocdev::line::EventClock;

    use super::super::inputs::Bias;
    use super::*;

    fn input(name: &str) -> InputLine {
        InputLine {
            line: Line::Named { name: name.into() },
            active: Active::Low,
            bias: Bias::Up,
            supervision: None,
        }
    }

    fn place(chip: &str, offset: u32) -> Place {
        Place { chip: chip.into(), label: chip.into(), offset }
    }

    #[test]
    fn only_the_beginning_of_a_pulse_is_asked_for_and_never_debounced() {
        let (zero, one) = (place("/dev/gpiochip4", 5), place("/dev/gpiochip4", 6));
        let asked = request_config((&zero, &input("d0")), (&one, &input("d1"))).unwrap();
        for offset in [5, 6] {
            let line = asked.line_config(offset).unwrap();
            assert!(line.active_low, "the active edge of an idle-high wire is the falling one");
            assert_eq!(line.edge_detection, Some(line::EdgeDetection::RisingEdge));
            assert_eq!(line.event_clock, Some(EventClock::Monotonic));
            assert_eq!(line.debounce_period, None);
        }
    }

    #[test]
    fn wires_that_cannot_be_kept_in_order_or_told_apart_are_refused() {
        let line = input("d");
        let asked = |a: &Place, b: &Place| request_config((a, &line), (b, &line)).err();
        let here = place("/dev/gpiochip4", 5);
        assert!(asked(&here, &place("/dev/gpiochip0", 6)).unwrap().contains("one chip"));
        assert!(asked(&here, &here.clone()).unwrap().contains("two lines"));
        let missing = WiegandConfig { zero: input("no-such-line"), one: input("d1") };
        let told = GpioWiegand::open(&missing).unwrap_err().to_string();
        assert_eq!(told, "card reader: find D0 line no-such-line");
    }

    /// A pin that writes down what happens to it, with the name of its wire.
    #[derive(Clone)]
    struct Pin(Wire, Arc<Mutex<Vec<(Wire, PinState)>>>);

    impl ErrorType for Pin {
        type Error = Infallible;
    }

    impl OutputPin for Pin {
        fn set_low(&mut self) -> Result<(), Infallible> {
            self.set_state(PinState::Low)
        }

        fn set_high(&mut self) -> Result<(), Infallible> {
            self.set_state(PinState::High)
        }

        fn set_state(&mut self, state: PinState) -> Result<(), Infallible> {
            self.1.lock().unwrap().push((self.0, state));
            Ok(())
        }
    }

    #[test]
    fn a_frame_goes_out_bit_by_bit_and_leaves_the_wires_at_rest() {
        let frame = Frame::new(0b1_0110_0111, 9).unwrap();
        let seen: Arc<Mutex<Vec<_>>> = Arc::default();
        let pin = |wire| Pin(wire, Arc::clone(&seen));
        let pace = Pace { interval: Duration::from_micros(200), rest: Duration::ZERO, ..Pace::default() };
        let mut writer = PinWiegand::new(pin(Wire::Zero), pin(Wire::One), Active::Low, pace);
        let sent = writer.send(&frame).unwrap();
        assert!(sent.widest >= pace.width && sent.slowest >= pace.interval, "{sent:?}");
        let expected = frame.wires().flat_map(|wire| [(wire, PinState::Low), (wire, PinState::High)]);
        assert_eq!(*seen.lock().unwrap(), expected.collect::<Vec<_>>());
    }
}
