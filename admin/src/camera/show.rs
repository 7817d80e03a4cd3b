//! `doorctl camera show`: what one camera offers.

use std::io::Write;

use clap::{ArgGroup, Args};
use doorward_hal::camera::controls::{Control, Kind};
use doorward_hal::camera::survey::{self, Listed, Size, survey};
use serde::Serialize;

use super::{Which, stopped};
use crate::answer::Answer;
use crate::text::{self, printable};

/// Options of `camera show`.
#[derive(Debug, Args)]
#[command(
    after_help = "Each control stands under the name that a section such as [cameras.rgb.controls] of \
    /etc/doorward/doord.toml has for it, with what it takes, what it is after power-on, and what it is now.\n\n\
    JSON: camera (see `doorctl camera list`), and controls, each with name, label, kind (number, switch, menu, button), \
    minimum, maximum, step, default, value (or null), choices (index, label), read_only, inactive (another control \
    rules it), volatile (the camera changes it by itself).\n\n\
    Examples:\n  doorctl camera show /dev/video0\n  doorctl camera show --card \"Door camera: IR\" --json\n\n\
    Exit code: 0 shown, 2 no such camera, 1 fault."
)]
#[command(group(ArgGroup::new("which").args(["node", "card"]).required(true)))]
pub struct Show {
    /// Which camera.
    #[command(flatten)]
    which: Which,
    /// JSON instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Told {
    camera: Listed,
    controls: Vec<Control>,
}

/// Shows a camera.
///
/// # Errors
/// [`crate::answer::Stop::Refused`] where it is not there, or several are meant.
pub fn run(options: &Show, out: &mut dyn Write) -> Answer {
    let camera = options.which.find(survey())?;
    let controls = survey::controls(&camera.node).map_err(stopped)?;
    let told = Told { camera, controls };
    if options.json { text::json(out, &told) } else { sheet(&told, out) }
}

fn sheet(told: &Told, out: &mut dyn Write) -> Answer {
    let Told { camera, controls } = told;
    let (card, driver) = (printable(&camera.identity.card), printable(&camera.identity.driver));
    writeln!(out, "{}: {card} ({driver}, {})", camera.node.display(), printable(&camera.identity.bus))?;
    if camera.from_program {
        writeln!(out, "its pictures come from a program: a door refuses it")?;
    }
    for offer in &camera.formats {
        writeln!(out, "{}", printable(offer.code.trim_end()))?;
        for size in &offer.sizes {
            writeln!(out, "  {}", line_of_size(size))?;
        }
    }
    writeln!(out, "{}", if controls.is_empty() { "no controls" } else { "controls" })?;
    let width = controls.iter().map(|control| control.name.len()).max().unwrap_or(0);
    for control in controls {
        writeln!(out, "  {:width$}  {}", control.name, printable(&line_of_control(control)))?;
    }
    Ok(())
}

fn line_of_size(size: &Size) -> String {
    let rates: Vec<String> =
        size.rates.iter().map(|rate| format!("{}", (rate * 100.0).round() / 100.0)).collect();
    let rates = if rates.is_empty() { String::new() } else { format!(" at {} a second", rates.join(", ")) };
    format!("{} x {}{rates}", size.width, size.height)
}

fn line_of_control(control: &Control) -> String {
    let value = |value: i64| match control.kind {
        Kind::Switch => (value != 0).to_string(),
        Kind::Menu | Kind::Number | Kind::Button => {
            let choice = control.choices.iter().find(|choice| choice.index == value);
            choice.map_or_else(|| value.to_string(), |choice| format!("{:?}", choice.label))
        }
    };
    let mut line = control.takes();
    if control.kind != Kind::Button {
        line += &format!("; default {}", value(control.default));
    }
    if let Some(now) = control.value {
        line += &format!(", now {}", value(now));
    }
    let remarks = [
        (control.read_only, "read-only"),
        (control.inactive, "without effect while another control rules it"),
        (control.volatile, "the camera changes it by itself"),
    ];
    for (_, remark) in remarks.into_iter().filter(|(is_so, _)| *is_so) {
        line += &format!("; {remark}");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::super::tests::listed;
    use super::*;

    #[test]
    fn a_camera_is_shown_with_sizes_and_rates() {
        let mut camera = listed("/dev/video0", "Door", "YUYV");
        camera.formats[0].sizes[0].rates = vec![30.0, 29.970_029_97];
        camera.formats[0].sizes[1].rates.clear();
        let mut out = Vec::new();
        sheet(&Told { camera, controls: Vec::new() }, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let expected = "/dev/video0: Door (uvcvideo, usb-1)\nYUYV\n  640 x 480 at 30, 29.97 a second\n  \
            1280 x 720\nno controls\n";
        assert_eq!(text, expected);
    }
}
