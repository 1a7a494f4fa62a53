//! A filter as tests on the codes of one row group. A comparison is a range of codes; what reads one column of few
//! possible values is evaluated once for each of them; the rest is evaluated by DataFusion on the rows that are
//! left. Only expressions that cannot fail come here, so evaluating values that no row has is safe.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, StringViewArray, new_null_array,
};
use datafusion::arrow::compute::concat;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{
    BinaryExpr, Column, DynamicFilterPhysicalExpr, InListExpr, IsNotNullExpr, IsNullExpr, Literal, NotExpr,
};
use datafusion::physical_expr::utils::collect_columns;

use super::super::key_set::{InKeySet, KeySet};
use super::super::like_pieces::PiecewiseLike;
use super::column::{Codes, HotColumn, Rows, Values};
use super::rows::{HotRows, Slot};

/// A column of at most this many possible values is tested by value.
const MOST_POSSIBLE: u64 = 1 << 16;

/// What a row has to fulfil. Columns are positions in the scan's schema.
#[derive(Debug)]
pub(super) enum Test {
    Always,
    Never,
    /// The code lies between the bounds (or, not `inside`, elsewhere) and is no null's.
    Range {
        column: usize,
        low: u64,
        high: u64,
        inside: bool,
    },
    /// The code is among those with a 1; a null passes with `null`.
    Listed {
        column: usize,
        allowed: Vec<u8>,
        null: bool,
    },
    /// The value is in the set, as of so many of a thousand values between the column's least and greatest.
    Member {
        column: usize,
        set: Arc<KeySet>,
        share: usize,
    },
    Null {
        column: usize,
        is_null: bool,
    },
    Both(Vec<Test>),
    Either(Vec<Test>),
    Other(Expression),
}

/// An expression for DataFusion to evaluate on some rows.
#[derive(Debug)]
pub(super) struct Expression {
    expression: Arc<dyn PhysicalExpr>,
    reads: Vec<usize>,
    schema: SchemaRef,
    wanted: bool,
}

impl Test {
    /// The rows for which `filter` is true.
    pub(super) fn new(filter: &Arc<dyn PhysicalExpr>, hot: &HotRows) -> Result<Test> {
        Compiler {
            hot,
            bounds_only: false,
        }
        .test(filter, true)
    }

    /// As much of a filter that only saves work as tells by bounds and values which rows are in vain.
    pub(super) fn aid(filter: &Arc<dyn PhysicalExpr>, hot: &HotRows) -> Result<Test> {
        Compiler { hot, bounds_only: true }.test(filter, true)
    }

    pub(super) fn both(tests: impl IntoIterator<Item = Test>) -> Test {
        let mut all = vec![];
        for test in tests {
            match test {
                Test::Always => {}
                Test::Never => return Test::Never,
                Test::Both(inner) => all.extend(inner),
                test => all.push(test),
            }
        }
        all.sort_by_key(|test| (test.cost(), test.share()));
        match all.len() {
            0 => Test::Always,
            1 => all.remove(0),
            _ => Test::Both(all),
        }
    }

    fn either(tests: [Test; 2]) -> Test {
        let mut any = vec![];
        for test in tests {
            match test {
                Test::Never => {}
                Test::Always => return Test::Always,
                Test::Either(inner) => any.extend(inner),
                test => any.push(test),
            }
        }
        match any.len() {
            0 => Test::Never,
            1 => any.remove(0),
            _ => Test::Either(any),
        }
    }

    fn cost(&self) -> usize {
        match self {
            Test::Always | Test::Never => 0,
            Test::Range { .. } | Test::Null { .. } => 1,
            Test::Listed { .. } | Test::Member { .. } => 2,
            Test::Both(tests) | Test::Either(tests) => 3 + tests.iter().map(Test::cost).max().unwrap_or(0),
            Test::Other(_) => 10,
        }
    }

    /// What leaves few rows comes first among tests that cost the same: the next ones pass over the others.
    fn share(&self) -> usize {
        match self {
            Test::Member { share, .. } => *share,
            _ => 0,
        }
    }
}

/// For the key of a set's numbers in a column.
fn share_of(set: &KeySet, values: &HotColumn) -> usize {
    let zones = values.zones.iter().filter(|zone| zone.min <= zone.max);
    let bounds = zones.fold((u64::MAX, 0), |(low, high), zone| {
        (low.min(zone.min), high.max(zone.max))
    });
    let span = bounds.1.saturating_sub(bounds.0).saturating_add(1);
    (set.len() as u64).saturating_mul(1000).div_euclid(span) as usize
}

