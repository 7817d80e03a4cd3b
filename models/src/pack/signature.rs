//! Whose pack it is: a detached Ed25519 signature over the manifest's digest, which pins every file of weights.
//!
//! The signature lies beside the manifest, in [`SIGNATURE_NAME`], and names its key, so that a reader can say whom he
//! would have to trust. Trust is a list of public keys from elsewhere; today the caller gives it, and an organisation's
//! root key is one more source of such a list.

use std::path::Path;

use doorward_protocol::keys::PublicKey;
use ed25519_dalek::{Signature, Signer as _, SigningKey};
use serde::Deserialize;

use super::{MANIFEST_NAME, PackFault, hex, read_bounded, unhex};

/// File name of a signature.
pub const SIGNATURE_NAME: &str = "pack.sig";

/// Said before the digest in what is signed, so that the key's other signatures are never taken for one of these.
const CONTEXT: &[u8] = b"doorward/pack/manifest/v1\0";

/// The form this build reads.
const FORMAT: u32 = 1;

/// Largest file: three lines and a comment.
const LEN_MAX: u64 = 4096;

/// A signature as it lies beside a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackSignature {
    key: PublicKey,
    signature: Signature,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSignature {
    format: u32,
    key: String,
    signature: String,
}

/// What a signature proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// There is no signature.
    Unsigned,
    /// Somebody's signature holds; whether his word counts was not asked.
    SignedBy(PublicKey),
    /// Signed by one of the keys that were to be trusted.
    Trusted(PublicKey),
}

/// Why an origin is not what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum OriginFault {
    /// The signature file could not be read.
    #[error(transparent)]
    Read(#[from] PackFault),
    /// The file is no signature.
    #[error("{path} is no signature of a pack: {why}")]
    Malformed {
        /// The file.
        path: String,
        /// Why not.
        why: String,
    },
    /// The signature does not belong to this manifest.
    #[error(
        "{path} does not hold for the {MANIFEST_NAME} beside it: the manifest was changed after key {key} signed it, or the signature is of another pack"
    )]
    Wrong {
        /// The file.
        path: String,
        /// Whose it says it is.
        key: String,
    },
    /// A trusted signature was asked for, and there is none at all.
    #[error(
        "the pack has no {SIGNATURE_NAME}, so nobody answers for it: ask its maker to run `doorctl pack sign`"
    )]
    Missing,
    /// Signed by a key that is not trusted.
    #[error("the pack is signed by {key}, which is not among the trusted keys")]
    Untrusted {
        /// Who signed.
        key: String,
    },
}

impl PackSignature {
    /// Signs a manifest by its SHA-256.
    #[must_use]
    pub fn sign(manifest: &[u8; 32], key: &SigningKey) -> Self {
        Self { key: PublicKey::of(key), signature: key.sign(&message(manifest)) }
    }

    /// The text of the signature file.
    #[must_use]
    pub fn text(&self) -> String {
        let signature = hex(&self.signature.to_bytes());
        format!(
            "# Says whose {MANIFEST_NAME} lies beside it: doorctl pack check --trust KEY\nformat = {FORMAT}\n\
             key = \"{}\"\nsignature = \"{signature}\"\n",
            self.key.hex()
        )
    }

    /// Reads the text back; `path` is for the messages alone.
    ///
    /// # Errors
    /// [`OriginFault::Malformed`].
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, OriginFault> {
        let fault = |why: String| OriginFault::Malformed { path: path.display().to_string(), why };
        let raw: RawSignature = toml::from_slice(bytes).map_err(|e| fault(e.message().to_owned()))?;
        if raw.format != FORMAT {
            return Err(fault(format!("its format is {}, this build reads {FORMAT}", raw.format)));
        }
        let key = PublicKey::parse(&raw.key).ok_or_else(|| fault("its key is none".to_owned()))?;
        let signature = unhex::<64>(&raw.signature)
            .ok_or_else(|| fault("its signature is not 128 hexadecimal digits".to_owned()))?;
        Ok(Self { key, signature: Signature::from_bytes(&signature) })
    }

