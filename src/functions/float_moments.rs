//! Variances, covariances and regressions of floats by Youngs and Cramer's updates, in PostgreSQL's order of operations,
//! so that the last digits are its own.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result as PlanResult, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility,
};

use super::float_sums::{PairMeasure, Pairs, Single, Spread, Sums};
use super::overload::undefined_for;
use crate::error::{Error, Result};

pub(super) fn functions() -> Vec<Arc<AggregateUDF>> {
    let function = |(name, measure)| {
        let signature = Signature::user_defined(Volatility::Immutable);
        Arc::new(AggregateUDF::new_from_impl(OfPairs {
            name,
            measure,
            signature,
        }))
    };
    PAIR_FUNCTIONS.into_iter().map(function).collect()
}

const PAIR_FUNCTIONS: [(&str, PairMeasure); 12] = [
    ("regr_count", PairMeasure::Count),
    ("regr_avgx", PairMeasure::AverageX),
    ("regr_avgy", PairMeasure::AverageY),
    ("regr_sxx", PairMeasure::SquaresX),
    ("regr_syy", PairMeasure::SquaresY),
    ("regr_sxy", PairMeasure::Products),
    ("covar_pop", PairMeasure::CovariancePopulation),
    ("covar_samp", PairMeasure::CovarianceSample),
    ("corr", PairMeasure::Correlation),
    ("regr_slope", PairMeasure::Slope),
    ("regr_intercept", PairMeasure::Intercept),
    ("regr_r2", PairMeasure::Determination),
];

/// Accumulates the spread of one column of floats.
pub(super) fn spread_accumulator(measure: Spread) -> Box<dyn Accumulator> {
    Box::new(One::<Single>::new(measure, DataType::Float64))
}

/// The same for all groups at once.
pub(super) fn spread_groups(measure: Spread) -> Box<dyn GroupsAccumulator> {
    Box::new(Groups::<Single>::new(measure, DataType::Float64))
}

/// What both keep between partial and final aggregation.
pub(super) fn spread_state() -> Vec<FieldRef> {
    state_fields::<Single>()
}

