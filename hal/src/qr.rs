//! QR codes: read from a picture, and drawn for whoever prints one.
//!
//! A code is shown by anybody who likes, so the searching of a picture is bounded before it begins and contained while
//! it lasts: pictures are made small, those with more finder patterns than any honest scene are not searched (the
//! search tries all triples of them), payloads have a limit, and a panic of the decoder costs the picture. What a
//! payload means is decided elsewhere; here it is bytes.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use doorward_core::credential::PAYLOAD_LEN_MAX;
use doorward_core::frame::{Plane, Rgb};
use qrcodegen::{QrCode, QrCodeEcc};
use rqrr::PreparedImage;

/// Pictures are searched at most this wide, which keeps a code of 29 modules readable at a tenth of the width.
const WIDTH_MAX: u32 = 640;

/// Patterns that may be corners of a code. Three are; foliage and fabric have dozens. With this many the search takes
/// seconds, and the next power of two costs eight times that.
const FINDERS_MAX: usize = 256;

/// Codes looked at in one picture.
const CODES_MAX: usize = 4;

/// The payloads of the codes in a picture. A code that is damaged or holds more than 256 bytes is none.
#[must_use]
pub fn read(picture: &Plane<Rgb>) -> Vec<Vec<u8>> {
    let bitmap = Bitmap::of(picture);
    if bitmap.finders() > FINDERS_MAX {
        tracing::debug!("a picture has too many corner patterns to be searched for codes");
        return Vec::new();
    }
    // The decoder holds no state beyond this call, so nothing half-changed is left behind.
    let found = catch_unwind(AssertUnwindSafe(|| {
        let dark = |x: usize, y: usize| bitmap.dark[y * bitmap.width + x];
        let mut image = PreparedImage::prepare_from_bitmap(bitmap.width, bitmap.height, dark);
        let codes = image.detect_grids().into_iter().take(CODES_MAX);
        codes
            .filter_map(|code| {
                let mut payload = Bounded(Vec::new());
                code.decode_to(&mut payload).ok().map(|_| payload.0)
            })
            .collect()
    }));
    found.unwrap_or_else(|_| {
        tracing::warn!("the QR decoder panicked over a picture; it was dropped");
        Vec::new()
    })
}

/// Takes as many bytes as a payload may have, and no more.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > PAYLOAD_LEN_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A picture in two colours.
struct Bitmap {
    width: usize,
    height: usize,
    dark: Vec<bool>,
}

/// Where a row looks like the middle of a finder pattern.
#[derive(Clone, Copy)]
struct Hit {
    middle: usize,
    /// Rows in a row, this one included.
    rows: usize,
}

impl Bitmap {
    /// Dark is what is clearly darker than its surroundings: light falls unevenly on a hand-held code.
    fn of(picture: &Plane<Rgb>) -> Self {
        let step = picture.width().div_ceil(WIDTH_MAX) as usize;
        let (full, height) = (picture.width() as usize, picture.height() as usize / step);
        let width = full / step;
        let luma = |x: usize, y: usize| -> u64 {
            let [r, g, b] = picture.pixels()[y * step * full + x * step];
            (u64::from(r) * 77 + u64::from(g) * 150 + u64::from(b) * 29) >> 8
        };
        // Sums over the rectangle from the origin, so that a mean takes four look-ups.
        let mut sums = vec![0u64; (width + 1) * (height + 1)];
        for y in 0..height {
            let mut row = 0;
            for x in 0..width {
                row += luma(x, y);
                sums[(y + 1) * (width + 1) + x + 1] = sums[y * (width + 1) + x + 1] + row;
            }
        }
        let reach = (width / 16).max(2);
        let mut dark = Vec::with_capacity(width * height);
        for y in 0..height {
            let (top, bottom) = (y.saturating_sub(reach), (y + reach + 1).min(height));
            for x in 0..width {
                let (left, right) = (x.saturating_sub(reach), (x + reach + 1).min(width));
                let sum = |x: usize, y: usize| sums[y * (width + 1) + x];
                let total = sum(right, bottom) + sum(left, top) - sum(right, top) - sum(left, bottom);
                let count = ((right - left) * (bottom - top)) as u64;
                dark.push(luma(x, y) * count * 100 < total * 88);
            }
        }
        Self { width, height, dark }
    }

