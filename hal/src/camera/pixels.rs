//! From a driver's bytes to planes. Pure; every length is checked, because the bytes come from a USB device.

use doorward_core::frame::{FrameError, Plane, Rgb};

use super::mjpeg;

/// The pixel formats that are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelFormat {
    /// Colour, semi-planar 4:2:0.
    Nv12,
    /// Colour, packed 4:2:2.
    Yuyv,
    /// Colour, one JPEG per frame.
    Mjpeg,
    /// Infrared or grey, 8 bit.
    Grey,
    /// Infrared, grey or depth, 16 bit little endian.
    Y16,
    /// Depth, 16 bit little endian, in units of the device.
    Z16,
}

impl PixelFormat {
    /// The four-character codes drivers use for it.
    #[must_use]
    pub const fn codes(self) -> &'static [&'static [u8; 4]] {
        match self {
            PixelFormat::Nv12 => &[b"NV12"],
            PixelFormat::Yuyv => &[b"YUYV"],
            PixelFormat::Mjpeg => &[b"MJPG", b"JPEG"],
            PixelFormat::Grey => &[b"GREY", b"Y8  "],
            PixelFormat::Y16 => &[b"Y16 "],
            PixelFormat::Z16 => &[b"Z16 "],
        }
    }
}

/// How one frame lies in its buffer, and what its numbers mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Pixel format.
    pub format: PixelFormat,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Bytes from one row to the next; not used by [`PixelFormat::Mjpeg`].
    pub stride: u32,
    /// Significant bits of [`PixelFormat::Y16`] as infrared, 8 to 16: sensors with 10 bits may leave the high ones empty.
    pub y16_bits: u8,
    /// Micrometres per unit of a depth value.
    pub depth_unit_um: u32,
}

/// Bytes that are no picture of their layout.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PixelError {
    /// Fewer bytes than the layout needs.
    #[error("the buffer holds {found} bytes, {needed} are needed")]
    Short {
        /// Bytes needed.
        needed: u64,
        /// Bytes found.
        found: usize,
    },
    /// A row does not fit between two row starts.
    #[error("a row has {row} bytes, the driver leaves {stride} for it")]
    Stride {
        /// Bytes a row needs.
        row: u64,
        /// Bytes from row to row.
        stride: u32,
    },
    /// A side of zero or too large.
    #[error(transparent)]
    Size(#[from] FrameError),
    /// Not a JPEG, a broken one, or one beyond the bounds.
    #[error("jpeg: {0}")]
    Jpeg(String),
    /// The picture inside has other sides than were agreed.
    #[error("the picture has {found_width} x {found_height} pixels, {width} x {height} were agreed")]
    Sides {
        /// Width found.
        found_width: u32,
        /// Height found.
        found_height: u32,
        /// Width agreed.
        width: u32,
        /// Height agreed.
        height: u32,
    },
    /// The format does not carry pixels of this type.
    #[error("{0:?} does not carry these pixels")]
    Format(PixelFormat),
}

/// A pixel type that a camera can deliver: [`Rgb`], `u8` for infrared, `u16` for depth in millimetres.
pub trait Pixel: Copy + Send + Sync + 'static {
    /// The formats it can be read from, best first.
    const FORMATS: &'static [PixelFormat];

    /// The plane in `bytes`.
    ///
    /// # Errors
    /// [`PixelError`] for anything that is not a whole picture of `layout`.
    fn decode(bytes: &[u8], layout: &Layout) -> Result<Plane<Self>, PixelError>;
}

/// Uncompressed formats come first: the blocks of a JPEG lie exactly on the texture that liveness reads. JPEG is what is
/// left where the bus is too slow for the others.
impl Pixel for Rgb {
    const FORMATS: &'static [PixelFormat] = &[PixelFormat::Nv12, PixelFormat::Yuyv, PixelFormat::Mjpeg];

    fn decode(bytes: &[u8], layout: &Layout) -> Result<Plane<Rgb>, PixelError> {
        match layout.format {
            PixelFormat::Nv12 => nv12(bytes, layout),
            PixelFormat::Yuyv => yuyv(bytes, layout),
            PixelFormat::Mjpeg => {
                let plane = mjpeg::decode(bytes)?;
                let (found_width, found_height) = (plane.width(), plane.height());
                if (found_width, found_height) == (layout.width, layout.height) {
                    return Ok(plane);
                }
                Err(PixelError::Sides {
                    found_width,
                    found_height,
                    width: layout.width,
                    height: layout.height,
                })
            }
            other @ (PixelFormat::Grey | PixelFormat::Y16 | PixelFormat::Z16) => {
                Err(PixelError::Format(other))
            }
        }
    }
}

