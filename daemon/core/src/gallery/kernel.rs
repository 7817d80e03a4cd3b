//! The loop of a search that touches every template: integer dot products with the probe, and which of them matter.
//!
//! Templates lie interleaved: a [`Line`] of 64 bytes holds four consecutive values of sixteen templates, so that one
//! load fills a vector register, sixteen sums grow side by side and none of them has to be added up across a register.
//! Codes are stored with 128 added, as the instruction for unsigned times signed bytes wants them; the caller takes
//! the 128 out again, once per probe instead of once per template.
#![expect(
    unsafe_code,
    reason = "vector instructions chosen at run time; every kernel is tested to give the same integers"
)]

use zeroize::Zeroize;

/// Templates that lie interleaved, and sums that a kernel yields at a time.
pub(super) const LANES: usize = 16;

/// Consecutive values of one template inside a [`Line`].
pub(super) const QUAD: usize = 4;

/// Lines per turn of the kernels' loops: four independent sums hide the latency of the multiply-add.
const UNROLL: usize = 4;

/// A template is padded to a multiple of this many values.
pub(super) const STEP: usize = QUAD * UNROLL;

/// Four consecutive values of sixteen templates: code + 128 each, 128 where there is none.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Line(pub(super) [u8; LANES * QUAD]);

impl Zeroize for Line {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

/// Scales and residuals of sixteen templates.
#[derive(Clone, Copy, Zeroize)]
pub(super) struct Accuracy {
    pub(super) scales: [f32; LANES],
    pub(super) residuals: [f32; LANES],
}

/// How sums become bounds: a score from codes is (sum - bias) * (scale * `scale`), and at most
/// residual * `residual` + `rounding` away from the exact one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Units {
    pub(super) bias: i32,
    pub(super) scale: f32,
    pub(super) residual: f32,
    pub(super) rounding: f32,
}

impl Units {
    /// The score of a template from its sum and scale.
    pub(super) fn score(&self, sum: i32, scale: f32) -> f32 {
        (sum - self.bias) as f32 * (scale * self.scale)
    }

    /// How far the exact score can be from it.
    pub(super) fn error(&self, residual: f32) -> f32 {
        residual * self.residual + self.rounding
    }
}

/// What is looked for.
pub(super) struct Wanted<'a> {
    /// Codes of the probe, padded with 0 to a multiple of [`STEP`].
    pub(super) quads: &'a [[i8; QUAD]],
    pub(super) units: Units,
    /// Scores that cannot reach it do not matter.
    pub(super) bar: f32,
}

/// What came of sixteen templates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Code + 128 times probe code, summed up. At most 1024 * 255 * 127, far from the end of an `i32`.
    pub(super) sums: [i32; LANES],
    /// One bit for each template, the first one lowest: whether its score can reach the bar.
    pub(super) reaching: u16,
}

/// A way to search; all of them find the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kernel {
    /// Plain Rust.
    Scalar,
    /// 16 values at a time: any 64-bit ARM.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// 32 values at a time: x86-64 since 2013.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// 64 values at a time, multiplied and added by one instruction: x86-64 servers since 2019.
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
}

impl Kernel {
    /// Every kernel that this processor can run, slowest first.
    pub(super) fn available() -> Vec<Kernel> {
        let mut kernels = vec![Kernel::Scalar];
        #[cfg(target_arch = "aarch64")]
        kernels.push(Kernel::Neon);
        #[cfg(target_arch = "x86_64")]
        {
            if std::arch::is_x86_feature_detected!("avx2") {
                kernels.push(Kernel::Avx2);
            }
            if std::arch::is_x86_feature_detected!("avx512f")
                && std::arch::is_x86_feature_detected!("avx512vnni")
            {
                kernels.push(Kernel::Avx512Vnni);
            }
        }
        kernels
    }

