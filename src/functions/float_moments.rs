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

use super::overload::{Given, undefined_function};
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;

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

/// What is told of the values of one column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Spread {
    pub sample: bool,
    pub root: bool,
}

/// What is told of pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum PairMeasure {
    Count,
    AverageX,
    AverageY,
    SquaresX,
    SquaresY,
    Products,
    CovariancePopulation,
    CovarianceSample,
    Correlation,
    Slope,
    Intercept,
    Determination,
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

/// The running sums of one group.
trait Sums: std::fmt::Debug + Default + Clone + Copy + Send + Sync + 'static {
    /// What is computed of them in the end.
    type Measure: std::fmt::Debug + Clone + Copy + Send + Sync;
    const FIELDS: &'static [&'static str];

    /// A row's values: y and x of a pair, in the order of the arguments.
    fn add(&mut self, first: f64, second: f64) -> Result<()>;

    fn merge(&mut self, other: &Self) -> Result<()>;

    fn measured(&self, measure: Self::Measure) -> Option<f64>;

    fn parts(&self) -> Vec<f64>;

    fn of_parts(parts: impl Iterator<Item = f64>) -> Self;
}

fn overflow() -> Error {
    Error::new(SqlState::NumericValueOutOfRange, "value out of range: overflow")
}

/// Count, sum, and sum of the squares of the distances from the mean.
#[derive(Debug, Default, Clone, Copy)]
struct Single {
    count: f64,
    sum: f64,
    squares: f64,
}

impl Sums for Single {
    type Measure = Spread;
    const FIELDS: &'static [&'static str] = &["count", "sum", "squares"];

    fn add(&mut self, value: f64, _: f64) -> Result<()> {
        let before = *self;
        self.count += 1.0;
        self.sum += value;
        if before.count > 0.0 {
            let distance = value * self.count - self.sum;
            self.squares += distance * distance / (self.count * before.count);
            if self.sum.is_infinite() || self.squares.is_infinite() {
                if !before.sum.is_infinite() && !value.is_infinite() {
                    return Err(overflow());
                }
                self.squares = f64::NAN;
            }
        } else if !value.is_finite() {
            self.squares = f64::NAN;
        }
        Ok(())
    }

    fn merge(&mut self, other: &Single) -> Result<()> {
        if other.count == 0.0 {
            return Ok(());
        }
        if self.count == 0.0 {
            *self = *other;
            return Ok(());
        }
        let count = self.count + other.count;
        let distance = self.sum / self.count - other.sum / other.count;
        let sum = finite_of(self.sum + other.sum, &[self.sum, other.sum])?;
        let squares = self.squares + other.squares + self.count * other.count * distance * distance / count;
        let squares = finite_of(squares, &[self.squares, other.squares])?;
        *self = Single { count, sum, squares };
        Ok(())
    }

    fn measured(&self, measure: Spread) -> Option<f64> {
        let below = self.count - if measure.sample { 1.0 } else { 0.0 };
        let variance = (below > 0.0).then(|| self.squares / below)?;
        Some(if measure.root { variance.sqrt() } else { variance })
    }

    fn parts(&self) -> Vec<f64> {
        vec![self.count, self.sum, self.squares]
    }

    fn of_parts(mut parts: impl Iterator<Item = f64>) -> Single {
        let mut next = || parts.next().unwrap_or_default();
        Single {
            count: next(),
            sum: next(),
            squares: next(),
        }
    }
}

/// 22003 for an infinity that comes of finite numbers.
fn finite_of(value: f64, of: &[f64]) -> Result<f64> {
    match value.is_infinite() && of.iter().all(|part| !part.is_infinite()) {
        true => Err(overflow()),
        false => Ok(value),
    }
}

/// The same of two columns, and the sum of the products of their distances.
#[derive(Debug, Default, Clone, Copy)]
struct Pairs {
    count: f64,
    sum_x: f64,
    squares_x: f64,
    sum_y: f64,
    squares_y: f64,
    products: f64,
}

