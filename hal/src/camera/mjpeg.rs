//! JPEG frames of cameras, decoded within bounds: one baseline picture, whole or not at all.
//!
//! Two things are done before the decoder sees a frame. Motion JPEG cameras leave out the Huffman tables, because they
//! always are the ones of ITU-T T.81 Annex K; they are put before the scan where none are present. And the end marker
//! is checked and taken off: the decoder fills up what lies behind it, but reports a scan that runs out of bytes, which
//! is how a frame that lost a part on the bus is told from a whole one.

use doorward_core::frame::{Plane, Rgb};
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::pixels::PixelError;

/// The longest JPEG: a 4K frame of the best quality cameras deliver has about 8 MiB.
pub const JPEG_LEN_MAX: usize = 16 * 1024 * 1024;

/// The most pixels of a JPEG: twice 4K, 48 MiB once decoded.
pub const JPEG_PIXELS_MAX: usize = 4096 * 4096;

/// Scans of a baseline picture: one for each of its components at most.
const COMPONENTS_MAX: usize = 3;

const START_OF_IMAGE: [u8; 2] = [0xff, 0xd8];
const END_OF_IMAGE: [u8; 2] = [0xff, 0xd9];

/// The picture in `bytes`; what follows its end is ignored, because drivers pad.
///
/// # Errors
/// [`PixelError::Jpeg`] for anything truncated, broken, not baseline, or beyond the bounds.
pub fn decode(bytes: &[u8]) -> Result<Plane<Rgb>, PixelError> {
    if bytes.len() > JPEG_LEN_MAX {
        return Err(PixelError::Jpeg(format!("{} bytes, at most {JPEG_LEN_MAX} are read", bytes.len())));
    }
    let Headers { scan, tables } = Headers::of(bytes)?;
    let length = bytes[scan..].windows(2).position(|pair| pair == END_OF_IMAGE);
    let length =
        length.ok_or_else(|| PixelError::Jpeg("truncated: the end of the image is missing".to_owned()))?;
    let end = scan + length;
    if tables {
        return pixels(&bytes[..end]);
    }
    pixels(&[&bytes[..scan], &standard_tables(), &bytes[scan..end]].concat())
}

fn pixels(bytes: &[u8]) -> Result<Plane<Rgb>, PixelError> {
    let broken = |e: DecodeErrors| PixelError::Jpeg(e.to_string());
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .jpeg_set_out_colorspace(ColorSpace::RGB)
        .jpeg_set_max_scans(COMPONENTS_MAX)
        .set_max_width(doorward_core::frame::SIDE_MAX as usize)
        .set_max_height(doorward_core::frame::SIDE_MAX as usize);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(broken)?;
    let (width, height) = decoder.dimensions().ok_or_else(|| PixelError::Jpeg("no sides".to_owned()))?;
    let count = width.saturating_mul(height);
    if count > JPEG_PIXELS_MAX {
        return Err(PixelError::Jpeg(format!(
            "{width} x {height} pixels, at most {JPEG_PIXELS_MAX} in all are read"
        )));
    }
    if decoder.output_buffer_size() != Some(count * 3) {
        return Err(PixelError::Jpeg("not a colour or grey picture".to_owned()));
    }
    let mut pixels: Vec<Rgb> = vec![[0; 3]; count];
    decoder.decode_into(pixels.as_flattened_mut()).map_err(broken)?;
    let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
    Ok(Plane::new(side(width), side(height), pixels)?)
}

/// What has to be known of a JPEG before it is decoded.
struct Headers {
    /// Where the first scan starts.
    scan: usize,
    /// Whether Huffman tables came before it.
    tables: bool,
}