    /// Searches groups of sixteen templates, each of as many lines as the probe has quads.
    pub(super) fn search(
        self,
        lines: &[Line],
        accuracy: &[Accuracy],
        wanted: &Wanted<'_>,
        found: &mut [Found],
    ) {
        let quads = wanted.quads.len();
        assert!(quads > 0 && quads.is_multiple_of(UNROLL), "the probe is padded");
        assert!(lines.len() == found.len() * quads && accuracy.len() == found.len(), "whole groups");
        let groups = lines.chunks_exact(quads).zip(accuracy).zip(found);
        match self {
            Kernel::Scalar => {
                groups.for_each(|((lines, accuracy), found)| scalar(lines, accuracy, wanted, found))
            }
            #[cfg(target_arch = "aarch64")]
            // SAFETY: NEON is part of the aarch64 targets.
            Kernel::Neon => groups.for_each(|((lines, accuracy), found)| unsafe {
                neon::group(lines, accuracy, wanted, found)
            }),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `available` gave out this kernel because the processor has these instructions.
            Kernel::Avx2 => groups
                .for_each(|((lines, accuracy), found)| unsafe { x86::avx2(lines, accuracy, wanted, found) }),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Kernel::Avx512Vnni => groups.for_each(|((lines, accuracy), found)| unsafe {
                x86::avx512_vnni(lines, accuracy, wanted, found)
            }),
        }
    }
}

fn scalar(lines: &[Line], accuracy: &Accuracy, wanted: &Wanted<'_>, found: &mut Found) {
    found.sums = [0; LANES];
    for (line, quad) in lines.iter().zip(wanted.quads) {
        for (sum, codes) in found.sums.iter_mut().zip(line.0.as_chunks::<QUAD>().0) {
            for (code, value) in codes.iter().zip(quad) {
                *sum += i32::from(*code) * i32::from(*value);
            }
        }
    }
    found.reaching = reaching(&found.sums, accuracy, wanted);
}

