//! Builds an Arrow column of a SQL type from PostgreSQL text or binary values, one at a time.

use datafusion::arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float32Builder, Float64Builder,
    Int16Builder, Int32Builder, Int64Builder, IntervalMonthDayNanoBuilder, ListArray, NullArray, StringViewBuilder,
    StructArray, Time64MicrosecondBuilder, TimestampMicrosecondBuilder, UInt32Builder,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::datatypes::{Field, Fields, IntervalMonthDayNano};
use std::sync::Arc;

use crate::error::{Error, Result, SqlState};
use crate::types::format::FormatSettings;
use crate::types::parse::{self, ArrayItem, Decimal};
use crate::types::precision::{round_time, round_timestamp};
use crate::types::{SqlType, UNCONSTRAINED_NUMERIC, json};

/// A growing column of `SqlType::to_arrow()`.
pub struct ColumnBuilder {
    values: Values,
    sql_type: SqlType,
    settings: FormatSettings,
}

enum Values {
    Bool(BooleanBuilder),
    Int2(Int16Builder),
    Int4(Int32Builder),
    Int8(Int64Builder),
    Oid(UInt32Builder),
    Float4(Float32Builder),
    Float8(Float64Builder),
    Numeric {
        builder: Decimal128Builder,
        precision: u8,
        scale: i8,
    },
    Text(StringViewBuilder),
    Bytea(BinaryBuilder),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Timestamp(TimestampMicrosecondBuilder),
    Interval(IntervalMonthDayNanoBuilder),
    List {
        elements: Box<ColumnBuilder>,
        offsets: Vec<i32>,
        valid: Vec<bool>,
    },
    Row {
        fields: Vec<ColumnBuilder>,
        layout: Fields,
        valid: Vec<bool>,
    },
    Void(usize),
}

impl ColumnBuilder {
    pub fn new(sql_type: &SqlType, settings: &FormatSettings, capacity: usize) -> ColumnBuilder {
        let sql_type = sql_type.base();
        let values = match sql_type {
            SqlType::Bool => Values::Bool(BooleanBuilder::with_capacity(capacity)),
            SqlType::Int2 => Values::Int2(Int16Builder::with_capacity(capacity)),
            SqlType::Int4 => Values::Int4(Int32Builder::with_capacity(capacity)),
            SqlType::Int8 => Values::Int8(Int64Builder::with_capacity(capacity)),
            SqlType::Float4 => Values::Float4(Float32Builder::with_capacity(capacity)),
            SqlType::Float8 => Values::Float8(Float64Builder::with_capacity(capacity)),
            SqlType::Numeric(modifier) => {
                let (precision, scale) = modifier.unwrap_or(UNCONSTRAINED_NUMERIC);
                let builder = Decimal128Builder::with_capacity(capacity).with_data_type(sql_type.to_arrow());
                Values::Numeric {
                    builder,
                    precision,
                    scale,
                }
            }
            SqlType::Bytea => Values::Bytea(BinaryBuilder::new()),
            SqlType::Date => Values::Date(Date32Builder::with_capacity(capacity)),
            SqlType::Time(_) => Values::Time(Time64MicrosecondBuilder::with_capacity(capacity)),
            SqlType::Timestamp(_) | SqlType::Timestamptz(_) => {
                let builder = TimestampMicrosecondBuilder::with_capacity(capacity);
                Values::Timestamp(builder.with_data_type(sql_type.to_arrow()))
            }
            SqlType::Interval(_) => Values::Interval(IntervalMonthDayNanoBuilder::with_capacity(capacity)),
            SqlType::Oid | SqlType::Regclass | SqlType::Regtype | SqlType::Regproc => {
                Values::Oid(UInt32Builder::with_capacity(capacity))
            }
            SqlType::Array(element) => Values::List {
                elements: Box::new(ColumnBuilder::new(element, settings, capacity)),
                offsets: vec![0],
                valid: Vec::with_capacity(capacity),
            },
            SqlType::Composite(composite) => {
                let fields = composite.fields.iter();
                Values::Row {
                    fields: fields
                        .map(|field| ColumnBuilder::new(&field.sql_type, settings, capacity))
                        .collect(),
                    layout: composite.arrow_fields(),
                    valid: Vec::with_capacity(capacity),
                }
            }
            SqlType::Void => Values::Void(0),
            SqlType::Text
            | SqlType::Varchar(_)
            | SqlType::Bpchar(_)
            | SqlType::Name
            | SqlType::Char
            | SqlType::Uuid
            | SqlType::Json
            | SqlType::Jsonb
            | SqlType::Spelled(_)
            | SqlType::System(_)
            | SqlType::Record
            | SqlType::Enum(_)
            | SqlType::Domain(_)
            | SqlType::Stored(_)
            | SqlType::Named(_)
            | SqlType::Unknown => Values::Text(StringViewBuilder::with_capacity(capacity)),
        };
        ColumnBuilder {
            values,
            sql_type: sql_type.clone(),
            settings: settings.clone(),
        }
    }