impl Headers {
    fn of(bytes: &[u8]) -> Result<Self, PixelError> {
        let truncated = || PixelError::Jpeg("truncated: no scan".to_owned());
        if !bytes.starts_with(&START_OF_IMAGE) {
            return Err(PixelError::Jpeg("not a JPEG".to_owned()));
        }
        let mut at = START_OF_IMAGE.len();
        let mut tables = false;
        loop {
            let marker = *bytes.get(at + 1).ok_or_else(truncated)?;
            if bytes[at] != 0xff {
                return Err(PixelError::Jpeg(format!("no marker at byte {at}")));
            }
            match marker {
                0xff => at += 1,
                0xda => return Ok(Self { scan: at, tables }),
                0xd9 => return Err(truncated()),
                0x01 | 0xd0..=0xd7 => at += 2,
                // Frames that are progressive, lossless, hierarchical or arithmetic: no camera sends them.
                0xc2 | 0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                    return Err(PixelError::Jpeg("not a baseline picture".to_owned()));
                }
                _ => {
                    tables |= marker == 0xc4;
                    let length = bytes.get(at + 2..at + 4).ok_or_else(truncated)?;
                    at += 2 + usize::from(u16::from_be_bytes([length[0], length[1]])).max(2);
                }
            }
        }
    }
}

/// One Huffman table of Annex K: class and number, codes per length, symbols.
struct Table {
    id: u8,
    counts: [u8; 16],
    symbols: &'static [u8],
}

const DC_SYMBOLS: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

#[rustfmt::skip]
const AC_LUMA_SYMBOLS: [u8; 162] = [
    0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07,
    0x22, 0x71, 0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0,
    0x24, 0x33, 0x62, 0x72, 0x82, 0x09, 0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x25, 0x26, 0x27, 0x28,
    0x29, 0x2a, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49,
    0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69,
    0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89,
    0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
    0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3, 0xc4, 0xc5,
    0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2,
    0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8,
    0xf9, 0xfa,
];

#[rustfmt::skip]
const AC_CHROMA_SYMBOLS: [u8; 162] = [
    0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71,
    0x13, 0x22, 0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09, 0x23, 0x33, 0x52, 0xf0,
    0x15, 0x62, 0x72, 0xd1, 0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25, 0xf1, 0x17, 0x18, 0x19, 0x1a, 0x26,
    0x27, 0x28, 0x29, 0x2a, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48,
    0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68,
    0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87,
    0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5,
    0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3,
    0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda,
    0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8,
    0xf9, 0xfa,
];

const TABLES: [Table; 4] = [
    Table { id: 0x00, counts: [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], symbols: &DC_SYMBOLS },
    Table { id: 0x01, counts: [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0], symbols: &DC_SYMBOLS },
    Table {
        id: 0x10,
        counts: [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7d],
        symbols: &AC_LUMA_SYMBOLS,
    },
    Table {
        id: 0x11,
        counts: [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77],
        symbols: &AC_CHROMA_SYMBOLS,
    },
];

/// The four tables as one DHT segment.
fn standard_tables() -> Vec<u8> {
    let mut body = Vec::with_capacity(420);
    for table in &TABLES {
        body.push(table.id);
        body.extend_from_slice(&table.counts);
        body.extend_from_slice(table.symbols);
    }
    let length = u16::try_from(body.len() + 2).expect("four tables have 418 bytes");
    [&[0xff, 0xc4], length.to_be_bytes().as_slice(), &body].concat()
}

#[cfg(test)]
mod tests {
    use image::ExtendedColorType::Rgb8;
    use image::codecs::jpeg::JpegEncoder;
    use proptest::prelude::*;

    use super::*;

    /// A picture with some texture, as a JPEG of standard tables.
    fn sample(width: u16, height: u16) -> Vec<u8> {
        let pixels: Vec<u8> = (0..height)
            .flat_map(|y| (0..width).map(move |x| (x, y)))
            .flat_map(|(x, y)| [x.wrapping_mul(5), y.wrapping_mul(7), x.wrapping_mul(y)])
            .map(|value| value.to_le_bytes()[0])
            .collect();
        let mut jpeg = Vec::new();
        JpegEncoder::new_with_quality(&mut jpeg, 90)
            .encode(&pixels, width.into(), height.into(), Rgb8)
            .unwrap();
        jpeg
    }