fn reaching(sums: &[i32; LANES], accuracy: &Accuracy, wanted: &Wanted<'_>) -> u16 {
    let mut bits = 0;
    for (lane, sum) in sums.iter().enumerate() {
        let score = wanted.units.score(*sum, accuracy.scales[lane]);
        let upper = score + wanted.units.error(accuracy.residuals[lane]);
        bits |= u16::from(upper >= wanted.bar) << lane;
    }
    bits
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256, __m256i, __m512i, _CMP_GE_OQ, _mm256_add_epi32, _mm256_add_ps, _mm256_and_si256,
        _mm256_cmp_ps, _mm256_cvtepi32_ps, _mm256_load_si256, _mm256_loadu_ps, _mm256_madd_epi16,
        _mm256_movemask_ps, _mm256_mul_ps, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_ps,
        _mm256_setzero_si256, _mm256_srli_epi16, _mm256_storeu_si256, _mm256_sub_epi32, _mm512_add_epi32,
        _mm512_add_ps, _mm512_cmp_ps_mask, _mm512_cvtepi32_ps, _mm512_dpbusd_epi32, _mm512_load_si512,
        _mm512_loadu_ps, _mm512_mul_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_si512,
        _mm512_storeu_si512, _mm512_sub_epi32,
    };

    use super::{Accuracy, Found, LANES, Line, QUAD, UNROLL, Wanted};

    #[target_feature(enable = "avx512f,avx512vnni")]
    pub(super) fn avx512_vnni(lines: &[Line], accuracy: &Accuracy, wanted: &Wanted<'_>, found: &mut Found) {
        let mut parts = [_mm512_setzero_si512(); UNROLL];
        for (lines, quads) in lines.as_chunks::<UNROLL>().0.iter().zip(wanted.quads.as_chunks::<UNROLL>().0) {
            for ((part, line), quad) in parts.iter_mut().zip(lines).zip(quads) {
                let values = _mm512_set1_epi32(i32::from_le_bytes(quad.map(i8::cast_unsigned)));
                *part = _mm512_dpbusd_epi32(*part, load512(line), values);
            }
        }
        let sums =
            _mm512_add_epi32(_mm512_add_epi32(parts[0], parts[1]), _mm512_add_epi32(parts[2], parts[3]));
        let units = &wanted.units;
        // SAFETY: scales, residuals and sums are sixteen numbers of 32 bits, the 64 bytes that are read or written;
        // none of these instructions needs an alignment.
        let (scales, residuals) = unsafe {
            _mm512_storeu_si512(found.sums.as_mut_ptr().cast(), sums);
            (_mm512_loadu_ps(accuracy.scales.as_ptr()), _mm512_loadu_ps(accuracy.residuals.as_ptr()))
        };
        let whole = _mm512_cvtepi32_ps(_mm512_sub_epi32(sums, _mm512_set1_epi32(units.bias)));
        let score = _mm512_mul_ps(whole, _mm512_mul_ps(scales, _mm512_set1_ps(units.scale)));
        let error = _mm512_mul_ps(residuals, _mm512_set1_ps(units.residual));
        let upper = _mm512_add_ps(score, _mm512_add_ps(error, _mm512_set1_ps(units.rounding)));
        found.reaching = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(upper, _mm512_set1_ps(wanted.bar));
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn load512(line: &Line) -> __m512i {
        // SAFETY: a line is 64 bytes on a boundary of 64.
        unsafe { _mm512_load_si512(line.0.as_ptr().cast()) }
    }

    /// Without the dot product instruction: even and odd bytes are widened to 16 bits, where the sum of two
    /// neighbours' products (at most 2 * 255 * 127) is exact in 32.
    #[target_feature(enable = "avx2")]
    pub(super) fn avx2(lines: &[Line], accuracy: &Accuracy, wanted: &Wanted<'_>, found: &mut Found) {
        let bytes = _mm256_set1_epi16(0xff);
        let mut parts = [_mm256_setzero_si256(); 4];
        for (line, quad) in lines.iter().zip(wanted.quads) {
            let (even, odd) = (spread(quad[0], quad[2]), spread(quad[1], quad[3]));
            for (half, codes) in load256(line).into_iter().enumerate() {
                let evens = _mm256_madd_epi16(_mm256_and_si256(codes, bytes), even);
                let odds = _mm256_madd_epi16(_mm256_srli_epi16::<8>(codes), odd);
                parts[half] = _mm256_add_epi32(parts[half], evens);
                parts[half + 2] = _mm256_add_epi32(parts[half + 2], odds);
            }
        }
        let low = _mm256_add_epi32(parts[0], parts[2]);
        let high = _mm256_add_epi32(parts[1], parts[3]);
        // SAFETY: `sums` is sixteen i32, twice the 32 bytes that are written; the stores need no alignment.
        unsafe {
            _mm256_storeu_si256(found.sums.as_mut_ptr().cast(), low);
            _mm256_storeu_si256(found.sums[LANES / 2..].as_mut_ptr().cast(), high);
        }
        found.reaching =
            reaching256(low, accuracy, 0, wanted) | reaching256(high, accuracy, LANES / 2, wanted);
    }

    /// [`super::reaching`] for eight templates, the bits in their place.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn reaching256(sums: __m256i, accuracy: &Accuracy, first: usize, wanted: &Wanted<'_>) -> u16 {
        let units = &wanted.units;
        let (scales, residuals) = (eight(&accuracy.scales, first), eight(&accuracy.residuals, first));
        let whole = _mm256_cvtepi32_ps(_mm256_sub_epi32(sums, _mm256_set1_epi32(units.bias)));
        let score = _mm256_mul_ps(whole, _mm256_mul_ps(scales, _mm256_set1_ps(units.scale)));
        let error = _mm256_mul_ps(residuals, _mm256_set1_ps(units.residual));
        let upper = _mm256_add_ps(score, _mm256_add_ps(error, _mm256_set1_ps(units.rounding)));
        let reaches = _mm256_cmp_ps::<_CMP_GE_OQ>(upper, _mm256_set1_ps(wanted.bar));
        u16::try_from(_mm256_movemask_ps(reaches)).expect("eight bits") << first
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn eight(numbers: &[f32; LANES], first: usize) -> __m256 {
        // SAFETY: the slice, which is checked, has the 32 bytes that are read; the load needs no alignment.
        unsafe { _mm256_loadu_ps(numbers[first..first + 8].as_ptr()) }
    }

    /// Two values as neighbouring 16-bit numbers, eight times.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn spread(low: i8, high: i8) -> __m256i {
        _mm256_set1_epi32(i32::from(high) << 16 | i32::from(i16::from(low).cast_unsigned()))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn load256(line: &Line) -> [__m256i; 2] {
        let (low, high) = line.0.split_at(LANES * QUAD / 2);
        // SAFETY: each half of a line is 32 bytes on a boundary of 32.
        unsafe { [_mm256_load_si256(low.as_ptr().cast()), _mm256_load_si256(high.as_ptr().cast())] }
    }
}