impl Pixel for u8 {
    const FORMATS: &'static [PixelFormat] = &[PixelFormat::Grey, PixelFormat::Y16];

    fn decode(bytes: &[u8], layout: &Layout) -> Result<Plane<u8>, PixelError> {
        match layout.format {
            PixelFormat::Grey => {
                let rows = rows(bytes, layout, u64::from(layout.width), layout.height)?;
                let mut pixels = Vec::with_capacity(layout.width as usize * layout.height as usize);
                rows.for_each(|row| pixels.extend_from_slice(row));
                plane(layout, pixels)
            }
            PixelFormat::Y16 => {
                let shift = u32::from(layout.y16_bits.clamp(8, 16)) - 8;
                let narrow = |value: u16| u8::try_from(value >> shift).unwrap_or(u8::MAX);
                plane(layout, words(bytes, layout, narrow)?)
            }
            other @ (PixelFormat::Nv12 | PixelFormat::Yuyv | PixelFormat::Mjpeg | PixelFormat::Z16) => {
                Err(PixelError::Format(other))
            }
        }
    }
}

impl Pixel for u16 {
    const FORMATS: &'static [PixelFormat] = &[PixelFormat::Z16, PixelFormat::Y16];

    fn decode(bytes: &[u8], layout: &Layout) -> Result<Plane<u16>, PixelError> {
        match layout.format {
            PixelFormat::Z16 | PixelFormat::Y16 => {
                let unit = u64::from(layout.depth_unit_um);
                let millimetres = |raw: u16| u16::try_from(u64::from(raw) * unit / 1000).unwrap_or(u16::MAX);
                plane(layout, words(bytes, layout, millimetres)?)
            }
            other @ (PixelFormat::Nv12 | PixelFormat::Yuyv | PixelFormat::Mjpeg | PixelFormat::Grey) => {
                Err(PixelError::Format(other))
            }
        }
    }
}

fn plane<P: Copy>(layout: &Layout, pixels: Vec<P>) -> Result<Plane<P>, PixelError> {
    Ok(Plane::new(layout.width, layout.height, pixels)?)
}

/// Refuses sides that no plane has before anything is computed or allocated from them.
fn check_sides(layout: &Layout) -> Result<(), PixelError> {
    let side = 1..=doorward_core::frame::SIDE_MAX;
    let (width, height) = (layout.width, layout.height);
    if side.contains(&width) && side.contains(&height) {
        return Ok(());
    }
    Err(PixelError::Size(FrameError::Size { width, height }))
}

/// `count` rows of `row` bytes each; the padding behind the last row may be missing.
fn rows<'a>(
    bytes: &'a [u8],
    layout: &Layout,
    row: u64,
    count: u32,
) -> Result<impl Iterator<Item = &'a [u8]> + use<'a>, PixelError> {
    check_sides(layout)?;
    if u64::from(layout.stride) < row {
        return Err(PixelError::Stride { row, stride: layout.stride });
    }
    let needed = u64::from(layout.stride) * u64::from(count - 1) + row;
    if (bytes.len() as u64) < needed {
        return Err(PixelError::Short { needed, found: bytes.len() });
    }
    let row = usize::try_from(row).expect("a row that fits into the buffer fits into memory");
    Ok(bytes.chunks(layout.stride as usize).take(count as usize).map(move |chunk| &chunk[..row]))
}

/// Pixels from little-endian 16-bit values.
fn words<P>(bytes: &[u8], layout: &Layout, pixel: impl Fn(u16) -> P) -> Result<Vec<P>, PixelError> {
    let rows = rows(bytes, layout, 2 * u64::from(layout.width), layout.height)?;
    let mut pixels = Vec::with_capacity(layout.width as usize * layout.height as usize);
    for row in rows {
        pixels.extend(row.as_chunks::<2>().0.iter().map(|pair| pixel(u16::from_le_bytes(*pair))));
    }
    Ok(pixels)
}

fn yuyv(bytes: &[u8], layout: &Layout) -> Result<Plane<Rgb>, PixelError> {
    let rows = rows(bytes, layout, 4 * u64::from(layout.width.div_ceil(2)), layout.height)?;
    let mut pixels = vec![[0; 3]; layout.width as usize * layout.height as usize];
    for (row, out) in rows.zip(pixels.chunks_mut(layout.width as usize)) {
        let (quads, _) = row.as_chunks::<4>();
        let (pairs, odd) = out.as_chunks_mut::<2>();
        for ([y0, u, y1, v], pair) in quads.iter().zip(pairs) {
            let chroma = Chroma::of(*u, *v);
            *pair = [chroma.with(*y0), chroma.with(*y1)];
        }
        if let ([last], [.., [y0, u, _, v]]) = (odd, quads) {
            *last = Chroma::of(*u, *v).with(*y0);
        }
    }
    plane(layout, pixels)
}

