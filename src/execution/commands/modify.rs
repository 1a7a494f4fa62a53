//! UPDATE, DELETE and their kin: the rows of a modification's plan are collected, the files that they touch are written
//! again, and the transaction gets both. RETURNING's rows are answered from what was collected.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, UInt32Array};
use datafusion::arrow::compute::{CastOptions, cast_with_options, take_record_batch};
use datafusion::arrow::datatypes::{Int32Type, Int64Type, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::DFSchema;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use futures::StreamExt;
use std::sync::Arc;

use super::CommandContext;
use super::insert::open;
use crate::binding::{ACTION, Action, BoundModification, FILE, FIRST_VALUE, PLACE};
use crate::catalog::model::Table;
use crate::error::{Error, Result, SqlState};
use crate::execution::outcome::{Outcome, OutputColumn, RowSet, Rows, stream_of_batches};
use crate::execution::transaction::TableWrite;
use crate::storage::{Operation, RowChanges, TableSnapshot};

/// Before the statement is bound: waits for others that change the table's rows, then holds the statement to the
/// table's newest version.
pub async fn begin(command: &mut CommandContext<'_>, table: &Table) -> Result<()> {
    let (delta, _) = open(command, table).await?;
    command.transaction.take_turn(table.id, &delta).await;
    let (_, base) = open(command, table).await?;
    command.context.pin(table.id, base);
    Ok(())
}

/// Makes the changes that the rows of `stream` tell of.
pub async fn run(
    command: &mut CommandContext<'_>,
    table: &Table,
    modification: &BoundModification,
    stream: SendableRecordBatchStream,
    session: &dyn Session,
    name: &'static str,
) -> Result<Outcome> {
    let (delta, _) = open(command, table).await?;
    // The version that the rows' files and places are of.
    let base = Arc::clone(&modification.target.snapshot);
    let mut collected = Collected::new(table, modification, &base, session)?;
    collected.drain(command, stream).await?;
    let Collected { changes, returned, .. } = collected;
    let count = changes.count();
    let (removal, files) = delta.stage_changes(&base, changes, vec![], None, session).await?;
    let operation = Operation::new(name).with_user(&command.context.principal.role_name);
    let write = TableWrite {
        delta,
        base,
        removal,
        files,
        complete: false,
        operation,
    };
    command.transaction.add_write(table, write).await?;
    match modification.returning {
        false => Ok(Outcome::Done(format!("{name} {count}"))),
        true => Ok(Outcome::Rows(RowSet {
            columns: returned_columns(modification)?,
            rows: Rows::Stream {
                stream: stream_of_batches(returned_schema(modification), returned),
                fill: None,
            },
            tag: name,
        })),
    }
}

/// What RETURNING shows.
pub fn returned_columns(modification: &BoundModification) -> Result<Vec<OutputColumn>> {
    let schema = DFSchema::try_from(returned_schema(modification))?;
    Ok(OutputColumn::of_schema(&schema))
}

fn returned_schema(modification: &BoundModification) -> SchemaRef {
    let fields = modification.plan.schema().fields();
    let first = FIRST_VALUE + modification.values.len();
    Arc::new(Schema::new(fields.iter().skip(first).cloned().collect::<Vec<_>>()))
}

/// The rows of a modification's plan, sorted by what becomes of them.
struct Collected<'a> {
    table: &'a Table,
    modification: &'a BoundModification,
    base: &'a TableSnapshot,
    /// For each action, its number among the kinds of updates.
    kinds: Vec<Option<usize>>,
    /// For each action that updates: which of the plan's values it takes.
    values: Vec<Vec<usize>>,
    changes: RowChanges,
    returned: Vec<RecordBatch>,
    memory: MemoryReservation,
}

