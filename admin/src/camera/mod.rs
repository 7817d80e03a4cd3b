//! `doorctl camera`: what an installer does with cameras.
//!
//! * [`list`], [`show`]: which are there, what to pin them by, what they offer.
//! * [`snap`]: one picture, to aim by.
//! * [`record`] with [`film`]: the cameras of the configuration, paired, into a recording.
//! * [`fitted`]: the cameras that the configuration names.

use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use doorward_hal::camera::CameraFault;
use doorward_hal::camera::survey::{Listed, Survey};

use crate::answer::{Answer, Stop};

pub mod film;
pub mod fitted;
pub mod list;
pub mod record;
pub mod show;
pub mod snap;

/// List, show, aim and record cameras.
#[derive(Debug, Subcommand)]
#[command(after_help = "From a plugged in camera to a recording:\n  \
    doorctl camera list\n  \
    doorctl camera show /dev/video0\n  \
    doorctl camera snap /dev/video0 --out aim.png --consent\n  \
    doorctl camera record walk-up --seconds 10 --consent")]
pub enum Camera {
    /// List the cameras of this machine, each with the line that pins it in the configuration.
    List(list::List),
    /// Show what a camera offers: formats, sizes, rates and controls.
    Show(show::Show),
    /// Write one picture of a camera, to aim it by.
    Snap(snap::Snap),
    /// Record the cameras of the configuration together.
    #[command(long_about = record::ABOUT)]
    Record(record::Record),
}

/// Runs one of the commands.
///
/// # Errors
/// [`Stop::Refused`] for a camera that is not there, not the pinned one, in use, or does not do what is asked.
pub fn run(command: &Camera, out: &mut dyn Write) -> Answer {
    match command {
        Camera::List(options) => list::run(options, out),
        Camera::Show(options) => show::run(options, out),
        Camera::Snap(options) => snap::run(options, out),
        Camera::Record(options) => record::run(options, out),
    }
}

/// Names one camera of this machine.
#[derive(Debug, Args)]
pub struct Which {
    /// Its node, such as /dev/video0.
    node: Option<PathBuf>,
    /// Its name under CARD in `doorctl camera list`, where one camera alone has it.
    #[arg(long, value_name = "NAME")]
    card: Option<String>,
}

impl Which {
    /// The one that is meant, out of all that are there.
    fn find(&self, survey: Survey) -> Answer<Listed> {
        let is_it = |one: &Listed| match (&self.node, &self.card) {
            (Some(node), _) => one.node == *node,
            (None, Some(card)) => one.identity.card == *card,
            (None, None) => false,
        };
        let Survey { cameras, closed } = survey;
        let nodes = |cameras: &[Listed]| {
            cameras.iter().map(|one| one.node.display().to_string()).collect::<Vec<_>>().join(", ")
        };
        let all = nodes(&cameras);
        let mut meant: Vec<_> = cameras.into_iter().filter(is_it).collect();
        match (meant.pop(), meant.as_slice()) {
            (Some(one), []) => Ok(one),
            (Some(last), others) => {
                let others = nodes(others);
                Err(Stop::Refused(format!(
                    "{others}, {} have that name; say which by its node",
                    last.node.display()
                )))
            }
            (None, _) => {
                let closed: String = closed.iter().map(|one| format!("; {one}")).collect();
                let all = if all.is_empty() { "none".to_owned() } else { all };
                Err(Stop::Refused(format!("no such camera; there are: {all}{closed}")))
            }
        }
    }
}

/// No picture is written unless the persons on it agreed.
fn consented(consent: bool, what: &str) -> Answer {
    if consent {
        return Ok(());
    }
    Err(Stop::Refused(format!(
        "{what} would be written to disk. Ask everybody whom the camera may see, and say with --consent that they agreed"
    )))
}

/// How a camera's fault ends a command.
fn stopped(fault: CameraFault) -> Stop {
    match &fault {
        CameraFault::System { source, .. } if source.kind() == ErrorKind::ResourceBusy => {
            Stop::Refused(format!(
                "{fault}; doord holds the cameras while it runs: stop it meanwhile (systemctl stop doord)"
            ))
        }
        CameraFault::Refused { .. }
        | CameraFault::Stalled { .. }
        | CameraFault::Unplugged { .. }
        | CameraFault::BrokenFrame { .. }
        | CameraFault::Untimely { .. }
        | CameraFault::Ended { .. } => Stop::refused(fault),
        CameraFault::System { .. } => Stop::Fault(anyhow::Error::new(fault)),
    }
}

#[cfg(test)]
mod tests {
    use doorward_hal::camera::identity::Identity;
    use doorward_hal::camera::survey::{Closed, Offer, Size};

    use super::*;

    /// A camera as a survey lists it.
    pub(super) fn listed(node: &str, card: &str, code: &str) -> Listed {
        let size = |width, height, rates: &[f64]| Size { width, height, rates: rates.to_vec() };
        let sizes = vec![size(640, 480, &[30.0, 15.0]), size(1280, 720, &[10.0])];
        Listed {
            node: node.into(),
            identity: Identity {
                driver: "uvcvideo".into(),
                card: card.into(),
                bus: "usb-1".into(),
                usb: None,
                by_path: None,
            },
            from_program: false,
            formats: vec![Offer { code: code.into(), sizes }],
        }
    }

    fn survey() -> Survey {
        let cameras = vec![
            listed("/dev/video0", "Door", "YUYV"),
            listed("/dev/video2", "Door", "GREY"),
            listed("/dev/video4", "Hall", "YUYV"),
        ];
        Survey {
            cameras,
            closed: vec![Closed { node: "/dev/video6".into(), why: "Permission denied".into() }],
        }
    }

    fn find(node: Option<&str>, card: Option<&str>) -> Result<String, String> {
        let which = Which { node: node.map(PathBuf::from), card: card.map(str::to_owned) };
        match which.find(survey()) {
            Ok(found) => Ok(found.node.display().to_string()),
            Err(Stop::Refused(why)) => Err(why),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_camera_is_meant_by_its_node_or_by_a_name_that_it_alone_has() {
        assert_eq!(find(Some("/dev/video2"), None).unwrap(), "/dev/video2");
        assert_eq!(find(None, Some("Hall")).unwrap(), "/dev/video4");
        let told = find(None, Some("Door")).unwrap_err();
        assert!(told.contains("/dev/video0, /dev/video2 have that name"), "{told}");
        let told = find(Some("/dev/video6"), None).unwrap_err();
        assert!(told.contains("/dev/video4") && told.contains("Permission denied"), "{told}");
    }

    #[test]
    fn r4_no_picture_is_written_unless_the_persons_agreed() {
        assert!(consented(true, "x").is_ok());
        let Err(Stop::Refused(why)) = consented(false, "a picture of rgb (aim.png)") else { panic!("taken") };
        assert!(why.contains("aim.png") && why.contains("--consent"), "{why}");
    }

    #[test]
    fn a_camera_in_use_is_a_refusal_that_says_what_to_stop() {
        let system = |kind: ErrorKind| CameraFault::System {
            camera: "rgb".into(),
            doing: "set the format".into(),
            source: kind.into(),
        };
        assert!(
            matches!(stopped(system(ErrorKind::ResourceBusy)), Stop::Refused(why) if why.contains("systemctl stop doord"))
        );
        assert!(matches!(stopped(system(ErrorKind::Other)), Stop::Fault(_)));
        assert!(matches!(stopped(CameraFault::Unplugged { camera: "rgb".into() }), Stop::Refused(_)));
    }
}