    pub fn sql_type(&self) -> &SqlType {
        &self.sql_type
    }

    pub fn settings(&self) -> &FormatSettings {
        &self.settings
    }

    pub fn append_null(&mut self) {
        match &mut self.values {
            Values::Bool(builder) => builder.append_null(),
            Values::Int2(builder) => builder.append_null(),
            Values::Int4(builder) => builder.append_null(),
            Values::Int8(builder) => builder.append_null(),
            Values::Oid(builder) => builder.append_null(),
            Values::Float4(builder) => builder.append_null(),
            Values::Float8(builder) => builder.append_null(),
            Values::Numeric { builder, .. } => builder.append_null(),
            Values::Text(builder) => builder.append_null(),
            Values::Bytea(builder) => builder.append_null(),
            Values::Date(builder) => builder.append_null(),
            Values::Time(builder) => builder.append_null(),
            Values::Timestamp(builder) => builder.append_null(),
            Values::Interval(builder) => builder.append_null(),
            Values::List { offsets, valid, .. } => {
                offsets.extend(offsets.last().copied());
                valid.push(false);
            }
            Values::Row { fields, valid, .. } => {
                fields.iter_mut().for_each(ColumnBuilder::append_null);
                valid.push(false);
            }
            Values::Void(rows) => *rows += 1,
        }
    }

    /// Reads a value in PostgreSQL's text format. After an error nothing has been appended to a scalar
    /// column; a column of arrays or rows must be thrown away.
    pub fn append_text(&mut self, text: &str) -> Result<()> {
        match &mut self.values {
            Values::Bool(builder) => builder.append_value(parse::parse_bool(text)?),
            Values::Int2(builder) => {
                let value = parse::parse_integer(text, "smallint", i16::MIN.into(), i16::MAX.into())?;
                builder.append_value(value as i16);
            }
            Values::Int4(builder) => {
                let value = parse::parse_integer(text, "integer", i32::MIN.into(), i32::MAX.into())?;
                builder.append_value(value as i32);
            }
            Values::Int8(builder) => {
                builder.append_value(parse::parse_integer(text, "bigint", i64::MIN, i64::MAX)?);
            }
            Values::Oid(builder) => match &self.sql_type {
                SqlType::Oid => builder.append_value(parse::parse_oid(text)?),
                other => match text.parse() {
                    Ok(oid) => builder.append_value(oid),
                    Err(_) => return Err(Error::unsupported(format!("a name as a value of type {other}"))),
                },
            },
            Values::Float4(builder) => builder.append_value(parse::parse_float4(text)?),
            Values::Float8(builder) => builder.append_value(parse::parse_float8(text)?),
            Values::Numeric { .. } => return self.append_decimal(parse::parse_decimal(text)?),
            Values::Text(builder) => append_string(builder, &self.sql_type, text, &self.settings)?,
            Values::Bytea(builder) => builder.append_value(parse::parse_bytea(text)?),
            Values::Date(builder) => {
                builder.append_value(parse::parse_date(
                    text,
                    self.settings.date_style.order,
                    &self.settings.time_zone,
                )?);
            }
            Values::Time(builder) => {
                builder.append_value(round_time(parse::parse_time(text)?, self.sql_type.second_digits()));
            }
            Values::Timestamp(builder) => {
                let (order, zone) = (self.settings.date_style.order, &self.settings.time_zone);
                let moment = match self.sql_type {
                    SqlType::Timestamptz(_) => parse::parse_timestamptz(text, order, zone)?,
                    _ => parse::parse_timestamp(text, order, zone)?,
                };
                builder.append_value(round_timestamp(moment, self.sql_type.second_digits()));
            }
            Values::Interval(builder) => {
                let modifier = self.sql_type.interval_modifier();
                builder.append_value(parse::parse_interval(text, self.settings.interval_style, modifier)?);
            }
            Values::List { .. } => return self.append_items(&parse::parse_array(text)?),
            Values::Row { fields, valid, .. } => {
                let values = parse::parse_record(text, fields.len())?;
                for (field, value) in fields.iter_mut().zip(values) {
                    match value {
                        Some(value) => field.append_text(&value)?,
                        None => field.append_null(),
                    }
                }
                valid.push(true);
            }
            Values::Void(rows) => *rows += 1,
        }
        Ok(())
    }

