//! Rows in the order of a curve through several columns (Z-order): whoever looks for values of any of them finds them in
//! few files. Each value counts by its place among a sample of its column, so that the curve is even however the values
//! are spread.

use std::fmt::{Display, Formatter};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, UInt32Array, UInt64Array};
use datafusion::arrow::compute::take_record_batch;
use datafusion::arrow::compute::{SortOptions, concat};
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::arrow::row::{OwnedRow, RowConverter, SortField};
use datafusion::catalog::Session;
use datafusion::common::Result as PlanResult;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use futures::StreamExt;

use super::snapshot::TableSnapshot;
use crate::error::{Error, Result};

/// Rows that the places of values are told by.
const SAMPLE_ROWS: usize = 1 << 16;
/// Bits of the curve that one column gets at most.
const COLUMN_BITS: usize = 12;

impl TableSnapshot {
    /// A plan of one partition: all rows of the files, near values of the columns `near` near each other.
    pub(super) async fn scan_near(
        &self,
        session: &dyn Session,
        files: &[usize],
        near: &[usize],
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let partitions = session.config().target_partitions();
        let all = 0..self.schema.columns.len();
        let rows = self.scan_together(session, all, files, partitions).await?;
        let mut columns: Vec<(Arc<dyn PhysicalExpr>, String)> = vec![];
        for (position, field) in self.schema.arrow.fields().iter().enumerate() {
            columns.push((Arc::new(Column::new(field.name(), position)), field.name().clone()));
        }
        let key: Arc<dyn PhysicalExpr> = match near {
            [one] => Arc::clone(&columns[*one].0),
            several => Arc::new(self.curve(session, files, several).await?),
        };
        // No column can have this name.
        columns.push((key, "\u{0}key".into()));
        let keyed = Arc::new(ProjectionExec::try_new(columns, rows)?);
        let key = Column::new("\u{0}key", self.schema.columns.len());
        let order = PhysicalSortExpr::new(Arc::new(key), SortOptions::new(false, true));
        let order = LexOrdering::new([order]).ok_or_else(|| Error::internal("rows were to be put in no order"))?;
        let sorted = SortExec::new(order.clone(), keyed).with_preserve_partitioning(true);
        Ok(Arc::new(SortPreservingMergeExec::new(order, Arc::new(sorted))))
    }

    async fn curve(&self, session: &dyn Session, files: &[usize], near: &[usize]) -> Result<Curve> {
        let sample = self.sample(session, files, near).await?;
        let bits = (u64::BITS as usize / near.len()).clamp(1, COLUMN_BITS);
        let axis = |(position, values): (&usize, &ArrayRef)| Axis::new(*position, values, bits);
        let axes = near.iter().zip(&sample).map(axis).collect::<Result<_>>()?;
        Ok(Curve(Arc::new(Axes { axes, bits })))
    }

    /// Values of the columns in rows from everywhere.
    async fn sample(&self, session: &dyn Session, files: &[usize], columns: &[usize]) -> Result<Vec<ArrayRef>> {
        let known = files
            .iter()
            .map(|file| self.files.live_rows(*file).unwrap_or(0).max(0) as usize);
        let step = (known.sum::<usize>() / SAMPLE_ROWS).max(1);
        let plan = self.scan_together(session, columns.iter().copied(), files, 1).await?;
        let mut rows = plan.execute(0, session.task_ctx())?;
        let mut taken: Vec<RecordBatch> = vec![];
        let mut next = 0;
        while let Some(batch) = rows.next().await {
            let batch = batch?;
            let wanted: UInt32Array = (next..batch.num_rows()).step_by(step).map(|row| row as u32).collect();
            next = (next + wanted.len() * step).saturating_sub(batch.num_rows());
            if !wanted.is_empty() {
                taken.push(take_record_batch(&batch, &wanted)?);
            }
        }
        (0..columns.len())
            .map(|column| {
                let parts: Vec<_> = taken.iter().map(|batch| batch.column(column).as_ref()).collect();
                match parts.is_empty() {
                    true => Ok(datafusion::arrow::array::new_empty_array(
                        plan.schema().field(column).data_type(),
                    )),
                    false => Ok(concat(&parts)?),
                }
            })
            .collect()
    }
}

