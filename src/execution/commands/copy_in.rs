//! COPY FROM STDIN: the client's bytes become batches as they arrive, batches become files, and the files
//! wait for the commit; a COPY that fails leaves nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::catalog::Session;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::CommandContext;
use super::insert::{assigned, open, require_insert};
use super::row_checks::{ShownRows, checked, shown_row_check, taken_rows, with_defaults, with_generated};
use crate::binding::{self, insert_columns};
use crate::catalog::model::Table;
use crate::error::{Error, Result, SqlState};
use crate::execution::enforced_keys::{EnforcedKeys, NewRows};
use crate::execution::foreign_keys::ForeignKeys;
use crate::execution::outcome::Notice;
use crate::execution::transaction::TableWrite;
use crate::statement::ast::{Copy, ObjectName};
use crate::storage::{DeltaTable, KeyGuard, Operation, Removal, StagedFiles, TableSnapshot, TouchedRows};
use crate::types::copy::{CopyDecoder, CopyFormat};
use crate::types::encoding::Encoding;
use crate::types::format::Format;

/// Batches that may wait for the writer: a fast client does not grow memory.
const QUEUE: usize = 4;

/// A COPY FROM STDIN under way.
pub struct CopyIn {
    table: Table,
    decoder: CopyDecoder,
    columns: usize,
    format: Format,
    batches: mpsc::Sender<Result<RecordBatch, DataFusionError>>,
    writer: JoinHandle<Result<StagedFiles>>,
    delta: Arc<DeltaTable>,
    base: Arc<TableSnapshot>,
    /// The keys that the rows are held to, with what they have of them.
    keys: Option<(Arc<EnforcedKeys>, NewRows)>,
    operation: Operation,
    /// How many were taken.
    rows: Arc<AtomicU64>,
}

/// Checks privileges and starts the writer.
pub async fn begin(
    command: &mut CommandContext<'_>,
    name: &ObjectName,
    columns: &[String],
    copy: &Copy,
    session: &dyn Session,
) -> Result<CopyIn> {
    let options = &copy.options;
    let table = command.table(name)?;
    let columns = copied_columns(&table, columns)?;
    options.check_columns(&columns)?;
    require_insert(command, &table, &columns)?;
    let (delta, base) = open(command, &table).await?;
    // What the table's rows are held to is as the catalog had it.
    command.context.check_decided(&table, &base)?;
    let checks = binding::bind_checks(&command.binding, command.context, &table, &base.schema()).await?;
    let access = command.context.catalog.access(command.context.principal.role);
    let shown = ShownRows::of(&table, &base.schema(), &access, &command.format_settings);
    let check = shown_row_check(&checks, &table.name, session, shown)?;
    let defaults = binding::bind_defaults(&command.binding, command.context, &table, &columns).await?;
    let fields = columns
        .iter()
        .filter_map(|name| table.column_named(name))
        .map(|column| column.sql_type.to_field(&column.name, true));
    let incoming: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let decoder = CopyDecoder::new(options, Arc::clone(&incoming), &table.name, &command.format_settings);
    let (batches, received) = mpsc::channel(QUEUE);
    let stream = futures::stream::unfold(received, |mut received| async move {
        received.recv().await.map(|batch| (batch, received))
    });
    let rows: SendableRecordBatchStream = Box::pin(RecordBatchStreamAdapter::new(incoming, stream));
    let rows = with_defaults(rows, &defaults, session)?;
    let given = columns.iter().chain(defaults.iter().map(|(name, _)| name)).cloned();
    let given: Vec<String> = given.collect();
    let rows = assigned(rows, base.schema(), &table, &given, &command.format_settings)?;
    let taken = Arc::new(AtomicU64::new(0));
    let condition = match &copy.condition {
        Some(text) => {
            let stored = base.schema();
            Some(binding::bind_copied(&command.binding, command.context, &table, &stored, text).await?)
        }
        None => None,
    };
    let rows = taken_rows(rows, condition, Arc::clone(&taken), session)?;
    let generated = binding::bind_stored_generated(&command.binding, command.context, &table, &base.schema()).await?;
    let keys = match EnforcedKeys::of(command, &table, &base).await? {
        Some(keys) => {
            let new = NewRows::new(keys.columns().into_iter().collect(), &command.session, &base, true)?;
            if keys.wait() {
                command.transaction.deferral.wait(table.id);
            }
            Some((Arc::new(keys), new))
        }
        None => None,
    };
    for waiting in ForeignKeys::of(command, &table)?
        .iter()
        .flat_map(ForeignKeys::of_new_rows)
    {
        command.transaction.deferral.wait_for(waiting);
    }
    let check = match &keys {
        Some((_, new)) => Some(new.after(check)),
        None => check,
    };
    let rows = checked(with_generated(rows, &generated, session)?, check);
    let writer = {
        let (delta, base) = (Arc::clone(&delta), Arc::clone(&base));
        let schema = command.context.catalog.schema_name(table.schema).to_string();
        let name = table.name.clone();
        tokio::spawn(async move {
            let staged = delta.stage(&base, vec![rows]).await;
            staged.map_err(|error| error.in_table(&schema, &name))
        })
    };
    let operation = Operation::new("COPY").with_user(&*command.context.principal.role_name);
    let count = columns.len();
    let format = match options.format {
        CopyFormat::Binary => Format::Binary,
        CopyFormat::Text | CopyFormat::Csv => Format::Text,
    };
    Ok(CopyIn {
        table,
        decoder,
        columns: count,
        format,
        batches,
        writer,
        delta,
        base,
        keys,
        operation,
        rows: taken,
    })
}

