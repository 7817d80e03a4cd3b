//! Photographs from files and uploads, decoded within bounds. Whoever sends one may be hostile: size, sides, memory
//! and work are limited before the decoder sees a pixel, and half a picture is refused instead of guessed.

use std::fs::File;
use std::io::{self, Cursor, Read as _};
use std::path::{Path, PathBuf};

use doorward_core::frame::{FrameError, Part, Plane, Rgb, SIDE_MAX};
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::imageops::{self, FilterType};
use image::metadata::Orientation;
use image::{
    DynamicImage, ExtendedColorType, ImageBuffer, ImageDecoder, ImageEncoder, ImageError, ImageFormat,
    ImageReader, Limits, RgbImage,
};

/// The largest file: four times the JPEG of a 50 megapixel camera at usual quality.
pub const BYTES_MAX: usize = 32 * 1024 * 1024;
/// The most pixels: the largest sensors of common telephones in their usual mode.
pub const PIXELS_MAX: u64 = 50_000_000;
/// The longest side of a decoded photograph. Larger ones are shrunk to it: a face that fills a tenth of it is still
/// twice as large as any model of a terminal looks at.
pub const WORK_SIDE_MAX: u32 = 2048;
/// Memory one decoder may take: [`PIXELS_MAX`] with four bytes each, and its tables.
const ALLOCATION_MAX: u64 = 256 * 1024 * 1024;
/// Scans of one JPEG. Progressive encoders write about ten; thousands of tiny ones are a way to burn time.
const SCANS_MAX: usize = 64;

