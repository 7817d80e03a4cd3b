//! What only a site's terminals can read: HPKE (RFC 9180) with X25519, HKDF-SHA-256 and ChaCha20-Poly1305.
//!
//! Templates and credentials are sealed where they are made and opened on the terminal; the broker and the hub between
//! them hold bytes. A sealed content is bound to its site, its place and its form: moved to another person, it does not
//! open.

use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable as _, Kem as _, OpModeR, OpModeS, Serializable as _};
use rand::CryptoRng;
use zeroize::Zeroizing;

use crate::ids::SiteId;
use crate::keys::KeyId;
use crate::message::Opaque;
use crate::roster::{BODY_LEN_MAX, Hand, PersonPut, PersonSlot};

type Kem = X25519HkdfSha256;

/// Bytes that HPKE adds: the encapsulated key and the authentication tag.
const OVERHEAD: usize = 32 + 16;

/// The longest content that can be sealed.
pub const CONTENT_LEN_MAX: usize = BODY_LEN_MAX - OVERHEAD;

/// Bytes of an opening key that is sealed to a terminal.
pub const HANDED_LEN: usize = OVERHEAD + 32;

/// What the file of an opening key begins with; its digits follow. The words say which half it is and for what, so that
/// neither is taken for another.
pub const OPENING_WORD: &str = "doorward-opening-private-1";
/// What the file of the sealing key begins with.
pub const SEALING_WORD: &str = "doorward-opening-public-1";

const CONTEXT: &str = "doorward/sealed/v1";
const HANDING: &str = "doorward/handed/v1";

/// What a content is sealed with. Public.
#[derive(Clone, PartialEq, Eq)]
pub struct SealingKey(<Kem as hpke::Kem>::PublicKey);

/// What it is opened with. Held by the site's terminals and wiped when it is dropped.
pub struct OpeningKey(<Kem as hpke::Kem>::PrivateKey);

/// A content that was not sealed or not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealFault {
    /// Longer than [`CONTENT_LEN_MAX`].
    #[error("at most {CONTENT_LEN_MAX} bytes are sealed, these are {0}")]
    TooLong(usize),
    /// Sealed to another key, for another place, or changed.
    #[error(
        "the content does not open: it was sealed to another site's key, for another place, or was changed"
    )]
    Closed,
}

impl OpeningKey {
    /// A new key.
    pub fn draw(rng: &mut impl CryptoRng) -> Self {
        Self(Kem::gen_keypair_with_rng(rng).0)
    }

    /// The key with these bytes; none where they are no key.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        <Kem as hpke::Kem>::PrivateKey::from_bytes(bytes).ok().map(Self)
    }

    /// Its bytes, to be kept sealed.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        let mut bytes = Zeroizing::new([0; 32]);
        self.0.write_exact(bytes.as_mut_slice());
        bytes
    }

    /// The key that it opens for.
    #[must_use]
    pub fn sealing_key(&self) -> SealingKey {
        SealingKey(Kem::sk_to_pk(&self.0))
    }

    /// Opens what was sealed for this place.
    ///
    /// # Errors
    /// [`SealFault::Closed`].
    pub fn open(&self, site: &SiteId, put: &PersonPut) -> Result<Zeroizing<Vec<u8>>, SealFault> {
        self.open_bytes(&info(site), &place(&put.at, put.form), &put.sealed.0)
    }

    /// Opens a key that was handed to the terminal whose own key this is, the one that it joined with.
    ///
    /// # Errors
    /// [`SealFault::Closed`], also where it belongs to another sealing key than it says.
    pub fn take(&self, site: &SiteId, hand: &Hand) -> Result<Self, SealFault> {
        let bytes = self.open_bytes(&handing(site), &handed(hand.to, &hand.sealing), &hand.sealed.0)?;
        let key = Self::from_bytes(&bytes).ok_or(SealFault::Closed)?;
        if key.sealing_key().to_bytes() == *hand.sealing { Ok(key) } else { Err(SealFault::Closed) }
    }

    /// Opens what was sealed in this context and bound to this.
    pub(crate) fn open_bytes(
        &self,
        context: &[u8],
        bound: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealFault> {
        let (key, sealed) = sealed.split_at_checked(32).ok_or(SealFault::Closed)?;
        let key = <Kem as hpke::Kem>::EncappedKey::from_bytes(key).map_err(|_| SealFault::Closed)?;
        let mode = OpModeR::Base;
        hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, Kem>(
            &mode, &self.0, &key, context, sealed, bound,
        )
        .map(Zeroizing::new)
        .map_err(|_| SealFault::Closed)
    }
}

