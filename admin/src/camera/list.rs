//! `doorctl camera list`: the cameras of this machine, and the line that pins each.

use std::io::Write;

use clap::Args;
use doorward_hal::camera::identity::Identity;
use doorward_hal::camera::survey::{Listed, Offer, Survey, survey};

use crate::answer::{Answer, Stop};
use crate::text::{self, printable};

/// Options of `camera list`.
#[derive(Debug, Args)]
#[command(
    after_help = "Below each camera stands the line for its section of /etc/doorward/doord.toml. PICTURES says \
    where they come from: a sensor, or a program, which a door refuses.\n\n\
    JSON: cameras, each with node, identity (driver, card, bus, usb, by_path), from_program, formats (code, and sizes \
    with width, height, rates); and closed, the nodes that could not be opened (node, why).\n\n\
    Example:\n  doorctl camera list\n\nExit code: 0 cameras were found, 2 none, 1 fault."
)]
pub struct List {
    /// JSON instead of text.
    #[arg(long)]
    json: bool,
}

/// Lists cameras.
///
/// # Errors
/// [`Stop::Refused`] where there is none.
pub fn run(options: &List, out: &mut dyn Write) -> Answer {
    let found = survey();
    if options.json {
        text::json(out, &found)?;
    } else {
        table(&found, out)?;
    }
    if found.cameras.is_empty() {
        return Err(Stop::refused(
            "no camera was found; `ls -l /dev/video*` shows the nodes, and the user who runs this needs the group video",
        ));
    }
    Ok(())
}

/// Formats in a row of the table; `show` has all of them.
const FORMATS_SHOWN: usize = 4;

const HEADINGS: [&str; 5] = ["NODE", "CARD", "DRIVER", "PICTURES", "FORMATS"];

fn table(found: &Survey, out: &mut dyn Write) -> Answer {
    let rows: Vec<[String; 5]> = found.cameras.iter().map(row).collect();
    let headings = HEADINGS.map(str::to_owned);
    let width = |column: usize| {
        let cells = rows.iter().chain([&headings]).map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: [usize; 4] = std::array::from_fn(width);
    let line = |row: &[String; 5]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}  "));
        cells.collect::<String>() + &row[4]
    };
    if !rows.is_empty() {
        writeln!(out, "{}", line(&headings))?;
    }
    for (camera, row) in found.cameras.iter().zip(&rows) {
        writeln!(out, "{}", line(row))?;
        writeln!(out, "    identity = {}", pin(&camera.identity))?;
    }
    for closed in &found.closed {
        writeln!(out, "{}", printable(&closed.to_string()))?;
    }
    Ok(())
}

fn row(camera: &Listed) -> [String; 5] {
    let mut formats: Vec<String> = camera.formats.iter().take(FORMATS_SHOWN).map(summary).collect();
    let more = camera.formats.len().saturating_sub(FORMATS_SHOWN);
    formats.extend((more > 0).then(|| format!("and {more} more")));
    [
        camera.node.display().to_string(),
        printable(&camera.identity.card),
        printable(&camera.identity.driver),
        if camera.from_program { "program" } else { "sensor" }.to_owned(),
        formats.join(", "),
    ]
}

fn summary(offer: &Offer) -> String {
    let code = printable(offer.code.trim_end());
    match offer.sizes.iter().max_by_key(|size| u64::from(size.width) * u64::from(size.height)) {
        Some(size) => format!("{code} up to {} x {}", size.width, size.height),
        None => code,
    }
}

/// An identity as the configuration has it, on one line.
fn pin(identity: &Identity) -> String {
    let mut fields = vec![
        format!("driver = {}", quoted(&identity.driver)),
        format!("card = {}", quoted(&identity.card)),
        format!("bus = {}", quoted(&identity.bus)),
    ];
    if let Some(usb) = &identity.usb {
        let serial = usb.serial.as_ref().map(|serial| format!(", serial = {}", quoted(serial)));
        fields.push(format!(
            "usb = {{ vendor = {}, product = {}{} }}",
            quoted(&usb.vendor),
            quoted(&usb.product),
            serial.unwrap_or_default()
        ));
    }
    fields.extend(identity.by_path.as_ref().map(|path| format!("by_path = {}", quoted(path))));
    format!("{{ {} }}", fields.join(", "))
}

/// A text in TOML, on one line. What would drive or mislead whoever looks at it stands there as its number.
fn quoted(foreign: &str) -> String {
    let mut text = String::from("\"");
    for c in foreign.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            c if text::hidden(c) => text += &format!("\\U{:08X}", u32::from(c)),
            c => text.push(c),
        }
    }
    text + "\""
}

#[cfg(test)]
mod tests {
    use doorward_hal::camera::identity::Usb;
    use doorward_hal::camera::survey::Closed;
    use serde::Deserialize;

    use super::super::tests::listed;
    use super::*;

    #[test]
    fn the_line_to_paste_means_the_same_device() {
        #[derive(Deserialize)]
        struct Section {
            identity: Identity,
        }
        let plain = listed("/dev/video0", "Door camera: RGB", "YUYV").identity;
        let usb = Usb { vendor: "2bc5".into(), product: "0501".into(), serial: Some("A \"17\"".into()) };
        let full = Identity { usb: Some(usb), by_path: Some("pci-0:1.0".into()), ..plain.clone() };
        let hostile = Identity { card: "a\\\" }\nrelay = \"\u{1b}\u{7f}\u{202e}'''".into(), ..full.clone() };
        for identity in [plain, full, hostile] {
            let text = format!("identity = {}", pin(&identity));
            let read: Section = toml::from_str(&text).unwrap();
            assert_eq!(read.identity, identity, "{text}");
            assert!(!text.contains(crate::text::hidden), "h8: {text}");
        }
    }

    #[test]
    fn the_table_tells_sensors_from_programs_and_what_cannot_be_opened() {
        let mut generated = listed("/dev/video10", "vivid", "GREY");
        generated.from_program = true;
        let found = Survey {
            cameras: vec![listed("/dev/video0", "Door\u{1b}[2J camera", "Y16 "), generated],
            closed: vec![Closed { node: "/dev/video3".into(), why: "Permission denied".into() }],
        };
        let mut out = Vec::new();
        table(&found, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("NODE          CARD"), "{text}");
        assert!(lines[1].contains("uvcvideo  sensor    Y16 up to 1280 x 720"), "{text}");
        assert!(!text.contains('\u{1b}'), "a card cannot drive the terminal");
        assert!(lines[2].starts_with("    identity = { driver = \"uvcvideo\""), "{text}");
        assert!(lines[3].contains("program "), "{text}");
        assert_eq!(lines[5], "/dev/video3 cannot be opened: Permission denied");
    }
}
