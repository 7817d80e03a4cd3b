//! Which camera this is. A terminal takes pictures only from the very device that was installed: a second camera, a
//! camera in another socket, or a program that pretends to be one is refused.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Drivers whose pictures come from a program or a generator.
const VIRTUAL_DRIVERS: [&str; 8] =
    ["v4l2 loopback", "v4l2loopback", "vivid", "vimc", "akvcam", "vicodec", "vim2m", "virtio-media"];

/// Links read from the folder of stable names; a terminal has a handful of cameras with a few nodes each.
const LINKS_MAX: usize = 256;

/// What names a camera. The configuration pins one; fields it leaves out are not compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Kernel driver, such as `uvcvideo`.
    pub driver: String,
    /// Name of the product, as the driver gives it.
    pub card: String,
    /// Where it is plugged in, such as `usb-0000:01:00.0-1.3`.
    pub bus: String,
    /// What the USB device says of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usb: Option<Usb>,
    /// Its name under `/dev/v4l/by-path`: socket and node number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_path: Option<String>,
}

/// A USB device's descriptor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usb {
    /// Vendor number, four hexadecimal digits.
    pub vendor: String,
    /// Product number, four hexadecimal digits.
    pub product: String,
    /// Serial number, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
}

impl Identity {
    /// What of `found` is not as pinned here; `None` if all is. `links` are all stable names of the found device.
    #[must_use]
    pub fn difference(&self, found: &Identity, links: &[String]) -> Option<String> {
        let pairs = [
            ("driver", &self.driver, &found.driver),
            ("card", &self.card, &found.card),
            ("bus", &self.bus, &found.bus),
        ];
        if let Some((what, pinned, there)) = pairs.into_iter().find(|(_, pinned, there)| pinned != there) {
            return Some(format!("{what} is {there:?}, {pinned:?} was installed"));
        }
        if let Some(pinned) = &self.usb
            && found.usb.as_ref() != Some(pinned)
        {
            return Some(format!("usb device is {:?}, {pinned:?} was installed", found.usb));
        }
        match &self.by_path {
            Some(pinned) if !links.contains(pinned) => Some(format!("it is not the device behind {pinned}")),
            Some(_) | None => None,
        }
    }
}

/// What the system knows of a device node besides what its driver says.
#[derive(Debug, Default)]
pub(crate) struct Node {
    /// The USB descriptor, for USB cameras.
    pub(crate) usb: Option<Usb>,
    /// All stable names, sorted.
    pub(crate) links: Vec<String>,
    /// Whether it hangs on no hardware.
    pub(crate) nowhere: bool,
}

impl Node {
    /// Looks up the device with number `major:minor` in the system's folders (`/sys` and `/dev` on a terminal). By
    /// number, because the number belongs to the open file and a path may meanwhile lead elsewhere.
    pub(crate) fn look_up(sys: &Path, dev: &Path, major: u32, minor: u32) -> Self {
        let place = fs::canonicalize(sys.join(format!("dev/char/{major}:{minor}"))).unwrap_or_default();
        Self {
            usb: usb(&place.join("device")),
            links: links(&dev.join("v4l/by-path"), major, minor),
            nowhere: place.components().any(|part| part.as_os_str() == "virtual"),
        }
    }
}

/// Whether pictures come from a program instead of a sensor.
pub(crate) fn is_virtual(driver: &str, bus: &str, node: &Node) -> bool {
    node.nowhere || VIRTUAL_DRIVERS.contains(&driver) || bus.contains("v4l2loopback")
}

/// The descriptor of the USB device that owns an interface.
fn usb(interface: &Path) -> Option<Usb> {
    let device = fs::canonicalize(interface).ok()?;
    let device = device.parent()?;
    let read = |name: &str| fs::read_to_string(device.join(name)).ok().map(|text| text.trim().to_owned());
    Some(Usb { vendor: read("idVendor")?, product: read("idProduct")?, serial: read("serial") })
}

