//! Rows from json: json_populate_record() and json_populate_recordset() with their jsonb twins. Which fields there are is
//! told by the type of the first argument.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListArray};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result as PlanResult;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::super::datum::Datum;
use super::super::overload::{Arguments, OverloadedFunction, invalid, rows};
use super::scan::{self, Kind};
use crate::error::{Error, Result, SqlState};
use crate::types::builder::ColumnBuilder;
use crate::types::cast::{CastContext, cast_array};
use crate::types::json::check;
use crate::types::{CompositeType, FormatSettings, SqlType, row_columns};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let function = |name, is_set| {
        Arc::new(ScalarUDF::new_from_impl(Populate {
            name,
            is_set,
            signature: Signature::any(2, Volatility::Stable),
        }))
    };
    vec![
        function("json_populate_record", false),
        function("jsonb_populate_record", false),
        // Sets are arrays here, which FROM and the select list unnest.
        function("json_populated_rows", true),
        function("jsonb_populated_rows", true),
        OverloadedFunction::immutable(
            "json_array_literal",
            vec![
                rows("(json, text) text", array_literal),
                rows("(jsonb, text) text", array_literal),
                // Its elements are json.
                rows("(json, text, bool) text", array_literal),
                rows("(jsonb, text, bool) text", array_literal),
            ],
        ),
    ]
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Populate {
    name: &'static str,
    is_set: bool,
    signature: Signature,
}

impl Populate {
    fn shown_name(&self) -> &'static str {
        match self.name {
            "json_populated_rows" => "json_populate_recordset",
            "jsonb_populated_rows" => "jsonb_populate_recordset",
            other => other,
        }
    }

    fn composite(&self, base: &Field) -> Result<Arc<CompositeType>> {
        match SqlType::from_field(base) {
            SqlType::Composite(composite) => Ok(composite),
            _ if base.data_type().is_null() => {
                let message = "could not determine polymorphic type because input has type unknown";
                Err(Error::new(SqlState::DatatypeMismatch, message))
            }
            SqlType::Record => Err(Error::unsupported(format!("{}() of a record", self.shown_name()))),
            _ => {
                let message = format!("first argument of {} must be a row type", self.shown_name());
                Err(Error::new(SqlState::DatatypeMismatch, message))
            }
        }
    }
}

impl ScalarUDFImpl for Populate {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> PlanResult<DataType> {
        Err(Error::internal("rows are known by the type of the first argument").into())
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> PlanResult<FieldRef> {
        let composite = SqlType::Composite(self.composite(&arguments.arg_fields[0])?);
        let sql_type = match self.is_set {
            true => SqlType::Array(Box::new(composite)),
            false => composite,
        };
        Ok(Arc::new(sql_type.to_field(self.name, true)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let rows = arguments.number_rows;
        // What was planned knows the type; the engine passes on layouts alone.
        let row_type = match SqlType::from_field(&arguments.return_field) {
            SqlType::Array(element) if self.is_set => *element,
            other => other,
        };
        let base = arguments.args[0].to_array(rows)?;
        let json = datafusion::arrow::compute::cast(&arguments.args[1].to_array(rows)?, &DataType::Utf8View)?;
        let json = json.as_string_view();
        let is_json = matches!(
            SqlType::from_field(&arguments.arg_fields[1]),
            SqlType::Json | SqlType::Jsonb
        );
        if !is_json {
            // A literal that nothing typed.
            json.iter().flatten().try_for_each(check)?;
        }
        let mut texts = vec![];
        let (mut lengths, mut origins) = (vec![], vec![]);
        for row in 0..rows {
            let values = match (json.is_valid(row).then(|| json.value(row)), self.is_set) {
                (None, true) => vec![],
                (None, false) => vec![None],
                (Some(text), false) => vec![Some(text.to_string())],
                (Some(text), true) => match scan::kind(text) {
                    Kind::Array => scan::elements(text)
                        .into_iter()
                        .map(|text| Some(text.to_string()))
                        .collect(),
                    _ => {
                        let name = self.shown_name();
                        return Err(invalid(format!("cannot call {name} on {}", refused(scan::kind(text)))).into());
                    }
                },
            };
            lengths.push(values.len());
            origins.extend(std::iter::repeat_n(row, values.len()));
            texts.extend(values);
        }
        let filled = filled(&row_type, &texts, &base, &origins, self)?;
        if !self.is_set {
            return Ok(ColumnarValue::Array(filled));
        }
        let item = Arc::new(Field::new("item", row_type.to_arrow(), true));
        let nulls = NullBuffer::from_iter((0..rows).map(|row| json.is_valid(row)));
        let list = ListArray::try_new(item, OffsetBuffer::from_lengths(lengths), filled, Some(nulls))?;
        Ok(ColumnarValue::Array(Arc::new(list)))
    }
}

fn refused(kind: Kind) -> &'static str {
    match kind {
        Kind::Object => "an object",
        Kind::Array => "an array",
        _ => "a scalar",
    }
}

/// The rows that json objects describe; a field that one does not have is the base's.
fn filled(
    row_type: &SqlType,
    texts: &[Option<String>],
    base: &ArrayRef,
    origins: &[usize],
    function: &Populate,
) -> Result<ArrayRef> {
    let SqlType::Composite(composite) = row_type else {
        return Err(Error::internal("json makes rows of composite types only"));
    };
    let (base_columns, base_rows) =
        row_columns(base, row_type).ok_or_else(|| Error::internal("a row's base has no fields"))?;
    let mut fields = vec![];
    for (place, field) in composite.fields.iter().enumerate() {
        let mut builder = ColumnBuilder::new(&field.sql_type, &FormatSettings::default(), texts.len());
        // Text carries a base's value over: what a field's type writes, it reads.
        let known = as_texts(base_columns[place].0, &field.sql_type)?;
        let known = known.as_string_view();
        for (text, origin) in texts.iter().zip(origins) {
            let member = match text {
                Some(text) => member(text, &field.name, function)?,
                None => None,
            };
            let has_base = base_rows.is_valid(*origin) && known.is_valid(*origin);
            match member {
                // A row in it keeps what the object does not have.
                Some(value) if has_base && matches!(field.sql_type, SqlType::Composite(_)) && is_object(value) => {
                    let (texts, base) = ([Some(value.to_string())], base_columns[place].0);
                    let row = filled(&field.sql_type, &texts, base, &[*origin], function)?;
                    builder.append_text(as_texts(&row, &field.sql_type)?.as_string_view().value(0))?;
                }
                Some(value) => append(&mut builder, &field.sql_type, value)?,
                None if has_base => builder.append_text(known.value(*origin))?,
                None => builder.append_null(),
            }
        }
        fields.push(builder.finish()?);
    }
    // NULL stays what the base was.
    let there = texts.iter().zip(origins);
    let there = there.map(|(text, origin)| text.is_some() || base_rows.is_valid(*origin));
    let nulls = NullBuffer::from_iter(there);
    let rows = datafusion::arrow::array::StructArray::try_new_with_length(
        composite.arrow_fields(),
        fields,
        Some(nulls),
        texts.len(),
    )?;
    Ok(Arc::new(rows))
}

fn is_object(value: &str) -> bool {
    scan::kind(value) == Kind::Object
}

fn as_texts(values: &ArrayRef, sql_type: &SqlType) -> Result<ArrayRef> {
    let settings = FormatSettings::default();
    cast_array(values, sql_type, &SqlType::Text, CastContext::Assignment, &settings)
}

/// The last member of this name.
fn member<'a>(text: &'a str, name: &str, function: &Populate) -> Result<Option<&'a str>> {
    match scan::kind(text) {
        Kind::Object => {}
        _ if function.is_set => {
            let name = function.shown_name();
            return Err(invalid(format!("argument of {name} must be an array of objects")));
        }
        kind => return Err(no_row(kind)),
    }
    Ok(scan::member(text, name))
}

