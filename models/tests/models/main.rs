//! Tests of the models crate from outside. `engine` and `pack` need no data: they build their networks byte by byte.
//! `golden` and `photos` need the weights and pictures beside the checkout, and say so loudly where they are absent.

#![expect(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

mod coverings;
mod engine;
mod golden;
mod house;
mod infrared;
mod npy;
mod onnx;
mod pack;
mod photos;
mod rates;
mod smile;
mod tiny;
