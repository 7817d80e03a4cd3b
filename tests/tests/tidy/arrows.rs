//! Who may import whom: the arrows between the crates, what the pure crates may use from outside, and what a release
//! is made of. Read from `cargo metadata` and `cargo tree`.

use std::collections::BTreeSet;
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

use crate::source::{Finding, root};

/// Each crate with the crates of this workspace it may import, for tests and build scripts as well. A new
/// crate needs its row before it imports anything.
const ARROWS: [(&str, &[&str]); 10] = [
    ("doorward-protocol", &[]),
    ("doorward-core", &["doorward-protocol"]),
    ("doorward-store", &["doorward-core", "doorward-protocol"]),
    ("doorward-hal", &["doorward-core", "doorward-protocol"]),
    ("doorward-engine", &[]),
    ("doorward-models", &["doorward-core", "doorward-engine", "doorward-protocol"]),
    (
        "doorward-daemon",
        &["doorward-core", "doorward-hal", "doorward-models", "doorward-protocol", "doorward-store"],
    ),
    (
        "doorward-admin",
        &["doorward-core", "doorward-hal", "doorward-models", "doorward-protocol", "doorward-store"],
    ),
    ("doorward-hub", &["doorward-protocol"]),
    (
        "doorward-tests",
        &[
            "doorward-admin",
            "doorward-core",
            "doorward-daemon",
            "doorward-hal",
            "doorward-models",
            "doorward-protocol",
            "doorward-store",
        ],
    ),
];

/// What the crates that decide and the crate both ends share may use from outside: nothing that reads a clock, a file
/// or a socket, and nothing with a runtime.
const OUTSIDE: [(&str, &[&str]); 2] = [
    ("doorward-core", &["jiff", "rand", "rand_chacha", "thiserror", "zeroize"]),
    (
        "doorward-protocol",
        &["coset", "ed25519-dalek", "hpke", "minicbor", "rand", "serde", "sha2", "thiserror", "zeroize"],
    ),
];

/// Outside crates that only the demo uses, so that one of them in a release says that the demo is in it.
const NOT_SHIPPED: [&str; 1] = ["axum"];

/// One import between packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Import {
    pub(crate) from: String,
    pub(crate) manifest: String,
    pub(crate) to: String,
    pub(crate) inside: bool,
    pub(crate) normal: bool,
}

/// The workspace as cargo sees it, without its dependencies.
pub(crate) fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo metadata describes the workspace")
}

/// Every import of every member.
pub(crate) fn imports(metadata: &Metadata) -> Vec<Import> {
    let of = |package: &Package| {
        let (from, manifest) = (package.name.to_string(), manifest(package));
        let import = |d: &cargo_metadata::Dependency| Import {
            from: from.clone(),
            manifest: manifest.clone(),
            to: d.name.clone(),
            inside: d.path.is_some(),
            normal: d.kind == DependencyKind::Normal,
        };
        package.dependencies.iter().map(import).collect::<Vec<_>>()
    };
    metadata.workspace_packages().into_iter().flat_map(of).collect()
}

/// Imports that point the wrong way, and members without a row in the table.
pub(crate) fn wrong_arrows(imports: &[Import]) -> Vec<Finding> {
    let wrong = |import: &&Import| {
        let row = ARROWS.iter().find(|(from, _)| *from == import.from);
        import.inside && !row.is_some_and(|(_, to)| to.contains(&import.to.as_str()))
    };
    imports
        .iter()
        .filter(wrong)
        .map(|i| {
            finding(
                i,
                "pass plain types through doorward-core, or give a new crate its row in the tidy table",
            )
        })
        .collect()
}

/// Outside crates in the pure crates that are not on their list.
pub(crate) fn wrong_outside(imports: &[Import]) -> Vec<Finding> {
    let wrong = |import: &&Import| {
        let row = OUTSIDE.iter().find(|(from, _)| *from == import.from);
        import.normal && !import.inside && row.is_some_and(|(_, to)| !to.contains(&import.to.as_str()))
    };
    imports
        .iter()
        .filter(wrong)
        .map(|i| finding(i, "keep the effect outside and pass its result in"))
        .collect()
}

