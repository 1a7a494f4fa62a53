//! The columns of keys of the rows that a statement writes. They are kept as the rows pass, as long as they are few;
//! where all rows of the staged files are new, many are read back from there.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch};
use datafusion::arrow::compute::kernels::cmp::lt;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{Column, ScalarValue};
use datafusion::datasource::MemTable;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::functions_aggregate::min_max::{MaxAccumulator, MinAccumulator};
use datafusion::logical_expr::{Accumulator, Expr, lit};
use parking_lot::Mutex;

use super::stored_rows::StoredRows;
use crate::binding::BoundKey;
use crate::error::Result;
use crate::storage::{RowCheck, TableSnapshot};

/// Rows that are kept rather than read back.
const MOST_ROWS: usize = 1 << 18;

/// What a statement's new rows have in the columns of keys.
#[derive(Clone)]
pub struct NewRows {
    columns: Arc<Vec<usize>>,
    schema: SchemaRef,
    kept: Arc<Mutex<Kept>>,
}

struct Kept {
    rows: usize,
    batches: Vec<RecordBatch>,
    memory: MemoryReservation,
    /// For each column, its last value as long as each was greater than the one before: then none was there twice.
    rising: Vec<Rising>,
    /// Whether the rows may be read back from the staged files: those have no others.
    are_all: bool,
    is_full: bool,
}

#[derive(Clone)]
enum Rising {
    Yes(Option<ArrayRef>),
    No,
}

impl Rising {
    fn followed_by(&self, values: &ArrayRef) -> Rising {
        let Rising::Yes(last) = self else { return Rising::No };
        let count = values.len();
        let are_less = |left: &ArrayRef, right: &ArrayRef| {
            let less = lt(left, right);
            less.is_ok_and(|less| less.null_count() == 0 && less.true_count() == less.len())
        };
        let follows = last.as_ref().is_none_or(|last| are_less(last, &values.slice(0, 1)));
        match follows && are_less(&values.slice(0, count - 1), &values.slice(1, count - 1)) {
            true => Rising::Yes(Some(values.slice(count - 1, 1))),
            false => Rising::No,
        }
    }
}

/// Where new rows are read from.
pub(in crate::execution) enum RowSource {
    Kept(SchemaRef, Vec<RecordBatch>),
    Stored(Arc<TableSnapshot>),
}

impl NewRows {
    /// None yet. With `are_all`, the statement's files hold no other rows.
    pub fn new(columns: Vec<usize>, session: &dyn Session, base: &TableSnapshot, are_all: bool) -> Result<NewRows> {
        let memory = MemoryConsumer::new("new keys").register(&session.runtime_env().memory_pool);
        Ok(NewRows {
            schema: Arc::new(base.schema().project(&columns)?),
            kept: Arc::new(Mutex::new(Kept {
                rows: 0,
                batches: vec![],
                memory,
                rising: vec![Rising::Yes(None); columns.len()],
                are_all,
                is_full: false,
            })),
            columns: Arc::new(columns),
        })
    }

    /// Takes the rows that pass another check.
    pub fn after(&self, check: Option<RowCheck>) -> RowCheck {
        let new = self.clone();
        Arc::new(move |rows: &RecordBatch| {
            if let Some(check) = &check {
                check(rows)?;
            }
            new.take(rows)
        })
    }

    fn take(&self, rows: &RecordBatch) -> Result<()> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let rows = rows.project(&self.columns)?;
        let mut kept = self.kept.lock();
        kept.rows += rows.num_rows();
        for (rising, values) in kept.rising.iter_mut().zip(rows.columns()) {
            *rising = rising.followed_by(values);
        }
        if kept.is_full {
            return Ok(());
        }
        let grown = kept.memory.try_grow(rows.get_array_memory_size());
        if kept.are_all && (kept.rows > MOST_ROWS || grown.is_err()) {
            kept.is_full = true;
            kept.batches.clear();
            kept.memory.free();
            return Ok(());
        }
        grown?;
        kept.batches
            .push(RecordBatch::try_new(Arc::clone(&self.schema), rows.columns().to_vec())?);
        Ok(())
    }

    /// Whether it is certain without a comparison that no two rows have the same key.
    pub(super) fn differ_in(&self, key: &BoundKey) -> bool {
        let kept = self.kept.lock();
        let rises = |column: usize| {
            let place = self.columns.iter().position(|known| *known == column);
            place.is_some_and(|place| matches!(kept.rising[place], Rising::Yes(_)))
        };
        kept.rows < 2 || key.values.iter().filter_map(|value| value.bounded).any(rises)
    }

    pub(in crate::execution) fn source(&self, staged: impl FnOnce() -> Result<TableSnapshot>) -> Result<RowSource> {
        let kept = self.kept.lock();
        Ok(match kept.is_full {
            true => RowSource::Stored(Arc::new(staged()?)),
            false => RowSource::Kept(Arc::clone(&self.schema), kept.batches.clone()),
        })
    }
}

