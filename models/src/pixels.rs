//! From pictures to tensors: shrink, crop or warp, then one plane per channel, shifted and divided.
//!
//! A model's scores depend on every choice made here, so each is written into the manifest or pinned by a golden test,
//! and the manifest's `preprocessing` number changes when any of them does.

use doorward_core::frame::{Plane, Rgb};
use doorward_core::geometry::{Landmarks, Point, Rect, Similarity};
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use serde::Deserialize;

use crate::engine::Tensor;

/// Order of the channels in a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Colour {
    /// Red first.
    Rgb,
    /// Blue first.
    Bgr,
}

/// How the bytes 0 to 255 of a picture become numbers: `(byte - mean) / deviation` for each channel, the channels of
/// `mean` and `deviation` being in the order of the tensor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Normalisation {
    /// Order of the channels.
    pub colour: Colour,
    /// Subtracted, in units of the byte.
    pub mean: [f32; 3],
    /// Divided by, in units of the byte.
    pub deviation: [f32; 3],
}

impl Normalisation {
    /// Where red, green and blue go.
    fn channels(&self) -> [usize; 3] {
        match self.colour {
            Colour::Rgb => [0, 1, 2],
            Colour::Bgr => [2, 1, 0],
        }
    }

    /// The number that stands for `value` in the tensor's channel `channel`.
    #[must_use]
    pub fn apply(&self, channel: usize, value: f32) -> f32 {
        (value - self.mean[channel]) / self.deviation[channel]
    }
}

/// The five points cannot be mapped onto the template: they coincide or are not finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("align the face: its five landmarks coincide or are not finite")]
pub struct Unalignable;

/// Resizes pictures into tensors; keeps its buffers between calls.
pub struct Scaler {
    resizer: Resizer,
    bytes: Vec<u8>,
}

impl Default for Scaler {
    fn default() -> Self {
        Self::new()
    }
}

impl Scaler {
    /// A scaler with empty buffers.
    #[must_use]
    pub fn new() -> Self {
        Self { resizer: Resizer::new(), bytes: Vec::new() }
    }

    /// Fits the whole picture into the top left of a `[1, 3, height, width]` tensor, black to the right and below.
    /// Returns the factor by which lengths in the picture were multiplied.
    pub fn letterbox(&mut self, picture: &Plane<Rgb>, by: &Normalisation, into: &mut Tensor) -> f32 {
        let (height, width) = sides(into);
        let all = Rect { x: 0.0, y: 0.0, width: picture.width() as f32, height: picture.height() as f32 };
        let scale = (width as f32 / all.width).min(height as f32 / all.height);
        let fit = |length: f32, most: usize| whole(length * scale).clamp(1, most);
        let (across, down) = (fit(all.width, width), fit(all.height, height));
        // Averaging every pixel that a smaller one covers keeps small faces; enlarging needs neighbours instead.
        let algorithm = if scale < 1.0 {
            ResizeAlg::Convolution(FilterType::Box)
        } else {
            ResizeAlg::Interpolation(FilterType::Bilinear)
        };
        self.resize(picture, all, across, down, algorithm);
        if across < width || down < height {
            for (channel, plane) in into.values.chunks_exact_mut(width * height).enumerate() {
                plane.fill(by.apply(channel, 0.0));
            }
        }
        spread(&self.bytes, across, by, into);
        scale
    }

    /// Stretches `region`, which lies inside the picture, over the whole tensor. Bilinear between the nearest four
    /// pixels also where it shrinks, as the networks saw it in training.
    pub fn stretch(&mut self, picture: &Plane<Rgb>, region: Rect, by: &Normalisation, into: &mut Tensor) {
        let (height, width) = sides(into);
        self.resize(picture, region, width, height, ResizeAlg::Interpolation(FilterType::Bilinear));
        spread(&self.bytes, width, by, into);
    }

