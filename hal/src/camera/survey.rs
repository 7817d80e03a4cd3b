//! Which cameras this machine has, and what each of them offers.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::CameraFault;
use super::capture::system;
use super::controls::{Adjustable as _, Control};
use super::identity::{self, Identity};
use super::v4l2::{Capability, Device};

/// Device nodes looked at: a terminal has three cameras with up to six nodes each.
const NODES_MAX: usize = 64;

/// The cameras of this machine.
#[derive(Debug, Clone, Serialize)]
pub struct Survey {
    /// Those that can be opened, by node.
    pub cameras: Vec<Listed>,
    /// Nodes that cannot.
    pub closed: Vec<Closed>,
}

/// A camera of this machine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Listed {
    /// Its node; the number changes from boot to boot.
    pub node: PathBuf,
    /// What to pin it by.
    pub identity: Identity,
    /// Whether its pictures come from a program.
    pub from_program: bool,
    /// What it delivers.
    pub formats: Vec<Offer>,
}

/// A format with its sizes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Offer {
    /// Four-character code.
    pub code: String,
    /// The sizes; smallest and largest where the device scales.
    pub sizes: Vec<Size>,
}

/// A size with its rates.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Size {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Frames per second; fastest and slowest where any between will do.
    pub rates: Vec<f64>,
}

/// A node that cannot be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Closed {
    /// The node.
    pub node: PathBuf,
    /// Why.
    pub why: String,
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot be opened: {}", self.node.display(), self.why)
    }
}

/// Looks at every video node of this machine.
#[must_use]
pub fn survey() -> Survey {
    let (found, closed) = look_around();
    Survey { cameras: found.into_iter().map(Found::listed).collect(), closed }
}

/// The controls of a camera, with the values of this moment.
///
/// # Errors
/// [`CameraFault::System`] or [`CameraFault::Unplugged`] where the node cannot be opened or asked.
pub fn controls(node: &Path) -> Result<Vec<Control>, CameraFault> {
    let listed = Device::open(node).and_then(|device| device.controls());
    listed.map_err(|source| system(&node.display().to_string(), "list the controls", source))
}

/// An opened capture node.
pub(super) struct Found {
    pub(super) node: PathBuf,
    pub(super) device: Device,
    pub(super) identity: Identity,
    pub(super) links: Vec<String>,
    pub(super) from_program: bool,
    pub(super) codes: Vec<[u8; 4]>,
}

/// The capture nodes of this machine, and the nodes that could not be looked at.
pub(super) fn look_around() -> (Vec<Found>, Vec<Closed>) {
    let (mut found, mut closed) = (Vec::new(), Vec::new());
    for node in nodes() {
        match Found::open(&node) {
            Ok(Some(one)) => found.push(one),
            Ok(None) => {}
            Err(e) => closed.push(Closed { node, why: e.to_string() }),
        }
    }
    (found, closed)
}

/// The video nodes of this machine, in order.
fn nodes() -> Vec<PathBuf> {
    let number = |path: &PathBuf| {
        let name = path.file_name()?.to_str()?;
        name.strip_prefix("video")?.parse::<u32>().ok()
    };
    let Ok(entries) = fs::read_dir("/dev") else { return Vec::new() };
    let mut nodes: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| number(path).is_some())
        .take(NODES_MAX)
        .collect();
    nodes.sort_by_key(number);
    nodes
}

impl Found {
    /// Opens a node; `None` where it does not capture pictures.
    fn open(path: &Path) -> io::Result<Option<Self>> {
        let device = Device::open(path)?;
        let Capability { driver, card, bus, captures } = device.capability()?;
        if !captures {
            return Ok(None);
        }
        let (major, minor) = device.number()?;
        let node = identity::Node::look_up(Path::new("/sys"), Path::new("/dev"), major, minor);
        Ok(Some(Self {
            node: path.to_owned(),
            codes: device.formats(),
            device,
            from_program: identity::is_virtual(&driver, &bus, &node),
            identity: Identity { driver, card, bus, usb: node.usb, by_path: node.links.first().cloned() },
            links: node.links,
        }))
    }

    fn listed(self) -> Listed {
        let size =
            |code, (width, height)| Size { width, height, rates: self.device.rates(code, width, height) };
        let offer = |code: &[u8; 4]| Offer {
            code: String::from_utf8_lossy(code).into_owned(),
            sizes: self.device.sizes(*code).into_iter().map(|sides| size(*code, sides)).collect(),
        };
        let formats = self.codes.iter().map(offer).collect();
        Listed { formats, node: self.node, identity: self.identity, from_program: self.from_program }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_camera_has_a_node_of_its_own() {
        let Survey { cameras, closed } = survey();
        let mut nodes: Vec<_> =
            cameras.iter().map(|one| &one.node).chain(closed.iter().map(|one| &one.node)).collect();
        let count = nodes.len();
        nodes.sort();
        nodes.dedup();
        assert_eq!(nodes.len(), count);
    }

    #[test]
    fn a_node_that_is_no_camera_is_told_and_has_no_controls() {
        assert_eq!(controls(Path::new("/dev/null")).unwrap(), []);
        let fault = controls(Path::new("/dev/no-such-camera")).unwrap_err();
        assert!(fault.to_string().contains("/dev/no-such-camera"), "{fault}");
        assert!(Found::open(Path::new("/dev/null")).is_err());
    }
}
