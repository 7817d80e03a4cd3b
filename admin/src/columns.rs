//! A trail as a Parquet file: typed columns, for programs that read many millions of entries. The only module that names the
//! crate `parquet`.
//!
//! Rows are gathered into groups of a bounded number, so that a long trail takes no more memory than a short one. Times and
//! numbers stay what they are; what has no column of its own is an object of JSON in the last one.

use std::io::Write;
use std::sync::Arc;

use doorward_protocol::audit::Entry;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, FloatType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;
use serde_json::Value;

use crate::audit::fields;

/// Rows of one group: some megabytes.
const GROUP_MAX: usize = 10_000;

const SCHEMA: &str = "message entry {
    required int64 seq;
    required int64 at (TIMESTAMP(MILLIS, true));
    required binary clock (UTF8);
    required binary kind (UTF8);
    optional binary door (UTF8);
    optional binary person (UTF8);
    optional int64 attempt;
    optional boolean granted;
    optional binary reason (UTF8);
    optional binary rule (UTF8);
    optional float comparison_score;
    optional float threshold;
    optional float runner_up;
    optional float liveness;
    optional int64 frames;
    optional int64 gallery;
    optional binary level (UTF8);
    optional binary detail (UTF8);
}";

/// The columns behind the first four, which every entry has; the last one is what is left.
const OWN: [(&str, Kind); 13] = [
    ("door", Kind::Text),
    ("person", Kind::Text),
    ("attempt", Kind::Whole),
    ("granted", Kind::Truth),
    ("reason", Kind::Text),
    ("rule", Kind::Text),
    ("comparison_score", Kind::Fraction),
    ("threshold", Kind::Fraction),
    ("runner_up", Kind::Fraction),
    ("liveness", Kind::Fraction),
    ("frames", Kind::Whole),
    ("gallery", Kind::Whole),
    ("level", Kind::Text),
];

#[derive(Clone, Copy)]
enum Kind {
    Whole,
    Fraction,
    Truth,
    Text,
}

/// What is gathered of one column.
enum Column {
    Whole(Cells<Int64Type>),
    Fraction(Cells<FloatType>),
    Truth(Cells<BoolType>),
    Text(Cells<ByteArrayType>),
}

/// Values, and for each row whether it has one.
struct Cells<T: DataType> {
    values: Vec<T::T>,
    there: Vec<i16>,
}

/// A file that is being written.
pub struct Columns<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    columns: Vec<Column>,
    rows: usize,
}

impl<W: Write + Send> Columns<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// The output's.
    pub fn new(out: W) -> Result<Self, ParquetError> {
        let schema = Arc::new(parse_message_type(SCHEMA)?);
        let writer = SerializedFileWriter::new(out, schema, Arc::new(WriterProperties::builder().build()))?;
        Ok(Self { writer, columns: columns(), rows: 0 })
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// The output's.
    pub fn row(&mut self, seq: u64, entry: &Entry) -> Result<(), ParquetError> {
        let (kind, mut fields) = fields(entry);
        let clock = serde_json::to_value(entry.clock).unwrap_or_default();
        let first = [seq.into(), entry.at_ms.into(), clock, kind.into()];
        let own = OWN.map(|(name, _)| fields.remove(name).unwrap_or_default());
        fields.retain(|_, value| !value.is_null());
        let detail = if fields.is_empty() { Value::Null } else { Value::Object(fields).to_string().into() };
        for (column, value) in self.columns.iter_mut().zip(first.into_iter().chain(own).chain([detail])) {
            column.push(&value);
        }
        self.rows += 1;
        if self.rows < GROUP_MAX { Ok(()) } else { self.group() }
    }

    /// Ends the file.
    ///
    /// # Errors
    /// The output's.
    pub fn finish(mut self) -> Result<(), ParquetError> {
        if self.rows > 0 {
            self.group()?;
        }
        self.writer.close().map(drop)
    }

    fn group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.writer.next_row_group()?;
        for column in std::mem::replace(&mut self.columns, columns()) {
            let mut writer = group.next_column()?.expect("there is a column of the schema for each of ours");
            match column {
                Column::Whole(cells) => cells.write(&mut writer)?,
                Column::Fraction(cells) => cells.write(&mut writer)?,
                Column::Truth(cells) => cells.write(&mut writer)?,
                Column::Text(cells) => cells.write(&mut writer)?,
            }
            writer.close()?;
        }
        group.close()?;
        self.rows = 0;
        Ok(())
    }
}

