//! The picture of somebody who agreed to it, on its way from one terminal to whoever ordered it.
//!
//! It is sealed to a key that was drawn for this one order and is kept nowhere: neither the broker nor the hub between
//! them can open it, nor can whoever steals any lasting key later. It is bound to the order that it answers, the terminal
//! that took it and the person it shows: under another order, or as somebody else's, it does not open.

use std::fmt;

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};
use rand::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::audit::Hash;
use crate::envelope::MESSAGE_LEN_MAX;
use crate::ids::{PersonId, SiteId, TerminalId};
use crate::message::Opaque;
use crate::sealing::{OpeningKey, SealFault, SealingKey};

/// Pixels of the longer side: enough for people to tell who it is.
pub const PICTURE_SIDE_MAX: u32 = 256;
/// Bytes of an encoded picture: what noise of that size takes, and half of what a message takes.
pub const PICTURE_LEN_MAX: usize = 128 * 1024;
const _: () = assert!(2 * PICTURE_LEN_MAX <= MESSAGE_LEN_MAX);

const CONTEXT: &str = "doorward/picture/v1";

/// Somebody's picture, and what it was allowed by. Wiped when dropped.
#[derive(Clone, PartialEq, Eq, Encode, Decode, Zeroize, ZeroizeOnDrop)]
#[cbor(map)]
pub struct Picture {
    /// A JPEG of the face, [`PICTURE_SIDE_MAX`] pixels at most.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub jpeg: Vec<u8>,
    /// When it was taken, milliseconds since 1970.
    #[n(1)]
    pub taken_ms: i64,
    /// Since when the person agrees to pictures, seconds since 1970.
    #[n(2)]
    pub agreed_from_s: i64,
    /// Until when, seconds since 1970.
    #[n(3)]
    pub agreed_until_s: i64,
}

/// What a picture is bound to.
#[derive(Debug, Clone, Copy)]
pub struct Bound<'a> {
    /// The site.
    pub site: &'a SiteId,
    /// The terminal that took it.
    pub terminal: &'a TerminalId,
    /// Whom it shows.
    pub person: &'a PersonId,
    /// The order that it answers, by its hash.
    pub order: &'a Hash,
}

/// A picture that is not sent, or not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PictureFault {
    /// Longer than [`PICTURE_LEN_MAX`].
    #[error("a picture has at most {PICTURE_LEN_MAX} bytes, this one has {0}")]
    TooLong(usize),
    /// The order names a key that is none.
    #[error("the order's key is none that anything can be sealed to")]
    NoKey,
    /// It does not open.
    #[error("the picture does not open: it was sealed for another order, terminal or person, or was changed")]
    Closed,
    /// It opens and is no picture.
    #[error("what was sealed is no picture")]
    Malformed,
}

impl From<SealFault> for PictureFault {
    fn from(_: SealFault) -> Self {
        PictureFault::Closed
    }
}

impl Picture {
    /// Seals it to the key of an order.
    ///
    /// # Errors
    /// [`PictureFault::TooLong`], [`PictureFault::NoKey`].
    pub fn seal(
        &self,
        to: &[u8; 32],
        bound: &Bound<'_>,
        rng: &mut impl CryptoRng,
    ) -> Result<Opaque, PictureFault> {
        if self.jpeg.len() > PICTURE_LEN_MAX {
            return Err(PictureFault::TooLong(self.jpeg.len()));
        }
        let key = SealingKey::from_bytes(to).ok_or(PictureFault::NoKey)?;
        // Reserved to its full length at once: a vector that grows leaves copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.jpeg.len() + 64));
        minicbor::encode(self, &mut *bytes).expect("writing to a vector cannot fail");
        Ok(Opaque(key.seal_bytes(&context(bound.site), &bound.bytes(), &bytes, rng)))
    }

