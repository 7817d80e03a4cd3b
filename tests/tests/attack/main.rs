//! Presentation attacks against the terminal's own code: every species of `doorward_hal::scene::species` is shown to the
//! examiner, the attempts and the decision, with the house pack, on portraits of people who do not exist. Time is virtual,
//! the infrared emitter follows its pattern.
//!
//! What is rendered and what is not stands in `docs/scenes.md`: figures from here are about that model of the world. A
//! test's name begins with the attack case it holds off.

mod genuine;
mod lies;
mod smile;
mod species;
mod station;