impl RowSource {
    pub(in crate::execution) fn is_empty(&self) -> bool {
        match self {
            RowSource::Kept(_, batches) => batches.is_empty(),
            RowSource::Stored(snapshot) => snapshot.file_count() == 0,
        }
    }

    pub(in crate::execution) fn provider(&self) -> Result<Arc<dyn TableProvider>> {
        Ok(match self {
            RowSource::Kept(schema, batches) => Arc::new(MemTable::try_new(Arc::clone(schema), vec![batches.clone()])?),
            RowSource::Stored(snapshot) => Arc::new(StoredRows::new(snapshot, false)),
        })
    }

    /// What is true of every row that has the key of one of these; `None` where there is no such row.
    pub(super) fn bounds(&self, key: &BoundKey) -> Result<Option<Vec<Expr>>> {
        let mut filters = vec![];
        // A null is in no bounds.
        let values = key.values.iter().filter(|_| key.nulls_distinct);
        for (position, value) in values.filter_map(|value| Some((value.bounded?, &value.value))) {
            match self.bounds_of(position, value)? {
                Bounds::Unknown => {}
                Bounds::OnlyNulls => return Ok(None),
                Bounds::Between(least, greatest) => {
                    filters.push(value.clone().gt_eq(lit(least)));
                    filters.push(value.clone().lt_eq(lit(greatest)));
                }
            }
        }
        Ok(Some(filters))
    }

    /// What is known of the values of a column, which has this position in its table.
    pub(in crate::execution) fn bounds_of(&self, position: usize, value: &Expr) -> Result<Bounds> {
        match self {
            RowSource::Kept(schema, batches) => {
                let Expr::Column(Column { name, .. }) = value else {
                    return Ok(Bounds::Unknown);
                };
                let place = schema.index_of(name)?;
                let data_type = schema.field(place).data_type();
                let (mut least, mut greatest) =
                    (MinAccumulator::try_new(data_type)?, MaxAccumulator::try_new(data_type)?);
                for batch in batches {
                    let values = std::slice::from_ref(batch.column(place));
                    least.update_batch(values)?;
                    greatest.update_batch(values)?;
                }
                let (least, greatest) = (least.evaluate()?, greatest.evaluate()?);
                Ok(match least.is_null() {
                    true => Bounds::OnlyNulls,
                    false => Bounds::Between(least, greatest),
                })
            }
            RowSource::Stored(snapshot) => {
                let known = snapshot.statistics();
                let column = known.column_statistics.get(position);
                Ok(match column.map(|column| (&column.min_value, &column.max_value)) {
                    Some((Precision::Exact(least), Precision::Exact(greatest))) => {
                        Bounds::Between(least.clone(), greatest.clone())
                    }
                    _ => Bounds::Unknown,
                })
            }
        }
    }
}

/// What is known of a column's values.
pub(in crate::execution) enum Bounds {
    Unknown,
    OnlyNulls,
    Between(ScalarValue, ScalarValue),
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Int64Array, StringViewArray};

    use super::*;

    fn rises(batches: Vec<ArrayRef>) -> bool {
        let fold = |rising: Rising, values: &ArrayRef| rising.followed_by(values);
        matches!(batches.iter().fold(Rising::Yes(None), fold), Rising::Yes(_))
    }

    #[test]
    fn only_values_that_rise_are_certain_to_differ() {
        let numbers = |values: &[Option<i64>]| Arc::new(Int64Array::from(values.to_vec())) as ArrayRef;
        let texts = |values: &[&str]| Arc::new(StringViewArray::from(values.to_vec())) as ArrayRef;
        assert!(rises(vec![
            numbers(&[Some(1), Some(2)]),
            numbers(&[Some(3)]),
            numbers(&[Some(5), Some(9)])
        ]));
        assert!(rises(vec![texts(&["a", "b"]), texts(&["c"])]));
        assert!(rises(vec![numbers(&[None])]));
        assert!(!rises(vec![numbers(&[Some(1), Some(1)])]));
        assert!(!rises(vec![numbers(&[Some(1), Some(2)]), numbers(&[Some(2), Some(3)])]));
        assert!(!rises(vec![
            numbers(&[Some(3)]),
            numbers(&[Some(1)]),
            numbers(&[Some(4)])
        ]));
        assert!(!rises(vec![numbers(&[Some(1), None, Some(2)])]));
        assert!(!rises(vec![numbers(&[None]), numbers(&[None])]));
        assert!(!rises(vec![texts(&["b", "a"])]));
    }
}