impl SealingKey {
    /// The key with these bytes; none where they are no key.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        <Kem as hpke::Kem>::PublicKey::from_bytes(bytes).ok().map(Self)
    }

    /// Its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.0.write_exact(&mut bytes);
        bytes
    }

    /// Seals a content for one place of one person.
    ///
    /// # Errors
    /// [`SealFault::TooLong`].
    pub fn seal(
        &self,
        site: &SiteId,
        at: PersonSlot,
        form: u16,
        content: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<PersonPut, SealFault> {
        if content.len() > CONTENT_LEN_MAX {
            return Err(SealFault::TooLong(content.len()));
        }
        let sealed = self.seal_bytes(&info(site), &place(&at, form), content, rng);
        Ok(PersonPut { at, form, sealed: Opaque(sealed) })
    }

    /// Seals an opening key to the terminal that signs with `to` and joined with this one.
    pub fn hand(&self, site: &SiteId, to: KeyId, key: &OpeningKey, rng: &mut impl CryptoRng) -> Hand {
        let sealing = key.sealing_key().to_bytes();
        let bytes = key.to_bytes();
        let sealed = self.seal_bytes(&handing(site), &handed(to, &sealing), bytes.as_slice(), rng);
        Hand { to, sealing: sealing.into(), sealed: Opaque(sealed) }
    }

    /// Seals in a context, bound to something that whoever opens it has to know.
    pub(crate) fn seal_bytes(
        &self,
        context: &[u8],
        bound: &[u8],
        content: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Vec<u8> {
        let mode = OpModeS::Base;
        let sealed = hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, Kem>(
            &mode, &self.0, context, content, bound, rng,
        );
        let (key, sealed) = sealed.expect("a key that could be made seals a content of this length");
        [key.to_bytes().as_slice(), &sealed].concat()
    }
}

fn info(site: &SiteId) -> Vec<u8> {
    minicbor::to_vec((CONTEXT, site)).expect("writing to a vector cannot fail")
}

fn handing(site: &SiteId) -> Vec<u8> {
    minicbor::to_vec((HANDING, site)).expect("writing to a vector cannot fail")
}

/// What a handed key is bound to.
fn handed(to: KeyId, sealing: &[u8; 32]) -> Vec<u8> {
    minicbor::to_vec((to, minicbor::bytes::ByteArray::from(*sealing)))
        .expect("writing to a vector cannot fail")
}

/// What a sealed content is bound to.
fn place(at: &PersonSlot, form: u16) -> Vec<u8> {
    minicbor::to_vec((at, form)).expect("writing to a vector cannot fail")
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha20Rng;

    use super::*;
    use crate::roster::Slot;

    fn site() -> SiteId {
        "hq".parse().unwrap()
    }

    fn slot(person: &str, number: u32) -> PersonSlot {
        PersonSlot { person: person.parse().unwrap(), slot: Slot::Template, number }
    }

    fn sealed(key: &OpeningKey, rng: &mut ChaCha20Rng) -> PersonPut {
        key.sealing_key().seal(&site(), slot("ada", 1), 2, b"a template", rng).unwrap()
    }

    #[test]
    fn what_was_sealed_for_a_site_opens_there() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let key = OpeningKey::draw(&mut rng);
        let put = sealed(&key, &mut rng);
        assert_eq!(*key.open(&site(), &put).unwrap(), b"a template");
        let again = OpeningKey::from_bytes(key.to_bytes().as_slice()).unwrap();
        assert_eq!(*again.open(&site(), &put).unwrap(), b"a template");
        let public = SealingKey::from_bytes(&key.sealing_key().to_bytes()).unwrap();
        assert!(public == key.sealing_key());
        assert_ne!(put.sealed, sealed(&key, &mut rng).sealed, "no two sealings are alike");
    }

    #[test]
    fn m14_what_is_moved_changed_or_for_others_does_not_open() {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let (key, other) = (OpeningKey::draw(&mut rng), OpeningKey::draw(&mut rng));
        let put = sealed(&key, &mut rng);
        assert_eq!(other.open(&site(), &put), Err(SealFault::Closed), "another key");
        assert_eq!(key.open(&"lab".parse().unwrap(), &put), Err(SealFault::Closed), "another site");
        for moved in [
            PersonPut { at: slot("eve", 1), ..put.clone() },
            PersonPut { at: slot("ada", 2), ..put.clone() },
            PersonPut { form: 3, ..put.clone() },
        ] {
            assert_eq!(key.open(&site(), &moved), Err(SealFault::Closed), "{:?}", moved.at);
        }
        for at in 0..put.sealed.0.len() {
            let mut changed = put.clone();
            changed.sealed.0[at] ^= 1;
            assert_eq!(key.open(&site(), &changed), Err(SealFault::Closed), "byte {at}");
            changed.sealed.0.truncate(at);
            assert_eq!(key.open(&site(), &changed), Err(SealFault::Closed), "cut to {at}");
        }
    }

    #[test]
    fn m14_a_handed_key_opens_for_its_terminal_at_its_site_and_for_what_it_says() {
        let mut rng = ChaCha20Rng::seed_from_u64(4);
        let (joined, other) = (OpeningKey::draw(&mut rng), OpeningKey::draw(&mut rng));
        let (key, foreign) = (OpeningKey::draw(&mut rng), OpeningKey::draw(&mut rng));
        let (to, elsewhere) = (id(1), id(2));
        let hand = joined.sealing_key().hand(&site(), to, &key, &mut rng);
        assert_eq!(hand.sealed.0.len(), HANDED_LEN);
        assert_eq!(joined.take(&site(), &hand).unwrap().to_bytes(), key.to_bytes());
        assert!(other.take(&site(), &hand).is_err(), "another terminal");
        assert!(joined.take(&"lab".parse().unwrap(), &hand).is_err(), "another site");
        for changed in [
            Hand { to: elsewhere, ..hand.clone() },
            Hand { sealing: foreign.sealing_key().to_bytes().into(), ..hand.clone() },
        ] {
            assert!(joined.take(&site(), &changed).is_err());
        }
        let put = sealed(&key, &mut rng);
        assert!(joined.open(&site(), &put).is_err(), "a terminal's own key opens no content");
    }

    fn id(seed: u8) -> KeyId {
        crate::keys::PublicKey::of(&ed25519_dalek::SigningKey::from_bytes(&[seed; 32])).id()
    }

    #[test]
    fn m8_what_is_too_long_is_not_sealed() {
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let key = OpeningKey::draw(&mut rng).sealing_key();
        let mut seal = |length| key.seal(&site(), slot("ada", 1), 2, &vec![0; length], &mut rng);
        assert_eq!(seal(CONTENT_LEN_MAX).unwrap().sealed.0.len(), BODY_LEN_MAX);
        assert_eq!(seal(CONTENT_LEN_MAX + 1), Err(SealFault::TooLong(CONTENT_LEN_MAX + 1)));
    }
}