struct Compiler<'a> {
    hot: &'a HotRows,
    bounds_only: bool,
}

impl Compiler<'_> {
    /// The rows for which the expression is `wanted`: neither its opposite nor null.
    fn test(&self, expression: &Arc<dyn PhysicalExpr>, wanted: bool) -> Result<Test> {
        if let Some(dynamic) = expression.downcast_ref::<DynamicFilterPhysicalExpr>() {
            return self.test(&dynamic.current()?, wanted);
        }
        if let Some(not) = expression.downcast_ref::<NotExpr>() {
            return self.test(not.arg(), !wanted);
        }
        if let Some(binary) = expression.downcast_ref::<BinaryExpr>() {
            let is_both = match binary.op() {
                Operator::And => Some(wanted),
                Operator::Or => Some(!wanted),
                _ => None,
            };
            if let Some(is_both) = is_both {
                let sides = [self.test(binary.left(), wanted)?, self.test(binary.right(), wanted)?];
                return Ok(match is_both {
                    true => Test::both(sides),
                    false => Test::either(sides),
                });
            }
        }
        let columns: Vec<usize> = {
            let mut columns: Vec<usize> = collect_columns(expression).iter().map(Column::index).collect();
            columns.sort_unstable();
            columns.dedup();
            columns
        };
        let mut varying = vec![];
        for column in columns {
            if let Slot::Column(_) = self.hot.slot(column)? {
                varying.push(column);
            }
        }
        match varying.as_slice() {
            [] => self.constant(expression, wanted),
            [column] => match self.hot.slot(*column)? {
                Slot::Column(values) => self.on_one(*column, values, expression, wanted),
                Slot::Constant(_) => self.other(expression, varying, wanted),
            },
            _ => self.other(expression, varying, wanted),
        }
    }

    /// An expression whose columns have one value for all rows.
    fn constant(&self, expression: &Arc<dyn PhysicalExpr>, wanted: bool) -> Result<Test> {
        let test = self.expression(expression, vec![], wanted)?;
        Ok(match test.evaluate(vec![], 1)?.value(0) {
            true => Test::Always,
            false => Test::Never,
        })
    }

    fn on_one(
        &self,
        column: usize,
        values: &HotColumn,
        expression: &Arc<dyn PhysicalExpr>,
        wanted: bool,
    ) -> Result<Test> {
        let tested = |null: bool| match null {
            true => expression.downcast_ref::<IsNullExpr>().map(IsNullExpr::arg),
            false => expression.downcast_ref::<IsNotNullExpr>().map(IsNotNullExpr::arg),
        };
        for null in [true, false] {
            if tested(null).is_some_and(|tested| tested.is::<Column>()) {
                let is_null = null == wanted;
                return Ok(Test::Null { column, is_null });
            }
        }
        if let Some(test) = compared(column, values, expression, wanted) {
            return Ok(test);
        }
        if let (Some(member), Values::Scaled { .. }) = (expression.downcast_ref::<InKeySet>(), &values.values)
            && wanted
            && member.key().is::<Column>()
        {
            let (set, share) = (Arc::clone(member.set()), share_of(member.set(), values));
            return Ok(Test::Member { column, set, share });
        }
        if let Some(test) = self.by_value(column, values, expression, wanted)? {
            return Ok(test);
        }
        self.other(expression, vec![column], wanted)
    }

    /// Evaluates the expression for each code there can be, and for null.
    fn by_value(
        &self,
        column: usize,
        values: &HotColumn,
        expression: &Arc<dyn PhysicalExpr>,
        wanted: bool,
    ) -> Result<Option<Test>> {
        let greatest = values
            .zones
            .iter()
            .filter(|zone| zone.min <= zone.max)
            .map(|zone| zone.max)
            .max();
        let count = greatest.map_or(0, |greatest| greatest.saturating_add(1));
        let few = count <= MOST_POSSIBLE && count <= (self.hot.len as u64).max(64);
        let possible: ArrayRef = match &values.values {
            Values::Dictionary { values, .. } => values.slice(0, count as usize),
            Values::Scaled { base, .. } if few => {
                let every = HotColumn {
                    data_type: values.data_type.clone(),
                    nulls: None,
                    values: Values::Scaled {
                        base: *base,
                        codes: Codes::U32((0..count as u32).collect()),
                    },
                    zones: vec![],
                };
                every.read(&Rows::Range(0..count as usize), &values.data_type)?
            }
            _ => return Ok(None),
        };
        let null = new_null_array(&values.data_type, 1);
        let inputs = concat(&[possible.as_ref(), null.as_ref()])?;
        let rows = inputs.len();
        let passes = self
            .expression(expression, vec![column], wanted)?
            .evaluate(vec![inputs], rows)?;
        let allowed: Vec<u8> = passes.values().iter().take(rows - 1).map(u8::from).collect();
        Ok(Some(listed(column, allowed, passes.value(rows - 1))))
    }

    fn other(&self, expression: &Arc<dyn PhysicalExpr>, reads: Vec<usize>, wanted: bool) -> Result<Test> {
        // A list of values costs little a row and may leave few.
        match self.bounds_only && !expression.is::<InListExpr>() {
            true => Ok(Test::Always),
            false => Ok(Test::Other(self.expression(expression, reads, wanted)?)),
        }
    }

    /// The expression over a batch of the columns `reads`, the others replaced by their one value.
    fn expression(&self, expression: &Arc<dyn PhysicalExpr>, reads: Vec<usize>, wanted: bool) -> Result<Expression> {
        let mut fields = vec![];
        for (at, column) in reads.iter().enumerate() {
            fields.push(Field::new(format!("{at}"), self.hot.slot(*column)?.data_type(), true));
        }
        let moved = Arc::clone(expression)
            .transform(|part| {
                if let Some(like) = PiecewiseLike::of(&part) {
                    return Ok(Transformed::yes(Arc::new(like) as _));
                }
                let Some(column) = part.downcast_ref::<Column>() else {
                    return Ok(Transformed::no(part));
                };
                let moved: Arc<dyn PhysicalExpr> = match reads.iter().position(|read| *read == column.index()) {
                    Some(at) => Arc::new(Column::new(&format!("{at}"), at)),
                    None => match self.hot.slot(column.index())? {
                        Slot::Constant(value) => Arc::new(Literal::new(value.clone())),
                        Slot::Column(_) => return exec_err!("a filter reads a column that it does not name"),
                    },
                };
                Ok(Transformed::yes(moved))
            })
            .data()?;
        Ok(Expression {
            expression: moved,
            reads,
            schema: Arc::new(Schema::new(fields)),
            wanted,
        })
    }
}

