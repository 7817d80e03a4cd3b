//! How a terminal joins a site: what it asks with and what it is given, both carried by hand.
//!
//! A request holds public keys alone. Whoever admits it compares its number with the one that the terminal showed, so
//! that nobody on the way can put other keys in. A welcome is sealed to the request: it opens on that terminal and for
//! that request alone. That it comes from the site's own people shows the root key in it, which the installer was told.

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};
use rand::CryptoRng;
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

use crate::audit::Hash;
use crate::hex::{hex, unhex_all};
use crate::ids::{SiteId, TerminalId};
use crate::keys::PublicKey;
use crate::message::{Opaque, Text};
use crate::sealing::{OpeningKey, SealFault, SealingKey};

/// Letters of a host's name, as DNS has them.
pub const HOST_LEN_MAX: usize = 253;
/// Bytes of a certificate or key in PEM.
pub const PEM_LEN_MAX: usize = 16 * 1024;

const REQUEST: &str = "doorward-request-1";
const WELCOME: &str = "doorward-welcome-1";
const CONTEXT: &[u8] = b"doorward/joining/v1";
/// Groups of four digits in a request's number: 66 bits, more than anybody finds a second request for.
const GROUPS: usize = 5;

/// What a terminal asks with.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Request {
    /// The site it belongs to.
    #[n(0)]
    pub site: SiteId,
    /// Its name there.
    #[n(1)]
    pub terminal: TerminalId,
    /// The key that it signs with.
    #[n(2)]
    pub device: PublicKey,
    /// The key that its welcome is sealed to.
    #[n(3)]
    pub sealing: ByteArray<32>,
}

/// What a terminal is given. Holds secrets, wiped when it is dropped.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Welcome {
    /// The site's root key.
    #[n(0)]
    pub root: PublicKey,
    /// The genesis of the site's roster.
    #[n(1)]
    pub genesis: ByteArray<32>,
    /// The broker's name.
    #[n(2)]
    pub host: Text<HOST_LEN_MAX>,
    /// Its port.
    #[n(3)]
    pub port: u16,
    /// Whose certificates count for the broker, PEM.
    #[n(4)]
    pub authority: Opaque,
    /// The terminal's certificate, PEM.
    #[n(5)]
    pub certificate: Opaque,
    /// The certificate's private key, PEM.
    #[n(6)]
    pub key: Opaque,
    /// The keys that open what is sealed to the site, the newest first.
    #[n(7)]
    pub opening: Vec<ByteArray<32>>,
    /// How far the roster has come, so that nobody shows the terminal an older one: the newest entry's number.
    #[n(8)]
    pub seq: u64,
    /// That entry's hash.
    #[n(9)]
    pub hash: ByteArray<32>,
}

impl Drop for Welcome {
    fn drop(&mut self) {
        self.key.0.zeroize();
        self.opening.iter_mut().for_each(|key| key.zeroize());
    }
}

/// Why a file is no request or no welcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JoinFault {
    /// Another file, or a damaged one.
    #[error("it is no {0}, or was cut off or changed")]
    Malformed(&'static str),
    /// Sealed for another terminal, or for another request of this one.
    #[error("it is for another terminal, or answers another request; a store that was made anew asks anew")]
    Elsewhere,
}

impl Request {
    /// One line of text.
    #[must_use]
    pub fn to_line(&self) -> String {
        format!("{REQUEST} {}\n", hex(&self.bytes()))
    }

    /// Reads it.
    ///
    /// # Errors
    /// [`JoinFault::Malformed`].
    pub fn from_line(line: &str) -> Result<Self, JoinFault> {
        let malformed = JoinFault::Malformed("request of a terminal");
        let bytes = digits(line, REQUEST).ok_or(malformed)?;
        let request: Self = minicbor::decode(&bytes).map_err(|_| malformed)?;
        if request.bytes() == *bytes { Ok(request) } else { Err(malformed) }
    }

    /// Digits that two people can compare by eye or by telephone.
    #[must_use]
    pub fn number(&self) -> String {
        let digest = Sha256::new_with_prefix(CONTEXT).chain_update(self.bytes()).finalize();
        let group = |at: usize| {
            let part = [digest[4 * at], digest[4 * at + 1], digest[4 * at + 2], digest[4 * at + 3]];
            format!("{:04}", u32::from_be_bytes(part) % 10_000)
        };
        (0..GROUPS).map(group).collect::<Vec<_>>().join("-")
    }

    fn bytes(&self) -> Vec<u8> {
        minicbor::to_vec(self).expect("writing to a vector cannot fail")
    }
}

