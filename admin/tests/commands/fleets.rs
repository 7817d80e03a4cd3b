//! A fleet of terminals that do not exist, before a broker and a hub that the command sets up by itself.

use std::path::Path;

use crate::doorctl;

/// Whether mosquitto and doorhub are there; says so where they are not.
fn equipped() -> bool {
    let hub = Path::new(env!("CARGO_BIN_EXE_doorctl")).with_file_name("doorhub");
    let broker = ["/usr/sbin/mosquitto", "/usr/bin/mosquitto"].iter().any(|path| Path::new(path).exists());
    if !(hub.is_file() && broker) {
        eprintln!("skipped: a fleet needs mosquitto (Debian package mosquitto) and doorhub beside doorctl");
    }
    hub.is_file() && broker
}

#[test]
fn m12_what_a_fleet_records_and_what_waited_on_it_is_at_the_hub_once() {
    if !equipped() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let rig = folder.path().join("rig").display().to_string();
    let words = ["simulate", "fleet", "--rig", &rig, "--terminals", "12", "--seconds", "2", "--rate", "60"];
    let said = doorctl(&[&words[..], &["--backlog", "3000"]].concat()).with(0);
    assert!(said.out.contains("connected    12 terminals"), "{}", said.out);
    assert!(said.out.contains("3000 events drained"), "{}", said.out);
    let told = said.out.lines().find(|line| line.starts_with("the hub")).unwrap();
    assert!(told.contains("12 trails") && told.ends_with("0 lost, 0 doubled"), "{told}");
    let numbers: Vec<u64> = told.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert!(numbers[1] == numbers[2] && numbers[1] >= 3000, "what happened is what is kept: {told}");
    // Nothing of what is there is overwritten.
    let again = doorctl(&words).with(1);
    assert!(again.err.contains("not there yet"), "{}", again.err);
}

#[test]
fn h7_a_fleet_is_let_loose_nowhere_by_default() {
    let said = doorctl(&["simulate", "fleet", "--terminals", "5"]).with(1);
    assert!(said.err.contains("--host") && said.err.contains("--by"), "{}", said.err);
    let said = doorctl(&["simulate", "fleet", "--rig", "x", "--host", "broker.example.org"]).with(1);
    assert!(said.err.contains("cannot be used with"), "{}", said.err);
}
