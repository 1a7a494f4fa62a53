//! Which rows of a batch a predicate keeps, as a list of their numbers: columns compared with constants and with
//! each other at their own width, anything else by DataFusion on the rows that are left.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrowNativeTypeOp, ArrowPrimitiveType, AsArray, PrimitiveArray, RecordBatch};
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Decimal32Type, Decimal64Type, Decimal128Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Schema, TimeUnit, TimestampMicrosecondType,
};
use datafusion::common::{Result as PlanResult, ScalarValue};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, Literal};
use datafusion::physical_expr::{PhysicalExpr, split_conjunction};

use super::lane_program::{StockExpression, integer};
use super::pattern::ColumnPattern;

/// A conjunction, cheap conditions first.
#[derive(Debug, Clone, Default)]
pub struct Predicate {
    ranges: Vec<ColumnRange>,
    pairs: Vec<ColumnPair>,
    patterns: Vec<ColumnPattern>,
    rest: Vec<StockExpression>,
}

/// A column lies between two integers, in the units of its lane.
#[derive(Debug, Clone, Copy)]
struct ColumnRange {
    column: usize,
    low: i128,
    high: i128,
}

#[derive(Debug, Clone, Copy)]
struct ColumnPair {
    left: usize,
    operator: Operator,
    right: usize,
}

/// Calls a macro with the primitive type of a column's layout.
macro_rules! with_primitive {
    ($data_type:expr, $call:ident, $otherwise:expr) => {
        match $data_type {
            DataType::Int8 => $call!(Int8Type),
            DataType::Int16 => $call!(Int16Type),
            DataType::Int32 => $call!(Int32Type),
            DataType::Int64 => $call!(Int64Type),
            DataType::Date32 => $call!(Date32Type),
            DataType::Timestamp(TimeUnit::Microsecond, _) => $call!(TimestampMicrosecondType),
            DataType::Decimal32(..) => $call!(Decimal32Type),
            DataType::Decimal64(..) => $call!(Decimal64Type),
            DataType::Decimal128(..) => $call!(Decimal128Type),
            _ => $otherwise,
        }
    };
}

impl Predicate {
    /// Adds the conjuncts of `predicate`.
    pub fn add(&mut self, predicate: &Arc<dyn PhysicalExpr>, schema: &Schema) -> PlanResult<()> {
        for conjunct in split_conjunction(predicate) {
            if let Some(range) = column_range(conjunct, schema) {
                match self.ranges.iter_mut().find(|known| known.column == range.column) {
                    Some(known) => {
                        known.low = known.low.max(range.low);
                        known.high = known.high.min(range.high);
                    }
                    None => self.ranges.push(range),
                }
            } else if let Some(pair) = column_pair(conjunct, schema) {
                self.pairs.push(pair);
            } else if let Some(pattern) = ColumnPattern::of(conjunct, schema) {
                self.patterns.push(pattern);
            } else {
                self.rest.push(StockExpression::new(Arc::clone(conjunct))?);
            }
        }
        Ok(())
    }

    /// Whether a part is not left to DataFusion.
    pub fn has_own_conditions(&self) -> bool {
        !(self.ranges.is_empty() && self.pairs.is_empty() && self.patterns.is_empty())
    }

    /// The columns that must come in the types that the predicate was made for.
    pub fn columns_of_stock_types(&self) -> impl Iterator<Item = usize> {
        let rest = self.rest.iter().flat_map(StockExpression::columns);
        self.patterns.iter().map(|pattern| pattern.column).chain(rest)
    }

    /// The numbers of the rows kept; `None`: all of them.
    pub fn select(&self, batch: &RecordBatch) -> PlanResult<Option<Vec<u32>>> {
        let mut selection: Option<Vec<u32>> = None;
        for range in &self.ranges {
            let array = batch.column(range.column);
            macro_rules! keep_range {
                ($primitive:ty) => {
                    keep_in_range(array.as_primitive::<$primitive>(), range, selection)
                };
            }
            selection = with_primitive!(array.data_type(), keep_range, selection);
        }
        for pair in &self.pairs {
            let (left, right) = (batch.column(pair.left), batch.column(pair.right));
            macro_rules! keep_pair {
                ($primitive:ty) => {
                    keep_pairs(
                        left.as_primitive::<$primitive>(),
                        pair.operator,
                        right.as_primitive::<$primitive>(),
                        selection,
                    )
                };
            }
            selection = with_primitive!(left.data_type(), keep_pair, selection);
        }
        for pattern in &self.patterns {
            let texts = batch.column(pattern.column).as_string_view();
            selection = keep(
                texts.len(),
                |row| pattern.keeps(texts, row),
                std::iter::empty(),
                selection,
            );
        }
        for condition in &self.rest {
            let answers = condition.evaluate(batch, selection.as_deref())?;
            let answers = answers.as_boolean();
            let is_true = match answers.nulls().filter(|nulls| nulls.null_count() > 0) {
                Some(nulls) => answers.values() & nulls.inner(),
                None => answers.values().clone(),
            };
            if is_true.count_set_bits() == is_true.len() {
                continue;
            }
            selection = Some(match selection {
                None => is_true.set_indices_u32().collect(),
                Some(rows) => is_true.set_indices().map(|index| rows[index]).collect(),
            });
        }
        Ok(selection.filter(|rows| rows.len() < batch.num_rows()))
    }
}

