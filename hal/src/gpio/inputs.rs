//! The door's input lines. The kernel debounces them, numbers their edges and says when each happened.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use doorward_core::door::{Point, Signal};
use doorward_core::time::Mono;
use gpiocdev::Request;
use gpiocdev::line::{self, EdgeKind, EventClock, Value};
use gpiocdev::request::Config;
use serde::{Deserialize, Serialize};

use super::edges;
use super::line::{Active, CONSUMER, Line};
use super::supervision::Supervision;
use crate::clock;
use crate::inputs::{Edge, InputFault, Inputs};
use crate::wait;

/// Edges the kernel keeps while nobody reads: two seconds of four contacts that chatter at the rate debouncing allows.
const EDGES_KEPT: u32 = 512;

/// The longest debounce: above it, a door that opens is noticed late.
const DEBOUNCE_MAX: Duration = Duration::from_millis(500);

/// One input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputLine {
    /// Its line.
    pub line: Line,
    /// The level that means open, pressed or alarm. A loop that is cut must mean open or alarm, unless it is supervised.
    pub active: Active,
    /// The resistor in the chip.
    pub bias: Bias,
    /// A second line that tells a switch from a broken loop.
    #[serde(default)]
    pub supervision: Option<Supervision>,
}

/// The resistor in the chip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bias {
    /// As the board sets it.
    Board,
    /// Up.
    Up,
    /// Down.
    Down,
    /// None: one is fitted outside.
    None,
}

/// The inputs of one door. All their lines must be on one chip, because only then does the kernel keep their edges in
/// order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputsConfig {
    /// Door contact.
    pub contact: Option<InputLine>,
    /// Request to exit.
    pub egress: Option<InputLine>,
    /// Fire alarm.
    pub fire: Option<InputLine>,
    /// Tamper switch.
    pub tamper: Option<InputLine>,
    /// Mains: active while it has failed.
    pub power: Option<InputLine>,
    /// How long a level must last to count, up to 500 ms.
    pub debounce: Duration,
}

impl InputsConfig {
    /// Every input that is fitted.
    #[must_use]
    pub fn fitted(&self) -> Vec<(Point, &InputLine)> {
        let input = |point| match point {
            Point::Contact => &self.contact,
            Point::Egress => &self.egress,
            Point::Fire => &self.fire,
            Point::Tamper => &self.tamper,
            Point::Power => &self.power,
        };
        Point::ALL.into_iter().filter_map(|point| Some((point, input(point).as_ref()?))).collect()
    }
}

/// One input with what its lines say.
#[derive(Debug)]
struct Circuit {
    point: Point,
    first: (u32, bool),
    second: Option<(u32, bool, Supervision)>,
    /// What was reported last.
    told: Option<Signal>,
}

impl Circuit {
    /// Takes a level of one of its lines, and returns what it means if that is news.
    fn set(&mut self, offset: u32, active: bool) -> Option<Signal> {
        if offset == self.first.0 {
            self.first.1 = active;
        } else if let Some((second, level, _)) = &mut self.second
            && offset == *second
        {
            *level = active;
        }
        let signal = match &self.second {
            None => self.point.signal(self.first.1),
            Some((_, level, pair)) => pair.reading(self.first.1, *level).signal(self.point),
        };
        (self.told.replace(signal) != Some(signal)).then_some(signal)
    }

    fn has(&self, offset: u32) -> bool {
        self.first.0 == offset || self.second.as_ref().is_some_and(|(second, ..)| *second == offset)
    }
}

/// A line as it is asked of the kernel.
#[derive(Debug)]
struct Asked {
    chip: PathBuf,
    offset: u32,
    active: Active,
    bias: Bias,
}

/// The lines of one door, over the kernel.
#[derive(Debug)]
pub struct GpioInputs {
    /// None where no line is fitted.
    request: Option<Request>,
    circuits: Vec<Circuit>,
    /// Levels not yet reported.
    levels: VecDeque<Edge>,
    /// Number of the last edge.
    last: u32,
}

