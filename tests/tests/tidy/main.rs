//! The order of the house, checked: who imports whom, where vendor crates and `unsafe` live, how large things grow,
//! what they are called, that no fake is in a release, and that systemd agrees with the units. Each check reads the tree as it is and names file, line,
//! what is wrong and what to do; each has tests of its own with bad samples.

mod arrows;
mod reach;
mod sizes;
mod source;
mod units;
mod vendors;
mod words;

use source::Finding;

/// Fails with every finding at once.
fn assert_tidy(findings: &[Finding]) {
    let list: String = findings.iter().map(|finding| format!("\n  {finding}")).collect();
    assert!(findings.is_empty(), "{} to mend:{list}", findings.len());
}

#[test]
fn crates_import_only_what_lies_below_them() {
    assert_tidy(&arrows::wrong_arrows(&arrows::imports(&arrows::metadata())));
}

#[test]
fn core_and_protocol_use_no_crate_with_effects() {
    assert_tidy(&arrows::wrong_outside(&arrows::imports(&arrows::metadata())));
}

#[test]
fn core_touches_nothing_outside_the_process() {
    assert_tidy(&vendors::effects_in_core(source::all()));
}

#[test]
fn each_vendor_crate_lives_in_one_module() {
    assert_tidy(&vendors::strays(source::all()));
    assert_tidy(&vendors::stray_imports(&arrows::imports(&arrows::metadata())));
}

#[test]
fn unsafe_code_stays_in_the_files_that_need_it() {
    assert_tidy(&vendors::stray_unsafe(source::all()));
}

#[test]
fn lints_hold_for_every_crate_and_nobody_silences_them() {
    assert_tidy(&arrows::without_lints(&arrows::metadata()));
    assert_tidy(&words::silenced_lints(source::all()));
}

#[test]
fn functions_files_and_folders_stay_small() {
    assert_tidy(&sizes::too_large(source::all()));
}

#[test]
fn names_say_something() {
    assert_tidy(&words::empty_names(source::all()));
}

#[test]
fn nothing_is_left_unfinished() {
    assert_tidy(&words::unfinished(source::all()));
}

#[test]
fn no_path_belongs_to_one_machine() {
    assert_tidy(&words::machine_paths(source::all()));
}

#[test]
fn every_file_is_reached_and_says_what_it_is() {
    let sources = source::all();
    assert_tidy(&reach::dead(sources, &reach::targets(&arrows::metadata())));
    assert_tidy(&reach::misplaced(sources));
    assert_tidy(&reach::untitled(sources));
}

#[test]
fn the_walk_sees_the_whole_tree() {
    let sources = source::all();
    for path in ["Cargo.toml", ".ci/run", "check", "daemon/core/src/lib.rs", "tests/tests/tidy/main.rs"] {
        assert!(sources.iter().any(|s| s.path == path), "{path} was not read");
    }
}

#[test]
fn no_fake_is_in_a_release() {
    for package in ["doorward-daemon", "doorward-admin"] {
        let graph = arrows::release_graph(package, "");
        assert!(
            graph.iter().any(|line| line.starts_with("doorward-hal ")),
            "{package} without its drivers: {graph:?}"
        );
        assert_eq!(arrows::not_for_release(&graph), [""; 0], "of the demo in the release of {package}");
    }
    let demo = arrows::release_graph("doorward-daemon", "demo");
    assert!(
        arrows::not_for_release(&demo).len() > 1,
        "the check does not see the demo in the demo: {demo:?}"
    );
}
