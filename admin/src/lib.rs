//! doorctl: what an administrator does on a terminal, or on any machine that has its files.
//!
//! The store allows several processes: doorctl works on its files directly, and a running doord notices.
//!
//! * [`cli`]: the commands, the options they share, and the way from one to the other.
//! * [`answer`]: how a command ends: done, refused, or broken.
//! * [`place`], [`mind`], [`references`]: the store with its key, the models, everybody enrolled.
//! * [`look`]: one photograph, its face, and what is measured of it.
//! * [`init`], [`enrol`] with [`samples`], [`person`], [`credential`]: who is known, and by what.
//! * [`detect`], [`compare`], [`identify`]: what the models see.
//! * [`audit`], [`export`], [`witness`]: what was recorded, and whether it is whole, here and at a hub.
//! * [`evaluate`]: error rates of the models.
//! * [`bench`], [`pack`]: the engines and the model packs.
//! * [`camera`]: what an installer does with cameras.
//! * [`keys`] with [`keyfile`], [`ledger`]: whose word counts at a site, and the roster that says so.
//! * [`site`]: how `enroll`, `person` and `credential` reach all terminals of a site instead of one.
//! * [`roster`] with [`hub`]: what is signed at the centre, and the way of it; [`broker`]: the way between hub and terminals.
//! * [`simulate`]: terminals that do not exist, to see what a broker and a hub carry.
//! * [`text`], [`sheet`], [`columns`], [`folder`]: foreign text made harmless, tables as CSV and as Parquet, files that are there whole or not at all.

pub mod answer;
pub mod audit;
pub mod bench;
pub mod broker;
pub mod camera;
pub mod cli;
pub mod columns;
pub mod compare;
pub mod consent;
pub mod credential;
pub mod detect;
pub mod enrol;
pub mod erasure;
pub mod evaluate;
pub mod export;
pub mod folder;
pub mod held;
pub mod hub;
pub mod identify;
pub mod init;
pub mod keyfile;
pub mod keys;
pub mod ledger;
pub mod locked;
pub mod look;
pub mod mind;
pub mod order;
pub mod pack;
pub mod person;
pub mod place;
pub mod references;
pub mod roster;
pub mod rotation;
pub mod samples;
pub mod sheet;
pub mod simulate;
pub mod site;
pub mod terminal;
pub mod text;
pub mod unseen;
pub mod witness;
