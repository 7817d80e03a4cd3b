//! doord: effects only. Every decision is taken in `doorward-core`.
//!
//! * [`terminal`]: the way from frame to relay; read this first. [`trace`] and [`people`] are its words.
//! * [`capture`], [`vision`], [`readers`], [`journal`], [`uplink`], [`centre`]: the threads around it; [`supervise`] keeps them together.
//! * [`assembly`]: how the parts become a running terminal; [`run`]: from real devices; [`logging`]: where it speaks.
//! * [`config`]: the file. [`lock`]: the relay alone, for the time after a terminal.
//! * `demo` (feature `demo`): a terminal with a drawn door and a page in the browser.

pub mod api;
pub mod assembly;
pub mod capture;
pub mod centre;
pub mod config;
#[cfg(feature = "demo")]
pub mod demo;
pub mod emitter;
pub mod journal;
pub mod lock;
pub mod logging;
pub mod people;
pub mod readers;
pub mod run;
pub mod supervise;
pub mod terminal;
pub mod trace;
pub mod uplink;
pub mod vision;
pub mod vitals;