/// Members whose manifest does not take the lints of the workspace.
pub(crate) fn without_lints(metadata: &Metadata) -> Vec<Finding> {
    let lax = |package: &&Package| {
        let text = std::fs::read_to_string(&package.manifest_path).expect("cargo has just read it");
        !takes_workspace_lints(&text)
    };
    let finding = |package: &Package| Finding {
        path: manifest(package),
        line: 1,
        what: "does not take the lints of the workspace".to_owned(),
        remedy: "add `[lints]` with `workspace = true`",
    };
    metadata.workspace_packages().into_iter().filter(lax).map(finding).collect()
}

/// Package and features of everything in the release build of `package` with these `features`, one
/// `name feature,feature` a line.
pub(crate) fn release_graph(package: &str, features: &str) -> BTreeSet<String> {
    let out = Command::new(env!("CARGO"))
        .args(["tree", "--package", package, "--features", features])
        .args(["--edges", "normal", "--prefix", "none", "--no-dedupe", "--format", "{p}|{f}"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(out.status.success(), "cargo tree of {package}: {}", String::from_utf8_lossy(&out.stderr));
    let line = |line: &str| {
        let (package, features) = line.split_once('|').unwrap_or((line, ""));
        format!("{} {features}", package.split(' ').next().unwrap_or(package))
    };
    String::from_utf8_lossy(&out.stdout).lines().filter(|l| !l.is_empty()).map(line).collect()
}

/// What of the demo and the fakes is in a graph.
pub(crate) fn not_for_release(graph: &BTreeSet<String>) -> Vec<&str> {
    let demo = |line: &&str| {
        let (package, features) = line.split_once(' ').unwrap_or((line, ""));
        NOT_SHIPPED.contains(&package)
            || (package == "doorward-hal" && features.split(',').any(|feature| feature == "fake"))
    };
    graph.iter().map(String::as_str).filter(demo).collect()
}

fn takes_workspace_lints(manifest: &str) -> bool {
    let mut lines = manifest.lines().skip_while(|line| line.trim() != "[lints]").skip(1);
    lines.next().is_some_and(|line| line.trim() == "workspace = true")
}

fn manifest(package: &Package) -> String {
    let relative = package.manifest_path.as_std_path().strip_prefix(root());
    relative.map_or_else(|_| package.manifest_path.to_string(), |path| path.display().to_string())
}

fn finding(import: &Import, remedy: &'static str) -> Finding {
    let what = format!("{} imports {}, which is not among its imports", import.from, import.to);
    Finding { path: import.manifest.clone(), line: 1, what, remedy }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn import(from: &str, to: &str, inside: bool) -> Import {
        Import { from: from.into(), manifest: "Cargo.toml".into(), to: to.into(), inside, normal: true }
    }

    #[test]
    fn arrows_that_point_the_wrong_way_are_named() {
        let wrong = [
            import("doorward-core", "doorward-hal", true),
            import("doorward-protocol", "doorward-core", true),
            import("doorward-hal", "doorward-models", true),
            import("doorward-models", "doorward-hal", true),
            import("doorward-admin", "doorward-daemon", true),
            import("doorward-daemon", "doorward-admin", true),
            import("doorward-novelty", "doorward-core", true),
        ];
        assert_eq!(wrong_arrows(&wrong).len(), wrong.len());
        let right = [import("doorward-hal", "doorward-core", true), import("doorward-hal", "image", false)];
        assert_eq!(wrong_arrows(&right), []);
    }

    #[test]
    fn an_outside_crate_in_core_is_named() {
        let found =
            wrong_outside(&[import("doorward-core", "tokio", false), import("doorward-core", "jiff", false)]);
        assert_eq!(found.len(), 1);
        assert!(found[0].what.contains("tokio"), "{}", found[0]);
    }

    #[test]
    fn a_manifest_that_drops_the_lints_is_noticed() {
        assert!(takes_workspace_lints("[package]\n\n[lints]\nworkspace = true\n"));
        assert!(!takes_workspace_lints("[package]\nworkspace = true\n"));
        assert!(!takes_workspace_lints("[lints]\n[lints.rust]\n"));
    }
}