impl CopyIn {
    pub fn format(&self) -> Format {
        self.format
    }

    pub fn column_count(&self) -> usize {
        self.columns
    }

    /// The data is in the client's character set unless the statement names another.
    pub fn of_client(&mut self, encoding: Option<&'static Encoding>) -> Result<()> {
        self.decoder.of_client(encoding)
    }

    /// Takes some bytes; they need not end at a row's end.
    pub async fn feed(&mut self, data: &[u8]) -> Result<()> {
        self.decoder.push(data)?;
        self.send_decoded().await
    }

    async fn send_decoded(&mut self) -> Result<()> {
        while let Some(batch) = self.decoder.next_batch() {
            self.send(batch).await?;
        }
        Ok(())
    }

    async fn send(&mut self, batch: RecordBatch) -> Result<()> {
        if self.batches.send(Ok(batch)).await.is_ok() {
            return Ok(());
        }
        // The writer stopped: its error says why.
        match (&mut self.writer).await {
            Ok(Err(error)) => Err(error),
            _ => Err(Error::internal("the writer of a COPY stopped")),
        }
    }

    /// The end of the data: the table, what to commit, the number of rows, and what is said of those that were skipped.
    pub async fn finish(mut self) -> Result<(Table, TableWrite, u64, Option<Notice>)> {
        self.decoder.finish()?;
        let notice = match self.decoder.skipped() {
            0 => None,
            1 => Some("1 row was skipped due to data type incompatibility".to_string()),
            rows => Some(format!("{rows} rows were skipped due to data type incompatibility")),
        };
        self.send_decoded().await?;
        drop(self.batches);
        let files = self
            .writer
            .await
            .map_err(|_| Error::internal("the writer of a COPY stopped"))??;
        let mut keys = None;
        if let Some((held, new)) = self.keys {
            let staged = || self.base.of_staged(&files);
            held.verify(&new, Some(&self.base), &TouchedRows::default(), staged)
                .await?;
            keys = Some(held as Arc<dyn KeyGuard>);
        }
        let write = TableWrite {
            delta: self.delta,
            base: self.base,
            removal: Removal::None,
            files,
            complete: false,
            keys,
            operation: self.operation,
        };
        let notice = notice.map(Notice::notice);
        Ok((self.table, write, self.rows.load(Ordering::Relaxed), notice))
    }
}

/// The columns that rows bring: those that the statement names, or all that are not generated.
pub fn copied_columns(table: &Table, named: &[String]) -> Result<Vec<String>> {
    let mut columns = insert_columns(table, named)?;
    let is_generated = |name: &String| {
        table
            .column_named(name)
            .is_some_and(|known| known.generated().is_some())
    };
    if let Some(generated) = columns.iter().find(|name| !named.is_empty() && is_generated(name)) {
        let message = format!("column \"{generated}\" is a generated column");
        return Err(Error::new(SqlState::InvalidColumnReference, message)
            .with_detail("Generated columns cannot be used in COPY."));
    }
    columns.retain(|name| !is_generated(name));
    Ok(columns)
}