    /// How many places look like a finder pattern along a row, counted at least once for each real one. The tolerance
    /// is that of the decoder, which begins with the same look at every row.
    fn finders(&self) -> usize {
        let (mut count, mut above): (usize, Vec<Hit>) = (0, Vec::new());
        for row in self.dark.chunks_exact(self.width) {
            let mut here = Vec::new();
            for (middle, module) in hits(row) {
                let before = above.iter().find(|hit| hit.middle.abs_diff(middle) <= module.max(1));
                // A run that goes on for longer than a pattern is high may hide another one.
                let rows = before.map(|hit| hit.rows + 1).filter(|rows| *rows <= 4 * module + 2).unwrap_or(1);
                count += usize::from(rows == 1);
                here.push(Hit { middle, rows });
            }
            above = here;
        }
        count
    }
}

/// Where a row runs dark, light, dark, light, dark in lengths of 1:1:3:1:1: the middle, and the length of one.
fn hits(row: &[bool]) -> Vec<(usize, usize)> {
    let mut runs: Vec<usize> = Vec::new();
    let (mut found, mut at) = (Vec::new(), 0);
    for run in row.chunk_by(|a, b| a == b) {
        at += run.len();
        runs.push(run.len());
        let Some([a, b, c, d, e]) = runs.last_chunk::<5>().copied() else { continue };
        let module = (a + b + d + e) / 4;
        let slack = module * 3 / 4;
        let near = |length: usize, modules: usize| length.abs_diff(modules * module) <= slack;
        if run[0] && near(a, 1) && near(b, 1) && near(c, 3) && near(d, 1) && near(e, 1) {
            found.push((at - e - d - c / 2, module));
        }
    }
    found
}

/// A QR code to be drawn.
pub struct Drawing(QrCode);

impl Drawing {
    /// The code of a payload; `None` for more than a code holds.
    #[must_use]
    pub fn of(payload: &[u8]) -> Option<Self> {
        QrCode::encode_binary(payload, QrCodeEcc::Medium).ok().map(Self)
    }

    /// Modules on a side, without the quiet zone.
    #[must_use]
    pub fn size(&self) -> u32 {
        self.0.size().cast_unsigned()
    }

    /// Whether a module is dark; those outside are not.
    #[must_use]
    pub fn is_dark(&self, x: u32, y: u32) -> bool {
        x < self.size() && y < self.size() && self.0.get_module(x.cast_signed(), y.cast_signed())
    }

