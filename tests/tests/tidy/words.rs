//! Words that have no place: names that say nothing, marks of unfinished work, silenced lints, and paths of somebody's
//! own machine.

use crate::source::{Finding, Source, line_at, words};

/// Parts of a name that fit everything and so tell nothing.
const EMPTY_NAMES: [&str; 10] =
    ["data", "handler", "handlers", "helper", "helpers", "info", "manager", "managers", "util", "utils"];

/// Marks of work that was not finished. Written in two halves, so that this file does not find itself.
const UNFINISHED: [&str; 3] = [concat!("FIX", "ME"), concat!("TO", "DO"), concat!("X", "XX")];

/// Macros that compile and do not work.
const HOLLOW: [&str; 2] = ["todo!", "unimplemented!"];

/// Folders that exist on one machine only. In two halves as well.
const MACHINE_FOLDERS: [&str; 4] =
    [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/Us", "ers/")];

/// Ways around the lints outside Rust.
const LINTS_OFF: [&str; 4] =
    [concat!("-A ", "clippy"), concat!("-A ", "warnings"), concat!("--cap", "-lints"), "= \"allow\""];

/// Keywords after which a name is chosen.
const NAMING: [&str; 6] = ["struct", "enum", "trait", "union", "type", "mod"];

/// File and type names with an empty part.
pub(crate) fn empty_names(sources: &[Source]) -> Vec<Finding> {
    let remedy = "name it by what it is in this domain";
    let mut found = Vec::new();
    for source in sources {
        if let Some(part) = empty_part(source.stem()) {
            found.push(source.finding(1, format!("the file name says `{part}`"), remedy));
        }
        for keyword in NAMING {
            for at in words(&source.code, keyword) {
                let name = identifier(&source.code[at + keyword.len()..]);
                if let Some(part) = empty_part(name) {
                    let what = format!("the name {name} says `{part}`");
                    found.push(source.finding(line_at(&source.code, at), what, remedy));
                }
            }
        }
    }
    found
}

/// Marks of unfinished work in any file, and macros that stand in for code.
pub(crate) fn unfinished(sources: &[Source]) -> Vec<Finding> {
    let remedy = "finish it, or leave it out and say so in the README";
    let mut found = Vec::new();
    for source in sources {
        for (text, list) in [(&source.text, &UNFINISHED[..]), (&source.code, &HOLLOW[..])] {
            for word in list {
                let mark = |at| source.finding(line_at(text, at), format!("`{word}`"), remedy);
                found.extend(words(text, word).map(mark));
            }
        }
    }
    found
}

/// Lints switched off without a reason that the compiler checks.
pub(crate) fn silenced_lints(sources: &[Source]) -> Vec<Finding> {
    let remedy = "mend the cause, or use `#[expect(lint, reason = \"…\")]` on the smallest item";
    let mut found = Vec::new();
    for source in sources {
        for at in words(&source.code, "allow") {
            if source.code[at..].starts_with("allow(") && in_attribute(&source.code, at) {
                found.push(source.finding(line_at(&source.code, at), "`allow`", remedy));
            }
        }
        for off in LINTS_OFF.iter().filter(|_| !source.is_rust()) {
            found.extend(
                source
                    .text
                    .match_indices(off)
                    .map(|(at, _)| source.finding(line_at(&source.text, at), format!("`{off}`"), remedy)),
            );
        }
    }
    found
}

/// Paths that hold on one machine only.
pub(crate) fn machine_paths(sources: &[Source]) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in sources {
        for folder in MACHINE_FOLDERS {
            let begins = |at: &usize| {
                !source.text[..*at].ends_with(|c: char| c.is_alphanumeric() || "._-~}*)".contains(c))
            };
            let places = source.text.match_indices(folder).map(|(at, _)| at).filter(begins);
            found.extend(places.map(|at| {
                let what = format!("an absolute path under `{folder}`");
                source.finding(
                    line_at(&source.text, at),
                    what,
                    "say it relative to the checkout, or make it an argument",
                )
            }));
        }
    }
    found
}

