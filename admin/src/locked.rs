//! A private key under a passphrase: Argon2id (RFC 9106) makes a key of it, ChaCha20-Poly1305 (RFC 8439) seals with that.
//!
//! A file that is copied from a stick or a backup is then worth as much work as guessing the passphrase. The costs are
//! RFC 9106's second recommendation, for whoever has less than 2 GiB to spare: 64 MiB, three passes, four lanes.

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use doorward_protocol::hex::{hex, unhex, unhex_all};
use zeroize::Zeroizing;

use crate::answer::{Answer, Stop};

/// Letters of a passphrase: four words, or what a machine drew. Whoever has the file tries as often as they like.
pub const PASSPHRASE_LEN_MIN: usize = 16;

/// Bytes of the salt: a new one for each file, so that no key and nonce occur twice.
pub const SALT_LEN: usize = 16;

const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 4;

/// What the file of a locked key holds, after its word.
///
/// # Errors
/// [`Stop::Refused`] for a passphrase that is too short.
pub fn lock(word: &str, secret: &[u8; 32], passphrase: &str, salt: &[u8; SALT_LEN]) -> Answer<String> {
    if passphrase.chars().count() < PASSPHRASE_LEN_MIN {
        return Err(Stop::refused(format!(
            "a passphrase has at least {PASSPHRASE_LEN_MIN} letters: four words that nobody would say together"
        )));
    }
    let plain = Payload { msg: secret, aad: word.as_bytes() };
    let sealed = cipher(passphrase, salt).encrypt(&Nonce::default(), plain);
    let sealed = sealed.expect("32 bytes are sealed");
    Ok(format!("{word} {} {}\n", hex(salt), hex(&sealed)))
}

/// The key in such a line; none where it holds no key, or another passphrase locked it.
#[must_use]
pub fn unlock(line: &str, word: &str, passphrase: &str) -> Option<Zeroizing<[u8; 32]>> {
    let (salt, sealed) = line.trim_end().strip_prefix(word)?.strip_prefix(' ')?.split_once(' ')?;
    let (salt, sealed): ([u8; SALT_LEN], _) = (unhex(salt)?, unhex_all(sealed)?);
    let sealed = Payload { msg: &sealed, aad: word.as_bytes() };
    let secret = Zeroizing::new(cipher(passphrase, &salt).decrypt(&Nonce::default(), sealed).ok()?);
    Some(Zeroizing::new(secret.as_slice().try_into().ok()?))
}

fn cipher(passphrase: &str, salt: &[u8; SALT_LEN]) -> ChaCha20Poly1305 {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(32)).expect("the recommended costs are allowed");
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), salt, key.as_mut_slice())
        .expect("a passphrase and a salt of these lengths are hashed");
    ChaCha20Poly1305::new_from_slice(key.as_slice()).expect("32 bytes are a key")
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: &str = "lantern gravel ocean clerk";

    #[test]
    fn h2_a_locked_key_opens_with_its_passphrase_under_its_word_and_otherwise_not() {
        let line = lock("word-1", &[7; 32], WORDS, &[1; 16]).unwrap();
        assert!(!line.contains(&"07".repeat(8)), "sealed");
        assert_eq!(*unlock(&line, "word-1", WORDS).unwrap(), [7; 32]);
        assert_ne!(line, lock("word-1", &[7; 32], WORDS, &[2; 16]).unwrap());
        assert_eq!(unlock(&line, "word-1", "lantern gravel ocean clerks"), None);
        assert_eq!(unlock(&line, "word-2", WORDS), None, "another purpose");
        assert_eq!(
            unlock(&line.replacen("word-1", "word-2", 1), "word-2", WORDS),
            None,
            "and no way around it"
        );
        for wrong in ["", "word-1", "word-1 ", "word-1 00 00", &line[..line.len() - 9]] {
            assert_eq!(unlock(wrong, "word-1", WORDS), None, "{wrong}");
        }
        assert!(matches!(lock("word-1", &[7; 32], "fifteen letters", &[1; 16]), Err(Stop::Refused(_))));
    }
}
