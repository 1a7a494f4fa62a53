//! bit_and(), bit_or() and bit_xor(): of integers they are DataFusion's, of bit strings, which are carried as text, ours.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result as PlanResult, ScalarValue};
use datafusion::functions_aggregate::bit_and_or_xor::{bit_and_udaf, bit_or_udaf, bit_xor_udaf};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, Signature, Volatility};

use super::bit_strings::combined_bits;
use super::overload::{given, undefined_function};
use crate::types::{Spelled, SqlType};

/// The three aggregates.
pub(super) fn functions() -> [Arc<AggregateUDF>; 3] {
    let aggregate = |inner, operation| {
        Arc::new(AggregateUDF::new_from_impl(BitAggregate {
            inner,
            operation,
            signature: Signature::user_defined(Volatility::Immutable),
        }))
    };
    [
        aggregate(bit_and_udaf(), Operation::And),
        aggregate(bit_or_udaf(), Operation::Or),
        aggregate(bit_xor_udaf(), Operation::Xor),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Operation {
    And,
    Or,
    Xor,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct BitAggregate {
    inner: Arc<AggregateUDF>,
    operation: Operation,
    signature: Signature,
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8View | DataType::Utf8 | DataType::LargeUtf8)
}

impl AggregateUDFImpl for BitAggregate {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> PlanResult<Vec<DataType>> {
        if matches!(types, [layout] if is_text(layout)) {
            return Ok(types.to_vec());
        }
        let fields = types
            .iter()
            .map(|layout| Arc::new(Field::new("", layout.clone(), true)));
        let fields: Vec<FieldRef> = fields.collect();
        let coerced = fields_with_udf(&fields, self.inner.as_ref())?;
        Ok(coerced.iter().map(|field| field.data_type().clone()).collect())
    }

    fn return_type(&self, types: &[DataType]) -> PlanResult<DataType> {
        self.inner.return_type(types)
    }

    fn return_field(&self, fields: &[FieldRef]) -> PlanResult<FieldRef> {
        let Some(field) = fields.first().filter(|field| is_text(field.data_type())) else {
            return self.inner.return_field(fields);
        };
        match SqlType::from_field(field) {
            // Without a modifier, as PostgreSQL's bit_and(bit) gives bit.
            SqlType::Spelled(spelled @ (Spelled::Bit(_) | Spelled::Varbit(_))) => {
                let sql_type = SqlType::Spelled(spelled.without_modifier());
                Ok(Arc::new(sql_type.to_field(self.name(), true)))
            }
            _ => {
                let arguments: Vec<_> = fields.iter().map(|field| given(field)).collect();
                Err(undefined_function(self.name(), &arguments).into())
            }
        }
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> PlanResult<Vec<FieldRef>> {
        match is_text(arguments.return_type()) {
            true => Ok(vec![Arc::new(Field::new("bits", DataType::Utf8View, true))]),
            false => self.inner.state_fields(arguments),
        }
    }

    fn accumulator(&self, arguments: AccumulatorArgs) -> PlanResult<Box<dyn Accumulator>> {
        match is_text(arguments.return_type()) {
            true => Ok(Box::new(Bits {
                operation: self.operation,
                value: None,
            })),
            false => self.inner.accumulator(arguments),
        }
    }

    fn groups_accumulator_supported(&self, arguments: AccumulatorArgs) -> bool {
        !is_text(arguments.return_type()) && self.inner.groups_accumulator_supported(arguments)
    }

    fn create_groups_accumulator(&self, arguments: AccumulatorArgs) -> PlanResult<Box<dyn GroupsAccumulator>> {
        self.inner.create_groups_accumulator(arguments)
    }
}

/// The bits of all strings so far.
#[derive(Debug)]
struct Bits {
    operation: Operation,
    value: Option<String>,
}

impl Accumulator for Bits {
    fn update_batch(&mut self, values: &[ArrayRef]) -> PlanResult<()> {
        let Some(values) = values.first() else { return Ok(()) };
        let texts = datafusion::arrow::compute::cast(values, &DataType::Utf8View)?;
        for bits in texts.as_string_view().iter().flatten() {
            self.value = Some(match self.value.take() {
                None => bits.to_string(),
                Some(value) => match self.operation {
                    Operation::And => combined_bits(&value, bits, "AND", |left, right| left & right)?,
                    Operation::Or => combined_bits(&value, bits, "OR", |left, right| left | right)?,
                    Operation::Xor => combined_bits(&value, bits, "XOR", |left, right| left ^ right)?,
                },
            });
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> PlanResult<()> {
        self.update_batch(states)
    }

    fn state(&mut self) -> PlanResult<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn evaluate(&mut self) -> PlanResult<ScalarValue> {
        Ok(ScalarValue::Utf8View(self.value.clone()))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.value.as_ref().map_or(0, String::capacity)
    }
}