    fn resize(
        &mut self,
        picture: &Plane<Rgb>,
        region: Rect,
        width: usize,
        height: usize,
        algorithm: ResizeAlg,
    ) {
        let side = |length: usize| {
            u32::try_from(length).expect("tensor sides are checked when the manifest is read")
        };
        let source = picture.pixels().as_flattened();
        let source = ImageRef::new(picture.width(), picture.height(), source, PixelType::U8x3)
            .expect("a plane holds as many pixels as its sides say");
        self.bytes.resize(3 * width * height, 0);
        let mut target = Image::from_slice_u8(side(width), side(height), &mut self.bytes, PixelType::U8x3)
            .expect("the buffer was made to fit");
        let [left, top, across, down] = [region.x, region.y, region.width, region.height].map(f64::from);
        let options = ResizeOptions::new().resize_alg(algorithm).crop(left, top, across, down);
        self.resizer
            .resize(&source, &mut target, &options)
            .expect("both pictures are RGB and the region lies inside the source");
    }
}

/// Where the landmarks of a face are put, and how finely it is sampled there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alignment {
    /// Where the five landmarks lie in the tensor, pixels.
    pub template: [Point; 5],
    /// Most samples a side that are averaged for one pixel of the tensor where the face is larger than it. One takes
    /// the nearest four pixels and leaves out the rest; more let more pixels take part, which quietens the sensor's
    /// noise.
    pub samples_max: u8,
}

/// Warps the face so that its landmarks come to lie on the template, into a `[1, 3, height, width]` tensor. Bilinear;
/// what lies outside the picture is black. Answers the map from the picture into the tensor.
///
/// # Errors
/// [`Unalignable`].
pub fn align(
    picture: &Plane<Rgb>,
    landmarks: &Landmarks,
    alignment: &Alignment,
    normalisation: &Normalisation,
    into: &mut Tensor,
) -> Result<Similarity, Unalignable> {
    let (height, width) = sides(into);
    let there = Similarity::between(&landmarks.points(), &alignment.template).ok_or(Unalignable)?;
    let back = there.inverse();
    // Neighbouring pixels of the tensor lie this many pixels apart in the picture.
    let grid = whole(back.scale()).clamp(1, usize::from(alignment.samples_max));
    let offsets: Vec<f32> = (0..grid).map(|i| (i as f32 + 0.5) / grid as f32 - 0.5).collect();
    let channels = normalisation.channels();
    for row in 0..height {
        for column in 0..width {
            let mut sum = [0.0f32; 3];
            for offset_y in &offsets {
                for offset_x in &offsets {
                    let at = Point::new(column as f32 + offset_x, row as f32 + offset_y);
                    add_bilinear(picture, back.apply(at), &mut sum);
                }
            }
            for (value, channel) in sum.into_iter().zip(channels) {
                let mean = value / (grid * grid) as f32;
                into.values[(channel * height + row) * width + column] = normalisation.apply(channel, mean);
            }
        }
    }
    Ok(there)
}

/// Adds red, green and blue between the four pixels around `at`.
#[inline]
fn add_bilinear(picture: &Plane<Rgb>, at: Point, sum: &mut [f32; 3]) {
    let (left, top) = (below(at.x), below(at.y));
    let (right_share, bottom_share) = (at.x - left as f32, at.y - top as f32);
    let [a, b, c, d] = square(picture, left, top);
    for (i, sum) in sum.iter_mut().enumerate() {
        let (a, b, c, d) = (f32::from(a[i]), f32::from(b[i]), f32::from(c[i]), f32::from(d[i]));
        let (upper, lower) = (a + (b - a) * right_share, c + (d - c) * right_share);
        *sum += upper + (lower - upper) * bottom_share;
    }
}

/// The pixels at and right of `(left, top)`, and those below them; black outside the picture.
#[inline]
fn square(picture: &Plane<Rgb>, left: i32, top: i32) -> [Rgb; 4] {
    let width = picture.width() as usize;
    if let (Ok(x), Ok(y)) = (usize::try_from(left), usize::try_from(top))
        && x + 1 < width
        && y + 1 < picture.height() as usize
    {
        let pixels = &picture.pixels()[y * width + x..][..width + 2];
        return [pixels[0], pixels[1], pixels[width], pixels[width + 1]];
    }
    let inside = |at: i32, side: u32| u32::try_from(at).ok().filter(|at| *at < side);
    let pixel = |x: i32, y: i32| match (inside(x, picture.width()), inside(y, picture.height())) {
        (Some(x), Some(y)) => picture.at(x, y),
        (None, _) | (_, None) => [0; 3],
    };
    [pixel(left, top), pixel(left + 1, top), pixel(left, top + 1), pixel(left + 1, top + 1)]
}

