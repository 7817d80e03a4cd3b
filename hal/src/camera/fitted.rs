//! The cameras that are fitted, as the configuration names them: `[cameras.rgb]`, `[cameras.infrared]`,
//! `[cameras.depth]`. doord works with them, and so does the installer's tool.

use std::fmt::Display;

use serde::Deserialize;

use super::capture::CameraConfig;
use super::controls::Settings;
use super::identity::Identity;

/// The field of view that depth sensors commonly have, degrees.
const FIELD_OF_VIEW_DEFAULT: f32 = 70.0;

/// Controls that one camera may have set: more than any driver offers that a door needs.
const CONTROLS_MAX: usize = 64;

/// The section `[cameras]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CamerasSection {
    rgb: CameraSection,
    infrared: Option<CameraSection>,
    depth: Option<CameraSection>,
}

/// One camera.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct CameraSection {
    width: u32,
    height: u32,
    rate: u32,
    identity: Identity,
    #[serde(default)]
    allow_virtual: bool,
    /// Horizontal field of view, degrees.
    fov: Option<f32>,
    #[serde(default = "sixteen")]
    y16_bits: u8,
    #[serde(default = "thousand")]
    depth_unit_um: u32,
    #[serde(default)]
    controls: Settings,
}

fn sixteen() -> u8 {
    16
}

fn thousand() -> u32 {
    1000
}

/// The cameras of a terminal.
#[derive(Debug, Clone)]
pub struct Cameras {
    /// Colour.
    pub rgb: CameraConfig,
    /// Infrared.
    pub infrared: Option<CameraConfig>,
    /// Depth.
    pub depth: Option<CameraConfig>,
    /// Horizontal field of view of the depth camera, degrees.
    pub depth_fov: f32,
}

/// A value outside its bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} = {found}: {allowed}")]
pub struct OutOfBounds {
    /// The key with its section.
    pub key: String,
    /// What it says.
    pub found: String,
    /// What it may say.
    pub allowed: String,
}

impl CamerasSection {
    /// Checks every value. What a camera really offers is found out when it is opened.
    ///
    /// # Errors
    /// [`OutOfBounds`] for the first value that is.
    pub fn check(self) -> Result<Cameras, OutOfBounds> {
        let fov = self.depth.as_ref().and_then(|camera| camera.fov).unwrap_or(FIELD_OF_VIEW_DEFAULT);
        Ok(Cameras {
            rgb: self.rgb.check("rgb")?,
            infrared: self.infrared.map(|camera| camera.check("infrared")).transpose()?,
            depth: self.depth.map(|camera| camera.check("depth")).transpose()?,
            depth_fov: within("depth", "fov", fov, 20.0, 120.0)?,
        })
    }
}

impl CameraSection {
    fn check(self, name: &str) -> Result<CameraConfig, OutOfBounds> {
        within(name, "controls", self.controls.len(), 0, CONTROLS_MAX)?;
        Ok(CameraConfig {
            name: name.to_owned(),
            identity: self.identity,
            width: within(name, "width", self.width, 160, 4096)?,
            height: within(name, "height", self.height, 120, 4096)?,
            rate: within(name, "rate", self.rate, 1, 120)?,
            allow_virtual: self.allow_virtual,
            y16_bits: within(name, "y16_bits", self.y16_bits, 8, 16)?,
            depth_unit_um: within(name, "depth_unit_um", self.depth_unit_um, 1, 10_000)?,
            controls: self.controls,
        })
    }
}

fn within<T: PartialOrd + Display>(
    camera: &str,
    key: &str,
    value: T,
    low: T,
    high: T,
) -> Result<T, OutOfBounds> {
    if value >= low && value <= high {
        return Ok(value);
    }
    Err(OutOfBounds {
        key: format!("cameras.{camera}.{key}"),
        found: value.to_string(),
        allowed: format!("between {low} and {high} is allowed"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::camera::controls::Setting;

    fn section(change: &str, value: serde_json::Value) -> Result<Cameras, String> {
        let identity = json!({ "driver": "uvcvideo", "card": "c", "bus": "b" });
        let mut rgb = json!({ "width": 640, "height": 480, "rate": 30, "identity": identity });
        if !change.is_empty() {
            rgb[change] = value;
        }
        let read: Result<CamerasSection, _> =
            serde_json::from_value(json!({ "rgb": rgb.clone(), "depth": rgb }));
        read.map_err(|e| e.to_string())?.check().map_err(|e| e.to_string())
    }

    #[test]
    fn controls_are_numbers_switches_and_texts() {
        let controls = json!({ "gain": 20, "auto_exposure": "Manual Mode", "ir_emitter": true });
        let cameras = section("controls", controls).unwrap();
        let expected = [
            ("auto_exposure", Setting::Choice("Manual Mode".into())),
            ("gain", Setting::Number(20)),
            ("ir_emitter", Setting::Switch(true)),
        ];
        let expected = expected.map(|(name, setting)| (name.to_owned(), setting));
        assert!(cameras.rgb.controls.into_iter().eq(expected));
        assert!(section("controls", json!({ "gain": 1.5 })).is_err());
        assert!(section("controls", json!({ "gain": [1] })).is_err());
    }

    #[test]
    fn values_out_of_bounds_are_refused_with_the_camera_that_has_them() {
        let many: serde_json::Map<_, _> = (0..=CONTROLS_MAX).map(|i| (format!("c{i}"), json!(1))).collect();
        for (key, value, expected) in [
            ("width", json!(10), "cameras.rgb.width = 10: between 160 and 4096 is allowed"),
            ("height", json!(5000), "cameras.rgb.height = 5000"),
            ("rate", json!(0), "cameras.rgb.rate = 0"),
            ("y16_bits", json!(17), "cameras.rgb.y16_bits = 17"),
            ("depth_unit_um", json!(0), "cameras.rgb.depth_unit_um = 0"),
            ("fov", json!(1.0), "cameras.depth.fov = 1: between 20 and 120 is allowed"),
            ("controls", json!(many), "cameras.rgb.controls = 65: between 0 and 64"),
            ("contrls", json!({}), "unknown field `contrls`"),
        ] {
            let told = section(key, value).unwrap_err();
            assert!(told.contains(expected), "{told}");
        }
        let cameras = section("", json!(null)).unwrap();
        assert!(cameras.infrared.is_none() && cameras.depth.is_some());
        assert_eq!((cameras.rgb.y16_bits, cameras.depth_fov), (16, 70.0));
        assert!(!cameras.rgb.allow_virtual, "nobody gets a generated camera without asking for it");
    }
}
