//! The camera that plays a recording.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use doorward_core::frame::Shot;
use doorward_core::time::Mono;

use super::manifest::Entry;
pub use super::recording::{Member, Recording};
use super::{Camera, CameraFault, Missed};
use crate::clock::Clock;

/// Whether a recording starts again when it has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Once; then [`CameraFault::Ended`].
    Once,
    /// For ever. Time and counters go on, as if the person stood there again.
    Forever,
}

/// Plays one kind of member of a recording in the time it was recorded in.
///
/// Frames that became due while nobody asked are dropped, as a camera does. The cameras of one frameset play in step
/// when they are given the same `start`. A file that is broken is one broken frame; one that vanished ends the camera.
pub struct ReplayCamera<P> {
    recording: Arc<Recording>,
    clock: Arc<dyn Clock>,
    start: Mono,
    repeat: Repeat,
    /// Which frames have the member, and when they are due after `start`.
    schedule: Vec<(usize, Duration)>,
    /// From one round to the next.
    period: Duration,
    /// The next frame, counted over all rounds.
    next: u64,
    dead: bool,
    skipped: u64,
    pixel: PhantomData<fn() -> P>,
}

impl<P: Member> ReplayCamera<P> {
    /// A camera whose first frame is due at `start`.
    ///
    /// # Errors
    /// [`CameraFault::Refused`] where the recording has no such member.
    pub fn new(
        recording: Arc<Recording>,
        clock: Arc<dyn Clock>,
        start: Mono,
        repeat: Repeat,
    ) -> Result<Self, CameraFault> {
        let first = Mono(recording.frames[0].at_us);
        let due = |(i, frame): (usize, &Entry)| frame.members()[P::PLACE].map(|(_, at)| (i, at.since(first)));
        let schedule: Vec<_> = recording.frames.iter().enumerate().filter_map(due).collect();
        if schedule.is_empty() {
            let why = "the recording has no pictures of this kind".to_owned();
            return Err(CameraFault::Refused { camera: recording.name.clone(), why });
        }
        let times = recording.frames.iter().flat_map(Entry::members).flatten().map(|(_, at)| at);
        let last = times.max().expect("a recording has frames");
        let steps = u32::try_from(recording.len() - 1).expect("recordings have at most 10,000 frames");
        // One usual interval lies between the end of a round and the next; a single picture is shown 30 times a second.
        let interval = last.since(first).checked_div(steps).unwrap_or(Duration::from_millis(33));
        let period = last.since(first) + interval.max(Duration::from_micros(1));
        Ok(Self {
            recording,
            clock,
            start,
            repeat,
            schedule,
            period,
            next: 0,
            dead: false,
            skipped: 0,
            pixel: PhantomData,
        })
    }

    /// When a frame is due.
    fn due(&self, frame: u64) -> Mono {
        let (round, place) = self.split(frame);
        let rounds = u64::try_from(self.period.as_micros()).unwrap_or(u64::MAX).saturating_mul(round);
        self.start + self.schedule[place].1 + Duration::from_micros(rounds)
    }

    /// Round and place in the schedule.
    fn split(&self, frame: u64) -> (u64, usize) {
        let length = self.schedule.len() as u64;
        (frame / length, usize::try_from(frame % length).expect("a place in a vector"))
    }

    fn ended(&self) -> bool {
        self.repeat == Repeat::Once && self.next >= self.schedule.len() as u64
    }

    /// Passes over frames for which a newer one is due, whole rounds at once.
    fn pass_over(&mut self, now: Mono) {
        let before = self.next;
        self.skip_to(now);
        self.skipped += self.next - before;
    }

    fn skip_to(&mut self, now: Mono) {
        if self.repeat == Repeat::Forever {
            let rounds = now.since(self.due(self.next)).as_micros() / self.period.as_micros();
            self.next += u64::try_from(rounds).unwrap_or(u64::MAX).saturating_mul(self.schedule.len() as u64);
        }
        loop {
            let after = self.next + 1;
            let last = self.repeat == Repeat::Once && after >= self.schedule.len() as u64;
            if last || self.due(after) > now {
                return;
            }
            self.next = after;
        }
    }

    fn play(&mut self) -> Result<Arc<Shot<P>>, CameraFault> {
        let at = self.due(self.next);
        let (round, place) = self.split(self.next);
        self.next += 1;
        let shot = self.recording.shot::<P>(self.schedule[place].0);
        self.dead = matches!(shot, Err(CameraFault::System { .. }));
        let shot = shot?.expect("the schedule holds frames that have the member");
        let frames = &self.recording.frames;
        let span = frames[frames.len() - 1].sequence.wrapping_sub(frames[0].sequence).wrapping_add(1);
        // A counter of 32 bits wraps, as a driver's does.
        let rounds = u32::try_from(round & u64::from(u32::MAX)).expect("masked to 32 bits");
        let sequence = shot.sequence.wrapping_add(span.wrapping_mul(rounds));
        Ok(Arc::new(Shot { sequence, at, plane: Arc::unwrap_or_clone(shot).plane }))
    }
}

impl<P: Member> Camera<P> for ReplayCamera<P> {
    fn next(&mut self, wait: Duration) -> Result<Arc<Shot<P>>, CameraFault> {
        let camera = self.recording.name.clone();
        if self.dead {
            return Err(CameraFault::Unplugged { camera });
        }
        if self.ended() {
            return Err(CameraFault::Ended { camera });
        }
        let now = self.clock.now().mono;
        let due = self.due(self.next);
        if due > now + wait {
            self.clock.sleep(wait);
            return Err(CameraFault::stalled(camera, wait));
        }
        if due > now {
            self.clock.sleep(due.since(now));
        } else {
            self.pass_over(now);
        }
        self.play()
    }