/// Spreads interleaved RGB bytes, rows of `width`, over the top left of the tensor's planes.
fn spread(bytes: &[u8], width: usize, normalisation: &Normalisation, into: &mut Tensor) {
    let (height, full_width) = sides(into);
    let (pixels, _) = bytes.as_chunks::<3>();
    for (source, channel) in normalisation.channels().into_iter().enumerate() {
        let (mean, factor) = (normalisation.mean[channel], 1.0 / normalisation.deviation[channel]);
        let plane = &mut into.values[channel * height * full_width..][..height * full_width];
        for (row, line) in pixels.chunks_exact(width).zip(plane.chunks_exact_mut(full_width)) {
            row.iter()
                .zip(line)
                .for_each(|(pixel, value)| *value = (f32::from(pixel[source]) - mean) * factor);
        }
    }
}

/// Height and width of a `[1, 3, height, width]` tensor.
fn sides(tensor: &Tensor) -> (usize, usize) {
    match tensor.shape.as_slice() {
        [1, 3, height, width] => (*height, *width),
        shape => panic!("the manifest lets only [1, 3, height, width] pass, this tensor has {shape:?}"),
    }
}

/// The nearest whole number, zero for anything below.
#[expect(clippy::cast_possible_truncation, reason = "saturates, which is what is wanted")]
fn whole(value: f32) -> usize {
    value.round() as usize
}

