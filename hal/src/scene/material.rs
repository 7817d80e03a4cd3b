//! How much near infrared (850 nm) materials reflect, and what the infrared camera makes of it. `docs/scenes.md` has the
//! sources and what is left out.

/// Reflectance of skin. Melanin hardly absorbs here, so tones differ little: the reference data of 100 people (Cooksey,
/// Allen, Tsai 2017) lie around this.
pub(super) const SKIN: f32 = 0.55;
/// Of hair and clothes whose tone in the visible is that of skin. Most dyes of cloth do not absorb here.
pub(super) const CLOTH_AND_HAIR: f32 = 0.50;
/// Of painted silicone, resin or paper pulp.
pub(super) const MASK: f32 = 0.62;
/// Of a wall or door in mid grey.
pub(super) const WALL: f32 = 0.60;
/// Of white paper.
pub(super) const PAPER: f32 = 0.85;
/// Of paper under solid carbon black.
pub(super) const CARBON: f32 = 0.07;
/// How much dye inks at their darkest take from paper: next to nothing.
pub(super) const DYE_LOSS: f32 = 0.04;
/// Of the layers of a liquid crystal display behind its glass: polarisers stop working here, and what gets through is
/// mostly not sent back.
pub(super) const LCD: f32 = 0.05;
/// Of a light-emitting display: metal electrodes behind a circular polariser; a mirror rather than a diffuser.
pub(super) const OLED: f32 = 0.04;
/// Of the black frame around a display.
pub(super) const BEZEL: f32 = 0.06;
/// Of electronic paper's white, titanium dioxide in oil behind a film, and of its black, a carbon pigment.
pub(super) const EPAPER_WHITE: f32 = 0.42;
pub(super) const EPAPER_BLACK: f32 = 0.07;
/// Of the hand that holds something, and of its sleeve.
pub(super) const SLEEVE: f32 = 0.35;
/// Of the black metal of a stand.
pub(super) const STAND: f32 = 0.08;

/// The level, above black, that the infrared camera gives to a white surface half a metre before it under the steady
/// emitter; beyond 255 it saturates. So skin reaches half the range there: exposure and gain are fixed, as they must be
/// where the emitter is modulated.
pub(super) const WHITE_AT_HALF_METRE: f32 = 230.0;
/// Black level.
pub(super) const BLACK: f32 = 11.0;
/// The distance that levels refer to, millimetres.
pub(super) const HALF_METRE: f32 = 500.0;

/// What a cornea reflects of light that falls on it squarely: Fresnel's law for its refractive index of 1.376.
const CORNEA_REFLECTANCE: f32 = 0.025;
/// Radius of a cornea, millimetres.
const CORNEA_RADIUS_MM: f32 = 7.8;

/// How bright the emitter's image in a cornea is, summed over the pixels it falls on, relative to a white surface at the
/// same distance; `pixel_mm` is the side of a pixel there. A convex mirror of radius R under the irradiance E sends
/// E R²/4 times its reflectance into each solid angle, a white surface of the area A sends E A/π.
pub(super) fn glint(pixel_mm: f32) -> f32 {
    CORNEA_REFLECTANCE * CORNEA_RADIUS_MM.powi(2) / 4.0 * std::f32::consts::PI / pixel_mm.powi(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glint_is_as_bright_as_a_pixel_of_skin_at_half_a_metre_and_fades_with_the_square_of_distance() {
        let near = glint(1.094);
        assert!((0.8..1.2).contains(&near), "{near}");
        assert!((glint(2.188) * 4.0 / near - 1.0).abs() < 1e-4);
    }
}