    fn missed(&self) -> Missed {
        Missed { skipped: self.skipped, ..Missed::default() }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use doorward_core::frame::Rgb;
    use doorward_core::time::{ClockTrust, Now, Wall};

    use super::super::recording::tests::recorded;
    use super::*;
    use crate::fake;

    fn clock(us: u64) -> Arc<fake::FakeClock> {
        Arc::new(fake::clock(Now { mono: Mono(us), wall: Wall { ms: 0, trust: ClockTrust::Unknown } }))
    }

    #[test]
    fn cameras_play_in_time_in_step_and_once() {
        let (_folder, recording) = recorded(4);
        let (recording, clock) = (Arc::new(recording), clock(5_000_000));
        let start = Mono(5_000_000);
        let mut rgb =
            ReplayCamera::<Rgb>::new(recording.clone(), clock.clone(), start, Repeat::Once).unwrap();
        let mut ir = ReplayCamera::<u8>::new(recording.clone(), clock.clone(), start, Repeat::Once).unwrap();
        let wait = Duration::from_millis(50);
        let mut seen = Vec::new();
        for _ in 0..4 {
            let shot = rgb.next(wait).unwrap();
            assert_eq!(shot.at, clock.now().mono, "a frame comes when it is due");
            seen.push((shot.at.since(start).as_millis(), shot.sequence, shot.plane.at(0, 0)[0]));
        }
        assert_eq!(seen, [(0, 7, 0), (40, 8, 1), (80, 9, 2), (120, 10, 3)]);
        assert!(matches!(rgb.next(wait), Err(CameraFault::Ended { .. })));
        // The other camera was not asked: its older frames were dropped.
        let shot = ir.next(wait).unwrap();
        assert_eq!((shot.at.since(start), shot.sequence), (Duration::from_millis(85), 9));
        assert_eq!((rgb.missed().skipped, ir.missed().skipped), (0, 1));
        assert_eq!(ir.next(wait).unwrap().at.since(start), Duration::from_millis(125));
    }

    #[test]
    fn a_frame_that_is_not_due_within_the_wait_is_a_stall() {
        let (_folder, recording) = recorded(2);
        let clock = clock(0);
        let mut camera =
            ReplayCamera::<Rgb>::new(Arc::new(recording), clock.clone(), Mono(100_000), Repeat::Once)
                .unwrap();
        let fault = camera.next(Duration::from_millis(60)).unwrap_err();
        assert!(matches!(fault, CameraFault::Stalled { waited_ms: 60, .. }), "{fault}");
        assert_eq!(clock.now().mono, Mono(60_000));
        assert_eq!(camera.next(Duration::from_millis(60)).unwrap().at, Mono(100_000));
    }

    #[test]
    fn c3_time_and_counters_go_on_when_a_recording_starts_again() {
        let (_folder, recording) = recorded(3);
        let clock = clock(0);
        let mut camera =
            ReplayCamera::<Rgb>::new(Arc::new(recording), clock.clone(), Mono(0), Repeat::Forever).unwrap();
        let mut last: Option<Arc<Shot<Rgb>>> = None;
        for i in 0..20 {
            let shot = camera.next(Duration::from_secs(1)).unwrap();
            assert_eq!(u32::from(shot.plane.at(0, 0)[0]), i % 3);
            if let Some(last) = last {
                assert!(shot.at > last.at);
                assert_eq!(shot.sequence, last.sequence + 1);
            }
            last = Some(shot);
        }
        // Away for an hour: the frame of this moment comes, not one of an hour ago.
        clock.sleep(Duration::from_secs(3600));
        let shot = camera.next(Duration::ZERO).unwrap();
        assert!(clock.now().mono.since(shot.at) < Duration::from_millis(45));
    }

    #[test]
    fn a_recording_without_the_member_has_no_such_camera() {
        let folder = tempfile::tempdir().unwrap();
        fs::copy(recorded(1).0.path().join("walk/000000-rgb.png"), folder.path().join("a.png")).unwrap();
        let recording = Arc::new(Recording::of_images(folder.path(), 20).unwrap());
        let depth = ReplayCamera::<u16>::new(recording.clone(), clock(0), Mono(0), Repeat::Once);
        assert!(matches!(depth, Err(CameraFault::Refused { .. })));
        let mut colour = ReplayCamera::<Rgb>::new(recording, clock(0), Mono(0), Repeat::Forever).unwrap();
        assert!(colour.next(Duration::ZERO).is_ok(), "a single picture plays too");
        assert!(colour.next(Duration::from_millis(34)).is_ok());
    }

    #[test]
    fn c2_a_broken_file_is_one_broken_frame_and_a_vanished_one_is_the_end() {
        let (folder, recording) = recorded(4);
        let file = |name: &str| folder.path().join("walk").join(name);
        fs::write(file("000002-rgb.png"), "no picture").unwrap();
        fs::remove_file(file("000003-rgb.png")).unwrap();
        let mut camera =
            ReplayCamera::<Rgb>::new(Arc::new(recording), clock(0), Mono(0), Repeat::Once).unwrap();
        let mut next = || camera.next(Duration::from_millis(50));
        assert!(next().is_ok() && next().is_ok());
        assert!(matches!(next(), Err(CameraFault::BrokenFrame { .. })));
        assert!(matches!(next(), Err(CameraFault::System { .. })));
        assert!(matches!(next(), Err(CameraFault::Unplugged { .. })));
    }
}