#[cfg(target_arch = "aarch64")]
mod neon {
    use std::arch::aarch64::{
        int8x16_t, int32x4_t, uint8x16_t, vaddq_s32, vdupq_n_s32, vdupq_n_u8, veorq_u8, vget_low_s8,
        vld1q_u8, vmlal_high_s8, vmlal_s8, vmull_high_s8, vmull_s8, vpadalq_s16, vpaddq_s32,
        vreinterpretq_s8_s32, vreinterpretq_s8_u8, vst1q_s32,
    };

    use super::{Accuracy, Found, Line, QUAD, Wanted, reaching};

    /// Signed times signed is what there is: codes lose their 128 before they are multiplied, and the sums get it back.
    #[target_feature(enable = "neon")]
    pub(super) fn group(lines: &[Line], accuracy: &Accuracy, wanted: &Wanted<'_>, found: &mut Found) {
        let mut parts = [[vdupq_n_s32(0); 2]; 4];
        for (lines, quads) in lines.as_chunks::<2>().0.iter().zip(wanted.quads.as_chunks::<2>().0) {
            let values = [spread(quads[0]), spread(quads[1])];
            for (quarter, part) in parts.iter_mut().enumerate() {
                multiply_add(part, [load(&lines[0], quarter), load(&lines[1], quarter)], values);
            }
        }
        let bias = vdupq_n_s32(wanted.units.bias);
        for (part, sums) in parts.iter().zip(found.sums.as_chunks_mut::<4>().0) {
            let total = vaddq_s32(vpaddq_s32(part[0], part[1]), bias);
            // SAFETY: `sums` is four i32, the 16 bytes that are written; the store needs no more alignment.
            unsafe { vst1q_s32(sums.as_mut_ptr(), total) };
        }
        found.reaching = reaching(&found.sums, accuracy, wanted);
    }

    /// Adds the products of two lines' quarters: two of them (at most 2 * 128 * 127) fit into 16 bits.
    #[inline]
    #[target_feature(enable = "neon")]
    fn multiply_add(part: &mut [int32x4_t; 2], codes: [int8x16_t; 2], values: [int8x16_t; 2]) {
        let low = vmull_s8(vget_low_s8(codes[0]), vget_low_s8(values[0]));
        let low = vmlal_s8(low, vget_low_s8(codes[1]), vget_low_s8(values[1]));
        let high = vmlal_high_s8(vmull_high_s8(codes[0], values[0]), codes[1], values[1]);
        part[0] = vpadalq_s16(part[0], low);
        part[1] = vpadalq_s16(part[1], high);
    }

    #[inline]
    #[target_feature(enable = "neon")]
    fn spread(quad: [i8; QUAD]) -> int8x16_t {
        vreinterpretq_s8_s32(vdupq_n_s32(i32::from_le_bytes(quad.map(i8::cast_unsigned))))
    }