fn is_comparable(data_type: &DataType) -> bool {
    macro_rules! yes {
        ($primitive:ty) => {
            true
        };
    }
    with_primitive!(data_type, yes, false)
}

/// The constant as the column's lane would have it.
fn scaled(value: &ScalarValue) -> Option<i128> {
    match value {
        ScalarValue::Decimal128(value, ..) => *value,
        other => integer(other).map(i128::from),
    }
}

fn column_range(conjunct: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Option<ColumnRange> {
    let binary = conjunct.downcast_ref::<BinaryExpr>()?;
    let (column, operator, literal) = match (binary.left().downcast_ref::<Column>(), binary.right()) {
        (Some(column), right) => (column, *binary.op(), right.downcast_ref::<Literal>()?),
        (None, right) => (
            right.downcast_ref::<Column>()?,
            binary.op().swap()?,
            binary.left().downcast_ref::<Literal>()?,
        ),
    };
    let data_type = schema.field(column.index()).data_type();
    let value = literal.value();
    let alike = match (data_type, &value.data_type()) {
        (DataType::Decimal128(_, scale), DataType::Decimal128(_, given)) => scale == given,
        (data_type, given) => data_type == given,
    };
    if !alike || !is_comparable(data_type) {
        return None;
    }
    let value = scaled(value)?;
    let (low, high) = match operator {
        Operator::Eq => (value, value),
        Operator::Lt => (i128::MIN, value.checked_sub(1)?),
        Operator::LtEq => (i128::MIN, value),
        Operator::Gt => (value.checked_add(1)?, i128::MAX),
        Operator::GtEq => (value, i128::MAX),
        _ => return None,
    };
    Some(ColumnRange {
        column: column.index(),
        low,
        high,
    })
}

fn column_pair(conjunct: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Option<ColumnPair> {
    let binary = conjunct.downcast_ref::<BinaryExpr>()?;
    let left = binary.left().downcast_ref::<Column>()?.index();
    let right = binary.right().downcast_ref::<Column>()?.index();
    let (data_type, other) = (schema.field(left).data_type(), schema.field(right).data_type());
    let operator = *binary.op();
    let compares = matches!(
        operator,
        Operator::Eq | Operator::NotEq | Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq
    );
    (data_type == other && compares && is_comparable(data_type)).then_some(ColumnPair { left, operator, right })
}

fn keep_in_range<T>(array: &PrimitiveArray<T>, range: &ColumnRange, selection: Option<Vec<u32>>) -> Option<Vec<u32>>
where
    T: ArrowPrimitiveType,
    T::Native: TryFrom<i128> + PartialOrd + Into<i128>,
{
    let values = array.values();
    let (low, high): (T::Native, T::Native) = (within::<T>(range.low), within::<T>(range.high));
    // A bound beyond the type's values is either no bound or none that a value meets.
    if range.low > high.into() || range.high < low.into() {
        return Some(Vec::new());
    }
    keep(
        array.len(),
        |row| {
            let value = values[row];
            (value >= low) & (value <= high)
        },
        array.nulls().into_iter(),
        selection,
    )
}

/// The value of the type that is nearest.
fn within<T: ArrowPrimitiveType>(bound: i128) -> T::Native
where
    T::Native: TryFrom<i128>,
{
    match T::Native::try_from(bound) {
        Ok(value) => value,
        Err(_) if bound < 0 => T::Native::MIN_TOTAL_ORDER,
        Err(_) => T::Native::MAX_TOTAL_ORDER,
    }
}

fn keep_pairs<T>(
    left: &PrimitiveArray<T>,
    operator: Operator,
    right: &PrimitiveArray<T>,
    selection: Option<Vec<u32>>,
) -> Option<Vec<u32>>
where
    T: ArrowPrimitiveType,
    T::Native: PartialOrd,
{
    let (lefts, rights) = (left.values(), right.values());
    let nulls = left.nulls().into_iter().chain(right.nulls());
    let rows = left.len();
    match operator {
        Operator::Eq => keep(rows, |row| lefts[row] == rights[row], nulls, selection),
        Operator::NotEq => keep(rows, |row| lefts[row] != rights[row], nulls, selection),
        Operator::Lt => keep(rows, |row| lefts[row] < rights[row], nulls, selection),
        Operator::LtEq => keep(rows, |row| lefts[row] <= rights[row], nulls, selection),
        Operator::Gt => keep(rows, |row| lefts[row] > rights[row], nulls, selection),
        _ => keep(rows, |row| lefts[row] >= rights[row], nulls, selection),
    }
}

/// The rows of a selection for which the condition holds and nothing is null, found without branches.
fn keep<'a>(
    rows: usize,
    holds: impl Fn(usize) -> bool,
    nulls: impl Iterator<Item = &'a datafusion::arrow::buffer::NullBuffer>,
    selection: Option<Vec<u32>>,
) -> Option<Vec<u32>> {
    let mut kept = 0;
    let mut selection = match selection {
        None => {
            let mut selected = vec![0; rows];
            for row in 0..rows {
                selected[kept] = row as u32;
                kept += usize::from(holds(row));
            }
            selected.truncate(kept);
            selected
        }
        Some(mut selected) => {
            for index in 0..selected.len() {
                let row = selected[index];
                selected[kept] = row;
                kept += usize::from(holds(row as usize));
            }
            selected.truncate(kept);
            selected
        }
    };
    for nulls in nulls.filter(|nulls| nulls.null_count() > 0) {
        selection.retain(|row| nulls.is_valid(*row as usize));
    }
    Some(selection)
}
