//! The monitor points of a door: from what its lines read to what is known, and to the faults of the wiring itself.
//!
//! * The first report of a point is how it is found, not something that happens: a closed tamper switch at the start is
//!   no "cleared", and a pressed exit button no request. Reports that repeat what is known are nothing at all.
//! * A supervised point has two lines that must agree. While they do not, the last reading stays; once they have not for
//!   longer than a switch takes to change over, the loop is cut or shorted (attack case D2). That is a fault, never a
//!   request to leave, never fire, and so never a released lock.
//! * An exit button that stays pressed is stuck or bridged: a fault. The lock follows the button's own wiring anyway.

use std::time::Duration;

use crate::time::Mono;

/// A monitor point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// Door contact.
    Contact,
    /// Request to exit.
    Egress,
    /// Fire alarm.
    Fire,
    /// Tamper switch.
    Tamper,
    /// Mains supply.
    Power,
}

impl Point {
    /// Every point, in the order in which their levels are best told: the door before what may open it.
    pub const ALL: [Point; 5] = [Point::Contact, Point::Egress, Point::Fire, Point::Tamper, Point::Power];

    /// The stable code in audit entries.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Point::Contact => "contact",
            Point::Egress => "egress",
            Point::Fire => "fire",
            Point::Tamper => "tamper",
            Point::Power => "power",
        }
    }

    /// What it reports when it becomes active: open, pressed, on fire, tampered with, without mains.
    #[must_use]
    pub const fn signal(self, active: bool) -> Signal {
        match self {
            Point::Contact => Signal::Contact(active),
            Point::Egress => Signal::Egress(active),
            Point::Fire => Signal::Fire(active),
            Point::Tamper => Signal::Tamper(active),
            Point::Power => Signal::PowerFail(active),
        }
    }
}

/// What is wrong with a supervised loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// The wire is cut.
    Cut,
    /// The wires touch.
    Short,
}

impl Trouble {
    /// The stable code in audit entries.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Trouble::Cut => "cut",
            Trouble::Short => "short",
        }
    }
}

/// What a door's wiring reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signal {
    /// Door contact: `true` is open.
    Contact(bool),
    /// Request to exit: `true` is pressed.
    Egress(bool),
    /// Fire input: `true` is alarm.
    Fire(bool),
    /// Tamper switch: `true` is open.
    Tamper(bool),
    /// Mains: `true` is failed, and the terminal runs on its battery.
    PowerFail(bool),
    /// The two lines of a supervised point contradict each other, as a cut or shorted loop does; also for the moment in
    /// which a healthy switch changes over. Ends with the point's next plain signal.
    Trouble(Point, Trouble),
}

/// What is known anew about the wiring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// The door is open or closed.
    Contact(bool),
    /// The exit button is held down, or no more.
    EgressHeld(bool),
    /// Somebody asks to leave: the button was pressed just now.
    EgressRequested,
    /// Fire alarm began or ended.
    Fire(bool),
    /// Tampering began or ended.
    Tamper(bool),
    /// Mains failed or came back.
    PowerFail(bool),
    /// The wiring of a point is faulty, or no more.
    Fault {
        /// Which point.
        point: Point,
        /// `cut`, `short` or `stuck`.
        code: &'static str,
        /// Set or cleared.
        set: bool,
    },
}

/// The code of an exit button that stays pressed.
const STUCK: &str = "stuck";

/// How patient the points are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How long two lines may contradict each other: longer than any switch takes to change over.
    pub settle: Duration,
    /// How long an exit button may stay pressed: longer than anybody leans on it.
    pub stuck_after: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { settle: Duration::from_millis(300), stuck_after: Duration::from_secs(60) }
    }
}

/// What is known of one point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Reading {
    /// Active or at rest; none before the first healthy report.
    active: Option<bool>,
    /// Since when.
    since: Mono,
    /// Trouble that is not yet certain, and since when.
    doubt: Option<(Trouble, Mono)>,
    /// Trouble that is on record.
    trouble: Option<Trouble>,
    /// Whether it is on record as stuck.
    stuck: bool,
}

/// All monitor points of one door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Points {
    patience: Patience,
    readings: [Reading; Point::ALL.len()],
}

impl Points {
    /// Points of which nothing is known.
    #[must_use]
    pub fn new(patience: Patience) -> Self {
        Self { patience, readings: [Reading::default(); Point::ALL.len()] }
    }

    /// Whether a point is active, as far as is known.
    #[must_use]
    pub fn is_active(&self, point: Point) -> bool {
        self.readings[point as usize].active == Some(true)
    }