/// The identifier that begins after white space; empty if none does.
fn identifier(text: &str) -> &str {
    let text = text.trim_start();
    &text[..text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len())]
}

/// The first empty part of a name in `CamelCase`, `snake_case` or `kebab-case`.
fn empty_part(name: &str) -> Option<&'static str> {
    let mut parts = vec![String::new()];
    for c in name.chars() {
        if c == '_' || c == '-' || c.is_uppercase() {
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut().filter(|_| c.is_alphanumeric()) {
            part.extend(c.to_lowercase());
        }
    }
    EMPTY_NAMES.into_iter().find(|empty| parts.iter().any(|part| part == empty))
}

/// Whether `at` lies inside an attribute.
fn in_attribute(code: &str, at: usize) -> bool {
    let before = &code[..at];
    let open = before.rfind("#[").max(before.rfind("#!["));
    open.is_some_and(|open| !before[open..].contains(']'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(found: &[Finding]) -> Vec<usize> {
        found.iter().map(|f| f.line).collect()
    }

    #[test]
    fn empty_names_of_files_and_types_are_found_and_full_ones_are_not() {
        let rows = [
            ("a/door_utils.rs", "", 1),
            ("a/helper.rs", "", 1),
            ("a/door.rs", "pub struct DoorManager;", 1),
            ("a/door.rs", "enum FrameInfo {}\nmod utils {}", 2),
            ("a/door.rs", "struct Database;\nstruct Informed; // a Manager of sorts\nfn helper() {}", 0),
        ];
        for (path, text, count) in rows {
            assert_eq!(empty_names(&[Source::new(path, text)]).len(), count, "{path} {text}");
        }
    }

    #[test]
    fn unfinished_work_is_found_in_code_and_in_prose() {
        let text = format!(
            "//! {}: later\nfn f() {{ todo!() }}\nfn g() {{ unimplemented!(\"x\") }}\n",
            UNFINISHED[0]
        );
        assert_eq!(lines(&unfinished(&[Source::new("a.rs", &text)])), [1, 2, 3]);
        assert_eq!(lines(&unfinished(&[Source::new("a.md", &format!("x\n{} y", UNFINISHED[1]))])), [2]);
        assert_eq!(unfinished(&[Source::new("a.rs", "// todo! is banned\nlet s = \"unimplemented!\";")]), []);
    }

    #[test]
    fn silenced_lints_are_found_and_expected_ones_are_not() {
        let bad = "#![allow(dead_code)]\n#[allow(unused)]\nfn f() {}\n#[cfg_attr(x, allow(y))]\nfn g() {}\n";
        assert_eq!(lines(&silenced_lints(&[Source::new("a.rs", bad)])), [1, 2, 4]);
        let good = "#[expect(x, reason = \"y\")]\nfn f() { policy.allow(1); vec![allow(2)]; g(a, allow(3)) }";
        assert_eq!(silenced_lints(&[Source::new("a.rs", good)]), []);
        let flag = format!("cargo clippy -- {}::all", LINTS_OFF[0]);
        assert_eq!(silenced_lints(&[Source::new("run", &flag)]).len(), 1);
    }

    #[test]
    fn paths_of_one_machine_are_found_and_addresses_are_not() {
        let path = |folder: &str| format!("let x = 1;\nopen(\"{folder}me/door.toml\")");
        for folder in MACHINE_FOLDERS {
            assert_eq!(lines(&machine_paths(&[Source::new("a.rs", &path(folder))])), [2]);
        }
        let address =
            format!("see https://example.org{}page and ..{}", MACHINE_FOLDERS[0], MACHINE_FOLDERS[2]);
        assert_eq!(machine_paths(&[Source::new("a.md", &address)]), []);
    }
}
