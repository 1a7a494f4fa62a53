//! Joins one batch of the probing side at a time: pairs of row numbers first, columns only for the pairs that stay.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array,
};
use datafusion::arrow::buffer::{BooleanBuffer, NullBuffer};
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::{JoinSide, JoinType, Result as PlanResult, internal_datafusion_err, internal_err};
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter};

use super::join_build::Built;
use super::join_shape::{JoinShape, coded_strings};
use super::key_codes::probing_lane;
use super::key_table::NO_ROW;

/// Pairs that are looked at at a time; those of one probing row always are.
const MANY_PAIRS: usize = 1 << 14;

/// A batch on its way through a join.
pub struct Probe {
    shape: Arc<JoinShape>,
    batch_size: usize,
    batch: Option<RecordBatch>,
    /// The first row that has not been joined.
    next: usize,
    codes: Vec<u64>,
    /// The only built row of each row's key, or …
    only: Vec<u32>,
    /// … the stretch of them, if keys have several.
    stretches: Vec<(u32, u32)>,
}

/// Numbers of rows that belong together; `NO_ROW` where a probing row has no partner.
#[derive(Default)]
struct Pairs {
    probing: Vec<u32>,
    built: Vec<u32>,
}

impl Probe {
    pub fn new(shape: Arc<JoinShape>, batch_size: usize) -> Probe {
        Probe {
            shape,
            batch_size,
            batch: None,
            next: 0,
            codes: Vec::new(),
            only: Vec::new(),
            stretches: Vec::new(),
        }
    }

    /// Whether the batch has been joined.
    pub fn is_done(&self) -> bool {
        self.batch.is_none()
    }

