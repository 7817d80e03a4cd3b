//! How templates lie in memory: bytes to search in, and the exact values to decide with.
//!
//! Each template is kept twice. Codes of one byte per value, with one scale per template, are what a search reads
//! from end to end. The values as they were given decide among the few that the codes cannot tell apart. The length
//! of what the codes leave out is kept beside them: it bounds how far a score from codes can be off.
//!
//! Rows live in blocks, so that growing never copies what is there (no pause while somebody stands at the door, no
//! stale copies of templates in freed memory). A template of d values takes 5 d + 8 bytes: 65 MB for 100,000 of 128
//! values, 257 MB for 100,000 of 512.

use std::iter;

use zeroize::Zeroize;

use super::kernel::{Accuracy, Found, Kernel, LANES, Line, QUAD, STEP, Units, Wanted};
use crate::template::dot;

/// Rows of a block: long enough to be read without a break, short enough that a small gallery stays small (512 KB of
/// codes for 128 values).
const BLOCK_ROWS: usize = 4096;

/// Groups that are searched before any of them is looked at: what was found stays in the first-level cache.
const GROUPS_AT_A_TIME: usize = 32;

/// Rounding of the 32-bit sums in a score and in its bounds: at most 100 roundings of 6e-8 each, doubled.
const ROUNDING: f32 = 1.2e-5;

/// Residual where there is no row: no bar is low enough for it.
const ABSENT: f32 = f32::NEG_INFINITY;

/// A vector as codes: value = scale * code + what is left out, whose length is `residual`.
struct Quantised {
    codes: Vec<i8>,
    scale: f32,
    residual: f32,
}

impl Quantised {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "codes are clamped to what a byte holds, the length is rounded up"
    )]
    fn new(values: &[f32]) -> Self {
        let largest = values.iter().fold(0.0f32, |max, v| max.max(v.abs()));
        let scale = largest / 127.0;
        let codes: Vec<i8> = values.iter().map(|v| (v / scale).round().clamp(-127.0, 127.0) as i8).collect();
        let left_out = |(v, c): (&f32, &i8)| (f64::from(*v) - f64::from(scale) * f64::from(*c)).powi(2);
        let residual = values.iter().zip(&codes).map(left_out).sum::<f64>().sqrt() as f32;
        Self { codes, scale, residual: residual * (1.0 + f32::EPSILON) }
    }
}

impl Drop for Quantised {
    fn drop(&mut self) {
        self.codes.zeroize();
    }
}

/// A probe made ready for [`Rows::scan`].
pub(super) struct Probe<'a> {
    values: &'a [f32],
    quads: Vec<[i8; QUAD]>,
    units: Units,
}

impl<'a> Probe<'a> {
    /// With row = s c + r and probe = t d + e (codes c and d, residuals r and e), row * probe - s t c * d is
    /// (s c) * e + r * probe. By Cauchy and Schwarz its size is at most |s c| |e| + |r| |probe|, where |probe| = 1 and
    /// |s c| <= |row| + |r| = 1 + |r|; so it is at most |e| + |r| (1 + |e|).
    pub(super) fn new(values: &'a [f32]) -> Self {
        let quantised = Quantised::new(values);
        let mut padded = vec![0; padded_len(values.len())];
        padded[..values.len()].copy_from_slice(&quantised.codes);
        let quads = padded.as_chunks::<QUAD>().0.to_vec();
        let bias = 128 * padded.iter().map(|v| i32::from(*v)).sum::<i32>();
        padded.zeroize();
        let error = quantised.residual;
        let units = Units { bias, scale: quantised.scale, residual: 1.0 + error, rounding: error + ROUNDING };
        Self { values, quads, units }
    }
}

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        self.quads.zeroize();
    }
}

fn padded_len(dimension: usize) -> usize {
    dimension.next_multiple_of(STEP)
}

/// What the codes say about a row: its exact score lies between these.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) lower: f32,
    pub(super) upper: f32,
}

struct Block {
    lines: Vec<Line>,
    accuracy: Vec<Accuracy>,
    values: Vec<f32>,
}

