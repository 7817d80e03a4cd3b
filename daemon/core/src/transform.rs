//! The keyed transform that every template goes through before it is compared or stored (ISO/IEC 24745).
//!
//! A rotation of the template space, drawn uniformly (Haar measure) from a site's key. It keeps every cosine, so
//! comparison works as before, and gives what ISO/IEC 24745 asks of protected templates, within these limits:
//! * *Unlinkable*: the same face under two keys gives two unrelated vectors, so stores of two sites cannot be joined.
//! * *Renewable*: a new key gives new templates without a new enrolment, as long as the old key is at hand.
//! * *Irreversible* only without the key. Who holds the key turns the rotation back, and who holds as many pairs of
//!   plain and protected templates as there are dimensions can solve for it. The encryption of the store protects
//!   against the first; the second is why plain templates are wiped as soon as they are protected.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::template::{DIMENSION_MAX, TemplateError, UnitVector, dot};

/// A template or probe in a site's transformed space: the only form that galleries and stores hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Protected(UnitVector);

impl Protected {
    /// Takes a vector that [`Transform::protect`] made earlier, as read back from the store.
    #[must_use]
    pub fn restore(vector: UnitVector) -> Self {
        Self(vector)
    }

    /// The vector, for the store and for comparison.
    #[must_use]
    pub fn vector(&self) -> &UnitVector {
        &self.0
    }

    /// Comparison score: the cosine, which is that of the unprotected vectors under the same key.
    #[must_use]
    pub fn cosine(&self, other: &Protected) -> f32 {
        self.0.cosine(&other.0)
    }
}

/// A site's rotation. It is as secret as its key, is wiped when dropped and has no `Debug`.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Transform {
    /// Unit normals of the mirrors, of length `dimension`, `dimension - 1`, … 2; each acts on the last coordinates.
    mirrors: Vec<f32>,
    /// 1 or -1 for each coordinate.
    signs: Vec<f32>,
}

impl Transform {
    /// Draws the rotation for vectors of `dimension` values from `key`, which serves nothing else.
    ///
    /// G. W. Stewart, "The efficient generation of random orthogonal matrices", SIAM J. Numer. Anal. 17 (1980): one
    /// Householder mirror per dimension, each from a Gaussian vector, and one sign per dimension.
    ///
    /// # Panics
    /// For a dimension outside 1 to [`DIMENSION_MAX`].
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "values between -1 and 1 are rounded to 32 bits")]
    pub fn new(key: &[u8; 32], dimension: usize) -> Self {
        assert!((1..=DIMENSION_MAX).contains(&dimension), "a template has 1 to {DIMENSION_MAX} values");
        let mut rng = ChaCha20Rng::from_seed(*key);
        let mut mirrors = Vec::with_capacity(dimension * (dimension + 1) / 2);
        let mut signs = Vec::with_capacity(dimension);
        for length in (2..=dimension).rev() {
            let mut gaussian: Vec<f64> = (0..length).map(|_| normal(&mut rng)).collect();
            let sign = if gaussian[0] < 0.0 { -1.0 } else { 1.0 };
            gaussian[0] += sign * norm(&gaussian);
            let scale = norm(&gaussian).recip();
            mirrors.extend(gaussian.iter().map(|v| (v * scale) as f32));
            signs.push(-sign as f32);
            gaussian.zeroize();
        }
        signs.push(if rng.next_u32() & 1 == 0 { 1.0 } else { -1.0 });
        Self { mirrors, signs }
    }

    /// Number of values of the vectors it takes.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.signs.len()
    }

    /// Turns a vector into the site's space.
    ///
    /// # Errors
    /// [`TemplateError::Dimension`] for a vector of another length.
    pub fn protect(&self, vector: &UnitVector) -> Result<Protected, TemplateError> {
        let expected = self.dimension();
        if vector.dimension() != expected {
            return Err(TemplateError::Dimension { expected, found: vector.dimension() });
        }
        let mut turned: Vec<f32> =
            vector.values().iter().zip(&self.signs).map(|(v, sign)| v * sign).collect();
        let mut rest = self.mirrors.as_slice();
        for length in 2..=expected {
            let (head, mirror) = rest.split_at(rest.len() - length);
            reflect(&mut turned[expected - length..], mirror);
            rest = head;
        }
        UnitVector::normalise(turned).map(Protected)
    }
}