    fn append_items(&mut self, items: &[ArrayItem]) -> Result<()> {
        let mut items = items;
        let Values::List {
            elements,
            offsets,
            valid,
        } = &mut self.values
        else {
            return Err(Error::internal("array elements for a column that is not an array"));
        };
        // A column is declared with one dimension or more; a literal may have fewer.
        let nested = matches!(elements.values, Values::List { .. });
        let wrapped;
        if nested && !items.is_empty() && !matches!(items[0], ArrayItem::Array(_)) {
            wrapped = [ArrayItem::Array(items.to_vec())];
            items = &wrapped;
        }
        for item in items {
            match item {
                ArrayItem::Null => elements.append_null(),
                ArrayItem::Text(text) => elements.append_text(text)?,
                ArrayItem::Array(inner) if nested => elements.append_items(inner)?,
                ArrayItem::Array(_) => return Err(too_many_dimensions()),
            }
        }
        valid.push(true);
        let end = offsets.last().copied().unwrap_or(0) + items.len() as i32;
        offsets.push(end);
        Ok(())
    }

    /// Rounds to the column's scale.
    pub fn append_decimal(&mut self, decimal: Decimal) -> Result<()> {
        let Values::Numeric {
            builder,
            precision,
            scale,
        } = &mut self.values
        else {
            return Err(Error::internal("a decimal for a column that is not numeric"));
        };
        builder.append_value(parse::fit_decimal(decimal, *precision, *scale)?);
        Ok(())
    }

    /// Appends a value that was checked by the caller; false if the column is of another type.
    pub(super) fn append_scalar(&mut self, scalar: Scalar<'_>) -> bool {
        match (&mut self.values, scalar) {
            (Values::Bool(builder), Scalar::Bool(value)) => builder.append_value(value),
            (Values::Int2(builder), Scalar::Int2(value)) => builder.append_value(value),
            (Values::Int4(builder), Scalar::Int4(value)) => builder.append_value(value),
            (Values::Int8(builder), Scalar::Int8(value)) => builder.append_value(value),
            (Values::Oid(builder), Scalar::Oid(value)) => builder.append_value(value),
            (Values::Float4(builder), Scalar::Float4(value)) => builder.append_value(value),
            (Values::Float8(builder), Scalar::Float8(value)) => builder.append_value(value),
            (Values::Bytea(builder), Scalar::Bytes(value)) => builder.append_value(value),
            (Values::Text(builder), Scalar::Text(value)) => builder.append_value(value),
            (Values::Date(builder), Scalar::Date(value)) => builder.append_value(value),
            (Values::Time(builder), Scalar::Micros(value)) => {
                builder.append_value(round_time(value, self.sql_type.second_digits()));
            }
            (Values::Timestamp(builder), Scalar::Micros(value)) => {
                builder.append_value(round_timestamp(value, self.sql_type.second_digits()));
            }
            (Values::Interval(builder), Scalar::Interval(value)) => {
                let modifier = self.sql_type.interval_modifier();
                builder.append_value(modifier.map_or(value, |modifier| modifier.fit(value)));
            }
            _ => return false,
        }
        true
    }

    /// The parts of a list column: its element builder, and the place to note that a row ended.
    pub(super) fn elements(&mut self) -> Option<&mut ColumnBuilder> {
        match &mut self.values {
            Values::List { elements, .. } => Some(elements),
            _ => None,
        }
    }

    /// The fields of a column of rows; `end_row` closes each row that was appended to all of them.
    pub(super) fn fields(&mut self) -> Option<&mut [ColumnBuilder]> {
        match &mut self.values {
            Values::Row { fields, .. } => Some(fields),
            _ => None,
        }
    }

