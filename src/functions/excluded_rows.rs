//! Window functions over frames that leave rows out: the rows of a frame are at most three stretches of its partition,
//! and each answer is computed from all of them, as PostgreSQL does.

use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::{filter, partition};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::common::{Result as PlanResult, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, PartitionEvaluator, Signature, WindowFunctionDefinition, WindowUDF, WindowUDFImpl,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{Column, Literal};

use crate::error::{Error, SqlState};

/// The rows of a frame that do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exclusion {
    /// All count.
    Nothing,
    CurrentRow,
    /// The current row and those that are equal to it in the window's order.
    Group,
    /// Those that are equal to the current row, without itself.
    Ties,
}

/// The function over frames without these rows; `None` where it does not look at the frame. With `is_filtered` its last
/// argument says of each row whether it counts.
pub fn excluding(
    function: &WindowFunctionDefinition,
    exclusion: Exclusion,
    is_filtered: bool,
) -> Option<WindowFunctionDefinition> {
    let inner = match function {
        WindowFunctionDefinition::AggregateUDF(aggregate) => Inner::Aggregate(Arc::clone(aggregate)),
        WindowFunctionDefinition::WindowUDF(function) => {
            let place = match function.name() {
                "first_value" => Place::First,
                "last_value" => Place::Last,
                "nth_value" => Place::Nth,
                _ => return None,
            };
            Inner::Value(Arc::clone(function), place)
        }
    };
    let volatility = function.signature().volatility;
    Some(WindowFunctionDefinition::WindowUDF(Arc::new(WindowUDF::new_from_impl(
        Excluding {
            inner,
            exclusion,
            is_filtered,
            signature: Signature::user_defined(volatility),
        },
    ))))
}

