//! The clockwork of the cameras: the numbers and times of their frames, and whoever gives them other ones.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use doorward_core::frame::{Frameset, Shot};
use doorward_core::liveness::Fitted;
use doorward_core::sight::{Came, Sight};
use doorward_core::stamps::Stamps;
use doorward_core::time::Mono;
use doorward_protocol::audit::FaultReport;
use serde::{Deserialize, Serialize};

use crate::eyes::Sensor;
use crate::world::FRAME;

/// Moments without colour after which the terminal is blind.
const UNTIL_BLIND: u32 = 3;
/// Frames in a row that cannot have been taken, after which the trail says so.
const UNTIMELY_MAX: u32 = 10;
/// Frames within a second that were counted four times, of which no more are taken for late ones.
const HURRIED_MAX: usize = 6;

/// What somebody says of the frames of a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Lie {
    /// Each has the number of the last true one.
    Repeats,
    /// Each was taken before the one that came earlier.
    RunsBack,
    /// Each will be taken.
    Foretells,
    /// Each was taken more than a second ago.
    Keeps,
    /// Four are counted for each.
    Hurries,
}

impl Lie {
    /// Each.
    pub(crate) const ALL: [Lie; 5] = [Lie::Repeats, Lie::RunsBack, Lie::Foretells, Lie::Keeps, Lie::Hurries];
}

/// Three cameras as they keep time, or as somebody says they do.
#[derive(Debug)]
pub(crate) struct Clockwork {
    cameras: [Camera; 3],
    lie: Option<(Sensor, Lie)>,
    /// Moments without colour, in a row.
    unseen: u32,
    /// What the trail is to be told, by this life of the terminal.
    reports: VecDeque<FaultReport>,
}

#[derive(Debug)]
struct Camera {
    name: &'static str,
    stamps: Stamps,
    sight: Sight,
    /// Number and time of its last frame that counted.
    delivered: Option<(u32, Mono)>,
    /// The number that was said last, whether it counted or not.
    said: u32,
    /// When frames were counted four times, within a second.
    hurried: VecDeque<Mono>,
    /// Frames in a row that the world knows to be untimely, and whether the trail says so.
    untimely: u32,
    told: bool,
    reports: Vec<FaultReport>,
}

/// What becomes of the frames of a moment.
#[derive(Default)]
pub(crate) struct Passed {
    /// Those that count; nothing without colour.
    pub(crate) frames: Option<Frameset>,
    /// The camera whose frame cannot have been taken as it says.
    pub(crate) untimely: Option<Sensor>,
    /// Whether nothing was seen for too long.
    pub(crate) blind: bool,
}

impl Clockwork {
    /// A terminal starts.
    pub(crate) fn begin(now: Mono) -> Self {
        let cameras = ["camera_rgb", "camera_infrared", "camera_depth"].map(|name| Camera::new(name, now));
        Self { cameras, lie: None, unseen: 0, reports: VecDeque::new() }
    }

    /// The next thing that the trail is to be told.
    pub(crate) fn report(&mut self) -> Option<FaultReport> {
        self.reports.pop_front()
    }

    /// Somebody lies about a camera's frames from now on, or nobody does.
    pub(crate) fn lie(&mut self, lie: Option<(Sensor, Lie)>) {
        self.lie = lie;
        self.cameras.iter_mut().for_each(|camera| camera.hurried.clear());
    }

    /// The frames of a moment as the cameras that are fitted give them.
    pub(crate) fn pass(&mut self, frames: Frameset, fitted: Fitted, now: Mono) -> Passed {
        let mut passed = Passed::default();
        let told = |of| self.lie.filter(|(sensor, _)| *sensor == of).map(|(_, lie)| lie);
        let (colour, infrared, depth) = (told(Sensor::Colour), told(Sensor::Infrared), told(Sensor::Depth));
        let Frameset { rgb, mut ir, depth: mut far } = frames;
        let [eye, lit, ranger] = &mut self.cameras;
        let rgb = eye.pass(Sensor::Colour, Some(&rgb), colour, now, &mut passed);
        if fitted.infrared {
            ir = lit.pass(Sensor::Infrared, ir.as_ref(), infrared, now, &mut passed);
        }
        if fitted.depth {
            far = ranger.pass(Sensor::Depth, far.as_ref(), depth, now, &mut passed);
        }
        self.reports.extend(self.cameras.iter_mut().flat_map(|camera| std::mem::take(&mut camera.reports)));
        self.unseen = if rgb.is_some() { 0 } else { self.unseen + 1 };
        passed.frames = rgb.map(|rgb| Frameset { rgb, ir, depth: far });
        passed.blind = self.unseen >= UNTIL_BLIND;
        passed
    }
}