impl GpioInputs {
    /// Takes the lines.
    ///
    /// # Errors
    /// [`InputFault`] for a line that is not there or held by somebody else, lines on several chips, one line with two
    /// meanings, a pair of lines that supervises nothing, or a debounce beyond 500 ms.
    pub fn open(config: &InputsConfig) -> Result<Self, InputFault> {
        let (circuits, asked) = find(config)?;
        let refused = |why: &str| fault("set up the lines", io::Error::other(why.to_owned()));
        let Some(config) = request_config(&asked, config.debounce).map_err(refused)? else {
            return Ok(Self { request: None, circuits, levels: VecDeque::new(), last: 0 });
        };
        let mut builder = Request::from_config(config);
        let request = builder.with_consumer(CONSUMER).with_kernel_event_buffer_size(EDGES_KEPT).request();
        let request = request.map_err(|e| fault("take the lines", io::Error::other(e)))?;
        let mut inputs = Self { request: None, circuits, levels: VecDeque::new(), last: 0 };
        inputs.read_levels(&request)?;
        inputs.request = Some(request);
        Ok(inputs)
    }

    /// Learns every level, then reports what each input says: one line of a pair alone means nothing.
    fn read_levels(&mut self, request: &Request) -> Result<(), InputFault> {
        let level = |offset| {
            let level = request.value(offset);
            level
                .map(|level| level == Value::Active)
                .map_err(|e| fault("read the levels", io::Error::other(e)))
        };
        for circuit in &mut self.circuits {
            if let Some((offset, active, _)) = &mut circuit.second {
                *active = level(*offset)?;
            }
            let first = circuit.first.0;
            let signal = circuit.set(first, level(first)?);
            self.levels.extend(signal.map(|signal| Edge { signal, at: clock::monotonic() }));
        }
        Ok(())
    }

    /// The next edge that the kernel has, if it means anything new.
    fn read(&mut self) -> Result<Option<Edge>, InputFault> {
        let request = self.request.as_ref().expect("only called where lines are fitted");
        let event = edges::next(request).map_err(|e| fault("read an edge", e))?;
        if event.seqno != self.last.wrapping_add(1) {
            let why = format!("edge {} came after edge {}: the kernel dropped some", event.seqno, self.last);
            return Err(fault("read an edge", io::Error::other(why)));
        }
        self.last = event.seqno;
        let circuit = self.circuits.iter_mut().find(|circuit| circuit.has(event.offset));
        let circuit = circuit
            .ok_or_else(|| fault("read an edge", io::Error::other("of a line that was not asked for")))?;
        let signal = circuit.set(event.offset, event.kind == EdgeKind::Rising);
        Ok(signal.map(|signal| Edge { signal, at: Mono(event.timestamp_ns / 1000) }))
    }

    /// A chip that is taken away tells nobody who waits; only asking for a level finds out.
    fn still_there(&self) -> Result<(), InputFault> {
        let (Some(request), Some(circuit)) = (&self.request, self.circuits.first()) else { return Ok(()) };
        request
            .value(circuit.first.0)
            .map(drop)
            .map_err(|e| fault("ask whether the chip is there", io::Error::other(e)))
    }
}

impl Inputs for GpioInputs {
    fn next(&mut self, wait: Duration) -> Result<Option<Edge>, InputFault> {
        if let Some(level) = self.levels.pop_front() {
            return Ok(Some(level));
        }
        let mut wait = wait;
        // Edges without a meaning must not keep this loop: as many as the kernel holds, then the caller's turn.
        for _ in 0..EDGES_KEPT {
            let Some(request) = &self.request else {
                // Nothing is fitted, and nothing will ever come: only the waiting is left.
                clock::wait(wait);
                return Ok(None);
            };
            let events =
                wait::for_input(request, wait).map_err(|source| fault("wait for an edge", source))?;
            if wait::is_lost(events) {
                return Err(fault("wait for an edge", io::ErrorKind::NotConnected.into()));
            }
            if events.is_empty() {
                return self.still_there().map(|()| None);
            }
            if let Some(edge) = self.read()? {
                return Ok(Some(edge));
            }
            wait = Duration::ZERO;
        }
        Ok(None)
    }
}