fn nv12(bytes: &[u8], layout: &Layout) -> Result<Plane<Rgb>, PixelError> {
    let luma = rows(bytes, layout, u64::from(layout.width), layout.height)?;
    // The chroma plane starts where the luma plane with all its padding ends, and has the same stride.
    let start = u64::from(layout.stride) * u64::from(layout.height);
    let start = usize::try_from(start).unwrap_or(usize::MAX).min(bytes.len());
    let chroma_row = 2 * u64::from(layout.width.div_ceil(2));
    let chroma: Vec<&[u8]> = rows(&bytes[start..], layout, chroma_row, layout.height.div_ceil(2))?.collect();
    let mut pixels = vec![[0; 3]; layout.width as usize * layout.height as usize];
    for (y, (row, out)) in luma.zip(pixels.chunks_mut(layout.width as usize)).enumerate() {
        let (colours, _) = chroma[y / 2].as_chunks::<2>();
        let (lumas, odd_luma) = row.as_chunks::<2>();
        let (pairs, odd) = out.as_chunks_mut::<2>();
        for (([u, v], [y0, y1]), pair) in colours.iter().zip(lumas).zip(pairs) {
            let chroma = Chroma::of(*u, *v);
            *pair = [chroma.with(*y0), chroma.with(*y1)];
        }
        if let ([last], [y0], [.., [u, v]]) = (odd, odd_luma, colours) {
            *last = Chroma::of(*u, *v).with(*y0);
        }
    }
    plane(layout, pixels)
}

/// The share of colour in a pixel, ITU-R BT.601 with video range (what V4L2 defaults to for YUV cameras), in 1/256.
struct Chroma {
    red: i32,
    green: i32,
    blue: i32,
}

impl Chroma {
    fn of(u: u8, v: u8) -> Self {
        let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
        Self { red: 409 * v + 128, green: 128 - 100 * u - 208 * v, blue: 516 * u + 128 }
    }

    fn with(&self, y: u8) -> Rgb {
        let luma = 298 * (i32::from(y) - 16);
        [self.red, self.green, self.blue].map(|share| clamp((luma + share) >> 8))
    }
}

