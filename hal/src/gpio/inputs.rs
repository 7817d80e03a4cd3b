//! The door's input lines. The kernel debounces them, numbers their edges and says when each happened.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use doorward_core::door::Signal;
use doorward_core::time::Mono;
use gpiocdev::Request;
use gpiocdev::line::{self, EdgeKind, EventClock, Value};
use gpiocdev::request::Config;
use serde::{Deserialize, Serialize};

use super::line::{Active, CONSUMER, Line};
use crate::clock;
use crate::inputs::{Edge, InputFault, Inputs};
use crate::wait;

/// Edges the kernel keeps while nobody reads: two seconds of four contacts that chatter at the rate debouncing allows.
const EDGES_KEPT: u32 = 512;

/// The longest debounce: above it, a door that opens is noticed late.
const DEBOUNCE_MAX: Duration = Duration::from_millis(500);

/// One input line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputLine {
    /// Its line.
    pub line: Line,
    /// The level that means open, pressed or alarm. A loop that is cut must mean open or alarm.
    pub active: Active,
    /// The resistor in the chip.
    pub bias: Bias,
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

/// The lines of one door. All of them must be on one chip, because only then does the kernel keep their edges in order.
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
    /// How long a level must last to count, up to 500 ms.
    pub debounce: Duration,
}

/// What a line reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Contact,
    Egress,
    Fire,
    Tamper,
}

impl Role {
    /// What a change means; letting go of the exit button means nothing.
    fn signal(self, active: bool) -> Option<Signal> {
        match self {
            Role::Contact => Some(Signal::Contact(active)),
            Role::Egress => active.then_some(Signal::Egress),
            Role::Fire => Some(Signal::Fire(active)),
            Role::Tamper => Some(Signal::Tamper(active)),
        }
    }

    /// What a level at the start means; a pressed exit button is no new request.
    fn level(self, active: bool) -> Option<Signal> {
        match self {
            Role::Egress => None,
            Role::Contact | Role::Fire | Role::Tamper => self.signal(active),
        }
    }
}

impl InputsConfig {
    fn fitted(&self) -> Vec<(Role, &InputLine)> {
        let lines = [
            (Role::Contact, &self.contact),
            (Role::Egress, &self.egress),
            (Role::Fire, &self.fire),
            (Role::Tamper, &self.tamper),
        ];
        lines.into_iter().filter_map(|(role, line)| Some((role, line.as_ref()?))).collect()
    }
}

/// The lines of one door, over the kernel.
#[derive(Debug)]
pub struct GpioInputs {
    /// None where no line is fitted.
    request: Option<Request>,
    roles: Vec<(u32, Role)>,
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
    /// meanings, or a debounce beyond 500 ms.
    pub fn open(config: &InputsConfig) -> Result<Self, InputFault> {
        let fitted = config.fitted();
        let mut places = Vec::new();
        for (role, input) in &fitted {
            let doing = || format!("find {:?} line {}", role, input.line).to_lowercase();
            let place = input.line.find().map_err(|source| InputFault { doing: doing(), source })?;
            places.push((place.chip, place.offset, *role, *input));
        }
        let refused = |why: &str| fault("set up the lines", io::Error::other(why.to_owned()));
        let config = request_config(&places, config.debounce).map_err(refused)?;
        let Some(config) = config else {
            return Ok(Self { request: None, roles: Vec::new(), levels: VecDeque::new(), last: 0 });
        };
        let mut builder = Request::from_config(config);
        let request = builder.with_consumer(CONSUMER).with_kernel_event_buffer_size(EDGES_KEPT).request();
        let request = request.map_err(|e| fault("take the lines", io::Error::other(e)))?;
        let mut levels = VecDeque::new();
        for (_, offset, role, _) in &places {
            let level = request.value(*offset).map_err(|e| fault("read the levels", io::Error::other(e)))?;
            let signal = role.level(level == Value::Active);
            levels.extend(signal.map(|signal| Edge { signal, at: clock::monotonic() }));
        }
        let roles = places.iter().map(|(_, offset, role, _)| (*offset, *role)).collect();
        Ok(Self { request: Some(request), roles, levels, last: 0 })
    }

