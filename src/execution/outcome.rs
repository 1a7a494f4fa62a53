//! What a statement gives back, whatever it was: rows, a command tag, or a COPY dialogue.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;

pub use crate::binding::OutputColumn;
use crate::context::settings::MessageLevel;
use crate::error::{Result, SqlState};
use crate::result_cache::{CacheFill, EncodedRows};
use crate::types::SqlType;

/// What the client is told beside the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub severity: NoticeSeverity,
    pub state: SqlState,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
    /// The lines of CONTEXT.
    pub context: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeSeverity {
    Debug,
    Log,
    Info,
    Notice,
    Warning,
}

impl NoticeSeverity {
    /// What `client_min_messages` compares; `None` for what clients get whatever they asked for.
    pub fn level(self) -> Option<MessageLevel> {
        match self {
            NoticeSeverity::Debug => Some(MessageLevel::Debug),
            NoticeSeverity::Log => Some(MessageLevel::Log),
            NoticeSeverity::Info => None,
            NoticeSeverity::Notice => Some(MessageLevel::Notice),
            NoticeSeverity::Warning => Some(MessageLevel::Warning),
        }
    }

    /// As the protocol spells it.
    pub fn name(self) -> &'static str {
        match self {
            NoticeSeverity::Debug => "DEBUG",
            NoticeSeverity::Log => "LOG",
            NoticeSeverity::Info => "INFO",
            NoticeSeverity::Notice => "NOTICE",
            NoticeSeverity::Warning => "WARNING",
        }
    }
}

impl Notice {
    #[expect(
        clippy::self_named_constructors,
        reason = "it is the protocol's name of this severity"
    )]
    pub fn notice(message: impl Into<String>) -> Notice {
        Notice {
            severity: NoticeSeverity::Notice,
            state: SqlState::SuccessfulCompletion,
            message: message.into(),
            detail: None,
            hint: None,
            context: None,
        }
    }

    pub fn warning(state: SqlState, message: impl Into<String>) -> Notice {
        Notice {
            severity: NoticeSeverity::Warning,
            state,
            message: message.into(),
            detail: None,
            hint: None,
            context: None,
        }
    }
}

/// The result of one statement.
pub enum Outcome {
    Rows(RowSet),
    /// The command tag.
    Done(String),
    /// COPY TO STDOUT: rows in a COPY format.
    CopyOut(RowSet, crate::types::copy::CopyOptions),
    /// COPY FROM STDIN: the caller feeds the data.
    CopyIn(Box<super::commands::copy_in::CopyIn>),
}

/// Rows on their way to the client.
pub struct RowSet {
    pub columns: Arc<[OutputColumn]>,
    pub rows: Rows,
    /// The first words of the command tag; the row count follows.
    pub tag: &'static str,
}

pub enum Rows {
    /// `fill` collects the encoded rows for the result cache.
    Stream {
        stream: SendableRecordBatchStream,
        fill: Option<CacheFill>,
    },
    /// DataRow messages from the result cache.
    Encoded(Arc<EncodedRows>),
}

impl RowSet {
    /// Rows that are already there: SHOW, EXPLAIN, DESCRIBE.
    pub fn of_batch(batch: RecordBatch, tag: &'static str) -> RowSet {
        let columns = batch
            .schema()
            .fields()
            .iter()
            .map(|field| OutputColumn::new(field.name(), SqlType::from_field(field)))
            .collect();
        RowSet {
            columns,
            rows: Rows::Stream {
                stream: stream_of(batch),
                fill: None,
            },
            tag,
        }
    }
}

/// A stream of one batch.
pub fn stream_of(batch: RecordBatch) -> SendableRecordBatchStream {
    stream_of_batches(batch.schema(), vec![batch])
}

/// A stream of batches that are already there.
pub fn stream_of_batches(schema: SchemaRef, batches: Vec<RecordBatch>) -> SendableRecordBatchStream {
    Box::pin(RecordBatchStreamAdapter::new(
        schema,
        futures::stream::iter(batches.into_iter().map(Ok)),
    ))
}

/// The columns of a statement whose result has this shape.
pub fn columns_of_shape(shape: &[(&'static str, SqlType)]) -> Vec<OutputColumn> {
    shape
        .iter()
        .map(|(name, sql_type)| OutputColumn::new(*name, sql_type.clone()))
        .collect()
}

/// Rows of that shape; the arrays may be narrower than the types' usual ones.
pub fn shaped_rows(shape: &[(&'static str, SqlType)], columns: Vec<ArrayRef>, tag: &'static str) -> Result<RowSet> {
    let fields: Vec<Field> = shape
        .iter()
        .zip(&columns)
        .map(|((name, sql_type), column)| {
            sql_type
                .to_field(*name, true)
                .with_data_type(column.data_type().clone())
        })
        .collect();
    Ok(RowSet::of_batch(
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?,
        tag,
    ))
}

/// Rows of text columns.
pub fn text_rows(names: &[&str], rows: &[Vec<String>], tag: &'static str) -> Result<RowSet> {
    let fields: Vec<Field> = names
        .iter()
        .map(|name| Field::new(*name, DataType::Utf8, true))
        .collect();
    let column = |index: usize| StringArray::from_iter(rows.iter().map(|row| row.get(index)));
    let columns = (0..names.len())
        .map(|index| Arc::new(column(index)) as ArrayRef)
        .collect();
    Ok(RowSet::of_batch(
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?,
        tag,
    ))
}
