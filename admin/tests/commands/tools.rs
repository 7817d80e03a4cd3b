//! Packs and engines.

use std::fs;

use crate::{checkout, doorctl, equipped};

#[test]
fn h5_a_pack_is_checked_and_one_that_lies_is_refused() {
    if !equipped("a pack check") {
        return;
    }
    let said = doorctl(&["pack", "check"]).with(0);
    assert!(
        said.out.contains("sound") && said.out.contains("embedding") && said.out.contains("golden"),
        "{}",
        said.out
    );

    let folder = tempfile::tempdir().unwrap();
    let manifest = fs::read_to_string(checkout().join("models/packs/recommended/pack.toml")).unwrap();
    let check = |text: &str| {
        fs::write(folder.path().join("pack.toml"), text).unwrap();
        doorctl(&["pack", "check", &folder.path().display().to_string()])
    };
    check(&manifest).with(0);
    let (before, after) = manifest.split_once("[embedding]").unwrap();
    let wrong = format!("{before}[embedding]{}", after.replacen("golden = [\n  -", "golden = [\n  ", 1));
    assert_ne!(wrong, manifest, "the first golden value is negative");
    check(&wrong).refused(&["self-test", "embedding"]);
    check("format = 1").refused(&["pack.toml"]);
    let digest = manifest.find("sha256 = \"").unwrap() + "sha256 = \"".len();
    let mut other = manifest.clone();
    other.replace_range(digest..digest + 4, "0000");
    check(&other).refused(&["0000"]);
    let said = doorctl(&["pack", "check", "/nowhere/at/all"]).with(1);
    assert!(said.err.contains("/nowhere/at/all"), "{}", said.err);
}

#[test]
fn engines_are_measured_and_a_missing_one_is_explained() {
    if !equipped("a benchmark") {
        return;
    }
    let said = doorctl(&["bench", "engines", "--rounds", "1"]).with(0);
    assert!(said.out.contains("tract") && said.out.contains("frame:"), "{}", said.out);
    assert!(said.out.contains("--ort-library PATH"), "{}", said.out);
    let said = doorctl(&["detect", "x.jpg", "--engine", "onnxruntime"]).with(1);
    assert!(said.err.contains("--ort-library PATH"), "{}", said.err);
}
