//! `doorctl pack`: everything a pack needs to be replaced by a better one.
//!
//! * [`fetch`] with [`transfer`]: weights from the addresses of a manifest or recipe.
//! * [`build`]: from a recipe and weights to a measured pack.
//! * [`check`]: what a pack is, and whether this machine computes with it what it should.
//! * [`sign`] with [`keys`]: who answers for a pack.
//! * [`install`]: which pack a terminal takes, and the way back.

use std::io::Write;
use std::path::Path;

use anyhow::Context as _;
use clap::Subcommand;
use doorward_models::engine::EngineKind;
use doorward_models::pack::signature::{Origin, OriginFault, origin};
use doorward_models::pack::{Pack as Opened, PackFault, PackPath, Reach};
use doorward_models::vision::Models;
use doorward_protocol::keys::PublicKey;

use crate::answer::{Answer, Stop};
use crate::mind::Minding;

pub mod build;
pub mod check;
pub mod fetch;
pub mod install;
pub mod keys;
pub mod sign;
pub mod transfer;

/// Work with model packs.
#[derive(Debug, Subcommand)]
#[command(after_help = "From an address to a terminal:\n  \
    doorctl pack fetch models/packs/opencv\n  \
    doorctl pack build models/packs/opencv --weights models/packs/opencv --liveness-of house --pairs pairs.csv --images lfw --out ours\n  \
    doorctl pack keygen pack.key\n  \
    doorctl pack sign ours --key pack.key\n  \
    sudo doorctl pack install ours --trust pack.key.pub")]
pub enum Pack {
    /// Bring the weights that a manifest pins, from the addresses it names.
    Fetch(fetch::Fetch),
    /// Make a pack of a recipe and weights: digests, golden values, calibration.
    Build(Box<build::Build>),
    /// Check a pack: manifest, digests, shapes, origin, and whether the engine computes here what it should.
    Check(check::Check),
    /// Make a key that packs are signed with.
    Keygen(keys::Keygen),
    /// Sign a pack, which says that you answer for it.
    Sign(sign::Sign),
    /// Make a pack the one that this terminal takes, or go back to the one before.
    Install(install::Install),
}

/// Runs one of the commands.
///
/// # Errors
/// [`Stop::Refused`] for a pack that is not what it says.
pub fn run(command: &Pack, minding: &Minding, out: &mut dyn Write) -> Answer {
    match command {
        Pack::Fetch(options) => fetch::run(options, out),
        Pack::Build(options) => build::run(options, minding, out),
        Pack::Check(options) => check::run(options, minding, out),
        Pack::Keygen(options) => keys::run(options, out),
        Pack::Sign(options) => sign::run(options, out),
        Pack::Install(options) => install::run(options, minding, out),
    }
}

/// A fault of the place is a fault; one of the pack is the answer that was asked for.
fn judged(fault: PackFault) -> Stop {
    match fault {
        PackFault::NotFound { .. } | PackFault::NoFolder { .. } | PackFault::Read { .. } => {
            Stop::Fault(anyhow::Error::new(fault))
        }
        PackFault::NoPack { .. }
        | PackFault::Unbuilt { .. }
        | PackFault::TooLong { .. }
        | PackFault::Syntax { .. }
        | PackFault::Value { .. }
        | PackFault::NoWeights { .. }
        | PackFault::Digest { .. }
        | PackFault::NoDistant { .. }
        | PackFault::Engine(_)
        | PackFault::Golden { .. } => Stop::refused(format!("{:#}", anyhow::Error::new(fault))),
    }
}

/// Loads every model once: shapes and golden values hold, or this is the answer.
fn prove(pack: &Opened, engine: &EngineKind) -> Answer {
    for reach in [Reach::Near, Reach::Distant] {
        match Models::load_for(pack, engine, reach) {
            Ok(_) | Err(PackFault::NoDistant { .. }) => {}
            Err(fault) => return Err(judged(fault)),
        }
    }
    Ok(())
}

/// Who answers for a pack, as far as the keys that were given go.
fn origin_of(place: &PackPath, pack: &Opened, trusted: &[PublicKey]) -> Answer<Origin> {
    origin(home(place), &pack.digest(), trusted).map_err(|fault| match fault {
        OriginFault::Read(fault) => judged(fault),
        OriginFault::Malformed { .. }
        | OriginFault::Wrong { .. }
        | OriginFault::Missing
        | OriginFault::Untrusted { .. } => Stop::refused(fault),
    })
}

/// An origin in words.
fn told(origin: &Origin) -> String {
    match origin {
        Origin::Unsigned => "not proved: the pack is not signed".to_owned(),
        Origin::SignedBy(key) => {
            format!("not proved: signed by {}, which was not given with --trust", key.hex())
        }
        Origin::Trusted(key) => format!("signed by the trusted key {}", key.hex()),
    }
}

/// What a pack's liveness is worth, in words.
fn liveness_told(pack: &Opened) -> String {
    match &pack.manifest().liveness_calibration {
        None => "not calibrated: the networks are believed as they are".to_owned(),
        Some(measured) => format!(
            "calibrated with {} frames of live persons and {} of attacks of {}",
            measured.bona_fide, measured.attacks, measured.data
        ),
    }
}

/// The folder of a pack's manifest.
fn home(place: &PackPath) -> &Path {
    place.manifest.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes into the folder of a pack or beside it; says what to do where that is not allowed.
fn written<T>(result: std::io::Result<T>, path: &Path) -> anyhow::Result<T> {
    result.with_context(|| {
        format!(
            "write {}: run it as a user who may write there, such as root, or name another place",
            path.display()
        )
    })
}
