//! doorhub: keeps what terminals record and what admins sign, and serves both.
//!
//! It forges nothing: what terminals say and what admins order carries their own signatures. A stolen hub can withhold,
//! never invent.
//!
//! * [`centre`]: what is done with a message: verified, kept, and only then answered. The way of a message begins here.
//! * [`site`]: whose word counts at a site, and where its roster has come to.
//! * [`kept`]: the rules by which trails, rosters, terminals, alarms and receipts are kept, and the pages they are read in.
//! * [`database`]: SQLite or PostgreSQL, with one schema.
//! * [`keeper`]: the thread that writes; [`abreast`]: those that verify for it; [`link`] with [`tls`]: the broker; [`http`]: the API, the console, the figures.
//! * [`config`], [`secret`], [`run`](mod@run): from a file to a running hub.
//! * [`tally`], [`clock`]: counts, and the time.

pub mod abreast;
pub mod centre;
pub mod clock;
pub mod config;
pub mod database;
pub mod http;
pub mod keeper;
pub mod kept;
pub mod link;
pub mod run;
pub mod secret;
pub mod site;
pub mod tally;
pub mod tls;