    fn holds_for(&self, manifest: &[u8; 32]) -> bool {
        self.key.verifies(&message(manifest), &self.signature)
    }
}

/// Says who answers for the pack in `folder` whose manifest has this digest. With `trusted` keys, one of them must.
///
/// # Errors
/// [`OriginFault`]; a signature that does not hold is one in any case.
pub fn origin(folder: &Path, manifest: &[u8; 32], trusted: &[PublicKey]) -> Result<Origin, OriginFault> {
    let path = folder.join(SIGNATURE_NAME);
    if !path.exists() {
        return if trusted.is_empty() { Ok(Origin::Unsigned) } else { Err(OriginFault::Missing) };
    }
    let found = PackSignature::parse(&path, &read_bounded(&path, LEN_MAX)?)?;
    if !found.holds_for(manifest) {
        return Err(OriginFault::Wrong { path: path.display().to_string(), key: found.key.hex() });
    }
    match (trusted.contains(&found.key), trusted.is_empty()) {
        (true, _) => Ok(Origin::Trusted(found.key)),
        (false, true) => Ok(Origin::SignedBy(found.key)),
        (false, false) => Err(OriginFault::Untrusted { key: found.key.hex() }),
    }
}

fn message(manifest: &[u8; 32]) -> Vec<u8> {
    [CONTEXT, manifest].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    #[test]
    fn h5_only_the_very_manifest_and_a_trusted_key_pass() {
        let folder = tempfile::tempdir().unwrap();
        let (digest, other) = ([1; 32], [2; 32]);
        let [mine, theirs] = [1, 2].map(|seed| PublicKey::of(&key(seed)));
        let origin = |digest, trusted: &[PublicKey]| origin(folder.path(), digest, trusted);
        assert_eq!(origin(&digest, &[]).unwrap(), Origin::Unsigned);
        assert!(matches!(origin(&digest, &[mine]), Err(OriginFault::Missing)));

        let path = folder.path().join(SIGNATURE_NAME);
        std::fs::write(&path, PackSignature::sign(&digest, &key(1)).text()).unwrap();
        assert_eq!(origin(&digest, &[]).unwrap(), Origin::SignedBy(mine));
        assert_eq!(origin(&digest, &[theirs, mine]).unwrap(), Origin::Trusted(mine));
        assert!(matches!(origin(&digest, &[theirs]), Err(OriginFault::Untrusted { .. })));
        assert!(matches!(origin(&other, &[]), Err(OriginFault::Wrong { .. })));

        // A signature of the bare digest, as another protocol might make, is none.
        let bare = PackSignature { key: mine, signature: key(1).sign(&digest) };
        std::fs::write(&path, bare.text()).unwrap();
        assert!(matches!(origin(&digest, &[mine]), Err(OriginFault::Wrong { .. })));
        // Nor does another key's name make it that key's.
        let renamed = PackSignature { key: theirs, ..PackSignature::sign(&digest, &key(1)) };
        std::fs::write(&path, renamed.text()).unwrap();
        assert!(matches!(origin(&digest, &[theirs]), Err(OriginFault::Wrong { .. })));
    }

    #[test]
    fn h5_what_is_no_signature_is_refused_in_words() {
        let sound = PackSignature::sign(&[3; 32], &key(3));
        let path = Path::new("pack.sig");
        assert_eq!(PackSignature::parse(path, sound.text().as_bytes()).unwrap(), sound);
        let zero_key = sound.text().replace(&sound.key.hex(), &"0".repeat(64));
        for text in ["", "format = 2", &sound.text().replace("format = 1", "format = 2"), &zero_key, "\u{0}"]
        {
            let fault = PackSignature::parse(path, text.as_bytes()).unwrap_err().to_string();
            assert!(fault.contains("pack.sig"), "{fault}");
        }
        assert!(PackSignature::parse(path, &[0xff, 0xfe]).is_err());
    }
}
