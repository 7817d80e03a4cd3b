//! Values that are authentic only where they lie.
//!
//! A sealed value is nonce (24) || ciphertext || tag (16) of XChaCha20-Poly1305. Its associated data names the place:
//! store, table, row, column, key version and whatever else of the row must not change. Moved anywhere else it does
//! not open. Nonces are random: at 192 bits they do not meet.

use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::{AeadInOut, KeyInit, Tag, XChaCha20Poly1305, XNonce};
use hkdf::hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::fault::Finding;
use crate::keys::random;
use crate::settings::StoreId;

/// Bytes of a key.
pub(crate) const KEY_LEN: usize = 32;
/// Bytes of a sealed key.
pub(crate) const WRAPPED_LEN: usize = NONCE_LEN + KEY_LEN + TAG_LEN;
/// The version of the keys that seal fields; it changes if fields are ever sealed in another way.
pub(crate) const FIELD_VERSION: u64 = 1;

const NONCE_LEN: usize = 24;
const TAG_LEN: usize = 16;

/// A key, boxed so that moving it leaves no copies; wiped when dropped.
pub(crate) struct Key(Box<Zeroizing<[u8; KEY_LEN]>>);

impl Clone for Key {
    fn clone(&self) -> Self {
        Self::filled(|bytes| bytes.copy_from_slice(self.bytes()))
    }
}

impl Key {
    /// A key that `fill` writes in place.
    pub(crate) fn filled(fill: impl FnOnce(&mut [u8; KEY_LEN])) -> Self {
        let mut key = Self(Box::new(Zeroizing::new([0; KEY_LEN])));
        fill(&mut key.0);
        key
    }

    /// A new random key.
    pub(crate) fn random() -> Self {
        Self(Box::new(Zeroizing::new(random())))
    }

    /// Its bytes.
    pub(crate) fn bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }

    /// HMAC-SHA256 over `parts`, each preceded by its length.
    pub(crate) fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.bytes()).expect("HMAC takes keys of any length");
        for part in parts {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// Whether `claimed` is the code of `parts`, in constant time.
    pub(crate) fn mac_fits(&self, parts: &[&[u8]], claimed: &[u8]) -> bool {
        self.mac(parts).ct_eq(claimed).into()
    }

    /// Seals `plain` for `place`.
    pub(crate) fn seal(&self, place: &Place<'_>, plain: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = random();
        let mut sealed = Vec::with_capacity(NONCE_LEN + plain.len() + TAG_LEN);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let body = InOutBuf::from(&mut sealed[NONCE_LEN..]);
        let tag = self
            .cipher()
            .encrypt_inout_detached(&XNonce::from(nonce), &place.bytes(), body)
            .expect("fields are far below the cipher's limit of 256 GiB");
        sealed.extend_from_slice(&tag);
        sealed
    }

    /// Opens what was sealed for `place`.
    ///
    /// # Errors
    /// [`Finding::Field`].
    pub(crate) fn open(&self, place: &Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Finding> {
        let split = sealed.split_first_chunk::<NONCE_LEN>();
        let split = split.and_then(|(nonce, rest)| {
            rest.split_last_chunk::<TAG_LEN>().map(|(body, tag)| (nonce, body, tag))
        });
        let (nonce, body, tag) = split.ok_or_else(|| place.finding())?;
        let mut plain = Zeroizing::new(body.to_vec());
        self.cipher()
            .decrypt_inout_detached(
                &XNonce::from(*nonce),
                &place.bytes(),
                InOutBuf::from(plain.as_mut_slice()),
                &Tag::from(*tag),
            )
            .map_err(|_| place.finding())?;
        Ok(plain)
    }

    /// Seals another key for `place`.
    pub(crate) fn wrap(&self, place: &Place<'_>, key: &Key) -> Vec<u8> {
        self.seal(place, key.bytes())
    }

    /// Opens a sealed key.
    ///
    /// # Errors
    /// [`Finding::Field`].
    pub(crate) fn unwrap_key(&self, place: &Place<'_>, wrapped: &[u8]) -> Result<Key, Finding> {
        let plain = self.open(place, wrapped)?;
        if plain.len() != KEY_LEN {
            return Err(place.finding());
        }
        Ok(Key::filled(|bytes| bytes.copy_from_slice(&plain)))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.bytes().into())
    }
}

/// Where a sealed value belongs.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    /// The store.
    pub(crate) store: StoreId,
    /// The table or file.
    pub(crate) table: &'static str,
    /// The row's key as text.
    pub(crate) row: &'a str,
    /// The column.
    pub(crate) column: &'static str,
    /// Version of the sealing key.
    pub(crate) version: u64,
    /// The readable columns of the row that are bound to the value.
    pub(crate) readable: &'a [u8],
}

impl Place<'_> {
    /// What is reported when the value at this place does not open.
    pub(crate) fn finding(&self) -> Finding {
        Finding::Field { table: self.table, row: self.row.to_owned(), column: self.column }
    }

    /// The associated data: every part preceded by its length, so that no two places have the same bytes.
    fn bytes(&self) -> Vec<u8> {
        let parts: [&[u8]; 6] = [
            &self.store.0,
            self.table.as_bytes(),
            self.row.as_bytes(),
            self.column.as_bytes(),
            &self.version.to_le_bytes(),
            self.readable,
        ];
        let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
        for part in parts {
            bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
            bytes.extend_from_slice(part);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'static> = Place {
        store: StoreId([1; 16]),
        table: "persons",
        row: "e1",
        column: "name",
        version: FIELD_VERSION,
        readable: b"x",
    };

    #[test]
    fn e1_a_sealed_value_opens_only_at_its_place() {
        let key = Key::random();
        let sealed = key.seal(&PLACE, b"Ada");
        assert_eq!(key.open(&PLACE, &sealed).unwrap().as_slice(), b"Ada");

        let elsewhere = [
            Place { store: StoreId([2; 16]), ..PLACE },
            Place { table: "templates", ..PLACE },
            Place { row: "e2", ..PLACE },
            Place { column: "vector", ..PLACE },
            Place { version: 2, ..PLACE },
            Place { readable: b"y", ..PLACE },
            Place { row: "e1name", column: "", ..PLACE },
        ];
        for place in elsewhere {
            assert!(key.open(&place, &sealed).is_err());
        }
        assert!(Key::random().open(&PLACE, &sealed).is_err());
    }

    #[test]
    fn h2_any_flipped_bit_and_any_length_is_refused() {
        let key = Key::random();
        let sealed = key.seal(&PLACE, b"Ada");
        for i in 0..sealed.len() {
            let mut edited = sealed.clone();
            edited[i] ^= 1;
            assert!(key.open(&PLACE, &edited).is_err(), "byte {i}");
            assert!(key.open(&PLACE, &sealed[..i]).is_err(), "cut to {i}");
        }
    }

    #[test]
    fn e1_equal_values_look_different() {
        let key = Key::random();
        assert_ne!(key.seal(&PLACE, b"Ada"), key.seal(&PLACE, b"Ada"));
    }

    #[test]
    fn codes_cover_the_borders_between_parts() {
        let key = Key::random();
        assert_ne!(key.mac(&[b"ab", b"c"]), key.mac(&[b"a", b"bc"]));
        assert!(key.mac_fits(&[b"ab"], &key.mac(&[b"ab"])));
        assert!(!key.mac_fits(&[b"ab"], &key.mac(&[b"ab"])[..31]));
    }
}
