//! One value outside Arrow: what functions that look things up row by row take and give, and what
//! virtual tables are filled with. Columns of them are built here and nowhere else.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Float32Builder, Float64Builder, GenericListArray,
    Int16Builder, Int32Builder, Int64Builder, NullArray, PrimitiveBuilder, StringBuilder, StringViewBuilder,
    StructArray, Time64MicrosecondBuilder, UInt32Builder,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::datatypes::{
    DataType, Decimal128Type, Decimal256Type, FieldRef, Fields, IntervalMonthDayNanoType, TimeUnit,
};
use datafusion::arrow::datatypes::{IntervalMonthDayNano, TimestampMicrosecondType};
use datafusion::common::ScalarValue;

use crate::error::{Error, Result};
use crate::types::numeric::{Number, overflow};

/// A value of any type that the system's own functions and tables use.
#[derive(Debug, Clone, PartialEq)]
pub enum Datum {
    Null,
    Bool(bool),
    /// Every integer and OID type.
    Int(i64),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since midnight, or since 1970-01-01 00:00 (UTC for timestamptz).
    Micros(i64),
    Interval(IntervalMonthDayNano),
    /// Unscaled value and scale.
    Decimal(i128, i8),
    List(Vec<Datum>),
}

impl Datum {
    /// Text from anything that can become a string.
    pub fn text(value: impl Into<String>) -> Datum {
        Datum::Text(value.into())
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Datum::Null)
    }

    pub fn as_int(&self) -> Option<i64> {
        match self {
            Datum::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// An OID argument; a negative or too large number is no object's.
    pub fn as_oid(&self) -> Option<u32> {
        self.as_int().and_then(|value| u32::try_from(value).ok())
    }

    pub fn as_text(&self) -> Option<&str> {
        match self {
            Datum::Text(value) => Some(value),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Datum::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The value of one row of a column.
    pub fn from_array(array: &ArrayRef, row: usize) -> Result<Datum> {
        if array.is_null(row) {
            return Ok(Datum::Null);
        }
        Datum::from_scalar(&ScalarValue::try_from_array(array, row)?)
    }

    /// The value of a constant.
    pub fn from_scalar(scalar: &ScalarValue) -> Result<Datum> {
        if scalar.is_null() {
            return Ok(Datum::Null);
        }
        Ok(match scalar {
            ScalarValue::Boolean(Some(value)) => Datum::Bool(*value),
            ScalarValue::Int8(Some(value)) => Datum::Int(i64::from(*value)),
            ScalarValue::Int16(Some(value)) => Datum::Int(i64::from(*value)),
            ScalarValue::Int32(Some(value)) => Datum::Int(i64::from(*value)),
            ScalarValue::Int64(Some(value)) => Datum::Int(*value),
            ScalarValue::UInt8(Some(value)) => Datum::Int(i64::from(*value)),
            ScalarValue::UInt16(Some(value)) => Datum::Int(i64::from(*value)),
            ScalarValue::UInt32(Some(value)) => Datum::Int(i64::from(*value)),
            ScalarValue::UInt64(Some(value)) => {
                Datum::Int(i64::try_from(*value).map_err(|_| Error::internal("bigint out of range"))?)
            }
            ScalarValue::Float32(Some(value)) => Datum::Float(f64::from(*value)),
            ScalarValue::Float64(Some(value)) => Datum::Float(*value),
            ScalarValue::Utf8(Some(value))
            | ScalarValue::Utf8View(Some(value))
            | ScalarValue::LargeUtf8(Some(value)) => Datum::Text(value.clone()),
            ScalarValue::Binary(Some(value))
            | ScalarValue::LargeBinary(Some(value))
            | ScalarValue::BinaryView(Some(value)) => Datum::Bytes(value.clone()),
            ScalarValue::Date32(Some(value)) => Datum::Date(*value),
            ScalarValue::Time64Microsecond(Some(value)) | ScalarValue::TimestampMicrosecond(Some(value), _) => {
                Datum::Micros(*value)
            }
            ScalarValue::TimestampNanosecond(Some(value), _) => Datum::Micros(value.div_euclid(1_000)),
            ScalarValue::TimestampMillisecond(Some(value), _) => Datum::Micros(value * 1_000),
            ScalarValue::TimestampSecond(Some(value), _) => Datum::Micros(value * 1_000_000),
            ScalarValue::IntervalMonthDayNano(Some(value)) => Datum::Interval(*value),
            ScalarValue::Decimal128(Some(value), _, scale) => Datum::Decimal(*value, *scale),
            ScalarValue::Decimal256(Some(value), _, scale) => {
                let number = Number {
                    value: *value,
                    scale: i32::from(*scale),
                };
                let number = number.trimmed();
                Datum::Decimal(number.to_i128().ok_or_else(overflow)?, number.scale as i8)
            }
            ScalarValue::Dictionary(_, value) => Datum::from_scalar(value)?,
            ScalarValue::List(list) => Datum::List(list_elements(&list.value(0))?),
            ScalarValue::LargeList(list) => Datum::List(list_elements(&list.value(0))?),
            // A row is the list of its fields.
            ScalarValue::Struct(row) => {
                let fields = row.columns().iter().map(|field| Datum::from_array(field, 0));
                Datum::List(fields.collect::<Result<_>>()?)
            }
            other => return Err(Error::unsupported(format!("a value of type {}", other.data_type()))),
        })
    }
}

fn list_elements(elements: &ArrayRef) -> Result<Vec<Datum>> {
    (0..elements.len())
        .map(|row| Datum::from_array(elements, row))
        .collect()
}

impl From<bool> for Datum {
    fn from(value: bool) -> Datum {
        Datum::Bool(value)
    }
}

impl From<i64> for Datum {
    fn from(value: i64) -> Datum {
        Datum::Int(value)
    }
}

impl From<i32> for Datum {
    fn from(value: i32) -> Datum {
        Datum::Int(i64::from(value))
    }
}

impl From<i16> for Datum {
    fn from(value: i16) -> Datum {
        Datum::Int(i64::from(value))
    }
}

impl From<u32> for Datum {
    fn from(value: u32) -> Datum {
        Datum::Int(i64::from(value))
    }
}

impl From<f64> for Datum {
    fn from(value: f64) -> Datum {
        Datum::Float(value)
    }
}

impl From<&str> for Datum {
    fn from(value: &str) -> Datum {
        Datum::Text(value.to_string())
    }
}

impl From<String> for Datum {
    fn from(value: String) -> Datum {
        Datum::Text(value)
    }
}

impl From<&String> for Datum {
    fn from(value: &String) -> Datum {
        Datum::Text(value.clone())
    }
}

impl<T: Into<Datum>> From<Option<T>> for Datum {
    fn from(value: Option<T>) -> Datum {
        value.map_or(Datum::Null, Into::into)
    }
}

impl<T: Into<Datum>> From<Vec<T>> for Datum {
    fn from(values: Vec<T>) -> Datum {
        Datum::List(values.into_iter().map(Into::into).collect())
    }
}

macro_rules! fill {
    ($builder:expr, $values:expr, $($pattern:pat => $value:expr),+) => {{
        let mut builder = $builder;
        for datum in $values {
            match datum {
                Datum::Null => builder.append_null(),
                $($pattern => builder.append_value($value),)+
                other => return Err(mismatch(other)),
            }
        }
        Arc::new(builder.finish()) as ArrayRef
    }};
}

/// A column of `data_type`; fails when a value does not fit it.
pub fn to_array(data_type: &DataType, values: &[Datum]) -> Result<ArrayRef> {
    let capacity = values.len();
    Ok(match data_type {
        DataType::Null => Arc::new(NullArray::new(capacity)),
        DataType::Boolean => fill!(BooleanBuilder::with_capacity(capacity), values, Datum::Bool(value) => *value),
        DataType::Int16 => fill!(Int16Builder::with_capacity(capacity), values, Datum::Int(value) => narrow(*value)?),
        DataType::Int32 => fill!(Int32Builder::with_capacity(capacity), values, Datum::Int(value) => narrow(*value)?),
        DataType::Int64 => fill!(Int64Builder::with_capacity(capacity), values, Datum::Int(value) => *value),
        DataType::UInt32 => fill!(UInt32Builder::with_capacity(capacity), values, Datum::Int(value) => narrow(*value)?),
        DataType::Float32 => fill!(
            Float32Builder::with_capacity(capacity), values,
            Datum::Float(value) => *value as f32, Datum::Int(value) => *value as f32
        ),
        DataType::Float64 => fill!(
            Float64Builder::with_capacity(capacity), values,
            Datum::Float(value) => *value, Datum::Int(value) => *value as f64
        ),
        DataType::Utf8 => fill!(StringBuilder::new(), values, Datum::Text(value) => value),
        DataType::Utf8View => fill!(StringViewBuilder::with_capacity(capacity), values, Datum::Text(value) => value),
        DataType::Binary => fill!(BinaryBuilder::new(), values, Datum::Bytes(value) => value),
        DataType::Date32 => fill!(Date32Builder::with_capacity(capacity), values, Datum::Date(value) => *value),
        DataType::Time64(TimeUnit::Microsecond) => {
            fill!(Time64MicrosecondBuilder::with_capacity(capacity), values, Datum::Micros(value) => *value)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => fill!(
            PrimitiveBuilder::<TimestampMicrosecondType>::with_capacity(capacity).with_data_type(data_type.clone()), values,
            Datum::Micros(value) => *value
        ),
        DataType::Interval(_) => fill!(
            PrimitiveBuilder::<IntervalMonthDayNanoType>::with_capacity(capacity), values,
            Datum::Interval(value) => *value
        ),
        DataType::Decimal128(_, target) => {
            let builder = PrimitiveBuilder::<Decimal128Type>::with_capacity(capacity).with_data_type(data_type.clone());
            fill!(
                builder, values,
                Datum::Decimal(value, scale) => rescale(*value, *scale, *target)?,
                Datum::Int(value) => rescale(i128::from(*value), 0, *target)?
            )
        }
        DataType::Decimal256(_, target) => {
            let builder = PrimitiveBuilder::<Decimal256Type>::with_capacity(capacity).with_data_type(data_type.clone());
            let lifted = |value: i128, scale: i8| {
                let number = Number::new(value, i32::from(scale)).rounded(i32::from(*target));
                number.map(|number| number.value)
            };
            fill!(
                builder, values,
                Datum::Decimal(value, scale) => lifted(*value, *scale)?,
                Datum::Int(value) => lifted(i128::from(*value), 0)?
            )
        }
        DataType::List(element) => to_list(element, values)?,
        DataType::Struct(fields) => to_rows(fields, values)?,
        other => return Err(Error::internal(format!("no column of type {other} can be built"))),
    })
}

fn to_list(element: &FieldRef, values: &[Datum]) -> Result<ArrayRef> {
    let mut elements = Vec::new();
    let mut lengths = Vec::with_capacity(values.len());
    let mut valid = Vec::with_capacity(values.len());
    for value in values {
        match value {
            Datum::Null => lengths.push(0),
            Datum::List(list) => {
                elements.extend_from_slice(list);
                lengths.push(list.len());
            }
            other => return Err(mismatch(other)),
        }
        valid.push(!value.is_null());
    }
    let list = GenericListArray::<i32>::try_new(
        Arc::clone(element),
        OffsetBuffer::from_lengths(lengths),
        to_array(element.data_type(), &elements)?,
        Some(NullBuffer::from(valid)),
    )?;
    Ok(Arc::new(list))
}

fn to_rows(fields: &Fields, values: &[Datum]) -> Result<ArrayRef> {
    let field = |row: &Datum, place: usize| match row {
        Datum::List(fields) => fields.get(place).cloned().unwrap_or(Datum::Null),
        _ => Datum::Null,
    };
    let columns = fields.iter().enumerate().map(|(place, known)| {
        let values: Vec<Datum> = values.iter().map(|row| field(row, place)).collect();
        to_array(known.data_type(), &values)
    });
    let nulls = NullBuffer::from_iter(values.iter().map(|row| !row.is_null()));
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let rows = StructArray::try_new_with_length(fields.clone(), columns, Some(nulls), values.len())?;
    Ok(Arc::new(rows))
}

fn rescale(value: i128, from: i8, to: i8) -> Result<i128> {
    let factor = 10_i128.checked_pow(u32::from(from.abs_diff(to)));
    let scaled = match factor {
        Some(factor) if to >= from => value.checked_mul(factor),
        Some(factor) => Some(value / factor),
        None => None,
    };
    scaled.ok_or_else(|| Error::internal("numeric value out of range"))
}

fn narrow<T: TryFrom<i64>>(value: i64) -> Result<T> {
    T::try_from(value).map_err(|_| Error::internal(format!("{value} is out of its column's range")))
}

fn mismatch(datum: &Datum) -> Error {
    Error::internal(format!("{datum:?} does not fit its column"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::SqlType;

    #[test]
    fn columns_give_back_what_they_were_built_from() {
        let columns = [
            (SqlType::Bool, vec![Datum::Bool(true), Datum::Null]),
            (SqlType::Oid, vec![Datum::Int(4_000_000_000)]),
            (SqlType::Text, vec![Datum::text("a"), Datum::Null]),
            (SqlType::Timestamptz(None), vec![Datum::Micros(5)]),
            (
                SqlType::Array(Box::new(SqlType::Int2)),
                vec![Datum::from(vec![1_i16, 2]), Datum::Null, Datum::List(vec![])],
            ),
        ];
        for (sql_type, values) in columns {
            let array = to_array(&sql_type.to_arrow(), &values).unwrap();
            let back: Vec<_> = (0..array.len())
                .map(|row| Datum::from_array(&array, row).unwrap())
                .collect();
            assert_eq!(back, values, "{sql_type}");
        }
    }

    #[test]
    fn a_value_that_does_not_fit_is_refused() {
        assert!(to_array(&DataType::Int16, &[Datum::Int(70_000)]).is_err());
        assert!(to_array(&DataType::Boolean, &[Datum::text("t")]).is_err());
    }
}
