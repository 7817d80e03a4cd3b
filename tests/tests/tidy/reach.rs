//! No dead file: every Rust file is a target or a module of one, and says at its top what it is.

use std::collections::BTreeSet;

use cargo_metadata::Metadata;

use crate::source::{Finding, Source, line_at, root, words};

/// Rust that no target holds: inputs of the compile-fail tests, each compiled alone, and the firmware, which is a
/// workspace of its own.
const APART: [&str; 2] = ["hal/tests/refused/", "firmware/"];

/// The root file of every target, relative to the workspace.
pub(crate) fn targets(metadata: &Metadata) -> Vec<String> {
    let root = root();
    let targets = metadata.workspace_packages().into_iter().flat_map(|package| &package.targets);
    // A package may name a root file outside its folder; the way there leads through `..`.
    let relative = |path: &std::path::Path| {
        let path = path.canonicalize().ok()?;
        path.strip_prefix(&root).ok().and_then(|p| p.to_str()).map(str::to_owned)
    };
    targets.filter_map(|target| relative(target.src_path.as_std_path())).collect()
}

/// Rust files that no target reaches by `mod`.
pub(crate) fn dead(sources: &[Source], targets: &[String]) -> Vec<Finding> {
    let mut reached = BTreeSet::new();
    for target in targets {
        reach(sources, target, true, &mut reached);
    }
    let apart = |s: &&Source| APART.iter().any(|folder| s.path.starts_with(folder));
    let dead = sources.iter().filter(|s| s.is_rust() && !apart(s) && !reached.contains(&s.path));
    dead.map(|s| {
        s.finding(1, "no target reaches this file", "declare it with `mod` where it belongs, or delete it")
    })
    .collect()
}

/// Modules whose file is chosen by an attribute, where its name should choose it.
pub(crate) fn misplaced(sources: &[Source]) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in sources {
        found.extend(source.code.match_indices("#[path").map(|(at, _)| {
            let remedy = "put the file where its module's name says";
            source.finding(line_at(&source.code, at), "a module with `#[path]`", remedy)
        }));
    }
    found
}

/// Rust files that do not open with what they are.
pub(crate) fn untitled(sources: &[Source]) -> Vec<Finding> {
    let untitled = |s: &&Source| s.is_rust() && !s.text.starts_with("//! ");
    let remedy = "open the file with `//!`: what it is and why it is so";
    sources.iter().filter(untitled).map(|s| s.finding(1, "nothing says what this file is", remedy)).collect()
}

/// Adds `path` and every module below it. A target's root file names its modules' folder by its own folder, any other
/// file by its own name, unless that is `mod.rs`.
fn reach(sources: &[Source], path: &str, is_root: bool, reached: &mut BTreeSet<String>) {
    let Some(source) = sources.iter().find(|s| s.path == path) else { return };
    if !reached.insert(path.to_owned()) {
        return;
    }
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let own = if is_root || source.stem() == "mod" {
        folder.to_owned()
    } else {
        format!("{folder}/{}", source.stem())
    };
    for module in modules(&source.code) {
        reach(sources, &format!("{own}/{module}.rs"), false, reached);
        reach(sources, &format!("{own}/{module}/mod.rs"), false, reached);
    }
}

/// The modules that code declares in files of their own: `mod name;`.
fn modules(code: &str) -> impl Iterator<Item = &str> {
    words(code, "mod").filter_map(|at| {
        let (name, _) = code[at + 3..].split_once(';')?;
        let name = name.trim();
        let whole = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
        whole.then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_without_a_mod_are_dead_and_the_others_are_not() {
        let sources = [
            Source::new(
                "a/src/lib.rs",
                "//! a\npub mod door;\nmod kinds;\n// mod gone;\nmod inline { fn f() {} }\n",
            ),
            Source::new("a/src/door.rs", "//! b\n#[cfg(test)]\nmod lock;\n"),
            Source::new("a/src/door/lock.rs", "//! c\n"),
            Source::new("a/src/kinds/mod.rs", "//! d\nmod one;\n"),
            Source::new("a/src/kinds/one.rs", "//! e\n"),
            Source::new("a/src/gone.rs", "//! f\n"),
            Source::new("a/src/inline.rs", "//! g\n"),
            Source::new("a/tests/tidy/main.rs", "//! h\nmod words;\n"),
            Source::new("a/tests/tidy/words.rs", "//! i\n"),
        ];
        let targets = ["a/src/lib.rs".to_owned(), "a/tests/tidy/main.rs".to_owned()];
        let dead: Vec<_> = dead(&sources, &targets).into_iter().map(|f| f.path).collect();
        assert_eq!(dead, ["a/src/gone.rs", "a/src/inline.rs"]);
    }

    #[test]
    fn untitled_and_misplaced_files_are_named() {
        assert_eq!(
            untitled(&[Source::new("a.rs", "use std::fs;\n"), Source::new("b.rs", "//! b\n")]).len(),
            1
        );
        assert_eq!(misplaced(&[Source::new("a.rs", "//! a\n#[path = \"x.rs\"]\nmod b;\n")])[0].line, 2);
    }
}
