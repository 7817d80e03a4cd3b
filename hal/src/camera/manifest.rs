//! The list of a recording's frames: `recording.json`. Recordings come from anywhere, so nothing in it is believed: the
//! number of frames, every file name and the order of time are checked before the first file is opened.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::Duration;

use doorward_core::stamps::Stamps;
use doorward_core::time::Mono;
use serde::{Deserialize, Serialize};

/// The file's name.
pub(crate) const MANIFEST: &str = "recording.json";

/// The version written and read here.
const VERSION: u32 = 1;

/// The most frames of a recording: five and a half minutes at 30 frames a second; longer runs are several recordings.
pub const FRAMES_MAX: usize = 10_000;

/// The longest manifest: [`FRAMES_MAX`] entries of 400 bytes.
const MANIFEST_LEN_MAX: u64 = 4 * 1024 * 1024;

/// The longest file name.
const NAME_LEN_MAX: usize = 128;

/// Infrared and depth lie at most this far from their colour frame: enough to record sensors that drift apart.
const APART_MAX: Duration = Duration::from_secs(1);

/// Horizontal fields of view that depth sensors have, degrees.
const FIELD_OF_VIEW: std::ops::RangeInclusive<f32> = 10.0..=170.0;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    pub(crate) version: u32,
    /// Horizontal field of view of the depth camera, degrees.
    pub(crate) depth_fov: f32,
    pub(crate) frames: Vec<Entry>,
}

/// One moment. Infrared and depth have a time of their own only where it is not that of the colour frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    pub(crate) at_us: u64,
    pub(crate) sequence: u32,
    pub(crate) rgb: String,
    pub(crate) ir: Option<String>,
    pub(crate) depth: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ir_at_us: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) depth_at_us: Option<u64>,
}

impl Manifest {
    /// A manifest without frames yet.
    pub(crate) fn new(depth_fov: f32) -> Self {
        Self { version: VERSION, depth_fov, frames: Vec::new() }
    }

    /// Reads and checks the manifest of a folder; otherwise says what is wrong with it.
    pub(crate) fn read(folder: &Path) -> Result<Self, String> {
        let text = read_text(&folder.join(MANIFEST)).map_err(|e| format!("read {MANIFEST}: {e}"))?;
        let version = serde_json::from_str::<Version>(&text).map_err(|e| format!("{MANIFEST}: {e}"))?.version;
        if version != VERSION {
            return Err(format!("{MANIFEST}: version {version}, this program reads version {VERSION}"));
        }
        let manifest: Manifest = serde_json::from_str(&text).map_err(|e| format!("{MANIFEST}: {e}"))?;
        manifest.check().map_err(|why| format!("{MANIFEST}: {why}"))?;
        Ok(manifest)
    }

    /// Says what is wrong with it.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.frames.is_empty() || self.frames.len() > FRAMES_MAX {
            return Err(format!(
                "a recording has 1 to {FRAMES_MAX} frames, this one has {}",
                self.frames.len()
            ));
        }
        if !FIELD_OF_VIEW.contains(&self.depth_fov) {
            return Err(format!("a field of view of {} degrees is none", self.depth_fov));
        }
        let mut orders = <[Stamps; 3]>::default();
        for (i, frame) in self.frames.iter().enumerate() {
            for (order, member) in orders.iter_mut().zip(frame.members()) {
                let Some((name, at)) = member else { continue };
                check_name(name).map_err(|why| format!("frame {i}: {why}"))?;
                order
                    .admit(frame.sequence, at)
                    .map_err(|disorder| format!("frame {i}: {name}: {disorder}"))?;
                if at.apart(Mono(frame.at_us)) > APART_MAX {
                    return Err(format!("frame {i}: {name}: not of the moment of the colour frame"));
                }
            }
        }
        Ok(())
    }
}

impl Entry {
    /// File name and time of colour, infrared and depth.
    pub(crate) fn members(&self) -> [Option<(&str, Mono)>; 3] {
        let at = |own: Option<u64>| Mono(own.unwrap_or(self.at_us));
        [
            Some((&self.rgb, Mono(self.at_us))),
            self.ir.as_deref().map(|name| (name, at(self.ir_at_us))),
            self.depth.as_deref().map(|name| (name, at(self.depth_at_us))),
        ]
    }
}

/// What is read first, so that a manifest of another version is called that and not malformed.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    fs::File::open(path)?.take(MANIFEST_LEN_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MANIFEST_LEN_MAX {
        return Err(io::Error::other(format!("longer than {MANIFEST_LEN_MAX} bytes")));
    }
    Ok(text)
}

/// Names of files beside the manifest, and of nothing else.
fn check_name(name: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.is_empty() || name.len() > NAME_LEN_MAX || name.starts_with('.') || !name.chars().all(allowed) {
        return Err(format!("{name:?} is no file name of a recording (letters, digits, '.', '_', '-')"));
    }
    Ok(())
}
