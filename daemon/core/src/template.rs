//! Templates: unit vectors with the version that makes their scores comparable.

#![expect(
    clippy::cast_possible_truncation,
    reason = "lengths are summed in double precision and kept in single"
)]

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

/// Largest dimension of a template: what published face models use at most, doubled.
pub const DIMENSION_MAX: usize = 1024;

/// What must be equal for two templates to be compared: the embedding model and what is done to a face before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TemplateVersion {
    /// SHA-256 of the embedding model.
    pub model: [u8; 32],
    /// Version of alignment and normalisation.
    pub preprocessing: u16,
}

impl fmt::Display for TemplateVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.model[..6].iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, "/{}", self.preprocessing)
    }
}

/// A vector that cannot be a template.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TemplateError {
    /// Wrong length.
    #[error("a template of this model has {expected} values, this one has {found}")]
    Dimension {
        /// What the model yields.
        expected: usize,
        /// What came.
        found: usize,
    },
    /// NaN or infinity.
    #[error("a template holds finite numbers, value {0} is not")]
    NotFinite(usize),
    /// All zero, or so short that its direction is noise.
    #[error("a template has length 1, this one has {0}")]
    Length(f32),
    /// Made by another model or other preprocessing.
    #[error("this template was made by model {found}, the terminal compares with {expected}")]
    Version {
        /// Version in use.
        expected: TemplateVersion,
        /// Version of the template.
        found: TemplateVersion,
    },
}

/// A finite vector of unit length. Biometric: wiped when dropped, and its `Debug` shows only its size.
#[derive(Clone, PartialEq, Zeroize, ZeroizeOnDrop)]
pub struct UnitVector(Vec<f32>);

impl UnitVector {
    /// Brings a raw feature vector to unit length.
    ///
    /// # Errors
    /// [`TemplateError`] for vectors without a direction.
    pub fn normalise(mut raw: Vec<f32>) -> Result<Self, TemplateError> {
        if raw.is_empty() || raw.len() > DIMENSION_MAX {
            return Err(TemplateError::Dimension { expected: DIMENSION_MAX, found: raw.len() });
        }
        if let Some(bad) = raw.iter().position(|v| !v.is_finite()) {
            return Err(TemplateError::NotFinite(bad));
        }
        let length = raw.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        if length < 1e-6 {
            return Err(TemplateError::Length(length as f32));
        }
        raw.iter_mut().for_each(|v| *v = (f64::from(*v) / length) as f32);
        Ok(Self(raw))
    }

    /// Takes a vector that claims unit length already, as read from a store or a message.
    ///
    /// # Errors
    /// [`TemplateError`] where the claim does not hold.
    pub fn claimed(values: Vec<f32>) -> Result<Self, TemplateError> {
        let claimed = values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        let vector = Self::normalise(values)?;
        if (claimed - 1.0).abs() > 1e-3 {
            return Err(TemplateError::Length(claimed as f32));
        }
        Ok(vector)
    }

    /// The mean direction of several vectors of one dimension.
    ///
    /// # Errors
    /// [`TemplateError`] for no vectors, mixed dimensions, or vectors that cancel out.
    pub fn mean<'a>(vectors: impl IntoIterator<Item = &'a UnitVector>) -> Result<Self, TemplateError> {
        let mut vectors = vectors.into_iter();
        let mut sum = vectors.next().ok_or(TemplateError::Length(0.0))?.0.clone();
        for vector in vectors {
            if vector.0.len() != sum.len() {
                return Err(TemplateError::Dimension { expected: sum.len(), found: vector.0.len() });
            }
            sum.iter_mut().zip(&vector.0).for_each(|(s, v)| *s += v);
        }
        Self::normalise(sum)
    }

    /// The values.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.0
    }

    /// Number of values.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.0.len()
    }

    /// Comparison score: the cosine, -1 to 1. Vectors of different dimension never resemble each other.
    #[must_use]
    pub fn cosine(&self, other: &UnitVector) -> f32 {
        if self.0.len() != other.0.len() {
            return -1.0;
        }
        dot(&self.0, &other.0)
    }
}

impl fmt::Debug for UnitVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnitVector({} values)", self.0.len())
    }
}

/// Dot product in sixteen partial sums, so that the compiler can keep them in vector registers.
#[must_use]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0.0f32; LANES];
    let (a_body, a_tail) = a.as_chunks::<LANES>();
    let (b_body, b_tail) = b.as_chunks::<LANES>();
    for (x, y) in a_body.iter().zip(b_body) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    let tail: f32 = a_tail.iter().zip(b_tail).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f32>() + tail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m8_vectors_without_a_direction_are_refused() {
        assert!(matches!(UnitVector::normalise(vec![]), Err(TemplateError::Dimension { .. })));
        assert!(matches!(UnitVector::normalise(vec![1.0; 5000]), Err(TemplateError::Dimension { .. })));
        assert!(matches!(UnitVector::normalise(vec![1.0, f32::NAN]), Err(TemplateError::NotFinite(1))));
        assert!(matches!(UnitVector::normalise(vec![f32::INFINITY, 1.0]), Err(TemplateError::NotFinite(0))));
        assert!(matches!(UnitVector::normalise(vec![0.0; 128]), Err(TemplateError::Length(_))));
        assert!(matches!(UnitVector::claimed(vec![1.0; 128]), Err(TemplateError::Length(_))));
        assert!(UnitVector::claimed(vec![0.6, 0.8]).is_ok());
    }

    #[test]
    fn h4_debug_output_holds_no_biometric_value() {
        let vector = UnitVector::normalise(vec![0.25, 0.5]).unwrap();
        assert_eq!(format!("{vector:?}"), "UnitVector(2 values)");
    }
}
