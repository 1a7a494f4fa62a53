//! `string_agg()` of binary strings, and of texts whose delimiter is a value of each row: values are gathered in pairs with
//! their delimiters, as `array_agg()` gathers, and joined at the end. DataFusion joins texts by a literal.

use std::cmp::Ordering;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StructArray};
use datafusion::arrow::compute::{cast, filter, is_not_null};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::common::{Result as PlanResult, ScalarValue};
use datafusion::functions_aggregate::array_agg::array_agg_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, ReversedUDAF, Signature, Volatility};

use super::adjusted_aggregate::{Adjustment, adjusted};
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;

/// `string_agg()` of two values of each row.
pub fn joined_values() -> Arc<AggregateUDF> {
    let joined = AggregateUDF::new_from_impl(JoinedValues {
        signature: Signature::user_defined(Volatility::Immutable),
    });
    adjusted(Arc::new(joined), Adjustment::KeepsFrame)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct JoinedValues {
    signature: Signature,
}

/// What values and delimiters are gathered as.
fn gathered_type(data_type: &DataType) -> DataType {
    match data_type.is_binary() {
        true => DataType::LargeBinary,
        false => DataType::LargeUtf8,
    }
}

/// A value with its delimiter.
fn pair_field(value: &DataType) -> FieldRef {
    let part = |name| Field::new(name, gathered_type(value), true);
    let parts = Fields::from(vec![part("value"), part("delimiter")]);
    Arc::new(Field::new_struct("pair", parts, true))
}

impl AggregateUDFImpl for JoinedValues {
    fn name(&self) -> &str {
        "string_agg"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> PlanResult<Vec<DataType>> {
        let is_text = |given: &DataType| given.is_string() || given.is_null();
        let is_binary = |given: &DataType| given.is_binary() || given.is_null();
        match types {
            [_, _] if types.iter().all(is_text) => Ok(vec![DataType::LargeUtf8; 2]),
            [_, _] if types.iter().all(is_binary) => Ok(vec![SqlType::Bytea.to_arrow(); 2]),
            _ => {
                let shown = types.iter().map(|given| SqlType::from_arrow(given).to_string());
                let message = format!(
                    "function string_agg({}) does not exist",
                    shown.collect::<Vec<_>>().join(", ")
                );
                let hint =
                    "No function matches the given name and argument types. You might need to add explicit type casts.";
                Err(Error::new(SqlState::UndefinedFunction, message).with_hint(hint).into())
            }
        }
    }

    fn return_type(&self, types: &[DataType]) -> PlanResult<DataType> {
        Ok(match types.iter().any(DataType::is_binary) {
            true => SqlType::Bytea.to_arrow(),
            false => DataType::LargeUtf8,
        })
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::SoftRequirement
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::NotSupported
    }

    fn groups_accumulator_supported(&self, _arguments: AccumulatorArgs) -> bool {
        false
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> PlanResult<Vec<FieldRef>> {
        let is_binary = arguments.input_fields.iter().any(|field| field.data_type().is_binary());
        let value = if is_binary {
            DataType::LargeBinary
        } else {
            DataType::LargeUtf8
        };
        let pair = [pair_field(&value)];
        array_agg_udaf().state_fields(StateFieldsArgs {
            input_fields: &pair,
            return_field: Arc::new(Field::new_list(arguments.name, Arc::clone(&pair[0]), true)),
            ..arguments
        })
    }

    fn accumulator(&self, arguments: AccumulatorArgs) -> PlanResult<Box<dyn Accumulator>> {
        let returns = arguments.return_field.data_type().clone();
        let pair = [pair_field(&returns)];
        let is_distinct = arguments.is_distinct;
        // Distinct pairs are sorted where they are joined.
        let is_descending = match arguments.order_bys {
            _ if !is_distinct => false,
            [] => false,
            [key] if key.expr.eq(&arguments.exprs[0]) => key.options.descending,
            _ => {
                let message =
                    "string_agg(DISTINCT …) of such a delimiter, in the order of something else than its values";
                return Err(Error::unsupported(message).into());
            }
        };
        let gathering = array_agg_udaf().accumulator(AccumulatorArgs {
            return_field: Arc::new(Field::new_list("pairs", Arc::clone(&pair[0]), true)),
            schema: arguments.schema,
            ignore_nulls: false,
            order_bys: if is_distinct { &[] } else { arguments.order_bys },
            is_reversed: arguments.is_reversed,
            name: arguments.name,
            is_distinct,
            exprs: &arguments.exprs[..1],
            expr_fields: &pair,
        })?;
        Ok(Box::new(Joining {
            gathering,
            returns,
            is_distinct,
            is_descending,
        }))
    }
}

#[derive(Debug)]
struct Joining {
    /// Gathers the pairs, in the order that the call asks for.
    gathering: Box<dyn Accumulator>,
    returns: DataType,
    is_distinct: bool,
    is_descending: bool,
}

impl Joining {
    /// The pairs of these rows, and what orders them, without rows whose value is NULL.
    fn pairs(&self, values: &[ArrayRef]) -> PlanResult<Vec<ArrayRef>> {
        let [value, delimiter, keys @ ..] = values else {
            return Err(Error::internal("string_agg() takes two arguments").into());
        };
        let pair = pair_field(&self.returns);
        let part = gathered_type(&self.returns);
        let parts = vec![cast(value, &part)?, cast(delimiter, &part)?];
        let DataType::Struct(fields) = pair.data_type() else {
            return Err(Error::internal("a pair is no struct").into());
        };
        let pairs: ArrayRef = Arc::new(StructArray::try_new(fields.clone(), parts, None)?);
        let there = is_not_null(value)?;
        let keys = if self.is_distinct { &[] } else { keys };
        let columns = std::iter::once(&pairs).chain(keys);
        let columns = columns.map(|column| filter(column, &there));
        Ok(columns.collect::<Result<Vec<_>, _>>()?)
    }

    fn joined(&self, pairs: &StructArray) -> Option<Vec<u8>> {
        let bytes = |column: &ArrayRef, row: usize| -> Option<Vec<u8>> {
            if column.is_null(row) {
                return None;
            }
            Some(match column.data_type() {
                DataType::LargeBinary => column.as_binary::<i64>().value(row).to_vec(),
                _ => column.as_string::<i64>().value(row).as_bytes().to_vec(),
            })
        };
        let rows = (0..pairs.len()).filter(|row| pairs.is_valid(*row));
        let rows = rows.map(|row| (bytes(pairs.column(0), row), bytes(pairs.column(1), row)));
        let mut rows: Vec<_> = rows
            .filter_map(|(value, delimiter)| Some((value?, delimiter)))
            .collect();
        if self.is_distinct {
            // NULL comes last among the delimiters.
            let last = |delimiter: &Option<Vec<u8>>| (delimiter.is_none(), delimiter.clone());
            rows.sort_by(|(first, one), (second, other)| {
                let order = match self.is_descending {
                    true => second.cmp(first),
                    false => first.cmp(second),
                };
                match order {
                    Ordering::Equal => last(one).cmp(&last(other)),
                    order => order,
                }
            });
        }
        rows.into_iter()
            .reduce(|(mut joined, _), (value, delimiter)| {
                joined.extend(delimiter.unwrap_or_default());
                joined.extend(value);
                (joined, None)
            })
            .map(|(joined, _)| joined)
    }
}

impl Accumulator for Joining {
    fn update_batch(&mut self, values: &[ArrayRef]) -> PlanResult<()> {
        let pairs = self.pairs(values)?;
        match pairs.first().is_some_and(|pairs| !pairs.is_empty()) {
            true => self.gathering.update_batch(&pairs),
            false => Ok(()),
        }
    }

    fn evaluate(&mut self) -> PlanResult<ScalarValue> {
        let gathered = self.gathering.evaluate()?;
        let joined = match &gathered {
            ScalarValue::List(list) if list.is_valid(0) => self.joined(list.value(0).as_struct()),
            _ => None,
        };
        match gathered_type(&self.returns) {
            DataType::LargeBinary => ScalarValue::LargeBinary(joined).cast_to(&self.returns),
            _ => {
                let text = joined.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
                Ok(ScalarValue::LargeUtf8(text))
            }
        }
    }

    fn size(&self) -> usize {
        std::mem::size_of_val(self) + self.gathering.size()
    }

    fn state(&mut self) -> PlanResult<Vec<ScalarValue>> {
        self.gathering.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> PlanResult<()> {
        self.gathering.merge_batch(states)
    }
}