/// The next whole number below.
#[expect(clippy::cast_possible_truncation, reason = "clamped, and a clamped pixel lies outside the picture")]
fn below(value: f32) -> i32 {
    // By hand: `floor` is a function call on processors without a rounding instruction.
    let cut = value.clamp(-1e9, 1e9) as i32;
    cut - i32::from(cut as f32 > value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: Normalisation = Normalisation { colour: Colour::Bgr, mean: [0.0; 3], deviation: [1.0; 3] };

    fn all(picture: &Plane<Rgb>) -> Rect {
        Rect { x: 0.0, y: 0.0, width: picture.width() as f32, height: picture.height() as f32 }
    }

    fn gradient(width: u32, height: u32) -> Plane<Rgb> {
        let shade = |v: u32, side: u32| u8::try_from(v * 255 / side.max(2)).unwrap();
        let pixels =
            (0..height).flat_map(|y| (0..width).map(move |x| [shade(x, width), shade(y, height), 77]));
        Plane::new(width, height, pixels.collect()).unwrap()
    }

    #[test]
    fn a_letterbox_keeps_proportions_and_blackens_the_rest() {
        let mut tensor = Tensor { shape: vec![1, 3, 8, 16], values: vec![9.0; 3 * 8 * 16] };
        let white = Plane::filled(40, 40, [255, 255, 255]).unwrap();
        let scale = Scaler::new().letterbox(&white, &RAW, &mut tensor);
        assert!((scale - 0.2).abs() < 1e-6);
        for (i, value) in tensor.values.iter().enumerate() {
            let expected = if i % 16 < 8 { 255.0 } else { 0.0 };
            assert!((value - expected).abs() < 0.5, "value {i} is {value}");
        }
    }

    #[test]
    fn channels_come_in_the_order_of_the_manifest() {
        let red = Plane::filled(4, 4, [200, 100, 50]).unwrap();
        let mut tensor = Tensor::zeros(&[1, 3, 4, 4]);
        Scaler::new().letterbox(&red, &RAW, &mut tensor);
        assert_eq!([tensor.values[0], tensor.values[16], tensor.values[32]], [50.0, 100.0, 200.0]);
        let rgb = Normalisation { colour: Colour::Rgb, mean: [100.0, 0.0, 0.0], deviation: [2.0, 1.0, 50.0] };
        Scaler::new().letterbox(&red, &rgb, &mut tensor);
        assert_eq!([tensor.values[0], tensor.values[16], tensor.values[32]], [50.0, 100.0, 1.0]);
    }

    #[test]
    fn a_stretch_samples_at_half_pixel_centres() {
        // Halving four pixels puts the samples between the first two and the last two.
        let pixels = [0u8, 100, 40, 200].map(|v| [v, v, v]).to_vec();
        let line = Plane::new(4, 1, pixels).unwrap();
        let mut tensor = Tensor::zeros(&[1, 3, 1, 2]);
        Scaler::new().stretch(&line, all(&line), &RAW, &mut tensor);
        assert_eq!(&tensor.values[..2], [50.0, 120.0]);
    }

    fn alignment(samples_max: u8) -> Alignment {
        let points = [(3.0, 3.0), (12.0, 3.0), (7.5, 7.0), (4.0, 11.0), (11.0, 11.0)];
        Alignment { template: points.map(|(x, y)| Point::new(x, y)), samples_max }
    }

    #[test]
    fn a_face_on_its_template_is_copied_and_beyond_the_border_is_black() {
        let template = alignment(2).template;
        let picture = gradient(16, 16);
        let mut tensor = Tensor::zeros(&[1, 3, 16, 16]);
        align(&picture, &Landmarks::from_points(template), &alignment(2), &RAW, &mut tensor).unwrap();
        for y in 0..16u32 {
            for x in 0..16u32 {
                let red = tensor.values[(2 * 256 + y * 16 + x) as usize];
                assert!((red - f32::from(picture.at(x, y)[0])).abs() < 0.1, "at {x}, {y}: {red}");
            }
        }
        let moved = template.map(|p| Point::new(p.x - 100.0, p.y));
        align(&picture, &Landmarks::from_points(moved), &alignment(2), &RAW, &mut tensor).unwrap();
        assert!(tensor.values.iter().all(|v| *v == 0.0));
    }

    #[test]
    fn a_large_face_is_averaged_over_its_pixels() {
        // Columns of black and white: one sample sees one of them, two a side see both.
        let stripes = (0..64 * 64).map(|i| if i % 2 == 0 { [0; 3] } else { [200; 3] }).collect();
        let picture = Plane::new(64, 64, stripes).unwrap();
        let landmarks =
            Landmarks::from_points(alignment(1).template.map(|p| Point::new(2.0 * p.x, 2.0 * p.y)));
        let mut tensor = Tensor::zeros(&[1, 3, 16, 16]);
        align(&picture, &landmarks, &alignment(1), &RAW, &mut tensor).unwrap();
        assert!(tensor.values.iter().all(|v| *v < 1.0));
        align(&picture, &landmarks, &alignment(2), &RAW, &mut tensor).unwrap();
        let inner = (1..15).flat_map(|y| (1..15).map(move |x| y * 16 + x));
        assert!(inner.into_iter().all(|i| (tensor.values[i] - 100.0).abs() < 1.0));
    }

    #[test]
    fn landmarks_without_extent_cannot_be_aligned() {
        let picture = gradient(16, 16);
        let mut tensor = Tensor::zeros(&[1, 3, 16, 16]);
        for bad in [Point::new(5.0, 5.0), Point::new(f32::NAN, 0.0), Point::new(f32::INFINITY, 0.0)] {
            let landmarks = Landmarks::from_points([bad; 5]);
            assert_eq!(align(&picture, &landmarks, &alignment(2), &RAW, &mut tensor), Err(Unalignable));
        }
    }

    #[test]
    fn far_away_landmarks_give_black_and_no_panic() {
        let template = alignment(2).template;
        let far = template.map(|p| Point::new(p.x * 1e12, p.y * 1e12));
        let mut tensor = Tensor::zeros(&[1, 3, 16, 16]);
        let _ = align(&gradient(16, 16), &Landmarks::from_points(far), &alignment(2), &RAW, &mut tensor);
        assert!(tensor.values.iter().all(|v| v.is_finite()));
    }
}