fn links(folder: &Path, major: u32, minor: u32) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let is_it = |number: u64| (rustix::fs::major(number), rustix::fs::minor(number)) == (major, minor);
    let mut names: Vec<String> = entries
        .take(LINKS_MAX)
        .flatten()
        .filter(|entry| fs::metadata(entry.path()).is_ok_and(|target| is_it(target.rdev())))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn installed() -> Identity {
        Identity {
            driver: "uvcvideo".into(),
            card: "Door Camera: RGB".into(),
            bus: "usb-0000:01:00.0-1.3".into(),
            usb: Some(Usb { vendor: "2bc5".into(), product: "0501".into(), serial: Some("A17".into()) }),
            by_path: Some("platform-usb-0:1.3:1.0-video-index0".into()),
        }
    }

    #[test]
    fn c1_a_device_that_differs_in_anything_pinned_is_another_one() {
        let links = [installed().by_path.unwrap()];
        assert_eq!(installed().difference(&installed(), &links), None);
        type Change = fn(&mut Identity);
        let changes: [(&str, Change); 5] = [
            ("driver", |i| i.driver = "v4l2 loopback".into()),
            ("card", |i| i.card = "Door Camera: IR".into()),
            ("bus", |i| i.bus = "usb-0000:01:00.0-1.4".into()),
            ("usb", |i| i.usb.as_mut().unwrap().serial = Some("A18".into())),
            ("usb", |i| i.usb = None),
        ];
        for (what, change) in changes {
            let mut found = installed();
            change(&mut found);
            let told = installed().difference(&found, &links).expect(what);
            assert!(told.starts_with(what), "{told}");
        }
        assert!(installed().difference(&installed(), &[]).is_some(), "behind another socket");
        let loose = Identity { usb: None, by_path: None, ..installed() };
        assert_eq!(loose.difference(&installed(), &[]), None, "what is not pinned is not compared");
    }

    #[test]
    fn the_system_is_asked_by_device_number() {
        let root = tempfile::tempdir().unwrap();
        let (sys, dev) = (root.path().join("sys"), root.path().join("dev"));
        let device = sys.join("devices/pci0/usb1/1-3");
        fs::create_dir_all(device.join("1-3:1.0/video4linux/video0")).unwrap();
        fs::create_dir_all(sys.join("dev/char")).unwrap();
        fs::write(device.join("idVendor"), "2bc5\n").unwrap();
        fs::write(device.join("idProduct"), "0501\n").unwrap();
        symlink(device.join("1-3:1.0"), device.join("1-3:1.0/video4linux/video0/device")).unwrap();
        symlink(device.join("1-3:1.0/video4linux/video0"), sys.join("dev/char/81:0")).unwrap();
        // The null device stands in for a camera: number 1:3 exists everywhere.
        fs::create_dir_all(dev.join("v4l/by-path")).unwrap();
        symlink("/dev/null", dev.join("v4l/by-path/second")).unwrap();
        symlink("/dev/null", dev.join("v4l/by-path/first")).unwrap();
        symlink("/dev/zero", dev.join("v4l/by-path/other")).unwrap();

        let camera = Node::look_up(&sys, &dev, 81, 0);
        assert_eq!(camera.usb, Some(Usb { vendor: "2bc5".into(), product: "0501".into(), serial: None }));
        assert!(!is_virtual("uvcvideo", "usb-0000:01:00.0-1.3", &camera));
        assert_eq!(Node::look_up(&sys, &dev, 1, 3).links, ["first", "second"]);
        assert_eq!(Node::look_up(&sys, &dev, 81, 7).usb, None);
    }

    #[test]
    fn c1_loopback_and_generated_cameras_are_known_as_such() {
        let root = tempfile::tempdir().unwrap();
        let (sys, dev) = (root.path().join("sys"), root.path().join("dev"));
        fs::create_dir_all(sys.join("devices/virtual/video4linux/video9")).unwrap();
        fs::create_dir_all(sys.join("dev/char")).unwrap();
        symlink(sys.join("devices/virtual/video4linux/video9"), sys.join("dev/char/81:9")).unwrap();
        let node = Node::look_up(&sys, &dev, 81, 9);
        assert!(is_virtual("uvcvideo", "usb-0000:01:00.0-1.3", &node), "whatever it calls itself");
        let hardware = Node::default();
        for driver in VIRTUAL_DRIVERS {
            assert!(is_virtual(driver, "platform:x", &hardware));
        }
        assert!(is_virtual("uvcvideo", "platform:v4l2loopback-000", &hardware));
        assert!(!is_virtual("uvcvideo", "usb-0000:01:00.0-1", &hardware));
    }
}
