//! The cameras that a terminal's configuration names. Of the file nothing but its `[cameras]` is read here; `doord
//! check-config` judges the rest.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use doorward_hal::camera::capture::CameraConfig;
use doorward_hal::camera::fitted::{Cameras, CamerasSection};
use serde::Deserialize;

use super::snap::Kind;
use crate::answer::{Answer, Stop};

/// Where a terminal has its configuration.
pub(super) const CONFIG: &str = "/etc/doorward/doord.toml";

/// A configuration file is text of a few kilobytes.
const FILE_LEN_MAX: u64 = 256 * 1024;

#[derive(Deserialize)]
struct Sections {
    cameras: CamerasSection,
}

/// The cameras of a configuration.
///
/// # Errors
/// When the file cannot be read, or what it says of cameras is wrong.
pub fn cameras(path: &Path) -> anyhow::Result<Cameras> {
    let mut text = String::new();
    let file = File::open(path).with_context(|| format!("read the configuration {}", path.display()))?;
    let read = file.take(FILE_LEN_MAX + 1).read_to_string(&mut text);
    read.with_context(|| format!("read the configuration {}", path.display()))?;
    if text.len() as u64 > FILE_LEN_MAX {
        bail!("{}: longer than {FILE_LEN_MAX} bytes", path.display());
    }
    parse(&text).with_context(|| path.display().to_string())
}

/// One camera of a configuration.
///
/// # Errors
/// [`Stop::Refused`] where none of this kind is fitted; otherwise as [`cameras`].
pub fn camera(path: &Path, kind: Kind) -> Answer<CameraConfig> {
    let all = cameras(path)?;
    let (section, camera) = match kind {
        Kind::Rgb => ("rgb", Some(all.rgb)),
        Kind::Infrared => ("infrared", all.infrared),
        Kind::Depth => ("depth", all.depth),
    };
    camera.ok_or_else(|| Stop::Refused(format!("{} has no section [cameras.{section}]", path.display())))
}

fn parse(text: &str) -> anyhow::Result<Cameras> {
    let sections: Sections = toml::from_str(text)?;
    Ok(sections.cameras.check()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = include_str!("../../../daemon/doord.toml");

    #[test]
    fn the_documented_configuration_names_three_cameras() {
        let cameras = parse(SAMPLE).unwrap();
        assert_eq!(cameras.rgb.identity.card, "Door camera: RGB");
        assert!(cameras.infrared.is_some() && cameras.depth.is_some());
        let wrong = parse(&SAMPLE.replacen("rate = 30", "rate = 0", 1)).unwrap_err();
        assert!(wrong.to_string().contains("cameras.rgb.rate = 0"), "{wrong}");
    }

    #[test]
    fn a_camera_that_is_not_fitted_and_a_file_that_is_not_there_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("doord.toml");
        let told = cameras(&path).unwrap_err().to_string();
        assert!(told.contains("doord.toml"), "{told}");
        let (before, after) = SAMPLE.split_once("[cameras.infrared]").unwrap();
        std::fs::write(&path, format!("{before}{}", &after[after.find("[cameras.depth]").unwrap()..]))
            .unwrap();
        assert!(camera(&path, Kind::Depth).is_ok());
        let Err(Stop::Refused(why)) = camera(&path, Kind::Infrared) else { panic!("found") };
        assert!(why.contains("no section [cameras.infrared]"), "{why}");
    }
}