/// One column's scale: values that divide its sample into parts of equal size.
#[derive(Debug)]
struct Axis {
    column: usize,
    rows: RowConverter,
    marks: Vec<OwnedRow>,
}

impl Axis {
    fn new(column: usize, sample: &ArrayRef, bits: usize) -> Result<Axis> {
        let rows = RowConverter::new(vec![SortField::new(sample.data_type().clone())])?;
        let values = rows.convert_columns(&[Arc::clone(sample)])?;
        let mut sorted: Vec<_> = values.iter().collect();
        sorted.sort_unstable();
        let parts = 1 << bits;
        let marks = (1..parts)
            .filter_map(|part| sorted.get(sorted.len() * part / parts))
            .map(|row| row.owned())
            .collect();
        Ok(Axis { column, rows, marks })
    }

    /// The part of the scale that each value lies in.
    fn places(&self, values: &ArrayRef) -> Result<Vec<u64>> {
        let values = self.rows.convert_columns(&[Arc::clone(values)])?;
        let place = |value| self.marks.partition_point(|mark| mark.row() <= value) as u64;
        Ok(values.iter().map(place).collect())
    }
}

#[derive(Debug)]
struct Axes {
    axes: Vec<Axis>,
    bits: usize,
}

/// Where on the curve a row lies.
#[derive(Debug, Clone)]
struct Curve(Arc<Axes>);

impl PartialEq for Curve {
    fn eq(&self, other: &Curve) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Curve {}

impl Hash for Curve {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

impl Display for Curve {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "z_order({})", self.0.axes.len())
    }
}

impl PhysicalExpr for Curve {
    fn data_type(&self, _: &Schema) -> PlanResult<DataType> {
        Ok(DataType::UInt64)
    }

    fn nullable(&self, _: &Schema) -> PlanResult<bool> {
        Ok(false)
    }

    fn evaluate(&self, batch: &RecordBatch) -> PlanResult<ColumnarValue> {
        let Axes { axes, bits } = self.0.as_ref();
        let mut keys = vec![0_u64; batch.num_rows()];
        for (number, axis) in axes.iter().enumerate() {
            let places = axis.places(batch.column(axis.column))?;
            for (key, place) in keys.iter_mut().zip(places) {
                *key |= spread(place, *bits, axes.len()) << number;
            }
        }
        Ok(ColumnarValue::Array(Arc::new(UInt64Array::from(keys))))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![]
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn PhysicalExpr>>) -> PlanResult<Arc<dyn PhysicalExpr>> {
        Ok(self)
    }

    fn fmt_sql(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        Display::fmt(self, f)
    }
}

/// The bits of a place, `apart` from each other.
fn spread(place: u64, bits: usize, apart: usize) -> u64 {
    (0..bits).fold(0, |key, bit| key | (place >> bit & 1) << (bit * apart))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::Int32Array;

    use super::*;

    #[test]
    fn a_curve_through_a_square_visits_its_quarters_one_after_the_other() {
        let values: ArrayRef = Arc::new(Int32Array::from_iter_values(0..16));
        let axes = (0..2).map(|column| Axis::new(column, &values, 4).unwrap()).collect();
        let curve = Curve(Arc::new(Axes { axes, bits: 4 }));
        let (mut across, mut down) = (vec![], vec![]);
        for row in 0..256 {
            across.push(row % 16);
            down.push(row / 16);
        }
        let columns: [(&str, ArrayRef); 2] = [
            ("a", Arc::new(Int32Array::from(across.clone()))),
            ("d", Arc::new(Int32Array::from(down.clone()))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let keys = curve.evaluate(&batch).unwrap().into_array(256).unwrap();
        let keys = datafusion::arrow::array::AsArray::as_primitive::<datafusion::arrow::datatypes::UInt64Type>(&keys);
        let mut order: Vec<usize> = (0..256).collect();
        order.sort_by_key(|row| keys.value(*row));
        for quarter in order.chunks(64) {
            let spans = |values: &[i32]| {
                let of: Vec<i32> = quarter.iter().map(|row| values[*row]).collect();
                of.iter().max().unwrap() - of.iter().min().unwrap()
            };
            assert_eq!((spans(&across), spans(&down)), (7, 7));
        }
    }
}
