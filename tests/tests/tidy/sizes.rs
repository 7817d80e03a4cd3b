//! What fits on a screen and in a head: functions, files, folders.

use crate::source::{Finding, Source, line_at, words};

/// A function is read without scrolling.
const FUNCTION_LINES_MAX: usize = 70;

/// A file holds one idea; most need less than half of this.
const FILE_LINES_MAX: usize = 600;

/// Folders below a crate's `src`: deeper trees hide more than they order.
const FOLDER_LEVELS_MAX: usize = 2;

/// One function with a body.
#[derive(Debug, PartialEq, Eq)]
struct Function<'a> {
    name: &'a str,
    line: usize,
    lines: usize,
}

/// Functions, files and folders that grew too large.
pub(crate) fn too_large(sources: &[Source]) -> Vec<Finding> {
    sources
        .iter()
        .filter(|s| s.is_rust())
        .flat_map(|s| [functions_of(s), file(s), folders(s)].concat())
        .collect()
}

fn functions_of(source: &Source) -> Vec<Finding> {
    let large = functions(&source.code).into_iter().filter(|f| f.lines > FUNCTION_LINES_MAX);
    let finding = |f: Function<'_>| {
        let what =
            format!("function {} has {} lines, at most {FUNCTION_LINES_MAX} are allowed", f.name, f.lines);
        source.finding(f.line, what, "give its parts names of their own")
    };
    large.map(finding).collect()
}

fn file(source: &Source) -> Vec<Finding> {
    let lines = source.text.lines().count();
    if lines <= FILE_LINES_MAX {
        return Vec::new();
    }
    let what = format!("{lines} lines, at most {FILE_LINES_MAX} are allowed");
    vec![source.finding(FILE_LINES_MAX + 1, what, "split it by idea, not by size")]
}

fn folders(source: &Source) -> Vec<Finding> {
    let Some((_, below)) = source.path.split_once("src/") else { return Vec::new() };
    let levels = below.matches('/').count();
    if levels <= FOLDER_LEVELS_MAX {
        return Vec::new();
    }
    let what = format!("{levels} folders below src, at most {FOLDER_LEVELS_MAX} are allowed");
    vec![source.finding(1, what, "move it up, or out into a crate")]
}

/// Every function with a body, in `code` whose comments and literals are blanked.
fn functions(code: &str) -> Vec<Function<'_>> {
    words(code, "fn").filter_map(|at| function(code, at)).collect()
}

/// The function whose `fn` stands at `at`; `None` for a pointer type or a declaration without a body.
fn function(code: &str, at: usize) -> Option<Function<'_>> {
    let rest = code[at + 2..].trim_start();
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
    let name = &rest[..end];
    if name.is_empty() {
        return None;
    }
    let mut nesting = 0usize;
    let open = code[at..].char_indices().find_map(|(i, c)| {
        match c {
            '(' | '[' => nesting += 1,
            ')' | ']' => nesting = nesting.saturating_sub(1),
            '{' | ';' if nesting == 0 => return Some((at + i, c)),
            _ => {}
        }
        None
    });
    let (open, '{') = open? else { return None };
    let close = closing_brace(code, open);
    let line = line_at(code, at);
    Some(Function { name, line, lines: line_at(code, close) - line + 1 })
}

/// The brace that closes the one at `open`, or the end of the text.
fn closing_brace(code: &str, open: usize) -> usize {
    let mut depth = 0usize;
    for (i, c) in code[open..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return open + i;
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(name: &str, lines: usize) -> String {
        format!("fn {name}() {{\n{}}}\n", "    step();\n".repeat(lines - 2))
    }

    #[test]
    fn a_function_is_measured_from_its_fn_to_its_closing_brace() {
        let code = "trait T {\n    fn declared(&self, x: [u8; 3]) -> u8;\n}\n\
                    fn outer(f: fn(u8) -> u8)\nwhere\n    u8: Copy,\n{\n    fn inner() {}\n    if x {\n    }\n}\n";
        let expected =
            [Function { name: "outer", line: 4, lines: 8 }, Function { name: "inner", line: 8, lines: 1 }];
        assert_eq!(functions(code), expected);
    }

    #[test]
    fn braces_in_text_do_not_end_a_function() {
        let source = Source::new("a.rs", "fn f() {\n    g(\"}\", '}', r#\"}\"#); // }\n}\nfn h() {}\n");
        assert_eq!(functions(&source.code)[0].lines, 3);
    }

    #[test]
    fn the_limit_itself_passes_and_one_line_more_does_not() {
        let text =
            format!("{}{}", long("fits", FUNCTION_LINES_MAX), long("too_long", FUNCTION_LINES_MAX + 1));
        let found = too_large(&[Source::new("core/src/a.rs", &text)]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].line, FUNCTION_LINES_MAX + 1);
        assert!(found[0].what.contains("too_long has 71 lines"), "{}", found[0]);
    }

    #[test]
    fn long_files_and_deep_folders_are_named() {
        let lines = |n| "// x\n".repeat(n);
        assert_eq!(too_large(&[Source::new("core/src/a.rs", &lines(FILE_LINES_MAX))]), []);
        assert_eq!(too_large(&[Source::new("core/src/a.rs", &lines(FILE_LINES_MAX + 1))])[0].line, 601);
        assert_eq!(too_large(&[Source::new("core/src/a/b/c.rs", "")]), []);
        assert_eq!(too_large(&[Source::new("core/src/a/b/c/d.rs", "")]).len(), 1);
    }
}