    /// Looks the batch's keys up.
    pub fn start(&mut self, batch: RecordBatch, built: &Built) -> PlanResult<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let mut lanes = Vec::with_capacity(self.shape.probing_keys.len());
        for key in &self.shape.probing_keys {
            let array = key.evaluate(&batch)?.into_array(batch.num_rows())?;
            let lane = probing_lane(&array)
                .ok_or_else(|| internal_datafusion_err!("a join's key has type {}", array.data_type()))?;
            lanes.push(lane);
        }
        built.space.codes(&lanes, &mut self.codes);
        match built.table.is_unique() {
            true => built.table.only_rows(&self.codes, &mut self.only),
            false => built.table.stretches(&self.codes, &mut self.stretches),
        }
        self.next = 0;
        self.batch = Some(batch);
        Ok(())
    }

    /// Joins the next rows of the batch.
    pub fn advance(&mut self, built: &Built) -> PlanResult<Vec<RecordBatch>> {
        let Some(batch) = self.batch.take() else {
            return Ok(Vec::new());
        };
        let shape = Arc::clone(&self.shape);
        let rows = self.next_rows(batch.num_rows(), built);
        let joined = match (&shape.filter, shape.join_type) {
            (None, JoinType::RightSemi | JoinType::RightAnti) => {
                let wanted = shape.join_type == JoinType::RightSemi;
                let is_met = |row: &u32| match built.table.is_unique() {
                    true => self.only[*row as usize] != NO_ROW,
                    false => self.stretches[*row as usize].1 > 0,
                };
                let probing = (rows.start as u32..rows.end as u32).filter(|row| is_met(row) == wanted);
                Pairs {
                    probing: probing.collect(),
                    built: Vec::new(),
                }
            }
            (None, JoinType::Right | JoinType::Full) if built.table.is_unique() => Pairs {
                probing: (rows.start as u32..rows.end as u32).collect(),
                built: self.only[rows.clone()].to_vec(),
            },
            (filter, join_type) => {
                let mut pairs = self.pairs(rows.clone(), built);
                if let Some(filter) = filter {
                    pairs = self.filtered(pairs, filter, &batch, built)?;
                }
                pairs.completed(join_type, rows.clone())
            }
        };
        if shape.marks_built_rows() {
            for row in joined.built.iter().filter(|row| **row != NO_ROW) {
                built.met[*row as usize].store(true, Ordering::Relaxed);
            }
        }
        let is_emitted = !matches!(shape.join_type, JoinType::LeftSemi | JoinType::LeftAnti);
        let batches = match is_emitted {
            true => self.emit(&joined, &batch, built)?,
            false => Vec::new(),
        };
        self.next = rows.end;
        if rows.end < batch.num_rows() {
            self.batch = Some(batch);
        }
        Ok(batches)
    }

    /// The rows whose pairs are looked at now: one at least.
    fn next_rows(&self, rows: usize, built: &Built) -> Range<usize> {
        if built.table.is_unique() {
            return self.next..rows;
        }
        let mut pairs = 0;
        let counts = self.stretches[self.next..].iter().map(|(_, count)| *count as usize);
        let taken = counts.take_while(|count| {
            let fits = pairs < MANY_PAIRS;
            pairs += count;
            fits
        });
        self.next..self.next + taken.count()
    }

    /// All pairs of these rows and the built ones with the same keys.
    fn pairs(&self, rows: Range<usize>, built: &Built) -> Pairs {
        let mut pairs = Pairs::default();
        if built.table.is_unique() {
            let only = &self.only[rows.clone()];
            pairs.probing.resize(only.len(), 0);
            pairs.built.resize(only.len(), 0);
            let mut found = 0;
            for (row, partner) in (rows.start as u32..).zip(only) {
                pairs.probing[found] = row;
                pairs.built[found] = *partner;
                found += usize::from(*partner != NO_ROW);
            }
            pairs.probing.truncate(found);
            pairs.built.truncate(found);
            return pairs;
        }
        for (row, (first, count)) in (rows.start as u32..).zip(&self.stretches[rows]) {
            for place in *first..first.wrapping_add(*count) {
                pairs.probing.push(row);
                pairs.built.push(built.table.row_at(place));
            }
        }
        pairs
    }

    /// The pairs for which the join's filter is true.
    fn filtered(&self, pairs: Pairs, filter: &JoinFilter, batch: &RecordBatch, built: &Built) -> PlanResult<Pairs> {
        let mut kept = Pairs::default();
        for start in (0..pairs.probing.len()).step_by(self.batch_size) {
            let end = pairs.probing.len().min(start + self.batch_size);
            let probing = UInt32Array::from(pairs.probing[start..end].to_vec());
            let partners = UInt32Array::from(pairs.built[start..end].to_vec());
            let columns = gather(filter.column_indices(), &[], batch, Some(&probing), built, &partners)?;
            let candidates = batch_of(filter.schema(), columns, end - start)?;
            let outcome = filter.expression().evaluate(&candidates)?.into_array(end - start)?;
            let Some(outcome) = outcome.as_boolean_opt() else {
                return internal_err!("a join's filter is no condition");
            };
            for place in 0..end - start {
                if outcome.is_valid(place) && outcome.value(place) {
                    kept.probing.push(pairs.probing[start + place]);
                    kept.built.push(pairs.built[start + place]);
                }
            }
        }
        Ok(kept)
    }

    fn emit(&self, pairs: &Pairs, batch: &RecordBatch, built: &Built) -> PlanResult<Vec<RecordBatch>> {
        let count = pairs.probing.len();
        let rows_repeat = !built.table.is_unique() && !pairs.built.is_empty();
        let mut batches = Vec::with_capacity(count.div_ceil(self.batch_size));
        for start in (0..count).step_by(self.batch_size) {
            let end = count.min(start + self.batch_size);
            // Rows come in their order, so as many as there are, each once, are all.
            let is_whole = end - start == batch.num_rows() && !rows_repeat;
            let probing = (!is_whole).then(|| UInt32Array::from(pairs.probing[start..end].to_vec()));
            let partners = partners(pairs.built.get(start..end).unwrap_or_default());
            let (output, coded) = (&self.shape.output, &self.shape.coded);
            let columns = gather(output, coded, batch, probing.as_ref(), built, &partners)?;
            batches.push(batch_of(&self.shape.schema, columns, end - start)?);
        }
        Ok(batches)
    }
}

