//! The columns that a COPY fills: one builder each, and the place that an error names.

use std::collections::VecDeque;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use datafusion::arrow::compute::{cast, filter_record_batch};
use datafusion::arrow::datatypes::SchemaRef;

use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;
use crate::types::builder::ColumnBuilder;
use crate::types::format::FormatSettings;
use crate::types::parse::parse_value;

/// Rows of a batch, and the bytes of input after which it ends early.
const BATCH_ROWS: usize = 8192;
const BATCH_BYTES: usize = 32 << 20;

pub(super) struct Columns {
    schema: SchemaRef,
    builders: Vec<ColumnBuilder>,
    relation: String,
    rows: usize,
    bytes: usize,
    ready: VecDeque<RecordBatch>,
    /// Where rows with faulty values are left out.
    faults: Option<Faults>,
}

/// Which rows of the batch are kept.
#[derive(Default)]
struct Faults {
    kept: Vec<bool>,
    /// The row that is being read.
    is_faulty: bool,
    skipped: u64,
}

impl Columns {
    pub fn new(schema: SchemaRef, relation: &str, settings: &FormatSettings, skips_faults: bool) -> Columns {
        let builder = |field: &Arc<_>| ColumnBuilder::new(&SqlType::from_field(field), settings, BATCH_ROWS);
        let builders = schema.fields().iter().map(builder).collect();
        Columns {
            schema,
            builders,
            relation: relation.to_string(),
            rows: 0,
            bytes: 0,
            ready: VecDeque::new(),
            faults: skips_faults.then(Faults::default),
        }
    }

    pub fn len(&self) -> usize {
        self.builders.len()
    }

    pub fn builder(&mut self, column: usize) -> &mut ColumnBuilder {
        &mut self.builders[column]
    }

    pub fn name(&self, column: usize) -> &str {
        self.schema.field(column).name()
    }

    /// One text value; `None` is NULL.
    pub fn append_text(&mut self, column: usize, text: Option<&str>, line: u64) -> Result<()> {
        match text {
            None => {
                self.builders[column].append_null();
                Ok(())
            }
            Some(text) if self.faults.is_some() => {
                self.append_or_skip(column, text);
                Ok(())
            }
            Some(text) => self.builders[column]
                .append_text(text)
                .map_err(|error| self.at_column(error, line, column, Some(text))),
        }
    }

    /// A value, or a NULL in a row that is left out.
    fn append_or_skip(&mut self, column: usize, text: &str) {
        let builder = &mut self.builders[column];
        // What goes wrong inside an array would leave parts of it behind.
        let is_nested = matches!(builder.sql_type(), SqlType::Array(_) | SqlType::Composite(_));
        let is_read = !is_nested || parse_value(builder.sql_type(), text, builder.settings()).is_ok();
        if !is_read || builder.append_text(text).is_err() {
            builder.append_null();
            if let Some(faults) = &mut self.faults {
                faults.is_faulty = true;
            }
        }
    }

    /// How many rows were left out.
    pub fn skipped(&self) -> u64 {
        self.faults.as_ref().map_or(0, |faults| faults.skipped)
    }

    /// A row is complete; `bytes` is its length in the input.
    pub fn end_row(&mut self, bytes: usize) -> Result<()> {
        self.rows += 1;
        self.bytes += bytes;
        if let Some(faults) = &mut self.faults {
            let is_faulty = std::mem::take(&mut faults.is_faulty);
            faults.kept.push(!is_faulty);
            faults.skipped += u64::from(is_faulty);
        }
        if self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES {
            self.end_batch()?;
        }
        Ok(())
    }

    pub fn end_batch(&mut self) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.builders.len());
        for (builder, field) in self.builders.iter_mut().zip(self.schema.fields()) {
            let array = builder.finish()?;
            arrays.push(if array.data_type() == field.data_type() {
                array
            } else {
                cast(&array, field.data_type())?
            });
        }
        // Whether NULL is allowed is for the table to say, with its own message.
        let fields: Vec<_> = self
            .schema
            .fields()
            .iter()
            .map(|field| field.as_ref().clone().with_nullable(true))
            .collect();
        let schema = Arc::new(datafusion::arrow::datatypes::Schema::new(fields));
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        let mut batch = RecordBatch::try_new_with_options(schema, arrays, &options)?;
        if let Some(faults) = &mut self.faults {
            batch = filter_record_batch(&batch, &BooleanArray::from(std::mem::take(&mut faults.kept)))?;
        }
        self.ready.push_back(batch);
        self.rows = 0;
        self.bytes = 0;
        Ok(())
    }

    pub fn next_batch(&mut self) -> Option<RecordBatch> {
        self.ready.pop_front()
    }

    /// 22P04 about a whole line.
    pub fn bad_line(&self, message: impl Into<String>, line: u64, text: &str) -> Error {
        let shown = limited(text);
        let place = format!("COPY {}, line {line}: \"{shown}\"", self.relation);
        Error::new(SqlState::BadCopyFileFormat, message).within(place)
    }

    /// 22P04 where no line can be shown.
    pub fn bad_file(&self, message: impl Into<String>, line: u64) -> Error {
        let place = format!("COPY {}, line {line}", self.relation);
        Error::new(SqlState::BadCopyFileFormat, message).within(place)
    }

    /// Adds the line and column to an error of a value.
    pub fn at_column(&self, error: Error, line: u64, column: usize, text: Option<&str>) -> Error {
        let mut place = format!("COPY {}, line {line}, column {}", self.relation, self.name(column));
        if let Some(text) = text {
            place.push_str(&format!(": \"{}\"", limited(text)));
        }
        error.within(place)
    }

    /// Adds the line to an error.
    pub fn at_line(&self, error: Error, line: u64) -> Error {
        error.within(format!("COPY {}, line {line}", self.relation))
    }
}

/// At most 100 bytes of a value.
fn limited(text: &str) -> String {
    const MAX_SHOWN: usize = 100;
    match text.len() <= MAX_SHOWN {
        true => text.to_string(),
        false => format!("{}...", &text[..text.floor_char_boundary(MAX_SHOWN)]),
    }
}
