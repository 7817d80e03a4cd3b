//! What doorctl teaches, and how it takes wrong usage.

use crate::doorctl;

const COMMANDS: [&str; 82] = [
    "",
    "init",
    "enroll",
    "person",
    "person put",
    "person list",
    "person show",
    "person erase",
    "person suspend",
    "person resume",
    "credential",
    "credential add",
    "credential list",
    "credential remove",
    "detect",
    "compare",
    "identify",
    "keys",
    "keys init",
    "keys make",
    "keys sealing",
    "keys rotate",
    "keys delegate",
    "keys revoke",
    "keys succeed",
    "keys list",
    "roster",
    "roster put",
    "roster take",
    "roster erase",
    "roster set",
    "roster unset",
    "roster reseal",
    "roster sync",
    "terminal",
    "terminal request",
    "terminal provision",
    "terminal accept",
    "terminal list",
    "terminal status",
    "terminal retire",
    "order",
    "order unlock",
    "order lock",
    "order lockdown",
    "order release",
    "order reboot",
    "order refill",
    "order diagnose",
    "erasure",
    "erasure certify",
    "erasure verify",
    "broker",
    "broker certificates",
    "broker check",
    "audit",
    "audit tail",
    "audit verify",
    "audit export",
    "simulate",
    "simulate fleet",
    "evaluate",
    "evaluate pad",
    "evaluate identify",
    "evaluate pairs",
    "evaluate quality",
    "evaluate compare",
    "evaluate card",
    "bench engines",
    "bench packs",
    "pack",
    "pack fetch",
    "pack build",
    "pack check",
    "pack keygen",
    "pack sign",
    "pack install",
    "camera",
    "camera list",
    "camera show",
    "camera snap",
    "camera record",
];

#[test]
fn every_command_explains_itself() {
    for command in COMMANDS {
        let words: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let said = doorctl(&words).with(0);
        assert!(said.out.contains("Usage: doorctl"), "{command}: {}", said.out);
        assert!(said.out.contains("--store <PATH>"), "{command} shows the options that all share");
    }
}

#[test]
fn wrong_usage_is_a_fault_and_no_refusal() {
    for wrong in [
        &[][..],
        &["open-the-door"],
        &["person", "show"],
        &["person", "show", "../etc"],
        &["audit", "tail", "-n", "0"],
    ] {
        let said = doorctl(wrong).with(1);
        assert!(said.out.is_empty() && !said.err.is_empty(), "{wrong:?}");
    }
}

#[test]
fn a_terminal_without_files_says_which_is_missing() {
    let said = doorctl(&["person", "list", "--store", "/nowhere/a.db", "--key", "/nowhere/key"]).with(1);
    assert!(said.err.contains("/nowhere/key"), "{}", said.err);
}
