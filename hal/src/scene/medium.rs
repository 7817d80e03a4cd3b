//! What papers and screens make of a photograph, in the visible and in near infrared.

use doorward_core::frame::Rgb;

use super::composition::{Cut, Medium, Mounting, Shape};
use super::material::{BEZEL, CARBON, DYE_LOSS, EPAPER_BLACK, EPAPER_WHITE, LCD, OLED, PAPER};
use super::{byte, luminance, mix};

/// Everything that the prepared picture of a thing depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Make {
    pub(super) medium: Medium,
    pub(super) cut: Cut,
    pub(super) mounting: Mounting,
}

/// The build of a thing. A texel is a pixel of the picture where the thing rests.
pub(super) struct Build {
    pub(super) size: (u32, u32),
    /// Width of the border left and right, above and below.
    pub(super) border: (u32, u32),
    /// Radius of the corners.
    pub(super) corner: f32,
    /// Smallest and largest width of the pictured face.
    pub(super) face: (f32, f32),
    /// Side of a texel; `None` where the pictured face has the size of a head.
    pub(super) texel_mm: Option<f32>,
    /// Colour and reflectance where no picture is.
    pub(super) blank: (Rgb, f32),
}

/// How a surface reflects lamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Surface {
    Paper,
    Gloss,
    Glass,
    Film,
}

impl Surface {
    /// Spread of the emitter's reflection (standard deviation, pixels) and its peak in units of a white surface.
    ///
    /// A mirror of the reflectance R sends back as much as R π f²/4 white pixels do, f being the focal length in pixels:
    /// 4 % of 164,000. How far a surface spreads that is its gloss; matt paper spreads all of it.
    pub(super) fn glare(self) -> Option<(f32, f32)> {
        let spread = match self {
            Surface::Paper => return None,
            Surface::Gloss => 30.0,
            Surface::Glass => 3.0,
            Surface::Film => 60.0,
        };
        Some((spread, 6_560.0 / (std::f32::consts::TAU * spread * spread)))
    }
}

impl Medium {
    pub(super) fn surface(self) -> Surface {
        match self {
            Medium::DyePrint | Medium::CarbonPrint => Surface::Paper,
            Medium::GlossyPrint => Surface::Gloss,
            Medium::Phone | Medium::Tablet => Surface::Glass,
            Medium::EPaper => Surface::Film,
        }
    }

    pub(super) fn build(self) -> Build {
        let black = ([21, 22, 25], BEZEL);
        match self {
            // A3; a sheet of A4 has room for little but the face.
            Medium::DyePrint | Medium::GlossyPrint | Medium::CarbonPrint => Build {
                size: (228, 323),
                border: (9, 9),
                corner: 1.5,
                face: (110.0, 118.0),
                texel_mm: None,
                blank: ([238, 235, 226], PAPER),
            },
            // 72 x 150 mm.
            Medium::Phone => Build {
                size: (144, 300),
                border: (5, 6),
                corner: 20.0,
                face: (88.0, 96.0),
                texel_mm: Some(0.50),
                blank: black,
            },
            // 178 x 248 mm.
            Medium::Tablet => Build {
                size: (247, 344),
                border: (12, 14),
                corner: 16.0,
                face: (108.0, 116.0),
                texel_mm: Some(0.72),
                blank: black,
            },
            // 136 x 180 mm.
            Medium::EPaper => Build {
                size: (234, 310),
                border: (14, 20),
                corner: 10.0,
                face: (104.0, 112.0),
                texel_mm: Some(0.58),
                blank: ([58, 58, 60], BEZEL),
            },
        }
    }

    /// How a colour of the photograph comes out under the room's light.
    pub(super) fn colour(self, photo: Rgb) -> Rgb {
        let grey = luminance(photo);
        match self {
            // Ink on paper reaches neither the white nor the black nor the saturation of light.
            Medium::DyePrint | Medium::CarbonPrint => {
                let [r, g, b] = photo.map(|c| mix(grey, f32::from(c), 0.72) / 255.0);
                [byte(33.0 + 203.0 * r), byte(30.0 + 192.0 * g), byte(33.0 + 198.0 * b)]
            }
            Medium::GlossyPrint => {
                let [r, g, b] = photo.map(|c| mix(grey, f32::from(c), 0.86) / 255.0);
                [byte(20.0 + 218.0 * r), byte(18.0 + 208.0 * g), byte(20.0 + 212.0 * b)]
            }
            Medium::Phone => {
                let [r, g, b] = photo.map(|c| (f32::from(c) / 255.0).powf(1.05));
                [byte(6.0 + 236.0 * r), byte(7.0 + 246.0 * g), byte(12.0 + 240.0 * b)]
            }
            Medium::Tablet => {
                let [r, g, b] = photo.map(|c| (f32::from(c) / 255.0).powf(1.12));
                [byte(13.0 + 205.0 * r), byte(17.0 + 226.0 * g), byte(27.0 + 228.0 * b)]
            }
            // Sixteen greys between those of its pigments.
            Medium::EPaper => {
                let level = (grey / 17.0).round() / 15.0;
                [byte(44.0 + 118.0 * level), byte(45.0 + 120.0 * level), byte(44.0 + 112.0 * level)]
            }
        }
    }

    /// How much near infrared comes back where the photograph has this colour.
    pub(super) fn reflectance(self, photo: Rgb) -> f32 {
        let light = luminance(photo) / 255.0;
        match self {
            Medium::DyePrint | Medium::GlossyPrint => PAPER - DYE_LOSS * (1.0 - light),
            Medium::CarbonPrint => mix(CARBON, PAPER, light),
            // Their own light has no infrared.
            Medium::Phone => OLED,
            Medium::Tablet => LCD,
            Medium::EPaper => mix(EPAPER_BLACK, EPAPER_WHITE, (light * 15.0).round() / 15.0),
        }
    }
}

impl Shape {
    /// How far the edges of a sheet of half the width `half_mm` stand back, millimetres.
    pub(super) fn sag(self, cut: Cut, half_mm: f32) -> f32 {
        match (self, cut) {
            (Shape::Flat, _) => 0.0,
            (Shape::Curled, Cut::Whole | Cut::Head) => 9.0 * (half_mm / 148.0).powi(2),
            // Paper before a face bends around it as it likes.
            (Shape::Curled, Cut::FaceWithEyeHoles) => 6.0,
            // The radius of a head with hair: 110 mm; a sheet wider than the cylinder hangs down beside it.
            (Shape::Bent, _) => {
                let half = half_mm.min(95.0);
                110.0 - (110.0f32 * 110.0 - half * half).sqrt()
            }
        }
    }
}