impl<'a> Collected<'a> {
    fn new(
        table: &'a Table,
        modification: &'a BoundModification,
        base: &'a TableSnapshot,
        session: &dyn Session,
    ) -> Result<Collected<'a>> {
        let missing = || Error::internal("a value is for a column that the table does not have");
        let (mut kinds, mut values, mut assigned) = (vec![], vec![], vec![]);
        for action in &modification.actions {
            let Action::Update(columns) = action else {
                kinds.push(None);
                continue;
            };
            kinds.push(Some(assigned.len()));
            let place = |column: &usize| modification.values.iter().position(|known| known == column);
            values.push(
                columns
                    .iter()
                    .map(place)
                    .collect::<Option<Vec<_>>>()
                    .ok_or_else(missing)?,
            );
            let stored = |column: &usize| modification.target.stored_position(*column);
            assigned.push(
                columns
                    .iter()
                    .map(stored)
                    .collect::<Option<Vec<_>>>()
                    .ok_or_else(missing)?,
            );
        }
        Ok(Collected {
            table,
            modification,
            base,
            kinds,
            values,
            changes: RowChanges::new(assigned),
            returned: vec![],
            memory: MemoryConsumer::new("changed rows").register(&session.runtime_env().memory_pool),
        })
    }

    async fn drain(&mut self, command: &CommandContext<'_>, mut stream: SendableRecordBatchStream) -> Result<()> {
        while let Some(batch) = stream.next().await {
            command.context.check_cancelled()?;
            self.add(&batch?)?;
        }
        Ok(())
    }

    fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let actions = batch.column(ACTION).as_primitive::<Int32Type>();
        let files = batch.column(FILE).as_primitive::<Int32Type>();
        let places = batch.column(PLACE).as_primitive::<Int64Type>();
        let next: Vec<usize> = (0..self.values.len())
            .map(|kind| self.changes.next_batch(kind))
            .collect();
        let mut taken = vec![];
        let mut updated: Vec<Vec<u32>> = vec![vec![]; self.values.len()];
        for row in 0..batch.num_rows() {
            if actions.is_null(row) {
                continue;
            }
            let action = actions.value(row) as usize;
            let (file, place) = (files.value(row) as usize, places.value(row) as u64);
            let is_first = match self.kinds.get(action).copied().flatten() {
                None => self.changes.delete(file, place),
                Some(kind) => {
                    let position = updated[kind].len();
                    let is_first = self.changes.update(file, place, kind, next[kind], position);
                    if is_first {
                        updated[kind].push(row as u32);
                    }
                    is_first
                }
            };
            if is_first {
                taken.push(row as u32);
            }
        }
        for (kind, rows) in updated.into_iter().enumerate() {
            let values = self.values_of(kind, &take_record_batch(batch, &UInt32Array::from(rows))?)?;
            self.memory.try_grow(values.get_array_memory_size())?;
            self.changes.add_values(kind, values);
        }
        if self.modification.returning && !taken.is_empty() {
            let rows = take_record_batch(batch, &UInt32Array::from(taken))?;
            let first = FIRST_VALUE + self.modification.values.len();
            let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
            let columns = rows.columns()[first..].to_vec();
            let shown = RecordBatch::try_new_with_options(
                Arc::new(
                    rows.schema()
                        .project(&(first..rows.num_columns()).collect::<Vec<_>>())?,
                ),
                columns,
                &options,
            )?;
            self.memory.try_grow(shown.get_array_memory_size())?;
            self.returned.push(shown);
        }
        Ok(())
    }

    /// The values that an update takes, as the table stores them.
    fn values_of(&self, kind: usize, rows: &RecordBatch) -> Result<RecordBatch> {
        let stored = self.base.schema();
        let (mut fields, mut columns): (Vec<_>, Vec<ArrayRef>) = (vec![], vec![]);
        for value in &self.values[kind] {
            let column = self.modification.values[*value];
            let name = self.modification.target.column_name(column);
            let position = self.modification.target.stored_position(column);
            let field = position.and_then(|position| stored.fields().get(position));
            let field = field.ok_or_else(|| Error::internal("a value is for a column that is not stored"))?;
            let array = rows.column(FIRST_VALUE + value);
            let declared = self.table.column_named(&name).is_none_or(|column| column.nullable);
            if !(declared && field.is_nullable()) && array.logical_null_count() > 0 {
                let table = &self.table.name;
                let message =
                    format!("null value in column \"{name}\" of relation \"{table}\" violates not-null constraint");
                return Err(Error::new(SqlState::NotNullViolation, message));
            }
            let options = CastOptions {
                safe: false,
                ..Default::default()
            };
            columns.push(cast_with_options(array, field.data_type(), &options)?);
            fields.push(Arc::new(field.as_ref().clone().with_nullable(true)));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        Ok(RecordBatch::try_new_with_options(
            Arc::new(Schema::new(fields)),
            columns,
            &options,
        )?)
    }
}