impl Pairs {
    /// What a join of this type makes of the pairs of these probing rows.
    fn completed(mut self, join_type: JoinType, rows: Range<usize>) -> Pairs {
        match join_type {
            JoinType::Right | JoinType::Full => {
                let mut all = Pairs::default();
                let mut pair = 0;
                for row in rows.start as u32..rows.end as u32 {
                    let first = pair;
                    while self.probing.get(pair) == Some(&row) {
                        all.probing.push(row);
                        all.built.push(self.built[pair]);
                        pair += 1;
                    }
                    if pair == first {
                        all.probing.push(row);
                        all.built.push(NO_ROW);
                    }
                }
                all
            }
            JoinType::RightSemi => {
                self.probing.dedup();
                self.built.clear();
                self
            }
            JoinType::RightAnti => {
                let mut met = self.probing.into_iter().peekable();
                let is_met = |row: &u32| {
                    let mut found = false;
                    while met.next_if_eq(row).is_some() {
                        found = true;
                    }
                    found
                };
                let mut is_met = is_met;
                Pairs {
                    probing: (rows.start as u32..rows.end as u32)
                        .filter(|row| !is_met(row))
                        .collect(),
                    built: Vec::new(),
                }
            }
            _ => self,
        }
    }
}

/// Row numbers for `take`: null where there is none.
fn partners(rows: &[u32]) -> UInt32Array {
    match rows.contains(&NO_ROW) {
        false => UInt32Array::from(rows.to_vec()),
        true => {
            let valid = BooleanBuffer::collect_bool(rows.len(), |place| rows[place] != NO_ROW);
            let row = |row: &u32| if *row == NO_ROW { 0 } else { *row };
            let rows: Vec<u32> = rows.iter().map(row).collect();
            UInt32Array::new(rows.into(), Some(NullBuffer::new(valid)))
        }
    }
}

/// The columns of pairs, those at `coded` as codes; without `probing`, of all rows of the batch.
fn gather(
    columns: &[ColumnIndex],
    coded: &[usize],
    batch: &RecordBatch,
    probing: Option<&UInt32Array>,
    built: &Built,
    partners: &UInt32Array,
) -> PlanResult<Vec<ArrayRef>> {
    let column = |(position, column): (usize, &ColumnIndex)| match (column.side, probing) {
        (JoinSide::Left, _) => of_built(built, column.index, coded.contains(&position), partners),
        (_, None) => Ok(Arc::clone(batch.column(column.index))),
        (_, Some(rows)) => Ok(take(batch.column(column.index), rows, None)?),
    };
    columns.iter().enumerate().map(column).collect()
}

fn of_built(built: &Built, column: usize, is_coded: bool, rows: &UInt32Array) -> PlanResult<ArrayRef> {
    let Some(column) = &built.columns[column] else {
        return internal_err!("a join did not keep its column {column}");
    };
    Ok(match (built.rows, is_coded) {
        (0, true) => new_null_array(&coded_strings(), rows.len()),
        (0, false) => new_null_array(column.data_type(), rows.len()),
        (_, true) => Arc::new(DictionaryArray::try_new(rows.clone(), Arc::clone(column))?),
        (_, false) => take(column, rows, None)?,
    })
}

fn batch_of(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> PlanResult<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(
        Arc::clone(schema),
        columns,
        &options,
    )?)
}

/// These rows of the built side without partners.
pub fn built_rows(shape: &JoinShape, built: &Built, rows: Vec<u32>) -> PlanResult<RecordBatch> {
    let rows = UInt32Array::from(rows);
    let column = |(position, column): (usize, &ColumnIndex)| match column.side {
        JoinSide::Left => of_built(built, column.index, shape.coded.contains(&position), &rows),
        _ => {
            let data_type = shape.probing_schema.field(column.index).data_type();
            Ok(new_null_array(data_type, rows.len()))
        }
    };
    let columns = shape
        .output
        .iter()
        .enumerate()
        .map(column)
        .collect::<PlanResult<Vec<_>>>()?;
    batch_of(&shape.schema, columns, rows.len())
}
