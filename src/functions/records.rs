//! Rows as values: a record of named fields, and a field of it. Binding writes these calls for `ROW(…)`, `t` and
//! `(t).a`; no client names them.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StructArray};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::common::{Result as PlanResult, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::error::{Error, Result, SqlState};
use crate::types::cast::{CastContext, cast_array, check_assignable};
use crate::types::{CompositeType, FormatSettings, SqlType, TYPE_KEY};

/// `row_value(is there, name, value, name, value …)`: NULL where the row is not there.
pub const ROW_VALUE: &str = "row_value";
/// `row_field(record, name)`.
pub const ROW_FIELD: &str = "row_field";
/// `assigned_field(row, value, name, name …)`: the row of a composite type with another value in the field.
pub const ASSIGNED_FIELD: &str = "assigned_field";

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let row = Row {
        composite: None,
        signature: Signature::variadic_any(Volatility::Immutable),
    };
    let assigned = AssignedField {
        signature: Signature::variadic_any(Volatility::Stable),
    };
    let field = RowField {
        signature: Signature::any(2, Volatility::Immutable),
    };
    vec![
        Arc::new(ScalarUDF::new_from_impl(row)),
        Arc::new(ScalarUDF::new_from_impl(field)),
        Arc::new(ScalarUDF::new_from_impl(assigned)),
    ]
}

