//! The units as the package installs them: systemd understands every line, and the sandbox stays as tight as it is said
//! to be. Asked of `systemd-analyze` on a root of its own, so that nothing of this machine counts.
#![expect(clippy::unwrap_used, reason = "a test says what it expects by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::source::root;

/// Ten times the exposure that `systemd-analyze security` may find; it calls less than 2 safe.
const EXPOSURE_MAX: u32 = 15;

/// A unit, and as what it is asked for: a template by an instance.
const UNITS: [(&str, &str); 2] =
    [("doord.service", "doord.service"), ("doord@.service", "doord@front.service")];

/// What every system has and the units lean on.
const SYSTEM_UNITS: [&str; 5] =
    ["sysinit.target", "basic.target", "shutdown.target", "multi-user.target", "system.slice"];

/// Lays out a root file system with the units, as the package does, and `change` made to what both have in common.
fn installed(change: impl Fn(String) -> String) -> tempfile::TempDir {
    let top = tempfile::tempdir().unwrap();
    let (units, programs) = (top.path().join("usr/lib/systemd/system"), top.path().join("usr/bin"));
    let ours = root().join("systemd");
    let common = change(fs::read_to_string(ours.join("terminal.conf")).unwrap());
    for folder in [&units, &programs] {
        fs::create_dir_all(folder).unwrap();
    }
    for unit in SYSTEM_UNITS {
        fs::write(units.join(unit), "[Unit]\nDescription=Of the system\n").unwrap();
    }
    for (file, _) in UNITS {
        let drop_ins = units.join(format!("{file}.d"));
        fs::create_dir(&drop_ins).unwrap();
        fs::write(drop_ins.join("terminal.conf"), &common).unwrap();
        fs::copy(ours.join(file), units.join(file)).unwrap();
    }
    let program = programs.join("doord");
    fs::write(&program, "").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    top
}

/// Whether `systemd-analyze` is content, and what it said; `None` where systemd is not installed.
fn analyze(top: &Path, arguments: &[&str], unit: &str) -> Option<(bool, String)> {
    let root = format!("--root={}", top.display());
    let told = Command::new("systemd-analyze").args(arguments).args([root.as_str(), unit]).output().ok()?;
    let text = format!("{}{}", String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
    Some((told.status.success(), text))
}

fn security(top: &Path, unit: &str) -> Option<(bool, String)> {
    let threshold = format!("--threshold={EXPOSURE_MAX}");
    analyze(top, &["security", "--offline=yes", "--no-pager", &threshold], unit)
}

#[test]
fn the_units_are_understood_and_their_sandbox_keeps_its_budget() {
    let top = installed(|text| text);
    for (_, unit) in UNITS {
        let Some((safe, told)) = security(top.path(), unit) else {
            return eprintln!("skipped: no systemd-analyze here");
        };
        assert!(safe, "{unit}: {told}");
        let (sound, told) = analyze(top.path(), &["verify", "--man=no"], unit).unwrap();
        assert!(sound && told.is_empty(), "{unit}: {told}");
    }
}

#[test]
fn a_terminal_with_a_centre_reaches_its_broker_and_keeps_the_budget() {
    let top = installed(|text| text);
    // By the name that the file tells to copy it to: drop-ins count in the order of their names.
    let drop_in = "usr/lib/systemd/system/doord.service.d/with-centre.conf";
    fs::copy(root().join("systemd/with-centre.conf"), top.path().join(drop_in)).unwrap();
    let Some((safe, told)) = security(top.path(), "doord.service") else {
        return eprintln!("skipped: no systemd-analyze here");
    };
    assert!(safe, "{told}");
    let network = told.lines().find(|line| line.contains("PrivateNetwork=")).unwrap();
    assert!(network.contains("access to the host's network"), "{network}");
    let (sound, told) = analyze(top.path(), &["verify", "--man=no"], "doord.service").unwrap();
    assert!(sound && told.is_empty(), "{told}");
}

#[test]
fn a_sandbox_with_a_hole_and_a_line_nobody_understands_are_noticed() {
    let top = installed(|text| {
        text.replace("PrivateNetwork=yes", "").replace("SystemCallFilter=", "#").replace("Protect", "#")
    });
    let Some((safe, told)) = security(top.path(), "doord.service") else {
        return eprintln!("skipped: no systemd-analyze here");
    };
    assert!(!safe, "{told}");
    let top = installed(|text| text.replace("WatchdogSec=10", "WatchdogSec=soon"));
    let (_, told) = analyze(top.path(), &["verify", "--man=no"], "doord@front.service").unwrap();
    assert!(told.contains("soon"), "{told}");
}

#[test]
fn the_unit_of_the_hub_is_understood_and_its_sandbox_keeps_its_budget() {
    let top = installed(|text| text);
    let (units, programs) = (top.path().join("usr/lib/systemd/system"), top.path().join("usr/bin"));
    fs::copy(root().join("systemd/doorhub.service"), units.join("doorhub.service")).unwrap();
    fs::write(units.join("network-online.target"), "[Unit]\nDescription=Of the system\n").unwrap();
    fs::copy(programs.join("doord"), programs.join("doorhub")).unwrap();
    let Some((safe, told)) = security(top.path(), "doorhub.service") else {
        return eprintln!("skipped: no systemd-analyze here");
    };
    assert!(safe, "{told}");
    let (sound, told) = analyze(top.path(), &["verify", "--man=no"], "doorhub.service").unwrap();
    assert!(sound && told.is_empty(), "{told}");
}