impl Block {
    fn empty(dimension: usize) -> Self {
        let groups = BLOCK_ROWS / LANES;
        Self {
            lines: vec![Line([128; LANES * QUAD]); groups * padded_len(dimension) / QUAD],
            accuracy: vec![Accuracy { scales: [0.0; LANES], residuals: [ABSENT; LANES] }; groups],
            values: vec![0.0; BLOCK_ROWS * dimension],
        }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.lines.zeroize();
        self.accuracy.zeroize();
        self.values.zeroize();
    }
}

/// Templates of one dimension, numbered without gaps.
pub(super) struct Rows {
    dimension: usize,
    len: usize,
    blocks: Vec<Block>,
    kernel: Kernel,
}

impl Rows {
    pub(super) fn new(dimension: usize) -> Self {
        let kernel = *Kernel::available().last().expect("the scalar kernel is always there");
        Self { dimension, len: 0, blocks: Vec::new(), kernel }
    }

    pub(super) fn dimension(&self) -> usize {
        self.dimension
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The exact values of a row.
    pub(super) fn values(&self, row: usize) -> &[f32] {
        assert!(row < self.len, "row {row} of {}", self.len);
        let from = row % BLOCK_ROWS * self.dimension;
        &self.blocks[row / BLOCK_ROWS].values[from..from + self.dimension]
    }

    /// The exact comparison score of a row.
    pub(super) fn score(&self, row: usize, probe: &[f32]) -> f32 {
        dot(self.values(row), probe)
    }

    /// Appends a row, whose number is the length before.
    pub(super) fn push(&mut self, values: &[f32]) {
        assert_eq!(values.len(), self.dimension, "the gallery checks the dimension");
        if self.len == self.blocks.len() * BLOCK_ROWS {
            self.blocks.push(Block::empty(self.dimension));
        }
        self.len += 1;
        self.write(self.len - 1, values);
    }

    /// Removes a row; the last one takes its place and number.
    pub(super) fn swap_remove(&mut self, row: usize) {
        let last = self.len - 1;
        if row != last {
            let mut values = self.values(last).to_vec();
            self.write(row, &values);
            values.zeroize();
        }
        self.wipe(last);
        self.len = last;
        self.blocks.truncate(self.len.div_ceil(BLOCK_ROWS));
    }

    fn write(&mut self, row: usize, values: &[f32]) {
        let quantised = Quantised::new(values);
        let (block, at) = (&mut self.blocks[row / BLOCK_ROWS], row % BLOCK_ROWS);
        block.values[at * self.dimension..][..self.dimension].copy_from_slice(values);
        let codes = quantised.codes.iter().map(|code| code.cast_unsigned() ^ 128);
        set(block, self.dimension, at, codes, quantised.scale, quantised.residual);
    }

    fn wipe(&mut self, row: usize) {
        let (block, at) = (&mut self.blocks[row / BLOCK_ROWS], row % BLOCK_ROWS);
        block.values[at * self.dimension..][..self.dimension].zeroize();
        set(block, self.dimension, at, iter::repeat_n(128, self.dimension), 0.0, ABSENT);
    }

    /// Hands every row whose score can reach `bar` to `seen`, which answers with the bar for the rows after it.
    pub(super) fn scan(&self, probe: &Probe<'_>, bar: f32, mut seen: impl FnMut(usize, Bounds) -> f32) {
        assert_eq!(probe.values.len(), self.dimension, "the gallery checks the dimension");
        let mut wanted = Wanted { quads: &probe.quads, units: probe.units, bar };
        let per_group = probe.quads.len();
        let mut found = [Found::default(); GROUPS_AT_A_TIME];
        for (b, block) in self.blocks.iter().enumerate() {
            let groups = (self.len - b * BLOCK_ROWS).min(BLOCK_ROWS).div_ceil(LANES);
            for first in (0..groups).step_by(GROUPS_AT_A_TIME) {
                let some = first..groups.min(first + GROUPS_AT_A_TIME);
                let found = &mut found[..some.len()];
                let accuracy = &block.accuracy[some.clone()];
                let lines = &block.lines[some.start * per_group..some.end * per_group];
                self.kernel.search(lines, accuracy, &wanted, found);
                for (i, found) in found.iter().enumerate().filter(|(_, found)| found.reaching != 0) {
                    let first_row = b * BLOCK_ROWS + (first + i) * LANES;
                    show(found, &accuracy[i], &mut wanted, |lane, bounds| seen(first_row + lane, bounds));
                }
            }
        }
    }
}

/// Shows those of sixteen rows whose score can reach the bar, which may have risen since they were found.
fn show(
    found: &Found,
    accuracy: &Accuracy,
    wanted: &mut Wanted<'_>,
    mut seen: impl FnMut(usize, Bounds) -> f32,
) {
    for lane in (0..LANES).filter(|lane| found.reaching >> lane & 1 == 1) {
        let score = wanted.units.score(found.sums[lane], accuracy.scales[lane]);
        let error = wanted.units.error(accuracy.residuals[lane]);
        if score + error >= wanted.bar {
            wanted.bar = seen(lane, Bounds { lower: score - error, upper: score + error });
        }
    }
}

/// Writes the codes of row `at` of a block, which lie four to a line, and what belongs to them.
fn set(
    block: &mut Block,
    dimension: usize,
    at: usize,
    codes: impl Iterator<Item = u8>,
    scale: f32,
    residual: f32,
) {
    let (group, lane) = (at / LANES, at % LANES);
    let per_group = padded_len(dimension) / QUAD;
    for (i, code) in codes.enumerate() {
        block.lines[group * per_group + i / QUAD].0[lane * QUAD + i % QUAD] = code;
    }
    block.accuracy[group].scales[lane] = scale;
    block.accuracy[group].residuals[lane] = residual;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unit(values: Vec<f32>) -> Option<Vec<f32>> {
        crate::template::UnitVector::normalise(values).ok().map(|vector| vector.values().to_vec())
    }

    /// Values of very different sizes, so that codes lose much.
    fn values(dimension: usize) -> impl Strategy<Value = Vec<f32>> {
        let value = (-1.0f32..1.0, 0u8..12).prop_map(|(v, power)| v * 0.3f32.powi(i32::from(power)));
        proptest::collection::vec(value, dimension)
    }

    proptest! {
        #[test]
        fn the_exact_score_lies_within_the_bounds(
            (rows, probe) in (1usize..150).prop_flat_map(|d| (proptest::collection::vec(values(d), 1..40), values(d)))
        ) {
            let Some(probe) = unit(probe) else { return Ok(()) };
            let exact: Vec<Vec<f32>> = rows.into_iter().filter_map(unit).collect();
            let mut rows = Rows::new(probe.len());
            exact.iter().for_each(|row| rows.push(row));
            let mut shown = Vec::new();
            rows.scan(&Probe::new(&probe), f32::MIN, |row, bounds| {
                shown.push((row, bounds));
                f32::MIN
            });
            prop_assert_eq!(shown.len(), exact.len(), "no row is left out and none appears that is not there");
            for (i, (row, bounds)) in shown.into_iter().enumerate() {
                let score: f64 = exact[row].iter().zip(&probe).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                prop_assert_eq!(row, i);
                prop_assert_eq!(rows.values(row), &exact[row][..]);
                prop_assert!(f64::from(bounds.lower) <= score && score <= f64::from(bounds.upper));
                prop_assert!(bounds.lower <= rows.score(row, &probe) && rows.score(row, &probe) <= bounds.upper);
            }
        }
    }

    #[test]
    fn r1_a_removed_row_leaves_nothing_behind() {
        let mut rows = Rows::new(3);
        rows.push(&[1.0, 0.0, 0.0]);
        rows.push(&[0.0, 0.6, 0.8]);
        rows.swap_remove(0);
        assert_eq!(rows.values(0), [0.0, 0.6, 0.8], "the last one took its place");
        let block = &rows.blocks[0];
        assert!(block.values[3..].iter().all(|v| *v == 0.0));
        let codes = block.lines.iter().flat_map(|line| line.0[QUAD..].iter());
        assert!(codes.copied().all(|code| code == 128));
        assert!(block.accuracy[0].scales[1..].iter().all(|scale| *scale == 0.0));
        rows.swap_remove(0);
        assert!(rows.blocks.is_empty());
    }
}
