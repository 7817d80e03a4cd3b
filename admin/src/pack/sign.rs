//! `doorctl pack sign`: whoever signs a pack answers for it.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use doorward_models::pack::signature::{PackSignature, SIGNATURE_NAME};
use doorward_models::pack::{self, MANIFEST_NAME, Pack as Opened, PackPath, hex};
use doorward_protocol::keys::PublicKey;

use super::{judged, keys, written};
use crate::answer::{Answer, Stop};
use crate::folder;

/// Options of `sign`.
#[derive(Debug, Args)]
#[command(
    after_help = "The signature is over the manifest, which pins every file of weights; it is written beside it as pack.sig. \
    Sign what you have checked: the pack's files must be complete and as its manifest says.\n\n\
    Example:\n  doorctl pack sign ours --key pack.key\n\n\
    Exit code: 0 signed, 2 the pack is not what its manifest says, 1 fault."
)]
pub struct Sign {
    /// Folder of the pack.
    pack: PathBuf,
    /// The private key that `keygen` wrote.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

/// Signs the pack in a folder.
///
/// # Errors
/// [`Stop::Refused`] for a pack that is not whole.
pub fn run(options: &Sign, out: &mut dyn Write) -> Answer {
    let key = keys::private(&options.key)?;
    let place = whole(&options.pack)?;
    let pack = Opened::open(&place).map_err(judged)?;
    let path = options.pack.join(SIGNATURE_NAME);
    let signature = PackSignature::sign(&pack.digest(), &key);
    written(folder::replace(&path, signature.text().as_bytes()), &path)?;
    writeln!(out, "{} signed: {}", pack.title(), path.display())?;
    writeln!(out, "  digest  {}", hex(&pack.digest()))?;
    writeln!(out, "  key     {}", PublicKey::of(&key).hex())?;
    Ok(())
}

/// The pack of exactly this folder: its manifest, with weights from the usual places where they do not lie beside it.
fn whole(folder: &Path) -> Answer<PackPath> {
    let manifest = folder.join(MANIFEST_NAME);
    if !manifest.is_file() {
        return Err(Stop::refused(format!("{} has no {MANIFEST_NAME} to be signed", folder.display())));
    }
    let found = pack::find(Some(folder)).map_err(judged)?;
    Ok(PackPath { manifest, ..found })
}
