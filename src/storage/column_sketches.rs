//! How many different values the columns of a table have, from the sketches of its files. A file's sketches are one
//! text, by the columns' physical names: a tag of the add action where Boathouse wrote the file, which other readers
//! pass by, and an entry of what ANALYZE kept (`analyze.rs`) where it did not. They belong to the file, so a version
//! has those of its own files; what cannot be read is not there.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;

use super::distinct_values::DistinctValues;
use super::file_index::FileIndex;
use super::schema::TableSchema;

/// Sketches of fewer of the rows, one of so many, tell nothing of the table.
const LEAST_PART: f64 = 10.0;
/// Where so many of the rows have a value of their own, the rows that are not sketched have too.
pub const UNIQUE_PART: f64 = 0.8;

/// Sketches of a file's columns by physical name, as they are kept.
pub(super) type FileSketches = BTreeMap<String, DistinctValues>;

/// The text of a file's sketches; `None` without any.
pub(super) fn to_text<'a>(sketches: impl Iterator<Item = (&'a str, &'a DistinctValues)>) -> Option<String> {
    let texts: BTreeMap<&str, String> = sketches.map(|(name, sketch)| (name, sketch.to_text())).collect();
    (!texts.is_empty()).then(|| serde_json::json!(texts).to_string())
}

fn of_text(text: &str) -> BTreeMap<Cow<'_, str>, Cow<'_, str>> {
    serde_json::from_str(text).unwrap_or_default()
}

/// What a text says.
pub(super) fn read(text: &Arc<str>) -> FileSketches {
    let sketch = |(name, text): (Cow<'_, str>, Cow<'_, str>)| Some((name.into(), DistinctValues::of_text(&text)?));
    of_text(text).into_iter().filter_map(sketch).collect()
}

/// The text of a file: what its writer says and what ANALYZE `found`.
pub(super) fn together(written: Option<&str>, found: Option<&Arc<str>>) -> Option<Arc<str>> {
    match (written, found) {
        (None, found) => found.cloned(),
        (Some(written), None) => Some(written.into()),
        (Some(written), Some(found)) => {
            let mut all = of_text(found);
            all.extend(of_text(written));
            Some(serde_json::json!(all).to_string().into())
        }
    }
}

/// Whether the text has a sketch of the column.
pub(super) fn has_column(text: Option<&Arc<str>>, physical_name: &str) -> bool {
    text.is_some_and(|text| of_text(text).contains_key(physical_name))
}

/// Sketches of all files together, one for each column that files hold.
#[derive(Debug, Clone)]
pub(super) struct TableSketches(Vec<ColumnSketch>);

#[derive(Debug, Clone, Default)]
struct ColumnSketch {
    values: DistinctValues,
    /// Files that have a sketch, and their rows.
    files: usize,
    rows: i64,
}

impl TableSketches {
    pub(super) fn of_files(schema: &TableSchema, index: &FileIndex) -> TableSketches {
        TableSketches(vec![ColumnSketch::default(); schema.file_columns.len()]).with(schema, index, 0)
    }

    /// These with the files of `index` from position `first` on.
    pub(super) fn with(mut self, schema: &TableSchema, index: &FileIndex, first: usize) -> TableSketches {
        for (file, text) in index.sketches.iter().enumerate().skip(first) {
            let Some(text) = text else { continue };
            let sketches = of_text(text);
            for (column, known) in schema.file_columns.iter().zip(&mut self.0) {
                let text = sketches.get(schema.columns[*column].physical_name.as_str());
                if let Some(sketch) = text.and_then(|text| DistinctValues::of_text(text)) {
                    known.values.merge(&sketch);
                    known.files += 1;
                    known.rows += index.live_rows(file).unwrap_or(0);
                }
            }
        }
        self
    }

    /// Different values of a file column among so many files and rows; `None` where too few are sketched.
    pub(super) fn count(&self, file_column: usize, files: usize, rows: usize) -> Option<usize> {
        let known = self.0.get(file_column).filter(|known| known.files > 0)?;
        let (values, rows, sketched) = (known.values.count(), rows as f64, known.rows as f64);
        let is_whole = known.files >= files || sketched >= rows;
        let values = match is_whole {
            true => values,
            false if sketched * LEAST_PART < rows => return None,
            false if values >= sketched * UNIQUE_PART => values * rows / sketched.max(1.0),
            false => values,
        };
        Some(values.min(rows).round() as usize)
    }
}

/// Different values of a partition column.
pub(super) fn of_partitions(values: &ArrayRef) -> Option<usize> {
    DistinctValues::covers(values.data_type()).then(|| {
        let mut sketch = DistinctValues::default();
        sketch.update(values);
        sketch.count().round() as usize
    })
}