/// A json value as a value of a type: objects are rows, arrays arrays, and all else is read as text.
fn append(builder: &mut ColumnBuilder, sql_type: &SqlType, value: &str) -> Result<()> {
    match as_text(sql_type, value)? {
        Some(text) => builder.append_text(&text),
        None => {
            builder.append_null();
            Ok(())
        }
    }
}

/// What the type's input reads; `None` for null.
pub(super) fn as_text(sql_type: &SqlType, value: &str) -> Result<Option<String>> {
    let kind = scan::kind(value);
    Ok(match (sql_type, kind) {
        (_, Kind::Null) => None,
        (SqlType::Json | SqlType::Jsonb, _) => Some(value.to_string()),
        // A literal of the type, rows and arrays too.
        (_, Kind::String) => Some(scan::unquoted(value)?),
        (SqlType::Composite(composite), Kind::Object) => {
            let mut fields = vec![];
            for field in &composite.fields {
                let found = scan::member(value, &field.name);
                let text = found.map(|value| as_text(&field.sql_type, value)).transpose()?;
                fields.push(text.flatten().map(|text| quoted(&text)).unwrap_or_default());
            }
            Some(format!("({})", fields.join(",")))
        }
        (SqlType::Composite(_), kind) => return Err(no_row(kind)),
        (SqlType::Array(element), Kind::Array) => {
            let text = array_text(element, value, dimensions(value))?;
            // Nothing but empty arrays is one of them.
            let is_empty = text.chars().all(|character| "{},".contains(character));
            Some(if is_empty { "{}".to_string() } else { text })
        }
        (SqlType::Array(_), _) => return Err(no_array()),
        _ => Some(value.to_string()),
    })
}

fn no_row(kind: Kind) -> Error {
    invalid(format!("cannot call populate_composite on {}", refused(kind)))
}

fn no_array() -> Error {
    Error::new(SqlState::InvalidTextRepresentation, "expected JSON array")
}

/// How many arrays begin inside of each other. Those further in are elements.
fn dimensions(array: &str) -> usize {
    match scan::elements(array).first() {
        Some(first) if scan::kind(first) == Kind::Array => 1 + dimensions(first),
        _ => 1,
    }
}

fn array_text(element: &SqlType, array: &str, dimensions: usize) -> Result<String> {
    let mut elements = vec![];
    for value in scan::elements(array) {
        elements.push(match (dimensions, scan::kind(value)) {
            (1, _) => as_text(element, value)?.map_or_else(|| "NULL".to_string(), |text| quoted(&text)),
            (_, Kind::Array) => array_text(element, value, dimensions - 1)?,
            _ => return Err(no_array()),
        });
    }
    Ok(format!("{{{}}}", elements.join(",")))
}

/// The member of this name, which is to be read as an array.
fn array_literal(_: &Arguments<'_>, row: &[Datum]) -> Result<Datum> {
    let [Datum::Text(value), Datum::Text(key), is_json @ ..] = row else {
        return Ok(Datum::Null);
    };
    let elements = SqlType::Array(Box::new(match is_json {
        [] => SqlType::Text,
        _ => SqlType::Json,
    }));
    let text = match scan::kind(value) {
        // A literal of an array.
        Kind::String => Some(scan::unquoted(value)?),
        _ => as_text(&elements, value).map_err(|error| error.with_hint(format!("See the value of key \"{key}\".")))?,
    };
    Ok(text.into())
}

/// A text in quotes, for a literal of a row or an array.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