    /// When something becomes certain without a signal.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        let settled = self.readings.iter().filter_map(|r| r.doubt.map(|(_, at)| at + self.patience.settle));
        settled.chain(self.stuck_at()).min()
    }

    /// Takes one signal.
    #[must_use]
    pub fn handle(mut self, signal: Signal, now: Mono) -> (Self, Vec<Finding>) {
        let mut findings = Vec::new();
        match signal {
            Signal::Contact(active) => self.read(Point::Contact, active, now, &mut findings),
            Signal::Egress(active) => self.read(Point::Egress, active, now, &mut findings),
            Signal::Fire(active) => self.read(Point::Fire, active, now, &mut findings),
            Signal::Tamper(active) => self.read(Point::Tamper, active, now, &mut findings),
            Signal::PowerFail(active) => self.read(Point::Power, active, now, &mut findings),
            Signal::Trouble(point, trouble) => self.doubt(point, trouble, now),
        }
        (self, findings)
    }

    /// Lets time pass.
    #[must_use]
    pub fn tick(mut self, now: Mono) -> (Self, Vec<Finding>) {
        let mut findings = Vec::new();
        for point in Point::ALL {
            let reading = &self.readings[point as usize];
            if let Some((trouble, at)) = reading.doubt
                && now >= at + self.patience.settle
            {
                self.settle(point, trouble, now, &mut findings);
            }
        }
        if self.stuck_at().is_some_and(|at| now >= at) {
            self.readings[Point::Egress as usize].stuck = true;
            findings.push(Finding::Fault { point: Point::Egress, code: STUCK, set: true });
        }
        (self, findings)
    }

    /// A healthy reading.
    fn read(&mut self, point: Point, active: bool, now: Mono, findings: &mut Vec<Finding>) {
        let reading = &mut self.readings[point as usize];
        reading.doubt = None;
        if let Some(trouble) = reading.trouble.take() {
            findings.push(Finding::Fault { point, code: trouble.code(), set: false });
        }
        let before = reading.active.replace(active);
        if before == Some(active) {
            return;
        }
        reading.since = now;
        let found_at_rest = before.is_none() && !active;
        match point {
            Point::Contact => findings.push(Finding::Contact(active)),
            Point::Egress => {
                if !found_at_rest {
                    findings.push(Finding::EgressHeld(active));
                }
                if active && before.is_some() {
                    findings.push(Finding::EgressRequested);
                }
                if std::mem::take(&mut reading.stuck) {
                    findings.push(Finding::Fault { point, code: STUCK, set: false });
                }
            }
            Point::Fire if !found_at_rest => findings.push(Finding::Fire(active)),
            Point::Tamper if !found_at_rest => findings.push(Finding::Tamper(active)),
            Point::Power if !found_at_rest => findings.push(Finding::PowerFail(active)),
            Point::Fire | Point::Tamper | Point::Power => {}
        }
    }

    /// A contradiction, which may be a switch that changes over.
    fn doubt(&mut self, point: Point, trouble: Trouble, now: Mono) {
        let reading = &mut self.readings[point as usize];
        reading.doubt = if reading.trouble == Some(trouble) {
            None
        } else {
            // A loop that flickers between cut and short is in doubt since the first contradiction.
            Some((trouble, reading.doubt.map_or(now, |(_, since)| since)))
        };
    }

    /// A contradiction that lasted.
    fn settle(&mut self, point: Point, trouble: Trouble, now: Mono, findings: &mut Vec<Finding>) {
        let reading = &mut self.readings[point as usize];
        reading.doubt = None;
        if let Some(before) = reading.trouble.replace(trouble) {
            findings.push(Finding::Fault { point, code: before.code(), set: false });
        }
        findings.push(Finding::Fault { point, code: trouble.code(), set: true });
        // Whoever cuts the tamper switch's wire tampers.
        if point == Point::Tamper && reading.active != Some(true) {
            (reading.active, reading.since) = (Some(true), now);
            findings.push(Finding::Tamper(true));
        }
    }

    /// When the exit button counts as stuck, if it is pressed and does not yet.
    fn stuck_at(&self) -> Option<Mono> {
        let button = &self.readings[Point::Egress as usize];
        (button.active == Some(true) && !button.stuck).then(|| button.since + self.patience.stuck_after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(point: Point, code: &'static str, set: bool) -> Finding {
        Finding::Fault { point, code, set }
    }

    /// Runs signals at milliseconds, with the ticks that a terminal gives at each deadline, and returns what was found.
    fn run(signals: &[(u64, Signal)], end: u64) -> Vec<(u64, Finding)> {
        let mut points = Points::new(Patience::default());
        let mut log = Vec::new();
        let mut signals = signals.iter().peekable();
        for ms in 0..=end {
            let now = Mono::from_millis(ms);
            while let Some((_, signal)) = signals.next_if(|(at, _)| *at == ms) {
                let (next, findings) = points.handle(*signal, now);
                points = next;
                log.extend(findings.into_iter().map(|finding| (ms, finding)));
            }
            if points.deadline().is_some_and(|at| at <= now) {
                let (next, findings) = points.tick(now);
                assert!(!findings.is_empty(), "a deadline without anything to say at {ms}");
                points = next;
                log.extend(findings.into_iter().map(|finding| (ms, finding)));
            }
        }
        assert!(signals.next().is_none(), "signals are in the order of time");
        log
    }

    #[test]
    fn d9_how_things_are_found_at_the_start_is_no_event_unless_something_is_wrong() {
        let rest: Vec<_> = Point::ALL.map(|point| (0, point.signal(false))).into();
        assert_eq!(run(&rest, 1), [(0, Finding::Contact(false))]);
        let wrong: Vec<_> = Point::ALL.map(|point| (0, point.signal(true))).into();
        let expected = [
            Finding::Contact(true),
            Finding::EgressHeld(true),
            Finding::Fire(true),
            Finding::Tamper(true),
            Finding::PowerFail(true),
        ];
        assert_eq!(run(&wrong, 1), expected.map(|finding| (0, finding)));
    }

    #[test]
    fn d3_reports_that_repeat_what_is_known_are_nothing() {
        let twice = |signal| [(0, signal), (5, signal)];
        assert_eq!(run(&twice(Signal::Contact(true)), 9).len(), 1);
        assert_eq!(run(&twice(Signal::Tamper(true)), 9).len(), 1);
        assert_eq!(run(&twice(Signal::Fire(false)), 9).len(), 0);
    }

    #[test]
    fn d2_an_exit_button_pressed_at_the_start_is_no_request_and_the_next_press_is() {
        let presses = [(0, true), (100, false), (200, true), (300, false)];
        let log = run(&presses.map(|(at, pressed)| (at, Signal::Egress(pressed))), 400);
        let expected = [
            (0, Finding::EgressHeld(true)),
            (100, Finding::EgressHeld(false)),
            (200, Finding::EgressHeld(true)),
            (200, Finding::EgressRequested),
            (300, Finding::EgressHeld(false)),
        ];
        assert_eq!(log, expected);
    }

    #[test]
    fn d2_an_exit_button_that_stays_pressed_is_a_fault_set_once_and_cleared_once() {
        let button = [(0, false), (10, true), (70_000, true), (80_000, false)];
        let log = run(&button.map(|(at, pressed)| (at, Signal::Egress(pressed))), 90_000);
        let expected = [
            (10, Finding::EgressHeld(true)),
            (10, Finding::EgressRequested),
            (60_010, fault(Point::Egress, "stuck", true)),
            (80_000, Finding::EgressHeld(false)),
            (80_000, fault(Point::Egress, "stuck", false)),
        ];
        assert_eq!(log, expected);
    }

    #[test]
    fn d2_a_switch_that_changes_over_is_no_fault() {
        let changes_over = [
            (0, Signal::Contact(false)),
            (1000, Signal::Trouble(Point::Contact, Trouble::Short)),
            (1150, Signal::Trouble(Point::Contact, Trouble::Cut)),
            (1290, Signal::Contact(true)),
        ];
        assert_eq!(run(&changes_over, 5000), [(0, Finding::Contact(false)), (1290, Finding::Contact(true))]);
    }

    #[test]
    fn d2_a_cut_or_shorted_loop_is_a_fault_set_once_and_cleared_once_and_nothing_else() {
        for point in [Point::Contact, Point::Egress, Point::Fire, Point::Power] {
            let trouble = |trouble| Signal::Trouble(point, trouble);
            let signals = [
                (0, point.signal(false)),
                (1000, trouble(Trouble::Cut)),
                (1200, trouble(Trouble::Cut)),
                (4000, trouble(Trouble::Short)),
                (4100, trouble(Trouble::Cut)),
                (5000, trouble(Trouble::Short)),
                (9000, point.signal(false)),
            ];
            let mut log = run(&signals, 10_000);
            log.retain(|(at, _)| *at > 0);
            let expected = [
                (1300, fault(point, "cut", true)),
                (5300, fault(point, "cut", false)),
                (5300, fault(point, "short", true)),
                (9000, fault(point, "short", false)),
            ];
            assert_eq!(log, expected, "{point:?}");
        }
    }

    #[test]
    fn d2_what_happened_behind_a_cut_is_told_when_it_is_mended() {
        let signals = [
            (0, Signal::Contact(false)),
            (10, Signal::Trouble(Point::Contact, Trouble::Cut)),
            (2000, Signal::Contact(true)),
        ];
        let log = run(&signals, 3000);
        assert_eq!(
            log[1..],
            [
                (310, fault(Point::Contact, "cut", true)),
                (2000, fault(Point::Contact, "cut", false)),
                (2000, Finding::Contact(true))
            ]
        );
    }

    #[test]
    fn d9_whoever_cuts_the_wire_of_the_tamper_switch_tampers() {
        let signals = [
            (0, Signal::Tamper(false)),
            (10, Signal::Trouble(Point::Tamper, Trouble::Cut)),
            (2000, Signal::Tamper(false)),
        ];
        let expected = [
            (310, fault(Point::Tamper, "cut", true)),
            (310, Finding::Tamper(true)),
            (2000, fault(Point::Tamper, "cut", false)),
            (2000, Finding::Tamper(false)),
        ];
        assert_eq!(run(&signals, 3000), expected);
    }
}