/// Whether the function's values depend on which rows are equal in the window's order, not only on their sequence.
pub fn looks_at_peers(function: &WindowUDF) -> bool {
    let excludes_peers = |excluding: &Excluding| matches!(excluding.exclusion, Exclusion::Group | Exclusion::Ties);
    match function.inner().downcast_ref::<Excluding>() {
        Some(excluding) => excludes_peers(excluding),
        None => matches!(function.name(), "rank" | "dense_rank" | "percent_rank" | "cume_dist"),
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Inner {
    Aggregate(Arc<AggregateUDF>),
    Value(Arc<WindowUDF>, Place),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Place {
    First,
    Last,
    Nth,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Excluding {
    inner: Inner,
    exclusion: Exclusion,
    is_filtered: bool,
    signature: Signature,
}

impl Excluding {
    /// How many of the arguments are the function's own.
    fn own(&self, arguments: usize) -> usize {
        arguments - usize::from(self.is_filtered && arguments > 0)
    }
}

impl WindowUDFImpl for Excluding {
    fn name(&self) -> &str {
        match &self.inner {
            Inner::Aggregate(aggregate) => aggregate.name(),
            Inner::Value(function, _) => function.name(),
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> PlanResult<Vec<DataType>> {
        let own = self.own(types.len());
        let fields = types[..own]
            .iter()
            .map(|data_type| Field::new("", data_type.clone(), true));
        let fields: Vec<FieldRef> = fields.map(Arc::new).collect();
        let coerced = match &self.inner {
            Inner::Aggregate(aggregate) => fields_with_udf(&fields, aggregate.as_ref())?,
            Inner::Value(function, _) => fields_with_udf(&fields, function.as_ref())?,
        };
        let filter = types[own..].iter().map(|_| DataType::Boolean);
        Ok(coerced
            .iter()
            .map(|field| field.data_type().clone())
            .chain(filter)
            .collect())
    }

    fn field(&self, arguments: WindowUDFFieldArgs) -> PlanResult<FieldRef> {
        let fields = arguments.input_fields();
        let own = &fields[..self.own(fields.len())];
        let field = match &self.inner {
            Inner::Aggregate(aggregate) => aggregate.return_field(own)?,
            Inner::Value(function, _) => function.field(WindowUDFFieldArgs::new(own, arguments.name()))?,
        };
        Ok(Arc::new(field.as_ref().clone().with_name(arguments.name())))
    }

    fn partition_evaluator(&self, arguments: PartitionEvaluatorArgs) -> PlanResult<Box<dyn PartitionEvaluator>> {
        let own = self.own(arguments.input_fields().len());
        let fields = arguments.input_fields()[..own].to_vec();
        // What the accumulator is made of has constants in their places, and columns in all others.
        let columns = arguments.input_exprs()[..own].iter().enumerate();
        let expressions = columns.map(|(place, expression)| match expression.downcast_ref::<Literal>() {
            Some(_) => Arc::clone(expression),
            None => Arc::new(Column::new(&format!("{place}"), place)) as Arc<dyn PhysicalExpr>,
        });
        let expressions = expressions.collect();
        let named = fields.iter().enumerate();
        let named = named.map(|(place, field)| field.as_ref().clone().with_name(format!("{place}")));
        Ok(Box::new(Frame {
            schema: Schema::new(named.collect::<Vec<_>>()),
            inner: self.inner.clone(),
            exclusion: self.exclusion,
            is_filtered: self.is_filtered,
            ignores_nulls: arguments.ignore_nulls(),
            expressions,
            fields,
            row: 0,
            groups: vec![],
            group: 0,
            last: None,
        }))
    }
}

/// One partition on the way.
#[derive(Debug)]
struct Frame {
    inner: Inner,
    exclusion: Exclusion,
    is_filtered: bool,
    ignores_nulls: bool,
    schema: Schema,
    expressions: Vec<Arc<dyn PhysicalExpr>>,
    fields: Vec<FieldRef>,
    /// The current row.
    row: usize,
    /// The rows that are equal in the window's order, and where the current one is.
    groups: Vec<Range<usize>>,
    group: usize,
    /// The answer of the row before, and what it was computed from.
    last: Option<(Vec<Range<usize>>, ScalarValue)>,
}

impl PartitionEvaluator for Frame {
    fn uses_window_frame(&self) -> bool {
        true
    }

    /// Called once a row, in order; behind the arguments stand the keys of the window's order.
    fn evaluate(&mut self, values: &[ArrayRef], range: &Range<usize>) -> PlanResult<ScalarValue> {
        let arguments = self.fields.len() + usize::from(self.is_filtered);
        let (arguments, keys) = values.split_at(arguments.min(values.len()));
        if self.row == 0 {
            self.groups = match keys.is_empty() {
                true => std::iter::once(0..usize::MAX).collect(),
                false => partition(keys)?.ranges(),
            };
        }
        let row = self.row;
        self.row += 1;
        while self.groups.get(self.group).is_some_and(|group| group.end <= row) {
            self.group += 1;
        }
        let group = self.groups.get(self.group).cloned().unwrap_or(row..row + 1);
        let stretches = stretches(range, self.exclusion, row, &group);
        match &self.inner {
            Inner::Aggregate(aggregate) => {
                if let Some((computed, value)) = &self.last
                    && *computed == stretches
                {
                    return Ok(value.clone());
                }
                let value = self.aggregated(aggregate, arguments, &stretches)?;
                self.last = Some((stretches, value.clone()));
                Ok(value)
            }
            Inner::Value(_, place) => self.value(*place, arguments, row, &stretches),
        }
    }
}

impl Frame {
    fn aggregated(
        &self,
        aggregate: &AggregateUDF,
        arguments: &[ArrayRef],
        stretches: &[Range<usize>],
    ) -> PlanResult<ScalarValue> {
        let mut accumulator = self.accumulator(aggregate)?;
        let (own, condition) = arguments.split_at(self.fields.len().min(arguments.len()));
        for stretch in stretches {
            let mut rows: Vec<ArrayRef> = own
                .iter()
                .map(|values| values.slice(stretch.start, stretch.len()))
                .collect();
            if let Some(condition) = condition.first() {
                let condition = condition.slice(stretch.start, stretch.len());
                rows = rows
                    .iter()
                    .map(|values| filter(values, condition.as_boolean()))
                    .collect::<Result<_, _>>()?;
            }
            if rows.first().is_some_and(|values| !values.is_empty()) {
                accumulator.update_batch(&rows)?;
            }
        }
        accumulator.evaluate()
    }

    fn accumulator(&self, aggregate: &AggregateUDF) -> PlanResult<Box<dyn Accumulator>> {
        aggregate.accumulator(AccumulatorArgs {
            return_field: aggregate.return_field(&self.fields)?,
            schema: &self.schema,
            ignore_nulls: self.ignores_nulls,
            order_bys: &[],
            is_reversed: false,
            name: aggregate.name(),
            is_distinct: false,
            exprs: &self.expressions,
            expr_fields: &self.fields,
        })
    }

    fn value(
        &self,
        place: Place,
        arguments: &[ArrayRef],
        row: usize,
        stretches: &[Range<usize>],
    ) -> PlanResult<ScalarValue> {
        let Some(values) = arguments.first() else {
            return Ok(ScalarValue::Null);
        };
        let mut rows = stretches
            .iter()
            .cloned()
            .flatten()
            .filter(|row| !self.ignores_nulls || values.is_valid(*row));
        let found = match place {
            Place::First => rows.next(),
            Place::Last => rows.next_back(),
            Place::Nth => {
                let count = match arguments.get(1) {
                    Some(counts) => ScalarValue::try_from_array(counts, row)?.cast_to(&DataType::Int64)?,
                    None => ScalarValue::Null,
                };
                match count {
                    ScalarValue::Int64(Some(count @ 1..)) => rows.nth(usize::try_from(count - 1).unwrap_or(usize::MAX)),
                    ScalarValue::Int64(Some(_)) => {
                        let message = "argument of nth_value must be greater than zero";
                        return Err(Error::new(SqlState::InvalidArgumentForNthValue, message).into());
                    }
                    _ => None,
                }
            }
        };
        match found {
            Some(row) => ScalarValue::try_from_array(values, row),
            None => ScalarValue::try_from(values.data_type()),
        }
    }
}

/// What is left of a frame, in order and without empty stretches.
fn stretches(frame: &Range<usize>, exclusion: Exclusion, row: usize, group: &Range<usize>) -> Vec<Range<usize>> {
    let excluded = match exclusion {
        Exclusion::Nothing => frame.end..frame.end,
        Exclusion::CurrentRow => row..row + 1,
        Exclusion::Group | Exclusion::Ties => group.clone(),
    };
    let kept = match exclusion {
        Exclusion::Ties if frame.contains(&row) => row..row + 1,
        _ => 0..0,
    };
    let before = frame.start..frame.end.min(excluded.start);
    let after = frame.start.max(excluded.end)..frame.end;
    [before, kept, after]
        .into_iter()
        .filter(|stretch| !stretch.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::single_range_in_vec_init)]
    fn a_frame_loses_its_excluded_rows() {
        let left = |frame: Range<usize>, exclusion| stretches(&frame, exclusion, 4, &(3..6));
        assert_eq!(left(0..9, Exclusion::CurrentRow), [0..4, 5..9]);
        assert_eq!(left(0..9, Exclusion::Group), [0..3, 6..9]);
        assert_eq!(left(0..9, Exclusion::Ties), [0..3, 4..5, 6..9]);
        assert_eq!(left(4..5, Exclusion::Ties), vec![4..5]);
        assert_eq!(left(5..9, Exclusion::Ties), vec![6..9]);
        assert_eq!(left(0..2, Exclusion::Group), vec![0..2]);
        assert!(left(3..6, Exclusion::Group).is_empty());
    }
}