    /// The same JPEG as a Motion JPEG camera sends it: no Huffman tables.
    fn without_tables(jpeg: &[u8]) -> Vec<u8> {
        let mut out = jpeg[..2].to_vec();
        let mut at = 2;
        while jpeg[at + 1] != 0xda {
            let next = at + 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
            if jpeg[at + 1] != 0xc4 {
                out.extend_from_slice(&jpeg[at..next]);
            }
            at = next;
        }
        out.extend_from_slice(&jpeg[at..]);
        out
    }

    #[test]
    fn a_jpeg_without_huffman_tables_reads_like_one_with_them() {
        let whole = sample(64, 48);
        let bare = without_tables(&whole);
        assert!(bare.len() + 400 < whole.len(), "nothing was taken out");
        let plane = decode(&whole).unwrap();
        assert_eq!((plane.width(), plane.height()), (64, 48));
        assert_eq!(decode(&bare).unwrap(), plane);
    }

    #[test]
    fn padding_behind_the_end_is_ignored() {
        let mut padded = sample(32, 32);
        let plane = decode(&padded).unwrap();
        padded.extend([0; 5000]);
        assert_eq!(decode(&padded).unwrap(), plane);
    }

    #[test]
    fn c2_a_jpeg_truncated_anywhere_is_broken() {
        for whole in [sample(64, 48), without_tables(&sample(64, 48))] {
            for length in 0..whole.len() {
                assert!(decode(&whole[..length]).is_err(), "{length} of {} bytes were taken", whole.len());
            }
        }
    }

    #[test]
    fn c2_a_jpeg_that_lost_a_part_is_broken() {
        let whole = sample(320, 240);
        let scan = Headers::of(&whole).unwrap().scan;
        // A USB packet of a camera has up to 3072 bytes; shorter losses are found mostly, not always.
        for lost in [3072, 8000] {
            for cut in (scan + 50..whole.len() - 9000).step_by(997) {
                let lossy = [&whole[..cut], &whole[cut + lost..]].concat();
                assert!(decode(&lossy).is_err(), "{lost} bytes lost at {cut} of {}", whole.len());
            }
        }
    }

    #[test]
    fn c2_hostile_headers_are_refused() {
        let mut gigantic = sample(16, 16);
        let frame = gigantic.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        gigantic[frame + 5..frame + 9].fill(0xff);
        let mut zero = gigantic.clone();
        zero[frame + 5..frame + 9].fill(0);
        let mut large = gigantic.clone();
        large[frame + 5..frame + 9].copy_from_slice(&[0x1f, 0xff, 0x1f, 0xff]);
        for (name, bytes) in
            [("65535 pixels a side", gigantic), ("no pixels", zero), ("8191 pixels a side", large)]
        {
            assert!(matches!(decode(&bytes), Err(PixelError::Jpeg(_))), "{name}");
        }
        assert!(decode(&[]).is_err());
        assert!(decode(&[0xff, 0xd8, 0xff, 0xd9]).is_err());
        assert!(decode(&vec![0xff; 1 << 20]).is_err());
        assert!(decode(&vec![0xff; JPEG_LEN_MAX + 1]).is_err());
    }

    proptest! {
        #[test]
        fn c2_random_bytes_are_never_taken_for_a_picture(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            prop_assert!(decode(&bytes).is_err());
        }

        #[test]
        fn c2_a_jpeg_with_flipped_bytes_is_read_whole_or_refused(
            flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
            bare in any::<bool>(),
        ) {
            let mut bytes = if bare { without_tables(&sample(40, 24)) } else { sample(40, 24) };
            for (at, value) in flips {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            if let Ok(plane) = decode(&bytes) {
                prop_assert!(plane.pixels().len() <= JPEG_PIXELS_MAX);
            }
        }
    }
}