fn clamp(value: i32) -> u8 {
    value.clamp(0, 255).to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn layout(format: PixelFormat, width: u32, height: u32, stride: u32) -> Layout {
        Layout { format, width, height, stride, y16_bits: 16, depth_unit_um: 1000 }
    }

    #[test]
    fn known_colours_come_out_of_yuyv_and_nv12() {
        // (Y, U, V) of BT.601 video range for white, black, red, green, blue.
        let known: [([u8; 3], Rgb); 5] = [
            ([235, 128, 128], [255, 255, 255]),
            ([16, 128, 128], [0, 0, 0]),
            ([81, 90, 240], [254, 0, 0]),
            ([145, 54, 34], [0, 255, 1]),
            ([41, 240, 110], [0, 0, 255]),
        ];
        for ([y, u, v], expected) in known {
            let near = |found: Rgb| found.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 2);
            let packed = yuyv(&[y, u, y, v], &layout(PixelFormat::Yuyv, 2, 1, 4)).unwrap();
            assert!(packed.pixels().iter().all(|p| near(*p)), "yuyv: {packed:?}, expected {expected:?}");
            let planar = nv12(&[y, y, y, y, u, v], &layout(PixelFormat::Nv12, 2, 2, 2)).unwrap();
            assert!(planar.pixels().iter().all(|p| near(*p)), "nv12: {planar:?}, expected {expected:?}");
        }
    }

    #[test]
    fn odd_sides_and_odd_strides_are_read_row_by_row() {
        // 3 x 2 grey with 5 bytes a row; the last row's padding is missing.
        let grey = u8::decode(&[1, 2, 3, 99, 99, 4, 5, 6], &layout(PixelFormat::Grey, 3, 2, 5)).unwrap();
        assert_eq!(grey.pixels(), [1, 2, 3, 4, 5, 6]);
        // 1 x 2 depth with 3 bytes a row.
        let depth = u16::decode(&[0x10, 0x27, 99, 0x01, 0x00], &layout(PixelFormat::Z16, 1, 2, 3)).unwrap();
        assert_eq!(depth.pixels(), [10_000, 1]);
        // 3 x 3 NV12 with 5 bytes a row: two chroma rows of two pairs.
        let mut bytes = vec![235; 15];
        bytes.extend([128; 9]);
        let colour = Rgb::decode(&bytes, &layout(PixelFormat::Nv12, 3, 3, 5)).unwrap();
        assert_eq!(colour.pixels(), [[255; 3]; 9]);
        // 3 x 1 YUYV: the second luma of the last pair belongs to nobody.
        let colour =
            Rgb::decode(&[235, 128, 235, 128, 16, 128, 235, 128], &layout(PixelFormat::Yuyv, 3, 1, 8))
                .unwrap();
        assert_eq!(colour.pixels(), [[255; 3], [255; 3], [0; 3]]);
    }

    #[test]
    fn sixteen_bits_become_eight_by_shift_and_depth_becomes_millimetres() {
        let bytes: Vec<u8> = [0x03ff_u16, 0x0200, 0xffff].iter().flat_map(|v| v.to_le_bytes()).collect();
        let mut ten = layout(PixelFormat::Y16, 3, 1, 6);
        ten.y16_bits = 10;
        assert_eq!(u8::decode(&bytes, &ten).unwrap().pixels(), [255, 128, 255]);
        assert_eq!(u8::decode(&bytes, &layout(PixelFormat::Y16, 3, 1, 6)).unwrap().pixels(), [3, 2, 255]);
        let mut fine = layout(PixelFormat::Z16, 3, 1, 6);
        fine.depth_unit_um = 100;
        assert_eq!(u16::decode(&bytes, &fine).unwrap().pixels(), [102, 51, 6553]);
        fine.depth_unit_um = 10_000;
        assert_eq!(u16::decode(&bytes, &fine).unwrap().pixels(), [10_230, 5120, u16::MAX]);
    }

    #[test]
    fn c2_truncated_buffers_zero_and_gigantic_formats_are_refused() {
        let full = |format| match format {
            PixelFormat::Nv12 => 4 * 4 + 4 * 2,
            PixelFormat::Yuyv | PixelFormat::Y16 | PixelFormat::Z16 => 8 * 4,
            PixelFormat::Grey | PixelFormat::Mjpeg => 4 * 4,
        };
        for format in
            [PixelFormat::Nv12, PixelFormat::Yuyv, PixelFormat::Grey, PixelFormat::Y16, PixelFormat::Z16]
        {
            let stride = if matches!(format, PixelFormat::Nv12 | PixelFormat::Grey) { 4 } else { 8 };
            let right = layout(format, 4, 4, stride);
            assert!(reads(&vec![128; full(format)], &right), "{format:?} whole");
            for length in 0..full(format) {
                assert!(!reads(&vec![128; length], &right), "{format:?} of {length} bytes");
            }
            assert!(
                !reads(&[128; 64], &Layout { stride: stride - 1, ..right }),
                "{format:?} with a short stride"
            );
            for (width, height) in [(0, 4), (4, 0), (u32::MAX, 4), (4, u32::MAX), (u32::MAX, u32::MAX)] {
                assert!(!reads(&[128; 64], &Layout { width, height, stride: u32::MAX, ..right }));
            }
        }
    }

    /// Whether any pixel type takes the bytes.
    fn reads(bytes: &[u8], layout: &Layout) -> bool {
        Rgb::decode(bytes, layout).is_ok()
            || u8::decode(bytes, layout).is_ok()
            || u16::decode(bytes, layout).is_ok()
    }

    proptest! {
        #[test]
        fn c2_no_layout_and_no_bytes_make_a_decoder_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..600),
            width in 0u32..40, height in 0u32..40, stride in 0u32..90, which in 0usize..6,
            y16_bits in any::<u8>(), depth_unit_um in any::<u32>(),
        ) {
            let format = [PixelFormat::Nv12, PixelFormat::Yuyv, PixelFormat::Mjpeg, PixelFormat::Grey,
                PixelFormat::Y16, PixelFormat::Z16][which];
            let layout = Layout { format, width, height, stride, y16_bits, depth_unit_um };
            for plane in [Rgb::decode(&bytes, &layout).map(|p| p.pixels().len()),
                u8::decode(&bytes, &layout).map(|p| p.pixels().len()),
                u16::decode(&bytes, &layout).map(|p| p.pixels().len())].into_iter().flatten() {
                prop_assert_eq!(plane, (width * height) as usize);
            }
        }
    }
}