fn text(scalar: Option<&ScalarValue>) -> Option<&str> {
    match scalar? {
        ScalarValue::Utf8(text) | ScalarValue::Utf8View(text) | ScalarValue::LargeUtf8(text) => text.as_deref(),
        _ => None,
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Row {
    /// The type whose row it is; the fields are its own then.
    composite: Option<Arc<CompositeType>>,
    signature: Signature,
}

/// A call of `row_value` whose values have the types of the composite type's fields, as a row of that type.
pub fn composite_of(arguments: Vec<Expr>, composite: &Arc<CompositeType>) -> Expr {
    let row = Row {
        composite: Some(Arc::clone(composite)),
        signature: Signature::variadic_any(Volatility::Immutable),
    };
    Arc::new(ScalarUDF::new_from_impl(row)).call(arguments)
}

impl ScalarUDFImpl for Row {
    fn name(&self) -> &str {
        ROW_VALUE
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> PlanResult<DataType> {
        Err(Error::internal("the fields of a row have names").into())
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> PlanResult<FieldRef> {
        if let Some(composite) = &self.composite {
            return Ok(Arc::new(
                SqlType::Composite(Arc::clone(composite)).to_field(ROW_VALUE, true),
            ));
        }
        let names = arguments.scalar_arguments.iter().skip(1).step_by(2);
        let values = arguments.arg_fields.iter().skip(2).step_by(2);
        let fields = names.zip(values).map(|(name, value)| {
            let name = text(*name).ok_or_else(|| Error::internal("a field of a row has no name"))?;
            Ok(Arc::new(value.as_ref().clone().with_name(name).with_nullable(true)))
        });
        let fields = fields.collect::<PlanResult<Vec<FieldRef>>>()?;
        Ok(Arc::new(record_field(ROW_VALUE, fields.into())))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let DataType::Struct(fields) = arguments.return_field.data_type() else {
            return Err(Error::internal("a row is no record").into());
        };
        let rows = arguments.number_rows;
        let there = match arguments.args.first() {
            Some(ColumnarValue::Scalar(ScalarValue::Boolean(Some(true)))) => None,
            Some(there) => {
                let there = there.to_array(rows)?;
                let there = there.as_boolean();
                Some(NullBuffer::from_iter(there.iter().map(|there| there == Some(true))))
            }
            None => None,
        };
        let columns = arguments
            .args
            .iter()
            .skip(2)
            .step_by(2)
            .map(|value| value.to_array(rows));
        let columns = columns.collect::<PlanResult<Vec<ArrayRef>>>()?;
        let records = StructArray::try_new_with_length(fields.clone(), columns, there, rows)?;
        Ok(ColumnarValue::Array(Arc::new(records)))
    }
}

fn record_field(name: &str, fields: Fields) -> Field {
    let metadata = [(TYPE_KEY.to_string(), SqlType::Record.to_string())].into();
    Field::new(name, DataType::Struct(fields), true).with_metadata(metadata)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct RowField {
    signature: Signature,
}

impl ScalarUDFImpl for RowField {
    fn name(&self) -> &str {
        ROW_FIELD
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> PlanResult<DataType> {
        Err(Error::internal("a field is known by its name").into())
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> PlanResult<FieldRef> {
        let name = text(arguments.scalar_arguments.get(1).copied().flatten()).unwrap_or_default();
        let sql_type = arguments.arg_fields.first().map(|field| SqlType::from_field(field));
        if let Some(SqlType::Composite(composite)) = &sql_type {
            let (_, sql_type) = composite.field(name)?;
            return Ok(Arc::new(sql_type.to_field(name, true)));
        }
        let record = arguments.arg_fields.first().map(|field| field.data_type());
        match record {
            Some(DataType::Struct(fields)) => match fields.find(name) {
                Some((_, field)) => Ok(Arc::new(field.as_ref().clone().with_nullable(true))),
                None => {
                    let message = format!("could not identify column \"{name}\" in record data type");
                    Err(Error::new(SqlState::UndefinedColumn, message).into())
                }
            },
            _ => {
                let found = sql_type.unwrap_or(SqlType::Unknown);
                let message = format!("column notation .{name} applied to type {found}, which is not a composite type");
                Err(Error::new(SqlState::WrongObjectType, message).into())
            }
        }
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let record = arguments.args[0].to_array(arguments.number_rows)?;
        let record = record.as_struct();
        let name = match &arguments.args[1] {
            ColumnarValue::Scalar(name) => text(Some(name)).unwrap_or_default(),
            ColumnarValue::Array(_) => "",
        };
        let Some(column) = record.column_by_name(name) else {
            return Err(Error::internal("a record lost a field").into());
        };
        let nulls = NullBuffer::union(column.logical_nulls().as_ref(), record.nulls());
        let data = column.to_data().into_builder().nulls(nulls).build()?;
        Ok(ColumnarValue::Array(datafusion::arrow::array::make_array(data)))
    }
}

/// A record, or a row of the type already, as a row of a composite type.
pub fn as_composite(value: Expr, composite: &Arc<CompositeType>) -> Expr {
    let function = AsComposite {
        composite: Arc::clone(composite),
        signature: Signature::any(1, Volatility::Stable),
    };
    Arc::new(ScalarUDF::new_from_impl(function)).call(vec![value])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct AsComposite {
    composite: Arc<CompositeType>,
    signature: Signature,
}

impl ScalarUDFImpl for AsComposite {
    fn name(&self) -> &str {
        "as_composite"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> PlanResult<DataType> {
        Ok(DataType::Struct(self.composite.arrow_fields()))
    }

    fn return_field_from_args(&self, _arguments: ReturnFieldArgs) -> PlanResult<FieldRef> {
        let sql_type = SqlType::Composite(Arc::clone(&self.composite));
        Ok(Arc::new(sql_type.to_field(self.name(), true)))
    }

    fn schema_name(&self, arguments: &[Expr]) -> PlanResult<String> {
        let shown = arguments.first().map(|argument| argument.schema_name().to_string());
        Ok(shown.unwrap_or_default())
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let target = SqlType::Composite(Arc::clone(&self.composite));
        let source = given(&arguments.arg_fields[0]);
        let rows = arguments.args[0].to_array(arguments.number_rows)?;
        // The engine passes on layouts alone.
        if rows.data_type() == &target.to_arrow() {
            return Ok(ColumnarValue::Array(rows));
        }
        let (context, settings) = (CastContext::Explicit, FormatSettings::default());
        Ok(ColumnarValue::Array(cast_array(
            &rows, &source, &target, context, &settings,
        )?))
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct AssignedField {
    signature: Signature,
}

impl ScalarUDFImpl for AssignedField {
    fn name(&self) -> &str {
        ASSIGNED_FIELD
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> PlanResult<DataType> {
        Err(Error::internal("a field is known by its name").into())
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> PlanResult<FieldRef> {
        let [row, value, ..] = arguments.arg_fields else {
            return Err(Error::internal("an assignment to a field without a value").into());
        };
        let sql_type = SqlType::from_field(row);
        let path = arguments.scalar_arguments.iter().skip(2);
        let path = path.map(|name| text(*name).unwrap_or_default());
        let mut target = &sql_type;
        for name in path {
            target = assigned_field_type(target, name, row.name())?;
        }
        let last = text(arguments.scalar_arguments.last().copied().flatten()).unwrap_or_default();
        check_assignable(last, &given(value), target)?;
        Ok(Arc::new(sql_type.to_field(ASSIGNED_FIELD, true)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let rows = arguments.number_rows;
        let (row, value) = (arguments.args[0].to_array(rows)?, arguments.args[1].to_array(rows)?);
        let path = arguments.args[2..].iter().map(|name| match name {
            ColumnarValue::Scalar(name) => text(Some(name)).unwrap_or_default(),
            ColumnarValue::Array(_) => "",
        });
        let path: Vec<&str> = path.collect();
        let sql_type = SqlType::from_field(&arguments.return_field);
        let source = given(&arguments.arg_fields[1]);
        Ok(ColumnarValue::Array(assigned(&row, &sql_type, &value, &source, &path)?))
    }
}

/// The type of a field of a column's value that is assigned; 42804 for a field of what has none, 42703 for one that there is not.
pub fn assigned_field_type<'a>(sql_type: &'a SqlType, name: &str, column: &str) -> Result<&'a SqlType> {
    let refused = |state, why: String| {
        let message = format!("cannot assign to field \"{name}\" of column \"{column}\" because {why}");
        Error::new(state, message)
    };
    match sql_type {
        SqlType::Composite(composite) => composite.field(name).map(|(_, found)| found).map_err(|_| {
            let why = format!("there is no such column in data type {sql_type}");
            refused(SqlState::UndefinedColumn, why)
        }),
        other => {
            let why = format!("its type {other} is not a composite type");
            Err(refused(SqlState::DatatypeMismatch, why))
        }
    }
}

/// The type of an assigned value; a text may be a literal that nothing typed.
fn given(value: &Field) -> SqlType {
    match SqlType::from_field(value) {
        SqlType::Text => SqlType::Unknown,
        other => other,
    }
}

/// The rows with the value in the field that the path leads to. What was NULL becomes a row of NULLs around it.
fn assigned(
    rows: &ArrayRef,
    sql_type: &SqlType,
    value: &ArrayRef,
    source: &SqlType,
    path: &[&str],
) -> Result<ArrayRef> {
    let [name, rest @ ..] = path else {
        if value.data_type() == &sql_type.to_arrow() && matches!(sql_type, SqlType::Composite(_)) {
            return Ok(Arc::clone(value));
        }
        return cast_array(
            value,
            source,
            sql_type,
            CastContext::Assignment,
            &FormatSettings::default(),
        );
    };
    let SqlType::Composite(composite) = sql_type else {
        return Err(Error::internal("a field of what has none is assigned"));
    };
    let rows = rows.as_struct();
    let (place, sql_type) = composite.field(name)?;
    let columns = rows.columns().iter().enumerate().map(|(index, column)| {
        let nulls = NullBuffer::union(column.logical_nulls().as_ref(), rows.nulls());
        let shown = datafusion::arrow::array::make_array(column.to_data().into_builder().nulls(nulls).build()?);
        match index == place {
            true => assigned(&shown, sql_type, value, source, rest),
            false => Ok(shown),
        }
    });
    let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
    let layout = composite.arrow_fields();
    Ok(Arc::new(StructArray::try_new_with_length(
        layout,
        columns,
        None,
        rows.len(),
    )?))
}