/// Mirrors `vector` at the plane that is perpendicular to the unit vector `normal`.
fn reflect(vector: &mut [f32], normal: &[f32]) {
    let twice = 2.0 * dot(vector, normal);
    vector.iter_mut().zip(normal).for_each(|(v, n)| *v -= twice * n);
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// A standard normal number by Marsaglia's polar method.
fn normal(rng: &mut impl Rng) -> f64 {
    loop {
        let (a, b) = (symmetric(rng), symmetric(rng));
        let square = a * a + b * b;
        if square > 0.0 && square < 1.0 {
            return a * (-2.0 * square.ln() / square).sqrt();
        }
    }
}

/// Uniform in -1 to 1, in steps of 2^-52.
fn symmetric(rng: &mut impl Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 * 2f64.powi(-52) - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::cast_possible_truncation, reason = "noise needs no 64 bits")]
    fn random(rng: &mut ChaCha20Rng, dimension: usize) -> UnitVector {
        UnitVector::normalise((0..dimension).map(|_| normal(rng) as f32).collect()).unwrap()
    }

    #[test]
    fn cosines_survive() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        for dimension in [1, 2, 3, 17, 128, 512, 1024] {
            let transform = Transform::new(&[7; 32], dimension);
            for _ in 0..8 {
                let (a, b) = (random(&mut rng, dimension), random(&mut rng, dimension));
                let (turned_a, turned_b) = (transform.protect(&a).unwrap(), transform.protect(&b).unwrap());
                assert!((a.cosine(&b) - turned_a.cosine(&turned_b)).abs() < 1e-5, "dimension {dimension}");
                assert!((turned_a.cosine(&turned_a) - 1.0).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn the_matrix_is_orthogonal() {
        let dimension = 64;
        let transform = Transform::new(&[3; 32], dimension);
        let axis = |i: usize| {
            let mut values = vec![0.0; dimension];
            values[i] = 1.0;
            transform.protect(&UnitVector::normalise(values).unwrap()).unwrap()
        };
        let columns: Vec<Protected> = (0..dimension).map(axis).collect();
        for (i, a) in columns.iter().enumerate() {
            for (j, b) in columns.iter().enumerate() {
                let expected = if i == j { 1.0 } else { 0.0 };
                assert!((a.cosine(b) - expected).abs() < 1e-5, "columns {i} and {j}: {}", a.cosine(b));
            }
        }
    }

    #[test]
    fn a_key_gives_one_transform() {
        let vector = random(&mut ChaCha20Rng::from_seed([2; 32]), 128);
        let once = Transform::new(&[9; 32], 128).protect(&vector).unwrap();
        assert_eq!(once, Transform::new(&[9; 32], 128).protect(&vector).unwrap());
        assert_eq!(once, Protected::restore(once.vector().clone()));
    }

    /// Under two keys the same face must look like two strangers: cosines of unrelated directions have mean 0 and
    /// variance 1 / dimension. No coordinate may lean to one side either, seen from an axis, where it would show most.
    #[test]
    fn h2_the_same_face_under_two_keys_is_unlinkable() {
        let dimension = 128;
        let first = Transform::new(&[0; 32], dimension);
        let face = random(&mut ChaCha20Rng::from_seed([5; 32]), dimension);
        let here = first.protect(&face).unwrap();
        let axis = UnitVector::normalise((0..dimension).map(|i| f32::from(i == 0)).collect()).unwrap();
        let mut scores = Vec::new();
        let mut leaning = vec![0.0f64; dimension];
        for key in 1..=400u16 {
            let mut seed = [0; 32];
            seed[..2].copy_from_slice(&key.to_le_bytes());
            let other = Transform::new(&seed, dimension);
            scores.push(f64::from(here.cosine(&other.protect(&face).unwrap())));
            let turned = other.protect(&axis).unwrap();
            turned.vector().values().iter().zip(&mut leaning).for_each(|(v, sum)| *sum += f64::from(*v));
        }
        let count = scores.len() as f64;
        let deviation = (1.0 / dimension as f64).sqrt();
        let mean = scores.iter().sum::<f64>() / count;
        let spread = (scores.iter().map(|s| s * s).sum::<f64>() / count).sqrt();
        assert!(mean.abs() < 4.0 * deviation / count.sqrt(), "mean cosine {mean}");
        assert!((spread / deviation - 1.0).abs() < 0.15, "cosines spread by {spread} instead of {deviation}");
        assert!(scores.iter().all(|s| s.abs() < 5.0 * deviation));
        let limit = 5.0 * deviation * count.sqrt();
        assert!(leaning.iter().all(|sum| sum.abs() < limit), "a coordinate leans to one side: {leaning:?}");
    }

    #[test]
    fn m8_another_dimension_is_refused() {
        let vector = UnitVector::normalise(vec![1.0; 127]).unwrap();
        let refused = Transform::new(&[1; 32], 128).protect(&vector).unwrap_err();
        assert_eq!(refused, TemplateError::Dimension { expected: 128, found: 127 });
    }

    #[test]
    fn h4_debug_output_holds_no_protected_value() {
        let protected = Protected::restore(UnitVector::normalise(vec![0.25, 0.5]).unwrap());
        assert_eq!(format!("{protected:?}"), "Protected(UnitVector(2 values))");
    }
}
