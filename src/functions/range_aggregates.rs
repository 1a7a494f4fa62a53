//! range_agg() and range_intersect_agg(): what ranges or multiranges hold together, and what all of them share.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, StringViewArray};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result as PlanResult, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};

use super::overload::{given, undefined_function};
use crate::error::Error;
use crate::types::spelled::multirange::Multirange;
use crate::types::spelled::range::Range;
use crate::types::{RangeType, Spelled, SqlType};

pub(super) fn functions() -> Vec<Arc<AggregateUDF>> {
    let aggregate = |intersects: bool| {
        Arc::new(AggregateUDF::new_from_impl(RangeAggregate {
            intersects,
            signature: Signature::any(1, Volatility::Immutable),
        }))
    };
    vec![aggregate(false), aggregate(true)]
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct RangeAggregate {
    intersects: bool,
    signature: Signature,
}

impl RangeAggregate {
    /// What is aggregated.
    fn argument(&self, fields: &[FieldRef]) -> PlanResult<Spelled> {
        match fields.first().map(|field| SqlType::from_field(field)) {
            Some(SqlType::Spelled(spelled @ (Spelled::Range(_) | Spelled::Multirange(_)))) => Ok(spelled),
            _ => {
                let arguments: Vec<_> = fields.iter().map(|field| given(field)).collect();
                Err(undefined_function(self.name(), &arguments).into())
            }
        }
    }

    fn result(&self, argument: Spelled) -> Spelled {
        match argument {
            Spelled::Range(range) if !self.intersects => Spelled::Multirange(range),
            other => other,
        }
    }
}

impl AggregateUDFImpl for RangeAggregate {
    fn name(&self) -> &str {
        match self.intersects {
            true => "range_intersect_agg",
            false => "range_agg",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(DataType::Utf8View)
    }

    fn return_field(&self, fields: &[FieldRef]) -> PlanResult<FieldRef> {
        let sql_type = SqlType::Spelled(self.result(self.argument(fields)?));
        Ok(Arc::new(sql_type.to_field(self.name(), true)))
    }

    fn state_fields(&self, _: StateFieldsArgs) -> PlanResult<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new("ranges", DataType::Utf8View, true))])
    }

    fn accumulator(&self, arguments: AccumulatorArgs) -> PlanResult<Box<dyn Accumulator>> {
        let argument = self.argument(arguments.expr_fields)?;
        let (Spelled::Range(range) | Spelled::Multirange(range)) = argument else {
            return Err(Error::internal("an aggregate of ranges got none").into());
        };
        Ok(Box::new(Ranges {
            range,
            result: self.result(argument),
            intersects: self.intersects,
            value: None,
            added: vec![],
        }))
    }
}

/// Ranges so far.
#[derive(Debug)]
struct Ranges {
    range: RangeType,
    result: Spelled,
    intersects: bool,
    /// `None` before the first.
    value: Option<Multirange>,
    /// What is not merged into the value yet.
    added: Vec<Range>,
}

impl Ranges {
    fn add(&mut self, ranges: &Multirange) {
        match &mut self.value {
            Some(value) if self.intersects => *value = value.intersection(ranges),
            Some(value) => {
                self.added.extend(ranges.ranges());
                // As many as there are, so that merging costs each range little.
                if self.added.len() > 1024 + value.ranges().len() {
                    self.merge();
                }
            }
            none => *none = Some(ranges.clone()),
        }
    }

    fn merge(&mut self) {
        if let Some(value) = &mut self.value
            && !self.added.is_empty()
        {
            let all = value.ranges().iter().copied().chain(self.added.drain(..));
            *value = Multirange::of(all.collect::<Vec<_>>());
        }
    }
}

impl Accumulator for Ranges {
    fn update_batch(&mut self, values: &[ArrayRef]) -> PlanResult<()> {
        let Some(values) = values.first() else { return Ok(()) };
        let texts = datafusion::arrow::compute::cast(values, &DataType::Utf8View)?;
        let texts: &StringViewArray = texts.as_string_view();
        for spelling in texts.iter().flatten() {
            self.add(&self.range.parse_set(spelling)?);
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> PlanResult<()> {
        self.update_batch(states)
    }

    fn state(&mut self) -> PlanResult<Vec<ScalarValue>> {
        self.merge();
        let spelling = self.value.as_ref().map(|value| self.range.multirange_spelling(value));
        Ok(vec![ScalarValue::Utf8View(spelling)])
    }

    fn evaluate(&mut self) -> PlanResult<ScalarValue> {
        self.merge();
        let spelling = self.value.as_ref().map(|value| match self.result {
            Spelled::Range(range) => range.spelling(&value.span()),
            _ => self.range.multirange_spelling(value),
        });
        Ok(ScalarValue::Utf8View(spelling))
    }

    fn size(&self) -> usize {
        let ranges = self.added.capacity() + self.value.as_ref().map_or(0, |value| value.ranges().len());
        size_of_val(self) + ranges * size_of::<Range>()
    }
}