fn fault(doing: &str, source: io::Error) -> InputFault {
    InputFault { doing: doing.to_owned(), source }
}

/// Where every line is.
fn find(config: &InputsConfig) -> Result<(Vec<Circuit>, Vec<Asked>), InputFault> {
    let (mut circuits, mut asked) = (Vec::new(), Vec::new());
    let mut place = |doing: String, line: &Line, active, bias| {
        let place = line.find().map_err(|source| InputFault { doing, source })?;
        asked.push(Asked { chip: place.chip, offset: place.offset, active, bias });
        Ok(place.offset)
    };
    for (point, input) in config.fitted() {
        let name = point.code();
        let first = place(format!("find {name} line {}", input.line), &input.line, input.active, input.bias)?;
        let second = match &input.supervision {
            None => None,
            Some(pair) => {
                let unfit = |why: &str| fault(&format!("supervise {name}"), io::Error::other(why.to_owned()));
                pair.check().map_err(unfit)?;
                let doing = format!("find the second {name} line {}", pair.line);
                Some((place(doing, &pair.line, pair.active, pair.bias)?, false, pair.clone()))
            }
        };
        circuits.push(Circuit { point, first: (first, false), second, told: None });
    }
    Ok((circuits, asked))
}

/// A line that is listened to, its edges timed by the clock that everything else goes by.
pub(super) fn listening(active: Active, bias: Bias, edges: line::EdgeDetection) -> line::Config {
    let mut line = line::Config::default();
    line.as_input();
    line.active_low = active == Active::Low;
    line.bias = match bias {
        Bias::Board => None,
        Bias::Up => Some(line::Bias::PullUp),
        Bias::Down => Some(line::Bias::PullDown),
        Bias::None => Some(line::Bias::Disabled),
    };
    line.edge_detection = Some(edges);
    line.event_clock = Some(EventClock::Monotonic);
    line
}

/// What is asked of the kernel; `None` for no lines.
fn request_config(asked: &[Asked], debounce: Duration) -> Result<Option<Config>, &'static str> {
    let Some(Asked { chip, .. }) = asked.first() else { return Ok(None) };
    if asked.iter().any(|other| other.chip != *chip) {
        return Err("the inputs of a door must be on one chip");
    }
    let taken = |(i, line): (usize, &Asked)| asked[..i].iter().any(|other| other.offset == line.offset);
    if asked.iter().enumerate().any(taken) {
        return Err("one line cannot have two meanings");
    }
    if debounce > DEBOUNCE_MAX {
        return Err("debouncing takes at most 500 ms");
    }
    let mut config = Config::default();
    config.on_chip(chip);
    for input in asked {
        let mut line = listening(input.active, input.bias, line::EdgeDetection::BothEdges);
        line.debounce_period = (!debounce.is_zero()).then_some(debounce);
        config.with_line(input.offset).from_line_config(&line);
    }
    Ok(Some(config))
}

#[cfg(test)]
mod tests {
    use doorward_core::door::Trouble;

    use super::*;
    use crate::gpio::supervision::Reading;

    fn input(name: &str, active: Active, bias: Bias) -> InputLine {
        InputLine { line: named(name), active, bias, supervision: None }
    }

    fn named(name: &str) -> Line {
        Line::Named { name: name.into() }
    }

    fn config() -> InputsConfig {
        InputsConfig {
            contact: Some(input("contact", Active::High, Bias::Up)),
            egress: Some(input("rex", Active::Low, Bias::Up)),
            fire: None,
            tamper: Some(input("tamper", Active::High, Bias::None)),
            power: None,
            debounce: Duration::from_millis(20),
        }
    }

    fn asked(chip: &str, offset: u32) -> Asked {
        Asked { chip: PathBuf::from(chip), offset, active: Active::High, bias: Bias::Board }
    }