impl Sums for Pairs {
    type Measure = PairMeasure;
    const FIELDS: &'static [&'static str] = &["count", "sum_x", "squares_x", "sum_y", "squares_y", "products"];

    fn add(&mut self, y: f64, x: f64) -> Result<()> {
        let before = *self;
        self.count += 1.0;
        self.sum_x += x;
        self.sum_y += y;
        if before.count > 0.0 {
            let (distance_x, distance_y) = (x * self.count - self.sum_x, y * self.count - self.sum_y);
            let scale = 1.0 / (self.count * before.count);
            self.squares_x += distance_x * distance_x * scale;
            self.squares_y += distance_y * distance_y * scale;
            self.products += distance_x * distance_y * scale;
            let given_x = before.sum_x.is_infinite() || x.is_infinite();
            let given_y = before.sum_y.is_infinite() || y.is_infinite();
            let reached_x = self.sum_x.is_infinite() || self.squares_x.is_infinite();
            let reached_y = self.sum_y.is_infinite() || self.squares_y.is_infinite();
            if (reached_x && !given_x)
                || (reached_y && !given_y)
                || (self.products.is_infinite() && !given_x && !given_y)
            {
                return Err(overflow());
            }
            for part in [&mut self.squares_x, &mut self.squares_y, &mut self.products] {
                if part.is_infinite() {
                    *part = f64::NAN;
                }
            }
        } else {
            if !x.is_finite() {
                (self.squares_x, self.products) = (f64::NAN, f64::NAN);
            }
            if !y.is_finite() {
                (self.squares_y, self.products) = (f64::NAN, f64::NAN);
            }
        }
        Ok(())
    }

    fn merge(&mut self, other: &Pairs) -> Result<()> {
        if other.count == 0.0 {
            return Ok(());
        }
        if self.count == 0.0 {
            *self = *other;
            return Ok(());
        }
        let count = self.count + other.count;
        let distance_x = self.sum_x / self.count - other.sum_x / other.count;
        let distance_y = self.sum_y / self.count - other.sum_y / other.count;
        let added = |left: f64, right: f64, product: f64| {
            let sum = left + right + self.count * other.count * product / count;
            finite_of(sum, &[left, right])
        };
        *self = Pairs {
            count,
            sum_x: finite_of(self.sum_x + other.sum_x, &[self.sum_x, other.sum_x])?,
            squares_x: added(self.squares_x, other.squares_x, distance_x * distance_x)?,
            sum_y: finite_of(self.sum_y + other.sum_y, &[self.sum_y, other.sum_y])?,
            squares_y: added(self.squares_y, other.squares_y, distance_y * distance_y)?,
            products: added(self.products, other.products, distance_x * distance_y)?,
        };
        Ok(())
    }

    fn measured(&self, measure: PairMeasure) -> Option<f64> {
        let sloped = |value: f64| (self.squares_x != 0.0).then_some(value);
        if measure == PairMeasure::Count {
            return Some(self.count);
        }
        if self.count < 1.0 {
            return None;
        }
        match measure {
            PairMeasure::Count => Some(self.count),
            PairMeasure::AverageX => Some(self.sum_x / self.count),
            PairMeasure::AverageY => Some(self.sum_y / self.count),
            PairMeasure::SquaresX => Some(self.squares_x),
            PairMeasure::SquaresY => Some(self.squares_y),
            PairMeasure::Products => Some(self.products),
            PairMeasure::CovariancePopulation => Some(self.products / self.count),
            PairMeasure::CovarianceSample => (self.count > 1.0).then(|| self.products / (self.count - 1.0)),
            PairMeasure::Correlation => {
                let root = (self.squares_x * self.squares_y).sqrt();
                sloped(self.products / root).filter(|_| self.squares_y != 0.0)
            }
            PairMeasure::Slope => sloped(self.products / self.squares_x),
            PairMeasure::Intercept => sloped((self.sum_y - self.sum_x * self.products / self.squares_x) / self.count),
            // A horizontal line fits exactly.
            PairMeasure::Determination if self.squares_y == 0.0 => sloped(1.0),
            PairMeasure::Determination => sloped((self.products * self.products) / (self.squares_x * self.squares_y)),
        }
    }

    fn parts(&self) -> Vec<f64> {
        vec![
            self.count,
            self.sum_x,
            self.squares_x,
            self.sum_y,
            self.squares_y,
            self.products,
        ]
    }

    fn of_parts(mut parts: impl Iterator<Item = f64>) -> Pairs {
        let mut next = || parts.next().unwrap_or_default();
        Pairs {
            count: next(),
            sum_x: next(),
            squares_x: next(),
            sum_y: next(),
            squares_y: next(),
            products: next(),
        }
    }
}

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
            _ => {
                let given: Vec<Given> = types
                    .iter()
                    .map(|given| Given::Known(SqlType::from_arrow(given)))
                    .collect();
                Err(undefined_function(self.name, &given).into())
            }
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