impl Welcome {
    /// Seals it to a request, in one line of text; none where the request's key is no key, or a part is too long.
    #[must_use]
    pub fn seal(&self, request: &Request, rng: &mut impl CryptoRng) -> Option<String> {
        let key = SealingKey::from_bytes(&request.sealing)?;
        let long =
            [&self.authority, &self.certificate, &self.key].iter().any(|pem| pem.0.len() > PEM_LEN_MAX);
        let bytes = Zeroizing::new(minicbor::to_vec(self).expect("writing to a vector cannot fail"));
        (!long)
            .then(|| format!("{WELCOME} {}\n", hex(&key.seal_bytes(CONTEXT, &request.bytes(), &bytes, rng))))
    }

    /// Opens what answers `request`.
    ///
    /// # Errors
    /// [`JoinFault`].
    pub fn open(line: &str, request: &Request, key: &OpeningKey) -> Result<Self, JoinFault> {
        let malformed = JoinFault::Malformed("welcome to a site");
        let sealed = digits(line, WELCOME).ok_or(malformed)?;
        let bytes = key
            .open_bytes(CONTEXT, &request.bytes(), &sealed)
            .map_err(|_: SealFault| JoinFault::Elsewhere)?;
        minicbor::decode(&bytes).map_err(|_| malformed)
    }

    /// The genesis of the site's roster.
    #[must_use]
    pub fn genesis(&self) -> Hash {
        *self.genesis
    }
}

fn digits(line: &str, word: &str) -> Option<Vec<u8>> {
    unhex_all(line.trim().strip_prefix(word)?.strip_prefix(' ')?)
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha20Rng;

    use super::*;

    fn key(seed: u64) -> OpeningKey {
        OpeningKey::draw(&mut ChaCha20Rng::seed_from_u64(seed))
    }

    fn request(terminal: &str, seed: u64) -> Request {
        Request {
            site: "hq".parse().unwrap(),
            terminal: terminal.parse().unwrap(),
            device: PublicKey::of(&SigningKey::from_bytes(&[3; 32])),
            sealing: key(seed).sealing_key().to_bytes().into(),
        }
    }

    fn welcome() -> Welcome {
        Welcome {
            root: PublicKey::of(&SigningKey::from_bytes(&[1; 32])),
            genesis: [9; 32].into(),
            host: Text::cut("broker.example.org"),
            port: 8883,
            authority: Opaque(b"authority".to_vec()),
            certificate: Opaque(b"certificate".to_vec()),
            key: Opaque(b"key".to_vec()),
            opening: vec![[7; 32].into(), [6; 32].into()],
            seq: 3,
            hash: [8; 32].into(),
        }
    }

    #[test]
    fn a_request_reads_as_it_was_written_and_every_change_changes_its_number() {
        let asked = request("lobby-1", 1);
        assert_eq!(Request::from_line(&asked.to_line()), Ok(asked.clone()));
        assert_eq!(asked.number().len(), 24, "{}", asked.number());
        let mut numbers = vec![asked.number()];
        numbers.extend([request("lobby-2", 1).number(), request("lobby-1", 2).number()]);
        numbers.sort();
        numbers.dedup();
        assert_eq!(numbers.len(), 3);
    }

    #[test]
    fn m8_what_is_no_request_is_refused_and_nothing_panics() {
        let line = request("lobby-1", 1).to_line();
        for at in 0..line.trim_end().len() {
            assert!(Request::from_line(&line[..at]).is_err(), "cut to {at}");
        }
        let longer = line.trim_end().to_owned() + "00";
        for wrong in ["", "doorward-request-1", "doorward-request-1 zz", "doorward-welcome-1 a0", &longer] {
            assert!(Request::from_line(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn m14_a_welcome_opens_for_the_request_it_answers_and_no_other() {
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        let asked = request("lobby-1", 1);
        let line = welcome().seal(&asked, &mut rng).unwrap();
        assert!(Welcome::open(&line, &asked, &key(1)).unwrap() == welcome());
        assert!(!line.contains(&hex(&[7; 32])), "sealed");
        let elsewhere = |request: &Request, key| Welcome::open(&line, request, &key).err();
        assert_eq!(elsewhere(&asked, key(2)), Some(JoinFault::Elsewhere));
        assert_eq!(elsewhere(&request("lobby-2", 1), key(1)), Some(JoinFault::Elsewhere));
        for at in (WELCOME.len()..line.trim_end().len()).step_by(7) {
            assert!(Welcome::open(&line[..at], &asked, &key(1)).is_err(), "cut to {at}");
        }
        let mut long = welcome();
        long.key = Opaque(vec![0; PEM_LEN_MAX + 1]);
        assert!(long.seal(&asked, &mut rng).is_none());
    }
}
