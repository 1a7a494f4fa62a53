//! Values of enumerations: labels compare by their place in the type, not by their text. The type is part of each
//! function, because the engine passes on values alone.

use std::sync::Arc;

use datafusion::arrow::array::StringViewBuilder;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int32Array, ListArray, ListBuilder, StringViewArray};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Int32Type};
use datafusion::common::{Result as PlanResult, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature,
    Volatility,
};

use super::overload::{Given, given, undefined_function};
use crate::error::{Error, Result};
use crate::types::{EnumType, SqlType};

/// What a function does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Task {
    /// From labels to their places, in arrays too.
    Position,
    /// From places to labels.
    Label,
    First,
    Last,
    /// The labels from the first argument to the second; NULL is the type's end. Of one argument: all.
    Range,
}

/// enum_first(), enum_last() and enum_range(), which learn their type where they are called.
pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let open = |task| Arc::new(ScalarUDF::new_from_impl(EnumFunction::new(task, None)));
    vec![open(Task::First), open(Task::Last), open(Task::Range)]
}

/// What a value of an enumeration, or an array of them, sorts by.
pub fn enum_position(expression: Expr, definition: &Arc<EnumType>) -> Expr {
    call(Task::Position, definition, expression)
}

/// The value of an enumeration at a place.
pub fn enum_label(expression: Expr, definition: &Arc<EnumType>) -> Expr {
    call(Task::Label, definition, expression)
}

fn call(task: Task, definition: &Arc<EnumType>, expression: Expr) -> Expr {
    let function = EnumFunction::new(task, Some(Arc::clone(definition)));
    Arc::new(ScalarUDF::new_from_impl(function)).call(vec![expression])
}

