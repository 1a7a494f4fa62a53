//! The rows of a modification's plan, sorted by what becomes of them. Memory is accounted for: what a statement changes
//! is held until its files are written.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, RecordBatch, UInt32Array};
use datafusion::arrow::compute::take_record_batch;
use datafusion::arrow::datatypes::{Int32Type, Int64Type};
use datafusion::arrow::row::{OwnedRow, RowConverter, Rows, SortField};
use datafusion::catalog::Session;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use futures::StreamExt;

use super::CommandContext;
use super::modify::stored_values;
use crate::binding::{ACTION, Action, BoundModification, FILE, FIRST_VALUE, PLACE, Repeated};
use crate::catalog::model::Table;
use crate::error::{Error, Result, SqlState};
use crate::storage::{RowChanges, TableSnapshot};

pub(super) struct CollectedRows<'a> {
    table: &'a Table,
    modification: &'a BoundModification,
    base: &'a TableSnapshot,
    /// For each action, its number among the kinds of updates.
    kinds: Vec<Option<usize>>,
    /// For each kind of update: which of the plan's values it takes.
    values: Vec<Vec<usize>>,
    changes: RowChanges,
    inserted: Vec<RecordBatch>,
    returned: Vec<RecordBatch>,
    keys: Vec<Key>,
    count: u64,
    /// NULLs where none may be are found later, when the whole rows are known.
    finds_nulls: bool,
    memory: MemoryReservation,
}

/// The keys that the new rows have so far.
struct Key {
    /// Positions among the plan's columns.
    columns: Vec<usize>,
    converter: RowConverter,
    seen: HashSet<OwnedRow>,
}

impl<'a> CollectedRows<'a> {
    pub(super) fn new(
        table: &'a Table,
        modification: &'a BoundModification,
        base: &'a TableSnapshot,
        session: &dyn Session,
        finds_nulls: bool,
    ) -> Result<CollectedRows<'a>> {
        let missing = || Error::internal("a value is for a column that the table does not have");
        let place = |column: &usize| modification.values.iter().position(|known| known == column);
        let (mut kinds, mut values, mut assigned) = (vec![], vec![], vec![]);
        for action in &modification.actions {
            let Action::Update(columns) = action else {
                kinds.push(None);
                continue;
            };
            kinds.push(Some(assigned.len()));
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
        let mut keys = vec![];
        let schema = modification.plan.schema();
        for key in &modification.keys {
            let columns = key.iter().map(|column| Some(FIRST_VALUE + place(column)?));
            let columns = columns.collect::<Option<Vec<_>>>().ok_or_else(missing)?;
            let fields = columns
                .iter()
                .map(|column| SortField::new(schema.field(*column).data_type().clone()));
            keys.push(Key {
                converter: RowConverter::new(fields.collect())?,
                columns,
                seen: HashSet::new(),
            });
        }
        Ok(CollectedRows {
            table,
            modification,
            base,
            kinds,
            values,
            changes: RowChanges::new(assigned),
            inserted: vec![],
            returned: vec![],
            keys,
            count: 0,
            finds_nulls,
            memory: MemoryConsumer::new("changed rows").register(&session.runtime_env().memory_pool),
        })
    }

    /// Takes all rows of the plan.
    pub(super) async fn drain(
        &mut self,
        command: &CommandContext<'_>,
        mut stream: SendableRecordBatchStream,
    ) -> Result<()> {
        while let Some(batch) = stream.next().await {
            command.context.check_cancelled()?;
            self.add(&batch?)?;
        }
        Ok(())
    }

    /// Rows that change, are new or go.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The changes, the new rows, and what RETURNING shows.
    pub(super) fn finish(self) -> (RowChanges, Vec<RecordBatch>, Vec<RecordBatch>) {
        (self.changes, self.inserted, self.returned)
    }

    fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let actions = batch.column(ACTION).as_primitive::<Int32Type>();
        let files = batch.column(FILE).as_primitive::<Int32Type>();
        let places = batch.column(PLACE).as_primitive::<Int64Type>();
        let keys = self.keys_of(batch)?;
        let next: Vec<usize> = (0..self.values.len())
            .map(|kind| self.changes.next_batch(kind))
            .collect();
        let mut updated: Vec<Vec<u32>> = vec![vec![]; self.values.len()];
        let (mut inserted, mut taken) = (vec![], vec![]);
        for row in 0..batch.num_rows() {
            if actions.is_null(row) {
                continue;
            }
            let action = actions.value(row) as usize;
            let (file, place) = (files.value(row) as usize, places.value(row).max(0) as u64);
            let is_first = match self.modification.actions.get(action) {
                Some(Action::Insert) => self.is_new(&keys, batch, row),
                Some(Action::Delete) => self.changes.delete(file, place),
                Some(Action::Update(_)) => match self.kinds[action] {
                    Some(kind) => {
                        let position = updated[kind].len();
                        let is_first = self.changes.update(file, place, kind, next[kind], position);
                        if is_first {
                            updated[kind].push(row as u32);
                        }
                        is_first
                    }
                    None => return Err(Error::internal("an update has no values")),
                },
                Some(Action::Nothing) => continue,
                None => return Err(Error::internal("a row has no such action")),
            };
            if is_first {
                taken.push(row as u32);
                if self.modification.actions[action] == Action::Insert {
                    inserted.push(row as u32);
                }
            } else if let Repeated::Refused(message, hint) = self.modification.repeated {
                return Err(Error::new(SqlState::CardinalityViolation, message).with_hint(hint));
            }
        }
        self.count += taken.len() as u64;
        let stored = self.base.schema();
        for (kind, rows) in updated.into_iter().enumerate() {
            let rows = take_record_batch(batch, &UInt32Array::from(rows))?;
            let values = stored_values(
                self.table,
                self.modification,
                &stored,
                &self.values[kind],
                &rows,
                !self.finds_nulls,
            )?;
            self.memory.try_grow(values.get_array_memory_size())?;
            self.changes.add_values(kind, values);
        }
        let first_returned = FIRST_VALUE + self.modification.values.len();
        if !inserted.is_empty() {
            let rows = columns(batch, inserted, FIRST_VALUE, first_returned)?;
            self.memory.try_grow(rows.get_array_memory_size())?;
            self.inserted.push(rows);
        }
        if self.modification.returning && !taken.is_empty() {
            let rows = columns(batch, taken, first_returned, batch.num_columns())?;
            self.memory.try_grow(rows.get_array_memory_size())?;
            self.returned.push(rows);
        }
        Ok(())
    }

    fn keys_of(&self, batch: &RecordBatch) -> Result<Vec<Rows>> {
        let convert = |key: &Key| {
            let columns: Vec<_> = key
                .columns
                .iter()
                .map(|column| Arc::clone(batch.column(*column)))
                .collect();
            Ok(key.converter.convert_columns(&columns)?)
        };
        self.keys.iter().map(convert).collect()
    }

    /// Whether no earlier new row has one of this row's keys. A key with NULL is equal to none.
    fn is_new(&mut self, keys: &[Rows], batch: &RecordBatch, row: usize) -> bool {
        let is_null = |key: &Key| key.columns.iter().any(|column| batch.column(*column).is_null(row));
        let owned: Vec<Option<OwnedRow>> = keys
            .iter()
            .zip(&self.keys)
            .map(|(rows, key)| (!is_null(key)).then(|| rows.row(row).owned()))
            .collect();
        let is_seen =
            |(key, owned): (&Key, &Option<OwnedRow>)| owned.as_ref().is_some_and(|owned| key.seen.contains(owned));
        if self.keys.iter().zip(&owned).any(is_seen) {
            return false;
        }
        for (key, owned) in self.keys.iter_mut().zip(owned) {
            key.seen.extend(owned);
        }
        true
    }
}

/// Some rows of some columns.
fn columns(batch: &RecordBatch, rows: Vec<u32>, from: usize, to: usize) -> Result<RecordBatch> {
    let positions: Vec<usize> = (from..to).collect();
    Ok(take_record_batch(
        &batch.project(&positions)?,
        &UInt32Array::from(rows),
    )?)
}
