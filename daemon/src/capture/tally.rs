//! What became of a camera's frames, counted and told.

use std::time::Duration;

use doorward_core::time::Mono;
use doorward_hal::camera::{CameraFault, Missed};

/// How often the counters are told where they have changed.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Counters of one camera since its thread started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    /// Frames that were passed on.
    pub(super) delivered: u64,
    /// Frames that came and were passed over for a newer one.
    pub(super) skipped: u64,
    /// Frames that the device took and that never came: gaps in its counter.
    pub(super) lost: u64,
    /// Frames that came and could not be used: marked by the driver, too short, undecodable, out of order.
    pub(super) damaged: u64,
    /// Waits that ended without a frame.
    pub(super) stalls: u64,
    /// How often the camera was opened; the first time is no fault.
    pub(super) opened: u64,
}

impl Tally {
    /// Counts a fault.
    pub(super) fn count(&mut self, fault: &CameraFault) {
        match fault {
            CameraFault::Stalled { .. } => self.stalls += 1,
            CameraFault::BrokenFrame { .. } | CameraFault::Untimely { .. } => self.damaged += 1,
            CameraFault::Unplugged { .. }
            | CameraFault::Refused { .. }
            | CameraFault::Ended { .. }
            | CameraFault::System { .. } => {}
        }
    }

    /// Together with what a camera says it has missed.
    pub(super) fn with(self, missed: Missed) -> Self {
        Self {
            skipped: self.skipped + missed.skipped,
            lost: self.lost + missed.lost,
            damaged: self.damaged + missed.damaged,
            ..self
        }
    }

    /// How often the camera had to be opened again.
    pub(super) fn reopened(&self) -> u64 {
        self.opened.saturating_sub(1)
    }

    /// Whether anything happened since `before` besides frames that came as they should.
    fn is_news(&self, before: &Tally) -> bool {
        Tally { delivered: 0, ..*self } != Tally { delivered: 0, ..*before }
    }
}

/// Tells the counters of one camera: at most once a minute while there is news, and at the end.
pub(super) struct Report {
    camera: &'static str,
    told_at: Mono,
    told: Tally,
}

impl Report {
    pub(super) fn new(camera: &'static str, now: Mono) -> Self {
        // Opened once is how it should be, and no news.
        Self { camera, told_at: now, told: Tally { opened: 1, ..Tally::default() } }
    }

    pub(super) fn at(&mut self, now: Mono, tally: Tally) {
        if let Some(due) = self.due(now, tally) {
            self.tell(&due);
        }
    }

    pub(super) fn end(&self, tally: Tally) {
        self.tell(&tally);
    }

    /// What is to be told now.
    fn due(&mut self, now: Mono, tally: Tally) -> Option<Tally> {
        if now.since(self.told_at) < TELL_EVERY || !tally.is_news(&self.told) {
            return None;
        }
        (self.told_at, self.told) = (now, tally);
        Some(tally)
    }

    fn tell(&self, tally: &Tally) {
        let Tally { delivered, skipped, lost, damaged, stalls, .. } = *tally;
        let (camera, reopened) = (self.camera, tally.reopened());
        tracing::info!(camera, delivered, skipped, lost, damaged, stalls, reopened, "frames since the start");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_told_once_a_minute_and_only_with_news() {
        let mut report = Report::new("rgb", Mono(0));
        let at = |seconds: u64| Mono::from_millis(seconds * 1000);
        let mut tally = Tally { delivered: 1, opened: 1, ..Tally::default() };
        assert_eq!(report.due(at(61), tally), None, "a camera that works is no news");
        tally.stalls = 1;
        assert_eq!(report.due(at(59), tally), None, "too soon");
        assert_eq!(report.due(at(62), tally), Some(tally));
        tally.lost = 3;
        assert_eq!(report.due(at(121), tally), None, "a minute has not passed");
        assert_eq!(report.due(at(122), tally), Some(tally));
        tally.delivered = 5000;
        assert_eq!(report.due(at(500), tally), None);
        tally.opened = 2;
        assert_eq!(report.due(at(501), tally).map(|tally| tally.reopened()), Some(1));
    }

    #[test]
    fn every_counter_is_news() {
        let one = |count: fn(&mut Tally)| {
            let mut tally = Tally::default();
            count(&mut tally);
            tally.is_news(&Tally::default())
        };
        let counters: [fn(&mut Tally); 5] = [
            |tally| tally.skipped += 1,
            |tally| tally.lost += 1,
            |tally| tally.damaged += 1,
            |tally| tally.stalls += 1,
            |tally| tally.opened += 1,
        ];
        assert!(counters.into_iter().all(one) && !one(|tally| tally.delivered += 1));
    }
}
