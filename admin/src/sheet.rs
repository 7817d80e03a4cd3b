//! Tables as CSV: read within bounds, and written so that a spreadsheet shows them and runs nothing.
//!
//! Spreadsheets take a cell that begins with `=`, `+`, `-` or `@` for a formula, which can fetch addresses and start
//! programs (OWASP, "CSV Injection"). Such text gets an apostrophe in front. The only module that names the crate `csv`.

use std::fs::File;
use std::io::{Read as _, Write};
use std::path::Path;

use anyhow::{Context as _, bail};
use csv::{ByteRecord, ReaderBuilder};

/// The largest table that is read: a million lines of 256 bytes.
const FILE_LEN_MAX: u64 = 256 << 20;

/// One cell of a table to be written.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Foreign or own text.
    Text(String),
    /// A number, as it is to be written.
    Number(String),
    /// Nothing.
    Empty,
}

/// Reads a table with a header that has these columns, in any order and among others, and hands each line's cells to
/// `take` with its number in the file.
///
/// # Errors
/// A file that cannot be read, is too long, lacks a column or holds no UTF-8; and whatever `take` returns.
pub fn read<const N: usize>(
    path: &Path,
    columns: [&str; N],
    mut take: impl FnMut(u64, [&str; N]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let shown = path.display();
    let file = File::open(path).with_context(|| format!("read {shown}"))?;
    let length = file.metadata().with_context(|| format!("read {shown}"))?.len();
    if length > FILE_LEN_MAX {
        bail!("read {shown}: it has {length} bytes, and a table has at most {FILE_LEN_MAX}");
    }
    let mut reader = ReaderBuilder::new().trim(csv::Trim::All).from_reader(file.take(FILE_LEN_MAX));
    let header = reader.headers().with_context(|| format!("read the header of {shown}"))?.clone();
    let place = |name: &str| header.iter().position(|column| column == name);
    let mut places = [0; N];
    for (place_of, name) in places.iter_mut().zip(columns) {
        let found: Vec<&str> = header.iter().collect();
        *place_of = place(name).with_context(|| {
            format!("{shown} needs a first line with {}; it has {found:?}", columns.join(","))
        })?;
    }
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).with_context(|| format!("read {shown}"))? {
        let line = record.position().map_or(0, csv::Position::line);
        take(line, places.map(|place| &record[place])).with_context(|| format!("{shown}, line {line}"))?;
    }
    Ok(())
}

/// Writes a table line by line.
pub struct Sheet<W: Write> {
    writer: csv::Writer<W>,
}

impl<W: Write> Sheet<W> {
    /// A table with these columns.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn new(out: W, columns: &[&str]) -> std::io::Result<Self> {
        let mut sheet = Self { writer: csv::Writer::from_writer(out) };
        sheet.writer.write_record(columns).map_err(std::io::Error::from)?;
        Ok(sheet)
    }

    /// Adds a line.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn line(&mut self, cells: &[Cell]) -> std::io::Result<()> {
        let record: ByteRecord = cells.iter().map(Cell::written).collect();
        self.writer.write_byte_record(&record).map_err(std::io::Error::from)
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn finish(mut self) -> std::io::Result<()> {
        self.writer.flush()
    }
}

impl Cell {
    fn written(&self) -> String {
        match self {
            Cell::Text(text) if starts_a_formula(text) => format!("'{text}"),
            Cell::Text(text) => text.clone(),
            Cell::Number(number) => number.clone(),
            Cell::Empty => String::new(),
        }
    }
}

/// Spreadsheets look past spaces and line ends, and some take the wide forms of the signs for the signs.
fn starts_a_formula(text: &str) -> bool {
    let first = text.trim_start().chars().next();
    let begins_blank = text.starts_with(['\t', '\r', '\n']);
    begins_blank || first.is_some_and(|c| "=+-@\u{ff1d}\u{ff0b}\u{ff0d}\u{ff20}".contains(c))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn written(cells: &[Cell]) -> String {
        let mut out = Vec::new();
        let mut sheet = Sheet::new(&mut out, &["a", "b"]).unwrap();
        sheet.line(cells).unwrap();
        sheet.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    fn text(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }

    #[test]
    fn h8_text_that_a_spreadsheet_would_run_gets_an_apostrophe() {
        for hostile in ["=cmd|' /C calc'!A0", "+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", " =1", "\u{ff1d}1"] {
            let Cell::Text(_) = text(hostile) else { unreachable!() };
            let written = text(hostile).written();
            assert!(written.starts_with('\''), "{hostile:?} became {written:?}");
        }
        for harmless in ["granted", "e-1042", "a=b", "", "'quoted"] {
            assert_eq!(text(harmless).written(), harmless);
        }
        assert_eq!(Cell::Number("-1".into()).written(), "-1", "a number of our own stays one");
    }

    #[test]
    fn h8_commas_quotes_and_line_ends_stay_inside_their_cell() {
        let hostile = "x\",1\n=2";
        let lines = written(&[text(hostile), Cell::Empty]);
        assert_eq!(lines, "a,b\n\"x\"\",1\n=2\",\n");
    }

    #[test]
    fn a_written_table_is_read_back_in_any_order_of_columns() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        fs::write(&path, "b, a ,c\n\"2, two\",1,x\n").unwrap();
        let mut seen = Vec::new();
        read(&path, ["a", "b"], |line, [a, b]| {
            seen.push((line, a.to_owned(), b.to_owned()));
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, [(2, "1".to_owned(), "2, two".to_owned())]);
    }

    #[test]
    fn a_missing_column_a_ragged_line_and_binary_rubbish_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        let refusal = |content: &[u8]| {
            fs::write(&path, content).unwrap();
            format!("{:#}", read(&path, ["a", "b"], |_, _| Ok(())).unwrap_err())
        };
        assert!(refusal(b"a,x\n1,2\n").contains("first line with a,b"));
        assert!(refusal(b"").contains("first line with a,b"));
        assert!(refusal(b"a,b\n1\n").contains("line: 2"));
        assert!(refusal(b"a,b\n\xff\xfe,1\n").contains("UTF-8"));
    }
}