fn columns() -> Vec<Column> {
    let first = [Kind::Whole, Kind::Whole, Kind::Text, Kind::Text];
    let all = first.into_iter().chain(OWN.map(|(_, kind)| kind)).chain([Kind::Text]);
    all.map(|kind| match kind {
        Kind::Whole => Column::Whole(Cells::default()),
        Kind::Fraction => Column::Fraction(Cells::default()),
        Kind::Truth => Column::Truth(Cells::default()),
        Kind::Text => Column::Text(Cells::default()),
    })
    .collect()
}

impl Column {
    fn push(&mut self, value: &Value) {
        match self {
            Column::Whole(cells) => cells.push(value.as_i64()),
            Column::Fraction(cells) => cells.push(value.as_f64().map(single)),
            Column::Truth(cells) => cells.push(value.as_bool()),
            Column::Text(cells) => cells.push(value.as_str().map(ByteArray::from)),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "fractions of entries are 32-bit floats before they become JSON"
)]
fn single(fraction: f64) -> f32 {
    fraction as f32
}

impl<T: DataType> Default for Cells<T> {
    fn default() -> Self {
        Self { values: Vec::new(), there: Vec::new() }
    }
}

impl<T: DataType> Cells<T> {
    fn push(&mut self, value: Option<T::T>) {
        self.there.push(i16::from(value.is_some()));
        self.values.extend(value);
    }

    /// Required columns leave out which rows have a value: all of them.
    fn write(&self, writer: &mut SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        writer.typed::<T>().write_batch(&self.values, Some(&self.there), None).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use doorward_protocol::audit::{ClockTrust, Decided, DoorReport, LivenessLevel, Scores, What};
    use doorward_protocol::ids::AttemptId;
    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    use parquet::record::RowAccessor as _;

    use super::*;

    fn entry(number: u64) -> Entry {
        let scores = Scores {
            comparison_score: 0.71,
            threshold: 0.46,
            runner_up: -1.0,
            liveness: 97.0,
            frames: 3,
            gallery: 1000,
        };
        let what = match number % 2 {
            0 => What::Door(DoorReport { door: "front".parse().unwrap(), event: "opened".into() }),
            _ => What::Decided(Decided {
                attempt: AttemptId(number),
                door: "front".parse().unwrap(),
                granted: true,
                person: "E-1042".parse().ok(),
                reason: "granted".into(),
                rule: "weekly".into(),
                scores: Some(scores),
                presented: None,
                level: Some(LivenessLevel::Convenience),
            }),
        };
        Entry { at_ms: 1_800_000_000_000 + number as i64, clock: ClockTrust::Synchronised, what }
    }

    #[test]
    fn what_is_written_is_read_again_over_the_end_of_a_group() {
        let count = GROUP_MAX as u64 + 5;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.parquet");
        let mut columns = Columns::new(std::fs::File::create(&path).unwrap()).unwrap();
        (1..=count).for_each(|seq| columns.row(seq, &entry(seq)).unwrap());
        columns.finish().unwrap();
        let reader = SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap();
        assert_eq!(reader.metadata().num_row_groups(), 2);
        let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
        assert_eq!(rows.len() as u64, count);
        for (row, seq) in rows.iter().zip(1u64..) {
            assert_eq!(row.get_long(0).unwrap(), i64::try_from(seq).unwrap());
            assert_eq!(row.get_timestamp_millis(1).unwrap(), entry(seq).at_ms);
            assert_eq!(row.get_string(2).unwrap(), "synchronised");
            assert_eq!(row.get_string(4).unwrap(), "front");
            if seq % 2 == 0 {
                assert_eq!(row.get_string(3).unwrap(), "door");
                assert!(row.get_string(5).is_err(), "a report is about nobody");
                assert_eq!(row.get_string(17).unwrap(), "{\"event\":\"opened\"}");
            } else {
                assert_eq!((row.get_string(5).unwrap().as_str(), row.get_bool(7).unwrap()), ("E-1042", true));
                assert_eq!((row.get_float(10).unwrap(), row.get_long(15).unwrap()), (0.71, 1000));
                assert_eq!(row.get_string(16).unwrap(), "convenience");
                assert!(row.get_string(17).is_err(), "nothing is left");
            }
        }
    }

    #[test]
    fn an_empty_trail_is_a_file_without_rows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.parquet");
        Columns::new(std::fs::File::create(&path).unwrap()).unwrap().finish().unwrap();
        let reader = SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap();
        assert_eq!(reader.metadata().file_metadata().num_rows(), 0);
    }
}