    /// Opens what came with a receipt.
    ///
    /// # Errors
    /// [`PictureFault::Closed`], [`PictureFault::Malformed`], [`PictureFault::TooLong`].
    pub fn open(key: &OpeningKey, bound: &Bound<'_>, sealed: &Opaque) -> Result<Self, PictureFault> {
        let bytes = key.open_bytes(&context(bound.site), &bound.bytes(), &sealed.0)?;
        let picture: Self = minicbor::decode(&bytes).map_err(|_| PictureFault::Malformed)?;
        let length = picture.jpeg.len();
        if length <= PICTURE_LEN_MAX { Ok(picture) } else { Err(PictureFault::TooLong(length)) }
    }
}

impl Bound<'_> {
    fn bytes(&self) -> Vec<u8> {
        minicbor::to_vec((self.terminal, self.person, ByteArray::from(*self.order)))
            .expect("writing to a vector cannot fail")
    }
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture({} bytes)", self.jpeg.len())
    }
}

fn context(site: &SiteId) -> Vec<u8> {
    minicbor::to_vec((CONTEXT, site)).expect("writing to a vector cannot fail")
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha20Rng;

    use super::*;

    fn picture() -> Picture {
        Picture { jpeg: vec![7; 900], taken_ms: 5, agreed_from_s: 1, agreed_until_s: 9 }
    }

    struct Names {
        site: SiteId,
        terminal: TerminalId,
        person: PersonId,
        order: Hash,
    }

    impl Names {
        fn new(site: &str, terminal: &str, person: &str, order: u8) -> Self {
            let (site, terminal) = (site.parse().unwrap(), terminal.parse().unwrap());
            Self { site, terminal, person: person.parse().unwrap(), order: [order; 32] }
        }

        fn bound(&self) -> Bound<'_> {
            let Self { site, terminal, person, order } = self;
            Bound { site, terminal, person, order }
        }
    }

    #[test]
    fn r4_a_picture_opens_for_its_order_and_for_nothing_else() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let (key, other) = (OpeningKey::draw(&mut rng), OpeningKey::draw(&mut rng));
        let names = Names::new("hq", "t1", "ada", 8);
        let to = key.sealing_key().to_bytes();
        let sealed = picture().seal(&to, &names.bound(), &mut rng).unwrap();
        assert_eq!(Picture::open(&key, &names.bound(), &sealed), Ok(picture()));
        assert_eq!(Picture::open(&other, &names.bound(), &sealed), Err(PictureFault::Closed), "another key");
        for wrong in [
            Names::new("lab", "t1", "ada", 8),
            Names::new("hq", "t2", "ada", 8),
            Names::new("hq", "t1", "eve", 8),
            Names::new("hq", "t1", "ada", 9),
        ] {
            let opened = Picture::open(&key, &wrong.bound(), &sealed);
            assert_eq!(opened, Err(PictureFault::Closed), "{:?}", wrong.bound());
        }
        for at in (0..sealed.0.len()).step_by(7) {
            let mut changed = sealed.clone();
            changed.0[at] ^= 1;
            assert_eq!(Picture::open(&key, &names.bound(), &changed), Err(PictureFault::Closed), "byte {at}");
        }
    }

    #[test]
    fn m8_a_picture_that_is_too_long_or_sealed_to_no_key_is_not_sent() {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let key = OpeningKey::draw(&mut rng);
        let names = Names::new("hq", "t1", "ada", 8);
        let mut seal = |jpeg: Vec<u8>, to: [u8; 32]| {
            Picture { jpeg, ..picture() }.seal(&to, &names.bound(), &mut rng).map(|sealed| sealed.0.len())
        };
        let to = key.sealing_key().to_bytes();
        assert!(seal(vec![0; PICTURE_LEN_MAX], to).unwrap() < MESSAGE_LEN_MAX / 2 + 4096);
        assert_eq!(seal(vec![0; PICTURE_LEN_MAX + 1], to), Err(PictureFault::TooLong(PICTURE_LEN_MAX + 1)));
    }
}
