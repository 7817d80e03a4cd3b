//! What the vision thread does for programs beside the door: it looks at a picture, one model at a time, while nobody
//! stands before the cameras. So a person who walks up waits for one model at most, and the models are in memory once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use doorward_core::decision::Reject;
use doorward_core::frame::{Frameset, Plane, Rgb, Shot};
use doorward_core::quality::{self, Limits, Quality};
use doorward_core::stages::{Face, GoodFace};
use doorward_core::template::UnitVector;
use doorward_core::time::Mono;
use doorward_core::vision::{Detection, Vision, VisionFault};

/// What is wanted of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Its faces.
    Faces,
    /// The template of its one face.
    Probe,
}

/// A face of a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Where it is.
    pub detection: Detection,
    /// What was measured.
    pub quality: Quality,
    /// Why the terminal would not judge it; none where it would.
    pub reject: Option<Reject>,
}

/// What comes back.
#[derive(Debug)]
pub enum Brought {
    /// The faces, largest first.
    Faces(Vec<Seen>),
    /// The template.
    Probe(UnitVector),
    /// There is not one good face.
    Rejected(Reject),
    /// The models broke over it.
    Broke,
}

/// One picture to be looked at.
pub struct Errand {
    /// The picture.
    pub picture: Plane<Rgb>,
    /// What is wanted.
    pub want: Want,
    /// Raised when nobody waits for it any more.
    pub given_up: Arc<AtomicBool>,
    /// Takes what comes back, at once.
    pub reply: Box<dyn FnOnce(Brought) + Send>,
}

/// The vision thread's end.
pub struct Errands {
    queue: Receiver<Errand>,
    hand: Option<Job>,
}

struct Job {
    want: Want,
    stage: Stage,
    given_up: Arc<AtomicBool>,
    reply: Box<dyn FnOnce(Brought) + Send>,
}

enum Stage {
    Look(Frameset),
    Embed(GoodFace),
}

/// The two ends of the way to the vision thread. One errand waits at most.
#[must_use]
pub fn link() -> (SyncSender<Errand>, Errands) {
    let (errands, queue) = sync_channel(1);
    (errands, Errands { queue, hand: None })
}

impl Errands {
    /// Where nobody asks.
    #[must_use]
    pub fn none() -> Self {
        link().1
    }

    /// Runs one model, if there is something to do and `nobody` stands before the cameras.
    pub fn step(&mut self, nobody: bool, vision: &mut dyn Vision, limits: &Limits) {
        let job = self.hand.take().or_else(|| self.queue.try_recv().ok().map(Job::new));
        let Some(job) = job else { return };
        if job.given_up.load(Ordering::Relaxed) {
            return;
        }
        self.hand = if nobody { job.run(vision, limits) } else { Some(job) };
    }
}

impl Job {
    fn new(errand: Errand) -> Self {
        let Errand { picture, want, given_up, reply } = errand;
        // As the stages know pictures: colour alone, of one moment.
        let rgb = Arc::new(Shot { sequence: 0, at: Mono(0), plane: picture });
        let stage = Stage::Look(Frameset { rgb, ir: None, depth: None });
        Self { want, stage, given_up, reply }
    }

    /// Runs the next model. A picture that breaks one must not take the door's eyes with it.
    fn run(self, vision: &mut dyn Vision, limits: &Limits) -> Option<Self> {
        let Self { want, stage, given_up, reply } = self;
        let outcome = catch_unwind(AssertUnwindSafe(|| match stage {
            Stage::Look(frames) => look(frames, want, vision, limits),
            Stage::Embed(good) => embed(&good, vision).map(Step::Done),
        }));
        let brought = match outcome {
            Ok(Ok(Step::Next(good))) => {
                let stage = Stage::Embed(*good);
                return Some(Self { want, stage, given_up, reply });
            }
            Ok(Ok(Step::Done(brought))) => brought,
            Ok(Err(fault)) => {
                tracing::warn!("a picture of the API broke a model: {}", crate::terminal::chain(&fault));
                Brought::Broke
            }
            Err(_) => {
                tracing::error!("a model panicked over a picture of the API");
                Brought::Broke
            }
        };
        reply(brought);
        None
    }
}

enum Step {
    Next(Box<GoodFace>),
    Done(Brought),
}

fn look(frames: Frameset, want: Want, vision: &mut dyn Vision, limits: &Limits) -> Result<Step, VisionFault> {
    let found = vision.detect(&frames.rgb.plane)?;
    Ok(match want {
        Want::Faces => {
            let seen = found.into_iter().map(|detection| {
                let quality = quality::measure(&frames.rgb.plane, &detection);
                // Each by itself: what a neighbour costs is said by the number of faces.
                let face = Face::dominant(frames.clone(), &[detection], limits);
                let reject = face.and_then(|face| quality::check(face, limits)).err();
                Seen { detection, quality, reject }
            });
            Step::Done(Brought::Faces(seen.collect()))
        }
        Want::Probe => {
            let face = Face::dominant(frames, &found, limits);
            match face.and_then(|face| quality::check(face, limits)) {
                Ok(good) => Step::Next(Box::new(good)),
                Err(reject) => Step::Done(Brought::Rejected(reject)),
            }
        }
    })
}

