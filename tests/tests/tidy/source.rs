//! The project's text as the checks see it: every file once, and Rust with its comments and literals blanked out, so
//! that a word in a sentence is never taken for code.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// Folders that hold nothing written by hand.
const SKIPPED_FOLDERS: [&str; 2] = ["target", "node_modules"];

/// Hidden folders that do; the others belong to tools.
const READ_HIDDEN: [&str; 3] = [".cargo", ".ci", ".github"];

/// Files beyond this are data, not text, unless they are Rust: five times the longest source file allowed, at 200 bytes
/// a line.
const TEXT_BYTES_MAX: u64 = 600_000;

/// Something that is not as it should be: where, what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) what: String,
    pub(crate) remedy: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}; {}", self.path, self.line, self.what, self.remedy)
    }
}

/// One text file.
pub(crate) struct Source {
    /// Relative to the workspace root, with `/`.
    pub(crate) path: String,
    /// As it is.
    pub(crate) text: String,
    /// For Rust: the same lines and columns with comments and literals blanked. Empty for other files.
    pub(crate) code: String,
}

impl Source {
    /// A file with this text; Rust if its name says so.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let code = if path.ends_with(".rs") { blank(text) } else { String::new() };
        Self { path: path.to_owned(), text: text.to_owned(), code }
    }

    /// Whether it is Rust.
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The name without folders and ending.
    pub(crate) fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or(&self.path);
        name.split('.').next().unwrap_or(name)
    }

    /// A finding in this file.
    pub(crate) fn finding(&self, line: usize, what: impl Into<String>, remedy: &'static str) -> Finding {
        Finding { path: self.path.clone(), line, what: what.into(), remedy }
    }
}

/// The folder of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the test crate lies in the workspace").to_owned()
}

/// Every text file of the project, in the order of their paths; read once for all checks.
pub(crate) fn all() -> &'static [Source] {
    static ALL: LazyLock<Vec<Source>> = LazyLock::new(|| {
        let root = root();
        let mut paths = Vec::new();
        walk(&root, &mut paths);
        paths.sort();
        paths.iter().filter_map(|path| read(&root, path)).collect()
    });
    &ALL
}

/// Byte positions in `code` where `word` stands alone, that is, not inside a longer identifier.
pub(crate) fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        let open_end = !word.ends_with(part);
        !before.is_some_and(part) && (open_end || !after.is_some_and(part))
    })
}

/// The line of a byte position, from 1.
pub(crate) fn line_at(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// Rust with comments and literals replaced by spaces; lines and columns stay.
pub(crate) fn blank(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = literal_end(&chars, at);
        if end == at {
            out.push(chars[at]);
            at += 1;
        } else {
            out.extend(chars[at..end].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    out
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).expect("the checkout can be read");
    for entry in entries {
        let path = entry.expect("the checkout can be read").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let hidden = name.starts_with('.') && !READ_HIDDEN.contains(&name);
        if path.is_dir() {
            if !hidden && !SKIPPED_FOLDERS.contains(&name) {
                walk(&path, paths);
            }
        } else if !name.ends_with(".lock") && !name.ends_with(".log") {
            paths.push(path);
        }
    }
}

/// Reads one file; `None` for what is no text.
fn read(root: &Path, path: &Path) -> Option<Source> {
    let relative = path.strip_prefix(root).ok()?.to_str()?.replace('\\', "/");
    if !relative.ends_with(".rs") && fs::metadata(path).ok()?.len() > TEXT_BYTES_MAX {
        return None;
    }
    let text = fs::read_to_string(path).ok()?;
    Some(Source::new(&relative, &text))
}

/// Where the comment or literal that begins at `at` ends; `at` itself if none begins there.
fn literal_end(chars: &[char], at: usize) -> usize {
    let char_at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let inside_word = at > 0 && (char_at(at - 1).is_alphanumeric() || char_at(at - 1) == '_');
    match (char_at(at), char_at(at + 1)) {
        ('/', '/') => (at..chars.len()).find(|&i| chars[i] == '\n').unwrap_or(chars.len()),
        ('/', '*') => block_comment_end(chars, at),
        ('"', _) => string_end(chars, at + 1),
        ('\'', '\\') => (at + 3..chars.len()).find(|&i| chars[i] == '\'').map_or(chars.len(), |i| i + 1),
        ('\'', _) if char_at(at + 2) == '\'' => at + 3,
        ('r' | 'b' | 'c', _) if !inside_word => prefixed_end(chars, at),
        _ => at,
    }
}

/// `r"…"`, `r#"…"#`, `b"…"`, `br"…"`, `c"…"`, `b'…'`; `at` itself for an ordinary word with that letter.
fn prefixed_end(chars: &[char], at: usize) -> usize {
    let letters = (at..chars.len()).take_while(|&i| matches!(chars[i], 'r' | 'b' | 'c')).count();
    let raw = chars[at..at + letters].contains(&'r');
    let hashes = (at + letters..chars.len()).take_while(|&i| raw && chars[i] == '#').count();
    let quote = at + letters + hashes;
    match chars.get(quote) {
        Some('"') if letters <= 2 && raw => raw_end(chars, quote + 1, hashes),
        Some('"') if letters == 1 => string_end(chars, quote + 1),
        Some('\'') if letters == 1 && chars[at] == 'b' => literal_end(chars, quote).max(at),
        _ => at,
    }
}

fn block_comment_end(chars: &[char], at: usize) -> usize {
    let mut depth = 0;
    let mut i = at;
    while i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('/', Some('*')) => (depth, i) = (depth + 1, i + 2),
            ('*', Some('/')) => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            return i;
        }
    }
    chars.len()
}

fn string_end(chars: &[char], from: usize) -> usize {
    let mut i = from;
    while i < chars.len() {
        match chars[i] {
            '\\' => i += 2,
            '"' => return i + 1,
            _ => i += 1,
        }
    }
    chars.len()
}

fn raw_end(chars: &[char], from: usize, hashes: usize) -> usize {
    let closes =
        |i: usize| chars[i] == '"' && chars[i + 1..].iter().take_while(|&&c| c == '#').count() >= hashes;
    (from..chars.len()).find(|&i| closes(i)).map_or(chars.len(), |i| i + 1 + hashes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_and_code_keeps_its_place() {
        let rows = [
            ("a // unsafe\nb", "a b"),
            ("a /* x /* y */ z */ b", "a b"),
            (r#"f("un\"safe") + 1"#, "f( ) + 1"),
            (r##"f(r#"say "unsafe" "#) + 1"##, "f( ) + 1"),
            (r#"f(b"{", br"{", c"{")"#, "f( , , )"),
            ("m('{', '\\'', '\\u{7b}', b'{')", "m( , , , )"),
            ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
            ("let bar = rab(cab);", "let bar = rab(cab);"),
            ("r#type.b", "r#type.b"),
            ("\"line one\nline two\" end", "end"),
        ];
        for (text, expected) in rows {
            let code = blank(text);
            assert_eq!(code.split_whitespace().collect::<Vec<_>>().join(" "), expected, "{text}");
            let places = |text: &str| text.chars().map(|c| c == '\n').collect::<Vec<_>>();
            assert_eq!(places(&code), places(text), "{text}");
        }
    }

    #[test]
    fn a_word_inside_a_longer_one_is_not_that_word() {
        let code = "unsafe_code unsafe { port::x ort::y }";
        assert_eq!(words(code, "unsafe").collect::<Vec<_>>(), [12]);
        assert_eq!(words(code, "ort::").collect::<Vec<_>>(), [29]);
        assert_eq!(line_at("a\nb\nc", 4), 3);
    }
}