impl Camera {
    fn new(name: &'static str, now: Mono) -> Self {
        Self {
            name,
            stamps: Stamps::every(FRAME),
            sight: Sight::new(now),
            delivered: None,
            said: 0,
            hurried: VecDeque::new(),
            untimely: 0,
            told: false,
            reports: Vec::new(),
        }
    }

    /// What the real rules leave of a frame, about which somebody may lie.
    fn pass<P: Clone>(
        &mut self,
        sensor: Sensor,
        shot: Option<&Arc<Shot<P>>>,
        lie: Option<Lie>,
        now: Mono,
        passed: &mut Passed,
    ) -> Option<Arc<Shot<P>>> {
        let mut came = Came::Nothing;
        let mut untimely = false;
        let mut shot = shot.map(Arc::clone);
        if let Some(taken) = shot.take() {
            let (sequence, at);
            ((sequence, at), untimely) = self.says(lie, (taken.sequence, taken.at), now);
            self.said = sequence;
            came = Came::Untimely;
            if self.stamps.admit_read(sequence, at, now).is_ok() {
                came = Came::Frame;
                self.delivered = Some((sequence, at));
                let true_one = (sequence, at) == (taken.sequence, taken.at);
                let said = || Arc::new(Shot { sequence, at, plane: taken.plane.clone() });
                shot = Some(if true_one { Arc::clone(&taken) } else { said() });
            }
        }
        if untimely {
            passed.untimely = Some(sensor);
        }
        self.check(untimely, came);
        self.report(came, now);
        shot
    }

    /// What is said of a frame's number and time, and whether it cannot be so.
    fn says(&mut self, lie: Option<Lie>, taken: (u32, Mono), now: Mono) -> ((u32, Mono), bool) {
        let (number, at) = taken;
        match (lie, self.delivered) {
            // The first frame that ever comes has nothing that it could contradict.
            (None, _) | (Some(Lie::Repeats | Lie::RunsBack), None) => (taken, false),
            (Some(Lie::Repeats), Some((last, _))) => ((last, at), true),
            (Some(Lie::RunsBack), Some((_, then))) => ((number, Mono(then.0 - 1000)), true),
            (Some(Lie::Foretells), _) => ((number, at + FRAME + Duration::from_millis(50)), true),
            (Some(Lie::Keeps), _) => ((number, Mono(at.0.saturating_sub(1_100_000))), true),
            (Some(Lie::Hurries), _) => {
                self.hurried.push_back(now);
                self.hurried.retain(|at| now.since(*at) <= Duration::from_secs(1));
                ((self.said + 4, at), self.hurried.len() > HURRIED_MAX)
            }
        }
    }

    fn check(&mut self, untimely: bool, came: Came) {
        assert!(!untimely || came != Came::Frame, "c3: {} cannot have taken this frame so", self.name);
        match came {
            Came::Frame => self.untimely = 0,
            Came::Untimely if untimely => self.untimely += 1,
            Came::Untimely | Came::Nothing => {}
        }
    }

    fn report(&mut self, came: Came, now: Mono) {
        let told: Vec<_> = self.sight.see(came, now).collect();
        for (_, set) in told.iter().filter(|(code, _)| *code == Sight::UNTIMELY) {
            self.told = *set;
        }
        let silent = self.untimely >= UNTIMELY_MAX && !self.told;
        assert!(
            !silent,
            "c3: {} was untimely {} times in a row, and nobody is told",
            self.name, self.untimely
        );
        let report = |(code, set): (&str, bool)| FaultReport {
            part: self.name.to_owned(),
            code: code.to_owned(),
            set,
        };
        self.reports.extend(told.into_iter().map(report));
    }
}