    /// The code for a dark terminal window, two rows of modules a line, with its quiet zone.
    #[must_use]
    pub fn as_text(&self) -> String {
        const QUIET: u32 = 2;
        let side = self.size() + 2 * QUIET;
        let light = |x: u32, y: u32| match (x.checked_sub(QUIET), y.checked_sub(QUIET)) {
            (Some(x), Some(y)) => !self.is_dark(x, y),
            (None, _) | (_, None) => true,
        };
        let mut text = String::new();
        for y in (0..side).step_by(2) {
            for x in 0..side {
                text.push(match (light(x, y), y + 1 < side && light(x, y + 1)) {
                    (true, true) => '█',
                    (true, false) => '▀',
                    (false, true) => '▄',
                    (false, false) => ' ',
                });
            }
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// A picture of camera size with a code in it, `module` pixels a module, turned a little, on uneven grey with noise.
    fn held_up(payload: &[u8], module: f32, seed: u64) -> Plane<Rgb> {
        let code = Drawing::of(payload).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut picture = Plane::filled(640, 480, [0; 3]).unwrap();
        let side = code.size() as f32;
        let (sin, cos) = 0.15f32.sin_cos();
        for (place, pixel) in picture.pixels_mut().iter_mut().enumerate() {
            let (x, y) = ((place % 640) as f32 - 320.0, (place / 640) as f32 - 240.0);
            let (u, v) =
                ((x * cos + y * sin) / module + side / 2.0, (y * cos - x * sin) / module + side / 2.0);
            let paper = u > -4.0 && v > -4.0 && u < side + 4.0 && v < side + 4.0;
            #[expect(clippy::cast_possible_truncation, reason = "places within a small picture")]
            let dark = u >= 0.0 && v >= 0.0 && code.is_dark(u as u32, v as u32);
            let shade = 90 + place % 640 / 8;
            let base = if dark {
                20
            } else if paper {
                shade + 60
            } else {
                shade
            };
            *pixel = [u8::try_from(base + rng.random_range(0..12usize)).unwrap(); 3];
        }
        picture
    }

    #[test]
    fn a_code_that_is_held_up_is_read() {
        for (payload, module) in [
            (&b"DW1:00112233445566778899AABBCCDDEEFF"[..], 6.0),
            (b"short", 9.0),
            (b"DW1:00112233445566778899AABBCCDDEEFF", 4.0),
        ] {
            let found = read(&held_up(payload, module, 1));
            assert_eq!(found, [payload.to_vec()], "{module} pixels a module");
        }
    }

    #[test]
    fn q1_hostile_payloads_come_back_as_bytes_or_not_at_all() {
        for payload in [&b"' OR 1=1 --"[..], b"a\0b", b"\xff\xfe\x80", b"\x1b[2J\x1b]0;x\x07"] {
            assert_eq!(read(&held_up(payload, 8.0, 2)), [payload.to_vec()]);
        }
        let most = [b'x'; PAYLOAD_LEN_MAX];
        assert_eq!(read(&held_up(&most, 5.0, 3)), [most.to_vec()]);
        let beyond = [b'x'; PAYLOAD_LEN_MAX + 1];
        assert!(read(&held_up(&beyond, 5.0, 3)).is_empty(), "read, and dropped for its length");
        assert!(Drawing::of(&[0; 4096]).is_none(), "no code holds 4 kB");
    }

    #[test]
    fn q1_a_picture_full_of_corners_is_not_searched() {
        let ring = |x: u32, y: u32| {
            let (x, y) = ((x % 20) as i32 / 2 - 5, (y % 20) as i32 / 2 - 5);
            matches!(x.abs().max(y.abs()), 0 | 1 | 3)
        };
        let mut picture = Plane::filled(640, 480, [220; 3]).unwrap();
        for (place, pixel) in (0u32..).zip(picture.pixels_mut()) {
            if ring(place % 640, place / 640) {
                *pixel = [10; 3];
            }
        }
        assert!(Bitmap::of(&picture).finders() >= 32 * 24, "each pattern counts");
        assert!(read(&picture).is_empty());
        let one = Bitmap::of(&held_up(b"one code", 7.0, 4)).finders();
        assert!((3..=FINDERS_MAX / 2).contains(&one), "{one} in a picture with one code");
    }

    #[test]
    fn a_code_can_be_printed() {
        let text = Drawing::of(b"DW1:00112233445566778899AABBCCDDEEFF").unwrap().as_text();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines.iter().all(|line| line.chars().count() == lines[0].chars().count()));
        assert!(lines[0].chars().all(|c| c == '█'), "a quiet zone above");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn q1_no_picture_panics_or_makes_a_token_up(seed in any::<u64>(), coarse in 1u32..12) {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let cells: Vec<bool> = (0..64 * 64).map(|_| rng.random_bool(0.5)).collect();
            let mut picture = Plane::filled(160, 120, [200; 3]).unwrap();
            for (place, pixel) in (0u32..).zip(picture.pixels_mut()) {
                let (x, y) = (place % 160 / coarse % 64, place / 160 / coarse % 64);
                if cells[(y * 64 + x) as usize] {
                    *pixel = [30; 3];
                }
            }
            let tokens = read(&picture).iter().filter(|p| p.starts_with(b"DW1:")).count();
            prop_assert_eq!(tokens, 0);
        }
    }
}