impl Expression {
    /// For each of the rows, whether it passes.
    pub(super) fn on_rows(&self, hot: &HotRows, rows: &Rows<'_>) -> Result<BooleanArray> {
        let columns = self
            .reads
            .iter()
            .zip(self.schema.fields())
            .map(|(column, field)| hot.read(*column, rows, field.data_type()))
            .collect::<Result<Vec<_>>>()?;
        self.evaluate(columns, rows.len())
    }

    fn evaluate(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<BooleanArray> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
        let outcome = self.expression.evaluate(&batch)?.into_array(rows)?;
        let Some(outcome) = outcome.as_boolean_opt() else {
            return exec_err!("a filter is no condition");
        };
        let passes = match self.wanted {
            true => outcome.values().clone(),
            false => !outcome.values(),
        };
        Ok(BooleanArray::new(
            match outcome.nulls() {
                Some(nulls) => &passes & nulls.inner(),
                None => passes,
            },
            None,
        ))
    }
}

/// A comparison of scaled values or of a dictionary's strings with a value of their type, as a range of codes.
fn compared(column: usize, values: &HotColumn, expression: &Arc<dyn PhysicalExpr>, wanted: bool) -> Option<Test> {
    let binary = expression.downcast_ref::<BinaryExpr>()?;
    let (left, right) = (binary.left(), binary.right());
    let (op, literal) = match (left.is::<Column>(), right.is::<Column>()) {
        (true, false) => (*binary.op(), right.downcast_ref::<Literal>()?),
        (false, true) => (binary.op().swap()?, left.downcast_ref::<Literal>()?),
        _ => return None,
    };
    let op = if wanted { op } else { op.negate()? };
    match &values.values {
        Values::Scaled { base, .. } => {
            let value = as_integer(literal.value(), &values.data_type)?;
            compared_with_integer(column, *base, op, i128::from(value))
        }
        Values::Dictionary { values, .. } => match literal.value() {
            ScalarValue::Utf8View(Some(text)) => compared_with_text(column, values.as_string_view_opt()?, op, text),
            _ => None,
        },
        Values::Plain(_) => None,
    }
}