fn state_fields<S: Sums>() -> Vec<FieldRef> {
    let fields = S::FIELDS.iter();
    fields
        .map(|name| Arc::new(Field::new(*name, DataType::Float64, true)))
        .collect()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct OfPairs {
    name: &'static str,
    measure: PairMeasure,
    signature: Signature,
}

impl OfPairs {
    fn shown(&self) -> DataType {
        match self.measure {
            PairMeasure::Count => DataType::Int64,
            _ => DataType::Float64,
        }
    }

    fn refuse_distinct(&self, arguments: &AccumulatorArgs) -> Result<()> {
        match arguments.is_distinct {
            true => Err(Error::unsupported(format!("{}() of distinct pairs", self.name))),
            false => Ok(()),
        }
    }
}

impl AggregateUDFImpl for OfPairs {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> PlanResult<Vec<DataType>> {
        let is_number = |given: &DataType| given.is_numeric() || given.is_null();
        match types {
            [first, second] if is_number(first) && is_number(second) => Ok(vec![DataType::Float64; 2]),
            _ => Err(undefined_for(self.name, types).into()),
        }
    }

    fn return_type(&self, _types: &[DataType]) -> PlanResult<DataType> {
        Ok(self.shown())
    }

    fn accumulator(&self, arguments: AccumulatorArgs) -> PlanResult<Box<dyn Accumulator>> {
        self.refuse_distinct(&arguments)?;
        Ok(Box::new(One::<Pairs>::new(self.measure, self.shown())))
    }

    fn groups_accumulator_supported(&self, arguments: AccumulatorArgs) -> bool {
        !arguments.is_distinct
    }

    fn create_groups_accumulator(&self, arguments: AccumulatorArgs) -> PlanResult<Box<dyn GroupsAccumulator>> {
        self.refuse_distinct(&arguments)?;
        Ok(Box::new(Groups::<Pairs>::new(self.measure, self.shown())))
    }

    fn state_fields(&self, _arguments: StateFieldsArgs) -> PlanResult<Vec<FieldRef>> {
        Ok(state_fields::<Pairs>())
    }

    fn default_value(&self, data_type: &DataType) -> PlanResult<ScalarValue> {
        match self.measure {
            PairMeasure::Count => Ok(ScalarValue::Int64(Some(0))),
            _ => ScalarValue::try_from(data_type),
        }
    }
}

/// Calls with each row in which no argument is null.
fn for_each(columns: &[ArrayRef], mut call: impl FnMut(usize, f64, f64) -> Result<()>) -> PlanResult<()> {
    let columns = columns.iter().map(|column| cast(column, &DataType::Float64));
    let columns = columns.collect::<std::result::Result<Vec<ArrayRef>, _>>()?;
    let floats: Vec<&Float64Array> = columns.iter().map(|column| column.as_primitive()).collect();
    let (Some(first), Some(second)) = (floats.first(), floats.last()) else {
        return Ok(());
    };
    for row in 0..first.len() {
        if first.is_valid(row) && second.is_valid(row) {
            call(row, first.value(row), second.value(row))?;
        }
    }
    Ok(())
}

/// The sums of partial states.
fn partial<S: Sums>(states: &[ArrayRef]) -> impl Iterator<Item = S> {
    let columns: Vec<&Float64Array> = states.iter().map(|column| column.as_primitive()).collect();
    (0..states[0].len()).map(move |row| S::of_parts(columns.iter().map(|column| column.value(row))))
}

fn states<S: Sums>(groups: &[S]) -> Vec<ArrayRef> {
    let mut columns = vec![Vec::with_capacity(groups.len()); S::FIELDS.len()];
    for group in groups {
        for (column, part) in columns.iter_mut().zip(group.parts()) {
            column.push(part);
        }
    }
    let arrays = columns.into_iter();
    arrays
        .map(|column| Arc::new(Float64Array::from(column)) as ArrayRef)
        .collect()
}

/// One group's answer.
#[derive(Debug)]
struct One<S: Sums> {
    groups: Groups<S>,
}

impl<S: Sums> One<S> {
    fn new(measure: S::Measure, shown: DataType) -> One<S> {
        let groups = Groups {
            groups: vec![S::default()],
            ..Groups::new(measure, shown)
        };
        One { groups }
    }
}

impl<S: Sums> Accumulator for One<S> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> PlanResult<()> {
        let sums = &mut self.groups.groups[0];
        for_each(values, |_, first, second| sums.add(first, second))
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> PlanResult<()> {
        let sums = &mut self.groups.groups[0];
        Ok(partial::<S>(states).try_for_each(|other| sums.merge(&other))?)
    }

    fn evaluate(&mut self) -> PlanResult<ScalarValue> {
        ScalarValue::try_from_array(&self.groups.answers(&self.groups.groups), 0)
    }

    fn state(&mut self) -> PlanResult<Vec<ScalarValue>> {
        let parts = self.groups.groups[0].parts().into_iter();
        Ok(parts.map(|part| ScalarValue::Float64(Some(part))).collect())
    }

    fn size(&self) -> usize {
        std::mem::size_of_val(self) + size_of::<S>()
    }
}

/// The answers of all groups at once.
#[derive(Debug)]
struct Groups<S: Sums> {
    groups: Vec<S>,
    measure: S::Measure,
    shown: DataType,
}

impl<S: Sums> Groups<S> {
    fn new(measure: S::Measure, shown: DataType) -> Groups<S> {
        Groups {
            groups: Vec::new(),
            measure,
            shown,
        }
    }

    fn answers(&self, groups: &[S]) -> ArrayRef {
        let answers = groups.iter().map(|group| group.measured(self.measure));
        match self.shown {
            DataType::Int64 => {
                let counts = answers.map(|count| count.map(|count| count as i64));
                Arc::new(counts.collect::<Int64Array>())
            }
            _ => Arc::new(answers.collect::<Float64Array>()),
        }
    }
}

impl<S: Sums> GroupsAccumulator for Groups<S> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        filter: Option<&BooleanArray>,
        group_count: usize,
    ) -> PlanResult<()> {
        self.groups.resize(group_count, S::default());
        let passes = |row: usize| filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
        for_each(values, |row, first, second| match passes(row) {
            true => self.groups[group_indices[row]].add(first, second),
            false => Ok(()),
        })
    }

    fn merge_batch(&mut self, states: &[ArrayRef], group_indices: &[usize], group_count: usize) -> PlanResult<()> {
        self.groups.resize(group_count, S::default());
        let mut merging = partial::<S>(states).zip(group_indices);
        Ok(merging.try_for_each(|(other, group)| self.groups[*group].merge(&other))?)
    }

    fn evaluate(&mut self, emit: EmitTo) -> PlanResult<ArrayRef> {
        let groups = emit.take_needed(&mut self.groups);
        Ok(self.answers(&groups))
    }

    fn state(&mut self, emit: EmitTo) -> PlanResult<Vec<ArrayRef>> {
        Ok(states(&emit.take_needed(&mut self.groups)))
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> PlanResult<Vec<ArrayRef>> {
        let rows = values[0].len();
        let mut each = Groups::<S>::new(self.measure, self.shown.clone());
        each.update_batch(values, &(0..rows).collect::<Vec<_>>(), filter, rows)?;
        Ok(states(&each.groups))
    }

    fn size(&self) -> usize {
        self.groups.capacity() * size_of::<S>()
    }
}
