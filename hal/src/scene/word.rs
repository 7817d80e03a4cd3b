//! Four 8-bit channels in one word: interpolating them together costs little more than one.

use doorward_core::frame::Rgb;

/// Red, green and blue in the low bytes, infrared in the high one.
pub(super) fn pack([r, g, b]: Rgb, infrared: u8) -> u32 {
    u32::from_le_bytes([r, g, b, infrared])
}

pub(super) fn unpack(word: u32) -> (Rgb, u8) {
    let [r, g, b, infrared] = word.to_le_bytes();
    ([r, g, b], infrared)
}

/// The word `t / 256` of the way from `a` to `b`, channel by channel; `t` is 0 to 256.
pub(super) fn between(a: u32, b: u32, t: u32) -> u32 {
    const EVEN: u32 = 0x00ff_00ff;
    const HALF: u32 = 0x0080_0080;
    // Two channels with a byte of room above each; no sum reaches beyond its room, so nothing wraps.
    let pair = |a: u32, b: u32| {
        (a & EVEN).wrapping_mul(256 - t).wrapping_add((b & EVEN).wrapping_mul(t)).wrapping_add(HALF)
    };
    ((pair(a, b) >> 8) & EVEN) | (pair(a >> 8, b >> 8) & !EVEN)
}

/// Four neighbours of `words` from index `at` on, rows of `width`, at `x`, `y` in 1/256 of their distance.
pub(super) fn bilinear(words: &[u32], width: usize, at: usize, x: u32, y: u32) -> u32 {
    let (top, bottom) = (&words[at..at + 2], &words[at + width..at + width + 2]);
    between(between(top[0], top[1], x), between(bottom[0], bottom[1], x), y)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_do_not_leak_into_each_other() {
        let (a, b) = (pack([0, 255, 17], 255), pack([255, 0, 17], 0));
        assert_eq!(between(a, b, 0), a);
        assert_eq!(between(a, b, 256), b);
        assert_eq!(unpack(between(a, b, 128)), ([128, 128, 17], 128));
        for t in 0..=256 {
            let ([r, g, same], infrared) = unpack(between(a, b, t));
            assert_eq!((same, g), (17, infrared));
            assert_eq!(u32::from(r), (255 * t + 128) >> 8);
        }
    }
}