/// A photograph that was refused.
#[derive(Debug, thiserror::Error)]
pub enum PhotoError {
    /// More than [`BYTES_MAX`].
    #[error("a photograph has at most {BYTES_MAX} bytes, this one has {0}")]
    TooLarge(u64),
    /// No PNG or JPEG signature.
    #[error("the file is neither PNG nor JPEG")]
    Format,
    /// The file ends before the picture does, or is no picture behind its signature.
    #[error("the photograph is damaged or incomplete: {0}")]
    Damaged(&'static str),
    /// Sides beyond what is accepted.
    #[error(
        "a photograph has 1 to {SIDE_MAX} pixels a side and at most {PIXELS_MAX} in all, this one is {width} x {height}"
    )]
    Sides {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// The decoder gave up.
    #[error("decode the photograph")]
    Decode(#[source] ImageError),
    /// The encoder gave up.
    #[error("encode the picture")]
    Encode(#[source] ImageError),
    /// The picture is no frame.
    #[error("use the photograph as a frame")]
    Frame(#[from] FrameError),
    /// The file could not be read.
    #[error("read photograph {path}")]
    File {
        /// Which file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
}

/// Decodes a PNG or JPEG, upright as its EXIF orientation says, and shrunk to a longest side of [`WORK_SIDE_MAX`].
///
/// Transparent pixels are laid over white. 16-bit and grey pictures become 8-bit colour.
///
/// # Errors
/// [`PhotoError`] for anything that is not one whole picture within the bounds.
pub fn decode(bytes: &[u8]) -> Result<Plane<Rgb>, PhotoError> {
    if bytes.len() > BYTES_MAX {
        return Err(PhotoError::TooLarge(bytes.len() as u64));
    }
    let format = image::guess_format(bytes).map_err(|_| PhotoError::Format)?;
    if format == ImageFormat::Jpeg {
        whole_jpeg(bytes)?;
    } else if format != ImageFormat::Png {
        return Err(PhotoError::Format);
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE_MAX);
    limits.max_image_height = Some(SIDE_MAX);
    limits.max_alloc = Some(ALLOCATION_MAX);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(PhotoError::Decode)?;
    let (width, height) = decoder.dimensions();
    let inside = (1..=SIDE_MAX).contains(&width) && (1..=SIDE_MAX).contains(&height);
    if !inside || u64::from(width) * u64::from(height) > PIXELS_MAX {
        return Err(PhotoError::Sides { width, height });
    }
    // A picture whose EXIF block is unreadable is still a picture.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let decoded = DynamicImage::from_decoder(decoder).map_err(PhotoError::Decode)?;
    let mut picture = DynamicImage::ImageRgb8(opaque(decoded));
    if width.max(height) > WORK_SIDE_MAX {
        picture = picture.resize(WORK_SIDE_MAX, WORK_SIDE_MAX, FilterType::Triangle);
    }
    picture.apply_orientation(orientation);
    plane(&picture.into_rgb8())
}

/// Reads and decodes a file; see [`decode`]. Reads at most one byte more than [`BYTES_MAX`].
///
/// # Errors
/// [`PhotoError`].
pub fn open(path: &Path) -> Result<Plane<Rgb>, PhotoError> {
    let fault = |source| PhotoError::File { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).map_err(fault)?.take(BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(fault)?;
    decode(&bytes)
}

/// A JPEG of the picture; `quality` 1 to 100.
///
/// # Errors
/// [`PhotoError::Encode`].
pub fn encode_jpeg(picture: &Plane<Rgb>, quality: u8) -> Result<Vec<u8>, PhotoError> {
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, quality.clamp(1, 100));
    let (width, height) = (picture.width(), picture.height());
    encoder
        .write_image(picture.pixels().as_flattened(), width, height, ExtendedColorType::Rgb8)
        .map_err(PhotoError::Encode)?;
    Ok(bytes)
}

/// A PNG of the picture.
///
/// # Errors
/// [`PhotoError::Encode`].
pub fn encode_png(picture: &Plane<Rgb>) -> Result<Vec<u8>, PhotoError> {
    png(picture.pixels().as_flattened(), picture.width(), picture.height(), ExtendedColorType::Rgb8)
}

/// A grey PNG of an infrared picture.
///
/// # Errors
/// [`PhotoError::Encode`].
pub fn encode_png_grey(picture: &Plane<u8>) -> Result<Vec<u8>, PhotoError> {
    png(picture.pixels(), picture.width(), picture.height(), ExtendedColorType::L8)
}

/// A 16-bit grey PNG of a depth picture; values are millimetres.
///
/// # Errors
/// [`PhotoError::Encode`].
pub fn encode_png_depth(picture: &Plane<u16>) -> Result<Vec<u8>, PhotoError> {
    // The encoder takes native byte order and turns it round itself.
    let bytes: Vec<u8> = picture.pixels().iter().flat_map(|mm| mm.to_ne_bytes()).collect();
    png(&bytes, picture.width(), picture.height(), ExtendedColorType::L16)
}

/// The picture at another size, each new pixel the mean of what it covers.
///
/// # Errors
/// [`PhotoError::Frame`] for sides of zero or beyond [`SIDE_MAX`].
pub fn resize(picture: &Plane<Rgb>, width: u32, height: u32) -> Result<Plane<Rgb>, PhotoError> {
    if width == 0 || height == 0 || width > SIDE_MAX || height > SIDE_MAX {
        return Err(FrameError::Size { width, height }.into());
    }
    let source = ImageBuffer::<image::Rgb<u8>, &[u8]>::from_raw(
        picture.width(),
        picture.height(),
        picture.pixels().as_flattened(),
    )
    .expect("a plane has as many pixels as its sides say");
    plane(&imageops::resize(&source, width, height, FilterType::Triangle))
}

/// A part of the picture, made smaller where its longer side has more than `longest` pixels.
///
/// # Errors
/// [`PhotoError::Frame`] for a part that is empty or not inside.
pub fn part(picture: &Plane<Rgb>, part: Part, longest: u32) -> Result<Plane<Rgb>, PhotoError> {
    let Part { x, y, width, height } = part;
    let inside = |from: u32, length: u32, side: u32| length > 0 && from < side && length <= side - from;
    if !inside(x, width, picture.width()) || !inside(y, height, picture.height()) {
        return Err(FrameError::Size { width, height }.into());
    }
    let rows = (y..y + height).flat_map(|row| &picture.row(row)[x as usize..(x + width) as usize]);
    let cut = Plane::new(width, height, rows.copied().collect())?;
    let side = width.max(height);
    if side <= longest {
        return Ok(cut);
    }
    let scaled = |length: u32| (u64::from(length) * u64::from(longest) / u64::from(side)).max(1);
    let small = |length| u32::try_from(scaled(length)).unwrap_or(longest);
    resize(&cut, small(width), small(height))
}

fn plane(picture: &RgbImage) -> Result<Plane<Rgb>, PhotoError> {
    let (pixels, _) = picture.as_raw().as_chunks::<3>();
    Ok(Plane::new(picture.width(), picture.height(), pixels.to_vec())?)
}

fn png(bytes: &[u8], width: u32, height: u32, colour: ExtendedColorType) -> Result<Vec<u8>, PhotoError> {
    let mut out = Vec::new();
    PngEncoder::new(&mut out).write_image(bytes, width, height, colour).map_err(PhotoError::Encode)?;
    Ok(out)
}

/// Lays what is transparent over white, so that colours hidden behind alpha 0 never show.
fn opaque(picture: DynamicImage) -> RgbImage {
    if !picture.color().has_alpha() {
        return picture.into_rgb8();
    }
    let source = picture.into_rgba8();
    RgbImage::from_fn(source.width(), source.height(), |x, y| {
        let [r, g, b, a] = source.get_pixel(x, y).0;
        let over = |c: u8| {
            let mixed = (u16::from(c) * u16::from(a) + 255 * (255 - u16::from(a)) + 127) / 255;
            u8::try_from(mixed).expect("a mean of two bytes is a byte")
        };
        image::Rgb([over(r), over(g), over(b)])
    })
}

/// Walks the markers to the end of the picture. Decoders paint what is missing of a cut-off JPEG grey; here it is an
/// error, because a grey half could hide the second face of a picture.
fn whole_jpeg(bytes: &[u8]) -> Result<(), PhotoError> {
    const END: u8 = 0xd9;
    const SCAN: u8 = 0xda;
    let cut = PhotoError::Damaged("the JPEG ends before its end marker");
    let mut at = 2;
    let mut scans = 0;
    loop {
        // A marker is 0xff and a code; fill bytes and entropy-coded data (0xff 0x00, restarts) lie before it.
        let Some(gap) =
            bytes[at..].windows(2).position(|w| w[0] == 0xff && !matches!(w[1], 0x00 | 0xff | 0xd0..=0xd7))
        else {
            return Err(cut);
        };
        let marker = bytes[at + gap + 1];
        at += gap + 2;
        if marker == END {
            return Ok(());
        }
        scans += usize::from(marker == SCAN);
        if scans > SCANS_MAX {
            return Err(PhotoError::Damaged("the JPEG has more scans than any camera writes"));
        }
        let Some(&[high, low]) = bytes.get(at..at + 2) else { return Err(cut) };
        at += usize::from(u16::from_be_bytes([high, low])).max(2);
        if at > bytes.len() {
            return Err(cut);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Left half red, right half blue, a white top row.
    fn flag(width: u32, height: u32) -> Plane<Rgb> {
        let pixels = (0..width * height)
            .map(|i| match (i % width, i / width) {
                (_, 0) => [255, 255, 255],
                (x, _) if x < width / 2 => [220, 20, 20],
                _ => [20, 20, 220],
            })
            .collect();
        Plane::new(width, height, pixels).unwrap()
    }

    /// The JPEG with an EXIF block that says `orientation`.
    fn oriented(jpeg: &[u8], orientation: u8) -> Vec<u8> {
        let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
        exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
        let mut bytes = jpeg[..2].to_vec();
        bytes.extend([0xff, 0xe1]);
        bytes.extend(u16::try_from(exif.len() + 2).unwrap().to_be_bytes());
        bytes.extend(exif);
        bytes.extend(&jpeg[2..]);
        bytes
    }

    #[test]
    fn png_comes_back_exactly_and_jpeg_nearly() {
        let picture = flag(64, 48);
        assert_eq!(decode(&encode_png(&picture).unwrap()).unwrap(), picture);
        let jpeg = decode(&encode_jpeg(&picture, 92).unwrap()).unwrap();
        let [r, _, b] = jpeg.at(5, 40);
        assert!((jpeg.width(), jpeg.height()) == (64, 48) && r > 180 && b < 70);
    }

    #[test]
    fn a_turned_photograph_is_set_upright() {
        let jpeg = encode_jpeg(&flag(64, 32), 92).unwrap();
        let turned = decode(&oriented(&jpeg, 6)).unwrap();
        assert_eq!((turned.width(), turned.height()), (32, 64), "a quarter turn swaps the sides");
        let (top, bottom) = (turned.at(8, 8), turned.at(8, 56));
        assert!(top[0] > 180 && bottom[2] > 180, "the left half becomes the top: {top:?} {bottom:?}");
        let flipped = decode(&oriented(&jpeg, 3)).unwrap();
        assert!(flipped.at(8, 8)[2] > 180 && flipped.at(56, 8)[0] > 180);
    }

    #[test]
    fn c2_files_that_are_cut_off_are_refused_at_every_length() {
        let picture = flag(80, 60);
        let whole = encode_png(&picture).unwrap();
        for length in 0..whole.len() {
            // Nothing but the trailer may be missing without harm.
            if let Ok(decoded) = decode(&whole[..length]) {
                assert!(decoded == picture && length + 12 >= whole.len(), "{length} bytes");
            }
        }
        let whole = oriented(&encode_jpeg(&picture, 80).unwrap(), 1);
        for length in 0..whole.len() {
            assert!(decode(&whole[..length]).is_err(), "{length} of {} bytes", whole.len());
        }
    }

    #[test]
    fn c2_headers_that_ask_for_too_much_are_refused_before_decoding() {
        let png = encode_png(&flag(4, 4)).unwrap();
        for (width, height) in [(0u32, 4u32), (4, 0), (60_000, 60_000), (8000, 8000), (u32::MAX, u32::MAX)] {
            let mut hostile = png.clone();
            hostile[16..20].copy_from_slice(&width.to_be_bytes());
            hostile[20..24].copy_from_slice(&height.to_be_bytes());
            let checksum = crc32(&hostile[12..29]);
            hostile[29..33].copy_from_slice(&checksum.to_be_bytes());
            assert!(decode(&hostile).is_err(), "{width} x {height}");
        }
        let mut jpeg = encode_jpeg(&flag(16, 16), 80).unwrap();
        let frame = jpeg.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
        jpeg[frame + 5..frame + 9].copy_from_slice(&[0x1f, 0x40, 0x1f, 0x40]);
        assert!(matches!(decode(&jpeg), Err(PhotoError::Sides { width: 8000, height: 8000 })));
        assert!(matches!(decode(&vec![0xff; BYTES_MAX + 1]), Err(PhotoError::TooLarge(_))));
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |crc, byte| {
            (0..8)
                .fold(crc ^ u32::from(*byte), |c, _| if c & 1 == 1 { 0xedb8_8320 ^ (c >> 1) } else { c >> 1 })
        })
    }

    #[test]
    fn c2_endless_scans_and_other_formats_are_refused() {
        let jpeg = encode_jpeg(&flag(16, 16), 80).unwrap();
        let scan = jpeg.windows(2).position(|w| w == [0xff, 0xda]).unwrap();
        let mut endless = jpeg[..scan].to_vec();
        for _ in 0..=SCANS_MAX {
            endless.extend(&jpeg[scan..jpeg.len() - 2]);
        }
        endless.extend([0xff, 0xd9]);
        assert!(matches!(decode(&endless), Err(PhotoError::Damaged(_))));
        for other in
            [&b"GIF89a\x01\0\x01\0\0\0\0;"[..], b"<svg/>", b"", b"BM\0\0\0\0", b"RIFF\0\0\0\0WEBPVP8 "]
        {
            assert!(matches!(decode(other), Err(PhotoError::Format)), "{other:?}");
        }
    }

    #[test]
    fn large_photographs_are_shrunk_and_transparency_turns_white() {
        let large = decode(&encode_jpeg(&flag(3000, 1500), 70).unwrap()).unwrap();
        assert_eq!((large.width(), large.height()), (2048, 1024));
        let hidden = png(&[9, 9, 9, 0, 9, 9, 9, 255], 2, 1, ExtendedColorType::Rgba8).unwrap();
        assert_eq!(decode(&hidden).unwrap().pixels(), &[[255; 3], [9; 3]]);
    }

    #[test]
    fn depth_survives_as_sixteen_bits() {
        let depth = Plane::new(2, 1, vec![412u16, 2500]).unwrap();
        let bytes = encode_png_depth(&depth).unwrap();
        let back = image::load_from_memory(&bytes).unwrap().into_luma16();
        assert_eq!(back.into_raw(), vec![412, 2500]);
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = open(Path::new("no/such/photo.jpg")).unwrap_err();
        assert!(error.to_string().contains("no/such/photo.jpg"));
    }

    proptest! {
        #[test]
        fn c2_random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), kind in 0..3u8) {
            let prefix: &[u8] = match kind {
                0 => &[0xff, 0xd8, 0xff],
                1 => b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
                _ => &[],
            };
            let result = decode(&[prefix, &bytes].concat());
            prop_assert!(result.is_err() || kind < 2);
        }

        #[test]
        fn c2_flipped_bytes_never_panic(place in any::<prop::sample::Index>(), value in any::<u8>(), jpeg in any::<bool>()) {
            let picture = flag(40, 30);
            let mut bytes = if jpeg { encode_jpeg(&picture, 75).unwrap() } else { encode_png(&picture).unwrap() };
            let place = place.index(bytes.len());
            bytes[place] = value;
            if let Ok(decoded) = decode(&bytes) {
                prop_assert!(decoded.width() <= WORK_SIDE_MAX && decoded.height() <= WORK_SIDE_MAX);
            }
        }
    }
}
