//! The aggregates of all groups, one `Accumulated` for each measure: ours over lanes, or DataFusion's accumulator fed
//! with the numbers of our groups.

use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::Field;
use datafusion::common::{Result as PlanResult, internal_datafusion_err};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_expr::GroupsAccumulatorAdapter;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;

use super::accumulators::{Count, Extreme, Groups, Sum};
use super::aggregate_shape::{Computed, Measure, Output};
use super::lane::{Lane, selected_nulls};
use super::lane_program::{Lanes, StockExpression};

/// What has been aggregated for one measure.
pub enum Accumulated {
    Count(Count),
    Sum(Sum),
    Extreme(Extreme),
    Stock(StockGroups),
}

/// DataFusion's accumulator.
pub struct StockGroups {
    accumulator: Box<dyn GroupsAccumulator>,
    /// Its states or results, once nothing more comes.
    closed: Vec<ArrayRef>,
}

/// What a measure takes from a batch apart from lanes.
#[derive(Default)]
pub struct Inputs {
    nulls: Option<NullBuffer>,
    filter: Option<BooleanArray>,
    arguments: Vec<ArrayRef>,
}

impl Inputs {
    pub fn of(measure: &Measure, batch: &RecordBatch, selection: Option<&[u32]>) -> PlanResult<Inputs> {
        let evaluate = |expression: &StockExpression| expression.evaluate(batch, selection);
        let filter = measure.filter.as_ref().map(evaluate).transpose()?;
        let filter = filter.map(|filter| filter.as_boolean().clone());
        Ok(match &measure.computed {
            Computed::Stock { arguments, .. } => Inputs {
                nulls: None,
                filter,
                arguments: arguments.iter().map(evaluate).collect::<PlanResult<_>>()?,
            },
            computed => {
                let values = match computed {
                    Computed::Count(expression) => evaluate(expression)?.logical_nulls(),
                    _ => None,
                };
                let passing = filter.map(|filter| match filter.nulls() {
                    Some(nulls) => NullBuffer::new(filter.values() & nulls.inner()),
                    None => NullBuffer::new(filter.values().clone()),
                });
                Inputs {
                    nulls: selected_nulls(NullBuffer::union(values.as_ref(), passing.as_ref()).as_ref(), None),
                    ..Inputs::default()
                }
            }
        })
    }
}

impl Accumulated {
    pub fn new(measure: &Measure) -> PlanResult<Accumulated> {
        Ok(match &measure.computed {
            Computed::CountRows | Computed::CountLane(_) | Computed::Count(_) | Computed::AddCounts(_) => {
                Accumulated::Count(Count::default())
            }
            Computed::Sum(_) => Accumulated::Sum(Sum::new()),
            Computed::Extreme { is_max, .. } => Accumulated::Extreme(Extreme::new(*is_max)),
            Computed::Stock { function, .. } => Accumulated::Stock(StockGroups {
                accumulator: accumulator(function)?,
                closed: Vec::new(),
            }),
        })
    }

    pub fn size(&self) -> usize {
        match self {
            Accumulated::Count(count) => count.size(),
            Accumulated::Sum(sum) => sum.size(),
            Accumulated::Extreme(extreme) => extreme.size(),
            Accumulated::Stock(stock) => stock.accumulator.size(),
        }
    }

    /// Adds a batch's rows, whose groups are below `count`; `numbers` are the groups once more.
    pub fn update(
        &mut self,
        measure: &Measure,
        groups: Groups,
        numbers: &[usize],
        lanes: &Lanes,
        inputs: &Inputs,
        count: usize,
    ) -> PlanResult<()> {
        let lane = |lane: &usize| {
            let lane = &lanes[*lane];
            Lane {
                nulls: NullBuffer::union(lane.nulls.as_ref(), inputs.nulls.as_ref()),
                ..lane.clone()
            }
        };
        match (&measure.computed, self) {
            (Computed::AddCounts(counts), Accumulated::Count(own)) => own.merge(groups, &lane(counts), count),
            (Computed::CountLane(values), Accumulated::Count(own)) => {
                own.update(groups, lane(values).nulls.as_ref(), count);
            }
            (_, Accumulated::Count(own)) => own.update(groups, inputs.nulls.as_ref(), count),
            (Computed::Sum(values), Accumulated::Sum(own)) => own.update(groups, &lane(values), count),
            (Computed::Extreme { lane: values, .. }, Accumulated::Extreme(own)) => {
                own.update(groups, &lane(values), count);
            }
            (Computed::Stock { merges: true, .. }, Accumulated::Stock(own)) => {
                own.accumulator.merge_batch(&inputs.arguments, numbers, count)?;
            }
            (_, Accumulated::Stock(own)) => {
                let filter = inputs.filter.as_ref();
                own.accumulator
                    .update_batch(&inputs.arguments, numbers, filter, count)?;
            }
            _ => return Err(internal_datafusion_err!("an accumulator is not its measure's")),
        }
        Ok(())
    }

