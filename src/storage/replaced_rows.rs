//! Rows that a statement changes, in some columns: as they were, and as they are after it. Of the files that it touches
//! only those are read in which one of the columns may change.

use std::collections::HashMap;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array};
use datafusion::arrow::compute::{interleave, take_record_batch};
use datafusion::arrow::datatypes::{Field, FieldRef, Int32Type, Int64Type, Schema};
use datafusion::catalog::Session;
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;

use super::row_changes::{RowChanges, RowUpdate};
use super::snapshot::TableSnapshot;
use crate::error::{Error, Result};

/// Rows with the columns that were asked for, in that order.
#[derive(Debug, Default)]
pub struct ReplacedRows {
    /// Those that go.
    pub deleted: Vec<RecordBatch>,
    /// Those that get other values, as they were and as they are.
    pub updated: Vec<(RecordBatch, RecordBatch)>,
}

impl TableSnapshot {
    /// What `changes` make of the rows that they delete, or that get a value in one of these columns.
    pub async fn replaced_rows(
        &self,
        changes: &RowChanges,
        columns: &[usize],
        session: &dyn Session,
    ) -> Result<ReplacedRows> {
        let mut replaced = ReplacedRows::default();
        // For each kind of update: where its values for the columns are.
        let places: Vec<Vec<Option<usize>>> = changes
            .kinds()
            .map(|(assigned, _)| {
                let place = |column: &usize| assigned.iter().position(|known| known == column);
                columns.iter().map(place).collect()
            })
            .collect();
        let values: Vec<&Vec<RecordBatch>> = changes.kinds().map(|(_, values)| values).collect();
        let is_assigned = |update: &RowUpdate| places[update.kind as usize].iter().any(Option::is_some);
        let mut updates: HashMap<usize, Vec<RowUpdate>> = HashMap::new();
        for (file, changed) in &changes.files {
            let has_deleted = changed.touched.len() > changed.updates.len() as u64;
            if has_deleted || changed.updates.iter().any(is_assigned) {
                let mut sorted = changed.updates.clone();
                sorted.sort_unstable();
                updates.insert(*file, sorted);
            }
        }
        if updates.is_empty() {
            return Ok(replaced);
        }
        let mut files: Vec<usize> = updates.keys().copied().collect();
        files.sort_unstable();
        let plan = self.scan_together(session, columns.iter().copied(), &files, 1).await?;
        let mut stream = execute_stream(plan, session.task_ctx())?;
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            let file = batch.column(columns.len()).as_primitive::<Int32Type>();
            let place = batch.column(columns.len() + 1).as_primitive::<Int64Type>();
            let (mut deleted, mut updated): (Vec<u32>, Vec<(u32, RowUpdate)>) = (vec![], vec![]);
            for row in 0..batch.num_rows() {
                let (file, place) = (file.value(row) as usize, place.value(row) as u64);
                let touched = changes
                    .files
                    .get(&file)
                    .is_some_and(|file| file.touched.contains(place));
                let Some(known) = updates.get(&file).filter(|_| touched) else {
                    continue;
                };
                match known.binary_search_by_key(&place, |update| update.place) {
                    Ok(found) if is_assigned(&known[found]) => updated.push((row as u32, known[found])),
                    Ok(_) => {}
                    Err(_) => deleted.push(row as u32),
                }
            }
            let old = batch.project(&(0..columns.len()).collect::<Vec<_>>())?;
            if !deleted.is_empty() {
                let rows = take_record_batch(&old, &UInt32Array::from(deleted))?;
                replaced.deleted.push(rows);
            }
            if !updated.is_empty() {
                let rows: Vec<u32> = updated.iter().map(|(row, _)| *row).collect();
                let before = take_record_batch(&old, &UInt32Array::from(rows))?;
                let after = after(&before, &updated, &places, &values)?;
                replaced.updated.push((before, after));
            }
        }
        Ok(replaced)
    }
}

/// The rows with their new values, where the updates have some.
fn after(
    before: &RecordBatch,
    updated: &[(u32, RowUpdate)],
    places: &[Vec<Option<usize>>],
    values: &[&Vec<RecordBatch>],
) -> Result<RecordBatch> {
    let mut arrays: Vec<ArrayRef> = vec![];
    for (column, kept) in before.columns().iter().enumerate() {
        let mut sources: Vec<&dyn Array> = vec![kept.as_ref()];
        let mut known: HashMap<(u32, u32), usize> = HashMap::new();
        let mut origins = vec![];
        for (row, (_, update)) in updated.iter().enumerate() {
            let Some(place) = places[update.kind as usize][column] else {
                origins.push((0, row));
                continue;
            };
            let source = match known.get(&(update.kind, update.batch)) {
                Some(source) => *source,
                None => {
                    let batch = values[update.kind as usize].get(update.batch as usize);
                    let batch = batch.ok_or_else(|| Error::internal("the values of an update were lost"))?;
                    sources.push(batch.column(place).as_ref());
                    known.insert((update.kind, update.batch), sources.len() - 1);
                    sources.len() - 1
                }
            };
            origins.push((source, update.row as usize));
        }
        arrays.push(interleave(&sources, &origins)?);
    }
    let nullable = |field: &FieldRef| field.as_ref().clone().with_nullable(true);
    let fields: Vec<Field> = before.schema().fields().iter().map(nullable).collect();
    Ok(RecordBatch::try_new(Schema::new(fields).into(), arrays)?)
}