    #[inline]
    #[target_feature(enable = "neon")]
    fn load(line: &Line, quarter: usize) -> int8x16_t {
        let bytes = &line.0.as_chunks::<16>().0[quarter];
        // SAFETY: `bytes` is the 16 bytes that are read; the load needs no alignment.
        let codes: uint8x16_t = unsafe { vld1q_u8(bytes.as_ptr()) };
        vreinterpretq_s8_u8(veorq_u8(codes, vdupq_n_u8(128)))
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// The sums one product at a time, from the definition alone.
    fn by_hand(lines: &[Line], probe: &[[i8; QUAD]], groups: usize) -> Vec<[i32; LANES]> {
        let sum = |group: usize, lane: usize| {
            let product = |i: usize| {
                let code = lines[group * probe.len() + i / QUAD].0[lane * QUAD + i % QUAD];
                i32::from(code) * i32::from(probe[i / QUAD][i % QUAD])
            };
            (0..probe.len() * QUAD).map(product).sum()
        };
        (0..groups).map(|group| std::array::from_fn(|lane| sum(group, lane))).collect()
    }

    fn agree(groups: usize, quads: usize, mut code: impl FnMut() -> u8, mut value: impl FnMut() -> i8) {
        let lines: Vec<Line> = (0..groups * quads).map(|_| Line(std::array::from_fn(|_| code()))).collect();
        let probe: Vec<[i8; QUAD]> = (0..quads).map(|_| std::array::from_fn(|_| value())).collect();
        let bias = 128 * probe.iter().flatten().map(|v| i32::from(*v)).sum::<i32>();
        let expected = by_hand(&lines, &probe, groups);
        let accuracy: Vec<Accuracy> = (0..groups)
            .map(|_| Accuracy {
                scales: std::array::from_fn(|_| f32::from(code()) / 9e4),
                residuals: std::array::from_fn(|lane| {
                    if lane == 5 { f32::NEG_INFINITY } else { f32::from(code()) / 3e4 }
                }),
            })
            .collect();
        let units = Units { bias, scale: 1e-3, residual: 1.01, rounding: 7e-3 };
        let upper = |sum: i32, group: &Accuracy, lane: usize| {
            units.score(sum, group.scales[lane]) + units.error(group.residuals[lane])
        };
        // A bar that some score reaches exactly, so that "reaches" and "surpasses" are told apart.
        let bar = expected.last().map_or(0.0, |sums| upper(sums[3], &accuracy[groups - 1], 3));
        for kernel in Kernel::available() {
            let mut found = vec![Found { sums: [-1; LANES], reaching: 0 }; groups];
            kernel.search(&lines, &accuracy, &Wanted { quads: &probe, units, bar }, &mut found);
            for ((found, sums), group) in found.iter().zip(&expected).zip(&accuracy) {
                assert_eq!(found.sums, *sums, "{kernel:?} with {quads} quads");
                for (lane, sum) in sums.iter().enumerate() {
                    let reaches = upper(*sum, group, lane) >= bar;
                    assert_eq!(
                        found.reaching >> lane & 1 == 1,
                        reaches,
                        "{kernel:?}, lane {lane}, bar {bar}"
                    );
                }
            }
        }
    }

    #[test]
    fn kernels_agree_on_random_codes() {
        let rng = std::cell::RefCell::new(ChaCha8Rng::seed_from_u64(1));
        let byte = || rng.borrow_mut().next_u32().to_le_bytes()[0];
        for quads in [4, 8, 12, 32, 36, 128, 256] {
            for groups in [0, 1, 2, 7] {
                agree(groups, quads, byte, || byte().cast_signed().max(-127));
            }
        }
    }

    #[test]
    fn kernels_agree_on_extremes() {
        for code in [0, 1, 127, 128, 129, 255] {
            for value in [-127, -1, 0, 1, 127] {
                agree(2, 256, || code, || value);
            }
        }
        let mut turn = 0u8;
        let alternate = move || {
            turn = turn.wrapping_add(1);
            if turn.is_multiple_of(2) { 255 } else { 1 }
        };
        let mut sign = 127i8;
        agree(3, 256, alternate, move || {
            sign = -sign;
            sign
        });
    }
}