    /// Adds a range of the groups of another accumulator of the measure, which is closed with its states.
    pub fn merge(
        &mut self,
        groups: Groups,
        numbers: &[usize],
        other: &Accumulated,
        range: Range<usize>,
        count: usize,
    ) -> PlanResult<()> {
        match (self, other) {
            (Accumulated::Count(own), Accumulated::Count(other)) => own.merge_groups(groups, other, range, count),
            (Accumulated::Sum(own), Accumulated::Sum(other)) => own.merge_groups(groups, other, range, count),
            (Accumulated::Extreme(own), Accumulated::Extreme(other)) => own.merge_groups(groups, other, range, count),
            (Accumulated::Stock(own), Accumulated::Stock(other)) => {
                let states = other.slices(range);
                own.accumulator.merge_batch(&states, numbers, count)?;
            }
            _ => return Err(internal_datafusion_err!("an accumulator is not its measure's")),
        }
        Ok(())
    }

    /// Nothing more comes: what is emitted are states, or results.
    pub fn close(&mut self, states: bool) -> PlanResult<()> {
        if let Accumulated::Stock(stock) = self {
            stock.closed = match states {
                true => stock.accumulator.state(EmitTo::All)?,
                false => vec![stock.accumulator.evaluate(EmitTo::All)?],
            };
        }
        Ok(())
    }
}

impl Output {
    /// Appends the columns of a range of groups, whose fields are the next of `fields`; false where a value does not fit.
    pub fn finish<'a>(
        &self,
        measures: &[Accumulated],
        range: Range<usize>,
        fields: &mut impl Iterator<Item = &'a Arc<Field>>,
        columns: &mut Vec<ArrayRef>,
    ) -> bool {
        let measure = &measures[self.measure];
        if let Accumulated::Stock(stock) = measure {
            columns.extend(stock.slices(range));
            fields.by_ref().take(stock.closed.len()).for_each(drop);
            return true;
        }
        let Some(field) = fields.next() else {
            return false;
        };
        let column = match (measure, &self.linear) {
            (Accumulated::Sum(sum), Some(linear)) => {
                let count = linear.count.and_then(|count| match &measures[count] {
                    Accumulated::Count(count) => Some(count),
                    _ => None,
                });
                sum.finish_linear(range, count, &linear.sum, field.data_type())
            }
            (Accumulated::Sum(sum), None) => sum.finish(range, field.data_type()),
            (Accumulated::Count(count), _) => Some(count.finish(range)),
            (Accumulated::Extreme(extreme), _) => extreme.finish(range, field.data_type()),
            (Accumulated::Stock(_), _) => None,
        };
        columns.extend(column.iter().cloned());
        column.is_some()
    }
}

impl StockGroups {
    fn slices(&self, range: Range<usize>) -> Vec<ArrayRef> {
        let slice = |column: &ArrayRef| column.slice(range.start, range.len());
        self.closed.iter().map(slice).collect()
    }
}

fn accumulator(function: &Arc<AggregateFunctionExpr>) -> PlanResult<Box<dyn GroupsAccumulator>> {
    if function.groups_accumulator_supported() {
        return function.create_groups_accumulator();
    }
    let function = Arc::clone(function);
    Ok(Box::new(GroupsAccumulatorAdapter::new(move || {
        function.create_accumulator()
    })))
}