/// The codes of ascending strings for which a comparison with a text holds.
fn compared_with_text(column: usize, strings: &StringViewArray, op: Operator, text: &str) -> Option<Test> {
    let below = |is_below: &dyn Fn(&str) -> bool| {
        let (mut low, mut high) = (0, strings.len());
        while low < high {
            let middle = low.midpoint(high);
            match is_below(strings.value(middle)) {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low
    };
    let (first, after) = (below(&|string| string < text), below(&|string| string <= text));
    let (codes, inside) = match op {
        Operator::Eq => (first..after, true),
        Operator::NotEq => (first..after, false),
        Operator::Lt => (0..first, true),
        Operator::LtEq => (0..after, true),
        Operator::Gt => (after..strings.len(), true),
        Operator::GtEq => (first..strings.len(), true),
        _ => return None,
    };
    Some(match (codes.is_empty(), inside) {
        (true, true) => Test::Never,
        (true, false) => Test::Null { column, is_null: false },
        (false, _) => Test::Range {
            column,
            low: codes.start as u64,
            high: codes.end as u64 - 1,
            inside,
        },
    })
}

fn compared_with_integer(column: usize, base: i64, op: Operator, value: i128) -> Option<Test> {
    let (low, high, inside) = match op {
        Operator::Eq => (value, value, true),
        Operator::NotEq => (value, value, false),
        Operator::Lt => (i128::MIN, value - 1, true),
        Operator::LtEq => (i128::MIN, value, true),
        Operator::Gt => (value + 1, i128::MAX, true),
        Operator::GtEq => (value, i128::MAX, true),
        _ => return None,
    };
    let code = |bound: i128| bound.saturating_sub(i128::from(base)).clamp(0, i128::from(u64::MAX)) as u64;
    let is_empty = high < i128::from(base) || low > i128::from(i64::MAX);
    Some(match (is_empty, inside) {
        (true, true) => Test::Never,
        (true, false) => Test::Null { column, is_null: false },
        (false, _) => Test::Range {
            column,
            low: code(low),
            high: code(high),
            inside,
        },
    })
}

/// The number behind a value of exactly this type.
fn as_integer(value: &ScalarValue, data_type: &DataType) -> Option<i64> {
    if value.data_type() != *data_type {
        return None;
    }
    match value {
        ScalarValue::Int8(value) => value.map(i64::from),
        ScalarValue::Int16(value) => value.map(i64::from),
        ScalarValue::Int32(value) | ScalarValue::Date32(value) => value.map(i64::from),
        ScalarValue::Int64(value)
        | ScalarValue::Time64Microsecond(value)
        | ScalarValue::TimestampMicrosecond(value, _) => *value,
        ScalarValue::Decimal128(value, _, _) => value.and_then(|value| i64::try_from(value).ok()),
        _ => None,
    }
}

/// The test for a list of codes; a list without gaps is a range.
fn listed(column: usize, allowed: Vec<u8>, null: bool) -> Test {
    let ones = allowed.iter().filter(|allowed| **allowed == 1).count();
    if null {
        return match ones == allowed.len() {
            true => Test::Always,
            false => Test::Listed { column, allowed, null },
        };
    }
    let stretch = |wanted: u8, count: usize| {
        let first = allowed.iter().position(|allowed| *allowed == wanted)?;
        let is_whole = allowed[first..]
            .iter()
            .take_while(|allowed| **allowed == wanted)
            .count()
            == count;
        is_whole.then_some((first as u64, (first + count - 1) as u64))
    };
    if ones == 0 {
        Test::Never
    } else if ones == allowed.len() {
        Test::Null { column, is_null: false }
    } else if let Some((low, high)) = stretch(1, ones) {
        Test::Range {
            column,
            low,
            high,
            inside: true,
        }
    } else if let Some((low, high)) = stretch(0, allowed.len() - ones) {
        Test::Range {
            column,
            low,
            high,
            inside: false,
        }
    } else {
        Test::Listed { column, allowed, null }
    }
}