    /// Notes that a row has a value in each of its fields.
    pub(super) fn end_row(&mut self) {
        if let Values::Row { valid, .. } = &mut self.values {
            valid.push(true);
        }
    }

    /// Closes a list row of `length` elements that were appended through `elements`.
    pub(super) fn end_list(&mut self, length: usize) {
        if let Values::List { offsets, valid, .. } = &mut self.values {
            let end = offsets.last().copied().unwrap_or(0) + length as i32;
            offsets.push(end);
            valid.push(true);
        }
    }

    /// The column so far; the builder is empty afterwards.
    pub fn finish(&mut self) -> Result<ArrayRef> {
        Ok(match &mut self.values {
            Values::Bool(builder) => Arc::new(builder.finish()),
            Values::Int2(builder) => Arc::new(builder.finish()),
            Values::Int4(builder) => Arc::new(builder.finish()),
            Values::Int8(builder) => Arc::new(builder.finish()),
            Values::Oid(builder) => Arc::new(builder.finish()),
            Values::Float4(builder) => Arc::new(builder.finish()),
            Values::Float8(builder) => Arc::new(builder.finish()),
            Values::Numeric { builder, .. } => Arc::new(builder.finish()),
            Values::Text(builder) => Arc::new(builder.finish()),
            Values::Bytea(builder) => Arc::new(builder.finish()),
            Values::Date(builder) => Arc::new(builder.finish()),
            Values::Time(builder) => Arc::new(builder.finish()),
            Values::Timestamp(builder) => Arc::new(builder.finish()),
            Values::Interval(builder) => Arc::new(builder.finish()),
            Values::List {
                elements,
                offsets,
                valid,
            } => {
                let field = Field::new("item", elements.sql_type.to_arrow(), true);
                let offsets = OffsetBuffer::new(std::mem::replace(offsets, vec![0]).into());
                let nulls = NullBuffer::from(std::mem::take(valid));
                Arc::new(ListArray::try_new(
                    Arc::new(field),
                    offsets,
                    elements.finish()?,
                    Some(nulls),
                )?)
            }
            Values::Row { fields, layout, valid } => {
                let columns = fields.iter_mut().map(ColumnBuilder::finish);
                let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
                let valid = std::mem::take(valid);
                let (rows, nulls) = (valid.len(), Some(NullBuffer::from(valid)));
                Arc::new(StructArray::try_new_with_length(layout.clone(), columns, nulls, rows)?)
            }
            Values::Void(rows) => Arc::new(NullArray::new(std::mem::take(rows))),
        })
    }
}

/// A decoded value on its way into a column.
pub(super) enum Scalar<'a> {
    Bool(bool),
    Int2(i16),
    Int4(i32),
    Int8(i64),
    Oid(u32),
    Float4(f32),
    Float8(f64),
    Bytes(&'a [u8]),
    Text(&'a str),
    Date(i32),
    /// Of a time or a timestamp.
    Micros(i64),
    Interval(IntervalMonthDayNano),
}

fn append_string(
    builder: &mut StringViewBuilder,
    sql_type: &SqlType,
    text: &str,
    settings: &FormatSettings,
) -> Result<()> {
    match sql_type {
        SqlType::Varchar(length) => builder.append_value(parse::fit_varchar(text, *length)?),
        SqlType::Bpchar(length) => builder.append_value(parse::fit_bpchar(text, *length)?),
        SqlType::Uuid => builder.append_value(parse::parse_uuid(text)?),
        SqlType::Char => builder.append_value(parse::parse_char(text)),
        SqlType::Enum(definition) => builder.append_value(definition.check(text)?),
        SqlType::Spelled(spelled) => builder.append_value(spelled.read(text, settings)?),
        SqlType::Name => builder.append_value(&text[..text.floor_char_boundary(63)]),
        SqlType::Json => {
            json::check(text)?;
            builder.append_value(text);
        }
        SqlType::Jsonb => builder.append_value(json::canonical(text)?),
        _ => builder.append_value(text),
    }
    Ok(())
}

pub(in crate::types) fn too_many_dimensions() -> Error {
    Error::new(
        SqlState::FeatureNotSupported,
        "an array of more dimensions than its column has is not supported yet",
    )
    .with_hint("Declare the column with as many brackets as the values have dimensions.")
}