    #[test]
    fn d3_every_line_is_asked_for_debounced_and_with_both_edges() {
        let config = config();
        let fitted = config.fitted();
        let points: Vec<_> = fitted.iter().map(|(point, _)| *point).collect();
        assert_eq!(points, [Point::Contact, Point::Egress, Point::Tamper]);
        let chip = PathBuf::from("/dev/gpiochip4");
        let lines: Vec<_> = (5..)
            .zip(fitted)
            .map(|(offset, (_, input))| Asked {
                chip: chip.clone(),
                offset,
                active: input.active,
                bias: input.bias,
            })
            .collect();
        let asked = request_config(&lines, config.debounce).unwrap().unwrap();
        assert_eq!(asked.chip(), chip);
        assert_eq!(asked.num_lines(), 3);
        let lines = [
            (5, false, Some(line::Bias::PullUp)),
            (6, true, Some(line::Bias::PullUp)),
            (7, false, Some(line::Bias::Disabled)),
        ];
        for (offset, active_low, bias) in lines {
            let line = asked.line_config(offset).unwrap();
            assert_eq!(line.direction, Some(line::Direction::Input));
            assert_eq!((line.active_low, line.bias), (active_low, bias), "line {offset}");
            assert_eq!(line.edge_detection, Some(line::EdgeDetection::BothEdges));
            assert_eq!(line.event_clock, Some(EventClock::Monotonic));
            assert_eq!(line.debounce_period, Some(Duration::from_millis(20)));
        }
    }

    #[test]
    fn what_cannot_be_kept_in_order_or_told_apart_is_refused() {
        let debounce = Duration::from_millis(5);
        let refused = |lines: &[Asked], debounce| request_config(lines, debounce).is_err();
        assert!(refused(&[asked("/dev/gpiochip0", 1), asked("/dev/gpiochip1", 2)], debounce));
        assert!(refused(&[asked("/dev/gpiochip0", 1), asked("/dev/gpiochip0", 1)], debounce));
        assert!(refused(&[asked("/dev/gpiochip0", 1)], Duration::from_secs(1)));
        assert!(request_config(&[], debounce).unwrap().is_none());
        let asked = request_config(&[asked("/dev/gpiochip0", 1)], Duration::ZERO).unwrap().unwrap();
        assert_eq!(asked.line_config(1).unwrap().debounce_period, None);
    }

    #[test]
    fn d3_a_level_that_is_read_twice_is_told_once() {
        let mut circuit = Circuit { point: Point::Tamper, first: (3, false), second: None, told: None };
        let told = [false, false, true, true, false].map(|level| circuit.set(3, level));
        let expected = [Some(false), None, Some(true), None, Some(false)].map(|set| set.map(Signal::Tamper));
        assert_eq!(told, expected);
    }

    #[test]
    fn d2_two_lines_of_one_input_are_read_together() {
        let pair = Supervision {
            line: named("closed"),
            active: Active::High,
            bias: Bias::Up,
            neither: Reading::Short,
            first: Reading::Active,
            second: Reading::Rest,
            both: Reading::Cut,
        };
        let second = Some((2, true, pair));
        let mut circuit = Circuit { point: Point::Contact, first: (1, false), second, told: None };
        assert!(circuit.has(1) && circuit.has(2) && !circuit.has(3));
        let told = [(1, false), (2, false), (1, true), (2, true), (2, true), (1, false)]
            .map(|(offset, level)| circuit.set(offset, level));
        let expected = [
            Some(Signal::Contact(false)),
            Some(Signal::Trouble(Point::Contact, Trouble::Short)),
            Some(Signal::Contact(true)),
            Some(Signal::Trouble(Point::Contact, Trouble::Cut)),
            None,
            Some(Signal::Contact(false)),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_door_without_inputs_waits_and_a_missing_line_is_named() {
        let nothing = InputsConfig { contact: None, egress: None, tamper: None, ..config() };
        let mut inputs = GpioInputs::open(&nothing).unwrap();
        let before = clock::monotonic();
        assert_eq!(inputs.next(Duration::from_millis(5)).unwrap(), None);
        assert!(clock::monotonic().since(before) >= Duration::from_millis(5));
        let missing =
            InputsConfig { contact: Some(input("no-such-line", Active::High, Bias::Up)), ..config() };
        assert_eq!(
            GpioInputs::open(&missing).unwrap_err().to_string(),
            "inputs: find contact line no-such-line"
        );
    }
}