/// The function with the enumeration that its arguments are of; `None` for another kind of function.
pub(super) fn pinned(function: &ScalarUDF, fields: &[FieldRef]) -> Result<Option<Arc<ScalarUDF>>> {
    let Some(open) = function.inner().downcast_ref::<EnumFunction>() else {
        return Ok(None);
    };
    if open.definition.is_some() {
        return Ok(None);
    }
    let types: Vec<SqlType> = fields.iter().map(|field| SqlType::from_field(field)).collect();
    let definition = types.iter().find_map(|sql_type| match sql_type {
        SqlType::Enum(definition) => Some(Arc::clone(definition)),
        _ => None,
    });
    let Some(definition) = definition else {
        let given: Vec<Given> = fields.iter().map(|field| given(field)).collect();
        return Err(undefined_function(open.name(), &given));
    };
    Ok(Some(Arc::new(ScalarUDF::new_from_impl(EnumFunction::new(
        open.task,
        Some(definition),
    )))))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct EnumFunction {
    task: Task,
    definition: Option<Arc<EnumType>>,
    signature: Signature,
}

impl EnumFunction {
    fn new(task: Task, definition: Option<Arc<EnumType>>) -> EnumFunction {
        let arguments = match task {
            Task::Range => TypeSignature::OneOf(vec![TypeSignature::Any(1), TypeSignature::Any(2)]),
            _ => TypeSignature::Any(1),
        };
        EnumFunction {
            task,
            definition,
            signature: Signature::new(arguments, Volatility::Immutable),
        }
    }

    fn definition(&self) -> Result<&Arc<EnumType>> {
        let definition = self.definition.as_ref();
        definition.ok_or_else(|| Error::internal(format!("{}() was called without its type", self.name())))
    }

    fn positions(&self, labels: &ArrayRef) -> Result<ArrayRef> {
        positions(self.definition()?, labels)
    }

    fn labels(&self, places: &ArrayRef) -> Result<ArrayRef> {
        let definition = self.definition()?;
        let labels = places.as_primitive::<Int32Type>().iter();
        let labels = labels.map(|place| definition.labels.get(usize::try_from(place?).ok()?));
        Ok(Arc::new(labels.collect::<StringViewArray>()))
    }

    fn ranges(&self, arguments: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let definition = self.definition()?;
        let bounds = arguments
            .iter()
            .map(|array| self.positions(array))
            .collect::<Result<Vec<_>>>()?;
        let bound = |index: usize, row: usize| {
            let array = bounds
                .get(index)
                .filter(|_| bounds.len() == 2)?
                .as_primitive::<Int32Type>();
            array.is_valid(row).then(|| array.value(row) as usize)
        };
        let mut builder = ListBuilder::new(StringViewBuilder::new());
        for row in 0..rows {
            let first = bound(0, row).unwrap_or(0);
            let last = bound(1, row).map_or(definition.labels.len(), |last| last + 1);
            for label in definition.labels.iter().take(last).skip(first) {
                builder.values().append_value(label);
            }
            builder.append(true);
        }
        Ok(Arc::new(builder.finish()))
    }
}

/// The places of labels, in arrays too.
pub(super) fn positions(definition: &EnumType, labels: &ArrayRef) -> Result<ArrayRef> {
    if let DataType::List(item) = labels.data_type() {
        let list = labels.as_list::<i32>();
        let item = item.as_ref().clone().with_metadata(Default::default());
        let inner = positions(definition, list.values())?;
        let item = item.with_data_type(inner.data_type().clone());
        let positions = ListArray::try_new(Arc::new(item), list.offsets().clone(), inner, list.nulls().cloned())?;
        return Ok(Arc::new(positions));
    }
    let labels = datafusion::arrow::compute::cast(labels, &DataType::Utf8View)?;
    let places = labels.as_string_view().iter();
    let places = places.map(|label| definition.position(label?).map(|place| place as i32));
    Ok(Arc::new(places.collect::<Int32Array>()))
}

impl ScalarUDFImpl for EnumFunction {
    fn name(&self) -> &str {
        match self.task {
            Task::Position => "enum_position",
            Task::Label => "enum_label",
            Task::First => "enum_first",
            Task::Last => "enum_last",
            Task::Range => "enum_range",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> PlanResult<DataType> {
        fn places(labels: &DataType) -> DataType {
            match labels {
                DataType::List(item) => DataType::List(Arc::new(Field::new(
                    item.name(),
                    places(item.data_type()),
                    item.is_nullable(),
                ))),
                _ => DataType::Int32,
            }
        }
        Ok(match self.task {
            Task::Position => types.first().map_or(DataType::Int32, places),
            Task::Range => DataType::List(Arc::new(Field::new("item", DataType::Utf8View, true))),
            Task::Label | Task::First | Task::Last => DataType::Utf8View,
        })
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> PlanResult<FieldRef> {
        let types: Vec<DataType> = arguments
            .arg_fields
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        Ok(Arc::new(match (self.task, &self.definition) {
            (Task::Position, _) | (_, None) => Field::new(self.name(), self.return_type(&types)?, true),
            (Task::Range, Some(definition)) => {
                SqlType::Array(Box::new(SqlType::Enum(Arc::clone(definition)))).to_field(self.name(), true)
            }
            (_, Some(definition)) => SqlType::Enum(Arc::clone(definition)).to_field(self.name(), true),
        }))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let is_constant = arguments
            .args
            .iter()
            .all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let rows = if is_constant { 1 } else { arguments.number_rows };
        let arrays = arguments.args.iter().map(|value| value.clone().into_array(rows));
        let arrays = arrays.collect::<PlanResult<Vec<ArrayRef>>>()?;
        let one = |label: Option<&String>| -> ArrayRef {
            Arc::new(std::iter::repeat_n(label, rows).collect::<StringViewArray>())
        };
        let result = match self.task {
            Task::Position => self.positions(&arrays[0])?,
            Task::Label => self.labels(&arrays[0])?,
            Task::First => one(self.definition()?.labels.first()),
            Task::Last => one(self.definition()?.labels.last()),
            Task::Range => self.ranges(&arrays, rows)?,
        };
        Ok(match is_constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?),
            false => ColumnarValue::Array(result),
        })
    }
}