fn embed(good: &GoodFace, vision: &mut dyn Vision) -> Result<Brought, VisionFault> {
    let raw = vision.embed(good.picture(), &good.detection().landmarks)?;
    Ok(UnitVector::normalise(raw).map_or(Brought::Broke, Brought::Probe))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use doorward_core::geometry::{Landmarks, Point, Rect};
    use doorward_core::template::TemplateVersion;

    use super::*;

    /// Counts what it is asked; breaks or panics over a picture of one grey.
    #[derive(Default)]
    struct Counting {
        calls: u32,
    }

    fn picture(grey: u8) -> Plane<Rgb> {
        let mut plane = Plane::filled(120, 120, [grey; 3]).unwrap();
        for (at, pixel) in plane.pixels_mut().iter_mut().enumerate() {
            let checker = if (at / 3 + at / 360) % 2 == 0 { 60 } else { 0 };
            *pixel = pixel.map(|v| v.saturating_add(checker));
        }
        plane
    }

    impl Vision for Counting {
        fn version(&self) -> TemplateVersion {
            TemplateVersion { model: [0; 32], preprocessing: 1 }
        }

        fn detect(&mut self, picture: &Plane<Rgb>) -> Result<Vec<Detection>, VisionFault> {
            self.calls += 1;
            match picture.at(3, 0)[0] {
                0..10 => panic!("too hard"),
                10..20 => Err(VisionFault { model: "detector", source: "broken".into() }),
                _ => {
                    let points = [(44.0, 50.0), (78.0, 50.0), (61.0, 66.0), (48.0, 80.0), (74.0, 80.0)];
                    Ok(vec![Detection {
                        score: 0.9,
                        region: Rect { x: 30.0, y: 25.0, width: 60.0, height: 70.0 },
                        landmarks: Landmarks::from_points(points.map(|(x, y)| Point::new(x, y))),
                    }])
                }
            }
        }

        fn liveness(&mut self, _: &Plane<Rgb>, _: &Detection) -> Result<f32, VisionFault> {
            unreachable!("a picture that somebody sends is no proof of life")
        }

        fn embed(&mut self, _: &Plane<Rgb>, _: &Landmarks) -> Result<Vec<f32>, VisionFault> {
            self.calls += 1;
            Ok(vec![1.0, 2.0])
        }
    }

    fn errand(grey: u8, want: Want) -> (Errand, Receiver<Brought>, Arc<AtomicBool>) {
        let (brought, came) = channel();
        let given_up = Arc::new(AtomicBool::new(false));
        let reply = Box::new(move |answer| drop(brought.send(answer)));
        let errand = Errand { picture: picture(grey), want, given_up: Arc::clone(&given_up), reply };
        (errand, came, given_up)
    }

    #[test]
    fn one_model_runs_at_a_time_and_only_while_nobody_stands_there() {
        let (queue, mut errands) = link();
        let (errand, came, _) = errand(90, Want::Probe);
        assert!(queue.try_send(errand).is_ok());
        let (mut vision, limits) = (Counting::default(), Limits::default());
        (0..5).for_each(|_| errands.step(false, &mut vision, &limits));
        assert_eq!(vision.calls, 0, "the door comes first");
        errands.step(true, &mut vision, &limits);
        assert_eq!(vision.calls, 1);
        errands.step(false, &mut vision, &limits);
        assert_eq!(vision.calls, 1, "somebody came in between");
        assert!(came.try_recv().is_err());
        errands.step(true, &mut vision, &limits);
        assert!(matches!(came.try_recv(), Ok(Brought::Probe(_))), "{}", vision.calls);
        errands.step(true, &mut vision, &limits);
        assert_eq!(vision.calls, 2);
    }

    #[test]
    fn what_nobody_waits_for_is_not_done_and_what_breaks_a_model_breaks_nothing_else() {
        let (queue, mut errands) = link();
        let (mut vision, limits) = (Counting::default(), Limits::default());
        let (dropped, _, given_up) = errand(90, Want::Faces);
        queue.send(dropped).unwrap();
        given_up.store(true, Ordering::Relaxed);
        errands.step(true, &mut vision, &limits);
        assert_eq!(vision.calls, 0);
        for grey in [0, 10] {
            let (hard, came, _) = errand(grey, Want::Faces);
            queue.send(hard).unwrap();
            errands.step(true, &mut vision, &limits);
            assert!(matches!(came.try_recv(), Ok(Brought::Broke)));
        }
        let (good, came, _) = errand(90, Want::Faces);
        queue.send(good).unwrap();
        errands.step(true, &mut vision, &limits);
        let Ok(Brought::Faces(faces)) = came.try_recv() else { panic!("no faces") };
        assert_eq!(faces.len(), 1);
    }
}
