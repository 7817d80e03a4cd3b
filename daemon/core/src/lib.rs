//! Every decision of the terminal, pure: no I/O, no clock, no threads, no randomness of its own.
//!
//! In the order of a frame's way to the relay:
//! * [`time`], [`frame`], [`geometry`], [`pairing`]: the words everything else is said in, and frames of one moment.
//! * [`vision`]: what a model pack must be able to do.
//! * [`stages`]: `Frameset → Face → GoodFace → LiveFace → Embedding`, each made only from the one before.
//! * [`stamps`], [`sight`]: whether a camera's frames can be a sensor's, and what the trail is told of it.
//! * [`freshness`], [`quality`], [`liveness`]: the checks between the stages.
//! * [`attempt`]: several good frames become one [`attempt::Case`].
//! * [`template`], [`transform`], [`gallery`], [`calibration`]: who it is, and how sure that has to be.
//! * [`wiegand`], [`credential`], [`claim`]: who somebody says they are, by card, PIN or QR code.
//! * [`timekeeping`], [`lockout`], [`schedule`], [`policy`]: whether this person may pass here and now.
//! * [`decision`], [`audit`]: the answer, and the proof that it was recorded before anything moved.
//! * [`door`], [`outbox`]: the machines behind the decision.
//! * [`centre`], [`reconnect`]: what is believed of the centre and said to it, and when it is tried again.
//! * [`intake`]: what an entry of the roster does to the store.
//! * [`consent`]: what persons agreed to, and the one picture that is kept for a minute because of it.
//! * [`enrolment`]: which references are good enough to be compared with.
//! * [`session`], [`inquiry`], [`questions`], [`disclosure`]: what programs beside the door may ask, what is recorded of it, and
//!   what of a score is ever told.

pub mod attempt;
pub mod audit;
pub mod calibration;
pub mod centre;
pub mod claim;
pub mod consent;
pub mod credential;
pub mod decision;
pub mod disclosure;
pub mod door;
pub mod enrolment;
pub mod frame;
pub mod freshness;
pub mod gallery;
pub mod geometry;
pub mod inquiry;
pub mod intake;
pub mod liveness;
pub mod lockout;
pub mod outbox;
pub mod pairing;
pub mod policy;
pub mod quality;
pub mod questions;
pub mod reconnect;
mod recurrence;
pub mod schedule;
pub mod session;
pub mod sight;
pub mod stages;
pub mod stamps;
pub mod template;
pub mod time;
pub mod timekeeping;
pub mod transform;
pub mod vision;
pub mod wiegand;