    /// The next edge that the kernel has, if it means anything.
    fn read(&mut self) -> Result<Option<Edge>, InputFault> {
        let request = self.request.as_ref().expect("only called where lines are fitted");
        let event = request.read_edge_event().map_err(|e| fault("read an edge", io::Error::other(e)))?;
        if event.seqno != self.last.wrapping_add(1) {
            let why = format!("edge {} came after edge {}: the kernel dropped some", event.seqno, self.last);
            return Err(fault("read an edge", io::Error::other(why)));
        }
        self.last = event.seqno;
        let role = self.roles.iter().find(|(offset, _)| *offset == event.offset).map(|(_, role)| *role);
        let role =
            role.ok_or_else(|| fault("read an edge", io::Error::other("of a line that was not asked for")))?;
        let signal = role.signal(event.kind == EdgeKind::Rising);
        Ok(signal.map(|signal| Edge { signal, at: Mono(event.timestamp_ns / 1000) }))
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

impl GpioInputs {
    /// A chip that is taken away tells nobody who waits; only asking for a level finds out.
    fn still_there(&self) -> Result<(), InputFault> {
        let (Some(request), Some((offset, _))) = (&self.request, self.roles.first()) else { return Ok(()) };
        request
            .value(*offset)
            .map(drop)
            .map_err(|e| fault("ask whether the chip is there", io::Error::other(e)))
    }
}

fn fault(doing: &str, source: io::Error) -> InputFault {
    InputFault { doing: doing.to_owned(), source }
}

/// What is asked of the kernel; `None` for no lines.
fn request_config(
    places: &[(PathBuf, u32, Role, &InputLine)],
    debounce: Duration,
) -> Result<Option<Config>, &'static str> {
    let Some((chip, ..)) = places.first() else { return Ok(None) };
    if places.iter().any(|(other, ..)| other != chip) {
        return Err("the inputs of a door must be on one chip");
    }
    if places
        .iter()
        .enumerate()
        .any(|(i, (_, offset, ..))| places[..i].iter().any(|(_, other, ..)| other == offset))
    {
        return Err("one line cannot have two meanings");
    }
    if debounce > DEBOUNCE_MAX {
        return Err("debouncing takes at most 500 ms");
    }
    let mut config = Config::default();
    config.on_chip(chip);
    for (_, offset, _, input) in places {
        let mut line = line::Config::default();
        line.as_input();
        line.active_low = input.active == Active::Low;
        line.bias = match input.bias {
            Bias::Board => None,
            Bias::Up => Some(line::Bias::PullUp),
            Bias::Down => Some(line::Bias::PullDown),
            Bias::None => Some(line::Bias::Disabled),
        };
        line.edge_detection = Some(line::EdgeDetection::BothEdges);
        line.event_clock = Some(EventClock::Monotonic);
        line.debounce_period = (!debounce.is_zero()).then_some(debounce);
        config.with_line(*offset).from_line_config(&line);
    }
    Ok(Some(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(name: &str, active: Active, bias: Bias) -> InputLine {
        InputLine { line: Line::Named { name: name.into() }, active, bias }
    }

    fn config() -> InputsConfig {
        InputsConfig {
            contact: Some(input("contact", Active::High, Bias::Up)),
            egress: Some(input("rex", Active::Low, Bias::Up)),
            fire: None,
            tamper: Some(input("tamper", Active::High, Bias::None)),
            debounce: Duration::from_millis(20),
        }
    }

    #[test]
    fn d3_every_line_is_asked_for_debounced_and_with_both_edges() {
        let config = config();
        let fitted = config.fitted();
        assert_eq!(
            fitted.iter().map(|f| f.0).collect::<Vec<_>>(),
            [Role::Contact, Role::Egress, Role::Tamper]
        );
        let places: Vec<_> = (5..)
            .zip(fitted)
            .map(|(offset, (role, line))| (PathBuf::from("/dev/gpiochip4"), offset, role, line))
            .collect();
        let asked = request_config(&places, config.debounce).unwrap().unwrap();
        assert_eq!(asked.chip(), PathBuf::from("/dev/gpiochip4"));
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
        let line = input("x", Active::High, Bias::Board);
        let place = |chip: &str, offset| (PathBuf::from(chip), offset, Role::Contact, &line);
        let debounce = Duration::from_millis(5);
        assert!(request_config(&[place("/dev/gpiochip0", 1), place("/dev/gpiochip1", 2)], debounce).is_err());
        assert!(request_config(&[place("/dev/gpiochip0", 1), place("/dev/gpiochip0", 1)], debounce).is_err());
        assert!(request_config(&[place("/dev/gpiochip0", 1)], Duration::from_secs(1)).is_err());
        assert!(request_config(&[], debounce).unwrap().is_none());
        let asked = request_config(&[place("/dev/gpiochip0", 1)], Duration::ZERO).unwrap().unwrap();
        assert_eq!(asked.line_config(1).unwrap().debounce_period, None);
    }

    #[test]
    fn d2_a_pressed_exit_button_at_the_start_is_no_request() {
        assert_eq!(Role::Egress.level(true), None);
        assert_eq!(Role::Egress.signal(true), Some(Signal::Egress));
        assert_eq!(Role::Egress.signal(false), None);
        assert_eq!(Role::Fire.level(true), Some(Signal::Fire(true)));
        assert_eq!(Role::Contact.level(false), Some(Signal::Contact(false)));
        assert_eq!(Role::Tamper.signal(true), Some(Signal::Tamper(true)));
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
